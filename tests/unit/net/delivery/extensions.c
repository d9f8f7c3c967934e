/* What delivery makes of CHUNKING, LIMITS, too many recipients and LMTP: conformance areas X and Y. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "net/delivery/delivery_internal.h"
#include "tests/unit/net/delivery/world.h"

#define ONE  "[127.0.0.2]:%"
#define BOTH "[127.0.0.2]:%, [127.0.0.3]:%"

static struct puppet *server(unsigned i)
{
	return &world.puppets[i];
}

static void assert_all_sent(const struct world_job *j)
{
	assert_int_equal(world_count(j, RCPT_SENT), j->msg.rcpt_count);
	assert_int_equal(j->deferrals, 0);
}

/* Row EHL-08: once is enough to learn it, the same host gets the message, and no other is asked. */
static void a_server_without_bdat_gets_data(void **state)
{
	struct puppet_rule rules[] = { { "BDAT", "503 5.5.1 what is that\r\n", PUPPET_GO_ON, 0 }, { 0 } };
	struct table_set *set = table_set_new();
	char why[TABLE_WHY_MAX];
	struct str text = STR(why);

	(void)state;
	assert_non_null(set);
	assert_int_equal(mlist_open(set, SLICE("static:all"), &text, &world_params.smtp_chunking_destinations), 0);
	server(0)->caps = "PIPELINING\nCHUNKING";
	server(0)->rules = rules;
	world_start();
	struct world_job *first = world_job(BOTH, 2);

	world_finish();
	assert_all_sent(first);
	assert_int_equal(server(0)->accepted, 2);
	assert_int_equal(server(0)->messages, 1);
	assert_int_equal(server(1)->accepted, 0);
	struct world_job *second = world_job(BOTH, 2);

	world_finish();
	assert_all_sent(second);
	assert_int_equal(server(0)->accepted, 2);	/* on the connection that is still there */
	assert_int_equal(server(0)->messages, 2);
	world_drain();
	mlist_free(&world_params.smtp_chunking_destinations);
	table_set_free(&set);
}

static void recipients_go_in_portions_of_rcptmax(void **state)
{
	(void)state;
	server(0)->caps = "PIPELINING\nLIMITS RCPTMAX=20";
	world_start();
	struct world_job *j = world_job(ONE, 50);

	world_finish();
	assert_all_sent(j);
	assert_int_equal(server(0)->messages, 3);
	assert_int_equal(server(0)->rcpts_max, 20);
	assert_int_equal(server(0)->accepted, 1);
}

/* A limit above our own changes nothing, and 0 is none (row EHL-09). */
static void odd_limits(void **state)
{
	(void)state;
	server(0)->caps = "PIPELINING\nLIMITS RCPTMAX=99999999 MAILMAX=0 RCPTDOMAINMAX=0";
	world_start();
	struct world_job *j = world_job(ONE, 60), *k = world_job(ONE, 1);

	world_finish();
	assert_all_sent(j);
	assert_all_sent(k);
	assert_int_equal(server(0)->messages, 3);
	assert_int_equal(server(0)->rcpts_max, 50);
}

static void mailmax_wears_a_connection_out(void **state)
{
	(void)state;
	world_params.smtp_destination_concurrency_limit = 1;
	world_params.smtp_initial_destination_concurrency = 1;
	server(0)->caps = "PIPELINING\nLIMITS MAILMAX=2";
	world_start();
	for (unsigned i = 0; i < 5; i++)
		world_job(ONE, 1);
	world_finish();
	assert_int_equal(server(0)->messages, 5);
	assert_int_equal(server(0)->accepted, 3);
}

static void domains_are_limited(void **state)
{
	static const char *const addrs[] = { "a@one.test", "b@ONE.test", "c@two.test", "d@three.test", "e@three.test",
					     "f", "g@one.test" };

	(void)state;
	server(0)->caps = "PIPELINING\nLIMITS RCPTDOMAINMAX=2";
	world_start();
	struct world_job *j = world_job(ONE, ARRAY_LEN(addrs));

	for (unsigned i = 0; i < ARRAY_LEN(addrs); i++)
		j->rcpts[i].addr = slice_of_str(addrs[i]);
	world_finish();
	assert_all_sent(j);
	assert_int_equal(server(0)->messages, 3);	/* one one two, three three "", one */
	assert_int_equal(server(0)->rcpts_max, 3);
	assert_int_equal(server(0)->accepted, 1);
}

/* Row RPL-14: the others go at once, to the same host, as long as each transaction takes somebody. */
static void too_many_recipients(void **state)
{
	struct puppet_rule rules[] = {
		{ "RCPT TO:<c", "452 4.5.3 too many\r\n", PUPPET_GO_ON, 3 },
		{ 0 },
	};

	(void)state;
	server(0)->rules = rules;
	world_start();
	struct world_job *j = world_job(BOTH, 9);

	world_finish();
	assert_all_sent(j);
	assert_int_equal(server(0)->messages, 2);
	assert_int_equal(server(0)->accepted, 1);
	assert_int_equal(server(1)->accepted, 0);
}

/* Nobody is taken: that is a full disk, and another host may have room. */
static void no_room_for_anybody(void **state)
{
	struct puppet_rule rules[] = { { "RCPT", "452 4.3.1 full\r\n", PUPPET_GO_ON, 0 }, { 0 } };

	(void)state;
	server(0)->rules = rules;
	world_start();
	struct world_job *j = world_job(BOTH, 3);

	world_finish();
	assert_all_sent(j);
	assert_int_equal(server(0)->messages, 0);
	assert_int_equal(server(1)->messages, 1);
}

/* --- LMTP --------------------------------------------------------------------------------------------------------- */

static void lmtp_by_unix_socket(void **state)
{
	char dir[] = "/tmp/ringpost-lmtp-XXXXXX";
	char transport[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(transport, sizeof(transport), "lmtp:unix:%s/socket", dir); /* fits */
	puppet_close(server(0));
	assert_true(puppet_open_unix(server(0), transport + strlen("lmtp:")));
	world_params.default_transport = transport;
	world_params.relayhost = "[127.0.0.3]";		/* stands below a next hop of the transport */
	world_params.is_lmtp = true;
	assert_true(params_wants_lmtp(&world_params));
	world_start();
	assert_true(slice_eq(delivery_nexthop(SLICE("example.org"), NULL), slice_of_str(transport + 5)));
	struct world_job *j = world_job(transport + 5, 1);

	world_finish();
	assert_all_sent(j);
	assert_int_equal(server(0)->messages, 1);
	struct slice got = puppet_got(server(0), 0);

	assert_true(slice_has_prefix(got, SLICE("LHLO client.test\r\nMAIL FROM:<s@client.test>\r\n")));
	char relay[160];

	(void)snprintf(relay, sizeof(relay), "client.test[%s/socket]", dir); /* cut is good enough */
	assert_string_equal(j->relay, relay);
	assert_int_equal(unlink(transport + strlen("lmtp:unix:")), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Case 635, and what default_transport may say. */
static void lmtp_by_inet(void **state)
{
	(void)state;
	world_params.default_transport = "lmtp";
	world_params.is_lmtp = true;
	world_start();
	struct world_job *j = world_job("inet:127.0.0.2:%", 1), *k = world_job("multi:%", 1);

	world_finish();
	assert_all_sent(j);
	assert_all_sent(k);
	assert_true(slice_has_prefix(puppet_got(server(0), 0), SLICE("LHLO client.test\r\n")));
}

struct transport_case {
	const char *transport, *relayhost;
	bool lmtp;
	const char *next_hop;
};

static const struct transport_case transports[] = {
	{ "smtp", "", false, "" },
	{ "smtp", "relay.test", false, "relay.test" },
	{ "smtp:", "relay.test", false, "relay.test" },
	{ "smtp:[other.test]:26", "relay.test", false, "[other.test]:26" },
	{ "lmtp", "", true, "" },
	{ "lmtp: unix:/run/a b", "relay.test", true, "unix:/run/a b" },
	{ "lmtp:inet:mail.test:2424", "", true, "inet:mail.test:2424" },
};

static void transports_in_two_parts(void **state)
{
	struct params p = { 0 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(transports); i++) {
		p.default_transport = transports[i].transport;
		p.relayhost = transports[i].relayhost;
		assert_int_equal(params_wants_lmtp(&p), transports[i].lmtp);
		assert_true(slice_eq(params_next_hop(&p), slice_of_str(transports[i].next_hop)));
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		WORLD_CLAIM("who offers CHUNKING and knows no BDAT gets DATA on another connection (row EHL-08)",
			    a_server_without_bdat_gets_data),
		WORLD_CLAIM("RCPTMAX: portions on one connection, and nobody fails (case 628)",
			    recipients_go_in_portions_of_rcptmax),
		WORLD_CLAIM("limits that are none (case 630, row EHL-09)", odd_limits),
		WORLD_CLAIM("MAILMAX: so many messages a connection (case 629)", mailmax_wears_a_connection_out),
		WORLD_CLAIM("RCPTDOMAINMAX: so many domains a transaction", domains_are_limited),
		WORLD_CLAIM("452 after some: the rest at once (row RPL-14)", too_many_recipients),
		WORLD_CLAIM("452 for everybody: the next host", no_room_for_anybody),
		WORLD_CLAIM("LMTP by unix socket (case 635)", lmtp_by_unix_socket),
		WORLD_CLAIM("LMTP by name, without mail exchangers (case 635)", lmtp_by_inet),
		CLAIM("default_transport has two parts", transports_in_two_parts),
	};

	return cmocka_run_group_tests_name("net/delivery/extensions", claims, NULL, world_end);
}
