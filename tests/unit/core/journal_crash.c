#include "tests/unit/core/journal_ledger.h"

#include "tests/test.h"

#include <errno.h>
#include <stdio.h>

/* Rows SPL-01, SPL-02, SPL-03, SPL-07, SPL-10 and section 4a at the file level: scenarios, each played once for every
 * operation it asks of the disk, with a crash before that one; and from there once for every choice of what of the
 * unsynced survives (all subsets when they are few, else none, all, and some of chance, torn sectors among them).
 * After each crash: recover, check the promises, go on, crash again without a commit, recover, check again. */

struct scenario {
	const char *name;
	unsigned steps;
	uint32_t len_max;
	unsigned end_percent;		/* of steps that end a record */
	unsigned commit_percent;
	unsigned turns_max;		/* between steps */
	unsigned choices;		/* of chance, when there are too many subsets */
	unsigned stride;		/* crash before each stride-th operation */
	unsigned keep;			/* more than so many back, everything ends: segments go as they came */
	bool reopen;			/* close and open in the middle */
	bool short_io;
	enum disk_op fail;
	unsigned fail_at;
	int fail_err;
	bool sticky;
};

static const struct scenario scenarios[] = {
	{ "small records, one at a time", 8, 40, 0, 100, 40, 12, 1, .fail_at = 0 },
	{ "small records, commits overlap", 24, 200, 0, 60, 2, 12, 1, .fail_at = 0 },
	{ "a batch of many sectors", 12, 9000, 0, 40, 3, 16, 1, .fail_at = 0 },
	{ "blocks fill", 16, 500000, 0, 50, 4, 8, 2, .fail_at = 0 },
	{ "segments fill and are recycled", 44, 524288, 60, 60, 6, 2, 5, .fail_at = 0 },
	{ "segments are recycled again and again", 64, 524288, 0, 100, 9, 0, 7, .keep = 9 },
	{ "closed and opened again", 16, 300, 10, 60, 6, 8, 1, .reopen = true },
	{ "short writes", 16, 3000, 0, 60, 4, 8, 1, .short_io = true },
	{ "a write fails", 20, 600, 0, 60, 3, 10, 1, .fail = DISK_WRITE, .fail_at = 4, .fail_err = -EIO },
	{ "a sync fails once and then lies", 20, 600, 0, 60, 3, 10, 1, .fail = DISK_FDATASYNC, .fail_at = 4,
	  .fail_err = -EIO },
	{ "the disk dies", 20, 600, 0, 60, 3, 10, 1, .fail = DISK_FDATASYNC, .fail_at = 6, .fail_err = -EIO,
	  .sticky = true },
	{ "no space for a segment", 40, 524288, 40, 60, 6, 2, 5, .fail = DISK_FALLOCATE, .fail_at = 3,
	  .fail_err = -ENOSPC, .sticky = true },
	{ "a sync fails while segments turn", 40, 524288, 60, 50, 3, 2, 5, .fail = DISK_FDATASYNC, .fail_at = 7,
	  .fail_err = -EIO },
};

static void set_rules(const struct scenario *s, unsigned crash_at)
{
	disk_rules = (struct disk_rules){ .crash_at = crash_at, .short_io = s->short_io };
	disk_rules.fail[s->fail].at = s->fail_at;
	disk_rules.fail[s->fail].err = s->fail_err;
	disk_rules.fail[s->fail].sticky = s->sticky;
}

static void some_turns(uint64_t *seed, unsigned turns_max)
{
	for (uint64_t n = test_random(seed) % (turns_max + 1); n > 0; n--)
		if (!disk_turn())
			break;
}

static void step(const struct scenario *s, uint64_t *seed)
{
	const uint32_t len = 4 + (uint32_t)(test_random(seed) % (s->len_max - 3));
	const bool ends = test_random(seed) % 100 < s->end_percent;
	const unsigned which = 1 + (unsigned)(test_random(seed) % (ledger.next + 1));

	if (append_class(len, test_random(seed) % 4 == 0 ? JOURNAL_END : JOURNAL_NEW) < 0) {
		commit();
		some_turns(seed, 20);
		if (!disk_crashed && test_random(seed) % 2 == 0)
			disk_pass(JOURNAL_RETRY_NS);
	} else if (test_random(seed) % 100 < s->commit_percent) {
		commit();
	}
	if (ends)
		end(which);
	if (s->keep > 0 && ledger.next > s->keep)
		end(ledger.next - s->keep);
	some_turns(seed, s->turns_max);
}

static void close_and_open(void)
{
	commit();
	begin_close();
	if (disk_crashed)
		return;
	assert_true(ledger.closed);
	assert_int_equal(disk_open_files(), 0);
	abandon();
	open_it();
	if (disk_crashed)
		return;
	check_promises();
	settle_after_restart();
}

/* The same way each time, up to the crash. Returns true when it came. */
static bool play(const struct scenario *s, unsigned crash_at)
{
	uint64_t seed = s->len_max * 31 + s->steps;

	start_over();
	set_rules(s, crash_at);
	open_it();
	for (unsigned i = 0; i < s->steps && !disk_crashed; i++) {
		if (s->reopen && i == s->steps / 2)
			close_and_open();
		else
			step(s, &seed);
	}
	if (!disk_crashed) {
		commit();
		disk_run();
	}
	return disk_crashed;
}

/* A crash in the middle of the recovery too, for one in four. For another one in four only the process dies: then
 * what has come back has perhaps never been synced, and has to be before anybody hears of it. */
static void recover(struct disk_choice choice, uint64_t *seed)
{
	const uint64_t way = test_random(seed) % 4;

	abandon();
	disk_rules = (struct disk_rules){ 0 };
	if (way == 0)
		disk_kill();
	else
		disk_restart(choice);
	if (way == 1) {
		disk_rules.crash_at = 1 + (unsigned)(test_random(seed) % 25);
		open_it();
		disk_rules.crash_at = 0;
		if (disk_crashed) {
			abandon();
			disk_restart((struct disk_choice){ DISK_KEEP_TORN, test_random(seed) });
			open_ready();
		}
	} else {
		open_ready();
	}
	assert_int_equal(ledger.ready_err, 0);
	check_promises();
	settle_after_restart();
}

static void crash_and_check(const struct scenario *s, struct disk_choice choice, uint64_t *seed)
{
	const bool tidy = s->fail_at == 0 && (choice.kind == DISK_KEEP_NONE || choice.kind == DISK_KEEP_ALL);

	recover(choice, seed);
	if (tidy)
		assert_int_equal(ledger.damages, 0);
	const unsigned replayed = ledger.replayed;

	/* What has come back stays (invariant I8), unless it had ended, and life goes on. */
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_true(ledger.replayed == replayed || (s->end_percent + s->keep > 0 && ledger.replayed < replayed));
	append_and_commit(50);
	assert_int_equal(ledger.fate[ledger.next], ACKED);
	assert_int_equal(append(60), 0);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_true(ledger.seen[ledger.next - 1]);
	assert_false(ledger.seen[ledger.next]);
	abandon();
}

/* Sanitizers take four times as long: they see every second crash. */
#ifdef TEST_ASAN
enum { STRIDE_FACTOR = 2 };
#else
enum { STRIDE_FACTOR = 1 };
#endif

static unsigned cases;

static void crash_everywhere(const struct scenario *s)
{
	uint64_t seed = s->steps;

	for (unsigned crash_at = 1;; crash_at += s->stride * STRIDE_FACTOR) {
		bool crashed = play(s, crash_at);
		const unsigned units = disk_unsynced();
		const unsigned subsets = units <= 4 ? 1u << units : s->choices + 2;

		for (unsigned i = 0; i < subsets; i++) {
			struct disk_choice choice = { DISK_KEEP_BITS, i };

			if (units > 4 && i < 2)
				choice.kind = i == 0 ? DISK_KEEP_NONE : DISK_KEEP_ALL;
			else if (units > 4)
				choice = (struct disk_choice){ i % 2 ? DISK_KEEP_RANDOM : DISK_KEEP_TORN,
							       test_random(&seed) };
			if (i > 0)
				play(s, crash_at);
			crash_and_check(s, choice, &seed);
			cases++;
		}
		if (!crashed)
			break;
	}
}

static void every_crash_point_keeps_the_promises(void **state)
{
	const struct scenario *s = *state;

	cases = 0;
	crash_everywhere(s);
	print_message("%s: %u crashes\n", s->name, cases);
	assert_true(cases > 20);
}

int main(void)
{
	struct CMUnitTest claims[ARRAY_LEN(scenarios)];

	for (unsigned i = 0; i < ARRAY_LEN(scenarios); i++)
		claims[i] = (struct CMUnitTest){ .name = scenarios[i].name,
						 .test_func = every_crash_point_keeps_the_promises,
						 .initial_state = (void *)(uintptr_t)&scenarios[i] };
	return cmocka_run_group_tests_name("core/journal_crash", claims, NULL, NULL);
}
