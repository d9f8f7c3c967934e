#include "core/str.h"

#include <stdarg.h>
#include <stdio.h>

void str_add(struct str *s, struct slice text)
{
	if (s->full || text.len > s->cap - s->len) {
		s->full = true;
		return;
	}
	if (text.len > 0)
		memcpy(s->ptr + s->len, text.ptr, text.len);
	s->len += text.len;
}

void str_add_cstr(struct str *s, const char *text)
{
	str_add(s, slice_of_str(text));
}

void str_add_char(struct str *s, char c)
{
	if (s->full || s->len == s->cap)
		s->full = true;
	else
		s->ptr[s->len++] = c;
}

void str_add_u64(struct str *s, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	str_add(s, slice_of(digits + at, sizeof(digits) - at));
}

void str_add_hex(struct str *s, uint64_t value, unsigned digits)
{
	char text[16];

	ASSERT(digits <= sizeof(text));
	for (unsigned i = 0; i < digits; i++)
		text[i] = "0123456789ABCDEF"[(value >> (4 * (digits - 1 - i))) & 15];
	str_add(s, slice_of(text, digits));
}

void str_printf(struct str *s, const char *fmt, ...)
{
	va_list args;
	size_t room = s->cap - s->len;

	if (s->full)
		return;
	va_start(args, fmt);
	int n = vsnprintf(s->ptr + s->len, room, fmt, args);

	va_end(args);
	/* vsnprintf wants room for its NUL: text that fits to the octet counts as too long here. */
	if (n < 0 || (size_t)n >= room)
		s->full = true;
	else
		s->len += (size_t)n;
}

void str_add_cut(struct str *s, struct slice text, size_t max)
{
	size_t n = MIN(MIN(text.len, max), s->cap - s->len);

	if (s->full)
		return;
	str_add(s, slice_head(text, n));
	if (n < text.len)
		s->full = true;
}

/* Length of the valid, printable UTF-8 character at the start of text, or 0. RFC 3629 section 4. */
static size_t printable_char_len(struct slice text)
{
	const unsigned char *p = (const unsigned char *)text.ptr;
	uint32_t code;
	size_t n;

	if (p[0] < 0x80)
		return p[0] >= 0x20 && p[0] != 0x7f;
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		n = 2, code = p[0] & 0x1fu;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		n = 3, code = p[0] & 0x0fu;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		n = 4, code = p[0] & 0x07u;
	else
		return 0;
	if (text.len < n)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	static const uint32_t least[] = { [2] = 0x80, [3] = 0x800, [4] = 0x10000 };

	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	/* C1 controls, line and paragraph separators, and everything that turns the direction of text. */
	if (code < 0xa0 || (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) ||
	    code == 0x200e || code == 0x200f || code == 0x061c)
		return 0;
	return n;
}

void str_add_printable(struct str *s, struct slice text, size_t max)
{
	size_t end = s->len + MIN(max, s->cap - s->len);

	while (text.len > 0 && !s->full) {
		size_t n = printable_char_len(text);
		size_t width = n > 0 ? n : 1;

		if (width > end - s->len) {
			s->full = true;
			return;
		}
		if (n > 0)
			memcpy(s->ptr + s->len, text.ptr, n);
		else
			s->ptr[s->len] = '?';
		s->len += width;
		slice_skip(&text, width);
	}
}

const char *str_cstr(struct str *s)
{
	ASSERT(s->cap > 0);
	if (s->len == s->cap) {
		s->len--;
		s->full = true;
	}
	s->ptr[s->len] = '\0';
	return s->ptr;
}
