/* journal_disk.h - a disk in memory, and just enough of a reactor, behind the seam: what a journal sees of the world
 *
 * Writes go to a volatile cache until fdatasync. A crash keeps, loses or tears each unsynced sector of 512 octets and
 * each unsynced change of the directory by itself, as told by a choice. Operations run one by one, those in flight
 * together in an
 * order of chance; a crash may happen before any of them. A failed fdatasync leaves the cache clean, with the new
 * bytes, and on the disk whatever the choice says: the next one succeeds (row SPL-07).
 *
 * bounds   DISK_FILES files, one directory
 */
#pragma once

#include "core/io.h"
#include "core/reactor.h"

#define DISK_FILES 64u
#define DISK_SECTOR 512u

/* Which unsynced units survive a crash. */
enum disk_choice_kind {
	DISK_KEEP_NONE,
	DISK_KEEP_ALL,
	DISK_KEEP_BITS,		/* unit i survives if bit i % 64 of bits is set */
	DISK_KEEP_RANDOM,	/* seeded with bits */
	DISK_KEEP_TORN,		/* the same, and some sectors are half new, half old */
};

struct disk_choice {
	enum disk_choice_kind kind;
	uint64_t bits;
};

enum disk_op {
	DISK_OPEN, DISK_READ, DISK_WRITE, DISK_FDATASYNC, DISK_FSYNC, DISK_FALLOCATE, DISK_RENAME, DISK_UNLINK, DISK_OPS
};

/* How the world behaves; the tests write here. */
struct disk_rules {
	uint64_t seed;
	unsigned crash_at;		/* before this operation, counted from 1; 0: never */
	struct {
		unsigned at;		/* this operation of its kind, counted from 1; 0: none */
		int err;
		bool sticky;		/* and all after it */
	} fail[DISK_OPS];
	bool failed_sync_writes;	/* all of it is on the disk after all; else half, by chance */
	bool no_space;			/* no file can be made or enlarged */
	const char *bad_file;		/* reads of this sector of it fail */
	size_t bad_sector;
	bool short_io;			/* reads and writes do about half of what they are asked for */
};

extern struct disk_rules disk_rules;

/* What it did. */
extern unsigned disk_ops;
extern unsigned disk_ops_of[DISK_OPS];
extern bool disk_crashed;

/* An empty disk, a new machine. */
void disk_format(void);

/* The machine starts again: files are closed, tasks, timers and operations in flight are gone, counters are 0. What was
 * unsynced survives as chosen. */
void disk_restart(struct disk_choice choice);
unsigned disk_unsynced(void);

/* Only the process has died (kill -9): what was written stays in the cache, and may still be lost with the power. */
void disk_kill(void);

/* One turn. False when there is nothing left to do, or the crash has come. */
bool disk_turn(void);

/* Turns until nothing is left or the crash has come; a bound of turns is asserted. Time jumps only with disk_pass. */
void disk_run(void);
void disk_pass(uint64_t ns);

/* The files themselves, for damage. */
unsigned disk_count(void);
const char *disk_name(unsigned i);
uint8_t *disk_bytes(unsigned i, size_t *ret_size);
uint8_t *disk_find(const char *name, size_t *ret_size);
uint8_t *disk_create(const char *name, size_t size);	/* zeros, durable */
void disk_truncate(const char *name, size_t size);
void disk_remove(const char *name);
unsigned disk_open_files(void);
