/* pool.h - fixed-size objects, all of them reserved before the first turn
 *
 * The address space is reserved at start, touched on first use: a pool sized for the worst day costs nothing on a
 * quiet one. A free object is poisoned under ASan; a second put, or a write into a free object's mark, stops us in
 * every build. Nothing an object holds is taken for a mark while it is in use: its octets may be a peer's choice.
 *
 * bounds   count given at start; an empty pool means wait (-ENOBUFS to whoever asked), not failure
 * thread   one home core each; take and put only there
 */
#pragma once

#include "core/list.h"

struct pool {
	const char *name;	/* for messages and metrics; a literal */
	size_t size;		/* of one object, rounded up to 16 */
	size_t count;
	size_t used;
	size_t used_max;	/* high-water mark */
	/* private */
	char *memory;
	uint8_t *taken;		/* a bit an object */
	bool is_borrowed;	/* memory is somebody else's */
	size_t fresh;		/* objects from here on have never been taken */
	void *free_list;
};

/* Start only. Returns 0 or -ENOMEM. */
int pool_init(struct pool *p, const char *name, size_t size, size_t count);

/* The same in somebody else's memory: size * count octets (size: a multiple of 16) that stay until pool_done. */
int pool_init_over(struct pool *p, const char *name, size_t size, size_t count, void *memory);

/* Start only, for secrets: what is in it is never in a core, and never swapped, if the kernel allows that; else -EPERM
 * or -ENOMEM (RLIMIT_MEMLOCK). Its pages are locked as they are touched. */
int pool_hide(struct pool *p);

/* Gives the memory back. Everything taken must have been put. */
void pool_done(struct pool *p);

/* Start and reload only: memory of that kind for one secret that stays; zeroed. NULL: none. It is used also where the
 * kernel does not lock it. */
void *pool_map_hidden(size_t size);
/* Wiped, and given back. */
void pool_unmap_hidden(void *ptr, size_t size);

/* An object with undefined content, or NULL when all are taken. */
void *pool_take(struct pool *p);

/* pool_put(&p, &ptr): clears the caller's pointer; NULL is accepted. */
#define pool_put(p, ptr) \
	do { void **pool_put_ptr_ = (void **)(void *)(ptr); pool_put_object((p), pool_put_ptr_); } while (0)
void pool_put_object(struct pool *p, void **ptr);

static inline size_t pool_free(const struct pool *p)
{
	return p->count - p->used;
}

/* Variable-size bytes that live long (envelopes): a buddy allocator, size classes of powers of two over one
 * reserved arena. What is put joins its free neighbour at once, so that a change in the mix of sizes never leaves
 * the arena in splinters.
 *
 * bounds   SLAB_MIN..SLAB_MAX octets an object (asking for more is the caller's mistake, not a reason to wait);
 *          total octets given at start, rounded up to SLAB_MAX; at most SLAB_CLASSES steps for a take or a put
 */
#define SLAB_MIN 64u
#define SLAB_MAX MIB(32)	/* an envelope of MESSAGE_RCPTS_MAX recipients */
#define SLAB_CLASSES 20u

static_assert(SLAB_MIN << (SLAB_CLASSES - 1) == SLAB_MAX, "one class per power of two");

struct slab {
	const char *name;
	size_t total;
	size_t used;		/* octets in taken objects, class sizes counted */
	/* private */
	char *memory;
	uint8_t *states;	/* one per SLAB_MIN octets: what begins there, see pool.c */
	size_t fresh;		/* octets from here on have never been taken; a multiple of the largest class's */
	unsigned top;		/* the largest class */
	bool is_borrowed;	/* memory is somebody else's */
	void *free_lists[SLAB_CLASSES];
};

/* Start only. Returns 0 or -ENOMEM. */
int slab_init(struct slab *s, const char *name, size_t total);

/* The same in somebody else's memory: total octets, aligned to SLAB_MIN, that stay until slab_done. No object is larger
 * than object_max, a power of two of which total is a multiple. */
int slab_init_over(struct slab *s, const char *name, void *memory, size_t total, size_t object_max);

/* Gives the memory back. Everything taken must have been put. */
void slab_done(struct slab *s);

/* size octets with undefined content, aligned for anything, or NULL when there is no room. */
void *slab_take(struct slab *s, size_t size);

/* Makes a taken object larger where it is, when what is behind it is free. False: it stays as it was. */
bool slab_grow(struct slab *s, void *ptr, size_t size, size_t new_size);

/* slab_put(&s, &ptr, size): size as it was taken; clears the caller's pointer; NULL is accepted. */
#define slab_put(s, ptr, size) \
	do { void **slab_put_ptr_ = (void **)(void *)(ptr); slab_put_object((s), slab_put_ptr_, (size)); } while (0)
void slab_put_object(struct slab *s, void **ptr, size_t size);
