/* log_syslog.c - a system log that takes datagrams, and one that goes away */
#include "core/log.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "tests/test.h"

static char dir[64];
static char path[96];

static void pause_ms(unsigned ms)
{
	const struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	(void)nanosleep(&time, NULL);
}

static int make_dir(void **state)
{
	(void)state;
	(void)snprintf(dir, sizeof(dir), "/tmp/ringpost-log-test.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	return log_thread_open();
}

static int remove_dir(void **state)
{
	(void)state;
	log_thread_close();
	return rmdir(dir);
}

static int remove_log(void **state)
{
	(void)state;
	log_stop(1);		/* harmless, but after a failed test */
	(void)unlink(path);
	return 0;
}

static void start(void)
{
	const struct log_conf conf = {
		.sink = LOG_SINK_SYSLOG, .path = path, .tag = "ringpost", .facility = "mail",
		.hostname = "host.example.com",
	};

	assert_int_equal(log_start(&conf), 0);
}

static int open_dev_log(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	(void)snprintf(un.sun_path, sizeof(un.sun_path), "%s", path);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void syslog_gets_a_datagram_per_line(void **state)
{
	char datagram[LOG_LINE_MAX + 1];
	char expected[64];
	int fd = open_dev_log();

	(void)state;
	start();
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("one"));
	log_put(LOG_LEVEL_WARNING, "qmgr", SLICE("two"));
	log_stop(5000);
	ssize_t n = recv(fd, datagram, LOG_LINE_MAX, 0);

	assert_true(n > 0);
	datagram[n] = '\0';
	(void)snprintf(expected, sizeof(expected), " ringpost/smtp[%d]: one", (int)getpid());
	assert_memory_equal(datagram, "<22>", 4);		/* mail is 2 * 8, info 6 */
	assert_string_equal(datagram + 4 + 15, expected);	/* no host: syslogd knows it */
	n = recv(fd, datagram, LOG_LINE_MAX, 0);
	assert_true(n > 0);
	datagram[n] = '\0';
	(void)snprintf(expected, sizeof(expected), " ringpost/qmgr[%d]: warning: two", (int)getpid());
	assert_memory_equal(datagram, "<20>", 4);
	assert_string_equal(datagram + 4 + 15, expected);
	(void)close(fd);
}

static void syslogd_may_restart(void **state)
{
	char datagram[LOG_LINE_MAX + 1];
	int fd = open_dev_log();
	bool seen = false;

	(void)state;
	start();
	(void)close(fd);
	(void)unlink(path);
	log_put(LOG_LEVEL_INFO, "smtp", SLICE("nobody listens"));
	pause_ms(100);
	fd = open_dev_log();
	for (unsigned i = 0; i < 300 && !seen; i++) {
		ssize_t n = recv(fd, datagram, LOG_LINE_MAX, 0);

		if (n > 0)
			seen = memmem(datagram, (size_t)n, "nobody listens", 14) != NULL;
		else
			pause_ms(10);
	}
	assert_true(seen);
	log_stop(5000);
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("syslog gets one datagram per line, with priority and without host",
			   syslog_gets_a_datagram_per_line, remove_log, remove_log),
		CLAIM_WITH("lines survive a restart of syslogd", syslogd_may_restart, remove_log, remove_log),
	};

	return cmocka_run_group_tests_name("core/log_syslog", claims, make_dir, remove_dir);
}
