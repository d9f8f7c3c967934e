/* inject_dialogue.h - one session without a socket: what it is told, and what it has to answer
 *
 * Linked into the tests of net/source/inject_session.c and inject_content.c, together with fake_spool.
 */
#pragma once

#include "net/source/inject_session.h"
#include "tests/test.h"
#include "tests/unit/net/source/fake_spool.h"

#define WALL	(UINT64_C(1795391207) * NS_PER_SEC)
#define LIMIT	4000u		/* message_size_limit, unless a test sets another */

extern struct params params;
extern struct inject_common common;
extern struct inject_session session;
extern unsigned resumed;	/* how often the session has asked to be fed again */

int setup(void **state);
int teardown(void **state);
#define CASE(words, fn) CLAIM_WITH(words, fn, setup, teardown)

/* A new session from this endpoint, not greeted yet; the one before ends, and has to leave nothing. */
void open_as(const char *peer);
void end_session(void);

void greet(void);
void hello(void);		/* EHLO from a trusted client */
void begin_mail(void);		/* ... MAIL, RCPT */
void begin_data(void);		/* ... DATA */

/* Feeds text; returns what was left of it. */
struct slice feed(struct slice text);

/* Feeds all of it, and one reply has to come that begins with code. */
void say(const char *text, const char *code);

/* Feeds in two pieces; when the session waits for room, it gets it and is fed on. */
void feed_cut(struct slice text, size_t cut);

void expect_replies(const char *want);

/* Every reply so far begins with code. Returns how many there were. */
unsigned expect_code(const char *code);

/* The message is on its way to the disk, is answered only when it is there, and has this content. */
void expect_accepted(const char *body);
