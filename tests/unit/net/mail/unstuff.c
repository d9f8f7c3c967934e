#include "net/mail/unstuff.h"

#include "tests/unit/net/mail/scan_levels.h"
#include "tests/unit/net/mail/stage_run.h"
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

static void set_up(void *context, struct chain *c)
{
	struct unstuff *u = context;

	unstuff_init(u);
	chain_add(c, &u->stage);
}

static void whole_and_at_every_cut(void **state)
{
	struct unstuff unstuff;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		char storage[128];
		struct str out = str_over(storage, 64), want = str_over(storage + 64, 64);
		struct slice in = slice_of_str(cases[i].in);

		unstuff_reference(in, &want);
		assert_true(slice_eq(str_slice(&want), slice_of_str(cases[i].out)));
		if (!stage_every_cut(&(struct stage_setup){ set_up, &unstuff }, in, STAGE_END, str_slice(&want), &out))
			fail_msg("%s: \"%.*s\"", cases[i].claim, SLICE_FMT(str_slice(&out)));
	}
}

static void nothing_is_copied(void **state)
{
	struct slice in = SLICE("..a\r\nb\r\n...\r\n"), rest = in, span;
	struct unstuff u;
	unsigned spans = 0;

	(void)state;
	unstuff_init(&u);
	while (u.stage.next(&u.stage, &rest, false, &span) == STAGE_SPAN) {
		assert_true(span.ptr >= in.ptr && span.ptr + span.len <= in.ptr + in.len);
		spans++;
	}
	assert_int_equal(spans, 2);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("one dot less for each line that begins with one, at every cut (case 617, row SMG-04)",
		      whole_and_at_every_cut),
		CLAIM("a span is a run of the input", nothing_is_copied),
	};

	return scan_run_each_level("net/mail/unstuff", claims, ARRAY_LEN(claims));
}
