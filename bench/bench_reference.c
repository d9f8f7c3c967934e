/* bench_reference.c - the yardstick: what this machine does without any of our code
 *
 * A figure of the other programs means something only beside these, taken in the same minute on
 * the same machine.
 */
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "bench/gbench.h"
#include "core/base.h"

#define BLOCK MIB(4)

static char source[BLOCK];
static char target[BLOCK];

/* The cost of a round that does nothing: subtract it from everything below some 5 ns. */
static void bench_nothing(struct gbench *b, int64_t arg)
{
	(void)arg;
	while (gbench_next(b))
		gbench_keep(b);
}

static void bench_memcpy(struct gbench *b, int64_t size)
{
	memset(source, 'x', sizeof(source));
	while (gbench_next(b)) {
		memcpy(target, source, (size_t)size);
		gbench_keep(target);
	}
	gbench_set_bytes(b, size);
}

/* What a scan for one octet costs at best: the floor under every parser of lines. */
static void bench_memchr(struct gbench *b, int64_t size)
{
	memset(source, 'x', sizeof(source));
	while (gbench_next(b)) {
		gbench_keep(source);
		gbench_keep(memchr(source, '\n', (size_t)size));
	}
	gbench_set_bytes(b, size);
}

static void bench_clock(struct gbench *b, int64_t arg)
{
	struct timespec ts;

	(void)arg;
	while (gbench_next(b)) {
		clock_gettime(CLOCK_MONOTONIC, &ts);
		gbench_keep(&ts);
	}
}

/* The cheapest way into the kernel and back. */
static void bench_syscall(struct gbench *b, int64_t arg)
{
	(void)arg;
	while (gbench_next(b))
		gbench_keep((void *)syscall(SYS_getppid));
}

int main(int argc, char **argv)
{
	gbench_register("reference/nothing", bench_nothing, GBENCH_NO_ARG);
	gbench_register("reference/memcpy", bench_memcpy, 4096);
	gbench_register("reference/memcpy", bench_memcpy, 65536);
	gbench_register("reference/memcpy", bench_memcpy, BLOCK);
	gbench_register("reference/memchr", bench_memchr, 4096);
	gbench_register("reference/clock_gettime", bench_clock, GBENCH_NO_ARG);
	gbench_register("reference/getppid", bench_syscall, GBENCH_NO_ARG);
	return gbench_main(argc, argv);
}
