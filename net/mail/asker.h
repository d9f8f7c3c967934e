/* asker.h - lookup tables as those see them who know no reactor
 *
 * A local table answers at once. One of another process does not: whoever asks hears ASKER_WAIT, returns to where he
 * was called from, and asks the same again when he is called once more. So a step that asks is written as if the answer
 * were always there, as long as it can be taken twice.
 *
 *	r = asker_find(asker, maps, key, 0, &x->value);
 *	if (r == ASKER_WAIT)
 *		return r;
 */
#pragma once

#include "core/err.h"
#include "core/maps.h"

#define ASKER_WAIT 2

struct asker {
	/* As maps_find, or ASKER_WAIT. Until the answer is there, key and ret_value stay where they are, and nothing
	 * else is asked. Whoever owns the asker calls again whoever waits. */
	int (*find)(struct asker *a, const struct maps *maps, struct slice key, unsigned flags, struct str *ret_value);
};

/* asker may be NULL: then tables of other processes are in error. */
static inline int asker_find(struct asker *asker, const struct maps *maps, struct slice key, unsigned flags,
			     struct str *ret_value)
{
	if (!maps_need_io(maps))
		return maps_find(maps, key, flags, ret_value);
	return asker != NULL ? asker->find(asker, maps, key, flags, ret_value) : ERR_TABLE;
}
