/* tls_verify.h - does this certificate belong to whom we meant? Names (RFC 9525), fingerprints, chains
 *
 * Names: dNSName entries count, and the common name only where there are none. A "*" stands for exactly one label, and
 * only alone as the left-most one. What we look for is a name, or ".domain" for all names below it. Anything in a
 * certificate that is no host name (a NUL, a blank, a control character) matches nothing.
 *
 * TLSA records (crypto/tls_dane.h) say who it must be in another way.
 *
 * Chains are built here and not inside the handshake: wolfSSL keeps every intermediate certificate that a handshake
 * brought in the trust store of all others, also one that was only accepted because nobody asked. Here each step is one
 * question to wolfSSL (signature, dates, name constraints, path length) with one issuer to choose from, and nothing
 * stays.
 *
 * bounds   TLS_CHAIN_MAX certificates, TLS_PRINTS_MAX fingerprints; 32 wrong signatures end the search for a chain
 * memory   the caller's, and wolfSSL's own (crypto/tls_heap.h) during the call
 * never    looks at a clock: time is what the last tls_time_set on this thread said
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

#define TLS_CHAIN_MAX	11u	/* as many as wolfSSL takes: MAX_CHAIN_DEPTH in tools/setup */
#define TLS_PRINTS_MAX	16u
#define TLS_PRINT_SIZE	64u	/* SHA-512 */
#define TLS_NAME_MAX	255u

/* Of tls_verdict.why, those that reports tell from the others. */
#define TLS_WHY_EXPIRED		"certificate has expired"
#define TLS_WHY_SELF_SIGNED	"self-signed certificate"

struct WOLFSSL_CERT_MANAGER;
struct tls_dane;

struct tls_print {
	uint8_t len;
	uint8_t octets[TLS_PRINT_SIZE];
};

/* What a certificate is held against. */
struct tls_check {
	struct slice names;		/* "host .domain", separated by blanks; empty: no name is good enough */
	unsigned depth_max;		/* certificates of issuers above the server's own */
	const struct tls_dane *dane;	/* TLSA records or anchors, in the place of those whom we trust; NULL: none */
	int digest;			/* of tls_digest_find */
	struct tls_print prints[TLS_PRINTS_MAX];
	unsigned print_count;
};

struct tls_verdict {
	bool has_cert;
	bool is_trusted;		/* there is a chain to somebody we trust */
	bool name_matches;
	bool print_matches;		/* of the certificate, or of its public key */
	const char *why;		/* it is not trusted: a constant */
	uint64_t good_until;		/* its own last second, since 1970; 0: it does not say */
	char subject[128];		/* for the log: printable, cut */
	char issuer[128];		/* "/C=../CN=.." */
	char name[TLS_NAME_MAX + 1];	/* that matched, or the first one */
	struct tls_print cert_print;
	struct tls_print key_print;
};

/* A certificate's name against one wanted name. */
bool tls_name_matches(struct slice presented, struct slice wanted);

/* "sha256", "sha1", "md5"...: what tls_check.digest takes; negative when it is not known. */
int tls_digest_find(struct slice name);

/* In octets; 0: there is no such digest. */
size_t tls_digest_size(int digest);

/* len 0: there is no such digest. */
void tls_print_make(int digest, struct slice octets, struct tls_print *ret_print);

/* "AB:CD:..", colons or not, for this digest. 0, or ERR_SYNTAX. */
int tls_print_parse(struct slice text, int digest, struct tls_print *ret_print);
void tls_print_add(struct str *s, const struct tls_print *print);

/* One element (DER) off the front, if it has this tag: all of it, and what is in it. 0, or ERR_PROTO. */
int tls_der_take(struct slice *in, uint8_t tag, struct slice *ret_all, struct slice *ret_content);

/* Where in a certificate (DER) its public key is (SubjectPublicKeyInfo): 0, or ERR_PROTO. */
int tls_cert_public_key(struct slice der, struct slice *ret_key);

/* Its last second, since 1970: 0, or ERR_PROTO. */
int tls_cert_good_until(struct slice der, uint64_t *ret_second);

/* certs[0] is the server's own, DER; the others may be in any order. anchors: whom we trust, or NULL for nobody; with
 * check->dane they do not count. A server that is what a record of usage 3 says is trusted, and its name matches. */
void tls_chain_judge(struct WOLFSSL_CERT_MANAGER *anchors, const struct slice *certs, unsigned count,
		     const struct tls_check *check, struct tls_verdict *ret_verdict);
