/* io_uring.c - the seam on a real kernel: with io_uring_setup.c, all that knows liburing
 *
 *	op --start--> slot (index + generation = user_data) --SQE--> kernel --CQE--> slot --callback--> op
 *
 * A completion names a slot and its generation, never a pointer: one that comes after its op has gone is an assertion
 * here and not somebody else's data (row URG-01). Memory named in an SQE lives in the op or with its owner (row
 * URG-04).
 */
#include "core/io.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/io_uring_impl.h"

#define USER_DATA_IGNORE	UINT64_MAX
#define USER_DATA_WAKE		(UINT64_MAX - 1)
#define CLOSE_GENERATION	UINT32_C(0xfffffffe)	/* user_data of a close: this, and the file below it */
#define CANCEL_GENERATION	UINT32_C(0xfffffffd)	/* user_data of a cancellation: this, and the slot below it */
#define GENERATION_END		UINT32_C(0xfffffff0)

enum op_kind {
	KIND_CONNECT = 1,
	KIND_ACCEPT,
	KIND_RECV,
	KIND_SEND,
	KIND_SENDMSG,
	KIND_SEND_ZC,
	KIND_SHUTDOWN,
	KIND_OPEN,
	KIND_READ,
	KIND_WRITE,
	KIND_FDATASYNC,
	KIND_FSYNC,
	KIND_FALLOCATE,
	KIND_RENAME,
	KIND_UNLINK,
	KIND_POLL,
};

_Thread_local struct io *io_self;
int io_ring_fds[CORE_COUNT_MAX];

/* --- submission ------------------------------------------------------------------------------- */

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
	list_push_back(&io_self->local, &op->node);
}

/* Gives op a slot and an SQE to fill in; the caller preps it, then calls op_started. NULL: no slot, and the op has
 * failed. */
static struct io_uring_sqe *op_start(struct op *op, enum op_kind kind)
{
	struct io *io = io_self;
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
	op->local_res = 0;
	return take_sqe(io);
}

static void op_started(struct op *op, struct io_uring_sqe *sqe, bool fixed_file)
{
	if (fixed_file)
		sqe->flags |= IOSQE_FIXED_FILE;
	sqe->user_data = user_data_of(io_self, op->slot);
}

static void slot_release(struct io *io, uint32_t slot)
{
	struct op_slot *s = &io->slots[slot];

	s->op = NULL;
	s->generation = s->generation + 1 < GENERATION_END ? s->generation + 1 : 1;
	s->next_free = io->slot_free;
	io->slot_free = slot;
}

/* --- sockets ---------------------------------------------------------------------------------- */

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
	int r = install(io_self, unix_fd, ret_file);

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

/* Plain system calls: for kernels before 6.11, which can neither set options on a direct descriptor nor bind it. */
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

/* One step of the chain SOCKET -> options -> BIND -> CONNECT. Steps that succeed say nothing. One that fails speaks
 * for the whole chain: with CQE_SKIP_SUCCESS on it, those behind it are cancelled in silence (row URG-03). */
static void chain_step(struct op *op, struct io_uring_sqe *sqe, bool has_file)
{
	sqe->flags |= IOSQE_IO_LINK | IOSQE_CQE_SKIP_SUCCESS | (has_file ? IOSQE_FIXED_FILE : 0);
	sqe->user_data = user_data_of(io_self, op->slot);
}

/* Its failure costs speed, not correctness: a hard link holds all the same, and nobody listens to what it says. */
static void chain_option(int file, int level, int option)
{
	static int on = 1;	/* the kernel only reads it */
	struct io_uring_sqe *sqe = take_sqe(io_self);

	io_uring_prep_cmd_sock(sqe, SOCKET_URING_OP_SETSOCKOPT, file, level, option, &on, sizeof(on));
	sqe->flags |= IOSQE_IO_HARDLINK | IOSQE_CQE_SKIP_SUCCESS | IOSQE_FIXED_FILE;
	sqe->user_data = USER_DATA_IGNORE;
}

#define CONNECT_CHAIN 5u	/* entries: a chain holds together only within one submit */

static void connect_in_ring(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file)
{
	struct io *io = io_self;
	int family = remote->sa.sa_family;
	int file = own_file_take(io);

	if (file < 0) {
		complete_locally(op, KIND_CONNECT, file);
		return;
	}
	if (io_uring_sq_space_left(&io->ring) < CONNECT_CHAIN)
		submit_now(io);
	struct io_uring_sqe *sqe = op_start(op, KIND_CONNECT);

	if (sqe == NULL) {
		io->own_free[io->own_free_count++] = (uint32_t)file;
		return;
	}
	*ret_file = file;
	io_uring_prep_socket_direct(sqe, family, SOCK_STREAM, 0, (unsigned)file, 0);
	chain_step(op, sqe, false);
	if (family != AF_UNIX)
		chain_option(file, IPPROTO_TCP, TCP_NODELAY);
	if (local != NULL) {
		chain_option(file, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT);
		sqe = take_sqe(io);
		io_uring_prep_bind(sqe, file, (struct sockaddr *)(uintptr_t)&local->sa, local->len);
		chain_step(op, sqe, true);
	}
	sqe = take_sqe(io);
	io_uring_prep_connect(sqe, file, &remote->sa, remote->len);
	op_started(op, sqe, true);
}

void io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file)
{
	if (io_self->async_sockets) {
		connect_in_ring(op, remote, local, ret_file);
		return;
	}
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
		io_uring_prep_accept_direct(sqe, listener_file, &ret_peer->sa, &ret_peer->len, 0,
					    IORING_FILE_INDEX_ALLOC);
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
	sqe->buf_group = IO_BUF_GROUP;
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

static bool in_arena(const struct io *io, const void *buf, size_t len)
{
	const char *p = buf;

	return io->arena_registered && p >= io->arena && p + len <= io->arena + io->arena_size;
}

void io_send_zc(struct op *op, int file, const void *buf, size_t len, unsigned flags)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_SEND_ZC);

	if (sqe == NULL)
		return;
	if (in_arena(io_self, buf, len))
		io_uring_prep_send_zc_fixed(sqe, file, buf, len, msg_flags(flags), IORING_SEND_ZC_REPORT_USAGE, 0);
	else
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

void io_reset(struct op *op, int file)
{
	/* To connect to nobody is what dissolves a connection. */
	static const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
	struct io_uring_sqe *sqe = op_start(op, KIND_SHUTDOWN);

	if (sqe == NULL)
		return;
	io_uring_prep_connect(sqe, file, &nobody, sizeof(nobody));
	op_started(op, sqe, true);
}

/* --- receive buffers -------------------------------------------------------------------------- */

static char *buf_at(const struct io *io, uint32_t buf)
{
	return io->buf_memory + (size_t)buf * IO_RECV_BUF_SIZE;
}

void io_buf_return(struct io *io, uint32_t buf)
{
	ASSERT(io->bufs_out > 0);
	io->bufs_out--;
	io_uring_buf_ring_add(io->buf_ring, buf_at(io, buf), IO_RECV_BUF_SIZE, (unsigned short)buf,
			      io_uring_buf_ring_mask(io->buf_count), (int)io->bufs_added++);
}

void io_bufs_publish(struct io *io)
{
	if (io->bufs_added == 0)
		return;
	io_uring_buf_ring_advance(io->buf_ring, (int)io->bufs_added);
	io->bufs_added = 0;
}

uint32_t io_buf_keep(struct op *op)
{
	ASSERT(op->has_buf);
	ASSERT(!io_self->buf_kept);
	io_self->buf_kept = true;
	return op->buf_id;
}

void io_buf_put(uint32_t buf)
{
	ASSERT(buf < io_self->buf_count);
	io_buf_return(io_self, buf);
	io_bufs_publish(io_self);
}

size_t io_bufs_free(void)
{
	return io_self->buf_count - io_self->bufs_out;
}

void io_buf_wait(struct io_buf_waiter *waiter)
{
	list_push_back(&io_self->buf_waiters, &waiter->node);
}

void io_buf_wait_cancel(struct io_buf_waiter *waiter)
{
	list_remove(&waiter->node);
}

/* As many waiters as there are buffers, oldest first: a crowd that finds nothing would only queue up again (row
 * URG-06). */
static void wake_buf_waiters(struct io *io)
{
	for (size_t n = io_bufs_free(); n > 0 && !list_is_empty(&io->buf_waiters); n--) {
		struct io_buf_waiter *w = list_entry(list_pop_front(&io->buf_waiters), struct io_buf_waiter, node);

		w->fn(w);
	}
}

/* --- files ------------------------------------------------------------------------------------ */

void io_open(struct op *op, const char *path, int flags, unsigned mode)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_OPEN);

	if (sqe == NULL)
		return;
	/* The kernel refuses O_CLOEXEC for direct descriptors, which no child ever inherits anyway. */
	io_uring_prep_openat_direct(sqe, AT_FDCWD, path, flags & ~O_CLOEXEC, mode, IORING_FILE_INDEX_ALLOC);
	op_started(op, sqe, false);
}

void io_read(struct op *op, int file, void *buf, size_t len, uint64_t offset)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_READ);

	ASSERT(len <= INT_MAX);
	if (sqe == NULL)
		return;
	if (in_arena(io_self, buf, len))
		io_uring_prep_read_fixed(sqe, file, buf, (unsigned)len, offset, 0);
	else
		io_uring_prep_read(sqe, file, buf, (unsigned)len, offset);
	op_started(op, sqe, true);
}

static void start_write(struct op *op, int file, const void *buf, size_t len, uint64_t offset, int rw_flags)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_WRITE);

	ASSERT(len <= INT_MAX);
	if (sqe == NULL)
		return;
	if (in_arena(io_self, buf, len))
		io_uring_prep_write_fixed(sqe, file, buf, (unsigned)len, offset, 0);
	else
		io_uring_prep_write(sqe, file, buf, (unsigned)len, offset);
	sqe->rw_flags = rw_flags;
	op_started(op, sqe, true);
}

void io_write(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	start_write(op, file, buf, len, offset, 0);
}

void io_write_sync(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	start_write(op, file, buf, len, offset, RWF_DSYNC);
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
	struct io_uring_sqe *sqe = take_sqe(io_self);

	ASSERT(file >= 0 && (unsigned)file < io_self->files_max);
	io_uring_prep_close_direct(sqe, (unsigned)file);
	/* Its completion gives the number back: before that a connect could be handed a file that is still to be
	 * closed. */
	sqe->user_data = (uint64_t)CLOSE_GENERATION << 32 | (uint32_t)file;
}

void *io_arena_take(size_t size, size_t align)
{
	size_t at = round_up(io_self->arena_used, align);

	if (at > io_self->arena_size || size > io_self->arena_size - at)
		return NULL;
	io_self->arena_used = at + size;
	return io_self->arena + at;
}

/* --- everything else -------------------------------------------------------------------------- */

void io_poll(struct op *op, int unix_fd, unsigned events)
{
	struct io_uring_sqe *sqe = op_start(op, KIND_POLL);

	if (sqe == NULL)
		return;
	io_uring_prep_poll_add(sqe, unix_fd, events);
	op_started(op, sqe, false);
}

/* The target's own completion decides (row URG-02). */
static void submit_cancel(struct io *io, uint32_t slot)
{
	struct io_uring_sqe *sqe = take_sqe(io);

	io_uring_prep_cancel64(sqe, user_data_of(io, slot), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = (uint64_t)CANCEL_GENERATION << 32 | slot;
}

/* Between two steps of its chain a connect is nowhere to be found (-ENOENT), and a step that a helper thread is at
 * cannot be stopped (-EALREADY) though the next one can. Then it has to be asked again, or it would go on until the
 * kernel gives up by itself, minutes later. */
static void on_cancel_failed(struct io *io, uint32_t slot, int res)
{
	const struct op *op = io->slots[slot].op;

	if ((res == -ENOENT || res == -EALREADY) && op != NULL && op->kind == KIND_CONNECT && op->cancel_asked)
		submit_cancel(io, slot);
}

void io_cancel(struct op *op)
{
	struct io *io = io_self;

	CHECK_MAGIC(op, OP_MAGIC);
	if (!op->in_kernel || op->cancel_asked)
		return;
	op->cancel_asked = true;
	if (op->slot == UINT32_MAX) {
		if (op->local_res >= 0)
			op->local_res = -ECANCELED;
		return;
	}
	submit_cancel(io, op->slot);
}

void io_wake(unsigned core)
{
	struct io_uring_sqe *sqe = take_sqe(io_self);

	ASSERT(core < CORE_COUNT_MAX);
	io_uring_prep_msg_ring(sqe, io_ring_fds[core], 0, USER_DATA_WAKE, 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = USER_DATA_IGNORE;
}

/* --- completion ------------------------------------------------------------------------------- */

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
		io_buf_return(io, buf);
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
	if (generation == CANCEL_GENERATION) {
		on_cancel_failed(io, low, res);
		return;
	}
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
	struct io *io = io_self;
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
	io_bufs_publish(io);
	if (!list_is_empty(&io->buf_waiters))
		wake_buf_waiters(io);
	return n;
}

bool io_has_completions(void)
{
	const struct io *io = io_self;

	/* A buffer that came back from a timer or at the end of a turn has woken nobody yet. */
	return !list_is_empty(&io->local) || io_uring_cq_ready(&io->ring) > 0 ||
	       (!list_is_empty(&io->buf_waiters) && io->bufs_out < io->buf_count);
}

int io_wait(uint64_t until_ns)
{
	struct io *io = io_self;
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
