/* dot.h - the last stage before DATA: a dot more for each line that begins with one (RFC 5321 4.5.2, B 15.2)
 *
 *	a CRLF . b CRLF		becomes		a CRLF . | . b CRLF
 *
 * A span is a run of the input that ends with such a dot; the next one begins with the same dot again. So nothing is
 * copied, and the dot that is added is one that was there. It adds nothing else: the final "." CRLF is the session's.
 *
 * bounds   O(1) memory; a span for each stuffed dot, and one for each piece of the input
 * memory   spans point into the input
 * errors   none. What comes in has to be content: behind a bare CR or LF others may see a line that we do not
 */
#pragma once

#include "net/mail/stage.h"

struct dot {
	struct stage stage;
	uint64_t stuffing;	/* dots added */
	/* private */
	bool in_line;		/* the octet before was no LF */
	bool is_doubled;	/* the dot we stand at was given once */
};

void dot_init(struct dot *d);
