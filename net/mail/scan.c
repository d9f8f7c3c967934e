#include "net/mail/scan.h"

#if defined(__x86_64__)
#define HAVE_X86 1
#include <immintrin.h>
#else
#define HAVE_X86 0
#endif

#define ALWAYS_INLINE	static inline __attribute__((always_inline))

/* What a level can do with SCAN_BLOCK octets. */
typedef uint64_t equal_fn(const char *p, char c);
typedef uint64_t high_fn(const char *p);

/* --- the searches, made for each level out of the two below --------------------------------------- */

static size_t lowest(uint64_t mask)
{
	return (size_t)__builtin_ctzll(mask);
}

/* A block of zeros with what is left of the text at its beginning, and one octet more to look at. */
struct padded {
	char octets[SCAN_BLOCK + 1];
};

ALWAYS_INLINE struct padded pad(const char *text, size_t len)
{
	struct padded p = { { 0 } };

	memcpy(p.octets, text, len);
	return p;
}

ALWAYS_INLINE size_t find_behind_lf(equal_fn *equal, const char *text, size_t len, char c)
{
	size_t at = 0;

	for (; len - at > SCAN_BLOCK; at += SCAN_BLOCK) {
		uint64_t found = equal(text + at, '\n') & equal(text + at + 1, c);

		if (found != 0)
			return at + lowest(found) + 1;
	}
	if (at == len)
		return len;
	struct padded rest = pad(text + at, len - at);
	uint64_t found = equal(rest.octets, '\n') & equal(rest.octets + 1, c);

	return found != 0 ? at + lowest(found) + 1 : len;
}

ALWAYS_INLINE uint64_t control(equal_fn *equal, const char *p)
{
	return equal(p, '\r') | equal(p, '\n') | equal(p, '\0');
}

ALWAYS_INLINE size_t find_control(equal_fn *equal, const char *text, size_t len)
{
	size_t at = 0;

	for (; len - at >= SCAN_BLOCK; at += SCAN_BLOCK) {
		uint64_t found = control(equal, text + at);

		if (found != 0)
			return at + lowest(found);
	}
	if (at == len)
		return len;
	struct padded rest = pad(text + at, len - at);

	/* The zeros behind the text are found, too. */
	return at + lowest(control(equal, rest.octets));
}

ALWAYS_INLINE size_t find_high(high_fn *high, const char *text, size_t len)
{
	size_t at = 0;

	for (; len - at >= SCAN_BLOCK; at += SCAN_BLOCK) {
		uint64_t found = high(text + at);

		if (found != 0)
			return at + lowest(found);
	}
	if (at == len)
		return len;
	struct padded rest = pad(text + at, len - at);
	uint64_t found = high(rest.octets);

	return found != 0 ? at + lowest(found) : len;
}

ALWAYS_INLINE void look(equal_fn *equal, high_fn *high, const char *text, size_t blocks, struct scan_masks *ret_masks)
{
	for (size_t i = 0; i < blocks; i++) {
		const char *p = text + i * SCAN_BLOCK;

		ret_masks[i] = (struct scan_masks){
			.cr = equal(p, '\r'),
			.lf = equal(p, '\n'),
			.dot = equal(p, '.'),
			.nul = equal(p, '\0'),
			.high = high(p),
		};
	}
}

/* Where a mask costs more than a line: memchr is the fastest that there is on a processor that we do not know. */
ALWAYS_INLINE size_t find_behind_lf_by_line(equal_fn *equal, const char *text, size_t len, char c)
{
	struct slice in = slice_of(text, len);
	ptrdiff_t lf = -1;

	(void)equal;
	while ((lf = slice_find_char(in, (size_t)(lf + 1), '\n')) >= 0)
		if ((size_t)lf + 1 < len && text[lf + 1] == c)
			return (size_t)lf + 1;
	return len;
}

#define LEVEL(name, target, find_behind_lf)							\
	target static size_t find_behind_lf_##name(const char *text, size_t len, char c)	\
	{											\
		return find_behind_lf(equal_##name, text, len, c);				\
	}											\
	target static size_t find_control_##name(const char *text, size_t len)			\
	{											\
		return find_control(equal_##name, text, len);					\
	}											\
	target static size_t find_high_##name(const char *text, size_t len)			\
	{											\
		return find_high(high_##name, text, len);					\
	}											\
	target static void look_##name(const char *text, size_t blocks, struct scan_masks *ret)	\
	{											\
		look(equal_##name, high_##name, text, blocks, ret);				\
	}											\
	static const struct scan_functions functions_##name = {					\
		find_behind_lf_##name, find_control_##name, find_high_##name, look_##name,	\
	};

/* --- portable ------------------------------------------------------------------------------------ */

#define EACH_OCTET	UINT64_C(0x0101010101010101)
#define HIGH_BITS	(0x80 * EACH_OCTET)

static inline uint64_t word_at(const char *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? w : __builtin_bswap64(w);
}

/* The highest bit of each octet, in a row: bit 8n + 7 becomes bit n. No two of the products meet. */
static inline uint64_t gather_high_bits(uint64_t w)
{
	return ((w & HIGH_BITS) >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static inline uint64_t equal_portable(const char *p, char c)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < SCAN_BLOCK / 8; i++) {
		/* An octet of x is zero where the text has c; the sum has its high bit elsewhere, and never carries. */
		uint64_t x = word_at(p + 8 * i) ^ (EACH_OCTET * (unsigned char)c);
		uint64_t other = ((x & ~HIGH_BITS) + ~HIGH_BITS) | x;

		mask |= gather_high_bits(~other) << (8 * i);
	}
	return mask;
}

static inline uint64_t high_portable(const char *p)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < SCAN_BLOCK / 8; i++)
		mask |= gather_high_bits(word_at(p + 8 * i)) << (8 * i);
	return mask;
}

#define NO_TARGET
LEVEL(portable, NO_TARGET, find_behind_lf_by_line)

/* --- x86-64 -------------------------------------------------------------------------------------- */

#if HAVE_X86

static inline __m128i load_sse2(const char *p)
{
	return _mm_loadu_si128((const __m128i *)(const void *)p);
}

static inline uint64_t equal_sse2(const char *p, char c)
{
	__m128i want = _mm_set1_epi8(c);
	uint64_t mask = 0;

	for (unsigned i = 0; i < SCAN_BLOCK; i += 16)
		mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(load_sse2(p + i), want)) << i;
	return mask;
}

static inline uint64_t high_sse2(const char *p)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < SCAN_BLOCK; i += 16)
		mask |= (uint64_t)(uint32_t)_mm_movemask_epi8(load_sse2(p + i)) << i;
	return mask;
}

LEVEL(sse2, NO_TARGET, find_behind_lf)

#define AVX2 __attribute__((target("avx2")))

AVX2 static inline __m256i load_avx2(const char *p)
{
	return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

AVX2 static inline uint64_t equal_avx2(const char *p, char c)
{
	__m256i want = _mm256_set1_epi8(c);
	uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load_avx2(p), want));
	uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(load_avx2(p + 32), want));

	return (uint64_t)high << 32 | low;
}

AVX2 static inline uint64_t high_avx2(const char *p)
{
	uint32_t low = (uint32_t)_mm256_movemask_epi8(load_avx2(p));
	uint32_t high = (uint32_t)_mm256_movemask_epi8(load_avx2(p + 32));

	return (uint64_t)high << 32 | low;
}

LEVEL(avx2, AVX2, find_behind_lf)

#define AVX512 __attribute__((target("avx512f,avx512bw")))

AVX512 static inline uint64_t equal_avx512(const char *p, char c)
{
	return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(p), _mm512_set1_epi8(c));
}

AVX512 static inline uint64_t high_avx512(const char *p)
{
	return _mm512_movepi8_mask(_mm512_loadu_si512(p));
}

LEVEL(avx512, AVX512, find_behind_lf)

#endif

/* --- which --------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	const struct scan_functions *functions;		/* NULL: not for this processor's kind */
} levels[SCAN_LEVELS] = {
	[SCAN_PORTABLE] = { "portable", &functions_portable },
#if HAVE_X86
	[SCAN_SSE2] = { "sse2", &functions_sse2 },
	[SCAN_AVX2] = { "avx2", &functions_avx2 },
	[SCAN_AVX512] = { "avx512", &functions_avx512 },
#else
	[SCAN_SSE2] = { "sse2", NULL },
	[SCAN_AVX2] = { "avx2", NULL },
	[SCAN_AVX512] = { "avx512", NULL },
#endif
};

const struct scan_functions *scan_functions = &functions_portable;

static bool machine_has(enum scan_level level)
{
#if HAVE_X86
	if (level == SCAN_AVX2)
		return __builtin_cpu_supports("avx2");
	if (level == SCAN_AVX512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw");
#endif
	return levels[level].functions != NULL;
}

bool scan_use(enum scan_level level)
{
	if (!machine_has(level))
		return false;
	scan_functions = levels[level].functions;
	return true;
}

enum scan_level scan_level(void)
{
	enum scan_level level = SCAN_PORTABLE;

	while (levels[level].functions != scan_functions)
		level++;
	return level;
}

const char *scan_level_name(enum scan_level level)
{
	return levels[level].name;
}

/* Before main, so that no thread can see it change. */
__attribute__((constructor)) static void choose_best(void)
{
	unsigned level = SCAN_LEVELS;

#if HAVE_X86
	__builtin_cpu_init();
#endif
	while (!scan_use((enum scan_level)--level))
		;
}
