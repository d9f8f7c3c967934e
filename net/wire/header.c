#include "net/wire/header.h"

enum token_kind {
	TOKEN_END,
	TOKEN_ATOM,
	TOKEN_QUOTED,
	TOKEN_LITERAL,
	TOKEN_COMMENT,
	TOKEN_SPECIAL,		/* one octet of <>,;:@. and of )] out of their place */
};

struct token {
	enum token_kind kind;
	struct slice text;
	bool after_blank;	/* white space stands in front of it */
};

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_special(char c)
{
	return c != 0 && strchr("<>,;:@.)]", c) != NULL;
}

static bool is_atom(char c)
{
	return !is_white(c) && !is_special(c) && c != '"' && c != '(' && c != '[';
}

/* --- tokens ----------------------------------------------------------------------------------- */

/* Of a backslash and what it takes with it: line ends are not there, once it stands on one line. */
static size_t pair_len(struct slice text, size_t at)
{
	size_t n = 1;

	while (at + n < text.len && (text.ptr[at + n] == '\r' || text.ptr[at + n] == '\n'))
		n++;
	return at + n < text.len ? n + 1 : n;
}

/* Length of what begins with open and ends with close, nested when they differ and nests is set; a backslash takes
 * what follows with it. All of text when the end is missing. */
static size_t enclosed_len(struct slice text, char open, char close, bool nests)
{
	size_t depth = 1;

	for (size_t i = 1; i < text.len; i++) {
		const char c = text.ptr[i];

		if (c == '\\')
			i += pair_len(text, i) - 1;
		else if (c == close && --depth == 0)
			return i + 1;
		else if (nests && c == open)
			depth++;
	}
	return text.len;
}

static size_t atom_len(struct slice text)
{
	size_t n = 0;

	while (n < text.len && is_atom(text.ptr[n]))
		n += text.ptr[n] == '\\' ? pair_len(text, n) : 1;
	return n;
}

static struct token take_token(struct slice *rest)
{
	struct token t = { 0 };
	size_t n;

	while (rest->len > 0 && is_white(rest->ptr[0])) {
		t.after_blank = true;
		slice_skip(rest, 1);
	}
	t.text = slice_head(*rest, 0);
	if (rest->len == 0)
		return t;
	switch (rest->ptr[0]) {
	case '(':
		t.kind = TOKEN_COMMENT;
		n = enclosed_len(*rest, '(', ')', true);
		break;
	case '"':
		t.kind = TOKEN_QUOTED;
		n = enclosed_len(*rest, '"', '"', false);
		break;
	case '[':
		t.kind = TOKEN_LITERAL;
		n = enclosed_len(*rest, '[', ']', false);
		break;
	default:
		t.kind = is_special(rest->ptr[0]) ? TOKEN_SPECIAL : TOKEN_ATOM;
		n = t.kind == TOKEN_SPECIAL ? 1 : atom_len(*rest);
		break;
	}
	t.text = slice_head(*rest, n);
	slice_skip(rest, n);
	return t;
}

static bool token_is(const struct token *t, char c)
{
	return t->kind == TOKEN_SPECIAL && t->text.ptr[0] == c;
}

/* --- fields ----------------------------------------------------------------------------------- */

bool header_split(struct slice field, struct slice *ret_name, struct slice *ret_body)
{
	size_t len = 0, colon;

	while (len < field.len && field.ptr[len] > ' ' && field.ptr[len] < 0x7f && field.ptr[len] != ':')
		len++;
	for (colon = len; colon < field.len && (field.ptr[colon] == ' ' || field.ptr[colon] == '\t'); colon++)
		;
	if (len == 0 || colon == field.len || field.ptr[colon] != ':')
		return false;
	*ret_name = slice_head(field, len);
	slice_skip(&field, colon + 1);
	*ret_body = field;
	return true;
}

/* --- elements --------------------------------------------------------------------------------- */

/* What has been seen of an element. */
struct sight {
	const char *begin, *end;	/* of all its tokens */
	const char *bare, *bare_end;	/* of those that are no comments */
	const char *angle, *angle_end;	/* between the first "<" and its ">" */
	bool is_open;			/* behind "<" */
	bool is_bare;			/* so far it is an addr-spec */
	bool wants_word;		/* an operator was the last */
};

static void see(struct sight *s, const struct token *t)
{
	const bool is_word = t->kind == TOKEN_ATOM || t->kind == TOKEN_QUOTED || t->kind == TOKEN_LITERAL;
	const char *end = t->text.ptr + t->text.len;

	if (s->begin == NULL)
		s->begin = t->text.ptr;
	s->end = end;
	if (t->kind == TOKEN_COMMENT)
		return;
	if (s->bare == NULL) {
		s->bare = t->text.ptr;
		s->is_bare = s->wants_word = true;
	}
	s->bare_end = end;
	if (token_is(t, '<') && s->angle == NULL) {
		s->angle = end;
		s->is_open = true;
	} else if (token_is(t, '>') && s->is_open) {
		s->angle_end = t->text.ptr;
		s->is_open = false;
	}
	/* Servers of old wrote "a..b@c" and "a.@c" without quotes: that is their local part. */
	s->is_bare &= is_word ? s->wants_word : token_is(t, '.') || token_is(t, '@');
	s->wants_word = !is_word;
}

static struct slice trimmed(const char *begin, const char *end)
{
	return slice_trim(slice_of(begin, (size_t)(end - begin)));
}

static struct slice address_of(const struct sight *s)
{
	if (s->angle_end != NULL)
		return trimmed(s->angle, s->angle_end);
	if (s->angle == NULL && s->bare != NULL && s->is_bare)
		return trimmed(s->bare, s->bare_end);
	return SLICE("");
}

void header_list_init(struct header_list *list, struct slice body, uint32_t tokens_max)
{
	*list = (struct header_list){ .rest = body, .tokens = tokens_max };
}

static bool separates(const struct token *t, const struct sight *s)
{
	return !s->is_open && (token_is(t, ',') || token_is(t, ';') || token_is(t, ':'));
}

bool header_list_next(struct header_list *list, struct header_element *ret_element)
{
	struct sight s = { 0 };
	struct slice from = list->rest;
	struct token t = { 0 };

	if (list->is_over)
		return false;
	while (list->tokens > 0 && (t = take_token(&list->rest)).kind != TOKEN_END && !separates(&t, &s)) {
		list->tokens--;
		see(&s, &t);
	}
	if (list->tokens == 0) {	/* no more of it is understood */
		list->is_over = true;
		*ret_element = (struct header_element){ .text = slice_trim(from) };
		return true;
	}
	list->is_over = t.kind == TOKEN_END;
	list->tokens--;
	*ret_element = (struct header_element){
		.text = s.begin != NULL ? trimmed(s.begin, s.end) : slice_head(from, 0),
		.address = address_of(&s),
		.separator = list->is_over ? 0 : t.text.ptr[0],
	};
	return true;
}

/* --- text ------------------------------------------------------------------------------------- */

/* Without the line ends inside: the white space behind each of them is what was meant (RFC 5322 2.2.3). */
static void add_unfolded_token(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] != '\r' && text.ptr[i] != '\n')
			str_add_char(out, text.ptr[i]);
}

/* The addr-spec behind a source route. */
static struct slice behind_route(struct slice address)
{
	struct slice rest = address;
	struct token t = take_token(&rest);

	if (!token_is(&t, '@'))
		return address;
	while (t.kind != TOKEN_END && !token_is(&t, ':'))
		t = take_token(&rest);
	return t.kind == TOKEN_END ? address : rest;
}

void header_add_address(struct str *out, struct slice address)
{
	struct slice rest = behind_route(address);

	for (struct token t = take_token(&rest); t.kind != TOKEN_END; t = take_token(&rest))
		if (t.kind != TOKEN_COMMENT)
			add_unfolded_token(out, t.text);
}

void header_add_comments(struct str *out, struct slice address)
{
	struct slice rest = address;

	for (struct token t = take_token(&rest); t.kind != TOKEN_END; t = take_token(&rest)) {
		if (t.kind != TOKEN_COMMENT)
			continue;
		str_add_char(out, ' ');
		add_unfolded_token(out, t.text);
	}
}

void header_add_unfolded(struct str *out, struct slice text)
{
	struct slice rest = text;
	bool is_first = true;

	for (struct token t = take_token(&rest); t.kind != TOKEN_END; t = take_token(&rest)) {
		if (t.after_blank && !is_first)
			str_add_char(out, ' ');
		is_first = false;
		add_unfolded_token(out, t.text);
	}
}
