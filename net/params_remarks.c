/* params_remarks.c - what to say of a parameter that somebody has set, and that does not do what its name promises
 *
 * A row goes when the effect comes. What equals the default is not worth a remark, but for the obsolete.
 */
#include "net/params_impl.h"

#define PENDING		"no effect yet"
#define ELSEWHERE	"accepted, and has no function here"
#define CIPHERS		"no effect: the library has no weak cipher, and all grades but null are one"
#define GONE		"obsolete, and has no function"

static const struct {
	const char *name;
	const char *remark;
	bool always;		/* also when the value is the default */
} remarks[] = {
	/* the client */
	{ "smtp_address_verify_target", PENDING, false },
	{ "lmtp_assume_final", PENDING, false },
	/* TLS */
	{ "smtp_use_tls", "obsolete, use smtp_tls_security_level", true },
	{ "smtp_enforce_tls", "obsolete, use smtp_tls_security_level", true },
	{ "smtp_tls_enforce_peername", "obsolete, use smtp_tls_security_level", true },
	{ "smtp_tls_per_site", "obsolete, use smtp_tls_policy_maps, which wins", true },
	{ "smtp_tls_loglevel_maps", PENDING, false },
	{ "requiretls_redact_dsn", PENDING, false },
	{ "requiretls_esmtp_header", PENDING, false },
	{ "smtp_tlsrpt_socket_name", "no collector is needed: reports are made here", false },
	{ "tls_dane_digest_agility", GONE, true },
	{ "tls_dane_trust_anchor_digest_enable", GONE, true },
	{ "smtp_tls_enable_rpk", ELSEWHERE, false },
	{ "smtp_tls_eccert_file", "one certificate can be shown: that of smtp_tls_cert_file, if it is set", false },
	{ "smtp_tls_dcert_file", "obsolete, use smtp_tls_chain_files; no effect", true },
	{ "smtp_tls_dkey_file", "obsolete, use smtp_tls_chain_files; no effect", true },
	{ "smtp_tls_chain_files", "only the first file counts, and nothing of smtp_tls_cert_file and its kind", false },
	{ "smtp_tls_cipherlist", "obsolete, use smtp_tls_mandatory_ciphers", true },
	{ "tls_high_cipherlist", CIPHERS, false },
	{ "tls_medium_cipherlist", CIPHERS, false },
	{ "tls_null_cipherlist", CIPHERS, false },
	{ "tls_low_cipherlist", GONE, true },
	{ "tls_export_cipherlist", GONE, true },
	{ "tls_fast_shutdown_enable", PENDING, false },
	{ "tls_daemon_random_bytes", "obsolete: the TLS library asks the kernel", true },
	{ "smtp_tls_trace_size_limit", ELSEWHERE, false },
	{ "tls_trace_rate_limit", ELSEWHERE, false },
	{ "tls_disable_workarounds", ELSEWHERE, false },
	{ "tls_ssl_options", ELSEWHERE, false },
	{ "tls_config_file", ELSEWHERE, false },
	{ "tls_config_name", ELSEWHERE, false },
	{ "tls_wildcard_matches_multiple_labels", ELSEWHERE, false },
	{ "tlsmgr_service_name", ELSEWHERE, false },
	{ "tlsproxy_service_name", ELSEWHERE, false },
	/* authentication */
	{ "smtp_sasl_path", ELSEWHERE, false },
	/* old names with an effect (P 3.5) */
	{ "fallback_relay", "obsolete, use smtp_fallback_relay", true },
	{ "disable_dns_lookups", "obsolete, use smtp_dns_support_level", true },
	{ "smtp_per_record_deadline", "obsolete, use smtp_per_request_deadline", true },
	{ "smtp_connection_cache_reuse_limit", "obsolete, use smtp_connection_reuse_count_limit", true },
	{ "smtp_cname_overrides_servername", "obsolete", true },
	{ "smtp_skip_4xx_greeting", "obsolete", true },
	/* what Postfix has, and we have not */
	{ "cleanup_replace_stray_cr_lf", ELSEWHERE, false },
	{ "smtputf8_autodetect_classes", ELSEWHERE, false },
	{ "internal_mail_filter_classes", ELSEWHERE, false },
	{ "header_from_format", ELSEWHERE, false },
	{ "ipc_timeout", ELSEWHERE, false },
	{ "max_idle", ELSEWHERE, false },
	{ "max_use", ELSEWHERE, false },
	{ "connection_cache_protocol_timeout", ELSEWHERE, false },
	{ "tcp_windowsize", ELSEWHERE, false },
};

const char *param_remark(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(remarks); i++)
		if (strcmp(remarks[i].name, name) == 0)
			return remarks[i].remark;
	return "";
}

static const struct param_row *find_row(const char *name)
{
	for (size_t i = 0; i < param_row_count; i++)
		if (strcmp(param_rows[i].name, name) == 0)
			return &param_rows[i];
	UNREACHABLE();
}

/* Does the value say no more than the default? Only what the default spells out is compared. */
static bool says_nothing_new(struct conf *conf, const char *name, const struct param_row *row)
{
	const char *value = conf_get(conf, name);

	return value != NULL && slice_eq_nocase(slice_trim(slice_of_str(value)), slice_of_str(row->def));
}

static void remark(struct conf *conf, const char *name, const char *text, params_line_fn *fn, void *context)
{
	char storage[512];
	struct str line = STR(storage);

	str_add_cut(&line, slice_of_str(conf_where(conf, name)), 200);
	line.full = false;	/* a path that had to be cut still gets its remark */
	str_printf(&line, ": %s: %s", name, text);
	fn(str_cstr(&line), context);
}

void params_remarks(struct conf *conf, params_line_fn *fn, void *context)
{
	for (size_t i = 0; i < ARRAY_LEN(remarks); i++) {
		const struct param_row *row = find_row(remarks[i].name);
		char storage[PARAM_NAME_MAX];
		struct str twin_storage = STR(storage);
		const char *twin = param_row_name(row, true, &twin_storage);

		if (conf_is_set(conf, row->name) && (remarks[i].always || !says_nothing_new(conf, row->name, row)))
			remark(conf, row->name, remarks[i].remark, fn, context);
		if (strcmp(twin, row->name) != 0 && conf_is_set(conf, twin) &&
		    (remarks[i].always || !says_nothing_new(conf, twin, row)))
			remark(conf, twin, remarks[i].remark, fn, context);
	}
}
