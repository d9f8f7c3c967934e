/* conn.h - one outgoing connection: connect, receive, a chain of pieces to send, an orderly end
 *
 *	conn_open -> on_open -> { conn_add, conn_flush -> on_sent }  { on_data }  on_lost -> conn_close -> on_closed
 *
 * Between socket and dialogue there is a place for a byte transform (TLS): what on_data gives and conn_add takes is the
 * dialogue's side of it, so that nobody above has to know.
 *
 * Large pieces may leave without being copied (zero_copy.h): then on_sent comes when the kernel has let go of them,
 * which is when the peer has acknowledged them. Without a peer that reads, that may take for ever: a connection that is
 * closed while the kernel holds octets of it is reset.
 *
 * bounds   CONN_PIECES pieces in the chain, CONN_OUT octets of commands; one receive and one send in the kernel (row
 *          URG-14), and CONN_ZERO_COPIES sends whose octets it still holds
 * memory   pieces are borrowed until on_sent or on_closed; commands live in storage that the owner lends (conn_lend)
 * errors   on_lost with ERR_EOF or a negative errno, once; afterwards only conn_close is allowed
 */
#pragma once

#include "core/io.h"
#include "core/reactor.h"
#include "core/str.h"
#include "net/smtp/zero_copy.h"

#define CONN_MAGIC	UINT32_C(0x636f6e31)
#define CONN_PIECES	16u
#define CONN_ZERO_COPIES 3u	/* a window each, and one that was sent in two parts */
#define CONN_OUT	KIB(4)	/* a group of commands: MAIL, a dozen RCPTs and DATA fit; what does not fit waits */

struct conn;

/* What stands between socket and dialogue. It has memory of its own, and no descriptor, clock or callback. */
struct conn_transform {
	/* Pieces may be wrapped. Until then (a handshake) they wait, and only what it says itself goes out. */
	bool is_ready;
	/* Octets from the peer: takes what it can use off the front of *in. 1: *ret_plain is for the dialogue, good
	 * until the next call; 0: all of *in is taken and more is needed; else why the connection is of no more use. */
	int (*unwrap)(struct conn_transform *t, struct slice *in, struct slice *ret_plain);
	/* Dialogue octets for the peer: *ret_taken of those in the pieces become *ret_wire, which stays put until the
	 * next call. Asked also without pieces, for it may have something to say itself; empty *ret_wire: it has not.
	 * 0, or why the connection is of no more use. */
	int (*wrap)(struct conn_transform *t, const struct iovec *pieces, unsigned count, struct slice *ret_wire,
		    size_t *ret_taken);
};

struct conn_events {
	void (*on_open)(struct conn *c, int err);	/* err < 0: close it */
	void (*on_data)(struct conn *c, struct slice data);
	void (*on_read)(struct conn *c);		/* with a transform: on_data has been given all that is there */
	void (*on_sent)(struct conn *c, uint8_t tag);	/* a piece with a tag has left completely */
	void (*on_progress)(struct conn *c);		/* some octets have left */
	void (*on_drained)(struct conn *c);		/* nothing waits to be sent */
	void (*on_lost)(struct conn *c, int err);
	void (*on_closed)(struct conn *c);		/* nothing is in the kernel any more */
};

struct conn_piece {
	const char *ptr;
	size_t len;
	uint8_t tag;
	bool is_command;	/* in c->out */
};

/* A send that is not copied. */
struct conn_zero_copy {
	struct op op;
	struct conn *conn;
	size_t size;
	uint8_t tags;		/* of pieces that have left with it, or since */
	bool answered;		/* the result is here, and the next send may follow */
	bool is_sent;		/* some of its octets are on their way */
	bool let_go;
	bool told;		/* the kernel has said whether it copied them */
	bool copied;
};

enum conn_state { CONN_CLOSED, CONN_CONNECTING, CONN_OPEN, CONN_LOST, CONN_CLOSING };

struct conn {
	uint32_t magic;
	enum conn_state state;
	const struct conn_events *events;
	struct addr remote;
	struct addr local;
	uint64_t octets_sent;	/* of the dialogue */
	/* private */
	struct conn_transform *transform;	/* NULL: none */
	struct slice wire;		/* wrapped, and not yet sent */
	size_t wire_plain;		/* octets of the chain that are in it */
	bool wire_cut;			/* some of it has been sent */
	int wrap_err;
	bool unwrapping;		/* there may be more behind what on_data is given */
	int file;
	struct op recv_op;
	struct op send_op;	/* also the connect */
	struct zero_copy *zero_copy;
	struct zero_copy_peer *peer;	/* NULL: everything is copied */
	struct conn_zero_copy copies[CONN_ZERO_COPIES];	/* oldest first */
	unsigned copy_first;
	unsigned copy_count;
	bool resetting;
	bool send_broken;		/* nothing can be sent any more, and the receive is about to say why */
	struct io_buf_waiter buf_wait;
	struct conn_piece pieces[CONN_PIECES];
	unsigned piece_first;
	unsigned piece_count;
	size_t out_used;
	char *out;		/* CONN_OUT octets, lent; NULL: nothing is to be said now */
};

/* local: the source address, or NULL. zero_copy: this core's, or NULL. */
void conn_open(struct conn *c, const struct conn_events *events, const struct addr *remote, const struct addr *local,
	       struct zero_copy *zero_copy);

/* Storage for commands: CONN_OUT octets; NULL takes it back, when nothing waits to be sent. */
void conn_lend(struct conn *c, char *out);

/* From here on everything goes through t (NULL is allowed: nothing does). The connection is open, and nothing waits to
 * be sent; t stays the caller's. */
void conn_transform_begin(struct conn *c, struct conn_transform *t);

/* Room for a command of up to size octets: an empty str over it, or one that is full when there is none. After writing,
 * conn_command_add takes it into the chain. */
struct str conn_command(struct conn *c, size_t size);
void conn_command_add(struct conn *c, const struct str *command);

/* Borrowed octets into the chain; tag != 0 asks for on_sent. The caller checks conn_room first. */
void conn_add(struct conn *c, const void *ptr, size_t len, uint8_t tag);

/* In on_data: may more have come already? Then on_read follows. */
static inline bool conn_may_have_more(const struct conn *c)
{
	return c->unwrapping;
}

static inline unsigned conn_room(const struct conn *c)
{
	return CONN_PIECES - c->piece_count;
}

/* Does the kernel hold octets that have left, as it may after the peer's answer to them? */
static inline bool conn_is_held(const struct conn *c)
{
	return c->copy_count > 0;
}

static inline bool conn_is_drained(const struct conn *c)
{
	return c->piece_count == 0;
}

/* Nothing waits to be sent, and nothing is being sent. */
static inline bool conn_is_quiet(const struct conn *c)
{
	return conn_is_drained(c) && !c->send_op.in_kernel;
}

/* Sends what is in the chain, as one operation as far as it goes. */
void conn_flush(struct conn *c);

/* Ends everything; on_closed follows, never from inside this call. Allowed once, in any state but CONN_CLOSED. */
void conn_close(struct conn *c);
