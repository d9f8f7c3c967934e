/* mime.h - the structure of content, for those who look at headers and body lines on their way out (B 13, B 16.2)
 *
 *	hooks	see every header and every body line of what goes out, and may put something else in its place
 *
 * The classes are those of B 13. MIME headers are Content-Description, -Disposition, -ID, -Transfer-Encoding, -Type
 * and MIME-Version, wherever they stand (smtp_mime_header_checks). The others are
 *
 *	PRIMARY	at the top of the message (smtp_header_checks)
 *	MIME	in a part of a multipart
 *	NESTED	at the top of an attached message/rfc822 (smtp_nested_header_checks)
 */
#pragma once

#include "core/slice.h"

enum mime_header_kind { MIME_HEADER_PRIMARY, MIME_HEADER_MIME, MIME_HEADER_NESTED };

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

/* What is asked about a header that stands in a block of this kind: itself, unless it is a MIME header. */
enum mime_header_kind mime_header_kind(enum mime_header_kind block, struct slice header);
