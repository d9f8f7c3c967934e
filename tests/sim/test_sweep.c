/* test_sweep.c - every operation of a session fails once, and from then on, with each of its errors (section 4f)
 *
 * A scenario runs once to count its operations; then again for each operation, each result of its list, one-shot and
 * persistent. Whatever fails: each recipient gets an answer, "sent" is true, everything taken is given back, and when
 * the fault has gone what was deferred arrives.
 */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/line_server.h"
#include "tests/sim/machine.h"
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
	{ .name = "a next hop by address", .nexthop = "[192.0.2.1]:25", .keywords = PIPELINING },
};

/* --- results -------------------------------------------------------------------------------------------------- */

static const struct { enum flight_kind kind; int results[14]; } lists[] = {
	{ FLIGHT_CONNECT, { -ECONNREFUSED, -ETIMEDOUT, -ENETUNREACH, -EHOSTUNREACH, -EADDRNOTAVAIL, -ECANCELED, -EPERM,
			    -EINTR, -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EAFNOSUPPORT } },
	{ FLIGHT_SEND, { -ECONNRESET, -EPIPE, -ETIMEDOUT, -ENOBUFS, -ENOMEM, -ECANCELED, -EINTR, FAULT_IS_SHORT,
			 FAULT_IS_ALMOST } },
	{ FLIGHT_RECV, { -ECONNRESET, -ETIMEDOUT, -ENOBUFS, -ENOMEM, -ECANCELED, -EINTR, FAULT_IS_END } },
	{ FLIGHT_SHUTDOWN, { -ENOTCONN } },
};

static struct {
	unsigned count[FLIGHT_KINDS];	/* operations of this kind so far */
	enum flight_kind kind;		/* the one to fail; 0: none */
	unsigned at;			/* counted from 1 */
	int result;
	bool persistent;
	unsigned struck;
} sweep;

static int strike(enum flight_kind kind)
{
	const unsigned n = ++sweep.count[kind];

	if (kind != sweep.kind || n < sweep.at || (n > sweep.at && !sweep.persistent))
		return 0;
	sweep.struck++;
	return sweep.result;
}

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
		assert_true(zone_add("d0.test", "MX", mx) && zone_add("d1.test", "MX", mx));
	}
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

static void run(const struct scenario *s)
{
	const struct world_conf conf = { .main_cf = s->main_cf, .sessions_max = 64, .destinations_max = 64,
					 .on_log = getenv("SIM_VERBOSE") != NULL ? show : NULL };
	const unsigned count = MAX(s->mails, 1u), all = count * MAX(s->rcpts, 1u);

	memset(sweep.count, 0, sizeof(sweep.count));
	sweep.struck = 0;
	sent = bounced = deferred = 0;
	tape_record(1);
	assert_int_equal(world_start(&conf), 0);
	add_hosts(s);
	machine_fault = strike;
	for (unsigned i = 0; i < count; i++)
		offer(s, i);
	if (!world_run_settled(4 * 3600 * NS_PER_SEC))
		fail_msg("%s: not settled with operation %u (kind %d) failing with %d%s", s->name, sweep.at, sweep.kind,
			 sweep.result, sweep.persistent ? " for ever" : "");
	if (sent > 0 && servers[0].messages + servers[1].messages == 0)
		fail_msg("%s: sent, and nobody has it: operation %u (kind %d), %d", s->name, sweep.at, sweep.kind,
			 sweep.result);
	machine_fault = NULL;
	assert_true(world_run_finished(5 * 86400 * NS_PER_SEC));
	assert_int_equal(sent + bounced, all);
	if (bounced > 0 && !s->never_arrives)
		fail_msg("%s: bounced with operation %u (kind %d) failing with %d", s->name, sweep.at, sweep.kind,
			 sweep.result);
	assert_true(world_stop(3600 * NS_PER_SEC));
}

static unsigned sweep_kind(const struct scenario *s, size_t list, unsigned count)
{
	unsigned runs = 0;

	sweep.kind = lists[list].kind;
	for (unsigned i = 0; lists[list].results[i] != 0; i++) {
		sweep.result = lists[list].results[i];
		for (sweep.at = 1; sweep.at <= count; sweep.at++) {
			sweep.persistent = false;
			run(s);
			/* Buffers that never come back, or sends that never get on, are a machine that stands still. */
			sweep.persistent = sweep.result != -ENOBUFS;
			run(s);
			runs += 2;
		}
	}
	return runs;
}

static void every_operation_fails(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
		unsigned count[FLIGHT_KINDS];

		memset(&sweep, 0, sizeof(sweep));
		run(&scenarios[i]);
		memcpy(count, sweep.count, sizeof(count));
		for (size_t list = 0; list < ARRAY_LEN(lists); list++)
			runs += sweep_kind(&scenarios[i], list, count[lists[list].kind]);
	}
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
