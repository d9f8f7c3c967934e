#include "tests/test.h"

#include <string.h>

#include "core/crc.h"

static void the_check_value_of_the_standard_comes_out(void **state)
{
	(void)state;
	assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283u);
	assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283u);
}

/* RFC 3720 appendix B.4. */
static void the_examples_of_the_rfc_come_out(void **state)
{
	uint8_t buf[32];

	(void)state;
	memset(buf, 0, sizeof(buf));
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x8a9136aau);
	memset(buf, 0xff, sizeof(buf));
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x62a8ab43u);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)i;
	assert_int_equal(crc32c(0, buf, sizeof(buf)), 0x46dd794eu);
}

static void fill(uint8_t *buf, size_t len)
{
	uint32_t x = 12345;

	for (size_t i = 0; i < len; i++) {
		x = x * 1664525u + 1013904223u;
		buf[i] = (uint8_t)(x >> 24);
	}
}

static void both_ways_agree_at_every_length_alignment_and_start(void **state)
{
	static uint8_t buf[5000];

	(void)state;
	fill(buf, sizeof(buf));
	for (size_t len = 0; len < 2500; len++)
		for (size_t from = 0; from < 9; from++)
			assert_int_equal(crc32c((uint32_t)len, buf + from, len),
					 crc32c_portable((uint32_t)len, buf + from, len));
	assert_int_equal(crc32c(7, buf, sizeof(buf)), crc32c_portable(7, buf, sizeof(buf)));
}

static void a_sum_continues_at_every_cut(void **state)
{
	static uint8_t buf[2000];

	(void)state;
	fill(buf, sizeof(buf));
	const uint32_t whole = crc32c_portable(0, buf, sizeof(buf));

	for (size_t cut = 0; cut <= sizeof(buf); cut++)
		assert_int_equal(crc32c(crc32c(0, buf, cut), buf + cut, sizeof(buf) - cut), whole);
}

int main(void)
{
	static const struct CMUnitTest claims[] = {
		CLAIM("the check value of the standard comes out", the_check_value_of_the_standard_comes_out),
		CLAIM("the examples of the rfc come out", the_examples_of_the_rfc_come_out),
		CLAIM("both ways agree at every length alignment and start",
		      both_ways_agree_at_every_length_alignment_and_start),
		CLAIM("a sum continues at every cut", a_sum_continues_at_every_cut),
	};

	return cmocka_run_group_tests_name("core/crc", claims, NULL, NULL);
}
