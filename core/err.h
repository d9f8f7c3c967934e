/* err.h - errors are negative errno, plus the few the kernel has no word for
 *
 * Completions, liburing and we then speak one language: 0 or a count is success, below zero is why not.
 */
#pragma once

/* Beyond the kernel's range (MAX_ERRNO is 4095), so that the two can never be confused. */
enum {
	ERR_EOF		= -5001,	/* the peer closed its side */
	ERR_PROTO	= -5002,	/* the peer broke its protocol; the parser or session is done */
	ERR_TIMEOUT	= -5003,	/* our own deadline, not the kernel's ETIMEDOUT */
	ERR_CORRUPT	= -5004,	/* stored bytes do not match their checksum or their grammar */
	ERR_VERSION	= -5005,	/* stored by a release whose format we do not know */
	ERR_TABLE	= -5007,	/* a lookup table gave no answer: neither yes nor no */
	ERR_CONTENT	= -5008,	/* content that cannot be given to somebody in a form he takes */
	ERR_SYNTAX	= -5006,	/* text from an operator does not parse */
};

/* A constant phrase for err (negative), ours or errno's: "lost connection", "No space left on device". */
const char *err_text(int err);
