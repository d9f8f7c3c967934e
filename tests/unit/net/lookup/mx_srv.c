/* SRV records (RFC 2782; cases 92-94) and names beyond ASCII (case 39), with a zone table in place of a resolver. */
#include <stdio.h>

#include "tests/unit/net/lookup/zone.h"
#include "tests/test.h"

#define LABEL50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LABEL60 LABEL50 "aaaaaaaaaa"

static struct services services;

static void want_srv(void)
{
	services.count = 0;
	assert_int_equal(services_add(&services, SLICE("smtp"), 25), 0);
	assert_int_equal(services_add(&services, SLICE("submission"), 587), 0);
	syntax.services = &services;
	conf.srv_services = SLICE("smtp, Submission");
}

static void srv_records_choose_host_and_port(void **state)	/* case 92; RFC 2782 */
{
	(void)state;
	want_srv();
	zone_srv("_submission._tcp.example.org", 20, 0, 587, "b.test");
	zone_srv("_submission._tcp.example.org", 10, 0, 2525, "a.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("b.test", "2001:db8::2");
	zone_address("b.test", "192.0.2.2");
	conf.address_preference = MX_PREFER_IPV6;
	for (unsigned i = 0; i < 20; i++)
		expect_list("example.org:submission", "192.0.2.1 192.0.2.2 2001:db8::2");
	expect_ports("2525 587 587");
	assert_int_equal(lookup.best_preference, 10);
	assert_true(slice_eq(mx_address_host(&lookup, &lookup.addresses[0]), SLICE("a.test")));
	assert_true(lookup.addresses[0].last_of_preference);
	assert_false(was_asked("MX"));
	/* Brackets, numbers, other services and a number for the service: no SRV. */
	zone_mx("example.org", 10, "c.test");
	zone_address("c.test", "192.0.2.3");
	expect_list("[b.test]:submission", "2001:db8::2 192.0.2.2");
	expect_list("example.org:587", "192.0.2.3");
	assert_false(was_asked("SRV"));
	conf.srv_services = SLICE("submissions");
	expect_list("example.org:submission", "192.0.2.3");
	conf.srv_services = SLICE("submission");
	conf.dns = false;
	expect_error("example.org:submission", 5, 4, 4);
	assert_string_equal(asked_log, "");
}

static void weight_decides_how_often_a_host_is_first(void **state)	/* case 92; RFC 2782 */
{
	unsigned first[4] = { 0 };

	(void)state;
	want_srv();
	zone_srv("_smtp._tcp.example.org", 10, 10, 25, "a.test");
	zone_srv("_smtp._tcp.example.org", 10, 30, 25, "b.test");
	zone_srv("_smtp._tcp.example.org", 10, 0, 25, "c.test");
	zone_address("a.test", "192.0.2.1");
	zone_address("b.test", "192.0.2.2");
	zone_address("c.test", "192.0.2.3");
	for (unsigned i = 0; i < 4000; i++) {
		look_up("example.org:smtp");
		assert_int_equal(lookup.count, 3);
		first[ntohl(lookup.addresses[0].addr.in.sin_addr.s_addr) & 3]++;
	}
	/* One number of 41 draws c, ten draw a and thirty b: 98, 976 and 2,927; nine standard deviations each. */
	assert_in_range(first[3], 10, 186);
	assert_in_range(first[1], 730, 1222);
	assert_in_range(first[2], 2670, 3183);
}

static void a_service_that_is_not_there_is_hard(void **state)	/* case 93; row DNS-02 */
{
	(void)state;
	want_srv();
	zone_srv("_submission._tcp.example.org", 0, 0, 0, "");
	expect_error("example.org:submission", 5, 1, 0);
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	conf.ignore_srv_lookup_error = true;
	expect_error("example.org:submission", 5, 1, 0);
	assert_false(was_asked("MX"));
	conf.allow_srv_lookup_fallback = true;
	expect_list("example.org:submission", "192.0.2.1");
	expect_ports("587");
	/* Beside others the root is passed over. */
	zone_srv("_submission._tcp.example.org", 0, 0, 2525, "a.test");
	expect_list("example.org:submission", "192.0.2.1");
	expect_ports("2525");
}

static void no_srv_record_is_no_lookup_error(void **state)	/* case 94 */
{
	(void)state;
	want_srv();
	zone_mx("example.org", 10, "a.test");
	zone_address("a.test", "192.0.2.1");
	conf.ignore_srv_lookup_error = true;
	expect_error("example.org:submission", 5, 4, 4);
	conf.ignore_srv_lookup_error = false;
	conf.allow_srv_lookup_fallback = true;
	expect_list("example.org:submission", "192.0.2.1");
	/* Hosts without addresses (B 3.8). */
	zone_srv("_submission._tcp.example.org", 0, 0, 587, "gone.test");
	expect_list("example.org:submission", "192.0.2.1");
	conf.allow_srv_lookup_fallback = false;
	expect_error("example.org:submission", 5, 4, 4);
}

static void a_failed_srv_lookup_may_be_ignored(void **state)	/* B 3.8 */
{
	static const struct {
		enum answer_class class;
		const char *data;
		unsigned error_class, detail;
	} cases[] = {
		{ ANSWER_RETRY, "", 4, 3 }, { ANSWER_FAIL, "", 5, 3 }, { ANSWER_FOUND, "a\\010b.test", 5, 4 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		zone_setup(NULL);
		want_srv();
		zone_put("_submission._tcp.example.org", DNS_TYPE_SRV, cases[i].class, 0, cases[i].data);
		zone[0].port = 587;
		expect_error("example.org:submission", cases[i].error_class, 4, cases[i].detail);
		assert_false(was_asked("MX"));
		zone_address("example.org", "192.0.2.1");
		conf.ignore_srv_lookup_error = true;
		expect_list("example.org:submission", "192.0.2.1");
		assert_true(was_asked("MX example.org"));
		/* For LMTP, the host itself. */
		syntax.lmtp = true;
		expect_list("example.org:submission", "192.0.2.1");
		assert_string_equal(asked_log,
				    "SRV _submission._tcp.example.org;A example.org;AAAA example.org;");
	}
}

static void srv_sees_loops_by_the_port_of_the_next_hop(void **state)	/* B 3.8 */
{
	struct addr own = addr_from_ip4((uint8_t[]){ 192, 0, 2, 99 }, 0);

	(void)state;
	want_srv();
	conf.own = &own;
	conf.own_count = 1;
	zone_srv("_smtp._tcp.example.org", 10, 0, 2525, "me.test");
	zone_srv("_submission._tcp.example.org", 10, 0, 25, "me.test");
	zone_address("me.test", "192.0.2.99");
	conf.allow_srv_lookup_fallback = true;
	expect_error("example.org:smtp", 5, 4, 6);
	assert_false(was_asked("MX"));
	expect_list("example.org:submission", "192.0.2.99");
}

static void srv_records_that_lead_nowhere_are_passed_over(void **state)	/* rows NET-03, DNS-06 */
{
	(void)state;
	want_srv();
	zone_srv("_submission._tcp.example.org", 0, 0, 0, "a.test");
	zone_srv("_submission._tcp.example.org", 0, 0, 587, "-x.test");
	zone_address("a.test", "192.0.2.1");
	expect_error("example.org:submission", 5, 4, 4);
	zone_srv("_submission._tcp.example.org", 0, 0, 587, "a.test");
	expect_list("example.org:submission", "192.0.2.1");
	expect_ports("587");
}

static void a_full_srv_list_leaves_room_for_the_fallback(void **state)
{
	char name[256];

	(void)state;
	want_srv();
	conf.allow_srv_lookup_fallback = true;
	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "h%02u.%s.%s.%s.%s.test", i, LABEL60, LABEL60, LABEL60, LABEL50);
		zone_srv("_submission._tcp.example.org", 0, 0, 587, name);
		zone_mx("example.org", 10, name);
	}
	zone_address("example.org", "192.0.2.1");	/* of no use: there are MX records */
	expect_error("example.org:submission", 5, 4, 4);
	assert_true(was_asked("MX example.org"));
}

/* --- area B: IDNA ----------------------------------------------------------------------------------------------- */

static void names_beyond_ascii_are_asked_for_in_a_labels(void **state)	/* case 39 */
{
	(void)state;
	syntax.utf8 = true;
	zone_mx("xn--bcher-kva.example", 10, "mx.test");
	zone_address("mx.test", "192.0.2.1");
	expect_list("b\xc3\xbc" "cher.example", "192.0.2.1");
	assert_string_equal(asked_log, "MX xn--bcher-kva.example;A mx.test;AAAA mx.test;");
	assert_true(slice_eq(lookup.dest.text, SLICE("b\xc3\xbc" "cher.example")));	/* keys of policies */
	zone_address("xn--bcher-kva.test", "192.0.2.2");
	expect_list("[B\xc3\x9c" "CHER.test]", "192.0.2.2");
	want_srv();
	zone_srv("_smtp._tcp.xn--bcher-kva.example", 0, 0, 25, "mx.test");
	expect_list("b\xc3\xbc" "cher.example:smtp", "192.0.2.1");
}

static void a_name_without_a_labels_is_no_name(void **state)	/* B 3.1; row NET-02 */
{
	(void)state;
	syntax.utf8 = true;
	zone_address("127.0.0.1", "192.0.2.9");
	/* U+2028, and 127.0.0.1 in full-width digits: not a number, and not asked for. */
	expect_error("a\xe2\x80\xa8" "b.example", 5, 4, 4);
	expect_error("\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", 5, 4, 4);
	assert_false(was_asked("127"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(srv_records_choose_host_and_port, zone_setup),
		cmocka_unit_test_setup(weight_decides_how_often_a_host_is_first, zone_setup),
		cmocka_unit_test_setup(a_service_that_is_not_there_is_hard, zone_setup),
		cmocka_unit_test_setup(no_srv_record_is_no_lookup_error, zone_setup),
		cmocka_unit_test_setup(a_failed_srv_lookup_may_be_ignored, zone_setup),
		cmocka_unit_test_setup(srv_sees_loops_by_the_port_of_the_next_hop, zone_setup),
		cmocka_unit_test_setup(srv_records_that_lead_nowhere_are_passed_over, zone_setup),
		cmocka_unit_test_setup(a_full_srv_list_leaves_room_for_the_fallback, zone_setup),
		cmocka_unit_test_setup(names_beyond_ascii_are_asked_for_in_a_labels, zone_setup),
		cmocka_unit_test_setup(a_name_without_a_labels_is_no_name, zone_setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
