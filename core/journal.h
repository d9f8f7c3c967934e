/* journal.h - append-only, checksummed segments with group commit: records, not mail
 *
 * A journal is a directory of segment files, numbered upward. Records go into the open block (registered memory, the
 * image of one JOURNAL_BLOCK of the file); at the end of a turn everything that was appended meanwhile leaves with
 * one write that is also synced (O_DSYNC semantics), and then all who wait hear of it (group commit). Full blocks
 * stay in memory until their place is needed.
 *
 *	segment:  | header | rec rec rec pad | rec rec ... pad | ...       blocks of JOURNAL_BLOCK octets
 *	record:   | crc32c | len | segment | batch | type, flags, zero | payload | zeros to 8 |    24 octets of header
 *
 * A record never crosses a block. The checksum covers the rest of the header and the payload, so a record of a recycled
 * file's former life (other segment number) is not one of ours. A batch is what one sync covered: a valid record
 * of batch n proves that all batches before n were durable, which tells a torn tail (never acknowledged: dropped)
 * from damage (acknowledged: reported, set aside, the rest is replayed; rows SPL-02..05). A segment's header says up
 * to where its predecessor counts: after a failed write or sync the batch in question is void, and is never tried
 * again on the same file (row SPL-07).
 *
 * durable  journal_commit's callback with 0, and nothing else, means on disk (P1, P2)
 * bounds   JOURNAL_RECORD_MAX octets a payload; conf.memory octets of blocks; segments are preallocated, one ahead,
 *          so that a full disk is met when a segment is made and not when a record is written (row OSR-01)
 * errors   -ENOBUFS: all blocks in use, see journal_wait_room; -ENOSPC: no room for this class; -EIO: failed, being
 *          replaced
 * thread   one home core
 */
#pragma once

#include "core/io.h"
#include "core/reactor.h"

#define JOURNAL_BLOCK		MIB(1)
#define JOURNAL_RECORD_MAX	KIB(512)
#define JOURNAL_RECORD_HEADER	24u
/* another one is refused with ERR_VERSION, and nothing is deleted (row SPL-12) */
#define JOURNAL_FORMAT		1u
#define JOURNAL_SEGMENTS_MAX	65536u
#define JOURNAL_PATH_MAX	512u

/* Where a record is. Segment numbers start at 1 and are never used again. */
struct journal_ref {
	uint32_t segment;
	uint32_t offset;	/* of the record's header */
	uint32_t len;		/* of the payload */
};

struct journal_record {
	uint8_t type;		/* the caller's, 1..250 */
	struct journal_ref ref;
	struct slice payload;	/* good during the call */
};

/* When space is short, what is new has to wait and what ends something may still be written. */
enum journal_class {
	JOURNAL_NEW,		/* refused with -ENOSPC when only the reserve is left */
	JOURNAL_END,		/* may use the reserve */
};

struct journal_conf {
	const char *dir;	/* exists; up to JOURNAL_PATH_MAX - 32 octets */
	size_t segment_size;	/* multiple of JOURNAL_BLOCK, at least 4 of them */
	size_t memory;		/* blocks to keep, at least 4 JOURNAL_BLOCK; taken from io_arena_take */
};

struct journal_waiter {
	struct list node;
	void (*fn)(struct journal_waiter *waiter, int err);
};

/* private: see core/journal_impl.h */
struct journal_segment;

struct journal;

struct journal_events {
	/* During journal_open, in order of appending. A negative errno stops the opening with it. */
	int (*replay)(struct journal *j, const struct journal_record *record, void *context);
	/* Acknowledged octets that do not match their checksum: [offset, offset + len) of segment. The file is kept. */
	void (*damage)(struct journal *j, uint32_t segment, uint32_t offset, uint32_t len, void *context);
	/* Open and ready (0), or not. */
	void (*ready)(struct journal *j, int err, void *context);
	/* Space: true when JOURNAL_NEW is refused from now on, false when it is welcome again. May be NULL. */
	void (*space)(struct journal *j, bool is_short, int err, void *context);
	void *context;
};

/* The struct itself is defined in core/journal_impl.h; take one with journal_new. Start only. */
struct journal *journal_new(const struct journal_conf *conf, const struct journal_events *events);
void journal_free(struct journal **j);

/* Reads what is there, replays it, begins a new segment, calls events.ready. Asynchronous. */
void journal_open(struct journal *j);

/* Commits what is pending, closes all files, calls done. Nothing may be appended after it. */
void journal_close(struct journal *j, void (*done)(struct journal *j, void *context), void *context);

/* Appends one record, gathered from parts. Not durable yet. */
int journal_append(struct journal *j, uint8_t type, enum journal_class class, const struct slice *parts, unsigned count,
		   struct journal_ref *ret_ref);

/* Calls waiter->fn once everything appended up to now is durable (0), or has become void (< 0): then none of the
 * records appended since the last successful commit counts, those of other callers included. The waiter must stay put
 * until then. A full memory is committed without being asked: of records that belong together some may be durable
 * (and come back) while the rest is void, so the last one of them is what makes them count. */
void journal_commit(struct journal *j, struct journal_waiter *waiter);

/* Counts up whenever records became void: remember it with the first of several records that belong together, and
 * compare when the last one is appended. */
uint32_t journal_epoch(const struct journal *j);

/* Calls waiter->fn(waiter, 0) soon after -ENOBUFS can be expected to be over. First come, first served. */
void journal_wait_room(struct journal *j, struct journal_waiter *waiter);
void journal_wait_cancel(struct journal_waiter *waiter);

/* The payload in memory, or NULL when its block has gone. It stays until journal_unpin with the same ref.
 * May be pinned before it is durable. Pinned blocks are not reused: pin for as long as a send takes, not longer. */
const void *journal_pin(struct journal *j, struct journal_ref ref);
void journal_unpin(struct journal *j, struct journal_ref ref);

/* Share of blocks that could take new records now, 0..100. Those who could do without a pin should below 25. */
unsigned journal_room_percent(const struct journal *j);

/* Reads one record from its file into buf (JOURNAL_RECORD_HEADER + len octets, rounded up to 8), checks it, and calls
 * fn with 0 and the payload, or ERR_CORRUPT, or a negative errno. Start it only for records known to be durable. */
struct journal_read;
typedef void journal_read_fn(struct journal_read *read, int err, struct slice payload);
struct journal_read {
	struct op op;
	struct journal *journal;
	struct journal_ref ref;
	void *buf;
	journal_read_fn *fn;
	/* private */
	size_t got;
	struct list node;
};
void journal_read(struct journal *j, struct journal_read *read, struct journal_ref ref, void *buf, journal_read_fn *fn);

/* A segment with holds stays. One without any, and without an older one that has some, is reclaimed: the order of
 * deletion is the order of writing, so that a record which ends another never goes before it. */
void journal_hold(struct journal *j, uint32_t segment);
void journal_release(struct journal *j, uint32_t segment);

/* For whoever moves old live records forward: the oldest segment, and the octets all segments occupy. */
struct journal_usage {
	uint32_t oldest_segment;
	uint32_t oldest_holds;
	uint32_t active_segment;
	uint32_t segments;
	uint64_t octets;
};
struct journal_usage journal_usage(const struct journal *j);
