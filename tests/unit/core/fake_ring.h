/* fake_ring.h - a kernel behind liburing that we can be nasty with (seam S2 of the hostile-world reference)
 *
 * Linked in front of liburing: io_uring.c and io_uring_setup.c fill in entries of a submission queue, and find
 * completions in a completion queue. What is between the two is chance, or a test's own hand:
 *
 *	io_uring.c --SQE--> fake_enter --> operations in flight --fake_work--> completions --(GETEVENTS)--> CQE
 *
 * By itself (fake.manual false) it finishes operations in any order, in its own time, in short pieces and with errors;
 * sockets give and take octets that tell whose they are. By hand, fake_find and fake_finish say what happens.
 *
 * It stops the test by an assertion when we break a rule that a kernel punishes only sometimes: two sends or two
 * receives at a time on one socket (row URG-14), memory changed while it is being sent (row URG-04), a file closed with
 * operations in flight (row URG-01), a buffer given back twice (row URG-07), an entry the restrictions forbid (row
 * URG-32), a wait for something that never comes. What the kernel is to write into (reads, receive buffers) is filled
 * with a pattern and, under ASan, poisoned until it comes back: whoever writes there meanwhile, or with ASan looks, is
 * stopped (row URG-31).
 *
 * memory   everything static: one ring at a time
 */
#pragma once

#include <liburing.h>

#include "core/base.h"

#define FAKE_OPS	512u
#define FAKE_FILES	512u
#define FAKE_BUFS	1024u

struct fake_op {
	bool used;
	bool waits;			/* for its predecessor in a chain */
	bool stuck;			/* nothing but a cancellation ends it: nobody answers */
	bool zc_done;			/* of SEND_ZC: the result is out, the notification is not */
	struct fake_op *next;		/* in its chain */
	struct io_uring_sqe sqe;
	uint32_t sum;			/* of the octets to send, when they were handed over */
};

struct fake_file {
	bool open;
	bool is_socket;
	bool connected;
	bool shut;			/* by us */
	bool closing;
	uint16_t identity;		/* the port it was connected to: what tells its octets apart */
	uint64_t received;		/* octets given to us */
	uint64_t receive_end;		/* then comes the end of the stream */
	uint64_t sent;			/* octets taken from us */
	unsigned in_flight;
	bool receiving;
	bool sending;
};

struct fake {
	/* what a test may set before io_open_core */
	unsigned sq_entries;		/* 0: as asked */
	unsigned cq_entries;
	int setup_err;			/* of io_uring_queue_init_params */
	bool old_library;		/* an older liburing than its headers */
	uint64_t missing;		/* bit per opcode: not supported */
	/* at any time */
	bool manual;
	bool calm;			/* no errors, no short pieces: everything heals */
	unsigned enter_err_percent;	/* EINTR, EAGAIN, EBUSY, in turn by chance */
	int enter_err;			/* the next call of enter says so, once */
	unsigned batch;			/* completions that one enter makes visible; 0: all */
	uint32_t (*chance)(uint32_t n);	/* [0, n) */
	uint64_t stream_size;		/* octets a socket gives before its end */
	/* what happened */
	uint64_t suspended_ns;		/* the machine slept so long; a test may add to it */
	uint64_t clock_ns;
	uint64_t entered;
	uint64_t overflows;
	uint64_t nobufs;
	uint64_t mores_dropped;
	uint64_t cancels_late;		/* a cancellation that came too late: the target had its result */
	uint64_t mixed;			/* octets that arrived on the wrong connection: for ever zero */
	bool dontfork;
	bool ring_fd_registered;
	bool enabled;
	unsigned workers[2];
	struct fake_op ops[FAKE_OPS];
	struct fake_file files[FAKE_FILES];
};

extern struct fake fake;

/* Everything as new; chance from seed. */
void fake_reset(uint64_t seed);
/* From octets instead; when they are used up, from the seed, and calm. */
void fake_chance_from(const uint8_t *octets, size_t len);

/* Octet i of the stream with that identity, in the direction to us or from us. */
static inline char fake_octet(uint16_t identity, uint64_t i, bool to_us)
{
	return (char)((identity * 37u + i * 11u + (i >> 8) * 3u + (to_us ? 0 : 101u)) & 0xffu);
}

/* One step of the kernel by chance. False: nothing can be done. */
bool fake_work(void);

/* --- by hand ---------------------------------------------------------------------------------- */

unsigned fake_in_flight(void);
/* An operation of this kind, on this file (-1: any); NULL: there is none. */
struct fake_op *fake_find(unsigned opcode, int file);
/* Its completion, visible after the next enter that asks for events. Without F_MORE it is over. */
void fake_finish(struct fake_op *op, int res, unsigned flags);
/* For a receive: takes the next buffer, fills in octets, and returns the flags that name it; 0: none is free. */
unsigned fake_fill_buf(const char *octets, size_t len);
unsigned fake_bufs_free(void);
