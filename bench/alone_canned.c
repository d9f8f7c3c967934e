#include "bench/alone_canned.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/io.h"
#include "core/reactor.h"

#define ENVELOPE	"MAIL FROM:<s@client.test>\r\nRCPT TO:<r@example.org>\r\n"
#define COMMANDS	ENVELOPE "DATA\r\n"
#define STEPS_MAX	8u

/* What is sent, and how many replies answer it. */
struct step {
	struct iovec iov[3];
	unsigned count;
	unsigned replies;
	bool counts;		/* a message is through when they have come */
};

struct caller {
	struct op recv_op;
	struct op send_op;
	struct io_buf_waiter wait;
	int file;
	bool connecting;
	bool closing;
	unsigned step;
	unsigned missing;
	size_t sent;
	size_t to_send;
	unsigned line_at;	/* octets of the line under way seen so far */
	bool last_line;
};

static struct {
	struct alone_conf conf;
	struct addr remote;
	struct step steps[STEPS_MAX];
	unsigned count;
	unsigned first_again;	/* the step after the last one; count: a new connection */
	struct caller *callers;
} canned;

uint64_t alone_count;

static struct iovec text(const char *octets)
{
	return (struct iovec){ (void *)(uintptr_t)octets, strlen(octets) };
}

static struct step *add(unsigned replies, struct iovec what)
{
	struct step *s = &canned.steps[canned.count++];

	ASSERT(canned.count <= STEPS_MAX);
	*s = (struct step){ .iov = { what }, .count = 1, .replies = replies };
	return s;
}

static void plan(void)
{
	struct iovec body = { (void *)(uintptr_t)canned.conf.body, canned.conf.body_len };

	add(1, text(""))->count = 0;	/* the greeting */
	add(1, text("EHLO client.test\r\n"));
	if (canned.conf.mode == ALONE_STEP) {
		canned.first_again = canned.count;
		add(1, text("MAIL FROM:<s@client.test>\r\n"));
		add(1, text("RCPT TO:<r@example.org>\r\n"));
		add(1, text("DATA\r\n"));
	} else {
		add(3, text(COMMANDS));
		canned.first_again = canned.conf.mode == ALONE_RIDE ? canned.count : UINT32_MAX;
	}
	struct step *last = add(canned.conf.mode == ALONE_RIDE ? 4 : 1, body);

	last->iov[last->count++] = text(".\r\n");
	if (canned.conf.mode == ALONE_RIDE)
		last->iov[last->count++] = text(COMMANDS);
	last->counts = true;
}

static void call(struct caller *c);

static void send_rest(struct caller *c)
{
	const struct step *s = &canned.steps[c->step];
	struct iovec iov[3];
	unsigned count = 0;
	size_t skip = c->sent;

	for (unsigned i = 0; i < s->count; i++) {
		if (skip >= s->iov[i].iov_len) {
			skip -= s->iov[i].iov_len;
			continue;
		}
		iov[count++] = (struct iovec){ (char *)s->iov[i].iov_base + skip, s->iov[i].iov_len - skip };
		skip = 0;
	}
	io_sendmsg(&c->send_op, c->file, iov, count, 0);
}

static void begin_step(struct caller *c, unsigned step)
{
	const struct step *s = &canned.steps[step];

	c->step = step;
	c->missing = s->replies;
	c->sent = c->to_send = 0;
	for (unsigned i = 0; i < s->count; i++)
		c->to_send += s->iov[i].iov_len;
	if (c->to_send > 0)
		send_rest(c);
}

static void hang_up(struct caller *c)
{
	c->closing = true;
	io_cancel(&c->recv_op);
	io_cancel(&c->send_op);
	if (c->recv_op.in_kernel || c->send_op.in_kernel)
		return;
	io_close(c->file);
	call(c);
}

static void end_step(struct caller *c)
{
	alone_count += canned.steps[c->step].counts;
	if (c->step + 1 < canned.count)
		begin_step(c, c->step + 1);
	else if (canned.first_again < canned.count)
		begin_step(c, canned.first_again);
	else
		hang_up(c);
}

/* A reply's last line has a blank behind its code. */
static void count_replies(struct caller *c, struct slice data)
{
	for (size_t i = 0; i < data.len && !c->closing; i++) {
		if (c->line_at++ == 3)
			c->last_line = data.ptr[i] == ' ';
		if (data.ptr[i] != '\n')
			continue;
		c->line_at = 0;
		ASSERT(c->missing > 0);
		if (c->last_line && --c->missing == 0)
			end_step(c);
	}
}

static void on_buf(struct io_buf_waiter *waiter)
{
	struct caller *c = container_of(waiter, struct caller, wait);

	io_recv(&c->recv_op, c->file);
}

static void on_recv(struct op *op, int res)
{
	struct caller *c = container_of(op, struct caller, recv_op);

	if (c->closing) {
		if (!op->in_kernel)
			hang_up(c);
	} else if (res > 0) {
		count_replies(c, op->data);
		if (!op->in_kernel && !c->closing)
			io_recv(op, c->file);
	} else if (res == -ENOBUFS) {
		io_buf_wait(&c->wait);
	} else {
		hang_up(c);
	}
}

static void on_sent(struct op *op, int res)
{
	struct caller *c = container_of(op, struct caller, send_op);

	if (c->closing) {
		hang_up(c);
		return;
	}
	ASSERT(res >= 0);
	if (c->connecting) {
		c->connecting = false;
		io_recv(&c->recv_op, c->file);
		begin_step(c, 0);
		return;
	}
	c->sent += (size_t)res;
	if (c->sent < c->to_send)
		send_rest(c);
}

static void call(struct caller *c)
{
	op_init(&c->recv_op, on_recv);
	op_init(&c->send_op, on_sent);
	list_init(&c->wait.node);
	c->wait.fn = on_buf;
	c->connecting = true;
	c->closing = false;
	c->line_at = 0;
	io_connect(&c->send_op, &canned.remote, NULL, &c->file);
}

void canned_start(const struct alone_conf *conf)
{
	static const uint8_t loopback[4] = { 127, 0, 0, 1 };

	canned.conf = *conf;
	canned.remote = addr_from_ip4(loopback, conf->port);
	canned.callers = calloc(conf->sessions, sizeof(*canned.callers));
	ASSERT(canned.callers != NULL);
	plan();
	for (unsigned i = 0; i < conf->sessions; i++)
		call(&canned.callers[i]);
}
