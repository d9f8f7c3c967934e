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

/* A session has two transactions at a time, so that an entry need not have room for a pointer. */
#define PIPELINE_OWNERS 2u

static_assert(PIPELINE_OWNERS == 2, "see pipeline_own");

struct pipeline_entry {
	uint32_t rcpt;
	uint8_t step;
	uint8_t owner;			/* 0: none, else the how-manieth */
};

struct pipeline {
	unsigned first;
	unsigned count;
	uint64_t answered;		/* replies taken so far: with it, "the oldest" has a name of its own */
	struct expectation oldest;	/* entries[first] in full */
	struct pipeline_owner {
		struct transaction *transaction;
		unsigned open;		/* entries */
	} owners[PIPELINE_OWNERS];
	struct pipeline_entry entries[PIPELINE_MAX];
};

static_assert(SESSION_COUNT <= UINT8_MAX, "a step is an octet");

static inline void pipeline_init(struct pipeline *p)
{
	memset(p, 0, offsetof(struct pipeline, entries));
}

static inline bool pipeline_is_full(const struct pipeline *p)
{
	return p->count == PIPELINE_MAX;
}

static inline const struct expectation *pipeline_oldest(const struct pipeline *p)
{
	return p->count > 0 ? &p->oldest : NULL;
}

/* Whose entries t's are counted with; NULL: it has none. */
static inline struct pipeline_owner *pipeline_find(struct pipeline *p, const struct transaction *t)
{
	for (unsigned i = 0; i < PIPELINE_OWNERS; i++)
		if (p->owners[i].transaction == t && p->owners[i].open > 0)
			return &p->owners[i];
	return NULL;
}

/* Does any command of t await its reply? */
static inline bool pipeline_awaits(struct pipeline *p, const struct transaction *t)
{
	return pipeline_find(p, t) != NULL;
}

/* One entry more of t, which may be NULL. */
static inline uint8_t pipeline_own(struct pipeline *p, struct transaction *t)
{
	struct pipeline_owner *owner = t != NULL ? pipeline_find(p, t) : NULL;

	if (t == NULL)
		return 0;
	if (owner == NULL)
		owner = p->owners[0].open == 0 ? &p->owners[0] : &p->owners[1];
	ASSERT(owner->open == 0 || owner->transaction == t);
	owner->transaction = t;
	owner->open++;
	return (uint8_t)(owner - p->owners + 1);
}

static inline void pipeline_look(struct pipeline *p)
{
	const struct pipeline_entry *e = &p->entries[p->first];

	p->oldest = (struct expectation){
		.step = (enum session_state)e->step,
		.rcpt = e->rcpt,
		.transaction = e->owner > 0 ? p->owners[e->owner - 1].transaction : NULL,
	};
}

static inline void pipeline_push(struct pipeline *p, struct expectation e)
{
	ASSERT(p->count < PIPELINE_MAX);
	p->entries[(p->first + p->count++) % PIPELINE_MAX] = (struct pipeline_entry){
		.rcpt = e.rcpt, .step = (uint8_t)e.step, .owner = pipeline_own(p, e.transaction),
	};
	if (p->count == 1)
		pipeline_look(p);
}

/* A reply to the oldest one has come. more: it is not the last, the entry stays (LMTP's final dot). */
static inline struct expectation pipeline_answer(struct pipeline *p, bool more)
{
	ASSERT(p->count > 0);
	const struct expectation e = p->oldest;

	p->answered++;
	if (more)
		return e;
	if (e.transaction != NULL)
		p->owners[p->entries[p->first].owner - 1].open--;
	p->first = (p->first + 1) % PIPELINE_MAX;
	if (--p->count > 0)
		pipeline_look(p);
	else
		p->first = 0;		/* what was touched last is near */
	return e;
}
