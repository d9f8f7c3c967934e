/* library.h - which TLS library is linked, and is it the one we were built against?
 *
 * The answer goes into --version, so that an operator can hold it against his distribution's security notes (row
 * TLS-02).
 *
 * errors   ERR_VERSION: header and library differ; a struct of one must never be handed to the other
 */
#pragma once

/* "wolfSSL 5.7.2, with assembly": a constant. */
const char *crypto_library_version(void);

/* Start only. 0 or ERR_VERSION. */
int crypto_library_check(void);
