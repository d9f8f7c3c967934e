/* maillog.h - one log line per recipient and outcome, as Postfix's tools expect it (B 22)
 *
 *	QUEUEID: to=<a@b>, orig_to=<c@b>, relay=host[1.2.3.4]:25, conn_use=2, delay=0.12, delays=0.01/0/0.05/0.06,
 *	tls=may, dsn=2.0.0, status=sent (250 ok)				all in one line
 *
 * Of a probe the status is deliverable or undeliverable; with a 4.y.z nobody knows.
 *
 * Called by the source once the outcome is durable, and by nobody else.
 */
#pragma once

#include "net/delivery/job.h"

enum maillog_status {
	MAILLOG_SENT,
	MAILLOG_DEFERRED,
	MAILLOG_SOFTBOUNCE,	/* deferred in place of bounced (soft_bounce) */
	MAILLOG_BOUNCED
};

void maillog_rcpt(const struct attempt *a, const struct rcpt *r, enum maillog_status status);

/* Start only: the program named in each line, "smtp" or "lmtp"; delay_logging_resolution_limit, digits after the decimal
 * point; info_log_address_format. */
void maillog_start(const char *client_name, unsigned resolution, bool internal_addresses);

/* A delay as Postfix prints it: rounded to two significant digits and at most resolution decimals, no trailing zeros;
 * whole seconds from 10 s on; 0 for less than the resolution (B 22.2). */
void maillog_add_delay(struct str *out, uint64_t delay_ns, unsigned resolution);
