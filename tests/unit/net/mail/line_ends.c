#include "net/mail/line_ends.h"

#include <stdio.h>

#include "tests/unit/net/mail/scan_levels.h"
#include "tests/unit/net/mail/stage_reference.h"
#include "tests/unit/net/mail/stage_run.h"

#include "core/err.h"
#include "net/mail/dot.h"
#include "net/mail/wrap.h"

#define TEXT_MAX 4096

static char text[TEXT_MAX], out_storage[3 * TEXT_MAX], want_storage[3 * TEXT_MAX], memory[TEXT_MAX];

struct setting {
	size_t size;		/* of the memory */
	bool refuses_nul;
	bool sends;		/* with wrap and dot behind it */
	size_t limit;
	struct line_ends line_ends;
	struct wrap wrap;
	struct dot dot;
};

static void set_up_form(struct setting *s, struct chain *c, enum line_ends_form form)
{
	line_ends_init(&s->line_ends, form, memory, s->size);
	s->line_ends.refuses_nul = s->refuses_nul;
	chain_add(c, &s->line_ends.stage);
	wrap_init(&s->wrap, s->limit);
	dot_init(&s->dot);
	if (s->sends) {
		chain_add(c, &s->wrap.stage);
		chain_add(c, &s->dot.stage);
	}
}

static void set_up(void *context, struct chain *c)
{
	set_up_form(context, c, LINE_ENDS_TEXT);
}

/* --- text --------------------------------------------------------------------------------------- */

struct text_case {
	const char *claim;
	const char *in, *wire;		/* with dots stuffed */
};

static const struct text_case cases[] = {
	{ "case 468: no end of the last line", "a\r\nb", "a\r\nb\r\n" },
	{ "case 469: nothing stays nothing", "", "" },
	{ "case 470: empty lines at the end", "a\n\n\r\n", "a\r\n\r\n\r\n" },
	{ "case 486: a CR in a line", "a\rb", "a b\r\n" },
	{ "case 486: two of them at its end", "a\r\r\nb", "a \r\nb\r\n" },
	{ "case 487: LF dot CRLF", "x\n.\r\ny", "x\r\n..\r\ny\r\n" },
	{ "case 487: CR dot CRLF", "x\r.\r\ny", "x .\r\ny\r\n" },
	{ "case 487: CRLF dot LF", "x\r\n.\ny", "x\r\n..\r\ny\r\n" },
	{ "SMG-05: it ends in CR", "a\r", "a \r\n" },
	{ "SMG-05: it ends in LF", "a\n", "a\r\n" },
	{ "SMG-05: only a dot", ".", "..\r\n" },
	{ "SMG-05: only two dots", "..", "...\r\n" },
	{ "SMG-05: CR LF dot", "a\r\n.", "a\r\n..\r\n" },
	{ "lines that are fine", "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n" },
	{ "a CR alone", "\r", " \r\n" },
	{ "an LF alone", "\n", "\r\n" },
	{ "LF CR", "a\n\rb", "a\r\n b\r\n" },
	{ "CRs only", "\r\r\r", "   \r\n" },
	{ "case 488: 8-bit octets", "\x80\xff\n.\xc3\xa9", "\x80\xff\r\n..\xc3\xa9\r\n" },
};

static void known_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t size = LINE_ENDS_MEMORY_MIN; size <= sizeof(memory); size *= 64) {
			struct setting s = { .size = size, .sends = true, .limit = 998 };
			struct str out = STR(out_storage);

			if (!stage_every_cut(&(struct stage_setup){ set_up, &s }, slice_of_str(cases[i].in), STAGE_END,
					     slice_of_str(cases[i].wire), &out))
				fail_msg("%s: \"%.*s\"", cases[i].claim, SLICE_FMT(str_slice(&out)));
		}
}

static void last_lines(void **state)
{
	static const size_t lengths[] = { 997, 998, 999 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lengths); i++) {
		struct setting s = { .size = 256, .sends = true, .limit = 998 };
		struct str out = STR(out_storage), want = STR(want_storage);

		memset(text, 'a', lengths[i]);
		str_add(&want, slice_of(text, MIN(lengths[i], 998u)));
		str_add_cstr(&want, lengths[i] == 999 ? "\r\n a\r\n" : "\r\n");
		for (size_t size = 1; size <= 1024; size *= 2) {
			str_clear(&out);
			stage_run_pieces(&(struct stage_setup){ set_up, &s }, slice_of(text, lengths[i]), size, &out);
			assert_true(slice_eq(str_slice(&out), str_slice(&want)));
		}
	}
}

static void nul(void **state)
{
	const struct slice in = SLICE("a\0.\r\n\0.\r\n"), want = SLICE("a\0.\r\n\0.\r\n");
	struct setting passes = { .size = 64, .sends = true }, refuses = { .size = 64, .refuses_nul = true };
	struct str out = STR(out_storage);

	(void)state;
	assert_true(stage_every_cut(&(struct stage_setup){ set_up, &passes }, in, STAGE_END, want, &out));
	assert_true(stage_every_cut(&(struct stage_setup){ set_up, &refuses }, in, ERR_PROTO, want, &out));
	assert_true(stage_every_cut(&(struct stage_setup){ set_up, &refuses }, SLICE("\0"), ERR_PROTO, want, &out));
}

static void random_texts(void **state)
{
	static const char alphabet[] = "\r\n\n..\0\x80xy";
	uint64_t seed = 5;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		struct setting s = { .size = LINE_ENDS_MEMORY_MIN + test_random(&seed) % 100 };
		struct str out = STR(out_storage), want = STR(want_storage);
		size_t len = test_random(&seed) % 600;
		uint64_t one_in = 1 + test_random(&seed) % 150;

		for (size_t i = 0; i < len; i++) {
			uint64_t r = test_random(&seed);

			text[i] = r % one_in == 0 ? alphabet[r / 256 % (sizeof(alphabet) - 1)] : 'x';
			if (r % 61 == 0 && i > 0)
				memcpy(text + i - 1, "\r\n", 2);
		}
		size_t a = test_random(&seed) % (len + 1), b = a + test_random(&seed) % (len + 1 - a);

		line_ends_reference(slice_of(text, len), &want);
		int r = stage_run(&(struct stage_setup){ set_up, &s }, slice_of(text, len), (size_t[]){ a, b }, 2,
				  round & 1, &out);

		assert_int_equal(r, STAGE_END);
		assert_true(slice_eq(str_slice(&out), str_slice(&want)));
	}
}

/* What is fine already goes on as it is. */
static void fine_is_not_copied(void **state)
{
	struct slice in = slice_of(text, 100 * 40), span;
	struct setting s = { .size = 1024 };
	struct chain c;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		(void)snprintf(text + i * 40, 41, "%s", "a line of thirty-eight letters and so \r\n");
	chain_init(&c);
	set_up(&s, &c);
	assert_int_equal(chain_next(&c, &in, true, &span), STAGE_SPAN);
	assert_ptr_equal(span.ptr, text);
	assert_int_equal(span.len, 100 * 40);
	assert_int_equal(chain_next(&c, &in, true, &span), STAGE_END);
}

/* --- records ------------------------------------------------------------------------------------ */

struct record {
	const char *text;
	bool ends;
};

#define NORM(t) { t, true }
#define CONT(t) { t, false }

static const struct {
	const char *claim;
	struct record records[4];
	const char *wire;
} record_cases[] = {
	{ "a line each", { NORM("Subject: x"), NORM(""), NORM(".y"), NORM(".") }, "Subject: x\r\n\r\n..y\r\n..\r\n" },
	{ "a line in pieces", { CONT("abc"), CONT(".def"), NORM(".ghi"), NORM(".") }, "abc.def.ghi\r\n..\r\n" },
	{ "a line that is not ended", { NORM("a"), CONT("b") }, "a\r\nb\r\n" },
	{ "an empty end of a line", { CONT("a"), NORM(""), NORM("") }, "a\r\n\r\n" },
	{ "SMG-03: CR at the end of one, LF at the start of the next", { CONT("a\r"), NORM("\n."), NORM("b") },
	  "a  .\r\nb\r\n" },
	{ "SMG-03: CR at the end of a line", { NORM("a\r"), NORM(".\r"), NORM("b") }, "a \r\n.. \r\nb\r\n" },
	{ "SMG-03: a whole end inside", { NORM("a\r\n.\r\nMAIL FROM:<>"), NORM("b") }, "a  .  MAIL FROM:<>\r\nb\r\n" },
	{ "SMG-03: LF at the start of a line", { NORM("a"), NORM("\n.\n"), NORM("b") }, "a\r\n . \r\nb\r\n" },
};

static void check_records(const struct record *records, unsigned count, size_t piece, const char *claim,
	struct slice want)
{
	struct setting s = { .size = LINE_ENDS_MEMORY_MIN, .sends = true, .limit = 998 };
	struct str out = STR(out_storage);
	struct chain c;

	chain_init(&c);
	set_up_form(&s, &c, LINE_ENDS_RECORDS);
	for (unsigned i = 0; i < count && records[i].text != NULL; i++) {
		struct slice rest = slice_of_str(records[i].text);

		while (rest.len > 0) {
			struct slice part = slice_head(rest, piece);

			slice_skip(&rest, part.len);
			assert_int_equal(stage_feed(&c, part, false, &out), STAGE_MORE);
		}
		if (records[i].ends)
			line_ends_end_record(&s.line_ends);
	}
	assert_int_equal(stage_feed(&c, (struct slice){ 0 }, true, &out), STAGE_END);
	if (!slice_eq(str_slice(&out), want))
		fail_msg("%s: \"%.*s\"", claim, SLICE_FMT(str_slice(&out)));
}

static void records(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(record_cases); i++)
		for (size_t piece = 1; piece <= 32; piece++)
			check_records(record_cases[i].records, ARRAY_LEN(record_cases[i].records), piece,
				      record_cases[i].claim, slice_of_str(record_cases[i].wire));
}

static void many_empty_records(void **state)
{
	static struct record empty[200];
	struct str want = STR(want_storage);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(empty); i++) {
		empty[i] = (struct record)NORM("");
		str_add_cstr(&want, "\r\n");
	}
	check_records(empty, ARRAY_LEN(empty), 1, "200 ends at once", str_slice(&want));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("CRLF and LF end a line, other CRs are spaces, at every cut (cases 468-470, 486-488, row SMG-05)",
		      known_answers),
		CLAIM("a last line of 997, 998 and 999 octets gets its end (row SMG-05)", last_lines),
		CLAIM("NUL passes, or is refused (case 488, row SMG-06)", nul),
		CLAIM("random texts are as the reference says", random_texts),
		CLAIM("what is fine already is one span, and not copied", fine_is_not_copied),
		CLAIM("records end where it is told, and nowhere else (row SMG-03)", records),
		CLAIM("ends that are told one after the other are all given", many_empty_records),
	};

	return scan_run_each_level("net/mail/line_ends", claims, ARRAY_LEN(claims));
}
