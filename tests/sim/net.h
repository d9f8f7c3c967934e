/* net.h - the simulated network: hosts, connections, and what a program at the other end may do
 *
 *	engine (io.h)  --octets_per_s, latency, segments-->  [unread]  --on_data-->  program
 *	               <--------------- the same ----------            <--sim_send--
 *
 * A program is a struct of callbacks; it lives at a host (address and port, or unix path) that the engine connects to,
 * or dials an address on which the engine listens. All its calls and callbacks happen at moments of virtual time,
 * outside of every turn of the engine.
 *
 *	static void greet(struct sim_conn *c) { sim_send_text(c, "220 mx.test ESMTP\r\n"); }
 *	static const struct sim_program mute = { .on_open = greet };
 *	sim_host_add("192.0.2.1", 25, &mute, NULL);
 *
 * refused  an address where no host is; see sim_net_elsewhere
 * bounds   SIM_HOSTS_MAX hosts, SIM_CONNS_MAX connections at a time, SIM_PENDING_MAX octets that a program has sent
 *          and the engine has not received
 */
#pragma once

#include "core/addr.h"
#include "core/slice.h"

#define SIM_HOSTS_MAX		4096u
#define SIM_CONNS_MAX		8192u
#define SIM_PENDING_MAX		MIB(64)
#define SIM_LATENCY_NS		UINT64_C(200000)	/* one way, when a link says nothing */
#define SIM_BUFFER		KIB(256)		/* the same for buffer_to_peer */
#define SIM_CONNECT_TIMEOUT_NS	(127 * UINT64_C(1000000000))	/* Linux: tcp_syn_retries = 6 */

struct sim_conn;

/* What happens to a stream once `at` octets have arrived (0: when the first would): the rest does not, and... */
enum sim_cut_kind {
	SIM_CUT_NONE,
	SIM_CUT_FINISH,		/* the stream ends in order; the other direction goes on */
	SIM_CUT_RESET,		/* the connection is reset, for both sides */
	SIM_CUT_SILENCE,	/* nothing arrives any more in this direction; nobody is told */
};

struct sim_cut {
	enum sim_cut_kind kind;
	uint64_t at;
};

/* A connection's way. Zeros: SIM_LATENCY_NS, no bound of speed, segments of 64 KiB, SIM_BUFFER, no cut. */
struct sim_link {
	uint64_t latency_ns;		/* one way */
	uint64_t octets_per_s;		/* each way */
	uint32_t segment_to_engine;	/* octets that arrive together, at most: each such piece is one receive */
	uint32_t segment_to_peer;	/* the same for on_data */
	uint32_t buffer_to_peer;	/* octets under way and unread before the engine's sends block */
	struct sim_cut cut_to_engine;
	struct sim_cut cut_to_peer;
};

/* What becomes of an attempt to connect. */
enum sim_answer {
	SIM_ACCEPT,
	SIM_REFUSE,		/* -ECONNREFUSED after a round trip */
	SIM_BLACKHOLE,		/* nothing, until SIM_CONNECT_TIMEOUT_NS: -ETIMEDOUT */
	SIM_UNREACHABLE,	/* -EHOSTUNREACH after a round trip */
	SIM_NO_ROUTE,		/* -ENETUNREACH at once */
	SIM_LATE,		/* accepted after 30 s */
};

/* A program's reactions; any may be NULL. Octets handed to on_data are consumed. */
struct sim_program {
	void (*on_open)(struct sim_conn *c);
	void (*on_data)(struct sim_conn *c, struct slice data);
	void (*on_finish)(struct sim_conn *c);	/* the engine sends no more (FIN); we may go on */
	void (*on_reset)(struct sim_conn *c);	/* the engine, or the way, has reset the connection */
	void (*on_time)(struct sim_conn *c);	/* what sim_wake_in asked for */
	void (*on_gone)(struct sim_conn *c);	/* last call; for whatever reason it ended, ours included */
};

struct sim_host {
	struct addr addr;
	const struct sim_program *program;
	void *context;
	enum sim_answer answer;			/* SIM_ACCEPT; may be changed at any time */
	struct sim_link link;			/* what a new connection starts with */
	/* Optional: decides on each connection by itself, before it is made. It may change sim_link_of(c), set the
	 * connection's program and context. */
	enum sim_answer (*on_connect)(struct sim_host *host, struct sim_conn *c);
	unsigned attempts;			/* connections asked for, whatever the answer */
	unsigned opened;
	unsigned open_now;
};

/* address: "192.0.2.1", "2001:db8::1" with a port, or "/path" with port 0. The host stays until sim_net_done. */
struct sim_host *sim_host_add(const char *address, uint16_t port, const struct sim_program *program, void *context);
/* NULL: there is none. */
struct sim_host *sim_host_at(const char *address, uint16_t port);

/* What becomes of connections to where no host is: SIM_REFUSE unless said otherwise. attempts counts them. */
void sim_net_elsewhere(enum sim_answer answer);
unsigned sim_net_elsewhere_attempts(void);

/* Which addresses the engine may bind to (smtp_bind_address): any unless this was called; others are -EADDRNOTAVAIL. */
void sim_net_allow_local(const char *address);

/* --- a program's side of a connection ----------------------------------------------------------- */

/* The program dials an address on which the engine listens. from: its own address. The program's on_open says that the
 * engine's kernel has accepted; on_reset without on_open: nobody listens. */
struct sim_conn *sim_dial(const char *from, const char *to, uint16_t port, const struct sim_link *link,
			  const struct sim_program *program, void *context);

void sim_send(struct sim_conn *c, struct slice data);
void sim_send_text(struct sim_conn *c, const char *text);
void sim_finish(struct sim_conn *c);		/* half-close: what was sent arrives, then FIN. Harmless twice */
void sim_close(struct sim_conn *c);		/* the same, and whatever still arrives is answered with a reset */
void sim_reset(struct sim_conn *c);		/* RST: overtakes what has not arrived yet */
void sim_read(struct sim_conn *c, bool on);	/* off: octets stay unread, and at last the engine's sends block */
void sim_wake_in(struct sim_conn *c, uint64_t delay_ns);	/* one at a time: replaces the one before */
void sim_wake_cancel(struct sim_conn *c);

void *sim_context(const struct sim_conn *c);
void sim_set_context(struct sim_conn *c, void *context);
void sim_set_program(struct sim_conn *c, const struct sim_program *program);
struct sim_link *sim_link_of(struct sim_conn *c);
struct sim_host *sim_host_of(const struct sim_conn *c);		/* NULL: dialled by us */
const struct addr *sim_engine_addr(const struct sim_conn *c);	/* where the engine bound, or was dialled */
uint32_t sim_conn_number(const struct sim_conn *c);		/* 1, 2, ... in order of connecting */
uint64_t sim_octets_received(const struct sim_conn *c);		/* by the program */
uint64_t sim_octets_sent(const struct sim_conn *c);		/* by the program, arrived or not */
uint64_t sim_octets_unarrived(const struct sim_conn *c);	/* of those, not yet taken by the engine */

/* Calls fn once at a moment; not tied to a connection. */
struct sim_alarm {
	void (*fn)(struct sim_alarm *alarm);
	void *context;
	uint64_t due_ns;
	bool armed;
	uint64_t serial;	/* private */
};
void sim_alarm_in(struct sim_alarm *alarm, uint64_t delay_ns);
void sim_alarm_cancel(struct sim_alarm *alarm);

/* Virtual monotonic time. */
uint64_t sim_now(void);
