/* crc.h - CRC-32C (Castagnoli polynomial, RFC 3720 appendix B.4)
 *
 * The processor's own instruction where it has one (SSE 4.2, asked at run time), else a table. Both give equal results.
 *
 * never    fails; not a defence against somebody who forges, see the salt in core/journal_format.h
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* Continues crc over buf. Start with 0, or with a salt: crc32c(crc32c(s, a), b) is crc32c(s, ab). */
uint32_t crc32c(uint32_t crc, const void *buf, size_t len);

/* The fallback by its own name, so that a test can compare the two. */
uint32_t crc32c_portable(uint32_t crc, const void *buf, size_t len);
