/* Where connections come from (area E). */
#include "net/delivery/source_address.h"

#include "tests/test.h"

static struct addr ip(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_ip(slice_of_str(text), 0, &a), 0);
	return a;
}

struct source_case {
	const char *claim;
	const char *bind, *bind6;
	const char *interfaces[3];
	const char *remote;
	const char *source; /* NULL: the system's choice */
};

static const struct source_case cases[] = {
	{ "nothing is said", NULL, NULL, { NULL }, "192.0.2.1", NULL },
	{ "the address of IPv4", "192.0.2.50", NULL, { NULL }, "192.0.2.1", "192.0.2.50" },
	{ "case 119: it is not for IPv6", "192.0.2.50", NULL, { NULL }, "2001:db8::1", NULL },
	{ "case 120: the address of IPv6", NULL, "2001:db8::50", { NULL }, "2001:db8::1", "2001:db8::50" },
	{ "case 120: it is not for IPv4", NULL, "2001:db8::50", { NULL }, "192.0.2.1", NULL },
	{ "case 120: :: cancels", NULL, "::", { "2001:db8::50" }, "2001:db8::1", NULL },
	{ "case 122: the only interface", NULL, NULL, { "192.0.2.50" }, "192.0.2.1", "192.0.2.50" },
	{ "the only one of its family", NULL, NULL, { "2001:db8::50", "192.0.2.50" }, "192.0.2.1", "192.0.2.50" },
	{ "one of the other family", NULL, NULL, { "2001:db8::50" }, "192.0.2.1", NULL },
	{ "two are no choice", NULL, NULL, { "192.0.2.50", "192.0.2.51" }, "192.0.2.1", NULL },
	{ "case 123: loopback is none", NULL, NULL, { "127.0.0.1" }, "192.0.2.1", NULL },
	{ "case 123: loopback is none", NULL, NULL, { "::1" }, "2001:db8::1", NULL },
	{ "case 124: 0.0.0.0 cancels", "0.0.0.0", NULL, { "192.0.2.50" }, "192.0.2.1", NULL },
	{ "what is said goes before what is listed", "192.0.2.51", NULL, { "192.0.2.50" }, "192.0.2.1", "192.0.2.51" },
};

static void the_right_one(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct source_case *c = &cases[i];
		struct params p = { .inet_interfaces = { .all = c->interfaces[0] == NULL } };
		struct addr list[3], remote = ip(c->remote);

		if (c->bind != NULL)
			p.smtp_bind_address = ip(c->bind);
		if (c->bind6 != NULL)
			p.smtp_bind_address6 = ip(c->bind6);
		p.inet_interfaces.list = list;
		while (p.inet_interfaces.count < 3 && c->interfaces[p.inet_interfaces.count] != NULL) {
			list[p.inet_interfaces.count] = ip(c->interfaces[p.inet_interfaces.count]);
			p.inet_interfaces.count++;
		}
		const struct addr *got = source_address(&p, &remote);
		struct addr want = c->source != NULL ? ip(c->source) : (struct addr){ 0 };

		if (got == NULL ? c->source != NULL : c->source == NULL || !addr_eq_ip(got, &want))
			fail_msg("%s", c->claim);
	}
}

static void a_socket_in_a_directory_has_none(void **state)
{
	struct params p = { .smtp_bind_address = ip("192.0.2.50"), .smtp_bind_address6 = ip("2001:db8::50") };
	struct addr remote;

	(void)state;
	assert_int_equal(addr_parse_endpoint(SLICE("unix:/run/lmtp"), &remote), 0);
	assert_null(source_address(&p, &remote));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the source address of each family (cases 119, 120, 122-124)", the_right_one),
		CLAIM("a unix socket has no source address", a_socket_in_a_directory_has_none),
	};

	return cmocka_run_group_tests_name("net/delivery/source_address", claims, NULL, NULL);
}
