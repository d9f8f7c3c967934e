/* journal_ledger.h - a caller of the journal that keeps a ledger of everything
 *
 * What it appended, what was promised to it, what was taken back, and what comes back after a crash. Each record says
 * who it is (a number counted upward), and all else in it follows from that: replay asserts that nothing is altered,
 * out of order or there twice.
 */
#pragma once

#include "tests/unit/core/journal_disk.h"

#include "core/journal_impl.h"

#define IDS_MAX		1024u
#define SEGMENT_SIZE	(4 * JOURNAL_BLOCK)
#define MEMORY		(8 * JOURNAL_BLOCK)

enum fate { NOTHING, APPENDED, ACKED, VOID, ENDED };

struct ledger {
	struct journal *j;
	unsigned next;			/* the number given out last */
	enum fate fate[IDS_MAX];
	uint32_t len[IDS_MAX];
	uint32_t epoch[IDS_MAX];
	struct journal_ref ref[IDS_MAX];
	bool void_is_sure[IDS_MAX];	/* something after it was acknowledged: it must never come back */
	bool seen[IDS_MAX];
	unsigned replayed;
	unsigned last_seen;
	unsigned damages;
	uint64_t damaged;		/* octets */
	bool ready;
	int ready_err;
	bool closed;
	unsigned space_edges;
	bool space_short;
	int space_err;
	unsigned acks;
	unsigned voids;
	int last_err;
};

extern struct ledger ledger;
extern uint8_t content[JOURNAL_RECORD_MAX + 8];

void content_of(unsigned id, uint32_t len, uint8_t *buf);

/* An empty disk and an empty ledger. */
void start_over(void);

/* Opens, and runs until there is nothing more to do. */
void open_with(size_t memory);
void open_nowhere(void);	/* only begins to */
void open_it(void);
void open_ready(void);		/* ... and expects success */

/* The machine is gone, and the journal's memory with it. */
void abandon(void);
void begin_close(void);	/* as far as it comes */
void close_it(void);

/* A crash, and the recovery. Those that were under way may come back or not, but so it stays. */
void restart(struct disk_choice choice);
void settle_after_restart(void);

int append_class(uint32_t len, enum journal_class class);
int append(uint32_t len);
void commit(void);
void append_and_commit(uint32_t len);

/* It is over: it may come back, but need not. */
void end(unsigned id);

/* P1..P4: what was promised is there; what was taken back is not, once something later was promised. */
void check_promises(void);
