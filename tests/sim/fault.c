#include "tests/sim/fault.h"

#include <string.h>

#include "tests/sim/tape.h"

uint32_t fault_rates[FAULT_COUNT];
uint64_t fault_seen;

bool fault_strikes(enum fault f)
{
	if (!tape_chance(fault_rates[f]))
		return false;
	fault_note(f);
	return true;
}

void fault_note(enum fault f)
{
	fault_seen |= UINT64_C(1) << f;
}

void fault_heal(void)
{
	memset(fault_rates, 0, sizeof(fault_rates));
}

const char *fault_name(enum fault f)
{
	static const char *const names[FAULT_COUNT] = {
#define X(name, words) #name,
		FAULTS(X)
#undef X
	};

	return names[f];
}
