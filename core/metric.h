/* metric.h - counters and gauges, one cell per core, added up by whoever reads
 *
 * Defined once per fact, beside the code that counts it:
 *
 *	static struct metric sent = METRIC_COUNTER("ringpost_sent_total", "recipients delivered");
 *	metric_register(&sent);				at start
 *	metric_add(&sent, 1);				anywhere; no lock, no shared cache line
 *
 * bounds   METRIC_MAX metrics, CORE_COUNT_MAX cores; names are literals, values of labels never come from peers
 *          (row MET-01)
 */
#pragma once

#include "core/limits.h"
#include "core/str.h"

#define METRIC_MAX 256

enum metric_kind { METRIC_KIND_COUNTER, METRIC_KIND_GAUGE };

struct metric {
	const char *name;
	const char *help;
	enum metric_kind kind;
	unsigned index;		/* private: place in every core's row, set by metric_register */
};

#define METRIC_COUNTER(n, h) { .name = (n), .help = (h), .kind = METRIC_KIND_COUNTER }
#define METRIC_GAUGE(n, h)   { .name = (n), .help = (h), .kind = METRIC_KIND_GAUGE }

/* Start only; asserts that the name is new. Registering the same metric again is harmless. */
void metric_register(struct metric *m);

/* The calling core's cell. A thread that is no core counts in a cell of its own. */
void metric_add(const struct metric *m, int64_t n);

/* Sum over all cores; may be a moment behind. */
int64_t metric_read(const struct metric *m);

/* Every metric as "name value" lines in order of registration (the form of metrics_file). */
void metric_write_all(struct str *out);

/* The calling thread counts as this core from now on. */
void metric_thread_core(unsigned core);

/* All metrics are 0 again, as in a new process: for the simulator, whose crashes are not the end of it. */
void metric_forget(void);
