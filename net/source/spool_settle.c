#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"

static void settle_go(struct spool_attempt *p);

/* --- what became of each recipient -------------------------------------------------------------------------------- */

static enum rcpt_state state_after(const struct rcpt *r)
{
	if (r->state != RCPT_OPEN)
		return (enum rcpt_state)r->state;
	switch ((enum rcpt_outcome)r->outcome) {
	case OUTCOME_SENT:
		return RCPT_SENT;
	case OUTCOME_HARD:
		return RCPT_BOUNCED;
	case OUTCOME_NONE:
	case OUTCOME_SOFT:
	case OUTCOME_DEFERRED:
	case OUTCOME_WAITING:
		break;
	}
	return RCPT_OPEN;
}

/* The final dot was under way, and it is tried again: the next delivery may be the second (RFC 1047). */
static bool is_in_doubt_after(const struct rcpt *r)
{
	return state_after(r) == RCPT_OPEN && r->ambiguous;
}

static void log_ambiguous(const struct spool_message *m, const struct rcpt *r)
{
	char id[MESSAGE_ID_TEXT_MAX];
	char addr[SPOOL_ADDR_MAX];
	struct str s = STR(addr);

	message_log_addr(&s, r->addr, sizeof(addr));
	log_line(LOG_LEVEL_WARNING, "qmgr",
		 "%s: to=<%.*s>, may be delivered twice: the reply to the final dot is not known",
		 spool_id_cstr(m->msg.id, id), (int)s.len, s.ptr);
	metric_add(&spool_metric_ambiguous, 1);
}

static void tell_closed(struct spool_attempt *p, const struct rcpt *r, enum rcpt_state state)
{
	const struct spool *s = p->m->journal->spool;

	p->m->journal->bounces_put += state == RCPT_BOUNCED;
	metric_add(state == RCPT_SENT ? &spool_metric_sent : &spool_metric_bounced, 1);
	s->conf.log_rcpt(p->a, r, state == RCPT_SENT ? MAILLOG_SENT : MAILLOG_BOUNCED);
}

/* It is on disk: now, and not before, anybody may hear of it (P2). True when the recipient is not open any more. */
static bool apply(struct spool_attempt *p, uint32_t i)
{
	struct spool_message *m = p->m;
	struct rcpt *r = &m->msg.rcpts[i];
	const enum rcpt_state state = state_after(r);

	if (r->state != RCPT_OPEN || r->outcome == OUTCOME_WAITING)
		return false;
	if (state != RCPT_OPEN) {
		spool_message_close_rcpt(m, i, state);
		tell_closed(p, r, state);
		return true;
	}
	r->in_doubt = is_in_doubt_after(r);
	if (r->in_doubt)
		log_ambiguous(m, r);
	if (r->outcome == OUTCOME_DEFERRED) {
		metric_add(&spool_metric_deferred, 1);
		m->journal->spool->conf.log_rcpt(p->a, r, r->is_softened ? MAILLOG_SOFTBOUNCE : MAILLOG_DEFERRED);
	}
	return false;
}

static void settle_end(struct spool_attempt *p)
{
	struct attempt *a = p->a;
	struct spool_message *m = p->m;
	struct spool_job *job = container_of(a->job, struct spool_job, job);
	uint32_t closed = 0;

	for (uint32_t i = a->first; i < a->first + a->count; i++)
		closed += apply(p, i);
	ASSERT(job->open >= closed);
	job->open -= closed;
	if (a->retry_at_ns != 0) {
		job->attempts = a->job_attempts;
		job->due_ns = a->retry_at_ns;
	}
	a->errand.closed = closed;
	spool_attempt_put(&p);
	spool_attempt_answer(a, m->state == SPOOL_MESSAGE_DAMAGED ? ERR_CORRUPT : 0, 0);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static int append(struct spool_message *m, enum spool_record_type type, struct slice record)
{
	struct journal_ref ref;

	return journal_append(m->journal->journal, (uint8_t)type, JOURNAL_END, &record, 1, &ref);
}

static int append_outcomes(struct spool_attempt *p, uint32_t first, uint32_t count)
{
	uint8_t *record = p->m->journal->spool->scratch;
	size_t len = spool_write_settle_head(record, p->m->msg.id, first, count);

	for (uint32_t i = first; i < first + count; i++) {
		const struct rcpt *r = &p->m->msg.rcpts[i];

		p->m->journal->bounces_recorded += r->state == RCPT_OPEN && state_after(r) == RCPT_BOUNCED;
		len += spool_write_settle_entry(record + len, state_after(r), is_in_doubt_after(r), r->dsn);
	}
	return append(p->m, SPOOL_SETTLE, slice_of(record, len));
}

static int append_deferral(struct spool_attempt *p)
{
	const struct attempt *a = p->a;
	const struct spool_retry retry = {
		.first = a->job->first, .count = a->job->count, .attempts = a->job_attempts,
		.due_ns = spool_time(p->m->journal, a->retry_at_ns),
	};
	uint8_t record[SPOOL_DEFER_SIZE];

	return append(p->m, SPOOL_DEFER, slice_of(record, spool_write_defer(record, p->m->msg.id, &retry)));
}

/* All of them. Said twice after a failure half way, which does no harm. */
static int append_all(struct spool_attempt *p)
{
	const struct attempt *a = p->a;
	int r = 0;

	for (uint32_t done = 0; done < a->count && r == 0;) {
		const uint32_t count = MIN(a->count - done, SPOOL_SETTLE_MAX);

		r = append_outcomes(p, a->first + done, count);
		done += count;
	}
	if (r == 0 && a->retry_at_ns != 0)
		r = append_deferral(p);
	return r;
}

static void settle_on_timer(struct wheel_timer *timer)
{
	settle_go(container_of(timer, struct spool_attempt, timer));
}

static void settle_on_room(struct journal_waiter *w, int err)
{
	(void)err;	/* whatever it is, trying again tells */
	settle_go(container_of(w, struct spool_attempt, waiter));
}

/* The outcome is known to us alone: we try until it is on disk, in whatever segment that will be. */
static void settle_later(struct spool_attempt *p)
{
	wheel_timer_init(&p->timer, settle_on_timer);
	timer_arm_in(&p->timer, SPOOL_RETRY_NS);
}

static void settle_on_commit(struct journal_waiter *w, int err)
{
	struct spool_attempt *p = container_of(w, struct spool_attempt, waiter);

	CHECK_MAGIC(p, SPOOL_ATTEMPT_MAGIC);
	if (p->m->journal->spool->closing && err < 0)
		return;
	if (err < 0) {
		settle_later(p);
		return;
	}
	settle_end(p);
}

static void settle_go(struct spool_attempt *p)
{
	struct journal *j = p->m->journal->journal;

	CHECK_MAGIC(p, SPOOL_ATTEMPT_MAGIC);
	if (p->m->journal->spool->closing)
		return;
	const int r = append_all(p);

	if (r == -ENOBUFS) {
		p->waiter.fn = settle_on_room;
		journal_wait_room(j, &p->waiter);
	} else if (r < 0) {
		settle_later(p);
	} else {
		p->waiter.fn = settle_on_commit;
		journal_commit(j, &p->waiter);
	}
}

void spool_settle_start(struct spool_attempt *p)
{
	spool_window_drop(p, 0);
	spool_window_drop(p, 1);
	settle_go(p);
}

/* --- the end of a job --------------------------------------------------------------------------------------------- */

static void finish_on_note(struct note *note)
{
	struct job *job = container_of(note, struct job, note);
	struct spool_job *own = container_of(job, struct spool_job, job);

	CHECK_MAGIC(job, JOB_MAGIC);
	struct spool_message *m = spool_message_of(job->msg);

	ASSERT(own->offered && m->jobs_offered > 0);
	if (m->journal->spool->closing)
		return;
	if (own->open > 0)
		ASSERT(m->state == SPOOL_MESSAGE_DAMAGED);
	own->offered = false;
	if (--m->jobs_offered == 0)
		spool_message_end(m);
}

void spool_finish(struct job *job)
{
	CHECK_MAGIC(job, JOB_MAGIC);
	job->note.fn = finish_on_note;
	xcall_send(job->msg->home, &job->note);
}
