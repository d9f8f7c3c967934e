#include "core/map.h"

#include <errno.h>
#include <stdlib.h>

#include "core/random.h"

int map_init(struct map *m, size_t count_expected)
{
	size_t slots = 16;

	while (slots < count_expected) {
		if (slots > SIZE_MAX / 2)
			return -ENOMEM;
		slots *= 2;
	}
	struct map_node **table = calloc(slots, sizeof(table[0]));

	if (table == NULL)
		return -ENOMEM;
	*m = (struct map){ .slots = table, .mask = slots - 1 };
	random_fill(m->seed, sizeof(m->seed));
	return 0;
}

void map_done(struct map *m)
{
	free(m->slots);
	*m = (struct map){ 0 };
}

uint64_t map_hash(const struct map *m, struct slice key)
{
	return map_siphash(m->seed, key);
}

struct map_node *map_find(const struct map *m, uint64_t hash, struct slice key, map_eq_fn *eq)
{
	for (struct map_node *node = m->slots[hash & m->mask]; node != NULL; node = node->next)
		if (node->hash == hash && eq(node, key))
			return node;
	return NULL;
}

void map_insert(struct map *m, struct map_node *node, uint64_t hash)
{
	struct map_node **slot = &m->slots[hash & m->mask];

	node->hash = hash;
	node->next = *slot;
	*slot = node;
	m->count++;
}

void map_remove(struct map *m, struct map_node *node)
{
	struct map_node **link = &m->slots[node->hash & m->mask];

	while (*link != node) {
		ASSERT(*link != NULL);
		link = &(*link)->next;
	}
	*link = node->next;
	node->next = NULL;
	m->count--;
}

void map_for_each(struct map *m, void (*fn)(struct map_node *node, void *context), void *context)
{
	for (size_t slot = 0; slot <= m->mask; slot++)
		for (struct map_node *node = m->slots[slot], *next; node != NULL; node = next) {
			next = node->next;
			fn(node, context);
		}
}

/* --- SipHash (Aumasson and Bernstein, 2012): one round per word of input, three at the end ---- */

static uint64_t rotate_left(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate_left(v[1], 13) ^ v[0];
	v[0] = rotate_left(v[0], 32);
	v[2] += v[3];
	v[3] = rotate_left(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate_left(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate_left(v[1], 17) ^ v[2];
	v[2] = rotate_left(v[2], 32);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
}

/* Up to eight octets, the first one lowest: the same number on every machine. */
static inline uint64_t load_little_endian(const char *ptr, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)(unsigned char)ptr[i] << (8 * i);
	return word;
}

uint64_t map_siphash(const uint64_t seed[2], struct slice key)
{
	uint64_t last = (uint64_t)key.len << 56;
	uint64_t v[4] = {
		seed[0] ^ UINT64_C(0x736f6d6570736575), seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261), seed[1] ^ UINT64_C(0x7465646279746573),
	};

	for (; key.len >= 8; slice_skip(&key, 8))
		sip_word(v, load_little_endian(key.ptr, 8));
	sip_word(v, last | load_little_endian(key.ptr, key.len));
	v[2] ^= 0xff;
	for (unsigned i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}
