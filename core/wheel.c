#include "core/wheel.h"

/* Time is counted in ticks. The level of a timer is the highest of the four lowest bytes in which its due tick differs
 * from now; its slot there is that byte of the due tick:
 *
 *	now       00 12 34 56
 *	due       00 12 34 60	-> level 0, slot 60: fires when now gets there
 *	due       00 12 50 07	-> level 1, slot 50: sorted again, into level 0, when now is 00 12 50 00
 *	due    01 00 00 00 02	-> far
 *
 * It follows that within a level every timer lies in a slot ahead of now's own, and that whatever is in a lower
 * level is due before all of a higher one. So the first occupied slot of the lowest occupied level is always the
 * next to look at.
 */

#define SLOT_BITS 8
#define TICKS_ALL_LEVELS (UINT64_C(1) << (SLOT_BITS * WHEEL_LEVELS))

static_assert(1 << SLOT_BITS == WHEEL_SLOTS, "a slot number is one byte of the tick");

static unsigned slot_of(uint64_t tick, unsigned level)
{
	return (unsigned)(tick >> (SLOT_BITS * level)) & (WHEEL_SLOTS - 1);
}

/* Rounded up: a timer must not fire early. */
static uint64_t tick_due(uint64_t due_ns)
{
	return due_ns / WHEEL_TICK_NS + (due_ns % WHEEL_TICK_NS != 0);
}

void wheel_init(struct wheel *w, uint64_t now_ns)
{
	memset(w, 0, sizeof(*w));
	w->now_tick = now_ns / WHEEL_TICK_NS;
	for (unsigned level = 0; level < WHEEL_LEVELS; level++)
		for (unsigned slot = 0; slot < WHEEL_SLOTS; slot++)
			list_init(&w->slots[level][slot]);
	list_init(&w->late);
	list_init(&w->far);
}

void wheel_timer_init(struct wheel_timer *t, wheel_fn *fn)
{
	list_init(&t->node);
	t->due_ns = 0;
	t->fn = fn;
}

static void put_in_slot(struct wheel *w, struct wheel_timer *t, uint64_t tick)
{
	uint64_t differs = tick ^ w->now_tick;

	if (differs >= TICKS_ALL_LEVELS) {
		list_push_back(&w->far, &t->node);
		return;
	}
	unsigned level = differs == 0 ? 0 : (63u - (unsigned)__builtin_clzll(differs)) / SLOT_BITS;
	unsigned slot = slot_of(tick, level);

	list_push_back(&w->slots[level][slot], &t->node);
	w->occupied[level][slot / 64] |= UINT64_C(1) << (slot % 64);
}

void wheel_arm(struct wheel *w, struct wheel_timer *t, uint64_t due_ns)
{
	uint64_t tick = tick_due(due_ns);

	ASSERT(t->fn != NULL);
	wheel_cancel(w, t);
	t->due_ns = due_ns;
	if (tick <= w->now_tick)
		list_push_back(&w->late, &t->node);
	else
		put_in_slot(w, t, tick);
	w->armed++;
}

/* Clears the occupied bit when head is a slot of ours (it may as well be late, far, or the list that is being
 * fired). */
static void mark_empty(struct wheel *w, const struct list *head)
{
	const struct list *first = &w->slots[0][0];

	if (head < first || head >= first + WHEEL_LEVELS * WHEEL_SLOTS)
		return;
	size_t n = (size_t)(head - first);
	size_t slot = n % WHEEL_SLOTS;

	w->occupied[n / WHEEL_SLOTS][slot / 64] &= ~(UINT64_C(1) << (slot % 64));
}

void wheel_cancel(struct wheel *w, struct wheel_timer *t)
{
	struct list *head = t->node.next;

	if (!wheel_timer_is_armed(t))
		return;
	ASSERT(w->armed > 0);
	w->armed--;
	if (head == t->node.prev)		/* the only one: its neighbour on both sides is the head */
		mark_empty(w, head);
	list_remove(&t->node);
}

/* The first occupied slot after from in the level, or WHEEL_SLOTS. */
static unsigned next_occupied(const struct wheel *w, unsigned level, unsigned from)
{
	for (unsigned word = from / 64; word < WHEEL_SLOTS / 64; word++) {
		uint64_t bits = w->occupied[level][word];

		if (word == from / 64)
			bits &= from % 64 == 63 ? 0 : ~UINT64_C(0) << (from % 64 + 1);
		if (bits != 0)
			return word * 64 + (unsigned)__builtin_ctzll(bits);
	}
	return WHEEL_SLOTS;
}

/* The tick at which something has to be done next; UINT64_MAX when nothing is armed but, perhaps, late ones. */
static uint64_t next_tick(const struct wheel *w, unsigned *ret_level)
{
	for (unsigned level = 0; level < WHEEL_LEVELS; level++) {
		unsigned slot = next_occupied(w, level, slot_of(w->now_tick, level));
		unsigned shift = SLOT_BITS * level;

		if (slot < WHEEL_SLOTS) {
			*ret_level = level;
			return (w->now_tick >> (shift + SLOT_BITS) << (shift + SLOT_BITS)) | (uint64_t)slot << shift;
		}
	}
	if (list_is_empty(&w->far))
		return UINT64_MAX;
	*ret_level = WHEEL_LEVELS;
	return (w->now_tick | (TICKS_ALL_LEVELS - 1)) + 1;
}

/* Now has reached the beginning of a higher level's slot: its timers find their places anew. */
static void sort_again(struct wheel *w, struct list *head)
{
	struct list moving;
	struct list *node;

	list_init(&moving);
	list_splice_back(&moving, head);
	mark_empty(w, head);
	while ((node = list_pop_front(&moving)) != NULL) {
		struct wheel_timer *t = list_entry(node, struct wheel_timer, node);

		put_in_slot(w, t, tick_due(t->due_ns));
	}
}

static size_t fire(struct wheel *w, struct list *head)
{
	struct list firing;
	struct list *node;
	size_t fired = 0;

	list_init(&firing);
	list_splice_back(&firing, head);
	mark_empty(w, head);
	while ((node = list_pop_front(&firing)) != NULL) {
		struct wheel_timer *t = list_entry(node, struct wheel_timer, node);

		w->armed--;
		fired++;
		t->fn(t);
	}
	return fired;
}

size_t wheel_advance(struct wheel *w, uint64_t now_ns)
{
	uint64_t target = now_ns / WHEEL_TICK_NS;
	size_t fired = fire(w, &w->late);

	while (w->armed > 0) {
		unsigned level;
		uint64_t tick = next_tick(w, &level);

		if (tick > target)
			break;
		w->now_tick = tick;
		if (level > 0)
			sort_again(w, level < WHEEL_LEVELS ? &w->slots[level][slot_of(tick, level)] : &w->far);
		fired += fire(w, &w->slots[0][slot_of(tick, 0)]);
	}
	w->now_tick = MAX(w->now_tick, target);
	return fired;
}

uint64_t wheel_next_ns(const struct wheel *w)
{
	unsigned level;

	if (!list_is_empty(&w->late))
		return w->now_tick * WHEEL_TICK_NS;
	uint64_t tick = next_tick(w, &level);

	return tick < UINT64_MAX / WHEEL_TICK_NS ? tick * WHEEL_TICK_NS : UINT64_MAX;
}
