#include "net/mail/unstuff.h"

#include "tests/test.h"
#include "tests/unit/net/mail/unstuff_reference.h"

struct unstuff_case {
	const char *claim;
	const char *in, *out;
};

static const struct unstuff_case cases[] = {
	{ "nothing is nothing", "", "" },
	{ "a line without dots", "a\r\n", "a\r\n" },
	{ "case 617: a line that is a dot", "..\r\n", ".\r\n" },
	{ "dots inside of a line stay", "a.\r\nb..c\r\n", "a.\r\nb..c\r\n" },
	{ "one dot of each line that begins with one", "..a\r\n...\r\nb\r\n..\r\n", ".a\r\n..\r\nb\r\n.\r\n" },
	{ "behind an empty line", "\r\n\r\n..\r\n\r\n", "\r\n\r\n.\r\n\r\n" },
	{ "a dot as the last octet", "a\r\n.", "a\r\n" },
	{ "a dot alone", ".", "" },
	{ "a line that began in the piece before", "abc.\r\n", "abc.\r\n" },
	{ "CR is no line end", "a\r..\r\n", "a\r..\r\n" },
};

/* Feeds in[0, a), in[a, b), in[b, end). */
static void check(const struct unstuff_case *c, size_t a, size_t b)
{
	char storage[64];
	struct str out = STR(storage);
	const struct slice in = slice_of_str(c->in);
	const size_t ends[] = { a, b, in.len };
	struct unstuff u;
	size_t at = 0;

	unstuff_init(&u);
	for (unsigned i = 0; i < ARRAY_LEN(ends); i++) {
		struct slice piece = slice_of(in.ptr + at, ends[i] - at), span;

		while (unstuff_next(&u, &piece, &span)) {
			assert_true(span.len > 0);
			assert_true(span.ptr >= in.ptr + at && span.ptr + span.len <= in.ptr + ends[i]);
			str_add(&out, span);
		}
		assert_int_equal(piece.len, 0);
		at = ends[i];
	}
	if (!slice_eq(str_slice(&out), slice_of_str(c->out)))
		fail_msg("%s, cut at %zu and %zu: \"%.*s\"", c->claim, a, b, SLICE_FMT(str_slice(&out)));
}

static void whole_and_at_every_cut(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const size_t len = strlen(cases[i].in);

		for (size_t a = 0; a <= len; a++)
			for (size_t b = a; b <= len; b++)
				check(&cases[i], a, b);
	}
}

static void octet_by_octet(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		char storage[64];
		struct str out = str_over(storage, 32), want = str_over(storage + 32, 32);
		struct unstuff u;

		unstuff_init(&u);
		for (const char *c = cases[i].in; *c != '\0'; c++) {
			struct slice piece = slice_of(c, 1), span;

			while (unstuff_next(&u, &piece, &span))
				str_add(&out, span);
		}
		unstuff_reference(slice_of_str(cases[i].in), &want);
		assert_true(slice_eq(str_slice(&out), slice_of_str(cases[i].out)));
		assert_true(slice_eq(str_slice(&want), slice_of_str(cases[i].out)));
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("one dot less for each line that begins with one, at every cut (case 617, row SMG-04)",
		      whole_and_at_every_cut),
		CLAIM("and octet by octet", octet_by_octet),
	};

	return cmocka_run_group_tests_name("net/mail/unstuff", claims, NULL, NULL);
}
