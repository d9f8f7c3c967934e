#include "net/mail/crlf.h"

#include "core/err.h"
#include "net/mail/message.h"
#include "net/mail/scan.h"

#define BLOCK SCAN_BLOCK

/* So many blocks are looked at in advance. What ends a scan makes us look at them again, and so the first looks are
 * short. */
#define BLOCKS_MAX 16u

void crlf_init(struct crlf *c, enum crlf_source source, bool normalise)
{
	*c = (struct crlf){
		.source = source,
		.normalise = normalise,
		.state = CRLF_LINE_START,
		.dot_is_content = source == CRLF_BDAT,
	};
}

/* --- 64 octets at a time ------------------------------------------------------------------------ */

static uint64_t below(unsigned bit)
{
	return bit < 64 ? (UINT64_C(1) << bit) - 1 : UINT64_MAX;
}

static unsigned lowest(uint64_t mask)
{
	return mask != 0 ? (unsigned)__builtin_ctzll(mask) : 64;
}

static void end_line(struct crlf *c, uint64_t content_end)
{
	if (content_end > c->line_at && content_end - c->line_at > CRLF_LINE_MAX)
		c->facts |= MESSAGE_LONG_LINE;
}

static void count_stuffing(struct crlf *c)
{
	c->stuffing++;
	c->facts |= MESSAGE_STUFFED;
}

/* The part of a block that needs no thought is ended by a flaw. A bare CR is told at the octet behind it, which may be
 * in the next block. */
static unsigned flaw_bit(const struct scan_masks *b, bool after_cr)
{
	/* Each LF stands behind a CR, and behind each CR stands an LF. */
	uint64_t wrong = b->lf ^ (b->cr << 1 | after_cr);

	return lowest(wrong | b->nul);
}

/* It is also ended by a dot that is more than one to be counted: it may be the final one, or has to be doubled.
 * dots: those that begin a line. rest: the input from the block on. Returns stop when there is none. */
static unsigned dot_bit(struct crlf *c, uint64_t dots, unsigned stop, struct slice rest, bool is_first,
	unsigned *ret_last)
{
	while (dots != 0) {
		unsigned bit = lowest(dots);

		if (c->source == CRLF_BDAT || (bit == 0 && is_first && c->dot_is_content) || bit + 1 >= rest.len ||
		    rest.ptr[bit + 1] == '\r' || rest.ptr[bit + 1] == '\n')
			return bit;
		count_stuffing(c);
		*ret_last = bit;
		dots &= dots - 1;
	}
	return stop;
}

/* Every line that ends in the block. Those that also begin in it are short. */
static void note_lines(struct crlf *c, uint64_t lf, uint64_t block_pos)
{
	if (lf == 0)
		return;
	end_line(c, block_pos + lowest(lf) - 1);
	c->line_at = block_pos + BLOCK - (unsigned)__builtin_clzll(lf);
}

struct scan {
	size_t done;
	bool at_start;		/* of a line */
	bool after_cr;
};

/* One block. Returns false when the scan has to stop inside of it. */
static bool scan_block(struct crlf *c, struct slice in, struct scan *s, const struct scan_masks *b)
{
	struct slice rest = slice_of(in.ptr + s->done, in.len - s->done);
	unsigned len = (unsigned)MIN(rest.len, (size_t)BLOCK);
	uint64_t block_pos = c->pos + s->done;
	uint64_t starts = b->lf << 1 | s->at_start;
	unsigned flaw = flaw_bit(b, s->after_cr);
	unsigned stop = MIN(flaw, len);
	unsigned last_dot = BLOCK;
	uint64_t dots = starts & b->dot & below(stop);

	if (dots != 0)
		stop = dot_bit(c, dots, stop, rest, s->done == 0, &last_dot);
	note_lines(c, b->lf & below(stop), block_pos);
	if (last_dot < BLOCK && c->line_at == block_pos + last_dot)
		c->line_at++;
	/* What is behind the stop may not be ours. */
	if (b->high & below(stop))
		c->facts |= MESSAGE_8BIT;
	if (stop > 0)
		s->after_cr = b->cr >> (stop - 1) & 1;
	s->at_start = stop < BLOCK ? starts >> stop & 1 : b->lf >> (BLOCK - 1);
	s->done += stop;
	return stop == len;
}

/* The next block, or what is left of the input. */
static bool scan_one(struct crlf *c, struct slice in, struct scan *s)
{
	struct slice rest = slice_of(in.ptr + s->done, in.len - s->done);
	struct scan_masks masks;

	if (rest.len >= BLOCK) {
		scan_look(rest.ptr, 1, &masks);
	} else {
		char padded[BLOCK];

		memset(padded, 'a', sizeof(padded));	/* letters are never of interest */
		memcpy(padded, rest.ptr, rest.len);
		scan_look(padded, 1, &masks);
	}
	return scan_block(c, in, s, &masks);
}

static bool scan_many(struct crlf *c, struct slice in, struct scan *s, size_t count)
{
	struct scan_masks masks[BLOCKS_MAX];

	scan_look(in.ptr + s->done, count, masks);
	for (size_t i = 0; i < count; i++)
		if (!scan_block(c, in, s, &masks[i]))
			return false;
	return true;
}

/* The next blocks, at most so many. Returns false when the scan has to stop inside of one. */
static bool scan_blocks(struct crlf *c, struct slice in, struct scan *s, size_t max)
{
	size_t count = MIN((in.len - s->done) / BLOCK, max);

	return count > 1 ? scan_many(c, in, s, count) : scan_one(c, in, s);
}

/* Goes over all that needs no thought, and returns its length, without a CR at the end: that one is held back. */
static size_t scan_span(struct crlf *c, struct slice *in)
{
	struct scan s = { .at_start = c->state == CRLF_LINE_START };

	for (size_t max = 1; s.done < in->len && scan_blocks(c, *in, &s, max); max = MIN(2 * max, BLOCKS_MAX))
		;
	if (s.done > 0)
		c->dot_is_content = c->source == CRLF_BDAT;
	c->state = s.after_cr ? CRLF_AFTER_CR : s.at_start ? CRLF_LINE_START : CRLF_IN_LINE;
	c->pos += s.done;
	slice_skip(in, s.done);
	return s.done - s.after_cr;
}

/* --- one octet at a time: at cuts, flaws and suspicious dots ------------------------------------ */

static void begin_line(struct crlf *c, bool dot_is_content)
{
	c->state = CRLF_LINE_START;
	c->line_at = c->pos;
	c->dot_is_content = dot_is_content || c->source == CRLF_BDAT;
}

static int fail(struct crlf *c, enum crlf_flaw flaw)
{
	c->flaw = flaw;
	c->state = CRLF_FAILED;
	return ERR_PROTO;
}

/* Gives text, or fails. The line ends here, and is not ended as it should. */
static int bare_end(struct crlf *c, enum crlf_flaw flaw, struct slice text, struct slice *ret_span)
{
	c->flaw = flaw;
	if (!c->normalise)
		return fail(c, flaw);
	*ret_span = text;
	begin_line(c, true);
	return CRLF_SPAN;
}

static void consume(struct crlf *c, struct slice *in)
{
	slice_skip(in, 1);
	c->pos++;
}

static int after_cr(struct crlf *c, struct slice *in, struct slice *ret_span)
{
	end_line(c, c->pos - 1);
	if (in->ptr[0] != '\n')
		return bare_end(c, CRLF_BARE_CR, SLICE("\r\n"), ret_span);
	consume(c, in);
	begin_line(c, false);
	*ret_span = SLICE("\r\n");
	return CRLF_SPAN;
}

/* A line that is a dot and a bare end: the dot was meant as content by whoever sees a line end there. */
static int dot_line(struct crlf *c, enum crlf_flaw flaw, struct slice *ret_span)
{
	if (c->normalise)
		count_stuffing(c);
	return bare_end(c, flaw, SLICE("..\r\n"), ret_span);
}

static int after_dot(struct crlf *c, struct slice *in, struct slice *ret_span)
{
	if (in->ptr[0] == '\r') {
		consume(c, in);
		c->state = CRLF_AFTER_DOT_CR;
		return CRLF_MORE;
	}
	if (in->ptr[0] == '\n') {
		consume(c, in);
		return dot_line(c, CRLF_BARE_LF, ret_span);
	}
	count_stuffing(c);
	c->line_at = c->pos;
	c->state = CRLF_IN_LINE;
	*ret_span = SLICE(".");
	return CRLF_SPAN;
}

static int after_dot_cr(struct crlf *c, struct slice *in, struct slice *ret_span)
{
	if (in->ptr[0] != '\n')
		return dot_line(c, CRLF_BARE_CR, ret_span);
	consume(c, in);
	c->state = CRLF_ENDED;
	return CRLF_END;
}

/* A scan has stopped before this octet. */
static int stopped_at(struct crlf *c, struct slice *in, struct slice *ret_span)
{
	char octet = in->ptr[0];

	if (octet == '.' && c->dot_is_content) {
		count_stuffing(c);
		c->state = CRLF_IN_LINE;		/* the dot itself comes with the next scan */
		*ret_span = SLICE(".");
		return CRLF_SPAN;
	}
	if (octet == '\0')
		return fail(c, CRLF_NUL);
	consume(c, in);
	if (octet == '.') {
		c->state = CRLF_AFTER_DOT;
		return CRLF_MORE;
	}
	ASSERT(octet == '\n');
	end_line(c, c->pos - 1);
	return bare_end(c, CRLF_BARE_LF, SLICE("\r\n"), ret_span);
}

static int step(struct crlf *c, struct slice *in, struct slice *ret_span)
{
	switch (c->state) {
	case CRLF_AFTER_CR:
		return after_cr(c, in, ret_span);
	case CRLF_AFTER_DOT:
		return after_dot(c, in, ret_span);
	case CRLF_AFTER_DOT_CR:
		return after_dot_cr(c, in, ret_span);
	case CRLF_LINE_START:
	case CRLF_IN_LINE:
		return stopped_at(c, in, ret_span);
	case CRLF_ENDED:
	case CRLF_FAILED:
		break;
	}
	UNREACHABLE();
}

/* --- the story ---------------------------------------------------------------------------------- */

static int give(struct crlf *c, struct slice span)
{
	c->wire_size += span.len;
	if (!received_counter_is_over(&c->received))
		received_counter_feed(&c->received, span);
	return CRLF_SPAN;
}

int crlf_feed(struct crlf *c, struct slice *in, struct slice *ret_span)
{
	int r = CRLF_MORE;

	ASSERT(c->state != CRLF_ENDED);
	if (c->state == CRLF_FAILED)
		return ERR_PROTO;
	while (r == CRLF_MORE && in->len > 0) {
		const char *from = in->ptr;
		size_t len = 0;

		if (c->state == CRLF_LINE_START || c->state == CRLF_IN_LINE)
			len = scan_span(c, in);
		if (len > 0) {
			*ret_span = slice_of(from, len);
			return give(c, *ret_span);
		}
		if (in->len > 0)
			r = step(c, in, ret_span);
	}
	return r == CRLF_SPAN ? give(c, *ret_span) : r;
}

int crlf_finish(struct crlf *c, struct slice *ret_span)
{
	int r = CRLF_SPAN;

	ASSERT(c->source == CRLF_BDAT);
	if (c->state == CRLF_FAILED)
		return ERR_PROTO;
	if (c->state == CRLF_LINE_START || c->state == CRLF_ENDED) {
		c->state = CRLF_ENDED;
		return CRLF_END;
	}
	end_line(c, c->state == CRLF_AFTER_CR ? c->pos - 1 : c->pos);
	if (c->state == CRLF_AFTER_CR)
		r = bare_end(c, CRLF_BARE_CR, SLICE("\r\n"), ret_span);
	else
		*ret_span = SLICE("\r\n");
	if (r < 0)
		return r;
	begin_line(c, false);
	return give(c, *ret_span);
}
