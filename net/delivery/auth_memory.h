/* auth_memory.h - credentials that a server has refused, so that nobody locks the account by trying again (row AUT-07)
 *
 * A refusal (535) is remembered for the account at that server; as long as neither user nor password change, it stands
 * in the place of another try, for smtp_sasl_auth_cache_time when smtp_sasl_auth_cache_name is set, else for
 * AUTH_MEMORY_SHORT_NS.
 *
 * bounds   AUTH_MEMORY_MAX accounts a core; the oldest goes first
 * memory   at start only; hashes with a salt that nobody knows, no secret and no name
 * thread   one core: each of several may try once
 */
#pragma once

#include "core/map.h"
#include "core/pool.h"
#include "net/delivery/credentials.h"
#include "net/wire/smtp_reply.h"

#define AUTH_MEMORY_MAX		1024u
#define AUTH_MEMORY_TEXT	256u
#define AUTH_MEMORY_SHORT_NS	(300 * NS_PER_SEC)

struct auth_refusal {
	int code;
	struct enhanced_code dsn;
	uint32_t text_len;
	char text[AUTH_MEMORY_TEXT];
	/* private */
	struct credentials_id id;
	uint64_t since_ns;
	struct map_node by_account;
	struct list node;
};

struct auth_memory {
	struct map by_account;
	struct pool refusals;
	struct list oldest_first;
};

int auth_memory_init(struct auth_memory *m);	/* start only: 0 or -ENOMEM */
void auth_memory_done(struct auth_memory *m);

/* now_ns: of the queue clock, here and below. text is cut. */
void auth_memory_note(struct auth_memory *m, const struct credentials_id *id, int code, struct enhanced_code dsn,
		      struct slice text, uint64_t now_ns);

/* NULL: try. What is older than keep_ns, or about another password, is forgotten (case 364). */
const struct auth_refusal *auth_memory_find(struct auth_memory *m, const struct credentials_id *id, uint64_t keep_ns,
					    uint64_t now_ns);
