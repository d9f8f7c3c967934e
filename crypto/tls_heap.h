/* tls_heap.h - what wolfSSL allocates: counted, bounded for each session, wiped when it is freed
 *
 * wolfSSL cannot live without an allocator. Everything it takes while a session speaks is charged to that session, and
 * refused beyond its limit: a server that sends a megabyte of certificates ends its own handshake and nothing else (row
 * TLS-13). What contexts take at start is charged to nobody, and so is what Cyrus SASL takes at start (crypto/auth.h).
 *
 * memory   malloc, with a word in front of each block; this is the one place where the engine calls it after start
 * bounds   struct tls_account.max
 * thread   the account in charge belongs to the calling thread
 */
#pragma once

#include "core/base.h"

struct tls_account {
	size_t used;
	size_t peak;
	size_t max;
};

/* Start only, before anything else of wolfSSL's. 0 or ERR_VERSION when the library has no such hooks. */
int tls_heap_install(void);

/* What follows on this thread is charged to a; NULL: to nobody. Returns who was charged before. */
struct tls_account *tls_heap_charge(struct tls_account *a);

/* As malloc, free and realloc, for the hooks of libraries. */
void *tls_heap_take(size_t size);
void tls_heap_put(void *ptr);
void *tls_heap_resize(void *ptr, size_t size);

/* What a library took from malloc itself, past its own hooks, and yet gives back through them. */
void tls_heap_put_foreign(void *ptr);
