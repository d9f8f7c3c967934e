/* io_uring_setup.c - one core's ring: made, restricted to what it is for, and taken down */
#include "core/io.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "core/io_uring_impl.h"

#define ARENA_MAX ((size_t)1 << 30)	/* the kernel's bound for one registered buffer */

/* Every operation by name: what the ring is restricted to, and what io_probe asks the kernel for (rows URG-28,
 * URG-32). */
static const uint8_t opcodes[] = {
	IORING_OP_CONNECT,  IORING_OP_ACCEPT,      IORING_OP_RECV,     IORING_OP_SEND,         IORING_OP_SENDMSG,
	IORING_OP_SEND_ZC,  IORING_OP_SHUTDOWN,    IORING_OP_OPENAT,   IORING_OP_READ,         IORING_OP_READ_FIXED,
	IORING_OP_WRITE,    IORING_OP_WRITE_FIXED, IORING_OP_FSYNC,    IORING_OP_FALLOCATE,    IORING_OP_RENAMEAT,
	IORING_OP_UNLINKAT, IORING_OP_CLOSE,       IORING_OP_POLL_ADD, IORING_OP_ASYNC_CANCEL, IORING_OP_MSG_RING,
};

/* Beyond our floor: with all of them, opening a connection takes no system call of its own. */
static const uint8_t opcodes_extra[] = { IORING_OP_SOCKET, IORING_OP_URING_CMD, IORING_OP_BIND };

#define SQE_FLAGS_USED (IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS | IOSQE_IO_LINK | \
			IOSQE_IO_HARDLINK)

static int ring_open(struct io_uring *ring, unsigned sq_entries, unsigned cq_entries)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_COOP_TASKRUN |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
		.cq_entries = cq_entries,
	};

	return io_uring_queue_init_params(sq_entries, ring, &params);
}

static bool all_supported(struct io_uring *ring, const uint8_t *ops, size_t count)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	bool all = probe != NULL;

	for (size_t i = 0; all && i < count; i++)
		all = io_uring_opcode_supported(probe, ops[i]);
	io_uring_free_probe(probe);
	return all;
}

static int ring_restrict(struct io_uring *ring, bool extra)
{
	struct io_uring_restriction rules[ARRAY_LEN(opcodes) + ARRAY_LEN(opcodes_extra) + 3];
	unsigned n = 0;

	memset(rules, 0, sizeof(rules));
	for (size_t i = 0; i < ARRAY_LEN(opcodes); i++) {
		rules[n].opcode = IORING_RESTRICTION_SQE_OP;
		rules[n++].sqe_op = opcodes[i];
	}
	for (size_t i = 0; extra && i < ARRAY_LEN(opcodes_extra); i++) {
		rules[n].opcode = IORING_RESTRICTION_SQE_OP;
		rules[n++].sqe_op = opcodes_extra[i];
	}
	rules[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[n++].sqe_flags = SQE_FLAGS_USED;
	rules[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	rules[n++].register_op = IORING_REGISTER_FILES_UPDATE;
	rules[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	rules[n++].register_op = IORING_UNREGISTER_RING_FDS;
	ASSERT(n <= ARRAY_LEN(rules));
	return io_uring_register_restrictions(ring, rules, n);
}

#if IO_URING_CHECK_VERSION(2, 9)
#error "liburing 2.9 or newer is needed (row URG-29)"
#endif

int io_probe(void)
{
	struct io_uring ring;

	/* What the headers write inline, an older library does not understand. */
	if (io_uring_check_version(IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR))
		return -ELIBBAD;
	int r = ring_open(&ring, 8, 16);

	if (r < 0)
		return r;
	r = all_supported(&ring, opcodes, ARRAY_LEN(opcodes)) ? 0 : -EOPNOTSUPP;
	io_uring_queue_exit(&ring);
	return r;
}

struct library io_library(void)
{
	static char built[24], linked[24];

	(void)snprintf(built, sizeof(built), "%d.%d", IO_URING_VERSION_MAJOR, IO_URING_VERSION_MINOR);
	(void)snprintf(linked, sizeof(linked), "%d.%d", io_uring_major_version(), io_uring_minor_version());
	return (struct library){ .name = "liburing", .built = built, .linked = linked };
}

struct library io_kernel(void)
{
	static struct utsname name;

	return (struct library){ .name = "Linux", .built = "", .linked = uname(&name) == 0 ? name.release : "" };
}

void io_describe_kernel(struct str *out)
{
	struct io_uring ring;

	if (ring_open(&ring, 8, 16) < 0)
		return;
	str_printf(out, "the ring is restricted to %zu operations, %s; sockets are %s", ARRAY_LEN(opcodes),
		   all_supported(&ring, opcodes, ARRAY_LEN(opcodes)) ? "all there" : "not all there",
		   all_supported(&ring, opcodes_extra, ARRAY_LEN(opcodes_extra)) ? "opened in the ring" :
		   "opened beside the ring");
	io_uring_queue_exit(&ring);
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
	io->buf_ring = io_uring_setup_buf_ring(&io->ring, count, IO_BUF_GROUP, 0, &r);
	if (io->buf_ring == NULL)
		return r;
	io->bufs_out = count;
	for (uint32_t i = 0; i < count; i++)
		io_buf_return(io, i);
	io_bufs_publish(io);
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
	io->async_sockets = !conf->plain_sockets && all_supported(&io->ring, opcodes_extra, ARRAY_LEN(opcodes_extra));
	if (r >= 0)
		r = ring_restrict(&io->ring, io->async_sockets);
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
	ASSERT(io_self == NULL);
	ASSERT(conf->core < CORE_COUNT_MAX);
	struct io *io = calloc(1, sizeof(*io));

	if (io == NULL)
		return -ENOMEM;
	io->core = conf->core;
	list_init(&io->local);
	list_init(&io->buf_waiters);
	int r = -ENOMEM;

	/* Recent kernels count the rings, too, as locked memory: better a small one than none (row OSR-04). */
	for (unsigned n = IO_SQ_ENTRIES; r == -ENOMEM && n >= IO_SQ_ENTRIES_LEAST; n /= 2)
		r = ring_open(&io->ring, n, IO_CQ_ENTRIES / IO_SQ_ENTRIES * n);
	if (r < 0) {
		free(io);
		return r;
	}
	io_self = io;
	io->ring_fd = io->ring.ring_fd;
	io_ring_fds[conf->core] = io->ring_fd;
	r = open_ring_parts(io, conf);
	if (r < 0)
		io_close_core();
	return r;
}

void io_close_core(void)
{
	struct io *io = io_self;

	io_uring_queue_exit(&io->ring);	/* ends everything that is still in the kernel */
	if (io->arena != NULL)
		munmap(io->arena, io->arena_size);
	if (io->buf_memory != NULL)
		munmap(io->buf_memory, io->buf_count * IO_RECV_BUF_SIZE);
	free(io->own_free);
	free(io->slots);
	free(io);
	io_self = NULL;
}

unsigned io_files_max(void)
{
	return io_self->files_max;
}
