#include "net/wire/utf8.h"

/* What the first octet says: how many octets there are, and the least code that needs so many. */
static size_t sequence_len(unsigned char first, uint32_t *ret_least)
{
	static const uint32_t least[] = { [1] = 0, [2] = 0x80, [3] = 0x800, [4] = 0x10000 };
	size_t n = first < 0x80 ? 1 :
		   first < 0xc0 ? 0 :
		   first < 0xe0 ? 2 :
		   first < 0xf0 ? 3 :
		   first < 0xf8 ? 4 : 0;

	if (n > 0)
		*ret_least = least[n];
	return n;
}

size_t utf8_decode(struct slice s, uint32_t *ret_code)
{
	static const unsigned char payload[] = { [1] = 0x7f, [2] = 0x1f, [3] = 0x0f, [4] = 0x07 };
	uint32_t least = 0;

	if (s.len == 0)
		return 0;
	size_t n = sequence_len((unsigned char)s.ptr[0], &least);

	if (n == 0 || n > s.len)
		return 0;
	uint32_t code = (unsigned char)s.ptr[0] & payload[n];

	for (size_t i = 1; i < n; i++) {
		unsigned char next = (unsigned char)s.ptr[i];

		if ((next & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (next & 0x3fu);
	}
	if (code < least || !utf8_is_scalar(code))
		return 0;
	*ret_code = code;
	return n;
}

bool utf8_is_scalar(uint32_t code)
{
	return code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

bool utf8_add(struct str *out, uint32_t code)
{
	const unsigned more = code < 0x80 ? 0 : code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
	static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
	char octets[4];

	if (!utf8_is_scalar(code))
		return false;
	octets[0] = (char)(lead[more] | code >> 6 * more);
	for (unsigned i = 1; i <= more; i++)
		octets[i] = (char)(0x80 | (code >> 6 * (more - i) & 0x3f));
	str_add(out, slice_of(octets, more + 1));
	return true;
}

bool utf8_is_valid(struct slice s)
{
	uint32_t code;

	while (s.len > 0) {
		size_t n = utf8_decode(s, &code);

		if (n == 0)
			return false;
		slice_skip(&s, n);
	}
	return true;
}

bool utf8_is_ascii(struct slice s)
{
	unsigned char seen = 0;

	for (size_t i = 0; i < s.len; i++)
		seen |= (unsigned char)s.ptr[i];
	return seen < 0x80;
}
