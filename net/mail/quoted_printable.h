/* quoted_printable.h - lines of octets as printable lines of at most 76 (RFC 2045 6.7; break positions: B 16.4)
 *
 *	while (in.len > 0) {
 *		n = qp_encode(&qp, &in, out, sizeof(out));
 *		... n octets in out, possibly none ...
 *	}
 *	n = qp_finish(&qp, out);
 *
 * With B, what is written of the current output line:
 *
 *	each octet	is |B| > 72: "=" CRLF is written first, and B is empty. Then TAB and 32..126 but "=" as
 *			they are, any other as "=HH"
 *	line end	a SPACE or TAB that is the last octet of B becomes "=20" or "=09". Then CRLF
 *
 * So a line of 73 to 75 octets that ends there has no soft break, and of several blanks at the end the last one alone
 * is encoded. A CR or LF that is not half of a CRLF is an octet like any other.
 *
 * One thing B 16.4 does not say: between boundaries, a "-" behind a soft break is encoded. In the middle of a line,
 * "--boundary" is content, and must not become the end of its part.
 *
 * cost     O(n); octets are classified 64 at a time and copied in runs, never one by one where they are literal. The
 *          level is that of scan.h
 * bounds   O(1) memory; what is held back at a cut is one blank and one CR
 * errors   none
 */
#pragma once

#include "core/slice.h"

#define QP_ROOM		320u	/* qp_encode writes nothing more where fewer octets are free */

struct qp {
	/* private */
	bool has_boundaries;
	unsigned column;	/* octets of the output line that are written */
	char held_blank;	/* 0: none. The last octet of B, in case the line ends */
	bool held_cr;		/* in case an LF follows */
};

static inline void qp_init(struct qp *qp, bool has_boundaries)
{
	*qp = (struct qp){ .has_boundaries = has_boundaries };
}

/* Consumes from the front of *in until it is empty, or fewer than QP_ROOM octets of out are free; cap is at least
 * twice that, so that something is consumed. Returns what it has written. */
size_t qp_encode(struct qp *qp, struct slice *in, char *out, size_t cap);

/* There is no more, or what follows is not ours: ends a line that has begun. Writes up to QP_ROOM octets. */
size_t qp_finish(struct qp *qp, char *out);

/* One octet of a line as "=HH", literal or not; room as above. */
size_t qp_encode_octet(struct qp *qp, char c, char *out);
