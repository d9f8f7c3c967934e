/* XFORWARD commands (area M). */
#include "net/wire/smtp_xforward.h"

#include <errno.h>

#include "tests/test.h"

static struct slice values[XFORWARD_COUNT];

static void fill(void)
{
	values[XFORWARD_NAME] = SLICE("host.x");
	values[XFORWARD_ADDR] = SLICE("192.0.2.8");
	values[XFORWARD_PORT] = SLICE("4711");
	values[XFORWARD_PROTO] = SLICE("ESMTP");
	values[XFORWARD_HELO] = SLICE("helo.x");
	values[XFORWARD_IDENT] = SLICE("4bX");
	values[XFORWARD_SOURCE] = SLICE("REMOTE");
}

static void assert_line(uint32_t which, const char *expected)
{
	char storage[XFORWARD_LINE_MAX];
	struct str out = STR(storage);

	assert_int_equal(xforward_add_command(&out, values, which), expected[0] != '\0');
	assert_string_equal(str_cstr(&out), expected);
}

static void names_in_any_case(void **state)
{
	(void)state;
	assert_int_equal(xforward_bit(SLICE("NAME")), BIT(XFORWARD_NAME));
	assert_int_equal(xforward_bit(SLICE("source")), BIT(XFORWARD_SOURCE));
	assert_int_equal(xforward_bit(SLICE("")), 0);
	assert_int_equal(xforward_bit(SLICE("NAMES")), 0);
}

static void two_commands(void **state)
{
	(void)state;
	fill();
	assert_line(XFORWARD_CLIENT, "XFORWARD NAME=host.x ADDR=192.0.2.8 PORT=4711\r\n");
	assert_line(XFORWARD_DIALOGUE, "XFORWARD PROTO=ESMTP HELO=helo.x IDENT=4bX SOURCE=REMOTE\r\n");
	assert_line(BIT(XFORWARD_NAME), "XFORWARD NAME=host.x\r\n");
	assert_line(0, "");
}

static void what_is_not_known_is_not_said(void **state)
{
	(void)state;
	fill();
	values[XFORWARD_NAME] = SLICE("unknown");
	values[XFORWARD_PORT] = SLICE("UNKNOWN");
	values[XFORWARD_HELO] = SLICE("");
	values[XFORWARD_IDENT] = SLICE("unknown");
	assert_line(XFORWARD_CLIENT, "XFORWARD ADDR=192.0.2.8\r\n");
	assert_line(XFORWARD_DIALOGUE, "XFORWARD PROTO=ESMTP IDENT=unknown SOURCE=REMOTE\r\n");
	values[XFORWARD_ADDR] = SLICE("unknown");
	assert_line(XFORWARD_CLIENT, "");
}

static void values_are_xtext(void **state)
{
	(void)state;
	fill();
	values[XFORWARD_HELO] = SLICE("a+b c=d");
	assert_line(BIT(XFORWARD_HELO), "XFORWARD HELO=a+2Bb+20c=d\r\n"); /* case 373 */
	for (unsigned c = 0; c < 256; c++) {
		char octet = (char)c;
		char storage[XFORWARD_LINE_MAX];
		struct str out = STR(storage);

		values[XFORWARD_HELO] = slice_of(&octet, 1);
		assert_int_equal(xforward_add_command(&out, values, BIT(XFORWARD_HELO)), 1);
		for (size_t i = 0; i < out.len - 2; i++)
			assert_true(out.ptr[i] >= ' ' && out.ptr[i] < 127);
	}
}

/* Whatever the values, a line is as long as RFC 5321 4.5.3.1.4 allows, and whole. */
static void a_line_is_never_too_long(void **state)
{
	char name[600], helo[200];

	(void)state;
	memset(name, 'n', sizeof(name));
	memset(helo, ' ', sizeof(helo));
	fill();
	for (size_t len = 470; len < 490; len++) {
		char storage[2 * XFORWARD_LINE_MAX];
		struct str out = STR(storage);

		values[XFORWARD_NAME] = slice_of(name, len);
		assert_int_equal(xforward_add_command(&out, values, XFORWARD_CLIENT), 1);
		assert_true(out.len <= XFORWARD_LINE_MAX);
		assert_memory_equal(out.ptr + out.len - 2, "\r\n", 2);
	}
	values[XFORWARD_NAME] = slice_of(name, sizeof(name));
	assert_line(XFORWARD_CLIENT, "XFORWARD ADDR=192.0.2.8 PORT=4711\r\n");
	assert_line(BIT(XFORWARD_NAME), "");
	values[XFORWARD_HELO] = slice_of(helo, sizeof(helo)); /* three octets each */
	assert_line(BIT(XFORWARD_HELO) | BIT(XFORWARD_IDENT), "XFORWARD IDENT=4bX\r\n");
}

static void no_room_is_an_error(void **state)
{
	char storage[10];
	struct str out = STR(storage);

	(void)state;
	fill();
	assert_int_equal(xforward_add_command(&out, values, XFORWARD_CLIENT), -EMSGSIZE);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("names are found in any case, and whole", names_in_any_case),
		CLAIM("one command for the client, one for its dialogue (cases 370, 372)", two_commands),
		CLAIM("what is not known is not said (case 371)", what_is_not_known_is_not_said),
		CLAIM("values are xtext, but for '=' (case 373)", values_are_xtext),
		CLAIM("a line is never longer than 512 octets", a_line_is_never_too_long),
		CLAIM("no room is an error", no_room_is_an_error),
	};

	return cmocka_run_group_tests_name("net/wire/smtp_xforward", claims, NULL, NULL);
}
