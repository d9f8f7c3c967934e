/* mime_reference.h - B 16 once more, line by line, with the whole message in memory: slow, and plain to read
 *
 * Hooks are not part of it. What goes out on failure is what stands in front of the place where it is noticed.
 */
#pragma once

#include <stdio.h>

#include "core/str.h"
#include "core/err.h"
#include "net/mail/mime_structure.h"

#define REFERENCE_TOKENS 10000u

struct reference_level {
	char boundary[MIME_BOUNDARY_MAX];
	size_t len;
	bool is_digest, is_sealed;
};

struct reference {
	struct mime_conf conf;
	struct slice in;		/* what is left */
	struct str *out;
	enum mime_trouble trouble;
	struct reference_level levels[128];	/* tests keep mime_nesting_limit below 126 */
	unsigned level_count;
	enum mime_entity entity;
	enum mime_encoding encoding;
	bool encodes;
};

/* --- quoted-printable, B 16.4 --------------------------------------------------------------------------------- */

/* What encoding must not make a header or a boundary. */
struct qp_guards {
	bool colon;
	bool first;		/* octet of the line */
	bool dash;		/* behind a soft break */
};

static inline void qp_reference_line(struct slice line, struct qp_guards guards, struct str *out)
{
	char b[80];
	size_t n = 0;

	for (size_t i = 0; i < line.len; i++) {
		unsigned char c = (unsigned char)line.ptr[i];
		bool is_literal = c == 9 || (c >= 32 && c <= 126 && c != '=');

		if (n > 72) {
			str_add(out, slice_of(b, n));
			str_add_cstr(out, "=\r\n");
			n = 0;
			if (guards.dash && c == '-')
				is_literal = false;
		}
		if (guards.colon && c == ':')
			is_literal = false;
		if (guards.first && i == 0)
			is_literal = false;
		if (is_literal)
			b[n++] = (char)c;
		else
			n += (size_t)snprintf(b + n, 4, "=%02X", c);
	}
	if (n > 0 && (b[n - 1] == ' ' || b[n - 1] == '\t')) {
		n--;
		n += (size_t)snprintf(b + n, 4, "=%02X", b[n]);
	}
	str_add(out, slice_of(b, n));
	str_add_cstr(out, "\r\n");
}

/* --- lines ---------------------------------------------------------------------------------------------------- */

static inline struct slice reference_peek(const struct reference *r)
{
	ptrdiff_t lf = slice_find_char(r->in, 0, '\n');

	return slice_head(r->in, lf < 0 ? r->in.len : (size_t)lf + 1);
}

static inline struct slice reference_line(struct reference *r)
{
	struct slice line = reference_peek(r);

	slice_skip(&r->in, line.len);
	return line;
}

static inline size_t reference_name(struct slice line)
{
	size_t name = 0, colon;

	while (name < line.len && line.ptr[name] > 32 && line.ptr[name] < 127 && line.ptr[name] != ':')
		name++;
	for (colon = name; colon < line.len && (line.ptr[colon] == ' ' || line.ptr[colon] == '\t');)
		colon++;
	return name > 0 && colon < line.len && line.ptr[colon] == ':' && colon < MIME_NAME_MAX ? name : 0;
}

/* --- Content-Type and Content-Transfer-Encoding --------------------------------------------------------------- */

struct reference_token {
	char type;		/* 't', 'q', or the special itself */
	struct str text;
	size_t end;		/* the octet that has ended it */
};

/* All tokens of a value. text has the memory of their octets. */
static inline unsigned reference_tokens(struct slice v, char *text, struct reference_token *t)
{
	size_t i = 0;
	unsigned n = 0;

	while (i < v.len && n < REFERENCE_TOKENS) {
		char c = v.ptr[i];

		if (strchr(" \t\r\n", c) != NULL && c != '\0') {
			i++;
		} else if (c == '(') {
			int depth = 0;

			for (; i < v.len; i++) {
				if (v.ptr[i] == '\\')
					i++;
				else if (v.ptr[i] == '(')
					depth++;
				else if (v.ptr[i] == ')' && --depth == 0)
					break;
			}
			i++;
		} else if (c == '"') {
			t[n] = (struct reference_token){ .type = 'q', .text = str_over(text, v.len) };
			bool escaped = false;

			for (i++; i < v.len && (escaped || v.ptr[i] != '"'); i++) {
				if (v.ptr[i] == '\r' || v.ptr[i] == '\n')
					continue;
				if (!escaped && v.ptr[i] == '\\') {
					escaped = true;
					continue;
				}
				escaped = false;
				str_add_char(&t[n].text, v.ptr[i]);
			}
			text += t[n].text.len;
			t[n++].end = i++;
		} else if (c < 32 && c >= 0) {
			t[n++] = (struct reference_token){ .type = 1, .end = i++ };
		} else if (strchr("()<>@,;:\\\"/[]?=\177", c) != NULL) {
			t[n++] = (struct reference_token){ .type = c, .end = i++ };
		} else {
			t[n] = (struct reference_token){ .type = 't', .text = str_over(text, v.len) };
			while (i < v.len && !(v.ptr[i] >= 0 && v.ptr[i] <= 32) &&
			       strchr("()<>@,;:\\\"/[]?=\177", v.ptr[i]) == NULL)
				str_add_char(&t[n].text, v.ptr[i++]);
			text += t[n].text.len;
			t[n++].end = i;
		}
	}
	return n;
}

static inline bool reference_is(const struct reference_token *t, const char *word)
{
	return t->type == 't' && slice_eq_nocase(str_slice(&t->text), slice_of_str(word));
}

static inline void reference_push(struct reference *r, struct slice boundary, bool is_digest, bool is_sealed)
{
	size_t used = 0;

	boundary = slice_head(boundary, r->conf.mime_boundary_length_limit);
	for (unsigned i = 0; i < r->level_count; i++)
		used += r->levels[i].len;
	bool no_room = used + boundary.len > MIME_ARENA;

	while (boundary.len > 0 && strchr(" \t", boundary.ptr[boundary.len - 1]) != NULL &&
	       boundary.ptr[boundary.len - 1] != '\0')
		boundary.len--;
	if (boundary.len == 0 && !no_room)
		return;
	if (no_room || r->level_count == r->conf.mime_nesting_limit + 2) {
		if (r->conf.converts)
			r->trouble = MIME_TOO_DEEP;
		return;
	}
	struct reference_level *level = &r->levels[r->level_count];

	memcpy(level->boundary, boundary.ptr, boundary.len);
	level->len = boundary.len;
	level->is_digest = is_digest;
	level->is_sealed = is_sealed || (r->level_count > 0 && level[-1].is_sealed);
	r->level_count++;
}

static inline void reference_type(struct reference *r, const struct reference_token *t, unsigned n)
{
	bool has_subtype = n >= 3 && t[1].type == '/';

	if (n == 0 || t[0].type == ';')
		return;
	r->entity = MIME_LEAF;
	if (reference_is(&t[0], "multipart")) {
		r->entity = MIME_MULTIPART;
		if (has_subtype && reference_is(&t[2], "digest"))
			r->entity = MIME_MULTIPART_DIGEST;
		if (has_subtype && (reference_is(&t[2], "signed") || reference_is(&t[2], "encrypted")))
			r->entity = MIME_MULTIPART_SEALED;
		for (unsigned i = 0; i + 3 < n; i++)
			if (t[i].type == ';' && reference_is(&t[i + 1], "boundary") && t[i + 2].type == '=' &&
			    (t[i + 3].type == 't' || t[i + 3].type == 'q'))
				reference_push(r, str_slice(&t[i + 3].text), r->entity == MIME_MULTIPART_DIGEST,
					r->entity == MIME_MULTIPART_SEALED);
	} else if (reference_is(&t[0], "message") && has_subtype) {
		if (reference_is(&t[2], "rfc822"))
			r->entity = MIME_MESSAGE;
		if (reference_is(&t[2], "global"))
			r->entity = MIME_GLOBAL;
		if (reference_is(&t[2], "partial") || reference_is(&t[2], "external-body"))
			r->entity = MIME_FRAGMENT;
	}
}

static inline enum mime_encoding reference_encoding(const struct reference_token *t, unsigned n)
{
	static const char *const words[] = { "?", "7bit", "8bit", "binary", "base64", "quoted-printable" };

	for (unsigned i = MIME_7BIT; n > 0 && i <= MIME_QUOTED_PRINTABLE; i++)
		if (reference_is(&t[0], words[i]))
			return (enum mime_encoding)i;
	return MIME_UNKNOWN;
}

/* --- blocks and bodies ---------------------------------------------------------------------------------------- */

static inline bool reference_is_8bit(enum mime_encoding e)
{
	return e == MIME_8BIT || e == MIME_BINARY;
}

struct reference_labels {
	enum { NO_LABEL, ONE_IN_PLACE, GONE, AT_THE_END } state;
	size_t out_at;		/* ONE_IN_PLACE: where it stands in out */
	size_t len;
};

/* A Content-Transfer-Encoding header. */
static inline void reference_label(struct reference *r, struct reference_labels *l, struct slice header,
	enum mime_encoding encoding, size_t decided_at)
{
	size_t parked = l->state == ONE_IN_PLACE ? r->out->len - l->out_at : 0;
	bool is_known = encoding != MIME_UNKNOWN;

	if (parked + MIN(decided_at + 1, header.len) > MIME_PARKED)
		is_known = false;
	if (l->state == ONE_IN_PLACE && is_known) {
		/* The one in place goes. */
		r->out->len -= l->len;
		memmove(r->out->ptr + l->out_at, r->out->ptr + l->out_at + l->len, r->out->len - l->out_at);
		l->state = AT_THE_END;
	} else if (l->state == GONE && is_known && reference_is_8bit(encoding)) {
		r->trouble = MIME_CONTRADICTION;
	} else if (l->state == NO_LABEL && is_known && reference_is_8bit(encoding)) {
		l->state = AT_THE_END;
	} else if (l->state != AT_THE_END || !is_known) {
		if (l->state == NO_LABEL && is_known)
			*l = (struct reference_labels){ ONE_IN_PLACE, r->out->len, header.len };
		str_add(r->out, header);
	}
	if (is_known)
		r->encoding = encoding;
	if (l->state == ONE_IN_PLACE && r->out->len - l->out_at > MIME_PARKED)
		l->state = GONE;
}

static inline void reference_header(struct reference *r, struct reference_labels *l, struct slice header)
{
	static struct reference_token tokens[REFERENCE_TOKENS];
	static char text[1 << 20];
	size_t name = reference_name(header);
	struct slice value = slice_head(header, r->conf.header_size_limit);
	size_t colon = (size_t)slice_find_char(header, 0, ':');
	unsigned n;

	slice_skip(&value, MIN(colon + 1, value.len));
	ASSERT(value.len <= sizeof(text));
	n = reference_tokens(value, text, tokens);
	if (r->conf.converts && slice_eq_nocase(slice_head(header, name), SLICE("content-transfer-encoding"))) {
		/* What ends its first token decides. */
		reference_label(r, l, header, reference_encoding(tokens, n),
			n > 0 && tokens[0].end < value.len ? colon + 1 + tokens[0].end : header.len);
		return;
	}
	str_add(r->out, header);
	if (slice_eq_nocase(slice_head(header, name), SLICE("content-type")) &&
	    (r->conf.converts || r->conf.finds_parts))
		reference_type(r, tokens, n);
	if (l->state == ONE_IN_PLACE && r->out->len - l->out_at > MIME_PARKED)
		l->state = GONE;
}

static inline void reference_new_label(struct reference *r, bool is_sealed)
{
	static const char *const words[] = { "?", "7bit", "?", "?", "base64", "quoted-printable" };
	enum mime_encoding encoding = r->encoding;

	if (reference_is_8bit(encoding)) {
		bool has_parts = r->entity != MIME_LEAF && r->entity != MIME_GLOBAL && r->entity != MIME_FRAGMENT;

		encoding = has_parts ? MIME_7BIT : MIME_QUOTED_PRINTABLE;
		r->encodes = !has_parts;
		if (is_sealed)
			r->trouble = MIME_SEALED;
		else if (r->entity == MIME_FRAGMENT)
			r->trouble = MIME_NOT_CONVERTIBLE;
		if (r->trouble != MIME_NO_TROUBLE)
			return;
	}
	if (r->out->len > 0 && r->out->ptr[r->out->len - 1] != '\n')
		str_add_cstr(r->out, "\r\n");
	str_printf(r->out, "Content-Transfer-Encoding: %s\r\n", words[encoding]);
}

/* One header block. Returns whether another one follows at once: that of an attached message. */
static inline bool reference_block(struct reference *r, enum mime_header_kind block, bool *ret_guards)
{
	struct reference_labels labels = { NO_LABEL, 0, 0 };
	bool is_sealed = r->level_count > 0 && r->levels[r->level_count - 1].is_sealed;

	r->encoding = MIME_7BIT;
	r->encodes = false;
	while (reference_name(reference_peek(r)) > 0 && r->trouble == MIME_NO_TROUBLE) {
		struct slice header = reference_line(r);

		while (r->in.len > 0 && (r->in.ptr[0] == ' ' || r->in.ptr[0] == '\t'))
			header.len += reference_line(r).len;
		reference_header(r, &labels, header);
	}
	if (labels.state == AT_THE_END && r->trouble == MIME_NO_TROUBLE)
		reference_new_label(r, is_sealed);
	if (r->trouble != MIME_NO_TROUBLE || r->in.len == 0)
		return false;
	*ret_guards = r->encodes && block != MIME_HEADER_PRIMARY;
	if (slice_eq(reference_peek(r), SLICE("\r\n"))) {
		str_add(r->out, reference_line(r));
		*ret_guards = false;
	} else if (block == MIME_HEADER_PRIMARY) {
		str_add_cstr(r->out, "\r\n");
	}
	if (!r->conf.converts && !r->conf.finds_parts)
		return false;
	return (r->entity == MIME_MESSAGE || r->entity == MIME_GLOBAL) && !r->encodes &&
	       r->encoding != MIME_BASE64 && r->encoding != MIME_QUOTED_PRINTABLE;
}

/* The level that this line is a boundary of, or -1. */
static inline int reference_boundary(const struct reference *r, struct slice line, bool *ret_end)
{
	for (int i = (int)r->level_count - 1; i >= 0; i--) {
		const struct reference_level *level = &r->levels[i];

		if (line.len >= 2 + level->len && memcmp(line.ptr, "--", 2) == 0 &&
		    memcmp(line.ptr + 2, level->boundary, level->len) == 0) {
			*ret_end = line.len >= 4 + level->len && memcmp(line.ptr + 2 + level->len, "--", 2) == 0;
			return i;
		}
	}
	return -1;
}

/* Would an encoder write this? */
static inline bool reference_like_code(const struct reference_level *level)
{
	bool is_like = false;

	for (size_t i = 0; i < level->len; i++) {
		if (level->boundary[i] != '=')
			continue;
		is_like = true;
		for (size_t k = i + 1; k <= i + 2 && k < level->len; k++)
			if (strchr("0123456789ABCDEF", level->boundary[k]) == NULL || level->boundary[k] == '\0')
				return false;
	}
	return is_like;
}

static inline struct qp_guards reference_guards(const struct reference *r, struct slice line, bool colon)
{
	struct qp_guards guards = { .colon = colon, .dash = r->level_count > 0 };

	for (unsigned i = 0; i < r->level_count; i++)
		if (reference_like_code(&r->levels[i]) && line.len >= 2 && memcmp(line.ptr, "--", 2) == 0)
			guards.first = true;
	return guards;
}

/* Body lines up to the next header block. Returns false when there is none. */
static inline bool reference_body(struct reference *r, bool guards_colon)
{
	while (r->in.len > 0) {
		struct slice line = reference_line(r);
		bool is_end = false;
		int level = reference_boundary(r, line, &is_end);

		if (level < 0 && r->encodes) {
			if (line.len >= 2 && memcmp(line.ptr + line.len - 2, "\r\n", 2) == 0)
				line.len -= 2;
			qp_reference_line(line, reference_guards(r, line, guards_colon), r->out);
		} else {
			str_add(r->out, line);
		}
		guards_colon = false;
		if (level < 0)
			continue;
		r->encodes = false;
		r->entity = r->levels[level].is_digest ? MIME_MESSAGE : MIME_LEAF;
		r->level_count = (unsigned)level + (is_end ? 0 : 1);
		if (!is_end)
			return line.ptr[line.len - 1] == '\n';
	}
	return false;
}

/* in: content as it flows between stages. */
static inline enum mime_trouble mime_reference(const struct mime_conf *conf, struct slice in, struct str *out)
{
	static struct reference r;
	enum mime_header_kind block = MIME_HEADER_PRIMARY;
	bool guards_colon = false;

	r.conf = *conf;
	r.in = in;
	r.out = out;
	r.trouble = MIME_NO_TROUBLE;
	r.level_count = 0;
	r.entity = MIME_LEAF;
	do {
		while (reference_block(&r, block, &guards_colon)) {
			r.entity = MIME_LEAF;
			block = MIME_HEADER_NESTED;
		}
		block = MIME_HEADER_MIME;
	} while (r.trouble == MIME_NO_TROUBLE && reference_body(&r, guards_colon));
	return r.trouble;
}
