/* transcript.h - what was said in a session, for a report to the postmaster (B 22.5)
 *
 *	 In: 220 mx.test ESMTP
 *	Out: EHLO client.test
 *
 * The beginning and the newest lines are kept; when a session talks for long, what is between them is counted. The
 * message itself is not in it, only its final dot.
 *
 * bounds   TRANSCRIPT_HEAD + TRANSCRIPT_TAIL octets, TRANSCRIPT_LINE of a line
 * memory   one object, all of it
 */
#pragma once

#include "core/str.h"

#define TRANSCRIPT_HEAD	KIB(2)
#define TRANSCRIPT_TAIL	KIB(6)
#define TRANSCRIPT_LINE	512u
#define TRANSCRIPT_MAX	(TRANSCRIPT_HEAD + TRANSCRIPT_TAIL + 64u)	/* of transcript_add_to */

/* How the address begins that reports come from; mail from it causes none itself. */
#define TRANSCRIPT_REPORTER "double-bounce@"

struct transcript {
	uint32_t omitted;		/* lines */
	uint32_t head_len;
	uint32_t tail_len;
	char head[TRANSCRIPT_HEAD];
	char tail[TRANSCRIPT_TAIL];
};

static inline void transcript_init(struct transcript *t)
{
	t->omitted = 0;
	t->head_len = 0;
	t->tail_len = 0;
}

/* One line, without its end. */
void transcript_add(struct transcript *t, bool ours, struct slice line);

/* Is trouble with mail from this sender reported? Not when it is a report itself: whoever cannot be told would be told
 * for ever. */
bool transcript_is_wanted(struct slice sender);

/* All lines, each ended by '\n'. */
void transcript_add_to(struct str *out, const struct transcript *t);
