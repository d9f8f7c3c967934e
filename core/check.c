#include "core/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_fail(const char *file, int line, const char *func, const char *what)
{
	(void)fprintf(stderr, "ringpost: %s:%d: %s: assertion failed: %s\n", file, line, func, what);
	abort();
}
