/* From destination to address list, with a zone table in place of the resolver: conformance areas B and C. */
#include <errno.h>
#include <stdio.h>

#include "core/conf.h"
#include "tests/unit/net/lookup/zone.h"
#include "net/params_table.h"
#include "tests/test.h"

/* --- area B ---------------------------------------------------------------------------------------------------- */

static void a_bare_domain_asks_for_mx_and_brackets_do_not(void **state)	/* cases 24, 25 */
{
	(void)state;
	zone_mx("example.org", 10, "mx.example.org");
	zone_address("mx.example.org", "192.0.2.1");
	zone_address("mail.example.org", "192.0.2.2");
	expect_list("example.org", "192.0.2.1");
	assert_int_equal(addr_port(&lookup.addresses[0].addr), 25);
	assert_true(slice_eq(mx_address_host(&lookup, &lookup.addresses[0]), SLICE("mx.example.org")));
	expect_list("[mail.example.org]", "192.0.2.2");
	assert_false(was_asked("MX"));
}

static void a_literal_asks_nobody(void **state)		/* cases 26, 27, 28 */
{
	(void)state;
	expect_list("[192.0.2.7]", "192.0.2.7");
	expect_list("[192.0.2.7]:2525", "192.0.2.7");
	assert_int_equal(addr_port(&lookup.addresses[0].addr), 2525);
	expect_list("[ipv6:2001:db8::1]:587", "2001:db8::1");
	assert_int_equal(addr_port(&lookup.addresses[0].addr), 587);
	expect_list("192.0.2.7", "192.0.2.7");
	assert_string_equal(asked_log, "");
}

static void another_port_goes_with_every_address(void **state)	/* case 30 */
{
	(void)state;
	zone_mx("example.org", 10, "mx.example.org");
	zone_address("mx.example.org", "192.0.2.1");
	expect_list("example.org:587", "192.0.2.1");
	assert_int_equal(addr_port(&lookup.addresses[0].addr), 587);
}

static void port_465_has_a_hint(void **state)	/* case 38 */
{
	(void)state;
	expect_list("[192.0.2.7]:465", "192.0.2.7");
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(warning, "smtp_tls_wrappermode"));
	conf.tls_from_start = true;
	expect_list("[192.0.2.7]:465", "192.0.2.7");
	expect_list("[192.0.2.7]:25", "192.0.2.7");
	assert_int_equal(warnings, 1);
}

static void loops_count_only_on_port_25(void **state)	/* cases 30, 37 */
{
	struct addr own = addr_from_ip4((uint8_t[]){ 192, 0, 2, 1 }, 0);

	(void)state;
	conf.own = &own;
	conf.own_count = 1;
	zone_mx("example.org", 10, "mx.example.org");
	zone_address("mx.example.org", "192.0.2.1");
	expect_list("example.org:2525", "192.0.2.1");
	assert_false(lookup.i_am_mx);
	expect_error("example.org", 5, 4, 6);
}

static void lmtp_asks_for_no_mx_and_sees_no_loops(void **state)	/* B 25 */
{
	struct addr own = addr_from_ip4((uint8_t[]){ 127, 0, 0, 1 }, 0);
	struct addr_net deny;

	(void)state;
	syntax = (struct nexthop_conf){ .default_port = 25, .lmtp = true };
	assert_int_equal(addr_net_parse(SLICE("127.0.0.0/8"), &deny), 0);
	conf.own = &own;
	conf.own_count = 1;
	conf.deny = &deny;
	conf.deny_count = 1;
	zone_mx("example.org", 10, "mx.example.org");
	zone_address("example.org", "127.0.0.1");
	expect_list("inet:example.org", "127.0.0.1");
	assert_string_equal(asked_log, "A example.org;AAAA example.org;");
	conf.myhostname = "client.test";
	conf.ipv4 = conf.ipv6 = false;
	expect_list("unix:/run/lmtp", "/run/lmtp");
	assert_true(slice_eq(mx_address_host(&lookup, &lookup.addresses[0]), SLICE("client.test")));
	assert_string_equal(asked_log, "");
}

/* --- area C: MX ------------------------------------------------------------------------------------------------ */

static void lower_preference_comes_first(void **state)	/* case 41 */
{
	(void)state;
	zone_mx("example.org", 20, "b.test");
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("b.test", "192.0.2.2");
	expect_list("example.org", "192.0.2.1 192.0.2.2");
	assert_int_equal(lookup.best_preference, 10);
	assert_true(lookup.addresses[0].last_of_preference);
}

static void equal_preference_is_shuffled_by_address(void **state)	/* cases 42, 43; row DNS-04 */
{
	unsigned first[5] = { 0 };

	(void)state;
	conf.randomize_addresses = true;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 10, "b.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("a.test", "192.0.2.2");
	zone_address("a.test", "192.0.2.3");
	zone_address("b.test", "192.0.2.4");
	for (unsigned i = 0; i < 4000; i++) {
		look_up("example.org");
		assert_int_equal(lookup.count, 4);
		first[ntohl(lookup.addresses[0].addr.in.sin_addr.s_addr) & 7]++;
	}
	/* 1,000 expected each; nine standard deviations (27) either way. */
	for (unsigned i = 1; i <= 4; i++)
		assert_in_range(first[i], 750, 1250);
}

static void without_randomizing_the_answer_order_stays(void **state)	/* case 44 */
{
	(void)state;
	zone_mx("example.org", 10, "b.test");
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("b.test", "192.0.2.9");
	zone_address("b.test", "192.0.2.8");
	for (unsigned i = 0; i < 20; i++)
		expect_list("example.org", "192.0.2.9 192.0.2.8 192.0.2.1");
	assert_false(lookup.addresses[0].last_of_preference);
	assert_true(lookup.addresses[2].last_of_preference);
}

static void a_domain_without_mx_is_its_own_server(void **state)	/* case 45 */
{
	(void)state;
	zone_address("example.org", "192.0.2.5");
	expect_list("example.org", "192.0.2.5");
	assert_true(was_asked("MX example.org"));
	assert_int_equal(lookup.best_preference, 0);
}

static void a_domain_with_nothing_is_hard(void **state)	/* case 46 */
{
	(void)state;
	expect_error("example.org", 5, 4, 4);
	assert_non_null(strstr(lookup.error.text, "example.org"));
}

static void a_soft_mx_failure_never_falls_through_to_addresses(void **state)	/* cases 47, 48, 51; row DNS-01 */
{
	(void)state;
	zone_trouble("example.org", DNS_TYPE_MX, ANSWER_RETRY);
	zone_address("example.org", "192.0.2.5");
	expect_error("example.org", 4, 4, 3);
	assert_false(was_asked("A example.org"));
	conf.ignore_mx_lookup_error = true;
	expect_list("example.org", "192.0.2.5");
}

static void a_non_recoverable_mx_failure_is_hard(void **state)	/* case 49, for rcodes other than REFUSED */
{
	(void)state;
	zone_trouble("example.org", DNS_TYPE_MX, ANSWER_FAIL);
	zone_address("example.org", "192.0.2.5");
	expect_error("example.org", 5, 4, 3);
	conf.ignore_mx_lookup_error = true;
	expect_list("example.org", "192.0.2.5");
}

static void bad_host_names_are_passed_over(void **state)	/* case 50; row DNS-06 */
{
	static const char *const bad[] = {
		"a\\032b.example", "a\\000.test", "a\\010b.test", "x\\059y.test", "-x.test", "12345", "b\\252cher.test",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++)
		zone_mx("example.org", 10, bad[i]);
	expect_error("example.org", 5, 4, 4);
	conf.ignore_mx_lookup_error = true;
	zone_address("example.org", "192.0.2.5");
	expect_list("example.org", "192.0.2.5");
	conf.ignore_mx_lookup_error = false;
	zone_mx("example.org", 20, "good_one.test");
	zone_address("good_one.test", "192.0.2.6");
	expect_list("example.org", "192.0.2.6");
}

static void null_mx_means_no_mail(void **state)		/* cases 52, 53; row DNS-02 */
{
	(void)state;
	zone_mx("example.org", 0, "");
	zone_address("example.org", "192.0.2.5");
	expect_error("example.org", 5, 1, 10);
	assert_true(lookup.null_mx);
	assert_false(was_asked("A "));
}

static void null_mx_beside_others_is_ignored(void **state)	/* case 54; row DNS-02 */
{
	(void)state;
	zone_mx("example.org", 0, "");
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	expect_list("example.org", "192.0.2.1");
	assert_int_equal(warnings, 1);
	assert_false(lookup.null_mx);
}

static void a_host_without_address_is_passed_over(void **state)	/* cases 55, 60 */
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 20, "b.test");
	zone_address("b.test", "192.0.2.2");
	expect_list("example.org", "192.0.2.2");
	assert_int_equal(lookup.best_preference, 20);
	zone_trouble("a.test", DNS_TYPE_A, ANSWER_RETRY);
	expect_list("example.org", "192.0.2.2");
}

static void all_hosts_missing_is_hard_unless_told_otherwise(void **state)	/* cases 56, 57 */
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 20, "b.test");
	expect_error("example.org", 5, 4, 4);
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(warning, "example.org"));
	conf.defer_if_no_mx_address_found = true;
	expect_error("example.org", 4, 4, 4);
}

static void one_soft_failure_dominates_before_and_after(void **state)	/* cases 58, 59 */
{
	(void)state;
	zone_mx("soft-first.test", 10, "soft.test");
	zone_mx("soft-first.test", 20, "gone.test");
	zone_mx("soft-last.test", 10, "gone.test");
	zone_mx("soft-last.test", 20, "soft.test");
	zone_trouble("soft.test", DNS_TYPE_A, ANSWER_RETRY);
	expect_error("soft-first.test", 4, 4, 4);
	expect_error("soft-last.test", 4, 4, 3);
}

struct matrix_case {
	enum answer_class mx, a, aaaa;	/* of a domain, whose one mail server would be mx.test */
	unsigned class, detail;		/* of 4.4.x or 5.4.x; 0: an address is found */
};

#define NONE	ANSWER_NOT_FOUND
#define SOFT	ANSWER_RETRY
#define HARD	ANSWER_FAIL
#define GOOD	ANSWER_FOUND

/* The first five without MX records, so that A and AAAA are those of the domain; then those of the mail server. */
static const struct matrix_case matrix[] = {
	{ NONE, NONE, NONE, 5, 4 }, { NONE, SOFT, NONE, 4, 3 }, { NONE, NONE, SOFT, 4, 3 }, { NONE, HARD, NONE, 5, 3 },
	{ NONE, GOOD, SOFT, 0, 0 }, { SOFT, GOOD, GOOD, 4, 3 }, { SOFT, NONE, NONE, 4, 3 }, { HARD, GOOD, GOOD, 5, 3 },
	{ GOOD, NONE, NONE, 5, 4 }, { GOOD, SOFT, NONE, 4, 3 }, { GOOD, NONE, SOFT, 4, 3 }, { GOOD, SOFT, SOFT, 4, 3 },
	{ GOOD, HARD, NONE, 5, 3 }, { GOOD, NONE, HARD, 5, 3 }, { GOOD, HARD, SOFT, 4, 3 }, { GOOD, SOFT, HARD, 4, 3 },
	{ GOOD, SOFT, GOOD, 0, 0 }, { GOOD, HARD, GOOD, 0, 0 }, { GOOD, GOOD, HARD, 0, 0 }, { GOOD, GOOD, NONE, 0, 0 },
};

static void soft_is_never_taken_for_hard_nor_for_nothing(void **state)	/* row DNS-01 */
{
	for (unsigned i = 0; i < ARRAY_LEN(matrix); i++) {
		const struct matrix_case *c = &matrix[i];
		const char *host = c->mx == GOOD ? "mx.test" : "example.org";

		zone_setup(state);
		zone_put("example.org", DNS_TYPE_MX, c->mx, 10, "mx.test");
		zone_put(host, DNS_TYPE_A, c->a, 0, "192.0.2.1");
		zone_put(host, DNS_TYPE_AAAA, c->aaaa, 0, "2001:db8::1");
		look_up("example.org");
		if (had_error != (c->class != 0) || (had_error && (lookup.error.class != c->class ||
								   lookup.error.detail != c->detail)))
			fail_msg("row %u: %u.4.%u %s", i, lookup.error.class, lookup.error.detail, lookup.error.text);
		assert_int_equal(was_asked("A example.org"), c->mx == NONE);	/* never after a failed MX lookup */
	}
}

static void a_number_as_exchange_is_used_with_a_warning(void **state)	/* case 61 */
{
	(void)state;
	zone_mx("example.org", 10, "192.0.2.9");
	expect_list("example.org", "192.0.2.9");
	assert_int_equal(warnings, 1);
}

static void an_alias_gives_addresses_and_only_on_request_its_name(void **state)	/* case 62 */
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	snprintf(zone[1].owner, sizeof(zone[1].owner), "x.test");
	expect_list("example.org", "192.0.2.1");
	assert_true(slice_eq(mx_address_host(&lookup, &lookup.addresses[0]), SLICE("a.test")));
	conf.cname_overrides_servername = true;
	expect_list("example.org", "192.0.2.1");
	assert_true(slice_eq(mx_address_host(&lookup, &lookup.addresses[0]), SLICE("x.test")));
}

static void an_alias_to_no_host_name_is_malformed(void **state)	/* B 3.6; row DNS-06 */
{
	(void)state;
	zone_address("example.org", "192.0.2.1");
	snprintf(zone[0].owner, sizeof(zone[0].owner), "x\\010y.test");
	expect_error("[example.org]", 5, 4, 4);
}

static void one_family_is_enough(void **state)		/* cases 65, 66 */
{
	(void)state;
	zone_address("a.test", "192.0.2.1");
	zone_trouble("a.test", DNS_TYPE_AAAA, ANSWER_RETRY);
	zone_trouble("b.test", DNS_TYPE_AAAA, ANSWER_RETRY);
	zone_trouble("c.test", DNS_TYPE_A, ANSWER_RETRY);
	expect_list("[a.test]", "192.0.2.1");
	expect_error("[b.test]", 4, 4, 3);
	expect_error("[c.test]", 4, 4, 3);
	zone_trouble("d.test", DNS_TYPE_A, ANSWER_FAIL);
	expect_error("[d.test]", 5, 4, 3);
}

static void a_family_switched_off_is_not_asked_for(void **state)	/* case 67 */
{
	(void)state;
	conf.ipv6 = false;
	zone_address("a.test", "192.0.2.1");
	zone_address("a.test", "2001:db8::1");
	expect_list("[a.test]", "192.0.2.1");
	assert_false(was_asked("AAAA"));
	expect_error("[2001:db8::1]", 5, 4, 4);
	conf.ipv4 = false;
	expect_error("[a.test]", 4, 4, 4);
	conf.ipv6 = true;
	expect_list("[a.test]", "2001:db8::1");
	assert_string_equal(asked_log, "AAAA a.test;");
}

static void the_hosts_file_helps_only_after_a_definite_no(void **state)	/* cases 68, 69, 70 */
{
	struct hosts hosts;

	(void)state;
	assert_int_equal(hosts_init(&hosts, SLICE("192.0.2.77 a.test b.test\n2001:db8::77 a.test\n")), 0);
	conf.hosts = &hosts;
	expect_error("[a.test]", 5, 4, 4);
	conf.host_native = true;
	expect_list("[a.test]", "192.0.2.77 2001:db8::77");
	zone_trouble("b.test", DNS_TYPE_A, ANSWER_RETRY);
	expect_error("[b.test]", 4, 4, 3);
	conf.host_dns = false;
	zone_mx("example.org", 10, "b.test");
	expect_list("example.org", "192.0.2.77");
	assert_string_equal(asked_log, "MX example.org;");
	hosts_done(&hosts);
}

static void without_dns_only_the_hosts_file_is_asked(void **state)	/* case 71 */
{
	struct hosts hosts;

	(void)state;
	assert_int_equal(hosts_init(&hosts, SLICE("192.0.2.77 example.org\n")), 0);
	conf.hosts = &hosts;
	conf.dns = false;
	zone_mx("example.org", 10, "b.test");
	expect_list("example.org", "192.0.2.77");
	expect_error("other.test", 5, 4, 4);
	assert_string_equal(asked_log, "");
	hosts_done(&hosts);
}

/* --- area C: smtp_dns_reply_filter ------------------------------------------------------------------------------- */

static struct table_set *tables;
static struct maps *filter;

static void filter_by(const char *value)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);

	maps_free(&filter);
	if (tables == NULL)
		tables = table_set_new();
	assert_int_equal(maps_open(tables, slice_of_str(value), &why, &filter), 0);
	conf.reply_filter = filter;
}

static int filter_teardown(void **state)
{
	(void)state;
	maps_free(&filter);
	table_set_free(&tables);
	return 0;
}

static void records_filtered_away_do_not_count(void **state)	/* case 90 */
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 20, "b.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("a.test", "2001:db8::1");
	zone_address("b.test", "192.0.2.2");
	filter_by("inline:{{a.test. 0 IN AAAA 2001:db8::1 = IGNORE}}");
	expect_list("example.org", "192.0.2.1 192.0.2.2");
	filter_by("inline:{{example.org. 0 IN MX 10 a.test. = IGNORE}}");
	expect_list("example.org", "192.0.2.2");
	assert_false(was_asked("a.test"));
	/* The whole of one host, or of every host: soft, 4.7.0. */
	filter_by("inline:{{b.test. 0 IN A 192.0.2.2 = IGNORE}}");
	expect_list("example.org", "192.0.2.1 2001:db8::1");
	expect_error("[b.test]", 4, 7, 0);
	zone_mx("mixed.test", 10, "b.test");
	zone_mx("mixed.test", 20, "gone.test");
	expect_error("mixed.test", 4, 4, 4);
}

static void a_filter_that_leaves_nothing_is_soft(void **state)	/* case 91 */
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_address("example.org", "192.0.2.5");
	filter_by("inline:{{example.org. 0 IN MX 10 a.test. = IGNORE}}");
	conf.ignore_mx_lookup_error = true;
	expect_error("example.org", 4, 7, 0);
	assert_false(was_asked("A "));
}

static void a_filter_that_fails_is_a_failed_lookup(void **state)	/* P 2.1 */
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("example.org", "192.0.2.5");
	filter_by("fail:x");
	expect_error("example.org", 4, 4, 3);
	expect_error("[a.test]", 4, 4, 3);
	filter_by("inline:{{example.org. 0 IN MX 10 a.test. = DISCARD}}");
	expect_error("example.org", 4, 4, 3);
	conf.ignore_mx_lookup_error = true;
	expect_list("example.org", "192.0.2.5");
}

/* --- area C: loops, balance, limits ---------------------------------------------------------------------------- */

static const struct addr me[] = {
	{ .len = sizeof(struct sockaddr_in), .in = { .sin_family = AF_INET, .sin_addr.s_addr = 0x630200c0 } },
};

static void everyone_not_better_than_ourselves_is_cut(void **state)	/* cases 73, 74, 77; RFC 5321 5.1 */
{
	(void)state;
	conf.own = me;		/* 192.0.2.99 */
	conf.own_count = 1;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 20, "me.test");
	zone_mx("example.org", 20, "b.test");
	zone_mx("example.org", 30, "c.test");
	zone_mx("only.test", 10, "me.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("me.test", "192.0.2.99");
	zone_address("b.test", "192.0.2.2");
	zone_address("c.test", "192.0.2.3");
	expect_list("example.org", "192.0.2.1");
	assert_true(lookup.i_am_mx);
	expect_error("only.test", 5, 4, 6);
	assert_true(lookup.i_am_mx);
}

static void an_unknown_better_server_makes_a_loop_soft(void **state)	/* case 76 */
{
	(void)state;
	conf.own = me;
	conf.own_count = 1;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 20, "me.test");
	zone_address("me.test", "192.0.2.99");
	expect_error("example.org", 4, 4, 4);
	/* A worse server without an address changes nothing. */
	zone_mx("worse.test", 10, "me.test");
	zone_mx("worse.test", 20, "a.test");
	expect_error("worse.test", 5, 4, 6);
}

static void a_host_with_one_address_of_ours_is_a_loop(void **state)	/* case 78 */
{
	(void)state;
	conf.own = me;
	conf.own_count = 1;
	zone_address("example.org", "192.0.2.1");
	zone_address("example.org", "192.0.2.99");
	expect_error("example.org", 5, 4, 6);
	zone_address("mapped.test", "::ffff:192.0.2.99");
	expect_error("[mapped.test]", 5, 4, 6);
}

static void the_list_is_ordered_balanced_and_marked(void **state)	/* cases 82, 88; the rest is in mx_order.c */
{
	(void)state;
	conf.address_limit = 2;
	conf.address_preference = MX_PREFER_IPV6;
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("a.test", "192.0.2.2");
	zone_address("a.test", "2001:db8::1");
	zone_address("a.test", "2001:db8::2");
	expect_list("example.org", "2001:db8::1 192.0.2.1");
	assert_false(lookup.addresses[0].last_of_preference);
	assert_true(lookup.addresses[1].last_of_preference);
}

static void the_limit_counts_records_and_addresses(void **state)	/* dns_rr_list_limit */
{
	(void)state;
	conf.record_limit = 2;
	zone_mx("example.org", 10, "a.test");
	zone_mx("example.org", 20, "b.test");
	zone_mx("example.org", 30, "c.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("c.test", "192.0.2.3");
	expect_list("example.org", "192.0.2.1");
	assert_false(was_asked("c.test"));
	assert_int_equal(warnings, 1);
	assert_non_null(strstr(warning, "dns_rr_list_limit"));
	zone_address("a.test", "192.0.2.11");
	zone_address("a.test", "192.0.2.12");
	expect_list("example.org", "192.0.2.1 192.0.2.11");
	assert_int_equal(warnings, 2);
}

static void at_most_100_addresses_are_kept_with_one_warning(void **state)	/* case 89; row DNS-04 */
{
	char text[64], host[64];

	(void)state;
	for (unsigned i = 0; i < 15; i++) {
		snprintf(host, sizeof(host), "h%u.test", i);
		zone_mx("example.org", 10, host);
		for (unsigned j = 0; j < 10; j++) {
			snprintf(text, sizeof(text), "198.51.100.%u", i * 10 + j + 1);
			zone_address(host, text);
		}
	}
	look_up("example.org");
	assert_int_equal(lookup.count, 100);
	assert_int_equal(warnings, 1);
	assert_false(was_asked("h10.test"));
}

static void an_address_counts_once_with_its_best_preference(void **state)	/* row DNS-04 */
{
	(void)state;
	zone_mx("example.org", 20, "b.test");
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("b.test", "192.0.2.1");
	zone_address("b.test", "192.0.2.2");
	expect_list("example.org", "192.0.2.1 192.0.2.2");
	assert_int_equal(lookup.addresses[0].preference, 10);
}

static unsigned add_nets(struct slice list, struct addr_net *nets)
{
	unsigned n = 0;

	for (struct slice item; (item = conf_list_next(&list)).len > 0; n++)
		assert_int_equal(addr_net_parse(item, &nets[n]), 0);
	return n;
}

static void names_from_dns_do_not_lead_to_ourselves(void **state)	/* rows NET-01, NET-02 */
{
	static const char *const banned[] = {
		"127.0.0.1", "127.1.2.3", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "64:ff9b::7f00:1",
		"2002:7f00:1::", "169.254.169.254", "fe80::1", "224.0.0.1", "255.255.255.255",
	};
	struct addr_net nets[64];

	(void)state;
	conf.deny = nets;
	conf.deny_count = add_nets(SLICE(PARAM_DENY_NETWORKS), nets);
	for (unsigned i = 0; i < ARRAY_LEN(banned); i++) {
		zone_count = 0;
		zone_mx("example.org", 10, "a.test");
		zone_address("a.test", banned[i]);
		expect_error("example.org", 5, 4, 4);
		zone_address("a.test", "192.0.2.1");
		expect_list("example.org", "192.0.2.1");
	}
	zone_count = 0;
	zone_mx("example.org", 10, "127.0.0.1");
	expect_error("example.org", 5, 4, 4);
	zone_address("private.test", "10.1.2.3");
	expect_list("private.test", "10.1.2.3");
	conf.deny_count += add_nets(SLICE(PARAM_PRIVATE_NETWORKS), nets + conf.deny_count);
	expect_error("private.test", 5, 4, 4);
	/* What the operator wrote is the operator's choice; what a recipient wrote is not. */
	expect_list("[private.test]", "10.1.2.3");
	expect_list("[127.0.0.1]", "127.0.0.1");
	start("[127.0.0.1]", true);
	run();
	assert_true(had_error);
	assert_int_equal(lookup.error.class, 5);
}

static struct mx_address *first_of(const char *nexthop)
{
	look_up(nexthop);
	assert_false(had_error);
	return &lookup.addresses[0];
}

static bool is_forbidden_now(const struct mx_address *a)
{
	return mx_is_forbidden(&conf, a->checks, &a->addr);
}

static void what_becomes_ours_is_forbidden_at_connect(void **state)	/* row NET-01 */
{
	struct addr_net deny;
	struct hosts hosts;

	(void)state;
	assert_int_equal(hosts_init(&hosts, SLICE("192.0.2.99 native.test\n")), 0);
	conf.hosts = &hosts;
	conf.host_native = true;
	zone_address("example.org", "192.0.2.99");
	assert_false(is_forbidden_now(first_of("example.org")));
	conf.own = me;		/* the address is added to an interface after the lookup */
	conf.own_count = 1;
	assert_true(is_forbidden_now(&lookup.addresses[0]));
	conf.own_count = 0;
	assert_false(is_forbidden_now(first_of("[example.org]:2525")));
	conf.own_count = 1;
	assert_false(is_forbidden_now(&lookup.addresses[0]));	/* no loop off port 25 */
	conf.own_count = 0;
	/* The deny list goes with names from DNS, and not with brackets, numbers and the hosts file. */
	static const char *const nexthops[] = { "[example.org]", "192.0.2.99", "native.test" };

	for (unsigned i = 0; i < ARRAY_LEN(nexthops); i++)
		assert_int_equal(first_of(nexthops[i])->checks, MX_CHECK_OWN);
	assert_int_equal(first_of("example.org")->checks, MX_CHECK_OWN | MX_CHECK_DENY);
	assert_int_equal(addr_net_parse(SLICE("192.0.2.0/24"), &deny), 0);
	conf.deny = &deny;
	conf.deny_count = 1;
	assert_true(is_forbidden_now(&lookup.addresses[0]));
	hosts_done(&hosts);
}

static int idna_answer;	/* instead of the library's, when it is not 0 */

int __real_idna_to_ascii(struct slice name, bool transitional, struct str *out);
int __wrap_idna_to_ascii(struct slice name, bool transitional, struct str *out);

int __wrap_idna_to_ascii(struct slice name, bool transitional, struct str *out)
{
	return idna_answer != 0 ? idna_answer : __real_idna_to_ascii(name, transitional, out);
}

/* It would be looked up as it is otherwise, not found, and the mail returned. */
static void without_memory_a_name_is_not_unknown(void **state)
{
	(void)state;
	syntax.utf8 = true;
	zone_address("xn--bcher-kva.example", "192.0.2.1");
	expect_list("bücher.example", "192.0.2.1");
	idna_answer = -ENOMEM;
	expect_error("bücher.example", 4, 4, 3);
	idna_answer = -EINVAL;
	expect_error("bücher.example", 5, 4, 4);
	idna_answer = 0;
}

static void a_cancelled_lookup_stays_silent(void **state)
{
	(void)state;
	zone_address("example.org", "192.0.2.1");
	start("example.org", false);
	mx_lookup_cancel(&lookup);
	run();
	assert_int_equal(answers, 0);
	start("[192.0.2.1]", false);
	mx_lookup_cancel(&lookup);
	mx_lookup_cancel(&lookup);
	run();
	assert_int_equal(answers, 0);
	expect_list("example.org", "192.0.2.1");
}

static void security_is_known_for_each_step(void **state)
{
	(void)state;
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	for (unsigned i = 0; i < 4; i++) {
		mx_is_authentic = i & 1;
		host_is_authentic = i & 2;
		expect_list("example.org", "192.0.2.1");
		assert_true(lookup.has_list);
		assert_int_equal(lookup.list_is_secure, i & 1);
		assert_int_equal(lookup.addresses[0].is_secure, i >> 1);
		assert_int_equal(lookup.addresses[0].owner_len + lookup.list_owner_len, 0);
	}
	mx_is_authentic = false;
	expect_list("[a.test]", "192.0.2.1");
	assert_false(lookup.has_list);
	assert_true(lookup.addresses[0].is_secure);
	expect_list("a.test", "192.0.2.1");		/* its own mail server */
	assert_false(lookup.has_list);
	host_is_authentic = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_bare_domain_asks_for_mx_and_brackets_do_not, zone_setup),
		cmocka_unit_test_setup(a_literal_asks_nobody, zone_setup),
		cmocka_unit_test_setup(another_port_goes_with_every_address, zone_setup),
		cmocka_unit_test_setup(port_465_has_a_hint, zone_setup),
		cmocka_unit_test_setup(loops_count_only_on_port_25, zone_setup),
		cmocka_unit_test_setup(lmtp_asks_for_no_mx_and_sees_no_loops, zone_setup),
		cmocka_unit_test_setup(lower_preference_comes_first, zone_setup),
		cmocka_unit_test_setup(equal_preference_is_shuffled_by_address, zone_setup),
		cmocka_unit_test_setup(without_randomizing_the_answer_order_stays, zone_setup),
		cmocka_unit_test_setup(a_domain_without_mx_is_its_own_server, zone_setup),
		cmocka_unit_test_setup(a_domain_with_nothing_is_hard, zone_setup),
		cmocka_unit_test_setup(a_soft_mx_failure_never_falls_through_to_addresses, zone_setup),
		cmocka_unit_test_setup(a_non_recoverable_mx_failure_is_hard, zone_setup),
		cmocka_unit_test_setup(bad_host_names_are_passed_over, zone_setup),
		cmocka_unit_test_setup(null_mx_means_no_mail, zone_setup),
		cmocka_unit_test_setup(null_mx_beside_others_is_ignored, zone_setup),
		cmocka_unit_test_setup(a_host_without_address_is_passed_over, zone_setup),
		cmocka_unit_test_setup(all_hosts_missing_is_hard_unless_told_otherwise, zone_setup),
		cmocka_unit_test_setup(one_soft_failure_dominates_before_and_after, zone_setup),
		cmocka_unit_test_setup(soft_is_never_taken_for_hard_nor_for_nothing, zone_setup),
		cmocka_unit_test_setup(a_number_as_exchange_is_used_with_a_warning, zone_setup),
		cmocka_unit_test_setup(an_alias_gives_addresses_and_only_on_request_its_name, zone_setup),
		cmocka_unit_test_setup(an_alias_to_no_host_name_is_malformed, zone_setup),
		cmocka_unit_test_setup(one_family_is_enough, zone_setup),
		cmocka_unit_test_setup(a_family_switched_off_is_not_asked_for, zone_setup),
		cmocka_unit_test_setup(the_hosts_file_helps_only_after_a_definite_no, zone_setup),
		cmocka_unit_test_setup(without_dns_only_the_hosts_file_is_asked, zone_setup),
		cmocka_unit_test_setup_teardown(records_filtered_away_do_not_count, zone_setup, filter_teardown),
		cmocka_unit_test_setup_teardown(a_filter_that_leaves_nothing_is_soft, zone_setup, filter_teardown),
		cmocka_unit_test_setup_teardown(a_filter_that_fails_is_a_failed_lookup, zone_setup, filter_teardown),
		cmocka_unit_test_setup(everyone_not_better_than_ourselves_is_cut, zone_setup),
		cmocka_unit_test_setup(an_unknown_better_server_makes_a_loop_soft, zone_setup),
		cmocka_unit_test_setup(a_host_with_one_address_of_ours_is_a_loop, zone_setup),
		cmocka_unit_test_setup(the_list_is_ordered_balanced_and_marked, zone_setup),
		cmocka_unit_test_setup(the_limit_counts_records_and_addresses, zone_setup),
		cmocka_unit_test_setup(at_most_100_addresses_are_kept_with_one_warning, zone_setup),
		cmocka_unit_test_setup(an_address_counts_once_with_its_best_preference, zone_setup),
		cmocka_unit_test_setup(names_from_dns_do_not_lead_to_ourselves, zone_setup),
		cmocka_unit_test_setup(what_becomes_ours_is_forbidden_at_connect, zone_setup),
		cmocka_unit_test_setup(without_memory_a_name_is_not_unknown, zone_setup),
		cmocka_unit_test_setup(a_cancelled_lookup_stays_silent, zone_setup),
		cmocka_unit_test_setup(security_is_known_for_each_step, zone_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
