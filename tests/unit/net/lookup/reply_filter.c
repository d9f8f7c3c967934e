/* smtp_dns_reply_filter: the text of records, and who is left out. */
#include "net/lookup/reply_filter.h"

#include <errno.h>

#include "core/err.h"
#include "tests/test.h"

static struct dns_answer answer;

static void build(const char *owner)
{
	dns_answer_start(&answer, slice_of_str(owner));
}

static void add(struct dns_record like, struct slice data)
{
	dns_answer_add(&answer, &like, data);
}

static struct maps *open_maps(struct table_set *set, const char *value)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct maps *maps = NULL;

	assert_int_equal(maps_open(set, slice_of_str(value), &why, &maps), 0);
	return maps;
}

static void assert_text(enum dns_type type, unsigned i, const char *want)
{
	char storage[REPLY_FILTER_TEXT_MAX];
	struct str text = STR(storage);

	reply_filter_write(&text, type, &answer, i);
	assert_string_equal(str_cstr(&text), want);
}

static void records_read_as_in_a_zone_file(void **state)
{
	(void)state;
	build("example.org");
	add((struct dns_record){ .preference = 10, .ttl_s = 3600 }, SLICE("mx.example.org"));
	add((struct dns_record){ .ttl_s = 0 }, SLICE(""));
	assert_text(DNS_TYPE_MX, 0, "example.org. 3600 IN MX 10 mx.example.org.");
	assert_text(DNS_TYPE_MX, 1, "example.org. 0 IN MX 0 .");
	build("_submission._tcp.example.org");
	add((struct dns_record){ .preference = 1, .weight = 2, .port = 587, .ttl_s = 60 }, SLICE("a.test"));
	assert_text(DNS_TYPE_SRV, 0, "_submission._tcp.example.org. 60 IN SRV 1 2 587 a.test.");
	build("a.test");
	add((struct dns_record){ .ttl_s = 4294967295u }, SLICE("\xc0\x00\x02\x01"));
	assert_text(DNS_TYPE_A, 0, "a.test. 4294967295 IN A 192.0.2.1");
	build("a.test");
	add((struct dns_record){ .ttl_s = 1 }, SLICE("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"));
	assert_text(DNS_TYPE_AAAA, 0, "a.test. 1 IN AAAA 2001:db8::1");
}

/* As much of a text as fits: a table of patterns sees its beginning. */
static void texts_are_joined_and_cut(void **state)
{
	static char large[KIB(60)];
	char storage[REPLY_FILTER_TEXT_MAX];
	struct str text = STR(storage);

	(void)state;
	build("_smtp._tls.a.test");
	add((struct dns_record){ .ttl_s = 60 }, SLICE("\x03v=x\x00\x02\ny"));
	assert_text(DNS_TYPE_TXT, 0, "_smtp._tls.a.test. 60 IN TXT v=x?y");
	build("_smtp._tls.a.test");
	add((struct dns_record){ .ttl_s = 60 }, SLICE("\xff" "cut"));
	assert_text(DNS_TYPE_TXT, 0, "_smtp._tls.a.test. 60 IN TXT cut");
	build("a.test");
	memset(large, 'c', sizeof(large));
	add((struct dns_record){ .ttl_s = 60 }, slice_of(large, sizeof(large)));
	reply_filter_write(&text, DNS_TYPE_TXT, &answer, 0);
	assert_int_equal(text.len, sizeof(storage));
}

static void the_longest_names_fit(void **state)
{
	char name[DNS_NAME_TEXT_MAX];
	char storage[REPLY_FILTER_TEXT_MAX];
	struct str text = STR(storage);

	(void)state;
	memset(name, 'a', sizeof(name));
	dns_answer_start(&answer, slice_of(name, sizeof(name)));
	add((struct dns_record){ 65535, 65535, 65535, 0, 0, UINT32_MAX }, slice_of(name, sizeof(name)));
	reply_filter_write(&text, DNS_TYPE_SRV, &answer, 0);
	assert_false(str_is_full(&text));
}

struct filter_case {
	const char *claim;
	const char *maps;
	int left;		/* of three records, or an error */
	uint64_t ignored;
};

#define A_RECORD "a.test. 5 IN A 192.0.2.1"
#define B_RECORD "a.test. 5 IN A 192.0.2.2"
#define C_RECORD "a.test. 5 IN A 192.0.2.3"

static const struct filter_case cases[] = {
	{ "no table names them",            "inline:{x=IGNORE}",                                     3,          0 },
	{ "one is named",                   "inline:{{" B_RECORD " = IGNORE}}",                      2,          2 },
	{ "the action in any case",         "inline:{{" C_RECORD " = ignore}}",                      2,          4 },
	{ "two are named, in two tables",   "inline:{{" A_RECORD " = IGNORE}} inline:{{" C_RECORD " = IGNORE}}", 1, 5 },
	{ "all are named",                  "static:IGNORE",                                         0,          7 },
	{ "another action is an error",     "inline:{{" B_RECORD " = REJECT}}",                      ERR_SYNTAX, 0 },
	{ "a long one, too",
	  "static:{IGNORE and then so many words that no action of any kind could ever hold all of them}", -EMSGSIZE, 0 },
};

static void tables_say_who_is_left_out(void **state)
{
	struct reply_filter_bits bits;

	(void)state;
	build("a.test");
	for (char last = 1; last <= 3; last++) {
		const char ip[4] = { (char)192, 0, 2, last };

		add((struct dns_record){ .ttl_s = 5 }, slice_of(ip, 4));
	}
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct table_set *set = table_set_new();
		struct maps *maps = open_maps(set, cases[i].maps);
		int left = reply_filter_apply(maps, DNS_TYPE_A, &answer, &bits);

		if (left != cases[i].left || (left >= 0 && bits.words[0] != cases[i].ignored))
			fail_msg("%s: %d", cases[i].claim, left);
		maps_free(&maps);
		table_set_free(&set);
	}
	assert_int_equal(reply_filter_apply(NULL, DNS_TYPE_A, &answer, &bits), 3);
	assert_false(reply_filter_ignores(&bits, 0));
}

static void a_table_that_fails_is_an_error(void **state)
{
	struct reply_filter_bits bits;
	struct table_set *set = table_set_new();
	struct maps *maps = open_maps(set, "fail:x");

	(void)state;
	build("a.test");
	add((struct dns_record){ .ttl_s = 5 }, SLICE("\xc0\x00\x02\x01"));
	assert_true(reply_filter_apply(maps, DNS_TYPE_A, &answer, &bits) < 0);
	maps_free(&maps);
	table_set_free(&set);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("records read as in a zone file", records_read_as_in_a_zone_file),
		CLAIM("texts are joined, and cut where they do not fit", texts_are_joined_and_cut),
		CLAIM("the longest names fit", the_longest_names_fit),
		CLAIM("tables say which records are left out (cases 90, 91)", tables_say_who_is_left_out),
		CLAIM("a table that fails is an error, and not \"keep\"", a_table_that_fails_is_an_error),
	};

	return cmocka_run_group_tests_name("net/lookup/reply_filter", claims, NULL, NULL);
}
