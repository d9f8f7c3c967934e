/* unstuff.h - stored content as BDAT wants it: without the dots that only DATA needs (RFC 3030 2, row SMG-04)
 *
 *	while (unstuff_next(&u, &in, &span))
 *		... send span ...
 *
 * In wire form every line that begins with a dot has one more in front of it. A span is a run of the input up to the
 * next such dot, or to the end: nothing is copied, and what is left out is never more than one octet at a time.
 *
 * bounds   O(1) memory; a span for each stuffed dot, and one for each piece of the input
 * memory   spans point into the input
 * errors   none: whatever comes in, what goes out is it without the first dot of each line
 * never    looks at content whose facts say that no line begins with a dot: its user does not call it
 */
#pragma once

#include "core/slice.h"

struct unstuff {
	bool in_line;	/* the octet before was no LF */
};

static inline void unstuff_init(struct unstuff *u)
{
	u->in_line = false;
}

/* Consumes from the front of *in. True: *ret_span, which is not empty, is next; false: all of the input is consumed. */
bool unstuff_next(struct unstuff *u, struct slice *in, struct slice *ret_span);
