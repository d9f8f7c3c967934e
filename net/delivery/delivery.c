#include "net/delivery/delivery.h"

#include <stdlib.h>

#include "core/log.h"
#include "core/random.h"
#include "net/delivery/delivery_internal.h"
#include "net/delivery/session_count.h"
#include "net/wire/address.h"

struct metric metric_sessions_opened =
	METRIC_COUNTER("ringpost_sessions_opened_total", "sessions past greeting and EHLO");
struct metric metric_connects_failed =
	METRIC_COUNTER("ringpost_sessions_failed_total", "sessions that never got so far");
struct metric metric_transactions = METRIC_COUNTER("ringpost_transactions_total", "transactions begun");
struct metric metric_suspended =
	METRIC_COUNTER("ringpost_destinations_suspended_total", "times a destination looked dead");
struct metric metric_cache_hits =
	METRIC_COUNTER("ringpost_connection_cache_hits_total", "idle sessions used again");
struct metric metric_cache_moved = METRIC_COUNTER("ringpost_connection_cache_moved_total",
						  "idle sessions used again for another destination");
struct metric metric_cache_stale =
	METRIC_COUNTER("ringpost_connection_cache_stale_total", "idle sessions found dead when they were to be used");
struct metric metric_homeless = METRIC_GAUGE("ringpost_jobs_homeless", "jobs beyond the bound of busy destinations");

static_assert(JOB_NEXTHOP_MAX >= PARAM_NEXT_HOP_MAX, "where all mail goes is a next hop, too");

/* The same on every core: who owns a destination must not depend on who asks. */
static struct {
	const struct params *params;
	struct slice all_to;		/* where all mail goes; empty: to its recipients' domains */
	unsigned cores;
	unsigned shards;	/* of all_to */
	uint64_t seed[2];
} shared;

struct delivery *delivery_self(void)
{
	return reactor_self()->delivery;
}

/* A limit that has no part for every core is kept by fewer of them, and a pause between two deliveries by one alone. */
static unsigned shard_count(const struct params *p, unsigned cores)
{
	uint32_t limit = p->smtp_destination_concurrency_limit;

	if (p->smtp_destination_rate_delay_ns > 0)
		return 1;
	return limit > 0 && limit < cores ? limit : cores;
}

void delivery_start(const struct params *params, unsigned cores)
{
	shared.params = params;
	shared.all_to = params_next_hop(params);
	shared.cores = cores;
	shared.shards = shard_count(params, cores);
	random_fill(shared.seed, sizeof(shared.seed));
	metric_register(&metric_sessions_opened);
	metric_register(&metric_connects_failed);
	metric_register(&metric_transactions);
	metric_register(&metric_suspended);
	metric_register(&metric_tls_events_lost);
	metric_register(&metric_homeless);
	session_count_register();
	metric_register(&metric_cache_hits);
	metric_register(&metric_cache_moved);
	metric_register(&metric_cache_stale);
}

/* --- where mail goes -------------------------------------------------------------------------- */

unsigned delivery_core_of(struct slice nexthop)
{
	/* A relay carries everything: every core has its own shard of it, so that its mail never changes cores. */
	if (shared.all_to.len > 0 && slice_eq(nexthop, shared.all_to))
		return reactor_self()->core % shared.shards;
	return (unsigned)(map_siphash(shared.seed, nexthop) % shared.cores);
}

struct slice delivery_nexthop(struct slice domain, struct str *storage)
{
	if (shared.all_to.len > 0)
		return shared.all_to;
	size_t from = storage->len;

	address_add_domain_key(storage, domain);
	return slice_of(storage->ptr + from, storage->len - from);
}

uint32_t delivery_job_rcpts(uint32_t count)
{
	const uint32_t limit = shared.params->smtp_destination_recipient_limit;
	/* What goes to one relay stays on the core where it came in, and has that core's part of the sessions. */
	const uint32_t sessions = shared.params->smtp_destination_concurrency_limit;
	const uint32_t most = MAX(sessions / (shared.all_to.len > 0 ? 2 * shared.shards : 2), 1u);

	if (limit == 0 || count <= limit)
		return count;
	if (limit == 1)
		return 1;	/* each recipient has sessions of its own */
	const uint32_t portions = (count - 1) / limit + 1;
	const uint32_t jobs = sessions == 0 ? portions : MIN(portions, most);

	return (uint32_t)min_u64(count, (uint64_t)((portions - 1) / jobs + 1) * limit);
}

/* --- jobs come in ----------------------------------------------------------------------------- */

static void on_offer(struct note *note)
{
	struct job *job = container_of(note, struct job, note);

	CHECK_MAGIC(job, JOB_MAGIC);
	job->destination = NULL;
	list_init(&job->node);
	job->due.index = 0;
	job->next = job->first;
	destination_new_round(job);
	job->route_generation = 0;
	job->never_ahead = false;
	job->ready_ns = 0;
	destination_take_job(delivery_self(), job);
}

void delivery_offer(struct job *job)
{
	note_init(&job->note, on_offer);
	xcall_send(job->core, &job->note);
}

/* --- jobs wait for their time ----------------------------------------------------------------- */

static void arm_due(struct delivery *d)
{
	struct heap_node *first = heap_first(&d->deferred);
	uint64_t wall = reactor_queue_now();

	if (first == NULL) {
		timer_cancel(&d->due);
		return;
	}
	timer_arm_in(&d->due, min_u64(first->key > wall ? first->key - wall : 0, d->conf.params->queue_run_delay_ns));
}

void delivery_defer(struct delivery *d, struct job *job)
{
	job->ready_ns = 0;
	heap_push(&d->deferred, &job->due, job->due_ns);
	if (heap_first(&d->deferred) == &job->due)
		arm_due(d);
}

static void on_due(struct wheel_timer *timer)
{
	struct delivery *d = container_of(timer, struct delivery, due);
	struct heap_node *first;

	for (unsigned n = 0; n < DISPATCH_BITE && (first = heap_first(&d->deferred)) != NULL; n++) {
		struct job *job = container_of(first, struct job, due);

		if (first->key > reactor_queue_now())
			break;
		heap_remove(&d->deferred, first);
		destination_take_job(d, job);
	}
	arm_due(d);
}

void delivery_log_job(const struct job *job, struct slice text)
{
	char storage[LOG_FIELD_MAX + MESSAGE_ID_TEXT_MAX + 8];
	struct str line = STR(storage);

	message_id_text(&line, job->msg->id);
	str_add_cstr(&line, ": ");
	str_add_cut(&line, text, LOG_FIELD_MAX);
	line.full = false;
	log_put(LOG_LEVEL_INFO, delivery_log_name(), str_slice(&line));
}

/* --- those in line ---------------------------------------------------------------------------- */

static bool has_credit_for_some(const struct delivery *d)
{
	for (unsigned i = 0; i < CREDIT_LIMITED; i++)
		if (!list_is_empty(&d->on_trial[i]) && credits_free(&d->credits, (enum credit)i) > 0)
			return true;
	return false;
}

void delivery_feed(struct delivery *d)
{
	if (has_credit_for_some(d) || !list_is_empty(&d->starving) ||
	    (!list_is_empty(&d->homeless) && !list_is_empty(&d->unused)))
		reactor_post(&d->feed);
}

/* As many as there is credit for. Who failed the last time comes first: half of all sessions is all they get. Some may
 * want nothing any more; then there is credit left, and others are asked in a moment. */
static void feed_on_trial(struct delivery *d)
{
	size_t all = credits_free(&d->credits, CREDIT_NEW);
	size_t n = credits_free(&d->credits, CREDIT_DOUBTED);

	for (int i = CREDIT_DOUBTED; i >= CREDIT_NEW; i--, n = all)
		for (; n > 0 && !list_is_empty(&d->on_trial[i]); n--, all--) {
			struct destination *dst = list_entry(list_pop_front(&d->on_trial[i]), struct destination, node);

			dst->is_on_trial = false;
			destination_wake(dst);
		}
	if (has_credit_for_some(d))
		delivery_feed(d);
}

/* As many as there is something for, and a bite more: some of them want nothing any more. Those that find nothing again
 * stand in line again, and whoever puts something back comes here. */
static void on_feed(struct task *task)
{
	struct delivery *d = container_of(task, struct delivery, feed);
	size_t n = DISPATCH_BITE + MIN(pool_free(&d->lanes), pool_free(&d->trials));
	struct list *node;

	feed_on_trial(d);
	for (; n > 0 && (node = list_pop_front(&d->starving)) != NULL; n--)
		destination_wake(list_entry(node, struct destination, node));
	for (n = DISPATCH_BITE; n > 0 && !list_is_empty(&d->homeless) && !list_is_empty(&d->unused); n--) {
		node = list_pop_front(&d->homeless);
		metric_add(&metric_homeless, -1);
		destination_admit_job(d, list_entry(node, struct job, node));
	}
	if (n == 0)
		delivery_feed(d);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void on_drain_check(struct task *task)
{
	struct delivery *d = container_of(task, struct delivery, drain_check);

	ASSERT(d->lanes.used > 0 || credits_free(&d->credits, CREDIT_NEW) == d->credits.max[CREDIT_NEW]);
	if (!d->draining || d->drained == NULL || d->lanes.used > 0 || d->trials.used > 0 || d->auths.pool.used > 0)
		return;
	void (*done)(struct delivery *, void *) = d->drained;

	d->drained = NULL;
	tls_sessions_clear(&d->sessions);
	done(d, d->drained_context);
}

void delivery_drain_check(struct delivery *d)
{
	if (d->draining)
		reactor_post(&d->drain_check);
}

static void quit_lanes_of(struct map_node *node, void *context)
{
	(void)context;
	lanes_quit(container_of(node, struct destination, by_nexthop));
}

void delivery_drain(struct delivery *d, void (*done)(struct delivery *d, void *context), void *context)
{
	ASSERT(!d->draining);
	d->draining = true;
	d->drained = done;
	d->drained_context = context;
	timer_cancel(&d->due);
	map_for_each(&d->by_nexthop, quit_lanes_of, NULL);
	delivery_drain_check(d);
}

void delivery_set_surroundings(struct delivery *d, const struct hosts *hosts, const struct addr *own,
			       unsigned own_count)
{
	/* Lookups under way look at them anew each time. */
	d->conf.mx.hosts = hosts;
	d->conf.mx.own = own;
	d->conf.mx.own_count = own_count;
	d->generic.own = own;
	d->generic.own_count = own_count;
}

struct tls_context *delivery_set_tls(struct delivery *d, struct tls_context *context)
{
	struct tls_context *before = d->conf.tls;

	d->conf.tls = context;
	return before;
}

/* The other half is the source's. */
static size_t content_size(const struct params *params)
{
	return params->content_memory / 2;
}

size_t delivery_arena_size(const struct params *params)
{
	return content_arena_size(content_size(params));
}

/* Nobody needs more routes or lookups than there are destinations. */
static size_t bound_of(const struct delivery *d, size_t most)
{
	return d->conf.destinations_max > 0 ? MIN(d->conf.destinations_max, most) : most;
}

/* Only addresses that may change need a place for that. */
static size_t lane_size(const struct delivery *d)
{
	return sizeof(struct lane) + (generic_is_wanted(&d->generic) ? sizeof(struct mapper) : 0);
}

/* smtp_tls_session_cache_database: which one does not matter, all of them are our memory. */
static int open_sessions(struct delivery *d)
{
	const struct params *p = d->conf.params;
	uint64_t life_ns = p->smtp_tls_session_cache_timeout_ns;
	bool wanted = life_ns > 0 && p->smtp_tls_session_cache_database[0] != '\0';

	if (wanted)
		life_ns = min_u64(MAX(life_ns, TLS_SESSION_LIFE_MIN_NS), TLS_SESSION_LIFE_MAX_NS);
	return tls_sessions_init(&d->sessions, wanted ? TLS_SESSIONS_MAX : 0, life_ns);
}

static void on_auth_put(struct session_auth_pool *p)
{
	delivery_drain_check(container_of(p, struct delivery, auths));
}

static int open_auth(struct delivery *d)
{
	bool is_locked = false;
	int r = session_auth_pool_init(&d->auths, &is_locked);

	random_fill(&d->salt, sizeof(d->salt));
	d->auths.put = on_auth_put;
	if (r == 0 && !is_locked && d->conf.core == 0)
		log_line(LOG_LEVEL_WARNING, params_client_name(d->conf.params),
			 "credentials in use may be swapped out: the limit of locked memory (RLIMIT_MEMLOCK) is too low");
	return r < 0 ? r : auth_memory_init(&d->refused);
}

static bool may_ask_dane(const struct params *p)
{
	return p->smtp_tls_security_level == TLS_LEVEL_DANE || p->smtp_tls_security_level == TLS_LEVEL_DANE_ONLY ||
	       p->smtp_tls_policy_maps != NULL;
}

static int open_pools(struct delivery *d)
{
	size_t lanes = d->conf.sessions_max, destinations = bound_of(d, DESTINATIONS_MAX);
	zero_copy_init(&d->zero_copy, d->conf.params->zero_copy_threshold, d->conf.params->zero_copy_limit);
	int r = pool_init(&d->destinations, "destinations", sizeof(struct destination), destinations);

	if (r == 0)
		r = pool_init(&d->routes, "routes", sizeof(struct route_owner), bound_of(d, ROUTES_MAX));
	if (r == 0)
		r = pool_init(&d->lookups, "lookups", sizeof(struct route_lookup), bound_of(d, LOOKUPS_MAX));
	if (r == 0)
		r = pool_init(&d->lanes, "lanes", lane_size(d), lanes);
	if (r == 0)
		r = pool_init(&d->works, "session_works", sizeof(struct session_work), lanes);
	if (r == 0)
		r = pool_init(&d->trials, "trials", sizeof(struct trial), 2 * lanes + TRIALS_SPARE);
	if (r == 0)
		r = pool_init(&d->tls, "tls sessions", sizeof(struct session_tls), lanes + 1);	/* that wants one */
	if (r == 0 && d->conf.tls_event != NULL && d->conf.params->smtp_tlsrpt_enable)
		r = pool_init(&d->tls_events, "tls events", sizeof(struct tls_event), 2 * lanes);
	if (r == 0 && may_ask_dane(d->conf.params))
		r = pool_init(&d->danes, "tlsa records of sessions", sizeof(struct tls_dane), lanes + 1);
	if (r == 0 && may_ask_dane(d->conf.params))
		r = pool_init(&d->tlsas, "tlsa records of hosts", sizeof(struct route_tlsa), bound_of(d, TLSAS_MAX));
	if (r == 0 && d->conf.report != NULL && (d->conf.params->notify_classes & NOTIFY_CLASSES))
		r = pool_init(&d->transcripts, "transcripts", sizeof(struct transcript), MIN(lanes, TRANSCRIPTS_MAX));
	if (r == 0 && d->conf.params->smtp_sasl_auth_enable)
		r = open_auth(d);
	if (r == 0)
		r = map_init(&d->by_nexthop, destinations);
	if (r == 0)
		r = content_pool_init(&d->contents, content_size(d->conf.params), d->conf.params, &d->generic);
	if (r == 0)
		r = heap_init(&d->deferred, d->conf.jobs_max);
	if (r == 0)
		r = conn_cache_init(&d->cached, lanes);
	return r == 0 ? open_sessions(d) : r;
}

struct delivery *delivery_new(const struct delivery_conf *conf)
{
	struct delivery *d = calloc(1, sizeof(*d));

	ASSERT(delivery_self() == NULL);
	if (d == NULL)
		return NULL;
	d->conf = *conf;
	d->generic = (struct generic_conf){
		.params = conf->params, .own = conf->mx.own, .own_count = conf->mx.own_count,
	};
	if (open_pools(d) < 0) {
		delivery_free(&d);
		return NULL;
	}
	d->nexthop = (struct nexthop_conf){
		.services = conf->services,
		.default_port = conf->params->smtp_tcp_port,
		.default_service = services_name(conf->services, conf->params->smtp_tcp_port),
		.lmtp = conf->params->is_lmtp,
		.utf8 = conf->params->smtputf8_enable,
	};
	d->tlsa = (struct tlsa_conf){
		.resolver = conf->mx.resolver,
		.reply_filter = conf->params->smtp_dns_reply_filter,
		.force_insecure_host = conf->params->smtp_tls_force_insecure_host_tlsa_lookup,
	};
	/* A list that is none switches DANE off: dane_policy.c. */
	IGNORE(tls_dane_digests_parse(slice_of_str(conf->params->tls_dane_digests), &d->tlsa.digests));
	d->route = (struct route_conf){
		.params = conf->params,
		.nexthop = &d->nexthop,
		.mx = &d->conf.mx,
		.lookups = &d->lookups,
		.tlsa = &d->tlsa,
		.tlsas = &d->tlsas,
		.tlsa_told = destination_on_tlsa,
	};
	d->window = window_conf_of(conf->params, 1, 0);
	d->window_shard = window_conf_of(conf->params, shared.shards, conf->core % shared.shards);
	list_init(&d->unused);
	list_init(&d->homeless);
	list_init(&d->starving);
	credits_init(&d->credits, conf->sessions_max);
	for (unsigned i = 0; i < CREDIT_LIMITED; i++)
		list_init(&d->on_trial[i]);
	list_init(&d->idle_lanes);
	task_init(&d->feed, on_feed);
	task_init(&d->drain_check, on_drain_check);
	wheel_timer_init(&d->due, on_due);
	reactor_self()->delivery = d;
	return d;
}

static void forget_destination(struct map_node *node, void *context)
{
	(void)context;
	destination_forget(container_of(node, struct destination, by_nexthop));
}

void delivery_free(struct delivery **d)
{
	if (*d == NULL)
		return;
	if ((*d)->by_nexthop.count > 0) {
		map_for_each(&(*d)->by_nexthop, forget_destination, NULL);
		timer_cancel(&(*d)->due);
	}
	heap_done(&(*d)->deferred);
	conn_cache_done(&(*d)->cached);
	tls_sessions_done(&(*d)->sessions);
	map_done(&(*d)->by_nexthop);
	pool_done(&(*d)->tls);
	if ((*d)->conf.params->smtp_sasl_auth_enable) {
		session_auth_pool_done(&(*d)->auths);
		auth_memory_done(&(*d)->refused);
	}
	pool_done(&(*d)->danes);
	pool_done(&(*d)->tlsas);
	pool_done(&(*d)->transcripts);
	pool_done(&(*d)->tls_events);
	content_pool_done(&(*d)->contents);
	pool_done(&(*d)->trials);
	pool_done(&(*d)->works);
	pool_done(&(*d)->lanes);
	pool_done(&(*d)->lookups);
	pool_done(&(*d)->routes);
	pool_done(&(*d)->destinations);
	free(*d);
	*d = NULL;
	reactor_self()->delivery = NULL;
}

static size_t list_length(const struct list *head)
{
	size_t n = 0;

	for (const struct list *node = head->next; node != head; node = node->next)
		n++;
	return n;
}

struct delivery_usage delivery_usage(const struct delivery *d)
{
	return (struct delivery_usage){
		.busy_destinations = d->by_nexthop.count - list_length(&d->unused),
		.destinations = d->by_nexthop.count,
		.lanes = d->lanes.used,
		.idle = d->idle,
		.trials = d->trials.used,
		.deferred = d->deferred.count,
	};
}
