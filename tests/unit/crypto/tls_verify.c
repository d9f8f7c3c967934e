#include "crypto/tls_verify.h"

#include "core/err.h"
#include "tests/test.h"

/* Row TLS-10, cases 227-233: the name in a certificate, the name that is wanted. */
static const struct {
	const char *presented;
	size_t presented_len; /* 0: up to NUL */
	const char *wanted;
	bool matches;
} names[] = {
	{ "mx.example.org", 0, "mx.example.org", true },
	{ "MX.Example.ORG", 0, "mx.example.org", true },
	{ "mx.example.org", 0, "MX.EXAMPLE.org", true },
	{ "mx.example.org.", 0, "mx.example.org", true },
	{ "mx.example.org", 0, "mx.example.org.", true },
	{ "mx.example.org", 0, "my.example.org", false },
	{ "example.org", 0, "mx.example.org", false },
	{ "mx.example.org", 0, "example.org", false },
	{ "mx.example.org", 0, "mx.example.orgx", false },
	{ "*.example.org", 0, "mx.example.org", true },
	{ "*.example.org", 0, "MX.Example.ORG", true },
	{ "*.example.org", 0, "a.b.example.org", false },
	{ "*.example.org", 0, "example.org", false },
	{ "*.example.org", 0, ".example.org", true },
	{ "*.example.org", 0, "mx.example.net", false },
	{ "*.org", 0, "example.org", false },
	{ "*.com", 0, "example.com", false },
	{ "*", 0, "org", false },
	{ "*", 0, "example.org", false },
	{ "*.", 0, "example.", false },
	{ "m*.example.org", 0, "mx.example.org", false },
	{ "*x.example.org", 0, "mx.example.org", false },
	{ "f*o.example.org", 0, "foo.example.org", false },
	{ "mx.*.org", 0, "mx.example.org", false },
	{ "*.*.org", 0, "mx.example.org", false },
	{ "*.*.example.org", 0, "a.b.example.org", false },
	{ "mx.example.org", 0, ".example.org", true },
	{ "a.b.example.org", 0, ".example.org", true },
	{ "example.org", 0, ".example.org", false },
	{ "badexample.org", 0, ".example.org", false },
	{ ".example.org", 0, ".example.org", false },
	{ "mx.example.org\0.evil.test", 24, "mx.example.org", false },
	{ "mx.example.org\0", 15, "mx.example.org", false },
	{ "\0mx.example.org", 15, "mx.example.org", false },
	{ "mx.example.org\r\n", 0, "mx.example.org", false },
	{ "mx .example.org", 0, "mx .example.org", false },
	{ "", 0, "", false },
	{ ".", 0, ".", false },
	{ "192.0.2.1", 0, "192.0.2.1", true },	/* as a dNSName that is wanted by that name */
	{ "xn--mx-zka.example.org", 0, "xn--mx-zka.example.org", true },
	{ "m\xc3\xbcx.example.org", 0, "m\xc3\xbcx.example.org", false },
	{ "mx_1.example.org", 0, "mx_1.example.org", true },
	{ "mx..example.org", 0, "mx..example.org", false },
	{ "mx.example.org", 0, "", false },
	{ "mx.example.org", 0, ".", false },
	{ "*.xn--example-9ua.org", 0, "mx.xn--example-9ua.org", true },
};

static void names_match_exactly(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		size_t len = names[i].presented_len > 0 ? names[i].presented_len : strlen(names[i].presented);

		struct slice presented = slice_of(names[i].presented, len);

		if (tls_name_matches(presented, slice_of_str(names[i].wanted)) != names[i].matches)
			fail_msg("%u: \"%s\" and \"%s\"", i, names[i].presented, names[i].wanted);
	}
}

static void fingerprints_are_read(void **state)
{
	static const struct {
		const char *text, *digest;
		int err;
	} cases[] = {
		{ "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF", "md5", 0 },
		{ "00112233445566778899aabbccddeeff", "md5", 0 },
		{ "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE", "md5", ERR_SYNTAX },
		{ "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00", "md5", ERR_SYNTAX },
		{ "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:", "md5", ERR_SYNTAX },
		{ "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FG", "md5", ERR_SYNTAX },
		{ ":00112233445566778899aabbccddeeff", "md5", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeef", "md5", ERR_SYNTAX },
		{ "", "md5", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeeff", "sha256", ERR_SYNTAX },
		{ "00112233445566778899aabbccddeeff", "nosuch", ERR_SYNTAX },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct tls_print print;
		int digest = tls_digest_find(slice_of_str(cases[i].digest));
		int r = tls_print_parse(slice_of_str(cases[i].text), digest, &print);
		char text[128];
		struct str s = STR(text);

		if (r != cases[i].err)
			fail_msg("%s: %d", cases[i].text, r);
		if (r < 0)
			continue;
		tls_print_add(&s, &print);
		assert_string_equal(str_cstr(&s), cases[0].text);
	}
	assert_int_equal(tls_digest_size(tls_digest_find(SLICE("SHA256"))), 32);
	assert_int_equal(tls_digest_size(tls_digest_find(SLICE("sha512"))), 64);
}

static void keys_are_found_in_certificates(void **state)
{
	/* { { [0] {2}, 1, {}, {}, {}, {}, { 05 00 } } }, and the same without a version */
	static const char with[] = "\x30\x16\x30\x14\xa0\x03\x02\x01\x02\x02\x01\x01\x30\0\x30\0\x30\0\x30\0\x30\x02\x05\0";
	static const char without[] = "\x30\x11\x30\x0f\x02\x01\x01\x30\0\x30\0\x30\0\x30\0\x30\x02\x05\0";
	struct slice key;

	(void)state;
	assert_int_equal(tls_cert_public_key(slice_of(with, sizeof(with) - 1), &key), 0);
	assert_int_equal(key.len, 4);
	assert_memory_equal(key.ptr, "\x30\x02\x05\0", 4);
	assert_int_equal(tls_cert_public_key(slice_of(without, sizeof(without) - 1), &key), 0);
	assert_int_equal(key.len, 4);
	for (size_t cut = 0; cut < sizeof(with) - 1; cut++)
		assert_int_equal(tls_cert_public_key(slice_of(with, cut), &key), ERR_PROTO);
	assert_int_equal(tls_cert_public_key(SLICE("\x30\x84\xff\xff\xff\xff"), &key), ERR_PROTO);
	assert_int_equal(tls_cert_public_key(SLICE("\x30\x80\x30\x80"), &key), ERR_PROTO);
}

/* { { 1, {}, {}, { time, time } } }, the second one being this. */
static struct slice valid_until(char storage[128], unsigned char tag, const char *text)
{
	size_t len = strlen(text), validity = 2 + 2 + len;
	const unsigned char head[] = {
		0x30, (unsigned char)(2 + 3 + 4 + 2 + validity), 0x30, (unsigned char)(3 + 4 + 2 + validity), 2, 1, 1,
		0x30, 0, 0x30, 0, 0x30, (unsigned char)validity, 0x17, 0, tag, (unsigned char)len,
	};

	memcpy(storage, head, sizeof(head));
	memcpy(storage + sizeof(head), text, len);
	return slice_of(storage, sizeof(head) + len);
}

static void dates_are_found_in_certificates(void **state)
{
	static const struct {
		unsigned char tag;
		const char *text;
		uint64_t second; /* 0: it is no date */
	} dates[] = {
		{ 0x17, "700101000001Z", 1 },		  { 0x17, "491231235959Z", UINT64_C(2524607999) },
		{ 0x17, "000229000000Z", 951782400 },	  { 0x17, "991231235959Z", 946684799 },
		{ 0x18, "20500101000000Z", UINT64_C(2524608000) }, { 0x18, "99991231235959Z", UINT64_C(253402300799) },
		{ 0x18, "20260101000000Z", 1767225600 },  { 0x18, "20240301000000Z", 1709251200 },
		{ 0x17, "500101000000Z", 0 },		  { 0x18, "19691231235959Z", 0 },
		{ 0x17, "260001000000Z", 0 },		  { 0x17, "261301000000Z", 0 },
		{ 0x17, "260100000000Z", 0 },		  { 0x17, "260101240000Z", 0 },
		{ 0x17, "260101006000Z", 0 },		  { 0x17, "260101000060Z", 0 },
		{ 0x17, "26010100000Z", 0 },		  { 0x17, "260101000000", 0 },
		{ 0x17, "260101000000+0100", 0 },	  { 0x17, "2601010000 0Z", 0 },
		{ 0x18, "260101000000Z", 0 },		  { 0x16, "260101000000Z", 0 },
		{ 0x17, "", 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(dates); i++) {
		char storage[128];
		struct slice der = valid_until(storage, dates[i].tag, dates[i].text);
		uint64_t second = 0;
		int r = tls_cert_good_until(der, &second);

		if (r != (dates[i].second > 0 ? 0 : ERR_PROTO) || second != dates[i].second)
			fail_msg("%s: %d, %llu", dates[i].text, r, (unsigned long long)second);
		for (size_t cut = 0; cut < der.len; cut++)
			assert_int_equal(tls_cert_good_until(slice_head(der, cut), &second), ERR_PROTO);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("names match exactly, or by one star (row TLS-10, cases 230, 231, 233)", names_match_exactly),
		CLAIM("fingerprints are read and written", fingerprints_are_read),
		CLAIM("public keys are found in certificates", keys_are_found_in_certificates),
		CLAIM("and the dates at which they end", dates_are_found_in_certificates),
	};
	return cmocka_run_group_tests_name("crypto/tls_verify", claims, NULL, NULL);
}
