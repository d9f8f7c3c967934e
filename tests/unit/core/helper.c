/* A helper on the real ring: jobs go and come back in order, and the core's turns go on meanwhile. */
#include "core/helper.h"

#include <pthread.h>
#include <time.h>

#include "core/clock.h"
#include "core/reactor.h"
#include "tests/test.h"

#define JOBS 3000u

struct job {
	struct helper_job job;
	unsigned number;
	bool worked;
	pthread_t thread;
};

static struct reactor reactor;
static struct helper helper;
static struct job jobs[JOBS];
static unsigned done;
static bool is_closed;

static int set_up(void **state)
{
	const struct io_conf conf = { .files_max = 64, .recv_bufs = 4 };

	(void)state;
	done = 0;
	is_closed = false;
	memset(jobs, 0, sizeof(jobs));
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	return helper_open(&helper);
}

static void turn(void)
{
	assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + NS_PER_MS), 0);
}

static void on_closed(struct helper *h)
{
	assert_ptr_equal(h, &helper);
	is_closed = true;
}

static int tear_down(void **state)
{
	(void)state;
	helper_close(&helper, on_closed);
	assert_false(is_closed);
	for (unsigned i = 0; i < 1000 && !is_closed; i++)
		turn();
	assert_true(is_closed);
	turn();
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static void work(struct helper_job *job)
{
	struct job *j = container_of(job, struct job, job);

	j->worked = true;
	j->thread = pthread_self();
}

static void work_slowly(struct helper_job *job)
{
	const struct timespec pause = { .tv_nsec = 200 * (long)NS_PER_MS };

	(void)nanosleep(&pause, NULL);
	work(job);
}

static void on_done(struct helper_job *job)
{
	struct job *j = container_of(job, struct job, job);

	assert_true(j->worked);
	assert_int_equal(j->number, done);
	assert_false(pthread_equal(j->thread, pthread_self()));
	done++;
}

static void submit(unsigned i, void (*fn)(struct helper_job *job))
{
	jobs[i].number = i;
	jobs[i].job.work = fn;
	jobs[i].job.done = on_done;
	helper_submit(&helper, &jobs[i].job);
}

static void jobs_come_back_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < JOBS; i++)
		submit(i, work);
	assert_int_equal(helper.count, JOBS);
	assert_int_equal(done, 0);		/* never inside the call */
	for (unsigned i = 0; i < 100000 && done < JOBS; i++)
		turn();
	assert_int_equal(done, JOBS);
	assert_int_equal(helper.count, 0);
	assert_int_equal(io_bufs_free(), 4);
}

static void turns_go_on_meanwhile(void **state)
{
	unsigned turns = 0;

	(void)state;
	submit(0, work_slowly);
	for (; done == 0 && turns < 10000; turns++)
		turn();
	assert_int_equal(done, 1);
	assert_true(turns > 20);
}

static void an_idle_helper_closes(void **state)
{
	(void)state;
	turn();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("jobs come back in order, also when receive buffers are few", jobs_come_back_in_order, set_up, tear_down),
		CLAIM_WITH("the core's turns go on while a job is worked on", turns_go_on_meanwhile, set_up, tear_down),
		CLAIM_WITH("a helper that had nothing to do closes", an_idle_helper_closes, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("core/helper", claims, NULL, NULL);
}
