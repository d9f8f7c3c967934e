/* trial.c - one attempt: some recipients of a job, on one session or on none */
#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "core/random.h"
#include "net/delivery/delivery_internal.h"
#include "net/delivery/retry.h"

static struct rcpt *rcpt_at(const struct job *job, uint32_t i)
{
	return &job->msg->rcpts[i];
}

static bool is_untried(const struct rcpt *r)
{
	return r->state == RCPT_OPEN && r->outcome == OUTCOME_NONE;
}

const struct rcpt *job_next_rcpt(struct job *job)
{
	for (; job->next < job->first + job->count; job->next++)
		if (is_untried(rcpt_at(job, job->next)))
			return rcpt_at(job, job->next);
	return NULL;
}

static uint32_t tighter(uint32_t a, uint32_t b)
{
	return a == 0 || (b > 0 && b < a) ? b : a;
}

/* Not the first of this transaction, and of another domain than the one before: one domain more. Whether it has been
 * seen further up is not asked: at worst a transaction is shorter than LIMITS RCPTDOMAINMAX would have it. */
static bool is_other_domain(struct slice addr, struct slice *last)
{
	ptrdiff_t at = slice_find_last_char(addr, '@');
	struct slice domain = at < 0 ? (struct slice){ 0 } : slice_of(addr.ptr + at, addr.len - (size_t)at);
	bool other = last->ptr == NULL || !slice_eq_nocase(domain, *last);

	*last = at < 0 ? slice_of("", 0) : domain;
	return other;
}

/* The next recipients to try: from the first untried one on, as many as one transaction may have. caps: what the server
 * said about that (RFC 9422), or NULL. */
static void choose_rcpts(const struct params *p, const struct smtp_caps *caps, struct job *job, struct attempt *a)
{
	uint32_t end = job->first + job->count;
	uint32_t limit = tighter(p->smtp_destination_recipient_limit, caps != NULL ? caps->rcpt_max : 0);
	uint32_t domains_max = caps != NULL ? caps->rcpt_domain_max : 0;
	uint32_t i = (uint32_t)(job_next_rcpt(job) - job->msg->rcpts);
	uint32_t chosen = 0, domains = 0;
	struct slice domain = { 0 };

	a->first = i;
	for (; i < end && (limit == 0 || chosen < limit); i++) {
		if (!is_untried(rcpt_at(job, i)))
			continue;
		if (domains_max > 0 && is_other_domain(rcpt_at(job, i)->addr, &domain) && ++domains > domains_max)
			break;
		chosen++;
	}
	a->count = i - a->first;
	ASSERT(chosen > 0);
}

static void on_body_ready(struct body *body)
{
	struct trial *t = container_of(body, struct trial, attempt.body);

	if (!t->finished && t->lane != NULL)
		session_body_ready(&t->lane->session);
}

static struct trial *trial_take(struct delivery *d, struct job *job, const struct smtp_caps *caps)
{
	struct trial *t = pool_take(&d->trials);

	if (t == NULL)
		return NULL;
	memset(&t->attempt, 0, offsetof(struct attempt, relay));
	t->attempt.magic = ATTEMPT_MAGIC;
	t->attempt.job = job;
	t->attempt.core = d->conf.core;
	t->attempt.body.on_ready = on_body_ready;
	t->attempt.body.release = d->conf.source->release;
	t->lane = NULL;
	t->address = LANE_ADDRESS_GONE;
	t->route_generation = 0;
	t->claiming = false;
	t->finished = false;
	t->hop_failed = false;
	t->had_session = false;
	t->local_failed = false;
	t->lost = false;
	t->plain_next = false;
	t->from_cache = false;
	t->nothing_left = false;
	t->too_many = false;
	choose_rcpts(d->conf.params, caps, job, &t->attempt);
	/* When it came into the queue. */
	t->attempt.times.active_ns = reactor_queue_now() - min_u64(reactor_now() - job->ready_ns, reactor_queue_now());
	return t;
}

static void judge(struct transaction *transaction, struct rcpt *rcpt, const struct verdict *v)
{
	struct trial *t = trial_of(transaction);
	const struct params *p = delivery_self()->conf.params;

	outcome_judge(&t->attempt, rcpt, v, session_peer(&t->lane->session), p->soft_bounce);
	t->local_failed |= v->reply == NULL && (v->is_ours || outcome_is_local(v->err));
	t->lost |= v->reply == NULL && v->err != -EMSGSIZE && v->err != -EBADMSG && !v->until_final;
	/* It takes no more at a time, but did take some (RFC 5321 4.5.3.1.10, row RPL-14). */
	if (v->reply != NULL && v->step == SESSION_RCPT && v->reply->code == 452 && transaction->accepted > 0)
		t->too_many = true;
	/* A server that gave up while it waited for our own disk is not to blame (row SPL-08). */
	if (v->reply == NULL && !v->waited_for_us &&
	    (v->err == ERR_EOF || v->err == ERR_TIMEOUT || v->err == ERR_PROTO || v->err == -EALREADY ||
	     v->err == -ECONNRESET))
		t->hop_failed = true;
}

/* Policy lets it go without what its sender asked for; he is to find out why. */
static void tell_without_requiretls(const struct lane *lane, const struct job *job)
{
	NOT_ZEROED char storage[SESSION_RELAY_MAX + 128];
	struct str text = STR(storage);
	const struct session *s = &lane->session;
	const bool is_enough = s->tls != NULL && s->tls->level > TLS_LEVEL_ENCRYPT;

	if (s->requiretls == REQUIRETLS_DISABLE || (is_enough && (s->caps.bits & SMTP_CAP_REQUIRETLS)))
		return;
	if (s->caps.bits & SMTP_CAP_REQUIRETLS)
		str_add_cstr(&text, "REQUIRETLS is passed on without a matching certificate to ");
	else
		str_add_cstr(&text, "REQUIRETLS is not offered, and not insisted on, by ");
	str_add(&text, session_relay(s));
	delivery_log_job(job, str_slice(&text));
}

bool trial_start(struct lane *lane, struct job *job, bool from_cache)
{
	struct delivery *d = lane->destination->delivery;
	struct trial *t = trial_take(d, job, &lane->session.caps);

	if (t == NULL)
		return false;
	struct attempt *a = &t->attempt;

	t->lane = lane;
	a->times.handoff_ns = lane->leader == job ? lane->handoff_ns : reactor_queue_now();
	t->transaction = (struct transaction){
		.msg = job->msg,
		.rcpts = rcpt_at(job, a->first),
		.rcpt_count = a->count,
		.body = &a->body,
		.judge = judge,
		.wants_requiretls = lane->session.requiretls > REQUIRETLS_DISABLE,
		.never_ahead = job->never_ahead,
		.until_ns = destination_request_end(lane->destination, job),
	};
	lane->session.chunking &= lane->destination->chunking;
	if (lane->leader == job)
		lane->leader = NULL;
	t->claiming = true;
	tell_without_requiretls(lane, job);
	metric_add(&metric_transactions, 1);
	t->from_cache = from_cache;
	d->conf.source->claim(a);
	if (from_cache)
		session_probe(&lane->session);
	session_start(&lane->session, &t->transaction);
	return true;
}

/* --- the end of it ---------------------------------------------------------------------------- */

static void name_relay(struct attempt *a, struct slice text)
{
	struct str relay = STR(a->relay);

	str_add_cut(&relay, text, sizeof(a->relay));
	a->relay_len = (uint32_t)relay.len;
}

/* What became of TLS at lane; nothing before there was a connection. */
static void tell_tls(struct attempt *a, const struct lane *lane)
{
	struct str words = STR(a->tls);

	if (lane != NULL && lane->session.failure.state != SESSION_CONNECT &&
	    delivery_self()->conf.params->smtp_log_tls_feature_status) {
		tls_policy_status(lane->tls, lane->session.failure.state, lane->session.failure.tls, &words);
		requiretls_status(&lane->session, &words);
	}
	a->tls_len = (uint32_t)words.len;
}

static bool is_at(const struct rcpt *r, enum rcpt_outcome outcome)
{
	return r->state == RCPT_OPEN && r->outcome == outcome;
}

static bool any_at(const struct attempt *a, enum rcpt_outcome outcome)
{
	for (uint32_t i = a->first; i < a->first + a->count; i++)
		if (is_at(rcpt_at(a->job, i), outcome))
			return true;
	return false;
}

/* One session more that did not bring it all (smtp_mx_session_limit); counted anew for each element of the list. */
static void count_session(struct job *job, const struct route *route, unsigned address)
{
	uint32_t limit = delivery_self()->conf.params->smtp_mx_session_limit;

	if (address >= route->count)
		return;
	if (job->element != route->addresses[address].element)
		job->sessions = 0;
	job->element = route->addresses[address].element;
	if (++job->sessions >= limit && limit > 0)
		route_use_up(route, address, job->tried);
}

/* This host again: each time somebody is done with, or something is done otherwise. */
static bool stays_here(const struct trial *t)
{
	return t->transaction.retry_here || (t->too_many && any_at(&t->attempt, OUTCOME_SENT)) ||
	       (t->plain_next && any_at(&t->attempt, OUTCOME_SOFT));
}

/* Is there another host for those who failed softly? Marks this one as tried. */
static bool has_next_host(struct trial *t)
{
	struct job *job = t->attempt.job;
	struct destination *dst = job->destination;

	if (!t->had_session || t->local_failed || dst->route == NULL || dst->route->state != ROUTE_READY)
		return false;
	if (stays_here(t))
		return true;
	t->address = destination_address_now(dst, t->address, t->route_generation);
	destination_sync_tried(dst, job);
	destination_mark_tried(job, t->address);
	count_session(job, dst->route, t->address);
	if (!destination_has_next(dst, job))
		return false;
	/* A cached session stands for its server, however often that is in the list (B 4, step 5). */
	if (t->from_cache)
		route_mark_same(dst->route, t->address, job->tried);
	t->nothing_left = route_next(dst->route, job->tried, reactor_now()) < 0;
	return !t->nothing_left;
}

/* "QUEUEID: reason", once for all recipients of one reply (B 4.1). */
static void log_skipped(const struct attempt *a)
{
	const char *said = NULL;

	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		const struct rcpt *r = rcpt_at(a->job, i);

		if (!is_at(r, OUTCOME_SOFT) || r->text.ptr == said)
			continue;
		said = r->text.ptr;
		delivery_log_job(a->job, r->text);
	}
}

/* No host is left. When what came after the last of them in the list could not even be found, that is what is said (B
 * 4: the last error counts, unless it is hard and an earlier one was not). */
static void end_round_for_soft(struct trial *t)
{
	struct attempt *a = &t->attempt;
	const struct destination *dst = a->job->destination;
	const struct mx_error *tail =
		t->had_session && !t->local_failed && dst->route != NULL ? route_tail_error(dst->route) : NULL;
	static const struct mx_error unavailable = {
		.class = 4, .subject = 3, .detail = 0, .text = "server unavailable or unable to receive mail",
	};

	if (t->nothing_left)
		tail = &unavailable;
	if (tail != NULL)
		log_skipped(a);
	struct slice why = tail != NULL ? outcome_keep_text(a, slice_of_str(tail->text)) : (struct slice){ 0 };

	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = rcpt_at(a->job, i);

		if (!is_at(r, OUTCOME_SOFT))
			continue;
		outcome_end_round(r);
		if (tail == NULL || r->outcome != OUTCOME_DEFERRED)
			continue;
		r->dsn = (struct enhanced_code){ tail->class, tail->subject, tail->detail };
		r->text = why;
	}
	t->hop_failed |= tail != NULL;
}

/* B 23: the destination failed, as far as this round goes; some other session of it did not. */
static void report_hop(struct trial *t, const struct rcpt *deferred)
{
	if (t->hop_failed && !t->attempt.job->completed)
		destination_failed(t->attempt.job->destination, deferred->dsn, deferred->text);
}

/* However many portions of a job fail in one round, it is one attempt: job->due_ns is 0 until the first of them has
 * been deferred. */
static void conclude(struct trial *t)
{
	struct attempt *a = &t->attempt;
	const struct params *p = delivery_self()->conf.params;
	bool expired = retry_is_expired(p, a->job->msg, reactor_queue_now());
	const struct rcpt *deferred = NULL;
	bool later = false;

	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = rcpt_at(a->job, i);

		if (r->state != RCPT_OPEN)
			continue;
		if (deferred == NULL && r->outcome == OUTCOME_DEFERRED)
			report_hop(t, deferred = r);
		if (!outcome_conclude(a, r, p, expired))
			log_line(LOG_LEVEL_WARNING, delivery_log_name(), "smtp_delivery_status_filter has no good answer for \"%.*s\"",
				 SLICE_FMT(r->text));
		later |= r->outcome == OUTCOME_DEFERRED;
	}
	if (!later)
		return;
	a->job_attempts = a->job->attempts + (a->job->due_ns == 0);
	a->retry_at_ns = reactor_queue_now() + retry_wait_ns(p, a->job_attempts, random_u64());
}

/* The connection had died while it was kept: nobody was told anything of this attempt (B 18.3). */
static void settle_stale(struct trial *t)
{
	struct attempt *a = &t->attempt;

	metric_add(&metric_cache_stale, 1);
	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = rcpt_at(a->job, i);

		if (!is_untried(r))
			continue;
		r->outcome = OUTCOME_SOFT;
		r->ambiguous = false;	/* an earlier attempt may have been, and has said so */
	}
	delivery_self()->conf.source->settle(a);
}

static void settle(struct trial *t)
{
	struct attempt *a = &t->attempt;

	a->job_attempts = a->job->attempts;
	if (t->had_session && t->transaction.stale) {
		settle_stale(t);
		return;
	}
	if (t->had_session && !t->lost)
		a->job->completed = true;
	bool goes_on = any_at(a, OUTCOME_SOFT) && has_next_host(t);

	if (goes_on)
		log_skipped(a);
	else
		end_round_for_soft(t);
	if (!goes_on || stays_here(t))
		a->job->destination->last_done_ns = reactor_now();
	conclude(t);
	delivery_self()->conf.source->settle(a);
}

/* The way it was sent was wrong, not the message nor the host: from now on it is done otherwise (row EHL-08). */
static void note_doubt(struct trial *t)
{
	struct job *job = t->attempt.job;

	job->never_ahead = true;
	t->hop_failed = false;
	if (!t->lane->session.chunking_broken || !job->destination->chunking)
		return;
	job->destination->chunking = false;
	log_line(LOG_LEVEL_WARNING, delivery_log_name(), "%.*s offers CHUNKING and knows no BDAT: no BDAT for this destination any more",
		 SLICE_FMT(session_relay(&t->lane->session)));
}

/* Once for each request, however many lines and transactions. */
static void tell_wrapped(struct job *job)
{
	char storage[128];
	struct str text = STR(storage);

	if (job->wrap_told)
		return;
	job->wrap_told = true;
	str_printf(&text, "breaking line > %u bytes with <CR><LF>SPACE",
		   delivery_self()->conf.params->smtp_line_length_limit);
	delivery_log_job(job, str_slice(&text));
}

void trial_finish(struct trial *t)
{
	struct attempt *a = &t->attempt;

	t->finished = true;
	t->had_session = true;
	t->address = t->lane->address;
	t->route_generation = a->job->destination->route_generation;
	name_relay(a, session_relay(&t->lane->session));
	tell_tls(a, t->lane);
	a->conn_use = t->transaction.use;
	a->times.mail_ns = t->transaction.mail_ns;
	a->times.done_ns = t->transaction.done_ns;
	if (t->transaction.retry_here)
		note_doubt(t);
	if (t->transaction.wrapped)
		tell_wrapped(a->job);
	struct lane *lane = t->lane;

	t->plain_next = t->lost && lane_may_go_plain(lane, a->job);
	if (t->plain_next)
		a->job->plain_at = (uint8_t)(lane->address + 1);
	t->lane = NULL;		/* it goes on with something else, or goes */
	if (stays_here(t) || (job_next_rcpt(a->job) != NULL && !is_by_rcpt(delivery_self())))
		destination_note_start(a->job->destination, true);	/* the next portion, once this is settled */
	if (!t->hop_failed && !t->transaction.stale) {
		destination_worked(a->job->destination);
		lane_proved(lane);
	}
	if (!t->claiming)	/* otherwise with the answer to the claim, which is on its way */
		settle(t);
}

void delivery_on_claimed(struct attempt *a, int err)
{
	struct trial *t = container_of(a, struct trial, attempt);

	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	ASSERT(t->claiming);
	t->claiming = false;
	a->claim_err = err;
	if (err < 0 && a->body.err == 0)
		a->body.err = err;
	if (t->finished)
		settle(t);
	else
		on_body_ready(&a->body);
}

bool trial_answer(struct destination *dst, struct job *job, const struct lane *lane, struct outcome outcome,
		  enum session_state step, struct slice why, bool hop_failed)
{
	struct trial *t = trial_take(dst->delivery, job, NULL);

	if (t == NULL)
		return false;
	/* All that is left of the job, not only one transaction's share: the others would hear the same. */
	if (!is_by_rcpt(dst->delivery))
		t->attempt.count = job->first + job->count - t->attempt.first;
	name_relay(&t->attempt, SLICE("none"));
	tell_tls(&t->attempt, lane);
	t->attempt.times.handoff_ns = t->attempt.times.active_ns;
	t->attempt.times.done_ns = reactor_queue_now();
	t->hop_failed = hop_failed;
	t->finished = true;
	outcome_apply(&t->attempt, outcome, step, why);
	settle(t);
	return true;
}

/* --- settled ---------------------------------------------------------------------------------- */

/* Recipients that go to the next host are untried again; those deferred stay so until the round is over. */
static void reset_outcomes(const struct attempt *a)
{
	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = rcpt_at(a->job, i);

		r->text = (struct slice){ 0 };
		if (is_at(r, OUTCOME_SOFT))
			r->outcome = OUTCOME_NONE;
		if (is_at(r, OUTCOME_DEFERRED))
			r->outcome = OUTCOME_WAITING;
		if (is_untried(r))
			a->job->next = MIN(a->job->next, i);
	}
}

static void end_round(struct job *job)
{
	PARANOID(job->due_ns != 0);	/* whoever is still open has been deferred in this round */
	for (uint32_t i = job->first; i < job->first + job->count; i++)
		if (rcpt_at(job, i)->state == RCPT_OPEN)
			rcpt_at(job, i)->outcome = OUTCOME_NONE;
	job->next = job->first;
	destination_new_round(job);
	/* Jobs may wait for days, and more destinations may fail than there is room for: the heap knows only jobs. */
	struct destination *dst = job->destination;

	job->destination = NULL;
	delivery_defer(delivery_self(), job);
	destination_job_left(dst);
}

void delivery_on_settled(struct attempt *a, int err)
{
	struct trial *t = container_of(a, struct trial, attempt);
	struct delivery *d = delivery_self();
	struct job *job = a->job;
	struct destination *dst = job->destination;

	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	if (!any_at(a, OUTCOME_SOFT)) {
		job->begun_ns = 0;	/* what is left of the job is another request */
		job->wrap_told = false;
	}
	reset_outcomes(a);
	if (a->retry_at_ns != 0) {
		job->attempts = a->job_attempts;
		job->due_ns = a->retry_at_ns;
	}
	if (job->open == 0 || err == ERR_CORRUPT) {
		job->destination = NULL;
		d->conf.source->finish(job);
		destination_job_left(dst);
	} else if (job_next_rcpt(job) != NULL) {
		destination_go_on(dst, job);
	} else {
		end_round(job);
	}
	a->magic = 0;
	pool_put(&d->trials, &t);
	destination_wake(dst);
	delivery_feed(d);
	delivery_drain_check(d);
}
