/* message.h - one message and its recipients: the nouns everything else talks about
 *
 * Sender, size, facts and addresses never change once the message is accepted. What changes is each recipient's
 * state, and only its current owner writes that: the core that holds the job the recipient belongs to.
 *
 *	content	wire form: lines end in CRLF, leading dots are stuffed, the last line is ended, no final dot
 *
 * memory   message, rcpt array and envelope text belong to the source, on the message's home core
 * bounds   MESSAGE_RCPTS_MAX recipients
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"
#include "net/wire/smtp_reply.h"

#define MESSAGE_MAGIC		UINT32_C(0x6d736731)
#define MESSAGE_RCPTS_MAX	100000u
#define MESSAGE_ID_TEXT_MAX	20u

enum message_fact {
	MESSAGE_8BIT		= BIT(0),	/* octets above 127 */
	MESSAGE_BODY_8BITMIME	= BIT(1),	/* declared with BODY=8BITMIME */
	MESSAGE_LONG_LINE	= BIT(2),	/* some line is longer than 998 octets (RFC 5322 2.1.1) */
	MESSAGE_STUFFED		= BIT(3),	/* some line begins with a dot, so the wire form has one more */
};

enum rcpt_state {
	RCPT_OPEN,		/* to be delivered */
	RCPT_SENT,		/* somebody else is responsible now */
	RCPT_BOUNCED,		/* failed for good, and reported so */
};

struct rcpt {
	struct slice addr;	/* wire form, without "<>" */
	uint8_t state;		/* enum rcpt_state; changed only by the source, when the outcome is durable */
	/* The outcome of the attempt under way, written by whoever makes it. */
	uint8_t outcome;	/* enum rcpt_outcome */
	uint8_t phase;		/* enum session_state in which it was decided */
	bool ambiguous;		/* the final dot was under way: it may be delivered already (RFC 1047) */
	bool in_doubt;		/* private to the source: on disk, an attempt was begun and its end is not certain */
	struct enhanced_code dsn;
	struct slice text;	/* why, printable, in the attempt's memory */
};

enum rcpt_outcome {
	OUTCOME_NONE,		/* not tried, or not yet known: stays open */
	OUTCOME_SENT,
	OUTCOME_SOFT,		/* a next host may do better; else deferred */
	OUTCOME_HARD,		/* never tried elsewhere */
};

struct message {
	uint32_t magic;
	unsigned home;		/* the core that owns it */
	uint64_t id;		/* never used twice in the life of a spool */
	uint64_t arrival_ns;	/* queue clock */
	/* octets as transmitted with CRLF, without stuffing and final dot: what SIZE= announces */
	uint64_t size;
	uint64_t wire_size;	/* octets of the stored wire form */
	uint32_t facts;		/* enum message_fact */
	uint32_t rcpt_count;
	struct slice sender;	/* wire form, empty for "<>" */
	struct rcpt *rcpts;	/* those of one destination stand together */
};

/* "1C2F0A93B4D5E": upper-case hexadecimal, as short as it goes; the queue id in every log line. */
void message_id_text(struct str *out, uint64_t id);
