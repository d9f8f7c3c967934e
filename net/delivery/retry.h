/* retry.h - when to try again: exponential backoff with jitter, until the message is too old
 *
 *	wait = minimal_backoff_time * 2^(attempts - 1), at most maximal_backoff_time, plus or minus RETRY_JITTER_PERCENT
 *
 * The jitter keeps a thousand messages that failed together from coming back together.
 *
 * never    looks at a clock or throws dice: time and chance are arguments
 */
#pragma once

#include "net/mail/message.h"
#include "net/params.h"

#define RETRY_JITTER_PERCENT 10u

/* attempts: failed ones so far, at least 1. chance: any 64 random bits. */
uint64_t retry_wait_ns(const struct params *p, uint32_t attempts, uint64_t chance);

/* Has the message been tried long enough at this time of the queue clock? (maximal_queue_lifetime; the null sender's:
 * bounce_queue_lifetime) */
bool retry_is_expired(const struct params *p, const struct message *msg, uint64_t now_ns);
