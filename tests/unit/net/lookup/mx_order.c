/* Shuffle, sort and balance: cases 82 to 88 of area C. */
#include "net/lookup/mx_order.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct mx_address list[MX_ADDRESSES_MAX];
static unsigned count;

/* One letter per address: lower case IPv4, upper case IPv6; a digit sets the preference of those behind it. */
static void build(const char *text)
{
	uint16_t preference = 0;

	count = 0;
	for (; *text != '\0'; text++) {
		uint8_t ip4[4] = { 192, 0, 2, (uint8_t)*text };
		uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)*text };

		if (*text >= '0' && *text <= '9') {
			preference = (uint16_t)(*text - '0');
			continue;
		}
		list[count++] = (struct mx_address){
			.preference = preference,
			.addr = *text >= 'a' ? addr_from_ip4(ip4, 25) : addr_from_ip6(ip6, 25),
		};
	}
}

static void expect(const char *want)
{
	char got[MX_ADDRESSES_MAX + 1];

	for (unsigned i = 0; i < count; i++) {
		const struct addr *a = &list[i].addr;

		got[i] = a->sa.sa_family == AF_INET ? (char)(ntohl(a->in.sin_addr.s_addr) & 0xff)
						    : (char)a->in6.sin6_addr.s6_addr[15];
	}
	got[count] = '\0';
	assert_string_equal(got, want);
}

struct balance_case {
	const char *claim;
	unsigned limit;
	bool off;
	const char *text;
	const char *want;
};

static const struct balance_case balance_cases[] = {
	{ "case 82: four each, IPv4 first: three and two",          5, false, "abcdABCD",    "abcAB" },
	{ "case 82: whatever the order, it stays",                  5, false, "aAbBcCdD",    "aAbBc" },
	{ "case 83: four each, IPv6 first: two and three",          5, false, "ABCDabcd",    "ABCab" },
	{ "case 84: one IPv4 keeps its place among nine",           5, false, "ABCDEFGHIa",  "ABCDa" },
	{ "case 84: two IPv6 keep theirs among nine",               5, false, "abcdefghiAB", "abcAB" },
	{ "case 85: exactly the limit loses nothing",               5, false, "abcAB",       "abcAB" },
	{ "case 85: one family alone loses nothing",                5, false, "abcdefghi",   "abcdefghi" },
	{ "case 86: a limit of one keeps the first family",         1, false, "Aa",          "A" },
	{ "case 86: the same with IPv4 first",                      1, false, "aA",          "a" },
	{ "case 87: switched off, nothing is removed",              5, true,  "ABCDEabcde",  "ABCDEabcde" },
	{ "no limit, no balance",                                   0, false, "ABCDEabcde",  "ABCDEabcde" },
};

static void families_share_the_limit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(balance_cases); i++) {
		const struct balance_case *c = &balance_cases[i];
		struct mx_conf conf = { .address_limit = c->limit, .balance_inet_protocols = !c->off };

		build(c->text);
		count = mx_order_balance(&conf, list, count);
		expect(c->want);
	}
}

static void a_limit_beyond_the_list_is_no_limit(void **state)
{
	struct mx_conf conf = { .address_limit = 1000, .balance_inet_protocols = true };

	(void)state;
	build("aAbB");
	assert_int_equal(mx_order_balance(&conf, list, count), 4);
}

static void the_preferred_family_wins_among_equals_only(void **state)	/* case 88 */
{
	struct mx_conf conf = { .address_preference = MX_PREFER_IPV6 };

	(void)state;
	build("2C1aB3dE");
	mx_order_for_delivery(&conf, list, count);
	expect("BaCEd");
	conf.address_preference = MX_PREFER_IPV4;
	mx_order_for_delivery(&conf, list, count);
	expect("aBCdE");
	conf.address_preference = MX_PREFER_ANY;
	build("2C1Ba3dE");
	mx_order_for_delivery(&conf, list, count);
	expect("BaCdE");
}

static void shuffling_keeps_every_address_and_the_preferences(void **state)	/* cases 42, 43 */
{
	struct mx_conf conf = { .randomize_addresses = true };
	unsigned first[3] = { 0 };

	(void)state;
	for (unsigned n = 0; n < 3000; n++) {
		unsigned seen = 0;

		build("1abc2d");
		mx_order_for_delivery(&conf, list, count);
		for (unsigned i = 0; i < 4; i++)
			seen |= 1u << ((ntohl(list[i].addr.in.sin_addr.s_addr) & 0xff) - 'a');
		assert_int_equal(seen, 15);
		assert_int_equal(list[3].preference, 2);
		first[(ntohl(list[0].addr.in.sin_addr.s_addr) & 0xff) - 'a']++;
	}
	/* 1,000 expected each; nine standard deviations (26) either way. */
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(first[i], 760, 1240);
}

static void the_last_of_each_preference_is_marked(void **state)
{
	static const bool want[] = { false, true, true, false, true };

	(void)state;
	build("1ab2c3dE");
	mx_order_mark_last(list, count);
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(list[i].last_of_preference, want[i]);
	mx_order_mark_last(list, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_share_the_limit),
		cmocka_unit_test(a_limit_beyond_the_list_is_no_limit),
		cmocka_unit_test(the_preferred_family_wins_among_equals_only),
		cmocka_unit_test(shuffling_keeps_every_address_and_the_preferences),
		cmocka_unit_test(the_last_of_each_preference_is_marked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
