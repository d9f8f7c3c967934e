/* version.h - a library of somebody else's: which version's headers we were built with, and which is linked
 *
 * Each door says it of its own library; net/admin/libraries.c holds it against what is known (row SUP-01).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define VERSION(major, minor, patch) ((uint32_t)(major) << 20 | (uint32_t)(minor) << 10 | (uint32_t)(patch))

/* Constants, all of them. */
struct library {
	const char *name;
	const char *built;	/* of the headers; "": they do not say */
	const char *linked;	/* "": the library does not say */
};

/* "1.34.5", "10.42 2022-12-11": up to three numbers with dots between, the rest is passed over; to be compared with
 * VERSION. Without a number in front: 0. */
uint32_t version_parse(const char *text);
