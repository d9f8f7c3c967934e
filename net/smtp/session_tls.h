/* session_tls.h - TLS in a session: what is asked of it, and how it went (RFC 3207, RFC 8314 3.3; B 7)
 *
 *	greeting -> EHLO -> STARTTLS -> handshake -> EHLO -> open		the second EHLO is the one that counts
 *	connect -> handshake -> greeting -> ...					wrapper mode
 *
 * Nothing is said between STARTTLS and the end of the handshake; an octet behind the reply to STARTTLS ends the session
 * (rows TLS-03, TLS-04, TLS-06).
 *
 * Whoever opens the session fills the first part (net/delivery/tls_policy.h), and keeps it until the session is closed.
 *
 * memory   the caller's; one for each session that may have TLS
 */
#pragma once

#include "crypto/tls.h"
#include "crypto/tls_cipher.h"
#include "crypto/tls_sessions.h"
#include "net/params.h"
#include "net/smtp/conn.h"
#include "net/wire/tlsrpt.h"

#define SESSION_TLS_NAMES	1024u

struct session;

struct session_tls {
	/* what is asked */
	enum param_tls_level level;
	enum param_tls_level asked;	/* before something made it less: TLS that failed at this address at may */
	bool is_half_dane;		/* held against TLSA records, but not "Verified": who named the host is not known */
	bool is_wrapped;		/* TLS from the first octet on */
	bool is_impossible;		/* versions, ciphers or a name that cannot be: as a handshake that fails */
	bool note_offer;		/* smtp_tls_note_starttls_offer */
	bool log_summary, log_certificate, log_cache;
	struct tls_sessions *sessions;	/* to resume by; NULL: every handshake is a whole one */
	struct tls_key key;		/* of them: all that was known before the server has spoken */
	struct tls_room *room;
	struct tls_context *context;	/* NULL: TLS is not to be had here, see the log at start; session_tls_hold */
	enum tls_version version_min, version_max;
	struct slice servername;
	struct tls_check check;
	enum tlsrpt_result failure;	/* of the policy: no certificate is good enough; TLSRPT_SUCCESS: none */
	char ciphers[TLS_CIPHERS_MAX];
	char names[SESSION_TLS_NAMES];	/* of check and servername */
	/* how it went */
	bool is_on;			/* the handshake is over, and the session goes on in TLS */
	bool was_refused;		/* STARTTLS was offered, and then it was not */
	bool was_on;			/* the same, and it stays when the session has ended */
	/* private: between socket and dialogue */
	bool is_held;
	struct conn_transform transform;
	struct tls tls;
	void (*opened)(struct session_tls *t);
	struct session *session;
};

/* The session begins: from now on context stays, also when HUP brings another one before the handshake, until
 * session_tls_done. */
void session_tls_hold(struct session_tls *t);

/* Prepares transform; opened is called inside of an unwrap, when the handshake is over. 0, or why it cannot be. */
int session_tls_begin(struct session_tls *t, void (*opened)(struct session_tls *t));

/* "Untrusted", "Trusted", "Verified", "Anonymous": how Postfix calls it. */
const char *session_tls_status(const struct session_tls *t);

/* Does the level ask for a certificate that matches, and this one does not? */
bool session_tls_is_mismatch(const struct session_tls *t);

/* All of key is known now: the handshake, which has not begun, may resume a session. */
void session_tls_offer(struct session_tls *t, struct slice server_name);

/* The certificate was good enough, and the server has spoken since: what it gave us to resume by is kept. */
void session_tls_keep(struct session_tls *t);
/* Does the level ask for a certificate that matches, and this one does? */
bool session_tls_is_verified(const struct session_tls *t);

/* Goodbye goes out with the next flush. */
void session_tls_close(struct session_tls *t);

/* The connection is closed. Harmless for one that never began. */
void session_tls_done(struct session_tls *t);
