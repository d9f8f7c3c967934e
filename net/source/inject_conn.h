/* inject_conn.h - one injecting connection: its socket, the receive buffers it holds, its deadline
 *
 * Shared by inject_smtp.c, which accepts, counts and ends connections, and inject_conn.c, which runs them.
 *
 * never    included from outside of net/source/inject_*.c
 */
#pragma once

#include "core/map.h"
#include "core/metric.h"
#include "core/reactor.h"
#include "net/source/inject_smtp.h"
#include "net/source/inject_tls.h"

enum inject_conn_state {
	CONN_PROXY,		/* a proxy has still to say whose connection it is */
	CONN_OPEN,
	CONN_LINGERING,		/* our side is shut; what still comes is thrown away */
	CONN_CLOSING,		/* operations and the commit have still to end */
};

/* How many connections an address has. */
struct inject_client {
	struct map_node node;
	struct addr addr;
	unsigned count;
};

struct inject_conn {
	uint32_t magic;
	enum inject_conn_state state;
	struct inject *owner;
	struct list node;
	struct inject_client *client;	/* NULL when its connections are not counted */
	int file;
	bool eof;			/* the client has closed its side */
	bool leave;			/* 421 as soon as it is no longer awaited */
	uint32_t held_first;
	uint32_t held_last;
	uint32_t held_count;
	size_t sending;			/* octets of session.out in the kernel */
	uint64_t progress;		/* commands and octets when the deadline was set */
	uint64_t discarded;
	uint32_t heard;			/* messages whose 250 has left; session.accepted counts all */
	bool is_wrapped;		/* inject_smtps_listen: TLS from the first octet */
	struct inject_tls tls;
	struct str proxy_kept;		/* of the proxy's header; in session.staging, which has no content yet */
	struct op recv_op;
	struct op send_op;
	struct io_buf_waiter buf_wait;
	struct wheel_timer timer;
	struct task flush;
	struct inject_session session;
};

/* A receive buffer that waits for its session. */
struct inject_held {
	struct slice data;
	uint32_t next;
};

struct inject {
	struct inject_common common;
	const struct params *params;
	bool closing;
	unsigned listeners_open;
	unsigned listener_count;
	struct listener *listeners;
	unsigned wrapped_first;		/* of listeners: those from here on are inject_smtps_listen */
	struct pool conns;
	struct list list;		/* of all connections */
	struct pool clients;
	struct map by_address;
	struct tls_context *tls;	/* of sessions to come; NULL: there is none */
	struct tls_room tls_room;
	struct pool plains;
	struct helper helper;		/* for passwords; only with smtpd_sasl_auth_enable */
	bool helper_is_open;
	struct inject_held held[IO_RECV_BUFS];
	size_t held_total;
	size_t held_max;		/* then all are paused */
	bool paused;
	struct task resume_all;
	struct task closed;
	void (*done)(struct inject *inject, void *context);
	void *context;
};

void inject_conn_register_metrics(void);

/* Receives, but says nothing yet. */
void inject_conn_open(struct inject_conn *c, struct inject *inject, int file, const struct addr *peer);

/* Nobody has been told more than that we are here: the greeting follows, or TLS. */
void inject_conn_begin(struct inject_conn *c);

/* In the next turn: who speaks before is noticed. */
void inject_conn_greet(struct inject_conn *c);

/* This is a proxy: inject_on_client follows when it has said whose connection it is. */
void inject_conn_hear_proxy(struct inject_conn *c);

/* With this instead of a greeting. */
void inject_conn_turn_away(struct inject_conn *c, const char *reply);

/* We are shutting down. */
void inject_conn_leave(struct inject_conn *c);

/* The task of struct inject: those who were paused receive again. */
void inject_conn_resume_all(struct task *task);

/* To the session; what was secret in it is wiped. Returns true when the memory is still in use. */
bool inject_conn_feed(struct inject_conn *c, struct slice *in);

/* inject_smtp.c: now we know whose connection it is. */
void inject_on_client(struct inject *inject, struct inject_conn *c, const struct addr *client);

/* inject_smtp.c: nothing of the connection is in the kernel or in the spool any more. */
void inject_on_conn_gone(struct inject *inject, struct inject_conn *c);
