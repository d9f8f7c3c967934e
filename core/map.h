/* map.h - intrusive hash map with a secret seed, sized at start
 *
 * Chained; keys live in the nodes' owners. The seed makes collisions unpredictable to whoever chooses the keys
 * (SipHash-1-3, so that a million hostile domain names cannot become one chain).
 *
 * bounds   any number of nodes; chains stay short while count <= slots
 */
#pragma once

#include "core/slice.h"

struct map_node {
	struct map_node *next;
	uint64_t hash;
};

struct map {
	size_t count;
	/* private */
	struct map_node **slots;
	size_t mask;
	uint64_t seed[2];
};

/* True when the node's owner has this key; called only for nodes of equal hash. */
typedef bool map_eq_fn(const struct map_node *node, struct slice key);

int map_init(struct map *m, size_t count_expected);	/* start only: 0 or -ENOMEM; seed from random_fill */
void map_done(struct map *m);
uint64_t map_hash(const struct map *m, struct slice key);
struct map_node *map_find(const struct map *m, uint64_t hash, struct slice key, map_eq_fn *eq);
void map_insert(struct map *m, struct map_node *node, uint64_t hash);	/* the key must not be there yet */
void map_remove(struct map *m, struct map_node *node);			/* it must be there */

/* Calls fn for every node; fn may remove the node it is given and no other. */
void map_for_each(struct map *m, void (*fn)(struct map_node *node, void *context), void *context);

/* SipHash-1-3 of key under seed: stable for equal seeds, so that all cores agree on who owns a destination. */
uint64_t map_siphash(const uint64_t seed[2], struct slice key);
