/* fake_spool.h - a spool that keeps messages in memory and fails on demand; also catches what would go to the log
 *
 * Linked instead of net/source/spool*.c and core/log.c: the accepting half of net/source/spool.h, log_put and log_line.
 * Commits wait until fake_spool_finish, as those of the real one wait for the disk.
 *
 * bounds   FAKE_MESSAGES messages, FAKE_CONTENT octets each; more is an assertion, for it is the test that is wrong
 */
#pragma once

#include "net/source/spool.h"

#define FAKE_MESSAGES	64
#define FAKE_CONTENT	KIB(64)
#define FAKE_RCPTS	8192

struct fake_message {
	uint64_t id;
	char sender[SPOOL_ADDR_MAX];
	size_t sender_len;
	char rcpts[FAKE_RCPTS];		/* "<a@b><c@d>", cut */
	size_t rcpts_len;
	char asked[FAKE_RCPTS];		/* "ENVID|ORCPT notify;..." for each recipient, cut */
	size_t asked_len;
	char client[MESSAGE_CLIENT_MAX];
	size_t client_len;
	uint32_t rcpt_count;
	uint32_t facts;
	uint64_t size;
	unsigned writes;
	size_t content_len;
	char content[FAKE_CONTENT];
};

struct fake_spool {
	struct fake_message messages[FAKE_MESSAGES];	/* durable ones */
	unsigned count;
	uint64_t total;			/* durable, those that are not kept included */
	unsigned drafts;		/* open */
	unsigned begun;
	unsigned committing;
	unsigned waiting_for_room;
	uint64_t writes;
	bool forgets;			/* keep count only: for many or large messages */
	/* What to say. */
	int accepts_err;
	int begin_err;
	int write_err;			/* after writes_until_err more writes */
	unsigned writes_until_err;
	unsigned no_room;		/* so many writes say -ENOBUFS */
	int commit_err;
	size_t log_len;
	char log[KIB(64)];		/* lines since fake_spool_reset, the oldest kept; ended by NUL */
};

extern struct fake_spool fake_spool;

void fake_spool_reset(void);

/* Ends the commits under way, those begun meanwhile excluded. Returns how many. */
unsigned fake_spool_finish(void);

/* Room has come: one waiter hears it. Returns false when there was none. */
bool fake_spool_give_room(void);

/* The content without the Received field on top of it, which is asserted to be there, of three lines. */
struct slice fake_spool_body(const struct fake_message *m);

/* Adds to what becomes asked: an ENVID, or with notify a recipient. */
void fake_add_asked(struct str *out, struct slice text, const uint32_t *notify);

bool fake_log_contains(const char *text);
