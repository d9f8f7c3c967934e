/* Domain names beyond ASCII: case 39, row NET-02. */
#include "net/lookup/idna.h"

#include <errno.h>

#include "tests/test.h"

struct idna_case {
	const char *claim;
	const char *name;
	const char *ascii;		/* NULL: refused */
	const char *transitional;	/* where it differs */
};

static const struct idna_case cases[] = {
	{ "case 39: a letter with a mark",    "b\xc3\xbc" "cher.example",    "xn--bcher-kva.example", NULL },
	{ "capitals become small",            "B\xc3\x9c" "CHER.Example",    "xn--bcher-kva.example", NULL },
	{ "a mark of its own is composed",    "bu\xcc\x88" "cher.example",   "xn--bcher-kva.example", NULL },
	{ "sharp s stays, or is ss",          "fu\xc3\x9f.example",          "xn--fu-hia.example", "fuss.example" },
	{ "ASCII stays",                      "mail.example",                "mail.example", NULL },
	{ "an underscore stays",              "_x.b\xc3\xbc.example",        "_x.xn--b-eha.example", NULL },
	{ "no text is no name",               "",                            NULL, NULL },
	{ "broken UTF-8",                     "b\xc3.example",               NULL, NULL },
	{ "a separator of lines",             "a\xe2\x80\xa8" "b.example",   NULL, NULL },
	{ "an ideographic full stop alone",   "\xe3\x80\x82",                NULL, NULL },
	{ "NET-02: full-width digits",        "\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1", NULL, NULL },
	{ "an A-label that is none",          "xn--\xc3\xbc.example",        NULL, NULL },
	{ "an empty label after mapping",     "a.\xc2\xad.example",          NULL, NULL },
};

static void each_name_has_one_form_or_none(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned transitional = 0; transitional < 2; transitional++) {
			const struct idna_case *c = &cases[i];
			const char *want = transitional && c->transitional != NULL ? c->transitional : c->ascii;
			char storage[256];
			struct str out = STR(storage);
			int r = idna_to_ascii(slice_of_str(c->name), transitional, &out);

			if (want == NULL ? r != -EINVAL : r != 0 || strcmp(str_cstr(&out), want) != 0)
				fail_msg("%s: %d %s", c->claim, r, str_cstr(&out));
		}
	}
}

static void what_does_not_fit_is_refused(void **state)
{
	char storage[16];
	struct str out = str_over(storage, sizeof("xn--b-eha.example") - 2);

	(void)state;
	assert_int_equal(idna_to_ascii(SLICE("b\xc3\xbc.example"), false, &out), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("each name has one form for DNS, or none (case 39, NET-02)", each_name_has_one_form_or_none),
		CLAIM("what does not fit is refused", what_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests_name("net/lookup/idna", claims, NULL, NULL);
}
