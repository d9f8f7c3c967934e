/* runtime.h - start one reactor per core, pin them, drain them, stop them all
 *
 * Threads: rp-core0 .. rp-core<N-1>, besides the caller's own. The caller keeps the process's signals.
 */
#pragma once

#include "core/reactor.h"

struct runtime_conf {
	unsigned cores;			/* 0: runtime_usable_cores() */
	struct io_conf io;		/* core is filled in */
	/* On the core's own thread, before its first turn. A negative errno stops everything that has been started. */
	int (*start)(unsigned core, void *context);
	/* On the core's own thread, after its last turn. */
	void (*stop)(unsigned core, void *context);
	void *context;
};

/* CPUs this process may use: affinity, then the cgroup's CPU quota rounded up, at least 1, at most CORE_COUNT_MAX. */
unsigned runtime_usable_cores(void);

/* Number of reactors once started. */
unsigned runtime_cores(void);

/* Starts all; returns when every core has passed its start function. 0 or the first core's negative errno; -EAGAIN:
 * the system allows no more threads. */
int runtime_start(const struct runtime_conf *conf);

/* From a reactor or from the caller's thread: runs fn(context) on core 0 in one of its next turns. */
int runtime_call(void (*fn)(void *context), void *context);

/* From a reactor: every core leaves its loop at the end of its turn. Asked again, it does nothing: the first status
 * counts. */
void runtime_exit(int status);

/* Waits for all threads; returns the status given to runtime_exit, or a negative errno when a core died. */
int runtime_join(void);
