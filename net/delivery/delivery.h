/* delivery.h - one core's share of all destinations: who gets the next connection
 *
 *	delivery_offer --note--> destination queue --window--> lane (a session and what it carries) --> trial --> settle
 *	                              ^                                                                   |
 *	                              '-- deferred heap (due) <------- not done ---------------------------'
 *
 * Rules of the host loop (B 4): a job's recipients try the addresses of the route in order; a soft failure moves them
 * to the next address at once, a hard one ends them; when no address is left they are deferred, and with them the
 * destination learns something about itself (net/delivery/window.h).
 *
 * bounds   lanes, trials, destinations and routes from pools sized at start; who finds one empty waits in line
 * thread   one core each; other cores reach it by the notes inside jobs and attempts
 */
#pragma once

#include "net/delivery/intake.h"
#include "net/delivery/route.h"
#include "net/delivery/tls_event.h"
#include "net/delivery/tls_policy.h"
#include "net/smtp/transcript.h"

struct delivery;

struct delivery_conf {
	unsigned core;
	unsigned cores;
	const struct params *params;
	const struct source *source;
	const struct services *services;
	struct table_net *tables;	/* of other processes; NULL: there are none */
	struct tls_context *tls;	/* NULL: TLS is not to be had; delivery_set_tls changes it */
	struct tls_room *tls_room;
	struct mx_conf mx;		/* resolver, hosts and lists filled in by the caller */
	/* A session that raised one of notify_classes is over: what was said in it, good during the call. NULL: nobody
	 * wants to know. */
	void (*report)(void *context, struct slice peer, const struct transcript *t);
	void *report_context;
	/* How TLS went on a connection (smtp_tlsrpt_enable): it is the listener's until tls_event_back. NULL: nobody
	 * wants to know. */
	void (*tls_event)(void *context, struct tls_event *event);
	void *tls_event_context;
	unsigned sessions_max;		/* this core's share of session_limit */
	size_t destinations_max;	/* 0: as many as are sensible; also bounds routes and lookups */
	size_t jobs_max;		/* all jobs of all cores: every one of them might have to wait here */
};

/* Once per process, before any core: the seed that tells who owns a destination, and the parameters. Registers
 * metrics. */
void delivery_start(const struct params *params, unsigned cores);

/* Octets of io_arena_take that delivery_new asks for; without them it takes other memory. */
size_t delivery_arena_size(const struct params *params);

/* On the core's own thread, before its first turn. NULL: no memory. */
struct delivery *delivery_new(const struct delivery_conf *conf);
void delivery_free(struct delivery **d);

/* What this machine is called and where it is has changed: lookups and connects to come go by it. Both must stay until
 * the next call has returned. */
void delivery_set_surroundings(struct delivery *d, const struct hosts *hosts, const struct addr *own,
			       unsigned own_count);

/* Sessions to come use this one (NULL: TLS is not to be had). Returns the one before, to be retired. */
struct tls_context *delivery_set_tls(struct delivery *d, struct tls_context *context);

/* Nothing new is begun; what is under way ends, and is settled; then done is called. What is still queued stays in the
 * source. Sessions that have not sent a message yet are dropped. */
void delivery_drain(struct delivery *d, void (*done)(struct delivery *d, void *context), void *context);

struct delivery_usage {
	size_t destinations;	/* known, with or without work */
	size_t busy_destinations;
	size_t lanes;		/* open connections, and those being opened */
	size_t idle;
	size_t trials;
	size_t deferred;	/* jobs waiting for their time */
};
struct delivery_usage delivery_usage(const struct delivery *d);
