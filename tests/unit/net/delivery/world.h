/* world.h - delivery on a real ring, between a source that forgets everything and servers on loopback
 *
 * The source answers claims and settles from posted tasks, and checks its side of the contract (net/delivery/intake.h):
 * every claim is settled once, no recipient is settled twice, a job is finished once, when nothing of it is open.
 */
#pragma once

#include "net/delivery/delivery.h"
#include "net/lookup/hosts.h"
#include "tests/test.h"
#include "tests/unit/net/smtp/puppet.h"

#define WORLD_JOBS    64u
#define WORLD_RCPTS   128u
#define WORLD_PUPPETS 3u

struct world_job {
	struct job job;
	struct message msg;
	struct rcpt rcpts[WORLD_RCPTS];
	char nexthop[JOB_NEXTHOP_MAX];
	unsigned settles;    /* attempts that were settled */
	unsigned deferrals;  /* settles with a time to try again */
	unsigned doubts;     /* recipients settled as "may be delivered twice" */
	unsigned under_way;  /* claimed or answered, not settled */
	uint64_t settled_ns; /* the latest, queue clock */
	uint64_t retry_at_ns;
	bool finished;
	char relay[64]; /* of the latest settle */
	char text[256]; /* the latest reason */
	struct enhanced_code dsn;
	uint32_t conn_use;
};

struct world {
	struct delivery *delivery;
	struct puppet puppets[WORLD_PUPPETS];
	struct world_job jobs[WORLD_JOBS];
	unsigned job_count;
	unsigned finished;
	int claim_err; /* the answer to claims */
	bool hold_claims; /* until world_answer_claims */
	bool no_content;  /* claims are answered, and then the disk stands still */
	int settle_err;
	unsigned drained;
	unsigned reports;	/* to the postmaster */
};

extern struct world world;
extern struct params world_params;
extern unsigned world_sessions_max;	/* lanes of the next world */

int world_setup(void **state);    /* servers at 127.0.0.2, .3 and .4, all at one port, called "multi" together */
int world_teardown(void **state); /* drains, and looks whether everything is back in its place */
int world_end(void **state);
#define WORLD_CLAIM(words, fn) CLAIM_WITH(words, fn, world_setup, world_teardown)

/* Delivery begins; parameters as they are now. */
void world_start(void);
/* smtp_connection_cache_destinations */
void world_cache_always(const char *names);
/* A parameter's text, with the servers' port for "%"; good until the next one. */
const char *world_text(const char *text);
/* A job to nexthop, in which "%" stands for the port: "[127.0.0.2]:%". */
struct world_job *world_job(const char *nexthop, unsigned rcpts);
void world_turn(void);
void world_turns_for(unsigned ms);
/* Until all jobs are finished, or deferred and waiting. */
void world_settle(void);
/* Until all jobs are finished. */
void world_finish(void);
void world_drain(void);
void world_answer_claims(void);
unsigned world_count(const struct world_job *j, enum rcpt_state state);
