/* srv_order.h - in which order servers from SRV records are tried (RFC 2782; B 3.8)
 *
 *	_service._tcp.domain  SRV  priority weight port host
 *
 * Lower priorities come first. Among equals the next one is drawn again and again, each with a probability in
 * proportion to its weight.
 *
 * bounds   SRV_LABEL_MAX octets of a service's name
 * never    asks anybody but random.h
 */
#pragma once

#include "net/lookup/mx.h"

#define SRV_LABEL_MAX 62u	/* a label holds 63, and one is the underscore */

void srv_order(struct mx_host *hosts, unsigned count);

/* Is service one of the words of list (use_srv_lookup), in any case? */
bool srv_is_wanted(struct slice list, struct slice service);

/* Writes "_service._tcp.domain". False when that is too long for a name. */
bool srv_question(struct str *out, struct slice service, struct slice domain);
