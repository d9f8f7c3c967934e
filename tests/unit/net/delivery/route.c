/* Routes, with a table in place of mx.h (areas B, C and D). */
#include "net/delivery/route.h"

#include <stdio.h>

#include "core/clock.h"
#include "tests/test.h"

/* --- a stand-in for mx -------------------------------------------------------------------------------------------- */

struct entry {
	const char *name;   /* as written in the list */
	unsigned addresses; /* 10.<n>.0.1 and up, n being its place in the table */
	unsigned class, subject, detail;
	bool i_am_mx, null_mx;
};

static const struct entry *table;
static char asked[1024];
static bool silent; /* lookups never end */
static struct mx_lookup *waiting;
static bool last_from_recipient;
static const struct mx_conf mx_conf;
static uint8_t forbidden;	/* last octet of an address that must not be connected to; 0: none */

static void on_finish(struct task *task)
{
	struct mx_lookup *l = container_of(task, struct mx_lookup, finish);

	waiting = NULL;
	for (unsigned n = 0; table[n].name != NULL; n++) {
		const struct entry *e = &table[n];

		if (!slice_eq(l->dest.text, slice_of_str(e->name)))
			continue;
		l->i_am_mx = e->i_am_mx;
		l->null_mx = e->null_mx;
		for (unsigned i = 0; i < e->addresses; i++) {
			const uint8_t ip[4] = { 10, (uint8_t)n, 0, (uint8_t)(i + 1) };

			l->addresses[i] = (struct mx_address){ .addr = addr_from_ip4(ip, l->dest.port),
							       .checks = MX_CHECK_OWN,
							       .preference = (uint16_t)(10 + i),
							       .host_len = (uint16_t)l->dest.host.len };
			memcpy(l->names, l->dest.host.ptr, l->dest.host.len);
		}
		if (l->dest.is_unix)
			l->addresses[0].addr = l->dest.addr;
		l->count = e->addresses;
		l->best_preference = 10;
		l->error = (struct mx_error){ (uint8_t)e->class, (uint8_t)e->subject, (uint8_t)e->detail, "" };
		(void)snprintf(l->error.text, sizeof(l->error.text), "error of %s", e->name); /* fits */
		l->fn(l, e->class != 0 ? &l->error : NULL);
		return;
	}
	fail_msg("nobody knows %.*s", SLICE_FMT(l->dest.text));
}

void mx_lookup_init(struct mx_lookup *lookup)
{
	lookup->state = MX_IDLE;
	task_init(&lookup->finish, on_finish);
}

void mx_lookup_start(struct mx_lookup *lookup, const struct mx_conf *conf, const struct destination_name *dest,
		     bool from_recipient, mx_lookup_fn *fn)
{
	(void)conf;
	memset(&lookup->error, 0, sizeof(lookup->error));
	lookup->count = 0;
	lookup->i_am_mx = false;
	lookup->null_mx = false;
	lookup->has_list = lookup->list_is_secure = false;
	lookup->list_owner_len = 0;
	lookup->list_owner_at = 0;
	lookup->dest = *dest;
	lookup->fn = fn;
	last_from_recipient = from_recipient;
	(void)snprintf(asked + strlen(asked), sizeof(asked) - strlen(asked), "%.*s;", SLICE_FMT(dest->text)); /* fits */
	waiting = lookup;
	if (!silent)
		reactor_post(&lookup->finish);
}

bool mx_is_forbidden(const struct mx_conf *c, unsigned checks, const struct addr *addr)
{
	assert_ptr_equal(c, &mx_conf);
	assert_int_equal(checks, MX_CHECK_OWN);
	return (uint8_t)(ntohl(addr->in.sin_addr.s_addr) & 0xff) == forbidden;
}

void mx_lookup_cancel(struct mx_lookup *lookup)
{
	reactor_unpost(&lookup->finish);
	waiting = NULL;
}

/* --- one route ---------------------------------------------------------------------------------------------------- */

static struct reactor reactor;
static struct params params;
static struct services services;
static struct nexthop_conf nexthop_conf = { .services = &services, .default_port = 25 };
static struct pool lookups;
static struct route route;
static const struct route_conf conf = {
	.params = &params, .nexthop = &nexthop_conf, .mx = &mx_conf, .lookups = &lookups
};
static unsigned calls;
static bool in_start;

static int setup(void **state)
{
	const struct io_conf io = { .core = 0, .files_max = 64, .arena_size = MIB(1), .recv_bufs = 8 };

	(void)state;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	assert_int_equal(pool_init(&lookups, "lookups", sizeof(struct route_lookup), 2), 0);
	memset(&params, 0, sizeof(params));
	params.smtp_fallback_relay = "";
	params.relayhost = "";
	params.smtp_mx_address_limit = 5;
	nexthop_conf.lmtp = false;
	asked[0] = '\0';
	calls = 0;
	silent = false;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(lookups.used, 0);
	assert_int_equal(reactor.wheel.armed, 0);
	pool_done(&lookups);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static void on_route(struct route *r)
{
	assert_ptr_equal(r, &route);
	assert_false(in_start);
	assert_int_equal(r->state, ROUTE_READY);
	calls++;
}

static void turns(unsigned ms)
{
	uint64_t end = clock_mono_ns() + ms * NS_PER_MS;

	do
		assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + NS_PER_MS), 0);
	while (calls == 0 && clock_mono_ns() < end);
}

static void ask(const struct entry *entries, const char *nexthop, bool is_relayhost)
{
	table = entries;
	calls = 0;
	asked[0] = '\0';
	route_init(&route, &conf, on_route);
	in_start = true;
	route_start(&route, slice_of_str(nexthop), is_relayhost);
	in_start = false;
	assert_int_equal(route.state, ROUTE_ASKING);
	turns(2000);
	assert_int_equal(calls, 1);
	assert_true(route_is_usable(&route, reactor_now()));
	assert_false(route_is_usable(&route, reactor_now() + ROUTE_LIFETIME_NS));
	/* Name servers that are back shall find their mail waiting no longer than the resolver has it. */
	if (route.count == 0 && route.error.class == 4)
		assert_false(route_is_usable(&route, reactor_now() + ROUTE_FAILURE_NS));
	else
		assert_true(route_is_usable(&route, reactor_now() + ROUTE_LIFETIME_NS / 2));
}

static void assert_address(unsigned i, const char *text)
{
	char storage[128];
	struct str out = STR(storage);
	struct addr a = route_addr(&route, i);

	str_add(&out, route_host(&route, i));
	str_add_char(&out, '[');
	addr_add_ip(&out, &a);
	str_add_cstr(&out, "]:");
	str_add_u64(&out, addr_port(&a));
	assert_string_equal(str_cstr(&out), text);
}

static void assert_error(unsigned class, unsigned subject, unsigned detail, const char *text)
{
	assert_int_equal(route.count, 0);
	if (route.error.class != class || route.error.subject != subject || route.error.detail != detail ||
	    strstr(route.error.text, text) == NULL)
		fail_msg("%u.%u.%u %s", route.error.class, route.error.subject, route.error.detail, route.error.text);
}

/* --- claims ------------------------------------------------------------------------------------------------------- */

static const struct entry good[] = {
	{ "a.test", 2, 0, 0, 0, false, false },       { "b.test:2525", 1, 0, 0, 0, false, false },
	{ "[relay.test]", 1, 0, 0, 0, false, false }, { "many.test", 30, 0, 0, 0, false, false },
	{ "x.test", 0, 5, 4, 4, false, false },       { "soft.test", 0, 4, 4, 3, false, false },
	{ "null.test", 0, 5, 1, 10, false, true },    { "self.test", 0, 5, 4, 6, true, false },
	{ "behind.test", 1, 0, 0, 0, true, false },   { "y.test", 0, 5, 4, 3, false, false },
	{ NULL, 0, 0, 0, 0, false, false },
};

static void lists_are_put_behind_each_other(void **state)
{
	(void)state;
	ask(good, "a.test, b.test:2525", false);
	assert_string_equal(asked, "a.test;b.test:2525;");
	assert_int_equal(route.count, 3);
	assert_address(0, "a.test[10.0.0.1]:25");
	assert_address(1, "a.test[10.0.0.2]:25");
	assert_address(2, "b.test[10.1.0.1]:2525");
	assert_false(route.addresses[0].is_worse);
	assert_true(route.addresses[1].is_worse);
	assert_false(route.addresses[2].is_worse);	/* the best of its element */
	assert_true(last_from_recipient);
	ask(good, "a.test", true);
	assert_false(last_from_recipient);
}

static void a_socket_keeps_its_path(void **state)
{
	static const struct entry sockets[] = {
		{ "unix:/run/dovecot/lmtp", 1, 0, 0, 0, false, false },
		{ "inet:b.test:2424", 1, 0, 0, 0, false, false },
		{ NULL, 0, 0, 0, 0, false, false },
	};

	(void)state;
	nexthop_conf.lmtp = true;
	ask(sockets, "unix:/run/dovecot/lmtp, inet:b.test:2424", false);
	assert_int_equal(route.count, 2);
	struct addr a = route_addr(&route, 0);

	assert_int_equal(a.un.sun_family, AF_UNIX);
	assert_string_equal(a.un.sun_path, "/run/dovecot/lmtp");
	assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) + sizeof("/run/dovecot/lmtp"));
	assert_address(1, "b.test[10.1.0.1]:2424");
	assert_false(last_from_recipient);
}

/* Cases 108, 109, 99. */
static void fallback_relays_come_last(void **state)
{
	(void)state;
	params.smtp_fallback_relay = "[relay.test] b.test:2525";
	ask(good, "a.test", false);
	assert_string_equal(asked, "a.test;[relay.test];b.test:2525;");
	assert_int_equal(route.count, 4);
	assert_address(2, "relay.test[10.2.0.1]:25");
	assert_false(last_from_recipient);
	ask(good, "x.test", false); /* case 109: a hard failure goes on to the next of the list */
	assert_int_equal(route.count, 2);
	assert_address(0, "relay.test[10.2.0.1]:25");
}

/* B 3.4, 4; case 53: who accepts no mail, and who is ourselves, has no fallback. */
static void no_fallback_for_those_who_want_none(void **state)
{
	(void)state;
	params.smtp_fallback_relay = "[relay.test]";
	ask(good, "null.test", false);
	assert_string_equal(asked, "null.test;");
	assert_error(5, 1, 10, "null.test");
	ask(good, "self.test", false);
	assert_error(5, 4, 6, "self.test");
	ask(good, "behind.test", false);
	assert_string_equal(asked, "behind.test;");
	assert_int_equal(route.count, 1);
}

/* Cases 110, 112. */
static void soft_errors_dominate(void **state)
{
	(void)state;
	ask(good, "soft.test", false);
	assert_error(4, 4, 3, "soft.test");
	ask(good, "x.test soft.test", false);
	assert_error(4, 4, 3, "soft.test");
	ask(good, "soft.test x.test", false);
	assert_error(4, 4, 3, "soft.test");
	ask(good, "x.test y.test", false); /* two hard ones: the latest */
	assert_error(5, 4, 3, "y.test");
	ask(good, "x.test", false);
	assert_error(5, 4, 4, "x.test");
}

/* Case 111, B 4: what the operator wrote is not the sender's fault. */
static void relays_never_fail_hard(void **state)
{
	(void)state;
	ask(good, "x.test", true);
	assert_error(4, 3, 5, "x.test");
	params.smtp_fallback_relay = "y.test";
	ask(good, "x.test", false);
	assert_error(4, 3, 5, "y.test");
	ask(good, "soft.test", false);
	assert_error(4, 3, 5, "y.test");
}

/* Cases 110-112: what is behind the last address and cannot be found is the last error. */
static void the_tail_of_a_list_is_remembered(void **state)
{
	(void)state;
	ask(good, "a.test soft.test", false);
	assert_int_equal(route_tail_error(&route)->detail, 3);
	ask(good, "soft.test x.test a.test", false);
	assert_null(route_tail_error(&route));
	ask(good, "a.test x.test", false); /* hard: what a host said counts more (case 112) */
	assert_null(route_tail_error(&route));
	params.smtp_fallback_relay = "y.test";
	ask(good, "a.test", false);
	assert_int_equal(route_tail_error(&route)->detail, 5);
	assert_int_equal(route.error.subject, 3);
}

/* Cases 29, 33-35, 40. */
static void bad_syntax_is_soft(void **state)
{
	(void)state;
	ask(good, "[a.test", false);
	assert_error(4, 3, 5, "server configuration error");
	assert_string_equal(asked, "");
	ask(good, "a.test:0, b.test:2525", false); /* the good one counts */
	assert_int_equal(route.count, 1);
	ask(good, ", ,", false);
	assert_error(4, 3, 0, "empty");
}

/* Cases 96, 108. */
static void the_address_limit_is_per_element(void **state)
{
	(void)state;
	ask(good, "many.test a.test many.test", false);
	assert_int_equal(route.count, 5 + 2 + 5);
	assert_address(5, "a.test[10.0.0.1]:25");
	params.smtp_mx_address_limit = 0;
	ask(good, "many.test many.test many.test", false);
	assert_int_equal(route.count, ROUTE_ADDRESSES_MAX);
	params.smtp_mx_address_limit = 1;
	ask(good, "many.test, a.test", false);
	assert_int_equal(route.count, 2);
}

static void next_is_the_first_untried(void **state)
{
	uint64_t tried[2] = { 0, 0 };
	uint64_t now;

	(void)state;
	ask(good, "a.test, b.test:2525", false);
	now = reactor_now();
	assert_int_equal(route_next(&route, tried, now), 0);
	tried[0] = 1;
	assert_int_equal(route_next(&route, tried, now), 1);
	tried[0] = 5;
	assert_int_equal(route_next(&route, tried, now), 1);
	tried[0] = 7;
	assert_int_equal(route_next(&route, tried, now), -1);
	tried[0] = 0;
	route.addresses[0].avoid_until_ns = now + 1;
	assert_int_equal(route_next(&route, tried, now), 1); /* to avoid: later, not never */
	assert_int_equal(route_next(&route, tried, now + 1), 0);
	tried[0] = 6;
	assert_int_equal(route_next(&route, tried, now), 0);
	for (unsigned i = 0; i < 3; i++)
		route.addresses[i].avoid_until_ns = now + 1;
	tried[0] = 0;
	assert_int_equal(route_next(&route, tried, now), 0);
	/* Case 108: counters restart with each element of the list. */
	route_use_up(&route, 0, tried);
	assert_int_equal(tried[0], 3);
	assert_int_equal(route_next(&route, tried, now), 2);
	route_use_up(&route, 2, tried);
	assert_int_equal(route_next(&route, tried, now), -1);
}

static void what_has_become_ours_is_left_out(void **state)	/* row NET-01 */
{
	uint64_t tried[2] = { 0, 0 };

	(void)state;
	ask(good, "a.test", false);
	assert_int_equal(route_next(&route, tried, reactor_now()), 0);
	forbidden = 1;
	assert_int_equal(route_next(&route, tried, reactor_now()), 1);
	tried[0] = 2;
	assert_int_equal(route_next(&route, tried, reactor_now()), -1);
	forbidden = 0;
	assert_int_equal(route_next(&route, tried, reactor_now()), 0);
	route_give_up(&route);
	assert_false(route_is_usable(&route, reactor_now()));
	assert_error(4, 4, 4, "not allowed any more");
}

static void who_finds_no_lookup_waits(void **state)
{
	struct route_lookup *held[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++)
		held[i] = pool_take(&lookups);
	table = good;
	route_init(&route, &conf, on_route);
	route_start(&route, SLICE("a.test"), false);
	turns(120);
	assert_int_equal(calls, 0);
	for (unsigned i = 0; i < 2; i++)
		pool_put(&lookups, &held[i]);
	turns(2000);
	assert_int_equal(calls, 1);
	assert_int_equal(route.count, 2);
}

static void cancelled_routes_stay_silent(void **state)
{
	(void)state;
	table = good;
	route_init(&route, &conf, on_route);
	route_start(&route, SLICE("a.test"), false);
	route_cancel(&route); /* before the lookup */
	silent = true;
	route_start(&route, SLICE("a.test"), false);
	turns(10);
	assert_non_null(waiting);
	route_cancel(&route); /* during it */
	route_cancel(&route); /* and when there is nothing */
	turns(10);
	assert_int_equal(calls, 0);
}

#define ROUTE_CLAIM(words, fn) CLAIM_WITH(words, fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest claims[] = {
		ROUTE_CLAIM("the elements of a list follow each other", lists_are_put_behind_each_other),
		ROUTE_CLAIM("a unix socket keeps its path, and what is behind it has our name (B 25)",
			    a_socket_keeps_its_path),
		ROUTE_CLAIM("fallback relays come last, also after a hard failure (cases 99, 109)",
			    fallback_relays_come_last),
		ROUTE_CLAIM("null MX and ourselves: no fallback (case 53)", no_fallback_for_those_who_want_none),
		ROUTE_CLAIM("one soft error dominates all hard ones, and is soon forgotten (cases 110, 112, DNS-09)",
			    soft_errors_dominate),
		ROUTE_CLAIM("relayhost and fallback relays never fail hard: 4.3.5 (case 111)", relays_never_fail_hard),
		ROUTE_CLAIM("a list whose end cannot be found has that to say (cases 110-112)",
			    the_tail_of_a_list_is_remembered),
		ROUTE_CLAIM("a nexthop that does not parse is 4.3.5, an empty one 4.3.0 (cases 29, 33-35, 40)",
			    bad_syntax_is_soft),
		ROUTE_CLAIM("smtp_mx_address_limit cuts each element (case 96)", the_address_limit_is_per_element),
		ROUTE_CLAIM("the next address is the first untried, those to avoid last", next_is_the_first_untried),
		ROUTE_CLAIM("an address that has become ours since the lookup is left out (NET-01)",
			    what_has_become_ours_is_left_out),
		ROUTE_CLAIM("who finds no lookup free waits and asks again", who_finds_no_lookup_waits),
		ROUTE_CLAIM("a cancelled route calls nobody and keeps nothing", cancelled_routes_stay_silent),
	};

	return cmocka_run_group_tests_name("net/delivery/route", claims, NULL, NULL);
}
