#include "tests/test.h"

#include <stdio.h>

#include "tests/unit/net/source/spool_world.h"

/* Rows SPL-01, SPL-03, SPL-10, WIN-01, WIN-04 and invariants I1..I4 and I8 of section 4a: a life of mail with a crash
 * before some operation of the disk, again and again on the same spool; what of the unsynced survives is chance, some
 * crashes hit the recovery, some disks fail or fill before they go. spool_world.c asserts at each event; at the end
 * everything is drained. */

struct life {
	const char *name;
	unsigned worlds;
	unsigned crashes;		/* in each world */
	unsigned steps;			/* between crashes, at most */
	unsigned ops;			/* the crash comes before one of so many operations */
	uint32_t size_max;
	unsigned blocks;
	unsigned inject_percent;
	unsigned fail_percent;		/* of lives with a failing disk */
	bool jump_clock;
	bool keep_deaf;			/* one destination takes nothing: compaction has work */
};

static const struct life lives[] = {
	{ "small messages", 8, 60, 500, 300, 3000, 4, 15, 0, false, false },
	{ "small messages, sent from memory", 8, 60, 500, 300, 3000, 16, 15, 0, false, false },
	{ "small messages, crashes close together", 8, 60, 60, 30, 3000, 16, 10, 0, false, false },
	{ "large messages", 6, 50, 600, 400, 600000, 4, 10, 0, false, false },
	{ "large messages, sent from memory", 6, 50, 600, 400, 600000, 20, 10, 0, false, false },
	{ "failing disks", 8, 60, 500, 300, 20000, 8, 15, 60, false, false },
	{ "jumping clocks", 6, 60, 300, 200, 3000, 8, 15, 20, true, false },
	{ "an old message, moved", 6, 50, 800, 500, 600000, 8, 15, 10, false, true },
};

static unsigned chance(unsigned below)
{
	return (unsigned)(test_random(&world.seed) % below);
}

static struct disk_choice any_choice(void)
{
	static const enum disk_choice_kind kinds[] = {
		DISK_KEEP_NONE, DISK_KEEP_ALL, DISK_KEEP_RANDOM, DISK_KEEP_TORN,
	};
	const enum disk_choice_kind kind = kinds[chance(ARRAY_LEN(kinds))];

	return (struct disk_choice){ kind, test_random(&world.seed) };
}

static void some_failure(const struct life *life)
{
	static const enum disk_op kinds[] = { DISK_WRITE, DISK_FDATASYNC, DISK_FALLOCATE, DISK_FSYNC };

	if (chance(100) >= life->fail_percent)
		return;
	const enum disk_op kind = kinds[chance(ARRAY_LEN(kinds))];

	disk_rules.fail[kind].at = disk_ops_of[kind] + 1 + chance(10);
	disk_rules.fail[kind].err = kind == DISK_FALLOCATE ? -28 : -5;
	disk_rules.fail[kind].sticky = chance(3) == 0;
	disk_rules.short_io = chance(4) == 0;
}

/* Opens, with a crash in the middle of it now and then. */
static void reopen(void)
{
	if (chance(4) == 0) {
		disk_rules.crash_at = 1 + chance(30);
		world_open();
		disk_rules.crash_at = 0;
		if (!disk_crashed) {
			assert_true(world.ready && world.ready_err == 0);
			return;
		}
		world_crash(any_choice());
	}
	world_open_ready();
}

static void one_crash(const struct life *life)
{
	disk_rules.seed = test_random(&world.seed);
	some_failure(life);
	disk_rules.crash_at = disk_ops + 1 + chance(life->ops);
	world_live(chance(life->steps), life->inject_percent);
	world_crash(any_choice());
	if (life->jump_clock)
		reactor_self()->wall_ns += (chance(2) == 0 ? 1u : UINT64_MAX) * (NS_PER_SEC * chance(1000000));
	world.job_rcpts = chance(4);
	reopen();
	world_check();
}

static void one_world(const struct life *life, uint64_t seed)
{
	world_start(seed);
	world.size_max = life->size_max;
	world.journal_memory = life->blocks * JOURNAL_BLOCK;
	world_open_ready();
	if (life->keep_deaf) {
		world.percent_deferred_job = 100;
		world_inject(100000, 3, "deaf.test");
		world_settle();
	}
	for (unsigned i = 0; i < life->crashes; i++)
		one_crash(life);
	world.percent_deferred_job = 0;
	world_drain();
	world_check();
	for (unsigned n = 1; n <= world.messages; n++)
		for (uint32_t k = 0; k < world_messages[n].rcpt_count; k++)
			if (world_messages[n].state == WORLD_ACCEPTED || world_messages[n].state == WORLD_KEPT)
				assert_true(world_messages[n].rcpts[k].end_asked);
	assert_int_equal(world.corrupt, 0);
	world_close();
	world_open_ready();
	assert_int_equal(spool_usage(world.spool).messages, 0);
	world_close();
}

static void crashes_lose_nothing(void **state)
{
	const struct life *life = *state;
	unsigned accepted = 0, duplicates = 0, settled = 0, torn = 0;

	for (unsigned i = 0; i < life->worlds; i++) {
		one_world(life, 1000 * i + life->blocks);
		accepted += world.accepted;
		duplicates += world.duplicates;
		settled += world.settled;
		torn += world.torn;
	}
	print_message("%s: %u crashes, %u messages accepted, %u attempts settled, %u duplicates, all announced; "
		      "%u torn before they were accepted\n", life->name, life->worlds * life->crashes,
		      accepted, settled, duplicates, torn);
	assert_true(accepted > life->worlds * 10 && duplicates > 0);
}

int main(int argc, char **argv)
{
	struct CMUnitTest claims[ARRAY_LEN(lives)];

	for (unsigned i = 0; i < ARRAY_LEN(lives); i++)
		claims[i] = (struct CMUnitTest){ .name = lives[i].name, .test_func = crashes_lose_nothing,
						 .initial_state = (void *)(uintptr_t)&lives[i] };
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("net/source/spool_crash", claims, NULL, NULL);
}
