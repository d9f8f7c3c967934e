/* smtp_reply.h - read SMTP replies off the wire (RFC 5321 4.2, enhanced codes RFC 2034)
 *
 *	reply = *( code "-" [text] CRLF ) code [ SP text ] CRLF		code = 2..5 DIGIT DIGIT
 *
 * Feed octets in any cut; get one whole reply at a time. What follows it stays in *in, so that
 * whoever pipelines can match replies to commands one by one. Lines may end in LF alone (seen in
 * the field, told in lf_only).
 *
 * Strict where leniency would let replies slip by one: a line that is no reply line ends the
 * session.
 *
 * bounds   REPLY_LINE_MAX octets a line, REPLY_LINES_MAX lines and REPLY_SIZE_MAX octets a reply,
 *          else -EMSGSIZE (rows RPL-01, RPL-02); the first REPLY_TEXT_MAX octets of text are kept,
 *          the rest is read and dropped
 * memory   the text lives in the parser, good until the next feed
 * errors   ERR_PROTO: not an SMTP reply; -EMSGSIZE: over a bound; those of a filter. The parser stays failed
 * never    allocates, logs, or looks at a clock
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

#define REPLY_TEXT_MAX		2048u		/* line_length_limit of Postfix */
#define REPLY_LINE_MAX		(REPLY_TEXT_MAX + 4096u)
#define REPLY_LINES_MAX		256u
#define REPLY_SIZE_MAX		KIB(64)
#define REPLY_OFFENCE_MAX	128u
/* of every line, also when there is no room for text: codes are in it */
#define REPLY_HEAD_MAX		64u

struct enhanced_code {
	uint8_t class;
	uint16_t subject;
	uint16_t detail;
};

struct smtp_reply {
	int code;			/* of the last line, 200..599 */
	/* the server's, or made from the code: 2.0.0, 4.0.0, 5.0.0; 5.5.0 for a 3xx */
	struct enhanced_code enhanced;
	bool has_enhanced;		/* the server's */
	/* lines of different codes: the last one counts, the session must not be reused */
	bool codes_differ;
	bool lf_only;			/* some line ended in something other than CR LF */
	/* there was more text than fits; its last line may be incomplete */
	bool text_cut;
	unsigned lines;
	/* All lines, codes included, one '\n' between them, none at the end; octets that do not
	 * print (malformed UTF-8, controls, changes of direction) are '?'.
	 * "250-mx.test\n250 PIPELINING". Logs write a blank for '\n'. */
	struct slice text;
};

/* Sees every line before it is understood, printable and without its end. 1: what it put into *ret_line stands there
 * instead (the first line of it); 0: nothing; a negative error ends the parser. */
typedef int smtp_reply_filter_fn(void *context, struct slice line, struct str *ret_line);

struct smtp_reply_parser {
	smtp_reply_filter_fn *filter;	/* NULL: none; set after init */
	void *filter_context;
	bool ascii_only;		/* what is beyond ASCII does not print either; set after init */
	/* private */
	int failed;			/* the error that every feed returns from now on */
	/* the last feed gave a whole reply: the next one starts afresh */
	bool finished;
	bool codes_differ;
	bool lf_only;
	bool text_cut;
	int code;			/* of the line before; 0: this is the first */
	unsigned lines;
	size_t octets;			/* of this reply so far */
	size_t text_len;		/* finished lines */
	size_t line_len;		/* octets of the unfinished line so far, kept or not */
	size_t line_kept;		/* of those in text, from text_len on */
	size_t line_crs;		/* CRs at its end */
	char text[REPLY_TEXT_MAX + REPLY_HEAD_MAX];
};

void smtp_reply_parser_init(struct smtp_reply_parser *parser);

/* Consumes from the front of *in. Returns 1 with *ret_reply set, 0 if it needs more bytes, or a
 * negative error. */
int smtp_reply_feed(
	struct smtp_reply_parser *parser, struct slice *in, struct smtp_reply *ret_reply);

/* Nothing of a reply has been seen since the last whole one. */
bool smtp_reply_parser_is_idle(const struct smtp_reply_parser *parser);

/* After an error: the beginning of the line that was no reply, fit to print. */
struct slice smtp_reply_offence(const struct smtp_reply_parser *parser);

/* Takes the next line off the front of *text, without its '\n'. False when there is none. */
bool smtp_reply_next_line(struct slice *text, struct slice *ret_line);

/* "5.7.1" or the like at the start of text: blanks before it, a blank or the end behind it. */
bool smtp_reply_parse_enhanced(struct slice text, struct enhanced_code *ret_enhanced);
