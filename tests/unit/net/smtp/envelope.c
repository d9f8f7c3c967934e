/* What MAIL and RCPT say: areas N, W, and of area O the quoting, as far as one line decides. */
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>

#include "net/smtp/envelope.h"

#define DSN	SMTP_CAP_DSN
#define MIME	SMTP_CAP_8BITMIME
#define SIZE	SMTP_CAP_SIZE
#define UTF8	SMTP_CAP_SMTPUTF8
#define ALL	(DSN | MIME | SIZE | UTF8 | SMTP_CAP_REQUIRETLS)
#define BIT7	MESSAGE_BODY_7BIT
#define BIT8	(MESSAGE_BODY_8BITMIME | MESSAGE_8BIT)

static const struct params quoting = { .smtp_quote_rfc821_envelope = true };
static const struct params raw = { 0 };

static const struct mail_case {
	const char *claim;
	uint32_t caps;
	uint32_t facts;
	struct slice sender;
	struct slice envid;
	const char *parameters;	/* behind "MAIL FROM:<sender>" */
} mail_cases[] = {
	{ "case 376: the null sender", 0, BIT7, SLICE(""), SLICE(""), "" },
	{ "case 378: nothing offered, nothing said", 0,
	  BIT8 | MESSAGE_SMTPUTF8 | MESSAGE_RET_FULL | MESSAGE_REQUIRETLS, SLICE("s@x"), SLICE("e"), "" },
	{ "case 390: without DSN neither ENVID nor RET", ALL & ~DSN, BIT7 | MESSAGE_RET_HDRS, SLICE("s@x"), SLICE("e"),
	  " SIZE=36 BODY=7BIT" },
	{ "case 379: SIZE", SIZE, BIT7, SLICE("s@x"), SLICE(""), " SIZE=36" },
	{ "case 385: the size after a conversion is not known", SIZE, BIT8, SLICE("s@x"), SLICE(""), "" },
	{ "case 385: nor that of content without a label", SIZE, MESSAGE_8BIT, SLICE("s@x"), SLICE(""), "" },
	{ "case 386: 8bit", MIME, BIT8, SLICE("s@x"), SLICE(""), " BODY=8BITMIME" },
	{ "case 386: 7bit", MIME, BIT7, SLICE("s@x"), SLICE(""), " BODY=7BIT" },
	{ "case 386: unknown", MIME | SIZE, 0, SLICE("s@x"), SLICE(""), " SIZE=36" },
	{ "case 388: ENVID is xtext", DSN, BIT7, SLICE("s@x"), SLICE("QQ 31+4=1"), " ENVID=QQ+2031+2B4+3D1" },
	{ "case 389: RET=HDRS", DSN, BIT7 | MESSAGE_RET_HDRS, SLICE("s@x"), SLICE(""), " RET=HDRS" },
	{ "RET=FULL", DSN, BIT7 | MESSAGE_RET_FULL, SLICE("s@x"), SLICE(""), " RET=FULL" },
	{ "who asked for REQUIRETLS gets HDRS where it is not offered", DSN,
	  BIT7 | MESSAGE_RET_FULL | MESSAGE_REQUIRETLS, SLICE("s@x"), SLICE(""), " RET=HDRS" },
	{ "REQUIRETLS is said where it is offered, and then the report is the sender's own business", ALL,
	  BIT7 | MESSAGE_RET_FULL | MESSAGE_REQUIRETLS, SLICE("s@x"), SLICE(""), " SIZE=36 BODY=7BIT RET=FULL REQUIRETLS" },
	{ "case 399: the order", ALL, BIT8 | MESSAGE_RET_FULL | MESSAGE_SMTPUTF8, SLICE("s@x"), SLICE("e"),
	  " SIZE=36 BODY=8BITMIME ENVID=e RET=FULL SMTPUTF8" },
	{ "case 602: requested and needed", MIME | UTF8, BIT8 | MESSAGE_SMTPUTF8 | MESSAGE_HEADER_UTF8, SLICE("s@x"),
	  SLICE(""), " BODY=8BITMIME SMTPUTF8" },
	{ "case 604: requested, not offered, not needed", MIME, BIT7 | MESSAGE_SMTPUTF8, SLICE("s@x"), SLICE(""),
	  " BODY=7BIT" },
	{ "case 605: requested, not needed, offered", UTF8, BIT7 | MESSAGE_SMTPUTF8, SLICE("s@x"), SLICE(""),
	  " SMTPUTF8" },
	{ "case 606: not requested, though there are characters beyond ASCII", UTF8, BIT7 | MESSAGE_HEADER_UTF8,
	  SLICE("j\xc3\xb6rg@x"), SLICE(""), "" },
};

static void every_mail_case(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(mail_cases); i++) {
		const struct mail_case *c = &mail_cases[i];
		const struct message msg = { .facts = c->facts, .size = 36, .sender = c->sender, .envid = c->envid };
		const struct smtp_caps caps = { .bits = c->caps };
		char line[512], want[512];
		struct str out = STR(line);

		snprintf(want, sizeof(want), "MAIL FROM:<%.*s>%s\r\n", SLICE_FMT(c->sender), c->parameters);
		const bool is_converted = !(c->caps & SMTP_CAP_8BITMIME) && !(c->facts & MESSAGE_BODY_7BIT);

		const unsigned flags = (is_converted ? ENVELOPE_CHANGED : 0) |
				       (c->facts & MESSAGE_REQUIRETLS ? ENVELOPE_REQUIRETLS : 0);

		assert_int_equal(envelope_add_mail(&out, &msg, msg.sender, &caps, &quoting, flags), 0);
		if (!slice_eq(str_slice(&out), slice_of_str(want)))
			fail_msg("%s: said %s", c->claim, str_cstr(&out));
	}
}

static const struct rcpt_case {
	const char *claim;
	uint32_t caps;
	uint32_t facts;
	struct rcpt_facts rcpt;
	const char *parameters;
} rcpt_cases[] = {
	{ "case 390: without DSN neither ORCPT nor NOTIFY", ALL & ~DSN, 0,
	  { .addr = SLICE("r@x"), .orcpt = SLICE("rfc822;o@x"), .original = SLICE("p@x"), .notify = 14 }, "" },
	{ "case 391: the words in order", DSN, 0,
	  { .addr = SLICE("r@x"), .notify = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE },
	  " NOTIFY=SUCCESS,FAILURE,DELAY" },
	{ "case 392: NEVER alone", DSN, 0, { .addr = SLICE("r@x"), .notify = SMTP_NOTIFY_NEVER }, " NOTIFY=NEVER" },
	{ "case 393: the original address, though nobody asked", DSN, 0,
	  { .addr = SLICE("r@x"), .original = SLICE("r@alias.test") }, " ORCPT=rfc822;r@alias.test" },
	{ "case 393: also when it is the address", DSN, 0, { .addr = SLICE("r@x"), .original = SLICE("r@x") },
	  " ORCPT=rfc822;r@x" },
	{ "case 394: a stored ORCPT", DSN, 0,
	  { .addr = SLICE("r@x"), .orcpt = SLICE("rfc822;a+b=c@x"), .original = SLICE("no@x") },
	  " ORCPT=rfc822;a+2Bb+3Dc@x" },
	{ "case 395: an original address in the form of headers", DSN, 0,
	  { .addr = SLICE("r@x"), .original = SLICE("john doe@x") }, " ORCPT=rfc822;\"john+20doe\"@x" },
	{ "case 396: utf-8", DSN, MESSAGE_SMTPUTF8, { .addr = SLICE("r@x"), .orcpt = SLICE("utf-8;j\xc3\xb6rg@x") },
	  " ORCPT=utf-8;j\\x{F6}rg@x" },
	{ "case 397: utf-8 that is none", DSN, MESSAGE_SMTPUTF8,
	  { .addr = SLICE("r@x"), .orcpt = SLICE("utf-8;j\xf6rg@x"), .notify = SMTP_NOTIFY_DELAY }, " NOTIFY=DELAY" },
	{ "case 398: beyond ASCII without SMTPUTF8", DSN, 0,
	  { .addr = SLICE("r@x"), .original = SLICE("j\xc3\xb6rg@x") }, " ORCPT=rfc822;j+C3+B6rg@x" },
	{ "the same with SMTPUTF8", DSN, MESSAGE_SMTPUTF8,
	  { .addr = SLICE("r@x"), .original = SLICE("j\xc3\xb6rg@x") }, " ORCPT=utf-8;j\\x{F6}rg@x" },
	{ "the same with SMTPUTF8, and no UTF-8", DSN, MESSAGE_SMTPUTF8,
	  { .addr = SLICE("r@x"), .original = SLICE("j\xf6rg@x") }, " ORCPT=rfc822;j+F6rg@x" },
	{ "a source route in front of an original address stays", DSN, 0,
	  { .addr = SLICE("r@x"), .original = SLICE("@a,@b:john doe@x") }, " ORCPT=rfc822;@a,@b:\"john+20doe\"@x" },
	{ "case 399: ORCPT before NOTIFY", DSN, 0,
	  { .addr = SLICE("r@x"), .original = SLICE("r@x"), .notify = SMTP_NOTIFY_FAILURE },
	  " ORCPT=rfc822;r@x NOTIFY=FAILURE" },
	{ "case 606: sent raw", UTF8, 0, { .addr = SLICE("j\xc3\xb6rg@example.org") }, "" },
	{ "case 613: the domain stays as it is", UTF8, MESSAGE_SMTPUTF8,
	  { .addr = SLICE("user@b\xc3\xbc" "cher.example") }, "" },
};

static void every_rcpt_case(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rcpt_cases); i++) {
		const struct rcpt_case *c = &rcpt_cases[i];
		const struct message msg = { .facts = c->facts };
		const struct smtp_caps caps = { .bits = c->caps };
		char line[512], want[512], text[512];
		struct str out = STR(line);
		struct rcpt rcpt = { 0 };

		rcpt_set(&rcpt, text, &c->rcpt);
		snprintf(want, sizeof(want), "RCPT TO:<%.*s>%s\r\n", SLICE_FMT(c->rcpt.addr), c->parameters);
		assert_int_equal(envelope_add_rcpt(&out, &msg, &rcpt, rcpt.addr, &caps, &quoting), 0);
		if (!slice_eq(str_slice(&out), slice_of_str(want)))
			fail_msg("%s: said %s", c->claim, str_cstr(&out));
	}
}

static const struct quote_case {
	const char *claim;
	struct slice internal;
	const char *wire;	/* NULL: cannot be sent */
	const char *raw;	/* with smtp_quote_rfc821_envelope = no */
} quote_cases[] = {
	{ "case 403", SLICE("john.doe@x"), "john.doe@x", "john.doe@x" },
	{ "case 403", SLICE("a+b/c=d@x"), "a+b/c=d@x", "a+b/c=d@x" },
	{ "case 403", SLICE("o'neil@x"), "o'neil@x", "o'neil@x" },
	{ "case 404", SLICE("john..doe@x"), "\"john..doe\"@x", "john..doe@x" },
	{ "case 404", SLICE(".j@x"), "\".j\"@x", ".j@x" },
	{ "case 404", SLICE("j.@x"), "\"j.\"@x", "j.@x" },
	{ "cases 405, 411", SLICE("john doe@x"), "\"john doe\"@x", "john doe@x" },
	{ "case 405", SLICE("a\"b\\c@x"), "\"a\\\"b\\\\c\"@x", NULL },
	{ "case 405", SLICE("a,b@x"), "\"a,b\"@x", "a,b@x" },
	{ "case 405", SLICE("a:b;c@x"), "\"a:b;c\"@x", "a:b;c@x" },
	{ "case 405", SLICE("(a)@x"), "\"(a)\"@x", "(a)@x" },
	{ "case 405", SLICE("[a]@x"), "\"[a]\"@x", "[a]@x" },
	{ "case 405", SLICE("<a>@x"), "\"<a>\"@x", NULL },	/* a reader would end the path too early */
	{ "case 406", SLICE("a@b@x"), "\"a@b\"@x", "a@b@x" },
	{ "case 407", SLICE("@x"), "\"\"@x", "@x" },
	{ "case 408", SLICE("a\tb@x"), "\"a\tb\"@x", "a\tb@x" },
	{ "case 409", SLICE("j\xc3\xb6rg@x"), "j\xc3\xb6rg@x", "j\xc3\xb6rg@x" },
	{ "case 410", SLICE("user"), "user", "user" },
	{ "case 401: CR", SLICE("a\rb@x"), NULL, NULL },
	{ "case 401: LF", SLICE("a\nb@x"), NULL, NULL },
	{ "case 401: NUL", SLICE("a\0b@x"), NULL, NULL },
	{ "case 401: CR LF in the domain", SLICE("a@x\r\nRCPT TO:<y@z>"), NULL, NULL },
	{ "INJ-03: a parameter in the local part is quoted", SLICE("x> SIZE=1@x"), "\"x> SIZE=1\"@x", NULL },
	{ "INJ-03: one in the domain is refused", SLICE("a@b> ORCPT=rfc822;z"), NULL, NULL },
};

static void assert_path(const char *claim, int r, const struct str *line, const char *command, const char *path)
{
	char want[128];

	if (path == NULL) {
		assert_int_equal(r, -EINVAL);
		assert_int_equal(line->len, 0);
		return;
	}
	snprintf(want, sizeof(want), "%s<%s>\r\n", command, path);
	assert_int_equal(r, 0);
	if (!slice_eq(str_slice(line), slice_of_str(want)))
		fail_msg("%s: said %.*s", claim, (int)line->len, line->ptr);
}

static void every_quote_case(void **state)
{
	const struct smtp_caps caps = { 0 };

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(quote_cases); i++) {
		const struct quote_case *c = &quote_cases[i / 2];
		const struct params *params = i % 2 ? &raw : &quoting;
		const char *path = i % 2 ? c->raw : c->wire;
		const struct message msg = { .sender = c->internal };
		const struct rcpt rcpt = { .addr = c->internal };
		char line[128];
		struct str out = STR(line);

		assert_path(c->claim, envelope_add_mail(&out, &msg, msg.sender, &caps, params, 0),
			    &out, "MAIL FROM:", path);
		str_clear(&out);
		assert_path(c->claim, envelope_add_rcpt(&out, &msg, &rcpt, rcpt.addr, &caps, params), &out, "RCPT TO:", path);
	}
}

/* Case 402: what is too long, the server may say. */
static void long_addresses_are_sent_as_given(void **state)
{
	char addr[200 + 1 + 300], line[1024];
	const struct smtp_caps caps = { 0 };
	const struct rcpt rcpt = { .addr = slice_of(addr, sizeof(addr)) };
	struct str out = STR(line);

	(void)state;
	memset(addr, 'a', sizeof(addr));
	addr[200] = '@';
	assert_int_equal(envelope_add_rcpt(&out, &(struct message){ 0 }, &rcpt, rcpt.addr, &caps, &quoting), 0);
	assert_int_equal(out.len, strlen("RCPT TO:<>\r\n") + sizeof(addr));
}

/* Every octet of the longest address quoted and spelled out: a line is whole, or is not written. */
static void the_longest_address_fits_or_is_refused(void **state)
{
	static char addr[MESSAGE_ADDR_MAX], text[3 * MESSAGE_ADDR_MAX + 4], line[SMTP_COMMAND_SEND_MAX];
	const struct smtp_caps caps = { .bits = ALL };
	const struct message msg = { .facts = MESSAGE_SMTPUTF8 };

	(void)state;
	for (size_t len = 1; len <= MESSAGE_ADDR_MAX; len++) {
		const struct rcpt_facts facts = {
			.addr = slice_of(addr, len), .original = slice_of(addr, len), .notify = SMTP_NOTIFY_NEVER,
		};
		struct str out = STR(line);
		struct rcpt rcpt = { 0 };

		memset(addr, '"', len);
		rcpt_set(&rcpt, text, &facts);
		const int r = envelope_add_rcpt(&out, &msg, &rcpt, rcpt.addr, &caps, &quoting);

		assert_true(r == 0 ? out.len > 2 && out.ptr[out.len - 1] == '\n' : out.len == 0);
		assert_true(r == 0 || len > 1000);
	}
}

static void smtputf8_is_needed_by_what_is_there(void **state)
{
	const struct rcpt ascii = { .addr = SLICE("a@x") };
	const struct rcpt utf8 = { .addr = SLICE("j\xc3\xb6rg@x") };
	const struct rcpt done = { .addr = SLICE("j\xc3\xb6rg@x"), .state = RCPT_SENT };
	const struct rcpt both[] = { ascii, utf8 };
	struct message msg = { .sender = SLICE("s@x") };

	(void)state;
	assert_false(envelope_needs_smtputf8(&msg, &utf8, 1));		/* case 606: nobody asked */
	msg.facts = MESSAGE_SMTPUTF8;
	assert_false(envelope_needs_smtputf8(&msg, &ascii, 1));		/* case 607: of two requests of one message, */
	assert_true(envelope_needs_smtputf8(&msg, &utf8, 1));		/* only the one with that recipient */
	assert_true(envelope_needs_smtputf8(&msg, both, 2));
	assert_false(envelope_needs_smtputf8(&msg, &done, 1));
	msg.facts |= MESSAGE_HEADER_UTF8;
	assert_true(envelope_needs_smtputf8(&msg, &ascii, 1));
	msg.facts = MESSAGE_SMTPUTF8;
	msg.sender = utf8.addr;
	assert_true(envelope_needs_smtputf8(&msg, &ascii, 1));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("MAIL says what is offered and known (area N, W)", every_mail_case),
		CLAIM("RCPT says what is offered and known (area N, W)", every_rcpt_case),
		CLAIM("local parts are quoted when they have to be, and no path has another end (area O)", every_quote_case),
		CLAIM("case 402: long addresses are sent as given", long_addresses_are_sent_as_given),
		CLAIM("the longest address fits a line, or there is no line", the_longest_address_fits_or_is_refused),
		CLAIM("SMTPUTF8 is needed for header, sender or recipient (case 607)", smtputf8_is_needed_by_what_is_there),
	};

	return cmocka_run_group_tests_name("net/smtp/envelope", claims, NULL, NULL);
}
