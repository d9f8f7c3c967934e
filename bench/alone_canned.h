/* alone_canned.h - the floor: a client that sends octets prepared beforehand and only counts replies
 *
 * It stands on the same seam (core/io.h) and turn (core/reactor.h) as the engine, and does everything else by not doing
 * it: no parser, no states, no outcome. What it reaches no SMTP client on this machine can pass.
 */
#pragma once

#include "bench/engine_alone.h"

/* On an open reactor: begins; alone_count grows with every message. */
void canned_start(const struct alone_conf *conf);
