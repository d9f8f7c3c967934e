/* passwords.h - who may authenticate to us: users and their passwords, as Dovecot's passwd-file has them
 *
 *	user:secret[:anything]		one line each; lines that are empty or begin with '#' say nothing
 *	secret = [ "{" scheme "}" ] text
 *
 *	SCRAM-SHA-256			a verifier: iterations, salt, stored key, server key, divided by commas
 *	CRYPT, BLF-CRYPT, SHA256-CRYPT, SHA512-CRYPT, none at all	what crypt(3) knows: "$6$...", "$2y$...", "$y$..."
 *	PLAIN, CLEARTEXT		the password itself: it is made a verifier when the file is read
 *
 * Read-only once made, and shared by all cores. Whoever asks gets a copy: whoever the user, and whether he exists or
 * not, it has to be wiped.
 *
 * bounds   PASSWORDS_MAX users, PASSWORD_SECRET_MAX octets of a secret, PASSWORD_MAX of a password
 * memory   malloc, before start and on HUP; wiped when it goes
 * errors   *why says which line, and never what is in it
 * cost     to read: a password that stands there itself takes some milliseconds. To match: see password_matches
 */
#pragma once

#include "crypto/scram_server.h"

#define PASSWORDS_MAX		100000u
#define PASSWORDS_FILE_MAX	MIB(64)
#define PASSWORD_SECRET_MAX	256u
#define PASSWORD_MAX		255u	/* of a client */
#define PASSWORD_USER_MAX	255u

enum password_kind { PASSWORD_NOBODY, PASSWORD_SCRAM, PASSWORD_CRYPT };

struct password {
	enum password_kind kind;
	struct scram_verifier scram;
	char setting[PASSWORD_SECRET_MAX + 1];	/* of crypt(3) */
};

struct passwords;

/* text: of the file, only during the call. 0, or ERR_SYNTAX or -ENOMEM and *why. */
int passwords_new(struct slice text, struct str *why, struct passwords **ret_passwords);

/* Clears the caller's pointer; NULL is accepted. */
void passwords_free(struct passwords **passwords);

/* Can every user be asked for SCRAM? Otherwise it would tell those who can from those who are not there. */
bool passwords_know_scram(const struct passwords *p);

/* Of a user who is not there: PASSWORD_NOBODY and what makes him look like one who is. */
void passwords_find(const struct passwords *p, struct slice user, struct password *ret_password);

/* Slow: milliseconds to seconds, as whoever made the file wanted it. Also for nobody, who takes as long as the first of
 * the file. Not on a ring thread. text has no NUL. */
bool password_matches(const struct password *p, const char *text);
