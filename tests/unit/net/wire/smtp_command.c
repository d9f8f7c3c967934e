/* Commands: what we write is what was meant, what we read is what the RFC says. */
#include "net/wire/smtp_command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/wire/xtext.h"

#define ALL 0x1fffu		/* every capability */

/* --- writing ---------------------------------------------------------------------------------- */

#define S(literal) { "" literal, sizeof(literal) - 1 }

static const struct mail_case {
	struct smtp_mail mail;
	const char *line;
} mail_cases[] = {
	/* cases 376, 378 */
	{ { .sender = S("") }, "MAIL FROM:<>\r\n" },
	{ { .sender = S("a@b.test") }, "MAIL FROM:<a@b.test>\r\n" },			/* case 377 */
	{ { .sender = S("a@b"), .has_size = true }, "MAIL FROM:<a@b> SIZE=0\r\n" },
	{ { .sender = S("a@b"), .has_size = true, .size = 36 }, "MAIL FROM:<a@b> SIZE=36\r\n" },
	{ { .sender = S("a@b"), .body = SMTP_BODY_8BITMIME }, "MAIL FROM:<a@b> BODY=8BITMIME\r\n" },	/* case 386 */
	{ { .sender = S("a@b"), .body = SMTP_BODY_7BIT }, "MAIL FROM:<a@b> BODY=7BIT\r\n" },
	/* case 388 */
	{ { .sender = S("a@b"), .envid = S("QQ 31+4=1") }, "MAIL FROM:<a@b> ENVID=QQ+2031+2B4+3D1\r\n" },
	{ { .sender = S("a@b"), .ret = SMTP_RET_HDRS }, "MAIL FROM:<a@b> RET=HDRS\r\n" },	/* case 389 */
	{ { .sender = S("\"j d\"@b") }, "MAIL FROM:<\"j d\"@b>\r\n" },
	{ { .sender = S("\"a>b\"@c") }, "MAIL FROM:<\"a>b\"@c>\r\n" },
	{ { .sender = S("john doe@x") }, "MAIL FROM:<john doe@x>\r\n" },		/* case 411 */
	{ { .sender = S("a@b"), .has_size = true, .size = 9, .body = SMTP_BODY_BINARYMIME, .envid = S("e"),
	/* case 399 */
	    .ret = SMTP_RET_FULL, .smtputf8 = true, .requiretls = true, .auth_empty = true },
	  "MAIL FROM:<a@b> SIZE=9 BODY=BINARYMIME ENVID=e RET=FULL SMTPUTF8 REQUIRETLS AUTH=<>\r\n" },
	/* INJ-01: no LF, only looks */
	{ { .sender = S("%0d%0a\xe5\x98\x8a@b") }, "MAIL FROM:<%0d%0a\xe5\x98\x8a@b>\r\n" },
	/* INJ-01, INJ-03, case 401: none of these becomes a line. */
	{ { .sender = S("a@b\r\nRCPT TO:<x@y>") }, NULL },
	{ { .sender = S("a\r@b") }, NULL }, { { .sender = S("a\n@b") }, NULL }, { { .sender = S("a\0@b") }, NULL },
	{ { .sender = S("\"a\n\"@b") }, NULL }, { { .sender = S("a@b\r") }, NULL }, { { .sender = S("\0") }, NULL },
	{ { .sender = S("x> SIZE=1@b") }, NULL }, { { .sender = S("a@b> ORCPT=rfc822;z") }, NULL },
	{ { .sender = S("a@b>") }, NULL }, { { .sender = S("\"a@b") }, NULL }, { { .sender = S("\"a@b\\") }, NULL },
	{ { .sender = S("<a@b>") }, NULL },
};

static const struct rcpt_case {
	struct smtp_rcpt rcpt;
	const char *line;
} rcpt_cases[] = {
	{ { .rcpt = S("a@b") }, "RCPT TO:<a@b>\r\n" },
	{ { .rcpt = S("user") }, "RCPT TO:<user>\r\n" },                                         /* case 410 */
	{ { .rcpt = S("a@b"), .notify = SMTP_NOTIFY_NEVER }, "RCPT TO:<a@b> NOTIFY=NEVER\r\n" }, /* case 392 */
	{ { .rcpt = S("a@b"), .notify = SMTP_NOTIFY_NEVER | SMTP_NOTIFY_DELAY }, "RCPT TO:<a@b> NOTIFY=NEVER\r\n" },
	/* case 391 */
	{ { .rcpt = S("a@b"), .notify = SMTP_NOTIFY_DELAY | SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE },
	  "RCPT TO:<a@b> NOTIFY=SUCCESS,FAILURE,DELAY\r\n" },
	{ { .rcpt = S("a@b"), .notify = SMTP_NOTIFY_DELAY }, "RCPT TO:<a@b> NOTIFY=DELAY\r\n" },
	{ { .rcpt = S("a@b"), .notify = SMTP_NOTIFY_FAILURE | SMTP_NOTIFY_DELAY },
	  "RCPT TO:<a@b> NOTIFY=FAILURE,DELAY\r\n" },
	{ { .rcpt = S("a@b"), .orcpt = S("rfc822;r@alias.test") }, "RCPT TO:<a@b> ORCPT=rfc822;r@alias.test\r\n" },
	/* case 394 */
	{ { .rcpt = S("a@b"), .orcpt = S("rfc822;a+b=c@x") }, "RCPT TO:<a@b> ORCPT=rfc822;a+2Bb+3Dc@x\r\n" },
	{ { .rcpt = S("a@b"), .orcpt = S("rfc822;\"john doe\"@x") }, /* case 395 */
	  "RCPT TO:<a@b> ORCPT=rfc822;\"john+20doe\"@x\r\n" },
	/* case 396 */
	{ { .rcpt = S("a@b"), .orcpt = S("utf-8;j\xc3\xb6rg@x") }, "RCPT TO:<a@b> ORCPT=utf-8;j\\x{F6}rg@x\r\n" },
	{ { .rcpt = S("a@b"), .orcpt = S("utf-8;j\xf6rg@x") }, "RCPT TO:<a@b>\r\n" }, /* case 397 */
	/* case 398 */
	{ { .rcpt = S("a@b"), .orcpt = S("rfc822;j\xc3\xb6rg@x") }, "RCPT TO:<a@b> ORCPT=rfc822;j+C3+B6rg@x\r\n" },
	{ { .rcpt = S("a@b"), .orcpt = S("rfc822;z"), .notify = SMTP_NOTIFY_FAILURE }, /* case 399 */
	  "RCPT TO:<a@b> ORCPT=rfc822;z NOTIFY=FAILURE\r\n" },
	{ { .rcpt = S("") }, NULL },
	{ { .rcpt = S("a@b>\r\nDATA") }, NULL },
	{ { .rcpt = S("a@b\n") }, NULL },
};

static void check_written(int r, const struct str *out, const char *line)
{
	if (line == NULL) {
		assert_int_equal(r, -EINVAL);
		assert_true(slice_eq(str_slice(out), SLICE("before")));
		return;
	}
	assert_int_equal(r, 0);
	if (!slice_eq(slice_of(out->ptr + 6, out->len - 6), slice_of_str(line)))
		fail_msg("'%.*s', not '%s'", SLICE_FMT(str_slice(out)), line);
}

static void test_lines_are_written_whole_or_not_at_all(void **state)
{
	char storage[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mail_cases); i++) {
		struct str out = STR(storage);

		str_add(&out, SLICE("before"));
		check_written(smtp_command_add_mail(&out, &mail_cases[i].mail), &out, mail_cases[i].line);
	}
	for (size_t i = 0; i < ARRAY_LEN(rcpt_cases); i++) {
		struct str out = STR(storage);

		str_add(&out, SLICE("before"));
		check_written(smtp_command_add_rcpt(&out, &rcpt_cases[i].rcpt), &out, rcpt_cases[i].line);
	}
}

static void test_simple_commands_are_written(void **state)
{
	char storage[256];
	struct str out = STR(storage);

	(void)state;
	assert_int_equal(smtp_command_add_hello(&out, SMTP_VERB_EHLO, SLICE("c.test")), 0);
	/* case 168 */
	assert_int_equal(smtp_command_add_hello(&out, SMTP_VERB_HELO, SLICE("[192.0.2.50]")), 0);
	assert_int_equal(smtp_command_add_plain(&out, SMTP_VERB_DATA), 0);
	assert_int_equal(smtp_command_add_bdat(&out, 18446744073709551615u, false), 0);
	assert_int_equal(smtp_command_add_bdat(&out, 0, true), 0);
	assert_int_equal(smtp_command_add_plain(&out, SMTP_VERB_RSET), 0);
	assert_int_equal(smtp_command_add_plain(&out, SMTP_VERB_QUIT), 0);
	assert_true(slice_eq(str_slice(&out),
			     SLICE("EHLO c.test\r\nHELO [192.0.2.50]\r\nDATA\r\nBDAT 18446744073709551615\r\n"
				   "BDAT 0 LAST\r\nRSET\r\nQUIT\r\n")));
	out.len = 0;
	assert_int_equal(smtp_command_add_hello(&out, SMTP_VERB_EHLO, SLICE("a\r\nDATA")), -EINVAL);
	assert_int_equal(smtp_command_add_hello(&out, SMTP_VERB_EHLO, SLICE("a b")), -EINVAL);
	assert_int_equal(smtp_command_add_hello(&out, SMTP_VERB_EHLO, SLICE("")), -EINVAL);
	assert_int_equal(smtp_command_add_hello(&out, SMTP_VERB_EHLO, SLICE("b\xc3\xbc" "cher")), -EINVAL);
	assert_int_equal(out.len, 0);
}

/* INJ-05: over-long parameters are dropped, not truncated. */
static void test_INJ_05_over_long_parameters_are_left_out(void **state)
{
	char storage[1024];
	char text[501];
	struct str out = STR(storage);
	struct smtp_mail mail = { .envid = { text, SMTP_ENVID_MAX } };
	struct smtp_rcpt rcpt = { .rcpt = SLICE("a"), .orcpt = { text, SMTP_ORCPT_MAX } };

	(void)state;
	memset(text, 'e', sizeof(text));
	assert_int_equal(smtp_command_add_mail(&out, &mail), 0);
	assert_int_equal(out.len, strlen("MAIL FROM:<> ENVID=\r\n") + 100);
	str_clear(&out);
	mail.envid.len++;
	assert_int_equal(smtp_command_add_mail(&out, &mail), 0);
	assert_int_equal(out.len, strlen("MAIL FROM:<>\r\n"));
	str_clear(&out);
	assert_int_equal(smtp_command_add_rcpt(&out, &rcpt), 0);
	assert_int_equal(out.len, strlen("RCPT TO:<a> ORCPT=\r\n") + 500);
	str_clear(&out);
	rcpt.orcpt.len++;
	assert_int_equal(smtp_command_add_rcpt(&out, &rcpt), 0);
	assert_int_equal(out.len, strlen("RCPT TO:<a>\r\n"));
}

static void test_INJ_01_no_line_is_over_the_limit(void **state)
{
	char storage[3000];
	char path[SMTP_COMMAND_SEND_MAX];
	struct str out = STR(storage);
	size_t most = SMTP_COMMAND_SEND_MAX - strlen("RCPT TO:<>\r\n");
	struct smtp_rcpt rcpt = { .rcpt = { path, most } };

	(void)state;
	memset(path, 'p', sizeof(path));
	assert_int_equal(smtp_command_add_rcpt(&out, &rcpt), 0);
	assert_int_equal(out.len, SMTP_COMMAND_SEND_MAX);
	str_clear(&out);
	rcpt.rcpt.len++;
	assert_int_equal(smtp_command_add_rcpt(&out, &rcpt), -EMSGSIZE);
	assert_int_equal(out.len, 0);
	/* case 402: 200 and 300 octets are the server's to judge */
	path[200] = '@';
	rcpt.rcpt.len = 501;
	assert_int_equal(smtp_command_add_rcpt(&out, &rcpt), 0);
}

static void test_a_full_str_loses_the_line_and_nothing_before_it(void **state)
{
	static const char line[] = "RCPT TO:<a@b> ORCPT=rfc822;z NOTIFY=DELAY\r\n";
	struct smtp_rcpt rcpt = { .rcpt = SLICE("a@b"), .orcpt = SLICE("rfc822;z"), .notify = SMTP_NOTIFY_DELAY };
	char storage[64];

	(void)state;
	for (size_t room = 0; room < sizeof(line); room++) {
		struct str out = str_over(storage, 4 + room);

		str_add(&out, SLICE("DATA"));
		assert_int_equal(smtp_command_add_rcpt(&out, &rcpt), room < sizeof(line) - 1 ? -ENOBUFS : 0);
		assert_false(str_is_full(&out));
		assert_int_equal(out.len, room < sizeof(line) - 1 ? 4 : 4 + sizeof(line) - 1);
	}
	struct str full = str_over(storage, 4);

	str_add(&full, SLICE("12345"));
	assert_int_equal(smtp_command_add_rcpt(&full, &rcpt), -ENOBUFS);
	assert_true(str_is_full(&full));
}

/* --- reading ---------------------------------------------------------------------------------- */

static const struct parse_case {
	const char *line;
	enum smtp_verb verb;
	enum smtp_command_error error;
	const char *mailbox;		/* of MAIL and RCPT */
} parse_cases[] = {
	{ "HELO c.test", SMTP_VERB_HELO, SMTP_COMMAND_OK, NULL },
	{ "ehlo [192.0.2.1]", SMTP_VERB_EHLO, SMTP_COMMAND_OK, NULL },
	{ "EHLO under_score", SMTP_VERB_EHLO, SMTP_COMMAND_OK, NULL },
	{ "EHLO c.test  ", SMTP_VERB_EHLO, SMTP_COMMAND_OK, NULL },
	{ "EHLO", SMTP_VERB_EHLO, SMTP_COMMAND_SYNTAX, NULL },
	{ "EHLO ", SMTP_VERB_EHLO, SMTP_COMMAND_SYNTAX, NULL },
	{ "EHLO a b", SMTP_VERB_EHLO, SMTP_COMMAND_SYNTAX, NULL },
	{ "EHLO (x)", SMTP_VERB_EHLO, SMTP_COMMAND_SYNTAX, NULL },
	{ "EHLO b\xc3\xbc" "cher", SMTP_VERB_EHLO, SMTP_COMMAND_SYNTAX, NULL },

	{ "MAIL FROM:<>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "" },
	{ "mail from:<a@b.test>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b.test" },
	{ "MAIL FROM: <a@b.test>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b.test" },
	{ "MAIL  FROM:<a@b.test>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b.test" },
	{ "MAIL FROM:<a@b.test> ", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b.test" },
	{ "MAIL FROM:<@r1,@r2:a@b>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b" },
	{ "MAIL FROM:<\"a>b\"@c>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "\"a>b\"@c" },
	{ "MAIL FROM:<m\xc3\xbcller@x> SMTPUTF8", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "m\xc3\xbcller@x" },
	{ "MAIL FROM:<m\xc3\xbcller@x>", SMTP_VERB_MAIL, SMTP_COMMAND_NEEDS_UTF8, NULL },	/* INJ-04 */
	{ "MAIL FROM:<m\xfcller@x> SMTPUTF8", SMTP_VERB_MAIL, SMTP_COMMAND_SENDER, NULL },
	{ "MAIL FROM:<a>", SMTP_VERB_MAIL, SMTP_COMMAND_SENDER, NULL },
	{ "MAIL FROM:<postmaster>", SMTP_VERB_MAIL, SMTP_COMMAND_SENDER, NULL },
	{ "MAIL FROM:<a b@c>", SMTP_VERB_MAIL, SMTP_COMMAND_SENDER, NULL },
	{ "MAIL FROM:<a@b", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM:a@b", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM:", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM <a@b>", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM :<a@b>", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL TO:<a@b>", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM:<a@b>SIZE=1", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM:<a@b>>", SMTP_VERB_MAIL, SMTP_COMMAND_SYNTAX, NULL },
	{ "MAIL FROM:<x> SIZE=1@b>", SMTP_VERB_MAIL, SMTP_COMMAND_SENDER, NULL },	/* INJ-03 */
	{ "MAIL FROM:<a@b> SIZE=1", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b" },
	{ "MAIL FROM:<a@b> SIZE", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> SIZE=", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> SIZE=-1", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> SIZE=1 SIZE=1", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> BODY=9BIT", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> RET=SOME", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> ENVID=", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> ENVID=+00", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },		/* INJ-05 */
	{ "MAIL FROM:<a@b> ENVID=+0D+0A", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> ENVID=+ZZ", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> ENVID=+2b", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> ENVID=a=b", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> SMTPUTF8=1", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> SMTPUTF8=", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> AUTH=<>", SMTP_VERB_MAIL, SMTP_COMMAND_OK, "a@b" },
	{ "MAIL FROM:<a@b> AUTH=", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM, NULL },
	{ "MAIL FROM:<a@b> MT-PRIORITY=3", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM_UNKNOWN, NULL },
	{ "MAIL FROM:<a@b> NOTIFY=NEVER", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM_UNKNOWN, NULL },
	{ "MAIL FROM:<a@b> =1", SMTP_VERB_MAIL, SMTP_COMMAND_PARAM_UNKNOWN, NULL },

	{ "RCPT TO:<a@b>", SMTP_VERB_RCPT, SMTP_COMMAND_OK, "a@b" },
	{ "RCPT TO: <a@b>", SMTP_VERB_RCPT, SMTP_COMMAND_OK, "a@b" },
	{ "RCPT TO:<Postmaster>", SMTP_VERB_RCPT, SMTP_COMMAND_OK, "Postmaster" },
	{ "RCPT TO:<pOSTMASTER>", SMTP_VERB_RCPT, SMTP_COMMAND_OK, "pOSTMASTER" },
	{ "RCPT TO:<m\xc3\xbcller@x>", SMTP_VERB_RCPT, SMTP_COMMAND_OK, "m\xc3\xbcller@x" },
	{ "RCPT TO:<>", SMTP_VERB_RCPT, SMTP_COMMAND_RCPT, NULL },
	{ "RCPT TO:<user>", SMTP_VERB_RCPT, SMTP_COMMAND_RCPT, NULL },
	{ "RCPT TO:<a@192.0.2.1>", SMTP_VERB_RCPT, SMTP_COMMAND_RCPT, NULL },
	{ "RCPT FROM:<a@b>", SMTP_VERB_RCPT, SMTP_COMMAND_SYNTAX, NULL },
	{ "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> NOTIFY=", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> NOTIFY=DELAY,", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> NOTIFY=ALWAYS", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> ORCPT=rfc822", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> ORCPT=;a", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> ORCPT=rfc822;", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> ORCPT=rfc822;+0A", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> ORCPT=rfc822;\xc3\xbc", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xc3\xbc@x", SMTP_VERB_RCPT, SMTP_COMMAND_OK, "a@b" },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xfc@x", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM, NULL },
	{ "RCPT TO:<a@b> SIZE=1", SMTP_VERB_RCPT, SMTP_COMMAND_PARAM_UNKNOWN, NULL },

	{ "DATA", SMTP_VERB_DATA, SMTP_COMMAND_OK, NULL },
	{ "data ", SMTP_VERB_DATA, SMTP_COMMAND_OK, NULL },
	{ "DATA x", SMTP_VERB_DATA, SMTP_COMMAND_SYNTAX, NULL },
	{ "RSET", SMTP_VERB_RSET, SMTP_COMMAND_OK, NULL },
	{ "RSET now", SMTP_VERB_RSET, SMTP_COMMAND_SYNTAX, NULL },
	{ "QUIT", SMTP_VERB_QUIT, SMTP_COMMAND_OK, NULL },
	{ "QUIT now", SMTP_VERB_QUIT, SMTP_COMMAND_SYNTAX, NULL },
	{ "NOOP", SMTP_VERB_NOOP, SMTP_COMMAND_OK, NULL },
	{ "NOOP anything", SMTP_VERB_NOOP, SMTP_COMMAND_OK, NULL },
	{ "HELP", SMTP_VERB_HELP, SMTP_COMMAND_OK, NULL },
	{ "VRFY a", SMTP_VERB_VRFY, SMTP_COMMAND_OK, NULL },
	{ "VRFY", SMTP_VERB_VRFY, SMTP_COMMAND_SYNTAX, NULL },
	{ "EXPN list", SMTP_VERB_EXPN, SMTP_COMMAND_OK, NULL },
	{ "STARTTLS", SMTP_VERB_STARTTLS, SMTP_COMMAND_OK, NULL },
	{ "STARTTLS x", SMTP_VERB_STARTTLS, SMTP_COMMAND_SYNTAX, NULL },		/* LIS-04 */
	{ "AUTH PLAIN", SMTP_VERB_AUTH, SMTP_COMMAND_OK, NULL },
	{ "BDAT 0 LAST", SMTP_VERB_BDAT, SMTP_COMMAND_OK, NULL },
	{ "BDAT 86 last", SMTP_VERB_BDAT, SMTP_COMMAND_OK, NULL },
	{ "BDAT", SMTP_VERB_BDAT, SMTP_COMMAND_SYNTAX, NULL },
	{ "BDAT x", SMTP_VERB_BDAT, SMTP_COMMAND_SYNTAX, NULL },
	{ "BDAT -1", SMTP_VERB_BDAT, SMTP_COMMAND_SYNTAX, NULL },
	{ "BDAT 1 FIRST", SMTP_VERB_BDAT, SMTP_COMMAND_SYNTAX, NULL },
	{ "BDAT 1 LAST x", SMTP_VERB_BDAT, SMTP_COMMAND_SYNTAX, NULL },
	{ "BDAT 18446744073709551616", SMTP_VERB_BDAT, SMTP_COMMAND_SYNTAX, NULL },

	{ "", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ " QUIT", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "QUI", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "QUITX", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "QUIT\r", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "NOOP\tx", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "MAIL FROM:<a@b>\rRCPT", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "\x16\x03\x01", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
	{ "POST / HTTP/1.1", SMTP_VERB_NONE, SMTP_COMMAND_FOREIGN, NULL },		/* LIS-03 */
	{ "GET / HTTP/1.0", SMTP_VERB_NONE, SMTP_COMMAND_FOREIGN, NULL },
	{ "CONNECT mx.test:25 HTTP/1.1", SMTP_VERB_NONE, SMTP_COMMAND_FOREIGN, NULL },
	{ "OPTIONS * HTTP/1.1", SMTP_VERB_NONE, SMTP_COMMAND_FOREIGN, NULL },
	{ "Host: mx.test", SMTP_VERB_NONE, SMTP_COMMAND_UNKNOWN, NULL },
};

static void test_every_line_is_understood_or_refused_for_its_reason(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(parse_cases); i++) {
		const struct parse_case *c = &parse_cases[i];
		struct smtp_command cmd;
		enum smtp_command_error error = smtp_command_parse(slice_of_str(c->line), ALL, &cmd);

		if (error != c->error || cmd.verb != c->verb)
			fail_msg("'%s' gives error %u, verb %u", c->line, error, cmd.verb);
		if (c->mailbox != NULL && !slice_eq(cmd.path.mailbox, slice_of_str(c->mailbox)))
			fail_msg("'%s' has '%.*s'", c->line, SLICE_FMT(cmd.path.mailbox));
	}
}

static void test_a_line_with_NUL_is_no_command(void **state)
{
	struct smtp_command cmd;

	(void)state;
	assert_int_equal(smtp_command_parse(slice_of("QUIT\0", 5), ALL, &cmd), SMTP_COMMAND_UNKNOWN);
	assert_int_equal(smtp_command_parse(slice_of("MAIL FROM:<a\0@b>", 16), ALL, &cmd), SMTP_COMMAND_UNKNOWN);
}

static void test_parameters_are_kept(void **state)
{
	struct smtp_command cmd;

	(void)state;
	assert_int_equal(
		smtp_command_parse(SLICE("MAIL FROM:<a@b> size=36 Body=8bitmime ENVID=Q+20Q  RET=hdrs SMTPUTF8 "
					 "REQUIRETLS AUTH=e+3Dx"),
				   ALL, &cmd),
		SMTP_COMMAND_OK);
	assert_int_equal(cmd.params, SMTP_PARAM_SIZE | SMTP_PARAM_BODY | SMTP_PARAM_ENVID | SMTP_PARAM_RET |
		SMTP_PARAM_SMTPUTF8 | SMTP_PARAM_REQUIRETLS | SMTP_PARAM_AUTH);
	assert_int_equal(cmd.size, 36);
	assert_int_equal(cmd.body, SMTP_BODY_8BITMIME);
	assert_int_equal(cmd.ret, SMTP_RET_HDRS);
	assert_true(slice_eq(cmd.envid, SLICE("Q+20Q")));
	assert_true(slice_eq(cmd.auth, SLICE("e+3Dx")));
	assert_int_equal(
		smtp_command_parse(SLICE("RCPT TO:<c@d> NOTIFY=delay,SUCCESS ORCPT=rfc822;x+2By@z"), ALL, &cmd),
		SMTP_COMMAND_OK);
	assert_int_equal(cmd.notify, SMTP_NOTIFY_DELAY | SMTP_NOTIFY_SUCCESS);
	assert_true(slice_eq(cmd.orcpt, SLICE("rfc822;x+2By@z")));
	assert_true(slice_eq(cmd.path.local, SLICE("c")));
	assert_true(slice_eq(cmd.path.domain, SLICE("d")));
	assert_int_equal(smtp_command_parse(SLICE("BDAT 1000 LAST"), ALL, &cmd), SMTP_COMMAND_OK);
	assert_int_equal(cmd.chunk_size, 1000);
	assert_true(cmd.chunk_last);
	assert_int_equal(smtp_command_parse(SLICE("BDAT 7"), ALL, &cmd), SMTP_COMMAND_OK);
	assert_false(cmd.chunk_last);
	assert_int_equal(smtp_command_parse(SLICE("MAIL FROM:<> SIZE=99999999999999999999"), ALL, &cmd),
			 SMTP_COMMAND_OK);
	assert_true(cmd.size == UINT64_MAX);
	assert_int_equal(smtp_command_parse(SLICE("NOOP  a b  "), ALL, &cmd), SMTP_COMMAND_OK);
	assert_true(slice_eq(cmd.argument, SLICE("a b")));
}

static const struct offer_case {
	const char *line;
	uint32_t needs;
	enum smtp_command_error error;
} offer_cases[] = {
	{ "MAIL FROM:<> SIZE=1", SMTP_CAP_SIZE, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "MAIL FROM:<> BODY=8BITMIME", SMTP_CAP_8BITMIME, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "MAIL FROM:<> BODY=BINARYMIME", SMTP_CAP_BINARYMIME, SMTP_COMMAND_PARAM_VALUE },
	{ "MAIL FROM:<> ENVID=x", SMTP_CAP_DSN, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "MAIL FROM:<> RET=FULL", SMTP_CAP_DSN, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "MAIL FROM:<> SMTPUTF8", SMTP_CAP_SMTPUTF8, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "MAIL FROM:<> REQUIRETLS", SMTP_CAP_REQUIRETLS, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "MAIL FROM:<> AUTH=<>", SMTP_CAP_AUTH, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "RCPT TO:<a@b> NOTIFY=NEVER", SMTP_CAP_DSN, SMTP_COMMAND_PARAM_UNKNOWN },
	{ "RCPT TO:<m\xc3\xbcller@x>", SMTP_CAP_SMTPUTF8, SMTP_COMMAND_RCPT },
	{ "RCPT TO:<a@b> ORCPT=utf-8;\xc3\xbc@x", SMTP_CAP_SMTPUTF8, SMTP_COMMAND_PARAM },
	{ "BDAT 1", SMTP_CAP_CHUNKING, SMTP_COMMAND_NOT_OFFERED },
	{ "STARTTLS", SMTP_CAP_STARTTLS, SMTP_COMMAND_NOT_OFFERED },
	{ "AUTH PLAIN", SMTP_CAP_AUTH, SMTP_COMMAND_NOT_OFFERED },
};

static void test_what_was_not_announced_is_not_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(offer_cases); i++) {
		const struct offer_case *c = &offer_cases[i];
		struct smtp_command cmd;

		assert_int_equal(smtp_command_parse(slice_of_str(c->line), ALL, &cmd), SMTP_COMMAND_OK);
		assert_int_equal(smtp_command_parse(slice_of_str(c->line), ALL & ~c->needs, &cmd), c->error);
	}
}

static void test_every_error_has_a_reply_and_every_verb_a_name(void **state)
{
	(void)state;
	for (unsigned e = SMTP_COMMAND_OK + 1; e < SMTP_COMMAND_ERROR_COUNT; e++) {
		const char *reply = smtp_command_error_reply((enum smtp_command_error)e);
		struct enhanced_code enhanced;

		assert_non_null(reply);
		assert_int_equal(reply[0], '5');
		assert_true(smtp_reply_parse_enhanced(slice_of_str(reply + 3), &enhanced));
	}
	for (unsigned v = SMTP_VERB_NONE + 1; v < SMTP_VERB_COUNT; v++)
		assert_true(strlen(smtp_verb_name((enum smtp_verb)v)) >= 4);
}

/* Commands we write are commands a strict server takes, and it finds in them what we put in. */
static void test_what_we_write_we_can_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mail_cases); i++) {
		const struct smtp_mail *mail = &mail_cases[i].mail;
		char storage[512];
		char decoded[512];
		struct str out = STR(storage);
		struct str envid = STR(decoded);
		struct smtp_command cmd;
		struct address ignored = { .is_utf8 = false };

		if (smtp_command_add_mail(&out, mail) < 0)
			continue;
		if (mail->sender.len > 0 && address_parse(mail->sender, ADDRESS_UTF8, &ignored) < 0)
			/* case 411: written as given, and no strict server takes it */
			continue;
		enum smtp_command_error error = smtp_command_parse(slice_of(out.ptr, out.len - 2), ALL, &cmd);

		assert_int_equal(error, ignored.is_utf8 && !mail->smtputf8 ? SMTP_COMMAND_NEEDS_UTF8 : SMTP_COMMAND_OK);
		assert_true(slice_eq(cmd.path.mailbox, mail->sender));
		assert_int_equal(cmd.size, mail->size);
		assert_int_equal(cmd.body, mail->body);
		assert_int_equal(cmd.ret, mail->ret);
		assert_int_equal(xtext_decode(&envid, cmd.envid), 0);
		assert_true(slice_eq(str_slice(&envid), mail->envid));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines_are_written_whole_or_not_at_all),
		cmocka_unit_test(test_simple_commands_are_written),
		cmocka_unit_test(test_INJ_05_over_long_parameters_are_left_out),
		cmocka_unit_test(test_INJ_01_no_line_is_over_the_limit),
		cmocka_unit_test(test_a_full_str_loses_the_line_and_nothing_before_it),
		cmocka_unit_test(test_every_line_is_understood_or_refused_for_its_reason),
		cmocka_unit_test(test_a_line_with_NUL_is_no_command),
		cmocka_unit_test(test_parameters_are_kept),
		cmocka_unit_test(test_what_was_not_announced_is_not_taken),
		cmocka_unit_test(test_every_error_has_a_reply_and_every_verb_a_name),
		cmocka_unit_test(test_what_we_write_we_can_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
