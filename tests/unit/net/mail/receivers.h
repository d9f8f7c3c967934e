/* receivers.h - twelve models of who reads what we send; eleven end a message where they should not (row SMG-01)
 *
 * bounds   RECEIVER_TEXT_MAX octets with everything
 */
#pragma once

#include "core/str.h"

#define RECEIVER_TEXT_MAX	128u
#define NEXT_COMMAND		"QUIT\r\n"

struct text {
	char storage[RECEIVER_TEXT_MAX];
	struct str str;
};

static inline struct str *text_clear(struct text *t)
{
	t->str = STR(t->storage);
	return &t->str;
}

/* Beside CRLF dot CRLF, a message ends at before dot after for them; and a line at before. NUL: any number of them. */
static const struct receiver {
	const char *name;
	const char *before, *after;
	/* COLLAPSES: CR CR LF is CR LF, as in Postfix before 3.9. */
	enum { NO_QUIRK, COLLAPSES, NUL_BEFORE, NUL_AFTER } quirk;
} receivers[] = {
	{ "strict", "\r\n", "\r\n", NO_QUIRK },
	{ "LF.LF", "\n", "\n", NO_QUIRK },
	{ "LF.CRLF", "\n", "\r\n", NO_QUIRK },
	{ "CRLF.LF", "\r\n", "\n", NO_QUIRK },
	{ "CR.CR", "\r", "\r", NO_QUIRK },
	{ "CR.LF", "\r", "\n", NO_QUIRK },
	{ "LF.CR", "\n", "\r", NO_QUIRK },
	{ "CR.CRLF", "\r", "\r\n", NO_QUIRK },
	{ "CRLF.CR", "\r\n", "\r", NO_QUIRK },
	{ "CR CR LF collapsed", "\r\n", "\r\n", COLLAPSES },
	{ "NUL before the dot", "\r\n", "\r\n", NUL_BEFORE },
	{ "NUL after the dot", "\r\n", "\r\n", NUL_AFTER },
};

static inline size_t nuls_at(struct slice in, size_t at, bool wanted)
{
	size_t n = 0;

	while (wanted && at + n < in.len && in.ptr[at + n] == '\0')
		n++;
	return n;
}

static inline bool stands_at(struct slice in, size_t at, struct slice what)
{
	return slice_has_prefix(slice_of(in.ptr + at, in.len - at), what);
}

/* Octets of a dot, and of an end behind it, that end the message here; 0: they do not. The line has begun. */
static inline size_t end_at(const struct receiver *r, struct slice in, size_t at, bool begun_by_crlf)
{
	size_t from = at;

	at += nuls_at(in, at, r->quirk == NUL_BEFORE);
	if (at >= in.len || in.ptr[at] != '.')
		return 0;
	at++;
	at += nuls_at(in, at, r->quirk == NUL_AFTER);
	if (begun_by_crlf && stands_at(in, at, SLICE("\r\n")))
		return at + 2 - from;
	return stands_at(in, at, slice_of_str(r->after)) ? at + strlen(r->after) - from : 0;
}

/* The content, and how much of what came was the message with its end. */
struct reading {
	struct text content;
	size_t size;			/* 0: no end */
};

static inline struct slice collapse(const struct receiver *r, struct slice in, struct text *t)
{
	text_clear(t);
	for (size_t i = 0; i < in.len; i++)
		if (r->quirk != COLLAPSES || !stands_at(in, i, SLICE("\r\r\n")))
			str_add_char(&t->str, in.ptr[i]);
	return str_slice(&t->str);
}

static inline void receive(const struct receiver *r, struct slice in, struct reading *ret)
{
	bool at_start = true, by_crlf = true;

	text_clear(&ret->content);
	ret->size = 0;
	for (size_t at = 0; at < in.len; ) {
		size_t end = at_start ? end_at(r, in, at, by_crlf) : 0;

		if (end > 0) {
			ret->size = at + end;
			return;
		}
		if (at_start && in.ptr[at] == '.') {
			at++;
			at_start = false;
			continue;
		}
		by_crlf = stands_at(in, at, SLICE("\r\n"));
		at_start = by_crlf || stands_at(in, at, slice_of_str(r->before));
		size_t len = by_crlf ? 2 : at_start ? strlen(r->before) : 1;

		str_add(&ret->content.str, slice_of(in.ptr + at, len));
		at += len;
	}
}

/* Does it see one message with this content, and the next command behind it? */
static inline bool is_fooled(const struct receiver *r, struct slice wire, struct slice canonical)
{
	static struct text sent, collapsed;
	static struct reading got;

	str_add(text_clear(&sent), wire);
	str_add_cstr(&sent.str, ".\r\n" NEXT_COMMAND);
	struct slice in = collapse(r, str_slice(&sent.str), &collapsed);

	receive(r, in, &got);
	return got.size + sizeof(NEXT_COMMAND) - 1 != in.len || !slice_eq(str_slice(&got.content.str), canonical);
}

/* The first that is; NULL: nobody. */
static inline const char *who_is_fooled(struct slice wire, struct slice canonical)
{
	for (unsigned i = 0; i < ARRAY_LEN(receivers); i++)
		if (is_fooled(&receivers[i], wire, canonical))
			return receivers[i].name;
	return NULL;
}
