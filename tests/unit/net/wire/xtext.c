/* xtext: what goes in comes out, and nothing else is let in (row INJ-05). */
#include "net/wire/utf8.h"
#include "net/wire/xtext.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_decode_undoes_encode_for_all_pairs_of_octets(void **state)
{
	(void)state;
	for (unsigned pair = 0; pair < 65536; pair++) {
		char raw[2] = { (char)(pair >> 8), (char)pair };
		char storage[2][8];
		struct str text = STR(storage[0]);
		struct str back = STR(storage[1]);

		xtext_encode(&text, slice_of(raw, 2));
		assert_false(str_is_full(&text));
		for (size_t i = 0; i < text.len; i++)
			assert_in_range((unsigned char)text.ptr[i], 33, 126);
		assert_int_equal(slice_find_char(str_slice(&text), 0, '='), -1);
		assert_int_equal(xtext_decode(&back, str_slice(&text)), 0);
		assert_true(slice_eq(str_slice(&back), slice_of(raw, 2)));
		assert_int_equal(xtext_is_safe(str_slice(&text)),
			memchr(raw, '\r', 2) == NULL && memchr(raw, '\n', 2) == NULL && memchr(raw, '\0', 2) == NULL);
	}
}

static const struct decode_case {
	const char *text;
	const char *raw;		/* NULL: malformed */
	bool safe;
} decode_cases[] = {
	{ "", "", true },
	{ "plain", "plain", true },
	{ "QQ+2031+2B4+3D1", "QQ 31+4=1", true },	/* case 388 */
	{ "a+", NULL, false }, { "a+4", NULL, false }, { "+ZZ", NULL, false }, { "+4G", NULL, false },
	{ "+2b", NULL, false }, { "+2B", "+", true }, { "a=b", NULL, false }, { "a b", NULL, false },
	{ "a\x7f", NULL, false }, { "\xc3\xbc", NULL, false }, { "+C3+BC", "\xc3\xbc", true },
	{ "+0D+0A", "\r\n", false }, { "x+0Ay", "x\ny", false },
};

static void test_every_decode_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(decode_cases); i++) {
		const struct decode_case *c = &decode_cases[i];
		char storage[64] = "kept";
		struct str out = STR(storage);

		out.len = 4;
		int r = xtext_decode(&out, slice_of_str(c->text));

		if (r != (c->raw != NULL ? 0 : -EINVAL))
			fail_msg("'%s' gives %d", c->text, r);
		if (c->raw == NULL)
			assert_int_equal(out.len, 4);
		else
			assert_true(slice_eq(slice_of(out.ptr + 4, out.len - 4), slice_of_str(c->raw)));
		assert_int_equal(xtext_is_safe(slice_of_str(c->text)), c->safe);
	}
	assert_false(xtext_is_safe(SLICE("+00")));
}

static void test_a_full_str_keeps_nothing_of_the_octets(void **state)
{
	char storage[6];
	struct str out = STR(storage);

	(void)state;
	str_add(&out, SLICE("ab"));
	assert_int_equal(xtext_decode(&out, SLICE("cdefg")), 0);
	assert_true(str_is_full(&out));
	assert_int_equal(out.len, 2);
}

static const struct utf8_case {
	const char *raw;
	const char *text;
} utf8_cases[] = {
	{ "j\xc3\xb6rg@x", "j\\x{F6}rg@x" },		/* case 396 */
	{ "a\\b+c=d e", "a\\x{5C}b\\x{2B}c\\x{3D}d\\x{20}e" },
	{ "\xf0\x9f\x93\xa8", "\\x{1F4E8}" },
	{ "\r\n", "\\x{0D}\\x{0A}" },
};

static void test_utf8_form_spells_out_what_may_not_stand(void **state)
{
	char storage[64];
	struct str out = STR(storage);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(utf8_cases); i++) {
		str_clear(&out);
		assert_int_equal(xtext_encode_utf8(&out, slice_of_str(utf8_cases[i].raw)), 0);
		assert_true(slice_eq(str_slice(&out), slice_of_str(utf8_cases[i].text)));
	}
	str_clear(&out);
	assert_int_equal(xtext_encode_utf8(&out, SLICE("a\xff")), -EINVAL);
	assert_int_equal(out.len, 0);
}

static void test_utf8_form_comes_back_for_every_character(void **state)
{
	char text[16], back[8], raw[8];

	(void)state;
	for (uint32_t code = 0; code <= 0x110000; code++) {
		struct str r = STR(raw), t = STR(text), b = STR(back);
		const bool is_control = code == '\r' || code == '\n' || code == 0 || (code >= 0x80 && code < 0xa0);

		assert_int_equal(utf8_add(&r, code), utf8_is_scalar(code));
		if (!utf8_is_scalar(code))
			continue;
		assert_int_equal(xtext_encode_utf8(&t, str_slice(&r)), 0);
		assert_int_equal(xtext_decode_utf8(&b, str_slice(&t)), 0);
		assert_true(slice_eq(str_slice(&b), str_slice(&r)));
		assert_int_equal(xtext_utf8_is_safe(str_slice(&t)), !is_control);
	}
}

static const struct utf8_decode_case {
	const char *text;
	const char *raw;	/* NULL: malformed */
} utf8_decode_cases[] = {
	{ "j\\x{F6}rg@x", "j\xc3\xb6rg@x" },
	{ "j\\x{f6}rg@x", "j\xc3\xb6rg@x" },
	{ "j\xc3\xb6rg@x", "j\xc3\xb6rg@x" },
	{ "\\x{00000F6}", NULL },
	{ "\\x{}", NULL },
	{ "\\x{F6", NULL },
	{ "\\x{F6}}", "\xc3\xb6}" },
	{ "\\x{G}", NULL },
	{ "\\xF6", NULL },
	{ "\\", NULL },
	{ "\\X{F6}", NULL },
	{ "\\x{D800}", NULL },
	{ "\\x{110000}", NULL },
	{ "a b", NULL },
	{ "a+b", NULL },
	{ "a=b", NULL },
	{ "a\xc3", NULL },
	{ "\xed\xa0\x80", NULL },
};

static void test_every_utf8_decode_case(void **state)
{
	char storage[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(utf8_decode_cases); i++) {
		const struct utf8_decode_case *c = &utf8_decode_cases[i];
		struct str out = STR(storage);

		str_add(&out, SLICE("keep"));
		assert_int_equal(xtext_decode_utf8(&out, slice_of_str(c->text)), c->raw != NULL ? 0 : -EINVAL);
		assert_int_equal(xtext_utf8_is_safe(slice_of_str(c->text)), c->raw != NULL);
		assert_int_equal(out.len, 4 + (c->raw != NULL ? strlen(c->raw) : 0));
		if (c->raw != NULL)
			assert_true(slice_eq(slice_of(out.ptr + 4, out.len - 4), slice_of_str(c->raw)));
	}
	assert_false(xtext_utf8_is_safe(SLICE("\\x{0D}")));
	assert_false(xtext_utf8_is_safe(SLICE("\\x{a}")));
	assert_false(xtext_utf8_is_safe(SLICE("\\x{0}")));
	assert_false(xtext_utf8_is_safe(SLICE("\\x{85}")));
	assert_false(xtext_utf8_is_safe(SLICE("\xc2\x85")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode_undoes_encode_for_all_pairs_of_octets),
		cmocka_unit_test(test_every_decode_case),
		cmocka_unit_test(test_a_full_str_keeps_nothing_of_the_octets),
		cmocka_unit_test(test_utf8_form_spells_out_what_may_not_stand),
		cmocka_unit_test(test_utf8_form_comes_back_for_every_character),
		cmocka_unit_test(test_every_utf8_decode_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
