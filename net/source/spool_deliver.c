#include "net/source/spool_impl.h"

#include <errno.h>

#include "core/err.h"

/*	  destination's core				home core
 *
 *	claim		note: CLAIM  -------->		window 0, "attempt begins" durable, window 1 if it is at hand
 *	delivery_on_claimed	<--------		note
 *	release		note: FETCH  -------->		the window is filled again
 *	body.on_ready		<--------		note
 *	settle		note: SETTLE -------->		outcomes durable, logged
 *	delivery_on_settled	<--------		note
 *
 * The note is away on one errand at a time; what comes up meanwhile waits in fields of the destination's core. So
 * whatever an attempt holds has one reader or writer at every moment: whoever has the note. */

static void home_on_note(struct note *note);
static void destination_on_note(struct note *note);

/* --- on the destination's core ------------------------------------------------------------------------------------ */

static void send_errand(struct attempt *a, enum spool_errand kind, uint8_t windows)
{
	ASSERT(!a->errand_out);
	a->errand = (struct attempt_errand){ .kind = (uint8_t)kind, .windows = windows };
	a->errand_out = true;
	a->note.fn = home_on_note;
	xcall_send(a->job->msg->home, &a->note);
}

static uint8_t windows_wanted(const struct attempt *a)
{
	uint8_t wanted = 0;

	if (a->closing || a->last_seen || a->body.err < 0 || a->waits_release)
		return 0;
	for (unsigned i = 0; i < 2; i++)
		if (!a->body.windows[i].ready)
			wanted |= (uint8_t)BIT(i);
	return wanted;
}

/* Sends the note on its next errand, if there is one and the note is here. */
static void send_next(struct attempt *a)
{
	if (a->errand_out || (!a->claimed && !a->settle_wanted))
		return;
	if (a->settle_wanted)
		send_errand(a, SPOOL_ERRAND_SETTLE, 0);
	else if (windows_wanted(a) != 0)
		send_errand(a, SPOOL_ERRAND_FETCH, windows_wanted(a));
}

static void source_claim(struct attempt *a)
{
	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	ASSERT(!a->claimed && a->count > 0);
	memset(a->body.windows, 0, sizeof(a->body.windows));
	a->body.err = 0;
	a->source_part = NULL;
	a->closing = false;
	a->errand_out = false;
	a->settle_wanted = false;
	a->last_seen = false;
	a->waits_release = false;
	a->core = reactor_self()->core;
	note_init(&a->note, home_on_note);
	send_errand(a, SPOOL_ERRAND_CLAIM, 1);
}

static void source_release(struct body *body, struct body_window *window)
{
	struct attempt *a = container_of(body, struct attempt, body);

	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	window->ready = false;
	window->count = 0;
	a->waits_release = false;
	send_next(a);
}

static void source_settle(struct attempt *a)
{
	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	ASSERT(!a->settle_wanted);
	a->settle_wanted = true;
	a->closing = true;
	/* Answered without a session, or the claim failed: at home nobody knows of it yet. */
	if (!a->claimed && !a->errand_out) {
		a->core = reactor_self()->core;
		a->source_part = NULL;
		note_init(&a->note, home_on_note);
	}
	send_next(a);
}

static void source_finish(struct job *job)
{
	spool_finish(job);
}

const struct source spool_source = {
	.claim = source_claim,
	.release = source_release,
	.settle = source_settle,
	.finish = source_finish,
};

static void install_windows(struct attempt *a)
{
	const struct spool_attempt *p = a->source_part;

	for (unsigned i = 0; i < 2; i++) {
		if ((a->errand.windows & BIT(i)) == 0)
			continue;
		a->body.windows[i] = p->windows[i].filled;
		a->last_seen |= p->windows[i].filled.last;
	}
}

static void back_from_claim(struct attempt *a)
{
	const int err = a->errand.err;

	if (err == 0) {
		a->claimed = true;
		install_windows(a);
		send_next(a);
	}
	delivery_on_claimed(a, err);
}

static void back_from_fetch(struct attempt *a)
{
	if (a->errand.err < 0)
		a->body.err = a->errand.err;
	else
		install_windows(a);
	/* There was no memory for a second window: the next one comes in place of the first. */
	a->waits_release = a->errand.windows == 0 && (a->body.windows[0].ready || a->body.windows[1].ready);
	send_next(a);
	if (!a->closing && a->body.on_ready != NULL)
		a->body.on_ready(&a->body);
}

static void back_from_settle(struct attempt *a)
{
	struct job *job = a->job;

	ASSERT(job->open >= a->errand.closed);
	job->open -= a->errand.closed;
	if (a->retry_at_ns != 0) {
		job->attempts = a->job_attempts;
		job->due_ns = a->retry_at_ns;
	}
	a->claimed = false;
	a->settle_wanted = false;
	delivery_on_settled(a, a->errand.err);
}

static void destination_on_note(struct note *note)
{
	struct attempt *a = container_of(note, struct attempt, note);

	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	ASSERT(a->core == reactor_self()->core && a->errand_out);
	a->errand_out = false;
	switch ((enum spool_errand)a->errand.kind) {
	case SPOOL_ERRAND_CLAIM:
		back_from_claim(a);
		return;
	case SPOOL_ERRAND_FETCH:
		back_from_fetch(a);
		return;
	case SPOOL_ERRAND_SETTLE:
		back_from_settle(a);
		return;
	}
	UNREACHABLE();
}

/* --- on the home core --------------------------------------------------------------------------------------------- */

/* From here on the attempt is not ours to look at. */
void spool_attempt_answer(struct attempt *a, int err, uint8_t windows)
{
	a->errand.err = err;
	a->errand.windows = windows;
	a->note.fn = destination_on_note;
	xcall_send(a->core, &a->note);
}

/* Starts those who wait for a place. Some are answered without taking it, so the next one gets its chance. */
static void claims_wake(struct spool *s)
{
	while (!s->closing && pool_free(&s->attempts) > 0 && !list_is_empty(&s->claims)) {
		struct note *note = list_entry(list_pop_front(&s->claims), struct note, node);

		spool_claim_start(container_of(note, struct attempt, note));
	}
}

void spool_attempt_put(struct spool_attempt **pp)
{
	struct spool_attempt *p = *pp;
	struct spool *s = p->m->journal->spool;

	spool_window_drop(p, 0);
	spool_window_drop(p, 1);
	ASSERT(p->m->attempts > 0);
	p->m->attempts--;
	p->a->source_part = NULL;
	list_remove(&p->node);
	timer_cancel(&p->timer);
	p->magic = 0;
	pool_put(&s->attempts, pp);
	claims_wake(s);
}

/* Nothing was begun. A window that was in the making ends with the attempt. */
static void claim_fail(struct spool_attempt *p, int err)
{
	struct attempt *a = p->a;

	if (err == ERR_CORRUPT)
		spool_message_damage(p->m);
	spool_attempt_put(&p);
	spool_attempt_answer(a, err, 0);
}

static void claim_on_commit(struct journal_waiter *w, int err)
{
	struct spool_attempt *p = container_of(w, struct spool_attempt, waiter);
	struct spool_message *m = p->m;
	uint8_t windows = 1;

	CHECK_MAGIC(p, SPOOL_ATTEMPT_MAGIC);
	if (m->journal->spool->closing)
		return;
	if (err < 0) {
		claim_fail(p, err);
		return;
	}
	for (uint32_t i = p->a->first; i < p->a->first + p->a->count; i++)
		m->msg.rcpts[i].in_doubt = m->msg.rcpts[i].state == RCPT_OPEN;
	if (!p->windows[0].filled.last && spool_window_fill_now(p))
		windows |= 2;
	spool_attempt_answer(p->a, 0, windows);
}

static void claim_on_room(struct journal_waiter *w, int err);

static void claim_begin(struct spool_attempt *p)
{
	struct journal *j = p->m->journal->journal;
	uint8_t record[SPOOL_BEGIN_SIZE];
	const struct slice part = slice_of(record, spool_write_begin(record, p->m->msg.id, p->a->first, p->a->count,
								     spool_time(p->m->journal, reactor_queue_now())));
	struct journal_ref ref;
	const int r = journal_append(j, SPOOL_BEGIN, JOURNAL_END, &part, 1, &ref);

	if (r == -ENOBUFS) {
		p->waiter.fn = claim_on_room;
		journal_wait_room(j, &p->waiter);
	} else if (r < 0) {
		claim_fail(p, r);
	} else {
		p->waiter.fn = claim_on_commit;
		journal_commit(j, &p->waiter);
	}
}

static void claim_on_room(struct journal_waiter *w, int err)
{
	struct spool_attempt *p = container_of(w, struct spool_attempt, waiter);

	(void)err;	/* whatever it is, trying again tells */
	if (!p->m->journal->spool->closing)
		claim_begin(p);
}

/* Window 0 is there, or cannot be had: only then the attempt may begin. */
static void claim_on_window(struct spool_attempt *p, int err)
{
	if (err < 0)
		claim_fail(p, err);
	else
		claim_begin(p);
}

static struct spool_attempt *take_attempt(struct spool_message *m, struct attempt *a)
{
	struct spool *s = m->journal->spool;
	struct spool_attempt *p = pool_take(&s->attempts);

	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->magic = SPOOL_ATTEMPT_MAGIC;
	p->a = a;
	p->m = m;
	list_init(&p->node);
	list_init(&p->wait);
	list_init(&p->waiter.node);
	wheel_timer_init(&p->timer, NULL);
	crlf_init(&p->gate, CRLF_DATA, false);
	list_push_back(&s->attempts_all, &p->node);
	m->attempts++;
	a->source_part = p;
	return p;
}

void spool_claim_start(struct attempt *a)
{
	struct spool_message *m = spool_message_of(a->job->msg);
	struct spool *s = m->journal->spool;

	ASSERT(a->first + a->count <= m->msg.rcpt_count);
	if (m->state == SPOOL_MESSAGE_DAMAGED) {
		spool_attempt_answer(a, ERR_CORRUPT, 0);
		return;
	}
	if (m->state == SPOOL_MESSAGE_MOVING) {
		list_push_back(&m->claims, &a->note.node);
		return;
	}
	ASSERT(m->state == SPOOL_MESSAGE_QUEUED);
	struct spool_attempt *p = take_attempt(m, a);

	if (p == NULL) {
		list_push_back(&s->claims, &a->note.node);
		return;
	}
	if (a->errand.kind == SPOOL_ERRAND_SETTLE) {
		spool_settle_start(p);
		return;
	}
	p->go_on = claim_on_window;
	const int r = spool_window_fill(p);

	if (r != -EINPROGRESS)
		claim_on_window(p, r);
}

/* The message stands still again. */
void spool_claims_resume(struct spool_message *m)
{
	struct list waiting;
	struct list *node;

	list_init(&waiting);
	list_splice_back(&waiting, &m->claims);
	while ((node = list_pop_front(&waiting)) != NULL)
		spool_claim_start(container_of(list_entry(node, struct note, node), struct attempt, note));
}

/* --- fetching ----------------------------------------------------------------------------------------------------- */

static void fetch_on_window(struct spool_attempt *p, int err)
{
	const uint8_t window = (uint8_t)BIT(1 - p->filling);	/* the one that has just been finished */

	if (err == ERR_CORRUPT)
		spool_message_damage(p->m);
	spool_attempt_answer(p->a, err == -EAGAIN ? 0 : err, err < 0 ? 0 : window);
}

/* The windows that are asked for are empty over there; what of them we hold has been sent. */
static void fetch_start(struct spool_attempt *p)
{
	for (unsigned i = 0; i < 2; i++)
		if ((p->a->errand.windows & BIT(i)) != 0)
			spool_window_drop(p, i);
	ASSERT(p->next_fragment < p->m->fragment_count);
	p->go_on = fetch_on_window;
	const int r = spool_window_fill(p);

	if (r != -EINPROGRESS)
		fetch_on_window(p, r);
}

static void home_on_note(struct note *note)
{
	struct attempt *a = container_of(note, struct attempt, note);

	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	if (spool_message_of(a->job->msg)->journal->spool->closing)
		return;			/* the attempt ends as if we had been killed */
	switch ((enum spool_errand)a->errand.kind) {
	case SPOOL_ERRAND_CLAIM:
		spool_claim_start(a);
		return;
	case SPOOL_ERRAND_FETCH:
		fetch_start(a->source_part);
		return;
	case SPOOL_ERRAND_SETTLE:
		if (a->source_part == NULL)
			spool_claim_start(a);	/* never claimed: takes its place now */
		else
			spool_settle_start(a->source_part);
		return;
	}
	UNREACHABLE();
}
