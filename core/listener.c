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

	if (l->closing)
		return;
	if (!l->troubled)
		accept_all(l);
	else if (l->in_kernel == 0)
		accept_start(&l->accepts[0]);
}

/* Somebody who went away while waiting says nothing about us, unless it never ends. */
static bool is_their_doing(const struct listener *l, int err)
{
	return (err == -ECONNABORTED || err == -EPROTO || err == -EPERM) && l->failures <= LISTENER_GONE_MAX;
}

static void on_failed(struct listener *l, int err)
{
	l->failures++;
	if (is_their_doing(l, err)) {
		if (!wheel_timer_is_armed(&l->pause))
			timer_arm_in(&l->pause, 0);
		return;
	}
	l->troubled = true;
	if (l->on_trouble != NULL &&
	    (l->reported_ns == 0 || reactor_now() - l->reported_ns >= LISTENER_REPORT_NS)) {
		l->reported_ns = reactor_now();
		l->on_trouble(l, err);
	}
	timer_arm_in(&l->pause, LISTENER_PAUSE_NS);
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
	if (res < 0) {
		on_failed(l, res);
		return;
	}
	l->failures = 0;
	l->troubled = false;
	l->on_accept(l, res, &a->peer);
	if (!l->closing && !wheel_timer_is_armed(&l->pause))
		accept_all(l);
}

int listener_open(struct listener *l, const struct addr *addr, int backlog)
{
	int r = io_listen(addr, backlog, &l->file);

	if (r < 0)
		return r;
	l->addr = *addr;
	l->closing = false;
	l->in_kernel = 0;
	l->failures = 0;
	l->troubled = false;
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
