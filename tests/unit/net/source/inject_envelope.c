/* What travels with a message: DSN, SMTPUTF8, the label of its encoding, and who it comes from. */
#include <stdio.h>

#include "tests/unit/net/source/inject_dialogue.h"

static const struct fake_message *deliver(const char *mail, const char *rcpts, const char *content)
{
	fake_spool.count = 0;
	say(mail, "250");
	for (struct slice rest = slice_of_str(rcpts); rest.len > 0;) {
		const size_t len = (size_t)slice_find_char(rest, 0, '\n') + 1;
		char line[600];

		snprintf(line, sizeof(line), "%.*s", (int)len, rest.ptr);
		say(line, "250");
		slice_skip(&rest, len);
	}
	say("DATA\r\n", "354");
	(void)feed(slice_of_str(content));
	(void)feed(SLICE(".\r\n"));
	assert_int_equal(fake_spool_finish(), 1);
	(void)expect_code("250 2.0.0 Ok: queued as");
	assert_int_equal(fake_spool.count, 1);
	return &fake_spool.messages[0];
}

static void assert_asked(const struct fake_message *m, const char *want)
{
	if (!slice_eq(slice_of(m->asked, m->asked_len), slice_of_str(want)))
		fail_msg("kept \"%.*s\" and not \"%s\"", (int)m->asked_len, m->asked, want);
}

static void dsn_is_kept_decoded(void **state)
{
	const struct fake_message *m;

	(void)state;
	hello();
	m = deliver("MAIL FROM:<a@test> ENVID=QQ+2031+2B4+3D1 RET=HDRS\r\n",
		    "RCPT TO:<b@test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2Bb+3Dc@x\r\n"
		    "RCPT TO:<c@test> NOTIFY=NEVER\r\n"
		    "RCPT TO:<d@test> ORCPT=UTF-8;j\\x{F6}rg@x\r\n"
		    "RCPT TO:<e@test>\r\n",
		    "x\r\n");
	assert_asked(m, "QQ 31+4=1|rfc822;a+b=c@x 10; 1;utf-8;j\xc3\xb6rg@x 0; 0;");
	assert_int_equal(m->facts, MESSAGE_RET_HDRS | MESSAGE_BODY_7BIT);
	m = deliver("MAIL FROM:<a@test> RET=FULL\r\n", "RCPT TO:<b@test>\r\n", "x\r\n");
	assert_asked(m, "| 0;");
	assert_int_equal(m->facts, MESSAGE_RET_FULL | MESSAGE_BODY_7BIT);
}

static void bad_values_are_refused(void **state)
{
	static const char *const mails[] = {
		"MAIL FROM:<a@test> ENVID=a+0D+0Ab\r\n", "MAIL FROM:<a@test> ENVID=a+00\r\n",
		"MAIL FROM:<a@test> ENVID=a+ZZ\r\n", "MAIL FROM:<a@test> ENVID=a+0d\r\n", "MAIL FROM:<a@test> ENVID=\r\n",
		"MAIL FROM:<a@test> RET=NONE\r\n", "MAIL FROM:<a@test> RET=FULL RET=FULL\r\n",
		"MAIL FROM:<a@test> SMTPUTF8=yes\r\n",
	};
	static const char *const rcpts[] = {
		"RCPT TO:<b@test> NOTIFY=\r\n", "RCPT TO:<b@test> NOTIFY=NEVER,DELAY\r\n",
		"RCPT TO:<b@test> NOTIFY=SOON\r\n", "RCPT TO:<b@test> ORCPT=rfc822\r\n",
		"RCPT TO:<b@test> ORCPT=rfc822;a+0Ab\r\n", "RCPT TO:<b@test> ORCPT=utf-8;a\\x{0A}b\r\n",
		"RCPT TO:<b@test> ORCPT=utf-8;a\\x{85}b\r\n", "RCPT TO:<b@test> ORCPT=utf-8;a\\x{D800}b\r\n",
	};
	char over_long[700];

	(void)state;
	params.smtpd_hard_error_limit = UINT32_MAX;
	hello();
	for (unsigned i = 0; i < ARRAY_LEN(mails); i++)
		say(mails[i], "501 5.5.4");
	snprintf(over_long, sizeof(over_long), "MAIL FROM:<a@test> ENVID=%0101d\r\n", 7);
	say(over_long, "501 5.5.4");
	say("MAIL FROM:<a@test> REQUIRETLS\r\n", "555");	/* not offered outside of TLS */
	say("MAIL FROM:<a@test>\r\n", "250");
	for (unsigned i = 0; i < ARRAY_LEN(rcpts); i++)
		say(rcpts[i], "501 5.5.4");
	snprintf(over_long, sizeof(over_long), "RCPT TO:<b@test> ORCPT=rfc822;%0494d\r\n", 7);
	say(over_long, "501 5.5.4");
	say("RCPT TO:<b@test>\r\n", "250");
}

/* RFC 8689 2: offered inside TLS only, and then the message keeps it. */
static void requiretls_is_for_tls(void **state)
{
	(void)state;
	params.requiretls_enable = true;
	hello();
	say("MAIL FROM:<a@test> REQUIRETLS\r\n", "555");
	open_as("127.0.0.1:5000");
	inject_session_on_tls(&session);
	greet();
	(void)feed(SLICE("EHLO client.test\r\n"));
	expect_replies("250-mx.test\r\n250-REQUIRETLS\r\n250-PIPELINING\r\n250-SIZE 4000\r\n250-8BITMIME\r\n"
		       "250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n");
	say("MAIL FROM:<a@test> REQUIRETLS=yes\r\n", "501");
	assert_int_equal(deliver("MAIL FROM:<a@test> REQUIRETLS\r\n", "RCPT TO:<b@test>\r\n", "TLS-Required: No\r\n\r\n")->facts,
			 MESSAGE_REQUIRETLS | MESSAGE_TLS_OPTIONAL | MESSAGE_BODY_7BIT);
	params.requiretls_enable = false;
	say("MAIL FROM:<a@test> REQUIRETLS\r\n", "555");
}

static void utf8_needs_smtputf8(void **state)
{
	const struct fake_message *m;

	(void)state;
	hello();
	say("MAIL FROM:<j\xc3\xb6rg@test>\r\n", "553 5.6.7");
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<j\xc3\xb6rg@test>\r\n", "553 5.6.7");
	say("RCPT TO:<a@b\xc3\xbc" "cher.test>\r\n", "553 5.6.7");
	say("RCPT TO:<b@test> ORCPT=utf-8;j\xc3\xb6rg@x\r\n", "553 5.6.7");
	say("RSET\r\n", "250");
	m = deliver("MAIL FROM:<j\xc3\xb6rg@test> SMTPUTF8\r\n",
		    "RCPT TO:<a@b\xc3\xbc" "cher.test> ORCPT=utf-8;j\xc3\xb6rg@x\r\n", "Subject: x\r\n\r\n");
	assert_asked(m, "|utf-8;j\xc3\xb6rg@x 0;");
	assert_int_equal(m->facts, MESSAGE_SMTPUTF8 | MESSAGE_BODY_7BIT);
	m = deliver("MAIL FROM:<a@test> SMTPUTF8 BODY=8BITMIME\r\n", "RCPT TO:<b@test>\r\n",
		    "Subject: \xc3\xbc\r\nTLS-Required: No\r\n\r\n");
	assert_int_equal(m->facts, MESSAGE_SMTPUTF8 | MESSAGE_HEADER_UTF8 | MESSAGE_8BIT | MESSAGE_BODY_8BITMIME |
			 MESSAGE_TLS_OPTIONAL);
	say("MAIL FROM:<\xed\xa0\x80@test> SMTPUTF8\r\n", "501 5.1.7");	/* a lone surrogate */
	say("MAIL FROM:<\xc0\xaf@test> SMTPUTF8\r\n", "501 5.1.7");	/* not the shortest form */
	say("MAIL FROM:<\xc2\x85@test> SMTPUTF8\r\n", "501 5.1.7");	/* a line end to some */
}

static void labels_are_true(void **state)
{
	const struct fake_message *m;

	(void)state;
	hello();
	m = deliver("MAIL FROM:<a@test> BODY=7BIT\r\n", "RCPT TO:<b@test>\r\n", "\r\n\xfc\r\n");
	assert_int_equal(m->facts, MESSAGE_8BIT);	/* it was not */
	m = deliver("MAIL FROM:<a@test>\r\n", "RCPT TO:<b@test>\r\n", "\r\n\xfc\r\n");
	assert_int_equal(m->facts, MESSAGE_8BIT);
	m = deliver("MAIL FROM:<a@test> BODY=8BITMIME\r\n", "RCPT TO:<b@test>\r\n", "\r\nx\r\n");
	assert_int_equal(m->facts, MESSAGE_BODY_8BITMIME);
	m = deliver("MAIL FROM:<a@test>\r\n", "RCPT TO:<b@test>\r\n", "\r\nx\r\n");
	assert_int_equal(m->facts, MESSAGE_BODY_7BIT);
}

static void quotes_are_taken_off(void **state)
{
	const struct fake_message *m;

	(void)state;
	hello();
	m = deliver("MAIL FROM:<\"a@b\"@test>\r\n",
		    "RCPT TO:<\"c d\"@test>\r\nRCPT TO:<\"plain\"@test>\r\nRCPT TO:<@r.test:\"\\\"\"@test>\r\n", "x\r\n");
	assert_true(slice_eq(slice_of(m->sender, m->sender_len), SLICE("a@b@test")));
	assert_true(slice_eq(slice_of(m->rcpts, m->rcpts_len), SLICE("<c d@test><plain@test><\"@test>")));
}

/* --- the client --------------------------------------------------------------------------------------------------- */

static void assert_client(const struct fake_message *m, enum client_attr attr, const char *want)
{
	const struct message msg = { .client = slice_of(m->client, m->client_len) };
	const struct slice got = message_client(&msg, attr);

	if (!slice_eq(got, slice_of_str(want)))
		fail_msg("attribute %u is %.*s and not %s", attr, SLICE_FMT(got), want);
}

static const struct fake_message *deliver_one(void)
{
	return deliver("MAIL FROM:<a@test>\r\n", "RCPT TO:<b@test>\r\n", "x\r\n");
}

static void a_client_is_described_as_seen(void **state)
{
	const struct fake_message *m;

	(void)state;
	hello();
	m = deliver_one();
	assert_client(m, CLIENT_NAME, "");
	assert_client(m, CLIENT_ADDR, "127.0.0.1");
	assert_client(m, CLIENT_PROTO, "ESMTP");
	assert_client(m, CLIENT_HELO, "client.test");
	assert_client(m, CLIENT_IDENT, "ABC000");
	assert_client(m, CLIENT_SOURCE, "LOCAL");
	open_as("unix:/run/inject");
	greet();
	say("HELO h.test\r\n", "250");
	m = deliver_one();
	assert_client(m, CLIENT_NAME, "localhost");
	assert_client(m, CLIENT_ADDR, "127.0.0.1");
	assert_client(m, CLIENT_PORT, "");
	assert_client(m, CLIENT_PROTO, "SMTP");
	params.smtp_send_xforward_command = false;
	assert_int_equal(deliver_one()->client_len, 0);		/* nobody would read it */
}

static void an_authorised_client_tells(void **state)
{
	const struct fake_message *m;

	(void)state;
	open_as("127.0.0.9:5000");
	greet();
	(void)feed(SLICE("EHLO relay.test\r\n"));
	expect_replies("250-mx.test\r\n250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n250-PIPELINING\r\n"
		       "250-SIZE 4000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250-SMTPUTF8\r\n"
		       "250 CHUNKING\r\n");
	say("XFORWARD NAME=wrong.test ADDR=IPv6:2001:db8::1 PORT=[UNAVAILABLE]\r\n", "250");
	say("xforward name=host.test PROTO=ESMTP HELO=a+2Bb+20c=d SOURCE=REMOTE\r\n", "250");
	say("MAIL FROM:<a@test>\r\n", "250");
	say("XFORWARD NAME=late.test\r\n", "503");
	say("RCPT TO:<b@test>\r\n", "250");
	say("DATA\r\n", "354");
	(void)feed(SLICE(".\r\n"));
	assert_int_equal(fake_spool_finish(), 1);
	(void)expect_code("250 2.0.0 Ok: queued as");
	m = &fake_spool.messages[0];
	assert_client(m, CLIENT_NAME, "host.test");
	assert_client(m, CLIENT_ADDR, "IPv6:2001:db8::1");
	assert_client(m, CLIENT_PORT, "");
	assert_client(m, CLIENT_HELO, "a+b c=d");
	assert_client(m, CLIENT_SOURCE, "REMOTE");
	assert_true(fake_log_contains("client=unknown[127.0.0.9], orig_client=host.test[IPv6:2001:db8::1]\n"));
	/* It was about that message alone. */
	m = deliver_one();
	assert_client(m, CLIENT_NAME, "");
	assert_client(m, CLIENT_ADDR, "127.0.0.9");
}

static void hostile_attributes_change_nothing(void **state)
{
	static const char *const bad[] = {
		"XFORWARD NAME=a+0D+0AX:\r\n", "XFORWARD NAME=a(b\r\n", "XFORWARD ADDR=1.2.3\r\n",
		"XFORWARD ADDR=[192.0.2.1]\r\n", "XFORWARD ADDR=2001:db8::1\r\n", "XFORWARD PORT=65536\r\n",
		"XFORWARD PORT=-1\r\n", "XFORWARD SOURCE=local\r\n", "XFORWARD HELO=+FF\r\n", "XFORWARD HELO=\r\n",
		"XFORWARD FROB=x\r\n", "XFORWARD NAME\r\n", "XFORWARD =x\r\n", "XFORWARD HELO=a+\r\n",
		"XFORWARD NAME=good.test ADDR=bad\r\n",
	};
	char over_long[600];

	(void)state;
	params.smtpd_hard_error_limit = UINT32_MAX;
	open_as("127.0.0.9:5000");
	greet();
	say("EHLO relay.test\r\n", "250");
	say("XFORWARD HELO=before.test\r\n", "250");
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		say(bad[i], "501 5.5.4");
	snprintf(over_long, sizeof(over_long), "XFORWARD IDENT=%0256d\r\n", 7);
	say(over_long, "501 5.5.4");
	assert_client(deliver_one(), CLIENT_HELO, "before.test");
	assert_client(&fake_spool.messages[0], CLIENT_NAME, "");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CASE("RFC 3461: RET, ENVID, NOTIFY and ORCPT are kept decoded", dsn_is_kept_decoded),
		CASE("INJ-05: bad, over-long and dangerous values are refused", bad_values_are_refused),
		CASE("REQUIRETLS is offered inside TLS, and stays with the message", requiretls_is_for_tls),
		CASE("INJ-04: nothing beyond ASCII without SMTPUTF8, and only UTF-8 with it", utf8_needs_smtputf8),
		CASE("a label is what was said, or what was seen, or nothing", labels_are_true),
		CASE("INJ-02: addresses are kept without their quotes", quotes_are_taken_off),
		CASE("a client is described as it is seen, if anybody is to hear of it", a_client_is_described_as_seen),
		CASE("LIS-08: who is authorised may say where a message comes from", an_authorised_client_tells),
		CASE("INJ-07: hostile attributes are refused and change nothing", hostile_attributes_change_nothing),
	};

	return cmocka_run_group_tests_name("net/source/inject_envelope", claims, NULL, NULL);
}
