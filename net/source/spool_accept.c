#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/log.h"

static struct spool_message *message_of(struct spool_draft *draft)
{
	struct spool_message *m = (struct spool_message *)(void *)draft;

	ASSERT(m->smagic == SPOOL_MESSAGE_MAGIC && m->state == SPOOL_MESSAGE_DRAFT);
	ASSERT(m->journal->spool->home == reactor_self());
	return m;
}

int spool_accepts(const struct spool *s)
{
	const struct spool_journal *sj = s->journals[0];

	if (!s->ready || s->closing)
		return -EIO;
	if (s->space_short)
		return -ENOSPC;
	return s->message_count < s->conf.message_limit && sj->id_next < sj->ids_below ? 0 : -ENOBUFS;
}

int spool_message_begin(struct spool *s, struct spool_draft **ret_draft)
{
	struct spool_journal *sj = s->journals[0];
	const int r = spool_accepts(s);

	ASSERT(s->home == reactor_self());
	if (r < 0)
		return r;
	struct spool_message *m = spool_message_take(sj);

	if (m == NULL)
		return -ENOBUFS;
	m->msg.id = sj->id_next++ << SPOOL_ID_BITS | sj->index;
	m->msg.arrival_ns = reactor_queue_now();
	list_push_back(&sj->drafts, &m->node);
	*ret_draft = (struct spool_draft *)(void *)m;
	return 0;
}

uint64_t spool_draft_id(const struct spool_draft *draft)
{
	return ((const struct spool_message *)(const void *)draft)->msg.id;
}

/* The first record of a message: from here on it is in the order of the segments. */
static void draft_begin_content(struct spool_message *m, uint32_t segment)
{
	m->hold = segment;
	journal_hold(m->journal->journal, segment);
	list_remove(&m->node);
	list_push_back(&m->journal->live, &m->node);
}

int spool_message_write(struct spool_draft *draft, const struct slice *parts, unsigned count)
{
	struct spool_message *m = message_of(draft);
	struct journal *j = m->journal->journal;
	uint8_t head[SPOOL_CONTENT_HEAD];
	struct slice pieces[SPOOL_PARTS_MAX + 1];
	struct journal_ref ref;
	size_t len = 0;

	ASSERT(count <= SPOOL_PARTS_MAX);
	for (unsigned i = 0; i < count; i++) {
		pieces[i + 1] = parts[i];
		len += parts[i].len;
	}
	ASSERT(len > 0 && len <= SPOOL_FRAGMENT_MAX);
	const uint32_t epoch = journal_epoch(j);

	if (m->fragment_count > 0 && m->epoch != epoch)
		return -EIO;
	int r = spool_message_reserve_fragment(m);

	if (r < 0)
		return r == -ENOBUFS ? -ENOSPC : r;	/* waiting for journal room would not help */
	spool_write_content_head(head, m->msg.id, m->fragment_count);
	pieces[0] = slice_of(head, sizeof(head));
	r = journal_append(j, SPOOL_CONTENT, JOURNAL_NEW, pieces, count + 1, &ref);
	if (r < 0)
		return r;
	if (m->fragment_count == 0) {
		m->epoch = epoch;
		draft_begin_content(m, ref.segment);
	}
	return spool_message_add_fragment(m, ref);
}

/* --- the end of a draft ------------------------------------------------------------------------------------------- */

static void log_accepted(const struct spool_message *m)
{
	char id[MESSAGE_ID_TEXT_MAX];
	NOT_ZEROED char sender[SPOOL_ADDR_MAX];
	struct str s = STR(sender);

	message_log_addr(&s, m->msg.sender, sizeof(sender));
	log_line(LOG_LEVEL_INFO, "qmgr", "%s: from=<%.*s>, size=%llu, nrcpt=%u (queue active)",
		 spool_id_cstr(m->msg.id, id), (int)s.len, s.ptr, (unsigned long long)m->msg.size, m->msg.rcpt_count);
}

static void accept_fail(struct spool_message *m, int err)
{
	struct spool_waiter *waiter = m->waiter;
	const uint64_t id = m->msg.id;

	spool_message_put(&m);
	waiter->fn(waiter, err, id);
}

static void accept_on_put(struct spool_message *m, int err)
{
	if (err < 0) {
		accept_fail(m, err);
		return;
	}
	if (m->hold == 0)
		draft_begin_content(m, m->put_segment);
	spool_message_enqueue(m);
	metric_add(&spool_metric_accepted, 1);
	metric_add(&spool_metric_accepted_rcpts, m->msg.rcpt_count);
	log_accepted(m);
	m->waiter->fn(m->waiter, 0, m->msg.id);
	m->waiter = NULL;
	spool_message_offer(m);
}

static void accept_on_task(struct task *task)
{
	struct spool_message *m = container_of(task, struct spool_message, task);

	accept_fail(m, m->task_err);
}

/* Everything that could still fail for want of memory, before anything is promised. */
static int prepare(struct spool_message *m, const struct spool_envelope *envelope)
{
	size_t text = 0;

	for (uint32_t i = 0; i < envelope->rcpt_count; i++)
		text += rcpt_facts_size(&envelope->rcpts[i]);
	int r = spool_message_set_head(m, envelope, text);

	if (r < 0)
		return r;
	for (uint32_t i = 0; i < envelope->rcpt_count; i++)
		spool_message_set_rcpt(m, i, &envelope->rcpts[i]);
	spool_message_sort(m);
	return spool_message_make_jobs(m);
}

void spool_message_commit(struct spool_draft *draft, const struct spool_envelope *envelope, struct spool_waiter *waiter)
{
	struct spool_message *m = message_of(draft);

	ASSERT(envelope->rcpt_count > 0 && envelope->rcpt_count <= MESSAGE_RCPTS_MAX);
	ASSERT(envelope->sender.len <= SPOOL_ADDR_MAX);
	m->waiter = waiter;
	m->state = SPOOL_MESSAGE_COMMITTING;
	if (m->fragment_count == 0)
		m->epoch = journal_epoch(m->journal->journal);
	const int r = prepare(m, envelope);

	if (r < 0) {
		m->task_err = r;
		task_init(&m->task, accept_on_task);
		reactor_post(&m->task);
		return;
	}
	spool_envelope_put(m, m->fragments, JOURNAL_NEW, accept_on_put);
}

void spool_message_abort(struct spool_draft **draft)
{
	if (*draft == NULL)
		return;
	struct spool_message *m = message_of(*draft);

	*draft = NULL;
	spool_message_put(&m);
}

void spool_wait_room(struct spool *s, struct journal_waiter *waiter)
{
	journal_wait_room(s->journals[0]->journal, waiter);
}

void spool_wait_cancel(struct journal_waiter *waiter)
{
	journal_wait_cancel(waiter);
}
