#include "net/mail/qp_codes.h"

#include <endian.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "net/mail/scan.h"

#define DIGIT(n)	((char)((n) < 10 ? '0' + (n) : 'A' - 10 + (n)))

/* --- one at a time -------------------------------------------------------------------------------------------- */

#define IS_LITERAL(c)	((c) == '\t' || ((c) >= 32 && (c) <= 126 && (c) != '='))
#define CODE(c)		{ IS_LITERAL(c) ? (char)(c) : '=', DIGIT((c) >> 4), DIGIT((c) & 15), IS_LITERAL(c) ? 1 : 3 }
#define CODES_4(c)	CODE(c), CODE((c) + 1), CODE((c) + 2), CODE((c) + 3)
#define CODES_16(c)	CODES_4(c), CODES_4((c) + 4), CODES_4((c) + 8), CODES_4((c) + 12)
#define CODES_64(c)	CODES_16(c), CODES_16((c) + 16), CODES_16((c) + 32), CODES_16((c) + 48)

/* The code of each octet, and how many octets that is. */
static const char codes[256][4] = { CODES_64(0), CODES_64(64), CODES_64(128), CODES_64(192) };

static inline char *put_octet(char octet, char *to)
{
	const char *code = codes[(unsigned char)octet];

	memcpy(to, code, 4);
	return to + code[3];
}

static inline char *put_octets(const char *from, size_t len, char *to)
{
	for (size_t i = 0; i < len; i++)
		to = put_octet(from[i], to);
	return to;
}

#define EACH(octet)	(UINT64_C(0x0101010101010101) * (octet))

/* The highest bit of each octet that is zero; none is above 127. */
static inline uint64_t zero_octets(uint64_t v)
{
	return ~(v + EACH(0x7f)) & EACH(0x80);
}

/* The highest bit of each of eight octets that is not literal; sums of seven bits never carry into the next octet. */
static inline uint64_t special_of_eight(const char *from)
{
	uint64_t v;

	memcpy(&v, from, 8);
	uint64_t seven = v & EACH(0x7f);
	uint64_t low = ~(seven + EACH(0x80 - 32)) & ~zero_octets(seven ^ EACH('\t'));
	uint64_t del = seven + EACH(1);

	return (low | del | zero_octets(seven ^ EACH('=')) | v) & EACH(0x80);
}

#define SOME	16u	/* octets looked at together */

/* Where some were literal, the next ones may be, too: worth a look. */
char *qp_codes_put(const char *from, size_t len, char *to)
{
	bool looks = true;

	for (; len >= SOME; from += SOME, len -= SOME) {
		if (looks && (special_of_eight(from) | special_of_eight(from + 8)) == 0) {
			memcpy(to, from, SOME);
			to += SOME;
			continue;
		}
		char *begin = to;

		for (unsigned i = 0; i < SOME; i += 4) {
			to = put_octet(from[i], to);
			to = put_octet(from[i + 1], to);
			to = put_octet(from[i + 2], to);
			to = put_octet(from[i + 3], to);
		}
		looks = to - begin < 2 * (ptrdiff_t)SOME;
	}
	return put_octets(from, len, to);
}

/* --- x86-64 --------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)

#define AVX2		__attribute__((target("avx2,popcnt")))
#define AVX512		__attribute__((target("avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi2,popcnt")))
#define DIGITS		'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'

/* As signed octets, all above 127 are below 32, too. */
AVX2 static inline __m256i special_avx2(__m256i v, __m256i tab)
{
	__m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(32), v);
	__m256i equals = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('='));
	__m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(127));

	return _mm256_or_si256(_mm256_andnot_si256(tab, low), _mm256_or_si256(equals, del));
}

AVX2 static inline uint64_t bits_avx2(__m256i low, __m256i high)
{
	return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2 static void look_avx2(const char *from, size_t blocks, struct qp_masks *ret_masks)
{
	const __m256i ht = _mm256_set1_epi8('\t'), space = _mm256_set1_epi8(' ');
	const __m256i cr = _mm256_set1_epi8('\r'), lf = _mm256_set1_epi8('\n');

	for (size_t k = 0; k < blocks; k++, from += QP_BLOCK) {
		__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)from);
		__m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(from + 32));
		__m256i tab_a = _mm256_cmpeq_epi8(a, ht), tab_b = _mm256_cmpeq_epi8(b, ht);

		ret_masks->special[k] = bits_avx2(special_avx2(a, tab_a), special_avx2(b, tab_b));
		ret_masks->cr[k] = bits_avx2(_mm256_cmpeq_epi8(a, cr), _mm256_cmpeq_epi8(b, cr));
		ret_masks->lf[k] = bits_avx2(_mm256_cmpeq_epi8(a, lf), _mm256_cmpeq_epi8(b, lf));
		ret_masks->blank[k] = bits_avx2(_mm256_or_si256(_mm256_cmpeq_epi8(a, space), tab_a),
						_mm256_or_si256(_mm256_cmpeq_epi8(b, space), tab_b));
	}
}

#define FOUR	4u	/* octets, and what each may need: itself, two digits, "=" */

/* Where the codes of four octets lie, when so many of them are special, one bit each. */
static const uint8_t codes_of_four[16][16] = {
	{ 0, 1, 2, 3 },
	{ 12, 4, 8, 1, 2, 3 },
	{ 0, 13, 5, 9, 2, 3 },
	{ 12, 4, 8, 13, 5, 9, 2, 3 },
	{ 0, 1, 14, 6, 10, 3 },
	{ 12, 4, 8, 1, 14, 6, 10, 3 },
	{ 0, 13, 5, 9, 14, 6, 10, 3 },
	{ 12, 4, 8, 13, 5, 9, 14, 6, 10, 3 },
	{ 0, 1, 2, 15, 7, 11 },
	{ 12, 4, 8, 1, 2, 15, 7, 11 },
	{ 0, 13, 5, 9, 2, 15, 7, 11 },
	{ 12, 4, 8, 13, 5, 9, 2, 15, 7, 11 },
	{ 0, 1, 14, 6, 10, 15, 7, 11 },
	{ 12, 4, 8, 1, 14, 6, 10, 15, 7, 11 },
	{ 0, 13, 5, 9, 14, 6, 10, 15, 7, 11 },
	{ 12, 4, 8, 13, 5, 9, 14, 6, 10, 15, 7, 11 },
};

AVX2 static inline char *put_four(__m128i four, uint32_t special, char *to)
{
	__m128i order = _mm_loadu_si128((const __m128i *)(const void *)codes_of_four[special]);

	_mm_storeu_si128((__m128i *)(void *)to, _mm_shuffle_epi8(four, order));
	return to + FOUR + 2 * (unsigned)__builtin_popcount(special);
}

/* Of each four octets, what they may need side by side: a transposition. */
AVX2 static inline char *put_avx2_half(const char *from, uint32_t special, char *to)
{
	const __m256i digits = _mm256_setr_epi8(DIGITS, DIGITS);
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)from);
	__m256i first = _mm256_shuffle_epi8(digits, _mm256_and_si256(_mm256_srli_epi16(v, 4), nibble));
	__m256i second = _mm256_shuffle_epi8(digits, _mm256_and_si256(v, nibble));
	__m256i equals = _mm256_set1_epi8('=');
	__m256i left = _mm256_unpacklo_epi32(v, first), more_left = _mm256_unpackhi_epi32(v, first);
	__m256i right = _mm256_unpacklo_epi32(second, equals), more_right = _mm256_unpackhi_epi32(second, equals);
	const __m256i fours[4] = {
		_mm256_unpacklo_epi64(left, right), _mm256_unpackhi_epi64(left, right),
		_mm256_unpacklo_epi64(more_left, more_right), _mm256_unpackhi_epi64(more_left, more_right),
	};

	for (unsigned i = 0; i < 4; i++)
		to = put_four(_mm256_castsi256_si128(fours[i]), special >> 4 * i & 15, to);
	for (unsigned i = 0; i < 4; i++)
		to = put_four(_mm256_extracti128_si256(fours[i], 1), special >> (16 + 4 * i) & 15, to);
	return to;
}

AVX2 static char *put_avx2(const char *from, uint64_t special, char *to)
{
	to = put_avx2_half(from, (uint32_t)special, to);
	return put_avx2_half(from + 32, (uint32_t)(special >> 32), to);
}

AVX512 static void look_avx512(const char *from, size_t blocks, struct qp_masks *ret_masks)
{
	for (size_t k = 0; k < blocks; k++, from += QP_BLOCK) {
		__m512i v = _mm512_loadu_si512(from);
		uint64_t low = _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(32));
		uint64_t tab = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t'));
		uint64_t equals = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('='));
		uint64_t del = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(127));

		ret_masks->special[k] = (low & ~tab) | equals | del;
		ret_masks->cr[k] = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\r'));
		ret_masks->lf[k] = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\n'));
		ret_masks->blank[k] = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(' ')) | tab;
	}
}

#define SIXTEEN		16u				/* octets, three places for each in one register */
#define PLACE_1		UINT64_C(0x0000249249249249)	/* "=" or the octet, and then two digits */
#define PLACE_3		(PLACE_1 << 2)

static const uint8_t places[64] = {
	0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7,
	8, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15,
};

/* Octets are spread to three places each, and the places that are in use are pushed together. */
AVX512 static char *put_avx512(const char *from, uint64_t special, char *to)
{
	const __m512i digits = _mm512_broadcast_i32x4(_mm_setr_epi8(DIGITS));
	const __m512i nibble = _mm512_set1_epi8(15);
	const __m512i equals = _mm512_set1_epi8('=');
	__m512i place = _mm512_loadu_si512(places);
	__m512i v = _mm512_loadu_si512(from);

	for (unsigned i = 0; i < QP_BLOCK / SIXTEEN; i++) {
		uint64_t coded = _pdep_u64(special & 0xffff, PLACE_1);
		uint64_t used = PLACE_1 | coded << 1 | coded << 2;
		__m512i spread = _mm512_permutexvar_epi8(place, v);
		__m512i low = _mm512_and_si512(spread, nibble);
		__m512i high = _mm512_and_si512(_mm512_srli_epi16(spread, 4), nibble);
		__m512i all = _mm512_shuffle_epi8(digits, _mm512_mask_mov_epi8(high, PLACE_3, low));

		all = _mm512_mask_mov_epi8(all, PLACE_1, spread);
		all = _mm512_mask_mov_epi8(all, coded, equals);
		_mm512_storeu_si512(to, _mm512_maskz_compress_epi8(used, all));
		to += __builtin_popcountll(used);
		special >>= SIXTEEN;
		place = _mm512_add_epi8(place, _mm512_set1_epi8(SIXTEEN));
	}
	return to;
}

#endif

/* --- which of them -------------------------------------------------------------------------------------------- */

static const struct qp_codes levels[SCAN_LEVELS] = {
	[SCAN_PORTABLE] = { NULL, NULL },	/* SSE2 cannot shuffle octets either */
#if defined(__x86_64__)
	[SCAN_AVX2] = { look_avx2, put_avx2 },
	[SCAN_AVX512] = { look_avx512, put_avx512 },
#endif
};

/* Of those that have AVX-512, the older ones cannot permute octets. */
const struct qp_codes *qp_codes(void)
{
	enum scan_level level = scan_level();

#if defined(__x86_64__)
	if (level == SCAN_AVX512 && !(__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
				      __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2") &&
				      __builtin_cpu_supports("popcnt")))
		level = SCAN_AVX2;
#endif
	return levels[level].put != NULL ? &levels[level] : NULL;
}
