/* xtext.h - octets as parameters of MAIL and RCPT (RFC 3461 4, RFC 6533 3)
 *
 *	xtext              octets not in 33..126, '+' and '=' as "+" and two upper-case hex digits
 *	utf-8-addr-xtext   characters not in 33..126, '\', '+' and '=' as "\x{" code in hex "}"
 *
 * memory   the caller's
 * errors   -EINVAL: malformed; a full str says so itself
 * never    refuses an octet that decodes properly, CR, LF and NUL included: see xtext_is_safe
 */
#pragma once

#include "core/str.h"

void xtext_encode(struct str *out, struct slice raw);

/* Adds all or nothing. Lower-case hex, which RFC 3461 does not have, is refused. Returns 0 or
 * -EINVAL. */
int xtext_decode(struct str *out, struct slice text);

/* Well formed, and none of the octets it stands for is CR, LF or NUL (row INJ-05). */
bool xtext_is_safe(struct slice text);

/* Returns 0, or -EINVAL when raw is not UTF-8 (nothing is added). */
int xtext_encode_utf8(struct str *out, struct slice raw);

/* Adds all or nothing. Characters beyond ASCII may also stand for themselves (utf-8-addr-unitext); whether they may do
 * that here, SMTPUTF8 says. Returns 0 or -EINVAL. */
int xtext_decode_utf8(struct str *out, struct slice text);

/* Well formed, and no character is CR, LF, NUL, or a C1 control: U+0085 is a line end to some. */
bool xtext_utf8_is_safe(struct slice text);
