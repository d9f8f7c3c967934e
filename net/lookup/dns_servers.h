/* dns_servers.h - the list in dns_servers: "127.0.0.1, [::1]:5353"
 *
 * errors   ERR_SYNTAX: not an address, with or without port; -EINVAL: none at all; -E2BIG: more than max
 */
#pragma once

#include "core/addr.h"

#define DNS_SERVERS_MAX	8u
#define DNS_PORT	53

/* Returns the count. */
int dns_servers_parse(struct slice list, struct addr *ret_servers, unsigned max);
