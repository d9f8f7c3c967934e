/* stage.h - real sessions on a real ring against a puppet, and everything they say about themselves
 *
 *	stage_open(params) -> stage.puppet = script -> stage_play -> stage.mails[i].rcpts, .seen, .done -> stage_close
 *
 * What every session owes is checked here for all tests: done once per transaction and never inside session_start,
 * closed once and last, all receive buffers back, no timer left behind.
 */
#pragma once

#include "net/smtp/session.h"
#include "tests/test.h"
#include "tests/unit/net/smtp/puppet.h"

#define STAGE_MAILS 4u
#define STAGE_RCPTS 600u

/* A provider of content whose windows become ready when the test wants. */
struct fake_body {
	struct body body;
	struct slice content; /* sent repeat times */
	unsigned repeat;
	size_t window_size; /* octets a window, one piece for each 4 KiB at most BODY_PIECES */
	uint64_t wait_ns;   /* before a window is ready */
	size_t fail_at;     /* the content is damaged from this octet on, */
	int fail_err;       /* and this is why; 0: ERR_CORRUPT */
	bool held;          /* nothing becomes ready until stage_let_go */
	/* private */
	size_t at;
	bool over;
	bool empty[2];
	unsigned next;
	struct wheel_timer timer;
};

/* What the session told about one recipient. */
struct seen {
	unsigned times;
	enum session_state step;
	int code; /* of the reply; 0: none */
	int err;
	bool maybe_delivered;
	bool waited_for_us;
};

struct mail {
	struct message msg;
	struct rcpt rcpts[STAGE_RCPTS];
	struct seen seen[STAGE_RCPTS];
	struct fake_body body;
	struct transaction transaction;
	bool started;
	unsigned done;
};

/* Not struct stage: that one is what content passes through (net/mail/stage.h). */
struct theatre {
	struct session session;
	struct puppet puppet;
	struct params params;
	struct addr local; /* len 0: none */
	struct conn_transform *transform;
	struct transcript *transcript;
	uint32_t debug_level;
	struct mail mails[STAGE_MAILS];
	unsigned mail_count;
	bool ride;    /* the next mail may ride behind the body */
	bool lmtp;    /* instead of SMTP */
	bool chunking;
	bool no_quit; /* after the last mail: leave the session open */
	unsigned ready, closed, next_calls;
	bool in_start;
	bool finished; /* the session closed, or is idle and no_quit */
	uint64_t took_ns;
	size_t offence_len; /* session_offence in closed */
};

extern struct theatre stage;

/* Around each test, a ring of its own: one that fails does not take the others along. */
int stage_setup(void **state);
int stage_teardown(void **state);
int stage_end(void **state); /* after the last */
#define STAGE_CLAIM(words, fn) CLAIM_WITH(words, fn, stage_setup, stage_teardown)

/* A clean stage: parameters at their defaults, a server at 127.0.0.1. */
void stage_open(const struct puppet_step *script);

/* One more message; recipients separated by blanks. */
struct mail *stage_mail(const char *sender, const char *rcpts, const char *content);

/* Opens the session, and turns until it has closed; with_in_ms bounds it. */
void stage_start(void);
void stage_wait(unsigned within_ms);
void stage_turn(void);
void stage_turns_for(unsigned ms);
void stage_let_go(struct mail *m);
void stage_close(void);

/* start and wait, 5 s */
void stage_play(void);

/* Outcome and what it came from, for recipient i. */
void stage_expect(const struct mail *m, unsigned i, enum rcpt_outcome outcome, enum session_state step, int code,
		  int err);
