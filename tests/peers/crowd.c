/* crowd - many destinations at a time, and what one of them must not do to the others */
#include "tests/test.h"

#include <stdio.h>

#include "core/reactor.h"
#include "net/smtp/session_auth.h"
#include "tests/peers/peer.h"
#include "tests/sim/world.h"

#define POSTS_MAX	10500u
#define CONTENT		"Subject: x\r\n\r\nhello\r\n"
#define DAY_NS		(86400 * NS_PER_SEC)

/* A mail with one recipient, or two. */
struct post {
	struct world_mail mail;
	struct rcpt rcpts[2];
	char addrs[2][40];
	char first[3];			/* first answers: s d b */
	struct enhanced_code dsn;	/* of the first answer that was not s */
	uint64_t done_ns;		/* when nothing was open any more */
};

static struct post posts[POSTS_MAX];
static unsigned post_count;
static struct peer good, bad;

static void on_rcpt(struct world_mail *mail, const struct attempt *a, const struct rcpt *rcpt,
		    enum maillog_status status)
{
	struct post *p = container_of(mail, struct post, mail);
	size_t i = (size_t)(rcpt - p->rcpts);

	(void)a;
	if (p->first[i] != '\0')
		return;
	p->first[i] = status == MAILLOG_SENT ? 's' : status == MAILLOG_BOUNCED ? 'b' : 'd';
	if (status != MAILLOG_SENT)
		p->dsn = rcpt->dsn;
}

static void on_finished(struct world_mail *mail)
{
	container_of(mail, struct post, mail)->done_ns = sim_now();
}

/* second may be NULL. */
static struct post *offer(const char *first, const char *second)
{
	struct post *p = &posts[post_count++];

	assert_true(post_count <= POSTS_MAX);
	*p = (struct post){ 0 };
	(void)snprintf(p->addrs[0], sizeof(p->addrs[0]), "%s", first);				/* fits */
	(void)snprintf(p->addrs[1], sizeof(p->addrs[1]), "%s", second != NULL ? second : "");	/* fits */
	for (unsigned i = 0; i < 2; i++)
		p->rcpts[i].addr = slice_of_str(p->addrs[i]);
	p->mail.msg.sender = SLICE("s@client.test");
	p->mail.msg.rcpts = p->rcpts;
	p->mail.msg.rcpt_count = second != NULL ? 2 : 1;
	p->mail.content = SLICE(CONTENT);
	p->mail.on_rcpt = on_rcpt;
	p->mail.on_finished = on_finished;
	world_offer(&p->mail);
	return p;
}

static void begin(unsigned files_max, const char *main_cf)
{
	const struct world_conf conf = { .files_max = files_max, .main_cf = main_cf };

	post_count = 0;
	tape_record(1);
	assert_int_equal(world_start(&conf), 0);
	peer_init(&good, "good.test", SMTP_CAP_PIPELINING);
	peer_init(&bad, "bad.test", SMTP_CAP_PIPELINING);
}

static void end(void)
{
	(void)world_run(30 * NS_PER_SEC, NULL, NULL);	/* the last goodbyes are said */
	assert_true(world_stop(DAY_NS));
	assert_int_equal(good.violation_count, 0);
	peer_done(&good);
	peer_done(&bad);
}

/* "g7.test" is served by peer at 192.0.2.7 and so on: number below 60000. */
static void add_domain(const char *letter, unsigned number, struct peer *peer)
{
	char domain[40], ip[20];

	(void)snprintf(domain, sizeof(domain), "%s%u.test", letter, number);				/* fits */
	(void)snprintf(ip, sizeof(ip), "198.%u.%u.%u", 51 + (letter[0] == 'g'), number / 250, number % 250 + 1); /* fits */
	assert_true(zone_add(domain, "A", ip));
	assert_non_null(sim_host_add(ip, 25, &peer_program, peer));
}

static struct post *offer_to(const char *letter, unsigned number)
{
	char addr[40];

	(void)snprintf(addr, sizeof(addr), "r@%s%u.test", letter, number);	/* fits */
	return offer(addr, NULL);
}

/* --- no descriptors --------------------------------------------------------------------------- */

static void no_descriptor_is_soft(void **state)
{
	unsigned sent = 0, deferred = 0;

	(void)state;
	begin(8, "");
	good.reply_ns = NS_PER_SEC;	/* all sessions are open at the same time */
	for (unsigned i = 0; i < 40; i++)
		add_domain("g", i, &good);
	for (unsigned i = 0; i < 40; i++)
		(void)offer_to("g", i);
	assert_true(world_run_settled(DAY_NS));
	for (unsigned i = 0; i < post_count; i++) {
		sent += posts[i].first[0] == 's';
		if (posts[i].first[0] == 's')
			continue;
		assert_int_equal(posts[i].first[0], 'd');
		assert_int_equal(posts[i].dsn.class, 4);
		assert_int_equal(posts[i].dsn.subject, 3);
		assert_int_equal(posts[i].dsn.detail, 0);
		deferred++;
	}
	assert_true(sent >= 6);
	assert_true(deferred > 0);
	assert_true(world_run_finished(5 * DAY_NS));
	assert_int_equal(good.commits, 40);
	end();
}

/* --- tarpits ---------------------------------------------------------------------------------- */

#define TARPITS 2000u
#define GOOD	100u

static bool all_good_are_done(void *context)
{
	unsigned from = *(unsigned *)context;

	for (unsigned i = from; i < post_count; i++)
		if (posts[i].done_ns == 0)
			return false;
	return true;
}

/* Virtual time until the good hosts have all their mail. */
static uint64_t time_of_good(unsigned tarpits)
{
	static const struct peer_trick mute[] = { { .stage = PEER_GREETING, .deed = PEER_MUTE } };
	unsigned from = tarpits;

	begin(4096, "");
	bad.tricks = mute;
	bad.trick_count = 1;
	good.reply_ns = 20 * NS_PER_MS;
	for (unsigned i = 0; i < tarpits; i++)
		add_domain("t", i, &bad);
	for (unsigned i = 0; i < GOOD; i++)
		add_domain("g", i, &good);
	for (unsigned i = 0; i < tarpits; i++)
		(void)offer_to("t", i);
	(void)world_run(5 * NS_PER_SEC, NULL, NULL);
	assert_int_equal(bad.open_now, tarpits);
	uint64_t begun = sim_now();

	for (unsigned i = 0; i < 4 * GOOD; i++)
		(void)offer_to("g", i % GOOD);
	assert_true(world_run(DAY_NS, all_good_are_done, &from));
	uint64_t took = sim_now() - begun;

	assert_int_equal(good.commits, 4 * GOOD);
	assert_true(world_run_settled(1000 * NS_PER_SEC));
	for (unsigned i = 0; i < tarpits; i++)
		assert_int_equal(posts[i].first[0], 'd');
	end();
	return took;
}

static void tarpits_hold_up_nobody(void **state)
{
	(void)state;
	uint64_t alone = time_of_good(0);
	uint64_t among = time_of_good(TARPITS);

	assert_true(among * 95 <= alone * 100);
}

/* Destinations of their own, and one address. */
static void add_tarpits(unsigned count)
{
	char domain[40];

	assert_non_null(sim_host_add("198.51.100.1", 25, &peer_program, &bad));
	for (unsigned i = 0; i < count; i++) {
		(void)snprintf(domain, sizeof(domain), "t%u.test", i);	/* fits */
		assert_true(zone_add(domain, "A", "198.51.100.1"));
	}
}

/* With far more tarpits than sessions, and good hosts that had mail before. */
static uint64_t time_of_known(unsigned tarpits)
{
	static const struct peer_trick mute[] = { { .stage = PEER_GREETING, .deed = PEER_MUTE } };
	unsigned from = 0, turns = 0;

	begin(2048, "session_limit = 400\n");
	bad.tricks = mute;
	bad.trick_count = 1;
	good.reply_ns = 20 * NS_PER_MS;
	for (unsigned i = 0; i < GOOD; i++) {
		add_domain("g", i, &good);
		(void)offer_to("g", i);
	}
	assert_true(world_run(DAY_NS, all_good_are_done, &from));
	add_tarpits(tarpits);
	for (unsigned i = 0; i < tarpits; i++)
		(void)offer_to("t", i);
	from = post_count;
	(void)world_run(30 * NS_PER_SEC, NULL, NULL);
	assert_int_equal(bad.open_now, MIN(tarpits, 300u));
	uint64_t begun = sim_now();

	for (unsigned i = 0; i < GOOD; i++)
		(void)offer_to("g", i);
	assert_true(world_run(DAY_NS, all_good_are_done, &from));
	uint64_t took = sim_now() - begun;

	assert_int_equal(good.commits, 2 * GOOD);
	/* The others take turns: 300 in each five minutes, some of them for the second time. */
	(void)world_run(650 * NS_PER_SEC, NULL, NULL);
	for (unsigned i = 0; i < tarpits; i++)
		turns += posts[GOOD + i].first[0] == 'd';
	assert_true(turns >= MIN(tarpits, 450u));
	end();
	return took;
}

static void more_tarpits_than_sessions(void **state)
{
	(void)state;
	uint64_t alone = time_of_known(0);
	uint64_t among = time_of_known(10000);

	if (among * 95 > alone * 100)
		fail_msg("%.3f s alone, %.3f s among tarpits", (double)alone / NS_PER_SEC, (double)among / NS_PER_SEC);
}

/* --- one message, two destinations ------------------------------------------------------------ */

static void destinations_are_independent(void **state)
{
	static const struct peer_trick no[] = {
		{ .stage = PEER_RCPT, .deed = PEER_SAY, .text = { "550 5.1.1 nobody\r\n", 18 } },
	};

	(void)state;
	begin(0, "");
	bad.tricks = no;
	bad.trick_count = 1;
	add_domain("g", 1, &good);
	add_domain("t", 1, &bad);
	const struct post *p = offer("r@g1.test", "r@t1.test");

	assert_true(world_run_finished(DAY_NS));
	assert_string_equal(p->first, "sb");
	assert_int_equal(good.commits, 1);
	assert_int_equal(bad.commits, 0);
	assert_int_equal(good.ledger[0].digest, peer_digest(PEER_DIGEST_START, SLICE(CONTENT)));
	end();
}

/* --- the clock -------------------------------------------------------------------------------- */

static void steps_of_the_clock_change_no_deadline(void **state)
{
	static const struct peer_trick mute[] = { { .stage = PEER_MAIL, .deed = PEER_MUTE } };
	static const int64_t steps[] = { -3600, 3600 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		begin(0, "smtp_mail_timeout = 30s\n");
		bad.tricks = mute;
		bad.trick_count = 1;
		add_domain("t", 1, &bad);
		add_domain("g", 1, &good);
		good.reply_ns = 5 * NS_PER_SEC;
		uint64_t begun = sim_now();
		const struct post *silent = offer("r@t1.test", NULL);
		const struct post *slow = offer("r@g1.test", NULL);

		(void)world_run(10 * NS_PER_SEC, NULL, NULL);
		world_step_wall(steps[i] * (int64_t)NS_PER_SEC);
		assert_true(world_run_settled(DAY_NS));
		assert_int_equal(silent->first[0], 'd');
		assert_int_equal(slow->first[0], 's');
		assert_true(sim_now() - begun < 32 * NS_PER_SEC);
		assert_true(sim_now() - begun > 29 * NS_PER_SEC);
		end();
	}
}

/* --- AUTH ------------------------------------------------------------------------------------- */

#define MORE_THAN_AUTHS (3 * SESSION_AUTHS)

/* Whoever finds no exchange waits in line, and no time of the server's counts meanwhile; a server that says nothing in
 * AUTH keeps one until smtp_helo_timeout. */
static void exchanges_are_enough_for_all(void **state)
{
	static const struct peer_trick mute[] = { { .stage = PEER_AUTH, .deed = PEER_MUTE } };

	(void)state;
	begin(4096, "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:user:secret\n"
		    "smtp_helo_timeout = 30s\nmaximal_queue_lifetime = 1h\n");
	good.offers |= SMTP_CAP_AUTH;
	bad.offers |= SMTP_CAP_AUTH;
	bad.tricks = mute;
	bad.trick_count = 1;
	good.reply_ns = 5 * NS_PER_SEC;
	for (unsigned i = 0; i < SESSION_AUTHS; i++)
		add_domain("t", i, &bad);
	for (unsigned i = 0; i < MORE_THAN_AUTHS; i++)
		add_domain("g", i, &good);
	for (unsigned i = 0; i < SESSION_AUTHS; i++)
		(void)offer_to("t", i);
	for (unsigned i = 0; i < MORE_THAN_AUTHS; i++)
		(void)offer_to("g", i);
	assert_true(world_run_settled(1000 * NS_PER_SEC));
	for (unsigned i = 0; i < post_count; i++)
		assert_int_equal(posts[i].first[0], i < SESSION_AUTHS ? 'd' : 's');
	assert_int_equal(good.authenticated, MORE_THAN_AUTHS);
	end();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("case 640: without a descriptor a delivery is soft, and others go on", no_descriptor_is_soft),
		CLAIM("TIM-05: 2,000 tarpits do not hold up 100 good hosts", tarpits_hold_up_nobody),
		CLAIM("TIM-05: 10,000 tarpits and 400 sessions: a quarter is left for 100 good hosts",
		      more_tarpits_than_sessions),
		CLAIM("case 644: one message, two destinations, two results", destinations_are_independent),
		CLAIM("case 642: a clock that jumps changes no deadline", steps_of_the_clock_change_no_deadline),
		CLAIM("more servers want AUTH at once than there are exchanges, and all get it", exchanges_are_enough_for_all),
	};

	return cmocka_run_group_tests_name("peers/crowd", claims, NULL, NULL);
}
