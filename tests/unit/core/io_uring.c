/* The seam on the real kernel: sockets, buffers, files, cancellation, accept loops. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/test.h"

#include "core/clock.h"
#include "core/listener.h"
#include "core/reactor.h"

static struct reactor reactor;
static char dir[] = "/tmp/ringpost-io.XXXXXX";

static void turn_until(bool *done)
{
	uint64_t deadline = clock_mono_ns() + 5 * NS_PER_SEC;

	while (!*done) {
		assert_true(clock_mono_ns() < deadline);
		assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + 10 * NS_PER_MS), 0);
	}
}

static void turns(unsigned n)
{
	while (n-- > 0)
		assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + NS_PER_MS), 0);
}

static bool plain_sockets;

static int setup(void **state)
{
	const struct io_conf conf = {
		.core = 0, .files_max = 256, .arena_size = MIB(1), .recv_bufs = 8, .plain_sockets = plain_sockets,
	};

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

/* --- a pair of connected files ---------------------------------------------------------------- */

struct result {
	struct op op;
	int res;
	bool done;
};

static void on_result(struct op *op, int res)
{
	struct result *r = container_of(op, struct result, op);

	r->res = res;
	r->done = true;
}

static struct result fresh(void)
{
	struct result r = { .done = false };

	op_init(&r.op, on_result);
	return r;
}

static struct {
	struct listener listener;
	int accepted;
	struct addr peer;
	bool has_accepted;
	bool has_closed;
} server;

static void on_accept(struct listener *l, int file, const struct addr *peer)
{
	(void)l;
	server.accepted = file;
	server.peer = *peer;
	server.has_accepted = true;
}

static void on_listener_closed(struct listener *l)
{
	(void)l;
	server.has_closed = true;
}

static uint16_t next_port(void)
{
	static uint16_t port;

	if (port == 0)
		port = (uint16_t)(20000 + getpid() % 10000);
	return port++;
}

static struct addr listen_somewhere(void)
{
	struct addr addr;

	memset(&server, 0, sizeof(server));
	server.listener.on_accept = on_accept;
	server.listener.on_closed = on_listener_closed;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(addr_parse_ip(SLICE("127.0.0.1"), next_port(), &addr), 0);
		if (io_listen_check(&addr, 0) == 0 && listener_open(&server.listener, &addr, 16) == 0)
			return addr;
	}
	fail_msg("no port is free");
	return addr;
}

static void stop_listening(void)
{
	listener_close(&server.listener);
	turn_until(&server.has_closed);
}

static int connect_pair(void)
{
	struct addr addr = listen_somewhere();
	struct result connect = fresh();
	int file = -1;

	io_connect(&connect.op, &addr, NULL, &file);
	turn_until(&connect.done);
	assert_int_equal(connect.res, 0);
	turn_until(&server.has_accepted);
	return file;
}

/* --- claims ----------------------------------------------------------------------------------- */

/* A connect that nobody answers, cancelled before the kernel has heard of it, and while it waits. */
static void connects_can_be_cancelled_at_once(void **state)
{
	struct addr addr = listen_somewhere();

	(void)state;
	stop_listening();
	turns(3);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Nobody accepts: the queue of the listener fills up; then SYNs are dropped. */
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(bind(fd, &addr.sa, addr.len), 0);
	assert_int_equal(listen(fd, 16), 0);
	for (unsigned i = 0; i < 40; i++) {
		struct result connect = fresh();
		int file = -1;

		io_connect(&connect.op, &addr, NULL, &file);
		if (i % 2 == 1)
			turns(2);
		io_cancel(&connect.op);
		turn_until(&connect.done);
		assert_true(connect.res == -ECANCELED || connect.res == 0);
		if (file >= 0)
			io_close(file);
	}
	close(fd);
}

static void peers_are_named(void **state)
{
	(void)state;
	int file = connect_pair();

	assert_true(addr_is_loopback(&server.peer));
	assert_true(addr_port(&server.peer) != 0);
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

static void refused_connections_say_so(void **state)
{
	struct result connect = fresh();
	struct addr addr;
	int file = -1;

	(void)state;
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.1"), 1, &addr), 0);
	io_connect(&connect.op, &addr, NULL, &file);
	turn_until(&connect.done);
	assert_int_equal(connect.res, -ECONNREFUSED);
	assert_true(file >= 0);
	io_close(file);
}

static void failures_to_start_arrive_later(void **state)
{
	struct result connect = fresh();
	struct addr remote, local;
	int file = -1;

	(void)state;
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.1"), 1, &remote), 0);
	assert_int_equal(addr_parse_ip(SLICE("192.0.2.1"), 0, &local), 0);
	io_connect(&connect.op, &remote, &local, &file);
	assert_false(connect.done);
	assert_true(connect.op.in_kernel);
	turn_until(&connect.done);
	assert_int_equal(connect.res, -EADDRNOTAVAIL);
	assert_false(connect.op.in_kernel);
	if (file >= 0)
		io_close(file);
}

struct receiver {
	struct op op;
	struct io_buf_waiter waiter;
	int file;
	char got[1 << 16];
	size_t len;
	int end;
	bool done;
	bool keep;
	uint32_t kept[8];
	unsigned kept_count;
	unsigned starved;
};

static void on_bufs(struct io_buf_waiter *w)
{
	struct receiver *r = container_of(w, struct receiver, waiter);

	io_recv(&r->op, r->file);
}

static void on_receive(struct op *op, int res)
{
	struct receiver *r = container_of(op, struct receiver, op);

	if (res == -ENOBUFS) {
		r->starved++;
		io_buf_wait(&r->waiter);
		return;
	}
	if (res <= 0) {
		r->end = res;
		r->done = true;
		return;
	}
	assert_int_equal(op->data.len, res);
	memcpy(r->got + r->len, op->data.ptr, op->data.len);
	r->len += op->data.len;
	if (r->keep)
		r->kept[r->kept_count++] = io_buf_keep(op);
	if (!op->more)
		io_recv(op, r->file);
}

static void receive_from(struct receiver *r, int file)
{
	memset(r, 0, sizeof(*r));
	r->file = file;
	op_init(&r->op, on_receive);
	list_init(&r->waiter.node);
	r->waiter.fn = on_bufs;
	io_recv(&r->op, file);
}

static void octets_arrive_in_order(void **state)
{
	static struct receiver r;
	static char sent[40000];
	struct result send = fresh();
	struct result shut = fresh();
	size_t from = 0;

	(void)state;
	int file = connect_pair();

	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)(i * 31);
	receive_from(&r, server.accepted);
	while (from < sizeof(sent)) {
		send.done = false;
		io_send(&send.op, file, sent + from, sizeof(sent) - from, 0);
		turn_until(&send.done);
		assert_true(send.res > 0);
		from += (size_t)send.res;
	}
	io_shutdown(&shut.op, file, SHUT_WR);
	turn_until(&r.done);
	assert_int_equal(r.end, 0);
	assert_int_equal(r.len, sizeof(sent));
	assert_memory_equal(r.got, sent, sizeof(sent));
	turn_until(&shut.done);
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

/* Row URG-06: an empty buffer ring is not a failure; row URG-07: buffers are conserved. */
static void starving_receives_wait_for_buffers(void **state)
{
	static struct receiver r;
	struct result send = fresh();
	unsigned wanted = 12;	/* more pieces than there are buffers */

	(void)state;
	int file = connect_pair();
	size_t before = io_bufs_free();

	receive_from(&r, server.accepted);
	r.keep = true;
	for (unsigned i = 0; i < wanted; i++) {
		send.done = false;
		io_send(&send.op, file, "x", 1, 0);
		turn_until(&send.done);
		turns(2);
		if (r.kept_count == before && i >= before) {
			assert_int_equal(io_bufs_free(), 0);
			r.keep = false;
			for (unsigned k = 0; k < r.kept_count; k++)
				io_buf_put(r.kept[k]);
			r.kept_count = 0;
		}
	}
	turns(5);
	assert_int_equal(r.len, wanted);
	assert_true(r.starved > 0);
	assert_int_equal(io_bufs_free(), before);
	io_cancel(&r.op);
	turn_until(&r.done);
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

/* Row URG-02: the target's own completion decides, and comes exactly once. */
static void cancelled_operations_come_back(void **state)
{
	static struct receiver r;

	(void)state;
	int file = connect_pair();

	receive_from(&r, file);
	turns(2);
	assert_true(r.op.in_kernel);
	io_cancel(&r.op);
	io_cancel(&r.op);	/* twice is once */
	turn_until(&r.done);
	assert_int_equal(r.end, -ECANCELED);
	assert_false(r.op.in_kernel);
	io_cancel(&r.op);	/* harmless */
	turns(2);
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

static void gathered_sends_arrive_whole(void **state)
{
	static struct receiver r;
	struct result send = fresh();
	const struct iovec iov[] = { { (void *)(uintptr_t)"MAIL ", 5 }, { (void *)(uintptr_t)"RCPT ", 5 },
				     { (void *)(uintptr_t)"DATA", 4 } };

	(void)state;
	int file = connect_pair();

	receive_from(&r, server.accepted);
	io_sendmsg(&send.op, file, iov, 3, 0);
	turn_until(&send.done);
	assert_int_equal(send.res, 14);
	turns(3);
	assert_int_equal(r.len, 14);
	assert_memory_equal(r.got, "MAIL RCPT DATA", 14);
	io_cancel(&r.op);
	turn_until(&r.done);
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

struct zero_copy {
	struct op op;
	int res;
	unsigned calls;
	bool done;
};

static void on_zero_copy(struct op *op, int res)
{
	struct zero_copy *z = container_of(op, struct zero_copy, op);

	if (z->calls++ == 0)
		z->res = res;
	z->done = !op->more;
}

/* Row URG-15: result and notification are two things. */
static void zero_copy_sends_say_when_the_memory_is_free(void **state)
{
	static struct receiver r;
	static char big[30000];
	struct zero_copy z = { .done = false };

	(void)state;
	int file = connect_pair();

	op_init(&z.op, on_zero_copy);
	receive_from(&r, server.accepted);
	io_send_zc(&z.op, file, big, sizeof(big), 0);
	turn_until(&z.done);
	assert_true(z.res > 0);
	assert_int_equal(z.calls, 2);
	assert_true(z.op.copied);	/* loopback always copies */
	io_cancel(&r.op);
	turn_until(&r.done);
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

static int run(struct result *r)
{
	turn_until(&r->done);
	r->done = false;
	return r->res;
}

static void files_are_written_synced_and_read_back(void **state)
{
	struct result r = fresh();
	char path[64], moved[64];
	char *buf = io_arena_take(8192, 4096);	/* registered */
	char plain[512];
	int file;

	(void)state;
	assert_non_null(buf);
	(void)snprintf(path, sizeof(path), "%s/a", dir);
	(void)snprintf(moved, sizeof(moved), "%s/b", dir);
	io_open(&r.op, path, O_RDWR | O_CREAT | O_EXCL, 0600);
	file = run(&r);
	assert_true(file >= 0);
	io_fallocate(&r.op, file, 0, 0, 65536);
	assert_int_equal(run(&r), 0);
	memset(buf, 'q', 4096);
	io_write(&r.op, file, buf, 4096, 4096);
	assert_int_equal(run(&r), 4096);
	io_fdatasync(&r.op, file);
	assert_int_equal(run(&r), 0);
	io_read(&r.op, file, buf + 4096, 4096, 4096);
	assert_int_equal(run(&r), 4096);
	assert_memory_equal(buf, buf + 4096, 4096);
	io_read(&r.op, file, plain, sizeof(plain), 4096);	/* not in the arena */
	assert_int_equal(run(&r), sizeof(plain));
	assert_memory_equal(plain, buf, sizeof(plain));
	io_fsync(&r.op, file);
	assert_int_equal(run(&r), 0);
	io_close(file);
	io_rename(&r.op, path, moved);
	assert_int_equal(run(&r), 0);
	io_open(&r.op, path, O_RDONLY, 0);
	assert_int_equal(run(&r), -ENOENT);
	io_unlink(&r.op, moved);
	assert_int_equal(run(&r), 0);
}

static void polls_fire_for_foreign_descriptors(void **state)
{
	struct result r = fresh();
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	io_poll(&r.op, fds[0], POLLIN);
	turns(3);
	assert_false(r.done);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_true((run(&r) & POLLIN) != 0);
	close(fds[0]);
	close(fds[1]);
}

/* Rows URG-17, OSR-08: numbers come back, however often. */
static void files_do_not_leak(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		int file = connect_pair();

		io_close(file);
		io_close(server.accepted);
		stop_listening();
	}
}

static void a_taken_port_is_noticed(void **state)
{
	struct addr addr = listen_somewhere();

	(void)state;
	assert_int_equal(io_listen_check(&addr, 0), -EADDRINUSE);
	stop_listening();
	turns(3);
	assert_int_equal(io_listen_check(&addr, 1000), 0);
}

static void dead_unix_sockets_give_way(void **state)
{
	struct addr addr;
	char text[128];
	FILE *f;

	(void)state;
	snprintf(text, sizeof(text), "unix:%s/listener", dir);
	assert_int_equal(addr_parse_endpoint(slice_of_str(text), &addr), 0);
	/* Nothing there: nothing stays behind. */
	assert_int_equal(io_listen_check(&addr, 0), 0);
	assert_int_equal(access(addr.un.sun_path, F_OK), -1);
	/* Somebody listens. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &addr.sa, addr.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(io_listen_check(&addr, 20), -EADDRINUSE);
	assert_int_equal(access(addr.un.sun_path, F_OK), 0);
	/* It died: the file is still there, and goes. */
	close(fd);
	assert_int_equal(access(addr.un.sun_path, F_OK), 0);
	assert_int_equal(io_listen_check(&addr, 0), 0);
	assert_int_equal(access(addr.un.sun_path, F_OK), -1);
	/* What is no socket is not ours to remove. */
	f = fopen(addr.un.sun_path, "w");
	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(io_listen_check(&addr, 0), -EEXIST);
	assert_int_equal(unlink(addr.un.sun_path), 0);
}

static void operations_beyond_the_queue_are_submitted(void **state)
{
	/* Row URG-12: far more than the submission queue holds, in one turn. */
	static struct result many[IO_SQ_ENTRIES + 500];
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = fresh();
		io_poll(&many[i].op, fds[0], POLLIN);
	}
	assert_int_equal(write(fds[1], "x", 1), 1);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		assert_true((run(&many[i]) & POLLIN) != 0);
	close(fds[0]);
	close(fds[1]);
}

static bool timer_fired, task_ran, task_ran_before_return;
static struct task task;

static void on_timer(struct wheel_timer *t)
{
	(void)t;
	timer_fired = true;
	reactor_post(&task);
	task_ran_before_return = task_ran;
}

static void on_task(struct task *t)
{
	(void)t;
	task_ran = true;
}

static void timers_and_tasks_run(void **state)
{
	struct wheel_timer timer;
	uint64_t before = reactor_now();	/* what the timer counts from */

	(void)state;
	timer_fired = task_ran = task_ran_before_return = false;
	wheel_timer_init(&timer, on_timer);
	task_init(&task, on_task);
	timer_arm_in(&timer, 20 * NS_PER_MS);
	turn_until(&task_ran);
	assert_true(timer_fired);
	assert_false(task_ran_before_return);
	assert_true(clock_mono_ns() - before >= 19 * NS_PER_MS);
}

/* A waiter, and a buffer that comes back where no completion is near: from a timer. */
static struct {
	struct op op;
	uint32_t bufs[8];
	unsigned kept;
	bool starved;
	bool woken;
	struct io_buf_waiter waiter;
	struct wheel_timer timer;
} late;

static void on_hoard(struct op *op, int res)
{
	if (op->has_buf)
		late.bufs[late.kept++] = io_buf_keep(op);
	if (res == -ENOBUFS)
		late.starved = true;
}

static void on_late_woken(struct io_buf_waiter *w)
{
	(void)w;
	late.woken = true;
}

static void on_put_one(struct wheel_timer *t)
{
	(void)t;
	io_buf_put(late.bufs[--late.kept]);
}

static void buffers_put_back_by_a_timer_wake_who_waits(void **state)
{
	int file = connect_pair();
	static char much[9 * IO_RECV_BUF_SIZE];
	struct result send = fresh();

	(void)state;
	memset(&late, 0, sizeof(late));
	op_init(&late.op, on_hoard);
	io_recv(&late.op, server.accepted);
	io_send(&send.op, file, much, sizeof(much), 0);
	turn_until(&late.starved);
	assert_true(late.kept > 0);
	late.waiter.fn = on_late_woken;
	list_init(&late.waiter.node);
	while (io_bufs_free() > 0)	/* what the kernel has not used is not there for others, either */
		turns(1);
	io_buf_wait(&late.waiter);
	wheel_timer_init(&late.timer, on_put_one);
	timer_arm_in(&late.timer, 5 * NS_PER_MS);
	uint64_t before = clock_mono_ns();

	while (!late.woken && clock_mono_ns() - before < 3 * NS_PER_SEC)
		assert_int_equal(reactor_turn(&reactor, before + 5 * NS_PER_SEC), 0);
	assert_true(late.woken);
	assert_true(clock_mono_ns() - before < NS_PER_SEC);
	while (late.kept > 0)
		io_buf_put(late.bufs[--late.kept]);
	if (!send.done) {
		io_cancel(&send.op);
		turn_until(&send.done);
	}
	io_close(file);
	io_close(server.accepted);
	stop_listening();
}

/* One that posts itself again and again takes many turns, and others get theirs in between. */
static unsigned endless_runs;

static void on_endless(struct task *t)
{
	if (++endless_runs < REACTOR_TASK_BUDGET + 10)
		reactor_post(t);
}

static void tasks_beyond_the_budget_wait_for_the_next_turn(void **state)
{
	struct task endless;

	(void)state;
	endless_runs = 0;
	task_init(&endless, on_endless);
	reactor_post(&endless);
	turns(1);
	assert_int_equal(endless_runs, REACTOR_TASK_BUDGET);
	turns(1);
	assert_int_equal(endless_runs, REACTOR_TASK_BUDGET + 10);
}

/* A unix socket knows no IP_BIND_ADDRESS_NO_PORT: an option that cannot be set costs speed, not the connection. */
static void options_that_fail_do_not_break_a_connect(void **state)
{
	struct addr from;
	struct addr to;
	struct result connect = fresh();
	char text[128];
	int file = -1;

	(void)state;
	snprintf(text, sizeof(text), "unix:%s/to", dir);
	assert_int_equal(addr_parse_endpoint(slice_of_str(text), &to), 0);
	snprintf(text, sizeof(text), "unix:%s/from", dir);
	assert_int_equal(addr_parse_endpoint(slice_of_str(text), &from), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, &to.sa, to.len), 0);
	assert_int_equal(listen(fd, 1), 0);
	io_connect(&connect.op, &to, &from, &file);
	turn_until(&connect.done);
	assert_int_equal(connect.res, 0);
	io_close(file);
	turns(2);
	close(fd);
	assert_int_equal(unlink(to.un.sun_path), 0);
	assert_int_equal(unlink(from.un.sun_path), 0);
}

static void probing_finds_what_we_need(void **state)
{
	(void)state;
	assert_int_equal(io_probe(), 0);
	assert_non_null(strstr(io_diagnosis(-ENOSYS), "seccomp"));
	assert_non_null(strstr(io_diagnosis(-ENOMEM), "memory"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("URG-03: a connect can be cancelled at any moment", connects_can_be_cancelled_at_once),
		CLAIM("an accepted connection knows its peer", peers_are_named),
		CLAIM("a refused connection says so, and leaves a file to close", refused_connections_say_so),
		CLAIM("a failure to start arrives later, as a completion", failures_to_start_arrive_later),
		CLAIM("octets arrive in order, and then the end", octets_arrive_in_order),
		CLAIM("URG-06 URG-07: who finds no buffer waits for one to come back",
		      starving_receives_wait_for_buffers),
		CLAIM("URG-02: a cancelled operation comes back exactly once", cancelled_operations_come_back),
		CLAIM("pieces of one send arrive as one stream", gathered_sends_arrive_whole),
		CLAIM("URG-15: zero copy tells result and freedom apart",
		      zero_copy_sends_say_when_the_memory_is_free),
		CLAIM("files are written, synced, read back, renamed, removed",
		      files_are_written_synced_and_read_back),
		CLAIM("a poll on a foreign descriptor waits for its event", polls_fire_for_foreign_descriptors),
		CLAIM("URG-17 OSR-08: 600 connections through 256 files", files_do_not_leak),
		CLAIM("a port that somebody listens on is in use", a_taken_port_is_noticed),
		CLAIM("a dead unix socket gives way, a living one and a plain file do not", dead_unix_sockets_give_way),
		CLAIM("URG-12: more operations than the queue holds", operations_beyond_the_queue_are_submitted),
		CLAIM("timers fire, and posted tasks run after the callback", timers_and_tasks_run),
		CLAIM("URG-06: a buffer put back by a timer wakes who waits", buffers_put_back_by_a_timer_wake_who_waits),
		CLAIM("tasks beyond the budget wait for the next turn", tasks_beyond_the_budget_wait_for_the_next_turn),
		CLAIM("an option that cannot be set does not break a connect",
		      options_that_fail_do_not_break_a_connect),
		CLAIM("this kernel passes the probe", probing_finds_what_we_need),
	};

	if (mkdtemp(dir) == NULL)
		return 1;
	int failed = cmocka_run_group_tests_name("core/io_uring", claims, setup, teardown);

	plain_sockets = true;
	failed += cmocka_run_group_tests_name("core/io_uring on an older kernel", claims, setup, teardown);
	(void)rmdir(dir);
	return failed;
}
