/* session_content.c - the message itself, from the reply to DATA to the last octet (B 15, 24.1)
 *
 *	DATA:	DATA 354 | window window ... . |				stored octets as they are, or
 *										what content.c makes of them
 *	BDAT:	BDAT n | octets | 250 | BDAT m LAST | octets |			without stuffed dots (RFC 3030)
 *
 * A chunk is announced with the exact number of its octets, so these are counted as they are handed over: content that
 * is longer or shorter than the message said is damage, and the connection is closed before the server takes it for
 * all, or what comes next for more of it (row SMG-04).
 */
#include <errno.h>

#include "core/err.h"
#include "net/smtp/quirks.h"
#include "net/smtp/session_internal.h"
#include "net/wire/smtp_command.h"

/* Of a piece in the chain; the last of a window may end the message, too. */
enum { TAG_NONE = 0, TAG_WINDOW_0 = BIT(0), TAG_WINDOW_1 = BIT(1), TAG_DOT = BIT(2) };

/* A span for each stuffed dot: content that is full of them goes with DATA, where nothing looks at its octets. */
#define CHUNK_DOTS	8u	/* so many are always all right, */
#define CHUNK_DOT_SIZE	256u	/* and then one for so many octets */

/* Where the octets for this server come from. */
static struct body *body_of(const struct transaction *t)
{
	return t->content != NULL ? content_body(t->content) : t->body;
}

/* The content cannot be had: no dot, so that the server throws away what it got. There is no other way to cancel. */
static bool fail_body(struct session *s, struct transaction *t)
{
	static const struct mime_failure unfit = { { 5, 6, 0 },
						"the stored message has a NUL, or lines that do not end as they should" };
	struct verdict v = { .step = SESSION_BODY, .err = t->body->err };

	if (v.err == ERR_CONTENT)
		v.failure = unfit;
	if (v.err == 0) {
		v.err = body_of(t)->err;
		v.is_ours = v.err == ERR_TABLE;
		if (v.err == ERR_CONTENT)
			v.failure = content_failure(t->content);
	}
	session_judge_all(t, &v);
	session_lose(s, -ECANCELED);	/* the one behind has nothing to do with it */
	return false;
}

/* The last octet is in the chain: the reply decides, and somebody may ride behind it. */
static bool all_is_queued(struct session *s, struct transaction *t)
{
	t->state = TRANSACTION_DOT;
	if (session_can_start(s))
		s->events->next(s);
	return true;
}

/* words: a final dot, or the BDAT of nothing at all. */
static bool add_end(struct session *s, struct transaction *t, const char *words)
{
	session_trace(s, true, slice_of_str(words));
	conn_add(&s->conn, words, strlen(words), TAG_DOT);
	pipeline_push(&s->pipeline, (struct expectation){ .step = SESSION_FINAL_DOT, .transaction = t });
	return all_is_queued(s, t);
}

static uint8_t window_tag(const struct transaction *t)
{
	return t->window == 0 ? TAG_WINDOW_0 : TAG_WINDOW_1;
}

/* Everything of this window is in the chain, or there was nothing in it to send. */
static void leave_window(struct transaction *t, bool queued)
{
	t->window_queued[t->window] = queued;
	if (!queued)
		body_of(t)->release(body_of(t), &body_of(t)->windows[t->window]);
	t->window ^= 1;
	t->at.piece = 0;
}

/* All of the body is in the chain. */
static bool end_body(struct session *s, struct transaction *t)
{
	t->dot_waits = (s->quirks & QUIRK_DELAY_DOTCRLF) &&
		       reactor_queue_now() >= t->msg->arrival_ns + s->params->smtp_pix_workaround_threshold_time_ns;
	return !t->dot_waits && add_end(s, t, ".\r\n");
}

void session_pause_over(struct session *s)
{
	ASSERT(s->current->dot_waits && s->current->state == TRANSACTION_BODY);
	s->current->dot_waits = false;
	(void)add_end(s, s->current, ".\r\n");		/* always true */
	session_pump(s);
}

static bool step_data(struct session *s, struct transaction *t)
{
	struct body_window *w = &body_of(t)->windows[t->window];
	bool last = w->last;

	if (conn_room(&s->conn) < BODY_PIECES + 2)
		return false;
	for (unsigned i = 0; i < w->count; i++) {
		bool ends = i + 1 == w->count;

		conn_add(&s->conn, w->pieces[i].ptr, w->pieces[i].len, ends ? window_tag(t) : TAG_NONE);
	}
	leave_window(t, w->count > 0);
	return !last || end_body(s, t);
}

/* --- BDAT ------------------------------------------------------------------------------------- */

bool session_content_fits_chunks(const struct message *msg)
{
	uint64_t dots = msg->facts & MESSAGE_STUFFED ? msg->wire_size - msg->size : 0;

	return dots <= CHUNK_DOTS + msg->wire_size / CHUNK_DOT_SIZE;
}

void session_chunks_begin(struct transaction *t)
{
	t->is_chunked = true;
	t->chunk_left = 0;
	t->content_left = t->msg->size;
	unstuff_init(&t->at.unstuff);
	t->at.piece = 0;
	t->at.rest = (struct slice){ 0 };
	t->state = TRANSACTION_BODY;
}

/* Who sends in chunks wants to hear of trouble before the next one: each reply is waited for. */
static bool write_bdat(struct session *s, struct transaction *t)
{
	uint64_t limit = s->params->smtp_chunk_size_limit;
	uint64_t size = limit > 0 ? min_u64(limit, t->content_left) : t->content_left;
	bool last = size == t->content_left;
	struct str command = conn_command(&s->conn, SMTP_COMMAND_SEND_MAX);

	if (pipeline_oldest(&s->pipeline) != NULL && (!t->is_ahead || t->content_left < t->msg->size))
		return false;
	if (smtp_command_add_bdat(&command, size, last) < 0)
		return false;
	session_say(s, &command);
	pipeline_push(&s->pipeline, (struct expectation){
		.step = last ? SESSION_FINAL_DOT : SESSION_CHUNK, .transaction = t });
	t->chunk_left = size;
	t->content_left -= size;
	return true;
}

/* The next octets of the window, as many as the chunk wants at most; false: there are none. */
static bool next_span(struct transaction *t, const struct body_window *w, uint64_t max, struct slice *ret_span)
{
	struct content_place *at = &t->at;

	while (at->rest.len > 0 || at->piece < w->count) {
		if (at->rest.len == 0)
			at->rest = w->pieces[at->piece++];
		struct slice in = slice_head(at->rest, (size_t)min_u64(at->rest.len, max));
		size_t size = in.len;

		if (size > 0 && !(t->msg->facts & MESSAGE_STUFFED)) {
			*ret_span = in;
			slice_skip(&at->rest, size);
			return true;
		}
		bool any = at->unstuff.stage.next(&at->unstuff.stage, &in, false, ret_span) == STAGE_SPAN;

		slice_skip(&at->rest, size - in.len);
		if (any || max == 0)
			return any;
	}
	return false;
}

/* Nothing of the window is left, but perhaps a dot whose line comes with the next one. */
static bool window_is_used_up(struct transaction *t, const struct body_window *w)
{
	size_t left = t->at.rest.len;
	struct slice span;

	for (unsigned i = t->at.piece; i < w->count; i++)
		left += w->pieces[i].len;
	if (left > 1 || (left == 1 && !(t->msg->facts & MESSAGE_STUFFED)))
		return left == 0;
	struct content_place before = t->at;

	if (!next_span(t, w, 1, &span))
		return true;
	t->at = before;
	return false;
}

static bool step_chunk(struct session *s, struct transaction *t)
{
	struct body_window *w = &t->body->windows[t->window];
	struct slice span = { 0 };

	if (conn_room(&s->conn) < 2)
		return false;
	if (t->chunk_left == 0 && t->content_left > 0)
		return write_bdat(s, t);
	bool any = next_span(t, w, t->chunk_left, &span);
	bool used_up = window_is_used_up(t, w);
	bool is_all = t->chunk_left + t->content_left == span.len;

	if (is_all != (used_up && w->last)) {
		t->body->err = ERR_CORRUPT;
		return fail_body(s, t);
	}
	t->chunk_left -= span.len;
	if (any)
		conn_add(&s->conn, span.ptr, span.len,
			 (uint8_t)((used_up ? window_tag(t) : TAG_NONE) | (is_all ? TAG_DOT : TAG_NONE)));
	if (used_up)
		leave_window(t, any);
	if (!is_all)
		return true;
	return t->msg->size == 0 ? add_end(s, t, "BDAT 0 LAST\r\n") : all_is_queued(s, t);
}

/* --- both ------------------------------------------------------------------------------------- */

static void on_content_free(struct content_waiter *waiter)
{
	session_body_ready(container_of(waiter, struct session, content_wait));
}

void session_content_init(struct session *s, struct content_pool *contents)
{
	s->contents = contents;
	s->content_wait = (struct content_waiter){ .fn = on_content_free };
	list_init(&s->content_wait.node);
}

void session_content_end(struct session *s, struct transaction *t)
{
	if (t->needs == 0)
		return;
	content_wait_cancel(s->contents, &s->content_wait);
	if (t->content != NULL)
		t->wrapped = content_was_wrapped(t->content);
	content_put(&t->content);
}

/* The windows that come next, with as much in them as there is. False: there is no memory to change it in, and we stand
 * in line. */
static bool prepare_windows(struct session *s, struct transaction *t)
{
	if (t->needs == 0)
		return true;
	if (t->content == NULL) {
		t->content = content_take(s->contents, &s->content_wait);
		if (t->content == NULL)
			return false;
		content_begin(t->content, t->needs, &(struct content_transfer){
			.msg = t->msg,
			.rcpt = t->rcpt_count == 1 ? &t->rcpts[0] : NULL,
			.source = t->body,
			.tables = s->tables,
		});
	}
	content_fill(t->content);
	return true;
}

bool session_body_step(struct session *s, struct transaction *t)
{
	if (pipeline_is_full(&s->pipeline) || t->dot_waits)
		return false;
	if (t->lone_dot)
		return conn_room(&s->conn) > 0 && add_end(s, t, ".\r\n");
	if (t->body->err < 0)
		return fail_body(s, t);
	if (!prepare_windows(s, t))
		return false;
	const struct body *body = body_of(t);

	if (body->err < 0)
		return fail_body(s, t);
	if (!body->windows[t->window].ready || t->window_queued[t->window])
		return false;
	return t->is_chunked ? step_chunk(s, t) : step_data(s, t);
}

void session_body_sent(struct session *s, uint8_t tag)
{
	struct transaction *t = s->current;

	/* Only the current one can have a body under way: that of the one behind waits for the reply to ours. */
	if (t == NULL)
		return;
	struct body *body = body_of(t);
	/* Octets that were not copied may let go of both at once: the provider fills them in turn, so the older one is
	 * given back first. When both are out, that is the next to be handed over again. */
	const unsigned oldest = t->window;

	for (unsigned n = 0; n <= 1; n++) {
		const unsigned i = oldest ^ n;

		if (!(tag & (TAG_WINDOW_0 << i)))
			continue;
		t->window_queued[i] = false;
		body->release(body, &body->windows[i]);
	}
}

bool session_dot_has_left(const struct session *s)
{
	if (s->current->state != TRANSACTION_DOT)
		return false;
	for (unsigned i = 0; i < s->conn.piece_count; i++)
		if (s->conn.pieces[(s->conn.piece_first + i) % CONN_PIECES].tag & TAG_DOT)
			return false;
	return true;
}

bool session_body_waits_for_us(const struct session *s)
{
	const struct transaction *t = s->current;

	return t != NULL && t->is_chunked && t->state == TRANSACTION_BODY && t->chunk_left > 0 &&
	       s->pipeline.count == 1;
}
