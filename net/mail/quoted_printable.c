#include "net/mail/quoted_printable.h"

#include "net/mail/qp_codes.h"

#define BREAK_BEHIND	72u	/* octets of B behind which nothing is added */
#define COPY		80u	/* octets copied for a line, at least BREAK_BEHIND + 3: few instructions, no loop */
#define GUARD		2u	/* octets in front of the codes that are looked at */
#define CODES_MAX	((size_t)QP_BLOCKS * QP_BLOCK * 3)	/* they stay in the fastest cache */

static_assert(COPY >= BREAK_BEHIND + 3, "a line is one copy");

struct out {
	char *ptr;
	size_t len;
	size_t cap;
	unsigned column;
	bool has_boundaries;
};

/* What is encoded, and not yet in lines. */
struct codes {
	char storage[GUARD + CODES_MAX + MAX(QP_CODES_SLACK, COPY)];
};

/* --- writing -------------------------------------------------------------------------------------------------- */

static inline void put(struct out *o, const char *text, unsigned len)
{
	memcpy(o->ptr + o->len, text, len);
	o->len += len;
}

static inline void put_hex(struct out *o, unsigned char c)
{
	static const char digits[16] = "0123456789ABCDEF";

	if (o->column > BREAK_BEHIND) {
		put(o, "=\r\n", 3);
		o->column = 0;
	}
	const char code[3] = { '=', digits[c >> 4], digits[c & 15] };

	put(o, code, 3);
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

/* At least COPY octets can be read, and written. */
static inline void put_codes(struct out *o, const char *at, size_t len)
{
	memcpy(o->ptr + o->len, at, COPY);
	o->len += len;
}

/* Octets of codes that go into a line which has room for so many: the code that takes the last of them goes there as a
 * whole. */
static inline size_t line_end(const char *at, unsigned room)
{
	const char *last = at + room - 1;

	return room + (last[0] == '=' ? 2 : 0) + (last[-1] == '=' ? 1 : 0);
}

/* The codes from at to end, none of which is a line end. */
static void put_lines(struct out *o, const char *at, const char *end)
{
	for (;;) {
		unsigned room = BREAK_BEHIND + 1 - MIN(o->column, BREAK_BEHIND + 1);

		if ((size_t)(end - at) <= room)
			break;
		size_t len = room > 0 ? line_end(at, room) : 0;

		if ((size_t)(end - at) <= len)
			break;
		put_codes(o, at, len);
		put(o, "=\r\n", 3);
		o->column = 0;
		at += len;
		if (o->has_boundaries && *at == '-') {
			put_hex(o, '-');
			at++;
		}
	}
	put_codes(o, at, (size_t)(end - at));
	o->column += (unsigned)(end - at);
}

/* --- by lines ------------------------------------------------------------------------------------------------- */

/* Octets that so many octets of codes may become, with a soft break and a dash for each line, and what is copied too
 * much. */
static inline size_t room_for(size_t codes)
{
	return codes + codes / 8 + 16 + COPY;
}

static_assert(QP_ROOM >= 3 * QP_BLOCK + 3 * QP_BLOCK / 8 + 16 + COPY, "there is always room for a block");

/* A CR. Returns how many octets are consumed; 0: the next one is not there yet. */
static size_t encode_cr(struct out *o, struct slice in)
{
	if (in.len == 1)
		return 0;
	if (in.ptr[1] == '\n') {
		end_line(o);
		return 2;
	}
	put_hex(o, '\r');
	return 1;
}

/* Up to the next CR, or a CR. Returns how many octets are consumed. */
static size_t encode_line(struct out *o, struct slice in)
{
	NOT_ZEROED struct codes c;
	char *codes = c.storage + GUARD;

	if (in.ptr[0] == '\r')
		return encode_cr(o, in);
	/* Three for one, and an eighth of them for the breaks: less than 7 for 2. */
	size_t room = (o->cap - o->len - room_for(0)) * 2 / 7;
	struct slice line = slice_head(in, MIN(MIN(in.len, room), CODES_MAX / 3));
	ptrdiff_t cr = slice_find_char(line, 0, '\r');

	if (cr >= 0)
		line.len = (size_t)cr;
	memset(c.storage, 0, GUARD);
	put_lines(o, codes, qp_codes_put(line.ptr, line.len, codes));
	return line.len;
}

/* --- by blocks ------------------------------------------------------------------------------------------------ */

/* Some blocks of input: in one piece, or the last ones of it. */
struct blocks {
	const char *text;
	size_t len;			/* octets */
	struct qp_masks masks;
	const char *starts[QP_BLOCKS];	/* of the codes of each */
	struct codes codes;
	char rest[QP_BLOCK];
};

/* Is there a CRLF at this place of the input? */
static inline bool is_crlf(struct slice in, size_t at)
{
	return in.len > at + 1 && in.ptr[at] == '\r' && in.ptr[at + 1] == '\n';
}

/* From here on, cr is about CRLFs only; neither octet of those is special, but a blank in front of one is. */
static void mark_line_ends(struct blocks *b, size_t count, struct slice in)
{
	struct qp_masks *m = &b->masks;
	uint64_t carry = 0;

	m->cr[count] = is_crlf(in, b->len);
	m->lf[count] = in.len > b->len && in.ptr[b->len] == '\n' ? 1 : is_crlf(in, b->len) ? 2 : 0;
	for (size_t k = 0; k < count; k++) {
		uint64_t crlf = m->cr[k] & (m->lf[k] >> 1 | m->lf[k + 1] << 63);
		uint64_t before = crlf >> 1 | (m->cr[k + 1] & m->lf[k + 1] >> 1) << 63;

		m->special[k] = (m->special[k] & ~(crlf | crlf << 1 | carry)) | (m->blank[k] & before);
		m->cr[k] = crlf;
		carry = crlf >> 63;
	}
}

/* Classifies the next octets of in. Returns how many blocks that is. */
static size_t look(struct blocks *b, const struct qp_codes *level, struct slice in)
{
	size_t count = MIN(in.len / QP_BLOCK, (size_t)QP_BLOCKS);

	b->text = in.ptr;
	b->len = count * QP_BLOCK;
	if (count == 0) {
		memset(b->rest, 'x', sizeof(b->rest));
		memcpy(b->rest, in.ptr, in.len);
		b->text = b->rest;
		b->len = in.len;
		count = 1;
	}
	level->look(b->text, count, &b->masks);
	mark_line_ends(b, count, in);
	return count;
}

/* As many of the blocks as there is room for. Returns the end of the codes; b->len is what they are of. */
static const char *encode_codes(struct blocks *b, const struct qp_codes *level, const struct out *o, size_t count)
{
	char *begin = b->codes.storage + GUARD, *to = begin;
	size_t k = 0;

	for (; k < count && room_for((size_t)(to - begin) + 3 * QP_BLOCK) <= o->cap - o->len; k++) {
		const char *from = b->text + k * QP_BLOCK;

		b->starts[k] = to;
		if (b->masks.special[k] == 0)
			to = (char *)memcpy(to, from, QP_BLOCK) + QP_BLOCK;
		else
			to = level->put(from, b->masks.special[k], to);
	}
	to -= k * QP_BLOCK - MIN(b->len, k * QP_BLOCK);		/* what stands behind the rest is literal */
	b->len = MIN(b->len, k * QP_BLOCK);
	return to;
}

/* A CR at the end waits for what comes next. */
static const char *without_cr(struct blocks *b, struct slice in, const char *end)
{
	size_t last = b->len - 1;

	if (b->text[last] != '\r' || (b->len < in.len && !is_crlf(in, last)))
		return end;
	end -= b->masks.special[last / QP_BLOCK] >> last % QP_BLOCK & 1 ? 3 : 1;
	b->len--;
	return end;
}

/* Where the code of this octet of a block begins. */
static inline const char *code_of(const struct blocks *b, size_t k, unsigned octet)
{
	uint64_t before = b->masks.special[k] & ((UINT64_C(1) << octet) - 1);

	return b->starts[k] + octet + (before != 0 ? 2 * (size_t)__builtin_popcountll(before) : 0);
}

static size_t encode_blocks(struct out *o, const struct qp_codes *level, struct slice in)
{
	NOT_ZEROED struct blocks b;
	const char *at = b.codes.storage + GUARD;

	memset(b.codes.storage, 0, GUARD);
	const char *end = without_cr(&b, in, encode_codes(&b, level, o, look(&b, level, in)));

	for (size_t k = 0; k * QP_BLOCK < b.len; k++) {
		for (uint64_t crlf = b.masks.cr[k]; crlf != 0; crlf &= crlf - 1) {
			const char *cr = code_of(&b, k, (unsigned)__builtin_ctzll(crlf));

			if (cr >= end)
				break;
			put_lines(o, at, cr);
			end_line(o);
			at = cr + 2;
		}
	}
	put_lines(o, at, end);
	return b.len;
}

/* --- the story ------------------------------------------------------------------------------------------------ */

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
	const struct qp_codes *level = qp_codes();
	struct out o = { .ptr = out, .cap = cap, .column = qp->column, .has_boundaries = qp->has_boundaries };

	ASSERT(cap >= 2 * QP_ROOM);
	begin(qp, &o, in);
	while (in->len > 0 && o.len + QP_ROOM <= cap) {
		if (in->len == 1 && in->ptr[0] == '\r') {
			slice_skip(in, 1);
			qp->held_cr = true;
		} else {
			slice_skip(in, level != NULL ? encode_blocks(&o, level, *in) : encode_line(&o, *in));
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
