/* tlsrpt_mail.h - a TLS report as mail (RFC 8460 5.3)
 *
 *	Subject: Report Domain: example.org Submitter: client.test Report-ID: <...>
 *	multipart/report; report-type="tlsrpt": a few words, and application/tlsrpt+json
 *
 * It says TLS-Required: no, and is marked so in its envelope: a report has to arrive where TLS is broken (RFC 8460 3),
 * and no report speaks of it. It is not signed.
 *
 * bounds   one at a time
 * thread   core 0
 */
#pragma once

#include "net/params.h"
#include "net/source/spool.h"
#include "net/source/tlsrpt_counts.h"

#define TLSRPT_MAIL_MAX	(TLSRPT_TEXT_MAX + TLSRPT_TEXT_MAX / 8 + KIB(8))	/* with the CR of each line */
#define TLSRPT_MAIL_ID	512u

struct tlsrpt_mail {
	const struct params *params;
	struct spool *spool;
	char contact[TLS_EVENT_NAME];	/* tlsrpt_contact with a domain */
	/* private */
	void (*fn)(struct tlsrpt_mail *m, int err);
	struct spool_draft *draft;	/* until its commit */
	struct spool_waiter committed;
	struct journal_waiter room;
	struct task task;
	int task_err;
	unsigned rcpt_count;
	struct rcpt_facts rcpts[TLSRPT_RUA_MAX];
	char addresses[TLSRPT_RUA_MAX][256];	/* in internal form */
	size_t len, written;
	char text[TLSRPT_MAIL_MAX];
};

void tlsrpt_mail_init(struct tlsrpt_mail *m, const struct params *params, struct spool *spool);

/* The name of a report: the same for its mail and for what is in it. */
void tlsrpt_mail_id(const struct tlsrpt_mail *m, const struct tlsrpt_report *r, struct str *out);

/* fn hears when it is in the spool, or why not; never from inside this call. */
void tlsrpt_mail_send(struct tlsrpt_mail *m, const struct tlsrpt_report *r, struct slice json,
		      void (*fn)(struct tlsrpt_mail *m, int err));
