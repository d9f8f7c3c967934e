/* world_impl.h - the engine in the simulator from inside
 *
 *	world.c		configuration, delivery, time		world_spool.c	spool and listener, lives and deaths
 */
#pragma once

#include "core/table.h"
#include "net/delivery/delivery.h"
#include "net/source/inject_smtp.h"
#include "tests/sim/machine.h"
#include "tests/sim/world.h"

#define WORLD_OWN_MAX	32u
#define WORLD_SPOOL	"/spool"

/* One core's engine. */
struct part {
	unsigned core;
	struct resolver *resolver;
	struct table_net *tables;
	struct delivery *delivery;
	bool drained;
	bool step_done;
	struct spool *spool;
	struct inject *inject;
	struct spool_conf spool_conf;
};

struct world {
	struct world_conf conf;
	struct params_system system;
	struct conf *text;
	struct params params;
	struct table_set *tables;
	struct services services;
	struct hosts hosts;
	struct addr own[WORLD_OWN_MAX];
	unsigned own_count;
	unsigned cores;
	size_t jobs_max;
	struct part parts[WORLD_CORES];
	uint64_t wall_offset_ns;	/* wall clock minus monotonic */
	enum world_state state;
	unsigned recovered;		/* cores */
	uint64_t life;
};
extern struct world world;

/* Starts all cores; those with a spool recover and then listen. */
void world_boot(void);
/* On the core. */
void world_spool_start(struct part *p);
void world_spool_free(struct part *p);
/* All cores in step, as ringpostd does it; false: limit_ns passed. */
bool world_spool_stop_listening(uint64_t limit_ns);
bool world_spool_close(uint64_t limit_ns);
