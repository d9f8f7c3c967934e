/* helper.h - a thread beside a core's own, for what would take too long in a turn
 *
 *	helper_submit -> work, on the helper's thread -> done, back on the core
 *
 * One job after the other, in order. They go there and come back through a pair of sockets: the core waits for its
 * helper as for any peer, with no lock and nothing shared but the job, which belongs to one of both at a time.
 *
 * bounds   one thread for each; as many jobs wait as there are structs to submit
 * memory   the job is the caller's, and stays until done
 * thread   the core that opened it; work runs elsewhere, and may touch nothing but what came with the job
 */
#pragma once

#include <stdatomic.h>

#include "core/io.h"

struct helper_job {
	void (*work)(struct helper_job *job);
	void (*done)(struct helper_job *job);
	/* private */
	atomic_uint handed_over;	/* the kernel keeps the order of things; this says so in C's terms */
	struct list node;
};

struct helper {
	unsigned count;			/* of jobs that are not done */
	/* private */
	int file;
	bool closing;
	struct list waiting;
	struct helper_job *sent;	/* being given to the thread */
	struct op send_op, recv_op;
	struct io_buf_waiter buf_wait;
	void (*closed)(struct helper *h);
};

/* Start only, on the core: 0, or why there is no such thread. */
int helper_open(struct helper *h);

void helper_submit(struct helper *h, struct helper_job *job);

/* No job may be under way; the thread ends. closed is called when nothing of the helper is in the kernel any more,
 * never from inside this call. */
void helper_close(struct helper *h, void (*closed)(struct helper *h));
