/* test_sweep_spool.c - every operation of spool, listener and recovery fails, once and from then on (section 4f)
 *
 * Injectors bring mail all the while and go on until enough is accepted. When the fault has gone, what was
 * accepted arrives, and nothing else does but what the injector does not know about: the ledger is that of the storms.
 *
 * An engine that cannot open its spool ends, as ringpostd does, and is started again once the fault has gone. Any other
 * has to get on by itself.
 *
 *	build/tests/test_sim_sweep_spool [--all]	without --all a share of them, for a run takes 3 ms
 */
#include <errno.h>
#include <stdio.h>

#include "tests/sim/disk.h"
#include "tests/sim/fault.h"
#include "tests/sim/injector.h"
#include "tests/sim/ledger.h"
#include "tests/sim/server.h"
#include "tests/sim/sweep.h"
#include "tests/sim/world.h"
#include "tests/test.h"

#define LISTENER	"10.0.0.1"
#define FAULTY_NS	(120 * NS_PER_SEC)
#define HEALED_NS	(6 * 3600 * NS_PER_SEC)
#define DAY_NS		(86400 * NS_PER_SEC)
#define TURNS_MAX	200000u		/* of a core while the fault lasts: more is a loop that waits for nothing */

#if defined(TEST_ASAN)
static unsigned stride = 12;
#else
static unsigned stride = 2;
#endif

enum restart { RESTART_NONE, RESTART_KILLED, RESTART_POWER };

struct scenario {
	const char *name;
	const char *main_cf;
	unsigned cores;			/* 0: 1 */
	unsigned messages;		/* 0: 1 */
	unsigned rcpts_max;		/* 0: 1 */
	unsigned domains;		/* 0: 1 */
	uint32_t size_max;		/* 0: small */
	unsigned clients;		/* 0: 1 */
	unsigned keywords;		/* of the servers */
	enum fault habit;		/* what servers do each time, until they heal */
	bool has_habit;
	enum restart restart;		/* once all is accepted: the fault waits for the second life */
};

static const struct scenario scenarios[] = {
	/* the spool */
	{ .name = "one message" },
	{ .name = "recipients of two domains", .rcpts_max = 4, .domains = 2, .keywords = 1 },
	{ .name = "a large message", .size_max = 60000 },
	{ .name = "messages that share a batch", .messages = 4, .clients = 4, .keywords = 15 },
	{ .name = "messages that are deferred", .messages = 2, .rcpts_max = 2, .has_habit = true,
	  .habit = FAULT_SOFT_NO },
	{ .name = "messages that are refused", .messages = 2, .has_habit = true, .habit = FAULT_HARD_NO },
	{ .name = "replies that are lost", .messages = 2, .has_habit = true, .habit = FAULT_REPLY_LOST },
	{ .name = "two cores", .cores = 2, .messages = 2, .clients = 2, .domains = 2 },
	{ .name = "recovery of a killed engine", .messages = 2, .rcpts_max = 2, .restart = RESTART_KILLED,
	  .has_habit = true, .habit = FAULT_REFUSE },
	{ .name = "recovery after a power cut", .messages = 2, .restart = RESTART_POWER, .has_habit = true,
	  .habit = FAULT_REFUSE },
	{ .name = "recovery of two cores", .cores = 2, .messages = 2, .clients = 2, .domains = 2,
	  .restart = RESTART_KILLED, .has_habit = true, .habit = FAULT_REFUSE },
	/* the listener */
	{ .name = "clients that leave in the middle", .messages = 2, .clients = 2, .has_habit = true,
	  .habit = FAULT_INJECTOR_LEAVES },
	{ .name = "clients octet by octet", .has_habit = true, .habit = FAULT_SMALL_SEGMENTS },
	{ .name = "a crowd of clients", .messages = 6, .clients = 6 },
	{ .name = "one connection at a time", .messages = 2, .clients = 2, .main_cf = "inject_connection_limit = 1\n" },
	{ .name = "receives that end after each piece", .has_habit = true, .habit = FAULT_RECEIVE_ENDS },
};

static const struct sweep_list lists[] = {
	{ FLIGHT_ACCEPT, { -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -ECONNABORTED, -EPERM } },
	{ FLIGHT_OPEN, { -EMFILE, -EACCES, -ENOSPC, -EIO } },
	{ FLIGHT_READ, { -EIO, -ENOMEM, FAULT_IS_SHORT, FAULT_IS_ALMOST } },
	{ FLIGHT_WRITE, { -ENOSPC, -EIO, -EROFS, -EINTR, FAULT_IS_SHORT, FAULT_IS_ALMOST } },
	{ FLIGHT_FDATASYNC, { -ENOSPC, -EIO, FAULT_IS_LOST } },
	{ FLIGHT_FSYNC, { -ENOSPC, -EIO, FAULT_IS_LOST } },
	{ FLIGHT_FALLOCATE, { -ENOSPC, -EIO, -EINTR, -EFBIG, -EOPNOTSUPP } },
	{ FLIGHT_RENAME, { -ENOSPC, -EIO, -EACCES } },
	{ FLIGHT_UNLINK, { -EIO, -EACCES } },
	{ FLIGHT_SEND, { -ECONNRESET, FAULT_IS_SHORT } },
	{ FLIGHT_RECV, { -ECONNRESET, -ENOBUFS, FAULT_IS_END } },
};

static unsigned life;
static bool synced_badly;

/* What a recovery cannot read it sets aside and says so; that is a test of its own (row SPL-04). */
static int strike(enum flight_kind kind)
{
	const int result = kind == FLIGHT_READ && disk_spares_reads ? 0 : sweep_strike(kind);

	synced_badly |= result != 0 && (kind == FLIGHT_WRITE || kind == FLIGHT_FDATASYNC || kind == FLIGHT_FSYNC);
	return result;
}

static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	(void)context;
	if (getenv("SIM_VERBOSE") != NULL)
		print_message("%10.3f %u %s/%s %.*s\n", (double)sim_now() / 1e9, life, program, level,
			      SLICE_FMT(text));
	ledger_log(life, text);
}

static void die_and_revive(bool power)
{
	world_die(power);
	life++;
	world_revive();
}

static bool is_over(void *context)
{
	(void)context;
	return world_state() == WORLD_FAILED || (world_state() == WORLD_UP && injectors_are_done() &&
						  ledger_is_settled() && world_spool_usage().messages == 0);
}

static bool all_accepted(void *context)
{
	(void)context;
	return injectors_are_done();
}

static uint64_t most_turns(void)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < machine_core_count; i++)
		most = MAX(most, machine_cores[i].reactor.turns);
	return most;
}

static void start(const struct scenario *s)
{
	const struct injectors_conf injectors = {
		.listener = LISTENER, .messages = MAX(s->messages, 1u), .domains = MAX(s->domains, 1u),
		.rcpts_max = MAX(s->rcpts_max, 1u), .size_max = MAX(s->size_max, 300u), .clients = MAX(s->clients, 1u),
		.pause_ns = NS_PER_SEC,
	};
	char text[1024];
	struct world_conf conf = { .spool = true, .cores = s->cores, .destinations_max = 16, .on_log = on_log,
				   .main_cf = text };

	(void)snprintf(text, sizeof(text), "inject_smtp_listen = " LISTENER ":25\nmynetworks = 10.0.0.0/8\n"
		       "journal_segment_size = 1048576\njournal_memory = 4194304\nqueue_run_delay = 5s\n"
		       "minimal_backoff_time = 10s\nmaximal_backoff_time = 60s\nsession_limit = 20\n"
		       "queue_message_limit = 100\ninject_connection_limit = 20\n%s", s->main_cf != NULL ? s->main_cf : "");	/* fits */
	tape_record(1);
	fault_heal();
	fault_seen = 0;
	assert_int_equal(world_start(&conf), 0);
	ledger_start(world_params()->maximal_queue_lifetime_ns);
	servers_forget();
	for (unsigned i = 0; i < injectors.domains; i++) {
		char domain[32], address[32];

		(void)snprintf(domain, sizeof(domain), "d%u.test", i);		/* both fit */
		(void)snprintf(address, sizeof(address), "192.0.2.%u", i + 1);
		assert_true(zone_add(domain, "A", address));
		(void)server_add(address, s->keywords, world_params());
	}
	if (s->has_habit)
		fault_rates[s->habit] = s->habit == FAULT_INJECTOR_LEAVES ? 300000 : 1000000;
	injectors_start(&injectors);
}

static void end(const struct scenario *s)
{
	sweep.asleep = true;
	fault_heal();
	disk_space = 0;
	if (!world_run(HEALED_NS, is_over, NULL))
		fail_msg("%s: does not get on", s->name);
	if (world_state() == WORLD_FAILED) {
		die_and_revive(false);
		assert_true(world_run(HEALED_NS, is_over, NULL));
	}
	assert_int_equal(world_state(), WORLD_UP);
	assert_int_equal(world_spool_usage().messages, 0);
	assert_int_equal(world_spool_usage().damaged, 0);
	(void)ledger_check(life > 0 && synced_badly);
	assert_true(world_stop(DAY_NS));
	servers_forget();
}

static void run(const void *scenario)
{
	const struct scenario *s = scenario;
	uint64_t turns;

	life = 0;
	synced_badly = false;
	sweep.asleep = s->restart != RESTART_NONE;
	start(s);
	machine_fault = strike;
	if (s->restart != RESTART_NONE) {
		assert_true(world_run(600 * NS_PER_SEC, all_accepted, NULL));
		sweep.asleep = false;
		die_and_revive(s->restart == RESTART_POWER);
	}
	turns = most_turns();
	(void)world_run(FAULTY_NS, is_over, NULL);
	if (most_turns() - turns > TURNS_MAX)
		fail_msg("%s: %llu turns in two minutes", s->name, (unsigned long long)(most_turns() - turns));
	end(s);
	machine_fault = NULL;
}

static void every_operation_fails(void **state)
{
	unsigned runs = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
		runs += sweep_all(lists, ARRAY_LEN(lists), stride, run, &scenarios[i]);
	print_message("%zu scenarios, %u runs\n", ARRAY_LEN(scenarios), runs);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--all") == 0)
		stride = 1;
	const struct CMUnitTest claims[] = {
		CLAIM("whatever operation of spool and listener fails, once or for ever, what was accepted arrives (section 4f)",
		      every_operation_fails),
	};

	return cmocka_run_group_tests_name("sim/sweep_spool", claims, NULL, NULL);
}
