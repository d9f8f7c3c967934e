#include "core/listener.h"

#include <errno.h>

static void accept_start(struct listener_accept *a)
{
	a->listener->in_kernel++;
	io_accept(&a->op, a->listener->file, &a->peer);
}

static void accept_all(struct listener *l)
{
	for (unsigned i = 0; i < LISTENER_ACCEPTS; i++)
		if (!l->accepts[i].op.in_kernel)
			accept_start(&l->accepts[i]);
}

static void finish_close(struct listener *l)
{
	if (l->in_kernel > 0)
		return;
	io_close(l->file);
	if (l->on_closed != NULL)
		l->on_closed(l);
}

static void on_pause_over(struct wheel_timer *timer)
{
	struct listener *l = container_of(timer, struct listener, pause);

	if (!l->closing)
		accept_all(l);
}

static void on_failed(struct listener *l, int err)
{
	/* Somebody who went away while waiting says nothing about us. */
	if (err == -ECONNABORTED || err == -EPROTO || err == -EPERM)
		err = 0;
	if (err < 0 && l->on_trouble != NULL &&
	    (l->reported_ns == 0 || reactor_now() - l->reported_ns >= LISTENER_REPORT_NS)) {
		l->reported_ns = reactor_now();
		l->on_trouble(l, err);
	}
	if (!wheel_timer_is_armed(&l->pause))
		timer_arm_in(&l->pause, err < 0 ? LISTENER_PAUSE_NS : 0);
}

static void on_accepted(struct op *op, int res)
{
	struct listener_accept *a = container_of(op, struct listener_accept, op);
	struct listener *l = a->listener;

	l->in_kernel--;
	if (l->closing) {
		if (res >= 0)
			io_close(res);
		finish_close(l);
		return;
	}
	if (res >= 0)
		l->on_accept(l, res, &a->peer);
	else
		on_failed(l, res);
	/* on_accept may have closed us. */
	if (res >= 0 && !l->closing && !op->in_kernel)
		accept_start(a);
}

int listener_open(struct listener *l, const struct addr *addr, int backlog)
{
	int r = io_listen(addr, backlog, &l->file);

	if (r < 0)
		return r;
	l->addr = *addr;
	l->closing = false;
	l->in_kernel = 0;
	l->reported_ns = 0;
	wheel_timer_init(&l->pause, on_pause_over);
	for (unsigned i = 0; i < LISTENER_ACCEPTS; i++) {
		op_init(&l->accepts[i].op, on_accepted);
		l->accepts[i].listener = l;
	}
	accept_all(l);
	return 0;
}

static void cancel_all(struct listener *l)
{
	timer_cancel(&l->pause);
	for (unsigned i = 0; i < LISTENER_ACCEPTS; i++)
		io_cancel(&l->accepts[i].op);
}

void listener_close(struct listener *l)
{
	ASSERT(!l->closing);
	l->closing = true;
	cancel_all(l);
	if (l->in_kernel == 0)
		finish_close(l);
}
