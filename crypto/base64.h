/* base64.h - octets as text and back (RFC 4648 4)
 *
 * Strict: padding where it belongs, no blanks, no line ends, and the bits that are left over are zero: two texts never
 * mean the same octets.
 *
 * memory   the caller's str
 * errors   -EBADMSG: not base64; -EMSGSIZE: it does not fit, and nothing has been added
 * never    looks different at secrets: no table is indexed with an octet of one
 */
#pragma once

#include "core/str.h"

/* Characters for size octets. */
static inline size_t base64_size(size_t size)
{
	return (size + 2) / 3 * 4;
}

int base64_add_encoded(struct str *out, struct slice octets);
int base64_add_decoded(struct str *out, struct slice text);
