/* Connections that are used again, for the same destination and for others (area U). */
#include "net/delivery/delivery.h"

#include <stdio.h>

#include "core/clock.h"
#include "net/delivery/delivery_internal.h"
#include "tests/unit/net/delivery/world.h"

#define ONE   "[127.0.0.2]:%"
#define MULTI "[multi]:%"

static struct puppet *server(unsigned i)
{
	return &world.puppets[i];
}

/* How often this came in over the how-manieth connection. */
static unsigned count_got(unsigned server_index, unsigned conn, const char *text)
{
	struct slice got = puppet_got(server(server_index), conn);
	unsigned n = 0;

	for (size_t i = 0; i + strlen(text) <= got.len; i++)
		n += memcmp(got.ptr + i, text, strlen(text)) == 0;
	return n;
}

static void assert_all(const struct world_job *j, enum rcpt_state state)
{
	assert_int_equal(world_count(j, state), j->msg.rcpt_count);
}

static void connections_wear_out(void **state)
{
	(void)state;
	world_params.smtp_connection_reuse_count_limit = 2; /* used again twice: three messages each */
	world_params.smtp_destination_concurrency_limit = 1;
	world_start();
	for (unsigned i = 0; i < 9; i++)
		world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 3);
	for (unsigned i = 0; i < 9; i++)
		assert_in_range(world.jobs[i].conn_use, 1, 3);
}

static void no_cache_no_second_message(void **state)
{
	(void)state;
	world_params.smtp_connection_cache_on_demand = false;
	world_start();
	for (unsigned i = 0; i < 5; i++)
		world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 5);
	world_turns_for(20);
	assert_int_equal(server(0)->quits, 5);
}

static void idle_connections_are_used_and_ended(void **state)
{
	(void)state;
	world_params.smtp_connection_cache_time_limit_ns = 100 * NS_PER_MS;
	world_cache_always("127.0.0.2");
	world_start();
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(delivery_usage(world.delivery).idle, 1);
	world_turns_for(30);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 1);
	assert_int_equal(world.jobs[1].conn_use, 2);
	assert_int_equal(count_got(0, 0, "RSET\r\nMAIL"), 1);
	world_turns_for(200);
	assert_int_equal(delivery_usage(world.delivery).lanes, 0);
	assert_int_equal(server(0)->quits, 1);
}

/* Cases 546, 547: worth while only when one delivery follows another. */
static void connections_are_kept_on_demand(void **state)
{
	(void)state;
	world_start();
	world_job(ONE, 1);
	world_finish();
	world_turns_for(20);
	assert_int_equal(server(0)->quits, 1);
	assert_int_equal(delivery_usage(world.delivery).lanes, 0);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(delivery_usage(world.delivery).idle, 1);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 2);
	assert_int_equal(world.jobs[2].conn_use, 2);
	/* More than a second later, that is over. */
	world_turns_for(1100);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(world.jobs[3].conn_use, 3);	/* what is there is used, */
	world_turns_for(20);
	assert_int_equal(delivery_usage(world.delivery).lanes, 0);	/* and not kept */
}

/* Cases 552, 553: what has died meanwhile is nobody's trouble. */
static void dead_idle_connections_are_replaced(void **state)
{
	static const struct puppet_rule endings[] = {
		{ "RSET", "421 4.4.2 bye\r\n", PUPPET_CLOSE, 1 }, { "RSET", "502 what?\r\n", PUPPET_GO_ON, 1 },
		{ "RSET", NULL, PUPPET_CLOSE, 1 },		   { "RSET", NULL, PUPPET_RESET, 1 },
		{ "RSET", NULL, PUPPET_GO_ON, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(endings); i++) {
		struct puppet_rule rules[] = { endings[i], { 0 } };

		if (i > 0) {
			assert_int_equal(world_teardown(NULL), 0);
			assert_int_equal(world_setup(NULL), 0);
		}
		server(0)->rules = rules;
		server(0)->caps = endings[i].then == PUPPET_GO_ON ? "SIZE" : NULL; /* who says nothing answers nothing */
		world_params.smtp_rset_timeout_ns = 200 * NS_PER_MS;
		world_cache_always("127.0.0.2");
		world_start();
		world_job(ONE, 1);
		world_finish();
		struct world_job *j = world_job(ONE, 2);

		world_finish();
		assert_all(j, RCPT_SENT);
		assert_int_equal(j->deferrals, 0);
		assert_int_equal(j->conn_use, 1);
		assert_int_equal(server(0)->accepted, 2);
		assert_int_equal(server(0)->messages, 2);
	}
}

/* The first attempt may have delivered it, and said so. The second one found a dead connection, and did nothing. */
static void dead_idle_connections_leave_no_doubt(void **state)
{
	struct puppet_rule rules[] = { { ".", NULL, PUPPET_CLOSE, 1 }, { "RSET", NULL, PUPPET_CLOSE, 1 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_params.smtp_destination_concurrency_failed_cohort_limit = 0;
	world_params.minimal_backoff_time_ns = 500 * NS_PER_MS;
	world_cache_always("127.0.0.2");
	world_start();
	struct world_job *j = world_job(ONE, 1);

	world_settle();
	assert_int_equal(j->doubts, 1);
	world_job(ONE, 1);	/* its connection is kept */
	world_finish();
	assert_int_equal(j->settles, 3);
	assert_int_equal(j->doubts, 1);
	assert_all(j, RCPT_SENT);
}

/* Case 554. */
static void refused_transactions_are_reset(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "550 5.1.1 no\r\n", PUPPET_GO_ON, 1 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	server(0)->caps = "SIZE";
	world_cache_always("127.0.0.2");
	world_start();
	world_job(ONE, 1);
	world_finish();
	world_turns_for(20);
	assert_int_equal(delivery_usage(world.delivery).idle, 1);
	assert_int_equal(count_got(0, 0, "RSET\r\n"), 1);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 1);
	assert_int_equal(server(0)->messages, 1);
}

/* Case 555: each of these is a connection that nobody wants again. */
static void odd_sessions_are_not_kept(void **state)
{
	static const struct puppet_rule oddities[] = {
		{ "MAIL", "500 5.5.1 what?\r\n", PUPPET_GO_ON, 1 },
		{ "RCPT", "555 5.5.4 what?\r\n", PUPPET_GO_ON, 1 },
		{ ".", "huh\r\n", PUPPET_GO_ON, 1 },
		{ "RCPT", NULL, PUPPET_RESET, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(oddities); i++) {
		struct puppet_rule rules[] = { oddities[i], { 0 } };

		if (i > 0) {
			assert_int_equal(world_teardown(NULL), 0);
			assert_int_equal(world_setup(NULL), 0);
		}
		server(0)->rules = rules;
		world_cache_always("127.0.0.2");
		world_start();
		world_job(ONE, 1);
		world_settle();
		world_turns_for(20);
		assert_int_equal(delivery_usage(world.delivery).lanes, 0);
	}
}

/* B 18.3: the same server under two names. */
static void idle_connections_serve_other_destinations(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2, multi");
	world_start();
	world_job(ONE, 1);
	world_finish();
	struct world_job *j = world_job(MULTI, 1);

	world_finish();
	assert_int_equal(server(0)->accepted, 1);
	assert_int_equal(server(0)->messages, 2);
	assert_int_equal(j->conn_use, 2);
	assert_non_null(strstr(j->relay, "multi[127.0.0.2]"));
	world_job(ONE, 1);	/* and back */
	world_finish();
	assert_int_equal(server(0)->accepted, 1);
	assert_int_equal(world.jobs[2].conn_use, 3);
}

/* Case 559. */
static void what_a_message_needs_is_looked_for(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2");
	world_start();
	world_job(ONE, 1);
	world_finish();
	struct world_job *j = world_job(ONE, 1);

	j->msg.facts = MESSAGE_SMTPUTF8 | MESSAGE_HEADER_UTF8;
	world_settle();
	assert_int_equal(server(0)->accepted, 2);
}

/* Cases 561, 562: a cached session counts as one, and its address as tried. */
static void cached_sessions_count(void **state)
{
	struct puppet_rule lost[] = { { "MAIL", NULL, PUPPET_CLOSE, 2 }, { 0 } };
	struct puppet_rule later[WORLD_PUPPETS][2] = { { { 0 } } };

	(void)state;
	world_cache_always("127.0.0.2, multi");
	world_start();
	world_job(MULTI, 1);
	world_finish();
	server(0)->rules = lost;
	world_job(MULTI, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 1);	/* not connected again */
	assert_int_equal(server(1)->messages, 1);
	server(1)->rules = later[1];
	server(2)->rules = later[2];
	for (unsigned i = 0; i < WORLD_PUPPETS; i++)
		later[i][0] = (struct puppet_rule){ "RCPT", "451 4.2.0 later\r\n", PUPPET_GO_ON, 0 };
	server(0)->rules = later[0];
	struct world_job *j = world_job(MULTI, 1);

	world_settle();
	assert_int_equal(j->settles, 2);	/* smtp_mx_session_limit */
	assert_int_equal(j->deferrals, 1);
	assert_int_equal(server(0)->accepted + server(1)->accepted + server(2)->accepted, 3);
}

/* Case 560. */
static void cached_connections_to_a_fallback_relay(void **state)
{
	(void)state;
	world_params.smtp_fallback_relay = world_text("[127.0.0.3]:%");
	world_cache_always("127.0.0.2");
	world_start();
	world_job("[127.0.0.2]:1", 1);
	world_finish();
	world_job("[127.0.0.2]:1", 1);
	world_finish();
	assert_int_equal(server(1)->accepted, 1);
	assert_int_equal(server(1)->messages, 2);
	assert_int_equal(world.jobs[1].conn_use, 2);
}

/* Cases 549, 550. */
static void connections_grow_old(void **state)
{
	(void)state;
	world_params.smtp_connection_reuse_time_limit_ns = 100 * NS_PER_MS;
	world_cache_always("127.0.0.2");
	world_start();
	server(0)->dot_wait_ns = 120 * NS_PER_MS;
	world_job(ONE, 1);
	world_finish();
	world_turns_for(20);
	assert_int_equal(server(0)->quits, 1);
	assert_int_equal(world_teardown(NULL), 0);
	assert_int_equal(world_setup(NULL), 0);
	world_params.smtp_connection_reuse_count_limit = 2;
	world_cache_always("127.0.0.2");
	world_start();
	for (unsigned i = 0; i < 6; i++) {
		world_job(ONE, 1);
		world_finish();
		assert_int_equal(world.jobs[i].conn_use, i % 3 + 1);
	}
	assert_int_equal(server(0)->accepted, 2);
}

/* Case 564. */
static void one_delivery_at_a_time(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2");
	world_start();
	world_job(ONE, 1);
	world_finish();
	server(0)->dot_wait_ns = 50 * NS_PER_MS;
	world_job(ONE, 1);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->accepted, 2);
	assert_int_equal(world.jobs[1].conn_use + world.jobs[2].conn_use, 3);
}

/* design.md, section 5: at most 6 KiB for an idle cached session in clear text. */
static void idle_connections_are_small(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2");
	world_start();
	for (unsigned i = 0; i < 10; i++)
		world_job(ONE, 1);
	world_finish();
	while (world.delivery->works.used > 0)
		world_turn();
	assert_true(delivery_usage(world.delivery).idle > 0);
	assert_int_equal(delivery_usage(world.delivery).idle, delivery_usage(world.delivery).lanes);
	print_message("an idle session: %zu octets; one at work: %zu more\n", sizeof(struct lane),
		      sizeof(struct session_work));
	world_job(ONE, 1);
	world_finish();
	assert_true(world.jobs[10].conn_use > 1);
}

/* The server may go first: nobody's mail suffers. */
static void servers_that_hang_up_on_idle_connections(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2");
	world_start();
	world_job(ONE, 1);
	world_finish();
	puppet_interrupt(server(0), 0, "421 4.4.2 idle\r\n", PUPPET_CLOSE);
	world_turns_for(20);
	assert_int_equal(delivery_usage(world.delivery).lanes, 0);
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(world.jobs[1].deferrals, 0);
	assert_int_equal(server(0)->accepted, 2);
}

static void idle_connections_end_with_the_drain(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2");
	world_start();
	world_job(ONE, 1);
	world_finish();
	assert_int_equal(delivery_usage(world.delivery).idle, 1);
	world_drain();
	world_turns_for(20);
	assert_int_equal(server(0)->quits, 1);
}

/* Forty nexthops, which are forty names of one server, and room for three connections. */
static void idle_connections_make_room(void **state)
{
	char nexthop[64];
	uint64_t before = clock_mono_ns();

	(void)state;
	world_sessions_max = 3;
	world_start();
	world_sessions_max = 100;
	for (unsigned i = 0; i < 40; i++) {
		/* Leading zeros would be refused; a list with a second element that is never needed is another name. */
		(void)snprintf(nexthop, sizeof(nexthop), "[127.0.0.2]:%% [127.0.0.2]:%u", i + 1);
		world_job(nexthop, 1);
	}
	world_finish();
	assert_int_equal(server(0)->messages, 40);
	/* Kept for 2 s each, they would take 26 s. */
	assert_true(clock_mono_ns() - before < 10 * NS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		WORLD_CLAIM("a connection is used again as often as allowed", connections_wear_out),
		WORLD_CLAIM("without a cache every message has its own connection", no_cache_no_second_message),
		WORLD_CLAIM("an idle connection is used after a probe, or ended in time (cases 544, 545, 548)",
			    idle_connections_are_used_and_ended),
		WORLD_CLAIM("on demand, connections are kept while mail follows mail (cases 546, 547)",
			    connections_are_kept_on_demand),
		WORLD_CLAIM("a kept connection that is dead is replaced in silence (cases 552, 553)",
			    dead_idle_connections_are_replaced),
		WORLD_CLAIM("a kept connection that is dead delivers nothing twice", dead_idle_connections_leave_no_doubt),
		WORLD_CLAIM("a refused transaction is reset, and its connection kept (case 554)",
			    refused_transactions_are_reset),
		WORLD_CLAIM("a connection with a protocol error is not kept (case 555)", odd_sessions_are_not_kept),
		WORLD_CLAIM("an idle connection serves other destinations of its server",
			    idle_connections_serve_other_destinations),
		WORLD_CLAIM("a message that needs SMTPUTF8 is not sent over one that lacks it (case 559)",
			    what_a_message_needs_is_looked_for),
		WORLD_CLAIM("a cached session counts as one, and its address as tried (cases 561, 562)",
			    cached_sessions_count),
		WORLD_CLAIM("a cached connection to a fallback relay may be used (case 560)",
			    cached_connections_to_a_fallback_relay),
		WORLD_CLAIM("connections have an age and a number of uses (cases 549, 550)", connections_grow_old),
		WORLD_CLAIM("a connection carries one delivery at a time (case 564)", one_delivery_at_a_time),
		WORLD_CLAIM("an idle connection keeps no more than 6 KiB of memory", idle_connections_are_small),
		WORLD_CLAIM("a server that hangs up on an idle connection does no harm",
			    servers_that_hang_up_on_idle_connections),
		WORLD_CLAIM("idle connections end with the drain", idle_connections_end_with_the_drain),
		WORLD_CLAIM("connections kept for later make room for work that is there", idle_connections_make_room),
	};

	return cmocka_run_group_tests_name("net/delivery/delivery_reuse", claims, NULL, world_end);
}
