#include "tests/sim/storm.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/sim/content.h"
#include "tests/sim/crook.h"
#include "tests/sim/disk.h"
#include "tests/sim/fault.h"
#include "tests/sim/injector.h"
#include "tests/sim/ledger.h"
#include "tests/sim/server.h"
#include "tests/sim/world.h"

#define LISTENER	"10.0.0.1"
#define DOMAINS_MAX	6u
#define DAY_NS		(86400 * NS_PER_SEC)
#define LIVENESS_NS	(6 * DAY_NS)
#define FAILED_SYNCS	(UINT64_C(1) << FAULT_SYNC_ERROR | UINT64_C(1) << FAULT_WRITE_ERROR)
#define SUSPENDS_MAX	3u
#define CHANGES_ONE_IN	4u	/* seeds: content is changed on its way */
#define AUTH_ONE_IN	4u	/* storms in which the client has credentials; crooks ask for them */
#define LARGE_ONE_IN	12u	/* seeds: as large as section 4b of the hostile-world reference wants them */
#define SAFETY_NS	(2 * 3600 * NS_PER_SEC)

static struct {
	unsigned life;
	unsigned suspends;
	uint64_t announced;
	bool healed;
	bool verbose;
	struct sim_alarm trouble;	/* the next crash, or look at whether it runs at all */
	struct sim_alarm relief;	/* the disk has room again */
} storm;

/* --- what is drawn ------------------------------------------------------------------------------- */

/* Half of them never strike. */
static void draw(enum fault f, uint32_t most)
{
	fault_rates[f] = tape_below(2) == 0 ? 0 : (uint32_t)tape_range(0, most);
}

static void draw_faults(void)
{
	static const struct { enum fault fault; uint32_t most; } knobs[] = {
		{ FAULT_SHORT_SEND, 200000 }, { FAULT_RECEIVE_ENDS, 200000 }, { FAULT_NO_BUFFER, 100000 },
		{ FAULT_LATE_CORE, 20000 }, { FAULT_LATE_RESULT, 100000 }, { FAULT_NO_FILES, 20000 },
		{ FAULT_COPIED, 1000000 }, { FAULT_READ_ERROR, 20000 }, { FAULT_WRITE_ERROR, 20000 },
		{ FAULT_SYNC_ERROR, 20000 }, { FAULT_SHORT_IO, 100000 }, { FAULT_SLOW_DISK, 20000 },
		{ FAULT_DNS_TROUBLE, 300000 }, { FAULT_REFUSE, 300000 }, { FAULT_BLACKHOLE, 100000 },
		{ FAULT_CUT_FINISH, 100000 }, { FAULT_CUT_RESET, 100000 }, { FAULT_CUT_SILENCE, 50000 },
		{ FAULT_SLOW_LINK, 300000 }, { FAULT_SMALL_SEGMENTS, 300000 }, { FAULT_SLOW_REPLY, 200000 },
		{ FAULT_TARPIT, 20000 }, { FAULT_NOT_READING, 5000 }, { FAULT_SOFT_NO, 100000 },
		{ FAULT_HARD_NO, 50000 }, { FAULT_GARBAGE, 20000 }, { FAULT_HANG_UP, 50000 },
		{ FAULT_REPLY_LOST, 100000 }, { FAULT_INJECTOR_LEAVES, 50000 }, { FAULT_ODD_REPLY, 100000 },
		{ FAULT_KILL, 1000000 }, { FAULT_POWER_CUT, 1000000 }, { FAULT_DISK_FULL, 300000 },
		{ FAULT_CLOCK_STEP, 200000 }, { FAULT_SUSPEND, 100000 }, { FAULT_CROOK, 1000000 },
	};

	for (size_t i = 0; i < ARRAY_LEN(knobs); i++)
		draw(knobs[i].fault, knobs[i].most);
}

enum way { WAY_MX, WAY_RELAYHOST, WAY_LMTP };

static const char *draw_main_cf(enum way way)
{
	static char text[2048];
	const char *kind = way == WAY_LMTP ? "lmtp" : "smtp";
	struct str out = STR(text);

	str_add_cstr(&out, "inject_smtp_listen = " LISTENER ":25\nmynetworks = 10.0.0.0/8\n"
		     "journal_segment_size = 1048576\njournal_memory = 4194304\n");
	str_printf(&out, "%s_address_preference = any\n", kind);
	str_printf(&out, "minimal_backoff_time = %us\n", (unsigned)tape_range(10, 300));
	str_printf(&out, "maximal_backoff_time = %us\n", (unsigned)tape_range(300, 2000));
	str_printf(&out, "queue_run_delay = %us\n", (unsigned)tape_range(5, 60));
	str_printf(&out, "queue_message_limit = %u\n", (unsigned)tape_range(500, 2000));
	str_printf(&out, "session_limit = %u\n", (unsigned)(tape_below(2) == 0 ? 100 : tape_range(2, 16)));
	str_printf(&out, "inject_connection_limit = %u\n", (unsigned)tape_range(20, 100));
	str_printf(&out, "%s_destination_concurrency_limit = %u\n", kind, (unsigned)tape_range(1, 20));
	str_printf(&out, "%s_destination_recipient_limit = %u\n", kind, (unsigned)tape_range(1, 50));
	str_printf(&out, "%s_connect_timeout = %us\n", kind, (unsigned)tape_range(5, 30));
	str_printf(&out, "%s_data_done_timeout = %us\n", kind, (unsigned)tape_range(30, 600));
	str_printf(&out, "%s_connection_cache_time_limit = %us\n", kind, (unsigned)tape_range(1, 10));
	str_printf(&out, "content_memory = %u\n", (unsigned)MIB(tape_below(2) == 0 ? 1 : 32));
	str_printf(&out, "zero_copy_threshold = %u\n", (unsigned)(tape_below(2) == 0 ? 0 : tape_range(1, 5000)));
	content_add_conf(&out, kind);
	if (tape_below(AUTH_ONE_IN) == AUTH_ONE_IN - 1)
		str_printf(&out, "%s_sasl_auth_enable = yes\n%s_sasl_security_options =\n"
			   "%s_sasl_password_maps = static:user:secret\n", kind, kind, kind);
	if (way == WAY_RELAYHOST)
		str_add_cstr(&out, "relayhost = [192.0.2.1]\n");
	if (way == WAY_LMTP)
		str_add_cstr(&out, "default_transport = lmtp:inet:192.0.2.1:24\n");
	return str_cstr(&out);
}

static void draw_changes(void)
{
	const bool any = tape_below(CHANGES_ONE_IN) == CHANGES_ONE_IN - 1;

	content_set(any ? tape_below(CONTENT_CHANGES) : 0, any && tape_below(4) == 3 ? 100 : 998);
}

/* Who goes to this server's domain goes to many more, if it is the relay host or a mailbox server. */
static void add_crook(const char *address, enum way way, unsigned domain)
{
	bool refuses;

	crook_add(address, way == WAY_LMTP, &refuses);
	for (unsigned i = 0; refuses && i < DOMAINS_MAX; i++)
		if (way != WAY_MX || i == domain)
			ledger_domain_refuses(i);
}

/* One in four is not honest. */
static void add_server(const char *address, enum way way, unsigned domain)
{
	if (tape_below(4) == 3)
		add_crook(address, way, domain);
	else if (way == WAY_LMTP)
		(void)server_add_lmtp(address, tape_below(1u << SERVER_KEYWORDS), world_params());
	else
		(void)server_add(address, tape_below(1u << SERVER_KEYWORDS), world_params());
}

static void add_servers(enum way way, unsigned domains)
{
	if (way == WAY_LMTP) {
		add_server("192.0.2.1", way, 0);
		return;
	}
	for (unsigned i = 0; i < domains; i++) {
		char domain[32], host[32], address[32], mx[48];

		(void)snprintf(domain, sizeof(domain), "d%u.test", i);		/* all of them fit */
		(void)snprintf(host, sizeof(host), "mx%u.test", i);
		(void)snprintf(address, sizeof(address), "192.0.2.%u", i + 1);
		(void)snprintf(mx, sizeof(mx), "10 %s", host);
		ASSERT(zone_add(domain, "MX", mx) && zone_add(host, "A", address));
		add_server(address, way, i);
		if (tape_below(3) != 2)
			continue;
		/* A second address, and with it a next host. */
		(void)snprintf(address, sizeof(address), "192.0.2.%u", i + 101);
		ASSERT(zone_add(host, "A", address));
		add_server(address, way, i);
	}
}

/* --- what is seen -------------------------------------------------------------------------------- */

static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	(void)context;
	if (storm.verbose)
		(void)fprintf(stderr, "%12.6f %u %s/%s: %.*s\n", (double)sim_now() / 1e9, storm.life, program, level,
			      SLICE_FMT(text));
	storm.announced += memmem(text.ptr, text.len, "may be delivered twice", 22) != NULL;
	ledger_log(storm.life, text);
}

/* --- crashes ------------------------------------------------------------------------------------- */

static void look_again_in(uint64_t ns)
{
	sim_alarm_in(&storm.trouble, ns);
}

static void say_event(const char *what)
{
	if (storm.verbose)
		(void)fprintf(stderr, "%12.6f %u %s\n", (double)sim_now() / 1e9, storm.life, what);
}

static void die(bool power)
{
	say_event(power ? "power cut" : "killed");
	fault_note(power ? FAULT_POWER_CUT : FAULT_KILL);
	world_die(power);
	look_again_in(storm.healed ? NS_PER_SEC : tape_range(NS_PER_SEC, tape_below(4) == 3 ? 3600 * NS_PER_SEC :
									       10 * NS_PER_SEC));
}

static void on_relief(struct sim_alarm *alarm)
{
	(void)alarm;
	disk_space = 0;
}

static void on_trouble(struct sim_alarm *alarm)
{
	(void)alarm;
	if (world_state() == WORLD_DEAD) {
		storm.life++;
		say_event("starts");
		world_revive();
		look_again_in(tape_range(NS_PER_MS, tape_below(2) == 0 ? 2 * NS_PER_SEC : 600 * NS_PER_SEC));
		return;
	}
	if (world_state() == WORLD_FAILED) {
		die(false);
		return;
	}
	if (fault_strikes(FAULT_CLOCK_STEP))
		world_step_wall((int64_t)tape_range(0, 4 * 3600 * NS_PER_SEC) - (int64_t)(2 * 3600 * NS_PER_SEC));
	if (storm.suspends < SUSPENDS_MAX && fault_strikes(FAULT_SUSPEND)) {
		storm.suspends++;
		world_suspend(tape_range(NS_PER_SEC, 8 * 3600 * NS_PER_SEC));
	}
	if (fault_strikes(FAULT_DISK_FULL)) {
		disk_space = 1;
		sim_alarm_in(&storm.relief, tape_range(NS_PER_SEC, 300 * NS_PER_SEC));
	}
	if (tape_chance(fault_rates[FAULT_POWER_CUT] / 2))
		die(true);
	else if (tape_chance(fault_rates[FAULT_KILL] / 2))
		die(false);
	else
		look_again_in(tape_range(NS_PER_MS, tape_below(2) == 0 ? 5 * NS_PER_SEC : 900 * NS_PER_SEC));
}

/* --- the phases ---------------------------------------------------------------------------------- */

static bool is_over(void *context)
{
	(void)context;
	return world_state() == WORLD_UP && injectors_are_done() && ledger_is_settled() &&
	       world_spool_usage().messages == 0;
}

static bool is_injected(void *context)
{
	(void)context;
	return injectors_are_done();
}

static void heal(void)
{
	say_event("heals");
	storm.healed = true;
	fault_heal();
	crooks_heal();
	disk_space = 0;
	injectors_stop();
}

/* With a relay host all of them meet the first domain's servers. */
static enum way draw_way(void)
{
	static const enum way ways[] = {
		WAY_MX, WAY_MX, WAY_MX, WAY_MX, WAY_MX, WAY_LMTP, WAY_RELAYHOST, WAY_RELAYHOST,
	};

	return ways[tape_below(ARRAY_LEN(ways))];
}

static unsigned draw_messages(void)
{
	return (unsigned)(tape_below(LARGE_ONE_IN) == LARGE_ONE_IN - 1 ? tape_range(40, 400) : tape_range(10, 60));
}

static void check_left_over(void)
{
	const struct spool_usage u = world_spool_usage();

	if (u.messages > 0 || u.recipients_open > 0)
		ledger_fail("open: %zu messages and %zu recipients are in the spool for ever", u.messages,
			    u.recipients_open);
	if (u.damaged > 0)
		ledger_fail("damaged: %zu messages were kept aside", u.damaged);
}

void storm_run(struct storm_figures *ret_figures)
{
	struct world_conf conf = { .spool = true, .on_log = on_log };
	const unsigned domains = (unsigned)tape_range(1, DOMAINS_MAX);
	const enum way way = draw_way();

	storm.verbose = getenv("SIM_VERBOSE") != NULL;
	storm.trouble.fn = on_trouble;
	storm.relief.fn = on_relief;
	conf.cores = (unsigned)tape_range(1, WORLD_CORES);
	conf.recv_bufs = 4u << tape_below(5);
	conf.files_max = tape_below(4) == 3 ? 48 : 512;
	draw_changes();
	conf.main_cf = draw_main_cf(way);
	draw_faults();
	const struct injectors_conf injectors = {
		.listener = LISTENER, .messages = draw_messages(), .domains = domains,
		.rcpts_max = (unsigned)tape_range(1, LEDGER_RCPTS), .size_max = (uint32_t)tape_range(600, 60000),
		.clients = (unsigned)tape_range(1, 4), .pause_ns = tape_range(0, 20 * NS_PER_SEC),
	};

	if (world_start(&conf) != 0)
		ledger_fail("the configuration has errors:\n%s", conf.main_cf);
	ledger_start(world_params()->maximal_queue_lifetime_ns);
	servers_forget();
	crooks_forget();
	add_servers(way, domains);
	content_add_servers();
	injectors_start(&injectors);
	look_again_in(tape_range(NS_PER_MS, 5 * NS_PER_SEC));
	(void)world_run(SAFETY_NS, is_injected, NULL);
	heal();
	if (!world_run(LIVENESS_NS, is_over, NULL))
		check_left_over();
	ret_figures->uninvited = ledger_check(storm.life > 0 && (fault_seen & FAILED_SYNCS) != 0);
	crooks_check();
	sim_alarm_cancel(&storm.trouble);
	ret_figures->virtual_ns = sim_now();
	if (!world_stop(DAY_NS))
		ledger_fail("stuck: the drain does not end");
	ret_figures->messages = injectors_accepted();
	ret_figures->commits = server_commits() + crook_commits();
	ret_figures->announced = storm.announced;
	ret_figures->lives = storm.life + 1;
	ret_figures->faults = fault_seen;
	ret_figures->trace = tape_trace_hash();
}
