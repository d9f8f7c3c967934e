#include "tests/sim/tape.h"

#include <stdlib.h>

#include "core/check.h"
#include "tests/test.h"

enum tape_source { TAPE_SEED, TAPE_VALUES, TAPE_OCTETS };

static struct {
	enum tape_source source;
	uint32_t *values;		/* decided so far */
	size_t count;
	size_t cap;
	size_t *shared_count;		/* NULL: nobody else looks */
	const uint32_t *replay;
	size_t replay_count;
	const uint8_t *octets;
	size_t octets_left;
	uint64_t seed;
	uint64_t hash;
} tape;

static void set_count(size_t count)
{
	tape.count = count;
	if (tape.shared_count != NULL)
		*tape.shared_count = count;
}

void tape_share(uint32_t *values, size_t *count)
{
	tape.values = values;
	tape.cap = TAPE_MAX;
	tape.shared_count = count;
}

static void begin(void)
{
	set_count(0);
	tape.hash = UINT64_C(0xcbf29ce484222325);
}

void tape_record(uint64_t seed)
{
	begin();
	tape.source = TAPE_SEED;
	tape.seed = seed;
}

void tape_replay(const uint32_t *values, size_t count)
{
	begin();
	tape.source = TAPE_VALUES;
	tape.replay = values;
	tape.replay_count = count;
}

void tape_octets(const uint8_t *octets, size_t count)
{
	begin();
	tape.source = TAPE_OCTETS;
	tape.octets = octets;
	tape.octets_left = count;
}

const uint32_t *tape_values(size_t *ret_count)
{
	*ret_count = tape.count;
	return tape.values;
}

/* Beyond the end of the tape decisions are made, and not kept. */
static void keep(uint32_t value)
{
	if (tape.count == TAPE_MAX)
		return;
	if (tape.count == tape.cap) {
		tape.cap = tape.cap > 0 ? 2 * tape.cap : 4096;
		tape.values = realloc(tape.values, tape.cap * sizeof(*tape.values));
		ASSERT(tape.values != NULL);
	}
	tape.values[tape.count] = value;
	set_count(tape.count + 1);
}

static uint32_t take_octet(void)
{
	if (tape.octets_left == 0)
		return 0;
	tape.octets_left--;
	return *tape.octets++;
}

static uint32_t from_octets(uint32_t n)
{
	uint64_t part = take_octet();

	if (n <= 256)
		return (uint32_t)part % n;
	part = part << 8 | take_octet();
	return (uint32_t)(part * n >> 16);
}

static uint32_t decide(uint32_t n)
{
	switch (tape.source) {
	case TAPE_SEED:
		return (uint32_t)((test_random(&tape.seed) >> 32) * n >> 32);
	case TAPE_VALUES:
		return tape.count < tape.replay_count ? tape.replay[tape.count] % n : 0;
	case TAPE_OCTETS:
		return from_octets(n);
	}
	UNREACHABLE();
}

/* A number of 32 bits: from the seed, or what the tape says. */
static uint32_t next(uint32_t n)
{
	const uint32_t value = decide(n);

	keep(value);
	return value;
}

uint32_t tape_below(uint32_t n)
{
	ASSERT(n > 0);
	return n == 1 ? 0 : next(n);
}

uint64_t tape_range(uint64_t lo, uint64_t hi)
{
	const uint64_t span = hi - lo;

	ASSERT(lo <= hi);
	if (span < UINT32_MAX)
		return lo + tape_below((uint32_t)span + 1);
	/* Coarser than one by one, but to both ends. */
	return lo + (uint64_t)((unsigned __int128)span * next(UINT32_MAX) / (UINT32_MAX - 1));
}

bool tape_chance(uint32_t per_million)
{
	return per_million > 0 && tape_below(1000000) >= 1000000 - per_million;
}

uint64_t tape_noise(void)
{
	uint64_t seed = next(UINT32_MAX);

	return test_random(&seed);
}

void tape_trace(uint64_t what)
{
	tape.hash = (tape.hash ^ what) * UINT64_C(0x9e3779b97f4a7c15);
	tape.hash ^= tape.hash >> 29;
}

uint64_t tape_trace_hash(void)
{
	return tape.hash;
}
