/* utf8.h - is this text, and which character comes first (RFC 3629)
 *
 * Strict: the shortest form only, no surrogates, nothing above U+10FFFF.
 *
 * never    normalises, folds case or judges scripts
 */
#pragma once

#include "core/str.h"

/* Length in octets of the character at the front, with *ret_code set; 0 when there is none or it is
 * malformed. */
size_t utf8_decode(struct slice s, uint32_t *ret_code);

/* May a character have this code: not a surrogate, not above U+10FFFF? */
bool utf8_is_scalar(uint32_t code);

/* Adds one character in its shortest form; false when no character has this code. */
bool utf8_add(struct str *out, uint32_t code);

bool utf8_is_valid(struct slice s);
bool utf8_is_ascii(struct slice s);
