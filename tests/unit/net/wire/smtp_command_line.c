/* Command lines: any cut gives the same lines with the same flaws (rows SMG-02, LIS-03). */
#include "net/wire/smtp_command_line.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct line {
	const char *text;
	uint32_t flaws;
};

/* Feeds all of wire: a first piece of cut octets, then pieces of step; expects exactly these lines,
 * ended by NULL. */
static void check_lines(struct slice wire, size_t cut, size_t step, const struct line *expected)
{
	struct smtp_command_line_reader *reader = malloc(sizeof(*reader));
	struct smtp_command_line line;

	smtp_command_line_reader_init(reader);
	while (wire.len > 0) {
		struct slice piece = slice_head(wire, cut);

		slice_skip(&wire, piece.len);
		while (smtp_command_line_feed(reader, &piece, &line) == 1) {
			assert_non_null(expected->text);
			if (!slice_eq(line.text, slice_of_str(expected->text)) || line.flaws != expected->flaws)
				fail_msg("'%.*s' with %x (cut at %zu)", SLICE_FMT(line.text), line.flaws, cut);
			expected++;
		}
		assert_int_equal(piece.len, 0);
		cut = step;
	}
	assert_null(expected->text);
	free(reader);
}

static const struct line_case {
	const char *wire;
	struct line lines[4];
} cases[] = {
	{ "EHLO x\r\n", { { "EHLO x", 0 } } },
	{ "MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n",
	  { { "MAIL FROM:<>", 0 }, { "RCPT TO:<a@b>", 0 }, { "DATA", 0 } } },
	{ "\r\n\r\n", { { "", 0 }, { "", 0 } } },
	{ "QUIT\n", { { "QUIT", SMTP_LINE_BARE_LF } } },
	{ "\n", { { "", SMTP_LINE_BARE_LF } } },
	{ "a\rb\r\n", { { "a\rb", SMTP_LINE_BARE_CR } } },
	{ "a\r\r\n", { { "a\r", SMTP_LINE_BARE_CR } } },
	{ "\r\r\n", { { "\r", SMTP_LINE_BARE_CR } } },
	{ "a\rb\nc\r\n", { { "a\rb", SMTP_LINE_BARE_CR | SMTP_LINE_BARE_LF }, { "c", 0 } } },
	{ "a\nb\r\nc\n", { { "a", SMTP_LINE_BARE_LF }, { "b", 0 }, { "c", SMTP_LINE_BARE_LF } } },
	{ "\r.\r\r\n", { { "\r.\r", SMTP_LINE_BARE_CR } } },
	{ "no end", { { NULL, 0 } } },
	{ "ended\r\nnot\r", { { "ended", 0 } } },
};

static void test_every_case_whole_and_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice wire = slice_of_str(cases[i].wire);

		for (size_t cut = 1; cut <= wire.len; cut++)
			check_lines(wire, cut, wire.len, cases[i].lines);
		check_lines(wire, 1, 1, cases[i].lines);
	}
}

static void test_NUL_is_told_at_every_cut(void **state)
{
	static const char wire[] = "RC\0PT\r\nx\r\n";
	struct smtp_command_line_reader reader;

	(void)state;
	for (size_t cut = 1; cut < sizeof(wire) - 1; cut++) {
		struct slice first = slice_of(wire, cut);
		struct slice second = slice_of(wire + cut, sizeof(wire) - 1 - cut);
		struct smtp_command_line line;

		smtp_command_line_reader_init(&reader);
		if (smtp_command_line_feed(&reader, &first, &line) == 0)
			assert_int_equal(smtp_command_line_feed(&reader, &second, &line), 1);
		assert_int_equal(line.flaws, SMTP_LINE_NUL);
		assert_true(slice_eq(line.text, slice_of("RC\0PT", 5)));
		if (first.len == 0)
			first = second;
		/* The flaw is of one line alone. */
		if (smtp_command_line_feed(&reader, &first, &line) == 1)
			assert_int_equal(line.flaws, 0);
	}
}

/* Returns what the feed of a line of len octets and its end returns, in pieces of step. */
static int feed_long(size_t len, size_t step, const char *end, struct smtp_command_line_reader *reader,
	struct smtp_command_line *ret_line)
{
	size_t end_len = strlen(end);
	char *wire = malloc(len + end_len);
	struct slice rest = { wire, len + end_len };
	int r = 0;

	memset(wire, 'x', len);
	memcpy(wire + len, end, end_len);
	smtp_command_line_reader_init(reader);
	while (rest.len > 0 && r == 0) {
		struct slice piece = slice_head(rest, step);

		slice_skip(&rest, piece.len);
		r = smtp_command_line_feed(reader, &piece, ret_line);
		/* The text may be in the wire: look at it while that is here. */
		if (r == 1)
			assert_int_equal(ret_line->text.ptr[ret_line->text.len - 1], 'x');
	}
	free(wire);
	return r;
}

/* LIS-03: 512, 513 and 4,096 octets, then what is too long, then what has no end. */
static void test_LIS_03_lines_are_bounded(void **state)
{
	static const size_t steps[] = { 1, 1000, SIZE_MAX };
	struct smtp_command_line_reader reader;
	struct smtp_command_line line;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		for (size_t len = 510; len <= 513; len++) {
			assert_int_equal(feed_long(len, steps[i], "\r\n", &reader, &line), 1);
			assert_int_equal(line.flaws, 0);
			assert_int_equal(line.text.len, len);
		}
		assert_int_equal(feed_long(SMTP_LINE_MAX, steps[i], "\r\n", &reader, &line), 1);
		assert_int_equal(line.flaws, 0);
		assert_int_equal(line.text.len, SMTP_LINE_MAX);
		assert_int_equal(feed_long(SMTP_LINE_MAX + 1, steps[i], "\r\n", &reader, &line), 1);
		assert_int_equal(line.flaws, SMTP_LINE_TOO_LONG);
		assert_int_equal(line.text.len, SMTP_LINE_MAX);
		assert_int_equal(feed_long(SMTP_LINE_SKIP_MAX, steps[i], "\n", &reader, &line), 1);
		assert_int_equal(line.flaws, SMTP_LINE_TOO_LONG | SMTP_LINE_BARE_LF);
		assert_int_equal(feed_long(SMTP_LINE_SKIP_MAX + 1, steps[i], "\n", &reader, &line), -EMSGSIZE);
		assert_int_equal(feed_long(1 << 20, steps[i], "", &reader, &line), -EMSGSIZE);
	}
	struct slice more = SLICE("\r\nQUIT\r\n");

	/* failed for good */
	assert_int_equal(smtp_command_line_feed(&reader, &more, &line), -EMSGSIZE);
	assert_int_equal(more.len, 8);
}

static void test_what_follows_a_line_stays_with_the_caller(void **state)
{
	struct smtp_command_line_reader reader;
	struct smtp_command_line line;
	struct slice in = SLICE("BDAT 4 LAST\r\n\r\n\r\n");

	(void)state;
	smtp_command_line_reader_init(&reader);
	assert_true(smtp_command_line_is_idle(&reader));
	assert_int_equal(smtp_command_line_feed(&reader, &in, &line), 1);
	assert_int_equal(in.len, 4);
	assert_true(smtp_command_line_is_idle(&reader));
}

static void test_a_line_that_arrived_whole_is_not_copied(void **state)
{
	static const char wire[] = "NOOP\r\n";
	struct smtp_command_line_reader reader;
	struct smtp_command_line line;
	struct slice in = slice_of(wire, sizeof(wire) - 1);

	(void)state;
	smtp_command_line_reader_init(&reader);
	assert_int_equal(smtp_command_line_feed(&reader, &in, &line), 1);
	assert_ptr_equal(line.text.ptr, wire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case_whole_and_at_every_cut),
		cmocka_unit_test(test_NUL_is_told_at_every_cut),
		cmocka_unit_test(test_LIS_03_lines_are_bounded),
		cmocka_unit_test(test_what_follows_a_line_stays_with_the_caller),
		cmocka_unit_test(test_a_line_that_arrived_whole_is_not_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
