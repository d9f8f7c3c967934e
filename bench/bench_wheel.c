/* bench_wheel.c - what a deadline costs
 *
 * A session re-arms its deadline with every command group, so re-arming is the figure that counts;
 * firing is for the deferred and the broken. The argument is how many other timers are armed.
 */
#include "bench/gbench.h"
#include "core/wheel.h"

#define TIMERS_MAX 100000

static struct wheel wheel;
static struct wheel_timer timers[TIMERS_MAX];
static uint64_t fired;

static void on_timer(struct wheel_timer *t)
{
	(void)t;
	fired++;
}

/* A cheap generator of our own: the same every time, and costs next to nothing. */
static uint64_t scatter(uint64_t n)
{
	n *= UINT64_C(0x9e3779b97f4a7c15);
	return n ^ (n >> 29);
}

/* count timers due anywhere within span_ns from now. */
static void arm_crowd(int64_t count, uint64_t now_ns, uint64_t span_ns)
{
	wheel_init(&wheel, now_ns);
	for (int64_t i = 0; i < count; i++) {
		wheel_timer_init(&timers[i], on_timer);
		wheel_arm(&wheel, &timers[i], now_ns + scatter((uint64_t)i) % span_ns);
	}
}

static void bench_arm_cancel(struct gbench *b, int64_t count)
{
	struct wheel_timer t;

	arm_crowd(count, NS_PER_SEC, 300 * NS_PER_SEC);
	wheel_timer_init(&t, on_timer);
	while (gbench_next(b)) {
		wheel_arm(&wheel, &t, 301 * NS_PER_SEC);
		wheel_cancel(&wheel, &t);
	}
	gbench_set_items(b, 1);
}

/* The deadlines of count sessions, each moved in turn, the way a busy core does it. */
static void bench_rearm(struct gbench *b, int64_t count)
{
	uint64_t due_ns = 301 * NS_PER_SEC;
	int64_t i = 0;

	arm_crowd(count, NS_PER_SEC, 300 * NS_PER_SEC);
	while (gbench_next(b)) {
		wheel_arm(&wheel, &timers[i], due_ns);
		due_ns += 1000;		/* a microsecond a round: 300 s hold 300 million rounds */
		if (++i == count)
			i = 0;
	}
	gbench_set_items(b, 1);
}

/* Arms count timers over one second, then lives through that second tick by tick: per item, arming
 * and firing. Two ticks more than a second, because a timer may fire one late and a second is not a
 * whole number of ticks. */
static void bench_fire(struct gbench *b, int64_t count)
{
	uint64_t now_ns = NS_PER_SEC;

	fired = 0;
	wheel_init(&wheel, now_ns);
	for (int64_t i = 0; i < count; i++)
		wheel_timer_init(&timers[i], on_timer);
	while (gbench_next(b)) {
		for (int64_t i = 0; i < count; i++)
			wheel_arm(&wheel, &timers[i],
				  now_ns + scatter((uint64_t)i) % NS_PER_SEC);

		uint64_t end_ns = now_ns + NS_PER_SEC + 2 * WHEEL_TICK_NS;
		for (; now_ns < end_ns; now_ns += WHEEL_TICK_NS)
			wheel_advance(&wheel, now_ns);
	}
	gbench_set_items(b, count);
	if (fired != (uint64_t)(b->rounds * count))
		gbench_fail(b, "not every timer fired");
}

/* A turn with nothing due: the price every turn pays. */
static void bench_advance_idle(struct gbench *b, int64_t count)
{
	uint64_t now_ns = NS_PER_SEC;

	arm_crowd(0, now_ns, NS_PER_SEC);
	for (int64_t i = 0; i < count; i++) {
		wheel_timer_init(&timers[i], on_timer);
		wheel_arm(&wheel, &timers[i],
			  now_ns + 3600 * NS_PER_SEC + scatter((uint64_t)i) % NS_PER_SEC);
	}
	while (gbench_next(b)) {
		wheel_advance(&wheel, now_ns);
		gbench_keep(&wheel);
	}
}

static void bench_next(struct gbench *b, int64_t count)
{
	uint64_t next_ns = 0;

	arm_crowd(count, NS_PER_SEC, 300 * NS_PER_SEC);
	while (gbench_next(b)) {
		next_ns += wheel_next_ns(&wheel);
		gbench_keep(&next_ns);
	}
}

int main(int argc, char **argv)
{
	gbench_register("wheel/arm_cancel", bench_arm_cancel, 0);
	gbench_register("wheel/arm_cancel", bench_arm_cancel, 10000);
	gbench_register("wheel/rearm", bench_rearm, 50);
	gbench_register("wheel/rearm", bench_rearm, 10000);
	gbench_register("wheel/rearm", bench_rearm, TIMERS_MAX);
	gbench_register("wheel/arm_and_fire", bench_fire, 1000);
	gbench_register("wheel/arm_and_fire", bench_fire, TIMERS_MAX);
	gbench_register("wheel/advance_idle", bench_advance_idle, 10000);
	gbench_register("wheel/next", bench_next, 10000);
	return gbench_main(argc, argv);
}
