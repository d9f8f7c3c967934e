/* FZ-10: a chain of certificates, bent, against anchors or TLSA records. Two oracles: whoever is trusted was signed as
 * it stands (what is between the head of the certificate and its signature is octet for octet that of a genuine one),
 * and OpenSSL trusts him, too.
 *
 * input	one octet: bit 0 says which of the roots is trusted, bit 1 that TLSA records count instead; then
 *		there is an octet with their number and four octets for each: usage, selector, matching type, and of
 *		whom, which is a certificate of the chain, or from 128 on a genuine one. Certificates, each behind two
 *		octets with its length
 */
#include "crypto/tls_dane.h"

#include <stdio.h>
#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/str.h"
#include "crypto/library.h"
#ifdef HAVE_OPENSSL_JUDGE
#include "tests/peers/openssl_judge.h"
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S		UINT64_C(1767225600)
#define RECORDS_MAX	8u
#define NAME		"mx.example.org"

static const char *const genuine[] = { "root", "pinned", "server", "server2", "server3", "inter", "inter2", "inside",
				       "cn_only", "by_server", "below_clone", "bounded", "client_only" };
static uint8_t der_storage[ARRAY_LEN(genuine)][KIB(2)];
static struct slice ders[ARRAY_LEN(genuine)];
static struct slice tbs[ARRAY_LEN(genuine)];
static WOLFSSL_CERT_MANAGER *anchors[2];

struct input {
	unsigned trusted;
	bool has_dane;
	struct slice certs[TLS_CHAIN_MAX];
	unsigned count;
	struct slice rdatas[RECORDS_MAX];
	unsigned rdata_count;
	bool has_bare;			/* some record is an issuer's whole key */
	uint8_t storage[RECORDS_MAX][KIB(4)];
};

/* What is signed, of { { ... } ... }; empty: it is no certificate. */
static struct slice signed_part(struct slice der)
{
	const uint8_t *p = (const uint8_t *)der.ptr;

	if (der.len < 8 || p[0] != 0x30 || p[1] != 0x82 || p[4] != 0x30 || p[5] != 0x82)
		return slice_of("", 0);
	size_t len = (size_t)(p[6] << 8 | p[7]) + 4;

	return len + 4 > der.len ? slice_of("", 0) : slice_of(der.ptr + 4, len);
}

static void load(void)
{
	char path[256];

	if (crypto_library_start() < 0)
		abort();
	crypto_time_set(NOW_S * NS_PER_SEC);
	for (unsigned i = 0; i < ARRAY_LEN(genuine); i++) {
		struct str s = STR(path);
		static char pem[KIB(8)];

		str_printf(&s, TEST_PKI "/%s.pem", genuine[i]);
		FILE *f = fopen(str_cstr(&s), "re");
		size_t n = f != NULL ? fread(pem, 1, sizeof(pem), f) : 0;
		int len = wolfSSL_CertPemToDer((const byte *)pem, (int)n, der_storage[i], sizeof(der_storage[i]),
					       CERT_TYPE);

		if (len <= 0)
			abort();
		(void)fclose(f);
		ders[i] = slice_of(der_storage[i], (size_t)len);
		tbs[i] = signed_part(ders[i]);
		if (i >= 2)
			continue;
		anchors[i] = wolfSSL_CertManagerNew();
		if (wolfSSL_CertManagerLoadCABuffer(anchors[i], der_storage[i], len, WOLFSSL_FILETYPE_ASN1) !=
		    WOLFSSL_SUCCESS)
			abort();
	}
}

static bool is_genuine(struct slice der)
{
	for (unsigned i = 0; i < ARRAY_LEN(genuine); i++)
		if (slice_eq(signed_part(der), tbs[i]))
			return true;
	return false;
}

static void make_rdata(struct input *in, const uint8_t spec[4])
{
	uint8_t *to = in->storage[in->rdata_count];
	struct slice of = spec[3] >= 128 ? ders[spec[3] % ARRAY_LEN(genuine)] :
			  in->count > 0	 ? in->certs[spec[3] % in->count] : slice_of("", 0);
	struct tls_print print = { 0 };

	if (spec[1] == TLS_DANE_KEY && tls_cert_public_key(of, &of) < 0)
		return;
	if (spec[2] == 1 || spec[2] == 2) {
		tls_print_make(tls_digest_find(spec[2] == 1 ? SLICE("sha256") : SLICE("sha512")), of, &print);
		of = slice_of(print.octets, print.len);
	}
	of = slice_head(of, sizeof(in->storage[0]) - 3);
	memcpy(to, spec, 3);
	memcpy(to + 3, of.ptr, of.len);
	in->has_bare |= spec[0] == TLS_DANE_ISSUER && spec[1] == TLS_DANE_KEY && spec[2] == TLS_DANE_WHOLE;
	in->rdatas[in->rdata_count++] = slice_of(to, of.len + 3);
}

static void read_input(struct input *in, const uint8_t *data, size_t size)
{
	const uint8_t *specs = data + 2;
	size_t at = 1;
	unsigned count = 0;

	in->trusted = data[0] & 1;
	in->has_dane = (data[0] & 2) && size > 1;
	in->count = in->rdata_count = 0;
	in->has_bare = false;
	if (in->has_dane) {
		count = MIN(data[1] % (RECORDS_MAX + 1), (unsigned)((size - 2) / 4));
		at = 2 + 4 * (size_t)count;
	}
	while (at + 2 < size && in->count < TLS_CHAIN_MAX) {
		size_t len = (size_t)(data[at] << 8 | data[at + 1]);

		len = MIN(len, size - at - 2);
		in->certs[in->count++] = slice_of(data + at + 2, len);
		at += 2 + len;
	}
	for (unsigned i = 0; i < count; i++)
		make_rdata(in, specs + 4 * i);
}

#ifdef HAVE_OPENSSL_JUDGE
/* wolfSSL passes over the octet in front of a signature that says how many bits of the last one do not count. That does
 * not matter, as long as what is signed is genuine. */
static bool is_all_genuine(const struct input *in)
{
	bool is = true;

	for (unsigned i = 0; i < in->count; i++)
		is = is && is_genuine(in->certs[i]);
	return is;
}

/* Where we are known to say yes and OpenSSL no: tests/interop/tls_agree.py has the reasons. */
static bool may_differ(const struct input *in, const struct openssl_verdict *v)
{
	if (strcmp(v->why, "certificate signature failure") == 0)
		return is_all_genuine(in);
	/* wolfSSL takes any two digits for a month. Of an issuer whom a record names, name and key count, and not who
	 * has signed him: his dates are what the server says that they are. */
	if (in->has_dane && strncmp(v->why, "format error in certificate's not", 33) == 0)
		return true;
	return in->has_bare || strcmp(v->why, "unsuitable certificate purpose") == 0 ||
	       strcmp(v->why, "no certificate") == 0;
}

static void ask_openssl(const struct input *in)
{
	struct openssl_verdict v;

	openssl_judge(&(struct openssl_question){ .certs = in->certs, .count = in->count,
						  .anchors = &ders[in->trusted], .anchor_count = 1,
						  .has_dane = in->has_dane, .rdatas = in->rdatas,
						  .rdata_count = in->rdata_count, .name = SLICE(NAME), .now_s = NOW_S },
		      &v);
	if (!v.is_good && !may_differ(in, &v)) {
		(void)fprintf(stderr, "OpenSSL: %s\n", v.why);
		abort();
	}
}
#else
static void ask_openssl(const struct input *in)
{
	(void)in;
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct input in;
	static struct tls_dane dane;
	struct tls_dane_digests digests;
	struct tls_check check = { .names = SLICE(NAME), .depth_max = 9 };
	struct tls_verdict v;

	if (tbs[0].len == 0)
		load();
	if (size == 0)
		return 0;
	read_input(&in, data, size);
	check.digest = tls_digest_find(SLICE("sha256"));
	if (in.has_dane) {
		if (tls_dane_digests_parse(SLICE("sha512 sha256"), &digests) < 0)
			abort();
		if (tls_dane_take(&dane, &digests, in.rdatas, in.rdata_count) == 0)
			return 0;
		check.dane = &dane;
	}
	tls_chain_judge(anchors[in.trusted], in.certs, in.count, &check, &v);
	bool is_pinned = in.has_dane && in.count > 0 && tls_dane_matches(&dane, TLS_DANE_SERVER, in.certs[0]);

	if (v.is_trusted && !is_pinned && !is_genuine(in.certs[0]))
		abort();
	/* Usage 3 compares octets, and asks nobody whether they make sense: the handshake does. */
	if (v.is_trusted && v.name_matches && !is_pinned)
		ask_openssl(&in);
	if (strlen(v.name) > TLS_NAME_MAX || strlen(v.subject) >= sizeof(v.subject))
		abort();
	return 0;
}
