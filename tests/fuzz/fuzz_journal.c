/* fuzz_journal.c - records and heads of a journal, written, broken, and read (row FZ-06)
 *
 * The input is a list of operations on the image of one small segment: append a record, begin a batch, flip a bit,
 * zero or move a sector, cut the file, write octets, forge a header with a good checksum. Then it is scanned as
 * opening scans it. Claims: what comes out is inside the image, in order and disjoint; unless something was forged,
 * each record is one that was written at that place, unaltered, and each one that nothing has touched comes out;
 * damage lies where something was touched.
 */
#include "core/crc.h"
#include "core/journal_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SEGMENT = 3, SALT = 77, IMAGE = 8192 + 24576, RECORDS_MAX = 256 };

struct image {
	uint8_t bytes[IMAGE];
	uint8_t pristine[IMAGE];	/* what was written, before anything broke it */
	uint32_t offsets[RECORDS_MAX];
	uint32_t lens[RECORDS_MAX];
	unsigned count;
	uint32_t end;
	uint32_t size;
	uint64_t batch;
	bool forged;
};

static struct image m;

static uint32_t take(struct slice *in, unsigned octets)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < octets; i++) {
		value = value << 8 | (in->len > 0 ? (uint8_t)in->ptr[0] : 0);
		slice_skip(in, MIN((size_t)1, in->len));
	}
	return value;
}

static void append(struct slice *in)
{
	const uint32_t len = take(in, 2) % 3000;
	const uint8_t type = (uint8_t)(take(in, 1) % JOURNAL_TYPE_USER_MAX + 1);
	const struct slice head = slice_head(*in, len);
	static const char filler[3000];
	const struct slice parts[2] = { head, slice_of(filler, len - head.len) };
	const struct journal_place place = { .segment = SEGMENT, .salt = SALT, .offset = m.end };

	if (m.end + journal_record_size(len) > IMAGE || m.count == RECORDS_MAX)
		return;
	const uint32_t wrote = journal_record_write(m.pristine + m.end, place, m.batch, type, parts, 2, len);

	memcpy(m.bytes + m.end, m.pristine + m.end, wrote);
	m.offsets[m.count] = m.end;
	m.lens[m.count++] = len;
	m.end += wrote;
}

/* A header of the input's choice, with a checksum that fits, wherever it wants. */
static void forge(struct slice *in)
{
	const uint32_t at = JOURNAL_HEAD_SIZE + take(in, 2) % (IMAGE - JOURNAL_HEAD_SIZE - 64) / 8 * 8;
	const uint32_t room = IMAGE - at - JOURNAL_RECORD_HEADER;
	uint32_t fields[6] = { 0, take(in, 3), SEGMENT, take(in, 1), 0, take(in, 4) };

	if (fields[1] % 4 != 0)
		fields[1] %= room;
	memcpy(m.bytes + at, fields, sizeof(fields));
	uint32_t crc = crc32c(SALT, &at, 4);

	crc = crc32c(crc, m.bytes + at + 4, JOURNAL_RECORD_HEADER - 4 + (size_t)MIN(fields[1], room));
	memcpy(m.bytes + at, &crc, 4);
	m.forged = true;
}

static void operate(struct slice *in)
{
	const uint32_t op = take(in, 1);
	uint32_t a;

	switch (op % 9) {
	case 0: case 1:
		append(in);
		break;
	case 2:
		m.batch += op / 9;
		break;
	case 3:
		a = take(in, 3) % (IMAGE * 8);
		m.bytes[a / 8] ^= (uint8_t)(1u << a % 8);
		break;
	case 4:
		memset(m.bytes + take(in, 1) % (IMAGE / 512) * 512, 0, 512);
		break;
	case 5:
		a = take(in, 1) % (IMAGE / 512);
		memmove(m.bytes + a * 512, m.bytes + take(in, 1) % (IMAGE / 512) * 512, 512);
		break;
	case 6:
		m.size = take(in, 2) % (IMAGE + 1);
		break;
	case 7:
		for (a = take(in, 2) % (IMAGE - 16); in->len > 0 && op % 2 == 0 && a % 16 != 15; a++)
			m.bytes[a] = (uint8_t)take(in, 1);
		break;
	default:
		forge(in);
		break;
	}
}

static int record_at(uint32_t offset)
{
	for (unsigned i = 0; i < m.count; i++)
		if (m.offsets[i] == offset)
			return (int)i;
	return -1;
}

static bool is_touched(uint32_t from, uint32_t to)
{
	return to > m.size || memcmp(m.bytes + from, m.pristine + from, to - from) != 0;
}

static bool record_is_whole(unsigned i)
{
	return !is_touched(m.offsets[i], m.offsets[i] + JOURNAL_RECORD_HEADER + m.lens[i]);
}

static void check_item(const struct journal_item *item, uint32_t from, uint32_t limit)
{
	const struct journal_found *f = &item->found;

	ASSERT(f->offset >= from);
	if (item->kind == JOURNAL_ITEM_DAMAGE) {
		ASSERT(f->len > 0 && f->offset + f->len <= MAX(limit, m.size + 8));
		ASSERT(m.forged || is_touched(f->offset, MIN(f->offset + f->len, m.size + 1)));
		return;
	}
	ASSERT(f->type >= 1 && f->type <= JOURNAL_TYPE_USER_MAX);
	ASSERT(f->offset % 8 == 0 && f->offset + JOURNAL_RECORD_HEADER + f->len <= m.size);
	ASSERT((const uint8_t *)f->payload.ptr == m.bytes + f->offset + JOURNAL_RECORD_HEADER);
	const int i = record_at(f->offset);

	ASSERT(m.forged || (i >= 0 && record_is_whole((unsigned)i)));
}

static void scan(uint32_t limit)
{
	struct journal_scan s;
	struct journal_item item;
	uint32_t from = JOURNAL_HEAD_SIZE;
	unsigned found = 0;
	unsigned whole = 0;

	journal_scan_init(&s, SEGMENT, SALT);
	while (journal_scan_next(&s, m.bytes, 0, limit != 0 ? MIN(m.size, limit) : m.size, &item) > 0) {
		check_item(&item, from, limit);
		found += item.kind == JOURNAL_ITEM_RECORD;
		from = item.found.offset + item.found.len;
	}
	if (journal_scan_finish(&s, limit, &item) > 0)
		check_item(&item, from, limit);
	for (unsigned i = 0; i < m.count; i++)
		whole += record_is_whole(i);
	ASSERT(m.forged || found == whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct journal_head head = {
		.segment = SEGMENT, .prev = 2, .prev_end = 8192, .salt = SALT, .size = 4 * JOURNAL_BLOCK
	};
	struct journal_head read;

	memset(&m, 0, sizeof(m));
	journal_head_write(m.pristine, &head);
	memcpy(m.bytes, m.pristine, JOURNAL_HEAD_SIZE);
	m.end = JOURNAL_HEAD_SIZE;
	m.size = IMAGE;
	while (in.len > 0)
		operate(&in);
	int r = journal_head_read(m.bytes, m.size, SEGMENT, &read);

	ASSERT(r <= 0 || (read.segment == SEGMENT && read.prev == 2 && read.salt == SALT));
	ASSERT(r == 2 || is_touched(0, JOURNAL_HEAD_SIZE));
	scan(0);
	scan(m.end);
	return 0;
}
