#include "net/mail/unstuff.h"

#include "net/mail/scan.h"

static int unstuff_next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct unstuff *u = container_of(s, struct unstuff, stage);

	if (in->len > 0 && !u->in_line && in->ptr[0] == '.') {
		slice_skip(in, 1);
		u->in_line = true;
	}
	if (in->len == 0)
		return is_last ? STAGE_END : STAGE_MORE;
	*ret_span = slice_head(*in, scan_find_dot(*in));
	u->in_line = ret_span->ptr[ret_span->len - 1] != '\n';
	slice_skip(in, ret_span->len);
	return STAGE_SPAN;
}

void unstuff_init(struct unstuff *u)
{
	*u = (struct unstuff){ .stage = { unstuff_next } };
}
