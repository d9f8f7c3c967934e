/* scan_levels.h - the same claims at every level of net/mail/scan that this machine has */
#pragma once

#include "tests/test.h"

#include <stdio.h>

#include "core/base.h"
#include "net/mail/scan.h"

/* In place of cmocka_run_group_tests_name. */
static inline int scan_run_each_level(const char *module, const struct CMUnitTest *claims, size_t count)
{
	int failures = 0;

	for (unsigned level = 0; level < SCAN_LEVELS; level++) {
		char name[64];

		if (!scan_use((enum scan_level)level))
			continue;
		(void)snprintf(name, sizeof(name), "%s (%s)", module, scan_level_name((enum scan_level)level));
		failures += _cmocka_run_group_tests(name, claims, count, NULL, NULL);
	}
	return failures;
}
