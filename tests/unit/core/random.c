#include "tests/test.h"

#include <pthread.h>

#include "core/base.h"
#include "core/random.h"

static void below_stays_below(void **state)
{
	static const uint64_t bounds[] = { 1, 2, 3, 7, 10, 1000, UINT64_C(1) << 32, UINT64_C(3) << 62, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bounds); i++)
		for (unsigned n = 0; n < 10000; n++)
			assert_true(random_below(bounds[i]) < bounds[i]);
}

/* 2^64 is not a multiple of 3 * 2^62: without the second draw, one third would get half of all results. */
static void below_is_fair_where_2_to_the_64_is_no_multiple(void **state)
{
	enum { DRAWS = 90000, THIRD = DRAWS / 3 };
	unsigned counts[3] = { 0 };

	(void)state;
	for (unsigned n = 0; n < DRAWS; n++)
		counts[random_below(UINT64_C(3) << 62) >> 62]++;
	for (unsigned i = 0; i < 3; i++)	/* 10 standard deviations (141 each): never by chance */
		assert_in_range(counts[i], THIRD - 1410, THIRD + 1410);
}

static void small_ranges_are_fair(void **state)
{
	enum { DRAWS = 100000 };
	unsigned counts[10] = { 0 };

	(void)state;
	for (unsigned n = 0; n < DRAWS; n++)
		counts[random_below(10)]++;
	for (unsigned i = 0; i < 10; i++)	/* 10 standard deviations (95 each) */
		assert_in_range(counts[i], 10000 - 950, 10000 + 950);
}

static void every_bit_is_a_fair_coin(void **state)
{
	unsigned ones[64] = { 0 };

	(void)state;
	for (unsigned n = 0; n < 40000; n++) {
		uint64_t x = random_u64();

		for (unsigned bit = 0; bit < 64; bit++)
			ones[bit] += (unsigned)(x >> bit & 1);
	}
	for (unsigned bit = 0; bit < 64; bit++)	/* 10 standard deviations (100 each) */
		assert_in_range(ones[bit], 20000 - 1000, 20000 + 1000);
}

static void *draw(void *ret_value)
{
	*(uint64_t *)ret_value = random_u64();
	return NULL;
}

static void threads_differ(void **state)
{
	uint64_t first[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, draw, &first[i]), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
	assert_true(first[0] != first[1]);
}

static void fill_fills_all_and_no_more(void **state)
{
	unsigned char buf[1002] = { 0 };
	unsigned char seen[1002] = { 0 };

	(void)state;
	for (unsigned round = 0; round < 20; round++) {		/* an octet stays zero by chance once in 2^160 */
		random_fill(buf + 1, 1000);
		for (unsigned i = 0; i < sizeof(buf); i++)
			seen[i] |= buf[i];
	}
	assert_int_equal(seen[0], 0);
	assert_int_equal(seen[1001], 0);
	for (unsigned i = 1; i <= 1000; i++)
		assert_int_not_equal(seen[i], 0);
	random_fill(buf, 0);
}

static void below_nothing(void *context)
{
	(void)context;
	(void)random_below(0);
}

static void below_zero_is_a_mistake(void **state)
{
	(void)state;
	assert_true(test_dies(below_nothing, NULL));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("random_below(n) is below n", below_stays_below),
		CLAIM("random_below is fair for three quarters of 2^64",
		      below_is_fair_where_2_to_the_64_is_no_multiple),
		CLAIM("random_below is fair for ten", small_ranges_are_fair),
		CLAIM("every bit is a fair coin", every_bit_is_a_fair_coin),
		CLAIM("two threads draw different numbers", threads_differ),
		CLAIM("random_fill fills everything and nothing else", fill_fills_all_and_no_more),
		CLAIM("a number below zero is the caller's mistake", below_zero_is_a_mistake),
	};

	return cmocka_run_group_tests_name("core/random", claims, NULL, NULL);
}
