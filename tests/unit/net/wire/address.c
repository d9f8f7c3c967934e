/* Mailboxes: what is one, and that quoting loses nothing. */
#include "net/wire/address.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct address_case {
	const char *wire;
	const char *local;		/* NULL: no mailbox */
	const char *domain;
	unsigned flags;
};

#define U ADDRESS_UTF8
#define N ADDRESS_NO_DOMAIN

static const struct address_case cases[] = {
	{ "john.doe@x", "john.doe", "x", 0 },
	{ "a@b.test", "a", "b.test", 0 },
	{ "a+b/c=d@x", "a+b/c=d", "x", 0 }, /* case 403 */
	{ "o'neil!#$%&*-?^_`{|}~@x", "o'neil!#$%&*-?^_`{|}~", "x", 0 },
	{ "%0d%0a@x", "%0d%0a", "x", 0 }, /* INJ-01: text that only looks like an escape */
	{ "\"a b\"@c", "\"a b\"", "c", 0 },
	{ "\"\\\"\"@c", "\"\\\"\"", "c", 0 },
	{ "\"a@b>\"@c", "\"a@b>\"", "c", 0 },
	{ "\"\"@c", "\"\"", "c", 0 },
	{ "@r1.test,@r2.test:a@b", "a", "b", 0 }, /* INJ-02: source route skipped */
	{ "@r1:a@b", "a", "b", 0 },
	{ "user", "user", "", N },
	{ "\"user\"", "\"user\"", "", N },
	{ "a@[192.0.2.1]", "a", "[192.0.2.1]", 0 },
	{ "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", 0 },
	{ "a@[ipv6:::1]", "a", "[ipv6:::1]", 0 },
	{ "a@1.2.3.x4", "a", "1.2.3.x4", 0 },
	{ "a@under_score.test", "a", "under_score.test", 0 },
	{ "m\xc3\xbcller@b\xc3\xbc"
	  "cher.test",
	  "m\xc3\xbcller",
	  "b\xc3\xbc"
	  "cher.test",
	  U },
	{ "\"m\xc3\xbc ller\"@x", "\"m\xc3\xbc ller\"", "x", U },
	{ "a\xe5\x98\x8a@x", "a\xe5\x98\x8a", "x", U }, /* INJ-01: U+560A is three octets, none of them LF */
	{ "x\xef\xbc\x9e@b", "x\xef\xbc\x9e", "b", U }, /* INJ-03: a wide ">" is a letter like others */

	{ "", NULL, NULL, N | U },
	{ "@", NULL, NULL, N },
	{ "a@", NULL, NULL, N },
	{ "@x", NULL, NULL, N },
	{ "user", NULL, NULL, 0 },
	{ "a\"b@c", NULL, NULL, 0 },
	{ "a\"b", NULL, NULL, N }, /* INJ-02 */
	{ "<a@b>", NULL, NULL, 0 },
	{ "a@b>@c", NULL, NULL, 0 },
	{ "a b@c", NULL, NULL, 0 },
	{ "a@b c", NULL, NULL, 0 },
	{ " a@b", NULL, NULL, 0 },
	{ "a@b ", NULL, NULL, 0 },
	{ "john..doe@x", NULL, NULL, 0 },
	{ ".j@x", NULL, NULL, 0 },
	{ "j.@x", NULL, NULL, 0 },
	{ "a@b@c", NULL, NULL, 0 },
	{ "\"a\"b@c", NULL, NULL, 0 },
	{ "\"a@c", NULL, NULL, 0 },
	{ "\"a\\", NULL, NULL, N },
	{ "\"a\\\"@c", NULL, NULL, 0 },
	{ "a\\@b@c", NULL, NULL, 0 },
	{ "\"a\tb\"@c", NULL, NULL, 0 },
	{ "\"a\\\tb\"@c", NULL, NULL, 0 },
	{ "\"a\177\"@c", NULL, NULL, 0 },
	{ "a@b\r\nRCPT TO:<x@y>", NULL, NULL, U }, /* INJ-01 */
	{ "a\r@b", NULL, NULL, U },
	{ "a\n@b", NULL, NULL, U },
	{ "\"a\n\"@b", NULL, NULL, U },
	{ "\"a\\\n\"@b", NULL, NULL, U },
	{ "a\xc2\x85@b", NULL, NULL, U }, /* INJ-01: U+0085 */
	{ "a@b\xc2\x85"
	  "c",
	  NULL, NULL, U },
	{ "x> SIZE=1@b", NULL, NULL, 0 },
	{ "a@b> ORCPT=rfc822;z", NULL, NULL, 0 }, /* INJ-03 */
	{ "m\xc3\xbcller@x", NULL, NULL, 0 },
	{ "a@b\xc3\xbc"
	  "cher.test",
	  NULL, NULL, 0 }, /* INJ-04 */
	{ "m\xfcller@x", NULL, NULL, U },
	{ "\xc0\xaf@x", NULL, NULL, U },
	{ "\xed\xa0\x80@x", NULL, NULL, U },
	{ "a@192.0.2.1", NULL, NULL, 0 },
	{ "a@123", NULL, NULL, 0 }, /* NET-02 */
	{ "a@[0x7f.1]", NULL, NULL, 0 },
	{ "a@[2130706433]", NULL, NULL, 0 },
	{ "a@[0177.0.0.1]", NULL, NULL, 0 },
	{ "a@[192.0.2.1", NULL, NULL, 0 },
	{ "a@192.0.2.1]", NULL, NULL, 0 },
	{ "a@[]", NULL, NULL, 0 },
	{ "a@[192.0.2.256]", NULL, NULL, 0 },
	{ "a@[2001:db8::1]", NULL, NULL, 0 },
	{ "a@[IPv6:192.0.2.1]", NULL, NULL, 0 },
	{ "a@[IPv6:2001:db8::g]", NULL, NULL, 0 },
	{ "a@[x:y]", NULL, NULL, 0 },
	{ "a@[192.0.2.1]x", NULL, NULL, 0 },
	{ "a@b.", NULL, NULL, 0 },
	{ "a@.b", NULL, NULL, 0 },
	{ "a@b..c", NULL, NULL, 0 },
	{ "a@-b", NULL, NULL, 0 },
	{ "a@b-", NULL, NULL, 0 },
	{ "a@b-.c", NULL, NULL, 0 },
	{ "a@b!c", NULL, NULL, 0 },
	{ "@r1,@r2:", NULL, NULL, N },
	{ "@r1@r2:a@b", NULL, NULL, 0 },
	{ "@r1,r2:a@b", NULL, NULL, 0 },
	{ "@:a@b", NULL, NULL, 0 },
	{ "@r1,:a@b", NULL, NULL, 0 },
	{ "@r1a@b", NULL, NULL, 0 },
};

static void test_every_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct address_case *c = &cases[i];
		struct address a = { .local = SLICE("untouched") };
		int r = address_parse(slice_of_str(c->wire), c->flags, &a);

		if (r != (c->local != NULL ? 0 : -EINVAL))
			fail_msg("'%s' gives %d", c->wire, r);
		if (c->local == NULL) {
			assert_true(slice_eq(a.local, SLICE("untouched")));
			continue;
		}
		if (!slice_eq(a.local, slice_of_str(c->local)) || !slice_eq(a.domain, slice_of_str(c->domain)))
			fail_msg("'%s' is '%.*s' at '%.*s'", c->wire, SLICE_FMT(a.local), SLICE_FMT(a.domain));
		assert_int_equal(a.is_quoted, c->local[0] == '"');
		assert_int_equal(a.is_literal, c->domain[0] == '[');
		assert_int_equal(a.mailbox.len, a.local.len + (a.domain.len > 0) + a.domain.len);
	}
	struct address a;

	assert_int_equal(address_parse(slice_of("a\0@b", 4), 0, &a), -EINVAL);
	assert_int_equal(address_parse(slice_of("\"a\0\"@b", 6), 0, &a), -EINVAL);
	assert_int_equal(address_parse(slice_of("a@b\0", 4), 0, &a), -EINVAL);
}

/* INJ-02: 64 and 65, 255 and 256 octets. */
static void test_lengths_are_bounded_and_beyond_64_is_welcome(void **state)
{
	static const struct {
		size_t len;
		bool good;
	} locals[] = { { 64, true }, { 65, true }, { 255, true }, { 256, false } };
	char wire[600];
	struct address a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(locals); i++) {
		memset(wire, 'l', locals[i].len);
		memcpy(wire + locals[i].len, "@x", 2);
		assert_int_equal(address_parse(slice_of(wire, locals[i].len + 2), 0, &a), locals[i].good ? 0 : -EINVAL);
	}
}

static void test_domains_are_bounded_in_whole_and_in_labels(void **state)
{
	char domain[257];

	(void)state;
	memset(domain, 'd', sizeof(domain));
	assert_true(address_domain_is_valid(slice_of(domain, 63), false));
	assert_false(address_domain_is_valid(slice_of(domain, 64), false));
	for (size_t dot = 1; dot < sizeof(domain); dot += 2)
		domain[dot] = '.';
	assert_true(address_domain_is_valid(slice_of(domain, 255), false));
	assert_false(address_domain_is_valid(slice_of(domain, 257), false));
	assert_false(address_domain_is_valid(slice_of(domain, 256), false));
	assert_false(address_domain_is_valid(SLICE(""), false));
}

static const struct quote_case {
	const char *internal;
	const char *wire;
} quote_cases[] = {
	/* the table of B 11, then cases 403-410 */
	{ "john.doe@x", "john.doe@x" }, { "john..doe@x", "\"john..doe\"@x" }, { "john.@x", "\"john.\"@x" },
	{ ".john@x", "\".john\"@x" }, { "john doe@x", "\"john doe\"@x" }, { "a\"b\\c@x", "\"a\\\"b\\\\c\"@x" },
	{ "a@b@x", "\"a@b\"@x" }, { "@x", "\"\"@x" }, { "user", "user" }, { "m\xc3\xbcller@x", "m\xc3\xbcller@x" },
	{ "", "" },
	{ "a+b/c=d@x", "a+b/c=d@x" }, { "o'neil@x", "o'neil@x" }, { ".j@x", "\".j\"@x" }, { "j.@x", "\"j.\"@x" },
	{ "a,b@x", "\"a,b\"@x" }, { "a:b;c@x", "\"a:b;c\"@x" }, { "(a)@x", "\"(a)\"@x" }, { "[a]@x", "\"[a]\"@x" },
	{ "<a>@x", "\"<a>\"@x" }, { "a\tb@x", "\"a\tb\"@x" }, { "j\xc3\xb6rg@x", "j\xc3\xb6rg@x" },
	{ "a\rb\nc@x", "\"a\\\rb\\\nc\"@x" }, { "x> SIZE=1@b", "\"x> SIZE=1\"@b" }, { "a\177@x", "\"a\177\"@x" },
	{ "john doe", "\"john doe\"" }, { "a@[192.0.2.1]", "a@[192.0.2.1]" },
};

static void test_quoting_is_the_table_of_section_11(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(quote_cases); i++) {
		const struct quote_case *c = &quote_cases[i];
		char storage[2][64];
		struct str wire = STR(storage[0]);
		struct str back = STR(storage[1]);

		address_quote(&wire, slice_of_str(c->internal));
		if (!slice_eq(str_slice(&wire), slice_of_str(c->wire)))
			fail_msg("'%s' becomes '%.*s'", c->internal, SLICE_FMT(str_slice(&wire)));
		address_unquote(&back, str_slice(&wire));
		assert_true(slice_eq(str_slice(&back), slice_of_str(c->internal)));
	}
}

static void test_unquoting_takes_what_others_write(void **state)
{
	static const struct quote_case odd[] = {
		{ "abc@x", "\"a\"\\b\"c\"@x" }, { "a@b@x", "a\\@b@x" }, { "a b@x", "\"a\\ b\"@x" }, { "a\\", "a\\" },
		{ "a@x\\y", "a@x\\y" }, { "@", "@" }, { "a@", "a@" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		char storage[64];
		struct str out = STR(storage);

		address_unquote(&out, slice_of_str(odd[i].wire));
		if (!slice_eq(str_slice(&out), slice_of_str(odd[i].internal)))
			fail_msg("'%s' becomes '%.*s'", odd[i].wire, SLICE_FMT(str_slice(&out)));
	}
}

static void check_round_trip(const char *local, size_t len)
{
	char storage[3][32];
	struct str internal = STR(storage[0]);
	struct str wire = STR(storage[1]);
	struct str back = STR(storage[2]);
	struct address a;

	str_add(&internal, slice_of(local, len));
	str_add(&internal, SLICE("@c.test"));
	address_quote(&wire, str_slice(&internal));
	if (address_parse(str_slice(&wire), 0, &a) < 0)
		fail_msg("'%.*s' is no mailbox", SLICE_FMT(str_slice(&wire)));
	assert_true(slice_eq(a.domain, SLICE("c.test")));
	assert_true(slice_eq(a.mailbox, str_slice(&wire)));
	address_unquote(&back, a.mailbox);
	if (!slice_eq(str_slice(&back), str_slice(&internal)))
		fail_msg("'%.*s' comes back as '%.*s'", SLICE_FMT(str_slice(&internal)), SLICE_FMT(str_slice(&back)));
	str_add_char(&wire, '>');
	assert_int_equal(address_path_len(str_slice(&wire)), (ptrdiff_t)wire.len - 1);
}

/* INJ-02: 1 + 20 + 400 + 8,000 local parts. */
static void test_INJ_02_parse_undoes_quote_for_all_short_local_parts(void **state)
{
	static const char specials[] = "<>()[]\\,;:@\" .a+='%!";
	size_t n = sizeof(specials) - 1;
	unsigned checked = 0;

	(void)state;
	assert_int_equal(n, 20);
	check_round_trip("", 0);
	for (size_t i = 0; i < n; i++) {
		check_round_trip((char[]){ specials[i] }, 1);
		for (size_t j = 0; j < n; j++) {
			check_round_trip((char[]){ specials[i], specials[j] }, 2);
			for (size_t k = 0; k < n; k++, checked++)
				check_round_trip((char[]){ specials[i], specials[j], specials[k] }, 3);
		}
	}
	assert_int_equal(checked, 8000);
}

/* Controls have no mailbox on the wire, but no octet is lost either. */
static void test_unquote_undoes_quote_for_all_pairs_of_octets(void **state)
{
	(void)state;
	for (unsigned pair = 0; pair < 65536; pair++) {
		char internal[4] = { (char)(pair >> 8), (char)pair, '@', 'x' };
		char storage[2][16];
		struct str wire = STR(storage[0]);
		struct str back = STR(storage[1]);

		address_quote(&wire, slice_of(internal, 4));
		address_unquote(&back, str_slice(&wire));
		assert_true(slice_eq(str_slice(&back), slice_of(internal, 4)));
	}
}

static void test_the_path_ends_at_the_bracket_that_is_not_quoted(void **state)
{
	(void)state;
	assert_int_equal(address_path_len(SLICE("a@b> SIZE=1")), 3);
	assert_int_equal(address_path_len(SLICE(">")), 0);
	assert_int_equal(address_path_len(SLICE("\"a>b\"@c>")), 7);
	assert_int_equal(address_path_len(SLICE("\"a\\\">b\"@c>")), 9);
	assert_int_equal(address_path_len(SLICE("\"a>b@c>")), -1);
	assert_int_equal(address_path_len(SLICE("\"a>\\")), -1);
	assert_int_equal(address_path_len(SLICE("a@b")), -1);
	assert_int_equal(address_path_len(SLICE("")), -1);
}

static void test_domains_of_internal_addresses(void **state)
{
	char storage[32];
	struct str key = STR(storage);

	(void)state;
	assert_true(slice_eq(address_domain(SLICE("a@b@C.test")), SLICE("C.test")));
	assert_int_equal(address_domain(SLICE("user")).len, 0);
	assert_int_equal(address_domain(SLICE("")).len, 0);
	str_add(&key, SLICE("A="));
	address_add_domain_key(&key, SLICE("MX-9.Test\xc3\x84"));
	assert_true(slice_eq(str_slice(&key), SLICE("A=mx-9.test\xc3\x84")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_case),
		cmocka_unit_test(test_lengths_are_bounded_and_beyond_64_is_welcome),
		cmocka_unit_test(test_domains_are_bounded_in_whole_and_in_labels),
		cmocka_unit_test(test_quoting_is_the_table_of_section_11),
		cmocka_unit_test(test_unquoting_takes_what_others_write),
		cmocka_unit_test(test_INJ_02_parse_undoes_quote_for_all_short_local_parts),
		cmocka_unit_test(test_unquote_undoes_quote_for_all_pairs_of_octets),
		cmocka_unit_test(test_the_path_ends_at_the_bracket_that_is_not_quoted),
		cmocka_unit_test(test_domains_of_internal_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
