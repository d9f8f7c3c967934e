#include "tests/unit/core/fake_talkers.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/unit/core/fake_ring.h"

#include "core/check.h"

#define STREAM_TO_SEND	3000u
#define CHUNK		400u
#define PIECES		3u

enum talker_state { TALKER_IDLE, TALKER_CONNECTING, TALKER_TALKING, TALKER_CLOSING };

struct talker {
	enum talker_state state;
	int file;
	uint16_t identity;
	uint64_t received;
	uint64_t sent;
	bool ended;			/* their stream */
	struct addr remote;
	struct op recv_op;
	struct op send_op;
	struct io_buf_waiter waiter;
	char out[CHUNK];
};

static struct {
	struct talker talkers[TALKERS_MAX];
	uint64_t to_begin;
	uint16_t next_identity;
	struct talkers_report report;
} world;

static void begin(struct talker *t);

static void finish_close(struct talker *t)
{
	if (t->recv_op.in_kernel || t->send_op.in_kernel)
		return;
	if (t->file >= 0)
		io_close(t->file);
	t->state = TALKER_IDLE;
	world.report.connections++;
	world.report.whole += t->ended && t->sent == STREAM_TO_SEND;
	begin(t);
}

static void close_talker(struct talker *t)
{
	if (t->state == TALKER_CLOSING) {
		finish_close(t);
		return;
	}
	t->state = TALKER_CLOSING;
	io_buf_wait_cancel(&t->waiter);
	io_cancel(&t->recv_op);
	io_cancel(&t->send_op);
	finish_close(t);
}

static void send_more(struct talker *t)
{
	struct iovec iov[PIECES];
	size_t len = (size_t)min_u64(CHUNK, STREAM_TO_SEND - t->sent);

	if (len == 0) {
		if (t->ended)
			close_talker(t);
		return;
	}
	for (size_t i = 0; i < len; i++)
		t->out[i] = fake_octet(t->identity, t->sent + i, false);
	switch (fake.chance(3)) {
	case 0:
		io_send(&t->send_op, t->file, t->out, len, 0);
		break;
	case 1:
		io_send_zc(&t->send_op, t->file, t->out, len, IO_SEND_MORE);
		break;
	default:
		for (unsigned i = 0; i < PIECES; i++)
			iov[i] = (struct iovec){ t->out + len * i / PIECES, len * (i + 1) / PIECES - len * i / PIECES };
		io_sendmsg(&t->send_op, t->file, iov, PIECES, 0);
	}
}

static void on_buf(struct io_buf_waiter *waiter)
{
	struct talker *t = container_of(waiter, struct talker, waiter);

	if (t->state == TALKER_TALKING)
		io_recv(&t->recv_op, t->file);
}

static void on_recv(struct op *op, int res)
{
	struct talker *t = container_of(op, struct talker, recv_op);

	for (int i = 0; i < res; i++)
		ASSERT(op->data.ptr[i] == fake_octet(t->identity, t->received++, true));
	if (res > 0)
		world.report.received += (uint64_t)res;
	if (t->state == TALKER_CLOSING) {
		finish_close(t);
	} else if (res > 0) {
		/* Not the last word of a multishot receive unless "more" says so (row URG-05). */
		if (!op->more)
			io_recv(op, t->file);
	} else if (res == -ENOBUFS) {
		io_buf_wait(&t->waiter);
	} else if (res == 0) {
		ASSERT(t->received == fake.stream_size);
		t->ended = true;
		if (!t->send_op.in_kernel)
			send_more(t);
	} else {
		close_talker(t);
	}
}

static void on_send(struct op *op, int res)
{
	struct talker *t = container_of(op, struct talker, send_op);
	bool by_chance = fake.chance(100) == 0 && !fake.calm;

	if (t->state == TALKER_CONNECTING) {
		if (res < 0) {
			close_talker(t);
			return;
		}
		t->state = TALKER_TALKING;
		io_recv(&t->recv_op, t->file);
		send_more(t);
		return;
	}
	if (res > 0)
		t->sent += (uint64_t)res;
	if (t->state == TALKER_CLOSING)
		finish_close(t);
	else if (res < 0 || by_chance)
		close_talker(t);
	else if (!op->in_kernel)
		send_more(t);
}

static void begin(struct talker *t)
{
	if (world.to_begin == 0)
		return;
	world.to_begin--;
	t->state = TALKER_CONNECTING;
	t->file = -1;
	t->identity = ++world.next_identity != 0 ? world.next_identity : ++world.next_identity;
	t->received = t->sent = 0;
	t->ended = false;
	t->remote = (struct addr){ .len = sizeof(t->remote.in) };
	t->remote.in.sin_family = AF_INET;
	t->remote.in.sin_port = htons(t->identity);
	op_init(&t->recv_op, on_recv);
	op_init(&t->send_op, on_send);
	t->waiter.fn = on_buf;
	list_init(&t->waiter.node);
	io_connect(&t->send_op, &t->remote, NULL, &t->file);
	/* Some are given up before the kernel has even seen them (row URG-22). */
	if (!fake.calm && fake.chance(20) == 0)
		close_talker(t);
}

/* The deadline of a connection that nobody answers. Returns whether somebody is still connecting. */
static bool give_up_some(unsigned count)
{
	bool connecting = false;

	for (unsigned i = 0; i < count; i++) {
		struct talker *t = &world.talkers[i];

		if (t->state != TALKER_CONNECTING)
			continue;
		if (!fake.calm && fake.chance(30) == 0)
			close_talker(t);
		else
			connecting = true;
	}
	return connecting;
}

bool talkers_run(unsigned count, uint64_t connections, uint64_t turns_max, struct talkers_report *ret_report)
{
	ASSERT(count <= TALKERS_MAX);
	memset(&world, 0, sizeof(world));
	world.to_begin = connections;
	for (unsigned i = 0; i < count; i++)
		begin(&world.talkers[i]);
	while (world.report.connections < connections && world.report.turns < turns_max) {
		world.report.turns++;
		bool timers = give_up_some(count) || fake.chance(4) != 0;

		ASSERT(io_wait(timers ? fake.clock_ns + NS_PER_MS : UINT64_MAX) == 0);
		(void)io_run_completions();
	}
	*ret_report = world.report;
	return world.report.connections == connections;
}
