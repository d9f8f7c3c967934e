#include "net/mail/quoted_printable.h"

#include <endian.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "net/mail/scan.h"

#define BREAK_BEHIND	72u	/* octets of B behind which nothing is added */
#define BLOCK		64u
#define BLOCKS		64u	/* classified at once: 4 KiB, in the fastest cache */
#define COPY		80u	/* octets copied for a run, at least BREAK_BEHIND + 1: few instructions, no loop */

static_assert(COPY > BREAK_BEHIND, "a run between two breaks is one copy");
static_assert(QP_ROOM >= 3 + COPY + 3, "a break, a run, and a blank that is encoded after all");

struct out {
	char *ptr;
	size_t len;
	unsigned column;
	bool has_boundaries;
};

/* What is faster on some machines. */
struct level {
	/* One bit an octet, the first octet of each block in the lowest bit: is it not literal? */
	void (*classify)(const char *p, size_t blocks, uint64_t *special);
	/* Some octets, the first of which is neither literal nor a CR; not beyond the next CR, and as many as there is
	 * room for in the line. Returns how many are consumed. */
	size_t (*put_dense)(struct out *o, const char *from, size_t len);
};

/* --- what is literal ------------------------------------------------------------------------------------------ */

static inline bool is_special(unsigned char c)
{
	return c != '\t' && (c < 32 || c > 126 || c == '=');
}

#define EACH(octet)	(UINT64_C(0x0101010101010101) * (octet))

/* The highest bit of each octet that is zero; none is above 127. */
static inline uint64_t zero_octets(uint64_t v)
{
	return ~(v + EACH(0x7f)) & EACH(0x80);
}

/* Eight octets, the first in the lowest bits: sums of seven bits never carry into the next octet. */
static inline uint64_t special_of_eight(uint64_t v)
{
	uint64_t seven = v & EACH(0x7f);
	uint64_t low = ~(seven + EACH(0x80 - 32)) & ~zero_octets(seven ^ EACH('\t'));
	uint64_t del = seven + EACH(1);
	uint64_t high_bits = (low | del | zero_octets(seven ^ EACH('=')) | v) & EACH(0x80);

	return (high_bits >> 7) * UINT64_C(0x0102040810204080) >> 56;
}

static void classify_portable(const char *p, size_t blocks, uint64_t *special)
{
	for (size_t k = 0; k < blocks; k++) {
		uint64_t mask = 0;

		for (unsigned i = 0; i < BLOCK; i += 8, p += 8) {
			uint64_t v;

			memcpy(&v, p, 8);
			mask |= special_of_eight(le64toh(v)) << i;
		}
		special[k] = mask;
	}
}

#if defined(__x86_64__)

/* As signed octets, all above 127 are below 32, too. */
__attribute__((target("avx2"))) static inline uint32_t special_avx2(const char *p)
{
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i low = _mm256_cmpgt_epi8(_mm256_set1_epi8(32), v);
	__m256i tab = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\t'));
	__m256i equals = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('='));
	__m256i del = _mm256_cmpeq_epi8(v, _mm256_set1_epi8(127));
	__m256i all = _mm256_or_si256(_mm256_andnot_si256(tab, low), _mm256_or_si256(equals, del));

	return (uint32_t)_mm256_movemask_epi8(all);
}

__attribute__((target("avx2"))) static void classify_avx2(const char *p, size_t blocks, uint64_t *special)
{
	for (size_t k = 0; k < blocks; k++, p += BLOCK)
		special[k] = special_avx2(p) | (uint64_t)special_avx2(p + 32) << 32;
}

__attribute__((target("avx512bw"))) static void classify_avx512(const char *p, size_t blocks, uint64_t *special)
{
	for (size_t k = 0; k < blocks; k++, p += BLOCK) {
		__m512i v = _mm512_loadu_si512(p);
		uint64_t low = _mm512_cmplt_epi8_mask(v, _mm512_set1_epi8(32));
		uint64_t tab = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('\t'));
		uint64_t equals = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8('='));
		uint64_t del = _mm512_cmpeq_epi8_mask(v, _mm512_set1_epi8(127));

		special[k] = (low & ~tab) | equals | del;
	}
}

#endif

/* --- writing -------------------------------------------------------------------------------------------------- */

static inline void put(struct out *o, const char *text, unsigned len)
{
	memcpy(o->ptr + o->len, text, len);
	o->len += len;
}

/* Returns whether what is next must not be a dash. */
static inline bool break_if_full(struct out *o)
{
	if (o->column <= BREAK_BEHIND)
		return false;
	put(o, "=\r\n", 3);
	o->column = 0;
	return o->has_boundaries;
}

static inline void put_hex(struct out *o, unsigned char c)
{
	static const char digits[16] = "0123456789ABCDEF";

	(void)break_if_full(o);		/* what is encoded is no dash */
	char *p = o->ptr + o->len;

	p[0] = '=';
	p[1] = digits[c >> 4];
	p[2] = digits[c & 15];
	o->len += 3;
	o->column += 3;
}

static inline bool ends_in_blank(const struct out *o)
{
	return o->len > 0 && (o->ptr[o->len - 1] == ' ' || o->ptr[o->len - 1] == '\t');
}

/* In out, the octet before is one of the line, unless there is none: it was given away, and was no blank. */
static inline void end_line(struct out *o)
{
	if (ends_in_blank(o)) {
		char blank = o->ptr[--o->len];

		put(o, blank == ' ' ? "=20" : "=09", 3);
	}
	put(o, "\r\n", 2);
	o->column = 0;
}

/* Up to len literal octets, as many as there is room for in the line. */
static inline size_t put_run(struct out *o, const char *from, size_t len, size_t readable)
{
	if (break_if_full(o) && from[0] == '-') {
		put_hex(o, '-');
		return 1;
	}
	size_t n = MIN(len, BREAK_BEHIND + 1 - o->column);

	if (likely(readable >= COPY))
		memcpy(o->ptr + o->len, from, COPY);
	else
		memcpy(o->ptr + o->len, from, n);
	o->len += n;
	o->column += (unsigned)n;
	return n;
}

static size_t put_dense_portable(struct out *o, const char *from, size_t len)
{
	size_t n = 0;

	do
		put_hex(o, (unsigned char)from[n++]);
	while (n < len && o->column <= BREAK_BEHIND && from[n] != '\r' && is_special((unsigned char)from[n]));
	return n;
}

#if defined(__x86_64__)

#define AVX2		__attribute__((target("avx2,popcnt")))
#define FIVE		5u	/* octets, three places for each in 16 */

/* Which of the places are in use when so many of five octets, one bit each, are not literal. */
static const uint8_t used_of_five[32][16] = {
	{ 0, 3, 6, 9, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 9, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 9, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 9, 12, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 3, 6, 7, 8, 9, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 7, 8, 9, 12, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 7, 8, 9, 12, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 15, 15, 15, 15 },
	{ 0, 3, 6, 9, 10, 11, 12, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 9, 10, 11, 12, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 9, 10, 11, 12, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 15, 15, 15, 15, 15 },
	{ 0, 3, 6, 7, 8, 9, 10, 11, 12, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 15, 15 },
	{ 0, 3, 6, 9, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 9, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 9, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 9, 12, 13, 14, 15, 15, 15, 15, 15 },
	{ 0, 3, 6, 7, 8, 9, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 7, 8, 9, 12, 13, 14, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 14, 15, 15, 15 },
	{ 0, 3, 6, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 15, 15, 15 },
	{ 0, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15, 15, 15 },
	{ 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15 },
	{ 0, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 15 },
	{ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};

AVX2 static inline __m128i places_of_five(__m128i v, __m128i special)
{
	const __m128i spread = _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, -1);
	const __m128i digits = _mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
		'A', 'B', 'C', 'D', 'E', 'F');
	const __m128i third = _mm_setr_epi8(0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0);
	const __m128i first = _mm_setr_epi8(-1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, -1, 0, 0, 0);
	const __m128i nibble = _mm_set1_epi8(15);
	__m128i low = _mm_and_si128(v, nibble);
	__m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), nibble);
	__m128i octets = _mm_blendv_epi8(v, _mm_set1_epi8('='), special);
	__m128i all = _mm_blendv_epi8(_mm_shuffle_epi8(high, spread), _mm_shuffle_epi8(low, spread), third);

	return _mm_blendv_epi8(_mm_shuffle_epi8(digits, all), _mm_shuffle_epi8(octets, spread), first);
}

/* Five octets at a time, literal or not, while they come in a dense row. */
AVX2 static size_t put_dense_avx2(struct out *o, const char *from, size_t len)
{
	size_t n = 0;

	(void)break_if_full(o);		/* the first octet is no dash, being special */
	for (; len - n >= 16; n += FIVE) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(from + n));
		__m128i tab = _mm_cmpeq_epi8(v, _mm_set1_epi8('\t'));
		__m128i special = _mm_or_si128(_mm_andnot_si128(tab, _mm_cmplt_epi8(v, _mm_set1_epi8(32))),
			_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('=')), _mm_cmpeq_epi8(v, _mm_set1_epi8(127))));
		uint32_t mask = (uint32_t)_mm_movemask_epi8(special);
		uint32_t five = mask & 31;

		if (mask == 0 || (_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8('\r'))) & 31) != 0)
			break;
		if (o->column + 4 + 2 * (unsigned)__builtin_popcount(five & 15) > BREAK_BEHIND)
			break;
		__m128i used = _mm_loadu_si128((const __m128i *)(const void *)used_of_five[five]);
		unsigned written = FIVE + 2 * (unsigned)__builtin_popcount(five);
		__m128i codes = _mm_shuffle_epi8(places_of_five(v, special), used);

		_mm_storeu_si128((__m128i *)(void *)(o->ptr + o->len), codes);
		o->len += written;
		o->column += written;
	}
	return n > 0 ? n : put_dense_portable(o, from, len);
}

#define AVX512		__attribute__((target("avx512bw,avx512vl,avx512vbmi,avx512vbmi2,bmi2,popcnt")))
#define DENSE		21u				/* octets, three places for each in one register */
#define PLACE_1		UINT64_C(0x1249249249249249)	/* '=' or the octet, and then two digits */
#define PLACE_3		(PLACE_1 << 2)

static const uint8_t places[64] = {
	0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10, 10,
	11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15, 16, 16, 16, 17, 17, 17, 18, 18, 18, 19, 19, 19,
	20, 20, 20, 0,
};

/* Octets are spread to three places each, and the places that are in use are pushed together. */
AVX512 static size_t put_dense_avx512(struct out *o, const char *from, size_t len)
{
	(void)break_if_full(o);		/* the first octet is no dash, being special */
	unsigned n = (unsigned)MIN(len, (size_t)DENSE);
	__m256i v = _mm256_maskz_loadu_epi8(BIT(n) - 1, from);
	uint32_t stop = _mm256_cmpeq_epi8_mask(v, _mm256_set1_epi8('\r')) | BIT(n);

	n = (unsigned)__builtin_ctz(stop);
	uint32_t special = _mm256_cmplt_epi8_mask(v, _mm256_set1_epi8(32));

	special &= ~_mm256_cmpeq_epi8_mask(v, _mm256_set1_epi8('\t'));
	special |= _mm256_cmpeq_epi8_mask(v, _mm256_set1_epi8('='));
	special |= _mm256_cmpeq_epi8_mask(v, _mm256_set1_epi8(127));
	uint64_t coded = _pdep_u64(special & (BIT(n) - 1), PLACE_1);
	uint64_t used = _pdep_u64(BIT(n) - 1, PLACE_1) | coded << 1 | coded << 2;
	unsigned room = BREAK_BEHIND + 1 - o->column;

	/* The octet that takes the last free place is the last one before a break, even when it goes beyond. */
	if ((unsigned)__builtin_popcountll(used) >= room) {
		n = (unsigned)__builtin_ctzll(_pdep_u64(UINT64_C(1) << (room - 1), used)) / 3 + 1;
		used &= (UINT64_C(1) << 3 * n) - 1;
	}
	__m512i spread = _mm512_permutexvar_epi8(_mm512_loadu_si512(places), _mm512_castsi256_si512(v));
	__m512i low = _mm512_and_si512(spread, _mm512_set1_epi8(15));
	__m512i high = _mm512_and_si512(_mm512_srli_epi16(spread, 4), _mm512_set1_epi8(15));
	__m512i digits = _mm512_broadcast_i32x4(_mm_setr_epi8('0', '1', '2', '3', '4', '5', '6', '7', '8', '9',
		'A', 'B', 'C', 'D', 'E', 'F'));
	__m512i all = _mm512_shuffle_epi8(digits, _mm512_mask_mov_epi8(high, PLACE_3, low));

	all = _mm512_mask_mov_epi8(all, PLACE_1, spread);
	all = _mm512_mask_mov_epi8(all, coded, _mm512_set1_epi8('='));
	_mm512_storeu_si512(o->ptr + o->len, _mm512_maskz_compress_epi8(used, all));
	unsigned written = (unsigned)__builtin_popcountll(used);

	o->len += written;
	o->column += written;
	return n;
}

#endif

/* --- which of them --------------------------------------------------------------------------------------------- */

static const struct level levels[SCAN_LEVELS] = {
	[SCAN_PORTABLE] = { classify_portable, put_dense_portable },
	[SCAN_SSE2] = { classify_portable, put_dense_portable },
#if defined(__x86_64__)
	[SCAN_AVX2] = { classify_avx2, put_dense_avx2 },
	[SCAN_AVX512] = { classify_avx512, put_dense_avx512 },
#endif
};

/* Of those that have AVX-512, the older ones cannot permute octets. */
static const struct level *level_used(void)
{
	enum scan_level level = scan_level();

#if defined(__x86_64__)
	if (level == SCAN_AVX512 && !(__builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
				      __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("bmi2") &&
				      __builtin_cpu_supports("popcnt")))
		level = SCAN_AVX2;
#endif
	return &levels[level];
}

/* --- the story ------------------------------------------------------------------------------------------------ */

/* The first octet at or behind at that is not literal; end when there is none before. */
static inline size_t next_special(const uint64_t *special, size_t at, size_t end)
{
	uint64_t mask = special[at / BLOCK] >> at % BLOCK;

	if (mask != 0)
		return MIN(at + (unsigned)__builtin_ctzll(mask), end);
	for (size_t k = at / BLOCK + 1; k * BLOCK < end; k++)
		if (special[k] != 0)
			return MIN(k * BLOCK + (unsigned)__builtin_ctzll(special[k]), end);
	return end;
}

/* A CR. Returns how many octets are consumed; 0: the next one is not there yet. */
static inline size_t put_cr(struct out *o, struct slice in, size_t at)
{
	if (at + 1 == in.len)
		return 0;
	if (in.ptr[at + 1] == '\n') {
		end_line(o);
		return 2;
	}
	put_hex(o, '\r');
	return 1;
}

/* As much of the first octets of in as special tells of. Returns how many are consumed. */
static size_t encode(struct out *o, const struct level *level, struct slice in, const uint64_t *special, size_t end,
	size_t cap)
{
	size_t at = 0;

	while (at < end && o->len + QP_ROOM <= cap) {
		size_t stop = next_special(special, at, end);
		size_t n;

		if (stop > at)
			n = put_run(o, in.ptr + at, stop - at, in.len - at);
		else if (in.ptr[at] != '\r')
			n = level->put_dense(o, in.ptr + at, end - at);
		else
			n = put_cr(o, in, at);
		if (n == 0)
			break;
		at += n;
	}
	return at;
}

/* What was held back comes first. */
static void begin(struct qp *qp, struct out *o, struct slice *in)
{
	if (qp->held_blank != 0) {
		o->ptr[o->len++] = qp->held_blank;
		o->column++;
		qp->held_blank = 0;
	}
	if (!qp->held_cr || in->len == 0)
		return;
	qp->held_cr = false;
	if (in->ptr[0] == '\n') {
		slice_skip(in, 1);
		end_line(o);
	} else {
		put_hex(o, '\r');
	}
}

static size_t end(struct qp *qp, struct out *o)
{
	if (ends_in_blank(o)) {
		qp->held_blank = o->ptr[--o->len];
		o->column--;
	}
	qp->column = o->column;
	return o->len;
}

size_t qp_encode(struct qp *qp, struct slice *in, char *out, size_t cap)
{
	const struct level *level = level_used();
	uint64_t special[BLOCKS];
	struct out o = { .ptr = out, .column = qp->column, .has_boundaries = qp->has_boundaries };

	ASSERT(cap >= 2 * QP_ROOM);
	begin(qp, &o, in);
	while (in->len > 0 && o.len + QP_ROOM <= cap) {
		size_t blocks = MIN(MIN(in->len, cap) / BLOCK, (size_t)BLOCKS);
		size_t end = blocks * BLOCK;

		if (blocks > 0) {
			level->classify(in->ptr, blocks, special);
		} else {
			end = in->len % BLOCK;
			special[0] = 0;
			for (size_t i = 0; i < end; i++)
				special[0] |= (uint64_t)is_special((unsigned char)in->ptr[i]) << i;
		}
		size_t n = encode(&o, level, *in, special, end, cap);

		slice_skip(in, n);
		if (in->len == 1 && in->ptr[0] == '\r') {
			slice_skip(in, 1);
			qp->held_cr = true;
		}
	}
	return end(qp, &o);
}

size_t qp_encode_octet(struct qp *qp, char c, char *out)
{
	struct slice none = { 0 };
	struct out o = { .ptr = out, .column = qp->column, .has_boundaries = qp->has_boundaries };

	begin(qp, &o, &none);
	put_hex(&o, (unsigned char)c);
	return end(qp, &o);
}

size_t qp_finish(struct qp *qp, char *out)
{
	struct slice none = { 0 };
	struct out o = { .ptr = out, .column = qp->column, .has_boundaries = qp->has_boundaries };

	begin(qp, &o, &none);
	if (qp->held_cr)
		put_hex(&o, '\r');
	if (o.column > 0)
		end_line(&o);
	qp_init(qp, qp->has_boundaries);
	return o.len;
}
