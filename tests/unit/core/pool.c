#include "tests/test.h"

#include <errno.h>

#include "core/pool.h"

#define OBJECTS 100u

static void gives_every_object_once(void **state)
{
	struct pool p;
	void *objects[OBJECTS];

	(void)state;
	assert_int_equal(pool_init(&p, "test", 24, OBJECTS), 0);
	assert_int_equal(p.size, 32);
	for (unsigned i = 0; i < OBJECTS; i++) {
		objects[i] = pool_take(&p);
		assert_non_null(objects[i]);
		assert_int_equal((uintptr_t)objects[i] % 16, 0);
		memset(objects[i], (int)i, 24);
	}
	assert_null(pool_take(&p));
	assert_int_equal(pool_free(&p), 0);
	for (unsigned i = 0; i < OBJECTS; i++)
		for (unsigned at = 0; at < 24; at++)
			assert_int_equal(((unsigned char *)objects[i])[at], i);
	for (unsigned i = 0; i < OBJECTS; i++) {
		pool_put(&p, &objects[i]);
		assert_null(objects[i]);
	}
	assert_int_equal(pool_free(&p), OBJECTS);
	assert_int_equal(p.used_max, OBJECTS);
	pool_done(&p);
}

static void agrees_with_a_model(void **state)
{
	struct pool p;
	uint64_t *taken[OBJECTS] = { 0 };
	uint64_t seed = 1;
	size_t count = 0;

	(void)state;
	assert_int_equal(pool_init(&p, "test", sizeof(uint64_t), OBJECTS), 0);
	for (unsigned step = 0; step < 100000; step++) {
		uint64_t i = test_random(&seed) % OBJECTS;

		if (taken[i] == NULL) {
			taken[i] = pool_take(&p);
			assert_non_null(taken[i]);
			*taken[i] = i;
			count++;
		} else {
			assert_int_equal(*taken[i], i);
			pool_put(&p, &taken[i]);
			count--;
		}
		assert_int_equal(p.used, count);
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		pool_put(&p, &taken[i]);	/* NULL is accepted */
	pool_done(&p);
}

static void costs_nothing_until_used(void **state)
{
	struct pool p;

	(void)state;
#if defined(TEST_ASAN) || defined(TEST_TSAN)
	skip();		/* their shadow memory is touched at once */
#endif
	assert_int_equal(pool_init(&p, "test", 4096, 1u << 26), 0);	/* 256 GiB, more than any machine of ours has */
	void *first = pool_take(&p);

	assert_non_null(first);
	memset(first, 1, 4096);
	pool_put(&p, &first);
	pool_done(&p);
}

static void impossible_sizes_are_refused(void **state)
{
	struct pool p;

	(void)state;
	assert_int_equal(pool_init(&p, "test", SIZE_MAX / 4, 8), -ENOMEM);
	assert_int_equal(pool_init(&p, "test", 4096, SIZE_MAX / 8192), -ENOMEM);
}

static void put_twice(void *context)
{
	void *object = pool_take(context);
	void *again = object;

	pool_put((struct pool *)context, &object);
	pool_put((struct pool *)context, &again);
}

static void put_inside(void *context)
{
	char *object = pool_take(context);

	object += 16;
	pool_put((struct pool *)context, &object);
}

static void put_never_taken(void *context)
{
	struct pool *p = context;
	void *object = p->memory + p->size * p->fresh;

	pool_put(p, &object);
}

static void write_after_put(void *context)
{
	char *object = pool_take(context);
	char *volatile stale = object;

	pool_put((struct pool *)context, &object);
	memset(stale, 'x', 16);
	(void)pool_take(context);
}

/* Reads a free object, which ASan would not let us do. */
__attribute__((no_sanitize("address"))) static void copy_free_object(char *to, const volatile char *from, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = from[i];
}

/* Content is a peer's choice; a fuzzer guessed the mark once and stopped the engine with it. */
static void content_that_looks_free_is_only_content(void **state)
{
	struct pool p;
	char mark[32];

	(void)state;
	assert_int_equal(pool_init(&p, "p", sizeof(mark), 2), 0);
	char *object = pool_take(&p), *where = object;

	pool_put(&p, &object);
	copy_free_object(mark, where, sizeof(mark));
	object = pool_take(&p);
	assert_ptr_equal(object, where);
	memcpy(object, mark, sizeof(mark));
	pool_put(&p, &object);
	assert_int_equal(p.used, 0);
	pool_done(&p);
}

static void done_while_taken(void *context)
{
	(void)pool_take(context);
	pool_done(context);
}

static void mistakes_stop_us(void **state)
{
	struct pool p;

	(void)state;
	assert_int_equal(pool_init(&p, "test", 64, 10), 0);
	void *object = pool_take(&p);

	pool_put(&p, &object);
	assert_true(test_dies(put_twice, &p));
	assert_true(test_dies(put_inside, &p));
	assert_true(test_dies(put_never_taken, &p));
	assert_true(test_dies(write_after_put, &p));
	assert_true(test_dies(done_while_taken, &p));
	pool_done(&p);
}

#ifdef TEST_ASAN
static void read_after_put(void *context)
{
	char *object = pool_take(context);
	volatile char *stale = object + 40;

	pool_put((struct pool *)context, &object);
	(void)*stale;
}

static void read_beyond_slab_object(void *context)
{
	volatile char *object = slab_take(context, 100);

	(void)object[100];
}

static void asan_sees_free_objects(void **state)
{
	struct pool p;
	struct slab s;

	(void)state;
	assert_int_equal(pool_init(&p, "test", 64, 10), 0);
	assert_int_equal(slab_init(&s, "test", MIB(1)), 0);
	assert_true(test_dies(read_after_put, &p));
	assert_true(test_dies(read_beyond_slab_object, &s));
	pool_done(&p);
	slab_done(&s);
}
#endif

/* --- slab --- */

static void slab_gives_what_was_asked(void **state)
{
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, "test", 4 * SLAB_MAX), 0);
	for (size_t size = 1; size <= SLAB_MAX; size = size * 2 + 1) {
		char *object = slab_take(&s, size);

		assert_non_null(object);
		assert_int_equal((uintptr_t)object % 64, 0);
		memset(object, 'x', size);
		assert_true(s.used >= size && s.used < MAX(2 * size, (size_t)SLAB_MIN + 1));
		slab_put(&s, &object, size);
		assert_null(object);
		assert_int_equal(s.used, 0);
	}
	slab_done(&s);
}

static void slab_fills_to_the_last_octet(void **state)
{
	struct slab s;
	static void *small[2 * SLAB_MAX / SLAB_MIN];
	void *large[2];

	(void)state;
	assert_int_equal(slab_init(&s, "test", 2 * SLAB_MAX - 1), 0);	/* rounded up */
	for (unsigned round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(small); i++)
			assert_non_null(small[i] = slab_take(&s, 1));
		assert_null(slab_take(&s, 1));
		assert_int_equal(s.used, s.total);
		for (size_t i = 0; i < ARRAY_LEN(small); i += 2)
			slab_put(&s, &small[i], 1);
		assert_null(slab_take(&s, SLAB_MIN + 1));	/* half is free, but nowhere two neighbours */
		for (size_t i = 1; i < ARRAY_LEN(small); i += 2)
			slab_put(&s, &small[i], 1);
		for (size_t i = 0; i < ARRAY_LEN(large); i++)
			assert_non_null(large[i] = slab_take(&s, SLAB_MAX));
		assert_null(slab_take(&s, 1));
		for (size_t i = 0; i < ARRAY_LEN(large); i++)
			slab_put(&s, &large[i], SLAB_MAX);
	}
	slab_done(&s);
}

static void slab_agrees_with_a_model(void **state)
{
	enum { COUNT = 300 };
	struct slab s;
	struct { unsigned char *ptr; size_t size; } taken[COUNT] = { 0 };
	uint64_t seed = 2;
	unsigned refused = 0;

	(void)state;
	assert_int_equal(slab_init(&s, "test", 4 * SLAB_MAX), 0);
	for (unsigned step = 0; step < 100000; step++) {
		uint64_t i = test_random(&seed) % COUNT;

		if (taken[i].ptr == NULL) {
			size_t size = 1 + test_random(&seed) % (UINT64_C(1) << test_random(&seed) % (SLAB_CLASSES + 5));

			taken[i].ptr = slab_take(&s, size);
			taken[i].size = size;
			if (taken[i].ptr == NULL) {
				refused++;
				continue;
			}
			taken[i].ptr[0] = taken[i].ptr[size - 1] = (unsigned char)i;
		} else {
			assert_int_equal(taken[i].ptr[0], (unsigned char)i);
			assert_int_equal(taken[i].ptr[taken[i].size - 1], (unsigned char)i);
			slab_put(&s, &taken[i].ptr, taken[i].size);
		}
		assert_true(s.used <= s.total);
	}
	assert_true(refused > 0 && refused < 50000);
	for (unsigned i = 0; i < COUNT; i++)
		if (taken[i].ptr != NULL)
			slab_put(&s, &taken[i].ptr, taken[i].size);
	assert_int_equal(s.used, 0);
	for (unsigned i = 0; i < 4; i++)		/* everything has grown together again */
		assert_non_null(taken[i].ptr = slab_take(&s, SLAB_MAX));
	for (unsigned i = 0; i < 4; i++)
		slab_put(&s, &taken[i].ptr, SLAB_MAX);
	slab_done(&s);
}

/* As windows in a core's registered memory are. */
static void memory_may_be_somebody_elses(void **state)
{
	static _Alignas(SLAB_MIN) char memory[16 * KIB(4)];
	struct slab s;
	struct pool p;
	void *objects[16];

	(void)state;
	assert_int_equal(slab_init_over(&s, "test", memory, sizeof(memory), KIB(4)), 0);
	for (unsigned i = 0; i < 16; i++) {
		assert_non_null(objects[i] = slab_take(&s, KIB(4) - i));
		assert_in_range((uintptr_t)objects[i], (uintptr_t)memory, (uintptr_t)memory + sizeof(memory) - 1);
	}
	assert_null(slab_take(&s, 1));
	for (unsigned i = 0; i < 16; i++)
		slab_put(&s, &objects[i], KIB(4) - i);
	assert_int_equal(s.used, 0);
	slab_done(&s);
	assert_int_equal(pool_init_over(&p, "test", KIB(4), 16, memory), 0);
	for (unsigned i = 0; i < 16; i++) {
		assert_non_null(objects[i] = pool_take(&p));
		memset(objects[i], (int)i, KIB(4));
	}
	assert_null(pool_take(&p));
	for (unsigned i = 0; i < 16; i++) {
		assert_int_equal(memory[((char *)objects[i] - memory)], i);
		pool_put(&p, &objects[i]);
	}
	pool_done(&p);
	memset(memory, 0, sizeof(memory));	/* it is ours again */
}

/* All the way from the smallest class to the largest, unless somebody is in the way. */
static void slab_objects_grow_where_they_are(void **state)
{
	struct slab s;
	char *object, *neighbour;
	size_t size = 1;

	(void)state;
	assert_int_equal(slab_init(&s, "test", SLAB_MAX), 0);
	assert_non_null(object = slab_take(&s, size));
	for (; size < SLAB_MAX; size *= 2) {
		object[size - 1] = (char)size;
		assert_true(slab_grow(&s, object, size, 2 * size));
		object[2 * size - 1] = 'x';
	}
	assert_int_equal(s.used, SLAB_MAX);
	slab_put(&s, &object, SLAB_MAX);
	assert_non_null(object = slab_take(&s, KIB(1)));
	assert_non_null(neighbour = slab_take(&s, KIB(1)));
	assert_false(slab_grow(&s, object, KIB(1), KIB(2)));
	assert_false(slab_grow(&s, neighbour, KIB(1), KIB(2)));		/* it begins in the middle of such a block */
	slab_put(&s, &neighbour, KIB(1));
	assert_true(slab_grow(&s, object, KIB(1), KIB(3)));
	assert_int_equal(s.used, KIB(4));
	slab_put(&s, &object, KIB(3));
	assert_int_equal(s.used, 0);
	assert_non_null(object = slab_take(&s, SLAB_MAX));		/* no splinter is left */
	slab_put(&s, &object, SLAB_MAX);
	slab_done(&s);
}

static void slab_put_twice(void *context)
{
	void *object = slab_take(context, 100);
	void *again = object;

	slab_put((struct slab *)context, &object, 100);
	slab_put((struct slab *)context, &again, 100);
}

static void slab_put_wrong_size(void *context)
{
	void *object = slab_take(context, 100);

	slab_put((struct slab *)context, &object, 1000);
}

static void slab_take_too_much(void *context)
{
	(void)slab_take(context, SLAB_MAX + 1);
}

static void slab_mistakes_stop_us(void **state)
{
	struct slab s;

	(void)state;
	assert_int_equal(slab_init(&s, "test", MIB(1)), 0);
	assert_true(test_dies(slab_put_twice, &s));
	assert_true(test_dies(slab_put_wrong_size, &s));
	assert_true(test_dies(slab_take_too_much, &s));
	slab_done(&s);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a pool gives every object once, aligned, and then none", gives_every_object_once),
		CLAIM("a pool agrees with a model over 100,000 steps", agrees_with_a_model),
		CLAIM("a pool of 256 GiB costs nothing until it is used", costs_nothing_until_used),
		CLAIM("a pool larger than the address space is refused", impossible_sizes_are_refused),
		CLAIM("a second put, a foreign pointer and a write after put stop us", mistakes_stop_us),
		CLAIM("an object whose octets look like a free one is put all the same",
		      content_that_looks_free_is_only_content),
#ifdef TEST_ASAN
		CLAIM("ASan sees a read of a free object, and one beyond a slab object", asan_sees_free_objects),
#endif
		CLAIM("a slab gives every size from 1 octet to SLAB_MAX", slab_gives_what_was_asked),
		CLAIM("a slab fills to the last octet, and splinters grow together", slab_fills_to_the_last_octet),
		CLAIM("a slab agrees with a model over 100,000 steps", slab_agrees_with_a_model),
		CLAIM("a slab's objects grow where they are", slab_objects_grow_where_they_are),
		CLAIM("pools and slabs live in somebody else's memory, too", memory_may_be_somebody_elses),
		CLAIM("a slab notices a second put, a wrong size and an impossible one", slab_mistakes_stop_us),
	};

	return cmocka_run_group_tests_name("core/pool", claims, NULL, NULL);
}
