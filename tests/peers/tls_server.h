/* tls_server.h - the server's end of TLS, over memory: wolfSSL's own, for tests only
 *
 * Octets of the client go into tls_server_feed; what the server has to send gathers in out. Everything is allocated,
 * and nothing is charged to a session.
 */
#pragma once

#include "core/slice.h"

#define TLS_SERVER_OUT	KIB(256)

struct WOLFSSL;
struct WOLFSSL_CTX;

/* What several servers of one machine share, one after the other: a session of one can be resumed with the next. */
struct tls_server_home {
	struct WOLFSSL_CTX *ctx;
};

struct tls_server {
	struct WOLFSSL_CTX *ctx;
	bool is_home;			/* ctx is */
	struct WOLFSSL *ssl;
	struct slice in;
	size_t out_len;
	char out[TLS_SERVER_OUT];	/* whoever sends it takes it out: tls_server_sent */
	bool is_open;
	size_t hello_len;
	unsigned char hello[KIB(2)];	/* the client's first octets */
	unsigned client_certs;		/* that the client has shown */
	int err;			/* 0: it goes on; 1: the client has said goodbye; negative: wolfSSL's */
};

struct tls_server_conf {
	const char *chain, *key;	/* files, PEM */
	int version;			/* 2 or 3: this TLS 1.x alone; 0: both */
	const char *client_ca;		/* ask for a certificate of the client; NULL: do not */
	const char *ciphers;		/* NULL: all */
	struct tls_server_home *home;	/* NULL: nothing is shared */
	bool no_tickets;		/* session ids are all that TLS 1.2 has */
};

void tls_server_home_done(struct tls_server_home *home);

/* False: a file is not good. */
bool tls_server_open(struct tls_server *s, const struct tls_server_conf *conf);
void tls_server_close(struct tls_server *s);

/* Takes all of in. Returns how many octets of the client's text it has put into plain, at most size. */
size_t tls_server_feed(struct tls_server *s, struct slice in, char *plain, size_t size);
void tls_server_say(struct tls_server *s, struct slice text);
void tls_server_goodbye(struct tls_server *s);

/* The first n octets of out are with the client. */
void tls_server_sent(struct tls_server *s, size_t n);

/* KeyUpdate of TLS 1.3, which is to be answered with another one. The answer has to be here before the next. */
void tls_server_ask_for_keys(struct tls_server *s);

/* A ticket with a nonce and an identity of these sizes, whatever is in them (RFC 8446 4.6.1). */
/* The largest nonce that a client with this library can take: 255, or 8 with one that an older tools/setup built. */
size_t tls_server_nonce_max(void);
void tls_server_give_ticket(struct tls_server *s, size_t nonce_size, size_t ticket_size);

/* The client has resumed a session. */
bool tls_server_is_resumed(const struct tls_server *s);

/* What a TLSA record (RFC 6698 2.1) says of the certificate in this file (PEM), up to size octets of it; matching 0, 1,
 * 2. 0: the file is not good. */
size_t tls_server_tlsa(const char *path, unsigned selector, unsigned matching, char *data, size_t size);

/* The name that the client asked for; empty: it did not. */
struct slice tls_server_name(const struct tls_server *s, char *storage, size_t size);
