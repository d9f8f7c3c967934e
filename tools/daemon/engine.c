/* engine.c - one core's parts put together, and all cores in step
 *
 *	start   reactor -> resolver, delivery, spool          recovery runs; nobody is listened to
 *	open    all spools have recovered -> listeners, READY=1
 *	drain   stop listening | finish what is under way | close the journals       each on all cores before the next
 */
#include "tools/daemon/daemon.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/err.h"
#include "core/log.h"
#include "core/runtime.h"
#include "net/delivery/delivery.h"
#include "net/lookup/dnssec_probe.h"
#include "net/lookup/resolver.h"
#include "net/lookup/table_net.h"
#include "net/source/inject_smtp.h"
#include "net/source/notice.h"
#include "net/source/tlsrpt.h"
#include "net/source/spool.h"

enum step { STEP_RECOVER, STEP_LISTEN, STEP_STOP_LISTENING, STEP_DRAIN, STEP_CLOSE, STEP_COUNT };

/* One core. */
struct part {
	unsigned core;
	struct resolver *resolver;
	struct table_net *tables;
	struct tls_room *tls_room;
	struct delivery *delivery;
	struct spool *spool;
	struct inject *inject;
	struct notices *notices;
	struct spool_conf spool_conf;
	struct note go;			/* from core 0: the next step */
	struct note done;		/* to core 0: it is done */
	struct note look;		/* from core 0: the surroundings have changed */
	struct note looked;		/* to core 0: nothing here goes by the old ones any more */
	struct note doubt;		/* to core 0: DNSSEC may not be validated */
};

static struct {
	struct daemon *daemon;
	struct part parts[CORE_COUNT_MAX];
	char dns_servers[1024];
	size_t jobs_max;		/* of all cores */
	struct tls_context *tls[CORE_COUNT_MAX];	/* to begin with */
	/* core 0 */
	struct tlsrpt *tlsrpt;		/* NULL: nobody counts */
	enum step step;
	unsigned waiting;		/* cores that have not finished the step */
	bool stopping;			/* drain as soon as the step under way is over */
	struct surroundings *surroundings;	/* what all cores have, or are about to have */
	struct surroundings *surroundings_old;	/* what some may have */
	struct surroundings *surroundings_next;	/* waits until all have those above */
	unsigned looking;		/* cores that have not looked yet */
	struct dnssec_probe probe;
	atomic_bool ended;		/* from core 0 to the main thread */
} engine;

static void begin(enum step step);
static void on_look(struct note *note);
static void on_looked(struct note *note);

/* --- steps, in unison ------------------------------------------------------------------------- */

static void step_done(struct part *p)
{
	xcall_send(0, &p->done);
}

static void on_inject_closed(struct inject *inject, void *context)
{
	(void)inject;
	step_done(context);
}

static void on_notices_closed(struct notices *n, void *context)
{
	(void)n;
	step_done(context);
}

/* The last sessions have ended, and with them the last reasons for a notice. */
static void on_drained(struct delivery *d, void *context)
{
	struct part *p = context;

	(void)d;
	table_net_close(p->tables);	/* nobody is left who would ask */
	notices_close(p->notices, on_notices_closed, p);
}

static void on_tlsrpt_closed(struct tlsrpt *t, void *context);
static void on_spool_closed(struct spool *s, void *context)
{
	(void)s;
	step_done(context);
}

static void close_spool(struct part *p)
{
	if (p->core == 0 && engine.tlsrpt != NULL)
		tlsrpt_close(engine.tlsrpt, on_tlsrpt_closed, p);	/* a report may be on its way to the spool */
	else
		spool_close(p->spool, on_spool_closed, p);
}

static void on_tlsrpt_closed(struct tlsrpt *t, void *context)
{
	struct part *p = context;

	(void)t;
	spool_close(p->spool, on_spool_closed, p);
}

static void listen_now(struct part *p)
{
	int r = inject_listen(p->inject);

	if (r < 0) {
		log_line(LOG_LEVEL_FATAL, "ringpostd", "cannot listen on inject_smtp_listen or inject_smtps_listen: %s", err_text(r));
		runtime_exit(EX_UNAVAILABLE);
		return;
	}
	step_done(p);
}

static void on_go(struct note *note)
{
	struct part *p = container_of(note, struct part, go);

	switch (engine.step) {
	case STEP_RECOVER:
		spool_open(p->spool);	/* on_recovered tells */
		break;
	case STEP_LISTEN:
		listen_now(p);
		break;
	case STEP_STOP_LISTENING:
		inject_close(p->inject, on_inject_closed, p);
		break;
	case STEP_DRAIN:
		delivery_drain(p->delivery, on_drained, p);
		break;
	case STEP_CLOSE:
		close_spool(p);
		break;
	case STEP_COUNT:
		UNREACHABLE();
	}
}

/* The step is written by core 0 before the notes leave, and not again before all have come back. */
static void begin(enum step step)
{
	engine.step = step;
	engine.waiting = runtime_cores();
	for (unsigned i = 0; i < runtime_cores(); i++)
		xcall_send(i, &engine.parts[i].go);
}

static void on_all_done(void)
{
	switch (engine.step) {
	case STEP_RECOVER:
		begin(engine.stopping ? STEP_DRAIN : STEP_LISTEN);
		break;
	case STEP_LISTEN:
		outside_notify("READY=1");
		log_line(LOG_LEVEL_INFO, "ringpostd", "ready");
		if (engine.tlsrpt != NULL)
			tlsrpt_begin(engine.tlsrpt);
		if (engine.stopping)
			begin(STEP_STOP_LISTENING);
		break;
	case STEP_STOP_LISTENING:
		begin(STEP_DRAIN);
		break;
	case STEP_DRAIN:
		begin(STEP_CLOSE);
		break;
	case STEP_CLOSE:
		runtime_exit(0);
		break;
	case STEP_COUNT:
		UNREACHABLE();
	}
}

static void on_done(struct note *note)
{
	(void)note;
	ASSERT(engine.waiting > 0);
	if (--engine.waiting == 0)
		on_all_done();
}

/* --- one core --------------------------------------------------------------------------------- */

static void on_recovered(struct spool *s, int err, void *context)
{
	struct part *p = context;

	(void)s;
	if (err == 0) {
		step_done(p);
		return;
	}
	if (err == ERR_VERSION)
		log_line(LOG_LEVEL_FATAL, "ringpostd", "spool_directory %s was written by another version: nothing was "
			 "changed; use that version, or an empty directory", p->spool_conf.dir);
	else
		log_line(LOG_LEVEL_FATAL, "ringpostd", "the spool cannot be opened: %s", err_text(err));
	startup_say("the spool in %s cannot be opened: %s", p->spool_conf.dir, err_text(err));
	runtime_exit(EX_CANTCREAT);
}

static void warn(void *context, const char *text)
{
	(void)context;
	log_line(LOG_LEVEL_WARNING, "smtp", "%s", text);
}

const struct params *engine_params(const struct daemon *d)
{
	return params_wants_lmtp(&d->params) ? &d->lmtp_params : &d->params;
}

static struct mx_conf mx_conf_of(const struct daemon *d, struct resolver *resolver)
{
	struct mx_conf conf = mx_conf_from_params(engine_params(d));

	conf.resolver = resolver;
	conf.hosts = &d->surroundings->hosts;
	conf.own = d->surroundings->own;
	conf.own_count = d->surroundings->own_count;
	conf.warn = warn;
	return conf;
}

static void report(void *context, struct slice peer, const struct transcript *t)
{
	const struct part *p = context;

	notice_post(p->notices, peer, t);
}

static void on_tls_event(struct note *note)
{
	struct tls_event *e = container_of(note, struct tls_event, note);

	CHECK_MAGIC(e, TLS_EVENT_MAGIC);
	tlsrpt_count(engine.tlsrpt, e);
	note_init(&e->note, tls_event_back);
	xcall_send(e->core, &e->note);
}

/* One core counts for all. */
static void take_tls_event(void *context, struct tls_event *e)
{
	(void)context;
	note_init(&e->note, on_tls_event);
	xcall_send(0, &e->note);
}

static bool wants_tlsrpt(const struct daemon *d)
{
	return engine_params(d)->smtp_tlsrpt_enable && !engine_params(d)->is_lmtp &&
	       engine_params(d)->smtp_dns_support_level != DNS_SUPPORT_DISABLED;
}

/* Each core's resolver says so once. */
static void on_unvalidated(void *context)
{
	struct part *p = context;

	xcall_send(0, &p->doubt);
}

static void on_doubt(struct note *note)
{
	(void)note;
	dnssec_probe_begin(&engine.probe, engine.parts[0].resolver);
}

static int start_delivery(struct part *p)
{
	const struct daemon *d = engine.daemon;
	const struct resolver_conf resolver = {
		.servers = engine.dns_servers[0] != '\0' ? engine.dns_servers : NULL,
		.timeout_ms = (unsigned)(d->params.dns_timeout_ns / NS_PER_MS),
		.dnssec = engine_params(d)->smtp_dns_support_level == DNS_SUPPORT_DNSSEC,
		.unvalidated = on_unvalidated,
		.context = p,
	};
	int r = resolver_new(&resolver, &p->resolver);

	if (r < 0)
		return r;
	p->tables = table_net_new(d->tables);
	if (p->tables == NULL)
		return -ENOMEM;
	p->tls_room = calloc(1, sizeof(*p->tls_room));
	if (p->tls_room == NULL)
		return -ENOMEM;
	r = tls_room_init(p->tls_room, MAX(d->params.session_limit / d->cores, 1u));
	if (r < 0)
		return r;
	const struct delivery_conf conf = {
		.core = p->core,
		.cores = d->cores,
		.params = engine_params(d),
		.source = &spool_source,
		.services = &d->services,
		.tables = p->tables,
		.tls = engine.tls[p->core],
		.tls_room = p->tls_room,
		.mx = mx_conf_of(d, p->resolver),
		.report = report,
		.report_context = p,
		.tls_event = wants_tlsrpt(d) ? take_tls_event : NULL,
		.sessions_max = MAX(d->params.session_limit / d->cores, 1u),
		.jobs_max = engine.jobs_max,
	};

	p->delivery = delivery_new(&conf);
	return p->delivery != NULL ? 0 : -ENOMEM;
}

static int start_tlsrpt(struct part *p)
{
	const struct params *params = engine_params(engine.daemon);

	if (!params->smtp_tlsrpt_enable)
		return 0;
	if (!wants_tlsrpt(engine.daemon)) {
		log_line(LOG_LEVEL_WARNING, "ringpostd",
			 "smtp_tlsrpt_enable: there are no TLS reports without DNS, and none for LMTP");
		return 0;
	}
	int r = tlsrpt_new(params, p->resolver, p->spool, &engine.tlsrpt);

	if (r < 0)
		startup_say("tlsrpt_directory %s: %s", params->tlsrpt_directory, err_text(r));
	return r;
}

static int start_core(unsigned core, void *context)
{
	struct part *p = &engine.parts[core];

	(void)context;
	p->core = core;
	note_init(&p->go, on_go);
	note_init(&p->done, on_done);
	note_init(&p->look, on_look);
	note_init(&p->looked, on_looked);
	note_init(&p->doubt, on_doubt);
	int r = start_delivery(p);

	if (r < 0)
		return r;
	p->spool_conf.ready = on_recovered;
	p->spool_conf.context = p;
	p->spool = spool_new(&p->spool_conf);
	if (p->spool == NULL)
		return -ENOMEM;
	r = core == 0 ? start_tlsrpt(p) : 0;
	if (r < 0)
		return r;
	p->notices = notices_new(&engine.daemon->params, p->spool);
	if (p->notices == NULL)
		return -ENOMEM;
	/* What is told of clients depends on whether it is told on. */
	p->inject = inject_new(engine_params(engine.daemon), core, engine.daemon->cores, p->spool);
	if (p->inject == NULL)
		return -ENOMEM;
	(void)inject_set_tls(p->inject, engine.daemon->inject_tls[core]);	/* the first: there was none */
	inject_set_passwords(p->inject, engine.daemon->users);
	return 0;
}

static void stop_core(unsigned core, void *context)
{
	struct part *p = &engine.parts[core];

	(void)context;
	/* Memory goes with the process. Only what other threads or the kernel might still look at has to end in
	 * order, and that is done by the reactor. The main thread waits for a signal: */
	p->core = core;
	if (core == 0) {
		atomic_store(&engine.ended, true);
		(void)kill(getpid(), SIGUSR1);		/* to ourselves: cannot fail */
	}
}

void engine_take_tls(struct tls_context *context)
{
	struct tls_context *before = delivery_set_tls(engine.parts[reactor_self()->core].delivery, context);

	tls_context_retire(&before);
}

void engine_take_inject_tls(struct tls_context *context)
{
	struct tls_context *before = inject_set_tls(engine.parts[reactor_self()->core].inject, context);

	tls_context_retire(&before);
}

void engine_take_users(const struct passwords *users)
{
	inject_set_passwords(engine.parts[reactor_self()->core].inject, users);
}

/* --- surroundings ----------------------------------------------------------------------------- */

static void on_look(struct note *note)
{
	struct part *p = container_of(note, struct part, look);
	const struct surroundings *s = engine.surroundings;	/* not written until all have answered */

	delivery_set_surroundings(p->delivery, &s->hosts, s->own, s->own_count);
	xcall_send(0, &p->looked);
}

static void look_around(void)
{
	engine.surroundings_old = engine.surroundings;
	engine.surroundings = engine.surroundings_next;
	engine.surroundings_next = NULL;
	engine.looking = runtime_cores();
	for (unsigned i = 0; i < runtime_cores(); i++)
		xcall_send(i, &engine.parts[i].look);
}

static void on_looked(struct note *note)
{
	(void)note;
	ASSERT(engine.looking > 0);
	if (--engine.looking > 0)
		return;
	surroundings_free(&engine.surroundings_old);
	if (engine.surroundings_next != NULL)
		look_around();
}

static void take_surroundings(void *context)
{
	surroundings_free(&engine.surroundings_next);	/* never used, and out of date now */
	engine.surroundings_next = context;
	if (engine.looking == 0)
		look_around();
}

bool engine_surroundings(struct surroundings *s)
{
	return runtime_call(take_surroundings, s) == 0;
}

/* --- all of them ------------------------------------------------------------------------------ */

static void write_dns_servers(const struct params *params)
{
	struct str out = STR(engine.dns_servers);

	for (unsigned i = 0; i < params->dns_servers.count; i++) {
		const struct addr *a = &params->dns_servers.list[i];
		bool v6 = a->sa.sa_family == AF_INET6;

		str_add_cstr(&out, i > 0 ? ", " : "");
		str_add_cstr(&out, v6 ? "[" : "");
		addr_add_ip(&out, a);
		str_printf(&out, "%s:%u", v6 ? "]" : "", addr_port(a));
	}
	(void)str_cstr(&out);
}

static int start_failed(int err)
{
	if (err == -ENOMEM)
		startup_say("not enough memory, or a limit of it is too low: raise the limit of locked memory "
			    "(ulimit -l, LimitMEMLOCK=), or lower journal_memory, queue_message_limit or "
			    "session_limit");
	else if (err == -EAGAIN)
		startup_say("the engine's threads cannot all be started: raise the limit of processes and threads "
			    "(ulimit -u, LimitNPROC=, TasksMax=, a container's pids limit), or lower worker_threads");
	else
		startup_say("%s", io_diagnosis(err));
	return EX_OSERR;
}

static void begin_recovery(void *context)
{
	(void)context;
	begin(STEP_RECOVER);
}

int engine_start(struct daemon *d)
{
	struct runtime_conf conf = {
		.cores = d->cores,
		.io = { .files_max = d->files_max },
		.start = start_core,
		.stop = stop_core,
	};

	engine.daemon = d;
	engine.surroundings = d->surroundings;
	write_dns_servers(&d->params);
	(void)dnssec_probe_init(&engine.probe, slice_of_str(d->params.dnssec_probe), warn, NULL);	/* checked */
	int r = resolver_library_open();

	if (r < 0)
		return start_failed(r);
	/* What is wrong with it has been said; without it, the level decides whether mail goes in clear or waits. */
	(void)tls_contexts_make(engine_params(d), engine.tls, d->cores);
	delivery_start(engine_params(d), d->cores);
	for (unsigned i = 0; i < d->cores; i++) {
		struct spool_conf *s = &engine.parts[i].spool_conf;

		spool_conf_from_params(&d->params, i, d->cores, s);
		s->dir = d->params.spool_directory;
		s->log_rcpt = maillog_rcpt;
		conf.io.arena_size =
			MAX(conf.io.arena_size, spool_arena_size(s) + delivery_arena_size(engine_params(d)));
		engine.jobs_max += spool_jobs_max(s);
	}
	r = runtime_start(&conf);
	if (r < 0)
		return start_failed(r);
	r = runtime_call(begin_recovery, NULL);
	return r < 0 ? start_failed(r) : 0;
}

static void drain(void *context)
{
	(void)context;
	engine.stopping = true;
	if (engine.step == STEP_LISTEN && engine.waiting == 0)
		begin(STEP_STOP_LISTENING);
}

static void exit_now(void *context)
{
	(void)context;
	runtime_exit(0);
}

/* A queue of calls that is full is one that has been asked already. */
void engine_drain(void)
{
	(void)runtime_call(drain, NULL);
}

void engine_exit_now(void)
{
	(void)runtime_call(exit_now, NULL);
}

bool engine_has_ended(void)
{
	return atomic_load(&engine.ended);
}

int engine_join(void)
{
	int status = runtime_join();
	const struct params *p = &engine.daemon->params;

	for (unsigned i = 0; i < p->inject_smtp_listen.count; i++)
		io_listen_end(&p->inject_smtp_listen.list[i]);
	for (unsigned i = 0; i < p->inject_smtps_listen.count; i++)
		io_listen_end(&p->inject_smtps_listen.list[i]);
	resolver_library_close();
	return status < 0 ? EX_SOFTWARE : status;
}
