/* stage_reference.h - what the stages have to do, octet by octet and with all of the content at hand (B 15, row FZ-03)
 *
 * memory   the output goes to the caller's str: twice the input and some octets are enough for all but wrap, which
 *          makes up to 4 octets of one when the limit is 2
 */
#pragma once

#include "core/str.h"

/* The end that the last line lacks. */
static inline void reference_end(struct str *out)
{
	if (out->len > 0 && str_slice(out).ptr[out->len - 1] != '\n')
		str_add(out, SLICE("\r\n"));
}

static inline void line_ends_reference(struct slice in, struct str *out)
{
	for (size_t i = 0; i < in.len; i++) {
		bool is_crlf = in.ptr[i] == '\r' && i + 1 < in.len && in.ptr[i + 1] == '\n';

		i += is_crlf;
		if (in.ptr[i] == '\n')
			str_add(out, SLICE("\r\n"));
		else
			str_add_char(out, in.ptr[i] == '\r' ? ' ' : in.ptr[i]);
	}
	reference_end(out);
}

/* One record; behind the last one comes reference_end. */
static inline void record_reference(struct slice text, bool ends, struct str *out)
{
	for (size_t i = 0; i < text.len; i++)
		str_add_char(out, text.ptr[i] == '\r' || text.ptr[i] == '\n' ? ' ' : text.ptr[i]);
	if (ends)
		str_add(out, SLICE("\r\n"));
}

static inline void dot_reference(struct slice in, struct str *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (in.ptr[i] == '.' && (i == 0 || in.ptr[i - 1] == '\n'))
			str_add_char(out, '.');
		str_add_char(out, in.ptr[i]);
	}
}

static inline bool reference_is_continuation(char c)
{
	return (unsigned char)c >= 0x80 && (unsigned char)c <= 0xbf;
}

/* Where a line is broken that has more than room octets: there, or where the character begins that lies across. */
static inline size_t reference_break(struct slice line, size_t room, size_t limit)
{
	if (limit < 8 || !reference_is_continuation(line.ptr[room]))
		return room;
	for (size_t back = 1; back <= 3; back++) {
		unsigned char c = (unsigned char)line.ptr[room - back];

		if (!reference_is_continuation((char)c))
			return c >= (back == 1 ? 0xc0 : back == 2 ? 0xe0 : 0xf0) ? room - back : room;
	}
	return room;
}

static inline void wrap_reference(struct slice in, size_t limit, struct str *out)
{
	while (in.len > 0) {
		ptrdiff_t lf = slice_find_char(in, 0, '\n');
		size_t end = lf < 0 ? in.len : (size_t)lf - (lf > 0 && in.ptr[lf - 1] == '\r');
		struct slice line = slice_head(in, end);

		for (size_t room = limit; limit > 0 && line.len > room; room = limit - 1) {
			size_t len = reference_break(line, room, limit);

			str_add(out, slice_head(line, len));
			str_add(out, SLICE("\r\n "));
			slice_skip(&line, len);
		}
		str_add(out, line);
		str_add(out, slice_of(in.ptr + end, lf < 0 ? 0 : (size_t)lf + 1 - end));
		slice_skip(&in, lf < 0 ? in.len : (size_t)lf + 1);
	}
}
