/* mime_field.h - the two header fields that say what a part is, read octet by octet (RFC 2045 5.1 and 6.1, B 16.2)
 *
 *	Content-Type: type "/" subtype *( ";" attribute "=" value )
 *	Content-Transfer-Encoding: mechanism
 *
 * in the tokens of RFC 822: comments, blanks and line ends between them do not count, a value may be quoted. What does
 * not follow the grammar is read as far as it does.
 *
 * bounds   no field is too long: nothing is kept but the token being read, and boundaries where they belong
 * errors   none
 */
#pragma once

#include "core/slice.h"
#include "net/mail/mime_boundary.h"

enum mime_entity {
	MIME_LEAF,		/* all that has no parts to be looked at */
	MIME_MULTIPART,
	MIME_MULTIPART_DIGEST,
	MIME_MULTIPART_SEALED,	/* signed, encrypted (RFC 1847): nothing inside of it may be changed */
	MIME_MESSAGE,		/* message/rfc822 */
	MIME_GLOBAL,		/* message/global (RFC 6532): a message, or a leaf when it has to be encoded */
	MIME_FRAGMENT,		/* message/partial and message/external-body: must be 7bit (RFC 2046 5.2.2, 5.2.3) */
};

enum mime_encoding { MIME_UNKNOWN, MIME_7BIT, MIME_8BIT, MIME_BINARY, MIME_BASE64, MIME_QUOTED_PRINTABLE };

enum mime_field_name { MIME_NO_FIELD, MIME_TYPE_FIELD, MIME_ENCODING_FIELD };

#define MIME_TOKEN_MAX	24u	/* "quoted-printable" is the longest word that we know */

struct mime_field {
	enum mime_field_name name;
	/* The type, as soon as it is known: a field without any token says nothing. */
	bool has_entity;
	enum mime_entity entity;
	/* The mechanism. is_decided: nothing behind the first token matters. */
	bool is_decided;
	enum mime_encoding encoding;
	bool is_too_deep;	/* a boundary did not fit */
	/* private */
	enum { MIME_GAP, MIME_TOKEN, MIME_QUOTED, MIME_COMMENT } state;
	bool is_escaped;
	uint32_t depth;		/* of comments */
	struct mime_boundaries *boundaries;
	bool is_sealed;		/* the enclosing level is */
	bool is_param;		/* behind a ";" */
	unsigned items;		/* in this parameter */
	bool is_multipart;
	bool is_message;
	bool fits;		/* type "/" subtype, or boundary "=" value, as far as it goes */
	unsigned token_len;	/* MIME_TOKEN_MAX + 1: longer than any we know */
	char token[MIME_TOKEN_MAX];
};

/* Which of the two a header is, by its name. */
enum mime_field_name mime_field_of_name(struct slice name);

/* Boundaries that are found are pushed. */
void mime_field_begin(struct mime_field *f, enum mime_field_name name, struct mime_boundaries *boundaries);

/* What stands behind the colon, in any cut, folded or not. */
void mime_field_feed(struct mime_field *f, struct slice text);
void mime_field_end(struct mime_field *f);
