#include "core/random.h"

#include <errno.h>
#include <sys/random.h>
#include <sys/types.h>

#include "core/base.h"

/* xoshiro256++ by Blackman and Vigna (public domain): 256 bits of state, which must not all be zero. */
static _Thread_local struct {
	uint64_t word[4];
	bool seeded;
} state;

static uint64_t rotate_left(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static void seed(void)
{
	do
		random_fill(state.word, sizeof(state.word));
	while ((state.word[0] | state.word[1] | state.word[2] | state.word[3]) == 0);
	state.seeded = true;
}

uint64_t random_u64(void)
{
	uint64_t *s = state.word;

	if (unlikely(!state.seeded))
		seed();
	uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
	uint64_t shifted = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= shifted;
	s[3] = rotate_left(s[3], 45);
	return result;
}

/* A fraction of 2^64, times n (Lemire). The low part tells the few fractions that would favour small results: there are
 * 2^64 mod n of them, and they are drawn again. */
uint64_t random_below(uint64_t n)
{
	ASSERT(n > 0);
	unsigned __int128 product = (unsigned __int128)random_u64() * n;

	if ((uint64_t)product < n) {
		uint64_t unfair = -n % n;

		while ((uint64_t)product < unfair)
			product = (unsigned __int128)random_u64() * n;
	}
	return (uint64_t)(product >> 64);
}

void random_fill(void *buf, size_t len)
{
	char *at = buf;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);

		/* Every kernel we run on has the call and needs no file for it; only a signal can come between. */
		ASSERT(n > 0 || errno == EINTR);
		if (n > 0) {
			at += n;
			len -= (size_t)n;
		}
	}
}
