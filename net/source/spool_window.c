#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"

/* Content comes straight from the journal's blocks while it is still there and room is not short; otherwise it is read
 * back into memory of our own, as many fragments as fit, one after the other. */

static void read_next(struct spool_attempt *p);

static struct slice content_of(const void *payload, size_t len)
{
	return slice_of((const char *)payload + SPOOL_CONTENT_HEAD, len - SPOOL_CONTENT_HEAD);
}

/* The window at work holds count fragments now. */
static void window_finish(struct spool_attempt *p, uint32_t count)
{
	struct spool_window *w = &p->windows[p->filling];

	w->count = count;
	w->filled.count = count;
	w->filled.ready = true;
	p->next_fragment += count;
	w->filled.last = p->next_fragment == p->m->fragment_count;
	p->filling = 1 - p->filling;
}

static uint32_t window_room(const struct spool_attempt *p)
{
	return MIN(BODY_PIECES, p->m->fragment_count - p->next_fragment);
}

/* How many fragments are in memory and now pinned. */
static uint32_t pin_all(struct spool_attempt *p)
{
	struct journal *j = p->m->journal->journal;
	struct spool_window *w = &p->windows[p->filling];
	const uint32_t room = window_room(p);
	uint32_t n = 0;

	if (journal_room_percent(j) < p->m->journal->pin_percent)
		return 0;
	for (; n < room; n++) {
		const struct journal_ref ref = p->m->fragments[p->next_fragment + n];
		const void *payload = journal_pin(j, ref);

		if (payload == NULL)
			break;
		w->filled.pieces[n] = content_of(payload, ref.len);
	}
	return n;
}

static void window_begin(struct spool_attempt *p)
{
	struct spool_window *w = &p->windows[p->filling];

	ASSERT(!w->used);
	*w = (struct spool_window){ .used = true, .first = p->next_fragment };
}

bool spool_window_fill_now(struct spool_attempt *p)
{
	window_begin(p);
	const uint32_t n = pin_all(p);

	if (n == 0 && p->next_fragment < p->m->fragment_count) {
		p->windows[p->filling].used = false;
		return false;
	}
	window_finish(p, n);
	return true;
}

/* --- reading back ------------------------------------------------------------------------------------------------- */

static size_t stored_size(struct journal_ref ref)
{
	return round_up(JOURNAL_RECORD_HEADER + (size_t)ref.len, 8);
}

/* Octets for as many of the next fragments as one window may hold. */
static size_t read_size(const struct spool_attempt *p, uint32_t *ret_count)
{
	const struct journal_ref *ref = &p->m->fragments[p->next_fragment];
	const uint32_t room = window_room(p);
	size_t size = 0;
	uint32_t n = 0;

	while (n < room && size + stored_size(ref[n]) <= SPOOL_READ_MAX)
		size += stored_size(ref[n++]);
	ASSERT(n > 0);
	*ret_count = n;
	return size;
}

static int read_begin(struct spool_attempt *p)
{
	struct spool *s = p->m->journal->spool;
	struct spool_window *w = &p->windows[p->filling];

	w->buf_size = read_size(p, &w->count);
	w->buf = slab_take(&s->read_memory, w->buf_size);
	if (w->buf == NULL) {
		list_push_back(&s->read_waiters, &p->wait);
		return -EINPROGRESS;
	}
	p->read_index = 0;
	p->read_at = 0;
	read_next(p);
	return -EINPROGRESS;
}

/* A reference to somebody else's content is no reference of ours, however good its checksum. */
static bool is_fragment(const struct spool_message *m, struct slice payload, uint32_t index)
{
	struct spool_record record;

	return spool_record_read(SPOOL_CONTENT, payload, &record) == 0 && record.id == m->msg.id &&
	       record.index == index;
}

static void read_on_done(struct journal_read *read, int err, struct slice payload)
{
	struct spool_attempt *p = container_of(read, struct spool_attempt, read);
	struct spool_window *w = &p->windows[p->filling];

	CHECK_MAGIC(p, SPOOL_ATTEMPT_MAGIC);
	if (p->m->journal->spool->closing)
		return;
	if (err == 0 && !is_fragment(p->m, payload, w->first + p->read_index))
		err = ERR_CORRUPT;
	if (err < 0) {
		p->go_on(p, err);
		return;
	}
	w->filled.pieces[p->read_index] = content_of(payload.ptr, payload.len);
	p->read_at += stored_size(read->ref);
	if (++p->read_index < w->count) {
		read_next(p);
		return;
	}
	window_finish(p, w->count);
	p->go_on(p, 0);
}

static void read_next(struct spool_attempt *p)
{
	struct spool_window *w = &p->windows[p->filling];

	journal_read(p->m->journal->journal, &p->read, p->m->fragments[w->first + p->read_index], w->buf + p->read_at,
		     read_on_done);
}

/* Somebody has given read memory back. */
static void read_wake(struct spool *s)
{
	struct list *node = list_pop_front(&s->read_waiters);

	if (node == NULL || s->closing)
		return;
	struct spool_attempt *p = list_entry(node, struct spool_attempt, wait);

	if (read_begin(p) == -EINPROGRESS && !list_is_empty(&p->wait)) {
		list_remove(&p->wait);			/* still too little: stay the first */
		list_push_front(&s->read_waiters, &p->wait);
	}
}

/* --- the door ----------------------------------------------------------------------------------------------------- */

int spool_window_fill(struct spool_attempt *p)
{
	if (spool_window_fill_now(p))
		return 0;
	window_begin(p);
	return read_begin(p);
}

void spool_window_drop(struct spool_attempt *p, unsigned i)
{
	struct spool *s = p->m->journal->spool;
	struct spool_window *w = &p->windows[i];

	if (!w->used)
		return;
	w->used = false;
	if (w->buf != NULL) {
		slab_put(&s->read_memory, &w->buf, w->buf_size);
		read_wake(s);
		return;
	}
	for (uint32_t n = 0; n < w->filled.count; n++)
		journal_unpin(p->m->journal->journal, p->m->fragments[w->first + n]);
}
