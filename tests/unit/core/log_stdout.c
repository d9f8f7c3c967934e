/* log_stdout.c - standard output is a regular file that others write to as well: a shell with its output in a file */
#include "core/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/test.h"

static char path[] = "/tmp/ringpost-log-test.XXXXXX";
static char text[KIB(4)];

/* Waits for as long as 5 s. */
static void await_text(const char *words)
{
	for (unsigned n = 0; n < 500; n++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t len = read(fd, text, sizeof(text) - 1);

		(void)close(fd);
		assert_true(len >= 0);
		text[len] = '\0';
		if (strstr(text, words) != NULL)
			return;
		(void)usleep(10000);
	}
	fail_msg("no \"%s\" in \"%s\"", words, text);
}

/* Without O_APPEND each description has a place of its own in the file. */
static void the_place_in_the_file_is_shared(void **state)
{
	const struct log_conf conf = { .sink = LOG_SINK_STDOUT, .tag = "test", .facility = "mail", .hostname = "here" };
	int saved = dup(STDOUT_FILENO);
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "one\n", 4), 4);
	assert_int_equal(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	int r = log_start(&conf);

	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	(void)close(saved);
	assert_int_equal(r, 0);
	assert_int_equal(log_thread_open(), 0);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("two"));
	await_text(": two\n");
	assert_int_equal(write(fd, "three\n", 6), 6);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("four"));
	await_text(": four\n");
	log_thread_close();
	log_stop(1000);
	(void)close(fd);
	assert_int_equal(unlink(path), 0);
	assert_true(strncmp(text, "one\n", 4) == 0);
	assert_non_null(strstr(text, ": two\nthree\n"));
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a file on standard output is shared, not overwritten", the_place_in_the_file_is_shared),
	};

	return cmocka_run_group_tests_name("core/log_stdout", claims, NULL, NULL);
}
