/* crlf.h - content on its way in: find its end, refuse what is no line end, learn its facts
 *
 *	DATA	stuffed octets behind 354, up to CRLF "." CRLF and not one octet further
 *	BDAT	unstuffed octets of chunks (RFC 3030); the caller counts them
 *
 *	while ((r = crlf_feed(&c, &in, &span)) == CRLF_SPAN)
 *		... keep span ...
 *
 * The spans, one behind the other, are the wire form that is stored: lines end in CRLF, leading dots are stuffed, no
 * final dot. For DATA that is what came, so a span is the input itself, as long as it goes; only where something was
 * held back at a cut, or has to be changed, a span is one of our own few constants.
 *
 * A CR or LF that is not half of a CRLF, and every NUL, is a flaw: others may take it for a line end, and then see a
 * second message in the middle of this one (row SMG-02). Unless told to normalise, a flaw ends the scan for good. With
 * normalise, each bare CR or LF becomes a line end; a dot behind it is content, and so is stuffed. NUL is always a flaw
 * (row SMG-06).
 *
 * bounds   O(1) memory for any line and any message; each octet is looked at once, 64 of them at a time
 * memory   spans point into the input or to constants
 * errors   ERR_PROTO with c->flaw set; the scanner stays failed
 * never    allocates, logs, or reads behind the end of DATA
 */
#pragma once

#include "core/slice.h"
#include "net/mail/received.h"

#define CRLF_LINE_MAX	998u	/* octets of a line without CRLF, RFC 5322 2.1.1 */

enum crlf_source { CRLF_DATA, CRLF_BDAT };

enum crlf_result {
	CRLF_MORE,		/* all of the input is consumed */
	CRLF_SPAN,		/* *ret_span is the next piece of the stored form */
	CRLF_END,		/* the final dot has been consumed, nothing behind it (DATA only) */
};

enum crlf_flaw { CRLF_NO_FLAW, CRLF_BARE_CR, CRLF_BARE_LF, CRLF_NUL };

enum crlf_state {
	CRLF_LINE_START,	/* behind a line end, or at the beginning */
	CRLF_IN_LINE,
	CRLF_AFTER_CR,		/* the CR is held back */
	CRLF_AFTER_DOT,		/* a dot at the start of a line is held back */
	CRLF_AFTER_DOT_CR,
	CRLF_ENDED,
	CRLF_FAILED,
};

struct crlf {
	enum crlf_flaw flaw;
	uint32_t facts;			/* MESSAGE_8BIT, MESSAGE_LONG_LINE, MESSAGE_STUFFED, as far as it was read */
	uint64_t wire_size;		/* octets given in spans */
	uint64_t stuffing;		/* of them: dots that are no content */
	struct received_counter received;
	/* private */
	enum crlf_source source;
	enum crlf_state state;
	bool normalise;
	bool dot_is_content;		/* at the line start where we are */
	uint64_t pos;			/* octets consumed */
	uint64_t line_at;		/* where the content of the current line begins */
};

void crlf_init(struct crlf *c, enum crlf_source source, bool normalise);

/* Consumes from the front of *in. Returns an enum crlf_result or ERR_PROTO. */
int crlf_feed(struct crlf *c, struct slice *in, struct slice *ret_span);

/* Behind the end of a line, or before the first? */
static inline bool crlf_is_between_lines(const struct crlf *c)
{
	return c->state == CRLF_LINE_START;
}

/* BDAT: there is no more. Ends the last line if it needs that; call until it is not CRLF_SPAN. Returns CRLF_SPAN,
 * CRLF_END or ERR_PROTO. */
int crlf_finish(struct crlf *c, struct slice *ret_span);

/* Octets of the content as SIZE= counts them: with CRLF, without stuffing. */
static inline uint64_t crlf_size(const struct crlf *c)
{
	return c->wire_size - c->stuffing;
}
