/* listener.h - accept connections for whoever listens
 *
 * Every core has its own socket on the same address (SO_REUSEPORT): the kernel spreads the connections, and nobody
 * hands them around. Several accepts are in flight, so that a burst needs one turn and not many.
 *
 * errors   out of descriptors or memory: accepting pauses for LISTENER_PAUSE_NS, and then a single accept finds out
 *          whether it goes on: ten errors a second at most (rows OSR-02, URG-21). Reported once a minute through
 *          on_trouble. Whoever was being accepted then is hung up on by the kernel, and does not wait in vain.
 * thread   one core each
 */
#pragma once

#include "core/io.h"
#include "core/reactor.h"

#define LISTENER_ACCEPTS	16u
#define LISTENER_PAUSE_NS	(NS_PER_SEC / 10)
#define LISTENER_REPORT_NS	(60 * NS_PER_SEC)
#define LISTENER_GONE_MAX	64u	/* clients that were gone in a row: then it is no longer their doing */

struct listener;

struct listener_accept {
	struct op op;
	struct addr peer;
	struct listener *listener;
};

struct listener {
	/* The new connection and who it is; the file is the callee's to close. */
	void (*on_accept)(struct listener *l, int file, const struct addr *peer);
	/* Accepting fails at present; at most once a minute. May be NULL. */
	void (*on_trouble)(struct listener *l, int err);
	/* All accepts have ended after listener_close. May be NULL. */
	void (*on_closed)(struct listener *l);
	void *context;
	struct addr addr;
	/* private */
	int file;
	bool closing;
	unsigned in_kernel;
	unsigned failures;		/* since the last connection */
	bool troubled;			/* the next accept goes alone */
	uint64_t reported_ns;
	struct wheel_timer pause;
	struct listener_accept accepts[LISTENER_ACCEPTS];
};

/* Start only: binds, listens, begins to accept. The callbacks and context are set beforehand. */
int listener_open(struct listener *l, const struct addr *addr, int backlog);

/* Stops accepting; on_closed follows. */
void listener_close(struct listener *l);
