/* header_checks.h - what a table of checks makes of a header field or a body line (smtp_header_checks, B 13)
 *
 *	DUNNO, OK		nothing
 *	INFO text, WARN text	it is logged, and stays
 *	IGNORE, STRIP text	it is left out; STRIP is logged
 *	REPLACE text		text stands in its place
 *	PREPEND text		text stands in front of it, and is not looked at again
 *
 * The words in any case, text optional but for the last two; in a header, theirs must be a header. What cannot be done
 * is logged as a warning, and nothing is done: REJECT, FILTER and all the others come too late here.
 *
 * memory   slices into the caller's text
 * never    asks a table; fails
 */
#pragma once

#include "net/mail/mail_log.h"

enum check_result { CHECK_KEEP, CHECK_DROP, CHECK_REPLACE, CHECK_PREPEND };

enum check_place { CHECK_HEADER, CHECK_BODY };

struct check {
	enum check_place place;
	const char *table;	/* the parameter's name */
	struct slice subject;	/* the header or line; for the log */
	struct mail_log *log;
};

/* action: what the table said. ret_text is set with REPLACE and PREPEND. */
enum check_result check_apply(const struct check *check, struct slice action, struct slice *ret_text);
