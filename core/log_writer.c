#include "core/log_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/err.h"

#define BATCH_SIZE KIB(256)
#define PIPE_ROOM 4096u		/* what a pipe that polls as writable takes without blocking: PIPE_BUF */

static_assert(BATCH_SIZE >= 2 * LOG_LINE_MAX, "a batch holds at least the lines-lost line and one more");

_Atomic int log_writer_state;

/* Set by anybody, before a kick. */
static _Atomic bool reopen_asked;
static _Atomic bool stop_asked;
static _Atomic uint64_t stop_at_ns;

static _Atomic uint64_t dropped;

/* Everything below belongs to the writer's thread between start and stop. */
static struct {
	pthread_t thread;
	int kick_fd;			/* opened once and never closed: a producer may be late */
	enum log_sink kind;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char before_tag[80];		/* " host " after the stamp, or " " for syslog, which knows the host */
	char tag[64];
	unsigned pid;
	int facility;			/* times 8 */

	int fd;				/* -1: none */
	bool nonblocking;		/* write() returns -EAGAIN by itself; else ask poll, and write little */
	int error;			/* the last write's, or 0 */

	char batch[BATCH_SIZE];		/* whole lines; only the first may have begun to leave */
	size_t batch_start;
	size_t batch_end;

	time_t stamp_second;		/* what stamp says; local time is computed once per second */
	char stamp[80];

	uint64_t last_line_ns;
	uint64_t lost_told;
	uint64_t lost_told_at_ns;
} w = { .kick_fd = -1, .fd = -1 };

static const char *const level_words[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_PANIC] = "panic: ", [LOG_LEVEL_FATAL] = "fatal: ", [LOG_LEVEL_ERROR] = "error: ",
	[LOG_LEVEL_WARNING] = "warning: ", [LOG_LEVEL_INFO] = "", [LOG_LEVEL_DEBUG] = "",
};

static const int severities[LOG_LEVEL_COUNT] = {
	[LOG_LEVEL_PANIC] = LOG_CRIT, [LOG_LEVEL_FATAL] = LOG_CRIT, [LOG_LEVEL_ERROR] = LOG_ERR,
	[LOG_LEVEL_WARNING] = LOG_WARNING, [LOG_LEVEL_INFO] = LOG_INFO, [LOG_LEVEL_DEBUG] = LOG_DEBUG,
};

static const struct { const char *name; int number; } facilities[] = {
	{ "auth", LOG_AUTH }, { "authpriv", LOG_AUTHPRIV }, { "cron", LOG_CRON }, { "daemon", LOG_DAEMON },
	{ "ftp", LOG_FTP }, { "kern", LOG_KERN }, { "lpr", LOG_LPR }, { "mail", LOG_MAIL }, { "news", LOG_NEWS },
	{ "security", LOG_AUTH }, { "syslog", LOG_SYSLOG }, { "user", LOG_USER }, { "uucp", LOG_UUCP },
	{ "local0", LOG_LOCAL0 }, { "local1", LOG_LOCAL1 }, { "local2", LOG_LOCAL2 }, { "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 }, { "local5", LOG_LOCAL5 }, { "local6", LOG_LOCAL6 }, { "local7", LOG_LOCAL7 },
};

/* --- lines ------------------------------------------------------------------------------------ */

int log_facility_number(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(facilities); i++)
		if (strcmp(facilities[i].name, name) == 0)
			return facilities[i].number;	/* <syslog.h> has them times 8 already */
	return -1;
}

/* "Nov  2 23:16:48", in no locale's words. */
static void set_stamp(time_t second)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct tm tm;

	if (second == w.stamp_second || localtime_r(&second, &tm) == NULL)
		return;
	(void)snprintf(w.stamp, sizeof(w.stamp), "%.3s %2d %02d:%02d:%02d", months + 3 * (tm.tm_mon % 12),
		       tm.tm_mday % 100, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);	/* fits, provably */
	w.stamp_second = second;
}

/* Everything of a line before its text, at the end of the batch. The text follows through the caller, then end_line. */
static struct str begin_line(enum log_level level, uint64_t wall_ns, struct slice program)
{
	struct str out = str_over(w.batch + w.batch_end, BATCH_SIZE - w.batch_end);

	set_stamp((time_t)(wall_ns / NS_PER_SEC));
	if (w.kind == LOG_SINK_SYSLOG) {
		str_add_char(&out, '<');
		str_add_u64(&out, (uint64_t)(w.facility | severities[level]));
		str_add_char(&out, '>');
	}
	str_add_cstr(&out, w.stamp);
	str_add_cstr(&out, w.before_tag);
	str_add_cstr(&out, w.tag);
	str_add_char(&out, '/');
	str_add(&out, program);
	str_add_char(&out, '[');
	str_add_u64(&out, w.pid);
	str_add(&out, SLICE("]: "));
	str_add_cstr(&out, level_words[level]);
	return out;
}

static void end_line(struct str *out)
{
	str_add_char(out, '\n');
	ASSERT(!out->full && out->len <= LOG_LINE_MAX);
	w.batch_end += out->len;
}

static void add_own_line(enum log_level level, const char *text)
{
	struct str out = begin_line(level, clock_wall_ns(), SLICE("log"));

	str_add_printable(&out, slice_of_str(text), LOG_TEXT_MAX);
	end_line(&out);
}

/* The ring whose first line is oldest, or NULL. Lines of different threads leave in the order of their stamps, as
 * far as they have arrived. */
static struct log_ring *oldest_ring(struct log_record *ret_record)
{
	struct log_ring *oldest = NULL;
	struct log_record record;

	for (unsigned i = 0; i < LOG_RINGS_MAX; i++)
		if (log_ring_look(&log_rings[i], &record) && (oldest == NULL || record.wall_ns < ret_record->wall_ns)) {
			oldest = &log_rings[i];
			*ret_record = record;
		}
	return oldest;
}

static bool rings_are_empty(void)
{
	struct log_record record;

	return oldest_ring(&record) == NULL;
}

static bool batch_has_room(void)
{
	return BATCH_SIZE - w.batch_end >= LOG_LINE_MAX;
}

static void fill_batch(void)
{
	struct log_record record;
	struct log_ring *ring;
	char program[LOG_PROGRAM_MAX];

	while (batch_has_room() && (ring = oldest_ring(&record)) != NULL) {
		ASSERT(record.program_len <= LOG_PROGRAM_MAX && record.text_len <= LOG_TEXT_MAX);
		log_ring_read_program(ring, &record, program);
		struct str out = begin_line(record.level, record.wall_ns, slice_of(program, record.program_len));

		log_ring_take(ring, &record, out.ptr + out.len);	/* room: batch_has_room */
		out.len += record.text_len;
		end_line(&out);
	}
}

/* --- the sink --------------------------------------------------------------------------------- */

static int open_syslog(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(un.sun_path, w.path, sizeof(un.sun_path));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) < 0) {
		int err = -errno;

		(void)close(fd);	/* nothing was written to it */
		return err;
	}
	return fd;
}

/* An open file of our own on the same pipe or terminal can be non-blocking without being so for everybody who
 * inherited it. A socket, or a pipe of another user's (a container's stdout), refuses that: then a copy, on which
 * we ask before we write. A regular file always takes a copy: with a place of our own in it, we and whoever else
 * writes to it (a shell script with its output in a file) would overwrite each other. */
static int open_inherited(int number, bool *ret_nonblocking)
{
	const char *path = number == STDOUT_FILENO ? "/proc/self/fd/1" : "/proc/self/fd/2";
	struct stat found;
	int fd = -1;

	if (fstat(number, &found) < 0 || !S_ISREG(found.st_mode))
		fd = open(path, O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	*ret_nonblocking = fd >= 0;
	if (fd < 0)
		fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 ? fd : -errno;
}

static int open_sink(bool *ret_nonblocking)
{
	int fd;

	*ret_nonblocking = true;
	switch (w.kind) {
	case LOG_SINK_STDERR:
		return open_inherited(STDERR_FILENO, ret_nonblocking);
	case LOG_SINK_STDOUT:
		return open_inherited(STDOUT_FILENO, ret_nonblocking);
	case LOG_SINK_SYSLOG:
		return open_syslog();
	case LOG_SINK_FILE:
		/* Mail addresses are nobody else's business: not for others. */
		fd = open(w.path, O_WRONLY | O_APPEND | O_CREAT | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0640);
		return fd >= 0 ? fd : -errno;
	}
	UNREACHABLE();
}

static void lose(size_t lines)
{
	atomic_fetch_add_explicit(&dropped, lines, memory_order_relaxed);
}

/* Puts a new sink in place of the old one; what has begun to leave must not go on elsewhere in the middle of its
 * line. */
static void replace_sink(int fd, bool nonblocking)
{
	if (w.batch_start > 0 && w.batch_start < w.batch_end && w.batch[w.batch_start - 1] != '\n') {
		char *line_end = memchr(w.batch + w.batch_start, '\n', w.batch_end - w.batch_start);

		w.batch_start = (size_t)(line_end + 1 - w.batch);	/* a batch ends with a line's end */
		lose(1);
	}
	if (w.fd >= 0)
		(void)close(w.fd);	/* errors were told by write; nobody could act on another */
	w.fd = fd;
	w.nonblocking = nonblocking;
	w.error = 0;
}

static void write_batch(void);

static void reopen_sink(void)
{
	bool nonblocking;
	int fd = open_sink(&nonblocking);

	if (fd < 0) {
		char text[256];
		struct str out = STR(text);

		if (!batch_has_room())
			return;
		str_printf(&out, "cannot reopen the log: %s; going on with the old one", err_text(fd));
		add_own_line(LOG_LEVEL_ERROR, str_cstr(&out));
		return;
	}
	write_batch();			/* a line half out belongs to the old file, if that still takes it */
	replace_sink(fd, nonblocking);
}

static bool is_writable(void)
{
	struct pollfd p = { .fd = w.fd, .events = POLLOUT };

	return poll(&p, 1, 0) > 0;
}

/* One datagram per line; a line that no datagram can carry is lost, but holds up nobody. */
static ssize_t send_line(const char *from, size_t len)
{
	const char *line_end = memchr(from, '\n', len);
	size_t line_len = (size_t)(line_end - from);
	ssize_t n = send(w.fd, from, line_len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && errno == EMSGSIZE) {
		lose(1);
		n = 0;
	}
	return n < 0 ? n : (ssize_t)line_len + 1;
}

/* Like write(2), for whatever the sink is; never blocks. */
static ssize_t write_some(const char *from, size_t len)
{
	if (w.kind == LOG_SINK_SYSLOG)
		return send_line(from, len);
	if (w.nonblocking)
		return write(w.fd, from, len);
	if (!is_writable()) {
		errno = EAGAIN;
		return -1;
	}
	return write(w.fd, from, MIN(len, (size_t)PIPE_ROOM));
}

/* Writes as much as the sink takes; w.error says why not all. Nothing is thrown away: the world may heal. */
static void write_batch(void)
{
	w.error = 0;
	while (w.batch_start < w.batch_end) {
		ssize_t n = write_some(w.batch + w.batch_start, w.batch_end - w.batch_start);

		if (n > 0) {
			w.batch_start += (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			w.error = n == 0 ? EIO : errno;
			return;
		}
	}
	w.batch_start = w.batch_end = 0;
	for (unsigned i = 0; i < LOG_RINGS_MAX; i++)
		atomic_store(&log_rings[i].written, atomic_load(&log_rings[i].head));
}

/* A sink that has gone for good comes back only by opening it again. Space on a disk and readers of a pipe come back by
 * themselves. */
static void heal_sink(void)
{
	bool is_gone = w.error == EBADF || w.error == EIO || w.error == ESTALE || w.kind == LOG_SINK_SYSLOG;
	bool nonblocking;

	if (w.error == 0 || w.error == EAGAIN || w.error == ENOBUFS || !is_gone)
		return;
	int fd = open_sink(&nonblocking);

	if (fd < 0)
		return;			/* another try in a second */
	if (w.error == EBADF)
		w.fd = -1;		/* the number may be somebody else's by now */
	replace_sink(fd, nonblocking);
}

/* --- the thread ------------------------------------------------------------------------------- */

static void tell_what_was_lost(void)
{
	uint64_t lost = log_dropped() - w.lost_told;
	uint64_t now = clock_mono_ns();
	char text[64];
	struct str out = STR(text);

	if (lost == 0 || (now - w.lost_told_at_ns < NS_PER_SEC && !atomic_load(&stop_asked)))
		return;
	str_printf(&out, "%llu log lines were lost", (unsigned long long)lost);
	add_own_line(LOG_LEVEL_WARNING, str_cstr(&out));
	w.lost_told += lost;
	w.lost_told_at_ns = now;
}

/* One look into the rings, one write. */
static void work(void)
{
	if (atomic_exchange(&reopen_asked, false))
		reopen_sink();
	if (w.batch_end == 0) {
		tell_what_was_lost();
		fill_batch();
	}
	if (w.batch_end > 0)
		w.last_line_ns = clock_mono_ns();
	write_batch();
}

static void wait_for_kick(enum log_writer_state state, int timeout_ms)
{
	/* A full pipe says itself when there is room again; another error would make poll return at once, for ever. */
	struct pollfd p[2] = {
		{ .fd = w.kick_fd, .events = POLLIN },
		{ .fd = w.error == EAGAIN ? w.fd : -1, .events = POLLOUT },
	};
	eventfd_t kicks;

	atomic_store(&log_writer_state, (int)state);
	/* Either we see a line now, or its producer sees our state: both sides are sequentially consistent. */
	bool must_not_wait = atomic_load(&stop_asked) || (state == LOG_WRITER_SLEEPS && !rings_are_empty());

	if (!must_not_wait || state == LOG_WRITER_STUCK)
		(void)poll(p, ARRAY_LEN(p), timeout_ms);	/* however it ends, we look again */
	atomic_store(&log_writer_state, LOG_WRITER_AWAKE);
	(void)eventfd_read(w.kick_fd, &kicks);			/* non-blocking; empty is fine */
}

static void wait_for_work(void)
{
	uint64_t idle_ns = clock_mono_ns() - w.last_line_ns;
	bool something_to_tell = log_dropped() != w.lost_told;

	if (w.error != 0) {
		/* While we are to stop, look often: the time given is short. */
		wait_for_kick(LOG_WRITER_STUCK, atomic_load(&stop_asked) ? LOG_NAP_MS : LOG_RETRY_MS);
		heal_sink();
	} else if (idle_ns < LOG_IDLE_MS * NS_PER_MS || something_to_tell) {
		wait_for_kick(LOG_WRITER_NAPS, LOG_NAP_MS);
	} else {
		wait_for_kick(LOG_WRITER_SLEEPS, -1);
	}
}

static bool has_finished(void)
{
	if (!atomic_load(&stop_asked))
		return false;
	if (clock_mono_ns() >= atomic_load(&stop_at_ns))
		return true;
	return w.batch_end == 0 && rings_are_empty() && log_dropped() == w.lost_told;
}

static void *writer_main(void *unused)
{
	(void)unused;
	while (!has_finished()) {
		work();
		if (w.error != 0 || rings_are_empty())
			wait_for_work();
	}
	return NULL;
}

/* --- what log.c calls ------------------------------------------------------------------------- */

static int start_thread(void)
{
	sigset_t all;
	sigset_t before;

	/* The writer inherits "no signals": they belong to the main thread, and SIGPIPE to nobody. */
	IGNORE(sigfillset(&all));
	int r = pthread_sigmask(SIG_SETMASK, &all, &before);

	ASSERT(r == 0);
	r = pthread_create(&w.thread, NULL, writer_main, NULL);
	IGNORE(pthread_sigmask(SIG_SETMASK, &before, NULL));	/* what was valid before is valid again */
	if (r != 0)
		return -r;
	(void)pthread_setname_np(w.thread, "rp-log");		/* a name is a comfort */
	return 0;
}

static int set_conf(const struct log_conf *conf)
{
	const char *path = conf->path != NULL ? conf->path : "/dev/log";
	struct str tag = STR(w.tag);
	struct str before_tag = STR(w.before_tag);
	struct slice host = slice_of_str(conf->hostname);
	ptrdiff_t dot = slice_find_char(host, 0, '.');

	if (strlen(path) >= sizeof(w.path))
		return -ENAMETOOLONG;
	memset(w.path, 0, sizeof(w.path));
	memcpy(w.path, path, strlen(path));
	str_add_printable(&tag, slice_of_str(conf->tag), sizeof(w.tag) - 1);
	(void)str_cstr(&tag);
	str_add_char(&before_tag, ' ');
	if (conf->sink != LOG_SINK_SYSLOG) {
		str_add_printable(&before_tag, dot < 0 ? host : slice_head(host, (size_t)dot), 64);
		before_tag.full = false;	/* a long name was cut: that is fine */
		str_add_char(&before_tag, ' ');
	}
	(void)str_cstr(&before_tag);
	w.kind = conf->sink;
	w.facility = log_facility_number(conf->facility);
	ASSERT(w.facility >= 0);
	w.pid = (unsigned)getpid();
	return 0;
}

static void close_sink(void)
{
	if (w.fd >= 0)
		(void)close(w.fd);
	w.fd = -1;
}

int log_writer_start(const struct log_conf *conf)
{
	bool nonblocking;
	int r = set_conf(conf);

	if (r < 0)
		return r;
	tzset();
	w.stamp_second = -1;
	w.batch_start = w.batch_end = 0;
	w.lost_told = log_dropped();
	w.lost_told_at_ns = 0;
	w.last_line_ns = clock_mono_ns();
	atomic_store(&stop_asked, false);
	atomic_store(&reopen_asked, false);
	r = open_sink(&nonblocking);
	if (r < 0)
		return r;
	replace_sink(r, nonblocking);
	if (w.kick_fd < 0)
		w.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = w.kick_fd >= 0 ? start_thread() : -errno;
	if (r < 0)
		close_sink();
	return r;
}

static void kick(void)
{
	/* Fails only when the counter is full, and then the writer is kicked already. */
	(void)eventfd_write(w.kick_fd, 1);
}

void log_writer_wake(int state)
{
	if (atomic_compare_exchange_strong(&log_writer_state, &state, LOG_WRITER_AWAKE))
		kick();
}

void log_writer_reopen(void)
{
	atomic_store(&reopen_asked, true);
	kick();
}

/* What the time given was too short for. */
static void lose_the_rest(void)
{
	struct log_record record;
	struct log_ring *ring;

	for (size_t i = w.batch_start; i < w.batch_end; i++)
		if (w.batch[i] == '\n')
			lose(1);
	w.batch_start = w.batch_end = 0;
	while ((ring = oldest_ring(&record)) != NULL) {
		log_ring_take(ring, &record, w.batch);
		lose(1);
	}
}

void log_writer_stop(unsigned timeout_ms)
{
	atomic_store(&stop_at_ns, clock_mono_ns() + timeout_ms * NS_PER_MS);
	atomic_store(&stop_asked, true);
	kick();
	int r = pthread_join(w.thread, NULL);

	ASSERT(r == 0);
	lose_the_rest();
	close_sink();
}

uint64_t log_writer_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

void log_writer_put_stderr(const char *tag, enum log_level level, struct slice program, struct slice text)
{
	char line[LOG_LINE_MAX];
	struct str out = STR(line);

	str_add_cstr(&out, tag);
	str_add_char(&out, '/');
	str_add(&out, program);
	str_add(&out, SLICE(": "));
	str_add_cstr(&out, level_words[level]);
	str_add(&out, text);
	str_add_char(&out, '\n');
	IGNORE(write(STDERR_FILENO, out.ptr, out.len));		/* there is no other place to say so */
}
