#include "net/delivery/tls_policy.h"

#include "core/err.h"
#include "core/log.h"
#include "crypto/tls_dane.h"
#include "net/lookup/idna.h"

/* What a policy is made of, while it is being read. */
struct reading {
	const struct params *params;
	const struct tls_policy_peer *peer;
	struct tls_policy *policy;
	struct session_tls *t;
	struct str *why;
	struct str names;	/* t->names: the match list, and the server name behind it */
	struct slice match;	/* of the table: items, the last one wins a place behind the first */
	char match_text[SESSION_TLS_NAMES];
	struct str matches;
	struct slice servername;
	struct slice tlsa_base;	/* empty: the server is not held against TLSA records */
};

static int refuse(struct reading *r, const char *what, struct slice word)
{
	r->why->full = false;
	str_printf(r->why, "TLS policy for %.*s: %s", SLICE_FMT(slice_head(r->peer->text, 200)), what);
	if (word.len > 0) {
		str_add_cstr(r->why, ": ");
		str_add_printable(r->why, word, 100);
	}
	return ERR_SYNTAX;
}

/* --- words ------------------------------------------------------------------------------------ */

static bool is_one_of(char c, const char *dividers)
{
	return strchr(dividers, c) != NULL && c != '\0';
}

/* The next piece between any of the dividers; empty at the end. */
static struct slice next_piece(struct slice *rest, const char *dividers)
{
	size_t n = 0;

	while (rest->len > 0 && is_one_of(rest->ptr[0], dividers))
		slice_skip(rest, 1);
	while (n < rest->len && !is_one_of(rest->ptr[n], dividers))
		n++;
	struct slice piece = slice_head(*rest, n);

	slice_skip(rest, n);
	return piece;
}

static const char *const level_words[] = {
	[TLS_LEVEL_NONE] = "none",	[TLS_LEVEL_MAY] = "may",
	[TLS_LEVEL_ENCRYPT] = "encrypt", [TLS_LEVEL_FINGERPRINT] = "fingerprint",
	[TLS_LEVEL_DANE] = "dane",	[TLS_LEVEL_DANE_ONLY] = "dane-only",
	[TLS_LEVEL_VERIFY] = "verify",	[TLS_LEVEL_SECURE] = "secure",
};

static int find_level(struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(level_words); i++)
		if (slice_eq_nocase(word, slice_of_str(level_words[i])))
			return (int)i;
	return -1;
}

static bool is_literal(struct slice host)
{
	struct addr a;

	return addr_parse_ip(host, 0, &a) == 0;
}

/* Letters, digits, '-', '_' and dots; a name, not a number. */
static bool is_host_name(struct slice name)
{
	return name.len > 0 && name.len <= TLS_NAME_MAX && !is_literal(name) && tls_name_matches(name, name);
}

/* --- the table (P 3.3) ------------------------------------------------------------------------ */

static bool has_match(const struct session_tls *t)
{
	return t->level == TLS_LEVEL_FINGERPRINT || t->level == TLS_LEVEL_VERIFY || t->level == TLS_LEVEL_SECURE;
}

static int take_once(struct reading *r, bool *has, struct slice *to, struct slice name, struct slice value)
{
	if (*has || value.len == 0)
		return refuse(r, value.len == 0 ? "attribute without a value" : "attribute given twice", name);
	*has = true;
	*to = value;
	return 0;
}

static int take_match(struct reading *r, struct slice name, struct slice value)
{
	if (!has_match(r->t) || value.len == 0)
		return refuse(r, value.len == 0 ? "attribute without a value" : "attribute has no meaning at this level",
			      name);
	if (r->matches.len > 0)
		str_add_char(&r->matches, r->t->level == TLS_LEVEL_FINGERPRINT ? '|' : ':');
	str_add(&r->matches, value);
	return r->matches.full ? refuse(r, "too much to match", name) : 0;
}

static int take_servername(struct reading *r, struct slice name, struct slice value)
{
	if (r->servername.len > 0 || !is_host_name(value))
		return refuse(r, "not a server name, or given twice", name);
	r->servername = value;
	return 0;
}

static int take_reuse(struct reading *r, struct slice name, struct slice value)
{
	bool yes = slice_eq_nocase(value, SLICE("yes"));

	if (!yes && !slice_eq_nocase(value, SLICE("no")))
		return refuse(r, "neither yes nor no", name);
	r->policy->reuse = yes;
	return 0;
}

static int take_attribute(struct reading *r, struct slice name, struct slice value)
{
	struct tls_policy *policy = r->policy;

	if (slice_eq_nocase(name, SLICE("ciphers")))
		return take_once(r, &policy->has_ciphers, &policy->ciphers, name, value);
	if (slice_eq_nocase(name, SLICE("protocols")))
		return take_once(r, &policy->has_protocols, &policy->protocols, name, value);
	if (slice_eq_nocase(name, SLICE("exclude")))
		return take_once(r, &policy->has_excluded, &policy->excluded, name, value);
	if (slice_eq_nocase(name, SLICE("match")))
		return take_match(r, name, value);
	if (slice_eq_nocase(name, SLICE("servername")))
		return take_servername(r, name, value);
	if (slice_eq_nocase(name, SLICE("connection_reuse")))
		return take_reuse(r, name, value);
	if (slice_eq_nocase(name, SLICE("enable_rpk")))
		return 0;	/* raw keys are never asked for */
	if (slice_eq_nocase(name, SLICE("tafile")))
		return refuse(r, "attribute that is not built yet", name);
	const char *why;
	int taken = tls_policy_sts_take(&policy->sts, name, value, is_host_name, &why);

	if (taken != 0)
		return taken < 0 ? refuse(r, why, name) : 0;
	return refuse(r, "unknown attribute", name);
}

static int read_attributes(struct reading *r, struct slice rest)
{
	struct slice item;

	while ((item = conf_list_next_braced(&rest)).len > 0) {
		if (item.ptr[0] == '{' && item.ptr[item.len - 1] == '}' && item.len > 2)
			item = slice_trim(slice_of(item.ptr + 1, item.len - 2));
		ptrdiff_t equals = slice_find_char(item, 0, '=');

		if (equals <= 0)
			return refuse(r, "not name=value", item);
		struct slice name = slice_trim(slice_head(item, (size_t)equals));
		struct slice value = slice_of(item.ptr + equals + 1, item.len - (size_t)equals - 1);
		int err = take_attribute(r, name, slice_trim(value));

		if (err < 0)
			return err;
	}
	return 0;
}

/* A policy of MTA-STS says which hosts there are; then each is held against its own name (P 3.3). */
static int finish_attributes(struct reading *r, int err)
{
	const struct tls_policy_sts *sts = &r->policy->sts;
	const char *flaw = tls_policy_sts_flaw(sts);

	if (err < 0 || flaw != NULL)
		return err < 0 ? err : refuse(r, flaw, slice_of("", 0));
	r->t->failure = sts->failure;
	if (sts->type != TLSRPT_STS || sts->pattern_count == 0 || r->matches.len == 0 ||
	    r->t->level < TLS_LEVEL_VERIFY || !r->params->smtp_tls_enforce_sts_mx_patterns)
		return 0;
	str_clear(&r->matches);
	str_add_cstr(&r->matches, "hostname");
	if (!tls_policy_sts_lists(sts, r->peer->host))
		return refuse(r, "a host that its policy does not list", r->peer->host);
	return 0;
}

static int read_entry(struct reading *r, struct slice value)
{
	struct slice rest = value;
	struct slice word = conf_list_next_braced(&rest);
	int level = find_level(word);

	if (level < 0)
		return refuse(r, word.len > 0 ? "unknown level" : "empty", word);
	r->t->level = (enum param_tls_level)level;
	if (level != TLS_LEVEL_NONE)
		return finish_attributes(r, read_attributes(r, rest));
	if (slice_trim(rest).len > 0)
		log_line(LOG_LEVEL_WARNING, "smtp", "TLS policy for %.*s: attributes at level none are ignored",
			 SLICE_FMT(slice_head(r->peer->text, 200)));
	return 0;
}

static int table_error(struct reading *r, const char *parameter, int err)
{
	r->why->full = false;
	str_printf(r->why, "%s: lookup of %.*s failed: %s", parameter, SLICE_FMT(slice_head(r->peer->text, 200)),
		   err_text(err));
	return ERR_TABLE;
}

/* A plain domain is looked for with its parents, ".parent"; anything else only as it stands. */
static int look_up(struct reading *r, struct str *value)
{
	const struct maps *maps = r->params->smtp_tls_policy_maps;
	struct slice key = r->peer->text;
	int found = maps_find(maps, key, 0, value);
	bool is_plain = slice_find_char(key, 0, '[') < 0 && slice_find_char(key, 0, ':') < 0 && !is_literal(key);

	while (found == 0 && is_plain) {
		ptrdiff_t dot = slice_find_char(key, 1, '.');

		if (dot < 0)
			break;
		slice_skip(&key, (size_t)dot);
		found = maps_find(maps, key, TABLE_PARTIAL, value);
	}
	return found;
}

static int ask_policy_maps(struct reading *r)
{
	struct str value = STR(r->policy->value);
	int found = look_up(r, &value);

	/* A lookup error is 4.7.5 here, and 4.3.0 with the old table (cases 260, 270). */
	if (found < 0) {
		(void)table_error(r, "smtp_tls_policy_maps", found);
		return ERR_SYNTAX;
	}
	return found > 0 ? read_entry(r, str_slice(&value)) : 0;
}

/* --- the old table (P 3.2) -------------------------------------------------------------------- */

#define NOT_FOUND (-1)

static int fold(struct reading *r, struct slice word, int *level)
{
	if (slice_eq_nocase(word, SLICE("NONE"))) {
		if (*level == NOT_FOUND || *level == TLS_LEVEL_MAY)
			*level = TLS_LEVEL_NONE;
	} else if (slice_eq_nocase(word, SLICE("MAY"))) {
		if (*level == NOT_FOUND)
			*level = TLS_LEVEL_MAY;
	} else if (slice_eq_nocase(word, SLICE("MUST_NOPEERMATCH"))) {
		*level = MAX(*level, (int)TLS_LEVEL_ENCRYPT);
	} else if (slice_eq_nocase(word, SLICE("MUST"))) {
		*level = MAX(*level, (int)TLS_LEVEL_VERIFY);
	} else {
		return refuse(r, "smtp_tls_per_site: unknown word", word);
	}
	return 0;
}

static int ask_per_site(struct reading *r)
{
	const struct slice keys[2] = { r->peer->text, r->peer->host };
	int level = NOT_FOUND;

	for (unsigned i = 0; i < 2; i++) {
		struct str value = STR(r->policy->value);

		if (i == 1 && slice_eq_nocase(keys[0], keys[1]))
			break;
		int found = maps_find(r->params->smtp_tls_per_site, keys[i], 0, &value);

		if (found < 0)
			return table_error(r, "smtp_tls_per_site", found);
		int err = found > 0 ? fold(r, slice_trim(str_slice(&value)), &level) : 0;

		if (err < 0)
			return err;
	}
	if (level == TLS_LEVEL_MAY && r->t->level > TLS_LEVEL_MAY)
		return 0;
	if (level != NOT_FOUND)
		r->t->level = (enum param_tls_level)level;
	return 0;
}

/* --- names and fingerprints ------------------------------------------------------------------- */

/* Adds to what is there, as A-labels; what is no name matches nothing, and so adds nothing. */
static void add_name(struct reading *r, const char *prefix, struct slice name)
{
	size_t before = r->names.len;

	if (before > 0)
		str_add_char(&r->names, ' ');
	str_add_cstr(&r->names, prefix);
	bool is_ascii = true;

	for (size_t i = 0; i < name.len; i++)
		is_ascii &= (unsigned char)name.ptr[i] < 0x80;
	if (is_ascii)
		str_add(&r->names, name);
	else if (idna_to_ascii(name, r->params->enable_idna2003_compatibility, &r->names) < 0)
		r->names.full = true;
	if (!r->names.full)
		return;
	r->names.len = before;
	r->names.full = false;
}

static void find_names(struct reading *r, const char *from_params)
{
	struct slice rest = r->matches.len > 0 ? str_slice(&r->matches) : slice_of_str(from_params);
	struct slice item;

	while ((item = next_piece(&rest, ":, \t\r\n")).len > 0) {
		if (slice_eq_nocase(item, SLICE("hostname")))
			add_name(r, "", r->peer->host);
		else if (slice_eq_nocase(item, SLICE("nexthop")))
			add_name(r, "", r->peer->domain);
		else if (slice_eq_nocase(item, SLICE("dot-nexthop")))
			add_name(r, ".", r->peer->domain);
		else if (item.ptr[0] == '.')
			add_name(r, ".", slice_of(item.ptr + 1, item.len - 1));
		else
			add_name(r, "", item);
	}
	r->t->check.names = str_slice(&r->names);	/* empty: no name is good enough */
}

static int find_prints(struct reading *r)
{
	struct tls_check *check = &r->t->check;
	struct slice rest = r->matches.len > 0 ? str_slice(&r->matches) :
						 slice_of_str(r->params->smtp_tls_fingerprint_cert_match);
	struct slice item;

	while ((item = next_piece(&rest, "|, \t\r\n")).len > 0 && check->print_count < TLS_PRINTS_MAX) {
		if (tls_print_parse(item, check->digest, &check->prints[check->print_count]) == 0)
			check->print_count++;
		else
			log_line(LOG_LEVEL_WARNING, "smtp", "TLS policy for %.*s: not a fingerprint: %.*s",
				 SLICE_FMT(slice_head(r->peer->text, 200)), SLICE_FMT(slice_head(item, 200)));
	}
	if (item.len > 0)
		return refuse(r, "too many fingerprints", item);
	return check->print_count > 0 ? 0 : refuse(r, "level fingerprint without a fingerprint", slice_of("", 0));
}

static struct slice wanted_servername(const struct reading *r)
{
	struct slice name = r->servername.len > 0 ? r->servername : slice_of_str(r->params->smtp_tls_servername);

	if (r->tlsa_base.len > 0)
		return r->tlsa_base;	/* RFC 7672 8.1 */
	if (slice_eq_nocase(name, SLICE("hostname")))
		return r->peer->host;
	return slice_eq_nocase(name, SLICE("nexthop")) ? r->peer->domain : name;
}

static int find_servername(struct reading *r)
{
	struct slice name = wanted_servername(r);

	if (name.len > 1 && name.ptr[name.len - 1] == '.')
		name.len--;
	if (name.len == 0 || is_literal(name))
		return 0;	/* a number is no name (RFC 6066 3) */
	size_t before = r->names.len;

	add_name(r, "", name);
	size_t skip = before > 0 ? before + 1 : 0;

	if (r->names.len > skip)
		r->t->servername = slice_of(r->names.ptr + skip, r->names.len - skip);
	return is_host_name(r->t->servername) ? 0 : refuse(r, "smtp_tls_servername is no name", name);
}

/* --- the whole -------------------------------------------------------------------------------- */

static void find_log_level(struct session_tls *t, const char *text)
{
	struct slice rest = slice_of_str(text);
	struct slice word;
	uint64_t n;

	while ((word = next_piece(&rest, ", \t\r\n")).len > 0) {
		if (slice_to_u64(word, 9, &n) == 0) {
			t->log_summary |= n >= 1;
			t->log_certificate |= n >= 2;
			t->log_cache |= n >= 2;
		} else if (slice_eq_nocase(word, SLICE("summary")) || slice_eq_nocase(word, SLICE("routine"))) {
			t->log_summary = true;
		} else if (slice_eq_nocase(word, SLICE("peercert")) || slice_eq_nocase(word, SLICE("certmatch"))) {
			t->log_summary = true;
			t->log_certificate = true;
		} else if (slice_eq_nocase(word, SLICE("verbose")) || slice_eq_nocase(word, SLICE("debug"))) {
			t->log_summary = true;
			t->log_certificate = true;
			t->log_cache = true;
		} else if (slice_eq_nocase(word, SLICE("cache"))) {
			t->log_cache = true;
		}
	}
}

/* Names count for issuers only (RFC 7672 3.2.3): the host's, and those of the destination when it named the host. */
static void find_dane_names(struct reading *r, const struct tls_dane *dane)
{
	const struct dane_facts *facts = &r->peer->dane;

	if (!dane->has_issuers)
		return;
	add_name(r, "", r->tlsa_base);
	if (facts->has_list) {
		add_name(r, "", r->peer->domain);
		if (facts->list_owner.len > 0)
			add_name(r, "", facts->list_owner);
	}
	r->t->check.names = str_slice(&r->names);
}

static int refuse_dane(struct reading *r, const char *why)
{
	const struct tlsa_lookup *tlsa = r->peer->dane.tlsa;

	if (tlsa == NULL || tlsa->verdict != TLSA_UNKNOWN)
		return refuse(r, why, r->peer->host);
	r->why->full = false;
	str_printf(r->why, "TLSA lookup error for %.*s: %s", SLICE_FMT(slice_head(r->peer->host, 200)), why);
	return ERR_SYNTAX;
}

static int find_dane(struct reading *r)
{
	const struct tlsa_lookup *tlsa = r->peer->dane.tlsa;
	const char *why;
	bool is_told;
	enum dane_outcome outcome = dane_decide(r->params, r->t->level, &r->peer->dane, &why, &is_told);

	r->policy->told = is_told ? why : NULL;
	switch (outcome) {
	case DANE_ASK:
		return TLS_POLICY_ASK;
	case DANE_WAITS:
		return refuse_dane(r, why);
	case DANE_FALLS_TO_MAY:
		r->t->level = TLS_LEVEL_MAY;
		return 0;
	case DANE_FALLS_TO_ENCRYPT:
		r->t->level = TLS_LEVEL_ENCRYPT;
		return 0;
	case DANE_HALF:
	case DANE_WHOLE:
		r->t->is_half_dane = outcome == DANE_HALF;
		r->t->check.dane = &tlsa->dane;
		r->tlsa_base = tlsa->base;
		find_dane_names(r, &tlsa->dane);
		return 0;
	}
	UNREACHABLE();
}

/* In the place of smtp_tls_CAfile and smtp_tls_CApath. */
static int find_anchors(struct reading *r)
{
	const struct tls_context *context = r->t->context;

	if (context == NULL)
		return 0;	/* no TLS at all: that is said elsewhere */
	if (context->anchors.count == 0)
		return refuse(r, "smtp_tls_trust_anchor_file cannot be used, see the log at start", slice_of("", 0));
	r->t->check.dane = &context->anchors;
	return 0;
}

static int find_details(struct reading *r)
{
	struct session_tls *t = r->t;
	const struct params *p = r->params;
	int err = 0;

	t->check.depth_max = p->smtp_tls_scert_verifydepth;
	t->check.digest = tls_digest_find(slice_of_str(p->smtp_tls_fingerprint_digest));
	if (t->check.digest < 0)
		t->context = NULL;	/* case 237 */
	if (t->level >= TLS_LEVEL_VERIFY && p->smtp_tls_trust_anchor_file[0] != '\0')
		err = find_anchors(r);
	switch (t->level) {
	case TLS_LEVEL_DANE:
	case TLS_LEVEL_DANE_ONLY:
		err = find_dane(r);
		break;
	case TLS_LEVEL_FINGERPRINT:
		err = t->check.digest >= 0 ? find_prints(r) : 0;
		break;
	case TLS_LEVEL_VERIFY:
		find_names(r, p->smtp_tls_verify_cert_match);
		break;
	case TLS_LEVEL_SECURE:
		find_names(r, p->smtp_tls_secure_cert_match);
		break;
	default:
		break;
	}
	if (err == 0)
		err = find_servername(r);
	if (err == 0 && t->is_wrapped && t->level < TLS_LEVEL_ENCRYPT)
		err = refuse(r, "smtp_tls_wrappermode needs the level encrypt or more", slice_of("", 0));
	return err;
}

int tls_policy_find(const struct params *p, const struct tls_policy_peer *peer, struct tls_policy *ret_policy,
		    struct session_tls *t, struct str *why)
{
	struct reading r = { .params = p, .peer = peer, .policy = ret_policy, .t = t, .why = why };
	int err = 0;

	memset(ret_policy, 0, offsetof(struct tls_policy, value));
	ret_policy->reuse = p->smtp_tls_connection_reuse;
	r.names = STR(t->names);
	r.matches = STR(r.match_text);
	t->level = (enum param_tls_level)p->smtp_tls_security_level;
	t->is_wrapped = p->smtp_tls_wrappermode;
	t->note_offer = p->smtp_tls_note_starttls_offer;
	find_log_level(t, p->smtp_tls_loglevel);
	if (peer->is_optional)
		t->level = MIN(t->level, t->is_wrapped ? TLS_LEVEL_ENCRYPT : TLS_LEVEL_MAY);
	else if (p->smtp_tls_policy_maps != NULL)
		err = ask_policy_maps(&r);
	else if (p->smtp_tls_per_site != NULL)
		err = ask_per_site(&r);
	t->asked = t->level;
	if (err < 0)
		return err;
	return t->level == TLS_LEVEL_NONE && !t->is_wrapped ? 0 : find_details(&r);
}

void tls_policy_status(const struct session_tls *t, enum session_state failed, enum session_tls_trouble trouble,
		       struct str *s)
{
	if (t == NULL || t->asked == TLS_LEVEL_NONE) {
		str_add_cstr(s, "none");
		return;
	}
	bool violated = trouble != SESSION_TLS_FINE && t->level > TLS_LEVEL_MAY;
	const char *effective = t->was_on && t->is_half_dane ? "halfdane" :
				level_words[t->was_on ? t->level : TLS_LEVEL_NONE];

	str_printf(s, "%s%s", violated ? "!" : "", level_words[t->asked]);
	if (violated)
		return;
	if (!t->was_on && failed != SESSION_CLOSED)
		str_add_char(s, '?');
	else if (strcmp(effective, level_words[t->asked]) != 0)
		str_printf(s, ":%s", effective);
}

/* What of versions and ciphers the table does not say is the same for all of a process. Nothing of a check may be
 * missing here: a session that is resumed, or used again, is not checked again. */
void tls_policy_key(const struct tls_policy *policy, const struct session_tls *t, struct tls_key *ret_key)
{
	const struct tls_check *check = &t->check;
	struct tls_print dane = { 0 };
	const uint64_t context = t->context != NULL ? t->context->id : 0;
	const uint32_t numbers[] = {
		t->level, t->is_half_dane, t->is_wrapped, policy->has_ciphers, policy->has_protocols,
		policy->has_excluded, check->depth_max, (uint32_t)check->digest, (uint32_t)t->failure,
	};
	const struct slice parts[] = {
		slice_of((const char *)numbers, sizeof(numbers)),
		slice_of((const char *)&context, sizeof(context)),
		policy->ciphers, policy->protocols, policy->excluded, t->servername, check->names,
		slice_of((const char *)check->prints, check->print_count * sizeof(check->prints[0])),
		slice_of((const char *)dane.octets, sizeof(dane.octets)),
	};

	static_assert(sizeof(*check) == sizeof(check->names) + sizeof(check->dane) + 4 * sizeof(uint32_t) +
						TLS_PRINTS_MAX * sizeof(check->prints[0]),
		      "what is new in a check has to be above, too");
	if (check->dane != NULL)
		tls_dane_print(check->dane, &dane);
	tls_key_make(ret_key, parts, ARRAY_LEN(parts));
}

/* --- versions and ciphers --------------------------------------------------------------------- */

/* "TLSv1.2", "0303", "0x0303"; negative when it is none. */
static int find_version(struct slice word)
{
	static const struct {
		const char *name;
		int version;
	} names[] = {
		{ "SSLv2", 0x0002 },   { "SSLv3", 0x0300 },   { "TLSv1", 0x0301 }, { "TLSv1.0", 0x0301 },
		{ "TLSv1.1", 0x0302 }, { "TLSv1.2", 0x0303 }, { "TLSv1.3", 0x0304 },
		{ "0301", 0x0301 },    { "0302", 0x0302 },    { "0303", 0x0303 },  { "0304", 0x0304 },
	};

	if (slice_has_prefix_nocase(word, SLICE("0x")))
		slice_skip(&word, 2);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_eq_nocase(word, slice_of_str(names[i].name)))
			return names[i].version;
	return -1;
}

unsigned tls_policy_versions(struct slice text)
{
	unsigned included = 0, excluded = 0;
	bool only = false;
	struct slice item;

	while ((item = next_piece(&text, ":, \t\r\n")).len > 0) {
		bool least = slice_has_prefix(item, SLICE(">=")), most = slice_has_prefix(item, SLICE("<="));
		bool not = item.ptr[0] == '!';

		slice_skip(&item, least || most ? 2 : not ? 1 : 0);
		int version = find_version(item);

		if (version < 0)
			return 0;
		for (unsigned i = 0; i < 2; i++) {
			int each = 0x0303 + (int)i;

			if ((least && each < version) || (most && each > version) || (not && each == version))
				excluded |= BIT(i);
			if (!least && !most && !not && each == version)
				included |= BIT(i);
		}
		only |= !least && !most && !not;
	}
	return (only ? included : BIT(0) | BIT(1)) & ~excluded;
}

static bool is_grade(struct slice word)
{
	return slice_eq_nocase(word, SLICE("high")) || slice_eq_nocase(word, SLICE("medium")) ||
	       slice_eq_nocase(word, SLICE("low")) || slice_eq_nocase(word, SLICE("export"));
}

/* The library has nothing below high: all grades but null are the same. */
static bool find_ciphers(const struct params *p, const struct tls_policy *policy, struct session_tls *t)
{
	bool mandatory = t->level > TLS_LEVEL_MAY;
	char storage[1024];
	struct str excluded = STR(storage), names = STR(t->ciphers);
	struct slice old = slice_of_str(p->smtp_tls_cipherlist);

	if (policy->has_ciphers && !is_grade(policy->ciphers))
		return false;
	if (!policy->has_ciphers && (mandatory ? p->smtp_tls_mandatory_ciphers : p->smtp_tls_ciphers) == 0)
		return false;	/* null */
	if (policy->has_excluded) {
		str_add(&excluded, policy->excluded);
	} else {
		str_add_cstr(&excluded, p->smtp_tls_exclude_ciphers);
		str_add_char(&excluded, ' ');
		str_add_cstr(&excluded, mandatory ? p->smtp_tls_mandatory_exclude_ciphers : "");
	}
	bool is_old = mandatory && !policy->has_ciphers && old.len > 0;

	if (str_is_full(&excluded) || tls_ciphers_choose(is_old ? &old : NULL, str_slice(&excluded), &names) < 0)
		return false;
	(void)str_cstr(&names);
	return !str_is_full(&names);
}

void tls_policy_finish(const struct params *p, const struct tls_policy *policy, struct session_tls *t)
{
	const char *protocols = t->level > TLS_LEVEL_MAY ? p->smtp_tls_mandatory_protocols : p->smtp_tls_protocols;
	unsigned versions = tls_policy_versions(policy->has_protocols ? policy->protocols : slice_of_str(protocols));

	t->is_impossible = versions == 0 || !find_ciphers(p, policy, t);
	t->version_min = versions & BIT(0) ? TLS_1_2 : TLS_1_3;
	t->version_max = versions & BIT(1) ? TLS_1_3 : TLS_1_2;
	if (t->is_impossible)
		log_line(LOG_LEVEL_WARNING, "smtp", "TLS: no version or no cipher is left of the parameters: no session can be made");
}
