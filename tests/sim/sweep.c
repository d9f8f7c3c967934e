#include "tests/sim/sweep.h"

#include <errno.h>
#include <sys/mman.h>

#include "tests/test.h"

struct sweep sweep;

int sweep_strike(enum flight_kind kind)
{
	if (sweep.asleep)
		return 0;
	const unsigned n = ++sweep.count[kind];

	if (kind != sweep.kind || n < sweep.at || (n > sweep.at && !sweep.persistent))
		return 0;
	sweep.struck++;
	return sweep.result;
}

void sweep_say(void)
{
	print_message("operation %u of kind %d fails with %d%s\n", sweep.at, sweep.kind, sweep.result,
		      sweep.persistent ? " for ever" : "");
}

static void run_again(void (*run)(const void *scenario), const void *scenario, bool persistent)
{
	memset(sweep.count, 0, sizeof(sweep.count));
	sweep.struck = 0;
	sweep.persistent = persistent;
	run(scenario);
}

/* Buffers that never come back, or sends that never get on, are a machine that stands still. */
static bool may_persist(int result)
{
	return result != -ENOBUFS || sweep.kind == FLIGHT_ACCEPT || sweep.kind == FLIGHT_CONNECT;
}

/* What one process does: a list, or the count (list NULL). */
struct share {
	const struct sweep_list *list;
	void (*run)(const void *scenario);
	const void *scenario;
	unsigned stride;
	unsigned *count;		/* of each kind; memory that processes share */
	unsigned *runs;
};

static void run_list(const struct share *s)
{
	for (const int *result = s->list->results; *result != 0; result++) {
		const unsigned first = 1 + (unsigned)(result - s->list->results) % s->stride;

		sweep.result = *result;
		for (sweep.at = first; sweep.at <= s->count[sweep.kind]; sweep.at += s->stride) {
			run_again(s->run, s->scenario, false);
			run_again(s->run, s->scenario, may_persist(*result));
			*s->runs += 2;
		}
	}
}

static _Noreturn void child(const struct share *s)
{
	(void)atexit(sweep_say);	/* whoever gets there has not come to the end */
	if (s->list != NULL) {
		sweep.kind = s->list->kind;
		run_list(s);
	} else {
		run_again(s->run, s->scenario, false);
		memcpy(s->count, sweep.count, sizeof(sweep.count));
		*s->runs += 1;
	}
	_exit(0);
}

static void in_a_process(const struct share *s)
{
	int status = 0;
	const pid_t pid = fork();

	if (pid == 0)
		child(s);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("operations of kind %d", s->list != NULL ? (int)s->list->kind : 0);
}

unsigned sweep_all(const struct sweep_list *lists, size_t list_count, unsigned stride,
		   void (*run)(const void *scenario), const void *scenario)
{
	unsigned *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct share share = {
		.run = run, .scenario = scenario, .stride = stride, .count = memory, .runs = memory + FLIGHT_KINDS,
	};

	assert_ptr_not_equal(memory, MAP_FAILED);
	memset(&sweep, 0, sizeof(sweep));
	in_a_process(&share);
	for (size_t i = 0; i < list_count; i++) {
		share.list = &lists[i];
		in_a_process(&share);
	}
	const unsigned runs = *share.runs;

	assert_int_equal(munmap(memory, 4096), 0);
	return runs;
}
