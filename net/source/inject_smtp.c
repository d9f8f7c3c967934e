#include "net/source/inject_smtp.h"

#include <errno.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/log.h"
#include "net/source/inject_conn.h"

static struct metric metric_connections =
	METRIC_COUNTER("ringpost_inject_connections_total", "SMTP connections accepted");
static struct metric metric_open = METRIC_GAUGE("ringpost_inject_connections", "SMTP connections open now");
static struct metric metric_turned_away =
	METRIC_COUNTER("ringpost_inject_refused_connections_total", "SMTP connections beyond a limit");

/* --- connections by address --------------------------------------------------------------------- */

static bool client_eq(const struct map_node *node, struct slice key)
{
	const struct inject_client *client = container_of(node, const struct inject_client, node);
	struct addr addr;

	memcpy(&addr, key.ptr, sizeof(addr));
	return addr_eq(&client->addr, &addr);
}

/* Only the address counts, not the port, and no octet beyond it. */
static struct addr address_key(const struct addr *peer)
{
	struct addr key;

	memset(&key, 0, sizeof(key));
	key.len = peer->len;
	key.sa.sa_family = peer->sa.sa_family;
	if (peer->sa.sa_family == AF_INET6)
		key.in6.sin6_addr = peer->in6.sin6_addr;
	else
		key.in.sin_addr = peer->in.sin_addr;
	return key;
}

/* Counts a connection of this address. Returns false when it is one too many. */
static bool client_take(struct inject *inject, const struct addr *peer, struct inject_client **ret_client)
{
	uint32_t limit = inject->params->smtpd_client_connection_count_limit;
	struct addr key = address_key(peer);
	struct slice text = slice_of(&key, sizeof(key));

	*ret_client = NULL;
	if (limit == 0 || peer->sa.sa_family == AF_UNIX ||
	    params_nets_contain(&inject->params->smtpd_client_event_limit_exceptions, peer))
		return true;
	uint64_t hash = map_hash(&inject->by_address, text);
	struct map_node *node = map_find(&inject->by_address, hash, text, client_eq);
	struct inject_client *client = node != NULL ? container_of(node, struct inject_client, node) : NULL;

	if (client != NULL && client->count >= limit)
		return false;
	if (client == NULL) {
		client = pool_take(&inject->clients);
		ASSERT(client != NULL);		/* as many as connections */
		client->addr = key;
		client->count = 0;
		map_insert(&inject->by_address, &client->node, hash);
	}
	client->count++;
	*ret_client = client;
	return true;
}

static void client_put(struct inject *inject, struct inject_client **client)
{
	if (*client == NULL || --(*client)->count > 0) {
		*client = NULL;
		return;
	}
	map_remove(&inject->by_address, &(*client)->node);
	pool_put(&inject->clients, client);
}

/* --- accepting ---------------------------------------------------------------------------------- */

static void report_closed(struct task *task)
{
	struct inject *inject = container_of(task, struct inject, closed);

	inject->done(inject, inject->context);
}

static void on_helper_closed(struct helper *h)
{
	struct inject *inject = container_of(h, struct inject, helper);

	inject->helper_is_open = false;
	reactor_post(&inject->closed);
}

static void check_closed(struct inject *inject)
{
	if (!inject->closing || inject->listeners_open > 0 || inject->conns.used > 0)
		return;
	if (!inject->helper_is_open)
		reactor_post(&inject->closed);
	else if (!inject->helper.closing)
		helper_close(&inject->helper, on_helper_closed);
}

void inject_on_conn_gone(struct inject *inject, struct inject_conn *c)
{
	list_remove(&c->node);
	client_put(inject, &c->client);
	pool_put(&inject->conns, &c);
	metric_add(&metric_open, -1);
	check_closed(inject);
}

static void turn_away(struct inject_conn *c, const char *reply)
{
	metric_add(&metric_turned_away, 1);
	inject_conn_turn_away(c, reply);
}

static void on_accept(struct listener *l, int file, const struct addr *peer)
{
	struct inject *inject = l->context;
	struct inject_conn *c = pool_take(&inject->conns);
	int64_t open = metric_read(&metric_open);	/* on all cores */

	if (c == NULL) {		/* even those that hear 421 are too many */
		metric_add(&metric_turned_away, 1);
		io_close(file);
		return;
	}
	inject_conn_open(c, inject, file, peer);
	c->is_wrapped = l - inject->listeners >= (ptrdiff_t)inject->wrapped_first;
	list_push_back(&inject->list, &c->node);
	metric_add(&metric_connections, 1);
	metric_add(&metric_open, 1);
	if (open >= (int64_t)inject->params->inject_connection_limit)
		turn_away(c, "421 4.7.0 Too many connections");
	else if (params_nets_contain(&inject->params->inject_smtp_proxy_protocol, peer))
		inject_conn_hear_proxy(c);
	else
		inject_on_client(inject, c, peer);
}

void inject_on_client(struct inject *inject, struct inject_conn *c, const struct addr *client)
{
	if (client_take(inject, client, &c->client))
		inject_conn_begin(c);
	else
		turn_away(c, "421 4.7.0 Too many connections from your address");
}

static void on_trouble(struct listener *l, int err)
{
	char storage[ADDR_TEXT_MAX];
	struct str text = STR(storage);

	addr_add_ip(&text, &l->addr);
	log_line(LOG_LEVEL_WARNING, "smtpd", "cannot accept connections on %.*s at the moment: %s",
		 SLICE_FMT(str_slice(&text)), err_text(err));
}

static void on_listener_closed(struct listener *l)
{
	struct inject *inject = l->context;

	inject->listeners_open--;
	check_closed(inject);
}

/* --- authentication ----------------------------------------------------------------------------- */

static void submit(struct helper_job *job, void *context)
{
	helper_submit(context, job);
}

void inject_set_passwords(struct inject *inject, const struct passwords *passwords)
{
	ASSERT(passwords == NULL || inject->helper_is_open);
	inject->common.passwords = passwords;
}

static int open_helper(struct inject *inject)
{
	if (!inject->params->smtpd_sasl_auth_enable)
		return 0;
	int r = helper_open(&inject->helper);

	inject->helper_is_open = r == 0;
	inject->common.submit = submit;
	inject->common.submit_context = &inject->helper;
	return r;
}

/* --- the whole ---------------------------------------------------------------------------------- */

static int init_pools(struct inject *inject, struct spool *spool, unsigned endpoints)
{
	size_t limit = inject->params->inject_connection_limit;
	/* Some more, to be told that they are too many. */
	size_t conns = limit + MAX(limit / 16, (size_t)16);
	int r = pool_init(&inject->conns, "inject_conns", sizeof(struct inject_conn), conns);

	if (r == 0)
		r = pool_init(&inject->clients, "inject_clients", sizeof(struct inject_client), conns);
	if (r == 0)
		r = map_init(&inject->by_address, MIN(conns, 4096u));
	if (r == 0)
		r = inject_common_init(&inject->common, inject->params, spool, limit);
	if (r == 0)
		r = inject_tls_init(inject, conns);
	if (r == 0)
		r = inject_auth_init(&inject->common, conns);
	inject->listeners = calloc(MAX(endpoints, 1u), sizeof(*inject->listeners));
	return r == 0 && inject->listeners == NULL ? -ENOMEM : r;
}

/* A unix socket cannot be shared as a port can: it belongs to the first core. */
static void add_listeners(struct inject *inject, const struct param_endpoints *endpoints, unsigned core)
{
	for (unsigned i = 0; i < endpoints->count; i++) {
		struct listener *l = &inject->listeners[inject->listener_count];

		if (endpoints->list[i].sa.sa_family == AF_UNIX && core != 0)
			continue;
		l->on_accept = on_accept;
		l->on_trouble = on_trouble;
		l->on_closed = on_listener_closed;
		l->context = inject;
		l->addr = endpoints->list[i];
		inject->listener_count++;
	}
}

struct inject *inject_new(const struct params *params, unsigned core, unsigned cores, struct spool *spool)
{
	struct inject *inject = calloc(1, sizeof(*inject));
	const unsigned endpoints = params->inject_smtp_listen.count + params->inject_smtps_listen.count;

	ASSERT(core < cores);
	if (inject == NULL)
		return NULL;
	inject->params = params;
	list_init(&inject->list);
	task_init(&inject->closed, report_closed);
	task_init(&inject->resume_all, inject_conn_resume_all);
	inject->held_max = MAX(io_bufs_free() / 2, (size_t)1);	/* half of all: nobody has any yet */
	if (init_pools(inject, spool, endpoints) < 0 || open_helper(inject) < 0)
		return NULL;		/* at start, where this is the end */
	add_listeners(inject, &params->inject_smtp_listen, core);
	inject->wrapped_first = inject->listener_count;
	add_listeners(inject, &params->inject_smtps_listen, core);
	metric_register(&metric_connections);
	metric_register(&metric_open);
	metric_register(&metric_turned_away);
	inject_conn_register_metrics();
	inject_tls_register_metrics();
	return inject;
}

struct tls_context *inject_set_tls(struct inject *inject, struct tls_context *context)
{
	struct tls_context *before = inject->tls;

	ASSERT(context == NULL || inject_tls_is_wanted(inject->params));
	inject->tls = context;
	inject->common.offers_tls = context != NULL && inject->params->smtpd_tls_security_level != INJECT_TLS_NONE;
	return before;
}

int inject_listen(struct inject *inject)
{
	ASSERT(inject->listeners_open == 0 && !inject->closing);
	for (unsigned i = 0; i < inject->listener_count; i++) {
		struct addr addr = inject->listeners[i].addr;
		int r = listener_open(&inject->listeners[i], &addr, INJECT_BACKLOG);

		if (r < 0)
			return r;
		inject->listeners_open++;
	}
	return 0;
}

void inject_close(struct inject *inject, void (*done)(struct inject *inject, void *context), void *context)
{
	unsigned open = inject->listeners_open;

	ASSERT(!inject->closing);
	inject->closing = true;
	inject->done = done;
	inject->context = context;
	for (unsigned i = 0; i < open; i++)
		listener_close(&inject->listeners[i]);
	for (struct list *n = inject->list.next; n != &inject->list; n = n->next)
		inject_conn_leave(list_entry(n, struct inject_conn, node));
	check_closed(inject);
}

void inject_free(struct inject **inject)
{
	if (*inject == NULL)
		return;
	ASSERT((*inject)->conns.used == 0 && (*inject)->held_total == 0);
	reactor_unpost(&(*inject)->resume_all);
	inject_tls_free(*inject);
	inject_auth_free(&(*inject)->common);
	inject_common_done(&(*inject)->common);
	map_done(&(*inject)->by_address);
	pool_done(&(*inject)->clients);
	pool_done(&(*inject)->conns);
	free((*inject)->listeners);
	free(*inject);
	*inject = NULL;
}
