/* stage_run.h - content through stages in any cut, for tests and fuzzers
 *
 *	static void setup(void *context, struct chain *c) { ... init stages, chain_add ... }
 *
 *	int r = stage_run(&(struct stage_setup){ setup, &mine }, in, (size_t[]){ 3, 9 }, 2, false, &out);
 *
 * Each piece lies in memory of exactly its size and is spoilt when it was answered with MORE: what reads behind it, or
 * comes back to it, gives octets that were never in the input, and a sanitizer says so, too.
 */
#pragma once

#include <stdlib.h>

#include "core/str.h"
#include "net/mail/stage.h"

struct stage_setup {
	void (*init)(void *context, struct chain *c);	/* all stages anew */
	void *context;
};

/* Returns STAGE_MORE, STAGE_END or an error. A stage that waits is woken at once. */
static inline int stage_feed(struct chain *c, struct slice piece, bool is_last, struct str *out)
{
	char *copy = malloc(piece.len > 0 ? piece.len : 1);
	struct slice span;
	int r;

	ASSERT(copy != NULL);
	if (piece.len > 0)
		memcpy(copy, piece.ptr, piece.len);
	struct slice in = slice_of(copy, piece.len);

	while ((r = chain_next(c, &in, is_last, &span)) == STAGE_SPAN || r == STAGE_WAIT)
		if (r == STAGE_SPAN)
			str_add(out, span);
	ASSERT(r < 0 || in.len == 0);
	memset(copy, '?', piece.len);
	free(copy);
	return r;
}

/* Cuts are in ascending order. apart: the end is told with nothing, behind the last piece. */
static inline int stage_run(const struct stage_setup *setup, struct slice in, const size_t *cuts, unsigned count,
	bool apart, struct str *out)
{
	struct chain c;
	size_t at = 0;
	int r = STAGE_MORE;

	chain_init(&c);
	setup->init(setup->context, &c);
	for (unsigned i = 0; i <= count && r == STAGE_MORE; i++) {
		size_t end = i < count ? cuts[i] : in.len;

		r = stage_feed(&c, slice_of(in.ptr + at, end - at), i == count && !apart, out);
		at = end;
	}
	if (r == STAGE_MORE)
		r = stage_feed(&c, (struct slice){ 0 }, true, out);
	return r;
}

/* In pieces of a size, the last one shorter. */
static inline int stage_run_pieces(const struct stage_setup *setup, struct slice in, size_t size, struct str *out)
{
	struct chain c;
	int r = STAGE_MORE;

	chain_init(&c);
	setup->init(setup->context, &c);
	while (in.len > 0 && r == STAGE_MORE) {
		struct slice piece = slice_head(in, size);

		slice_skip(&in, piece.len);
		r = stage_feed(&c, piece, false, out);
	}
	return r == STAGE_MORE ? stage_feed(&c, (struct slice){ 0 }, true, out) : r;
}

static inline bool stage_said(int r, const struct str *out, int want_r, struct slice want)
{
	return r == want_r && (r < 0 || slice_eq(str_slice(out), want));
}

/* Whole, octet by octet, and at every two cuts; the octets that come out are compared, unless it fails. Returns false
 * at the first way that gives something else; out holds that then. */
static inline bool stage_every_cut(const struct stage_setup *setup, struct slice in, int want_r, struct slice want,
	struct str *out)
{
	for (size_t a = 0; a <= in.len; a++)
		for (size_t b = a; b <= in.len; b++)
			for (unsigned apart = 0; apart <= 1; apart++) {
				str_clear(out);
				int r = stage_run(setup, in, (size_t[]){ a, b }, 2, apart, out);

				if (!stage_said(r, out, want_r, want))
					return false;
			}
	str_clear(out);
	return stage_said(stage_run_pieces(setup, in, 1, out), out, want_r, want);
}
