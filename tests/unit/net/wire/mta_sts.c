/* MTA-STS: records and policies, as they are and as they are not. */
#include "net/wire/mta_sts.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "tests/test.h"

/* --- records -------------------------------------------------------------------------------------- */

static void records_are_read(void **state)
{
	static const struct {
		const char *text, *id;		/* NULL: it is none */
	} cases[] = {
		{ "v=STSv1; id=20160831085700Z;", "20160831085700Z" },
		{ "v=STSv1; id=20160831085700Z", "20160831085700Z" },
		{ "v=STSv1;id=1", "1" },
		{ "v=STSv1;\tid=1 \t; ", "1" },
		{ "v=STSv1; id=12345678901234567890123456789012;", "12345678901234567890123456789012" },
		{ "v=STSv1; x=y; id=a; foo.bar-1_z=!#$<>~;", "a" },
		{ "v=STSv1; ID=x; id=a;", "a" },
		{ "v=STSv1; id=123456789012345678901234567890123;", NULL },
		{ "v=STSv1; id=;", NULL },
		{ "v=STSv1; id=a-b;", NULL },
		{ "v=STSv1; id=a b;", NULL },
		{ "v=STSv1; id=a; id=b;", NULL },
		{ "v=STSv1;", NULL },
		{ "v=STSv1", NULL },
		{ "v=STSv1 ; id=1", NULL },
		{ "v=STSv1;; id=1", NULL },
		{ "v=STSv1; id", NULL },
		{ "v=STSv1; id=1; =x", NULL },
		{ "v=STSv1; id=1; x=", NULL },
		{ "v=STSv1; id=1; x=y=z", NULL },
		{ "v=STSv1; id=1; _x=y", NULL },
		{ "v=STSv1; id=1; x=\xc3\xa9", NULL },
		{ "V=STSv1; id=1", NULL },
		{ "v=STSv2; id=1", NULL },
		{ " v=STSv1; id=1", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct slice text = slice_of_str(cases[i].text);
		struct slice id = SLICE("untouched");
		int r = mta_sts_record_find(&text, 1, &id);

		if (r != (cases[i].id != NULL ? 0 : -ENOENT) ||
		    !slice_eq(id, slice_of_str(cases[i].id != NULL ? cases[i].id : "untouched")))
			fail_msg("%s", cases[i].text);
	}
}

/* RFC 8461 3.1: of several that begin as ours none counts, of others nobody asks. */
static void one_record_is_ours(void **state)
{
	const struct slice texts[] = {
		SLICE("v=spf1 -all"), SLICE("v=STSv1; id=1"), SLICE("v=STSv1 id=3"), SLICE(""), SLICE("v=STSv1; id=2"),
	};
	const struct slice half[] = { SLICE("v=STSv1; id=1"), SLICE("v=STSv1;") };
	struct slice id;

	(void)state;
	assert_int_equal(mta_sts_record_find(texts, 4, &id), 0);
	assert_true(slice_eq(id, SLICE("1")));
	assert_int_equal(mta_sts_record_find(texts, 5, &id), -ENOENT);
	assert_int_equal(mta_sts_record_find(half, 2, &id), -ENOENT);
	assert_int_equal(mta_sts_record_find(texts, 1, &id), -ENOENT);
	assert_int_equal(mta_sts_record_find(NULL, 0, &id), -ENOENT);
}

/* --- policies ------------------------------------------------------------------------------------- */

#define BASE	"version: STSv1\nmode: enforce\n"

static const char usual[] = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.example.net\r\n"
			    "mx: backupmx.example.com\r\nmax_age: 604800\r\n";

static void a_policy_is_read(void **state)
{
	struct mta_sts_policy p;

	(void)state;
	assert_int_equal(mta_sts_policy_parse(SLICE("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n"
						    "mx: *.example.net\r\nmx: backupmx.example.com\r\nmax_age: 604800\r\n"), &p), 0);
	assert_int_equal(p.mode, MTA_STS_ENFORCE);
	assert_int_equal(p.max_age_s, 604800);
	assert_int_equal(p.mx_count, 3);
	assert_true(slice_eq(mta_sts_next_mx(&p.text), SLICE("mail.example.com")));
	assert_true(slice_eq(mta_sts_next_mx(&p.text), SLICE("*.example.net")));
	assert_true(slice_eq(mta_sts_next_mx(&p.text), SLICE("backupmx.example.com")));
	assert_int_equal(mta_sts_next_mx(&p.text).len, 0);
}

static const struct {
	const char *text;
	int result;
	enum mta_sts_mode mode;
	uint32_t age;
} policies[] = {
	{ BASE "mx: a.test\nmax_age: 1", 0, MTA_STS_ENFORCE, 1 },	/* no LF at the end */
	{ "mx:a.test\nmax_age:0\nmode:testing\nversion:STSv1\n", 0, MTA_STS_TESTING, 0 },
	{ "version: STSv1\nmode: none\nmax_age: 31557600\n", 0, MTA_STS_NONE, 31557600 },
	{ BASE "mx: a.test\nmax_age: 5\nmax_age: 6\nmode: none\nversion: STSv2\n", 0, MTA_STS_ENFORCE, 5 },
	{ BASE "mx: a.test\nmax_age: 5\nx-y.z_1: \xc3\xa9 and more = all\n\n\r\n", 0, MTA_STS_ENFORCE, 5 },
	{ BASE "mx: \t a.test \t\nmax_age: 0005\t\n", 0, MTA_STS_ENFORCE, 5 },
	/* RFC 8461 3.2. */
	{ BASE "mx: a.test\nmax_age: 99999999999\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 1099511627776\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 31557601\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: -1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 1s\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age:\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\n", ERR_PROTO, 0, 0 },
	{ BASE "max_age: 1\n", ERR_PROTO, 0, 0 },
	{ "version: STSv1\nmode: testing\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "version: STSv2\nmode: enforce\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "version: stsv1\nmode: enforce\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "mode: enforce\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "version: STSv1\nmode: report\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "version: STSv1\nmode: Enforce\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "version: STSv1\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "Version: STSv1\nmode: enforce\nmx: a.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	/* What is no name of a server would be something else where it is written down. */
	{ BASE "mx: *\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: *.\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: *.*.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.*.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test b.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test}\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: [192.0.2.1]\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: 192.0.2.1\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: m\xc3\xa9.test\nmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 1\nnonsense\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 1\n: x\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 1\n x: y\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\nmax_age: 1\nx: \xff\n", ERR_PROTO, 0, 0 },
	{ BASE "mx: a.test\rmax_age: 1\n", ERR_PROTO, 0, 0 },
	{ "<html>404</html>\n", ERR_PROTO, 0, 0 },
	{ "", ERR_PROTO, 0, 0 },
};

static void policies_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		struct mta_sts_policy p;

		if (mta_sts_policy_parse(slice_of_str(policies[i].text), &p) != policies[i].result)
			fail_msg("%s", policies[i].text);
		if (policies[i].result == 0) {
			assert_int_equal(p.mode, policies[i].mode);
			assert_int_equal(p.max_age_s, policies[i].age);
		}
	}
	struct mta_sts_policy p;

	assert_int_equal(mta_sts_policy_parse(SLICE(BASE "mx: a.test\0.b\nmax_age: 1\n"), &p), ERR_PROTO);
}

/* A transfer that was cut: only where the last line is whole but for its end is it the policy. */
static void half_a_policy_is_none(void **state)
{
	struct mta_sts_policy p;

	(void)state;
	for (size_t len = 0; len < sizeof(usual) - 1; len++) {
		char *copy = malloc(MAX(len, (size_t)1));
		const bool has_age = len >= strlen(usual) - strlen("604800\r\n") + 1;

		memcpy(copy, usual, len);
		assert_int_equal(mta_sts_policy_parse(slice_of(copy, len), &p), has_age ? 0 : ERR_PROTO);
		free(copy);
	}
}

static void a_policy_has_a_bound(void **state)
{
	static char text[MTA_STS_POLICY_MAX + 1];
	struct mta_sts_policy p;
	const char head[] = BASE "max_age: 1\n";
	size_t len = strlen(head);
	unsigned count = 0;

	(void)state;
	memset(text, '\n', sizeof(text));
	memcpy(text, head, len);
	for (; len + 10 <= MTA_STS_POLICY_MAX; len += 10, count++)
		memcpy(text + len, "mx:*.test\n", 10);
	assert_int_equal(mta_sts_policy_parse(slice_of(text, MTA_STS_POLICY_MAX), &p), 0);
	assert_int_equal(p.mx_count, count);
	while (mta_sts_next_mx(&p.text).len > 0)
		count--;
	assert_int_equal(count, 0);
	assert_int_equal(mta_sts_policy_parse(slice_of(text, sizeof(text)), &p), ERR_PROTO);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("records are read, and what is none is refused", records_are_read),
		CLAIM("one record is ours, or none", one_record_is_ours),
		CLAIM("a policy is read", a_policy_is_read),
		CLAIM("policies are judged", policies_are_judged),
		CLAIM("a policy is cut anywhere, and half of it is none", half_a_policy_is_none),
		CLAIM("a policy has a bound", a_policy_has_a_bound),
	};

	return cmocka_run_group_tests_name("net/wire/mta_sts", claims, NULL, NULL);
}
