/* Transcripts as mail: what the postmaster gets, and what happens when the spool does not want it (B 22.5). */
#include "net/source/notice.h"

#include <errno.h>

#include "tests/test.h"
#include "tests/unit/net/source/fake_spool.h"

static struct reactor reactor;
static struct params params;
static struct notices *notices;
static struct transcript transcript;
static unsigned closed;

static int setup(void **state)
{
	const struct io_conf io = { .core = 0, .files_max = 64, .arena_size = MIB(1), .recv_bufs = 8 };

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	fake_spool_reset();
	params.myhostname = "client.test";
	params.error_notice_recipient = "postmaster";
	notices = notices_new(&params, (struct spool *)&fake_spool);
	assert_non_null(notices);
	closed = 0;
	transcript_init(&transcript);
	transcript_add(&transcript, false, SLICE("220 mx.test ESMTP"));
	transcript_add(&transcript, true, SLICE("EHLO client.test"));
	transcript_add(&transcript, false, SLICE("500 what\xc3\xa9?"));
	return 0;
}

static void on_closed(struct notices *n, void *context)
{
	assert_ptr_equal(n, notices);
	assert_ptr_equal(context, &closed);
	closed++;
}

static int teardown(void **state)
{
	(void)state;
	notices_free(&notices);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static void turn(void)
{
	assert_int_equal(reactor_turn(&reactor, 0), 0);
}

static void a_message_to_the_postmaster(void **state)
{
	(void)state;
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_int_equal(fake_spool.count, 0);
	assert_int_equal(fake_spool_finish(), 1);
	const struct fake_message *m = &fake_spool.messages[0];
	struct slice content = slice_of(m->content, m->content_len);

	assert_true(slice_eq(slice_of(m->sender, m->sender_len), SLICE("double-bounce@client.test")));
	assert_true(slice_eq(slice_of(m->rcpts, m->rcpts_len), SLICE("<postmaster@client.test>")));
	assert_int_equal(m->size, m->content_len);
	assert_int_equal(m->facts, MESSAGE_BODY_7BIT);
	assert_non_null(memmem(content.ptr, content.len, "\r\n\r\nUnexpected response from mx.test[192.0.2.1].\r\n", 50));
	static const char lines[] =
		"\r\n  In: 220 mx.test ESMTP\r\n Out: EHLO client.test\r\n  In: 500 what???\r\n\r\n";
	assert_non_null(memmem(content.ptr, content.len, lines, sizeof(lines) - 1));
	static const char subject[] = "\r\nSubject: ringpost SMTP client: errors from mx.test[192.0.2.1]\r\n";
	assert_non_null(memmem(content.ptr, content.len, subject, sizeof(subject) - 1));
}

/* Every line ends in CRLF and is short, whatever was said. */
static void the_longest_transcript_fits(void **state)
{
	char line[TRANSCRIPT_LINE];

	(void)state;
	for (unsigned width = 1; width < TRANSCRIPT_LINE; width += 73) {
		memset(line, '.', sizeof(line));
		fake_spool_reset();
		for (unsigned i = 0; i < 3000; i++)
			transcript_add(&transcript, i % 2, slice_of(line, width));
		notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
		assert_int_equal(fake_spool_finish(), 1);
		struct slice rest = slice_of(fake_spool.messages[0].content, fake_spool.messages[0].content_len);

		while (rest.len > 0) {
			ptrdiff_t end = slice_find_char(rest, 0, '\n');

			assert_true(end > 0 && end <= 79 && rest.ptr[end - 1] == '\r');
			slice_skip(&rest, (size_t)end + 1);
		}
	}
}

static void what_the_spool_does_not_take_is_a_line_in_the_log(void **state)
{
	(void)state;
	fake_spool.begin_err = -ENOSPC;
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_true(fake_log_contains("no transcript of the session with mx.test[192.0.2.1] is sent"));
	fake_spool_reset();
	fake_spool.write_err = -EIO;
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_true(fake_log_contains("is lost"));
	assert_int_equal(fake_spool.drafts, 0);
	fake_spool_reset();
	fake_spool.commit_err = -EIO;
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_int_equal(fake_spool_finish(), 1);
	assert_true(fake_log_contains("is lost"));
	assert_int_equal(fake_spool.count, 0);
}

static void places_are_bounded_and_come_back(void **state)
{
	(void)state;
	for (unsigned i = 0; i < NOTICES_MAX; i++)
		notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_int_equal(fake_spool.log_len, 0);
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_true(fake_log_contains("no transcript"));
	assert_int_equal(fake_spool_finish(), NOTICES_MAX);
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_int_equal(fake_spool_finish(), 1);
	assert_int_equal(fake_spool.count, NOTICES_MAX + 1);
}

static void the_end_waits_for_those_under_way(void **state)
{
	(void)state;
	fake_spool.no_room = 1;
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_int_equal(fake_spool.waiting_for_room, 1);
	notices_close(notices, on_closed, &closed);
	turn();
	assert_int_equal(closed, 0);
	assert_true(fake_spool_give_room());
	turn();
	assert_int_equal(closed, 0);
	notice_post(notices, SLICE("mx.test[192.0.2.1]"), &transcript);
	assert_true(fake_log_contains("no transcript"));
	assert_int_equal(fake_spool_finish(), 1);
	turn();
	assert_int_equal(closed, 1);
}

static void without_any_it_ends_at_once(void **state)
{
	(void)state;
	notices_close(notices, on_closed, &closed);
	assert_int_equal(closed, 0);
	turn();
	assert_int_equal(closed, 1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("case 594: a transcript becomes a message to the postmaster", a_message_to_the_postmaster, setup, teardown),
		CLAIM_WITH("the longest one fits, in short lines", the_longest_transcript_fits, setup, teardown),
		CLAIM_WITH("what the spool does not take is a line in the log",
			   what_the_spool_does_not_take_is_a_line_in_the_log, setup, teardown),
		CLAIM_WITH("places are bounded, and come back", places_are_bounded_and_come_back, setup, teardown),
		CLAIM_WITH("the end waits for those under way", the_end_waits_for_those_under_way, setup, teardown),
		CLAIM_WITH("without any it ends at once", without_any_it_ends_at_once, setup, teardown),
	};

	return cmocka_run_group_tests_name("net/source/notice", claims, NULL, NULL);
}
