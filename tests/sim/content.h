/* content.h - what the mails of a storm say, and what has to arrive of it: worked out once more, the slow way
 *
 * Without changes, content is ASCII in lines that everybody takes, and arrives octet by octet. With some, mails are in
 * 8bit, lines are too long, and main.cf wants addresses mapped, headers and lines replaced and left out; what arrives
 * then depends on what the server can take (B 12, B 13, B 15.3, B 16).
 *
 * memory   what is returned is good until the next call
 */
#pragma once

#include "core/str.h"

enum content_change {
	CONTENT_IN_8BIT		= 1,	/* some mails: labelled, or not */
	CONTENT_IN_LONG_LINES	= 2,
	CONTENT_IS_MAPPED	= 4,
	CONTENT_IS_CHECKED	= 8,
	CONTENT_IS_ASKED_ABOUT	= 16,	/* and mapped by what another process says */
	CONTENT_CHANGES		= 32
};

/* From here on: enum content_change together, and after how many octets lines are broken. */
void content_set(unsigned changes, unsigned line_limit);

/* What main.cf has to say for it; kind: "smtp" or "lmtp". */
void content_add_conf(struct str *out, const char *kind);

/* The other process, if there is one: before the first of a world. */
void content_add_servers(void);

/* All of it follows from the seed: about size octets, CRLF, not stuffed. */
struct slice content_offered(uint64_t seed, uint32_t size, uint32_t id);

/* The same behind the trace field, as a server gets it. */
struct slice content_arrived(uint64_t seed, uint32_t size, uint32_t id, bool takes_8bit);
