/* mime.h - content on its way out, made 7bit where the server wants that, and shown to whoever has a say (B 13, B 16)
 *
 *	converts	what is labelled 8bit or binary becomes quoted-printable: mime_structure.h has the rules
 *	hooks		see every header and every body line of what goes out, and may put something else in its place
 *
 * Who wants neither leaves the stage out of the chain. It converts for a server that has not announced 8BITMIME, unless
 * disable_mime_output_conversion is set or the message is labelled 7bit; then SIZE is not announced (B 16.1). It never
 * does for a message that needs SMTPUTF8.
 *
 * The classes of headers are those of B 13. MIME headers are Content-Description, -Disposition, -ID,
 * -Transfer-Encoding, -Type and MIME-Version, wherever they stand (smtp_mime_header_checks). The others are
 *
 *	PRIMARY	at the top of the message (smtp_header_checks)
 *	MIME	in a part of a multipart (smtp_mime_header_checks, too)
 *	NESTED	at the top of an attached message/rfc822 (smtp_nested_header_checks)
 *
 * A Content-Transfer-Encoding header that the conversion has written is shown like one that is no MIME header (B 13).
 *
 * Content that cannot be converted fails with ERR_CONTENT when some of it may be on the wire already. Then the session
 * closes the connection without the final dot, and every recipient that is left has failed for good, with what
 * mime_failure says; net/delivery/outcome.c takes that as it takes a verdict, the same for all of them, and no other
 * host is asked (B 15.6, B 16.7). An error of a hook is passed on as it is: ERR_TABLE is soft, 4.3.0 (B 13).
 *
 * bounds   those of mime_structure.h; a header of header_size_limit octets and a line of line_length_limit
 * memory   the caller's, mime_memory() octets beside the struct
 * cost     O(n) for any cut. Without hooks, nothing is copied but what is encoded
 * errors   ERR_CONTENT, and those of hooks; the stage stays failed
 */
#pragma once

#include "core/slice.h"
#include "net/mail/mime_structure.h"
#include "net/mail/stage.h"
#include "net/wire/smtp_reply.h"

enum mime_hook_result { MIME_KEEP, MIME_CHANGED, MIME_WAIT };

/* Each returns an enum mime_hook_result, or a negative error that ends the message.
 *
 *	KEEP	what was shown goes out as it is
 *	CHANGED	*ret_text goes out instead: whole lines with CRLF, possibly none. It is good until the next call
 *	WAIT	somebody else is asked; the same is shown once more when the chain is called again
 *
 * What was shown is good until the hook returns, and is never shown twice but for WAIT. */
struct mime_hooks {
	/* One whole logical header, lines inside separated by CRLF, without its last CRLF. One longer than
	 * header_size_limit passes unseen (P 2.2). NULL: nobody looks at headers. */
	int (*header)(struct mime_hooks *h, enum mime_header_kind kind, struct slice header, struct slice *ret_text);
	/* One body line, or a piece of a line longer than line_length_limit, without CRLF; never empty. Of the text
	 * that replaces a piece with more of its line behind, the last CRLF is left out: the line goes on. NULL:
	 * nobody looks at the body. */
	int (*line)(struct mime_hooks *h, struct slice line, struct slice *ret_text);
};

struct mime {
	struct stage stage;
	/* private */
	struct mime_structure structure;
	struct mime_hooks *hooks;		/* NULL: none */
	uint32_t header_size, line_size;	/* limits; 0: nobody looks */
	int err;
	struct mime_piece piece;		/* what the structure gave, as far as it is not used up */
	struct slice answer;			/* of a hook, to be given */

	/* The header that is being collected. */
	char *header;
	uint32_t header_len;
	bool header_is_new;
	bool header_is_open;			/* its line does not end yet */
	bool header_passes;			/* it is too long to be shown */
	enum mime_header_kind header_block;

	/* The body line that is being collected: octets of one piece, and those that tell whether it is the last. */
	char *line;
	uint32_t line_len;
	uint32_t line_given;			/* of them, still where they were because somebody may read them */
	bool line_has_begun;			/* something of it has gone out */
};

/* Octets of memory that mime_init is to be given: those of the structure, header_size_limit + 2 when hooks look at
 * headers and line_length_limit + 2 when they look at lines. */
size_t mime_memory(const struct mime_conf *conf, const struct mime_hooks *hooks);

/* memory is aligned for a uint64_t. hooks may be NULL. */
void mime_init(struct mime *m, const struct mime_conf *conf, struct mime_hooks *hooks, void *memory);

struct mime_failure {
	struct enhanced_code dsn;
	const char *words;
};

/* Behind ERR_CONTENT: why, for every recipient. */
struct mime_failure mime_failure(const struct mime *m);

/* What is asked about a header that stands in a block of this kind: itself, unless it is a MIME header. */
enum mime_header_kind mime_header_kind(enum mime_header_kind block, struct slice header);
