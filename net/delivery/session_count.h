/* session_count.h - how sessions came about, counted: TLS by version, suite, verdict and level, AUTH by mechanism; and
 * what of the two was in the way
 *
 * A session counts once, when it is ready or has failed. ringpost_tls_sessions_total is the sum of each of the metrics
 * with a label beside it; a suite that has no row of its own counts as "other".
 *
 * bounds   labels are literals here: what a server says never makes one (row MET-01)
 */
#pragma once

#include "net/smtp/session.h"

/* Start only. */
void session_count_register(void);

void session_count_ready(const struct session *s);
/* It never was ready. */
void session_count_failed(const struct session *s);
