#include "tests/dialogue/text.h"

#include <stdio.h>
#include <stdlib.h>

void *text_alloc(size_t size)
{
	void *p = calloc(1, MAX(size, (size_t)1));

	if (p == NULL) {
		perror("dialogue");
		exit(2);
	}
	return p;
}

void *text_grow(void *list, unsigned count, size_t size)
{
	/* Doubled at 16, 32, 64... elements. */
	if (count != 0 && (count < 16 || (count & (count - 1)) != 0))
		return list;
	size_t room = count == 0 ? 16 : (size_t)count * 2;
	char *p = realloc(list, room * size);

	if (p == NULL) {
		perror("dialogue");
		exit(2);
	}
	memset(p + count * size, 0, (room - count) * size);
	return p;
}

struct slice text_keep(struct slice s)
{
	char *p = text_alloc(s.len + 1);

	if (s.len > 0)
		memcpy(p, s.ptr, s.len);
	return slice_of(p, s.len);
}

bool text_has(struct slice text, struct slice what)
{
	return what.len == 0 || (text.len >= what.len && memmem(text.ptr, text.len, what.ptr, what.len) != NULL);
}

const char *text_cstr(struct slice s)
{
	return text_keep(s).ptr;	/* one octet more was cleared for it */
}

struct slice text_numbered(struct slice s, uint64_t number)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
	char *p = text_alloc(s.len * sizeof(digits) + 1);
	size_t len = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] != '#') {
			p[len++] = s.ptr[i];
			continue;
		}
		memcpy(p + len, digits, (size_t)n);
		len += (size_t)n;
	}
	return slice_of(p, len);
}

static void skip_blanks(struct slice *rest)
{
	while (rest->len > 0 && (rest->ptr[0] == ' ' || rest->ptr[0] == '\t'))
		slice_skip(rest, 1);
}

struct slice text_word(struct slice *rest)
{
	size_t n = 0;

	skip_blanks(rest);
	while (n < rest->len && rest->ptr[n] != ' ' && rest->ptr[n] != '\t')
		n++;
	struct slice word = slice_head(*rest, n);

	slice_skip(rest, n);
	skip_blanks(rest);
	return word;
}

bool text_take_word(struct slice *rest, const char *word)
{
	struct slice after = *rest;

	if (!slice_eq(text_word(&after), slice_of_str(word)))
		return false;
	*rest = after;
	return true;
}

/* Where the thing that begins with rest[0] ends, its end mark not counted; 0 when it has none. */
static size_t find_end(struct slice rest, char mark)
{
	bool quoted = false;

	for (size_t i = 1; i < rest.len; i++) {
		if (rest.ptr[i] == '\\')
			i++;
		else if (rest.ptr[i] == mark && !quoted)
			return i;
		else if (rest.ptr[i] == '"')
			quoted = !quoted;
	}
	return 0;
}

static bool enclosed(struct slice *rest, char open, char close, struct slice *ret_octets)
{
	skip_blanks(rest);
	size_t end = rest->len > 0 && rest->ptr[0] == open ? find_end(*rest, close) : 0;

	if (end == 0)
		return false;
	if (!text_decode(slice_of(rest->ptr + 1, end - 1), ret_octets))
		return false;
	slice_skip(rest, end + 1);
	skip_blanks(rest);
	return true;
}

bool text_quoted(struct slice *rest, struct slice *ret_octets)
{
	return enclosed(rest, '"', '"', ret_octets);
}

bool text_angled(struct slice *rest, struct slice *ret_octets)
{
	return enclosed(rest, '<', '>', ret_octets);
}

bool text_key_value(struct slice *rest, struct slice *ret_key, struct slice *ret_value)
{
	skip_blanks(rest);
	ptrdiff_t equals = slice_find_char(*rest, 0, '=');
	ptrdiff_t blank = slice_find_char(*rest, 0, ' ');

	if (equals <= 0 || (blank >= 0 && blank < equals))
		return false;
	struct slice after = *rest;

	slice_skip(&after, (size_t)equals + 1);
	if (!text_quoted(&after, ret_value) && !text_angled(&after, ret_value))
		*ret_value = text_word(&after);
	*ret_key = slice_head(*rest, (size_t)equals);
	*rest = after;
	return true;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The octet behind a backslash; *i is moved to its last character. -1: no such escape. */
static int decode_escape(struct slice text, size_t *i)
{
	if (*i + 1 >= text.len)
		return -1;
	char c = text.ptr[++*i];

	switch (c) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case '\\':
	case '"':
		return c;
	case 'x':
		if (*i + 2 >= text.len || hex_digit(text.ptr[*i + 1]) < 0 || hex_digit(text.ptr[*i + 2]) < 0)
			return -1;
		*i += 2;
		return hex_digit(text.ptr[*i - 1]) * 16 + hex_digit(text.ptr[*i]);
	default:
		return -1;
	}
}

bool text_decode(struct slice text, struct slice *ret_octets)
{
	char *p = text_alloc(text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int c = (unsigned char)text.ptr[i];

		if (c == '\\')
			c = decode_escape(text, &i);
		if (c < 0)
			return false;
		p[len++] = (char)c;
	}
	*ret_octets = slice_of(p, len);
	return true;
}

bool text_number(struct slice word, uint64_t *ret_value)
{
	return slice_to_u64(word, UINT64_MAX / 2, ret_value) == 0;
}

bool text_time(struct slice word, uint64_t *ret_ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{ "us", NS_PER_US },
		{ "ms", NS_PER_MS },	     { "s", NS_PER_SEC },	  { "m", 60 * NS_PER_SEC },
		{ "h", 3600 * NS_PER_SEC }, { "d", 86400 * NS_PER_SEC },
	};

	for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
		struct slice unit = slice_of_str(units[i].unit);
		uint64_t n;

		if (word.len <= unit.len || !slice_eq(slice_of(word.ptr + word.len - unit.len, unit.len), unit))
			continue;
		if (!text_number(slice_head(word, word.len - unit.len), &n) || n > UINT64_MAX / units[i].ns)
			continue;
		*ret_ns = n * units[i].ns;
		return true;
	}
	return false;
}
