/* tls_sessions.h - what servers have given us to resume by (RFC 8446 2.2, RFC 5077, RFC 5246 7.3)
 *
 * One core's. Tickets, and session ids of TLS 1.2, with the secrets that belong to them and with the verdict of the
 * handshake in which the certificate was shown: a session that is resumed shows none, and inherits it. So whoever asks
 * has to ask with the same key, and everything that made the verdict has to be in it (row TLS-09): who the server is,
 * what was asked of it, whom we trust. Keys are SHA-256: there is no other way to the same one.
 *
 *	tls_open -> tls_sessions_offer -> handshake -> tls_sessions_keep	a failed one: tls_sessions_forget
 *
 * The life of an entry is counted from the handshake in which the certificate was shown, and ends with the certificate:
 * a server that gives a new ticket with each resumption is judged again as often as any other.
 *
 * bounds   a session for each key, the newest; count entries of up to TLS_SESSION_MAX octets of the library's. The
 *          one that has not been used for longest makes room
 * memory   entries from a pool; what the library keeps in them is charged to each (crypto/tls_heap.h), and wiped
 * never    on a disk, in a log, or on another core
 */
#pragma once

#include "core/list.h"
#include "core/map.h"
#include "core/pool.h"
#include "crypto/tls.h"

#define TLS_SESSION_MAX KIB(4)

struct tls_sessions {
	struct pool entries;	/* empty: nothing is kept */
	struct map by_key;
	struct list by_use;	/* the longest unused first */
	uint64_t life_ns;
};

/* Start only. count may be 0. 0 or -ENOMEM. */
int tls_sessions_init(struct tls_sessions *s, size_t count, uint64_t life_ns);
void tls_sessions_done(struct tls_sessions *s);

/* Nobody resumes anything any more: what servers gave us is wiped. */
void tls_sessions_clear(struct tls_sessions *s);

/* All parts, each with its length: no two lists of parts look alike. */
void tls_key_make(struct tls_key *ret_key, const struct slice *parts, size_t count);

/* Before the first tls_wrap of t. True: the server will be asked to resume. It may decline, and then t goes through a
 * whole handshake, with a verdict of its own. */
bool tls_sessions_offer(struct tls_sessions *s, const struct tls_key *key, uint64_t wall_ns, struct tls *t);

/* t is open, and has passed: what its server has given is kept, in the place of what was. Nothing new: nothing is
 * done. */
void tls_sessions_keep(struct tls_sessions *s, const struct tls_key *key, struct tls *t);

/* Harmless when there is none. */
void tls_sessions_forget(struct tls_sessions *s, const struct tls_key *key);
