/* A byte transform between socket and dialogue: what TLS will be. The session above must not notice. */
#include <errno.h>

#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

/* Turns every octet over, in lumps of at most so many, after a handshake of its own. */
struct mask {
	struct conn_transform transform;
	uint8_t mask;
	size_t most;
	const char *hello; /* what it says first; NULL: nothing */
	const char *reply; /* and what it waits for */
	size_t said, heard;
	size_t wrapped, wrap_fails_at, unwrap_fails_at;
	char plain[64], wire[64];
};

static void turn_over(const struct mask *m, char *to, const char *from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(from[i] ^ m->mask);
}

static void be_ready(struct mask *m)
{
	m->transform.is_ready |= m->hello == NULL || (m->said == strlen(m->hello) && m->heard == strlen(m->reply));
}

static int unwrap(struct conn_transform *t, struct slice *in, struct slice *ret_plain)
{
	struct mask *m = container_of(t, struct mask, transform);
	size_t n = MIN(in->len, m->most);

	if (m->unwrap_fails_at > 0 && m->heard + n >= m->unwrap_fails_at)
		return ERR_PROTO;
	if (n == 0)
		return 0;
	if (!t->is_ready)
		n = MIN(n, strlen(m->reply) - m->heard);
	turn_over(m, m->plain, in->ptr, n);
	slice_skip(in, n);
	if (!t->is_ready) {
		assert_memory_equal(m->plain, m->reply + m->heard, n);
		*ret_plain = slice_of("", 0);
	} else {
		*ret_plain = slice_of(m->plain, n);
	}
	m->heard += n;
	be_ready(m);
	return 1;
}

static int wrap(struct conn_transform *t, const struct iovec *pieces, unsigned count, struct slice *ret_wire,
		size_t *ret_taken)
{
	struct mask *m = container_of(t, struct mask, transform);
	size_t len = 0;

	assert_true(t->is_ready || count == 0);
	if (!t->is_ready && m->hello != NULL && m->said < strlen(m->hello)) {
		m->wire[0] = (char)(m->hello[m->said++] ^ m->mask);
		*ret_wire = slice_of(m->wire, 1);
		*ret_taken = 0;
		be_ready(m);
		return 0;
	}
	for (unsigned i = 0; i < count && len < m->most; i++) {
		size_t n = MIN(pieces[i].iov_len, m->most - len);

		turn_over(m, m->wire + len, pieces[i].iov_base, n);
		len += n;
	}
	m->wrapped += len;
	if (m->wrap_fails_at > 0 && m->wrapped >= m->wrap_fails_at)
		return -EPROTO;
	*ret_wire = slice_of(m->wire, len);
	*ret_taken = len;
	return 0;
}

static struct mask mask;

static void through(const struct puppet_step *script, uint8_t over, size_t most)
{
	stage_open(script);
	mask = (struct mask){
		.transform = { .is_ready = true, .unwrap = unwrap, .wrap = wrap }, .mask = over, .most = most,
	};
	stage.puppet.mask = over;
	stage.transform = &mask.transform;
}

static const struct puppet_step whole_dialogue[] = {
	GREET,
	PIPE,
	SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK "550 5.1.1 no\r\n" GO),
	SAY(TEXT ".\r\n" MAIL RCPT("c") DATA, "250 2.0.0 first\r\n" OK OK GO),
	SAY(TEXT ".\r\n", OK),
	BYE,
	END,
};

static void a_whole_session_goes_through(void **state)
{
	static const size_t sizes[] = { 1, 7, sizeof(mask.wire) };

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(sizes); i++) {
		through(whole_dialogue, i % 2 == 0 ? 0 : 0xa5, sizes[i / 2]);
		stage.ride = true;
		stage.puppet.chunk = sizes[i / 2];
		struct mail *m = simple("a@example.org b@example.org"), *n = simple("c@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

static void a_handshake_comes_first(void **state)
{
	static const struct puppet_step script[] = {
		SAY("hello?", "yes!"), GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(TEXT ".\r\n", OK), BYE, END,
	};

	(void)state;
	for (size_t most = 1; most <= sizeof(mask.wire); most += 21) {
		through(script, 0x55, most);
		mask.hello = "hello?";
		mask.reply = "yes!";
		mask.transform.is_ready = false;
		struct mail *m = simple("a@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* Row TLS-15: what has come before MAIL was sent is no answer to it, whatever lumps (records, in TLS) it was in. */
static void what_is_too_early_is_no_answer(void **state)
{
	static const struct puppet_step script[] = {
		GREET, EHLO("250-mx.test\r\n250 PIPELINING\r\n250 early\r\n"), END,
	};

	(void)state;
	for (size_t most = 1; most <= sizeof(mask.wire); most++) {
		through(script, 0x55, most);
		struct mail *m = simple("a@example.org");

		stage_play();
		assert_wire(0, "EHLO client.test\r\n");
		stage_expect(m, 0, OUTCOME_SOFT, m->seen[0].step, 0, ERR_PROTO);
		stage_close();
	}
}

/* Many times what it can hold: what is counted are the dialogue's octets, and windows go back exactly once. */
static void a_large_body_goes_through(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(puppet_message, OK), BYE, END,
	};

	(void)state;
	through(script, 0x11, sizeof(mask.wire));
	struct mail *m = stage_mail("s@client.test", "a@example.org", "0123456789abcdef\r\n");

	m->body.repeat = 3000;
	stage_play();
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_true(stage.session.conn.octets_sent > 3000 * 18);
	stage_close();
}

static void its_failures_end_the_connection(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(puppet_message, OK), END,
	};

	(void)state;
	for (size_t at = 1; at < 80; at += 6) {
		through(script, 0x20, 5);
		mask.wrap_fails_at = at;
		struct mail *m = simple("a@example.org");

		stage_play();
		if (m->started)
			assert_int_equal(m->rcpts[0].outcome, OUTCOME_SOFT);
		else
			assert_int_equal(stage.session.failure.err, -EPROTO);
		stage_close();

		through(script, 0x20, 5);
		mask.unwrap_fails_at = at;
		m = simple("a@example.org");
		stage_play();
		if (m->started)
			stage_expect(m, 0, OUTCOME_SOFT, m->seen[0].step, 0, ERR_PROTO);
		else
			assert_int_equal(stage.session.failure.err, ERR_PROTO);
		stage_close();
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("a transform carries a whole session, in lumps of any size", a_whole_session_goes_through),
		STAGE_CLAIM("its handshake comes before the first octet of the dialogue", a_handshake_comes_first),
		STAGE_CLAIM("what is too early is no answer", what_is_too_early_is_no_answer),
		STAGE_CLAIM("a body larger than its buffers goes through it", a_large_body_goes_through),
		STAGE_CLAIM("when it fails, the connection is lost, and nobody bounces", its_failures_end_the_connection),
	};

	return cmocka_run_group_tests_name("net/smtp/session_transform", claims, NULL, stage_end);
}
