/* tlsrpt.h - TLS reports (RFC 8460): connections are counted, and whoever asks for it hears of them once a day
 *
 *	tls_event -> report of (domain, UTC day) -> the day is over -> a JSON file, and mail to the rua addresses
 *	                 |    '-- TXT _smtp._tls.domain: nobody wants it: nothing is counted
 *	                 '-- a file of counts, soon: a restart goes on with it
 *
 * Days are multiples of tlsrpt_interval; reports are sent up to a sixth of it later, one after the other. Reports go
 * to mailto: addresses; https: ones are counted in a metric. What is not over when the daemon stops is saved, not sent:
 * a day has one report (RFC 8460 4.1), however often we start.
 *
 * bounds   those of tlsrpt_counts.h; TLSRPT_SAVES files a second, each domain's at most every TLSRPT_SAVE_NS, which is
 *          what a crash may lose
 * memory   all of it reserved in tlsrpt_new
 * thread   core 0; the others send their events in notes
 */
#pragma once

#include "core/reactor.h"
#include "net/source/spool.h"
#include "net/source/tlsrpt_counts.h"

#define TLSRPT_SAVE_NS	(10 * NS_PER_SEC)
#define TLSRPT_SAVES	50u

struct tlsrpt;

/* On core 0, before its first turn; reads what an earlier process has counted. 0, or why tlsrpt_directory cannot be
 * used, or -ENOMEM. */
int tlsrpt_new(const struct params *params, struct resolver *resolver, struct spool *spool, struct tlsrpt **ret_tlsrpt);
void tlsrpt_free(struct tlsrpt **t);

/* The spool accepts mail: from now on reports are sent. */
void tlsrpt_begin(struct tlsrpt *t);

/* One connection more. */
void tlsrpt_count(struct tlsrpt *t, const struct tls_event *e);

/* No report is begun any more; when the one under way has ended and all counts are saved, done is called, and never
 * from inside this call. */
void tlsrpt_close(struct tlsrpt *t, void (*done)(struct tlsrpt *t, void *context), void *context);
