#include "core/journal_format.h"

#include "core/crc.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are copied as they are");
static_assert(JOURNAL_RECORD_HEADER + JOURNAL_RECORD_MAX <= JOURNAL_BLOCK - JOURNAL_HEAD_SIZE,
	      "the largest record fits into every block");

struct head_bytes {
	uint8_t magic[8];
	uint32_t crc;
	uint32_t format;
	uint32_t segment;
	uint32_t prev;
	uint32_t prev_end;
	uint32_t salt;
	uint64_t batch;
	uint32_t size;
	uint32_t zero[5];
};

struct record_bytes {
	uint32_t crc;
	uint32_t len;
	uint32_t segment;
	uint32_t batch_low;	/* two halves: the field is not aligned to 8 */
	uint32_t batch_high;
	uint8_t type;
	uint8_t zero[3];
};

static_assert(sizeof(struct head_bytes) == JOURNAL_HEAD_LEN, "as drawn in the header");
static_assert(sizeof(struct record_bytes) == JOURNAL_RECORD_HEADER, "as drawn in the header");

static const uint8_t head_magic[8] = "rpJrnl\r\n";

static uint32_t head_crc(const struct head_bytes *h)
{
	return crc32c(0, &h->format, sizeof(*h) - offsetof(struct head_bytes, format));
}

void journal_head_write(void *area, const struct journal_head *head)
{
	struct head_bytes h = {
		.format = JOURNAL_FORMAT,
		.segment = head->segment,
		.prev = head->prev,
		.prev_end = head->prev_end,
		.salt = head->salt,
		.batch = head->batch,
		.size = head->size,
	};

	memcpy(h.magic, head_magic, sizeof(h.magic));
	h.crc = head_crc(&h);
	memset(area, 0, JOURNAL_HEAD_SIZE);
	memcpy(area, &h, sizeof(h));
	memcpy((char *)area + JOURNAL_HEAD_COPY, &h, sizeof(h));
}

/* What one copy of a head is. */
enum copy { COPY_BLANK, COPY_GOOD, COPY_OTHER, COPY_BAD, COPY_FOREIGN, COPY_FOREIGN_BAD };

static enum copy head_read_copy(const void *src, struct journal_head *ret_head)
{
	static const struct head_bytes blank;
	struct head_bytes h;

	memcpy(&h, src, sizeof(h));
	if (memcmp(&h, &blank, sizeof(h)) == 0)
		return COPY_BLANK;
	if (memcmp(h.magic, head_magic, sizeof(h.magic)) != 0)
		return COPY_BAD;
	if (h.format != JOURNAL_FORMAT)
		return h.crc == head_crc(&h) ? COPY_FOREIGN : COPY_FOREIGN_BAD;
	if (h.crc != head_crc(&h) || h.segment == 0 || h.prev >= h.segment || h.size > JOURNAL_SEGMENT_SIZE_MAX ||
	    h.prev_end > JOURNAL_SEGMENT_SIZE_MAX)
		return COPY_BAD;
	*ret_head = (struct journal_head){
		.segment = h.segment,
		.prev = h.prev,
		.prev_end = h.prev_end,
		.salt = h.salt,
		.batch = h.batch,
		.size = h.size,
	};
	return COPY_GOOD;
}

int journal_head_read(const void *area, size_t len, uint32_t segment, struct journal_head *ret_head)
{
	struct journal_head head;
	enum copy copies[2] = { COPY_BLANK, COPY_BLANK };
	unsigned counts[COPY_FOREIGN_BAD + 1] = { 0 };

	for (size_t i = 0; i < 2; i++) {
		if (len >= i * JOURNAL_HEAD_COPY + JOURNAL_HEAD_LEN)
			copies[i] = head_read_copy((const char *)area + i * JOURNAL_HEAD_COPY, &head);
		if (copies[i] == COPY_GOOD && head.segment != segment)
			copies[i] = COPY_OTHER;
		else if (copies[i] == COPY_GOOD)
			*ret_head = head;
		counts[copies[i]]++;
	}
	if (counts[COPY_GOOD] > 0)
		return (int)counts[COPY_GOOD];
	/* Another format may sum differently: two copies that agree on being foreign are believed. */
	if (counts[COPY_FOREIGN] > 0 || counts[COPY_FOREIGN_BAD] == 2)
		return ERR_VERSION;
	return counts[COPY_BAD] + counts[COPY_FOREIGN_BAD] > 0 ? ERR_CORRUPT : 0;
}

static uint32_t record_crc(const void *record, struct journal_place place, uint32_t len)
{
	uint32_t crc = crc32c(place.salt, &place.offset, sizeof(place.offset));

	return crc32c(crc, (const char *)record + 4, JOURNAL_RECORD_HEADER - 4 + (size_t)len);
}

uint32_t journal_record_write(void *dst, struct journal_place place, uint64_t batch, uint8_t type,
			      const struct slice *parts, unsigned count, uint32_t len)
{
	struct record_bytes h = {
		.len = len,
		.segment = place.segment,
		.batch_low = (uint32_t)batch,
		.batch_high = (uint32_t)(batch >> 32),
		.type = type,
	};
	const uint32_t size = journal_record_size(len);
	char *p = (char *)dst + sizeof(h);

	memcpy(dst, &h, sizeof(h));
	for (unsigned i = 0; i < count; i++) {
		if (parts[i].len == 0)
			continue;
		memcpy(p, parts[i].ptr, parts[i].len);
		p += parts[i].len;
	}
	ASSERT(p == (char *)dst + sizeof(h) + len);
	memset(p, 0, size - sizeof(h) - len);
	h.crc = record_crc(dst, place, len);
	memcpy(dst, &h.crc, sizeof(h.crc));
	return size;
}

int journal_record_read(const void *src, size_t room, struct journal_place place, struct journal_found *ret_found)
{
	struct record_bytes h;

	if (room < sizeof(h))
		return ERR_CORRUPT;
	memcpy(&h, src, sizeof(h));
	if (h.segment != place.segment || h.len > JOURNAL_RECORD_MAX || h.len > room - sizeof(h))
		return ERR_CORRUPT;
	if (h.type == 0 || h.type > JOURNAL_TYPE_MARK || (h.zero[0] | h.zero[1] | h.zero[2]) != 0)
		return ERR_CORRUPT;
	if (h.crc != record_crc(src, place, h.len))
		return ERR_CORRUPT;
	*ret_found = (struct journal_found){
		.batch = h.batch_low | (uint64_t)h.batch_high << 32,
		.offset = place.offset,
		.len = h.len,
		.type = h.type,
		.payload = slice_of((const char *)src + sizeof(h), h.len),
	};
	return 0;
}

void journal_scan_init(struct journal_scan *s, uint32_t segment, uint32_t salt)
{
	*s = (struct journal_scan){
		.end = JOURNAL_HEAD_SIZE,
		.place = { .segment = segment, .salt = salt, .offset = JOURNAL_HEAD_SIZE },
		.block = UINT32_MAX,
	};
}

/* Tries the place we are at, which has room octets. Inside holes each try that costs a checksum is paid from the
 * budget: a block made of nothing but plausible lengths would cost its square otherwise. */
static bool scan_try(struct journal_scan *s, const void *at, size_t room, struct journal_found *ret_found)
{
	struct record_bytes h;

	memcpy(&h, at, sizeof(h));
	if (h.segment != s->place.segment)
		return false;
	if (s->in_hole && h.len <= room) {
		const size_t cost = sizeof(h) + h.len;

		if (s->budget < cost) {
			s->budget = 0;
			return false;
		}
		s->budget -= cost;
	}
	if (journal_record_read(at, room, s->place, ret_found) < 0)
		return false;
	return ret_found->batch >= s->batch;
}

static void scan_begin_hole(struct journal_scan *s)
{
	if (s->in_hole)
		return;
	s->in_hole = true;
	s->hole = s->place.offset;
}

static int scan_damage(struct journal_scan *s, uint32_t end, struct journal_item *ret_item)
{
	*ret_item = (struct journal_item){
		.kind = JOURNAL_ITEM_DAMAGE,
		.found = { .offset = s->hole, .len = end - s->hole },
	};
	s->in_hole = false;
	return 1;
}

/* Takes what was found; true when it is something for the caller. */
static bool scan_accept(struct journal_scan *s, const struct journal_found *found, uint32_t block_end)
{
	if (s->records++ == 0 || s->batch != found->batch)
		s->batch_start = found->offset;
	s->batch = found->batch;
	s->place.offset += journal_record_size(found->len);
	s->end = s->place.offset;
	if (found->type == JOURNAL_TYPE_PAD)
		s->place.offset = block_end;
	return found->type <= JOURNAL_TYPE_USER_MAX;
}

/* The next place where a header may stand, or len: most of a hole is zeros, or of another segment. */
static uint32_t next_candidate(const void *block, uint32_t from, size_t len, uint32_t segment)
{
	const size_t field = offsetof(struct record_bytes, segment);
	size_t at = from;

	for (; at + JOURNAL_RECORD_HEADER <= len; at += 8) {
		uint32_t value;

		memcpy(&value, (const char *)block + at + field, sizeof(value));
		if (value == segment)
			break;
	}
	return (uint32_t)(at + JOURNAL_RECORD_HEADER <= len ? at : MAX((size_t)from, round_up(len, 8)));
}

int journal_scan_next(struct journal_scan *s, const void *block, uint32_t offset, size_t len,
		      struct journal_item *ret_item)
{
	const uint32_t block_end = offset + (uint32_t)JOURNAL_BLOCK;
	struct journal_found found;

	if (s->block != offset) {
		s->block = offset;
		s->budget = JOURNAL_SCAN_BUDGET;
	}
	if (s->place.offset < offset) {		/* the block before was cut short */
		scan_begin_hole(s);
		s->place.offset = offset;
	}
	while (s->place.offset < offset + len && block_end - s->place.offset >= JOURNAL_RECORD_HEADER) {
		const size_t room = offset + len - s->place.offset;
		const char *at = (const char *)block + (s->place.offset - offset);

		if (room >= JOURNAL_RECORD_HEADER && scan_try(s, at, room, &found)) {
			if (s->in_hole)
				return scan_damage(s, s->place.offset, ret_item);
			if (!scan_accept(s, &found, block_end))
				continue;
			*ret_item = (struct journal_item){ .kind = JOURNAL_ITEM_RECORD, .found = found };
			return 1;
		}
		scan_begin_hole(s);
		s->place.offset = offset + next_candidate(block, s->place.offset - offset + 8, len, s->place.segment);
	}
	if (block_end - s->place.offset < JOURNAL_RECORD_HEADER)
		s->place.offset = block_end;	/* not even a pad fits into such a rest */
	return 0;
}

int journal_scan_finish(struct journal_scan *s, uint32_t limit, struct journal_item *ret_item)
{
	if (limit == 0)
		return 0;
	scan_begin_hole(s);
	if (s->hole >= limit)
		return 0;
	return scan_damage(s, limit, ret_item);
}
