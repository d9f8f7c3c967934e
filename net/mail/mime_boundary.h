/* mime_boundary.h - the boundaries of the multiparts that are open, and which of them a line is (B 16.2)
 *
 *	level	boundary		a line matches when it begins with "--" and the boundary; what stands behind it
 *	0	the outermost one	does not matter, but for "--", which ends that level. The innermost level is
 *	n - 1	the innermost one	asked first; levels inside of the one that matches are closed
 *
 * Boundaries lie one behind the other in an arena of the caller's; one that is being read lies behind the last.
 *
 * bounds   length_max octets of a boundary are kept and compared (mime_boundary_length_limit); level_max levels, and as
 *          many as the arena has room for: what does not fit is too deep
 * cost     a line costs at most its octets times the levels that begin like it
 */
#pragma once

#include "core/slice.h"

struct mime_level {
	uint32_t at, len;	/* in the arena */
	bool is_digest;		/* multipart/digest: its parts are messages unless they say otherwise */
	bool is_sealed;		/* inside of multipart/signed or multipart/encrypted */
	bool is_like_code;	/* quoted-printable may look like it: there is "=", and behind each are digits */
};

struct mime_boundaries {
	struct mime_level *levels;
	unsigned level_count, level_max;
	char *arena;
	uint32_t arena_size;
	uint32_t length_max;
	/* private */
	uint32_t reading;	/* octets of the boundary that is being read */
	bool no_room;		/* it did not fit */
};

static inline const struct mime_level *mime_boundaries_top(const struct mime_boundaries *b)
{
	return b->level_count > 0 ? &b->levels[b->level_count - 1] : NULL;
}

/* A boundary is read: begin, add its octets, push. False: it is too deep, and not there. An empty one is none (RFC 2046
 * 5.1.1), nor are blanks at its end part of it. */
void mime_boundaries_begin(struct mime_boundaries *b);
void mime_boundaries_add(struct mime_boundaries *b, char c);
bool mime_boundaries_push(struct mime_boundaries *b, bool is_digest, bool is_sealed);

/* Is there a level that encoded content may look like? */
bool mime_boundaries_like_code(const struct mime_boundaries *b);

enum mime_match_result { MIME_NO_MATCH, MIME_MATCH, MIME_MATCH_END, MIME_MATCH_MORE };

/* How far a line has been compared. */
struct mime_match {
	unsigned levels;	/* those that may still match */
	size_t equal;		/* octets in which the innermost of them does */
};

static inline void mime_match_begin(struct mime_match *m, const struct mime_boundaries *b)
{
	*m = (struct mime_match){ .levels = b->level_count };
}

/* line: from its start, as far as it is there; the next time with the same octets and some more. is_whole: nothing will
 * come. MORE: not decided; never for a line of length_max + 4 octets. MATCH: the level is m->levels - 1. */
enum mime_match_result mime_match_line(struct mime_match *m, const struct mime_boundaries *b, struct slice line,
	bool is_whole);
