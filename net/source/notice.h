/* notice.h - transcripts of sessions that went wrong, as mail to the postmaster (B 22.5)
 *
 *	notice_post -> message from double-bounce@ to error_notice_recipient -> spool -> delivered like any other
 *
 * A notice is a courtesy: one for which there is no place, or that the spool does not take, is a line in the log.
 *
 * bounds   NOTICES_MAX under way at a time, for each core
 * memory   all of it reserved in notices_new
 * thread   one home core
 */
#pragma once

#include "net/params.h"
#include "net/smtp/transcript.h"
#include "net/source/spool.h"

#define NOTICES_MAX 8u

struct notices;

/* On the home core, before its first turn. NULL: no memory. */
struct notices *notices_new(const struct params *params, struct spool *spool);
void notices_free(struct notices **n);

/* peer: "host[address]", as of delivery_conf.report. */
void notice_post(struct notices *n, struct slice peer, const struct transcript *t);

/* Nothing is taken any more; done is called when what is under way has come to its end, and never from inside this
 * call. The spool may be closed then. */
void notices_close(struct notices *n, void (*done)(struct notices *n, void *context), void *context);
