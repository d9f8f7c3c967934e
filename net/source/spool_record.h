/* spool_record.h - what the spool writes into its journal: records, bytes to structs and back
 *
 * Everything is little-endian, without padding; every record begins with what it is about.
 *
 *	CONTENT		id 8 | index 4 | zero 4 | octets of the message in wire form
 *	ENVELOPE	id 8 | total 4 | offset 4 | that part of the envelope
 *	BEGIN		id 8 | first 4 | count 4 | now 8		these recipients may be delivered from here on
 *	SETTLE		id 8 | first 4 | count 4 | count x entry	what became of them; in doubt only if so marked
 *	  entry		state 1 | class 1 | subject 2 | detail 2
 *	DEFER		id 8 | first 4 | count 4 | attempts 4 | zero 4 | due 8
 *	DAMAGED		id 8					kept aside, not to be delivered
 *	IDS		below 8 | now 8 | clock 8		every id so far is below this; clock: now on the queue
 *							clock of that process
 *	SAID		unsaid 8				of the bounces so far, all but the last ones are logged
 *
 *	envelope	id 8 | arrival 8 | size 8 | wire size 8 | facts 4 | recipients 4 | retries 4 | fragments 4
 *			| sender length 2 | ENVID length 2 | client length 2 | zero 2
 *			| sender | ENVID | client | rcpt... | retry... | fragment...
 *	  rcpt		length 2 | state 1 | asked 1 | address [ | length 2 | ORCPT ] [ | length 2 | original address ]
 *	  retry		first 4 | count 4 | attempts 4 | due 8
 *	  fragment	segment 4 | offset 4 | length 4		a CONTENT record of this message
 *
 * asked says in its bits 0-3 which reports (enum smtp_notify), and in the others what follows the address. ENVELOPE_1
 * is what the first format wrote, and is only read: its head ends behind the sender's length, its rcpt has no octet
 * asked and nothing behind the address, and its addresses are in wire form.
 *
 * An envelope longer than one record is cut into parts, appended in order and never mixed with parts of another; the
 * last part makes it count. A later envelope of the same id replaces what was known of the message: state, places and
 * all. Times are the spool's own: from start to start they run on from the latest one that was recorded, whatever the
 * wall clock does meanwhile (spool_recover.c). A state has bit 7 set when an attempt was begun and its end is not
 * known, or was not certain (RFC 1047).
 *
 * memory   decoded slices borrow from the record
 * bounds   those of net/source/spool.h; together they keep an envelope below SPOOL_ENVELOPE_MAX
 * errors   ERR_CORRUPT: not what we write (a checksum only proves that somebody wrote it)
 * never    allocates, does I/O, asserts on decoded bytes
 */
#pragma once

#include "core/journal.h"
#include "net/mail/message.h"
#include "net/source/spool.h"

enum spool_record_type {
	SPOOL_CONTENT = 1,
	SPOOL_ENVELOPE_1,
	SPOOL_BEGIN,
	SPOOL_SETTLE,
	SPOOL_DEFER,
	SPOOL_DAMAGED,
	SPOOL_IDS,
	SPOOL_SAID,
	SPOOL_ENVELOPE,
};

#define SPOOL_CONTENT_HEAD	16u
#define SPOOL_PART_HEAD		16u
#define SPOOL_PART_MAX		(JOURNAL_RECORD_MAX - SPOOL_PART_HEAD)
#define SPOOL_BEGIN_SIZE	24u
#define SPOOL_SETTLE_HEAD	16u
#define SPOOL_SETTLE_ENTRY	6u
#define SPOOL_SETTLE_MAX	4096u	/* entries in one record */
#define SPOOL_SETTLE_SIZE_MAX	(SPOOL_SETTLE_HEAD + SPOOL_SETTLE_MAX * SPOOL_SETTLE_ENTRY)
#define SPOOL_DEFER_SIZE	32u
#define SPOOL_DAMAGED_SIZE	8u
#define SPOOL_IDS_SIZE		24u
#define SPOOL_SAID_SIZE		8u

#define SPOOL_ENVELOPE_HEAD	56u
#define SPOOL_ENVELOPE_1_HEAD	50u
#define SPOOL_RCPT_HEAD		4u
#define SPOOL_RCPT_1_HEAD	3u
#define SPOOL_RETRY_SIZE	20u
#define SPOOL_FRAGMENT_SIZE	12u

/* Addresses and what belongs to them: 100,000 of RFC 5321's 256 octets would be 26 MB; one message may have
 * SPOOL_TEXT_MAX octets of them, however they are spread. 24 MiB + 100,000 x (4 + 20) + 262,144 x 12 + head =
 * 30.7 MB. */
#define SPOOL_TEXT_MAX		MIB(24)
#define SPOOL_ENVELOPE_MAX	(SPOOL_ENVELOPE_HEAD + SPOOL_TEXT_MAX + \
				 MESSAGE_RCPTS_MAX * (SPOOL_RCPT_HEAD + SPOOL_RETRY_SIZE) + \
				 SPOOL_FRAGMENTS_MAX * SPOOL_FRAGMENT_SIZE)

static_assert(SPOOL_ENVELOPE_MAX <= MIB(32), "an envelope in the making fits the largest object of a slab");
static_assert(SPOOL_SETTLE_SIZE_MAX <= JOURNAL_RECORD_MAX, "a settle record is a record");
static_assert(SPOOL_FRAGMENT_MAX + SPOOL_CONTENT_HEAD + JOURNAL_RECORD_HEADER <= KIB(64),
	      "a fragment fits a read buffer");

#define SPOOL_STATE_DOUBT	0x80u

/* asked */
#define SPOOL_ASKED_NOTIFY	0x0fu
#define SPOOL_ASKED_ORCPT	0x10u
#define SPOOL_ASKED_ORIGINAL	0x20u
#define SPOOL_ASKED_ORIGINAL_SAME 0x40u	/* as the address: nothing has rewritten it */

/* --- writing: each returns the octets written to dst -------------------------------------------------------------- */

void spool_write_content_head(uint8_t dst[SPOOL_CONTENT_HEAD], uint64_t id, uint32_t index);
void spool_write_part_head(uint8_t dst[SPOOL_PART_HEAD], uint64_t id, uint32_t total, uint32_t offset);
size_t spool_write_begin(uint8_t dst[SPOOL_BEGIN_SIZE], uint64_t id, uint32_t first, uint32_t count, uint64_t now_ns);
size_t spool_write_settle_head(uint8_t dst[SPOOL_SETTLE_HEAD], uint64_t id, uint32_t first, uint32_t count);
size_t spool_write_settle_entry(uint8_t dst[SPOOL_SETTLE_ENTRY], enum rcpt_state state, bool in_doubt,
				struct enhanced_code dsn);
size_t spool_write_damaged(uint8_t dst[SPOOL_DAMAGED_SIZE], uint64_t id);
size_t spool_write_ids(uint8_t dst[SPOOL_IDS_SIZE], uint64_t below, uint64_t now_ns, uint64_t clock_ns);
size_t spool_write_said(uint8_t dst[SPOOL_SAID_SIZE], uint64_t unsaid);

struct spool_retry {
	uint32_t first;
	uint32_t count;
	uint32_t attempts;
	uint64_t due_ns;
};

size_t spool_write_defer(uint8_t dst[SPOOL_DEFER_SIZE], uint64_t id, const struct spool_retry *retry);

/* The numbers of an envelope; its lists follow with the functions below, in this order and exactly as many. */
struct spool_envelope_head {
	uint64_t id;
	uint64_t arrival_ns;
	uint64_t size;
	uint64_t wire_size;
	uint32_t facts;
	uint32_t rcpt_count;
	uint32_t retry_count;
	uint32_t fragment_count;
	struct slice sender;
	struct slice envid;
	struct slice client;
};

/* rcpt_text: octets of all recipients as rcpt_facts_size counts them. */
size_t spool_envelope_size(const struct spool_envelope_head *head, size_t rcpt_text);
size_t spool_write_envelope_head(uint8_t *dst, const struct spool_envelope_head *head);
size_t spool_write_rcpt(uint8_t *dst, const struct rcpt_facts *facts, enum rcpt_state state, bool in_doubt);
size_t spool_write_retry(uint8_t *dst, const struct spool_retry *retry);
size_t spool_write_fragment(uint8_t *dst, struct journal_ref ref);

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct spool_record {
	enum spool_record_type type;
	uint64_t id;			/* of IDS: the bound; of SAID: the count */
	uint64_t now_ns;		/* BEGIN, IDS */
	uint64_t clock_ns;		/* IDS */
	uint32_t index;			/* CONTENT */
	uint32_t total;			/* ENVELOPE */
	uint32_t offset;
	struct spool_retry retry;	/* BEGIN, SETTLE: first and count; DEFER: all of it */
	struct slice rest;		/* CONTENT, ENVELOPE: the octets; SETTLE: entries for spool_read_entry */
};

/* Reads any record. 0 or ERR_CORRUPT. */
int spool_record_read(uint8_t type, struct slice payload, struct spool_record *ret_record);

struct spool_settle_entry {
	enum rcpt_state state;
	bool in_doubt;
	struct enhanced_code dsn;
};

/* Entry i < count of a SETTLE that spool_record_read has accepted. */
struct spool_settle_entry spool_read_entry(const struct spool_record *record, uint32_t i);

struct spool_envelope_view {
	struct spool_envelope_head head;
	enum spool_record_type type;	/* SPOOL_ENVELOPE, or SPOOL_ENVELOPE_1: addresses are in wire form */
	size_t rcpt_text;		/* octets of all recipients as rcpt_facts_size counts them */
	struct slice rcpts;		/* for spool_next_rcpt ... */
	struct slice retries;
	struct slice fragments;
};

struct spool_rcpt {
	struct rcpt_facts facts;
	enum rcpt_state state;
	bool in_doubt;
};

/* Reads and checks a whole envelope of that type: afterwards the lists can be walked without a further check. 0 or
 * ERR_CORRUPT. */
int spool_envelope_read(enum spool_record_type type, struct slice in, struct spool_envelope_view *ret_view);

/* Each takes one item off the front of the list; there must be one. */
void spool_next_rcpt(struct spool_envelope_view *view, struct spool_rcpt *ret_rcpt);
void spool_next_retry(struct slice *list, struct spool_retry *ret_retry);
void spool_next_fragment(struct slice *list, struct journal_ref *ret_ref);
