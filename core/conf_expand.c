#include "core/conf_expand.h"

#include <errno.h>
#include <stdlib.h>

#include "core/conf.h"
#include "core/err.h"

#define OUT_CAP_FIRST KIB(4)

static int expand_dollar(struct conf_expand *x, struct slice *s);
static int expand_macro(struct conf_expand *x, struct slice body);
static int expand_function(struct conf_expand *x, struct slice name, struct slice body);
static struct slice out_slice(const struct conf_expand *x, size_t from, size_t to)
{
	/* out is NULL until something is put. */
	return from < to ? slice_of(x->out + from, to - from) : SLICE("");
}

static int expand_test(struct conf_expand *x, struct slice body);
static int expand_choice(struct conf_expand *x, struct slice body, bool truth);
static int put(struct conf_expand *x, struct slice text);
static int put_name(struct conf_expand *x, struct slice name);
static int charge(struct conf_expand *x, size_t octets);
static int fail(struct conf_expand *x, const char *what, const char *form);
static void skip_blanks(struct slice *s);

int conf_expand(struct conf_expand *x, struct slice text)
{
	if (x->depth >= CONF_DEPTH_MAX)
		return fail(x, "names and braces go too deep", "at most 32 inside each other");
	int r = charge(x, text.len);

	x->depth++;
	while (r == 0 && text.len > 0) {
		ptrdiff_t dollar = slice_find_char(text, 0, '$');
		size_t plain = dollar < 0 ? text.len : (size_t)dollar;

		r = put(x, slice_head(text, plain));
		slice_skip(&text, plain);
		if (r == 0 && text.len > 0)
			r = expand_dollar(x, &text);
	}
	x->depth--;
	return r;
}

void conf_expand_done(struct conf_expand *x)
{
	free(x->out);
	*x = (struct conf_expand){ 0 };
}

static int expand_dollar(struct conf_expand *x, struct slice *s)
{
	struct slice inside;

	slice_skip(s, 1);
	if (s->len > 0 && s->ptr[0] == '$') {
		slice_skip(s, 1);
		return put(x, SLICE("$"));
	}
	if (s->len > 0 && (s->ptr[0] == '{' || s->ptr[0] == '(')) {
		if (!conf_take_bracketed(s, &inside))
			return fail(x, "a bracket after $ is never closed", "${name} or $(name)");
		int r = charge(x, inside.len);	/* looking for the partner is a pass of its own */

		return r < 0 ? r : expand_macro(x, inside);
	}
	struct slice name = conf_take_name(s, false);

	if (name.len == 0)
		return fail(x, "a $ without a name", "$name, ${name}, or $$ for the character itself");
	return put_name(x, name);
}

static int expand_macro(struct conf_expand *x, struct slice body)
{
	struct slice value;

	skip_blanks(&body);
	if (body.len > 0 && body.ptr[0] == '{')
		return expand_test(x, body);
	struct slice name = conf_take_name(&body, true);

	if (name.len == 0)
		return fail(x, "no parameter name after the opening bracket",
			    "${name}, ${name?{a}:{b}} or ${{x} == {y} ? {a} : {b}}");
	if (body.len > 0 && body.ptr[0] == '{')
		return expand_function(x, name, body);
	skip_blanks(&body);
	if (body.len == 0)
		return put_name(x, name);
	if (body.ptr[0] != '?' && body.ptr[0] != ':')
		return fail(x, "text after a parameter name",
			    "${name}, ${name?value} or ${name:value}");

	int r = x->lookup(x->context, name, &value);

	return r < 0 ? r : expand_choice(x, body, value.len > 0);
}

/* The A-label form of ASCII text is the text itself; what needs IDNA has to be written in that form by hand. */
static int expand_function(struct conf_expand *x, struct slice name, struct slice body)
{
	struct slice arg;
	size_t mark = x->len;

	if (!slice_eq(name, SLICE("domain_to_ascii")))
		return fail(x, "a function that does not exist", "${domain_to_ascii{text}}");
	if (!conf_take_bracketed(&body, &arg))
		return fail(x, "a brace is never closed", "${domain_to_ascii{text}}");
	if (slice_trim(body).len > 0)
		return fail(x, "text after the argument of a function", "${domain_to_ascii{text}}");
	int r = conf_expand(x, arg);

	for (size_t i = mark; r == 0 && i < x->len; i++)
		if ((unsigned char)x->out[i] >= 0x80)
			r = fail(x, "domain_to_ascii of a name that is not ASCII",
				 "the name in its xn-- form");
	return r;
}

enum test_op { TEST_NONE, TEST_EQ, TEST_NE, TEST_LE, TEST_GE, TEST_LT, TEST_GT };

static enum test_op take_op(struct slice *s)
{
	static const struct {
		struct slice word;
		enum test_op op;
	} ops[] = {	/* two characters before one */
		{ { "==", 2 }, TEST_EQ }, { { "!=", 2 }, TEST_NE }, { { "<=", 2 }, TEST_LE },
		{ { ">=", 2 }, TEST_GE }, { { "<", 1 }, TEST_LT }, { { ">", 1 }, TEST_GT },
	};

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (slice_has_prefix(*s, ops[i].word)) {
			slice_skip(s, ops[i].word.len);
			return ops[i].op;
		}
	return TEST_NONE;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	return s.len > 0;
}

static int compare(struct slice a, struct slice b)
{
	if (all_digits(a) && all_digits(b)) {
		while (a.len > 1 && a.ptr[0] == '0')
			slice_skip(&a, 1);
		while (b.len > 1 && b.ptr[0] == '0')
			slice_skip(&b, 1);
		if (a.len != b.len)	/* without zeros in front the longer number is the greater */
			return a.len < b.len ? -1 : 1;
	}
	size_t common = MIN(a.len, b.len);
	int r = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;

	return r != 0 ? r : (a.len > b.len) - (a.len < b.len);
}

static bool test_holds(enum test_op op, int order)
{
	switch (op) {
	case TEST_EQ:
		return order == 0;
	case TEST_NE:
		return order != 0;
	case TEST_LE:
		return order <= 0;
	case TEST_GE:
		return order >= 0;
	case TEST_LT:
		return order < 0;
	case TEST_GT:
		return order > 0;
	case TEST_NONE:
		break;
	}
	UNREACHABLE();
}

static int expand_test(struct conf_expand *x, struct slice body)
{
	static const char *const form = "${{x} == {y} ? {a} : {b}}, or != < <= > >= for ==";
	struct slice left, right;
	enum test_op op;
	bool parsed = conf_take_bracketed(&body, &left);

	skip_blanks(&body);
	op = take_op(&body);
	skip_blanks(&body);
	parsed = parsed && op != TEST_NONE && body.len > 0 && body.ptr[0] == '{' &&
		 conf_take_bracketed(&body, &right);
	skip_blanks(&body);
	if (!parsed || body.len == 0 || (body.ptr[0] != '?' && body.ptr[0] != ':'))
		return fail(x, "a comparison that cannot be read", form);

	size_t mark = x->len;
	int r = conf_expand(x, left);
	size_t middle = x->len;

	if (r == 0)
		r = conf_expand(x, right);
	if (r < 0)
		return r;
	int order = compare(out_slice(x, mark, middle), out_slice(x, middle, x->len));

	x->len = mark;
	return expand_choice(x, body, test_holds(op, order));
}

static int expand_choice(struct conf_expand *x, struct slice body, bool truth)
{
	bool when = body.ptr[0] == '?';
	struct slice first, second = SLICE("");

	slice_skip(&body, 1);
	first = body;
	skip_blanks(&body);
	if (body.len > 0 && body.ptr[0] == '{') {
		if (!conf_take_bracketed(&body, &first))
			return fail(x, "a brace is never closed", "${name?{a}:{b}}");
		skip_blanks(&body);
		if (body.len > 0 && (!when || body.ptr[0] != ':'))
			return fail(x, "text after a closing brace", "${name?{a}:{b}} or ${name:{b}}");
		if (body.len > 0) {
			slice_skip(&body, 1);
			second = body;
			skip_blanks(&body);
			if (body.len > 0 && body.ptr[0] == '{' &&
			    (!conf_take_bracketed(&body, &second) || slice_trim(body).len > 0))
				return fail(x, "the second arm of a choice does not end at its brace",
					    "${name?{a}:{b}}");
		}
	}
	return conf_expand(x, truth == when ? first : second);
}

static int put_name(struct conf_expand *x, struct slice name)
{
	struct slice value;
	int r = x->lookup(x->context, name, &value);

	return r < 0 ? r : put(x, value);
}

static int put(struct conf_expand *x, struct slice text)
{
	if (text.len == 0)
		return 0;
	if (text.len > CONF_VALUE_MAX - (x->len - x->base))
		return fail(x, "the expanded value is too long", "at most 65536 octets");
	int r = charge(x, text.len);

	if (r < 0)
		return r;
	if (text.len > x->cap - x->len) {
		size_t cap = MAX(MAX(2 * x->cap, OUT_CAP_FIRST), x->len + text.len);
		char *grown = realloc(x->out, cap);

		if (grown == NULL)
			return -ENOMEM;
		x->out = grown;
		x->cap = cap;
	}
	memcpy(x->out + x->len, text.ptr, text.len);
	x->len += text.len;
	return 0;
}

static int charge(struct conf_expand *x, size_t octets)
{
	x->work += octets;
	if (x->work > CONF_WORK_MAX)
		return fail(x, "the values together take too much work to expand",
			    "fewer references to long values");
	return 0;
}

static int fail(struct conf_expand *x, const char *what, const char *form)
{
	x->what = what;
	x->form = form;
	return ERR_SYNTAX;
}

static void skip_blanks(struct slice *s)
{
	while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t'))
		slice_skip(s, 1);
}

static bool is_name_char(char c, bool inner)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (inner && (c == '-' || c == '.'));
}

struct slice conf_take_name(struct slice *s, bool inner)
{
	struct slice name = slice_of(s->ptr, 0);

	while (name.len < s->len && is_name_char(s->ptr[name.len], inner))
		name.len++;
	slice_skip(s, name.len);
	return name;
}

bool conf_take_bracketed(struct slice *s, struct slice *ret_inside)
{
	char open = s->ptr[0];
	char close = open == '{' ? '}' : ')';
	size_t level = 0;

	ASSERT(s->len > 0 && (open == '{' || open == '('));
	for (size_t i = 0; i < s->len; i++) {
		if (s->ptr[i] == open)
			level++;
		else if (s->ptr[i] == close && --level == 0) {
			*ret_inside = slice_of(s->ptr + 1, i - 1);
			slice_skip(s, i + 1);
			return true;
		}
	}
	return false;
}
