#include "net/mail/wrap.h"

#include "tests/unit/net/mail/scan_levels.h"
#include "tests/unit/net/mail/stage_reference.h"
#include "tests/unit/net/mail/stage_run.h"

#include "net/mail/dot.h"

#define TEXT_MAX 20000

static char text[TEXT_MAX], out_storage[5 * TEXT_MAX], want_storage[5 * TEXT_MAX];

struct setting {
	size_t limit;
	bool stuffs;
	struct wrap wrap;
	struct dot dot;
};

static void set_up(void *context, struct chain *c)
{
	struct setting *s = context;

	wrap_init(&s->wrap, s->limit);
	chain_add(c, &s->wrap.stage);
	dot_init(&s->dot);
	if (s->stuffs)
		chain_add(c, &s->dot.stage);
}

/* --- the lengths of lines ----------------------------------------------------------------------- */

struct length_case {
	const char *claim;
	size_t limit, len;
	const char *lines;	/* lengths of the lines that come out, as text */
};

static const struct length_case lengths[] = {
	{ "case 471: a line of the limit is not broken", 998, 998, "998" },
	{ "case 472: one octet more", 998, 999, "998 2" },
	{ "case 473: the second line is full", 998, 1995, "998 998" },
	{ "case 473: the second line is too long, too", 998, 1996, "998 998 2" },
	{ "case 474: 10000 octets", 998, 10000, "998 998 998 998 998 998 998 998 998 998 30" },
	{ "case 475: the seed's limit", 990, 990, "990" },
	{ "case 475: and one more", 990, 991, "990 2" },
	{ "case 475: two full lines", 990, 1979, "990 990" },
	{ "case 475: and one more", 990, 1980, "990 990 2" },
	{ "case 480: no line of a space alone where limit and pieces are alike", 2048, 4096, "2048 2048 2" },
	{ "case 480: nor where the last line is full", 2048, 4095, "2048 2048" },
	{ "the least limit", 2, 5, "2 2 2 2" },
	{ "nothing is nothing", 998, 0, "0" },
};

static void describe_lines(struct slice in, struct str *out)
{
	size_t at = 0;

	for (size_t i = 0; i + 1 < in.len; i++) {
		if (in.ptr[i] != '\r')
			continue;
		assert_int_equal(in.ptr[i + 1], '\n');
		str_printf(out, "%s%zu", at > 0 ? " " : "", i - at);
		if (at > 0)
			assert_int_equal(in.ptr[at], ' ');
		at = i + 2;
	}
	assert_int_equal(at, in.len);
}

static void lengths_of_lines(void **state)
{
	static const size_t pieces[] = { TEXT_MAX, 2048, 4096, 997, 998, 999, 64, 1 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
		const struct length_case *c = &lengths[i];

		memset(text, 'a', c->len);
		memcpy(text + c->len, "\r\n", 2);
		for (unsigned k = 0; k < ARRAY_LEN(pieces); k++) {
			struct setting s = { .limit = c->limit };
			struct str out = STR(out_storage);
			char words_storage[128];
			struct str words = STR(words_storage);

			stage_run_pieces(&(struct stage_setup){ set_up, &s }, slice_of(text, c->len + 2), pieces[k],
				&out);
			describe_lines(str_slice(&out), &words);
			if (!slice_eq(str_slice(&words), slice_of_str(c->lines)))
				fail_msg("%s, pieces of %zu: %.*s", c->claim, pieces[k], SLICE_FMT(str_slice(&words)));
			assert_int_equal(s.wrap.has_split, c->len > c->limit);
		}
	}
}

/* --- known answers, at every cut ---------------------------------------------------------------- */

struct wrap_case {
	const char *claim;
	size_t limit;
	const char *in, *out;	/* with dots stuffed */
};

static const struct wrap_case cases[] = {
	{ "case 476: no stuffing on a line that goes on", 10, "abcdefghij.klm\r\n", "abcdefghij\r\n .klm\r\n" },
	{ "case 477: ten dots", 10, "..........\r\n", "...........\r\n" },
	{ "case 477: eleven dots, the stuffed one is not counted", 10, "...........\r\n", "...........\r\n .\r\n" },
	{ "case 481: a header is folded", 10, "Subject: abcdef\r\n\r\n", "Subject: a\r\n bcdef\r\n\r\n" },
	{ "case 483: lines of a folded header are measured each", 10, "To: abcde,\r\n fghij,\r\n klmno\r\n",
	  "To: abcde,\r\n fghij,\r\n klmno\r\n" },
	{ "a break in front of From", 10, "abcdefghijFrom x\r\n", "abcdefghij\r\n From x\r\n" },
	{ "a line without an end", 10, "abcdefghijk", "abcdefghij\r\n k" },
	{ "a line of the limit without an end", 10, "abcdefghij", "abcdefghij" },
	{ "case 485: a character of two octets", 10, "abcdefghi\xc3\xa9k\r\n", "abcdefghi\r\n \xc3\xa9k\r\n" },
	{ "case 485: one that ends at the limit", 10, "abcdefgh\xc3\xa9k\r\n", "abcdefgh\xc3\xa9\r\n k\r\n" },
	{ "case 485: a line that ends with one", 10, "abcdefgh\xc3\xa9\r\n", "abcdefgh\xc3\xa9\r\n" },
	{ "case 485: three octets, one before the break", 10, "abcdefghi\xe2\x82\xac\r\n", "abcdefghi\r\n \xe2\x82\xac\r\n" },
	{ "case 485: three octets, two before the break", 10, "abcdefgh\xe2\x82\xac\r\n", "abcdefgh\r\n \xe2\x82\xac\r\n" },
	{ "case 485: four octets, three before the break", 10, "abcdefg\xf0\x9f\x98\x80z\r\n",
	  "abcdefg\r\n \xf0\x9f\x98\x80z\r\n" },
	{ "case 485: on the second line, too", 10, "abcdefghijklmnopqr\xc3\xa9\r\n",
	  "abcdefghij\r\n klmnopqr\r\n \xc3\xa9\r\n" },
	{ "octets that are no UTF-8 break where the line is full", 10, "abcdefg\x80\x80\x80\x80\x80\r\n",
	  "abcdefg\x80\x80\x80\r\n \x80\x80\r\n" },
	{ "a character that is not finished", 10, "abcdefghi\xc3\r\n", "abcdefghi\xc3\r\n" },
	{ "a character that another one interrupts", 10, "abcdefgh\xe2\x82z\r\n", "abcdefgh\xe2\x82\r\n z\r\n" },
	{ "a limit too small for characters", 3, "\xf0\x9f\x98\x80\r\n", "\xf0\x9f\x98\r\n \x80\r\n" },
	{ "case 478: no limit", 0, ".aaaaaaaaaaaaaaaa\r\n", "..aaaaaaaaaaaaaaaa\r\n" },
	{ "short lines, and an empty one", 10, "a\r\n\r\n.b\r\n", "a\r\n\r\n..b\r\n" },
	{ "CRs that have no LF do no harm", 4, "\r\r\r\r\r\r\rabcdef\r", "\r\r\r\r\r\r\r\r\n abc\r\n def\r" },
};

static void known_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct setting s = { .limit = cases[i].limit, .stuffs = true };
		struct str out = STR(out_storage);

		if (!stage_every_cut(&(struct stage_setup){ set_up, &s }, slice_of_str(cases[i].in), STAGE_END,
				     slice_of_str(cases[i].out), &out))
			fail_msg("%s: \"%.*s\"", cases[i].claim, SLICE_FMT(str_slice(&out)));
	}
}

static void no_limit(void **state)
{
	struct setting s = { .limit = 0, .stuffs = true };

	(void)state;
	memset(text, 'a', TEXT_MAX);
	text[0] = '.';
	text[2048] = text[2049] = text[4096] = '.';
	for (size_t size = 1; size <= TEXT_MAX; size = size * 2 + 1) {
		struct str out = STR(out_storage);

		stage_run_pieces(&(struct stage_setup){ set_up, &s }, slice_of(text, TEXT_MAX), size, &out);
		assert_int_equal(out.len, TEXT_MAX + 1);
		assert_memory_equal(out_storage + 1, text, TEXT_MAX);
		assert_false(s.wrap.has_split);
	}
}

/* Octets that come out, and the longest line of them. */
struct measure {
	uint64_t octets, lines;
	size_t in_line, longest;
};

static void measure(struct measure *m, struct slice span)
{
	m->octets += span.len;
	for (;;) {
		ptrdiff_t lf = slice_find_char(span, 0, '\n');

		m->in_line += lf < 0 ? span.len : (size_t)lf + 1;
		m->longest = MAX(m->longest, m->in_line);
		if (lf < 0)
			return;
		m->lines++;
		m->in_line = 0;
		slice_skip(&span, (size_t)lf + 1);
	}
}

static void endless_lines(void **state)
{
	static const uint64_t pieces[] = { 1, 53, 5243 };	/* 20 KB, 1 MiB, 100 MiB */
	const uint64_t limit = 998;

	(void)state;
	memset(text, '.', TEXT_MAX);
	for (unsigned i = 0; i < ARRAY_LEN(pieces); i++) {
		struct setting s = { .limit = limit, .stuffs = true };
		uint64_t size = pieces[i] * TEXT_MAX, lines = 1 + (size - limit + limit - 2) / (limit - 1);
		struct measure m = { 0 };
		struct chain c;
		struct slice span, end = SLICE("\r\n");

		chain_init(&c);
		set_up(&s, &c);
		for (uint64_t n = 0; n < pieces[i]; n++) {
			struct slice in = slice_of(text, TEXT_MAX);

			while (chain_next(&c, &in, false, &span) == STAGE_SPAN)
				measure(&m, span);
		}
		while (chain_next(&c, &end, true, &span) == STAGE_SPAN)
			measure(&m, span);
		assert_int_equal(m.lines, lines);
		assert_int_equal(m.octets, size + 3 * (lines - 1) + 2 + 1);
		/* The first line has a stuffed dot more, which is not counted. */
		assert_int_equal(m.longest, limit + 2 + 1);
	}
}

/* --- against the reference ---------------------------------------------------------------------- */

static void random_texts(void **state)
{
	static const char *const words[] = { "\r\n", "\r\n", ".", "a", "bc", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80", "\x80", "\xff", "\xc3", "\xf0\x9f", "From ", " " };
	uint64_t seed = 3;

	(void)state;
	for (unsigned round = 0; round < 800; round++) {
		struct setting s = { .limit = 2 + test_random(&seed) % 20 };
		struct str in = str_over(text, 1 + test_random(&seed) % 60);
		struct str out = STR(out_storage), want = STR(want_storage);

		while (!str_is_full(&in))
			str_add_cstr(&in, words[test_random(&seed) % ARRAY_LEN(words)]);
		wrap_reference(str_slice(&in), s.limit, &want);
		if (!stage_every_cut(&(struct stage_setup){ set_up, &s }, str_slice(&in), STAGE_END, str_slice(&want),
				     &out))
			fail_msg("limit %zu: \"%.*s\" gave \"%.*s\"", s.limit, SLICE_FMT(str_slice(&in)),
				SLICE_FMT(str_slice(&out)));
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("lines are as long as the table of B 15.3 says, in pieces of any size (cases 471-475, 480, row SMG-07)",
		      lengths_of_lines),
		CLAIM("breaks fall where they should, at every cut (cases 476, 477, 481, 483, 485, row SMG-07)",
		      known_answers),
		CLAIM("without a limit a line stays one line, and no dot in it is doubled (cases 478, 479)", no_limit),
		CLAIM("a line of 100 MiB is broken in the memory of a short one (row SMG-07)", endless_lines),
		CLAIM("random texts are as the reference says, at every cut", random_texts),
	};

	return scan_run_each_level("net/mail/wrap", claims, ARRAY_LEN(claims));
}
