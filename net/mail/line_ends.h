/* line_ends.h - stage: content of any origin gets proper line ends on its way out (B 15.4, rows SMG-01, SMG-03, SMG-05)
 *
 *	TEXT	CRLF or LF ends a line; any other CR becomes a space
 *	RECORDS	pieces of lines as a Postfix queue file has them; where a line ends is told, and each CR or LF in it
 *		becomes a space:
 *
 *		while (chain_next(&c, &text, false, &span) == STAGE_SPAN)	text of one record
 *			...
 *		line_ends_end_record(&l);			NORM: the line ends here. CONT: it goes on
 *
 * What goes out has CR before LF only, and LF behind CR only. The last line gets its end if it has none; of nothing,
 * nothing is made. What was stored in wire form needs none of this.
 *
 * Lines that have to be changed are gathered in memory of the caller's, for a span a line is too dear for whoever sends
 * it; a long run that needs nothing is given as it is.
 *
 * bounds   O(1) memory for any line and any message
 * memory   LINE_ENDS_MEMORY_MIN octets or more; spans point into them, or into the input
 * errors   ERR_PROTO: there is a NUL, and it was told to refuse that (row SMG-06); otherwise NUL passes (case 488)
 */
#pragma once

#include "net/mail/stage.h"

#define LINE_ENDS_MEMORY_MIN 64u

enum line_ends_form { LINE_ENDS_TEXT, LINE_ENDS_RECORDS };

struct line_ends {
	struct stage stage;
	bool refuses_nul;	/* set after init */
	/* private */
	enum line_ends_form form;
	bool in_line;		/* the line has octets, and no end yet */
	bool after_cr;		/* TEXT: the CR is held back */
	unsigned ends_due;	/* RECORDS: told, and not yet given */
	char *memory;
	size_t size;
	size_t used;
};

void line_ends_init(struct line_ends *l, enum line_ends_form form, void *memory, size_t size);

/* RECORDS: what was consumed so far ends a line. */
void line_ends_end_record(struct line_ends *l);
