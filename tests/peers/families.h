/* families.h - hostile servers by family (hostile-world 4e), each with what it may and may not achieve
 *
 *	outcome		one letter for each recipient, at its first answer; ? is any but s,
 *			* any but b
 *			s sent, b bounced, d deferred, a deferred and perhaps delivered (RFC 1047)
 *
 * With a second, honest host behind the hostile one, d and a become s there, and nothing else changes.
 */
#pragma once

#include "tests/peers/peer.h"

#define FAMILY_TRICKS_MAX 4u
#define FAMILY_SECRET "canary-7e5a"	/* in the conf of rows about AUTH; never in a log */

enum family_flag {
	FAMILY_NO_REUSE		= BIT(0),	/* the connection must not carry another transaction */
	FAMILY_REUSE		= BIT(1),	/* it may, and does */
	FAMILY_LMTP		= BIT(2),
	FAMILY_BDAT		= BIT(3),	/* CHUNKING is offered, and used */
	FAMILY_NO_PIPELINING	= BIT(4),
	FAMILY_NO_EHLO		= BIT(5),
	FAMILY_UNRULY		= BIT(6),	/* the server has lost track: what it says of the client is void */
	FAMILY_NO_SECOND	= BIT(7),	/* what happens with a second host is another story */
	FAMILY_LOOP_CHECK	= BIT(8),
	FAMILY_AUTH		= BIT(9),	/* AUTH is offered, and the client has credentials for it */
	FAMILY_NO_SECRET	= BIT(10),	/* which the hostile server does not hear */
	FAMILY_NO_HANDSHAKE	= BIT(11),	/* in TLS it does not come so far: 4.7.5 */
};

struct family_row {
	const char *name;			/* a claim */
	const char *outcome;
	const char *dsn;			/* of the first that is not sent; NULL: whatever */
	struct peer_trick tricks[FAMILY_TRICKS_MAX];
	uint32_t flags;
	uint32_t limit_s;			/* all first answers come within this; 0: 2 */
	uint64_t taken_max;			/* octets the engine may take from the server; 0: 64 KiB */
	size_t content;				/* octets; 0: a few */
	enum sim_answer answer;
	unsigned refused;			/* so many connections are refused first */
	struct sim_link link;
	const char *conf;
	const char *name_of_server;
};

struct family {
	char letter;
	const char *words;
	const struct family_row *rows;
	const unsigned *count;
};

extern const struct family families[];
extern const unsigned family_count;
