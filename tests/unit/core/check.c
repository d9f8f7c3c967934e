#include "tests/test.h"

#include <string.h>

#include "core/base.h"

struct thing {
	uint32_t magic;
};

static void false_assertion(void *context)
{
	ASSERT(context == NULL);
}

static void reach_the_unreachable(void *context)
{
	(void)context;
	UNREACHABLE();
}

static void wrong_magic(void *context)
{
	struct thing *thing = context;

	CHECK_MAGIC(thing, 0x1234);
}

static void what_is_false_stops_us(void **state)
{
	struct thing thing = { .magic = 0 };

	(void)state;
	assert_true(test_dies(false_assertion, &thing));
	assert_true(test_dies(reach_the_unreachable, NULL));
	assert_true(test_dies(wrong_magic, &thing));
}

static void what_is_true_does_not(void **state)
{
	struct thing thing = { .magic = 0x1234 };
	unsigned evaluated = 0;

	(void)state;
	ASSERT(++evaluated == 1);
	assert_int_equal(evaluated, 1);
	CHECK_MAGIC(&thing, 0x1234);
}

static void paranoia_costs_nothing_when_it_is_off(void **state)
{
	unsigned evaluated = 0;

	(void)state;
	PARANOID(++evaluated == 1);
#ifdef RINGPOST_PARANOID
	assert_int_equal(evaluated, 1);
#else
	assert_int_equal(evaluated, 0);
#endif
}

static void says_where_and_what(void **state)
{
	char text[512] = "";
	int fds[2];
	int status;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();

	if (child == 0) {
		(void)dup2(fds[1], STDERR_FILENO);	/* the parent sees whether it worked */
		(void)signal(SIGABRT, SIG_DFL);
		check_fail("core/x.c", 42, "x_do", "a == b");
	}
	(void)close(fds[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	(void)close(fds[0]);
	assert_string_equal(text, "ringpost: core/x.c:42: x_do: assertion failed: a == b\n");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a false assertion, an unreachable place and a wrong magic stop us", what_is_false_stops_us),
		CLAIM("a true assertion is evaluated once and does nothing", what_is_true_does_not),
		CLAIM("a paranoid check is not evaluated when it is off", paranoia_costs_nothing_when_it_is_off),
		CLAIM("the last words say where and what, and then we abort", says_where_and_what),
	};

	return cmocka_run_group_tests_name("core/check", claims, NULL, NULL);
}
