#include "net/source/inject_tls.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/source/inject_conn.h"

static struct metric metric_handshakes =
	METRIC_COUNTER("ringpost_inject_tls_handshakes_total", "TLS handshakes of injecting clients");
static struct metric metric_failures =
	METRIC_COUNTER("ringpost_inject_tls_failures_total", "TLS sessions of injecting clients that failed");

bool inject_tls_is_wanted(const struct params *p)
{
	return p->smtpd_tls_security_level != INJECT_TLS_NONE || p->inject_smtps_listen.count > 0;
}

void inject_tls_register_metrics(void)
{
	metric_register(&metric_handshakes);
	metric_register(&metric_failures);
}

int inject_tls_init(struct inject *inject, size_t connections)
{
	if (!inject_tls_is_wanted(inject->params))
		return 0;
	int r = pool_init(&inject->plains, "inject_plains", TLS_RECORD_MAX, connections);

	return r < 0 ? r : tls_room_init(&inject->tls_room, connections);
}

void inject_tls_free(struct inject *inject)
{
	if (!inject_tls_is_wanted(inject->params))
		return;
	tls_context_retire(&inject->tls);
	tls_room_done(&inject->tls_room);
	pool_done(&inject->plains);
}

bool inject_tls_is_shaking_hands(const struct inject_conn *c)
{
	return c->tls.is_on && c->tls.tls.state == TLS_HANDSHAKE;
}

/* --- beginning and end ------------------------------------------------------------------------------ */

static void on_failure(struct inject_conn *c, int err)
{
	struct slice peer = inject_session_peer(&c->session);
	const char *why = err == -ENOMEM || c->tls.tls.state == TLS_CLOSED ? err_text(err) : tls_error(&c->tls.tls);

	metric_add(&metric_failures, 1);
	log_line(LOG_LEVEL_INFO, "smtpd", "SSL_accept error from %.*s: %s", SLICE_FMT(peer), why);
	inject_session_done(&c->session);
}

void inject_tls_begin(struct inject_conn *c)
{
	ASSERT(!c->tls.is_on && c->owner->tls != NULL);
	c->tls.is_on = true;
	int r = tls_serve(&c->tls.tls, &c->owner->tls_room, c->owner->tls);

	if (r < 0)
		on_failure(c, r);
	timer_arm_in(&c->timer, c->owner->params->smtpd_starttls_timeout_ns);
}

static void log_handshake(const struct inject_conn *c)
{
	struct slice peer = inject_session_peer(&c->session);
	char storage[256];
	struct str text = STR(storage);

	metric_add(&metric_handshakes, 1);
	if (c->owner->params->smtpd_tls_loglevel < 1)
		return;
	tls_describe(&c->tls.tls, &text);
	log_line(LOG_LEVEL_INFO, "smtpd", "Anonymous TLS connection established from %.*s: %.*s", SLICE_FMT(peer),
		 SLICE_FMT(str_slice(&text)));
}

static void on_open(struct inject_conn *c)
{
	log_handshake(c);
	timer_cancel(&c->timer);
	inject_session_on_tls(&c->session);
	if (c->session.state == INJECT_GREETING)
		inject_conn_greet(c);
}

void inject_tls_done(struct inject_conn *c)
{
	tls_done(&c->tls.tls);
	pool_put(&c->owner->plains, &c->tls.plain);
}

/* --- in --------------------------------------------------------------------------------------------- */

static bool is_over(const struct inject_conn *c)
{
	const enum tls_state state = c->tls.tls.state;

	return c->session.state >= INJECT_LAST_WORDS || (state != TLS_HANDSHAKE && state != TLS_OPEN);
}

static bool may_go_on(const struct inject_conn *c)
{
	if (is_over(c))
		return false;
	return inject_tls_is_shaking_hands(c) || !inject_session_is_waiting(&c->session);
}

/* The next text out of *in. Returns false when there is none: *in has no more, or TLS is over. */
static bool unwrap(struct inject_conn *c, struct slice *in)
{
	struct tls *tls = &c->tls.tls;
	bool was_open = tls_is_open(tls);
	int r;

	if (c->tls.plain == NULL)
		c->tls.plain = pool_take(&c->owner->plains);
	ASSERT(c->tls.plain != NULL);		/* as many as connections */
	r = tls_unwrap_into(tls, reactor_wall_now(), in, c->tls.plain, &c->tls.text);
	if (!was_open && tls_is_open(tls))
		on_open(c);
	if (r == ERR_EOF)
		c->eof = true;
	else if (r < 0)
		on_failure(c, r);
	return r > 0;
}

/* The session goes on where it stopped: with the rest of the text, then with what else is there. While it waits, the
 * plain buffer is its. */
void inject_tls_consume(struct inject_conn *c, struct slice *in)
{
	bool in_use = false;

	if (inject_session_is_waiting(&c->session) && !inject_tls_is_shaking_hands(c))
		return;
	while (may_go_on(c)) {
		if (c->tls.text.len == 0 && !unwrap(c, in))
			break;
		if (may_go_on(c))
			in_use = inject_conn_feed(c, &c->tls.text);
	}
	if (is_over(c)) {
		slice_skip(in, in->len);
		c->tls.text.len = 0;
		in_use = false;
	}
	if (c->tls.text.len == 0 && !in_use)
		pool_put(&c->owner->plains, &c->tls.plain);
}

/* --- out -------------------------------------------------------------------------------------------- */

void inject_tls_wrap(struct inject_conn *c)
{
	struct str *out = &c->session.out;
	struct tls *tls = &c->tls.tls;
	const struct iovec piece = { .iov_base = out->ptr, .iov_len = out->len };
	const bool may_speak = tls_is_open(tls);
	size_t taken;

	ASSERT(c->tls.wire.len == 0);
	if (tls->state == TLS_CLOSED)
		return;
	if (may_speak && out->len == 0 && c->session.state >= INJECT_LAST_WORDS)
		tls_close(tls);
	if (tls_wrap(tls, &piece, may_speak && out->len > 0, &c->tls.wire, &taken) < 0) {
		on_failure(c, ERR_PROTO);
		return;
	}
	out->len -= taken;
	memmove(out->ptr, out->ptr + taken, out->len);
}
