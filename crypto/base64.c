#include "crypto/base64.h"

#include <errno.h>

/* All ones where a < b, for values below 2^15. */
static unsigned mask_below(unsigned a, unsigned b)
{
	return 0u - ((a - b) >> 31);
}

/* What is added to value grows at each border of "A-Za-z0-9+/". */
static char character_of(unsigned value)
{
	unsigned c = value + 'A';

	c += mask_below(25, value) & (unsigned)('a' - 'Z' - 1);
	c -= mask_below(51, value) & (unsigned)('z' + 1 - '0');
	c -= mask_below(61, value) & (unsigned)('9' + 1 - '+');
	c += mask_below(62, value) & (unsigned)('/' - '+' - 1);
	return (char)c;
}

/* All ones where first <= c <= last. */
static unsigned mask_within(unsigned c, char first, char last)
{
	return ~mask_below(c, (unsigned char)first) & ~mask_below((unsigned char)last, c);
}

/* 64 and more: none. */
static unsigned value_of(char character)
{
	unsigned c = (unsigned char)character;
	unsigned upper = mask_within(c, 'A', 'Z'), lower = mask_within(c, 'a', 'z'), digit = mask_within(c, '0', '9');
	unsigned plus = mask_within(c, '+', '+'), slash = mask_within(c, '/', '/');
	unsigned any = upper | lower | digit | plus | slash;

	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (digit & (c - '0' + 52)) | (plus & 62) | (slash & 63) |
	       (~any & 64);
}

int base64_add_encoded(struct str *out, struct slice octets)
{
	const uint8_t *p = (const uint8_t *)octets.ptr;

	if (out->full || out->cap - out->len < base64_size(octets.len))
		return -EMSGSIZE;
	for (size_t i = 0; i < octets.len; i += 3) {
		size_t left = octets.len - i;
		unsigned bits = (unsigned)p[i] << 16;

		bits |= left > 1 ? (unsigned)p[i + 1] << 8 : 0;
		bits |= left > 2 ? p[i + 2] : 0;

		out->ptr[out->len++] = character_of(bits >> 18);
		out->ptr[out->len++] = character_of(bits >> 12 & 63);
		out->ptr[out->len++] = left > 1 ? character_of(bits >> 6 & 63) : '=';
		out->ptr[out->len++] = left > 2 ? character_of(bits & 63) : '=';
	}
	return 0;
}

static unsigned padding_of(struct slice text)
{
	if (text.len < 4 || text.ptr[text.len - 1] != '=')
		return 0;
	return text.ptr[text.len - 2] == '=' ? 2 : 1;
}

/* Four characters, of which the last pad are '='. Negative: they are not that. */
static int decode_four(const char *text, unsigned pad, uint8_t *ret_octets)
{
	unsigned bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		unsigned value = i < 4 - pad ? value_of(text[i]) : 0;

		if (value > 63)
			return -EBADMSG;
		bits = bits << 6 | value;
	}
	if (bits & (pad == 2 ? 0xffffu : pad == 1 ? 0xffu : 0))
		return -EBADMSG;
	ret_octets[0] = (uint8_t)(bits >> 16);
	ret_octets[1] = (uint8_t)(bits >> 8);
	ret_octets[2] = (uint8_t)bits;
	return 0;
}

int base64_add_decoded(struct str *out, struct slice text)
{
	unsigned pad = padding_of(text);
	size_t before = out->len;
	int r = text.len % 4 == 0 ? 0 : -EBADMSG;

	if (r == 0 && (out->full || out->cap - out->len < text.len / 4 * 3 - pad))
		return -EMSGSIZE;
	for (size_t i = 0; r == 0 && i < text.len; i += 4) {
		unsigned missing = i + 4 == text.len ? pad : 0;
		uint8_t octets[3];

		r = decode_four(text.ptr + i, missing, octets);
		for (unsigned n = 0; r == 0 && n < 3 - missing; n++)
			out->ptr[out->len++] = (char)octets[n];
	}
	if (r < 0)
		out->len = before;
	return r;
}
