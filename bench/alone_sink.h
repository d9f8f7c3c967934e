/* alone_sink.h - an SMTP server that swallows mail as fast as one core can
 *
 * It answers every line as a friendly server would, looks at nothing in a message but its end, and answers everything
 * one read brought with one write. It runs in a process of its own.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Listens on a free port of 127.0.0.1 and forks; the child is pinned to cpu and ends with its parent. Returns its
 * process id. */
pid_t alone_sink_start(unsigned cpu, uint16_t *ret_port);
