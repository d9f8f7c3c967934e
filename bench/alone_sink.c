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
#include <time.h>
#include <unistd.h>

#include "core/base.h"
#include "crypto/library.h"
#include "tests/peers/tls_server.h"

#define EVENTS		64
#define READ_SIZE	KIB(256)
#define TAIL		4u	/* of the octets before: an end of data may be cut anywhere */
#define LINE_MAX_SEEN	64u

struct guest {
	int fd;
	struct tls_server *tls;		/* NULL: in clear */
	bool tls_begins;		/* behind what is answered now */
	bool in_body;
	bool gone;
	unsigned tail_len;
	char tail[TAIL];
	unsigned line_len;
	char line[LINE_MAX_SEEN];	/* the beginning of a command: its first letter decides */
};

static const struct alone_sink_conf *conf;
static struct tls_server_home home;
static uint64_t messages;
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
		answer(conf->tls && g->tls == NULL ? "250-sink.test\r\n250-STARTTLS\r\n250-PIPELINING\r\n250 8BITMIME\r\n" :
						     "250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
		break;
	case 'S':
		answer("220 2.0.0 go\r\n");
		g->tls_begins = true;
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
	messages++;
	answer("250 2.0.0 ok\r\n");
	return n;
}

static void hear(struct guest *g, const char *in, size_t len)
{
	for (size_t at = 0; at < len && !g->gone;)
		at += g->in_body ? take_body(g, in + at, len - at) : take_line(g, in + at, len - at);
}

/* Replies are few and short: they always fit the socket's buffer, or the guest does not read. */
static bool say(const struct guest *g, const char *text, size_t len)
{
	return len == 0 || send(g->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static bool hear_tls(struct guest *g, struct slice in)
{
	static char plain[KIB(64)];
	size_t n;

	while ((n = tls_server_feed(g->tls, in, plain, sizeof(plain))) > 0) {
		hear(g, plain, n);
		in = g->tls->in;
	}
	if (out_len > 0)
		tls_server_say(g->tls, slice_of(out, out_len));
	bool ok = say(g, g->tls->out, g->tls->out_len);

	tls_server_sent(g->tls, g->tls->out_len);
	return ok && g->tls->err == 0;
}

static struct tls_server *spare[256];
static unsigned spares;

static bool begin_tls(struct guest *g)
{
	const struct tls_server_conf server = {
		.chain = TEST_PKI "/server.pem", .key = TEST_PKI "/server.key", .home = &home,
	};

	g->tls_begins = false;
	g->tls = spares > 0 ? spare[--spares] : calloc(1, sizeof(*g->tls));
	return g->tls != NULL && tls_server_open(g->tls, &server);
}

static void part(struct guest *g)
{
	if (g->tls != NULL) {
		tls_server_close(g->tls);
		if (spares < ARRAY_LEN(spare))
			spare[spares++] = g->tls;
		else
			free(g->tls);
	}
	close(g->fd);
	free(g);
}

static void tell_count(uint64_t before)
{
	char text[32];

	if (conf->counter < 0 || messages == before)
		return;
	int n = snprintf(text, sizeof(text), "mesg=%llu\n", (unsigned long long)messages);

	if (write(conf->counter, text, (size_t)n) != n)
		abort();
}

/* False: the guest has left. */
static bool serve(struct guest *g)
{
	static char in[READ_SIZE];
	uint64_t before = messages;
	ssize_t len = recv(g->fd, in, sizeof(in), 0);
	bool ok;

	if (len <= 0)
		return len < 0 && (errno == EINTR || errno == EAGAIN);
	out_len = 0;
	if (g->tls != NULL) {
		ok = hear_tls(g, slice_of(in, (size_t)len));
	} else {
		hear(g, in, (size_t)len);
		ok = say(g, out, out_len) && (!g->tls_begins || begin_tls(g));
	}
	tell_count(before);
	return ok && !g->gone;
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

void alone_sink_serve(int listener, const struct alone_sink_conf *sink)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event events[EVENTS], event = { .events = EPOLLIN };

	conf = sink;
	if (conf->tls && crypto_library_start() < 0)
		abort();
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0)
		abort();
	for (;;) {
		int n = epoll_wait(epoll, events, EVENTS, -1);

		crypto_time_set((uint64_t)time(NULL) * NS_PER_SEC);	/* tickets are as old as the client says */
		for (int i = 0; i < n; i++) {
			struct guest *g = events[i].data.ptr;

			if (g == NULL) {
				welcome(epoll, listener);
			} else if (!serve(g)) {
				part(g);
			}
		}
	}
}

pid_t alone_sink_start(unsigned cpu, const struct alone_sink_conf *sink, uint16_t *ret_port)
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
		alone_sink_serve(listener, sink);
	}
	close(listener);
	return child;
}
