#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"

/* Content comes straight from the journal's blocks while it is still there and room is not short; otherwise it is read
 * back into memory of our own, as many fragments as fit, one after the other.
 *
 * That memory has two halves. An attempt begins in the first one, and takes a second window there only if it need not
 * wait for it. Whoever has used up what he had, and so is on his way, may take from both: he gets on though everybody
 * else holds a window and waits for something (a reply, or memory to be changed in). So nobody waits for ever. */

static void read_next(struct spool_attempt *p);

static struct slice content_of(const void *payload, size_t len)
{
	return slice_of((const char *)payload + SPOOL_CONTENT_HEAD, len - SPOOL_CONTENT_HEAD);
}

/* What was accepted in this life has passed this gate (net/mail/crlf.h). A spool that we found may be anybody's: its
 * content passes it on its way out, fragment by fragment, and what a listener would refuse goes to nobody: a NUL, a
 * bare CR or LF, an end in the middle, none at the end (rows SMG-03, SMG-06). */
static bool is_fit(struct spool_attempt *p, struct slice fragment, uint32_t index)
{
	const bool is_last = index + 1 == p->m->fragment_count;
	const struct crlf before = p->gate;
	struct slice span;
	int r = CRLF_SPAN;

	if (!p->m->was_recovered)
		return true;
	while (r == CRLF_SPAN)
		r = crlf_feed(&p->gate, &fragment, &span);
	if (r == CRLF_MORE && (!is_last || crlf_is_between_lines(&p->gate)))
		return true;
	p->gate = before;
	return false;
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
		if (is_fit(p, w->filled.pieces[n], p->next_fragment + n))
			continue;
		journal_unpin(j, ref);		/* whoever reads it back hears of it */
		break;
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

/* Has it used up all it had? */
static bool goes_on(const struct spool_attempt *p)
{
	return p->next_fragment > 0 && !p->windows[1 - p->filling].used;
}

/* False: there is no memory for it. */
static bool read_start(struct spool_attempt *p)
{
	struct spool *s = p->m->journal->spool;
	struct spool_window *w = &p->windows[p->filling];

	w->buf_size = read_size(p, &w->count);
	w->slab = goes_on(p) ? &s->read_reserve : &s->read_memory;
	w->buf = slab_take(w->slab, w->buf_size);
	if (w->buf == NULL && goes_on(p)) {
		w->slab = &s->read_memory;
		w->buf = slab_take(w->slab, w->buf_size);
	}
	if (w->buf == NULL)
		return false;
	p->read_index = 0;
	p->read_at = 0;
	read_next(p);
	return true;
}

static int read_begin(struct spool_attempt *p)
{
	struct spool *s = p->m->journal->spool;
	struct list *line = goes_on(p) ? &s->read_waiters : &s->read_beginners;

	if (list_is_empty(line) && read_start(p))
		return -EINPROGRESS;
	if (p->next_fragment > 0 && !goes_on(p)) {
		p->windows[p->filling].used = false;
		return -EAGAIN;
	}
	list_push_back(line, &p->wait);
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
	if (err == 0 && !is_fit(p, content_of(payload.ptr, payload.len), w->first + p->read_index))
		err = ERR_CONTENT;
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

static void read_wake_line(struct list *line)
{
	while (!list_is_empty(line) && read_start(list_entry(line->next, struct spool_attempt, wait)))
		(void)list_pop_front(line);
}

/* Somebody has given read memory back. Those that are on their way have the other half besides, so whoever has not
 * begun comes first: a short message does not wait until long ones are through, and all of those get on side by side,
 * a window at a time. */
static void read_wake(struct spool *s)
{
	if (s->closing)
		return;
	read_wake_line(&s->read_beginners);
	read_wake_line(&s->read_waiters);
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
		slab_put(w->slab, &w->buf, w->buf_size);
		read_wake(s);
		return;
	}
	for (uint32_t n = 0; n < w->filled.count; n++)
		journal_unpin(p->m->journal->journal, p->m->fragments[w->first + n]);
}
