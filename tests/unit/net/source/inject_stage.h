/* inject_stage.h - the listener under test, its clients, and turns: what the claims of inject_smtp.c play on
 *
 * Clients are plain sockets in the same thread, read after every turn; nothing here goes through core/io.h but the
 * listener.
 */
#pragma once

#include "core/reactor.h"
#include "net/source/inject_smtp.h"

#define CLIENTS		64
#define BUFS		64u
#define CLIENT_IN	MIB(1)
#define ENDPOINT_TLS	2	/* TLS from the first octet; only when params.inject_smtps_listen is set before */

struct client {
	int fd;
	bool eof;		/* or reset */
	unsigned reads;
	size_t len;
	char in[CLIENT_IN];
};

extern struct params params;
extern struct inject *inject;
extern bool finishes_commits;
extern bool closed;
extern struct client clients[CLIENTS];

void turn(void);
void turns(unsigned n);

#define TURN_UNTIL(condition) \
	do { \
		uint64_t deadline_ = clock_mono_ns() + 20 * NS_PER_SEC; \
		while (!(condition)) { \
			if (clock_mono_ns() > deadline_) \
				fail_msg("not within 20 s: %s", #condition); \
			turn(); \
		} \
	} while (0)

int inject_stage_setup(void **state);

/* The same in two halves, for params that matter when the listener is made. */
void inject_stage_prepare(void);
void start_listening(void);
void offer_wrapped_tls(void);
void on_closed(struct inject *i, void *context);
void vanish(struct client *c);
int inject_stage_teardown(void **state);
struct client *client_connect(unsigned endpoint);
void client_send(struct client *c, const char *text, size_t len);
unsigned replies_of(const struct client *c);
void expect(struct client *c, const char *text);
void ask(struct client *c, const char *text, const char *code);
struct client *client_hello(void);
struct client *client_begin_data(void);
