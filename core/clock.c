#include "core/clock.h"

#include <time.h>

#include "core/base.h"

static uint64_t read_clock(clockid_t id)
{
	struct timespec now;

	ASSERT(clock_gettime(id, &now) == 0);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

uint64_t clock_boot_ns(void)
{
	return read_clock(CLOCK_BOOTTIME);
}

uint64_t clock_wall_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}
