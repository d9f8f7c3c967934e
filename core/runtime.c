#include "core/runtime.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/file.h"
#include "core/log.h"
#include "core/metric.h"

#define CALLS_MAX 64u
#define POLL_AGAIN_NS (NS_PER_SEC / 10)

struct core {
	pthread_t thread;
	struct reactor reactor;
	struct note leave;
	bool leaving;
	int err;
};

struct call {
	void (*fn)(void *context);
	void *context;
};

static struct {
	struct runtime_conf conf;
	unsigned count;
	struct core *cores;
	pthread_barrier_t started;
	atomic_int start_err;
	atomic_bool exiting;
	atomic_int status;
	uint64_t queue_offset_ns;	/* one for all cores: the clock may be stepped while they start */

	/* From the caller's thread to core 0: a locked queue, for it is used a few times a day. */
	pthread_mutex_t lock;
	struct call calls[CALLS_MAX];
	unsigned call_count;
	int event_fd;
	struct op event_op;
	struct wheel_timer event_again;
} rt;

/* --- how many cores --------------------------------------------------------------------------- */

/* cgroup v2: "max 100000" or "150000 100000"; 0 when there is no bound. */
static unsigned quota_from_file(const char *path)
{
	char *text;
	size_t len;
	unsigned cores = 0;
	unsigned long quota, period;

	if (file_read(path, 4096, &text, &len) < 0)
		return 0;
	if (sscanf(text, "%lu %lu", &quota, &period) == 2 && period > 0)
		cores = (unsigned)((quota + period - 1) / period);
	free(text);
	return cores;
}

/* The tightest quota from our own cgroup up to the root. */
static unsigned quota_cores(void)
{
	char *text;
	size_t len;
	char path[512];
	unsigned least = 0;

	if (file_read("/proc/self/cgroup", 65536, &text, &len) < 0)
		return 0;
	char *own = strstr(text, "0::/");

	if (own != NULL) {
		own += 3;
		own[strcspn(own, "\n")] = '\0';
		for (;;) {
			(void)snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.max", own);
			unsigned cores = quota_from_file(path);

			if (cores > 0 && (least == 0 || cores < least))
				least = cores;
			char *slash = strrchr(own, '/');

			if (slash == NULL)
				break;
			*slash = '\0';
		}
	}
	free(text);
	return least;
}

unsigned runtime_usable_cores(void)
{
	cpu_set_t set;
	unsigned n = 1;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = (unsigned)CPU_COUNT(&set);
	unsigned quota = quota_cores();

	if (quota > 0 && quota < n)
		n = quota;
	return MIN(MAX(n, 1u), (unsigned)CORE_COUNT_MAX);
}

unsigned runtime_cores(void)
{
	return rt.count;
}

/* --- one core --------------------------------------------------------------------------------- */

/* The n-th CPU of our affinity mask. Pinning is for the caches: a failure costs speed only. */
static void pin_thread(unsigned core)
{
	cpu_set_t all, one;
	unsigned seen = 0;

	CPU_ZERO(&all);
	CPU_ZERO(&one);
	if (sched_getaffinity(0, sizeof(all), &all) < 0 || (unsigned)CPU_COUNT(&all) < rt.count)
		return;
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || seen++ != core)
			continue;
		CPU_SET(cpu, &one);
		(void)pthread_setaffinity_np(pthread_self(), sizeof(one), &one);
		return;
	}
}

static void on_leave(struct note *n)
{
	container_of(n, struct core, leave)->leaving = true;
}

static void run_calls(void)
{
	struct call calls[CALLS_MAX];
	unsigned n;

	pthread_mutex_lock(&rt.lock);
	n = rt.call_count;
	memcpy(calls, rt.calls, n * sizeof(*calls));
	rt.call_count = 0;
	pthread_mutex_unlock(&rt.lock);
	for (unsigned i = 0; i < n; i++)
		calls[i].fn(calls[i].context);
}

static void on_event(struct op *op, int res)
{
	uint64_t count;

	/* Short of memory or of slots: nothing is lost, for what was written stays readable. */
	if (res < 0) {
		timer_arm_in(&rt.event_again, POLL_AGAIN_NS);
		return;
	}
	IGNORE(read(rt.event_fd, &count, sizeof(count)) < 0);	/* only to make it unready */
	io_poll(op, rt.event_fd, POLLIN);
	run_calls();
}

static void on_event_again(struct wheel_timer *t)
{
	(void)t;
	io_poll(&rt.event_op, rt.event_fd, POLLIN);
}

static int start_core(struct core *c, unsigned core)
{
	struct io_conf io = rt.conf.io;
	char name[16];

	(void)snprintf(name, sizeof(name), "rp-core%u", core);
	(void)pthread_setname_np(pthread_self(), name);
	pin_thread(core);
	int r = log_thread_open();

	if (r < 0)
		return r;
	metric_thread_core(core);
	io.core = core;
	r = reactor_open(&c->reactor, &io);
	if (r < 0)
		return r;
	reactor_set_queue_offset(&c->reactor, rt.queue_offset_ns);
	note_init(&c->leave, on_leave);
	if (core == 0) {
		op_init(&rt.event_op, on_event);
		wheel_timer_init(&rt.event_again, on_event_again);
		io_poll(&rt.event_op, rt.event_fd, POLLIN);
	}
	return rt.conf.start(core, rt.conf.context);
}

static void *core_main(void *arg)
{
	struct core *c = arg;
	unsigned core = (unsigned)(c - rt.cores);
	int none = 0;

	/* Until all threads exist nobody knows for how many to wait. */
	pthread_mutex_lock(&rt.lock);
	pthread_mutex_unlock(&rt.lock);
	if (atomic_load(&rt.start_err) == 0)
		c->err = start_core(c, core);
	if (c->err < 0)
		(void)atomic_compare_exchange_strong(&rt.start_err, &none, c->err);
	pthread_barrier_wait(&rt.started);
	bool run = atomic_load(&rt.start_err) == 0;

	while (run && !c->leaving && c->err == 0)
		c->err = reactor_turn(&c->reactor, UINT64_MAX);
	if (run && rt.conf.stop != NULL)
		rt.conf.stop(core, rt.conf.context);
	if (run && c->err < 0)
		check_fail(__FILE__, __LINE__, __func__, "the kernel lost a completion; restarting is the only way on");
	/* Nobody may find our ring closed while another core still wakes it. */
	pthread_barrier_wait(&rt.started);
	if (reactor_self() != NULL)
		reactor_close(&c->reactor);
	log_thread_close();
	return NULL;
}

/* --- all of them ------------------------------------------------------------------------------ */

/* What cannot be created is not waited for: those there are come to their end as after a failed start. */
static void create_threads(void)
{
	pthread_mutex_lock(&rt.lock);
	for (unsigned i = 0; i < rt.count; i++) {
		int err = pthread_create(&rt.cores[i].thread, NULL, core_main, &rt.cores[i]);

		if (err == 0)
			continue;
		atomic_store(&rt.start_err, -err);
		rt.count = i;
	}
	pthread_barrier_init(&rt.started, NULL, rt.count + 1);
	pthread_mutex_unlock(&rt.lock);
}

int runtime_start(const struct runtime_conf *conf)
{
	memset(&rt, 0, sizeof(rt));
	rt.conf = *conf;
	rt.count = conf->cores != 0 ? conf->cores : runtime_usable_cores();
	ASSERT(rt.count <= CORE_COUNT_MAX);
	rt.queue_offset_ns = reactor_queue_offset();

	int r = xcall_start(rt.count);

	if (r < 0)
		return r;
	rt.cores = calloc(rt.count, sizeof(*rt.cores));
	rt.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (rt.cores == NULL || rt.event_fd < 0)
		return -ENOMEM;
	pthread_mutex_init(&rt.lock, NULL);
	create_threads();
	pthread_barrier_wait(&rt.started);
	r = atomic_load(&rt.start_err);
	if (r < 0)
		(void)runtime_join();
	return r;
}

int runtime_call(void (*fn)(void *context), void *context)
{
	static const uint64_t one = 1;
	int r = 0;

	pthread_mutex_lock(&rt.lock);
	if (rt.call_count < CALLS_MAX)
		rt.calls[rt.call_count++] = (struct call){ fn, context };
	else
		r = -EAGAIN;
	pthread_mutex_unlock(&rt.lock);
	if (r == 0 && write(rt.event_fd, &one, sizeof(one)) < 0)
		r = -errno;
	return r;
}

void runtime_exit(int status)
{
	ASSERT(reactor_self() != NULL);
	/* The leave notes travel once; who comes later finds the end under way. */
	if (atomic_exchange(&rt.exiting, true))
		return;
	atomic_store(&rt.status, status);
	for (unsigned i = 0; i < rt.count; i++)
		xcall_send(i, &rt.cores[i].leave);
}

int runtime_join(void)
{
	pthread_barrier_wait(&rt.started);
	for (unsigned i = 0; i < rt.count; i++)
		(void)pthread_join(rt.cores[i].thread, NULL);
	pthread_barrier_destroy(&rt.started);
	pthread_mutex_destroy(&rt.lock);
	close(rt.event_fd);
	free(rt.cores);
	rt.cores = NULL;
	xcall_stop();
	return atomic_load(&rt.status);
}
