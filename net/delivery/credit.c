#include "net/delivery/credit.h"

#include "core/check.h"

void credits_init(struct credits *c, size_t sessions_max)
{
	c->max[CREDIT_NEW] = sessions_max - sessions_max / 4;
	c->max[CREDIT_DOUBTED] = sessions_max - sessions_max / 2;
	c->used[CREDIT_NEW] = 0;
	c->used[CREDIT_DOUBTED] = 0;
}

size_t credits_free(const struct credits *c, enum credit credit)
{
	size_t all = c->max[CREDIT_NEW] - c->used[CREDIT_NEW] - c->used[CREDIT_DOUBTED];

	ASSERT(credit < CREDIT_LIMITED);
	if (credit == CREDIT_NEW)
		return all;
	return MIN(all, c->max[CREDIT_DOUBTED] - c->used[CREDIT_DOUBTED]);
}

bool credits_take(struct credits *c, enum credit credit)
{
	if (credit == CREDIT_GOOD)
		return true;
	if (credits_free(c, credit) == 0)
		return false;
	c->used[credit]++;
	return true;
}

void credits_put(struct credits *c, enum credit credit)
{
	if (credit == CREDIT_GOOD)
		return;
	ASSERT(c->used[credit] > 0);
	c->used[credit]--;
}
