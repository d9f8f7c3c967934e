/* families_impl.h - how rows are written down, and where they are; for families*.c alone */
#pragma once

#include "tests/peers/families.h"

/* A row names what it needs, and nothing else. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#define TEXT(text_) { text_, sizeof(text_) - 1 }

/* On the first connection, the nth time at this stage (0: each). */
#define TRICK(stage_, nth_, deed_, text_) \
	{ .stage = PEER_##stage_, .nth = (nth_), .deed = PEER_##deed_, .text = TEXT(text_), .connection = 1 }
#define TIMED(stage_, nth_, deed_, text_, s_) \
	{ .stage = PEER_##stage_, .nth = (nth_), .deed = PEER_##deed_, .text = TEXT(text_), .connection = 1, \
	  .ns = (uint64_t)(s_) * NS_PER_SEC }
#define COMMIT(deed_, text_) COMMIT_NTH(1, deed_, text_)
#define COMMIT_NTH(nth_, deed_, text_) \
	{ .stage = PEER_DOT, .nth = (nth_), .deed = PEER_##deed_, .text = TEXT(text_), .connection = 1, .commit = true }
#define IN_BODY(at_, deed_, text_) \
	{ .stage = PEER_BODY, .deed = PEER_##deed_, .text = TEXT(text_), .connection = 1, .at = (at_) }

/* So many times in a row. */
#define K8(x)	x x x x x x x x
#define K32(x)	K8(x) K8(x) K8(x) K8(x)
#define K64(x)	K32(x) K32(x)

#define FAMILY_TABLE(x) \
	extern const struct family_row family_##x[]; \
	extern const unsigned family_##x##_count

FAMILY_TABLE(a);
FAMILY_TABLE(b);
FAMILY_TABLE(c);
FAMILY_TABLE(e);
FAMILY_TABLE(f);
FAMILY_TABLE(g);
FAMILY_TABLE(h);
FAMILY_TABLE(i);
FAMILY_TABLE(j);
FAMILY_TABLE(k);
