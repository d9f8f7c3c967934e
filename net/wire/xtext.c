#include "net/wire/xtext.h"

#include <errno.h>

#include "net/wire/utf8.h"

static bool stands_for_itself(unsigned char c)
{
	return c >= 33 && c <= 126 && c != '+' && c != '=';
}

void xtext_encode(struct str *out, struct slice raw)
{
	for (size_t i = 0; i < raw.len; i++) {
		unsigned char c = (unsigned char)raw.ptr[i];

		if (stands_for_itself(c)) {
			str_add_char(out, raw.ptr[i]);
		} else {
			str_add_char(out, '+');
			str_add_hex(out, c, 2);
		}
	}
}

static int hex_value(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Takes one octet off the front of text; -EINVAL when there is none that is well formed. */
static int take_octet(struct slice *text)
{
	unsigned char c = (unsigned char)text->ptr[0];

	if (stands_for_itself(c)) {
		slice_skip(text, 1);
		return c;
	}
	if (c != '+' || text->len < 3)
		return -EINVAL;
	int high = hex_value(text->ptr[1]);
	int low = hex_value(text->ptr[2]);

	if (high < 0 || low < 0)
		return -EINVAL;
	slice_skip(text, 3);
	return high << 4 | low;
}

int xtext_decode(struct str *out, struct slice text)
{
	size_t start = out->len;

	while (text.len > 0) {
		int c = take_octet(&text);

		if (c < 0) {
			out->len = start;
			return c;
		}
		str_add_char(out, (char)c);
	}
	if (str_is_full(out))
		out->len = start;
	return 0;
}

bool xtext_is_safe(struct slice text)
{
	while (text.len > 0) {
		int c = take_octet(&text);

		if (c < 0 || c == '\r' || c == '\n' || c == '\0')
			return false;
	}
	return true;
}

static void add_hex_code(struct str *out, uint32_t code)
{
	unsigned digits = 2;

	while (digits < 8 && code >> (4 * digits) != 0)
		digits++;
	str_add_hex(out, code, digits);
}

int xtext_encode_utf8(struct str *out, struct slice raw)
{
	if (!utf8_is_valid(raw))
		return -EINVAL;
	while (raw.len > 0) {
		uint32_t code = 0;
		size_t n = utf8_decode(raw, &code);

		if (code < 128 && stands_for_itself((unsigned char)code) && code != '\\') {
			str_add_char(out, (char)code);
		} else {
			str_add_cstr(out, "\\x{");
			add_hex_code(out, code);
			str_add_char(out, '}');
		}
		slice_skip(&raw, n);
	}
	return 0;
}

/* "\x{" 1*6 hex digits "}": upper case is what RFC 6533 writes, lower case is what its grammar also takes. Returns the
 * octets it has, 0 when it is none. */
static size_t embedded_len(struct slice text, uint32_t *ret_code)
{
	const size_t digits_at = 3;
	uint32_t code = 0;
	size_t n = digits_at;

	if (!slice_has_prefix(text, SLICE("\\x{")))
		return 0;
	for (; n < text.len && n < digits_at + 6; n++) {
		const char c = text.ptr[n];
		const int digit = hex_value(c >= 'a' && c <= 'f' ? (char)(c - 'a' + 'A') : c);

		if (digit < 0)
			break;
		code = code << 4 | (uint32_t)digit;
	}
	if (n == digits_at || n >= text.len || text.ptr[n] != '}')
		return 0;
	*ret_code = code;
	return n + 1;
}

/* Takes one character off the front of text. 0 or -EINVAL. */
static int take_character(struct slice *text, uint32_t *ret_code)
{
	size_t n = embedded_len(*text, ret_code);

	if (n == 0) {
		n = utf8_decode(*text, ret_code);
		if (n == 0 || (*ret_code < 128 && (!stands_for_itself((unsigned char)*ret_code) || *ret_code == '\\')))
			return -EINVAL;
	}
	slice_skip(text, n);
	return 0;
}

int xtext_decode_utf8(struct str *out, struct slice text)
{
	const size_t start = out->len;

	while (text.len > 0) {
		uint32_t code;

		if (take_character(&text, &code) < 0 || !utf8_add(out, code)) {
			out->len = start;
			return -EINVAL;
		}
	}
	if (str_is_full(out))
		out->len = start;
	return 0;
}

bool xtext_utf8_is_safe(struct slice text)
{
	while (text.len > 0) {
		uint32_t code;

		if (take_character(&text, &code) < 0 || !utf8_is_scalar(code) || code == '\r' || code == '\n' ||
		    code == '\0' || (code >= 0x80 && code < 0xa0))
			return false;
	}
	return true;
}
