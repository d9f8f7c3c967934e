/* deny.h - addresses to which a name on the Internet must not lead us (rows NET-01, NET-02)
 *
 * An MX record is written by whoever owns the domain. Without this, "10 localhost" makes us talk SMTP to our own
 * injector, or to the metadata service of a cloud.
 *
 * The networks are the operator's: smtp_deny_networks, which has the defaults and, when asked for, the private
 * ranges.
 *
 * never    applies to what an operator wrote down: that is for the caller to know
 */
#pragma once

#include "core/addr.h"

/* Is the address, or the IPv4 address inside it, in one of the networks? To be asked again about what is given to
 * connect. */
bool deny_has(const struct addr_net *nets, unsigned count, const struct addr *addr);

/* The IPv4 address that a packet to this IPv6 address ends up at: IPv4-mapped and -compatible (RFC 4291 2.5.5), NAT64
 * (RFC 6052 2.1), 6to4 (RFC 3056 2). False when there is none. The port is kept. */
bool deny_inner_ip4(const struct addr *addr, struct addr *ret_addr);
