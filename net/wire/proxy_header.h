/* proxy_header.h - what a load balancer says of the client whose connection it passes on (PROXY protocol, 1 and 2)
 *
 *	version 1	"PROXY" SP ( "TCP4" | "TCP6" ) SP client SP us SP port SP port CRLF, or "PROXY UNKNOWN" ... CRLF
 *	version 2	signature of 12 octets, version and command, family, length of what follows, addresses, extras:
 *			each a type, a length of two octets, a value
 *
 * Of the extras only the checksum (CRC-32C) is looked at; all have to end where the header ends.
 *
 * Feed octets in any cut. What is behind the header stays in *in: it is the client's.
 *
 * bounds   PROXY_HEADER_MAX octets; of version 1 PROXY_LINE_MAX
 * memory   the caller's str, empty at first, with room for PROXY_HEADER_MAX
 * errors   ERR_PROTO: no such header; nothing behind it is to be believed, not even that it is the client's
 * never    asks whether whoever says this may say it: that is for who listens
 */
#pragma once

#include "core/addr.h"

#define PROXY_HEADER_MAX	KIB(2)
#define PROXY_LINE_MAX		107u	/* of the specification, with CRLF */

enum proxy_speaker {
	PROXY_ITSELF,		/* nobody is behind it: a health check */
	PROXY_CLIENT,
	PROXY_UNKNOWN,		/* a client, of whom it cannot say who it is */
};

struct proxy_header {
	enum proxy_speaker speaker;
	struct addr client;	/* PROXY_CLIENT; an IPv4 address mapped into IPv6 is told as IPv4 */
};

/* Returns 1 with *ret_header set, 0 if it needs more octets, or ERR_PROTO. */
int proxy_header_feed(struct str *kept, struct slice *in, struct proxy_header *ret_header);
