/* Sessions for destinations that have not shown that they work (row TIM-05). */
#include "net/delivery/credit.h"

#include "tests/test.h"

static size_t take_all(struct credits *c, enum credit credit)
{
	size_t n = 0;

	while (credits_take(c, credit))
		n++;
	return n;
}

static void some_are_kept_back(void **state)
{
	static const struct {
		size_t sessions, doubted, both;
	} cases[] = { { 1, 1, 1 }, { 2, 1, 2 }, { 3, 2, 3 }, { 4, 2, 3 }, { 100, 50, 75 } };
	struct credits c;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		credits_init(&c, cases[i].sessions);
		assert_int_equal(take_all(&c, CREDIT_DOUBTED), cases[i].doubted);
		assert_int_equal(take_all(&c, CREDIT_NEW), cases[i].both - cases[i].doubted);
		assert_int_equal(credits_free(&c, CREDIT_NEW), 0);
		credits_init(&c, cases[i].sessions);
		assert_int_equal(take_all(&c, CREDIT_NEW), cases[i].both);
		assert_int_equal(credits_free(&c, CREDIT_DOUBTED), 0);
		assert_true(credits_take(&c, CREDIT_GOOD));
	}
}

static void what_is_put_back_can_be_had(void **state)
{
	struct credits c;

	(void)state;
	credits_init(&c, 8);
	assert_int_equal(take_all(&c, CREDIT_DOUBTED), 4);
	assert_int_equal(take_all(&c, CREDIT_NEW), 2);
	credits_put(&c, CREDIT_GOOD);
	assert_int_equal(credits_free(&c, CREDIT_NEW), 0);
	credits_put(&c, CREDIT_NEW);
	assert_int_equal(credits_free(&c, CREDIT_NEW), 1);
	assert_int_equal(credits_free(&c, CREDIT_DOUBTED), 0);
	credits_put(&c, CREDIT_DOUBTED);
	assert_int_equal(credits_free(&c, CREDIT_NEW), 2);
	assert_int_equal(credits_free(&c, CREDIT_DOUBTED), 1);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("TIM-05: a quarter is kept for who works, a half from who failed", some_are_kept_back),
		CLAIM("what is put back can be had again", what_is_put_back_can_be_had),
	};

	return cmocka_run_group_tests_name("net/delivery/credit", claims, NULL, NULL);
}
