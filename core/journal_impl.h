/* journal_impl.h - the journal from inside: what journal.c, _commit.c, _house.c and _open.c share
 *
 *	journal.c		blocks, append, pin, read, hold
 *	journal_commit.c	write + fdatasync, and what a failure voids
 *	journal_house.c		segments made ahead, recycled, removed; space
 *	journal_open.c		what a directory holds: chain, replay, damage; and the end
 *
 * A segment's way:   made or recycled -> spare -> begun (its head is in memory) -> sealed -> reclaimed: recycled,
 * unlinked,
 *                    or kept aside when it is damaged
 *
 * Every begun segment's head names its predecessor and where that one ends. Following the names back from the newest
 * head gives the chain; what is not in it is void. So one durable head is what makes a failed batch void for good.
 *
 * never    included from outside of core/journal*.c and their tests
 */
#pragma once

#include "core/journal_format.h"
#include "core/metric.h"

#define JOURNAL_MAGIC		UINT32_C(0x6a6f7572)
#define JOURNAL_SPARES		2u		/* made ahead: one to go on in, one as the reserve */
#define JOURNAL_SPARES_MAX	3u		/* kept from recycling: with one more than needed none has to be made */
#define JOURNAL_RETRY_NS	NS_PER_SEC
#define JOURNAL_NAME_MAX	32u		/* "/0000000001.damaged" and more */

struct journal_block {
	struct list node;		/* clean, dirty, or (pinned and clean) in none */
	struct journal_block *chain;
	char *data;
	uint32_t segment;		/* 0: holds nothing */
	uint32_t index;			/* in its segment */
	uint32_t fill;			/* octets of heads and records */
	uint32_t durable;		/* of them on disk */
	uint32_t pins;
	bool dirty;
};

enum journal_segment_state {
	SEGMENT_ABSENT,
	SEGMENT_FOUND,			/* while opening */
	SEGMENT_SPARE,
	SEGMENT_LIVE,
	SEGMENT_VOID,			/* nothing in it counts; to be removed */
};

struct journal_segment {
	struct list node;
	enum journal_segment_state state;
	int file;			/* -1: none */
	uint32_t number;
	uint32_t holds;			/* live things in it, see journal_hold */
	uint32_t reads;			/* under way */
	uint32_t end;			/* where the records end, once sealed; 0: not known (opening) */
	uint32_t size;
	uint32_t salt;
	bool sealed;			/* nothing is appended any more */
	bool damaged;			/* to be kept aside */
	bool chained;			/* void, but its head still says where its predecessor ends */
	/* while opening */
	int copies;			/* good ones of its head */
	uint32_t prev;
	uint32_t prev_end;
	uint64_t batch;
};

enum journal_state {
	JOURNAL_IDLE,
	JOURNAL_OPENING,
	JOURNAL_READY,
	JOURNAL_FAILED,			/* opening ended with an error */
	JOURNAL_CLOSING,
	JOURNAL_CLOSED,
};

/* The batch that is on its way: dirty blocks up to (last, last_to). */
struct journal_flight {
	struct op op;
	bool on;
	bool syncing;			/* what completes next makes everything of this file durable */
	bool unsynced;			/* a plain write of this file has completed before */
	bool is_write;
	struct journal_block *block;
	uint32_t from;			/* in block: what is not written yet */
	uint32_t to;
	struct journal_block *last;
	uint32_t last_to;
	unsigned tries;
	uint64_t since_ns;
	struct list waiters;
};

enum house_step {
	HOUSE_IDLE,
	HOUSE_MAKE_OPEN,
	HOUSE_MAKE_ALLOC,
	HOUSE_MAKE_UNDO,
	HOUSE_MAKE_SYNC,
	HOUSE_RECYCLE_RENAME,
	HOUSE_RECYCLE_SYNC,
	HOUSE_DROP,
	HOUSE_DROP_SYNC,
};

/* One change of the directory at a time, each followed by its fsync. */
struct journal_house {
	struct op op;
	enum house_step step;
	struct task task;
	struct wheel_timer timer;	/* armed: something failed, not before it fires */
	bool stuck;			/* a removal failed: the order is kept, nothing goes past it */
	bool sync_again;		/* the directory's fsync failed */
	struct journal_segment *segment;	/* being removed or recycled; in no list when it was live */
	bool was_live;
	uint32_t number;		/* of the segment in the making */
	int file;
	int err;			/* why the last making failed, 0 when it did not */
	char path[JOURNAL_PATH_MAX];
	char path_new[JOURNAL_PATH_MAX];
};

enum open_step {
	OPEN_NONE,
	OPEN_DIR,
	OPEN_FILE,
	OPEN_HEAD,
	OPEN_BLOCK,
	OPEN_AGAIN_READ,
	OPEN_AGAIN_WRITE,
	OPEN_SYNC,
	OPEN_SPARES,			/* the house is at work */
	OPEN_COMMIT,			/* the first head is on its way */
};

struct journal_opening {
	struct op op;
	struct task task;
	enum open_step step;
	int err;
	uint32_t low;			/* numbers found */
	uint32_t high;
	uint32_t number;		/* at work on this one */
	struct journal_segment *at;
	struct journal_scan scan;
	uint32_t offset;		/* of the block */
	uint32_t got;
	uint32_t want;
	uint32_t piece;			/* read at once: small after a bad sector */
	bool eof;
	char path[JOURNAL_PATH_MAX];
};

struct journal {
	uint32_t magic;
	enum journal_state state;
	struct reactor *home;
	char dir[JOURNAL_PATH_MAX];
	size_t segment_size;
	struct journal_events events;
	int dir_file;

	/* segments */
	struct journal_segment *slots;	/* JOURNAL_SEGMENTS_MAX, by number */
	struct list segments;		/* live, oldest first */
	struct list spares;
	struct list voids;
	unsigned segment_count;
	unsigned spare_count;
	uint64_t octets;
	uint32_t number_last;		/* the highest ever used */
	uint32_t salt;
	struct journal_segment *active;	/* NULL: failed, being replaced */
	uint32_t acked_segment;		/* what the last good commit reached */
	uint32_t acked_end;
	bool hold_off;			/* a fresh segment failed at once: not the next one before the timer */
	bool refusing;			/* JOURNAL_NEW gets -ENOSPC */
	bool told_refusing;		/* what events.space was told last */
	struct task space_task;		/* its callback must not run inside an append */

	/* records */
	uint64_t batch;
	uint32_t epoch;
	struct journal_block *open;
	struct list dirty;		/* in order of appending; the open block is the last */
	unsigned dirty_count;
	bool flush;			/* commit even if nobody waits */
	struct list waiting;
	struct task turn_end;
	struct journal_flight flight;

	/* blocks */
	struct journal_block *blocks;
	unsigned block_count;
	struct journal_block **table;	/* by (segment, index) */
	size_t table_mask;
	struct list clean;		/* may be reused, oldest first */
	unsigned clean_count;
	struct list room_waiters;
	struct task room_task;
	bool room_asking;
	bool end_starved;		/* somebody with JOURNAL_END found no block */

	struct list reads_failed;
	struct task read_task;
	unsigned reads;

	struct journal_house house;
	struct journal_opening opening;

	bool marked;			/* closing: the last mark is written */
	struct task close_task;
	void (*close_fn)(struct journal *j, void *context);
	void *close_context;
};

extern struct metric journal_metric_commits;
extern struct metric journal_metric_octets;
extern struct metric journal_metric_records;
extern struct metric journal_metric_failures;
extern struct metric journal_metric_commit_us;

/* --- journal.c -------------------------------------------------------------------------------- */

/* NULL when there is none of this number. */
struct journal_segment *journal_segment_find(const struct journal *j, uint32_t number);
struct journal_block *journal_block_find(const struct journal *j, uint32_t segment, uint32_t index);

/* From the dirty list to those that may be reused; what is durable of it stays readable. */
void journal_block_settle(struct journal *j, struct journal_block *b);

/* Begins the next spare, with a head that says where the records before it end. There must be a spare and a clean
 * block. */
void journal_begin_segment(struct journal *j, uint32_t prev, uint32_t prev_end);

/* A record of one of our own types, if there is room for it. */
int journal_append_own(struct journal *j, uint8_t type);
void journal_room_kick(struct journal *j);

static inline uint32_t journal_block_start(const struct journal_block *b)
{
	return b->index * (uint32_t)JOURNAL_BLOCK;
}

/* --- journal_commit.c ------------------------------------------------------------------------- */

void journal_commit_init(struct journal *j);
bool journal_is_dirty(const struct journal *j);

/* Commit at the end of this turn even if nobody waits for it. */
void journal_flush(struct journal *j);

/* After a failure: goes on in a spare if there is one and it is time. */
void journal_resume(struct journal *j);

/* --- journal_house.c -------------------------------------------------------------------------- */

void journal_house_init(struct journal *j);
void journal_house_kick(struct journal *j);

/* A segment nothing in which counts: it is removed in time. */
void journal_segment_void(struct journal *j, struct journal_segment *s);
struct journal_segment *journal_segment_add(struct journal *j, uint32_t number, enum journal_segment_state state);
void journal_segment_forget(struct journal *j, struct journal_segment *s);
void journal_refuse(struct journal *j);

/* Writes the name of a segment's file to path (JOURNAL_PATH_MAX octets). */
void journal_path(const struct journal *j, uint32_t number, const char *suffix, char *path);

/* --- journal_open.c --------------------------------------------------------------------------- */

void journal_open_init(struct journal *j);

/* The house has made a spare, or could not. */
void journal_open_go_on(struct journal *j);

/* The first commit has ended. */
void journal_open_end(struct journal *j, int err);

/* Something that closing waits for may have ended. */
void journal_close_kick(struct journal *j);
