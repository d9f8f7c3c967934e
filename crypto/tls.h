/* tls.h - one session's handshake and record stream, over memory (RFC 8446, RFC 5246)
 *
 *	tls_open -> { unwrap, wrap } until tls_is_open -> verdict -> { unwrap, wrap } -> tls_close -> wrap -> tls_done
 *
 * We are the client, or with tls_serve the server: then nobody is asked who he is, and there is no verdict.
 *
 * Octets from the server go into tls_unwrap, cut anywhere; octets for it come out of tls_wrap. TLS 1.2 and 1.3. Whoever
 * the server is, the handshake completes: who it was is said in the verdict, and what to do about that is not decided
 * here. A session may be resumed (tls_sessions.h): then no certificate is shown, and the verdict is that of the
 * first. Renegotiation is refused; a close_notify ends the stream, and what comes behind it is not read (row TLS-19).
 *
 * Pieces become records of at most 16 KiB, TLS_WIRE_RECORDS of them at a time; short pieces share one record. One pass
 * over the content encrypts it; the library puts it into a buffer of its own first, and from there it is copied to the
 * wire's.
 *
 * bounds   TLS_ACCOUNT_MAX octets of library memory for a session; TLS_WIRE_SIZE octets on their way out
 * memory   a wire buffer from the core's pool only while something is on its way out
 * errors   ERR_PROTO: the handshake failed, or a record is not one of the server's (tls_error says more); ERR_EOF: the
 *          server has said goodbye; -ENOMEM: it asked for too much
 * thread   one core
 */
#pragma once

#include <sys/uio.h>

#include "core/pool.h"
#include "crypto/tls_context.h"
#include "crypto/tls_heap.h"
#include "crypto/tls_verify.h"

#define TLS_RECORD_MAX		KIB(16)
#define TLS_WIRE_RECORDS	2u
#define TLS_WIRE_SPARE		KIB(2)	/* for alerts and the like, which may come at any time */
#define TLS_HELLO_MAX		KIB(16)	/* our side of a handshake, with a chain of certificates */
#define TLS_WIRE_SIZE		(TLS_WIRE_RECORDS * (TLS_RECORD_MAX + 64) + TLS_WIRE_SPARE)
#define TLS_ACCOUNT_MAX		KIB(256)

static_assert(TLS_WIRE_SIZE >= TLS_HELLO_MAX + TLS_WIRE_SPARE, "a handshake goes out whole");

struct WOLFSSL;

enum tls_version { TLS_1_2 = 2, TLS_1_3 = 3 };

/* Buffers of one core. */
struct tls_room {
	struct pool wires;
	char plain[TLS_RECORD_MAX];	/* what tls_unwrap gives */
	char gather[TLS_RECORD_MAX];	/* short pieces, until they fill a record */
};

/* Start only. sessions: at most so many have something on its way out. */
int tls_room_init(struct tls_room *room, size_t sessions);
void tls_room_done(struct tls_room *room);

struct tls_wish {
	enum tls_version version_min, version_max;
	const char *ciphers;		/* of tls_ciphers_choose */
	struct slice servername;	/* SNI; empty: none */
	const struct tls_check *check;	/* stays the caller's, until tls_is_open */
};

enum tls_state { TLS_CLOSED, TLS_HANDSHAKE, TLS_OPEN, TLS_ENDED, TLS_FAILED };

/* Everything that has to be the same, in a digest. */
struct tls_key {
	uint8_t octets[32];
};

struct tls {
	enum tls_state state;
	struct tls_verdict verdict;	/* once it is open */
	bool is_offered;		/* the server was asked to resume a session */
	bool is_resumed;		/* and it did */
	struct tls_account account;
	int err;			/* the library's */
	/* private */
	struct tls_room *room;
	struct tls_context *context;
	struct WOLFSSL *ssl;
	const struct tls_check *check;
	struct slice in;		/* during a call */
	char *wire;			/* of TLS_WIRE_SIZE; NULL: nothing is on its way out */
	size_t wire_given;		/* of it: the caller's, until the next tls_wrap */
	size_t wire_used;
	bool is_server;
	bool is_judged;
	bool wire_full;
	bool has_news;			/* something to resume by, that has not been kept yet */
	uint64_t judged_ns;		/* when the certificate was shown, wall clock */
};

/* 0, or why it cannot begin: ERR_SYNTAX (a wish that cannot be), -ENOMEM. */
int tls_open(struct tls *t, struct tls_room *room, struct tls_context *context, const struct tls_wish *wish);

/* The other side: context is one of tls_context_new_server. 0 or -ENOMEM. */
int tls_serve(struct tls *t, struct tls_room *room, struct tls_context *context);

static inline bool tls_is_open(const struct tls *t)
{
	return t->state == TLS_OPEN;
}

/* Takes what it can use off the front of *in. 1: *ret_plain is good until the next call for any session of this room;
 * 0: all of *in is taken, and more is needed; else it is over. wall_ns: what certificates are judged by. */
int tls_unwrap(struct tls *t, uint64_t wall_ns, struct slice *in, struct slice *ret_plain);

/* The same, into the caller's memory of TLS_RECORD_MAX octets: it stays until it is used for something else. */
int tls_unwrap_into(struct tls *t, uint64_t wall_ns, struct slice *in, char *plain, struct slice *ret_plain);

/* *ret_taken octets of the pieces become *ret_wire, together with what TLS has to say itself; it stays put until the
 * next call. Pieces only once it is open; when it is no more, they are not taken. Empty *ret_wire: there is nothing to
 * send. 0, or why it is over: after what is still to be said, an alert, has been given out. */
int tls_wrap(struct tls *t, const struct iovec *pieces, unsigned count, struct slice *ret_wire, size_t *ret_taken);

/* Says goodbye: the next tls_wrap gives it out. */
void tls_close(struct tls *t);

/* Harmless for one that is all zeroes, or done already. */
void tls_done(struct tls *t);

/* What went wrong, in the library's words. */
const char *tls_error(const struct tls *t);

/* Once it is open. "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", of the library's list: a constant. */
const char *tls_cipher_name(const struct tls *t);
enum tls_version tls_version(const struct tls *t);

/* "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)", as Postfix says it. */
void tls_describe(const struct tls *t, struct str *s);
