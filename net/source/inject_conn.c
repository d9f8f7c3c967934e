#include "net/source/inject_conn.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/wire/proxy_header.h"

#define CONN_MAGIC	UINT32_C(0x696e6a63)
#define NO_BUF		UINT32_MAX

static struct metric metric_timeouts =
	METRIC_COUNTER("ringpost_inject_timeouts_total", "SMTP connections closed because the client was silent");
static struct metric metric_bad_proxies =
	METRIC_COUNTER("ringpost_inject_bad_proxy_headers_total", "connections of a proxy that did not say whose they are");
static struct metric metric_unheard =
	METRIC_COUNTER("ringpost_inject_replies_lost_total", "messages accepted from clients that may not know it");

static void conn_close(struct inject_conn *c);
static void conn_resume(struct inject_conn *c);
static void receive_again(struct inject_conn *c);
static void release_first(struct inject_conn *c);

void inject_conn_register_metrics(void)
{
	metric_register(&metric_timeouts);
	metric_register(&metric_bad_proxies);
	metric_register(&metric_unheard);
}

/* --- the log ------------------------------------------------------------------------------------ */

static void log_connect(const struct inject_conn *c)
{
	struct slice peer = inject_session_peer(&c->session);

	log_line(LOG_LEVEL_DEBUG, "smtpd", "connect from %.*s", SLICE_FMT(peer));
}

static void log_disconnect(const struct inject_conn *c)
{
	struct slice peer = inject_session_peer(&c->session);
	char storage[512];
	struct str tally = STR(storage);

	inject_session_add_tally(&tally, &c->session);
	log_line(LOG_LEVEL_DEBUG, "smtpd", "disconnect from %.*s %.*s", SLICE_FMT(peer), SLICE_FMT(str_slice(&tally)));
}

/* Row LIS-06: the message is ours now and the client does not know, so it may send it once more. */
static void log_unheard(struct inject_conn *c, const char *why)
{
	struct slice peer = inject_session_peer(&c->session);
	char storage[MESSAGE_ID_TEXT_MAX];
	struct str id = STR(storage);

	uint32_t count = c->session.accepted - c->heard;

	if (count == 0)
		return;
	message_id_text(&id, c->session.id);
	log_line(LOG_LEVEL_INFO, "smtpd", "%.*s: reply not delivered to %.*s: %s%s", SLICE_FMT(str_slice(&id)),
		 SLICE_FMT(peer), why, count > 1 ? "; so it is for earlier messages of this connection" : "");
	metric_add(&metric_unheard, count);
	c->heard = c->session.accepted;
}

/* --- deadlines ---------------------------------------------------------------------------------- */

/* Octets are not for the session, or not yet. While hands are shaken they are TLS's. */
static bool is_waiting(const struct inject_conn *c)
{
	return inject_session_is_waiting(&c->session) && !inject_tls_is_shaking_hands(c);
}

static uint64_t progress_of(const struct inject_conn *c)
{
	return c->session.commands + c->session.octets / INJECT_PROGRESS + c->session.accepted;
}

/* While we wait for the client, it has so long for its next step; a step begun is no step (a slow drip gains
 * nothing). */
static void deadline_update(struct inject_conn *c)
{
	if (c->state != CONN_OPEN)
		return;
	if (c->session.state >= INJECT_LAST_WORDS) {
		timer_arm_in(&c->timer, INJECT_LINGER_NS);
		return;
	}
	if (inject_tls_is_shaking_hands(c))
		return;		/* a deadline for the whole of it */
	if (inject_session_is_awaited(&c->session) || c->session.wait == INJECT_WAIT_ROOM) {
		timer_cancel(&c->timer);
		return;
	}
	if (c->session.wait == INJECT_WAIT_DELAY) {
		timer_arm_in(&c->timer, c->owner->params->smtpd_error_sleep_time_ns);
		return;
	}
	if (wheel_timer_is_armed(&c->timer) && c->progress == progress_of(c))
		return;
	c->progress = progress_of(c);
	timer_arm_in(&c->timer, c->owner->params->smtpd_timeout_ns);
}

/* --- sending ------------------------------------------------------------------------------------ */

static void flush_later(struct inject_conn *c)
{
	if (c->tls.is_on || c->session.out.len > c->sending)
		reactor_at_turn_end(&c->flush);
}

/* Everything is said. */
static void on_silence(struct inject_conn *c)
{
	if (c->session.state < INJECT_LAST_WORDS)
		return;
	if (c->eof || c->session.polite) {
		conn_close(c);
		return;
	}
	/* Closing with unread octets would reset the connection, and our last words might never be read. */
	c->state = CONN_LINGERING;
	while (c->held_count > 0)
		release_first(c);
	timer_arm_in(&c->timer, INJECT_LINGER_NS);
	io_shutdown(&c->send_op, c->file, SHUT_WR);
	receive_again(c);
}

static void send_wire(struct inject_conn *c)
{
	c->sending = c->tls.wire.len;
	io_send(&c->send_op, c->file, c->tls.wire.ptr, c->sending, 0);
}

static void flush_tls(struct inject_conn *c)
{
	inject_tls_wrap(c);
	if (c->session.out.len > 0 && !tls_is_open(&c->tls.tls))
		log_unheard(c, "the client has ended TLS first");
	if (c->tls.wire.len > 0)
		send_wire(c);
	else
		on_silence(c);
}

static void flush(struct task *task)
{
	struct inject_conn *c = container_of(task, struct inject_conn, flush);

	if (c->state != CONN_OPEN || c->send_op.in_kernel)
		return;
	if (c->tls.is_on) {
		flush_tls(c);
		return;
	}
	if (c->session.out.len == 0) {
		on_silence(c);
		return;
	}
	c->sending = c->session.out.len;
	io_send(&c->send_op, c->file, c->session.out.ptr, c->sending, 0);
}

/* Returns false when some of it has still to be sent. */
static bool take_off_sent(struct inject_conn *c, size_t n)
{
	struct str *out = &c->session.out;

	ASSERT(n <= c->sending);
	c->sending = 0;
	if (c->tls.is_on) {
		slice_skip(&c->tls.wire, n);
		return c->tls.wire.len == 0;
	}
	out->len -= n;
	memmove(out->ptr, out->ptr + n, out->len);
	return true;
}

static void on_sent(struct inject_conn *c, size_t n)
{
	if (!take_off_sent(c, n)) {
		send_wire(c);
		return;
	}
	if (c->session.out.len == 0)
		c->heard = c->session.accepted;
	inject_session_on_out(&c->session);
	if (c->session.state == INJECT_STARTTLS && !c->tls.is_on && c->session.out.len == 0) {
		inject_tls_begin(c);	/* the client has our yes: what comes from here on is TLS */
		flush_later(c);
		conn_resume(c);
	} else if (c->state == CONN_OPEN) {
		flush(&c->flush);
	}
}

static void on_send(struct op *op, int res)
{
	struct inject_conn *c = container_of(op, struct inject_conn, send_op);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_CLOSING) {
		conn_close(c);
	} else if (c->state == CONN_LINGERING) {
		if (c->eof || res < 0)
			conn_close(c);
	} else if (res < 0) {
		log_unheard(c, err_text(res));
		conn_close(c);
	} else {
		on_sent(c, (size_t)res);
	}
}

/* --- receiving ---------------------------------------------------------------------------------- */

static void on_client_gone(struct inject_conn *c)
{
	c->eof = true;
	if (c->state == CONN_LINGERING || c->state == CONN_PROXY) {
		conn_close(c);
		return;
	}
	/* What was said before is still heard out, and answered: a client may have closed its own side only. */
	if (c->held_count > 0 || is_waiting(c))
		return;
	inject_session_done(&c->session);
	reactor_at_turn_end(&c->flush);
}

static void on_bufs(struct io_buf_waiter *waiter)
{
	struct inject_conn *c = container_of(waiter, struct inject_conn, buf_wait);

	CHECK_MAGIC(c, CONN_MAGIC);
	receive_again(c);
}

static void receive_again(struct inject_conn *c)
{
	if (c->state == CONN_CLOSING || c->recv_op.in_kernel || c->eof || !list_is_empty(&c->buf_wait.node))
		return;
	if (c->state == CONN_OPEN && (is_waiting(c) || c->held_count > 0 || c->owner->paused))
		return;		/* conn_resume, resume_all */
	io_recv(&c->recv_op, c->file);
}

/* --- receive buffers that are kept ---------------------------------------------------------------------- */

/* Those who deliver need receive buffers too, above all when the disk has stopped and nothing else goes on (row
 * SPL-08). So at a bound for all connections together, nobody receives any more until half of what is held has been
 * taken. */
static void pause_all(struct inject *inject)
{
	inject->paused = true;
	for (struct list *n = inject->list.next; n != &inject->list; n = n->next) {
		struct inject_conn *c = list_entry(n, struct inject_conn, node);

		io_buf_wait_cancel(&c->buf_wait);
		io_cancel(&c->recv_op);
	}
}

void inject_conn_resume_all(struct task *task)
{
	struct inject *inject = container_of(task, struct inject, resume_all);

	if (inject->paused)
		return;
	for (struct list *n = inject->list.next; n != &inject->list; n = n->next)
		receive_again(list_entry(n, struct inject_conn, node));
}

/* The session goes on with this later. */
static void hold(struct inject_conn *c, struct slice data)
{
	struct inject *inject = c->owner;
	uint32_t buf = io_buf_keep(&c->recv_op);

	ASSERT(buf < ARRAY_LEN(inject->held));
	inject->held[buf] = (struct inject_held){ data, NO_BUF };
	if (c->held_count++ > 0)
		inject->held[c->held_last].next = buf;
	else
		c->held_first = buf;
	c->held_last = buf;
	if (c->held_count >= INJECT_HELD_MAX || io_bufs_free() < inject->held_max)
		io_cancel(&c->recv_op);
	if (++inject->held_total >= inject->held_max && !inject->paused)
		pause_all(inject);
}

static void release_first(struct inject_conn *c)
{
	struct inject *inject = c->owner;
	uint32_t buf = c->held_first;

	ASSERT(c->held_count > 0);
	c->held_first = inject->held[buf].next;
	c->held_count--;
	io_buf_put(buf);
	if (--inject->held_total < inject->held_max / 2 && inject->paused) {
		inject->paused = false;
		reactor_at_turn_end(&inject->resume_all);
	}
}

bool inject_conn_feed(struct inject_conn *c, struct slice *in)
{
	const struct slice before = *in;
	bool in_use = inject_session_feed(&c->session, in, reactor_wall_now());

	/* The memory is ours, whoever has filled it. What begins a line has been copied; it may become an AUTH. */
	if (c->session.heard_secret || (!in_use && c->session.reader.len > 0))
		explicit_bzero((void *)(uintptr_t)before.ptr, before.len - in->len);
	c->session.heard_secret = false;
	return in_use;
}

/* Returns true when the memory has to stay. */
static bool consume(struct inject_conn *c, struct slice *in)
{
	bool in_use = false;

	if (c->tls.is_on)
		inject_tls_consume(c, in);
	else
		in_use = inject_conn_feed(c, in);
	flush_later(c);
	deadline_update(c);
	return in_use || in->len > 0;
}

static void warn_of_proxy(struct inject_conn *c, const char *why)
{
	struct slice peer = inject_session_peer(&c->session);

	metric_add(&metric_bad_proxies, 1);
	log_line(LOG_LEVEL_WARNING, "smtpd", "proxy %.*s: %s", SLICE_FMT(peer), why);
}

/* Nobody but the proxy speaks until its header is over; what is behind it in *in is the client's. Returns false when
 * this is no proxy. */
static bool take_proxy_header(struct inject_conn *c, struct slice *in)
{
	struct proxy_header header;
	int r = proxy_header_feed(&c->proxy_kept, in, &header);

	if (r < 0)
		warn_of_proxy(c, "no PROXY header, which inject_smtp_proxy_protocol demands");
	if (r <= 0)
		return r == 0;
	c->state = CONN_OPEN;
	timer_cancel(&c->timer);
	if (header.speaker != PROXY_ITSELF)
		inject_session_set_peer(&c->session, header.speaker == PROXY_CLIENT ? &header.client : NULL);
	log_connect(c);
	inject_on_client(c->owner, c, header.speaker == PROXY_CLIENT ? &header.client : &c->session.peer);
	return true;
}

/* Returns false when the connection is to be closed at once. */
static bool on_data(struct inject_conn *c, struct slice data)
{
	if (c->state == CONN_PROXY && !take_proxy_header(c, &data))
		return false;
	if (data.len == 0)
		return true;
	if (c->session.state >= INJECT_LAST_WORDS)
		c->discarded += data.len;
	else if (c->held_count > 0 || is_waiting(c) || consume(c, &data))
		hold(c, data);
	return true;
}

static void on_recv(struct op *op, int res)
{
	struct inject_conn *c = container_of(op, struct inject_conn, recv_op);
	bool is_over = false;

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_CLOSING) {
		conn_close(c);
		return;
	}
	if (res == -ENOBUFS && !c->eof) {
		if (!is_waiting(c) && !c->owner->paused && list_is_empty(&c->buf_wait.node))
			io_buf_wait(&c->buf_wait);	/* no room is not a failure (row URG-06) */
		return;
	}
	if (res == 0) {
		on_client_gone(c);
		return;
	}
	if (res > 0)
		is_over = !on_data(c, op->data);
	else if (res != -ECANCELED)
		log_unheard(c, err_text(res));
	if (is_over || (res < 0 && res != -ECANCELED) || c->discarded > INJECT_LINGER_MAX) {
		conn_close(c);
		return;
	}
	/* A multishot receive ends when it likes (row URG-05). */
	if (c->eof)
		on_client_gone(c);	/* TLS has ended, and what comes behind it is not read (row TLS-19) */
	else
		receive_again(c);
}

/* Takes what was held. Called when the session has stopped waiting. */
static void conn_resume(struct inject_conn *c)
{
	struct slice nothing = SLICE("");

	if (c->tls.plain != NULL)
		(void)consume(c, &nothing);	/* what was decrypted and not taken */
	while (c->held_count > 0 && !is_waiting(c)) {
		struct inject_held *h = &c->owner->held[c->held_first];

		if (consume(c, &h->data))
			break;
		release_first(c);
	}
	if (c->eof && !is_waiting(c))
		on_client_gone(c);
	else
		receive_again(c);
}

static void on_resume(struct inject_session *s)
{
	struct inject_conn *c = container_of(s, struct inject_conn, session);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_CLOSING) {
		log_unheard(c, "lost connection");
		conn_close(c);
		return;
	}
	if (c->eof)
		log_unheard(c, "the client closed its side first");
	if (c->leave)
		inject_session_say_last(s, "421 4.3.2 Service is shutting down");
	flush_later(c);
	deadline_update(c);
	conn_resume(c);
}

/* --- beginning and end -------------------------------------------------------------------------- */

static void conn_finish(struct inject_conn *c)
{
	log_disconnect(c);
	inject_tls_done(c);
	io_close(c->file);
	c->magic = 0;
	c->session.magic = 0;
	inject_on_conn_gone(c->owner, c);
}

/* Asking is not having: the kernel may still use our buffers and the spool our waiter, so the connection goes with
 * the last of their callbacks, each of which comes back here. */
static void conn_close(struct inject_conn *c)
{
	if (c->state != CONN_CLOSING) {
		c->state = CONN_CLOSING;
		timer_cancel(&c->timer);
		reactor_unpost(&c->flush);
		io_buf_wait_cancel(&c->buf_wait);
		io_cancel(&c->recv_op);
		io_cancel(&c->send_op);
		inject_session_done(&c->session);
		while (c->held_count > 0)
			release_first(c);
	}
	inject_session_done(&c->session);
	if (!c->recv_op.in_kernel && !c->send_op.in_kernel && c->session.state == INJECT_CLOSED)
		conn_finish(c);
}

static void greet(struct inject_conn *c)
{
	inject_session_greet(&c->session);
	flush_later(c);
	deadline_update(c);
}

static void on_timer(struct wheel_timer *timer)
{
	struct inject_conn *c = container_of(timer, struct inject_conn, timer);

	CHECK_MAGIC(c, CONN_MAGIC);
	if (c->state == CONN_PROXY) {
		if (!c->owner->closing)
			warn_of_proxy(c, "no PROXY header within smtpd_upstream_proxy_timeout");
		conn_close(c);
		return;
	}
	if (c->session.state >= INJECT_LAST_WORDS) {
		conn_close(c);
		return;
	}
	if (inject_tls_is_shaking_hands(c)) {
		log_line(LOG_LEVEL_INFO, "smtpd", "SSL_accept error from %.*s: no handshake within smtpd_starttls_timeout",
			 SLICE_FMT(inject_session_peer(&c->session)));
		conn_close(c);
		return;
	}
	if (c->session.state == INJECT_GREETING) {
		greet(c);
		return;
	}
	if (c->session.wait == INJECT_WAIT_DELAY) {
		inject_auth_refuse(&c->session);
		return;
	}
	metric_add(&metric_timeouts, 1);
	inject_session_give_up(&c->session, "421 4.4.2 Timeout: nothing heard from you");
	timer_arm_in(&c->timer, INJECT_LINGER_NS);	/* to send it */
	flush_later(c);
}

void inject_conn_open(struct inject_conn *c, struct inject *inject, int file, const struct addr *peer)
{
	c->magic = CONN_MAGIC;
	c->state = CONN_OPEN;
	c->owner = inject;
	c->client = NULL;
	c->file = file;
	c->eof = false;
	c->leave = false;
	c->held_first = NO_BUF;
	c->held_last = NO_BUF;
	c->held_count = 0;
	c->sending = 0;
	c->progress = 0;
	c->discarded = 0;
	c->heard = 0;
	c->is_wrapped = false;
	memset(&c->tls, 0, sizeof(c->tls));
	list_init(&c->node);
	op_init(&c->recv_op, on_recv);
	op_init(&c->send_op, on_send);
	list_init(&c->buf_wait.node);
	c->buf_wait.fn = on_bufs;
	wheel_timer_init(&c->timer, on_timer);
	task_init(&c->flush, flush);
	inject_session_init(&c->session, &inject->common, peer);
	c->session.on_resume = on_resume;
	log_connect(c);
	receive_again(c);
}

void inject_conn_begin(struct inject_conn *c)
{
	if (!c->is_wrapped) {
		inject_conn_greet(c);
	} else if (c->owner->tls != NULL) {
		inject_tls_begin(c);
		flush_later(c);
	} else {
		inject_session_done(&c->session);	/* said at start, and again on HUP */
		reactor_at_turn_end(&c->flush);
	}
}

void inject_conn_greet(struct inject_conn *c)
{
	timer_arm_in(&c->timer, 0);
}

void inject_conn_hear_proxy(struct inject_conn *c)
{
	static_assert(PROXY_HEADER_MAX <= INJECT_STAGING_SIZE, "it fits");
	c->state = CONN_PROXY;
	c->proxy_kept = STR(c->session.staging);
	timer_arm_in(&c->timer, c->owner->params->smtpd_upstream_proxy_timeout_ns);
}

void inject_conn_turn_away(struct inject_conn *c, const char *reply)
{
	struct slice peer = inject_session_peer(&c->session);

	log_line(LOG_LEVEL_WARNING, "smtpd", "connection refused from %.*s: %s", SLICE_FMT(peer), reply);
	if (c->is_wrapped)
		inject_session_done(&c->session);	/* no words in clear, where TLS is expected */
	else
		inject_session_say_last(&c->session, reply);
	timer_arm_in(&c->timer, INJECT_LINGER_NS);
	reactor_at_turn_end(&c->flush);
}

void inject_conn_leave(struct inject_conn *c)
{
	if (c->state == CONN_PROXY)
		timer_arm_in(&c->timer, 0);	/* nobody has been greeted */
	if (c->state != CONN_OPEN || c->session.state >= INJECT_LAST_WORDS)
		return;
	if (inject_session_is_awaited(&c->session)) {
		c->leave = true;
		return;
	}
	inject_session_say_last(&c->session, "421 4.3.2 Service is shutting down");
	timer_arm_in(&c->timer, INJECT_LINGER_NS);
	flush_later(c);
}
