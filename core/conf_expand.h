/* conf_expand.h - the $ language inside main.cf values
 *
 *	text	= { octet | "$$" | "$" word | "${" macro "}" | "$(" macro ")" }
 *	macro	= name [ choice ] | test choice | "domain_to_ascii{" text "}"
 *	test	= "{" text "}" ( "==" | "!=" | "<" | "<=" | ">" | ">=" ) "{" text "}"
 *	choice	= ( "?" | ":" ) ( text | "{" text "}" )		? when the name has a value or the test holds, : when not
 *		| "?" "{" text "}" ":" ( "{" text "}" | text )
 *
 * White space around the braces of a choice or a test has no meaning, inside it has. Brackets are matched before
 * anything inside them is looked at. Only the arm that is chosen is expanded. A test is numeric when both sides are
 * all digits, of any length, else it compares octets.
 *
 * Values are built on a stack: conf_expand appends at the end of out, and a name that is needed on the way is expanded
 * above it by the lookup and taken off again. So there is one buffer, however deep it goes.
 *
 * memory   one malloc'ed buffer, for start and reload only; conf_expand_done frees it
 * bounds   CONF_VALUE_MAX octets a value, CONF_DEPTH_MAX names and arms inside each other, CONF_WORK_MAX octets
 *          looked at or written in all: $b$b of $c$c of $d$d ends there
 * errors   ERR_SYNTAX with what and form set, or what the lookup said; -ENOMEM
 */
#pragma once

#include "core/slice.h"

/* The value of a name, empty when there is none. 0, or a negative error that ends the expansion. */
typedef int conf_lookup_fn(void *context, struct slice name, struct slice *ret_value);

struct conf_expand {
	conf_lookup_fn *lookup;
	void *context;
	const char *what;	/* of the last ERR_SYNTAX: what is wrong, and what would be right */
	const char *form;
	char *out;
	size_t len;
	size_t base;		/* where the value that is being built begins */
	/* private */
	size_t cap;
	uint64_t work;
	unsigned depth;
};

/* Appends the expansion of text to out. On failure out has the part before the trouble; the caller cuts it off. */
int conf_expand(struct conf_expand *x, struct slice text);
void conf_expand_done(struct conf_expand *x);

/* Takes the longest parameter name off the front: letters, digits and '_', with inner also '-' and '.'. */
struct slice conf_take_name(struct slice *s, bool inner);

/* The text between the bracket s begins with and its partner, both taken off the front. False: there is no partner. */
bool conf_take_bracketed(struct slice *s, struct slice *ret_inside);
