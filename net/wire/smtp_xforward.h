/* smtp_xforward.h - tell a server where a message came from (Postfix's XFORWARD)
 *
 *	250-XFORWARD NAME ADDR PROTO HELO SOURCE		what a server wants to know
 *	XFORWARD NAME=host.example ADDR=192.0.2.8		at most two commands before MAIL, the client's address
 *	XFORWARD PROTO=ESMTP HELO=helo.example SOURCE=REMOTE	and what it said
 *
 * Values are xtext, but '=' stands for itself.
 *
 * bounds   XFORWARD_LINE_MAX octets a command, line end included: the longest value is left out until it fits
 */
#pragma once

#include "core/str.h"

#define XFORWARD_LINE_MAX 512u

enum xforward_attr {
	XFORWARD_NAME,
	XFORWARD_ADDR,
	XFORWARD_PORT,
	XFORWARD_PROTO,
	XFORWARD_HELO,
	XFORWARD_IDENT,
	XFORWARD_SOURCE,
	XFORWARD_COUNT
};

/* The two commands, as bits 1 << enum xforward_attr. */
#define XFORWARD_CLIENT		(BIT(XFORWARD_NAME) | BIT(XFORWARD_ADDR) | BIT(XFORWARD_PORT))
#define XFORWARD_DIALOGUE	(BIT(XFORWARD_PROTO) | BIT(XFORWARD_HELO) | BIT(XFORWARD_IDENT) | BIT(XFORWARD_SOURCE))

/* The bit of a name in any case, 0 for one we do not know. */
uint32_t xforward_bit(struct slice name);

/* One command with those of which that have a value; "unknown" is none, where Postfix says so. 1; 0: there are none, and
 * nothing is written; -EMSGSIZE: out has no room. */
int xforward_add_command(struct str *out, const struct slice values[XFORWARD_COUNT], uint32_t which);
