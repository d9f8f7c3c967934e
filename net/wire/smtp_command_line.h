/* smtp_command_line.h - a client's octets as command lines, with everything suspicious about them
 * told
 *
 * Feed octets in any cut; get one line at a time. What follows it stays in *in: behind DATA and
 * BDAT come octets that are no lines. A line ends at LF. What does not become it is told in flaws,
 * and the listener decides (rows SMG-02, LIS-03): a bare CR or LF before a peer that reads line
 * ends differently from us is how mail is smuggled.
 *
 * bounds   SMTP_LINE_MAX octets a line: of a longer one the beginning is given, with
 *          SMTP_LINE_TOO_LONG; beyond SMTP_LINE_SKIP_MAX without an end: -EMSGSIZE, and the reader
 *          stays failed
 * memory   a line that arrived whole is given where it is, else it lives in the reader; good until
 *          the next feed or until the input goes
 * never    allocates, or looks at what a line means
 */
#pragma once

#include "core/slice.h"

/* RFC 5321 4.5.3.1.4 has 512; the extensions add some 650 to MAIL, and odd addresses want more. */
#define SMTP_LINE_MAX		4096u
#define SMTP_LINE_SKIP_MAX	KIB(64)

enum smtp_line_flaw {
	SMTP_LINE_BARE_LF	= BIT(0),	/* ended in LF without CR */
	SMTP_LINE_BARE_CR	= BIT(1),	/* a CR that is not the end; it is in the text */
	SMTP_LINE_NUL		= BIT(2),
	SMTP_LINE_TOO_LONG	= BIT(3),
};

struct smtp_command_line {
	struct slice text;		/* without its end */
	uint32_t flaws;			/* enum smtp_line_flaw */
};

struct smtp_command_line_reader {
	/* private */
	int failed;
	uint32_t flaws;
	size_t len;			/* octets of the unfinished line so far, kept or not */
	bool ends_in_cr;		/* it does, so far */
	char text[SMTP_LINE_MAX];
};

void smtp_command_line_reader_init(struct smtp_command_line_reader *reader);

/* Consumes from the front of *in. Returns 1 with *ret_line set, 0 if it needs more bytes, or
 * -EMSGSIZE. */
int smtp_command_line_feed(struct smtp_command_line_reader *reader, struct slice *in,
	struct smtp_command_line *ret_line);

/* Forgets what it has kept: there was a secret in the last line. */
void smtp_command_line_wipe(struct smtp_command_line_reader *reader);

/* No octet of a line has come yet. */
static inline bool smtp_command_line_is_idle(const struct smtp_command_line_reader *reader)
{
	return reader->len == 0;
}
