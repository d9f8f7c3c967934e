/* Certificates and handshakes that nobody would make by mistake (row TLS-02). What has to be told apart at each start
 * is in crypto/tls_selftest.c. */
#include "crypto/tls.h"

#include <stdio.h>
#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/err.h"
#include "crypto/library.h"
#include "tests/test.h"

#define NOW_NS	(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */
#define DER_MAX	KIB(160)

static WOLFSSL_CERT_MANAGER *anchors;
static char server[KIB(2)];
static size_t server_len;

static size_t load(const char *name, char *der, size_t size)
{
	char path[256], pem[KIB(8)];

	(void)snprintf(path, sizeof(path), "%s/%s.pem", TEST_PKI, name);
	FILE *f = fopen(path, "re");

	assert_non_null(f);
	size_t n = fread(pem, 1, sizeof(pem), f);

	(void)fclose(f);
	int len = wolfSSL_CertPemToDer((const byte *)pem, (int)n, (byte *)der, (int)size, CERT_TYPE);

	assert_true(len > 0);
	return (size_t)len;
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	crypto_time_set(NOW_NS);
	anchors = wolfSSL_CertManagerNew();
	assert_non_null(anchors);
	assert_int_equal(wolfSSL_CertManagerLoadCA(anchors, TEST_PKI "/root.pem", NULL), WOLFSSL_SUCCESS);
	server_len = load("server", server, sizeof(server));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	wolfSSL_CertManagerFree(anchors);
	return 0;
}

/* --- DER -------------------------------------------------------------------------------------- */

/* One element around content, as large as it needs to be and no larger: whoever reads behind it is caught by a
 * sanitizer. */
static struct slice wrap(unsigned char tag, struct slice content)
{
	unsigned char head[5] = { tag };
	unsigned octets = content.len < 0x80 ? 0 : content.len < 0x100 ? 1 : content.len < 0x10000 ? 2 : 3;
	size_t n = 2 + octets;

	head[1] = (unsigned char)(octets == 0 ? content.len : 0x80 + octets);
	for (unsigned i = 0; i < octets; i++)
		head[2 + i] = (unsigned char)(content.len >> 8 * (octets - 1 - i));
	char *p = malloc(n + content.len);

	assert_non_null(p);
	memcpy(p, head, n);
	memcpy(p + n, content.ptr, content.len);
	return slice_of(p, n + content.len);
}

/* Several, one behind the other; count of them are freed. */
static struct slice join(struct slice *parts, unsigned count)
{
	size_t len = 0;

	for (unsigned i = 0; i < count; i++)
		len += parts[i].len;
	char *p = malloc(len + 1);

	assert_non_null(p);
	len = 0;
	for (unsigned i = 0; i < count; i++) {
		memcpy(p + len, parts[i].ptr, parts[i].len);
		len += parts[i].len;
		free((char *)(uintptr_t)parts[i].ptr);
	}
	return slice_of(p, len);
}

static struct slice wrap_free(unsigned char tag, struct slice content)
{
	struct slice out = wrap(tag, content);

	free((char *)(uintptr_t)content.ptr);
	return out;
}

static struct slice copy(const void *octets, size_t len)
{
	char *p = malloc(len + 1);

	assert_non_null(p);
	memcpy(p, octets, len);
	return slice_of(p, len);
}

/* The three parts of a certificate: what is signed, the algorithm, the signature. */
static void take_apart(struct slice der, struct slice parts[3])
{
	struct slice all, content;

	assert_int_equal(tls_der_take(&der, 0x30, &all, &content), 0);
	assert_int_equal(tls_der_take(&content, 0x30, &parts[0], &all), 0);
	assert_int_equal(tls_der_take(&content, 0x30, &parts[1], &all), 0);
	assert_int_equal(tls_der_take(&content, 0x03, &parts[2], &all), 0);
}

static struct tls_verdict judge(struct slice der, const char *names)
{
	const struct tls_check check = { .names = slice_of_str(names), .depth_max = 9 };
	struct tls_verdict v;

	tls_chain_judge(anchors, &der, 1, &check, &v);
	return v;
}

/* --- signatures ------------------------------------------------------------------------------- */

static const struct {
	const char *words;
	char oid[16];
	size_t len;
} algorithms[] = {
	{ "RSA with SHA-256", "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05", 15 },
	{ "RSA with MD5", "\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x04\x05", 15 },
	{ "RSA-PSS", "\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a", 13 },
	{ "Ed25519", "\x30\x05\x06\x03\x2b\x65\x70", 7 },
	{ "Ed448", "\x30\x05\x06\x03\x2b\x65\x71", 7 },
	{ "ECDSA with SHA-1", "\x30\x09\x06\x07\x2a\x86\x48\xce\x3d\x04\x01", 11 },
	{ "ECDSA with SHA-384", "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03", 12 },
	{ "no algorithm", "\x30\x00", 2 },
	{ "one nobody knows", "\x30\x03\x06\x01\x2a", 5 },
};

/* The signature is genuine, and said to be of another kind: outside alone, and inside, too. */
static void another_algorithm_is_another_signature(void **state)
{
	struct slice parts[3], all;

	(void)state;
	assert_true(judge(slice_of(server, server_len), "mx.example.org").is_trusted);
	for (unsigned i = 0; i < 2 * ARRAY_LEN(algorithms); i++) {
		const struct slice other = slice_of(algorithms[i / 2].oid, algorithms[i / 2].len);
		bool inside = i % 2 == 1;

		take_apart(slice_of(server, server_len), parts);
		struct slice tbs = parts[0], kind = parts[1];
		char *found = inside ? memmem(tbs.ptr, tbs.len, kind.ptr, kind.len) : NULL;

		if (inside) {
			/* Of what is signed: what stands before the algorithm, another one, and the rest. */
			size_t at = (size_t)(found - tbs.ptr), head = 4;
			struct slice pieces[3] = {
				copy(tbs.ptr + head, at - head), copy(other.ptr, other.len),
				copy(found + kind.len, tbs.len - at - kind.len),
			};

			assert_non_null(found);
			tbs = wrap_free(0x30, join(pieces, 3));
		} else {
			tbs = copy(tbs.ptr, tbs.len);
		}
		struct slice whole[3] = { tbs, copy(other.ptr, other.len), copy(parts[2].ptr, parts[2].len) };

		all = wrap_free(0x30, join(whole, 3));
		if (judge(all, "mx.example.org").is_trusted)
			fail_msg("%s, %s, is trusted", algorithms[i / 2].words, inside ? "everywhere" : "outside");
		free((char *)(uintptr_t)all.ptr);
	}
}

/* Digests of one octet and the like: signatures that are cut, empty, or of zeroes. */
static void a_signature_is_whole(void **state)
{
	struct slice parts[3];

	(void)state;
	for (size_t len = 0; len < 72; len++)
		for (int fill = -1; fill < 2; fill++) {
			take_apart(slice_of(server, server_len), parts);
			struct slice bits = copy(parts[2].ptr + 2, MIN(len, parts[2].len - 2));

			if (fill >= 0)
				memset((char *)(uintptr_t)bits.ptr, fill, bits.len);
			if (fill < 0 && bits.len == parts[2].len - 2) {
				free((char *)(uintptr_t)bits.ptr);
				continue;	/* the genuine one */
			}
			struct slice whole[3] = { copy(parts[0].ptr, parts[0].len), copy(parts[1].ptr, parts[1].len),
						  wrap_free(0x03, bits) };
			struct slice all = wrap_free(0x30, join(whole, 3));

			assert_false(judge(all, "mx.example.org").is_trusted);
			free((char *)(uintptr_t)all.ptr);
		}
}

/* --- names ------------------------------------------------------------------------------------ */

/* A certificate for these names, signed by nobody. */
static struct slice certificate_for(struct slice names)
{
	static const char head[] = "\xa0\x03\x02\x01\x02\x02\x01\x01"	     /* version 3, serial 1 */
				   "\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02" /* ECDSA with SHA-256 */
				   "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\x61"
				   "\x30\x1e\x17\x0d" "200101000000Z" "\x17\x0d" "400101000000Z"
				   "\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01\x61";
	struct slice key, parts[3];

	assert_int_equal(tls_cert_public_key(slice_of(server, server_len), &key), 0);
	struct slice san[2] = { copy("\x06\x03\x55\x1d\x11", 5), wrap_free(0x04, wrap_free(0x30, names)) };
	struct slice extensions = wrap_free(0x30, wrap_free(0x30, join(san, 2)));
	struct slice tbs[3] = { copy(head, sizeof(head) - 1), copy(key.ptr, key.len), wrap_free(0xa3, extensions) };

	take_apart(slice_of(server, server_len), parts);
	struct slice whole[3] = { wrap_free(0x30, join(tbs, 3)), copy(parts[1].ptr, parts[1].len),
				  copy(parts[2].ptr, parts[2].len) };

	return wrap_free(0x30, join(whole, 3));
}

/* CVE-2024-5991: no name has a NUL behind it. Names of no octets, of one, and of 64 KiB. */
static void names_of_any_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 63, 255, 256, 1000, KIB(16), KIB(64) - 1, KIB(64) };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(sizes); i++) {
		char *long_name = malloc(sizes[i] + 1);

		assert_non_null(long_name);
		memset(long_name, 'a', sizes[i]);
		struct slice both[2] = { wrap(0x82, slice_of(long_name, sizes[i])), wrap(0x82, SLICE("mx.example.org")) };
		struct slice der = certificate_for(join(both, 2));
		struct tls_verdict v = judge(der, "mx.example.org .example.org");

		assert_true(v.has_cert);
		assert_false(v.is_trusted);
		if (sizes[i] > 0 && sizes[i] < 256)
			assert_true(v.name_matches);
		free((char *)(uintptr_t)der.ptr);
		free(long_name);
	}
}

/* --- a handshake without keys ----------------------------------------------------------------- */

/* CVE-2023-3724: a ServerHello of TLS 1.3 that agrees on everything but a key. */
static void no_keys_no_session(void **state)
{
	static const struct {
		const char *claim;
		char extensions[24];
		size_t len;
	} hellos[] = {	/* without any, it would be TLS 1.2 */
		{ "versions alone", "\x00\x2b\x00\x02\x03\x04", 6 },
		{ "an empty share", "\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x00", 10 },
		{ "a group without a key", "\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x02\x00\x17", 12 },
		{ "a key of no octets", "\x00\x2b\x00\x02\x03\x04\x00\x33\x00\x04\x00\x17\x00\x00", 14 },
		{ "a secret that nobody has", "\x00\x2b\x00\x02\x03\x04\x00\x29\x00\x02\x00\x00", 12 },
	};
	struct tls_room room;
	struct tls_context *context;
	char text[256];
	struct str why = STR(text);
	const struct tls_context_conf conf = { .now_ns = NOW_NS };
	const struct tls_check check = { .depth_max = 9 };

	(void)state;
	assert_int_equal(tls_room_init(&room, 2), 0);
	assert_int_equal(tls_context_new(&conf, &why, &context), 0);
	for (unsigned i = 0; i < ARRAY_LEN(hellos); i++) {
		const struct tls_wish wish = { .version_min = TLS_1_2, .version_max = TLS_1_3, .check = &check };
		struct tls t;
		struct slice wire, plain;
		size_t taken;

		assert_int_equal(tls_open(&t, &room, context, &wish), 0);
		assert_int_equal(tls_wrap(&t, NULL, 0, &wire, &taken), 0);
		/* The session id of the client's hello comes back: behind record, handshake, version and random. */
		size_t id_len = 1 + (unsigned char)wire.ptr[43];
		char hello[256] = "\x16\x03\x03\0\0\x02\0\0\0\x03\x03";
		size_t n = 11 + 32;

		memset(hello + 11, 'r', 32);
		memcpy(hello + n, wire.ptr + 43, id_len);
		n += id_len;
		memcpy(hello + n, "\x13\x01\x00\x00", 4);
		hello[n + 4] = (char)hellos[i].len;
		memcpy(hello + n + 5, hellos[i].extensions, hellos[i].len);
		n += 5 + hellos[i].len;
		hello[4] = (char)(n - 5);
		hello[8] = (char)(n - 9);
		struct slice in = slice_of(hello, n);
		int r = tls_unwrap(&t, NOW_NS, &in, &plain);

		if (r != ERR_PROTO || tls_is_open(&t))
			fail_msg("%s: %d", hellos[i].claim, r);
		tls_done(&t);
	}
	tls_context_retire(&context);
	tls_room_done(&room);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("another algorithm is another signature", another_algorithm_is_another_signature),
		CLAIM("a signature is whole, or none", a_signature_is_whole),
		CLAIM("names may have any size, and nothing behind them", names_of_any_size),
		CLAIM("without keys there is no session", no_keys_no_session),
	};

	return cmocka_run_group_tests_name("crypto/tls_forged", claims, set_up, tear_down);
}
