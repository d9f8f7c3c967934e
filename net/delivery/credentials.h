/* credentials.h - who we are for one server (smtp_sasl_password_maps; P 1.4, B 8.1)
 *
 *	sender		with smtp_sender_dependent_authentication, not for the null sender, nor in LMTP: the address,
 *			without extension, the user alone when the domain is ours, @domain
 *	host		the server's name, as the MX record or the destination has it
 *	destination	the element of the nexthop list as it is written, brackets and port included
 *
 * The first that is found counts: "user:password", divided at the first smtp_sasl_password_result_delimiter. A
 * destination stands for what the operator has written, whatever DNS makes of it; a host's name may come from DNS, and
 * so a table that has it trusts DNS that far (row AUT-02: smtp_sasl_verified_only, or TLS policy, binds it to a
 * certificate).
 *
 * memory   the caller's, who wipes it; nothing of a secret stays behind in here
 * errors   ERR_TABLE: a table's, or what it says is nothing to log in with
 */
#pragma once

#include "crypto/auth.h"
#include "net/mail/generic.h"

struct credentials_peer {
	struct slice sender;		/* empty: the null sender */
	struct slice host;
	struct slice destination;
};

/* 1, 0: there are none, or ERR_TABLE and *why. */
int credentials_find(const struct generic_conf *conf, const struct credentials_peer *peer,
		     struct auth_credentials *ret, struct str *why);

/* The same, when only their name counts: equal for equal credentials, and for nobody else who does not know salt. All
 * zeroes: there are none. */
struct credentials_id {
	uint64_t words[2];		/* user and password */
	uint64_t account;		/* user and server */
};

struct credentials_salt {
	uint64_t words[3][2];
};

void credentials_id_of(const struct auth_credentials *c, struct slice host, const struct credentials_salt *salt,
		       struct credentials_id *ret_id);

int credentials_identify(const struct generic_conf *conf, const struct credentials_peer *peer,
			 const struct credentials_salt *salt, struct credentials_id *ret_id, struct str *why);

static inline bool credentials_are_some(const struct credentials_id *id)
{
	return (id->words[0] | id->words[1]) != 0;
}

static inline bool credentials_are_equal(const struct credentials_id *a, const struct credentials_id *b)
{
	return a->words[0] == b->words[0] && a->words[1] == b->words[1];
}
