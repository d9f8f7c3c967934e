#include "net/lookup/mx.h"

#include <errno.h>

#include "net/lookup/deny.h"
#include "net/lookup/idna.h"
#include "net/lookup/mx_order.h"
#include "net/lookup/srv_order.h"
#include "net/wire/address.h"
#include "net/wire/utf8.h"

static void ask_list(struct mx_lookup *l);
static void ask_mx(struct mx_lookup *l);
static void ask_srv(struct mx_lookup *l);
static void on_list(struct query *query, const struct answer *answer);
static void on_host_answer(struct query *query, const struct answer *answer);
static void on_finish(struct task *task);
static bool srv_falls_back(struct mx_lookup *l, bool is_error);
static void take_records(struct mx_lookup *l, const struct dns_answer *dns);
static bool name_keep(struct mx_lookup *l, struct slice name, uint32_t *ret_at);
static void ask_implicit(struct mx_lookup *l);
static void take_socket(struct mx_lookup *l);
static void next_host(struct mx_lookup *l);
static void host_done(struct mx_lookup *l);
static void finish_list(struct mx_lookup *l);

/* --- telling --------------------------------------------------------------------------------------------------- */

static void answer_later(struct mx_lookup *l)
{
	l->state = MX_ANSWER;
	reactor_post(&l->finish);
}

static void on_finish(struct task *task)
{
	struct mx_lookup *l = container_of(task, struct mx_lookup, finish);

	ASSERT(l->state == MX_ANSWER);
	l->state = MX_IDLE;
	l->fn(l, l->count > 0 ? NULL : &l->error);
}

static void error_set(struct mx_lookup *l, unsigned class, unsigned detail, const char *what, struct slice name,
		      const char *why)
{
	struct str text = STR(l->error.text);

	l->error.class = (uint8_t)class;
	l->error.subject = 4;
	l->error.detail = (uint8_t)detail;
	str_add_cstr(&text, what);
	str_add_char(&text, ' ');
	str_add_printable(&text, name, NEXTHOP_HOST_MAX);
	str_add_cstr(&text, ": ");
	str_add_cstr(&text, why);
	(void)str_cstr(&text);		/* for its NUL */
}

static void fail(struct mx_lookup *l, unsigned class, unsigned detail, const char *what, const char *why)
{
	error_set(l, class, detail, what, l->question, why);
	l->count = 0;
	answer_later(l);
}

static void warn(const struct mx_lookup *l, const char *what, struct slice name, const char *more)
{
	char storage[MX_TEXT_MAX];
	struct str text = STR(storage);

	if (l->conf->warn == NULL)
		return;
	str_add_cstr(&text, what);
	str_add_char(&text, ' ');
	str_add_printable(&text, name, NEXTHOP_HOST_MAX);
	str_add_cstr(&text, more);
	l->conf->warn(l->conf->context, str_cstr(&text));
}

/* --- the destination ------------------------------------------------------------------------------------------- */

void mx_lookup_init(struct mx_lookup *lookup)
{
	memset(lookup, 0, offsetof(struct mx_lookup, addresses));
	lookup->state = MX_IDLE;
	query_init(&lookup->query, on_list);
	task_init(&lookup->finish, on_finish);
}

/* B 3.1: DNS knows A-labels only. A name that has none stays as it is, and turns out to be none. False: who knows? */
static bool use_a_labels(struct mx_lookup *l)
{
	char storage[NEXTHOP_HOST_MAX];
	struct str ascii = STR(storage);
	uint32_t at;

	if (l->dest.is_unix || utf8_is_ascii(l->dest.host))
		return true;
	int r = idna_to_ascii(l->dest.host, l->conf->idna2003, &ascii);

	if (r < 0)
		return r != -ENOMEM;
	ASSERT(name_keep(l, str_slice(&ascii), &at));
	l->dest.host = slice_of(l->names + at, ascii.len);
	l->names_base = l->names_len;
	return true;
}

void mx_lookup_start(struct mx_lookup *lookup, const struct mx_conf *conf, const struct destination_name *dest,
		     bool from_recipient, mx_lookup_fn *fn)
{
	struct mx_lookup *l = lookup;

	ASSERT(l->state == MX_IDLE);
	memset(l, 0, offsetof(struct mx_lookup, addresses));
	l->conf = conf;
	l->fn = fn;
	l->dest = *dest;
	l->from_recipient = from_recipient;
	l->origin = MX_FROM_DESTINATION;
	l->overflow_told = l->soft_seen = l->no_address_seen = false;
	l->host_next = l->host_count = 0;
	l->names_len = l->names_base = 0;
	l->record_limit = conf->record_limit > 0 ? MIN(conf->record_limit, MX_ADDRESSES_MAX) : MX_ADDRESSES_MAX;
	bool is_named = use_a_labels(l);

	l->question = l->dest.host;
	if (dest->wants_tls_hint && !conf->tls_from_start)	/* RFC 8314 3.3 */
		warn(l, "port 465 of", l->question, " wants TLS from the start: smtp_tls_wrappermode = yes");
	if (dest->is_unix)
		take_socket(l);
	else if (!is_named)
		fail(l, 4, 3, "cannot look up", "no memory for its form in DNS");
	else if (!conf->ipv4 && !conf->ipv6)
		fail(l, 4, 4, "cannot look up", "inet_protocols names no protocol");
	else
		ask_list(l);
}

/* B 3.1. */
static void ask_list(struct mx_lookup *l)
{
	const struct destination_name *dest = &l->dest;

	if (dest->bracketed || dest->is_literal || !l->conf->dns)
		ask_implicit(l);
	else if (srv_is_wanted(l->conf->srv_services, dest->service))
		ask_srv(l);
	else
		ask_mx(l);
}

void mx_lookup_cancel(struct mx_lookup *lookup)
{
	if (lookup->state == MX_ANSWER)
		reactor_unpost(&lookup->finish);
	else if (lookup->state != MX_IDLE)
		resolver_cancel(&lookup->query);
	lookup->state = MX_IDLE;
}

/* --- MX and SRV records ------------------------------------------------------------------------------------------ */

static void ask(struct mx_lookup *l, enum mx_state state, enum dns_type type, struct slice name)
{
	l->state = state;
	query_init(&l->query, type == DNS_TYPE_MX || type == DNS_TYPE_SRV ? on_list : on_host_answer);
	resolver_ask(l->conf->resolver, &l->query, type, name);
}

/* LMTP has no mail exchangers (B 25). */
static void ask_mx(struct mx_lookup *l)
{
	l->question = l->dest.host;
	if (l->dest.is_lmtp)
		ask_implicit(l);
	else
		ask(l, MX_ASKING_MX, DNS_TYPE_MX, l->question);
}

static void ask_srv(struct mx_lookup *l)
{
	char storage[DNS_NAME_WIRE_MAX];
	struct str name = STR(storage);
	uint32_t at;

	if (!srv_question(&name, l->dest.service, l->dest.host)) {
		if (!srv_falls_back(l, true))
			fail(l, 5, 4, "cannot look up the service of", "its name is too long");
		return;
	}
	ASSERT(name_keep(l, str_slice(&name), &at));
	l->question = slice_of(l->names + at, name.len);
	ask(l, MX_ASKING_SRV, DNS_TYPE_SRV, l->question);
}

/* B 3.8: the SRV records have led to no address, is something else to be asked? is_error: nobody knows what they say.
 * Whatever the attempt has left behind is forgotten. */
static bool srv_falls_back(struct mx_lookup *l, bool is_error)
{
	if (!l->conf->allow_srv_lookup_fallback && !(is_error && l->conf->ignore_srv_lookup_error))
		return false;
	l->origin = MX_FROM_DESTINATION;
	l->error = (struct mx_error){ 0 };
	l->has_list = l->list_is_secure = false;
	l->list_owner_len = 0;
	l->soft_seen = l->no_address_seen = false;
	l->host_next = l->host_count = 0;
	l->names_len = l->names_base;
	ask_mx(l);
	return true;
}

/* The lookup of a list has failed: is the error passed over? */
static bool list_error_is_ignored(struct mx_lookup *l)
{
	if (l->state == MX_ASKING_SRV)
		return srv_falls_back(l, true);
	if (l->conf->ignore_mx_lookup_error)
		ask_implicit(l);
	return l->conf->ignore_mx_lookup_error;
}

static void no_list(struct mx_lookup *l, const struct answer *answer)
{
	if (l->state == MX_ASKING_MX)
		ask_implicit(l);	/* RFC 5321 5.1: the domain is its own mail server */
	else if (!srv_falls_back(l, answer->class == ANSWER_INVALID))
		fail(l, 5, 4, "no server is named by", answer->why);
}

/* What an answer comes to once smtp_dns_reply_filter has had its say. */
static struct mx_verdict filter(struct mx_lookup *l, enum dns_type type, const struct answer *answer)
{
	struct mx_verdict v = { answer->class, answer->why };

	if (answer->class != ANSWER_FOUND)
		return v;
	int left = reply_filter_apply(l->conf->reply_filter, type, answer->dns, &l->ignored);

	if (left < 0)
		v = (struct mx_verdict){ ANSWER_RETRY, "smtp_dns_reply_filter cannot be asked" };
	else if (left == 0)
		v = (struct mx_verdict){ ANSWER_FILTERED, "smtp_dns_reply_filter leaves no record" };
	return v;
}

/* The operator wants none of it: not an error to pass over, and no reason to ask for something else (case 91). */
static void fail_by_policy(struct mx_lookup *l, const char *why)
{
	if (l->state == MX_ASKING_SRV && srv_falls_back(l, false))
		return;
	fail(l, 4, 0, "cannot use the mail servers of", why);
	l->error.subject = 7;
}

static void on_list(struct query *query, const struct answer *answer)
{
	struct mx_lookup *l = container_of(query, struct mx_lookup, query);
	enum dns_type type = l->state == MX_ASKING_SRV ? DNS_TYPE_SRV : DNS_TYPE_MX;
	struct mx_verdict v = filter(l, type, answer);

	ASSERT(l->state == MX_ASKING_MX || l->state == MX_ASKING_SRV);
	switch (v.class) {
	case ANSWER_FOUND:
		take_records(l, answer->dns);
		return;
	case ANSWER_NOT_FOUND:
	case ANSWER_INVALID:
		no_list(l, answer);
		return;
	case ANSWER_RETRY:
		if (!list_error_is_ignored(l))
			fail(l, 4, 3, "cannot look up the mail servers of", v.why);
		return;
	case ANSWER_FAIL:
		if (!list_error_is_ignored(l))
			fail(l, 5, 3, "cannot look up the mail servers of", v.why);
		return;
	case ANSWER_FILTERED:
		fail_by_policy(l, v.why);
		return;
	case ANSWER_CLASS_COUNT:
		break;
	}
	UNREACHABLE();
}

/* Returns where the name is now, or false when there is no room. */
static bool name_keep(struct mx_lookup *l, struct slice name, uint32_t *ret_at)
{
	if (name.len > MX_NAMES_SIZE - l->names_len)
		return false;
	memcpy(l->names + l->names_len, name.ptr, name.len);
	*ret_at = (uint32_t)l->names_len;
	l->names_len += name.len;
	return true;
}

static void host_add(struct mx_lookup *l, struct slice name, const struct dns_record *record)
{
	struct mx_host *host = &l->hosts[l->host_count];

	ASSERT(l->host_count < MX_ADDRESSES_MAX);
	/* 100 names of at most 255 octets and the ends of their aliases, one for each family; the destination in
	 * A-labels and the end of its own; and the SRV question. */
	static_assert((3 * MX_ADDRESSES_MAX + 3) * NEXTHOP_HOST_MAX <= MX_NAMES_SIZE, "all host names fit");
	ASSERT(name_keep(l, name, &host->name_at));
	host->name_len = (uint16_t)name.len;
	host->preference = record->preference;
	host->weight = record->weight;
	host->port = l->origin == MX_FROM_SRV ? record->port : l->dest.port;
	l->host_count++;
}

static struct slice host_name(const struct mx_lookup *l, const struct mx_host *host)
{
	return slice_of(l->names + host->name_at, host->name_len);
}

/* Stable: records of equal preference keep the order of the answer (case 44). */
static void hosts_sort(struct mx_lookup *l)
{
	for (unsigned i = 1; i < l->host_count; i++) {
		struct mx_host moving = l->hosts[i];
		unsigned at = i;

		for (; at > 0 && moving.preference < l->hosts[at - 1].preference; at--)
			l->hosts[at] = l->hosts[at - 1];
		l->hosts[at] = moving;
	}
}

static void overflow_tell(struct mx_lookup *l)
{
	if (!l->overflow_told)
		warn(l, "mail servers of", l->question, ": more records than dns_rr_list_limit, the rest is ignored");
	l->overflow_told = true;
}

/* Nothing but the root as host, or nothing usable. */
static void no_usable_host(struct mx_lookup *l, bool has_bad_name)
{
	if (has_bad_name) {
		if (!list_error_is_ignored(l))
			fail(l, 5, 4, "bad mail server name in the records of", "not a host name");
	} else if (l->state == MX_ASKING_MX) {
		fail(l, 5, 10, "no mail is accepted by", "its null MX record says so");
		l->error.subject = 1;	/* 5.1.10: RFC 7505 4.2 */
		l->null_mx = true;
	} else if (!srv_falls_back(l, false)) {
		fail(l, 5, 0, "there is no such service", "its SRV record says so");
		l->error.subject = 1;	/* RFC 2782: "the service is decidedly not available" */
	}
}

/* Takes a record whose host may be one. Names that no host can have are passed over (row DNS-06). */
static bool take_record(struct mx_lookup *l, const struct dns_record *record, struct slice name)
{
	struct addr numeric;

	if (addr_parse_ip(name, 0, &numeric) == 0) {
		warn(l, "mail server of", l->question, " is given as an address instead of a name");
	} else if (!address_domain_is_valid(name, false)) {
		warn(l, "not a host name, ignored as mail server:", name, "");
		return false;
	} else if (l->origin == MX_FROM_SRV && record->port == 0) {
		warn(l, "port 0, ignored as mail server:", name, "");
		return false;
	}
	if (l->host_count < l->record_limit)
		host_add(l, name, record);
	else
		overflow_tell(l);
	return true;
}

/* How safe is it to believe that these are the hosts (RFC 7672 2.2.1)? */
static void list_note(struct mx_lookup *l, const struct dns_answer *dns)
{
	struct slice owner = dns_answer_owner(dns);

	l->has_list = true;
	l->list_is_secure = dns->authentic;
	if (dns->hops == 0 || !address_domain_is_valid(owner, false) || owner.len > NEXTHOP_HOST_MAX)
		return;
	ASSERT(name_keep(l, owner, &l->list_owner_at));
	l->list_owner_len = (uint16_t)owner.len;
}

/* The root is passed over beside other records (case 54). */
static void take_records(struct mx_lookup *l, const struct dns_answer *dns)
{
	bool has_root = false, has_bad_name = false;

	l->origin = l->state == MX_ASKING_SRV ? MX_FROM_SRV : MX_FROM_MX;
	list_note(l, dns);
	for (unsigned i = 0; i < dns->count; i++) {
		struct slice name = dns_record_data(dns, &dns->records[i]);

		if (reply_filter_ignores(&l->ignored, i))
			continue;
		if (name.len == 0)
			has_root = true;
		else if (!take_record(l, &dns->records[i], name))
			has_bad_name = true;
	}
	if (dns->dropped > 0)
		overflow_tell(l);
	if (l->host_count == 0) {
		l->origin = MX_FROM_DESTINATION;
		l->has_list = false;
		no_usable_host(l, has_bad_name);
		return;
	}
	if (has_root)
		warn(l, "null record beside others is ignored for", l->question, "");
	if (l->origin == MX_FROM_SRV)
		srv_order(l->hosts, l->host_count);
	else
		hosts_sort(l);
	next_host(l);
}

/* --- hosts ----------------------------------------------------------------------------------------------------- */

/* The destination's own host is all there is to look up. */
static void ask_implicit(struct mx_lookup *l)
{
	static const struct dns_record implicit = { 0 };

	ASSERT(l->host_count == 0);
	host_add(l, l->dest.host, &implicit);
	next_host(l);
}

/* A socket on this machine needs no lookup. What answers there is called as we are. */
static void take_socket(struct mx_lookup *l)
{
	struct slice name = l->conf->myhostname != NULL ? slice_of_str(l->conf->myhostname) : l->dest.host;
	struct mx_address *only = &l->addresses[l->count++];

	*only = (struct mx_address){ .addr = l->dest.addr, .last_of_preference = true };
	ASSERT(name_keep(l, slice_head(name, MIN(name.len, NEXTHOP_HOST_MAX)), &only->host_at));
	only->host_len = only->asked_len = (uint16_t)l->names_len;
	answer_later(l);
}

/* What a host without an address does to the whole (table of B 3.6). Once something soft has been seen the class
 * stays soft, and the text stays that of the soft failure: it is the one that may go away. */
static void note_failure(struct mx_lookup *l, const struct mx_host *host, enum answer_class class, const char *why)
{
	bool soft = class == ANSWER_RETRY || class == ANSWER_FILTERED;
	unsigned subject = class == ANSWER_FILTERED ? 7 : 4;
	unsigned detail = class == ANSWER_FILTERED ? 0 : soft || class == ANSWER_FAIL ? 3 : 4;

	if (!l->no_address_seen)
		l->best_without_address = host->preference;
	l->no_address_seen = true;
	if (soft || !l->soft_seen)
		error_set(l, soft ? 4 : 5, detail, "no address for", host_name(l, host), why);
	l->error.subject = (uint8_t)subject;
	l->error.detail = (uint8_t)detail;
	l->soft_seen = l->soft_seen || soft;
}

static bool is_enabled(const struct mx_conf *conf, const struct addr *addr)
{
	return addr->sa.sa_family == AF_INET ? conf->ipv4 : conf->ipv6;
}

/* What a name from DNS leads to is looked at with distrust. What the operator wrote between brackets, or as a number,
 * is the operator's choice. */
static unsigned checks_of(const struct mx_lookup *l, bool from_dns)
{
	bool explicit = l->dest.bracketed || l->dest.is_literal || l->dest.is_lmtp;
	unsigned checks = l->dest.wants_loop_check ? MX_CHECK_OWN : 0;

	if (from_dns && (!explicit || l->from_recipient))
		checks |= MX_CHECK_DENY;
	return checks;
}

static bool is_known(const struct mx_lookup *l, const struct addr *addr)
{
	for (unsigned i = 0; i < l->count; i++)
		if (addr_eq(&l->addresses[i].addr, addr))
			return true;
	return false;
}

/* Takes one address of the current host under the name at name_at. */
static void address_add(struct mx_lookup *l, const struct mx_address *like)
{
	const struct mx_host *host = &l->hosts[l->host_next];
	struct mx_address added = *like;

	addr_set_port(&added.addr, host->port);
	added.preference = host->preference;
	added.asked_at = host->name_at;
	added.asked_len = host->name_len;
	l->host_usable++;
	if (is_known(l, &added.addr))
		return;		/* hosts come in order of preference: the better one has it already */
	if (l->count == l->record_limit)
		overflow_tell(l);
	else
		l->addresses[l->count++] = added;
}

/* The same, unless it must not be connected to. Our own addresses are found later: they cut the list. */
static void address_offer(struct mx_lookup *l, const struct mx_address *like)
{
	if (mx_is_forbidden(l->conf, like->checks & MX_CHECK_DENY, &like->addr))
		l->host_denied++;
	else
		address_add(l, like);
}

static void take_literal(struct mx_lookup *l, const struct mx_host *host, const struct addr *addr)
{
	const struct mx_address like = {
		.addr = *addr, .host_at = host->name_at, .host_len = host->name_len,
		.checks = (uint8_t)checks_of(l, true),
	};

	if (is_enabled(l->conf, addr))
		address_offer(l, &like);
	else
		l->worst = (struct mx_verdict){ ANSWER_NOT_FOUND, "its address family is not in inet_protocols" };
}

/* What the operator's own file says is not subject to the deny list, but for a recipient's literal, which never gets
 * here. */
static void take_native(struct mx_lookup *l, const struct mx_host *host)
{
	struct slice name = host_name(l, host);
	int first = l->conf->hosts != NULL ? hosts_find(l->conf->hosts, name) : -1;

	for (unsigned i = (unsigned)first; first >= 0 && hosts_is(l->conf->hosts, i, name); i++) {
		const struct mx_address like = {
			.addr = l->conf->hosts->entries[i].addr,
			.host_at = host->name_at,
			.host_len = host->name_len,
			.checks = (uint8_t)checks_of(l, false),
		};

		if (is_enabled(l->conf, &like.addr))
			address_add(l, &like);
	}
}

static void ask_family(struct mx_lookup *l, enum mx_state state, enum dns_type type)
{
	ask(l, state, type, host_name(l, &l->hosts[l->host_next]));
}

/* What will be asked soon is asked now: the answers then wait in the cache, and are still taken in order. */
static void warm(struct mx_lookup *l)
{
	unsigned end = MIN(l->host_count, l->host_next + MX_WARM);

	for (unsigned i = l->host_next; i < end; i++) {
		struct slice name = host_name(l, &l->hosts[i]);

		if (l->conf->ipv4)
			resolver_warm(l->conf->resolver, DNS_TYPE_A, name);
		if (l->conf->ipv6)
			resolver_warm(l->conf->resolver, DNS_TYPE_AAAA, name);
	}
}

/* Looks up hosts until one needs an answer from DNS, or none is left. */
static void next_host(struct mx_lookup *l)
{
	bool use_dns = l->conf->dns && l->conf->host_dns;

	for (; l->host_next < l->host_count && l->count < l->record_limit; l->host_next++) {
		const struct mx_host *host = &l->hosts[l->host_next];
		struct addr numeric;

		l->host_usable = l->host_denied = 0;
		l->worst = (struct mx_verdict){ ANSWER_NOT_FOUND, "not found" };
		if (addr_parse_ip(host_name(l, host), 0, &numeric) == 0) {
			take_literal(l, host, &numeric);
		} else if (use_dns) {
			if (l->host_next == 0 || l->host_next % MX_WARM == 0)
				warm(l);
			if (l->conf->ipv4)
				ask_family(l, MX_ASKING_A, DNS_TYPE_A);
			else
				ask_family(l, MX_ASKING_AAAA, DNS_TYPE_AAAA);
			return;
		} else {
			take_native(l, host);
		}
		host_done(l);
	}
	if (l->host_next < l->host_count)
		overflow_tell(l);
	finish_list(l);
}

/* Retryable before non-recoverable before filtered away before malformed before not found. */
static bool is_worse(enum answer_class a, enum answer_class b)
{
	static const uint8_t rank[ANSWER_CLASS_COUNT] = {
		[ANSWER_RETRY] = 5, [ANSWER_FAIL] = 4, [ANSWER_FILTERED] = 3, [ANSWER_INVALID] = 2,
		[ANSWER_NOT_FOUND] = 1, [ANSWER_FOUND] = 0,
	};

	return rank[a] > rank[b];
}

static void take_addresses(struct mx_lookup *l, const struct dns_answer *dns, bool is_ip4)
{
	const struct mx_host *host = &l->hosts[l->host_next];
	struct slice owner = dns_answer_owner(dns);
	struct mx_address like = {
		.host_at = host->name_at,
		.host_len = host->name_len,
		.is_secure = dns->authentic,
		.checks = (uint8_t)checks_of(l, true),
	};

	if (dns->dropped > 0)
		overflow_tell(l);
	if (dns->hops > 0) {
		ASSERT(owner.len <= NEXTHOP_HOST_MAX);		/* a valid one */
		ASSERT(name_keep(l, owner, &like.owner_at));
		like.owner_len = (uint16_t)owner.len;
	}
	if (l->conf->cname_overrides_servername && dns->hops > 0) {
		like.host_at = like.owner_at;
		like.host_len = like.owner_len;
	}
	for (unsigned i = 0; i < dns->count; i++) {
		const uint8_t *ip = (const uint8_t *)dns_record_data(dns, &dns->records[i]).ptr;

		like.addr = is_ip4 ? addr_from_ip4(ip, 0) : addr_from_ip6(ip, 0);
		if (!reply_filter_ignores(&l->ignored, i))
			address_offer(l, &like);
	}
}

static void on_host_answer(struct query *query, const struct answer *answer)
{
	struct mx_lookup *l = container_of(query, struct mx_lookup, query);
	bool is_ip4 = l->state == MX_ASKING_A;

	struct mx_verdict v = filter(l, is_ip4 ? DNS_TYPE_A : DNS_TYPE_AAAA, answer);

	ASSERT(l->state == MX_ASKING_A || l->state == MX_ASKING_AAAA);
	if (v.class == ANSWER_FOUND && !address_domain_is_valid(dns_answer_owner(answer->dns), false))
		v = (struct mx_verdict){ ANSWER_INVALID, "it is an alias to something that is no host name" };
	if (v.class == ANSWER_FOUND)
		take_addresses(l, answer->dns, is_ip4);
	else if (l->worst.why == NULL || !is_worse(l->worst.class, v.class))
		l->worst = v;
	if (is_ip4 && l->conf->ipv6) {
		ask_family(l, MX_ASKING_AAAA, DNS_TYPE_AAAA);
		return;
	}
	bool not_found = l->worst.class == ANSWER_NOT_FOUND || l->worst.class == ANSWER_INVALID;

	/* Only a definite "not found" goes on to the hosts file (cases 68, 69). */
	if (l->host_usable == 0 && l->host_denied == 0 && not_found && l->conf->host_native)
		take_native(l, &l->hosts[l->host_next]);
	host_done(l);
	l->host_next++;
	next_host(l);
}

/* The current host has given what it has. */
static void host_done(struct mx_lookup *l)
{
	const struct mx_host *host = &l->hosts[l->host_next];

	if (l->host_denied > 0)
		warn(l, "address that names from DNS must not lead to is ignored for", host_name(l, host), "");
	if (l->host_usable > 0)
		return;
	if (l->host_denied > 0 && l->worst.class != ANSWER_RETRY)
		note_failure(l, host, ANSWER_NOT_FOUND, "connecting to its address is not allowed");
	else
		note_failure(l, host, l->worst.class, l->worst.why);
}

/* --- the whole list -------------------------------------------------------------------------------------------- */

static bool is_own(const struct mx_conf *conf, const struct addr *addr)
{
	struct addr inner = *addr;

	(void)deny_inner_ip4(addr, &inner);	/* none inside: inner stays what it was */
	for (unsigned i = 0; i < conf->own_count; i++)
		if (addr_eq_ip(&conf->own[i], addr) || addr_eq_ip(&conf->own[i], &inner))
			return true;
	return false;
}

bool mx_is_forbidden(const struct mx_conf *conf, unsigned checks, const struct addr *addr)
{
	if (addr->sa.sa_family == AF_UNIX)
		return false;
	return ((checks & MX_CHECK_DENY) && deny_has(conf->deny, conf->deny_count, addr)) ||
	       ((checks & MX_CHECK_OWN) && is_own(conf, addr));
}

/* Index of the first of our own addresses, or count. */
static unsigned find_own(const struct mx_lookup *l)
{
	unsigned i = 0;

	while (i < l->count && !is_own(l->conf, &l->addresses[i].addr))
		i++;
	return i;
}

/* RFC 5321 5.1: drop ourselves and everyone who is not better. True when nothing is left and the error is set. */
static bool cut_loop(struct mx_lookup *l)
{
	unsigned own = find_own(l);

	if (own == l->count)
		return false;
	uint16_t preference = l->addresses[own].preference;

	l->i_am_mx = true;
	while (own > 0 && l->addresses[own - 1].preference == preference)
		own--;
	l->count = l->origin != MX_FROM_DESTINATION ? own : 0;
	if (l->count > 0)
		return false;
	if (l->origin != MX_FROM_DESTINATION && l->no_address_seen && l->best_without_address < preference)
		fail(l, 4, 4, "no address for a better mail server than ourselves for", "lookup failed");
	else
		fail(l, 5, 6, "mail loops back to ourselves for", "we are its best mail server");
	return true;
}

static void finish_empty_list(struct mx_lookup *l)
{
	ASSERT(l->error.class != 0);
	if (l->origin != MX_FROM_DESTINATION)
		warn(l, "no mail server has a usable address for", l->question, "");
	if (l->origin == MX_FROM_MX && l->conf->defer_if_no_mx_address_found)
		l->error.class = 4;
	if (l->origin != MX_FROM_SRV || !srv_falls_back(l, false))
		answer_later(l);
}

static void finish_list(struct mx_lookup *l)
{
	if (l->count == 0) {
		finish_empty_list(l);
		return;
	}
	if (l->dest.wants_loop_check && cut_loop(l))
		return;
	if (l->origin != MX_FROM_SRV)
		mx_order_for_delivery(l->conf, l->addresses, l->count);
	l->count = mx_order_balance(l->conf, l->addresses, l->count);
	mx_order_mark_last(l->addresses, l->count);
	l->best_preference = l->addresses[0].preference;
	answer_later(l);
}
