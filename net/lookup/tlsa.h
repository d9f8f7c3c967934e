/* tlsa.h - what DNS says of a host's certificate, and whether that may be believed (RFC 7672 2.2.2, 2.2.3; B 7.3)
 *
 *	addresses secure	alias? TLSA at its end --none--> at the host's own name
 *	addresses not secure	alias? CNAME secure? ---yes----> TLSA at the host's own name; else nothing is asked
 *
 * Only what carries the AD bit counts; whether the resolver that sets it may be trusted is for the operator to say
 * (smtp_dns_support_level = dnssec), and whoever asks has looked at that. An answer that does not come is not the same
 * as none: an attacker could make it not come (row DNS-10).
 *
 * memory   the caller's: struct tlsa_lookup, 7 KiB; it serves one lookup at a time
 * errors   a verdict; the callback comes later, never inside tlsa_lookup_start
 * never    logs; looks at what the records say beyond crypto/tls_dane.h
 */
#pragma once

#include "core/reactor.h"
#include "crypto/tls_dane.h"
#include "net/lookup/reply_filter.h"
#include "net/lookup/resolver.h"

struct tlsa_conf {
	struct resolver *resolver;
	const struct maps *reply_filter;	/* smtp_dns_reply_filter */
	struct tls_dane_digests digests;	/* tls_dane_digests */
	bool force_insecure_host;		/* smtp_tls_force_insecure_host_tlsa_lookup */
};

/* The texts must stay put while the lookup is in use. */
struct tlsa_host {
	struct slice name;		/* that addresses were asked for */
	struct slice owner;		/* at the end of its aliases; empty: it is none */
	bool is_secure;			/* the addresses, and all aliases */
	uint16_t port;
};

enum tlsa_verdict {
	TLSA_UNKNOWN,			/* an answer did not come, or is damaged: the host must not be used now */
	TLSA_NONE,			/* there are none, or they are not secure */
	TLSA_UNUSABLE,			/* they are secure, and none can be used */
	TLSA_USABLE
};

enum tlsa_state { TLSA_IDLE, TLSA_ASKING_ALIAS, TLSA_ASKING_OWNER, TLSA_ASKING_NAME, TLSA_TELLING };

struct tlsa_lookup;
typedef void tlsa_lookup_fn(struct tlsa_lookup *lookup);

struct tlsa_lookup {
	/* results */
	enum tlsa_verdict verdict;
	const char *why;		/* a constant: what went wrong, or the answer's own word */
	struct slice base;		/* RFC 7672 2.2.3: the name they stand below; of tlsa_host */
	struct tls_dane dane;		/* only when they are usable */
	/* private */
	enum tlsa_state state;
	const struct tlsa_conf *conf;
	struct tlsa_host host;
	tlsa_lookup_fn *fn;
	struct query query;
	struct task finish;
	char question[DNS_NAME_WIRE_MAX + 32];
};

/* A lookup that has never been used. */
void tlsa_lookup_init(struct tlsa_lookup *lookup);

void tlsa_lookup_start(struct tlsa_lookup *lookup, const struct tlsa_conf *conf, const struct tlsa_host *host,
		       tlsa_lookup_fn *fn);

/* The callback will not come. Harmless when none is due. */
void tlsa_lookup_cancel(struct tlsa_lookup *lookup);
