#include "core/pool.h"

#include <errno.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define POOL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define POOL_ASAN 1
#endif
#endif

#ifdef POOL_ASAN
#include <sanitizer/asan_interface.h>
#define POISON(ptr, size)	ASAN_POISON_MEMORY_REGION((ptr), (size))
#define UNPOISON(ptr, size)	ASAN_UNPOISON_MEMORY_REGION((ptr), (size))
#else
#define POISON(ptr, size)	((void)(ptr), (void)(size))
#define UNPOISON(ptr, size)	((void)(ptr), (void)(size))
#endif

/* Our own links inside free, and therefore poisoned, objects are followed only by functions that carry this word. */
#define TOUCHES_FREE __attribute__((no_sanitize("address")))

/* What a free object of a pool looks like. The mark differs from object to object, so that a copy of a free object
 * is not taken for one. */
struct pool_free_object {
	struct pool_free_object *next;
	uintptr_t mark;
};

#define POOL_FREE_MARK ((uintptr_t)UINT64_C(0x6672656566726565))

/* Address space only: the kernel gives a page when it is first touched. */
static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return memory != MAP_FAILED ? memory : NULL;
}

/* --- pool ------------------------------------------------------------------------------------- */

/* One bit an object: is it taken? */
static size_t taken_size(size_t count)
{
	return (count + 7) / 8;
}

int pool_init_over(struct pool *p, const char *name, size_t size, size_t count, void *memory)
{
	uint8_t *taken = reserve(taken_size(count));

	ASSERT(count > 0 && size % 16 == 0 && size >= sizeof(struct pool_free_object));
	if (taken == NULL)
		return -ENOMEM;
	POISON(memory, size * count);
	*p = (struct pool){ .name = name, .size = size, .count = count, .memory = memory, .taken = taken,
			    .is_borrowed = true };
	return 0;
}

int pool_init(struct pool *p, const char *name, size_t size, size_t count)
{
	size_t stride = round_up(MAX(size, sizeof(struct pool_free_object)), 16);
	size_t octets, total;

	ASSERT(count > 0);
	if (__builtin_mul_overflow(stride, count, &octets))
		return -ENOMEM;
	if (__builtin_add_overflow(octets, taken_size(count), &total))
		return -ENOMEM;
	char *memory = reserve(total);

	if (memory == NULL)
		return -ENOMEM;
	POISON(memory, octets);
	*p = (struct pool){ .name = name, .size = stride, .count = count, .memory = memory };
	p->taken = (uint8_t *)memory + octets;
	return 0;
}

static int hide(void *memory, size_t octets)
{
	if (madvise(memory, octets, MADV_DONTDUMP) < 0)
		return -errno;
	return mlock2(memory, octets, MLOCK_ONFAULT) == 0 ? 0 : -errno;
}

int pool_hide(struct pool *p)
{
	ASSERT(!p->is_borrowed);
	return hide(p->memory, p->size * p->count);
}

void *pool_map_hidden(size_t size)
{
	void *memory = mmap(NULL, MAX(size, 1u), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return NULL;
	(void)hide(memory, MAX(size, 1u));	/* whoever has a pool that is hidden says what the kernel refuses */
	return memory;
}

void pool_unmap_hidden(void *ptr, size_t size)
{
	if (ptr == NULL)
		return;
	explicit_bzero(ptr, size);
	ASSERT(munmap(ptr, MAX(size, 1u)) == 0);
}

void pool_done(struct pool *p)
{
	if (p->memory == NULL)
		return;
	ASSERT(p->used == 0);
	size_t octets = p->size * p->count;

	UNPOISON(p->memory, octets);
	if (p->is_borrowed)
		ASSERT(munmap(p->taken, taken_size(p->count)) == 0);
	else
		ASSERT(munmap(p->memory, octets + taken_size(p->count)) == 0);
	p->memory = NULL;
	p->taken = NULL;
}

/* Whether an object is taken stands beside the objects, never inside: what an object holds may have been chosen by a
 * peer, and no octet of it may make us believe that it is free. */
static void pool_mark_taken(struct pool *p, const void *object)
{
	size_t index = (size_t)((const char *)object - p->memory) / p->size;

	ASSERT(!(p->taken[index / 8] & 1u << index % 8));
	p->taken[index / 8] |= (uint8_t)(1u << index % 8);
}

static void pool_mark_free(struct pool *p, const void *object)
{
	size_t index = (size_t)((const char *)object - p->memory) / p->size;

	ASSERT(p->taken[index / 8] & 1u << index % 8);		/* else it is put a second time */
	p->taken[index / 8] &= (uint8_t)~(1u << index % 8);
}

TOUCHES_FREE static struct pool_free_object *pool_unlink_first(struct pool *p)
{
	struct pool_free_object *object = p->free_list;

	ASSERT(object->mark == (POOL_FREE_MARK ^ (uintptr_t)object));	/* else somebody wrote into a free object */
	p->free_list = object->next;
	return object;
}

void *pool_take(struct pool *p)
{
	void *object;

	if (p->free_list != NULL)
		object = pool_unlink_first(p);
	else if (p->fresh < p->count)
		object = p->memory + p->size * p->fresh++;
	else
		return NULL;
	pool_mark_taken(p, object);
	UNPOISON(object, p->size);
	p->used++;
	p->used_max = MAX(p->used_max, p->used);
	return object;
}

TOUCHES_FREE static void pool_link_first(struct pool *p, struct pool_free_object *object)
{
	object->next = p->free_list;
	object->mark = POOL_FREE_MARK ^ (uintptr_t)object;
	p->free_list = object;
}

void pool_put_object(struct pool *p, void **ptr)
{
	char *object = *ptr;

	if (object == NULL)
		return;
	ASSERT(object >= p->memory && object < p->memory + p->size * p->fresh);
	ASSERT((size_t)(object - p->memory) % p->size == 0);
	ASSERT(p->used > 0);
	pool_mark_free(p, object);
	pool_link_first(p, (struct pool_free_object *)(void *)object);
	POISON(object, p->size);
	p->used--;
	*ptr = NULL;
}

/* --- slab ------------------------------------------------------------------------------------- */

/* A state per unit of SLAB_MIN octets says what begins there. A block of class k begins only at a multiple of its
 * size, and its buddy is the other half of the block of class k + 1 around both:
 *
 *	|<---------- class k + 1 ---------->|
 *	| block, class k | buddy, class k   |	offset of buddy = offset of block XOR size of class k
 */
enum {
	STATE_INSIDE = 0,	/* nothing begins here, or the arena was never used this far */
	STATE_FREE   = 0x40,	/* plus the class */
	STATE_TAKEN  = 0x80,	/* plus the class */
};

struct slab_free_block {
	struct slab_free_block *next;
	struct slab_free_block *prev;
};

static size_t class_size(unsigned class)
{
	return (size_t)SLAB_MIN << class;
}

static unsigned class_of(size_t size)
{
	unsigned class = 0;

	ASSERT(size <= SLAB_MAX);
	while (class_size(class) < size)
		class++;
	return class;
}

static uint8_t *state_at(const struct slab *s, size_t offset)
{
	return &s->states[offset / SLAB_MIN];
}

int slab_init_over(struct slab *s, const char *name, void *memory, size_t total, size_t object_max)
{
	const unsigned top = class_of(object_max);
	uint8_t *states = reserve(total / SLAB_MIN);

	ASSERT(total > 0 && class_size(top) == object_max && total % object_max == 0);
	ASSERT((uintptr_t)memory % SLAB_MIN == 0);
	if (states == NULL)
		return -ENOMEM;
	POISON(memory, total);
	*s = (struct slab){ .name = name, .total = total, .memory = memory, .states = states, .top = top,
			    .is_borrowed = true };
	return 0;
}

int slab_init(struct slab *s, const char *name, size_t total)
{
	ASSERT(total > 0);
	if (total > SIZE_MAX - SLAB_MAX)
		return -ENOMEM;
	total = round_up(total, SLAB_MAX);
	char *memory = reserve(total);

	if (memory == NULL)
		return -ENOMEM;
	int r = slab_init_over(s, name, memory, total, SLAB_MAX);

	s->is_borrowed = false;
	if (r < 0)
		ASSERT(munmap(memory, total) == 0);
	return r;
}

void slab_done(struct slab *s)
{
	if (s->memory == NULL)
		return;
	ASSERT(s->used == 0);
	UNPOISON(s->memory, s->total);
	if (!s->is_borrowed)
		ASSERT(munmap(s->memory, s->total) == 0);
	ASSERT(munmap(s->states, s->total / SLAB_MIN) == 0);
	s->memory = NULL;
}

TOUCHES_FREE static void slab_link(struct slab *s, size_t offset, unsigned class)
{
	struct slab_free_block *block = (struct slab_free_block *)(void *)(s->memory + offset);
	struct slab_free_block *first = s->free_lists[class];

	block->next = first;
	block->prev = NULL;
	if (first != NULL)
		first->prev = block;
	s->free_lists[class] = block;
	*state_at(s, offset) = (uint8_t)(STATE_FREE | class);
}

TOUCHES_FREE static void slab_unlink(struct slab *s, size_t offset, unsigned class)
{
	struct slab_free_block *block = (struct slab_free_block *)(void *)(s->memory + offset);

	ASSERT(*state_at(s, offset) == (STATE_FREE | class));
	if (block->prev != NULL)
		block->prev->next = block->next;
	else
		s->free_lists[class] = block->next;
	if (block->next != NULL)
		block->next->prev = block->prev;
	*state_at(s, offset) = STATE_INSIDE;
}

/* The smallest class from class upwards that has a free block; beyond the largest when there is none. */
static unsigned slab_find_class(struct slab *s, unsigned class)
{
	while (class <= s->top && s->free_lists[class] == NULL)
		class++;
	if (class > s->top && s->fresh < s->total) {
		slab_link(s, s->fresh, s->top);
		s->fresh += class_size(s->top);
		class = s->top;
	}
	return class;
}

void *slab_take(struct slab *s, size_t size)
{
	unsigned wanted = class_of(size);

	ASSERT(wanted <= s->top);
	unsigned found = slab_find_class(s, wanted);

	if (found > s->top)
		return NULL;
	size_t offset = (size_t)((char *)s->free_lists[found] - s->memory);

	slab_unlink(s, offset, found);
	while (found > wanted) {		/* keep the lower half, give the upper back */
		found--;
		slab_link(s, offset + class_size(found), found);
	}
	*state_at(s, offset) = (uint8_t)(STATE_TAKEN | wanted);
	s->used += class_size(wanted);
	UNPOISON(s->memory + offset, size);	/* to the octet: the rest of the class stays out of bounds */
	return s->memory + offset;
}

bool slab_grow(struct slab *s, void *ptr, size_t size, size_t new_size)
{
	const unsigned class = class_of(size), wanted = class_of(new_size);
	const size_t offset = (size_t)((char *)ptr - s->memory);

	ASSERT(*state_at(s, offset) == (STATE_TAKEN | class) && wanted >= class);
	if (wanted > s->top || offset % class_size(wanted) != 0)
		return false;
	for (unsigned k = class; k < wanted; k++)
		if (*state_at(s, offset + class_size(k)) != (STATE_FREE | k))
			return false;
	for (unsigned k = class; k < wanted; k++)
		slab_unlink(s, offset + class_size(k), k);
	*state_at(s, offset) = (uint8_t)(STATE_TAKEN | wanted);
	s->used += class_size(wanted) - class_size(class);
	UNPOISON(s->memory + offset, new_size);
	return true;
}

void slab_put_object(struct slab *s, void **ptr, size_t size)
{
	unsigned class = class_of(size);

	if (*ptr == NULL)
		return;
	ASSERT((char *)*ptr >= s->memory && (char *)*ptr < s->memory + s->fresh);
	size_t offset = (size_t)((char *)*ptr - s->memory);

	ASSERT(offset % class_size(class) == 0);
	ASSERT(*state_at(s, offset) == (STATE_TAKEN | class));	/* else it is put twice, or with another size */
	POISON(s->memory + offset, class_size(class));
	s->used -= class_size(class);
	*state_at(s, offset) = STATE_INSIDE;
	while (class < s->top) {
		size_t buddy = offset ^ class_size(class);

		if (*state_at(s, buddy) != (STATE_FREE | class))
			break;
		slab_unlink(s, buddy, class);
		offset = MIN(offset, buddy);
		class++;
	}
	slab_link(s, offset, class);
	*ptr = NULL;
}
