/* fuzz_address.c - mailboxes, their two forms, and xtext (row FZ-04)
 *
 * The first octet chooses what is welcome; the rest is an address in every role. Claims: unquoting
 * undoes quoting for any octets; a mailbox that parses says the same after its way through the
 * internal form; nothing that parses holds what could end a line; xtext gives back what it was
 * given.
 */
#include <stdlib.h>

#include "net/wire/address.h"
#include "net/wire/utf8.h"
#include "net/wire/xtext.h"

#define INPUT_MAX 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char storage[3][4 * INPUT_MAX];

static void check_quoting(struct slice internal)
{
	struct str wire = STR(storage[0]);
	struct str back = STR(storage[1]);

	address_quote(&wire, internal);
	ASSERT(!str_is_full(&wire));
	address_unquote(&back, str_slice(&wire));
	ASSERT(slice_eq(str_slice(&back), internal));
	ASSERT(slice_eq(address_domain(internal), address_domain(str_slice(&wire))));
	ASSERT(address_needs_quotes(internal) == !slice_eq(str_slice(&wire), internal));
}

static void check_parsed(const struct address *a, unsigned flags)
{
	ASSERT(a->local.len >= 1 && a->local.len <= ADDRESS_LOCAL_MAX);
	ASSERT(a->domain.len <= ADDRESS_DOMAIN_MAX);
	ASSERT(a->domain.len > 0 || (flags & ADDRESS_NO_DOMAIN));
	ASSERT(a->mailbox.len == a->local.len + a->domain.len + (a->domain.len > 0));
	ASSERT(utf8_is_valid(a->mailbox));
	ASSERT((flags & ADDRESS_UTF8) || utf8_is_ascii(a->mailbox));
	for (size_t i = 0; i < a->mailbox.len; i++)
		ASSERT((unsigned char)a->mailbox.ptr[i] >= 0x20 && a->mailbox.ptr[i] != 0x7f);
	ASSERT(a->domain.len == 0 ||
		a->is_literal != address_domain_is_valid(a->domain, flags & ADDRESS_UTF8));
}

/* wire -> internal -> wire -> internal: quotes nobody needs are gone after the first time, and
 * nothing else changes. */
static void check_forms(const struct address *a, unsigned flags)
{
	struct str internal = STR(storage[0]);
	struct str wire = STR(storage[1]);
	struct str again = STR(storage[2]);
	struct address b;

	address_unquote(&internal, a->mailbox);
	address_quote(&wire, str_slice(&internal));
	address_unquote(&again, str_slice(&wire));
	ASSERT(slice_eq(str_slice(&internal), str_slice(&again)));
	/* Empty and without a domain: that is nobody, in either form. */
	if (internal.len == 0)
		return;
	/* Without a domain an internal '@' divides. */
	if (a->domain.len == 0 && slice_find_char(str_slice(&internal), 0, '@') >= 0)
		return;
	ASSERT(address_parse(str_slice(&wire), flags, &b) == 0);
	ASSERT(slice_eq(a->domain, b.domain));
	/* The path ends where it should once it is in brackets. */
	str_add_char(&wire, '>');
	ASSERT(address_path_len(str_slice(&wire)) == (ptrdiff_t)wire.len - 1);
}

static void check_xtext(struct slice raw)
{
	struct str text = STR(storage[0]);
	struct str back = STR(storage[1]);

	xtext_encode(&text, raw);
	ASSERT(!str_is_full(&text));
	ASSERT(xtext_decode(&back, str_slice(&text)) == 0);
	ASSERT(slice_eq(str_slice(&back), raw));
	for (size_t i = 0; i < text.len; i++)
		ASSERT(text.ptr[i] >= 33 && text.ptr[i] <= 126 && text.ptr[i] != '=');

	/* And the input as xtext itself. */
	str_clear(&back);
	bool safe = xtext_is_safe(raw);

	if (xtext_decode(&back, raw) == 0)
		ASSERT(safe ==
			(memchr(back.ptr, '\r', back.len) == NULL &&
				memchr(back.ptr, '\n', back.len) == NULL &&
				memchr(back.ptr, '\0', back.len) == NULL));
	else
		ASSERT(!safe);
}

static void check_xtext_utf8(struct slice raw)
{
	static char wide[8 * INPUT_MAX];	/* "\x{00}" for one octet */
	struct str spelled = STR(wide);
	struct str back = STR(storage[1]);

	if (xtext_encode_utf8(&spelled, raw) == 0) {
		ASSERT(utf8_is_ascii(str_slice(&spelled)) && utf8_is_valid(raw) && !str_is_full(&spelled));
		ASSERT(xtext_decode_utf8(&back, str_slice(&spelled)) == 0);
		ASSERT(slice_eq(str_slice(&back), raw));
	} else {
		ASSERT(!utf8_is_valid(raw) && spelled.len == 0);
	}

	/* And the input as that text itself. */
	str_clear(&back);
	if (xtext_decode_utf8(&back, raw) == 0) {
		ASSERT(utf8_is_valid(str_slice(&back)));
		ASSERT(!xtext_utf8_is_safe(raw) || (memchr(back.ptr, '\r', back.len) == NULL &&
			memchr(back.ptr, '\n', back.len) == NULL && memchr(back.ptr, '\0', back.len) == NULL));
	} else {
		ASSERT(!xtext_utf8_is_safe(raw) && back.len == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct address a;

	if (size < 1 || size > INPUT_MAX)
		return 0;
	unsigned flags = data[0] & (ADDRESS_UTF8 | ADDRESS_NO_DOMAIN);
	struct slice text = slice_of(data + 1, size - 1);

	check_quoting(text);
	check_xtext(text);
	check_xtext_utf8(text);
	if (address_parse(text, flags, &a) == 0) {
		check_parsed(&a, flags);
		check_forms(&a, flags);
	}
	return 0;
}
