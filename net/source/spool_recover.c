#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"

/* Records come in the order in which they were written, once. A message exists from its envelope on; later records
 * change its state, a later envelope replaces it. Content is only looked at when it is sent: its record proves that its
 * id was used. */

#define TIME_MAX	((uint64_t)INT64_MAX)	/* the year 2262: differences of two times fit an int64_t */
#define GAP_MAX_NS (3600 * NS_PER_SEC)	/* row OSR-09: while we were away, no more than this has passed */

/* --- ids and times ------------------------------------------------------------------------------------------------ */

static void saw_stamp(struct spool_journal *sj, uint64_t time_ns)
{
	sj->stamp_ns = max_u64(sj->stamp_ns, min_u64(time_ns, TIME_MAX));
}

/* An id of this journal that is in use, or was. */
static int saw_id(struct spool_journal *sj, uint64_t id)
{
	const uint64_t counter = id >> SPOOL_ID_BITS;

	if ((id & (BIT(SPOOL_ID_BITS) - 1)) != sj->index || counter >= SPOOL_ID_COUNTER_MAX)
		return ERR_CORRUPT;
	sj->id_next = max_u64(sj->id_next, counter + 1);
	return 0;
}

static int replay_ids(struct spool_journal *sj, const struct spool_record *r, uint32_t segment)
{
	if (r->id > SPOOL_ID_COUNTER_MAX)
		return ERR_CORRUPT;
	sj->id_next = max_u64(sj->id_next, r->id);
	saw_stamp(sj, r->now_ns);
	sj->shift_ns = (int64_t)min_u64(r->clock_ns, TIME_MAX) - (int64_t)min_u64(r->now_ns, TIME_MAX);
	journal_hold(sj->journal, segment);
	if (sj->ids_hold != 0)
		journal_release(sj->journal, sj->ids_hold);
	sj->ids_hold = segment;
	return 0;
}

/* --- envelopes ---------------------------------------------------------------------------------------------------- */

/* By the age of their content, as they were; most come in this order already. */
static void insert_live(struct spool_journal *sj, struct spool_message *m)
{
	struct list *at = sj->live.prev;

	while (at != &sj->live && list_entry(at, struct spool_message, node)->hold > m->hold)
		at = at->prev;
	list_insert_between(&m->node, at, at->next);
}

/* Content is written before its envelope. */
static bool fragments_come_first(const struct spool_envelope_view *v, uint32_t segment)
{
	struct slice list = v->fragments;

	while (list.len > 0) {
		struct journal_ref ref;

		spool_next_fragment(&list, &ref);
		if (ref.segment > segment)
			return false;
	}
	return true;
}

static int fill_fragments(struct spool_message *m, const struct spool_envelope_view *v, uint32_t segment)
{
	struct slice list = v->fragments;
	uint32_t oldest = segment;

	while (list.len > 0) {
		struct journal_ref ref;

		spool_next_fragment(&list, &ref);
		const int r = spool_message_add_fragment(m, ref);

		if (r < 0)
			return r;
		oldest = MIN(oldest, ref.segment);
	}
	m->hold = oldest;
	journal_hold(m->journal->journal, oldest);
	return 0;
}

/* The first format kept addresses in wire form. One that says nothing but for its quotes stays what it was. */
static struct slice internal_form(const struct spool_envelope_view *v, struct slice addr, char storage[SPOOL_ADDR_MAX])
{
	struct str internal = str_over(storage, SPOOL_ADDR_MAX);

	if (v->type == SPOOL_ENVELOPE)
		return addr;
	address_unquote(&internal, addr);
	return internal.len > 0 ? str_slice(&internal) : addr;
}

/* The first format knew nothing of labels either; what it held was called 7bit when no octet said otherwise. */
static uint32_t facts_of(const struct spool_envelope_view *v)
{
	const uint32_t facts = v->head.facts;

	return v->type == SPOOL_ENVELOPE_1 && !(facts & (MESSAGE_8BIT | MESSAGE_BODY_8BITMIME)) ?
		facts | MESSAGE_BODY_7BIT : facts;
}

static size_t rcpt_text(const struct spool_envelope_view *v)
{
	struct spool_envelope_view list = *v;
	size_t text = 0;

	if (v->type == SPOOL_ENVELOPE)
		return v->rcpt_text;
	while (list.rcpts.len > 0) {
		char storage[SPOOL_ADDR_MAX];
		struct spool_rcpt rcpt;

		spool_next_rcpt(&list, &rcpt);
		text += internal_form(v, rcpt.facts.addr, storage).len;
	}
	return text;
}

static int fill_rcpts(struct spool_message *m, const struct spool_envelope_view *v)
{
	struct spool_envelope_view list = *v;
	char storage[SPOOL_ADDR_MAX];
	const struct spool_envelope envelope = {
		.sender = internal_form(v, v->head.sender, storage),
		.envid = v->head.envid,
		.client = v->head.client,
		.rcpt_count = v->head.rcpt_count,
		.facts = facts_of(v),
		.size = v->head.size,
	};
	const int r = spool_message_set_head(m, &envelope, rcpt_text(v));

	if (r < 0)
		return r;
	for (uint32_t i = 0; list.rcpts.len > 0; i++) {
		struct spool_rcpt rcpt;

		spool_next_rcpt(&list, &rcpt);
		rcpt.facts.addr = internal_form(v, rcpt.facts.addr, storage);
		spool_message_set_rcpt(m, i, &rcpt.facts);
		m->msg.rcpts[i].state = (uint8_t)rcpt.state;
		m->msg.rcpts[i].in_doubt = rcpt.in_doubt && rcpt.state == RCPT_OPEN;
	}
	return spool_message_make_jobs(m);
}

/* A deferral of [first, first + count). Destinations may be others than they were: every job that it touches waits. */
static void apply_retry(struct spool_message *m, const struct spool_retry *retry)
{
	for (struct spool_job *job = m->jobs; job != NULL; job = job->next) {
		if (job->job.first >= retry->first + retry->count)
			return;
		if (job->job.first + job->job.count <= retry->first)
			continue;
		job->attempts = retry->attempts;
		job->due_ns = retry->due_ns;
	}
}

/* What has been checked can only lack room. */
static int fill(struct spool_message *m, const struct spool_envelope_view *v, uint32_t segment)
{
	struct slice retries = v->retries;
	int r;

	m->msg.id = v->head.id;
	m->msg.arrival_ns = v->head.arrival_ns;
	r = fill_fragments(m, v, segment);
	if (r == 0)
		r = fill_rcpts(m, v);
	while (r == 0 && retries.len > 0) {
		struct spool_retry retry;

		spool_next_retry(&retries, &retry);
		apply_retry(m, &retry);
	}
	return r;
}

/* An envelope that makes no sense does not touch the one before. Without room for one that does there is no start, and
 * nothing is lost; the old one makes room, as it did when this was written. */
static int replay_whole(struct spool_journal *sj, const struct spool_record *r, struct slice text, uint32_t segment)
{
	struct spool_envelope_view v;

	if (spool_envelope_read(r->type, text, &v) < 0 || v.head.id != r->id || !fragments_come_first(&v, segment))
		return ERR_CORRUPT;
	struct spool_message *m = spool_message_find(sj->spool, r->id);

	if (m != NULL)
		spool_message_put(&m);		/* the new envelope tells all of it */
	m = spool_message_take(sj);
	if (m == NULL)
		return -ENOBUFS;
	m->was_recovered = true;
	const int err = fill(m, &v, segment);

	if (err < 0) {
		spool_message_put(&m);
		return err;
	}
	saw_stamp(sj, m->msg.arrival_ns);
	insert_live(sj, m);
	spool_message_enqueue(m);
	if (m->rcpts_open == 0)
		spool_message_put(&m);
	return 0;
}

static void forget_parts(struct spool_journal *sj)
{
	slab_put(&sj->spool->memory, &sj->part_text, sj->part_total);
	sj->part_total = 0;
	sj->part_got = 0;
}

/* A first part begins anew, whatever was there before: that one was never finished. */
static int replay_parts(struct spool_journal *sj, const struct spool_record *r, uint32_t segment)
{
	if (r->offset == 0) {
		forget_parts(sj);
		sj->part_text = slab_take(&sj->spool->memory, r->total);
		if (sj->part_text == NULL)
			return -ENOBUFS;
		sj->part_total = r->total;
		sj->part_id = r->id;
		sj->part_type = r->type;
		sj->part_segment = segment;
	}
	if (sj->part_text == NULL || r->id != sj->part_id || r->type != sj->part_type || r->total != sj->part_total ||
	    r->offset != sj->part_got) {
		forget_parts(sj);	/* a part is damaged, and with it the envelope */
		return ERR_CORRUPT;
	}
	memcpy(sj->part_text + r->offset, r->rest.ptr, r->rest.len);
	sj->part_got += r->rest.len;
	if (sj->part_got < sj->part_total)
		return 0;
	const int res = replay_whole(sj, r, slice_of(sj->part_text, sj->part_total), sj->part_segment);

	forget_parts(sj);
	return res;
}

static int replay_envelope(struct spool_journal *sj, const struct spool_record *r, uint32_t segment)
{
	if (saw_id(sj, r->id) < 0)
		return ERR_CORRUPT;
	return r->offset == 0 && r->rest.len == r->total ? replay_whole(sj, r, r->rest, segment)
							  : replay_parts(sj, r, segment);
}

/* --- what happened to it ------------------------------------------------------------------------------------------ */

static void replay_settle(struct spool_message *m, const struct spool_record *r)
{
	for (uint32_t n = 0; n < r->retry.count; n++) {
		const struct spool_settle_entry entry = spool_read_entry(r, n);
		struct rcpt *rcpt = &m->msg.rcpts[r->retry.first + n];

		if (rcpt->state != RCPT_OPEN)
			continue;
		if (entry.state == RCPT_BOUNCED)
			spool_said_replay_bounce(m->journal, r->id, rcpt, entry.dsn);
		if (entry.state != RCPT_OPEN)
			spool_message_close_rcpt(m, r->retry.first + n, entry.state);
		else
			rcpt->in_doubt = entry.in_doubt;
	}
}

static void replay_begin(struct spool_message *m, const struct spool_record *r)
{
	for (uint32_t i = r->retry.first; i < r->retry.first + r->retry.count; i++)
		m->msg.rcpts[i].in_doubt = m->msg.rcpts[i].state == RCPT_OPEN;
}

/* Records about messages that are over are no news. */
static int replay_event(struct spool_journal *sj, const struct spool_record *r)
{
	struct spool_message *m = spool_message_find(sj->spool, r->id);

	if (r->type == SPOOL_BEGIN)
		saw_stamp(sj, r->now_ns);
	if (m == NULL || m->journal != sj)
		return 0;
	if (r->type == SPOOL_DAMAGED) {
		spool_message_put(&m);
		return 0;
	}
	if (r->retry.first + r->retry.count > m->msg.rcpt_count)
		return ERR_CORRUPT;
	if (r->type == SPOOL_BEGIN)
		replay_begin(m, r);
	else if (r->type == SPOOL_SETTLE)
		replay_settle(m, r);
	else
		apply_retry(m, &r->retry);
	if (m->rcpts_open == 0)
		spool_message_put(&m);
	return 0;
}

static int replay_record(struct spool_journal *sj, const struct spool_record *r, uint32_t segment)
{
	switch (r->type) {
	case SPOOL_CONTENT:
		return saw_id(sj, r->id);
	case SPOOL_ENVELOPE:
	case SPOOL_ENVELOPE_1:
		return replay_envelope(sj, r, segment);
	case SPOOL_IDS:
		return replay_ids(sj, r, segment);
	case SPOOL_SAID:
		spool_said_replay(sj, r->id);
		return 0;
	case SPOOL_BEGIN:
	case SPOOL_SETTLE:
	case SPOOL_DEFER:
	case SPOOL_DAMAGED:
		return replay_event(sj, r);
	}
	UNREACHABLE();
}

int spool_replay(struct journal *j, const struct journal_record *record, void *context)
{
	struct spool_journal *sj = context;
	struct spool_record r;
	int err;

	(void)j;
	err = spool_record_read(record->type, record->payload, &r);
	if (err == 0)
		err = replay_record(sj, &r, record->ref.segment);
	if (err == ERR_CORRUPT) {
		/* Its checksum is good and its grammar is not: nobody of ours wrote it, and it does not stop the
		 * others. */
		if (sj->bad_records++ == 0)
			log_line(LOG_LEVEL_ERROR, "qmgr",
				 "error: %s: a record of type %u in segment %u at %u makes no sense: skipped", sj->dir,
				 record->type, record->ref.segment, record->ref.offset);
		return 0;
	}
	if (err < 0)
		log_line(LOG_LEVEL_FATAL, "qmgr",
			 "fatal: %s holds more than memory is reserved for: raise queue_message_limit", sj->dir);
	return err;
}

void spool_replay_damage(struct journal *j, uint32_t segment, uint32_t offset, uint32_t len, void *context)
{
	struct spool_journal *sj = context;

	(void)j;
	sj->damage_octets += len;
	log_line(LOG_LEVEL_ERROR, "qmgr",
		 "error: %s: %u octets of segment %u at %u are damaged: what they held is lost, the file is kept aside",
		 sj->dir, len, segment, offset);
}

/* --- the end of replay -------------------------------------------------------------------------------------------- */

static uint64_t shifted(uint64_t time_ns, int64_t shift)
{
	const uint64_t by = (uint64_t)(shift < 0 ? -shift : shift);

	if (shift < 0)
		return time_ns > by ? time_ns - by : 0;
	return time_ns + by;
}

uint64_t spool_time(const struct spool_journal *sj, uint64_t queue_ns)
{
	return queue_ns == 0 ? 0 : max_u64(shifted(queue_ns, -sj->shift_ns), 1);
}

/* While we were away, an hour has passed at most, and no time was given back: neither must a clock that jumped ahead
 * expire the queue, nor one that jumped back stop it (row OSR-09). Records keep the time that results, and the latest
 * IDS what our clock then said: the next start counts from there, instead of meeting the same jump again.
 *
 *	records	  ... stamp ...........now		at most an hour between the two
 *	our clock		       now + shift
 */
static void continue_time(struct spool_journal *sj)
{
	const uint64_t clock = min_u64(reactor_queue_now(), TIME_MAX);
	const uint64_t now = shifted(clock, -sj->shift_ns);

	if (sj->stamp_ns == 0)
		return;
	const uint64_t latest = min_u64(sj->stamp_ns + GAP_MAX_NS, TIME_MAX);

	sj->shift_ns = (int64_t)clock - (int64_t)MIN(MAX(now, sj->stamp_ns), latest);
}

/* As far ahead as it was, but for the time we were away; never later than a retry. */
static uint64_t shifted_due(const struct spool_journal *sj, uint64_t due_ns)
{
	if (due_ns == 0)
		return 0;
	return min_u64(shifted(due_ns, sj->shift_ns), reactor_queue_now() + sj->spool->conf.backoff_max_ns);
}

static void log_doubt(const struct spool_message *m, const struct rcpt *r)
{
	char id[MESSAGE_ID_TEXT_MAX];
	char addr[SPOOL_ADDR_MAX];
	struct str s = STR(addr);

	message_log_addr(&s, r->addr, sizeof(addr));
	log_line(LOG_LEVEL_WARNING, "qmgr",
		 "%s: to=<%.*s>, may be delivered twice: its last attempt has no recorded end",
		 spool_id_cstr(m->msg.id, id), (int)s.len, s.ptr);
}

static uint32_t prepare_job(struct spool_message *m, struct spool_job *job)
{
	uint32_t doubts = 0;

	job->open = 0;
	job->due_ns = shifted_due(m->journal, job->due_ns);
	for (uint32_t i = job->job.first; i < job->job.first + job->job.count; i++) {
		const struct rcpt *r = &m->msg.rcpts[i];

		job->open += r->state == RCPT_OPEN;
		if (r->state == RCPT_OPEN && r->in_doubt) {
			job->job.ambiguous = true;
			doubts++;
		}
	}
	return doubts;
}

static void recover_journal(struct spool_journal *sj)
{
	unsigned long long messages = 0, rcpts = 0, doubts = 0;

	forget_parts(sj);
	continue_time(sj);
	list_for_each(node, &sj->live) {
		struct spool_message *m = list_entry(node, struct spool_message, node);

		m->msg.arrival_ns = shifted(m->msg.arrival_ns, sj->shift_ns);
		for (struct spool_job *job = m->jobs; job != NULL; job = job->next)
			doubts += prepare_job(m, job);
		messages++;
		rcpts += m->rcpts_open;
	}
	sj->offer_at = sj->live.next;
	sj->offer_left = (size_t)messages;
	spool_said_again(sj);
	metric_add(&spool_metric_recovered, (int64_t)messages);
	metric_add(&spool_metric_ambiguous, (int64_t)doubts);
	if (messages > 0 || sj->bad_records > 0)
		log_line(LOG_LEVEL_INFO, "qmgr",
			 "%s: recovered %llu messages, %llu recipients, %llu of them in doubt; %u records skipped",
			 sj->dir, messages, rcpts, doubts, sj->bad_records);
}

void spool_recover_end(struct spool *s)
{
	for (unsigned i = 0; i < s->journal_count; i++)
		recover_journal(s->journals[i]);
}

/* --- offering ----------------------------------------------------------------------------------------------------- */

/* The journal whose messages are offered now; NULL: that was all. */
static struct spool_journal *offering(struct spool *s)
{
	while (spool_is_offering(s)) {
		if (s->journals[s->offer_journal]->offer_left > 0)
			return s->journals[s->offer_journal];
		s->offer_journal++;
	}
	return NULL;
}

static bool tell_doubts(const struct spool_message *m)
{
	bool any = false;

	for (const struct spool_job *job = m->jobs; job != NULL; job = job->next) {
		if (!job->job.ambiguous)
			continue;
		for (uint32_t i = job->job.first; i < job->job.first + job->job.count; i++) {
			const struct rcpt *r = &m->msg.rcpts[i];

			if (r->state == RCPT_OPEN && r->in_doubt)
				log_doubt(m, r);
		}
		any = true;
	}
	return any;
}

/* What may be delivered twice is said first, and is in the log's file before the second delivery can begin: the next
 * crash may come at once. A log that takes nothing holds mail up for SPOOL_LOG_WAIT_NS and no longer. */
static bool must_wait_for_log(struct spool *s)
{
	if (s->offer_position == 0 || log_is_written(s->offer_position) || reactor_now() >= s->offer_deadline_ns) {
		s->offer_position = 0;
		return false;
	}
	return true;
}

/* The next bite: as many as are offered together. */
static void begin_bite(struct spool *s, struct spool_journal *sj)
{
	bool any = false;
	struct list *node = sj->offer_at;

	for (s->offer_bite = 0; s->offer_bite < MIN(sj->offer_left, (size_t)SPOOL_OFFER_BITE); s->offer_bite++) {
		any |= tell_doubts(list_entry(node, struct spool_message, node));
		node = node->next;
	}
	if (!any)
		return;
	s->offer_position = log_position();
	s->offer_deadline_ns = reactor_now() + SPOOL_LOG_WAIT_NS;
}

/* None of them can go away before it is offered, and nothing is moved meanwhile. */
static void offer_bite(struct spool *s, struct spool_journal *sj)
{
	for (; s->offer_bite > 0; s->offer_bite--) {
		struct spool_message *m = list_entry(sj->offer_at, struct spool_message, node);

		sj->offer_at = sj->offer_at->next;
		sj->offer_left--;
		spool_message_offer(m);
	}
}

/* A bite a turn, so that a million of them do not keep the first ones from leaving (row SPL-09). */
void spool_offer_on_timer(struct wheel_timer *timer)
{
	struct spool *s = container_of(timer, struct spool, offer);
	struct spool_journal *sj = offering(s);

	if (sj == NULL)
		return;
	if (s->offer_bite == 0)
		begin_bite(s, sj);
	if (!must_wait_for_log(s))
		offer_bite(s, sj);
	timer_arm_in(&s->offer, s->offer_bite > 0 ? NS_PER_MS : 0);
}
