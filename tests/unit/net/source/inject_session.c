/* The dialogue: which command is answered how, and who is not served. Content is in inject_content.c. */
#include <errno.h>
#include <stdio.h>

#include "tests/unit/net/source/inject_dialogue.h"

/* --- LIS-01 --------------------------------------------------------------------------------------- */

enum {
	HELO,
	EHLO,
	MAIL,
	RCPT,
	DATA,
	BDAT,
	LAST,
	RSET,
	NOOP,
	QUIT,
	VRFY,
	EXPN,
	HELP,
	STARTTLS,
	AUTH,
	UNKNOWN,
	COMMANDS
};

static const char *const lines[COMMANDS] = {
	[HELO] = "HELO other.test\r\n",
	[EHLO] = "EHLO other.test\r\n",
	[MAIL] = "MAIL FROM:<x@test>\r\n",
	[RCPT] = "RCPT TO:<y@test>\r\n",
	[DATA] = "DATA\r\n",
	[BDAT] = "BDAT 3\r\nabc",
	[LAST] = "BDAT 3 LAST\r\nabc",
	[RSET] = "RSET\r\n",
	[NOOP] = "NOOP x\r\n",
	[QUIT] = "QUIT\r\n",
	[VRFY] = "VRFY z@test\r\n",
	[EXPN] = "EXPN list\r\n",
	[HELP] = "HELP\r\n",
	[STARTTLS] = "STARTTLS\r\n",
	[AUTH] = "AUTH PLAIN AGEAYg==\r\n",
	[UNKNOWN] = "FROB\r\n",
};

/* Arguments that no state accepts. NULL: there are none. */
static const char *const wrong_lines[COMMANDS] = {
	[HELO] = "HELO\r\n", [EHLO] = "EHLO a(b\r\n", [MAIL] = "MAIL FROM:x@test\r\n", [RCPT] = "RCPT TO:<y@test\r\n",
	[DATA] = "DATA now\r\n", [BDAT] = "BDAT x\r\n", [LAST] = "BDAT 3 LOST\r\n", [RSET] = "RSET x\r\n",
	[QUIT] = "QUIT x\r\n", [VRFY] = "VRFY\r\n", [EXPN] = "EXPN\r\n",
};

/* How each state is reached from a greeted session, and what may be sent in it. In a cell: the code, and where it
 * leads: '=' stays, H hello, R ready, M mail, T rcpt, D data, B bdat, F bdat failed, C commit, X last words. */
static const struct row {
	enum inject_state state;
	const char *script;
	const char *cells[COMMANDS];
} rows[] = {
	{ INJECT_HELLO,
	  "",
	  { "250R", "250R", "503=", "503=", "503=", "503X", "503X", "250=", "250=", "221X",
	    "252=", "502=", "214=", "502=", "502=", "500=" } },
	{ INJECT_READY,
	  "EHLO a.test\r\n",
	  { "250R", "250R", "250M", "503=", "503=", "503F", "503R", "250=", "250=", "221X",
	    "252=", "502=", "214=", "502=", "502=", "500=" } },
	{ INJECT_MAIL,
	  "EHLO a.test\r\nMAIL FROM:<>\r\n",
	  { "250R", "250R", "503=", "250T", "503=", "503F", "503R", "250R", "250=", "221X",
	    "252=", "502=", "214=", "502=", "502=", "500=" } },
	{ INJECT_RCPT,
	  "EHLO a.test\r\nMAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\n",
	  { "250R", "250R", "503=", "250=", "354D", "250B", "250C", "250R", "250=", "221X",
	    "252=", "502=", "214=", "502=", "502=", "500=" } },
	{ INJECT_BDAT,
	  "EHLO a.test\r\nMAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nBDAT 2\r\nxy",
	  { "250R", "250R", "503=", "503=", "503=", "250=", "250C", "250R", "250=", "221X",
	    "252=", "502=", "214=", "502=", "502=", "500=" } },
	{ INJECT_BDAT_FAILED,
	  "EHLO a.test\r\nMAIL FROM:<a@test>\r\nBDAT 2\r\nxy",
	  { "250R", "250R", "503=", "503=", "503=", "503=", "503R", "250R", "250=", "221X",
	    "252=", "502=", "214=", "502=", "502=", "500=" } },
};

static enum inject_state state_of(char c, enum inject_state same)
{
	static const char letters[] = "HRMTDBFCX";
	static const enum inject_state states[] = {
		INJECT_HELLO, INJECT_READY, INJECT_MAIL, INJECT_RCPT, INJECT_DATA, INJECT_BDAT, INJECT_BDAT_FAILED,
		INJECT_COMMIT, INJECT_LAST_WORDS,
	};

	return c == '=' ? same : states[strchr(letters, c) - letters];
}

/* EHLO has to be the last of its group: nothing is announced before. */
static void reach(const struct row *row)
{
	struct slice script = slice_of_str(row->script);
	ptrdiff_t lf = slice_find_char(script, 0, '\n');

	end_session();
	fake_spool_reset();
	open_as("127.0.0.1:5000");
	greet();
	(void)feed(slice_head(script, (size_t)(lf + 1)));
	slice_skip(&script, (size_t)(lf + 1));
	(void)feed(script);
	str_clear(&session.out);
	assert_int_equal(session.state, row->state);
}

/* DATA works exactly where there is a live MAIL and RCPT, and the spool has what the model says. */
static void check_what_is_left(enum inject_state model)
{
	unsigned messages = 0;

	if (model == INJECT_COMMIT) {
		assert_int_equal(fake_spool_finish(), 1);
		str_clear(&session.out);
		messages = 1;
		model = INJECT_READY;
	}
	if (model == INJECT_DATA) {
		assert_int_equal(feed(SLICE("DATA\r\n.\r\n")).len, 0);
		assert_int_equal(fake_spool_finish(), 1);
		messages++;
	} else if (model != INJECT_LAST_WORDS) {
		say("DATA\r\n", model == INJECT_RCPT ? "354" : "503");
		if (model == INJECT_RCPT) {
			assert_int_equal(feed(SLICE("x\r\n.\r\n")).len, 0);
			assert_int_equal(fake_spool_finish(), 1);
			messages++;
		}
	}
	assert_int_equal(fake_spool.count, messages);
}

static void check_cell(const struct row *row, const char *line, const char *cell)
{
	enum inject_state want = state_of(cell[3], row->state);
	char code[4] = { cell[0], cell[1], cell[2], '\0' };

	reach(row);
	assert_int_equal(feed(slice_of_str(line)).len, 0);
	assert_int_equal(session.state, want);
	assert_int_equal(expect_code(code), want == INJECT_COMMIT ? 0 : 1);
	check_what_is_left(want);
}

static void commands_are_answered_by_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned k = 0; k < COMMANDS; k++)
			check_cell(&rows[i], lines[k], rows[i].cells[k]);
}

static void wrong_arguments_change_nothing(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned k = 0; k < COMMANDS; k++) {
			bool chunk = k == BDAT || k == LAST;
			const char *cell = !chunk ? "501=" : rows[i].state == INJECT_HELLO ? "502X" : "501X";

			if (wrong_lines[k] != NULL)
				check_cell(&rows[i], wrong_lines[k], k == EXPN ? "501=" : cell);
		}
}

static void refusals_change_nothing(void **state)
{
	static char big[32 + LIMIT];
	struct str chunk = STR(big);

	(void)state;
	str_printf(&chunk, "BDAT %u LAST\r\n", LIMIT + 1);
	for (unsigned i = 0; i <= LIMIT; i++)
		str_add_char(&chunk, 'a');
	(void)str_cstr(&chunk);
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		enum inject_state from = rows[i].state;
		bool live = from == INJECT_RCPT || from == INJECT_BDAT;

		/* Too large by its own words: SIZE is nobody's to use before EHLO. */
		check_cell(&rows[i], "MAIL FROM:<x@test> SIZE=4001\r\n",
			   from == INJECT_HELLO ? "555=" : from == INJECT_READY ? "552=" : "503=");
		if (from != INJECT_HELLO)
			check_cell(&rows[i], big, live ? "552R" : "503R");
	}
}

static void no_room_is_said_before_data(void **state)
{
	static const int errors[] = { -ENOSPC, -ENOBUFS, -EIO };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(errors); i++) {
		hello();
		fake_spool.accepts_err = errors[i];
		say("MAIL FROM:<a@test>\r\n", "452 4.3.1");
		say("RCPT TO:<b@test>\r\n", "503");
		fake_spool.accepts_err = 0;
		say("MAIL FROM:<a@test>\r\n", "250");
		say("RCPT TO:<b@test>\r\n", "250");
		fake_spool.begin_err = errors[i];
		say("DATA\r\n", "452 4.3.1");
		say("BDAT 3 LAST\r\nabc", "452 4.3.1");
		say("DATA\r\n", "503");
		fake_spool.begin_err = 0;
	}
	assert_int_equal(fake_spool.total, 0);
}

static void content_states_take_no_commands(void **state)
{
	(void)state;
	for (unsigned k = 0; k < COMMANDS; k++) {
		begin_data();
		assert_int_equal(feed(slice_of_str(lines[k])).len, 0);
		assert_int_equal(session.out.len, 0);
		assert_int_equal(session.state, INJECT_DATA);
		begin_mail();
		assert_int_equal(feed(SLICE("BDAT 100 LAST\r\n")).len, 0);
		assert_int_equal(feed(slice_of_str(lines[k])).len, 0);
		assert_int_equal(session.out.len, 0);
		assert_int_equal(session.state, INJECT_CHUNK);
	}
}

static void last_words_are_the_last(void **state)
{
	(void)state;
	for (unsigned k = 0; k < COMMANDS; k++) {
		begin_mail();
		say("QUIT\r\n", "221");
		assert_int_equal(feed(slice_of_str(lines[k])).len, 0);
		assert_int_equal(session.out.len, 0);
		assert_int_equal(session.state, INJECT_LAST_WORDS);
	}
	assert_int_equal(fake_spool.total, 0);
}

static void early_talkers_are_closed(void **state)
{
	(void)state;
	for (unsigned k = 0; k < COMMANDS; k++) {
		open_as("127.0.0.1:5000");
		say(lines[k], "554");
		assert_int_equal(session.state, INJECT_LAST_WORDS);
	}
}

/* --- LIS-02, LIS-03: hostile clients ---------------------------------------------------------------- */

static void a_drip_makes_few_writes(void **state)
{
	(void)state;
	fake_spool.forgets = true;
	params.message_size_limit = 0;
	begin_mail();
	for (unsigned i = 0; i < 100000; i++)
		say("BDAT 1\r\na", "250");
	(void)feed(SLICE("BDAT 0 LAST\r\n"));
	assert_int_equal(fake_spool_finish(), 1);
	assert_true(fake_spool.writes <= 100000 / INJECT_PIECE_MIN + 2);
	fake_spool.writes = 0;
	begin_data();
	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(feed(SLICE("a")).len, 0);
	assert_true(fake_spool.writes <= 100000 / INJECT_PIECE_MIN + 2);
}

static void recipients_have_a_bound(void **state)
{
	(void)state;
	params.smtpd_recipient_limit = 10;
	hello();
	say("MAIL FROM:<a@test>\r\n", "250");
	for (unsigned i = 0; i < 10; i++)
		say("RCPT TO:<b@test>\r\n", "250");
	for (unsigned i = 0; i < 100000; i++)
		say("RCPT TO:<b@test>\r\n", "452 4.5.3");
	assert_true(common.rcpt_blocks.used <= 2);
	say("DATA\r\n", "354");
	(void)feed(SLICE(".\r\n"));
	assert_int_equal(fake_spool_finish(), 1);
	assert_int_equal(fake_spool.messages[0].rcpt_count, 10);
}

static void long_recipients_fill_blocks_and_no_more(void **state)
{
	char line[1200], original[SMTP_ORCPT_MAX - 7];

	(void)state;
	inject_common_done(&common);
	params.smtpd_recipient_limit = 100000;
	assert_int_equal(inject_common_init(&common, &params, NULL, 0), 0);
	hello();
	say("MAIL FROM:<a@test>\r\n", "250");
	memset(original, 'c', sizeof(original));
	unsigned taken = 0;

	for (;; taken++) {
		char local[ADDRESS_LOCAL_MAX - 5], label[ADDRESS_LABEL_MAX + 1];

		memset(local, 'a', sizeof(local));
		memset(label, 'b', sizeof(label) - 1);
		label[sizeof(label) - 1] = '\0';
		/* Nothing can be longer. */
		(void)snprintf(line, sizeof(line), "RCPT TO:<%.*s%05u@%s.%s.%s.%s> ORCPT=rfc822;%.*s\r\n", (int)sizeof(local),
			       local, taken % 100000, label, label, label, label, (int)sizeof(original), original);
		(void)feed(slice_of_str(line));
		if (session.out.ptr[0] != '2')
			break;
		str_clear(&session.out);
		assert_true(taken < 200000);
	}
	assert_int_equal(taken, 100000);
	assert_int_equal(expect_code("452 4.5.3"), 1);
	say("RSET\r\n", "250");
	assert_int_equal(common.rcpt_blocks.used, 0);
	/* Others have taken all: that is no error of this client. */
	static struct inject_rcpts others;
	const struct rcpt_facts x = { .addr = SLICE("x@test") };

	while (inject_rcpts_add(&others, &common.rcpt_blocks, &x) == 0)
		;
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<b@test>\r\n", "452 4.3.1");
	inject_rcpts_clear(&others, &common.rcpt_blocks);
	say("RCPT TO:<b@test>\r\n", "250");
}

static void idle_talk_ends(void **state)
{
	unsigned n = 0;

	(void)state;
	hello();
	while (session.state != INJECT_LAST_WORDS) {
		assert_int_equal(feed(SLICE("NOOP\r\n")).len, 0);
		assert_true(++n <= INJECT_JUNK_MAX + params.smtpd_hard_error_limit);
		if (session.state != INJECT_LAST_WORDS)
			assert_int_equal(expect_code("250"), 1);
	}
	expect_replies("250 2.0.0 Ok\r\n421 4.7.0 Too many errors\r\n");
	begin_mail();
	while (session.state != INJECT_LAST_WORDS) {
		(void)feed(SLICE("BDAT 0\r\n"));
		assert_true(++n <= 1000);
		str_clear(&session.out);
	}
}

static void errors_have_a_bound(void **state)
{
	(void)state;
	hello();
	for (unsigned i = 1; i < params.smtpd_hard_error_limit; i++)
		say("FROB\r\n", "500");
	(void)feed(SLICE("RCPT TO:<x@test>\r\nNOOP\r\n"));
	expect_replies("503 5.5.1 RCPT needs MAIL before it\r\n421 4.7.0 Too many errors\r\n");
}

static void garbage_is_closed_after_three(void **state)
{
	static char storage[SMTP_LINE_SKIP_MAX];
	static const struct {
		const char *text;
		size_t len;
	} garbage[] = {
		{ "NOOP\n", 5 },           { "NO\rOP\r\n", 8 },   { "NO\0OP\r\n", 8 },
		{ "\x16\x03\x01\r\n", 5 }, { "\xff\xfe\r\n", 4 },
	};
	struct str line = STR(storage);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(garbage); i++) {
		hello();
		for (unsigned n = 0; n < 3; n++) {
			assert_int_equal(session.state, INJECT_READY);
			(void)feed(slice_of(garbage[i].text, garbage[i].len));
			assert_int_equal(expect_code("500"), 1);
		}
		assert_int_equal(session.state, INJECT_LAST_WORDS);
	}
	/* 512 is what RFC 5321 has; more is taken, too, but not without end. */
	for (size_t len = 500; len <= 5000; len += 500) {
		str_clear(&line);
		str_add(&line, SLICE("NOOP "));
		while (line.len < len)
			str_add_char(&line, 'x');
		str_add(&line, SLICE("\r\n"));
		hello();
		assert_int_equal(feed(str_slice(&line)).len, 0);
		assert_int_equal(expect_code(len <= SMTP_LINE_MAX ? "250" : "500"), 1);
	}
	hello();
	memset(storage, 'x', sizeof(storage));
	(void)feed(slice_of(storage, sizeof(storage)));
	assert_int_equal(session.out.len, 0);
	say("x", "500");
	assert_int_equal(session.state, INJECT_LAST_WORDS);
}

static void other_protocols_are_closed(void **state)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "POST /x HTTP/1.0\r\n\r\nEHLO x\r\nMAIL FROM:<a@test>\r\n",
		"PUT / HTTP/1.1\r\n", "OPTIONS * HTTP/1.1\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(requests); i++) {
		open_as("127.0.0.1:1");
		greet();
		say(requests[i], "554 5.5.0");
		assert_int_equal(session.state, INJECT_LAST_WORDS);
	}
}

static void going_ahead_needs_pipelining(void **state)
{
	(void)state;
	open_as("127.0.0.1:1");
	greet();
	say("EHLO x\r\nMAIL FROM:<a@test>\r\n", "503 5.5.0");	/* not announced yet */
	assert_int_equal(session.state, INJECT_LAST_WORDS);
	open_as("127.0.0.1:1");
	greet();
	say("HELO x\r\n", "250");
	say("MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\n", "503 5.5.0");
	assert_int_equal(session.state, INJECT_LAST_WORDS);
	hello();
	(void)feed(SLICE("MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"));
	assert_int_equal(session.state, INJECT_DATA);
	begin_mail();
	say("DATA\r\nSubject: too early\r\n", "503 5.5.0");
	assert_int_equal(session.state, INJECT_LAST_WORDS);
	assert_int_equal(fake_spool.drafts, 0);
}

/* Row SMG-08: what is announced may be used, the next transaction behind the body included. */
static void the_next_transaction_may_ride_behind_the_body(void **state)
{
	struct slice in = SLICE("one\r\n.\r\nMAIL FROM:<a@test>\r\nRCPT TO:<c@test>\r\nDATA\r\n");

	(void)state;
	begin_data();
	(void)inject_session_feed(&session, &in, WALL);
	assert_int_equal(session.state, INJECT_COMMIT);
	assert_true(in.len > 0);		/* held until the disk has the first */
	resumed = 0;
	assert_int_equal(fake_spool_finish(), 1);
	assert_int_equal(resumed, 1);
	(void)inject_session_feed(&session, &in, WALL);
	expect_replies(
		"250 2.0.0 Ok: queued as ABC000\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End with <CR><LF>.<CR><LF>\r\n");
	(void)feed(SLICE("two\r\n.\r\n"));
	expect_accepted("two\r\n");
}

static void replies_wait_for_room(void **state)
{
	static char storage[64 * 1024];
	struct str text = STR(storage);
	unsigned replies = 0;

	(void)state;
	params.smtpd_recipient_limit = 10;
	for (unsigned i = 0; i < 3000; i++)
		str_add(&text, SLICE("RCPT TO:<b@test>\r\n"));
	hello();
	say("MAIL FROM:<a@test>\r\n", "250");
	struct slice in = str_slice(&text);

	while (in.len > 0) {
		(void)inject_session_feed(&session, &in, WALL);
		if (in.len == 0)
			break;
		assert_int_equal(session.wait, INJECT_WAIT_OUT);
		for (size_t at = 0; at < session.out.len; at++)
			replies += session.out.ptr[at] == '\n';
		str_clear(&session.out);
		inject_session_on_out(&session);
		assert_int_equal(session.wait, INJECT_WAIT_NOTHING);
	}
	for (size_t at = 0; at < session.out.len; at++)
		replies += session.out.ptr[at] == '\n';
	assert_int_equal(replies, 3000);
}

/* --- LIS-08 --------------------------------------------------------------------------------------- */

static void strangers_relay_nothing(void **state)
{
	(void)state;
	open_as("192.0.2.7:5000");
	greet();
	(void)feed(SLICE("EHLO stranger.test\r\n"));
	expect_replies("250-mx.test\r\n250-PIPELINING\r\n250-SIZE 4000\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n"
		       "250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n");
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<b@test>\r\n", "554 5.7.1");
	say("RCPT TO:<postmaster>\r\n", "554 5.7.1");
	say("DATA\r\n", "503");
	say("XCLIENT ADDR=127.0.0.1\r\n", "500");
	say("XFORWARD ADDR=127.0.0.1\r\n", "502");
	assert_true(fake_log_contains("NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 Relay access denied; "
				      "from=<a@test> to=<b@test> proto=ESMTP helo=<stranger.test>\n"));
	open_as("[::1]:5000");
	greet();
	say("EHLO x\r\n", "250");
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<b@test>\r\n", "554 5.7.1");	/* this mynetworks has no IPv6 */
	open_as("unix:/run/inject");
	greet();
	say("EHLO x\r\n", "250");
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<b@test>\r\n", "250");
}

static void addresses_cannot_inject(void **state)
{
	static const char *const bad[] = {
		"MAIL FROM:<a@test>\rRCPT TO:<x@test>\r\n",
		"MAIL FROM:<a\xe5\x98\x8a@test>\r\n",
		"MAIL FROM:<a b@test>\r\n",
		"MAIL FROM:<a@test>RCPT\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		hello();
		say(bad[i], "5");
		assert_int_equal(session.state, INJECT_READY);
	}
}

static void the_tally_tells_what_went_well(void **state)
{
	char storage[256];
	struct str tally = STR(storage);

	(void)state;
	begin_mail();
	say("RCPT TO:<c d@test>\r\n", "501");
	say("FROB\r\n", "500");
	say("DATA\r\n", "354");
	(void)feed(SLICE(".\r\n"));
	(void)fake_spool_finish();
	str_clear(&session.out);
	say("QUIT\r\n", "221");
	inject_session_add_tally(&tally, &session);
	assert_string_equal(str_cstr(&tally), "unknown=0/1 ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/7");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CASE("LIS-01: each command is answered as its state demands, and DATA works where MAIL and RCPT live",
		     commands_are_answered_by_state),
		CASE("LIS-01: wrong arguments change nothing; behind a BDAT that is not understood the session ends",
		     wrong_arguments_change_nothing),
		CASE("LIS-01: what is refused for its size changes nothing but that", refusals_change_nothing),
		CASE("LIS-01: commands are content where content is expected", content_states_take_no_commands),
		CASE("LIS-01: nothing is answered behind the last words", last_words_are_the_last),
		CASE("LIS-03: who speaks before the greeting is closed", early_talkers_are_closed),
		CASE("LIS-05: no room is said before DATA, and BDAT's octets are no commands",
		     no_room_is_said_before_data),
		CASE("LIS-02: a drip of single octets makes a write each 2 KiB", a_drip_makes_few_writes),
		CASE("LIS-02: recipients beyond the limit are told to come again and take no memory",
		     recipients_have_a_bound),
		CASE("LIS-02: the largest envelope fits, and who comes behind it waits",
		     long_recipients_fill_blocks_and_no_more),
		CASE("LIS-02: commands that bring no mail end with 421", idle_talk_ends),
		CASE("smtpd_hard_error_limit ends with 421, and nothing behind it is heard", errors_have_a_bound),
		CASE("LIS-03: three lines that are no SMTP close the session; 64 KiB without an end do",
		     garbage_is_closed_after_three),
		CASE("LIS-03: HTTP is closed at once", other_protocols_are_closed),
		CASE("SMG-08: commands ahead of their time close, where PIPELINING does not allow them",
		     going_ahead_needs_pipelining),
		CASE("SMG-08: the next transaction may ride behind the body, and waits for the first one's 250",
		     the_next_transaction_may_ride_behind_the_body),
		CASE("replies that do not fit hold the commands up, and none is lost", replies_wait_for_room),
		CASE("LIS-08: strangers relay nothing and are told of no trust", strangers_relay_nothing),
		CASE("INJ-01: no address carries a second command", addresses_cannot_inject),
		CASE("the tally tells what went well and out of how many", the_tally_tells_what_went_well),
	};

	return cmocka_run_group_tests_name("net/source/inject_session", claims, NULL, NULL);
}
