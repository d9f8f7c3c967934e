/* str.h - build text in the caller's storage, and never cut it in silence
 *
 * Appends stop at the end of the storage and set `full`; from then on nothing is added, so that one question at the
 * end (str_is_full) covers a whole series of appends.
 *
 * memory   the caller's; no terminating NUL is kept (see str_cstr)
 */
#pragma once

#include "core/slice.h"

struct str {
	char *ptr;
	size_t cap;
	size_t len;
	bool full;		/* something did not fit and was left out whole */
};

/* A str over an array: struct str s = STR(array); */
#define STR(array) ((struct str){ .ptr = (array), .cap = sizeof(array) })

static inline struct str str_over(void *storage, size_t cap)
{
	return (struct str){ .ptr = storage, .cap = cap };
}

static inline struct slice str_slice(const struct str *s)
{
	return slice_of(s->ptr, s->len);
}

static inline bool str_is_full(const struct str *s)
{
	return s->full;
}

static inline void str_clear(struct str *s)
{
	s->len = 0;
	s->full = false;
}

/* Each adds all or nothing. */
void str_add(struct str *s, struct slice text);
void str_add_cstr(struct str *s, const char *text);
void str_add_char(struct str *s, char c);
void str_add_u64(struct str *s, uint64_t value);
void str_add_hex(struct str *s, uint64_t value, unsigned digits);
void str_printf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds as many whole bytes of text as fit, up to max; sets full when something was left out. For log fields. */
void str_add_cut(struct str *s, struct slice text, size_t max);

/* Adds text with every control octet, DEL, invalid UTF-8 sequence and C1 control replaced by '?': one event, one line
 * (row LOG-01). Cuts at max octets without splitting a character. */
void str_add_printable(struct str *s, struct slice text, size_t max);

/* Terminates with NUL (the last byte of the storage is given up for it when full) and returns the text. */
const char *str_cstr(struct str *s);
