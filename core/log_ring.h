/* log_ring.h - one thread's log lines on their way to the writer: between log.c and log_writer.c, for nobody else
 *
 * One producer, one consumer, no lock. Positions only grow; a position's place is its low bits.
 *
 *	head (consumer)                       tail (producer)
 *	|                                     |
 *	v                                     v
 *	[record program text pad][record ...]	each record begins at a multiple of 8
 *
 * bounds   LOG_RING octets; a line that does not fit is not put, and counted
 * memory   the octets are reserved when the ring is first taken, and kept for the next thread
 * thread   put: the owner; look, take: the writer
 */
#pragma once

#include <stdatomic.h>

#include "core/limits.h"
#include "core/log.h"

#define LOG_RINGS_MAX (CORE_COUNT_MAX + 8u)	/* cores, the main thread, and some for tests and tools */
#define LOG_PROGRAM_MAX 32u
#define LOG_PREFIX_MAX 512u			/* stamp 16, host 64, tag 64, program 32, pid 10, level 9, signs */
#define LOG_TEXT_MAX (LOG_LINE_MAX - LOG_PREFIX_MAX)

struct log_record {
	uint64_t wall_ns;
	uint32_t text_len;
	uint8_t level;
	uint8_t program_len;
	uint8_t unused[2];
};

static_assert(sizeof(struct log_record) == 16, "no hidden octets: it is copied as it is");
static_assert((LOG_RING & (LOG_RING - 1)) == 0, "positions become places by masking");

struct log_ring {
	_Atomic bool taken;
	_Atomic(char *) bytes;		/* NULL until first taken */
	/* the producer's */
	_Alignas(64) _Atomic uint64_t tail;
	uint64_t head_seen;		/* what it last knew of head: looks again only when half full */
	_Atomic uint64_t dropped;
	/* the consumer's */
	_Alignas(64) _Atomic uint64_t head;
	_Atomic uint64_t written;	/* up to here the sink has taken it */
};

extern struct log_ring log_rings[LOG_RINGS_MAX];

/* A ring that nobody has, or NULL. Start only. */
struct log_ring *log_ring_open(void);
void log_ring_close(struct log_ring *ring);	/* what is in it will still be written */

/* False, and one more dropped, when there is no room. *ret_used: octets waiting afterwards. */
bool log_ring_put(struct log_ring *ring, const struct log_record *record, const char *program, const char *text,
		  size_t *ret_used);

/* The oldest record, without taking it. False when there is none. */
bool log_ring_look(struct log_ring *ring, struct log_record *ret_record);

/* The program's name of the record that log_ring_look has shown: program_len octets. */
void log_ring_read_program(struct log_ring *ring, const struct log_record *record, char *ret_program);

/* Takes that record; ret_text has room for text_len octets. */
void log_ring_take(struct log_ring *ring, const struct log_record *record, char *ret_text);

/* Sum over all rings. */
uint64_t log_rings_dropped(void);
