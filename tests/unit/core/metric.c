#include "tests/test.h"

#include <pthread.h>

#include "core/metric.h"

static struct metric sent = METRIC_COUNTER("test_sent_total", "recipients delivered");
static struct metric open_now = METRIC_GAUGE("test_sessions", "sessions open now");
static struct metric twin = METRIC_COUNTER("test_sent_total", "another of the same name");
static struct metric stranger = METRIC_COUNTER("test_stranger_total", "never registered");

static int register_all(void **state)
{
	(void)state;
	metric_register(&sent);
	metric_register(&open_now);
	metric_register(&sent);		/* again: harmless */
	return 0;
}

static void adds_up(void **state)
{
	int64_t before = metric_read(&sent);

	(void)state;
	metric_add(&sent, 1);
	metric_add(&sent, 41);
	assert_int_equal(metric_read(&sent), before + 42);
	metric_add(&open_now, 2);
	metric_add(&open_now, -5);
	assert_int_equal(metric_read(&open_now), -3);
	metric_add(&open_now, 3);
}

enum { THREADS = 6, ADDS = 100000 };

static _Thread_local unsigned thread_number;

static void *count(void *number)
{
	thread_number = *(unsigned *)number;
	if (thread_number < THREADS / 2)	/* half are cores, half share the cell of those that are none */
		metric_thread_core(thread_number);
	for (unsigned i = 0; i < ADDS; i++) {
		metric_add(&sent, 1);
		metric_add(&open_now, i % 2 ? -1 : 1);
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	pthread_t threads[THREADS];
	unsigned numbers[THREADS];
	int64_t before = metric_read(&sent);
	int64_t last = before;

	(void)state;
	for (unsigned i = 0; i < THREADS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, count, &numbers[i]), 0);
	}
	for (unsigned i = 0; i < 1000; i++) {	/* a reader never sees a counter go back */
		int64_t now = metric_read(&sent);

		assert_true(now >= last);
		last = now;
	}
	for (unsigned i = 0; i < THREADS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	assert_int_equal(metric_read(&sent) - before, THREADS * ADDS);
	assert_int_equal(metric_read(&open_now), 0);
}

static void writes_lines_in_order_of_registration(void **state)
{
	char text[200];
	char expected[200];
	struct str out = STR(text);
	struct str want = STR(expected);

	(void)state;
	metric_add(&open_now, -7);
	metric_write_all(&out);
	str_printf(&want, "test_sent_total %lld\ntest_sessions -7\n", (long long)metric_read(&sent));
	assert_string_equal(str_cstr(&out), str_cstr(&want));
	metric_add(&open_now, 7);
}

static void register_twin(void *context)
{
	(void)context;
	metric_register(&twin);
}

static void add_to_stranger(void *context)
{
	(void)context;
	metric_add(&stranger, 1);
}

static void too_large_a_core(void *context)
{
	(void)context;
	metric_thread_core(CORE_COUNT_MAX);
}

static void mistakes_stop_us(void **state)
{
	(void)state;
	assert_true(test_dies(register_twin, NULL));
	assert_true(test_dies(add_to_stranger, NULL));
	assert_true(test_dies(too_large_a_core, NULL));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("counters and gauges add up", adds_up),
		CLAIM("nothing is lost between cores and other threads", nothing_is_lost_between_threads),
		CLAIM("all metrics are written as name and value, in order", writes_lines_in_order_of_registration),
		CLAIM("a name twice, a stranger and an impossible core stop us", mistakes_stop_us),
	};

	return cmocka_run_group_tests_name("core/metric", claims, register_all, NULL);
}
