/* inject_smtp.h - the listener that accepts mail over SMTP: one core's share of it
 *
 *	inject_new -> (the spool is ready) -> inject_listen -> ... -> inject_close -> done -> inject_free
 *
 * Accepting, counting and ending; a connection is inject_conn.h, its dialogue inject_session.h. Every core listens on
 * every endpoint of inject_smtp_listen and inject_smtps_listen (core 0 alone on a unix socket) and speaks with whom the
 * kernel gives it.
 *
 * hold     While the disk or the journal keeps a session waiting, what comes in stays in the receive buffers it came
 *          in. Beyond INJECT_HELD_MAX of them, or when the core runs short, the receive is cancelled until the
 * session goes on:
 *          then the client's own kernel holds the rest. All connections together hold half of the core's buffers.
 * send     replies in order, one send a turn and connection for all that were made in it
 * bounds   inject_connection_limit over all cores, then 421; smtpd_client_connection_count_limit for each address and
 *          core (mynetworks are exempt by default); smtpd_timeout for a command line, for INJECT_PROGRESS octets of
 * content, and for
 *          reading our replies
 * memory   one object a connection, from a pool sized at start for inject_connection_limit; its pages are used when
 *          it is
 * log      "ID: client=unknown[192.0.2.1]" for each message and a line for each refusal; connect and disconnect lines
 *          are debug lines, for a busy injector connects more often than anybody wants to read
 * thread   one home core
 */
#pragma once

#include "core/listener.h"
#include "net/source/inject_session.h"

#define INJECT_HELD_MAX		4u			/* receive buffers a connection, while it waits */
#define INJECT_PROGRESS		512u
/* for the last words to be read: RFC 5321 3.8 wants them heard */
#define INJECT_LINGER_NS	(2 * NS_PER_SEC)
#define INJECT_LINGER_MAX	MIB(1)			/* octets discarded meanwhile */
#define INJECT_BACKLOG		1024

struct inject;
struct passwords;
struct tls_context;

/* On the home core, before its first turn. spool: this core's. NULL: no memory. Registers the metrics. */
struct inject *inject_new(const struct params *params, unsigned core, unsigned cores, struct spool *spool);

/* Sessions to come use this context, NULL: they have no TLS; those that live keep theirs. Only when the configuration
 * wants TLS. Returns the one before. */
struct tls_context *inject_set_tls(struct inject *inject, struct tls_context *context);

/* Who may authenticate from now on; NULL: nobody. What was there before is in use no more. */
void inject_set_passwords(struct inject *inject, const struct passwords *passwords);

/* Once, when the spool is ready. 0, or why an endpoint cannot be listened on: then call inject_close all the same. */
int inject_listen(struct inject *inject);

/* Accepts no connection any more; 421 to all, but first the answer to those whose message is on its way to the disk.
 * Then calls done, never from inside this call. */
void inject_close(struct inject *inject, void (*done)(struct inject *inject, void *context), void *context);

/* After done, or instead of inject_listen. Clears the caller's pointer; NULL is accepted. */
void inject_free(struct inject **inject);
