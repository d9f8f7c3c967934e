/* What is set by one parameter and meant by another; what is accepted and does nothing. */
#include "tests/unit/net/loaded.h"

/* Every parameter of the seed page with its default there; process_id and process_name cannot be set. */
static const char seed_page[] =
		"ignore_mx_lookup_error = no\n"
		"smtp_always_send_ehlo = yes\n"
		"smtp_never_send_ehlo = no\n"
		"smtp_cname_overrides_servername = yes\n"
		"smtp_defer_if_no_mx_address_found = no\n"
		"smtp_line_length_limit = 990\n"
		"smtp_pix_workaround_delay_time = 10s\n"
		"smtp_pix_workaround_threshold_time = 500s\n"
		"smtp_quote_rfc821_envelope = yes\n"
		"smtp_skip_5xx_greeting = yes\n"
		"smtp_skip_quit_response = yes\n"
		"smtp_skip_4xx_greeting = yes\n"
		"smtp_discard_ehlo_keyword_address_maps = \n"
		"smtp_discard_ehlo_keywords = \n"
		"smtp_generic_maps = \n"
		"disable_mime_output_conversion = no\n"
		"mime_boundary_length_limit = 2048\n"
		"mime_nesting_limit = 100\n"
		"smtp_send_xforward_command = no\n"
		"smtp_sasl_auth_enable = no\n"
		"smtp_sasl_password_maps = \n"
		"smtp_sasl_security_options = noplaintext, noanonymous\n"
		"smtp_sasl_mechanism_filter = \n"
		"smtp_use_tls = no\n"
		"smtp_enforce_tls = no\n"
		"smtp_sasl_tls_security_options = $smtp_sasl_security_options\n"
		"smtp_starttls_timeout = 300s\n"
		"smtp_tls_CAfile = \n"
		"smtp_tls_CApath = \n"
		"smtp_tls_cert_file = \n"
		"smtp_tls_cipherlist = \n"
		"smtp_tls_dcert_file = \n"
		"smtp_tls_dkey_file = $smtp_tls_dcert_file\n"
		"smtp_tls_enforce_peername = yes\n"
		"smtp_tls_key_file = $smtp_tls_cert_file\n"
		"smtp_tls_loglevel = 0\n"
		"smtp_tls_note_starttls_offer = no\n"
		"smtp_tls_per_site = \n"
		"smtp_tls_scert_verifydepth = 5\n"
		"smtp_tls_session_cache_database = \n"
		"smtp_tls_session_cache_timeout = 3600s\n"
		"tls_daemon_random_bytes = 32\n"
		"smtp_destination_concurrency_limit = $default_destination_concurrency_limit\n"
		"smtp_destination_recipient_limit = $default_destination_recipient_limit\n"
		"smtp_connect_timeout = 30s\n"
		"smtp_helo_timeout = 300s\n"
		"smtp_xforward_timeout = 300s\n"
		"smtp_mail_timeout = 300s\n"
		"smtp_rcpt_timeout = 300s\n"
		"smtp_data_init_timeout = 120s\n"
		"smtp_data_xfer_timeout = 180s\n"
		"smtp_data_done_timeout = 600s\n"
		"smtp_quit_timeout = 300s\n"
		"smtp_mx_address_limit = 0\n"
		"smtp_mx_session_limit = 2\n"
		"smtp_rset_timeout = 20s\n"
		"smtp_connection_cache_destinations = \n"
		"smtp_connection_cache_on_demand = yes\n"
		"smtp_connection_cache_reuse_limit = 10\n"
		"smtp_connection_cache_time_limit = 2s\n"
		"debug_peer_level = 2\n"
		"debug_peer_list = \n"
		"error_notice_recipient = postmaster\n"
		"notify_classes = resource, software\n"
		"best_mx_transport = \n"
		"config_directory = /etc/ringpost\n"
		"daemon_timeout = 18000s\n"
		"disable_dns_lookups = no\n"
		"fallback_relay = \n"
		"inet_interfaces = all\n"
		"inet_protocols = ipv4\n"
		"ipc_timeout = 3600s\n"
		"max_idle = 100s\n"
		"max_use = 100\n"
		"proxy_interfaces = \n"
		"smtp_bind_address = \n"
		"smtp_bind_address6 = \n"
		"smtp_helo_name = $myhostname\n"
		"smtp_host_lookup = dns\n"
		"smtp_randomize_addresses = yes\n"
		"syslog_facility = mail\n"
		"syslog_name = postfix\n";

static void seed_page_is_accepted(void **state)
{
	struct loaded *l = load(seed_page);

	(void)state;
	assert_string_equal(l->said, "");
	assert_int_equal(l->errors, 0);
	conf_unused(l->conf, hear, l);
	assert_string_equal(l->said, "");
	params_remarks(l->conf, hear, l);
	for (const char *line = l->said; *line != '\0';) {	/* at most one line for each of them */
		const char *end = strchr(line, '\n'), *name = strchr(line, ' ');
		char wanted[80];

		assert_non_null(end);
		assert_non_null(name);
		(void)snprintf(wanted, sizeof(wanted), "%.*s", (int)strcspn(name + 1, ":") + 2, name);
		assert_null(strstr(end, wanted));
		line = end + 1;
	}
	unload(l);
}

struct rule {
	const char *text;
	const char *error;	/* a part of it; NULL: none */
};

static void wrong_values_stop_the_start(void **state)
{
	static const struct rule rules[] = {
		{ "smtp_line_length_limit = -1\n", "smtp_line_length_limit = -1: not a number" },	/* case 5 */
		{ "smtp_line_length_limit = 1\n", "smtp_line_length_limit = 1: no room for anything" },
		{ "smtp_line_length_limit = 0\n", NULL },
		{ "smtp_line_length_limit = 990\n", NULL },
		{ "lmtp_line_length_limit = 1\n", "lmtp_line_length_limit = 1: no room for anything" },
		{ "smtp_sasl_auth_enable = yes\n", "there are no credentials" },		/* case 11 */
		{ "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = static:a:b\n", NULL },
		{ "smtp_tls_security_level = strong\n", "'strong' is not one of the words" },	/* case 12 */
		{ "smtp_sasl_type = dovecot\n", "there is no such implementation; expected cyrus" },
		{ "lmtp_sasl_type = cyrus\nsmtp_sasl_type = CYRUS\n", NULL },
		{ "smtp_sasl_security_options = noplain\n", "'noplain' is not one of the words" },
		{ "notify_classes = bounce, nosuch\n", "'nosuch' is not one of the words" },
		{ "lmtp_tcp_port = x\n", "lmtp_tcp_port = x: not in known_tcp_ports" },
		{ "smtp_bind_address = host.example\n", "not a numeric address" },		/* case 13 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		struct loaded *l = load(rules[i].text);

		assert_int_equal(l->errors, rules[i].error != NULL);
		if (rules[i].error != NULL)
			assert_non_null(strstr(l->said, rules[i].error));
		unload(l);
	}
}

static void old_switches_make_a_level(void **state)
{
	static const struct {
		const char *text;
		enum param_tls_level level;
	} cases[] = {
		{ "", TLS_LEVEL_MAY },
		{ "smtp_tls_security_level =\n", TLS_LEVEL_NONE },
		{ "smtp_use_tls = yes\n", TLS_LEVEL_MAY },						/* case 17 */
		{ "smtp_use_tls = no\n", TLS_LEVEL_NONE },
		{ "smtp_enforce_tls = yes\n", TLS_LEVEL_VERIFY },					/* case 18 */
		{ "smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no\n", TLS_LEVEL_ENCRYPT },
		{ "smtp_enforce_tls = yes\nsmtp_tls_security_level = may\n", TLS_LEVEL_MAY },	/* case 19 */
		{ "smtp_tls_security_level = dane-only\n", TLS_LEVEL_DANE_ONLY },
		{ "smtp_tls_security_level = secure\n", TLS_LEVEL_SECURE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *l = load(cases[i].text);

		assert_int_equal(l->errors, 0);
		assert_int_equal(l->p.smtp_tls_security_level, cases[i].level);
		assert_int_equal(l->lmtp.smtp_tls_security_level, TLS_LEVEL_NONE);
		unload(l);
	}
	assert_int_equal(params_tls_level(TLS_LEVEL_BY_OLD_NAMES, true, true, true), TLS_LEVEL_VERIFY);
	assert_int_equal(params_tls_level(TLS_LEVEL_BY_OLD_NAMES, false, false, true), TLS_LEVEL_NONE);
	assert_int_equal(params_tls_level(TLS_LEVEL_DANE, true, true, true), TLS_LEVEL_DANE);
}

static void lmtp_has_its_own_values(void **state)
{
	struct loaded *l = load("smtp_connect_timeout = 7s\n"
				"lmtp_lhlo_timeout = 8s\n"
				"smtp_helo_name = smtp.example\n"
				"lmtp_sasl_security_options = noactive\n"
				"lmtp_destination_recipient_limit = 3\n"
				"lmtp_tls_cert_file = /x\n"
				"smtp_always_send_ehlo = no\n"
				"fallback_relay = relay.example\n");

	(void)state;
	assert_string_equal(l->said, "");
	assert_false(l->p.is_lmtp);
	assert_true(l->lmtp.is_lmtp);
	assert_int_equal(l->p.smtp_connect_timeout_ns, 7 * NS_PER_SEC);
	assert_int_equal(l->lmtp.smtp_connect_timeout_ns, 0);
	assert_int_equal(l->p.smtp_helo_timeout_ns, 300 * NS_PER_SEC);
	assert_int_equal(l->lmtp.smtp_helo_timeout_ns, 8 * NS_PER_SEC);
	assert_string_equal(l->lmtp.smtp_helo_name, "mail.example.org");
	assert_int_equal(l->p.smtp_tcp_port, 25);
	assert_int_equal(l->lmtp.smtp_tcp_port, 24);
	assert_string_equal(l->p.smtp_fallback_relay, "relay.example");
	assert_string_equal(l->lmtp.smtp_fallback_relay, "");
	assert_int_equal(l->p.smtp_destination_recipient_limit, 50);
	assert_int_equal(l->lmtp.smtp_destination_recipient_limit, 3);
	assert_int_equal(l->lmtp.smtp_sasl_tls_verified_security_options, 2);	/* by two references to lmtp names */
	assert_string_equal(l->lmtp.smtp_tls_key_file, "/x");
	assert_false(l->lmtp.smtp_always_send_ehlo);
	assert_int_equal(l->lmtp.queue_run_delay_ns, l->p.queue_run_delay_ns);
	conf_unused(l->conf, hear, l);
	assert_string_equal(l->said, "");
	unload(l);
}

static void old_limits_count(void **state)
{
	static const struct {
		const char *text;
		uint32_t limit;
	} cases[] = {
		{ "", 0 },
		{ "smtp_connection_cache_reuse_limit = 10\n", 10 },
		{ "smtp_connection_cache_reuse_limit = 10\nsmtp_connection_reuse_count_limit = 7\n", 7 },
		{ "smtp_connection_cache_reuse_limit = 5\nsmtp_connection_reuse_count_limit = 7\n", 5 },
		{ "smtp_connection_cache_reuse_limit = 0\nsmtp_connection_reuse_count_limit = 7\n", 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *l = load(cases[i].text);

		assert_int_equal(l->p.smtp_connection_reuse_count_limit, cases[i].limit);
		assert_int_equal(l->lmtp.smtp_connection_reuse_count_limit, 0);
		unload(l);
	}
}

static void what_does_nothing_is_said_once(void **state)
{
	struct loaded *l = load("smtp_tls_security_level = encrypt\n"
				"lmtp_use_tls = yes\n"
				"max_use = 100\n"
				"max_idle = 1s\n"
				"fallback_relay = x\n"
				"smtp_sasl_type = Cyrus\n");

	(void)state;
	params_remarks(l->conf, hear, l);
	assert_string_equal(l->said,
		"main.cf:2: lmtp_use_tls: obsolete, use smtp_tls_security_level\n"
		"main.cf:5: fallback_relay: obsolete, use smtp_fallback_relay\n"
		"main.cf:4: max_idle: accepted, and has no function here\n");
	unload(l);
}

static void directories_have_no_effect(void **state)
{
	struct loaded *l = load("config_directory = /a\nhtml_directory = no\nreadme_directory = /b\ntls_daemon_random_bytes = 8\n");

	(void)state;
	assert_int_equal(l->errors, 0);
	conf_unused(l->conf, hear, l);
	assert_string_equal(l->said, "");
	assert_string_equal(l->p.config_directory, "/a");
	unload(l);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("every parameter of the seed page is accepted with its default there (case 16)", seed_page_is_accepted),
		CLAIM("wrong values stop the start (cases 5, 11, 12, 13)", wrong_values_stop_the_start),
		CLAIM("the old TLS switches make a level where none is set (cases 17-19)", old_switches_make_a_level),
		CLAIM("every smtp_ name has an lmtp_ twin with its own default", lmtp_has_its_own_values),
		CLAIM("the old limit of reuse counts when it is set", old_limits_count),
		CLAIM("what does nothing is said in one line each", what_does_nothing_is_said_once),
		CLAIM("where documentation lies has no effect (case 23)", directories_have_no_effect),
	};
	return cmocka_run_group_tests_name("net/params_rules", claims, NULL, NULL);
}
