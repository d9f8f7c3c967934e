/* inject_auth.h - AUTH of one injecting client (RFC 4954): PLAIN, LOGIN, SCRAM-SHA-256
 *
 *	AUTH -> { 334 -> line } -> verify, elsewhere -> 235, or after a while 535
 *
 * A password is never held against its hash on the ring's thread: that is a job for a helper (core/helper.h), and the
 * session waits meanwhile as for the disk. SCRAM needs none, and is offered when all users of the file can do it.
 *
 * bounds   INJECT_AUTH_MAX exchanges on each core at a time, then 454; INJECT_AUTH_TRIES_MAX failures of a connection;
 *          smtpd_error_sleep_time before each refusal
 * memory   an exchange comes from a pool, and is wiped when it ends
 * log      who it is, when it went well; of a failure the mechanism and the reason, never the user: people type
 *          passwords there
 * never    included from outside of net/source/inject_*.c
 */
#pragma once

#include "core/helper.h"
#include "crypto/passwords.h"

#define INJECT_AUTH_MAX		256u
#define INJECT_AUTH_TRIES_MAX	3u

struct inject_session;
struct inject_common;

enum inject_auth_step {
	INJECT_AUTH_FIRST,		/* all of PLAIN, the user of LOGIN, SCRAM's first message */
	INJECT_AUTH_SECOND,		/* the password of LOGIN, SCRAM's final message */
	INJECT_AUTH_OVER,		/* SCRAM: the client has still to agree */
};

struct inject_auth {
	struct inject_session *session;
	unsigned mech;			/* index of the table in inject_auth.c */
	enum inject_auth_step step;
	bool matches;
	struct helper_job job;
	struct password password;
	size_t user_len;
	char user[PASSWORD_USER_MAX + 1];
	char text[PASSWORD_MAX + 1];
	struct scram_server scram;
};

/* Start only. Registers the metrics. 0 or -ENOMEM. */
int inject_auth_init(struct inject_common *c, size_t connections);
void inject_auth_free(struct inject_common *c);

/* May this client authenticate, as things are? */
bool inject_auth_is_offered(const struct inject_session *s);

/* Adds "250-AUTH ...", with its line end. */
void inject_auth_add_offer(const struct inject_session *s, struct str *out);

/* AUTH with this argument: replies, or the session waits. */
void inject_auth_begin(struct inject_session *s, struct slice argument);

/* A line of an exchange, without its end. is_bad: it is no line that could be one. */
void inject_auth_line(struct inject_session *s, struct slice line, bool is_bad);

/* The wait before a refusal is over. */
void inject_auth_refuse(struct inject_session *s);

/* Wipes what there is. Not while a helper has it. */
void inject_auth_end(struct inject_session *s);
