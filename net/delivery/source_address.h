/* source_address.h - where our connections come from (B 5)
 *
 * memory   the answer is a parameter's
 * never    asks the system
 */
#pragma once

#include "net/params.h"

/* For a connection to remote: smtp_bind_address or smtp_bind_address6, else the only address of that family in
 * inet_interfaces unless it is a loopback one; NULL: the system chooses. */
const struct addr *source_address(const struct params *p, const struct addr *remote);
