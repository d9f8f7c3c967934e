/* session.h - the SMTP dialogue over one connection, from greeting to QUIT (RFC 5321, RFC 2920)
 *
 *	session_open -> ready -> session_start(t) -> [next -> session_start(t2)] -> done(t) ... session_quit -> closed
 *	                  '---------------------------- anything goes wrong: done for every transaction ----> closed
 *
 * With PIPELINING, MAIL, RCPTs and DATA of one transaction leave together, and those of the next one right behind the
 * body of the one before (RFC 2920 3.1), but not in LMTP where that has several recipients; QUIT never rides behind a
 * dot. Results of a group become final at its synchronisation point, the reply to DATA: when the connection breaks
 * before, refused recipients were not refused.
 * A line that is no reply, or a reply nobody asked for, ends the session (rows RPL-04, RPL-08).
 *
 * bounds   two transactions at a time; PIPELINE_MAX unanswered commands
 * memory   embedded in the owner's pool; transactions are the owner's until done. What only a session needs that has
 *          something to say or to hear is in struct session_work, from a pool of the owner with one for each session:
 *          it is taken with the first octet, and back while the session is idle
 * errors   never reported twice: before ready in session.failure, afterwards as verdicts about recipients
 * thread   one core; callbacks come from the reactor, and from session_start and session_quit never
 */
#pragma once

#include "core/err.h"
#include "core/pool.h"
#include "net/lookup/table_net.h"
#include "net/params.h"
#include "net/smtp/conn.h"
#include "net/smtp/content.h"
#include "net/smtp/mapper.h"
#include "net/smtp/pipeline.h"
#include "net/smtp/session_auth.h"
#include "net/smtp/transaction.h"
#include "net/smtp/transcript.h"
#include "net/wire/smtp_ehlo.h"

#define SESSION_MAGIC		UINT32_C(0x73657331)
#define SESSION_RELAY_MAX	384u	/* "host[address]:port" */
#define SESSION_FAILURE_MAX	512u
#define SESSION_ANSWER_MAX	KIB(1)	/* of a table: a list of words */
#define SESSION_LOOKS		2u	/* turns: what the kernel had before the first has been read in the second */

struct session;
struct session_tls;

struct session_events {
	/* AUTH is due, where has_credentials was set. 1: who we are is in *ret; 0: there is nothing any more;
	 * ERR_TABLE; or -EACCES: they have been refused before, and failure says how (SESSION_AUTH_REMEMBERED). */
	int (*credentials)(struct session *s, struct auth_credentials *ret);
	/* Greeting, EHLO and AUTH are over: a transaction may be started. */
	void (*ready)(struct session *s);
	/* The current transaction's last octet is queued: another one may ride behind it. Called only when that is
	 * allowed. */
	void (*next)(struct session *s);
	/* Every open recipient of t has an outcome; t is the owner's again. */
	void (*done)(struct session *s, struct transaction *t);
	/* The connection is gone, all transactions are done: the memory may go. */
	void (*closed)(struct session *s);
};

/* What of TLS it was, if it was that. */
enum session_tls_trouble {
	SESSION_TLS_FINE,
	SESSION_TLS_NOT_OFFERED,	/* and has to be */
	SESSION_TLS_UNAVAILABLE,	/* with us, and has to be there */
	SESSION_TLS_REFUSED,		/* by the reply */
	SESSION_TLS_INJECTED,		/* something came behind the reply to STARTTLS */
	SESSION_TLS_HANDSHAKE,
	SESSION_TLS_MISMATCH,		/* the certificate is not good enough */
	SESSION_TLS_NO_STARTTLS,	/* of REQUIRETLS: not offered, */
	SESSION_TLS_NO_STARTTLS_NOW,	/* offered, and refused; */
	SESSION_TLS_NO_REQUIRETLS,	/* it is not offered itself */
};

/* What of AUTH it was, if it was that. */
enum session_auth_trouble {
	SESSION_AUTH_FINE,
	SESSION_AUTH_NONE_LEFT,		/* no mechanism that is offered will do */
	SESSION_AUTH_WEAKER,		/* some would, but this destination has had better (row AUT-03) */
	SESSION_AUTH_UNVERIFIED,	/* smtp_sasl_verified_only */
	SESSION_AUTH_REFUSED,		/* by the reply */
	SESSION_AUTH_REMEMBERED,	/* by a reply before this session */
	SESSION_AUTH_BROKEN,		/* err, as of crypto/auth.h */
};

/* Why a session never became ready. */
struct session_failure {
	enum session_tls_trouble tls;
	enum session_auth_trouble auth;
	enum session_state state;	/* in which it failed; SESSION_CLOSED: it did not */
	int err;			/* 0: a reply decided; -ELOOP: the server is ourselves; ERR_TABLE */
	bool is_last;			/* soft or hard, no other host is to be asked now */
	int code;			/* of the reply */
	struct enhanced_code dsn;	/* of the reply */
	char text[SESSION_FAILURE_MAX];
	size_t text_len;
};

struct session_work {
	struct smtp_reply_parser parser;
	char out[CONN_OUT];
	char answer[SESSION_ANSWER_MAX];
};

struct session {
	uint32_t magic;
	enum session_state state;
	const struct session_events *events;
	const struct params *params;
	void *owner;			/* for the callbacks */
	struct smtp_caps caps;
	struct session_failure failure;
	bool chunking;			/* BDAT may be used, if it is offered */
	bool chunking_broken;		/* it was offered, and refused as unknown (row EHL-08) */
	bool reusable;			/* nothing has happened that speaks against another transaction */
	uint32_t uses;			/* transactions started */
	uint32_t raised;		/* enum param_notify_class: what the postmaster may want to hear of */
	struct transcript *transcript;	/* the target's */
	uint64_t opened_ns;		/* monotonic, start of the connect */
	char relay[SESSION_RELAY_MAX];
	uint32_t relay_len;
	uint32_t host_len;		/* of relay: "host[address]" */
	bool is_worse_mx;		/* as in struct session_target */
	uint8_t requiretls;		/* the same */
	bool is_authenticated;
	enum auth_mech auth_mech;	/* once authenticated */
	unsigned auth_rank;		/* of the mechanism (crypto/auth_mech.h), once authenticated */
	/* private */
	struct transaction *current;
	struct transaction *riding;	/* behind current */
	struct pipeline pipeline;
	bool esmtp_seen;
	uint32_t quirks;		/* enum quirk */
	uint32_t xforward;		/* attributes that each transaction begins with */
	bool rset_due;
	bool only_quit;			/* after a goodbye, or a misunderstanding: nothing else is said any more */
	bool only_once;			/* the first transaction is the last */
	/* The server may think that the transaction before is still open: it refused RSET, or a chunk. */
	bool maybe_open;
	/* So far every "yes" to MAIL and RCPT was about an address (x.1.x), and the last one to a message was not: a
	 * reply in the wrong place would be seen, and content may go ahead. */
	bool replies_differ;
	bool replies_seen;
	uint8_t probe_left;		/* replies to RSET without which the connection counts as dead */
	bool in_callback;		/* pumping follows anyway */
	bool loop_check;
	bool lmtp;
	uint32_t debug_level;
	enum session_state lost_step;	/* what the peer owed us when it was lost */
	bool lost_idle;			/* it owed us nothing: we were waiting for our own content */
	int lost_err;
	uint64_t until_ns;
	struct table_net *tables;
	struct mapper *mapper;		/* NULL: addresses stay as they are */
	bool asks;			/* a table of another process, about the server: nothing is said until it has
					 * answered, or time is up */
	struct maps_ask ask;
	struct smtp_reply ask_reply;	/* to what; its text is the parser's, which is not fed meanwhile */
	char ask_ip[ADDR_TEXT_MAX];	/* its key */
	struct str ask_value;
	struct task look;		/* for what may have come before MAIL (smtp_tls_block_early_mail_reply) */
	uint8_t looks_left;
	struct wheel_timer deadline;
	uint64_t deadline_key;		/* what the armed deadline is for */
	uint64_t deadline_ns;
	uint64_t progress_mark;
	uint64_t body_left_ns;		/* of the time for a body, while we wait for ourselves */
	uint64_t body_answered;		/* pipeline.answered: which body that is */
	struct content_pool *contents;
	struct content_waiter content_wait;
	struct pool *works;
	struct session_work *work;	/* NULL: idle, and nothing is under way */
	struct conn_transform *transform;
	struct session_tls *tls;
	struct session_auth_wish auth_wish;
	struct session_auth *auth;	/* NULL: none is under way */
	struct list auth_wait;		/* in line for one, or nowhere */
	bool work_is_secret;		/* work->out has to be wiped */
	bool tls_goodbye;		/* close_notify has been said */
	bool quit_answered;
	struct conn conn;
};

/* Whom to speak with. All of it is copied, but for the transform, the transcript and what is of this core, which
 * stay the caller's. */
struct session_target {
	struct slice host;		/* the server's name, for the log */
	const struct addr *remote;
	const struct addr *local;	/* source address, or NULL */
	uint32_t debug_level;		/* debug_peer_level, or 0: 1 logs the dialogue, 2 its states, too */
	struct transcript *transcript;	/* to be filled, or NULL */
	struct conn_transform *transform; /* what stands between socket and dialogue from the first octet on, or NULL */
	struct session_tls *tls;	/* what is asked of TLS (net/smtp/session_tls.h), or NULL: nothing */
	struct session_auth_wish auth;
	uint64_t until_ns;		/* monotonic: until then it has to be ready, or is lost; 0: no limit */
	struct pool *works;		/* of struct session_work, one for each session */
	struct table_net *tables;	/* of this core, for tables of other processes; NULL: they are all in error */
	const struct generic_conf *generic; /* for addresses of the envelope; not looked at without a mapper */
	struct mapper *mapper;		/* memory for it, the caller's; NULL: addresses stay as they are */
	struct content_pool *contents;	/* of this core, for content that has to be changed */
	struct zero_copy *zero_copy;	/* of this core, or NULL: everything is copied */
	bool is_worse_mx;		/* a better host is in the list: meeting ourselves here is no loop for good */
	enum param_requiretls requiretls; /* what all messages of this session ask of it; above OPPORTUNISTIC it needs
					   * tls at a level that is not none */
	bool lmtp;			/* LMTP (RFC 2033) instead of SMTP */
	bool chunking;			/* use BDAT if the server offers it */
};

void session_open(struct session *s, const struct session_events *events, const struct params *params,
		  const struct session_target *target);

/* May a transaction be started now? */
bool session_can_start(const struct session *s);
void session_start(struct session *s, struct transaction *t);

/* The next transaction begins with RSET, which tells whether the connection is still alive (B 18.3); with PIPELINING
 * in the same group, so that nobody waits for it. If it is not, the transaction is done with t->stale set and no word
 * about its recipients. Only for an idle session, just before session_start. */
void session_probe(struct session *s);

/* Before an idle session is kept: what the server still believes to be under way is over (RSET). */
void session_reset(struct session *s);

/* The name under which somebody else knows the same server, for his log lines. */
void session_rename(struct session *s, struct slice host);

/* Its content has become available, or failed: call it from body.on_ready. */
void session_body_ready(struct session *s);

/* No transaction may be under way: QUIT, then closed. Without PIPELINING it waits for the reply to RSET. */
void session_quit(struct session *s);

/* At once, without ceremony: every transaction under way is lost. */
void session_abort(struct session *s, int err);

static inline bool session_is_idle(const struct session *s)
{
	return s->state == SESSION_OPEN && s->current == NULL;
}

static inline struct slice session_relay(const struct session *s)
{
	return slice_of(s->relay, s->relay_len);
}
/* In closed: the beginning of what the server sent that is no reply, fit to print; empty when all were replies, and in
 * AUTH, where it might repeat a secret. */
static inline struct slice session_offence(const struct session *s)
{
	if (s->work == NULL || s->work->parser.failed == 0 || s->lost_err == ERR_TABLE || s->lost_step == SESSION_AUTH)
		return (struct slice){ 0 };
	return smtp_reply_offence(&s->work->parser);
}

/* "host[address]" */
static inline struct slice session_peer(const struct session *s)
{
	return slice_of(s->relay, s->host_len);
}

/* "host" */
static inline struct slice session_host(const struct session *s)
{
	struct slice peer = session_peer(s);
	ptrdiff_t bracket = slice_find_last_char(peer, '[');

	return bracket < 0 ? peer : slice_head(peer, (size_t)bracket);
}
