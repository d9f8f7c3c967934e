#include "net/wire/mta_sts.h"

#include <errno.h>

#include "core/err.h"
#include "net/wire/address.h"
#include "net/wire/utf8.h"

#define NAME_MAX_LEN 32u

static bool is_alnum(char c)
{
	const char lower = ascii_lower(c);

	return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9');
}

/* Of a field: letters, digits, and between them a few others. */
static bool is_name(struct slice s)
{
	if (s.len == 0 || s.len > NAME_MAX_LEN || !is_alnum(s.ptr[0]))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!is_alnum(s.ptr[i]) && s.ptr[i] != '_' && s.ptr[i] != '-' && s.ptr[i] != '.')
			return false;
	return true;
}

/* Without blanks and tabs at both ends; line ends are no blanks here. */
static struct slice trim(struct slice s)
{
	while (s.len > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t'))
		slice_skip(&s, 1);
	while (s.len > 0 && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
		s.len--;
	return s;
}

/* Up to end, which is taken, too. */
static struct slice take_until(struct slice *text, char end)
{
	const ptrdiff_t at = slice_find_char(*text, 0, end);
	const struct slice piece = slice_head(*text, at < 0 ? text->len : (size_t)at);

	slice_skip(text, piece.len + (at >= 0));
	return piece;
}

/* --- the record ----------------------------------------------------------------------------------- */

static const struct slice version = SLICE("v=STSv1;");

static bool is_id(struct slice s)
{
	if (s.len == 0 || s.len > MTA_STS_ID_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.ptr[i]))
			return false;
	return true;
}

/* Anything visible but '=' and ';'. */
static bool is_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~' || s.ptr[i] == '=')
			return false;
	return s.len > 0;
}

static int parse_record(struct slice text, struct slice *ret_id)
{
	struct slice id = { 0 };

	slice_skip(&text, version.len);
	while (text.len > 0) {
		struct slice value = trim(take_until(&text, ';'));

		if (value.len == 0 && text.len == 0)
			break;			/* a semicolon at the end */
		const struct slice name = take_until(&value, '=');

		if (!is_name(name) || !is_value(value))
			return -ENOENT;
		if (!slice_eq(name, SLICE("id")))
			continue;
		if (id.len > 0 || !is_id(value))
			return -ENOENT;
		id = value;
	}
	*ret_id = id;
	return id.len > 0 ? 0 : -ENOENT;
}

int mta_sts_record_find(const struct slice *texts, unsigned count, struct slice *ret_id)
{
	struct slice found = { 0 }, id;
	unsigned ours = 0;

	for (unsigned i = 0; i < count; i++)
		if (slice_has_prefix(texts[i], version)) {
			found = texts[i];
			ours++;
		}
	if (ours != 1 || parse_record(found, &id) < 0)
		return -ENOENT;
	*ret_id = id;
	return 0;
}

/* --- the policy ----------------------------------------------------------------------------------- */

/* A host name, or "*." and a domain: nothing that could be more than one name where it is written down again. */
static bool is_pattern(struct slice s)
{
	if (slice_has_prefix(s, SLICE("*.")))
		slice_skip(&s, 2);
	return s.len > 0 && s.ptr[0] != '[' && address_domain_is_valid(s, false);
}

static bool is_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (((unsigned char)s.ptr[i] < ' ' && s.ptr[i] != '\t') || s.ptr[i] == 0x7f)
			return false;
	return utf8_is_valid(s);
}

/* The next line that says something; empty lines say nothing. 1, 0 when there is none, or ERR_PROTO. */
static int next_field(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
	while (rest->len > 0) {
		struct slice line = take_until(rest, '\n');

		if (line.len > 0 && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (trim(line).len == 0)
			continue;
		const ptrdiff_t colon = slice_find_char(line, 0, ':');

		*ret_name = slice_head(line, colon < 0 ? 0 : (size_t)colon);
		if (colon < 0 || !is_name(*ret_name) || !is_text(line))
			return ERR_PROTO;
		*ret_value = trim(slice_of(line.ptr + colon + 1, line.len - (size_t)colon - 1));
		return 1;
	}
	return 0;
}

enum field { FIELD_VERSION, FIELD_MODE, FIELD_MAX_AGE, FIELD_MX, FIELD_COUNT };

static const struct slice fields[FIELD_COUNT] = { SLICE("version"), SLICE("mode"), SLICE("max_age"), SLICE("mx") };

static enum field find_field(struct slice name)
{
	unsigned i = 0;

	while (i < FIELD_COUNT && !slice_eq(name, fields[i]))
		i++;
	return (enum field)i;
}

static bool take_mode(struct slice value, enum mta_sts_mode *ret_mode)
{
	static const struct slice modes[] = { SLICE("none"), SLICE("testing"), SLICE("enforce") };

	for (unsigned i = 0; i < ARRAY_LEN(modes); i++)
		if (slice_eq(value, modes[i])) {
			*ret_mode = (enum mta_sts_mode)i;
			return true;
		}
	return false;
}

static bool take_field(struct mta_sts_policy *p, enum field field, struct slice value)
{
	uint64_t age;

	switch (field) {
	case FIELD_VERSION:
		return slice_eq(value, SLICE("STSv1"));
	case FIELD_MODE:
		return take_mode(value, &p->mode);
	case FIELD_MAX_AGE:
		if (value.len > 10 || slice_to_u64(value, MTA_STS_AGE_MAX, &age) < 0)
			return false;
		p->max_age_s = (uint32_t)age;
		return true;
	case FIELD_MX:
		p->mx_count++;
		return is_pattern(value);
	case FIELD_COUNT:
		break;
	}
	return true;
}

int mta_sts_policy_parse(struct slice text, struct mta_sts_policy *ret_policy)
{
	struct mta_sts_policy p = { .text = text };
	struct slice rest = text, name, value;
	uint32_t seen = 0;
	int r;

	if (text.len > MTA_STS_POLICY_MAX)
		return ERR_PROTO;
	while ((r = next_field(&rest, &name, &value)) == 1) {
		const enum field field = find_field(name);

		if (field != FIELD_MX && field != FIELD_COUNT && (seen & BIT(field)))
			continue;
		seen |= BIT(field);
		if (!take_field(&p, field, value))
			return ERR_PROTO;
	}
	const uint32_t needed = BIT(FIELD_VERSION) | BIT(FIELD_MODE) | BIT(FIELD_MAX_AGE);

	if (r < 0 || (seen & needed) != needed || (p.mode != MTA_STS_NONE && p.mx_count == 0))
		return ERR_PROTO;
	*ret_policy = p;
	return 0;
}

struct slice mta_sts_next_mx(struct slice *rest)
{
	struct slice name, value;

	while (next_field(rest, &name, &value) == 1)
		if (slice_eq(name, fields[FIELD_MX]))
			return value;
	return SLICE("");
}
