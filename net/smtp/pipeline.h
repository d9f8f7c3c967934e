/* pipeline.h - commands that await their replies, oldest first (RFC 2920)
 *
 * Replies carry no name: the only thing that tells what one answers is its place. So every command written is entered
 * here before it can leave, and every reply takes exactly one entry out (row RPL-08); but LMTP's final dot has a reply
 * for each recipient, and only the last of them does.
 *
 * bounds   PIPELINE_MAX entries; who finds it full writes no more commands until replies come
 */
#pragma once

#include "net/smtp/session_states.h"

#define PIPELINE_MAX 128u

struct transaction;

struct expectation {
	enum session_state step;
	uint32_t rcpt;			/* SESSION_RCPT: index in the transaction */
	struct transaction *transaction; /* NULL for what belongs to the session */
};

struct pipeline {
	unsigned first;
	unsigned count;
	uint64_t answered;		/* replies taken so far: with it, "the oldest" has a name of its own */
	struct expectation entries[PIPELINE_MAX];
};

static inline void pipeline_init(struct pipeline *p)
{
	p->first = 0;
	p->count = 0;
	p->answered = 0;
}

static inline bool pipeline_is_full(const struct pipeline *p)
{
	return p->count == PIPELINE_MAX;
}

static inline const struct expectation *pipeline_oldest(const struct pipeline *p)
{
	return p->count > 0 ? &p->entries[p->first] : NULL;
}

static inline void pipeline_push(struct pipeline *p, struct expectation e)
{
	ASSERT(p->count < PIPELINE_MAX);
	p->entries[(p->first + p->count++) % PIPELINE_MAX] = e;
}

/* A reply to the oldest one has come. more: it is not the last, the entry stays (LMTP's final dot). */
static inline struct expectation pipeline_answer(struct pipeline *p, bool more)
{
	ASSERT(p->count > 0);
	struct expectation e = p->entries[p->first];

	p->answered++;
	if (more)
		return e;
	p->first = (p->first + 1) % PIPELINE_MAX;
	p->count--;
	return e;
}
