/* tls_policy.h - what is asked of TLS at one server, from parameters and tables (P 3, B 7.2)
 *
 * Weakest first: smtp_tls_security_level (with the switches it replaced: net/params.h), smtp_tls_per_site,
 * smtp_tls_policy_maps. What cannot be understood, or is not built yet (tafile), makes the destination wait with 4.7.5;
 * it never weakens. The levels dane and dane-only need what DNS says of the host (dane_policy.h).
 *
 * memory   the caller's struct session_tls
 * errors   *why says what is wrong, for the log and the recipients' status
 * thread   any core
 */
#pragma once

#include "net/delivery/dane_policy.h"
#include "net/delivery/tls_policy_sts.h"
#include "net/lookup/nexthop.h"
#include "net/smtp/session.h"
#include "net/smtp/session_tls.h"

/* Where to: the element of the nexthop list, and the name of the server. */
struct tls_policy_peer {
	struct slice text;	/* as written, brackets and port included */
	struct slice domain;	/* the same without */
	struct slice host;
	bool is_optional;	/* "TLS-Required: no": the tables have no say, and the level is no more than may */
	struct dane_facts dane;
};

struct tls_policy {
	bool reuse;		/* the session may be kept for other mail */
	const char *told;	/* about dane: what the operator ought to hear; NULL: nothing */
	bool has_ciphers, has_protocols, has_excluded;
	struct slice ciphers, protocols, excluded;	/* of the table, in value */
	struct tls_policy_sts sts;			/* the same */
	char value[2048];
};

#define TLS_POLICY_ASK 1	/* for the TLSA records, and then again */

/* Level, names, fingerprints, TLSA records and SNI, into t, which is all zeroes but for room and context. The records
 * (t->check.dane) are still those of the peer. 0; TLS_POLICY_ASK; ERR_SYNTAX: 4.7.5; ERR_TABLE: 4.3.0. */
int tls_policy_find(const struct params *p, const struct tls_policy_peer *peer, struct tls_policy *ret_policy,
		    struct session_tls *t, struct str *why);

/* Bits of TLS 1.2 and 1.3 in ">=TLSv1.2", "!TLSv1.3" and the like; 0: none is left, or it makes no sense. */
unsigned tls_policy_versions(struct slice text);

/* All that was asked, and whom we trust, in one key: what was made under one is of no use under another. */
void tls_policy_key(const struct tls_policy *policy, const struct session_tls *t, struct tls_key *ret_key);

/* What became of it, for the log: "may", "may:none", "!encrypt", "may?" (B 22.3). failed: in which state it did,
 * SESSION_CLOSED when not before mail could be sent. t: NULL where nothing was asked. */
void tls_policy_status(const struct session_tls *t, enum session_state failed, enum session_tls_trouble trouble,
		       struct str *s);

/* Versions and ciphers, for a session that is about to be opened: what cannot be is a handshake that fails. */
void tls_policy_finish(const struct params *p, const struct tls_policy *policy, struct session_tls *t);
