/* ledger.h - what was promised against what arrived: the invariants of a storm
 *
 *	injector: offered -> dot sent -> accepted | refused | unknown		an id is used for one attempt to inject
 *	server:   committed, or said no
 *	log:      sent, deferred, bounced, "may be delivered twice"
 *
 * ledger_check:
 *	lost		accepted, and at the end neither committed nor bounced
 *	false-sent	logged as sent, and never committed
 *	altered		committed with other content than offered, or than what has to come of it for this server (told
 *			at once)
 *	unexplained	committed more often than the engine has announced
 *	invented	committed or logged, and never offered to the engine (told at once)
 *	uninvited	committed, and the injector was told no
 *	unfounded	bounced, and nobody said 5xx (or is one who may have), and its time was not over
 *	twice		sent or bounced is logged again without a crash in between, or both
 *	open		at the end it is still in the spool
 *
 * bounds   LEDGER_IDS ids, LEDGER_RCPTS recipients each
 */
#pragma once

#include "net/delivery/maillog.h"

#define LEDGER_IDS	4096u
#define LEDGER_RCPTS	6u
#define LEDGER_DOMAINS	32u

enum offer_state { OFFER_NONE, OFFER_BEGUN, OFFER_DOT_SENT, OFFER_ACCEPTED, OFFER_REFUSED };

struct ledger_rcpt {
	unsigned domain;
	unsigned commits;
	unsigned announced;		/* "may be delivered twice" */
	unsigned sent, bounced, deferred;
	unsigned last_life;		/* of the engine, when it said sent or bounced */
	bool refused;			/* some server said 5xx to it, or to all of its transaction */
};

struct offer {
	enum offer_state state;
	uint64_t seed;			/* of its content */
	uint32_t size;
	uint64_t at_ns;
	unsigned rcpt_count;
	struct ledger_rcpt rcpts[LEDGER_RCPTS];
};

void ledger_start(uint64_t lifetime_ns);
/* A new attempt; its number. */
uint32_t ledger_offer(uint64_t seed, uint32_t size, const unsigned *domains, unsigned count);
struct offer *ledger_at(uint32_t id);
unsigned ledger_count(void);

/* "i12r3@d4.test" */
void ledger_add_address(struct str *out, uint32_t id, unsigned rcpt);
struct ledger_rcpt *ledger_find(struct slice address);

/* The content of an offer: CRLF, not stuffed. In memory that the next call overwrites. */
struct slice ledger_content(const struct offer *o, uint32_t id);

/* What a server has said that it takes; EITHER: it has played tricks with its words. */
enum ledger_server { LEDGER_TAKES_8BIT, LEDGER_TAKES_7BIT, LEDGER_TAKES_EITHER };

/* A server takes responsibility: content as it was received. */
void ledger_commit(struct slice address, struct slice content, enum ledger_server server);
/* Somebody said 5xx. */
void ledger_refuse(struct slice address);
/* The same to "s12@client.test": all of its recipients. */
void ledger_refuse_sender(struct slice sender);
/* Some server of this domain says 5xx to whom it likes. */
void ledger_domain_refuses(unsigned domain);
/* A line of the engine's log. */
void ledger_log(unsigned life, struct slice text);

/* Everything that was accepted has an end. */
bool ledger_is_settled(void);
/* Dies with a sentence when an invariant does not hold. may_be_uninvited: a sync failed, and the engine died later. It
 * has answered 451 by then, and dies before the next segment's head makes the failed batch void for good: what the disk
 * has of it is found again (row SPL-07 asks for no more). Returns how many such recipients there are. */
unsigned ledger_check(bool may_be_uninvited);
/* The same for everybody who finds something: "storm: lost: ..." and the end of the process. */
_Noreturn void ledger_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
