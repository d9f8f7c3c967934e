/* job.h - one message's recipients for one destination, and each attempt to deliver them
 *
 *	home core (source)                           destination's core
 *	  job_offer ------------------------------>  queue
 *	  claim: "attempt begins" made durable  <--  attempt for a session
 *	         first window of the content    -->  MAIL RCPT DATA body dot
 *	  settle: outcomes made durable, logged <--  outcomes of all tried recipients
 *	                                        -->  next attempt, at once or later, or: job is over
 *
 * A job belongs to exactly one core at a time; notes carry it. While it is at its destination, that core alone writes
 * to the recipients' outcome fields; during a settle, the home core writes their states.
 */
#pragma once

#include "core/heap.h"
#include "core/xcall.h"
#include "net/mail/body.h"
#include "net/mail/message.h"

#define JOB_MAGIC	UINT32_C(0x6a6f6231)
#define ATTEMPT_MAGIC	UINT32_C(0x61747431)

#define JOB_NEXTHOP_MAX	320u
#define ATTEMPT_TEXT	KIB(8)		/* for the reasons of one attempt's recipients; equal ones are stored once */

struct destination;
struct session;

struct job {
	uint32_t magic;
	struct message *msg;
	struct slice nexthop; /* what routing chose, as written in main.cf or the lower-case domain; in the envelope's
					 * memory or a parameter's. Delivery may choose another one, so that its length
					 * says nothing about memory */
	unsigned core;			/* the destination's */
	uint32_t first;			/* recipients [first, first + count) of the message */
	uint32_t count;
	uint32_t open;			/* of those, still RCPT_OPEN; changed by the source when it settles */
	uint32_t attempts;		/* finished with a deferral so far: the exponent of the backoff */
	uint64_t due_ns;		/* queue clock; 0: at once */
	bool ambiguous;			/* recovered with an attempt begun and not settled: may be delivered twice */
	struct note note;		/* carries it to its destination, and back when it is over */
	/* the destination's core */
	struct list node;
	struct heap_node due;
	struct destination *destination;
	uint32_t next;			/* no recipient before it is untried in this round: 100,000 are looked at once,
					 * not once for each portion */
	uint64_t tried[2];		/* addresses of the destination's list tried in this round, one bit each */
	uint32_t route_generation;	/* what the numbers in tried mean */
	uint32_t asked;			/* addresses of this round, through all changes of the list */
	uint32_t sessions;		/* of this round and element that failed it softly (smtp_mx_session_limit) */
	uint8_t element;		/* of the route's list: whose sessions they are */
	bool completed;			/* some session of this round ran to its normal end (B 4) */
	uint8_t plain_at;		/* an address and 1, at which TLS has failed and is not tried again */
	bool wrap_told;			/* of the request under way: that a long line was broken (case 484) */
	bool never_ahead;		/* an answer to content sent ahead was not to be believed: not again */
	uint64_t ready_ns;		/* monotonic: when it entered the ready queue */
	uint64_t begun_ns;		/* monotonic: when the request under way went to its first host; 0: none is */
};

/* When things happened, queue clock (core/reactor.h), for delays=a/b/c/d (B 22.2). */
struct attempt_times {
	uint64_t active_ns;		/* into the ready queue */
	uint64_t handoff_ns;		/* to a session, or to a connection attempt */
	uint64_t mail_ns;		/* just before MAIL */
	uint64_t done_ns;		/* the deciding reply */
};

struct attempt {
	uint32_t magic;
	struct job *job;
	unsigned core;			/* the destination's: where it is taken and put */
	uint32_t first;			/* recipients of this transaction: a part of the job's range */
	uint32_t count;
	struct note note;		/* claim, fetch, settle: one errand at a time */
	struct body body;
	bool claimed;			/* its beginning is durable, and has to be settled */
	bool closing;			/* no more content is wanted */
	int claim_err;

	/* Filled for settle. */
	struct attempt_times times;
	uint32_t relay_len;
	char tls[48];			/* how it was protected, as the log says it (B 22.3); empty: not known */
	uint32_t tls_len;
	uint32_t conn_use;		/* how many transactions this connection has had, this one included */
	uint64_t retry_at_ns;		/* queue clock; 0: no OUTCOME_DEFERRED in this settle */
	uint32_t job_attempts;		/* what job->attempts becomes with this settle */

	uint32_t text_len;
	uint32_t text_last;		/* where the latest reason begins */

	void *session_part;		/* the transaction, on the destination's core */
	void *source_part;		/* pins and reads, on the home core */
	/* private to the source: errands between the two cores */
	struct attempt_errand {		/* belongs to whoever has the note */
		uint8_t kind;
		uint8_t windows;	/* there: empty, to be filled; back: filled */
		uint32_t closed;	/* recipients that are open no more */
		int err;
	} errand;
	bool errand_out;		/* the rest is the destination core's: the note is away, */
	bool settle_wanted;		/* and this is what it has to go for next */
	bool last_seen;			/* the window that ends the message has arrived */
	bool waits_release;		/* nothing more is to be had before a window is given back */

	/* What is long, behind what is used: begins as nothing, and is not zeroed. */
	char relay[320];		/* "host[address]:port", or "none" */
	char text[ATTEMPT_TEXT];	/* reasons */
};
