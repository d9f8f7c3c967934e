/* mime_structure.h - content, taken apart into headers and bodies, and made 7bit on the way (B 16)
 *
 *	         +-------- NESTED, when it is an attached message --------+
 *	         v                                                       |
 *	PRIMARY header block --> end of the block --> body --"--boundary"--> MIME header block
 *	                             ^                                   |
 *	                             +-----------------------------------+
 *
 * Gives on what it is fed in pieces that say what they are. What is not understood is given on as it is.
 *
 * converts (RFC 6152 3): what the headers claim to be 8bit or binary. The header is withheld, and another one stands at
 * the end of its block; the content becomes quoted-printable, or is looked into when it has parts:
 *
 *	entity				new label		content
 *	multipart			7bit			each part for itself
 *	message/rfc822			7bit			its headers and body for themselves
 *	message/partial, external-body	fails: MIME_NOT_CONVERTIBLE
 *	any inside signed, encrypted	fails: MIME_SEALED, for the signature would break
 *	else				quoted-printable	encoded
 *
 * Several Content-Transfer-Encoding headers in a block: the last one that is known decides, and one goes out. One that
 * needs no change stays where it is; for that, what follows it is parked until the block ends or MIME_PARKED octets
 * are there. Only one that contradicts it after so much fails: MIME_CONTRADICTION.
 *
 * A line that is no header ends the block. In the primary block, an empty line is put in front of it.
 *
 * Encoding must not make a line what it was not. Where a header might stand, the colons of a line are encoded, too; and
 * the first dash, where a boundary looks like quoted-printable: "--a=b" does not become the boundary "a=3Db".
 *
 * bounds   header_size_limit octets of a header are understood, MIME_NAME_MAX of a name; levels and boundaries as in
 *          mime_boundary.h. Beyond, content is given on as it is; converting, too many levels fail: MIME_TOO_DEEP
 * memory   the caller's, mime_structure_memory() octets
 * cost     O(n) for any cut; bodies are searched for line ends and encoded in runs, never octet by octet
 */
#pragma once

#include "core/slice.h"
#include "net/mail/mime_boundary.h"
#include "net/mail/mime_field.h"
#include "net/mail/quoted_printable.h"

#define MIME_NAME_MAX		2048u		/* a line without a colon in so many octets is no header */
#define MIME_PARKED		KIB(4)
#define MIME_BOUNDARY_MAX	KIB(8)		/* mime_boundary_length_limit is not taken for more */
#define MIME_LEVELS_MAX		1024u		/* nor mime_nesting_limit */
#define MIME_ARENA		KIB(16)		/* 8 boundaries of 2048 octets, 160 octets each for 102 */
#define MIME_OUT		KIB(4)

struct mime_conf {
	bool converts;			/* the server has not announced 8BITMIME, and the label is not 7bit (B 16.1) */
	bool finds_parts;		/* for the checks; not for generic maps alone (B 12). Converting does, too */
	/* main.cf */
	uint32_t mime_boundary_length_limit;
	uint32_t mime_nesting_limit;	/* two more levels are accepted (P 1.2) */
	uint32_t header_size_limit;
	uint32_t line_length_limit;
};

/* The header block in which something stands. */
enum mime_header_kind { MIME_HEADER_PRIMARY, MIME_HEADER_MIME, MIME_HEADER_NESTED };

enum mime_text {
	MIME_TEXT_HEADER,	/* whole lines, in any cut: headers of this block */
	MIME_TEXT_NEW_HEADER,	/* one whole header that was not there before */
	MIME_TEXT_BODY,		/* anything else: empty lines, bodies, boundary lines */
};

struct mime_piece {
	struct slice text;		/* not empty; good as long as the span of a stage, see stage.h */
	enum mime_text kind;
	enum mime_header_kind block;
};

enum mime_trouble {
	MIME_NO_TROUBLE,
	MIME_TOO_DEEP,
	MIME_NOT_CONVERTIBLE,
	MIME_SEALED,
	MIME_CONTRADICTION,
	MIME_TROUBLE_COUNT
};

/* Where we are in a line of what. */
enum mime_where {
	MIME_AT_HEADER,		/* at the start of a line of a header block */
	MIME_IN_HEADER,		/* in a header that is not ours */
	MIME_IN_FIELD,		/* in one that says what the part is */
	MIME_AT_BODY,		/* at the start of a body line */
	MIME_IN_BODY,
	MIME_IN_BOUNDARY,
	MIME_ENDED,
};

/* The Content-Transfer-Encoding headers of the block, as far as they are known ones. */
enum mime_label {
	MIME_LABEL_NONE,
	MIME_LABEL_PARKED,	/* it is the first that is parked */
	MIME_LABEL_SENT,	/* it has gone out */
	MIME_LABEL_WITHHELD,	/* one will stand at the end of the block */
};

struct mime_structure {
	enum mime_trouble trouble;
	/* private */
	struct mime_conf conf;
	enum mime_where where;
	struct mime_boundaries boundaries;
	/* Pieces that wait to be taken. */
	struct mime_piece queue[4];
	unsigned queue_count, queue_next;

	/* The start of a line, held back at a cut until it is known what it is; and then, what is left of it. */
	char *held;
	uint32_t held_at, held_end;
	size_t looked;			/* octets of a name that have been looked at */
	struct mime_match match;
	bool has_match;			/* it has begun */

	/* the header block */
	enum mime_header_kind block;
	bool has_header;		/* so a line that begins with a blank belongs to it */
	bool is_sealed;			/* the entity is inside signed or encrypted */
	enum mime_entity entity;
	enum mime_encoding encoding;
	enum mime_label label;
	char *parked;
	uint32_t parked_len;
	uint32_t label_len;		/* LABEL_PARKED: octets of that header */

	/* the header that is being read */
	struct mime_field field;
	uint64_t header_size;		/* octets of it so far */
	size_t to_skip;			/* its name and the colon */
	enum { MIME_PASS, MIME_HOLD, MIME_DROP } text;
	uint32_t field_at;		/* HOLD: where it begins in parked */
	bool is_parking;		/* it is the label that is parked */

	/* the body */
	bool encodes;
	char guarded, guarded_then;	/* octets of this line that are encoded in any case; 0: none */
	enum mime_header_kind next_block;
	bool has_part;			/* behind the boundary line */
	enum mime_entity part_default;
	size_t known;			/* octets of the input that are body for certain */
	struct qp qp;
	char *out;
};

/* Octets of memory that mime_structure_init is to be given, aligned for a uint64_t. With the limits' defaults, 27 KiB
 * where it converts, 2 KiB where it looks for headers only:
 *	levels		(mime_nesting_limit + 2) x 12		1.2 KiB
 *	boundaries	MIME_ARENA				16 KiB
 *	start of a line	MIME_NAME_MAX, or a boundary and "----"	2 KiB
 *	converting	MIME_PARKED + MIME_OUT			8 KiB */
size_t mime_structure_memory(const struct mime_conf *conf);

void mime_structure_init(struct mime_structure *p, const struct mime_conf *conf, void *memory);

/* As the next of a stage, but for the piece. Fails with ERR_CONTENT, and p->trouble says why. */
int mime_structure_next(struct mime_structure *p, struct slice *in, bool is_last, struct mime_piece *ret_piece);
