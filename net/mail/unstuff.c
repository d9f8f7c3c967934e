#include "net/mail/unstuff.h"

/* Octets up to the next dot at the start of a line; all when there is none. */
static size_t run_len(struct unstuff *u, struct slice in)
{
	size_t at = 0;

	while (at < in.len) {
		ptrdiff_t lf = slice_find_char(in, at, '\n');

		u->in_line = lf < 0;
		if (lf < 0)
			return in.len;
		at = (size_t)lf + 1;
		if (at < in.len && in.ptr[at] == '.')
			return at;
	}
	return at;
}

bool unstuff_next(struct unstuff *u, struct slice *in, struct slice *ret_span)
{
	if (in->len > 0 && !u->in_line && in->ptr[0] == '.') {
		slice_skip(in, 1);
		u->in_line = true;
	}
	if (in->len == 0)
		return false;
	*ret_span = slice_head(*in, run_len(u, *in));
	slice_skip(in, ret_span->len);
	return true;
}
