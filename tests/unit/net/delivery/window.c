/* The feedback of B 23, in numbers. */
#include "net/delivery/window.h"

#include <stdio.h>

#include "tests/test.h"

static const struct param_feedback one = { 1000000, FEEDBACK_CONSTANT };

static struct window_conf usual(void)
{
	return (struct window_conf){
		.initial = 5, .limit = 20, .failed_cohort_limit = 1, .positive = one, .negative = one
	};
}

static void starts_at_initial(void **state)
{
	struct window_conf conf = usual();
	struct window w;

	(void)state;
	window_init(&w, &conf);
	assert_int_equal(window_size(&w), 5);
	assert_false(w.dead);
	conf.initial = 30;
	window_init(&w, &conf);
	assert_int_equal(window_size(&w), 20);
}

/* Case 577. */
static void grows_while_it_is_in_the_way(void **state)
{
	const struct window_conf conf = usual();
	struct window w;

	(void)state;
	window_init(&w, &conf);
	window_success(&w, &conf, 5);
	assert_int_equal(window_size(&w), 6);
	window_success(&w, &conf, 1); /* 6 is not less than 1 + 5 */
	assert_int_equal(window_size(&w), 6);
	window_success(&w, &conf, 2);
	assert_int_equal(window_size(&w), 7);
	for (unsigned i = 0; i < 100; i++)
		window_success(&w, &conf, window_size(&w));
	assert_int_equal(window_size(&w), 20);
}

/* Case 578: 0 is no cap. */
static void no_limit_is_none(void **state)
{
	struct window_conf conf = usual();
	struct window w;

	(void)state;
	conf.limit = 0;
	window_init(&w, &conf);
	for (unsigned i = 0; i < 1000; i++)
		window_success(&w, &conf, window_size(&w));
	assert_int_equal(window_size(&w), 1005);
}

/* Case 572: 1/5 + 1/4 + 1/3 + 1/2 is more than one window full. */
static void a_cohort_of_failures_is_death(void **state)
{
	const struct window_conf conf = usual();
	struct window w;

	(void)state;
	window_init(&w, &conf);
	assert_false(window_failure(&w, &conf));
	assert_int_equal(window_size(&w), 4);
	assert_false(window_failure(&w, &conf));
	assert_int_equal(window_size(&w), 3);
	assert_false(window_failure(&w, &conf));
	assert_int_equal(window_size(&w), 2);
	assert_true(window_failure(&w, &conf));
	assert_true(w.dead);
	assert_false(window_failure(&w, &conf)); /* once */
}

static void success_forgets_failures(void **state)
{
	const struct window_conf conf = usual();
	struct window w;

	(void)state;
	window_init(&w, &conf);
	for (unsigned i = 0; i < 50; i++) {
		assert_false(window_failure(&w, &conf));
		window_success(&w, &conf, window_size(&w));
	}
	assert_int_equal(window_size(&w), 5);
}

/* A third is not 0.333333 three times. */
static void whole_cohorts_count_whole(void **state)
{
	struct window_conf conf = usual();

	(void)state;
	conf.negative.ppm = 0; /* the window stays: size failures are one cohort */
	conf.limit = 0;
	for (conf.initial = 1; conf.initial < 60; conf.initial++) {
		for (conf.failed_cohort_limit = 1; conf.failed_cohort_limit < 4; conf.failed_cohort_limit++) {
			struct window w;
			unsigned n = 1;

			window_init(&w, &conf);
			while (!window_failure(&w, &conf))
				n++;
			assert_int_equal(n, conf.initial * conf.failed_cohort_limit);
		}
	}
}

/* Case 580. */
static void never_dead_when_told_so(void **state)
{
	struct window_conf conf = usual();
	struct window w;

	(void)state;
	conf.failed_cohort_limit = 0;
	window_init(&w, &conf);
	for (unsigned i = 0; i < 100; i++)
		assert_false(window_failure(&w, &conf));
	assert_int_equal(window_size(&w), 1);
}

static void revives_with_what_is_under_way(void **state)
{
	const struct window_conf conf = usual();
	struct window w;

	(void)state;
	window_init(&w, &conf);
	while (!window_failure(&w, &conf))
		;
	window_revive(&w, &conf, 0);
	assert_false(w.dead);
	assert_int_equal(window_size(&w), 5);
	window_revive(&w, &conf, 3);
	assert_int_equal(window_size(&w), 3);
	assert_false(window_failure(&w, &conf)); /* and its past is forgotten */
	window_revive(&w, &conf, 300);
	assert_int_equal(window_size(&w), 20);
}

static void steps_can_be_divided(void **state)
{
	struct window_conf conf = usual();
	struct window w;

	(void)state;
	conf.positive = (struct param_feedback){ 1000000, FEEDBACK_CONCURRENCY };
	window_init(&w, &conf);
	for (unsigned i = 0; i < 5; i++)
		window_success(&w, &conf, 5);
	assert_int_equal(window_size(&w), 6); /* five fifths */
	conf.positive = (struct param_feedback){ 1000000, FEEDBACK_SQRT_CONCURRENCY };
	conf.initial = 16;
	window_init(&w, &conf);
	for (unsigned i = 0; i < 4; i++)
		window_success(&w, &conf, 16);
	assert_int_equal(window_size(&w), 17); /* four quarters */
	conf.positive.ppm = 500000;
	conf.positive.divisor = FEEDBACK_CONSTANT;
	conf.initial = 5;
	window_init(&w, &conf);
	window_success(&w, &conf, 5);
	assert_int_equal(window_size(&w), 5);
	window_success(&w, &conf, 5);
	assert_int_equal(window_size(&w), 6);
}

static void shards_have_their_part(void **state)
{
	struct params p = {
		.smtp_initial_destination_concurrency = 5,
		.smtp_destination_concurrency_limit = 20,
		.smtp_destination_concurrency_failed_cohort_limit = 1,
	};
	struct window_conf c = window_conf_of(&p, 4, 1);
	uint32_t limits = 0, initials = 0;

	(void)state;
	assert_int_equal(c.initial, 1);
	assert_int_equal(c.limit, 5);
	c = window_conf_of(&p, 64, 63);
	assert_int_equal(c.limit, 1); /* never none */
	for (unsigned i = 0; i < 3; i++) { /* and all together no more than the whole has */
		limits += window_conf_of(&p, 3, i).limit;
		initials += window_conf_of(&p, 3, i).initial;
	}
	assert_int_equal(limits, 20);
	assert_int_equal(initials, 5);
	p.smtp_destination_concurrency_limit = 0;
	c = window_conf_of(&p, 4, 0);
	assert_int_equal(c.limit, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a window starts at its initial size, within the limit", starts_at_initial),
		CLAIM("success makes it larger while busy + initial exceeds it, up to the limit (case 577)",
		      grows_while_it_is_in_the_way),
		CLAIM("limit 0 is no limit (case 578)", no_limit_is_none),
		CLAIM("failures worth one window are death, and it shrinks on the way (case 572)",
		      a_cohort_of_failures_is_death),
		CLAIM("a success forgets all failures", success_forgets_failures),
		CLAIM("n windows of failures are n cohorts, whatever division drops", whole_cohorts_count_whole),
		CLAIM("cohort limit 0: never dead, never below 1 (case 580)", never_dead_when_told_so),
		CLAIM("after suspension: what is under way, or the initial size", revives_with_what_is_under_way),
		CLAIM("feedback may be divided by the window or its root", steps_can_be_divided),
		CLAIM("a shard has its part of every limit, and at least 1", shards_have_their_part),
	};

	return cmocka_run_group_tests_name("net/delivery/window", claims, NULL, NULL);
}
