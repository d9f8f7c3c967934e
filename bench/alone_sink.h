/* alone_sink.h - an SMTP server that swallows mail as fast as one core can
 *
 * It answers every line as a friendly server would, looks at nothing in a message but its end, and answers everything
 * one read brought with one write. It runs in a process of its own.
 */
#pragma once

#include <sys/types.h>

#include "core/base.h"

struct alone_sink_conf {
	bool tls;			/* STARTTLS is offered; sessions may be resumed */
	int counter;			/* a descriptor: "mesg=N" for each message; negative: nobody counts */
};

/* Serves whoever comes to listener, for ever. */
void alone_sink_serve(int listener, const struct alone_sink_conf *conf);

/* Listens on a free port of 127.0.0.1 and forks; the child is pinned to cpu and ends with its parent. Returns its
 * process id. */
pid_t alone_sink_start(unsigned cpu, const struct alone_sink_conf *conf, uint16_t *ret_port);
