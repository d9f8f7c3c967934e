/* auth.h - one SASL exchange as a client: challenge in, response out (RFC 4422, RFC 4954)
 *
 *	auth_begin -> first response -> { challenge -> auth_step -> response } -> is_done -> auth_end
 *
 * The mechanisms are Cyrus SASL's plug-ins. They are driven here, without the library's connection object, which would
 * look up our own name with getaddrinfo() for every session and seed a 48-bit generator from /dev/urandom: between us
 * and a plug-in stands a table of functions that we fill. XOAUTH2, OAUTHBEARER (RFC 7628) and EXTERNAL are a line each,
 * and ours.
 *
 * seam     chance is core/random.h's (nonces). PLAIN, LOGIN, CRAM-MD5 and SCRAM do not ask for the time. All plug-ins
 *          are loaded at start, and each is tried once then, so that what OpenSSL (which SCRAM hashes with) wants to
 *          read has been read. What cannot go through the seam are plug-ins that are loaded only where the operator
 *          names them: DIGEST-MD5 and NTLM load a provider of OpenSSL's and look at the clock, GSSAPI asks a KDC, and
 *          blocks
 * memory   what a plug-in asks for comes from the exchange itself, AUTH_HEAP_MAX octets, and is wiped with it, also
 *          what the plug-in has lost. Those that are loaded by name keep things beyond an exchange, and have malloc
 *          (crypto/tls_heap.h), wiped when freed. OpenSSL allocates some hundred octets for each hash, and nobody
 *          counts them
 * bounds   AUTH_STEPS_MAX challenges, AUTH_OCTETS_MAX octets of them in base64 (row AUT-04). SCRAM asks for
 *          AUTH_ITERATIONS_MIN to _MAX rounds before the library sees the number (row AUT-05); the library itself
 *          stops at 65,536. A round costs 1.2 us: 4,096 of them hold the core up for 5 ms, 65,536 for 80 ms
 * errors   ERR_PROTO: nothing that the mechanism knows; -EBADMSG: not base64; -E2BIG: too many steps; -EMSGSIZE: too
 *          many octets, or no room; -ERANGE: iterations; -EKEYREJECTED: the server does not know the secret;
 *          -EPERM: anything else that a library does not like
 * thread   one core each; auth_library_start before any of them
 * never    logs, keeps a secret after auth_end, or lets a library log
 */
#pragma once

#include "core/str.h"
#include "core/version.h"
#include "crypto/auth_mech.h"

#define AUTH_STEPS_MAX		16u
#define AUTH_OCTETS_MAX		12288u		/* RFC 4954 4: also of one line */
#define AUTH_HEAP_MAX		KIB(24)
#define AUTH_ITERATIONS_MIN	4096u		/* RFC 7677 4 */
#define AUTH_ITERATIONS_MAX	200000u
#define AUTH_USER_MAX		255u
#define AUTH_SECRET_MAX		KIB(6)		/* a token, its name and the user in base64 still fit into one line */
#define AUTH_HOST_MAX		255u

/* Who we say we are, and how we prove it. Both end with NUL, and have none inside. */
struct auth_credentials {
	size_t user_len;
	char user[AUTH_USER_MAX + 1];
	struct auth_secret {		/* as the library has it */
		unsigned long len;
		char octets[AUTH_SECRET_MAX + 1];
	} secret;
};

/* To whom. */
struct auth_peer {
	struct slice host;
	uint16_t port;
	bool authzid;			/* say the user's name as authorisation id, too */
};

struct auth {
	enum auth_mech mech;
	bool is_done;			/* it is the server's to say yes or no now */
	/* private */
	unsigned steps;
	size_t octets;
	const struct auth_credentials *credentials;
	bool authzid;
	uint16_t port;
	void *context;			/* the plug-in's; NULL: there is none */
	char host[AUTH_HOST_MAX + 1];
	_Alignas(16) char glue[1024];	/* the library's structures */
	size_t heap_used;
	_Alignas(16) char heap[AUTH_HEAP_MAX];
};

/* Start only; once more does nothing. by_name: mechanisms of AUTH_BY_NAME_ONLY that may be loaded, too. 0 or a negative
 * error. */
int auth_library_start(uint32_t by_name);

/* What can be used: BIT(enum auth_mech). 0 before the start. */
uint32_t auth_library_mechs(void);

/* Start only. */
struct library auth_library(void);

/* "SCRAM-SHA-256 PLAIN ...": what auth_library_mechs says. */
void auth_library_describe(struct str *out);

/* Begins; credentials stay the caller's, until auth_end. 1: the first response is in *ret_text, in base64 (which may be
 * nothing); 0: the server speaks first; or a negative error. auth_end is due in any case. */
int auth_begin(struct auth *a, enum auth_mech mech, const struct auth_credentials *credentials,
	       const struct auth_peer *peer, struct str *ret_text);

/* Both in base64. 0 or a negative error, after which nothing but auth_end is allowed. */
int auth_step(struct auth *a, struct slice challenge, struct str *ret_text);

/* Forgets everything. */
void auth_end(struct auth *a);
