#include "core/metric.h"

#include <pthread.h>
#include <stdatomic.h>

/* One row per core, each on cache lines of its own; the last row is for threads that are no core. A cell of a core
 * has one writer, which needs no read-modify-write cycle of the bus: atomics are here only so that readers see
 * whole numbers. */
#define OTHER_ROW CORE_COUNT_MAX

static struct {
	_Alignas(64) _Atomic int64_t cells[METRIC_MAX];
} rows[CORE_COUNT_MAX + 1];

static struct metric *metrics[METRIC_MAX];
static unsigned metric_count;
static pthread_mutex_t registering = PTHREAD_MUTEX_INITIALIZER;	/* cores start side by side */
static _Thread_local unsigned own_row = OTHER_ROW;

static bool is_registered(const struct metric *m)
{
	return m->index < METRIC_MAX && metrics[m->index] == m;
}

static void take_place(struct metric *m)
{
	ASSERT(metric_count < METRIC_MAX);
	for (unsigned i = 0; i < metric_count; i++)
		ASSERT(strcmp(metrics[i]->name, m->name) != 0);
	m->index = metric_count;
	metrics[metric_count++] = m;
}

void metric_register(struct metric *m)
{
	ASSERT(pthread_mutex_lock(&registering) == 0);
	if (!is_registered(m))
		take_place(m);
	ASSERT(pthread_mutex_unlock(&registering) == 0);
}

void metric_thread_core(unsigned core)
{
	ASSERT(core < CORE_COUNT_MAX);
	own_row = core;
}

void metric_add(const struct metric *m, int64_t n)
{
	_Atomic int64_t *cell = &rows[own_row].cells[m->index];

	ASSERT(is_registered(m));
	if (own_row == OTHER_ROW)		/* several threads may be no core */
		atomic_fetch_add_explicit(cell, n, memory_order_relaxed);
	else
		atomic_store_explicit(cell, atomic_load_explicit(cell, memory_order_relaxed) + n,
				      memory_order_relaxed);
}

void metric_forget(void)
{
	for (unsigned row = 0; row <= OTHER_ROW; row++)
		for (unsigned i = 0; i < METRIC_MAX; i++)
			atomic_store(&rows[row].cells[i], 0);
}

int64_t metric_read(const struct metric *m)
{
	int64_t sum = 0;

	ASSERT(is_registered(m));
	for (unsigned row = 0; row <= OTHER_ROW; row++)
		sum += atomic_load_explicit(&rows[row].cells[m->index], memory_order_relaxed);
	return sum;
}

void metric_write_all(struct str *out)
{
	for (unsigned i = 0; i < metric_count; i++) {
		int64_t value = metric_read(metrics[i]);

		str_add_cstr(out, metrics[i]->name);
		str_add_cstr(out, value < 0 ? " -" : " ");
		str_add_u64(out, value < 0 ? -(uint64_t)value : (uint64_t)value);
		str_add_char(out, '\n');
	}
}
