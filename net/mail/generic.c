#include "net/mail/generic.h"

#include "net/wire/address.h"
#include "net/wire/header.h"

enum step { STEP_WHOLE, STEP_WITHOUT_EXTENSION, STEP_LOCAL, STEP_USER, STEP_DOMAIN, STEP_NONE };

/* --- the parts of an address -------------------------------------------------------------------------------------- */

static struct slice domain_of(const struct generic *g)
{
	struct slice domain = g->address;

	slice_skip(&domain, MIN(g->local_len + 1, domain.len));
	return domain;
}

static struct slice extension_of(const struct generic *g)
{
	return slice_of(g->address.ptr + g->user_len, g->local_len - g->user_len);
}

/* Names with a meaning of their own, which nobody extends. */
static bool is_never_extended(struct slice local)
{
	return slice_eq_nocase(local, SLICE("postmaster")) || slice_eq_nocase(local, SLICE("mailer-daemon")) ||
	       slice_eq_nocase(local, SLICE("double-bounce"));
}

/* Where the extension begins, with its delimiter; the length when there is none. */
static size_t find_extension(struct slice local, const char *delimiters)
{
	for (size_t i = 0; i < local.len && !is_never_extended(local); i++)
		if (local.ptr[i] != 0 && strchr(delimiters, local.ptr[i]) != NULL)
			return i > 0 ? i : local.len;
	return local.len;
}

static bool is_own_literal(const struct generic_conf *conf, struct slice domain)
{
	struct addr ip;

	if (!address_literal_is_valid(domain))
		return false;
	struct slice inside = slice_of(domain.ptr + 1, domain.len - 2);

	if (slice_has_prefix_nocase(inside, SLICE("IPv6:")))
		slice_skip(&inside, strlen("IPv6:"));
	if (addr_parse_ip(inside, 0, &ip) < 0)
		return false;
	for (unsigned i = 0; i < conf->own_count; i++)
		if (addr_eq_ip(&conf->own[i], &ip))
			return true;
	return false;
}

/* 1, 0, or a negative error of a table. */
static int domain_is_ours(const struct generic_conf *conf, struct slice domain)
{
	if (slice_eq_nocase(domain, slice_of_str(conf->params->myorigin)) || is_own_literal(conf, domain))
		return 1;
	return mlist_match(conf->params->mydestination, domain);
}

/* --- keys --------------------------------------------------------------------------------------------------------- */

/* The key of this step in this form. 1, 0: there is none, or a negative error of a table. */
static int make_key(struct generic *g)
{
	const size_t local_len = g->step == STEP_WHOLE || g->step == STEP_LOCAL ? g->local_len : g->user_len;
	const bool has_local = g->step != STEP_DOMAIN;
	const bool has_domain = g->step == STEP_WHOLE || g->step == STEP_WITHOUT_EXTENSION || !has_local;
	const struct slice domain = domain_of(g);
	char storage[GENERIC_ADDR_MAX];
	struct str key = STR(storage);

	if ((g->step == STEP_WITHOUT_EXTENSION || g->step == STEP_USER) && g->user_len == g->local_len)
		return 0;
	if (g->step > STEP_WITHOUT_EXTENSION && domain.len == 0)
		return 0;
	int ours = has_domain ? 1 : domain_is_ours(g->conf, domain);

	if (ours <= 0)
		return ours;
	str_add(&key, slice_head(g->address, has_local ? local_len : 0));
	if (g->local_len < g->address.len) {
		str_add_char(&key, '@');
		str_add(&key, domain);
	}
	/* The '@' divides, so it has to be there while the local part is quoted, even when it is no part of the key. */
	str_clear(&g->key);
	if (!has_local || g->unquoted)
		str_add(&g->key, str_slice(&key));
	else
		address_quote(&g->key, str_slice(&key));
	if (!has_domain)
		g->key.len -= domain.len + 1;
	return !g->unquoted || (has_local && address_needs_quotes(str_slice(&key)));
}

static bool next_key(struct generic *g)
{
	if (g->unquoted)
		g->step++;
	g->unquoted = !g->unquoted;
	return g->step < STEP_NONE;
}

/* --- results ------------------------------------------------------------------------------------------------------ */

/* Can it stand in a command and in a header? */
static bool is_fit(struct slice address)
{
	for (size_t i = 0; i < address.len; i++)
		if ((unsigned char)address.ptr[i] < ' ' || address.ptr[i] == 0x7f)
			return false;
	return address.len > 0;
}

/* The first address in the text of a table, wire form. How many there are. */
static unsigned first_address(struct slice text, struct slice *ret_address)
{
	struct header_list list;
	struct header_element e;
	unsigned count = 0;

	header_list_init(&list, text, UINT32_MAX);
	while (header_list_next(&list, &e))
		if (e.address.len > 0 && count++ == 0)
			*ret_address = e.address;
	return count;
}

/* What stands before the '@', with what is not part of any key. */
static struct slice kept_local(const struct generic *g)
{
	const bool is_unmatched = g->step == STEP_WITHOUT_EXTENSION || g->step == STEP_USER;

	return slice_head(g->address, is_unmatched ? g->user_len : g->local_len);
}

static void add_local(struct str *out, const struct generic *g, struct slice local)
{
	const bool is_unmatched = g->step == STEP_WITHOUT_EXTENSION || g->step == STEP_USER;

	str_add(out, local);
	if (is_unmatched && (g->conf->params->propagate_unmatched_extensions & PROPAGATE_GENERIC))
		str_add(out, extension_of(g));
}

static void add_domain(struct str *out, const struct params *p, struct slice domain)
{
	if (domain.len == 0 && !p->append_at_myorigin)
		return;
	if (domain.len == 0)
		domain = slice_of_str(p->myorigin);
	str_add_char(out, '@');
	str_add(out, domain);
	if (p->append_dot_mydomain && domain.ptr[0] != '[' && slice_find_char(domain, 0, '.') < 0) {
		str_add_char(out, '.');
		str_add_cstr(out, p->mydomain);
	}
}

/* "@other": the same user elsewhere. */
static bool take_domain(struct generic *g, struct slice domain, struct str *out)
{
	if (!address_literal_is_valid(domain) &&
	    (slice_find_char(domain, 0, '@') >= 0 || address_needs_quotes(domain)))
		return false;
	add_local(out, g, kept_local(g));
	add_domain(out, g->conf->params, domain);
	return true;
}

static bool take_address(struct generic *g, struct slice value, struct str *out)
{
	char storage[GENERIC_VALUE_MAX];
	struct str wire = STR(storage);
	struct str internal = STR(g->key_text);		/* no key is needed any more */
	struct slice first = { 0 };

	g->many = first_address(value, &first) > 1;
	header_add_address(&wire, first);
	address_unquote(&internal, str_slice(&wire));
	const ptrdiff_t at = slice_find_last_char(str_slice(&internal), '@');
	const struct slice local = slice_head(str_slice(&internal), at < 0 ? internal.len : (size_t)at);

	if (local.len == 0 || str_is_full(&wire) || str_is_full(&internal))
		return false;
	add_local(out, g, local);
	add_domain(out, g->conf->params, address_domain(str_slice(&internal)));
	return true;
}

/* 1, 0: it is the same address, or ERR_TABLE. */
static int take_value(struct generic *g, struct slice *ret_address)
{
	struct slice value = slice_trim(str_slice(&g->value));
	struct str mapped = STR(g->mapped_text);
	bool is_address;

	if (value.len > 1 && value.ptr[0] == '@') {
		slice_skip(&value, 1);
		is_address = take_domain(g, value, &mapped);
	} else {
		is_address = take_address(g, value, &mapped);
	}
	if (!is_address || str_is_full(&mapped) || !is_fit(str_slice(&mapped)))
		return ERR_TABLE;
	*ret_address = str_slice(&mapped);
	return !slice_eq(*ret_address, g->address);
}

/* --- the search --------------------------------------------------------------------------------------------------- */

void generic_begin(struct generic *g, const struct generic_conf *conf, struct slice address)
{
	const ptrdiff_t at = slice_find_last_char(address, '@');

	g->conf = conf;
	g->address = address;
	g->many = g->unquoted = false;
	g->step = address.len > 0 && address.len <= GENERIC_ADDR_MAX ? STEP_WHOLE : STEP_NONE;
	g->key = STR(g->key_text);
	g->value = STR(g->value_text);
	g->local_len = at < 0 ? address.len : (size_t)at;
	g->user_len = find_extension(slice_head(address, g->local_len), conf->params->recipient_delimiter);
}

/* As maps_find, or ASKER_WAIT. */
static int find_value(struct generic *g, struct asker *asker, const struct maps *maps, struct str *ret_value)
{
	while (g->step < STEP_NONE) {
		int r = make_key(g);

		if (r > 0)
			r = asker_find(asker, maps, str_slice(&g->key), g->step == STEP_WHOLE ? 0 : TABLE_PARTIAL,
				       ret_value);
		if (r != 0)
			return r;
		if (!next_key(g))
			break;
	}
	return 0;
}

int generic_next(struct generic *g, struct asker *asker, struct slice *ret_address)
{
	int r = find_value(g, asker, g->conf->params->smtp_generic_maps, &g->value);

	return r == 1 ? take_value(g, ret_address) : r;
}

int generic_find_in(const struct generic_conf *conf, struct slice address, const struct maps *maps,
		    struct str *ret_value)
{
	struct generic g;

	generic_begin(&g, conf, address);
	return find_value(&g, NULL, maps, ret_value);
}
