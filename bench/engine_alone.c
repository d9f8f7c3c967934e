/* engine_alone.c - the delivery engine alone: requests in memory, one core, a server that only swallows
 *
 *	bench_engine_alone [--content | --zero-copy | --tls | --size OCTETS] [--seconds N] [--reps N] [--sessions N]
 *
 * For each mode and size the engine and a client that sends canned octets (the floor) take turns, each in a process of
 * its own on CPU 0, the server on CPU 1. Printed: medians of messages a second and of CPU time a message, and the ratio
 * of the two. No spool, no listener, no log: what net/delivery, net/smtp and core cost, and the kernel's TCP.
 *
 * --content: the same for messages of 1 to 1000 KiB, as they are and changed on their way. --zero-copy: sends that are
 * not copied, never, as the engine decides, and always. --tls: connections in clear and in TLS, used again or opened
 * for each message, with an earlier session or without. --size: messages of that size alone, nothing to do.
 */
#include "bench/engine_alone.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/alone_canned.h"
#include "bench/alone_sink.h"
#include "bench/median.h"
#include "core/check.h"
#include "core/clock.h"
#include "core/metric.h"
#include "crypto/library.h"
#include "net/delivery/delivery.h"
#include "net/params.h"
#include "net/smtp/zero_copy.h"

#define WARM_UP_NS	(NS_PER_SEC / 2)
#define JOBS_A_SESSION	4u
#define REPS_MAX	15u
#define SLICE_NS	(20 * NS_PER_MS)
#define SLICE_MESSAGES	10u		/* at least, or it says nothing */
#define SLICES_MAX	(60 * NS_PER_SEC / SLICE_NS)

static const char *const mode_words[ALONE_MODES] = {
	[ALONE_RIDE] = "next transaction behind the body",
	[ALONE_STEP] = "one command at a time",
	[ALONE_FRESH] = "a connection for each message",
};

/* --- requests in memory ------------------------------------------------------------------------ */

struct request {
	struct job job;
	struct message msg;
	struct rcpt rcpt;
	char rcpt_text[64];
	struct attempt *attempt;
	struct task claimed;
	struct task settled;
};

/* What the engine makes of the content on its way. */
enum passage { PASSAGE_AS_IT_IS, PASSAGE_WRAP, PASSAGE_CONVERT, PASSAGE_COUNT };

static const char *const passage_words[PASSAGE_COUNT] = {
	[PASSAGE_AS_IT_IS] = "nothing to do",
	[PASSAGE_WRAP] = "looked at for long lines and dots",
	[PASSAGE_CONVERT] = "8bit to quoted-printable",
};

/* When large pieces go without being copied. */
enum zero_copy_use { USE_DECIDED, USE_NEVER, USE_ALWAYS, USE_COUNT };

static const char *const use_words[USE_COUNT] = {
	[USE_DECIDED] = "as decided",
	[USE_NEVER] = "never",
	[USE_ALWAYS] = "always",
};

/* What protects the connections, and how often that is agreed upon. */
enum tls_use { TLS_USE_NONE, TLS_USE_NONE_FRESH, TLS_USE_KEPT, TLS_USE_RESUMED, TLS_USE_WHOLE, TLS_USE_COUNT };

static const char *const tls_words[TLS_USE_COUNT] = {
	[TLS_USE_NONE] = "in clear, connections kept",
	[TLS_USE_NONE_FRESH] = "in clear, a new one each time",
	[TLS_USE_KEPT] = "TLS, connections kept",
	[TLS_USE_RESUMED] = "TLS, a new one, session resumed",
	[TLS_USE_WHOLE] = "TLS, a new one, whole handshake",
};

static enum tls_use tls_use;
static struct alone_conf conf;
static enum passage passage;
static enum zero_copy_use zero_copy_use;
static struct slice next_hop;
static struct request *requests;

static struct request *request_of(const struct attempt *a)
{
	return container_of(a->job, struct request, job);
}

static void offer(struct request *r)
{
	r->msg.arrival_ns = reactor_queue_now();
	r->msg.id++;
	r->rcpt.state = RCPT_OPEN;
	r->rcpt.outcome = OUTCOME_NONE;
	r->job = (struct job){ .magic = JOB_MAGIC, .msg = &r->msg, .nexthop = next_hop, .count = 1, .open = 1 };
	delivery_offer(&r->job);
}

/* The answers come later in the turn, as from a source that has to ask nobody. */
static void on_claimed(struct task *task)
{
	struct attempt *a = container_of(task, struct request, claimed)->attempt;
	struct body_window *w = &a->body.windows[0];

	a->claimed = true;
	w->pieces[0] = slice_of(conf.body, conf.body_len);
	w->count = 1;
	w->last = true;
	w->ready = true;
	delivery_on_claimed(a, 0);
}

static void on_settled(struct task *task)
{
	struct request *r = container_of(task, struct request, settled);

	/* Everything is taken, or this measures something else. */
	if (r->rcpt.outcome != OUTCOME_SENT)
		check_fail(__FILE__, __LINE__, __func__, "a message was not sent");
	r->rcpt.state = RCPT_SENT;
	r->job.open--;
	alone_count++;
	delivery_on_settled(r->attempt, 0);
}

static void claim(struct attempt *a)
{
	struct request *r = request_of(a);

	r->attempt = a;
	reactor_post(&r->claimed);
}

static void release(struct body *body, struct body_window *window)
{
	(void)body;
	window->ready = false;
}

static void settle(struct attempt *a)
{
	struct request *r = request_of(a);

	r->attempt = a;
	reactor_post(&r->settled);
}

static void finish(struct job *job)
{
	offer(container_of(job, struct request, job));
}

static const struct source source = { .claim = claim, .release = release, .settle = settle, .finish = finish };

static void load(struct params *p)
{
	static struct params_system sys;
	char text[128];

	params_system_init(&sys, "ringpostd", NULL);
	(void)snprintf(sys.host, sizeof(sys.host), "client.test");	/* fits */
	struct conf *c = params_conf_new(&sys);

	ASSERT(c != NULL);
	(void)snprintf(text, sizeof(text), "relayhost=[127.0.0.1]:%u", conf.port);
	conf_override(c, text);
	(void)snprintf(text, sizeof(text), "default_destination_concurrency_limit=%u", conf.sessions);
	conf_override(c, text);
	(void)snprintf(text, sizeof(text), "initial_destination_concurrency=%u", conf.sessions);
	conf_override(c, text);
	if (conf.mode == ALONE_STEP)
		conf_override(c, "smtp_discard_ehlo_keywords=pipelining, silent-discard");
	if (passage == PASSAGE_WRAP)
		conf_override(c, "smtp_line_length_limit=997");
	if (passage == PASSAGE_CONVERT)
		conf_override(c, "smtp_discard_ehlo_keywords=8bitmime, silent-discard");
	if (conf.mode == ALONE_FRESH)
		conf_override(c, "smtp_connection_cache_on_demand=no");
	conf_override(c, tls_use < TLS_USE_KEPT ? "smtp_tls_security_level=none" : "smtp_tls_security_level=encrypt");
	if (tls_use == TLS_USE_KEPT)
		conf_override(c, "smtp_tls_connection_reuse=yes");
	if (tls_use == TLS_USE_RESUMED)
		conf_override(c, "smtp_tls_session_cache_database=btree:smtp_scache");
	if (zero_copy_use == USE_NEVER)
		conf_override(c, "zero_copy_threshold=0");
	if (zero_copy_use == USE_ALWAYS)
		zero_copy_force();
	ASSERT(params_load(p, c) == 0);
}

static struct tls_room *open_tls(struct tls_context **ret_context)
{
	static struct tls_room room;
	const struct tls_context_conf tls = { .now_ns = clock_wall_ns() };
	char text[128];
	struct str why = STR(text);

	ASSERT(crypto_library_start() == 0);
	ASSERT(tls_room_init(&room, conf.sessions + 10) == 0);
	ASSERT(tls_context_new(&tls, &why, ret_context) == 0);
	return &room;
}

static void engine_start(void)
{
	static struct params params;
	struct tls_context *context = NULL;
	struct tls_room *room = open_tls(&context);
	static struct services services;
	unsigned count = conf.sessions * JOBS_A_SESSION;

	load(&params);
	next_hop = slice_of_str(params.relayhost);
	delivery_start(&params, 1);
	const struct delivery_conf delivery = {
		.cores = 1,
		.params = &params,
		.source = &source,
		.services = &services,
		.mx = mx_conf_from_params(&params),
		.tls = context,
		.tls_room = room,
		.sessions_max = conf.sessions + 10,
		.jobs_max = count,
	};

	ASSERT(delivery_new(&delivery) != NULL);
	requests = calloc(count, sizeof(*requests));
	ASSERT(requests != NULL);
	for (unsigned i = 0; i < count; i++) {
		struct request *r = &requests[i];
		const struct rcpt_facts facts = { .addr = SLICE("r@example.org") };

		task_init(&r->claimed, on_claimed);
		task_init(&r->settled, on_settled);
		(void)rcpt_set(&r->rcpt, r->rcpt_text, &facts);
		r->msg = (struct message){
			.magic = MESSAGE_MAGIC, .id = (uint64_t)i << 32,
			.facts = passage == PASSAGE_CONVERT ? 0 : MESSAGE_BODY_7BIT,
			.size = conf.body_len,
			.wire_size = conf.body_len, .rcpt_count = 1, .sender = SLICE("s@client.test"), .rcpts = &r->rcpt,
		};
		offer(r);
	}
}

/* --- one run ----------------------------------------------------------------------------------- */

struct result {
	double rate;		/* messages a second */
	double cpu_us;		/* of the client's process, a message */
	double quiet_us;	/* the same in the best tenth of short slices, when nobody else was in the way */
	double uncopied;	/* sends a message begun without a copy, */
	double copied;		/* and of them, those that the kernel copied all the same */
};

/* By its name, since the start; 0: nobody counts that. */
static double counted(const char *name)
{
	static char storage[KIB(16)];
	char line[80];
	struct str all = STR(storage);

	metric_write_all(&all);
	str_add_char(&all, '\0');
	(void)snprintf(line, sizeof(line), "%s ", name);	/* fits */
	const char *found = strstr(storage, line);

	return found != NULL ? strtod(found + strlen(line), NULL) : 0;
}

/* Where the engine would have it: in registered memory. */
static void place_body(void)
{
	char *place = io_arena_take(conf.body_len, KIB(4));

	ASSERT(place != NULL);
	memcpy(place, conf.body, conf.body_len);
	conf.body = place;
}

static uint64_t cpu_ns(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * NS_PER_SEC +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static void turn_until(struct reactor *r, uint64_t until_ns)
{
	while (clock_mono_ns() < until_ns)
		if (reactor_turn(r, until_ns) < 0)
			abort();
}

/* Until then, a slice at a time. Returns CPU microseconds a message in the best tenth of them. */
static double turn_slices(struct reactor *r, uint64_t until_ns)
{
	static double slices[SLICES_MAX];
	unsigned count = 0;

	for (uint64_t now; (now = clock_mono_ns()) < until_ns && count < SLICES_MAX;) {
		uint64_t messages = alone_count, cpu = cpu_ns();

		turn_until(r, min_u64(now + SLICE_NS, until_ns));
		if (alone_count - messages >= SLICE_MESSAGES)
			slices[count++] = (double)(cpu_ns() - cpu) / 1000 / (double)(alone_count - messages);
	}
	turn_until(r, until_ns);
	qsort(slices, count, sizeof(*slices), median_by_value);
	return slices[count / 10];
}

static struct result client(bool engine, uint64_t seconds)
{
	static struct reactor reactor;
	const struct io_conf io = { .files_max = 4096, .arena_size = MIB(2) };
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(0, &set);
	(void)sched_setaffinity(0, sizeof(set), &set);	/* one CPU: then both share it */
	if (xcall_start(1) < 0 || reactor_open(&reactor, &io) < 0) {
		fprintf(stderr, "engine_alone: no ring\n");
		exit(1);
	}
	metric_thread_core(0);
	place_body();
	if (engine)
		engine_start();
	else
		canned_start(&conf);
	turn_until(&reactor, clock_mono_ns() + WARM_UP_NS);
	uint64_t begin = clock_mono_ns(), count = alone_count, cpu = cpu_ns();

	double quiet_us = turn_slices(&reactor, begin + seconds * NS_PER_SEC);
	double took = (double)(clock_mono_ns() - begin), messages = (double)(alone_count - count);

	return (struct result){
		.rate = messages / took * 1e9,
		.cpu_us = (double)(cpu_ns() - cpu) / 1000 / messages,
		.quiet_us = quiet_us,
		.uncopied = counted("ringpost_zero_copy_sends_total") / (double)alone_count,
		.copied = counted("ringpost_zero_copy_copied_total") / (double)alone_count,
	};
}

/* Fresh processes: neither client finds what the other one left. */
static struct result run(bool engine, uint64_t seconds)
{
	struct result *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int status;

	if (shared == MAP_FAILED)
		abort();
	const struct alone_sink_conf server = { .tls = true, .counter = -1 };
	pid_t sink = alone_sink_start(1, &server, &conf.port);
	pid_t child = fork();

	if (child == 0) {
		*shared = client(engine, seconds);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status != 0) {
		fprintf(stderr, "engine_alone: a client ended with status %d\n", status);
		exit(1);
	}
	(void)kill(sink, SIGKILL);
	(void)waitpid(sink, NULL, 0);
	struct result result = *shared;

	(void)munmap(shared, sizeof(*shared));
	return result;
}

static void make_body(enum alone_mode mode, size_t size)
{
	static const char plain[] = "Subject: alone\r\n\r\n";
	static const char label[] = "Content-Transfer-Encoding: 8bit\r\n\r\n";
	static char body[KIB(1024)];

	/* One octet in 24 is none of ASCII, as in German. */
	for (size_t i = 0; i < size; i++)
		body[i] = i % 72 == 70				       ? '\r' :
			  i % 72 == 71				       ? '\n' :
			  passage == PASSAGE_CONVERT && i % 24 == 5 ? '\xfc' :
									 'x';
	memcpy(body, passage == PASSAGE_CONVERT ? label : plain, strlen(passage == PASSAGE_CONVERT ? label : plain));
	memcpy(body + size - 2, "\r\n", 2);
	conf.mode = mode;
	conf.body = body;
	conf.body_len = size;
}

static void measure(const char *words, enum alone_mode mode, size_t size, unsigned reps, uint64_t seconds)
{
	double rate[2][REPS_MAX], cpu[2][REPS_MAX], ratio[REPS_MAX], cpu_ratio[REPS_MAX],
		quiet[2][REPS_MAX];

	make_body(mode, size);
	for (unsigned i = 0; i < reps; i++) {
		for (unsigned n = 0; n < 2; n++) {
			unsigned engine = (n + i) % 2;	/* who goes first alternates */
			struct result r = run(engine, seconds);

			rate[engine][i] = r.rate;
			cpu[engine][i] = r.cpu_us;
			quiet[engine][i] = r.quiet_us;
		}
		ratio[i] = rate[1][i] / rate[0][i];
		cpu_ratio[i] = cpu[0][i] / cpu[1][i];
	}
	printf("%-34s %7zu  %9.0f %9.0f  %8.2f %8.2f  %8.2f %8.2f  %6.2f %6.2f %6.2f\n", words, size,
	       median(rate[1], reps), median(rate[0], reps), median(cpu[1], reps), median(cpu[0], reps),
	       median(quiet[1], reps), median(quiet[0], reps), median(ratio, reps), median(cpu_ratio, reps),
	       median(quiet[0], reps) / median(quiet[1], reps));
	(void)fflush(stdout);
}

static unsigned number(const char *text, unsigned max)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n == 0 || n > max) {
		fprintf(stderr, "engine_alone: '%s' is not a number from 1 to %u\n", text, max);
		exit(2);
	}
	return (unsigned)n;
}

/* Messages of all sizes, as they are and changed on their way, beside a plain send of the octets that came in. */
static void measure_content(unsigned reps, unsigned seconds)
{
	static const size_t sizes[] = { KIB(1), KIB(4), KIB(50), KIB(1000) };

	for (passage = PASSAGE_AS_IT_IS; passage < PASSAGE_COUNT; passage++)
		for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
			measure(passage_words[passage], ALONE_RIDE, sizes[i], reps, seconds);
}

/* Beside each other, and beside what never goes without a copy. */
static void measure_zero_copy_of(size_t size, unsigned reps, unsigned seconds)
{
	double rate[USE_COUNT][REPS_MAX], cpu[USE_COUNT][REPS_MAX], ratio[USE_COUNT][REPS_MAX],
		cpu_ratio[USE_COUNT][REPS_MAX];
	struct result r[USE_COUNT];

	make_body(ALONE_RIDE, size);
	for (unsigned i = 0; i < reps; i++) {
		for (unsigned n = 0; n < USE_COUNT; n++) {
			zero_copy_use = (n + i) % USE_COUNT;
			r[zero_copy_use] = run(true, seconds);
		}
		for (unsigned n = 0; n < USE_COUNT; n++) {
			rate[n][i] = r[n].rate;
			cpu[n][i] = r[n].cpu_us;
			ratio[n][i] = r[n].rate / r[USE_NEVER].rate;
			cpu_ratio[n][i] = r[USE_NEVER].cpu_us / r[n].cpu_us;
		}
	}
	for (unsigned n = 0; n < USE_COUNT; n++)
		printf("%-34s %7zu  %9.0f  %8.2f  %6.2f %6.2f  %9.5f %9.5f\n", use_words[n], size, median(rate[n], reps),
		       median(cpu[n], reps), median(ratio[n], reps), median(cpu_ratio[n], reps), r[n].uncopied,
		       r[n].copied);
	(void)fflush(stdout);
}

static void measure_zero_copy(unsigned reps, unsigned seconds)
{
	static const size_t sizes[] = { KIB(16), KIB(50), KIB(1000) };

	printf("%-34s %7s  %9s  %8s  %6s %6s  %9s %9s\n", "sends without a copy", "octets", "rate", "cpu", "ratio", "of cpu",
	       "sends", "copied");
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++)
		measure_zero_copy_of(sizes[i], reps, seconds);
}

/* Who is used again, and who is not: ratios are to the first. */
static void measure_tls_of(size_t size, unsigned reps, unsigned seconds)
{
	double rate[TLS_USE_COUNT][REPS_MAX], cpu[TLS_USE_COUNT][REPS_MAX];

	for (unsigned i = 0; i < reps; i++)
		for (unsigned n = 0; n < TLS_USE_COUNT; n++) {
			tls_use = (n + i) % TLS_USE_COUNT;
			make_body(tls_use == TLS_USE_NONE_FRESH ? ALONE_FRESH : ALONE_RIDE, size);
			struct result r = run(true, seconds);

			rate[tls_use][i] = r.rate;
			cpu[tls_use][i] = r.cpu_us;
		}
	for (unsigned n = 0; n < TLS_USE_COUNT; n++)
		printf("%-34s %7zu  %9.0f  %8.2f\n", tls_words[n], size, median(rate[n], reps), median(cpu[n], reps));
	(void)fflush(stdout);
}

static void measure_modes(unsigned reps, unsigned seconds)
{
	for (enum alone_mode mode = 0; mode < ALONE_MODES; mode++) {
		measure(mode_words[mode], mode, 4096, reps, seconds);
		measure(mode_words[mode], mode, 51200, reps, seconds);
	}
}

int main(int argc, char **argv)
{
	unsigned seconds = 2, reps = 5, size = 0;
	bool content = false, zero_copy = false, tls = false;

	conf.sessions = 50;
	for (int i = 1; i < argc; i++) {
		if (i + 1 < argc && strcmp(argv[i], "--seconds") == 0)
			seconds = number(argv[++i], 60);
		else if (i + 1 < argc && strcmp(argv[i], "--reps") == 0)
			reps = number(argv[++i], REPS_MAX);
		else if (i + 1 < argc && strcmp(argv[i], "--sessions") == 0)
			conf.sessions = number(argv[++i], 1000);
		else if (strcmp(argv[i], "--content") == 0)
			content = true;
		else if (i + 1 < argc && strcmp(argv[i], "--size") == 0)
			size = number(argv[++i], (unsigned)KIB(1024));
		else if (strcmp(argv[i], "--zero-copy") == 0)
			zero_copy = true;
		else if (strcmp(argv[i], "--tls") == 0)
			tls = true;
		else {
			fprintf(stderr, "usage: bench_engine_alone [--content | --zero-copy | --tls | --size OCTETS] "
				"[--seconds N] [--reps N] [--sessions N]\n");
			return 2;
		}
	}
	printf("%u sessions, medians of %u runs of %u s; messages a second, CPU microseconds a message\n", conf.sessions, reps,
	       seconds);
	if (zero_copy) {
		measure_zero_copy(reps, seconds);
		return 0;
	}
	if (tls) {
		printf("%-34s %7s  %9s  %8s\n", "connections", "octets", "rate", "cpu");
		measure_tls_of(4096, reps, seconds);
		measure_tls_of(51200, reps, seconds);
		return 0;
	}
	printf("%-34s %7s  %9s %9s  %8s %8s  %8s %8s  %6s %6s %6s\n", "mode", "octets", "engine", "floor", "cpu", "cpu",
	       "quiet", "quiet", "ratio", "of cpu", "quiet");
	if (size > 0)
		measure(passage_words[PASSAGE_AS_IT_IS], ALONE_RIDE, MAX(size, 64u), reps, seconds);
	else if (content)
		measure_content(reps, seconds);
	else
		measure_modes(reps, seconds);
	return 0;
}
