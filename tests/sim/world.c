#include "tests/sim/world.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/metric.h"
#include "crypto/auth.h"
#include "crypto/library.h"
#include "net/lookup/mx.h"
#include "net/lookup/table_net.h"
#include "net/smtp/session_auth.h"
#include "tests/sim/disk.h"
#include "tests/sim/log.h"
#include "tests/sim/mail.h"
#include "tests/sim/world_impl.h"

#define WALL_DEFAULT_NS	(UINT64_C(1795435200) * NS_PER_SEC)	/* 2026-11-23 12:00:00 UTC */
#define RECV_BUFS	64u
#define FILES_MAX	512u
#define JOBS_MAX	4096u

struct world world;

static const char *const level_words[LOG_LEVEL_COUNT] = { "panic", "fatal", "error", "warning", "info", "debug" };

const struct params *world_params(void)
{
	return &world.params;
}

uint64_t world_wall(void)
{
	return clock_wall_ns();
}

void world_step_wall(int64_t by_ns)
{
	world.wall_offset_ns += (uint64_t)by_ns;
	machine_step_wall(by_ns);
}

void world_suspend(uint64_t ns)
{
	world.wall_offset_ns += ns;
	machine_suspend(ns);
}

/* --- configuration ------------------------------------------------------------------------------ */

static void on_line(void *context, enum log_level level, struct slice program, struct slice text)
{
	char name[64];
	struct str out = STR(name);

	(void)context;
	str_add(&out, program);
	if (world.conf.on_log != NULL)
		world.conf.on_log(world.conf.context, level_words[level], str_cstr(&out), text);
}

static void on_config_line(const char *line, void *context)
{
	(void)context;
	if (world.conf.on_log != NULL)
		world.conf.on_log(world.conf.context, "error", "config", slice_of_str(line));
}

static unsigned load_params(void)
{
	const char *main_cf = world.conf.main_cf != NULL ? world.conf.main_cf : "";

	params_system_init(&world.system, "ringpostd", NULL);
	(void)snprintf(world.system.host, sizeof(world.system.host), "client.test");	/* fits */
	world.text = params_conf_new(&world.system);
	table_net_register();
	world.tables = table_set_new();
	ASSERT(world.text != NULL && world.tables != NULL);
	conf_read_text(world.text, "main.cf", slice_of_str(main_cf));
	(void)params_load(&world.params, world.text);	/* errors are counted below */
	if (params_wants_lmtp(&world.params))
		(void)params_load_lmtp(&world.params, world.text);
	(void)params_open_tables(&world.params, world.text, world.tables, on_config_line, NULL);
	conf_errors(world.text, on_config_line, NULL);
	return conf_error_count(world.text);
}

static void add_own(const struct addr *addr)
{
	ASSERT(world.own_count < WORLD_OWN_MAX);
	world.own[world.own_count++] = *addr;
}

static void load_own(void)
{
	struct slice rest = slice_of_str(world.conf.own != NULL ? world.conf.own : ""), item;
	const struct param_interfaces *interfaces = &world.params.inet_interfaces;
	const struct param_nets *proxies = &world.params.proxy_interfaces;
	struct addr addr;

	world.own_count = 0;
	while ((item = conf_list_next(&rest)).len > 0) {
		ASSERT(addr_parse_ip(item, 0, &addr) == 0);
		add_own(&addr);
	}
	for (unsigned i = 0; i < interfaces->count; i++)
		add_own(&interfaces->list[i]);
	for (unsigned i = 0; i < proxies->count; i++)
		add_own(&proxies->list[i].base);
	for (unsigned i = 0; i < world.params.known_tcp_ports.count; i++)
		(void)services_add(&world.services, world.params.known_tcp_ports.list[i].name,
				   world.params.known_tcp_ports.list[i].port);	/* params have checked them */
	ASSERT(hosts_init(&world.hosts, slice_of_str(world.conf.hosts != NULL ? world.conf.hosts : "")) == 0);
}

/* --- one core ------------------------------------------------------------------------------------ */

static void warn(void *context, const char *text)
{
	(void)context;
	log_line(LOG_LEVEL_WARNING, "smtp", "%s", text);
}

static struct tls_room rooms[CORE_COUNT_MAX];

static void start_tls(struct delivery_conf *conf)
{
	const struct tls_context_conf tls = { .ca_file = world.conf.tls_ca, .now_ns = clock_wall_ns() };
	char text[256];
	struct str why = STR(text);

	if (world.conf.tls_ca == NULL)
		return;
	conf->tls_room = &rooms[conf->core];
	ASSERT(crypto_library_start() == 0);
	ASSERT(tls_room_init(conf->tls_room, conf->sessions_max) == 0);
	ASSERT(tls_context_new(&tls, &why, &conf->tls) == 0);
}

static void report(void *context, struct slice peer, const struct transcript *t)
{
	char storage[TRANSCRIPT_MAX];
	struct str text = STR(storage);

	(void)context;
	transcript_add_to(&text, t);
	world.conf.on_report(world.conf.context, peer, str_slice(&text));
}

/* Nobody counts here; scripts read it in the log. */
static void on_tls_event(void *context, struct tls_event *e)
{
	(void)context;
	log_line(LOG_LEVEL_INFO, "smtp", "TLS event: %s %s %s mx=%s[%s] helo=%s policy=%s/%s/%s %s", e->domain,
		 tlsrpt_policy_type_word(e->policy_type),
		 e->result == TLSRPT_SUCCESS ? "success" : tlsrpt_result_word(e->result), e->mx, e->receiving_ip, e->helo,
		 e->policy_domain, e->strings, e->patterns, e->reason);
	tls_event_back(&e->note);
}

static void start_delivery(struct part *p)
{
	const struct params *params = &world.params;
	const struct resolver_conf resolver = { .timeout_ms = (unsigned)(params->dns_timeout_ns / NS_PER_MS) };

	ASSERT(resolver_new(&resolver, &p->resolver) == 0);
	p->tables = table_net_new(world.tables);
	ASSERT(p->tables != NULL);
	struct delivery_conf conf = {
		.core = p->core,
		.cores = world.cores,
		.params = params,
		.source = world.conf.spool ? &spool_source : &mail_source,
		.services = &world.services,
		.tables = p->tables,
		.mx = mx_conf_from_params(params),
		.sessions_max = world.conf.sessions_max != 0 ? world.conf.sessions_max :
							       MAX(params->session_limit / world.cores, 1u),
		.destinations_max = world.conf.destinations_max,
		.jobs_max = world.jobs_max,
		.report = world.conf.on_report != NULL ? report : NULL,
		.tls_event = on_tls_event,
	};

	conf.mx.resolver = p->resolver;
	conf.mx.hosts = &world.hosts;
	conf.mx.own = world.own;
	conf.mx.own_count = world.own_count;
	conf.mx.warn = warn;
	start_tls(&conf);
	ASSERT(!params->smtp_sasl_auth_enable || auth_library_start(session_auth_by_name(params)) == 0);
	p->delivery = delivery_new(&conf);
	ASSERT(p->delivery != NULL);
}

static void start_core(void *context)
{
	struct part *p = context;
	const struct io_conf io = {
		.core = p->core,
		.files_max = world.conf.files_max != 0 ? world.conf.files_max : FILES_MAX,
		.recv_bufs = world.conf.recv_bufs != 0 ? world.conf.recv_bufs : RECV_BUFS,
		.arena_size = (world.conf.spool ? spool_arena_size(&p->spool_conf) : 0) +
			      delivery_arena_size(&world.params),
	};

	ASSERT(reactor_open(&machine_cores[p->core].reactor, &io) == 0);
	start_delivery(p);
	if (world.conf.spool)
		world_spool_start(p);
}

static void start_log(void)
{
	static bool started;
	const struct log_conf log = { .tag = "ringpost", .facility = "mail", .hostname = "client" };

	log_set_sink(on_line, NULL);
	maillog_start(params_client_name(&world.params), world.params.delay_logging_resolution_limit,
		      world.params.info_log_address_format == LOG_ADDRESS_INTERNAL);
	if (started)
		return;
	started = true;
	ASSERT(log_start(&log) == 0 && log_thread_open() == 0);
}

unsigned world_start(const struct world_conf *conf)
{
	unsigned errors;

	memset(&world, 0, sizeof(world));
	world.conf = *conf;
	world.cores = conf->cores != 0 ? conf->cores : 1;
	ASSERT(world.cores <= WORLD_CORES);
	errors = load_params();
	if (errors > 0)
		return errors;
	load_own();
	start_log();
	mail_start();
	if (conf->spool)
		ASSERT(disk_mkdir(WORLD_SPOOL) == 0);
	world.wall_offset_ns = (conf->wall_ns != 0 ? conf->wall_ns : WALL_DEFAULT_NS) - sim_now();
	world_boot();
	return 0;
}

void world_boot(void)
{
	metric_forget();
	world.state = WORLD_STARTING;
	disk_spares_reads = true;
	world.recovered = 0;
	world.jobs_max = 0;
	machine_start(world.cores, sim_now() + world.wall_offset_ns);
	for (unsigned i = 0; i < world.cores; i++) {
		world.parts[i] = (struct part){ .core = i };
		spool_conf_from_params(&world.params, i, world.cores, &world.parts[i].spool_conf);
		world.parts[i].spool_conf.dir = WORLD_SPOOL;
		world.jobs_max += world.conf.spool ? spool_jobs_max(&world.parts[i].spool_conf) : JOBS_MAX;
	}
	delivery_start(&world.params, world.cores);
	for (unsigned i = 0; i < world.cores; i++)
		machine_on_core(i, start_core, &world.parts[i]);
	for (unsigned i = 0; i < world.cores; i++)
		machine_core_ready(i);
}

/* --- the end ------------------------------------------------------------------------------------- */

static void on_drained(struct delivery *d, void *context)
{
	struct part *p = context;

	ASSERT(d == p->delivery);
	table_net_close(p->tables);
	p->drained = true;
}

static void drain_core(void *context)
{
	struct part *p = context;

	delivery_drain(p->delivery, on_drained, p);
}

static bool all_drained(void *context)
{
	(void)context;
	for (unsigned i = 0; i < world.cores; i++)
		if (!world.parts[i].drained || !table_net_is_closed(world.parts[i].tables) ||
		    (!world.conf.spool && machine_cores[i].flight_count > 0))
			return false;
	return true;
}

/* Everything taken has been put. */
static void stop_core(void *context)
{
	struct part *p = context;
	struct machine_core *c = machine_self();
	const struct delivery_usage u = delivery_usage(p->delivery);

	ASSERT(u.lanes == 0 && u.trials == 0);
	struct tls_context *tls = delivery_set_tls(p->delivery, NULL);

	if (tls != NULL) {
		ASSERT(tls->users == 0 && rooms[p->core].wires.used == 0);
		tls_context_retire(&tls);
		tls_room_done(&rooms[p->core]);
	}
	delivery_free(&p->delivery);
	if (world.conf.spool)
		world_spool_free(p);
	ASSERT(io_bufs_free() == c->buf_count);
	ASSERT(c->files_open == 0);
	ASSERT(c->flight_count == 0);
	table_net_free(&p->tables);
	resolver_free(&p->resolver);
	ASSERT(c->reactor.wheel.armed == 0);
}

bool world_stop(uint64_t limit_ns)
{
	if (world.conf.spool && !world_spool_stop_listening(limit_ns))
		return false;
	for (unsigned i = 0; i < world.cores; i++)
		machine_on_core(i, drain_core, &world.parts[i]);
	if (!world_run(limit_ns, all_drained, NULL))
		return false;
	if (world.conf.spool && !world_spool_close(limit_ns))
		return false;
	for (unsigned i = 0; i < world.cores; i++)
		machine_on_core(i, stop_core, &world.parts[i]);
	log_drain();
	machine_end();
	mail_stop();
	hosts_done(&world.hosts);
	params_close_tables(&world.params);
	table_set_free(&world.tables);
	conf_free(&world.text);
	machine_forget();
	net_clear();
	zone_clear();
	disk_format();
	return true;
}

/* --- time ---------------------------------------------------------------------------------------- */

bool world_run(uint64_t for_ns, bool (*done)(void *context), void *context)
{
	const uint64_t end = sim_now() + for_ns;

	while (done == NULL || !done(context)) {
		if (!machine_step(end))
			return done != NULL && done(context);
	}
	return true;
}

static bool is_settled(void *context)
{
	(void)context;
	return mail_all_settled();
}

static bool is_finished(void *context)
{
	(void)context;
	return mail_all_finished();
}

static bool is_quiet(void *context)
{
	(void)context;
	return net_conns_open() == 0 && machine_next_event() == UINT64_MAX;
}

bool world_run_settled(uint64_t limit_ns)
{
	return world_run(limit_ns, is_settled, NULL);
}

bool world_run_finished(uint64_t limit_ns)
{
	return world_run(limit_ns, is_finished, NULL);
}

bool world_run_quiet(uint64_t limit_ns)
{
	return world_run(limit_ns, is_quiet, NULL);
}
