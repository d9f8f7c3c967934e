#include "core/journal_impl.h"

#include <errno.h>

#include "core/clock.h"

/* One batch at a time:	 synced write -> tell everybody						(usually: it is in one
 * block)
 *			 write ... write -> fdatasync [-> the next segment's ...] -> tell everybody
 *
 * The fdatasync starts only after its writes have completed (row URG-19); a single write brings its own along, which
 * spares a kernel thread and us one wake-up each. A batch that crosses into the next segment syncs
 * the first one before it writes to the second: a durable head then never names an end that is not durable. */

#define COMMIT_TRIES_MAX 8u

static void commit_go(struct journal *j);
static void commit_on_done(struct op *op, int res);
static void turn_end_run(struct task *task);

void journal_commit_init(struct journal *j)
{
	op_init(&j->flight.op, commit_on_done);
	list_init(&j->flight.waiters);
	list_init(&j->waiting);
	task_init(&j->turn_end, turn_end_run);
}

bool journal_is_dirty(const struct journal *j)
{
	if (j->open == NULL)
		return false;
	return j->dirty.next != &j->open->node || j->open->durable < j->open->fill;
}

void journal_flush(struct journal *j)
{
	j->flush = true;
	reactor_at_turn_end(&j->turn_end);
}

void journal_commit(struct journal *j, struct journal_waiter *waiter)
{
	const struct journal_flight *f = &j->flight;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(j->state == JOURNAL_READY && j->home == reactor_self());
	if (f->on && f->last == j->open && f->last_to == j->open->fill) {
		list_push_back(&j->flight.waiters, &waiter->node);	/* all of it is on its way already */
		return;
	}
	list_push_back(&j->waiting, &waiter->node);
	reactor_at_turn_end(&j->turn_end);
}

/* Those who begin to wait while we tell the others are not among them. */
static void tell(struct list *waiters, int err)
{
	struct list told;
	struct list *node;

	list_init(&told);
	list_splice_back(&told, waiters);
	while ((node = list_pop_front(&told)) != NULL) {
		struct journal_waiter *w = list_entry(node, struct journal_waiter, node);

		w->fn(w, err);
	}
}

static void commit_start(struct journal *j)
{
	struct journal_flight *f = &j->flight;

	f->on = true;
	f->tries = 0;
	f->unsynced = false;
	f->since_ns = clock_mono_ns();
	f->last = j->open;
	f->last_to = j->open->fill;
	f->block = list_entry(j->dirty.next, struct journal_block, node);
	f->from = f->block->durable;
	list_splice_back(&f->waiters, &j->waiting);
	j->batch++;
	j->flush = false;
	commit_go(j);
}

static void turn_end_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, turn_end);

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	if (j->flight.on)
		return;			/* its completion brings us back */
	if (j->active == NULL) {
		tell(&j->waiting, -EIO);
	} else if (!journal_is_dirty(j)) {
		j->flush = false;
		tell(&j->waiting, 0);
	} else if (j->flush || !list_is_empty(&j->waiting)) {
		commit_start(j);
	}
	journal_close_kick(j);
}

/* Is b the last block of its file that this batch touches? */
static bool ends_file(const struct journal_flight *f, const struct journal_block *b)
{
	return b == f->last || list_entry(b->node.next, struct journal_block, node)->segment != b->segment;
}

/* The next thing to ask the kernel for. */
static void commit_go(struct journal *j)
{
	struct journal_flight *f = &j->flight;

	for (;;) {
		struct journal_block *b = f->block;
		const struct journal_segment *s = journal_segment_find(j, b->segment);
		const uint32_t to = b == f->last ? f->last_to : b->fill;

		ASSERT(s != NULL && s->state == SEGMENT_LIVE);
		f->to = to;
		f->is_write = f->from < to;
		f->syncing = ends_file(f, b) && (!f->is_write || !f->unsynced);
		if (f->is_write) {
			(f->syncing ? io_write_sync : io_write)(&f->op, s->file, b->data + f->from, to - f->from,
								 (uint64_t)journal_block_start(b) + f->from);
			return;
		}
		if (f->syncing) {
			io_fdatasync(&f->op, s->file);
			return;
		}
		f->block = list_entry(b->node.next, struct journal_block, node);
		f->from = f->block->durable;
	}
}

static void commit_succeed(struct journal *j)
{
	struct journal_flight *f = &j->flight;
	struct journal_block *b;

	j->acked_segment = f->last->segment;
	j->acked_end = journal_block_start(f->last) + f->last_to;
	do {
		b = list_entry(j->dirty.next, struct journal_block, node);
		b->durable = b == f->last ? f->last_to : b->fill;
		if (b->durable == b->fill && b != j->open)
			journal_block_settle(j, b);
	} while (b != f->last);
	f->on = false;
	metric_add(&journal_metric_commits, 1);
	metric_add(&journal_metric_commit_us, (int64_t)((clock_mono_ns() - f->since_ns) / NS_PER_US));
	reactor_at_turn_end(&j->turn_end);
	journal_house_kick(j);
	tell(&f->waiters, 0);
	if (j->state == JOURNAL_OPENING)
		journal_open_end(j, 0);
}

/* Nothing behind the last good commit counts: blocks lose it, segments begun since are void, the one it ended in is
 * sealed there. What a pin still shows stays in memory until it goes. */
static void drop_undurable(struct journal *j)
{
	while (!list_is_empty(&j->dirty))
		journal_block_settle(j, list_entry(j->dirty.next, struct journal_block, node));
	j->open = NULL;
	j->active = NULL;
	list_for_each(node, &j->segments) {
		struct journal_segment *s = list_entry(node, struct journal_segment, node);

		if (s->number > j->acked_segment) {
			j->segment_count--;
			list_remove(&s->node);
			journal_segment_void(j, s);
		} else if (s->number == j->acked_segment) {
			s->sealed = true;
			s->end = j->acked_end;
		}
	}
}

/* Row SPL-07: after a failed write or sync nobody knows what the disk holds, and asking again may be answered with a
 * lie. So nothing of the batch counts, and we go on in another file. */
static void commit_fail(struct journal *j, int err)
{
	struct journal_flight *f = &j->flight;
	struct list voided;

	/* A segment that fails before anything in it was durable: the disk, not the file. Give it time. */
	j->hold_off = j->active == NULL || j->active->number != j->acked_segment;
	f->on = false;
	j->flush = false;
	j->epoch++;
	metric_add(&journal_metric_failures, 1);
	drop_undurable(j);
	list_init(&voided);
	list_splice_back(&voided, &f->waiters);
	list_splice_back(&voided, &j->waiting);
	if (j->state == JOURNAL_READY) {
		if (j->hold_off && !wheel_timer_is_armed(&j->house.timer))
			timer_arm_in(&j->house.timer, JOURNAL_RETRY_NS);
		journal_resume(j);
	}
	journal_house_kick(j);
	journal_room_kick(j);
	reactor_at_turn_end(&j->turn_end);
	tell(&voided, err);
	if (j->state == JOURNAL_OPENING)
		journal_open_end(j, err);
}

void journal_resume(struct journal *j)
{
	if (j->active != NULL || j->hold_off || j->spare_count == 0 || j->clean_count == 0)
		return;
	journal_begin_segment(j, j->acked_segment, j->acked_end);
	journal_flush(j);	/* its head makes the failed batch void for good: soon, not with the next record */
	journal_room_kick(j);
}

static void commit_on_done(struct op *op, int res)
{
	struct journal *j = container_of(op, struct journal, flight.op);
	struct journal_flight *f = &j->flight;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(f->on);
	if (f->is_write) {
		/* Nothing was tried yet: the same octets to the same place again. */
		if ((res == -EINTR || res == -EAGAIN) && f->tries++ < COMMIT_TRIES_MAX)
			res = 0;
		else if (res <= 0)
			res = res < 0 ? res : -EIO;	/* a write that writes nothing would go on for ever */
		if (res < 0) {
			commit_fail(j, res);
			return;
		}
		metric_add(&journal_metric_octets, res);
		f->from += (uint32_t)res;	/* may be short (row URG-13) */
		f->unsynced |= !f->syncing;
		if (!f->syncing || f->from < f->to) {
			commit_go(j);
			return;
		}
	} else if (res < 0) {
		commit_fail(j, res);
		return;
	}
	f->unsynced = false;
	if (f->block == f->last) {
		commit_succeed(j);
	} else {
		f->block = list_entry(f->block->node.next, struct journal_block, node);
		f->from = f->block->durable;
		commit_go(j);
	}
}
