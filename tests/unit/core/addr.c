#include "tests/test.h"

#include <errno.h>

#include "core/addr.h"

static const char *ip_text(const struct addr *a)
{
	static char storage[ADDR_TEXT_MAX];
	struct str out = STR(storage);

	addr_add_ip(&out, a);
	return str_cstr(&out);
}

static void ip_text_goes_round(void **state)
{
	static const struct { const char *in; const char *out; } cases[] = {
		{ "0.0.0.0", NULL }, { "192.0.2.1", NULL }, { "255.255.255.255", NULL }, { "::", NULL },
		{ "::1", NULL },
		{ "2001:db8::1", NULL }, { "2001:DB8:0:0:0:0:0:1", "2001:db8::1" }, { "::ffff:192.0.2.1", NULL },
		{ "1:2:3:4:5:6:7:8", NULL }, { "fe80::", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a;
		struct addr again;

		assert_int_equal(addr_parse_ip(slice_of_str(cases[i].in), 25, &a), 0);
		assert_string_equal(ip_text(&a), cases[i].out != NULL ? cases[i].out : cases[i].in);
		assert_int_equal(addr_port(&a), 25);
		assert_int_equal(addr_parse_ip(slice_of_str(ip_text(&a)), 25, &again), 0);
		assert_true(addr_eq(&a, &again));
	}
}

/* NET-02: what a C library's inet_aton would take for an address is none. */
static void only_dotted_decimal_is_ipv4(void **state)
{
	static const char *const cases[] = {
		"0x7f.1", "2130706433", "017700000001", "0x7f000001", "127.1", "127.0.1", "0177.0.0.1", "127.0.0.01",
		"127.0.0.0x1",
		"00.0.0.0", "256.0.0.1", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "+1.2.3.4", "-1.2.3.4",
		" 1.2.3.4", "1.2.3.4 ",
		"1.2.3.4\n", "", "localhost", "[127.0.0.1]", "127.0.0.1:25", "[::1]", "::1%lo", "1:2:3:4:5:6:7",
		":::", "12345::",
		"::g", "1:2:3:4:5:6:7:8:9", "::ffff:0x7f.0.0.1", "::ffff:127.1", "IPv6:::1",
		"1111:2222:3333:4444:5555:6666:255.255.255.2555",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a = { .len = 77 };

		assert_int_equal(addr_parse_ip(slice_of_str(cases[i]), 25, &a), -EINVAL);
		assert_int_equal(a.len, 77);			/* untouched */
	}
	struct addr a;

	assert_int_equal(addr_parse_ip(SLICE("127.0.0.1\0"), 25, &a), -EINVAL);
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.1\0.example"), 25, &a), -EINVAL);
}

static void every_cut_of_an_address_is_safe(void **state)
{
	static const char full[] = "2001:db8:1111:2222:3333:4444:192.0.2.255";

	(void)state;
	for (size_t len = 0; len < sizeof(full); len++) {
		char *copy = malloc(len + 1);		/* exactly as long: ASan sees a step beyond */
		struct addr a;

		memcpy(copy, full, len);
		int r = addr_parse_ip(slice_of(copy, len), 25, &a);

		assert_true(r == 0 || r == -EINVAL);
		r = addr_parse_endpoint(slice_of(copy, len), &a);
		assert_true(r == 0 || r == -EINVAL);
		free(copy);
	}
}

static void endpoints_need_a_port(void **state)
{
	static const struct { const char *text; const char *ip; uint16_t port; } good[] = {
		{ "192.0.2.1:25", "192.0.2.1", 25 }, { "[2001:db8::1]:465", "2001:db8::1", 465 }, { "[::]:0", "::", 0 },
		{ "127.0.0.1:65535", "127.0.0.1", 65535 }, { "unix:/run/x/socket", "/run/x/socket", 0 },
		{ "unix:relative:1", "relative:1", 0 },
	};
	static const char *const bad[] = {
		"", ":", ":25", "192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:+25", "192.0.2.1: 25",
		"192.0.2.1:smtp",
		"2001:db8::1:25", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]25", "[192.0.2.1]:25", "[]:25",
		"[:25", "]:25",
		"localhost:25", "unix:", "*:25", "127.1:25",
	};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		assert_int_equal(addr_parse_endpoint(slice_of_str(good[i].text), &a), 0);
		assert_string_equal(ip_text(&a), good[i].ip);
		assert_int_equal(addr_port(&a), good[i].port);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(addr_parse_endpoint(slice_of_str(bad[i]), &a), -EINVAL);
}

static void unix_paths_fit_or_are_refused(void **state)
{
	char text[5 + 108 + 1] = "unix:";
	struct addr a;

	(void)state;
	memset(text + 5, 'p', 108);
	assert_int_equal(addr_parse_endpoint(slice_of(text, 5 + 107), &a), 0);
	assert_int_equal(a.len, offsetof(struct sockaddr_un, sun_path) + 108);
	assert_int_equal(strlen(a.un.sun_path), 107);
	assert_int_equal(addr_parse_endpoint(slice_of(text, 5 + 108), &a), -EINVAL);
	assert_int_equal(addr_parse_endpoint(SLICE("unix:a\0b"), &a), -EINVAL);
}

static void raw_octets_of_dns_become_addresses(void **state)
{
	static const uint8_t ip4[4] = { 192, 0, 2, 1 };
	static const uint8_t ip6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 1 };
	struct addr a = addr_from_ip4(ip4, 25);
	struct addr b = addr_from_ip6(ip6, 26);

	(void)state;
	assert_string_equal(ip_text(&a), "192.0.2.1");
	assert_string_equal(ip_text(&b), "2001:db8::1");
	assert_int_equal(addr_port(&a), 25);
	assert_int_equal(addr_port(&b), 26);
	addr_set_port(&a, 587);
	addr_set_port(&b, 465);
	assert_int_equal(addr_port(&a), 587);
	assert_int_equal(addr_port(&b), 465);
}

static struct addr ip(const char *text, uint16_t port)
{
	struct addr a;

	assert_int_equal(addr_parse_ip(slice_of_str(text), port, &a), 0);
	return a;
}

static void equality_is_of_family_address_and_port(void **state)
{
	struct addr a = ip("192.0.2.1", 25);
	struct addr b = ip("192.0.2.1", 26);
	struct addr c = ip("192.0.2.2", 25);
	struct addr d = ip("::ffff:192.0.2.1", 25);
	struct addr same = ip("192.0.2.1", 25);

	(void)state;
	assert_true(addr_eq(&a, &same));
	assert_false(addr_eq(&a, &b));
	assert_true(addr_eq_ip(&a, &b));
	assert_false(addr_eq_ip(&a, &c));
	assert_false(addr_eq_ip(&a, &d));
}

static void loopback_and_unspecified_are_recognised(void **state)
{
	static const struct { const char *text; bool loopback; bool unspecified; } cases[] = {
		{ "127.0.0.1", true, false }, { "127.255.255.254", true, false }, { "128.0.0.1", false, false },
		{ "126.255.255.255", false, false }, { "::1", true, false }, { "::2", false, false },
		{ "::ffff:127.0.0.5", true, false }, { "::ffff:10.0.0.1", false, false },
		{ "::127.0.0.1", false, false },
		{ "0.0.0.0", false, true }, { "0.0.0.1", false, false }, { "::", false, true },
	};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		a = ip(cases[i].text, 25);
		assert_int_equal(addr_is_loopback(&a), cases[i].loopback);
		assert_int_equal(addr_is_unspecified(&a), cases[i].unspecified);
	}
	assert_int_equal(addr_parse_endpoint(SLICE("unix:/x"), &a), 0);
	assert_true(addr_is_loopback(&a));
	assert_false(addr_is_unspecified(&a));
}

static void networks_contain_what_they_say(void **state)
{
	static const struct { const char *net; const char *ip; bool inside; } cases[] = {
		{ "192.0.2.0/24", "192.0.2.0", true }, { "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false }, { "192.0.2.0/24", "192.0.1.255", false },
		{ "192.0.2.128/25", "192.0.2.127", false }, { "192.0.2.128/25", "192.0.2.128", true },
		{ "10.0.0.0/9", "10.127.0.1", true }, { "10.0.0.0/9", "10.128.0.1", false },
		{ "0.0.0.0/0", "203.0.113.9", true }, { "0.0.0.0/0", "::1", false },
		{ "192.0.2.1", "192.0.2.1", true }, { "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1/32", "192.0.2.0", false },
		{ "[2001:db8::]/32", "2001:db8:ffff::1", true }, { "[2001:db8::]/32", "2001:db9::", false },
		{ "2001:db8::/32", "2001:db8::1", true }, { "[2001:db8::/32]", "2001:db8::1", true },
		{ "[::1]", "::1", true }, { "[::1]/128", "::2", false }, { "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.1", false }, { "127.0.0.0/8", "::ffff:127.0.0.1", false },
	};
	static const char *const nonsense[] = {
		"", "/", "/24", "192.0.2.0/", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/2x", "[::1]/129", "[::1",
		"::1]", "[]/0",
		"192.0.2/24", "0x0a.0.0.0/8", "192.0.2.0/24/24", "example.com", "[::]32", "[[::1]]/128x",
	};
	struct addr_net net;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a = ip(cases[i].ip, 25);

		assert_int_equal(addr_net_parse(slice_of_str(cases[i].net), &net), 0);
		assert_int_equal(addr_net_contains(&net, &a), cases[i].inside);
	}
	for (size_t i = 0; i < ARRAY_LEN(nonsense); i++)
		assert_int_equal(addr_net_parse(slice_of_str(nonsense[i]), &net), -EINVAL);
	assert_int_equal(addr_net_parse(SLICE("192.0.2.1/24"), &net), -ERANGE);
	assert_int_equal(addr_net_parse(SLICE("[2001:db8::1]/32"), &net), -ERANGE);
	assert_int_equal(addr_net_parse(SLICE("0.0.0.1/0"), &net), -ERANGE);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("addresses go to text and back", ip_text_goes_round),
		CLAIM("NET-02: octal, hex, decimal and short IPv4 are no addresses", only_dotted_decimal_is_ipv4),
		CLAIM("an address cut anywhere is read within its octets", every_cut_of_an_address_is_safe),
		CLAIM("an endpoint has a port, and IPv6 has brackets", endpoints_need_a_port),
		CLAIM("a unix path fits with its terminator or is refused", unix_paths_fit_or_are_refused),
		CLAIM("raw octets of DNS become addresses", raw_octets_of_dns_become_addresses),
		CLAIM("equality is of family, address and port", equality_is_of_family_address_and_port),
		CLAIM("loopback and unspecified addresses are recognised", loopback_and_unspecified_are_recognised),
		CLAIM("networks contain what they say", networks_contain_what_they_say),
	};

	return cmocka_run_group_tests_name("core/addr", claims, NULL, NULL);
}
