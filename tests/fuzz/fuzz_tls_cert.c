/* FZ-10, our half of it: a chain of certificates, bent. Whoever is trusted was signed as it stands: what is between the
 * head of the certificate and its signature is octet for octet that of a genuine one.
 *
 * input	one octet: which of the roots is trusted; then certificates, each behind two octets with its length
 */
#include "crypto/tls_verify.h"

#include <stdio.h>
#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/str.h"
#include "crypto/library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_NS (UINT64_C(1767225600) * NS_PER_SEC)

static const char *const genuine[] = { "root", "pinned", "server", "server2", "server3", "inter", "inter2", "inside",
				       "cn_only", "by_server", "below_clone", "bounded", "client_only" };
static struct slice tbs[ARRAY_LEN(genuine)];
static WOLFSSL_CERT_MANAGER *anchors[2];

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
	crypto_time_set(NOW_NS);
	for (unsigned i = 0; i < ARRAY_LEN(genuine); i++) {
		struct str s = STR(path);
		static char pem[KIB(8)];
		static uint8_t der[ARRAY_LEN(genuine)][KIB(2)];

		str_printf(&s, TEST_PKI "/%s.pem", genuine[i]);
		FILE *f = fopen(str_cstr(&s), "re");
		size_t n = f != NULL ? fread(pem, 1, sizeof(pem), f) : 0;
		int len = wolfSSL_CertPemToDer((const byte *)pem, (int)n, der[i], sizeof(der[i]), CERT_TYPE);

		if (len <= 0)
			abort();
		(void)fclose(f);
		tbs[i] = signed_part(slice_of(der[i], (size_t)len));
		if (i >= 2)
			continue;
		anchors[i] = wolfSSL_CertManagerNew();
		if (wolfSSL_CertManagerLoadCABuffer(anchors[i], der[i], len, WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_check check = { .names = SLICE("mx.example.org .inside.test"), .depth_max = 9 };
	struct slice certs[TLS_CHAIN_MAX];
	struct tls_verdict v;
	unsigned count = 0;

	if (tbs[0].len == 0)
		load();
	if (size == 0)
		return 0;
	unsigned trusted = data[0] & 1;
	size_t at = 1;

	while (at + 2 < size && count < TLS_CHAIN_MAX) {
		size_t len = (size_t)(data[at] << 8 | data[at + 1]);

		len = MIN(len, size - at - 2);
		certs[count++] = slice_of(data + at + 2, len);
		at += 2 + len;
	}
	check.digest = tls_digest_find(SLICE("sha256"));
	tls_chain_judge(anchors[trusted], certs, count, &check, &v);
	if (v.is_trusted && !is_genuine(certs[0]))
		abort();
	if (strlen(v.name) > TLS_NAME_MAX || strlen(v.subject) >= sizeof(v.subject))
		abort();
	return 0;
}
