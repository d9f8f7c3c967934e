#include "core/journal_impl.h"

#include <errno.h>
#include <fcntl.h>

#include "core/random.h"

/* Opening:	names -> every head -> the chain -> each segment of it, block by block -> a spare -> its head is
 * durable: ready
 *
 * A segment that another one names as its predecessor counts up to the end named there, and what does not match in it
 * is damage. The newest one counts as far as good records go (its tail may be torn and was then never acknowledged).
 * Its last batch is the one that nothing proves durable: a killed process may have written and never synced it, and
 * after a failed sync the kernel may show what is not on the disk and call it clean. So it is written and synced once
 * more before we are ready: nobody may act upon what can still disappear. */

#define HOLE_PIECE 4096u	/* after a read error: find out how little is lost */

static void open_on_done(struct op *op, int res);
static void open_run(struct task *task);
static void close_run(struct task *task);
static void next_segment(struct journal *j);

void journal_open_init(struct journal *j)
{
	op_init(&j->opening.op, open_on_done);
	task_init(&j->opening.task, open_run);
	task_init(&j->close_task, close_run);
}

static void open_finish(struct journal *j, int err)
{
	j->opening.step = OPEN_NONE;
	j->opening.err = err;
	reactor_post(&j->opening.task);
}

/* The one place from which events.ready is called; also where a journal_close during opening is heard. */
static void open_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, opening.task);

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	if (j->state == JOURNAL_OPENING)
		j->state = j->opening.err == 0 ? JOURNAL_READY : JOURNAL_FAILED;
	if (j->state == JOURNAL_READY && j->spare_count == 0 && j->house.err < 0)
		journal_refuse(j);
	j->events.ready(j, j->opening.err, j->events.context);
	journal_house_kick(j);
	if (j->close_fn != NULL)
		reactor_post(&j->close_task);
}

/* --- names ------------------------------------------------------------------------------------ */

/* "0000000001.seg": ten digits, nothing else is ours. Returns 0 for other names. */
static uint32_t number_of_name(const char *name)
{
	const struct slice s = slice_of_str(name);
	uint64_t number;

	if (s.len != 14 || strcmp(name + 10, ".seg") != 0)
		return 0;
	return slice_to_u64(slice_head(s, 10), UINT32_MAX - 1, &number) == 0 ? (uint32_t)number : 0;
}

static void open_on_name(const char *name, void *context)
{
	struct journal *j = context;
	struct journal_opening *o = &j->opening;
	const uint32_t number = number_of_name(name);

	if (number == 0)
		return;
	o->low = o->low == 0 ? number : MIN(o->low, number);
	o->high = MAX(o->high, number);
	if (j->slots[number % JOURNAL_SEGMENTS_MAX].state != SEGMENT_ABSENT)
		o->err = -EOVERFLOW;	/* farther apart than we can hold: no journal of ours */
	else
		journal_segment_add(j, number, SEGMENT_FOUND);
}

void journal_open(struct journal *j)
{
	struct journal_opening *o = &j->opening;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(j->state == JOURNAL_IDLE);
	j->home = reactor_self();
	j->state = JOURNAL_OPENING;
	random_fill(&j->salt, sizeof(j->salt));
	int r = io_list_dir(j->dir, open_on_name, j);

	if (r == 0 && o->err == 0 && o->high - o->low >= JOURNAL_SEGMENTS_MAX)
		o->err = -EOVERFLOW;
	if (r < 0 || o->err < 0) {
		open_finish(j, r < 0 ? r : o->err);
		return;
	}
	o->step = OPEN_DIR;
	io_open(&o->op, j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
}

/* The first existing segment from number upward, or NULL. */
static struct journal_segment *found_from(const struct journal *j, uint32_t number)
{
	if (number == 0)
		return NULL;
	for (; number <= j->opening.high; number++) {
		struct journal_segment *s = journal_segment_find(j, number);

		if (s != NULL)
			return s;
	}
	return NULL;
}

static struct journal_segment *found_below(const struct journal *j, uint32_t number)
{
	while (number > j->opening.low) {
		struct journal_segment *s = journal_segment_find(j, --number);

		if (s != NULL)
			return s;
	}
	return NULL;
}

/* --- reading ---------------------------------------------------------------------------------- */

static char *read_buffer(const struct journal *j)
{
	return j->blocks[0].data;	/* nothing else uses blocks yet */
}

static void read_piece(struct journal *j)
{
	struct journal_opening *o = &j->opening;
	const struct journal_segment *s = journal_segment_find(j, o->number);

	io_read(&o->op, s->file, read_buffer(j) + o->got, MIN(o->want - o->got, o->piece),
		(uint64_t)o->offset + o->got);
}

static void read_start(struct journal *j, enum open_step step, uint32_t offset, uint32_t want)
{
	struct journal_opening *o = &j->opening;

	o->step = step;
	o->offset = offset;
	o->want = want;
	o->got = 0;
	o->piece = (uint32_t)JOURNAL_BLOCK;
	read_piece(j);
}

/* True when all that is wanted is there, or the file has ended. A bad sector reads as zeros: its records are damage,
 * and those around it are not lost with it. */
static bool read_is_done(struct journal *j, int res)
{
	struct journal_opening *o = &j->opening;

	if (res == -EINTR || res == -EAGAIN) {
		read_piece(j);
		return false;
	}
	if (res < 0 && o->piece > HOLE_PIECE) {
		o->piece = HOLE_PIECE;
		read_piece(j);
		return false;
	}
	if (res < 0) {
		const uint32_t hole = MIN(HOLE_PIECE, o->want - o->got);

		memset(read_buffer(j) + o->got, 0, hole);
		res = (int)hole;
	}
	o->eof = res == 0;
	o->got += (uint32_t)res;
	if (o->got < o->want && !o->eof) {
		read_piece(j);
		return false;
	}
	return true;
}

/* --- heads ------------------------------------------------------------------------------------ */

static void build_chain(struct journal *j);

static void next_head(struct journal *j, uint32_t from)
{
	struct journal_opening *o = &j->opening;
	const struct journal_segment *s = found_from(j, from);

	if (s == NULL) {
		build_chain(j);
		return;
	}
	o->number = s->number;
	o->step = OPEN_FILE;
	journal_path(j, s->number, "seg", o->path);
	io_open(&o->op, o->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC, 0);
}

static void take_head(struct journal *j)
{
	struct journal_opening *o = &j->opening;
	struct journal_segment *s = journal_segment_find(j, o->number);
	struct journal_head head = { .salt = j->salt };

	s->copies = journal_head_read(read_buffer(j), o->got, s->number, &head);
	if (s->copies == ERR_VERSION) {
		open_finish(j, ERR_VERSION);
		return;
	}
	s->salt = head.salt;
	s->size = head.size;
	s->prev = head.prev;
	s->prev_end = head.prev_end;
	s->batch = head.batch;
	j->octets += s->size;
	/* The newest head is read last, and its salt is the one that we go on with. */
	if (s->copies > 0)
		j->salt = s->salt;
	j->batch = MAX(j->batch, s->batch);
	next_head(j, s->number + 1);
}

/* --- the chain -------------------------------------------------------------------------------- */

static void report_damage(struct journal *j, struct journal_segment *s, uint32_t offset, uint32_t len)
{
	s->damaged = true;
	j->events.damage(j, s->number, offset, len, j->events.context);
}

static void chain_add(struct journal *j, struct journal_segment *s, uint32_t end)
{
	s->state = SEGMENT_LIVE;
	s->end = end;
	s->sealed = true;
	list_push_front(&j->segments, &s->node);
	j->segment_count++;
}

/* The newest one with a head, and from there back by name. Where a head is lost, the next older file is taken for its
 * predecessor; where a file is lost, that is reported, and the next older one is taken. */
static void chain_from(struct journal *j, struct journal_segment *s)
{
	uint32_t end = 0;

	while (s != NULL) {
		chain_add(j, s, end);
		if (s->copies <= 0) {
			s = found_below(j, s->number);
			end = 0;
			continue;
		}
		end = s->prev_end;
		struct journal_segment *prev = journal_segment_find(j, s->prev);

		if (prev == NULL && s->prev != 0 && found_below(j, s->prev) != NULL) {
			j->events.damage(j, s->prev, 0, end, j->events.context);
			prev = found_below(j, s->prev);
			end = 0;
		}
		s = prev;
	}
}

static void build_chain(struct journal *j)
{
	struct journal_opening *o = &j->opening;
	struct journal_segment *newest = o->high != 0 ? found_below(j, o->high + 1) : NULL;

	/* Behind the newest head there may be spares that were never begun, or one whose head is damaged: the latter
	 * shows records, or something that is neither zeros nor a former life. */
	struct journal_segment *headless = NULL;

	while (newest != NULL && newest->copies <= 0) {
		if (headless == NULL && newest->copies < 0)
			headless = newest;
		newest = found_below(j, newest->number);
	}
	if (newest != NULL)
		chain_from(j, newest);
	if (headless != NULL) {
		list_push_back(&j->segments, &headless->node);
		headless->state = SEGMENT_LIVE;
		headless->sealed = true;
		j->segment_count++;
	}
	for (struct journal_segment *s = found_from(j, o->low); s != NULL; s = found_from(j, s->number + 1)) {
		if (s->state == SEGMENT_LIVE) {
			if (s->copies <= 0)
				s->salt = j->salt;
			continue;
		}
		if (s->copies < 0)
			report_damage(j, s, 0, JOURNAL_HEAD_SIZE);	/* kept aside: nobody can say what it was */
		journal_segment_void(j, s);
	}
	next_segment(j);
}

/* --- replay ----------------------------------------------------------------------------------- */

static void end_segment(struct journal *j);
static void end_replay(struct journal *j);

static void next_block(struct journal *j, uint32_t offset)
{
	const struct journal_segment *s = j->opening.at;
	const uint32_t known = s->end != 0 ? s->end : s->size;
	const uint32_t limit = known != 0 ? known : (uint32_t)JOURNAL_SEGMENT_SIZE_MAX;

	if (offset >= limit)
		end_segment(j);
	else
		read_start(j, OPEN_BLOCK, offset, MIN((uint32_t)JOURNAL_BLOCK, limit - offset));
}

static void next_segment(struct journal *j)
{
	struct journal_opening *o = &j->opening;
	struct list *next = o->at != NULL ? o->at->node.next : j->segments.next;

	if (next == &j->segments) {
		end_replay(j);
		return;
	}
	o->at = list_entry(next, struct journal_segment, node);
	o->number = o->at->number;
	journal_scan_init(&o->scan, o->number, o->at->salt);
	next_block(j, 0);
}

static int replay_block(struct journal *j)
{
	struct journal_opening *o = &j->opening;
	struct journal_item item;

	while (journal_scan_next(&o->scan, read_buffer(j), o->offset, o->got, &item) > 0) {
		const struct journal_found *f = &item.found;
		const struct journal_record record = {
			.type = f->type,
			.ref = { .segment = o->number, .offset = f->offset, .len = f->len },
			.payload = f->payload,
		};

		if (item.kind == JOURNAL_ITEM_DAMAGE) {
			report_damage(j, o->at, f->offset, f->len);
			continue;
		}
		int r = j->events.replay(j, &record, j->events.context);

		if (r < 0)
			return r;
	}
	return 0;
}

/* What cannot be read any more stays as it is. */
static void write_again(struct journal *j, uint32_t from)
{
	struct journal_opening *o = &j->opening;
	const struct journal_segment *s = o->at;

	if (from >= s->end) {
		o->step = OPEN_SYNC;
		io_fdatasync(&o->op, s->file);
		return;
	}
	o->step = OPEN_AGAIN_READ;
	o->offset = from;
	o->want = MIN((uint32_t)JOURNAL_BLOCK, s->end - from);
	io_read(&o->op, s->file, read_buffer(j), o->want, from);
}

static void write_again_on_done(struct journal *j, int res)
{
	struct journal_opening *o = &j->opening;

	if (o->step == OPEN_AGAIN_READ && res > 0) {
		o->step = OPEN_AGAIN_WRITE;
		io_write(&o->op, o->at->file, read_buffer(j), (size_t)res, o->offset);
	} else if (o->step == OPEN_AGAIN_READ) {
		write_again(j, o->offset + o->want);
	} else if (res > 0) {
		write_again(j, o->offset + (uint32_t)res);
	} else {
		open_finish(j, res < 0 ? res : -EIO);
	}
}

/* A lost copy of a head is damage once something proves that the head was durable: a successor, or a later batch. */
static void end_segment(struct journal *j)
{
	struct journal_opening *o = &j->opening;
	struct journal_segment *s = o->at;
	struct journal_item item;
	const bool proven = s->node.next != &j->segments || s->copies <= 0 || o->scan.batch > s->batch;

	if (journal_scan_finish(&o->scan, s->end, &item) > 0)
		report_damage(j, s, item.found.offset, item.found.len);
	if (s->copies < 2 && proven)
		report_damage(j, s, 0, JOURNAL_HEAD_SIZE);
	j->batch = MAX(j->batch, o->scan.batch);
	if (s->end != 0 || o->scan.records == 0) {
		next_segment(j);
		return;
	}
	s->end = o->scan.end;
	write_again(j, o->scan.batch == s->batch ? 0 : o->scan.batch_start);
}

/* A newest segment without records is not worth keeping: what it says about its predecessor, the next one says again.
 * Until that is durable the file stays. */
static void drop_empty(struct journal *j, struct journal_segment *s)
{
	list_remove(&s->node);
	j->segment_count--;
	s->chained = s->copies > 0;
	journal_segment_void(j, s);
}

static void end_replay(struct journal *j)
{
	struct journal_opening *o = &j->opening;

	if (!list_is_empty(&j->segments) && o->scan.records == 0)
		drop_empty(j, o->at);
	if (!list_is_empty(&j->segments)) {
		const struct journal_segment *last = list_entry(j->segments.prev, struct journal_segment, node);

		j->acked_segment = last->number;
		j->acked_end = last->end;
	}
	j->batch++;
	o->step = OPEN_SPARES;
	journal_house_kick(j);
}

void journal_open_go_on(struct journal *j)
{
	struct journal_opening *o = &j->opening;

	if (o->step != OPEN_SPARES)
		return;
	if (j->close_fn != NULL) {
		open_finish(j, -ECANCELED);
	} else if (j->spare_count == 0 && j->house.err < 0) {
		open_finish(j, j->house.err);
	} else if (j->spare_count == JOURNAL_SPARES || j->house.err < 0) {
		o->step = OPEN_COMMIT;
		journal_begin_segment(j, j->acked_segment, j->acked_end);
		journal_flush(j);
	}
}

void journal_open_end(struct journal *j, int err)
{
	ASSERT(j->opening.step == OPEN_COMMIT);
	open_finish(j, err);
}

static void read_on_done(struct journal *j, int res)
{
	struct journal_opening *o = &j->opening;
	int r = 0;

	if (!read_is_done(j, res))
		return;
	if (o->step == OPEN_BLOCK)
		r = replay_block(j);
	if (r < 0)
		open_finish(j, r);
	else if (o->step == OPEN_HEAD)
		take_head(j);
	else if (o->eof)
		end_segment(j);
	else
		next_block(j, o->offset + (uint32_t)JOURNAL_BLOCK);
}

static void open_on_done(struct op *op, int res)
{
	struct journal *j = container_of(op, struct journal, opening.op);
	struct journal_opening *o = &j->opening;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	if (o->step == OPEN_DIR && res >= 0)
		j->dir_file = res;
	if (o->step == OPEN_FILE && res >= 0)
		journal_segment_find(j, o->number)->file = res;
	if (j->close_fn != NULL)
		open_finish(j, -ECANCELED);
	else if (o->step == OPEN_HEAD || o->step == OPEN_BLOCK)
		read_on_done(j, res);
	else if (o->step == OPEN_AGAIN_READ || o->step == OPEN_AGAIN_WRITE)
		write_again_on_done(j, res);
	else if (res < 0)
		open_finish(j, res);
	else if (o->step == OPEN_DIR)
		next_head(j, o->low);
	else if (o->step == OPEN_FILE)
		read_start(j, OPEN_HEAD, 0, JOURNAL_HEAD_SIZE);
	else
		next_segment(j);
}

/* --- the end ---------------------------------------------------------------------------------- */

void journal_close_kick(struct journal *j)
{
	if (j->state == JOURNAL_CLOSING)
		reactor_post(&j->close_task);
}

static void close_files(struct journal *j)
{
	for (uint32_t i = 0; i < JOURNAL_SEGMENTS_MAX; i++)
		if (j->slots[i].state != SEGMENT_ABSENT)
			journal_segment_forget(j, &j->slots[i]);
	if (j->dir_file >= 0)
		io_close(j->dir_file);
	j->dir_file = -1;
}

/* A mark in a batch of its own: with it the next start knows that all before it was durable, and takes what does not
 * match there for damage and not for a torn tail. */
static bool close_with_mark(struct journal *j)
{
	if (j->marked || j->active == NULL)
		return false;
	j->marked = true;
	if (j->acked_segment == j->active->number && j->acked_end == JOURNAL_HEAD_SIZE)
		return false;
	return journal_append_own(j, JOURNAL_TYPE_MARK) == 0;
}

static void tell_room_waiters(struct journal *j)
{
	struct list *node;

	while ((node = list_pop_front(&j->room_waiters)) != NULL) {
		struct journal_waiter *w = list_entry(node, struct journal_waiter, node);

		w->fn(w, -ECANCELED);
	}
}

static void close_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, close_task);
	const struct journal_house *h = &j->house;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	if (j->state == JOURNAL_READY || j->state == JOURNAL_FAILED || j->state == JOURNAL_IDLE)
		j->state = JOURNAL_CLOSING;
	tell_room_waiters(j);
	if (j->state != JOURNAL_CLOSING || j->flight.on || j->reads > 0 || (h->step != HOUSE_IDLE && !h->sync_again))
		return;
	if (journal_is_dirty(j) || !list_is_empty(&j->waiting) || close_with_mark(j)) {
		journal_flush(j);
		return;
	}
	reactor_unpost(&j->turn_end);
	reactor_unpost(&j->house.task);
	reactor_unpost(&j->room_task);
	reactor_unpost(&j->space_task);
	timer_cancel(&j->house.timer);
	close_files(j);
	j->state = JOURNAL_CLOSED;
	j->close_fn(j, j->close_context);
}

void journal_close(struct journal *j, void (*done)(struct journal *j, void *context), void *context)
{
	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(j->close_fn == NULL && j->state != JOURNAL_CLOSED);
	j->close_fn = done;
	j->close_context = context;
	reactor_post(&j->close_task);
}
