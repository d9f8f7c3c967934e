/* utf8.h - is this text, and which character comes first (RFC 3629)
 *
 * Strict: the shortest form only, no surrogates, nothing above U+10FFFF.
 *
 * never    normalises, folds case or judges scripts
 */
#pragma once

#include "core/slice.h"

/* Length in octets of the character at the front, with *ret_code set; 0 when there is none or it is
 * malformed. */
size_t utf8_decode(struct slice s, uint32_t *ret_code);

bool utf8_is_valid(struct slice s);
bool utf8_is_ascii(struct slice s);
