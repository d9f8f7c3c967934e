/* CHUNKING (RFC 3030): conformance area X, rows SMG-04, EHL-08, RPL-08. */
#include <errno.h>

#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

#define CHUNK		EHLO("250-mx.test\r\n250-PIPELINING\r\n250 CHUNKING\r\n")
#define CHUNK_PLAIN	EHLO("250-mx.test\r\n250 CHUNKING\r\n")
#define GROUP(who)	MAIL RCPT(who)
#define LAST		"BDAT 21 LAST\r\n"	/* TEXT has 21 octets */
#define YES		"250 2.6.0 got it\r\n"
#define SENDER_OK	"250 2.1.0 ok\r\n"
#define RCPT_OK		"250 2.1.5 ok\r\n"

static void open_bdat(const struct puppet_step *script)
{
	stage_open(script);
	stage.chunking = true;
}

/* content with its stuffed dots, as it is stored */
static struct mail *stuffed(const char *rcpts, const char *content, unsigned dots)
{
	struct mail *m = stage_mail("s@client.test", rcpts, content);

	m->msg.facts = dots > 0 ? MESSAGE_BODY_7BIT | MESSAGE_STUFFED : MESSAGE_BODY_7BIT;
	m->msg.wire_size = strlen(content);
	m->msg.size = strlen(content) - dots;
	return m;
}

/* Also without PIPELINING, where the reply to the last RCPT is waited for in any case. */
static void one_chunk_is_the_message(void **state)
{
	static const struct puppet_step pipelined[] = {
		GREET, CHUNK, SAY(MAIL RCPT("a") RCPT("b"), OK OK "550 5.1.1 who?\r\n"), SAY(LAST TEXT, YES), BYE, END,
	};
	static const struct puppet_step plain[] = {
		GREET,
		CHUNK_PLAIN,
		SAY(MAIL, OK),
		SAY(RCPT("a"), OK),
		SAY(RCPT("b"), "550 5.1.1 who?\r\n"),
		SAY(LAST TEXT, YES),
		BYE,
		END,
	};
	static const size_t chunks[] = { 0, 7, 1 };

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(chunks); i++) {
		open_bdat(i % 2 ? plain : pipelined);
		stage.puppet.chunk = chunks[i / 2];
		struct mail *m = simple("a@example.org b@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_expect(m, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		stage_close();
	}
}

static void data_unless_asked_for_and_offered(void **state)
{
	static const struct puppet_step offered[] = {
		GREET, CHUNK, SAY(GROUP("a") DATA, OK OK GO), SAY(TEXT ".\r\n", OK), BYE, END,
	};
	static const struct puppet_step missing[] = {
		GREET, PIPE, SAY(GROUP("a") DATA, OK OK GO), SAY(TEXT ".\r\n", OK), BYE, END,
	};

	(void)state;
	for (unsigned wanted = 0; wanted <= 1; wanted++) {
		stage_open(wanted ? missing : offered);
		stage.chunking = wanted;
		struct mail *m = simple("a@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

struct content_case {
	const char *claim;
	const char *stored;
	unsigned dots; /* stuffed ones */
	const char *wire;
};

static const struct content_case contents[] = {
	{ "case 618: nothing at all", "", 0, "BDAT 0 LAST\r\n" },
	{ "case 617: a dot alone", "..\r\n", 1, "BDAT 3 LAST\r\n.\r\n" },
	{ "case 616: no stuffing, no dot line", "a\r\n...b\r\nc.\r\n..\r\n\r\n", 2,
	  "BDAT 17 LAST\r\na\r\n..b\r\nc.\r\n.\r\n\r\n" },
	{ "row SMG-04: a line that says DATA's end", "x\r\n..\r\nMAIL FROM:<>\r\n", 1,
	  "BDAT 20 LAST\r\nx\r\n.\r\nMAIL FROM:<>\r\n" },
	{ "more pieces than the chain has room for",
	  "..1\r\n..2\r\n..3\r\n..4\r\n..5\r\n..6\r\n..7\r\n..8\r\nend\r\n", 8,
	  "BDAT 37 LAST\r\n.1\r\n.2\r\n.3\r\n.4\r\n.5\r\n.6\r\n.7\r\n.8\r\nend\r\n" },
};

/* Whatever the windows and pieces the content comes in, the wire is the same. */
static void octets_are_counted_exactly(void **state)
{
	static const size_t windows[] = { KIB(16), 1, 2, 3, 5, 13 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(contents) * ARRAY_LEN(windows); i++) {
		const struct content_case *c = &contents[i / ARRAY_LEN(windows)];
		const struct puppet_step script[] = {
			GREET, CHUNK, SAY(GROUP("a"), OK OK), SAY(c->wire, YES), BYE, END,
		};

		open_bdat(script);
		struct mail *m = stuffed("a@example.org", c->stored, c->dots);

		m->body.window_size = windows[i % ARRAY_LEN(windows)];
		stage_play();
		if (!puppet_is_through(&stage.puppet, 0))
			fail_msg("%s, windows of %zu: \"%.*s\"", c->claim, m->body.window_size,
				 SLICE_FMT(puppet_got(&stage.puppet, 0)));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* Content that is full of dots goes with DATA: to leave each of them out would cost more than a round trip. */
static void dense_dots_go_with_data(void **state)
{
	static const struct puppet_step script[] = {
		GREET, CHUNK, SAY(GROUP("a") DATA, OK OK GO), SAY(puppet_message, OK), BYE, END,
	};

	(void)state;
	open_bdat(script);
	struct mail *m = stuffed("a@example.org", "..\r\n..\r\n..\r\n..\r\n..\r\n..\r\n..\r\n..\r\n..\r\n", 9);

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* A size that is not the content's must never leave what follows to be taken for commands, or the other way round. */
static void a_wrong_size_ends_the_connection(void **state)
{
	static const struct puppet_step script[] = { GREET, CHUNK, SAY(GROUP("a"), OK OK), END };

	(void)state;
	for (int wrong = -2; wrong <= 2; wrong++) {
		if (wrong == 0)
			continue;
		open_bdat(script);
		struct mail *m = simple("a@example.org");

		m->msg.size = (uint64_t)((int64_t)m->msg.size + wrong);
		stage_play();
		stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, ERR_CORRUPT);
		assert_false(m->rcpts[0].ambiguous);
		assert_true(puppet_got(&stage.puppet, 0).len < sizeof("EHLO client.test\r\n" GROUP("a") LAST TEXT) - 1);
		stage_close();
	}
}

/* --- chunks ------------------------------------------------------------------------------------------------------- */

static void several_chunks(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		CHUNK,
		SAY(GROUP("a"), OK OK),
		SAY("BDAT 9\r\nSubject: ", "250 2.0.0 9 octets\r\n"),
		SAY("BDAT 9\r\nx\r\n\r\nhell", "250 2.0.0 9 octets\r\n"),
		SAY("BDAT 3 LAST\r\no\r\n", YES),
		BYE,
		END,
	};

	(void)state;
	open_bdat(script);
	stage.params.smtp_chunk_size_limit = 9;
	stage.puppet.chunk_wait_ns = NS_PER_MS; /* time enough to send more, if it wanted to */
	struct mail *m = simple("a@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 619; and the next message goes after RSET. */
static void a_refused_chunk_is_the_last(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		CHUNK,
		SAY(GROUP("a"), OK OK),
		SAY("BDAT 9\r\nSubject: ", "452 4.3.1 no room\r\n"),
		SAY("RSET\r\n" GROUP("b"), OK OK OK),
		SAY("BDAT 9\r\nSubject: ", OK),
		SAY("BDAT 9\r\nx\r\n\r\nhell", OK),
		SAY("BDAT 3 LAST\r\no\r\n", "554 5.6.0 no\r\n"),
		RSET_BYE,
		END,
	};

	(void)state;
	open_bdat(script);
	stage.params.smtp_chunk_size_limit = 9;
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_CHUNK, 452, 0);
	assert_dsn(m, 0, 4, 3, 1);
	stage_expect(n, 0, OUTCOME_HARD, SESSION_FINAL_DOT, 554, 0);
	stage_close();
}

/* Case 623: no "yes" before the last one makes the message the server's. */
static void loss_between_chunks(void **state)
{
	static const struct puppet_step script[] = {
		GREET, CHUNK, SAY(GROUP("a"), OK OK), { "BDAT 9\r\nSubject: ", OK, PUPPET_CLOSE }, END,
	};

	(void)state;
	open_bdat(script);
	stage.params.smtp_chunk_size_limit = 9;
	struct mail *m = simple("a@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_BODY, 0, ERR_EOF);
	assert_dsn(m, 0, 4, 4, 2);
	assert_false(m->rcpts[0].ambiguous);
	stage_close();
}

/* --- refusals ----------------------------------------------------------------------------------------------------- */

static void nobody_to_send_to(void **state)
{
	static const struct puppet_step pipelined[] = {
		GREET, CHUNK, SAY(GROUP("a"), OK "550 5.1.1 who?\r\n"), SAY("RSET\r\n" GROUP("b"), OK OK OK),
		SAY(LAST TEXT, YES), BYE, END,
	};
	static const struct puppet_step plain[] = {
		GREET, CHUNK_PLAIN, SAY(MAIL, OK), SAY(RCPT("a"), "550 5.1.1 who?\r\n"), SAY("RSET\r\n", OK),
		SAY(MAIL, OK), SAY(RCPT("b"), OK), SAY(LAST TEXT, YES), BYE, END,
	};

	(void)state;
	for (unsigned i = 0; i <= 1; i++) {
		open_bdat(i == 0 ? pipelined : plain);
		struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_HARD, SESSION_RCPT, 550, 0);
		stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* What rides behind a chunk that is refused has said MAIL before anybody could say RSET: if the server minds, that is
 * no verdict about the mail. */
static void riding_behind_a_refused_chunk(void **state)
{
	static const struct puppet_step forgives[] = {
		GREET, CHUNK, SAY(GROUP("a"), OK OK), SAY(LAST TEXT GROUP("b"), "554 5.7.1 spam\r\n" OK OK),
		SAY(LAST TEXT, YES), BYE, END,
	};
	static const struct puppet_step minds[] = {
		GREET, CHUNK, SAY(GROUP("a"), OK OK),
		SAY(LAST TEXT GROUP("b"), "554 5.7.1 spam\r\n503 5.5.1 nested MAIL\r\n" OK), END,
	};

	(void)state;
	for (unsigned i = 0; i <= 1; i++) {
		open_bdat(i == 0 ? forgives : minds);
		stage.ride = true;
		struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

		stage_play();
		stage_expect(m, 0, OUTCOME_HARD, SESSION_FINAL_DOT, 554, 0);
		if (i == 0)
			stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		else
			stage_expect(n, 0, OUTCOME_SOFT, SESSION_RCPT, 0, ERR_PROTO);
		assert_false(n->rcpts[0].ambiguous);
		stage_close();
	}
}

/* Row EHL-08: the content may have been taken for commands. Nothing more is said; another connection uses DATA. */
static void offered_and_not_known(void **state)
{
	static const char *const answers[] = { "500 5.5.2 what?\r\n", "502 no\r\n", "503 5.5.1 bad sequence\r\n" };

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(answers); i++) {
		const struct puppet_step script[] = {
			GREET, CHUNK, SAY(GROUP("a"), OK OK), SAY(i % 2 ? LAST : LAST TEXT, answers[i / 2]), END,
		};

		open_bdat(script);
		struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

		/* Also when the refusal comes before the content has left. */
		m->body.window_size = i % 2 ? 4 : KIB(16);
		m->body.wait_ns = i % 2 ? 30 * NS_PER_MS : 0;
		stage_play();
		stage_expect(m, 0, OUTCOME_SOFT, SESSION_CHUNK, 0, -EOPNOTSUPP);
		assert_false(m->rcpts[0].ambiguous);
		assert_true(m->transaction.retry_here);
		assert_true(stage.session.chunking_broken);
		assert_false(n->started);
		assert_int_equal(slice_find_char(puppet_got(&stage.puppet, 0), 0, 'Q'), -1); /* QUIT */
		stage_close();
	}
}

static void early_refusals(void **state)
{
	static const struct {
		const char *answer;
		enum rcpt_outcome outcome;
		int code;
	} cases[] = { { "552 5.3.4 too big\r\n", OUTCOME_HARD, 552 }, { "250 2.0.0 ok\r\n", OUTCOME_SOFT, 0 } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct puppet_step script[] = {
			GREET, CHUNK, SAY(GROUP("a"), OK OK), SAY(LAST, cases[i].answer), END,
		};

		open_bdat(script);
		struct mail *m = simple("a@example.org");

		m->body.window_size = 4;
		m->body.wait_ns = 30 * NS_PER_MS;
		stage_play();
		stage_expect(m, 0, cases[i].outcome, SESSION_BODY, cases[i].code,
			     cases[i].code == 0 ? ERR_PROTO : 0);
		assert_false(m->rcpts[0].ambiguous);
		stage_close();
	}
}

/* The chunk is handed over and waits to leave: its octets are still the kernel's, so nobody may be told that the
 * message is over before the connection is. */
static void early_replies_to_a_queued_chunk(void **state)
{
	static char block[MIB(2)];
	static const struct puppet_step deaf[] = {
		GREET, CHUNK, { GROUP("a"), OK OK, PUPPET_STOP_READING }, END,
	};
	static const struct {
		const char *words;
		enum rcpt_outcome outcome;
		int code, err;
	} cases[] = {
		{ "552 5.3.4 too big\r\n", OUTCOME_HARD, 552, 0 },
		{ "452 4.3.1 full\r\n", OUTCOME_SOFT, 452, 0 },
		{ "250 2.0.0 ok\r\n", OUTCOME_SOFT, 0, ERR_PROTO },
	};

	(void)state;
	memset(block, 'x', sizeof(block));
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		open_bdat(deaf);
		puppet_close(&stage.puppet);
		stage.puppet.script = deaf;
		stage.puppet.recv_buf = 4096;
		assert_true(puppet_open(&stage.puppet, "127.0.0.1", 0));
		stage.params.smtp_chunk_size_limit = 6 * sizeof(block);	/* more than the kernel takes for us */
		struct mail *m = simple("a@example.org");

		m->msg.facts = MESSAGE_BODY_7BIT;
		m->msg.size = m->msg.wire_size = 7 * sizeof(block);
		m->body.content = slice_of(block, sizeof(block));
		m->body.repeat = 7;
		m->body.window_size = 6 * sizeof(block);
		stage_start();
		stage_turns_for(30);
		assert_int_equal(m->transaction.chunk_left, 0);
		assert_int_equal(m->done, 0);
		puppet_interrupt(&stage.puppet, 0, cases[i].words, PUPPET_GO_ON);
		stage_wait(5000);
		stage_expect(m, 0, cases[i].outcome, SESSION_BODY, cases[i].code, cases[i].err);
		assert_false(m->rcpts[0].ambiguous);
		stage_close();
	}
}

static void loss_behind_the_last_octet(void **state)
{
	static const struct puppet_step script[] = {
		GREET, CHUNK, SAY(MAIL RCPT("a") RCPT("b"), OK OK "550 5.1.1 who?\r\n"),
		{ LAST TEXT, NULL, PUPPET_CLOSE }, END,
	};

	(void)state;
	open_bdat(script);
	struct mail *m = simple("a@example.org b@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_FINAL_DOT, 0, ERR_EOF);
	assert_true(m->rcpts[0].ambiguous);
	/* No 354 has shown that the refusal was his (row RPL-09). */
	stage_expect(m, 1, OUTCOME_SOFT, SESSION_FINAL_DOT, 0, ERR_EOF);
	stage_close();
}

/* --- ahead -------------------------------------------------------------------------------------------------------- */

#define TAUGHT		GREET, CHUNK, SAY(GROUP("a"), SENDER_OK RCPT_OK), SAY(LAST TEXT, YES)

/* The second message of a session in one write, once the first has shown how the server answers. */
static void the_second_message_in_one_write(void **state)
{
	static const struct puppet_step script[] = {
		TAUGHT, SAY(MAIL RCPT("b") RCPT("c") LAST TEXT, SENDER_OK RCPT_OK "550 5.1.1 who?\r\n" YES), BYE, END,
	};

	(void)state;
	open_bdat(script);
	stage.params.smtp_chunking_ahead_limit = 21;
	struct mail *m = simple("a@example.org"), *n = simple("b@example.org c@example.org");

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_expect(n, 1, OUTCOME_HARD, SESSION_RCPT, 550, 0);
	stage_close();
}

struct wait_case {
	const char *claim;
	const char *mail_ok, *rcpt_ok, *yes;
	uint64_t limit;
	bool never;
};

static const struct wait_case waits[] = {
	{ "it is larger than smtp_chunking_ahead_limit", SENDER_OK, RCPT_OK, YES, 20, false },
	{ "0 is never", SENDER_OK, RCPT_OK, YES, 0, false },
	{ "MAIL has no enhanced code", "250 ok\r\n", RCPT_OK, YES, 65536, false },
	{ "RCPT's code is not about an address", SENDER_OK, "250 2.0.0 ok\r\n", YES, 65536, false },
	{ "the message's has none", SENDER_OK, RCPT_OK, "250 ok\r\n", 65536, false },
	{ "the message's is about an address", SENDER_OK, RCPT_OK, "250 2.1.5 ok\r\n", 65536, false },
	{ "its owner says so", SENDER_OK, RCPT_OK, YES, 65536, true },
};

static void who_has_to_wait(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(waits); i++) {
		const struct wait_case *c = &waits[i];
		char both[128];
		struct str replies = STR(both);
		const struct puppet_step script[] = {
			GREET, CHUNK, SAY(GROUP("a"), both), SAY(LAST TEXT, c->yes), SAY(GROUP("b"), both),
			SAY(LAST TEXT, c->yes), BYE, END,
		};

		str_add_cstr(&replies, c->mail_ok);
		str_add_cstr(&replies, c->rcpt_ok);
		(void)str_cstr(&replies);
		open_bdat(script);
		stage.params.smtp_chunking_ahead_limit = c->limit;
		stage.puppet.chunk_wait_ns = 3 * NS_PER_MS;
		struct mail *m = simple("a@example.org"), *n = simple("b@example.org");

		n->transaction.never_ahead = c->never;
		stage_play();
		if (!puppet_is_through(&stage.puppet, 0))
			fail_msg("%s: it did not wait", c->claim);
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_expect(n, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* Case 621: what has been begun is ended, what is said about it means nothing, RSET. */
static void nobody_accepted_ahead(void **state)
{
	static const struct puppet_step script[] = {
		TAUGHT, SAY(GROUP("b") LAST TEXT, SENDER_OK "550 5.1.1 who?\r\n554 5.5.1 no recipients\r\n"),
		SAY("RSET\r\n" GROUP("c") LAST TEXT, OK SENDER_OK RCPT_OK YES), BYE, END,
	};
	static const struct puppet_step sender[] = {
		TAUGHT, SAY(GROUP("b") LAST TEXT, "550 5.7.1 you?\r\n503 5.5.1 no\r\n503 5.5.1 no\r\n"),
		SAY("RSET\r\n" GROUP("c") LAST TEXT, OK SENDER_OK RCPT_OK YES), BYE, END,
	};

	(void)state;
	for (unsigned i = 0; i <= 1; i++) {
		open_bdat(i == 0 ? script : sender);
		simple("a@example.org");
		struct mail *n = simple("b@example.org"), *o = simple("c@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(n, 0, OUTCOME_HARD, i == 0 ? SESSION_RCPT : SESSION_MAIL, 550, 0);
		stage_expect(o, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* Row RPL-08: one reply too many before the message's is never taken for it; the message goes again, on another
 * connection, and not ahead. */
static void a_reply_out_of_place(void **state)
{
	static const char *const answers[] = {
		/* the surplus one, MAIL's and the recipient's */
		"250 2.1.0 once more\r\n" SENDER_OK RCPT_OK,
		SENDER_OK "250 2.1.0 once more\r\n" RCPT_OK,
		SENDER_OK RCPT_OK "550 5.1.1 who?\r\n",
		/* a real refusal is not told from a shifted one either */
		SENDER_OK RCPT_OK "554 5.7.1 spam\r\n",
		SENDER_OK RCPT_OK "250 ok\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(answers); i++) {
		const struct puppet_step script[] = { TAUGHT, SAY(GROUP("b") LAST TEXT, answers[i]), END };

		open_bdat(script);
		simple("a@example.org");
		struct mail *n = simple("b@example.org");

		stage_play();
		stage_expect(n, 0, OUTCOME_SOFT, SESSION_FINAL_DOT, 0, ERR_PROTO);
		assert_true(n->rcpts[0].ambiguous);
		assert_true(n->transaction.retry_here);
		assert_false(stage.session.chunking_broken);
		stage_close();
	}
}

/* Without going ahead, it is seen before anything is sent. */
static void a_surplus_reply_before_the_chunk(void **state)
{
	static const struct puppet_step script[] = {
		GREET, CHUNK, SAY(GROUP("a"), OK OK OK), END,
	};

	(void)state;
	open_bdat(script);
	struct mail *m = simple("a@example.org");

	stage_play();
	stage_expect(m, 0, OUTCOME_SOFT, SESSION_MAIL, 0, ERR_PROTO);
	assert_wire(0, "EHLO client.test\r\n" GROUP("a"));
	stage_close();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("BDAT n LAST and the message, for those who are accepted (cases 616, 622)",
			    one_chunk_is_the_message),
		STAGE_CLAIM("DATA unless BDAT is asked for and offered (case 615)", data_unless_asked_for_and_offered),
		STAGE_CLAIM("n is exact, and no dot is stuffed (cases 616-618, row SMG-04)",
			    octets_are_counted_exactly),
		STAGE_CLAIM("content that is full of dots goes with DATA", dense_dots_go_with_data),
		STAGE_CLAIM("content of another size than announced ends the connection (row SMG-04)",
			    a_wrong_size_ends_the_connection),
		STAGE_CLAIM("smtp_chunk_size_limit cuts, and each reply is waited for (case 616)", several_chunks),
		STAGE_CLAIM("a refused chunk is the last, and RSET follows (case 619)", a_refused_chunk_is_the_last),
		STAGE_CLAIM("a loss before the last chunk is no delivery (case 623)", loss_between_chunks),
		STAGE_CLAIM("without recipients there is no BDAT, but RSET (case 620)", nobody_to_send_to),
		STAGE_CLAIM("a MAIL behind a refused chunk is no refusal of its mail", riding_behind_a_refused_chunk),
		STAGE_CLAIM("a server that does not know BDAT is left at once (row EHL-08)", offered_and_not_known),
		STAGE_CLAIM("an early reply ends the session", early_refusals),
		STAGE_CLAIM("so does one to a chunk that waits to leave", early_replies_to_a_queued_chunk),
		STAGE_CLAIM("a loss behind the last octet is ambiguous", loss_behind_the_last_octet),
		STAGE_CLAIM("the second message goes in one write", the_second_message_in_one_write),
		STAGE_CLAIM("but not when a reply out of place could not be seen", who_has_to_wait),
		STAGE_CLAIM("content for nobody is ended, and RSET follows (case 621)", nobody_accepted_ahead),
		STAGE_CLAIM("a reply out of place is never taken for the message's (row RPL-08)",
			    a_reply_out_of_place),
		STAGE_CLAIM("a surplus reply is seen before the chunk (row RPL-08)", a_surplus_reply_before_the_chunk),
	};

	return cmocka_run_group_tests_name("net/smtp/session_bdat", claims, NULL, stage_end);
}
