/* body.h - content on its way out: two windows, one on the wire while the other is filled
 *
 * The provider (whoever has the content) fills windows in turn; the consumer (a session) sends and returns them.
 *
 *	provider: fill windows[0] -> ready          consumer: send windows[0] -> body_release -> provider refills it
 *	provider: fill windows[1] -> ready          consumer: send windows[1] -> body_release ...
 *
 * memory   pieces point into the provider's memory, unchanged until they are released
 * bounds   BODY_PIECES pieces a window; whatever the message's size, two windows are all that is held
 * errors   body.err: the content cannot be had (damaged, unreadable); the consumer gives up without the final dot
 */
#pragma once

#include "core/slice.h"

#define BODY_PIECES 6u

struct body_window {
	struct slice pieces[BODY_PIECES];
	unsigned count;
	bool ready;		/* filled, and not yet released */
	bool last;		/* the message ends with this window */
};

struct body {
	struct body_window windows[2];
	int err;
	/* Consumer's: called by the provider when a window has become ready, or err was set; never from inside
	 * release. */
	void (*on_ready)(struct body *body);
	/* Provider's: called by the consumer when a window has been sent, or is not wanted any more. */
	void (*release)(struct body *body, struct body_window *window);
};

static inline size_t body_window_size(const struct body_window *w)
{
	size_t n = 0;

	for (unsigned i = 0; i < w->count; i++)
		n += w->pieces[i].len;
	return n;
}
