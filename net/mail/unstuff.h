/* unstuff.h - stored content as BDAT and every other stage want it: without the dots that only DATA needs
 *
 * In wire form every line that begins with a dot has one more in front of it. A span is a run of the input up to the
 * next such dot, or to the end: nothing is copied, and what is left out is never more than one octet at a time
 * (RFC 3030 2, RFC 5321 4.5.2, row SMG-04).
 *
 * bounds   O(1) memory; a span for each stuffed dot, and one for each piece of the input
 * memory   spans point into the input
 * errors   none: whatever comes in, what goes out is it without the first dot of each line
 * never    looks at content whose facts say that no line begins with a dot: its user does not call it
 */
#pragma once

#include "net/mail/stage.h"

struct unstuff {
	struct stage stage;
	/* private */
	bool in_line;		/* the octet before was no LF */
};

void unstuff_init(struct unstuff *u);
