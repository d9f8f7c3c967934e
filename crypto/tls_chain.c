/* tls_chain.c - from a server's certificate to somebody we trust (RFC 5280 6.1, as far as wolfSSL has it) */
#include "crypto/tls_verify.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/hash.h>

#include "crypto/tls_dane.h"

/* The server's certificates, and those of TLSA records behind them. */
#define CERTS_MAX	(TLS_CHAIN_MAX + TLS_DANE_RECORDS_MAX)
/* A chain that is made to cost us much gets so many looks at whether a bare key has signed something. */
#define BARE_LOOKS_MAX	32u
#define WRONG_LOOKS_MAX	32u	/* an honest chain has hardly any; a hostile one could have a thousand, at 1 ms each */

/* A certificate of the chain that has been found good as an issuer: alone in a store of its own. */
struct issuer {
	WOLFSSL_CERT_MANAGER *store;	/* NULL: it has not */
	unsigned depth;			/* certificates above it, the anchor included */
	unsigned path_max;		/* issuers that may stand below it */
	bool is_bounded;		/* it or one above has name constraints */
};

/* --- digests ---------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum wc_HashType type;
} digests[] = {
	{ "sha256", WC_HASH_TYPE_SHA256 }, { "sha512", WC_HASH_TYPE_SHA512 }, { "sha384", WC_HASH_TYPE_SHA384 },
	{ "sha224", WC_HASH_TYPE_SHA224 }, { "sha1", WC_HASH_TYPE_SHA },      { "md5", WC_HASH_TYPE_MD5 },
};

int tls_digest_find(struct slice name)
{
	for (unsigned i = 0; i < ARRAY_LEN(digests); i++)
		if (slice_eq_nocase(name, slice_of_str(digests[i].name)))
			return (int)i;
	return -1;
}

size_t tls_digest_size(int digest)
{
	int size = digest < 0 ? 0 : wc_HashGetDigestSize(digests[digest].type);

	return size > 0 && (size_t)size <= TLS_PRINT_SIZE ? (size_t)size : 0;
}

void tls_print_make(int digest, struct slice octets, struct tls_print *ret_print)
{
	size_t size = tls_digest_size(digest);

	ret_print->len = 0;
	if (size > 0 && wc_Hash(digests[digest].type, (const byte *)octets.ptr, (word32)octets.len, ret_print->octets,
				(word32)size) == 0)
		ret_print->len = (uint8_t)size;
}

static bool is_listed(const struct tls_check *check, const struct tls_print *print)
{
	for (unsigned i = 0; i < check->print_count; i++)
		if (print->len > 0 && check->prints[i].len == print->len &&
		    memcmp(check->prints[i].octets, print->octets, print->len) == 0)
			return true;
	return false;
}

/* --- one certificate -------------------------------------------------------------------------- */

static void cert_open(DecodedCert *cert, struct slice der)
{
	wc_InitDecodedCert(cert, (const byte *)der.ptr, (word32)der.len, NULL);
}

/* May it speak for a server? */
static bool is_server(const DecodedCert *cert)
{
	return !cert->extExtKeyUsageSet || (cert->extExtKeyUsage & (EXTKEYUSE_SERVER_AUTH | EXTKEYUSE_ANY));
}

/* May it sign others, for servers? wolfSSL takes whatever it is told to trust. */
static bool is_issuer(const DecodedCert *cert)
{
	return cert->isCA && (!cert->extKeyUsageSet || (cert->extKeyUsage & KEYUSE_KEY_CERT_SIGN)) && is_server(cert);
}

static bool has_name_constraints(const DecodedCert *cert)
{
	return cert->permittedNames != NULL || cert->excludedNames != NULL;
}

/* --- the chain -------------------------------------------------------------------------------- */

struct chain {
	WOLFSSL_CERT_MANAGER *anchors;	/* NULL: there are none */
	const struct tls_dane *dane;	/* NULL: the anchors count */
	unsigned bare_looks;		/* left */
	unsigned wrong_looks;		/* signatures by somebody of the right name that were not his */
	unsigned count;
	struct slice certs[CERTS_MAX];
	struct issuer issuers[CERTS_MAX];
	int err;			/* the most telling one so far */
};

static void note_error(struct chain *c, int err)
{
	if (c->err == 0 || c->err == ASN_NO_SIGNER_E)
		c->err = err;
}

/* Is it signed by somebody in this store? On true the certificate stays open. */
static bool is_signed_by(struct chain *c, unsigned i, int type, WOLFSSL_CERT_MANAGER *store, DecodedCert *cert)
{
	if (c->wrong_looks >= WRONG_LOOKS_MAX)
		return false;
	cert_open(cert, c->certs[i]);
	int r = wc_ParseCert(cert, type, VERIFY, store);

	if (r == 0 && cert->ca != NULL)
		return true;
	c->wrong_looks += r != 0 && r != ASN_NO_SIGNER_E;
	if (i == 0 && (r == 0 || r == ASN_NO_SIGNER_E) && cert->selfSigned)
		r = ASN_SELF_SIGNED_E;
	note_error(c, r != 0 ? r : ASN_NO_SIGNER_E);
	wc_FreeDecodedCert(cert);
	return false;
}

static bool make_store(struct issuer *me, struct slice der, unsigned flags)
{
	me->store = wolfSSL_CertManagerNew();
	if (me->store != NULL &&
	    wolfSSL_CertManagerLoadCABuffer_ex(me->store, (const byte *)der.ptr, (long)der.len, WOLFSSL_FILETYPE_ASN1,
					       0, flags) != WOLFSSL_SUCCESS) {
		wolfSSL_CertManagerFree(me->store);
		me->store = NULL;
	}
	return me->store != NULL;
}

/* Is it signed with this key, of which nothing else is known? */
static bool is_signed_with(struct chain *c, unsigned i, int type, struct slice key, DecodedCert *cert)
{
	uint8_t storage[TLS_DANE_MADE_MAX];
	struct issuer made = { 0 };
	struct slice der, key_id = { 0 };
	DecodedCert look;

	cert_open(&look, c->certs[i]);
	if (wc_ParseCert(&look, type, NO_VERIFY, NULL) == 0 && look.extAuthKeyIdSet)
		key_id = slice_of(look.extAuthKeyId, sizeof(look.extAuthKeyId));
	bool is = tls_dane_make_issuer(key, c->certs[i], key_id, storage, &der) == 0 &&
		  make_store(&made, der, WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY) && is_signed_by(c, i, type, made.store, cert);

	wc_FreeDecodedCert(&look);
	if (made.store != NULL)
		wolfSSL_CertManagerFree(made.store);
	if (is)
		cert->ca = NULL;	/* it went with its store */
	return is;
}

/* The same for each key that a record has whole. */
static bool is_signed_with_any(struct chain *c, unsigned i, int type, DecodedCert *cert)
{
	for (unsigned k = 0; c->dane != NULL && k < c->dane->count && c->bare_looks > 0; k++) {
		if (!tls_dane_is_whole_issuer(c->dane, k, TLS_DANE_KEY))
			continue;
		c->bare_looks--;
		if (is_signed_with(c, i, type, tls_dane_data(c->dane, k), cert))
			return true;
	}
	return false;
}

/* By whom of those we trust, or have found good? ret_above says what is above the certificate, which stays open. */
static bool is_signed(struct chain *c, unsigned i, int type, DecodedCert *cert, struct issuer *ret_above)
{
	if (c->anchors != NULL && is_signed_by(c, i, type, c->anchors, cert)) {
		/* Who is trusted himself needs no right to sign others. */
		if (!cert->selfSigned && !(cert->ca->keyUsage & KEYUSE_KEY_CERT_SIGN)) {
			note_error(c, ASN_PATHLEN_INV_E);
			wc_FreeDecodedCert(cert);
			return false;
		}
		*ret_above = (struct issuer){
			.path_max = cert->ca->maxPathLen,
			.is_bounded = cert->ca->permittedNames != NULL || cert->ca->excludedNames != NULL,
		};
		return true;
	}
	for (unsigned k = 1; k < c->count; k++) {
		if (c->issuers[k].store == NULL || !is_signed_by(c, i, type, c->issuers[k].store, cert))
			continue;
		*ret_above = c->issuers[k];
		return true;
	}
	*ret_above = (struct issuer){ .path_max = WOLFSSL_MAX_PATH_LEN };
	return is_signed_with_any(c, i, type, cert);
}

/* Can certs[i] vouch for others? True: it can, since now. */
static bool become_issuer(struct chain *c, unsigned i)
{
	struct issuer above;
	DecodedCert cert;

	if (!is_signed(c, i, CHAIN_CERT_TYPE, &cert, &above))
		return false;
	struct issuer me = {
		.depth = above.depth + 1,
		.path_max = MIN(cert.maxPathLen, above.path_max > 0 ? above.path_max - 1 : 0),
		.is_bounded = has_name_constraints(&cert),
	};
	/* wolfSSL holds a certificate against the constraints of its own issuer only, so that those further up would
	 * not count: who has some vouches for servers, and for no other issuer. */
	bool good = is_issuer(&cert) && above.path_max > 0 && !above.is_bounded;

	wc_FreeDecodedCert(&cert);
	if (!good)
		note_error(c, ASN_PATHLEN_INV_E);
	if (!good || !make_store(&me, c->certs[i], WOLFSSL_LOAD_FLAG_NONE))
		return false;
	c->issuers[i] = me;
	return true;
}

/* All that can be found good, however they are sorted: each round finds one at least, or is the last. */
static void find_issuers(struct chain *c)
{
	bool found = true;

	for (unsigned round = 1; found && round < c->count; round++) {
		found = false;
		for (unsigned i = c->count - 1; i > 0; i--)
			if (c->issuers[i].store == NULL)
				found |= become_issuer(c, i);
	}
}

static const char *words_for(int err)
{
	switch (err) {
	case 0:
	case ASN_NO_SIGNER_E:
		return "unknown issuer";
	case ASN_SELF_SIGNED_E:
		return TLS_WHY_SELF_SIGNED;
	case ASN_AFTER_DATE_E:
		return TLS_WHY_EXPIRED;
	case ASN_BEFORE_DATE_E:
		return "certificate is not yet valid";
	case ASN_SIG_CONFIRM_E:
	case ASN_SIG_HASH_E:
	case ASN_SIG_KEY_E:
		return "wrong signature";
	case ASN_NAME_INVALID_E:
		return "name not permitted by the issuer";
	case ASN_PATHLEN_INV_E:
	case ASN_PATHLEN_SIZE_E:
		return "an issuer that may not be one";
	default:
		return "certificate cannot be verified";
	}
}

/* The server's own certificate has no place among the issuers; the anchors take it. */
static const char *why_untrusted(struct chain *c, unsigned depth_max)
{
	struct issuer above;
	DecodedCert cert;

	find_issuers(c);
	if (!is_signed(c, 0, CERT_TYPE, &cert, &above))
		return words_for(c->err);
	bool fits = is_server(&cert);
	/* An anchor that is presented itself has nobody above it. */
	bool is_anchor = above.depth == 0 && cert.selfSigned;

	wc_FreeDecodedCert(&cert);
	if (!fits)
		return "certificate is not for servers";
	return above.depth + !is_anchor > depth_max ? "certificate chain too long" : NULL;
}

static void chain_done(struct chain *c)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->issuers[i].store != NULL)
			wolfSSL_CertManagerFree(c->issuers[i].store);
}

static void judge_chain(WOLFSSL_CERT_MANAGER *anchors, const struct slice *certs, unsigned count, unsigned depth_max,
			struct tls_verdict *v)
{
	struct chain c = { .anchors = anchors, .count = count };

	memcpy(c.certs, certs, count * sizeof(certs[0]));
	v->why = anchors == NULL ? "nobody is trusted" : why_untrusted(&c, depth_max);
	v->is_trusted = v->why == NULL;
	chain_done(&c);
}

/* --- TLSA records, and anchors of a file ------------------------------------------------------ */

/* certs[i] is what a record says an issuer is: whoever is above it does not matter. */
static void become_anchor(struct chain *c, unsigned i)
{
	DecodedCert cert;

	cert_open(&cert, c->certs[i]);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0 && is_issuer(&cert)) {
		struct issuer me = { .path_max = cert.maxPathLen, .is_bounded = has_name_constraints(&cert) };
		/* As OpenSSL does, and so Postfix: of those in the middle, whom the record lifts out of their chain,
		 * the dates do not count; of one who has nobody above him they do. */
		bool has_dates = !c->dane->is_local && cert.selfSigned;

		if (make_store(&me, c->certs[i], has_dates ? WOLFSSL_LOAD_FLAG_NONE : WOLFSSL_LOAD_FLAG_DATE_ERR_OKAY))
			c->issuers[i] = me;
		else
			note_error(c, ASN_AFTER_DATE_E);
	} else {
		note_error(c, ASN_PATHLEN_INV_E);
	}
	wc_FreeDecodedCert(&cert);
}

static const char *why_no_record(struct chain *c, unsigned depth_max)
{
	const struct tls_dane *dane = c->dane;
	bool has_match = dane->is_local;

	if (tls_dane_matches(dane, TLS_DANE_SERVER, c->certs[0]))
		return NULL;
	if (dane->is_local && tls_dane_matches(dane, TLS_DANE_ISSUER, c->certs[0]))
		return NULL;
	for (unsigned k = 0; k < dane->count; k++) {
		if (tls_dane_is_whole_issuer(dane, k, TLS_DANE_CERT))
			c->certs[c->count++] = tls_dane_data(dane, k);
		has_match |= tls_dane_is_whole_issuer(dane, k, TLS_DANE_KEY);
	}
	/* Who is shown as the server is no issuer, also when he is shown twice. */
	for (unsigned i = 1; i < c->count; i++) {
		if (!tls_dane_matches(dane, TLS_DANE_ISSUER, c->certs[i]) || slice_eq(c->certs[i], c->certs[0]))
			continue;
		become_anchor(c, i);
		has_match = true;
	}
	return has_match ? why_untrusted(c, depth_max) : "no TLSA record matches";
}

static void judge_dane(const struct tls_dane *dane, const struct slice *certs, unsigned count, unsigned depth_max,
		       struct tls_verdict *v)
{
	struct chain c = { .dane = dane, .bare_looks = BARE_LOOKS_MAX, .count = count };

	memcpy(c.certs, certs, count * sizeof(certs[0]));
	v->why = why_no_record(&c, depth_max);
	v->is_trusted = v->why == NULL;
	v->name_matches |= tls_dane_matches(dane, TLS_DANE_SERVER, certs[0]);
	chain_done(&c);
}

/* --- names ------------------------------------------------------------------------------------ */

static bool matches_any(struct slice presented, struct slice names)
{
	while (names.len > 0) {
		ptrdiff_t blank = slice_find_char(names, 0, ' ');
		struct slice name = slice_head(names, blank < 0 ? names.len : (size_t)blank);

		slice_skip(&names, blank < 0 ? names.len : (size_t)blank + 1);
		if (tls_name_matches(presented, name))
			return true;
	}
	return false;
}

static void keep_text(char *storage, size_t size, struct slice text)
{
	struct str s = str_over(storage, size - 1);

	str_add_printable(&s, text, size - 1);
	storage[s.len] = '\0';
}

static bool try_name(struct tls_verdict *v, const struct tls_check *check, struct slice name)
{
	v->name_matches = matches_any(name, check->names);
	if (v->name_matches || v->name[0] == '\0')
		keep_text(v->name, sizeof(v->name), name);
	return v->name_matches;
}

static void judge_names(const DecodedCert *cert, const struct tls_check *check, struct tls_verdict *v)
{
	bool has_dns = false;

	for (const DNS_entry *e = cert->altNames; e != NULL; e = e->next) {
		if (e->type != ASN_DNS_TYPE)
			continue;
		has_dns = true;
		if (e->len > 0 && try_name(v, check, slice_of(e->name, (size_t)e->len)))
			return;
	}
	if (!has_dns && cert->subjectCN != NULL && cert->subjectCNLen > 0)
		(void)try_name(v, check, slice_of(cert->subjectCN, (size_t)cert->subjectCNLen));	/* in v */
}

static void judge_own(struct slice der, const struct tls_check *check, struct tls_verdict *v)
{
	DecodedCert cert;
	struct slice key;

	tls_print_make(check->digest, der, &v->cert_print);
	if (tls_cert_public_key(der, &key) == 0)
		tls_print_make(check->digest, key, &v->key_print);
	v->print_matches = is_listed(check, &v->cert_print) || is_listed(check, &v->key_print);
	(void)tls_cert_good_until(der, &v->good_until);		/* of one that does not say it, no chain is good */
	cert_open(&cert, der);
	if (wc_ParseCert(&cert, CERT_TYPE, NO_VERIFY, NULL) == 0) {
		keep_text(v->subject, sizeof(v->subject),
			  slice_of(cert.subjectCN, cert.subjectCN == NULL ? 0 : (size_t)cert.subjectCNLen));
		keep_text(v->issuer, sizeof(v->issuer), slice_of_str(cert.issuer));
		judge_names(&cert, check, v);
	}
	wc_FreeDecodedCert(&cert);
}

void tls_chain_judge(struct WOLFSSL_CERT_MANAGER *anchors, const struct slice *certs, unsigned count,
		     const struct tls_check *check, struct tls_verdict *ret_verdict)
{
	memset(ret_verdict, 0, sizeof(*ret_verdict));
	ret_verdict->has_cert = count > 0;
	ret_verdict->why = "no certificate";
	if (count == 0)
		return;
	judge_own(certs[0], check, ret_verdict);
	if (count > TLS_CHAIN_MAX)
		ret_verdict->why = "certificate chain too long";
	else if (check->dane != NULL)
		judge_dane(check->dane, certs, count, check->depth_max, ret_verdict);
	else
		judge_chain(anchors, certs, count, check->depth_max, ret_verdict);
}
