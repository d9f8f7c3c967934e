#include "net/source/spool_impl.h"

#include <errno.h>

static void put_go(struct spool_message *m);

static uint32_t retry_count(const struct spool_message *m)
{
	uint32_t n = 0;

	for (const struct spool_job *job = m->jobs; job != NULL; job = job->next)
		n += job->attempts > 0 || job->due_ns > 0;
	return n;
}

static struct spool_envelope_head head_of(const struct spool_message *m)
{
	return (struct spool_envelope_head){
		.id = m->msg.id,
		.arrival_ns = spool_time(m->journal, m->msg.arrival_ns),
		.size = m->msg.size,
		.wire_size = m->msg.wire_size,
		.facts = m->msg.facts,
		.rcpt_count = m->msg.rcpt_count,
		.retry_count = retry_count(m),
		.fragment_count = m->fragment_count,
		.sender = m->msg.sender,
		.envid = m->msg.envid,
		.client = m->msg.client,
	};
}

static size_t size_of(const struct spool_message *m, const struct spool_envelope_head *head)
{
	return spool_envelope_size(head, m->text_len - head->sender.len - head->envid.len - head->client.len);
}

/* Octets of the envelope when no job was ever deferred. */
size_t spool_envelope_text(const struct spool_message *m)
{
	struct spool_envelope_head head = head_of(m);

	head.retry_count = 0;
	return size_of(m, &head);
}

static void encode(const struct spool_message *m, const struct spool_envelope_head *head, uint8_t *dst, size_t size)
{
	const uint8_t *end = dst + size;

	dst += spool_write_envelope_head(dst, head);
	for (uint32_t i = 0; i < m->msg.rcpt_count; i++) {
		const struct rcpt *r = &m->msg.rcpts[i];
		const struct rcpt_facts facts = rcpt_facts(r);

		dst += spool_write_rcpt(dst, &facts, (enum rcpt_state)r->state, r->in_doubt);
	}
	for (const struct spool_job *job = m->jobs; job != NULL; job = job->next) {
		const struct spool_retry retry = {
			.first = job->job.first, .count = job->job.count,
			.attempts = job->attempts, .due_ns = spool_time(m->journal, job->due_ns),
		};

		if (job->attempts > 0 || job->due_ns > 0)
			dst += spool_write_retry(dst, &retry);
	}
	for (uint32_t i = 0; i < m->fragment_count; i++)
		dst += spool_write_fragment(dst, m->put_fragments[i]);
	ASSERT(dst == end);
}

/* --- the way to the disk ------------------------------------------------------------------------------------------ */

/* The next envelope in parts may begin. */
static void give_turn(struct spool_message *m)
{
	struct spool_journal *sj = m->journal;
	struct list *node;

	if (sj->put_owner != NULL && sj->put_owner != m)
		return;
	sj->put_owner = NULL;
	node = list_pop_front(&sj->put_queue);
	if (node != NULL)
		put_go(list_entry(node, struct spool_message, put_node));
}

static void put_end(struct spool_message *m, int err)
{
	spool_put_fn *fn = m->put_fn;

	slab_put(&m->journal->spool->memory, &m->put_text, m->put_size);
	m->put_size = 0;
	m->put_fn = NULL;
	give_turn(m);
	fn(m, err);
}

static void put_on_task(struct task *task)
{
	struct spool_message *m = container_of(task, struct spool_message, task);

	put_end(m, m->task_err);
}

static void put_fail(struct spool_message *m, int err)
{
	m->task_err = err;
	task_init(&m->task, put_on_task);
	reactor_post(&m->task);
}

static void put_on_commit(struct journal_waiter *w, int err)
{
	struct spool_message *m = container_of(w, struct spool_message, put_waiter);

	if (!m->journal->spool->closing)
		put_end(m, err);
}

static void put_on_room(struct journal_waiter *w, int err)
{
	struct spool_message *m = container_of(w, struct spool_message, put_waiter);

	(void)err;	/* whatever it is, trying again tells */
	if (!m->journal->spool->closing)
		put_go(m);
}

/* One record, with its octets behind the head of a part. */
static int put_part(struct spool_message *m, struct slice octets, size_t total, size_t offset)
{
	uint8_t head[SPOOL_PART_HEAD];
	const struct slice parts[2] = { slice_of(head, sizeof(head)), octets };
	struct journal_ref ref;

	spool_write_part_head(head, m->msg.id, (uint32_t)total, (uint32_t)offset);
	const int r = journal_append(m->journal->journal, SPOOL_ENVELOPE, m->put_class, parts, 2, &ref);

	if (r == 0 && offset == 0)
		m->put_segment = ref.segment;
	return r;
}

static int put_whole(struct spool_message *m, const struct spool_envelope_head *head, size_t size)
{
	struct spool *s = m->journal->spool;

	encode(m, head, s->scratch, size);
	return put_part(m, slice_of(s->scratch, size), size, 0);
}

/* Goes on where there was no room the last time. -EBUSY: not our turn. */
static int put_in_parts(struct spool_message *m, const struct spool_envelope_head *head, size_t size)
{
	struct spool_journal *sj = m->journal;

	if (sj->put_owner != NULL && sj->put_owner != m) {
		list_push_back(&sj->put_queue, &m->put_node);
		return -EBUSY;
	}
	sj->put_owner = m;
	if (m->put_text == NULL) {
		m->put_text = slab_take(&sj->spool->memory, size);
		if (m->put_text == NULL)
			return -ENOSPC;
		m->put_size = size;
		m->put_offset = 0;
		encode(m, head, (uint8_t *)m->put_text, size);
	}
	while (m->put_offset < m->put_size) {
		const size_t len = MIN(m->put_size - m->put_offset, SPOOL_PART_MAX);
		const int r = put_part(m, slice_of(m->put_text + m->put_offset, len), m->put_size, m->put_offset);

		if (r < 0)
			return r;
		m->put_offset += len;
	}
	return 0;
}

static void put_go(struct spool_message *m)
{
	struct journal *j = m->journal->journal;
	const struct spool_envelope_head head = head_of(m);
	const size_t size = size_of(m, &head);
	int r = -EIO;

	/* Something of the message has become void meanwhile: no envelope may speak of it. */
	if (m->epoch == journal_epoch(j))
		r = size <= SPOOL_PART_MAX ? put_whole(m, &head, size) : put_in_parts(m, &head, size);
	if (r == -EBUSY)
		return;			/* give_turn calls again */
	if (r == -ENOBUFS) {
		m->put_waiter.fn = put_on_room;
		journal_wait_room(j, &m->put_waiter);
	} else if (r < 0) {
		put_fail(m, r);
	} else {
		m->put_waiter.fn = put_on_commit;
		journal_commit(j, &m->put_waiter);
		give_turn(m);
	}
}

void spool_envelope_put(struct spool_message *m, const struct journal_ref *fragments, enum journal_class class,
			spool_put_fn *fn)
{
	ASSERT(m->put_fn == NULL && m->put_text == NULL);
	m->put_fn = fn;
	m->put_fragments = fragments;
	m->put_class = class;
	put_go(m);
}
