#include "crypto/library.h"

#include <string.h>

#include "tests/test.h"

static void linked_is_built_against(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_check(), 0);
	assert_non_null(strstr(crypto_library_version(), "wolfSSL 5."));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("the linked wolfSSL is the one whose headers we were built with", linked_is_built_against),
	};
	return cmocka_run_group_tests_name("crypto/library", claims, NULL, NULL);
}
