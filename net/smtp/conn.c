#include "net/smtp/conn.h"

#include <errno.h>

#include "core/err.h"

static void chain_advance(struct conn *c, size_t n);
static void finish_close(struct conn *c);
static void on_uncopied(struct op *op, int res);

static struct conn_zero_copy *copy_at(struct conn *c, unsigned i)
{
	return &c->copies[(c->copy_first + i) % CONN_ZERO_COPIES];
}

/* The send under way, if it is one that is not copied. */
static struct conn_zero_copy *copy_unanswered(struct conn *c)
{
	struct conn_zero_copy *last = c->copy_count > 0 ? copy_at(c, c->copy_count - 1) : NULL;

	return last != NULL && !last->answered ? last : NULL;
}

static bool is_sending(struct conn *c)
{
	return c->send_op.in_kernel || copy_unanswered(c) != NULL;
}

static void on_reset(struct op *op, int res)
{
	struct conn *c = container_of(op, struct conn, recv_op);

	(void)res;		/* if it is not connected any more, all the better */
	CHECK_MAGIC(c, CONN_MAGIC);
	finish_close(c);
}

static void finish_close(struct conn *c)
{
	if (c->recv_op.in_kernel || c->send_op.in_kernel)
		return;		/* their completions bring us back here */
	if (c->copy_count > 0) {
		if (c->resetting)
			return;
		c->resetting = true;
		op_init(&c->recv_op, on_reset);
		io_reset(&c->recv_op, c->file);
		return;
	}
	/* Which of the wrapped octets the peer can read, we do not know: some of them have left. */
	if (c->wire_cut)
		chain_advance(c, c->wire_plain);
	if (c->file >= 0)
		io_close(c->file);
	c->file = -1;
	c->state = CONN_CLOSED;
	c->magic = 0;
	c->events->on_closed(c);
}

static void lose(struct conn *c, int err)
{
	if (c->state != CONN_OPEN)
		return;
	c->state = CONN_LOST;
	c->events->on_lost(c, c->wrap_err < 0 ? c->wrap_err : err);	/* the first is what caused the second */
}

/* --- receiving -------------------------------------------------------------------------------- */

static void on_bufs(struct io_buf_waiter *w)
{
	struct conn *c = container_of(w, struct conn, buf_wait);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_OPEN)
		io_recv(&c->recv_op, c->file);
}

static void unwrap(struct conn *c, struct slice in)
{
	struct slice plain;
	int r = 1;

	c->unwrapping = true;
	while (c->state == CONN_OPEN && r > 0) {
		r = c->transform->unwrap(c->transform, &in, &plain);
		if (r > 0 && plain.len > 0)
			c->events->on_data(c, plain);
	}
	c->unwrapping = false;
	if (c->state == CONN_OPEN && r == 0)
		c->events->on_read(c);
	if (c->state != CONN_OPEN)
		return;
	if (r < 0)
		c->transform->is_ready = false;	/* what waits to be said has come too late; an alert still goes */
	conn_flush(c);		/* an answer of its own, or what has waited for it to be ready */
	if (r < 0)
		lose(c, r);
}

static void on_recv(struct op *op, int res)
{
	struct conn *c = container_of(op, struct conn, recv_op);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_CLOSING) {
		finish_close(c);
		return;
	}
	if (res == -ENOBUFS) {
		io_buf_wait(&c->buf_wait);	/* no room is not a failure (row URG-06) */
		return;
	}
	if (res <= 0) {
		lose(c, res == 0 ? ERR_EOF : res);
		return;
	}
	if (c->state == CONN_OPEN && c->transform != NULL)
		unwrap(c, op->data);
	else if (c->state == CONN_OPEN)
		c->events->on_data(c, op->data);
	/* A multishot receive ends when it likes (row URG-05); whoever still wants data starts it again. */
	if (c->state == CONN_OPEN && !op->in_kernel && list_is_empty(&c->buf_wait.node))
		io_recv(op, c->file);
}

/* --- sending ---------------------------------------------------------------------------------- */

void conn_lend(struct conn *c, char *out)
{
	ASSERT(conn_is_drained(c) && c->out_used == 0);
	c->out = out;
}

struct str conn_command(struct conn *c, size_t size)
{
	ASSERT(c->out != NULL);
	const size_t room = CONN_OUT - c->out_used;

	return (struct str){
		.ptr = c->out + c->out_used, .cap = room, .full = size > room || conn_room(c) == 0,
	};
}

void conn_command_add(struct conn *c, const struct str *command)
{
	struct conn_piece *last = &c->pieces[(c->piece_first + c->piece_count - 1) % CONN_PIECES];
	const char *ptr = c->out + c->out_used;

	ASSERT(!command->full);
	ASSERT(command->ptr == ptr);
	c->out_used += command->len;
	/* Commands in a row are one piece. */
	if (c->piece_count > 0 && last->is_command && last->ptr + last->len == ptr) {
		last->len += command->len;
		return;
	}
	conn_add(c, ptr, command->len, 0);
	c->pieces[(c->piece_first + c->piece_count - 1) % CONN_PIECES].is_command = true;
}

void conn_add(struct conn *c, const void *ptr, size_t len, uint8_t tag)
{
	ASSERT(c->piece_count < CONN_PIECES);
	c->pieces[(c->piece_first + c->piece_count) % CONN_PIECES] =
		(struct conn_piece){ .ptr = ptr, .len = len, .tag = tag };
	c->piece_count++;
}

static bool may_go_uncopied(struct conn *c, const struct conn_piece *p)
{
	return !p->is_command && c->transform == NULL && c->copy_count < CONN_ZERO_COPIES &&
	       zero_copy_may(c->zero_copy, c->peer, p->len, reactor_now());
}

/* What goes next, up to a piece that goes alone, without being copied. */
static unsigned chain_iov(struct conn *c, struct iovec iov[IO_IOV_MAX])
{
	unsigned n = 0;

	for (; n < c->piece_count && n < IO_IOV_MAX; n++) {
		struct conn_piece *p = &c->pieces[(c->piece_first + n) % CONN_PIECES];

		if (n > 0 && may_go_uncopied(c, p))
			break;
		iov[n] = (struct iovec){ (void *)(uintptr_t)p->ptr, p->len };
	}
	return n;
}

static void flush_wrapped(struct conn *c)
{
	struct conn_transform *t = c->transform;
	NOT_ZEROED struct iovec iov[IO_IOV_MAX];

	if (c->wire.len == 0) {
		c->wire_plain = 0;
		c->wrap_err = t->wrap(t, iov, t->is_ready ? chain_iov(c, iov) : 0, &c->wire, &c->wire_plain);
		ASSERT(c->wire_plain == 0 || c->wire.len > 0);
	}
	if (c->wrap_err < 0)	/* who asked us is not told inside the question */
		io_shutdown(&c->send_op, c->file, SHUT_RDWR);
	else if (c->wire.len > 0)
		io_send(&c->send_op, c->file, c->wire.ptr, c->wire.len, 0);
}

static void send_uncopied(struct conn *c, const struct conn_piece *p)
{
	struct conn_zero_copy *z = copy_at(c, c->copy_count);

	*z = (struct conn_zero_copy){ .conn = c, .size = p->len };
	op_init(&z->op, on_uncopied);
	c->copy_count++;
	zero_copy_begin(c->zero_copy, c->peer, z->size);
	io_send_zc(&z->op, c->file, p->ptr, p->len, c->piece_count > 1 ? IO_SEND_MORE : 0);
}

void conn_flush(struct conn *c)
{
	NOT_ZEROED struct iovec iov[IO_IOV_MAX];

	if (c->state != CONN_OPEN || c->send_broken || is_sending(c))
		return;
	if (c->transform != NULL) {
		flush_wrapped(c);
		return;
	}
	if (c->piece_count == 0)
		return;
	if (may_go_uncopied(c, &c->pieces[c->piece_first])) {
		send_uncopied(c, &c->pieces[c->piece_first]);
		return;
	}
	unsigned n = chain_iov(c, iov);
	unsigned flags = n < c->piece_count ? IO_SEND_MORE : 0;

	if (n == 1)
		io_send(&c->send_op, c->file, iov[0].iov_base, iov[0].iov_len, flags);
	else
		io_sendmsg(&c->send_op, c->file, iov, n, flags);
}

/* Takes n sent octets off the chain; a short send leaves the rest of its piece (row URG-13). */
static void chain_advance(struct conn *c, size_t n)
{
	c->octets_sent += n;
	while (n > 0) {
		struct conn_piece *p = &c->pieces[c->piece_first];
		size_t part = MIN(n, p->len);

		ASSERT(c->piece_count > 0);
		p->ptr += part;
		p->len -= part;
		n -= part;
		if (p->len > 0)
			return;
		uint8_t tag = p->tag;

		c->piece_first = (c->piece_first + 1) % CONN_PIECES;
		if (--c->piece_count == 0) {
			c->out_used = 0;
			c->piece_first = 0;	/* what was touched last is near */
		}
		if (tag != 0 && c->copy_count > 0)
			copy_at(c, c->copy_count - 1)->tags |= tag;	/* once all are let go of that may be its */
		else if (tag != 0 && c->state == CONN_OPEN)
			c->events->on_sent(c, tag);
	}
}

/* Octets of the wire have left: those of the chain that are in it leave with the last. */
static void on_wire_sent(struct conn *c, size_t n)
{
	slice_skip(&c->wire, n);
	c->wire_cut = c->wire.len > 0;
	if (c->wire.len == 0)
		chain_advance(c, c->wire_plain);
}

static void on_octets_sent(struct conn *c, size_t n)
{
	if (c->transform != NULL)
		on_wire_sent(c, n);
	else
		chain_advance(c, n);
}

/* A send has ended, and did so well or not. */
static void after_send(struct conn *c, int res)
{
	if (res < 0) {
		/* The peer's last words may still be on their way in: a reset send says nothing about them. The
		 * receive ends by itself, and then we know all (B 15.6). */
		c->send_broken = true;
		if ((res == -EPIPE || res == -ECONNRESET) && c->recv_op.in_kernel && c->state == CONN_OPEN)
			return;
		lose(c, res);
		return;
	}
	on_octets_sent(c, (size_t)res);
	if (c->state == CONN_OPEN)
		c->events->on_progress(c);
	if (c->state != CONN_OPEN)
		return;
	if (c->piece_count == 0)
		c->events->on_drained(c);
	if (c->state == CONN_OPEN)
		conn_flush(c);
}

static void on_send(struct op *op, int res)
{
	struct conn *c = container_of(op, struct conn, send_op);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_CLOSING) {
		/* What has left has left: the owner may ask what is still in the chain (row WIN-05). */
		if (res > 0)
			on_octets_sent(c, (size_t)res);
		finish_close(c);
		return;
	}
	after_send(c, c->wrap_err < 0 ? c->wrap_err : res);	/* with a wrap_err, this was not a send */
}

/* The oldest sends that the kernel has let go of are forgotten, and their pieces are their owner's again. */
static void retire_copies(struct conn *c)
{
	const unsigned before = c->copy_count;
	uint8_t tags = 0;

	for (; c->copy_count > 0 && copy_at(c, 0)->let_go; c->copy_count--) {
		struct conn_zero_copy *z = copy_at(c, 0);

		zero_copy_end(c->zero_copy, c->peer, z->size, z->told, z->copied, reactor_now());
		tags |= z->tags;
		c->copy_first = (c->copy_first + 1) % CONN_ZERO_COPIES;
	}
	if (c->copy_count == before || c->state != CONN_OPEN)
		return;
	if (tags != 0)
		c->events->on_sent(c, tags);
	if (c->state == CONN_OPEN)
		c->events->on_progress(c);
	if (c->state == CONN_OPEN)
		conn_flush(c);
}

/* Two completions: the result, and that the kernel has let go. Whether the second comes, the first one says (row
 * URG-15). */
static void on_uncopied(struct op *op, int res)
{
	struct conn_zero_copy *z = container_of(op, struct conn_zero_copy, op);
	struct conn *c = z->conn;
	const bool is_result = !z->answered;

	CHECK_MAGIC(c, CONN_MAGIC);
	z->answered = true;
	z->is_sent |= is_result && res > 0;
	z->let_go = !op->more;
	z->told |= !is_result && z->is_sent;
	z->copied |= op->copied;
	if (is_result && c->state == CONN_CLOSING && res > 0)
		on_octets_sent(c, (size_t)res);
	else if (is_result && c->state == CONN_OPEN && res < 0 && zero_copy_refused(c->zero_copy, res, reactor_now()))
		conn_flush(c);
	else if (is_result && c->state != CONN_CLOSING)
		after_send(c, res);
	if (z->let_go)
		retire_copies(c);
	if (c->state == CONN_CLOSING)
		finish_close(c);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void on_connect(struct op *op, int res)
{
	struct conn *c = container_of(op, struct conn, send_op);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_CLOSING) {
		finish_close(c);
		return;
	}
	if (res < 0) {
		c->state = CONN_LOST;
		c->events->on_open(c, res);
		return;
	}
	c->state = CONN_OPEN;
	op_init(&c->send_op, on_send);
	io_recv(&c->recv_op, c->file);
	c->events->on_open(c, 0);
}

void conn_open(struct conn *c, const struct conn_events *events, const struct addr *remote, const struct addr *local,
	       struct zero_copy *zero_copy)
{
	ASSERT(c->state == CONN_CLOSED);
	c->magic = CONN_MAGIC;
	c->state = CONN_CONNECTING;
	c->events = events;
	c->remote = *remote;
	c->local = local != NULL ? *local : (struct addr){ 0 };
	c->octets_sent = 0;
	c->transform = NULL;
	c->wire = (struct slice){ 0 };
	c->wire_plain = 0;
	c->wire_cut = false;
	c->wrap_err = 0;
	c->file = -1;
	c->zero_copy = zero_copy;
	c->peer = zero_copy_peer(zero_copy, remote);
	c->copy_first = 0;
	c->copy_count = 0;
	c->resetting = false;
	c->send_broken = false;
	c->piece_first = 0;
	c->piece_count = 0;
	c->out_used = 0;
	c->out = NULL;
	op_init(&c->recv_op, on_recv);
	op_init(&c->send_op, on_connect);
	list_init(&c->buf_wait.node);
	c->buf_wait.fn = on_bufs;
	io_connect(&c->send_op, &c->remote, local != NULL ? &c->local : NULL, &c->file);
}

void conn_transform_begin(struct conn *c, struct conn_transform *t)
{
	ASSERT(c->state == CONN_OPEN && conn_is_drained(c) && !is_sending(c));
	c->transform = t;
	conn_flush(c);
}

/* Asking is not having: the kernel may still write into our buffers, so we are closed only after the last completion.
 * The shutdown inside the cancel order of row URG-01 is not needed: cancelling by operation reaches sends and
 * receives alike. */
void conn_close(struct conn *c)
{
	CHECK_MAGIC(c, CONN_MAGIC);
	ASSERT(c->state != CONN_CLOSING && c->state != CONN_CLOSED);
	c->state = CONN_CLOSING;
	io_buf_wait_cancel(&c->buf_wait);
	io_cancel(&c->recv_op);
	io_cancel(&c->send_op);
	if (copy_unanswered(c) != NULL)
		io_cancel(&copy_unanswered(c)->op);
	if (c->recv_op.in_kernel || c->send_op.in_kernel || copy_unanswered(c) != NULL)
		return;
	/* Nothing is under way: on_closed must still not run inside this call. */
	op_init(&c->send_op, on_send);
	io_shutdown(&c->send_op, c->file, SHUT_RDWR);
}
