/* hostile - the real engine against every hostile server of families.h, in the simulator
 *
 *	build/tests/hostile [-t] [-v] [-f LETTER] [-n NUMBER] [-s SIZE]...
 *
 * Each row is played at four segment sizes (or those of -s; 0: as they come), alone and with an honest host behind it.
 * -t: in TLS, at two sizes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/peers/run.h"

static uint32_t segments[4] = { 0, 1460, 7, 1 };
static unsigned segment_count = 4;
static bool tls;

static bool play_row(const void *context, bool verbose)
{
	const struct family_row *row = context;
	bool ok = true;

	for (unsigned s = 0; s < segment_count && ok; s++) {
		struct run_way way = { .segment = segments[s], .tls = tls, .verbose = verbose };

		ok = run_row(row, &way);
		way.second = true;
		if (ok && !(row->flags & (FAMILY_NO_SECOND | FAMILY_LMTP)))	/* LMTP knows no MX */
			ok = run_row(row, &way);
	}
	return ok;
}

static void add_segment(const char *size)
{
	static unsigned count;

	if (count == ARRAY_LEN(segments))
		exit(2);
	segments[count++] = (uint32_t)strtoul(size, NULL, 10);
	segment_count = count;
}

int main(int argc, char **argv)
{
	unsigned number = 0, failed = 0;
	bool verbose = false;
	char only_family = '\0';
	long only_row = 0;
	int c;

	while ((c = getopt(argc, argv, "tvf:n:s:")) != -1) {
		if (c == 't')
			tls = true;
		else if (c == 'v')
			verbose = true;
		else if (c == 'f')
			only_family = optarg[0];
		else if (c == 'n')
			only_row = strtol(optarg, NULL, 10);
		else if (c == 's')
			add_segment(optarg);
		else
			return 2;
	}
	if (tls && segment_count == ARRAY_LEN(segments)) {
		segments[1] = 7;
		segment_count = 2;
	}
	for (unsigned f = 0; f < family_count; f++) {
		for (unsigned i = 0; i < *families[f].count; i++) {
			const struct family_row *row = &families[f].rows[i];
			bool ok;

			if ((only_family != '\0' && families[f].letter != only_family) ||
			    (only_row != 0 && (unsigned)only_row != i + 1))
				continue;
			ok = run_alone(play_row, row, verbose);
			printf("%s %u - %c%u %s\n", ok ? "ok" : "not ok", ++number, families[f].letter, i + 1, row->name);
			failed += !ok;
		}
	}
	printf("1..%u\n", number);
	return failed == 0 ? 0 : 1;
}
