#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"

#define FRAGMENTS_GROW_MIN 16u

/* --- taking and putting ------------------------------------------------------------------------------------------- */

struct spool_message *spool_message_take(struct spool_journal *sj)
{
	struct spool *s = sj->spool;
	struct spool_message *m = pool_take(&s->messages);

	if (m == NULL)
		return NULL;
	memset(m, 0, sizeof(*m));
	m->smagic = SPOOL_MESSAGE_MAGIC;
	m->msg.magic = MESSAGE_MAGIC;
	m->msg.home = s->conf.core;
	m->state = SPOOL_MESSAGE_DRAFT;
	m->journal = sj;
	m->fragments = m->fragments_inline;
	m->fragment_cap = SPOOL_FRAGMENTS_INLINE;
	list_init(&m->node);
	list_init(&m->claims);
	list_init(&m->put_node);
	list_init(&m->put_waiter.node);
	list_init(&m->task.node);
	s->message_count++;
	return m;
}

static void put_jobs(struct spool_message *m)
{
	struct spool *s = m->journal->spool;

	while (m->jobs != NULL) {
		struct spool_job *job = m->jobs;

		m->jobs = job->next;
		slab_put(&s->memory, &job->nexthop, job->nexthop_size);
		job->job.magic = 0;
		pool_put(&s->jobs, &job);
	}
}

static void leave_index(struct spool_message *m)
{
	struct spool *s = m->journal->spool;

	if (!m->is_mapped)
		return;
	map_remove(&s->by_id, &m->by_id);
	m->is_mapped = false;
	m->journal->live_octets -= spool_message_octets(m);
	s->rcpts_open -= m->rcpts_open;
	if (m->state == SPOOL_MESSAGE_DAMAGED)
		s->damaged_count--;
	metric_add(&spool_metric_queued, -1);
	metric_add(&spool_metric_queued_rcpts, -(int64_t)m->rcpts_open);
}

void spool_message_put(struct spool_message **mp)
{
	struct spool_message *m = *mp;

	if (m == NULL)
		return;
	struct spool *s = m->journal->spool;

	ASSERT(m->attempts == 0 && list_is_empty(&m->claims));
	ASSERT(m->journal->mover.m != m);
	leave_index(m);
	put_jobs(m);
	list_remove(&m->node);
	list_remove(&m->put_node);
	if (m->hold != 0)
		journal_release(m->journal->journal, m->hold);
	if (m->fragments != m->fragments_inline)
		spool_fragments_put(s, &m->fragments, m->fragment_cap);
	slab_put(&s->memory, &m->put_text, m->put_size);
	slab_put(&s->memory, &m->text, m->text_size);
	slab_put(&s->memory, &m->msg.rcpts, m->rcpts_size);
	m->smagic = 0;
	m->msg.magic = 0;
	s->message_count--;
	pool_put(&s->messages, mp);
}

/* --- content ------------------------------------------------------------------------------------------------------ */

struct journal_ref *spool_fragments_take(struct spool *s, uint32_t count)
{
	return slab_take(&s->memory, count * sizeof(struct journal_ref));
}

void spool_fragments_put(struct spool *s, struct journal_ref **fragments, uint32_t count)
{
	slab_put(&s->memory, fragments, count * sizeof(struct journal_ref));
}

static int grow_fragments(struct spool_message *m)
{
	struct spool *s = m->journal->spool;
	const uint32_t cap = MAX(2 * m->fragment_cap, FRAGMENTS_GROW_MIN);

	if (m->fragments != m->fragments_inline &&
	    slab_grow(&s->memory, m->fragments, m->fragment_cap * sizeof(struct journal_ref),
		      cap * sizeof(struct journal_ref))) {
		m->fragment_cap = cap;
		return 0;
	}
	struct journal_ref *fragments = spool_fragments_take(s, cap);

	if (fragments == NULL)
		return -ENOBUFS;
	memcpy(fragments, m->fragments, m->fragment_count * sizeof(*fragments));
	if (m->fragments != m->fragments_inline)
		spool_fragments_put(s, &m->fragments, m->fragment_cap);
	m->fragments = fragments;
	m->fragment_cap = cap;
	return 0;
}

int spool_message_reserve_fragment(struct spool_message *m)
{
	if (m->fragment_count == SPOOL_FRAGMENTS_MAX)
		return -EMSGSIZE;
	return m->fragment_count < m->fragment_cap ? 0 : grow_fragments(m);
}

int spool_message_add_fragment(struct spool_message *m, struct journal_ref ref)
{
	const int r = spool_message_reserve_fragment(m);

	if (r < 0)
		return r;
	m->fragments[m->fragment_count++] = ref;
	m->msg.wire_size += ref.len - SPOOL_CONTENT_HEAD;
	return 0;
}

uint64_t spool_message_octets(const struct spool_message *m)
{
	return m->msg.wire_size + (uint64_t)m->fragment_count * (SPOOL_CONTENT_HEAD + JOURNAL_RECORD_HEADER) +
	       spool_envelope_text(m);
}

/* --- recipients --------------------------------------------------------------------------------------------------- */

static struct slice add_text(struct spool_message *m, struct slice text)
{
	const struct slice kept = slice_of(m->text + m->text_len, text.len);

	if (text.len > 0)
		memcpy(m->text + m->text_len, text.ptr, text.len);
	m->text_len += text.len;
	return kept;
}

int spool_message_set_head(struct spool_message *m, const struct spool_envelope *envelope, size_t rcpt_text)
{
	struct spool *s = m->journal->spool;

	m->rcpts_size = envelope->rcpt_count * sizeof(struct rcpt);
	m->text_size = envelope->sender.len + envelope->envid.len + envelope->client.len + rcpt_text;
	if (m->text_size > SPOOL_TEXT_MAX)
		return -ENOBUFS;
	m->msg.rcpts = slab_take(&s->memory, m->rcpts_size);
	m->text = slab_take(&s->memory, m->text_size);
	if (m->msg.rcpts == NULL || m->text == NULL)
		return -ENOBUFS;
	memset(m->msg.rcpts, 0, m->rcpts_size);
	m->msg.rcpt_count = envelope->rcpt_count;
	m->msg.facts = envelope->facts;
	m->msg.size = envelope->size;
	m->msg.sender = add_text(m, envelope->sender);
	m->msg.envid = add_text(m, envelope->envid);
	m->msg.client = add_text(m, envelope->client);
	return 0;
}

void spool_message_set_rcpt(struct spool_message *m, uint32_t i, const struct rcpt_facts *facts)
{
	ASSERT(i < m->msg.rcpt_count && rcpt_facts_size(facts) <= m->text_size - m->text_len);
	m->text_len = (size_t)(rcpt_set(&m->msg.rcpts[i], m->text + m->text_len, facts) - m->text);
}

static struct slice domain_of(struct slice addr)
{
	const ptrdiff_t at = slice_find_last_char(addr, '@');

	slice_skip(&addr, at < 0 ? addr.len : (size_t)at + 1);
	return addr;
}

static int compare_nocase(struct slice a, struct slice b)
{
	const size_t len = MIN(a.len, b.len);

	for (size_t i = 0; i < len; i++) {
		const int difference = (unsigned char)ascii_lower(a.ptr[i]) - (unsigned char)ascii_lower(b.ptr[i]);

		if (difference != 0)
			return difference;
	}
	return (a.len > b.len) - (a.len < b.len);
}

/* By domain; equal ones in the order of acceptance, which is the order of their text. */
static bool rcpt_is_before(const struct rcpt *a, const struct rcpt *b)
{
	const int order = compare_nocase(domain_of(a->addr), domain_of(b->addr));

	return order != 0 ? order < 0 : a->addr.ptr < b->addr.ptr;
}

static void swap_rcpts(struct rcpt *a, struct rcpt *b)
{
	const struct rcpt t = *a;

	*a = *b;
	*b = t;
}

static void sift_down(struct rcpt *r, uint32_t i, uint32_t count)
{
	for (;;) {
		uint32_t child = 2 * i + 1;

		if (child >= count)
			return;
		if (child + 1 < count && rcpt_is_before(&r[child], &r[child + 1]))
			child++;
		if (!rcpt_is_before(&r[i], &r[child]))
			return;
		swap_rcpts(&r[i], &r[child]);
		i = child;
	}
}

/* Heapsort: qsort of libc may allocate. */
void spool_message_sort(struct spool_message *m)
{
	struct rcpt *r = m->msg.rcpts;
	const uint32_t count = m->msg.rcpt_count;
	uint32_t i = 1;

	while (i < count && rcpt_is_before(&r[i - 1], &r[i]))
		i++;
	if (i == count)
		return;
	for (i = count / 2; i > 0; i--)
		sift_down(r, i - 1, count);
	for (i = count - 1; i > 0; i--) {
		swap_rcpts(&r[0], &r[i]);
		sift_down(r, 0, i);
	}
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

/* nexthop is either somebody's lasting memory, or in storage and then to be kept. */
static struct spool_job *take_job(struct spool_message *m, struct slice nexthop, const struct str *storage)
{
	struct spool *s = m->journal->spool;
	struct spool_job *job = pool_take(&s->jobs);

	if (job == NULL)
		return NULL;
	memset(job, 0, sizeof(*job));
	job->job.magic = JOB_MAGIC;
	job->job.msg = &m->msg;
	job->job.nexthop = nexthop;
	list_init(&job->job.node);
	note_init(&job->job.note, NULL);
	if (nexthop.len > 0 && nexthop.ptr >= storage->ptr && nexthop.ptr < storage->ptr + storage->cap) {
		job->nexthop = slab_take(&s->memory, nexthop.len);
		if (job->nexthop == NULL) {
			pool_put(&s->jobs, &job);
			return NULL;
		}
		job->nexthop_size = (uint32_t)nexthop.len;
		memcpy(job->nexthop, nexthop.ptr, nexthop.len);
		job->job.nexthop.ptr = job->nexthop;
	}
	return job;
}

/* The job for recipients of this domain: the one before when it leads to the same place. */
static struct spool_job *job_for(struct spool_message *m, struct spool_job *before, struct slice domain)
{
	char text[JOB_NEXTHOP_MAX];
	struct str storage = STR(text);
	const struct slice nexthop = delivery_nexthop(domain, &storage);

	if (before != NULL && slice_eq(before->job.nexthop, nexthop))
		return before;
	struct spool_job *job = take_job(m, nexthop, &storage);

	if (job == NULL)
		return NULL;
	if (before != NULL)
		before->next = job;
	else
		m->jobs = job;
	return job;
}

static void count_open(struct spool_job *job)
{
	const struct job *j = &job->job;

	job->open = 0;
	for (uint32_t i = j->first; i < j->first + j->count; i++)
		job->open += j->msg->rcpts[i].state == RCPT_OPEN;
}

/* Many recipients with one nexthop are several jobs; the first one keeps the nexthop's memory. Every message that may
 * still come has its jobs without that, so what is left over decides how far it goes. Returns the last one. */
static struct spool_job *split_job(struct spool_message *m, struct spool_job *job)
{
	struct spool *s = m->journal->spool;
	const uint32_t most = delivery_job_rcpts(job->job.count);

	while (job->job.count > most && pool_free(&s->jobs) > 2 * pool_free(&s->messages) + MESSAGE_RCPTS_MAX) {
		struct spool_job *rest = pool_take(&s->jobs);

		*rest = *job;
		list_init(&rest->job.node);
		note_init(&rest->job.note, NULL);
		rest->nexthop = NULL;
		rest->nexthop_size = 0;
		rest->job.first += most;
		rest->job.count -= most;
		job->job.count = most;
		job->next = rest;
		count_open(job);
		count_open(rest);
		job = rest;
	}
	return job;
}

int spool_message_make_jobs(struct spool_message *m)
{
	struct spool_job *job = NULL;
	struct slice domain = SLICE("");

	for (uint32_t i = 0; i < m->msg.rcpt_count; i++) {
		const struct rcpt *r = &m->msg.rcpts[i];

		if (job == NULL || compare_nocase(domain, domain_of(r->addr)) != 0) {
			struct spool_job *before = job;

			domain = domain_of(r->addr);
			job = job_for(m, before, domain);
			if (job == NULL)
				return -ENOBUFS;
			if (job != before)
				job->job.first = i;
		}
		job->job.count++;
		if (r->state == RCPT_OPEN) {
			job->open++;
			m->rcpts_open++;
		}
	}
	for (job = m->jobs; job != NULL; job = job->next)
		job = split_job(m, job);
	return 0;
}

void spool_message_offer(struct spool_message *m)
{
	struct spool_job *next;

	/* Counted first: a job that is over at once must not be the last one. */
	for (struct spool_job *job = m->jobs; job != NULL; job = job->next) {
		job->offered = job->open > 0;
		m->jobs_offered += job->offered;
	}
	for (struct spool_job *job = m->jobs; job != NULL; job = next) {
		next = job->next;
		if (!job->offered)
			continue;
		job->job.open = job->open;
		job->job.attempts = job->attempts;
		job->job.due_ns = job->due_ns;
		job->job.core = delivery_core_of(job->job.nexthop);
		delivery_offer(&job->job);
	}
}

/* --- the index ---------------------------------------------------------------------------------------------------- */

static bool id_eq(const struct map_node *node, struct slice key)
{
	const struct spool_message *m = container_of(node, const struct spool_message, by_id);

	return memcmp(&m->msg.id, key.ptr, sizeof(m->msg.id)) == 0;
}

struct spool_message *spool_message_find(struct spool *s, uint64_t id)
{
	const struct slice key = slice_of(&id, sizeof(id));
	struct map_node *node = map_find(&s->by_id, map_hash(&s->by_id, key), key, id_eq);

	return node != NULL ? container_of(node, struct spool_message, by_id) : NULL;
}

void spool_message_enqueue(struct spool_message *m)
{
	struct spool *s = m->journal->spool;

	ASSERT(!m->is_mapped);
	map_insert(&s->by_id, &m->by_id, map_hash(&s->by_id, slice_of(&m->msg.id, sizeof(m->msg.id))));
	m->is_mapped = true;
	m->state = SPOOL_MESSAGE_QUEUED;
	m->journal->live_octets += spool_message_octets(m);
	s->rcpts_open += m->rcpts_open;
	metric_add(&spool_metric_queued, 1);
	metric_add(&spool_metric_queued_rcpts, m->rcpts_open);
}

void spool_message_close_rcpt(struct spool_message *m, uint32_t i, enum rcpt_state state)
{
	struct rcpt *r = &m->msg.rcpts[i];

	ASSERT(r->state == RCPT_OPEN && state != RCPT_OPEN && m->rcpts_open > 0);
	r->state = (uint8_t)state;
	r->in_doubt = false;
	m->rcpts_open--;
	m->journal->spool->rcpts_open--;
	metric_add(&spool_metric_queued_rcpts, -1);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* Row SPL-04: told once. */
void spool_message_damage(struct spool_message *m)
{
	char id[MESSAGE_ID_TEXT_MAX];

	if (m->state == SPOOL_MESSAGE_DAMAGED)
		return;
	m->state = SPOOL_MESSAGE_DAMAGED;
	m->journal->spool->damaged_count++;
	metric_add(&spool_metric_damaged, 1);
	log_line(LOG_LEVEL_ERROR, "qmgr", "%s: error: the stored content does not match its checksum: "
		 "not delivered to %u recipients, kept aside in %s",
		 spool_id_cstr(m->msg.id, id), m->rcpts_open, m->journal->dir);
}

static void damaged_on_commit(struct journal_waiter *w, int err)
{
	struct spool_message *m = container_of(w, struct spool_message, put_waiter);

	m->put_fn = NULL;
	if (err == 0 && !m->journal->spool->closing)
		spool_message_put(&m);	/* otherwise spool_damaged_tend tries again */
}

static void damaged_append(struct spool_message *m)
{
	struct journal *j = m->journal->journal;
	uint8_t record[SPOOL_DAMAGED_SIZE];
	const struct slice part = slice_of(record, spool_write_damaged(record, m->msg.id));
	struct journal_ref ref;

	if (journal_append(j, SPOOL_DAMAGED, JOURNAL_END, &part, 1, &ref) < 0)
		return;			/* later */
	m->put_waiter.fn = damaged_on_commit;
	journal_commit(j, &m->put_waiter);
}

void spool_damaged_tend(struct spool_journal *sj)
{
	list_for_each(node, &sj->damaged) {
		struct spool_message *m = list_entry(node, struct spool_message, node);

		if (list_is_empty(&m->put_waiter.node))
			damaged_append(m);
	}
}

void spool_message_end(struct spool_message *m)
{
	char id[MESSAGE_ID_TEXT_MAX];

	ASSERT(m->jobs_offered == 0);
	if (m->state == SPOOL_MESSAGE_DAMAGED && m->rcpts_open > 0) {
		/* From that record on nobody tries it again; its segment is kept aside by the journal. */
		list_remove(&m->node);
		list_push_back(&m->journal->damaged, &m->node);
		spool_damaged_tend(m->journal);
		return;
	}
	ASSERT(m->rcpts_open == 0);
	log_line(LOG_LEVEL_INFO, "qmgr", "%s: removed", spool_id_cstr(m->msg.id, id));
	spool_message_put(&m);
}
