#include "tests/test.h"

#include "core/str.h"

#define ASSERT_TEXT(s, literal) assert_true(slice_eq(str_slice(s), SLICE(literal)))

static void builds_text(void **state)
{
	char storage[100];
	struct str s = STR(storage);

	(void)state;
	str_add(&s, SLICE("a"));
	str_add_cstr(&s, "bc");
	str_add_char(&s, ' ');
	str_add_u64(&s, 0);
	str_add_char(&s, ' ');
	str_add_u64(&s, UINT64_MAX);
	str_add_char(&s, ' ');
	str_add_hex(&s, 0xbeef, 6);
	str_add_hex(&s, UINT64_MAX, 16);
	str_add_hex(&s, 1, 0);
	str_printf(&s, " %d-%s", -5, "x");
	ASSERT_TEXT(&s, "abc 0 18446744073709551615 00BEEFFFFFFFFFFFFFFFFF -5-x");
	assert_false(str_is_full(&s));
	str_clear(&s);
	assert_int_equal(s.len, 0);
}

static void adds_all_or_nothing_and_then_nothing(void **state)
{
	char storage[5];
	struct str s = STR(storage);

	(void)state;
	str_add(&s, SLICE("abc"));
	str_add(&s, SLICE("def"));
	assert_true(str_is_full(&s));
	str_add_char(&s, 'g');		/* would fit, but the series is broken */
	str_add_u64(&s, 1);
	str_printf(&s, "h");
	str_add_cut(&s, SLICE("i"), 9);
	str_add_printable(&s, SLICE("j"), 9);
	ASSERT_TEXT(&s, "abc");
	str_clear(&s);
	assert_false(str_is_full(&s));
	str_add(&s, SLICE("abcde"));	/* to the octet */
	assert_false(str_is_full(&s));
	ASSERT_TEXT(&s, "abcde");
	str_add(&s, SLICE(""));
	assert_false(str_is_full(&s));
}

static void printf_that_does_not_fit_leaves_no_trace(void **state)
{
	char storage[8];
	struct str s = STR(storage);

	(void)state;
	str_add(&s, SLICE("abc"));
	str_printf(&s, "%s", "1234");
	ASSERT_TEXT(&s, "abc1234");
	assert_false(str_is_full(&s));
	str_clear(&s);
	str_add(&s, SLICE("abc"));
	str_printf(&s, "%s", "12345678");
	ASSERT_TEXT(&s, "abc");
	assert_true(str_is_full(&s));
}

static void cutting_keeps_what_fits(void **state)
{
	char storage[5];
	struct str s = STR(storage);

	(void)state;
	str_add_cut(&s, SLICE("abc"), 3);
	assert_false(str_is_full(&s));
	str_clear(&s);
	str_add_cut(&s, SLICE("abc"), 2);
	ASSERT_TEXT(&s, "ab");
	assert_true(str_is_full(&s));
	str_clear(&s);
	str_add_cut(&s, SLICE("abcdefgh"), 100);
	ASSERT_TEXT(&s, "abcde");
	assert_true(str_is_full(&s));
}

/* Row LOG-01; the classes of RFC 3629, section 4, at their borders. */
static void printable_replaces_what_is_not(void **state)
{
	static const struct { const char *in; const char *out; } cases[] = {
		{ "plain ~", "plain ~" }, { "a\r\n\t\x1b\x7f", "a?????" },
		{ "\xc2\xa0", "\xc2\xa0" }, { "\xc2\x9f", "??" }, { "\xc2\x80", "??" }, { "\xdf\xbf", "\xdf\xbf" },
		{ "\xc0\xaf", "??" }, { "\xc1\xbf", "??" }, { "\xc2", "?" }, { "\xc2" "a", "?a" }, { "\x80", "?" },
		{ "\xe0\xa0\x80", "\xe0\xa0\x80" }, { "\xe0\x9f\xbf", "???" }, { "\xed\x9f\xbf", "\xed\x9f\xbf" },
		{ "\xed\xa0\x80", "???" }, { "\xed\xbf\xbf", "???" }, { "\xee\x80\x80", "\xee\x80\x80" },
		{ "\xe2\x82", "??" },
		{ "\xf0\x90\x80\x80", "\xf0\x90\x80\x80" }, { "\xf0\x8f\xbf\xbf", "????" },
		{ "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf" },
		{ "\xf4\x90\x80\x80", "????" }, { "\xf5\x80\x80\x80", "????" }, { "\xff\xfe", "??" },
		{ "\xe2\x80\xa7", "\xe2\x80\xa7" }, { "\xe2\x80\xa8", "???" }, { "\xe2\x80\xae", "???" },
		{ "\xe2\x80\xaf", "\xe2\x80\xaf" },
		{ "\xe2\x81\xa5", "\xe2\x81\xa5" }, { "\xe2\x81\xa6", "???" }, { "\xe2\x81\xa9", "???" },
		{ "\xe2\x81\xaa", "\xe2\x81\xaa" },
		{ "\xe2\x80\x8e", "???" }, { "\xd8\x9c", "??" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char storage[32];
		struct str s = STR(storage);

		str_add_printable(&s, slice_of_str(cases[i].in), sizeof(storage));
		if (!slice_eq(str_slice(&s), slice_of_str(cases[i].out)))
			fail_msg("case %zu", i);
		assert_false(str_is_full(&s));
	}
}

static void printable_cuts_between_characters(void **state)
{
	static const char in[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x93\xa8.";	/* 1, 2, 3, 4 and 1 octets */
	static const size_t kept[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

	(void)state;
	for (size_t max = 0; max < ARRAY_LEN(kept); max++) {
		char storage[32];
		struct str by_max = STR(storage);
		char *exact = malloc(max + 1);
		struct str by_cap = str_over(exact, max);

		str_add_printable(&by_max, slice_of_str(in), max);
		assert_true(slice_eq(str_slice(&by_max), slice_of(in, kept[max])));
		assert_int_equal(str_is_full(&by_max), max < 11);
		str_add_printable(&by_cap, slice_of_str(in), 100);
		assert_true(slice_eq(str_slice(&by_cap), slice_of(in, kept[max])));
		free(exact);
	}
}

static void terminating_gives_up_the_last_octet_of_a_full_one(void **state)
{
	char storage[4];
	struct str s = STR(storage);

	(void)state;
	assert_string_equal(str_cstr(&s), "");
	str_add(&s, SLICE("abc"));
	assert_string_equal(str_cstr(&s), "abc");
	assert_false(str_is_full(&s));
	str_add(&s, SLICE("d"));
	assert_string_equal(str_cstr(&s), "abc");
	assert_true(str_is_full(&s));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("pieces become one text", builds_text),
		CLAIM("each piece is added whole or not, and after one that is not, none",
		      adds_all_or_nothing_and_then_nothing),
		CLAIM("a printf that does not fit leaves no trace", printf_that_does_not_fit_leaves_no_trace),
		CLAIM("cutting keeps what fits and says so", cutting_keeps_what_fits),
		CLAIM("LOG-01: printable text replaces what is not", printable_replaces_what_is_not),
		CLAIM("printable text is cut between characters", printable_cuts_between_characters),
		CLAIM("terminating gives up the last octet of a full text",
		      terminating_gives_up_the_last_octet_of_a_full_one),
	};

	return cmocka_run_group_tests_name("core/str", claims, NULL, NULL);
}
