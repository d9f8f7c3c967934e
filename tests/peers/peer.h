/* peer.h - an honest SMTP or LMTP server for the simulated network, and the tricks it can be told to play
 *
 *	octets, closes and times in --> [mode: command, body, chunk] --> octets and closes out
 *	                                      '-> commit point -> ledger
 *
 * Honest: strict about grammar, commits a mail before its 250 leaves, and writes down what the *client* does wrong: a
 * bare CR or LF, a line that is too long, a command out of order or one that was not offered, octets that did not wait
 * for the reply they had to wait for, and anything behind the final dot but the next transaction.
 *
 * Tricks are rows: at this stage, the nth time, do that instead. So a hostile server is an honest one with a bad habit.
 *
 * memory   allocated as it grows; this is a test
 * bounds   PEER_LEDGER_MAX commits, PEER_VIOLATIONS_MAX violations kept (all are counted)
 * never    does I/O, or looks at a clock: tests/sim/net.h brings both
 */
#pragma once

#include "net/wire/smtp_command.h"
#include "net/wire/smtp_command_line.h"
#include "tests/sim/net.h"

#define PEER_LEDGER_MAX		65536u
#define PEER_VIOLATIONS_MAX	16u
#define PEER_VIOLATION_MAX	160u

enum peer_stage {
	PEER_GREETING,
	PEER_EHLO,		/* LHLO, too */
	PEER_HELO,
	PEER_MAIL,
	PEER_RCPT,
	PEER_DATA,
	PEER_BODY,		/* after trick.at octets of it */
	PEER_DOT,		/* also the reply to BDAT LAST; LMTP: one for each recipient */
	PEER_BDAT,		/* a chunk that is not the last */
	PEER_RSET,
	PEER_QUIT,
	PEER_XFORWARD,
	PEER_AUTH,		/* the command */
	PEER_AUTH_STEP,		/* a response to a challenge */
	PEER_OTHER,
	PEER_STAGE_COUNT
};

enum peer_deed {
	PEER_HONEST,		/* as if there were no trick; for rows that only set something else */
	PEER_SAY,		/* text instead of the reply */
	PEER_SAY_FIRST,		/* text, and then the reply */
	PEER_SAY_AFTER,		/* the reply, and then text, in one segment */
	PEER_SAY_LATER,		/* the reply, and ns later text */
	PEER_SAY_CLOSE,		/* text (or nothing), then FIN */
	PEER_SAY_RESET,		/* text (or nothing), then RST once it has arrived */
	PEER_REPLY_CLOSE,	/* the reply, then FIN */
	PEER_REPLY_RESET,
	PEER_SILENT,		/* no reply to this, ever; the rest goes on */
	PEER_MUTE,		/* nothing more from here on */
	PEER_LATE,		/* the reply after ns */
	PEER_TRICKLE,		/* text, or the reply, octet by octet, ns apart */
	PEER_ENDLESS,		/* text again and again, as fast as it is taken */
	PEER_STOP_READING,
	PEER_LOSE_REST,		/* the reply, and what has come behind the command is lost */
};

struct peer_trick {
	enum peer_stage stage;
	unsigned nth;		/* of this stage on one connection, from 1; 0: each time */
	enum peer_deed deed;
	struct slice text;
	uint64_t ns;
	uint64_t at;		/* PEER_BODY */
	bool commit;		/* PEER_DOT: the mail is committed whatever is said */
	unsigned connection;	/* only on this one, from 1; 0: on each */
};

struct peer_commit {
	struct slice sender;
	struct slice rcpt;
	struct slice content;	/* unstuffed; only during on_commit */
	uint64_t digest;	/* peer_digest of it */
	uint64_t size;
	unsigned connection;
	bool chunked;		/* by BDAT */
	bool said;		/* the 250 was said, too */
};

/* One server: at one address or at several. */
struct peer {
	/* set before use */
	const char *name;	/* of the greeting and of EHLO */
	uint32_t offers;	/* enum smtp_cap */
	bool lmtp;
	bool no_ehlo;		/* knows HELO only */
	bool tls;		/* from the first octet on; with server.pem of tests/unit/crypto/pki */
	uint64_t size_limit;	/* SIZE; 0: without a number */
	unsigned rcpt_max;	/* LIMITS; 0: not given */
	unsigned mail_max;
	uint64_t reply_ns;	/* each reply takes so long */
	const struct peer_trick *tricks;
	unsigned trick_count;
	const char *secret;	/* of the client's: who hears it, and where? NULL: nobody asks */
	bool keep_content;	/* of the latest commit, in content */
	/* Optional, for worlds with a ledger of their own: called for each commit, before its 250 leaves. */
	void (*on_commit)(struct peer *peer, const struct peer_commit *commit);
	void *context;
	/* told */
	struct peer_commit *ledger;
	unsigned commits;
	unsigned connections;
	unsigned open_now;
	unsigned transactions;		/* MAILs */
	unsigned quits;
	unsigned authenticated;		/* times that somebody was */
	uint32_t secret_heard;		/* a bit for each of the first 32 connections */
	uint64_t octets_taken;		/* of what we said: the most of any connection that is over */
	unsigned violation_count;
	char violations[PEER_VIOLATIONS_MAX][PEER_VIOLATION_MAX];
	char *content;
	size_t content_len;
};

extern const struct sim_program peer_program;	/* context: the struct peer */

void peer_init(struct peer *peer, const char *name, uint32_t offers);
void peer_done(struct peer *peer);

/* How often has a mail for this recipient been committed? */
unsigned peer_commits_to(const struct peer *peer, struct slice rcpt);

/* FNV-1a, 64 bits: goes on from digest, which begins with PEER_DIGEST_START. */
#define PEER_DIGEST_START UINT64_C(0xcbf29ce484222325)
uint64_t peer_digest(uint64_t digest, struct slice data);
