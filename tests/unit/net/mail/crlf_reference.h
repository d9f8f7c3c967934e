/* crlf_reference.h - what net/mail/crlf has to do, written so that one can see that it is right
 *
 * The whole input at once, one octet after the other, no speed. Used by the unit test and by the fuzz target.
 *
 * memory   the output goes to the caller's str, which has room for twice the input and 4 octets more
 */
#pragma once

#include "core/err.h"
#include "core/str.h"
#include "net/mail/crlf.h"
#include "net/mail/message.h"

struct crlf_reference {
	int result;		/* CRLF_MORE, CRLF_END or ERR_PROTO */
	enum crlf_flaw flaw;
	size_t consumed;
	uint64_t stuffing;
	uint32_t facts;
	size_t line;		/* octets of content in the current line */
	enum { REFERENCE_IN_LINE, REFERENCE_PROPER_START, REFERENCE_BARE_START } at;
};

static inline void reference_end_line(struct crlf_reference *r, struct str *out, bool proper)
{
	str_add(out, SLICE("\r\n"));
	if (r->line > CRLF_LINE_MAX)
		r->facts |= MESSAGE_LONG_LINE;
	r->line = 0;
	r->at = proper ? REFERENCE_PROPER_START : REFERENCE_BARE_START;
}

static inline void reference_stuff(struct crlf_reference *r, struct str *out)
{
	str_add_char(out, '.');
	r->stuffing++;
	r->facts |= MESSAGE_STUFFED;
}

/* A CR or LF that is no half of a CRLF. Returns false when that is the end. */
static inline bool reference_flaw(struct crlf_reference *r, struct str *out, enum crlf_flaw flaw, bool normalise)
{
	r->flaw = flaw;
	if (!normalise) {
		r->result = ERR_PROTO;
		return false;
	}
	reference_end_line(r, out, false);
	return true;
}

static inline struct crlf_reference crlf_reference_run(enum crlf_source source, bool normalise, struct slice in,
	bool finish, struct str *out)
{
	struct crlf_reference r = { .result = CRLF_MORE, .at = REFERENCE_PROPER_START };
	size_t i = 0;

	while (i < in.len) {
		char c = in.ptr[i];
		char next = i + 1 < in.len ? in.ptr[i + 1] : 'a';
		char third = i + 2 < in.len ? in.ptr[i + 2] : 'a';
		size_t left = in.len - i;

		if (c == '.' && r.at == REFERENCE_PROPER_START && source == CRLF_DATA) {
			if (left == 1 || (left == 2 && next == '\r'))
				break;				/* who knows */
			if (next == '\r' && third == '\n') {
				r.result = CRLF_END;
				r.consumed = i + 3;
				return r;
			}
			if (next == '\r' || next == '\n') {
				if (normalise) {
					reference_stuff(&r, out);
					str_add_char(out, '.');
				}
				if (!reference_flaw(&r, out, next == '\r' ? CRLF_BARE_CR : CRLF_BARE_LF, normalise))
					return r;
				i += 2;
				continue;
			}
			reference_stuff(&r, out);
			r.at = REFERENCE_IN_LINE;
			i++;
			continue;
		}
		if (c == '.' && r.at != REFERENCE_IN_LINE)
			reference_stuff(&r, out);
		if (c == '\0') {
			r.flaw = CRLF_NUL;
			r.result = ERR_PROTO;
			return r;
		}
		if (c == '\r' && left == 1)
			break;
		if (c == '\r' && next == '\n') {
			reference_end_line(&r, out, true);
			i += 2;
			continue;
		}
		if (c == '\r' || c == '\n') {
			if (!reference_flaw(&r, out, c == '\r' ? CRLF_BARE_CR : CRLF_BARE_LF, normalise))
				return r;
			i++;
			continue;
		}
		if ((unsigned char)c >= 0x80)
			r.facts |= MESSAGE_8BIT;
		str_add_char(out, c);
		r.line++;
		r.at = REFERENCE_IN_LINE;
		i++;
	}
	r.consumed = in.len;
	if (finish && i < in.len && !reference_flaw(&r, out, CRLF_BARE_CR, normalise))
		return r;
	if (finish && r.at == REFERENCE_IN_LINE)
		reference_end_line(&r, out, true);
	if (finish)
		r.result = CRLF_END;
	return r;
}
