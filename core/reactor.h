/* reactor.h - one core's turn
 *
 *	notes from other cores -> completions -> timers -> deferred calls -> end-of-turn hooks -> one submit-and-wait
 *
 * clocks   now: monotonic, for deadlines. wall: CLOCK_REALTIME, for what people read; it may be stepped at any time.
 *	    queue: the wall clock as it was at the start, and from there on what has really passed, suspend included
 *	    (row URG-30): for ages. A step of the wall clock neither expires a queue nor stalls it (row OSR-09)
 * thread   everything here belongs to the calling core
 */
#pragma once

#include "core/io.h"
#include "core/wheel.h"
#include "core/xcall.h"

/* A call put off until the current callback has returned; runs once, later in this turn. */
struct task {
	struct list node;
	void (*fn)(struct task *task);
};

static inline void task_init(struct task *t, void (*fn)(struct task *task))
{
	list_init(&t->node);
	t->fn = fn;
}

struct reactor {
	unsigned core;
	uint64_t now_ns;	/* monotonic, when the turn began */
	uint64_t wall_ns;	/* the same moment on the wall clock */
	uint64_t queue_ns;	/* the same moment on the queue clock */
	uint64_t turns;
	struct wheel wheel;
	void *delivery;		/* net/delivery's share of this core: its own to read and write */
	/* private */
	struct list tasks;
	struct list turn_ends;
	uint64_t queue_offset_ns;	/* minus time since boot; modulo 2^64: the wall clock may say 1970 */
};

/* The calling thread's own; NULL outside of a reactor. */
struct reactor *reactor_self(void);

/* The time at which this turn began. */
static inline uint64_t reactor_now(void)
{
	return reactor_self()->now_ns;
}

/* The same on the wall clock: for stamps, never for deadlines or ages. */
static inline uint64_t reactor_wall_now(void)
{
	return reactor_self()->wall_ns;
}

/* The same on the queue clock: arrival, age, delay and the time of a retry. Cores of one runtime agree on it. */
static inline uint64_t reactor_queue_now(void)
{
	return reactor_self()->queue_ns;
}

/* Puts a call off. Harmless when the task is already waiting. */
void reactor_post(struct task *t);
void reactor_unpost(struct task *t);

/* Runs at the end of this turn, after all callbacks and before the submit: the place for "one write for everything that
 * arrived meanwhile". Once per request; harmless when already waiting. */
void reactor_at_turn_end(struct task *t);

void timer_arm_in(struct wheel_timer *t, uint64_t delay_ns);	/* on the calling core's wheel */
void timer_arm_at(struct wheel_timer *t, uint64_t due_ns);
void timer_cancel(struct wheel_timer *t);

/* --- used by runtime and the simulator alone -------------------------------------------------- */

int reactor_open(struct reactor *r, const struct io_conf *conf);

/* Sets the queue clock: what reactor_queue_offset said, once for all cores. */
uint64_t reactor_queue_offset(void);
void reactor_set_queue_offset(struct reactor *r, uint64_t offset_ns);
void reactor_close(struct reactor *r);

/* One turn; sleeps at most until until_ns (monotonic). Returns 0, or a negative errno that ends this core. */
int reactor_turn(struct reactor *r, uint64_t until_ns);

/* The two halves of a turn, for the simulator, which is what comes between them: until when the core may sleep (0: not
 * at all), and what it does once awake. */
uint64_t reactor_rest(struct reactor *r, uint64_t until_ns);
void reactor_work(struct reactor *r);

/* The calling thread is this core from now on, or none (NULL): the simulator has several cores in one thread. */
void reactor_switch(struct reactor *r);
