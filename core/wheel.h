/* wheel.h - hierarchical timing wheel: one per core instead of a kernel timer per operation
 *
 * arm, re-arm and cancel are O(1); a timer fires at most one tick (WHEEL_TICK_NS) late and never early.
 *
 *	level 0: 256 ticks of 1 ms     level 1: 256 slots of 268 ms     level 2: 69 s     level 3: 4.9 h, up to 52 days
 *
 * memory   the timer lives in its owner
 * bounds   due times beyond the current 52 days wait in a list of their own, sorted into the slots when that time
 *          begins
 */
#pragma once

#include "core/limits.h"
#include "core/list.h"

#define WHEEL_LEVELS 4
#define WHEEL_SLOTS 256

struct wheel_timer;
typedef void wheel_fn(struct wheel_timer *timer);

struct wheel_timer {
	struct list node;
	uint64_t due_ns;
	wheel_fn *fn;
};

struct wheel {
	uint64_t now_tick;
	size_t armed;
	/* private */
	uint64_t occupied[WHEEL_LEVELS][WHEEL_SLOTS / 64];	/* which slots hold something */
	struct list slots[WHEEL_LEVELS][WHEEL_SLOTS];
	struct list late;	/* already due when armed: for the next advance */
	struct list far;	/* due after all four levels have turned over */
};

void wheel_init(struct wheel *w, uint64_t now_ns);
void wheel_timer_init(struct wheel_timer *t, wheel_fn *fn);

static inline bool wheel_timer_is_armed(const struct wheel_timer *t)
{
	return !list_is_empty(&t->node);
}

/* Arms or re-arms. A due time in the past fires at the next wheel_advance, not here. */
void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t due_ns);

/* Harmless when not armed. */
void wheel_cancel(struct wheel *w, struct wheel_timer *t);

/* Fires everything due at now_ns, in order of ticks; a callback may arm and cancel any timer, its own included. What a
 * callback arms for a time already past waits for the next advance, so that no callback can keep us here. Returns
 * how many fired. */
size_t wheel_advance(struct wheel *w, uint64_t now_ns);

/* When to call wheel_advance next: never later than the first due timer plus one tick; UINT64_MAX when nothing is
 * armed. May be earlier than the first timer (a slot of a higher level has to be sorted again). */
uint64_t wheel_next_ns(const struct wheel *w);
