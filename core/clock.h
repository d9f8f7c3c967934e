/* clock.h - what time is it (part of the seam: the simulator links its own)
 *
 * reactor_now() in core/reactor.h is the time at which the current turn began and costs nothing; ask here only when
 * a turn itself is being measured.
 */
#pragma once

#include <stdint.h>

/* Nanoseconds since an arbitrary start, never backwards, not counting suspend (CLOCK_MONOTONIC). For deadlines. */
uint64_t clock_mono_ns(void);

/* The same, counting suspend (CLOCK_BOOTTIME). For ages and for the time of a retry (row URG-30). */
uint64_t clock_boot_ns(void);

/* Nanoseconds since 1970 (CLOCK_REALTIME): may jump. For stamps in records, headers and logs only. */
uint64_t clock_wall_ns(void);
