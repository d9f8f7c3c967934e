#include "tests/test.h"

#include <time.h>

#include "core/base.h"
#include "core/clock.h"

static void monotonic_never_goes_back(void **state)
{
	uint64_t last = clock_mono_ns();

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t now = clock_mono_ns();

		assert_true(now >= last);
		last = now;
	}
}

static void both_measure_nanoseconds(void **state)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	uint64_t mono = clock_mono_ns();
	uint64_t wall = clock_wall_ns();

	(void)state;
	assert_int_equal(nanosleep(&pause, NULL), 0);
	mono = clock_mono_ns() - mono;
	wall = clock_wall_ns() - wall;
	assert_in_range(mono, 20 * NS_PER_MS, 10 * NS_PER_SEC);
	assert_in_range(wall, 15 * NS_PER_MS, 10 * NS_PER_SEC);	/* may be slewed, but hardly by a quarter */
}

static void wall_counts_from_1970(void **state)
{
	uint64_t before = (uint64_t)time(NULL);
	uint64_t wall_s = clock_wall_ns() / NS_PER_SEC;

	(void)state;
	assert_in_range(wall_s + 1, before, before + 60);	/* time() may lag by a kernel tick */
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the monotonic clock never goes back", monotonic_never_goes_back),
		CLAIM("both clocks measure a pause in nanoseconds", both_measure_nanoseconds),
		CLAIM("the wall clock counts from 1970", wall_counts_from_1970),
	};

	return cmocka_run_group_tests_name("core/clock", claims, NULL, NULL);
}
