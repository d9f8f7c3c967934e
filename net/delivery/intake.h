/* intake.h - the contract between delivery and a source of messages: offer, claim, settle each recipient exactly once
 *
 * A source owns messages and makes things durable; delivery owns destinations and sessions. All calls go across cores
 * by notes: each function below says on which core it is called, and its answer comes later.
 *
 * promises of a source (P1-P4 of the hostile-world reference)
 *	- a claim is answered only when "attempt begins" is durable, so that after a crash every recipient which may have been
 *	  delivered is known, counted and logged
 *	- a recipient is reported to anybody only when its outcome is durable
 *	- content that does not match its checksum is never handed out
 */
#pragma once

#include "net/delivery/job.h"

struct source {
	/* On the destination's core. Answers with delivery_on_claimed. attempt->job, first and count are set. */
	void (*claim)(struct attempt *a);
	/* On the destination's core: as body.release of attempt->body; set by delivery when it takes the attempt. */
	void (*release)(struct body *body, struct body_window *window);
	/* On the destination's core: all outcomes of [first, first + count) are filled in. Releases all content, makes
	 * the outcomes durable, logs and counts them. Answers with delivery_on_settled. The attempt need not have been
	 * claimed: it never was when it is answered without a session, or when the claim failed. */
	void (*settle)(struct attempt *a);
	/* On the destination's core: nothing of the job is open any more, or a claim or settle was answered with
	 * ERR_CORRUPT (the content is damaged, the message kept aside by the source). The job is the source's again. */
	void (*finish)(struct job *job);
};

/* --- what delivery offers to a source ----------------------------------------------------------------------------- */

/* On the home core: which core owns the destination of this nexthop. A nexthop that is sharded lives on every core. */
unsigned delivery_core_of(struct slice nexthop);

/* Where mail for this recipient domain goes: relayhost, or the domain's key in storage. The answer is either a
 * parameter's memory or storage. */
struct slice delivery_nexthop(struct slice domain, struct str *storage);

/* How many of count recipients with one nexthop, one behind the other, are a job: a transaction's worth
 * (smtp_destination_recipient_limit), so that they are delivered side by side, as with Postfix's queue manager. When
 * that would be more jobs than half of the sessions a destination may have it is more: other messages want one, too. */
uint32_t delivery_job_rcpts(uint32_t count);

/* On the home core: delivery owns the job from here on. magic, msg, nexthop, first, count, open, attempts, due_ns and
 * ambiguous are set. */
void delivery_offer(struct job *job);

/* On the destination's core: the answers. err < 0 of a claim: content or journal fail, nothing was begun, and nothing
 * is to be settled. ERR_CORRUPT, of either: the message cannot be delivered as it was accepted, finish the job. */
void delivery_on_claimed(struct attempt *a, int err);
void delivery_on_settled(struct attempt *a, int err);
