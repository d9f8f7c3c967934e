/* journal_format.h - a journal's bytes: records and segment heads, written and read in memory
 *
 * Everything is little-endian. A segment is a sequence of blocks of JOURNAL_BLOCK octets; the first one begins with
 * the head.
 *
 *	head (two copies, at 0 and at JOURNAL_HEAD_COPY, so that no single bad sector takes both; zeros between)
 *	   0 magic 8 | 8 crc32c of 12..63 | 12 format | 16 segment | 20 previous one | 24 where the previous one ends
 *	  28 salt    | 32 first batch 8   | 40 size of the segment | zeros to 64
 *	record (at multiples of 8)
 *	   0 crc32c  | 4 length           | 8 segment   | 12 batch 8 | 20 type | 21 flags, zero | 24 payload, zeros to 8
 *
 * The head's first 16 octets keep their meaning in every format, so that each release can refuse the others'.
 *
 * A record's checksum begins with the salt and the record's own offset. The offset makes a record that turns up
 * elsewhere (a misdirected write) invalid; the salt is secret to the journal, so that bytes of a mail that imitate a
 * record do not become one when the search for the next good record passes over them (row SPL-04, SPL-06).
 *
 * The rest of a block that is too small for the next record begins with a record of type JOURNAL_TYPE_PAD, unless not
 * even that fits. What is neither a record nor such a rest is a hole: damage, or the tail of what was never
 * acknowledged.
 *
 * bounds   the search inside holes spends JOURNAL_SCAN_BUDGET octets of checksums per block, then gives the block up
 * never    allocates, does I/O, asserts on bytes
 */
#pragma once

#include "core/err.h"
#include "core/journal.h"

#define JOURNAL_HEAD_LEN	64u
#define JOURNAL_HEAD_COPY	4096u
#define JOURNAL_HEAD_SIZE	8192u		/* where the first record begins */
#define JOURNAL_SEGMENT_SIZE_MAX MIB(2048)	/* offsets are 32 bits and may point one block past the end */
#define JOURNAL_SCAN_BUDGET	MIB(16)

enum {
	JOURNAL_TYPE_USER_MAX	= 250,
	JOURNAL_TYPE_PAD	= 251,	/* nothing more in this block */
	JOURNAL_TYPE_MARK	= 252,	/* nothing by itself: it proves that the batch before was durable */
};

struct journal_head {
	uint32_t segment;
	uint32_t prev;		/* 0: there was none */
	uint32_t prev_end;
	uint32_t salt;
	uint64_t batch;
	uint32_t size;
};

/* Octets a record of len octets of payload takes. */
static inline uint32_t journal_record_size(uint32_t len)
{
	return (uint32_t)round_up(JOURNAL_RECORD_HEADER + (size_t)len, 8);
}

/* Writes both copies; area has JOURNAL_HEAD_SIZE octets. */
void journal_head_write(void *area, const struct journal_head *head);

/* Reads the head of this segment from what may be less than JOURNAL_HEAD_SIZE octets. Returns how many copies are
 * good (and *ret_head is set); 0 when the segment was never begun: zeros, or the good head of a recycled file's
 * former life; ERR_VERSION for another format, or ERR_CORRUPT. */
int journal_head_read(const void *area, size_t len, uint32_t segment, struct journal_head *ret_head);

/* What a record's checksum depends on beside its bytes. */
struct journal_place {
	uint32_t segment;
	uint32_t salt;
	uint32_t offset;
};

/* Writes a record, gathered from parts of len octets in all, and the zeros behind it. Returns its size. */
uint32_t journal_record_write(void *dst, struct journal_place place, uint64_t batch, uint8_t type,
			      const struct slice *parts, unsigned count, uint32_t len);

struct journal_found {
	uint64_t batch;
	uint32_t offset;
	uint32_t len;
	uint8_t type;
	struct slice payload;
};

/* Is there a record at src, in room octets, that belongs to this place? 0, or ERR_CORRUPT. */
int journal_record_read(const void *src, size_t room, struct journal_place place, struct journal_found *ret_found);

/* Walks through one segment, block by block in order. */
struct journal_scan {
	uint32_t end;		/* behind the last good record */
	uint64_t batch;		/* of the last good record */
	uint32_t batch_start;	/* where that batch began */
	uint32_t records;	/* good ones, pads and marks included */
	/* private */
	struct journal_place place;	/* where to look next */
	bool in_hole;
	uint32_t hole;
	uint32_t block;
	size_t budget;
};

enum journal_item_kind {
	JOURNAL_ITEM_RECORD,
	JOURNAL_ITEM_DAMAGE,	/* [offset, offset + len), and something good behind it or a known end */
};

struct journal_item {
	enum journal_item_kind kind;
	struct journal_found found;	/* of damage: offset and len alone */
};

void journal_scan_init(struct journal_scan *s, uint32_t segment, uint32_t salt);

/* The next thing in the block that begins at offset and of which len octets count. Returns 1, or 0 when it is used
 * up. */
int journal_scan_next(struct journal_scan *s, const void *block, uint32_t offset, size_t len,
		      struct journal_item *ret_item);

/* After the last block. Returns 1 with the damage up to the segment's known end; 0 when there is none, and when the
 * end is not known (limit 0): what is in no good order at the tail was then never acknowledged. */
int journal_scan_finish(struct journal_scan *s, uint32_t limit, struct journal_item *ret_item);
