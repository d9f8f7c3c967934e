#include "net/lookup/tlsa.h"

static void on_alias(struct query *query, const struct answer *answer);
static void on_records(struct query *query, const struct answer *answer);

static void on_finish(struct task *task)
{
	struct tlsa_lookup *l = container_of(task, struct tlsa_lookup, finish);

	ASSERT(l->state == TLSA_TELLING);
	l->state = TLSA_IDLE;
	l->fn(l);
}

static void finish(struct tlsa_lookup *l, enum tlsa_verdict verdict, const char *why)
{
	l->verdict = verdict;
	l->why = why;
	l->state = TLSA_TELLING;
	reactor_post(&l->finish);
}

/* --- questions -------------------------------------------------------------------------------- */

/* "_25._tcp.mx.example.org"; what is too long for DNS is found out there. */
static void ask_records(struct tlsa_lookup *l, enum tlsa_state state, struct slice base)
{
	struct str name = STR(l->question);

	str_printf(&name, "_%u._tcp.", l->host.port);
	str_add(&name, base);
	l->state = state;
	l->base = base;
	query_init(&l->query, on_records);
	resolver_ask(l->conf->resolver, &l->query, DNS_TYPE_TLSA, str_slice(&name));
}

/* The host is an alias into a zone that is not signed. Is it in one that is? */
static void ask_alias(struct tlsa_lookup *l)
{
	l->state = TLSA_ASKING_ALIAS;
	query_init(&l->query, on_alias);
	resolver_ask(l->conf->resolver, &l->query, DNS_TYPE_CNAME, l->host.name);
}

void tlsa_lookup_init(struct tlsa_lookup *lookup)
{
	memset(lookup, 0, offsetof(struct tlsa_lookup, dane));
	lookup->state = TLSA_IDLE;
	query_init(&lookup->query, on_records);
	task_init(&lookup->finish, on_finish);
}

void tlsa_lookup_start(struct tlsa_lookup *lookup, const struct tlsa_conf *conf, const struct tlsa_host *host,
		       tlsa_lookup_fn *fn)
{
	struct tlsa_lookup *l = lookup;
	bool is_alias = host->owner.len > 0;

	ASSERT(l->state == TLSA_IDLE);
	ASSERT(host->name.len + sizeof("_65535._tcp.") <= sizeof(l->question));
	ASSERT(host->owner.len + sizeof("_65535._tcp.") <= sizeof(l->question));
	l->conf = conf;
	l->host = *host;
	l->fn = fn;
	if (host->is_secure && is_alias)
		ask_records(l, TLSA_ASKING_OWNER, host->owner);
	else if (host->is_secure || conf->force_insecure_host)
		ask_records(l, TLSA_ASKING_NAME, host->name);
	else if (is_alias)
		ask_alias(l);
	else
		finish(l, TLSA_NONE, "its addresses are not secure");
}

void tlsa_lookup_cancel(struct tlsa_lookup *lookup)
{
	if (lookup->state == TLSA_TELLING)
		reactor_unpost(&lookup->finish);
	else if (lookup->state != TLSA_IDLE)
		resolver_cancel(&lookup->query);
	lookup->state = TLSA_IDLE;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What does it mean for the certificate that this is all that came? */
static bool is_missing(const struct answer *answer)
{
	return answer->class == ANSWER_RETRY || answer->class == ANSWER_FAIL || answer->class == ANSWER_FILTERED;
}

static void on_alias(struct query *query, const struct answer *answer)
{
	struct tlsa_lookup *l = container_of(query, struct tlsa_lookup, query);

	if (is_missing(answer))
		finish(l, TLSA_UNKNOWN, answer->why);
	else if (answer->class == ANSWER_FOUND && answer->dns->authentic)
		ask_records(l, TLSA_ASKING_NAME, l->host.name);
	else
		finish(l, TLSA_NONE, "its alias is not secure");
}

static void take_records(struct tlsa_lookup *l, const struct dns_answer *dns)
{
	struct slice rdatas[DNS_RECORDS_MAX];
	struct reply_filter_bits ignored;
	unsigned count = 0;
	int left = reply_filter_apply(l->conf->reply_filter, DNS_TYPE_TLSA, dns, &ignored);

	/* Records that the operator has taken away are no proof that there are none. */
	if (left <= 0) {
		finish(l, TLSA_UNKNOWN, left < 0 ? "smtp_dns_reply_filter cannot be asked" :
						   "smtp_dns_reply_filter leaves no record");
		return;
	}
	for (unsigned i = 0; i < dns->count; i++)
		if (!reply_filter_ignores(&ignored, i))
			rdatas[count++] = dns_record_data(dns, &dns->records[i]);
	if (tls_dane_take(&l->dane, &l->conf->digests, rdatas, count) > 0)
		finish(l, TLSA_USABLE, "found");
	else
		finish(l, TLSA_UNUSABLE, "none of its TLSA records can be used");
}

static void on_records(struct query *query, const struct answer *answer)
{
	struct tlsa_lookup *l = container_of(query, struct tlsa_lookup, query);

	if (is_missing(answer))
		finish(l, TLSA_UNKNOWN, answer->why);
	else if (answer->class == ANSWER_FOUND && answer->dns->authentic)
		take_records(l, answer->dns);
	else if (l->state == TLSA_ASKING_OWNER)
		ask_records(l, TLSA_ASKING_NAME, l->host.name);
	else
		finish(l, TLSA_NONE, answer->class == ANSWER_FOUND ? "its TLSA records are not secure" : answer->why);
}
