#include "bench/alone_sink.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base.h"

#define EVENTS		64
#define READ_SIZE	KIB(256)
#define TAIL		4u	/* of the octets before: an end of data may be cut anywhere */
#define LINE_MAX_SEEN	64u

struct guest {
	int fd;
	bool in_body;
	bool gone;
	unsigned tail_len;
	char tail[TAIL];
	unsigned line_len;
	char line[LINE_MAX_SEEN];	/* the beginning of a command: its first letter decides */
};

static char out[KIB(64)];
static size_t out_len;

static void answer(const char *text)
{
	size_t len = strlen(text);

	if (out_len + len <= sizeof(out)) {
		memcpy(out + out_len, text, len);
		out_len += len;
	}
}

static void on_command(struct guest *g)
{
	switch (g->line[0] & ~0x20) {
	case 'E':
		answer("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
		break;
	case 'D':
		answer("354 go ahead\r\n");
		g->in_body = true;
		/* The end of the command's line may be the beginning of ".\r\n". */
		memcpy(g->tail, "\r\n", 2);
		g->tail_len = 2;
		break;
	case 'Q':
		answer("221 bye\r\n");
		g->gone = true;
		break;
	default:
		answer("250 2.0.0 ok\r\n");
	}
}

static size_t take_line(struct guest *g, const char *p, size_t len)
{
	const char *end = memchr(p, '\n', len);
	size_t n = end != NULL ? (size_t)(end - p) + 1 : len;
	size_t keep = MIN(n, sizeof(g->line) - g->line_len);

	memcpy(g->line + g->line_len, p, keep);
	g->line_len += (unsigned)keep;
	if (end != NULL) {
		on_command(g);
		g->line_len = 0;
	}
	return n;
}

static void keep_tail(struct guest *g, const char *p, size_t len)
{
	char joined[2 * TAIL];
	size_t take = MIN(len, (size_t)TAIL);

	memcpy(joined, g->tail, g->tail_len);
	memcpy(joined + g->tail_len, p + len - take, take);
	size_t total = g->tail_len + take, keep = MIN(total, (size_t)TAIL);

	memcpy(g->tail, joined + total - keep, keep);
	g->tail_len = (unsigned)keep;
}

/* The end of data begins in what came before: looked for where the two meet. Returns octets of p up to it, or 0. */
static size_t end_at_border(const struct guest *g, const char *p, size_t len)
{
	char joined[2 * TAIL];
	size_t take = MIN(len, (size_t)TAIL);

	memcpy(joined, g->tail, g->tail_len);
	memcpy(joined + g->tail_len, p, take);
	const char *end = memmem(joined, g->tail_len + take, "\r\n.\r\n", 5);

	return end != NULL ? (size_t)(end - joined) + 5 - g->tail_len : 0;
}

static size_t take_body(struct guest *g, const char *p, size_t len)
{
	size_t n = end_at_border(g, p, len);
	const char *end = n == 0 ? memmem(p, len, "\r\n.\r\n", 5) : NULL;

	if (end != NULL)
		n = (size_t)(end - p) + 5;
	if (n == 0) {
		keep_tail(g, p, len);
		return len;
	}
	g->in_body = false;
	answer("250 2.0.0 ok\r\n");
	return n;
}

/* False: the guest has left. */
static bool serve(struct guest *g)
{
	static char in[READ_SIZE];
	ssize_t len = recv(g->fd, in, sizeof(in), 0);

	if (len <= 0)
		return len < 0 && (errno == EINTR || errno == EAGAIN);
	out_len = 0;
	for (size_t at = 0; at < (size_t)len && !g->gone;)
		at += g->in_body ? take_body(g, in + at, (size_t)len - at) : take_line(g, in + at, (size_t)len - at);
	/* Replies are few and short: they always fit the socket's buffer, or the guest does not read. */
	return send(g->fd, out, out_len, MSG_NOSIGNAL) == (ssize_t)out_len && !g->gone;
}

static void welcome(int epoll, int listener)
{
	static const int on = 1;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	struct guest *g = calloc(1, sizeof(*g));
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = g };

	if (g == NULL)
		abort();
	g->fd = fd;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));	/* only faster */
	if (send(fd, "220 sink.test ESMTP\r\n", 21, MSG_NOSIGNAL) != 21 || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		abort();
}

static void run(int listener)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };

	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		abort();
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			struct guest *g = events[i].data.ptr;

			if (g == NULL) {
				welcome(epoll, listener);
			} else if (!serve(g)) {
				close(g->fd);
				free(g);
			}
		}
	}
}

pid_t alone_sink_start(unsigned cpu, uint16_t *ret_port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, len) < 0 || listen(listener, 4096) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0) {
		perror("sink");
		exit(1);
	}
	*ret_port = ntohs(addr.sin_port);
	pid_t child = fork();

	if (child == 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu, &set);
		(void)sched_setaffinity(0, sizeof(set), &set);	/* one CPU: then both share it */
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(listener);
	}
	close(listener);
	return child;
}
