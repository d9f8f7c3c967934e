/* Clients from outside on the real ring over loopback: behind a proxy. The spool is a stand-in. */
#include "tests/test.h"

#include <stdio.h>

#include "core/clock.h"
#include "core/metric.h"
#include "net/source/inject_conn.h"
#include "tests/unit/net/source/fake_spool.h"
#include "tests/unit/net/source/inject_stage.h"

/* --- behind a proxy ------------------------------------------------------------------------------- */

#define SIGNATURE	"\r\n\r\n\0\r\nQUIT\n"
#define INSIDE		SIGNATURE "\x21\x11\x00\x0c" "\x7f\x00\x00\x63" "\x7f\x00\x00\x01" "\x30\x39\x00\x19"
#define OUTSIDE		SIGNATURE "\x21\x11\x00\x0c" "\xc0\x00\x02\x07" "\x7f\x00\x00\x01" "\x30\x39\x00\x19"
#define ITSELF		SIGNATURE "\x20\x00\x00\x00"
#define NOBODY		SIGNATURE "\x21\x00\x00\x00"

static struct addr_net proxies;

static int set_up(void **state)
{
	int r = inject_stage_setup(state);

	assert_int_equal(addr_net_parse(SLICE("127.0.0.0/8"), &proxies), 0);
	params.inject_smtp_proxy_protocol = (struct param_nets){ &proxies, 1 };
	params.smtpd_upstream_proxy_timeout_ns = 5 * NS_PER_SEC;
	return r;
}

static struct client *behind_proxy(struct slice header)
{
	struct client *c = client_connect(0);

	client_send(c, header.ptr, header.len);
	return c;
}

/* Greeted, and asked who may relay. */
static void say_hello(struct client *c, const char *rcpt_reply)
{
	ask(c, "", "220 mx.test ESMTP");
	ask(c, "EHLO client.test\r\n", "250");
	ask(c, "MAIL FROM:<a@test>\r\n", "250");
	ask(c, "RCPT TO:<b@test>\r\n", rcpt_reply);
}

static void the_client_is_who_counts(void **state)
{
	(void)state;
	say_hello(behind_proxy(SLICE(OUTSIDE)), "554 5.7.1");
	assert_true(fake_log_contains("reject: RCPT from unknown[192.0.2.7]: 554"));
	struct client *c = behind_proxy(SLICE(INSIDE));

	say_hello(c, "250");
	ask(c, "BDAT 3 LAST\r\nabc", "250 2.0.0 Ok: queued");
	assert_true(fake_log_contains("client=unknown[127.0.0.99]\n"));
	say_hello(behind_proxy(SLICE("PROXY TCP4 127.0.0.98 127.0.0.1 5 25\r\n")), "250");
	say_hello(behind_proxy(SLICE("PROXY TCP6 2001:db8::7 ::1 5 25\r\n")), "554 5.7.1");
	assert_true(fake_log_contains("reject: RCPT from unknown[2001:db8::7]: 554"));
}

static void a_proxy_speaks_for_itself(void **state)
{
	(void)state;
	say_hello(behind_proxy(SLICE(ITSELF)), "250");
	/* Who is not known may nothing, whatever the proxy may. */
	say_hello(behind_proxy(SLICE(NOBODY)), "554 5.7.1");
	say_hello(behind_proxy(SLICE("PROXY UNKNOWN\r\n")), "554 5.7.1");
}

static void a_header_may_come_in_pieces(void **state)
{
	static const struct slice header = { OUTSIDE, sizeof(OUTSIDE) - 1 };

	(void)state;
	for (size_t cut = 1; cut < header.len; cut++) {
		struct client *c = client_connect(0);

		client_send(c, header.ptr, cut);
		turns(2);
		client_send(c, header.ptr + cut, header.len - cut);
		say_hello(c, "554 5.7.1");
		vanish(c);
	}
}

static void a_trusted_proxy_must_speak(void **state)
{
	static const char *const wrong[] = { "EHLO x\r\n", "PROXY TCP4 x\r\n", "\r\n\r\nx" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wrong); i++) {
		struct client *c = client_connect(0);

		client_send(c, wrong[i], strlen(wrong[i]));
		TURN_UNTIL(c->eof);
		assert_int_equal(c->len, 0);
		vanish(c);
	}
	assert_true(fake_log_contains("proxy unknown[127.0.0.1]: no PROXY header, which"));
	/* Who leaves before is gone, too. */
	for (size_t len = 0; len < sizeof(OUTSIDE) - 1; len++) {
		struct client *c = client_connect(0);

		client_send(c, OUTSIDE, len);
		vanish(c);
	}
	TURN_UNTIL(inject->conns.used == 0);
	params.smtpd_upstream_proxy_timeout_ns = 50 * NS_PER_MS;
	struct client *silent = client_connect(0);

	TURN_UNTIL(silent->eof);
	assert_int_equal(silent->len, 0);
	assert_true(fake_log_contains("no PROXY header within smtpd_upstream_proxy_timeout"));
}

static void nobody_else_is_believed(void **state)
{
	(void)state;
	params.inject_smtp_proxy_protocol.count = 0;
	struct client *c = behind_proxy(SLICE(INSIDE));

	TURN_UNTIL(c->eof);
	assert_true(strncmp(c->in, "554 5.5.0", 9) == 0);
}

static void a_proxied_client_waits_for_the_greeting(void **state)
{
	struct client *c = behind_proxy(SLICE(OUTSIDE "EHLO x\r\n"));

	(void)state;
	TURN_UNTIL(c->eof);
	assert_true(strncmp(c->in, "554 5.5.0", 9) == 0);
	assert_true(fake_log_contains("giving up on unknown[192.0.2.7]: 554 5.5.0"));
}

static void connections_are_counted_by_client(void **state)
{
	(void)state;
	params.smtpd_client_connection_count_limit = 1;
	say_hello(behind_proxy(SLICE(OUTSIDE)), "554");
	struct client *c = behind_proxy(SLICE(OUTSIDE));

	TURN_UNTIL(c->eof);
	assert_true(strncmp(c->in, "421 4.7.0 Too many connections from your address", 48) == 0);
	/* An exception is who is one, not who speaks for him. */
	say_hello(behind_proxy(SLICE(INSIDE)), "250");
	say_hello(behind_proxy(SLICE(INSIDE)), "250");
}

static void shutting_down_does_not_wait_for_a_header(void **state)
{
	struct client *c = client_connect(0);

	(void)state;
	TURN_UNTIL(inject->conns.used == 1);
	closed = false;
	inject_close(inject, on_closed, &closed);
	TURN_UNTIL(closed);
	TURN_UNTIL(c->eof);
	inject_free(&inject);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
#define CASE(words, fn) CLAIM_WITH(words, fn, set_up, inject_stage_teardown)
		CASE("behind a proxy, the client's address is what counts, in the log and for relaying", the_client_is_who_counts),
		CASE("LIS-08: a proxy's own checks are its own, and a client it does not know may nothing",
		     a_proxy_speaks_for_itself),
		CASE("a PROXY header may be cut anywhere", a_header_may_come_in_pieces),
		CASE("a connection of a proxy that says nothing of its client is closed without a word",
		     a_trusted_proxy_must_speak),
		CASE("LIS-08: a PROXY header of a stranger is early talk", nobody_else_is_believed),
		CASE("LIS-03: a client behind a proxy has to wait for the greeting", a_proxied_client_waits_for_the_greeting),
		CASE("connections are counted by client", connections_are_counted_by_client),
		CASE("shutting down does not wait for a header", shutting_down_does_not_wait_for_a_header),
	};

	return cmocka_run_group_tests_name("net/source/inject_outside", claims, NULL, NULL);
}
