/* idna.h - domain names beyond ASCII to A-labels, for DNS alone (IDNA 2008 by the rules of UTS 46; B 3.1, 20)
 *
 *	bücher.example -> xn--bcher-kva.example
 *
 * The only door to libidn2. Everything but DNS sees names as they were given.
 *
 * memory   the library has no hook for an allocator: it takes some hundred octets with malloc for the duration of the
 *          call, on a turn, and only for names beyond ASCII. When there are none the name is not found now: -ENOMEM
 * errors   -EINVAL: not such a name, or the result is no host name
 * never    gives back a number: full-width digits that turn into an IPv4 address are no name (row NET-02)
 */
#pragma once

#include "core/str.h"
#include "core/version.h"

/* transitional: enable_idna2003_compatibility. Adds the name to out; 0, -EINVAL, or -ENOMEM. */
int idna_to_ascii(struct slice name, bool transitional, struct str *out);

struct library idna_library(void);
