/* EHLO replies, through the reply parser as in life. */
#include "net/wire/smtp_ehlo.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/str.h"

static struct smtp_reply_parser parser;

static struct smtp_caps parse(const char *wire, uint32_t discard)
{
	struct slice in = slice_of_str(wire);
	struct smtp_reply reply;
	struct smtp_caps caps;

	smtp_reply_parser_init(&parser);
	assert_int_equal(smtp_reply_feed(&parser, &in, &reply), 1);
	smtp_ehlo_parse(&reply, discard, &caps);
	return caps;
}

struct ehlo_case {
	const char *claim;
	const char *wire;
	uint32_t bits;
	uint64_t size_limit;
	const char *name;
};

static const struct ehlo_case cases[] = {
	{ "all we know",
	  "250-mx.test hello\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n"
	  "250-STARTTLS\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-REQUIRETLS\r\n"
	  "250-LIMITS RCPTMAX=20\r\n250-AUTH PLAIN LOGIN\r\n250 XFORWARD NAME ADDR\r\n",
	  0x1fff, 10240000, "mx.test" },
	{ "a name alone offers nothing", "250 mx.test\r\n", 0, 0, "mx.test" },
	{ "EHL-03: the first line is never a keyword", "250 PIPELINING\r\n", 0, 0, "PIPELINING" },
	{ "EHL-03: nor when more follow", "250-PIPELINING\r\n250 DSN\r\n", SMTP_CAP_DSN, 0, "PIPELINING" },
	{ "a first line without a name takes no keyword with it", "250-\r\n250 DSN\r\n", SMTP_CAP_DSN, 0, "" },
	{ "nor does a code alone", "250\r\n", 0, 0, "" },
	{ "EHL-03: any case", "250-x\r\n250-PipeLining\r\n250 size 5\r\n", SMTP_CAP_PIPELINING | SMTP_CAP_SIZE, 5,
	  "x" },
	{ "EHL-03: words behind the keyword do no harm", "250-x\r\n250 8BITMIME junk\r\n", SMTP_CAP_8BITMIME, 0,
	  "x" },
	{ "EHL-03: a leading blank is no keyword", "250-x\r\n250  PIPELINING\r\n", 0, 0, "x" },
	{ "EHL-03: a longer word is another keyword", "250-x\r\n250-PIPELININGX\r\n250-XSIZE 1\r\n250 SIZES\r\n", 0,
	  0, "x" },
	{ "EHL-03: a shorter one, too", "250-x\r\n250-PIPELININ\r\n250 SIZ 9\r\n", 0, 0, "x" },
	{ "EHL-03: eight-bit octets are in no keyword", "250-x\r\n250 DSN\xc3\xa9\r\n", 0, 0, "x" },
	{ "an equals sign ends a keyword", "250-x\r\n250-AUTH=LOGIN\r\n250 SIZE=77\r\n",
	  SMTP_CAP_AUTH | SMTP_CAP_SIZE, 77, "x" },
	{ "unknown keywords are nobody's business", "250-x\r\n250-XYZZY\r\n250-VRFY\r\n250 HELP\r\n", 0, 0, "x" },
	{ "SIZE alone has no limit", "250-x\r\n250 SIZE\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-01: SIZE 0 has none", "250-x\r\n250 SIZE 0\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-01: an overflow is unknown", "250-x\r\n250 SIZE 18446744073709551616\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-01: the largest is not", "250-x\r\n250 SIZE 18446744073709551615\r\n", SMTP_CAP_SIZE, UINT64_MAX,
	  "x" },
	{ "EHL-01: a sign is unknown", "250-x\r\n250 SIZE -1\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-01: an exponent is unknown", "250-x\r\n250 SIZE 1e9\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-01: only the first word counts", "250-x\r\n250 SIZE 1000 octets\r\n", SMTP_CAP_SIZE, 1000, "x" },
	{ "EHL-01: SIZE twice the same", "250-x\r\n250-SIZE 9\r\n250 SIZE 9\r\n", SMTP_CAP_SIZE, 9, "x" },
	{ "EHL-01: SIZE in contradiction is unknown", "250-x\r\n250-SIZE 0\r\n250 SIZE 1\r\n", SMTP_CAP_SIZE, 0,
	  "x" },
	{ "EHL-01: in either order", "250-x\r\n250-SIZE 2\r\n250 SIZE 1\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-01: and stays unknown", "250-x\r\n250-SIZE 1\r\n250-SIZE 2\r\n250 SIZE 2\r\n", SMTP_CAP_SIZE, 0, "x" },
	{ "EHL-06, case 608: SMTPUTF8 brings 8BITMIME", "250-x\r\n250 SMTPUTF8\r\n",
	  SMTP_CAP_SMTPUTF8 | SMTP_CAP_8BITMIME, 0, "x" },
	{ "a keyword ends at a control, which the parser made a ?", "250-x\r\n250 DSN\001\r\n", 0, 0, "x" },
};

static void test_every_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct ehlo_case *c = &cases[i];
		struct smtp_caps caps = parse(c->wire, 0);

		if (caps.bits != c->bits || caps.size_limit != c->size_limit ||
		    !slice_eq(smtp_caps_name(&caps), slice_of_str(c->name)))
			fail_msg("%s: bits %x size %llu name '%.*s'", c->claim, caps.bits,
				 (unsigned long long)caps.size_limit, SLICE_FMT(smtp_caps_name(&caps)));
	}
}

/* case 174 */
static void test_what_is_discarded_is_not_offered_but_told(void **state)
{
	struct smtp_caps caps = parse("250-x\r\n250-PIPELINING\r\n250-DSN\r\n250 SIZE 9\r\n",
		SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_CHUNKING);

	(void)state;
	assert_int_equal(caps.bits, SMTP_CAP_DSN);
	assert_int_equal(caps.discarded, SMTP_CAP_PIPELINING | SMTP_CAP_SIZE);
	assert_int_equal(caps.size_limit, 0);
}

static void test_implied_8bitmime_is_told_and_can_be_discarded(void **state)
{
	struct smtp_caps caps = parse("250-x\r\n250 SMTPUTF8\r\n", 0);

	(void)state;
	assert_true(caps.implied_8bitmime);
	caps = parse("250-x\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n", 0);
	assert_false(caps.implied_8bitmime);
	caps = parse("250-x\r\n250 SMTPUTF8\r\n", SMTP_CAP_8BITMIME);
	assert_false(caps.implied_8bitmime);
	assert_int_equal(caps.bits, SMTP_CAP_SMTPUTF8);
	caps = parse("250-x\r\n250 SMTPUTF8\r\n", SMTP_CAP_SMTPUTF8);	/* case 611 */
	assert_int_equal(caps.bits, 0);
}

static const struct limits_case {
	const char *wire;
	uint32_t rcpt_max;
	uint32_t mail_max;
	uint32_t rcpt_domain_max;
} limits_cases[] = {
	{ "250-x\r\n250 LIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=3\r\n", 20, 5, 3 },
	{ "250-x\r\n250 limits rcptmax=1\r\n", 1, 0, 0 },
	{ "250-x\r\n250 LIMITS RCPTMAX=0 MAILMAX=0\r\n", 0, 0, 0 },
	{ "250-x\r\n250 LIMITS RCPTMAX=99999999\r\n", EHLO_LIMIT_MAX, 0, 0 },
	{ "250-x\r\n250 LIMITS RCPTMAX=99999999999999999999999\r\n", EHLO_LIMIT_MAX, 0, 0 },
	{ "250-x\r\n250 LIMITS RCPTMAX=-5 MAILMAX=x RCPTDOMAINMAX=\r\n", 0, 0, 0 },
	{ "250-x\r\n250 LIMITS RCPTMAX MAILMAX=7 OTHER=1 =9\r\n", 0, 7, 0 },
	{ "250-x\r\n250-LIMITS RCPTMAX=9\r\n250-LIMITS RCPTMAX=4\r\n250 LIMITS RCPTMAX=6\r\n", 4, 0, 0 },
	{ "250-x\r\n250 LIMITS\r\n", 0, 0, 0 },
};

static void test_EHL_09_limits_are_clamped_and_zero_is_not_believed(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(limits_cases); i++) {
		struct smtp_caps caps = parse(limits_cases[i].wire, 0);

		assert_int_equal(caps.bits, SMTP_CAP_LIMITS);
		assert_int_equal(caps.rcpt_max, limits_cases[i].rcpt_max);
		assert_int_equal(caps.mail_max, limits_cases[i].mail_max);
		assert_int_equal(caps.rcpt_domain_max, limits_cases[i].rcpt_domain_max);
	}
}

/* Where the text is cut, half of a line must not be taken for a whole one: "SIZE 10240000" for
 * "SIZE 10". */
static void test_half_a_line_is_no_keyword(void **state)
{
	static const char tail[] = "SIZE 10240000";
	char wire[REPLY_TEXT_MAX + 64];

	(void)state;
	for (size_t over = 0; over < sizeof(tail) + 8; over++) {
		/* The text of line 1 is as long as it takes for the last `over` octets not to fit.
		 * */
		size_t name_len = REPLY_TEXT_MAX + over - sizeof("250-\n250 SIZE 10240000") + 1;
		struct str text = STR(wire);

		str_printf(&text, "250-%0*d\r\n250 %s\r\n", (int)name_len, 7, tail);
		assert_false(str_is_full(&text));
		struct smtp_caps caps = parse(str_cstr(&text), 0);

		assert_int_equal(caps.bits, over == 0 ? SMTP_CAP_SIZE : 0);
		assert_int_equal(caps.size_limit, over == 0 ? 10240000 : 0);
		assert_int_equal(caps.name_len, EHLO_NAME_MAX);
	}
}

/* EHL-01: as many keywords as a reply may have lines. */
static void test_EHL_01_a_full_reply_of_keywords_is_read(void **state)
{
	char wire[REPLY_LINES_MAX * 9];
	struct str text = STR(wire);

	(void)state;
	str_add(&text, SLICE("250-x\r\n"));
	for (unsigned i = 0; i < REPLY_LINES_MAX - 2; i++)
		str_add(&text, SLICE("250-X\r\n"));
	str_add(&text, SLICE("250 DSN\r\n"));
	struct smtp_caps caps = parse(str_cstr(&text), 0);

	assert_int_equal(caps.bits, SMTP_CAP_DSN);
}

static void test_capabilities_outlive_the_reply(void **state)
{
	struct smtp_caps caps = parse("250-mx.test\r\n250 DSN\r\n", 0);

	(void)state;
	memset(&parser, 'z', sizeof(parser));
	assert_true(slice_eq(smtp_caps_name(&caps), SLICE("mx.test")));
}

static void test_names_and_bits_are_one_to_one(void **state)
{
	(void)state;
	for (uint32_t bit = 1; bit <= SMTP_CAP_XFORWARD; bit <<= 1)
		assert_int_equal(smtp_cap_of(slice_of_str(smtp_cap_name((enum smtp_cap)bit))), bit);
	assert_int_equal(smtp_cap_of(SLICE("silent-discard")), 0);
	assert_int_equal(smtp_cap_of(SLICE("")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case),
		cmocka_unit_test(test_what_is_discarded_is_not_offered_but_told),
		cmocka_unit_test(test_implied_8bitmime_is_told_and_can_be_discarded),
		cmocka_unit_test(test_EHL_09_limits_are_clamped_and_zero_is_not_believed),
		cmocka_unit_test(test_half_a_line_is_no_keyword),
		cmocka_unit_test(test_EHL_01_a_full_reply_of_keywords_is_read),
		cmocka_unit_test(test_capabilities_outlive_the_reply),
		cmocka_unit_test(test_names_and_bits_are_one_to_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
