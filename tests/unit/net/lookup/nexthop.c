/* Nexthop syntax: conformance area B. */
#include "net/lookup/nexthop.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>

#include "core/err.h"

#define LIST_MAX 8

static struct services services;
static struct nexthop_conf conf = { .services = &services, .default_port = 25, .utf8 = true };

static int setup(void **state)
{
	(void)state;
	services.count = 0;
	assert_int_equal(services_add(&services, SLICE("smtp"), 25), 0);
	assert_int_equal(services_add(&services, SLICE("submissions"), 465), 0);
	assert_int_equal(services_add(&services, SLICE("submission"), 587), 0);
	conf.default_port = 25;
	return 0;
}

struct dest_case {
	const char *claim;
	const char *text;
	const char *host;	/* NULL: refused */
	uint16_t port;
	bool bracketed, is_literal;
};

static const struct dest_case cases[] = {
	{ "case 24: a domain",                     "example.org",             "example.org", 25,    false, false },
	{ "case 25: a host",                       "[mail.example.org]",      "mail.example.org", 25, true, false },
	{ "case 26: a literal",                    "[192.0.2.7]",             "192.0.2.7",   25,    true,  true },
	{ "case 26: a literal with port",          "[192.0.2.7]:2525",        "192.0.2.7",   2525,  true,  true },
	{ "case 27: IPv6",                         "[2001:db8::1]",           "2001:db8::1", 25,    true,  true },
	{ "case 27: IPv6 with prefix and port",    "[ipv6:2001:db8::1]:587",  "2001:db8::1", 587,   true,  true },
	{ "case 27: the prefix in any case",       "[IPv6:2001:db8::1]",      "2001:db8::1", 25,    true,  true },
	{ "case 28: a number without brackets",    "192.0.2.7",               "192.0.2.7",   25,    false, true },
	{ "case 29: IPv6 without brackets",        "2001:db8::1",             NULL, 0, false, false },
	{ "case 29: nor with letters at its end",  "::1:smtp",                NULL, 0, false, false },
	{ "case 30: a port",                       "example.org:587",         "example.org", 587,   false, false },
	{ "case 31: a known name",                 "example.org:submission",  "example.org", 587,   false, false },
	{ "case 31: a known name in any case",     "example.org:SubMissions", "example.org", 465,   false, false },
	{ "case 32: an empty service",             "example.org:",            "example.org", 25,    false, false },
	{ "case 32: the same behind brackets",     "[a.test]:",               "a.test",      25,    true,  false },
	{ "case 33: port 0",                       "example.org:0",           NULL, 0, false, false },
	{ "case 33: port 65536",                   "example.org:65536",       NULL, 0, false, false },
	{ "case 33: a port with a tail",           "example.org:25x",         NULL, 0, false, false },
	{ "case 33: an unknown service",           "example.org:nosuchservice", NULL, 0, false, false },
	{ "case 33: the last port there is",       "example.org:65535",       "example.org", 65535, false, false },
	{ "case 34: no closing bracket",           "[host",                   NULL, 0, false, false },
	{ "case 34: text behind the bracket",      "[host]x",                 NULL, 0, false, false },
	{ "case 34: empty brackets",               "[]",                      NULL, 0, false, false },
	{ "case 34: empty IPv6",                   "[ipv6:]",                 NULL, 0, false, false },
	{ "case 34: IPv6 with two gaps",           "[1::2::3]",               NULL, 0, false, false },
	{ "case 34: IPv4 with the prefix of IPv6", "[ipv6:192.0.2.1]",        NULL, 0, false, false },
	{ "case 35: a dot at the end",             "example.org.",            NULL, 0, false, false },
	{ "case 35: an empty label",               "a..b",                    NULL, 0, false, false },
	{ "case 35: a label of 64 octets",
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example", NULL, 0, false, false },
	{ "case 39: UTF-8",                        "\xc3\xbc.example",       "\xc3\xbc.example", 25, false, false },
	{ "NET-02: hexadecimal is no address",     "0x7f.1",                  "0x7f.1",      25,    false, false },
	{ "NET-02: one large number is no host",   "2130706433",              NULL, 0, false, false },
	{ "no host before the port",               ":25",                     NULL, 0, false, false },
	{ "a space inside brackets ends the item", "[a b]",                   NULL, 0, false, false },
	{ "an octet that no name has",             "a\001b.test",             NULL, 0, false, false },
};

static void each_form_is_read_or_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice rest = slice_of_str(cases[i].text);
		struct destination_name d;
		const char *why = NULL;
		int r = nexthop_next(&conf, &rest, &d, &why);

		if (cases[i].host == NULL) {
			if (r != ERR_SYNTAX || why == NULL)
				fail_msg("%s: accepted", cases[i].claim);
			continue;
		}
		if (r != 1)
			fail_msg("%s: refused (%s)", cases[i].claim, why);
		assert_true(slice_eq(d.host, slice_of_str(cases[i].host)));
		assert_int_equal(d.port, cases[i].port);
		assert_int_equal(d.bracketed, cases[i].bracketed);
		assert_int_equal(d.is_literal, cases[i].is_literal);
		assert_int_equal(d.wants_loop_check, cases[i].port == 25);
		assert_int_equal(d.wants_tls_hint, cases[i].port == 465);	/* case 38 */
		if (d.is_literal)
			assert_int_equal(addr_port(&d.addr), cases[i].port);
		assert_int_equal(nexthop_next(&conf, &rest, &d, &why), 0);
	}
}

struct lmtp_case {
	const char *claim;
	const char *text;
	const char *host;	/* NULL: refused */
	uint16_t port;
	bool is_unix;
};

static const struct lmtp_case lmtp_cases[] = {
	{ "a socket",                           "unix:/run/dovecot/lmtp",  "/run/dovecot/lmtp", 0, true },
	{ "a socket by a relative path",        "unix:private/lmtp",       "private/lmtp", 0, true },
	{ "colons belong to the path",          "unix:/run/a:b",           "/run/a:b", 0, true },
	{ "a control character in a path",      "unix:/run/a\033b",        NULL, 0, false },
	{ "no path",                            "unix:",                   NULL, 0, false },
	{ "a path beyond what a socket has",
	  "unix:/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaa", NULL, 0, false },
	{ "a host with inet",                   "inet:mail.test",          "mail.test", 24, false },
	{ "a host and port with inet",          "inet:mail.test:2424",     "mail.test", 2424, false },
	{ "brackets behind inet",               "inet:[192.0.2.1]:25",     "192.0.2.1", 25, false },
	{ "a host alone",                       "mail.test",               "mail.test", 24, false },
	{ "a host and port alone",              "mail.test:2424",          "mail.test", 2424, false },
	{ "the word in another case is a host", "INET:24",                 "INET", 24, false },
	{ "inet and nothing",                   "inet:",                   NULL, 0, false },
};

static void lmtp_has_two_more_forms(void **state)	/* B 25 */
{
	struct nexthop_conf lmtp = { .services = &services, .default_port = 24, .lmtp = true };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lmtp_cases); i++) {
		const struct lmtp_case *c = &lmtp_cases[i];
		struct slice rest = slice_of_str(c->text);
		struct destination_name d;
		const char *why = NULL;
		int r = nexthop_next(&lmtp, &rest, &d, &why);

		if ((r == 1) != (c->host != NULL) || (r < 0) != (why != NULL))
			fail_msg("%s: %d", c->claim, r);
		if (r < 0)
			continue;
		assert_true(d.is_lmtp && !d.wants_loop_check);
		assert_true(slice_eq(d.host, slice_of_str(c->host)));
		assert_int_equal(d.port, c->port);
		assert_int_equal(d.is_unix, c->is_unix);
		if (c->is_unix)
			assert_string_equal(d.addr.un.sun_path, c->host);
	}
	/* For SMTP the prefixes are hosts with a service. */
	struct slice rest = SLICE("unix:/run/lmtp");
	struct destination_name d;
	const char *why;

	assert_int_equal(nexthop_next(&conf, &rest, &d, &why), ERR_SYNTAX);
}

/* The whole list: how many, or ERR_SYNTAX with the offender behind the good ones. */
static int take_all(struct slice text, struct destination_name d[static LIST_MAX])
{
	const char *why;

	for (int n = 0; n < LIST_MAX; n++) {
		int r = nexthop_next(&conf, &text, &d[n], &why);

		if (r != 1)
			return r < 0 ? r : n;
	}
	return LIST_MAX;
}

static void a_list_keeps_its_order(void **state)	/* case 36 */
{
	struct destination_name d[LIST_MAX];

	(void)state;
	assert_int_equal(take_all(SLICE(" a.example, b.example:26 ,,\t[c.example]\n"), d), 3);
	assert_true(slice_eq(d[0].host, SLICE("a.example")) && !d[0].bracketed);
	assert_true(slice_eq(d[1].host, SLICE("b.example")) && d[1].port == 26);
	assert_true(slice_eq(d[2].host, SLICE("c.example")) && d[2].bracketed);
	assert_int_equal(take_all(SLICE("a.example [b c.example"), d), ERR_SYNTAX);
	assert_true(slice_eq(d[1].text, SLICE("[b")));
}

static void an_empty_list_is_empty(void **state)	/* case 40 */
{
	struct destination_name d[LIST_MAX];

	(void)state;
	assert_int_equal(take_all(SLICE(""), d), 0);
	assert_int_equal(take_all(SLICE(" ,\t, "), d), 0);
}

static void the_default_port_decides_on_loop_checks(void **state)	/* case 37 */
{
	struct slice rest = SLICE("example.org");
	struct destination_name d;
	const char *why;

	(void)state;
	conf.default_port = 2525;
	assert_int_equal(nexthop_next(&conf, &rest, &d, &why), 1);
	assert_int_equal(d.port, 2525);
	assert_false(d.wants_loop_check);
}

static void a_destination_without_a_service_has_the_default_one(void **state)	/* case 32, B 3.8 */
{
	struct nexthop_conf named = { .services = &services, .default_port = 25 };
	struct slice rest = SLICE("a.test, b.test: c.test:submission d.test:25");
	static const char *const want[] = { "smtp", "smtp", "submission", "25" };
	struct destination_name d;
	const char *why;

	(void)state;
	assert_true(slice_eq(services_name(&services, 25), SLICE("smtp")));
	assert_int_equal(services_name(&services, 26).len, 0);
	assert_int_equal(services_name(NULL, 25).len, 0);
	named.default_service = services_name(&services, 25);
	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(nexthop_next(&named, &rest, &d, &why), 1);
		assert_true(slice_eq(d.service, slice_of_str(want[i])));
	}
}

static void utf8_names_need_leave(void **state)
{
	struct nexthop_conf ascii = { .services = &services, .default_port = 25 };
	struct slice rest = SLICE("b\xc3\xbc" "cher.example");
	struct destination_name d;
	const char *why;

	(void)state;
	assert_int_equal(nexthop_next(&ascii, &rest, &d, &why), ERR_SYNTAX);
}

static void no_cut_of_a_list_is_read_beyond_its_end(void **state)
{
	static const char list[] = "a.example, [ipv6:2001:db8::1]:submission b.example:26 [c.example]:,192.0.2.1";

	(void)state;
	for (size_t len = 0; len < sizeof(list); len++) {
		/* Memory of exactly this size: the sanitizer sees the first octet too many. */
		char *copy = malloc(len > 0 ? len : 1);
		struct destination_name d;
		const char *why;
		struct slice rest = slice_of(copy, len);
		unsigned items = 0;
		int r;

		memcpy(copy, list, len);
		while ((r = nexthop_next(&conf, &rest, &d, &why)) != 0) {
			assert_true(d.text.ptr >= copy && d.text.ptr + d.text.len <= copy + len);
			assert_true(r < 0 || (d.host.ptr >= copy && d.host.ptr + d.host.len <= copy + len));
			assert_in_range(++items, 1, 5);
		}
		free(copy);
	}
}

static void a_services_file_adds_names_behind_known_ones(void **state)
{
	uint16_t port;

	(void)state;
	assert_int_equal(services_add_file(&services, SLICE(
		"# comment\n"
		"smtp		2500/tcp	mail\n"
		"odd		77/udp\n"
		"broken		x/tcp\n"
		"zero		0/tcp\n"
		"qmtp		209/tcp		# trailing\n"
		"last		4000/tcp")), 4);
	assert_int_equal(services_port(&services, SLICE("smtp"), &port), 0);
	assert_int_equal(port, 25);
	assert_int_equal(services_port(&services, SLICE("mail"), &port), 0);
	assert_int_equal(port, 2500);
	assert_int_equal(services_port(&services, SLICE("last"), &port), 0);
	assert_int_equal(port, 4000);
	assert_int_equal(services_port(&services, SLICE("odd"), &port), ERR_SYNTAX);
	assert_int_equal(services_port(&services, SLICE("trailing"), &port), ERR_SYNTAX);
	assert_int_equal(services_port(NULL, SLICE("smtp"), &port), ERR_SYNTAX);
	assert_int_equal(services_port(NULL, SLICE("25"), &port), 0);
}

static void a_name_must_fit(void **state)
{
	(void)state;
	assert_int_equal(services_add(&services, SLICE(""), 25), ERR_SYNTAX);
	assert_int_equal(services_add(&services, SLICE("abcdefghijabcdefghijabcdefghij1"), 25), 0);
	assert_int_equal(services_add(&services, SLICE("abcdefghijabcdefghijabcdefghij12"), 25), ERR_SYNTAX);
}

static void a_full_table_says_so(void **state)
{
	(void)state;
	services.count = SERVICES_MAX;
	assert_int_equal(services_add(&services, SLICE("a"), 1), -ENOSPC);
	assert_int_equal(services_add_file(&services, SLICE("a 1/tcp\n")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_form_is_read_or_refused, setup),
		cmocka_unit_test_setup(lmtp_has_two_more_forms, setup),
		cmocka_unit_test_setup(a_list_keeps_its_order, setup),
		cmocka_unit_test_setup(an_empty_list_is_empty, setup),
		cmocka_unit_test_setup(the_default_port_decides_on_loop_checks, setup),
		cmocka_unit_test_setup(a_destination_without_a_service_has_the_default_one, setup),
		cmocka_unit_test_setup(utf8_names_need_leave, setup),
		cmocka_unit_test_setup(no_cut_of_a_list_is_read_beyond_its_end, setup),
		cmocka_unit_test_setup(a_services_file_adds_names_behind_known_ones, setup),
		cmocka_unit_test_setup(a_name_must_fit, setup),
		cmocka_unit_test_setup(a_full_table_says_so, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
