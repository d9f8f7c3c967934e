/* outcome.h - the one judge: a reply or an error becomes sent, soft or hard (B 6.2, 17.4, 19)
 *
 * Nobody else decides what a failure means for a recipient, so that logs, reports and retries always agree.
 *
 * memory   reasons go into the attempt's text; equal ones are stored once
 * never    looks at the clock, counts or logs
 */
#pragma once

#include "net/delivery/job.h"
#include "net/smtp/session.h"

struct outcome {
	enum rcpt_outcome kind;
	struct enhanced_code dsn;
};

/* What the reply to this step means. For SESSION_DATA a 3xx never comes here. */
struct outcome outcome_of_reply(enum session_state step, const struct smtp_reply *reply);

/* An error of our own: no descriptor, no memory, no disk. Neither the server nor the network has anything to do with
 * it, and no other host would do better (row OSR-02). */
bool outcome_is_local(int err);

/* What losing the connection, or failing on our own side, in this step means. */
struct outcome outcome_of_error(enum session_state step, int err);

/* Writes outcome, code, step and reason into rcpt. peer: "host[address]". soft_bounce: another host may be asked after
 * a hard failure, too. */
void outcome_judge(struct attempt *a, struct rcpt *rcpt, const struct verdict *v, struct slice peer, bool soft_bounce);

/* A session that never became ready: what that means for all who wait for it, and why in words. */
struct outcome outcome_of_failure(const struct session *s, struct str *ret_text);

/* Is what it means hard only when no other host is left (B 4.1)? */
bool outcome_is_until_final(const struct session *s);

/* Policy does not let a message that asks for REQUIRETLS go to this host. */
struct outcome outcome_of_requiretls(struct slice host, enum param_requiretls policy, struct str *ret_text);

/* The same when our own source address could not be had (smtp_bind_address_enforce). */
struct outcome outcome_of_bind_failure(const struct session *s, struct str *ret_text);

/* The same outcome for every open recipient of the attempt. */
void outcome_apply(struct attempt *a, struct outcome outcome, enum session_state step, struct slice text);

/* No host is left: what was soft is deferred, or hard when it was so only for as long as there was one. */
void outcome_end_round(struct rcpt *rcpt);

/* The last word before the outcome is recorded (B 19.4): smtp_delivery_status_filter may change it, a bounce becomes a
 * deferral under soft_bounce, and a deferral of a message that has been tried long enough becomes a bounce, with 5.4.7
 * and the last reason. With a probe only the filter has a say: what is not decided is hard, with its 4.y.z. False: the
 * filter could not be asked, or its answer was none; then nothing is a bounce that the filter might have said is
 * none. */
bool outcome_conclude(struct attempt *a, struct rcpt *rcpt, const struct params *p, bool expired);

/* text, stored with the attempt; cut when there is no room. */
struct slice outcome_keep_text(struct attempt *a, struct slice text);
