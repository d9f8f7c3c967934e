/* spool.h - the durable queue of one core: accepts messages, offers jobs, claims, settles, recovers
 *
 *	accept	spool_message_begin -> spool_message_write ... -> spool_message_commit -> durable: the waiter hears
 *	deliver	job -> delivery_offer; spool_source answers claim, release, settle and finish for every core's attempts
 *	restart	spool_open replays the journals and offers what is not settled
 *
 * Content and envelope live in journals (core/journal.h), one for each core that ever was: journal-<k> is written to by
 * core k, and settled by core k modulo the number of cores when worker_threads was lowered. Memory holds an index:
 * envelope, places of the content, jobs.
 *
 * durable  the waiter's 0, and nothing else, means accepted (P1); an outcome is logged, counted and told to delivery
 *          only after its record is durable (P2); an attempt whose end is not on disk is counted and logged as
 *          ambiguous (P3); content that does not match its checksum is never sent, and its message is kept aside (P4)
 *          A waiter's error is no such promise the other way round: a batch whose sync failed may be on disk all the
 *          same, and is void only when the head of the next segment is durable. If the engine dies in between, its
 *          messages come back and are delivered, although their clients heard 451 and will send them again: perhaps
 *          twice, never lost, and nothing in the log can name them
 * ids      never used twice in the life of a spool, whatever the clock does (row SPL-10)
 * bounds   conf.message_limit messages are accepted; SPOOL_FRAGMENT_MAX octets a write, SPOOL_FRAGMENTS_MAX writes a
 *          message, MESSAGE_RCPTS_MAX recipients; conf.read_memory octets for content no longer in the journal's blocks
 * memory   everything is reserved in spool_new; recovery may hold SPOOL_RECOVERY_FACTOR times what is accepted
 * foreign  of what was recovered, content that no listener of ours would have taken is bounced, 5.6.0: it has a NUL or
 *          a bare CR or LF (rows SMG-03, SMG-06)
 * errors   -ENOBUFS: wait (spool_wait_room), or the queue is full; -ENOSPC: no disk space for new mail; -EIO: the
 *          journal failed and is being replaced
 * thread   one home core, except the functions in spool_source, which belong to the attempt's core
 */
#pragma once

#include "core/journal.h"
#include "net/delivery/intake.h"
#include "net/delivery/maillog.h"
#include "net/params.h"

#define SPOOL_JOURNALS_MAX	CORE_COUNT_MAX	/* the low bits of an id name the journal */
#define SPOOL_FRAGMENT_MAX	(KIB(64) - 64u)	/* with both record heads it fits a read buffer of 64 KiB */
#define SPOOL_FRAGMENTS_MAX	KIB(256)	/* 4 GiB when written 16 KiB at a time */
#define SPOOL_PARTS_MAX		6u		/* pieces in one spool_message_write */
#define SPOOL_RECOVERY_FACTOR	4u
#define SPOOL_SPLITS_MAX	16384u	/* jobs beyond one for each destination of a message */

static_assert(SPOOL_JOURNALS_MAX <= 64, "six bits of an id");

struct spool;
struct spool_draft;

struct spool_conf {
	const char *client_name;	/* the program that log lines about recipients name */
	const char *dir;		/* spool_directory, prepared by spool_dir_open; borrowed */
	unsigned core;
	unsigned cores;
	size_t segment_size;		/* journal_segment_size */
	size_t journal_memory;		/* journal_memory: for the journal that is written to */
	size_t message_limit;		/* this core's share of queue_message_limit */
	size_t envelope_memory;		/* addresses, recipients' states, places of content */
	size_t read_memory;		/* content that is read back from disk, two windows an attempt; those that find
					 * none wait */
	size_t attempt_limit;		/* claimed and not settled; more of them wait */
	uint64_t backoff_max_ns;	/* maximal_backoff_time: no recovered job waits longer (row OSR-09) */
	/* One recipient's outcome has become durable; on the home core: maillog_rcpt. */
	void (*log_rcpt)(const struct attempt *a, const struct rcpt *rcpt, enum maillog_status status);
	/* Recovered and offered (0), or why not. Nothing may be accepted before. */
	void (*ready)(struct spool *s, int err, void *context);
	void *context;
};

/* Fills everything but dir, log_rcpt, ready and context. */
void spool_conf_from_params(const struct params *params, unsigned core, unsigned cores, struct spool_conf *ret_conf);

/* Jobs that spool_new reserves memory for: with those of the other cores, what may have to wait on one of them. */
size_t spool_jobs_max(const struct spool_conf *conf);

/* Octets of io_arena_take that spool_new will ask for: memory of all journals of this core, and read memory. What the
 * arena does not have is taken elsewhere. */
size_t spool_arena_size(const struct spool_conf *conf);

/* On the home core, before its first turn. NULL: no memory. Registers the metrics. */
struct spool *spool_new(const struct spool_conf *conf);

/* Recovers, asynchronously; conf.ready tells the end. */
void spool_open(struct spool *s);

/* Writes out what is pending and closes the journals. No draft may be open and no attempt claimed, or they end as if we
 * had been killed: drafts vanish, attempts become ambiguous. */
void spool_close(struct spool *s, void (*done)(struct spool *s, void *context), void *context);

/* Gives all memory back, whatever is still queued: after spool_close, or when spool_open was never called. Delivery
 * must not look any more. */
void spool_free(struct spool **s);

/* --- accepting, on the home core ---------------------------------------------------------------------------------- */

/* A new message. 0; -ENOBUFS: the queue is full; -ENOSPC, -EIO as above. */
int spool_message_begin(struct spool *s, struct spool_draft **ret_draft);

/* Its queue id, known from the beginning: for the Received field and the log. */
uint64_t spool_draft_id(const struct spool_draft *draft);

/* Appends content in wire form (net/mail/message.h), cut anywhere; all of it or nothing. At most SPOOL_PARTS_MAX parts,
 * together 1..SPOOL_FRAGMENT_MAX octets. 0; -ENOBUFS: wait with spool_wait_room and try again; -EMSGSIZE: more than
 * SPOOL_FRAGMENTS_MAX writes; -ENOSPC or -EIO: this message cannot become durable any more, abort it. */
int spool_message_write(struct spool_draft *draft, const struct slice *parts, unsigned count);

struct spool_envelope {
	struct slice sender;		/* at most SPOOL_ADDR_MAX octets, empty for "<>" */
	struct slice envid;		/* at most SMTP_ENVID_MAX octets */
	struct slice client;		/* as in struct message */
	const struct rcpt_facts *rcpts;
	uint32_t rcpt_count;		/* 1..MESSAGE_RCPTS_MAX */
	uint32_t facts;			/* enum message_fact */
	uint64_t size;			/* as in struct message; the wire size is counted by spool_message_write */
};

#define SPOOL_ADDR_MAX MESSAGE_ADDR_MAX

struct spool_waiter {
	/* Exactly once, never inside spool_message_commit. 0: durable and queued under this id. Otherwise nothing is
	 * queued: -ENOSPC, -ENOBUFS (no room in memory for this envelope), -EIO. */
	void (*fn)(struct spool_waiter *waiter, int err, uint64_t id);
};

/* Ends the draft: it is not the caller's any more. The envelope is copied. The waiter must stay put until its call.
 * Waits for journal room by itself. */
void spool_message_commit(struct spool_draft *draft, const struct spool_envelope *envelope,
			  struct spool_waiter *waiter);

/* Ends the draft without a trace. Clears the caller's pointer; NULL is accepted. */
void spool_message_abort(struct spool_draft **draft);

/* Calls waiter->fn(waiter, 0) when spool_message_write may be tried again; waiter as in core/journal.h. */
void spool_wait_room(struct spool *s, struct journal_waiter *waiter);
void spool_wait_cancel(struct journal_waiter *waiter);

/* Is new mail welcome now? 0, or what spool_message_begin would say. */
int spool_accepts(const struct spool *s);

/* --- delivering --------------------------------------------------------------------------------------------------- */

/* For delivery. A message whose content is damaged answers ERR_CORRUPT to a claim or in a settle: then the job has to
 * be given back with finish although recipients are open; the message is kept aside and not tried again. */
extern const struct source spool_source;

/* What this core holds. */
struct spool_usage {
	size_t messages;
	size_t recipients_open;
	size_t damaged;
	uint64_t journal_octets;	/* on disk, all journals of this core */
};
struct spool_usage spool_usage(const struct spool *s);
