/* table_net.h - tables that ask another process: tcp: and socketmap:; and one way to ask tables of all kinds
 *
 *	tcp:192.0.2.1:port			tcp_table(5); also tcp:[2001:db8::1]:port and tcp:localhost:port
 *	socketmap:inet:192.0.2.1:port:name	socketmap_table(5)
 *	socketmap:unix:/path:name
 *
 * Hosts are numbers: nobody would look a name up while mail waits for the table. Each core has one connection a
 * table, opened by the first question, closed when idle; one question is under way on it, the others wait in order.
 *
 *	maps_ask(net, &x->ask, params->some_maps, key, 0, &x->value, on_answer);
 *
 * The answer is that of maps_find: 1, 0 or a negative error, and the same for local tables. It comes later in this
 * turn, or in a later one, never inside the call.
 *
 * bounds   TABLE_NET_WAITING questions a table and core, else -ENOBUFS
 * time     TABLE_NET_TIMEOUT_NS to connect, and for each answer: then ERR_TIMEOUT. A question whose connection was lost
 *          before a first octet of the answer, and which was not the connection's first, is asked once more on a new
 *          one: the other side may have closed what was idle
 * errors   when nobody can be reached, all that wait get the error at once
 * memory   pooled at start
 */
#pragma once

#include "core/io.h"
#include "core/maps.h"
#include "core/reactor.h"

#define TABLE_NET_WAITING	1000u
#define TABLE_NET_TIMEOUT_NS	(100 * NS_PER_SEC)	/* as Postfix */
#define TABLE_NET_IDLE_NS	(10 * NS_PER_SEC)

struct table_net;
struct maps_ask;
struct table_link;

typedef void maps_answer_fn(struct maps_ask *ask, int result);

/* A question; part of whoever asks. Put it to zero before the first use. */
struct maps_ask {
	const struct maps *maps;
	struct slice key;
	struct str *value;
	maps_answer_fn *fn;
	/* private */
	struct list node;
	struct task task;
	struct table_net *net;
	struct table_link *link;	/* where it waits */
	unsigned flags;
	unsigned index;			/* of the table that is asked */
	int result;
	bool under_way;
	bool again;			/* its second try */
};

/* Makes the two types known to table_open: once, before the first table is opened. */
void table_net_register(void);

/* One core's connections for all network tables of the set; start only, after all tables are open. NULL: no memory. */
struct table_net *table_net_new(struct table_set *set);

/* Ends all connections; those who wait get -ECANCELED. table_net_is_closed tells when the kernel has let go: then free
 * it. */
void table_net_close(struct table_net *net);
bool table_net_is_closed(const struct table_net *net);
void table_net_free(struct table_net **net);

/* key and ret_value must stay until the answer. */
void maps_ask(struct table_net *net, struct maps_ask *ask, const struct maps *maps, struct slice key, unsigned flags,
	      struct str *ret_value, maps_answer_fn *fn);

/* The answer is not wanted any more. It is waited for all the same when the question has gone out, so that the others
 * who share the connection keep it. Harmless when there is no question. */
void maps_ask_cancel(struct maps_ask *ask);
