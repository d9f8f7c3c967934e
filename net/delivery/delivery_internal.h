/* delivery_internal.h - what delivery.c, destination.c, lane.c, lane_tls.c and trial.c share
 *
 * never    included outside of net/delivery
 */
#pragma once

#include "core/map.h"
#include "core/metric.h"
#include "net/delivery/auth_memory.h"
#include "net/delivery/conn_cache.h"
#include "net/delivery/credentials.h"
#include "net/delivery/credit.h"
#include "net/delivery/delivery.h"
#include "net/delivery/outcome.h"
#include "net/delivery/requiretls.h"
#include "net/delivery/window.h"

#define DESTINATION_MAGIC	UINT32_C(0x64737431)
#define LANE_MAGIC		UINT32_C(0x6c6e6531)

#define DESTINATIONS_MAX	65536u	/* per core; 700 octets each, touched when used */
#define ROUTES_MAX		16384u	/* per core; destinations with something to do right now */
#define LOOKUPS_MAX		256u	/* per core; 50 KiB each, touched when used */
#define CACHE_BACK_TO_BACK_NS	NS_PER_SEC	/* between the end of a delivery and the beginning of the next */
#define TLSAS_MAX		4096u	/* per core, 7 KiB each, touched when used: what routes know of hosts */
#define DISPATCH_LOOK_AHEAD	8u	/* jobs looked at for one that fits an open session */
#define DISPATCH_BITE		64u	/* jobs answered without a session in one go */
/* beyond two for each lane: those answered without a session, and those settling */
#define TRIALS_SPARE		1024u
/* What a session can raise (net/smtp/session.h): only for these a transcript is worth its memory. */
#define NOTIFY_CLASSES		(NOTIFY_PROTOCOL | NOTIFY_DATA)
/* to resume by, per core; 1 KiB each and what the library keeps, some 1 KiB more: touched when used */
#define TLS_SESSIONS_MAX	4096u
#define TLS_SESSION_LIFE_MIN_NS	(120 * NS_PER_SEC)	/* as Postfix has it */
#define TLS_SESSION_LIFE_MAX_NS	(100 * 86400 * NS_PER_SEC)
#define TRANSCRIPTS_MAX		1024u	/* per core, 8 KiB each, touched when used; sessions beyond that have none */
#define LANE_ADDRESS_GONE	(ROUTE_ADDRESSES_MAX)

static_assert(LANE_ADDRESS_GONE <= UINT8_MAX, "destination.moved has octets");

struct delivery {
	struct delivery_conf conf;
	struct generic_conf generic;
	struct nexthop_conf nexthop;
	struct route_conf route;
	struct window_conf window;		/* of a destination that is whole */
	struct window_conf window_shard;	/* of one that is split over all cores */
	struct pool destinations, routes, lookups, lanes, trials;
	struct pool tls;		/* of struct session_tls; empty where TLS is never asked for */
	struct session_auth_pool auths;	/* empty without smtp_sasl_auth_enable, and so is what is refused */
	struct auth_memory refused;
	struct credentials_salt salt;
	struct pool danes;		/* of struct tls_dane, for sessions until they are ready; empty without DANE */
	struct pool tlsas;		/* of struct route_tlsa; the same */
	struct tlsa_conf tlsa;
	struct content_pool contents;
	struct zero_copy zero_copy;
	struct pool works;		/* of sessions that are at work: one for each lane */
	struct pool tls_events;		/* empty unless somebody wants them */
	struct pool transcripts;	/* empty unless notify_classes wants some */
	struct map by_nexthop;
	struct destination *recent;	/* of them, the one found last; or NULL */
	struct list unused;		/* destinations with nothing to do, the longest unused first */
	struct list homeless;		/* jobs for which there was no destination */
	struct list starving;		/* destinations that found a pool empty */
	struct credits credits;		/* of lanes */
	struct list on_trial[CREDIT_LIMITED];	/* destinations that found none left */
	struct task feed;		/* gives them another try */
	struct heap deferred;
	struct wheel_timer due;
	size_t idle;			/* lanes */
	struct list idle_lanes;		/* of all destinations, the longest idle last */
	struct conn_cache cached;	/* the same, by what they are good for */
	struct tls_sessions sessions;	/* to resume by */
	bool bind_worked[2];		/* IPv4, IPv6: a connection bound to our source address has come up */
	bool draining;
	void (*drained)(struct delivery *d, void *context);
	void *drained_context;
	struct task drain_check;
};

/* Everything we know about where a nexthop's mail goes; with smtp_destination_recipient_limit = 1, where that for one
 * recipient goes: window, pauses and suspension are then his alone. */
struct destination {
	uint32_t magic;
	struct delivery *delivery;
	struct map_node by_nexthop;
	struct list node;		/* in unused, starving or on_trial, or nowhere */
	struct list ready;		/* jobs that wait for a session */
	struct list all_lanes;
	struct list idle;		/* lanes that wait for a job, the latest used first */
	struct route *route;		/* while there is something to do */
	struct route *route_next;	/* being looked up, to take its place */
	struct window window;
	const struct window_conf *window_conf;
	uint32_t jobs;			/* ready and under way; those in the heap belong to no destination */
	uint32_t route_generation;	/* of the numbers in job.tried */
	uint8_t moved[ROUTE_ADDRESSES_MAX];	/* what the numbers of the generation before have become */
	uint32_t busy;			/* lanes connecting or carrying something */
	uint32_t lanes;
	enum credit credit;
	bool is_on_trial;		/* stands in on_trial, and keeps its place there */
	uint64_t suspended_until_ns;	/* monotonic; 0: not suspended */
	uint64_t next_start_ns;		/* smtp_destination_rate_delay */
	struct wheel_timer wake;
	struct task dispatch;
	bool is_relayhost;
	unsigned auth_rank;		/* of the best mechanism that has worked (row AUT-03) */
	bool chunking;			/* BDAT where it is offered; not any more once a server did not know it */
	bool bind_failed;		/* the source address cannot be bound: said once, left out from then on */
	bool bind6_failed;
	bool is_watched;		/* debug_peer_list */
	bool cache_always;		/* smtp_connection_cache_destinations */
	bool cache_load;		/* use idle connections */
	bool cache_store;		/* keep connections that have nothing to do */
	uint64_t last_done_ns;		/* the end of the latest delivery; 0: there was none */
	struct enhanced_code suspended_dsn;
	char suspended_text[ROUTE_TEXT];
	uint16_t suspended_len;
	uint16_t nexthop_len;
	uint16_t key_len;		/* the nexthop, and then what stands for the recipient */
	char nexthop[JOB_NEXTHOP_MAX + sizeof(uint64_t)];
};

/* A route from the pool, and whose it is. */
struct route_owner {
	struct route route;
	struct destination *destination;
};

/* One session of a destination and what it carries. */
struct lane {
	uint32_t magic;
	struct destination *destination;
	struct list node;		/* in destination.idle */
	struct list idle_node;		/* in delivery.idle_lanes */
	struct list all_node;		/* in destination.all_lanes */
	struct conn_entry cached;	/* in delivery.cached, while idle */
	struct job *leader;		/* for which it is being opened */
	unsigned address;		/* index in the route; LANE_ADDRESS_GONE: no longer in it */
	bool is_idle;
	enum credit credit;		/* it was opened on, until it has proved itself */
	struct session_tls *tls;	/* NULL: not asked for */
	enum tls_demand demand;		/* of all the mail it may carry */
	struct tls_event *tls_event;	/* NULL: there is nothing to tell, or it has been told */
	struct credentials_id who;	/* we are there; all zeroes: nobody */
	struct tls_dane *dane;		/* of tls, until it is ready; NULL: none */
	bool may_keep;			/* TLS sessions: smtp_tls_connection_reuse */
	uint64_t handoff_ns;		/* queue clock */
	struct wheel_timer idle_timer;
	struct session session;
};

/* What an idle session costs (design.md, section 5); one at work has a struct session_work besides. */
static_assert(sizeof(struct lane) <= KIB(6), "10,000 idle sessions have 60 MiB");

/* One attempt and its transaction. */
struct trial {
	struct transaction transaction;
	struct lane *lane;		/* NULL: answered without a session, or the lane has gone */
	unsigned address;		/* in the route of that generation */
	uint32_t route_generation;
	bool claiming;			/* the claim has not been answered yet */
	bool finished;			/* the transaction is done: settle as soon as the claim is answered */
	bool had_session;		/* some host has been talked to */
	bool too_many;			/* recipients were refused only because there were too many */
	bool hop_failed;		/* the destination's fault, not the message's */
	bool from_cache;		/* the lane had been idle */
	bool nothing_left;		/* but addresses of the same server */
	bool local_failed;		/* our own: no other host would do better */
	bool plain_next;		/* the same host again, without TLS */
	bool lost;			/* the session did not come to its normal end */
	struct attempt attempt;		/* last, for its end is long and hardly used */
};

/* The calling core's. */
struct delivery *delivery_self(void);
/* The program that log lines name. */
static inline const char *delivery_log_name(void)
{
	return params_client_name(delivery_self()->conf.params);
}

/* --- destination.c ---------------------------------------------------------------------------- */

/* Takes the job into the destination's queue, or its place in the deferred heap. */
void destination_take_job(struct delivery *d, struct job *job);
/* The same for one whose time has come: its round has begun, job->due_ns is 0 unless some have been deferred in it. */
void destination_admit_job(struct delivery *d, struct job *job);
void destination_push_ready(struct destination *dst, struct job *job, bool first);
/* One transaction of the job is over, not all of it: back to the head of the queue, which may be another one. */
void destination_go_on(struct destination *dst, struct job *job);
/* Has each recipient a destination of his own? */
static inline bool is_by_rcpt(const struct delivery *d)
{
	return d->conf.params->smtp_destination_recipient_limit == 1;
}

/* A job for this lane, taken out of the ready queue; NULL: none fits. */
struct job *destination_pop_for(struct destination *dst, const struct lane *lane);
/* A delivery begins: is it worth while to keep connections (B 18.2)? riding: at once behind another on the same one. */
void destination_note_start(struct destination *dst, bool riding);
/* The numbers in job.tried become those of the present route. */
void destination_sync_tried(struct destination *dst, struct job *job);
/* What the number of an address of that generation is in the present route; LANE_ADDRESS_GONE: none. */
unsigned destination_address_now(const struct destination *dst, unsigned address, uint32_t generation);
/* This address has been asked (LANE_ADDRESS_GONE: it is no longer in the list). Is there another for this round? */
void destination_mark_tried(struct job *job, unsigned address);
bool destination_has_next(const struct destination *dst, const struct job *job);
/* A delivery, and not its next host. */
static inline bool job_is_fresh(const struct job *job)
{
	return job->asked == 0;
}

/* A host is about to be asked: when must the whole request, over all its hosts, be over (daemon_timeout)? */
uint64_t destination_request_end(const struct destination *dst, struct job *job);

/* No address has been tried. */
void destination_new_round(struct job *job);
/* Does what can be done now, later in this turn. */
void destination_wake(struct destination *dst);
void destination_job_left(struct destination *dst);
/* A lane or a job has gone, or waits: if nothing is to be done now, the route goes back; if nothing is left to do, the
 * destination may make room for another. */
void destination_rest(struct destination *dst);
/* TLSA records that somebody has asked for are known. */
void destination_on_tlsa(struct route *r);
/* The end of everything: what was known about dst goes. Its jobs stay with their source. */
void destination_forget(struct destination *dst);
/* Feedback: the destination itself failed (or did not). */
void destination_failed(struct destination *dst, struct enhanced_code dsn, struct slice why);
void destination_worked(struct destination *dst);
/* Puts dst in line for a session that its credit does not allow now. */
void destination_stand_trial(struct destination *dst);
/* Puts dst in line for what a pool could not give. */
void destination_starve(struct destination *dst);
/* Gives the job an answer without a session, or puts it back when no trial can be had. lane: of which nothing has come,
 * or NULL. */
void destination_answer(struct destination *dst, struct job *job, const struct lane *lane, struct outcome outcome,
			enum session_state step, struct slice why, bool hop_failed);

/* --- lane.c ----------------------------------------------------------------------------------- */

enum lane_start {
	LANE_BEGUN,
	LANE_STARVED,		/* none can be had now */
	LANE_WAITS		/* for TLSA records: the destination is woken */
};

/* Opens a session for job, or skips a host that policy forbids. */
enum lane_start lane_open(struct destination *dst, struct job *job, unsigned address);
/* May this lane take job, now when it is idle, else behind what it carries? */
bool lane_fits(const struct lane *lane, const struct job *job);
/* An idle lane of any destination to this address of dst, which is dst's from now on; NULL: there is none. */
struct lane *lane_borrow(struct destination *dst, const struct job *job, unsigned address);
/* An idle lane takes job; false: no trial can be had now. */
bool lane_carry(struct lane *lane, struct job *job);
/* The session broke at or in TLS: may this job go to the same address in clear? */
bool lane_may_go_plain(const struct lane *lane, const struct job *job);
/* The jobs that lane is at work for know the new numbers. */
void lane_sync_tried(struct lane *lane);
/* The lane that has been idle longest is given up for somebody who has work; false: there is none. */
bool lane_give_up_idle(struct delivery *d);
/* It has carried something to its end. */
void lane_proved(struct lane *lane);
/* QUITs all idle lanes. */
void lanes_quit(struct destination *dst);
/* Policy forbids a session with this host: the next one is asked (B 4). is_about_host: mail of other kinds would hear
 * the same. */
void lane_skip_host(struct destination *dst, struct job *job, unsigned address, struct outcome outcome,
		    struct str *why, bool is_about_host);

/* --- lane_tls.c ------------------------------------------------------------------------------- */

/* What a session may do with TLS, all of it from the pools. */
struct lane_tls {
	struct session_tls *tls;	/* NULL: it has none */
	struct tls_dane *dane;		/* NULL: it is not held against TLSA records */
	struct tls_event *event;	/* NULL: nobody is to be told */
	enum tls_demand demand;
	enum param_requiretls requiretls;
	struct conn_key key;		/* of the connection */
	bool may_keep;
	bool is_skipped;		/* the session must not be opened, and the host has been skipped */
};

/* who: we are there. LANE_BEGUN: *ret_choice is the caller's, or is_skipped. */
enum lane_start lane_tls_choose(struct destination *dst, struct job *job, unsigned address,
				const struct credentials_id *who, struct lane_tls *ret_choice);
void lane_tls_put(struct delivery *d, struct lane_tls *choice);
/* For whom a session with this address would be good. */
void lane_tls_key(struct conn_key *ret_key, const struct destination *dst, unsigned address, enum tls_demand demand,
		  const struct credentials_id *who);
/* Where our end of a connection to remote would be; NULL: the system chooses. */
const struct addr *lane_source(const struct destination *dst, const struct addr *remote);

/* --- lane_auth.c ------------------------------------------------------------------------------ */

/* Who we are there for this job; all zeroes: nobody. As credentials_find. */
int lane_identify(const struct destination *dst, const struct job *job, unsigned address,
		  struct credentials_id *ret_who, struct str *why);
/* Would this job have the same credentials? */
bool lane_is_of_same(const struct lane *lane, const struct job *job);
/* session_events.credentials */
int lane_on_credentials(struct session *s, struct auth_credentials *ret);
/* The session has failed: what is to be remembered of that. */
void lane_note_auth(struct lane *lane);

/* --- trial.c ---------------------------------------------------------------------------------- */

/* Starts job's next transaction on lane, with a probe when it comes from the cache. False: no trial can be had now. */
bool trial_start(struct lane *lane, struct job *job, bool from_cache);
/* The first recipient that has not been tried in this round; NULL: there is none. */
const struct rcpt *job_next_rcpt(struct job *job);
/* The transaction is done, every recipient tried has an outcome. */
void trial_finish(struct trial *t);
/* Ends job's round without a session (lane: of which nothing has come, or NULL): every open recipient of the
 * destination gets this outcome. False as above. */
bool trial_answer(struct destination *dst, struct job *job, const struct lane *lane, struct outcome outcome,
		  enum session_state step, struct slice why, bool hop_failed);

static inline struct trial *trial_of(struct transaction *t)
{
	return container_of(t, struct trial, transaction);
}

/* Something has been put back: let those in line try again. */
void delivery_feed(struct delivery *d);
void delivery_drain_check(struct delivery *d);

void delivery_defer(struct delivery *d, struct job *job);

/* "QUEUEID: text": a host was left for the next one (B 22.4), a line was broken. */
void delivery_log_job(const struct job *job, struct slice text);

extern struct metric metric_sessions_opened, metric_connects_failed, metric_transactions, metric_suspended,
	metric_tls_events_lost, metric_homeless, metric_cache_hits, metric_cache_moved, metric_cache_stale;
