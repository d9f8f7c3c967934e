/* LMTP: the hello of its own, and a reply for each recipient behind the dot (RFC 2033): conformance area Y. */
#include <errno.h>

#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

#define LHLO(caps)	{ "LHLO client.test\r\n", caps, PUPPET_GO_ON }
#define LPIPE		LHLO("250-mx.test\r\n250 PIPELINING\r\n")
#define THREE		MAIL RCPT("a") RCPT("b") RCPT("c") DATA

static struct mail *open_lmtp(const struct puppet_step *script, const char *rcpts)
{
	stage_open(script);
	stage.lmtp = true;
	return simple(rcpts);
}

static struct mail *open_three(const struct puppet_step *script)
{
	return open_lmtp(script, "a@example.org b@example.org c@example.org");
}

/* Also with nothing but LMTP in the greeting, and smtp_always_send_ehlo and its sister have no say. */
static void says_lhlo(void **state)
{
	static const struct puppet_step script[] = {
		SAY(NULL, "220 mx.test LMTP\r\n"), LPIPE,	 SAY(MAIL RCPT("a") DATA, OK OK GO),
		SAY(TEXT ".\r\n", OK),		   BYE,		 END,
	};

	(void)state;
	for (unsigned never = 0; never <= 1; never++) {
		struct mail *m = open_lmtp(script, "a@example.org");

		stage.params.smtp_always_send_ehlo = false;
		stage.params.smtp_never_send_ehlo = never == 1;
		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

static void no_helo_after_lhlo(void **state)
{
	static const char *const answers[] = { "500 what?\r\n", "502 5.5.1 no\r\n", "421 4.3.2 busy\r\n",
					       "450 later\r\n" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(answers); i++) {
		const struct puppet_step script[] = { GREET, LHLO(answers[i]), BYE, END };

		open_lmtp(script, "a@example.org");
		stage_play();
		assert_wire(0, "LHLO client.test\r\nQUIT\r\n");
		assert_int_equal(stage.ready, 0);
		assert_int_equal(stage.session.failure.state, SESSION_LHLO);
		assert_int_equal(stage.session.failure.code, (answers[i][0] - '0') * 100 + (answers[i][1] - '0') * 10 +
								     (answers[i][2] - '0'));
		stage_close();
	}
}

/* Case 632; the second message shows that exactly two replies were taken for the first. */
static void one_reply_for_each_accepted(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		LPIPE,
		SAY(THREE, OK OK "550 5.1.1 who?\r\n" OK GO),
		SAY(TEXT ".\r\n", "250 2.1.5 a has it\r\n452 4.2.2 c is full\r\n"),
		SAY(THREE, OK OK OK OK GO),
		SAY(TEXT ".\r\n", "550 5.2.1 a no more\r\n" OK "354 what\r\n"),
		BYE,
		END,
	};
	static const size_t chunks[] = { 0, 7, 1 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(chunks); i++) {
		struct mail *m = open_three(script), *n = simple("a@example.org b@example.org c@example.org");

		stage.puppet.chunk = chunks[i];
		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		assert_memory_equal(m->rcpts[0].text.ptr, "250 2.1.5 a has it", 18);
		stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		stage_expect(m, 2, OUTCOME_SOFT, SESSION_FINAL_DOT, 452, 0);
		stage_expect(n, 0, OUTCOME_HARD, SESSION_FINAL_DOT, 550, 0);
		stage_expect(n, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_expect(n, 2, OUTCOME_HARD, SESSION_FINAL_DOT, 354, 0);
		stage_close();
	}
}

/* Row RPL-08: what a server that answers for all of them at once says next would be the second recipient's. Where one
 * reply is owed, the next transaction rides. */
static void nothing_rides_behind_many_replies(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		LPIPE,
		SAY(THREE, OK OK OK OK GO),
		SAY(TEXT ".\r\n", OK "452 4.2.2 full\r\n" OK),
		SAY(MAIL RCPT("d") RCPT("e") DATA, OK "550 5.1.1 who?\r\n" OK GO),
		SAY(TEXT ".\r\n" MAIL RCPT("f") DATA, OK OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	struct mail *m = open_three(script), *n = simple("d@example.org e@example.org"), *o = simple("f@example.org");

	stage.ride = true;
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(m, 1, OUTCOME_SOFT, SESSION_FINAL_DOT, 452, 0);
	stage_expect(m, 2, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(n, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	stage_expect(n, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(o, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 633, B 26.23: nobody owes a reply to a lone dot; one that comes all the same is taken. */
static void a_lone_dot_without_reply(void **state)
{
	static const struct puppet_step silent[] = {
		GREET, LPIPE, SAY(MAIL RCPT("a") DATA, OK "550 5.1.1 who?\r\n" GO), SAY(".\r\n", NULL), END,
	};
	static const struct puppet_step talks[] = {
		GREET, LPIPE, SAY(MAIL RCPT("a") DATA, OK "550 5.1.1 who?\r\n" GO), SAY(".\r\n", OK), BYE, END,
	};

	(void)state;
	for (unsigned i = 0; i <= 1; i++) {
		struct mail *m = open_lmtp(i == 0 ? silent : talks, "a@example.org");

		stage.params.smtp_rset_timeout_ns = 50 * NS_PER_MS;
		stage_play();
		assert_true(stage.took_ns < 2 * NS_PER_SEC);
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		assert_false(m->seen[0].maybe_delivered);
		stage_close();
	}
}

/* Row RPL-15: who has not had his reply may have the message. */
static void missing_replies_are_ambiguous(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		LPIPE,
		SAY(THREE, OK OK OK OK GO),
		{ TEXT ".\r\n", OK, PUPPET_CLOSE },
		END,
	};
	static const struct puppet_step garbage[] = {
		GREET, LPIPE, SAY(THREE, OK OK OK OK GO), SAY(TEXT ".\r\n", OK "what?\r\n" OK OK), END,
	};
	static const struct puppet_step silent[] = {
		GREET, LPIPE, SAY(THREE, OK OK OK OK GO), SAY(TEXT ".\r\n", OK), END,
	};
	static const struct {
		const struct puppet_step *script;
		int err;
	} cases[] = { { script, ERR_EOF }, { garbage, ERR_PROTO }, { silent, ERR_TIMEOUT } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct mail *m = open_three(cases[i].script);

		stage.params.smtp_data_done_timeout_ns = 100 * NS_PER_MS;
		stage_play();
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		assert_false(m->rcpts[0].ambiguous);
		for (unsigned k = 1; k <= 2; k++) {
			stage_expect(m, k, OUTCOME_SOFT, SESSION_FINAL_DOT, 0, cases[i].err);
			assert_true(m->rcpts[k].ambiguous);
		}
		stage_close();
	}
}

/* Row RPL-15: one reply too many is nobody's, and the session ends before it can become the next message's. */
static void surplus_replies_end_the_session(void **state)
{
	static const struct puppet_step script[] = {
		GREET, LPIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(TEXT ".\r\n", OK OK), END,
	};
	static const struct puppet_step riding[] = {
		GREET, LPIPE, SAY(MAIL RCPT("a") DATA, OK OK GO),
		SAY(TEXT ".\r\n" MAIL RCPT("b") DATA, OK "250 surplus\r\n" OK OK GO), END,
	};

	(void)state;
	struct mail *m = open_lmtp(script, "a@example.org");

	stage.no_quit = true;
	stage_start();
	stage_turns_for(50);
	assert_int_equal(stage.closed, 1);
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();

	m = open_lmtp(riding, "a@example.org");
	struct mail *n = simple("b@example.org");

	stage.ride = true;
	stage_play();
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(n, 0, OUTCOME_SOFT, SESSION_DATA, 0, ERR_PROTO);
	assert_false(n->rcpts[0].ambiguous);
	stage_close();
}

/* A reply while the message is still under way is the first recipient's, the others have lost the connection. */
static void early_replies_are_one_recipients(void **state)
{
	static const struct puppet_step script[] = {
		GREET, LPIPE, SAY(THREE, OK OK OK OK GO "552 5.3.4 too big\r\n"), END,
	};

	(void)state;
	struct mail *m = open_three(script);

	m->body.held = true;
	stage_play();
	stage_expect(m, 0, OUTCOME_HARD, SESSION_BODY, 552, 0);
	stage_expect(m, 1, OUTCOME_SOFT, SESSION_BODY, 0, ERR_PROTO);
	stage_expect(m, 2, OUTCOME_SOFT, SESSION_BODY, 0, ERR_PROTO);
	assert_false(m->rcpts[1].ambiguous);
	stage_close();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("the hello is LHLO, whatever the greeting says (case 631)", says_lhlo),
		STAGE_CLAIM("no HELO follows an LHLO that fails (case 631)", no_helo_after_lhlo),
		STAGE_CLAIM("behind the dot each accepted recipient has a reply, in the order of RCPT (case 632)",
			    one_reply_for_each_accepted),
		STAGE_CLAIM("nothing rides where several replies follow the dot (row RPL-08)",
			    nothing_rides_behind_many_replies),
		STAGE_CLAIM("a lone dot that nobody answers holds nobody up (case 633)", a_lone_dot_without_reply),
		STAGE_CLAIM("missing replies are ambiguous for those who miss them (row RPL-15, case 634)",
			    missing_replies_are_ambiguous),
		STAGE_CLAIM("surplus replies end the session (row RPL-15)", surplus_replies_end_the_session),
		STAGE_CLAIM("an early refusal is one recipient's", early_replies_are_one_recipients),
	};

	return cmocka_run_group_tests_name("net/smtp/session_lmtp", claims, NULL, stage_end);
}
