/* smtp_generic_maps: which keys are asked in which order, and what their answers make of an address (B 12) */
#include "net/mail/generic.h"

#include "tests/test.h"
#include "tests/unit/net/mail/tables.h"

#include <errno.h>
#include <stdio.h>

/* Somebody who writes down what he is asked, knows one key, and never answers at once. */
struct oracle {
	struct asker asker;
	const char *key, *value;
	int err;
	bool asked;
	char said[4096];
};

struct world {
	struct tables tables;
	struct addr own[2];
	struct generic generic;
	struct oracle oracle;
};

static int find(struct asker *a, const struct maps *maps, struct slice key, unsigned flags, struct str *ret_value)
{
	struct oracle *o = container_of(a, struct oracle, asker);
	size_t len = strlen(o->said);

	assert_non_null(maps);
	o->asked = !o->asked;
	if (o->asked)
		return ASKER_WAIT;
	(void)snprintf(o->said + len, sizeof(o->said) - len, "%s%.*s%s", len > 0 ? " | " : "", SLICE_FMT(key),
		       flags & TABLE_PARTIAL ? "" : " (whole)");
	str_clear(ret_value);
	if (o->err < 0)
		return o->err;
	if (o->key == NULL || !slice_eq(key, slice_of_str(o->key)))
		return 0;
	str_add_cstr(ret_value, o->value);
	return 1;
}

static void build(struct world *w, const char *text)
{
	memset(w, 0, sizeof(*w));
	tables_open(&w->tables, text);
	assert_int_equal(addr_parse_ip(SLICE("192.0.2.1"), 0, &w->own[0]), 0);
	assert_int_equal(addr_parse_ip(SLICE("2001:db8::1"), 0, &w->own[1]), 0);
	w->tables.generic.own = w->own;
	w->tables.generic.own_count = 2;
	w->oracle.asker.find = find;
}

/* What becomes of address; "=" when it stays, "error" when there is one. */
static const char *map(struct world *w, const char *address)
{
	static char text[GENERIC_ADDR_MAX + 1];
	struct slice mapped;
	int r;

	generic_begin(&w->generic, &w->tables.generic, slice_of_str(address));
	do
		r = generic_next(&w->generic, &w->oracle.asker, &mapped);
	while (r == ASKER_WAIT);
	if (r <= 0)
		return r == 0 ? "=" : "error";
	(void)snprintf(text, sizeof(text), "%.*s", SLICE_FMT(mapped));
	return text;
}

#define REMOTE "smtp_generic_maps = tcp:127.0.0.1:9\n"

static const struct keys_case {
	const char *address, *keys;
} keys_cases[] = {
	{ "u+x@b.test", "u+x@b.test (whole) | u@b.test | @b.test" },
	{ "u@b.test", "u@b.test (whole) | @b.test" },
	{ "u+x@mail.example.org", "u+x@mail.example.org (whole) | u@mail.example.org | u+x | u | @mail.example.org" },
	{ "u@MAIL.example.org", "u@MAIL.example.org (whole) | u | @MAIL.example.org" },
	{ "u@localhost", "u@localhost (whole) | u | @localhost" },
	{ "u@[192.0.2.1]", "u@[192.0.2.1] (whole) | u | @[192.0.2.1]" },
	{ "u@[IPv6:2001:db8:0::1]", "u@[IPv6:2001:db8:0::1] (whole) | u | @[IPv6:2001:db8:0::1]" },
	{ "u@[192.0.2.2]", "u@[192.0.2.2] (whole) | @[192.0.2.2]" },
	{ "u+x", "u+x (whole) | u" },
	{ "+x@b", "+x@b (whole) | @b" },
	{ "u+@b", "u+@b (whole) | u@b | @b" },
	{ "Postmaster@b", "Postmaster@b (whole) | @b" },
	{ "u v+x@b", "\"u v+x\"@b (whole) | u v+x@b (whole) | \"u v\"@b | u v@b | @b" },
	{ "u v@localhost", "\"u v\"@localhost (whole) | u v@localhost (whole) | \"u v\" | u v | @localhost" },
	{ "a@b@localhost", "\"a@b\"@localhost (whole) | a@b@localhost (whole) | \"a@b\" | a@b | @localhost" },
	{ "@b", "\"\"@b (whole) | @b (whole) | @b" },
	{ "@", "\"\"@ (whole) | @ (whole)" },
};

static void keys_are_asked_in_order(void **state)
{
	struct world w;

	(void)state;
	build(&w, REMOTE "recipient_delimiter = +\n");
	for (size_t i = 0; i < ARRAY_LEN(keys_cases); i++) {
		w.oracle.said[0] = '\0';
		assert_string_equal(map(&w, keys_cases[i].address), "=");
		assert_string_equal(w.oracle.said, keys_cases[i].keys);
	}
	tables_close(&w.tables);
}

static const struct result_case {
	const char *key, *value, *address, *result;
} results[] = {
	{ "u@b", "v@c", "u@b", "v@c" },
	{ "@b", "@c", "u@b", "u@c" },
	{ "@client.test", "@isp.test", "u+x@client.test", "u+x@isp.test" },		/* case 414 */
	{ "u@client.test", "v@isp.test", "u+x@client.test", "v@isp.test" },		/* case 415 */
	{ "u@b", "@c", "u+x@b", "u@c" },
	{ "u", "v@isp.test", "u@mail.example.org", "v@isp.test" },			/* case 416 */
	{ "u", "v@isp.test", "u@foreign.test", "=" },
	{ "b@x", "a@x", "b@x", "a@x" },							/* case 417: not again */
	{ "u@b", "v@c, w@d", "u@b", "v@c" },						/* case 418 */
	{ "u@b", "v", "u@b", "v@mail.example.org" },
	{ "u@b", "v@host", "u@b", "v@host" },
	{ "u@b", "\"v w\"@c", "u@b", "v w@c" },
	{ "u@b", "V <v@c> (him)", "u@b", "v@c" },
	{ "u@b", "u@b", "u@b", "=" },
	{ "u@b", "", "u@b", "error" },
	{ "u@b", "two words", "u@b", "error" },
	{ "u@b", "<>", "u@b", "error" },
	{ "u@b", "@", "u@b", "error" },
	{ "u@b", "@c@d", "u@b", "error" },
	{ "u@b", "\"v\\\x01\"@c", "u@b", "error" },
	{ "u@b", "@c, @d", "u@b", "error" },
};

static void answers_become_addresses(void **state)
{
	struct world w;

	(void)state;
	build(&w, REMOTE "recipient_delimiter = +-\n");
	for (size_t i = 0; i < ARRAY_LEN(results); i++) {
		const struct result_case *c = &results[i];

		w.oracle.key = c->key;
		w.oracle.value = c->value;
		const char *got = map(&w, c->address);

		if (strcmp(got, c->result) != 0)
			fail_msg("%s by %s: '%s' gives '%s'", c->address, c->key, c->value, got);
		assert_int_equal(w.generic.many, strcmp(c->value, "v@c, w@d") == 0);
	}
	tables_close(&w.tables);
}

static void extensions_are_carried_over_when_told(void **state)
{
	struct world w;

	(void)state;
	build(&w, "recipient_delimiter = +\npropagate_unmatched_extensions = virtual, generic\n"
		  "append_dot_mydomain = yes\n"
		  "smtp_generic_maps = inline:{ u@client.test=v@isp.test, w=@isp.test, { @old.test=new@host } }\n");
	assert_string_equal(map(&w, "u+x@client.test"), "v+x@isp.test");	/* case 415 */
	assert_string_equal(map(&w, "w+x@localhost"), "w+x@isp.test");
	assert_string_equal(map(&w, "w+x@old.test"), "new@host.example.org");
	assert_string_equal(map(&w, "W@LOCALHOST"), "W@isp.test");
	tables_close(&w.tables);
}

static void bare_users_can_stay_bare(void **state)
{
	struct world w;

	(void)state;
	build(&w, "append_at_myorigin = no\nmyorigin = o.test\nsmtp_generic_maps = inline:{ u=v }\n");
	assert_string_equal(map(&w, "u@o.test"), "v");
	assert_string_equal(map(&w, "u@mail.example.org"), "v");
	assert_string_equal(map(&w, "v@o.test"), "=");
	tables_close(&w.tables);
}

static void patterns_hear_whole_addresses_only(void **state)
{
	struct world w;

	(void)state;
	build(&w, "recipient_delimiter = +\nsmtp_generic_maps = static:x@y\n");
	assert_string_equal(map(&w, "u+x@b"), "x@y");
	tables_close(&w.tables);
}

static void errors_are_not_taken_for_no(void **state)
{
	struct world w;
	char longest[GENERIC_ADDR_MAX + 2];

	(void)state;
	build(&w, REMOTE);
	w.oracle.err = ERR_TIMEOUT;
	assert_string_equal(map(&w, "u@b"), "error");
	w.oracle.said[0] = '\0';
	assert_string_equal(map(&w, ""), "=");			/* case 419 */
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_string_equal(map(&w, longest), "=");		/* longer than any address */
	assert_string_equal(w.oracle.said, "");
	tables_close(&w.tables);
	build(&w, "smtp_generic_maps = inline:{ a=b }, fail:never\n");
	assert_string_equal(map(&w, "u@b"), "error");
	tables_close(&w.tables);
}

/* The local part of an address may be all quotes and backslashes. */
static void the_longest_address_has_room(void **state)
{
	struct world w;
	char address[GENERIC_ADDR_MAX + 1];

	(void)state;
	build(&w, REMOTE);
	memset(address, '"', sizeof(address));
	memcpy(address + GENERIC_ADDR_MAX - 2, "@b", 3);
	w.oracle.key = "@b";
	w.oracle.value = "@c";
	assert_memory_equal(map(&w, address), address, GENERIC_ADDR_MAX - 1);
	w.oracle.value = "@cc";		/* one octet too many */
	assert_string_equal(map(&w, address), "error");
	tables_close(&w.tables);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the keys of B 12, quoted before unquoted, users alone for our domains only (case 416)",
		      keys_are_asked_in_order),
		CLAIM("what a table says becomes an address, or is an error (cases 414, 415, 416, 417, 418)",
		      answers_become_addresses),
		CLAIM("an extension goes with the address when generic is told so (case 415)",
		      extensions_are_carried_over_when_told),
		CLAIM("append_at_myorigin = no leaves a user alone", bare_users_can_stay_bare),
		CLAIM("a table of patterns answers the whole address", patterns_hear_whole_addresses_only),
		CLAIM("an error is an error, and nobody is never looked up (case 419)", errors_are_not_taken_for_no),
		CLAIM("an address of the greatest length fits, quoted", the_longest_address_has_room),
	};

	return cmocka_run_group_tests_name("net/mail/generic", claims, NULL, NULL);
}
