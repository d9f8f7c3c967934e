/* The lines themselves; log_put is ours here, and keeps the latest. */
#include "net/delivery/maillog.h"

#include <stdio.h>

#include "core/log.h"
#include "tests/test.h"

static char said[8192];
static size_t said_len;
static unsigned lines;

void log_put(enum log_level level, const char *program, struct slice text)
{
	assert_int_equal(level, LOG_LEVEL_INFO);
	assert_string_equal(program, "smtp");
	assert_true(text.len < sizeof(said));
	memcpy(said, text.ptr, text.len);
	said_len = text.len;
	said[said_len] = '\0';
	lines++;
}

static struct message msg = { .magic = MESSAGE_MAGIC, .id = 0x1c2f0, .arrival_ns = 1000 * NS_PER_SEC };
static struct job job = { .magic = JOB_MAGIC, .msg = &msg };
static struct attempt attempt;

static struct attempt *fresh(void)
{
	memset(&attempt, 0, sizeof(attempt));
	attempt.job = &job;
	memcpy(attempt.relay, "mx1.test[192.0.2.1]:25", 22);
	attempt.relay_len = 22;
	attempt.conn_use = 1;
	attempt.times = (struct attempt_times){
		.active_ns = 1000 * NS_PER_SEC + 10 * NS_PER_MS,
		.handoff_ns = 1000 * NS_PER_SEC + 10 * NS_PER_MS,
		.mail_ns = 1000 * NS_PER_SEC + 60 * NS_PER_MS,
		.done_ns = 1000 * NS_PER_SEC + 120 * NS_PER_MS,
	};
	maillog_start("smtp", 2, false);
	return &attempt;
}

static struct rcpt rcpt_of(const char *addr, unsigned class, unsigned subject, unsigned detail, const char *text)
{
	return (struct rcpt){
		.addr = slice_of_str(addr),
		.dsn = { (uint8_t) class, (uint16_t)subject, (uint16_t)detail },
		.text = slice_of_str(text),
	};
}

/* Case 587. */
static void a_line_for_each_status(void **state)
{
	struct attempt *a = fresh();
	struct rcpt r = rcpt_of("r@example.org", 2, 0, 0, "250 ok");

	(void)state;
	maillog_rcpt(a, &r, MAILLOG_SENT);
	assert_string_equal(
		said, "1C2F0: to=<r@example.org>, relay=mx1.test[192.0.2.1]:25, delay=0.12, delays=0.01/0/0.05/0.06, "
		      "dsn=2.0.0, status=sent (250 ok)");
	r = rcpt_of("r@example.org", 4, 2, 1,
		    "host mx1.test[192.0.2.1] said: 450 4.2.1 later (in reply to RCPT TO command)");
	a->conn_use = 2;
	maillog_rcpt(a, &r, MAILLOG_DEFERRED);
	assert_string_equal(said, "1C2F0: to=<r@example.org>, relay=mx1.test[192.0.2.1]:25, conn_use=2, delay=0.12, "
				  "delays=0.01/0/0.05/0.06, dsn=4.2.1, status=deferred (host mx1.test[192.0.2.1] said: "
				  "450 4.2.1 later (in reply to RCPT TO command))");
	r = rcpt_of("r@example.org", 5, 1, 1, "no");
	maillog_rcpt(a, &r, MAILLOG_BOUNCED);
	assert_non_null(strstr(said, ", dsn=5.1.1, status=bounced (no)"));
	r.dsn.class = 4;
	maillog_rcpt(a, &r, MAILLOG_SOFTBOUNCE);
	assert_non_null(strstr(said, ", dsn=4.1.1, status=SOFTBOUNCE (no)")); /* case 566 */
	assert_int_equal(lines, 4);
}

/* Case 588; B 22.1. */
static void the_original_address_is_said_when_it_differs(void **state)
{
	struct attempt *a = fresh();
	struct rcpt r = rcpt_of("r@example.org", 2, 0, 0, "250 ok");
	char text[64];

	(void)state;
	rcpt_set(&r, text, &(struct rcpt_facts){ .addr = SLICE("r@example.org"), .original = SLICE("R@Example.ORG") });
	maillog_rcpt(a, &r, MAILLOG_SENT);
	assert_non_null(strstr(said, " to=<r@example.org>, relay="));
	rcpt_set(&r, text, &(struct rcpt_facts){ .addr = SLICE("r@example.org"), .original = SLICE("info@x.test") });
	maillog_rcpt(a, &r, MAILLOG_SENT);
	assert_non_null(strstr(said, " to=<r@example.org>, orig_to=<info@x.test>, relay="));
}

/* Case 593. */
static void addresses_have_two_forms(void **state)
{
	struct attempt *a = fresh();
	struct rcpt r = rcpt_of("a b@example.org", 2, 0, 0, "250 ok");

	(void)state;
	maillog_rcpt(a, &r, MAILLOG_SENT);
	assert_non_null(strstr(said, " to=<\"a b\"@example.org>, relay="));
	maillog_start("smtp", 2, true);
	maillog_rcpt(a, &r, MAILLOG_SENT);
	assert_non_null(strstr(said, " to=<a b@example.org>, relay="));
}

/* Case 589: nobody was connected to. */
static void no_connection_no_relay(void **state)
{
	struct attempt *a = fresh();
	struct rcpt r = rcpt_of("r@example.org", 4, 4, 3, "no answer");

	(void)state;
	memcpy(a->relay, "none", 4);
	a->relay_len = 4;
	a->conn_use = 0;
	a->times.mail_ns = 0; /* everything until the end is connection set-up */
	maillog_rcpt(a, &r, MAILLOG_DEFERRED);
	assert_string_equal(said, "1C2F0: to=<r@example.org>, relay=none, delay=0.12, delays=0.01/0/0.11/0, dsn=4.4.3, "
				  "status=deferred (no answer)");
}

struct delay_case {
	uint64_t us;
	unsigned resolution;
	const char *text;
};

/* Cases 590, 591, B 22.2. */
static const struct delay_case delays[] = {
	{ 4000, 2, "0" },        { 250000, 2, "0.25" }, { 1060000, 2, "1.1" },
	{ 9960000, 2, "10" },    { 12600000, 2, "13" }, { 123600000, 2, "124" },
	{ 250000, 0, "0" },      { 5600, 3, "0.006" },  { 0, 2, "0" },
	{ 120000, 2, "0.12" },   { 1200000, 2, "1.2" }, { 12000000, 2, "12" },
	{ 123000000, 2, "123" }, { 5000, 2, "0" },      { 9999, 2, "0" },
	{ 10000, 2, "0.01" },    { 14999, 2, "0.01" },  { 15000, 2, "0.02" },
	{ 100000, 2, "0.1" },    { 995000, 2, "1" },    { 994000, 2, "0.99" },
	{ 1000000, 2, "1" },     { 1040000, 2, "1" },   { 99600000, 2, "100" },
	{ 1, 6, "0.000001" },    { 12, 6, "0.000012" }, { 123456, 6, "0.12" },
	{ 1999999, 6, "2" },     { 1500000, 0, "2" },   { 86400000000, 2, "86400" },
};

static void delays_have_two_digits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(delays); i++) {
		char storage[64];
		struct str out = STR(storage);

		maillog_add_delay(&out, delays[i].us * NS_PER_US, delays[i].resolution);
		if (strcmp(str_cstr(&out), delays[i].text) != 0)
			fail_msg("%llu us at %u digits: %s, not %s", (unsigned long long)delays[i].us,
				 delays[i].resolution, storage, delays[i].text);
	}
}

/* The wall clock may jump; a delay is never negative. */
static void clocks_that_go_back(void **state)
{
	struct attempt *a = fresh();
	struct rcpt r = rcpt_of("r@example.org", 2, 0, 0, "250 ok");

	(void)state;
	a->times = (struct attempt_times){ 900 * NS_PER_SEC, 800 * NS_PER_SEC, 700 * NS_PER_SEC, 600 * NS_PER_SEC };
	maillog_rcpt(a, &r, MAILLOG_SENT);
	assert_non_null(strstr(said, ", delay=0, delays=0/0/0/0, "));
}

/* Rows LOG-01, LOG-02: addresses and reasons of any kind and length end in one line that can be taken apart. */
static void hostile_text_stays_in_its_place(void **state)
{
	static char longest[5000];
	struct attempt *a = fresh();
	struct rcpt r;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	r = rcpt_of("r@example.org", 5, 0, 0, longest);
	maillog_rcpt(a, &r, MAILLOG_BOUNCED);
	assert_int_equal(said[said_len - 1], ')');
	assert_true(said_len < 1500);
	r.addr = slice_of(longest, 2000);
	maillog_rcpt(a, &r, MAILLOG_BOUNCED);
	assert_int_equal(said[said_len - 1], ')');
	assert_non_null(strstr(said, ">, relay=mx1.test[192.0.2.1]:25, "));
	assert_non_null(strstr(said, ", dsn=5.0.0, status=bounced ("));
	r.addr = slice_of(longest, 4990);
	maillog_rcpt(a, &r, MAILLOG_BOUNCED);
	assert_int_equal(said[said_len - 1], ')');
	assert_non_null(strstr(said, ">, relay=mx1.test[192.0.2.1]:25, "));
	r = rcpt_of("a b>, relay=evil, status=sent (@example.org", 5, 0, 0, "%s%n \" \\ }");
	maillog_rcpt(a, &r, MAILLOG_BOUNCED);
	assert_non_null(
		strstr(said, " to=<\"a b>, relay=evil, status=sent (\"@example.org>, relay=mx1.test")); /* case 593 */
	assert_non_null(strstr(said, "status=bounced (%s%n \" \\ })"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("one line, word by word (case 587)", a_line_for_each_status),
		CLAIM("orig_to= when it is another address (case 588)", the_original_address_is_said_when_it_differs),
		CLAIM("info_log_address_format: quoted or not (case 593)", addresses_have_two_forms),
		CLAIM("relay=none when nobody was connected to (case 589)", no_connection_no_relay),
		CLAIM("delays are rounded to two digits (cases 590, 591)", delays_have_two_digits),
		CLAIM("a clock set back is no negative delay", clocks_that_go_back),
		CLAIM("no text breaks a line or its end (rows LOG-01, LOG-02)", hostile_text_stays_in_its_place),
	};

	return cmocka_run_group_tests_name("net/delivery/maillog", claims, NULL, NULL);
}
