#include "tests/sim/machine.h"

#include <stdlib.h>

#include "core/clock.h"
#include "core/metric.h"
#include "core/random.h"
#include "tests/sim/fault.h"
#include "tests/sim/log.h"
#include "tests/sim/seam.h"
#include "tests/sim/tape.h"
#include "tests/test.h"

struct event {
	uint64_t at_ns;
	uint64_t serial;
	void (*fn)(void *context, uint64_t arg);
	void *context;
	uint64_t arg;
};

struct machine_core machine_cores[MACHINE_CORES_MAX];
unsigned machine_core_count;

static struct machine_core *self;
static uint64_t now_ns = NS_PER_SEC;
static uint64_t wall_offset_ns;
static uint64_t suspended_ns;
static uint64_t nobodys_dice;	/* of what is drawn outside of all cores, before they start */

/* A binary heap, earliest first; of equals the one that was asked for first. */
static struct event *events;
static size_t event_count, event_cap;
static uint64_t event_serial;

/* --- events ------------------------------------------------------------------------------------ */

static bool is_before(const struct event *a, const struct event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->serial < b->serial;
}

static void swap(size_t a, size_t b)
{
	const struct event e = events[a];

	events[a] = events[b];
	events[b] = e;
}

void machine_at(uint64_t at_ns, void (*fn)(void *context, uint64_t arg), void *context, uint64_t arg)
{
	size_t i = event_count++;

	if (event_count > event_cap) {
		event_cap = event_cap > 0 ? 2 * event_cap : 1024;
		events = realloc(events, event_cap * sizeof(*events));
		ASSERT(events != NULL);
	}
	events[i] = (struct event){ max_u64(at_ns, now_ns), event_serial++, fn, context, arg };
	for (; i > 0 && is_before(&events[i], &events[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static struct event pop_event(void)
{
	const struct event first = events[0];

	events[0] = events[--event_count];
	for (size_t i = 0;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < event_count; child++)
			if (is_before(&events[child], &events[least]))
				least = child;
		if (least == i)
			return first;
		swap(i, least);
		i = least;
	}
}

uint64_t machine_next_event(void)
{
	return event_count > 0 ? events[0].at_ns : UINT64_MAX;
}

/* --- clocks and chance: the seam --------------------------------------------------------------- */

uint64_t sim_now(void)
{
	return now_ns;
}

uint64_t clock_mono_ns(void)
{
	return now_ns;
}

uint64_t clock_boot_ns(void)
{
	return now_ns + suspended_ns;
}

uint64_t clock_wall_ns(void)
{
	return now_ns + wall_offset_ns;
}

void machine_suspend(uint64_t ns)
{
	suspended_ns += ns;
	wall_offset_ns += ns;
}

void machine_step_wall(int64_t by_ns)
{
	wall_offset_ns += (uint64_t)by_ns;
}

uint64_t random_u64(void)
{
	return test_random(self != NULL ? &self->dice : &nobodys_dice);
}

uint64_t random_below(uint64_t n)
{
	ASSERT(n > 0);
	return (uint64_t)((unsigned __int128)random_u64() * n >> 64);
}

void random_fill(void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)random_u64();
}

/* --- cores ------------------------------------------------------------------------------------- */

struct machine_core *machine_self(void)
{
	return self;
}

static void switch_to(struct machine_core *c)
{
	self = c;
	reactor_switch(c != NULL && c->is_open ? &c->reactor : NULL);
	if (c != NULL)
		metric_thread_core(c->index);
}

void machine_start(unsigned cores, uint64_t wall_ns)
{
	ASSERT(cores > 0 && cores <= MACHINE_CORES_MAX);
	machine_core_count = cores;
	wall_offset_ns = wall_ns - now_ns;
	ASSERT(xcall_start(cores) == 0);
	for (unsigned i = 0; i < cores; i++)
		machine_cores[i] = (struct machine_core){ .index = i, .dice = tape_noise() };
}

void machine_end(void)
{
	for (unsigned i = 0; i < machine_core_count; i++) {
		switch_to(&machine_cores[i]);
		if (self->is_open)
			io_close_core();
		self->is_open = false;
	}
	switch_to(NULL);
	xcall_stop();
	machine_core_count = 0;
}

void machine_forget(void)
{
	ASSERT(machine_core_count == 0);
	event_count = 0;
	event_serial = 0;
	now_ns = NS_PER_SEC;
	suspended_ns = 0;
	nobodys_dice = 0;
}

/* What happens at the end of a turn: it wants to sleep, and the kernel gets what it has asked for. */
static void rest(struct machine_core *c)
{
	c->until_ns = reactor_rest(&c->reactor, UINT64_MAX);
	c->awake = c->until_ns == 0;
	seam_submit(c);
	log_drain();
}

void machine_on_core(unsigned core, void (*fn)(void *context), void *context)
{
	struct machine_core *before = self;

	switch_to(&machine_cores[core]);
	fn(context);
	if (self->is_open)
		rest(self);
	switch_to(before);
}

void machine_core_ready(unsigned core)
{
	struct machine_core *before = self;

	switch_to(&machine_cores[core]);
	rest(self);
	switch_to(before);
}

static bool wants_turn(const struct machine_core *c)
{
	return c->is_open && (c->awake || c->ready_count > 0 || c->until_ns <= now_ns);
}

static bool can_run(const struct machine_core *c)
{
	return wants_turn(c) && c->not_before_ns <= now_ns;
}

static void run_core(struct machine_core *c)
{
	if (fault_strikes(FAULT_LATE_CORE)) {
		c->not_before_ns = now_ns + tape_range(0, 50 * NS_PER_MS);
		return;
	}
	switch_to(c);
	reactor_work(&c->reactor);
	rest(c);
	switch_to(NULL);
	now_ns += MACHINE_TURN_NS;
}

static bool run_some_core(void)
{
	struct machine_core *runnable[MACHINE_CORES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < machine_core_count; i++)
		if (can_run(&machine_cores[i]))
			runnable[n++] = &machine_cores[i];
	if (n > 0)
		run_core(runnable[tape_below(n)]);
	return n > 0;
}

static bool run_due_events(void)
{
	bool any = false;

	while (event_count > 0 && events[0].at_ns <= now_ns) {
		const struct event e = pop_event();

		e.fn(e.context, e.arg);
		any = true;
	}
	return any;
}

/* When somebody wants to do something. */
static uint64_t next_turn(void)
{
	uint64_t next = machine_next_event();

	for (unsigned i = 0; i < machine_core_count; i++) {
		const struct machine_core *c = &machine_cores[i];
		const uint64_t wanted = wants_turn(c) ? now_ns : c->until_ns;

		if (!c->is_open)
			continue;
		ASSERT(wants_turn(c) || !xcall_has_arrived(i));		/* nobody sleeps over a note */
		next = min_u64(next, max_u64(wanted, c->not_before_ns));
	}
	return next;
}

bool machine_step(uint64_t limit_ns)
{
	uint64_t next;

	if (run_due_events() || (now_ns < limit_ns && run_some_core()))
		return true;
	next = next_turn();
	now_ns = max_u64(now_ns, min_u64(next, limit_ns));
	return next < limit_ns;
}
