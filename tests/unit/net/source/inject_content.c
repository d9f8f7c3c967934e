/* What is behind DATA and BDAT: messages, flaws, limits, and a spool in trouble. */
#include <errno.h>

#include "tests/unit/net/source/inject_dialogue.h"

/* --- content -------------------------------------------------------------------------------------- */

static void data_becomes_a_message(void **state)
{
	static const char text[] = "Subject: x\r\n\r\n..dot\r\nGr\xc3\xbc\xc3\x9f\x65\r\n.\r\n";
	static const char body[] = "Subject: x\r\n\r\n..dot\r\nGr\xc3\xbc\xc3\x9f\x65\r\n";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		fake_spool.count = 0;
		hello();
		say("MAIL FROM:<a@test> BODY=8BITMIME SIZE=100\r\n", "250");
		say("RCPT TO:<b@test>\r\n", "250");
		say("RCPT TO:<\"c d\"@test>\r\n", "250");
		say("RCPT TO:<Postmaster>\r\n", "250");
		say("DATA\r\n", "354");
		feed_cut(SLICE("Subject: x\r\n\r\n..dot\r\nGr\xc3\xbc\xc3\x9f\x65\r\n.\r\n"), cut);
		expect_accepted(body);
		const struct fake_message *m = &fake_spool.messages[0];

		assert_true(slice_eq(slice_of(m->sender, m->sender_len), SLICE("a@test")));
		assert_true(slice_eq(slice_of(m->rcpts, m->rcpts_len),
				     SLICE("<b@test><c d@test><Postmaster@mx.test>")));
		assert_int_equal(m->facts, MESSAGE_8BIT | MESSAGE_BODY_8BITMIME | MESSAGE_STUFFED);
		assert_int_equal(m->size, m->content_len - 1);
		assert_int_equal(m->writes, 1);
	}
}

static void the_trace_field_is_on_top(void **state)
{
	(void)state;
	begin_data();
	(void)feed(SLICE(".\r\n"));
	expect_accepted("");
	assert_true(slice_eq(slice_of(fake_spool.messages[0].content, fake_spool.messages[0].content_len),
			     SLICE("Received: from client.test (unknown [127.0.0.1])\r\n"
				   "\tby mx.test (ringpost) with ESMTP id ABC000;\r\n"
				   "\tSun, 22 Nov 2026 23:46:47 +0000\r\n")));
	assert_true(fake_log_contains("smtpd: ABC000: client=unknown[127.0.0.1]\n"));
}

static void chunks_become_a_message(void **state)
{
	static const char text[] = "BDAT 5\r\n.a\r\n.BDAT 0\r\nBDAT 3\r\n\r\nbBDAT 4 LAST\r\n\r\n.c";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		fake_spool.count = 0;
		begin_mail();
		feed_cut(slice_of_str(text), cut);
		assert_int_equal(expect_code("250 2.0.0 Ok: "), 3);
		expect_accepted("..a\r\n..\r\nb\r\n..c\r\n");
		assert_int_equal(fake_spool.messages[0].size, fake_spool.messages[0].content_len - 3);
	}
}

static const struct {
	const char *text;
	size_t len;
	bool has_nul;
} endings[] = {
	{ "\n.\n", 3, false }, { "\r.\r", 3, false }, { "\r.\n", 3, false }, { "\n.\r", 3, false },
	{ "\n.\r\n", 4, false }, { "\r\n.\n", 4, false }, { "\r.\r\n", 4, false }, { "\r\n.\r", 4, false },
	{ "\r\n\0.\r\n", 6, true }, { "\r\n.\0\r\n", 6, true },
};

static struct slice smuggle(unsigned ending, struct str *out)
{
	str_clear(out);
	str_add(out, SLICE("Subject: one\r\n\r\nhello"));
	str_add(out, slice_of(endings[ending].text, endings[ending].len));
	str_add(out, SLICE("MAIL FROM:<evil@test>\r\nRCPT TO:<victim@test>\r\nDATA\r\nSubject: two\r\n\r\nx\r\n.\r\n"));
	return str_slice(out);
}

static void smuggling_queues_nothing(void **state)
{
	char storage[256];
	struct str text = STR(storage);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(endings); i++) {
		struct slice in = smuggle(i, &text);

		for (size_t cut = 0; cut <= in.len; cut++) {
			begin_data();
			feed_cut(in, cut);
			assert_int_equal(expect_code("550 5.6.11"), 1);
			assert_int_equal(session.state, INJECT_LAST_WORDS);
			assert_int_equal(fake_spool.drafts, 0);
		}
	}
	assert_int_equal(fake_spool.total, 0);
}

static void normalising_queues_one(void **state)
{
	char storage[256];
	struct str text = STR(storage);

	(void)state;
	params.smtpd_forbid_bare_newline = BARE_NEWLINE_NORMALIZE;
	for (unsigned i = 0; i < ARRAY_LEN(endings); i++) {
		struct slice in = smuggle(i, &text);

		for (size_t cut = 0; cut <= in.len; cut++) {
			fake_spool.count = 0;
			begin_data();
			feed_cut(in, cut);
			if (endings[i].has_nul) {
				assert_int_equal(expect_code("550 5.6.11"), 1);
				continue;
			}
			assert_int_equal(session.state, INJECT_COMMIT);
			assert_int_equal(fake_spool_finish(), 1);
			assert_int_equal(expect_code("250"), 1);
			assert_int_equal(fake_spool.count, 1);
		}
	}
}

static void flaws_in_chunks_are_refused(void **state)
{
	(void)state;
	begin_mail();
	/* CR at the end of a chunk, LF at the start of the next: one line end. */
	say("BDAT 2\r\na\r", "250");
	(void)feed(SLICE("BDAT 2 LAST\r\n\nb"));
	expect_accepted("a\r\nb\r\n");
	begin_mail();
	say("BDAT 2\r\na\r", "250");
	say("BDAT 1 LAST\r\nb", "550 5.6.11");
	assert_int_equal(session.state, INJECT_LAST_WORDS);
	begin_mail();
	say("BDAT 2 LAST\r\na\r", "550 5.6.11");
	begin_mail();
	say("BDAT 3 LAST\r\na\nb", "550 5.6.11");
	assert_int_equal(fake_spool.total, 1);
}

/* --- LIS-05, LIS-07: limits and trouble ------------------------------------------------------------ */

static void send_of_size(size_t size, bool bdat, const char *code)
{
	static char storage[2 * LIMIT];
	struct str text = STR(storage);

	begin_mail();
	if (bdat)
		str_printf(&text, "BDAT %zu LAST\r\n", size);
	else
		say("DATA\r\n", "354");
	for (size_t i = 0; i + 2 < size; i++)
		str_add_char(&text, 'a');
	str_add(&text, SLICE("\r\n"));
	if (!bdat)
		str_add(&text, SLICE(".\r\n"));
	assert_int_equal(feed(str_slice(&text)).len, 0);
	(void)fake_spool_finish();
	assert_int_equal(expect_code(code), 1);
	assert_int_equal(session.state, INJECT_READY);
}

static void the_size_limit_is_exact(void **state)
{
	(void)state;
	send_of_size(LIMIT, false, "250");
	send_of_size(LIMIT + 1, false, "552 5.3.4");
	send_of_size(LIMIT, true, "250");
	send_of_size(LIMIT + 1, true, "552 5.3.4");
	assert_int_equal(fake_spool.total, 2);
	/* SIZE may lie, but it cannot hide. */
	hello();
	say("MAIL FROM:<a@test> SIZE=4000\r\n", "250");
	say("RSET\r\n", "250");
	say("MAIL FROM:<a@test> SIZE=99999999999999999999999\r\n", "552 5.3.4");
	/* Many small chunks are as large as one. */
	begin_mail();
	for (unsigned i = 0; i < 4; i++)
		say("BDAT 10\r\n0123456789", "250");
	params.message_size_limit = 45;
	say("BDAT 10\r\n0123456789", "552 5.3.4");
	say("BDAT 10\r\n0123456789", "503");
	say("BDAT 0 LAST\r\n", "503");
	assert_int_equal(session.state, INJECT_READY);
	assert_int_equal(fake_spool.total, 2);
}

static void stuffing_is_not_counted(void **state)
{
	char text[2 * 64 + 16];
	struct str content = STR(text);

	(void)state;
	params.message_size_limit = 4 * 20;
	for (unsigned i = 0; i < 20; i++)
		str_add(&content, SLICE("..x\r\n"));
	str_add(&content, SLICE(".\r\n"));
	begin_data();
	(void)feed(str_slice(&content));
	assert_int_equal(session.state, INJECT_COMMIT);
	assert_int_equal(fake_spool_finish(), 1);
}

static void trouble_in_data_is_answered_at_its_end(void **state)
{
	static const struct {
		int err;
		const char *code;
	} troubles[] = { { -ENOSPC, "452 4.3.1" }, { -EIO, "452 4.3.1" }, { -EMSGSIZE, "552 5.3.4" } };
	char line[3000];

	(void)state;
	memset(line, 'a', sizeof(line));
	params.message_size_limit = 0;
	for (unsigned i = 0; i < ARRAY_LEN(troubles); i++) {
		for (unsigned writes = 0; writes < 2; writes++) {
			begin_data();
			fake_spool.write_err = troubles[i].err;
			fake_spool.writes_until_err = writes;
			(void)feed(slice_of(line, sizeof(line)));
			(void)feed(slice_of(line, sizeof(line)));
			assert_int_equal(session.out.len, 0);
			say("\r\nMAIL FROM:<x@test>\r\n.\r\n", troubles[i].code);
			assert_int_equal(session.state, INJECT_READY);
			say("DATA\r\n", "503");
			fake_spool.write_err = 0;
		}
	}
	begin_data();
	fake_spool.commit_err = -EIO;
	(void)feed(SLICE("x\r\n.\r\n"));
	assert_int_equal(fake_spool_finish(), 1);
	assert_int_equal(expect_code("452 4.3.1"), 1);
	say("DATA\r\n", "503");
	assert_int_equal(fake_spool.total, 0);
}

static void loops_are_refused(void **state)
{
	(void)state;
	begin_data();
	(void)feed(SLICE("Received: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\n\r\n.\r\n"));
	assert_int_equal(fake_spool_finish(), 1);
	assert_int_equal(expect_code("250"), 1);
	begin_data();
	(void)feed(SLICE("Received: 1\r\nReceived: 2\r\nReceived: 3\r\nReceived: 4\r\nReceived: 5\r\n\r\n"));
	say(".\r\n", "554 5.4.6");
	assert_int_equal(fake_spool.total, 1);
}

static void waiting_for_room_loses_nothing(void **state)
{
	static char storage[12000];
	static char want[12000];
	struct str text = STR(storage);
	struct str body = STR(want);

	(void)state;
	params.message_size_limit = 0;
	for (unsigned i = 0; i < 150; i++)
		str_printf(&text, "..line %u of some length, so that several writes are needed\r\n", i);
	body.len = text.len;
	memcpy(want, storage, text.len);
	str_add(&text, SLICE(".\r\n"));
	for (unsigned refused = 1; refused < 4; refused++) {
		for (size_t cut = 0; cut <= text.len; cut += 37) {
			fake_spool.count = 0;
			begin_data();
			fake_spool.no_room = refused;
			feed_cut(str_slice(&text), cut);
			fake_spool.no_room = 0;
			while (session.wait == INJECT_WAIT_ROOM)
				(void)fake_spool_give_room();
			expect_accepted(str_cstr(&body));
		}
	}
}

static void waiting_for_room_ends_a_chunk(void **state)
{
	static char storage[4096];
	struct str text = STR(storage);

	(void)state;
	params.message_size_limit = 0;
	str_add(&text, SLICE("BDAT 3000\r\n"));
	for (unsigned i = 0; i < 3000; i++)
		str_add_char(&text, 'a');
	begin_mail();
	fake_spool.no_room = 2;
	struct slice in = str_slice(&text);

	assert_true(inject_session_feed(&session, &in, WALL));	/* the input has to stay */
	assert_int_equal(session.wait, INJECT_WAIT_ROOM);
	resumed = 0;
	assert_true(fake_spool_give_room());
	assert_int_equal(resumed, 0);
	assert_true(fake_spool_give_room());
	assert_int_equal(resumed, 1);
	assert_int_equal(expect_code("250"), 1);
	fake_spool.no_room = 1;
	(void)feed(SLICE("BDAT 0 LAST\r\n"));
	assert_int_equal(session.wait, INJECT_WAIT_ROOM);
	assert_true(fake_spool_give_room());
	assert_int_equal(session.state, INJECT_COMMIT);
	/* Room that never comes is not waited for by those who leave. */
	begin_mail();
	fake_spool.no_room = 1;
	in = str_slice(&text);
	(void)inject_session_feed(&session, &in, WALL);
	assert_int_equal(fake_spool.waiting_for_room, 1);
	inject_session_say_last(&session, "421 4.3.2 Bye");
	assert_int_equal(fake_spool.waiting_for_room, 0);
	fake_spool.no_room = 0;
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CASE("DATA becomes one message with its envelope, size and facts, at every cut",
		     data_becomes_a_message),
		CASE("INJ-06: one Received field of three lines is on top", the_trace_field_is_on_top),
		CASE("SMG-04: chunks become one message, at every cut", chunks_become_a_message),
		CASE("SMG-02: the ten endings queue nothing and close, at every cut", smuggling_queues_nothing),
		CASE("SMG-02: normalised, they queue at most one message", normalising_queues_one),
		CASE("SMG-04: a bare CR or LF in a chunk is refused, one line end across two chunks is not",
		     flaws_in_chunks_are_refused),
		CASE("LIS-05: trouble in DATA is answered with 452 at its end, never with 250",
		     trouble_in_data_is_answered_at_its_end),
		CASE("LIS-07: the size limit is exact, and SIZE= cannot hide", the_size_limit_is_exact),
		CASE("LIS-07: stuffing does not count as size", stuffing_is_not_counted),
		CASE("hopcount_limit Received fields are a loop, ours included", loops_are_refused),
		CASE("waiting for room in the journal loses nothing, at any cut", waiting_for_room_loses_nothing),
		CASE("waiting for room at the end of a chunk ends it, and ends with the session",
		     waiting_for_room_ends_a_chunk),
	};

	return cmocka_run_group_tests_name("net/source/inject_content", claims, NULL, NULL);
}
