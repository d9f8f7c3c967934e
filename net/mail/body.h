/* body.h - content on its way out: two windows, one on the wire while the other is filled
 *
 * The provider (whoever has the content) fills windows in turn; the consumer (a session) sends and returns them.
 *
 *	provider: fill windows[0] -> ready          consumer: send windows[0] -> body_release -> provider refills it
 *	provider: fill windows[1] -> ready          consumer: send windows[1] -> body_release ...
 *
 * memory   pieces point into the provider's memory, unchanged until they are released
 * bounds   BODY_PIECES pieces a window; whatever the message's size, two windows are all that is held
 * errors   body.err: the content cannot be had (damaged, unreadable); the consumer gives up without the final dot.
 *	    ERR_CONTENT: nobody may have it, for there is a NUL in what was stored, or a line end that is none (rows
 *	    SMG-03, SMG-06)
 */
#pragma once

#include "core/slice.h"

#define BODY_PIECES 6u

struct body;

struct body_window {
	struct slice pieces[BODY_PIECES];
	unsigned count;
	bool ready;		/* filled, and not yet released */
	bool last;		/* the message ends with this window */
};

/* Content as a Postfix queue file has it (net/mail/records.h): the windows are octets of the file, from one place on,
 * one behind the other. With the last one the file ends; most of the time the content has ended before. */
struct body_records {
	uint64_t offset;	/* where the first window begins */
	uint64_t file_size;
	/* Provider's: the windows that are ready are not wanted any more, as if released, nor is what is being read;
	 * windows[0] is filled next, from offset on, which lies within the file. on_ready is never called inside. */
	void (*seek)(struct body *body, uint64_t offset);
	/* Consumer's: the records made no sense. The recipients have failed for good, 5.3.0; it is for the provider to
	 * keep the file aside once they have been told. */
	bool is_damaged;
};

struct body {
	struct body_window windows[2];
	struct body_records records;	/* of a message whose facts say MESSAGE_RECORDS */
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
