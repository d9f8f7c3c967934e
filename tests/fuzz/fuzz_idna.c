/* fuzz_idna.c - FZ-04: domain names beyond ASCII
 *
 * First octet: its lowest bit, transitional; the rest is the name. What comes back is a host name of ASCII, and is
 * its own A-label form.
 */
#include "net/lookup/idna.h"
#include "net/wire/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char first[ADDRESS_DOMAIN_MAX], second[ADDRESS_DOMAIN_MAX];
	struct str once = STR(first), twice = STR(second);

	if (size < 1)
		return 0;
	bool transitional = data[0] & 1;

	if (idna_to_ascii(slice_of(data + 1, size - 1), transitional, &once) < 0)
		return 0;
	ASSERT(address_domain_is_valid(str_slice(&once), false));
	ASSERT(idna_to_ascii(str_slice(&once), transitional, &twice) == 0);
	ASSERT(slice_eq(str_slice(&once), str_slice(&twice)));
	return 0;
}
