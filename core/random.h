/* random.h - chance (part of the seam: the simulator links its own, driven by one seed)
 *
 * Fast per-thread generator (xoshiro256++) seeded from the kernel: for jitter, shuffles and hash seeds. Not for
 * secrets.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint64_t random_u64(void);

/* Uniform in [0, n); n > 0. */
uint64_t random_below(uint64_t n);

/* Octets from the kernel, fit for identifiers that must not be guessed. */
void random_fill(void *buf, size_t len);
