#include "core/crc.h"

#include <stdbool.h>
#include <string.h>

/* The table is linear: the entry of an octet is the sum (exclusive or) of the entries of its bits, and those
 * eight are the polynomial 0x82f63b78 (reflected) shifted through 8 .. 1 zero bits. */
#define BIT_ENTRY(i, bit, entry) ((i) & (1u << (bit)) ? (entry) : 0u)
#define ENTRY(i)							\
	(BIT_ENTRY(i, 0, 0xf26b8303u) ^ BIT_ENTRY(i, 1, 0xe13b70f7u) ^	\
	 BIT_ENTRY(i, 2, 0xc79a971fu) ^ BIT_ENTRY(i, 3, 0x8ad958cfu) ^	\
	 BIT_ENTRY(i, 4, 0x105ec76fu) ^ BIT_ENTRY(i, 5, 0x20bd8edeu) ^	\
	 BIT_ENTRY(i, 6, 0x417b1dbcu) ^ BIT_ENTRY(i, 7, 0x82f63b78u))
#define ENTRY_4(i)	ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define ENTRY_16(i)	ENTRY_4(i), ENTRY_4((i) + 4), ENTRY_4((i) + 8), ENTRY_4((i) + 12)
#define ENTRY_64(i)	ENTRY_16(i), ENTRY_16((i) + 16), ENTRY_16((i) + 32), ENTRY_16((i) + 48)

static const uint32_t table[256] = { ENTRY_64(0u), ENTRY_64(64u), ENTRY_64(128u), ENTRY_64(192u) };

uint32_t crc32c_portable(uint32_t crc, const void *buf, size_t len)
{
	const uint8_t *p = buf;

	crc = ~crc;
	for (size_t i = 0; i < len; i++)
		crc = table[(crc ^ p[i]) & 0xff] ^ crc >> 8;
	return ~crc;
}

#if defined(__x86_64__)

#include <nmmintrin.h>
#include <wmmintrin.h>

/* One instruction takes three cycles, but the processor can have three under way: three lanes side by side, joined by a
 * carry-less multiplication. Shifting a CRC over n zero octets is multiplying it with x^(8n) modulo the polynomial; the
 * instruction itself shifts the 64-bit product by 33 more than wanted, so the factor is x^(8n - 33). */
#define LANE		256u
#define SHIFT_ONE	0xb9e02b86u	/* x^(8 * LANE - 33), reflected */
#define SHIFT_TWO	0xdd7e3b0cu	/* x^(16 * LANE - 33), reflected */

static inline uint64_t load_u64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

__attribute__((target("sse4.2,pclmul")))
static inline uint64_t shift(uint64_t crc, uint32_t factor)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((long long)crc), _mm_cvtsi64_si128(factor), 0);

	return _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul")))
static uint64_t three_lanes(uint64_t crc, const uint8_t *p)
{
	uint64_t a = crc;
	uint64_t b = 0;
	uint64_t c = 0;

	for (size_t i = 0; i < LANE; i += 8) {
		a = _mm_crc32_u64(a, load_u64(p + i));
		b = _mm_crc32_u64(b, load_u64(p + LANE + i));
		c = _mm_crc32_u64(c, load_u64(p + 2 * LANE + i));
	}
	return shift(a, SHIFT_TWO) ^ shift(b, SHIFT_ONE) ^ c;
}

__attribute__((target("sse4.2,pclmul")))
static uint32_t crc32c_hardware(uint32_t start, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	uint64_t crc = ~start;

	for (; len >= 3 * LANE; len -= 3 * LANE, p += 3 * LANE)
		crc = three_lanes(crc, p);
	for (; len >= 8; len -= 8, p += 8)
		crc = _mm_crc32_u64(crc, load_u64(p));
	for (; len > 0; len--, p++)
		crc = _mm_crc32_u8((uint32_t)crc, *p);
	return ~(uint32_t)crc;
}

uint32_t crc32c(uint32_t crc, const void *buf, size_t len)
{
	/* Both questions are a load and a mask; libgcc asked the processor before main. */
	if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul"))
		return crc32c_hardware(crc, buf, len);
	return crc32c_portable(crc, buf, len);
}

#else

uint32_t crc32c(uint32_t crc, const void *buf, size_t len)
{
	return crc32c_portable(crc, buf, len);
}

#endif
