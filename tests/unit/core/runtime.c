/* Threads, notes between them, calls from outside. Runs under ThreadSanitizer too. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>

#include "tests/test.h"

#include "core/clock.h"
#include "core/runtime.h"

#define CORES 4u
#define NOTES 300u		/* per core; each travels HOPS times */
#define HOPS 50u

struct traveller {
	struct note note;
	unsigned from;		/* the core it set out from */
	unsigned serial;
	unsigned hops;
	uint64_t sum;		/* not atomic: notes hand memory over */
};

static struct traveller travellers[CORES][NOTES];
static unsigned arrived[CORES];		/* each written by its own core only */
static unsigned last_serial[CORES][CORES];
static bool out_of_order[CORES];
static struct note finished_notes[CORES];
static unsigned finished;

static void on_finished(struct note *n)
{
	(void)n;
	if (++finished == CORES)
		runtime_exit(7);
}

static void on_arrive(struct note *n)
{
	struct traveller *t = container_of(n, struct traveller, note);
	unsigned core = reactor_self()->core;

	t->sum += core;
	if (t->hops == 1) {
		/* The first hop is from its origin, in order of sending. */
		if (t->serial < last_serial[core][t->from])
			out_of_order[core] = true;
		last_serial[core][t->from] = t->serial;
	}
	if (t->hops++ < HOPS) {
		xcall_send((core + 1) % CORES, n);
		return;
	}
	if (++arrived[core] == NOTES) {
		note_init(&finished_notes[core], on_finished);
		xcall_send(0, &finished_notes[core]);
	}
}

static int send_out(unsigned core, void *context)
{
	(void)context;
	for (unsigned i = 0; i < NOTES; i++) {
		struct traveller *t = &travellers[core][i];

		*t = (struct traveller){ .from = core, .serial = i, .hops = 1 };
		note_init(&t->note, on_arrive);
		xcall_send((core + 1) % CORES, &t->note);
	}
	return 0;
}

static struct runtime_conf conf_with(int (*start)(unsigned, void *), unsigned cores)
{
	return (struct runtime_conf){
		.cores = cores,
		.io = { .files_max = 64, .recv_bufs = 8 },
		.start = start,
	};
}

static void notes_travel_in_order_and_none_is_lost(void **state)
{
	const struct runtime_conf conf = conf_with(send_out, CORES);

	(void)state;
	finished = 0;
	assert_int_equal(runtime_start(&conf), 0);
	assert_int_equal(runtime_join(), 7);
	for (unsigned c = 0; c < CORES; c++) {
		assert_int_equal(arrived[c], NOTES);
		assert_false(out_of_order[c]);
		for (unsigned i = 0; i < NOTES; i++)
			assert_int_equal(travellers[c][i].hops, HOPS + 1);
	}
}

/* More notes in one turn than a ring holds: the rest waits with the sender (XCALL_RING). */
#define FLOOD (XCALL_RING * 3)
static struct traveller flood[FLOOD];
static unsigned flood_seen;
static bool flood_disordered;

static void on_flood(struct note *n)
{
	struct traveller *t = container_of(n, struct traveller, note);

	if (t->serial != flood_seen++)
		flood_disordered = true;
	if (flood_seen == FLOOD)
		runtime_exit(0);
}

static int send_flood(unsigned core, void *context)
{
	(void)context;
	for (unsigned i = 0; core == 0 && i < FLOOD; i++) {
		flood[i].serial = i;
		note_init(&flood[i].note, on_flood);
		xcall_send(1, &flood[i].note);
	}
	return 0;
}

static void floods_keep_their_order(void **state)
{
	const struct runtime_conf conf = conf_with(send_flood, 2);

	(void)state;
	assert_int_equal(runtime_start(&conf), 0);
	assert_int_equal(runtime_join(), 0);
	assert_int_equal(flood_seen, FLOOD);
	assert_false(flood_disordered);
}

static int stand_by(unsigned core, void *context)
{
	(void)core;
	(void)context;
	return 0;
}

static void call_exit(void *context)
{
	if (reactor_self()->core == 0)
		runtime_exit(*(int *)context);
}

static void call_two_exits(void *context)
{
	call_exit(context);
	runtime_exit(8);
}

static void calls_from_outside_run_on_core_0(void **state)
{
	const struct runtime_conf conf = conf_with(stand_by, 3);
	int status = 42;

	(void)state;
	assert_int_equal(runtime_start(&conf), 0);
	assert_int_equal(runtime_cores(), 3);
	assert_int_equal(runtime_call(call_exit, &status), 0);
	assert_int_equal(runtime_join(), 42);
}

static void ends_asked_for_twice_in_one_batch_are_one_end(void **state)
{
	const struct runtime_conf conf = conf_with(stand_by, 3);
	int first = 5, second = 6;

	(void)state;
	assert_int_equal(runtime_start(&conf), 0);
	assert_int_equal(runtime_call(call_two_exits, &first), 0);
	(void)runtime_call(call_exit, &second);
	assert_int_equal(runtime_join(), 5);
}

/* How many threads the system grants still. The linker puts us in front of pthread_create (tests/meson.build). */
static unsigned threads_granted = UINT_MAX;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	return threads_granted-- > 0 ? __real_pthread_create(thread, attr, fn, arg) : EAGAIN;
}

static atomic_uint cores_stopped;

static void count_stop(unsigned core, void *context)
{
	(void)core;
	(void)context;
	atomic_fetch_add(&cores_stopped, 1);
}

static void threads_that_are_refused_are_an_error(void **state)
{
	struct runtime_conf conf = conf_with(stand_by, 3);
	int status = 4;

	(void)state;
	conf.stop = count_stop;
	for (unsigned granted = 0; granted < 3; granted++) {
		threads_granted = granted;
		assert_int_equal(runtime_start(&conf), -EAGAIN);
	}
	assert_int_equal(atomic_load(&cores_stopped), 0);
	threads_granted = UINT_MAX;
	assert_int_equal(runtime_start(&conf), 0);
	assert_int_equal(runtime_call(call_exit, &status), 0);
	assert_int_equal(runtime_join(), 4);
}

static int fail_on_two(unsigned core, void *context)
{
	(void)context;
	return core == 2 ? -ENOMEM : 0;
}

static void one_core_that_cannot_start_stops_all(void **state)
{
	const struct runtime_conf conf = conf_with(fail_on_two, 3);

	(void)state;
	assert_int_equal(runtime_start(&conf), -ENOMEM);
}

static void some_core_is_usable(void **state)
{
	(void)state;
	assert_in_range(runtime_usable_cores(), 1, CORE_COUNT_MAX);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("notes arrive in the order they were sent, all of them", notes_travel_in_order_and_none_is_lost),
		CLAIM("more notes than a ring holds keep their order", floods_keep_their_order),
		CLAIM("a call from outside runs on core 0", calls_from_outside_run_on_core_0),
		CLAIM("an end asked for twice is one end, with the first status",
		      ends_asked_for_twice_in_one_batch_are_one_end),
		CLAIM("threads that the system refuses are an error, and the others end",
		      threads_that_are_refused_are_an_error),
		CLAIM("one core that cannot start stops them all", one_core_that_cannot_start_stops_all),
		CLAIM("at least one core is usable", some_core_is_usable),
	};
	return cmocka_run_group_tests_name("core/runtime", claims, NULL, NULL);
}
