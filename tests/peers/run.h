/* run.h - one row of a family, played once: two mails, and everything that has to be true afterwards
 *
 *	mail 1 --> first answers: what the row says, within its time
 *	mail 2, half a second later: on the same connection, or not, as the row says
 *	--> both are finished: whoever was not bounced is committed, twice only where an answer was ambiguous
 *
 * What is not true is printed.
 */
#pragma once

#include "tests/peers/families.h"

/* What is around a row. */
struct run_way {
	uint32_t segment;	/* octets that arrive together; 0: as they come */
	bool second;		/* an honest host stands behind the hostile one */
	bool tls;		/* both speak TLS, from the first octet on */
	bool verbose;
};

bool run_row(const struct family_row *row, const struct run_way *way);

/* fn(context) in a child with an alarm: whatever happens there happens to it alone. False: it said so, or died. */
bool run_alone(bool fn(const void *context, bool verbose), const void *context, bool verbose);
