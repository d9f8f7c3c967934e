/* test_sweep.c - every operation and question of a session fails, once and from then on (section 4f)
 *
 * Whatever fails: each recipient gets an answer, "sent" is true, everything taken is given back, and when
 * the fault has gone what was deferred arrives.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/line_server.h"
#include "tests/sim/sweep.h"
#include "tests/sim/world.h"
#include "tests/test.h"

#define MAILS_MAX 3u
#define RCPTS_MAX 5u
#define CONTENT_MAX KIB(64)

struct scenario {
	const char *name;
	const char *main_cf;
	const char *keywords;
	const struct line_rule *rules;	/* of the first host; the second, if any, is obedient */
	unsigned hosts;			/* 0: 1 */
	unsigned mails;			/* 0: 1 */
	unsigned rcpts;			/* 0: 1; they take turns between the domains */
	unsigned domains;		/* 0: 1 */
	size_t size;			/* of the content; 0: small */
	uint32_t window;
	struct sim_link link;
	const char *nexthop;
	bool never_arrives;		/* refused for good */
	const struct row { const char *name, *type, *data; } *rows;	/* of the DNS, instead of an MX for each */
};

static const struct line_rule no_ehlo[] = { { "EHLO", "500 what?\r\n" }, { NULL, NULL } };
static const struct line_rule busy[] = { { "", "421 busy\r\n" }, { NULL, NULL } };
static const struct line_rule no_rcpt[] = { { "RCPT", "450 4.2.0 later\r\n" }, { NULL, NULL } };
static const struct line_rule no_mail[] = { { "MAIL", "550 5.7.1 never\r\n" }, { NULL, NULL } };
static const struct line_rule no_data[] = { { "DATA", "451 4.3.0 later\r\n" }, { NULL, NULL } };
static const struct line_rule no_dot[] = { { ".", "554 5.6.0 never\r\n" }, { NULL, NULL } };
static const struct line_rule lost[] = { { ".", NULL }, { NULL, NULL } };
static const struct line_rule no_rset[] = { { "RSET", "502 what?\r\n" }, { NULL, NULL } };
static const struct line_rule no_quit[] = { { "QUIT", NULL }, { NULL, NULL } };

static const struct row no_mx[] = { { "d0.test", "A", "192.0.2.1" }, { 0 } };
static const struct row alias[] = {
	{ "d0.test", "CNAME", "real.test" }, { "real.test", "MX", "10 mx0.test" }, { 0 },
};
static const struct row families[] = {
	{ "d0.test", "MX", "10 both.test" }, { "d0.test", "MX", "20 mx1.test" }, { "both.test", "A", "192.0.2.1" },
	{ "both.test", "AAAA", "2001:db8::1" }, { 0 },
};
static const struct row services[] = {
	{ "_submission._tcp.d0.test", "SRV", "10 1 25 mx0.test" }, { "d0.test", "MX", "10 mx1.test" }, { 0 },
};
static const struct row nothing[] = { { "elsewhere.test", "A", "192.0.2.1" }, { 0 } };

#define PIPELINING "250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE 1000000\r\n"

static const struct scenario scenarios[] = {
	{ .name = "one step at a time" },
	{ .name = "pipelined", .keywords = PIPELINING },
	{ .name = "five recipients, pipelined", .keywords = PIPELINING, .rcpts = 5 },
	{ .name = "two domains", .rcpts = 4, .domains = 2 },
	{ .name = "three mails in one session", .keywords = PIPELINING, .mails = 3,
	  .main_cf = "smtp_destination_concurrency_limit = 1\n" },
	{ .name = "three mails, one step at a time", .mails = 3, .main_cf = "initial_destination_concurrency = 1\n" },
	{ .name = "large content in windows", .keywords = PIPELINING, .size = 40000, .window = 4096 },
	{ .name = "large content into a small buffer", .size = 40000, .link = { .buffer_to_peer = 3000 } },
	{ .name = "octet by octet", .keywords = PIPELINING, .link = { .segment_to_engine = 1, .segment_to_peer = 1 } },
	{ .name = "HELO after EHLO", .rules = no_ehlo },
	{ .name = "the first host is busy", .rules = busy, .hosts = 2 },
	{ .name = "the first host defers the recipient", .rules = no_rcpt, .hosts = 2, .keywords = PIPELINING },
	{ .name = "the first host defers at DATA", .rules = no_data, .hosts = 2 },
	{ .name = "MAIL is refused for good", .rules = no_mail, .keywords = PIPELINING, .never_arrives = true },
	{ .name = "the content is refused for good", .rules = no_dot, .never_arrives = true },
	{ .name = "the connection ends behind the dot", .rules = lost, .hosts = 2, .keywords = PIPELINING },
	{ .name = "RSET and QUIT are not known", .rules = no_rset, .mails = 2 },
	{ .name = "nobody answers QUIT", .rules = no_quit },
	{ .name = "a source address", .main_cf = "smtp_bind_address = 192.0.2.200\n" },
	{ .name = "a domain without MX", .rows = no_mx },
	{ .name = "an alias", .rows = alias },
	{ .name = "two hosts, one of both families", .rows = families, .hosts = 2,
	  .main_cf = "smtp_address_preference = ipv4\n" },
	{ .name = "a service record", .rows = services, .hosts = 2, .main_cf = "use_srv_lookup = submission\n"
	  "ignore_srv_lookup_error = yes\n" },
	{ .name = "a next hop by name", .nexthop = "[mx0.test]" },
	{ .name = "a domain that does not exist", .rows = nothing, .never_arrives = true },
	{ .name = "a next hop by address", .nexthop = "[192.0.2.1]:25", .keywords = PIPELINING },
};

/* --- results -------------------------------------------------------------------------------------------------- */

static const struct sweep_list lists[] = {
	{ FLIGHT_CONNECT, { -ECONNREFUSED, -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL, -ECANCELED, -EPERM,
			    -EINTR, -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EAFNOSUPPORT } },
	{ FLIGHT_SEND, { -ECONNRESET, -EPIPE, -ETIMEDOUT, -ENOBUFS, -ENOMEM, -ECANCELED, -EINTR, FAULT_IS_SHORT,
			 FAULT_IS_ALMOST } },
	{ FLIGHT_RECV, { -ECONNRESET, -ETIMEDOUT, -ENOBUFS, -ENOMEM, -ECANCELED, -EINTR, FAULT_IS_END } },
	{ FLIGHT_SHUTDOWN, { -ENOTCONN } },
	{ FLIGHT_QUERY, { FAULT_IS_SERVFAIL, FAULT_IS_TIMEOUT, FAULT_IS_DAMAGED, FAULT_IS_REFUSED } },
};

/* --- a run ---------------------------------------------------------------------------------------------------- */

static struct world_mail mails[MAILS_MAX];
static struct rcpt rcpts[MAILS_MAX][RCPTS_MAX];
static char addresses[RCPTS_MAX][64];
static struct line_server servers[2];
static unsigned sent, bounced, deferred;
static char content[CONTENT_MAX];

static void on_rcpt(struct world_mail *mail, const struct attempt *a, const struct rcpt *r, enum maillog_status status)
{
	(void)mail;
	(void)a;
	(void)r;
	sent += status == MAILLOG_SENT;
	bounced += status == MAILLOG_BOUNCED;
	deferred += status == MAILLOG_DEFERRED;
}

static void add_hosts(const struct scenario *s)
{
	const unsigned hosts = MAX(s->hosts, 1u);

	memset(servers, 0, sizeof(servers));
	servers[0].rules = s->rules;
	for (unsigned i = 0; i < hosts; i++) {
		char address[32], host[32], mx[64];

		(void)snprintf(address, sizeof(address), "192.0.2.%u", i + 1);		/* all of them fit */
		(void)snprintf(host, sizeof(host), "mx%u.test", i);
		(void)snprintf(mx, sizeof(mx), "%u %s", 10 * (i + 1), host);
		servers[i].keywords = s->keywords;
		line_server_add(address, 25, &servers[i])->link = s->link;
		assert_true(zone_add(host, "A", address));
		if (s->rows == NULL)
			assert_true(zone_add("d0.test", "MX", mx) && zone_add("d1.test", "MX", mx));
	}
	for (const struct row *row = s->rows; row != NULL && row->name != NULL; row++)
		assert_true(zone_add(row->name, row->type, row->data));
}

static void offer(const struct scenario *s, unsigned index)
{
	struct world_mail *mail = &mails[index];
	const unsigned count = MAX(s->rcpts, 1u), domains = MAX(s->domains, 1u);
	const size_t len = MAX(s->size, (size_t)80);

	for (size_t i = 0; i < len; i++)
		content[i] = (char)(i % 80 == 78 ? '\r' : i % 80 == 79 ? '\n' : 'a' + (int)(i % 26));
	*mail = (struct world_mail){ .content = slice_of(content, len), .window = s->window, .nexthop = s->nexthop,
				     .on_rcpt = on_rcpt };
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(addresses[i], sizeof(addresses[i]), "r%u@d%u.test", i, i * domains / count);	/* fits */
		rcpts[index][i] = (struct rcpt){ .addr = slice_of_str(addresses[i]) };
	}
	mail->msg = (struct message){ .sender = SLICE("s@client.test"), .rcpts = rcpts[index], .rcpt_count = count };
	world_offer(mail);
}

static void show(void *context, const char *level, const char *program, struct slice text)
{
	(void)context;
	print_message("%10.3f %s/%s %.*s\n", (double)sim_now() / 1e9, program, level, SLICE_FMT(text));
}

static void run(const void *scenario)
{
	const struct scenario *s = scenario;
	const struct world_conf conf = { .main_cf = s->main_cf, .sessions_max = 64, .destinations_max = 64,
					 .on_log = getenv("SIM_VERBOSE") != NULL ? show : NULL };
	const unsigned count = MAX(s->mails, 1u), all = count * MAX(s->rcpts, 1u);

	sent = bounced = deferred = 0;
	tape_record(1);
	assert_int_equal(world_start(&conf), 0);
	add_hosts(s);
	machine_fault = sweep_strike;
	for (unsigned i = 0; i < count; i++)
		offer(s, i);
	if (!world_run_settled(4 * 3600 * NS_PER_SEC))
		fail_msg("%s: not settled", s->name);
	if (sent > 0 && servers[0].messages + servers[1].messages == 0)
		fail_msg("%s: sent, and nobody has it", s->name);
	machine_fault = NULL;
	assert_true(world_run_finished(5 * 86400 * NS_PER_SEC));
	assert_int_equal(sent + bounced, all);
	if (bounced > 0 && !s->never_arrives)
		fail_msg("%s: bounced", s->name);
	assert_true(world_stop(3600 * NS_PER_SEC));
}

static void every_operation_fails(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		runs += sweep_all(lists, ARRAY_LEN(lists), 1, run, &scenarios[i]);
	print_message("%zu scenarios, %u runs\n", ARRAY_LEN(scenarios), runs);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("whatever operation fails, once or for ever, no recipient is lost and nothing leaks (section 4f)",
		      every_operation_fails),
	};

	return cmocka_run_group_tests_name("sim/sweep", claims, NULL, NULL);
}
