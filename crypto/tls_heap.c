#include "crypto/tls_heap.h"

#include <malloc.h>
#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/memory.h>

#include "core/err.h"

struct block {
	struct tls_account *account;	/* outlives the block: a session is done after all that was charged to it */
	size_t size;
	max_align_t octets[];
};

static _Thread_local struct tls_account *charged;

struct tls_account *tls_heap_charge(struct tls_account *a)
{
	struct tls_account *before = charged;

	charged = a;
	return before;
}

static bool may_take(const struct tls_account *a, size_t size)
{
	return a == NULL || (size <= a->max && a->used <= a->max - size);
}

void *tls_heap_take(size_t size)
{
	struct tls_account *a = charged;
	struct block *b = may_take(a, size) ? malloc(sizeof(*b) + size) : NULL;

	if (b == NULL)
		return NULL;
	b->account = a;
	b->size = size;
	if (a != NULL) {
		a->used += size;
		a->peak = MAX(a->peak, a->used);
	}
	return b->octets;
}

/* There may be keys in it. */
void tls_heap_put(void *ptr)
{
	if (ptr == NULL)
		return;
	struct block *b = (struct block *)(void *)((char *)ptr - offsetof(struct block, octets));

	if (b->account != NULL) {
		ASSERT(b->account->used >= b->size);
		b->account->used -= b->size;
	}
	explicit_bzero(b->octets, b->size);
	free(b);
}

void *tls_heap_resize(void *ptr, size_t size)
{
	if (ptr == NULL)
		return tls_heap_take(size);
	const struct block *b = (struct block *)(void *)((char *)ptr - offsetof(struct block, octets));
	void *moved = tls_heap_take(size);

	if (moved == NULL)
		return NULL;
	memcpy(moved, ptr, MIN(size, b->size));
	tls_heap_put(ptr);
	return moved;
}

void tls_heap_put_foreign(void *ptr)
{
	if (ptr != NULL)
		explicit_bzero(ptr, malloc_usable_size(ptr));
	free(ptr);
}

int tls_heap_install(void)
{
	return wolfSSL_SetAllocators(tls_heap_take, tls_heap_put, tls_heap_resize) == 0 ? 0 : ERR_VERSION;
}
