/* tape.h - every decision of the simulator, in order: recorded from one seed, replayed, made smaller
 *
 * A decision is a number below some n. By convention 0 is the harmless choice (no fault, no delay, first come first
 * served), so that a tape with more zeros is a simpler story: that is all the shrinker does.
 *
 * replay   a tape that has come to its end says 0; a value that is too large counts modulo n
 * bounds   TAPE_MAX decisions; beyond them the tape goes on without being recorded
 * memory   one tape a process
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TAPE_MAX (4u << 20)

/* Where decisions are kept, when somebody else is to see them after our death: memory for TAPE_MAX values, and how many
 * there are. Before the first tape. */
void tape_share(uint32_t *values, size_t *count);

void tape_record(uint64_t seed);
void tape_replay(const uint32_t *values, size_t count);
/* A fuzzer decides: one octet is a choice among 256 or fewer, modulo; two are a part of whatever is more. */
void tape_octets(const uint8_t *octets, size_t count);

/* What has been decided so far, also in a replay. */
const uint32_t *tape_values(size_t *ret_count);

/* In [0, n); n > 0. */
uint32_t tape_below(uint32_t n);

/* In [lo, hi]; lo is the harmless end. */
uint64_t tape_range(uint64_t lo, uint64_t hi);

/* True per_million times in a million; false is the harmless answer. */
bool tape_chance(uint32_t per_million);

/* 64 bits of noise for what need not be simple: seeds of the engine's own dice, contents. One entry. */
uint64_t tape_noise(void);

/* A running number over everything that happened; two runs of one tape must agree. */
void tape_trace(uint64_t what);
uint64_t tape_trace_hash(void);
