/* test_world.c - the simulator on itself: is what it promises true? */
#include <stdio.h>

#include "tests/sim/world.h"
#include "tests/test.h"

/* --- a server that says what is expected, one reply for each line -------------------------------- */

struct server {
	char line[1024];
	size_t len;
	bool in_data;
	unsigned messages;
	size_t octets;
};

static struct server server;

static void greet(struct sim_conn *c)
{
	sim_send_text(c, "220 mx.test ESMTP\r\n");
}

static void answer_line(struct sim_conn *c, struct server *s)
{
	const struct slice line = slice_of(s->line, s->len);

	if (s->in_data && slice_eq(line, SLICE(".\r\n"))) {
		s->in_data = false;
		s->messages++;
		sim_send_text(c, "250 2.0.0 taken\r\n");
	} else if (s->in_data) {
		s->octets += line.len;
	} else if (slice_has_prefix(line, SLICE("EHLO"))) {
		sim_send_text(c, "250-mx.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
	} else if (slice_has_prefix(line, SLICE("DATA"))) {
		s->in_data = true;
		sim_send_text(c, "354 go\r\n");
	} else if (slice_has_prefix(line, SLICE("QUIT"))) {
		sim_send_text(c, "221 bye\r\n");
		sim_close(c);
	} else {
		sim_send_text(c, "250 ok\r\n");
	}
}

static void on_data(struct sim_conn *c, struct slice data)
{
	struct server *s = sim_context(c);

	for (size_t i = 0; i < data.len; i++) {
		ASSERT(s->len < sizeof(s->line));
		s->line[s->len++] = data.ptr[i];
		if (data.ptr[i] != '\n')
			continue;
		answer_line(c, s);
		s->len = 0;
	}
}

static const struct sim_program honest = { .on_open = greet, .on_data = on_data };

/* --- mail -------------------------------------------------------------------------------------------------------- */

static struct rcpt rcpts[4];
static unsigned statuses[MAILLOG_BOUNCED + 1];
static unsigned finished;
static char last_line[1024];

static void on_rcpt(struct world_mail *mail, const struct attempt *a, const struct rcpt *rcpt,
		    enum maillog_status status)
{
	(void)mail;
	(void)a;
	(void)rcpt;
	statuses[status]++;
}

static void on_finished(struct world_mail *mail)
{
	(void)mail;
	finished++;
}

static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	(void)context;
	(void)level;
	(void)program;
	(void)snprintf(last_line, sizeof(last_line), "%.*s", SLICE_FMT(text));	/* cut is good enough */
}

static void offer(struct world_mail *mail, const char *content)
{
	static char storage[4096];
	uint32_t facts;

	*mail = (struct world_mail){ .on_rcpt = on_rcpt, .on_finished = on_finished };
	mail->content = world_wire(content, storage, sizeof(storage), &facts);
	memset(rcpts, 0, sizeof(rcpts));
	rcpts[0].addr = SLICE("a@example.org");
	mail->msg = (struct message){ .facts = facts, .sender = SLICE("s@client.test"), .rcpts = rcpts, .rcpt_count = 1 };
	memset(statuses, 0, sizeof(statuses));
	finished = 0;
	world_offer(mail);
}

static struct sim_host *start(const struct world_conf *conf)
{
	tape_record(1);
	server = (struct server){ 0 };
	assert_int_equal(world_start(conf), 0);
	assert_true(zone_add("example.org", "MX", "10 mx.example.org"));
	assert_true(zone_add("mx.example.org", "A", "192.0.2.1"));
	return sim_host_add("192.0.2.1", 25, &honest, &server);
}

static void a_mail_arrives(void **state)
{
	static const uint32_t segments[] = { 0, 7, 1 };
	struct world_mail mail;

	(void)state;
	for (unsigned cores = 1; cores <= 3; cores++) {
		for (size_t i = 0; i < ARRAY_LEN(segments); i++) {
			const struct world_conf conf = { .on_log = on_log, .cores = cores };
			struct sim_host *h = start(&conf);

			h->link.segment_to_engine = h->link.segment_to_peer = segments[i];
			offer(&mail, "Subject: x\n\n.dot\nhello\n");
			assert_true(world_run_finished(60 * NS_PER_SEC));
			assert_int_equal(statuses[MAILLOG_SENT], 1);
			assert_int_equal(finished, 1);
			assert_int_equal(server.messages, 1);
			assert_int_equal(server.octets, strlen("Subject: x\r\n\r\n..dot\r\nhello\r\n"));
			assert_non_null(strstr(last_line, "status=sent (250 2.0.0 taken)"));
			assert_true(world_stop(60 * NS_PER_SEC));
		}
	}
}

static void a_refused_connection_defers(void **state)
{
	struct world_mail mail;

	(void)state;
	const struct world_conf conf = { .on_log = on_log };

	start(&conf)->answer = SIM_REFUSE;
	offer(&mail, "x\n");
	assert_true(world_run_settled(60 * NS_PER_SEC));
	assert_int_equal(statuses[MAILLOG_DEFERRED], 1);
	assert_non_null(strstr(last_line, "status=deferred"));
	sim_host_at("192.0.2.1", 25)->answer = SIM_ACCEPT;
	assert_true(world_run_finished(3600 * NS_PER_SEC));
	assert_int_equal(statuses[MAILLOG_SENT], 1);
	assert_true(world_stop(60 * NS_PER_SEC));
}

/* Ages and retries count what has really passed, deadlines do not: the retry of a machine that slept eight hours comes
 * with the next run of the queue, and a server has all its seconds left. */
static void sleep_counts_for_retries_alone(void **state)
{
	const struct world_conf conf = {
		.on_log = on_log,
		.main_cf = "minimal_backoff_time = 4h\nmaximal_backoff_time = 4h\nqueue_run_delay = 300s\n"
			   "smtp_connect_timeout = 30s\n",
	};
	struct world_mail mail;
	uint64_t begin;

	(void)state;
	start(&conf)->answer = SIM_BLACKHOLE;
	offer(&mail, "x\n");
	begin = sim_now();
	assert_false(world_run_settled(20 * NS_PER_SEC));
	world_suspend(8 * 3600 * NS_PER_SEC);
	assert_true(world_run_settled(60 * NS_PER_SEC));
	assert_in_range(sim_now() - begin, 30 * NS_PER_SEC, 31 * NS_PER_SEC);
	assert_int_equal(statuses[MAILLOG_DEFERRED], 1);
	sim_host_at("192.0.2.1", 25)->answer = SIM_ACCEPT;
	assert_false(world_run_finished(600 * NS_PER_SEC));
	world_suspend(8 * 3600 * NS_PER_SEC);
	assert_true(world_run_finished(301 * NS_PER_SEC));
	assert_int_equal(statuses[MAILLOG_SENT], 1);
	assert_non_null(strstr(last_line, " delay=58"));	/* thousand seconds: 16 h and some minutes */
	assert_true(world_stop(60 * NS_PER_SEC));
}

static void a_silent_network_times_out(void **state)
{
	struct world_mail mail;
	uint64_t begin;

	(void)state;
	const struct world_conf conf = { .on_log = on_log, .main_cf = "smtp_connect_timeout = 17s\n" };

	start(&conf)->answer = SIM_BLACKHOLE;
	begin = sim_now();
	offer(&mail, "x\n");
	assert_true(world_run_settled(60 * NS_PER_SEC));
	assert_int_equal(statuses[MAILLOG_DEFERRED], 1);
	assert_in_range(sim_now() - begin, 17 * NS_PER_SEC, 18 * NS_PER_SEC);
	assert_true(world_stop(60 * NS_PER_SEC));
}

static void a_cut_in_every_place_is_survived(void **state)
{
	static const enum sim_cut_kind kinds[] = { SIM_CUT_FINISH, SIM_CUT_RESET };
	struct world_mail mail;

	(void)state;
	for (size_t k = 0; k < ARRAY_LEN(kinds); k++) {
		for (uint64_t at = 0; at < 160; at++) {
			const struct world_conf conf = { .on_log = on_log };
			struct sim_host *h = start(&conf);

			h->link.cut_to_engine = (struct sim_cut){ kinds[k], at };
			offer(&mail, "x\n");
			assert_true(world_run_settled(3600 * NS_PER_SEC));
			assert_int_equal(statuses[MAILLOG_DEFERRED] + statuses[MAILLOG_SENT], 1);
			assert_true(world_stop(60 * NS_PER_SEC));
		}
	}
}

#define CROWD 40u

/* case 640: what has no room waits, and is neither deferred nor lost: where others answer 4.3.0, a pool that is used up
 * is no failure here. Without descriptors it is one, see test_sweep.c. */
static void used_up_pools_are_waited_for(void **state)
{
	static struct world_mail mails[CROWD];
	static struct rcpt to[CROWD];
	static char addresses[CROWD][32], domains[CROWD][32];
	const struct world_conf conf = { .on_log = on_log, .destinations_max = 2, .sessions_max = 1, .recv_bufs = 2 };

	(void)state;
	memset(statuses, 0, sizeof(statuses));
	finished = 0;
	start(&conf);
	for (unsigned i = 0; i < CROWD; i++) {
		(void)snprintf(domains[i], sizeof(domains[i]), "d%u.test", i);			/* both fit */
		(void)snprintf(addresses[i], sizeof(addresses[i]), "r@d%u.test", i);
		assert_true(zone_add(domains[i], "A", i == 7 ? "192.0.2.7" : "192.0.2.1"));
		to[i] = (struct rcpt){ .addr = slice_of_str(addresses[i]) };
		mails[i] = (struct world_mail){ .content = SLICE("x\r\n"), .on_rcpt = on_rcpt, .on_finished = on_finished };
		mails[i].msg = (struct message){ .sender = SLICE("s@client.test"), .rcpts = &to[i], .rcpt_count = 1 };
	}
	sim_host_add("192.0.2.7", 25, &honest, &server)->answer = SIM_BLACKHOLE;
	for (unsigned i = 0; i < CROWD; i++)
		world_offer(&mails[i]);
	assert_true(world_run_settled(3600 * NS_PER_SEC));
	assert_int_equal(statuses[MAILLOG_SENT], CROWD - 1);
	assert_int_equal(statuses[MAILLOG_DEFERRED], 1);
	sim_host_at("192.0.2.7", 25)->answer = SIM_ACCEPT;
	assert_true(world_run_finished(86400 * NS_PER_SEC));
	assert_int_equal(statuses[MAILLOG_SENT], CROWD);
	assert_int_equal(finished, CROWD);
	assert_true(world_stop(60 * NS_PER_SEC));
}

static uint64_t hash_of_run(uint64_t seed)
{
	struct world_mail mail;
	const struct world_conf conf = { .on_log = on_log, .cores = 2 };
	struct sim_host *h = start(&conf);

	tape_record(seed);
	h->link.segment_to_engine = 3;
	offer(&mail, "Subject: y\n\nhello\n");
	assert_true(world_run_finished(60 * NS_PER_SEC));
	assert_true(world_stop(60 * NS_PER_SEC));
	return tape_trace_hash();
}

static void the_same_seed_is_the_same_story(void **state)
{
	(void)state;
	assert_int_equal(hash_of_run(7), hash_of_run(7));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a mail arrives, at every segment size and number of cores", a_mail_arrives),
		CLAIM("a refused connection defers, and the mail arrives when the host is back", a_refused_connection_defers),
		CLAIM("a connect into a black hole ends by smtp_connect_timeout", a_silent_network_times_out),
		CLAIM("URG-30, OSR-09: a machine that slept retries what was due meanwhile, and shortens no deadline",
		      sleep_counts_for_retries_alone),
		CLAIM("a stream cut behind each octet settles the recipient once", a_cut_in_every_place_is_survived),
		CLAIM("with pools for two destinations and one session, 40 destinations are served in turn (case 640)",
		      used_up_pools_are_waited_for),
		CLAIM("the same seed is the same story, from an engine as fresh as the first",
		      the_same_seed_is_the_same_story),
	};

	return cmocka_run_group_tests_name("sim/world", claims, NULL, NULL);
}
