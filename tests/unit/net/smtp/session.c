/* The dialogue when the server behaves, more or less: conformance areas G, N and Q. */
#include "tests/unit/net/smtp/stage.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

/* --- the happy path ----------------------------------------------------------------------------------------------- */

static void a_group_leaves_at_once(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		/* Nothing is answered before all of it is there (case 439). */
		SAY(MAIL RCPT("a") RCPT("b") DATA, OK OK OK GO),
		SAY(TEXT ".\r\n", "250 2.0.0 queued as 1234\r\n"),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org");

	stage_play();
	assert_wire(0, "EHLO client.test\r\n" MAIL RCPT("a") RCPT("b") DATA TEXT ".\r\nQUIT\r\n");
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(m, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_memory_equal(m->rcpts[0].text.ptr, "250 2.0.0 queued as 1234", 24);
	assert_false(m->rcpts[0].ambiguous);
	assert_int_equal(m->transaction.use, 1);
	assert_true(m->transaction.mail_ns > 0 && m->transaction.done_ns >= m->transaction.mail_ns);
	stage_close();
}

static void the_next_rides_behind_the_body(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") DATA, OK OK GO),
		/* The next group is there before the dot is answered (RFC 2920 3.1). */
		SAY(TEXT ".\r\n" MAIL RCPT("b") DATA, OK OK OK GO),
		SAY(TEXT ".\r\n" MAIL RCPT("c") DATA, "554 5.6.0 no\r\n" OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	struct mail *a = simple("a@example.org"), *b = simple("b@example.org"), *c = simple("c@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(a, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(b, 0, OUTCOME_HARD, SESSION_FINAL_DOT, 554, 0);
	assert_dsn(b, 0, 5, 6, 0);
	stage_expect(c, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_int_equal(c->transaction.use, 3);
	stage_close();
}

static void quit_waits_for_the_dot(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(puppet_message, NULL), END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	simple("a@example.org");
	stage_start();
	stage_turns_for(60);
	assert_wire(0, "EHLO client.test\r\n" MAIL RCPT("a") DATA TEXT ".\r\n");
	assert_int_equal(stage.next_calls, 1);
	stage_close();
}

static void without_pipelining_one_command_at_a_time(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PLAIN,
		SAY(MAIL, OK),
		SAY(RCPT("a"), OK),
		SAY(RCPT("b"), "251 somewhere else\r\n"),
		SAY(DATA, GO),
		SAY(TEXT ".\r\n", OK),
		SAY(MAIL, OK),
		SAY(RCPT("c"), OK),
		SAY(DATA, GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	stage.puppet.chunk_wait_ns = 3 * NS_PER_MS; /* time enough to write too much, if it wanted to (case 440) */
	struct mail *m = simple("a@example.org b@example.org"), *n = simple("c@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	assert_int_equal(stage.next_calls, 0);
	stage_expect(m, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

static void nothing_is_written_before_it_is_asked_for(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PLAIN,
		SAY(MAIL, NULL),
		END,
	};

	(void)state;
	stage_open(script);
	simple("a@example.org");
	stage_start();
	stage_turns_for(40);
	assert_wire(0, "EHLO client.test\r\n" MAIL);
	stage_close();
}

static void a_silent_server_hears_nothing(void **state)
{
	static const struct puppet_step script[] = { END };

	(void)state;
	stage_open(script);
	simple("a@example.org");
	stage_start();
	stage_turns_for(40);
	assert_int_equal(stage.puppet.accepted, 1);
	assert_wire(0, "");
	stage_close();
}

/* --- parameters of MAIL ------------------------------------------------------------------------------------------- */

struct mail_case {
	const char *claim;
	const char *caps;
	uint32_t facts;
	uint64_t size;
	const char *sender;
	const char *line;
};

#define LABEL_7BIT MESSAGE_BODY_7BIT

static const struct mail_case mail_cases[] = {
	{ "case 378: nothing offered, nothing said", "250 mx.test\r\n", LABEL_7BIT, 20, "s@client.test", MAIL },
	{ "case 376: the null sender", "250 mx.test\r\n", LABEL_7BIT, 20, "", "MAIL FROM:<>\r\n" },
	{ "case 379: SIZE as transmitted", "250-mx.test\r\n250 SIZE\r\n", LABEL_7BIT, 36, "s@client.test",
	  "MAIL FROM:<s@client.test> SIZE=36\r\n" },
	{ "case 386: 7bit", "250-mx.test\r\n250 8BITMIME\r\n", LABEL_7BIT, 36, "s@client.test",
	  "MAIL FROM:<s@client.test> BODY=7BIT\r\n" },
	{ "case 386: 8bit", "250-mx.test\r\n250 8BITMIME\r\n", MESSAGE_BODY_8BITMIME | MESSAGE_8BIT, 36,
	  "s@client.test", "MAIL FROM:<s@client.test> BODY=8BITMIME\r\n" },
	{ "case 386: unknown", "250-mx.test\r\n250 8BITMIME\r\n", MESSAGE_8BIT, 36, "s@client.test", MAIL },
	{ "case 399: order", "250-mx.test\r\n250-8bitmime\r\n250 size 99999\r\n", LABEL_7BIT, 36, "s@client.test",
	  "MAIL FROM:<s@client.test> SIZE=36 BODY=7BIT\r\n" },
	{ "case 381: exactly the limit", "250-mx.test\r\n250 SIZE 1000\r\n", LABEL_7BIT, 1000, "s@client.test",
	  "MAIL FROM:<s@client.test> SIZE=1000\r\n" },
	{ "case 381: SIZE 0 is no limit", "250-mx.test\r\n250 SIZE 0\r\n", LABEL_7BIT, 1001, "s@client.test",
	  "MAIL FROM:<s@client.test> SIZE=1001\r\n" },
	{ "case 172: a limit nobody can read is none", "250-mx.test\r\n250 SIZE 99999999999999999999999\r\n", LABEL_7BIT, 1001,
	  "s@client.test", "MAIL FROM:<s@client.test> SIZE=1001\r\n" },
	{ "case 170: the first line has no keywords", "250-SIZE\r\n250 HELP\r\n", LABEL_7BIT, 1001, "s@client.test", MAIL },
};

static void mail_says_what_is_offered(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(mail_cases); i++) {
		const struct mail_case *c = &mail_cases[i];
		const struct puppet_step script[] = {
			GREET, EHLO(c->caps), SAY(c->line, "550 5.7.1 no\r\n"), RSET, BYE, END,
		};

		stage_open(script);
		struct mail *m = stage_mail(c->sender, "a@example.org", TEXT);

		m->msg.facts = c->facts;
		m->msg.size = c->size;
		stage_play();
		if (!puppet_is_through(&stage.puppet, 0))
			fail_msg("%s: not said: %s", c->claim, c->line);
		stage_expect(m, 0, OUTCOME_HARD, SESSION_MAIL, 550, 0);
		stage_close();
	}
}

/* Cases 381, 383: 5.3.4 for everybody, no MAIL, and a decent QUIT. */
static void too_large_for_the_server(void **state)
{
	static const struct puppet_step script[] = { GREET, EHLO("250-mx.test\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"),
						     BYE, END };

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org");

	m->msg.size = 1001;
	stage_play();
	assert_wire(0, "EHLO client.test\r\nQUIT\r\n");
	stage_expect(m, 0, OUTCOME_HARD, SESSION_MAIL, 0, -EMSGSIZE);
	assert_dsn(m, 1, 5, 3, 4);
	stage_close();
}

/* The one that rides waits until it is its turn to be refused; the session goes on with the one after it. */
static void too_large_while_riding(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		EHLO("250-mx.test\r\n250-PIPELINING\r\n250 SIZE 1000\r\n"),
		SAY("MAIL FROM:<s@client.test> SIZE=21\r\n" RCPT("a") DATA, OK OK GO),
		SAY(TEXT ".\r\n", OK),
		SAY("MAIL FROM:<s@client.test> SIZE=21\r\n" RCPT("c") DATA, OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	struct mail *a = simple("a@example.org"), *b = simple("b@example.org"), *c = simple("c@example.org");

	b->msg.size = 1001;
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(a, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(b, 0, OUTCOME_HARD, SESSION_MAIL, 0, -EMSGSIZE);
	stage_expect(c, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 401: nothing with a line end in it ever leaves. */
static void line_ends_in_addresses_never_leave(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("b") DATA, OK OK GO), SAY(TEXT ".\r\n", OK), BYE, END,
	};
	static const struct puppet_step nothing[] = { GREET, PIPE, BYE, END };

	(void)state;
	stage_open(script);
	struct mail *m = simple("x b@example.org");

	m->rcpts[0].addr = SLICE("a@example.org>\r\nRCPT TO:<evil@example.org");
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 0, -EBADMSG);
	assert_dsn(m, 0, 5, 1, 3);
	stage_expect(m, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();

	stage_open(nothing);
	m = stage_mail("s@client.test\nx", "a@example.org", TEXT);
	stage_play();
	stage_expect(m, 0, OUTCOME_HARD, SESSION_MAIL, 0, -EBADMSG);
	assert_dsn(m, 0, 5, 1, 7);
	assert_wire(0, "EHLO client.test\r\nQUIT\r\n");
	stage_close();
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

/* Cases 443, 101. */
static void recipients_get_their_own_replies(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") RCPT("c") RCPT("d") DATA,
		    OK "550 5.1.1 who?\r\n"
		       "450 4.2.1 later\r\n" OK "252 perhaps\r\n" GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org c@example.org d@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	assert_dsn(m, 0, 5, 1, 1);
	stage_expect(m, 1, OUTCOME_SOFT, SESSION_RCPT, 450, 0);
	stage_expect(m, 2, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(m, 3, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Recipients that are done with already are neither named nor touched. */
static void settled_recipients_are_left_alone(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("b") DATA, OK OK GO), SAY(TEXT ".\r\n", OK), BYE, END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org c@example.org");

	m->rcpts[0].state = RCPT_SENT;
	m->rcpts[2].outcome = OUTCOME_SOFT;
	stage_play();
	assert_int_equal(m->seen[0].times + m->seen[2].times, 0);
	assert_int_equal(m->rcpts[0].outcome, OUTCOME_NONE);
	stage_expect(m, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 448: yes to everything but MAIL. A lone dot, and nobody is sent whatever comes back. */
static void mail_refused_and_data_accepted(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") DATA, "550 5.7.1 not you\r\n" OK "554 no\r\n" GO),
		SAY(".\r\n", "250 thanks\r\n"),
		SAY(MAIL RCPT("c") DATA, OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	stage.ride = true;
	struct mail *m = simple("a@example.org b@example.org"), *n = simple("c@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_HARD, SESSION_MAIL, 550, 0);
	stage_expect(m, 1, OUTCOME_HARD, SESSION_MAIL, 550, 0);
	assert_int_equal(m->seen[0].times, 1);
	stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 447: and the next transaction begins with a clean slate. */
static void mail_refused_and_data_too(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") DATA, "450 4.7.1 not now\r\n503 no mail\r\n503 no mail\r\n"),
		SAY("RSET\r\n" MAIL RCPT("b") DATA, OK OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_MAIL, 450, 0);
	assert_dsn(m, 0, 4, 7, 1);
	stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 444. */
static void all_recipients_refused_and_data_accepted(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") RCPT("b") DATA, OK "550 5.1.1 a\r\n450 b\r\n" GO),
		SAY(".\r\n", "554 no valid recipients\r\n"),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org b@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	stage_expect(m, 1, OUTCOME_SOFT, SESSION_RCPT, 450, 0);
	stage_close();
}

/* Case 445. */
static void all_recipients_refused_and_data_too(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PIPE,
		SAY(MAIL RCPT("a") DATA, OK "550 5.1.1 a\r\n503 no recipients\r\n"),
		SAY("RSET\r\n" MAIL RCPT("b") DATA, OK OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 446. */
static void without_pipelining_no_data_for_nobody(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		PLAIN,
		SAY(MAIL, OK),
		SAY(RCPT("a"), "550 5.1.1 a\r\n"),
		SAY("RSET\r\n", OK),
		SAY(MAIL, "550 no\r\n"),
		RSET,
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	stage_expect(n, 0, OUTCOME_HARD, SESSION_MAIL, 550, 0);
	stage_close();
}

/* Case 453: 500 recipients, and MAIL is refused before they have all been named. */
static void refused_senders_do_not_name_everybody(void **state)
{
	static char rcpts[8192];
	static struct puppet_rule rules[] = { { .prefix = "MAIL", .answer = "550 5.7.1 no\r\n" }, { 0 } };

	(void)state;
	for (unsigned i = 0; i < 500; i++)
		memcpy(rcpts + strlen(rcpts), "r@x.test ", 10);
	stage_open(NULL);
	stage.puppet.rules = rules;
	struct mail *m = simple(rcpts);

	stage_play();
	stage_expect(m, 0, OUTCOME_HARD, SESSION_MAIL, 550, 0);
	stage_expect(m, 499, OUTCOME_HARD, SESSION_MAIL, 550, 0);
	assert_int_equal(stage.puppet.quits, 1);
	assert_true(puppet_got(&stage.puppet, 0).len < 8000);
	stage_close();
}

/* Case 452: never more unanswered than fits, and all get through. */
static void many_recipients_go_in_groups(void **state)
{
	static char rcpts[8192];

	(void)state;
	rcpts[0] = '\0';
	for (unsigned i = 0; i < 500; i++)
		memcpy(rcpts + strlen(rcpts), "r@x.test ", 10);
	stage_open(NULL);
	struct mail *m = simple(rcpts);

	stage_play();
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(m, 499, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	assert_int_equal(stage.puppet.rcpts_max, 500);
	stage_close();
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Case 459. */
static void quit_with_and_without_waiting(void **state)
{
	static const struct puppet_step script[] = { GREET, PIPE, SAY("QUIT\r\n", NULL), END };

	(void)state;
	stage_open(script);
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	assert_true(stage.took_ns < NS_PER_SEC);
	stage_close();

	stage_open(script);
	stage.params.smtp_skip_quit_response = false;
	stage.params.smtp_quit_timeout_ns = 200 * NS_PER_MS; /* case 199 */
	stage_play();
	assert_true(stage.took_ns >= 200 * NS_PER_MS);
	assert_int_equal(stage.session.failure.state, SESSION_CLOSED);
	stage_close();
}

static void relays_have_names(void **state)
{
	static const struct puppet_step script[] = { GREET, PIPE, END };
	char expect[64];

	(void)state;
	stage_open(script);
	stage.no_quit = true;
	stage_play();
	(void)snprintf(expect, sizeof(expect), "mx.test[127.0.0.1]:%u", addr_port(&stage.puppet.addr)); /* fits */
	assert_true(slice_eq(session_relay(&stage.session), slice_of_str(expect)));
	assert_true(slice_eq(session_peer(&stage.session), SLICE("mx.test[127.0.0.1]")));
	assert_true(session_is_idle(&stage.session));
	stage_close();
}

/* --- transcripts -------------------------------------------------------------------------------------------------- */

struct raise_case {
	const char *claim;
	const char *sender;
	const char *dot_reply;
	uint32_t raised;
};

static const struct raise_case raise_cases[] = {
	{ "nothing", "s@client.test", OK, 0 },
	{ "a refusal is no breach of protocol", "s@client.test", "554 5.7.1 spam\r\n", 0 },
	{ "a complaint about syntax is", "s@client.test", "500 5.5.2 what?\r\n", NOTIFY_PROTOCOL },
	{ "a parameter it does not know", "s@client.test", "555 what?\r\n", NOTIFY_PROTOCOL },
	{ "a reply that is none", "s@client.test", "what?\r\n", NOTIFY_PROTOCOL },
	{ "354 where it is not due", "s@client.test", "354 go on\r\n", NOTIFY_PROTOCOL },
	{ "nobody hears of trouble with a report", "", "500 5.5.2 what?\r\n", 0 },
	{ "nor with ours", "double-bounce@client.test", "what?\r\n", 0 },
};

/* B 22.5, 6.2. */
static void what_the_postmaster_hears_of(void **state)
{
	static const char expected[] =
		" In: 220 mx.test ESMTP\nOut: EHLO client.test\n In: 250-mx.test\n In: 250 SIZE\n"
		"Out: MAIL FROM:<s@client.test> SIZE=21\n In: 250 2.0.0 ok\nOut: RCPT TO:<a@example.org>\n"
		" In: 250 2.0.0 ok\nOut: DATA\n In: 354 go on\nOut: .\n";
	static struct transcript transcript;
	char storage[TRANSCRIPT_MAX];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(raise_cases); i++) {
		const struct raise_case *c = &raise_cases[i];
		struct puppet_rule rules[] = {
			{ "", "220 mx.test ESMTP\r\n", PUPPET_GO_ON, 0 },
			{ "EHLO", "250-mx.test\r\n250 SIZE\r\n", PUPPET_GO_ON, 0 },
			{ ".", c->dot_reply, PUPPET_GO_ON, 0 },
			{ NULL, NULL, PUPPET_GO_ON, 0 },
		};
		struct str text = STR(storage);

		stage_open(NULL);
		stage.puppet.rules = rules;
		transcript_init(&transcript);
		stage.transcript = &transcript;
		stage.debug_level = i % 3;
		(void)stage_mail(c->sender, "a@example.org", TEXT);
		stage_play();
		if (stage.session.raised != c->raised)
			fail_msg("%s: %x", c->claim, stage.session.raised);
		transcript_add_to(&text, &transcript);
		if (strcmp(c->sender, "s@client.test") == 0)
			assert_true(slice_eq(slice_head(str_slice(&text), strlen(expected)), slice_of_str(expected)));
		stage_close();
	}
}

/* --- smtp_reply_filter -------------------------------------------------------------------------------------------- */

/* Cases 143, 144. */
static void replies_are_filtered(void **state)
{
	static const struct puppet_step script[] = {
		GREET, PIPE, SAY(MAIL RCPT("a") RCPT("b") DATA, OK "550 5.7.1 try later\r\n" OK GO),
		SAY(TEXT ".\r\n", OK), BYE, END,
	};
	static const struct puppet_step failing[] = { GREET, END };
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table_set *tables = table_set_new();

	(void)state;
	stage_open(script);
	assert_int_equal(maps_open(tables, SLICE("inline:{ { 550 5.7.1 try later = 450 4.7.1 try later } }"), &why,
				   &stage.params.smtp_reply_filter), 0);
	struct mail *m = simple("a@example.org b@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_RCPT, 450, 0);
	assert_dsn(m, 0, 4, 7, 1);
	stage_expect(m, 1, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
	maps_free(&stage.params.smtp_reply_filter);

	stage_open(failing);
	assert_int_equal(maps_open(tables, SLICE("fail:broken"), &why, &stage.params.smtp_reply_filter), 0);
	stage_play();
	assert_int_equal(stage.session.failure.state, SESSION_GREETING);
	assert_int_equal(stage.session.failure.err, ERR_TABLE);
	assert_int_equal(stage.offence_len, 0);
	stage_close();
	maps_free(&stage.params.smtp_reply_filter);
	table_set_free(&tables);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("MAIL, RCPTs and DATA leave as one group (case 439)", a_group_leaves_at_once),
		STAGE_CLAIM("the next transaction rides behind the body", the_next_rides_behind_the_body),
		STAGE_CLAIM("QUIT never rides behind the dot", quit_waits_for_the_dot),
		STAGE_CLAIM("without PIPELINING each command waits for its reply (case 440)",
			    without_pipelining_one_command_at_a_time),
		STAGE_CLAIM("without PIPELINING nothing follows an unanswered MAIL",
			    nothing_is_written_before_it_is_asked_for),
		STAGE_CLAIM("nothing is said before the greeting (case 157)", a_silent_server_hears_nothing),
		STAGE_CLAIM("MAIL has the parameters the server offered, and no others", mail_says_what_is_offered),
		STAGE_CLAIM("a message over SIZE is refused without MAIL (cases 381, 383)", too_large_for_the_server),
		STAGE_CLAIM("a message over SIZE that rides does not disturb its neighbours", too_large_while_riding),
		STAGE_CLAIM("no address brings a line end onto the wire (case 401)",
			    line_ends_in_addresses_never_leave),
		STAGE_CLAIM("each recipient has its own reply (case 443)", recipients_get_their_own_replies),
		STAGE_CLAIM("recipients with an outcome are passed over", settled_recipients_are_left_alone),
		STAGE_CLAIM("MAIL refused, DATA 354: a lone dot, nobody sent (case 448)",
			    mail_refused_and_data_accepted),
		STAGE_CLAIM("MAIL refused, DATA 503: everybody has MAIL's reply, RSET before the next (case 447)",
			    mail_refused_and_data_too),
		STAGE_CLAIM("all refused, DATA 354: a lone dot (case 444)", all_recipients_refused_and_data_accepted),
		STAGE_CLAIM("all refused, DATA 503: RSET (case 445)", all_recipients_refused_and_data_too),
		STAGE_CLAIM("without PIPELINING no DATA when all are refused (case 446)",
			    without_pipelining_no_data_for_nobody),
		STAGE_CLAIM("a refused MAIL stops the naming of recipients (case 453)",
			    refused_senders_do_not_name_everybody),
		STAGE_CLAIM("500 recipients go in groups (case 452)", many_recipients_go_in_groups),
		STAGE_CLAIM("QUIT's answer is waited for as smtp_skip_quit_response says (cases 199, 459)",
			    quit_with_and_without_waiting),
		STAGE_CLAIM("the relay's name is host[address]:port", relays_have_names),
		STAGE_CLAIM("sessions raise what the postmaster may want to hear of, and keep a transcript",
			    what_the_postmaster_hears_of),
		STAGE_CLAIM("smtp_reply_filter changes lines before they are understood (cases 143, 144)",
			    replies_are_filtered),
	};

	return cmocka_run_group_tests_name("net/smtp/session", claims, NULL, stage_end);
}
