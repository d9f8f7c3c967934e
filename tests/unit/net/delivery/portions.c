/* The recipients of one job, portion by portion. */
#include <string.h>

#include "core/clock.h"
#include "net/delivery/delivery_internal.h"
#include "tests/test.h"

#define FEW  10000u
#define MANY 100000u

static struct rcpt rcpts[MANY];
static struct message msg = { .magic = MESSAGE_MAGIC, .rcpts = rcpts };

static struct job job_of(uint32_t count)
{
	memset(rcpts, 0, sizeof(rcpts));
	msg.rcpt_count = count;
	return (struct job){ .magic = JOB_MAGIC, .msg = &msg, .count = count, .open = count };
}

/* Each recipient gets a transaction of his own (smtp_destination_recipient_limit = 1). */
static uint64_t walk_ns(uint32_t count)
{
	struct job job = job_of(count);
	const uint64_t begin = clock_mono_ns();
	uint32_t portions = 0;

	for (const struct rcpt *r; (r = job_next_rcpt(&job)) != NULL; portions++) {
		assert_ptr_equal(r, &rcpts[portions]);
		rcpts[portions].state = RCPT_SENT;
	}
	assert_int_equal(portions, count);
	return clock_mono_ns() - begin;
}

/* The best of three: others are at work on this machine. */
static uint64_t shortest_walk_ns(uint32_t count)
{
	uint64_t least = UINT64_MAX;

	for (unsigned i = 0; i < 3; i++)
		least = min_u64(least, walk_ns(count));
	return least;
}

/* Ten times as many take ten times as long; were each portion sought from the beginning, it would be a hundred. */
static void time_grows_with_the_recipients(void **state)
{
	const uint64_t few = shortest_walk_ns(FEW);
	const uint64_t many = shortest_walk_ns(MANY);

	(void)state;
	print_message("%u: %llu us, %u: %llu us, ratio %.1f\n", FEW, (unsigned long long)few / 1000, MANY,
		      (unsigned long long)many / 1000, (double)many / (double)few);
	assert_true(many < 30 * few);
}

/* Case 583, and what Postfix's queue manager does with many recipients of one message. */
static void recipients_go_side_by_side(void **state)
{
	static const struct {
		uint32_t limit, sessions, count, rcpts;
	} rows[] = {
		{ 50, 20, 1, 1 },
		{ 50, 20, 50, 50 },		/* one transaction */
		{ 50, 20, 51, 50 },		/* two at a time */
		{ 50, 20, 120, 50 },
		{ 50, 20, 500, 50 },
		{ 50, 20, 501, 100 },		/* 11 transactions, at most 10 at a time */
		{ 50, 20, 100000, 10000 },
		{ 50, 0, 100000, 50 },		/* no limit */
		{ 50, 1, 120, 150 },		/* one session: one after the other */
		{ 1, 20, 100000, 1 },		/* each recipient has sessions of his own */
		{ 0, 20, 100000, 100000 },	/* all of them in one transaction */
		{ 2000000000, 20, 100000, 100000 },
	};
	struct params p = { .default_transport = "", .relayhost = "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		p.smtp_destination_recipient_limit = rows[i].limit;
		p.smtp_destination_concurrency_limit = rows[i].sessions;
		delivery_start(&p, 1);
		const uint32_t got = delivery_job_rcpts(rows[i].count);

		if (got != MIN(rows[i].rcpts, rows[i].count))
			fail_msg("%u of %u, not %u", got, rows[i].count, rows[i].rcpts);
	}
}

static void a_relay_is_shared_by_the_cores(void **state)
{
	const struct params p = { .default_transport = "", .relayhost = "relay.test", .smtp_destination_recipient_limit = 50,
				  .smtp_destination_concurrency_limit = 20 };

	(void)state;
	delivery_start(&p, 1);
	assert_int_equal(delivery_job_rcpts(1000), 100);
	delivery_start(&p, 4);
	assert_int_equal(delivery_job_rcpts(1000), 500);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the portions of 100,000 recipients take ten times as long as those of 10,000",
		      time_grows_with_the_recipients),
		CLAIM("many recipients of one message are several jobs (case 583)", recipients_go_side_by_side),
		CLAIM("each core has its part of a relay's sessions", a_relay_is_shared_by_the_cores),
	};
	return cmocka_run_group_tests_name("net/delivery/portions", claims, NULL, NULL);
}
