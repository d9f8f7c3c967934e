#include "net/lookup/idna.h"

#include <errno.h>
#include <idn2.h>

#include "net/wire/address.h"

int idna_to_ascii(struct slice name, bool transitional, struct str *out)
{
	char text[ADDRESS_DOMAIN_MAX + 1];
	char *ascii = NULL;
	int flags = IDN2_NFC_INPUT | (transitional ? IDN2_TRANSITIONAL : IDN2_NONTRANSITIONAL);

	if (!address_domain_is_valid(name, true))
		return -EINVAL;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	int r = idn2_to_ascii_8z(text, &ascii, flags);

	if (r != IDN2_OK)
		return r == IDN2_MALLOC ? -ENOMEM : -EINVAL;
	bool fits = address_domain_is_valid(slice_of_str(ascii), false);

	if (fits)
		str_add_cstr(out, ascii);
	idn2_free(ascii);
	return fits && !str_is_full(out) ? 0 : -EINVAL;
}

struct library idna_library(void)
{
	return (struct library){ .name = "libidn2", .built = IDN2_VERSION, .linked = idn2_check_version(NULL) };
}
