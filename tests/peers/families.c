#include "tests/peers/families_impl.h"

#define FAMILY(letter_, small_, words_) \
	{ .letter = (letter_), .words = (words_), .rows = family_##small_, .count = &family_##small_##_count }

const struct family families[] = {
	FAMILY('A', a, "connection"),
	FAMILY('B', b, "greeting"),
	FAMILY('C', c, "EHLO and HELO"),
	FAMILY('E', e, "AUTH"),
	FAMILY('F', f, "MAIL and RCPT"),
	FAMILY('G', g, "DATA and the content"),
	FAMILY('H', h, "the final reply"),
	FAMILY('I', i, "RSET, QUIT and reuse"),
	FAMILY('J', j, "groups, and LMTP"),
	FAMILY('K', k, "octets"),
};
const unsigned family_count = ARRAY_LEN(families);
