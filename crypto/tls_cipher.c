#include "crypto/tls_cipher.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/err.h"

static bool is_divider(char c)
{
	return c == ':' || c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool next_word(struct slice *text, struct slice *ret_word)
{
	size_t n = 0;

	while (text->len > 0 && is_divider(text->ptr[0]))
		slice_skip(text, 1);
	while (n < text->len && !is_divider(text->ptr[n]))
		n++;
	*ret_word = slice_head(*text, n);
	slice_skip(text, n);
	return n > 0;
}

/* --- groups ----------------------------------------------------------------------------------- */

static int find_group(struct slice name)
{
	static const struct {
		const char *name;
		int group;
	} groups[] = {
		{ "X25519", WOLFSSL_ECC_X25519 },
		{ "prime256v1", WOLFSSL_ECC_SECP256R1 }, { "secp256r1", WOLFSSL_ECC_SECP256R1 }, { "P-256", WOLFSSL_ECC_SECP256R1 },
		{ "secp384r1", WOLFSSL_ECC_SECP384R1 },  { "P-384", WOLFSSL_ECC_SECP384R1 },
		{ "secp521r1", WOLFSSL_ECC_SECP521R1 },  { "P-521", WOLFSSL_ECC_SECP521R1 },
		{ "ffdhe2048", WOLFSSL_FFDHE_2048 },
	};

	for (size_t i = 0; i < ARRAY_LEN(groups); i++)
		if (slice_eq_nocase(name, slice_of_str(groups[i].name)))
			return groups[i].group;
	return 0;
}

unsigned tls_groups_choose(struct slice names, int ret_groups[static TLS_GROUPS_MAX])
{
	struct slice name;
	unsigned count = 0;

	while (next_word(&names, &name) && count < TLS_GROUPS_MAX) {
		int group = find_group(name);

		for (unsigned i = 0; i < count; i++)
			if (ret_groups[i] == group)
				group = 0;
		if (group != 0)
			ret_groups[count++] = group;
	}
	return count;
}

/* --- what a suite is made of ------------------------------------------------------------------ */

static bool holds(struct slice name, const char *part)
{
	struct slice p = slice_of_str(part);

	for (size_t i = 0; i + p.len <= name.len; i++)
		if (slice_eq_nocase(slice_of(name.ptr + i, p.len), p))
			return true;
	return false;
}

static bool ends_with(struct slice name, const char *end)
{
	struct slice e = slice_of_str(end);

	return name.len >= e.len && slice_eq_nocase(slice_of(name.ptr + name.len - e.len, e.len), e);
}

/* With both of these in its name, and at its end: NULL is always. */
static const struct {
	const char *word, *part, *other, *end;
} makings[] = {
	{ "AES", "AES", NULL, NULL },		{ "AES128", "AES128", NULL, NULL },
	{ "AES256", "AES256", NULL, NULL },	{ "AESGCM", "AES", "GCM", NULL },
	{ "AESCCM", "AES", "CCM", NULL },	{ "CHACHA20", "CHACHA20", NULL, NULL },
	{ "SHA1", NULL, NULL, "-SHA" },		{ "SHA", NULL, NULL, "-SHA" },
	{ "SHA256", NULL, NULL, "SHA256" },	{ "SHA384", NULL, NULL, "SHA384" },
	{ "kEECDH", "ECDHE-", NULL, NULL },	{ "EECDH", "ECDHE-", NULL, NULL },
	{ "kECDHE", "ECDHE-", NULL, NULL },	{ "ECDHE", "ECDHE-", NULL, NULL },
	{ "ECDSA", "ECDSA", NULL, NULL },	{ "aECDSA", "ECDSA", NULL, NULL },
	{ "aRSA", "-RSA-", NULL, NULL },	{ "RSA", "-RSA-", NULL, NULL },
	{ "HIGH", "", NULL, NULL },		{ "ALL", "", NULL, NULL },
	{ "TLSv1.2", "", NULL, NULL },
};

static bool is_finite_field(struct slice name)
{
	return slice_has_prefix(name, SLICE("DHE-"));
}

static bool fits_word(struct slice name, struct slice word)
{
	if (slice_eq_nocase(name, word))
		return true;
	if (slice_has_prefix(name, SLICE("TLS13-")))
		return false;
	if (slice_eq_nocase(word, SLICE("EDH")) || slice_eq_nocase(word, SLICE("kEDH")) ||
	    slice_eq_nocase(word, SLICE("DHE")) || slice_eq_nocase(word, SLICE("kDHE")))
		return is_finite_field(name);
	for (size_t i = 0; i < ARRAY_LEN(makings); i++)
		if (slice_eq_nocase(word, slice_of_str(makings[i].word)))
			return (makings[i].part == NULL || holds(name, makings[i].part)) &&
			       (makings[i].other == NULL || holds(name, makings[i].other)) &&
			       (makings[i].end == NULL || ends_with(name, makings[i].end));
	return false;	/* a word for what this library has not: nothing to leave out */
}

/* "AES128+SHA1": all of them. */
static bool fits_item(struct slice name, struct slice item)
{
	while (item.len > 0) {
		ptrdiff_t plus = slice_find_char(item, 0, '+');
		struct slice word = slice_head(item, plus < 0 ? item.len : (size_t)plus);

		if (!fits_word(name, word))
			return false;
		slice_skip(&item, plus < 0 ? item.len : (size_t)plus + 1);
	}
	return true;
}

static bool fits_any(struct slice name, struct slice items)
{
	struct slice item;

	while (next_word(&items, &item))
		if (fits_item(name, item))
			return true;
	return false;
}

/* --- the choice ------------------------------------------------------------------------------- */

static bool is_good_list(struct slice items)
{
	struct slice item;

	while (next_word(&items, &item))
		if (item.ptr[0] == '!' || item.ptr[0] == '+' || item.ptr[0] == '-' || item.ptr[0] == '@')
			return false;
	return true;
}

static bool is_wanted(struct slice name, const struct slice *list, struct slice excluded)
{
	bool listed = list == NULL || slice_has_prefix(name, SLICE("TLS13-")) || fits_any(name, *list);

	/* An integrity-only suite of TLS 1.3 hides nothing. */
	return listed && !fits_any(name, excluded) && !holds(name, "NULL") && !holds(name, "anon");
}

int tls_ciphers_choose(const struct slice *list, struct slice excluded, struct str *ret_names)
{
	char names[TLS_CIPHERS_MAX];
	struct slice name;

	if (!is_good_list(excluded))
		return ERR_SYNTAX;
	if (wolfSSL_get_ciphers(names, sizeof(names)) != WOLFSSL_SUCCESS)
		return -ENOENT;
	struct slice all = slice_of_str(names);

	str_clear(ret_names);
	while (next_word(&all, &name)) {
		if (!is_wanted(name, list, excluded))
			continue;
		if (ret_names->len > 0)
			str_add_char(ret_names, ':');
		str_add(ret_names, name);
	}
	return ret_names->len == 0 || str_is_full(ret_names) ? -ENOENT : 0;
}
