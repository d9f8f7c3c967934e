#include "net/mail/wrap.h"

/* Below this, a line need not have room for a character: breaks fall where they fall. */
#define LIMIT_FOR_UTF8 8u

static_assert(LIMIT_FOR_UTF8 > WRAP_HELD_MAX + 1 + 1, "a line behind a break has room for a whole character");

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Octets of the character that begins with c, 0 for what begins none. */
static size_t char_len(char c)
{
	unsigned char u = (unsigned char)c;

	return u >= 0xf0 ? 4 : u >= 0xe0 ? 3 : u >= 0xc0 ? 2 : 0;
}

/* What lies at the end of the text and is the beginning of a character too long for the line: its place, or the length
 * of the text when there is none. */
static size_t crossing_char(const struct wrap *w, struct slice text)
{
	size_t at = text.len;

	if (w->limit < LIMIT_FOR_UTF8 || w->left - text.len > WRAP_HELD_MAX)
		return text.len;
	while (at > 0 && text.len - at < WRAP_HELD_MAX && is_continuation(text.ptr[at - 1]))
		at--;
	if (at == 0 || text.len - at == WRAP_HELD_MAX)
		return text.len;
	at--;
	return char_len(text.ptr[at]) > w->left - at ? at : text.len;
}

/* All lines that end within the limit. */
static size_t skip_short_lines(struct wrap *w, struct slice in)
{
	size_t at = 0;

	for (;;) {
		struct slice reach = slice_head(slice_of(in.ptr + at, in.len - at), w->left + 2);
		ptrdiff_t lf = slice_find_last_char(reach, '\n');

		if (lf < 0)
			return at;
		at += (size_t)lf + 1;
		w->left = w->limit;
	}
}

/* What passes as it is. Behind it there may be a break, or the beginning of a character to hold. */
static size_t run_len(struct wrap *w, struct slice in)
{
	size_t at = skip_short_lines(w, in);
	struct slice rest = slice_of(in.ptr + at, in.len - at);
	struct slice fitting = slice_head(rest, w->left);
	size_t len = fitting.len;

	if (rest.len > w->left && rest.ptr[w->left] == '\r') {
		w->left = 0;
		return at + len + 1;
	}
	if (rest.len > w->left) {
		w->state = WRAP_BREAK;
		return at + (is_continuation(rest.ptr[len]) ? crossing_char(w, fitting) : len);
	}
	len = crossing_char(w, fitting);
	w->left -= len;
	if (len < rest.len)
		w->state = WRAP_HOLDING;
	return at + len;
}

static void hold(struct wrap *w, struct slice *in, size_t len)
{
	memcpy(w->held + w->held_len, in->ptr, len);
	w->held_len = (uint8_t)(w->held_len + len);
	slice_skip(in, len);
}

/* An octet more, or the end: does the character end before the line is full? */
static void go_on_holding(struct wrap *w, struct slice *in)
{
	if (in->len == 0 || !is_continuation(in->ptr[0]))
		w->state = WRAP_HELD;
	else if (w->held_len == w->left)
		w->state = WRAP_BREAK;
	else
		hold(w, in, 1);
}

static int give_break(struct wrap *w, struct slice *ret_span)
{
	w->has_split = true;
	w->left = w->limit - 1;
	w->state = w->held_len > 0 ? WRAP_HELD : WRAP_IN_LINE;
	*ret_span = SLICE("\r\n ");
	return STAGE_SPAN;
}

static int give_held(struct wrap *w, struct slice *ret_span)
{
	*ret_span = slice_of(w->held, w->held_len);
	w->left -= w->held_len;
	w->held_len = 0;
	w->state = WRAP_IN_LINE;
	return STAGE_SPAN;
}

/* Returns STAGE_MORE when there is no span yet, or none at all. */
static int in_line(struct wrap *w, struct slice *in, struct slice *ret_span)
{
	*ret_span = slice_head(*in, run_len(w, *in));
	slice_skip(in, ret_span->len);
	if (w->state == WRAP_HOLDING)
		hold(w, in, in->len);
	return ret_span->len > 0 ? STAGE_SPAN : STAGE_MORE;
}

static int wrap_next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct wrap *w = container_of(s, struct wrap, stage);

	if (w->limit == 0)
		return stage_pass(in, is_last, ret_span);
	for (;;) {
		if (w->state == WRAP_BREAK)
			return give_break(w, ret_span);
		if (w->state == WRAP_HELD)
			return give_held(w, ret_span);
		if (in->len == 0 && !(is_last && w->state == WRAP_HOLDING))
			return is_last ? STAGE_END : STAGE_MORE;
		if (w->state == WRAP_HOLDING)
			go_on_holding(w, in);
		else if (in_line(w, in, ret_span) == STAGE_SPAN)
			return STAGE_SPAN;
	}
}

void wrap_init(struct wrap *w, size_t limit)
{
	ASSERT(limit != 1);
	*w = (struct wrap){ .stage = { wrap_next }, .limit = limit, .left = limit };
}
