#include "core/journal_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

/* The house keeps the directory: one change at a time, and the directory's fsync before the next one. So no name that
 * counts is ever in doubt, and segments go in the order in which they were written, on the disk too: the record that
 * ends another one never goes before it. */

static void house_run(struct task *task);
static void house_on_done(struct op *op, int res);
static void house_on_timer(struct wheel_timer *timer);
static void space_run(struct task *task);

void journal_house_init(struct journal *j)
{
	op_init(&j->house.op, house_on_done);
	task_init(&j->house.task, house_run);
	wheel_timer_init(&j->house.timer, house_on_timer);
	task_init(&j->space_task, space_run);
}

void journal_house_kick(struct journal *j)
{
	reactor_post(&j->house.task);
}

void journal_path(const struct journal *j, uint32_t number, const char *suffix, char *path)
{
	struct str s = str_over(path, JOURNAL_PATH_MAX);

	str_printf(&s, "%s/%010u.%s", j->dir, number, suffix);
	ASSERT(!str_is_full(&s));	/* journal_new has measured the directory's name */
	(void)str_cstr(&s);		/* terminates what is in path */
}

/* --- the set of segments ---------------------------------------------------------------------- */

struct journal_segment *journal_segment_add(struct journal *j, uint32_t number, enum journal_segment_state state)
{
	struct journal_segment *s = &j->slots[number % JOURNAL_SEGMENTS_MAX];

	ASSERT(s->state == SEGMENT_ABSENT && number != 0);
	*s = (struct journal_segment){ .state = state, .file = -1, .number = number, .salt = j->salt };
	list_init(&s->node);
	j->number_last = MAX(j->number_last, number);
	return s;
}

void journal_segment_forget(struct journal *j, struct journal_segment *s)
{
	ASSERT(s->reads == 0);
	list_remove(&s->node);
	if (s->file >= 0)
		io_close(s->file);
	j->octets -= s->size;
	s->file = -1;
	s->state = SEGMENT_ABSENT;
}

void journal_segment_void(struct journal *j, struct journal_segment *s)
{
	s->state = SEGMENT_VOID;
	list_push_back(&j->voids, &s->node);
}

static struct journal_segment *first_segment(struct list *head)
{
	return list_is_empty(head) ? NULL : list_entry(head->next, struct journal_segment, node);
}

/* The oldest number that occupies a place among the slots. */
static uint32_t oldest_number(struct journal *j)
{
	uint32_t oldest = j->number_last;
	struct list *const heads[] = { &j->segments, &j->voids, &j->spares };

	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		const struct journal_segment *s = first_segment(heads[i]);

		if (s != NULL)
			oldest = MIN(oldest, s->number);
	}
	return oldest;
}

/* --- space ------------------------------------------------------------------------------------ */

void journal_refuse(struct journal *j)
{
	j->refusing = true;
	reactor_post(&j->space_task);
}

static void space_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, space_task);

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	if (j->refusing == j->told_refusing)
		return;
	j->told_refusing = j->refusing;
	if (j->events.space != NULL)
		j->events.space(j, j->refusing, j->refusing ? j->house.err : 0, j->events.context);
}

static void made(struct journal *j, struct journal_segment *s)
{
	list_push_back(&j->spares, &s->node);
	j->spare_count++;
	j->house.err = 0;
	/* One that JOURNAL_NEW may go on in, and another one as the reserve. */
	if (j->refusing && j->spare_count >= (j->active != NULL ? 1 : 2)) {
		j->refusing = false;
		reactor_post(&j->space_task);
	}
	journal_room_kick(j);
	if (j->state == JOURNAL_OPENING)
		journal_open_go_on(j);
}

/* Row OSR-01: not having a segment is no failure of anything that was promised; we try again every second. */
static void could_not(struct journal *j, int err)
{
	struct journal_house *h = &j->house;

	h->step = HOUSE_IDLE;
	h->err = err;
	timer_arm_in(&h->timer, JOURNAL_RETRY_NS);
	if (j->active == NULL && j->state == JOURNAL_READY)
		journal_refuse(j);
	journal_room_kick(j);
	if (j->state == JOURNAL_OPENING)
		journal_open_go_on(j);
	journal_close_kick(j);
}

static void house_on_timer(struct wheel_timer *timer)
{
	struct journal *j = container_of(timer, struct journal, house.timer);

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	j->hold_off = false;
	j->house.stuck = false;
	journal_house_kick(j);
}

/* --- what there is to do ---------------------------------------------------------------------- */

static void make(struct journal *j)
{
	struct journal_house *h = &j->house;

	if (j->number_last == UINT32_MAX || j->number_last + 1 - oldest_number(j) >= JOURNAL_SEGMENTS_MAX) {
		could_not(j, -ENOSPC);
		return;
	}
	h->number = ++j->number_last;
	h->step = HOUSE_MAKE_OPEN;
	journal_path(j, h->number, "seg", h->path);
	io_open(&h->op, h->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/* From here on nobody begins to read it. */
static void take_away(struct journal *j, struct journal_segment *s)
{
	j->house.segment = s;
	j->house.was_live = s->state == SEGMENT_LIVE;
	if (!j->house.was_live)
		return;
	s->state = SEGMENT_VOID;
	list_remove(&s->node);
	j->segment_count--;
}

static void put_back(struct journal *j)
{
	struct journal_segment *s = j->house.segment;

	j->house.segment = NULL;
	if (!j->house.was_live)
		return;
	s->state = SEGMENT_LIVE;
	list_push_front(&j->segments, &s->node);
	j->segment_count++;
}

static void drop(struct journal *j, struct journal_segment *s)
{
	struct journal_house *h = &j->house;

	take_away(j, s);
	h->step = HOUSE_DROP;
	journal_path(j, s->number, "seg", h->path);
	if (s->damaged) {
		journal_path(j, s->number, "damaged", h->path_new);
		io_rename(&h->op, h->path, h->path_new);
	} else {
		io_unlink(&h->op, h->path);
	}
}

static void recycle(struct journal *j, struct journal_segment *s)
{
	struct journal_house *h = &j->house;

	take_away(j, s);
	h->number = ++j->number_last;
	h->step = HOUSE_RECYCLE_RENAME;
	journal_path(j, s->number, "seg", h->path);
	journal_path(j, h->number, "seg", h->path_new);
	io_rename(&h->op, h->path, h->path_new);
}

static bool may_recycle(struct journal *j, const struct journal_segment *s)
{
	return !s->damaged && s->size == j->segment_size && j->spare_count < JOURNAL_SPARES_MAX &&
	       j->number_last < UINT32_MAX && j->number_last + 1 - s->number < JOURNAL_SEGMENTS_MAX;
}

/* A void segment whose head still counts waits until its successor's head does. */
static struct journal_segment *next_void(struct journal *j)
{
	list_for_each(node, &j->voids) {
		struct journal_segment *s = list_entry(node, struct journal_segment, node);

		if (s->reads == 0 && (!s->chained || s->number < j->acked_segment))
			return s;
	}
	return NULL;
}

static struct journal_segment *next_reclaimable(struct journal *j)
{
	struct journal_segment *s = first_segment(&j->segments);

	if (j->state != JOURNAL_READY || s == NULL || s->holds > 0 || s->reads > 0)
		return NULL;
	return s != j->active && s->number < j->acked_segment ? s : NULL;
}

static bool house_is_open(const struct journal *j)
{
	return j->state == JOURNAL_READY || (j->state == JOURNAL_OPENING && j->opening.step >= OPEN_SPARES);
}

static void house_run(struct task *task)
{
	struct journal *j = container_of(task, struct journal, house.task);
	struct journal_house *h = &j->house;
	struct journal_segment *s;

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	if (j->state == JOURNAL_READY)
		journal_resume(j);
	if (h->sync_again && !h->stuck && house_is_open(j)) {
		h->sync_again = false;
		io_fsync(&h->op, j->dir_file);
		return;
	}
	if (h->step != HOUSE_IDLE || !house_is_open(j))
		return;
	if (!h->stuck && (s = next_void(j)) != NULL)
		drop(j, s);
	else if (!h->stuck && (s = next_reclaimable(j)) != NULL && may_recycle(j, s))
		recycle(j, s);
	else if (!h->stuck && (s = next_reclaimable(j)) != NULL)
		drop(j, s);
	else if (j->spare_count < JOURNAL_SPARES && !wheel_timer_is_armed(&h->timer))
		make(j);
}

/* --- and how it went -------------------------------------------------------------------------- */

static void sync_dir(struct journal *j, enum house_step step)
{
	j->house.step = step;
	io_fsync(&j->house.op, j->dir_file);
}

static void make_on_done(struct journal *j, int res)
{
	struct journal_house *h = &j->house;

	switch (h->step) {
	case HOUSE_MAKE_OPEN:
		if (res < 0) {
			could_not(j, res);
			return;
		}
		h->file = res;
		h->step = HOUSE_MAKE_ALLOC;
		io_fallocate(&h->op, h->file, 0, 0, j->segment_size);
		return;
	case HOUSE_MAKE_ALLOC:
		if (res == 0) {
			sync_dir(j, HOUSE_MAKE_SYNC);
			return;
		}
		break;
	case HOUSE_MAKE_SYNC:
		if (res == 0) {
			struct journal_segment *s = journal_segment_add(j, h->number, SEGMENT_SPARE);

			s->file = h->file;
			s->size = (uint32_t)j->segment_size;
			j->octets += s->size;
			h->step = HOUSE_IDLE;
			made(j, s);
			journal_house_kick(j);
			return;
		}
		break;
	default:
		could_not(j, h->err);		/* undone, or not: the next start removes what was never begun */
		return;
	}
	h->err = res;
	h->step = HOUSE_MAKE_UNDO;
	io_close(h->file);
	io_unlink(&h->op, h->path);
}

static void renumber(struct journal *j, struct journal_segment *old)
{
	struct journal_segment *s = journal_segment_add(j, j->house.number, SEGMENT_SPARE);

	s->file = old->file;
	s->size = old->size;
	j->octets += s->size;
	old->file = -1;
	journal_segment_forget(j, old);
	made(j, s);
}

/* A change that could not be made, or not be made durable, is tried again: a later one must not overtake it. */
static void change_later(struct journal *j)
{
	struct journal_house *h = &j->house;

	h->stuck = true;
	timer_arm_in(&h->timer, JOURNAL_RETRY_NS);
	if (h->step == HOUSE_DROP_SYNC || h->step == HOUSE_RECYCLE_SYNC) {
		h->sync_again = true;
		return;
	}
	h->step = HOUSE_IDLE;
	put_back(j);
}

static void change_on_done(struct journal *j, int res)
{
	struct journal_house *h = &j->house;

	switch (h->step) {
	case HOUSE_DROP:
		if (res == 0 || res == -ENOENT)		/* somebody else has removed it: as good */
			sync_dir(j, HOUSE_DROP_SYNC);
		else
			change_later(j);
		return;
	case HOUSE_RECYCLE_RENAME:
		if (res == 0)
			sync_dir(j, HOUSE_RECYCLE_SYNC);
		else
			change_later(j);
		return;
	default:
		break;
	}
	if (res < 0) {
		change_later(j);
		return;
	}
	struct journal_segment *s = h->segment;
	const bool recycled = h->step == HOUSE_RECYCLE_SYNC;

	h->segment = NULL;
	h->step = HOUSE_IDLE;
	if (recycled)
		renumber(j, s);
	else
		journal_segment_forget(j, s);
	journal_house_kick(j);
}

static void house_on_done(struct op *op, int res)
{
	struct journal *j = container_of(op, struct journal, house.op);

	CHECK_MAGIC(j, JOURNAL_MAGIC);
	ASSERT(j->house.step != HOUSE_IDLE);
	if (j->house.step <= HOUSE_MAKE_SYNC)
		make_on_done(j, res);
	else
		change_on_done(j, res);
	if (j->state == JOURNAL_CLOSING)
		journal_close_kick(j);
}
