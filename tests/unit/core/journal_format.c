#include "tests/test.h"

#include "core/crc.h"
#include "core/journal_format.h"

enum { SEGMENT = 7, SALT = 0x5a17, RECORDS = 9, IMAGE = 8192 + 4096 };

/* A small segment: head, RECORDS records in three batches, then zeros. */
struct image {
	uint8_t bytes[IMAGE];
	uint32_t end;
	uint32_t offsets[RECORDS];
	uint32_t lens[RECORDS];
};

static const uint32_t record_lens[RECORDS] = { 0, 1, 7, 8, 9, 100, 64, 777, 30 };
static uint8_t content[1024];

static struct journal_place place_at(uint32_t offset)
{
	return (struct journal_place){ .segment = SEGMENT, .salt = SALT, .offset = offset };
}

static void image_make(struct image *m)
{
	const struct journal_head head = { .segment = SEGMENT, .prev = 6, .prev_end = 9000, .salt = SALT, .batch = 20,
					   .size = 4 * JOURNAL_BLOCK };
	uint64_t seed = 1;

	for (size_t i = 0; i < sizeof(content); i++)
		content[i] = (uint8_t)test_random(&seed);
	memset(m, 0, sizeof(*m));
	journal_head_write(m->bytes, &head);
	m->end = JOURNAL_HEAD_SIZE;
	for (unsigned i = 0; i < RECORDS; i++) {
		const struct slice parts[2] = { slice_of(content, record_lens[i] / 2),
						slice_of(content + record_lens[i] / 2,
							 record_lens[i] - record_lens[i] / 2) };

		m->offsets[i] = m->end;
		m->lens[i] = record_lens[i];
		m->end += journal_record_write(m->bytes + m->end, place_at(m->end), 20 + i / 3, (uint8_t)(i + 1),
					       parts, 2, record_lens[i]);
	}
}

struct seen {
	unsigned records;
	bool has[RECORDS];
	unsigned damages;
	uint32_t damaged_from;
	uint32_t damaged_to;
};

/* Everything that comes out has to be exactly what went in, and in order. */
static void take(const struct image *m, const struct journal_item *item, struct seen *seen)
{
	const struct journal_found *f = &item->found;

	if (item->kind == JOURNAL_ITEM_DAMAGE) {
		seen->damaged_from = seen->damages == 0 ? f->offset : seen->damaged_from;
		seen->damaged_to = f->offset + f->len;
		seen->damages++;
		return;
	}
	for (unsigned i = 0; i < RECORDS; i++) {
		if (f->offset != m->offsets[i])
			continue;
		assert_int_equal(f->len, m->lens[i]);
		assert_int_equal(f->type, i + 1);
		assert_int_equal(f->batch, 20 + i / 3);
		assert_memory_equal(f->payload.ptr, content, f->len);
		assert_false(seen->has[i]);
		for (unsigned k = i; k < RECORDS; k++)
			assert_false(seen->has[k]);
		seen->has[i] = true;
		seen->records++;
		return;
	}
	fail_msg("a record at %u, where none was written", f->offset);
}

/* Scans len octets of bytes, which stand where the image m stood. */
static void scan(const struct image *m, const uint8_t *bytes, size_t len, uint32_t limit, struct seen *ret_seen)
{
	struct journal_scan s;
	struct journal_item item;

	*ret_seen = (struct seen){ 0 };
	journal_scan_init(&s, SEGMENT, SALT);
	while (journal_scan_next(&s, bytes, 0, limit != 0 ? MIN(len, limit) : len, &item) > 0)
		take(m, &item, ret_seen);
	if (journal_scan_finish(&s, limit, &item) > 0)
		take(m, &item, ret_seen);
}

static void what_is_written_is_read(void **state)
{
	static struct image m;
	struct journal_head head;
	struct seen seen;

	(void)state;
	image_make(&m);
	assert_int_equal(journal_head_read(m.bytes, sizeof(m.bytes), SEGMENT, &head), 2);
	assert_int_equal(head.segment, SEGMENT);
	assert_int_equal(head.prev, 6);
	assert_int_equal(head.prev_end, 9000);
	assert_int_equal(head.salt, SALT);
	assert_int_equal(head.batch, 20);
	assert_int_equal(head.size, 4 * JOURNAL_BLOCK);
	scan(&m, m.bytes, sizeof(m.bytes), 0, &seen);
	assert_int_equal(seen.records, RECORDS);
	assert_int_equal(seen.damages, 0);
	scan(&m, m.bytes, sizeof(m.bytes), m.end, &seen);
	assert_int_equal(seen.records, RECORDS);
	assert_int_equal(seen.damages, 0);
}

/* Which octets of the image does a checksum cover? The zeros behind a payload and between the heads are nobody's. */
static int covered_by(const struct image *m, uint32_t offset)
{
	for (int i = 0; i < RECORDS; i++)
		if (offset >= m->offsets[i] && offset < m->offsets[i] + JOURNAL_RECORD_HEADER + m->lens[i])
			return i;
	return -1;
}

/* Row SPL-04. The record that was hit is gone and reported, all others are there. */
static void each_flipped_bit_costs_its_own_record_and_is_reported(void **state)
{
	static struct image m;
	struct seen seen;

	(void)state;
	image_make(&m);
	for (uint32_t bit = JOURNAL_HEAD_SIZE * 8; bit < m.end * 8; bit++) {
		const int hit = covered_by(&m, bit / 8);

		m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		scan(&m, m.bytes, m.end, m.end, &seen);
		m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(seen.records, hit < 0 ? RECORDS : RECORDS - 1);
		assert_int_equal(seen.damages, hit < 0 ? 0 : 1);
		if (hit < 0)
			continue;
		assert_false(seen.has[hit]);
		assert_int_equal(seen.damaged_from, m.offsets[hit]);
		assert_int_equal(seen.damaged_to, m.offsets[hit] + journal_record_size(m.lens[hit]));
	}
}

static void each_flipped_bit_of_a_head_costs_one_copy(void **state)
{
	static struct image m;
	struct journal_head head;

	(void)state;
	image_make(&m);
	for (uint32_t bit = 0; bit < JOURNAL_HEAD_SIZE * 8; bit++) {
		const bool covered = bit / 8 % JOURNAL_HEAD_COPY < JOURNAL_HEAD_LEN;

		m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(journal_head_read(m.bytes, sizeof(m.bytes), SEGMENT, &head), covered ? 1 : 2);
		assert_int_equal(head.segment, SEGMENT);
		assert_int_equal(head.prev_end, 9000);
		m.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* Row SPL-05. With a known end the missing part is damage, without one it is a tail. */
static void truncation_at_every_octet_keeps_what_is_whole(void **state)
{
	static struct image m;
	struct seen seen;

	(void)state;
	image_make(&m);
	for (uint32_t len = 0; len <= m.end; len++) {
		unsigned whole = 0;

		while (whole < RECORDS && m.offsets[whole] + JOURNAL_RECORD_HEADER + m.lens[whole] <= len)
			whole++;
		scan(&m, m.bytes, len, 0, &seen);
		assert_int_equal(seen.records, whole);
		assert_int_equal(seen.damages, 0);
		scan(&m, m.bytes, len, m.end, &seen);
		assert_int_equal(seen.records, whole);
		assert_int_equal(seen.damages, whole < RECORDS ? 1 : 0);
	}
}

/* Row SPL-04: zeroed, duplicated and swapped sectors; SPL-02: any sector may still be the old one. */
static void misplaced_sectors_never_bring_a_record_twice_or_elsewhere(void **state)
{
	static struct image m;
	static uint8_t bytes[IMAGE];
	const unsigned first = JOURNAL_HEAD_SIZE / 512;
	const unsigned count = IMAGE / 512;
	struct seen seen;

	(void)state;
	image_make(&m);
	for (unsigned a = first; a < count; a++) {
		memcpy(bytes, m.bytes, IMAGE);
		memset(bytes + a * 512, 0, 512);
		scan(&m, bytes, IMAGE, m.end, &seen);
		assert_true(seen.records < RECORDS || a * 512 >= m.end);
		assert_true((seen.damages > 0) == (a * 512 < m.end));
		for (unsigned b = first; b < count; b++) {
			memcpy(bytes, m.bytes, IMAGE);
			memcpy(bytes + a * 512, m.bytes + b * 512, 512);
			scan(&m, bytes, IMAGE, m.end, &seen);
			memcpy(bytes + b * 512, m.bytes + a * 512, 512);
			scan(&m, bytes, IMAGE, m.end, &seen);
			assert_true(a != b || seen.records == RECORDS);
		}
	}
}

/* A recycled file holds good records of its former life (row SPL-10). */
static void records_of_another_segment_or_salt_or_place_are_nothing(void **state)
{
	static struct image m;
	struct journal_found found;
	const char *first = (const char *)m.bytes + JOURNAL_HEAD_SIZE;
	struct journal_place place = place_at(JOURNAL_HEAD_SIZE);

	(void)state;
	image_make(&m);
	assert_int_equal(journal_record_read(first, 100, place, &found), 0);
	place.segment++;
	assert_int_equal(journal_record_read(first, 100, place, &found), ERR_CORRUPT);
	place = place_at(JOURNAL_HEAD_SIZE);
	place.salt++;
	assert_int_equal(journal_record_read(first, 100, place, &found), ERR_CORRUPT);
	place = place_at(JOURNAL_HEAD_SIZE + 8);
	assert_int_equal(journal_record_read(first, 100, place, &found), ERR_CORRUPT);
}

static void another_format_is_told_from_damage(void **state)
{
	static struct image m;
	struct journal_head head;
	uint32_t format = JOURNAL_FORMAT + 1;

	(void)state;
	image_make(&m);
	memcpy(m.bytes + 12, &format, 4);
	/* one copy alone: a bad sector */
	assert_int_equal(journal_head_read(m.bytes, IMAGE, SEGMENT, &head), 1);
	memcpy(m.bytes + JOURNAL_HEAD_COPY + 12, &format, 4);
	/* both, summed another way */
	assert_int_equal(journal_head_read(m.bytes, IMAGE, SEGMENT, &head), ERR_VERSION);
	memset(m.bytes + JOURNAL_HEAD_COPY, 0, 64);
	assert_int_equal(journal_head_read(m.bytes, IMAGE, SEGMENT, &head), ERR_CORRUPT);

	const uint32_t crc = crc32c(0, m.bytes + 12, 52);

	memcpy(m.bytes + 8, &crc, 4);
	/* one, with a good sum */
	assert_int_equal(journal_head_read(m.bytes, IMAGE, SEGMENT, &head), ERR_VERSION);
}

static void a_head_that_was_never_written_is_no_damage(void **state)
{
	static struct image m;
	static uint8_t old[IMAGE];
	struct journal_head head = { .segment = 3 };

	(void)state;
	image_make(&m);
	for (size_t len = 0; len < JOURNAL_HEAD_LEN; len++)
		assert_int_equal(journal_head_read(m.bytes, len, SEGMENT, &head), 0);
	assert_int_equal(journal_head_read(old, IMAGE, SEGMENT, &head), 0);
	assert_int_equal(head.segment, 3);
	memcpy(old, m.bytes, IMAGE);
	assert_int_equal(journal_head_read(old, IMAGE, SEGMENT + 1, &head), 0);	/* recycled */
	head.segment = SEGMENT + 1;
	journal_head_write(m.bytes, &head);
	memcpy(old + JOURNAL_HEAD_COPY, m.bytes + JOURNAL_HEAD_COPY, 512);
	/* torn: one sector is still the old one */
	assert_int_equal(journal_head_read(old, IMAGE, SEGMENT + 1, &head), 1);
	assert_int_equal(head.segment, SEGMENT + 1);
	old[JOURNAL_HEAD_COPY + 9] ^= 1;
	assert_int_equal(journal_head_read(old, IMAGE, SEGMENT + 1, &head), ERR_CORRUPT);
}

/* Row SPL-06: mail that imitates records, in a place where the search passes over it, under a salt its author cannot
 * know. */
static void an_imitated_record_inside_a_damaged_one_is_not_found(void **state)
{
	static uint8_t bytes[IMAGE];
	uint8_t fake[64];
	struct slice part = slice_of(fake, 40);
	struct journal_scan s;
	struct journal_item item;
	const uint32_t at = JOURNAL_HEAD_SIZE;

	(void)state;
	journal_record_write(fake, (struct journal_place){ SEGMENT, 0, at + JOURNAL_RECORD_HEADER }, 20, 1,
			     &(struct slice){ "forged", 6 }, 1, 6);
	const uint32_t size = journal_record_write(bytes + at, place_at(at), 20, 1, &part, 1, 40);

	journal_record_write(bytes + at + size, place_at(at + size), 20, 2, NULL, 0, 0);
	bytes[at + 4] ^= 1;
	journal_scan_init(&s, SEGMENT, SALT);
	assert_int_equal(journal_scan_next(&s, bytes, 0, IMAGE, &item), 1);
	assert_int_equal(item.kind, JOURNAL_ITEM_DAMAGE);
	assert_int_equal(item.found.offset, at);
	assert_int_equal(item.found.len, size);
	assert_int_equal(journal_scan_next(&s, bytes, 0, IMAGE, &item), 1);
	assert_int_equal(item.found.type, 2);
	assert_int_equal(journal_scan_next(&s, bytes, 0, IMAGE, &item), 0);
}

/* A whole block of plausible headers, each with the longest payload, costs bounded work: this would take minutes. */
static void a_hostile_block_costs_no_more_than_its_budget(void **state)
{
	static uint8_t block[JOURNAL_BLOCK];
	struct journal_scan s;
	struct journal_item item;
	const uint32_t fields[5] = { 1, JOURNAL_RECORD_MAX - 64, SEGMENT, 30, 0 };

	(void)state;
	for (size_t i = 0; i + JOURNAL_RECORD_HEADER <= sizeof(block); i += JOURNAL_RECORD_HEADER) {
		memcpy(block + i, fields, sizeof(fields));
		block[i + 20] = 1;
	}
	journal_scan_init(&s, SEGMENT, SALT);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(journal_scan_next(&s, block, i * (uint32_t)JOURNAL_BLOCK, sizeof(block), &item), 0);
	assert_int_equal(journal_scan_finish(&s, 16 * (uint32_t)JOURNAL_BLOCK, &item), 1);
	assert_int_equal(item.found.offset, JOURNAL_HEAD_SIZE);
}

static void a_pad_ends_its_block_and_a_hole_reaches_into_the_next(void **state)
{
	static uint8_t blocks[2][JOURNAL_BLOCK];
	const uint32_t second = (uint32_t)JOURNAL_BLOCK;
	struct journal_scan s;
	struct journal_item item;
	uint32_t at = JOURNAL_HEAD_SIZE;

	(void)state;
	at += journal_record_write(blocks[0] + at, place_at(at), 1, 1, &(struct slice){ "abc", 3 }, 1, 3);
	const uint32_t pad = at;

	journal_record_write(blocks[0] + pad, place_at(pad), 1, JOURNAL_TYPE_PAD, NULL, 0, 0);
	journal_record_write(blocks[1], place_at(second), 1, 2, NULL, 0, 0);
	for (unsigned broken = 0; broken < 2; broken++) {
		blocks[0][pad] ^= (uint8_t)broken;
		journal_scan_init(&s, SEGMENT, SALT);
		assert_int_equal(journal_scan_next(&s, blocks[0], 0, JOURNAL_BLOCK, &item), 1);
		assert_int_equal(item.found.type, 1);
		assert_int_equal(journal_scan_next(&s, blocks[0], 0, JOURNAL_BLOCK, &item), 0);
		if (broken) {
			assert_int_equal(journal_scan_next(&s, blocks[1], second, JOURNAL_BLOCK, &item), 1);
			assert_int_equal(item.kind, JOURNAL_ITEM_DAMAGE);
			assert_int_equal(item.found.offset, pad);
			assert_int_equal(item.found.offset + item.found.len, second);
		}
		assert_int_equal(journal_scan_next(&s, blocks[1], second, JOURNAL_BLOCK, &item), 1);
		assert_int_equal(item.found.type, 2);
		assert_int_equal(journal_scan_next(&s, blocks[1], second, JOURNAL_BLOCK, &item), 0);
		assert_int_equal(journal_scan_finish(&s, second + JOURNAL_RECORD_HEADER, &item), 0);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what is written is read", what_is_written_is_read),
		CLAIM("SPL-04: each flipped bit costs its own record and is reported",
		      each_flipped_bit_costs_its_own_record_and_is_reported),
		CLAIM("SPL-04: each flipped bit of a head costs one copy", each_flipped_bit_of_a_head_costs_one_copy),
		CLAIM("SPL-05: truncation at every octet keeps what is whole",
		      truncation_at_every_octet_keeps_what_is_whole),
		CLAIM("SPL-04: misplaced sectors never bring a record twice or elsewhere",
		      misplaced_sectors_never_bring_a_record_twice_or_elsewhere),
		CLAIM("SPL-10: records of another segment, salt or place are nothing",
		      records_of_another_segment_or_salt_or_place_are_nothing),
		CLAIM("SPL-12: another format is told from damage", another_format_is_told_from_damage),
		CLAIM("a head that was never written is no damage", a_head_that_was_never_written_is_no_damage),
		CLAIM("SPL-06: an imitated record inside a damaged one is not found",
		      an_imitated_record_inside_a_damaged_one_is_not_found),
		CLAIM("SPL-06: a hostile block costs no more than its budget",
		      a_hostile_block_costs_no_more_than_its_budget),
		CLAIM("a pad ends its block, and a hole reaches into the next",
		      a_pad_ends_its_block_and_a_hole_reaches_into_the_next),
	};

	return cmocka_run_group_tests_name("core/journal_format", claims, NULL, NULL);
}
