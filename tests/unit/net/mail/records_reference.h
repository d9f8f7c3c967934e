/* records_reference.h - what a queue file says, with all of it at hand; and what net/mail/records.h says, cut anywhere
 *
 * memory   the content, as record_reference makes it, goes to the caller's str; no more than the file has, and two
 *          octets for each of its records
 */
#pragma once

#include <stdlib.h>

#include "core/err.h"
#include "net/mail/records.h"
#include "tests/unit/net/mail/stage_reference.h"

#define RECORDS_REFERENCE_BACK_MAX 10000u

/* The head of the record at *at; its length, or -1. */
static inline int64_t reference_head(struct slice file, size_t *at, char *ret_type)
{
	uint32_t len = 0;

	if (*at >= file.len)
		return -1;
	*ret_type = file.ptr[(*at)++];
	for (unsigned shift = 0; shift < 28; shift += 7) {
		if (*at >= file.len)
			return -1;
		const unsigned char octet = (unsigned char)file.ptr[(*at)++];

		len |= (uint32_t)(octet & 127) << shift;
		if (octet < 128)
			return *at + len <= file.len ? (int64_t)len : -1;
	}
	return -1;
}

static inline bool reference_number(struct slice text, uint64_t max, uint64_t *ret_number)
{
	while (text.len > 0 && text.ptr[0] == ' ')
		slice_skip(&text, 1);
	*ret_number = 0;
	return text.len == 0 || slice_to_u64(text, max, ret_number) == 0;
}

/* 0, or ERR_CORRUPT. */
static inline int records_reference(struct slice file, size_t at, struct str *out)
{
	size_t read = 0;
	uint64_t last = 0, number;
	unsigned back = 0;
	bool is_open = false;

	for (;;) {
		const size_t from = at;
		char type;
		const int64_t len = reference_head(file, &at, &type);

		read += at - from + (len > 0 ? (size_t)len : 0);
		if (len < 0 || read > file.len)
			return ERR_CORRUPT;
		const struct slice data = slice_of(file.ptr + at, (size_t)len);

		at += (size_t)len;
		if (type == 'X')
			break;
		if (type == 'N' || type == 'L') {
			record_reference(data, type == 'N', out);
			is_open = type == 'L';
		} else if (type == 'p') {
			if (!reference_number(data, file.len - 1, &number))
				return ERR_CORRUPT;
			if (number > 0 && number <= last && ++back > RECORDS_REFERENCE_BACK_MAX)
				return ERR_CORRUPT;
			if (number > 0)
				at = (size_t)(last = number);
		} else if (type != 'w') {
			return ERR_CORRUPT;
		}
	}
	if (is_open)
		str_add(out, SLICE("\r\n"));
	return 0;
}

/* What records_next says about one piece of the file, until it wants another one. The piece lies in memory of exactly
 * its size, which is spoilt afterwards. */
static inline int records_feed(struct records *r, struct slice piece, struct str *out)
{
	char *copy = malloc(piece.len > 0 ? piece.len : 1);
	struct slice text, in;
	int e;

	ASSERT(copy != NULL);
	if (piece.len > 0)
		memcpy(copy, piece.ptr, piece.len);
	in = slice_of(copy, piece.len);
	while ((e = records_next(r, &in, &text)) == RECORDS_TEXT || e == RECORDS_LINE) {
		if (e == RECORDS_TEXT)
			ASSERT(text.len > 0 && text.ptr >= copy && text.ptr + text.len <= copy + piece.len);
		record_reference(e == RECORDS_TEXT ? text : (struct slice){ 0 }, e == RECORDS_LINE, out);
	}
	if (e == RECORDS_MORE)
		ASSERT(in.len == 0);
	memset(copy, '?', piece.len);
	free(copy);
	return e;
}

/* The file is cut at a and b, and in pieces of size everywhere. 0, or ERR_CORRUPT. */
static inline int records_run(struct slice file, size_t at, size_t a, size_t b, size_t size, struct str *out)
{
	struct records r;

	records_init(&r, file.len);
	for (;;) {
		size_t end = at < a ? a : at < b ? b : file.len;

		if (at >= file.len)
			return ERR_CORRUPT;	/* it ends, and the content does not */
		end = at + MIN(MIN(end, file.len) - at, size);
		const int e = records_feed(&r, slice_of(file.ptr + at, end - at), out);

		if (e < 0 || e == RECORDS_END)
			return e < 0 ? e : 0;
		at = end;
		if (e == RECORDS_SEEK) {
			ASSERT(r.offset < file.len);
			at = (size_t)r.offset;
		}
	}
}
