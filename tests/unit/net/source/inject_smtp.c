/* The listener on the real ring over loopback; the spool is a stand-in. Clients are plain sockets in the same
 * thread. */
#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "core/clock.h"
#include "core/metric.h"
#include "core/reactor.h"
#include "net/source/inject_conn.h"
#include "net/source/inject_smtp.h"
#include "tests/unit/net/source/fake_spool.h"
#include "tests/unit/net/source/inject_stage.h"

/* --- claims --------------------------------------------------------------------------------------- */

static void a_session_goes_its_way(void **state)
{
	struct client *c = client_begin_data();
	static const char body[] = "Subject: x\r\n\r\nbody\r\n.\r\n";

	(void)state;
	finishes_commits = false;
	client_send(c, body, sizeof(body) - 1);
	TURN_UNTIL(fake_spool.committing == 1);
	turns(20);
	assert_int_equal(c->len, 0);		/* no 250 before the disk */
	finishes_commits = true;
	expect(c, "250 2.0.0 Ok: queued as ABC000\r\n");
	ask(c, "QUIT\r\n", "221 2.0.0");
	TURN_UNTIL(c->eof);
	TURN_UNTIL(inject->conns.used == 0);
	assert_int_equal(fake_spool.count, 1);
	assert_true(slice_eq(fake_spool_body(&fake_spool.messages[0]), SLICE("Subject: x\r\n\r\nbody\r\n")));
	assert_true(fake_log_contains(
		"disconnect from unknown[127.0.0.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n"));
	assert_false(fake_log_contains("reply not delivered"));
}

static void replies_of_a_turn_leave_together(void **state)
{
	struct client *c = client_hello();
	static const char group[] = "NOOP\r\nMAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nRCPT TO:<c@test>\r\nRSET\r\n";

	(void)state;
	c->reads = 0;
	client_send(c, group, sizeof(group) - 1);
	expect(c, "250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n");
}

static void a_unix_socket_works_the_same(void **state)
{
	struct client *c = client_connect(1);

	(void)state;
	ask(c, "", "220");
	ask(c, "EHLO x\r\n", "250");
	ask(c, "MAIL FROM:<a@test>\r\n", "250");
	ask(c, "RCPT TO:<b@test>\r\n", "250");
	ask(c, "BDAT 3 LAST\r\nabc", "250 2.0.0 Ok: queued");
	assert_true(fake_log_contains("client=localhost[local]\n"));
}

/* A client that has said all it had to say and closes its side at once: what it said last may come without F_MORE, or
 * together with the end, and is heard all the same. Several clients at a time make several orders of events. */
static void who_sends_and_shuts_down_is_heard_out(void **state)
{
	static const char all[] = "MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nBDAT 3 LAST\r\nabcQUIT\r\n";
	static const char ends[] = "221 2.0.0 Bye\r\n";
	struct client *c[4];

	(void)state;
	fake_spool.forgets = true;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 4; i++) {
			c[i] = client_connect(1);
			ask(c[i], "", "220");
			ask(c[i], "EHLO x\r\n", "250");
		}
		for (unsigned i = 0; i < 4; i++) {
			if (i % 2 != 0)
				turns(round % 3);
			client_send(c[i], all, sizeof(all) - 1);
			assert_int_equal(shutdown(c[i]->fd, SHUT_WR), 0);
		}
		for (unsigned i = 0; i < 4; i++) {
			TURN_UNTIL(c[i]->eof);
			assert_non_null(strstr(c[i]->in, "250 2.0.0 Ok: queued as "));
			assert_string_equal(c[i]->in + c[i]->len - strlen(ends), ends);
			vanish(c[i]);
		}
	}
}

static void who_speaks_before_the_greeting_is_closed(void **state)
{
	struct client *c = client_connect(0);

	(void)state;
	client_send(c, "EHLO x\r\n", 8);
	TURN_UNTIL(c->eof);
	assert_true(strncmp(c->in, "554 5.5.0", 9) == 0);
	TURN_UNTIL(inject->conns.used == 0 || (vanish(c), false));
}

/* --- LIS-06 --------------------------------------------------------------------------------------- */

/* '|' stands where the client waits for all replies. */
static const char *const dialogues[] = {
	"|EHLO x\r\n|MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n|Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n",
	"|EHLO x\r\n|MAIL FROM:<a@test>\r\n|RCPT TO:<b@test>\r\n|DATA\r\n|..\r\n\r\n.\r\n|QUIT\r\n",
	"|EHLO x\r\n|MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nBDAT 3\r\nabcBDAT 4 LAST\r\n.\r\nxQUIT\r\n",
	"|HELO x\r\n|MAIL FROM:<a@test>\r\n|RCPT TO:<b@test>\r\n|DATA\r\n|x\r\n.\r\n|RSET\r\n|QUIT\r\n",
	("|EHLO x\r\n|MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n|1\r\n.\r\nMAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n"
	 "|2\r\n.\r\nQUIT\r\n"),
};

/* Messages that are whole within the first len octets: an independent look at the dialogue. */
static unsigned whole_messages(const char *dialogue, size_t len)
{
	static const char *const ends[] = { "\r\n.\r\n", ".\r\nx" };
	unsigned n = 0;

	for (size_t i = 5; i <= len; i++)
		n += memcmp(dialogue + i - 5, ends[0], 5) == 0;
	/* The one with BDAT has its end in the fourth octet behind LAST. */
	const char *last = strstr(dialogue, "LAST\r\n");

	return last == NULL ? n : (size_t)(last - dialogue) + 10 <= len;
}

static unsigned expected_replies(const char *dialogue, size_t len)
{
	unsigned replies = 1;		/* the greeting */
	bool content = false;

	/* Lines, but those of content; a dot ends it. */
	for (const char *line = dialogue; line < dialogue + len;) {
		const char *end = strchr(line, '\n');

		if (end == NULL || end >= dialogue + len)
			break;
		if (*line == '|')
			line++;
		if (content && memcmp(line, ".\r\n", 3) == 0)
			content = false;
		if (!content)
			replies++;
		if (memcmp(line, "DATA\r\n", 6) == 0)
			content = true;
		line = end + 1;
	}
	return replies;
}

enum leaving { LEAVES_CLOSING, LEAVES_HALF, LEAVES_RESETTING };

static void leave(struct client *c, enum leaving how)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (how == LEAVES_HALF) {
		assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
		return;
	}
	if (how == LEAVES_RESETTING) {
		turns(3);		/* a reset throws away what has not been read */
		assert_int_equal(setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), 0);
	}
	vanish(c);
}

static void play_until(const char *dialogue, size_t len, enum leaving how)
{
	struct client *c = client_connect(0);
	uint64_t before = fake_spool.total;
	const char *end = dialogue + len;

	finishes_commits = true;
	for (const char *at = dialogue; at < end;) {
		const char *bar = memchr(at, '|', (size_t)(end - at));
		const char *stop = bar != NULL ? bar : end;

		/* The last piece is not waited for: the client goes while its message is on its way to the disk. */
		finishes_commits = bar != NULL;
		client_send(c, at, (size_t)(stop - at));
		at = stop;
		if (bar != NULL) {
			unsigned want = expected_replies(dialogue, (size_t)(bar - dialogue));

			TURN_UNTIL(replies_of(c) >= want);
			at++;
		}
	}
	leave(c, how);
	for (unsigned n = 0; inject->conns.used > 0; n++) {
		turn();
		if (n > 1)
			finishes_commits = true;
		assert_true(n < 5000);
	}
	assert_int_equal(fake_spool.total - before, whole_messages(dialogue, len));
	assert_int_equal(fake_spool.drafts, 0);
	vanish(c);
}

static void vanishing_clients_queue_what_is_whole(enum leaving how)
{
	fake_spool.forgets = true;
	for (unsigned i = 0; i < ARRAY_LEN(dialogues); i++)
		for (size_t len = 0; len <= strlen(dialogues[i]); len++)
			play_until(dialogues[i], len, how);
	assert_int_equal(io_bufs_free(), BUFS);
}

static void closing_clients(void **state)
{
	(void)state;
	vanishing_clients_queue_what_is_whole(LEAVES_CLOSING);
	assert_true(fake_log_contains("reply not delivered to unknown[127.0.0.1]: "));
}

static void half_closing_clients(void **state)
{
	(void)state;
	vanishing_clients_queue_what_is_whole(LEAVES_HALF);
}

static void resetting_clients(void **state)
{
	(void)state;
	vanishing_clients_queue_what_is_whole(LEAVES_RESETTING);
	assert_true(fake_log_contains("reply not delivered to unknown[127.0.0.1]: "));
}

static void a_half_closed_client_is_answered(void **state)
{
	struct client *c = client_begin_data();

	(void)state;
	finishes_commits = false;
	client_send(c, "x\r\n.\r\nNOOP\r\n", 12);
	assert_int_equal(shutdown(c->fd, SHUT_WR), 0);
	TURN_UNTIL(fake_spool.committing == 1);
	turns(5);
	finishes_commits = true;
	expect(c, "250 2.0.0 Ok: queued as ABC000\r\n250 2.0.0 Ok\r\n");
	TURN_UNTIL(c->eof);
}

/* --- backpressure ----------------------------------------------------------------------------------- */

static void a_waiting_session_holds_few_buffers(void **state)
{
	static char flood[400000];
	struct client *c = client_begin_data();
	struct str text = STR(flood);
	size_t sent = 0;
	int size = 1 << 20;

	(void)state;
	params.smtpd_recipient_limit = 1;
	str_add(&text, SLICE("MAIL FROM:<a@test>\r\n"));
	while (text.len + 20 < text.cap)
		str_add(&text, SLICE("RCPT TO:<b@test>\r\n"));
	finishes_commits = false;
	(void)setsockopt(c->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	client_send(c, "x\r\n.\r\n", 6);
	TURN_UNTIL(fake_spool.committing == 1);
	for (unsigned quiet = 0; quiet < 50 && sent < text.len;) {
		ssize_t n = send(c->fd, flood + sent, text.len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		quiet = n > 0 ? 0 : quiet + 1;
		sent += n > 0 ? (size_t)n : 0;
		turn();
		/* What was under way when the receive was cancelled still comes. */
		assert_true(io_bufs_free() >= BUFS - INJECT_HELD_MAX - 32);
	}
	turns(20);
	size_t held = BUFS - io_bufs_free();

	assert_true(held >= 1);
	turns(20);
	assert_int_equal(BUFS - io_bufs_free(), held);		/* nobody reads any more */
	finishes_commits = true;
	client_send(c, flood + sent, text.len - sent);
	TURN_UNTIL(replies_of(c) == 2 + (text.len - 20) / 18);
	assert_true(strncmp(c->in, "250 2.0.0 Ok: queued as ABC000\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n452 4.5.3",
			    65) == 0);
	assert_int_equal(io_bufs_free(), BUFS);
}

static void a_full_journal_stops_the_client_and_loses_nothing(void **state)
{
	static char text[60000];
	struct client *c = client_begin_data();
	size_t len = sizeof(text) - 5;

	(void)state;
	for (size_t i = 0; i < len; i++)
		text[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : (char)('a' + i / 70 % 26);
	memcpy(text + len, "\r\n.\r\n", 5);
	/* Lines are 70 octets; the last one is not whole, and ended by the first of our five. */
	fake_spool.no_room = 40;
	client_send(c, text, sizeof(text));
	for (unsigned n = 0; fake_spool.count == 0; n++) {
		turn();
		(void)fake_spool_give_room();
		assert_true(n < 10000);
	}
	TURN_UNTIL(replies_of(c) == 1);
	assert_true(slice_eq(fake_spool_body(&fake_spool.messages[0]), slice_of(text, sizeof(text) - 3)));
	assert_int_equal(io_bufs_free(), BUFS);
}

/* Row SPL-08: the disk stands still, and everybody goes on sending. */
static void others_always_find_a_buffer(void **state)
{
	static char text[30000];
	struct client *all[40];
	size_t sent[40] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(text) - 5; i++)
		text[i] = i % 70 == 68 ? '\r' : i % 70 == 69 ? '\n' : 'a';
	memcpy(text + sizeof(text) - 5, "\r\n.\r\n", 5);
	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		all[i] = client_begin_data();
	fake_spool.no_room = UINT32_MAX;
	for (unsigned round = 0; round < 100; round++) {
		for (unsigned i = 0; i < ARRAY_LEN(all); i++) {
			size_t left = sizeof(text) - sent[i];
			ssize_t n = send(all[i]->fd, text + sent[i], MIN(left, (size_t)3000),
					 MSG_DONTWAIT | MSG_NOSIGNAL);

			sent[i] += n > 0 ? (size_t)n : 0;
		}
		turn();
		/* A buffer more for what was on its way when the pause began, at most one a connection and turn. */
		assert_true(io_bufs_free() >= BUFS / 8);
	}
	assert_true(inject->paused);
	assert_true(inject->held_total >= BUFS / 2);
	fake_spool.no_room = 0;
	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		while (sent[i] < sizeof(text)) {
			ssize_t n =
				send(all[i]->fd, text + sent[i], sizeof(text) - sent[i], MSG_DONTWAIT | MSG_NOSIGNAL);

			sent[i] += n > 0 ? (size_t)n : 0;
			(void)fake_spool_give_room();
			turn();
		}
	TURN_UNTIL(fake_spool.total == ARRAY_LEN(all) || (fake_spool_give_room(), false));
	for (unsigned i = 0; i < fake_spool.count; i++)
		assert_true(slice_eq(fake_spool_body(&fake_spool.messages[i]), slice_of(text, sizeof(text) - 3)));
	assert_false(inject->paused);
	assert_int_equal(io_bufs_free(), BUFS);
}

static void who_goes_while_waiting_for_room_leaves_nothing(void **state)
{
	static char text[20000];
	struct client *c = client_begin_data();

	(void)state;
	memset(text, 'a', sizeof(text));
	fake_spool.no_room = 1000;
	client_send(c, text, sizeof(text));
	TURN_UNTIL(fake_spool.waiting_for_room == 1);
	turns(3);
	leave(c, LEAVES_RESETTING);
	TURN_UNTIL(inject->conns.used == 0 || (fake_spool_give_room(), false));
	assert_int_equal(fake_spool.drafts, 0);
	assert_int_equal(fake_spool.waiting_for_room, 0);
	assert_int_equal(io_bufs_free(), BUFS);
}

static void who_does_not_read_is_not_served(void **state)
{
	static char flood[18 * 1000];
	struct client *c = client_hello();
	uint64_t deadline;

	(void)state;
	for (size_t i = 0; i < sizeof(flood); i += 18)
		memcpy(flood + i, "RCPT TO:<b@test>\r\n", 18);
	ask(c, "MAIL FROM:<a@test>\r\n", "250");
	params.smtpd_timeout_ns = 300 * NS_PER_MS;
	int fd = c->fd;

	c->fd = -1;		/* nobody reads */
	deadline = clock_mono_ns() + 20 * NS_PER_SEC;
	while (inject->conns.used > 0) {
		assert_true(clock_mono_ns() < deadline);
		(void)send(fd, flood, sizeof(flood), MSG_DONTWAIT | MSG_NOSIGNAL);
		turn();
	}
	(void)close(fd);
}

/* --- deadlines -------------------------------------------------------------------------------------- */

static void silence_ends_with_421(void **state)
{
	(void)state;
	params.smtpd_timeout_ns = 100 * NS_PER_MS;
	struct client *idle = client_hello();
	struct client *data = client_begin_data();

	TURN_UNTIL(idle->eof && data->eof);
	assert_true(strncmp(idle->in, "421 4.4.2", 9) == 0);
	assert_true(strncmp(data->in, "421 4.4.2", 9) == 0);
	vanish(idle);
	vanish(data);
	TURN_UNTIL(inject->conns.used == 0);
	assert_int_equal(fake_spool.drafts, 0);
}

static void a_drip_gains_no_time(void **state)
{
	uint64_t begun;

	(void)state;
	params.smtpd_timeout_ns = 300 * NS_PER_MS;
	struct client *c = client_hello();

	begun = clock_mono_ns();
	while (!c->eof) {
		(void)send(c->fd, "N", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
		turns(5);
		assert_true(clock_mono_ns() - begun < 5 * NS_PER_SEC);
	}
	assert_true(strncmp(c->in, "421 4.4.2", 9) == 0);
}

static void the_disk_may_take_its_time(void **state)
{
	uint64_t begun;

	(void)state;
	params.smtpd_timeout_ns = 50 * NS_PER_MS;
	struct client *c = client_begin_data();

	finishes_commits = false;
	client_send(c, "x\r\n.\r\n", 6);
	begun = clock_mono_ns();
	while (clock_mono_ns() - begun < 200 * NS_PER_MS)
		turn();
	assert_false(c->eof);
	finishes_commits = true;
	TURN_UNTIL(replies_of(c) >= 1);
	assert_true(strncmp(c->in, "250 2.0.0", 9) == 0);
}

/* --- limits ----------------------------------------------------------------------------------------- */

static void connections_have_a_bound(void **state)
{
	(void)state;
	params.inject_connection_limit = 3;
	struct client *first = client_hello();

	(void)client_hello();
	(void)client_hello();
	struct client *fourth = client_connect(0);

	TURN_UNTIL(fourth->eof);
	assert_true(strncmp(fourth->in, "421 4.7.0 Too many connections\r\n", 32) == 0);
	vanish(fourth);
	ask(first, "QUIT\r\n", "221");
	vanish(first);
	TURN_UNTIL(inject->conns.used == 2);
	(void)client_hello();
}

static void an_address_has_a_bound(void **state)
{
	(void)state;
	params.smtpd_client_event_limit_exceptions.count = 0;
	params.smtpd_client_connection_count_limit = 2;
	struct client *first = client_hello();

	(void)client_hello();
	struct client *third = client_connect(0);

	TURN_UNTIL(third->eof);
	assert_true(strncmp(third->in, "421 4.7.0", 9) == 0);
	vanish(third);
	vanish(first);
	TURN_UNTIL(inject->conns.used == 1);
	(void)client_hello();
	params.smtpd_client_event_limit_exceptions.count = 1;
	(void)client_hello();		/* those of the exceptions are not counted */
}

static void the_memory_of_many_is_bounded(void **state)
{
	struct rusage before, after;

	(void)state;
	assert_int_equal(getrusage(RUSAGE_SELF, &before), 0);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 40; i++)
			(void)client_hello();
		for (unsigned i = 0; i < CLIENTS; i++)
			vanish(&clients[i]);
		TURN_UNTIL(inject->conns.used == 0);
	}
	assert_int_equal(getrusage(RUSAGE_SELF, &after), 0);
	assert_true(after.ru_maxrss - before.ru_maxrss < 8192);	/* KiB: 40 connections and what the clients keep */
	assert_true(inject->conns.used_max <= 40);
}

/* --- the end ---------------------------------------------------------------------------------------- */

static void shutting_down_answers_all(void **state)
{
	struct client *idle = client_hello();
	struct client *data = client_begin_data();
	struct client *commit = client_begin_data();
	static const char body[] = "x\r\n.\r\nMAIL FROM:<next@test>\r\n";

	(void)state;
	finishes_commits = false;
	client_send(commit, body, sizeof(body) - 1);
	TURN_UNTIL(fake_spool.committing == 1);
	closed = false;
	inject_close(inject, on_closed, &closed);
	assert_false(closed);
	TURN_UNTIL(idle->eof && data->eof);
	assert_string_equal(idle->in, "421 4.3.2 Service is shutting down\r\n");
	assert_string_equal(data->in, "421 4.3.2 Service is shutting down\r\n");
	assert_false(commit->eof);
	assert_int_equal(commit->len, 0);
	finishes_commits = true;
	TURN_UNTIL(commit->eof);
	assert_string_equal(commit->in, "250 2.0.0 Ok: queued as ABC001\r\n421 4.3.2 Service is shutting down\r\n");
	vanish(idle);
	vanish(data);
	vanish(commit);
	TURN_UNTIL(closed);
	assert_int_equal(fake_spool.total, 1);
	inject_free(&inject);
	assert_null(inject);
}

static void last_words_arrive_although_more_was_sent(void **state)
{
	static char text[200000];
	struct client *c = client_begin_data();

	(void)state;
	memset(text, 'a', sizeof(text));
	text[1000] = '\n';
	/* A reset at once would wipe the answer out on its way. */
	client_send(c, text, sizeof(text));
	TURN_UNTIL(c->eof);
	assert_true(strncmp(c->in, "550 5.6.11", 10) == 0);
	assert_int_equal(fake_spool.total, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
#define CASE(words, fn) CLAIM_WITH(words, fn, inject_stage_setup, inject_stage_teardown)
		CASE("a session goes its way, and 250 comes from the commit alone", a_session_goes_its_way),
		CASE("replies of one group leave in order and whole", replies_of_a_turn_leave_together),
		CASE("a unix socket works the same", a_unix_socket_works_the_same),
		CASE("URG-23: who sends all over a unix socket and shuts down at once is heard out",
		     who_sends_and_shuts_down_is_heard_out),
		CASE("LIS-03: who speaks before the greeting is closed", who_speaks_before_the_greeting_is_closed),
		CASE("LIS-06: a client that closes after any octet of five dialogues queues what was whole",
		     closing_clients),
		CASE("LIS-06: so does one that closes its side only", half_closing_clients),
		CASE("LIS-06: so does one that resets", resetting_clients),
		CASE("LIS-06: one that closed its side only is answered", a_half_closed_client_is_answered),
		CASE("a session that waits for the disk holds few buffers, and its client is answered in order",
		     a_waiting_session_holds_few_buffers),
		CASE("a full journal stops the client and loses nothing",
		     a_full_journal_stops_the_client_and_loses_nothing),
		CASE("SPL-08: when the disk stands still, all together hold half of the buffers, and nothing is lost",
		     others_always_find_a_buffer),
		CASE("who goes while waiting for room leaves nothing",
		     who_goes_while_waiting_for_room_leaves_nothing),
		CASE("who does not read our replies is not served for ever", who_does_not_read_is_not_served),
		CASE("silence ends with 421, in commands and in content", silence_ends_with_421),
		CASE("LIS-02: a drip gains no time", a_drip_gains_no_time),
		CASE("the disk may take longer than the client may", the_disk_may_take_its_time),
		CASE("inject_connection_limit is exact, and ends when somebody leaves", connections_have_a_bound),
		CASE("smtpd_client_connection_count_limit counts by address, exceptions not", an_address_has_a_bound),
		CASE("LIS-02: the memory of many connections is that of the most at one time",
		     the_memory_of_many_is_bounded),
		CASE("shutting down answers all, and first those on their way to the disk",
		     shutting_down_answers_all),
		CASE("the last words arrive although more was sent", last_words_arrive_although_more_was_sent),
	};

	return cmocka_run_group_tests_name("net/source/inject_smtp", claims, NULL, NULL);
}
