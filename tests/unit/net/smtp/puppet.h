/* puppet.h - an SMTP server on strings: it says what its script says, and breaks what it is told to break
 *
 *	script: what the client has to send, octet by octet, and what is answered
 *	rules:  a server that serves everybody, with other answers to some commands
 *
 * Plain non-blocking sockets, moved by whoever waits (puppet_pull), so that nothing of what is being tested is needed
 * to test it, and every cut and delay is ours to choose.
 *
 * bounds   PUPPET_CONNS connections at a time
 * errors   what the client should not have sent ends the test
 */
#pragma once

#include "core/addr.h"
#include "core/slice.h"

#define PUPPET_CONNS 64u

enum puppet_then {
	PUPPET_GO_ON,
	PUPPET_CLOSE, /* both ways: what the client sends from now on is answered with a reset */
	PUPPET_RESET,
	PUPPET_HALF_CLOSE, /* our side only; goes on reading */
	PUPPET_STOP_READING,
};

extern const char puppet_message[]; /* as expect: everything up to and including the final dot */

struct puppet_step {
	const char *expect;    /* NULL: do not wait for anything */
	const char *answer;    /* NULL: none */
	enum puppet_then then; /* when the answer has left */
};

/* For servers without a script: the first rule whose prefix the line has decides. */
struct puppet_rule {
	const char *prefix; /* "" for the greeting, "." for the final dot */
	const char *answer; /* NULL: none */
	enum puppet_then then;
	unsigned times; /* how often; 0: always */
};

struct puppet_conn {
	int fd; /* -1: this place is free */
	bool has_ended;
	bool is_deaf;
	bool in_message;
	bool then_due;
	enum puppet_then then;
	unsigned step;
	unsigned messages;
	unsigned rcpts; /* of the transaction under way */
	char *got;      /* everything the client has sent */
	size_t got_len, got_cap, used;
	char *out;
	size_t out_len, out_cap, out_sent;
	uint64_t hold_until_ns;
	uint64_t read_since_ns;
	uint64_t read_count;
};

struct puppet {
	struct addr addr;
	/* set by the test before anybody connects */
	const struct puppet_step *script;
	struct puppet_rule *rules; /* ends with an answer and a prefix of NULL; used up ones are counted down */
	const char *caps;          /* of a server with rules: "PIPELINING\n8BITMIME"; NULL: PIPELINING */
	size_t chunk;              /* answers leave in pieces of so many octets; 0: whole */
	uint64_t chunk_wait_ns;    /* between those pieces */
	uint64_t dot_wait_ns;      /* before the final dot is answered */
	size_t cut_after;          /* this many octets of answers, then cut_then */
	enum puppet_then cut_then;
	uint64_t read_rate; /* octets a second; 0: as fast as they come */
	uint8_t mask;       /* over every octet in both directions */
	int recv_buf;       /* of the kernel, set before puppet_open; 0: the system's choice */
	/* what happened */
	unsigned accepted; /* connections so far */
	unsigned open, open_max;
	unsigned messages;
	unsigned rcpts_max; /* in one transaction */
	unsigned quits;
	size_t said; /* octets of answers, all connections */
	/* private */
	bool is_open;
	int listener;
	struct puppet_conn conns[PUPPET_CONNS];
};

/* p is all zeroes, but for what the test has set. Listens on ip, at a port of the system's choice
 * when port is 0. Returns false when it may not. */
bool puppet_open(struct puppet *p, const char *ip, uint16_t port);
/* The same on "unix:/path", which whoever chose it removes. */
bool puppet_open_unix(struct puppet *p, const char *endpoint);
/* All zeroes again; harmless when it is not open. */
void puppet_close(struct puppet *p);

/* Does what can be done now. True when something was. */
bool puppet_pull(struct puppet *p);

/* Says something out of turn. */
void puppet_interrupt(struct puppet *p, unsigned conn, const char *answer, enum puppet_then then);

/* What came in over the how-manieth connection; good until puppet_close while fewer than PUPPET_CONNS were made. */
struct slice puppet_got(const struct puppet *p, unsigned conn);

/* Has the script been played to its end, and nothing come afterwards? */
bool puppet_is_through(const struct puppet *p, unsigned conn);
