/* What is refused, and what RSET has to do with it: conformance area Q, rows RPL-08, RPL-13, SMG-09. */
#include <errno.h>

#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

/* A server that knows no RSET may have forgotten the old transaction, or not: then it is not MAIL that it refuses. */
static void a_refused_reset(void **state)
{
	static const struct puppet_step forgot[] = {
		GREET,
		PLAIN,
		SAY(MAIL, OK),
		SAY(RCPT("a"), "550 5.1.1 a\r\n"),
		SAY("RSET\r\n", "502 what?\r\n"),
		SAY(MAIL, OK),
		SAY(RCPT("b"), OK),
		SAY(DATA, GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};
	static const struct puppet_step did_not[] = {
		GREET,
		PLAIN,
		SAY(MAIL, OK),
		SAY(RCPT("a"), "550 5.1.1 a\r\n"),
		SAY("RSET\r\n", "502 what?\r\n"),
		SAY(MAIL, "503 nested MAIL\r\n"),
		END,
	};

	(void)state;
	stage_open(forgot);
	simple("a@example.org");
	struct mail *n = simple("b@example.org"), *o = simple("c@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_false(o->started);
	stage_close();

	stage_open(did_not);
	simple("a@example.org");
	n = simple("b@example.org");
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	assert_int_equal(n->rcpts[0].outcome, OUTCOME_SOFT);
	stage_close();
}

/* Row RPL-08: somebody's reply came twice, and DATA's place has a recipient's refusal. The reply to DATA, still to
 * come, shows it. Nobody is bounced by his neighbour's reply. */
static void a_refusal_out_of_place(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") DATA, OK "250 once more\r\n" OK "550 5.1.1 b\r\n"),
		SAY("RSET\r\n", GO),
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_DATA, 0, ERR_PROTO);
	stage_expect(m, 1, OUTCOME_SOFT, SESSION_DATA, 0, ERR_PROTO);
	assert_false(m->rcpts[0].ambiguous);
	stage_close();
}

/* Whatever becomes of RSET: nothing has come that would have been out of place. */
static void a_refusal_stands(void **state)
{
	static const struct puppet_step ends[] = {
		{ "RSET\r\n", NULL, PUPPET_CLOSE }, { "RSET\r\n", NULL, PUPPET_RESET }, SAY("RSET\r\n", "what?\r\n"),
		SAY("RSET\r\n", "502 what?\r\n"), SAY("RSET\r\n", "421 bye\r\n"), SAY("RSET\r\n", NULL),
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		const struct puppet_step script[] = {
			GREET,
			PIPE,
			SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK "550 5.1.1 b\r\n554 5.7.1 no\r\n"),
			ends[i],
			END,
		};

		stage_open(script);
		stage.params.smtp_rset_timeout_ns = 50 * NS_PER_MS;
		struct mail *m = simple("a@example.org b@example.org"), *n = simple("c@example.org");

		stage_play();
		stage_expect(m, 0, OUTCOME_HARD, SESSION_DATA, 554, 0);
		stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		assert_false(n->started);
		stage_close();
	}
}

/* Cases 450, 451. */
static void data_refused(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK "550 5.1.1 b\r\n451 4.3.0 disk\r\n"),
		RSET,
		SAY(MAIL RCPT("c") DATA, OK OK "554 5.0.0 no\r\n"),
		RSET,
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org"), *n = simple("c@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_DATA, 451, 0);
	stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	stage_expect(n, 0, OUTCOME_HARD, SESSION_DATA, 554, 0);
	stage_close();
}

/* Row SMG-09, case 137: is it expecting a message or not? No octet of one, and no other mail to such a server. */
static void yes_to_data(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PLAIN, SAY(MAIL, OK), SAY(RCPT("a"), OK), SAY(DATA, "250 ok\r\n"), BYE, END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_HARD, SESSION_DATA, 250, 0);
	assert_dsn(m, 0, 5, 5, 0);
	assert_false(n->started);
	stage_close();
}

/* Row RPL-13, cases 136, 400. */
static void odd_refusals_end_the_session(void **state)
{
	static const struct {
		const char *reply;
		bool goes_on;
	} cases[] = {
		{ "354 go on\r\n", false },       { "555 5.5.4 what is SIZE?\r\n", false }, { "500 what?\r\n", false },
		{ "421 4.7.0 later\r\n", false }, { "550-5.1.1 a\r\n450 b\r\n", false },    { "550 no\r\n", true },
		{ "450 no\r\n", true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct puppet_step script[] = {
			GREET,
			PLAIN,
			SAY(MAIL, OK),
			SAY(RCPT("a"), cases[i].reply),
			/* A goodbye is answered with QUIT alone. */
			SAY(cases[i].reply[1] == '2' ? "QUIT\r\n" : "RSET\r\n", OK),
			SAY(cases[i].goes_on ? MAIL : NULL, NULL),
			END,
		};

		stage_open(script);
		struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

		stage_start();
		for (unsigned turn = 0; turn < 1000 && !puppet_is_through(&stage.puppet, 0); turn++)
			stage_turn();
		assert_true(puppet_is_through(&stage.puppet, 0));
		assert_int_equal(n->started, cases[i].goes_on);
		assert_int_equal(m->done, 1);
		stage_close();
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("after a refused RSET, a refused MAIL is no refusal of the message", a_refused_reset),
		STAGE_CLAIM("a refusal in the place of DATA's reply is nobody's (row RPL-08)", a_refusal_out_of_place),
		STAGE_CLAIM("whatever RSET is answered with, a refusal stands", a_refusal_stands),
		STAGE_CLAIM("a refused DATA is the accepted recipients' outcome (cases 450, 451)", data_refused),
		STAGE_CLAIM("250 to DATA is a failure and the end of the session (row SMG-09, case 137)", yes_to_data),
		STAGE_CLAIM("after replies that make no sense there is no other message (cases 136, 400)",
			    odd_refusals_end_the_session),
	};

	return cmocka_run_group_tests_name("net/smtp/session_refused", claims, NULL, stage_end);
}
