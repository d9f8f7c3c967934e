/* qp_codes.h - octets as the codes of quoted-printable, without line breaks, as fast as the processor can
 *
 *	"a=b\xe9"	-->	"a=3Db=E9"
 *
 * A "=" among codes always begins one: where codes may be parted can be seen in them.
 *
 * cost     one octet at a time takes a load and a store; the others take 64 without a branch among them
 * bounds   three octets out for one in; up to QP_CODES_SLACK octets behind them are overwritten
 * never    looks at a line, or keeps anything between two calls
 */
#pragma once

#include "core/slice.h"

#define QP_BLOCK	64u	/* octets */
#define QP_BLOCKS	32u	/* at once */
#define QP_CODES_SLACK	64u

/* One bit an octet of each block, the first octet in the lowest bit. */
struct qp_masks {
	uint64_t special[QP_BLOCKS];	/* not literal: neither TAB nor 32..126 but "=" */
	uint64_t cr[QP_BLOCKS + 1];	/* the user's: what comes next */
	uint64_t lf[QP_BLOCKS + 1];
	uint64_t blank[QP_BLOCKS];	/* SPACE or TAB */
};

struct qp_codes {
	/* Up to QP_BLOCKS. */
	void (*look)(const char *from, size_t blocks, struct qp_masks *ret_masks);
	/* A block; what is special is not asked again, and is encoded, literal or not. Returns the end of the codes. */
	char *(*put)(const char *from, uint64_t special, char *to);
};

/* Of the level that scan.h uses; NULL: blocks are no faster there. */
const struct qp_codes *qp_codes(void);

/* So many octets, each of which is encoded when it is not literal. Returns the end of the codes. */
char *qp_codes_put(const char *from, size_t len, char *to);
