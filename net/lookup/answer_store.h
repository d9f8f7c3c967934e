/* answer_store.h - many small DNS answers and a few large ones, in chunks of one size
 *
 * An answer takes from 1 to about 260 chunks (100 bytes to 66 KiB); chunks of one size cannot fragment, so giving
 * back small answers always makes room for a large one.
 *
 * memory   one pool, sized at start
 */
#pragma once

#include "core/pool.h"
#include "net/wire/dns_answer.h"

#define ANSWER_CHUNK_SIZE 256u

struct answer_chunk {
	struct answer_chunk *next;
	char octets[ANSWER_CHUNK_SIZE - sizeof(struct answer_chunk *)];
};

struct answer_store {
	struct pool chunks;
};

int answer_store_init(struct answer_store *store, size_t chunks);	/* start only: 0 or -ENOMEM */
void answer_store_done(struct answer_store *store);

/* Is there room for dns now? */
bool answer_store_has_room(const struct answer_store *store, const struct dns_answer *dns);

/* Keeps a copy; there must be room. Returns its first chunk. */
struct answer_chunk *answer_store_put(struct answer_store *store, const struct dns_answer *dns);

/* The copy, as it was. */
void answer_store_read(const struct answer_chunk *first, struct dns_answer *ret_dns);

/* Gives all chunks back, clears the pointer; NULL is accepted. */
void answer_store_free(struct answer_store *store, struct answer_chunk **first);
