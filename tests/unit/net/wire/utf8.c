/* UTF-8: every code point there is, and what only looks like one. */
#include "net/wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static size_t encode(uint32_t code, char out[4])
{
	if (code < 0x80)
		return out[0] = (char)code, 1;
	if (code < 0x800)
		return out[0] = (char)(0xc0 | code >> 6), out[1] = (char)(0x80 | (code & 0x3f)), 2;
	if (code < 0x10000)
		return out[0] = (char)(0xe0 | code >> 12), out[1] = (char)(0x80 | (code >> 6 & 0x3f)),
		       out[2] = (char)(0x80 | (code & 0x3f)), 3;
	return out[0] = (char)(0xf0 | code >> 18), out[1] = (char)(0x80 | (code >> 12 & 0x3f)),
	       out[2] = (char)(0x80 | (code >> 6 & 0x3f)), out[3] = (char)(0x80 | (code & 0x3f)), 4;
}

/* Beyond 10FFFF and the surrogates are encoded by the same rule, and are not text. */
static void test_every_code_point_is_read_back_and_cut_ones_are_not(void **state)
{
	(void)state;
	for (uint32_t code = 0; code < 0x120000; code++) {
		char text[4];
		size_t n = encode(code, text);
		uint32_t got = 0;
		bool valid = code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
		size_t len = utf8_decode(slice_of(text, n), &got);

		if (len != (valid ? n : 0) || (valid && got != code))
			fail_msg("U+%04X: length %zu, code %x", code, len, got);
		if (n > 1 && utf8_decode(slice_of(text, n - 1), &got) != 0)
			fail_msg("U+%04X without its end is a character", code);
	}
}

static void test_what_is_not_shortest_or_not_begun_is_no_text(void **state)
{
	static const char *const bad[] = {
		"\x80",
		"\xbf",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x80\x80",
		"\xe0\x9f\xbf",
		"\xf0\x80\x80\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf8\x88\x80\x80\x80",
		"\xfe",
		"\xff",
		"\xc3\x28",
		"\xe2\x82\x28",
		"a\xc3",
		"\xc3\xbc\xbc",
		"\xed\xa0\x80",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (utf8_is_valid(slice_of_str(bad[i])))
			fail_msg("case %zu passes for text", i);
	assert_true(utf8_is_valid(SLICE("")));
	assert_true(utf8_is_valid(SLICE("m\xc3\xbcller \xe2\x82\xac \xf0\x9f\x93\xa8")));
}

static void test_ascii_is_below_128(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char text[3] = { 'a', (char)c, 'b' };

		assert_int_equal(utf8_is_ascii(slice_of(text, 3)), c < 128);
	}
	assert_true(utf8_is_ascii(SLICE("")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_code_point_is_read_back_and_cut_ones_are_not),
		cmocka_unit_test(test_what_is_not_shortest_or_not_begun_is_no_text),
		cmocka_unit_test(test_ascii_is_below_128),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
