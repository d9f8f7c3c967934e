/* slice.h - bytes that belong to somebody else
 *
 * A slice is a view: it is good as long as its owner says. Text in a slice has no terminating NUL.
 */
#pragma once

#include "core/base.h"

struct slice {
	const char *ptr;	/* may be NULL only when len is 0 */
	size_t len;
};

/* A slice of a string literal: SLICE("250 "). */
#define SLICE(literal) ((struct slice){ "" literal, sizeof(literal) - 1 })

/* printf("%.*s", SLICE_FMT(s)) */
#define SLICE_FMT(s) (int)(s).len, (s).ptr

static inline struct slice slice_of(const void *ptr, size_t len)
{
	return (struct slice){ ptr, len };
}

static inline struct slice slice_of_str(const char *str)
{
	return (struct slice){ str, strlen(str) };
}

/* Drops n bytes from the front; n must not exceed the length. */
static inline void slice_skip(struct slice *s, size_t n)
{
	ASSERT(n <= s->len);
	s->ptr += n;
	s->len -= n;
}

/* The first n bytes, or all of them when there are fewer. */
static inline struct slice slice_head(struct slice s, size_t n)
{
	return slice_of(s.ptr, MIN(s.len, n));
}

bool slice_eq(struct slice a, struct slice b);

/* ASCII case only; octets above 127 compare as they are. */
bool slice_eq_nocase(struct slice a, struct slice b);

bool slice_has_prefix(struct slice s, struct slice prefix);
bool slice_has_prefix_nocase(struct slice s, struct slice prefix);

/* Index of the first c at or after from, or -1. */
ptrdiff_t slice_find_char(struct slice s, size_t from, char c);

/* Index of the last c, or -1. */
ptrdiff_t slice_find_last_char(struct slice s, char c);

/* Without spaces, tabs, CR and LF at both ends. */
struct slice slice_trim(struct slice s);

/* Decimal digits only, no sign, no blank, the whole slice. Returns 0, -EINVAL (no number) or -ERANGE (> max). */
int slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_value);

/* ASCII letters to lower case, in any locale. */
static inline char ascii_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}
