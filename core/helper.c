#include "core/helper.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* What one has written before it lets go of a job, the other sees behind taking it. */
static void let_go(struct helper_job *job)
{
	atomic_fetch_add_explicit(&job->handed_over, 1, memory_order_release);
}

static void take(struct helper_job *job)
{
	(void)atomic_load_explicit(&job->handed_over, memory_order_acquire);
}

/* --- the helper's thread ---------------------------------------------------------------------------- */

static void *run(void *context)
{
	const int fd = (int)(intptr_t)context;
	struct helper_job *job;

	for (;;) {
		ssize_t n = read(fd, &job, sizeof(job));

		if (n < 0 && errno == EINTR)
			continue;
		if (n != (ssize_t)sizeof(job))
			break;			/* the core has closed its end */
		take(job);
		job->work(job);
		let_go(job);
		n = write(fd, &job, sizeof(job));
		ASSERT(n == (ssize_t)sizeof(job) || errno == EPIPE);
	}
	(void)close(fd);
	return NULL;
}

/* --- the core --------------------------------------------------------------------------------------- */

static void finish_close(struct helper *h)
{
	if (!h->closing || h->recv_op.in_kernel || h->send_op.in_kernel)
		return;
	io_close(h->file);
	h->closed(h);
}

static void send_next(struct helper *h)
{
	if (h->send_op.in_kernel || list_is_empty(&h->waiting))
		return;
	struct helper_job *job = list_entry(h->waiting.next, struct helper_job, node);

	list_remove(&job->node);
	let_go(job);
	h->sent = job;
	io_send(&h->send_op, h->file, &h->sent, sizeof(h->sent), 0);
}

static void on_send(struct op *op, int res)
{
	struct helper *h = container_of(op, struct helper, send_op);

	ASSERT(res == (int)sizeof(h->sent));	/* a packet goes whole, and the thread lives as long as we do */
	send_next(h);
}

static void on_bufs(struct io_buf_waiter *waiter)
{
	struct helper *h = container_of(waiter, struct helper, buf_wait);

	if (!h->closing)
		io_recv(&h->recv_op, h->file);
}

static void on_recv(struct op *op, int res)
{
	struct helper *h = container_of(op, struct helper, recv_op);
	struct helper_job *job;

	if (res > 0) {
		ASSERT(op->data.len == sizeof(job) && h->count > 0);
		memcpy(&job, op->data.ptr, sizeof(job));
		h->count--;
		take(job);
		job->done(job);
	}
	if (op->in_kernel)
		return;
	if (h->closing)
		finish_close(h);
	else if (res == -ENOBUFS)
		io_buf_wait(&h->buf_wait);
	else
		io_recv(&h->recv_op, h->file);	/* a multishot receive ends when it likes (row URG-05) */
}

int helper_open(struct helper *h)
{
	pthread_t thread;
	int fds[2];

	memset(h, 0, sizeof(*h));
	list_init(&h->waiting);
	list_init(&h->buf_wait.node);
	h->buf_wait.fn = on_bufs;
	op_init(&h->send_op, on_send);
	op_init(&h->recv_op, on_recv);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		return -errno;
	int r = io_adopt(fds[0], &h->file);

	if (r == 0)
		r = -pthread_create(&thread, NULL, run, (void *)(intptr_t)fds[1]);
	if (r < 0) {
		(void)close(fds[1]);
		return r;
	}
	(void)pthread_detach(thread);	/* it ends when the core closes its end, or with the process */
	io_recv(&h->recv_op, h->file);
	return 0;
}

void helper_submit(struct helper *h, struct helper_job *job)
{
	ASSERT(!h->closing);
	h->count++;
	atomic_init(&job->handed_over, 0);
	list_init(&job->node);
	list_push_back(&h->waiting, &job->node);
	send_next(h);
}

void helper_close(struct helper *h, void (*closed)(struct helper *h))
{
	ASSERT(h->count == 0 && !h->closing);
	h->closing = true;
	h->closed = closed;
	io_buf_wait_cancel(&h->buf_wait);
	if (!h->recv_op.in_kernel)
		io_recv(&h->recv_op, h->file);	/* its end is ours */
	io_cancel(&h->recv_op);
}
