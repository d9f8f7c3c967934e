/* inject_tls.h - TLS of one injecting connection: between its socket and its session
 *
 *	socket -> unwrap -> text -> session
 *	socket <-  wire  <- wrap <- session.out
 *
 * Begun by STARTTLS, once its reply has left in clear (nothing that came before that is believed: row LIS-04), or with
 * the first octet on inject_smtps_listen. The session is asked nothing until the handshake is complete.
 *
 * memory   what is decrypted lies in a buffer of the core's pool, and stays there while the session waits with it
 * log      smtpd_tls_loglevel 1: a line for each handshake; one that fails always has its line
 * never    included from outside of net/source/inject_*.c
 */
#pragma once

#include "crypto/tls.h"
#include "net/params.h"

struct inject;
struct inject_conn;

struct inject_tls {
	bool is_on;			/* octets are TLS's; before, they are the session's own */
	struct tls tls;
	char *plain;			/* of TLS_RECORD_MAX; NULL: nothing is left in it */
	struct slice text;		/* of it: what the session has not taken yet */
	struct slice wire;		/* of tls: what has still to be sent */
};

/* Does the configuration want TLS on the listener, in one way or the other? */
bool inject_tls_is_wanted(const struct params *p);

/* Start only. 0 or -ENOMEM. */
int inject_tls_init(struct inject *inject, size_t connections);
void inject_tls_free(struct inject *inject);

void inject_tls_register_metrics(void);

/* From here on, octets are TLS's. */
void inject_tls_begin(struct inject_conn *c);

/* The handshake is under way. */
bool inject_tls_is_shaking_hands(const struct inject_conn *c);

/* Takes off the front of *in what the session does not have to wait with. c->eof: the client has said goodbye. */
void inject_tls_consume(struct inject_conn *c, struct slice *in);

/* What the session has to say, and TLS itself, becomes c->tls.wire; empty: there is nothing. */
void inject_tls_wrap(struct inject_conn *c);

/* Nothing is in the kernel any more. */
void inject_tls_done(struct inject_conn *c);
