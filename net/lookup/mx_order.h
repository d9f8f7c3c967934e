/* mx_order.h - in which order addresses are tried (B 3.3 step 5, 3.7)
 *
 * never    drops an address but for balancing families; asks anybody but random.h
 */
#pragma once

#include "net/lookup/mx.h"

/* Shuffle (when conf says so), then stable sort by preference and preferred family. */
void mx_order_for_delivery(const struct mx_conf *conf, struct mx_address *addresses, unsigned count);

/* Keeps both families within conf->address_limit. Returns the new count. */
unsigned mx_order_balance(const struct mx_conf *conf, struct mx_address *addresses, unsigned count);

/* Sets last_of_preference. */
void mx_order_mark_last(struct mx_address *addresses, unsigned count);
