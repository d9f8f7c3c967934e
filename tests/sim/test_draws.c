/* test_draws.c - what chance decides, many times over: who of those with equal preference is asked first */
#include <stdio.h>

#include "tests/sim/world.h"
#include "tests/test.h"

#define RUNS		400u
#define HOSTS_MAX	4u
#define DAY_NS		(86400 * NS_PER_SEC)

static struct {
	struct sim_host *hosts[HOSTS_MAX];
	unsigned host_count;
	unsigned tried[HOSTS_MAX];	/* in this run: numbers of hosts, in order */
	unsigned tried_count;
	unsigned first[HOSTS_MAX];	/* in how many runs each was the first */
	unsigned last_in_the_middle;	/* runs in which the last host was neither first nor last */
} draws;

static enum sim_answer on_connect(struct sim_host *host, struct sim_conn *c)
{
	(void)c;
	for (unsigned i = 0; i < draws.host_count; i++)
		if (draws.hosts[i] == host && draws.tried_count < HOSTS_MAX)
			draws.tried[draws.tried_count++] = i;
	return SIM_REFUSE;
}

static void add_host(const char *name, const char *ip)
{
	static const struct sim_program nobody;
	struct sim_host *host = sim_host_add(ip, 25, &nobody, NULL);

	assert_non_null(host);
	assert_true(zone_add(name, "A", ip));
	host->on_connect = on_connect;
	draws.hosts[draws.host_count++] = host;
}

static void run(unsigned number)
{
	static char addrs[RUNS][40];
	static struct rcpt rcpts[RUNS];
	static struct world_mail mails[RUNS];
	struct world_mail *mail = &mails[number];
	char *addr = addrs[number];

	(void)snprintf(addr, sizeof(addrs[0]), "r@d%u.test", number);	/* fits */
	rcpts[number] = (struct rcpt){ .addr = slice_of_str(addr) };
	*mail = (struct world_mail){ .content = SLICE("x\r\n") };
	mail->msg.sender = SLICE("s@client.test");
	mail->msg.rcpts = &rcpts[number];
	mail->msg.rcpt_count = 1;
	assert_true(zone_add(addr + 2, "MX", "10 a.test"));
	assert_true(zone_add(addr + 2, "MX", "10 b.test"));
	draws.tried_count = 0;
	world_offer(mail);
	assert_true(world_run_settled(10 * NS_PER_SEC));
	assert_int_equal(draws.tried_count, draws.host_count);
	draws.first[draws.tried[0]]++;
	for (unsigned i = 1; i + 1 < draws.tried_count; i++)
		draws.last_in_the_middle += draws.tried[i] == draws.host_count - 1;
}

/* a_count addresses of a.test, one of b.test. */
static void run_all(unsigned a_count)
{
	static const struct world_conf conf = { .sessions_max = 64 };

	memset(&draws, 0, sizeof(draws));
	tape_record(1);
	assert_int_equal(world_start(&conf), 0);
	for (unsigned i = 0; i < a_count; i++) {
		char ip[20];

		(void)snprintf(ip, sizeof(ip), "192.0.2.%u", i + 1);	/* fits */
		add_host("a.test", ip);
	}
	add_host("b.test", "192.0.2.100");
	for (unsigned i = 0; i < RUNS; i++)
		run(i);
	assert_true(world_stop(DAY_NS));
}

/* The standard deviation of 400 throws of a coin is 10, of a four-sided die 9. */
static void assert_about(unsigned n, unsigned expected)
{
	const unsigned most = 50;

	if (n + most < expected || n > expected + most)
		fail_msg("%u, not about %u", n, expected);
}

static void equal_hosts_share(void **state)
{
	(void)state;
	run_all(1);
	assert_about(draws.first[0], RUNS / 2);
	assert_about(draws.first[1], RUNS / 2);
}

static void equal_addresses_share(void **state)
{
	(void)state;
	run_all(3);
	for (unsigned i = 0; i < HOSTS_MAX; i++)
		assert_about(draws.first[i], RUNS / 4);
	assert_about(draws.last_in_the_middle, RUNS / 2);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("case 42: of two exchangers with one preference each is the first half of the time", equal_hosts_share),
		CLAIM("case 43: of two exchangers with three addresses and one, each address is the first a quarter of the "
		      "time, and those of one host may surround the other's", equal_addresses_share),
	};

	return cmocka_run_group_tests_name("sim/draws", claims, NULL, NULL);
}
