/* library.h - which TLS library is linked, and is it the one we were built against?
 *
 * The answer goes into --version, so that an operator can hold it against his distribution's security notes (row
 * TLS-02).
 *
 * Chance and time come from us: core/random.h, and what crypto_time_set was told.
 *
 * errors   ERR_VERSION: header and library differ; a struct of one must never be handed to the other
 */
#pragma once

#include "core/base.h"
#include "core/version.h"

/* "wolfSSL 5.7.2, with assembly": a constant. */
const char *crypto_library_version(void);

struct library crypto_library(void);

/* Start only. 0 or ERR_VERSION. */
int crypto_library_check(void);

/* Start only, before anything else of crypto, once. 0, ERR_VERSION, or -ENOMEM. */
int crypto_library_start(void);

/* What time it is for the calling thread from now on: certificates are judged by it. Nanoseconds since 1970. */
void crypto_time_set(uint64_t wall_ns);

/* What it was told last. */
uint64_t crypto_time(void);
