/* tls_selftest.h - does the linked library tell a certificate from its clone?
 *
 * A clone carries everything of a trusted certificate but its key; a forgery is signed without one. There have been
 * releases of wolfSSL that took them for the genuine one (hostile-world, Appendix B, rows TLS-01, TLS-02), so whoever
 * swaps the library has to pass this, at each start.
 *
 * errors   ERR_PROTO: a clone was trusted, or a genuine one was not; ERR_CORRUPT: it could not be asked
 * thread   start only, after crypto_library_start
 */
#pragma once

#include "core/base.h"

int tls_selftest(void);
