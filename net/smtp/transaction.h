/* transaction.h - MAIL to final dot: some recipients of one message, one result for each
 *
 * Whoever starts a transaction fills in the first part; the session runs it and hands every fact that decides about a
 * recipient to the judge, which writes the recipient's outcome. The session itself never decides what a reply means for
 * the mail, only what it means for the dialogue.
 *
 * memory   the owner's; everything named here stays put until the session says done
 */
#pragma once

#include "net/mail/body.h"
#include "net/mail/message.h"
#include "net/mail/mime.h"
#include "net/mail/unstuff.h"
#include "net/smtp/session_states.h"
#include "net/wire/smtp_reply.h"

struct content;
struct session;
struct transaction;

/* What happened to a recipient: either a reply, or an error (then reply is NULL). */
struct verdict {
	enum session_state step;
	const struct smtp_reply *reply;
	int err; /* ERR_EOF, ERR_TIMEOUT, ERR_PROTO or negative errno; -EALREADY: an answer, in TLS, before MAIL was
				 * sent (row TLS-15); -EMSGSIZE: over the server's SIZE; -EBADMSG: the
				 * address cannot be sent; -EILSEQ: it needs SMTPUTF8; -EUSERS: it may have one
				 * recipient only; ERR_TABLE: a table gave no answer; -EIO, -ETIME and ERR_CORRUPT: the
				 * content cannot be had, not in time, not undamaged */
	struct mime_failure failure;	/* of ERR_CONTENT: what this server takes cannot be made of the content */
	bool is_ours;		/* the error is about the message and our own tables: no other host would do better */
	bool waited_for_us;	/* the connection was lost while the peer owed us nothing: our content did not come */
	bool maybe_delivered;	/* the final dot was under way */
	bool deliverable;	/* it is a probe, and this reply is all it wanted to know (B 17.6) */
	bool until_final;	/* hard only when no other host is left (SMTPUTF8 and REQUIRETLS not offered, B 4.1) */
};

typedef void transaction_judge_fn(struct transaction *t, struct rcpt *rcpt, const struct verdict *verdict);

enum transaction_state {
	TRANSACTION_COMMANDS,	/* MAIL and RCPTs are being written */
	TRANSACTION_DATA,	/* DATA is written, or a probe's RSET; its reply is the synchronisation point */
	TRANSACTION_RESET,	/* DATA was refused; the reply to RSET shows whether those before it were in place */
	TRANSACTION_BODY,	/* the body is being handed to the connection */
	TRANSACTION_DOT,	/* all of it is; the reply decides */
	TRANSACTION_HELD,	/* every recipient has his outcome, but the kernel holds octets of the body */
	TRANSACTION_DONE,
};

/* How far the content has been handed over in chunks. */
struct content_place {
	struct unstuff unstuff;
	unsigned piece;			/* of the window: the next to begin with */
	struct slice rest;		/* of the one before it */
};

struct transaction {
	const struct message *msg;
	struct rcpt *rcpts;		/* those that are not RCPT_OPEN are passed over */
	uint32_t rcpt_count;
	struct body *body;
	transaction_judge_fn *judge;
	uint64_t until_ns;		/* monotonic: until then it is done, or lost; 0: no limit */
	bool wants_requiretls;		/* REQUIRETLS goes with it where that is offered */
	bool never_ahead;		/* no content before the replies to its recipients are in */
	/* results, besides the recipients' outcomes */
	uint64_t mail_ns;		/* queue clock, just before MAIL; 0: it was never written */
	uint64_t done_ns;		/* queue clock, the deciding reply or failure */
	uint32_t use;			/* the how-manieth transaction of its connection */
	/* What failed softly is the way it was sent (BDAT, or ahead): another connection to this host does better. */
	bool retry_here;
	bool stale;			/* the probe in front of it failed (session_probe): as if never begun */
	bool wrapped;			/* some line was longer than smtp_line_length_limit */
	/* private: the session's */
	enum transaction_state state;
	uint32_t needs;			/* what this server's copy of the content has to go through (content.h) */
	struct content *content;	/* and where it does so, from the reply to DATA on */
	uint32_t xforward_due;		/* attributes that go before MAIL */
	bool mail_written;
	bool mail_failed;
	int unsent_err;			/* why it cannot begin, once that is known */
	bool lone_dot;			/* 354 although no recipient was accepted: end it without a body */
	bool dot_waits;			/* QUIRK_DELAY_DOTCRLF: the body shall arrive without its end */
	bool verdicts_final;		/* its synchronisation point has passed */
	uint64_t began_ns;		/* monotonic: for smtp_transaction_time_limit */
	uint32_t rcpt_next;		/* the next to write */
	uint32_t accepted;
	uint32_t dot_next;		/* LMTP: below it, everybody has had his reply to the dot */
	bool is_chunked;		/* BDAT instead of DATA */
	bool is_ahead;			/* its content does not wait for the replies to its recipients */
	uint64_t chunk_left;		/* octets that the last BDAT still wants */
	uint64_t content_left;		/* octets that no BDAT has announced yet */
	struct content_place at;
	uint8_t window;			/* of the body: the next to hand over */
	bool window_queued[2];		/* handed over, not yet sent: it stays ready, for it is in use */
};
