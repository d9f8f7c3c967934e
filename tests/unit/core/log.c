#include "tests/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"

#define TEXT_SIZE MIB(64)

static char dir[64];
static char path[96];
static char *text;		/* what a test has read back */
static size_t text_len;

static void pause_ms(unsigned ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&time, NULL);
}

/* --- files --- */

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/ringpost-log-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	text = malloc(TEXT_SIZE);
	assert_non_null(text);
	return log_thread_open();
}

static int remove_dir(void **state)
{
	char command[128];

	(void)state;
	log_thread_close();
	free(text);
	(void)snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static int remove_log(void **state)
{
	(void)state;
	log_stop(1);		/* harmless, but after a failed test */
	(void)unlink(path);
	return 0;
}

static void read_fd(int fd)
{
	ssize_t n;

	while (text_len < TEXT_SIZE - 1 && (n = read(fd, text + text_len, TEXT_SIZE - 1 - text_len)) > 0)
		text_len += (size_t)n;
	text[text_len] = '\0';
}

static void read_file(const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	text_len = 0;
	read_fd(fd);
	(void)close(fd);
}

/* Not strstr or memmem: sanitizers have them look at all of the rest each time. */
static const char *find(const char *from, const char *what)
{
	const char *end = text + text_len;
	size_t len = strlen(what);

	for (; (from = memchr(from, what[0], (size_t)(end - from))) != NULL; from++)
		if ((size_t)(end - from) >= len && memcmp(from, what, len) == 0)
			return from;
	return NULL;
}

static size_t count_in_text(const char *what)
{
	size_t count = 0;

	for (const char *at = text; (at = find(at, what)) != NULL; at++)
		count++;
	return count;
}

static unsigned number_at(const char *at)
{
	unsigned number = 0;

	for (; *at >= '0' && *at <= '9'; at++)
		number = number * 10 + (unsigned)(*at - '0');
	return number;
}

static void start_with(enum log_sink sink, const char *sink_path)
{
	const struct log_conf conf = {
		.sink = sink, .path = sink_path, .tag = "ringpost", .facility = "mail", .hostname = "host.example.com",
	};

	assert_int_equal(log_start(&conf), 0);
}

/* Waits until the file holds what. */
static void await_in_file(const char *name, const char *what)
{
	for (unsigned i = 0; i < 500; i++) {
		int fd = open(name, O_RDONLY | O_CLOEXEC);	/* may not be there yet */

		text_len = 0;
		read_fd(fd);
		(void)close(fd);
		if (find(text, what) != NULL)
			return;
		pause_ms(10);
	}
	fail_msg("never saw: %s", what);
}

/* --- form --- */

static void has_postfix_form(void **state)
{
	char expected[256];
	time_t before = time(NULL);
	time_t after;
	struct tm tm;
	bool matched = false;

	(void)state;
	start_with(LOG_SINK_FILE, path);
	log_line(LOG_LEVEL_INFO, "smtp", "4bXkQz1Jx: to=<a@example.com>, status=sent (%d ok)", 250);
	log_stop(5000);
	after = time(NULL);
	read_file(path);
	/* time() may lag behind the clock by a tick of the kernel */
	for (time_t second = before - 1; second <= after + 1; second++) {
		char stamp[32];

		assert_non_null(localtime_r(&second, &tm));
		assert_true(strftime(stamp, sizeof(stamp), "%b %e %H:%M:%S", &tm) > 0);
		(void)snprintf(expected, sizeof(expected),
			       "%s host ringpost/smtp[%d]: 4bXkQz1Jx: to=<a@example.com>, status=sent (250 ok)\n",
			       stamp, (int)getpid());
		matched = matched || strcmp(expected, text) == 0;
	}
	if (!matched)
		fail_msg("got %s instead of something like %s", text, expected);
}

static void levels_have_postfix_words(void **state)
{
	(void)state;
	start_with(LOG_SINK_FILE, path);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("one"));
	log_put(LOG_LEVEL_WARNING, "smtp", SLICE("two"));
	log_put(LOG_LEVEL_ERROR, "smtp", SLICE("three"));
	log_put(LOG_LEVEL_FATAL, "smtp", SLICE("four"));
	log_put(LOG_LEVEL_PANIC, "smtp", SLICE("five"));
	log_put(LOG_LEVEL_DEBUG, "smtp", SLICE("six"));
	log_stop(5000);
	read_file(path);
	assert_non_null(find(text, "]: one\n"));
	assert_non_null(find(text, "]: warning: two\n"));
	assert_non_null(find(text, "]: error: three\n"));
	assert_non_null(find(text, "]: fatal: four\n"));
	assert_non_null(find(text, "]: panic: five\n"));
	assert_null(find(text, "six"));
}

static void debug_lines_come_when_asked_for(void **state)
{
	const struct log_conf conf = {
		.sink = LOG_SINK_FILE, .path = path, .tag = "rp", .facility = "local3", .hostname = "h", .debug = true,
	};

	(void)state;
	assert_int_equal(log_start(&conf), 0);
	log_line(LOG_LEVEL_DEBUG, "smtp", "turn %u", 7u);
	log_stop(5000);
	read_file(path);
	assert_non_null(find(text, " h rp/smtp["));
	assert_non_null(find(text, "]: turn 7\n"));
}

/* LOG-01: every octet, alone and after a character that would swallow it; every line stays one line, and prints. */
static void one_event_is_one_line(void **state)
{
	static const char *const hostile[] = {
		"\x1b]0;title\x07", "%s%n%d", "a\"b\\c}", "\xe2\x80\xa8 separator", "\xe2\x80\xae turned",
		"\xff\xfe\xc0\xaf",
		"\xed\xa0\x80 surrogate", "\xf4\x90\x80\x80 too far", "\xc2\x9b[31m C1",
		"a\r\nNov 22 23:16:48 host forged",
	};
	size_t lines = 0;

	(void)state;
	start_with(LOG_SINK_FILE, path);
	for (unsigned octet = 0; octet < 256; octet++) {
		const char alone[] = { 'x', (char)octet, 'y' };
		const char eighth[] = { 'a', 'b', 'c', 'd', 'e', 'f', 'g', (char)octet, 'i' };

		log_put(LOG_LEVEL_INFO, "smtp", slice_of(alone, sizeof(alone)));
		log_put(LOG_LEVEL_INFO, "smtp", slice_of(eighth, sizeof(eighth)));
	}
	for (size_t i = 0; i < ARRAY_LEN(hostile); i++)
		log_line(LOG_LEVEL_INFO, "smtp", "%s", hostile[i]);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("gr\xc3\xbc\xc3\x9f dich"));
	log_stop(5000);
	read_file(path);
	for (size_t i = 0; i < text_len; i++) {
		lines += text[i] == '\n';
		assert_true(text[i] == '\n' || (unsigned char)text[i] >= 0x20);
		assert_int_not_equal(text[i], 0x7f);
	}
	assert_int_equal(lines, 2 * 256 + ARRAY_LEN(hostile) + 1);
	assert_int_equal(count_in_text(" host ringpost/smtp["), lines);
	assert_int_equal(count_in_text("]: x?y\n"), 32 + 1 + 128 + 1);	/* controls, DEL, above; and '?' itself */
	assert_int_equal(count_in_text("]: abcdefg?i\n"), 32 + 1 + 128 + 1);
	assert_non_null(find(text, "]: %s%n%d\n"));
	assert_non_null(find(text, "]: a\"b\\c}\n"));
	assert_non_null(find(text, "gr\xc3\xbc\xc3\x9f dich"));
	assert_null(find(text, "\xe2\x80"));
	assert_null(find(text, "\xc2\x9b"));
}

/* LOG-02 */
static void long_lines_are_cut_and_marked(void **state)
{
	static char reply[KIB(64)];

	(void)state;
	memset(reply, 'r', sizeof(reply) - 1);
	start_with(LOG_SINK_FILE, path);
	log_put(LOG_LEVEL_INFO, "smtp", slice_of(reply, sizeof(reply) - 1));
	log_line(LOG_LEVEL_INFO, "smtp", "%s", reply);
	memset(reply, 'r', 7678);
	memcpy(reply + 7678, "\xc3\xbc\xc3\xbc", 4);
	log_put(LOG_LEVEL_INFO, "smtp", slice_of(reply, 7682));		/* one too many, and the cut in a character */
	log_put(LOG_LEVEL_INFO, "smtp", slice_of(reply, 1000));
	log_stop(5000);
	read_file(path);
	const char *line = text;

	for (unsigned i = 0; i < 4; i++) {
		const char *end = find(line, "\n");

		assert_non_null(end);
		assert_true(end + 1 - line <= (ptrdiff_t)LOG_LINE_MAX);
		if (i < 3)
			assert_memory_equal(end - 6, "rrr...", 6);
		else
			assert_memory_equal(end - 3, "rrr", 3);
		line = end + 1;
	}
	assert_int_equal(*line, '\0');
}

/* --- threads, bursts, rotation --- */

enum { WRITERS = 4, LINES_EACH = 20000 };

static void *write_burst(void *number)
{
	assert_int_equal(log_thread_open(), 0);
	for (unsigned i = 0; i < LINES_EACH; i++) {
		log_line(LOG_LEVEL_INFO, "smtp", "burst %u line %u of a usual length, as for a delivery ............",
			 *(unsigned *)number, i);
		if (i % 512 == 511)
			pause_ms(1);
	}
	log_thread_close();
	return NULL;
}

static void run_burst(bool reopen)
{
	pthread_t threads[WRITERS];
	unsigned numbers[WRITERS];
	char rotated[128];

	for (unsigned i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, write_burst, &numbers[i]), 0);
	}
	for (unsigned i = 0; reopen && i < 8; i++) {
		pause_ms(5);
		(void)snprintf(rotated, sizeof(rotated), "%s.%u", path, i);
		IGNORE(rename(path, rotated));		/* not there yet at the very first */
		log_reopen();
	}
	for (unsigned i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
}

/* All lines of all threads, each once, each thread's in its order: across the files in the order of rotation. */
static void check_burst(uint64_t lost)
{
	unsigned next[WRITERS] = { 0 };
	uint64_t found = 0;

	for (const char *at = text; (at = find(at, "]: burst ")) != NULL; at++) {
		unsigned number = number_at(at + 9);
		unsigned line = number_at(at + 16);

		assert_memory_equal(at + 10, " line ", 6);
		assert_true(number < WRITERS && line >= next[number]);
		next[number] = line + 1;
		found++;
	}
	assert_int_equal(found + lost, WRITERS * LINES_EACH);
}

static void threads_do_not_disturb_each_other(void **state)
{
	uint64_t lost = log_dropped();

	(void)state;
	start_with(LOG_SINK_FILE, path);
	run_burst(false);
	log_stop(20000);
	read_file(path);
	check_burst(log_dropped() - lost);
}

static void reopening_in_a_burst_loses_nothing(void **state)
{
	uint64_t lost = log_dropped();
	size_t files = 0;
	char rotated[128];

	(void)state;
	start_with(LOG_SINK_FILE, path);
	run_burst(true);
	log_stop(20000);
	text_len = 0;
	for (unsigned i = 0; i <= 8; i++) {
		if (i < 8)
			(void)snprintf(rotated, sizeof(rotated), "%s.%u", path, i);
		int fd = open(i < 8 ? rotated : path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		size_t before = text_len;

		read_fd(fd);
		assert_true(text_len == before || text[text_len - 1] == '\n');	/* no line in two files */
		files += text_len > before;
		(void)close(fd);
		(void)unlink(rotated);
	}
	assert_true(files >= 2);
	check_burst(log_dropped() - lost);
}

enum { TURNS = 50 };

static pthread_barrier_t turn;

/* Two threads take turns, one line each. */
static void *put_in_turn(void *second)
{
	bool opened = second != NULL && log_thread_open() == 0;

	for (unsigned i = 0; i < 2 * TURNS; i++) {
		(void)pthread_barrier_wait(&turn);
		if ((i % 2 == 1) == opened)
			log_line(LOG_LEVEL_INFO, "smtp", "turn %u", i);
	}
	if (opened)
		log_thread_close();
	return NULL;
}

static void waiting_lines_leave_in_order_of_time(void **state)
{
	pthread_t second;
	unsigned next = 0;

	(void)state;
	assert_int_equal(symlink("/dev/full", path), 0);
	start_with(LOG_SINK_FILE, path);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("stuck"));	/* from here on, lines wait in their rings */
	pause_ms(100);
	assert_int_equal(pthread_barrier_init(&turn, NULL, 2), 0);
	assert_int_equal(pthread_create(&second, NULL, put_in_turn, &turn), 0);
	(void)put_in_turn(NULL);
	assert_int_equal(pthread_join(second, NULL), 0);
	assert_int_equal(pthread_barrier_destroy(&turn), 0);
	assert_int_equal(unlink(path), 0);
	log_reopen();
	log_stop(5000);
	read_file(path);
	for (const char *at = text; (at = find(at, "]: turn ")) != NULL; at++)
		assert_int_equal(number_at(at + 8), next++);
	assert_int_equal(next, 2 * TURNS);
}

static void rotation_that_fails_keeps_the_old_file(void **state)
{
	char away[128];

	(void)state;
	(void)snprintf(away, sizeof(away), "%s-away", dir);
	start_with(LOG_SINK_FILE, path);
	assert_int_equal(rename(dir, away), 0);
	log_reopen();
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("still here"));
	log_stop(5000);
	assert_int_equal(rename(away, dir), 0);
	read_file(path);
	assert_non_null(find(text, "error: cannot reopen the log: No such file or directory"));
	assert_non_null(find(text, "]: still here\n"));
}

/* --- LOG-03: the sink is in trouble --- */

/* Fills the ring and more. Returns how long the slowest line took. */
static uint64_t flood(unsigned lines)
{
	uint64_t slowest = 0;

	for (unsigned i = 0; i < lines; i++) {
		uint64_t before = clock_mono_ns();

		log_line(LOG_LEVEL_INFO, "smtp", "flood %06u .................................................", i);
		slowest = MAX(slowest, clock_mono_ns() - before);
	}
	return slowest;
}

/* Reads fd, non-blocking, until nobody writes any more. */
static _Atomic bool reader_must_end;

static void *read_on(void *fd)
{
	while (!reader_must_end) {
		read_fd(*(int *)fd);
		pause_ms(1);
	}
	read_fd(*(int *)fd);
	return NULL;
}

/* The sink heals: somebody reads. Stops the log, and reads the rest. */
static void stop_while_reading(int fd)
{
	pthread_t reader;

	text_len = 0;
	reader_must_end = false;
	assert_int_equal(pthread_create(&reader, NULL, read_on, &fd), 0);
	log_stop(20000);
	reader_must_end = true;
	assert_int_equal(pthread_join(reader, NULL), 0);
	(void)close(fd);
}

/* After one flood into a sink that took little or nothing, and then healed: everything is written or counted. */
static void check_after_flood(uint64_t lost_before, unsigned lines)
{
	uint64_t lost = log_dropped() - lost_before;
	uint64_t told = 0;

	for (const char *at = text; (at = find(at, "]: warning: ")) != NULL; at++) {
		told += number_at(at + 12);
		assert_non_null(find(at, " log lines were lost\n"));
	}
	assert_true(lost > 0);
	assert_int_equal(count_in_text("]: flood ") + lost, lines);
	assert_int_equal(told, lost);
}

static void a_blocked_pipe_blocks_nobody(void **state)
{
	enum { LINES = 50000 };
	uint64_t lost = log_dropped();
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	start_with(LOG_SINK_FILE, path);
	pause_ms(50);
	assert_true(flood(LINES) < NS_PER_SEC);		/* 5 MB into 64 KiB of pipe and 1 MiB of ring */
	assert_true(log_dropped() > lost);
	stop_while_reading(fd);
	check_after_flood(lost, LINES);
}

static void a_blocked_pipe_does_not_hold_up_the_end(void **state)
{
	uint64_t lost = log_dropped();
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(fd >= 0);
	start_with(LOG_SINK_FILE, path);
	(void)flood(3000);
	uint64_t before = clock_mono_ns();

	log_stop(200);
	assert_true(clock_mono_ns() - before < 2 * NS_PER_SEC);
	text_len = 0;
	read_fd(fd);
	(void)close(fd);
	lost = log_dropped() - lost;
	assert_true(lost > 0);
	/* The line that was half out when time was up is in both counts or in none, but no other. */
	assert_in_range(count_in_text(".....\n") + lost, 3000, 3001);
}

/* A blocking pipe that cannot be opened anew, as a container's stdout may be: a socket refuses it likewise. */
static void an_inherited_socket_blocks_nobody(void **state)
{
	enum { LINES = 50000 };
	uint64_t lost = log_dropped();
	int pair[2];
	int saved = dup(STDOUT_FILENO);

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dup2(pair[1], STDOUT_FILENO), STDOUT_FILENO);
	start_with(LOG_SINK_STDOUT, NULL);
	(void)close(pair[1]);
	assert_int_equal(dup2(saved, STDOUT_FILENO), STDOUT_FILENO);
	(void)close(saved);
	assert_true(flood(LINES) < NS_PER_SEC);
	assert_true(log_dropped() > lost);
	assert_int_equal(fcntl(pair[0], F_SETFL, O_NONBLOCK), 0);
	stop_while_reading(pair[0]);
	check_after_flood(lost, LINES);
}

static void a_full_disk_loses_only_what_the_ring_cannot_hold(void **state)
{
	enum { LINES = 50000 };
	uint64_t lost = log_dropped();

	(void)state;
	assert_int_equal(symlink("/dev/full", path), 0);
	start_with(LOG_SINK_FILE, path);
	(void)flood(LINES);
	assert_true(log_dropped() > lost);
	assert_int_equal(unlink(path), 0);
	log_reopen();				/* to a disk that has space */
	await_in_file(path, "log lines were lost");
	log_stop(5000);
	read_file(path);
	check_after_flood(lost, LINES);
}

static void a_pipe_without_reader_does_not_end_us(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	start_with(LOG_SINK_FILE, path);
	(void)close(fd);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("into the void"));
	pause_ms(100);				/* EPIPE, and SIGPIPE if we were careless */
	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("somebody is back"));
	log_stop(5000);
	text_len = 0;
	read_fd(fd);
	(void)close(fd);
	assert_non_null(find(text, "]: into the void\n"));
	assert_non_null(find(text, "]: somebody is back\n"));
}

static void close_descriptor_of(const char *name)
{
	struct stat wanted;
	struct stat found;

	assert_int_equal(stat(name, &wanted), 0);
	for (int fd = 3; fd < 100; fd++)
		if (fstat(fd, &found) == 0 && found.st_ino == wanted.st_ino && found.st_dev == wanted.st_dev)
			(void)close(fd);
}

static void a_closed_descriptor_is_opened_again(void **state)
{
	(void)state;
	start_with(LOG_SINK_FILE, path);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("before"));
	await_in_file(path, "]: before\n");
	close_descriptor_of(path);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("after"));
	await_in_file(path, "]: after\n");
	log_stop(5000);
}

static void a_sleeping_writer_is_woken(void **state)
{
	(void)state;
	start_with(LOG_SINK_FILE, path);
	pause_ms(1200);				/* a second without a line: it sleeps until woken */
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("good morning"));
	await_in_file(path, "]: good morning\n");
	log_stop(5000);
}

/* --- beginning and end --- */

static void what_cannot_be_opened_is_said_at_once(void **state)
{
	struct log_conf conf = {
		.sink = LOG_SINK_FILE, .path = "/nowhere/at/all", .tag = "t", .facility = "mail", .hostname = "h",
	};

	(void)state;
	assert_int_equal(log_start(&conf), -ENOENT);
	conf.sink = LOG_SINK_SYSLOG;
	assert_int_equal(log_start(&conf), -ENOENT);
	log_stop(1);				/* harmless: nothing has started */
	log_reopen();
}

static void lines_outside_start_and_stop_go_to_stderr(void **state)
{
	int pipe_fds[2];
	int saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(pipe_fds), 0);
	assert_int_equal(dup2(pipe_fds[1], STDERR_FILENO), STDERR_FILENO);
	log_put(LOG_LEVEL_FATAL, "ringpostd", SLICE("no config\nfile"));
	log_put(LOG_LEVEL_INFO, "ringpostd", SLICE("ready"));
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	(void)close(saved);
	(void)close(pipe_fds[1]);
	text_len = 0;
	read_fd(pipe_fds[0]);
	(void)close(pipe_fds[0]);
	assert_string_equal(text, "ringpost/ringpostd: fatal: no config?file\nringpost/ringpostd: ready\n");
}

static void *put_without_ring(void *unused)
{
	(void)unused;
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("homeless"));
	return NULL;
}

static void a_thread_without_ring_is_counted(void **state)
{
	uint64_t lost = log_dropped();
	pthread_t thread;

	(void)state;
	start_with(LOG_SINK_FILE, path);
	assert_int_equal(pthread_create(&thread, NULL, put_without_ring, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	log_stop(5000);
	assert_int_equal(log_dropped() - lost, 1);
	read_file(path);
	assert_null(find(text, "homeless"));
	assert_non_null(find(text, "warning: 1 log lines were lost"));
}

static void facilities_are_known_by_name(void **state)
{
	(void)state;
	assert_true(log_facility_is_known("mail"));
	assert_true(log_facility_is_known("local7"));
	assert_false(log_facility_is_known("local8"));
	assert_false(log_facility_is_known("MAIL"));
	assert_false(log_facility_is_known(""));
}

#define LOG_CLAIM(words, fn) CLAIM_WITH(words, fn, remove_log, remove_log)

int main(void)
{
	const struct CMUnitTest claims[] = {
		LOG_CLAIM("a line has Postfix's form", has_postfix_form),
		LOG_CLAIM("levels have Postfix's words; debug lines are left out", levels_have_postfix_words),
		LOG_CLAIM("debug lines come when asked for", debug_lines_come_when_asked_for),
		LOG_CLAIM("LOG-01: one event is one line, whatever its octets", one_event_is_one_line),
		LOG_CLAIM("LOG-02: a long line is cut, marked, and not in the middle of a character",
			  long_lines_are_cut_and_marked),
		LOG_CLAIM("lines of several threads are whole, complete and in each thread's order",
			  threads_do_not_disturb_each_other),
		LOG_CLAIM("what waits in several rings leaves in order of time", waiting_lines_leave_in_order_of_time),
		LOG_CLAIM("LOG-03: reopening during a burst loses and cuts nothing",
			  reopening_in_a_burst_loses_nothing),
		LOG_CLAIM("LOG-03: a rotation that fails keeps the old file and says so",
			  rotation_that_fails_keeps_the_old_file),
		LOG_CLAIM("LOG-03: a blocked pipe blocks nobody; what is lost is counted and told",
			  a_blocked_pipe_blocks_nobody),
		LOG_CLAIM("LOG-03: a blocked pipe does not hold up the end", a_blocked_pipe_does_not_hold_up_the_end),
		LOG_CLAIM("LOG-03: an inherited blocking socket blocks nobody", an_inherited_socket_blocks_nobody),
		LOG_CLAIM("LOG-03: a full disk loses only what the ring cannot hold",
			  a_full_disk_loses_only_what_the_ring_cannot_hold),
		LOG_CLAIM("LOG-03: a pipe without reader neither ends us nor loses lines",
			  a_pipe_without_reader_does_not_end_us),
		LOG_CLAIM("LOG-03: a descriptor closed under us is opened again", a_closed_descriptor_is_opened_again),
		LOG_CLAIM("a line wakes a writer that sleeps", a_sleeping_writer_is_woken),
		LOG_CLAIM("a sink that cannot be opened is said at once", what_cannot_be_opened_is_said_at_once),
		LOG_CLAIM("before start and after stop, lines go to stderr", lines_outside_start_and_stop_go_to_stderr),
		LOG_CLAIM("a line of a thread without ring is counted as lost", a_thread_without_ring_is_counted),
		LOG_CLAIM("facilities are known by their exact names", facilities_are_known_by_name),
	};

	return cmocka_run_group_tests_name("core/log", claims, make_dir, remove_dir);
}
