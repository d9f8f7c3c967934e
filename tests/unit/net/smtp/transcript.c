/* Transcripts: what is kept of a long session. */
#include "net/smtp/transcript.h"

#include <stdio.h>

#include "tests/test.h"

static struct transcript transcript;
static char storage[TRANSCRIPT_MAX];

static const char *text_of(void)
{
	struct str out = STR(storage);

	transcript_add_to(&out, &transcript);
	assert_false(str_is_full(&out));
	return str_cstr(&out);
}

static void both_directions(void **state)
{
	(void)state;
	transcript_init(&transcript);
	assert_string_equal(text_of(), "");
	transcript_add(&transcript, false, SLICE("220 mx.test"));
	transcript_add(&transcript, true, SLICE("EHLO \x01\r\nfoo"));
	transcript_add(&transcript, true, SLICE(""));
	assert_string_equal(text_of(), " In: 220 mx.test\nOut: EHLO ???foo\nOut: \n");
}

static void long_lines_are_cut(void **state)
{
	char line[3 * TRANSCRIPT_LINE];

	(void)state;
	memset(line, 'x', sizeof(line));
	transcript_init(&transcript);
	transcript_add(&transcript, true, slice_of(line, sizeof(line)));
	assert_int_equal(strlen(text_of()), 5 + TRANSCRIPT_LINE + 1);
}

/* Whatever the length of its lines, the first and the last are there, and together they are all there were. */
static void the_middle_is_counted(void **state)
{
	(void)state;
	for (unsigned width = 0; width < TRANSCRIPT_LINE; width += 7) {
		unsigned kept = 0;
		char line[TRANSCRIPT_LINE + 32];

		transcript_init(&transcript);
		for (unsigned i = 0; i < 3000; i++) {
			int n = snprintf(line, sizeof(line), "%05u %0*u", i, (int)width, 0u);

			transcript_add(&transcript, i % 2, slice_of(line, (size_t)n));
		}
		for (const char *s = text_of(); (s = strchr(s, '\n')) != NULL; s++)
			kept++;
		assert_non_null(strstr(storage, " In: 00000 "));
		assert_non_null(strstr(storage, "Out: 02999 "));
		assert_int_equal(kept - 1 + transcript.omitted, 3000);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("lines of both directions, printable", both_directions),
		CLAIM("long lines are cut", long_lines_are_cut),
		CLAIM("of a long session, the middle is only counted", the_middle_is_counted),
	};

	return cmocka_run_group_tests_name("net/smtp/transcript", claims, NULL, NULL);
}
