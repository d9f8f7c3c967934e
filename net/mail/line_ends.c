#include "net/mail/line_ends.h"

#include "core/err.h"
#include "net/mail/scan.h"

/* What one step may add to what was gathered, beside a run. */
#define STEP_MAX 2u

void line_ends_end_record(struct line_ends *l)
{
	ASSERT(l->form == LINE_ENDS_RECORDS);
	l->ends_due++;
}

/* A run as long as this is not copied. A shorter one always fits into memory that was just given. */
static size_t long_run(const struct line_ends *l)
{
	return l->size / 4;
}

static void gather(struct line_ends *l, struct slice text)
{
	ASSERT(text.len <= l->size - l->used);
	memcpy(l->memory + l->used, text.ptr, text.len);
	l->used += text.len;
}

static int give_gathered(struct line_ends *l, struct slice *ret_span)
{
	*ret_span = slice_of(l->memory, l->used);
	l->used = 0;
	return STAGE_SPAN;
}

static void end_line(struct line_ends *l)
{
	gather(l, SLICE("\r\n"));
	l->in_line = false;
}

static void add_space(struct line_ends *l)
{
	gather(l, SLICE(" "));
	l->in_line = true;
}

/* Octets that go out as they are. */
static size_t clean_run(const struct line_ends *l, struct slice in)
{
	size_t at = 0;

	for (;;) {
		at += scan_find_control(slice_of(in.ptr + at, in.len - at));
		if (at == in.len)
			return at;
		if (in.ptr[at] == '\0' && !l->refuses_nul)
			at++;
		else if (l->form == LINE_ENDS_TEXT && in.ptr[at] == '\r' && at + 1 < in.len && in.ptr[at + 1] == '\n')
			at += 2;
		else
			return at;
	}
}

/* The octet is a CR or LF that cannot stay, or a NUL that is refused. Returns STAGE_MORE or an error. */
static int change_octet(struct line_ends *l, struct slice *in)
{
	char octet = in->ptr[0];

	if (octet == '\0')
		return ERR_PROTO;
	slice_skip(in, 1);
	if (l->form == LINE_ENDS_RECORDS)
		add_space(l);
	else if (octet == '\n')
		end_line(l);
	else
		l->after_cr = true;
	return STAGE_MORE;
}

/* What was held back, now that the octet behind it is known, or that there is none. */
static void resolve_cr(struct line_ends *l, struct slice *in)
{
	l->after_cr = false;
	if (in->len == 0 || in->ptr[0] != '\n') {
		add_space(l);
		return;
	}
	slice_skip(in, 1);
	end_line(l);
}

/* All is consumed, and nothing held back. */
static int end(struct line_ends *l, bool is_last, struct slice *ret_span)
{
	if (!is_last)
		return STAGE_MORE;
	if (l->in_line && l->size - l->used >= STEP_MAX)
		end_line(l);
	return l->used > 0 ? give_gathered(l, ret_span) : STAGE_END;
}

/* The next run, gathered or given. Returns STAGE_MORE when it was gathered. */
static int pass_run(struct line_ends *l, struct slice *in, size_t run, struct slice *ret_span)
{
	bool is_long = run >= long_run(l);

	if (l->used > 0 && (is_long || run > l->size - l->used))
		return give_gathered(l, ret_span);
	*ret_span = slice_head(*in, run);
	l->in_line = in->ptr[run - 1] != '\n';
	slice_skip(in, run);
	if (is_long)
		return STAGE_SPAN;
	gather(l, *ret_span);
	return STAGE_MORE;
}

/* Returns STAGE_MORE when there may be more to do. */
static int step(struct line_ends *l, struct slice *in, struct slice *ret_span)
{
	if (l->size - l->used < STEP_MAX)
		return give_gathered(l, ret_span);
	if (l->ends_due > 0) {
		l->ends_due--;
		end_line(l);
		return STAGE_MORE;
	}
	if (l->after_cr) {
		resolve_cr(l, in);
		return STAGE_MORE;
	}
	size_t run = clean_run(l, *in);

	return run > 0 ? pass_run(l, in, run, ret_span) : change_octet(l, in);
}

static bool is_done(const struct line_ends *l, struct slice in, bool is_last)
{
	return in.len == 0 && l->ends_due == 0 && !(l->after_cr && is_last);
}

static int line_ends_next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct line_ends *l = container_of(s, struct line_ends, stage);
	int r = STAGE_MORE;

	while (r == STAGE_MORE && !is_done(l, *in, is_last))
		r = step(l, in, ret_span);
	return r == STAGE_MORE ? end(l, is_last, ret_span) : r;
}

void line_ends_init(struct line_ends *l, enum line_ends_form form, void *memory, size_t size)
{
	ASSERT(size >= LINE_ENDS_MEMORY_MIN);
	*l = (struct line_ends){ .stage = { line_ends_next }, .form = form, .memory = memory, .size = size };
}
