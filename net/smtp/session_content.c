/* session_content.c - the message itself, from the reply to DATA to the last octet (B 15) */
#include <errno.h>

#include "core/err.h"
#include "net/smtp/quirks.h"
#include "net/smtp/session_internal.h"

enum { TAG_NONE, TAG_WINDOW_0, TAG_WINDOW_1, TAG_DOT };

/* The content cannot be had: no dot, so that the server throws away what it got. There is no other way to cancel. */
static bool fail_body(struct session *s, struct transaction *t)
{
	const struct verdict v = { .step = SESSION_BODY, .err = t->body->err };

	session_judge_all(t, &v);
	session_lose(s, -ECANCELED);	/* the one behind has nothing to do with it */
	return false;
}

static bool add_dot(struct session *s, struct transaction *t)
{
	conn_add(&s->conn, ".\r\n", 3, TAG_DOT);
	t->state = TRANSACTION_DOT;
	pipeline_push(&s->pipeline, (struct expectation){ .step = SESSION_FINAL_DOT, .transaction = t });
	if (session_can_start(s))
		s->events->next(s);
	return true;
}

/* All of the body is in the chain. */
static bool end_body(struct session *s, struct transaction *t)
{
	t->dot_waits = (s->quirks & QUIRK_DELAY_DOTCRLF) &&
		       reactor_queue_now() >= t->msg->arrival_ns + s->params->smtp_pix_workaround_threshold_time_ns;
	return !t->dot_waits && add_dot(s, t);
}

void session_pause_over(struct session *s)
{
	ASSERT(s->current->dot_waits && s->current->state == TRANSACTION_BODY);
	s->current->dot_waits = false;
	(void)add_dot(s, s->current);		/* always true */
	session_pump(s);
}

bool session_body_step(struct session *s, struct transaction *t)
{
	struct body_window *w = &t->body->windows[t->window];

	if (t->dot_waits)
		return false;
	if (pipeline_is_full(&s->pipeline) || conn_room(&s->conn) < BODY_PIECES + 2)
		return false;
	if (t->lone_dot)
		return add_dot(s, t);
	if (t->body->err < 0)
		return fail_body(s, t);
	if (!w->ready || t->window_queued[t->window])
		return false;
	bool last = w->last;

	for (unsigned i = 0; i < w->count; i++) {
		bool ends = i + 1 == w->count;
		uint8_t tag = t->window == 0 ? TAG_WINDOW_0 : TAG_WINDOW_1;

		conn_add(&s->conn, w->pieces[i].ptr, w->pieces[i].len, ends ? tag : TAG_NONE);
	}
	t->window_queued[t->window] = w->count > 0;
	if (w->count == 0)
		t->body->release(t->body, w);
	t->window ^= 1;
	return !last || end_body(s, t);
}

void session_body_sent(struct session *s, uint8_t tag)
{
	struct transaction *t = s->current;

	/* Only the current one can have a body under way: the reply to a riding DATA comes after the reply to our
	 * dot. */
	if (t == NULL || (tag != TAG_WINDOW_0 && tag != TAG_WINDOW_1))
		return;
	t->window_queued[tag - TAG_WINDOW_0] = false;
	t->body->release(t->body, &t->body->windows[tag - TAG_WINDOW_0]);
}

bool session_dot_has_left(const struct session *s)
{
	for (unsigned i = 0; i < s->conn.piece_count; i++)
		if (s->conn.pieces[(s->conn.piece_first + i) % CONN_PIECES].tag == TAG_DOT)
			return false;
	return true;
}
