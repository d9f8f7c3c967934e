/* message.h - one message and its recipients: the nouns everything else talks about
 *
 * Sender, size, facts and addresses never change once the message is accepted. What changes is each recipient's
 * state, and only its current owner writes that: the core that holds the job the recipient belongs to.
 *
 *	content	wire form: lines end in CRLF, leading dots are stuffed, the last line is ended, no final dot
 *
 * What few messages have (ENVID, a client's description) is an empty slice when it is absent, and what few recipients
 * have (ORCPT, an original address) costs nothing then: it is laid behind the address.
 *
 *	rcpt.addr.ptr	address | length 2 | ORCPT | length 2 | original address
 *	msg.client	( attribute 1 | length 1 | value ) ...
 *
 * memory   message, rcpt array and envelope text belong to the source, on the message's home core
 * bounds   MESSAGE_RCPTS_MAX recipients; MESSAGE_ADDR_MAX octets an address or ORCPT; MESSAGE_CLIENT_MAX a client
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"
#include "net/wire/smtp_command.h"
#include "net/wire/smtp_reply.h"

#define MESSAGE_MAGIC		UINT32_C(0x6d736731)
#define MESSAGE_RCPTS_MAX	100000u
#define MESSAGE_ID_TEXT_MAX	20u
#define MESSAGE_ADDR_MAX	1024u	/* RFC 5321 4.5.3.1 asks for 256 */
#define MESSAGE_CLIENT_MAX	1024u

enum message_fact {
	MESSAGE_8BIT		= BIT(0),	/* octets above 127 */
	MESSAGE_BODY_8BITMIME	= BIT(1),	/* labelled 8bit: declared with BODY=8BITMIME */
	MESSAGE_LONG_LINE	= BIT(2),	/* some line is longer than 998 octets (RFC 5322 2.1.1) */
	MESSAGE_STUFFED		= BIT(3),	/* some line begins with a dot, so the wire form has one more */
	/* labelled 7bit; neither label: the encoding is unknown, and nobody vouches for it (B 10.2) */
	MESSAGE_BODY_7BIT	= BIT(4),
	MESSAGE_SMTPUTF8	= BIT(5),	/* the sender asked for SMTPUTF8 (RFC 6531 3.4) */
	MESSAGE_HEADER_UTF8	= BIT(6),	/* octets above 127 in the header */
	MESSAGE_REQUIRETLS	= BIT(7),	/* the sender asked for REQUIRETLS (RFC 8689 2) */
	MESSAGE_TLS_OPTIONAL	= BIT(8),	/* the header says "TLS-Required: no" (RFC 8689 3) */
	MESSAGE_RET_FULL	= BIT(9),	/* RET=FULL was given (RFC 3461 4.3) */
	MESSAGE_RET_HDRS	= BIT(10),	/* RET=HDRS was given */
	/* Not to be delivered: somebody asks whether its recipients could be (B 17.6, smtp_address_verify_target). One
	 * of the two, for the whole message. Each recipient is answered once: RCPT_SENT is deliverable, RCPT_BOUNCED
	 * undeliverable (5.y.z) or undecided (4.y.z), and no report is due. No source asks yet. */
	MESSAGE_PROBE_RCPT	= BIT(11),	/* as far as RCPT */
	MESSAGE_PROBE_DATA	= BIT(12),	/* as far as DATA: some servers look at recipients only then */
	MESSAGE_TLS_REPORT	= BIT(13),	/* it is a TLS report of ours: its own sessions are not reported */
	/* Its content is no wire form, but records of a Postfix queue file (net/mail/records.h). Of long lines, dots
	 * and octets above 127 nothing is known then; the label of its encoding is the queue manager's. size is what
	 * the queue manager says, which is what SIZE= announces. */
	MESSAGE_RECORDS		= BIT(14),
};

#define MESSAGE_PROBE (MESSAGE_PROBE_RCPT | MESSAGE_PROBE_DATA)

/* Who gave us the message, for XFORWARD (B 9): text as it came, decoded. Empty: not known. */
enum client_attr {
	CLIENT_NAME,
	CLIENT_ADDR,
	CLIENT_PORT,
	CLIENT_PROTO,
	CLIENT_HELO,
	CLIENT_IDENT,
	CLIENT_SOURCE,		/* "LOCAL" or "REMOTE" */
	CLIENT_ATTR_COUNT
};

enum rcpt_state {
	RCPT_OPEN,		/* to be delivered */
	RCPT_SENT,		/* somebody else is responsible now */
	RCPT_BOUNCED,		/* failed for good, and reported so */
};

struct rcpt {
	struct slice addr;	/* internal form (net/wire/address.h) */
	uint8_t state;		/* enum rcpt_state; changed only by the source, when the outcome is durable */
	/* The outcome of the attempt under way, written by whoever makes it. */
	uint8_t outcome;	/* enum rcpt_outcome */
	uint8_t phase;		/* enum session_state in which it was decided */
	bool ambiguous;		/* the final dot was under way: it may be delivered already (RFC 1047) */
	bool in_doubt;		/* private to the source: on disk, an attempt was begun and its end is not certain */
	bool is_softened;	/* a hard failure: OUTCOME_SOFT until no host is left; deferred by soft_bounce */
	uint8_t notify;		/* enum smtp_notify: what reports were asked for; 0: nothing was said */
	uint8_t laid;		/* private: what is laid behind addr */
	struct enhanced_code dsn;
	struct slice text;	/* why, printable, in the attempt's memory */
};

enum rcpt_outcome {
	OUTCOME_NONE,		/* not tried, or not yet known: stays open */
	OUTCOME_SENT,
	OUTCOME_SOFT,		/* a next host may do better */
	OUTCOME_HARD,		/* never tried elsewhere */
	OUTCOME_DEFERRED,	/* temporary, and nobody is left to try in this round */
	OUTCOME_WAITING,	/* deferred by an earlier attempt of this round */
};

struct message {
	uint32_t magic;
	unsigned home;		/* the core that owns it */
	uint64_t id;		/* never used twice in the life of a spool */
	uint64_t arrival_ns;	/* queue clock */
	/* octets as transmitted with CRLF, without stuffing and final dot: what SIZE= announces */
	uint64_t size;
	uint64_t wire_size;	/* octets of the stored wire form */
	uint32_t facts;		/* enum message_fact */
	uint32_t rcpt_count;
	struct slice sender;	/* internal form, empty for "<>" */
	struct slice envid;	/* decoded ENVID (RFC 3461 4.4) */
	struct slice client;	/* of enum client_attr, read with message_client */
	struct rcpt *rcpts;	/* those of one destination stand together */
};

/* "1C2F0A93B4D5E": upper-case hexadecimal, as short as it goes; the queue id in every log line. */
void message_id_text(struct str *out, uint64_t id);

/* --- recipients ------------------------------------------------------------------------------------------------- */

struct rcpt_facts {
	struct slice addr;	/* 1..MESSAGE_ADDR_MAX octets, the others 0..MESSAGE_ADDR_MAX */
	struct slice orcpt;	/* "type;address", decoded (RFC 3461 4.2) */
	struct slice original;	/* what the address was before anything rewrote it; internal form */
	uint32_t notify;	/* enum smtp_notify */
};

/* Octets that rcpt_set writes. */
size_t rcpt_facts_size(const struct rcpt_facts *facts);

/* Sets addr, notify and what belongs to them, in text; the rest of *rcpt stays. Returns the end of what was written. */
char *rcpt_set(struct rcpt *rcpt, char *text, const struct rcpt_facts *facts);

/* What rcpt_set was given. */
struct rcpt_facts rcpt_facts(const struct rcpt *rcpt);

/* --- in the log ------------------------------------------------------------------------------------------------- */

/* Adds an address to a log line as it stands on the wire (case 593): what is inside of quotes cannot pass for another
 * field of the line (row LOG-01). At most max octets. */
void message_log_addr(struct str *out, struct slice internal, size_t max);

/* --- the client ------------------------------------------------------------------------------------------------- */

/* Adds one attribute to what becomes message.client. An empty value, or one longer than 255 octets, is left out: half
 * a name is the name of somebody else. */
void message_client_add(struct str *client, enum client_attr attr, struct slice value);

/* Has message_client_add written this? For those who read it back from a disk. */
bool message_client_is_valid(struct slice client);

/* Empty when it is not known. */
struct slice message_client(const struct message *msg, enum client_attr attr);
