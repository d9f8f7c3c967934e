/* peer_impl.h - one connection of a peer, for the files that peer.c is split into
 *
 *	peer.c		the connection, and commands		peer_say.c	replies, and the tricks instead of them
 *	peer_content.c	bodies and chunks, the commit point	peer_auth.c	AUTH
 */
#pragma once

#include "tests/peers/peer.h"
#include "tests/peers/tls_server.h"

enum mode { MODE_COMMAND, MODE_BODY, MODE_CHUNK };

/* What is to be said, and to be done afterwards. */
struct saying {
	struct slice text;
	size_t at;		/* PEER_TRICKLE: octets said */
	enum peer_deed deed;
	uint64_t ns;
	struct slice later;
};

struct talk {
	struct peer *peer;
	struct sim_conn *conn;
	struct tls_server *tls;		/* NULL: in clear */
	unsigned number;
	enum mode mode;
	bool hello;			/* they have introduced themselves */
	bool mail;
	bool busy;			/* something is being said: what comes in waits */
	bool mute;
	bool closed;
	bool body_tricked;
	bool liberal;			/* a trick has offered we do not know what */
	bool deaf;			/* what comes is lost */
	unsigned responses;		/* that AUTH waits for, before it is over */
	bool in_auth;			/* the next line is one of them */
	unsigned times[PEER_STAGE_COUNT];
	struct smtp_command_line_reader reader;
	struct saying saying;
	char reply[4096];		/* of saying.text */
	/* the transaction */
	char *sender;
	char **rcpts;
	unsigned rcpt_count;
	unsigned rcpts_refused;
	bool chunked;
	bool chunk_refused;		/* the chunk is swallowed, not kept */
	bool chunk_last;
	uint64_t chunk_left;
	uint64_t body_octets;		/* as they came */
	unsigned dots;			/* end of data: how much of CR LF . CR LF has been seen */
	char *content;
	size_t content_len;
	size_t content_cap;
	/* what has come and not been looked at */
	char *input;
	size_t input_len;
	size_t input_cap;
};

/* --- peer.c ----------------------------------------------------------------------------------- */

void *peer_must(void *p);
char *peer_keep(struct slice s);
void talk_append(char **buffer, size_t *len, size_t *cap, struct slice data);
void talk_drop_input(struct talk *t, size_t n);
void talk_violation(struct talk *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void talk_forget_mail(struct talk *t);
void talk_end(struct talk *t, bool reset);
/* Octets for the client, as they are or in TLS. */
void talk_send(struct talk *t, struct slice octets);

/* --- peer_auth.c ------------------------------------------------------------------------------ */

/* An AUTH command, or a response to a challenge. False: the line is neither. */
bool talk_auth_line(struct talk *t, struct slice line);

/* --- peer_say.c ------------------------------------------------------------------------------- */

const struct peer_trick *talk_trick(const struct talk *t, enum peer_stage stage);

/* Says the reply, or what a trick makes of it. Returns the class of what the client hears; '?' when it hears none. */
char talk_answer(struct talk *t, enum peer_stage stage, const char *reply);

/* Says t->saying. */
void talk_begin_saying(struct talk *t);

/* The time it asked for has come. */
void talk_on_time(struct talk *t);

/* --- peer_content.c --------------------------------------------------------------------------- */

void talk_read_body(struct talk *t);
void talk_read_chunk(struct talk *t);
