/* content.h - what a message becomes on its way to one server
 *
 *	source's windows -------------------------------------------------------------> session	nothing is to be done
 *	source's windows -> unstuff -> mime -> added -> wrap -> dot -> our own ones ---> session	something is
 *		       ^                \-> headers and body lines are shown to net/mail/rewrite.h
 *	a queue file -> records -> line ends						as this for every server
 *
 * Which of the two is decided for each transaction, when it is known what its server can take: what goes untouched to
 * one server may be changed for the next one. Content that is changed always goes with DATA, for nobody knows its size
 * beforehand; for the same reason no SIZE is announced then.
 *
 * The session pulls: content_fill makes ready what it can from the windows that the source has made ready, and gives
 * those back once the last octet of them has been used. Of a queue file, they are its octets (struct body_records); the
 * text of its records goes on from where it lies in them. A pointer that leads into a window that is there is followed
 * there, and the source is asked for any other place.
 *
 * Each transfer that is changed has one window of CONTENT_WINDOW octets from beginning to end, whatever the message's
 * size, and so always goes on; a second one, filled while the first is sent, as long as nobody waits for his first.
 * Then as many transfers as there are windows go on side by side, each at the pace of its own server. More of them
 * could only take turns if each kept what its stages know of it, which is as much as a window.
 *
 * bounds   the number of windows is fixed at start, and who finds none free waits in line: first come, first served
 * memory   windows from the core's arena (core/io.h), the rest from a pool; transfers are put back once the kernel has
 *          done with all they gave
 * errors   body.err: the content cannot be had, or cannot become what this server takes
 * thread   one core each
 */
#pragma once

#include "core/pool.h"
#include "core/reactor.h"
#include "net/lookup/table_net.h"
#include "net/mail/body.h"
#include "net/mail/generic.h"
#include "net/mail/message.h"
#include "net/mail/mime.h"
#include "net/params.h"
#include "net/wire/smtp_ehlo.h"

#define CONTENT_WINDOW	KIB(32)
#define CONTENT_WINDOWS	2u

/* What has to happen to a message before this server gets it; 0: nothing, nobody looks at its octets. */
enum content_need {
	CONTENT_WRAP	= BIT(0),	/* lines may be longer than smtp_line_length_limit */
	CONTENT_CONVERT	= BIT(1),	/* 8-bit content for a server without 8BITMIME (B 16.1) */
	CONTENT_REWRITE	= BIT(2),	/* somebody wants to see headers or body lines (B 12, B 13) */
	CONTENT_ADD	= BIT(3),	/* headers are put on top of it (B 14) */
	CONTENT_RECORDS	= BIT(4),	/* it comes in the records of a queue file */
};

uint32_t content_needs(const struct message *msg, const struct smtp_caps *caps, const struct params *params);

/* Is the message's size what MAIL announces all the same (B 10.2)? For a queue file, also when lines are broken: its
 * size is the queue manager's, and near the truth (postfix-delivery-agent 4.2). */
bool content_size_holds(uint32_t needs);

struct content;

/* Somebody who wants a transfer, or has one. */
struct content_waiter {
	struct list node;
	/* It is your turn: content_take once more. Or: a table has answered, content_fill goes on. */
	void (*fn)(struct content_waiter *waiter);
	/* private */
	bool is_served;
};

/* All transfers of a core. */
struct content_pool {
	/* private */
	struct pool transfers;
	struct pool windows;		/* as many: the memory of one for each, */
	struct pool structures;		/* and what it takes to see headers and parts */
	const struct params *params;
	const struct generic_conf *generic;
	struct list waiters;
	struct task serve;
};

/* Start only. size: octets of windows, at least one. 0 or -ENOMEM; content_pool_done in both cases. What
 * generic points at stays, its addresses may change. Registers the metrics. */
int content_pool_init(struct content_pool *pool, size_t size, const struct params *params,
		      const struct generic_conf *generic);
void content_pool_done(struct content_pool *pool);

/* Octets of io_arena_take that content_pool_init asks for; without them it takes other memory. */
size_t content_arena_size(size_t size);

/* NULL: none is free; the waiter stands in line then, if it does not already. */
struct content *content_take(struct content_pool *pool, struct content_waiter *waiter);

/* What goes to whom. */
struct content_transfer {
	const struct message *msg;
	const struct rcpt *rcpt;	/* the only one; NULL: there are several */
	struct body *source;
	struct table_net *tables;	/* of this core, or NULL */
};

/* A transfer as these needs say. What is named in *transfer stays until content_put. */
void content_begin(struct content *c, uint32_t needs, const struct content_transfer *transfer);

/* Not in line any more. Harmless when it never was. */
void content_wait_cancel(struct content_pool *pool, struct content_waiter *waiter);

/* What the session sends: its windows, to be released as any source's. on_ready is never called: who pulls knows. */
struct body *content_body(struct content *c);

/* Makes windows ready, as far as the source's allow. */
void content_fill(struct content *c);

/* Behind ERR_CONTENT: why, for every recipient. */
struct mime_failure content_failure(const struct content *c);

/* Has any line been broken? */
bool content_was_wrapped(const struct content *c);

/* NULL is accepted. What of the source's windows is not used up stays theirs. */
void content_put(struct content **c);
