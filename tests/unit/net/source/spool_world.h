/* spool_world.h - injectors, a delivery and a ledger around a spool, on the disk of journal_disk.h
 *
 * Message n has content, recipients and destinations that follow from n, so that everything which comes back can be
 * checked octet by octet. The delivery answers as told by chance: it takes jobs apart, sends windows at its own pace,
 * and ends attempts in every way there is. The ledger asserts, at each event:
 *
 *	nothing is delivered or reported that was never committed; nothing altered
 *	nothing that was reported is tried again
 *	nothing is delivered again that was not logged before as "may be delivered twice"
 *	no id is given out twice
 *
 * and after each restart that every recipient whose message was accepted is open, unless its end was asked for.
 */
#pragma once

#include "net/source/spool_impl.h"
#include "tests/unit/core/journal_disk.h"

#define WORLD_MESSAGES	8192u
#define WORLD_RCPTS	8u		/* of most messages */
#define WORLD_ATTEMPTS	12u
#define WORLD_JOBS	4096u
#define WORLD_DRAFTS	4u
#define WORLD_SEGMENT	(4 * JOURNAL_BLOCK)

enum world_state {
	WORLD_NOTHING, WORLD_DRAFT, WORLD_ASKED, WORLD_ACCEPTED,
	WORLD_KEPT,			/* not answered before the crash, and came back */
	WORLD_TORN,			/* the same, but its content did not: told nobody, delivered to nobody */
	WORLD_REFUSED,
};

struct world_rcpt {
	uint16_t delivered;
	uint16_t doubts;		/* logged */
	bool told;			/* its end was logged */
	bool end_asked;
	bool seen;			/* since the restart */
};

struct world_message {
	enum world_state state;
	uint64_t id;
	bool gone_for_good;		/* refused, and something later was accepted */
	uint32_t rcpt_count;
	uint32_t size;
	struct world_rcpt rcpts[WORLD_RCPTS];
};

struct world {
	struct spool *spool;
	uint64_t seed;
	bool ready;
	int ready_err;
	bool closed;
	unsigned messages;		/* 1 .. messages exist */
	unsigned accepted;
	unsigned refused;
	int last_refusal;
	unsigned removed;
	unsigned duplicates;
	unsigned corrupt;		/* jobs given back for damage */
	unsigned unfit;			/* recipients for whom there was such content */
	unsigned torn;			/* the same, of messages whose acceptance was never told */
	unsigned error_lines;
	unsigned settled;
	unsigned reads;			/* windows that were read back */
	/* how it behaves */
	unsigned percent_sent;		/* of tried recipients */
	unsigned percent_deferred_job;	/* destinations "deaf*": nothing but deferrals while this is 100 */
	uint32_t size_max;
	unsigned odd_in;		/* a message that no listener would take, for it has */
	uint32_t odd_at;		/* here */
	struct slice odd;		/* these octets; 0: there is none such */
	uint32_t job_rcpts;		/* of one destination, at most; 0: all */
	size_t journal_memory;
	size_t attempt_limit;
	size_t read_memory;
	size_t message_limit;
};

extern struct world world;
extern struct world_message world_messages[WORLD_MESSAGES];

/* An empty disk, an empty ledger. */
void world_start(uint64_t seed);
void world_open(void);			/* as far as it comes */
void world_open_ready(void);		/* ... which is all the way */
void world_close(void);

/* The machine dies; what of the unsynced survives is chance. */
void world_crash(struct disk_choice choice);

/* One turn of everything. False: nothing is left to do, or the crash has come. */
bool world_turn(void);

/* Turns until nothing moves by itself. */
void world_settle(void);
void world_pass(uint64_t ns);

/* Begins, writes and commits message n = ++world.messages, in one go where there is room. */
unsigned world_inject(uint32_t size, uint32_t rcpt_count, const char *domain);

/* Some steps of injecting and delivering, as chance has it. */
void world_live(unsigned steps, unsigned inject_percent);

/* Delivers until nothing is queued, or asserts. */
void world_drain(void);

/* The invariants after a restart, when all is offered. */
void world_check(void);
