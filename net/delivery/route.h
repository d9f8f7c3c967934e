/* route.h - all addresses of one nexthop, in the order they are tried (B 3, 4)
 *
 * A nexthop may be a list, and smtp_fallback_relay is appended to it: each element is looked up in turn
 * (net/lookup/mx.h), cut to smtp_mx_address_limit, and the lists are put behind each other. A domain that accepts no
 * mail (null MX), and one of whose mail exchangers we are ourselves, has no fallback.
 *
 * TLSA records are looked up for one address after the other, when somebody is about to connect to it and asks for
 * them.
 *
 * bounds   ROUTE_ADDRESSES_MAX addresses: one bit each in job.tried; ROUTE_NAMES octets of host names
 * memory   from a pool; a lookup under way borrows a struct mx_lookup from another, TLSA records stay in a third
 * errors   no address at all: route.error, soft or hard
 */
#pragma once

#include "core/pool.h"
#include "net/lookup/mx.h"
#include "net/lookup/tlsa.h"
#include "net/params.h"

#define ROUTE_ADDRESSES_MAX	64u
#define ROUTE_NAMES		KIB(4)	/* each name once */
#define ROUTE_TEXT		320u
/* then the resolver's cache is asked again, which knows the TTLs */
#define ROUTE_LIFETIME_NS	(60 * NS_PER_SEC)
/* of a temporary failure: for those who wait; the resolver bears it longer */
#define ROUTE_FAILURE_NS	NS_PER_SEC
#define ROUTE_AVOID_NS		(30 * NS_PER_SEC)	/* an address that did not answer is tried last for so long */

static_assert(ROUTE_ADDRESSES_MAX <= 128, "struct job has two words of bits");

enum route_state { ROUTE_EMPTY, ROUTE_ASKING, ROUTE_READY };

struct route_address {
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct {
			sa_family_t family;	/* AF_UNIX */
			uint16_t at;		/* in names */
			uint8_t len;
		} path;
	};
	uint16_t host_at, asked_at, owner_at, list_owner_at;	/* as in mx.h; lengths of 0: there is none */
	uint8_t host_len, asked_len, owner_len, list_owner_len;
	uint8_t element;	/* of the nexthop list */
	uint8_t checks;		/* MX_CHECK_... */
	bool is_worse;		/* a host of this element has a better preference */
	bool is_secure, has_list, list_is_secure;	/* as in mx.h */
	struct route_tlsa *tlsa;	/* NULL: nobody has asked for its TLSA records */
	uint64_t avoid_until_ns;
};

struct route;
typedef void route_fn(struct route *r);

struct route_conf {
	const struct params *params;
	const struct nexthop_conf *nexthop;
	const struct mx_conf *mx;
	struct pool *lookups;	/* of struct route_lookup */
	const struct tlsa_conf *tlsa;
	struct pool *tlsas;	/* of struct route_tlsa */
	route_fn *tlsa_told;	/* what somebody has asked for is known */
};

struct route_tlsa {
	struct tlsa_lookup lookup;
	struct route *route;
	bool is_known;
};

struct route_lookup {
	struct mx_lookup lookup;
	struct route *route;
};

struct route {
	enum route_state state;
	unsigned count;
	uint64_t expires_ns;
	struct mx_error error;	/* when count is 0, or of the tail */
	/* private */
	const struct route_conf *conf;
	route_fn *fn;
	struct route_lookup *lookup;
	struct slice rest;	/* of the list being looked up */
	bool in_fallback;
	bool soft_seen;		/* error holds a soft one, which no hard one replaces */
	bool tail_failed;	/* softly: an element behind the last address */
	bool is_relayhost;
	unsigned element;
	struct wheel_timer retry;
	size_t names_len;
	struct route_address addresses[ROUTE_ADDRESSES_MAX];
	char names[ROUTE_NAMES];
	char text[ROUTE_TEXT];
};

void route_init(struct route *r, const struct route_conf *conf, route_fn *fn);

/* Looks up nexthop (at most ROUTE_TEXT octets). fn is called later, never inside. */
void route_start(struct route *r, struct slice nexthop, bool is_relayhost);

/* The callback will not come. */
void route_cancel(struct route *r);

/* The end of it, in any state: what it has borrowed goes back. */
void route_done(struct route *r);

static inline bool route_is_usable(const struct route *r, uint64_t now_ns)
{
	return r->state == ROUTE_READY && now_ns < r->expires_ns;
}

/* None of its addresses may be connected to any more: it is as good as never looked up, and until it has been looked up
 * anew an error. */
void route_give_up(struct route *r);

struct addr route_addr(const struct route *r, unsigned i);
struct slice route_host(const struct route *r, unsigned i);

/* Asks for the TLSA records of address i, unless that has been done. False: not now, there is no room for them. */
bool route_ask_tlsa(struct route *r, unsigned i);

/* Has somebody asked, and there is no answer yet? */
static inline bool route_is_asking_tlsa(const struct route *r, unsigned i)
{
	return r->addresses[i].tlsa != NULL && !r->addresses[i].tlsa->is_known;
}

/* NULL: nobody has asked, or there is no answer yet. */
static inline const struct tlsa_lookup *route_tlsa(const struct route *r, unsigned i)
{
	return r->addresses[i].tlsa != NULL && r->addresses[i].tlsa->is_known ? &r->addresses[i].tlsa->lookup : NULL;
}

/* The name at the end of the aliases of i's destination; empty: it was none. */
struct slice route_list_owner(const struct route *r, unsigned i);

/* Is address i of one route the same host as k of the other, with names and DNSSEC status alike? */
bool route_is_same_host(const struct route *r, unsigned i, const struct route *other, unsigned k);

/* The element of the list nexthop (and of smtp_fallback_relay behind it) that address i came from. False: it is not
 * there. */
bool route_element(const struct route *r, struct slice nexthop, unsigned i, struct destination_name *ret_name);

/* The next address to try: the first one whose bit in tried is not set, those to avoid last; -1: there is none. What
 * must not be connected to is left out, also when it was allowed at the time of the lookup (row NET-01): our own
 * addresses change. */
int route_next(const struct route *r, const uint64_t tried[2], uint64_t now_ns);

/* Sets the bits of all addresses that are the same as i's. */
void route_mark_same(const struct route *r, unsigned i, uint64_t tried[2]);

/* What is said of a message that has been tried at all addresses in vain, when an element behind them could not be
 * found either; NULL: what the last host said. */
static inline const struct mx_error *route_tail_error(const struct route *r)
{
	return r->count > 0 && r->tail_failed ? &r->error : NULL;
}

/* Sets the bits of all addresses of i's element of the list: it has had its sessions (smtp_mx_session_limit). */
void route_use_up(const struct route *r, unsigned i, uint64_t tried[2]);
