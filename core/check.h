/* check.h - stop when we are wrong
 *
 * Assertions stay on in production: a stopped engine loses time, a wrong one loses mail. They are for our own
 * promises, never for bytes from a peer, a disk or a user.
 *
 * PARANOID checks cost O(n); they run in sanitizer builds and in simulation, where RINGPOST_PARANOID is defined.
 */
#pragma once

#include <stdint.h>

/* Writes one line to stderr and aborts. Uses nothing that could fail a second time. */
_Noreturn void check_fail(const char *file, int line, const char *func, const char *what);

#define ASSERT(cond) \
	(__builtin_expect(!!(cond), 1) ? (void)0 : check_fail(__FILE__, __LINE__, __func__, #cond))

#define UNREACHABLE() check_fail(__FILE__, __LINE__, __func__, "this place is never reached")

#ifdef RINGPOST_PARANOID
#define PARANOID(cond) ASSERT(cond)
#else
#define PARANOID(cond) ((void)sizeof(!!(cond)))
#endif

/* What travels through a void pointer starts with a magic word, which is zero once the object is given back. */
#define CHECK_MAGIC(obj, value) ASSERT((obj)->magic == (value))
