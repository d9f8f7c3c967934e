/* session_auth.h - AUTH in a session: who we say we are, and how it went (RFC 4954; B 8)
 *
 *	last EHLO -> credentials -> mechanism -> AUTH -> { 334 -> response } -> 235 -> open
 *
 * Credentials are looked up by whoever owns the session (events->credentials), when AUTH is due and not before. They
 * are here from then on until the server has said yes or no, in memory that is neither swapped nor dumped, and wiped.
 * What is said meanwhile is not shown to anybody who reads along (debug_peer_list, reports), nor is a reply that
 * repeats it.
 *
 * user:oauth2:/file stands for a token in that file, which is read through the ring each time that one is needed: it
 * may be replaced while we run. The first line counts.
 *
 * bounds   SESSION_AUTHS exchanges at a time and core; who finds none free waits in line
 * memory   a pool of the owner's; an exchange that is left while the kernel reads a token stays until that is over
 * thread   one core
 */
#pragma once

#include "core/io.h"
#include "core/pool.h"
#include "core/reactor.h"
#include "crypto/auth.h"

#define SESSION_AUTHS		64u	/* 44 KiB each; 300 sessions a second, when each takes 200 ms for it */
#define SESSION_AUTH_TOKEN	"oauth2:"	/* in front of a path, in the place of a password */

struct session;
struct params;

/* What auth_library_start has to load: mechanisms that smtp_sasl_mechanism_filter has by name. */
uint32_t session_auth_by_name(const struct params *p);

struct session_auth_pool {
	/* Some exchange is over; NULL: nobody wants to know. */
	void (*put)(struct session_auth_pool *p);
	/* private */
	struct pool pool;
	struct list waiting;		/* of session.auth_wait */
	struct task serve;
};

/* Start only. is_locked: the kernel has promised not to swap it. 0 or -ENOMEM; session_auth_pool_done in both cases. */
int session_auth_pool_init(struct session_auth_pool *p, bool *ret_is_locked);
void session_auth_pool_done(struct session_auth_pool *p);

/* What is asked of a session. */
struct session_auth_wish {
	bool has_credentials;		/* AUTH, where it is offered */
	unsigned rank_min;		/* with a mechanism of that rank, unless the server's certificate matches */
	struct session_auth_pool *exchanges;	/* of this core; not looked at without credentials */
};

struct session_auth {
	struct session *session;	/* NULL: it has gone, and the kernel still reads */
	struct session_auth_pool *pool;
	struct auth_credentials credentials;
	/* private */
	bool has_begun;			/* auth_end is due */
	bool has_token;
	bool first_waits;		/* the first response was too long for its line (RFC 4954 4) */
	bool is_cancelled;		/* '*' has been said */
	int err;			/* why */
	int file;			/* the token's */
	struct op op;
	char path[256];
	size_t said_len;		/* of line: the latest response, without line end */
	size_t line_len, line_said;	/* what of line is to be said, and has been */
	char line[AUTH_OCTETS_MAX + 2];	/* a response with its line end */
	struct auth auth;
};
