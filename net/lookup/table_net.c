/* table_net.c - connections to other processes that have tables
 *
 *	CLOSED --question--> CONNECTING --> READY --answer, next question...--> READY
 *	   ^                     |            | idle, lost, no answer, nonsense
 *	   +---- all ops back ---+-- CLOSING -+
 */
#include "net/lookup/table_net.h"

#include <errno.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/table_impl.h"
#include "net/wire/table_reply.h"

enum link_state { LINK_CLOSED, LINK_CONNECTING, LINK_READY, LINK_CLOSING };

/* What "type:name" says. */
struct net_name {
	enum table_protocol protocol;
	struct addr endpoint;
	size_t name_len;
	char name[];
};

struct table_link {
	const struct table *table;
	const struct net_name *name;
	enum link_state state;
	int file;
	struct op recv_op;
	struct op send_op;		/* connect, too */
	struct io_buf_waiter buf_wait;
	struct task reopen;
	struct wheel_timer timer;	/* what is being waited for, or idleness */
	struct list waiting;
	unsigned waiting_count;
	struct maps_ask *current;	/* whose answer is next */
	bool is_unwanted;		/* the next answer, instead: who asked has gone */
	unsigned answers;		/* of this connection */
	struct table_reply_parser parser;
	char out[TABLE_REQUEST_MAX];
	size_t out_len, out_sent;
};

struct table_net {
	unsigned count;
	struct table_link links[];
};

static void kick(struct table_link *l);
static void advance(struct maps_ask *ask);
static void lose(struct table_link *l, int err);

/* --- names ---------------------------------------------------------------------------------------- */

static int parse_host_port(struct slice text, struct addr *ret_endpoint)
{
	char storage[ADDR_TEXT_MAX];
	struct str with_number = STR(storage);

	if (slice_has_prefix_nocase(text, SLICE("localhost:"))) {
		slice_skip(&text, 9);
		str_add_cstr(&with_number, "127.0.0.1");
		str_add(&with_number, text);
		text = str_slice(&with_number);
	}
	if (slice_has_prefix_nocase(text, SLICE("unix:")) || addr_parse_endpoint(text, ret_endpoint) < 0)
		return -EINVAL;
	return addr_port(ret_endpoint) != 0 ? 0 : -EINVAL;
}

static int net_name_new(enum table_protocol protocol, const struct addr *endpoint, struct slice name, void **ret_data)
{
	struct net_name *n = calloc(1, sizeof(*n) + name.len);

	if (n == NULL)
		return -ENOMEM;
	n->protocol = protocol;
	n->endpoint = *endpoint;
	n->name_len = name.len;
	if (name.len > 0)
		memcpy(n->name, name.ptr, name.len);
	*ret_data = n;
	return 0;
}

static int load_tcp(struct table_set *set, struct slice arg, struct str *why, void **ret_data)
{
	struct addr endpoint;

	(void)set;
	if (parse_host_port(arg, &endpoint) < 0)
		return table_complain(why, arg, 0, "expected tcp:address:port, the address in numbers");
	return net_name_new(TABLE_PROTOCOL_TCP, &endpoint, SLICE(""), ret_data);
}

static int load_socketmap(struct table_set *set, struct slice arg, struct str *why, void **ret_data)
{
	static const char form[] = "expected socketmap:inet:address:port:name or socketmap:unix:/path:name";
	ptrdiff_t colon = slice_find_last_char(arg, ':');
	struct slice place = slice_head(arg, colon < 0 ? 0 : (size_t)colon);
	struct slice name = slice_of(arg.ptr + colon + 1, arg.len - (size_t)(colon + 1));
	struct addr endpoint;
	int r = -EINVAL;

	(void)set;
	if (slice_has_prefix(place, SLICE("unix:/"))) {
		r = addr_parse_endpoint(place, &endpoint);
	} else if (slice_has_prefix(place, SLICE("inet:"))) {
		slice_skip(&place, 5);
		r = parse_host_port(place, &endpoint);
	}
	if (r < 0 || name.len == 0 || name.len > TABLE_REQUEST_MAX / 2)
		return table_complain(why, arg, 0, form);
	return net_name_new(TABLE_PROTOCOL_SOCKETMAP, &endpoint, name, ret_data);
}

static int find_never(const void *data, struct slice key, struct str *ret_value)
{
	(void)data;
	(void)key;
	(void)ret_value;
	return -EWOULDBLOCK;
}

static bool always(const void *data)
{
	(void)data;
	return true;
}

static const struct table_type type_tcp = {
	.name = "tcp", .load = load_tcp, .find = find_never, .unload = free, .needs_io = always, .is_pattern = true,
};

static const struct table_type type_socketmap = {
	.name = "socketmap", .load = load_socketmap, .find = find_never, .unload = free, .needs_io = always,
	.is_pattern = true,
};

void table_net_register(void)
{
	table_type_add(&type_tcp);
	table_type_add(&type_socketmap);
}

/* --- questions ------------------------------------------------------------------------------------ */

static void on_task(struct task *task)
{
	struct maps_ask *ask = container_of(task, struct maps_ask, task);

	ASSERT(ask->under_way);
	ask->under_way = false;
	ask->fn(ask, ask->result);
}

static void finish(struct maps_ask *ask, int result)
{
	ask->link = NULL;
	ask->result = result;
	reactor_post(&ask->task);
}

static struct table_link *link_of(struct table_net *net, const struct table *t)
{
	for (unsigned i = 0; net != NULL && i < net->count; i++)
		if (net->links[i].table == t)
			return &net->links[i];
	return NULL;
}

static void wait_for(struct maps_ask *ask, struct table_link *l)
{
	if (l == NULL || l->waiting_count == TABLE_NET_WAITING) {
		finish(ask, l == NULL ? -EWOULDBLOCK : -ENOBUFS);
		return;
	}
	ask->link = l;
	ask->again = false;
	list_push_back(&l->waiting, &ask->node);
	l->waiting_count++;
	kick(l);
}

/* From the table at index on: local ones answer here, for another one has to wait. */
static void advance(struct maps_ask *ask)
{
	const struct maps *m = ask->maps;

	for (; m != NULL && ask->index < m->count; ask->index++) {
		const struct table *t = m->tables[ask->index];

		if (table_needs_io(t)) {
			if (ask->flags & TABLE_PARTIAL)
				continue;	/* as for patterns */
			wait_for(ask, link_of(ask->net, t));
			return;
		}
		int r = table_find(t, ask->key, ask->flags, ask->value);

		if (r != 0) {
			finish(ask, r);
			return;
		}
	}
	str_clear(ask->value);
	finish(ask, 0);
}

void maps_ask(struct table_net *net, struct maps_ask *ask, const struct maps *maps, struct slice key, unsigned flags,
	      struct str *ret_value, maps_answer_fn *fn)
{
	ASSERT(!ask->under_way);
	*ask = (struct maps_ask){
		.net = net, .maps = maps, .key = key, .flags = flags, .value = ret_value, .fn = fn, .under_way = true,
	};
	list_init(&ask->node);
	task_init(&ask->task, on_task);
	advance(ask);
}

void maps_ask_cancel(struct maps_ask *ask)
{
	struct table_link *l = ask->link;

	if (!ask->under_way)
		return;
	ask->under_way = false;
	ask->link = NULL;
	reactor_unpost(&ask->task);
	if (l == NULL)
		return;
	if (l->current == ask) {	/* its answer will come, and must not be taken for the next one's */
		l->current = NULL;
		l->is_unwanted = true;
	} else {
		list_remove(&ask->node);
		l->waiting_count--;
	}
}

/* The first that waits, or NULL. */
static struct maps_ask *take_waiting(struct table_link *l)
{
	struct list *node = list_pop_front(&l->waiting);

	if (node == NULL)
		return NULL;
	l->waiting_count--;
	return container_of(node, struct maps_ask, node);
}

/* --- closing -------------------------------------------------------------------------------------- */

static void finish_close(struct table_link *l)
{
	if (l->recv_op.in_kernel || l->send_op.in_kernel)
		return;		/* their completions bring us back here */
	if (l->file >= 0)
		io_close(l->file);
	l->file = -1;
	l->state = LINK_CLOSED;
	reactor_post(&l->reopen);	/* not here: this may be a callback of an op that is used again */
}

static void on_reopen(struct task *task)
{
	kick(container_of(task, struct table_link, reopen));
}

static void fail_all(struct table_link *l, int err)
{
	for (struct maps_ask *ask; (ask = take_waiting(l)) != NULL;)
		finish(ask, err);
}

/* The connection is of no use any more. Who waits for an answer gets the error, unless asking once more may help. */
static void lose(struct table_link *l, int err)
{
	struct maps_ask *ask = l->current;

	if (l->state == LINK_CLOSING || l->state == LINK_CLOSED)
		return;
	if (l->state == LINK_CONNECTING)
		fail_all(l, err);
	l->current = NULL;
	l->is_unwanted = false;
	bool gone = err == ERR_EOF || err == -ECONNRESET || err == -EPIPE;

	if (ask != NULL && gone && l->answers > 0 && !ask->again) {
		ask->again = true;
		list_push_front(&l->waiting, &ask->node);
		l->waiting_count++;
	} else if (ask != NULL) {
		finish(ask, err);
	}
	l->state = LINK_CLOSING;
	timer_cancel(&l->timer);
	io_cancel(&l->recv_op);
	io_cancel(&l->send_op);
	io_buf_wait_cancel(&l->buf_wait);
	finish_close(l);
}

static bool awaits_answer(const struct table_link *l)
{
	return l->current != NULL || l->is_unwanted;
}

/* --- one connection ------------------------------------------------------------------------------- */

static void on_reply(struct table_link *l, const struct table_reply *reply)
{
	struct maps_ask *ask = l->current;

	l->answers++;
	if (l->is_unwanted) {
		l->is_unwanted = false;
		kick(l);
		return;
	}
	l->current = NULL;
	str_clear(ask->value);
	if (reply->found > 0) {
		str_add(ask->value, reply->value);
		finish(ask, str_is_full(ask->value) ? -EMSGSIZE : 1);
	} else if (reply->found < 0) {
		finish(ask, reply->found);
	} else {
		ask->link = NULL;
		ask->index++;
		advance(ask);
	}
	kick(l);
}

static void consume(struct table_link *l, struct slice in)
{
	while (in.len > 0 && l->state == LINK_READY) {
		struct table_reply reply;

		if (!awaits_answer(l)) {	/* nobody has asked */
			lose(l, ERR_PROTO);
			return;
		}
		int r = table_reply_feed(&l->parser, &in, &reply);

		if (r < 0)
			lose(l, r);
		else if (r > 0 && in.len > 0)	/* one answer to one question */
			lose(l, ERR_PROTO);
		else if (r > 0)
			on_reply(l, &reply);
	}
}

static void on_bufs(struct io_buf_waiter *w)
{
	struct table_link *l = container_of(w, struct table_link, buf_wait);

	if (l->state == LINK_READY)
		io_recv(&l->recv_op, l->file);
}

static void on_recv(struct op *op, int res)
{
	struct table_link *l = container_of(op, struct table_link, recv_op);

	if (l->state == LINK_CLOSING) {
		finish_close(l);
	} else if (res == -ENOBUFS) {
		io_buf_wait(&l->buf_wait);
	} else if (res <= 0) {
		lose(l, res == 0 ? ERR_EOF : res);
	} else {
		consume(l, op->data);
		if (l->state == LINK_READY && !op->in_kernel && list_is_empty(&l->buf_wait.node))
			io_recv(op, l->file);
	}
}

static void on_send(struct op *op, int res)
{
	struct table_link *l = container_of(op, struct table_link, send_op);

	if (l->state == LINK_CLOSING) {
		finish_close(l);
	} else if (res <= 0) {
		lose(l, res == 0 ? ERR_EOF : res);
	} else {
		l->out_sent += (size_t)res;
		if (l->out_sent < l->out_len)
			io_send(op, l->file, l->out + l->out_sent, l->out_len - l->out_sent, 0);
		else
			kick(l);	/* the answer may have been quicker */
	}
}

static void on_connect(struct op *op, int res)
{
	struct table_link *l = container_of(op, struct table_link, send_op);

	if (l->state == LINK_CLOSING) {
		finish_close(l);
		return;
	}
	if (res < 0) {
		lose(l, res);
		return;
	}
	l->state = LINK_READY;
	l->answers = 0;
	table_reply_init(&l->parser, l->name->protocol);
	op_init(&l->send_op, on_send);
	op_init(&l->recv_op, on_recv);
	io_recv(&l->recv_op, l->file);
	kick(l);
}

static void on_timer(struct wheel_timer *timer)
{
	struct table_link *l = container_of(timer, struct table_link, timer);

	lose(l, awaits_answer(l) || l->state == LINK_CONNECTING ? ERR_TIMEOUT : -ECANCELED);
}

static void open_link(struct table_link *l)
{
	l->state = LINK_CONNECTING;
	l->file = -1;
	op_init(&l->send_op, on_connect);
	op_init(&l->recv_op, on_recv);
	timer_arm_in(&l->timer, TABLE_NET_TIMEOUT_NS);
	io_connect(&l->send_op, &l->name->endpoint, NULL, &l->file);
}

/* The next question that fits goes out. */
static void ask_next(struct table_link *l)
{
	for (struct maps_ask *ask; (ask = take_waiting(l)) != NULL;) {
		struct str out = STR(l->out);
		struct slice name = slice_of(l->name->name, l->name->name_len);
		int r = table_request_write(l->name->protocol, name, ask->key, &out);

		if (r < 0) {
			finish(ask, r);
			continue;
		}
		l->current = ask;
		l->out_len = out.len;
		l->out_sent = 0;
		timer_arm_in(&l->timer, TABLE_NET_TIMEOUT_NS);
		io_send(&l->send_op, l->file, l->out, l->out_len, 0);
		return;
	}
	timer_arm_in(&l->timer, TABLE_NET_IDLE_NS);
}

static void kick(struct table_link *l)
{
	if (l->state == LINK_CLOSED && !list_is_empty(&l->waiting))
		open_link(l);
	else if (l->state == LINK_READY && !awaits_answer(l) && !l->send_op.in_kernel)
		ask_next(l);
}

/* --- beginning and end ---------------------------------------------------------------------------- */

struct counting {
	struct table_net *net;
	unsigned count;
};

static void count_one(struct table *t, void *context)
{
	struct counting *c = context;

	c->count += table_needs_io(t);
}

static void add_one(struct table *t, void *context)
{
	struct counting *c = context;

	if (!table_needs_io(t))
		return;
	struct table_link *l = &c->net->links[c->net->count++];

	l->table = t;
	l->name = table_data(t);
	l->file = -1;
	op_init(&l->recv_op, on_recv);
	op_init(&l->send_op, on_send);
	list_init(&l->waiting);
	list_init(&l->buf_wait.node);
	l->buf_wait.fn = on_bufs;
	task_init(&l->reopen, on_reopen);
	wheel_timer_init(&l->timer, on_timer);
}

struct table_net *table_net_new(struct table_set *set)
{
	struct counting c = { 0 };

	table_set_each(set, count_one, &c);
	c.net = calloc(1, sizeof(*c.net) + c.count * sizeof(c.net->links[0]));
	if (c.net != NULL)
		table_set_each(set, add_one, &c);
	return c.net;
}

void table_net_close(struct table_net *net)
{
	for (unsigned i = 0; i < net->count; i++) {
		fail_all(&net->links[i], -ECANCELED);
		lose(&net->links[i], -ECANCELED);
	}
}

bool table_net_is_closed(const struct table_net *net)
{
	for (unsigned i = 0; i < net->count; i++)
		if (net->links[i].state != LINK_CLOSED)
			return false;
	return true;
}

void table_net_free(struct table_net **net)
{
	ASSERT(*net == NULL || table_net_is_closed(*net));
	for (unsigned i = 0; *net != NULL && i < (*net)->count; i++)
		reactor_unpost(&(*net)->links[i].reopen);	/* the last close may have been in this turn */
	free(*net);
	*net = NULL;
}
