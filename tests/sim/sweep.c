#include "tests/sim/sweep.h"

#include <errno.h>

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

static _Noreturn void sweep_list(const struct sweep_list *list, unsigned count, void (*run)(const void *scenario),
				 const void *scenario)
{
	(void)atexit(sweep_say);	/* whoever gets there has not come to the end */
	for (const int *result = list->results; *result != 0; result++) {
		sweep.result = *result;
		for (sweep.at = 1; sweep.at <= count; sweep.at++) {
			run_again(run, scenario, false);
			run_again(run, scenario, may_persist(*result));
		}
	}
	_exit(0);
}

static void sweep_in_a_process(const struct sweep_list *list, unsigned count, void (*run)(const void *scenario),
			       const void *scenario)
{
	int status = 0;
	const pid_t child = fork();

	sweep.kind = list->kind;
	if (child == 0)
		sweep_list(list, count, run, scenario);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("operations of kind %d", list->kind);
}

unsigned sweep_all(const struct sweep_list *lists, size_t list_count, void (*run)(const void *scenario),
		   const void *scenario)
{
	unsigned count[FLIGHT_KINDS], runs = 1;

	memset(&sweep, 0, sizeof(sweep));
	run_again(run, scenario, false);
	memcpy(count, sweep.count, sizeof(count));
	for (size_t i = 0; i < list_count; i++) {
		sweep_in_a_process(&lists[i], count[lists[i].kind], run, scenario);
		for (const int *result = lists[i].results; *result != 0; result++)
			runs += 2 * count[lists[i].kind];
	}
	return runs;
}
