/* base.h - the few types and macros every file may lean on
 *
 * never    includes anything of ours but check.h; holds no state
 */
#pragma once

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/check.h"

#define ARRAY_LEN(a)		(sizeof(a) / sizeof((a)[0]))
#define BIT(n)			(UINT32_C(1) << (n))
#define MIN(a, b)		((a) < (b) ? (a) : (b))
#define MAX(a, b)		((a) > (b) ? (a) : (b))
#define KIB(n)			((size_t)(n) << 10)
#define MIB(n)			((size_t)(n) << 20)

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr) - offsetof(type, member)))

#define NS_PER_US	UINT64_C(1000)
#define NS_PER_MS	UINT64_C(1000000)
#define NS_PER_SEC	UINT64_C(1000000000)

/* A result that is dropped on purpose; the reason stands beside the call. */
#define IGNORE(call)	do { if (call) { } } while (0)

/* A variable of the stack that does not begin as zero, though all of them do (meson.build): for storage on the way of
 * every message that is long, and of which nothing is read but what has been written. */
#define NOT_ZEROED	__attribute__((uninitialized))

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* Rounds n up to a multiple of align, a power of two. */
static inline size_t round_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}
