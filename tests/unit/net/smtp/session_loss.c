/* The dialogue when the server fails: cuts, surplus and missing replies, silence, early words (areas F, H and T). */
#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

#define WAIT_NS (300 * NS_PER_MS) /* long enough for a busy machine, short enough to wait for */

static const char hello_pipe[] = "250-mx.test\r\n250 PIPELINING\r\n";
static const char hello_plain[] = "250 mx.test\r\n";

/* --- cuts --------------------------------------------------------------------------------------------------------- */

/* Where the replies of a whole dialogue end: greeting, EHLO, the refusal of b, DATA, the dot. */
struct marks {
	size_t ehlo, refusal, data, all;
};

static void play_cut(size_t at, enum puppet_then how, bool pipe, struct mail **ret_mail)
{
	static struct puppet_step script[12];
	const struct puppet_step piped[] = {
		GREET,
		EHLO(hello_pipe),
		SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK "550 5.1.1 b\r\n" GO),
		SAY(TEXT ".\r\n", OK),
		END,
	};
	const struct puppet_step plain[] = {
		GREET,
		EHLO(hello_plain),
		SAY(MAIL, OK),
		SAY(RCPT("a"), OK),
		SAY(RCPT("b"), "550 5.1.1 b\r\n"),
		SAY(DATA, GO),
		SAY(TEXT ".\r\n", OK),
		END,
	};

	if (pipe)
		memcpy(script, piped, sizeof(piped));
	else
		memcpy(script, plain, sizeof(plain));
	stage_open(script);
	stage.puppet.cut_after = at;
	stage.puppet.cut_then = how;
	*ret_mail = simple("a@example.org b@example.org");
	stage_play();
}

static void judge_cut(const struct mail *m, size_t at, const struct marks *marks, bool pipe)
{
	if (at < marks->ehlo) {
		assert_int_equal(stage.ready, 0);
		assert_false(m->started);
		assert_true(stage.session.failure.err == ERR_EOF || stage.session.failure.err == -ECONNRESET);
		return;
	}
	assert_int_equal(m->done, 1);
	if (at < (pipe ? marks->data : marks->refusal))
		assert_int_equal(m->rcpts[1].outcome, OUTCOME_SOFT); /* row RPL-09: not yet refused */
	else
		stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	if (at == marks->all) {
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		return;
	}
	assert_int_equal(m->rcpts[0].outcome, OUTCOME_SOFT);
	assert_dsn(m, 0, 4, 4, 2);
	assert_false(m->rcpts[1].ambiguous);
	if (at < marks->data)
		assert_false(m->rcpts[0].ambiguous);
	if (at > marks->data) {
		assert_int_equal(m->seen[0].step, SESSION_FINAL_DOT);
		assert_true(m->rcpts[0].ambiguous); /* it has said something after the dot */
	}
}

static void cut_everywhere(enum puppet_then how)
{
	for (unsigned pipe = 0; pipe < 2; pipe++) {
		struct marks marks = { .ehlo = strlen("220 mx.test ESMTP\r\n") +
					       strlen(pipe ? hello_pipe : hello_plain) };

		marks.refusal = marks.ehlo + strlen(OK OK "550 5.1.1 b\r\n");
		marks.data = marks.refusal + strlen(GO);
		marks.all = marks.data + strlen(OK);
		for (size_t at = 0; at <= marks.all; at++) {
			struct mail *m;

			play_cut(at, how, pipe, &m);
			judge_cut(m, at, &marks, pipe);
			stage_close();
		}
	}
}

static void closed_at_every_octet(void **state)
{
	(void)state;
	cut_everywhere(PUPPET_CLOSE);
}

static void reset_at_every_octet(void **state)
{
	(void)state;
	cut_everywhere(PUPPET_RESET);
}

static void half_closed_at_every_octet(void **state)
{
	(void)state;
	cut_everywhere(PUPPET_HALF_CLOSE);
}

/* Row RPL-07, case 442. */
static void replies_in_any_pieces(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") RCPT("c") DATA,
		    OK "450-4.2.1 a\r\n450 4.2.1 later\r\n" OK "550 5.1.1 c\r\n" GO),
		SAY(TEXT ".\r\n" MAIL RCPT("d") DATA, OK OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	for (size_t chunk = 1; chunk < 110; chunk++) {
		stage_open(script);
		stage.ride = true;
		stage.puppet.chunk = chunk;
		struct mail *m = simple("a@example.org b@example.org c@example.org"), *n = simple("d@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SOFT, SESSION_RCPT, 450, 0);
		stage_expect(m, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_expect(m, 2, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* --- surplus and missing replies ---------------------------------------------------------------------------------- */

/* Row RPL-08: a accepted, b refused, c accepted; one reply is said twice. Whatever is concluded, nobody may be bounced
 * but b, and nobody be sent but by the reply to the dot. */
static void one_reply_too_many(void **state)
{
	static const char *const replies[] = { OK, OK, "550 5.1.1 b\r\n", OK, GO };

	(void)state;
	for (unsigned twice = 0; twice < ARRAY_LEN(replies); twice++) {
		for (unsigned chunk = 0; chunk < 60; chunk += 7) {
			char answers[256] = "";
			const struct puppet_step script[] = {
				GREET,
				PIPE,
				SAY(MAIL RCPT("a") RCPT("b") RCPT("c") DATA, answers),
				SAY(puppet_message, OK),
				END,
			};

			for (unsigned i = 0; i < ARRAY_LEN(replies); i++)
				for (unsigned n = 0; n < (i == twice ? 2 : 1); n++)
					memcpy(answers + strlen(answers), replies[i], strlen(replies[i]) + 1);
			stage_open(script);
			stage.puppet.chunk = chunk;
			struct mail *m = simple("a@example.org b@example.org c@example.org");

			stage_play();
			assert_int_not_equal(m->rcpts[1].outcome, OUTCOME_SENT);
			/* A second 354 that comes after the dot is the reply to it: no (case 535). */
			if (twice < 4 || m->seen[0].step != SESSION_FINAL_DOT) {
				assert_int_equal(m->rcpts[0].outcome, OUTCOME_SOFT);
				assert_int_equal(m->rcpts[2].outcome, OUTCOME_SOFT);
			} else {
				stage_expect(m, 0, OUTCOME_HARD, SESSION_FINAL_DOT, 354, 0);
			}
			stage_close();
		}
	}
}

/* The same between two transactions: the surplus reply to the first one's dot does not answer the second one's MAIL. */
static void one_reply_too_many_to_the_dot(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") DATA, OK OK GO),
		SAY(TEXT ".\r\n" MAIL RCPT("b") RCPT("c") DATA, OK OK OK "550 b\r\n" OK GO),
		SAY(puppet_message, OK),
		END,
	};
	static const struct puppet_step alone[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(TEXT ".\r\n", OK "250 2.0.0 surplus\r\n"), END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org c@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_int_equal(n->rcpts[0].outcome, OUTCOME_SOFT);
	assert_int_equal(n->rcpts[1].outcome, OUTCOME_SOFT);
	stage_close();

	stage_open(alone); /* case 460 */
	m = simple("a@example.org");
	n = simple("b@example.org");
	stage_play();
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_int_equal(n->rcpts[0].outcome, OUTCOME_SOFT);
	assert_dsn(n, 0, 4, 5, 0);
	assert_false(n->rcpts[0].ambiguous);
	stage_close();
}

/* Case 461: a goodbye in place of what we were about to ask. */
static void goodbye_before_mail(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		SAY("EHLO client.test\r\n", "250-mx.test\r\n250 PIPELINING\r\n421 4.3.2 shutting down\r\n"),
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_MAIL, 421, 0);
	assert_dsn(m, 0, 4, 3, 2);
	stage_close();
}

/* Row RPL-09. */
static void missing_replies(void **state)
{
	static const enum puppet_then ends[] = { PUPPET_GO_ON, PUPPET_CLOSE };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		const struct puppet_step script[] = {
			GREET,
			PIPE,
			{ MAIL RCPT("a") RCPT("b") RCPT("c") DATA, OK OK "550 b\r\n" GO, ends[i] },
			END,
		};

		stage_open(script);
		stage.params.smtp_data_init_timeout_ns = WAIT_NS;
		struct mail *m = simple("a@example.org b@example.org c@example.org");

		stage_play();
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(m->rcpts[k].outcome, OUTCOME_SOFT);
		assert_false(m->rcpts[0].ambiguous);
		stage_close();
	}
}

/* Row RPL-10, case 148: goodbye at every stage, and then the end. */
static void goodbye_at_each_stage(void **state)
{
	static const char bye[] = "421 4.7.0 too many\r\n";
	const struct puppet_step at_mail[] = { GREET, PIPE, { MAIL RCPT("a") RCPT("b") DATA, bye, PUPPET_CLOSE }, END };
	const struct puppet_step at_rcpt[] = {
		GREET,
		PIPE,
		{ MAIL RCPT("a") RCPT("b") DATA, OK "421 4.7.0 too many\r\n", PUPPET_CLOSE },
		END,
	};
	const struct puppet_step at_data[] = {
		GREET,
		PIPE,
		{ MAIL RCPT("a") RCPT("b") DATA, OK OK OK "421 4.7.0 too many\r\n", PUPPET_CLOSE },
		END,
	};
	const struct puppet_step at_dot[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK OK GO), { TEXT ".\r\n", bye, PUPPET_CLOSE }, END,
	};
	const struct puppet_step *const scripts[] = { at_mail, at_rcpt, at_data, at_dot };
	static const enum session_state steps[] = { SESSION_MAIL, SESSION_RCPT, SESSION_DATA, SESSION_FINAL_DOT };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(scripts); i++) {
		stage_open(scripts[i]);
		struct mail *m = simple("a@example.org b@example.org"), *n = simple("c@example.org");

		stage_play();
		stage_expect(m, 0, OUTCOME_SOFT, steps[i], 421, 0);
		assert_dsn(m, 0, 4, 7, 0);
		assert_int_equal(m->rcpts[1].outcome, OUTCOME_SOFT);
		if (i == 1)
			assert_dsn(m, 1, 4, 4, 2);
		assert_false(m->rcpts[0].ambiguous);
		assert_false(n->started);
		stage_close();
	}
}

/* --- the final dot ------------------------------------------------------------------------------------------------ */

struct dot_case {
	const char *claim;
	const char *reply;
	enum puppet_then then;
	enum rcpt_outcome outcome;
	int code, err;
	bool ambiguous;
};

static const struct dot_case dot_cases[] = {
	{ "case 534", "250 2.0.0 queued\r\n", PUPPET_GO_ON, OUTCOME_SENT, 250, 0, false },
	{ "case 538: sent is sent", "250 2.0.0 queued\r\n", PUPPET_RESET, OUTCOME_SENT, 250, 0, false },
	{ "case 536: 452", "452 4.3.1 full\r\n", PUPPET_GO_ON, OUTCOME_SOFT, 452, 0, false },
	{ "case 536: 552", "552 5.3.4 big\r\n", PUPPET_GO_ON, OUTCOME_HARD, 552, 0, false },
	{ "case 536: 554", "554-no\r\n554 no\r\n", PUPPET_GO_ON, OUTCOME_HARD, 554, 0, false },
	{ "case 535: 354", "354 more\r\n", PUPPET_GO_ON, OUTCOME_HARD, 354, 0, false },
	{ "row RPL-12: garbage", "oops\r\n250 ok\r\n", PUPPET_GO_ON, OUTCOME_SOFT, 0, ERR_PROTO, true },
	{ "row RPL-04: 150", "150 wait\r\n", PUPPET_GO_ON, OUTCOME_SOFT, 0, ERR_PROTO, true },
	{ "case 537: closed", NULL, PUPPET_CLOSE, OUTCOME_SOFT, 0, ERR_EOF, true },
	{ "case 537: reset", NULL, PUPPET_RESET, OUTCOME_SOFT, 0, -ECONNRESET, true },
	{ "case 537: half a reply", "250 2.0.0 que", PUPPET_CLOSE, OUTCOME_SOFT, 0, ERR_EOF, true },
	{ "case 196: silence", NULL, PUPPET_GO_ON, OUTCOME_SOFT, 0, ERR_TIMEOUT, true },
};

static void what_the_dot_is_answered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(dot_cases); i++) {
		const struct dot_case *c = &dot_cases[i];
		const struct puppet_step script[] = {
			GREET,
			PIPE,
			SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK "550 5.1.1 b\r\n" GO),
			{ TEXT ".\r\n", c->reply, c->then },
			END,
		};

		stage_open(script);
		stage.params.smtp_data_done_timeout_ns = WAIT_NS;
		struct mail *m = simple("a@example.org b@example.org");

		stage_play();
		stage_expect(m, 0, c->outcome, SESSION_FINAL_DOT, c->code, c->err);
		stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		if (m->rcpts[0].ambiguous != c->ambiguous)
			fail_msg("%s: ambiguous", c->claim);
		assert_false(m->rcpts[1].ambiguous);
		stage_close();
	}
}

/* Who is silent after a lone dot leaves nothing in doubt: there was no message. */
static void a_lone_dot_is_never_in_doubt(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK "450 a\r\n" GO), { ".\r\n", NULL, PUPPET_CLOSE }, END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_RCPT, 450, 0);
	assert_false(m->rcpts[0].ambiguous);
	stage_close();
}

/* The one whose commands rode along has neither been refused nor delivered. */
static void the_riding_one_goes_down_with_the_ship(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") DATA, OK OK GO),
		{ TEXT ".\r\n" MAIL RCPT("b") DATA, "250 ok\r\n550 no\r\n", PUPPET_CLOSE },
		END,
	};
	static const struct puppet_step at_once[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") DATA, OK OK GO),
		{ TEXT ".\r\n" MAIL RCPT("b") DATA, NULL, PUPPET_CLOSE },
		END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_int_equal(n->rcpts[0].outcome, OUTCOME_SOFT); /* the 550 never became final */
	assert_false(n->rcpts[0].ambiguous);
	stage_close();

	stage_open(at_once);
	stage.ride = true;
	m = simple("a@example.org");
	n = simple("b@example.org");
	stage_play();
	assert_true(m->rcpts[0].ambiguous);
	assert_int_equal(n->rcpts[0].outcome, OUTCOME_SOFT);
	assert_false(n->rcpts[0].ambiguous);
	assert_int_equal(n->seen[0].step, SESSION_DATA);
	stage_close();
}

/* --- deadlines ---------------------------------------------------------------------------------------------------- */

/* Cases 157, 188, 189: every request has its own limit. */
static void silence_at_each_step(void **state)
{
	static const enum session_state steps[] = {
		SESSION_GREETING, SESSION_EHLO, SESSION_MAIL, SESSION_RCPT, SESSION_DATA, SESSION_FINAL_DOT,
	};
	static const struct puppet_step whole[] = {
		GREET, PLAIN, SAY(MAIL, OK), SAY(RCPT("a"), OK), SAY(DATA, GO), SAY(TEXT ".\r\n", OK), END,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		struct puppet_step script[ARRAY_LEN(whole)] = { 0 };

		memcpy(script, whole, i * sizeof(whole[0]));
		stage_open(script);
		struct params *p = &stage.params;
		uint64_t *const limits[] = {
			&p->smtp_helo_timeout_ns, &p->smtp_helo_timeout_ns,      &p->smtp_mail_timeout_ns,
			&p->smtp_rcpt_timeout_ns, &p->smtp_data_init_timeout_ns, &p->smtp_data_done_timeout_ns,
		};

		*limits[i] = WAIT_NS;
		struct mail *m = simple("a@example.org");

		stage_play();
		assert_true(stage.took_ns >= WAIT_NS && stage.took_ns < WAIT_NS + NS_PER_SEC);
		if (i < 2) {
			assert_int_equal(stage.session.failure.state, steps[i]);
			assert_int_equal(stage.session.failure.err, ERR_TIMEOUT);
			assert_false(m->started);
		} else {
			stage_expect(m, 0, OUTCOME_SOFT, steps[i], 0, ERR_TIMEOUT);
			assert_int_equal(m->rcpts[0].ambiguous, steps[i] == SESSION_FINAL_DOT);
		}
		stage_close();
	}
}

/* Row TIM-01, cases 190, 191: one octet at a time does not stretch a request, unless each read has its own limit. */
static void trickling_servers(void **state)
{
	(void)state;
	for (unsigned deadlines = 0; deadlines < 2; deadlines++) {
		static const struct puppet_step script[] = { SAY(NULL, "220 mx.test ESMTP\r\n"), PLAIN, BYE, END };

		stage_open(script);
		stage.params.smtp_per_request_deadline = deadlines;
		stage.params.smtp_helo_timeout_ns = WAIT_NS;
		stage.puppet.chunk = 1;
		stage.puppet.chunk_wait_ns = WAIT_NS / 5;
		stage_play();
		if (deadlines) {
			assert_int_equal(stage.session.failure.state, SESSION_GREETING);
			assert_int_equal(stage.session.failure.err, ERR_TIMEOUT);
			assert_true(stage.took_ns < 2 * WAIT_NS);
		} else {
			assert_int_equal(stage.ready, 1);
		}
		stage_close();
	}
}

/* Case 192: the budget is per reply, not per group. */
static void slow_replies_one_after_the_other(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") RCPT("c") DATA,
		    "250 ok....\r\n250 ok....\r\n250 ok....\r\n250 ok....\r\n" GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	stage.puppet.chunk = 12;
	stage.puppet.chunk_wait_ns = WAIT_NS / 2;
	stage.params.smtp_mail_timeout_ns = WAIT_NS;
	stage.params.smtp_rcpt_timeout_ns = WAIT_NS;
	stage.params.smtp_data_init_timeout_ns = WAIT_NS;
	struct mail *m = simple("a@example.org b@example.org c@example.org");

	stage_play();
	stage_expect(m, 2, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Row TIM-04: each reply is in time, and together they are not. */
static void a_transaction_has_an_end(void **state)
{
	(void)state;
	for (unsigned limited = 0; limited < 2; limited++) {
		stage_open(NULL);
		stage.puppet.caps = "SIZE";
		stage.puppet.chunk_wait_ns = WAIT_NS / 8;
		stage.params.smtp_mail_timeout_ns = WAIT_NS;
		stage.params.smtp_rcpt_timeout_ns = WAIT_NS;
		stage.params.smtp_transaction_time_limit_ns = limited ? WAIT_NS : 0;
		struct mail *m = simple("1@x 2@x 3@x 4@x 5@x 6@x 7@x 8@x 9@x 10@x");

		stage_play();
		if (limited)
			stage_expect(m, 9, OUTCOME_SOFT, SESSION_RCPT, 0, ERR_TIMEOUT);
		else
			stage_expect(m, 9, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* Row SPL-08: the server has said "go on", and our own disk does not come with the content. */
static void our_own_delay_is_nobodys(void **state)
{
	(void)state;
	for (unsigned patient = 0; patient < 2; patient++) {
		stage_open(NULL);
		stage.params.smtp_transaction_time_limit_ns = WAIT_NS;
		struct mail *m = simple("a@example.org");

		m->body.held = true;
		stage_start();
		stage_turns_for(100);
		assert_true(m->started && m->done == 0);
		if (!patient)
			puppet_interrupt(&stage.puppet, 0, NULL, PUPPET_CLOSE);
		stage_wait(5000);
		stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, patient ? -ETIME : ERR_EOF);
		assert_true(m->seen[0].waited_for_us);
		stage_close();
	}
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static void connections_that_never_are(void **state)
{
	(void)state;
	stage_open(NULL);
	addr_set_port(&stage.puppet.addr, 1);
	stage_play();
	assert_int_equal(stage.session.failure.state, SESSION_CONNECT);
	assert_int_equal(stage.session.failure.err, -ECONNREFUSED);
	stage_close();

	stage_open(NULL);
	assert_int_equal(addr_parse_ip(SLICE("192.0.2.1"), 0, &stage.local), 0);
	stage_play();
	assert_int_equal(stage.session.failure.state, SESSION_CONNECT);
	assert_int_equal(stage.session.failure.err, -EADDRNOTAVAIL);
	stage_close();
}

static void source_addresses_are_used(void **state)
{
	static const struct puppet_step script[] = { GREET, PIPE, END };
	struct addr peer = { .len = sizeof(peer.in6) };

	(void)state;
	stage_open(script);
	stage.no_quit = true;
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.77"), 0, &stage.local), 0);
	stage_play();
	assert_int_equal(getpeername(stage.puppet.conns[0].fd, &peer.sa, &peer.len), 0);
	assert_true(addr_eq_ip(&peer, &stage.local));
	stage_close();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("closed after any octet, the outcome is what the octets so far say (row RPL-16)",
			    closed_at_every_octet),
		STAGE_CLAIM("reset after any octet, too (row RPL-16)", reset_at_every_octet),
		STAGE_CLAIM("half-closed after any octet, too (row RPL-16, case 543)", half_closed_at_every_octet),
		STAGE_CLAIM("replies mean the same in any pieces (row RPL-07, case 442)", replies_in_any_pieces),
		STAGE_CLAIM("a reply too many bounces nobody (row RPL-08)", one_reply_too_many),
		STAGE_CLAIM("a reply too many to the dot answers no MAIL (row RPL-08, case 460)",
			    one_reply_too_many_to_the_dot),
		STAGE_CLAIM("421 before MAIL is the reason given (case 461)", goodbye_before_mail),
		STAGE_CLAIM("a reply too few bounces nobody (row RPL-09)", missing_replies),
		STAGE_CLAIM("421 at each stage defers (row RPL-10, case 148)", goodbye_at_each_stage),
		STAGE_CLAIM("the reply to the dot decides, its absence leaves doubt (cases 196, 534-538)",
			    what_the_dot_is_answered),
		STAGE_CLAIM("a lone dot leaves no doubt", a_lone_dot_is_never_in_doubt),
		STAGE_CLAIM("a transaction that rode behind a lost one is simply open",
			    the_riding_one_goes_down_with_the_ship),
		STAGE_CLAIM("silence ends each step at its own limit (cases 157, 188, 189)", silence_at_each_step),
		STAGE_CLAIM("trickling does not stretch a request (row TIM-01, cases 190, 191)", trickling_servers),
		STAGE_CLAIM("each reply of a group has its own budget (case 192)", slow_replies_one_after_the_other),
		STAGE_CLAIM("a transaction of many replies in time has an end, too (row TIM-04)", a_transaction_has_an_end),
		STAGE_CLAIM("a session that ends while our own disk is waited for is not the server's fault (row SPL-08)",
			    our_own_delay_is_nobodys),
		STAGE_CLAIM("a connection that cannot be had says why", connections_that_never_are),
		STAGE_CLAIM("the source address is the given one", source_addresses_are_used),
	};

	return cmocka_run_group_tests_name("net/smtp/session_loss", claims, NULL, stage_end);
}
