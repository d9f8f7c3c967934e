/* wrap.h - break lines that are longer than the server has to take (smtp_line_length_limit, RFC 5321 4.5.3.1.6)
 *
 *	limit 10	abcdefghijklmnopqrstuv		becomes		abcdefghij
 *									 klmnopqrs
 *									 tuv
 *
 * The first line has limit octets, those behind it a space and limit - 1 more; in a header that is a valid folding.
 * Lines in the input are measured each, folded or not. A break in the middle of a UTF-8 character moves back to where
 * that begins; no other octet is ever moved, changed or lost (B 15.3, cases 471-485).
 *
 * Only the end of each stretch of limit octets is looked at: if a line ends in it, all lines in it are short enough.
 *
 * bounds   O(1) memory for a line of any length; two or three spans for each break
 * memory   spans point into the input, at constants, and at the 3 octets that are held back at a cut
 * errors   none
 */
#pragma once

#include "net/mail/stage.h"

#define WRAP_HELD_MAX 3u	/* octets of a UTF-8 character in front of its last */

enum wrap_state {
	WRAP_IN_LINE,
	WRAP_HOLDING,		/* held begins a character that may not fit */
	WRAP_BREAK,		/* a break is next, */
	WRAP_HELD,		/* and what was held */
};

struct wrap {
	struct stage stage;
	bool has_split;			/* some line was broken: worth a line in the log */
	/* private */
	enum wrap_state state;
	size_t limit;
	size_t left;			/* octets that fit in this line; what is held is not yet in it */
	char held[WRAP_HELD_MAX];
	uint8_t held_len;
};

/* limit: 0, nothing is broken; or at least 2, so that there is something behind the space. */
void wrap_init(struct wrap *w, size_t limit);
