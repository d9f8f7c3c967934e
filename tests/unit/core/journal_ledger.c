#include "tests/unit/core/journal_ledger.h"

#include "tests/test.h"

struct ledger ledger;
uint8_t content[JOURNAL_RECORD_MAX + 8];

struct commit {
	struct journal_waiter waiter;
	unsigned from;			/* ids [from, to) were appended since the last one */
	unsigned to;
	bool used;
};

static struct commit commits[IDS_MAX];
static unsigned first_uncommitted;

void content_of(unsigned id, uint32_t len, uint8_t *buf)
{
	uint64_t seed = id * UINT64_C(7919) + len;

	for (uint32_t i = 0; i < len; i += 8) {
		const uint64_t r = test_random(&seed);

		memcpy(buf + i, &r, MIN(8u, len - i));
	}
	memcpy(buf, &id, MIN(4u, len));
}

static int on_replay(struct journal *j, const struct journal_record *record, void *context)
{
	struct ledger *l = context;
	unsigned id;

	assert_ptr_equal(j, l->j);
	assert_true(record->payload.len >= 4);
	memcpy(&id, record->payload.ptr, 4);
	assert_in_range(id, 1, l->next);
	assert_int_equal(record->payload.len, l->len[id]);	/* never altered */
	assert_int_equal(record->type, id % 250 + 1);
	content_of(id, l->len[id], content);
	assert_memory_equal(record->payload.ptr, content, l->len[id]);
	assert_true(id > l->last_seen);				/* in order, and once */
	l->last_seen = id;
	l->seen[id] = true;
	l->ref[id] = record->ref;
	l->replayed++;
	if (l->fate[id] != ENDED)
		journal_hold(j, record->ref.segment);
	return 0;
}

static void on_damage(struct journal *j, uint32_t segment, uint32_t offset, uint32_t len, void *context)
{
	struct ledger *l = context;

	(void)j;
	(void)segment;
	(void)offset;
	l->damages++;
	l->damaged += len;
}

static void on_ready(struct journal *j, int err, void *context)
{
	struct ledger *l = context;

	(void)j;
	assert_false(l->ready);
	l->ready = true;
	l->ready_err = err;
}

static void on_space(struct journal *j, bool is_short, int err, void *context)
{
	struct ledger *l = context;

	(void)j;
	assert_true(is_short != l->space_short);		/* edges only */
	l->space_short = is_short;
	l->space_err = err;
	l->space_edges++;
}

static void on_close(struct journal *j, void *context)
{
	(void)j;
	((struct ledger *)context)->closed = true;
}

static void begin_open(size_t memory)
{
	const struct journal_conf conf = { .dir = "spool", .segment_size = SEGMENT_SIZE, .memory = memory };
	const struct journal_events events = { .replay = on_replay, .damage = on_damage, .ready = on_ready,
					       .space = on_space, .context = &ledger };

	memset(ledger.seen, 0, sizeof(ledger.seen));
	ledger.replayed = ledger.last_seen = ledger.damages = 0;
	ledger.damaged = 0;
	ledger.ready = ledger.closed = ledger.space_short = false;
	ledger.j = journal_new(&conf, &events);
	assert_non_null(ledger.j);
	journal_open(ledger.j);
}

void open_with(size_t memory)
{
	begin_open(memory);
	disk_run();
}

void open_nowhere(void)
{
	begin_open(MEMORY);
}

void open_it(void)
{
	open_with(MEMORY);
}

void open_ready(void)
{
	open_it();
	assert_true(ledger.ready);
	assert_int_equal(ledger.ready_err, 0);
}

void abandon(void)
{
	ledger.j->state = JOURNAL_CLOSED;
	journal_free(&ledger.j);
}

void begin_close(void)
{
	journal_close(ledger.j, on_close, &ledger);
	disk_run();
}

void close_it(void)
{
	begin_close();
	assert_true(ledger.closed);
	assert_int_equal(disk_open_files(), 0);
	journal_free(&ledger.j);
}

void start_over(void)
{
	disk_format();
	memset(&ledger, 0, sizeof(ledger));
	memset(commits, 0, sizeof(commits));
	first_uncommitted = 1;
	ledger.next = 0;
}

int append_class(uint32_t len, enum journal_class class)
{
	const unsigned id = ledger.next + 1;
	struct journal_ref ref;

	assert_in_range(id, 1, IDS_MAX - 1);
	content_of(id, len, content);
	const struct slice parts[3] = { slice_of(content, len / 3), slice_of(NULL, 0),
					slice_of(content + len / 3, len - len / 3) };
	int r = journal_append(ledger.j, (uint8_t)(id % 250 + 1), class, parts, 3, &ref);

	if (r < 0)
		return r;
	assert_int_equal(ref.len, len);
	ledger.next = id;
	ledger.len[id] = len;
	ledger.ref[id] = ref;
	ledger.epoch[id] = journal_epoch(ledger.j);
	ledger.fate[id] = APPENDED;
	journal_hold(ledger.j, ref.segment);
	return 0;
}

int append(uint32_t len)
{
	return append_class(len, JOURNAL_NEW);
}

/* A full memory is written without being asked to. What was durable before the rest of its group became void may come
 * back; to its owner it is over. */
static void take_back(unsigned id)
{
	const struct journal_segment *s = journal_segment_find(ledger.j, ledger.ref[id].segment);
	const bool is_void = s == NULL || s->state != SEGMENT_LIVE || ledger.ref[id].offset >= s->end;

	assert_true(s == NULL || s->state != SEGMENT_LIVE || s->sealed);
	ledger.fate[id] = is_void ? VOID : ENDED;
	journal_release(ledger.j, ledger.ref[id].segment);
}

static void on_commit(struct journal_waiter *waiter, int err)
{
	struct commit *c = container_of(waiter, struct commit, waiter);
	bool any = false;

	c->used = false;
	ledger.last_err = err;
	for (unsigned id = c->from; id < c->to; id++) {
		if (ledger.fate[id] != APPENDED)
			continue;
		any = true;
		if (err == 0)
			ledger.fate[id] = ACKED;
		else
			take_back(id);
	}
	if (err < 0)
		ledger.voids++;
	else
		ledger.acks++;
	for (unsigned id = 1; err == 0 && any && id < c->from; id++)
		ledger.void_is_sure[id] |= ledger.fate[id] == VOID;
}

void commit(void)
{
	struct commit *c = NULL;

	for (unsigned i = 0; c == NULL; i++) {
		assert_true(i < IDS_MAX);
		c = commits[i].used ? NULL : &commits[i];
	}
	c->used = true;
	list_init(&c->waiter.node);
	c->waiter.fn = on_commit;
	c->from = first_uncommitted;
	c->to = ledger.next + 1;
	first_uncommitted = c->to;
	/* Appended, and void before anybody asked: that is what the epoch is for. */
	for (unsigned id = c->from; id < c->to; id++)
		if (ledger.fate[id] == APPENDED && ledger.epoch[id] != journal_epoch(ledger.j))
			take_back(id);
	journal_commit(ledger.j, &c->waiter);
}

void append_and_commit(uint32_t len)
{
	assert_int_equal(append(len), 0);
	commit();
	disk_run();
}

void end(unsigned id)
{
	if (id == 0 || id > ledger.next || ledger.fate[id] != ACKED)
		return;
	ledger.fate[id] = ENDED;
	journal_release(ledger.j, ledger.ref[id].segment);
}

void check_promises(void)
{
	for (unsigned id = 1; id <= ledger.next; id++) {
		if (ledger.fate[id] == ACKED)
			assert_true(ledger.seen[id]);
		if (ledger.void_is_sure[id])
			assert_false(ledger.seen[id]);
	}
}

void settle_after_restart(void)
{
	for (unsigned id = 1; id <= ledger.next; id++) {
		if (ledger.fate[id] != APPENDED && ledger.fate[id] != VOID)
			continue;
		ledger.fate[id] = ledger.seen[id] ? ACKED : VOID;
		ledger.void_is_sure[id] = !ledger.seen[id];
	}
	memset(commits, 0, sizeof(commits));
	first_uncommitted = ledger.next + 1;
}

void restart(struct disk_choice choice)
{
	abandon();
	disk_restart(choice);
	open_ready();
	check_promises();
	settle_after_restart();
}
