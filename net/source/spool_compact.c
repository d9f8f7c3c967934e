#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"

/* Segments go in the order of writing, so one old message that is deferred for days would keep everything behind it.
 * When more than half of the disk space is dead, the messages of the oldest segment are written again at the end:
 *
 *	content again, fragment by fragment -> durable
 *	envelope with the new places and the present state -> durable -> old hold released
 *
 * The second envelope replaces the first one in one step; killed before it is durable, the first one still holds.
 * Nothing about the message may be under way meanwhile, or the second envelope would forget it: only messages without
 * attempts are moved, and claims wait. */

#define BITE_FRAGMENTS 16u	/* 1 MiB a turn */

static void mover_go(struct spool_journal *sj);

static bool is_worth_it(const struct spool_journal *sj, const struct journal_usage *usage)
{
	const uint64_t slack = (uint64_t)SPOOL_COMPACT_SLACK * sj->spool->conf.segment_size;

	return usage->octets > 2 * sj->live_octets + slack && usage->oldest_holds > 0 &&
	       usage->oldest_segment != usage->active_segment;
}

static struct spool_message *pick(struct spool_journal *sj, uint32_t oldest)
{
	unsigned looked = 0;

	list_for_each(node, &sj->live) {
		struct spool_message *m = list_entry(node, struct spool_message, node);

		if (m->hold != oldest || looked++ == SPOOL_COMPACT_LOOK)
			return NULL;
		/* One without open recipients is about to end: word of its last job is on its way. */
		if (m->state == SPOOL_MESSAGE_QUEUED && m->attempts == 0 && m->rcpts_open > 0)
			return m;
	}
	return NULL;
}

/* --- the end of a move -------------------------------------------------------------------------------------------- */

static void mover_unpin(struct spool_mover *v)
{
	if (v->pinned)
		journal_unpin(v->m->journal->journal, v->m->fragments[v->index]);
	v->pinned = false;
}

static void mover_rest(struct spool_journal *sj)
{
	struct spool_mover *v = &sj->mover;
	struct spool_message *m = v->m;

	if (v->fragments != NULL)
		spool_fragments_put(sj->spool, &v->fragments, m->fragment_count);
	v->m = NULL;
	spool_claims_resume(m);
}

/* What was written of the copy means nothing. The message stays where it was. */
static void mover_fail(struct spool_journal *sj, int err)
{
	struct spool_mover *v = &sj->mover;

	mover_unpin(v);
	if (v->hold != 0)
		journal_release(sj->journal, v->hold);
	v->m->state = SPOOL_MESSAGE_QUEUED;
	if (err == ERR_CORRUPT)
		spool_message_damage(v->m);
	mover_rest(sj);
}

static void swap_places(struct spool_message *m, struct spool_mover *v)
{
	if (m->fragments != m->fragments_inline)
		spool_fragments_put(m->journal->spool, &m->fragments, m->fragment_cap);
	m->fragments = m->fragments_inline;
	m->fragment_cap = SPOOL_FRAGMENTS_INLINE;
	if (m->fragment_count <= SPOOL_FRAGMENTS_INLINE) {
		if (m->fragment_count > 0)
			memcpy(m->fragments, v->fragments, m->fragment_count * sizeof(*m->fragments));
		return;
	}
	m->fragments = v->fragments;
	m->fragment_cap = m->fragment_count;
	v->fragments = NULL;
}

static void mover_on_put(struct spool_message *m, int err)
{
	struct spool_journal *sj = m->journal;
	struct spool_mover *v = &sj->mover;

	if (err < 0) {
		mover_fail(sj, err);
		return;
	}
	if (v->hold == 0) {
		v->hold = m->put_segment;
		journal_hold(sj->journal, v->hold);
	}
	journal_release(sj->journal, m->hold);
	m->hold = v->hold;
	swap_places(m, v);
	list_remove(&m->node);
	list_push_back(&sj->live, &m->node);
	m->state = SPOOL_MESSAGE_QUEUED;
	metric_add(&spool_metric_moved, 1);
	mover_rest(sj);
	spool_compact_tend(sj);
}

/* --- copying ------------------------------------------------------------------------------------------------------ */

/* When space is short, moving a small message is what frees a whole segment, and may use the reserve for it. */
static enum journal_class class_of(const struct spool_journal *sj, const struct spool_message *m)
{
	const bool is_small = spool_message_octets(m) < sj->spool->conf.segment_size / 4;

	return sj->spool->space_short && is_small ? JOURNAL_END : JOURNAL_NEW;
}

static void mover_on_room(struct journal_waiter *w, int err)
{
	struct spool_journal *sj = container_of(w, struct spool_journal, mover.waiter);

	(void)err;	/* whatever it is, trying again tells */
	if (!sj->spool->closing)
		mover_go(sj);
}

/* v->content is the fragment at work. 0: written; -EINPROGRESS: waiting for room; else the move has failed. */
static int write_fragment(struct spool_journal *sj)
{
	struct spool_mover *v = &sj->mover;
	uint8_t head[SPOOL_CONTENT_HEAD];
	const struct slice parts[2] = { slice_of(head, sizeof(head)), v->content };
	struct journal_ref ref;

	if (v->index > 0 && v->epoch != journal_epoch(sj->journal))
		return -EIO;
	spool_write_content_head(head, v->m->msg.id, v->index);
	const uint32_t epoch = journal_epoch(sj->journal);
	const int r = journal_append(sj->journal, SPOOL_CONTENT, class_of(sj, v->m), parts, 2, &ref);

	if (r == -ENOBUFS) {
		v->waiter.fn = mover_on_room;
		journal_wait_room(sj->journal, &v->waiter);
		return -EINPROGRESS;
	}
	if (r < 0)
		return r;
	if (v->index == 0) {
		v->epoch = epoch;
		v->hold = ref.segment;
		journal_hold(sj->journal, v->hold);
	}
	mover_unpin(v);
	v->content = slice_of(NULL, 0);
	v->fragments[v->index++] = ref;
	return 0;
}

static void mover_on_read(struct journal_read *read, int err, struct slice payload)
{
	struct spool_journal *sj = container_of(read, struct spool_journal, mover.read);
	struct spool_mover *v = &sj->mover;
	struct spool_record record;

	if (sj->spool->closing)
		return;
	if (err == 0)
		err = spool_record_read(SPOOL_CONTENT, payload, &record);
	if (err == 0 && (record.id != v->m->msg.id || record.index != v->index))
		err = ERR_CORRUPT;
	if (err < 0) {
		mover_fail(sj, err);
		return;
	}
	v->content = record.rest;
	mover_go(sj);
}

/* True when the content is at hand. */
static bool fetch_fragment(struct spool_journal *sj)
{
	struct spool_mover *v = &sj->mover;
	const struct journal_ref ref = v->m->fragments[v->index];
	const char *payload;

	if (v->content.len > 0)
		return true;
	payload = journal_pin(sj->journal, ref);
	if (payload == NULL) {
		journal_read(sj->journal, &v->read, ref, v->buf, mover_on_read);
		return false;
	}
	v->pinned = true;
	v->content = slice_of(payload + SPOOL_CONTENT_HEAD, ref.len - SPOOL_CONTENT_HEAD);
	return true;
}

static void mover_on_content(struct journal_waiter *w, int err)
{
	struct spool_journal *sj = container_of(w, struct spool_journal, mover.waiter);
	struct spool_mover *v = &sj->mover;

	if (sj->spool->closing)
		return;
	if (err < 0) {
		mover_fail(sj, err);
		return;
	}
	v->m->epoch = v->index > 0 ? v->epoch : journal_epoch(sj->journal);
	spool_envelope_put(v->m, v->fragments, class_of(sj, v->m), mover_on_put);
}

/* The copy of the content is durable before the envelope that names it is even written: of a batch that a power cut has
 * torn, the envelope might be what is left, and would take the place of a message that is whole. */
static void mover_end(struct spool_journal *sj)
{
	sj->mover.waiter.fn = mover_on_content;
	journal_commit(sj->journal, &sj->mover.waiter);
}

static void mover_on_timer(struct wheel_timer *timer)
{
	struct spool_journal *sj = container_of(timer, struct spool_journal, mover.timer);

	mover_go(sj);
}

static void mover_go(struct spool_journal *sj)
{
	struct spool_mover *v = &sj->mover;

	for (unsigned n = 0; v->index < v->m->fragment_count; n++) {
		if (n == BITE_FRAGMENTS) {
			wheel_timer_init(&v->timer, mover_on_timer);
			timer_arm_in(&v->timer, 0);
			return;
		}
		if (!fetch_fragment(sj))
			return;
		const int r = write_fragment(sj);

		if (r == -EINPROGRESS)
			return;
		if (r < 0) {
			mover_fail(sj, r);
			return;
		}
	}
	mover_end(sj);
}

static void mover_begin(struct spool_journal *sj, struct spool_message *m)
{
	struct spool_mover *v = &sj->mover;

	v->fragments = NULL;
	if (m->fragment_count > 0) {
		v->fragments = spool_fragments_take(sj->spool, m->fragment_count);
		if (v->fragments == NULL)
			return;		/* memory is short: another time */
	}
	v->m = m;
	v->index = 0;
	v->hold = 0;
	v->pinned = false;
	v->content = slice_of(NULL, 0);
	m->state = SPOOL_MESSAGE_MOVING;
	mover_go(sj);
}

void spool_compact_tend(struct spool_journal *sj)
{
	const struct journal_usage usage = journal_usage(sj->journal);

	if (sj->mover.m != NULL || !sj->spool->ready || sj->spool->closing || spool_is_offering(sj->spool) ||
	    !is_worth_it(sj, &usage))
		return;
	struct spool_message *m = pick(sj, usage.oldest_segment);

	if (m != NULL)
		mover_begin(sj, m);
}
