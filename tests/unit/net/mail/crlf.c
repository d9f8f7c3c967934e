#include "tests/unit/net/mail/crlf_reference.h"
#include "tests/unit/net/mail/scan_levels.h"

#define INPUT_MAX 4096

struct run {
	int result;
	size_t consumed;
	struct crlf scanner;
	struct str out;
	char storage[2 * INPUT_MAX + 4];
};

static struct run *new_run(enum crlf_source source, bool normalise)
{
	static struct run run;

	crlf_init(&run.scanner, source, normalise);
	run.out = STR(run.storage);
	run.consumed = 0;
	run.result = CRLF_MORE;
	return &run;
}

/* Feeds a piece from memory of exactly its size, so that a sanitizer sees the first octet read behind it. */
static void feed(struct run *run, struct slice piece)
{
	char *copy = malloc(piece.len > 0 ? piece.len : 1);
	struct slice in = slice_of(copy, piece.len);
	struct slice span;

	assert_non_null(copy);
	memcpy(copy, piece.ptr, piece.len);
	while ((run->result = crlf_feed(&run->scanner, &in, &span)) == CRLF_SPAN) {
		assert_true(span.len > 0);
		str_add(&run->out, span);
	}
	if (run->result != ERR_PROTO)
		run->consumed += piece.len - in.len;
	if (run->result == CRLF_MORE)
		assert_int_equal(in.len, 0);
	free(copy);
}

static void finish(struct run *run)
{
	struct slice span;

	if (run->result != CRLF_MORE)
		return;
	while ((run->result = crlf_finish(&run->scanner, &span)) == CRLF_SPAN)
		str_add(&run->out, span);
}

static struct run *run_cut(enum crlf_source source, bool normalise, struct slice in, size_t cut1, size_t cut2)
{
	struct run *run = new_run(source, normalise);
	size_t cuts[] = { 0, cut1, cut2, in.len };

	for (unsigned i = 0; i < 3 && run->result == CRLF_MORE; i++)
		if (cuts[i + 1] > cuts[i])
			feed(run, slice_of(in.ptr + cuts[i], cuts[i + 1] - cuts[i]));
	if (source == CRLF_BDAT)
		finish(run);
	return run;
}

static void expect_reference(const struct run *run, const struct crlf_reference *want, struct slice out)
{
	assert_int_equal(run->result, want->result);
	assert_int_equal(run->scanner.flaw, want->flaw);
	if (want->result == ERR_PROTO)
		return;
	assert_int_equal(run->consumed, want->consumed);
	assert_int_equal(run->out.len, out.len);
	assert_memory_equal(run->storage, out.ptr, out.len);
	assert_int_equal(run->scanner.wire_size, out.len);
	assert_int_equal(run->scanner.stuffing, want->stuffing);
	assert_int_equal(run->scanner.facts, want->facts);
}

static void check_every_cut(enum crlf_source source, bool normalise, struct slice in, size_t from)
{
	static char storage[2 * INPUT_MAX + 4];
	struct str out = STR(storage);
	struct crlf_reference want = crlf_reference_run(source, normalise, in, source == CRLF_BDAT, &out);

	assert_false(str_is_full(&out));
	for (size_t cut1 = from; cut1 <= in.len; cut1++)
		for (size_t cut2 = cut1; cut2 <= in.len; cut2++)
			expect_reference(run_cut(source, normalise, in, cut1, cut2), &want, str_slice(&out));
	struct run *run = new_run(source, normalise);

	for (size_t i = 0; i < in.len && run->result == CRLF_MORE; i++)
		feed(run, slice_of(in.ptr + i, 1));
	if (source == CRLF_BDAT)
		finish(run);
	expect_reference(run, &want, str_slice(&out));
}

static void check_all_ways(struct slice in, size_t from)
{
	check_every_cut(CRLF_DATA, false, in, from);
	check_every_cut(CRLF_DATA, true, in, from);
	check_every_cut(CRLF_BDAT, false, in, from);
	check_every_cut(CRLF_BDAT, true, in, from);
}

/* Calls fn for each string over {CR, LF, '.', 'a'} of len octets, written behind the prefix. */
static void for_all_strings(char *text, size_t prefix, size_t len)
{
	static const char alphabet[] = "\r\n.a";

	for (size_t n = 0; n < (size_t)1 << (2 * len); n++) {
		for (size_t i = 0; i < len; i++)
			text[prefix + i] = alphabet[n >> (2 * i) & 3];
		check_all_ways(slice_of(text, prefix + len), prefix);
	}
}

static void short_strings_agree(void **state)
{
	char text[8];

	(void)state;
	for (size_t len = 0; len <= 6; len++)
		for_all_strings(text, 0, len);
}

static void strings_across_a_block_agree(void **state)
{
	char text[80];

	(void)state;
	memset(text, 'b', sizeof(text));
	for (size_t prefix = 59; prefix <= 65; prefix++)
		for_all_strings(text, prefix, 4);
	/* The same with a line that begins right before. */
	for (size_t prefix = 62; prefix <= 66; prefix++) {
		memcpy(text + prefix - 2, "\r\n", 2);
		for_all_strings(text, prefix, 4);
		memset(text, 'b', sizeof(text));
	}
}

static void random_strings_agree(void **state)
{
	static const char alphabet[] = "\r\n\r\n..abcdefghijk\0\x80\xff";
	static char text[400];
	uint64_t seed = 7;

	(void)state;
	for (unsigned round = 0; round < 3000; round++) {
		size_t len = test_random(&seed) % sizeof(text);
		/* Mostly proper line ends, or each string would end at once. */
		for (size_t i = 0; i < len; i++) {
			uint64_t r = test_random(&seed);

			text[i] = r % 64 == 0 ? alphabet[r / 64 % (sizeof(alphabet) - 1)] : (char)('a' + r / 64 % 26);
			if (r % 23 == 0 && i + 1 < len) {
				text[i++] = '\r';
				text[i] = '\n';
			}
			if (r % 29 == 0)
				text[i] = '.';
		}
		struct slice in = slice_of(text, len);
		size_t cut1 = test_random(&seed) % (len + 1);
		size_t cut2 = cut1 + test_random(&seed) % (len - cut1 + 1);

		for (unsigned way = 0; way < 4; way++) {
			static char storage[2 * INPUT_MAX];
			struct str out = STR(storage);
			enum crlf_source source = way & 1 ? CRLF_BDAT : CRLF_DATA;
			struct crlf_reference want =
				crlf_reference_run(source, way & 2, in, source == CRLF_BDAT, &out);

			expect_reference(run_cut(source, way & 2, in, cut1, cut2), &want, str_slice(&out));
		}
	}
}

/* --- SMG-02 ------------------------------------------------------------------------------------- */

static const struct ending {
	const char *text;
	size_t len;
	enum crlf_flaw flaw;
} endings[] = {
	{ "\n.\n", 3, CRLF_BARE_LF },
	{ "\r.\r", 3, CRLF_BARE_CR },
	{ "\r.\n", 3, CRLF_BARE_CR },
	{ "\n.\r", 3, CRLF_BARE_LF },
	{ "\n.\r\n", 4, CRLF_BARE_LF },
	{ "\r\n.\n", 4, CRLF_BARE_LF },
	{ "\r.\r\n", 4, CRLF_BARE_CR },
	{ "\r\n.\r", 4, CRLF_BARE_CR },
	{ "\r\n\0.\r\n", 6, CRLF_NUL },
	{ "\r\n.\0\r\n", 6, CRLF_NUL },
};

static const char smuggled[] =
	"MAIL FROM:<b@evil.test>\r\nRCPT TO:<c@evil.test>\r\nDATA\r\nSubject: two\r\n\r\nsmuggled\r\n.\r\n";

static struct slice smuggle(const struct ending *e, struct str *out)
{
	str_add(out, SLICE("Subject: one\r\n\r\nhello"));
	str_add(out, slice_of(e->text, e->len));
	str_add_cstr(out, smuggled);
	return str_slice(out);
}

static void smuggling_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(endings); i++) {
		char storage[512];
		struct str text = STR(storage);
		struct slice in = smuggle(&endings[i], &text);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct run *run = run_cut(CRLF_DATA, false, in, cut, cut);

			assert_int_equal(run->result, ERR_PROTO);
			assert_int_equal(run->scanner.flaw, endings[i].flaw);
			feed(run, SLICE("\r\n.\r\n"));		/* and stays so */
			assert_int_equal(run->result, ERR_PROTO);
		}
	}
}

/* What the strictest and the laxest reader make of the stored form has to be the same. */
static void expect_canonical(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '\r')
			assert_true(i + 1 < text.len && text.ptr[i + 1] == '\n');
		if (text.ptr[i] == '\n')
			assert_true(i > 0 && text.ptr[i - 1] == '\r');
		if (text.ptr[i] == '.' && (i == 0 || text.ptr[i - 1] == '\n'))
			assert_true(i + 1 < text.len && text.ptr[i + 1] != '\r');
		assert_true(text.ptr[i] != '\0');
	}
}

static void normalising_makes_one_message(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(endings); i++) {
		char storage[512];
		struct str text = STR(storage);
		struct slice in = smuggle(&endings[i], &text);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct run *run = run_cut(CRLF_DATA, true, in, cut, cut);

			if (endings[i].flaw == CRLF_NUL) {
				assert_int_equal(run->result, ERR_PROTO);
				continue;
			}
			assert_int_equal(run->result, CRLF_END);
			assert_int_equal(run->consumed, in.len);
			expect_canonical(str_slice(&run->out));
			/* All of it is content: the smuggled commands too. */
			assert_non_null(memmem(run->storage, run->out.len, "MAIL FROM:<b@evil.test>\r\n", 25));
		}
	}
}

/* --- SMG-05, SMG-06 ----------------------------------------------------------------------------- */

static void bdat_ends_the_last_line_once(void **state)
{
	static const struct {
		const char *in;
		const char *out;	/* NULL: refused */
		uint64_t size;
	} vectors[] = {
		{ "", "", 0 },
		{ "a", "a\r\n", 3 },
		{ "a\r\n", "a\r\n", 3 },
		{ "a\r", NULL, 0 },
		{ "a\n", NULL, 0 },
		{ ".", "..\r\n", 3 },
		{ "..", "...\r\n", 4 },
		{ ".\r\n", "..\r\n", 3 },
		{ "a\r\n.", "a\r\n..\r\n", 6 },
		{ "a\r\n.\r\n", "a\r\n..\r\n", 6 },
		{ "\r\n", "\r\n", 2 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		struct slice in = slice_of_str(vectors[i].in);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct run *run = run_cut(CRLF_BDAT, false, in, cut, cut);

			assert_int_equal(run->result, vectors[i].out != NULL ? CRLF_END : ERR_PROTO);
			if (vectors[i].out == NULL)
				continue;
			assert_true(slice_eq(str_slice(&run->out), slice_of_str(vectors[i].out)));
			assert_int_equal(crlf_size(&run->scanner), vectors[i].size);
		}
	}
}

static void data_is_stored_as_it_came(void **state)
{
	static const char *const vectors[] = {
		"", "\r\n", "a\r\n", "..\r\n", "...\r\n", ".a\r\n", "a\r\n..\r\nb\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(vectors); i++) {
		char storage[64];
		struct str text = STR(storage);

		str_add_cstr(&text, vectors[i]);
		str_add(&text, SLICE(".\r\nQUIT\r\n"));
		for (size_t cut = 0; cut <= strlen(vectors[i]) + 3; cut++) {
			struct run *run = run_cut(CRLF_DATA, false, str_slice(&text), cut, cut);

			assert_int_equal(run->result, CRLF_END);
			assert_int_equal(run->consumed, strlen(vectors[i]) + 3);
			assert_true(slice_eq(str_slice(&run->out), slice_of_str(vectors[i])));
		}
	}
}

static void a_nul_is_refused_anywhere(void **state)
{
	(void)state;
	for (size_t at = 0; at < 130; at++) {
		char text[140];

		memset(text, 'x', sizeof(text));
		text[at] = '\0';
		for (unsigned way = 0; way < 4; way++) {
			struct run *run = run_cut(way & 1 ? CRLF_BDAT : CRLF_DATA, way & 2,
						  slice_of(text, sizeof(text)), 0, 70);

			assert_int_equal(run->result, ERR_PROTO);
			assert_int_equal(run->scanner.flaw, CRLF_NUL);
		}
	}
}

static void octets_above_127_pass(void **state)
{
	(void)state;
	for (unsigned c = 0x80; c < 0x100; c++) {
		char text[] = "ab\r\n.\r\n";

		text[1] = (char)c;
		struct run *run = run_cut(CRLF_DATA, false, slice_of_str(text), 1, 2);

		assert_int_equal(run->result, CRLF_END);
		assert_int_equal(run->scanner.facts, MESSAGE_8BIT);
		assert_memory_equal(run->storage, text, 4);
	}
	/* What follows the end is somebody else's. */
	assert_int_equal(run_cut(CRLF_DATA, false, SLICE("a\r\n.\r\n\x80"), 0, 0)->scanner.facts, 0);
}

/* --- facts -------------------------------------------------------------------------------------- */

static uint32_t facts_of_line(enum crlf_source source, size_t dots, size_t len, size_t before, bool ended)
{
	static char text[INPUT_MAX];
	struct str in = STR(text);

	for (size_t i = 0; i < before; i++)
		str_add_char(&in, 'b');
	if (before > 0)
		str_add(&in, SLICE("\r\n"));
	for (size_t i = 0; i < dots; i++)
		str_add_char(&in, '.');
	for (size_t i = 0; i < len; i++)
		str_add_char(&in, 'a');
	if (ended)
		str_add(&in, SLICE("\r\nc\r\n"));
	return run_cut(source, false, str_slice(&in), in.len / 2, in.len)->scanner.facts;
}

static void lines_beyond_998_are_noticed(void **state)
{
	(void)state;
	for (size_t before = 0; before < 130; before++) {
		assert_int_equal(facts_of_line(CRLF_DATA, 0, 998, before, true), 0);
		assert_int_equal(facts_of_line(CRLF_DATA, 0, 999, before, true), MESSAGE_LONG_LINE);
		/* The stuffed dot does not count, the one it protects does. */
		assert_int_equal(facts_of_line(CRLF_DATA, 1, 998, before, true), MESSAGE_STUFFED);
		assert_int_equal(facts_of_line(CRLF_DATA, 2, 998, before, true), MESSAGE_STUFFED | MESSAGE_LONG_LINE);
		assert_int_equal(facts_of_line(CRLF_BDAT, 1, 997, before, true), MESSAGE_STUFFED);
		assert_int_equal(facts_of_line(CRLF_BDAT, 1, 998, before, true), MESSAGE_STUFFED | MESSAGE_LONG_LINE);
		assert_int_equal(facts_of_line(CRLF_BDAT, 0, 998, before, false), 0);
		assert_int_equal(facts_of_line(CRLF_BDAT, 0, 999, before, false), MESSAGE_LONG_LINE);
	}
}

static void size_is_without_stuffing(void **state)
{
	struct run *run = run_cut(CRLF_DATA, false, SLICE("..\r\n.a\r\nb.c\r\n.\r\n"), 3, 9);

	(void)state;
	assert_int_equal(run->result, CRLF_END);
	assert_int_equal(run->scanner.wire_size, 13);
	assert_int_equal(crlf_size(&run->scanner), 11);
}

static void the_input_itself_is_given(void **state)
{
	static const char text[] = "Subject: x\r\n\r\n..dots\r\nand lines\r\n.\r\n";
	struct slice in = SLICE("Subject: x\r\n\r\n..dots\r\nand lines\r\n.\r\n");
	struct crlf c;
	struct slice span;

	(void)state;
	in.ptr = text;
	crlf_init(&c, CRLF_DATA, false);
	assert_int_equal(crlf_feed(&c, &in, &span), CRLF_SPAN);
	assert_ptr_equal(span.ptr, text);
	assert_int_equal(span.len, sizeof(text) - 1 - 3);
	assert_int_equal(crlf_feed(&c, &in, &span), CRLF_END);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("every string up to 6 octets over {CR, LF, dot, a} agrees with the reference at every cut",
		      short_strings_agree),
		CLAIM("so does what lies across the end of a block", strings_across_a_block_agree),
		CLAIM("so do random strings with NUL and 8-bit octets", random_strings_agree),
		CLAIM("SMG-02: the ten endings are refused at every cut, and stay refused", smuggling_is_refused),
		CLAIM("SMG-02: normalised, they make one message in canonical form, or none",
		      normalising_makes_one_message),
		CLAIM("SMG-04, SMG-05: BDAT gets exactly one CRLF where the last line has none",
		      bdat_ends_the_last_line_once),
		CLAIM("SMG-05: DATA is stored as it came", data_is_stored_as_it_came),
		CLAIM("SMG-06: NUL is refused at every place, also when normalising", a_nul_is_refused_anywhere),
		CLAIM("SMG-06: octets above 127 pass unchanged and are noticed, those behind the end are not",
		      octets_above_127_pass),
		CLAIM("lines of 998 octets are not long, lines of 999 are, stuffing not counted",
		      lines_beyond_998_are_noticed),
		CLAIM("size is counted without stuffing", size_is_without_stuffing),
		CLAIM("a span is the input itself, as long as it goes", the_input_itself_is_given),
	};

	return scan_run_each_level("net/mail/crlf", claims, ARRAY_LEN(claims));
}
