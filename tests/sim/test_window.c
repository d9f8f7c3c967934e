/* test_window.c - the window of RFC 1047, opened at one exact moment */
#include "net/source/spool_impl.h"
#include "tests/sim/fault.h"
#include "tests/sim/injector.h"
#include "tests/sim/ledger.h"
#include "tests/sim/machine.h"
#include "tests/sim/server.h"
#include "tests/sim/world.h"
#include "tests/test.h"

#define LISTENER	"10.0.0.1"
#define DAY_NS		(86400 * NS_PER_SEC)

static unsigned life, announced, sent;
static struct sim_host *host;

static void on_log(void *context, const char *level, const char *program, struct slice text)
{
	(void)context;
	(void)level;
	(void)program;
	announced += memmem(text.ptr, text.len, "may be delivered twice", 22) != NULL;
	sent += memmem(text.ptr, text.len, "status=sent", 11) != NULL;
	ledger_log(life, text);
}

static bool is_from_server(const struct machine_core *c, const struct flight *f)
{
	const struct sim_conn *conn = f->kind == FLIGHT_RECV ? c->files[f->file].conn : NULL;

	return conn != NULL && sim_host_of(conn) == host;
}

/* The server has committed, and its 250 is in the completion queue of a core that has not looked yet. */
static bool reply_waits(void *context)
{
	(void)context;
	for (unsigned i = 0; server_commits() == 1 && i < machine_core_count; i++)
		for (unsigned k = 0; k < machine_cores[i].ready_count; k++)
			if (is_from_server(&machine_cores[i], machine_cores[i].ready[k]))
				return true;
	return false;
}

static bool is_over(void *context)
{
	(void)context;
	return world_state() == WORLD_UP && injectors_are_done() && world_spool_usage().messages == 0;
}

static void start(unsigned cores, uint64_t seed, unsigned keywords)
{
	const struct world_conf conf = {
		.spool = true, .cores = cores, .destinations_max = 16, .on_log = on_log,
		.main_cf = "inject_smtp_listen = " LISTENER ":25\nmynetworks = 10.0.0.0/8\n"
			   "journal_segment_size = 1048576\njournal_memory = 4194304\n"
			   "session_limit = 20\nqueue_message_limit = 100\ninject_connection_limit = 20\n",
	};
	const struct injectors_conf injectors = {
		.listener = LISTENER, .messages = 1, .domains = 1, .rcpts_max = 1, .size_max = 600, .clients = 1,
	};

	life = announced = sent = 0;
	tape_record(seed);
	fault_heal();
	assert_int_equal(world_start(&conf), 0);
	ledger_start(world_params()->maximal_queue_lifetime_ns);
	servers_forget();
	assert_true(zone_add("d0.test", "A", "192.0.2.1"));
	host = server_add("192.0.2.1", keywords, world_params());
	injectors_start(&injectors);
}

static void crash_before_the_reply_is_seen(unsigned cores, uint64_t seed, unsigned keywords, bool power)
{
	start(cores, seed, keywords);
	assert_true(world_run(60 * NS_PER_SEC, reply_waits, NULL));
	assert_int_equal(sent, 0);
	world_die(power);
	life++;
	world_revive();
	assert_true(world_run(DAY_NS, is_over, NULL));
	/* Counted once, said once, and delivered once more. */
	assert_int_equal(announced, 1);
	assert_int_equal(metric_read(&spool_metric_ambiguous), 1);
	assert_int_equal(server_commits(), 2);
	assert_int_equal(sent, 1);
	assert_int_equal(ledger_check(false), 0);
	assert_true(world_stop(DAY_NS));
	servers_forget();
}

/* A process each: what a killed engine held goes with it, as it does in earnest. */
static void in_a_process_of_its_own(unsigned cores, uint64_t seed, unsigned keywords)
{
	int status = 0;
	const pid_t child = fork();

	if (child == 0) {
		crash_before_the_reply_is_seen(cores, seed, keywords, seed % 2 == 0);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* WIN-03 */
static void a_reply_nobody_has_seen_is_no_reply(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 2; seed++)
		for (unsigned cores = 1; cores <= 2; cores++)
			for (unsigned keywords = 0; keywords < 1u << SERVER_KEYWORDS; keywords++)
				in_a_process_of_its_own(cores, seed, keywords);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the engine dies with the 250 in its completion queue: delivered twice, said and counted (WIN-03)",
		      a_reply_nobody_has_seen_is_no_reply),
	};

	return cmocka_run_group_tests_name("sim/window", claims, NULL, NULL);
}
