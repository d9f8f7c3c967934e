#include "net/mail/dot.h"

#include "tests/unit/net/mail/scan_levels.h"
#include "tests/unit/net/mail/stage_reference.h"
#include "tests/unit/net/mail/stage_run.h"

#define TEXT_MAX 512

struct dot_case {
	const char *claim;
	const char *in, *out;
};

static const struct dot_case cases[] = {
	{ "case 467: dots at the start of a line, and elsewhere",
	  ".\r\n..\r\n.a\r\na.\r\n", "..\r\n...\r\n..a\r\na.\r\n" },
	{ "case 469: nothing is nothing", "", "" },
	{ "case 470: empty lines at the end are kept", "a\r\n\r\n\r\n", "a\r\n\r\n\r\n" },
	{ "a dot behind an empty line", "\r\n.\r\n", "\r\n..\r\n" },
	{ "case 477: ten dots are eleven", "..........\r\n", "...........\r\n" },
	{ "a dot alone", ".", ".." },
	{ "a dot as the last octet", "a\r\n.", "a\r\n.." },
	{ "a dot in a line", "a.b\r\nc. d\r\n", "a.b\r\nc. d\r\n" },
	{ "case 488: NUL and 8-bit octets", "\x80.\xff\r\n.\xc3\xa9\r\n", "\x80.\xff\r\n..\xc3\xa9\r\n" },
	{ "every line", ".\r\n.\r\n.\r\n", "..\r\n..\r\n..\r\n" },
};

static void set_up(void *context, struct chain *c)
{
	struct dot *d = context;

	dot_init(d);
	chain_add(c, &d->stage);
}

static void check(struct slice in, const char *claim)
{
	static char storage[2 * TEXT_MAX], want_storage[2 * TEXT_MAX];
	struct str out = STR(storage), want = STR(want_storage);
	struct dot dot;

	dot_reference(in, &want);
	if (!stage_every_cut(&(struct stage_setup){ set_up, &dot }, in, STAGE_END, str_slice(&want), &out))
		fail_msg("%s: \"%.*s\" from \"%.*s\"", claim, SLICE_FMT(str_slice(&out)), SLICE_FMT(in));
	assert_int_equal(dot.stuffing, want.len - in.len);
}

static void known_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		char storage[64];
		struct str want = STR(storage);

		dot_reference(slice_of_str(cases[i].in), &want);
		assert_true(slice_eq(str_slice(&want), slice_of_str(cases[i].out)));
		check(slice_of_str(cases[i].in), cases[i].claim);
	}
	check(SLICE("a\0.\r\n.\0\r\n\0"), "case 488: NUL ends nothing");
}

/* Lines of all lengths, so that a dot comes at every place of a block. */
static void at_every_place_of_a_block(void **state)
{
	char text[140];

	(void)state;
	for (size_t len = 0; len <= 130; len++) {
		memset(text, 'a', len);
		memcpy(text + len, "\r\n.\r\n.b", 8);
		check(slice_of(text, len + 8), "a dot behind a line of some length");
	}
}

static void spans_are_long(void **state)
{
	static char text[16 * 76];
	struct slice in = slice_of(text, sizeof(text)), span;
	struct dot d;

	(void)state;
	memset(text, 'a', sizeof(text));
	for (size_t at = 74; at < sizeof(text); at += 76)
		memcpy(text + at, "\r\n", 2);
	text[8 * 76] = '.';
	dot_init(&d);
	assert_int_equal(d.stage.next(&d.stage, &in, true, &span), STAGE_SPAN);
	assert_int_equal(span.len, 8 * 76 + 1);
	assert_ptr_equal(span.ptr, text);
	assert_int_equal(d.stage.next(&d.stage, &in, true, &span), STAGE_SPAN);
	assert_int_equal(span.len, 8 * 76);
	assert_ptr_equal(span.ptr, text + 8 * 76);
	assert_int_equal(d.stage.next(&d.stage, &in, true, &span), STAGE_END);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a dot more for each line that begins with one, at every cut (cases 467, 469, 470, 477, 488)",
		      known_answers),
		CLAIM("wherever in a block it stands", at_every_place_of_a_block),
		CLAIM("lines that need nothing are one span, and a stuffed dot costs one more", spans_are_long),
	};

	return scan_run_each_level("net/mail/dot", claims, ARRAY_LEN(claims));
}
