#include "tests/test.h"

#include <errno.h>

#include "core/slice.h"

static void equality_ignores_case_only_when_asked(void **state)
{
	(void)state;
	assert_true(slice_eq(SLICE("MAIL"), SLICE("MAIL")));
	assert_false(slice_eq(SLICE("MAIL"), SLICE("mail")));
	assert_false(slice_eq(SLICE("MAIL"), SLICE("MAIL ")));
	assert_true(slice_eq(slice_of(NULL, 0), SLICE("")));
	assert_true(slice_eq_nocase(SLICE("MaIl fRoM"), SLICE("mAiL FrOm")));
	assert_false(slice_eq_nocase(SLICE("MAIL"), SLICE("MAI")));
	assert_true(slice_eq_nocase(slice_of(NULL, 0), SLICE("")));
}

/* '@' and '`', '[' and '{' differ in the same bit as letters do, and so do octets above 127 in Latin-1. */
static void only_ascii_letters_have_case(void **state)
{
	(void)state;
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			const char x = (char)a;
			const char y = (char)b;
			bool is_letter = (a >= 'A' && a <= 'Z') || (a >= 'a' && a <= 'z');
			bool expected = a == b || (is_letter && (a ^ b) == 0x20);

			if (slice_eq_nocase(slice_of(&x, 1), slice_of(&y, 1)) != expected)
				fail_msg("octets %u and %u", a, b);
		}
}

static void prefixes_are_found(void **state)
{
	(void)state;
	assert_true(slice_has_prefix(SLICE("250-SIZE"), SLICE("250")));
	assert_true(slice_has_prefix(SLICE("250"), SLICE("250")));
	assert_true(slice_has_prefix(SLICE("250"), SLICE("")));
	assert_false(slice_has_prefix(SLICE("25"), SLICE("250")));
	assert_false(slice_has_prefix(SLICE("xyz"), SLICE("XY")));
	assert_true(slice_has_prefix_nocase(SLICE("xyz"), SLICE("XY")));
	assert_false(slice_has_prefix_nocase(SLICE("x"), SLICE("XY")));
	assert_true(slice_has_prefix(slice_of(NULL, 0), SLICE("")));
}

static void characters_are_found(void **state)
{
	struct slice s = SLICE("a.b.c");

	(void)state;
	assert_int_equal(slice_find_char(s, 0, '.'), 1);
	assert_int_equal(slice_find_char(s, 1, '.'), 1);
	assert_int_equal(slice_find_char(s, 2, '.'), 3);
	assert_int_equal(slice_find_char(s, 4, '.'), -1);
	assert_int_equal(slice_find_char(s, 5, '.'), -1);
	assert_int_equal(slice_find_char(s, 50, '.'), -1);
	assert_int_equal(slice_find_last_char(s, '.'), 3);
	assert_int_equal(slice_find_last_char(s, 'x'), -1);
	assert_int_equal(slice_find_char(slice_of(NULL, 0), 0, 'x'), -1);
	assert_int_equal(slice_find_last_char(slice_of(NULL, 0), 'x'), -1);
	assert_int_equal(slice_find_char(SLICE("\xff\0x"), 0, '\0'), 1);
	assert_int_equal(slice_find_char(SLICE("x\xff"), 0, '\xff'), 1);
}

static void trimming_takes_blanks_at_both_ends(void **state)
{
	(void)state;
	assert_true(slice_eq(slice_trim(SLICE(" \t a b \r\n")), SLICE("a b")));
	assert_true(slice_eq(slice_trim(SLICE("a")), SLICE("a")));
	assert_int_equal(slice_trim(SLICE(" \r\n\t ")).len, 0);
	assert_int_equal(slice_trim(slice_of(NULL, 0)).len, 0);
	assert_int_equal(slice_trim(SLICE("\va\f")).len, 3);
}

static void numbers_are_digits_only(void **state)
{
	static const struct { const char *text; uint64_t max; int r; uint64_t value; } cases[] = {
		{ "0", 0, 0, 0 }, { "25", 65535, 0, 25 }, { "0025", 65535, 0, 25 }, { "65535", 65535, 0, 65535 },
		{ "65536", 65535, -ERANGE, 0 }, { "18446744073709551615", UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999", UINT64_MAX, -ERANGE, 0 },
		{ "", 9, -EINVAL, 0 }, { "+1", 9, -EINVAL, 0 }, { "-1", 9, -EINVAL, 0 }, { " 1", 9, -EINVAL, 0 },
		{ "1 ", 9, -EINVAL, 0 }, { "0x1", 9, -EINVAL, 0 }, { "1e3", 9, -EINVAL, 0 }, { "\xb2", 9, -EINVAL, 0 },
		{ "99999999999999999999999x", UINT64_MAX, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t value = 77;
		int r = slice_to_u64(slice_of_str(cases[i].text), cases[i].max, &value);

		if (r != cases[i].r || value != (r == 0 ? cases[i].value : 77))
			fail_msg("\"%s\": %d, %llu", cases[i].text, r, (unsigned long long)value);
	}
}

static void skip_too_far(void *context)
{
	slice_skip(context, 4);
}

static void skipping_stays_within(void **state)
{
	struct slice s = SLICE("abc");

	(void)state;
	assert_true(test_dies(skip_too_far, &s));
	slice_skip(&s, 2);
	assert_true(slice_eq(s, SLICE("c")));
	assert_true(slice_eq(slice_head(s, 5), SLICE("c")));
	slice_skip(&s, 1);
	assert_int_equal(s.len, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("equality ignores case only when asked to", equality_ignores_case_only_when_asked),
		CLAIM("of all pairs of octets, only ASCII letters have case", only_ascii_letters_have_case),
		CLAIM("prefixes are found", prefixes_are_found),
		CLAIM("the first and the last of a character are found", characters_are_found),
		CLAIM("trimming takes blanks at both ends and nothing else", trimming_takes_blanks_at_both_ends),
		CLAIM("a number is digits only, and has a bound", numbers_are_digits_only),
		CLAIM("skipping stays within the slice", skipping_stays_within),
	};

	return cmocka_run_group_tests_name("core/slice", claims, NULL, NULL);
}
