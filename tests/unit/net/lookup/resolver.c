/* The resolver on a real ring, against a server that misbehaves on request (tests/lib/dns_server.py) and a real
 * dnsmasq. */
#include "net/lookup/resolver.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/reactor.h"

#define ASK_MAX 400

static struct reactor reactor;
static struct resolver *resolver;

/* --- the servers ----------------------------------------------------------------------------------------------- */

static pid_t server_pid, dnsmasq_pid;
static int server_stdin = -1;
static unsigned server_port, dnsmasq_port;

/* Beside this file: ../../../lib/dns_server.py. */
static void server_path(char *out, size_t cap)
{
	struct slice here = SLICE(__FILE__);

	for (unsigned up = 0; up < 4; up++)
		here.len = (size_t)MAX(slice_find_last_char(here, '/'), 0);
	snprintf(out, cap, "%.*s/lib/dns_server.py", SLICE_FMT(here));
}

static void server_start(void)
{
	int in[2], out[2];
	char path[1024], line[32] = "";

	server_path(path, sizeof(path));
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	server_pid = fork();
	assert_true(server_pid >= 0);
	if (server_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);	/* should the test crash */
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execlp("python3", "python3", path, "127.0.0.1", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	server_stdin = in[1];
	/* To the end of the line: it may come in pieces. */
	for (size_t len = 0; strchr(line, '\n') == NULL && len < sizeof(line) - 1; len++)
		assert_int_equal(read(out[0], line + len, 1), 1);
	close(out[0]);
	server_port = (unsigned)strtoul(line, NULL, 10);
	assert_in_range(server_port, 1, 65535);
}

/* A port nobody listens on: bound for a moment, then free. */
static unsigned free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static bool is_listening(unsigned port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool connected = connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0;

	close(fd);
	return connected;
}

static void dnsmasq_start(void)
{
	static char args[100][96];
	const char *argv[128];
	unsigned n = 0, used = 0;
	int devnull;

	dnsmasq_port = free_port();
	snprintf(args[used++], sizeof(args[0]), "--port=%u", dnsmasq_port);
	for (unsigned i = 0; i < 60; i++)
		snprintf(args[used++], sizeof(args[0]), "--mx-host=large.test,mx%u.long-name-of-a-mail-server.test,%u",
			 i, i);
	argv[n++] = "dnsmasq";
	argv[n++] = "--no-daemon";
	argv[n++] = "--conf-file=/dev/null";
	argv[n++] = "--no-resolv";
	argv[n++] = "--no-hosts";
	argv[n++] = "--pid-file";
	argv[n++] = "--bind-interfaces";
	argv[n++] = "--listen-address=127.0.0.1";
	argv[n++] = "--local=/test/";
	argv[n++] = "--mx-host=example.test,mx1.example.test,10";
	argv[n++] = "--mx-host=example.test,mx2.example.test,20";
	argv[n++] = "--host-record=mx1.example.test,127.0.0.2,2001:db8::2";
	argv[n++] = "--host-record=mx2.example.test,127.0.0.3";
	argv[n++] = "--cname=alias.test,mx1.example.test";
	for (unsigned i = 0; i < used; i++)
		argv[n++] = args[i];
	argv[n] = NULL;
	dnsmasq_pid = fork();
	assert_true(dnsmasq_pid >= 0);
	if (dnsmasq_pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(server_stdin);
		devnull = fileno(fopen("/dev/null", "w"));
		dup2(devnull, 1);
		dup2(devnull, 2);
		execvp("dnsmasq", (char *const *)(uintptr_t)argv);
		execv("/usr/sbin/dnsmasq", (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	for (unsigned i = 0; i < 500 && !is_listening(dnsmasq_port); i++)
		usleep(10000);
	assert_true(is_listening(dnsmasq_port));
}

static int group_setup(void **state)
{
	struct io_conf io = { .files_max = 64, .arena_size = MIB(1) };

	(void)state;
	server_start();
	dnsmasq_start();
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	assert_int_equal(resolver_library_open(), 0);
	return 0;
}

static int group_teardown(void **state)
{
	(void)state;
	resolver_library_close();
	reactor_close(&reactor);
	xcall_stop();
	close(server_stdin);
	waitpid(server_pid, NULL, 0);
	kill(dnsmasq_pid, SIGTERM);
	waitpid(dnsmasq_pid, NULL, 0);
	return 0;
}

/* --- asking ---------------------------------------------------------------------------------------------------- */

struct ask {
	struct query query;
	char name[300];
	unsigned answers;
	enum answer_class class;
	const char *why;
	unsigned count;
	unsigned hops;
	char first[128];
	char owner[64];
	void (*then)(struct ask *ask);
};

static struct ask asks[ASK_MAX];

static void on_answer(struct query *query, const struct answer *answer)
{
	struct ask *a = container_of(query, struct ask, query);

	a->answers++;
	a->class = answer->class;
	a->why = answer->why;
	assert_non_null(answer->why);
	assert_int_equal(answer->class == ANSWER_FOUND, answer->dns != NULL);
	if (answer->dns != NULL) {
		struct slice first = dns_record_data(answer->dns, &answer->dns->records[0]);
		struct slice owner = dns_answer_owner(answer->dns);

		a->count = answer->dns->count;
		a->hops = answer->dns->hops;
		snprintf(a->first, sizeof(a->first), "%.*s", SLICE_FMT(first));
		snprintf(a->owner, sizeof(a->owner), "%.*s", SLICE_FMT(owner));
	}
	if (a->then != NULL)
		a->then(a);
}

static struct ask *ask(unsigned i, enum dns_type type, const char *name)
{
	struct ask *a = &asks[i];

	memset(a, 0, sizeof(*a));
	query_init(&a->query, on_answer);
	snprintf(a->name, sizeof(a->name), "%s", name);
	resolver_ask(resolver, &a->query, type, slice_of_str(a->name));
	assert_int_equal(a->answers, 0);	/* never inside the call */
	return a;
}

static void turn_for(uint64_t ns)
{
	uint64_t until = clock_mono_ns() + ns;

	while (clock_mono_ns() < until)
		assert_int_equal(reactor_turn(&reactor, min_u64(until, clock_mono_ns() + 10 * NS_PER_MS)), 0);
}

static void wait_for(unsigned first, unsigned count)
{
	uint64_t until = clock_mono_ns() + 20 * NS_PER_SEC;

	for (unsigned i = first; i < first + count; i++)
		while (asks[i].answers == 0) {
			if (clock_mono_ns() > until)
				fail_msg("no answer for %s", asks[i].name);
			assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + 10 * NS_PER_MS), 0);
		}
	for (unsigned i = first; i < first + count; i++)
		assert_int_equal(asks[i].answers, 1);
}

static struct ask *look_up(enum dns_type type, const char *name)
{
	struct ask *a = ask(0, type, name);

	wait_for(0, 1);
	return a;
}

static struct resolver_stats stats(void)
{
	struct resolver_stats s;

	resolver_read_stats(resolver, &s);
	return s;
}

static void open_with(const char *servers, unsigned entries_max, unsigned inflight_max)
{
	struct resolver_conf conf = {
		.servers = servers, .timeout_ms = 150, .tries = 2,
		.entries_max = entries_max, .inflight_max = inflight_max,
	};

	assert_int_equal(resolver_new(&conf, &resolver), 0);
}

static void open_on(unsigned port, unsigned entries_max, unsigned inflight_max)
{
	char servers[64];

	snprintf(servers, sizeof(servers), "127.0.0.1:%u", port);
	open_with(servers, entries_max, inflight_max);
}

static int setup(void **state)
{
	(void)state;
	open_on(server_port, 0, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	resolver_free(&resolver);
	assert_null(resolver);
	return 0;
}

/* --- what comes back ------------------------------------------------------------------------------------------- */

struct class_case {
	const char *name;
	enum answer_class class;
};

/* Each is asked for all at once: what goes wrong with one must not disturb another. */
static const struct class_case class_cases[] = {
	{ "plain.test",      ANSWER_FOUND },
	{ "nothing.test",    ANSWER_NOT_FOUND },	/* row DNS-01 */
	{ "nx.test",         ANSWER_NOT_FOUND },
	{ "rcode1.test",     ANSWER_FAIL },
	{ "rcode2.test",     ANSWER_RETRY },
	{ "rcode4.test",     ANSWER_RETRY },
	{ "rcode5.test",     ANSWER_RETRY },		/* REFUSED: see resolver.h */
	{ "rcode6.test",     ANSWER_FAIL },		/* case 49 */
	{ "drop.test",       ANSWER_RETRY },		/* case 51 */
	{ "drop1.test",      ANSWER_FOUND },
	{ "slow60.test",     ANSWER_FOUND },
	{ "null.test",       ANSWER_FOUND },
	{ "tc.test",         ANSWER_FOUND },
	{ "tcrst.test",      ANSWER_RETRY },		/* row URG-24 */
	{ "tcrefused.test",  ANSWER_RETRY },
	{ "noedns.test",     ANSWER_FOUND },
	{ "garbled.test",    ANSWER_RETRY },		/* row DNS-05 */
	{ "shortmx.test",    ANSWER_RETRY },
	{ "wrongid.test",    ANSWER_FOUND },		/* row DNS-07 */
	{ "forged.test",     ANSWER_RETRY },
	{ "othername.test",  ANSWER_FOUND },
	{ "empty.test",      ANSWER_FOUND },
	{ "twice.test",      ANSWER_FOUND },
	{ "alias.test",      ANSWER_FOUND },		/* row DNS-03, case 63 */
	{ "aliascircle.test", ANSWER_NOT_FOUND },
	{ "chain10.test",    ANSWER_FOUND },		/* case 64 */
	{ "chain11.test",    ANSWER_NOT_FOUND },
	{ "a..b",            ANSWER_INVALID },
	{ "192.0.2.7",       ANSWER_INVALID },		/* case 28: no question leaves */
	{ "trailing.test.",  ANSWER_INVALID },
	{ "",                ANSWER_INVALID },
	{ ".",               ANSWER_INVALID },
};

static void each_behaviour_has_its_class(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(class_cases); i++)
		ask(i, DNS_TYPE_MX, class_cases[i].name);
	wait_for(0, ARRAY_LEN(class_cases));
	for (unsigned i = 0; i < ARRAY_LEN(class_cases); i++)
		if (asks[i].class != class_cases[i].class)
			fail_msg("%s: class %d instead of %d (%s)", class_cases[i].name, asks[i].class,
				 class_cases[i].class, asks[i].why);
	assert_int_equal(stats().inflight, 0);
}

/* The matrix of row DNS-01: what goes wrong means the same for every type, and at the end of an alias, too. */
static void each_type_has_the_same_classes(void **state)
{
	static const enum dns_type types[] = { DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_SRV, DNS_TYPE_TLSA };
	static const struct class_case same[] = {
		{ "plain.test", ANSWER_FOUND },         { "alias.test", ANSWER_FOUND },
		{ "nx.test", ANSWER_NOT_FOUND },        { "nothing.test", ANSWER_NOT_FOUND },
		{ "rcode1.test", ANSWER_FAIL },         { "rcode2.test", ANSWER_RETRY },
		{ "rcode4.test", ANSWER_RETRY },        { "rcode5.test", ANSWER_RETRY },
		{ "drop.test", ANSWER_RETRY },          { "tcrefused.test", ANSWER_RETRY },
		{ "garbled.test", ANSWER_RETRY },
	};
	unsigned n = 0;

	(void)state;
	for (unsigned t = 0; t < ARRAY_LEN(types); t++)
		for (unsigned i = 0; i < ARRAY_LEN(same); i++)
			ask(n++, types[t], same[i].name);
	wait_for(0, n);
	for (unsigned i = 0; i < n; i++)
		if (asks[i].class != same[i % ARRAY_LEN(same)].class)
			fail_msg("%s, type %d: class %d (%s)", asks[i].name, types[i / ARRAY_LEN(same)],
				 asks[i].class, asks[i].why);
}

static void a_truncated_answer_comes_by_tcp(void **state)	/* row DNS-01 */
{
	(void)state;
	assert_int_equal(look_up(DNS_TYPE_MX, "tc.test")->class, ANSWER_FOUND);
	assert_int_equal(asks[0].count, 60);
	assert_string_equal(asks[0].first, "mx0.long-name-of-a-mail-server.test");
}

/* Connections that are reset close the library's sockets behind our back, again and again. */
static void resets_leave_no_poll_behind(void **state)		/* row URG-24 */
{
	char name[64];

	(void)state;
	for (unsigned i = 0; i < 60; i++) {
		snprintf(name, sizeof(name), "%s.n%u.test", i % 3 == 0 ? "tcrst" : i % 3 == 1 ? "tc" : "plain", i);
		ask(i, DNS_TYPE_MX, name);
	}
	wait_for(0, 60);
	for (unsigned i = 0; i < 60; i++)
		if (i % 3 == 2)
			assert_int_equal(asks[i].class, ANSWER_FOUND);
	assert_int_equal(look_up(DNS_TYPE_MX, "afterwards.test")->class, ANSWER_FOUND);
}

static void aliases_are_followed_across_answers(void **state)	/* case 63; row DNS-03 */
{
	(void)state;
	assert_int_equal(look_up(DNS_TYPE_MX, "chain10.test")->class, ANSWER_FOUND);
	assert_int_equal(asks[0].hops, 10);
	assert_string_equal(asks[0].owner, "target.test");
	assert_string_equal(asks[0].first, "mx.target.test");
}

/* --- sharing and keeping --------------------------------------------------------------------------------------- */

static void all_who_ask_share_one_question(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		ask(i, DNS_TYPE_MX, i & 1 ? "slow50.test" : "SLOW50.Test");
	wait_for(0, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(asks[i].class, ANSWER_FOUND);
	assert_int_equal(stats().sent, 1);
	assert_int_equal(stats().shared, 99);
}

static void an_answer_is_kept(void **state)		/* row DNS-08: TTL 0 counts as 5 s */
{
	static const char *const names[] = { "plain.test", "ttl0.test", "nx.test" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		enum answer_class class = look_up(DNS_TYPE_MX, names[i])->class;
		uint64_t sent = stats().sent;

		for (unsigned n = 0; n < 10; n++)
			assert_int_equal(look_up(DNS_TYPE_MX, names[i])->class, class);
		assert_int_equal(stats().sent, sent);
	}
	assert_int_equal(look_up(DNS_TYPE_A, "plain.test")->class, ANSWER_FOUND);
	assert_int_equal(asks[0].count, 1);
	assert_int_equal(stats().sent, 4);
}

static void the_shortest_ttl_ends(void **state)		/* row DNS-08 */
{
	(void)state;
	look_up(DNS_TYPE_MX, "ttl1.test");
	turn_for((RESOLVER_TTL_MIN_S - 1) * NS_PER_SEC);
	look_up(DNS_TYPE_MX, "ttl1.test");
	assert_int_equal(stats().sent, 1);
	turn_for(1200 * NS_PER_MS);
	look_up(DNS_TYPE_MX, "ttl1.test");
	assert_int_equal(stats().sent, 2);
}

static void a_failure_is_asked_once_per_half_minute(void **state)	/* row DNS-09 */
{
	(void)state;
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(look_up(DNS_TYPE_MX, "rcode2.test")->class, ANSWER_RETRY);
	assert_int_equal(stats().sent, 1);
}

static void asking_ahead_fills_the_cache(void **state)
{
	(void)state;
	resolver_warm(resolver, DNS_TYPE_MX, SLICE("plain.test"));
	resolver_warm(resolver, DNS_TYPE_MX, SLICE("plain.test"));
	resolver_warm(resolver, DNS_TYPE_MX, SLICE("not a name"));
	turn_for(50 * NS_PER_MS);
	look_up(DNS_TYPE_MX, "plain.test");
	assert_int_equal(stats().sent, 1);
	assert_int_equal(stats().cached, 1);
}

/* --- bounds ---------------------------------------------------------------------------------------------------- */

static void few_entries_serve_many_names(void **state)
{
	char name[64];

	(void)state;
	resolver_free(&resolver);
	open_on(server_port, 4, 2);
	for (unsigned i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "n%u.test", i);
		ask(i, DNS_TYPE_MX, name);
	}
	assert_true(stats().entries <= 4);
	wait_for(0, 200);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(asks[i].class, ANSWER_FOUND);
		snprintf(name, sizeof(name), "mx.n%u.test", i);
		assert_string_equal(asks[i].first, name);
	}
	assert_true(stats().entries <= 4);
	assert_int_equal(stats().evicted, 196);
}

static void the_least_recently_used_leaves_first(void **state)
{
	(void)state;
	resolver_free(&resolver);
	open_on(server_port, 2, 0);
	look_up(DNS_TYPE_MX, "a.test");
	look_up(DNS_TYPE_MX, "b.test");
	look_up(DNS_TYPE_MX, "a.test");
	look_up(DNS_TYPE_MX, "c.test");
	assert_int_equal(stats().sent, 3);
	look_up(DNS_TYPE_MX, "a.test");
	assert_int_equal(stats().sent, 3);
	look_up(DNS_TYPE_MX, "b.test");
	assert_int_equal(stats().sent, 4);
}

/* --- callbacks that do things ---------------------------------------------------------------------------------- */

static void ask_again(struct ask *a)
{
	a->then = NULL;
	resolver_ask(resolver, &a->query, DNS_TYPE_MX, slice_of_str(a->name));
}

static void a_callback_may_ask_again(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		ask(i, DNS_TYPE_MX, "plain.test")->then = ask_again;
	turn_for(300 * NS_PER_MS);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(asks[i].answers, 2);
	assert_int_equal(stats().sent, 1);
}

static void cancel_the_next(struct ask *a)
{
	resolver_cancel(&a[1].query);
	resolver_cancel(&a[1].query);
}

static void a_cancelled_question_is_silent(void **state)
{
	(void)state;
	ask(0, DNS_TYPE_MX, "slow40.test")->then = cancel_the_next;
	ask(1, DNS_TYPE_MX, "slow40.test");
	ask(2, DNS_TYPE_MX, "slow40.test");
	ask(3, DNS_TYPE_MX, "slow40.test");
	resolver_cancel(&asks[3].query);
	ask(4, DNS_TYPE_MX, "not a name");
	resolver_cancel(&asks[4].query);
	wait_for(0, 1);
	wait_for(2, 1);
	turn_for(50 * NS_PER_MS);
	assert_int_equal(asks[1].answers + asks[3].answers + asks[4].answers, 0);
	/* All have left: the answer is kept all the same. */
	ask(0, DNS_TYPE_MX, "slow41.test");
	resolver_cancel(&asks[0].query);
	turn_for(100 * NS_PER_MS);
	look_up(DNS_TYPE_MX, "slow41.test");
	assert_int_equal(stats().sent, 2);
}

static void an_end_with_questions_under_way_is_silent(void **state)
{
	(void)state;
	ask(0, DNS_TYPE_MX, "drop.test");
	ask(1, DNS_TYPE_MX, "not a name");
	ask(2, DNS_TYPE_MX, "tc.test");
	resolver_free(&resolver);
	turn_for(50 * NS_PER_MS);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(asks[i].answers, 0);
		assert_false(query_is_waiting(&asks[i].query));
	}
	open_on(server_port, 0, 0);
	assert_int_equal(look_up(DNS_TYPE_MX, "plain.test")->class, ANSWER_FOUND);
}

/* --- servers --------------------------------------------------------------------------------------------------- */

static void a_dead_server_is_passed_over(void **state)		/* row DNS-09 */
{
	char servers[128];

	(void)state;
	resolver_free(&resolver);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u, 127.0.0.1:%u", free_port(), server_port);
	open_with(servers, 0, 0);
	assert_int_equal(look_up(DNS_TYPE_MX, "plain.test")->class, ANSWER_FOUND);
	resolver_free(&resolver);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", free_port());
	open_with(servers, 0, 0);
	assert_int_equal(look_up(DNS_TYPE_MX, "plain.test")->class, ANSWER_RETRY);
}

static void wrong_servers_are_refused(void **state)
{
	struct resolver_conf conf = { .servers = "" };
	struct resolver *r = NULL;

	(void)state;
	assert_int_equal(resolver_new(&conf, &r), -EINVAL);
	conf.servers = "localhost";
	assert_int_equal(resolver_new(&conf, &r), ERR_SYNTAX);
	conf.servers = "127.0.0.1:x";
	assert_int_equal(resolver_new(&conf, &r), ERR_SYNTAX);
	conf.servers = "127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1,127.0.0.1";
	assert_int_equal(resolver_new(&conf, &r), -E2BIG);
	assert_null(r);
	conf.servers = "127.0.0.1, [::1]:5353 ::1";
	assert_int_equal(resolver_new(&conf, &r), 0);
	resolver_free(&r);
	resolver_free(&r);
}

static void a_real_server_is_understood(void **state)
{
	(void)state;
	resolver_free(&resolver);
	open_on(dnsmasq_port, 0, 0);
	assert_int_equal(look_up(DNS_TYPE_MX, "example.test")->class, ANSWER_FOUND);
	assert_int_equal(asks[0].count, 2);
	assert_int_equal(look_up(DNS_TYPE_A, "mx1.example.test")->class, ANSWER_FOUND);
	assert_memory_equal(asks[0].first, "\x7f", 1);
	assert_int_equal(look_up(DNS_TYPE_AAAA, "mx1.example.test")->class, ANSWER_FOUND);
	assert_int_equal(look_up(DNS_TYPE_AAAA, "mx2.example.test")->class, ANSWER_NOT_FOUND);
	assert_int_equal(look_up(DNS_TYPE_MX, "absent.test")->class, ANSWER_NOT_FOUND);
	assert_int_equal(look_up(DNS_TYPE_A, "alias.test")->class, ANSWER_FOUND);
	assert_string_equal(asks[0].owner, "mx1.example.test");
	assert_int_equal(look_up(DNS_TYPE_MX, "large.test")->class, ANSWER_FOUND);
	assert_int_equal(asks[0].count, 60);
	/* It has nobody to ask, and says REFUSED: soft. */
	assert_int_equal(look_up(DNS_TYPE_MX, "elsewhere.example")->class, ANSWER_RETRY);
}

static void doubt(void *context)
{
	++*(unsigned *)context;
}

/* dnsmasq without --dnssec sets no AD. */
static void records_without_validation_are_told_once(void **state)
{
	(void)state;
	for (unsigned dnssec = 0; dnssec < 2; dnssec++) {
		char servers[64];
		unsigned doubts = 0;

		snprintf(servers, sizeof(servers), "127.0.0.1:%u", dnsmasq_port);
		resolver_free(&resolver);
		assert_int_equal(resolver_new(&(struct resolver_conf){
			.servers = servers, .timeout_ms = 150, .tries = 2, .dnssec = dnssec == 1,
			.unvalidated = doubt, .context = &doubts,
		}, &resolver), 0);
		assert_int_equal(look_up(DNS_TYPE_MX, "absent.test")->class, ANSWER_NOT_FOUND);
		assert_int_equal(doubts, 0);
		assert_int_equal(look_up(DNS_TYPE_MX, "example.test")->class, ANSWER_FOUND);
		assert_int_equal(look_up(DNS_TYPE_A, "mx1.example.test")->class, ANSWER_FOUND);
		assert_int_equal(doubts, dnssec);
		/* The root may be asked for, of those who know it. */
		assert_int_equal(look_up(DNS_TYPE_NS, ".")->class, ANSWER_RETRY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_behaviour_has_its_class, setup, teardown),
		cmocka_unit_test_setup_teardown(each_type_has_the_same_classes, setup, teardown),
		cmocka_unit_test_setup_teardown(a_truncated_answer_comes_by_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(resets_leave_no_poll_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(aliases_are_followed_across_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(all_who_ask_share_one_question, setup, teardown),
		cmocka_unit_test_setup_teardown(an_answer_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(the_shortest_ttl_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(a_failure_is_asked_once_per_half_minute, setup, teardown),
		cmocka_unit_test_setup_teardown(asking_ahead_fills_the_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(few_entries_serve_many_names, setup, teardown),
		cmocka_unit_test_setup_teardown(the_least_recently_used_leaves_first, setup, teardown),
		cmocka_unit_test_setup_teardown(a_callback_may_ask_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_cancelled_question_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(an_end_with_questions_under_way_is_silent, setup, teardown),
		cmocka_unit_test_setup_teardown(a_dead_server_is_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_servers_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_real_server_is_understood, setup, teardown),
		cmocka_unit_test_setup_teardown(records_without_validation_are_told_once, setup, teardown),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
