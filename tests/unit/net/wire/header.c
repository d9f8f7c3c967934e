/* header fields: what is an address in them, and that nothing of the rest gets lost */
#include "net/wire/header.h"

#include "tests/test.h"

static const struct split_case {
	const char *field, *name, *body;
} split_cases[] = {
	{ "To: a@b", "To", " a@b" },
	{ "To:a@b", "To", "a@b" },
	{ "To \t:\r\n a", "To", "\r\n a" },
	{ "X-!#$%&'*+/=?^_`{|}~:", "X-!#$%&'*+/=?^_`{|}~", "" },
	{ "a::b", "a", ":b" },
	{ ": a", NULL, NULL },
	{ "", NULL, NULL },
	{ "To", NULL, NULL },
	{ "To b: a", NULL, NULL },
	{ " To: a", NULL, NULL },
	{ "T\xc3\xb6: a", NULL, NULL },
	{ "T\x7f: a", NULL, NULL },
	{ "To\r\n : a", NULL, NULL },
};

static void fields_are_told_from_other_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(split_cases); i++) {
		const struct split_case *c = &split_cases[i];
		struct slice name, body;

		assert_int_equal(header_split(slice_of_str(c->field), &name, &body), c->name != NULL);
		if (c->name == NULL)
			continue;
		assert_true(slice_eq(name, slice_of_str(c->name)));
		assert_true(slice_eq(body, slice_of_str(c->body)));
	}
}

/* Each element as text{address}separator. */
static void add_elements(struct str *out, struct slice body, uint32_t tokens)
{
	struct header_list list;
	struct header_element e;

	header_list_init(&list, body, tokens);
	while (header_list_next(&list, &e)) {
		header_add_unfolded(out, e.text);
		if (e.address.len > 0) {
			str_add_char(out, '{');
			header_add_address(out, e.address);
			str_add_char(out, '}');
		}
		if (e.separator != 0)
			str_add_char(out, e.separator);
	}
}

static const struct list_case {
	const char *body, *elements;
	uint32_t tokens;
} list_cases[] = {
	{ " a@b", "a@b{a@b}", 0 },
	{ "", "", 0 },
	{ " \r\n\t", "", 0 },
	{ "a@b,c@d", "a@b{a@b},c@d{c@d}", 0 },
	{ " \"J. Doe\" <a@old>, b@keep", "\"J. Doe\" <a@old>{a@old},b@keep{b@keep}", 0 },
	{ "J. Doe <a@b>", "J. Doe <a@b>{a@b}", 0 },
	{ "<a@b>", "<a@b>{a@b}", 0 },
	{ "<>", "<>", 0 },
	{ "a@b (x, y) , c", "a@b (x, y){a@b},c{c}", 0 },
	{ "(a (deep\\) one) ) a@b", "(a (deep\\) one) ) a@b{a@b}", 0 },
	{ "a (one) @ (two)\r\n b . c", "a (one) @ (two) b . c{a@b.c}", 0 },
	{ "\"a, b\"@c, \"d\\\"e;\"@[192.0.2.1]", "\"a, b\"@c{\"a, b\"@c},\"d\\\"e;\"@[192.0.2.1]{\"d\\\"e;\"@[192.0.2.1]}", 0 },
	{ "friends: a@b, C <c@d>;, e@f", "friends{friends}:a@b{a@b},C <c@d>{c@d};,e@f{e@f}", 0 },
	{ "undisclosed-recipients:;", "undisclosed-recipients{undisclosed-recipients}:;", 0 },
	{ "<@x,@y:a@b>, c@d", "<@x,@y:a@b>{a@b},c@d{c@d}", 0 },
	{ "<@x,@y>, c@d", "<@x,@y>{@x,@y},c@d{c@d}", 0 },
	{ "john doe, a@b c", "john doe,a@b c", 0 },
	{ "a@b, , ,c@d,", "a@b{a@b},,,c@d{c@d},", 0 },
	{ "a..b@c, .a@b, a.@b", "a..b@c{a..b@c},.a@b{.a@b},a.@b{a.@b}", 0 },
	{ "j\xc3\xb6rg@x", "j\xc3\xb6rg@x{j\xc3\xb6rg@x}", 0 },
	{ "a\\,b@c", "a\\,b@c{a\\,b@c}", 0 },
	/* what is not in order is one element, or none, but never lost */
	{ "<a@b, c@d", "<a@b, c@d", 0 },
	{ "a@b>, c", "a@b>,c{c}", 0 },
	{ "\"a@b, c", "\"a@b, c{\"a@b, c}", 0 },
	{ "(a@b, c", "(a@b, c", 0 },
	{ "a@b), c]", "a@b),c]", 0 },
	{ "<a@b> <c@d>", "<a@b> <c@d>{a@b}", 0 },
	/* limits */
	{ "a@b,c@d", "a@b{a@b},c@d", 4 },
	{ "a@b,c@d,e@f", "a@b{a@b},c@d,e@f", 6 },
	{ "a@b,c@d", "a@b,c@d", 1 },
	/* folding */
	{ "a\r\n\t@b,\r\n  c", "a @b{a@b},c{c}", 0 },
	{ "\"x\r\n y\" <a@b>", "\"x y\" <a@b>{a@b}", 0 },
};

static void lists_are_cut_into_elements(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(list_cases); i++) {
		const struct list_case *c = &list_cases[i];
		char storage[512];
		struct str out = STR(storage);

		add_elements(&out, slice_of_str(c->body), c->tokens > 0 ? c->tokens : 10240);
		if (!slice_eq(str_slice(&out), slice_of_str(c->elements)))
			fail_msg("'%s' gives '%s'", c->body, str_cstr(&out));
	}
}

static void comments_survive(void **state)
{
	char storage[64];
	struct str out = STR(storage);

	(void)state;
	header_add_comments(&out, SLICE("a (one) @ b (two\r\n three) \"(no)\""));
	assert_string_equal(str_cstr(&out), " (one) (two three)");
}

/* A mebibyte of each octet that opens something: the time is linear, or this test does not end. */
static void depth_costs_nothing(void **state)
{
	static const char openers[] = "(<[\"\\,:;@. a";
	static char text[MIB(1)];

	(void)state;
	for (size_t i = 0; i < sizeof(openers) - 1; i++) {
		struct header_list list;
		struct header_element e;
		size_t elements = 0, separators = 0;

		memset(text, openers[i], sizeof(text));
		header_list_init(&list, slice_of(text, sizeof(text)), UINT32_MAX);
		while (header_list_next(&list, &e)) {
			elements++;
			separators += e.separator != 0;
		}
		assert_int_equal(elements, separators + 1);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a field has a name of printable ASCII, blanks and a colon", fields_are_told_from_other_text),
		CLAIM("lists are cut at separators outside of comments, quotes and brackets", lists_are_cut_into_elements),
		CLAIM("comments inside of an address are found", comments_survive),
		CLAIM("a mebibyte of brackets takes no time", depth_costs_nothing),
	};

	return cmocka_run_group_tests_name("net/wire/header", claims, NULL, NULL);
}
