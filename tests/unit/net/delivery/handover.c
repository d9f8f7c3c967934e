/* Mail for which we are the best exchanger ourselves goes to another destination, half way as well (B 4). */
#include <stdio.h>

#include "net/delivery/delivery_internal.h"
#include "tests/unit/net/delivery/world.h"

#define ONE   "[127.0.0.2]:%"
#define OTHER "[127.0.0.3]:%"

static unsigned sent_to;	/* the core of the latest note */

void __real_xcall_send(unsigned core, struct note *n);
void __wrap_xcall_send(unsigned core, struct note *n);

/* The other core is this one: which one was meant is what we want to know. */
void __wrap_xcall_send(unsigned core, struct note *n)
{
	sent_to = core;
	__real_xcall_send(0, n);
}

/* The zone has changed: we are the best host now. */
static void become_the_best_host(struct destination *dst)
{
	dst->route->count = 0;
	dst->route->error = (struct mx_error){ .class = 5, .subject = 4, .detail = 6 };
	(void)snprintf(dst->route->error.text, sizeof(dst->route->error.text), "mail loops back to us"); /* fits */
}

/* Until the first of its transactions is under way. */
static void wait_for_session(const struct world_job *j)
{
	while (j->under_way == 0)
		world_turn();
}

/* The first portion is deferred; the second one has not been tried, and its wait is not that of the first. */
static void the_untried_do_not_wait_for_the_deferred(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "450 4.2.1 later\r\n", PUPPET_GO_ON, 50 }, { 0 } };

	(void)state;
	world.puppets[0].rules = rules;
	world_params.best_mx_transport = world_text("smtp:" OTHER);
	world_params.minimal_backoff_time_ns = 100 * NS_PER_MS;
	world_start();
	struct world_job *j = world_job(ONE, 60);

	wait_for_session(j);
	become_the_best_host(j->job.destination);
	while (j->deferrals == 0)
		world_turn();
	assert_int_equal(j->settles, 1);
	world_settle();
	assert_int_equal(world.puppets[1].rcpts_max, 10);
	assert_int_equal(j->deferrals, 1);
	assert_true(j->settled_ns < j->retry_at_ns);
	world_finish();
	assert_int_equal(world_count(j, RCPT_SENT), 60);
	assert_int_equal(world.puppets[0].messages, 0);
}

/* The name of a next hop that core owns. */
static const char *hop_of_core(unsigned core)
{
	static char text[64];

	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "smtp:[127.0.0.%u]:%%", i % 250 + 4); /* fits */
		const char *hop = world_text(text);

		if (delivery_core_of(slice_of_str(hop + strlen("smtp:"))) == core)
			return hop;
	}
	fail_msg("no next hop of core %u", core);
	return NULL;
}

static void limits_are_those_of_its_owner(void **state)
{
	for (unsigned core = 0; core < 2; core++) {
		if (core > 0) {
			assert_int_equal(world_teardown(state), 0);
			assert_int_equal(world_setup(state), 0);
		}
		world_start();
		delivery_start(&world_params, 2);
		world_params.best_mx_transport = hop_of_core(core);
		struct world_job *j = world_job(ONE, 60);

		wait_for_session(j);
		become_the_best_host(j->job.destination);
		while (slice_eq(j->job.nexthop, slice_of_str(j->nexthop)))
			world_turn();
		assert_int_equal(j->job.core, core);
		assert_int_equal(sent_to, core);
		world_settle();
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		WORLD_CLAIM("recipients that were not tried do not wait for those that were deferred",
			    the_untried_do_not_wait_for_the_deferred),
		WORLD_CLAIM("mail that is handed over goes to the core that owns its new destination",
			    limits_are_those_of_its_owner),
	};

	return cmocka_run_group_tests_name("net/delivery/handover", claims, NULL, world_end);
}
