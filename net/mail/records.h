/* records.h - content as a Postfix queue file has it: raw octets of the file in, text and line ends out
 *
 *	record = type (1 octet)  length (base 128, low 7 bits first, bit 7: more; at most 4 octets)  data
 *
 *	N	text; the line ends here		w	padding
 *	L	text; its line goes on			p	a number: reading goes on at that place of the file;
 *	X	the content ends			 	0, or nothing: right behind
 *
 *	records_init(&r, file_size);
 *	while ((e = records_next(&r, &in, &text)) >= 0 && e != RECORDS_END)
 *		RECORDS_MORE	in is used up: what comes next in the file
 *		RECORDS_TEXT	text is next, of one line
 *		RECORDS_LINE	what was given so far ends a line
 *		RECORDS_SEEK	what comes next stands at r.offset; whatever is left of in is garbage
 *
 * Any other type, and a file that ends before its X, is damage; so is a loop: no octet of a file is read twice, and no
 * edit of a message has made more than RECORDS_BACK_MAX steps back (smtp(8) gives up there, too). A last line that goes
 * on nowhere ends with the content, as smtp(8) has it.
 *
 * What text is good for says net/mail/line_ends.h: in a record, a CR or LF is no line end.
 *
 * bounds   O(1) memory for a record of any length; file_size octets, whatever the pointers say
 * memory   text points into the input; r.offset lies within the file
 * errors   ERR_CORRUPT; it stays failed
 * never    knows where in the file it is, or reads anything itself
 */
#pragma once

#include "core/slice.h"

#define RECORDS_BACK_MAX 10000u

enum records_event { RECORDS_MORE, RECORDS_TEXT, RECORDS_LINE, RECORDS_SEEK, RECORDS_END };

enum records_state {
	RECORDS_AT_TYPE,
	RECORDS_AT_LENGTH,
	RECORDS_AT_DATA,
	RECORDS_AT_RECORD_END,
	RECORDS_AT_CONTENT_END,
};

struct records {
	uint64_t offset;		/* of RECORDS_SEEK */
	/* private */
	enum records_state state;
	int err;
	char type;			/* of the record being read */
	uint8_t length_octets;
	uint32_t left;			/* octets of its data */
	uint64_t number;		/* of a pointer, as far as it has come */
	bool has_digits;
	bool line_is_open;		/* the last text was an L */
	unsigned steps_back;
	uint64_t file_size;
	uint64_t unread;		/* octets of the file that are not yet read */
};

void records_init(struct records *r, uint64_t file_size);

/* Consumes from the front of *in. Returns an enum records_event or ERR_CORRUPT; behind RECORDS_END, that again. */
int records_next(struct records *r, struct slice *in, struct slice *ret_text);
