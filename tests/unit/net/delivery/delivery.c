/* Jobs in, settled recipients out: the whole of delivery on one core (areas D, U and V). */
#include "net/delivery/delivery.h"

#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/err.h"
#include "net/delivery/delivery_internal.h"
#include "tests/unit/net/delivery/world.h"

#define ONE   "[127.0.0.2]:%"
#define BOTH  "[127.0.0.2]:%, [127.0.0.3]:%"
#define MULTI "[multi]:%"

static struct puppet *server(unsigned i)
{
	return &world.puppets[i];
}

static void assert_all(const struct world_job *j, enum rcpt_state state)
{
	assert_int_equal(world_count(j, state), j->msg.rcpt_count);
}

/* --- windows and connections -------------------------------------------------------------------------------------- */

/* Cases 578, 579. */
static void windows_are_respected(void **state)
{
	(void)state;
	world_params.smtp_initial_destination_concurrency = 2;
	world_params.smtp_destination_concurrency_limit = 3;
	server(0)->dot_wait_ns = 5 * NS_PER_MS;
	world_start();
	for (unsigned i = 0; i < 30; i++)
		world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->messages, 30);
	assert_int_equal(server(0)->open_max, 3);
	assert_int_equal(server(0)->accepted, 3); /* and used again and again */
	for (unsigned i = 0; i < 30; i++) {
		assert_all(&world.jobs[i], RCPT_SENT);
		assert_int_equal(world.jobs[i].settles, 1);
		assert_int_equal(world.jobs[i].deferrals, 0);
	}
}

static void a_new_destination_starts_small(void **state)
{
	(void)state;
	world_params.smtp_initial_destination_concurrency = 2;
	world_start();
	server(0)->dot_wait_ns = 150 * NS_PER_MS;
	for (unsigned i = 0; i < 10; i++)
		world_job(ONE, 1);
	world_turns_for(100);
	assert_int_equal(server(0)->accepted, 2);
	server(0)->dot_wait_ns = 0;
	world_finish();
	assert_int_equal(server(0)->messages, 10);
}

static void destinations_do_not_share(void **state)
{
	(void)state;
	world_params.smtp_destination_concurrency_limit = 1;
	server(0)->dot_wait_ns = 2 * NS_PER_SEC;
	world_start();
	world_job(ONE, 1);
	world_job("[127.0.0.3]:%", 1);
	world_turns_for(100);
	assert_true(world.jobs[1].finished);
	assert_false(world.jobs[0].finished);
	server(0)->conns[0].hold_until_ns = 0;
	world_finish();
}

/* Case 582. */
static void recipients_go_in_portions(void **state)
{
	(void)state;
	world_start();
	struct world_job *j = world_job(ONE, 120);

	world_finish();
	assert_int_equal(j->settles, 3);
	assert_int_equal(server(0)->messages, 3);
	assert_int_equal(server(0)->rcpts_max, 50);
	assert_all(j, RCPT_SENT);
}

/* --- the next host ------------------------------------------------------------------------------------------------ */

struct soft_case {
	const char *claim;
	struct puppet_rule rule;
};

/* Cases 95, 101, 102, 105, 106, 150, 151, 155, 163, 167. */
static const struct soft_case soft_cases[] = {
	{ "421 greeting", { "", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 } },
	{ "554 greeting", { "", "554 5.3.2 never\r\n", PUPPET_CLOSE, 0 } },
	{ "no greeting", { "", NULL, PUPPET_CLOSE, 0 } },
	{ "421 to EHLO", { "EHLO", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 } },
	{ "reset at EHLO", { "EHLO", NULL, PUPPET_RESET, 0 } },
	{ "450 to MAIL", { "MAIL", "450 4.3.2 busy\r\n", PUPPET_GO_ON, 0 } },
	{ "450 to RCPT", { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 0 } },
	{ "closed at RCPT", { "RCPT", NULL, PUPPET_CLOSE, 0 } },
	{ "451 to DATA", { "DATA", "451 4.3.0 disk\r\n", PUPPET_GO_ON, 0 } },
	{ "452 to the dot", { ".", "452 4.3.1 full\r\n", PUPPET_GO_ON, 0 } },
	{ "closed at the dot", { ".", NULL, PUPPET_CLOSE, 0 } },
	{ "garbage at the dot", { ".", "huh\r\n", PUPPET_GO_ON, 0 } },
};

static void soft_failures_go_to_the_next_host(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(soft_cases); i++) {
		struct puppet_rule rules[] = { soft_cases[i].rule, { 0 } };

		if (i > 0) {
			assert_int_equal(world_teardown(NULL), 0);
			assert_int_equal(world_setup(NULL), 0);
		}
		server(0)->rules = rules;
		world_start();
		struct world_job *j = world_job(BOTH, 2);

		world_finish();
		if (server(1)->messages != 1 || j->deferrals != 0 || world_count(j, RCPT_SENT) != 2)
			fail_msg("%s: %u messages, %u deferrals, %s", soft_cases[i].claim, server(1)->messages,
				 j->deferrals, j->text);
		assert_non_null(strstr(j->relay, "127.0.0.3"));
		assert_int_equal(world_teardown(NULL), 0);
		assert_int_equal(world_setup(NULL), 0);
	}
}

/* Case 95. */
static void refused_connections_go_to_the_next_host(void **state)
{
	(void)state;
	world_start();
	world_job("[127.0.0.2]:1, [127.0.0.3]:%", 1);
	world_finish();
	assert_int_equal(server(1)->messages, 1);
	assert_int_equal(world.jobs[0].deferrals, 0);
}

/* Cases 100, 103, 104, 166. */
static const struct soft_case hard_cases[] = {
	{ "550 to HELO", { "HELO", "550 5.7.1 no\r\n", PUPPET_GO_ON, 0 } },
	{ "550 to MAIL", { "MAIL", "550 5.7.1 no\r\n", PUPPET_GO_ON, 0 } },
	{ "550 to RCPT", { "RCPT", "550 5.1.1 no\r\n", PUPPET_GO_ON, 0 } },
	{ "554 to DATA", { "DATA", "554 5.7.1 no\r\n", PUPPET_GO_ON, 0 } },
	{ "554 to the dot", { ".", "554 5.7.1 no\r\n", PUPPET_GO_ON, 0 } },
};

static void hard_failures_stay_where_they_are(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(hard_cases); i++) {
		struct puppet_rule rules[] = { hard_cases[i].rule,
					       { "EHLO", "502 what?\r\n", PUPPET_GO_ON, 0 },
					       { 0 } };

		server(0)->rules = rules;
		world_start();
		struct world_job *j = world_job(BOTH, 2);

		world_finish();
		assert_all(j, RCPT_BOUNCED);
		assert_int_equal(server(1)->accepted, 0);
		assert_int_equal(j->settles, 1);
		assert_int_equal(world_teardown(NULL), 0);
		assert_int_equal(world_setup(NULL), 0);
	}
}

/* Case 101: of three recipients only the second goes on. */
static void only_open_recipients_go_on(void **state)
{
	struct puppet_rule rules[] = {
		{ "RCPT TO:<b", "451 4.2.0 later\r\n", PUPPET_GO_ON, 0 },
		{ "RCPT TO:<c", "550 5.1.1 no\r\n", PUPPET_GO_ON, 0 },
		{ 0 },
	};

	(void)state;
	server(0)->rules = rules;
	world_start();
	struct world_job *j = world_job(BOTH, 3);

	world_finish();
	assert_int_equal(j->rcpts[0].state, RCPT_SENT);
	assert_int_equal(j->rcpts[1].state, RCPT_SENT);
	assert_int_equal(j->rcpts[2].state, RCPT_BOUNCED);
	assert_int_equal(server(0)->messages, 1);
	assert_int_equal(server(1)->messages, 1);
	assert_int_equal(server(1)->rcpts_max, 1);
}

/* Case 97: two sessions, and the second one's answer counts. */
static void sessions_are_limited(void **state)
{
	struct puppet_rule rules[WORLD_PUPPETS][2] = {
		{ { "RCPT", "451 4.2.0 first\r\n", PUPPET_GO_ON, 0 } },
		{ { "RCPT", "451 4.2.0 second\r\n", PUPPET_GO_ON, 0 } },
		{ { "RCPT", "451 4.2.0 third\r\n", PUPPET_GO_ON, 0 } },
	};

	(void)state;
	for (unsigned i = 0; i < WORLD_PUPPETS; i++)
		server(i)->rules = rules[i];
	world_params.smtp_mx_session_limit = 2;
	world_start();
	struct world_job *j = world_job(MULTI, 1);

	world_settle();
	assert_int_equal(server(0)->accepted + server(1)->accepted + server(2)->accepted, 2);
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(j->settles, 2);
}

/* Case 98: who was not let in has had no session. */
static void failed_greetings_are_no_sessions(void **state)
{
	struct puppet_rule busy[] = { { "", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 }, { 0 } };

	(void)state;
	server(0)->rules = busy;
	server(1)->rules = busy;
	world_params.smtp_mx_session_limit = 1;
	world_start();
	world_job(MULTI, 1);
	world_finish();
	assert_int_equal(server(2)->messages, 1);
}

/* Case 154. */
static void a_4xx_greeting_may_defer_at_once(void **state)
{
	struct puppet_rule busy[] = { { "", "450 4.3.2 busy\r\n", PUPPET_CLOSE, 0 }, { 0 } };

	(void)state;
	server(0)->rules = busy;
	world_params.smtp_skip_4xx_greeting = false;
	world_start();
	struct world_job *j = world_job(BOTH, 1);

	world_settle();
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(j->dsn.subject, 3);
	assert_int_equal(server(1)->accepted, 0);
}

/* --- later -------------------------------------------------------------------------------------------------------- */

/* Case 581. */
static void deferred_jobs_come_back(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 2 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_params.minimal_backoff_time_ns = 200 * NS_PER_MS;
	world_params.maximal_backoff_time_ns = 400 * NS_PER_MS;
	world_start();
	struct world_job *j = world_job(ONE, 1);

	world_settle();
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(j->job.attempts, 1);
	assert_in_range(j->retry_at_ns - j->settled_ns, 170 * NS_PER_MS, 220 * NS_PER_MS);
	uint64_t first = j->retry_at_ns;

	world_turns_for(100);
	assert_int_equal(j->settles, 1);
	while (j->deferrals < 2)
		world_turn();
	assert_true(j->settled_ns >= first);
	assert_int_equal(j->job.attempts, 2);
	assert_in_range(j->retry_at_ns - j->settled_ns, 350 * NS_PER_MS, 440 * NS_PER_MS);
	world_finish();
	assert_int_equal(j->settles, 3);
	assert_all(j, RCPT_SENT);
}

/* One portion is deferred, the next ones are delivered: the round is over, and the wait is not forgotten. */
static void portions_wait_for_the_deferred_one(void **state)
{
	struct puppet_rule rules[] = { { "RCPT TO:<a", "450 4.2.1 later\r\n", PUPPET_GO_ON, 1 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_params.smtp_destination_recipient_limit = 1;
	world_start();
	struct world_job *j = world_job(ONE, 3);

	world_settle();
	world_turns_for(20);
	assert_int_equal(j->settles, 3);
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(j->job.attempts, 1);
	assert_int_equal(j->job.open, 1);
	assert_true(j->job.due_ns >= j->settled_ns + 260 * NS_PER_SEC);
	assert_int_equal(delivery_usage(world.delivery).deferred, 1);
}

/* Two portions deferred in one round are one attempt. */
static void a_round_counts_once(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 0 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_params.smtp_destination_recipient_limit = 1;
	world_start();
	struct world_job *j = world_job(ONE, 3);

	world_settle();
	assert_int_equal(j->settles, 3);
	assert_int_equal(j->job.attempts, 1);
	assert_in_range(j->job.due_ns - j->settled_ns, 269 * NS_PER_SEC, 331 * NS_PER_SEC);
}

static void old_messages_are_given_up(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 0 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_params.maximal_queue_lifetime_ns = 100 * NS_PER_MS;
	world_start();
	struct world_job *j = world_job(ONE, 1);

	j->msg.arrival_ns -= NS_PER_SEC;
	world_finish();
	assert_all(j, RCPT_BOUNCED);
	assert_int_equal(j->dsn.class, 5);
	assert_int_equal(j->dsn.subject, 4);
	assert_int_equal(j->dsn.detail, 7);
	assert_non_null(strstr(j->text, "450 4.2.1 later"));
}

/* What somebody has set the wall clock forward by. The linker puts us in front of clock_wall_ns (tests/meson.build). */
static uint64_t wall_step_ns;

uint64_t __real_clock_wall_ns(void);
uint64_t __wrap_clock_wall_ns(void);

uint64_t __wrap_clock_wall_ns(void)
{
	return __real_clock_wall_ns() + wall_step_ns;
}

static void a_step_of_the_clock_gives_nothing_up(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 0 }, { 0 } };
	const uint64_t year_ns = 365 * 86400 * NS_PER_SEC;

	(void)state;
	server(0)->rules = rules;
	world_start();
	struct world_job *j = world_job(ONE, 1);

	wall_step_ns = year_ns;
	world_turn();
	assert_true(reactor_wall_now() > reactor_queue_now() + year_ns / 2);	/* the step is seen */
	world_settle();
	assert_int_equal(j->deferrals, 1);
	assert_all(j, RCPT_OPEN);
	assert_in_range(j->job.due_ns - j->msg.arrival_ns, 260 * NS_PER_SEC, 400 * NS_PER_SEC);
	wall_step_ns = 0 - year_ns;		/* and back, further than it came */
	world_turns_for(20);
	assert_int_equal(delivery_usage(world.delivery).deferred, 1);
	assert_true(reactor_queue_now() - j->msg.arrival_ns < 60 * NS_PER_SEC);
	wall_step_ns = 0;
}

static void jobs_of_tomorrow_wait(void **state)
{
	(void)state;
	world_start();
	struct world_job *j = world_job(ONE, 1);

	j->job.due_ns = reactor_queue_now() + 100 * NS_PER_MS;
	world_turns_for(50);
	assert_int_equal(server(0)->accepted, 0);
	world_finish();
	assert_all(j, RCPT_SENT);
}

/* --- health ------------------------------------------------------------------------------------------------------- */

/* Cases 572, 576. */
static void dead_destinations_are_left_alone(void **state)
{
	struct puppet_rule busy[] = { { "", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 }, { 0 } };
	unsigned told = 0;

	(void)state;
	server(0)->rules = busy;
	world_params.smtp_initial_destination_concurrency = 2;
	world_params.minimal_backoff_time_ns = 400 * NS_PER_MS;
	world_params.maximal_backoff_time_ns = 400 * NS_PER_MS;
	world_start();
	for (unsigned i = 0; i < 20; i++)
		world_job(ONE, 1);
	world_settle();
	/* 1/2 + 1/1 is one cohort: two connections, perhaps one more that was under way. */
	assert_in_range(server(0)->accepted, 2, 3);
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(world.jobs[i].deferrals, 1);
		assert_int_equal(world.jobs[i].dsn.class, 4);
		told += strstr(world.jobs[i].text, "delivery temporarily suspended: ") == world.jobs[i].text;
	}
	assert_in_range(told, 17, 18);
	assert_non_null(strstr(world.jobs[19].text, "421 4.3.2 busy"));
	assert_string_equal(world.jobs[19].relay, "none");
	/* It recovers. */
	server(0)->rules = NULL;
	world_finish();
	assert_int_equal(server(0)->messages, 20);
}

/* Case 573: what happens to messages says nothing about the destination. */
static void refused_messages_do_not_suspend(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 20 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_start();
	for (unsigned i = 0; i < 20; i++)
		world_job(ONE, 1);
	world_settle();
	for (unsigned i = 0; i < 20; i++)
		assert_non_null(strstr(world.jobs[i].text, "450 4.2.1 later"));
	world_job(ONE, 1);
	world_settle();
	assert_true(world.jobs[20].finished);
}

/* Case 574: as long as some host of it works. */
static void one_working_host_is_enough(void **state)
{
	struct puppet_rule busy[] = { { "", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 }, { 0 } };

	(void)state;
	server(0)->rules = busy;
	world_start();
	for (unsigned i = 0; i < 20; i++)
		world_job(BOTH, 1);
	world_finish();
	assert_int_equal(server(1)->messages, 20);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(world.jobs[i].deferrals, 0);
}

/* While all that is left of a destination waits for its time, what others could use is given back: there are more
 * destinations that fail for days than there are routes. */
static void waiting_destinations_hold_no_route(void **state)
{
	(void)state;
	world_start();
	world_job("[127.0.0.2]:1", 1);
	world_settle();
	world_turns_for(10);
	assert_int_equal(delivery_usage(world.delivery).deferred, 1);
	assert_int_equal(world.delivery->routes.used, 0);
}

static void bad_nexthops_are_deferred(void **state)
{
	(void)state;
	world_start();
	struct world_job *j = world_job("[127.0.0.2", 1), *k = world_job("[nobody]:25", 1);

	world_settle();
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(j->dsn.subject, 3);
	assert_int_equal(j->dsn.detail, 5);
	assert_string_equal(j->relay, "none");
	assert_true(k->finished || k->deferrals == 1);
}

/* smtp_destination_rate_delay: one start at a time, and time between them. */
static void rates_are_kept(void **state)
{
	(void)state;
	world_params.smtp_destination_rate_delay_ns = 60 * NS_PER_MS;
	world_start();
	for (unsigned i = 0; i < 4; i++)
		world_job(ONE, 1);
	world_turns_for(30);
	assert_int_equal(server(0)->messages, 1);
	world_finish();
	assert_true(world.jobs[3].settled_ns - world.jobs[0].settled_ns >= 150 * NS_PER_MS);
}

/* --- the source has trouble --------------------------------------------------------------------------------------- */

static void claims_that_fail_defer(void **state)
{
	(void)state;
	world.claim_err = -EIO;
	world_start();
	struct world_job *j = world_job(ONE, 2);

	world_settle();
	assert_int_equal(server(0)->messages, 0);
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(j->dsn.class, 4);
	assert_int_equal(j->dsn.subject, 3);
	assert_all(j, RCPT_OPEN);
}

static void damaged_messages_are_finished(void **state)
{
	(void)state;
	world.claim_err = ERR_CORRUPT;
	world.settle_err = ERR_CORRUPT;
	world_start();
	struct world_job *j = world_job(ONE, 2);

	world_finish();
	assert_int_equal(server(0)->messages, 0);
	assert_all(j, RCPT_OPEN);
}

/* --- draining ----------------------------------------------------------------------------------------------------- */

static void draining_ends_what_is_under_way(void **state)
{
	unsigned settled = 0;

	(void)state;
	world_params.smtp_initial_destination_concurrency = 2;
	server(0)->dot_wait_ns = 100 * NS_PER_MS;
	world_start();
	for (unsigned i = 0; i < 10; i++)
		world_job(ONE, 1);
	world_turns_for(50);
	world_drain();
	for (unsigned i = 0; i < 10; i++)
		settled += world.jobs[i].settles;
	/* On each of two sessions the one whose dot waits, and the one that rides behind it. */
	assert_int_equal(settled, 4);
	assert_int_equal(world.finished, 4);
	assert_int_equal(server(0)->messages, 4);
	world_turns_for(20);
	assert_int_equal(server(0)->quits, 2);
}

static void draining_drops_what_has_not_begun(void **state)
{
	struct puppet_rule silent[] = { { "", NULL, PUPPET_GO_ON, 0 }, { 0 } };

	(void)state;
	server(0)->rules = silent;
	world_start();
	struct world_job *j = world_job(ONE, 1);

	world_turns_for(30);
	assert_int_equal(server(0)->accepted, 1);
	world_drain();
	assert_int_equal(j->settles, 0);
	assert_false(j->finished);
}

static void draining_with_nothing_to_do(void **state)
{
	(void)state;
	world_start();
	world_drain();
	world_job(ONE, 1); /* too late: it stays with the source */
	world_turns_for(20);
	assert_int_equal(server(0)->accepted, 0);
	assert_int_equal(world.drained, 1);
}

/* What waits for its time keeps no destination, nor a route (they are fewer than what may have to wait). */
static void deferred_jobs_keep_no_destination(void **state)
{
	struct puppet_rule busy[] = { { "", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 }, { 0 } };

	(void)state;
	server(0)->rules = busy;
	world_start();
	world_job(ONE, 1);
	world_settle();
	world_turns_for(20);
	assert_int_equal(delivery_usage(world.delivery).deferred, 1);
	assert_int_equal(delivery_usage(world.delivery).busy_destinations, 0);
}

/* Our own trouble is nobody else's fault: 4.3.0, no next host, no word about a lost connection. */
static void a_full_disk_is_our_own_trouble(void **state)
{
	(void)state;
	world.claim_err = -ENOSPC;
	world_start();
	struct world_job *j = world_job(MULTI, 1);

	world_settle();
	assert_int_equal(j->dsn.class, 4);
	assert_int_equal(j->dsn.subject, 3);
	assert_int_equal(j->settles, 1);
	assert_null(strstr(j->text, "lost connection"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		WORLD_CLAIM("a deferred job keeps no destination", deferred_jobs_keep_no_destination),
		WORLD_CLAIM("our own full disk is not the server's fault (row OSR-02)", a_full_disk_is_our_own_trouble),
		WORLD_CLAIM("never more sessions than the window, and they are used again (case 578)",
			    windows_are_respected),
		WORLD_CLAIM("a new destination starts with its initial window (case 579)",
			    a_new_destination_starts_small),
		WORLD_CLAIM("a slow destination holds up no other", destinations_do_not_share),
		WORLD_CLAIM("120 recipients are three transactions (case 582)", recipients_go_in_portions),
		WORLD_CLAIM("soft failures go to the next host (cases 95-106, 150-167)",
			    soft_failures_go_to_the_next_host),
		WORLD_CLAIM("refused connections go to the next host (case 95)",
			    refused_connections_go_to_the_next_host),
		WORLD_CLAIM("hard failures are tried nowhere else (cases 100, 103, 104, 166)",
			    hard_failures_stay_where_they_are),
		WORLD_CLAIM("only recipients that are open go to the next host (case 101)", only_open_recipients_go_on),
		WORLD_CLAIM("smtp_mx_session_limit ends the round (case 97)", sessions_are_limited),
		WORLD_CLAIM("a host that did not let us in was no session (case 98)", failed_greetings_are_no_sessions),
		WORLD_CLAIM("smtp_skip_4xx_greeting = no defers at once (case 154)", a_4xx_greeting_may_defer_at_once),
		WORLD_CLAIM("deferred jobs come back, later each time (case 581)", deferred_jobs_come_back),
		WORLD_CLAIM("a deferred portion keeps its wait when others are delivered after it",
			    portions_wait_for_the_deferred_one),
		WORLD_CLAIM("a round with several deferred portions counts once", a_round_counts_once),
		WORLD_CLAIM("a message that is too old bounces with 5.4.7", old_messages_are_given_up),
		WORLD_CLAIM("OSR-09: a step of the clock gives nothing up", a_step_of_the_clock_gives_nothing_up),
		WORLD_CLAIM("a job whose time has not come waits", jobs_of_tomorrow_wait),
		WORLD_CLAIM("a dead destination is suspended, and comes back (cases 572, 576)",
			    dead_destinations_are_left_alone),
		WORLD_CLAIM("refused messages suspend nobody (case 573)", refused_messages_do_not_suspend),
		WORLD_CLAIM("one host that works keeps a destination alive (case 574)", one_working_host_is_enough),
		WORLD_CLAIM("a destination whose jobs all wait holds no route", waiting_destinations_hold_no_route),
		WORLD_CLAIM("smtp_destination_rate_delay keeps starts apart", rates_are_kept),
		WORLD_CLAIM("a nexthop that leads nowhere is deferred", bad_nexthops_are_deferred),
		WORLD_CLAIM("a claim that fails defers", claims_that_fail_defer),
		WORLD_CLAIM("a damaged message is finished, and not delivered", damaged_messages_are_finished),
		WORLD_CLAIM("draining ends what is under way and begins nothing", draining_ends_what_is_under_way),
		WORLD_CLAIM("draining drops sessions that carry nothing yet", draining_drops_what_has_not_begun),
		WORLD_CLAIM("draining with nothing to do is done", draining_with_nothing_to_do),
	};

	return cmocka_run_group_tests_name("net/delivery/delivery", claims, NULL, world_end);
}
