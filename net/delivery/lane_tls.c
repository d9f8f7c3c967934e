/* lane_tls.c - what TLS a session is opened with, and with whom it may be shared */
#include "core/err.h"
#include "core/log.h"
#include "net/delivery/delivery_internal.h"

/* Is there anything to find out? Where TLS is neither to be had nor demanded, a session has none. */
static bool asks_tls(const struct delivery *d)
{
	const struct params *p = d->conf.params;

	return d->conf.tls != NULL || p->smtp_tls_security_level > TLS_LEVEL_MAY || p->smtp_tls_wrappermode ||
	       p->smtp_tls_policy_maps != NULL || p->smtp_tls_per_site != NULL || p->smtp_tls_note_starttls_offer;
}

/* The server at this address, and the element of the nexthop list that led to it. */
static struct tls_policy_peer peer_of(const struct destination *dst, unsigned address, enum tls_demand demand)
{
	const struct route_address *a = &dst->route->addresses[address];
	struct destination_name hop;
	struct tls_policy_peer peer = {
		.host = route_host(dst->route, address),
		.is_optional = demand == TLS_DEMAND_LESS,
		.dane = {
			.has_list = a->has_list,
			.list_is_secure = a->list_is_secure,
			.list_owner = route_list_owner(dst->route, address),
			.tlsa = route_tlsa(dst->route, address),
		},
	};

	if (route_element(dst->route, slice_of(dst->nexthop, dst->nexthop_len), address, &hop)) {
		peer.text = hop.text;
		peer.domain = hop.host;
	}
	return peer;
}

/* What TLS is to be there; as tls_policy_find. */
static int find_policy(const struct delivery *d, const struct tls_policy_peer *peer, struct tls_policy *policy,
		       struct session_tls *t, struct str *why)
{
	memset(t, 0, sizeof(*t));
	t->room = d->conf.tls_room;
	t->context = d->conf.tls;
	return tls_policy_find(d->conf.params, peer, policy, t, why);
}

static enum param_requiretls find_requiretls(const struct delivery *d, const struct tls_policy_peer *peer,
					     enum tls_demand demand)
{
	return demand == TLS_DEMAND_MORE ? requiretls_policy(d->conf.params, peer->domain) : REQUIRETLS_DISABLE;
}

/* What a connection to this address is good for; t: what is asked of TLS, or NULL where nothing is. */
static void make_key(struct conn_key *ret_key, const struct destination *dst, unsigned address,
		     const struct credentials_id *who, enum param_requiretls requiretls,
		     const struct tls_policy *policy, const struct session_tls *t)
{
	const struct addr remote = route_addr(dst->route, address);
	struct conn_identity id = {
		.remote = &remote, .local = lane_source(dst, &remote), .requiretls = (uint8_t)requiretls,
	};
	struct tls_key asked;

	if (credentials_are_some(who))
		id.credentials = slice_of(who->words, sizeof(who->words));
	if (t != NULL) {
		tls_policy_key(policy, t, &asked);
		id.tls_level = (uint8_t)t->level;
		id.policy = slice_of((const char *)asked.octets, sizeof(asked.octets));
	}
	conn_key_init(ret_key, &id);
}

void lane_tls_key(struct conn_key *ret_key, const struct destination *dst, unsigned address, enum tls_demand demand,
		  const struct credentials_id *who)
{
	const struct tls_policy_peer peer = peer_of(dst, address, demand);
	const enum param_requiretls requiretls = find_requiretls(dst->delivery, &peer, demand);
	struct tls_policy policy;
	struct session_tls t;
	char storage[256];
	struct str why = STR(storage);

	if (!asks_tls(dst->delivery))
		make_key(ret_key, dst, address, who, requiretls, NULL, NULL);
	else if (find_policy(dst->delivery, &peer, &policy, &t, &why) == 0)
		make_key(ret_key, dst, address, who, requiretls, &policy, &t);
	else
		ret_key->len = 0;	/* what cannot be said is nobody's */
}

/* A session is resumed only for what its connection could be used again for, and by whoever goes to the same place by
 * the same name (B 7.8). */
static void name_session(const struct destination *dst, const struct tls_policy_peer *peer, const struct conn_key *key,
			 struct session_tls *t)
{
	const struct slice parts[] = { slice_of(key->octets, key->len), peer->text, peer->host };

	t->sessions = peer->text.len > 0 && key->len > 0 ? &dst->delivery->sessions : NULL;
	tls_key_make(&t->key, parts, ARRAY_LEN(parts));
}

/* --- opening ---------------------------------------------------------------------------------- */

/* B 7.10: is this level good enough for who asks for REQUIRETLS? */
static bool level_is_enough(enum param_requiretls requiretls, enum param_tls_level level)
{
	if (requiretls == REQUIRETLS_ENFORCE)
		return level > TLS_LEVEL_ENCRYPT;
	return requiretls < REQUIRETLS_STARTTLS || level > TLS_LEVEL_NONE;
}

void lane_tls_put(struct delivery *d, struct lane_tls *choice)
{
	pool_put(&d->tls, &choice->tls);
	pool_put(&d->danes, &choice->dane);
	pool_put(&d->tls_events, &choice->event);
}

/* The route's records may go while the session still needs them. */
static void keep_dane(struct delivery *d, struct lane_tls *choice)
{
	if (choice->tls->check.dane == NULL || choice->tls->check.dane->is_local)
		return;		/* the context's stay as long as the session */
	choice->dane = pool_take(&d->danes);	/* one more than lanes */
	ASSERT(choice->dane != NULL);
	*choice->dane = *choice->tls->check.dane;
	choice->tls->check.dane = choice->dane;
}

static void tell(const struct tls_policy_peer *peer, const struct tls_policy *policy, const struct session_tls *t)
{
	if (policy->told != NULL)
		log_line(LOG_LEVEL_WARNING, "smtp", "TLS policy for %.*s: DANE is not to be had: %s; level %s is used",
			 SLICE_FMT(peer->host), policy->told, t->level == TLS_LEVEL_MAY ? "may" : "encrypt");
	if (t->check.dane != NULL && t->check.dane->dropped > 0)
		log_line(LOG_LEVEL_WARNING, "smtp", "%.*s has more TLSA records than we keep: %u are ignored",
			 SLICE_FMT(peer->host), t->check.dane->dropped);
}

static enum lane_start skip(struct destination *dst, struct job *job, unsigned address, struct lane_tls *choice,
			    struct outcome outcome, struct str *why, bool is_about_host)
{
	lane_tls_put(dst->delivery, choice);
	choice->is_skipped = true;
	lane_skip_host(dst, job, address, outcome, why, is_about_host);
	return LANE_BEGUN;
}

static enum lane_start ask(struct destination *dst, unsigned address, struct lane_tls *choice)
{
	lane_tls_put(dst->delivery, choice);
	return route_ask_tlsa(dst->route, address) ? LANE_WAITS : LANE_STARVED;
}

enum lane_start lane_tls_choose(struct destination *dst, struct job *job, unsigned address,
				const struct credentials_id *who, struct lane_tls *ret_choice)
{
	struct delivery *d = dst->delivery;
	const enum tls_demand demand = tls_demand_of(d->conf.params, job->msg);
	const struct tls_policy_peer peer = peer_of(dst, address, demand);
	struct lane_tls *choice = ret_choice;
	struct tls_policy policy;
	char storage[SESSION_FAILURE_MAX];
	struct str why = STR(storage);

	*choice = (struct lane_tls){
		.demand = demand, .requiretls = find_requiretls(d, &peer, demand), .may_keep = true,
	};
	if (choice->requiretls == REQUIRETLS_ERROR)
		return skip(dst, job, address, choice, outcome_of_requiretls(peer.host, choice->requiretls, &why),
			    &why, false);
	if (!asks_tls(d) && choice->requiretls < REQUIRETLS_STARTTLS) {
		make_key(&choice->key, dst, address, who, choice->requiretls, NULL, NULL);
		return LANE_BEGUN;
	}
	struct session_tls *t = choice->tls = pool_take(&d->tls);	/* one more than lanes */

	ASSERT(t != NULL);
	int r = find_policy(d, &peer, &policy, t, &why);

	if (r == TLS_POLICY_ASK)
		return ask(dst, address, choice);
	struct outcome outcome = { OUTCOME_SOFT, { 4, r == ERR_TABLE ? 3 : 7, r == ERR_TABLE ? 0 : 5 } };
	const bool is_enough = level_is_enough(choice->requiretls, t->level);

	if (r == 0 && !is_enough)
		outcome = outcome_of_requiretls(peer.host, choice->requiretls, &why);
	if (r < 0 || !is_enough)
		return skip(dst, job, address, choice, outcome, &why, r < 0);
	tell(&peer, &policy, t);
	keep_dane(d, choice);
	make_key(&choice->key, dst, address, who, choice->requiretls, &policy, t);
	/* It was allowed by what tables said then (lane_may_go_plain). They may say something else by now. */
	if (job->plain_at == address + 1 && t->level == TLS_LEVEL_MAY && choice->requiretls < REQUIRETLS_STARTTLS &&
	    !credentials_are_some(who)) {
		t->level = TLS_LEVEL_NONE;	/* t->asked stays */
		choice->key.len = 0;		/* and no other destination borrows it */
	} else if (t->level > TLS_LEVEL_NONE) {
		tls_policy_finish(d->conf.params, &policy, t);
		name_session(dst, &peer, &choice->key, t);
	}
	choice->may_keep = policy.reuse;
	choice->event = tls_event_take(d, &peer, &policy, t, job->msg);
	return LANE_BEGUN;
}
