#include "net/lookup/fd_watch.h"

#include <errno.h>
#include <poll.h>

static void on_poll(struct op *op, int res);

void fd_watch_init(struct fd_watch *w, fd_watch_ready_fn *ready, fd_watch_fn *returned)
{
	memset(w, 0, sizeof(*w));
	w->ready = ready;
	w->returned = returned;
	for (unsigned i = 0; i < FD_WATCH_MAX; i++)
		w->fds[i].fd = -1;
	for (unsigned i = 0; i < FD_WATCH_POLLS; i++)
		w->polls[i].watch = w;
}

static struct fd_watch_fd *find(struct fd_watch *w, int fd)
{
	for (unsigned i = 0; i < FD_WATCH_MAX; i++)
		if (w->fds[i].fd == fd)
			return &w->fds[i];
	return NULL;
}

/* The two go separate ways: the poll to its end in the kernel, the place to another descriptor. */
static void forget(struct fd_watch_fd *f)
{
	f->fd = -1;
	if (f->poll == NULL)
		return;
	f->poll->fd = NULL;
	io_cancel(&f->poll->op);
	f->poll = NULL;
}

void fd_watch_want(struct fd_watch *w, void *owner, int fd, bool readable, bool writable)
{
	struct fd_watch_fd *f = find(w, fd);

	if (!readable && !writable) {
		if (f != NULL)
			forget(f);
		return;
	}
	if (f == NULL) {
		f = find(w, -1);
		if (f == NULL) {
			w->left_out++;
			return;
		}
		*f = (struct fd_watch_fd){ .fd = fd, .owner = owner };
	}
	f->readable = readable;
	f->writable = writable;
}

static struct fd_watch_poll *poll_find_free(struct fd_watch *w)
{
	for (unsigned i = 0; i < FD_WATCH_POLLS; i++)
		if (!w->polls[i].armed)
			return &w->polls[i];
	return NULL;
}

static void poll_start(struct fd_watch *w, struct fd_watch_fd *f, unsigned events)
{
	struct fd_watch_poll *p = poll_find_free(w);

	if (p == NULL)
		return;		/* a cancelled one comes back soon, and then everybody is looked at again */
	op_init(&p->op, on_poll);
	p->armed = true;
	p->events = events;
	p->fd = f;
	f->poll = p;
	io_poll(&p->op, f->fd, events);
}

void fd_watch_start(struct fd_watch *w)
{
	for (unsigned i = 0; i < FD_WATCH_MAX; i++) {
		struct fd_watch_fd *f = &w->fds[i];
		unsigned events = (f->readable ? POLLIN : 0u) | (f->writable ? POLLOUT : 0u);

		if (f->fd < 0 || f->wait_for_retry)
			continue;
		if (f->poll == NULL)
			poll_start(w, f, events);
		else if (f->poll->events != events)
			io_cancel(&f->poll->op);	/* its callback brings us back here */
	}
}

void fd_watch_retry(struct fd_watch *w)
{
	for (unsigned i = 0; i < FD_WATCH_MAX; i++)
		w->fds[i].wait_for_retry = false;
}

static void tell_ready(struct fd_watch *w, const struct fd_watch_fd *f, int res)
{
	bool failed = (res & (POLLERR | POLLHUP | POLLNVAL)) != 0;
	bool can_read = failed || (res & POLLIN) != 0;
	bool can_write = f->writable && (failed || (res & POLLOUT) != 0);

	w->ready(w, f->owner, f->fd, can_read, can_write);
}

static void tell_closed(struct fd_watch *w)
{
	for (unsigned i = 0; i < FD_WATCH_POLLS; i++)
		if (w->polls[i].armed)
			return;
	w->closed(w);
}

static void on_poll(struct op *op, int res)
{
	struct fd_watch_poll *p = container_of(op, struct fd_watch_poll, op);
	struct fd_watch *w = p->watch;
	struct fd_watch_fd *f = p->fd;

	p->armed = false;
	p->fd = NULL;
	if (w->closed != NULL) {
		tell_closed(w);
		return;
	}
	if (f != NULL) {
		ASSERT(f->poll == p);
		f->poll = NULL;
		if (res >= 0)
			tell_ready(w, f, res);
		else if (res != -ECANCELED)
			f->wait_for_retry = true;
	}
	w->returned(w);
}

void fd_watch_close(struct fd_watch *w, fd_watch_fn *closed)
{
	ASSERT(w->closed == NULL);
	for (unsigned i = 0; i < FD_WATCH_MAX; i++)
		forget(&w->fds[i]);
	w->closed = closed;
	tell_closed(w);
}
