/* auth_mech.h - mechanisms of SASL: names, strength, and which of those offered is used (B 8.2, 8.3)
 *
 * memory   none
 * never    looks at a library: what is there to be used is the caller's to say
 */
#pragma once

#include "core/slice.h"

/* The strongest first. */
enum auth_mech {
	AUTH_EXTERNAL,
	AUTH_SCRAM_SHA_256,
	AUTH_SCRAM_SHA_1,
	AUTH_GSSAPI,
	AUTH_DIGEST_MD5,
	AUTH_CRAM_MD5,
	AUTH_NTLM,
	AUTH_OAUTHBEARER,
	AUTH_XOAUTH2,
	AUTH_PLAIN,
	AUTH_LOGIN,
	AUTH_ANONYMOUS,
	AUTH_MECH_COUNT
};

/* In the order of the words of smtp_sasl_security_options. */
enum auth_property {
	AUTH_NO_PLAINTEXT	= BIT(0),	/* who listens does not hear the secret */
	AUTH_NO_ACTIVE		= BIT(1),	/* who pretends to be the server learns nothing from it */
	AUTH_NO_DICTIONARY	= BIT(2),	/* what is heard is nothing to try passwords against */
	AUTH_NO_ANONYMOUS	= BIT(3),
	AUTH_MUTUAL		= BIT(4),	/* the server proves that it knows the secret, too */
	AUTH_FORWARD_SECRECY	= BIT(5),
};

/* Never used unless somebody asks for them by name: old designs with a history of holes in their libraries (row
 * AUT-06), and those that say nothing about who we are. */
#define AUTH_BY_NAME_ONLY \
	(BIT(AUTH_EXTERNAL) | BIT(AUTH_GSSAPI) | BIT(AUTH_DIGEST_MD5) | BIT(AUTH_NTLM) | BIT(AUTH_ANONYMOUS))
/* The secret is a token of somebody else's (RFC 7628), and nothing else will do. */
#define AUTH_WITH_TOKEN (BIT(AUTH_OAUTHBEARER) | BIT(AUTH_XOAUTH2))

/* "SCRAM-SHA-256" */
const char *auth_mech_name(enum auth_mech mech);
/* Any case; negative: unknown to us. */
int auth_mech_find(struct slice name);
/* enum auth_property */
uint32_t auth_mech_properties(enum auth_mech mech);

/* 0: the server hears the secret, 1: it hears something to try passwords against, 2: whoever is not the server learns
 * nothing. */
unsigned auth_mech_rank(enum auth_mech mech);

struct auth_wish {
	uint32_t offered;	/* BIT(enum auth_mech), by the server, and not filtered out */
	uint32_t available;	/* with us */
	uint32_t named;		/* by name, by the operator */
	uint32_t required;	/* enum auth_property */
	unsigned rank_min;
	bool has_token;
	bool has_certificate;	/* it has been shown to the server */
};

/* The strongest that will do; negative: none. */
int auth_mech_choose(const struct auth_wish *wish);
