/* bench_stages.c - what it costs to look at content on its way out, and to change it, at each level of net/mail/scan
 *
 * Per case: bytes_per_second; memcpys, the cost of a round in copies of the same octets, measured right before (0.5:
 * twice as fast as memcpy); spans, how many a window of 64 KiB becomes.
 */
#include <stdio.h>
#include <time.h>

#include "bench/gbench.h"
#include "net/mail/dot.h"
#include "net/mail/line_ends.h"
#include "net/mail/records.h"
#include "net/mail/scan.h"
#include "net/mail/unstuff.h"
#include "net/mail/wrap.h"

#define SIZE	KIB(64)		/* a window */
#define RECORD	76u

static char text[SIZE], other[SIZE], memory[KIB(4)];

enum way { SEND, UNSTUFF, TEXT, RECORDS, QUEUE_FILE };

static const struct {
	const char *name;
	enum way way;
	size_t line;		/* octets with its end */
	unsigned dotted;	/* one line of so many begins with a dot; 0: none */
	bool lf;		/* without CR */
} cases[] = {
	{ "wrap+dot/mail",		SEND,	 76,   200, false },
	{ "wrap+dot/no_dots",		SEND,	 76,   0,   false },
	{ "wrap+dot/each_line_dotted",	SEND,	 76,   1,   false },
	{ "wrap+dot/lines_of_6",	SEND,	 6,    0,   false },
	{ "wrap+dot/lines_of_2000",	SEND,	 2000, 0,   false },
	{ "unstuff/mail",		UNSTUFF, 76,   200, false },
	{ "line_ends/crlf",		TEXT,	 76,   200, false },
	{ "line_ends/lf",		TEXT,	 76,   200, true },
	{ "line_ends/records",		RECORDS, 76,   200, false },
	{ "records+wrap+dot",		RECORDS, 76,   200, false },
	{ "queue_file+wrap+dot",	QUEUE_FILE, 76, 200, false },
};

static void fill(int64_t arg)
{
	uint32_t seed = 1;
	unsigned lines = 0;

	for (size_t i = 0; i < SIZE; i++) {
		size_t in_line = i % cases[arg].line;

		seed = seed * 1664525u + 1013904223u;
		text[i] = (char)('a' + (seed >> 24 & 15));
		if (in_line == 0 && cases[arg].dotted > 0 && ++lines % cases[arg].dotted == 0)
			text[i] = '.';
		if (cases[arg].way < RECORDS && in_line == cases[arg].line - 2)
			text[i] = cases[arg].lf ? 'x' : '\r';
		if (cases[arg].way < RECORDS && in_line == cases[arg].line - 1)
			text[i] = '\n';
		if (cases[arg].way == QUEUE_FILE && in_line < 2)
			text[i] = in_line == 0 ? 'N' : (char)RECORD - 2;
	}
}

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double memcpy_ns(void)
{
	double start = now_ns();

	for (unsigned i = 0; i < 4000; i++) {
		memcpy(other, text, SIZE);
		gbench_keep(other);
	}
	return (now_ns() - start) / 4000;
}

struct row {
	struct unstuff unstuff;
	struct records records;
	struct line_ends line_ends;
	struct wrap wrap;
	struct dot dot;
	struct chain chain;
};

static void row_init(struct row *r, enum way way, bool sends)
{
	chain_init(&r->chain);
	unstuff_init(&r->unstuff);
	records_init(&r->records, INT64_MAX);
	line_ends_init(&r->line_ends, way >= RECORDS ? LINE_ENDS_RECORDS : LINE_ENDS_TEXT, memory, sizeof(memory));
	wrap_init(&r->wrap, 998);
	dot_init(&r->dot);
	if (way == UNSTUFF)
		chain_add(&r->chain, &r->unstuff.stage);
	if (way >= TEXT)
		chain_add(&r->chain, &r->line_ends.stage);
	if (!sends)
		return;
	chain_add(&r->chain, &r->wrap.stage);
	chain_add(&r->chain, &r->dot.stage);
}

static unsigned pass(struct row *r, struct slice in)
{
	unsigned spans = 0;
	struct slice span;

	while (chain_next(&r->chain, &in, false, &span) == STAGE_SPAN) {
		gbench_keep(span.ptr);
		spans++;
	}
	return spans;
}

static unsigned pass_records(struct row *r)
{
	unsigned spans = 0;

	for (size_t at = 0; at + RECORD <= SIZE; at += RECORD) {
		spans += pass(r, slice_of(text + at, RECORD));
		line_ends_end_record(&r->line_ends);
	}
	return spans;
}

static unsigned pass_file(struct row *r)
{
	struct slice in = slice_of(text, SIZE / RECORD * RECORD), line;
	unsigned spans = 0;
	int e;

	while ((e = records_next(&r->records, &in, &line)) != RECORDS_MORE)
		if (e == RECORDS_TEXT)
			spans += pass(r, line);
		else
			line_ends_end_record(&r->line_ends);
	return spans;
}

static unsigned pass_way(struct row *r, enum way way)
{
	if (way == QUEUE_FILE)
		return pass_file(r);
	return way == RECORDS ? pass_records(r) : pass(r, slice_of(text, SIZE));
}

static void bench_case(struct gbench *b, int64_t arg)
{
	int64_t of = arg % (int64_t)ARRAY_LEN(cases);
	enum way way = cases[of].way;
	uint64_t spans = 0;
	struct row row;

	if (!scan_use((enum scan_level)(arg / (int64_t)ARRAY_LEN(cases)))) {
		gbench_fail(b, "this machine does not have it");
		return;
	}
	fill(of);
	row_init(&row, way, way == SEND || strstr(cases[of].name, "dot") != NULL);
	double copy = memcpy_ns(), start = now_ns();

	while (gbench_next(b))
		spans += pass_way(&row, way);
	gbench_set_per_round(b, "memcpys", (now_ns() - start) / copy);
	gbench_set_per_round(b, "spans", (double)spans);
	gbench_set_bytes(b, SIZE);
}

static void bench_memcpy(struct gbench *b, int64_t arg)
{
	(void)arg;
	while (gbench_next(b)) {
		memcpy(other, text, SIZE);
		gbench_keep(other);
	}
	gbench_set_bytes(b, SIZE);
}

int main(int argc, char **argv)
{
	static char names[SCAN_LEVELS][ARRAY_LEN(cases)][64];

	gbench_register_case("stages/memcpy", bench_memcpy, 0);
	for (unsigned level = 0; level < SCAN_LEVELS; level++)
		for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
			char *name = names[level][i];

			if (!scan_use((enum scan_level)level))
				continue;
			(void)snprintf(name, sizeof(names[level][i]), "stages/%s/%s", cases[i].name,
				       scan_level_name((enum scan_level)level));
			gbench_register_case(name, bench_case, (int64_t)(level * ARRAY_LEN(cases) + i));
		}
	return gbench_main(argc, argv);
}
