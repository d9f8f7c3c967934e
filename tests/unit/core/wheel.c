#include "tests/test.h"

#include "core/wheel.h"

/* A timer with what the model knows about it. */
struct timer {
	struct wheel_timer timer;
	bool armed;
	uint64_t due_ns;
	unsigned fired;
};

enum { TIMERS = 500 };

static struct wheel wheel;
static struct timer timers[TIMERS];
static uint64_t now_ns;
static uint64_t seed;
static size_t rearmed_past;	/* by callbacks during this advance */

static uint64_t some_delay(void)
{
	/* From less than a tick to three months, all magnitudes alike. */
	return test_random(&seed) % (UINT64_C(1) << (10 + test_random(&seed) % 44));
}

static void model_arm(struct timer *t, uint64_t due_ns)
{
	t->armed = true;
	t->due_ns = due_ns;
	wheel_arm(&wheel, &t->timer, due_ns);
	assert_true(wheel_timer_is_armed(&t->timer));
}

static void model_cancel(struct timer *t)
{
	t->armed = false;
	wheel_cancel(&wheel, &t->timer);
	assert_false(wheel_timer_is_armed(&t->timer));
}

static void on_fire(struct wheel_timer *timer)
{
	struct timer *t = container_of(timer, struct timer, timer);

	assert_true(t->armed);			/* not cancelled, not fired twice */
	assert_true(t->due_ns <= now_ns);	/* never early */
	assert_false(wheel_timer_is_armed(timer));
	t->armed = false;
	t->fired++;
	/* Callbacks arm and cancel: themselves, others, into the past, into what this advance has yet to pass. */
	struct timer *other = &timers[test_random(&seed) % TIMERS];

	switch (test_random(&seed) % 8) {
	case 0:
		rearmed_past++;
		model_arm(t, now_ns - MIN(now_ns, some_delay()));
		break;
	case 1:
		model_arm(t, now_ns + some_delay());
		break;
	case 2:
		model_arm(other, now_ns + some_delay());
		break;
	case 3:
	case 4:
		model_cancel(other);
		break;
	default:
		break;
	}
}

/* One advance, checked against the naive model: of what was armed before the call and due, whatever is still armed
 * at that same time was armed again by a callback, for the past. */
static void model_advance(uint64_t to_ns)
{
	now_ns = to_ns;
	rearmed_past = 0;
	wheel_advance(&wheel, now_ns);
	size_t overdue = 0;

	for (unsigned i = 0; i < TIMERS; i++)
		overdue += timers[i].armed && timers[i].due_ns + WHEEL_TICK_NS <= now_ns;
	assert_true(overdue <= rearmed_past);
}

static uint64_t first_due(void)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i].armed)
			first = MIN(first, timers[i].due_ns);
	return first;
}

static size_t armed_count(void)
{
	size_t count = 0;

	for (unsigned i = 0; i < TIMERS; i++)
		count += timers[i].armed;
	return count;
}

static void start(uint64_t at_ns)
{
	now_ns = at_ns;
	wheel_init(&wheel, now_ns);
	for (unsigned i = 0; i < TIMERS; i++) {
		timers[i] = (struct timer){ 0 };
		wheel_timer_init(&timers[i].timer, on_fire);
	}
}

static void agrees_with_a_model(void **state)
{
	uint64_t fired = 0;

	(void)state;
	seed = 3;
	start(UINT64_C(123456789012345));
	for (unsigned step = 0; step < 1000000; step++) {
		struct timer *t = &timers[test_random(&seed) % TIMERS];

		switch (test_random(&seed) % 16) {
		case 0:
			model_cancel(t);
			break;
		case 1:
			model_advance(now_ns + some_delay() / 64);
			break;
		case 2: {	/* sleep exactly as long as the wheel says */
			uint64_t next = wheel_next_ns(&wheel);
			uint64_t first = first_due();

			if (first == UINT64_MAX) {
				assert_true(next == UINT64_MAX);
				break;
			}
			assert_true(next < MAX(first, now_ns) + WHEEL_TICK_NS);
			model_advance(MAX(next, now_ns));
			break;
		}
		default:
			model_arm(t, now_ns + some_delay());
			break;
		}
		if (step % 16 == 0)
			assert_int_equal(wheel.armed, armed_count());
	}
	for (unsigned i = 0; i < TIMERS; i++)
		fired += timers[i].fired;
	assert_true(fired > 50000);
}

static void count_fire(struct wheel_timer *timer)
{
	container_of(timer, struct timer, timer)->fired++;
}

/* Steps of one tick, so that "at most one tick late" is exact; no callback interferes. */
static void is_at_most_one_tick_late(void **state)
{
	(void)state;
	seed = 4;
	start(UINT64_C(0xfffff) * WHEEL_TICK_NS - 777);		/* levels 0 to 2 turn over on the way */
	for (unsigned i = 0; i < TIMERS; i++) {
		wheel_timer_init(&timers[i].timer, count_fire);
		model_arm(&timers[i], now_ns + test_random(&seed) % (100000 * WHEEL_TICK_NS));
	}
	while (wheel.armed > 0) {
		now_ns += WHEEL_TICK_NS;
		wheel_advance(&wheel, now_ns);
		for (unsigned i = 0; i < TIMERS; i++) {
			if (timers[i].fired)
				assert_true(timers[i].due_ns <= now_ns);
			else
				assert_true(timers[i].due_ns + WHEEL_TICK_NS > now_ns);
		}
	}
}

static void wakes_up_no_more_than_once_per_level(void **state)
{
	uint64_t delay = UINT64_C(30) * NS_PER_SEC + 12345;

	(void)state;
	start(UINT64_C(987654321987));
	wheel_timer_init(&timers[0].timer, count_fire);
	model_arm(&timers[0], now_ns + delay);
	uint64_t due = now_ns + delay;
	unsigned wakes = 0;

	for (; timers[0].fired == 0; wakes++) {
		assert_true(wakes < WHEEL_LEVELS);
		now_ns = wheel_next_ns(&wheel);
		wheel_advance(&wheel, now_ns);
	}
	assert_true(now_ns >= due && now_ns < due + WHEEL_TICK_NS);
	assert_true(wheel_next_ns(&wheel) == UINT64_MAX);
}

static void cancelled_timers_cost_no_wake_up(void **state)
{
	(void)state;
	seed = 5;
	start(1);
	for (unsigned i = 0; i < TIMERS; i++)
		model_arm(&timers[i], now_ns + some_delay());
	for (unsigned i = 0; i < TIMERS; i++)
		model_cancel(&timers[i]);
	model_cancel(&timers[0]);		/* harmless */
	assert_true(wheel_next_ns(&wheel) == UINT64_MAX);
	assert_int_equal(wheel_advance(&wheel, now_ns + 365 * 86400 * NS_PER_SEC), 0);
}

static void the_past_fires_at_the_next_advance(void **state)
{
	(void)state;
	start(10 * NS_PER_SEC);
	wheel_timer_init(&timers[0].timer, count_fire);
	wheel_timer_init(&timers[1].timer, count_fire);
	wheel_arm(&wheel, &timers[0].timer, 0);
	wheel_arm(&wheel, &timers[1].timer, now_ns - now_ns % WHEEL_TICK_NS);
	assert_int_equal(timers[0].fired, 0);
	assert_true(wheel_next_ns(&wheel) <= now_ns);
	assert_int_equal(wheel_advance(&wheel, now_ns), 2);
	assert_int_equal(timers[0].fired + timers[1].fired, 2);
}

static void rearm_in_the_past(struct wheel_timer *timer)
{
	container_of(timer, struct timer, timer)->fired++;
	wheel_arm(&wheel, timer, 0);
}

static void a_callback_cannot_keep_us_in_one_advance(void **state)
{
	(void)state;
	start(10 * NS_PER_SEC);
	wheel_timer_init(&timers[0].timer, rearm_in_the_past);
	wheel_arm(&wheel, &timers[0].timer, 0);
	for (unsigned i = 1; i < 5; i++) {
		assert_int_equal(wheel_advance(&wheel, now_ns), 1);
		assert_int_equal(timers[0].fired, i);
	}
	assert_int_equal(wheel_advance(&wheel, now_ns + NS_PER_SEC), 1);
}

static void cancel_the_next(struct wheel_timer *timer)
{
	struct timer *t = container_of(timer, struct timer, timer);

	t->fired++;
	wheel_cancel(&wheel, &t[1].timer);
}

static void a_timer_cancelled_by_its_neighbour_does_not_fire(void **state)
{
	(void)state;
	start(0);
	for (unsigned i = 0; i < 4; i++) {
		wheel_timer_init(&timers[i].timer, cancel_the_next);
		wheel_arm(&wheel, &timers[i].timer, NS_PER_SEC);
	}
	assert_int_equal(wheel_advance(&wheel, 2 * NS_PER_SEC), 2);
	assert_int_equal(timers[0].fired, 1);
	assert_int_equal(timers[1].fired, 0);
	assert_int_equal(timers[2].fired, 1);
	assert_int_equal(timers[3].fired, 0);
	assert_int_equal(wheel.armed, 0);
}

static void far_times_are_kept(void **state)
{
	const uint64_t day = 86400 * NS_PER_SEC;

	(void)state;
	start(51 * day);		/* the four levels turn over after 52 days, wherever we began */
	wheel_timer_init(&timers[0].timer, count_fire);
	wheel_timer_init(&timers[1].timer, count_fire);
	wheel_timer_init(&timers[2].timer, count_fire);
	wheel_arm(&wheel, &timers[0].timer, now_ns + 3 * day);
	wheel_arm(&wheel, &timers[1].timer, now_ns + 400 * day);
	wheel_arm(&wheel, &timers[2].timer, UINT64_MAX);
	assert_int_equal(wheel_advance(&wheel, now_ns + 3 * day - 1), 0);
	assert_int_equal(wheel_advance(&wheel, now_ns + 3 * day + WHEEL_TICK_NS), 1);
	assert_int_equal(timers[0].fired, 1);
	assert_int_equal(wheel_advance(&wheel, now_ns + 400 * day - 1), 0);
	assert_int_equal(wheel_advance(&wheel, now_ns + 400 * day + WHEEL_TICK_NS), 1);
	assert_int_equal(timers[1].fired, 1);
	assert_int_equal(wheel.armed, 1);
	wheel_cancel(&wheel, &timers[2].timer);
	assert_true(wheel_next_ns(&wheel) == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a wheel agrees with a model over 1,000,000 steps, callbacks included", agrees_with_a_model),
		CLAIM("a timer is never early and at most one tick late", is_at_most_one_tick_late),
		CLAIM("a timer of 30 s costs at most one wake-up per level", wakes_up_no_more_than_once_per_level),
		CLAIM("cancelled timers cost no wake-up", cancelled_timers_cost_no_wake_up),
		CLAIM("a timer in the past fires at the next advance", the_past_fires_at_the_next_advance),
		CLAIM("a callback that re-arms in the past does not keep us", a_callback_cannot_keep_us_in_one_advance),
		CLAIM("a timer cancelled by its neighbour does not fire",
		      a_timer_cancelled_by_its_neighbour_does_not_fire),
		CLAIM("due times beyond 52 days fire on time", far_times_are_kept),
	};

	return cmocka_run_group_tests_name("core/wheel", claims, NULL, NULL);
}
