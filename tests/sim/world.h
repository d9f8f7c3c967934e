/* world.h - the real engine on simulated cores, among simulated hosts: started, fed with mail, watched, crashed
 *
 *	world_start(&conf);			main.cf text in, engine objects on conf.cores simulated cores
 *	sim_host_add(...); zone_add(...);	see net.h and zone.h; before or after world_start
 *	world_offer(&mail);			a message from memory
 *	world_run_settled(limit);		virtual time passes; callbacks tell outcomes and log lines
 *	world_stop();				drains; asserts that pools, descriptors, timers and buffers are back
 *
 * One world a process at a time, and several one after the other.
 *
 * bounds   WORLD_CORES cores; mail, recipients and content are the caller's memory until on_finished
 */
#pragma once

#include "net/delivery/maillog.h"
#include "net/params.h"
#include "net/source/spool.h"
#include "tests/sim/net.h"
#include "tests/sim/tape.h"
#include "tests/sim/zone.h"

#define WORLD_CORES		4u
#define WORLD_JOBS_MAX		1024u	/* of one mail in memory */

struct world_mail;

struct world_conf {
	const char *main_cf;	/* NULL: all defaults, with myhostname = client.test */
	const char *hosts;	/* in the form of hosts(5); NULL: none */
	const char *own;	/* addresses of our interfaces, blank-separated, beside those in main.cf; NULL: none */
	unsigned cores;		/* 0: 1 */
	unsigned recv_bufs;	/* 0: 64; receive buffers a core: a power of two */
	unsigned files_max;	/* 0: 512 */
	unsigned sessions_max;	/* 0: as session_limit says */
	unsigned destinations_max;	/* 0: as in ringpostd */
	uint64_t wall_ns;	/* 0: 2026-11-23 12:00:00 UTC */
	const char *tls_ca;	/* TLS is to be had, and this file has whom to trust; NULL: it is not */
	bool spool;		/* the real spool on a simulated disk, and the listener: no world_offer then */
	/* Every log line; text is good during the call. */
	void (*on_log)(void *context, const char *level, const char *program, struct slice text);
	/* Trouble for the postmaster (notify_classes): what was said in a session; text is good during the call. */
	void (*on_report)(void *context, struct slice peer, struct slice text);
	/* With spool: a recipient's outcome is durable; id is its message's. */
	void (*on_rcpt)(void *context, uint64_t id, const struct rcpt *rcpt, enum maillog_status status);
	void *context;
};

/* A tape must be running (tape.h). Returns 0, or the number of errors in main_cf, each given to on_log as "config". */
unsigned world_start(const struct world_conf *conf);

/* Drains, stops and checks. Returns false when the drain did not end within limit_ns of virtual time. */
bool world_stop(uint64_t limit_ns);

/* --- lives of an engine with a spool ---------------------------------------------------------------- */

/* Has every core recovered and begun to listen? WORLD_FAILED: the spool could not be opened, as after errors of the
 * disk; ringpostd would end, so world_die and world_revive are what remains. */
enum world_state { WORLD_STARTING, WORLD_UP, WORLD_FAILED, WORLD_DEAD };
enum world_state world_state(void);

/* The process is killed, or the power fails: the disk forgets, and no connection is ended in order. */
void world_die(bool power);
/* It starts again with the same main.cf. */
void world_revive(void);

/* What all cores hold. */
struct spool_usage world_spool_usage(void);

/* The engine's parameters, for whoever wants to look. */
const struct params *world_params(void);

/* --- mail from memory --------------------------------------------------------------------------- */

/* The caller fills msg.sender, msg.facts, msg.rcpts (those of one domain stand together), msg.rcpt_count, and whatever
 * else a message carries; world_offer does magic, home, id (unless set), arrival (unless set), size and wire_size, and
 * the states of the recipients. */
struct world_mail {
	struct message msg;
	struct slice content;		/* wire form: CRLF, dots stuffed, no final dot; or records (MESSAGE_RECORDS) */
	const char *nexthop;		/* NULL: by relayhost and recipient domain; else for all, as a transport says */
	uint32_t window;		/* octets of content handed out at a time; 0: all at once */
	uint64_t content_late_ns;	/* so much longer each claim takes, and with it the first octets of content */
	int claim_err;			/* != 0: the next claim fails with it */
	int body_err;			/* != 0: the content cannot be read after the first window */
	uint32_t body_good;		/* nor, if this is more, after so many octets */
	/* One recipient has an outcome. Deferred ones come again. */
	void (*on_rcpt)(struct world_mail *mail, const struct attempt *a, const struct rcpt *rcpt,
			enum maillog_status status);
	/* The final dot was under way, and it is tried again: it may be delivered twice. */
	void (*on_doubt)(struct world_mail *mail, const struct rcpt *rcpt);
	void (*on_finished)(struct world_mail *mail);	/* nothing is open any more */
	void *context;
	/* private */
	uint32_t jobs_open;		/* not finished */
	uint32_t under_way;		/* recipients claimed or being answered */
	uint32_t unsettled;		/* open recipients that have had no answer since they were offered */
	bool *answered;
	struct world_job *jobs;
};

void world_offer(struct world_mail *mail);

/* Text to wire form: line ends become CRLF, dots are stuffed, a last line is ended; sets facts as the listener would.
 * Into storage of size octets; asserts that it fits. */
struct slice world_wire(const char *text, char *storage, size_t size, uint32_t *ret_facts);

/* --- time --------------------------------------------------------------------------------------- */

/* Runs for so long, or until done says so (may be NULL), whichever is first. True: done said so. */
bool world_run(uint64_t for_ns, bool (*done)(void *context), void *context);

/* Runs until every offered mail is finished or each of its open recipients has been deferred at least once since it was
 * offered, and nothing is under way; idle connections may remain. False: limit_ns passed. */
bool world_run_settled(uint64_t limit_ns);

/* The same until every mail is finished, through deferrals. */
bool world_run_finished(uint64_t limit_ns);

/* Runs until no connection is open and no event is left but timers of idle housekeeping. */
bool world_run_quiet(uint64_t limit_ns);

uint64_t world_wall(void);
/* The wall clock is set forward or back. */
void world_step_wall(int64_t by_ns);
/* The machine sleeps for so long: only the monotonic clock does not see it. */
void world_suspend(uint64_t ns);
