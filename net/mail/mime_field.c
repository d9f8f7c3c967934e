#include "net/mail/mime_field.h"

enum item { ITEM_TOKEN, ITEM_QUOTED, ITEM_SPECIAL };

enum mime_field_name mime_field_of_name(struct slice name)
{
	if (slice_eq_nocase(name, SLICE("Content-Type")))
		return MIME_TYPE_FIELD;
	if (slice_eq_nocase(name, SLICE("Content-Transfer-Encoding")))
		return MIME_ENCODING_FIELD;
	return MIME_NO_FIELD;
}

void mime_field_begin(struct mime_field *f, enum mime_field_name name, struct mime_boundaries *boundaries)
{
	const struct mime_level *top = mime_boundaries_top(boundaries);

	*f = (struct mime_field){
		.name = name,
		.boundaries = boundaries,
		.is_sealed = top != NULL && top->is_sealed,
	};
}

/* --- items ---------------------------------------------------------------------------------------------------- */

static bool token_is(const struct mime_field *f, const char *word)
{
	return f->token_len <= MIME_TOKEN_MAX && slice_eq_nocase(slice_of(f->token, f->token_len), slice_of_str(word));
}

static enum mime_encoding encoding_of_token(const struct mime_field *f)
{
	static const char *const words[] = {
		[MIME_7BIT] = "7bit", [MIME_8BIT] = "8bit", [MIME_BINARY] = "binary",
		[MIME_BASE64] = "base64", [MIME_QUOTED_PRINTABLE] = "quoted-printable",
	};

	for (unsigned i = MIME_7BIT; i < ARRAY_LEN(words); i++)
		if (token_is(f, words[i]))
			return (enum mime_encoding)i;
	return MIME_UNKNOWN;
}

static void on_type(struct mime_field *f, enum item item)
{
	f->has_entity = true;
	f->entity = MIME_LEAF;
	f->is_multipart = item == ITEM_TOKEN && token_is(f, "multipart");
	f->is_message = item == ITEM_TOKEN && token_is(f, "message");
	if (f->is_multipart)
		f->entity = MIME_MULTIPART;
}

static void on_subtype(struct mime_field *f)
{
	if (f->is_multipart && token_is(f, "digest"))
		f->entity = MIME_MULTIPART_DIGEST;
	else if (f->is_multipart && (token_is(f, "signed") || token_is(f, "encrypted")))
		f->entity = MIME_MULTIPART_SEALED;
	else if (f->is_message && token_is(f, "rfc822"))
		f->entity = MIME_MESSAGE;
	else if (f->is_message && token_is(f, "global"))
		f->entity = MIME_GLOBAL;
	else if (f->is_message && (token_is(f, "partial") || token_is(f, "external-body")))
		f->entity = MIME_FRAGMENT;
}

/* The value of the boundary that is being read now. */
static bool reads_boundary(const struct mime_field *f)
{
	return f->fits && f->items == 2 && f->is_multipart;
}

/* The item with this number in its parameter; the type is the parameter before the first ";". */
static void on_type_item(struct mime_field *f, enum item item, char special)
{
	if (!f->is_param) {
		if (f->items == 0)
			on_type(f, item);
		else if (f->items == 1)
			f->fits = special == '/';
		else if (f->items == 2 && f->fits && item == ITEM_TOKEN)
			on_subtype(f);
		return;
	}
	if (f->items == 0)
		f->fits = item == ITEM_TOKEN && token_is(f, "boundary");
	else if (f->items == 1)
		f->fits = f->fits && special == '=';
	else if (reads_boundary(f) && item != ITEM_SPECIAL)
		f->is_too_deep |= !mime_boundaries_push(f->boundaries, f->entity == MIME_MULTIPART_DIGEST,
			f->is_sealed || f->entity == MIME_MULTIPART_SEALED);
}

static void on_item(struct mime_field *f, enum item item, char special)
{
	if (f->name == MIME_TYPE_FIELD) {
		on_type_item(f, item, special);
	} else if (!f->is_decided) {
		f->is_decided = true;
		f->encoding = item == ITEM_TOKEN ? encoding_of_token(f) : MIME_UNKNOWN;
	}
	f->items += f->items < 3;
}

/* --- octets --------------------------------------------------------------------------------------------------- */

static bool is_gap(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* tspecials of RFC 2045 5.1, and controls. */
static bool is_special(char c)
{
	return ((unsigned char)c < 32 || c == 127 || strchr("()<>@,;:\\\"/[]?=", c) != NULL) && !is_gap(c);
}

static void begin_text(struct mime_field *f)
{
	f->token_len = 0;
	if (reads_boundary(f) && f->is_param)
		mime_boundaries_begin(f->boundaries);
}

static void add(struct mime_field *f, char c)
{
	if (f->token_len < MIME_TOKEN_MAX)
		f->token[f->token_len] = c;
	if (f->token_len <= MIME_TOKEN_MAX)
		f->token_len++;
	if (reads_boundary(f) && f->is_param)
		mime_boundaries_add(f->boundaries, c);
}

static void in_gap(struct mime_field *f, char c)
{
	if (is_gap(c))
		return;
	if (c == '(') {
		f->state = MIME_COMMENT;
		f->depth = 1;
	} else if (c == '"') {
		f->state = MIME_QUOTED;
		begin_text(f);
	} else if (c == ';' && f->name == MIME_TYPE_FIELD) {
		f->is_param = true;
		f->fits = false;
		f->items = 0;
	} else if (is_special(c)) {
		on_item(f, ITEM_SPECIAL, c);
	} else {
		f->state = MIME_TOKEN;
		begin_text(f);
		add(f, c);
	}
}

static void in_token(struct mime_field *f, char c)
{
	if (!is_gap(c) && !is_special(c)) {
		add(f, c);
		return;
	}
	on_item(f, ITEM_TOKEN, 0);
	f->state = MIME_GAP;
	in_gap(f, c);
}

/* The line ends of a folded value are not part of it (RFC 5322 2.2.3). */
static void in_quoted(struct mime_field *f, char c)
{
	if (c == '\r' || c == '\n')
		return;
	if (!f->is_escaped && c == '\\') {
		f->is_escaped = true;
	} else if (!f->is_escaped && c == '"') {
		on_item(f, ITEM_QUOTED, 0);
		f->state = MIME_GAP;
	} else {
		f->is_escaped = false;
		add(f, c);
	}
}

static void in_comment(struct mime_field *f, char c)
{
	if (f->is_escaped)
		f->is_escaped = false;
	else if (c == '\\')
		f->is_escaped = true;
	else if (c == '(')
		f->depth++;
	else if (c == ')' && --f->depth == 0)
		f->state = MIME_GAP;
}

void mime_field_feed(struct mime_field *f, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		switch (f->state) {
		case MIME_GAP:
			in_gap(f, text.ptr[i]);
			break;
		case MIME_TOKEN:
			in_token(f, text.ptr[i]);
			break;
		case MIME_QUOTED:
			in_quoted(f, text.ptr[i]);
			break;
		case MIME_COMMENT:
			in_comment(f, text.ptr[i]);
			break;
		}
	}
}

void mime_field_end(struct mime_field *f)
{
	if (f->state == MIME_TOKEN)
		on_item(f, ITEM_TOKEN, 0);
	else if (f->state == MIME_QUOTED)
		on_item(f, ITEM_QUOTED, 0);
	f->state = MIME_GAP;
	if (f->name == MIME_ENCODING_FIELD)
		f->is_decided = true;
}
