#include "net/mail/dot.h"

#include "net/mail/scan.h"

static int dot_next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct dot *d = container_of(s, struct dot, stage);

	if (in->len == 0)
		return is_last ? STAGE_END : STAGE_MORE;
	bool begins_with_dot = in->ptr[0] == '.' && !d->in_line && !d->is_doubled;
	size_t run = begins_with_dot ? 0 : scan_find_dot(*in);

	/* The dot is given, but not consumed. */
	d->is_doubled = run < in->len;
	d->stuffing += d->is_doubled;
	*ret_span = slice_head(*in, run + 1);
	slice_skip(in, run);
	d->in_line = ret_span->ptr[ret_span->len - 1] != '\n' && !d->is_doubled;
	return STAGE_SPAN;
}

void dot_init(struct dot *d)
{
	*d = (struct dot){ .stage = { dot_next } };
}
