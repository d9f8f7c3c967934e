/* session_transaction.c - MAIL to final dot inside a session (B 10, 15, 17)
 *
 *	current:  MAIL RCPT RCPT DATA | body .                            replies are matched by s->pipeline
 *	riding:                               MAIL RCPT DATA | body .     behind the body of the one before
 *	a probe:  MAIL RCPT RCPT RSET, or MAIL RCPT RCPT DATA and then nothing more (B 17.6)
 */
#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/smtp/envelope.h"
#include "net/smtp/session_internal.h"
#include "net/wire/smtp_command.h"
#include "net/wire/smtp_xforward.h"

static_assert((int)XFORWARD_NAME == CLIENT_NAME && (int)XFORWARD_SOURCE == CLIENT_SOURCE &&
	      (int)XFORWARD_COUNT == CLIENT_ATTR_COUNT, "what a client told us is what we tell");

/* --- verdicts --------------------------------------------------------------------------------- */

static bool is_open(const struct rcpt *r)
{
	return r->state == RCPT_OPEN && r->outcome == OUTCOME_NONE;
}

/* From i on, the first recipient without an outcome; rcpt_count when there is none. */
static uint32_t next_open(const struct transaction *t, uint32_t i)
{
	while (i < t->rcpt_count && !is_open(&t->rcpts[i]))
		i++;
	return i;
}

static bool has_several_open(const struct transaction *t)
{
	const uint32_t first = next_open(t, 0);

	return first < t->rcpt_count && next_open(t, first + 1) < t->rcpt_count;
}

void session_judge_all(struct transaction *t, const struct verdict *v)
{
	for (uint32_t i = 0; i < t->rcpt_count; i++)
		if (is_open(&t->rcpts[i]))
			t->judge(t, &t->rcpts[i], v);
}

/* LMTP answers for each recipient that was accepted, in the order of RCPT (RFC 2033 4.2). */
static void judge_next(struct transaction *t, const struct verdict *v)
{
	t->dot_next = next_open(t, t->dot_next);
	if (t->dot_next < t->rcpt_count)
		t->judge(t, &t->rcpts[t->dot_next], v);
}

/* Refusals inside a group that never reached its synchronisation point were not refusals (row RPL-09). A "later"
 * stays one: it does no harm where it does not belong, and before a goodbye it is the reason (case 148). */
static void forget_verdicts(struct transaction *t)
{
	for (uint32_t i = 0; i < t->rcpt_count; i++)
		if (t->rcpts[i].state == RCPT_OPEN && t->rcpts[i].outcome != OUTCOME_SOFT)
			t->rcpts[i].outcome = OUTCOME_NONE;
}

/* The current transaction has all its outcomes: hand it back and let the riding one move up. While the kernel holds
 * octets of its body they are not its owner's again; then session_let_go finishes. */
static void finish(struct session *s)
{
	struct transaction *t = s->current;

	ASSERT(t->state != TRANSACTION_DONE);
	if (s->conn.state == CONN_OPEN && conn_is_held(&s->conn)) {
		t->state = TRANSACTION_HELD;
		return;
	}
	session_content_end(s, t);
	t->state = TRANSACTION_DONE;
	t->done_ns = reactor_queue_now();
	if (s->mapper != NULL)
		mapper_cancel(s->mapper);	/* whatever the one behind has asked, it asks again */
	s->current = s->riding;
	s->riding = NULL;
	s->events->done(s, t);
}

static void quit_if_used_up(struct session *s)
{
	if (s->current == NULL && s->state == SESSION_OPEN && !s->reusable && s->conn.state == CONN_OPEN)
		session_quit(s);
}

void session_let_go(struct session *s)
{
	if (s->current == NULL || s->current->state != TRANSACTION_HELD || conn_is_held(&s->conn))
		return;
	s->in_callback = true;
	finish(s);
	s->in_callback = false;
	quit_if_used_up(s);
	session_pump(s);
}

/* Ends the current transaction without a final dot; the server has to be told before the next one. */
static void finish_aborted(struct session *s)
{
	if (s->current->mail_written && !s->only_quit)
		s->rset_due = true;
	finish(s);
}

/* --- writing ---------------------------------------------------------------------------------- */

static struct transaction *sending(const struct session *s)
{
	return s->current != NULL && s->current->state >= TRANSACTION_DOT ? s->riding : s->current;
}

static bool write_command(struct session *s, enum session_state step, struct transaction *t, uint32_t rcpt,
			  const struct str *command)
{
	session_say(s, command);
	pipeline_push(&s->pipeline, (struct expectation){ .step = step, .rcpt = rcpt, .transaction = t });
	return true;
}

static bool write_rset(struct session *s)
{
	struct str command = conn_command(&s->conn, 16);

	if (smtp_command_add_plain(&command, SMTP_VERB_RSET) < 0)
		return false;
	s->rset_due = false;
	return write_command(s, SESSION_RSET, NULL, 0, &command);
}

/* The next of the two commands. Their replies decide nothing. */
static bool write_xforward(struct session *s, struct transaction *t)
{
	bool client = t->xforward_due & XFORWARD_CLIENT;
	uint32_t which = client ? XFORWARD_CLIENT : XFORWARD_DIALOGUE;
	struct str command = conn_command(&s->conn, XFORWARD_LINE_MAX);
	struct slice values[XFORWARD_COUNT];

	if (str_is_full(&command))
		return false;
	for (unsigned i = 0; i < XFORWARD_COUNT; i++)
		values[i] = message_client(t->msg, (enum client_attr)i);
	bool any = xforward_add_command(&command, values, t->xforward_due & which) > 0;

	t->xforward_due &= ~which;
	return !any ||
	       write_command(s, client ? SESSION_XFORWARD_CLIENT : SESSION_XFORWARD_DIALOGUE, NULL, 0, &command);
}

static void on_xforward(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2)
		return;
	log_line(LOG_LEVEL_WARNING, params_client_name(s->params), "host %.*s said: %.*s (in reply to XFORWARD command)",
		 SLICE_FMT(session_peer(s)), SLICE_FMT(reply->text));
	if (reply->code == 421)
		s->reusable = false;
}

/* Nothing of t is on the wire, and nothing may go. Only the current one can be ended here: a riding one waits its
 * turn. */
static bool refuse_unsent(struct session *s, struct transaction *t, int err)
{
	const struct verdict v = { .step = SESSION_MAIL, .err = err, .until_final = err == -EILSEQ,
				   .is_ours = err == ERR_TABLE };

	if (t != s->current)
		return false;
	if (err == -EILSEQ)
		s->reusable = false;
	session_judge_all(t, &v);
	finish(s);
	return true;
}

/* What this server cannot take, it is not offered. Without SMTPUTF8 another host is asked, and this connection is not
 * kept for other mail (B 20). */
static int obstacle(const struct session *s, const struct transaction *t)
{
	if (!(s->caps.bits & SMTP_CAP_SMTPUTF8) && envelope_needs_smtputf8(t->msg, t->rcpts, t->rcpt_count))
		return -EILSEQ;
	/* B 14: what is written on top of the message names its recipient. */
	if ((params_service_flag(s->params, 'D') || params_service_flag(s->params, 'O')) && has_several_open(t))
		return -EUSERS;
	return s->caps.size_limit > 0 && t->msg->size > s->caps.size_limit ? -EMSGSIZE : 0;
}

/* The address that this one has outside (smtp_generic_maps). 0, ASKER_WAIT, or ERR_TABLE. */
static int map_address(struct session *s, const struct transaction *t, struct slice address, struct slice *ret_address)
{
	NOT_ZEROED char storage[256];
	struct str line = STR(storage);

	*ret_address = address;
	if (s->mapper == NULL || address.len == 0)
		return 0;
	const int r = mapper_map(s->mapper, address, ret_address);

	if (r == ASKER_WAIT || (r >= 0 && !mapper_found_many(s->mapper)))
		return r == ASKER_WAIT ? r : 0;
	message_id_text(&line, t->msg->id);
	str_add_cstr(&line, r < 0 ? ": lookup error: smtp_generic_maps: " :
				    ": smtp_generic_maps: several addresses, the first is taken, for ");
	str_add_printable(&line, address, 100);
	log_put(LOG_LEVEL_WARNING, params_client_name(s->params), str_slice(&line));
	return r < 0 ? ERR_TABLE : 0;
}

static bool write_mail(struct session *s, struct transaction *t)
{
	struct str command = conn_command(&s->conn, SMTP_COMMAND_SEND_MAX);
	struct slice sender;

	if (s->looks_left > 0 && t == s->current && pipeline_oldest(&s->pipeline) == NULL) {
		reactor_post(&s->look);
		return false;
	}
	if (t->unsent_err == 0)
		t->unsent_err = obstacle(s, t);
	if (t->unsent_err < 0)
		return refuse_unsent(s, t, t->unsent_err);
	if (str_is_full(&command))
		return false;
	const int r = map_address(s, t, t->msg->sender, &sender);

	if (r == ASKER_WAIT)
		return false;
	t->unsent_err = r;
	if (r < 0)
		return refuse_unsent(s, t, r);
	/* Whoever opened the session, and whoever gave it this message, have seen to that. */
	ASSERT(s->requiretls != REQUIRETLS_ENFORCE || (t->wants_requiretls && (s->caps.bits & SMTP_CAP_REQUIRETLS)));
	const unsigned flags = (content_size_holds(t->needs) ? 0 : ENVELOPE_CHANGED) |
			       (t->wants_requiretls ? ENVELOPE_REQUIRETLS : 0) |
			       (s->is_authenticated ? ENVELOPE_AUTHENTICATED : 0);

	if (envelope_add_mail(&command, t->msg, sender, &s->caps, s->params, flags) < 0)
		return refuse_unsent(s, t, -EBADMSG);
	t->mail_written = true;
	t->mail_ns = reactor_queue_now();
	return write_command(s, SESSION_MAIL, t, 0, &command);
}

/* The next recipient that wants to be written; rcpt_count when there is none. */
static uint32_t next_rcpt(struct transaction *t)
{
	t->rcpt_next = next_open(t, t->rcpt_next);
	return t->rcpt_next;
}

/* A message that cannot say whom it is for is for nobody: what has been said of it is taken back. */
static bool give_up(struct transaction *t, int err)
{
	const struct verdict v = { .step = SESSION_RCPT, .err = err, .is_ours = true };

	t->mail_failed = true;
	session_judge_all(t, &v);
	return true;
}

static bool write_rcpt(struct session *s, struct transaction *t, uint32_t i)
{
	struct slice addr;
	const struct verdict unsendable = { .step = SESSION_RCPT, .err = -EBADMSG };
	struct str command = conn_command(&s->conn, SMTP_COMMAND_SEND_MAX);

	if (str_is_full(&command))
		return false;
	const int r = map_address(s, t, t->rcpts[i].addr, &addr);

	if (r != 0)
		return r < 0 && give_up(t, r);
	t->rcpt_next = i + 1;
	if (envelope_add_rcpt(&command, t->msg, &t->rcpts[i], addr, &s->caps, s->params) < 0) {
		t->judge(t, &t->rcpts[i], &unsendable);
		return true;
	}
	return write_command(s, SESSION_RCPT, t, i, &command);
}

static bool write_data(struct session *s, struct transaction *t)
{
	struct str command = conn_command(&s->conn, 16);

	if (smtp_command_add_plain(&command, SMTP_VERB_DATA) < 0)
		return false;
	t->state = TRANSACTION_DATA;
	return write_command(s, SESSION_DATA, t, 0, &command);
}

static bool uses_chunks(const struct session *s, const struct transaction *t)
{
	return s->chunking && (s->caps.bits & SMTP_CAP_CHUNKING) && !(t->msg->facts & MESSAGE_PROBE) && t->needs == 0 &&
	       session_content_fits_chunks(t->msg);
}

/* All that this probe wanted to ask has been asked. The reply decides nothing, and what was said before it counts once
 * it is there. */
static bool end_probe(struct session *s, struct transaction *t)
{
	struct str command = conn_command(&s->conn, 16);

	if (t != s->current || smtp_command_add_plain(&command, SMTP_VERB_RSET) < 0)
		return false;
	t->state = TRANSACTION_DATA;
	return write_command(s, SESSION_RSET, t, 0, &command);
}

/* There is no 354 that would tell whether all replies are in their places, and what is sent cannot be called back. So
 * the content waits until the last recipient is answered, unless it is small and a reply out of place would be seen. */
static bool begin_chunks(struct session *s, struct transaction *t)
{
	if (t != s->current || s->probe_left > 0)
		return false;
	t->is_ahead = pipeline_awaits(&s->pipeline, t);
	if (t->is_ahead && (t->never_ahead || !s->replies_differ || !s->replies_seen ||
			    t->msg->size > s->params->smtp_chunking_ahead_limit))
		return false;
	session_chunks_begin(t);
	return true;
}

static bool step_commands(struct session *s, struct transaction *t)
{
	if (pipeline_is_full(&s->pipeline) || (!session_has_pipelining(s) && s->pipeline.count > 0))
		return false;
	if (s->rset_due && t == s->current)
		return write_rset(s);
	if (t->xforward_due != 0)
		return write_xforward(s, t);
	if (!t->mail_written)
		return write_mail(s, t);
	uint32_t i = t->mail_failed ? t->rcpt_count : next_rcpt(t);

	if (i < t->rcpt_count)
		return write_rcpt(s, t, i);
	bool hopeless = t->mail_failed || (t->accepted == 0 && !pipeline_awaits(&s->pipeline, t));

	if (!hopeless && (t->msg->facts & MESSAGE_PROBE_RCPT))
		return end_probe(s, t);
	if (!hopeless && uses_chunks(s, t))
		return begin_chunks(s, t);
	if (!hopeless)
		return write_data(s, t);
	if (t != s->current || pipeline_awaits(&s->pipeline, t))
		return false;
	/* Everybody has been refused before DATA was written: there is nothing to send it for. */
	t->verdicts_final = true;
	finish_aborted(s);
	return true;
}

void session_reset(struct session *s)
{
	ASSERT(session_is_idle(s));
	if (!s->rset_due)
		return;
	session_take_work(s);
	if (write_rset(s))
		session_pump(s);
}

void session_probe(struct session *s)
{
	ASSERT(session_is_idle(s));
	s->rset_due = true;
	s->probe_left = (uint8_t)(s->pipeline.count + 1);	/* in an idle session only RSET is unanswered */
}

bool session_transaction_step(struct session *s)
{
	struct transaction *t = sending(s);

	if (s->state != SESSION_OPEN || t == NULL)
		return false;
	if (s->probe_left > 0 && t->state == TRANSACTION_BODY)
		return false;		/* no content before we know that the connection is alive */
	if (t != s->current && t->state == TRANSACTION_BODY)
		return false;		/* nor before the kernel has let go of the one before */
	switch (t->state) {
	case TRANSACTION_COMMANDS:
		return step_commands(s, t);
	case TRANSACTION_BODY:
		return session_body_step(s, t);
	case TRANSACTION_RESET:
		return s->rset_due && write_rset(s);
	case TRANSACTION_DATA:
	case TRANSACTION_DOT:
	case TRANSACTION_HELD:
	case TRANSACTION_DONE:
		return false;
	}
	UNREACHABLE();
}

/* --- replies ---------------------------------------------------------------------------------- */

/* A goodbye, or a failure that is about the protocol and not about the mail: no other message for this server (B
 * 6.2). */
static void note_failure(struct session *s, const struct smtp_reply *reply)
{
	session_raise_by_reply(s, reply);
	if (reply->code == 421)
		s->reusable = false;
}

static bool is_about_address(const struct smtp_reply *reply)
{
	return reply->has_enhanced && reply->enhanced.subject == 1;
}

static void note_address_reply(struct session *s, const struct smtp_reply *reply)
{
	s->replies_differ &= is_about_address(reply);
}

static void on_mail(struct session *s, struct transaction *t, const struct smtp_reply *reply)
{
	const struct verdict v = { .step = SESSION_MAIL, .reply = reply };

	if (reply->code / 100 == 2) {
		s->maybe_open = false;
		note_address_reply(s, reply);
		return;
	}
	/* It sees the transaction before this one still open: nothing it says is about this mail. */
	if (reply->code == 503 && s->maybe_open) {
		session_lose(s, ERR_PROTO);
		return;
	}
	t->mail_failed = true;
	session_judge_all(t, &v);
	note_failure(s, reply);
}

static void on_rcpt(struct session *s, struct transaction *t, uint32_t i, const struct smtp_reply *reply)
{
	const bool is_yes = reply->code / 100 == 2;
	const struct verdict v = { .step = SESSION_RCPT, .reply = reply, .deliverable = is_yes };

	if (t->mail_failed)
		return;		/* a consequence, and not about this recipient */
	if (is_yes) {
		t->accepted++;
		note_address_reply(s, reply);
		if (t->msg->facts & MESSAGE_PROBE_RCPT)
			t->judge(t, &t->rcpts[i], &v);
		return;
	}
	t->judge(t, &t->rcpts[i], &v);
	note_failure(s, reply);
}

static void on_data(struct session *s, struct transaction *t, const struct smtp_reply *reply)
{
	const bool is_probe = t->msg->facts & MESSAGE_PROBE_DATA;
	const struct verdict v = {
		.step = SESSION_DATA, .reply = reply, .deliverable = is_probe && reply->code / 100 == 3,
	};

	/* In a group, a "yes" in this place is the answer to a RCPT that comes one late, and every recipient may have
	 * had his neighbour's reply (row RPL-08). */
	if (reply->code / 100 == 2 && session_has_pipelining(s)) {
		session_lose(s, ERR_PROTO);
		return;
	}
	if (v.deliverable) {
		t->verdicts_final = true;
		session_judge_all(t, &v);
		session_lose(s, -ECANCELED);	/* anything we could say now would be the message */
		return;
	}
	if (reply->code / 100 == 3) {
		t->verdicts_final = true;	/* the synchronisation point of the group */
		t->lone_dot = t->accepted == 0 || t->mail_failed;
		t->state = TRANSACTION_BODY;
		return;
	}
	session_judge_all(t, &v);
	/* 250 to DATA: is it expecting a message or not? Nothing can be said to such a server any more (row SMG-09). A
	 * refusal where nobody is left who could get it is in good order. */
	if (t->accepted > 0 || reply->code / 100 == 2 || reply->code == 421)
		note_failure(s, reply);
	s->only_quit |= reply->code / 100 == 2;
	/* A "no" in this place may be a recipient's that comes one late. Then DATA's own 354 is still on its way, and
	 * will stand in the place of RSET's. */
	if (session_has_pipelining(s) && reply->code != 421 && t->accepted > 0) {
		t->state = TRANSACTION_RESET;
		s->rset_due = true;
		return;
	}
	t->verdicts_final = true;
	finish_aborted(s);
}

void session_early_reply(struct session *s, const struct smtp_reply *reply)
{
	const struct verdict v = { .step = SESSION_BODY, .reply = reply };
	struct transaction *t = s->current;

	t->retry_here = t->is_ahead;		/* it may be a recipient's: see is_in_doubt */
	t->verdicts_final |= !t->is_ahead;
	/* In LMTP it is one recipient's, and who comes after him has none (row RPL-15). */
	if (reply->code >= 400 && s->lmtp && !t->is_ahead)
		judge_next(t, &v);
	else if (reply->code >= 400 && !t->is_ahead)
		session_judge_all(t, &v);
	session_lose(s, ERR_PROTO);
}

void session_goodbye(struct session *s, const struct smtp_reply *reply)
{
	const struct verdict v = { .step = SESSION_MAIL, .reply = reply };

	session_judge_all(s->current, &v);
	session_lose(s, ERR_EOF);
}

bool session_transaction_owes_more(const struct session *s)
{
	const struct expectation *e = pipeline_oldest(&s->pipeline);

	if (!s->lmtp || e->step != SESSION_FINAL_DOT)
		return false;
	const struct transaction *t = e->transaction;

	return next_open(t, next_open(t, t->dot_next) + 1) < t->rcpt_count;
}

/* "No such command", where its extension was announced: the octets of the chunk may be commands to this server, so
 * nothing more is said to it, not even QUIT (row EHL-08). */
static bool refuses_chunking(struct session *s, struct transaction *t, const struct smtp_reply *reply)
{
	const struct verdict v = { .step = SESSION_CHUNK, .err = -EOPNOTSUPP };

	if (!t->is_chunked || t->accepted == 0 || (reply->code != 500 && reply->code != 502 && reply->code != 503))
		return false;
	s->chunking_broken = true;
	t->retry_here = true;
	session_judge_all(t, &v);
	session_lose(s, ERR_PROTO);
	return true;
}

/* Nothing shows that the replies before this one are in their places, and this one may be a recipient's: only a "yes"
 * that is not about an address can be nothing else (row RPL-08). */
static bool is_in_doubt(const struct transaction *t, const struct smtp_reply *reply)
{
	return t->is_ahead && t->accepted > 0 &&
	       (reply->code / 100 == 5 || is_about_address(reply) || !reply->has_enhanced);
}

/* RFC 3030 2: what the server thinks of the transaction is not certain, RSET makes it so. Too late for one that
 * rides. */
static void note_failed_chunk(struct session *s)
{
	s->maybe_open = true;
	s->rset_due = !s->only_quit && (s->riding == NULL || !s->riding->mail_written);
}

static void on_chunk(struct session *s, struct transaction *t, const struct smtp_reply *reply)
{
	const struct verdict v = { .step = SESSION_CHUNK, .reply = reply };

	if (refuses_chunking(s, t, reply))
		return;
	/* While octets of it wait to leave, they are not the owner's again: t must not end before the connection. */
	if (t->chunk_left > 0 || !conn_is_drained(&s->conn)) {
		session_early_reply(s, reply);
		return;
	}
	if (reply->code / 100 == 2)
		return;
	session_judge_all(t, &v);
	t->verdicts_final = true;
	note_failure(s, reply);
	note_failed_chunk(s);
	finish(s);
}

static void on_final_dot(struct session *s, struct transaction *t, const struct smtp_reply *reply)
{
	const struct verdict v = { .step = SESSION_FINAL_DOT, .reply = reply };

	if (is_in_doubt(t, reply)) {
		t->retry_here = true;
		session_lose(s, ERR_PROTO);
		return;
	}
	t->verdicts_final = true;
	if (reply->code / 100 != 2 && (t->accepted > 0 || reply->code / 100 == 3 || reply->code == 421))
		note_failure(s, reply);
	if (s->lmtp)
		judge_next(t, &v);
	else
		session_judge_all(t, &v);
	if (next_open(t, t->dot_next) < t->rcpt_count)
		return;
	if (reply->code / 100 == 2) {
		s->replies_seen = true;
		s->replies_differ &= reply->has_enhanced && !is_about_address(reply);
	} else if (t->is_chunked) {
		note_failed_chunk(s);
	}
	finish(s);
}

/* Were all replies of the refused group in their places? Whatever else RSET is answered with is about RSET. */
static void on_reset_group(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 3) {
		s->current->state = TRANSACTION_DATA;
		session_lose(s, ERR_PROTO);
		return;
	}
	s->current->verdicts_final = true;
	finish(s);
}

static void on_rset(struct session *s, const struct smtp_reply *reply)
{
	if (s->current != NULL && s->current->state == TRANSACTION_RESET) {
		s->reusable &= reply->code / 100 == 2;
		s->maybe_open = reply->code / 100 != 2;
		on_reset_group(s, reply);
		return;
	}
	if (reply->code / 100 == 2) {
		if (s->probe_left > 0)
			s->probe_left--;
		return;
	}
	s->reusable = false;
	s->maybe_open = true;
	if (s->probe_left > 0)
		session_lose(s, ERR_EOF);	/* whatever is wrong with it, it is not for this mail to suffer */
}

static void on_probe_end(struct session *s, struct transaction *t, const struct smtp_reply *reply)
{
	/* DATA was never said: this is somebody else's reply, and who knows whose the others were. */
	if (reply->code / 100 == 3) {
		session_lose(s, ERR_PROTO);
		return;
	}
	on_rset(s, reply);
	t->verdicts_final = true;
	finish(s);
}

static void on_step_reply(struct session *s, const struct expectation *e, const struct smtp_reply *reply)
{
	struct transaction *t = e->transaction;

	switch (e->step) {
	case SESSION_MAIL:
		on_mail(s, t, reply);
		break;
	case SESSION_RCPT:
		on_rcpt(s, t, e->rcpt, reply);
		break;
	case SESSION_DATA:
		on_data(s, t, reply);
		break;
	case SESSION_CHUNK:
		on_chunk(s, t, reply);
		break;
	case SESSION_FINAL_DOT:
		if (refuses_chunking(s, t, reply))
			break;
		if (session_dot_has_left(s))
			on_final_dot(s, t, reply);
		else
			session_early_reply(s, reply);	/* row WIN-05 */
		break;
	case SESSION_XFORWARD_CLIENT:
	case SESSION_XFORWARD_DIALOGUE:
		on_xforward(s, reply);
		break;
	case SESSION_RSET:
		if (t != NULL)
			on_probe_end(s, t, reply);
		else
			on_rset(s, reply);
		break;
	default:
		UNREACHABLE();
	}
}

void session_transaction_reply(struct session *s, const struct expectation *e, const struct smtp_reply *reply)
{
	on_step_reply(s, e, reply);
	quit_if_used_up(s);
}

/* --- loss ------------------------------------------------------------------------------------- */

static enum session_state step_of(const struct session *s, const struct transaction *t)
{
	static const enum session_state steps[] = {
		[TRANSACTION_COMMANDS] = SESSION_MAIL,
		[TRANSACTION_DATA] = SESSION_DATA,
		[TRANSACTION_RESET] = SESSION_RSET,
		[TRANSACTION_BODY] = SESSION_BODY,
		[TRANSACTION_DOT] = SESSION_FINAL_DOT,
		[TRANSACTION_HELD] = SESSION_FINAL_DOT,
	};

	ASSERT(t->state != TRANSACTION_DONE);
	/* For the one that was current then, what the peer owed us is known more exactly. */
	bool is_rset_ours = t->state == TRANSACTION_DATA && (t->msg->facts & MESSAGE_PROBE_RCPT);

	if (t->state < TRANSACTION_BODY && s->lost_step > SESSION_QUIT &&
	    (s->lost_step != SESSION_RSET || is_rset_ours))
		return s->lost_step;
	if (t->state == TRANSACTION_DOT && !session_dot_has_left(s))
		return SESSION_BODY;
	return steps[t->state];
}

void session_transactions_lost(struct session *s)
{
	while (s->current != NULL) {
		struct transaction *t = s->current;
		const struct verdict v = {
			.step = step_of(s, t),
			.err = s->lost_err,
			.maybe_delivered = t->state == TRANSACTION_DOT && !t->lone_dot && session_dot_has_left(s),
			.waited_for_us = s->lost_idle,
		};

		t->stale = s->probe_left > 0;
		/* The server had its chance to say what would have been out of place. */
		t->verdicts_final |= t->state == TRANSACTION_RESET;
		if (!t->verdicts_final && session_has_pipelining(s))
			forget_verdicts(t);
		if (!t->stale)
			session_judge_all(t, &v);
		s->lost_step = SESSION_CLOSED;
		finish(s);
	}
}
