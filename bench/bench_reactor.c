/* bench_reactor.c - what a turn costs, and what it costs per operation when a turn has many
 *
 * The design stands on batching: one entry into the kernel per turn, however much happened. So the figures
 * to compare are those of one and of fifty: per item, fifty must be far cheaper.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "bench/gbench.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/reactor.h"

#define PAIRS_MAX 256
#define PING_SIZE 64
#define TURNS_MAX 1000			/* without any progress: then something is broken */

static struct reactor reactor;

/* One end answers what it gets, the other counts answers. */
struct end {
	struct op recv_op;
	struct op send_op;
	int file;
	bool answers;
};

static struct end ends[PAIRS_MAX][2];
static char ping[PING_SIZE];
static int64_t answers;
static int failure;

/* --- a turn by itself ------------------------------------------------------------------------- */

static void bench_turn_idle(struct gbench *b, int64_t arg)
{
	(void)arg;
	while (gbench_next(b))
		(void)reactor_turn(&reactor, 0);	/* cannot fail with nothing under way */
}

static int64_t tasks_run;

static void on_task(struct task *t)
{
	(void)t;
	tasks_run++;
}

static void bench_tasks(struct gbench *b, int64_t count)
{
	static struct task tasks[1000];

	ASSERT(count <= (int64_t)ARRAY_LEN(tasks));
	tasks_run = 0;
	for (int64_t i = 0; i < count; i++)
		task_init(&tasks[i], on_task);
	while (gbench_next(b)) {
		for (int64_t i = 0; i < count; i++)
			reactor_post(&tasks[i]);
		(void)reactor_turn(&reactor, 0);
	}
	gbench_set_items(b, count);
	if (tasks_run != b->rounds * count)
		gbench_fail(b, "not every task ran");
}

static int64_t notes_run;

static void on_note(struct note *n)
{
	(void)n;
	notes_run++;
}

/* To our own core: what a note costs without the other core's cache misses and wake-up. */
static void bench_notes(struct gbench *b, int64_t count)
{
	static struct note notes[1000];

	ASSERT(count <= (int64_t)ARRAY_LEN(notes));
	notes_run = 0;
	for (int64_t i = 0; i < count; i++)
		note_init(&notes[i], on_note);
	while (gbench_next(b)) {
		int64_t want = notes_run + count;

		for (int64_t i = 0; i < count; i++)
			xcall_send(0, &notes[i]);
		for (unsigned n = 0; notes_run < want && n < TURNS_MAX; n++)
			(void)reactor_turn(&reactor, 0);
	}
	gbench_set_items(b, count);
	if (notes_run != b->rounds * count)
		gbench_fail(b, "not every note arrived");
}

/* --- a turn with sockets ---------------------------------------------------------------------- */

static void on_sent(struct op *op, int res)
{
	(void)op;
	if (res != PING_SIZE)
		failure = res < 0 ? res : -EIO;
}

static void on_recv(struct op *op, int res)
{
	struct end *e = container_of(op, struct end, recv_op);

	if (res == -ECANCELED)
		return;				/* the end of this benchmark */
	if (res != PING_SIZE || !op->more)
		failure = res < 0 ? res : -EIO;
	else if (e->answers)
		io_send(&e->send_op, e->file, ping, PING_SIZE, 0);
	else
		answers++;
}

static int open_pair(struct end pair[2])
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0)
		return -errno;
	for (unsigned i = 0; i < 2; i++) {
		int r = io_adopt(fds[i], &pair[i].file);

		if (r < 0)
			return r;
		op_init(&pair[i].recv_op, on_recv);
		op_init(&pair[i].send_op, on_sent);
		pair[i].answers = i == 1;
		io_recv(&pair[i].recv_op, pair[i].file);
	}
	return 0;
}

static void close_pair(struct end pair[2])
{
	for (unsigned i = 0; i < 2; i++)
		io_cancel(&pair[i].recv_op);
	for (unsigned n = 0; n < TURNS_MAX; n++)
		if (pair[0].recv_op.in_kernel || pair[1].recv_op.in_kernel)
			(void)reactor_turn(&reactor, clock_mono_ns() + NS_PER_MS);
	for (unsigned i = 0; i < 2; i++)
		io_close(pair[i].file);
}

/* One round: every pair sends a ping and gets it answered. Four operations, two of them receives. */
static void bench_ping(struct gbench *b, int64_t pairs)
{
	uint64_t turns = reactor.turns;
	int64_t expected = 0;

	failure = 0;
	answers = 0;
	for (int64_t i = 0; i < pairs && failure == 0; i++)
		failure = open_pair(ends[i]);
	while (failure == 0 && gbench_next(b)) {
		for (int64_t i = 0; i < pairs; i++)
			io_send(&ends[i][0].send_op, ends[i][0].file, ping, PING_SIZE, 0);
		expected += pairs;
		for (unsigned n = 0; answers < expected && failure == 0; n++) {
			(void)reactor_turn(&reactor, clock_mono_ns() + NS_PER_SEC);
			if (n == TURNS_MAX)
				failure = -ETIMEDOUT;
		}
	}
	if (failure != 0) {
		gbench_fail(b, err_text(failure));
		return;
	}
	gbench_set_items(b, pairs);
	gbench_set_per_round(b, "turns", (double)(reactor.turns - turns));
	for (int64_t i = 0; i < pairs; i++)
		close_pair(ends[i]);
	for (unsigned n = 0; n < 10; n++)	/* closing is an operation too, and the next run wants the files */
		(void)reactor_turn(&reactor, 0);
}

int main(int argc, char **argv)
{
	struct io_conf conf = { .core = 0, .files_max = 4 * PAIRS_MAX, .arena_size = MIB(1) };
	int err = xcall_start(1);

	if (err == 0)
		err = reactor_open(&reactor, &conf);
	if (err < 0) {
		fprintf(stderr, "bench_reactor: %s\n", io_diagnosis(err));
		return 1;
	}
	gbench_register("reactor/turn_idle", bench_turn_idle, GBENCH_NO_ARG);
	gbench_register("reactor/tasks", bench_tasks, 1);
	gbench_register("reactor/tasks", bench_tasks, 1000);
	gbench_register("reactor/notes", bench_notes, 1);
	gbench_register("reactor/notes", bench_notes, 1000);
	gbench_register("reactor/ping", bench_ping, 1);
	gbench_register("reactor/ping", bench_ping, 50);
	gbench_register("reactor/ping", bench_ping, PAIRS_MAX);
	err = gbench_main(argc, argv);
	reactor_close(&reactor);
	xcall_stop();
	return err;
}
