/* nexthop.h - where routing wants a message to go: a list of destinations in Postfix's syntax (B 2)
 *
 *	nexthop = dest *( 1*( "," / WSP ) dest )
 *	dest    = "[" host "]" [ ":" [ service ] ]		no MX lookup
 *	        / host [ ":" [ service ] ]			split at the last colon
 *	host    = domain name / address; inside brackets also "ipv6:" address
 *	service = 1..65535 / name; empty: the default port
 *
 * For LMTP (B 25) there are no mail exchangers and no loops, and two more forms:
 *
 *	dest    = "unix:" path					a socket on this machine
 *	        / "inet:" dest					the same as dest alone
 *
 * memory   a destination borrows from the nexthop text; the tables borrow nothing
 * bounds   NEXTHOP_HOST_MAX octets a host, SERVICES_MAX named ports
 * errors   ERR_SYNTAX with a phrase for the log; the caller makes it soft 4.3.5 (cases 29, 33-35), and soft 4.3.0
 *          when there is no destination at all (case 40)
 * never    asks anybody: service names come from tables that were filled at start
 */
#pragma once

#include "core/addr.h"
#include "core/slice.h"
#include "core/str.h"

#define NEXTHOP_HOST_MAX	255u
#define SERVICES_MAX		1024u
#define SERVICE_NAME_MAX	31u

/* Named TCP ports. The first entry of a name counts: known_tcp_ports goes in before the system's list. */
struct services {
	unsigned count;
	struct service {
		char name[SERVICE_NAME_MAX + 1];
		uint16_t port;
	} entries[SERVICES_MAX];
};

/* 0; ERR_SYNTAX for a name that is empty or too long; -ENOSPC when SERVICES_MAX are there. */
int services_add(struct services *s, struct slice name, uint16_t port);

/* The text of services(5). Lines that are not for TCP or do not parse are skipped: the file is the system's, not ours
 * to judge. Returns how many names were added; what does not fit is left out. */
unsigned services_add_file(struct services *s, struct slice text);

/* A number, or a name in the table, in any case. 0, or ERR_SYNTAX. */
int services_port(const struct services *s, struct slice text, uint16_t *ret_port);

/* The first name that has this port; empty when there is none. */
struct slice services_name(const struct services *s, uint16_t port);

struct destination_name {
	struct slice text;	/* as written, brackets and port included */
	struct slice host;	/* without brackets and "ipv6:"; the path of a unix socket */
	struct slice service;	/* as written, or the default's name; may be empty */
	uint16_t port;
	bool bracketed;		/* no MX lookup */
	bool is_literal;	/* host is a number: addr is set, the port included */
	bool is_unix;		/* addr is set; only for LMTP */
	bool is_lmtp;		/* no MX lookup either */
	bool wants_loop_check;	/* only on port 25 (case 37), never for LMTP */
	bool wants_tls_hint;	/* port 465: log a hint unless wrapper mode is on (case 38) */
	struct addr addr;
};

struct nexthop_conf {
	const struct services *services;
	uint16_t default_port;		/* smtp_tcp_port, or for LMTP lmtp_tcp_port */
	struct slice default_service;	/* its name, for use_srv_lookup; may be empty */
	bool lmtp;
	bool utf8;			/* smtputf8_enable: names may be UTF-8 (case 39) */
};

/* Takes the next destination from the front of *rest. Returns 1; 0 at the end of the list; ERR_SYNTAX with *ret_why a
 * constant phrase and ret_dest->text what was wrong, and *rest behind it. */
int nexthop_next(const struct nexthop_conf *conf, struct slice *rest, struct destination_name *ret_dest,
		 const char **ret_why);
