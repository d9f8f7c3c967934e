#include "net/wire/table_reply.h"

#include <errno.h>

#include "core/err.h"

#define LENGTH_DIGITS_MAX 6u

static int fail(struct table_reply_parser *p, int err)
{
	p->failed = err;
	return err;
}

/* --- asking --------------------------------------------------------------------------------------- */

static void add_quoted(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c > ' ' && c < 0x7f && c != '%') {
			str_add_char(out, (char)c);
		} else {
			str_add_char(out, '%');
			str_add_hex(out, c, 2);
		}
	}
}

int table_request_write(enum table_protocol protocol, struct slice name, struct slice key, struct str *out)
{
	if (protocol == TABLE_PROTOCOL_TCP) {
		str_add_cstr(out, "get ");
		add_quoted(out, key);
		str_add_char(out, '\n');
	} else {
		str_add_u64(out, name.len + 1 + key.len);
		str_add_char(out, ':');
		str_add(out, name);
		str_add_char(out, ' ');
		str_add(out, key);
		str_add_char(out, ',');
	}
	return str_is_full(out) ? -EMSGSIZE : 0;
}

/* --- the answer of tcp ---------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = ascii_lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place: it only gets shorter. */
static int unquote(char *text, size_t len, struct slice *ret_value)
{
	size_t out = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			text[out++] = text[i];
			continue;
		}
		bool has_digits = len - i > 2;
		int high = has_digits ? hex_digit(text[i + 1]) : -1;
		int low = has_digits ? hex_digit(text[i + 2]) : -1;

		if (high < 0 || low < 0)
			return -EINVAL;
		text[out++] = (char)(high << 4 | low);
		i += 2;
	}
	*ret_value = slice_of(text, out);
	return 0;
}

static int read_line(struct table_reply_parser *p, struct table_reply *ret)
{
	struct slice line = slice_of(p->text, p->len);
	size_t text = MIN(line.len, 4);

	if (line.len < 3 || (line.len > 3 && line.ptr[3] != ' '))
		return ERR_PROTO;
	if (unquote(p->text + text, line.len - text, &ret->value) < 0)
		return ERR_PROTO;
	line.len = 3;
	if (slice_eq(line, SLICE("200")))
		ret->found = 1;
	else if (slice_eq(line, SLICE("500")))
		ret->found = 0;
	else if (slice_eq(line, SLICE("400")))
		ret->found = -EIO;
	else
		return ERR_PROTO;
	return 0;
}

static int feed_tcp(struct table_reply_parser *p, struct slice *in, struct table_reply *ret)
{
	ptrdiff_t end = slice_find_char(*in, 0, '\n');
	size_t n = end < 0 ? in->len : (size_t)end;

	if (n > sizeof(p->text) - p->len)
		return fail(p, -EMSGSIZE);
	if (n > 0)
		memcpy(p->text + p->len, in->ptr, n);
	p->len += n;
	slice_skip(in, end < 0 ? n : n + 1);
	if (end < 0)
		return 0;
	if (p->len > 0 && p->text[p->len - 1] == '\r')
		p->len--;
	int r = read_line(p, ret);

	p->len = 0;
	return r < 0 ? fail(p, r) : 1;
}

/* --- the answer of socketmap ---------------------------------------------------------------------- */

/* "NOTFOUND" may come without the blank. */
static bool take_word(struct slice *text, struct slice word)
{
	if (!slice_has_prefix(*text, word) || (text->len > word.len && text->ptr[word.len] != ' '))
		return false;
	slice_skip(text, MIN(text->len, word.len + 1));
	return true;
}

static int read_netstring(struct slice text, struct table_reply *ret)
{
	if (take_word(&text, SLICE("OK")))
		ret->found = 1;
	else if (take_word(&text, SLICE("NOTFOUND")))
		ret->found = 0;
	else if (take_word(&text, SLICE("TEMP")) || take_word(&text, SLICE("TIMEOUT")) || take_word(&text, SLICE("PERM")))
		ret->found = -EIO;
	else
		return ERR_PROTO;
	ret->value = text;
	return 0;
}

/* The length and its colon, digit by digit. 1: it is known; 0: more. */
static int feed_length(struct table_reply_parser *p, struct slice *in)
{
	while (in->len > 0) {
		char c = in->ptr[0];

		slice_skip(in, 1);
		if (c == ':' && p->len > 0) {
			p->in_body = true;
			p->len = 0;
			return p->wanted <= sizeof(p->text) ? 1 : fail(p, -EMSGSIZE);
		}
		if (c < '0' || c > '9' || p->len == LENGTH_DIGITS_MAX)
			return fail(p, ERR_PROTO);
		p->wanted = 10 * p->wanted + (size_t)(c - '0');
		p->len++;
	}
	return 0;
}

static int feed_socketmap(struct table_reply_parser *p, struct slice *in, struct table_reply *ret)
{
	int r = p->in_body ? 1 : feed_length(p, in);

	if (r <= 0)
		return r;
	size_t n = MIN(in->len, p->wanted - p->len);

	if (n > 0)
		memcpy(p->text + p->len, in->ptr, n);
	p->len += n;
	slice_skip(in, n);
	if (p->len < p->wanted || in->len == 0)
		return 0;
	if (in->ptr[0] != ',')
		return fail(p, ERR_PROTO);
	slice_skip(in, 1);
	r = read_netstring(slice_of(p->text, p->len), ret);
	p->in_body = false;
	p->len = p->wanted = 0;
	return r < 0 ? fail(p, r) : 1;
}

/* --- both ----------------------------------------------------------------------------------------- */

void table_reply_init(struct table_reply_parser *p, enum table_protocol protocol)
{
	p->protocol = protocol;
	p->len = p->wanted = 0;
	p->in_body = false;
	p->failed = 0;
}

int table_reply_feed(struct table_reply_parser *p, struct slice *in, struct table_reply *ret_reply)
{
	struct table_reply reply = { .value = SLICE("") };

	if (p->failed < 0)
		return p->failed;
	if (in->len == 0)
		return 0;
	int r = p->protocol == TABLE_PROTOCOL_TCP ? feed_tcp(p, in, &reply) : feed_socketmap(p, in, &reply);

	if (r > 0)
		*ret_reply = reply;
	return r;
}
