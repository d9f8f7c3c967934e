/* spool_impl.h - the spool from inside: what its files share
 *
 *	spool.c			life, ids, housekeeping once a second
 *	spool_message.c		a message in memory: recipients in order of destination, jobs, fragments, the end
 *	spool_accept.c		drafts
 *	spool_envelope.c	envelopes to the journal, in one record or in parts
 *	spool_deliver.c		claims and releases, from both cores
 *	spool_settle.c		outcomes, and the end of jobs
 *	spool_window.c		content for a body window: from the journal's blocks, or read back
 *	spool_recover.c		replay
 *	spool_said.c		bounces whose log line went down with the process are said again
 *	spool_compact.c		old live messages move forward
 *
 * A message's way:	DRAFT -> COMMITTING -> QUEUED [-> MOVING -> QUEUED] -> gone
 *						      `-> DAMAGED -> gone
 *
 * One hold on the oldest segment that has something of a message is enough: the journal gives segments back in order.
 *
 * never    included from outside of net/source/spool*.c
 */
#pragma once

#include "core/map.h"
#include "core/metric.h"
#include "core/pool.h"
#include "net/mail/crlf.h"
#include "net/source/spool_record.h"

#define SPOOL_MAGIC		UINT32_C(0x73706f6f)
#define SPOOL_MESSAGE_MAGIC	UINT32_C(0x736d7367)
#define SPOOL_ATTEMPT_MAGIC	UINT32_C(0x73617474)

#define SPOOL_ID_BITS		6u			/* of an id: the journal's number */
#define SPOOL_ID_CLOCK_SHIFT	14u			/* counters begin at the wall clock in units of 16 us */
#define SPOOL_ID_COUNTER_MAX	(UINT64_C(1) << 57)	/* 58 bits are there; beyond it is no id of ours */
#define SPOOL_IDS_AHEAD		(UINT64_C(1) << 20)	/* ids one IDS record allows: 10 s at 100,000 msg/s */

#define SPOOL_TEND_NS		(NS_PER_SEC / 4)
#define SPOOL_RETRY_NS		(NS_PER_SEC / 4)	/* after a failed journal, before it is tried again */
#define SPOOL_LOG_WAIT_NS	(2 * NS_PER_SEC)
#define SPOOL_OFFER_BITE	512u			/* messages a turn, after recovery */
#define SPOOL_READ_MAX		KIB(64)			/* one window read back from disk */
#define SPOOL_ROOM_PERCENT	25u			/* with less room, content is read rather than pinned: a slow */
#define SPOOL_ROOM_BLOCKS	4u			/* receiver must not keep new mail from being accepted */
#define SPOOL_FRAGMENTS_INLINE	2u
#define SPOOL_COMPACT_SLACK	4u			/* segments that may be dead without anybody minding */
#define SPOOL_COMPACT_LOOK	64u			/* messages looked at for one that may be moved */
#define SPOOL_ADOPTED_MEMORY	(4 * JOURNAL_BLOCK)

enum spool_message_state {
	SPOOL_MESSAGE_DRAFT,
	SPOOL_MESSAGE_COMMITTING,	/* the envelope is on its way to the disk */
	SPOOL_MESSAGE_QUEUED,
	SPOOL_MESSAGE_MOVING,		/* like QUEUED, but claims wait */
	SPOOL_MESSAGE_DAMAGED,		/* its content does not match: nothing of it is sent any more */
};

struct spool_job {
	struct job job;
	struct spool_job *next;		/* of the same message */
	char *nexthop;			/* from the slab; NULL: somebody else's memory */
	/* What is durable. The fields in job belong to the destination's core. */
	uint32_t open;
	uint32_t attempts;
	uint64_t due_ns;
	uint32_t nexthop_size;
	bool offered;
};

struct spool_message;
typedef void spool_put_fn(struct spool_message *m, int err);

struct spool_message {
	struct message msg;
	uint32_t smagic;
	enum spool_message_state state;
	struct spool_journal *journal;
	struct list node;		/* of the journal: live, or drafts without content */
	struct map_node by_id;
	bool is_mapped;
	bool was_recovered;		/* accepted in another life, perhaps by others */

	/* content */
	struct journal_ref *fragments;
	uint32_t fragment_count;
	uint32_t fragment_cap;
	struct journal_ref fragments_inline[SPOOL_FRAGMENTS_INLINE];
	uint32_t hold;			/* the segment; 0: none */
	uint32_t epoch;			/* of the first record */

	/* envelope */
	char *text;			/* sender, ENVID, client, recipients, one behind the other; from the slab */
	size_t text_size;
	size_t text_len;		/* written so far */
	size_t rcpts_size;

	/* state */
	struct spool_job *jobs;
	uint32_t jobs_offered;		/* and not given back */
	uint32_t rcpts_open;
	uint32_t attempts;		/* claimed or about to be */
	struct list claims;		/* of those that wait for the end of a move */

	/* the envelope on its way to the journal */
	struct journal_waiter put_waiter;
	spool_put_fn *put_fn;
	const struct journal_ref *put_fragments;
	enum journal_class put_class;
	uint32_t put_segment;		/* of its first record */
	struct list put_node;
	char *put_text;			/* an envelope in parts */
	size_t put_size;
	size_t put_offset;
	struct spool_waiter *waiter;
	struct task task;
	int task_err;
};

/* Moves one message at a time from the oldest segment to the newest. */
struct spool_mover {
	struct spool_message *m;	/* NULL: idle */
	struct journal_ref *fragments;	/* the new places */
	uint32_t index;			/* of the fragment at work */
	uint32_t hold;
	uint32_t epoch;
	bool pinned;
	struct slice content;		/* of the fragment at work */
	struct journal_read read;
	struct journal_waiter waiter;
	struct wheel_timer timer;	/* the next bite */
	char *buf;			/* SPOOL_READ_MAX octets */
};

struct spool_journal {
	struct spool *spool;
	struct journal *journal;
	unsigned index;
	char dir[JOURNAL_PATH_MAX];
	bool is_open;
	bool is_ready;			/* its ids are durable too */
	unsigned pin_percent;		/* room from which content may be pinned */
	struct list live;		/* messages, those with the oldest content first; drafts among them */
	struct list drafts;		/* nothing written yet */
	struct list *offer_at;		/* in live: the next recovered message to be offered */
	size_t offer_left;
	uint64_t live_octets;

	int64_t shift_ns;		/* our clock minus the times in its records */

	/* ids */
	uint64_t id_next;		/* counter */
	uint64_t ids_below;		/* durable: id_next stays below it */
	uint64_t ids_asked;		/* in the record that is on its way */
	uint32_t ids_hold;
	uint32_t ids_hold_new;
	bool ids_busy;
	struct journal_waiter ids_waiter;

	/* one envelope in parts at a time */
	struct spool_message *put_owner;
	struct list put_queue;

	/* damaged messages whose end has to be written */
	struct list damaged;

	/* replay */
	uint64_t stamp_ns;		/* the latest time seen in records */
	char *part_text;
	size_t part_total;
	size_t part_got;
	uint64_t part_id;
	enum spool_record_type part_type;
	uint32_t part_segment;
	uint64_t damage_octets;
	unsigned bad_records;

	struct spool_mover mover;

	/* bounces: recorded (appended), put into the log, known to be in the log's file */
	uint64_t bounces_recorded;
	uint64_t bounces_put;
	uint64_t bounces_asked;		/* put when said_position was taken */
	uint64_t bounces_said;
	uint64_t said_position;
	bool said_busy;
	struct journal_waiter said_waiter;
	struct spool_unsaid *unsaid;	/* replay: the latest bounces, a ring of SPOOL_UNSAID_MAX */
	uint64_t unsaid_first;
	uint64_t unsaid_end;
};

struct spool_window {
	bool used;
	uint32_t first;			/* fragments [first, first + count) */
	uint32_t count;
	char *buf;			/* read; NULL: pinned */
	size_t buf_size;
	struct slab *slab;		/* where it is from */
	struct body_window filled;
};

enum spool_errand { SPOOL_ERRAND_CLAIM, SPOOL_ERRAND_FETCH, SPOOL_ERRAND_SETTLE };

/* The home core's part of an attempt. */
struct spool_attempt {
	uint32_t magic;
	struct attempt *a;
	struct spool_message *m;
	struct list node;		/* of the spool: all of them */
	struct list wait;		/* for read memory */
	struct spool_window windows[2];
	unsigned filling;		/* the window at work */
	uint32_t next_fragment;
	struct crlf gate;		/* of a recovered message: what has passed it is in the windows, or gone */
	uint32_t read_index;		/* within the window at work */
	size_t read_at;
	struct journal_read read;
	struct journal_waiter waiter;
	struct wheel_timer timer;
	void (*go_on)(struct spool_attempt *p, int err);	/* after the window at work, or after room */
};

struct spool {
	uint32_t magic;
	struct spool_conf conf;
	struct reactor *home;
	struct spool_journal *journals[SPOOL_JOURNALS_MAX];	/* [0]: the one that is written to */
	unsigned journal_count;
	struct pool messages;
	struct pool jobs;
	struct pool attempts;
	struct slab memory;
	struct slab read_memory;	/* for windows, in the core's registered memory: the first half, */
	struct slab read_reserve;	/* and the one for attempts that are on their way (spool_window.c) */
	struct map by_id;
	struct list attempts_all;
	struct list claims;		/* attempts (by their note) that wait for a place */
	struct list read_waiters;	/* those on their way */
	struct list read_beginners;
	uint8_t *scratch;		/* JOURNAL_RECORD_MAX octets, for one record during one call */
	size_t message_count;		/* drafts included */
	size_t rcpts_open;
	size_t damaged_count;
	unsigned opening;		/* journals not yet ready */
	int open_err;
	bool ready;
	uint64_t offer_position;	/* recovered messages are offered once the log has been written up to here */
	uint64_t offer_deadline_ns;
	size_t offer_bite;		/* messages whose doubts are told, not yet offered */
	bool space_short;
	bool closing;
	struct wheel_timer tend;
	struct wheel_timer offer;	/* recovered messages, a bite a turn */
	unsigned offer_journal;		/* journal_count: all are offered */
	unsigned closing_count;
	void (*close_fn)(struct spool *s, void *context);
	void *close_context;
};

static inline bool spool_is_offering(const struct spool *s)
{
	return s->offer_journal < s->journal_count;
}

static inline struct spool_message *spool_message_of(struct message *msg)
{
	struct spool_message *m = container_of(msg, struct spool_message, msg);

	CHECK_MAGIC(msg, MESSAGE_MAGIC);
	ASSERT(m->smagic == SPOOL_MESSAGE_MAGIC);
	return m;
}

/* --- spool.c ------------------------------------------------------------------------------------------------------ */

extern struct metric spool_metric_accepted;
extern struct metric spool_metric_accepted_rcpts;
extern struct metric spool_metric_sent;
extern struct metric spool_metric_bounced;
extern struct metric spool_metric_deferred;
extern struct metric spool_metric_ambiguous;
extern struct metric spool_metric_queued;
extern struct metric spool_metric_queued_rcpts;
extern struct metric spool_metric_damaged;
extern struct metric spool_metric_recovered;
extern struct metric spool_metric_moved;

/* "4bXkQz1Jx": the id, terminated. */
const char *spool_id_cstr(uint64_t id, char text[MESSAGE_ID_TEXT_MAX]);

/* Keeps the bound of the ids ahead of them and in a young segment. */
void spool_ids_tend(struct spool_journal *sj);

/* --- spool_message.c ---------------------------------------------------------------------------------------------- */

/* In state DRAFT, in no list. NULL: no place. */
struct spool_message *spool_message_take(struct spool_journal *sj);

/* Everything of it: memory, jobs, hold, places in lists. Nothing may refer to it any more. */
void spool_message_put(struct spool_message **m);
int spool_message_reserve_fragment(struct spool_message *m);
int spool_message_add_fragment(struct spool_message *m, struct journal_ref ref);
struct journal_ref *spool_fragments_take(struct spool *s, uint32_t count);
void spool_fragments_put(struct spool *s, struct journal_ref **fragments, uint32_t count);

/* Sets what belongs to the message alone, and makes room for recipients with rcpt_text octets, exactly. 0 or
 * -ENOBUFS. */
int spool_message_set_head(struct spool_message *m, const struct spool_envelope *envelope, size_t rcpt_text);

/* In ascending order of i: each recipient's text follows the one before. */
void spool_message_set_rcpt(struct spool_message *m, uint32_t i, const struct rcpt_facts *facts);

/* Recipients of one domain next to each other, each domain's in the order of acceptance: for ever the same order. */
void spool_message_sort(struct spool_message *m);

/* One job per destination. 0 or -ENOBUFS. */
int spool_message_make_jobs(struct spool_message *m);

/* Into the index, and counted. */
void spool_message_enqueue(struct spool_message *m);
void spool_message_offer(struct spool_message *m);
struct spool_message *spool_message_find(struct spool *s, uint64_t id);

/* One recipient's state on disk has changed. */
void spool_message_close_rcpt(struct spool_message *m, uint32_t i, enum rcpt_state state);

/* Octets on disk, about. */
uint64_t spool_message_octets(const struct spool_message *m);

/* The content does not match what was accepted. Logs and counts, once. */
void spool_message_damage(struct spool_message *m);

/* All jobs are back: logs, and gone; or the end of a damaged one is to be written first. */
void spool_message_end(struct spool_message *m);
void spool_damaged_tend(struct spool_journal *sj);

/* --- spool_envelope.c --------------------------------------------------------------------------------------------- */

/* Appends m's envelope as it is now, with these fragments, and commits. fn hears the end, never inside this call; when
 * journal_epoch has changed since m->epoch, nothing counts. put_segment is set before fn is called with 0. */
void spool_envelope_put(struct spool_message *m, const struct journal_ref *fragments, enum journal_class class,
			spool_put_fn *fn);
size_t spool_envelope_text(const struct spool_message *m);

/* --- spool_deliver.c ---------------------------------------------------------------------------------------------- */

void spool_claim_start(struct attempt *a);
void spool_claims_resume(struct spool_message *m);
void spool_attempt_answer(struct attempt *a, int err, uint8_t windows);
void spool_attempt_put(struct spool_attempt **p);

/* --- spool_settle.c ----------------------------------------------------------------------------------------------- */

void spool_settle_start(struct spool_attempt *p);
void spool_finish(struct job *job);

/* --- spool_window.c ----------------------------------------------------------------------------------------------- */

/* Fills p->windows[p->filling]. 0: done; -EINPROGRESS: p->go_on is called later; -EAGAIN: not before the other window
 * has been dropped; ERR_CORRUPT or negative errno. */
int spool_window_fill(struct spool_attempt *p);

/* The same, only if it can be done at once. */
bool spool_window_fill_now(struct spool_attempt *p);
void spool_window_drop(struct spool_attempt *p, unsigned i);

/* --- spool_recover.c ---------------------------------------------------------------------------------------------- */

int spool_replay(struct journal *j, const struct journal_record *record, void *context);
void spool_replay_damage(struct journal *j, uint32_t segment, uint32_t offset, uint32_t len, void *context);

/* A time on the queue clock, as the journal's records say it; 0 (none) stays 0. */
uint64_t spool_time(const struct spool_journal *sj, uint64_t queue_ns);

/* Everything is replayed: counts, shifts times, offers. */
void spool_recover_end(struct spool *s);

/* A hard failure must not vanish: its outcome is durable before it is logged, and a log line is lost with the process
 * that had not written it yet. So the journal also knows which bounces are safely in the log; the others are said
 * again. */
#define SPOOL_UNSAID_MAX 4096u
struct spool_unsaid {
	uint64_t id;
	struct enhanced_code dsn;
	uint16_t addr_len;
	char addr[256];			/* cut: it is for a log line */
};
void spool_said_tend(struct spool_journal *sj);
int spool_said_open(struct spool_journal *sj);	/* start only: memory for replay */
void spool_said_close(struct spool_journal *sj);
void spool_said_replay_bounce(struct spool_journal *sj, uint64_t id, const struct rcpt *r, struct enhanced_code dsn);
void spool_said_replay(struct spool_journal *sj, uint64_t unsaid);
void spool_said_again(struct spool_journal *sj);	/* at the end of replay */
void spool_offer_on_timer(struct wheel_timer *timer);

/* --- spool_compact.c ---------------------------------------------------------------------------------------------- */

void spool_compact_tend(struct spool_journal *sj);
