/* scram_server.h - SCRAM-SHA-256 from the server's side (RFC 5802, RFC 7677), without channel binding
 *
 *	client first -> scram_server_first -> (whose verifier?) -> scram_server_challenge -> client final -> ..._final
 *
 * What is kept of a password is a verifier: somebody who steals it can claim to be us, but not the user. To make one
 * and to hold a password against it costs a hash for each iteration: milliseconds that no ring thread has to spare. The
 * exchange itself costs five.
 *
 * A user that does not exist is given a challenge all the same (scram_verifier_fake), the same one each time.
 *
 * bounds   SCRAM_TEXT_MAX octets for each message; SCRAM_ITERATIONS_MIN to _MAX
 * errors   ERR_PROTO: no such message; -EMSGSIZE: too long; -EPERM: for somebody else (authorisation id), or bound to a
 *          channel; -EKEYREJECTED: wrong password
 * never    compares secrets in a way that takes longer the more of them is right
 */
#pragma once

#include "core/str.h"

#define SCRAM_KEY_SIZE		32u
#define SCRAM_SALT_MAX		64u
#define SCRAM_TEXT_MAX		512u
#define SCRAM_NAME_MAX		255u
#define SCRAM_ITERATIONS	4096u	/* of our own (RFC 7677 4 wants no fewer) */
#define SCRAM_ITERATIONS_MIN	4096u
#define SCRAM_ITERATIONS_MAX	1000000u

struct scram_verifier {
	uint32_t iterations;
	uint8_t salt_len;
	uint8_t salt[SCRAM_SALT_MAX];
	uint8_t stored_key[SCRAM_KEY_SIZE];
	uint8_t server_key[SCRAM_KEY_SIZE];
};

/* Slow. With a salt of its own. 0 or -ENOMEM. */
int scram_verifier_make(struct slice password, struct scram_verifier *ret_verifier);

/* Slow. */
bool scram_verifier_matches(const struct scram_verifier *v, struct slice password);

/* "4096,<salt>,<stored key>,<server key>" in base64, as Dovecot writes it. 0 or ERR_SYNTAX. */
int scram_verifier_parse(struct slice text, struct scram_verifier *ret_verifier);

/* Somebody's becomes that of a user that there is not, and looks like it; nothing matches it. secret: ours, the same
 * each time. */
void scram_verifier_fake(struct scram_verifier *v, struct slice secret, struct slice user);

struct scram_server {
	/* private */
	struct scram_verifier verifier;
	size_t gs2_len, bare_len, first_len, nonce_len;
	char gs2[SCRAM_TEXT_MAX];
	char bare[SCRAM_TEXT_MAX];
	char first[2 * SCRAM_TEXT_MAX];		/* ours, and as it begins: the nonce */
};

/* Messages are decoded from base64 already, and ours have still to be encoded. */
int scram_server_first(struct scram_server *s, struct slice text, struct str *ret_user);
int scram_server_challenge(struct scram_server *s, const struct scram_verifier *verifier, struct str *out);
int scram_server_final(struct scram_server *s, struct slice text, struct str *out);

/* Forgets everything. */
void scram_server_wipe(struct scram_server *s);
