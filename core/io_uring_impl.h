/* io_uring_impl.h - what io_uring.c (operations) and io_uring_setup.c (one core's ring) share
 *
 * never    included anywhere else: this is the door behind which liburing lives
 */
#pragma once

#include <liburing.h>

#include "core/io.h"

#define IO_BUF_GROUP 0

struct op_slot {
	struct op *op;
	uint32_t generation;
	uint32_t next_free;
};

struct io {
	struct io_uring ring;
	unsigned core;

	struct op_slot *slots;
	uint32_t slot_count;
	uint32_t slot_free;		/* head of the free list; slot_count: none */

	/* Direct descriptors: the kernel hands out the lower half (accept, open), we the upper one (connect,
	 * listen). */
	unsigned files_max;
	unsigned own_base;
	uint32_t *own_free;
	unsigned own_free_count;

	struct list local;		/* results that need no kernel */

	struct io_uring_buf_ring *buf_ring;
	char *buf_memory;
	unsigned buf_count;
	unsigned bufs_out;		/* delivered and not yet given back */
	unsigned bufs_added;		/* given back, not yet published */
	struct list buf_waiters;
	bool buf_kept;			/* by the callback that is running */

	char *arena;
	size_t arena_size;
	size_t arena_used;
	bool arena_registered;

	int ring_fd;
	bool async_sockets;		/* sockets can be made, set up and bound in the ring (Linux 6.11) */
};

/* The calling core's. */
extern _Thread_local struct io *io_self;

/* Written by each core before runtime_start's barrier, read by the others after it. */
extern int io_ring_fds[CORE_COUNT_MAX];

/* Gives a receive buffer back; the kernel sees it after io_bufs_publish. */
void io_buf_return(struct io *io, uint32_t buf);
void io_bufs_publish(struct io *io);
