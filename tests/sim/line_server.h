/* line_server.h - a small obedient server for tests of the simulator itself: one reply for each line
 *
 * Rules replace replies: the first whose prefix fits. A reply of NULL: it hangs up instead.
 */
#pragma once

#include "tests/sim/net.h"

struct line_rule {
	const char *prefix;		/* of a command; "." is the final dot, "" is the greeting */
	const char *reply;
};

struct line_server {
	const char *keywords;		/* lines of the answer to EHLO, "250-PIPELINING\r\n"; NULL: none */
	const struct line_rule *rules;	/* until a prefix is NULL; NULL: none */
	unsigned messages;		/* whose final dot was answered with 2xx */
	size_t octets;			/* of content, as on the wire */
};

extern const struct sim_program line_server_program;

/* server stays with the caller. */
struct sim_host *line_server_add(const char *address, uint16_t port, struct line_server *server);
