#include "net/smtp/quirks.h"

#include "net/wire/smtp_ehlo.h"

static const struct {
	const char *name;
	enum quirk quirk;
} names[] = {
	{ "disable_esmtp", QUIRK_DISABLE_ESMTP },
	{ "delay_dotcrlf", QUIRK_DELAY_DOTCRLF },
};

bool quirks_greeting_is_masked(struct slice greeting)
{
	for (size_t i = 0; i < greeting.len; i++)
		if (memchr("20 *\t\n", greeting.ptr[i], 6) == NULL)
			return false;
	return true;
}

uint32_t quirks_of_list(struct slice list)
{
	struct slice word;
	uint32_t quirks = 0;

	while ((word = conf_list_next(&list)).len > 0)
		for (size_t i = 0; i < ARRAY_LEN(names); i++)
			if (slice_eq_nocase(word, slice_of_str(names[i].name)))
				quirks |= names[i].quirk;
	return quirks;
}

void quirks_add_names(struct str *out, uint32_t quirks)
{
	const char *between = "";

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (!(quirks & names[i].quirk))
			continue;
		str_add_cstr(out, between);
		str_add_cstr(out, names[i].name);
		between = " ";
	}
}

uint32_t quirks_of_answer(const struct params *p, int found, struct slice value)
{
	/* A table that fails is no reason not to deliver: then the list for everybody holds. */
	return quirks_of_list(found > 0 ? value : slice_of_str(p->smtp_pix_workarounds));
}

struct quirks_discard quirks_discard_of_list(struct slice list)
{
	struct quirks_discard discard = { 0 };
	struct slice word;

	while ((word = conf_list_next(&list)).len > 0) {
		discard.caps |= smtp_cap_of(word);
		discard.silent |= slice_eq_nocase(word, SLICE("silent-discard"));
	}
	return discard;
}

struct quirks_discard quirks_discard_of_answer(const struct params *p, int found, struct slice value)
{
	return quirks_discard_of_list(found > 0 ? value : slice_of_str(p->smtp_discard_ehlo_keywords));
}
