#include "net/delivery/retry.h"

#include "tests/test.h"

static const struct params p = {
	.minimal_backoff_time_ns = 300 * NS_PER_SEC,
	.maximal_backoff_time_ns = 4000 * NS_PER_SEC,
	.maximal_queue_lifetime_ns = 5 * 86400 * NS_PER_SEC,
	.bounce_queue_lifetime_ns = 2 * 86400 * NS_PER_SEC,
};

static void doubles_up_to_the_maximum(void **state)
{
	static const uint64_t waits[] = { 300, 600, 1200, 2400, 4000, 4000, 4000 };

	(void)state;
	for (uint32_t i = 0; i < ARRAY_LEN(waits); i++) {
		uint64_t mean = waits[i] * NS_PER_SEC;

		assert_int_equal(retry_wait_ns(&p, i + 1, 0), mean - mean / 10);
	}
	assert_int_equal(retry_wait_ns(&p, UINT32_MAX, 0), 3600 * NS_PER_SEC);
}

static void jitters_within_a_tenth(void **state)
{
	uint64_t seed = 7, least = UINT64_MAX, most = 0;

	(void)state;
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t wait = retry_wait_ns(&p, 1, test_random(&seed));

		least = min_u64(least, wait);
		most = max_u64(most, wait);
	}
	assert_true(least >= 270 * NS_PER_SEC && least < 271 * NS_PER_SEC);
	assert_true(most < 330 * NS_PER_SEC && most > 329 * NS_PER_SEC);
}

static void odd_parameters_are_survived(void **state)
{
	static const struct params small = { .minimal_backoff_time_ns = 1, .maximal_backoff_time_ns = 1 };
	static const struct params huge = { .minimal_backoff_time_ns = UINT64_MAX / 2 - 1,
					    .maximal_backoff_time_ns = UINT64_MAX / 2 };

	(void)state;
	assert_int_equal(retry_wait_ns(&small, 1, 12345), 1);
	assert_true(retry_wait_ns(&huge, 50, UINT64_MAX) >= UINT64_MAX / 3);
}

static void expires_with_its_age(void **state)
{
	const uint64_t day = 86400 * NS_PER_SEC, came = 1000 * day;

	(void)state;
	struct message msg = { .arrival_ns = came, .sender = SLICE("s@client.test") };

	assert_false(retry_is_expired(&p, &msg, came));
	assert_false(retry_is_expired(&p, &msg, came + 5 * day - 1));
	assert_true(retry_is_expired(&p, &msg, came + 5 * day));
	assert_false(retry_is_expired(&p, &msg, came - day)); /* the clock was set back: that is no age */
	msg.sender = SLICE("");
	assert_false(retry_is_expired(&p, &msg, came + 2 * day - 1));
	assert_true(retry_is_expired(&p, &msg, came + 2 * day));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the wait doubles, from minimal_ to maximal_backoff_time (case 581)", doubles_up_to_the_maximum),
		CLAIM("the jitter is a tenth to both sides, and uses all of it", jitters_within_a_tenth),
		CLAIM("nothing overflows or divides by nothing", odd_parameters_are_survived),
		CLAIM("a message is too old at its lifetime, which the null sender has of his own (case 581)",
		      expires_with_its_age),
	};

	return cmocka_run_group_tests_name("net/delivery/retry", claims, NULL, NULL);
}
