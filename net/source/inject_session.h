/* inject_session.h - one injecting client's dialogue: its octets in, our replies and the spool's messages out
 *
 *	inject_session_greet -> { inject_session_feed -> out } -> INJECT_LAST_WORDS -> inject_session_done
 *
 * The server side of RFC 5321 with PIPELINING (2920), SIZE (1870), 8BITMIME (6152), ENHANCEDSTATUSCODES (2034),
 * CHUNKING (3030), DSN (3461), SMTPUTF8 (6531), STARTTLS (3207), AUTH (4954) and in TLS REQUIRETLS (8689).
 * What the extensions say about a message goes into the spool decoded; an address beyond ASCII without SMTPUTF8 is
 * refused, and so is xtext that stands for a line end (rows INJ-04, INJ-05).
 * No socket in here: the owner (inject_smtp.c) brings octets and takes away replies.
 *
 *	  state       we are...                                  octets are
 *	GREETING      to greet, and it should wait for that      nobody's: early talkers are closed
 *	HELLO         greeted                                    commands
 *	READY         between transactions                       commands
 *	MAIL          with a sender                              commands
 *	RCPT          with at least one recipient                commands
 *	DATA          behind 354                                 content, to the final dot
 *	CHUNK         in a chunk of BDAT                         content, counted
 *	BDAT          between two chunks                         commands
 *	BDAT_FAILED   between two chunks of a lost message       commands
 *	AUTH          in an exchange                             its lines
 *	COMMIT        waiting for the disk                       held
 *	STARTTLS      waiting for TLS                            TLS's, which begins when the reply has left in clear
 *	LAST_WORDS    done with it, the last reply is in out     nobody's
 *	CLOSED        gone                                       -
 *
 * A message that is refused while its octets come (too large, no room, too many hops) is read to its end first, then
 * answered. Bare CR, bare LF and NUL are answered at once, and nothing behind them is believed (row SMG-02).
 *
 * bounds   smtpd_recipient_limit, message_size_limit, smtpd_hard_error_limit, hopcount_limit; INJECT_GARBAGE_MAX
 *          lines that are no SMTP at all (row LIS-03), INJECT_JUNK_MAX commands without mail, then each counts as an
 * error (LIS-02)
 * memory   everything is in the struct but recipients (inject_rcpts) and the draft (spool)
 * errors   all are replies; the spool's trouble is 452 4.3.1 and never a 250
 * never    says 250 to a message that is not durable; reads the octets of one state as those of another
 */
#pragma once

#include "core/addr.h"
#include "core/pool.h"
#include "net/mail/crlf.h"
#include "net/params.h"
#include "net/source/inject_auth.h"
#include "net/source/inject_rcpts.h"
#include "net/source/spool.h"
#include "net/wire/smtp_command.h"
#include "net/wire/smtp_command_line.h"

#define INJECT_SESSION_MAGIC	UINT32_C(0x696e6a31)
#define INJECT_OUT_SIZE		KIB(4)
#define INJECT_REPLY_MAX	512u		/* the longest is the one to EHLO, with a name of 255 octets */
#define INJECT_PEER_MAX		64u
#define INJECT_GARBAGE_MAX	3u
#define INJECT_JUNK_MAX		100u

/* Smaller pieces are gathered before they are written: a client that drips makes no record for each drop (row
 * LIS-02). */
#define INJECT_PIECE_MIN	KIB(2)
#define INJECT_STAGING_SIZE	KIB(4)

static_assert(INJECT_PIECE_MIN + RECEIVED_MAX <= INJECT_STAGING_SIZE, "the trace field and one piece more");

enum inject_state {
	INJECT_GREETING,
	INJECT_HELLO,
	INJECT_READY,
	INJECT_MAIL,
	INJECT_RCPT,
	INJECT_DATA,
	INJECT_CHUNK,
	INJECT_BDAT,
	INJECT_BDAT_FAILED,
	INJECT_AUTH,
	INJECT_COMMIT,
	INJECT_STARTTLS,
	INJECT_LAST_WORDS,
	INJECT_CLOSED,
	INJECT_STATE_COUNT
};

/* What else may hold up a session, besides INJECT_COMMIT. */
enum inject_wait {
	INJECT_WAIT_NOTHING,
	INJECT_WAIT_ROOM,		/* in the journal */
	INJECT_WAIT_OUT,		/* for replies to leave */
	INJECT_WAIT_HELPER,		/* for a password to be looked at */
	INJECT_WAIT_DELAY,		/* smtpd_error_sleep_time: the owner calls inject_auth_refuse */
};

/* What all sessions of a core have in common. */
struct inject_common {
	const struct params *params;
	struct spool *spool;
	struct pool rcpt_blocks;
	struct pool rcpt_lists;		/* of one: */
	struct rcpt_facts *rcpt_list;	/* smtpd_recipient_limit of them, an envelope while it is handed over */
	struct slice hostname;
	uint32_t offered;		/* enum smtp_cap */
	bool offers_tls;		/* STARTTLS: the owner can do it */
	const struct passwords *passwords;	/* NULL: nobody can authenticate */
	struct pool auths;
	/* What takes longer than a turn has: helper_submit. */
	void (*submit)(struct helper_job *job, void *context);
	void *submit_context;
	char ehlo[INJECT_REPLY_MAX];	/* the reply to EHLO, behind its first line */
	size_t ehlo_len;
};

struct inject_tally {
	uint32_t good;
	uint32_t all;
};

struct inject_session {
	uint32_t magic;
	enum inject_state state;
	enum inject_wait wait;
	struct inject_common *common;
	struct str out;			/* replies to be sent; the owner takes from the front */
	/* A wait is over, or is another one now: feed what was held. Never called from inside inject_session_feed. */
	void (*on_resume)(struct inject_session *s);
	uint64_t commands;		/* whole lines read so far */
	uint64_t octets;		/* of content */
	uint64_t id;			/* of the last message that was accepted */
	uint32_t accepted;		/* messages */
	bool polite;			/* the last words answer QUIT */
	/* private */
	struct addr peer;
	bool trusted;			/* by its address */
	bool may_forward;		/* smtpd_authorized_xforward_hosts: nobody else even hears of it (row LIS-08) */
	bool in_tls;
	bool authenticated;
	bool heard_secret;		/* the owner wipes what it has just fed, and clears this */
	uint8_t auth_failures;
	const char *auth_mech;		/* when it has authenticated */
	struct inject_auth *auth;	/* in INJECT_AUTH */
	bool esmtp;
	bool refused;			/* our last reply */
	uint8_t garbage;
	uint32_t errors;
	uint32_t junk;
	struct inject_tally tally[SMTP_VERB_COUNT];
	struct inject_rcpts rcpts;
	uint32_t facts;			/* what MAIL has said, as enum message_fact */
	uint16_t sender_len;
	uint16_t envid_len;
	uint16_t xforward_len;
	uint32_t forwarded;		/* what XFORWARD has said, bits of enum client_attr */
	uint16_t helo_len;
	uint16_t user_len;
	uint16_t peer_text_len;

	/* content */
	struct spool_draft *draft;
	const char *failure;		/* the reply when the octets of a lost message are over */
	bool content_ended;		/* a write that waits for room is the last one */
	bool chunk_last;
	uint64_t chunk_left;
	uint64_t trace_size;		/* octets of our Received field */
	struct crlf crlf;
	struct slice parts[SPOOL_PARTS_MAX];
	unsigned part_count;
	size_t staged;
	struct journal_waiter room_waiter;
	struct spool_waiter commit_waiter;

	struct smtp_command_line_reader reader;
	char sender[ADDRESS_MAX];	/* internal form */
	char envid[SMTP_ENVID_MAX];
	char xforward[MESSAGE_CLIENT_MAX];	/* as message.client */
	char helo[ADDRESS_DOMAIN_MAX];
	char peer_text[INJECT_PEER_MAX];
	char user[PASSWORD_USER_MAX];	/* who has authenticated */
	char staging[INJECT_STAGING_SIZE];
	char out_storage[INJECT_OUT_SIZE];
};

/* Start only. The limits in params are the caller's to keep. 0 or -ENOMEM. */
int inject_common_init(struct inject_common *common, const struct params *params, struct spool *spool,
	size_t connections);
void inject_common_done(struct inject_common *common);

/* on_resume is set by the caller. */
void inject_session_init(struct inject_session *s, struct inject_common *common, const struct addr *peer);

/* Before the greeting: a proxy says that this is the client, or (NULL) that it does not know who it is, and then what
 * its own address may do is nobody's. */
void inject_session_set_peer(struct inject_session *s, const struct addr *peer);

/* The greeting goes to out; from now on octets are commands. */
void inject_session_greet(struct inject_session *s);

/* TLS is open: as if the client had just come (RFC 3207 4.2), but for what it has done wrong. Before the greeting, or
 * in INJECT_STARTTLS. */
void inject_session_on_tls(struct inject_session *s);

/* Consumes from the front of *in until it is empty or the session has to wait; wall_ns is for the trace field.
 * Returns true when the memory of the input is still in use, although all may be consumed: it has to stay until
 * on_resume. */
bool inject_session_feed(struct inject_session *s, struct slice *in, uint64_t wall_ns);

/* No octet may be fed now. */
static inline bool inject_session_is_waiting(const struct inject_session *s)
{
	return s->state == INJECT_COMMIT || s->state == INJECT_STARTTLS || s->wait != INJECT_WAIT_NOTHING;
}

/* Somebody else has something of it and will call on_resume: it has to stay until then. */
static inline bool inject_session_is_awaited(const struct inject_session *s)
{
	return s->state == INJECT_COMMIT || s->wait == INJECT_WAIT_HELPER;
}

static inline bool inject_session_is_in_content(const struct inject_session *s)
{
	return s->state == INJECT_DATA || s->state == INJECT_CHUNK;
}

/* Room in out has come back. May call on_resume. */
void inject_session_on_out(struct inject_session *s);

/* Ends the dialogue with this reply, if the state still has one to say; an open message is dropped. Not while it is
 * awaited. */
void inject_session_say_last(struct inject_session *s, const char *reply);

/* The same, and the log says so: of a client that is sent away for what it did, or did not. */
void inject_session_give_up(struct inject_session *s, const char *reply);

/* The client has gone or is sent away: drops what is open. While it is awaited, on_resume follows, and the session has
 * to stay until then. */
void inject_session_done(struct inject_session *s);

/* "unknown[192.0.2.1]" */
static inline struct slice inject_session_peer(const struct inject_session *s)
{
	return slice_of(s->peer_text, s->peer_text_len);
}

/* "ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6": how many went well, and out of how many. */
void inject_session_add_tally(struct str *out, const struct inject_session *s);
