/* server.h - the server of one session: says what the script says, hears what it expects
 *
 * A program of the simulated network (tests/sim/net.h): octets, closes and times in, octets and closes out.
 */
#pragma once

#include "tests/dialogue/play.h"
#include "tests/peers/scram_server.h"
#include "tests/peers/tls_server.h"

#define SERVER_QUIET_NS (50 * NS_PER_MS)	/* so long nothing may come before a reply that was waited for */

struct server {
	struct play *play;
	const struct script_session *session;
	unsigned number;		/* of the session, from 1 */
	struct sim_conn *conn;		/* NULL: not yet, or not any more */
	bool begun;
	bool gone;
	bool has_spoken;
	unsigned next;			/* item */
	/* private */
	bool asleep;			/* until sim_wake_in's time */
	bool awake;			/* that time has come, for the item it was meant for */
	bool finished;			/* the client sends no more */
	bool closed;			/* by us */
	uint64_t pace_ns;
	size_t send_at;
	unsigned sent_times;
	size_t message_at;		/* of C <message>: octets that agree so far */
	uint64_t chunk_left;
	size_t chunk_at;		/* in the content */
	struct scram_server scram;
	struct slice heard;		/* the latest line */
	struct tls_server *tls;		/* NULL: in clear */
	struct slice tls_as;		/* the name that the client has to ask for, until it has; empty: any */
	unsigned tls_line;
	char *input;
	size_t input_len;
	size_t input_cap;
};

extern const struct sim_program server_program;

void server_init(struct server *s, struct play *play, const struct script_session *session, unsigned number);

/* It has begun to speak, and its script is not yet at its end. */
bool server_is_busy(const struct server *s);

/* All that stands in the script has been said, and the connection is over. */
bool server_is_over(const struct server *s);
