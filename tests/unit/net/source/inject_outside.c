/* Clients from outside on the real ring over loopback: behind a proxy, and in TLS. The spool is a stand-in. */
#include "tests/test.h"

#include "core/metric.h"
#include "net/source/inject_conn.h"
#include "tests/unit/net/source/fake_spool.h"
#include "tests/unit/net/source/inject_secure.h"

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

/* --- in TLS --------------------------------------------------------------------------------------- */

static struct client *say_starttls(void)
{
	struct client *c = client_hello();

	ask(c, "STARTTLS\r\n", "220 2.0.0");
	return c;
}

static void starttls_begins_anew(void **state)
{
	(void)state;
	for (unsigned version = TLS_1_2; version <= TLS_1_3; version++) {
		struct client *c = client_connect(0);

		ask(c, "", "220");
		client_send(c, "EHLO forgotten.test\r\n", 21);
		TURN_UNTIL(replies_of(c) == 1);
		assert_non_null(strstr(c->in, "250-STARTTLS\r\n"));
		c->len = 0;
		ask(c, "STARTTLS\r\n", "220 2.0.0");
		struct secure *s = shake_hands(c, version);

		assert_true(s->tls.verdict.is_trusted && s->tls.verdict.name_matches);
		/* Neither greeted nor said hello; STARTTLS is not offered twice. */
		ask_tls(s, "MAIL FROM:<a@test>\r\n", "503");
		pump(s, SLICE("EHLO client.test\r\n"));
		PUMP_UNTIL(s, has_reply(s));
		assert_null(strstr(s->text, "STARTTLS"));
		s->len = 0;
		ask_tls(s, "STARTTLS\r\n", "502");
		ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
		ask_tls(s, "RCPT TO:<b@test>\r\n", "250");
		ask_tls(s, "DATA\r\n", "354");
		ask_tls(s, "Subject: x\r\n\r\nbody\r\n.\r\n", "250 2.0.0 Ok: queued");
		ask_tls(s, "QUIT\r\n", "221");
		PUMP_UNTIL(s, s->c->eof);
		assert_int_equal(s->tls.state, TLS_ENDED);	/* it has said goodbye */
		const struct fake_message *m = &fake_spool.messages[fake_spool.count - 1];

		assert_true(slice_eq(fake_spool_body(m), SLICE("Subject: x\r\n\r\nbody\r\n")));
		assert_non_null(memmem(m->content, m->content_len, "from client.test ", 17));
		assert_non_null(memmem(m->content, m->content_len, " with ESMTPS id ", 16));
		leave_tls(s);
	}
	assert_true(fake_log_contains("Anonymous TLS connection established from unknown[127.0.0.1]: TLSv1.3 with cipher"));
}

static void tls_from_the_first_octet(void **state)
{
	(void)state;
	for (unsigned version = TLS_1_2; version <= TLS_1_3; version++) {
		struct secure *s = shake_hands(client_connect(ENDPOINT_TLS), version);

		ask_tls(s, "", "220 mx.test ESMTP");
		ask_tls(s, "EHLO client.test\r\n", "250");
		ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
		ask_tls(s, "RCPT TO:<b@test>\r\n", "250");
		ask_tls(s, "BDAT 3 LAST\r\nabc", "250 2.0.0 Ok: queued");
		leave_tls(s);
	}
	/* SMTP in clear there gets no answer in clear. */
	struct client *c = client_connect(ENDPOINT_TLS);

	client_send(c, "EHLO x\r\n", 8);
	TURN_UNTIL(c->eof);
	assert_null(memchr(c->in, '2', c->len));
	assert_true(fake_log_contains("SSL_accept error from unknown[127.0.0.1]: "));
	TURN_UNTIL(inject->conns.used == 0 || (vanish(c), false));
}

static void early_talk_is_early_talk(void **state)
{
	const struct tls_wish wish = { .version_min = TLS_1_3, .version_max = TLS_1_3, .check = &check };
	struct secure *s = &secures[0];

	(void)state;
	/* Together with the client's last word of the handshake. */
	s->c = client_connect(ENDPOINT_TLS);
	s->is_over = false;
	s->len = 0;
	assert_int_equal(tls_open(&s->tls, &room, trust, &wish), 0);
	pump(s, SLICE(""));
	TURN_UNTIL(s->c->len > 0);
	struct slice in = slice_of(s->c->in, s->c->len), plain, wire;
	char flight[KIB(4)];
	size_t taken, len;

	while (!tls_is_open(&s->tls))
		assert_int_equal(tls_unwrap(&s->tls, clock_wall_ns(), &in, &plain), 0);
	s->c->len = 0;
	assert_int_equal(tls_wrap(&s->tls, NULL, 0, &wire, &taken), 0);
	memcpy(flight, wire.ptr, len = wire.len);
	assert_int_equal(tls_wrap(&s->tls, &(struct iovec){ (void *)(uintptr_t)"EHLO x\r\n", 8 }, 1, &wire, &taken), 0);
	memcpy(flight + len, wire.ptr, wire.len);
	client_send(s->c, flight, len + wire.len);
	PUMP_UNTIL(s, s->c->eof);
	assert_true(strncmp(s->text, "554 5.5.0", 9) == 0);
}

/* What stands behind STARTTLS in clear is no command in TLS, whenever it comes. */
static void nothing_is_smuggled_into_tls(void **state)
{
	static const char *const groups[] = {
		"STARTTLS\r\nRSET\r\n", "STARTTLS\r\nR", "STARTTLS\r\n\r", "NOOP\r\nSTARTTLS\r\nQUIT\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(groups); i++) {
		struct client *c = client_hello();

		client_send(c, groups[i], strlen(groups[i]));
		TURN_UNTIL(c->eof);
		assert_non_null(strstr(c->in, "503 5.5.0 Wait for the reply"));
		assert_null(strstr(c->in, "220 "));
		vanish(c);
	}
	/* In the next segment, before or behind the reply: no record of TLS, and no command either. */
	for (unsigned wait = 0; wait < 3; wait++) {
		struct client *c = client_hello();

		client_send(c, "STARTTLS\r\n", 10);
		turns(wait);
		client_send(c, "MAIL FROM:<a@test>\r\n", 20);
		TURN_UNTIL(c->eof);
		assert_null(strstr(c->in, "250"));
		vanish(c);
	}
	ask(client_hello(), "STARTTLS now\r\n", "501");
	struct client *c = client_hello();

	ask(c, "MAIL FROM:<a@test>\r\n", "250");
	ask(c, "STARTTLS\r\n", "503");
}

static void what_cannot_be_is_not_offered(void **state)
{
	struct tls_context *context = inject_set_tls(inject, NULL);
	struct client *c = client_hello();

	(void)state;
	ask(c, "STARTTLS\r\n", "502");
	c = client_connect(ENDPOINT_TLS);
	TURN_UNTIL(c->eof);
	assert_int_equal(c->len, 0);
	tls_context_retire(&context);
}

static void tls_may_be_demanded(void **state)
{
	(void)state;
	params.smtpd_tls_security_level = INJECT_TLS_ENCRYPT;
	struct client *c = client_hello();

	ask(c, "MAIL FROM:<a@test>\r\n", "530 5.7.0");
	ask(c, "VRFY x\r\n", "530 5.7.0");
	ask(c, "RCPT TO:<a@test>\r\n", "503");
	ask(c, "NOOP\r\n", "250");
	ask(c, "RSET\r\n", "250");
	ask(c, "STARTTLS\r\n", "220");
	struct secure *s = shake_hands(c, TLS_1_3);

	ask_tls(s, "EHLO client.test\r\n", "250");
	ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
	c = client_connect(1);
	ask(c, "", "220");
	ask(c, "EHLO x\r\n", "250");
	ask(c, "MAIL FROM:<a@test>\r\n", "250");	/* nobody listens in on a unix socket */
}

/* A session that waits keeps what was decrypted, and the client's own kernel the rest. */
static void waiting_keeps_what_was_decrypted(void **state)
{
	static char flood[KIB(100)];
	struct str text = STR(flood);
	struct secure *s = shake_hands(say_starttls(), TLS_1_3);

	(void)state;
	ask_tls(s, "EHLO client.test\r\n", "250");
	fake_spool.forgets = true;
	/* Far more in one go than the journal takes without a wait, and than one record holds. */
	while (!str_is_full(&text))
		str_add(&text, SLICE("MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nBDAT 30 LAST\r\n"
				     "0123456789012345678901234567\r\n"));
	finishes_commits = false;
	const unsigned messages = (unsigned)(text.len / 82);

	assert_int_equal(text.len % 82, 0);
	for (size_t at = 0; at < text.len; at += KIB(50))
		pump(s, slice_of(flood + at, MIN(KIB(50), text.len - at)));
	TURN_UNTIL(fake_spool.committing == 1);
	turns(20);
	const size_t held = inject->held_total;

	turns(20);
	assert_int_equal(inject->held_total, held);	/* nobody reads any more */
	assert_in_range(held, 1, INJECT_HELD_MAX + 32);	/* what was under way when the receive was cancelled came */
	assert_int_equal(inject->plains.used, 1);
	finishes_commits = true;
	for (unsigned n = 0; n < messages;) {
		TURN_UNTIL((pump(s, SLICE("")), s->len > KIB(32) || fake_spool.total == messages));
		s->len = 0;
		n = (unsigned)fake_spool.total;
	}
	assert_int_equal(fake_spool.total, messages);
	TURN_UNTIL((pump(s, SLICE("")), s->len = 0, inject->plains.used == 0));
}

static void no_room_keeps_the_memory_of_parts(void **state)
{
	struct secure *s = shake_hands(say_starttls(), TLS_1_2);
	static char body[KIB(60)];

	(void)state;
	memset(body, 'x', sizeof(body));
	for (size_t i = 70; i + 1 < sizeof(body); i += 72)
		memcpy(body + i, "\r\n", 2);
	memcpy(body + sizeof(body) - 5, "\r\n.\r\n", 5);
	ask_tls(s, "EHLO client.test\r\n", "250");
	ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
	ask_tls(s, "RCPT TO:<b@test>\r\n", "250");
	ask_tls(s, "DATA\r\n", "354");
	fake_spool.no_room = 1;
	pump(s, slice_of(body, sizeof(body)));
	for (unsigned n = 0; n < 1000 && !has_reply(s); n++) {
		turn();
		if (fake_spool.waiting_for_room > 0) {
			turns(2);
			assert_true(fake_spool_give_room());
		}
		pump(s, SLICE(""));
	}
	assert_true(strncmp(s->text, "250 2.0.0 Ok: queued", 20) == 0);
	assert_true(slice_eq(fake_spool_body(&fake_spool.messages[0]), slice_of(body, sizeof(body) - 3)));
	assert_int_equal(inject->plains.used, 0);
}

/* Row LIS-06, in TLS: who goes in the middle of a handshake or a message leaves nothing. */
static void who_goes_leaves_nothing(void **state)
{
	char flight[KIB(4)];
	const struct tls_wish wish = { .version_min = TLS_1_2, .version_max = TLS_1_3, .check = &check };
	struct slice wire;
	size_t taken, len = 1;

	(void)state;
	for (size_t cut = 0; cut < len; cut += 13) {
		struct client *c = say_starttls();
		struct tls tls;

		assert_int_equal(tls_open(&tls, &room, trust, &wish), 0);
		assert_int_equal(tls_wrap(&tls, NULL, 0, &wire, &taken), 0);
		memcpy(flight, wire.ptr, len = wire.len);
		client_send(c, flight, cut);
		turns(2);
		if (cut % 2 != 0)
			assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
		else
			vanish(c);
		TURN_UNTIL(inject->conns.used == 0);
		vanish(c);
		tls_done(&tls);
	}
	struct secure *s = shake_hands(say_starttls(), TLS_1_3);

	ask_tls(s, "EHLO client.test\r\n", "250");
	ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
	ask_tls(s, "RCPT TO:<b@test>\r\n", "250");
	ask_tls(s, "DATA\r\n", "354");
	finishes_commits = false;
	pump(s, SLICE("x\r\n.\r\n"));
	TURN_UNTIL(fake_spool.committing == 1);
	tls_close(&s->tls);
	pump(s, SLICE(""));
	vanish(s->c);
	turns(5);
	finishes_commits = true;
	TURN_UNTIL(inject->conns.used == 0);
	assert_int_equal(fake_spool.total, 1);
	assert_true(fake_log_contains("reply not delivered to unknown[127.0.0.1]: "));
	assert_int_equal(inject->plains.used, 0);
	assert_int_equal(inject->tls_room.wires.used, 0);
}

/* As in clear: what was said before a client closed its side is heard out, also what had to wait. */
static void who_closes_its_side_is_heard_out(void **state)
{
	static const char group[] = "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nBDAT 3 LAST\r\nabc";
	struct secure *s = shake_hands(say_starttls(), TLS_1_3);

	(void)state;
	ask_tls(s, "EHLO client.test\r\n", "250");
	finishes_commits = false;
	for (unsigned i = 0; i < 3; i++)
		pump(s, slice_of(group, sizeof(group) - 1));
	assert_int_equal(shutdown(s->c->fd, SHUT_WR), 0);
	TURN_UNTIL(fake_spool.committing == 1);
	turns(20);
	finishes_commits = true;
	PUMP_UNTIL(s, s->c->eof);
	assert_int_equal(fake_spool.total, 3);
	assert_non_null(strstr(s->text, "250 2.0.0 Ok: queued as ABC002\r\n"));
}

static void a_handshake_has_a_deadline(void **state)
{
	(void)state;
	params.smtpd_starttls_timeout_ns = 100 * NS_PER_MS;
	struct client *c = say_starttls();

	/* A drip gains nothing (row TLS-14, from the other side). */
	for (unsigned i = 0; i < 5; i++) {
		client_send(c, "\x16", 1);
		turns(3);
	}
	TURN_UNTIL(c->eof);
	assert_true(fake_log_contains("SSL_accept error from unknown[127.0.0.1]: "));
	struct client *wrapped = client_connect(ENDPOINT_TLS);

	TURN_UNTIL(wrapped->eof);
	assert_true(fake_log_contains("no handshake within smtpd_starttls_timeout"));
}

static void new_certificates_are_for_new_sessions(void **state)
{
	struct secure *old = shake_hands(say_starttls(), TLS_1_3);
	struct tls_context *before = inject_set_tls(inject, server_context("pinned"));

	(void)state;
	assert_non_null(before);
	tls_context_retire(&before);
	ask_tls(old, "EHLO client.test\r\n", "250");
	struct secure *new = shake_hands(say_starttls(), TLS_1_3);

	ask_tls(new, "EHLO client.test\r\n", "250");
	assert_true(old->tls.verdict.is_trusted);
	assert_false(new->tls.verdict.is_trusted);
}

static void shutting_down_says_goodbye_in_tls(void **state)
{
	struct secure *s = shake_hands(say_starttls(), TLS_1_3);
	struct client *shaking = say_starttls(), *wrapped = client_connect(ENDPOINT_TLS);

	(void)state;
	ask_tls(s, "EHLO client.test\r\n", "250");
	turns(3);
	closed = false;
	inject_close(inject, on_closed, &closed);
	PUMP_UNTIL(s, s->c->eof);
	assert_string_equal(s->text, "421 4.3.2 Service is shutting down\r\n");
	TURN_UNTIL(shaking->eof && wrapped->eof);
	assert_int_equal(shaking->len, 0);
	assert_int_equal(wrapped->len, 0);
	leave_tls(s);
	vanish(shaking);
	vanish(wrapped);
	TURN_UNTIL(closed);
	inject_free(&inject);
}

static void a_proxy_may_stand_before_tls(void **state)
{
	(void)state;
	assert_int_equal(addr_net_parse(SLICE("127.0.0.0/8"), &proxies), 0);
	params.inject_smtp_proxy_protocol = (struct param_nets){ &proxies, 1 };
	params.smtpd_upstream_proxy_timeout_ns = 5 * NS_PER_SEC;
	struct client *c = client_connect(ENDPOINT_TLS);

	client_send(c, OUTSIDE, sizeof(OUTSIDE) - 1);
	struct secure *s = shake_hands(c, TLS_1_3);

	ask_tls(s, "", "220");
	ask_tls(s, "EHLO client.test\r\n", "250");
	ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
	ask_tls(s, "RCPT TO:<b@test>\r\n", "554");
	assert_true(fake_log_contains("established from unknown[192.0.2.7]"));
}

/* --- with a password ------------------------------------------------------------------------------ */

static struct passwords *users;

static int set_up_auth(void **state)
{
	/* The second takes its time: 300,000 rounds. */
	static const char file[] = "user:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
				   "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
				   "slow:$6$rounds=300000$SeSs0Zc1V6v7Wlcr$k2VbFfdEGCDaO4TrFAw4HAffr1x99NvF/DcDSKN9j9r"
				   "Nnqp98LcOZKIcAIkzfmyAPgAxUPdZwrDkktc5Op0nY/\n";
	char storage[256];
	struct str why = STR(storage);

	(void)state;
	prepare_tls();
	params.mynetworks.count = 0;
	params.smtpd_sasl_auth_enable = true;
	params.smtpd_tls_auth_only = true;
	params.smtpd_error_sleep_time_ns = 200 * NS_PER_MS;
	start_listening();
	assert_null(inject_set_tls(inject, server_context("server")));
	assert_int_equal(passwords_new(slice_of(file, sizeof(file) - 1), &why, &users), 0);
	inject_set_passwords(inject, users);
	return 0;
}

static int tear_down_auth(void **state)
{
	int r = tear_down_tls(state);

	passwords_free(&users);
	return r;
}

static struct secure *secure_hello(void)
{
	struct secure *s = shake_hands(say_starttls(), TLS_1_3);

	ask_tls(s, "EHLO client.test\r\n", "250");
	return s;
}

static void the_helper_looks_at_passwords(void **state)
{
	struct secure *s = secure_hello();

	(void)state;
	ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
	ask_tls(s, "RCPT TO:<b@test>\r\n", "554 5.7.1");
	ask_tls(s, "RSET\r\n", "250");
	ask_tls(s, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "235 2.7.0");
	ask_tls(s, "MAIL FROM:<a@test>\r\n", "250");
	ask_tls(s, "RCPT TO:<b@test>\r\n", "250");
	ask_tls(s, "BDAT 3 LAST\r\nabc", "250 2.0.0 Ok: queued");
	assert_int_equal(inject->plains.used, 0);
}

static void a_refusal_takes_its_time(void **state)
{
	struct secure *s = secure_hello();
	const uint64_t begun = clock_mono_ns();

	(void)state;
	ask_tls(s, "AUTH PLAIN AHVzZXIAUGVuY2ls\r\n", "535 5.7.8");
	assert_true(clock_mono_ns() - begun >= 190 * NS_PER_MS);
	ask_tls(s, "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "235 2.7.0");
}

static void others_are_served_meanwhile(void **state)
{
	struct secure *slow = secure_hello(), *other = secure_hello();

	(void)state;
	pump(slow, SLICE("AUTH PLAIN AHNsb3cAcGVuY2ls\r\n"));
	TURN_UNTIL(inject->helper.count == 1);
	for (unsigned i = 0; i < 3; i++)
		ask_tls(other, "NOOP\r\n", "250");
	assert_int_equal(inject->helper.count, 1);
	ask_tls(slow, "", "535");
}

static void who_goes_meanwhile_is_forgotten(void **state)
{
	struct secure *s = secure_hello();

	(void)state;
	pump(s, SLICE("AUTH PLAIN AHNsb3cAcGVuY2ls\r\n"));
	TURN_UNTIL(inject->helper.count == 1);
	leave_tls(s);
	TURN_UNTIL(inject->conns.used == 0);
	assert_int_equal(inject->helper.count, 0);
	/* And while its refusal waits. */
	s = secure_hello();
	params.smtpd_error_sleep_time_ns = 3 * NS_PER_SEC;
	pump(s, SLICE("AUTH PLAIN AHVzZXIAUGVuY2ls\r\n"));
	TURN_UNTIL(fake_log_contains("SASL PLAIN authentication failed"));
	leave_tls(s);
	TURN_UNTIL(inject->conns.used == 0);
}

static void shutting_down_waits_for_the_helper(void **state)
{
	struct secure *s = secure_hello();

	(void)state;
	pump(s, SLICE("AUTH PLAIN AHNsb3cAcGVuY2ls\r\n"));
	TURN_UNTIL(inject->helper.count == 1);
	closed = false;
	inject_close(inject, on_closed, &closed);
	PUMP_UNTIL(s, s->c->eof);
	assert_string_equal(s->text, "421 4.3.2 Service is shutting down\r\n");
	leave_tls(s);
	TURN_UNTIL(closed);
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
#define TLS_CASE(words, fn) CLAIM_WITH(words, fn, set_up_tls, tear_down_tls)
		TLS_CASE("STARTTLS begins anew, and messages say ESMTPS", starttls_begins_anew),
		TLS_CASE("inject_smtps_listen is TLS from the first octet, and nothing else", tls_from_the_first_octet),
		TLS_CASE("LIS-03: early talk inside TLS is early talk", early_talk_is_early_talk),
		TLS_CASE("LIS-04: nothing is smuggled into TLS: octets behind STARTTLS, arguments, a transaction under way",
			 nothing_is_smuggled_into_tls),
		TLS_CASE("without a certificate nothing is offered", what_cannot_be_is_not_offered),
		TLS_CASE("the level encrypt demands TLS before MAIL", tls_may_be_demanded),
		TLS_CASE("a session that waits keeps what was decrypted, and not more", waiting_keeps_what_was_decrypted),
		TLS_CASE("a journal without room keeps the memory of a message in TLS", no_room_keeps_the_memory_of_parts),
		TLS_CASE("LIS-06: who goes in a handshake or in TLS leaves nothing", who_goes_leaves_nothing),
		TLS_CASE("LIS-06: who closes its side in TLS is heard out", who_closes_its_side_is_heard_out),
		TLS_CASE("a handshake has a deadline as a whole", a_handshake_has_a_deadline),
		TLS_CASE("new certificates are for new sessions", new_certificates_are_for_new_sessions),
		TLS_CASE("shutting down says so inside TLS, and in a handshake says nothing", shutting_down_says_goodbye_in_tls),
		TLS_CASE("a proxy's header stands before TLS", a_proxy_may_stand_before_tls),
#define AUTH_CASE(words, fn) CLAIM_WITH(words, fn, set_up_auth, tear_down_auth)
		AUTH_CASE("a password is looked at by the helper, and its user may relay from anywhere",
			  the_helper_looks_at_passwords),
		AUTH_CASE("a refusal takes its time", a_refusal_takes_its_time),
		AUTH_CASE("others are served while a password is looked at", others_are_served_meanwhile),
		AUTH_CASE("LIS-06: who goes meanwhile is forgotten", who_goes_meanwhile_is_forgotten),
		AUTH_CASE("shutting down waits for the helper", shutting_down_waits_for_the_helper),
	};

	return cmocka_run_group_tests_name("net/source/inject_outside", claims, NULL, NULL);
}
