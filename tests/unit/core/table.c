#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/maps.h"
#include "tests/unit/core/tables.h"

/* --- static, inline, fail -------------------------------------------------------------------------- */

static void three_outcomes(void **state)
{
	struct table_set *set = table_set_new();

	(void)state;
	assert_string_equal(ask(set, "static:x", "whatever", 0), "x");
	assert_string_equal(ask(set, "static:{ two words }", "whatever", 0), "two words");
	assert_string_equal(ask(set, "static:", "whatever", 0), "");
	assert_string_equal(ask(set, "inline:{a=b}", "c", 0), "(none)");
	assert_string_equal(ask(set, "fail:why not", "c", 0), err_text(-EIO));
	assert_string_equal(ask(set, "proxy:static:y", "whatever", 0), "y");
	table_set_free(&set);
	assert_null(set);
}

static void inline_items(void **state)
{
	struct table_set *set = table_set_new();
	const char *name = "inline:{ One=1, { two = 2, and = more } { four={x} } }";

	(void)state;
	assert_string_equal(ask(set, name, "oNE", 0), "1");
	assert_string_equal(ask(set, name, "two", 0), "2, and = more");
	assert_string_equal(ask(set, name, "TWO", TABLE_PARTIAL), "2, and = more");
	assert_string_equal(ask(set, name, "four", 0), "{x}");
	assert_string_equal(ask(set, name, "three", 0), "(none)");
	assert_string_equal(ask(set, "inline:{}", "", 0), "(none)");
	table_set_free(&set);
}

static void names_refused(void **state)
{
	(void)state;
	assert_refused("inline:a=b", "a=b: expected inline:{ key=value, { key = text } }");
	assert_refused("inline:{a=b", "{a=b: expected inline:{ key=value, { key = text } }");
	assert_refused("inline:{a}", "{a}: an item is not key=value or { key = text }");
	assert_refused("inline:{=a}", "{=a}: an item is not key=value or { key = text }");
	assert_refused("static:{a", "{a: the braces do not enclose it");
	assert_refused("texthash:/does/not/exist", "/does/not/exist: No such file or directory");
	assert_true(table_is_name(SLICE("proxy:texthash:/x")));
	assert_false(table_is_name(SLICE("nosuch:/x")));
	assert_false(table_is_name(SLICE("192.0.2.1")));
	assert_false(table_is_name(SLICE("2001:db8::1")));
}

static void a_nul_is_refused(void **state)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table_set *set = table_set_new();
	struct table *t;

	(void)state;
	assert_int_equal(table_open(set, SLICE("static:a\0b"), &why, &t), ERR_SYNTAX);
	assert_int_equal(table_open(set, SLICE("unionmap:{static:a\0b}"), &why, &t), ERR_SYNTAX);
	assert_string_equal(str_cstr(&why), "unionmap:{static:a?b}: a NUL octet");
	table_set_free(&set);
}

static void value_too_long(void **state)
{
	char why_storage[TABLE_WHY_MAX], storage[3];
	struct str why = STR(why_storage), value = STR(storage);
	struct table_set *set = table_set_new();
	struct table *t, *again;

	(void)state;
	assert_int_equal(table_open(set, SLICE("static:abcd"), &why, &t), 0);
	assert_int_equal(table_find(t, SLICE("x"), 0, &value), -EMSGSIZE);
	assert_int_equal(table_open(set, SLICE("proxy:static:abcd"), &why, &again), 0);
	assert_ptr_equal(t, again);
	assert_string_equal(table_name(t), "static:abcd");
	assert_false(table_needs_io(t));
	table_set_free(&set);
}

/* --- texthash ------------------------------------------------------------------------------------- */

static void texthash_lines(void **state)
{
	struct table_set *set = table_set_new();
	const char *name = named("texthash", write_file("lines", SLICE(
		"# comment\n"
		"  # another one, indented\n"
		"\n"
		"Key value\n"
		"long\tone \t\n"
		"# in between\n"
		"\n"
		"   two  \n"
		"\"a b\" quoted\n"
		"crlf yes\r\n"
		"last without end")));

	(void)state;
	assert_string_equal(ask(set, name, "KEY", 0), "value");
	assert_string_equal(ask(set, name, "long", 0), "one \t   two");
	assert_string_equal(ask(set, name, "\"a b\"", 0), "quoted");
	assert_string_equal(ask(set, name, "crlf", 0), "yes");
	assert_string_equal(ask(set, name, "last", 0), "without end");
	assert_string_equal(ask(set, name, "#", 0), "(none)");
	table_set_free(&set);
}

static void texthash_duplicate(void **state)
{
	char storage[TABLE_WHY_MAX], expected[256];
	struct str why = STR(storage);
	struct table_set *set = table_set_new();
	const char *path = write_file("twice", SLICE("a 1\nb 2\nA 3\n"));
	const char *name = named("texthash", path);
	struct table *t;

	(void)state;
	assert_int_equal(table_open(set, slice_of_str(name), &why, &t), 0);
	(void)snprintf(expected, sizeof(expected), "%s, line 3: \"a\" is there twice; the first one counts", path);
	assert_string_equal(str_cstr(&why), expected);
	assert_string_equal(ask(set, name, "a", 0), "1");
	table_set_free(&set);
}

static void texthash_errors(void **state)
{
	static const struct {
		struct slice text;
		const char *what;
	} cases[] = {
		{ SLICE("a b\n\nc\n"), ", line 3: no value; expected key, white space, value" },
		{ SLICE("# x\n b c\n"), ", line 2: white space in front continues nothing" },
		{ SLICE("\"a b\n"), ", line 1: quotes that do not end" },
		{ SLICE("a\0b c\n"), ", line 1: a NUL octet" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char expected[256];
		const char *path = write_file("wrong", cases[i].text);

		(void)snprintf(expected, sizeof(expected), "%s%s", path, cases[i].what);
		assert_refused(named("texthash", path), expected);
	}
}

static void texthash_many(void **state)
{
	static char text[200000];
	struct str s = STR(text);
	struct table_set *set = table_set_new();

	(void)state;
	for (unsigned i = 0; i < 10000; i++)
		str_printf(&s, "key%u value%u\n", i, i);
	assert_false(str_is_full(&s));
	const char *name = named("texthash", write_file("many", str_slice(&s)));

	for (unsigned i = 0; i < 10000; i += 77) {
		char key[16], value[16];

		(void)snprintf(key, sizeof(key), "key%u", i);
		(void)snprintf(value, sizeof(value), "value%u", i);
		assert_string_equal(ask(set, name, key, 0), value);
	}
	assert_string_equal(ask(set, name, "key10000", 0), "(none)");
	table_set_free(&set);
}

/* --- maps and match lists ------------------------------------------------------------------------- */

static void maps_order(void **state)
{
	char why_storage[TABLE_WHY_MAX], storage[64];
	struct str why = STR(why_storage), value = STR(storage);
	struct table_set *set = table_set_new();
	struct maps *m;

	(void)state;
	assert_int_equal(maps_open(set, SLICE("inline:{a=1}, inline:{ {a = 2}, {b = 3} } fail:x"), &why, &m), 0);
	assert_int_equal(m->count, 3);
	assert_int_equal(maps_find(m, SLICE("a"), 0, &value), 1);
	assert_string_equal(str_cstr(&value), "1");
	assert_int_equal(maps_find(m, SLICE("b"), 0, &value), 1);
	assert_string_equal(str_cstr(&value), "3");
	assert_int_equal(maps_find(m, SLICE("c"), 0, &value), -EIO);
	maps_free(&m);
	assert_int_equal(maps_open(set, SLICE(" , "), &why, &m), 0);
	assert_null(m);
	assert_int_equal(maps_find(m, SLICE("c"), 0, &value), 0);
	assert_false(maps_need_io(m));
	assert_int_equal(maps_open(set, SLICE("inline:{a=1} /path"), &why, &m), ERR_SYNTAX);
	assert_non_null(strstr(str_cstr(&why), "'/path' is not a table"));
	table_set_free(&set);
}

static struct mlist *list_of(struct table_set *set, const char *text)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct mlist *l;

	assert_int_equal(mlist_open(set, slice_of_str(text), &why, &l), 0);
	return l;
}

static void mlist_first_decides(void **state)
{
	struct table_set *set = table_set_new();
	char text[256];

	(void)state;
	(void)snprintf(text, sizeof(text), "one, !two inline:{three=x} !%s *four",
		       write_file("list", SLICE("# list\nfive six\n !seven\neight\n")));
	struct mlist *l = list_of(set, text);

	assert_int_equal(mlist_match(l, SLICE("ONE")), 1);
	assert_int_equal(mlist_match(l, SLICE("two")), 0);
	assert_int_equal(mlist_match(l, SLICE("Three")), 1);
	assert_int_equal(mlist_match(l, SLICE("five")), 0);
	assert_int_equal(mlist_match(l, SLICE("seven")), 1);
	assert_int_equal(mlist_match(l, SLICE("four")), 0);
	mlist_free(&l);
	l = list_of(set, "a fail:x b");
	assert_int_equal(mlist_match(l, SLICE("a")), 1);
	assert_int_equal(mlist_match(l, SLICE("b")), -EIO);
	mlist_free(&l);
	l = list_of(set, "");
	assert_null(l);
	assert_int_equal(mlist_match(l, SLICE("a")), 0);
	table_set_free(&set);
}

static int match_host(const char *list, const char *name, const char *ip, bool subdomains)
{
	struct table_set *set = table_set_new();
	struct mlist *l = list_of(set, list);
	struct addr a;

	if (ip != NULL)
		assert_int_equal(addr_parse_ip(slice_of_str(ip), 0, &a), 0);
	int r = mlist_match_host(l, slice_of_str(name), ip != NULL ? &a : NULL, subdomains);

	mlist_free(&l);
	table_set_free(&set);
	return r;
}

static void mlist_hosts(void **state)
{
	(void)state;
	assert_int_equal(match_host("example.com", "Example.COM", NULL, false), 1);
	assert_int_equal(match_host("example.com", "mx.example.com", NULL, false), 0);
	assert_int_equal(match_host("example.com", "mx.example.com", NULL, true), 1);
	assert_int_equal(match_host("example.com", "mx-example.com", NULL, true), 0);
	assert_int_equal(match_host(".example.com", "mx.example.com", NULL, false), 1);
	assert_int_equal(match_host(".example.com", "example.com", NULL, true), 0);
	assert_int_equal(match_host("!a.example.com example.com", "b.a.example.com", NULL, true), 0);
	assert_int_equal(match_host("192.0.2.0/24", "", "192.0.2.9", false), 1);
	assert_int_equal(match_host("192.0.2.7", "x", "192.0.2.9", false), 0);
	assert_int_equal(match_host("[2001:db8::]/32", "x", "2001:db8::7", false), 1);
	assert_int_equal(match_host("2001:db8::7", "x", "2001:db8:0::7", false), 1);
	assert_int_equal(match_host("inline:{192.0.2.9=x}", "x", "192.0.2.9", false), 1);
	assert_int_equal(match_host("inline:{example.com=x}", "a.b.example.com", NULL, true), 1);
	assert_int_equal(match_host("inline:{example.com=x}", "a.b.example.com", NULL, false), 0);
	assert_int_equal(match_host("inline:{.example.com=x}", "a.b.example.com", NULL, false), 1);
	assert_int_equal(match_host("example.com", "", NULL, true), 0);
	assert_int_equal(match_host("fail:x", "a.", "192.0.2.1", true), -EIO);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("found, not found and error are three outcomes", three_outcomes),
		CLAIM("items of inline tables have keys without case and values with blanks", inline_items),
		CLAIM("what is no table is refused with a reason", names_refused),
		CLAIM("a name with a NUL is refused", a_nul_is_refused),
		CLAIM("a value that does not fit is an error, and a table is opened once", value_too_long),
		CLAIM("texthash lines are those of postmap: comments, continuation, quotes", texthash_lines),
		CLAIM("the first of equal keys counts, and opening warns of the other", texthash_duplicate),
		CLAIM("a line that cannot be read is an error with its file and number", texthash_errors),
		CLAIM("a texthash of ten thousand keys has them all", texthash_many),
		CLAIM("the first table that knows the key answers, an error ends the search", maps_order),
		CLAIM("the first item of a match list that matches decides", mlist_first_decides),
		CLAIM("hosts match by name, by domain, by address and by network", mlist_hosts),
	};
	return cmocka_run_group_tests_name("core/table", claims, make_folder, remove_folder);
}
