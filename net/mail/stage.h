/* stage.h - content on its way out, changed while it passes: the contract of a transform, and several in a row
 *
 *	chain_init(&c);
 *	chain_add(&c, &unstuff.stage);		what the facts of the message and this server demand, in this order:
 *	chain_add(&c, &wrap.stage);		unstuff, line ends, structure, wrap, dot
 *	chain_add(&c, &dot.stage);
 *	while ((r = chain_next(&c, &in, is_last, &span)) == STAGE_SPAN)
 *		... send span ...
 *
 * What flows between two stages is *content*: octets in any cut, lines end in CRLF, CR and LF are nowhere else, leading
 * dots are not stuffed, there is no final dot. What is stored is in wire form, and so the first stage is unstuff; the
 * last is dot, and there is none for BDAT.
 *
 *	                 span            span            span
 *	 in -> [unstuff] ----> [  mime ] ----> [  dot  ] ----> whoever sends
 *	 more? <------         <------         <------         asks
 *
 * It is the last stage that is asked, and a stage in front of it is asked for more only when the one behind has used
 * up what it gave. So no stage has to keep what it cannot give on, and nothing is copied between two of them.
 *
 * A stage is a struct stage at the beginning of a struct of its own, which lies where its user wants it:
 *
 *	struct dot { struct stage stage; ... };		void dot_init(struct dot *d);
 *
 * bounds   STAGES_MAX stages in a row; each has O(1) memory for any line and any message, and O(n) time for any cut
 * memory   the stages are the caller's and outlive the chain. A piece of input stays unchanged until the answer to it
 *          is MORE or END: a span of the first stage that the second has not used up yet may point into it
 * errors   a negative one ends the content; the chain stays failed
 * never    allocates, logs, or waits inside a call
 */
#pragma once

#include "core/slice.h"

#define STAGES_MAX 8u

/* What a stage says, once a call. */
enum stage_result {
	STAGE_MORE,	/* all of *in is consumed; never said when is_last */
	/* *ret_span, not empty, is next. It may point into the input, and then is good as long as that is; or into the
	 * stage's own memory, or at constants, and then is good until the next call. What *in has lost is consumed. */
	STAGE_SPAN,
	STAGE_END,	/* is_last, all of *in is consumed, all is given; asked again, it is said again */
	STAGE_WAIT,	/* somebody else is asked, a table over the network for instance; call again when woken */
};

struct stage {
	/* Consumes from the front of *in, which may be empty. is_last: nothing comes behind *in; once said, it is said
	 * until the end. Returns an enum stage_result, or a negative error: it has failed for good. */
	int (*next)(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span);
};

/* What one stage gave, as far as the next has not used it up. */
struct stage_link {
	struct slice span;
	bool is_last;
};

struct chain {
	/* private */
	struct stage *stages[STAGES_MAX];
	struct stage_link links[STAGES_MAX - 1];	/* links[i] lies between stages[i] and stages[i + 1] */
	unsigned count;
	int err;
};

void chain_init(struct chain *c);

/* Behind those that are there. Not when content has begun to flow. */
void chain_add(struct chain *c, struct stage *s);

/* As the next of a single stage, through all of them. A chain without stages gives its input as it is. */
int chain_next(struct chain *c, struct slice *in, bool is_last, struct slice *ret_span);

/* Gives on all of *in, as a stage does that changes nothing. */
static inline int stage_pass(struct slice *in, bool is_last, struct slice *ret_span)
{
	if (in->len == 0)
		return is_last ? STAGE_END : STAGE_MORE;
	*ret_span = *in;
	slice_skip(in, in->len);
	return STAGE_SPAN;
}
