/* limits.h - every bound of the machine in one place, tied together so that none can be changed alone */
#pragma once

#include "core/base.h"

#define CORE_COUNT_MAX		64		/* reactors in one process */

/* Ring. CQ is 4 x SQ (row URG-09): multishot operations and zero-copy sends complete more often than they are asked
 * for. */
#define IO_SQ_ENTRIES		2048u
#define IO_SQ_ENTRIES_LEAST	64u	/* when locked memory is short: slower, but it works */
#define IO_CQ_ENTRIES		(4u * IO_SQ_ENTRIES)
#define IO_FILES_MAX		65536u		/* direct descriptors per core; lowered to RLIMIT_NOFILE at start */
/* kernel helper threads per core: one fdatasync at a time is all we ask */
#define IO_IOWQ_WORKERS		1u

/* Provided receive buffers: replies are tiny, injected mail is not. */
#define IO_RECV_BUF_SIZE	KIB(16)
#define IO_RECV_BUFS		512u		/* per core, a power of two: 8 MiB */

#define IO_IOV_MAX		8u		/* pieces in one sendmsg */

/* Cross-core notes waiting in one direction between two cores; a full ring spills to the sender's own list. */
#define XCALL_RING		1024u

#define REACTOR_CQE_BUDGET	4096u		/* completions handled before timers get their turn */
#define REACTOR_TASK_BUDGET	65536u		/* deferred calls per turn: more than all pools can post */

#define WHEEL_TICK_NS		(UINT64_C(1) << 20)	/* 1.05 ms: shifts instead of divisions */

static_assert((IO_RECV_BUFS & (IO_RECV_BUFS - 1)) == 0, "a provided-buffer ring is a power of two");
static_assert((XCALL_RING & (XCALL_RING - 1)) == 0, "ring indices wrap by masking");
static_assert(IO_RECV_BUFS <= 32768, "the kernel's bound for one buffer ring");
