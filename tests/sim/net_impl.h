/* net_impl.h - the simulated network from inside
 *
 *	net.c		hosts, connecting, dialling
 *	net_way.c	octets on their way, and the engine's end
 *	net_program.c	a program's end, alarms
 *
 * never    included from outside of net*.c
 */
#pragma once

#include "tests/sim/machine.h"

/* Octets that were handed over together, and from when on they are there. */
struct burst {
	uint64_t ready_ns;
	uint64_t end;			/* position in the stream */
	bool finish;			/* the stream ends with it */
};

/* One direction. Positions only grow: taken <= arrived <= entered. */
struct pipe {
	char *data;			/* octets [base, entered) */
	size_t cap;
	uint64_t base;
	uint64_t entered, arrived, taken;
	struct burst *bursts;
	unsigned burst_first, burst_count, burst_cap;
	uint64_t busy_ns;		/* the way is occupied until then */
	bool finish_entered, finish_arrived;
	bool silent;			/* cut: nothing arrives any more */
	bool moving;			/* an event for the next arrival is under way */
};

struct sim_conn {
	bool used;
	uint32_t generation;
	uint32_t number;
	struct sim_host *host;
	const struct sim_program *program;
	void *context;
	struct sim_link link;
	struct addr engine, peer;
	struct pipe to_engine, to_peer;
	/* the engine's end */
	unsigned core;
	int file;			/* -1: none, or none yet */
	bool engine_open;		/* its kernel has this connection, whether or not a program there has */
	bool dead;			/* its kernel knows nothing of this connection (power cut) */
	int error;			/* of the socket: told once */
	bool broken;
	struct flight *connecting;
	struct list node;		/* waiting at a listener */
	/* the program's end */
	bool peer_open;
	bool greeted;			/* on_open was called */
	bool reading;
	bool closed;			/* sim_close: what still arrives is answered with a reset */
	uint64_t wake_serial;
};

/* An event of a connection carries its generation: of one that is over it finds another. */
uint64_t net_latency(const struct sim_conn *c);
void net_conn_free_if_over(struct sim_conn *c);

void net_pipe_enter(struct sim_conn *c, struct pipe *p, struct slice data, bool finish);
void net_move_to_engine(struct sim_conn *c);
void net_move_to_peer(struct sim_conn *c);
void net_read_at_peer(struct sim_conn *c);
void net_peer_gone(struct sim_conn *c);
void net_peer_reset(struct sim_conn *c);
void net_reset_peer_later(struct sim_conn *c);
void net_engine_reset(struct sim_conn *c);
void net_on_reset_at_engine(void *context, uint64_t generation);
void net_engine_close(struct sim_conn *c);
