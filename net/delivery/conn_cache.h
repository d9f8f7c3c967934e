/* conn_cache.h - idle sessions by everything that makes one fit for somebody else's mail (B 18)
 *
 * Whoever has an idle session enters it under its key; whoever is about to connect looks for one with the key his own
 * connection would have. Two keys are equal only if everything in them is: a session that shares its credentials, what
 * its certificate was held against or its source address with mail that has no right to them is a security hole.
 *
 *	endpoint | source address | protocol | TLS level | REQUIRETLS level | service | TLS policy | credentials
 *
 * What a message needs of a server (SMTPUTF8) is not in the key: who asks looks at what the server offers.
 *
 * bounds   CONN_KEY_MAX octets a key; what does not fit is neither kept nor found
 * memory   the entries are their owners'; the map is sized at start
 * thread   one core
 */
#pragma once

#include "core/addr.h"
#include "core/list.h"
#include "core/map.h"

#define CONN_KEY_MAX 512u

/* Everything that must be the same. Slices may be empty. */
struct conn_identity {
	const struct addr *remote;
	const struct addr *local;	/* NULL: the system chose */
	bool lmtp;
	uint8_t tls_level;		/* 0: none */
	uint8_t requiretls;		/* enum param_requiretls */
	struct slice service;		/* when several transports share a core */
	struct slice policy;		/* what was asked of TLS, whom we trust: tls_policy_key */
	struct slice credentials;	/* whose they are; never a secret */
};

struct conn_key {
	uint16_t len;			/* 0: not to be shared */
	char octets[CONN_KEY_MAX];
};

void conn_key_init(struct conn_key *key, const struct conn_identity *id);

struct conn_entry {
	struct conn_key key;
	/* private */
	struct map_node by_key;
	struct list same;		/* entries of one key; the one in the map is the head */
	bool is_head;
	bool is_in;
};

struct conn_cache {
	struct map by_key;
};

int conn_cache_init(struct conn_cache *c, size_t count_max);	/* start only: 0 or -ENOMEM */
void conn_cache_done(struct conn_cache *c);

/* entry->key is set. Not for an entry that is in. */
void conn_cache_add(struct conn_cache *c, struct conn_entry *entry);
/* Harmless for one that is not in. */
void conn_cache_remove(struct conn_cache *c, struct conn_entry *entry);

/* Some entry with this key for which fits says yes (NULL: any); it stays in. NULL: there is none. */
struct conn_entry *conn_cache_find(const struct conn_cache *c, const struct conn_key *key,
				   bool (*fits)(const struct conn_entry *entry, const void *context),
				   const void *context);
