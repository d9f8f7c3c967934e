#include "net/source/inject_rcpts.h"

#include <errno.h>

#include "net/wire/address.h"
#include "net/wire/smtp_command.h"

/* In a block: this, the address, the ORCPT. */
struct head {
	uint16_t addr_len;
	uint16_t orcpt_len;
	uint8_t notify;
};

static_assert(sizeof(struct head) + INJECT_RCPT_MAX <= sizeof(((struct inject_rcpt_block *)0)->text),
	      "every recipient fits an empty block");

/* Nobody's text is cut, so that the end of a block may stay empty. */
size_t inject_rcpts_blocks(size_t count)
{
	const size_t largest = sizeof(struct head) + ADDRESS_MAX + SMTP_ORCPT_MAX;
	const size_t per_block = sizeof(((struct inject_rcpt_block *)0)->text) / largest;

	return (count + per_block - 1) / per_block;
}

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

int inject_rcpts_add(struct inject_rcpts *rcpts, struct pool *blocks, const struct rcpt_facts *facts)
{
	const struct head head = {
		.addr_len = (uint16_t)facts->addr.len,
		.orcpt_len = (uint16_t)facts->orcpt.len,
		.notify = (uint8_t)facts->notify,
	};
	const size_t size = sizeof(head) + facts->addr.len + facts->orcpt.len;

	ASSERT(facts->addr.len > 0 && facts->addr.len + facts->orcpt.len <= INJECT_RCPT_MAX);
	if (rcpts->last == NULL || sizeof(rcpts->last->text) - rcpts->last->used < size) {
		int r = add_block(rcpts, blocks);

		if (r < 0)
			return r;
	}
	char *at = rcpts->last->text + rcpts->last->used;

	memcpy(at, &head, sizeof(head));
	memcpy(at + sizeof(head), facts->addr.ptr, facts->addr.len);
	if (facts->orcpt.len > 0)
		memcpy(at + sizeof(head) + facts->addr.len, facts->orcpt.ptr, facts->orcpt.len);
	rcpts->last->used += (uint32_t)size;
	rcpts->count++;
	return 0;
}

void inject_rcpts_list(const struct inject_rcpts *rcpts, struct rcpt_facts *list)
{
	uint32_t n = 0;

	for (struct inject_rcpt_block *block = rcpts->first; block != NULL; block = block->next) {
		for (uint32_t at = 0; at < block->used; n++) {
			const char *text = block->text + at + sizeof(struct head);
			struct head head;

			memcpy(&head, block->text + at, sizeof(head));
			list[n] = (struct rcpt_facts){
				.addr = slice_of(text, head.addr_len),
				.orcpt = slice_of(text + head.addr_len, head.orcpt_len),
				.original = slice_of(text, head.addr_len),
				.notify = head.notify,
			};
			at += (uint32_t)sizeof(head) + head.addr_len + head.orcpt_len;
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
