#include "net/mail/records.h"

#include <stdio.h>

#include "tests/test.h"
#include "tests/unit/net/mail/records_reference.h"

#define FILE_MAX MIB(1)

static char file_storage[FILE_MAX], out_storage[2 * FILE_MAX], want_storage[2 * FILE_MAX];

/* --- known answers ---------------------------------------------------------------------------------------------- */

struct file_case {
	const char *claim;
	struct slice file;
	size_t offset;
	struct slice content;		/* without a pointer: it is damaged */
};

#define DAMAGED { NULL, 0 }

static const struct file_case cases[] = {
	{ "no content", SLICE("X\0"), 0, SLICE("") },
	{ "a line each", SLICE("N\1aN\0N\2bcX\0"), 0, SLICE("a\r\n\r\nbc\r\n") },
	{ "a line in pieces", SLICE("L\2abL\1.N\1cX\0"), 0, SLICE("ab.c\r\n") },
	{ "a line that is not ended", SLICE("N\1aL\1bX\0"), 0, SLICE("a\r\nb\r\n") },
	{ "nothing goes on nowhere: smtp(8) makes an empty line of it", SLICE("N\1aL\0X\0"), 0, SLICE("a\r\n\r\n") },
	{ "padding, wherever it is", SLICE("w\3pXEN\1aw\0w\1 L\1bw\2xyN\1cX\0"), 0, SLICE("a\r\nbc\r\n") },
	{ "pointers that lead nowhere", SLICE("p\3  0N\1ap\1 p\0p\20               0N\1bX\0"), 0, SLICE("a\r\nb\r\n") },
	{ "behind the end, nothing counts", SLICE("N\1aX\0?"), 0, SLICE("a\r\n") },
	{ "the content begins where it is said", SLICE("C\2xxM\0N\1aX\0"), 6, SLICE("a\r\n") },
	{ "a length in two octets", SLICE("N\x81\0aX\0"), 0, SLICE("a\r\n") },
	{ "a length in four octets", SLICE("N\x81\x80\x80\0aX\0"), 0, SLICE("a\r\n") },
	{ "SMG-03: line ends in a record are none", SLICE("L\2a\rN\2\n.N\3\r\n.X\0"), 0, SLICE("a  .\r\n  .\r\n") },
	{ "case 488: NUL and octets above 127", SLICE("N\4\0\xff\x80zX\0"), 0, SLICE("\0\xff\x80z\r\n") },
	{ "a line put in", SLICE("N\1ap\4  14N\1bX\0N\1cp\4   9"), 0, SLICE("a\r\nc\r\nb\r\n") },
	{ "a line put in the place of another", SLICE("N\1ap\4  17w\1 N\1bX\0N\1cp\4  12"), 0, SLICE("a\r\nc\r\nb\r\n") },
	{ "a pointer into the middle of a record", SLICE("L\1ap\4  11N\1dX\0??L\1bN\1cp\4   9"), 0, DAMAGED },
	{ "a line in pieces apart", SLICE("L\1ap\4  14N\1dX\0L\1bp\4   9"), 0, SLICE("abd\r\n") },

	{ "an unknown type", SLICE("N\1aM\0X\0"), 0, DAMAGED },
	{ "the end of the file's records", SLICE("N\1aE\0"), 0, DAMAGED },
	{ "no end", SLICE("N\1a"), 0, DAMAGED },
	{ "an end in the middle of a record", SLICE("N\3a"), 0, DAMAGED },
	{ "no length", SLICE("N\1aX"), 0, DAMAGED },
	{ "a length in five octets", SLICE("N\x81\x80\x80\x80\0aX\0"), 0, DAMAGED },
	{ "a length that is longer than the file", SLICE("N\xff\xff\xff\x7f" "aX\0"), 0, DAMAGED },
	{ "a pointer behind the file", SLICE("p\2 6X\0"), 0, DAMAGED },
	{ "a pointer far behind it", SLICE("p\24" "99999999999999999999X\0"), 0, DAMAGED },
	{ "a pointer below nothing", SLICE("p\2-1X\0"), 0, DAMAGED },
	{ "a pointer with something behind it", SLICE("p\3 2 X\0"), 0, DAMAGED },
	{ "a pointer into itself", SLICE("w\0p\1" "2X\0"), 2, DAMAGED },
};

static void check_cut(const struct file_case *c, size_t a, size_t b, size_t size)
{
	struct str out = STR(out_storage);
	const int r = records_run(c->file, c->offset, a, b, size, &out);

	if (c->content.ptr == NULL) {
		if (r != ERR_CORRUPT)
			fail_msg("%s: taken, cut at %zu and %zu", c->claim, a, b);
		return;
	}
	if (r != 0 || !slice_eq(str_slice(&out), c->content))
		fail_msg("%s: %d \"%.*s\", cut at %zu and %zu", c->claim, r, SLICE_FMT(str_slice(&out)), a, b);
}

static void known_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const size_t len = cases[i].file.len;
		struct str want = STR(want_storage);
		const int r = records_reference(cases[i].file, cases[i].offset, &want);

		if (r != (cases[i].content.ptr == NULL ? ERR_CORRUPT : 0))
			fail_msg("%s: the reference says %d", cases[i].claim, r);
		check_cut(&cases[i], 0, 0, 1);
		for (size_t a = 0; a <= len; a++)
			for (size_t b = a; b <= len; b++)
				check_cut(&cases[i], a, b, SIZE_MAX);
	}
}

/* --- a file that was edited --------------------------------------------------------------------------------------- */

static struct str file;

static void put(char type, const char *data)
{
	ASSERT(strlen(data) < 128);
	str_add_char(&file, type);
	str_add_char(&file, (char)strlen(data));
	str_add_cstr(&file, data);
}

static void put_pointer(unsigned to)
{
	char number[16];

	(void)snprintf(number, sizeof(number), "%15u", to);	/* fits */
	put('p', number);
}

static void pad_to(size_t offset)
{
	ASSERT(file.len <= offset);
	while (file.len < offset)
		str_add_char(&file, '?');
}

/* A line of len octets, at this place. */
static void put_line_at(size_t offset, const char *text, size_t len)
{
	char data[128];

	memset(data, '.', len);
	memcpy(data, text, strlen(text));
	data[len] = '\0';
	pad_to(offset);
	put('N', data);
}

/* As postfix-delivery-agent 6.3 shows it, after a milter: the same places. Between them is garbage. */
static void put_edited_file(void)
{
	file = STR(file_storage);
	pad_to(684);
	put('M', "");
	put_pointer(1133);
	put_line_at(738, "\tby", 48);
	put_line_at(788, "\tfor", 64);
	put_pointer(1377);
	put_line_at(873, "X-F: b", 6);
	put('w', "       ");
	put_line_at(890, "Message-Id:", 49);
	put_line_at(941, "To:", 78);
	put_line_at(1021, "new body line 1", 15);
	put_line_at(1038, "", 21);
	put_pointer(1112);
	pad_to(1112);
	put('X', "");
	put_pointer(0);
	put('E', "");
	put_line_at(1133, "X-Inserted: first", 24);
	put_line_at(1159, "Received: from", 50);
	put_pointer(738);
	put_line_at(1377, "Subject: changed subject", 85);
	put_pointer(873);
}

static void expect_edited(size_t a, size_t b, size_t size)
{
	static const char *const lines[] = {
		"X-Inserted: first...", "Received: from...", "\tby...", "\tfor...", "Subject: changed subject...",
		"X-F: b\r\n", "Message-Id:...", "To:...", "new body line 1\r\n", ".....",
	};
	struct str out = STR(out_storage);
	struct slice rest;

	assert_int_equal(records_run(str_slice(&file), 686, a, b, size, &out), 0);
	rest = str_slice(&out);
	for (unsigned i = 0; i < ARRAY_LEN(lines); i++) {
		assert_true(slice_has_prefix(rest, slice_of_str(lines[i])));
		slice_skip(&rest, (size_t)slice_find_char(rest, 0, '\n') + 1);
	}
	assert_int_equal(rest.len, 0);
	assert_int_equal(out.len, 24 + 50 + 48 + 64 + 85 + 6 + 49 + 78 + 15 + 21 + 2 * ARRAY_LEN(lines));
}

static void an_edited_file_reads_as_one(void **state)
{
	(void)state;
	put_edited_file();
	for (size_t size = 1; size < file.len; size += size < 100 ? 1 : 97)
		expect_edited(0, 0, size);
	for (size_t a = 0; a < file.len; a++)
		expect_edited(a, a + 1, SIZE_MAX);
}

/* --- loops ------------------------------------------------------------------------------------------------------ */

/* Steps between two lists, the second of which lies in front: each way back counts. */
static struct slice zigzag(unsigned steps)
{
	const unsigned half = 17 * steps + 19;

	file = STR(file_storage);
	put('w', "");
	for (unsigned i = 0; i < steps; i++)
		put_pointer(half + 17 * (i + 1));	/* 2 + 17 i */
	pad_to(half);
	put('X', "");
	pad_to(half + 17);
	for (unsigned i = 0; i < steps; i++)
		put_pointer(i + 1 < steps ? 2 + 17 * (i + 1) : half);
	return str_slice(&file);
}

static void too_many_steps_back(void **state)
{
	struct str out = STR(out_storage);

	(void)state;
	assert_int_equal(records_run(zigzag(10), 0, 0, 0, 7, &out), 0);
	assert_int_equal(records_run(zigzag(RECORDS_BACK_MAX), 2, 0, 0, SIZE_MAX, &out), 0);
	assert_int_equal(records_run(zigzag(RECORDS_BACK_MAX + 1), 2, 0, 0, SIZE_MAX, &out), ERR_CORRUPT);
	assert_int_equal(records_reference(zigzag(RECORDS_BACK_MAX), 2, &out), 0);
	assert_int_equal(records_reference(zigzag(RECORDS_BACK_MAX + 1), 2, &out), ERR_CORRUPT);
}

/* Text that comes again and again is no text: what is read is never more than the file. */
static void a_loop_gives_no_more_than_the_file(void **state)
{
	struct str out = STR(out_storage);

	(void)state;
	file = STR(file_storage);
	put('w', "");
	for (unsigned i = 0; i < 1000; i++)
		put('N', "a line of some octets");
	put_pointer(2);
	for (size_t size = 1; size <= 1u << 16; size *= 4) {
		str_clear(&out);
		assert_int_equal(records_run(str_slice(&file), 2, 0, 0, size, &out), ERR_CORRUPT);
		assert_in_range(out.len, 23 * 1000, file.len);
	}
}

/* --- chance ----------------------------------------------------------------------------------------------------- */

static void put_random_record(uint64_t *seed, size_t size)
{
	static const char types[] = "NNNNLLLwpppX";
	const uint64_t r = test_random(seed);
	const char type = r % 97 == 0 ? (char)(r >> 8) : types[r % (sizeof(types) - 1)];
	char data[64];
	size_t len = r >> 16 & 31;

	if (type == 'X' && r >> 32 & 3)
		return;
	for (size_t i = 0; i < len; i++)
		data[i] = "ab.\r\n\0"[test_random(seed) % 6];
	if (type == 'p')
		len = (size_t)snprintf(data, sizeof(data), "%*u", (int)(r >> 40 & 15),
				       (unsigned)((r >> 48) % (size + 1)));
	str_add_char(&file, type);
	str_add_char(&file, (char)len);
	str_add(&file, slice_of(data, len));
}

/* Most of these are damaged sooner or later; all that counts is that both agree. */
static void random_files(void **state)
{
	unsigned good = 0;
	uint64_t seed = 3;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		const size_t size = test_random(&seed) % 400, cuts = test_random(&seed);
		struct str out = STR(out_storage), want = STR(want_storage);

		file = STR(file_storage);
		while (file.len < size)
			put_random_record(&seed, size);
		if (round & 1)
			put('X', "");
		const struct slice in = str_slice(&file);
		const int r = records_reference(in, 0, &want);
		const size_t a = cuts % (size + 1), b = a + (cuts >> 32) % (size + 1 - a);

		assert_int_equal(records_run(in, 0, a, b, 1 + (cuts >> 16 & 127), &out), r);
		if (r == 0)
			assert_true(slice_eq(str_slice(&out), str_slice(&want)));
		good += r == 0;
	}
	assert_in_range(good, 2000, 18000);
}

static void what_failed_stays_failed(void **state)
{
	struct slice in = SLICE("E\0"), good = SLICE("N\1aX\0"), text;
	struct records r;

	(void)state;
	records_init(&r, 100);
	assert_int_equal(records_next(&r, &in, &text), ERR_CORRUPT);
	assert_int_equal(records_next(&r, &good, &text), ERR_CORRUPT);
	assert_int_equal(good.len, 5);
	records_init(&r, 100);
	assert_int_equal(records_next(&r, &good, &text), RECORDS_TEXT);
	assert_int_equal(records_next(&r, &good, &text), RECORDS_LINE);
	assert_int_equal(records_next(&r, &good, &text), RECORDS_END);
	assert_int_equal(records_next(&r, &good, &text), RECORDS_END);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("records, padding and pointers, at every cut (row SMG-03, case 488)", known_answers),
		CLAIM("a file that a milter has edited reads as one message", an_edited_file_reads_as_one),
		CLAIM("more steps back than smtp(8) takes are a loop", too_many_steps_back),
		CLAIM("a loop gives no more than the file has", a_loop_gives_no_more_than_the_file),
		CLAIM("random files are what the reference says", random_files),
		CLAIM("what has failed stays failed, and what has ended stays so", what_failed_stays_failed),
	};

	return cmocka_run_group_tests_name("net/mail/records", claims, NULL, NULL);
}
