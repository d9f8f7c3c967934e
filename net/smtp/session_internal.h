/* session_internal.h - what session.c (connection, deadlines, replies, end), session_hello.c (greeting to EHLO) and
 *                      session_transaction.c (MAIL to dot) share
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

/* Writes what may be written now, flushes, sets the deadline. */
void session_pump(struct session *s);

/* One more step of the sending transaction. False: it has to wait for the peer, the content, or room. */
bool session_transaction_step(struct session *s);

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

/* A tagged piece has left. */
void session_transaction_sent(struct session *s, uint8_t tag);

/* The connection is closed: judges what is not judged yet, and calls done, oldest first. */
void session_transactions_lost(struct session *s);

/* The connection is of no more use; err as in struct verdict. */
void session_lose(struct session *s, int err);
