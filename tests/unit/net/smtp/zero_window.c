/* zero_window.c - sends without copying on the kernel of this machine: 1,000 peers that do not read, and little memory
 * that may be locked (row URG-16)
 *
 * On loopback the kernel copies what it delivers, and says so; after that ours would not ask it again. Here that is
 * forgotten after each turn, and so is a refusal: each send that may is one. What a peer has no window for is not
 * delivered, and so its octets stay pinned for as long as the peer likes.
 *
 * Claims: what is pinned stays within its limits at every moment; nobody loses a connection; whoever reads gets each
 * octet; and when all of them are closed, all of that is over within seconds, though no peer has moved.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/test.h"

#include "core/clock.h"
#include "core/reactor.h"
#include "core/xcall.h"
#include "net/smtp/conn.h"

#define PEERS		1000u
#define PIECES		3u
#define PIECE_SIZE	KIB(48)
#define LIMIT		MIB(8)
#define QUIET_TURNS	50u
#define PATIENCE_NS	(20 * NS_PER_SEC)

struct peer {
	struct conn conn;
	unsigned sent;
	bool is_open, is_closed;
};

static struct reactor reactor;
static struct zero_copy zero_copy;
static struct peer peers[PEERS];
static unsigned peer_count, opened, lost, closed;
static bool was_refused;
static char *content;

/* The other side: most connections wait with a small window; the last one is accepted and read. */
static int deaf, listener, reading = -1;
static char got[PIECES * PIECE_SIZE];
static size_t got_len;

/* --- ours --------------------------------------------------------------------------------------------------------- */

static struct peer *peer_of(struct conn *c)
{
	return container_of(c, struct peer, conn);
}

static void on_open(struct conn *c, int err)
{
	assert_int_equal(err, 0);
	opened++;
	for (unsigned i = 0; i < PIECES; i++)
		conn_add(c, content + i * PIECE_SIZE, PIECE_SIZE, (uint8_t)BIT(i));
	conn_flush(c);
}

static void on_data(struct conn *c, struct slice data)
{
	(void)c;
	(void)data;
}

static void on_sent(struct conn *c, uint8_t tag)
{
	peer_of(c)->sent |= tag;
}

static void on_nothing(struct conn *c)
{
	(void)c;
}

static void on_lost(struct conn *c, int err)
{
	(void)c;
	(void)err;
	lost++;
}

static void on_closed(struct conn *c)
{
	struct peer *p = peer_of(c);

	assert_false(p->is_closed);
	p->is_closed = true;
	closed++;
}

static const struct conn_events events = {
	.on_open = on_open, .on_data = on_data, .on_sent = on_sent, .on_progress = on_nothing,
	.on_drained = on_nothing, .on_lost = on_lost, .on_closed = on_closed,
};

/* --- theirs ------------------------------------------------------------------------------------------------------- */

static struct addr listen_at(int *ret_fd, int buffer)
{
	struct addr at = { .in = { .sin_family = AF_INET }, .len = sizeof(at.in) };
	socklen_t len = sizeof(at.in);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	if (buffer > 0)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof(buffer)), 0);
	assert_int_equal(bind(fd, &at.sa, at.len), 0);
	assert_int_equal(listen(fd, (int)PEERS), 0);
	assert_int_equal(getsockname(fd, &at.sa, &len), 0);
	*ret_fd = fd;
	return at;
}

static void read_one(void)
{
	if (reading < 0)
		reading = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	const ssize_t n = reading < 0 ? -1 : read(reading, got + got_len, sizeof(got) - got_len);

	got_len += n > 0 ? (size_t)n : 0;
}

/* --- the world ---------------------------------------------------------------------------------------------------- */

static void drop_ipc_lock(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	assert_int_equal(syscall(SYS_capget, &head, caps), 0);
	caps[0].effective &= ~BIT(CAP_IPC_LOCK);
	caps[0].permitted &= ~BIT(CAP_IPC_LOCK);
	assert_int_equal(syscall(SYS_capset, &head, caps), 0);
}

/* One end of each connection is an ordinary descriptor. */
static void allow_files(void)
{
	struct rlimit files;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
	files.rlim_cur = files.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
}

static size_t pinned_by_one(void)
{
	size_t most = 0;

	for (unsigned i = 0; i < ZERO_COPY_PEERS; i++)
		most = MAX(most, zero_copy.peers[i].pinned);
	return most;
}

/* Whatever it has heard, it asks the kernel again. */
static void force(void)
{
	was_refused |= zero_copy.refused_until_ns > 0;
	zero_copy.refused_until_ns = 0;
	for (unsigned i = 0; i < ZERO_COPY_PEERS; i++)
		zero_copy.peers[i].word = ZERO_COPY_WORKS;
}

static void turn(void)
{
	assert_int_equal(reactor_turn(&reactor, reactor_now() + NS_PER_MS), 0);
	assert_true(zero_copy.pinned <= LIMIT);
	assert_true(pinned_by_one() <= LIMIT / ZERO_COPY_PEER_SHARE);
	force();
	read_one();
}

static uint64_t octets_sent(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < peer_count; i++)
		sum += peers[i].conn.octets_sent;
	return sum;
}

static void begin(unsigned count, bool apart, bool registers)
{
	const struct io_conf io = { .files_max = 2 * PEERS, .arena_size = KIB(256), .recv_bufs = 64 };
	struct addr remote = listen_at(&deaf, 1);

	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	content = registers ? io_arena_take(sizeof(got), KIB(4)) : malloc(sizeof(got));
	assert_non_null(content);
	for (size_t i = 0; i < sizeof(got); i++)
		content[i] = (char)('a' + i / 7 % 26);
	zero_copy_init(&zero_copy, KIB(4), LIMIT);
	force();
	peer_count = count;
	for (unsigned i = 0; i + 1 < count; i++) {
		const uint32_t host = apart ? (1 + i / 250) << 8 | (1 + i % 250) : 2;

		remote.in.sin_addr.s_addr = htonl(UINT32_C(0x7f000000) | host);
		conn_open(&peers[i].conn, &events, &remote, NULL, &zero_copy);
	}
	remote = listen_at(&listener, 0);
	remote.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	conn_open(&peers[count - 1].conn, &events, &remote, NULL, &zero_copy);
}

static void run_until_quiet(void)
{
	const uint64_t end_ns = clock_mono_ns() + PATIENCE_NS;
	uint64_t before = 0;

	for (unsigned quiet = 0; quiet < QUIET_TURNS; quiet++) {
		turn();
		if (opened < peer_count || octets_sent() > before || got_len < sizeof(got))
			quiet = 0;
		before = octets_sent();
		assert_true(clock_mono_ns() < end_ns);
	}
	assert_int_equal(lost, 0);
	assert_int_equal(got_len, sizeof(got));
	assert_memory_equal(got, content, sizeof(got));
	assert_int_equal(peers[peer_count - 1].sent, BIT(PIECES) - 1);
}

static void close_all(void)
{
	const uint64_t end_ns = clock_mono_ns() + PATIENCE_NS;

	for (unsigned i = 0; i < peer_count; i++)
		conn_close(&peers[i].conn);
	while (closed < peer_count) {
		turn();
		assert_true(clock_mono_ns() < end_ns);
	}
	assert_int_equal(zero_copy.pinned, 0);
	assert_int_equal(pinned_by_one(), 0);
	reactor_close(&reactor);
	xcall_stop();
}

/* --- claims ------------------------------------------------------------------------------------------------------- */

struct scene {
	unsigned peers;
	bool apart;		/* each has an address of its own */
	bool registers;		/* the content lies in registered memory */
	rlim_t memlock;		/* once all is set up; RLIM_INFINITY: whatever there is */
	bool is_refused;
	size_t pinned_min;	/* when nothing moves any more */
};

static void play(const struct scene *s)
{
	allow_files();
	if (s->memlock != RLIM_INFINITY)
		drop_ipc_lock();
	begin(s->peers, s->apart, s->registers);
	/* A ring counts as locked memory, too: with so little there would be none (row OSR-04). */
	if (s->memlock != RLIM_INFINITY)
		assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &(struct rlimit){ s->memlock, s->memlock }), 0);
	run_until_quiet();
	if (zero_copy.pinned < s->pinned_min || was_refused != s->is_refused)
		fail_msg("%zu octets are pinned, %srefused", zero_copy.pinned, was_refused ? "" : "not ");
	close_all();
}

/* A process each: limits do not come back. */
static void in_a_process(const struct scene *s)
{
	int status = 0;
	const pid_t child = fork();

	if (child == 0) {
		play(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void what_a_thousand_pin_is_bounded(void **state)
{
	(void)state;
	in_a_process(&(struct scene){ PEERS, true, true, RLIM_INFINITY, false, LIMIT / 2 });
	in_a_process(&(struct scene){ PEERS, true, false, RLIM_INFINITY, false, LIMIT / 2 });
}

static void what_one_address_pins_is_bounded(void **state)
{
	(void)state;
	in_a_process(&(struct scene){ 100, false, true, RLIM_INFINITY, false, LIMIT / ZERO_COPY_PEER_SHARE / 2 });
}

/* Registered memory was counted when it was registered. */
static void little_memory_to_lock_means_copies(void **state)
{
	(void)state;
	in_a_process(&(struct scene){ PEERS, true, false, 0, true, 0 });
	in_a_process(&(struct scene){ PEERS, true, false, KIB(64), true, 0 });
	in_a_process(&(struct scene){ PEERS, true, true, 0, false, LIMIT / 2 });
	in_a_process(&(struct scene){ PEERS, true, true, KIB(64), false, LIMIT / 2 });
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("URG-16: what 1,000 peers with no window pin is bounded, and over when they are closed",
		      what_a_thousand_pin_is_bounded),
		CLAIM("URG-16: so is what one of them pins", what_one_address_pins_is_bounded),
		CLAIM("URG-16: with RLIMIT_MEMLOCK 0 and 64 KiB, copies are sent, and nobody notices",
		      little_memory_to_lock_means_copies),
	};

	return cmocka_run_group_tests_name("smtp/zero window", claims, NULL, NULL);
}
