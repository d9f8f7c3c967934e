#include "tests/unit/core/fake_ring_impl.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "core/check.h"
#include "core/clock.h"
#include "core/crc.h"

#define STALLS_MAX	100000u
#define LENT_OCTET	0xe5	/* what memory in the kernel's hands is full of */

struct fake fake;

struct fake_kernel k;

struct io_uring_sqe fake_sqes[SQ_MAX];
struct io_uring_cqe fake_cqes[CQ_MAX];
static struct io_uring_cqe todo[CQ_MAX];	/* finished, but nobody has asked for events (row URG-10) */

/* --- chance and time -------------------------------------------------------------------------- */

static uint32_t seeded_chance(uint32_t n)
{
	k.seed = k.seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(k.seed >> 33) % n;
}

static uint32_t taped_chance(uint32_t n)
{
	uint32_t value = 0;

	/* At the tape's end the world heals, and everything must come to its end. */
	if (k.tape_left == 0) {
		fake.calm = true;
		return seeded_chance(n);
	}
	for (unsigned i = 0; i < (n > 256 ? 2u : 1u) && k.tape_left > 0; i++, k.tape_left--)
		value = value << 8 | *k.tape++;
	return value % n;
}

static bool one_in(uint32_t n)
{
	return !fake.calm && fake.chance(n) == 0;
}

uint64_t clock_mono_ns(void)
{
	return fake.clock_ns;
}

uint64_t clock_boot_ns(void)
{
	return fake.clock_ns + fake.suspended_ns;
}

uint64_t clock_wall_ns(void)
{
	return fake.clock_ns + fake.suspended_ns;
}

void fake_reset(uint64_t seed)
{
	memset(&fake, 0, sizeof(fake));
	memset(&k, 0, sizeof(k));
	k.seed = seed * 2 + 1;
	fake.chance = seeded_chance;
	fake.clock_ns = NS_PER_SEC;
	fake.stream_size = 2000;
}

void fake_chance_from(const uint8_t *octets, size_t len)
{
	k.tape = octets;
	k.tape_left = len;
	fake.chance = taped_chance;
}

/* --- memory that is lent (row URG-31) -------------------------------------------------------- */

static void lend(void *memory, size_t len)
{
	memset(memory, LENT_OCTET, len);
	POISON(memory, len);
}

static void take_back(void *memory, size_t len)
{
	const uint8_t *at = memory;

	UNPOISON(memory, len);
	for (size_t i = 0; i < len; i++)
		ASSERT(at[i] == LENT_OCTET);	/* it was the kernel's, and somebody wrote there */
}

/* --- completions ------------------------------------------------------------------------------ */

static void post(uint64_t user_data, int res, unsigned flags)
{
	ASSERT(k.todo_count < CQ_MAX);
	todo[(k.todo_first + k.todo_count++) % CQ_MAX] = (struct io_uring_cqe){
		.user_data = user_data, .res = res, .flags = flags,
	};
}

/* What an enter with GETEVENTS does: as many as there is room for; the rest waits on the side (row URG-09). */
static unsigned get_events(void)
{
	unsigned n = 0, limit = fake.batch != 0 ? fake.batch : UINT32_MAX;

	while (k.todo_count > 0 && n < limit) {
		if (k.cq_tail - k.cq_head == fake.cq_entries) {
			fake.overflows++;
			break;
		}
		fake_cqes[k.cq_tail++ & (fake.cq_entries - 1)] = todo[k.todo_first];
		k.todo_first = (k.todo_first + 1) % CQ_MAX;
		k.todo_count--;
		n++;
	}
	k.sq_flags = k.todo_count > 0 ? IORING_SQ_CQ_OVERFLOW : 0;
	return n;
}

static struct fake_file *file_of(const struct fake_op *op)
{
	if (!(op->sqe.flags & IOSQE_FIXED_FILE))
		return NULL;
	ASSERT(op->sqe.fd >= 0 && (unsigned)op->sqe.fd < k.files_max);
	return &fake.files[op->sqe.fd];
}

static bool is_receive(const struct fake_op *op)
{
	return op->sqe.opcode == IORING_OP_RECV;
}

static bool is_send(const struct fake_op *op)
{
	return op->sqe.opcode == IORING_OP_SEND || op->sqe.opcode == IORING_OP_SENDMSG ||
	       op->sqe.opcode == IORING_OP_SEND_ZC;
}

static void op_over(struct fake_op *op)
{
	struct fake_file *file = file_of(op);

	op->used = false;
	if (fake_is_read(&op->sqe))
		take_back((void *)(uintptr_t)op->sqe.addr, op->sqe.len);
	if (file == NULL)
		return;
	ASSERT(file->in_flight > 0);
	file->in_flight--;
	if (is_receive(op))
		file->receiving = false;
	if (is_send(op) && !op->zc_done)
		file->sending = false;
}

/* The result of a send that is not copied: the next one may come, but its octets are still ours. */
static void op_answered(struct fake_op *op)
{
	op->zc_done = true;
	file_of(op)->sending = false;
}

/* A step of a chain that failed takes the rest with it, hard links or not: silently, if it was to be silent about
 * success (io_fail_links of Linux 6.1). */
static void end_chain(struct fake_op *op, int res)
{
	bool silent = op->sqe.flags & IOSQE_CQE_SKIP_SUCCESS;

	if (op->next == NULL)
		return;
	op->next->waits = false;
	if (res >= 0 || (op->sqe.flags & IOSQE_IO_HARDLINK))
		return;
	for (struct fake_op *next = op->next; next != NULL; next = next->next) {
		silent |= (next->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) != 0;
		if (!silent)
			post(next->sqe.user_data, -ECANCELED, 0);
		op_over(next);
	}
}

void fake_finish(struct fake_op *op, int res, unsigned flags)
{
	ASSERT(op->used && !op->waits);
	struct fake_op copy = *op;

	if (!(flags & IORING_CQE_F_MORE))
		op_over(op);
	else if (op->sqe.opcode == IORING_OP_SEND_ZC)
		op_answered(op);
	if (res < 0 || !(copy.sqe.flags & IOSQE_CQE_SKIP_SUCCESS))
		post(copy.sqe.user_data, res, flags);
	if (!(flags & IORING_CQE_F_MORE))
		end_chain(&copy, res);
}

unsigned fake_in_flight(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_OPS; i++)
		n += fake.ops[i].used;
	return n;
}

struct fake_op *fake_find(unsigned opcode, int file)
{
	for (unsigned i = 0; i < FAKE_OPS; i++) {
		struct fake_op *op = &fake.ops[i];

		if (op->used && !op->waits && op->sqe.opcode == opcode && (file < 0 || op->sqe.fd == file))
			return op;
	}
	return NULL;
}

/* --- receive buffers -------------------------------------------------------------------------- */

/* Those that have been given back since we looked last. */
static void lend_bufs(void)
{
	for (; k.bufs != NULL && k.buf_seen != k.bufs->tail; k.buf_seen++) {
		const struct io_uring_buf *buf = &k.bufs->bufs[k.buf_seen & (k.buf_count - 1)];

		lend((void *)(uintptr_t)buf->addr, buf->len);
	}
}

unsigned fake_bufs_free(void)
{
	return (uint16_t)(k.bufs->tail - k.buf_head);
}

unsigned fake_fill_buf(const char *octets, size_t len)
{
	if (fake_bufs_free() == 0) {
		fake.nobufs++;
		return 0;
	}
	lend_bufs();
	struct io_uring_buf *buf = &k.bufs->bufs[k.buf_head++ & (k.buf_count - 1)];

	ASSERT(buf->bid < k.buf_count);
	ASSERT(fake_bufs_free() < k.buf_count);	/* more than there are: one was given back twice */
	ASSERT(len <= buf->len);
	take_back((void *)(uintptr_t)buf->addr, buf->len);
	memcpy((void *)(uintptr_t)buf->addr, octets, len);
	return IORING_CQE_F_BUFFER | (unsigned)buf->bid << IORING_CQE_BUFFER_SHIFT;
}

/* --- what operations do by themselves --------------------------------------------------------- */

static size_t gather(const struct fake_op *op, char *out, size_t cap)
{
	const struct msghdr *msg = (const void *)(uintptr_t)op->sqe.addr;
	size_t len = 0;

	if (op->sqe.opcode != IORING_OP_SENDMSG) {
		len = op->sqe.len;
		ASSERT(len <= cap);
		memcpy(out, (const void *)(uintptr_t)op->sqe.addr, len);
		return len;
	}
	for (size_t i = 0; i < msg->msg_iovlen; i++) {
		ASSERT(len + msg->msg_iov[i].iov_len <= cap);
		memcpy(out + len, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		len += msg->msg_iov[i].iov_len;
	}
	return len;
}

static uint32_t sum_of(const struct fake_op *op)
{
	static char octets[KIB(64)];

	return crc32c(0, octets, gather(op, octets, sizeof(octets)));
}

static int some_error(void)
{
	static const int errs[] = { ECONNRESET, ETIMEDOUT, EPIPE, ENOBUFS };

	return -errs[fake.chance(ARRAY_LEN(errs))];
}

static void work_send(struct fake_op *op)
{
	static char octets[KIB(64)];
	struct fake_file *file = file_of(op);
	bool zero_copy = op->sqe.opcode == IORING_OP_SEND_ZC;

	ASSERT(sum_of(op) == op->sum);	/* row URG-04: whoever asked has changed it meanwhile */
	if (op->zc_done) {
		fake_finish(op, (int)(one_in(2) ? IORING_NOTIF_USAGE_ZC_COPIED : 0), IORING_CQE_F_NOTIF);
		return;
	}
	size_t len = gather(op, octets, sizeof(octets));
	int res = file->shut ? -EPIPE : (int)len;

	if (res > 0 && !fake.calm)
		res = one_in(40) ? some_error() : 1 + (int)fake.chance((uint32_t)len);
	for (int i = 0; i < res; i++)
		fake.mixed += octets[i] != fake_octet(file->identity, file->sent++, false);
	/* That a notification comes is what F_MORE says, not the result (row URG-15). */
	fake_finish(op, res, zero_copy && (res > 0 || one_in(2)) ? IORING_CQE_F_MORE : 0);
}

static void work_receive(struct fake_op *op)
{
	char octets[512];
	struct fake_file *file = file_of(op);
	uint64_t left = file->receive_end - file->received;
	size_t len = (size_t)min_u64(left, 1 + fake.chance(sizeof(octets) - 1));

	if (file->shut || len == 0) {
		/* A buffer may be spent on nothing (row URG-07). */
		fake_finish(op, 0, one_in(4) ? fake_fill_buf("", 0) : 0);
		return;
	}
	if (one_in(60)) {
		fake_finish(op, some_error(), one_in(2) ? fake_fill_buf("", 0) : 0);
		return;
	}
	for (size_t i = 0; i < len; i++)
		octets[i] = fake_octet(file->identity, file->received + i, true);
	unsigned flags = fake_fill_buf(octets, len);

	if (flags == 0) {
		fake_finish(op, -ENOBUFS, 0);
		return;
	}
	file->received += len;
	if (one_in(8))
		fake.mores_dropped++;
	else
		flags |= IORING_CQE_F_MORE;
	fake_finish(op, (int)len, flags);
}

static void work_socket(struct fake_op *op)
{
	unsigned file = op->sqe.file_index - 1;

	ASSERT(op->sqe.file_index != 0 && file < k.files_max);
	ASSERT(!(op->sqe.off & SOCK_NONBLOCK));		/* row URG-20 */
	if (one_in(50)) {
		fake_finish(op, -EMFILE, 0);
		return;
	}
	ASSERT(!fake.files[file].open);
	/* The rest of the chain counts as in flight already. */
	unsigned in_flight = fake.files[file].in_flight;

	fake.files[file] = (struct fake_file){ .open = true, .is_socket = true, .in_flight = in_flight };
	fake_finish(op, 0, 0);
}

static void work_connect(struct fake_op *op)
{
	const struct sockaddr_in *to = (const void *)(uintptr_t)op->sqe.addr;
	struct fake_file *file = file_of(op);

	if (!file->open) {
		fake_finish(op, -EBADF, 0);
		return;
	}
	if (to->sin_family == AF_UNSPEC) {	/* to nobody: the connection is dissolved */
		file->shut = true;
		fake_finish(op, 0, 0);
		return;
	}
	op->stuck = one_in(10);
	if (op->stuck)
		return;
	if (one_in(20)) {
		fake_finish(op, -ECONNREFUSED, 0);
		return;
	}
	file->connected = true;
	file->identity = ntohs(to->sin_port);
	file->receive_end = fake.stream_size;
	fake_finish(op, 0, 0);
}

static void work_close(struct fake_op *op)
{
	struct fake_file *file = &fake.files[op->sqe.file_index - 1];

	ASSERT(file->in_flight == 0);
	file->open = file->closing = false;
	fake_finish(op, 0, 0);
}

static struct fake_op *target_of(const struct fake_op *cancel)
{
	for (unsigned i = 0; i < FAKE_OPS; i++) {
		struct fake_op *op = &fake.ops[i];

		if (op->used && op != cancel && op->sqe.user_data == cancel->sqe.addr &&
		    op->sqe.opcode != IORING_OP_URING_CMD)
			return op;
	}
	return NULL;
}

/* A race that either side may win (row URG-02). */
static void work_cancel(struct fake_op *op)
{
	struct fake_op *target = target_of(op);

	if (target == NULL || target->waits || target->zc_done) {
		fake_finish(op, -ENOENT, 0);
		return;
	}
	if (one_in(3) && !is_receive(target) && target->sqe.opcode != IORING_OP_CONNECT) {
		fake.cancels_late++;
		fake_finish(op, -EALREADY, 0);
		return;
	}
	if (one_in(2)) {
		fake_finish(op, 0, 0);
		fake_finish(target, -ECANCELED, 0);
		return;
	}
	fake_finish(target, -ECANCELED, 0);
	fake_finish(op, 0, 0);
}

static void work_on(struct fake_op *op)
{
	switch (op->sqe.opcode) {
	case IORING_OP_SOCKET:
		work_socket(op);
		break;
	case IORING_OP_CONNECT:
		work_connect(op);
		break;
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
	case IORING_OP_SEND_ZC:
		work_send(op);
		break;
	case IORING_OP_RECV:
		work_receive(op);
		break;
	case IORING_OP_SHUTDOWN:
		file_of(op)->shut = true;
		fake_finish(op, 0, 0);
		break;
	case IORING_OP_CLOSE:
		work_close(op);
		break;
	case IORING_OP_ASYNC_CANCEL:
		work_cancel(op);
		break;
	default:
		fake_finish(op, one_in(30) ? -EIO : 0, 0);
	}
}

bool fake_work(void)
{
	unsigned from = fake.chance(FAKE_OPS);

	for (unsigned i = 0; i < FAKE_OPS; i++) {
		struct fake_op *op = &fake.ops[(from + i) % FAKE_OPS];

		if (op->used && !op->waits && (!op->stuck || fake.calm)) {
			work_on(op);
			return true;
		}
	}
	return false;
}

/* --- submission ------------------------------------------------------------------------------- */

static bool is_allowed(const struct io_uring_sqe *sqe)
{
	bool op = false, flags = false;

	for (unsigned i = 0; i < k.rule_count; i++) {
		const struct io_uring_restriction *rule = &k.rules[i];

		op |= rule->opcode == IORING_RESTRICTION_SQE_OP && rule->sqe_op == sqe->opcode;
		flags |= rule->opcode == IORING_RESTRICTION_SQE_FLAGS_ALLOWED && !(sqe->flags & ~rule->sqe_flags);
	}
	return op && flags;
}

static struct fake_op *op_take(const struct io_uring_sqe *sqe)
{
	for (unsigned i = 0; i < FAKE_OPS; i++) {
		if (fake.ops[i].used)
			continue;
		fake.ops[i] = (struct fake_op){ .used = true, .sqe = *sqe };
		return &fake.ops[i];
	}
	UNREACHABLE();
}

static void check_rules(struct fake_op *op)
{
	struct fake_file *file = file_of(op);

	ASSERT(is_allowed(&op->sqe));	/* row URG-32 */
	/* Bundles and incremental buffers are what we never ask for (row URG-08). */
	ASSERT(!((is_receive(op) || is_send(op)) && (op->sqe.ioprio & IORING_RECVSEND_BUNDLE)));
	if (fake_is_read(&op->sqe))
		lend((void *)(uintptr_t)op->sqe.addr, op->sqe.len);
	if (op->sqe.opcode == IORING_OP_CLOSE) {
		ASSERT(fake.files[op->sqe.file_index - 1].in_flight == 0);	/* row URG-01 */
		fake.files[op->sqe.file_index - 1].closing = true;
	}
	if (file == NULL)
		return;
	ASSERT(!file->closing);
	file->in_flight++;
	if (is_receive(op)) {
		ASSERT(!file->receiving);	/* row URG-14 */
		file->receiving = true;
	}
	if (is_send(op)) {
		ASSERT(!file->sending);
		file->sending = true;
		op->sum = sum_of(op);
	}
}

/* Links hold within one submit only (row URG-03). */
static unsigned submit(unsigned count)
{
	struct fake_op *last = NULL;

	for (unsigned i = 0; i < count; i++) {
		const struct io_uring_sqe *sqe = &fake_sqes[k.sq_head++ & (fake.sq_entries - 1)];
		struct fake_op *op = op_take(sqe);

		check_rules(op);
		if (last != NULL) {
			last->next = op;
			op->waits = true;
		}
		last = sqe->flags & (IOSQE_IO_LINK | IOSQE_IO_HARDLINK) ? op : NULL;
	}
	ASSERT(last == NULL);	/* a chain that goes on in the next submit is no chain */
	return count;
}

static int chance_of_error(bool submitting)
{
	static const int errs[] = { -EINTR, -EAGAIN, -EBUSY };

	if (fake.enter_err != 0) {
		int err = fake.enter_err;

		fake.enter_err = 0;
		return err;
	}
	if (fake.calm || fake.chance(100) >= fake.enter_err_percent)
		return 0;
	int err = errs[fake.chance(ARRAY_LEN(errs))];

	return err == -EBUSY && !submitting ? -EINTR : err;
}

static int enter(struct io_uring *ring, bool submitting, unsigned wait, const struct __kernel_timespec *timeout)
{
	unsigned queued = submitting ? ring->sq.sqe_tail - k.sq_head : 0;
	int err = chance_of_error(queued > 0);

	fake.entered++;
	ASSERT(fake.enabled);
	lend_bufs();
	if (err < 0)
		return err;
	int done = (int)submit(queued);

	k.sq_tail = k.sq_head;
	for (unsigned n = fake.manual ? 0 : fake.chance(12); n > 0 && fake_work(); n--)
		;
	(void)get_events();
	for (unsigned n = 0; k.cq_tail - k.cq_head < wait; n++) {
		ASSERT(n < STALLS_MAX);
		bool something = k.todo_count > 0 || (!fake.manual && fake_work());

		if (timeout != NULL && (!something || one_in(4))) {
			fake.clock_ns += (uint64_t)timeout->tv_sec * NS_PER_SEC + (uint64_t)timeout->tv_nsec;
			return -ETIME;
		}
		ASSERT(something);	/* asleep, and nothing that could wake us: somebody lost a wake-up */
		fake.clock_ns += NS_PER_MS;
		(void)get_events();
	}
	return done;
}

int io_uring_submit(struct io_uring *ring)
{
	unsigned queued = ring->sq.sqe_tail - k.sq_head;
	int err = chance_of_error(true);

	fake.entered++;
	if (err < 0)
		return err;
	ASSERT(fake.enabled);
	k.sq_tail = k.sq_head + queued;
	return (int)submit(queued);	/* without GETEVENTS nothing becomes visible (row URG-10) */
}

int io_uring_submit_and_get_events(struct io_uring *ring)
{
	return enter(ring, true, 0, NULL);
}

int io_uring_get_events(struct io_uring *ring)
{
	return enter(ring, false, 0, NULL);
}

int io_uring_submit_and_wait(struct io_uring *ring, unsigned wait_nr)
{
	return enter(ring, true, wait_nr, NULL);
}

int io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned wait_nr,
				     struct __kernel_timespec *ts, sigset_t *sigmask)
{
	(void)sigmask;
	*cqe_ptr = NULL;
	return enter(ring, true, wait_nr, ts);
}

int __io_uring_get_cqe(struct io_uring *ring, struct io_uring_cqe **cqe_ptr, unsigned to_submit, unsigned wait_nr,
		       sigset_t *sigmask)
{
	(void)sigmask;
	ASSERT(to_submit == 0 && wait_nr == 0);
	if (k.sq_flags & IORING_SQ_CQ_OVERFLOW)
		(void)get_events();
	if (k.cq_tail == k.cq_head)
		return -EAGAIN;
	*cqe_ptr = &ring->cq.cqes[k.cq_head & ring->cq.ring_mask];
	return 0;
}
