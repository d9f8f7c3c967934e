/* session_internal.h - what session.c (connection, deadlines, replies, end), session_hello.c (greeting to EHLO),
 *                      session_transaction.c (MAIL to dot) and session_content.c (the message itself) share
 *
 * never    included outside of net/smtp
 */
#pragma once

#include "net/smtp/session.h"

/* The only writer of s->state. */
void session_enter(struct session *s, enum session_state next);

/* The reply that is due in this state. */
void session_hello_greeting(struct session *s, const struct smtp_reply *reply);
void session_hello_ehlo(struct session *s, const struct smtp_reply *reply);
void session_hello_helo(struct session *s, const struct smtp_reply *reply);	/* and LHLO */

/* The first words, or those after STARTTLS: what was said before is forgotten (RFC 3207 4.2). */
void session_hello_again(struct session *s);
/* Greeting, hello and TLS are over: AUTH, or open. */
void session_hello_open(struct session *s);
/* AUTH is over, too. */
void session_hello_ready(struct session *s);
/* It is in good order that we do not go on: QUIT. */
void session_hello_fail(struct session *s, int err);
void session_hello_fail_by_reply(struct session *s, const struct smtp_reply *reply);

/* --- session_tls.c --------------------------------------------------------------------------- */

/* After EHLO: open, or STARTTLS, or neither (B 7.4). */
void session_tls_decide(struct session *s);
void session_tls_reply(struct session *s, const struct smtp_reply *reply);
/* Something came behind the reply to STARTTLS. */
void session_tls_injected(struct session *s);
void session_tls_handshake(struct session *s);
/* All of STARTTLS is in the kernel: the handshake begins, if it is time for it. */
void session_tls_quiet(struct session *s);
/* One message more on a session in TLS; harmless in clear. */
void session_tls_log_reused(const struct session *s);

/* --- session_auth.c -------------------------------------------------------------------------- */

void session_auth_init(struct session *s, const struct session_auth_wish *wish);
/* After TLS: AUTH, if it is offered and we have credentials (B 8.1). False: it is not due. */
bool session_auth_begin(struct session *s);
/* It was in line for an exchange, and there is one. */
void session_auth_go_on(struct session *s);
void session_auth_reply(struct session *s, const struct smtp_reply *reply);
/* A reply as others may read it. */
void session_auth_heard(struct session *s, struct smtp_reply *reply);

extern const struct slice session_hidden;	/* what others read instead of what is said in AUTH */
/* We are busy with ourselves: nothing has been asked of the server. */
bool session_auth_is_quiet(const struct session *s);
/* More of a response, where there is room for it. False: nothing more now. */
bool session_auth_push(struct session *s);
/* What was said then stands in s->work, and nothing of it is being sent any more. Harmless when there is nothing. */
void session_auth_wipe(struct session *s);
/* The connection is closed. Harmless when AUTH never was due. */
void session_auth_done(struct session *s);

/* The table that was asked about the server has not answered in time. */
void session_hello_table_late(struct session *s);

/* --- session_trace.c ------------------------------------------------------------------------- */

void session_trace_lines(struct session *s, bool ours, struct slice text);
void session_trace_state(const struct session *s);

/* Commands of ours, or a reply of theirs: free while nobody wants to read it. */
static inline void session_trace(struct session *s, bool ours, struct slice text)
{
	if (s->debug_level > 0 || s->transcript != NULL)
		session_trace_lines(s, ours, text);
}

static inline void session_say(struct session *s, const struct str *command)
{
	session_trace(s, true, str_slice(command));
	conn_command_add(&s->conn, command);
}

/* Something that the postmaster may want to hear of (enum param_notify_class). */
void session_raise(struct session *s, uint32_t class);

/* A refusal: some of them are about the protocol and not about the mail (B 6.2). */
void session_raise_by_reply(struct session *s, const struct smtp_reply *reply);

/* --- session.c ------------------------------------------------------------------------------- */

/* Before anything is said or heard. */
void session_take_work(struct session *s);

/* Writes what may be written now, flushes, sets the deadline. */
void session_pump(struct session *s);

/* One more step of the sending transaction. False: it has to wait for the peer, the content, or room. */
bool session_transaction_step(struct session *s);

/* The same while it has a body to send. */
bool session_body_step(struct session *s, struct transaction *t);

/* session_content.c: nobody waits for memory to be changed in; the end of t, however it came. */
void session_content_init(struct session *s, struct content_pool *contents);
void session_content_end(struct session *s, struct transaction *t);

/* Is there so little to leave out of this content that BDAT costs no more than DATA? */
bool session_content_fits_chunks(const struct message *msg);

/* From here on t sends its content with BDAT. */
void session_chunks_begin(struct transaction *t);

/* A chunk is announced, and its octets are not all there yet: the peer owes us nothing. */
bool session_body_waits_for_us(const struct session *s);

/* A reply to a step of a transaction (or to RSET). */
void session_transaction_reply(struct session *s, const struct expectation *e, const struct smtp_reply *reply);

/* Is the next reply to the oldest expectation not the last one? LMTP answers for each recipient. */
bool session_transaction_owes_more(const struct session *s);

/* A reply while the message is still on its way: a refusal is an answer, a "yes" to what has not been said is none. The
 * session ends either way. */
void session_early_reply(struct session *s, const struct smtp_reply *reply);

/* 421 while nothing is asked, but a transaction is about to begin: the reply to its MAIL, as it were (B 26.2). */
void session_goodbye(struct session *s, const struct smtp_reply *reply);

/* Whoever wanted the body alone has had it, and time to digest it: the dot. */
void session_pause_over(struct session *s);

/* Has every octet up to the dot left us? What waits may only be commands of the transaction behind. */
bool session_dot_has_left(const struct session *s);

/* The same outcome for every recipient that has none. */
void session_judge_all(struct transaction *t, const struct verdict *v);

/* A tagged piece has left. */
void session_body_sent(struct session *s, uint8_t tag);

/* The kernel holds less than before: a transaction may have waited for that with its end. */
void session_let_go(struct session *s);

/* The connection is closed: judges what is not judged yet, and calls done, oldest first. */
void session_transactions_lost(struct session *s);

/* The connection is of no more use; err as in struct verdict. */
void session_lose(struct session *s, int err);

static inline bool session_has_pipelining(const struct session *s)
{
	return s->caps.bits & SMTP_CAP_PIPELINING;
}
