/* Answers of other processes' tables: whole, in pieces, and wrong. */
#include "tests/test.h"

#include <errno.h>
#include <string.h>

#include "core/err.h"
#include "net/wire/table_reply.h"

struct reply_case {
	const char *claim;
	enum table_protocol protocol;
	const char *text;
	int result;		/* of the feed that ends it */
	int found;
	const char *value;
};

static const struct reply_case cases[] = {
	{ "tcp: found", TABLE_PROTOCOL_TCP, "200 value\n", 1, 1, "value" },
	{ "tcp: found, with a blank and CRLF", TABLE_PROTOCOL_TCP, "200 a%20b%25\r\n", 1, 1, "a b%" },
	{ "tcp: found, and empty", TABLE_PROTOCOL_TCP, "200 \n", 1, 1, "" },
	{ "tcp: not found", TABLE_PROTOCOL_TCP, "500 no such key\n", 1, 0, "no such key" },
	{ "tcp: not found, without words", TABLE_PROTOCOL_TCP, "500\n", 1, 0, "" },
	{ "tcp: an error", TABLE_PROTOCOL_TCP, "400 try later\n", 1, -EIO, "try later" },
	{ "tcp: another code", TABLE_PROTOCOL_TCP, "250 ok\n", ERR_PROTO, 0, NULL },
	{ "tcp: no code", TABLE_PROTOCOL_TCP, "hi\n", ERR_PROTO, 0, NULL },
	{ "tcp: nothing", TABLE_PROTOCOL_TCP, "\n", ERR_PROTO, 0, NULL },
	{ "tcp: no blank", TABLE_PROTOCOL_TCP, "200value\n", ERR_PROTO, 0, NULL },
	{ "tcp: half an octet", TABLE_PROTOCOL_TCP, "200 a%2\n", ERR_PROTO, 0, NULL },
	{ "tcp: no octet", TABLE_PROTOCOL_TCP, "200 %zz\n", ERR_PROTO, 0, NULL },
	{ "socketmap: found", TABLE_PROTOCOL_SOCKETMAP, "8:OK value,", 1, 1, "value" },
	{ "socketmap: found, and empty", TABLE_PROTOCOL_SOCKETMAP, "3:OK ,", 1, 1, "" },
	{ "socketmap: not found", TABLE_PROTOCOL_SOCKETMAP, "9:NOTFOUND ,", 1, 0, "" },
	{ "socketmap: not found, without a blank", TABLE_PROTOCOL_SOCKETMAP, "8:NOTFOUND,", 1, 0, "" },
	{ "socketmap: later", TABLE_PROTOCOL_SOCKETMAP, "9:TEMP busy,", 1, -EIO, "busy" },
	{ "socketmap: too slow", TABLE_PROTOCOL_SOCKETMAP, "9:TIMEOUT x,", 1, -EIO, "x" },
	{ "socketmap: never", TABLE_PROTOCOL_SOCKETMAP, "7:PERM no,", 1, -EIO, "no" },
	{ "socketmap: another word", TABLE_PROTOCOL_SOCKETMAP, "5:HELLO,", ERR_PROTO, 0, NULL },
	{ "socketmap: a word that only begins well", TABLE_PROTOCOL_SOCKETMAP, "4:OKAY,", ERR_PROTO, 0, NULL },
	{ "socketmap: no length", TABLE_PROTOCOL_SOCKETMAP, ":OK ,", ERR_PROTO, 0, NULL },
	{ "socketmap: no number", TABLE_PROTOCOL_SOCKETMAP, "x:OK ,", ERR_PROTO, 0, NULL },
	{ "socketmap: a length beyond all bounds", TABLE_PROTOCOL_SOCKETMAP, "1234567:", ERR_PROTO, 0, NULL },
	{ "socketmap: a length beyond ours", TABLE_PROTOCOL_SOCKETMAP, "8193:", -EMSGSIZE, 0, NULL },
	{ "socketmap: no comma", TABLE_PROTOCOL_SOCKETMAP, "3:OK x", ERR_PROTO, 0, NULL },
};

/* Feeds text in two pieces, or octet by octet; the last result. */
static int feed(struct table_reply_parser *p, struct slice text, size_t cut, size_t step, struct table_reply *ret)
{
	struct slice first = slice_head(text, cut);
	int r = table_reply_feed(p, &first, ret);

	for (size_t at = cut; r == 0 && at < text.len; at += step) {
		struct slice piece = slice_of(text.ptr + at, MIN(step, text.len - at));

		r = table_reply_feed(p, &piece, ret);
	}
	return r;
}

static void check(const struct reply_case *c, size_t cut, size_t step)
{
	static struct table_reply_parser p;
	struct table_reply reply;

	table_reply_init(&p, c->protocol);
	int r = feed(&p, slice_of_str(c->text), cut, step, &reply);

	if (r != c->result)
		print_error("%s, cut at %zu\n", c->claim, cut);
	assert_int_equal(r, c->result);
	if (r < 0) {
		struct slice more = SLICE("200 x\n");

		assert_int_equal(table_reply_feed(&p, &more, &reply), c->result);	/* it stays failed */
		return;
	}
	assert_int_equal(reply.found, c->found);
	assert_true(slice_eq(reply.value, slice_of_str(c->value)));
}

static void replies_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].text);

		for (size_t cut = 0; cut <= len; cut++) {
			check(&cases[i], cut, len);
			check(&cases[i], cut, 1);
		}
	}
}

static void long_replies(void **state)
{
	static struct table_reply_parser p;
	static char text[TABLE_REPLY_MAX + 16];
	struct table_reply reply;

	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "200 ", 4);
	text[TABLE_REPLY_MAX] = '\n';
	table_reply_init(&p, TABLE_PROTOCOL_TCP);
	struct slice in = slice_of(text, TABLE_REPLY_MAX + 1);

	assert_int_equal(table_reply_feed(&p, &in, &reply), 1);
	assert_int_equal(reply.value.len, TABLE_REPLY_MAX - 4);
	in = slice_of(text, sizeof(text));
	text[TABLE_REPLY_MAX] = 'x';
	assert_int_equal(table_reply_feed(&p, &in, &reply), -EMSGSIZE);
}

static void requests(void **state)
{
	char storage[64];
	struct str out = STR(storage);

	(void)state;
	assert_int_equal(table_request_write(TABLE_PROTOCOL_TCP, SLICE(""), SLICE("a b%\n\xc3"), &out), 0);
	assert_true(slice_eq(str_slice(&out), SLICE("get a%20b%25%0a%c3\n")) ||
		    slice_eq(str_slice(&out), SLICE("get a%20b%25%0A%C3\n")));
	str_clear(&out);
	assert_int_equal(table_request_write(TABLE_PROTOCOL_SOCKETMAP, SLICE("map"), SLICE("key"), &out), 0);
	assert_true(slice_eq(str_slice(&out), SLICE("7:map key,")));
	str_clear(&out);
	memset(storage, 'k', sizeof(storage));
	char key[60];

	memset(key, 'k', sizeof(key));
	assert_int_equal(table_request_write(TABLE_PROTOCOL_SOCKETMAP, SLICE("map"), slice_of(key, 60), &out), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("replies are the same at every cut", replies_at_every_cut),
		CLAIM("a reply has its bound", long_replies),
		CLAIM("requests are quoted as their protocol wants", requests),
	};
	return cmocka_run_group_tests_name("net/wire/table_reply", claims, NULL, NULL);
}
