/* sim_main.c - storms by the thousand: each seed in a process of its own; replay one, make it smaller
 *
 * See tools/sim for the command line. A seed that dies leaves its tape in FILE and prints the command that replays it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base.h"
#include "tests/sim/fault.h"
#include "tests/sim/storm.h"
#include "tests/sim/tape.h"

#define JOBS_MAX	64u
#define SECONDS_MAX	30u		/* of real time for a seed; a storm takes some hundredths of one */
#define WORDS_MAX	1024u		/* of what a dying seed has said, the first */

/* What a child leaves behind. */
struct trail {
	struct storm_figures figures;
	bool finished;
	size_t tape_count;
	char words[WORDS_MAX];
};

struct job {
	struct trail *trail;
	uint32_t *tape;
};

/* What all jobs add up. */
struct sum {
	_Atomic uint64_t seeds, failed, messages, commits, announced, uninvited, lives, virtual_s, twice;
	_Atomic uint64_t first_failed;
	_Atomic uint32_t pairs[FAULT_COUNT][FAULT_COUNT];
	_Atomic bool stop;
};

static struct {
	uint64_t first, count;
	unsigned jobs;
	bool shrink;
	bool keep_going;
	const char *replay;
	const char *out;
	const char *program;
} args = { .count = 1000, .jobs = 2, .out = "sim.tape" };

static struct sum *sum;

static void *share(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED) {
		perror("sim: no memory");
		exit(2);
	}
	return p;
}

static struct job job_new(void)
{
	return (struct job){ share(sizeof(struct trail)), share(TAPE_MAX * sizeof(uint32_t)) };
}

/* --- one seed ------------------------------------------------------------------------------------ */

static _Noreturn void run_child(struct job *job, const uint32_t *replay, size_t replay_count, uint64_t seed, int err_fd)
{
	if (err_fd >= 0)
		(void)dup2(err_fd, STDERR_FILENO);
	(void)alarm(SECONDS_MAX);
	tape_share(job->tape, &job->trail->tape_count);
	if (replay != NULL)
		tape_replay(replay, replay_count);
	else
		tape_record(seed);
	storm_run(&job->trail->figures);
	job->trail->finished = true;
	_exit(0);
}

static void read_words(struct trail *trail, int fd)
{
	ssize_t n = pread(fd, trail->words, WORDS_MAX - 1, 0);

	trail->words[n > 0 ? n : 0] = '\0';
}

/* True when it ended well. Quietly: what it says goes into trail->words. */
static bool run(struct job *job, const uint32_t *replay, size_t replay_count, uint64_t seed, bool loud)
{
	char name[] = "/tmp/ringpost-sim-XXXXXX";
	const int fd = loud ? -1 : mkstemp(name);
	int status = 0;

	if (fd >= 0)
		(void)unlink(name);
	memset(job->trail, 0, sizeof(*job->trail));
	const pid_t child = fork();

	if (child == 0)
		run_child(job, replay, replay_count, seed, fd);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	if (fd >= 0) {
		read_words(job->trail, fd);
		(void)close(fd);
	}
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		(void)snprintf(job->trail->words, WORDS_MAX, "sim: no end after %u s\n", SECONDS_MAX);
	else if (WIFSIGNALED(status) && job->trail->words[0] == '\0')
		(void)snprintf(job->trail->words, WORDS_MAX, "sim: signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 && job->trail->finished;
}

static void save_tape(const char *path, const uint32_t *values, size_t count)
{
	FILE *f = fopen(path, "w");

	if (f == NULL) {
		perror(path);
		return;
	}
	(void)fwrite(values, sizeof(*values), count, f);
	if (fclose(f) != 0)
		perror(path);
}

static uint32_t *load_tape(const char *path, size_t *ret_count)
{
	uint32_t *values = share(TAPE_MAX * sizeof(*values));
	FILE *f = fopen(path, "r");

	if (f == NULL) {
		perror(path);
		exit(2);
	}
	*ret_count = fread(values, sizeof(*values), TAPE_MAX, f);
	(void)fclose(f);	/* only read */
	return values;
}

/* --- smaller ------------------------------------------------------------------------------------- */

/* The first words, up to what differs from run to run: "storm: lost", "ringpost: core/x.c:12". */
static bool same_failure(const char *a, const char *b)
{
	const char *second = strchr(a, ':');
	const char *third = second != NULL ? strchr(second + 1, ':') : NULL;
	const size_t len = third != NULL ? (size_t)(third - a) : strlen(a);

	return len > 0 && strncmp(a, b, len) == 0;
}

static bool still_fails(struct job *job, const uint32_t *values, size_t count, const char *words)
{
	return !run(job, values, count, 0, false) && same_failure(words, job->trail->words);
}

/* Zeros ever smaller stretches, as long as the failure stays the same. */
static void shrink(struct job *job, uint32_t *values, size_t count, const char *words)
{
	uint32_t *tried = share(TAPE_MAX * sizeof(*tried));
	unsigned runs = 0;

	while (count > 1 && still_fails(job, values, count / 2, words))
		count /= 2;
	for (size_t size = count / 2; size > 0 && runs < 3000; size /= 2) {
		for (size_t at = 0; at < count && runs < 3000; at += size) {
			const size_t n = MIN(size, count - at);
			bool any = false;

			memcpy(tried, values, count * sizeof(*tried));
			for (size_t i = at; i < at + n; i++) {
				any |= tried[i] != 0;
				tried[i] = 0;
			}
			if (!any)
				continue;
			runs++;
			if (still_fails(job, tried, count, words))
				memcpy(values, tried, count * sizeof(*tried));
		}
	}
	size_t left = 0;

	for (size_t i = 0; i < count; i++)
		left += values[i] != 0;
	printf("shrunk: %zu decisions, of which %zu are not zero (%u runs)\n", count, left, runs);
	save_tape(args.out, values, count);
}

/* --- many ---------------------------------------------------------------------------------------- */

static void report_failure(struct job *job, uint64_t seed)
{
	char words[WORDS_MAX];
	char path[512];

	memcpy(words, job->trail->words, sizeof(words));
	words[strcspn(words, "\n")] = '\0';
	(void)snprintf(path, sizeof(path), "%s.%llu", args.out, (unsigned long long)seed);
	save_tape(path, job->tape, job->trail->tape_count);
	printf("not ok seed %llu: %s\n  replay: tools/sim --seed %llu    or: tools/sim --replay %s [--shrink]\n",
	       (unsigned long long)seed, words, (unsigned long long)seed, path);
	(void)fflush(stdout);	/* the next child must not print it again */
}

static void add_figures(const struct storm_figures *f)
{
	sum->messages += f->messages;
	sum->commits += f->commits;
	sum->announced += f->announced;
	sum->uninvited += f->uninvited;
	sum->lives += f->lives;
	sum->virtual_s += f->virtual_ns / 1000000000u;
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		for (unsigned j = 0; j <= i && (f->faults >> i & 1); j++)
			sum->pairs[i][j] += (uint32_t)(f->faults >> j & 1);
}

static void run_seed(struct job *job, uint64_t seed)
{
	const bool good = run(job, NULL, 0, seed, false);
	const uint64_t trace = job->trail->figures.trace;

	sum->seeds++;
	if (!good) {
		sum->failed++;
		sum->first_failed = seed;
		sum->stop = !args.keep_going;
		report_failure(job, seed);
		return;
	}
	add_figures(&job->trail->figures);
	if (seed % 100 != 0)
		return;
	/* One in a hundred once more: is it the same story? */
	sum->twice++;
	if (run(job, NULL, 0, seed, false) && job->trail->figures.trace == trace)
		return;
	sum->failed++;
	sum->stop = !args.keep_going;
	printf("not ok seed %llu: another story the second time\n", (unsigned long long)seed);
	(void)fflush(stdout);	/* as above */
}

static void run_job(unsigned index)
{
	struct job job = job_new();

	for (uint64_t i = index; i < args.count && !sum->stop; i += args.jobs)
		run_seed(&job, args.first + i);
}

static void report_faults(void)
{
	unsigned pairs = 0, often = 0;

	printf("seeds in which each fault struck:");
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		printf(" %s=%u", fault_name((enum fault)i), sum->pairs[i][i]);
		for (unsigned j = 0; j < i; j++) {
			pairs += sum->pairs[i][j] > 0;
			often += sum->pairs[i][j] >= 1000;
		}
	}
	printf("\npairs of faults in one seed: %u of %u seen, %u of them 1000 times\n", pairs,
	       FAULT_COUNT * (FAULT_COUNT - 1) / 2, often);
}

static double seconds(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);	/* cannot fail */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int run_many(void)
{
	const double begin = seconds();

	for (unsigned i = 0; i < args.jobs; i++) {
		if (fork() != 0)
			continue;
		run_job(i);
		(void)fflush(stdout);	/* _exit would not */
		_exit(0);
	}
	while (wait(NULL) > 0)
		;
	const double took = seconds() - begin;

	printf("%llu seeds in %.1f s, %.0f a second; %llu messages, %llu commits, %llu announced as possibly twice, ",
	       (unsigned long long)sum->seeds, took, (double)sum->seeds / took, (unsigned long long)sum->messages,
	       (unsigned long long)sum->commits, (unsigned long long)sum->announced);
	printf("%llu refused by a failing disk and there all the same, %llu lives, %.0f virtual hours; %llu run twice\n",
	       (unsigned long long)sum->uninvited, (unsigned long long)sum->lives, (double)sum->virtual_s / 3600,
	       (unsigned long long)sum->twice);
	report_faults();
	if (sum->failed == 0)
		printf("ok every seed ended well\n");
	return sum->failed > 0;
}

/* --- one ----------------------------------------------------------------------------------------- */

static int run_one(uint64_t seed)
{
	struct job job = job_new();
	size_t count = 0;
	uint32_t *values = args.replay != NULL ? load_tape(args.replay, &count) : NULL;
	bool good = run(&job, values, count, seed, !args.shrink);
	char words[WORDS_MAX];

	memcpy(words, job.trail->words, sizeof(words));
	if (!good && args.shrink) {
		uint32_t *smaller = share(TAPE_MAX * sizeof(*smaller));

		count = job.trail->tape_count;
		memcpy(smaller, job.tape, count * sizeof(*smaller));
		printf("%s", words);
		(void)fflush(stdout);	/* children must not print it again */
		shrink(&job, smaller, count, words);
		printf("  replay: tools/sim --replay %s\n", args.out);
	}
	printf("%s, %zu decisions, trace %016llx\n", good ? "ok" : "not ok", job.trail->tape_count,
	       (unsigned long long)job.trail->figures.trace);
	return !good;
}

static uint64_t number(const char *text)
{
	char *end;
	const uint64_t n = text != NULL ? strtoull(text, &end, 10) : 0;

	if (text == NULL || *text == '\0' || *end != '\0') {
		(void)fprintf(stderr, "sim: a number is missing\n");
		exit(2);
	}
	return n;
}

int main(int argc, char **argv)
{
	bool one = false;

	args.first = 1;
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : NULL;
		bool takes = true;

		if (strcmp(argv[i], "--seeds") == 0) {
			args.count = number(value);
		} else if (strcmp(argv[i], "--first") == 0) {
			args.first = number(value);
		} else if (strcmp(argv[i], "--jobs") == 0) {
			args.jobs = (unsigned)MAX(MIN(number(value), (uint64_t)JOBS_MAX), (uint64_t)1);
		} else if (strcmp(argv[i], "--seed") == 0) {
			args.first = number(value);
			one = true;
		} else if (strcmp(argv[i], "--replay") == 0 && value != NULL) {
			args.replay = value;
			one = true;
		} else if (strcmp(argv[i], "--out") == 0 && value != NULL) {
			args.out = value;
		} else {
			takes = false;
			args.shrink |= strcmp(argv[i], "--shrink") == 0;
			args.keep_going |= strcmp(argv[i], "--keep-going") == 0;
			if (strcmp(argv[i], "--shrink") != 0 && strcmp(argv[i], "--keep-going") != 0) {
				(void)fprintf(stderr, "sim: what is %s? See tools/sim --help\n", argv[i]);
				return 2;
			}
		}
		i += takes;
	}
	sum = share(sizeof(*sum));
	return one ? run_one(args.first) : run_many();
}
