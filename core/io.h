/* io.h - the seam: everything we ask of a kernel after start
 *
 * An operation is a `struct op` inside whoever waits for it. Starting one hands it, and all memory it names, to the
 * kernel; its callback tells the result. Behind this header stands core/io_uring.c, or the simulator, chosen when
 * linking.
 *
 *	op_init(&c->recv_op, conn_on_recv);
 *	io_recv(&c->recv_op, c->file);			in_kernel from here on ...
 *	conn_on_recv(op, res)				... until a callback with op->more == false
 *
 * results  res >= 0: what the operation counts; < 0: negative errno. Failures to *start* arrive the same way, later
 *          in the same turn: a callback never runs inside the call that started it.
 * files    `int file` is an index into the core's own table of direct descriptors, never a Unix descriptor. Closing
 *          does not end operations (row URG-01): cancel, wait for the last callback, then io_close.
 * bounds   one receive and one send in flight per socket (row URG-14); the callers assert it by having one op for each
 * memory   whatever a pointer argument names must stay put and unchanged until the last callback (row URG-04)
 * thread   only from the core that owns the op; all of it before runtime_start or on a reactor's own thread
 */
#pragma once

#include <sys/uio.h>

#include "core/addr.h"
#include "core/limits.h"
#include "core/list.h"
#include "core/slice.h"
#include "core/version.h"

struct op;
typedef void op_fn(struct op *op, int res);

#define OP_MAGIC UINT32_C(0x6f70316f)

struct op {
	uint32_t magic;
	bool in_kernel;		/* started, last callback not yet run */
	bool more;		/* inside the callback: this was not the last one */
	bool copied;		/* inside the callback of io_send_zc: the kernel copied after all */
	uint8_t kind;		/* which operation, for the backend and for diagnosis */
	op_fn *fn;
	struct slice data;	/* inside the callback of io_recv: what arrived; see io_buf_keep */
	/* private */
	uint32_t slot;		/* in the backend's table; completions name slot and generation, never a pointer */
	uint16_t buf_id;
	bool buf_kept;
	bool has_buf;
	bool cancel_asked;
	int local_res;
	struct list node;
	struct msghdr msg;
	struct iovec iov[IO_IOV_MAX];
};

static inline void op_init(struct op *op, op_fn *fn)
{
	memset(op, 0, sizeof(*op));
	op->magic = OP_MAGIC;
	op->fn = fn;
	list_init(&op->node);
}

/* --- sockets ---------------------------------------------------------------------------------- */

/* Opens a stream socket (TCP with TCP_NODELAY, or unix), binds it to local when that is not NULL, and connects.
 * *remote and *local must outlive the operation. res: 0 with *ret_file set, or why not; *ret_file is set (>= 0)
 * whenever a socket exists, also on failure, and is the caller's to close then. -EADDRNOTAVAIL and -EACCES may come
 * from binding. Below Linux 6.11, whose rings cannot bind, opening costs four system calls of its own (socket,
 * setsockopt, io_uring_register, close), and two more with local (setsockopt, bind). */
void io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file);

/* Accepts connections. With ret_peer NULL: again and again until op->more is false. Otherwise one, and *ret_peer
 * tells who it is: a direct descriptor cannot be asked later, and a multishot accept would overwrite the address.
 * res: the new file. */
void io_accept(struct op *op, int listener_file, struct addr *ret_peer);

/* Receives again and again into the core's shared buffers. res > 0: op->data, good during the callback; 0: end of
 * stream; -ENOBUFS: no buffer free, ended: start again from io_buf_wait. */
void io_recv(struct op *op, int file);

#define IO_SEND_MORE 1u		/* more follows at once: let the kernel fill its segment first */

/* Sends up to len octets; res may be short (row URG-13). */
void io_send(struct op *op, int file, const void *buf, size_t len, unsigned flags);

/* The same from several pieces, at most IO_IOV_MAX; the array itself is copied. */
void io_sendmsg(struct op *op, int file, const struct iovec *iov, unsigned count, unsigned flags);

/* The same without copying. Two callbacks when op->more is set in the first: the result, then "buffer free" (res 0,
 * op->copied tells whether the kernel copied all the same). */
void io_send_zc(struct op *op, int file, const void *buf, size_t len, unsigned flags);

/* how: SHUT_RD, SHUT_WR, SHUT_RDWR. */
void io_shutdown(struct op *op, int file, int how);

/* Ends a connection at once and tells the peer so: what it has not acknowledged is forgotten, and the memory of sends
 * that were not copied becomes free soon, however little the peer reads. */
void io_reset(struct op *op, int file);

/* --- receive buffers -------------------------------------------------------------------------- */

/* In a callback of io_recv: do not take the buffer back at its end. Returns its number, to be put later. */
uint32_t io_buf_keep(struct op *op);
void io_buf_put(uint32_t buf);
size_t io_bufs_free(void);

/* Calls fn once, soon, when buffers have come back after -ENOBUFS (row URG-06: not on a timer). First come, first
 * served. */
struct io_buf_waiter {
	struct list node;
	void (*fn)(struct io_buf_waiter *waiter);
};
void io_buf_wait(struct io_buf_waiter *waiter);
void io_buf_wait_cancel(struct io_buf_waiter *waiter);

/* --- files ------------------------------------------------------------------------------------ */

/* Opens path, O_CLOEXEC always. res: the new file. */
void io_open(struct op *op, const char *path, int flags, unsigned mode);
/* Memory inside io_arena is used registered (READ_FIXED, WRITE_FIXED), any other works too. res may be short. */
void io_read(struct op *op, int file, void *buf, size_t len, uint64_t offset);
void io_write(struct op *op, int file, const void *buf, size_t len, uint64_t offset);
/* The same, and completes only when what was written is durable, as by io_fdatasync: one trip through the kernel
 * instead of two. It says nothing about earlier writes. */
void io_write_sync(struct op *op, int file, const void *buf, size_t len, uint64_t offset);
void io_fdatasync(struct op *op, int file);
void io_fsync(struct op *op, int file);
void io_fallocate(struct op *op, int file, int mode, uint64_t offset, uint64_t len);
void io_rename(struct op *op, const char *old_path, const char *new_path);
void io_unlink(struct op *op, const char *path);

/* Gives the file back; nothing may be in the kernel for it any more. There is no callback: nobody could act on it. */
void io_close(int file);

/* Registered memory of this core. Start only: size is fixed by io_open_core. Returns NULL when it does not fit. */
void *io_arena_take(size_t size, size_t align);

/* --- everything else -------------------------------------------------------------------------- */

/* Waits once for events (POLLIN, POLLOUT) on a Unix descriptor that a library owns. res: the events. */
void io_poll(struct op *op, int unix_fd, unsigned events);

/* Asks for an end. Not having: the callback comes all the same, with -ECANCELED or with whatever was quicker
 * (row URG-02). Harmless when nothing is in the kernel. */
void io_cancel(struct op *op);

/* Makes the other core's io_wait return. Used by xcall alone. */
void io_wake(unsigned core);

/* --- one core's kernel side: used by reactor and runtime alone -------------------------------- */

struct io_conf {
	unsigned core;
	unsigned files_max;	/* direct descriptors wanted; see io_files_max for what was granted */
	size_t arena_size;	/* octets of registered memory */
	unsigned recv_bufs;	/* 0: IO_RECV_BUFS */
	bool plain_sockets;	/* for tests: open sockets as on a kernel that cannot do it in the ring */
};

/* On the core's own thread. 0, or a negative errno after io_diagnosis can explain it. */
int io_open_core(const struct io_conf *conf);
void io_close_core(void);
unsigned io_files_max(void);

/* Submits all and waits until something completes or until_ns (monotonic; 0: do not wait). 0, or a negative errno
 * that ends this core: -EBADR when the kernel lost a completion (row URG-09). */
int io_wait(uint64_t until_ns);

/* Runs the callbacks of what has completed, at most REACTOR_CQE_BUDGET. Returns how many; more may be waiting then. */
size_t io_run_completions(void);

/* True while results wait that no io_wait is needed for. */
bool io_has_completions(void);

/* --- start only, may block -------------------------------------------------------------------- */

/* One line that says why io_open_core or io_probe failed and what to do: seccomp, sysctl, memlock, kernel too old. */
const char *io_diagnosis(int err);

/* Start only. The kernel's version is that of the machine, patches of a distribution's included. */
struct library io_library(void);
struct library io_kernel(void);

/* Which operations of the ring this kernel has, and what we do with them: for people. "" when there is no ring. */
void io_describe_kernel(struct str *out);

/* Can this kernel do what we need? Opens a ring, asks for every operation by name, closes it. */
int io_probe(void);

/* Opens a listening socket on this core's table. Several cores may listen on one address (SO_REUSEPORT);
 * io_listen_check says beforehand whether somebody else already does (-EADDRINUSE), retrying up to wait_ms for a
 * predecessor that was killed. Of a unix socket it removes the file that a dead listener has left; one core alone can
 * listen there, and io_listen_end removes the file after the end. */
int io_listen(const struct addr *addr, int backlog, int *ret_file);
int io_listen_check(const struct addr *addr, unsigned wait_ms);
void io_listen_end(const struct addr *addr);

/* Hands a Unix descriptor to this core's table and closes the original. */
int io_adopt(int unix_fd, int *ret_file);

int io_mkdir(const char *path, unsigned mode);	/* 0 also when it exists */
/* Calls fn for every name in the directory but "." and "..", in no particular order. */
int io_list_dir(const char *path, void (*fn)(const char *name, void *context), void *context);
