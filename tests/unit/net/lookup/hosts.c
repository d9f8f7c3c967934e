#include "net/lookup/hosts.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static const char file[] =
	"# a comment\n"
	"127.0.0.1\tlocalhost\n"
	"::1 localhost ip6-localhost\n"
	"192.0.2.1 Mail.Example.org mail # alias\n"
	"not-an-address x.test\n"
	"0x7f000001 hex.test\n"
	"\n"
	"192.0.2.2   mail\r\n"
	"192.0.2.3 last.test";

static unsigned find_all(const struct hosts *h, const char *name, char *ret_text, size_t cap)
{
	struct str out = str_over(ret_text, cap);
	int first = hosts_find(h, slice_of_str(name));
	unsigned count = 0;

	for (unsigned i = (unsigned)first; first >= 0 && hosts_is(h, i, slice_of_str(name)); i++, count++) {
		if (count > 0)
			str_add_char(&out, ' ');
		addr_add_ip(&out, &h->entries[i].addr);
	}
	(void)str_cstr(&out);
	return count;
}

static void every_name_is_found_in_any_case_and_in_file_order(void **state)	/* case 68 */
{
	struct hosts h;
	char text[128];

	(void)state;
	assert_int_equal(hosts_init(&h, slice_of_str(file)), 0);
	assert_int_equal(find_all(&h, "LOCALHOST", text, sizeof(text)), 2);
	assert_string_equal(text, "127.0.0.1 ::1");
	assert_int_equal(find_all(&h, "mail", text, sizeof(text)), 2);
	assert_string_equal(text, "192.0.2.1 192.0.2.2");
	assert_int_equal(find_all(&h, "mail.example.ORG", text, sizeof(text)), 1);
	assert_int_equal(find_all(&h, "last.test", text, sizeof(text)), 1);
	hosts_done(&h);
}

static void what_is_not_there_is_not_found(void **state)	/* row NET-02 */
{
	static const char *const absent[] = {
		"", "a", "mai", "mailx", "x.test", "hex.test", "alias", "zzz", "192.0.2.1",
	};
	struct hosts h;

	(void)state;
	assert_int_equal(hosts_init(&h, slice_of_str(file)), 0);
	for (unsigned i = 0; i < ARRAY_LEN(absent); i++)
		assert_int_equal(hosts_find(&h, slice_of_str(absent[i])), -1);
	hosts_done(&h);
	assert_int_equal(hosts_init(&h, SLICE("")), 0);
	assert_int_equal(hosts_find(&h, SLICE("localhost")), -1);
	hosts_done(&h);
}

static void no_cut_of_the_file_is_read_beyond_its_end(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(file); len++) {
		char *copy = malloc(len > 0 ? len : 1);
		struct hosts h;

		memcpy(copy, file, len);
		assert_int_equal(hosts_init(&h, slice_of(copy, len)), 0);
		assert_true(h.count <= 8);
		hosts_done(&h);
		free(copy);
	}
}

static void names_beyond_the_bound_are_counted(void **state)
{
	size_t cap = 16 * (HOSTS_MAX + 10), len = 0;
	char *text = malloc(cap);
	struct hosts h;

	(void)state;
	for (unsigned i = 0; i < HOSTS_MAX + 3; i++) {
		if (i % 1000 == 0)
			len += (size_t)snprintf(text + len, cap - len, "\n192.0.2.1");
		len += (size_t)snprintf(text + len, cap - len, " h%u", i);
	}
	assert_int_equal(hosts_init(&h, slice_of(text, len)), 0);
	assert_int_equal(h.count, HOSTS_MAX);
	assert_int_equal(h.left_out, 3);
	assert_true(hosts_find(&h, SLICE("h65535")) >= 0);
	assert_int_equal(hosts_find(&h, SLICE("h65536")), -1);
	hosts_done(&h);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_is_found_in_any_case_and_in_file_order),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(no_cut_of_the_file_is_read_beyond_its_end),
		cmocka_unit_test(names_beyond_the_bound_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
