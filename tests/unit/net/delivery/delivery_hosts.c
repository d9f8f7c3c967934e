/* Which host is asked, in which order, and what the last word is (areas D, E and V). */
#include "net/delivery/delivery.h"

#include <stdio.h>
#include <unistd.h>

#include "core/clock.h"
#include "net/delivery/delivery_internal.h"
#include "tests/unit/net/delivery/world.h"

#define ONE   "[127.0.0.2]:%"
#define BOTH  "[127.0.0.2]:%, [127.0.0.3]:%"
#define MULTI "[multi]:%"

static struct puppet *server(unsigned i)
{
	return &world.puppets[i];
}

static struct puppet_rule later[2] = { { "RCPT", "451 4.2.1 later\r\n", PUPPET_GO_ON, 0 } };
static struct puppet_rule busy[2] = { { "", "421 4.3.2 busy\r\n", PUPPET_CLOSE, 0 } };
static struct puppet_rule never[2] = { { "RCPT", "550 5.1.1 no\r\n", PUPPET_GO_ON, 0 } };

static void assert_dsn(const struct world_job *j, unsigned class, unsigned subject, unsigned detail)
{
	if (j->dsn.class != class || j->dsn.subject != subject || j->dsn.detail != detail)
		fail_msg("%u.%u.%u (%s), not %u.%u.%u", j->dsn.class, j->dsn.subject, j->dsn.detail, j->text, class,
			 subject, detail);
}

/* --- the last word ------------------------------------------------------------------------------------------------ */

/* Case 566: every host is asked. */
static void soft_bounce_asks_every_host(void **state)
{
	(void)state;
	world_params.soft_bounce = true;
	server(0)->rules = never;
	server(1)->rules = never;
	world_start();
	struct world_job *j = world_job(BOTH, 2);

	world_settle();
	assert_int_equal(server(0)->accepted + server(1)->accepted, 2);
	assert_int_equal(j->deferrals, 1);
	assert_dsn(j, 4, 1, 1);
	assert_true(j->rcpts[0].is_softened && j->rcpts[1].is_softened);
	assert_int_equal(world_count(j, RCPT_OPEN), 2);
}

/* Case 111: what could not be found behind the last host is the last error; case 112: unless it is hard. */
static void the_end_of_the_list_counts(void **state)
{
	(void)state;
	server(0)->rules = later;
	world_params.smtp_fallback_relay = "[nobody.test]";
	world_start();
	struct world_job *j = world_job(ONE, 1);

	world_settle();
	assert_dsn(j, 4, 3, 5);
	assert_int_equal(world_teardown(NULL), 0);
	assert_int_equal(world_setup(NULL), 0);
	server(0)->rules = later;
	world_start();
	j = world_job(ONE ", [nobody.test]", 1);
	world_settle();
	assert_dsn(j, 4, 2, 1);
}

/* Case 99. */
static void a_session_limit_of_one_leaves_the_relay(void **state)
{
	(void)state;
	server(0)->rules = later;
	world_params.smtp_mx_session_limit = 1;
	world_params.smtp_fallback_relay = world_text("[127.0.0.3]:%");
	world_start();
	struct world_job *j = world_job(ONE, 1);

	world_finish();
	assert_int_equal(server(1)->messages, 1);
	assert_int_equal(j->deferrals, 0);
}

/* Case 107. */
static void a_loss_at_the_last_host_defers(void **state)
{
	struct puppet_rule lost[] = { { "DATA", NULL, PUPPET_CLOSE, 0 }, { 0 } };

	(void)state;
	server(0)->rules = busy;
	server(1)->rules = lost;
	world_start();
	struct world_job *j = world_job(BOTH, 2);

	world_settle();
	assert_int_equal(j->deferrals, 1);
	assert_dsn(j, 4, 4, 2);
	assert_non_null(strstr(j->text, "lost connection with 127.0.0.3[127.0.0.3] while sending DATA command"));
}

/* Case 115: two elements of a list lead to one server, whose cached session was no help. */
static void nothing_is_left_to_try(void **state)
{
	(void)state;
	world_cache_always("127.0.0.2");
	world_start();
	world_job("[127.0.0.2]:%, [127.0.0.2]:%", 1);
	world_finish();
	server(0)->rules = later;
	struct world_job *j = world_job("[127.0.0.2]:%, [127.0.0.2]:%", 1);

	world_settle();
	assert_int_equal(server(0)->accepted, 1);
	assert_dsn(j, 4, 3, 0);
	assert_string_equal(j->text, "server unavailable or unable to receive mail");
}

/* --- the destination's health ------------------------------------------------------------------------------------- */

static void expect_suspended(unsigned sessions, struct puppet_rule *first, struct puppet_rule *second, bool suspended)
{
	server(0)->rules = first;
	server(1)->rules = second;
	world_params.smtp_initial_destination_concurrency = 1;
	world_start();
	world_job(BOTH, 1);
	world_settle();
	unsigned before = server(0)->accepted + server(1)->accepted;
	struct world_job *j = world_job(BOTH, 1);

	world_settle();
	assert_int_equal(before, sessions);
	assert_int_equal(strstr(j->text, "delivery temporarily suspended: ") != NULL, suspended);
	assert_int_equal(server(0)->accepted + server(1)->accepted > before, !suspended);
}

/* Case 116, in both orders, and both hosts down. */
static void one_complete_session_is_enough(void **state)
{
	(void)state;
	expect_suspended(2, busy, later, false);
	assert_int_equal(world_teardown(NULL), 0);
	assert_int_equal(world_setup(NULL), 0);
	expect_suspended(2, later, busy, false);
	assert_int_equal(world_teardown(NULL), 0);
	assert_int_equal(world_setup(NULL), 0);
	expect_suspended(2, busy, busy, true);
}

/* --- our own address ---------------------------------------------------------------------------------------------- */

/* Case 121; row NET-03. 203.0.113.1 is nobody's (RFC 5737). */
static void an_address_that_is_not_ours(void **state)
{
	(void)state;
	assert_int_equal(addr_parse_ip(SLICE("203.0.113.1"), 0, &world_params.smtp_bind_address), 0);
	world_start();
	struct world_job *j = world_job(ONE, 1);

	world_finish();
	assert_int_equal(server(0)->messages, 1);	/* unbound, with a warning */
	assert_int_equal(j->deferrals, 0);
	assert_int_equal(world_teardown(NULL), 0);
	assert_int_equal(world_setup(NULL), 0);
	assert_int_equal(addr_parse_ip(SLICE("203.0.113.1"), 0, &world_params.smtp_bind_address), 0);
	world_params.smtp_bind_address_enforce = true;
	world_start();
	j = world_job(BOTH, 1);
	world_settle();
	assert_int_equal(server(0)->accepted + server(1)->accepted, 0);
	assert_dsn(j, 4, 4, 0);
	assert_non_null(strstr(j->text, "cannot bind the source address 203.0.113.1"));
	assert_string_equal(j->relay, "none");
}

/* The peer's view: cases 119 and 122-124 are in source_address.c. */
static void the_source_address_is_used(void **state)
{
	struct addr peer = { .len = sizeof(peer.in) }, want;

	(void)state;
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.77"), 0, &world_params.smtp_bind_address), 0);
	want = world_params.smtp_bind_address;
	server(0)->dot_wait_ns = 100 * NS_PER_MS;
	world_start();
	world_job(ONE, 1);
	while (server(0)->accepted == 0)
		world_turn();
	assert_int_equal(getpeername(server(0)->conns[0].fd, &peer.sa, &peer.len), 0);
	assert_true(addr_eq_ip(&peer, &want));
	world_finish();
}

static unsigned ports_used_up;		/* so many of the next bound connects fail as they do then */

void __real_io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file);
void __wrap_io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file);

void __wrap_io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file)
{
	static struct addr nobodys;

	if (local != NULL && ports_used_up > 0) {
		ports_used_up--;
		assert_int_equal(addr_parse_ip(SLICE("203.0.113.1"), 0, &nobodys), 0);
		local = &nobodys;
	}
	__real_io_connect(op, remote, local, ret_file);
}

/* Row NET-03: an address that has worked is kept when its ports are used up for a moment. */
static void used_up_ports_do_not_cost_the_address(void **state)
{
	struct addr peer = { .len = sizeof(peer.in) }, want;

	(void)state;
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.77"), 0, &world_params.smtp_bind_address), 0);
	want = world_params.smtp_bind_address;
	world_params.smtp_connection_cache_on_demand = false;
	world_start();
	world_job(ONE, 1);
	world_finish();
	ports_used_up = 1;
	server(0)->dot_wait_ns = server(1)->dot_wait_ns = 100 * NS_PER_MS;
	struct world_job *j = world_job(BOTH, 1);
	const unsigned before = server(0)->accepted + server(1)->accepted;

	while (server(0)->accepted + server(1)->accepted == before)
		world_turn();
	const struct puppet *other = server(server(1)->accepted > 0 ? 1 : 0);

	assert_int_equal(ports_used_up, 0);
	assert_int_equal(getpeername(other->conns[other->accepted - 1].fd, &peer.sa, &peer.len), 0);
	assert_true(addr_eq_ip(&peer, &want));
	world_finish();
	assert_int_equal(j->deferrals, 0);
}

/* Case 594, B 22.5: one report for each session. One that cannot be delivered must not cause the next one, also when no
 * transaction was begun. */
static void reports_cause_no_reports(void **state)
{
	static struct puppet_rule odd[2] = { { "", "500 5.5.1 what?\r\n", PUPPET_CLOSE, 0 } };
	static struct puppet_rule odd_later[2] = { { "RCPT", "500 5.5.1 what?\r\n", PUPPET_GO_ON, 0 } };
	static const struct {
		const char *sender;
		struct puppet_rule *rules;
		uint32_t classes;
		unsigned reports;
	} cases[] = {
		{ "s@client.test", odd, NOTIFY_PROTOCOL, 1 },
		{ "", odd, NOTIFY_PROTOCOL, 0 },
		{ "double-bounce@client.test", odd, NOTIFY_PROTOCOL, 0 },
		{ "s@client.test", odd, NOTIFY_DATA, 0 },
		{ "s@client.test", odd_later, NOTIFY_PROTOCOL, 1 },
		{ "", odd_later, NOTIFY_PROTOCOL, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (i > 0) {
			assert_int_equal(world_teardown(state), 0);
			assert_int_equal(world_setup(state), 0);
		}
		world_params.notify_classes = cases[i].classes;
		server(0)->rules = cases[i].rules;
		world_start();
		struct world_job *j = world_job(ONE, 3);

		j->msg.sender = slice_of_str(cases[i].sender);
		world_settle();
		assert_int_equal(j->deferrals, cases[i].rules == odd);
		world_drain();
		assert_int_equal(world.reports, cases[i].reports);
	}
}

/* The other way round, as after a change of the zone. */
static void swap_hosts(struct destination *dst)
{
	char text[JOB_NEXTHOP_MAX];
	struct slice all = slice_of(dst->nexthop, dst->nexthop_len), second = all;
	const size_t first_len = (all.len - strlen(", ")) / 2;

	slice_skip(&second, first_len + strlen(", "));
	assert_int_equal(first_len, second.len);
	(void)snprintf(text, sizeof(text), "%.*s, %.*s", SLICE_FMT(second), (int)first_len, all.ptr); /* as long as before */
	memcpy(dst->nexthop, text, dst->nexthop_len);
	dst->route->expires_ns = 0;
	destination_wake(dst);
}

/* The first host has refused everybody before our own disk has said that an attempt begins; meanwhile the list of hosts
 * is another one. The second host is the one to ask next, whatever its number is now. */
static void a_long_claim_outlives_the_route(void **state)
{
	(void)state;
	server(0)->rules = later;
	server(0)->caps = "8BITMIME";
	world.hold_claims = true;
	world_params.smtp_initial_destination_concurrency = 1;
	world_params.smtp_destination_rate_delay_ns = 50 * NS_PER_MS;
	world_start();
	struct world_job *j = world_job(BOTH, 1);

	world_job(BOTH, 1);	/* whoever is in the queue asks for a fresh route */
	while (delivery_usage(world.delivery).lanes == 0 || j->under_way == 0)
		world_turn();
	struct destination *dst = j->job.destination;

	swap_hosts(dst);
	while (dst->route_generation == 0 || server(0)->quits == 0)
		world_turn();
	assert_int_equal(server(0)->accepted, 1);
	world_answer_claims();
	while (!j->finished && j->deferrals == 0)
		world_turn();
	assert_int_equal(j->deferrals, 0);
	assert_non_null(strstr(j->relay, "127.0.0.3"));
	world_finish();
	assert_int_equal(server(0)->accepted, 1);
}

/* Row SPL-08: time is up while our own disk does not come with the content. The destination has done nothing wrong, and
 * is not suspended; another host would not be faster. */
static void our_own_delay_is_nobodys(void **state)
{
	(void)state;
	world.no_content = true;
	world_params.smtp_transaction_time_limit_ns = 100 * NS_PER_MS;
	world_start();
	struct world_job *j = world_job(BOTH, 1);

	world_settle();
	assert_int_equal(j->deferrals, 1);
	assert_dsn(j, 4, 3, 0);
	assert_string_equal(j->text, "local error while sending message body: Timer expired");
	assert_int_equal(server(1)->accepted, 0);
	world.no_content = false;
	struct world_job *other = world_job(BOTH, 1);

	world_settle();
	assert_true(other->finished);
	assert_int_equal(server(0)->messages, 1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		WORLD_CLAIM("under soft_bounce every host is asked before a deferral (case 566)",
			    soft_bounce_asks_every_host),
		WORLD_CLAIM("a relay that cannot be found is the last word, another host is not (cases 111, 112)",
			    the_end_of_the_list_counts),
		WORLD_CLAIM("after the only session there is still the fallback relay (case 99)",
			    a_session_limit_of_one_leaves_the_relay),
		WORLD_CLAIM("a connection lost at the last host defers (case 107)", a_loss_at_the_last_host_defers),
		WORLD_CLAIM("a server that has been tried by its cached session is not tried again (case 115)",
			    nothing_is_left_to_try),
		WORLD_CLAIM("one complete session keeps a destination from being suspended (case 116)",
			    one_complete_session_is_enough),
		WORLD_CLAIM("a source address that is not ours is left out, or defers (case 121)",
			    an_address_that_is_not_ours),
		WORLD_CLAIM("a report that cannot be delivered causes no other", reports_cause_no_reports),
		WORLD_CLAIM("the server sees the source address", the_source_address_is_used),
		WORLD_CLAIM("the list of hosts may change before the beginning of an attempt is on disk",
			    a_long_claim_outlives_the_route),
		WORLD_CLAIM("SPL-08: a wait for our own disk does not cost the destination", our_own_delay_is_nobodys),
		WORLD_CLAIM("NET-03: used-up ports do not cost the source address", used_up_ports_do_not_cost_the_address),
	};

	return cmocka_run_group_tests_name("net/delivery/delivery_hosts", claims, NULL, world_end);
}
