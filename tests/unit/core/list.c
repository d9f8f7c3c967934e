#include "tests/test.h"

#include "core/list.h"

struct item {
	struct list node;
	unsigned number;
};

enum { ITEMS = 5 };

static struct list head;
static struct item items[ITEMS];

static int fill(void **state)
{
	(void)state;
	list_init(&head);
	for (unsigned i = 0; i < ITEMS; i++) {
		items[i].number = i;
		list_init(&items[i].node);
		list_push_back(&head, &items[i].node);
	}
	return 0;
}

static unsigned digits(struct list *l)
{
	unsigned number = 9;		/* in front, so that 0 counts */

	list_for_each(node, l)
		number = number * 10 + list_entry(node, struct item, node)->number;
	return number;
}

static void keeps_order(void **state)
{
	(void)state;
	assert_int_equal(digits(&head), 901234);
	list_remove(&items[2].node);
	assert_true(list_is_empty(&items[2].node));
	list_remove(&items[2].node);		/* harmless */
	assert_int_equal(digits(&head), 90134);
	list_push_front(&head, &items[2].node);
	assert_int_equal(digits(&head), 920134);
}

static void pops_from_the_front(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ITEMS; i++)
		assert_ptr_equal(list_pop_front(&head), &items[i].node);
	assert_null(list_pop_front(&head));
	assert_true(list_is_empty(&head));
}

static void the_current_node_may_be_removed(void **state)
{
	(void)state;
	list_for_each(node, &head)
		if (list_entry(node, struct item, node)->number % 2 == 0)
			list_remove(node);
	assert_int_equal(digits(&head), 913);
}

static void splicing_empties_the_other(void **state)
{
	struct list other;

	(void)state;
	list_init(&other);
	list_splice_back(&head, &other);
	assert_int_equal(digits(&head), 901234);
	list_splice_back(&other, &head);
	assert_true(list_is_empty(&head));
	assert_int_equal(digits(&other), 901234);
	list_push_back(&head, list_pop_front(&other));
	list_splice_back(&head, &other);
	assert_int_equal(digits(&head), 901234);
	assert_ptr_equal(head.prev, &items[4].node);
	assert_ptr_equal(items[4].node.next, &head);
}

static void push_again(void *context)
{
	list_push_back(&head, context);
}

static void a_node_is_in_one_list_only(void **state)
{
	(void)state;
	assert_true(test_dies(push_again, &items[1].node));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("a list keeps its order", keeps_order, fill, NULL),
		CLAIM_WITH("nodes are popped from the front until there are none", pops_from_the_front, fill, NULL),
		CLAIM_WITH("a loop may remove the node it is at", the_current_node_may_be_removed, fill, NULL),
		CLAIM_WITH("splicing moves everything to the end", splicing_empties_the_other, fill, NULL),
		CLAIM_WITH("a node is in one list only", a_node_is_in_one_list_only, fill, NULL),
	};

	return cmocka_run_group_tests_name("core/list", claims, NULL, NULL);
}
