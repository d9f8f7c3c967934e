/* lane.c - one session of a destination, from connect to QUIT, and what it carries */
#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/delivery/delivery_internal.h"
#include "net/delivery/session_count.h"
#include "net/delivery/source_address.h"

static struct lane *lane_of(struct session *s)
{
	struct lane *lane = container_of(s, struct lane, session);

	CHECK_MAGIC(lane, LANE_MAGIC);
	return lane;
}

static void become_busy(struct lane *lane)
{
	if (!lane->is_idle)
		return;
	lane->is_idle = false;
	conn_cache_remove(&lane->destination->delivery->cached, &lane->cached);
	list_remove(&lane->node);
	list_remove(&lane->idle_node);
	timer_cancel(&lane->idle_timer);
	lane->destination->busy++;
	lane->destination->delivery->idle--;
}

static void become_idle(struct lane *lane)
{
	const struct params *p = lane->destination->delivery->conf.params;

	ASSERT(!lane->is_idle);
	session_reset(&lane->session);
	lane->is_idle = true;
	conn_cache_add(&lane->destination->delivery->cached, &lane->cached);
	lane->destination->busy--;
	lane->destination->delivery->idle++;
	list_push_front(&lane->destination->idle, &lane->node);
	list_push_front(&lane->destination->delivery->idle_lanes, &lane->idle_node);
	timer_arm_in(&lane->idle_timer,
		     min_u64(p->smtp_connection_cache_time_limit_ns, p->connection_cache_ttl_limit_ns));
}

/* Has this connection done enough? (smtp_connection_reuse_*) */
static bool is_worn(const struct lane *lane)
{
	const struct params *p = lane->destination->delivery->conf.params;
	uint32_t limit = p->smtp_connection_reuse_count_limit;

	return (limit > 0 && lane->session.uses > limit) ||
	       reactor_now() - lane->session.opened_ns >= p->smtp_connection_reuse_time_limit_ns;
}

static bool is_in_tls(const struct lane *lane)
{
	return lane->tls != NULL && lane->tls->is_on;
}

/* Another message at once, while it waits here already: no cache is needed for that, but the right to use a connection
 * again. */
static bool may_go_on(const struct lane *lane)
{
	const struct destination *dst = lane->destination;

	return lane->address != LANE_ADDRESS_GONE && !is_worn(lane) && (lane->may_keep || !is_in_tls(lane)) &&
	       (dst->cache_always || dst->delivery->conf.params->smtp_connection_cache_on_demand);
}

/* The next job for a session that can take one now. */
static void feed(struct lane *lane)
{
	struct destination *dst = lane->destination;
	struct job *job;

	if (dst->delivery->draining || !may_go_on(lane) || dst->suspended_until_ns != 0 ||
	    dst->delivery->conf.params->smtp_destination_rate_delay_ns > 0)
		return;
	job = destination_pop_for(dst, lane);
	if (job == NULL)
		return;
	destination_note_start(dst, true);
	if (!trial_start(lane, job, false)) {
		destination_push_ready(dst, job, true);
		destination_starve(dst);
	}
}

/* Does the server offer what the message cannot do without? */
static bool offers_what_is_needed(const struct lane *lane, const struct job *job)
{
	return !(job->msg->facts & MESSAGE_SMTPUTF8) || (lane->session.caps.bits & SMTP_CAP_SMTPUTF8);
}

/* Opened by tables and files that have been read anew since (HUP)? Also in clear: they may want TLS by now. */
static bool is_judged_by_others(const struct lane *lane)
{
	return lane->tls != NULL && lane->tls->context != NULL &&
	       lane->tls->context != lane->destination->delivery->conf.tls;
}

/* In clear because TLS has failed for somebody, who may do without by now. Nobody else may (B 7.6). */
static bool is_fallback(const struct lane *lane)
{
	return lane->tls != NULL && lane->tls->level == TLS_LEVEL_NONE && lane->tls->asked > TLS_LEVEL_NONE;
}

/* Was it opened for mail that asks the same of TLS as this job? */
static bool suits(const struct lane *lane, const struct job *job)
{
	return lane->demand == tls_demand_of(lane->destination->delivery->conf.params, job->msg) &&
	       !is_judged_by_others(lane) && (!is_fallback(lane) || job->plain_at == lane->address + 1);
}

static bool is_good_for(const struct lane *lane, const struct job *job)
{
	return session_can_start(&lane->session) && !is_worn(lane) && suits(lane, job) &&
	       offers_what_is_needed(lane, job);
}

bool lane_fits(const struct lane *lane, const struct job *job)
{
	return (lane->is_idle ? is_good_for(lane, job) : suits(lane, job)) && lane_is_of_same(lane, job);
}

bool lane_carry(struct lane *lane, struct job *job)
{
	ASSERT(lane->is_idle);
	become_busy(lane);
	if (job_is_fresh(job))
		destination_note_start(lane->destination, false);
	if (trial_start(lane, job, true)) {
		metric_add(&metric_cache_hits, 1);
		return true;
	}
	become_idle(lane);
	return false;
}

/* --- where from, where to -------------------------------------------------------------------- */

const struct addr *lane_source(const struct destination *dst, const struct addr *remote)
{
	if (remote->sa.sa_family == AF_INET6 ? dst->bind6_failed : dst->bind_failed)
		return NULL;
	return source_address(dst->delivery->conf.params, remote);
}

/* --- idle sessions of others ------------------------------------------------------------------ */

static bool entry_fits(const struct conn_entry *entry, const void *job)
{
	return is_good_for(container_of(entry, const struct lane, cached), job);	/* who we are is in the key */
}

static void move_to(struct destination *dst, struct lane *lane, unsigned address)
{
	struct destination *from = lane->destination;

	lane->address = address;
	if (from == dst)
		return;
	list_remove(&lane->node);
	list_remove(&lane->all_node);
	from->lanes--;
	lane->destination = dst;
	list_push_front(&dst->idle, &lane->node);
	list_push_back(&dst->all_lanes, &lane->all_node);
	dst->lanes++;
	session_rename(&lane->session, route_host(dst->route, address));
	metric_add(&metric_cache_moved, 1);
	destination_rest(from);
}

struct lane *lane_borrow(struct destination *dst, const struct job *job, unsigned address)
{
	struct delivery *d = dst->delivery;
	struct conn_key key;
	struct credentials_id who;
	char storage[256];
	struct str why = STR(storage);

	if (d->idle == 0 || lane_identify(dst, job, address, &who, &why) < 0)
		return NULL;
	lane_tls_key(&key, dst, address, tls_demand_of(d->conf.params, job->msg), &who);
	struct conn_entry *entry = conn_cache_find(&d->cached, &key, entry_fits, job);

	if (entry == NULL)
		return NULL;
	struct lane *lane = container_of(entry, struct lane, cached);

	move_to(dst, lane, address);
	return lane;
}

static void on_idle_long(struct wheel_timer *timer)
{
	struct lane *lane = container_of(timer, struct lane, idle_timer);

	become_busy(lane);
	session_quit(&lane->session);
}

void lane_sync_tried(struct lane *lane)
{
	struct session *s = &lane->session;

	if (s->current != NULL)
		destination_sync_tried(lane->destination, trial_of(s->current)->attempt.job);
	if (s->riding != NULL)
		destination_sync_tried(lane->destination, trial_of(s->riding)->attempt.job);
}

void lane_proved(struct lane *lane)
{
	struct delivery *d = lane->destination->delivery;

	if (lane->credit == CREDIT_GOOD)
		return;
	credits_put(&d->credits, lane->credit);
	lane->credit = CREDIT_GOOD;
	delivery_feed(d);
}

bool lane_give_up_idle(struct delivery *d)
{
	if (list_is_empty(&d->idle_lanes))
		return false;
	struct lane *lane = list_entry(d->idle_lanes.prev, struct lane, idle_node);

	become_busy(lane);
	session_quit(&lane->session);
	return true;
}

void lanes_quit(struct destination *dst)
{
	list_for_each(node, &dst->all_lanes) {
		struct lane *lane = list_entry(node, struct lane, all_node);

		if (lane->is_idle) {
			become_busy(lane);
			session_quit(&lane->session);
		} else if (lane->leader != NULL) {
			session_abort(&lane->session, -ECANCELED);
		}
	}
}

/* --- the session's events --------------------------------------------------------------------- */

/* Has a connection from this source address come up before? */
static bool *bind_worked(const struct lane *lane)
{
	return &lane->destination->delivery->bind_worked[lane->session.conn.local.sa.sa_family == AF_INET6];
}

/* It has been held against the server, or never will be. */
static void put_dane(struct lane *lane)
{
	if (lane->dane == NULL)
		return;
	lane->tls->check.dane = NULL;
	pool_put(&lane->destination->delivery->danes, &lane->dane);
}

static void on_ready(struct session *s)
{
	struct lane *lane = lane_of(s);
	struct job *job = lane->leader;

	put_dane(lane);
	metric_add(&metric_sessions_opened, 1);
	tls_event_tell(lane->destination->delivery, &lane->tls_event, s);
	session_count_ready(s);
	if (is_in_tls(lane))
		session_tls_keep(lane->tls);
	if (s->is_authenticated)
		lane->destination->auth_rank = MAX(lane->destination->auth_rank, s->auth_rank);
	if (s->conn.local.len > 0)
		*bind_worked(lane) = true;
	if (lane->destination->delivery->draining) {
		session_abort(s, -ECANCELED);
		return;
	}
	if (!trial_start(lane, job, false)) {
		lane->leader = NULL;
		destination_push_ready(lane->destination, job, true);
		destination_starve(lane->destination);
		become_idle(lane);
	}
}

static void on_next(struct session *s)
{
	feed(lane_of(s));
}

static void on_done(struct session *s, struct transaction *t)
{
	struct lane *lane = lane_of(s);

	trial_finish(trial_of(t));
	if (s->current != NULL)
		return;		/* the one that rode behind goes on */
	if (session_can_start(s))
		feed(lane);
	if (s->current != NULL || s->conn.state != CONN_OPEN)
		return;
	struct delivery *d = lane->destination->delivery;

	/* A connection that is kept for later may be one that others need at once. */
	if (!session_can_start(s) || !may_go_on(lane) || !lane->destination->cache_store || d->draining ||
	    (!list_is_empty(&d->starving) && pool_free(&d->lanes) == 0))
		session_quit(s);
	else
		become_idle(lane);
	destination_wake(lane->destination);
}

static struct job *take_leader(struct lane *lane)
{
	struct job *job = lane->leader;

	lane->leader = NULL;
	return job;
}

/* "Address not available" is said of an address that is not ours, and when its ports are used up (row NET-03). The
 * second is no reason to go without it. */
static bool bind_failed(const struct lane *lane)
{
	const struct session_failure *f = &lane->session.failure;

	if (lane->session.conn.local.len == 0 || f->state != SESSION_CONNECT)
		return false;
	return f->err == -EACCES || (f->err == -EADDRNOTAVAIL && !*bind_worked(lane));
}

/* A source address that cannot be bound is left out with a warning, unless policy says otherwise (B 5). */
static bool retry_unbound(struct lane *lane)
{
	struct session *s = &lane->session;
	struct destination *dst = lane->destination;

	if (!bind_failed(lane) || dst->delivery->conf.params->smtp_bind_address_enforce)
		return false;
	log_line(LOG_LEVEL_WARNING, delivery_log_name(),
		 "cannot bind the source address for %.*s (smtp_bind_address): the system chooses",
		 SLICE_FMT(session_relay(s)));
	if (s->conn.local.sa.sa_family == AF_INET6)
		dst->bind6_failed = true;
	else
		dst->bind_failed = true;
	return true;
}

/* B 7.6: at the level may, and not in a first, quick try. What we do not understand is no reason to do it in clear. */
bool lane_may_go_plain(const struct lane *lane, const struct job *job)
{
	const struct session *s = &lane->session;
	const struct session_failure *f = &s->failure;
	uint64_t active_ns = reactor_queue_now() - min_u64(reactor_now() - job->ready_ns, reactor_queue_now());
	bool broke = f->tls == SESSION_TLS_HANDSHAKE ||
		     (f->tls == SESSION_TLS_FINE && lane->tls != NULL && lane->tls->was_on &&
		      (s->lost_err == ERR_EOF || s->lost_err == ERR_TIMEOUT || s->lost_err == -ECONNRESET));

	if (credentials_are_some(&lane->who))
		return false;		/* who listens would hear how we prove who we are */
	if (!broke || lane->tls->level != TLS_LEVEL_MAY || s->requiretls >= REQUIRETLS_STARTTLS ||
	    lane->address == LANE_ADDRESS_GONE || lane->destination->delivery->draining)
		return false;
	return (job->msg->facts & MESSAGE_PROBE) ||
	       active_ns >= job->msg->arrival_ns + lane->destination->delivery->conf.params->minimal_backoff_time_ns;
}

/* A handshake that fails at the level may: later it goes in clear, so the destination has not failed (B 19.1). */
static bool is_patient(const struct lane *lane)
{
	return lane->session.failure.tls == SESSION_TLS_HANDSHAKE && lane->tls->level == TLS_LEVEL_MAY;
}

/* Nothing comes of this host. Is there another one? */
static bool go_on_elsewhere(struct destination *dst, struct job *job, unsigned address)
{
	destination_sync_tried(dst, job);
	destination_mark_tried(job, address);
	return destination_has_next(dst, job);
}

/* What is behind the last host of the list could not even be found: the last error counts (B 4, case 81). */
static bool put_tail_error(const struct destination *dst, struct outcome *outcome, struct str *why)
{
	const struct mx_error *tail = route_tail_error(dst->route);

	if (tail == NULL)
		return false;
	*outcome = (struct outcome){ OUTCOME_SOFT, { tail->class, tail->subject, tail->detail } };
	str_clear(why);
	str_add_cut(why, slice_of_str(tail->text), why->cap);
	return true;
}

static void leader_failed(struct lane *lane, struct job *job)
{
	struct destination *dst = lane->destination;
	char storage[SESSION_FAILURE_MAX + 256];
	struct str why = STR(storage);
	struct outcome outcome = bind_failed(lane) ? outcome_of_bind_failure(&lane->session, &why) :
						     outcome_of_failure(&lane->session, &why);

	metric_add(&metric_connects_failed, 1);
	session_count_failed(&lane->session);
	lane_note_auth(lane);
	if (lane_may_go_plain(lane, job)) {
		job->plain_at = (uint8_t)(lane->address + 1);
		delivery_log_job(job, str_slice(&why));
		destination_push_ready(dst, job, true);
		return;
	}
	if (lane->session.failure.state == SESSION_CONNECT)
		log_put(LOG_LEVEL_INFO, delivery_log_name(), str_slice(&why));
	if (outcome_is_local(lane->session.failure.err)) {
		destination_answer(dst, job, lane, outcome, SESSION_CONNECT, str_slice(&why), false);
		return;
	}
	bool has_next = go_on_elsewhere(dst, job, lane->address);
	bool until_final = outcome_is_until_final(&lane->session);

	if (lane->address != LANE_ADDRESS_GONE && !until_final)
		dst->route->addresses[lane->address].avoid_until_ns = reactor_now() + ROUTE_AVOID_NS;
	bool may_skip = outcome.kind == OUTCOME_SOFT || until_final || dst->delivery->conf.params->soft_bounce;

	if (may_skip && !lane->session.failure.is_last && has_next) {
		if (lane->session.failure.state != SESSION_CONNECT)
			delivery_log_job(job, str_slice(&why));
		destination_push_ready(dst, job, true);
		return;
	}
	bool not_found = may_skip && !lane->session.failure.is_last && put_tail_error(dst, &outcome, &why);

	destination_answer(dst, job, lane, outcome, lane->session.failure.state, str_slice(&why),
			   not_found || !(is_patient(lane) || until_final));
}

/* Whoever caused what is to be reported has been told already; this is for the postmaster (B 22.5). leader: for which
 * the session never became ready, or NULL. */
static void report(struct delivery *d, struct session *s, const struct job *leader)
{
	if (s->transcript == NULL)
		return;
	if ((s->raised & d->conf.params->notify_classes) &&
	    (leader == NULL || transcript_is_wanted(leader->msg->sender)))
		d->conf.report(d->conf.report_context, session_peer(s), s->transcript);
	pool_put(&d->transcripts, &s->transcript);
}

static void on_closed(struct session *s)
{
	struct lane *lane = lane_of(s);
	struct destination *dst = lane->destination;
	struct delivery *d = dst->delivery;
	struct job *job = take_leader(lane);
	struct slice offence = session_offence(s);

	if (offence.len > 0)
		log_line(LOG_LEVEL_WARNING, delivery_log_name(), "protocol error: %.*s sent \"%.*s\", which is no reply",
			 SLICE_FMT(session_relay(s)), SLICE_FMT(offence));
	report(d, s, job);
	tls_event_tell(d, &lane->tls_event, s);
	if (lane->is_idle)
		become_busy(lane);	/* the server went first */
	dst->busy--;
	dst->lanes--;
	list_remove(&lane->all_node);
	bool unbound = job != NULL && !d->draining && retry_unbound(lane);

	if (unbound)
		destination_push_ready(dst, job, true);
	else if (job != NULL && d->draining)
		destination_push_ready(dst, job, true);	/* where it stays */
	else if (job != NULL)
		leader_failed(lane, job);
	credits_put(&d->credits, lane->credit);
	put_dane(lane);
	pool_put(&d->tls, &lane->tls);
	lane->magic = 0;
	pool_put(&d->lanes, &lane);
	destination_wake(dst);
	destination_rest(dst);
	delivery_feed(d);
	delivery_drain_check(d);
}

static const struct session_events session_events = {
	.credentials = lane_on_credentials,
	.ready = on_ready,
	.next = on_next,
	.done = on_done,
	.closed = on_closed,
};

/* --- opening ---------------------------------------------------------------------------------- */

static uint32_t debug_level(const struct destination *dst, struct slice host, const struct addr *remote)
{
	const struct params *p = dst->delivery->conf.params;

	if (p->debug_peer_list == NULL)
		return 0;
	if (dst->is_watched || mlist_match_host(p->debug_peer_list, host, remote, true) > 0)
		return p->debug_peer_level;
	return 0;
}

static struct transcript *take_transcript(struct delivery *d)
{
	struct transcript *t = d->transcripts.count > 0 ? pool_take(&d->transcripts) : NULL;

	if (t != NULL)
		transcript_init(t);
	return t;
}

void lane_skip_host(struct destination *dst, struct job *job, unsigned address, struct outcome outcome,
		    struct str *why, bool is_about_host)
{
	log_put(LOG_LEVEL_WARNING, "smtp", str_slice(why));
	if (go_on_elsewhere(dst, job, address)) {
		destination_push_ready(dst, job, true);
		return;
	}
	bool not_found = put_tail_error(dst, &outcome, why);

	destination_answer(dst, job, NULL, outcome, SESSION_CONNECT, str_slice(why),
			   not_found || is_about_host);
}

/* Who we are to be. False: nobody can say, and the host has been skipped. */
static bool choose_credentials(struct destination *dst, struct job *job, unsigned address,
			       struct credentials_id *ret_who)
{
	const struct outcome soft = { OUTCOME_SOFT, { 4, 3, 0 } };
	char storage[SESSION_FAILURE_MAX];
	struct str why = STR(storage);

	if (lane_identify(dst, job, address, ret_who, &why) >= 0)
		return true;
	lane_skip_host(dst, job, address, soft, &why, true);
	return false;
}

/* NULL: none can be had now. */
static struct lane *take_lane(struct destination *dst)
{
	struct delivery *d = dst->delivery;

	if (!credits_take(&d->credits, dst->credit)) {
		destination_stand_trial(dst);
		return NULL;
	}
	struct lane *lane = pool_take(&d->lanes);

	if (lane == NULL) {
		credits_put(&d->credits, dst->credit);
		(void)lane_give_up_idle(d);	/* its end wakes who stands in line */
	}
	return lane;
}

static void begin_lane(struct lane *lane, struct destination *dst, struct job *job, unsigned address)
{
	lane->magic = LANE_MAGIC;
	lane->destination = dst;
	list_init(&lane->node);
	list_init(&lane->all_node);
	list_init(&lane->idle_node);
	lane->leader = job;
	lane->address = address;
	lane->is_idle = false;
	lane->credit = dst->credit;
	lane->handoff_ns = reactor_queue_now();
	wheel_timer_init(&lane->idle_timer, on_idle_long);
}

enum lane_start lane_open(struct destination *dst, struct job *job, unsigned address)
{
	struct delivery *d = dst->delivery;
	struct addr remote;
	struct credentials_id who;
	struct lane_tls choice;

	if (!choose_credentials(dst, job, address, &who))
		return LANE_BEGUN;
	enum lane_start start = lane_tls_choose(dst, job, address, &who, &choice);

	if (start != LANE_BEGUN || choice.is_skipped)
		return start;
	struct lane *lane = take_lane(dst);

	if (lane == NULL) {
		lane_tls_put(d, &choice);
		return LANE_STARVED;
	}
	begin_lane(lane, dst, job, address);
	lane->tls = choice.tls;
	lane->dane = choice.dane;
	lane->tls_event = choice.event;
	lane->demand = choice.demand;
	lane->may_keep = choice.may_keep;
	lane->who = who;
	list_push_back(&dst->all_lanes, &lane->all_node);
	dst->busy++;
	dst->lanes++;
	if (job_is_fresh(job))
		destination_note_start(dst, false);
	remote = route_addr(dst->route, address);
	lane->cached.key = choice.key;
	lane->cached.is_in = false;
	session_open(&lane->session, &session_events, d->conf.params,
		     &(struct session_target){
			     .host = remote.sa.sa_family == AF_UNIX ? slice_of_str(d->conf.params->myhostname)
								    : route_host(dst->route, address),
			     .debug_level = debug_level(dst, route_host(dst->route, address), &remote),
			     .transcript = take_transcript(d),
			     .remote = &remote,
			     .local = lane_source(dst, &remote),
			     .tls = choice.tls,
			     .requiretls = choice.requiretls,
			     .auth = { credentials_are_some(&who), dst->auth_rank, &d->auths },
			     .until_ns = destination_request_end(dst, job),
			     .works = &d->works,
			     .tables = d->conf.tables,
			     .generic = &d->generic,
			     .mapper = generic_is_wanted(&d->generic) ? (struct mapper *)(lane + 1) : NULL,
			     .contents = &d->contents,
			     .zero_copy = &d->zero_copy,
			     .is_worse_mx = dst->route->addresses[address].is_worse,
			     .lmtp = d->conf.params->is_lmtp,
			     .chunking = dst->chunking,
		     });
	return LANE_BEGUN;
}
