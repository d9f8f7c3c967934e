#include "core/err.h"

#include <string.h>

const char *err_text(int err)
{
	switch (err) {
	case ERR_EOF:
		return "connection closed by the other side";
	case ERR_PROTO:
		return "protocol error";
	case ERR_TIMEOUT:
		return "timed out";
	case ERR_CORRUPT:
		return "stored data is damaged";
	case ERR_VERSION:
		return "stored by another version of this program";
	case ERR_CONTENT:
		return "content cannot be converted";
	case ERR_SYNTAX:
		return "syntax error";
	case ERR_TABLE:
		return "table lookup error";
	default:
		break;
	}
	/* strerrordesc_np returns a constant without locale or buffer, safe in every thread. */
	const char *text = err < 0 && err >= -4095 ? strerrordesc_np(-err) : NULL;

	return text != NULL ? text : "unknown error";
}
