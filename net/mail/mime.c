#include "net/mail/mime.h"

/* RFC 2045, RFC 2183. */
static const struct slice mime_names[] = {
	{ "Content-Description", 19 },
	{ "Content-Disposition", 19 },
	{ "Content-ID", 10 },
	{ "Content-Transfer-Encoding", 25 },
	{ "Content-Type", 12 },
	{ "MIME-Version", 12 },
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

enum mime_header_kind mime_header_kind(enum mime_header_kind block, struct slice header)
{
	ptrdiff_t colon = slice_find_char(header, 0, ':');
	struct slice name = slice_head(header, colon < 0 ? 0 : (size_t)colon);

	while (name.len > 0 && is_blank(name.ptr[name.len - 1]))
		name.len--;
	for (unsigned i = 0; i < ARRAY_LEN(mime_names); i++)
		if (slice_eq_nocase(name, mime_names[i]))
			return MIME_HEADER_MIME;
	return block;
}
