#include "core/journal.h"

#include <errno.h>
#include <stdlib.h>

#include "core/journal_impl.h"

struct metric journal_metric_commits =
	METRIC_COUNTER("ringpost_journal_commits_total", "batches written and synced");
struct metric journal_metric_octets =
	METRIC_COUNTER("ringpost_journal_octets_total", "octets written to segments");
struct metric journal_metric_records =
	METRIC_COUNTER("ringpost_journal_records_total", "records appended");
struct metric journal_metric_failures =
	METRIC_COUNTER("ringpost_journal_failures_total", "batches that failed and became void");
struct metric journal_metric_commit_us =
	METRIC_COUNTER("ringpost_journal_commit_microseconds_total", "time that commits took, added up");

/* --- life ------------------------------------------------------------------------------------- */

static void room_task_run(struct task *task);
static void read_task_run(struct task *task);

static void register_metrics(void)
{
	metric_register(&journal_metric_commits);
	metric_register(&journal_metric_octets);
	metric_register(&journal_metric_records);
	metric_register(&journal_metric_failures);
	metric_register(&journal_metric_commit_us);
}

/* The table has at least twice as many places as there are blocks: chains stay at one or two. */
static int take_memory(struct journal *j, size_t memory)
{
	size_t table = 4;

	j->block_count = (unsigned)(memory / JOURNAL_BLOCK);
	while (table < 2 * (size_t)j->block_count)
		table *= 2;
	j->table_mask = table - 1;
	j->slots = calloc(JOURNAL_SEGMENTS_MAX, sizeof(*j->slots));
	j->blocks = calloc(j->block_count, sizeof(*j->blocks));
	j->table = calloc(table, sizeof(struct journal_block *));
	char *data = io_arena_take(j->block_count * JOURNAL_BLOCK, 4096);

	if (j->slots == NULL || j->blocks == NULL || j->table == NULL || data == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < j->block_count; i++) {
		j->blocks[i].data = data + i * JOURNAL_BLOCK;
		list_init(&j->blocks[i].node);
		list_push_back(&j->clean, &j->blocks[i].node);
		j->clean_count++;
	}
	return 0;
}

struct journal *journal_new(const struct journal_conf *conf, const struct journal_events *events)
{
	struct journal *j = calloc(1, sizeof(*j));

	ASSERT(strlen(conf->dir) + JOURNAL_NAME_MAX <= JOURNAL_PATH_MAX);
	ASSERT(conf->segment_size % JOURNAL_BLOCK == 0 && conf->segment_size >= 4 * JOURNAL_BLOCK);
	ASSERT(conf->segment_size <= JOURNAL_SEGMENT_SIZE_MAX);
	ASSERT(conf->memory >= 4 * JOURNAL_BLOCK);
	if (j == NULL)
		return NULL;
	j->magic = JOURNAL_MAGIC;
	j->home = reactor_self();
	j->segment_size = conf->segment_size;
	j->events = *events;
	memcpy(j->dir, conf->dir, strlen(conf->dir) + 1);
	j->dir_file = -1;
	list_init(&j->segments);
	list_init(&j->spares);
	list_init(&j->voids);
	list_init(&j->dirty);
	list_init(&j->clean);
	list_init(&j->room_waiters);
	list_init(&j->reads_failed);
	task_init(&j->room_task, room_task_run);
	task_init(&j->read_task, read_task_run);
	journal_commit_init(j);
	journal_house_init(j);
	journal_open_init(j);
	if (take_memory(j, conf->memory) < 0)
		journal_free(&j);
	else
		register_metrics();
	return j;
}

void journal_free(struct journal **jp)
{
	struct journal *j = *jp;

	if (j == NULL)
		return;
	ASSERT(j->state == JOURNAL_IDLE || j->state == JOURNAL_CLOSED);
	free(j->slots);
	free(j->blocks);
	free(j->table);
	j->magic = 0;
	free(j);
	*jp = NULL;
}

/* --- blocks ----------------------------------------------------------------------------------- */

static struct journal_block **table_place(const struct journal *j, uint32_t segment, uint32_t index)
{
	/* Blocks of one segment in a row, segments spread by a multiplication (the golden ratio's). */
	return &j->table[(index + (size_t)segment * UINT32_C(2654435769)) & j->table_mask];
}

struct journal_block *journal_block_find(const struct journal *j, uint32_t segment, uint32_t index)
{
	struct journal_block *b = *table_place(j, segment, index);

	while (b != NULL && (b->segment != segment || b->index != index))
		b = b->chain;
	return b;
}

static void table_remove(struct journal *j, struct journal_block *b)
{
	struct journal_block **place = table_place(j, b->segment, b->index);

	while (*place != b) {
		ASSERT(*place != NULL);
		place = &(*place)->chain;
	}
	*place = b->chain;
	b->chain = NULL;
	b->segment = 0;
}

/* The oldest clean block becomes the open one, for this place in this segment. */
static struct journal_block *take_block(struct journal *j, uint32_t segment, uint32_t index)
{
	struct list *node = list_pop_front(&j->clean);

	ASSERT(node != NULL);
	struct journal_block *b = list_entry(node, struct journal_block, node);
	struct journal_block **place = table_place(j, segment, index);

	ASSERT(b->pins == 0 && !b->dirty);
	j->clean_count--;
	if (b->segment != 0)
		table_remove(j, b);
	b->segment = segment;
	b->index = index;
	b->fill = 0;
	b->durable = 0;
	b->dirty = true;
	b->chain = *place;
	*place = b;
	list_push_back(&j->dirty, &b->node);
	j->dirty_count++;
	j->open = b;
	return b;
}

/* Nobody pins it, nothing of it is on its way: it may be reused. A block without content is the first to be. */
static void block_make_clean(struct journal *j, struct journal_block *b)
{
	if (b->fill == 0) {
		table_remove(j, b);
		list_push_front(&j->clean, &b->node);
	} else {
		list_push_back(&j->clean, &b->node);
	}
	j->clean_count++;
	journal_room_kick(j);
	if (j->active == NULL)
		journal_house_kick(j);	/* a segment may be waiting for this block */
}

void journal_block_settle(struct journal *j, struct journal_block *b)
{
	ASSERT(b->dirty);
	b->dirty = false;
	b->fill = b->durable;
	list_remove(&b->node);
	j->dirty_count--;
	if (j->open == b)
		j->open = NULL;
	if (b->pins == 0)
		block_make_clean(j, b);
}

unsigned journal_room_percent(const struct journal *j)
{
	return j->clean_count * 100 / j->block_count;
}

/* --- room ------------------------------------------------------------------------------------- */

void journal_room_kick(struct journal *j)
{
	if (!list_is_empty(&j->room_waiters))
		reactor_post(&j->room_task);
}

static bool active_has_more_blocks(const struct journal *j)
{
	return (j->open->index + 1) * JOURNAL_BLOCK < j->active->size;
}

/* Would it be worth while to try again? An error is an answer too. */
static bool room_is_likely(const struct journal *j)
{
	if (j->active == NULL)
		return true;
	if (j->clean_count < (j->end_starved ? 1 : 2))
		return false;
	return j->house.err < 0 || j->spare_count >= 2 || (j->spare_count == 1 && active_has_more_blocks(j));
}

/* Who finds that there is no room for him after all waits again, behind those who have not been asked yet, and until
 * something changes: asking him at once again would never end. */
static void room_task_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, room_task);
	struct list asked;
	struct list *node;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	list_init(&asked);
	list_splice_back(&asked, &j->room_waiters);
	j->room_asking = true;
	while (room_is_likely(j) && (node = list_pop_front(&asked)) != NULL) {
		struct journal_waiter *w = list_entry(node, struct journal_waiter, node);

		w->fn(w, 0);
	}
	j->room_asking = false;
	list_splice_back(&asked, &j->room_waiters);
	list_splice_back(&j->room_waiters, &asked);
	if (list_is_empty(&j->room_waiters))
		j->end_starved = false;
}

void journal_wait_room(struct journal *j, struct journal_waiter *waiter)
{
	list_push_back(&j->room_waiters, &waiter->node);
	if (!j->room_asking && room_is_likely(j))
		reactor_post(&j->room_task);
}

void journal_wait_cancel(struct journal_waiter *waiter)
{
	list_remove(&waiter->node);
}

/* --- append ----------------------------------------------------------------------------------- */

static void append_at_tail(struct journal *j, uint8_t type, const struct slice *parts, unsigned count, uint32_t len)
{
	struct journal_block *b = j->open;
	const struct journal_place place = {
		.segment = b->segment,
		.salt = j->active->salt,
		.offset = journal_block_start(b) + b->fill,
	};

	ASSERT(b->fill % 8 == 0 && b->fill + journal_record_size(len) <= JOURNAL_BLOCK);
	b->fill += journal_record_write(b->data + b->fill, place, j->batch, type, parts, count, len);
}

/* The rest of the block is left empty, and says so, unless not even that fits. */
static void next_block(struct journal *j)
{
	const uint32_t index = j->open->index + 1;

	if (JOURNAL_BLOCK - j->open->fill >= JOURNAL_RECORD_HEADER)
		append_at_tail(j, JOURNAL_TYPE_PAD, NULL, 0, 0);
	/* Whole and durable already: it has waited for this only. */
	struct journal_block *full = j->open;

	take_block(j, j->active->number, index);
	if (full->durable == full->fill && !(j->flight.on && j->flight.last == full))
		journal_block_settle(j, full);
}

void journal_begin_segment(struct journal *j, uint32_t prev, uint32_t prev_end)
{
	struct list *node = list_pop_front(&j->spares);

	ASSERT(node != NULL);
	struct journal_segment *s = list_entry(node, struct journal_segment, node);
	const struct journal_head head = {
		.segment = s->number,
		.prev = prev,
		.prev_end = prev_end,
		.salt = j->salt,
		.batch = j->batch,
		.size = s->size,
	};

	ASSERT(prev < s->number);
	j->spare_count--;
	s->state = SEGMENT_LIVE;
	s->salt = j->salt;
	list_push_back(&j->segments, &s->node);
	j->segment_count++;
	j->active = s;
	struct journal_block *b = take_block(j, s->number, 0);

	journal_head_write(b->data, &head);
	b->fill = JOURNAL_HEAD_SIZE;
	journal_house_kick(j);
}

static void rotate(struct journal *j)
{
	struct journal_segment *full = j->active;
	struct journal_block *last = j->open;

	full->end = journal_block_start(last) + last->fill;
	full->sealed = true;
	journal_begin_segment(j, full->number, full->end);
	if (last->durable == last->fill && !(j->flight.on && j->flight.last == last))
		journal_block_settle(j, last);
}

/* What is short: segments (then it depends on whether another one can be made), or memory (then it is being
 * written). */
static int no_segment(struct journal *j, enum journal_class class)
{
	if (j->house.err == 0)
		return -ENOBUFS;
	if (class == JOURNAL_NEW)
		journal_refuse(j);
	return -ENOSPC;
}

static int no_block(struct journal *j, enum journal_class class)
{
	j->end_starved |= class == JOURNAL_END;
	journal_flush(j);
	return -ENOBUFS;
}

/* JOURNAL_NEW leaves one spare segment and one clean block to JOURNAL_END: what ends things is what makes room. */
static int make_room(struct journal *j, enum journal_class class, uint32_t size)
{
	const unsigned reserve = class == JOURNAL_NEW ? 1 : 0;

	if (j->active == NULL)
		return -EIO;
	if (class == JOURNAL_NEW && j->refusing)
		return -ENOSPC;
	if (j->spare_count < reserve)
		return no_segment(j, class);
	if (j->open->fill + size <= JOURNAL_BLOCK)
		return 0;
	const bool more = active_has_more_blocks(j);

	if (!more && j->spare_count < reserve + 1)
		return no_segment(j, class);
	if (j->clean_count < reserve + 1)
		return no_block(j, class);
	if (more)
		next_block(j);
	else
		rotate(j);
	/* A long message that nobody waits for yet must not fill the memory. */
	if (j->dirty_count > j->block_count / 4)
		journal_flush(j);
	ASSERT(j->open->fill + size <= JOURNAL_BLOCK);
	return 0;
}

int journal_append(struct journal *j, uint8_t type, enum journal_class class, const struct slice *parts, unsigned count,
		   struct journal_ref *ret_ref)
{
	size_t len = 0;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(j->state == JOURNAL_READY && j->home == reactor_self());
	ASSERT(type >= 1 && type <= JOURNAL_TYPE_USER_MAX);
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].len > JOURNAL_RECORD_MAX)
			return -EMSGSIZE;
		len += parts[i].len;
	}
	if (len > JOURNAL_RECORD_MAX)
		return -EMSGSIZE;
	int r = make_room(j, class, journal_record_size((uint32_t)len));

	if (r < 0)
		return r;
	*ret_ref = (struct journal_ref){
		.segment = j->open->segment,
		.offset = journal_block_start(j->open) + j->open->fill,
		.len = (uint32_t)len,
	};
	append_at_tail(j, type, parts, count, (uint32_t)len);
	metric_add(&journal_metric_records, 1);
	return 0;
}

int journal_append_own(struct journal *j, uint8_t type)
{
	int r = make_room(j, JOURNAL_END, JOURNAL_RECORD_HEADER);

	if (r == 0)
		append_at_tail(j, type, NULL, 0, 0);
	return r;
}

/* --- payloads --------------------------------------------------------------------------------- */

const void *journal_pin(struct journal *j, struct journal_ref ref)
{
	struct journal_block *b = journal_block_find(j, ref.segment, ref.offset / (uint32_t)JOURNAL_BLOCK);
	const size_t at = ref.offset % JOURNAL_BLOCK;

	if (b == NULL || at + JOURNAL_RECORD_HEADER + (size_t)ref.len > b->fill)
		return NULL;
	if (b->pins++ == 0 && !b->dirty) {
		list_remove(&b->node);
		j->clean_count--;
	}
	return b->data + at + JOURNAL_RECORD_HEADER;
}

void journal_unpin(struct journal *j, struct journal_ref ref)
{
	struct journal_block *b = journal_block_find(j, ref.segment, ref.offset / (uint32_t)JOURNAL_BLOCK);

	ASSERT(b != NULL && b->pins > 0);
	if (--b->pins == 0 && !b->dirty)
		block_make_clean(j, b);
}

static void read_end(struct journal_read *read, int err, struct slice payload)
{
	struct journal *j = read->journal;
	struct journal_segment *s = journal_segment_find(j, read->ref.segment);

	if (s != NULL && --s->reads == 0)
		journal_house_kick(j);
	j->reads--;
	journal_close_kick(j);
	read->fn(read, err, payload);
}

static void read_on_done(struct op *op, int res)
{
	struct journal_read *read = container_of(op, struct journal_read, op);
	struct journal *j = read->journal;
	struct journal_segment *s = journal_segment_find(j, read->ref.segment);
	const size_t want = journal_record_size(read->ref.len);
	struct journal_found found;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(s != NULL);	/* a segment with reads stays */
	if (res > 0 && read->got + (size_t)res < want) {
		read->got += (size_t)res;
		io_read(&read->op, s->file, (char *)read->buf + read->got, want - read->got,
			(uint64_t)read->ref.offset + read->got);
		return;
	}
	if (res < 0) {
		read_end(read, res, slice_of(NULL, 0));
		return;
	}
	read->got += (size_t)res;
	const struct journal_place place = { .segment = s->number, .salt = s->salt, .offset = read->ref.offset };

	if (read->got < want || journal_record_read(read->buf, want, place, &found) < 0 || found.len != read->ref.len) {
		s->damaged = true;	/* once it is reclaimed, it is kept aside */
		read_end(read, ERR_CORRUPT, slice_of(NULL, 0));
	} else {
		read_end(read, 0, found.payload);
	}
}

/* The callbacks of reads that could not even start. */
static void read_task_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, read_task);
	struct list failed;
	struct list *node;

	list_init(&failed);
	list_splice_back(&failed, &j->reads_failed);
	while ((node = list_pop_front(&failed)) != NULL) {
		struct journal_read *read = list_entry(node, struct journal_read, node);

		j->reads--;
		journal_close_kick(j);
		read->fn(read, ERR_CORRUPT, slice_of(NULL, 0));
	}
}

/* A ref may come from a record that a hostile hand has written: no place, no read. */
void journal_read(struct journal *j, struct journal_read *read, struct journal_ref ref, void *buf, journal_read_fn *fn)
{
	struct journal_segment *s = journal_segment_find(j, ref.segment);

	ASSERT(j->state == JOURNAL_READY);
	op_init(&read->op, read_on_done);
	list_init(&read->node);
	read->journal = j;
	read->ref = ref;
	read->buf = buf;
	read->fn = fn;
	read->got = 0;
	j->reads++;
	if (s == NULL || s->state != SEGMENT_LIVE || ref.len > JOURNAL_RECORD_MAX) {
		list_push_back(&j->reads_failed, &read->node);
		reactor_post(&j->read_task);
		return;
	}
	s->reads++;
	io_read(&read->op, s->file, buf, journal_record_size(ref.len), ref.offset);
}

/* --- segments --------------------------------------------------------------------------------- */

struct journal_segment *journal_segment_find(const struct journal *j, uint32_t number)
{
	struct journal_segment *s = &j->slots[number % JOURNAL_SEGMENTS_MAX];

	return number != 0 && s->state != SEGMENT_ABSENT && s->number == number ? s : NULL;
}

/* Those that became void may be gone while somebody still counts on his way out. */
void journal_hold(struct journal *j, uint32_t segment)
{
	struct journal_segment *s = journal_segment_find(j, segment);

	ASSERT(segment <= j->number_last);
	if (s != NULL)
		s->holds++;
}

void journal_release(struct journal *j, uint32_t segment)
{
	struct journal_segment *s = journal_segment_find(j, segment);

	if (s == NULL)
		return;
	ASSERT(s->holds > 0);
	if (--s->holds == 0)
		journal_house_kick(j);
}

uint32_t journal_epoch(const struct journal *j)
{
	return j->epoch;
}

struct journal_usage journal_usage(const struct journal *j)
{
	struct journal_usage usage = {
		.active_segment = j->active != NULL ? j->active->number : 0,
		.segments = j->segment_count,
		.octets = j->octets,
	};

	if (!list_is_empty(&j->segments)) {
		const struct journal_segment *s = list_entry(j->segments.next, struct journal_segment, node);

		usage.oldest_segment = s->number;
		usage.oldest_holds = s->holds;
	}
	return usage;
}
