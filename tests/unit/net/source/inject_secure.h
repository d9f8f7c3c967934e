/* inject_secure.h - clients in TLS on the stage of inject_stage.h
 *
 * Ours at the other end: crypto/tls as a client, carried to and fro by hand.
 */
#pragma once

#include "core/clock.h"
#include "crypto/tls.h"
#include "tests/unit/net/source/inject_stage.h"

#define SECURES 4u

/* A client in TLS: what it has heard is in text. */
struct secure {
	struct client *c;
	struct tls tls;
	bool is_over;
	size_t len;
	char text[KIB(64)];
};

extern struct secure secures[SECURES];
extern struct tls_room room;	/* the clients' */
extern struct tls_context *trust;
extern const struct tls_check check;

/* With the certificate and key of tests/unit/crypto/pki that have this name. */
struct tls_context *server_context(const char *name);

/* The stage, with params for TLS; and the listener as well. */
void prepare_tls(void);
int set_up_tls(void **state);
int tear_down_tls(void **state);

/* Carries what there is both ways, and says this. */
void pump(struct secure *s, struct slice say);

#define PUMP_UNTIL(s, condition) TURN_UNTIL((pump((s), SLICE("")), (condition)))

struct secure *shake_hands(struct client *c, enum tls_version version);
void leave_tls(struct secure *s);

/* A whole reply has been heard. */
bool has_reply(const struct secure *s);

/* One more reply, which begins with code. */
void ask_tls(struct secure *s, const char *text, const char *code);
