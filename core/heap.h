/* heap.h - intrusive binary heap ordered by a 64-bit key (smallest first)
 *
 * memory   the array of node pointers is reserved at start; a node knows its place, so removal is O(log n)
 * bounds   the count given at start; heap_push asserts there is room (its pool is no larger)
 */
#pragma once

#include "core/base.h"

struct heap_node {
	uint64_t key;
	size_t index;		/* place in the array plus one; 0: in no heap */
};

struct heap {
	size_t count;
	/* private */
	size_t cap;
	struct heap_node **nodes;
};

int heap_init(struct heap *h, size_t cap);	/* start only: 0 or -ENOMEM */
void heap_done(struct heap *h);
void heap_push(struct heap *h, struct heap_node *node, uint64_t key);
void heap_remove(struct heap *h, struct heap_node *node);	/* harmless when in no heap */

static inline struct heap_node *heap_first(const struct heap *h)
{
	return h->count > 0 ? h->nodes[0] : NULL;
}
