#include "core/reactor.h"

#include "core/clock.h"

static _Thread_local struct reactor *self;

struct reactor *reactor_self(void)
{
	return self;
}

void reactor_post(struct task *t)
{
	if (list_is_empty(&t->node))
		list_push_back(&self->tasks, &t->node);
}

void reactor_unpost(struct task *t)
{
	list_remove(&t->node);
}

void reactor_at_turn_end(struct task *t)
{
	if (list_is_empty(&t->node))
		list_push_back(&self->turn_ends, &t->node);
}

void timer_arm_in(struct wheel_timer *t, uint64_t delay_ns)
{
	wheel_arm(&self->wheel, t, self->now_ns + delay_ns);
}

void timer_arm_at(struct wheel_timer *t, uint64_t due_ns)
{
	wheel_arm(&self->wheel, t, due_ns);
}

void timer_cancel(struct wheel_timer *t)
{
	wheel_cancel(&self->wheel, t);
}

uint64_t reactor_queue_offset(void)
{
	return clock_wall_ns() - clock_boot_ns();
}

void reactor_set_queue_offset(struct reactor *r, uint64_t offset_ns)
{
	r->queue_offset_ns = offset_ns;
	r->queue_ns = clock_boot_ns() + offset_ns;
}

static void read_clocks(struct reactor *r)
{
	r->now_ns = clock_mono_ns();
	r->wall_ns = clock_wall_ns();
	r->queue_ns = clock_boot_ns() + r->queue_offset_ns;
}

int reactor_open(struct reactor *r, const struct io_conf *conf)
{
	ASSERT(self == NULL);
	int err = io_open_core(conf);

	if (err < 0)
		return err;
	memset(r, 0, sizeof(*r));
	r->core = conf->core;
	r->queue_offset_ns = reactor_queue_offset();
	read_clocks(r);
	wheel_init(&r->wheel, r->now_ns);
	list_init(&r->tasks);
	list_init(&r->turn_ends);
	self = r;
	return 0;
}

void reactor_close(struct reactor *r)
{
	ASSERT(self == r);
	io_close_core();
	self = NULL;
}

static void run_tasks(struct list *tasks)
{
	struct list *node;

	/* Tasks may post tasks: those run in this turn too, within a bound, for completions and timers wait meanwhile.
	 * What is left over keeps the next turn from sleeping. */
	for (unsigned n = 0; n < REACTOR_TASK_BUDGET && (node = list_pop_front(tasks)) != NULL; n++) {
		struct task *t = list_entry(node, struct task, node);

		t->fn(t);
	}
}

static uint64_t sleep_until(struct reactor *r, uint64_t until_ns, bool notes_wait)
{
	if (notes_wait || !list_is_empty(&r->tasks) || !list_is_empty(&r->turn_ends) || io_has_completions())
		return 0;
	uint64_t until = min_u64(until_ns, wheel_next_ns(&r->wheel));

	return until <= r->now_ns || !xcall_may_sleep(r->core) ? 0 : until;
}

uint64_t reactor_rest(struct reactor *r, uint64_t until_ns)
{
	ASSERT(self == r);
	bool notes_wait = xcall_flush(r->core);

	return sleep_until(r, until_ns, notes_wait);
}

void reactor_work(struct reactor *r)
{
	ASSERT(self == r);
	xcall_awake(r->core);
	read_clocks(r);
	r->turns++;
	xcall_receive(r->core);
	io_run_completions();
	wheel_advance(&r->wheel, r->now_ns);
	run_tasks(&r->tasks);
	run_tasks(&r->turn_ends);
}

int reactor_turn(struct reactor *r, uint64_t until_ns)
{
	int err = io_wait(reactor_rest(r, until_ns));

	reactor_work(r);
	return err;
}

void reactor_switch(struct reactor *r)
{
	self = r;
}
