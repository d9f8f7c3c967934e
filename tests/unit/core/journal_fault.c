#include "tests/unit/core/journal_ledger.h"

#include "tests/test.h"

#include <errno.h>
#include <stdio.h>

/* --- failing disks ---------------------------------------------------------------------------- */

static void fail_next(enum disk_op kind, int err, bool sticky)
{
	disk_rules.fail[kind].at = disk_ops_of[kind] + 1;
	disk_rules.fail[kind].err = err;
	disk_rules.fail[kind].sticky = sticky;
}

static void heal(void)
{
	memset(disk_rules.fail, 0, sizeof(disk_rules.fail));
}

/* Row SPL-07. */
static void a_failed_commit_voids_all_and_goes_on_elsewhere(void **state)
{
	static const enum disk_op kinds[] = { DISK_WRITE, DISK_FDATASYNC };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		start_over();
		open_ready();
		append_and_commit(100);
		const uint32_t epoch = journal_epoch(ledger.j);
		const uint32_t segment = journal_usage(ledger.j).active_segment;

		fail_next(kinds[i], -EIO, false);
		assert_int_equal(append(200), 0);
		commit();
		disk_turn();
		assert_int_equal(append(300), 0);	/* behind the batch that will fail */
		commit();
		disk_run();
		assert_int_equal(ledger.voids, 2);
		assert_int_equal(ledger.last_err, -EIO);
		assert_int_equal(journal_epoch(ledger.j), epoch + 1);
		assert_true(journal_usage(ledger.j).active_segment > segment);
		assert_null(journal_pin(ledger.j, ledger.ref[2]));
		assert_non_null(journal_pin(ledger.j, ledger.ref[1]));
		append_and_commit(400);
		assert_int_equal(ledger.fate[4], ACKED);
		restart((struct disk_choice){ DISK_KEEP_ALL, 0 });
		assert_int_equal(ledger.replayed, 2);
		assert_false(ledger.seen[2] || ledger.seen[3]);
		close_it();
	}
}

/* The head that makes a failed batch void is written at once, not with the next record. */
static void what_failed_is_void_even_if_nothing_comes_after_it(void **state)
{
	(void)state;
	start_over();
	open_ready();
	append_and_commit(100);
	fail_next(DISK_FDATASYNC, -EIO, false);
	append_and_commit(200);
	assert_int_equal(ledger.last_err, -EIO);
	restart((struct disk_choice){ DISK_KEEP_ALL, 0 });
	assert_int_equal(ledger.replayed, 1);
	assert_false(ledger.seen[2]);
	close_it();
}

/* The empty segment whose head says so goes only after the next head, which says it again, is durable. */
static void what_failed_stays_void_through_crashes_of_the_next_start(void **state)
{
	(void)state;
	for (unsigned crash_at = 1; crash_at < 60; crash_at++) {
		start_over();
		open_ready();
		append_and_commit(100);
		disk_rules.failed_sync_writes = true;
		fail_next(DISK_FDATASYNC, -EIO, false);
		append_and_commit(200);
		assert_int_equal(ledger.last_err, -EIO);
		abandon();
		disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
		disk_rules = (struct disk_rules){ .crash_at = crash_at };
		open_it();
		abandon();
		disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
		disk_rules = (struct disk_rules){ 0 };
		open_ready();
		assert_int_equal(ledger.replayed, 1);
		assert_false(ledger.seen[2]);
		close_it();
	}
}

/* After a failed sync the cache shows what the disk has not, and calls it clean. A start that believes it must write
 * it. */
static void what_a_killed_process_left_in_doubt_is_made_durable(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		start_over();
		open_ready();
		if (i % 2 == 0)
			append_and_commit(100);
		fail_next(DISK_FDATASYNC, -EIO, false);
		disk_rules.crash_at = disk_ops + 3;		/* write, sync, and no more */
		append_and_commit(200 + i * 700);
		assert_true(disk_crashed);
		abandon();
		disk_kill();
		disk_rules = (struct disk_rules){ 0 };
		open_ready();
		assert_true(ledger.seen[ledger.next]);
		settle_after_restart();
		restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
		assert_true(ledger.seen[ledger.next]);
		assert_int_equal(ledger.damages, 0);
		close_it();
	}
}

static void a_dead_disk_is_asked_once_a_second_and_heals(void **state)
{
	unsigned ops;

	(void)state;
	start_over();
	open_ready();
	append_and_commit(100);
	fail_next(DISK_FDATASYNC, -EIO, true);
	append_and_commit(200);
	disk_run();
	assert_int_equal(append(300), -EIO);
	ops = disk_ops;
	for (unsigned i = 0; i < 20; i++) {
		disk_pass(JOURNAL_RETRY_NS);
		assert_int_equal(append(300), -EIO);
	}
	assert_true(disk_ops - ops <= 20 * 12);
	assert_true(disk_count() <= 5);
	heal();
	disk_pass(JOURNAL_RETRY_NS);
	disk_pass(JOURNAL_RETRY_NS);
	append_and_commit(400);
	assert_int_equal(ledger.last_err, 0);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.replayed, 2);
	close_it();
}

static void a_pin_outlives_the_failure_of_its_batch(void **state)
{
	const char *pinned;

	(void)state;
	start_over();
	open_ready();
	assert_int_equal(append(1000), 0);
	pinned = journal_pin(ledger.j, ledger.ref[1]);
	fail_next(DISK_WRITE, -EIO, false);
	commit();
	disk_run();
	assert_int_equal(ledger.last_err, -EIO);
	for (unsigned i = 0; i < 20; i++)
		append_and_commit(500000);
	content_of(1, 1000, content);
	assert_memory_equal(pinned, content, 1000);
	journal_unpin(ledger.j, ledger.ref[1]);
	assert_null(journal_pin(ledger.j, ledger.ref[1]));
	close_it();
}

/* Row OSR-01. What is new has to wait, what ends something goes into the reserve, and space heals it without a
 * restart. */
static void a_full_disk_refuses_the_new_and_takes_the_end(void **state)
{
	unsigned filled = 0;
	unsigned ends = 0;
	int r;

	(void)state;
	start_over();
	open_ready();
	append_and_commit(1000);
	disk_rules.no_space = true;
	for (; (r = append(500000)) == 0; filled++) {
		assert_true(filled < 100);
		commit();
		disk_run();
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(filled >= 7);
	disk_run();
	assert_true(ledger.space_short);
	assert_int_equal(ledger.space_err, -ENOSPC);
	assert_int_equal(append(10), -ENOSPC);		/* not even a small one: the order of arrival is kept */
	for (; (r = append_class(50000, JOURNAL_END)) == 0; ends++) {
		assert_true(ends < 1000);
		commit();
		disk_run();
	}
	assert_int_equal(r, -ENOSPC);
	assert_true(ends >= 60);			/* a whole segment was in reserve */
	assert_int_equal(ledger.voids, 0);
	disk_pass(JOURNAL_RETRY_NS);
	assert_int_equal(append(10), -ENOSPC);
	disk_rules.no_space = false;
	disk_pass(JOURNAL_RETRY_NS);
	assert_false(ledger.space_short);
	assert_int_equal(ledger.space_edges, 2);
	append_and_commit(10);
	assert_int_equal(ledger.last_err, 0);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.damages, 0);
	close_it();
}

static void segments_that_end_are_space_too(void **state)
{
	(void)state;
	start_over();
	open_ready();
	for (unsigned i = 0; i < 10; i++)
		append_and_commit(500000);
	disk_rules.no_space = true;
	while (append(500000) == 0) {
		commit();
		disk_run();
	}
	disk_run();
	assert_true(ledger.space_short);
	for (unsigned id = 1; id <= 8; id++)
		end(id);
	disk_run();
	assert_false(ledger.space_short);
	append_and_commit(500000);
	assert_int_equal(ledger.last_err, 0);
	close_it();
}

static void a_full_disk_at_the_start_is_said(void **state)
{
	(void)state;
	start_over();
	disk_rules.no_space = true;
	open_it();
	assert_true(ledger.ready);
	assert_int_equal(ledger.ready_err, -ENOSPC);
	close_it();
	/* What is there can be delivered and ended, if one segment can be made out of what is left over. */
	start_over();
	open_ready();
	append_and_commit(10);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	abandon();
	disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	fail_next(DISK_FALLOCATE, -ENOSPC, true);
	disk_rules.fail[DISK_FALLOCATE].at = 2;
	open_it();
	assert_int_equal(ledger.ready_err, 0);
	assert_int_equal(ledger.replayed, 1);
	assert_int_equal(append(10), -ENOSPC);
	assert_int_equal(append_class(10, JOURNAL_END), 0);
	heal();
	disk_pass(JOURNAL_RETRY_NS);
	append_and_commit(10);
	assert_int_equal(ledger.last_err, 0);
	close_it();
}

/* Every operation fails once, at every place: nobody waits for ever, nothing is lost, and it goes on. */
static void each_operation_may_fail_once(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < DISK_OPS; kind++) {
		for (unsigned at = 1; at < 30; at++) {
			start_over();
			disk_rules.fail[kind].at = at;
			disk_rules.fail[kind].err = kind == DISK_OPEN ? -ENFILE : -EIO;
			open_it();
			assert_true(ledger.ready);
			if (ledger.ready_err == 0) {
				for (unsigned i = 0; i < 12; i++) {
					if (append(500000) < 0)
						disk_pass(JOURNAL_RETRY_NS);
					commit();
					disk_run();
					end(ledger.next - 1);
				}
				disk_pass(JOURNAL_RETRY_NS);
				disk_pass(JOURNAL_RETRY_NS);
				append_and_commit(100);
				if (ledger.fate[ledger.next] == VOID)	/* it was this one's turn to fail */
					append_and_commit(100);
				assert_int_equal(ledger.fate[ledger.next], ACKED);
				assert_in_range(ledger.acks + ledger.voids, 13, 14);
			}
			if (at % 2 == 0) {
				close_it();
				disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
			} else {
				abandon();
				disk_restart((struct disk_choice){ DISK_KEEP_RANDOM, at });
			}
			disk_rules = (struct disk_rules){ 0 };
			open_ready();
			check_promises();
			close_it();
			if (disk_ops_of[kind] == 0)
				break;
		}
	}
}

static void a_close_may_come_at_any_time_while_opening(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 60; turns++) {
		start_over();
		open_ready();
		append_and_commit(100);
		abandon();
		disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
		open_nowhere();
		for (unsigned i = 0; i < turns; i++)
			disk_turn();
		close_it();
		assert_true(ledger.ready);
		disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
		open_ready();
		assert_int_equal(ledger.replayed, 1);
		close_it();
	}
}

/* --- damage ----------------------------------------------------------------------------------- */

#define FIRST "0000000001.seg"

/* Eight records in eight batches, closed in good order, and the file cut behind them so that opening it is quick. */
static void make_small(void)
{
	start_over();
	open_ready();
	for (unsigned i = 0; i < 8; i++)
		append_and_commit(9 + 5 * i);
	close_it();
	disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
}

/* The same again, from memory. */
static void make_small_again(uint32_t size)
{
	static uint8_t image[16384];
	static struct ledger kept;
	size_t whole;

	if (kept.next == 0) {
		make_small();
		memcpy(image, disk_find(FIRST, &whole), sizeof(image));
		kept = ledger;
	}
	disk_format();
	ledger = kept;
	memcpy(disk_create(FIRST, size), image, size);
}

static uint32_t small_end(void)
{
	return ledger.ref[8].offset + journal_record_size(ledger.len[8]);
}

static int record_at(uint32_t offset)
{
	for (unsigned id = 1; id <= 8; id++)
		if (offset >= ledger.ref[id].offset &&
		    offset < ledger.ref[id].offset + JOURNAL_RECORD_HEADER + ledger.len[id])
			return (int)id;
	return 0;
}

static struct journal_ref refs[9];

/* Opens what is there, without going on from it. */
static void look(void)
{
	memcpy(refs, ledger.ref, sizeof(refs));
	open_ready();
	memcpy(ledger.ref, refs, sizeof(refs));
	abandon();
}

/* Row SPL-04: each bit of the records and of the heads. */
static void each_flipped_bit_is_reported_and_costs_one_record(void **state)
{
	uint32_t bits = 0;

	(void)state;
	make_small();
	for (uint32_t at = 0; at < small_end(); at++) {
		if (at == JOURNAL_HEAD_LEN)
			at = JOURNAL_HEAD_COPY;
		if (at == JOURNAL_HEAD_COPY + JOURNAL_HEAD_LEN)
			at = JOURNAL_HEAD_SIZE;
		for (unsigned bit = 0; bit < 8; bit++, bits++) {
			size_t size;

			make_small_again(16384);
			const int hit = record_at(at);
			const bool head = at < JOURNAL_HEAD_SIZE;

			disk_find(FIRST, &size)[at] ^= (uint8_t)(1u << bit);
			look();
			assert_int_equal(ledger.replayed, hit > 0 ? 7 : 8);
			assert_true(hit == 0 || !ledger.seen[hit]);
			assert_int_equal(ledger.damages, head || hit > 0 ? 1 : 0);
		}
	}
	print_message("%u bits\n", bits);
}

/* Row SPL-05. */
static void truncation_at_every_octet_never_alters_or_stops(void **state)
{
	(void)state;
	make_small();
	for (uint32_t len = 0; len < small_end() + 200; len += len < JOURNAL_HEAD_SIZE - 8 ? 61 : 1) {
		unsigned whole = 0;

		make_small_again(len);
		while (whole < 8 && ledger.ref[whole + 1].offset + JOURNAL_RECORD_HEADER + ledger.len[whole + 1] <= len)
			whole++;
		look();
		assert_int_equal(ledger.replayed, whole);
	}
}

static void trailing_garbage_is_nothing(void **state)
{
	size_t size;

	(void)state;
	make_small();
	uint8_t *bytes = disk_find(FIRST, &size);
	uint64_t seed = 3;

	for (size_t i = small_end() + 64; i < 65536; i++)
		bytes[i] = (uint8_t)test_random(&seed);
	disk_truncate(FIRST, 65536);
	look();
	assert_int_equal(ledger.replayed, 8);
	assert_int_equal(ledger.damages, 0);
}

/* Three segments, the middle one lost, or its heads, or cut short. */
static void make_three(void)
{
	start_over();
	open_ready();
	for (unsigned i = 0; i < 20; i++)
		append_and_commit(500000);
	assert_int_equal(ledger.ref[20].segment, 3);
	close_it();
	disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
}

static void a_lost_segment_is_reported_and_the_others_replayed(void **state)
{
	size_t size;

	(void)state;
	make_three();
	disk_remove("0000000002.seg");
	open_ready();
	assert_int_equal(ledger.damages, 1);
	for (unsigned id = 1; id <= 20; id++)
		assert_int_equal(ledger.seen[id], ledger.ref[id].segment != 2);
	abandon();

	make_three();
	memset(disk_find("0000000002.seg", &size), 0, JOURNAL_HEAD_SIZE);	/* both copies of its head */
	open_ready();
	assert_int_equal(ledger.replayed, 20);
	assert_int_equal(ledger.damages, 1);
	abandon();

	make_three();
	memset(disk_find("0000000003.seg", &size), 0x55, JOURNAL_HEAD_SIZE);	/* of the newest */
	open_ready();
	assert_int_equal(ledger.replayed, 20);
	assert_int_equal(ledger.damages, 1);
	abandon();

	make_three();
	disk_truncate("0000000002.seg", 2 * JOURNAL_BLOCK + 1000);
	open_ready();
	assert_int_equal(ledger.damages, 1);
	assert_true(ledger.replayed >= 16);
	abandon();
}

/* Row P4: kept aside, and in nobody's way. */
static void a_damaged_segment_is_kept_under_another_name(void **state)
{
	size_t size;

	(void)state;
	make_three();
	disk_find(FIRST, &size)[100000] ^= 1;
	open_ready();
	assert_int_equal(ledger.damages, 1);
	assert_int_equal(ledger.replayed, 19);
	for (unsigned id = 1; id <= 20; id++)
		if (id != 1)
			end(id);
	disk_run();
	assert_null(disk_find(FIRST, &size));
	assert_non_null(disk_find("0000000001.damaged", &size));
	append_and_commit(100);
	ledger.fate[1] = ENDED;
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.damages, 0);
	assert_non_null(disk_find("0000000001.damaged", &size));
	close_it();
}

/* A sector that cannot be read costs what is in it. */
static void a_read_error_costs_its_sector_alone(void **state)
{
	(void)state;
	make_three();
	disk_rules.fail[DISK_READ].at = 4;	/* three heads, then the first block whole, then a piece of it */
	disk_rules.fail[DISK_READ].err = -EIO;
	open_ready();
	assert_int_equal(ledger.replayed, 20);
	assert_int_equal(ledger.damages, 0);
	abandon();
	disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	disk_rules.bad_file = FIRST;
	disk_rules.bad_sector = 4 * JOURNAL_BLOCK / DISK_SECTOR / 2;
	open_ready();
	assert_int_equal(ledger.damages, 1);
	assert_int_equal(ledger.replayed, 19);
	close_it();
}

/* Row SPL-12. */
static void another_format_is_refused_and_nothing_touched(void **state)
{
	static uint8_t before[JOURNAL_HEAD_SIZE];
	const uint32_t format = JOURNAL_FORMAT + 1;
	size_t size;

	(void)state;
	make_three();
	uint8_t *bytes = disk_find("0000000002.seg", &size);

	memcpy(bytes + 12, &format, 4);
	memcpy(bytes + JOURNAL_HEAD_COPY + 12, &format, 4);
	memcpy(before, bytes, sizeof(before));
	const unsigned files = disk_count();

	open_it();
	assert_int_equal(ledger.ready_err, ERR_VERSION);
	assert_int_equal(ledger.replayed, 0);
	close_it();
	assert_int_equal(disk_count(), files);
	assert_memory_equal(disk_find("0000000002.seg", &size), before, sizeof(before));
	assert_int_equal(disk_ops_of[DISK_UNLINK] + disk_ops_of[DISK_RENAME] + disk_ops_of[DISK_WRITE], 0);
}

/* Numbers that no journal of ours could hold side by side. */
static void a_directory_of_nonsense_is_refused(void **state)
{
	(void)state;
	start_over();
	disk_create("0000000001.seg", 0);
	disk_create("4000000000.seg", 0);
	open_it();
	assert_int_equal(ledger.ready_err, -EOVERFLOW);
	close_it();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("SPL-07: a failed commit voids all, and goes on elsewhere",
		      a_failed_commit_voids_all_and_goes_on_elsewhere),
		CLAIM("SPL-07: what failed is void even if nothing comes after it",
		      what_failed_is_void_even_if_nothing_comes_after_it),
		CLAIM("SPL-07: what failed stays void through crashes of the next start",
		      what_failed_stays_void_through_crashes_of_the_next_start),
		CLAIM("SPL-07: what a killed process left in doubt is made durable",
		      what_a_killed_process_left_in_doubt_is_made_durable),
		CLAIM("a dead disk is asked once a second, and heals", a_dead_disk_is_asked_once_a_second_and_heals),
		CLAIM("a pin outlives the failure of its batch", a_pin_outlives_the_failure_of_its_batch),
		CLAIM("OSR-01: a full disk refuses the new and takes the end",
		      a_full_disk_refuses_the_new_and_takes_the_end),
		CLAIM("OSR-01: segments that end are space too", segments_that_end_are_space_too),
		CLAIM("OSR-01: a full disk at the start is said", a_full_disk_at_the_start_is_said),
		CLAIM("each operation may fail once", each_operation_may_fail_once),
		CLAIM("a close may come at any time while opening", a_close_may_come_at_any_time_while_opening),
		CLAIM("SPL-04: each flipped bit is reported and costs one record",
		      each_flipped_bit_is_reported_and_costs_one_record),
		CLAIM("SPL-05: truncation at every octet never alters or stops",
		      truncation_at_every_octet_never_alters_or_stops),
		CLAIM("SPL-05: trailing garbage is nothing", trailing_garbage_is_nothing),
		CLAIM("a lost segment is reported and the others replayed",
		      a_lost_segment_is_reported_and_the_others_replayed),
		CLAIM("P4: a damaged segment is kept under another name",
		      a_damaged_segment_is_kept_under_another_name),
		CLAIM("a read error costs its sector alone", a_read_error_costs_its_sector_alone),
		CLAIM("SPL-12: another format is refused and nothing touched",
		      another_format_is_refused_and_nothing_touched),
		CLAIM("a directory of nonsense is refused", a_directory_of_nonsense_is_refused),
	};

	return cmocka_run_group_tests_name("core/journal_fault", claims, NULL, NULL);
}
