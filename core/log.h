/* log.h - one line per event, in the format Postfix's tools already read
 *
 *	Nov 22 23:16:48 host ringpost/smtp[4711]: 4bXkQz1Jx: to=<a@example.com>, relay=..., status=sent (250 ok)
 *
 * A line goes into the calling thread's own ring; one writer thread (core/log_writer.c, part of the seam) takes
 * from all rings and writes. A slow or full sink never blocks a turn: when a ring is full the line is dropped and
 * counted, and the writer says how many as soon as it can (row LOG-03).
 *
 * bounds   LOG_LINE_MAX octets a line, cut and marked with "..."; LOG_RING octets waiting per thread
 * safety   every octet that is not printable UTF-8 becomes '?': one event, one line (row LOG-01)
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

#define LOG_LINE_MAX KIB(8)	/* stamp, tag and new line included (row LOG-02) */
#define LOG_RING MIB(1)		/* 50 ms of 100,000 lines/s at 200 octets; the writer looks every 20 ms */
#define LOG_FIELD_MAX KIB(1)	/* for text a peer chose, put with str_add_printable */

enum log_level {
	LOG_LEVEL_PANIC,	/* we stop at once */
	LOG_LEVEL_FATAL,	/* we stop */
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_COUNT
};

/* Where lines go. */
enum log_sink {
	LOG_SINK_STDERR,	/* before log_start, and with maillog_file = /dev/stderr */
	LOG_SINK_STDOUT,
	LOG_SINK_FILE,
	LOG_SINK_SYSLOG
};

struct log_conf {
	enum log_sink sink;
	const char *path;		/* of the file; of the syslog socket, NULL: /dev/log */
	const char *tag;		/* "ringpost": syslog_name */
	const char *facility;		/* "mail": syslog_facility, checked beforehand with log_facility_is_known */
	const char *hostname;		/* as in the line; the part before the first dot */
	bool debug;			/* let LOG_LEVEL_DEBUG lines through */
};

/* Start only. Before it, lines go to stderr at once. 0 or why the sink cannot be opened. */
int log_start(const struct log_conf *conf);

/* Writes out what is waiting (at most timeout_ms), then stops the writer. */
void log_stop(unsigned timeout_ms);

/* Close and open the file again (after rotation). From any thread; done by the writer. */
void log_reopen(void);

/* The calling thread becomes a source with a ring of its own; a thread without one writes nothing but to stderr before
 * log_start and after log_stop, and its lines count as lost. Start only. 0 or -ENOMEM. */
int log_thread_open(void);
void log_thread_close(void);

/* One line: program is the word after the tag ("smtp", "smtpd", "qmgr", "ringpostd"). Cuts, sanitises; the writer
 * adds stamp and tag. Costs no system call while the writer is awake. After a PANIC or FATAL line, log_stop gets it
 * written. */
void log_put(enum log_level level, const char *program, struct slice text);
void log_line(enum log_level level, const char *program, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* For whoever must know that a line cannot vanish any more with the process: what the calling thread has put so far,
 * and whether the sink has taken all of that. Asking wakes the writer. With a sink that takes nothing the answer
 * stays no. */
uint64_t log_position(void);
bool log_is_written(uint64_t position);

/* Lines lost since start because a ring was full or the sink refused them. */
uint64_t log_dropped(void);

bool log_facility_is_known(const char *name);
