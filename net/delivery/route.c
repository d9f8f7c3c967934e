#include "net/delivery/route.h"

#include <errno.h>

#define LOOKUP_WAIT_NS (50 * NS_PER_MS)	/* all lookups are in use: ask again after this */

static void ask_next(struct route *r);

void route_init(struct route *r, const struct route_conf *conf, route_fn *fn)
{
	memset(r, 0, offsetof(struct route, addresses));
	r->conf = conf;
	r->fn = fn;
	wheel_timer_init(&r->retry, NULL);
}

static void finish(struct route *r)
{
	bool failed = r->count == 0 && r->error.class == 4;

	r->state = ROUTE_READY;
	/* The resolver already asks once in half a minute only; added to that, our own minute would keep mail waiting
	 * for name servers that are back (row DNS-09). */
	r->expires_ns = reactor_now() + (failed ? ROUTE_FAILURE_NS : ROUTE_LIFETIME_NS);
	if (r->lookup != NULL)
		pool_put(r->conf->lookups, &r->lookup);
	r->fn(r);
}

/* The last error counts, but a soft one dominates all hard ones: the element that could not be looked up might have
 * been the one that works. What an operator configured is never the sender's fault: hard errors of relays are soft (B
 * 4). */
static void note_error(struct route *r, const struct mx_error *error)
{
	bool relay = r->in_fallback || r->is_relayhost;
	bool soft = error->class == 4 || relay;

	if (r->soft_seen && !soft)
		return;
	r->error = *error;
	r->soft_seen = soft;
	r->tail_failed = soft;
	if (relay && error->class != 4) {
		r->error.class = 4;
		r->error.subject = 3;
		r->error.detail = 5;
	}
}

static void note_syntax(struct route *r, const char *why)
{
	struct mx_error error = { .class = 4, .subject = 3, .detail = 5 };
	struct str text = STR(error.text);

	str_add_cstr(&text, "server configuration error: ");
	str_add_cstr(&text, why);
	(void)str_cstr(&text);
	note_error(r, &error);
}

/* Where in names the text is now. False: there is no room, or it is too long. */
static bool keep_name(struct route *r, struct slice text, uint16_t *ret_at, uint8_t *ret_len)
{
	const char *known = memmem(r->names, r->names_len, text.ptr, text.len);

	if (text.len > UINT8_MAX || (known == NULL && text.len > ROUTE_NAMES - r->names_len))
		return false;
	*ret_at = (uint16_t)(known != NULL ? (size_t)(known - r->names) : r->names_len);
	*ret_len = (uint8_t)text.len;
	if (known != NULL)
		return true;
	memcpy(r->names + r->names_len, text.ptr, text.len);
	r->names_len += text.len;
	return true;
}

/* Without one of them the address cannot be judged by what DNS says about its host: all, or no such address. */
static bool keep_names(struct route *r, struct route_address *to, const struct mx_lookup *lookup,
		       const struct mx_address *from)
{
	return keep_name(r, mx_address_host(lookup, from), &to->host_at, &to->host_len) &&
	       keep_name(r, mx_address_asked(lookup, from), &to->asked_at, &to->asked_len) &&
	       keep_name(r, mx_address_owner(lookup, from), &to->owner_at, &to->owner_len) &&
	       keep_name(r, mx_list_owner(lookup), &to->list_owner_at, &to->list_owner_len);
}

static bool add_address(struct route *r, const struct mx_lookup *lookup, const struct mx_address *from)
{
	struct slice path = from->addr.sa.sa_family == AF_UNIX ? slice_of_str(from->addr.un.sun_path) : SLICE("");
	struct route_address *to = &r->addresses[r->count];

	if (r->count == ROUTE_ADDRESSES_MAX)
		return false;
	memset(to, 0, sizeof(*to));
	if (!keep_names(r, to, lookup, from))
		return false;
	if (path.len > 0) {
		to->path.family = AF_UNIX;
		if (!keep_name(r, path, &to->path.at, &to->path.len))
			return false;
	} else {
		memcpy(&to->sa, &from->addr.sa, MIN((size_t)from->addr.len, sizeof(to->in6)));
	}
	to->element = (uint8_t)MIN(r->element, 255u);
	to->checks = from->checks;
	to->is_worse = from->preference != lookup->best_preference;
	to->is_secure = from->is_secure;
	to->has_list = lookup->has_list;
	to->list_is_secure = lookup->list_is_secure;
	r->count++;
	r->tail_failed = false;
	return true;
}

static void on_lookup(struct mx_lookup *lookup, const struct mx_error *error)
{
	struct route *r = container_of(lookup, struct route_lookup, lookup)->route;
	unsigned limit = r->conf->params->smtp_mx_address_limit;

	if (error != NULL)
		note_error(r, error);
	for (unsigned i = 0; error == NULL && i < lookup->count && (limit == 0 || i < limit); i++)
		if (!add_address(r, lookup, &lookup->addresses[i]))
			break;
	r->element++;
	if (lookup->i_am_mx || lookup->null_mx || (error != NULL && error->subject == 4 && error->detail == 6))
		finish(r);
	else
		ask_next(r);
}

static void on_retry(struct wheel_timer *timer)
{
	ask_next(container_of(timer, struct route, retry));
}

/* Returns false when the list is at its end. */
static bool take_element(struct route *r, struct destination_name *ret_dest)
{
	const char *why;
	int n;

	for (;;) {
		n = nexthop_next(r->conf->nexthop, &r->rest, ret_dest, &why);
		if (n > 0)
			return true;
		if (n < 0)
			note_syntax(r, why);
		if (n == 0 && r->in_fallback)
			return false;
		if (n == 0) {
			r->in_fallback = true;
			r->rest = slice_of_str(r->conf->params->smtp_fallback_relay);
		}
	}
}

static void ask_next(struct route *r)
{
	struct destination_name dest;

	if (r->lookup == NULL)
		r->lookup = pool_take(r->conf->lookups);
	if (r->lookup == NULL) {
		wheel_timer_init(&r->retry, on_retry);
		timer_arm_in(&r->retry, LOOKUP_WAIT_NS);
		return;
	}
	if (!take_element(r, &dest)) {
		if (r->count == 0 && r->error.class == 0) {
			note_syntax(r, "the next hop is empty");
			r->error.detail = 0;	/* 4.3.0 (case 40) */
		}
		finish(r);
		return;
	}
	mx_lookup_init(&r->lookup->lookup);
	r->lookup->route = r;
	mx_lookup_start(&r->lookup->lookup, r->conf->mx, &dest,
			!r->is_relayhost && !r->in_fallback && !dest.is_lmtp, on_lookup);
}

static void put_tlsas(struct route *r)
{
	for (unsigned i = 0; i < r->count; i++) {
		if (r->addresses[i].tlsa == NULL)
			continue;
		tlsa_lookup_cancel(&r->addresses[i].tlsa->lookup);
		pool_put(r->conf->tlsas, &r->addresses[i].tlsa);
	}
}

void route_start(struct route *r, struct slice nexthop, bool is_relayhost)
{
	ASSERT(r->state != ROUTE_ASKING);
	put_tlsas(r);
	ASSERT(nexthop.len <= sizeof(r->text));
	memcpy(r->text, nexthop.ptr, nexthop.len);
	r->state = ROUTE_ASKING;
	r->count = 0;
	r->names_len = 0;
	r->element = 0;
	r->in_fallback = false;
	r->soft_seen = false;
	r->tail_failed = false;
	r->is_relayhost = is_relayhost;
	r->error = (struct mx_error){ 0 };
	r->rest = slice_of(r->text, nexthop.len);
	/* From the timer, so that fn never runs inside this call. */
	wheel_timer_init(&r->retry, on_retry);
	timer_arm_in(&r->retry, 0);
}

void route_cancel(struct route *r)
{
	if (r->state != ROUTE_ASKING)
		return;
	timer_cancel(&r->retry);
	if (r->lookup != NULL) {
		mx_lookup_cancel(&r->lookup->lookup);
		pool_put(r->conf->lookups, &r->lookup);
	}
	r->state = ROUTE_EMPTY;
}

void route_done(struct route *r)
{
	route_cancel(r);
	put_tlsas(r);
	r->state = ROUTE_EMPTY;
}

void route_give_up(struct route *r)
{
	struct str text = STR(r->error.text);

	ASSERT(r->state == ROUTE_READY);
	put_tlsas(r);
	r->count = 0;
	r->expires_ns = 0;
	r->tail_failed = false;
	r->error.class = 4;
	r->error.subject = 4;
	r->error.detail = 4;
	str_add_cstr(&text, "connecting to the addresses of the next hop is not allowed any more");
	(void)str_cstr(&text);
}

struct addr route_addr(const struct route *r, unsigned i)
{
	const struct route_address *from = &r->addresses[i];
	struct addr a = { 0 };

	ASSERT(i < r->count);
	if (from->sa.sa_family == AF_UNIX) {
		a.un.sun_family = AF_UNIX;
		memcpy(a.un.sun_path, r->names + from->path.at, from->path.len);
		a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + from->path.len + 1u);
		return a;
	}
	a.len = from->sa.sa_family == AF_INET ? sizeof(from->in) : sizeof(from->in6);
	memcpy(&a.sa, &from->sa, a.len);
	return a;
}

struct slice route_host(const struct route *r, unsigned i)
{
	ASSERT(i < r->count);
	return slice_of(r->names + r->addresses[i].host_at, r->addresses[i].host_len);
}

struct slice route_list_owner(const struct route *r, unsigned i)
{
	return slice_of(r->names + r->addresses[i].list_owner_at, r->addresses[i].list_owner_len);
}

/* --- TLSA records ----------------------------------------------------------------------------- */

static struct slice asked_name(const struct route *r, unsigned i)
{
	return slice_of(r->names + r->addresses[i].asked_at, r->addresses[i].asked_len);
}

static struct slice owner_name(const struct route *r, unsigned i)
{
	return slice_of(r->names + r->addresses[i].owner_at, r->addresses[i].owner_len);
}

static void on_tlsa(struct tlsa_lookup *lookup)
{
	struct route_tlsa *t = container_of(lookup, struct route_tlsa, lookup);

	t->is_known = true;
	t->route->conf->tlsa_told(t->route);
}

bool route_ask_tlsa(struct route *r, unsigned i)
{
	const struct addr addr = route_addr(r, i);
	const struct tlsa_host host = {
		.name = asked_name(r, i),
		.owner = owner_name(r, i),
		.is_secure = r->addresses[i].is_secure,
		.port = addr_port(&addr),
	};
	struct route_tlsa *t;

	if (r->addresses[i].tlsa != NULL)
		return true;
	t = pool_take(r->conf->tlsas);
	if (t == NULL)
		return false;
	t->route = r;
	t->is_known = false;
	r->addresses[i].tlsa = t;
	tlsa_lookup_init(&t->lookup);
	tlsa_lookup_start(&t->lookup, r->conf->tlsa, &host, on_tlsa);
	return true;
}

bool route_is_same_host(const struct route *r, unsigned i, const struct route *other, unsigned k)
{
	const struct route_address *a = &r->addresses[i], *b = &other->addresses[k];

	return a->is_secure == b->is_secure && a->has_list == b->has_list && a->list_is_secure == b->list_is_secure &&
	       slice_eq_nocase(route_host(r, i), route_host(other, k)) &&
	       slice_eq_nocase(asked_name(r, i), asked_name(other, k)) &&
	       slice_eq_nocase(owner_name(r, i), owner_name(other, k)) &&
	       slice_eq_nocase(route_list_owner(r, i), route_list_owner(other, k));
}

/* --- order ------------------------------------------------------------------------------------ */

static bool is_forbidden(const struct route *r, unsigned i)
{
	struct addr addr = route_addr(r, i);

	return mx_is_forbidden(r->conf->mx, r->addresses[i].checks, &addr);
}

int route_next(const struct route *r, const uint64_t tried[2], uint64_t now_ns)
{
	int avoided = -1;

	for (unsigned i = 0; i < r->count; i++) {
		if ((tried[i / 64] >> (i % 64) & 1) || is_forbidden(r, i))
			continue;
		if (r->addresses[i].avoid_until_ns <= now_ns)
			return (int)i;
		if (avoided < 0)
			avoided = (int)i;
	}
	return avoided;
}

void route_use_up(const struct route *r, unsigned i, uint64_t tried[2])
{
	for (unsigned k = 0; k < r->count; k++)
		if (r->addresses[k].element == r->addresses[i].element)
			tried[k / 64] |= UINT64_C(1) << (k % 64);
}

void route_mark_same(const struct route *r, unsigned i, uint64_t tried[2])
{
	if (i >= r->count)
		return;		/* not in the list any more */
	const struct addr mine = route_addr(r, i);

	for (unsigned k = 0; k < r->count; k++) {
		const struct addr other = route_addr(r, k);

		if (addr_eq(&mine, &other))
			tried[k / 64] |= UINT64_C(1) << (k % 64);
	}
}

bool route_element(const struct route *r, struct slice nexthop, unsigned i, struct destination_name *ret_name)
{
	struct slice lists[2] = { nexthop, slice_of_str(r->conf->params->smtp_fallback_relay) };
	unsigned element = r->addresses[i].element;
	const char *why;

	for (unsigned k = 0; k < 2; k++) {
		int n;

		while ((n = nexthop_next(r->conf->nexthop, &lists[k], ret_name, &why)) != 0)
			if (n > 0 && element-- == 0)
				return true;
	}
	return false;
}
