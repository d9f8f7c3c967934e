#include "net/mail/message.h"

#include <errno.h>

void message_id_text(struct str *out, uint64_t id)
{
	unsigned digits = 1;

	while (digits < 16 && id >> (4 * digits) != 0)
		digits++;
	str_add_hex(out, id, digits);
}

int message_id_parse(struct slice text, uint64_t *ret_id)
{
	uint64_t id = 0;

	if (text.len == 0 || text.len > 16)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		unsigned digit;

		if (c >= '0' && c <= '9')
			digit = (unsigned)(c - '0');
		else if (c >= 'A' && c <= 'F')
			digit = (unsigned)(c - 'A') + 10;
		else
			return -EINVAL;
		id = id << 4 | digit;
	}
	*ret_id = id;
	return 0;
}
