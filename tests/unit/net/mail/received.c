#include "tests/test.h"

#include "net/mail/message.h"
#include "net/mail/received.h"

static struct addr endpoint(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_endpoint(slice_of_str(text), &a), 0);
	return a;
}

static void expect_field(struct slice helo, const char *peer, bool esmtp, const char *want)
{
	char storage[RECEIVED_MAX];
	struct str out = STR(storage);
	struct addr a = endpoint(peer);
	struct received r = {
		.helo = helo,
		.peer = &a,
		.hostname = SLICE("mx.example.test"),
		.esmtp = esmtp,
		.id = 0x1c2f0a93b4d5e,
		.wall_ns = UINT64_C(1795391207) * NS_PER_SEC,
	};

	received_add_field(&out, &r);
	assert_string_equal(str_cstr(&out), want);
}

static void the_field_has_three_lines(void **state)
{
	(void)state;
	expect_field(SLICE("client.test"), "192.0.2.1:1025", true,
		     "Received: from client.test (unknown [192.0.2.1])\r\n"
		     "\tby mx.example.test (ringpost) with ESMTP id 1C2F0A93B4D5E;\r\n"
		     "\tSun, 22 Nov 2026 23:46:47 +0000\r\n");
	expect_field(SLICE("[IPv6:2001:db8::1]"), "[2001:db8::1]:1025", false,
		     "Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])\r\n"
		     "\tby mx.example.test (ringpost) with SMTP id 1C2F0A93B4D5E;\r\n"
		     "\tSun, 22 Nov 2026 23:46:47 +0000\r\n");
	expect_field(SLICE("x"), "unix:/run/x", true,
		     "Received: from x (local)\r\n"
		     "\tby mx.example.test (ringpost) with ESMTP id 1C2F0A93B4D5E;\r\n"
		     "\tSun, 22 Nov 2026 23:46:47 +0000\r\n");
}

static void no_octet_of_a_name_ends_the_field(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 256; c++) {
		char helo[600];
		char storage[RECEIVED_MAX];
		struct str out = STR(storage);
		struct addr a = endpoint("192.0.2.1:25");

		memset(helo, (int)c, sizeof(helo));
		struct received r = {
			.helo = slice_of(helo, sizeof(helo)),
			.peer = &a,
			.hostname = slice_of(helo, sizeof(helo)),
			.id = UINT64_MAX,
			.wall_ns = UINT64_MAX,
		};

		received_add_field(&out, &r);
		assert_false(str_is_full(&out));
		struct slice rest = str_slice(&out);

		for (unsigned line = 0; line < 3; line++) {
			ptrdiff_t lf = slice_find_char(rest, 0, '\n');

			assert_true(lf > 0 && lf <= 998 && rest.ptr[lf - 1] == '\r');
			assert_int_equal(slice_find_char(rest, 0, '\r'), lf - 1);
			assert_true(line == 0 ? rest.ptr[0] == 'R' : rest.ptr[0] == '\t');
			slice_skip(&rest, (size_t)lf + 1);
		}
		assert_int_equal(rest.len, 0);
	}
}

static void dates_are_right(void **state)
{
	static const struct {
		uint64_t seconds;
		const char *text;
	} dates[] = {
		{ 0, "Thu, 1 Jan 1970 00:00:00 +0000" },
		{ 951782399, "Mon, 28 Feb 2000 23:59:59 +0000" },
		{ 951782400, "Tue, 29 Feb 2000 00:00:00 +0000" },
		{ 951868800, "Wed, 1 Mar 2000 00:00:00 +0000" },
		{ 2147483648, "Tue, 19 Jan 2038 03:14:08 +0000" },
		{ 4107542399, "Sun, 28 Feb 2100 23:59:59 +0000" },
		{ 4107542400, "Mon, 1 Mar 2100 00:00:00 +0000" },
		{ 1767225599, "Wed, 31 Dec 2025 23:59:59 +0000" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(dates); i++) {
		char storage[64];
		struct str out = STR(storage);

		received_add_date(&out, dates[i].seconds * NS_PER_SEC);
		assert_string_equal(str_cstr(&out), dates[i].text);
	}
}

static const struct {
	const char *text;
	uint32_t count;
	bool over;
	uint32_t facts;
} headers[] = {
	{ "", 0, false, 0 },
	{ "Received: from x\r\n\tby y\r\nreceived:z\r\nSubject: Received: no\r\n\r\nReceived: body\r\n", 2, true, 0 },
	{ "\r\nReceived: x\r\n", 0, true, 0 },
	{ "Received : old\r\nRECEIVED:\r\n", 2, false, 0 },
	{ "Received-SPF: pass\r\nX-Received: x\r\nReceive: x\r\nReceivedd: x\r\n", 0, false, 0 },
	{ "Subject: x\r\n Received: folded\r\n", 0, false, 0 },
	{ "no field\r\nReceived: x\r\n", 0, true, 0 },
	{ "Rec eived: x\r\n", 0, true, 0 },
	{ "Received: x\r\n..\r\nReceived: y\r\n", 1, true, 0 },
	{ "Subject: Gr\xc3\xbc\xc3\x9f" "e\r\n\r\n", 0, true, MESSAGE_HEADER_UTF8 },
	{ "Subject: x\r\n \xe9\r\n", 0, false, MESSAGE_HEADER_UTF8 },
	{ "Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9f" "e\r\n", 0, true, 0 },
	{ "TLS-Required: No\r\n\r\n", 0, true, MESSAGE_TLS_OPTIONAL },
	{ "tls-required:\r\n\tno \r\nReceived: x\r\n", 1, false, MESSAGE_TLS_OPTIONAL },
	{ "TLS-Required: no\r\n", 0, false, MESSAGE_TLS_OPTIONAL },
	{ "TLS-Required: no\r\n where\r\n", 0, false, 0 },
	{ "TLS-Required: none\r\n", 0, false, 0 },
	{ "TLS-Required: n\r\n", 0, false, 0 },
	{ "TLS-Required:\r\n", 0, false, 0 },
	{ "TLS-Required2: no\r\nXTLS-Required: no\r\nTLS-Require: no\r\n", 0, false, 0 },
	{ "Subject: x\r\n TLS-Required: no\r\n no\r\n", 0, false, 0 },
	{ "X: y\r\n\r\nTLS-Required: no\r\n", 0, true, 0 },
};

static void only_the_header_is_counted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(headers); i++) {
		struct slice text = slice_of_str(headers[i].text);

		for (size_t cut = 0; cut <= text.len; cut++) {
			struct received_counter counter = { 0 };

			received_counter_feed(&counter, slice_head(text, cut));
			received_counter_feed(&counter, slice_of(text.ptr + cut, text.len - cut));
			assert_int_equal(counter.count, headers[i].count);
			assert_int_equal(received_counter_is_over(&counter), headers[i].over);
			assert_int_equal(counter.facts, headers[i].facts);
		}
		struct received_counter counter = { 0 };

		for (size_t at = 0; at < text.len; at++)
			received_counter_feed(&counter, slice_of(text.ptr + at, 1));
		assert_int_equal(counter.count, headers[i].count);
		assert_int_equal(counter.facts, headers[i].facts);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the field is three lines of one shape", the_field_has_three_lines),
		CLAIM("INJ-06: no octet of a name ends a line or the field", no_octet_of_a_name_ends_the_field),
		CLAIM("dates are right across leap days, centuries and 2038", dates_are_right),
		CLAIM("Received fields are counted, UTF-8 and TLS-Required noticed, in the header only, at every cut",
		      only_the_header_is_counted),
	};

	return cmocka_run_group_tests_name("net/mail/received", claims, NULL, NULL);
}
