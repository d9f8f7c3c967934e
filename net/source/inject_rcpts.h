/* inject_rcpts.h - the recipients of one transaction, until its message is committed
 *
 * Addresses, and what was asked for them, are written one behind the other into blocks; there are more blocks in the
 * pool than usual mail needs, and far fewer than every client could fill at one time.
 *
 * bounds   the caller's count of recipients; INJECT_RCPT_BLOCK octets a block
 * memory   blocks come from the caller's pool and go back with inject_rcpts_clear
 * errors   -ENOBUFS: the pool is empty; what was there stays
 */
#pragma once

#include "core/pool.h"
#include "net/mail/message.h"

#define INJECT_RCPT_BLOCK	KIB(2)
#define INJECT_RCPT_MAX		(KIB(2) - 32u)

struct inject_rcpt_block {
	struct inject_rcpt_block *next;
	uint32_t used;
	char text[INJECT_RCPT_BLOCK - sizeof(void *) - sizeof(uint32_t)];	/* two of the longest recipients */
};

static_assert(sizeof(struct inject_rcpt_block) == INJECT_RCPT_BLOCK, "no holes");

struct inject_rcpts {
	uint32_t count;
	/* private */
	struct inject_rcpt_block *first;
	struct inject_rcpt_block *last;
};

/* So many blocks hold count recipients, whatever their addresses and ORCPTs are. */
size_t inject_rcpts_blocks(size_t count);

/* Copies one; together not more than INJECT_RCPT_MAX octets. The original address is the address. */
int inject_rcpts_add(struct inject_rcpts *rcpts, struct pool *blocks, const struct rcpt_facts *facts);

/* Writes all of them to list, which has room for rcpts->count; they are good until inject_rcpts_clear. */
void inject_rcpts_list(const struct inject_rcpts *rcpts, struct rcpt_facts *list);

void inject_rcpts_clear(struct inject_rcpts *rcpts, struct pool *blocks);
