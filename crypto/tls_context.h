/* tls_context.h - what sessions with TLS have in common: whom we trust, who we are
 *
 * One for each core, made before the first turn, and again when the files may have changed (HUP): sessions that live
 * keep the one they were opened with, which goes with the last of them.
 *
 * memory   wolfSSL's, at start only
 * errors   making: *why names the parameter's file and what is wrong with it
 * thread   made anywhere; then one core's
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"
#include "crypto/tls_dane.h"

struct WOLFSSL_CTX;

/* Paths may be NULL or empty: none. */
struct tls_context_conf {
	const char *ca_file;		/* trusted, PEM */
	const char *ca_path;		/* a directory of such files: read whole, and now */
	bool system_cas;		/* the system's, too */
	const struct tls_dane *anchors;	/* smtp_tls_trust_anchor_file; NULL: none */
	const char *cert_file;		/* ours, and those above it, PEM; NULL: we have none */
	const char *key_file;
	const char *groups;		/* of tls_groups_choose, the best first; NULL: X25519, P-256, 384, 521 */
	uint64_t now_ns;		/* wall clock: what has expired is not trusted */
};

/* Of a server: it must have a certificate. */
struct tls_serve_conf {
	const char *cert_file;		/* ours, and those above it, PEM */
	const char *key_file;		/* empty: the same file */
	bool only_old;			/* TLS 1.2 and nothing else */
	bool only_new;			/* TLS 1.3 and nothing else */
	const char *ciphers;		/* of tls_ciphers_choose; NULL: all */
	uint64_t now_ns;
};

struct tls_context {
	/* Trust nobody: chains are judged apart (crypto/tls_verify.h). One for all versions, and one for 1.2 alone. */
	struct WOLFSSL_CTX *sessions, *sessions_old;	/* a server has the first alone */
	struct WOLFSSL_CTX *trusted;	/* a place for anchors; NULL: nobody is trusted */
	struct tls_dane anchors;	/* trusted instead, where they count; of none nobody is */
	uint64_t id;		/* no other context has it: what was judged by one counts for no other */
	unsigned users;
	bool is_retired;
};

/* 0, or a negative error and *why. */
int tls_context_new(const struct tls_context_conf *conf, struct str *why, struct tls_context **ret_context);

/* For tls_serve. Tickets are not given, sessions not kept: a full handshake each. */
int tls_context_new_server(const struct tls_serve_conf *conf, struct str *why, struct tls_context **ret_context);

/* It goes when its last session has gone, or now. Clears the caller's pointer; NULL is accepted. */
void tls_context_retire(struct tls_context **context);

/* For sessions, from the moment they are chosen a context: it stays until they let go of it. */
void tls_context_use(struct tls_context *context);
void tls_context_unuse(struct tls_context *context);
