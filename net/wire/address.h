/* address.h - mailboxes: read them strictly, write them safely (RFC 5321 4.1, RFC 6531)
 *
 *	path     = "<" [ *( "@" domain "," ) "@" domain ":" ] mailbox ">"
 *	mailbox  = ( dot-string / quoted-string ) "@" ( domain / literal )
 *	literal  = "[" dotted decimal "]" / "[IPv6:" address "]"
 *
 * The source route, what stands before the mailbox, is skipped (RFC 5321 C).
 *
 * Two forms of one address: *wire*, as it stands in MAIL and RCPT, and *internal*, without quoting,
 * in which the last '@' divides. Tables, logs and DNS see the internal one.
 * address_unquote(address_quote(x)) = x for every x.
 *
 *	internal    john doe@x    a"b\c@x          a@b@x      @x      john.doe@x
 *	wire        "john doe"@x  "a\"b\\c"@x      "a@b"@x    ""@x    john.doe@x
 *
 * bounds   ADDRESS_LOCAL_MAX octets of local part in wire form (RFC 5321 asks for 64, the field
 *          needs more), ADDRESS_DOMAIN_MAX of domain, ADDRESS_LABEL_MAX a label
 * memory   slices into the caller's text; quoting writes into the caller's str
 * errors   -EINVAL: not a mailbox
 * never    asks DNS, converts to A-labels, or lets CR, LF, NUL, another control or malformed UTF-8
 *          pass address_parse
 */
#pragma once

#include "core/str.h"

#define ADDRESS_LOCAL_MAX	255u
#define ADDRESS_DOMAIN_MAX	255u
#define ADDRESS_LABEL_MAX	63u
#define ADDRESS_MAX		(ADDRESS_LOCAL_MAX + 1u + ADDRESS_DOMAIN_MAX)

enum {
	ADDRESS_UTF8		= BIT(0),	/* characters beyond ASCII are welcome */
	ADDRESS_NO_DOMAIN	= BIT(1),	/* "Postmaster" alone will do */
};

struct address {
	struct slice mailbox;		/* wire form, source route skipped */
	struct slice local;		/* wire form, quotes included */
	struct slice domain;		/* a literal has its brackets; empty when there is none */
	bool is_quoted;
	bool is_literal;
	bool is_utf8;			/* holds characters beyond ASCII */
};

/* wire: what stands between "<" and ">", all of it, not empty. flags: ADDRESS_UTF8,
 * ADDRESS_NO_DOMAIN. */
int address_parse(struct slice wire, unsigned flags, struct address *ret_address);

/* Length of the path at the front of text, up to and without the ">" that ends it (quoted ones do
 * not); -1: none does. */
ptrdiff_t address_path_len(struct slice text);

/* Letters, digits, '_' and inner '-' in labels of 1 to 63 octets, not digits and dots alone, no dot
 * at the end. */
bool address_domain_is_valid(struct slice domain, bool allow_utf8);
bool address_literal_is_valid(struct slice literal);	/* brackets included */

/* What is behind the last '@' of an internal address; empty when there is none. */
struct slice address_domain(struct slice internal);

/* Domains compare without case: adds the ASCII letters of domain in lower case, all the rest as it
 * is. */
void address_add_domain_key(struct str *out, struct slice domain);

/* Does the wire form differ from it? */
bool address_needs_quotes(struct slice internal);

void address_quote(struct str *out, struct slice internal);
/* As it stands in a header: a source route in front (RFC 5322 4.4) is left as it is (B 11). */
void address_quote_header(struct str *out, struct slice internal);
void address_unquote(struct str *out, struct slice wire);
