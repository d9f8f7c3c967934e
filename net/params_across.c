/* params_across.c - what parameters say together: contradictions, old names beside new ones */
#include "net/params_impl.h"

#include "core/log.h"

/* What may stand behind EHLO and in a Received field: a host name, or an address literal. */
static void check_hostname(struct conf *conf, const char *name, const char *value)
{
	struct slice s = params_without_brackets(slice_of_str(value));

	for (size_t i = 0; i < s.len; i++) {
		char c = ascii_lower(s.ptr[i]);

		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' ||
		    (c == ':' && s.len < strlen(value)))
			continue;
		conf_error(conf, name, "not a host name",
			   "letters, digits, '-' and '.', or an [address literal]");
		return;
	}
	if (s.len > 255)
		conf_error(conf, name, "too long", "at most 255 octets");
}

static void add_private_networks(struct params *p, struct conf *conf)
{
	struct slice rest = SLICE(PARAM_PRIVATE_NETWORKS);
	struct param_nets nets = p->smtp_deny_networks;
	/* No network is shorter than one octet of text. */
	struct addr_net *list = conf_alloc(conf, (nets.count + rest.len) * sizeof(*list));

	if (list == NULL)
		return;
	for (unsigned i = 0; i < nets.count; i++)
		list[i] = nets.list[i];
	for (struct slice item; (item = conf_list_next(&rest)).len > 0; nets.count++)
		ASSERT(addr_net_parse(item, &list[nets.count]) == 0);
	nets.list = list;
	p->smtp_deny_networks = nets;
}

/* A line of one octet has no room for anything but the blank that begins a broken one (case 5). */
static void check_content(struct params *p, struct conf *conf)
{
	if (p->smtp_service_flags[strspn(p->smtp_service_flags, "DORX")] != '\0')
		conf_error(conf, p->is_lmtp ? "lmtp_service_flags" : "smtp_service_flags", "no such flag",
			   "letters out of D, O, R and X, with nothing between them");
	if (p->smtp_line_length_limit == 1)
		conf_error(conf, p->is_lmtp ? "lmtp_line_length_limit" : "smtp_line_length_limit", "no room for anything",
			   "a number above 1, or 0 for no limit");
}

static void check_sasl(struct params *p, struct conf *conf)
{
	const char *maps = conf_get(conf, p->is_lmtp ? "lmtp_sasl_password_maps" : "smtp_sasl_password_maps");

	if (p->smtp_sasl_auth_enable && (maps == NULL || maps[0] == '\0'))
		conf_error(conf, p->is_lmtp ? "lmtp_sasl_auth_enable" : "smtp_sasl_auth_enable",
			   "there are no credentials", "credentials in smtp_sasl_password_maps");
	if (!slice_eq_nocase(slice_of_str(p->smtp_sasl_type), SLICE("cyrus")))
		conf_error(conf, p->is_lmtp ? "lmtp_sasl_type" : "smtp_sasl_type", "there is no such implementation", "cyrus");
	if (strlen(p->smtp_sasl_password_result_delimiter) > 1)
		conf_error(conf, p->is_lmtp ? "lmtp_sasl_password_result_delimiter" : "smtp_sasl_password_result_delimiter",
			   "more than a character", "one character");
}

enum param_tls_level params_tls_level(enum param_tls_level level, bool use, bool enforce, bool enforce_peername)
{
	if (level != TLS_LEVEL_BY_OLD_NAMES)
		return level;
	if (enforce)
		return enforce_peername ? TLS_LEVEL_VERIFY : TLS_LEVEL_ENCRYPT;
	return use ? TLS_LEVEL_MAY : TLS_LEVEL_NONE;
}

/* What it names is not opened; but who wrote a path meant a file, and none there will be (net/params_table_tls.h). */
static void check_sessions(const struct params *p, struct conf *conf)
{
	const char *name = p->is_lmtp ? "lmtp_tls_session_cache_database" : "smtp_tls_session_cache_database";
	struct slice value = slice_of_str(p->smtp_tls_session_cache_database);

	if (value.len > 0 && slice_find_char(value, 0, ':') <= 0)
		conf_error(conf, name, "not the name of a table", "type:name, such as btree:/var/lib/postfix/smtp_scache");
}

/* The default of the level is "may"; whoever sets an old switch and not the level means the switch (P 3.1). */
static void check_tls(struct params *p, struct conf *conf)
{
	static const char *const old[2][3] = {
		{ "smtp_use_tls", "smtp_enforce_tls", "smtp_tls_enforce_peername" },
		{ "lmtp_use_tls", "lmtp_enforce_tls", "lmtp_tls_enforce_peername" },
	};

	if (!conf_is_set(conf, p->is_lmtp ? "lmtp_tls_security_level" : "smtp_tls_security_level"))
		for (size_t i = 0; i < ARRAY_LEN(old[0]); i++)
			if (conf_is_set(conf, old[p->is_lmtp][i]))
				p->smtp_tls_security_level = TLS_LEVEL_BY_OLD_NAMES;
	p->smtp_tls_security_level = params_tls_level(p->smtp_tls_security_level, p->smtp_use_tls,
						      p->smtp_enforce_tls, p->smtp_tls_enforce_peername);
}

static void check_listener(const struct params *p, struct conf *conf)
{
	const bool encrypts = p->smtpd_tls_security_level != INJECT_TLS_NONE;

	if ((encrypts || p->inject_smtps_listen.count > 0) && p->smtpd_tls_cert_file[0] == '\0')
		conf_error(conf, encrypts ? "smtpd_tls_security_level" : "inject_smtps_listen", "there is no certificate",
			   "a certificate in smtpd_tls_cert_file");
	if (p->smtpd_sasl_auth_enable && p->inject_smtp_password_file[0] == '\0')
		conf_error(conf, "smtpd_sasl_auth_enable", "there are no users", "users in inject_smtp_password_file");
}

/* "name" or "name:next hop". */
static struct slice transport_name(const struct params *p)
{
	struct slice value = slice_of_str(p->default_transport);
	ptrdiff_t colon = slice_find_char(value, 0, ':');

	return colon < 0 ? value : slice_head(value, (size_t)colon);
}

bool params_wants_lmtp(const struct params *p)
{
	return slice_eq(transport_name(p), SLICE("lmtp"));
}

struct slice params_next_hop(const struct params *p)
{
	struct slice rest = slice_of_str(p->default_transport);

	slice_skip(&rest, MIN(rest.len, transport_name(p).len + 1));
	rest = slice_trim(rest);
	return rest.len > 0 ? rest : slice_of_str(p->relayhost);
}

static void check_transport(struct params *p, struct conf *conf)
{
	if (!params_wants_lmtp(p) && !slice_eq(transport_name(p), SLICE("smtp")))
		conf_error(conf, "default_transport", "no such transport here",
			   "smtp or lmtp, alone or with a colon and a next hop");
	if (params_next_hop(p).len > PARAM_NEXT_HOP_MAX)
		conf_error(conf, strchr(p->default_transport, ':') != NULL ? "default_transport" : "relayhost",
			   "too long", "a next hop of at most 320 octets");
}

static void check_reuse(struct params *p, struct conf *conf)
{
	const char *old_name = p->is_lmtp ? "lmtp_connection_cache_reuse_limit" : "smtp_connection_cache_reuse_limit";
	uint32_t old = p->smtp_connection_cache_reuse_limit, limit = p->smtp_connection_reuse_count_limit;

	if (conf_is_set(conf, old_name) && old > 0 && (limit == 0 || old < limit))
		p->smtp_connection_reuse_count_limit = old;
	p->smtp_connection_cache_time_limit_ns =
		min_u64(p->smtp_connection_cache_time_limit_ns, p->connection_cache_ttl_limit_ns);
}

void params_check_across(struct params *p, struct conf *conf)
{
	if (p->smtp_deny_private_networks)
		add_private_networks(p, conf);
	if (p->minimal_backoff_time_ns > p->maximal_backoff_time_ns && p->maximal_backoff_time_ns != 0) {
		bool theirs = conf_is_set(conf, "maximal_backoff_time");

		conf_error(conf, theirs ? "maximal_backoff_time" : "minimal_backoff_time",
			   theirs ? "less than minimal_backoff_time" : "more than maximal_backoff_time",
			   "minimal_backoff_time to be the smaller one");
	}
	check_hostname(conf, "myhostname", p->myhostname);
	check_hostname(conf, "mydomain", p->mydomain);
	check_hostname(conf, p->is_lmtp ? "lmtp_lhlo_name" : "smtp_helo_name", p->smtp_helo_name);
	if (p->syslog_facility[0] != '\0' && !log_facility_is_known(p->syslog_facility))
		conf_error(conf, "syslog_facility", "no such facility",
			   "mail, daemon, user, local0 to local7, ...");

	check_content(p, conf);
	check_sasl(p, conf);
	check_tls(p, conf);
	check_listener(p, conf);
	check_sessions(p, conf);
	check_reuse(p, conf);
	check_transport(p, conf);
	uint32_t both = INET_PROTOCOL_IPV4 | INET_PROTOCOL_IPV6;

	if (p->smtp_dns_support_level == DNS_SUPPORT_BY_OLD_NAME)
		p->smtp_dns_support_level = p->disable_dns_lookups ? DNS_SUPPORT_DISABLED : DNS_SUPPORT_ENABLED;
	if (p->inet_protocols & ~both)	/* "all" is the third word */
		p->inet_protocols = both;
}
