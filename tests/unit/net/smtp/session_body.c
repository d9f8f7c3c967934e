/* The message on its way: windows, servers that stop reading or speak too early, and the end at any time (area T). */
#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

#define WAIT_NS (300 * NS_PER_MS) /* long enough for a busy machine, short enough to wait for */

/* --- the body ----------------------------------------------------------------------------------------------------- */

static char block[MIB(2)];

static struct mail *large(unsigned blocks)
{
	struct mail *m = simple("a@example.org b@example.org");

	for (size_t i = 0; i < sizeof(block); i += 64) {
		(void)snprintf(block + i, 64, "%061zu", i); /* fits, but for its NUL, which goes next */
		block[i + 61] = 'x';
		memcpy(block + i + 62, "\r\n", 2);
	}
	m->body.content = slice_of(block, sizeof(block));
	m->body.repeat = blocks;
	return m;
}

static void large_bodies_in_late_windows(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK OK GO), SAY(puppet_message, OK), BYE, END,
	};
	static const size_t windows[] = { 10000, KIB(64), KIB(384), 1000001 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(windows); i++) {
		stage_open(script);
		struct mail *m = large(2);

		m->body.window_size = windows[i];
		m->body.wait_ns = i == 1 ? 2 * NS_PER_MS : 0;
		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		struct slice got = puppet_got(&stage.puppet, 0);
		size_t head = strlen("EHLO client.test\r\n" MAIL RCPT("a") RCPT("b") DATA);

		assert_int_equal(got.len, head + 2 * sizeof(block) + 3 + 6);
		for (unsigned k = 0; k < 2; k++)
			assert_memory_equal(got.ptr + head + k * sizeof(block), block, sizeof(block));
		stage_close();
	}
}

static void an_empty_message_is_a_dot(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(".\r\n", OK), BYE, END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = stage_mail("s@client.test", "a@example.org", "");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* No content, no dot: what has been sent is no message. Nobody's deadline runs while we are the ones to wait for,
 * with smtp_per_request_deadline, too (case 200). */
static void damaged_content_never_gets_its_dot(void **state)
{
	static const struct puppet_step script[] = { GREET, PIPE, SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK OK GO),
						     END };

	(void)state;
	stage_open(NULL);
	stage.puppet.rules = NULL;
	struct mail *m = large(1);

	m->body.fail_at = KIB(100);
	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, ERR_CORRUPT);
	assert_false(m->rcpts[0].ambiguous);
	assert_int_equal(stage.puppet.messages, 0);
	stage_close();

	stage_open(script);
	stage.params.smtp_data_xfer_timeout_ns = WAIT_NS;
	m = large(1);
	m->body.held = true;
	stage_start();
	stage_turns_for(2 * WAIT_NS / NS_PER_MS);
	assert_int_equal(m->done, 0);
	stage_close();
}

/* The same when it is changed on its way, and what was stored is no content at all: then for good (row SMG-06). */
static void what_cannot_be_sent_says_why(void **state)
{
	static const struct {
		int err;
		uint32_t limit;
		enum rcpt_outcome outcome;
	} cases[] = {
		{ ERR_CORRUPT, 998, OUTCOME_SOFT }, { ERR_CORRUPT, 50, OUTCOME_SOFT },
		{ ERR_CONTENT, 998, OUTCOME_HARD }, { ERR_CONTENT, 50, OUTCOME_HARD },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t at = 0; at <= KIB(100); at += KIB(50)) {
			stage_open(NULL);
			stage.params.smtp_line_length_limit = cases[i].limit;
			struct mail *m = large(1);

			m->body.fail_at = at;
			m->body.fail_err = cases[i].err;
			stage_play();
			stage_expect(m, 0, cases[i].outcome, SESSION_BODY, 0, cases[i].err);
			assert_int_equal(m->rcpts[1].dsn.class, cases[i].outcome == OUTCOME_HARD ? 5 : 4);
			assert_int_equal(m->rcpts[1].dsn.subject, cases[i].outcome == OUTCOME_HARD ? 6 : 3);
			assert_int_equal(m->rcpts[1].dsn.detail, 0);
			assert_int_equal(stage.puppet.messages, 0);
			stage_close();
		}
}

/* The server stops reading in mid-body. */
static const struct puppet_step deaf[] = {
	GREET,
	PIPE,
	{ MAIL RCPT("a") RCPT("b") DATA, OK OK OK GO, PUPPET_STOP_READING },
	END,
};

static struct mail *play_deaf(bool all_queued)
{
	stage_open(deaf);
	puppet_close(&stage.puppet);
	stage.puppet.script = deaf;
	stage.puppet.recv_buf = 4096;
	assert_true(puppet_open(&stage.puppet, "127.0.0.1", 0));
	struct mail *m = large(6); /* more than the kernel takes for us: three times tcp_wmem's usual maximum */

	m->body.window_size = all_queued ? MIB(12) : KIB(256);
	return m;
}

/* Row TIM-02, case 193: nothing goes in, and nothing is in doubt, even when the dot is queued and cannot leave. */
static void a_server_that_stops_reading(void **state)
{
	(void)state;
	for (unsigned all_queued = 0; all_queued < 2; all_queued++) {
		struct mail *m = play_deaf(all_queued);

		stage.params.smtp_data_xfer_timeout_ns = WAIT_NS;
		stage.params.smtp_min_data_rate = 100000000; /* what the buffers take earns nothing */
		stage_play();
		stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, ERR_TIMEOUT);
		assert_dsn(m, 0, 4, 4, 2);
		assert_false(m->rcpts[0].ambiguous);
		stage_close();
	}
}

/* Rows WIN-05, SMG-09, cases 539-541: words in mid-body. */
static void early_replies(void **state)
{
	static const struct {
		const char *words;
		enum puppet_then then;
		enum rcpt_outcome outcome;
		unsigned class, subject, detail;
		int code;
	} cases[] = {
		{ "552 5.3.4 too big\r\n", PUPPET_CLOSE, OUTCOME_HARD, 5, 3, 4, 552 },
		{ "552 5.3.4 too big\r\n", PUPPET_GO_ON, OUTCOME_HARD, 5, 3, 4, 552 },
		{ "452 4.3.1 full\r\n", PUPPET_CLOSE, OUTCOME_SOFT, 4, 3, 1, 452 },
		{ "421 4.3.2 bye\r\n", PUPPET_RESET, OUTCOME_SOFT, 4, 3, 2, 421 },
		{ "250 2.0.0 ok\r\n", PUPPET_CLOSE, OUTCOME_SOFT, 4, 4, 2, 0 },
		{ "250 2.0.0 ok\r\n", PUPPET_GO_ON, OUTCOME_SOFT, 4, 4, 2, 0 },
		{ "354 more\r\n", PUPPET_GO_ON, OUTCOME_SOFT, 4, 4, 2, 0 },
		{ NULL, PUPPET_CLOSE, OUTCOME_SOFT, 4, 4, 2, 0 },
		{ NULL, PUPPET_RESET, OUTCOME_SOFT, 4, 4, 2, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		unsigned k = i / 2;
		struct mail *m = play_deaf(i % 2); /* the dot still to come, and queued already */

		stage_start();
		stage_turns_for(30);
		assert_int_equal(m->done, 0);
		puppet_interrupt(&stage.puppet, 0, cases[k].words, cases[k].then);
		stage_wait(5000);
		/* After a reset, the last words may be lost in our own kernel: then it is a lost connection. */
		if (cases[k].then == PUPPET_RESET && m->seen[0].code == 0)
			assert_int_equal(m->rcpts[0].outcome, OUTCOME_SOFT);
		else {
			stage_expect(m, 0, cases[k].outcome, SESSION_BODY, cases[k].code, m->seen[0].err);
			assert_dsn(m, 1, cases[k].class, cases[k].subject, cases[k].detail);
		}
		assert_false(m->rcpts[0].ambiguous);
		stage_close();
	}
}

/* Row TIM-03, cases 194, 195, two hundred times faster: who reads fast enough for smtp_min_data_rate may take longer
 * than smtp_data_xfer_timeout, who does not may not. The kernel reports room in its buffer by the megabyte: the limit
 * has to be longer than that takes on a busy machine. */
static void slow_readers(void **state)
{
	static const uint64_t limit_ns = NS_PER_SEC;

	(void)state;
	for (unsigned fast = 0; fast < 2; fast++) {
		stage_open(NULL);
		puppet_close(&stage.puppet);
		stage.puppet.recv_buf = 131072;
		stage.puppet.read_rate = fast ? MIB(7) : KIB(256);
		assert_true(puppet_open(&stage.puppet, "127.0.0.1", 0));
		stage.params.smtp_data_xfer_timeout_ns = limit_ns;
		stage.params.smtp_min_data_rate = (fast ? 1u : 64u) << 20;
		struct mail *m = large(8);

		m->body.window_size = KIB(256);
		stage_start();
		stage_wait(30000);
		if (fast) {
			assert_true(stage.took_ns > 2 * limit_ns);
			stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		} else {
			assert_true(stage.took_ns >= limit_ns && stage.took_ns < 3 * limit_ns);
			stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, ERR_TIMEOUT);
			assert_false(m->rcpts[0].ambiguous);
		}
		stage_close();
	}
}

/* The end at any time: whatever is under way is over, once. */
static void aborted_in_each_state(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK OK GO), SAY(puppet_message, OK), BYE, END,
	};
	(void)state;
	for (unsigned turns = 0; turns < 60; turns++) {
		stage_open(script);
		struct mail *m = large(2);

		stage.puppet.chunk = 20;
		m->body.wait_ns = NS_PER_MS / 10;
		stage_start();
		for (unsigned i = 0; i < turns && !stage.finished; i++)
			stage_turn();
		if (stage.closed == 0) {
			session_abort(&stage.session, -ECANCELED);
			assert_int_equal(stage.closed, 0); /* later, never inside */
			stage_wait(5000);
			if (m->started && m->seen[0].err == -ECANCELED)
				assert_int_equal(m->rcpts[0].ambiguous, m->seen[0].step == SESSION_FINAL_DOT);
		}
		stage_close();
	}
}

/* Case 491: ended from outside while content goes out. What the server has is no message, and nothing is in doubt. */
static void ended_in_mid_body(void **state)
{
	(void)state;
	stage_open(NULL);
	struct mail *m = large(1);

	m->body.window_size = KIB(64);
	m->body.wait_ns = 20 * NS_PER_MS;	/* more than half a second in all */
	stage_start();
	while (stage.puppet.accepted == 0 || puppet_got(&stage.puppet, 0).len < KIB(100)) {
		assert_int_equal(m->done, 0);
		stage_turn();
	}
	session_abort(&stage.session, -ECANCELED);
	stage_wait(5000);
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, -ECANCELED);
	assert_false(m->rcpts[0].ambiguous);
	assert_int_equal(stage.puppet.messages, 0);
	struct slice got = puppet_got(&stage.puppet, 0);

	assert_true(got.len < sizeof(block));
	assert_null(memmem(got.ptr, got.len, "\r\n.\r\n", 5));
	stage_close();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("large bodies arrive octet by octet, however late their windows",
			    large_bodies_in_late_windows),
		STAGE_CLAIM("an empty message is the dot alone", an_empty_message_is_a_dot),
		STAGE_CLAIM("content that cannot be had gets no dot", damaged_content_never_gets_its_dot),
		STAGE_CLAIM("nor does content with a NUL, which is 5.6.0 for everybody (row SMG-06)",
			    what_cannot_be_sent_says_why),
		STAGE_CLAIM("a server that stops reading is left, without doubt (row TIM-02, case 193)",
			    a_server_that_stops_reading),
		STAGE_CLAIM("a refusal in mid-body counts, a yes never does (row WIN-05, cases 539-541)",
			    early_replies),
		STAGE_CLAIM("slow readers live by smtp_min_data_rate (rows TIM-02, TIM-03, cases 194, 195)",
			    slow_readers),
		STAGE_CLAIM("a session can be ended in any state", aborted_in_each_state),
		STAGE_CLAIM("the end in mid-body is no dot (case 491)", ended_in_mid_body),
	};

	return cmocka_run_group_tests_name("net/smtp/session_body", claims, NULL, stage_end);
}
