#include "tests/test.h"

#include <errno.h>
#include <string.h>

#include "core/base.h"
#include "core/err.h"

static void every_error_has_a_phrase_of_its_own(void **state)
{
	static const int ours[] = { ERR_EOF, ERR_PROTO, ERR_TIMEOUT, ERR_CORRUPT, ERR_VERSION, ERR_SYNTAX,
		ERR_CONTENT };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		assert_string_not_equal(err_text(ours[i]), "unknown error");
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(err_text(ours[i]), err_text(ours[k]));
	}
	assert_string_equal(err_text(-ENOSPC), "No space left on device");
	assert_string_equal(err_text(-ECANCELED), "Operation canceled");
}

static void ours_are_beyond_the_kernels(void **state)
{
	(void)state;
	assert_true(ERR_EOF < -4095);		/* the kernel's MAX_ERRNO */
	assert_true(ERR_SYNTAX < -4095);
}

static void what_nobody_knows_is_unknown(void **state)
{
	(void)state;
	assert_string_equal(err_text(-4000), "unknown error");
	assert_string_equal(err_text(INT_MIN), "unknown error");
	assert_string_equal(err_text(5), "unknown error");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("every error has a phrase of its own", every_error_has_a_phrase_of_its_own),
		CLAIM("our errors are beyond the kernel's range", ours_are_beyond_the_kernels),
		CLAIM("what nobody knows is unknown, and harmless", what_nobody_knows_is_unknown),
	};

	return cmocka_run_group_tests_name("core/err", claims, NULL, NULL);
}
