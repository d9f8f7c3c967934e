#include "tests/sim/net.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/net_impl.h"
#include "tests/sim/seam.h"
#include "tests/sim/tape.h"

static struct sim_conn conns[SIM_CONNS_MAX];	/* in pages that nobody touches before they are used */
static uint32_t conn_used_max;
static uint32_t conn_number;
static struct sim_host hosts[SIM_HOSTS_MAX];
static unsigned host_count;
static enum sim_answer elsewhere = SIM_REFUSE;
static unsigned elsewhere_attempts;
static struct addr locals[64];
static unsigned local_count;


void net_clear(void)
{
	/* Whoever is still there hears of the end, as of any other: what it holds is its own to free. */
	for (uint32_t i = 0; i < conn_used_max; i++)
		if (conns[i].used)
			net_peer_gone(&conns[i]);
	for (uint32_t i = 0; i < conn_used_max; i++) {
		free(conns[i].to_engine.data);
		free(conns[i].to_engine.bursts);
		free(conns[i].to_peer.data);
		free(conns[i].to_peer.bursts);
	}
	memset(conns, 0, conn_used_max * sizeof(*conns));
	memset(hosts, 0, host_count * sizeof(*hosts));
	conn_used_max = 0;
	conn_number = 0;
	host_count = 0;
	local_count = 0;
	elsewhere = SIM_REFUSE;
	elsewhere_attempts = 0;
}

/* --- hosts ------------------------------------------------------------------------------------- */

static struct addr parse(const char *address, uint16_t port)
{
	struct addr a = { 0 };

	if (address[0] == '/') {
		a.un.sun_family = AF_UNIX;
		ASSERT(strlen(address) < sizeof(a.un.sun_path));
		memcpy(a.un.sun_path, address, strlen(address) + 1);
		a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address) + 1);
		return a;
	}
	ASSERT(addr_parse_ip(slice_of_str(address), port, &a) == 0);
	return a;
}

static struct sim_host *host_at(const struct addr *a)
{
	for (unsigned i = 0; i < host_count; i++)
		if (addr_eq(&hosts[i].addr, a))
			return &hosts[i];
	return NULL;
}

struct sim_host *sim_host_at(const char *address, uint16_t port)
{
	const struct addr a = parse(address, port);

	return host_at(&a);
}

struct sim_host *sim_host_add(const char *address, uint16_t port, const struct sim_program *program, void *context)
{
	ASSERT(host_count < SIM_HOSTS_MAX);
	ASSERT(sim_host_at(address, port) == NULL);
	struct sim_host *h = &hosts[host_count++];

	*h = (struct sim_host){ .addr = parse(address, port), .program = program, .context = context };
	return h;
}

void sim_net_elsewhere(enum sim_answer answer)
{
	elsewhere = answer;
}

unsigned sim_net_elsewhere_attempts(void)
{
	return elsewhere_attempts;
}

void sim_net_allow_local(const char *address)
{
	ASSERT(local_count < ARRAY_LEN(locals));
	locals[local_count++] = parse(address, 0);
}

static bool is_local(const struct addr *a)
{
	bool found = local_count == 0;

	for (unsigned i = 0; i < local_count && !found; i++)
		found = addr_eq_ip(&locals[i], a);
	return found;
}

/* --- connections ------------------------------------------------------------------------------- */

static struct sim_conn *conn_new(void)
{
	for (uint32_t i = 0; i < SIM_CONNS_MAX; i++) {
		struct sim_conn *c = &conns[i];

		if (c->used)
			continue;
		const uint32_t generation = c->generation + 1;

		*c = (struct sim_conn){ .used = true, .generation = generation, .file = -1, .reading = true,
					.peer_open = true, .number = ++conn_number };
		list_init(&c->node);
		conn_used_max = MAX(conn_used_max, i + 1);
		return c;
	}
	UNREACHABLE();
}

void net_conn_free_if_over(struct sim_conn *c)
{
	if (c->engine_open || c->peer_open || c->file >= 0 || c->connecting != NULL || !list_is_empty(&c->node))
		return;
	free(c->to_engine.data);
	free(c->to_engine.bursts);
	free(c->to_peer.data);
	free(c->to_peer.bursts);
	*c = (struct sim_conn){ .generation = c->generation + 1, .file = -1 };
}

/* --- connecting: the engine to a host ---------------------------------------------------------- */

static void on_connect_fails(void *context, uint64_t generation)
{
	struct sim_conn *c = context;

	if (c->generation != generation || c->connecting == NULL)
		return;
	struct flight *f = c->connecting;

	c->connecting = NULL;
	c->peer_open = false;
	flight_ready(f, c->error);
	net_conn_free_if_over(c);
}

static void fail_connect(struct sim_conn *c, int err, uint64_t after_ns)
{
	c->error = err;
	machine_at(sim_now() + after_ns, on_connect_fails, c, c->generation);
}

static void on_connected(void *context, uint64_t generation)
{
	struct sim_conn *c = context;

	if (c->generation != generation || c->connecting == NULL)
		return;
	struct flight *f = c->connecting;
	struct machine_file *file = seam_file(f->core, f->file);

	c->connecting = NULL;
	c->core = f->core;
	c->file = f->file;
	c->engine_open = true;
	file->conn = c;
	flight_ready(f, 0);
	c->greeted = true;
	if (c->host != NULL) {
		c->host->opened++;
		c->host->open_now++;
	}
	if (c->program != NULL && c->program->on_open != NULL)
		c->program->on_open(c);
}

static enum sim_answer ask_host(struct sim_conn *c, struct sim_host *h)
{
	if (h == NULL) {
		elsewhere_attempts++;
		return elsewhere;
	}
	c->host = h;
	c->link = h->link;
	c->program = h->program;
	c->context = h->context;
	h->attempts++;
	return h->on_connect != NULL ? h->on_connect(h, c) : h->answer;
}

void net_connect(struct flight *f)
{
	struct sim_conn *c;

	if (f->local != NULL && !is_local(f->local)) {
		flight_ready(f, -EADDRNOTAVAIL);
		return;
	}
	c = conn_new();
	c->connecting = f;
	c->peer = *f->remote;
	if (f->local != NULL)
		c->engine = *f->local;
	f->conn = c;
	switch (ask_host(c, host_at(f->remote))) {
	case SIM_ACCEPT:
		machine_at(sim_now() + 2 * net_latency(c), on_connected, c, c->generation);
		break;
	case SIM_LATE:
		machine_at(sim_now() + 30 * NS_PER_SEC, on_connected, c, c->generation);
		break;
	case SIM_REFUSE:
		fail_connect(c, f->remote->sa.sa_family == AF_UNIX && c->host == NULL ? -ENOENT : -ECONNREFUSED,
			     2 * net_latency(c));
		break;
	case SIM_UNREACHABLE:
		fail_connect(c, -EHOSTUNREACH, 2 * net_latency(c));
		break;
	case SIM_NO_ROUTE:
		fail_connect(c, -ENETUNREACH, 0);
		break;
	case SIM_BLACKHOLE:
		fail_connect(c, -ETIMEDOUT, SIM_CONNECT_TIMEOUT_NS);
		break;
	}
}

/* Nobody has heard of it yet: it never was. */
void net_cancel_connect(struct flight *f)
{
	struct sim_conn *c = f->conn;

	if (c == NULL || c->connecting != f)
		return;
	c->connecting = NULL;
	c->peer_open = false;
	net_conn_free_if_over(c);
}

/* --- connecting: a program to the engine ------------------------------------------------------- */

static struct machine_file *listener_for(const struct addr *to, unsigned *ret_core)
{
	struct machine_file *found[MACHINE_CORES_MAX];
	unsigned cores[MACHINE_CORES_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < machine_core_count; i++) {
		struct machine_core *core = &machine_cores[i];

		for (unsigned file = 0; core->is_open && file < core->files_max; file++) {
			if (core->files[file].kind != FILE_LISTENER || !addr_eq(&core->files[file].addr, to))
				continue;
			found[n] = &core->files[file];
			cores[n++] = i;
			break;
		}
	}
	if (n == 0)
		return NULL;
	const unsigned pick = tape_below(n);

	*ret_core = cores[pick];
	return found[pick];
}

static void on_dialled(void *context, uint64_t generation)
{
	struct sim_conn *c = context;
	struct machine_file *l;

	if (c->generation != generation || !c->peer_open)
		return;
	l = listener_for(&c->engine, &c->core);
	if (l == NULL) {
		net_peer_reset(c);
		return;
	}
	c->engine_open = true;
	c->greeted = true;
	list_push_back(&l->arrived, &c->node);
	if (!list_is_empty(&l->waiting))
		flight_ready(list_entry(list_pop_front(&l->waiting), struct flight, node), 0);
	if (c->program != NULL && c->program->on_open != NULL)
		c->program->on_open(c);
}

struct sim_conn *sim_dial(const char *from, const char *to, uint16_t port, const struct sim_link *link,
			  const struct sim_program *program, void *context)
{
	struct sim_conn *c = conn_new();

	c->peer = parse(from, (uint16_t)(1024 + c->number % 60000));
	c->engine = parse(to, port);
	c->link = link != NULL ? *link : (struct sim_link){ 0 };
	c->program = program;
	c->context = context;
	machine_at(sim_now() + net_latency(c), on_dialled, c, c->generation);
	return c;
}

void net_accept(struct flight *f)
{
	struct machine_file *l = seam_file(f->core, f->file);

	if (!list_is_empty(&l->arrived))
		flight_ready(f, 0);
	else if (list_is_empty(&f->node))
		list_push_back(&l->waiting, &f->node);
}

struct sim_conn *net_take_arrived(struct machine_file *listener)
{
	struct list *node = list_pop_front(&listener->arrived);

	return node != NULL ? list_entry(node, struct sim_conn, node) : NULL;
}

void net_bind(struct sim_conn *c, unsigned core, int file, struct addr *ret_peer)
{
	c->core = core;
	c->file = file;
	seam_file(core, file)->conn = c;
	if (ret_peer != NULL)
		*ret_peer = c->peer;
}

void net_on_death(bool power)
{
	for (uint32_t i = 0; i < conn_used_max; i++) {
		struct sim_conn *c = &conns[i];

		if (!c->used)
			continue;
		if (c->connecting != NULL) {
			net_cancel_connect(c->connecting);
			continue;
		}
		if (!c->engine_open)
			continue;
		list_remove(&c->node);
		c->dead = power;
		if (!power)
			net_engine_close(c);
		c->engine_open = false;
		c->file = -1;
		if (c->used)
			net_conn_free_if_over(c);
	}
}

unsigned net_conns_open(void)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < conn_used_max; i++)
		n += conns[i].used && conns[i].engine_open;
	return n;
}
