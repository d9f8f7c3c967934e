/* received.h - the trace field of RFC 5321 4.4: written once on top of a message, counted to notice loops
 *
 *	Received: from client.test (unknown [192.0.2.1])
 *		by mx.test (ringpost) with ESMTP id 1C2F0A93B4D5E;
 *		Sun, 22 Nov 2026 23:46:47 +0000
 *
 * Always these three lines, so that whoever compares a message before and after us knows what to take off the top.
 *
 * bounds   RECEIVED_MAX octets
 * memory   the caller's str, all or nothing as its adds are
 * never    lets an octet through that could end a line or a comment (row INJ-06): those of the client's name become '?'
 */
#pragma once

#include "core/addr.h"

#define RECEIVED_MAX		1024u
#define RECEIVED_NAME_MAX	255u	/* of either name */

struct received {
	struct slice helo;		/* as the client called itself */
	const struct addr *peer;
	struct slice hostname;		/* ours */
	bool esmtp;
	bool in_tls;			/* of an ESMTP session: "with ESMTPS" (RFC 3848) */
	bool authenticated;		/* the same: "with ESMTPA", and in TLS "ESMTPSA" */
	uint64_t id;
	uint64_t wall_ns;
};

void received_add_field(struct str *out, const struct received *r);

/* "Sun, 22 Nov 2026 23:46:47 +0000" (RFC 5322 3.3), always in UTC: a log and a header then always agree. */
void received_add_date(struct str *out, uint64_t wall_ns);

/* "2026-11-22T23:46:47Z" (RFC 3339 5.6) */
void received_add_stamp(struct str *out, uint64_t wall_ns);

/* Reads the header, from the top to the first line that is no header line, for what decides how its message travels. */
enum received_state {
	RECEIVED_LINE_START,
	RECEIVED_NAME_ENDED,		/* a field name has ended, the colon has not come */
	RECEIVED_NAME,
	RECEIVED_REST,			/* of the line: of no interest */
	RECEIVED_TLS_VALUE,		/* of TLS-Required */
	RECEIVED_OVER,			/* the header has ended */
};

struct received_counter {
	uint32_t count;			/* of Received fields */
	uint32_t facts;			/* MESSAGE_HEADER_UTF8, MESSAGE_TLS_OPTIONAL */
	/* private */
	uint8_t state;			/* enum received_state */
	uint8_t name_len;		/* of the field name so far */
	uint8_t candidates;		/* the names it may become */
	uint8_t value_len;		/* octets of "no" so far */
	bool value_matches;
	bool in_tls_field;
};

static inline bool received_counter_is_over(const struct received_counter *counter)
{
	return counter->state == RECEIVED_OVER;
}

/* text: the message from its beginning, in any cut; lines end in LF. */
void received_counter_feed(struct received_counter *counter, struct slice text);
