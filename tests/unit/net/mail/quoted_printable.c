#include "net/mail/quoted_printable.h"

#include "net/mail/scan.h"
#include "tests/test.h"
#include "tests/unit/net/mail/mime_reference.h"

#define X10 "xxxxxxxxxx"
#define X60 X10 X10 X10 X10 X10 X10
#define X69 X60 "xxxxxxxxx"
#define X72 X69 "xxx"
#define X73 X72 "x"
#define E5 "\xe9\xe9\xe9\xe9\xe9"
#define E25 E5 E5 E5 E5 E5
#define Q5 "=E9=E9=E9=E9=E9"
#define Q25 Q5 Q5 Q5 Q5 Q5

struct qp_case {
	const char *claim;
	struct slice in;
	const char *out;
};

static const struct qp_case cases[] = {
	{ "nothing is an empty line", { "", 0 }, "" },
	{ "case 522: 73 octets and the end", { X73, 73 }, X73 },
	{ "case 522: 74 octets", { X73 "x", 74 }, X73 "=\r\nx" },
	{ "case 522: 146 octets", { X73 X73, 146 }, X73 "=\r\n" X73 },
	{ "case 522: 147 octets", { X73 X73 "x", 147 }, X73 "=\r\n" X73 "=\r\nx" },
	{ "case 523: 72 octets and one that takes two codes", { X72 "\xc3\xa9", 74 }, X72 "=C3=\r\n=A9" },
	{ "case 524: 71 octets and one that takes two codes", { X69 "xx\xc3\xa9", 73 }, X69 "xx=C3=\r\n=A9" },
	{ "case 524: 69 octets and one that takes two codes", { X69 "\xc3\xa9", 71 }, X69 "=C3=A9" },
	{ "case 525: the last of two blanks", { "abc  ", 5 }, "abc =20" },
	{ "case 525: a TAB at the end", { "abc\t", 4 }, "abc=09" },
	{ "case 526: a blank where the line is full", { X73 " ", 74 }, X73 "=\r\n=20" },
	{ "a blank that fills the line", { X72 " ", 73 }, X72 "=20" },
	{ "case 527: NUL, CR, DEL and the equals sign", { "\0a\rb\x7f=", 6 }, "=00a=0Db=7F=3D" },
	{ "LF alone", { "a\tb\x0c", 4 }, "a\tb=0C" },
	{ "case 528: 25 codes and the end", { E25, 25 }, Q25 },
	{ "case 528: 26 codes", { E25 "\xe9", 26 }, Q25 "=\r\n=E9" },
	{ "a dot and From are nothing special here", { ".From ", 6 }, ".From=20" },
	{ "a blank alone", { " ", 1 }, "=20" },
	{ "the equals sign and a TAB inside", { "a=b\tc", 5 }, "a=3Db\tc" },
};

/* Feeds in[0, a), in[a, b), in[b, end), with room for so much at a time. */
static void encode_with(bool has_boundaries, struct slice in, size_t a, size_t b, size_t room, struct str *out)
{
	const size_t ends[] = { a, b, in.len };
	char *storage = malloc(room);
	size_t at = 0;
	struct qp qp;

	assert_non_null(storage);
	qp_init(&qp, has_boundaries);
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		char *piece = malloc(ends[i] - at + 1);
		struct slice rest = slice_of(piece, ends[i] - at);

		assert_non_null(piece);
		memcpy(piece, in.ptr + at, rest.len);
		while (rest.len > 0)
			str_add(out, slice_of(storage, qp_encode(&qp, &rest, storage, room)));
		free(piece);
		at = ends[i];
	}
	str_add(out, slice_of(storage, qp_finish(&qp, storage)));
	free(storage);
}

static void encode(struct slice in, size_t a, size_t b, size_t room, struct str *out)
{
	encode_with(false, in, a, b, room, out);
}

static void the_table(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct qp_case *c = &cases[i];
		char in_storage[200], want_storage[400], out_storage[400], slow_storage[400];
		struct str in = STR(in_storage), want = STR(want_storage), slow = STR(slow_storage);

		str_add(&in, c->in);
		str_add_cstr(&in, "\r\n");
		str_add_cstr(&want, c->out);
		str_add_cstr(&want, "\r\n");
		qp_reference_line(c->in, (struct qp_guards){ 0 }, &slow);
		assert_true(slice_eq(str_slice(&slow), str_slice(&want)));
		for (size_t a = 0; a <= in.len; a++) {
			for (size_t b = a; b <= in.len; b++) {
				struct str out = STR(out_storage);

				encode(str_slice(&in), a, b, 2 * QP_ROOM, &out);
				if (!slice_eq(str_slice(&out), str_slice(&want)))
					fail_msg("%s, cut at %zu and %zu: \"%.*s\"", c->claim, a, b,
						SLICE_FMT(str_slice(&out)));
			}
		}
	}
}

/* --- against the reference, and back -------------------------------------------------------------------------- */

static char big[1 << 16], big_out[4 << 16], big_want[4 << 16], big_back[1 << 16];

/* Lines of up to 300 octets; kind: how many of them are above 127, and the like. */
static size_t make_text(unsigned kind, uint64_t *seed)
{
	static const char some[] = " \t=.-~a\x7f\0\r\n";
	size_t n = 0, len = 2000 + test_random(seed) % 20000;

	while (n < len) {
		for (size_t line = test_random(seed) % 300; line > 0; line--) {
			uint64_t r = test_random(seed);
			char c = (char)('a' + r % 26);

			if (r >> 8 & 1 && kind == 1)
				c = some[(r >> 16) % (sizeof(some) - 1)];
			else if ((r >> 24) % 8 == 0)
				c = '-';
			else if ((r >> 8) % 30 == 0 || kind == 2)
				c = (char)(r >> 16);
			/* What would be a line end is none. */
			if (c == '\n' && n > 0 && big[n - 1] == '\r')
				c = 'x';
			big[n++] = c;
		}
		if (n > 0 && big[n - 1] == '\r')
			n--;
		big[n++] = '\r';
		big[n++] = '\n';
	}
	return n;
}

static void reference_text(bool has_boundaries, struct slice text, struct str *out)
{
	struct qp_guards guards = { .dash = has_boundaries };

	while (text.len > 0) {
		const char *end = memmem(text.ptr, text.len, "\r\n", 2);
		struct slice line = slice_of(text.ptr, (size_t)(end - text.ptr));

		qp_reference_line(line, guards, out);
		slice_skip(&text, line.len + 2);
	}
}

/* As RFC 2045 6.7 tells a decoder, for what an encoder may write. */
static void decode(struct slice text, struct str *out)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] != '=') {
			str_add_char(out, text.ptr[i]);
		} else if (text.ptr[i + 1] == '\r') {
			i += 2;
		} else {
			const char digits[3] = { text.ptr[i + 1], text.ptr[i + 2], '\0' };

			str_add_char(out, (char)strtoul(digits, NULL, 16));
			i += 2;
		}
	}
}

static void check_lines(struct slice text)
{
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		assert_true((c >= 32 && c <= 126) || c == '\t' || c == '\r' || c == '\n');
		if (c == '\r') {
			assert_true(len <= 76);
			assert_true(i == 0 || (text.ptr[i - 1] != ' ' && text.ptr[i - 1] != '\t'));
		}
		len = c == '\n' ? 0 : len + 1;
	}
}

static void every_level(void **state)
{
	uint64_t seed = 493;

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		struct slice in = slice_of(big, make_text(i % 3, &seed));
		struct str want = STR(big_want), back = STR(big_back);
		size_t a = test_random(&seed) % in.len, b = a + test_random(&seed) % (in.len - a);
		size_t room = 2 * QP_ROOM + test_random(&seed) % 5000;

		reference_text(i & 1, in, &want);
		check_lines(str_slice(&want));
		for (unsigned level = 0; level < SCAN_LEVELS; level++) {
			struct str out = STR(big_out);

			if (!scan_use((enum scan_level)level))
				continue;
			encode_with(i & 1, in, a, b, room, &out);
			assert_true(slice_eq(str_slice(&out), str_slice(&want)));
		}
		decode(str_slice(&want), &back);
		assert_true(slice_eq(str_slice(&back), in));
	}
}

/* Blocks, and pieces of them, begin and end anywhere in a line and its end. */
static void line_ends_anywhere(void **state)
{
	static const struct slice tails[] = {
		{ "", 0 }, { " ", 1 }, { "\t", 1 }, { "  ", 2 }, { "\r", 1 }, { " \r", 2 }, { "\n", 1 }, { "=", 1 },
		{ "\xe9", 1 },
	};
	static const char fills[] = { 'x', '\xe9', '-', ' ' };

	(void)state;
	for (unsigned i = 0; i < 400 * ARRAY_LEN(tails) * sizeof(fills); i++) {
		const bool has_boundaries = i & 1;
		const size_t pad = i / 2 % 200;
		const struct slice tail = tails[i / 400 % ARRAY_LEN(tails)];
		const char fill = fills[i / 400 / ARRAY_LEN(tails)];
		struct str in = STR(big), want = STR(big_want);

		for (unsigned lines = 0; lines < 3; lines++) {
			memset(in.ptr + in.len, fill, pad);
			in.len += pad;
			str_add(&in, tail);
			str_add_cstr(&in, "\r\n");
		}
		reference_text(has_boundaries, str_slice(&in), &want);
		for (unsigned level = 0; level < SCAN_LEVELS; level++) {
			struct str out = STR(big_out);

			if (!scan_use((enum scan_level)level))
				continue;
			encode_with(has_boundaries, str_slice(&in), pad, i % (in.len - pad) + pad, 2 * QP_ROOM, &out);
			assert_true(slice_eq(str_slice(&out), str_slice(&want)));
			str_clear(&out);
			encode_with(has_boundaries, str_slice(&in), 0, in.len, KIB(4), &out);
			assert_true(slice_eq(str_slice(&out), str_slice(&want)));
		}
	}
}

static void what_does_not_end(void **state)
{
	char storage[QP_ROOM * 3];
	struct str out = STR(storage);

	(void)state;
	encode(SLICE("ab \r"), 1, 3, 2 * QP_ROOM, &out);
	assert_true(slice_eq(str_slice(&out), SLICE("ab =0D\r\n")));
	str_clear(&out);
	encode(SLICE("a\nb "), 1, 3, 2 * QP_ROOM, &out);
	assert_true(slice_eq(str_slice(&out), SLICE("a=0Ab=20\r\n")));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("break positions and codes, at every cut (cases 522-528)", the_table),
		CLAIM("equal to the reference with every instruction set, and decoded what it was (case 533)", every_level),
		CLAIM("a line end may stand anywhere in a block", line_ends_anywhere),
		CLAIM("a CR or LF alone is an octet, and what does not end is ended", what_does_not_end),
	};

	return cmocka_run_group_tests_name("net/mail/quoted_printable", claims, NULL, NULL);
}
