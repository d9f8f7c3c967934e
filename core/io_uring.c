/* io_uring.c - the seam on a real kernel: the only file that knows liburing
 *
 *	op --start--> slot (index + generation = user_data) --SQE--> kernel --CQE--> slot --callback--> op
 *
 * A completion names a slot and its generation, never a pointer: one that comes after its op has gone is an assertion here
 * and not somebody else's data (row URG-01). Memory named in an SQE lives in the op or with its owner (row URG-04).
 */
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/clock.h"

#define USER_DATA_IGNORE	UINT64_MAX
#define USER_DATA_WAKE		(UINT64_MAX - 1)
#define CLOSE_GENERATION	UINT32_C(0xfffffffe)	/* user_data of a close: this, and the file below it */
#define GENERATION_END		UINT32_C(0xfffffff0)

#define BUF_GROUP 0
#define ARENA_MAX ((size_t)1 << 30)	/* the kernel's bound for one registered buffer */

enum op_kind {
	KIND_CONNECT = 1, KIND_ACCEPT, KIND_RECV, KIND_SEND, KIND_SENDMSG, KIND_SEND_ZC, KIND_SHUTDOWN, KIND_OPEN, KIND_READ,
	KIND_WRITE, KIND_FDATASYNC, KIND_FSYNC, KIND_FALLOCATE, KIND_RENAME, KIND_UNLINK, KIND_POLL,
};

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

	/* Direct descriptors: the kernel hands out the lower half (accept, open), we the upper one (connect, listen). */
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
};

static _Thread_local struct io *self;

/* Written by each core before runtime_start's barrier, read by the others after it. */
static int ring_fds[CORE_COUNT_MAX];

/* --- submission ------------------------------------------------------------------------------------------------------- */

/* SUBMIT_ALL is on: one bad entry does not hold up the rest. EBUSY and EAGAIN pass once completions have been taken. */
static void submit_now(struct io *io)
{
	for (unsigned tries = 0; tries < 1000; tries++) {
		int r = io_uring_submit(&io->ring);

		if (r >= 0)
			return;
		ASSERT(r == -EBUSY || r == -EAGAIN || r == -EINTR);
		(void)io_uring_get_events(&io->ring);	/* makes room; the next try tells */
	}
	UNREACHABLE();
}

static struct io_uring_sqe *take_sqe(struct io *io)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&io->ring);

	if (likely(sqe != NULL))
		return sqe;
	submit_now(io);
	sqe = io_uring_get_sqe(&io->ring);
	ASSERT(sqe != NULL);	/* row URG-12: a flushed queue has room */
	return sqe;
}

static uint64_t user_data_of(const struct io *io, uint32_t slot)
{
	return (uint64_t)io->slots[slot].generation << 32 | slot;
}

static void complete_locally(struct op *op, enum op_kind kind, int res)
{
	ASSERT(!op->in_kernel);
	op->kind = (uint8_t)kind;
	op->in_kernel = true;
	op->cancel_asked = false;
	op->slot = UINT32_MAX;
	op->local_res = res;
	list_init(&op->node);
	list_push_back(&self->local, &op->node);
}

/* Gives op a slot and an SQE to fill in; the caller preps it, then calls op_started. NULL: no slot, and the op has failed. */
static struct io_uring_sqe *op_start(struct op *op, enum op_kind kind)
{
	struct io *io = self;
	uint32_t slot = io->slot_free;

	CHECK_MAGIC(op, OP_MAGIC);
	ASSERT(!op->in_kernel);
	if (unlikely(slot == io->slot_count)) {
		complete_locally(op, kind, -ENOBUFS);
		return NULL;
	}
	io->slot_free = io->slots[slot].next_free;
	io->slots[slot].op = op;
	op->slot = slot;
	op->kind = (uint8_t)kind;
	op->in_kernel = true;
	op->cancel_asked = false;
	op->copied = false;
	return take_sqe(io);
}

static void op_started(struct op *op, struct io_uring_sqe *sqe, bool fixed_file)
{
	if (fixed_file)
		sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = user_data_of(self, op->slot);
}

static void slot_release(struct io *io, uint32_t slot)
{
	struct op_slot *s = &io->slots[slot];

	s->op = NULL;
	s->generation = s->generation + 1 < GENERATION_END ? s->generation + 1 : 1;
	s->next_free = io->slot_free;
	io->slot_free = slot;
}

/* --- sockets ---------------------------------------------------------------------------------------------------------- */

static int own_file_take(struct io *io)
{
	return io->own_free_count > 0 ? (int)io->own_free[--io->own_free_count] : -ENFILE;
}

static int install(struct io *io, int unix_fd, int *ret_file)
{
	int file = own_file_take(io);

	if (file < 0)
		return file;
	int r = io_uring_register_files_update(&io->ring, (unsigned)file, &unix_fd, 1);

	if (r < 0) {
		io->own_free[io->own_free_count++] = (uint32_t)file;
		return r;
	}
	*ret_file = file;
	return 0;
}

int io_adopt(int unix_fd, int *ret_file)
{
	int r = install(self, unix_fd, ret_file);

	close(unix_fd);
	return r;
}

static int prepare_socket(int fd, const struct addr *remote, const struct addr *local)
{
	static const int on = 1;

	/* Errors of these two cost speed, not correctness. */
	if (remote->sa.sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (local == NULL)
		return 0;
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	return bind(fd, &local->sa, local->len) < 0 ? -errno : 0;
}

/* Plain system calls, and not SOCKET and BIND in the ring: setting options on a direct descriptor needs Linux 6.7, binding
 * one 6.11, and none of these calls can wait. Our floor is 6.1. */
static int open_socket(const struct addr *remote, const struct addr *local, int *ret_file)
{
	int fd = socket(remote->sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	int r = prepare_socket(fd, remote, local);

	if (r < 0) {
		close(fd);
		return r;
	}
	return io_adopt(fd, ret_file);
}

void io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file)
{
	int r = open_socket(remote, local, ret_file);

	if (r < 0) {
		complete_locally(op, KIND_CONNECT, r);
		return;
	}
	struct io_uring_sqe *sqe = op_start(op, KIND_CONNECT);

	if (sqe == NULL)
		return;
	io_uring_prep_connect(sqe, *ret_file, &remote->sa, remote->len);
	op_started(op, sqe, true);
}

void io_accept(struct op *op, int listener_file, struct addr *ret_peer)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_ACCEPT);

	if (sqe == NULL)
		return;
	if (ret_peer == NULL) {
		io_uring_prep_multishot_accept_direct(sqe, listener_file, NULL, NULL, 0);
	} else {
		ret_peer->len = sizeof(*ret_peer) - offsetof(struct addr, sa);
		io_uring_prep_accept_direct(sqe, listener_file, &ret_peer->sa, &ret_peer->len, 0, IORING_FILE_INDEX_ALLOC);
	}
	op_started(op, sqe, true);
}

void io_recv(struct op *op, int file)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_RECV);

	if (sqe == NULL)
		return;
	io_uring_prep_recv_multishot(sqe, file, NULL, 0, 0);
	/* Nobody has been asked anything yet when a receive is armed: go straight to waiting for data. */
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUF_GROUP;
	op_started(op, sqe, true);
}

static int msg_flags(unsigned flags)
{
	return MSG_NOSIGNAL | (flags & IO_SEND_MORE ? MSG_MORE : 0);
}

void io_send(struct op *op, int file, const void *buf, size_t len, unsigned flags)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_SEND);

	if (sqe == NULL)
		return;
	io_uring_prep_send(sqe, file, buf, len, msg_flags(flags));
	op_started(op, sqe, true);
}

void io_sendmsg(struct op *op, int file, const struct iovec *iov, unsigned count, unsigned flags)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_SENDMSG);

	ASSERT(count > 0 && count <= IO_IOV_MAX);
	if (sqe == NULL)
		return;
	memcpy(op->iov, iov, count * sizeof(*iov));
	memset(&op->msg, 0, sizeof(op->msg));
	op->msg.msg_iov = op->iov;
	op->msg.msg_iovlen = count;
	io_uring_prep_sendmsg(sqe, file, &op->msg, (unsigned)msg_flags(flags));
	op_started(op, sqe, true);
}

void io_send_zc(struct op *op, int file, const void *buf, size_t len, unsigned flags)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_SEND_ZC);

	if (sqe == NULL)
		return;
	io_uring_prep_send_zc(sqe, file, buf, len, msg_flags(flags), IORING_SEND_ZC_REPORT_USAGE);
	op_started(op, sqe, true);
}

void io_shutdown(struct op *op, int file, int how)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_SHUTDOWN);

	if (sqe == NULL)
		return;
	io_uring_prep_shutdown(sqe, file, how);
	op_started(op, sqe, true);
}

/* --- receive buffers -------------------------------------------------------------------------------------------------- */

static char *buf_at(const struct io *io, uint32_t buf)
{
	return io->buf_memory + (size_t)buf * IO_RECV_BUF_SIZE;
}

static void buf_return(struct io *io, uint32_t buf)
{
	ASSERT(io->bufs_out > 0);
	io->bufs_out--;
	io_uring_buf_ring_add(io->buf_ring, buf_at(io, buf), IO_RECV_BUF_SIZE, (unsigned short)buf,
			      io_uring_buf_ring_mask(io->buf_count), (int)io->bufs_added++);
}

static void bufs_publish(struct io *io)
{
	if (io->bufs_added == 0)
		return;
	io_uring_buf_ring_advance(io->buf_ring, (int)io->bufs_added);
	io->bufs_added = 0;
}

uint32_t io_buf_keep(struct op *op)
{
	ASSERT(op->has_buf);
	ASSERT(!self->buf_kept);
	self->buf_kept = true;
	return op->buf_id;
}

void io_buf_put(uint32_t buf)
{
	ASSERT(buf < self->buf_count);
	buf_return(self, buf);
	bufs_publish(self);
}

size_t io_bufs_free(void)
{
	return self->buf_count - self->bufs_out;
}

void io_buf_wait(struct io_buf_waiter *waiter)
{
	list_push_back(&self->buf_waiters, &waiter->node);
}

void io_buf_wait_cancel(struct io_buf_waiter *waiter)
{
	list_remove(&waiter->node);
}

/* As many waiters as there are buffers, oldest first: a crowd that finds nothing would only queue up again (row URG-06). */
static void wake_buf_waiters(struct io *io)
{
	for (size_t n = io_bufs_free(); n > 0 && !list_is_empty(&io->buf_waiters); n--) {
		struct io_buf_waiter *w = list_entry(list_pop_front(&io->buf_waiters), struct io_buf_waiter, node);

		w->fn(w);
	}
}

/* --- files ------------------------------------------------------------------------------------------------------------ */

void io_open(struct op *op, const char *path, int flags, unsigned mode)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_OPEN);

	if (sqe == NULL)
		return;
	/* The kernel refuses O_CLOEXEC for direct descriptors, which no child ever inherits anyway. */
	io_uring_prep_openat_direct(sqe, AT_FDCWD, path, flags & ~O_CLOEXEC, mode, IORING_FILE_INDEX_ALLOC);
	op_started(op, sqe, false);
}

static bool in_arena(const struct io *io, const void *buf, size_t len)
{
	const char *p = buf;

	return io->arena_registered && p >= io->arena && p + len <= io->arena + io->arena_size;
}

void io_read(struct op *op, int file, void *buf, size_t len, uint64_t offset)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_READ);

	ASSERT(len <= INT_MAX);
	if (sqe == NULL)
		return;
	if (in_arena(self, buf, len))
		io_uring_prep_read_fixed(sqe, file, buf, (unsigned)len, offset, 0);
	else
		io_uring_prep_read(sqe, file, buf, (unsigned)len, offset);
	op_started(op, sqe, true);
}

void io_write(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_WRITE);

	ASSERT(len <= INT_MAX);
	if (sqe == NULL)
		return;
	if (in_arena(self, buf, len))
		io_uring_prep_write_fixed(sqe, file, buf, (unsigned)len, offset, 0);
	else
		io_uring_prep_write(sqe, file, buf, (unsigned)len, offset);
	op_started(op, sqe, true);
}

static void start_sync(struct op *op, enum op_kind kind, int file, unsigned flags)
{
	struct io_uring_sqe *sqe = op_start(op, kind);

	if (sqe == NULL)
		return;
	io_uring_prep_fsync(sqe, file, flags);
	op_started(op, sqe, true);
}

void io_fdatasync(struct op *op, int file)
{
	start_sync(op, KIND_FDATASYNC, file, IORING_FSYNC_DATASYNC);
}

void io_fsync(struct op *op, int file)
{
	start_sync(op, KIND_FSYNC, file, 0);
}

void io_fallocate(struct op *op, int file, int mode, uint64_t offset, uint64_t len)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_FALLOCATE);

	if (sqe == NULL)
		return;
	io_uring_prep_fallocate(sqe, file, mode, offset, len);
	op_started(op, sqe, true);
}

void io_rename(struct op *op, const char *old_path, const char *new_path)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_RENAME);

	if (sqe == NULL)
		return;
	io_uring_prep_renameat(sqe, AT_FDCWD, old_path, AT_FDCWD, new_path, 0);
	op_started(op, sqe, false);
}

void io_unlink(struct op *op, const char *path)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_UNLINK);

	if (sqe == NULL)
		return;
	io_uring_prep_unlinkat(sqe, AT_FDCWD, path, 0);
	op_started(op, sqe, false);
}

void io_close(int file)
{
	struct io_uring_sqe *sqe = take_sqe(self);

	ASSERT(file >= 0 && (unsigned)file < self->files_max);
	io_uring_prep_close_direct(sqe, (unsigned)file);
	/* Its completion gives the number back: before that a connect could be handed a file that is still to be closed. */
	sqe->user_data = (uint64_t)CLOSE_GENERATION << 32 | (uint32_t)file;
}

void *io_arena_take(size_t size, size_t align)
{
	size_t at = round_up(self->arena_used, align);

	if (at > self->arena_size || size > self->arena_size - at)
		return NULL;
	self->arena_used = at + size;
	return self->arena + at;
}

/* --- everything else -------------------------------------------------------------------------------------------------- */

void io_poll(struct op *op, int unix_fd, unsigned events)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_POLL);

	if (sqe == NULL)
		return;
	io_uring_prep_poll_add(sqe, unix_fd, events);
	op_started(op, sqe, false);
}

void io_cancel(struct op *op)
{
	struct io *io = self;

	CHECK_MAGIC(op, OP_MAGIC);
	if (!op->in_kernel || op->cancel_asked)
		return;
	op->cancel_asked = true;
	if (op->slot == UINT32_MAX) {
		if (op->local_res >= 0)
			op->local_res = -ECANCELED;
		return;
	}
	struct io_uring_sqe *sqe = take_sqe(io);

	io_uring_prep_cancel64(sqe, user_data_of(io, op->slot), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = USER_DATA_IGNORE;	/* the target's own completion decides (row URG-02) */
}

void io_wake(unsigned core)
{
	struct io_uring_sqe *sqe = take_sqe(self);

	ASSERT(core < CORE_COUNT_MAX);
	io_uring_prep_msg_ring(sqe, ring_fds[core], 0, USER_DATA_WAKE, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = USER_DATA_IGNORE;
}

/* --- completion ------------------------------------------------------------------------------------------------------- */

static void deliver(struct io *io, struct op *op, int res, unsigned flags)
{
	uint32_t buf = flags >> IORING_CQE_BUFFER_SHIFT;
	bool has_buf = flags & IORING_CQE_F_BUFFER;

	CHECK_MAGIC(op, OP_MAGIC);
	ASSERT(op->in_kernel);
	op->more = flags & IORING_CQE_F_MORE;
	op->has_buf = has_buf;
	op->data = (struct slice){ 0 };
	if (!op->more) {
		slot_release(io, op->slot);
		op->in_kernel = false;
	}
	if (has_buf) {
		/* A buffer is used up even when the result is an error or the end (row URG-07). */
		io->bufs_out++;
		op->buf_id = (uint16_t)buf;
		op->data = slice_of(buf_at(io, buf), res > 0 ? (size_t)res : 0);
	}
	if (op->kind == KIND_SEND_ZC && (flags & IORING_CQE_F_NOTIF)) {
		op->copied = (unsigned)res & IORING_NOTIF_USAGE_ZC_COPIED;
		res = 0;
	}
	io->buf_kept = false;
	op->fn(op, res);	/* the op may be gone after this */
	if (has_buf && !io->buf_kept)
		buf_return(io, buf);
}

static void on_cqe(struct io *io, uint64_t user_data, int res, unsigned flags)
{
	uint32_t generation = (uint32_t)(user_data >> 32);
	uint32_t low = (uint32_t)user_data;

	if (user_data == USER_DATA_IGNORE || user_data == USER_DATA_WAKE)
		return;
	if (generation == CLOSE_GENERATION) {
		if (low >= io->own_base)
			io->own_free[io->own_free_count++] = low;
		return;
	}
	ASSERT(low < io->slot_count);
	ASSERT(io->slots[low].generation == generation);
	deliver(io, io->slots[low].op, res, flags);
}

static size_t run_local(struct io *io)
{
	struct list batch;
	struct list *node;
	size_t n = 0;

	/* What fails again at once waits for the next turn: no loop here can last for ever. */
	list_init(&batch);
	list_splice_back(&batch, &io->local);
	while ((node = list_pop_front(&batch)) != NULL) {
		struct op *op = list_entry(node, struct op, node);

		op->in_kernel = false;
		op->more = false;
		op->has_buf = false;
		op->data = (struct slice){ 0 };
		op->fn(op, op->local_res);
		n++;
	}
	return n;
}

size_t io_run_completions(void)
{
	struct io *io = self;
	struct io_uring_cqe *cqe;
	size_t n = run_local(io);

	while (n < REACTOR_CQE_BUDGET && io_uring_peek_cqe(&io->ring, &cqe) == 0) {
		uint64_t user_data = cqe->user_data;
		int res = cqe->res;
		unsigned flags = cqe->flags;

		io_uring_cqe_seen(&io->ring, cqe);
		on_cqe(io, user_data, res, flags);
		n++;
	}
	bufs_publish(io);
	if (!list_is_empty(&io->buf_waiters))
		wake_buf_waiters(io);
	return n;
}

bool io_has_completions(void)
{
	return !list_is_empty(&self->local) || io_uring_cq_ready(&self->ring) > 0;
}

int io_wait(uint64_t until_ns)
{
	struct io *io = self;
	struct io_uring_cqe *cqe;
	uint64_t now = until_ns == 0 ? 0 : clock_mono_ns();
	int r;

	if (until_ns <= now || io_has_completions()) {
		r = io_uring_submit_and_get_events(&io->ring);
	} else if (until_ns == UINT64_MAX) {
		r = io_uring_submit_and_wait(&io->ring, 1);
	} else {
		uint64_t left = until_ns - now;
		struct __kernel_timespec ts = { (int64_t)(left / NS_PER_SEC), (long long)(left % NS_PER_SEC) };

		r = io_uring_submit_and_wait_timeout(&io->ring, &cqe, 1, &ts, NULL);
	}
	/* Late, disturbed or short of memory: completions are taken, and the next turn tries again (row URG-11). */
	if (r >= 0 || r == -ETIME || r == -EINTR || r == -EAGAIN || r == -EBUSY)
		return 0;
	return r;
}

/* --- one core's kernel side ------------------------------------------------------------------------------------------- */

/* Every operation by name: what the ring is restricted to, and what io_probe asks the kernel for (rows URG-28, URG-32). */
static const uint8_t opcodes[] = {
	IORING_OP_CONNECT, IORING_OP_ACCEPT, IORING_OP_RECV, IORING_OP_SEND, IORING_OP_SENDMSG, IORING_OP_SEND_ZC,
	IORING_OP_SHUTDOWN, IORING_OP_OPENAT, IORING_OP_READ, IORING_OP_READ_FIXED, IORING_OP_WRITE, IORING_OP_WRITE_FIXED,
	IORING_OP_FSYNC, IORING_OP_FALLOCATE, IORING_OP_RENAMEAT, IORING_OP_UNLINKAT, IORING_OP_CLOSE, IORING_OP_POLL_ADD,
	IORING_OP_ASYNC_CANCEL, IORING_OP_MSG_RING,
};

#define SQE_FLAGS_USED (IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS)

static int ring_open(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
		.cq_entries = cq_entries,
	};

	return io_uring_queue_init_params(sq_entries, ring, &params);
}

static int ring_restrict(struct io_uring *ring)
{
	struct io_uring_restriction rules[ARRAY_LEN(opcodes) + 3];
	unsigned n = 0;

	memset(rules, 0, sizeof(rules));
	for (size_t i = 0; i < ARRAY_LEN(opcodes); i++) {
		rules[n].opcode = IORING_RESTRICTION_SQE_OP;
		rules[n++].sqe_op = opcodes[i];
	}
	rules[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[n++].sqe_flags = SQE_FLAGS_USED;
	rules[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	rules[n++].register_op = IORING_REGISTER_FILES_UPDATE;
	rules[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	rules[n++].register_op = IORING_UNREGISTER_RING_FDS;
	ASSERT(n == ARRAY_LEN(rules));
	return io_uring_register_restrictions(ring, rules, n);
}

int io_probe(void)
{
	struct io_uring ring;
	int r = ring_open(&ring, 8, 16);

	if (r < 0)
		return r;
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring);

	r = probe == NULL ? -ENOMEM : 0;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(opcodes); i++)
		if (!io_uring_opcode_supported(probe, opcodes[i]))
			r = -EOPNOTSUPP;
	io_uring_free_probe(probe);
	io_uring_queue_exit(&ring);
	return r;
}

#define TEXT_OF(x) #x
#define TEXT_OF_VALUE(x) TEXT_OF(x)

const char *io_library_version(void)
{
	return TEXT_OF_VALUE(IO_URING_VERSION_MAJOR) "." TEXT_OF_VALUE(IO_URING_VERSION_MINOR);
}

static void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

static int open_bufs(struct io *io, unsigned count)
{
	int r;

	io->buf_count = count;
	io->buf_memory = map_memory(count * IO_RECV_BUF_SIZE);
	if (io->buf_memory == NULL)
		return -ENOMEM;
	io->buf_ring = io_uring_setup_buf_ring(&io->ring, count, BUF_GROUP, 0, &r);
	if (io->buf_ring == NULL)
		return r;
	io->bufs_out = count;
	for (uint32_t i = 0; i < count; i++)
		buf_return(io, i);
	bufs_publish(io);
	return 0;
}

/* RLIMIT_MEMLOCK may forbid registration: then the same memory works unregistered, a little slower (row OSR-04). */
static int open_arena(struct io *io, size_t size)
{
	if (size == 0)
		return 0;
	if (size > ARENA_MAX)
		return -E2BIG;
	io->arena = map_memory(size);
	if (io->arena == NULL)
		return -ENOMEM;
	io->arena_size = size;
	struct iovec iov = { io->arena, size };

	io->arena_registered = io_uring_register_buffers(&io->ring, &iov, 1) == 0;
	return 0;
}

static int open_files(struct io *io, unsigned wanted)
{
	struct rlimit limit;

	/* The kernel refuses a table larger than the process's limit of open files. */
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -errno;
	io->files_max = (unsigned)min_u64(wanted, limit.rlim_cur);
	io->own_base = io->files_max / 2;
	io->own_free = calloc(io->files_max, sizeof(*io->own_free));
	if (io->own_free == NULL)
		return -ENOMEM;
	for (unsigned i = io->files_max; i > io->own_base; i--)
		io->own_free[io->own_free_count++] = i - 1;
	int r = io_uring_register_files_sparse(&io->ring, io->files_max);

	return r < 0 ? r : io_uring_register_file_alloc_range(&io->ring, 0, io->own_base);
}

static int open_slots(struct io *io)
{
	/* One receive, one send and one more per file, and then what belongs to no file. */
	io->slot_count = 3 * io->files_max + IO_SQ_ENTRIES;
	io->slots = calloc(io->slot_count, sizeof(*io->slots));
	if (io->slots == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < io->slot_count; i++) {
		io->slots[i].generation = 1;
		io->slots[i].next_free = i + 1;
	}
	io->slot_free = 0;
	return 0;
}

static int open_ring_parts(struct io *io, const struct io_conf *conf)
{
	unsigned workers[2] = { IO_IOWQ_WORKERS, IO_IOWQ_WORKERS };
	int r = open_files(io, conf->files_max);

	if (r >= 0)
		r = open_slots(io);
	if (r >= 0)
		r = open_bufs(io, conf->recv_bufs != 0 ? conf->recv_bufs : IO_RECV_BUFS);
	if (r >= 0)
		r = open_arena(io, conf->arena_size);
	/* Before the restrictions, so that they need not allow it. */
	if (r >= 0 && io_uring_register_ring_fd(&io->ring) != 1)
		r = -EINVAL;
	if (r >= 0)
		r = ring_restrict(&io->ring);
	if (r >= 0)
		r = io_uring_register_iowq_max_workers(&io->ring, workers);
	if (r >= 0)
		r = io_uring_enable_rings(&io->ring);
	if (r >= 0)
		r = io_uring_ring_dontfork(&io->ring);	/* row URG-26 */
	return r < 0 ? r : 0;
}

int io_open_core(const struct io_conf *conf)
{
	ASSERT(self == NULL);
	ASSERT(conf->core < CORE_COUNT_MAX);
	struct io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return -ENOMEM;
	io->core = conf->core;
	list_init(&io->local);
	list_init(&io->buf_waiters);
	int r = ring_open(&io->ring, IO_SQ_ENTRIES, IO_CQ_ENTRIES);

	if (r < 0) {
		free(io);
		return r;
	}
	self = io;
	io->ring_fd = io->ring.ring_fd;
	ring_fds[conf->core] = io->ring_fd;
	r = open_ring_parts(io, conf);
	if (r < 0)
		io_close_core();
	return r;
}

void io_close_core(void)
{
	struct io *io = self;

	io_uring_queue_exit(&io->ring);	/* ends everything that is still in the kernel */
	if (io->arena != NULL)
		munmap(io->arena, io->arena_size);
	if (io->buf_memory != NULL)
		munmap(io->buf_memory, io->buf_count * IO_RECV_BUF_SIZE);
	free(io->own_free);
	free(io->slots);
	free(io);
	self = NULL;
}

unsigned io_files_max(void)
{
	return self->files_max;
}
