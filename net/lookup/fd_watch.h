/* fd_watch.h - poll descriptors that belong to a library, which opens and closes them as it likes (row URG-24)
 *
 * One-shot polls. When the library closes a descriptor its poll is cancelled and the link between the two is cut at
 * once, so that a late completion never acts on another descriptor of the same number.
 *
 * bounds   FD_WATCH_MAX descriptors; what is beyond is not watched, and counted
 * memory   must stay until fd_watch_close has said so
 */
#pragma once

#include "core/io.h"

#define FD_WATCH_MAX	32u
#define FD_WATCH_POLLS	(2u * FD_WATCH_MAX)	/* cancelled ones need their place until the kernel has let go */

struct fd_watch;

/* fd is ready; owner as in fd_watch_want. Errors and hang-ups count as both, to be met by the next read or write. */
typedef void fd_watch_ready_fn(struct fd_watch *watch, void *owner, int fd, bool can_read, bool can_write);
/* Some poll has come back, after the call above if there was one: time for fd_watch_start. */
typedef void fd_watch_fn(struct fd_watch *watch);

struct fd_watch_fd {
	int fd;				/* -1: free */
	void *owner;
	bool readable, writable;	/* what the library waits for */
	bool wait_for_retry;		/* polling failed: look again later instead of spinning */
	struct fd_watch_poll *poll;
};

struct fd_watch_poll {
	struct op op;
	struct fd_watch *watch;
	struct fd_watch_fd *fd;
	unsigned events;
	bool armed;
};

struct fd_watch {
	uint64_t left_out;
	/* private */
	fd_watch_ready_fn *ready;
	fd_watch_fn *returned;
	fd_watch_fn *closed;		/* set by fd_watch_close */
	struct fd_watch_fd fds[FD_WATCH_MAX];
	struct fd_watch_poll polls[FD_WATCH_POLLS];
};

void fd_watch_init(struct fd_watch *w, fd_watch_ready_fn *ready, fd_watch_fn *returned);

/* From inside the library: it waits for this, or is about to close fd (neither). Starts nothing. */
void fd_watch_want(struct fd_watch *w, void *owner, int fd, bool readable, bool writable);

/* Once the library has returned: polls what is wanted and not polled yet. */
void fd_watch_start(struct fd_watch *w);

/* Gives descriptors whose poll failed another chance, with the next fd_watch_start. */
void fd_watch_retry(struct fd_watch *w);

/* Ends all polls; closed is called when the last one is back, maybe at once. Nothing else is called any more. */
void fd_watch_close(struct fd_watch *w, fd_watch_fn *closed);
