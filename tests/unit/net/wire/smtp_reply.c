/* Replies: whole, octet by octet, at every cut, and everything that is none. */
#include "net/wire/smtp_reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/err.h"
#include "core/str.h"

struct reply_case {
	const char *claim;
	const char *wire;
	int err;
	int code;
	const char *text;
	/* "5.7.1" when the server gave it, "(5.0.0)" when we made it */
	const char *enhanced;
	bool codes_differ;
	bool lf_only;
	unsigned lines;
};

static const struct reply_case cases[] = {
	{ .claim = "a code and text is a reply",
	  .wire = "250 ok\r\n",
	  .code = 250,
	  .text = "250 ok",
	  .enhanced = "(2.0.0)" },
	{ .claim = "case 126: the text of all lines is kept",
	  .wire = "250-a\r\n250-b\r\n250 c\r\n",
	  .code = 250,
	  .text = "250-a\n250-b\n250 c",
	  .enhanced = "(2.0.0)",
	  .lines = 3 },
	{ .claim = "case 127, RPL-05: the last line decides, and that they differ is told",
	  .wire = "451-x\r\n550 y\r\n",
	  .code = 550,
	  .text = "451-x\n550 y",
	  .enhanced = "(5.0.0)",
	  .codes_differ = true,
	  .lines = 2 },
	{ .claim = "RPL-05: 250 then 550",
	  .wire = "250-a\r\n550 b\r\n",
	  .code = 550,
	  .text = "250-a\n550 b",
	  .enhanced = "(5.0.0)",
	  .codes_differ = true,
	  .lines = 2 },
	{ .claim = "RPL-05: 354 then 250",
	  .wire = "354-a\r\n250 b\r\n",
	  .code = 250,
	  .text = "354-a\n250 b",
	  .enhanced = "(2.0.0)",
	  .codes_differ = true,
	  .lines = 2 },
	{ .claim = "codes that differ in the middle differ",
	  .wire = "250-a\r\n251-b\r\n250 c\r\n",
	  .code = 250,
	  .text = "250-a\n251-b\n250 c",
	  .enhanced = "(2.0.0)",
	  .codes_differ = true,
	  .lines = 3 },
	{ .claim = "codes that agree at the end differ all the same",
	  .wire = "250-a\r\n251-b\r\n251 c\r\n",
	  .code = 251,
	  .text = "250-a\n251-b\n251 c",
	  .enhanced = "(2.0.0)",
	  .codes_differ = true,
	  .lines = 3 },
	{ .claim = "case 128, RPL-04: a code without text is a whole reply",
	  .wire = "220\r\n",
	  .code = 220,
	  .text = "220",
	  .enhanced = "(2.0.0)" },
	{ .claim = "a code and a blank is a whole reply",
	  .wire = "220 \r\n",
	  .code = 220,
	  .text = "220 ",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-04: a dash behind the blank is text",
	  .wire = "250 -\r\n",
	  .code = 250,
	  .text = "250 -",
	  .enhanced = "(2.0.0)" },
	{ .claim = "a continuation may be empty",
	  .wire = "250-\r\n250 x\r\n",
	  .code = 250,
	  .text = "250-\n250 x",
	  .enhanced = "(2.0.0)",
	  .lines = 2 },
	{ .claim = "case 129, RPL-04: LF alone ends a line, and is told",
	  .wire = "250 ok\n",
	  .code = 250,
	  .text = "250 ok",
	  .enhanced = "(2.0.0)",
	  .lf_only = true },
	{ .claim = "LF alone in a line before the last is told",
	  .wire = "250-a\n250 ok\r\n",
	  .code = 250,
	  .text = "250-a\n250 ok",
	  .enhanced = "(2.0.0)",
	  .lf_only = true,
	  .lines = 2 },
	{ .claim = "RPL-04: CR CR LF ends a line, and is told",
	  .wire = "250 ok\r\r\n",
	  .code = 250,
	  .text = "250 ok",
	  .enhanced = "(2.0.0)",
	  .lf_only = true },
	{ .claim = "a CR inside is no line end",
	  .wire = "250 a\rb\r\n",
	  .code = 250,
	  .text = "250 a?b",
	  .enhanced = "(2.0.0)" },
	{ .claim = "case 130: an enhanced code is taken",
	  .wire = "550 5.1.1 no\r\n",
	  .code = 550,
	  .text = "550 5.1.1 no",
	  .enhanced = "5.1.1" },
	{ .claim = "case 131: without one the class makes it",
	  .wire = "550 no\r\n",
	  .code = 550,
	  .text = "550 no",
	  .enhanced = "(5.0.0)" },
	{ .claim = "case 132: a class that disagrees is not believed",
	  .wire = "550 4.7.1 no\r\n",
	  .code = 550,
	  .text = "550 4.7.1 no",
	  .enhanced = "(5.0.0)" },
	{ .claim = "case 133: junk behind it",
	  .wire = "450 4.7.1x\r\n",
	  .code = 450,
	  .text = "450 4.7.1x",
	  .enhanced = "(4.0.0)" },
	{ .claim = "case 133: two parts",
	  .wire = "450 4.7\r\n",
	  .code = 450,
	  .text = "450 4.7",
	  .enhanced = "(4.0.0)" },
	{ .claim = "case 133: four digits",
	  .wire = "450 4.1234.1\r\n",
	  .code = 450,
	  .text = "450 4.1234.1",
	  .enhanced = "(4.0.0)" },
	{ .claim = "case 134: an enhanced code alone",
	  .wire = "550 5.7.1\r\n",
	  .code = 550,
	  .text = "550 5.7.1",
	  .enhanced = "5.7.1" },
	{ .claim = "case 134: two blanks",
	  .wire = "550  5.7.1 x\r\n",
	  .code = 550,
	  .text = "550  5.7.1 x",
	  .enhanced = "5.7.1" },
	{ .claim = "case 135: only the last line counts",
	  .wire = "550-5.7.1 a\r\n550 b\r\n",
	  .code = 550,
	  .text = "550-5.7.1 a\n550 b",
	  .enhanced = "(5.0.0)",
	  .lines = 2 },
	{ .claim = "RPL-06: 250 with class 5",
	  .wire = "250 5.7.1 x\r\n",
	  .code = 250,
	  .text = "250 5.7.1 x",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-06: 550 with class 2",
	  .wire = "550 2.0.0\r\n",
	  .code = 550,
	  .text = "550 2.0.0",
	  .enhanced = "(5.0.0)" },
	{ .claim = "RPL-06: a 3xx has no enhanced code",
	  .wire = "354 5.0.0\r\n",
	  .code = 354,
	  .text = "354 5.0.0",
	  .enhanced = "(5.5.0)" },
	{ .claim = "RPL-06: three digits are taken",
	  .wire = "550 5.999.999\r\n",
	  .code = 550,
	  .text = "550 5.999.999",
	  .enhanced = "5.999.999" },
	{ .claim = "RPL-06: four digits are not",
	  .wire = "550 5.1000.1\r\n",
	  .code = 550,
	  .text = "550 5.1000.1",
	  .enhanced = "(5.0.0)" },
	{ .claim = "RPL-06: four digits at the end are not",
	  .wire = "550 5.1.1000\r\n",
	  .code = 550,
	  .text = "550 5.1.1000",
	  .enhanced = "(5.0.0)" },
	{ .claim = "RPL-06: 2.0 is none",
	  .wire = "250 2.0\r\n",
	  .code = 250,
	  .text = "250 2.0",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-06: 2..0 is none",
	  .wire = "250 2..0\r\n",
	  .code = 250,
	  .text = "250 2..0",
	  .enhanced = "(2.0.0)" },
	{ .claim = "a tab may end it",
	  .wire = "250 2.1.5\tok\r\n",
	  .code = 250,
	  .text = "250 2.1.5?ok",
	  .enhanced = "2.1.5" },
	{ .claim = "case 142: NUL and controls become ?",
	  .wire = "250 a\001b\033[1mc\177\r\n",
	  .code = 250,
	  .text = "250 a?b?[1mc?",
	  .enhanced = "(2.0.0)" },
	{ .claim = "case 614: UTF-8 stays",
	  .wire = "250 gr\xc3\xbc\xc3\x9f\r\n",
	  .code = 250,
	  .text = "250 gr\xc3\xbc\xc3\x9f",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-03: cut UTF-8 does not",
	  .wire = "250 a\xe2\x82\r\n",
	  .code = 250,
	  .text = "250 a??",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-03: overlong UTF-8 does not",
	  .wire = "250 \xc0\xaf\r\n",
	  .code = 250,
	  .text = "250 ??",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-03: what turns the direction of text does not",
	  .wire = "250 \xe2\x80\xaex\r\n",
	  .code = 250,
	  .text = "250 ???x",
	  .enhanced = "(2.0.0)" },
	{ .claim = "RPL-03: C1 controls do not",
	  .wire = "250 \xc2\x85x\r\n",
	  .code = 250,
	  .text = "250 ??x",
	  .enhanced = "(2.0.0)" },

	/* RPL-04: none of these is a reply. */
	{ .claim = "one digit", .wire = "2\r\n", .err = ERR_PROTO },
	{ .claim = "two digits", .wire = "25\r\n", .err = ERR_PROTO },
	{ .claim = "four digits", .wire = "2500 \r\n", .err = ERR_PROTO },
	{ .claim = "two digits and a blank", .wire = "99 \r\n", .err = ERR_PROTO },
	{ .claim = "first digit 6", .wire = "600 x\r\n", .err = ERR_PROTO },
	{ .claim = "first digit 8", .wire = "850 x\r\n", .err = ERR_PROTO },
	{ .claim = "first digit 0", .wire = "000 \r\n", .err = ERR_PROTO },
	{ .claim = "RPL-13: first digit 1", .wire = "150 x\r\n", .err = ERR_PROTO },
	{ .claim = "a sign", .wire = "-50 \r\n", .err = ERR_PROTO },
	{ .claim = "digits of another script", .wire = "\xd9\xa2\xd9\xa5\xd9\xa0\r\n", .err = ERR_PROTO },
	{ .claim = "a blank before", .wire = " 250 \r\n", .err = ERR_PROTO },
	{ .claim = "case 139: a letter behind", .wire = "250x text\r\n", .err = ERR_PROTO },
	{ .claim = "a letter behind, and nothing more", .wire = "250x\r\n", .err = ERR_PROTO },
	{ .claim = "a tab behind", .wire = "250\ttext\r\n", .err = ERR_PROTO },
	{ .claim = "a letter inside", .wire = "25x ok\r\n", .err = ERR_PROTO },
	{ .claim = "an empty line", .wire = "\r\n", .err = ERR_PROTO },
	{ .claim = "an empty line of LF alone", .wire = "\n", .err = ERR_PROTO },
	{ .claim = "RPL-12: garbage before a reply", .wire = "garbage\r\n250 ok\r\n", .err = ERR_PROTO },
	{ .claim = "garbage inside a reply", .wire = "250-a\r\ngarbage\r\n250 ok\r\n", .err = ERR_PROTO },
	{ .claim = "another protocol", .wire = "SSH-2.0-x\r\n", .err = ERR_PROTO },
	{ .claim = "a negative reply of another protocol", .wire = "-ERR no\r\n", .err = ERR_PROTO },
};

static void format_enhanced(const struct smtp_reply *r, char *out, size_t size)
{
	snprintf(out, size, r->has_enhanced ? "%u.%u.%u" : "(%u.%u.%u)", r->enhanced.class, r->enhanced.subject,
		r->enhanced.detail);
}

/* Feeds in pieces of step octets, the first one of cut octets. Returns as the last feed does. */
static int feed_cut(struct smtp_reply_parser *p, struct slice wire, size_t cut, size_t step, struct smtp_reply *ret)
{
	int r = 0;

	while (wire.len > 0 && r == 0) {
		struct slice piece = slice_head(wire, cut);

		slice_skip(&wire, piece.len);
		r = smtp_reply_feed(p, &piece, ret);
		if (r >= 0)
			assert_true(r == 1 || piece.len == 0);
		cut = step;
	}
	return r;
}

static void check_case(const struct reply_case *c, size_t cut, size_t step)
{
	struct smtp_reply_parser p;
	struct smtp_reply r = { .code = -1 };
	char enhanced[32];

	smtp_reply_parser_init(&p);
	int got = feed_cut(&p, slice_of_str(c->wire), cut, step, &r);

	if (c->err != 0 ? got != c->err : got != 1)
		fail_msg("%s: returned %d (cut at %zu)", c->claim, got, cut);
	if (c->err != 0) {
		assert_int_equal(r.code, -1);		/* untouched */
		return;
	}
	format_enhanced(&r, enhanced, sizeof(enhanced));
	if (r.code != c->code || r.codes_differ != c->codes_differ || r.lf_only != c->lf_only ||
	    r.lines != (c->lines ? c->lines : 1) || r.text_cut || strcmp(enhanced, c->enhanced) != 0 ||
	    !slice_eq(r.text, slice_of_str(c->text)))
		fail_msg("%s: %d %s '%.*s' lines %u differ %d lf %d (cut at %zu)", c->claim, r.code, enhanced,
			 SLICE_FMT(r.text), r.lines, r.codes_differ, r.lf_only, cut);
}

static void test_every_case_whole_and_at_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].wire);

		for (size_t cut = 1; cut <= len; cut++)
			check_case(&cases[i], cut, len);
		check_case(&cases[i], 1, 1);
	}
}

/* RPL-07: three replies, and after any cut each is there as soon as its last octet is. */
static void test_glued_replies_come_out_one_by_one_at_every_split(void **state)
{
	static const char wire[] = "250-2.1.0 a\r\n250 2.1.0 b\r\n550 5.1.1 no\r\n354 go\r\n";
	static const size_t ends[] = { 26, 40, 48 };
	static const int codes[] = { 250, 550, 354 };
	size_t len = sizeof(wire) - 1;

	(void)state;
	for (size_t a = 1; a <= len; a++) {
		for (size_t b = a; b <= len; b++) {
			size_t pieces[] = { a, b - a, len - b };
			struct smtp_reply_parser p;
			struct slice rest = slice_of(wire, len);
			size_t seen = 0;
			size_t replies = 0;

			smtp_reply_parser_init(&p);
			for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
				struct slice piece = slice_head(rest, pieces[i]);
				struct smtp_reply r;

				slice_skip(&rest, pieces[i]);
				while (smtp_reply_feed(&p, &piece, &r) == 1) {
					assert_int_equal(r.code, codes[replies]);
					assert_int_equal(seen + pieces[i] - piece.len, ends[replies]);
					assert_true(smtp_reply_parser_is_idle(&p));
					replies++;
				}
				assert_int_equal(piece.len, 0);
				seen += pieces[i];
			}
			assert_int_equal(replies, 3);
		}
	}
}

static void test_forty_replies_in_one_segment_are_forty(void **state)
{
	char wire[40 * 16];
	struct smtp_reply_parser p;
	struct str text = STR(wire);
	struct smtp_reply r;

	(void)state;
	for (int i = 0; i < 40; i++)
		str_printf(&text, "%d x\r\n", 250 + i);
	struct slice in = str_slice(&text);

	smtp_reply_parser_init(&p);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(smtp_reply_feed(&p, &in, &r), 1);
		assert_int_equal(r.code, 250 + i);
	}
	assert_int_equal(in.len, 0);
	assert_int_equal(smtp_reply_feed(&p, &in, &r), 0);
}

/* RPL-06: nothing of the reply before is left. */
static void test_a_reply_has_nothing_of_the_one_before(void **state)
{
	struct smtp_reply_parser p;
	struct slice in = SLICE("550-5.7.1 long text\n451 4.7.1 x\n250 y\r\n");
	struct smtp_reply r;

	(void)state;
	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_feed(&p, &in, &r), 1);
	assert_true(r.has_enhanced && r.codes_differ && r.lf_only);
	assert_int_equal(smtp_reply_feed(&p, &in, &r), 1);
	assert_true(!r.has_enhanced && !r.codes_differ && !r.lf_only);
	assert_int_equal(r.enhanced.class, 2);
	assert_int_equal(r.enhanced.subject, 0);
	assert_int_equal(r.enhanced.detail, 0);
	assert_int_equal(r.lines, 1);
	assert_true(slice_eq(r.text, SLICE("250 y")));
}

/* What a reader of RFC 5321 who has the whole input before him would say: the oracle of RPL-03. */
struct verdict {
	int ret;
	int code;
	size_t consumed;
};

static struct verdict judge(const unsigned char *wire, size_t len)
{
	size_t start = 0;

	for (size_t i = 0; i < len; i++) {
		if (wire[i] != '\n')
			continue;
		size_t end = i;

		while (end > start && wire[end - 1] == '\r')
			end--;
		const unsigned char *l = wire + start;
		size_t n = end - start;

		if (n < 3 || l[0] < '2' || l[0] > '5' || l[1] < '0' || l[1] > '9' || l[2] < '0' || l[2] > '9' ||
		    (n > 3 && l[3] != ' ' && l[3] != '-'))
			return (struct verdict){ ERR_PROTO, 0, i + 1 };
		if (n == 3 || l[3] == ' ')
			return (struct verdict){ 1, (l[0] - '0') * 100 + (l[1] - '0') * 10 + (l[2] - '0'), i + 1 };
		start = i + 1;
	}
	return (struct verdict){ 0, 0, len };
}

static void check_printable(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		assert_true((c >= 0x20 && c != 0x7f) || c == '\n');
	}
}

/* RPL-03: 40 positions, 256 octets, and each of them whole and octet by octet: 20,480 runs. */
static void test_every_octet_at_every_position(void **state)
{
	static const char model[] = "250-first line\r\n250 2.0.0 ok, queued A\r\n";
	unsigned char wire[sizeof(model) - 1];

	(void)state;
	assert_int_equal(sizeof(wire), 40);
	for (size_t at = 0; at < sizeof(wire); at++) {
		for (unsigned octet = 0; octet < 256; octet++) {
			memcpy(wire, model, sizeof(wire));
			wire[at] = (unsigned char)octet;
			struct verdict v = judge(wire, sizeof(wire));

			for (size_t step = 1; step <= sizeof(wire); step += sizeof(wire) - 1) {
				struct smtp_reply_parser p;
				struct smtp_reply r = { 0 };

				smtp_reply_parser_init(&p);
				int got = feed_cut(&p, slice_of(wire, sizeof(wire)), step, step, &r);

				if (got != v.ret || r.code != v.code)
					fail_msg("octet %02x at %zu: %d/%d, not %d/%d", octet, at, got, r.code, v.ret,
						 v.code);
				if (got == 1)
					check_printable(r.text);
				else if (got < 0)
					check_printable(smtp_reply_offence(&p));
			}
		}
	}
}

static void test_a_failed_parser_stays_failed_and_shows_the_offence(void **state)
{
	struct smtp_reply_parser p;
	struct slice in = SLICE("250-a\r\nwhat \033[2J is this\r\n250 ok\r\n");
	struct smtp_reply r;

	(void)state;
	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_feed(&p, &in, &r), ERR_PROTO);
	assert_true(slice_eq(smtp_reply_offence(&p), SLICE("what ?[2J is this")));
	in = SLICE("250 ok\r\n");
	assert_int_equal(smtp_reply_feed(&p, &in, &r), ERR_PROTO);
	assert_int_equal(in.len, 8);
	assert_false(smtp_reply_parser_is_idle(&p));
}

static void test_an_offence_is_bounded(void **state)
{
	struct smtp_reply_parser p;
	char wire[3001];
	struct slice in = { wire, sizeof(wire) };
	struct smtp_reply r;

	(void)state;
	memset(wire, 'x', sizeof(wire));
	wire[3000] = '\n';
	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_feed(&p, &in, &r), ERR_PROTO);
	assert_int_equal(smtp_reply_offence(&p).len, REPLY_OFFENCE_MAX);
}

/* RPL-01: feeds "250-x" lines, count of them, and then last. */
static int feed_lines(unsigned count, const char *line, const char *last, struct smtp_reply_parser *p,
		      struct smtp_reply *ret)
{
	int r = 0;

	smtp_reply_parser_init(p);
	for (unsigned i = 0; i < count && r == 0; i++) {
		struct slice in = slice_of_str(line);

		r = smtp_reply_feed(p, &in, ret);
	}
	if (r != 0)
		return r;
	struct slice in = slice_of_str(last);

	return smtp_reply_feed(p, &in, ret);
}

static void test_RPL_01_lines_are_bounded(void **state)
{
	struct smtp_reply_parser p;
	struct smtp_reply r;

	(void)state;
	assert_int_equal(feed_lines(REPLY_LINES_MAX - 1, "250-x\r\n", "250 y\r\n", &p, &r), 1);
	assert_int_equal(r.lines, REPLY_LINES_MAX);
	assert_int_equal(feed_lines(REPLY_LINES_MAX, "250-x\r\n", "250 y\r\n", &p, &r), -EMSGSIZE);
	assert_int_equal(feed_lines(100000, "250-x\r\n", "", &p, &r), -EMSGSIZE);
}

static void test_RPL_01_octets_are_bounded(void **state)
{
	struct smtp_reply_parser p;
	struct smtp_reply r;
	char line[1025];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "250-", 4);
	memcpy(line + 1022, "\r\n", 3);
	assert_int_equal(feed_lines(63, line, "250 y\r\n", &p, &r), 1);
	assert_true(r.text_cut);
	assert_int_equal(r.text.len, REPLY_TEXT_MAX);
	assert_int_equal(feed_lines(65, line, "250 y\r\n", &p, &r), -EMSGSIZE);
	assert_int_equal(feed_lines(64, line, "250 y\r\n", &p, &r), -EMSGSIZE);
}

/* RPL-02: a line of len octets before its CR LF, in pieces of step. */
static int feed_long(size_t len, size_t step, bool ended, struct smtp_reply_parser *p, struct smtp_reply *ret)
{
	char *wire = malloc(len + 2);

	memset(wire, 'x', len);
	memcpy(wire, "550 5.7.1 ", 10);
	memcpy(wire + len, "\r\n", 2);
	smtp_reply_parser_init(p);
	int r = feed_cut(p, slice_of(wire, ended ? len + 2 : len), step, step, ret);

	free(wire);
	return r;
}

static void test_RPL_02_lines_are_bounded_and_what_is_over_the_text_is_dropped(void **state)
{
	static const size_t steps[] = { 1, 7, 512, 1460, 100000 };
	struct smtp_reply_parser p;
	struct smtp_reply r;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		/* case 140 */
		assert_int_equal(feed_long(5000, steps[i], true, &p, &r), 1);
		assert_true(r.text_cut && r.has_enhanced);
		assert_int_equal(r.text.len, REPLY_TEXT_MAX);
		assert_int_equal(r.code, 550);
		assert_int_equal(feed_long(REPLY_TEXT_MAX, steps[i], true, &p, &r), 1);
		assert_false(r.text_cut);
		assert_int_equal(r.text.len, REPLY_TEXT_MAX);
		assert_int_equal(feed_long(REPLY_TEXT_MAX + 1, steps[i], true, &p, &r), 1);
		assert_true(r.text_cut);
		/* its CR is the last */
		assert_int_equal(feed_long(REPLY_LINE_MAX - 1, steps[i], true, &p, &r), 1);
		assert_int_equal(feed_long(REPLY_LINE_MAX, steps[i], true, &p, &r), -EMSGSIZE);
		assert_int_equal(feed_long(1 << 20, steps[i], false, &p, &r), -EMSGSIZE);
		assert_true(slice_has_prefix(smtp_reply_offence(&p), SLICE("550 5.7.1 xx")));
	}
}

/* When the text is full, codes still come from the line that has no room in it. */
static void test_codes_are_found_when_the_text_is_full(void **state)
{
	struct smtp_reply_parser p;
	struct smtp_reply r;
	char line[1025];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "550-", 4);
	memcpy(line + 1022, "\r\n", 3);
	for (unsigned before = 2; before < 4; before++) {
		assert_int_equal(feed_lines(before, line, "550 5.7.26 no\r\n", &p, &r), 1);
		assert_true(r.has_enhanced && r.text_cut);
		assert_int_equal(r.enhanced.detail, 26);
		assert_int_equal(feed_lines(before, line, "999 no\r\n", &p, &r), ERR_PROTO);
		assert_true(slice_eq(smtp_reply_offence(&p), SLICE("999 no")));
	}
}

/* CVE-2026-40686's class: where the text ends, no character is halved. */
static void test_the_end_of_the_text_does_not_split_a_character(void **state)
{
	char wire[REPLY_TEXT_MAX + 200];

	(void)state;
	for (size_t pad = 0; pad < 3; pad++) {
		struct smtp_reply_parser p;
		struct smtp_reply r;
		struct str text = STR(wire);

		str_add(&text, SLICE("250 "));
		str_add(&text, slice_of("xxx", pad));
		while (text.len + 5 <= text.cap)
			str_add(&text, SLICE("\xe2\x82\xac"));
		str_add(&text, SLICE("\r\n"));
		struct slice in = str_slice(&text);

		smtp_reply_parser_init(&p);
		assert_int_equal(smtp_reply_feed(&p, &in, &r), 1);
		assert_true(r.text_cut);
		assert_int_equal((r.text.len - 4 - pad) % 3, 0);
		assert_true(r.text.len > REPLY_TEXT_MAX - 3 && r.text.len <= REPLY_TEXT_MAX);
		assert_int_equal(slice_find_char(r.text, 0, '?'), -1);
	}
}

static void test_a_begun_reply_is_not_idle(void **state)
{
	struct smtp_reply_parser p;
	struct slice in = SLICE("2");
	struct smtp_reply r;

	(void)state;
	smtp_reply_parser_init(&p);
	assert_true(smtp_reply_parser_is_idle(&p));
	assert_int_equal(smtp_reply_feed(&p, &in, &r), 0);
	assert_false(smtp_reply_parser_is_idle(&p));
	in = SLICE("50-a\r\n");
	assert_int_equal(smtp_reply_feed(&p, &in, &r), 0);
	assert_false(smtp_reply_parser_is_idle(&p));
	in = SLICE("250 b\r\n");
	assert_int_equal(smtp_reply_feed(&p, &in, &r), 1);
	assert_true(smtp_reply_parser_is_idle(&p));
}

static void test_lines_are_taken_off_one_by_one(void **state)
{
	struct slice text = SLICE("250-a\n250-\n250 c");
	struct slice line;

	(void)state;
	assert_true(smtp_reply_next_line(&text, &line));
	assert_true(slice_eq(line, SLICE("250-a")));
	assert_true(smtp_reply_next_line(&text, &line));
	assert_true(slice_eq(line, SLICE("250-")));
	assert_true(smtp_reply_next_line(&text, &line));
	assert_true(slice_eq(line, SLICE("250 c")));
	assert_false(smtp_reply_next_line(&text, &line));
}

/* --- a filter ----------------------------------------------------------------------------------------------------- */

struct filter_seen {
	char lines[256];
	size_t len;
};

static int filter(void *context, struct slice line, struct str *ret_line)
{
	struct filter_seen *seen = context;

	memcpy(seen->lines + seen->len, line.ptr, line.len);
	seen->len += line.len;
	seen->lines[seen->len++] = '|';
	if (slice_eq(line, SLICE("550 5.7.1 try later")))
		str_add(ret_line, SLICE("450 4.7.1 try later"));
	else if (slice_eq(line, SLICE("garbage?")))
		str_add(ret_line, SLICE("250-was garbage\nand more"));
	else if (slice_eq(line, SLICE("fail")))
		return ERR_TABLE;
	else if (!slice_eq(line, SLICE("to nothing")))
		return 0;
	return 1;
}

/* Case 143, as far as the parser goes: lines are seen printable, whole and one by one, before they are understood. */
static void test_a_filter_sees_each_line_at_every_cut(void **state)
{
	static const char wire[] = "550 5.7.1 try later\r\ngarbage\x01\r\n250 2.0.0 x\n";

	(void)state;
	for (size_t cut = 0; cut < sizeof(wire); cut++) {
		struct slice in = slice_of(wire, cut);
		struct filter_seen seen = { .len = 0 };
		struct smtp_reply_parser p;
		struct smtp_reply r;
		unsigned replies = 0;

		smtp_reply_parser_init(&p);
		p.filter = filter;
		p.filter_context = &seen;
		for (unsigned part = 0; part < 2; part++) {
			while (smtp_reply_feed(&p, &in, &r) > 0)
				if (replies++ == 0) {
					assert_int_equal(r.code, 450);
					assert_int_equal(r.enhanced.class, 4);
					assert_true(slice_eq(r.text, SLICE("450 4.7.1 try later")));
				}
			in = slice_of(wire + cut, sizeof(wire) - 1 - MIN(cut, sizeof(wire) - 1));
		}
		assert_int_equal(replies, 2);
		assert_int_equal(r.lines, 2);
		assert_true(slice_eq(r.text, SLICE("250-was garbage\n250 2.0.0 x")));
		assert_true(slice_eq(slice_of(seen.lines, seen.len), SLICE("550 5.7.1 try later|garbage?|250 2.0.0 x|")));
	}
}

static void test_a_filter_that_fails_ends_the_parser(void **state)
{
	struct slice in = SLICE("250-a\r\nfail\r\n250 b\r\n");
	struct filter_seen seen = { .len = 0 };
	struct smtp_reply_parser p;
	struct smtp_reply r;

	(void)state;
	smtp_reply_parser_init(&p);
	p.filter = filter;
	p.filter_context = &seen;
	assert_int_equal(smtp_reply_feed(&p, &in, &r), ERR_TABLE);
	assert_int_equal(smtp_reply_feed(&p, &in, &r), ERR_TABLE);
}

static void test_a_line_that_a_filter_empties_is_no_reply(void **state)
{
	struct slice in = SLICE("to nothing\r\n");
	struct filter_seen seen = { .len = 0 };
	struct smtp_reply_parser p;
	struct smtp_reply r;

	(void)state;
	smtp_reply_parser_init(&p);
	p.filter = filter;
	p.filter_context = &seen;
	assert_int_equal(smtp_reply_feed(&p, &in, &r), ERR_PROTO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case_whole_and_at_every_cut),
		cmocka_unit_test(test_glued_replies_come_out_one_by_one_at_every_split),
		cmocka_unit_test(test_forty_replies_in_one_segment_are_forty),
		cmocka_unit_test(test_a_reply_has_nothing_of_the_one_before),
		cmocka_unit_test(test_every_octet_at_every_position),
		cmocka_unit_test(test_a_failed_parser_stays_failed_and_shows_the_offence),
		cmocka_unit_test(test_an_offence_is_bounded),
		cmocka_unit_test(test_RPL_01_lines_are_bounded),
		cmocka_unit_test(test_RPL_01_octets_are_bounded),
		cmocka_unit_test(test_RPL_02_lines_are_bounded_and_what_is_over_the_text_is_dropped),
		cmocka_unit_test(test_codes_are_found_when_the_text_is_full),
		cmocka_unit_test(test_the_end_of_the_text_does_not_split_a_character),
		cmocka_unit_test(test_a_begun_reply_is_not_idle),
		cmocka_unit_test(test_lines_are_taken_off_one_by_one),
		cmocka_unit_test(test_a_filter_sees_each_line_at_every_cut),
		cmocka_unit_test(test_a_filter_that_fails_ends_the_parser),
		cmocka_unit_test(test_a_line_that_a_filter_empties_is_no_reply),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
