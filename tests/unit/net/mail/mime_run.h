/* mime_run.h - the stage as a function: a message in, in any cut, and what goes out */
#pragma once

#include <stdlib.h>

#include "core/str.h"
#include "net/mail/mime.h"

/* The defaults of main.cf, converting. */
static inline struct mime_conf mime_run_conf(void)
{
	return (struct mime_conf){
		.converts = true,
		.mime_boundary_length_limit = 2048,
		.mime_nesting_limit = 100,
		.header_size_limit = 102400,
		.line_length_limit = 2048,
	};
}

/* The octets of the next piece of those that are left. */
typedef size_t mime_run_cut_fn(void *context, size_t at, size_t left);

struct mime_run {
	struct mime_conf conf;
	struct mime_hooks *hooks;
	mime_run_cut_fn *cut;		/* NULL: all at once */
	void *context;
	bool waits;			/* a hook may say WAIT: asked again at once */
	struct mime mime;
};

/* Each piece and the stage's memory have allocations of their own, so that a sanitizer sees what reaches beyond.
 * Returns STAGE_END or the error. */
static inline int mime_run(struct mime_run *run, struct slice text, struct str *out)
{
	void *memory = malloc(mime_memory(&run->conf, run->hooks));
	size_t at = 0;
	int r = STAGE_MORE;

	ASSERT(memory != NULL);
	mime_init(&run->mime, &run->conf, run->hooks, memory);
	while (r == STAGE_MORE) {
		size_t left = text.len - at;
		size_t n = run->cut != NULL && left > 0 ? run->cut(run->context, at, left) : left;
		char *piece = malloc(n > 0 ? n : 1);
		struct slice in = slice_of(piece, n), span;

		ASSERT(piece != NULL && n <= left);
		memcpy(piece, text.ptr + at, n);
		at += n;
		while ((r = run->mime.stage.next(&run->mime.stage, &in, at == text.len, &span)) == STAGE_SPAN ||
		       r == STAGE_WAIT) {
			ASSERT(r != STAGE_WAIT || run->waits);
			if (r == STAGE_WAIT)
				continue;
			ASSERT(span.len > 0);
			str_add(out, span);
		}
		if (r >= 0)
			ASSERT(in.len == 0);
		if (r == STAGE_MORE)
			ASSERT(at < text.len);
		free(piece);
	}
	if (r == STAGE_END)
		ASSERT(at == text.len);
	free(memory);
	return r;
}
