#include "tests/test.h"

#include <stdio.h>

#include "core/map.h"

struct entry {
	struct map_node node;
	char key[16];
	size_t key_len;
	bool present;
	unsigned visits;
};

enum { ENTRIES = 1000 };

static struct entry entries[ENTRIES];

static bool entry_eq(const struct map_node *node, struct slice key)
{
	const struct entry *e = container_of(node, struct entry, node);

	return slice_eq(slice_of(e->key, e->key_len), key);
}

static struct slice key_of(const struct entry *e)
{
	return slice_of(e->key, e->key_len);
}

static void name_entries(void)
{
	for (unsigned i = 0; i < ENTRIES; i++) {
		entries[i] = (struct entry){ 0 };
		entries[i].key_len = (size_t)snprintf(entries[i].key, sizeof(entries[i].key), "%u.example", i);
	}
}

static void agrees_with_a_model(void **state)
{
	struct map m;
	uint64_t seed = 8;
	size_t count = 0;

	(void)state;
	name_entries();
	assert_int_equal(map_init(&m, 100), 0);		/* fewer slots than nodes: chains are walked */
	for (unsigned step = 0; step < 200000; step++) {
		struct entry *e = &entries[test_random(&seed) % ENTRIES];
		uint64_t hash = map_hash(&m, key_of(e));
		struct map_node *found = map_find(&m, hash, key_of(e), entry_eq);

		assert_ptr_equal(found, e->present ? &e->node : NULL);
		if (e->present) {
			map_remove(&m, &e->node);
			count--;
		} else {
			map_insert(&m, &e->node, hash);
			count++;
		}
		e->present = !e->present;
		assert_int_equal(m.count, count);
	}
	map_done(&m);
}

static void keys_of_equal_hash_are_told_apart(void **state)
{
	struct map m;

	(void)state;
	name_entries();
	assert_int_equal(map_init(&m, 1), 0);
	for (unsigned i = 0; i < 10; i++)
		map_insert(&m, &entries[i].node, 42);
	for (unsigned i = 0; i < 10; i++)
		assert_ptr_equal(map_find(&m, 42, key_of(&entries[i]), entry_eq), &entries[i].node);
	assert_null(map_find(&m, 42, SLICE("10.example"), entry_eq));
	assert_null(map_find(&m, 43, SLICE("1.example"), entry_eq));
	map_done(&m);
}

static struct map *visited_map;

static void visit_and_remove_odd(struct map_node *node, void *context)
{
	struct entry *e = container_of(node, struct entry, node);

	e->visits++;
	++*(unsigned *)context;
	if ((e - entries) % 2)
		map_remove(visited_map, node);
}

static void for_each_visits_all_once_though_some_go(void **state)
{
	struct map m;
	unsigned visits = 0;

	(void)state;
	name_entries();
	assert_int_equal(map_init(&m, 16), 0);
	visited_map = &m;
	for (unsigned i = 0; i < ENTRIES; i++)
		map_insert(&m, &entries[i].node, map_hash(&m, key_of(&entries[i])));
	map_for_each(&m, visit_and_remove_odd, &visits);
	assert_int_equal(visits, ENTRIES);
	assert_int_equal(m.count, ENTRIES / 2);
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t hash = map_hash(&m, key_of(&entries[i]));

		assert_int_equal(entries[i].visits, 1);
		assert_ptr_equal(map_find(&m, hash, key_of(&entries[i]), entry_eq),
				 i % 2 ? NULL : &entries[i].node);
	}
	map_done(&m);
}

/* Key 00 01 .. 0f, input 00 01 02 ..: computed by a second implementation, itself checked with the authors' vector for
 * SipHash-2-4 (a129ca6149be45e5 for 15 octets). */
static void siphash_is_the_published_function(void **state)
{
	static const struct { size_t len; uint64_t hash; } vectors[] = {
		{  0, UINT64_C(0xabac0158050fc4dc) }, {  1, UINT64_C(0xc9f49bf37d57ca93) },
		{  7, UINT64_C(0xd3927d989bb11140) }, {  8, UINT64_C(0x369095118d299a8e) },
		{  9, UINT64_C(0x25a48eb36c063de4) }, { 15, UINT64_C(0xd320d86d2a519956) },
		{ 16, UINT64_C(0xcc4fdd1a7d908b66) }, { 63, UINT64_C(0x9d199062b7bbb3a8) },
	};
	const uint64_t seed[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };
	char input[64];

	(void)state;
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (char)i;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		assert_true(map_siphash(seed, slice_of(input, vectors[i].len)) == vectors[i].hash);
}

static void two_maps_hash_differently(void **state)
{
	struct map a;
	struct map b;

	(void)state;
	assert_int_equal(map_init(&a, 1), 0);
	assert_int_equal(map_init(&b, 1), 0);
	assert_true(map_hash(&a, SLICE("example.com")) != map_hash(&b, SLICE("example.com")));
	assert_true(map_hash(&a, SLICE("example.com")) == map_siphash(a.seed, SLICE("example.com")));
	map_done(&a);
	map_done(&b);
}

static void remove_a_stranger(void *context)
{
	struct map_node node = { .hash = 42 };

	map_remove(context, &node);
}

static void removing_a_stranger_stops_us(void **state)
{
	struct map m;

	(void)state;
	name_entries();
	assert_int_equal(map_init(&m, 1), 0);
	map_insert(&m, &entries[0].node, 42);
	assert_true(test_dies(remove_a_stranger, &m));
	map_done(&m);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a map agrees with a model over 200,000 steps", agrees_with_a_model),
		CLAIM("keys of equal hash are told apart", keys_of_equal_hash_are_told_apart),
		CLAIM("for_each visits every node once though some are removed",
		      for_each_visits_all_once_though_some_go),
		CLAIM("map_siphash is SipHash-1-3", siphash_is_the_published_function),
		CLAIM("two maps hash the same key differently", two_maps_hash_differently),
		CLAIM("removing a node that is not there stops us", removing_a_stranger_stops_us),
	};

	return cmocka_run_group_tests_name("core/map", claims, NULL, NULL);
}
