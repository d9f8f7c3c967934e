#include "net/wire/smtp_xforward.h"

#include <errno.h>

#include "net/wire/xtext.h"

#define VERB "XFORWARD"

static const char *const names[XFORWARD_COUNT] = {
	[XFORWARD_NAME] = "NAME",   [XFORWARD_ADDR] = "ADDR",	[XFORWARD_PORT] = "PORT",     [XFORWARD_PROTO] = "PROTO",
	[XFORWARD_HELO] = "HELO",   [XFORWARD_IDENT] = "IDENT", [XFORWARD_SOURCE] = "SOURCE",
};

uint32_t xforward_bit(struct slice name)
{
	for (unsigned i = 0; i < XFORWARD_COUNT; i++)
		if (slice_eq_nocase(name, slice_of_str(names[i])))
			return BIT(i);
	return 0;
}

static bool has_value(unsigned attr, struct slice value)
{
	bool may_be_unknown = attr == XFORWARD_HELO || attr == XFORWARD_IDENT || attr == XFORWARD_SOURCE;

	return value.len > 0 && (may_be_unknown || !slice_eq_nocase(value, SLICE("unknown")));
}

/* As xtext, but for '=', which goes as it is (case 373). */
static void add_value(struct str *out, struct slice value)
{
	while (value.len > 0) {
		ptrdiff_t equals = slice_find_char(value, 0, '=');
		struct slice part = slice_head(value, equals < 0 ? value.len : (size_t)equals);

		xtext_encode(out, part);
		if (equals >= 0)
			str_add_char(out, '=');
		slice_skip(&value, part.len + (equals >= 0));
	}
}

static void add_line(struct str *out, const struct slice values[XFORWARD_COUNT], uint32_t which)
{
	str_add_cstr(out, VERB);
	for (unsigned i = 0; i < XFORWARD_COUNT; i++) {
		if (!(which & BIT(i)))
			continue;
		str_add_char(out, ' ');
		str_add_cstr(out, names[i]);
		str_add_char(out, '=');
		add_value(out, values[i]);
	}
	str_add_cstr(out, "\r\n");
}

static uint32_t longest(const struct slice values[XFORWARD_COUNT], uint32_t which)
{
	unsigned found = XFORWARD_COUNT;

	for (unsigned i = 0; i < XFORWARD_COUNT; i++)
		if ((which & BIT(i)) && (found == XFORWARD_COUNT || values[i].len > values[found].len))
			found = i;
	return BIT(found);
}

int xforward_add_command(struct str *out, const struct slice values[XFORWARD_COUNT], uint32_t which)
{
	char storage[XFORWARD_LINE_MAX];
	struct str line = STR(storage);

	for (unsigned i = 0; i < XFORWARD_COUNT; i++)
		if (!has_value(i, values[i]))
			which &= ~BIT(i);
	for (; which != 0; which &= ~longest(values, which)) {
		str_clear(&line);
		add_line(&line, values, which);
		if (!str_is_full(&line))
			break;
	}
	if (which == 0)
		return 0;
	str_add(out, str_slice(&line));
	return str_is_full(out) ? -EMSGSIZE : 1;
}
