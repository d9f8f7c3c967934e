/* params_twins.c - every smtp_xxx has an lmtp_xxx that is read in its place when we speak LMTP (P 0.4)
 *
 * There is one table of parameters. Here are the rule, and the few that differ from it.
 */
#include "net/params_impl.h"

static const struct {
	const char *name;	/* the row's */
	const char *twin;	/* NULL: by the rule; empty: it has none, and LMTP reads the same */
	const char *def;	/* NULL: by the rule */
} exceptions[] = {
	{ "smtp_always_send_ehlo", "", NULL },
	{ "smtp_never_send_ehlo", "", NULL },
	{ "smtp_tls_dane_insecure_mx_policy", "", NULL },
	{ "smtp_helo_name", "lmtp_lhlo_name", NULL },
	{ "smtp_helo_timeout", "lmtp_lhlo_timeout", NULL },
	{ "smtp_discard_ehlo_keywords", "lmtp_discard_lhlo_keywords", NULL },
	{ "smtp_discard_ehlo_keyword_address_maps", "lmtp_discard_lhlo_keyword_address_maps", NULL },
	{ "smtp_tcp_port", NULL, "24" },
	{ "smtp_tls_security_level", NULL, "" },
	{ "smtp_connect_timeout", NULL, "0s" },		/* these two are not in P 0.4; postconf -d says so */
	{ "smtp_skip_quit_response", NULL, "no" },
	{ "smtp_tls_secure_cert_match", NULL, "nexthop" },
	{ "smtp_fallback_relay", NULL, "" },
	{ "smtp_requiretls_policy", NULL, "opportunistic" },
};

static int find_exception(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(exceptions); i++)
		if (strcmp(exceptions[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *param_row_name(const struct param_row *row, bool is_lmtp, struct str *storage)
{
	if (!is_lmtp || !slice_has_prefix(slice_of_str(row->name), SLICE("smtp_")))
		return row->name;
	int i = find_exception(row->name);

	if (i >= 0 && exceptions[i].twin != NULL)
		return exceptions[i].twin[0] != '\0' ? exceptions[i].twin : row->name;
	str_add_cstr(storage, "lmtp");
	str_add_cstr(storage, row->name + strlen("smtp"));
	ASSERT(!str_is_full(storage) && storage->len < storage->cap);
	return str_cstr(storage);
}

/* Where the row's default refers to smtp_xxx, that of the twin refers to lmtp_xxx. */
static const char *twin_default(struct conf *conf, const struct param_row *row)
{
	int i = find_exception(row->name);

	if (i >= 0 && exceptions[i].def != NULL)
		return exceptions[i].def;
	if (strstr(row->def, "$smtp_") == NULL)
		return row->def;
	char *text = conf_alloc(conf, strlen(row->def) + 1);

	if (text == NULL)
		return row->def;	/* the conf has said why */
	memcpy(text, row->def, strlen(row->def) + 1);
	for (char *at = text; (at = strstr(at, "$smtp_")) != NULL; at++)
		at[1] = 'l';
	return text;
}

const char *param_twin_default(struct conf *conf, struct slice name)
{
	if (!slice_has_prefix(name, SLICE("lmtp_")))
		return NULL;
	for (size_t i = 0; i < param_row_count; i++) {
		char storage[PARAM_NAME_MAX];
		struct str twin = STR(storage);
		const char *text = param_row_name(&param_rows[i], true, &twin);

		if (param_rows[i].kind != KIND_HEADING && slice_eq(slice_of_str(text), name))
			return twin_default(conf, &param_rows[i]);
	}
	return NULL;
}
