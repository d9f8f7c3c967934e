/* addr.h - socket addresses: IPv4, IPv6 and unix paths, as text and as the kernel wants them
 *
 * errors   -EINVAL for text that is not an address of the asked kind
 * never    asks DNS or the system's resolver: numbers only (row NET-02: only dotted decimal, no octal, no hex)
 */
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "core/slice.h"
#include "core/str.h"

#define ADDR_TEXT_MAX 128	/* "[ipv6%zone]:port" or a unix path, with room to spare */

struct addr {
	socklen_t len;
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
	};
};

/* "192.0.2.1" or "2001:db8::1", no brackets, the whole slice. port in host order. */
int addr_parse_ip(struct slice text, uint16_t port, struct addr *ret_addr);

/* "192.0.2.1:25", "[2001:db8::1]:25", "unix:/path". The port is required for IP. */
int addr_parse_endpoint(struct slice text, struct addr *ret_addr);

/* From raw network-order octets as DNS gives them: 4 for A, 16 for AAAA. */
struct addr addr_from_ip4(const uint8_t ip[4], uint16_t port);
struct addr addr_from_ip6(const uint8_t ip[16], uint16_t port);

uint16_t addr_port(const struct addr *a);		/* host order; 0 for unix */
void addr_set_port(struct addr *a, uint16_t port);

/* "192.0.2.1", "2001:db8::1" or the unix path, no port. */
void addr_add_ip(struct str *out, const struct addr *a);

bool addr_eq(const struct addr *a, const struct addr *b);	/* family, address and port */
bool addr_eq_ip(const struct addr *a, const struct addr *b);	/* family and address */
bool addr_is_loopback(const struct addr *a);			/* 127/8, ::1, the same mapped into IPv6, unix */
bool addr_is_unspecified(const struct addr *a);

/* A network "192.0.2.0/24", "[2001:db8::]/32", or a single address: is a inside? */
struct addr_net {
	struct addr base;
	unsigned bits;
};
/* Brackets around IPv6 are accepted with or without; host bits that are set are an error (-ERANGE), as in Postfix. */
int addr_net_parse(struct slice text, struct addr_net *ret_net);
/* An IPv4 address mapped into IPv6 is no member of an IPv4 network: listeners for IPv6 take IPv6 only. */
bool addr_net_contains(const struct addr_net *net, const struct addr *a);
