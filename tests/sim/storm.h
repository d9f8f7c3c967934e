/* storm.h - one seed: an engine with its spool among servers and injectors, while everything goes wrong; then it heals
 *
 *	safety		10..60 messages under faults, in some seeds 40..400, crashes and restarts included
 *	liveness	nothing goes wrong any more; within six days of virtual time every recipient has its end
 *	end		drain, close, everything given back; the ledger is checked
 *
 * Swarm: each seed draws its own probabilities, half of them zero; its own parameters, cores, buffers and pools.
 */
#pragma once

#include <stdint.h>

struct storm_figures {
	uint64_t messages;
	uint64_t commits;
	uint64_t announced;		/* "may be delivered twice" */
	uint64_t uninvited;		/* see ledger_check */
	uint64_t lives;			/* of the engine */
	uint64_t virtual_ns;
	uint64_t faults;		/* bits of enum fault: those that have struck */
	uint64_t trace;
};

/* A tape must be running. Returns, or dies with a sentence. */
void storm_run(struct storm_figures *ret_figures);
