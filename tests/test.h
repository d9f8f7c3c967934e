/* test.h - what every unit test includes: cmocka, and the few things we add to it
 *
 *	static void late_timers_fire(void **state) { ... }
 *
 *	int main(void)
 *	{
 *		const struct CMUnitTest claims[] = {
 *			CLAIM("a timer in the past fires at the next advance", late_timers_fire),
 *		};
 *		return cmocka_run_group_tests_name("core/wheel", claims, NULL, NULL);
 *	}
 *
 * A claim is a sentence that can be false. Rows and cases it covers are named in it.
 */
#pragma once

/* cmocka.h wants these before itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Which sanitizer are we under? GCC defines a macro each, clang answers a question. */
#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#elif defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#elif __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif

#define CLAIM(words, fn) { .name = (words), .test_func = (fn) }
#define CLAIM_WITH(words, fn, setup, teardown) \
	{ .name = (words), .test_func = (fn), .setup_func = (setup), .teardown_func = (teardown) }

/* The next number of a reproducible sequence (splitmix64): a failing test fails again with the same seed. */
static inline uint64_t test_random(uint64_t *seed)
{
	uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

/* True when fn ends its process abnormally: an assertion or a sanitizer stopped it. It runs in a child, silently. */
static inline bool test_dies(void (*fn)(void *context), void *context)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

		(void)dup2(nowhere, STDERR_FILENO);	/* merely less noise */
		(void)signal(SIGABRT, SIG_DFL);		/* cmocka caught it, and would go on */
		fn(context);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}
