/* header.h - header fields as far as we look into them (RFC 5322 2.2, 3.2, 3.4; RFC 6532)
 *
 *	field    = name *blank ":" body		lines inside end in CRLF, LF or not at all: they count as white space
 *	body     = [element] *( ("," / ";" / ":") [element] )
 *	element  = phrase "<" [ *( "@" domain "," ) "@" domain ":" ] addr-spec ">"  /  addr-spec  /  anything else
 *	addr-spec = word *( ("." / "@") word )
 *	word     = atom / quoted-string / domain-literal
 *
 * Comments and white space may stand between any two of these. ":" divides a group's name from its members, ";" ends
 * them. A list of addresses is cut into its elements in one pass, none of which is refused: what is no address has
 * none. Nothing is lost either: the elements and their separators, in order, are the whole list but for white space.
 *
 * bounds   tokens, by the caller: what stands behind the last of them is one element without an address
 * memory   slices into the caller's text
 * never    fails, whatever the text; takes more than linear time, however deep comments lie in each other
 */
#pragma once

#include "core/str.h"

/* Is this a header field? ret_name without blanks behind it; ret_body: all behind the colon, as it is. */
bool header_split(struct slice field, struct slice *ret_name, struct slice *ret_body);

struct header_element {
	struct slice text;	/* the whole of it, without white space at both ends */
	struct slice address;	/* in text: what stands between "<" and ">", or the addr-spec alone; empty: there is none */
	char separator;		/* behind it: ',', ';' or ':'; 0: nothing, it is the last */
};

struct header_list {
	/* private */
	struct slice rest;
	uint32_t tokens;	/* that may still be looked at */
	bool is_over;
};

void header_list_init(struct header_list *list, struct slice body, uint32_t tokens_max);

/* False: that was all. An empty list has one empty element. */
bool header_list_next(struct header_list *list, struct header_element *ret_element);

/* Adds an element's address in wire form (net/wire/address.h): without comments, white space and source route. */
void header_add_address(struct str *out, struct slice address);

/* Adds the comments of it alone, each with a blank in front. */
void header_add_comments(struct str *out, struct slice address);

/* Adds text on one line: white space between tokens becomes one blank, line ends inside of a token are left out. */
void header_add_unfolded(struct str *out, struct slice text);
