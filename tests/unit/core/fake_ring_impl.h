/* fake_ring_impl.h - the kernel behind liburing from inside
 *
 *	fake_ring.c	operations, completions		fake_ring_setup.c	the ring made, restricted, taken down
 */
#pragma once

#include "tests/unit/core/fake_ring.h"

#include "tests/test.h"

#if defined(TEST_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, n)	ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n)	ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n)	((void)(p), (void)(n))
#define UNPOISON(p, n)	((void)(p), (void)(n))
#endif

#define SQ_MAX		4096u
#define CQ_MAX		16384u
#define RULES_MAX	64u

/* Our side of the two queues, and what waits for room in the second. */
struct fake_kernel {
	unsigned sq_head, sq_tail, sq_flags, cq_head, cq_tail;
	unsigned todo_first, todo_count;
	struct io_uring_buf_ring *bufs;
	unsigned buf_count;
	uint16_t buf_head, buf_seen;
	struct io_uring_restriction rules[RULES_MAX];
	unsigned rule_count;
	unsigned alloc_from, alloc_len, files_max;
	uint64_t seed;
	const uint8_t *tape;
	size_t tape_left;
};
extern struct fake_kernel k;

extern struct io_uring_sqe fake_sqes[SQ_MAX];
extern struct io_uring_cqe fake_cqes[CQ_MAX];

static inline bool fake_is_read(const struct io_uring_sqe *sqe)
{
	return sqe->opcode == IORING_OP_READ || sqe->opcode == IORING_OP_READ_FIXED;
}
