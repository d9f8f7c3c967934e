#include "net/source/inject_rcpts.h"

#include <errno.h>

/* In a block: the length in two octets, then the address. */
#define LEN_SIZE	sizeof(uint16_t)
#define ADDR_MAX	1024u

static_assert(LEN_SIZE + ADDR_MAX <= sizeof(((struct inject_rcpt_block *)0)->text),
	      "every address fits an empty block");

static int add_block(struct inject_rcpts *rcpts, struct pool *blocks)
{
	struct inject_rcpt_block *block = pool_take(blocks);

	if (block == NULL)
		return -ENOBUFS;
	block->next = NULL;
	block->used = 0;
	if (rcpts->last != NULL)
		rcpts->last->next = block;
	else
		rcpts->first = block;
	rcpts->last = block;
	return 0;
}

int inject_rcpts_add(struct inject_rcpts *rcpts, struct pool *blocks, struct slice head, struct slice tail)
{
	uint16_t len = (uint16_t)(head.len + tail.len);

	ASSERT(head.len + tail.len > 0 && head.len + tail.len <= ADDR_MAX);
	if (rcpts->last == NULL || sizeof(rcpts->last->text) - rcpts->last->used < LEN_SIZE + len) {
		int r = add_block(rcpts, blocks);

		if (r < 0)
			return r;
	}
	char *at = rcpts->last->text + rcpts->last->used;

	memcpy(at, &len, LEN_SIZE);
	memcpy(at + LEN_SIZE, head.ptr, head.len);
	if (tail.len > 0)
		memcpy(at + LEN_SIZE + head.len, tail.ptr, tail.len);
	rcpts->last->used += (uint32_t)(LEN_SIZE + len);
	rcpts->count++;
	return 0;
}

void inject_rcpts_list(const struct inject_rcpts *rcpts, struct slice *list)
{
	uint32_t n = 0;

	for (struct inject_rcpt_block *block = rcpts->first; block != NULL; block = block->next) {
		for (uint32_t at = 0; at < block->used; n++) {
			uint16_t len;

			memcpy(&len, block->text + at, LEN_SIZE);
			list[n] = slice_of(block->text + at + LEN_SIZE, len);
			at += (uint32_t)(LEN_SIZE + len);
		}
	}
	ASSERT(n == rcpts->count);
}

void inject_rcpts_clear(struct inject_rcpts *rcpts, struct pool *blocks)
{
	struct inject_rcpt_block *block = rcpts->first;

	while (block != NULL) {
		struct inject_rcpt_block *next = block->next;

		pool_put(blocks, &block);
		block = next;
	}
	*rcpts = (struct inject_rcpts){ 0 };
}
