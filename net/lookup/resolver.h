/* resolver.h - ask the DNS, once for everybody (one per core; the door behind which c-ares lives)
 *
 *	waiter --resolver_ask--> entry (name, type) --question--> servers
 *	waiter <---query_fn----- cached answer <----packet------
 *
 * All who ask the same (name, type) share one question and its answer, which stays for its TTL: 5 s to 1 day for
 * records, 5 s to 1 hour for "there is none" (RFC 2308), RESOLVER_RETRY_S for failures. So a dead resolver gets at
 * most one question per name and half minute (row DNS-09), and TTL 0 does not turn into a question per message (row
 * DNS-08).
 *
 * memory   entries and answers in pools sized at start, the least recently used leave first. The library behind
 *          allocates its own (a few hundred octets) for each question under way: at most inflight_max of them
 * bounds   entries_max names, inflight_max questions under way; who finds no room waits, first come, first served
 * errors   none from asking: every outcome is an answer, and comes later in the turn, never inside resolver_ask
 * never    gives an answer to a question nobody asked: id, name, type and class are compared (row DNS-07)
 * thread   one core each, made and freed on its own thread; a query belongs to the core of its resolver
 *
 * The simulator links a stand-in for resolver.c. It needs nothing but this header and net/wire/dns_answer.h.
 */
#pragma once

#include "core/list.h"
#include "core/slice.h"
#include "core/version.h"
#include "net/wire/dns_answer.h"

#define RESOLVER_TTL_MIN_S	5u
#define RESOLVER_TTL_MAX_S	86400u
#define RESOLVER_NEGATIVE_MAX_S	3600u	/* RFC 2308 5 suggests one to three hours */
#define RESOLVER_RETRY_S	30u

enum answer_class {
	ANSWER_FOUND,		/* records, at least one */
	ANSWER_NOT_FOUND,	/* no such name, no such records, aliases without end */
	ANSWER_RETRY,		/* SERVFAIL, REFUSED, NOTIMP, time-out, damaged: nobody knows; ask again later */
	ANSWER_FAIL,		/* another rcode: asking again will not help */
	ANSWER_INVALID,		/* not a name that DNS could hold; nobody was asked */
	ANSWER_FILTERED,	/* records, but smtp_dns_reply_filter leaves none: never from the resolver itself */
	ANSWER_CLASS_COUNT
};
/* REFUSED and NOTIMP: conformance case 49 calls them non-recoverable. We go by row DNS-01 and take them for soft: a
 * resolver that has been configured wrongly, or forwards too much at once (dnsmasq then answers REFUSED), must not
 * bounce mail. */

struct answer {
	enum answer_class class;
	const char *why;		/* a constant phrase; for ANSWER_FOUND "found" */
	const struct dns_answer *dns;	/* only for ANSWER_FOUND */
};

struct query;
/* answer is good during the call. The query is free again: it may be asked anew or its memory may go. */
typedef void query_fn(struct query *query, const struct answer *answer);

struct query {
	query_fn *fn;
	/* private */
	struct list node;		/* waiting with its entry, or for one */
	struct resolver *resolver;
	enum dns_type type;
	struct slice name;		/* the caller's text, while waiting for an entry */
};

static inline void query_init(struct query *q, query_fn *fn)
{
	memset(q, 0, sizeof(*q));
	q->fn = fn;
	list_init(&q->node);
}

static inline bool query_is_waiting(const struct query *q)
{
	return !list_is_empty(&q->node);
}

struct resolver_conf {
	const char *servers;		/* see dns_servers.h; NULL: nameserver lines of /etc/resolv.conf */
	unsigned timeout_ms;		/* of the first try; doubles with each round over all servers; 0: 3000 */
	unsigned tries;			/* rounds; 0: 3. One dead server: 3 + 6 + 12 = 21 s until ANSWER_RETRY */
	unsigned entries_max;		/* 0: 16384 */
	unsigned inflight_max;		/* 0: 256 */
	bool dnssec;			/* set DO: ask for a validated answer (smtp_dns_support_level = dnssec) */
	/* Give the library no reason to ask anything again by itself (row SUP-01): what fails at one server is not
	 * asked of the next, and questions have no EDNS, unless dnssec wants it. */
	bool careful;
	/* With dnssec, once: the first records that came are not validated. From inside the library: do not ask here.
	 * NULL: nobody wants to know. */
	void (*unvalidated)(void *context);
	void *context;
};

struct resolver;

/* Once per process, before the first and after the last resolver: the library's own set-up is not thread-safe. */
int resolver_library_open(void);
void resolver_library_close(void);
struct library resolver_library(void);
/* Is this a release of it with which the resolver is careful by itself? */
bool resolver_library_is_suspect(const char *version);

/* On the core's own thread, before its first turn. 0, -ENOMEM, -EINVAL or ERR_SYNTAX for servers, -E2BIG for too
 * many. */
int resolver_new(const struct resolver_conf *conf, struct resolver **ret_resolver);
/* On its core, while the reactor is open. Nobody is called any more; queries still waiting are forgotten. The memory
 * goes a turn later, when the kernel has let go of it. */
void resolver_free(struct resolver **resolver);

/* Asks. name: ASCII, no trailing dot, or "." for the root, of DNS_TYPE_NS only; it must stay put until the
 * answer. The callback comes later, exactly once. */
void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name);

/* Asks without waiting: whoever asks soon finds the answer, or the question under way. May do nothing. */
void resolver_warm(struct resolver *r, enum dns_type type, struct slice name);

/* The callback will not come. Harmless when not waiting. The question itself goes on: its answer may serve others. */
void resolver_cancel(struct query *q);

struct resolver_stats {
	uint64_t asked;		/* resolver_ask and resolver_warm */
	uint64_t sent;		/* questions that left */
	uint64_t cached;	/* answered from the cache */
	uint64_t shared;	/* joined a question under way */
	uint64_t failed;	/* ANSWER_RETRY and ANSWER_FAIL */
	uint64_t evicted;
	unsigned entries;
	unsigned inflight;
};
void resolver_read_stats(const struct resolver *r, struct resolver_stats *ret_stats);
