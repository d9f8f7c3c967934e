/* credit.h - how many sessions may go to destinations that have not shown that they work (row TIM-05)
 *
 * Ten thousand servers that let us wait would otherwise hold every session there is, as long as their time-outs.
 * Half of all sessions is the most that destinations get which failed the last time, three quarters is it together with
 * those that nothing is known of; so a quarter is always left for those that work. A session that has carried something
 * to its end counts no longer.
 *
 * bounds   with fewer than four sessions nothing is kept back, but for those that failed
 */
#pragma once

#include "core/base.h"

enum credit {
	CREDIT_NEW,		/* nothing is known yet */
	CREDIT_DOUBTED,		/* it failed the last time */
	CREDIT_GOOD,
};
#define CREDIT_LIMITED CREDIT_GOOD	/* so many of them are counted */

struct credits {
	size_t max[CREDIT_LIMITED];	/* of CREDIT_NEW: both together */
	size_t used[CREDIT_LIMITED];
};

void credits_init(struct credits *c, size_t sessions_max);

/* Sessions that could be begun with this credit now. Not for CREDIT_GOOD, which nobody counts. */
size_t credits_free(const struct credits *c, enum credit credit);

/* For one session more; false: not now. */
bool credits_take(struct credits *c, enum credit credit);
void credits_put(struct credits *c, enum credit credit);
