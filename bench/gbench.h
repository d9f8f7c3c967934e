/* gbench.h - Google Benchmark with a C face
 *
 * A benchmark is a C function that prepares, loops while gbench_next says so, and cleans up. Only
 * the loop is timed.
 *
 *	static void bench_fill(struct gbench *b, int64_t size)
 *	{
 *		... prepare ...
 *		while (gbench_next(b))
 *			memset(buf, 1, (size_t)size);
 *		gbench_set_bytes(b, size);
 *	}
 *
 *	int main(int argc, char **argv)
 *	{
 *		gbench_register("fill", bench_fill, 4096);
 *		return gbench_main(argc, argv);
 *	}
 *
 * cost     one decrement per round: the number of rounds is known beforehand, the library is asked
 *          twice per loop only
 * bounds   every loop runs to its end; leave it early with gbench_fail and break
 * thread   one
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench {
	/* private */
	int64_t rounds_left;
	int64_t rounds;		/* of the whole loop */
	void *state;		/* the library's */
};

typedef void gbench_fn(struct gbench *b, int64_t arg);

/* Shown as name, or name/arg when arg is not GBENCH_NO_ARG. name must outlive gbench_main. */
#define GBENCH_NO_ARG INT64_MIN
void gbench_register(const char *name, gbench_fn *fn, int64_t arg);

/* The same where arg is an index into a table: shown as name alone. */
void gbench_register_case(const char *name, gbench_fn *fn, int64_t arg);

/* The same as the first for a function that waits (disk, another thread): rates are then of wall-clock time, not
 * of CPU time. */
void gbench_register_waiting(const char *name, gbench_fn *fn, int64_t arg);

/* Understands --benchmark_filter=REGEX, --benchmark_min_time=SECONDS, --benchmark_format=json and
 * the library's other options. Returns the exit code of the program: 0, 1 when a benchmark failed or
 * none matched, 2 for a wrong option. */
int gbench_main(int argc, char **argv);

/* The two moments at which the library is asked: before the first round, which starts the clock, and
 * after the last. */
bool gbench_ask(struct gbench *b);

static inline bool gbench_next(struct gbench *b)
{
	if (__builtin_expect(b->rounds_left > 0, 1)) {
		b->rounds_left--;
		return true;
	}
	return gbench_ask(b);
}

/* Inside the loop, around what has to happen but is not meant. About 200 ns a pair: not for short rounds. */
void gbench_pause(struct gbench *b);
void gbench_resume(struct gbench *b);

/* After the loop: what one round did. Shown per second. */
void gbench_set_bytes(struct gbench *b, int64_t bytes_per_round);
void gbench_set_items(struct gbench *b, int64_t items_per_round);

/* After the loop: a figure of our own; total is divided by the number of rounds. */
void gbench_set_per_round(struct gbench *b, const char *name, double total);

/* Instead of a result, the reason why there is none; the program then exits with 1. why is copied. */
void gbench_fail(struct gbench *b, const char *why);

/* The compiler must believe that somebody reads what ptr points at. */
static inline void gbench_keep(const void *ptr)
{
	__asm__ volatile("" : : "g"(ptr) : "memory");
}

#ifdef __cplusplus
}
#endif
