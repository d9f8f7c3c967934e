#include "tests/test.h"

#include "core/heap.h"

enum { NODES = 300 };

static void check_order(const struct heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		assert_int_equal(h->nodes[i]->index, i + 1);
		if (i > 0)
			assert_true(h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
	}
}

static void agrees_with_a_model(void **state)
{
	static struct heap_node nodes[NODES];
	struct heap h;
	uint64_t seed = 6;
	size_t count = 0;

	(void)state;
	assert_int_equal(heap_init(&h, NODES), 0);
	for (unsigned step = 0; step < 200000; step++) {
		struct heap_node *node = &nodes[test_random(&seed) % NODES];
		uint64_t key = test_random(&seed) % 1000;	/* small enough for equal keys */

		if (node->index == 0) {
			heap_push(&h, node, key);
			count++;
		} else {
			heap_remove(&h, node);
			heap_remove(&h, node);		/* harmless */
			count--;
		}
		assert_int_equal(h.count, count);
		uint64_t smallest = UINT64_MAX;

		for (unsigned i = 0; i < NODES && step % 10 == 0; i++)
			if (nodes[i].index > 0)
				smallest = MIN(smallest, nodes[i].key);
		if (step % 10 == 0 && count > 0)
			assert_int_equal(heap_first(&h)->key, smallest);
		if (step % 100 == 0)
			check_order(&h);
	}
	for (unsigned i = 0; i < NODES; i++)
		heap_remove(&h, &nodes[i]);
	assert_null(heap_first(&h));
	heap_done(&h);
}

static void gives_back_in_order(void **state)
{
	static struct heap_node nodes[NODES];
	struct heap h;
	uint64_t seed = 7;
	uint64_t last = 0;

	(void)state;
	assert_int_equal(heap_init(&h, NODES), 0);
	for (unsigned i = 0; i < NODES; i++)
		heap_push(&h, &nodes[i], test_random(&seed));
	for (unsigned i = 0; i < NODES; i++) {
		struct heap_node *first = heap_first(&h);

		assert_true(first->key >= last);
		last = first->key;
		heap_remove(&h, first);
	}
	assert_null(heap_first(&h));
	heap_done(&h);
}

static void push_one_too_many(void *context)
{
	struct heap_node node = { 0 };

	heap_push(context, &node, 1);
}

static void push_twice(void *context)
{
	struct heap *h = context;

	heap_push(h, h->nodes[0], 1);
}

static void mistakes_stop_us(void **state)
{
	struct heap_node nodes[2] = { 0 };
	struct heap h;

	(void)state;
	assert_int_equal(heap_init(&h, 2), 0);
	heap_push(&h, &nodes[0], 1);
	assert_true(test_dies(push_twice, &h));
	heap_push(&h, &nodes[1], 2);
	assert_true(test_dies(push_one_too_many, &h));
	heap_done(&h);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a heap agrees with a model over 200,000 steps", agrees_with_a_model),
		CLAIM("a heap gives nodes back in order of keys", gives_back_in_order),
		CLAIM("a full heap and a second push stop us", mistakes_stop_us),
	};

	return cmocka_run_group_tests_name("core/heap", claims, NULL, NULL);
}
