#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#include "core/base.h"
#include "net/params.h"
#include "tests/unit/net/loaded.h"

static struct addr ip(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_ip(slice_of_str(text), 25, &a), 0);
	return a;
}

static void defaults_load(void **state)
{
	struct loaded *l = load("");
	const struct params *p = &l->p;
	struct addr injector = ip("127.8.9.1"), stranger = ip("192.0.2.1"), me6 = ip("::1");
	uint16_t port = 0;

	(void)state;
	assert_string_equal(l->said, "");
	assert_int_equal(l->errors, 0);
	assert_string_equal(p->myhostname, "mail.example.org");
	assert_string_equal(p->mydomain, "example.org");
	assert_string_equal(p->smtp_helo_name, "mail.example.org");
	assert_string_equal(p->config_directory, "/etc/ringpost");
	assert_string_equal(p->process_name, "ringpostd");
	assert_string_equal(p->spool_directory, "/var/spool/ringpost");
	assert_string_equal(p->syslog_name, "ringpost");
	assert_string_equal(p->relayhost, "");
	assert_string_equal(p->smtp_fallback_relay, "");
	assert_true(params_nets_contain(&p->mynetworks, &injector));
	assert_true(params_nets_contain(&p->mynetworks, &me6));
	assert_false(params_nets_contain(&p->mynetworks, &stranger));
	assert_int_equal(p->smtpd_client_event_limit_exceptions.count, p->mynetworks.count);
	assert_int_equal(p->inject_smtp_listen.count, 1);
	assert_int_equal(addr_port(&p->inject_smtp_listen.list[0]), 2525);
	assert_true(addr_is_loopback(&p->inject_smtp_listen.list[0]));
	assert_int_equal(p->dns_servers.count, 0);
	assert_int_equal(p->smtp_tcp_port, 25);
	assert_int_equal(params_port(p, SLICE("SubmissionS"), &port), 0);
	assert_int_equal(port, 465);
	assert_int_equal(params_port(p, SLICE("26"), &port), 0);
	assert_int_equal(port, 26);
	assert_true(params_port(p, SLICE("65536"), &port) < 0);
	assert_true(params_port(p, SLICE("0"), &port) < 0);
	assert_true(params_port(p, SLICE("25x"), &port) < 0);
	assert_true(params_port(p, SLICE(""), &port) < 0);
	assert_int_equal(p->inet_protocols, INET_PROTOCOL_IPV4 | INET_PROTOCOL_IPV6);
	assert_true(p->inet_interfaces.all);
	assert_int_equal(p->smtp_host_lookup, HOST_LOOKUP_DNS);
	assert_int_equal(p->smtp_address_preference, ADDRESS_PREFERENCE_ANY);
	assert_int_equal(p->smtpd_forbid_bare_newline, BARE_NEWLINE_REJECT);
	assert_int_equal(p->smtp_bind_address.len, 0);
	assert_int_equal(p->smtp_connect_timeout_ns, 30 * NS_PER_SEC);
	assert_int_equal(p->smtp_data_done_timeout_ns, 600 * NS_PER_SEC);
	assert_int_equal(p->drain_timeout_ns, 600 * NS_PER_SEC);
	assert_int_equal(p->smtp_connection_cache_time_limit_ns, 2 * NS_PER_SEC);
	assert_int_equal(p->maximal_queue_lifetime_ns, 5 * 86400 * NS_PER_SEC);
	assert_int_equal(p->smtp_destination_concurrency_limit, 20);
	assert_int_equal(p->smtp_destination_recipient_limit, 50);
	assert_int_equal(p->smtp_initial_destination_concurrency, 5);
	assert_int_equal(p->smtp_destination_concurrency_positive_feedback.ppm, 1000000);
	assert_int_equal(p->smtp_mx_address_limit, 5);
	assert_int_equal(p->message_size_limit, 10240000);
	assert_true(p->smtp_per_request_deadline);
	assert_true(p->smtp_skip_4xx_greeting);
	assert_false(p->soft_bounce);
	unload(l);
}

static void values_load(void **state)
{
	struct loaded *l = load(
		"relayhost = [relay.example.org]:submission\n"
		"smtp_tcp_port = Submission\n"
		"known_tcp_ports = a = b=2525, submission=10587,\n"
		"smtp_host_lookup = native, dns\n"	/* case 14: a set has no order */
		"inet_protocols = IPv6\n"
		"inet_interfaces = 192.0.2.1, [2001:db8::1] localhost\n"
		"proxy_interfaces = 198.51.100.7\n"
		"smtp_bind_address = [192.0.2.9]\n"
		"smtp_bind_address6 = 2001:db8::9\n"
		"dns_servers = 127.0.0.1 127.0.0.1:5353 [::1] [::1]:5353 ::2\n"
		"inject_smtp_listen = 127.0.0.1:25, [::1]:2525 unix:/run/x\n"
		"smtp_connect_timeout = 0\n"		/* case 1 */
		"smtp_per_record_deadline = no\n"
		"maximal_queue_lifetime = 1\n"
		"smtp_connection_cache_time_limit = 10s\n"
		"default_destination_concurrency_limit = 3\n"
		"default_destination_concurrency_positive_feedback = .25/sqrt_concurrency\n"
		"smtp_destination_concurrency_negative_feedback = 0.1234567 / concurrency\n"
		"smtpd_forbid_bare_newline = normalize\n"
		"smtp_address_preference = ipv6\n"
		"syslog_facility = local3\n"		/* case 21 */
		"syslog_name = x\n"
		"smtp_helo_name = $process_name.$process_id\n");	/* case 20 */
	const struct params *p = &l->p;
	struct addr second = ip("2001:db8::1"), proxy = ip("198.51.100.7");
	char helo[128];

	(void)state;
	assert_string_equal(l->said, "");
	assert_string_equal(p->relayhost, "[relay.example.org]:submission");
	assert_int_equal(p->smtp_tcp_port, 10587);
	assert_int_equal(p->known_tcp_ports.count, 3);
	assert_int_equal(p->smtp_host_lookup, HOST_LOOKUP_DNS | HOST_LOOKUP_NATIVE);
	assert_int_equal(p->inet_protocols, INET_PROTOCOL_IPV6);
	assert_false(p->inet_interfaces.all);
	assert_int_equal(p->inet_interfaces.count, 4);
	assert_true(addr_eq_ip(&p->inet_interfaces.list[1], &second));
	assert_true(params_nets_contain(&p->proxy_interfaces, &proxy));
	assert_int_equal(p->smtp_bind_address.sa.sa_family, AF_INET);
	assert_int_equal(p->smtp_bind_address6.sa.sa_family, AF_INET6);
	assert_int_equal(p->dns_servers.count, 5);
	assert_int_equal(addr_port(&p->dns_servers.list[0]), 53);
	assert_int_equal(addr_port(&p->dns_servers.list[3]), 5353);
	assert_int_equal(addr_port(&p->dns_servers.list[4]), 53);
	assert_int_equal(p->inject_smtp_listen.count, 3);
	assert_int_equal(p->inject_smtp_listen.list[2].sa.sa_family, AF_UNIX);
	assert_int_equal(p->smtp_connect_timeout_ns, 0);
	assert_false(p->smtp_per_request_deadline);
	assert_int_equal(p->maximal_queue_lifetime_ns, 86400 * NS_PER_SEC);
	assert_int_equal(p->smtp_connection_cache_time_limit_ns, 2 * NS_PER_SEC);	/* connection_cache_ttl_limit */
	assert_int_equal(p->smtp_destination_concurrency_limit, 3);
	assert_int_equal(p->smtp_destination_concurrency_positive_feedback.ppm, 250000);
	assert_int_equal(p->smtp_destination_concurrency_positive_feedback.divisor, FEEDBACK_SQRT_CONCURRENCY);
	assert_int_equal(p->smtp_destination_concurrency_negative_feedback.ppm, 123456);
	assert_int_equal(p->smtp_destination_concurrency_negative_feedback.divisor, FEEDBACK_CONCURRENCY);
	assert_int_equal(p->smtpd_forbid_bare_newline, BARE_NEWLINE_NORMALIZE);
	assert_int_equal(p->smtp_address_preference, ADDRESS_PREFERENCE_IPV6);
	(void)snprintf(helo, sizeof(helo), "ringpostd.%d", (int)getpid());	/* fits */
	assert_string_equal(p->smtp_helo_name, helo);
	unload(l);
}

/* One wrong definition each, on line 2. After it, what the message must contain. */
static const struct {
	const char *text;
	const char *part;
} wrong[] = {
	{ "smtp_helo_timeout = 0", "from 1s" },						/* case 2 */
	{ "smtp_mail_timeout = 5x", "not a time" },					/* case 3 */
	{ "smtp_mail_timeout = 5mm", "not a time" },
	{ "smtp_skip_quit_response = true", "expected yes or no" },			/* case 4 */
	{ "smtp_bind_address = host.example", "expected a numeric IPv4 address" },	/* case 13 */
	{ "smtp_bind_address = ::1", "other family" },
	{ "smtp_bind_address6 = 127.0.0.1", "other family" },
	{ "smtp_host_lookup = nis", "'nis' is not one of the words" },			/* case 15 */
	{ "smtp_host_lookup =", "it is empty" },
	{ "process_id = 5", "it cannot be set" },					/* case 20 */
	{ "process_name = x", "it cannot be set" },
	{ "syslog_facility = nosuch", "no such facility" },				/* case 21 */
	{ "default_transport = uucp:host", "no such transport here" },
	{ "syslog_facility =", "it is empty" },
	{ "syslog_name =", "it is empty" },
	{ "smtp_tcp_port = nosuch", "not in known_tcp_ports" },
	{ "smtp_tcp_port = 0", "not a port" },
	{ "smtp_tcp_port =", "not a port" },
	{ "known_tcp_ports = smtp", "'smtp' has no port" },
	{ "known_tcp_ports = smtp=65536", "has no port" },
	{ "known_tcp_ports = 25=26", "has a number for a name" },
	{ "known_tcp_ports = =26", "has a number for a name" },
	{ "known_tcp_ports = smtp=25, SMTP=26", "'SMTP' is there twice" },
	{ "mynetworks = 127.0.0.1/8", "'127.0.0.1/8' has bits set behind its prefix" },
	{ "mynetworks = 127.0.0.0/8 localhost", "'localhost' is not a network" },
	{ "smtp_deny_networks = 0x7f.1", "'0x7f.1' is not a network" },
	{ "inet_interfaces =", "it is empty" },
	{ "inet_interfaces = host.example", "'host.example' is not a numeric address" },
	{ "inet_protocols = ipv5", "expected a list of ipv4, ipv6 or all" },
	{ "inject_smtp_listen = 127.0.0.1", "'127.0.0.1' is not an endpoint" },
	{ "inject_smtp_listen = 127.0.0.1:0", "is not an endpoint" },
	{ "inject_smtp_listen = localhost:25", "is not an endpoint" },
	{ "inject_smtp_listen = 127.0.0.1:25 127.0.0.1:25", "is there twice" },
	{ "dns_servers = unix:/run/dns", "is not an endpoint" },
	{ "dns_servers = dns.example", "is not an endpoint" },
	{ "smtp_address_preference = ipv4, ipv6", "one word too many" },
	{ "smtp_address_preference =", "it is empty" },
	{ "smtp_dns_support_level = perhaps", "expected disabled, enabled or dnssec, or empty" },
	{ "smtpd_forbid_bare_newline = maybe", "expected reject or normalize" },
	{ "delay_logging_resolution_limit = 7", "from 0 to 6" },
	{ "worker_threads = 65", "from 0 to 64" },
	{ "line_length_limit = 511", "out of range" },
	{ "message_size_limit = 10M", "not a number" },
	{ "initial_destination_concurrency = 0", "out of range" },
	{ "default_destination_concurrency_limit = -1", "not a number" },
	{ "default_destination_rate_delay = soon", "not a time" },
	{ "default_destination_concurrency_positive_feedback = 2", "from 0 to 1" },
	{ "default_destination_concurrency_negative_feedback = 1/load", "from 0 to 1" },
	{ "smtp_destination_concurrency_positive_feedback = /concurrency", "not a feedback" },
	{ "smtp_destination_concurrency_positive_feedback = 1.5", "not a feedback" },
	{ "smtp_destination_concurrency_positive_feedback = .", "not a feedback" },
	{ "minimal_backoff_time = 5000s", "more than maximal_backoff_time" },
	{ "maximal_backoff_time = 200s", "less than minimal_backoff_time" },
	{ "spool_directory = spool", "not an absolute path" },
	{ "spool_directory =", "it is empty" },
	{ "metrics_file = metrics", "not an absolute path" },
	{ "myhostname = a b", "not a host name" },
	{ "myhostname =", "it is empty" },
	{ "mydomain = b\xc3\xbc" "cher.example", "not a host name" },
	{ "smtp_helo_name = b\xc3\xbc" "cher.example", "not a host name" },
	{ "myhostname = mail.$mydomain", "refers to itself: myhostname -> mydomain -> myhostname" },
	{ "myhostname = $nowhere(", "not a host name" },
	{ "relayhost = ${x", "a bracket after $ is never closed" },
};

static void each_wrong_value_is_one_error(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char text[256], start[128];

		(void)snprintf(text, sizeof(text), "# wrong\n%s\n", wrong[i].text);	/* fits */
		(void)snprintf(start, sizeof(start), "main.cf:2: %.*s = ",
			       (int)strcspn(wrong[i].text, " "), wrong[i].text);	/* fits */
		struct loaded *l = load(text);

		if (l->errors != 1 || l->lines != 1 || strncmp(l->said, start, strlen(start)) != 0 ||
		    strstr(l->said, wrong[i].part) == NULL || strstr(l->said, "; expected ") == NULL)
			fail_msg("<%s> gave %d: %s", wrong[i].text, l->errors, l->said);
		unload(l);
	}
}

static void all_errors_come_at_once(void **state)
{
	static char text[16384];
	struct str s = STR(text);
	unsigned count = 0;

	(void)state;
	/* Each name once: the last definition is the one that counts. */
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		size_t len = strcspn(wrong[i].text, "=") + 1;
		bool last = true;

		for (size_t k = i + 1; k < ARRAY_LEN(wrong); k++)
			last = last && strncmp(wrong[i].text, wrong[k].text, len) != 0;
		/* That one can only be wrong against values that are right. */
		if (!last || strstr(wrong[i].text, "backoff") != NULL)
			continue;
		str_add_cstr(&s, wrong[i].text);
		str_add_char(&s, '\n');
		count++;
	}
	struct loaded *l = load(str_cstr(&s));

	assert_false(str_is_full(&s));
	assert_true(count > 30);
	if (l->errors != (int)count || l->lines != count)
		fail_msg("%u wrong definitions, %d errors:\n%s", count, l->errors, l->said);
	unload(l);
}

static void host_names_without_domain(void **state)
{
	struct loaded *l = load_on("box", "");

	(void)state;
	assert_string_equal(l->p.myhostname, "box.localdomain");
	assert_string_equal(l->p.mydomain, "localdomain");
	unload(l);
	l = load_on("box", "mydomain = example.org\n");
	assert_string_equal(l->p.myhostname, "box.example.org");
	unload(l);
	l = load_on("box", "myhostname = relay\n");
	assert_string_equal(l->p.mydomain, "localdomain");
	unload(l);
	l = load_on("box.example.org", "myhostname = mx.$mydomain\nmydomain = example.net\n");
	assert_string_equal(l->p.myhostname, "mx.example.net");
	assert_int_equal(l->errors, 0);
	unload(l);
}

static void old_names_are_defaults(void **state)
{
	struct loaded *l = load("fallback_relay = x\n");	/* case 10 */

	(void)state;
	assert_string_equal(l->p.smtp_fallback_relay, "x");
	unload(l);
	l = load("fallback_relay = x\nsmtp_fallback_relay = y\n");
	assert_string_equal(l->p.smtp_fallback_relay, "y");
	unload(l);
}

static void dns_support_is_one_field(void **state)	/* P 3.4, case 72 */
{
	static const struct {
		const char *text;
		enum param_dns_support level;
	} cases[] = {
		{ "", DNS_SUPPORT_ENABLED },
		{ "disable_dns_lookups = yes", DNS_SUPPORT_DISABLED },
		{ "disable_dns_lookups = yes\nsmtp_dns_support_level = enabled", DNS_SUPPORT_ENABLED },
		{ "smtp_dns_support_level = disabled", DNS_SUPPORT_DISABLED },
		{ "smtp_dns_support_level = DNSSEC", DNS_SUPPORT_DNSSEC },
		{ "smtp_dns_support_level =", DNS_SUPPORT_ENABLED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *l = load(cases[i].text);

		assert_int_equal(l->errors, 0);
		assert_int_equal(l->p.smtp_dns_support_level, cases[i].level);
		unload(l);
	}
}

static void hear_unused(const char *line, void *context)
{
	hear(line, context);
}

static void only_unknown_names_are_unused(void **state)
{
	struct loaded *l = load("smtp_foo = 1\nfallback_relay = x\nsmtp_fallback_relay = y\n"
				"smtp_tls_loglevel = $mine\nmine = 1\nmynewhostname = $mine\nlmtp_lhlo_timeout = 2s\n");

	(void)state;
	assert_int_equal(l->errors, 0);
	conf_unused(l->conf, hear_unused, l);
	assert_string_equal(l->said,
		"main.cf:1: unused parameter: smtp_foo\n"
		"main.cf:6: unused parameter: mynewhostname\n");
	unload(l);
}

static void no_honest_mx_has_these(void **state)
{
	static const struct {
		const char *ip;
		bool denied, denied_private;
	} cases[] = {
		{ "127.0.0.1", true, true },
		{ "127.1.2.3", true, true },
		{ "0.0.0.0", true, true },
		{ "::1", true, true },
		{ "::", true, true },
		{ "::ffff:127.0.0.1", true, true },
		{ "::ffff:8.8.8.8", true, true },
		{ "169.254.169.254", true, true },
		{ "192.0.0.192", true, true },
		{ "fe80::1", true, true },
		{ "224.0.0.1", true, true },
		{ "255.255.255.255", true, true },
		{ "ff02::1", true, true },
		{ "::127.0.0.1", true, true },
		{ "fec0::1", true, true },
		{ "10.1.2.3", false, true },
		{ "172.16.0.1", false, true },
		{ "172.31.255.255", false, true },
		{ "192.168.1.1", false, true },
		{ "100.64.0.1", false, true },
		{ "100.127.255.255", false, true },
		{ "198.18.0.1", false, true },
		{ "fc00::1", false, true },
		{ "fdff::1", false, true },
		{ "172.32.0.1", false, false },
		{ "100.128.0.1", false, false },
		{ "192.0.2.1", false, false },
		{ "2001:db8::1", false, false },
		{ "fe00::1", false, false },
		{ "126.255.255.255", false, false },
		{ "1.0.0.0", false, false },
	};
	struct loaded *open = load("");
	struct loaded *closed = load("smtp_deny_private_networks = yes\n");
	struct loaded *none = load("smtp_deny_networks =\n");

	(void)state;
	assert_int_equal(none->p.smtp_deny_networks.count, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct addr a = ip(cases[i].ip);

		if (params_nets_contain(&open->p.smtp_deny_networks, &a) != cases[i].denied ||
		    params_nets_contain(&closed->p.smtp_deny_networks, &a) != cases[i].denied_private)
			fail_msg("%s", cases[i].ip);
	}
	unload(open);
	unload(closed);
	unload(none);
}

static void check_description(const struct param_description *d, void *context)
{
	unsigned *count = context;

	assert_true(strlen(d->name) > 0 && strlen(d->help) > 0);
	assert_int_equal(d->form[0] == '\0', d->is_heading);
	assert_true(d->is_heading || d->help[strlen(d->help) - 1] == '.');
	*count += !d->is_heading;
}

static void hear_name(const struct param_description *d, void *context)
{
	struct str *s = context;

	if (d->is_heading)
		return;
	str_add_char(s, ' ');
	str_add_cstr(s, d->name);
}

static void every_parameter_is_described_once(void **state)
{
	static char names[16384];
	struct str s = STR(names);
	unsigned count = 0;

	(void)state;
	params_describe(check_description, &count);
	assert_true(count > 90);
	params_describe(hear_name, &s);
	str_add_char(&s, ' ');
	assert_false(str_is_full(&s));
	str_cstr(&s);
	for (struct slice rest = str_slice(&s), name; (name = conf_list_next(&rest)).len > 0;) {
		char again[128];

		(void)snprintf(again, sizeof(again), " %.*s ", SLICE_FMT(name));	/* fits */
		const char *first = strstr(names, again);

		assert_non_null(first);
		if (strstr(first + 1, again) != NULL)
			fail_msg("two rows for%s", again);
	}
}

static void tables_open(void **state)
{
	struct loaded *l = load("smtp_reply_filter = inline:{a=b, A=c} static:x\n"
				"debug_peer_list = example.com, !192.0.2.0/24\n");
	struct table_set *set = table_set_new();
	char storage[16];
	struct str value = STR(storage);

	(void)state;
	assert_null(l->p.smtp_reply_filter);
	assert_int_equal(params_open_tables(&l->p, l->conf, set, hear, l), 0);
	assert_string_equal(l->said, "main.cf:1: smtp_reply_filter: {a=b, A=c}: \"a\" is there twice; the first one counts\n");
	assert_int_equal(maps_find(l->p.smtp_reply_filter, SLICE("a"), 0, &value), 1);
	assert_string_equal(str_cstr(&value), "b");
	assert_int_equal(mlist_match_host(l->p.debug_peer_list, SLICE("a.example.com"), NULL, true), 1);
	assert_null(l->p.smtp_dns_reply_filter);
	params_close_tables(&l->p);
	table_set_free(&set);
	unload(l);
}

static void tables_are_refused(void **state)
{
	struct loaded *l = load("smtp_reply_filter = /some/file\ndebug_peer_list = /does/not/exist\n");
	struct table_set *set = table_set_new();

	(void)state;
	assert_int_equal(params_open_tables(&l->p, l->conf, set, NULL, NULL), 2);
	conf_errors(l->conf, hear, l);
	assert_non_null(strstr(l->said, "main.cf:1: smtp_reply_filter = /some/file: '/some/file' is not a table; expected type:"));
	assert_non_null(strstr(l->said, "main.cf:2: debug_peer_list = /does/not/exist: /does/not/exist: No such file or directory; "
					"expected a list of words, /file or type:name, each with or without ! in front\n"));
	params_close_tables(&l->p);
	table_set_free(&set);
	unload(l);
}

static void remarks_are_made(void **state)
{
	struct loaded *l = load("");

	(void)state;
	params_remarks(l->conf, hear, l);
	assert_string_equal(l->said, "");
	unload(l);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("an empty main.cf loads all defaults", defaults_load),
		CLAIM("every kind of value loads (cases 1, 14, 20, 21)", values_load),
		CLAIM("each wrong value gives one error with its line and the accepted form",
		      each_wrong_value_is_one_error),
		CLAIM("all wrong values are reported at once", all_errors_come_at_once),
		CLAIM("a host name without a domain gets one", host_names_without_domain),
		CLAIM("old names are the defaults of new ones (case 10)", old_names_are_defaults),
		CLAIM("whether DNS is asked is one field, the new name wins (case 72)", dns_support_is_one_field),
		CLAIM("only names without an effect are unused (case 9)", only_unknown_names_are_unused),
		CLAIM("addresses no honest MX has are denied, private ones on request (NET-01)",
		      no_honest_mx_has_these),
		CLAIM("values that are tables open apart from the rest, with warnings", tables_open),
		CLAIM("tables that do not open are errors like all others", tables_are_refused),
		CLAIM("nothing is remarked about an empty main.cf", remarks_are_made),
		CLAIM("every parameter is described, and has one row", every_parameter_is_described_once),
	};

	return cmocka_run_group_tests_name("net/params", claims, NULL, NULL);
}
