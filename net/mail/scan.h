/* scan.h - the next octet that matters, looked for 64 octets at a time
 *
 * What content is made of is mostly of no interest: letters. These functions pass over them as fast as the processor
 * can, and are the only ones of this folder that know which processor it is. The best level that it has is chosen
 * before main; a test goes through all of them.
 *
 * bounds   nothing is read behind the end of the text
 * never    keeps anything between two calls
 */
#pragma once

#include "core/slice.h"

enum scan_level {
	SCAN_PORTABLE,		/* eight octets in a word */
	SCAN_SSE2,
	SCAN_AVX2,
	SCAN_AVX512,
	SCAN_LEVELS
};

#define SCAN_BLOCK 64u

/* Of SCAN_BLOCK octets: one bit each, the first octet in the lowest bit. */
struct scan_masks {
	uint64_t cr;
	uint64_t lf;
	uint64_t dot;
	uint64_t nul;
	uint64_t high;		/* above 127 */
};

struct scan_functions {
	size_t (*find_behind_lf)(const char *text, size_t len, char c);
	size_t (*find_control)(const char *text, size_t len);
	size_t (*find_high)(const char *text, size_t len);
	void (*look)(const char *text, size_t blocks, struct scan_masks *ret_masks);
};

/* private; written before main, and by tests */
extern const struct scan_functions *scan_functions;

/* Where the first dot is that stands right behind an LF of the same text; the length when there is none. */
static inline size_t scan_find_dot(struct slice text)
{
	return scan_functions->find_behind_lf(text.ptr, text.len, '.');
}

/* The same for a dash. */
static inline size_t scan_find_dash(struct slice text)
{
	return scan_functions->find_behind_lf(text.ptr, text.len, '-');
}

/* The first CR, LF or NUL. */
static inline size_t scan_find_control(struct slice text)
{
	return scan_functions->find_control(text.ptr, text.len);
}

/* The first octet above 127. */
static inline size_t scan_find_high(struct slice text)
{
	return scan_functions->find_high(text.ptr, text.len);
}

/* blocks times SCAN_BLOCK octets. */
static inline void scan_look(const char *text, size_t blocks, struct scan_masks *ret_masks)
{
	scan_functions->look(text, blocks, ret_masks);
}

/* For tests and benchmarks: from now on, in all of the process. False: this machine does not have it. */
bool scan_use(enum scan_level level);

/* The level that is used. */
enum scan_level scan_level(void);
const char *scan_level_name(enum scan_level level);
