#include "crypto/tls_selftest.h"

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfcrypt/coding.h>

#include "core/err.h"
#include "crypto/library.h"
#include "crypto/tls_verify.h"

#define NOW_NS	(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026: they are valid from 2020 to 2120 */

/* Of tests/unit/crypto/pki/make.sh, PEM without its first and last line. A clone is the certificate with somebody
 * else's key in it, and nothing else changed. */
static const char root[] =
	"MIIBbzCCARSgAwIBAgIUBFUDe1V9gPl6qnmJbC8rBKhGsCMwCgYIKoZIzj0EAwIw"
	"FDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx"
	"MDAwMDAwWjAUMRIwEAYDVQQDDAlUZXN0IFJvb3QwWTATBgcqhkjOPQIBBggqhkjO"
	"PQMBBwNCAATfx/ck4ul+xjfEwRtsGMVSRvnMbnouWGo1jY8rKFF367/tIE9zHpXB"
	"lp1xiM+CcBTHOP7sWNq5aBWnM6akzfLVo0IwQDAdBgNVHQ4EFgQUKUXedA6KnqcM"
	"oDsrYzC8u2wehEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYI"
	"KoZIzj0EAwIDSQAwRgIhAOmXwbwaHn/03/pBVnH42eImop9kHC6V8SBNDIlC1S2r"
	"AiEAhwZqsKP0o51MwU8mkXWyxXdSCkOv/2hp+ITLzStkI8I=";

static const char server[] =
	"MIIBoTCCAUigAwIBAgIUfaOaxRAhZddNWJPpC1LlKs4d9qkwCgYIKoZIzj0EAwIw"
	"FDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx"
	"MDAwMDAwWjAZMRcwFQYDVQQDDA5teC5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEG"
	"CCqGSM49AwEHA0IABF4p5ei6DI+1u2qIkWcD/+KG1ECUET4vsrkR1Z0HCqS9w7Er"
	"WYWsopsziQfkWhFzTJIV3JMI5wHo13M4cFlvH0WjcTBvMB0GA1UdDgQWBBSs7Hbq"
	"+iPWNpr9HjpxpeTlke0LgzAfBgNVHSMEGDAWgBQpRd50DoqepwygOytjMLy7bB6E"
	"QDAtBgNVHREEJjAkgg5teC5leGFtcGxlLm9yZ4ISKi53aWxkLmV4YW1wbGUub3Jn"
	"MAoGCCqGSM49BAMCA0cAMEQCICU9z+OSPmP9QrxTDM99axxjyLZQLnXazzMPKPgH"
	"EDI1AiAN/B+P5mPfJWvGyaqxrh3GQ+bx7I0cTtVETfQfdmxllg==";

static const char below_clone[] =
	"MIIBjjCCATSgAwIBAgIUYSOYfJkMq7XQ60ZHwkI6Yu2aL/UwCgYIKoZIzj0EAwIw"
	"FDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx"
	"MDAwMDAwWjAZMRcwFQYDVQQDDA5teC5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEG"
	"CCqGSM49AwEHA0IABGv3A61GTh8lWeSSnUUd5/gzLW0A7zNQM1gfns/+R2Ifp4+Q"
	"52evrzzuLCrBxETlIUtwukshtxAlxRCfucc9sHGjXTBbMB0GA1UdDgQWBBQuxsxi"
	"f/os7FSSSrOJ8AxgWxyMLzAfBgNVHSMEGDAWgBQpRd50DoqepwygOytjMLy7bB6E"
	"QDAZBgNVHREEEjAQgg5teC5leGFtcGxlLm9yZzAKBggqhkjOPQQDAgNIADBFAiAC"
	"1MAyQGDy3m5tDbpyS93LSYHemPViSAGwAAwO+gR/hQIhAIfNJJLph8wernflHyOI"
	"K+n6aHn6uRamkIC1Ts9l5vzt";

static const char root_clone[] =
	"MIIBbzCCARSgAwIBAgIUBFUDe1V9gPl6qnmJbC8rBKhGsCMwCgYIKoZIzj0EAwIw"
	"FDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAx"
	"MDAwMDAwWjAUMRIwEAYDVQQDDAlUZXN0IFJvb3QwWTATBgcqhkjOPQIBBggqhkjO"
	"PQMBBwNCAAQzgpD/2nHxrGRuxxYnO/Y9TaBgfISOGxEYytHHFrlld5ee/gYzrJYd"
	"ZVBWc6bbqV6SFC3y70nSLlv/LlXM8BU2o0IwQDAdBgNVHQ4EFgQUKUXedA6KnqcM"
	"oDsrYzC8u2wehEAwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYI"
	"KoZIzj0EAwIDSQAwRgIhAOmXwbwaHn/03/pBVnH42eImop9kHC6V8SBNDIlC1S2r"
	"AiEAhwZqsKP0o51MwU8mkXWyxXdSCkOv/2hp+ITLzStkI8I=";

static const char pinned[] =
	"MIIBezCCASGgAwIBAgIUKvNPTgm9pqF902QNhvlNKMhIlMEwCgYIKoZIzj0EAwIw"
	"HDEaMBgGA1UEAwwRcmVsYXkucGlubmVkLnRlc3QwIBcNMjAwMTAxMDAwMDAwWhgP"
	"MjEyMDAxMDEwMDAwMDBaMBwxGjAYBgNVBAMMEXJlbGF5LnBpbm5lZC50ZXN0MFkw"
	"EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE/yudCL7u6M2bS+0peMa/VKyLzvIpaqL2"
	"TTmyGOAxANHR8/D1RDXV5ffYxG5KuEQ7322/+fV3yRWTt6TGJNNf56M/MD0wHQYD"
	"VR0OBBYEFOzDRxt3lvVoA5h5w4VCPdtEDz+PMBwGA1UdEQQVMBOCEXJlbGF5LnBp"
	"bm5lZC50ZXN0MAoGCCqGSM49BAMCA0gAMEUCIQD+/nE42/9fOpMOQ7xg7nmF39nO"
	"NrTI2wRqlZOWJngD6AIgaL3v5Dy4icEZWsKkIxs4g9gOvL5qpsp5wVeWmckA9Qc=";

static const char pinned_clone[] =
	"MIIBezCCASGgAwIBAgIUKvNPTgm9pqF902QNhvlNKMhIlMEwCgYIKoZIzj0EAwIw"
	"HDEaMBgGA1UEAwwRcmVsYXkucGlubmVkLnRlc3QwIBcNMjAwMTAxMDAwMDAwWhgP"
	"MjEyMDAxMDEwMDAwMDBaMBwxGjAYBgNVBAMMEXJlbGF5LnBpbm5lZC50ZXN0MFkw"
	"EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE1+m640/t9/es038MztdPlPoGV3wPqEVM"
	"wCJ/IKwUAaxyw+C8O2kzaYrc7O+wH56e6YK1FDbrYb0SZDXsnJvcR6M/MD0wHQYD"
	"VR0OBBYEFOzDRxt3lvVoA5h5w4VCPdtEDz+PMBwGA1UdEQQVMBOCEXJlbGF5LnBp"
	"bm5lZC50ZXN0MAoGCCqGSM49BAMCA0gAMEUCIQD+/nE42/9fOpMOQ7xg7nmF39nO"
	"NrTI2wRqlZOWJngD6AIgaL3v5Dy4icEZWsKkIxs4g9gOvL5qpsp5wVeWmckA9Qc=";

/* Signed by nobody: it says Ed25519, which has no digest, where its issuer has a key for ECDSA; and whoever knows the
 * public key can make a signature of ECDSA over no digest (CVE-2026-5194, row TLS-02). */
static const char no_digest[] =
	"MIIBWDCCAQOgAwIBAgIFESIzRFUwBQYDK2VwMBQxEjAQBgNVBAMMCVRlc3QgUm9v"
	"dDAiGA8yMDIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAwMDAwWjAZMRcwFQYDVQQD"
	"DA5teC5leGFtcGxlLm9yZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMmIzMBK"
	"qBN8Y2mUzeMTWXlg6Mu/Keu5USA7b5BG7rMN2Wr8dfbRCyANYlIRVVewKNlaNgnP"
	"EsI8DywhjEYSC/ajPjA8MBkGA1UdEQQSMBCCDm14LmV4YW1wbGUub3JnMB8GA1Ud"
	"IwQYMBaAFClF3nQOip6nDKA7K2MwvLtsHoRAMAUGAytlcANIADBFAiB50HnjiXzw"
	"Cv1RsS9IyHJdJLlM20C6/VxFOmH8zLiAOAIhAIznDoULRX5FRZa8tvXnbAoWfW3H"
	"DEom6PDKA8DCpI+o";

static const struct {
	const char *anchor;
	const char *chain[2];
	bool is_good;
} cases[] = {
	{ root, { server, NULL }, true },	   { root, { root_clone, NULL }, false },
	{ root, { below_clone, NULL }, false },	   { root, { below_clone, root_clone }, false },
	{ pinned, { pinned, NULL }, true },	   { pinned, { pinned_clone, NULL }, false },
	{ pinned, { pinned_clone, pinned }, false }, { root, { server, root_clone }, true },
	{ root, { no_digest, NULL }, false },	   { root, { no_digest, root }, false },
};

static int decode(const char *text, char *storage, size_t size, struct slice *ret_der)
{
	word32 len = (word32)size;

	if (Base64_Decode((const byte *)text, (word32)strlen(text), (byte *)storage, &len) != 0)
		return ERR_CORRUPT;
	*ret_der = slice_of(storage, len);
	return 0;
}

static int check_case(unsigned i, WOLFSSL_CERT_MANAGER *anchors)
{
	static const struct tls_check check = { .depth_max = TLS_CHAIN_MAX, .digest = -1 };
	char storage[3][KIB(1)];
	struct slice anchor, chain[2];
	struct tls_verdict v;
	unsigned count = 0;
	int r = decode(cases[i].anchor, storage[2], sizeof(storage[2]), &anchor);

	for (; r == 0 && count < 2 && cases[i].chain[count] != NULL; count++)
		r = decode(cases[i].chain[count], storage[count], sizeof(storage[count]), &chain[count]);
	if (r < 0)
		return r;
	if (wolfSSL_CertManagerLoadCABuffer(anchors, (const byte *)anchor.ptr, (long)anchor.len,
					    WOLFSSL_FILETYPE_ASN1) != WOLFSSL_SUCCESS)
		return ERR_CORRUPT;
	tls_chain_judge(anchors, chain, count, &check, &v);
	return v.is_trusted == cases[i].is_good ? 0 : ERR_PROTO;
}

int tls_selftest(void)
{
	int r = 0;

	crypto_time_set(NOW_NS);
	for (unsigned i = 0; r == 0 && i < ARRAY_LEN(cases); i++) {
		WOLFSSL_CERT_MANAGER *anchors = wolfSSL_CertManagerNew();

		if (anchors == NULL)
			return ERR_CORRUPT;
		r = check_case(i, anchors);
		wolfSSL_CertManagerFree(anchors);
	}
	return r;
}
