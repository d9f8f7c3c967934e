#include "tests/test.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "tests/unit/net/source/spool_world.h"

static void start(void)
{
	world_start(1);
	world_open_ready();
}

static void end(void)
{
	world_close();
}

static const struct spool_message *first_message(void)
{
	return list_entry(world.spool->journals[0]->live.next, struct spool_message, node);
}

static void accepts_only_what_is_durable(void **state)
{
	(void)state;
	start();
	const unsigned n = world_inject(5000, 3, "a.test");

	assert_int_equal(world_messages[n].state, WORLD_ASKED);
	assert_int_equal(world.accepted, 0);
	while (world.accepted == 0) {
		const unsigned syncs = disk_ops_of[DISK_FDATASYNC];

		assert_true(world_turn());
		if (world.accepted > 0)
			assert_true(disk_ops_of[DISK_FDATASYNC] > syncs);
	}
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world_open_ready();
	world_check();
	world_drain();
	assert_int_equal(world.duplicates, 0);
	end();
}

static void drafts_leave_no_trace(void **state)
{
	struct spool_draft *draft;
	const struct slice part = SLICE("text\r\n");

	(void)state;
	start();
	assert_int_equal(spool_message_begin(world.spool, &draft), 0);
	assert_int_equal(spool_message_write(draft, &part, 1), 0);
	spool_message_abort(&draft);
	assert_null(draft);
	spool_message_abort(&draft);
	assert_int_equal(spool_message_begin(world.spool, &draft), 0);
	assert_int_equal(spool_message_write(draft, &part, 1), 0);
	world_settle();
	assert_int_equal(spool_usage(world.spool).messages, 1);
	end();
	world_open_ready();
	assert_int_equal(spool_usage(world.spool).messages, 0);
	end();
}

static void the_limit_is_told(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 64; i++) {
		assert_true(world_inject(10, 1, "a.test") > 0);
		world_settle();
	}
	assert_int_equal(world_inject(10, 1, "a.test"), 0);
	assert_int_equal(world.last_refusal, -ENOBUFS);
	assert_int_equal(spool_accepts(world.spool), -ENOBUFS);
	world_drain();
	assert_int_equal(spool_accepts(world.spool), 0);
	assert_int_equal(world.removed, 64);
	end();
}

static void recipients_are_grouped(void **state)
{
	(void)state;
	start();
	world_inject(10, WORLD_RCPTS, "%");	/* domains in two spellings, three destinations */
	world_settle();
	const struct spool_message *m = first_message();
	unsigned jobs = 0;
	uint32_t next = 0;

	for (const struct spool_job *job = m->jobs; job != NULL; job = job->next) {
		assert_int_equal(job->job.first, next);
		next += job->job.count;
		jobs++;
	}
	assert_int_equal(next, WORLD_RCPTS);
	assert_int_equal(jobs, 3);
	world_drain();
	end();
}

/* Case 583. */
static void many_recipients_are_several_jobs(void **state)
{
	uint32_t next = 0;
	unsigned jobs = 0;

	(void)state;
	start();
	world.job_rcpts = 2;
	world_inject(10, 7, "one.test");
	world_settle();
	for (const struct spool_job *job = first_message()->jobs; job != NULL; job = job->next, jobs++) {
		assert_int_equal(job->job.first, next);
		assert_int_equal(job->job.count, next < 6 ? 2 : 1);
		assert_int_equal(job->open, job->job.count);
		assert_true(slice_eq(job->job.nexthop, SLICE("one.test")));
		next += job->job.count;
	}
	assert_int_equal(next, 7);
	assert_int_equal(jobs, 4);
	assert_int_equal(first_message()->jobs_offered, 4);
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world.job_rcpts = 3;		/* somebody has changed smtp_destination_recipient_limit */
	world_open_ready();
	world_settle();
	assert_int_equal(first_message()->jobs_offered, 3);
	world_drain();
	end();
}

/* --- content ------------------------------------------------------------------------------------------------------ */

static void large_bodies_come_in_windows(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 10; i++) {
		world_inject(1000000 + i, 1, "a.test");
		world_settle();
	}
	assert_int_equal(world.accepted, 10);
	world_drain();
	assert_true(world.reads > 100);		/* four blocks of memory are never pinned */
	end();
	world_start(1);
	world.journal_memory = 20 * JOURNAL_BLOCK;
	world_open_ready();
	world_inject(1000000, 1, "a.test");
	world_settle();
	world_drain();
	assert_int_equal(world.reads, 0);	/* twenty are, and hold one megabyte */
	end();
}

/* One window for all who begin and one for all who go on: whoever holds one does not wait for another. */
static void windows_are_scarce(void **state)
{
	(void)state;
	world_start(1);
	world.read_memory = 2 * SPOOL_READ_MAX;
	world_open_ready();
	for (unsigned i = 0; i < 10; i++) {
		world_inject(1000000 + i, 1, "a.test");
		world_settle();
	}
	world_drain();
	assert_true(world.reads > 100);
	end();
}

static void a_message_without_content_is_one(void **state)
{
	(void)state;
	start();
	world_inject(0, 1, "a.test");
	world_settle();
	end();
	world_open_ready();
	world_check();
	world_drain();
	assert_int_equal(world.removed, 1);
	end();
}

static void recipients(uint32_t count)
{
	start();
	const unsigned n = world_inject(100, count, "a-destination-with-a-name-of-some-length.example.test");

	world_settle();
	for (unsigned i = 0; i < 100 && world_messages[n].state == WORLD_ASKED; i++)
		world_pass(NS_PER_MS);
	assert_int_equal(world_messages[n].state, WORLD_ACCEPTED);
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world_open_ready();
	world_check();
	assert_int_equal(spool_usage(world.spool).recipients_open, count);
	world_drain();
	assert_int_equal(world.removed, 1);
	end();
}

static void envelopes_in_parts_come_back(void **state)
{
	(void)state;
	recipients(20000);
}

static void the_largest_envelope_comes_back(void **state)
{
	(void)state;
	recipients(MESSAGE_RCPTS_MAX);
}

static void envelopes_in_parts_take_turns(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < WORLD_DRAFTS; i++)
		world_inject(100, 20000, "a-destination-with-a-name-of-some-length.example.test");
	world_settle();
	for (unsigned i = 0; i < 100 && world.accepted < WORLD_DRAFTS; i++)
		world_pass(NS_PER_MS);
	assert_int_equal(world.accepted, WORLD_DRAFTS);
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world_open_ready();
	world_check();
	assert_int_equal(spool_usage(world.spool).recipients_open, 20000 * WORLD_DRAFTS);
	world_drain();
	end();
}

/* --- damage ------------------------------------------------------------------------------------------------------- */

static struct journal_ref place_of(unsigned n)
{
	const struct spool_message *m = spool_message_find(world.spool, world_messages[n].id);

	assert_non_null(m);
	return m->fragments[0];
}

/* Flips one bit of the content on the disk. */
static void damage(struct journal_ref ref)
{
	char name[32];
	size_t size;

	snprintf(name, sizeof(name), "%010u.seg", ref.segment);
	uint8_t *bytes = disk_find(name, &size);

	assert_non_null(bytes);
	bytes[ref.offset + JOURNAL_RECORD_HEADER + SPOOL_CONTENT_HEAD] ^= 1;
}

static bool is_kept_aside(void)
{
	for (unsigned i = 0; i < disk_count(); i++)
		if (strstr(disk_name(i), ".damaged") != NULL)
			return true;
	return false;
}

static void damaged_content_is_kept_aside(void **state)
{
	unsigned n;

	(void)state;
	start();
	world_inject(900, 1, "a.test");
	world_settle();
	n = world_inject(1000, 2, "a.test");
	world_settle();
	world_inject(1100, 1, "b.test");
	world_settle();
	end();
	world_open_ready();
	damage(place_of(n));
	world_drain();				/* the others, octet by octet */
	assert_int_equal(world.corrupt, 1);
	assert_int_equal(world.error_lines, 1);
	assert_false(world_messages[n].rcpts[0].told);
	assert_int_equal(world_messages[n].rcpts[0].delivered, 0);
	end();
	world_open_ready();			/* nobody tries it again */
	assert_int_equal(spool_usage(world.spool).messages, 0);
	end();
	assert_true(is_kept_aside());
}

static void damage_found_at_start_is_kept_aside(void **state)
{
	unsigned n;

	(void)state;
	start();
	n = world_inject(1000, 2, "a.test");
	world_settle();
	world_inject(1100, 1, "b.test");
	world_settle();
	const struct journal_ref ref = place_of(n);

	end();
	damage(ref);
	world_open_ready();
	world_drain();
	assert_int_equal(world.corrupt, 1);
	assert_int_equal(world_messages[n].rcpts[0].delivered, 0);
	end();
	world_open_ready();
	assert_int_equal(spool_usage(world.spool).messages, 0);
	end();
	assert_true(is_kept_aside());
}

/* Written by somebody who is no listener of ours: not to be seen before the next life, and then at any place of it,
 * whether it is read back or was moved meanwhile and is in memory. */
static void an_old_message_that_is_none_is_bounced(void **state)
{
	static const struct slice odd[] = {
		SLICE("\0"), SLICE("x\ry"), SLICE("x\ny"), SLICE("\r\n.\r\nMAIL FROM:<>\r\n"), SLICE("\n.\nx"), SLICE("\r.\rx"),
		SLICE("\r\n.\rx"), SLICE("\n.\r\n"), SLICE("\r\n.\0\r\n"),
	};
	static const uint32_t places[] = { 3, 999, 16383, 17000, 39950 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(odd); i++) {
		world_start(1);
		world.odd_in = 2;
		world.odd = odd[i];
		world.odd_at = places[i % ARRAY_LEN(places)];
		world_open_ready();
		world_inject(1000, 1, "a.test");
		world_settle();
		const unsigned n = world_inject(40000, 2, "a.test");

		world_settle();
		world_inject(1100, 1, "b.test");
		world_settle();
		end();
		world_open_ready();
		for (unsigned k = 0; i % 2 == 1 && k < 40; k++)
			world_pass(SPOOL_TEND_NS);
		world_drain();
		assert_int_equal(world.unfit, 2);
		assert_int_equal(world.corrupt, 0);
		assert_int_equal(world_messages[n].rcpts[0].delivered, 0);
		assert_true(world_messages[n].rcpts[0].told && world_messages[n].rcpts[1].told);
		end();
	}
}

/* --- the disk fails ----------------------------------------------------------------------------------------------- */

/* Case 570: where Postfix defers a recipient whose bounce cannot be recorded, our outcomes wait, bounces among them,
 * until they are on disk, and nobody hears of them before; a crash until then leaves the recipient to be tried
 * again. */
static void a_failed_sync_refuses_and_settles_later(void **state)
{
	unsigned n;

	(void)state;
	start();
	for (unsigned i = 0; i < 5; i++) {
		world_inject(2000, 2, "a.test");
		world_settle();
	}
	assert_int_equal(world.accepted, 5);
	disk_rules.fail[DISK_FDATASYNC].at = disk_ops_of[DISK_FDATASYNC] + 1;
	disk_rules.fail[DISK_FDATASYNC].err = -EIO;
	n = world_inject(2000, 2, "a.test");
	world_settle();
	assert_int_equal(world_messages[n].state, WORLD_REFUSED);
	assert_int_equal(world.last_refusal, -EIO);
	for (unsigned i = 0; i < 20; i++) {
		disk_rules.fail[DISK_FDATASYNC].at = disk_ops_of[DISK_FDATASYNC] + 3;
		world_live(50, 0);
	}
	disk_rules = (struct disk_rules){ 0 };
	world_drain();
	assert_int_equal(world.removed, 5);
	end();
	world_open_ready();
	assert_int_equal(spool_usage(world.spool).messages, 0);
	end();
}

static void a_full_disk_refuses_and_delivers(void **state)
{
	unsigned accepted;

	(void)state;
	start();
	disk_rules.no_space = true;
	while (world.last_refusal != -ENOSPC) {
		assert_true(world.messages < 60);
		world_inject(500000, 1, "a.test");
		world_settle();
		world_pass(NS_PER_MS);
	}
	accepted = world.accepted;
	assert_true(accepted > 3);
	assert_int_equal(spool_accepts(world.spool), -ENOSPC);
	world_drain();				/* row OSR-01: outcomes find room in the reserve */
	assert_int_equal(world.removed, accepted);
	disk_rules.no_space = false;
	for (unsigned i = 0; i < 10; i++)
		world_pass(NS_PER_SEC);
	assert_int_equal(spool_accepts(world.spool), 0);
	world_inject(1000, 1, "a.test");
	world_settle();
	assert_int_equal(world.accepted, accepted + 1);
	world_drain();
	end();
}

/* --- clocks ------------------------------------------------------------------------------------------------------- */

#define YEAR_NS		((int64_t)(365 * 86400 * NS_PER_SEC))

/* One message that is deferred, 2400 s old. */
static void start_with_one_deferred(void)
{
	world_start(1);
	world_open_ready();
	world_inject(100, 1, "deaf.test");
	world_settle();
	for (unsigned i = 0; i < 40; i++)	/* IDS and BEGIN records tell the time */
		world_pass(60 * NS_PER_SEC);
	world.percent_deferred_job = 100;
	while (first_message()->jobs->attempts == 0)
		world_live(10, 0);
}

static uint64_t age_s(void)
{
	return (reactor_queue_now() - first_message()->msg.arrival_ns) / NS_PER_SEC;
}

/* Returns the age of the message afterwards, in seconds. */
static uint64_t restart_after(int64_t jump_ns)
{
	world_crash((struct disk_choice){ DISK_KEEP_ALL, 0 });
	reactor_self()->wall_ns += (uint64_t)jump_ns;
	world_open_ready();
	const struct spool_message *m = first_message();

	assert_true(m->jobs->attempts > 0);
	assert_true(m->jobs->due_ns > 0);
	assert_true(m->jobs->due_ns <= reactor_queue_now() + 300 * NS_PER_SEC);	/* as deferred */
	return age_s();
}

static void end_with_one_deferred(void)
{
	world.percent_deferred_job = 0;
	world_drain();
	world_close();
}

static uint64_t age_after_restart(int64_t jump_ns)
{
	start_with_one_deferred();
	const uint64_t age = restart_after(jump_ns);

	end_with_one_deferred();
	return age;
}

static void clock_jumps_neither_expire_nor_stall(void **state)
{
	(void)state;
	assert_in_range(age_after_restart(0), 2400, 2500);
	assert_in_range(age_after_restart((int64_t)(600 * NS_PER_SEC)), 3000, 3100);
	assert_in_range(age_after_restart(YEAR_NS), 2400 + 3500, 2400 + 3700);
	assert_in_range(age_after_restart(-YEAR_NS), 2400, 2500);
}

/* Row OSR-09: the first start after the jump must not leave it to the second one, with or without a word about the
 * message in between. */
static void a_clock_jump_counts_once_however_often_we_start(void **state)
{
	uint64_t age, again;

	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		start_with_one_deferred();
		age = restart_after(sign * YEAR_NS);
		for (unsigned i = 0; i < 20; i++) {
			if (i % 2 == 0)		/* attempts write BEGIN and DEFER */
				world_live(200, 0);
			for (unsigned n = 0; n < i; n++)
				world_pass(60 * NS_PER_SEC);
			const uint64_t before = age_s();

			again = restart_after(0);
			assert_in_range(again, age, before + 1);	/* what passed without a record may be lost */
			age = again;
		}
		assert_in_range(restart_after((int64_t)(600 * NS_PER_SEC)), age + 500, age + 1300);
		age = age_s();
		assert_in_range(restart_after(-sign * YEAR_NS), age, age + 3700);
		end_with_one_deferred();
	}
}

/* Row OSR-09: at run time a step of the wall clock is none of the queue's business. */
static void a_step_at_run_time_changes_no_age(void **state)
{
	(void)state;
	for (int sign = -1; sign <= 1; sign += 2) {
		start_with_one_deferred();
		const uint64_t age = age_s();

		reactor_self()->wall_ns += (uint64_t)(sign * YEAR_NS);
		world_pass(60 * NS_PER_SEC);
		world_live(200, 0);
		assert_in_range(age_s(), age + 60, age + 600);
		world_inject(100, 1, "a.test");
		world_settle();
		assert_true(reactor_queue_now() - list_entry(world.spool->journals[0]->live.prev, struct spool_message,
							    node)->msg.arrival_ns < 60 * NS_PER_SEC);
		assert_in_range(restart_after(0), age, age + 600 + 3700);
		end_with_one_deferred();
	}
}

static void ids_survive_a_clock_that_went_back(void **state)
{
	(void)state;
	start();				/* the ledger asserts that no id comes twice */
	for (unsigned i = 0; i < 30; i++) {
		world_inject(100, 1, "a.test");
		world_settle();
		if (i % 3 == 0)
			world_drain();
		world_crash((struct disk_choice){ DISK_KEEP_RANDOM, i });
		reactor_self()->wall_ns -= 86400 * NS_PER_SEC;
		world_open_ready();
	}
	world_drain();
	end();
}

/* --- what recovery may find --------------------------------------------------------------------------------------- */

static void too_much_is_refused_and_kept(void **state)
{
	const unsigned errors = world.error_lines;

	(void)state;
	start();
	for (unsigned i = 0; i < 40; i++) {
		world_inject(100, 1, "a.test");
		world_settle();
	}
	end();
	world.message_limit = 1;
	world_open();
	assert_true(world.ready);
	assert_int_equal(world.ready_err, -ENOBUFS);
	assert_int_equal(world.error_lines, errors + 1);
	end();
	world.message_limit = 40;
	world_open_ready();
	world_check();
	world_drain();
	assert_int_equal(world.removed, 40);
	end();
}

/* A record whose checksum is good, and whose content is chance or nearly right. */
static void append_nonsense(uint64_t *seed)
{
	struct journal *j = world.spool->journals[0]->journal;
	const struct spool_message *m = first_message();
	uint8_t bytes[200];
	struct journal_ref ref;
	const struct spool_retry retry = {
		.first = (uint32_t)test_random(seed) % 4, .count = 1 + (uint32_t)test_random(seed) % 3,
	};
	const size_t len = 8 + test_random(seed) % (sizeof(bytes) - 7);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)test_random(seed);
	if (test_random(seed) % 2 == 0)
		spool_write_defer(bytes, m->msg.id, &retry);	/* a message that exists */
	if (test_random(seed) % 2 == 0)
		spool_write_part_head(bytes, m->msg.id, (uint32_t)(len - MIN(len, SPOOL_PART_HEAD)), 0);
	const struct slice part = slice_of(bytes, len);

	/* Not the types which would be believed: the end of a recipient, of a message. */
	static const uint8_t types[] = {
		SPOOL_CONTENT, SPOOL_ENVELOPE, SPOOL_ENVELOPE_1, SPOOL_BEGIN, SPOOL_DEFER, SPOOL_IDS, 0x77, 250,
	};
	const uint8_t type = types[test_random(seed) % ARRAY_LEN(types)];

	assert_int_equal(journal_append(j, type, JOURNAL_END, &part, 1, &ref), 0);
}

static void nonsense_stops_nobody(void **state)
{
	uint64_t seed = 5;

	(void)state;
	start();
	for (unsigned i = 0; i < 5; i++) {
		world_inject(1000, 4, "a.test");
		world_settle();
		for (unsigned k = 0; k < 300; k++)
			append_nonsense(&seed);
	}
	world_inject(1000, 4, "a.test");
	world_settle();
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world_open_ready();
	world_check();
	assert_true(world.spool->journals[0]->bad_records > 500);
	world_drain();
	assert_int_equal(world.removed, 6);
	end();
}

/* --- the first format --------------------------------------------------------------------------------------------- */

/* What a release of the first format would have written for m, with addresses in wire form. */
static size_t write_envelope_1(uint8_t *dst, const struct spool_message *m, struct slice sender, struct slice rcpt)
{
	const struct spool_envelope_head head = {
		.id = m->msg.id, .arrival_ns = 1, .size = m->msg.size, .wire_size = m->msg.wire_size,
		.facts = m->msg.facts, .rcpt_count = 1, .fragment_count = m->fragment_count, .sender = sender,
	};
	uint8_t now[256];
	size_t len = SPOOL_ENVELOPE_1_HEAD;

	spool_write_envelope_head(now, &head);
	memcpy(dst, now, len);
	memcpy(dst + len, sender.ptr, sender.len);
	len += sender.len;
	spool_write_rcpt(now, &(struct rcpt_facts){ .addr = rcpt }, RCPT_OPEN, false);
	memcpy(dst + len, now, SPOOL_RCPT_1_HEAD);
	memcpy(dst + len + SPOOL_RCPT_1_HEAD, rcpt.ptr, rcpt.len);
	len += SPOOL_RCPT_1_HEAD + rcpt.len;
	for (uint32_t i = 0; i < m->fragment_count; i++)
		len += spool_write_fragment(dst + len, m->fragments[i]);
	return len;
}

/* Number 720: one of those that the world gives neither ENVID nor client nor anything for its first recipient. */
static void the_first_format_comes_back(void **state)
{
	uint8_t head[SPOOL_PART_HEAD], bytes[512];
	struct journal_ref ref;

	(void)state;
	start();
	world.messages = 719;
	world_inject(5000, 1, "a.test");
	world_settle();
	const struct spool_message *m = first_message();
	const size_t len = write_envelope_1(bytes, m, SLICE("\"n720\"@s.test"), SLICE("\"r0.72\\0\"@a.test"));
	const struct slice parts[] = { slice_of(head, sizeof(head)), slice_of(bytes, len) };

	spool_write_part_head(head, m->msg.id, (uint32_t)len, 0);
	assert_int_equal(journal_append(m->journal->journal, SPOOL_ENVELOPE_1, JOURNAL_END, parts, 2, &ref), 0);
	world_inject(1000, 1, "a.test");
	world_settle();
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world_open_ready();
	world_check();
	assert_int_equal(world.spool->journals[0]->bad_records, 0);
	m = first_message();
	assert_true(slice_eq(m->msg.sender, SLICE("n720@s.test")));
	assert_true(slice_eq(m->msg.rcpts[0].addr, SLICE("r0.720@a.test")));
	world_drain();
	assert_int_equal(world.removed, 2);
	end();
}

/* Its grammar is that of an envelope, but content that is written after it nobody of ours has seen. */
static void a_senseless_envelope_replaces_nothing(void **state)
{
	uint8_t head[SPOOL_PART_HEAD], bytes[512];
	struct journal_ref refs[8], ref;

	(void)state;
	start();
	world_inject(5000, 1, "a.test");
	world_settle();
	struct spool_message odd = *first_message();

	assert_in_range(odd.fragment_count, 1, ARRAY_LEN(refs));
	memcpy(refs, first_message()->fragments, odd.fragment_count * sizeof(refs[0]));
	refs[odd.fragment_count - 1].segment += 1000;
	odd.fragments = refs;
	const size_t len = write_envelope_1(bytes, &odd, SLICE("a@b.test"), SLICE("c@d.test"));
	const struct slice parts[] = { slice_of(head, sizeof(head)), slice_of(bytes, len) };

	spool_write_part_head(head, odd.msg.id, (uint32_t)len, 0);
	assert_int_equal(journal_append(odd.journal->journal, SPOOL_ENVELOPE_1, JOURNAL_END, parts, 2, &ref), 0);
	world_inject(1000, 1, "a.test");
	world_settle();
	world_crash((struct disk_choice){ DISK_KEEP_NONE, 0 });
	world_open_ready();
	world_check();
	assert_int_equal(world.spool->journals[0]->bad_records, 1);
	world_drain();
	assert_int_equal(world.removed, 2);
	end();
}

/* --- compaction --------------------------------------------------------------------------------------------------- */

static void an_old_message_does_not_keep_the_disk(void **state)
{
	unsigned old;
	uint64_t octets_max = 0;

	(void)state;
	start();
	world.percent_deferred_job = 100;
	old = world_inject(200000, 3, "deaf.test");
	world_settle();
	for (unsigned i = 0; i < 150; i++) {
		world_inject(400000, 1, "a.test");
		world_settle();
		world_live(30, 0);
		world_pass(SPOOL_TEND_NS);
		octets_max = MAX(octets_max, spool_usage(world.spool).journal_octets);
		if (i % 40 == 39) {
			world_crash((struct disk_choice){ DISK_KEEP_RANDOM, i });
			world_open_ready();
			world_check();
		}
	}
	assert_true(metric_read(&spool_metric_moved) > 5);
	print_message("60 MB went through; at most %llu octets on disk\n", (unsigned long long)octets_max);
	assert_true(octets_max < 60 * 1000 * 1000 / 2);
	world.percent_deferred_job = 0;
	world_drain();
	assert_true(world_messages[old].rcpts[0].told && world_messages[old].rcpts[2].told);
	end();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest claims[] = {
		CLAIM("P1: accepted means durable, and comes back after a crash", accepts_only_what_is_durable),
		CLAIM("a draft that is aborted or left leaves no trace", drafts_leave_no_trace),
		CLAIM("the message limit is told, and lifted", the_limit_is_told),
		CLAIM("recipients of one destination are one job", recipients_are_grouped),
		CLAIM("when they are many they are several jobs (case 583)", many_recipients_are_several_jobs),
		CLAIM("large bodies come in windows, also from disk", large_bodies_come_in_windows),
		CLAIM("large bodies at the same time get on with two windows for all of them", windows_are_scarce),
		CLAIM("a message without content is delivered", a_message_without_content_is_one),
		CLAIM("an envelope of 20,000 recipients comes back", envelopes_in_parts_come_back),
		CLAIM("an envelope of 100,000 recipients comes back", the_largest_envelope_comes_back),
		CLAIM("envelopes in parts do not mix", envelopes_in_parts_take_turns),
		CLAIM("SMG-03, SMG-06: what a spool had when it was found is bounced if no listener would have taken it",
		      an_old_message_that_is_none_is_bounced),
		CLAIM("P4, SPL-04: content damaged while running is kept aside", damaged_content_is_kept_aside),
		CLAIM("P4, SPL-04: content found damaged at start is kept aside", damage_found_at_start_is_kept_aside),
		CLAIM("an envelope that makes no sense does not replace the one before",
		      a_senseless_envelope_replaces_nothing),
		CLAIM("SPL-07, case 570: a failed sync refuses new mail, and no outcome is lost",
		      a_failed_sync_refuses_and_settles_later),
		CLAIM("OSR-01: a full disk refuses new mail and delivers the old", a_full_disk_refuses_and_delivers),
		CLAIM("OSR-09: a clock that jumps neither expires nor stalls", clock_jumps_neither_expire_nor_stall),
		CLAIM("OSR-09: a jump counts once, however often we start", a_clock_jump_counts_once_however_often_we_start),
		CLAIM("OSR-09: a step at run time changes no age", a_step_at_run_time_changes_no_age),
		CLAIM("SPL-10: ids are new whatever the clock does", ids_survive_a_clock_that_went_back),
		CLAIM("a spool that holds more than fits is refused, and kept", too_much_is_refused_and_kept),
		CLAIM("SPL-06: records that make no sense stop nobody", nonsense_stops_nobody),
		CLAIM("SPL-12: a message of the first format comes back, its addresses in internal form",
		      the_first_format_comes_back),
		CLAIM("an old message does not keep the disk full", an_old_message_does_not_keep_the_disk),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("net/source/spool", claims, NULL, NULL);
}
