#include "net/mail/scan.h"

#include "tests/unit/net/mail/scan_levels.h"

#define TEXT_MAX 300

static bool is_control(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

static void check_searches(const char *text, size_t len)
{
	size_t dot = len, dash = len, control = len, high = len;

	for (size_t i = len; i-- > 0; ) {
		if (i > 0 && text[i] == '.' && text[i - 1] == '\n')
			dot = i;
		if (i > 0 && text[i] == '-' && text[i - 1] == '\n')
			dash = i;
		if (is_control(text[i]))
			control = i;
		if ((unsigned char)text[i] >= 0x80)
			high = i;
	}
	assert_int_equal(scan_find_dot(slice_of(text, len)), dot);
	assert_int_equal(scan_find_dash(slice_of(text, len)), dash);
	assert_int_equal(scan_find_control(slice_of(text, len)), control);
	assert_int_equal(scan_find_high(slice_of(text, len)), high);
}

static uint64_t mask_of(const char *text, char c)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < SCAN_BLOCK; i++)
		mask |= (uint64_t)(text[i] == c) << i;
	return mask;
}

static void check_masks(const char *text, size_t blocks)
{
	struct scan_masks masks[TEXT_MAX / SCAN_BLOCK];

	scan_look(text, blocks, masks);
	for (size_t i = 0; i < blocks; i++) {
		const char *p = text + i * SCAN_BLOCK;
		uint64_t high = 0;

		for (unsigned k = 0; k < SCAN_BLOCK; k++)
			high |= (uint64_t)((unsigned char)p[k] >= 0x80) << k;
		assert_int_equal(masks[i].cr, mask_of(p, '\r'));
		assert_int_equal(masks[i].lf, mask_of(p, '\n'));
		assert_int_equal(masks[i].dot, mask_of(p, '.'));
		assert_int_equal(masks[i].nul, mask_of(p, '\0'));
		assert_int_equal(masks[i].high, high);
	}
}

/* In memory of exactly its size, and with what would be found right behind it. */
static void check(const char *text, size_t len)
{
	char *exact = malloc(len > 0 ? len : 1);

	assert_non_null(exact);
	memcpy(exact, text, len);
	check_searches(exact, len);
	check_masks(exact, len / SCAN_BLOCK);
	free(exact);
}

static void one_at_every_place(void **state)
{
	static const char *const what[] = { "\n.", "\n-", "\r", "\n", ".", "\x80", "\xff", "\x7f", "\x0e", "\x8d",
		"\x8a", "\xae" };
	char text[TEXT_MAX];

	(void)state;
	for (size_t len = 0; len <= 200; len++)
		for (size_t at = 0; at <= len; at++) {
			size_t n = at % (ARRAY_LEN(what) + 1);

			memset(text, 'a', sizeof(text));
			memcpy(text + len, "\n.\r\x80", 4);
			if (n == ARRAY_LEN(what) && at < len)
				text[at] = '\0';
			else if (n < ARRAY_LEN(what) && at + strlen(what[n]) <= len)
				memcpy(text + at, what[n], strlen(what[n]));
			check(text, len);
			check_searches(text, len);
		}
}

static void random_texts(void **state)
{
	static const char alphabet[] = "\r\n..--\0\x80\xffxyz";
	char text[TEXT_MAX];
	uint64_t seed = 11;

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t len = test_random(&seed) % sizeof(text);
		uint64_t one_in = 1 + test_random(&seed) % 100;

		for (size_t i = 0; i < len; i++) {
			uint64_t r = test_random(&seed);

			text[i] = r % one_in == 0 ? alphabet[r / 128 % (sizeof(alphabet) - 1)]
						  : (char)('a' + r / 128 % 26);
		}
		check(text, len);
	}
}

static void every_octet_is_told_apart(void **state)
{
	char text[256];

	(void)state;
	for (unsigned i = 0; i < sizeof(text); i++)
		text[i] = (char)i;
	for (size_t from = 0; from < sizeof(text); from++)
		check(text + from, sizeof(text) - from);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what is looked for is found at every place of a text of every length", one_at_every_place),
		CLAIM("the first of many is found", random_texts),
		CLAIM("no octet is taken for another", every_octet_is_told_apart),
	};

	/* Before a level is chosen for the first time: the best one is there already. */
	for (unsigned level = scan_level() + 1; level < SCAN_LEVELS; level++)
		if (scan_use((enum scan_level)level))
			return 1;
	return scan_run_each_level("net/mail/scan", claims, ARRAY_LEN(claims));
}
