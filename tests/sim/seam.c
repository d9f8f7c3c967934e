#include "tests/sim/seam.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "tests/sim/fault.h"
#include "tests/sim/tape.h"
#include "tests/test.h"

#if defined(TEST_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, n)	ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n)	ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define POISON(p, n)	((void)(p), (void)(n))
#define UNPOISON(p, n)	((void)(p), (void)(n))
#endif

#define CHECKSUM_OF_NOTHING UINT64_C(1)
#define LATE_COMPLETION_NS (10 * NS_PER_MS)

int (*machine_fault)(enum flight_kind kind);

/* --- flights ----------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, const void *p, size_t len)
{
	const char *at = p;

	for (; len >= 8; at += 8, len -= 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		hash ^= hash >> 32;
	}
	for (; len > 0; at++, len--)
		hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
	return hash;
}

/* Of all that an operation names and nobody may change before its end (row URG-04). */
static uint64_t checksum(const struct flight *f)
{
	uint64_t hash = CHECKSUM_OF_NOTHING;

	if (f->kind == FLIGHT_SEND)
		for (unsigned i = 0; i < f->iov_count; i++)
			hash = mix(hash, f->iov[i].iov_base, f->iov[i].iov_len);
	if (f->kind == FLIGHT_WRITE)
		hash = mix(hash, f->buf, f->len);
	if (f->path != NULL)
		hash = mix(hash, f->path, strlen(f->path));
	if (f->path_new != NULL)
		hash = mix(hash, f->path_new, strlen(f->path_new));
	if (f->remote != NULL)
		hash = mix(hash, f->remote, sizeof(*f->remote));
	if (f->local != NULL)
		hash = mix(hash, f->local, sizeof(*f->local));
	return hash;
}

static struct machine_file *file_at(struct machine_core *c, int file)
{
	ASSERT(file >= 0 && (unsigned)file < c->files_max);
	ASSERT(c->files[file].kind != FILE_FREE);
	return &c->files[file];
}

struct flight *flight_start(struct op *op, enum flight_kind kind, int file)
{
	struct machine_core *c = machine_self();
	const bool fresh = c->flight_free == UINT32_MAX;
	const uint32_t index = fresh ? c->flight_fresh++ : c->flight_free;
	struct flight *f = &c->flights[index];

	CHECK_MAGIC(op, OP_MAGIC);
	ASSERT(!op->in_kernel);
	ASSERT(index < MACHINE_FLIGHTS_MAX);
	if (!fresh)
		c->flight_free = f->next_free;
	c->flight_count++;
	*f = (struct flight){ .op = op, .core = c->index, .index = index, .kind = kind, .file = file,
			      .generation = f->generation + 1, .checksum = CHECKSUM_OF_NOTHING };
	list_init(&f->node);
	list_push_back(&c->started, &f->node);
	if (file >= 0)
		file_at(c, file)->ops++;
	op->slot = f->index;
	op->kind = (uint8_t)kind;
	op->in_kernel = true;
	op->cancel_asked = false;
	op->copied = false;
	return f;
}

void seam_unpoison(void *buf, size_t len)
{
	UNPOISON(buf, len);
}

static void flight_end(struct machine_core *c, struct flight *f)
{
	struct machine_file *file = f->file >= 0 ? file_at(c, f->file) : NULL;

	ASSERT(checksum(f) == f->checksum);
	if (f->kind == FLIGHT_READ)
		UNPOISON(f->buf, f->len);
	list_remove(&f->node);
	if (file != NULL) {
		ASSERT(file->ops > 0);
		file->ops--;
		file->recv = file->recv == f ? NULL : file->recv;
		file->send = file->send == f ? NULL : file->send;
	}
	f->op->in_kernel = false;
	f->op = NULL;
	f->next_free = c->flight_free;
	c->flight_free = f->index;
	c->flight_count--;
}

static void make_ready(struct flight *f)
{
	struct machine_core *c = &machine_cores[f->core];

	if (f->ready)
		return;
	f->ready = true;
	c->ready[c->ready_count++] = f;
}

void flight_ready(struct flight *f, int res)
{
	f->res = res;
	f->decided = true;
	if (fault_strikes(FAULT_LATE_RESULT))
		flight_ready_in(f, res, tape_range(0, LATE_COMPLETION_NS));
	else
		make_ready(f);
}

static void on_ready(void *context, uint64_t generation)
{
	struct flight *f = context;

	if (f->op != NULL && f->generation == generation)
		make_ready(f);
}

void flight_ready_in(struct flight *f, int res, uint64_t delay_ns)
{
	f->res = res;
	f->decided = true;
	machine_at(sim_now() + delay_ns, on_ready, f, f->generation);
}

/* --- what the kernel does when it looks -------------------------------------------------------- */

static bool was_cancelled(struct flight *f)
{
	if (f->op->cancel_asked)
		flight_ready(f, -ECANCELED);
	return f->op->cancel_asked;
}

static void look_at(struct flight *f)
{
	/* The resolver's stand-in asks by itself. */
	const int fault = machine_fault != NULL && f->kind != FLIGHT_QUERY ? machine_fault(f->kind) : 0;

	f->submitted = true;
	if (was_cancelled(f))
		return;
	if (fault < 0) {
		flight_ready(f, fault);
		return;
	}
	f->fault = fault;
	switch (f->kind) {
	case FLIGHT_CONNECT:
		net_connect(f);
		break;
	case FLIGHT_ACCEPT:
		net_accept(f);
		break;
	case FLIGHT_RECV:
		net_receive(f);
		break;
	case FLIGHT_SEND:
		net_send(f);
		break;
	case FLIGHT_SHUTDOWN:
		if (f->file >= 0)
			net_shutdown(file_at(&machine_cores[f->core], f->file), f->flags);
		flight_ready(f, f->file >= 0 ? 0 : -EBADF);
		break;
	case FLIGHT_QUERY:
		break;
	default:
		disk_submit(f);
	}
}

void seam_submit(struct machine_core *c)
{
	struct list *node;

	while ((node = list_pop_front(&c->started)) != NULL)
		look_at(list_entry(node, struct flight, node));
}

/* --- starting ---------------------------------------------------------------------------------- */

static int file_take(struct machine_core *c, enum file_kind kind)
{
	if (c->free_file_count == 0)
		return -ENFILE;
	const int file = c->free_files[--c->free_file_count];

	c->files_open++;
	c->files[file] = (struct machine_file){ .kind = kind };
	list_init(&c->files[file].waiting);
	list_init(&c->files[file].arrived);
	return file;
}

static void file_put(struct machine_core *c, int file)
{
	c->files[file].kind = FILE_FREE;
	c->free_files[c->free_file_count++] = file;
	c->files_open--;
}

int seam_file_take(unsigned core, enum file_kind kind)
{
	return file_take(&machine_cores[core], kind);
}

struct machine_file *seam_file(unsigned core, int file)
{
	return file_at(&machine_cores[core], file);
}

/* An operation that fails without any file. */
static void fail_at_once(struct op *op, enum flight_kind kind, int err)
{
	struct flight *f = flight_start(op, kind, -1);

	f->checksum = checksum(f);
	list_remove(&f->node);
	flight_ready(f, err);
}

void io_connect(struct op *op, const struct addr *remote, const struct addr *local, int *ret_file)
{
	struct machine_core *c = machine_self();
	const int file = fault_strikes(FAULT_NO_FILES) ? -ENFILE : file_take(c, FILE_SOCKET);

	if (file < 0) {
		fail_at_once(op, FLIGHT_CONNECT, file);
		return;
	}
	*ret_file = file;
	struct flight *f = flight_start(op, FLIGHT_CONNECT, file);

	f->remote = remote;
	f->local = local;
	f->ret_file = ret_file;
	f->checksum = checksum(f);
}

void io_accept(struct op *op, int listener_file, struct addr *ret_peer)
{
	struct flight *f = flight_start(op, FLIGHT_ACCEPT, listener_file);

	ASSERT(file_at(machine_self(), listener_file)->kind == FILE_LISTENER);
	f->ret_peer = ret_peer;
	f->checksum = checksum(f);
}

void io_recv(struct op *op, int file)
{
	struct machine_file *of = file_at(machine_self(), file);

	ASSERT(of->kind == FILE_SOCKET && of->recv == NULL);	/* row URG-14 */
	of->recv = flight_start(op, FLIGHT_RECV, file);
	of->recv->checksum = checksum(of->recv);
}

static struct flight *start_send(struct op *op, int file, const struct iovec *iov, unsigned count)
{
	struct machine_file *of = file_at(machine_self(), file);

	ASSERT(of->kind == FILE_SOCKET && of->send == NULL);	/* row URG-14 */
	ASSERT(count > 0 && count <= IO_IOV_MAX);
	struct flight *f = flight_start(op, FLIGHT_SEND, file);

	of->send = f;
	memcpy(f->iov, iov, count * sizeof(*iov));
	f->iov_count = count;
	f->checksum = checksum(f);
	return f;
}

void io_send(struct op *op, int file, const void *buf, size_t len, unsigned flags)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };

	(void)flags;
	(void)start_send(op, file, &iov, 1);
}

void io_sendmsg(struct op *op, int file, const struct iovec *iov, unsigned count, unsigned flags)
{
	(void)flags;
	(void)start_send(op, file, iov, count);
}

void io_send_zc(struct op *op, int file, const void *buf, size_t len, unsigned flags)
{
	const struct iovec iov = { (void *)(uintptr_t)buf, len };

	(void)flags;
	start_send(op, file, &iov, 1)->zero_copy = true;
}

void io_shutdown(struct op *op, int file, int how)
{
	struct flight *f = flight_start(op, FLIGHT_SHUTDOWN, file);

	f->flags = how;
	f->checksum = checksum(f);
}

/* The notifications of what was not copied come by themselves here, and soon. */
void io_reset(struct op *op, int file)
{
	io_shutdown(op, file, SHUT_RDWR);
}

/* --- receive buffers --------------------------------------------------------------------------- */

static char *buf_at(const struct machine_core *c, uint32_t buf)
{
	ASSERT(buf < c->buf_count);
	return c->buf_memory + (size_t)buf * IO_RECV_BUF_SIZE;
}

static void buf_return(struct machine_core *c, uint32_t buf)
{
	ASSERT(c->bufs_out > 0);
	c->bufs_free[c->buf_count - c->bufs_out--] = buf;
	POISON(buf_at(c, buf), IO_RECV_BUF_SIZE);
}

uint32_t io_buf_keep(struct op *op)
{
	struct machine_core *c = machine_self();

	ASSERT(op->has_buf && !c->buf_kept);
	c->buf_kept = true;
	return op->buf_id;
}

void io_buf_put(uint32_t buf)
{
	buf_return(machine_self(), buf);
}

size_t io_bufs_free(void)
{
	return machine_self()->buf_count - machine_self()->bufs_out;
}

void io_buf_wait(struct io_buf_waiter *waiter)
{
	list_push_back(&machine_self()->buf_waiters, &waiter->node);
}

void io_buf_wait_cancel(struct io_buf_waiter *waiter)
{
	list_remove(&waiter->node);
}

static void wake_buf_waiters(struct machine_core *c)
{
	for (size_t n = io_bufs_free(); n > 0 && !list_is_empty(&c->buf_waiters); n--) {
		struct io_buf_waiter *w = list_entry(list_pop_front(&c->buf_waiters), struct io_buf_waiter, node);

		w->fn(w);
	}
}

/* --- files ------------------------------------------------------------------------------------- */

void io_open(struct op *op, const char *path, int flags, unsigned mode)
{
	struct flight *f = flight_start(op, FLIGHT_OPEN, -1);

	(void)mode;
	f->path = path;
	f->flags = flags;
	f->checksum = checksum(f);
}

static struct flight *start_rw(struct op *op, enum flight_kind kind, int file, void *buf, size_t len, uint64_t offset)
{
	struct flight *f = flight_start(op, kind, file);

	ASSERT(file_at(machine_self(), file)->kind == FILE_INODE);
	ASSERT(len <= INT_MAX);
	f->buf = buf;
	f->len = len;
	f->offset = offset;
	f->checksum = checksum(f);
	return f;
}

void io_read(struct op *op, int file, void *buf, size_t len, uint64_t offset)
{
	(void)start_rw(op, FLIGHT_READ, file, buf, len, offset);
	POISON(buf, len);
}

void io_write(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	(void)start_rw(op, FLIGHT_WRITE, file, (void *)(uintptr_t)buf, len, offset);
}

void io_write_sync(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	start_rw(op, FLIGHT_WRITE, file, (void *)(uintptr_t)buf, len, offset)->sync = true;
}

static void start_plain(struct op *op, enum flight_kind kind, int file)
{
	struct flight *f = flight_start(op, kind, file);

	f->checksum = checksum(f);
}

void io_fdatasync(struct op *op, int file)
{
	start_plain(op, FLIGHT_FDATASYNC, file);
}

void io_fsync(struct op *op, int file)
{
	start_plain(op, FLIGHT_FSYNC, file);
}

void io_fallocate(struct op *op, int file, int mode, uint64_t offset, uint64_t len)
{
	struct flight *f = flight_start(op, FLIGHT_FALLOCATE, file);

	ASSERT(mode == 0);
	f->offset = offset;
	f->len = (size_t)len;
	f->checksum = checksum(f);
}

void io_rename(struct op *op, const char *old_path, const char *new_path)
{
	struct flight *f = flight_start(op, FLIGHT_RENAME, -1);

	f->path = old_path;
	f->path_new = new_path;
	f->checksum = checksum(f);
}

void io_unlink(struct op *op, const char *path)
{
	struct flight *f = flight_start(op, FLIGHT_UNLINK, -1);

	f->path = path;
	f->checksum = checksum(f);
}

/* Closing does not end operations (row URG-01): whoever has one left is wrong. */
void io_close(int file)
{
	struct machine_core *c = machine_self();
	struct machine_file *of = file_at(c, file);

	ASSERT(of->ops == 0);
	if (of->kind == FILE_SOCKET || of->kind == FILE_LISTENER)
		net_close(of);
	else
		disk_close(of);
	file_put(c, file);
}

void *io_arena_take(size_t size, size_t align)
{
	struct machine_core *c = machine_self();
	const size_t at = round_up(c->arena_used, align);

	if (at > c->arena_size || size > c->arena_size - at)
		return NULL;
	c->arena_used = at + size;
	return c->arena + at;
}

/* --- everything else --------------------------------------------------------------------------- */

void io_poll(struct op *op, int unix_fd, unsigned events)
{
	(void)op;
	(void)unix_fd;
	(void)events;
	UNREACHABLE();	/* no library with descriptors of its own is linked here */
}

/* What was quicker wins; of what has come in, chance decides (row URG-02). Files are not interrupted. */
static void cancel_flight(struct flight *f)
{
	switch (f->kind) {
	case FLIGHT_RECV:
	case FLIGHT_ACCEPT:
		f->cancelled = true;
		if (!f->ready || tape_below(2) != 0)
			f->res = -ECANCELED;
		make_ready(f);
		break;
	case FLIGHT_CONNECT:
	case FLIGHT_SEND:
		if (f->decided)
			break;
		if (f->kind == FLIGHT_CONNECT)
			net_cancel_connect(f);
		f->res = -ECANCELED;
		make_ready(f);
		break;
	default:
		break;
	}
}

void io_cancel(struct op *op)
{
	CHECK_MAGIC(op, OP_MAGIC);
	if (!op->in_kernel || op->cancel_asked)
		return;
	struct flight *f = &machine_self()->flights[op->slot];

	ASSERT(f->op == op);
	op->cancel_asked = true;
	if (f->submitted)	/* else it is found when it is looked at */
		cancel_flight(f);
}

void io_wake(unsigned core)
{
	machine_cores[core].awake = true;
}

/* --- completions ------------------------------------------------------------------------------- */

static void call(struct flight *f, int res, bool more)
{
	struct op *op = f->op;

	op->more = more;
	op->has_buf = false;
	op->data = (struct slice){ 0 };
	tape_trace((uint64_t)f->kind << 56 ^ (uint64_t)f->core << 48 ^ (uint64_t)(uint32_t)f->file << 32 ^
		   (uint32_t)res ^ sim_now() << 8);
	if (!more)
		flight_end(&machine_cores[f->core], f);
	op->fn(op, res);
}

static void end_accept(struct machine_core *c, struct flight *f)
{
	struct sim_conn *conn = f->res < 0 ? NULL : net_take_arrived(file_at(c, f->file));
	const bool again = f->ret_peer == NULL && !f->cancelled;

	if (conn == NULL && f->res >= 0 && !f->cancelled) {
		net_accept(f);		/* somebody else was quicker */
		return;
	}
	if (conn == NULL) {
		call(f, f->res < 0 ? f->res : -ECANCELED, false);
		return;
	}
	const int file = file_take(c, FILE_SOCKET);

	if (file >= 0)
		net_bind(conn, c->index, file, f->ret_peer);
	if (file >= 0 && again)
		net_accept(f);
	call(f, file, file >= 0 && again);
}

/* A piece that has arrived goes into a buffer; the receive stays armed unless the world wants otherwise. */
static void end_recv(struct machine_core *c, struct flight *f)
{
	struct machine_file *file = file_at(c, f->file);
	struct op *op = f->op;
	bool another = false;

	if (f->res >= 0 && !net_has_something(file) && !f->cancelled)
		return;
	if (f->fault == FAULT_IS_END) {
		call(f, 0, false);
		return;
	}
	if (f->res < 0 || !net_has_something(file)) {
		call(f, f->res < 0 ? f->res : -ECANCELED, false);
		return;
	}
	if (io_bufs_free() == 0 || fault_strikes(FAULT_NO_BUFFER)) {
		call(f, -ENOBUFS, false);
		return;
	}
	const uint32_t buf = c->bufs_free[c->buf_count - c->bufs_out - 1];
	char *at = buf_at(c, buf);

	UNPOISON(at, IO_RECV_BUF_SIZE);
	const int res = net_take(file, at, IO_RECV_BUF_SIZE, &another);

	if (res <= 0) {
		POISON(at, IO_RECV_BUF_SIZE);
		call(f, res, false);
		return;
	}
	POISON(at + round_up((size_t)res, 8), IO_RECV_BUF_SIZE - round_up((size_t)res, 8));
	c->bufs_out++;
	c->buf_kept = false;
	const bool more = !fault_strikes(FAULT_RECEIVE_ENDS);

	op->more = more;
	op->has_buf = true;
	op->buf_id = (uint16_t)buf;
	op->data = slice_of(at, (size_t)res);
	tape_trace((uint64_t)FLIGHT_RECV << 56 ^ mix(sim_now(), at, (size_t)res));
	if (f->cancelled)
		f->res = -ECANCELED;	/* this piece was quicker; no other is, though the peer talk for ever */
	if (!more)
		flight_end(c, f);
	else if (another || f->cancelled)
		make_ready(f);
	op->fn(op, res);
	if (!c->buf_kept)
		buf_return(c, buf);
}

/* Two callbacks: the result, then "buffer free". */
static void end_zero_copy(struct flight *f)
{
	if (f->notify || f->res < 0) {
		f->op->copied = fault_strikes(FAULT_COPIED);
		call(f, f->notify ? 0 : f->res, false);
		return;
	}
	f->notify = true;
	file_at(&machine_cores[f->core], f->file)->send = NULL;
	flight_ready_in(f, f->res, tape_range(1, NS_PER_MS));
	call(f, f->res, true);
}

static void complete(struct machine_core *c, struct flight *f)
{
	f->ready = false;
	if (f->kind == FLIGHT_ACCEPT)
		end_accept(c, f);
	else if (f->kind == FLIGHT_RECV)
		end_recv(c, f);
	else if (f->kind == FLIGHT_SEND && f->zero_copy)
		end_zero_copy(f);
	else
		call(f, f->res, false);
}

/* What is ready now, in an order of chance; what becomes ready meanwhile waits for the next turn. */
size_t io_run_completions(void)
{
	struct machine_core *c = machine_self();
	static struct flight *ready[MACHINE_FLIGHTS_MAX];
	const unsigned count = c->ready_count;

	memcpy(ready, c->ready, count * sizeof(struct flight *));
	c->ready_count = 0;
	for (unsigned left = count; left > 0; left--) {
		const unsigned pick = tape_below(left);
		struct flight *f = ready[pick];

		/* Harmless is the order in which they became ready. */
		memmove(&ready[pick], &ready[pick + 1], (left - pick - 1) * sizeof(struct flight *));
		complete(c, f);
	}
	if (!list_is_empty(&c->buf_waiters))
		wake_buf_waiters(c);
	return count;
}

bool io_has_completions(void)
{
	const struct machine_core *c = machine_self();

	return c->ready_count > 0 || (!list_is_empty(&c->buf_waiters) && c->bufs_out < c->buf_count);
}

int io_wait(uint64_t until_ns)
{
	(void)until_ns;
	UNREACHABLE();	/* the machine is what happens between two turns */
}
