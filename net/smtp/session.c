#include "net/smtp/session.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/smtp/session_internal.h"
#include "net/smtp/session_tls.h"
#include "net/wire/smtp_command.h"

/* --- the table -------------------------------------------------------------------------------- */

static uint64_t state_timeout_ns(const struct session *s, enum session_state state)
{
	switch (state) {
#define NONE connection_cache_ttl_limit_ns	/* never used as a deadline: see deadline_subject */
#define X(name, timeout, words) case SESSION_##name: return s->params->timeout;
	SESSION_STATES(X)
#undef X
#undef NONE
	case SESSION_COUNT:
		break;
	}
	UNREACHABLE();
}

static const uint32_t may_follow[SESSION_COUNT] = {
	[SESSION_CLOSED] = BIT(SESSION_CONNECT),
	[SESSION_CONNECT] = BIT(SESSION_GREETING) | BIT(SESSION_TLS) | BIT(SESSION_CLOSED),
	[SESSION_GREETING] = BIT(SESSION_EHLO) | BIT(SESSION_HELO) | BIT(SESSION_LHLO) | BIT(SESSION_QUIT) |
			     BIT(SESSION_CLOSED),
	[SESSION_EHLO] = BIT(SESSION_HELO) | BIT(SESSION_STARTTLS) | BIT(SESSION_AUTH) | BIT(SESSION_OPEN) |
			 BIT(SESSION_QUIT) | BIT(SESSION_CLOSED),
	[SESSION_HELO] = BIT(SESSION_OPEN) | BIT(SESSION_QUIT) | BIT(SESSION_CLOSED),
	[SESSION_LHLO] = BIT(SESSION_STARTTLS) | BIT(SESSION_AUTH) | BIT(SESSION_OPEN) | BIT(SESSION_QUIT) |
			 BIT(SESSION_CLOSED),
	[SESSION_STARTTLS] = BIT(SESSION_TLS) | BIT(SESSION_AUTH) | BIT(SESSION_OPEN) | BIT(SESSION_QUIT) |
			     BIT(SESSION_CLOSED),
	/* Forget what was said in clear: RFC 3207 4.2. */
	[SESSION_TLS] = BIT(SESSION_GREETING) | BIT(SESSION_EHLO) | BIT(SESSION_LHLO) | BIT(SESSION_QUIT) |
			BIT(SESSION_CLOSED),
	[SESSION_AUTH] = BIT(SESSION_OPEN) | BIT(SESSION_QUIT) | BIT(SESSION_CLOSED),
	[SESSION_OPEN] = BIT(SESSION_QUIT) | BIT(SESSION_CLOSED),
	[SESSION_QUIT] = BIT(SESSION_CLOSED),
};

void session_enter(struct session *s, enum session_state next)	/* the only writer of s->state */
{
	ASSERT(may_follow[s->state] & BIT(next));
	s->state = next;
	if (s->debug_level > 1)
		session_trace_state(s);
}

/* --- deadlines -------------------------------------------------------------------------------- */

/* Octets of the message, or its end. Behind them, commands of the next one may wait, too. */
static bool body_is_leaving(const struct session *s)
{
	if (s->current == NULL || conn_is_drained(&s->conn))
		return false;
	return s->current->state == TRANSACTION_BODY ||
	       (s->current->state == TRANSACTION_DOT && !session_dot_has_left(s));
}

/* Whose fault is it if nothing happens now? SESSION_CLOSED: nobody's, we are not waiting for the peer. */
static enum session_state deadline_subject(const struct session *s)
{
	const struct expectation *oldest = pipeline_oldest(&s->pipeline);

	if (s->state == SESSION_CLOSED)
		return SESSION_CLOSED;
	if (s->state == SESSION_AUTH && session_auth_is_quiet(s))
		return SESSION_CLOSED;
	if (s->state != SESSION_OPEN)
		return s->state;
	/* While octets of a body wait to leave, the peer owes us reading, whatever else it owes. */
	if (body_is_leaving(s))
		return SESSION_BODY;
	if (s->current != NULL && s->current->state == TRANSACTION_HELD && oldest == NULL)
		return SESSION_BODY;	/* it has answered what it has not acknowledged */
	if (s->current != NULL && s->current->dot_waits)
		return SESSION_PAUSE;
	if (oldest == NULL)
		return SESSION_CLOSED;
	/* LMTP owes no reply to the dot of a message that nobody takes, but some servers give one (B 26.23). */
	if (s->lmtp && oldest->step == SESSION_FINAL_DOT && oldest->transaction->lone_dot)
		return SESSION_RSET;
	if (session_body_waits_for_us(s))
		return SESSION_CLOSED;
	return oldest->step;
}

/* A transaction is under way, and the peer has done all it could: what is missing is content (row SPL-08). */
static bool waits_for_ourselves(const struct session *s)
{
	return s->current != NULL && deadline_subject(s) == SESSION_CLOSED;
}

/* When the request under way has to be over (daemon_timeout); UINT64_MAX: there is none, or it may take for ever. */
static uint64_t request_end(const struct session *s)
{
	uint64_t end_ns = s->current != NULL ? s->current->until_ns : s->state < SESSION_OPEN ? s->until_ns : 0;

	return end_ns != 0 ? end_ns : UINT64_MAX;
}

/* However kindly it answers each of a thousand commands: some time a transaction has to end (row TIM-04). */
static uint64_t latest_end(const struct session *s)
{
	uint64_t limit = s->params->smtp_transaction_time_limit_ns;

	if (s->current == NULL || limit == 0)
		return request_end(s);
	return min_u64(request_end(s), s->current->began_ns + limit);
}

/* Most deadlines are later than the one before them, which has been met: the timer stays where it is, and finds that
 * out when it fires. */
static void deadline_arm(struct session *s, uint64_t deadline_ns)
{
	s->deadline_ns = min_u64(deadline_ns, latest_end(s));
	if (s->deadline_ns == UINT64_MAX)
		timer_cancel(&s->deadline);
	else if (!wheel_timer_is_armed(&s->deadline) || s->deadline.due_ns > s->deadline_ns)
		timer_arm_at(&s->deadline, s->deadline_ns);
}

/* A body earns time by moving: every smtp_min_data_rate octets a second more, never beyond smtp_data_xfer_timeout.
 * What is left of its time at the moment. */
static uint64_t body_time_left(struct session *s)
{
	uint64_t sent = s->conn.octets_sent - s->progress_mark;
	uint64_t full = s->params->smtp_data_xfer_timeout_ns;
	uint64_t earned = min_u64(sent, UINT64_MAX / NS_PER_SEC) * NS_PER_SEC / s->params->smtp_min_data_rate;
	uint64_t left = s->deadline_ns > reactor_now() ? s->deadline_ns - reactor_now() : 0;

	s->progress_mark = s->conn.octets_sent;
	if (!s->params->smtp_per_request_deadline && sent > 0)
		return full;
	return min_u64(left + min_u64(earned, full), full);
}

/* The whole time for what we are waiting for; of a body that goes on, what is left of it: while we wait for our own
 * disk between two pieces, the peer's time stands still, but it is not given anew. */
static uint64_t time_for(struct session *s, enum session_state subject)
{
	if (subject != SESSION_BODY || s->body_answered != s->pipeline.answered ||
	    !s->params->smtp_per_request_deadline)
		return state_timeout_ns(s, subject);
	return s->body_left_ns;
}

static void deadline_set(struct session *s)
{
	enum session_state subject = deadline_subject(s);
	uint64_t key = s->pipeline.answered << 8 | (uint64_t)subject;

	if (key == s->deadline_key && wheel_timer_is_armed(&s->deadline))
		return;		/* one budget for one request (smtp_per_request_deadline) */
	if ((s->deadline_key & 0xff) == SESSION_BODY && wheel_timer_is_armed(&s->deadline))
		s->body_left_ns = body_time_left(s);
	s->deadline_key = key;
	if (subject == SESSION_CLOSED || (subject == SESSION_CONNECT && s->params->smtp_connect_timeout_ns == 0)) {
		deadline_arm(s, UINT64_MAX);
		return;
	}
	s->progress_mark = s->conn.octets_sent;
	deadline_arm(s, reactor_now() + time_for(s, subject));
	if (subject == SESSION_BODY)
		s->body_answered = s->pipeline.answered;
}

static void on_deadline(struct wheel_timer *timer)
{
	struct session *s = container_of(timer, struct session, deadline);

	CHECK_MAGIC(s, SESSION_MAGIC);
	uint64_t due_ns = min_u64(s->deadline_ns, latest_end(s));
	bool is_over = reactor_now() >= latest_end(s);

	if (reactor_now() < due_ns) {
		timer_arm_at(timer, due_ns);	/* time has been earned since, or another deadline is later */
		return;
	}

	if (reactor_now() >= request_end(s))
		log_line(LOG_LEVEL_WARNING, params_client_name(s->params),
			 "watchdog timeout: the session with %.*s ends, its request has taken longer than daemon_timeout",
			 SLICE_FMT(session_relay(s)));
	if (s->asks && !is_over)
		session_hello_table_late(s);
	else if (deadline_subject(s) == SESSION_PAUSE && !is_over)
		session_pause_over(s);
	else
		session_lose(s, waits_for_ourselves(s) ? -ETIME :
				s->state == SESSION_CONNECT ? -ETIMEDOUT : ERR_TIMEOUT);
}

/* --- the end ---------------------------------------------------------------------------------- */

void session_lose(struct session *s, int err)
{
	if (s->conn.state == CONN_CLOSING || s->conn.state == CONN_CLOSED)
		return;
	s->lost_err = err;
	s->lost_step = deadline_subject(s);
	s->lost_idle = waits_for_ourselves(s);
	s->reusable = false;
	if (err == ERR_PROTO || err == -EALREADY)
		session_raise(s, NOTIFY_PROTOCOL);
	else if (err == ERR_TABLE || err == ERR_CORRUPT || err == -EIO)
		session_raise(s, NOTIFY_DATA);
	timer_cancel(&s->deadline);
	reactor_unpost(&s->look);
	maps_ask_cancel(&s->ask);
	s->asks = false;
	if (s->mapper != NULL)
		mapper_cancel(s->mapper);
	if (s->state < SESSION_OPEN && s->failure.state == SESSION_CLOSED) {
		s->failure.state = s->state;
		s->failure.err = err;
		if (s->state == SESSION_TLS && s->failure.tls == SESSION_TLS_FINE)
			s->failure.tls = SESSION_TLS_HANDSHAKE;
	}
	/* Octets of a body may still be in the kernel: who owns them hears of it in on_closed, not before. */
	conn_close(&s->conn);
}

void session_quit(struct session *s)
{
	ASSERT(s->current == NULL);
	if (s->state == SESSION_CLOSED || s->state == SESSION_QUIT || s->conn.state != CONN_OPEN)
		return;		/* it is ending already */
	s->reusable = false;
	if (s->rset_due)
		session_reset(s);
	if (pipeline_oldest(&s->pipeline) != NULL && !session_has_pipelining(s))
		return;		/* the reply to RSET brings us back here */
	session_take_work(s);
	struct str command = conn_command(&s->conn, 16);

	session_enter(s, SESSION_QUIT);
	if (smtp_command_add_plain(&command, SMTP_VERB_QUIT) < 0) {
		session_lose(s, -ENOBUFS);
		return;
	}
	session_say(s, &command);
	session_pump(s);
}

/* TLS ends with a goodbye of ours; the server's is not waited for (case 249). */
static void end_well(struct session *s)
{
	s->quit_answered = true;
	if (s->tls != NULL && s->tls->is_on && !s->tls_goodbye) {
		if (s->conn.send_op.in_kernel)
			return;		/* on_drained brings us back here */
		s->tls_goodbye = true;
		session_tls_close(s->tls);
		conn_flush(&s->conn);
		if (s->conn.send_op.in_kernel)
			return;
	}
	session_lose(s, ERR_EOF);
}

void session_abort(struct session *s, int err)
{
	session_lose(s, err);
}

/* --- replies ---------------------------------------------------------------------------------- */

static int filter_reply(void *context, struct slice line, struct str *ret_line)
{
	const struct session *s = context;
	int r = maps_find(s->params->smtp_reply_filter, line, 0, ret_line);

	if (r < 0) {
		log_line(LOG_LEVEL_WARNING, params_client_name(s->params),
			 "smtp_reply_filter: lookup of \"%.*s\" failed: %s",
			 SLICE_FMT(s->state == SESSION_AUTH ? session_hidden : line), err_text(r));
		return ERR_TABLE;
	}
	if (r > 0 && s->state != SESSION_AUTH)
		log_line(LOG_LEVEL_INFO, params_client_name(s->params),
			 "host %.*s: replacing server reply \"%.*s\" with \"%.*s\"",
			 SLICE_FMT(session_peer(s)), SLICE_FMT(line), SLICE_FMT(str_slice(ret_line)));
	return r;
}

/* An answer to a MAIL that has not been sent, inside TLS (case 275). */
static bool is_too_early(const struct session *s)
{
	return s->tls != NULL && s->tls->is_on && s->current != NULL && !s->current->mail_written;
}

static void on_reply_open(struct session *s, const struct smtp_reply *reply)
{
	s->only_quit |= reply->code == 421;
	if (reply->codes_differ)
		s->reusable = false;	/* the last line counts, and we do not ask such a server again (row RPL-05) */
	if (pipeline_oldest(&s->pipeline) == NULL && s->current != NULL && s->current->state == TRANSACTION_BODY) {
		session_early_reply(s, reply);
		return;
	}
	if (pipeline_oldest(&s->pipeline) == NULL && s->current != NULL && reply->code == 421) {
		session_goodbye(s, reply);
		return;
	}
	if (pipeline_oldest(&s->pipeline) == NULL) {
		/* Nobody asked. While idle that is a server saying goodbye; otherwise something is out of step (row
		 * RPL-08), or somebody has put it in front of our TLS session (row TLS-15). */
		session_lose(s, reply->code == 421 ? ERR_EOF : is_too_early(s) ? -EALREADY : ERR_PROTO);
		return;
	}
	struct expectation e = pipeline_answer(&s->pipeline, session_transaction_owes_more(s));

	session_transaction_reply(s, &e, reply);
}

static void on_reply(struct session *s, const struct smtp_reply *reply)
{
	if (reply->codes_differ && s->state < SESSION_OPEN)
		s->only_once = true;	/* the last line counts, for one transaction (row RPL-05) */
	switch (s->state) {
	case SESSION_GREETING:
		session_hello_greeting(s, reply);
		break;
	case SESSION_EHLO:
		session_hello_ehlo(s, reply);
		break;
	case SESSION_HELO:
	case SESSION_LHLO:
		session_hello_helo(s, reply);
		break;
	case SESSION_OPEN:
		on_reply_open(s, reply);
		break;
	case SESSION_QUIT:
		if (pipeline_oldest(&s->pipeline) != NULL)
			(void)pipeline_answer(&s->pipeline, false);	/* to the RSET before it */
		else
			end_well(s);	/* to QUIT: we have what we wanted */
		break;
	case SESSION_STARTTLS:
		session_tls_reply(s, reply);
		break;
	case SESSION_AUTH:
		session_auth_reply(s, reply);
		break;
	default:
		UNREACHABLE();
	}
}

/* --- the connection's events ------------------------------------------------------------------ */

static struct session *session_of(struct conn *c)
{
	struct session *s = container_of(c, struct session, conn);

	CHECK_MAGIC(s, SESSION_MAGIC);
	return s;
}

void session_take_work(struct session *s)
{
	if (s->work != NULL)
		return;
	s->work = pool_take(s->works);
	ASSERT(s->work != NULL);	/* there is one for each session */
	smtp_reply_parser_init(&s->work->parser);
	if (s->params->smtp_reply_filter != NULL)
		s->work->parser.filter = filter_reply;
	s->work->parser.filter_context = s;
	s->work->parser.ascii_only = !s->params->smtputf8_enable;
	conn_lend(&s->conn, s->work->out);
}

/* Nothing is under way, and nobody knows when there will be something again. */
static void put_work(struct session *s)
{
	if (!session_is_idle(s) || s->work == NULL || pipeline_oldest(&s->pipeline) != NULL ||
	    !conn_is_drained(&s->conn) || !smtp_reply_parser_is_idle(&s->work->parser))
		return;
	conn_lend(&s->conn, NULL);
	session_auth_wipe(s);
	pool_put(s->works, &s->work);
}

static bool step(struct session *s)
{
	return s->state == SESSION_AUTH ? session_auth_push(s) : session_transaction_step(s);
}

void session_pump(struct session *s)
{
	if (s->in_callback)
		return;
	s->in_callback = true;
	while (s->conn.state == CONN_OPEN && step(s))
		;
	s->in_callback = false;
	if (s->conn.state != CONN_OPEN)
		return;
	conn_flush(&s->conn);
	deadline_set(s);
	put_work(s);
}

static void on_open(struct conn *c, int err)
{
	struct session *s = session_of(c);

	if (err < 0) {
		session_lose(s, err);
		return;
	}
	if (s->tls != NULL && s->tls->is_wrapped) {
		session_tls_handshake(s);
	} else {
		session_enter(s, SESSION_GREETING);
		conn_transform_begin(c, s->transform);
	}
	deadline_set(s);
}

static void on_data(struct conn *c, struct slice data)
{
	struct session *s = session_of(c);
	struct smtp_reply reply;

	s->in_callback = true;
	session_take_work(s);
	while (data.len > 0 && s->conn.state == CONN_OPEN) {
		/* Nothing was asked of the peer (row RPL-08). */
		if (s->asks || (s->state == SESSION_AUTH && session_auth_is_quiet(s))) {
			session_lose(s, ERR_PROTO);
			break;
		}
		if (s->state == SESSION_TLS && c->transform == NULL) {
			session_tls_injected(s);
			break;
		}
		int r = smtp_reply_feed(&s->work->parser, &data, &reply);

		if (r < 0) {
			session_trace(s, false, s->state == SESSION_AUTH ? session_hidden :
							smtp_reply_offence(&s->work->parser));
			session_lose(s, r == ERR_TABLE ? r : ERR_PROTO);
		}
		if (r <= 0)
			break;
		if (s->state == SESSION_AUTH)
			session_auth_heard(s, &reply);
		else
			session_trace(s, false, reply.text);
		if (s->state == SESSION_STARTTLS && data.len > 0)
			session_tls_injected(s);
		else
			on_reply(s, &reply);
	}
	s->in_callback = false;
	if (!s->params->smtp_per_request_deadline)
		s->deadline_key = UINT64_MAX;	/* each read has a budget of its own */
	/* Each record of TLS comes by itself: what has come before we spoke is no answer (row TLS-15). */
	if (!conn_may_have_more(c))
		session_pump(s);
}

static void on_read(struct conn *c)
{
	session_pump(session_of(c));
}

static void on_sent(struct conn *c, uint8_t tag)
{
	session_body_sent(session_of(c), tag);
}

/* Time is earned when octets leave, not when it has run out: the ceiling counts from then (case 193). The timer finds
 * out when it fires. */
static void on_progress(struct conn *c)
{
	struct session *s = session_of(c);

	if ((s->deadline_key & 0xff) == SESSION_BODY)
		s->deadline_ns = reactor_now() + body_time_left(s);
	/* A window that has been sent is filled again while the other one is. */
	if (s->current != NULL && s->current->content != NULL)
		session_pump(s);
	session_let_go(s);
}

static void on_drained(struct conn *c)
{
	struct session *s = session_of(c);

	/* "Do not wait for the response": by now QUIT is in the kernel, which delivers it on its own. */
	if (s->state == SESSION_QUIT && (s->params->smtp_skip_quit_response || s->quit_answered))
		end_well(s);
	else if (s->state == SESSION_TLS)
		session_tls_quiet(s);
	else
		session_pump(s);
}

static void on_lost(struct conn *c, int err)
{
	session_lose(session_of(c), err);
}

static void on_closed(struct conn *c)
{
	struct session *s = session_of(c);
	struct session_work *work = s->work;
	struct pool *works = s->works;

	session_transactions_lost(s);
	session_enter(s, SESSION_CLOSED);
	timer_cancel(&s->deadline);
	if (s->tls != NULL)
		session_tls_done(s->tls);
	session_auth_done(s);
	s->magic = 0;
	s->events->closed(s);
	pool_put(works, &work);		/* its last words have been read */
}

static const struct conn_events conn_events = {
	.on_open = on_open,
	.on_data = on_data,
	.on_read = on_read,
	.on_sent = on_sent,
	.on_progress = on_progress,
	.on_drained = on_drained,
	.on_lost = on_lost,
	.on_closed = on_closed,
};

/* --- beginning -------------------------------------------------------------------------------- */

static void name_relay(struct session *s, struct slice host, const struct addr *remote)
{
	struct str relay = STR(s->relay);

	str_add_printable(&relay, host, 255);
	str_add_char(&relay, '[');
	addr_add_ip(&relay, remote);
	str_add_char(&relay, ']');
	s->host_len = (uint32_t)relay.len;
	if (remote->sa.sa_family != AF_UNIX) {
		str_add_char(&relay, ':');
		str_add_u64(&relay, addr_port(remote));
	}
	s->relay_len = (uint32_t)relay.len;
}

void session_rename(struct session *s, struct slice host)
{
	name_relay(s, host, &s->conn.remote);
}

static void on_look(struct task *task)
{
	struct session *s = container_of(task, struct session, look);

	CHECK_MAGIC(s, SESSION_MAGIC);
	ASSERT(s->looks_left > 0);
	s->looks_left--;
	session_pump(s);
}

static void look_init(struct session *s)
{
	task_init(&s->look, on_look);
	s->looks_left = 0;
}

static void on_address(void *session)
{
	struct session *s = session;

	CHECK_MAGIC(s, SESSION_MAGIC);
	session_pump(s);
}

static void begin_asking(struct session *s, const struct session_target *target)
{
	s->asks = false;
	memset(&s->ask, 0, sizeof(s->ask));
	s->mapper = target->mapper;
	if (s->mapper != NULL)
		mapper_init(s->mapper, target->generic, target->tables, s, on_address);
}

void session_open(struct session *s, const struct session_events *events, const struct params *params,
		  const struct session_target *target)
{
	s->magic = SESSION_MAGIC;
	s->state = SESSION_CLOSED;
	s->events = events;
	s->debug_level = target->debug_level;
	s->params = params;
	memset(&s->caps, 0, sizeof(s->caps));
	memset(&s->failure, 0, sizeof(s->failure));
	s->reusable = false;
	s->uses = 0;
	s->opened_ns = reactor_now();
	s->current = NULL;
	s->riding = NULL;
	pipeline_init(&s->pipeline);
	s->esmtp_seen = false;
	s->quirks = 0;
	s->xforward = 0;
	s->rset_due = false;
	s->only_quit = false;
	s->only_once = false;
	s->maybe_open = false;
	s->chunking = target->chunking;
	s->chunking_broken = false;
	s->replies_differ = true;
	s->replies_seen = false;
	s->probe_left = 0;
	s->in_callback = false;
	s->is_worse_mx = target->is_worse_mx;
	s->requiretls = (uint8_t)target->requiretls;
	s->lmtp = target->lmtp;
	s->loop_check = addr_port(target->remote) == 25 && !target->lmtp;
	s->until_ns = target->until_ns;
	s->tables = target->tables;
	session_content_init(s, target->contents);
	begin_asking(s, target);
	s->transform = target->transform;
	s->tls = target->tls;
	if (s->tls != NULL)
		session_tls_hold(s->tls);
	session_auth_init(s, &target->auth);
	s->tls_goodbye = false;
	s->quit_answered = false;
	s->transcript = target->transcript;
	s->raised = 0;
	s->lost_err = 0;
	s->lost_idle = false;
	s->deadline_key = UINT64_MAX;
	s->body_answered = UINT64_MAX;
	wheel_timer_init(&s->deadline, on_deadline);
	look_init(s);
	s->works = target->works;
	s->work = NULL;
	name_relay(s, target->host, target->remote);
	session_enter(s, SESSION_CONNECT);
	s->conn.state = CONN_CLOSED;
	conn_open(&s->conn, &conn_events, target->remote, target->local, target->zero_copy);
	session_take_work(s);
	deadline_set(s);
}

/* May another one ride behind the body of t? Not where several replies follow its dot (LMTP): a server that refuses the
 * message once and for all of them would be heard to say "250" to MAIL in the place of the second recipient's (RPL-08).
 * What is too little then times out, as it does when nothing rides. */
static bool may_ride_behind(const struct session *s, const struct transaction *t)
{
	return s->riding == NULL && t->state == TRANSACTION_DOT && !t->lone_dot && (!s->lmtp || t->accepted <= 1) &&
	       session_has_pipelining(s);
}

bool session_can_start(const struct session *s)
{
	if (s->state != SESSION_OPEN || !s->reusable || s->conn.state != CONN_OPEN)
		return false;
	if (s->caps.mail_max > 0 && s->uses >= s->caps.mail_max)
		return false;		/* LIMITS MAILMAX (RFC 9422 4.1) */
	if (s->current == NULL)
		return true;
	return may_ride_behind(s, s->current);
}

void session_start(struct session *s, struct transaction *t)
{
	ASSERT(session_can_start(s));
	t->state = TRANSACTION_COMMANDS;
	t->mail_ns = 0;
	t->done_ns = 0;
	t->mail_written = false;
	t->mail_failed = false;
	t->unsent_err = 0;
	t->lone_dot = false;
	t->dot_waits = false;
	t->stale = false;
	t->wrapped = false;
	t->needs = content_needs(t->msg, &s->caps, s->params);
	t->content = NULL;
	t->xforward_due = s->xforward;
	t->verdicts_final = false;
	t->began_ns = reactor_now();
	t->rcpt_next = 0;
	t->accepted = 0;
	t->dot_next = 0;
	t->retry_here = false;
	t->is_chunked = false;
	t->is_ahead = false;
	t->window = 0;
	t->window_queued[0] = false;
	t->window_queued[1] = false;
	session_take_work(s);
	if (s->params->smtp_tls_block_early_mail_reply && s->tls != NULL && s->tls->is_on)
		s->looks_left = SESSION_LOOKS;
	t->use = ++s->uses;
	if (t->use > 1)
		session_tls_log_reused(s);
	s->reusable = !s->only_once;
	if (s->current == NULL)
		s->current = t;
	else
		s->riding = t;
	session_pump(s);
}

void session_body_ready(struct session *s)
{
	if (s->current != NULL && s->current->state == TRANSACTION_BODY)
		session_pump(s);	/* otherwise the reply that it waits for comes here */
}
