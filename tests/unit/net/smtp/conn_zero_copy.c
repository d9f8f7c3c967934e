/* conn.c over a ring by hand: sends that are not copied, and who owns their octets when (rows URG-15, URG-16) */
#include <errno.h>

#include "tests/test.h"
#include "tests/unit/core/fake_ring.h"

#include "core/reactor.h"
#include "core/xcall.h"
#include "net/smtp/conn.h"

#define PIECES		3u
#define PIECE_SIZE	KIB(16)
#define STEPS_MAX	64u

enum { RESULT_OK, RESULT_SHORT, RESULT_ERR, RESULT_COUNT };

static struct reactor reactor;
static struct zero_copy zero_copy;
static struct conn conn;
static char commands[CONN_OUT];
static char pieces[PIECES][PIECE_SIZE];
static unsigned sent[PIECES];
static unsigned drained, lost, closed;
static int opened;

/* --- the owner of the connection -------------------------------------------------------------------------------- */

static bool is_uncopied(const struct fake_op *op)
{
	return op->used && op->sqe.opcode == IORING_OP_SEND_ZC;
}

/* Does the kernel have anything of this piece? */
static bool is_held(unsigned piece)
{
	for (unsigned i = 0; i < FAKE_OPS; i++) {
		const char *addr = (const char *)(uintptr_t)fake.ops[i].sqe.addr;

		if (is_uncopied(&fake.ops[i]) && addr >= pieces[piece] && addr < pieces[piece] + PIECE_SIZE)
			return true;
	}
	return false;
}

static void on_open(struct conn *c, int err)
{
	(void)c;
	opened = err == 0 ? 1 : err;
}

static void on_data(struct conn *c, struct slice data)
{
	(void)c;
	(void)data;
}

static void on_sent(struct conn *c, uint8_t tag)
{
	(void)c;
	for (unsigned i = 0; i < PIECES; i++) {
		if ((tag & BIT(i)) == 0)
			continue;
		sent[i]++;
		assert_int_equal(sent[i], 1);
		assert_false(is_held(i));
	}
}

static void on_progress(struct conn *c)
{
	assert_int_equal(c->state, CONN_OPEN);
}

static void on_drained(struct conn *c)
{
	(void)c;
	drained++;
}

static void on_lost(struct conn *c, int err)
{
	(void)err;
	lost++;
	conn_close(c);
}

static void on_closed(struct conn *c)
{
	(void)c;
	closed++;
	for (unsigned i = 0; i < PIECES; i++)
		assert_false(is_held(i));
}

static const struct conn_events events = {
	.on_open = on_open, .on_data = on_data, .on_sent = on_sent, .on_progress = on_progress,
	.on_drained = on_drained, .on_lost = on_lost, .on_closed = on_closed,
};

/* --- the kernel ------------------------------------------------------------------------------------------------- */

static void turn(void)
{
	assert_int_equal(io_wait(0), 0);
	(void)io_run_completions();
	assert_int_equal(io_wait(0), 0);	/* what that has started is in the kernel's hands */
}

/* Everything but sends, until nothing moves. */
static void finish_others(void)
{
	bool any = true;

	for (unsigned n = 0; any; n++) {
		assert_true(n < 100);
		any = false;
		turn();
		for (unsigned i = 0; i < FAKE_OPS; i++) {
			struct fake_op *op = &fake.ops[i];

			if (!op->used)
				continue;
			if (op->sqe.opcode == IORING_OP_ASYNC_CANCEL) {
				struct fake_op *recv = fake_find(IORING_OP_RECV, -1);

				fake_finish(op, 0, 0);
				if (recv != NULL)
					fake_finish(recv, -ECANCELED, 0);
				any = true;
				break;
			}
			if (op->sqe.opcode == IORING_OP_CONNECT || op->sqe.opcode == IORING_OP_SHUTDOWN ||
			    op->sqe.opcode == IORING_OP_CLOSE) {
				fake_finish(op, 0, 0);
				any = true;
				break;
			}
		}
	}
}

static struct fake_op *unanswered(void)
{
	for (unsigned i = 0; i < FAKE_OPS; i++)
		if (is_uncopied(&fake.ops[i]) && !fake.ops[i].zc_done)
			return &fake.ops[i];
	return fake_find(IORING_OP_SEND, -1) != NULL ? fake_find(IORING_OP_SEND, -1) :
						       fake_find(IORING_OP_SENDMSG, -1);
}

/* The n-th that has its result and waits for its notification; NULL: there are not so many. */
static struct fake_op *notifiable(unsigned n)
{
	for (unsigned i = 0; i < FAKE_OPS; i++)
		if (is_uncopied(&fake.ops[i]) && fake.ops[i].zc_done && n-- == 0)
			return &fake.ops[i];
	return NULL;
}

static void answer(struct fake_op *op, int res, bool more)
{
	fake_finish(op, res, more ? IORING_CQE_F_MORE : 0);
}

static size_t size_of(const struct fake_op *op)
{
	if (op->sqe.opcode != IORING_OP_SENDMSG)
		return op->sqe.len;
	const struct msghdr *msg = (const void *)(uintptr_t)op->sqe.addr;
	size_t size = 0;

	for (size_t i = 0; i < msg->msg_iovlen; i++)
		size += msg->msg_iov[i].iov_len;
	return size;
}

/* --- setup ------------------------------------------------------------------------------------------------------ */

static void begin(size_t limit)
{
	const struct io_conf io = { .files_max = 64, .arena_size = 0, .recv_bufs = 4 };
	static struct addr remote;

	fake_reset(1);
	fake.manual = true;
	fake.calm = true;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	memset(sent, 0, sizeof(sent));
	drained = lost = closed = 0;
	opened = 0;
	memset(&conn, 0, sizeof(conn));
	zero_copy_init(&zero_copy, PIECE_SIZE / 4, limit);
	remote = (struct addr){ .len = sizeof(remote.in) };
	remote.in.sin_family = AF_INET;
	remote.in.sin_port = htons(25);
	conn_open(&conn, &events, &remote, NULL, &zero_copy);
	conn_lend(&conn, commands);
	for (unsigned i = 0; opened == 0; i++) {
		assert_true(i < 20);
		turn();
		(void)fake_work();
	}
	assert_int_equal(opened, 1);
}

static void end(void)
{
	if (conn.state != CONN_CLOSING && conn.state != CONN_CLOSED)
		conn_close(&conn);
	finish_others();
	while (unanswered() != NULL) {
		answer(unanswered(), -ECANCELED, false);
		finish_others();
	}
	while (notifiable(0) != NULL) {
		assert_int_equal(closed, 0);
		fake_finish(notifiable(0), 0, IORING_CQE_F_NOTIF);
		finish_others();
	}
	assert_int_equal(closed, 1);
	assert_int_equal(zero_copy.pinned, 0);
	reactor_close(&reactor);
	xcall_stop();
}

static void peer_is(enum zero_copy_word word)
{
	conn.peer->word = word;
	conn.peer->until_ns = UINT64_MAX;
}

static void add_all(void)
{
	for (unsigned i = 0; i < PIECES; i++)
		conn_add(&conn, pieces[i], PIECE_SIZE, (uint8_t)BIT(i));
	conn_flush(&conn);
	turn();
}

/* --- every order ------------------------------------------------------------------------------------------------ */

/* One run is a row of choices; the next one changes the last choice that can be changed. */
static struct {
	unsigned choice[STEPS_MAX];
	unsigned of[STEPS_MAX];
	unsigned depth;
} path;

static unsigned choose(unsigned count)
{
	const unsigned at = path.depth++;

	assert_true(at < STEPS_MAX);
	path.of[at] = count;
	return path.choice[at];
}

static bool next_path(void)
{
	while (path.depth > 0 && path.choice[path.depth - 1] + 1 == path.of[path.depth - 1])
		path.choice[--path.depth] = 0;
	if (path.depth == 0)
		return false;
	path.choice[path.depth - 1]++;
	path.depth = 0;
	return true;
}

static unsigned notifiables(void)
{
	unsigned n = 0;

	while (notifiable(n) != NULL)
		n++;
	return n;
}

/* False: nothing is left to choose. */
static bool step(unsigned *answers, bool *failed)
{
	struct fake_op *send = unanswered();
	const unsigned results = send == NULL ? 0 : *answers < 3 ? 2 * RESULT_COUNT : 1;
	const unsigned options = results + notifiables();

	if (options == 0)
		return false;
	unsigned c = choose(options);

	if (c >= results) {
		fake_finish(notifiable(c - results), c % 2 ? (int)IORING_NOTIF_USAGE_ZC_COPIED : 0, IORING_CQE_F_NOTIF);
		turn();
		return true;
	}
	const bool more = send->sqe.opcode == IORING_OP_SEND_ZC && c / RESULT_COUNT == 1;
	const size_t size = size_of(send);

	++*answers;
	*failed |= c % RESULT_COUNT == RESULT_ERR && results > 1;
	if (results == 1)
		answer(send, (int)size, false);
	else if (c % RESULT_COUNT == RESULT_ERR)
		answer(send, -ETIMEDOUT, more);
	else
		answer(send, c % RESULT_COUNT == RESULT_SHORT ? (int)(size / 2) : (int)size, more);
	turn();
	return true;
}

static void octets_are_the_kernels_until_it_lets_go(void **state)
{
	unsigned runs = 0;

	(void)state;
	memset(&path, 0, sizeof(path));
	do {
		unsigned answers = 0;
		bool failed = false;

		begin(MIB(1));
		peer_is(ZERO_COPY_WORKS);
		add_all();
		while (step(&answers, &failed))
			assert_true(unanswered() == NULL || !failed || conn.state == CONN_CLOSING);
		finish_others();
		if (!failed) {
			for (unsigned i = 0; i < PIECES; i++)
				assert_int_equal(sent[i], 1);
			assert_true(conn_is_drained(&conn) && !conn_is_held(&conn));
			assert_int_equal(conn.octets_sent, PIECES * PIECE_SIZE);
			assert_int_equal(zero_copy.pinned, 0);
			assert_int_equal(lost, 0);
		} else {
			assert_int_equal(lost, 1);
		}
		end();
		runs++;
	} while (next_path());
	print_message("%u orders\n", runs);
	assert_true(runs > 900);
}

/* --- decisions -------------------------------------------------------------------------------------------------- */

static void what_is_copied_all_the_same_is_copied_at_once(void **state)
{
	(void)state;
	begin(MIB(1));
	add_all();
	struct fake_op *op = fake_find(IORING_OP_SEND_ZC, -1);

	assert_non_null(op);			/* the question */
	answer(op, PIECE_SIZE, true);
	turn();
	assert_non_null(fake_find(IORING_OP_SENDMSG, -1));	/* while the answer is out: copies */
	fake_finish(op, (int)IORING_NOTIF_USAGE_ZC_COPIED, IORING_CQE_F_NOTIF);
	turn();
	assert_int_equal(sent[0], 1);
	assert_int_equal(conn.peer->word, ZERO_COPY_COPIES);
	answer(unanswered(), 2 * PIECE_SIZE, false);
	turn();
	assert_true(conn_is_drained(&conn));
	conn_add(&conn, pieces[0], PIECE_SIZE, 0);
	conn_flush(&conn);
	turn();
	assert_null(fake_find(IORING_OP_SEND_ZC, -1));
	answer(unanswered(), PIECE_SIZE, false);
	turn();
	conn.peer->until_ns = 0;		/* long ago */
	conn_add(&conn, pieces[0], PIECE_SIZE, 0);
	conn_flush(&conn);
	turn();
	assert_non_null(fake_find(IORING_OP_SEND_ZC, -1));
	end();
}

static void a_kernel_that_refuses_is_sent_copies(void **state)
{
	static const int errs[] = { -ENOMEM, -EOPNOTSUPP, -EINVAL };

	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(errs); i++) {
		begin(MIB(1));
		peer_is(ZERO_COPY_WORKS);
		add_all();
		answer(fake_find(IORING_OP_SEND_ZC, -1), errs[i / 2], i % 2);
		turn();
		assert_int_equal(lost, 0);
		assert_null(unanswered()->zc_done ? unanswered() : NULL);
		assert_int_equal(unanswered()->sqe.opcode, IORING_OP_SENDMSG);
		assert_int_equal(size_of(unanswered()), PIECES * PIECE_SIZE);
		answer(unanswered(), PIECES * PIECE_SIZE, false);
		turn();
		assert_int_equal(sent[0], i % 2 ? 0 : 1);	/* what it refused, it may hold all the same */
		if (i % 2) {
			fake_finish(notifiable(0), 0, IORING_CQE_F_NOTIF);
			turn();
		}
		for (unsigned p = 0; p < PIECES; p++)
			assert_int_equal(sent[p], 1);
		end();
	}
}

/* A peer that does not read: an eighth of the limit is pinned for it, the rest is copied. */
static void what_is_pinned_is_bounded(void **state)
{
	(void)state;
	begin(8 * 2 * PIECE_SIZE);
	peer_is(ZERO_COPY_WORKS);
	add_all();
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(unanswered()->sqe.opcode, IORING_OP_SEND_ZC);
		answer(unanswered(), PIECE_SIZE, true);
		turn();
	}
	assert_int_equal(zero_copy.pinned, 2 * PIECE_SIZE);
	assert_int_equal(unanswered()->sqe.opcode, IORING_OP_SEND);
	answer(unanswered(), PIECE_SIZE, false);
	turn();
	assert_true(conn_is_drained(&conn) && conn_is_held(&conn));
	for (unsigned i = 0; i < PIECES; i++)
		assert_int_equal(sent[i], 0);		/* in order: the third has left, but the second is held */
	/* It may never read again: whoever closes does not wait for it. */
	conn_close(&conn);
	finish_others();
	assert_int_equal(closed, 0);
	assert_true(conn.resetting);
	end();
}

static void small_pieces_commands_and_unix_sockets_are_copied(void **state)
{
	static const struct addr local = { .un = { .sun_family = AF_UNIX } };
	struct str command;

	(void)state;
	begin(MIB(1));
	peer_is(ZERO_COPY_WORKS);
	conn_add(&conn, pieces[0], PIECE_SIZE / 4 - 1, 0);
	conn_flush(&conn);
	turn();
	assert_int_equal(unanswered()->sqe.opcode, IORING_OP_SEND);
	answer(unanswered(), PIECE_SIZE / 4 - 1, false);
	turn();
	command = conn_command(&conn, 16);
	str_add(&command, SLICE("NOOP\r\n"));
	conn_command_add(&conn, &command);
	conn_add(&conn, pieces[0], PIECE_SIZE, 0);
	conn_flush(&conn);
	turn();
	assert_int_equal(unanswered()->sqe.opcode, IORING_OP_SEND);	/* the command, and more to follow */
	assert_true(unanswered()->sqe.msg_flags & MSG_MORE);
	answer(unanswered(), 6, false);
	turn();
	assert_int_equal(unanswered()->sqe.opcode, IORING_OP_SEND_ZC);
	answer(unanswered(), PIECE_SIZE, false);
	turn();
	end();
	assert_null(zero_copy_peer(&zero_copy, &local));
	zero_copy_init(&zero_copy, 0, MIB(1));
	assert_null(zero_copy_peer(&zero_copy, &conn.remote));		/* zero_copy_threshold = 0 */
	assert_null(zero_copy_peer(NULL, &conn.remote));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("URG-15: octets are the kernel's until it lets go, in every order of three sends",
		      octets_are_the_kernels_until_it_lets_go),
		CLAIM("what the kernel copies all the same is copied at once, and asked about again later",
		      what_is_copied_all_the_same_is_copied_at_once),
		CLAIM("URG-16: a kernel that refuses is sent copies", a_kernel_that_refuses_is_sent_copies),
		CLAIM("URG-16: what one peer pins is bounded, and whoever closes does not wait for it",
		      what_is_pinned_is_bounded),
		CLAIM("small pieces, commands and unix sockets are copied",
		      small_pieces_commands_and_unix_sockets_are_copied),
	};

	return cmocka_run_group_tests_name("smtp/conn, zero copy", claims, NULL, NULL);
}
