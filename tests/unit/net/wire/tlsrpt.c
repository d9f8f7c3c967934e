/* The record that asks for TLS reports (RFC 8460 3). */
#include "tests/test.h"

#include "core/str.h"
#include "net/wire/tlsrpt.h"

static const struct record_case {
	const char *claim, *text;
	bool is_record;
	unsigned mails, https, others;
	const char *first;
} cases[] = {
	{ "RFC 8460 3.1", "v=TLSRPTv1;rua=mailto:reports@example.com", true, 1, 0, 0, "reports@example.com" },
	{ "RFC 8460 3.1: https", "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt", true, 0, 1, 0, NULL },
	{ "case 318: blanks, several, one of each", "v=TLSRPTv1 ; rua=mailto:a@b.test , https://c.test/ ,mailto:d@e.test ;",
	  true, 2, 1, 0, "a@b.test" },
	{ "case 319: another version", "v=TLSRPTv2; rua=mailto:a@b.test", false, 0, 0, 0, NULL },
	{ "case 319: no delimiter", "v=TLSRPTv1rua=mailto:a@b.test", false, 0, 0, 0, NULL },
	{ "the version alone", "v=TLSRPTv1", false, 0, 0, 0, NULL },
	{ "the case of the version counts", "V=TLSRPTv1; rua=mailto:a@b.test", false, 0, 0, 0, NULL },
	{ "nothing in front of it", " v=TLSRPTv1; rua=mailto:a@b.test", false, 0, 0, 0, NULL },
	{ "an extension is passed over", "v=TLSRPTv1; x=y; rua=mailto:a@b.test; z", true, 1, 0, 0, "a@b.test" },
	{ "no address at all", "v=TLSRPTv1;", true, 0, 0, 0, NULL },
	{ "a coded address", "v=TLSRPTv1; rua=mailto:a%2Cb%21@b.test", true, 0, 0, 1, NULL },
	{ "a coded address that is one", "v=TLSRPTv1; rua=mailto:a%21b%2b@b.test", true, 1, 0, 0, "a!b+@b.test" },
	{ "what is behind ? is not ours", "v=TLSRPTv1; rua=mailto:a@b.test?subject=x", true, 1, 0, 0, "a@b.test" },
	{ "half a code", "v=TLSRPTv1; rua=mailto:a%2@b.test", true, 0, 0, 1, NULL },
	{ "a code at the end", "v=TLSRPTv1; rua=mailto:a@b.test%4", true, 0, 0, 1, NULL },
	{ "a line end in an address", "v=TLSRPTv1; rua=mailto:a%0d%0aBcc:x@b.test", true, 0, 0, 1, NULL },
	{ "NUL in an address", "v=TLSRPTv1; rua=mailto:a%00@b.test", true, 0, 0, 1, NULL },
	{ "no domain", "v=TLSRPTv1; rua=mailto:a", true, 0, 0, 1, NULL },
	{ "a source route", "v=TLSRPTv1; rua=mailto:@x.test:a@b.test", true, 0, 0, 1, NULL },
	{ "another scheme", "v=TLSRPTv1; rua=http://b.test/,ftp:x", true, 0, 0, 2, NULL },
	{ "more than we keep", "v=TLSRPTv1;rua=mailto:a@t.test,mailto:b@t.test,mailto:c@t.test,mailto:d@t.test,mailto:e@t.test",
	  true, 4, 0, 1, "a@t.test" },
};

/* One string up to cut, and another. */
static struct slice rdata_of(char out[1024], struct slice text, size_t cut)
{
	out[0] = (char)cut;
	memcpy(out + 1, text.ptr, cut);
	out[1 + cut] = (char)(text.len - cut);
	memcpy(out + 2 + cut, text.ptr + cut, text.len - cut);
	return slice_of(out, text.len + 2);
}

static void check(const struct record_case *c, struct slice rdata)
{
	struct tlsrpt_record r;

	if (tlsrpt_record_read(rdata, &r) != c->is_record)
		fail_msg("%s", c->claim);
	if (!c->is_record)
		return;
	if (r.mail_count != c->mails || r.https_count != c->https || r.other_count != c->others)
		fail_msg("%s: %u, %u, %u", c->claim, r.mail_count, r.https_count, r.other_count);
	if (c->first != NULL && !slice_eq(tlsrpt_record_mail(&r, 0), slice_of_str(c->first)))
		fail_msg("%s: %.*s", c->claim, SLICE_FMT(tlsrpt_record_mail(&r, 0)));
}

static void every_record_at_every_cut(void **state)
{
	char storage[1024];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t cut = 0; cut <= strlen(cases[i].text); cut++)
			check(&cases[i], rdata_of(storage, slice_of_str(cases[i].text), cut));
}

static void octet_by_octet(void **state)
{
	char rdata[512];
	const char *text = cases[2].text;

	(void)state;
	for (size_t i = 0; i < strlen(text); i++) {
		rdata[2 * i] = 1;
		rdata[2 * i + 1] = text[i];
	}
	check(&cases[2], slice_of(rdata, 2 * strlen(text)));
}

static void damaged_data_is_no_record(void **state)
{
	struct tlsrpt_record r;
	char large[4096];

	(void)state;
	assert_false(tlsrpt_record_read(SLICE(""), &r));
	assert_false(tlsrpt_record_read(SLICE("\x40v=TLSRPTv1;"), &r));
	for (size_t i = 0; i < sizeof(large); i += 256) {
		memset(large + i, ';', 256);
		large[i] = (char)255;
	}
	memcpy(large + 1, "v=TLSRPTv1", 10);
	assert_false(tlsrpt_record_read(slice_of(large, sizeof(large)), &r));
	assert_true(tlsrpt_record_read(slice_of(large, 1024), &r));
}

static void words_are_found_again(void **state)
{
	(void)state;
	for (int i = TLSRPT_SUCCESS + 1; i < TLSRPT_RESULT_COUNT; i++)
		assert_int_equal(tlsrpt_result_find(slice_of_str(tlsrpt_result_word((enum tlsrpt_result)i))), i);
	for (int i = 0; i < TLSRPT_POLICY_TYPE_COUNT; i++)
		assert_int_equal(tlsrpt_policy_type_find(slice_of_str(
			tlsrpt_policy_type_word((enum tlsrpt_policy_type)i))), i);
	assert_int_equal(tlsrpt_result_find(SLICE("")), -1);
	assert_int_equal(tlsrpt_result_find(SLICE("success")), -1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("every record is understood, wherever its text is cut", every_record_at_every_cut),
		CLAIM("strings of one octet are a text, too", octet_by_octet),
		CLAIM("damaged or endless data is no record", damaged_data_is_no_record),
		CLAIM("every word of a report is found again", words_are_found_again),
	};
	return cmocka_run_group_tests_name("net/wire/tlsrpt", claims, NULL, NULL);
}
