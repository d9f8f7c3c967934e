/* What DNS says of a server's certificate, against the chain that it shows (rows DNS-12, TLS-01). */
#include "crypto/tls_dane.h"

#include <errno.h>
#include <stdio.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/err.h"
#include "crypto/library.h"
#include "crypto/tls_anchors.h"
#include "tests/test.h"

#define NOW_NS	(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */
#define DIGESTS	"sha512 sha256"

static struct tls_dane dane;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	crypto_time_set(NOW_NS);
	return 0;
}

/* Each name once. */
static struct slice der_of(const char *name)
{
	static struct {
		char name[32];
		uint8_t der[KIB(2)];
		int len;
	} kept[32];
	static char pem[KIB(8)];
	char path[256];
	unsigned i = 0;

	while (kept[i].name[0] != '\0' && strcmp(kept[i].name, name) != 0)
		assert_true(++i < ARRAY_LEN(kept));
	if (kept[i].name[0] == '\0') {
		(void)snprintf(kept[i].name, sizeof(kept[i].name), "%s", name);
		(void)snprintf(path, sizeof(path), TEST_PKI "/%s.pem", name);
		FILE *f = fopen(path, "re");

		assert_non_null(f);
		size_t n = fread(pem, 1, sizeof(pem), f);

		(void)fclose(f);
		kept[i].len = wolfSSL_CertPemToDer((const byte *)pem, (int)n, kept[i].der, sizeof(kept[i].der),
						   CERT_TYPE);
		assert_true(kept[i].len > 0);
	}
	return slice_of(kept[i].der, (size_t)kept[i].len);
}

/* "3 1 1 server", and several with commas between; "-31" behind the name cuts it to so many octets. */
static unsigned make_rdatas(const char *text, struct slice rdatas[static 8], uint8_t storage[static 8][KIB(2)])
{
	static const char *const digests[] = { NULL, "sha256", "sha512" };
	unsigned count = 0;

	while (text != NULL && *text != '\0') {
		unsigned usage, selector, matching, cut = KIB(2);
		char name[32];

		assert_true(sscanf(text, " %u %u %u %31[^,-]-%u", &usage, &selector, &matching, name, &cut) >= 4);
		struct slice der = der_of(name);
		struct tls_print print = { 0 };

		if (selector == TLS_DANE_KEY)
			assert_int_equal(tls_cert_public_key(der, &der), 0);
		if (matching == 1 || matching == 2) {
			tls_print_make(tls_digest_find(slice_of_str(digests[matching])), der, &print);
			der = slice_of(print.octets, print.len);
		}
		der = slice_head(der, cut);
		storage[count][0] = (uint8_t)usage;
		storage[count][1] = (uint8_t)selector;
		storage[count][2] = (uint8_t)matching;
		memcpy(storage[count] + 3, der.ptr, der.len);
		rdatas[count] = slice_of(storage[count], der.len + 3);
		count++;
		text = strchr(text, ',');
		text = text != NULL ? text + 1 : NULL;
	}
	return count;
}

static unsigned take(const char *records, const char *digests)
{
	static uint8_t storage[8][KIB(2)];
	struct slice rdatas[8];
	struct tls_dane_digests known;

	assert_int_equal(tls_dane_digests_parse(slice_of_str(digests), &known), 0);
	return tls_dane_take(&dane, &known, rdatas, make_rdatas(records, rdatas, storage));
}

/* Chains are names with blanks between. */
static void judge(const char *chain, const char *names, unsigned depth, struct tls_verdict *ret_verdict)
{
	struct tls_check check = { .names = slice_of_str(names), .depth_max = depth, .dane = &dane };
	struct slice certs[TLS_CHAIN_MAX];
	struct slice rest = slice_of_str(chain);
	unsigned count = 0;

	while (rest.len > 0) {
		ptrdiff_t blank = slice_find_char(rest, 0, ' ');
		struct slice word = slice_head(rest, blank < 0 ? rest.len : (size_t)blank);
		char name[32];

		(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(word));
		certs[count++] = der_of(name);
		slice_skip(&rest, MIN(word.len + 1, rest.len));
	}
	tls_chain_judge(NULL, certs, count, &check, ret_verdict);
}

static const struct {
	const char *claim, *records, *chain, *names;
	const char *why;	/* NULL: trusted */
	bool name_matches;
} verdicts[] = {
	{ "case 276: the server's key, expired and with another name", "3 1 1 expired", "expired", "mx.other.test", NULL, true },
	{ "case 276: not yet valid", "3 0 1 future", "future", "mx.other.test", NULL, true },
	{ "3 0 0", "3 0 0 server", "server", "", NULL, true },
	{ "3 0 1", "3 0 1 server", "server", "", NULL, true },
	{ "3 0 2", "3 0 2 server", "server", "", NULL, true },
	{ "3 1 0", "3 1 0 server", "server", "", NULL, true },
	{ "3 1 1", "3 1 1 server", "server", "", NULL, true },
	{ "3 1 2", "3 1 2 server", "server", "", NULL, true },
	{ "case 277: another's key", "3 1 1 server2", "server", "mx.example.org", "no TLSA record matches", true },
	{ "the issuer is not the server", "3 1 1 root", "server root", "mx.example.org", "no TLSA record matches", true },
	{ "the server is not the issuer", "2 1 1 server", "server root", "mx.example.org", "no TLSA record matches", true },
	{ "nor when it is self-signed", "2 0 1 pinned", "pinned", "relay.pinned.test", "no TLSA record matches", true },
	{ "nor when it is shown twice", "2 0 1 pinned", "pinned pinned", "relay.pinned.test", "no TLSA record matches", true },
	{ "nor when the record has it whole", "2 0 0 pinned", "pinned", "relay.pinned.test", "no TLSA record matches", true },
	{ "case 278: the issuer, by the server's name", "2 0 1 root", "server root", "mx.example.org", NULL, true },
	{ "case 279: by the next hop's name", "2 0 1 bounded", "inside bounded", "mx.example.org .inside.test", NULL, true },
	{ "case 280: another name", "2 0 1 root", "server root", "mx.other.test", NULL, false },
	{ "case 280: expired", "2 0 1 root", "expired root", "mx.example.org", "certificate has expired", true },
	{ "case 281: the issuer is not sent", "2 0 1 root", "server", "mx.example.org", "no TLSA record matches", true },
	{ "case 281: nor by key", "2 1 1 root", "server", "mx.example.org", "no TLSA record matches", true },
	{ "not sent, but whole in DNS", "2 0 0 root", "server", "mx.example.org", NULL, true },
	{ "not sent, but its key whole in DNS", "2 1 0 root", "server", "mx.example.org", NULL, true },
	{ "the key of another", "2 1 0 other_root", "server", "mx.example.org", "wrong signature", true },
	{ "in between", "2 1 1 inter", "server2 inter", "mx.example.org", NULL, true },
	{ "in between, in any order, and who is above does not matter", "2 1 2 inter", "server3 other_root inter inter2",
	  "mx.example.org", NULL, true },
	{ "one in between is not sent", "2 0 0 inter", "server3 inter2", "mx.example.org", NULL, true },
	{ "only its key is known", "2 1 0 inter", "server3 inter2", "mx.example.org", NULL, true },
	{ "nothing leads to it", "2 0 1 inter", "server3 inter", "mx.example.org", "unknown issuer", true },
	{ "path length counts below an anchor", "2 0 1 inter0", "server0 below0 inter0", "mx.example.org",
	  "an issuer that may not be one", true },
	{ "a server is no issuer", "2 0 1 server", "by_server server", "mx.example.org", "an issuer that may not be one", true },
	{ "nor is one behind a bare key", "2 1 0 root", "by_server server", "mx.example.org", "an issuer that may not be one",
	  true },
	{ "name constraints of an anchor", "2 0 1 bounded", "outside bounded", "mx.example.org",
	  "name not permitted by the issuer", true },
	{ "case 283: usage 1 beside usage 3", "3 1 1 server2,1 1 1 server", "server", "mx.example.org",
	  "no TLSA record matches", true },
	{ "case 297: the better digest of the two", "3 1 1 server,3 1 2 server2", "server", "mx.example.org",
	  "no TLSA record matches", true },
	{ "case 298: agility is for each selector", "3 1 1 server,3 0 2 server2", "server", "mx.example.org", NULL, true },
	{ "and for each usage", "2 1 2 root,3 1 1 server", "server", "mx.other.test", NULL, true },
	{ "whole ones always count", "3 1 0 server,3 1 2 server2", "server", "mx.other.test", NULL, true },
	{ "one of two is enough", "3 1 1 server2,3 1 1 server", "server", "mx.other.test", NULL, true },
	{ "row DNS-12: a usable one among others", "0 0 1 root,3 9 1 server,3 1 7 server,3 1 1 server-31,3 1 1 server",
	  "server", "mx.other.test", NULL, true },
	{ "row TLS-01: a clone of the issuer", "2 0 1 root", "below_clone root_clone", "mx.example.org", "no TLSA record matches", true },
	{ "row TLS-01: by the genuine key, and the genuine one is whole in DNS", "2 0 0 root", "below_clone root_clone",
	  "mx.example.org", "wrong signature", true },
	{ "row TLS-01: a clone of the server", "3 0 1 pinned", "pinned_clone", "relay.pinned.test", "no TLSA record matches",
	  true },
	{ "row TLS-01: or by key", "3 1 1 pinned", "pinned_clone", "relay.pinned.test", "no TLSA record matches", true },
};

static void verdicts_are_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(verdicts); i++) {
		struct tls_verdict v;

		take(verdicts[i].records, DIGESTS);
		judge(verdicts[i].chain, verdicts[i].names, 9, &v);
		if (v.is_trusted != (verdicts[i].why == NULL) || v.name_matches != verdicts[i].name_matches ||
		    strcmp(v.why != NULL ? v.why : "", verdicts[i].why != NULL ? verdicts[i].why : "") != 0)
			fail_msg("%s: %s, name %d", verdicts[i].claim, v.why != NULL ? v.why : "trusted", v.name_matches);
	}
}

static void the_chain_has_a_bound(void **state)
{
	struct tls_verdict v;

	(void)state;
	take("2 0 1 root", DIGESTS);
	judge("server3 inter2 inter root", "mx.example.org", 3, &v);
	assert_true(v.is_trusted);
	judge("server3 inter2 inter root", "mx.example.org", 2, &v);
	assert_string_equal(v.why, "certificate chain too long");
}

static const struct {
	const char *claim, *records;
	unsigned count;
} usable[] = {
	{ "case 282: usages 0 and 1", "0 0 1 root,1 1 1 server", 0 },
	{ "case 299: matching type 7", "3 1 7 server", 0 },
	{ "row DNS-12: selector 9", "3 9 1 server", 0 },
	{ "row DNS-12: a digest of 31 octets", "3 1 1 server-31", 0 },
	{ "a digest of 63 octets", "2 0 2 root-63", 0 },
	{ "usage 4", "4 1 1 server", 0 },
	{ "matching type 255", "3 1 255 server", 0 },
	{ "half a certificate", "3 0 0 server-200", 0 },
	{ "half a key", "2 1 0 server-40", 0 },
	{ "a certificate in the place of a key", "3 1 0 server", 1 },
	{ "the worse digest does not count", "3 1 1 server,3 1 2 server", 1 },
	{ "nor when the better one cannot match", "3 1 1 server,3 1 2 server2", 1 },
	{ "but when the better one is none", "3 1 1 server,3 1 2 server-63", 1 },
	{ "twice the same is one", "3 1 1 server,3 1 1 server", 1 },
	{ "whole ones and digests", "3 0 0 server,3 0 2 server,2 1 0 root,2 1 1 root", 4 },
};

static void what_cannot_be_used_does_not_count(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(usable); i++)
		if (take(usable[i].records, DIGESTS) != usable[i].count)
			fail_msg("%s: %u", usable[i].claim, dane.count);
	assert_int_equal(take("3 1 1 server,3 1 2 server", "sha256"), 1);
	assert_int_equal(dane.records[0].matching, TLS_DANE_SHA256);
	assert_int_equal(take("3 1 1 server,3 1 2 server", "sha256 sha512"), 1);
	assert_int_equal(dane.records[0].matching, TLS_DANE_SHA256);
	assert_int_equal(take("3 1 1 server,3 1 2 server", ""), 0);
	assert_int_equal(take("3 1 0 server,3 1 2 server", ""), 1);
}

static void octets_too_few_are_no_record(void **state)
{
	struct tls_dane_digests known;
	const struct slice rdatas[] = { SLICE(""), SLICE("\3"), SLICE("\3\1"), slice_of("\3\1\0", 3), SLICE("\3\1\1x") };

	(void)state;
	assert_int_equal(tls_dane_digests_parse(SLICE(DIGESTS), &known), 0);
	assert_int_equal(tls_dane_take(&dane, &known, rdatas, ARRAY_LEN(rdatas)), 0);
}

/* A server's operator may publish what he likes: ours is the bound. Digests have room before certificates. */
static void records_have_a_bound(void **state)
{
	static uint8_t storage[100][64];
	struct slice rdatas[100];
	struct tls_dane_digests known;
	struct tls_print before, after;

	(void)state;
	assert_int_equal(tls_dane_digests_parse(SLICE(DIGESTS), &known), 0);
	rdatas[0] = slice_of(storage[0], 4);
	for (unsigned i = 0; i < 100; i++) {
		memcpy(storage[i], "\3\1\1", 3);
		storage[i][34] = (uint8_t)(i * 37);
		rdatas[i] = slice_of(storage[i], 35);
	}
	assert_int_equal(tls_dane_take(&dane, &known, rdatas, 100), TLS_DANE_RECORDS_MAX);
	assert_int_equal(dane.dropped, 80);
	tls_dane_print(&dane, &before);
	for (unsigned i = 0; i < 50; i++) {
		struct slice other = rdatas[i];

		rdatas[i] = rdatas[99 - i];
		rdatas[99 - i] = other;
	}
	assert_int_equal(tls_dane_take(&dane, &known, rdatas, 100), TLS_DANE_RECORDS_MAX);
	tls_dane_print(&dane, &after);
	assert_memory_equal(before.octets, after.octets, 32);
}

static void long_records_make_room_for_short_ones(void **state)
{
	static uint8_t storage[8][KIB(2)], small[8][KIB(2)];
	struct slice rdatas[16];
	struct tls_dane_digests known;
	unsigned count = make_rdatas("2 0 0 root,2 0 0 inter,2 0 0 inter2,2 0 0 server,2 0 0 server2,2 0 0 server3,"
				     "2 0 0 inter0", rdatas, storage);

	(void)state;
	assert_int_equal(tls_dane_digests_parse(SLICE(DIGESTS), &known), 0);
	count += make_rdatas("3 1 1 server", rdatas + count, small);
	assert_int_equal(tls_dane_take(&dane, &known, rdatas, count), count);
	assert_int_equal(dane.records[0].usage, TLS_DANE_SERVER);
	for (unsigned i = 0; i + 1 < dane.count; i++)
		assert_true(dane.records[i].len <= dane.records[i + 1].len);
	assert_true(tls_dane_matches(&dane, TLS_DANE_SERVER, der_of("server")));
	assert_true(tls_dane_matches(&dane, TLS_DANE_ISSUER, der_of("inter0")));
	assert_false(tls_dane_matches(&dane, TLS_DANE_ISSUER, der_of("other_root")));
}

static void sets_are_told_apart(void **state)
{
	static const char *const sets[] = { "3 1 1 server", "3 1 2 server", "2 1 1 server", "3 0 1 server", "3 1 1 server2",
					    "3 1 1 server,3 1 1 server2" };
	struct tls_print prints[ARRAY_LEN(sets)];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(sets); i++) {
		take(sets[i], DIGESTS);
		tls_dane_print(&dane, &prints[i]);
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(prints[i].octets, prints[k].octets, 32);
	}
}

/* smtp_tls_trust_anchor_file, tafile: issuers from anywhere, the server itself, or bare keys; dates do not count. */
static void anchors_of_a_file(void **state)
{
	struct tls_verdict v;
	struct slice key;

	(void)state;
	memset(&dane, 0, sizeof(dane));
	assert_int_equal(tls_dane_add_anchor(&dane, der_of("inter"), TLS_DANE_CERT), 0);
	judge("server2", "mx.example.org", 9, &v);
	assert_true(v.is_trusted && v.name_matches);
	judge("server", "mx.example.org", 9, &v);
	assert_string_equal(v.why, "unknown issuer");
	memset(&dane, 0, sizeof(dane));
	assert_int_equal(tls_dane_add_anchor(&dane, der_of("expired"), TLS_DANE_CERT), 0);
	judge("expired", "mx.example.org", 9, &v);
	assert_true(v.is_trusted && v.name_matches);
	judge("expired", "mx.other.test", 9, &v);
	assert_true(v.is_trusted && !v.name_matches);
	memset(&dane, 0, sizeof(dane));
	assert_int_equal(tls_cert_public_key(der_of("inter2"), &key), 0);
	assert_int_equal(tls_dane_add_anchor(&dane, key, TLS_DANE_KEY), 0);
	judge("server3", "mx.example.org", 9, &v);
	assert_true(v.is_trusted && v.name_matches);
	judge("server2 inter", "mx.example.org", 9, &v);
	assert_false(v.is_trusted);
	assert_int_equal(tls_dane_add_anchor(&dane, SLICE("no key"), TLS_DANE_KEY), ERR_PROTO);
	assert_int_equal(tls_dane_add_anchor(&dane, key, TLS_DANE_CERT), ERR_PROTO);
}

/* "inter2" */
static const char bare_key[] =
	"-----BEGIN PUBLIC KEY-----\n"
	"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0Py+hJcI5aYRvv5NYcW1aHfBinss\n"
	"/VYbJ++ZlEgHOM1mFwPF7WSGCFZZ1oQq+7Gh4V0jA0ZWOyj10Cx5WEaT1A==\n"
	"-----END PUBLIC KEY-----\n";

static void anchor_files_are_read(void **state)
{
	static char text[KIB(8)];
	FILE *f = fopen(TEST_PKI "/inter.pem", "re");
	size_t len = fread(text, 1, sizeof(text) / 2, f);
	struct tls_verdict v;

	(void)state;
	(void)fclose(f);
	(void)snprintf(text + len, sizeof(text) - len, "a comment\n%s", bare_key);
	memset(&dane, 0, sizeof(dane));
	assert_int_equal(tls_anchors_add(&dane, slice_of_str(text)), 0);
	assert_int_equal(dane.count, 2);
	judge("server3", "mx.example.org", 9, &v);
	assert_true(v.is_trusted && v.name_matches);
	judge("server2", "mx.example.org", 9, &v);
	assert_true(v.is_trusted && v.name_matches);
	judge("server", "mx.example.org", 9, &v);
	assert_false(v.is_trusted);
	assert_int_equal(tls_anchors_add(&dane, SLICE("nothing\n")), ERR_SYNTAX);
	assert_int_equal(tls_anchors_add(&dane, SLICE("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
			 ERR_SYNTAX);
	for (size_t cut = 0; cut < strlen(bare_key) - strlen("-----END PUBLIC KEY-----\n"); cut++) {
		memset(&dane, 0, sizeof(dane));
		assert_int_equal(tls_anchors_add(&dane, slice_of(bare_key, cut)), ERR_SYNTAX);
	}
}

static void digest_lists_are_read(void **state)
{
	static const struct {
		const char *text;
		int err;
		unsigned count;
	} cases[] = {
		{ "sha512 sha256", 0, 2 },	{ "SHA256", 0, 1 },	       { "", 0, 0 },
		{ " sha512, sha256 ", 0, 2 },	{ "sha512=2 sha256=1", 0, 2 }, { "sha384=3", 0, 1 },
		{ "sha384", ERR_SYNTAX, 0 },	{ "sha384=2", ERR_SYNTAX, 0 }, { "sha256=2", ERR_SYNTAX, 0 },
		{ "sha512 sha512", ERR_SYNTAX, 0 }, { "md6", ERR_SYNTAX, 0 },  { "sha384=0", ERR_SYNTAX, 0 },
		{ "sha384=255", ERR_SYNTAX, 0 },    { "sha384=x", ERR_SYNTAX, 0 },
		{ "sha384=3 sha224=3", ERR_SYNTAX, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_dane_digests digests = { 0 };

		if (tls_dane_digests_parse(slice_of_str(cases[i].text), &digests) != cases[i].err ||
		    digests.count != cases[i].count)
			fail_msg("%s: %u", cases[i].text, digests.count);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("servers and issuers are judged as they should be", verdicts_are_right),
		CLAIM("smtp_tls_scert_verifydepth counts from the anchor", the_chain_has_a_bound),
		CLAIM("what cannot be used does not count", what_cannot_be_used_does_not_count),
		CLAIM("octets too few are no record", octets_too_few_are_no_record),
		CLAIM("records have a bound, and an order of their own", records_have_a_bound),
		CLAIM("short records come first", long_records_make_room_for_short_ones),
		CLAIM("different sets have different prints", sets_are_told_apart),
		CLAIM("anchors of a file", anchors_of_a_file),
		CLAIM("anchor files are read (case 250)", anchor_files_are_read),
		CLAIM("tls_dane_digests is read", digest_lists_are_read),
	};
	return cmocka_run_group_tests_name("crypto/tls_dane", claims, set_up, NULL);
}
