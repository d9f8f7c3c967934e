#include "net/wire/address.h"

#include <errno.h>

#include "core/addr.h"
#include "net/wire/utf8.h"

static bool is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_control(unsigned char c)
{
	return c < 0x20 || c == 0x7f;
}

/* !#$%&'*+-/ 0-9 =? A-Z ^_` a-z {|}~, one bit each. */
static const uint64_t atext[2] = { UINT64_C(0xa3ffacfa00000000), UINT64_C(0x7fffffffc7fffffe) };

/* atext of RFC 5322 3.2.3, and with RFC 6531 3.3 whatever is not ASCII. */
static bool is_atext(unsigned char c)
{
	return c >= 0x80 || (atext[c / 64] >> c % 64 & 1);
}

/* --- parsing: each takes its part off the front of *text -------------------------------------- */

static bool take_char(struct slice *text, char c)
{
	if (text->len == 0 || text->ptr[0] != c)
		return false;
	slice_skip(text, 1);
	return true;
}

static int take_dot_string(struct slice *text)
{
	do {
		size_t n = 0;

		while (n < text->len && is_atext((unsigned char)text->ptr[n]))
			n++;
		if (n == 0)
			return -EINVAL;
		slice_skip(text, n);
	} while (take_char(text, '.'));
	return 0;
}

/* The opening quote is there. A backslash takes the next character for what it is, if that prints.
 */
static int take_quoted_string(struct slice *text)
{
	slice_skip(text, 1);
	while (text->len > 0) {
		char c = text->ptr[0];

		slice_skip(text, 1);
		if (c == '"')
			return 0;
		if (c == '\\') {
			if (text->len == 0)
				return -EINVAL;
			c = text->ptr[0];
			slice_skip(text, 1);
		}
		if (is_control((unsigned char)c))
			return -EINVAL;
	}
	return -EINVAL;
}

/* At-domains with commas between them and a colon behind. */
static int take_source_route(struct slice *text, bool allow_utf8)
{
	do {
		size_t n = 0;

		if (!take_char(text, '@'))
			return -EINVAL;
		while (n < text->len && text->ptr[n] != ',' && text->ptr[n] != ':')
			n++;
		if (!address_domain_is_valid(slice_head(*text, n), allow_utf8))
			return -EINVAL;
		slice_skip(text, n);
	} while (take_char(text, ','));
	return take_char(text, ':') ? 0 : -EINVAL;
}

/* Beyond ASCII all must be well-formed UTF-8 without C1 controls: U+0085 is a line end to some. */
static bool characters_are_fit(struct slice text)
{
	while (text.len > 0) {
		uint32_t code = 0;
		size_t n = utf8_decode(text, &code);

		if (n == 0 || (code >= 0x80 && code < 0xa0))
			return false;
		slice_skip(&text, n);
	}
	return true;
}

static int parse_mailbox(struct slice text, unsigned flags, struct address *a)
{
	struct slice rest = text;

	a->mailbox = text;
	a->is_quoted = text.len > 0 && text.ptr[0] == '"';
	int r = a->is_quoted ? take_quoted_string(&rest) : take_dot_string(&rest);

	if (r < 0)
		return r;
	a->local = slice_head(text, text.len - rest.len);
	if (a->local.len > ADDRESS_LOCAL_MAX)
		return -EINVAL;
	if (rest.len == 0)
		return flags & ADDRESS_NO_DOMAIN ? 0 : -EINVAL;
	if (!take_char(&rest, '@'))
		return -EINVAL;
	a->domain = rest;
	a->is_literal = rest.len > 0 && rest.ptr[0] == '[';
	if (a->is_literal)
		return address_literal_is_valid(rest) ? 0 : -EINVAL;
	return address_domain_is_valid(rest, flags & ADDRESS_UTF8) ? 0 : -EINVAL;
}

int address_parse(struct slice wire, unsigned flags, struct address *ret_address)
{
	struct address a = { .is_utf8 = !utf8_is_ascii(wire) };
	int r = 0;

	if (a.is_utf8 && (!(flags & ADDRESS_UTF8) || !characters_are_fit(wire)))
		return -EINVAL;
	if (wire.len > 0 && wire.ptr[0] == '@')
		r = take_source_route(&wire, flags & ADDRESS_UTF8);
	if (r == 0)
		r = parse_mailbox(wire, flags, &a);
	if (r == 0)
		*ret_address = a;
	return r;
}

ptrdiff_t address_path_len(struct slice text)
{
	ptrdiff_t end = slice_find_char(text, 0, '>');
	bool quoted = false;

	if (end < 0 || slice_find_char(slice_head(text, (size_t)end), 0, '"') < 0)
		return end;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '>' && !quoted)
			return (ptrdiff_t)i;
		if (c == '"')
			quoted = !quoted;
		else if (c == '\\' && quoted)
			i++;
	}
	return -1;
}

/* --- domains ---------------------------------------------------------------------------------- */

static bool label_is_valid(struct slice label, bool allow_utf8)
{
	if (label.len == 0 || label.len > ADDRESS_LABEL_MAX)
		return false;
	if (label.ptr[0] == '-' || label.ptr[label.len - 1] == '-')
		return false;
	for (size_t i = 0; i < label.len; i++) {
		unsigned char c = (unsigned char)label.ptr[i];

		if (!is_letter(c) && !is_digit(c) && c != '-' && c != '_' &&
		    !(c >= 0x80 && allow_utf8))
			return false;
	}
	return true;
}

static bool is_numeric(struct slice domain)
{
	for (size_t i = 0; i < domain.len; i++)
		if (!is_digit((unsigned char)domain.ptr[i]) && domain.ptr[i] != '.')
			return false;
	return true;
}

bool address_domain_is_valid(struct slice domain, bool allow_utf8)
{
	struct slice rest = domain;

	if (domain.len > ADDRESS_DOMAIN_MAX || is_numeric(domain))
		return false;
	for (;;) {
		ptrdiff_t dot = slice_find_char(rest, 0, '.');

		if (!label_is_valid(dot < 0 ? rest : slice_head(rest, (size_t)dot), allow_utf8))
			return false;
		if (dot < 0)
			return characters_are_fit(domain);
		slice_skip(&rest, (size_t)dot + 1);
	}
}

bool address_literal_is_valid(struct slice literal)
{
	struct addr ip;

	if (literal.len < 3 || literal.ptr[0] != '[' || literal.ptr[literal.len - 1] != ']')
		return false;
	struct slice inside = slice_of(literal.ptr + 1, literal.len - 2);
	bool six = slice_has_prefix_nocase(inside, SLICE("IPv6:"));

	if (six)
		slice_skip(&inside, strlen("IPv6:"));
	return addr_parse_ip(inside, 0, &ip) == 0 && ip.sa.sa_family == (six ? AF_INET6 : AF_INET);
}

struct slice address_domain(struct slice internal)
{
	ptrdiff_t at = slice_find_last_char(internal, '@');

	slice_skip(&internal, at < 0 ? internal.len : (size_t)at + 1);
	return internal;
}

void address_add_domain_key(struct str *out, struct slice domain)
{
	size_t start = out->len;

	str_add(out, domain);
	for (size_t i = start; i < out->len; i++)
		out->ptr[i] = ascii_lower(out->ptr[i]);
}

/* --- the two forms ---------------------------------------------------------------------------- */

/* Besides controls and the blank, what no dot-string has (RFC 5321 4.1.2). */
static const bool is_special[256] = {
	[' '] = true, ['<'] = true, ['>'] = true, ['('] = true, [')'] = true, ['['] = true, [']'] = true, ['\\'] = true,
	[','] = true, [';'] = true, [':'] = true, ['@'] = true, ['"'] = true,
};

static bool needs_quotes(struct slice local)
{
	char before = '.';

	for (size_t i = 0; i < local.len; i++) {
		const char c = local.ptr[i];

		if (is_control((unsigned char)c) || is_special[(unsigned char)c] || (c == '.' && before == '.'))
			return true;
		before = c;
	}
	return before == '.';	/* at its end, or nothing at all */
}

/* All before the last '@'. */
static struct slice local_part(struct slice internal)
{
	ptrdiff_t at = slice_find_last_char(internal, '@');

	return at < 0 ? internal : slice_head(internal, (size_t)at);
}

static void add_quoted(struct str *out, struct slice local)
{
	str_add_char(out, '"');
	for (size_t i = 0; i < local.len; i++) {
		char c = local.ptr[i];

		if (c == '"' || c == '\\' || c == '\r' || c == '\n')
			str_add_char(out, '\\');
		str_add_char(out, c);
	}
	str_add_char(out, '"');
}

bool address_needs_quotes(struct slice internal)
{
	return internal.len > 0 && needs_quotes(local_part(internal));
}

void address_quote(struct str *out, struct slice internal)
{
	struct slice local = local_part(internal);

	if (internal.len == 0)
		return;
	if (needs_quotes(local))
		add_quoted(out, local);
	else
		str_add(out, local);
	slice_skip(&internal, local.len);
	str_add(out, internal);
}

void address_quote_header(struct str *out, struct slice internal)
{
	ptrdiff_t colon = -1;

	if (internal.len > 0 && internal.ptr[0] == '@')
		colon = slice_find_char(internal, 0, ':');
	str_add(out, slice_head(internal, (size_t)(colon + 1)));
	slice_skip(&internal, (size_t)(colon + 1));
	address_quote(out, internal);
}

/* Index of the last '@' that is neither in quotes nor behind a backslash; the length when there is
 * none. */
static size_t find_dividing_at(struct slice wire)
{
	bool quoted = false;
	size_t at = wire.len;

	for (size_t i = 0; i < wire.len; i++) {
		if (wire.ptr[i] == '\\')
			i++;
		else if (wire.ptr[i] == '"')
			quoted = !quoted;
		else if (wire.ptr[i] == '@' && !quoted)
			at = i;
	}
	return at;
}

void address_unquote(struct str *out, struct slice wire)
{
	size_t at = find_dividing_at(wire);

	for (size_t i = 0; i < at; i++) {
		if (wire.ptr[i] == '"')
			continue;
		if (wire.ptr[i] == '\\' && i + 1 < at)
			i++;
		str_add_char(out, wire.ptr[i]);
	}
	slice_skip(&wire, at);
	str_add(out, wire);
}
