/* log_writer.h - the thread that writes log lines (part of the seam: the simulator links its own); for log.c alone
 *
 * It looks into all rings every LOG_NAP_MS, merges what it finds by time, and writes all of it at once. After a
 * second without a line it sleeps until woken, so that an idle process stays idle. What the sink does not take
 * waits in the rings.
 *
 * never    makes a producer wait; ends the process (SIGPIPE and SIGXFSZ are blocked in its thread)
 */
#pragma once

#include "core/log_ring.h"

#define LOG_NAP_MS	20	/* between two looks while lines come */
#define LOG_IDLE_MS	1000	/* without a line until it sleeps deeply */
#define LOG_RETRY_MS	1000	/* after an error of the sink */

enum log_writer_state {
	LOG_WRITER_AWAKE,	/* will look into the rings before it sleeps */
	LOG_WRITER_NAPS,	/* wake it when a ring is half full */
	LOG_WRITER_SLEEPS,	/* wake it for any line */
	LOG_WRITER_STUCK,	/* the sink takes nothing: waking it helps nobody */
};

extern _Atomic int log_writer_state;

/* 0 or why the sink cannot be opened. */
int log_writer_start(const struct log_conf *conf);
void log_writer_stop(unsigned timeout_ms);

/* Called when state was seen; of several callers one makes the system call. */
void log_writer_wake(int state);
void log_writer_reopen(void);

/* Lines that were taken out of the rings and did not reach the sink. */
uint64_t log_writer_dropped(void);

/* One line straight to stderr, for the time without a writer. */
void log_writer_put_stderr(const char *tag, enum log_level level, struct slice program, struct slice text);

/* The number of a facility, or -1. */
int log_facility_number(const char *name);
