#include "tests/unit/core/journal_ledger.h"

#include "tests/test.h"

#include <errno.h>

/* --- plain claims ----------------------------------------------------------------------------- */

static void what_is_committed_comes_back_after_a_crash(void **state)
{
	(void)state;
	start_over();
	open_ready();
	for (unsigned i = 0; i < 20; i++)
		append_and_commit(4 + i * i * 13);
	assert_int_equal(ledger.acks, 20);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.replayed, 20);
	assert_int_equal(ledger.damages, 0);
	check_promises();
	close_it();
}

static void a_closed_journal_opens_again_without_damage(void **state)
{
	(void)state;
	start_over();
	for (unsigned round = 0; round < 5; round++) {
		open_ready();
		assert_int_equal(ledger.replayed, round * 2);
		assert_int_equal(ledger.damages, 0);
		append_and_commit(100);
		assert_int_equal(append(200), 0);
		commit();
		close_it();
		disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	}
	assert_int_equal(ledger.acks, 10);
}

static void one_batch_is_one_write_and_one_sync_for_all_waiters(void **state)
{
	unsigned writes, syncs;

	(void)state;
	start_over();
	open_ready();
	writes = disk_ops_of[DISK_WRITE];
	syncs = disk_ops_of[DISK_FDATASYNC];
	for (unsigned i = 0; i < 50; i++) {
		assert_int_equal(append(1000), 0);
		commit();
	}
	disk_run();
	assert_int_equal(ledger.acks, 50);
	assert_int_equal(disk_ops_of[DISK_WRITE] - writes, 1);
	assert_int_equal(disk_ops_of[DISK_FDATASYNC] - syncs, 1);
	close_it();
}

static void what_comes_during_a_commit_leaves_with_the_next(void **state)
{
	unsigned syncs;

	(void)state;
	start_over();
	open_ready();
	syncs = disk_ops_of[DISK_FDATASYNC];
	append(100);
	commit();
	disk_turn();			/* the write is on its way */
	for (unsigned i = 0; i < 10; i++) {
		append(100);
		commit();
	}
	assert_int_equal(ledger.acks, 0);
	disk_run();
	assert_int_equal(ledger.acks, 11);
	assert_int_equal(disk_ops_of[DISK_FDATASYNC] - syncs, 2);
	close_it();
}

static void a_commit_of_nothing_is_answered_and_costs_nothing(void **state)
{
	unsigned ops;

	(void)state;
	start_over();
	open_ready();
	ops = disk_ops;
	commit();
	assert_int_equal(ledger.acks, 0);	/* not inside the call */
	disk_run();
	assert_int_equal(ledger.acks, 1);
	assert_int_equal(disk_ops, ops);
	close_it();
}

/* Row URG-13. */
static void short_writes_and_reads_are_continued(void **state)
{
	(void)state;
	start_over();
	disk_rules.short_io = true;
	open_ready();
	for (unsigned i = 0; i < 12; i++)
		append_and_commit(4 + i * 9001);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	check_promises();
	assert_int_equal(ledger.damages, 0);
	close_it();
}

static void records_fill_blocks_and_segments_and_keep_their_order(void **state)
{
	uint64_t seed = 5;

	(void)state;
	start_over();
	open_ready();
	for (unsigned i = 0; i < 60; i++)
		append_and_commit(4 + (uint32_t)(test_random(&seed) % (JOURNAL_RECORD_MAX - 3)));
	assert_true(journal_usage(ledger.j).segments >= 3);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.replayed, 60);
	assert_int_equal(ledger.damages, 0);
	close_it();
}

/* Every rest of a block that a next record may find. */
static void every_way_to_meet_the_end_of_a_block_works(void **state)
{
	(void)state;
	for (uint32_t rest = 0; rest <= 72; rest += 8) {
		start_over();
		open_ready();
		const uint32_t room = (uint32_t)JOURNAL_BLOCK - JOURNAL_HEAD_SIZE - rest;
		const uint32_t first = room / 2 & ~7u;

		assert_int_equal(append(first - JOURNAL_RECORD_HEADER), 0);
		assert_int_equal(append(room - first - JOURNAL_RECORD_HEADER), 0);
		assert_int_equal(ledger.j->open->fill, JOURNAL_BLOCK - rest);
		if (rest % 16 == 0) {
			commit();
			disk_run();
		}
		assert_int_equal(append(16), 0);
		assert_int_equal(ledger.j->open->index, rest >= 40 ? 0 : 1);
		commit();
		disk_run();
		restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
		assert_int_equal(ledger.replayed, 3);
		assert_int_equal(ledger.damages, 0);
		close_it();
	}
}

static void too_long_a_record_is_refused(void **state)
{
	(void)state;
	start_over();
	open_ready();
	assert_int_equal(append(JOURNAL_RECORD_MAX), 0);
	assert_int_equal(append(JOURNAL_RECORD_MAX + 1), -EMSGSIZE);
	close_it();
}

/* --- memory ----------------------------------------------------------------------------------- */

static unsigned room_calls;

static void on_room(struct journal_waiter *waiter, int err)
{
	(void)waiter;
	assert_int_equal(err, 0);
	room_calls++;
}

static void without_a_block_one_waits_and_is_called(void **state)
{
	struct journal_waiter waiter = { .fn = on_room };
	int r;

	(void)state;
	start_over();
	open_with(4 * JOURNAL_BLOCK);
	while ((r = append(500000)) == 0)
		assert_true(ledger.next < 20);
	assert_int_equal(r, -ENOBUFS);
	room_calls = 0;
	list_init(&waiter.node);
	journal_wait_room(ledger.j, &waiter);
	assert_int_equal(room_calls, 0);
	disk_run();			/* written although nobody waits for it */
	assert_int_equal(room_calls, 1);
	assert_int_equal(append(500000), 0);
	commit();
	disk_run();
	assert_int_equal(ledger.last_err, 0);
	journal_wait_room(ledger.j, &waiter);
	journal_wait_cancel(&waiter);
	disk_run();
	assert_int_equal(room_calls, 1);
	close_it();
}

static void what_is_pinned_stays_and_the_rest_is_reused(void **state)
{
	const char *pinned;

	(void)state;
	start_over();
	open_with(4 * JOURNAL_BLOCK);
	assert_int_equal(append(300000), 0);
	pinned = journal_pin(ledger.j, ledger.ref[1]);		/* before it is durable */
	assert_non_null(pinned);
	commit();
	disk_run();
	assert_int_equal(journal_room_percent(ledger.j), 75);
	for (unsigned i = 0; i < 12; i++)
		append_and_commit(500000);
	content_of(1, 300000, content);
	assert_memory_equal(pinned, content, 300000);
	assert_ptr_equal(journal_pin(ledger.j, ledger.ref[1]), pinned);
	assert_null(journal_pin(ledger.j, ledger.ref[3]));	/* long gone */
	journal_unpin(ledger.j, ledger.ref[1]);
	journal_unpin(ledger.j, ledger.ref[1]);
	for (unsigned i = 0; i < 12; i++)
		append_and_commit(500000);
	assert_null(journal_pin(ledger.j, ledger.ref[1]));
	close_it();
}

static unsigned reads_done;
static int read_err;
static uint32_t read_len;

static void on_read(struct journal_read *read, int err, struct slice payload)
{
	reads_done++;
	read_err = err;
	read_len = (uint32_t)payload.len;
	if (err == 0) {
		content_of(read->ref.segment == ledger.ref[1].segment ? 1 : 2, read->ref.len, content);
		assert_memory_equal(payload.ptr, content, read->ref.len);
	}
}

static void a_record_is_read_from_its_file_and_checked(void **state)
{
	static char buf[4096];
	struct journal_read read;
	struct journal_ref wrong;
	size_t size;

	(void)state;
	start_over();
	disk_rules.short_io = true;
	open_ready();
	append_and_commit(3001);
	reads_done = 0;
	journal_read(ledger.j, &read, ledger.ref[1], buf, on_read);
	assert_int_equal(reads_done, 0);
	disk_run();
	assert_int_equal(reads_done, 1);
	assert_int_equal(read_err, 0);
	assert_int_equal(read_len, 3001);
	wrong = ledger.ref[1];
	wrong.len -= 1;
	journal_read(ledger.j, &read, wrong, buf, on_read);
	disk_run();
	assert_int_equal(read_err, ERR_CORRUPT);
	wrong = ledger.ref[1];
	wrong.segment += 100;			/* what a hostile record may name */
	journal_read(ledger.j, &read, wrong, buf, on_read);
	assert_int_equal(reads_done, 2);
	disk_run();
	assert_int_equal(reads_done, 3);
	assert_int_equal(read_err, ERR_CORRUPT);
	wrong = ledger.ref[1];
	wrong.offset = UINT32_MAX - 100;
	journal_read(ledger.j, &read, wrong, buf, on_read);
	disk_run();
	assert_int_equal(read_err, ERR_CORRUPT);
	disk_find("0000000001.seg", &size)[ledger.ref[1].offset + 500] ^= 4;
	journal_read(ledger.j, &read, ledger.ref[1], buf, on_read);
	disk_run();
	assert_int_equal(read_err, ERR_CORRUPT);
	close_it();
}

/* --- segments --------------------------------------------------------------------------------- */

static void segments_go_in_order_and_are_recycled(void **state)
{
	uint32_t second;

	(void)state;
	start_over();
	open_ready();
	for (unsigned i = 0; i < 30; i++)
		append_and_commit(500000);
	second = ledger.ref[9].segment;
	assert_int_equal(ledger.ref[1].segment, 1);
	assert_int_equal(second, 2);
	for (unsigned id = 1; id <= 30; id++)
		if (ledger.ref[id].segment == second)
			end(id);
	disk_run();
	assert_int_equal(journal_usage(ledger.j).oldest_segment, 1);	/* holds keep the younger ones too */
	for (unsigned id = 1; id <= 30; id++)
		if (ledger.ref[id].segment == 1)
			end(id);
	disk_run();
	assert_int_equal(journal_usage(ledger.j).oldest_segment, 3);
	assert_true(disk_count() <= journal_usage(ledger.j).segments + JOURNAL_SPARES_MAX);
	for (unsigned i = 0; i < 100; i++) {
		append_and_commit(500000);
		end(ledger.next);
		end(ledger.next - 30);
		disk_run();
		assert_true(disk_count() <= 10);
	}
	assert_true(disk_ops_of[DISK_RENAME] >= 8);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.damages, 0);
	check_promises();
	close_it();
}

static void restarts_do_not_pile_up_segments(void **state)
{
	(void)state;
	start_over();
	open_ready();
	append_and_commit(100);
	for (unsigned i = 0; i < 20; i++) {
		restart((struct disk_choice){ DISK_KEEP_ALL, 0 });
		assert_int_equal(ledger.replayed, 1);
		assert_int_equal(ledger.damages, 0);
		assert_true(disk_count() <= 4);
	}
	close_it();
}

static void other_files_are_left_alone(void **state)
{
	static const char *const names[] = {
		"lock",           "0000000009.sega", "000000001.seg",     "0000000000.seg",
		"4294967295.seg", "00000000x1.seg",  "0000000003.damaged"
	};
	size_t size;

	(void)state;
	start_over();
	for (unsigned i = 0; i < ARRAY_LEN(names); i++)
		disk_create(names[i], 100);
	open_ready();
	append_and_commit(10);
	restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	assert_int_equal(ledger.replayed, 1);
	assert_int_equal(ledger.damages, 0);
	close_it();
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		assert_non_null(disk_find(names[i], &size));
		assert_int_equal(size, 100);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what is committed comes back after a crash", what_is_committed_comes_back_after_a_crash),
		CLAIM("a closed journal opens again without damage", a_closed_journal_opens_again_without_damage),
		CLAIM("one batch is one write and one sync for all waiters",
		      one_batch_is_one_write_and_one_sync_for_all_waiters),
		CLAIM("what comes during a commit leaves with the next",
		      what_comes_during_a_commit_leaves_with_the_next),
		CLAIM("a commit of nothing is answered and costs nothing",
		      a_commit_of_nothing_is_answered_and_costs_nothing),
		CLAIM("URG-13: short writes and reads are continued", short_writes_and_reads_are_continued),
		CLAIM("records fill blocks and segments and keep their order",
		      records_fill_blocks_and_segments_and_keep_their_order),
		CLAIM("every way to meet the end of a block works", every_way_to_meet_the_end_of_a_block_works),
		CLAIM("too long a record is refused", too_long_a_record_is_refused),
		CLAIM("without a block one waits, and is called", without_a_block_one_waits_and_is_called),
		CLAIM("what is pinned stays, and the rest is reused", what_is_pinned_stays_and_the_rest_is_reused),
		CLAIM("a record is read from its file and checked", a_record_is_read_from_its_file_and_checked),
		CLAIM("segments go in order and are recycled", segments_go_in_order_and_are_recycled),
		CLAIM("restarts do not pile up segments", restarts_do_not_pile_up_segments),
		CLAIM("other files are left alone", other_files_are_left_alone),
	};

	return cmocka_run_group_tests_name("core/journal", claims, NULL, NULL);
}
