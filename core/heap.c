#include "core/heap.h"

#include <errno.h>
#include <stdlib.h>

int heap_init(struct heap *h, size_t cap)
{
	struct heap_node **nodes = calloc(MAX(cap, (size_t)1), sizeof(nodes[0]));

	if (nodes == NULL)
		return -ENOMEM;
	*h = (struct heap){ .cap = cap, .nodes = nodes };
	return 0;
}

void heap_done(struct heap *h)
{
	free(h->nodes);
	*h = (struct heap){ 0 };
}

static void place(struct heap *h, size_t at, struct heap_node *node)
{
	h->nodes[at] = node;
	node->index = at + 1;
}

/* The node goes up from the hole at `at`, past every parent that is larger. */
static void sift_up(struct heap *h, size_t at, struct heap_node *node)
{
	while (at > 0) {
		size_t parent = (at - 1) / 2;

		if (h->nodes[parent]->key <= node->key)
			break;
		place(h, at, h->nodes[parent]);
		at = parent;
	}
	place(h, at, node);
}

/* The node goes down from the hole at `at`, past the smaller child as long as that is smaller than it. */
static void sift_down(struct heap *h, size_t at, struct heap_node *node)
{
	for (size_t child = 2 * at + 1; child < h->count; child = 2 * at + 1) {
		if (child + 1 < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
			child++;
		if (h->nodes[child]->key >= node->key)
			break;
		place(h, at, h->nodes[child]);
		at = child;
	}
	place(h, at, node);
}

static void settle(struct heap *h, size_t at, struct heap_node *node)
{
	if (at > 0 && h->nodes[(at - 1) / 2]->key > node->key)
		sift_up(h, at, node);
	else
		sift_down(h, at, node);
}

void heap_push(struct heap *h, struct heap_node *node, uint64_t key)
{
	ASSERT(h->count < h->cap);
	ASSERT(node->index == 0);
	node->key = key;
	sift_up(h, h->count++, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	size_t at = node->index - 1;

	if (node->index == 0)
		return;
	ASSERT(at < h->count && h->nodes[at] == node);
	node->index = 0;
	struct heap_node *last = h->nodes[--h->count];

	if (last != node)
		settle(h, at, last);
}
