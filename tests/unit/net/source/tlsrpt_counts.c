/* TLS reports as counts and as text (RFC 8460 4). */
#include "net/source/tlsrpt_counts.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "tests/test.h"

static struct tlsrpt_counts counts, others;
static char text[TLSRPT_TEXT_MAX], again[TLSRPT_TEXT_MAX];

static int setup(void **state)
{
	(void)state;
	return tlsrpt_counts_init(&counts) + tlsrpt_counts_init(&others);
}

static int teardown(void **state)
{
	(void)state;
	tlsrpt_counts_done(&counts);
	tlsrpt_counts_done(&others);
	return 0;
}

static struct tls_event event_of(enum tlsrpt_result result, const char *mx)
{
	struct tls_event e = { .result = result, .policy_type = TLSRPT_NO_POLICY };

	(void)snprintf(e.domain, sizeof(e.domain), "example.org");
	(void)snprintf(e.policy_domain, sizeof(e.policy_domain), "example.org");
	(void)snprintf(e.mx, sizeof(e.mx), "%s", mx);
	return e;
}

static struct tlsrpt_report *sample(void)
{
	struct tlsrpt_report *r = tlsrpt_counts_add(&counts, SLICE("example.org"), 1459468800, 1459555200);
	struct tls_event e = event_of(TLSRPT_SUCCESS, "mx1");

	assert_non_null(r);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tlsrpt_counts_event(&counts, r, &e), 0);
	e.policy_type = TLSRPT_STS;
	(void)snprintf(e.strings, sizeof(e.strings), "version: STSv1\nmode: \"x\\y\"");
	(void)snprintf(e.patterns, sizeof(e.patterns), "*.example.org");
	assert_int_equal(tlsrpt_counts_event(&counts, r, &e), 0);
	e.result = TLSRPT_CERTIFICATE_EXPIRED;
	(void)snprintf(e.helo, sizeof(e.helo), "hello");
	(void)snprintf(e.sending_ip, sizeof(e.sending_ip), "192.0.2.1");
	(void)snprintf(e.receiving_ip, sizeof(e.receiving_ip), "2001:db8::1");
	(void)snprintf(e.reason, sizeof(e.reason), "two words");
	assert_int_equal(tlsrpt_counts_event(&counts, r, &e), 0);
	assert_int_equal(tlsrpt_counts_event(&counts, r, &e), 0);
	return r;
}

static const char json[] =
	"{\n  \"organization-name\": \"Us\",\n  \"date-range\": {\n    \"start-datetime\": \"2016-04-01T00:00:00Z\",\n"
	"    \"end-datetime\": \"2016-04-01T23:59:59Z\"\n  },\n  \"contact-info\": \"c@us.test\",\n  \"report-id\": \"id\",\n"
	"  \"policies\": [\n    {\n      \"policy\": {\n        \"policy-type\": \"no-policy-found\",\n"
	"        \"policy-domain\": \"example.org\"\n      },\n      \"summary\": {\n"
	"        \"total-successful-session-count\": 3,\n        \"total-failure-session-count\": 0\n      }\n    },\n"
	"    {\n      \"policy\": {\n        \"policy-type\": \"sts\",\n        \"policy-string\": [\n"
	"          \"version: STSv1\",\n          \"mode: \\\"x\\\\y\\\"\"\n        ],\n"
	"        \"policy-domain\": \"example.org\",\n        \"mx-host\": [\n          \"*.example.org\"\n        ]\n      },\n"
	"      \"summary\": {\n        \"total-successful-session-count\": 1,\n        \"total-failure-session-count\": 2\n"
	"      },\n      \"failure-details\": [\n        {\n          \"result-type\": \"certificate-expired\",\n"
	"          \"sending-mta-ip\": \"192.0.2.1\",\n          \"receiving-mx-hostname\": \"mx1\",\n"
	"          \"receiving-mx-helo\": \"hello\",\n          \"receiving-ip\": \"2001:db8::1\",\n"
	"          \"failure-reason-code\": \"two words\",\n          \"failed-session-count\": 2\n        }\n      ]\n    }\n"
	"  ]\n}\n";

static void a_report_as_json(void **state)
{
	struct str out = STR(text);

	(void)state;
	tlsrpt_counts_add_json(sample(), "Us", "c@us.test", SLICE("id"), &out);
	assert_string_equal(str_cstr(&out), json);
}

static void lines_are_read_again(void **state)
{
	struct str out = STR(text), out_again = STR(again);
	struct tlsrpt_report *r;

	(void)state;
	tlsrpt_counts_write(sample(), &out);
	assert_int_equal(tlsrpt_counts_read(&others, str_slice(&out), &r), 0);
	assert_ptr_equal(r, tlsrpt_counts_find(&others, SLICE("example.org"), 1459468800));
	assert_int_equal(r->end_s, 1459555200);
	tlsrpt_counts_write(r, &out_again);
	assert_string_equal(str_cstr(&out_again), str_cstr(&out));
	assert_int_equal(tlsrpt_counts_read(&others, str_slice(&out), &r), -EEXIST);
}

/* Every cut, and every octet changed. */
static void damaged_lines_are_refused(void **state)
{
	struct str out = STR(text);
	struct tlsrpt_report *r;

	(void)state;
	tlsrpt_counts_write(sample(), &out);
	for (size_t i = 0; i < out.len; i++) {
		assert_int_equal(tlsrpt_counts_read(&others, slice_head(str_slice(&out), i), &r), ERR_CORRUPT);
		text[i] ^= 1;
		assert_int_equal(tlsrpt_counts_read(&others, str_slice(&out), &r), ERR_CORRUPT);
		text[i] ^= 1;
	}
	assert_true(list_is_empty(&others.all));
	assert_int_equal(others.rows.used + others.policies.used, 0);
}

/* More servers than there are rows for: the sums are right all the same, and the rest is about nobody. */
static void a_report_is_bounded(void **state)
{
	struct tlsrpt_report *r = tlsrpt_counts_add(&counts, SLICE("example.org"), 0, 86400);
	struct str out = STR(text);
	uint64_t good = 0, bad = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		char mx[TLS_EVENT_NAME];

		memset(mx, '"', sizeof(mx));
		(void)snprintf(mx, sizeof(mx), "%u", i);
		mx[strlen(mx)] = '"';
		mx[sizeof(mx) - 1] = '\0';
		struct tls_event e = event_of((enum tlsrpt_result)(i % TLSRPT_RESULT_COUNT), mx);

		memset(e.helo, '\\', sizeof(e.helo) - 1);
		memset(e.reason, '"', sizeof(e.reason) - 1);
		memset(e.strings, '"', sizeof(e.strings) - 1);
		for (size_t k = 0; k < sizeof(e.strings) - 1; k += 2)
			e.strings[k] = (char)('a' + i % 25);
		for (size_t k = 1; k < sizeof(e.strings) - 1; k += 2)
			e.strings[k] = '\n';
		memcpy(e.patterns, e.strings, sizeof(e.patterns) - 1);
		memset(e.policy_domain, 'd', sizeof(e.policy_domain) - 1);
		assert_int_equal(tlsrpt_counts_event(&counts, r, &e), 0);
	}
	list_for_each(node, &r->policies) {
		good += list_entry(node, struct tlsrpt_policy, node)->good;
		bad += list_entry(node, struct tlsrpt_policy, node)->bad;
	}
	assert_int_equal(good + bad, 1000);
	assert_int_equal(good, 1000 / TLSRPT_RESULT_COUNT);
	assert_true(r->policy_count <= TLSRPT_POLICIES_EACH);
	tlsrpt_counts_add_json(r, "o", "c", SLICE("i"), &out);
	assert_false(str_is_full(&out));
	size_t line = 0;

	for (size_t i = 0; i < out.len; i++, line++) {
		if (out.ptr[i] == '\n')
			line = 0;
		assert_true(line < 998);
	}
	struct str out_again = STR(again);

	str_clear(&out);
	tlsrpt_counts_write(r, &out);
	assert_false(str_is_full(&out));
	assert_int_equal(tlsrpt_counts_read(&others, str_slice(&out), &r), 0);
	tlsrpt_counts_write(r, &out_again);
	assert_true(slice_eq(str_slice(&out), str_slice(&out_again)));
}

static void memory_is_bounded(void **state)
{
	char domain[32];
	struct tlsrpt_report *r = NULL;

	(void)state;
	for (unsigned i = 0; i < TLSRPT_REPORTS_MAX; i++) {
		int n = snprintf(domain, sizeof(domain), "d%u.test", i);

		r = tlsrpt_counts_add(&counts, slice_of(domain, (size_t)n), 0, 1);
		assert_non_null(r);
	}
	assert_null(tlsrpt_counts_add(&counts, SLICE("more.test"), 0, 1));
	tlsrpt_counts_remove(&counts, &r);
	assert_non_null(tlsrpt_counts_add(&counts, SLICE("more.test"), 0, 1));
	assert_null(tlsrpt_counts_find(&counts, SLICE("more.test"), 1));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("a report is JSON", a_report_as_json, setup, teardown),
		CLAIM_WITH("what was saved is what was counted", lines_are_read_again, setup, teardown),
		CLAIM_WITH("what is damaged is not read", damaged_lines_are_refused, setup, teardown),
		CLAIM_WITH("a report is bounded, and its sums are right", a_report_is_bounded, setup, teardown),
		CLAIM_WITH("memory is bounded", memory_is_bounded, setup, teardown),
	};
	return cmocka_run_group_tests_name("net/source/tlsrpt_counts", claims, NULL, NULL);
}
