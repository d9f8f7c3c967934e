/* fuzz_world.c - FZ-15: octets drive the simulator's tape, and with it a whole story: servers, ways, DNS, faults
 *
 * One world for each input, session-sized: one to three messages from memory, to one or two domains, whose servers do
 * what the octets say. When the octets are used up all goes well, and each recipient must come to its end.
 *
 * Claims: those of the ledger (nothing lost, altered, invented, sent without a commit, bounced without a reason, or
 * doubled without a word), of the servers (manners, patience), of the seam, and that everything taken is given back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/check.h"
#include "tests/sim/fault.h"
#include "tests/sim/ledger.h"
#include "tests/sim/server.h"
#include "tests/sim/world.h"

#define MAILS_MAX	3u
#define DOMAINS_MAX	2u
#define CONTENT_MAX	KIB(64)
#define DAY_NS		(86400 * NS_PER_SEC)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct letter {
	struct world_mail mail;
	struct rcpt rcpts[LEDGER_RCPTS];
	char addresses[LEDGER_RCPTS][64];
	char sender[64];
	char text[CONTENT_MAX];
	char wire[CONTENT_MAX];
} letters[MAILS_MAX];

static bool verbose;

/* --- what is seen --------------------------------------------------------------------------------- */

static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	(void)context;
	if (verbose)
		(void)fprintf(stderr, "%12.6f %s/%s: %.*s\n", (double)sim_now() / 1e9, program, level,
			      SLICE_FMT(text));
	ledger_log(0, text);
}

/* Content that could not be read once can be the next time. */
static void on_rcpt(struct world_mail *mail, const struct attempt *a, const struct rcpt *r, enum maillog_status status)
{
	(void)a;
	(void)r;
	if (status == MAILLOG_DEFERRED)
		mail->body_err = 0;
}

static void on_doubt(struct world_mail *mail, const struct rcpt *r)
{
	struct ledger_rcpt *known = ledger_find(r->addr);

	(void)mail;
	ASSERT(known != NULL);
	known->announced++;
}

/* --- what is drawn -------------------------------------------------------------------------------- */

static void draw_faults(void)
{
	static const struct { enum fault fault; uint32_t rate; } knobs[] = {
		{ FAULT_SHORT_SEND, 300000 }, { FAULT_RECEIVE_ENDS, 300000 }, { FAULT_NO_BUFFER, 300000 },
		{ FAULT_LATE_CORE, 100000 }, { FAULT_LATE_RESULT, 200000 }, { FAULT_NO_FILES, 300000 },
		{ FAULT_COPIED, 500000 }, { FAULT_DNS_TROUBLE, 500000 }, { FAULT_REFUSE, 300000 },
		{ FAULT_BLACKHOLE, 200000 }, { FAULT_CUT_FINISH, 300000 }, { FAULT_CUT_RESET, 300000 },
		{ FAULT_CUT_SILENCE, 200000 }, { FAULT_SLOW_LINK, 500000 }, { FAULT_SMALL_SEGMENTS, 500000 },
		{ FAULT_SLOW_REPLY, 300000 }, { FAULT_TARPIT, 100000 }, { FAULT_NOT_READING, 100000 },
		{ FAULT_SOFT_NO, 300000 }, { FAULT_HARD_NO, 300000 }, { FAULT_GARBAGE, 200000 },
		{ FAULT_ODD_REPLY, 500000 }, { FAULT_HANG_UP, 200000 }, { FAULT_REPLY_LOST, 300000 },
	};
	uint32_t bits = tape_below(256) | tape_below(256) << 8 | tape_below(256) << 16;

	static_assert(ARRAY_LEN(knobs) <= 24, "a bit for each");
	fault_heal();
	for (size_t i = 0; i < ARRAY_LEN(knobs); i++, bits >>= 1)
		if (bits & 1)
			fault_rates[knobs[i].fault] = knobs[i].rate;
}

/* Few choices: what each parameter does is for other tests. */
static const char *draw_main_cf(void)
{
	static const char *const choices[] = {
		"",
		"smtp_destination_concurrency_limit = 1\nsmtp_connection_cache_destinations = d0.test, d1.test\n",
		"initial_destination_concurrency = 1\nsmtp_destination_recipient_limit = 1\n",
		"smtp_chunk_size_limit = 100\nsmtp_skip_quit_response = no\n",
		"relayhost = [192.0.2.1]\nsmtp_connection_cache_time_limit = 1s\n",
		"smtp_per_request_deadline = no\nsmtp_connection_reuse_count_limit = 1\n",
	};

	return choices[tape_below(ARRAY_LEN(choices))];
}

static void add_servers(unsigned domains)
{
	static const char *const names[DOMAINS_MAX] = { "d0.test", "d1.test" };
	static const char *const hosts[DOMAINS_MAX] = { "mx0.test", "mx1.test" };
	static const char *const addresses[DOMAINS_MAX] = { "192.0.2.1", "192.0.2.2" };

	servers_forget();
	for (unsigned i = 0; i < domains; i++) {
		ASSERT(zone_add(names[i], "MX", i == 0 ? "10 mx0.test" : "10 mx1.test"));
		ASSERT(zone_add(hosts[i], "A", addresses[i]));
		(void)server_add(addresses[i], tape_below(1u << SERVER_KEYWORDS), world_params());
		if (tape_below(2) == 0)
			continue;
		/* The domains are each other's second choice. */
		ASSERT(zone_add(names[i], "MX", i == 0 ? "20 mx1.test" : "20 mx0.test"));
	}
	if (domains < DOMAINS_MAX) {
		ASSERT(zone_add(hosts[1], "A", addresses[1]));
		(void)server_add(addresses[1], tape_below(1u << SERVER_KEYWORDS), world_params());
	}
}

static void offer(struct letter *l, unsigned domains)
{
	unsigned domain[LEDGER_RCPTS];
	const unsigned count = 1 + tape_below(3), of_first = tape_below(count + 1);
	const uint32_t size = (uint32_t)tape_below(4) == 3 ? (uint32_t)tape_range(0, 20000) : tape_below(256);
	uint32_t facts;

	for (unsigned i = 0; i < count; i++)
		domain[i] = i < of_first ? 0 : domains - 1;
	const uint32_t id = ledger_offer(tape_noise(), size, domain, count);
	struct str sender = STR(l->sender), text = STR(l->text);

	ledger_at(id)->state = OFFER_ACCEPTED;
	str_printf(&sender, "s%u@client.test", id);
	str_add_cstr(&text, "Received: by client.test\r\n");
	str_add(&text, ledger_content(ledger_at(id), id));
	l->mail = (struct world_mail){
		.content = world_wire(str_cstr(&text), l->wire, sizeof(l->wire), &facts),
		.window = tape_below(2) == 0 ? 0 : (uint32_t)tape_range(1, 2000),
		.claim_err = tape_below(8) == 7 ? -EIO : 0,
		.body_err = tape_below(8) == 7 ? -EIO : 0,
		.on_rcpt = on_rcpt,
		.on_doubt = on_doubt,
	};
	for (unsigned i = 0; i < count; i++) {
		struct str address = STR(l->addresses[i]);

		ledger_add_address(&address, id, i);
		l->rcpts[i] = (struct rcpt){ .addr = str_slice(&address) };
	}
	l->mail.msg = (struct message){ .facts = facts, .sender = str_slice(&sender), .rcpts = l->rcpts,
					.rcpt_count = count };
	world_offer(&l->mail);
}

/* --- the story ------------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world_conf conf = { .on_log = on_log, .recv_bufs = 4, .files_max = 32, .sessions_max = 4 };

	verbose = getenv("SIM_VERBOSE") != NULL;
	tape_octets(data, size);
	conf.cores = 1 + tape_below(2);
	conf.destinations_max = 4 - tape_below(4);
	conf.main_cf = draw_main_cf();
	const unsigned domains = 1 + tape_below(DOMAINS_MAX), mails = 1 + tape_below(MAILS_MAX);

	draw_faults();
	ASSERT(world_start(&conf) == 0);
	ledger_start(world_params()->maximal_queue_lifetime_ns);
	add_servers(domains);
	for (unsigned i = 0; i < mails; i++) {
		offer(&letters[i], domains);
		if (tape_below(2) == 1)
			(void)world_run(tape_range(0, 10 * NS_PER_SEC), NULL, NULL);	/* not done, but later */
	}
	if (!world_run_finished(6 * DAY_NS))
		ledger_fail("open: somebody has no end after six days");
	(void)ledger_check(false);	/* dies, or is zero: nobody was refused by us */
	if (!world_stop(DAY_NS))
		ledger_fail("stuck: the drain does not end");
	servers_forget();
	return 0;
}
