/* In which order servers from SRV records are tried: case 92 of area C. */
#include "net/lookup/srv_order.h"

#include "tests/test.h"

static void lower_priorities_come_first(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 200; n++) {
		struct mx_host hosts[] = {
			{ .preference = 3, .weight = 65535 }, { .preference = 1 }, { .preference = 2, .weight = 7 },
			{ .preference = 1, .weight = 1 },     { .preference = 65535 },
		};

		srv_order(hosts, ARRAY_LEN(hosts));
		for (unsigned i = 1; i < ARRAY_LEN(hosts); i++)
			assert_true(hosts[i - 1].preference <= hosts[i].preference);
	}
}

/* name_at tells who is who; ret_first counts who came first. */
static void count_first(const struct mx_host *hosts, unsigned count, unsigned rounds, unsigned *ret_first)
{
	for (unsigned n = 0; n < rounds; n++) {
		struct mx_host copy[8];
		unsigned seen = 0;

		memcpy(copy, hosts, count * sizeof(*hosts));
		srv_order(copy, count);
		for (unsigned i = 0; i < count; i++)
			seen |= 1u << copy[i].name_at;
		assert_int_equal(seen, (1u << count) - 1);	/* nobody is lost */
		ret_first[copy[0].name_at]++;
	}
}

static void without_weights_everybody_is_first_as_often(void **state)
{
	static const struct mx_host hosts[] = { { .name_at = 0 }, { .name_at = 1 }, { .name_at = 2 } };
	unsigned first[3] = { 0 };

	(void)state;
	count_first(hosts, 3, 3000, first);
	/* 1,000 expected each; nine standard deviations (26) either way. */
	for (unsigned i = 0; i < 3; i++)
		assert_in_range(first[i], 760, 1240);
}

static void weights_are_proportions(void **state)
{
	static const struct mx_host hosts[] = {
		{ .name_at = 0, .weight = 60 }, { .name_at = 1, .weight = 20 }, { .name_at = 2, .weight = 20 },
	};
	unsigned first[3] = { 0 };

	(void)state;
	count_first(hosts, 3, 5000, first);
	/* 3,000, 1,000 and 1,000, with one of 101 numbers more for whoever stands first; nine deviations (35, 28). */
	assert_in_range(first[0], 2650, 3350);
	assert_in_range(first[1], 745, 1285);
	assert_in_range(first[2], 745, 1285);
}

static void the_largest_weights_do_not_overflow(void **state)
{
	struct mx_host hosts[MX_ADDRESSES_MAX];

	(void)state;
	for (unsigned i = 0; i < MX_ADDRESSES_MAX; i++)
		hosts[i] = (struct mx_host){ .weight = UINT16_MAX, .name_at = i };
	srv_order(hosts, MX_ADDRESSES_MAX);
	srv_order(hosts, 1);
	srv_order(hosts, 0);
}

static void services_are_words_of_the_list(void **state)
{
	(void)state;
	assert_true(srv_is_wanted(SLICE("smtp, submission"), SLICE("submission")));
	assert_true(srv_is_wanted(SLICE("Submission"), SLICE("SUBMISSION")));
	assert_false(srv_is_wanted(SLICE("submissions"), SLICE("submission")));
	assert_false(srv_is_wanted(SLICE(""), SLICE("submission")));
	assert_false(srv_is_wanted(SLICE("submission"), SLICE("")));
}

static void the_question_is_a_name(void **state)
{
	char storage[400], domain[300], label[64];
	struct str out = STR(storage);

	(void)state;
	assert_true(srv_question(&out, SLICE("submission"), SLICE("example.org")));
	assert_string_equal(str_cstr(&out), "_submission._tcp.example.org");
	memset(label, 'a', sizeof(label));
	out = STR(storage);
	assert_true(srv_question(&out, slice_of(label, 62), SLICE("example.org")));
	assert_false(srv_question(&out, slice_of(label, 63), SLICE("example.org")));
	/* "_smtp._tcp." and 242 octets are 253; one more is too long. */
	memset(domain, 'b', sizeof(domain));
	out = STR(storage);
	assert_true(srv_question(&out, SLICE("smtp"), slice_of(domain, 242)));
	out = STR(storage);
	assert_false(srv_question(&out, SLICE("smtp"), slice_of(domain, 243)));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("lower priorities come first (case 92)", lower_priorities_come_first),
		CLAIM("without weights everybody is first as often", without_weights_everybody_is_first_as_often),
		CLAIM("weights are proportions (case 92)", weights_are_proportions),
		CLAIM("the largest weights, one server and none", the_largest_weights_do_not_overflow),
		CLAIM("services are words of use_srv_lookup in any case", services_are_words_of_the_list),
		CLAIM("the question is a name of at most 253 octets", the_question_is_a_name),
	};

	return cmocka_run_group_tests_name("net/lookup/srv_order", claims, NULL, NULL);
}
