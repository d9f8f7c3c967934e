/* mx.h - from a destination to the addresses to try, in order (B 3; RFC 5321 5.1, RFC 7505, RFC 2782)
 *
 *	destination --MX--> hosts by preference --A, AAAA, hosts file--> addresses
 *	            |--SRV--> hosts by priority and weight----^          '--loops out, shuffle, sort, balance--> list
 *	            |--[host], literal, no MX, LMTP--^
 *	            '--unix:path (LMTP)--------------------------------------------------------------------------^
 *
 * The result is a list of at most MX_ADDRESSES_MAX addresses, or one error with the status it means: a soft failure
 * anywhere dominates hard ones, because an address we could not look up might have been the one that works.
 *
 * bounds   MX_ADDRESSES_MAX addresses and hosts (dns_rr_list_limit); one host at a time is asked for, MX_WARM more
 *          ahead
 * memory   struct mx_lookup is about 100 KiB, of which most lookups touch a tenth; it serves one at a time and is
 *          embedded in the waiter or pooled
 * errors   struct mx_error; the callback comes later in the turn, never inside mx_lookup_start
 * never    logs: what deserves a line goes to conf->warn; connects; applies smtp_mx_address_limit but for balancing
 *          families
 *
 * Native lookups (smtp_host_lookup = native, disable_dns_lookups) mean the hosts file, see hosts.h.
 */
#pragma once

#include "core/addr.h"
#include "core/reactor.h"
#include "core/str.h"
#include "net/lookup/hosts.h"
#include "net/lookup/nexthop.h"
#include "net/lookup/reply_filter.h"
#include "net/lookup/resolver.h"
#include "net/params.h"

#define MX_ADDRESSES_MAX	DNS_RECORDS_MAX
#define MX_WARM			8u
#define MX_NAMES_SIZE		KIB(80)	/* 100 names of 255 octets, and the ends of their aliases */
#define MX_TEXT_MAX		512u

enum mx_family_preference { MX_PREFER_ANY, MX_PREFER_IPV4, MX_PREFER_IPV6 };

/* Must outlive every lookup. A NULL pointer means an empty list. */
struct mx_conf {
	bool dns;				/* by smtp_dns_support_level, or else disable_dns_lookups */
	bool host_dns, host_native;		/* smtp_host_lookup */
	bool ipv4, ipv6;			/* inet_protocols */
	bool ignore_mx_lookup_error;
	bool defer_if_no_mx_address_found;	/* smtp_... */
	bool randomize_addresses;		/* smtp_... */
	bool balance_inet_protocols;		/* smtp_... */
	bool cname_overrides_servername;	/* smtp_... */
	enum mx_family_preference address_preference;	/* smtp_... */
	unsigned address_limit;			/* smtp_mx_address_limit: here for balancing only */
	const char *myhostname;			/* the name of a server behind a unix socket (B 25) */
	struct slice srv_services;		/* use_srv_lookup: a list */
	bool ignore_srv_lookup_error;
	bool allow_srv_lookup_fallback;
	bool idna2003;				/* enable_idna2003_compatibility */
	const struct maps *reply_filter;	/* smtp_dns_reply_filter */
	bool tls_from_start;			/* smtp_tls_wrappermode: port 465 needs no hint */
	unsigned record_limit;			/* dns_rr_list_limit; 0: MX_ADDRESSES_MAX */
	struct resolver *resolver;
	const struct hosts *hosts;
	const struct addr *own;			/* inet_interfaces and proxy_interfaces: no loops */
	unsigned own_count;
	const struct addr_net *deny;		/* where names from DNS must not lead us (row NET-01); see deny.h */
	unsigned deny_count;
	void (*warn)(void *context, const char *text);	/* may be NULL */
	void *context;
};

/* What main.cf says; resolver, hosts, own addresses and warn are the caller's to fill in. The params must stay. */
struct mx_conf mx_conf_from_params(const struct params *p);

/* An enhanced status code (RFC 3463) and why. class is 4 (soft) or 5 (hard). */
struct mx_error {
	uint8_t class, subject, detail;
	char text[MX_TEXT_MAX];
};

/* What has to hold for an address, now and again at the moment of connecting (row NET-01). */
enum { MX_CHECK_DENY = BIT(0), MX_CHECK_OWN = BIT(1) };

struct mx_address {
	struct addr addr;		/* with the destination's port, or that of the SRV record */
	uint16_t preference;
	bool last_of_preference;	/* the next one, if any, has a worse preference */
	bool is_secure;			/* its record carried the AD bit, and so did the aliases that led to it */
	uint8_t checks;			/* MX_CHECK_... */
	uint16_t host_len, asked_len, owner_len;
	uint32_t host_at, asked_at, owner_at;
};

enum mx_state { MX_IDLE, MX_ASKING_SRV, MX_ASKING_MX, MX_ASKING_A, MX_ASKING_AAAA, MX_ANSWER };

/* Where the hosts come from. */
enum mx_origin { MX_FROM_DESTINATION, MX_FROM_MX, MX_FROM_SRV };

struct mx_lookup;
/* error is NULL when there is at least one address. Both live in the lookup; it may be started anew or go away from
 * here on. */
typedef void mx_lookup_fn(struct mx_lookup *lookup, const struct mx_error *error);

struct mx_verdict {
	enum answer_class class;
	const char *why;
};

struct mx_host {
	uint16_t preference;		/* of the MX record; priority of an SRV record */
	uint16_t weight, port;		/* SRV; else 0 and the destination's port */
	uint16_t name_len;
	uint32_t name_at;
};

struct mx_lookup {
	/* results */
	unsigned count;
	bool i_am_mx;			/* one of our addresses was in the list: no fallback relays */
	bool null_mx;			/* the domain accepts no mail: no fallback relays either (case 53) */
	bool has_list;			/* the hosts are those of MX or SRV records */
	bool list_is_secure;		/* which carried the AD bit, and so did the aliases that led to them */
	uint16_t list_owner_len;	/* 0: no alias led to them */
	uint32_t list_owner_at;
	uint16_t best_preference;	/* of the first address */
	struct mx_error error;
	struct mx_address addresses[MX_ADDRESSES_MAX];
	/* private */
	enum mx_state state;
	const struct mx_conf *conf;
	mx_lookup_fn *fn;
	struct destination_name dest;	/* its texts are the caller's and must stay put; host is in A-labels */
	struct slice question;		/* the name that MX or SRV records are asked for */
	bool from_recipient;
	enum mx_origin origin;
	bool overflow_told;		/* the warning about too many records has been given */
	bool soft_seen;			/* error is soft and stays so */
	bool no_address_seen;
	uint16_t best_without_address;	/* preference of the best host without a usable address */
	unsigned host_next;		/* the host being looked up */
	unsigned host_count;
	unsigned host_usable;		/* addresses it gave us, those we had already included */
	unsigned host_denied;		/* and those on the deny list */
	unsigned record_limit;
	struct mx_verdict worst;	/* of its A and AAAA answers */
	struct reply_filter_bits ignored;	/* records of the answer being looked at */
	struct query query;
	struct task finish;
	struct mx_host hosts[MX_ADDRESSES_MAX];
	size_t names_len;
	size_t names_base;		/* of it: the destination in A-labels, which outlives a list that is given up */
	char names[MX_NAMES_SIZE];
};

/* dest: as nexthop_next gave it. from_recipient: the host is a recipient's own literal and not an operator's choice,
 * so the deny list counts for it, too (row NET-02). Bracketed names and literals of the operator are exempt from that
 * list. */
void mx_lookup_start(struct mx_lookup *lookup, const struct mx_conf *conf, const struct destination_name *dest,
		     bool from_recipient, mx_lookup_fn *fn);

/* The callback will not come. Harmless when none is due. */
void mx_lookup_cancel(struct mx_lookup *lookup);

/* Must addr not be connected to: is it in a network that names from DNS must not lead us to, or is it ours? What is
 * ours may have changed since the lookup. */
bool mx_is_forbidden(const struct mx_conf *conf, unsigned checks, const struct addr *addr);

/* A lookup that has never been used. */
void mx_lookup_init(struct mx_lookup *lookup);

/* The "server hostname" of an address: the MX host or the destination's host; with smtp_cname_overrides_servername
 * the name at the end of its aliases. Good as long as the lookup is. */
static inline struct slice mx_address_host(const struct mx_lookup *lookup, const struct mx_address *address)
{
	return slice_of(lookup->names + address->host_at, address->host_len);
}

/* The name that addresses were asked for, and the one at the end of its aliases (empty: it was none). */
static inline struct slice mx_address_asked(const struct mx_lookup *lookup, const struct mx_address *address)
{
	return slice_of(lookup->names + address->asked_at, address->asked_len);
}

static inline struct slice mx_address_owner(const struct mx_lookup *lookup, const struct mx_address *address)
{
	return slice_of(lookup->names + address->owner_at, address->owner_len);
}

/* The name at the end of the aliases of the destination; empty: it was none. */
static inline struct slice mx_list_owner(const struct mx_lookup *lookup)
{
	return slice_of(lookup->names + lookup->list_owner_at, lookup->list_owner_len);
}
