/* FZ-09: one SASL exchange with a hostile server, each mechanism: challenges of any kind, in base64 and not.
 *
 * input	one octet: the mechanism; then challenges, each behind an octet: its length, with the highest bit the
 *		text is sent as it stands, not in base64; '%' in a challenge is the client's nonce, once it has said one
 */
#include "crypto/auth.h"

#include <stdlib.h>

#include "core/str.h"
#include "crypto/base64.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* Plug-ins that are loaded by name only lose what they have from malloc when a challenge is bad; what the others lose
 * is in the exchange, and gone with it (crypto/auth.h). */
const char *__lsan_default_suppressions(void)
{
	return "leak:libdigestmd5\nleak:libntlm\n";
}

static const struct auth_credentials credentials = {
	.user = "user", .user_len = 4, .secret = { 13, "secret-canary" },
};
static struct auth exchange;

/* What stands behind "r=" in what the client has said first. */
static struct slice nonce_of(struct slice first64, struct str *storage)
{
	if (base64_add_decoded(storage, first64) < 0)
		return slice_of("", 0);
	const char *at = memmem(storage->ptr, storage->len, "r=", 2);

	return at != NULL ? slice_of(at + 2, storage->len - (size_t)(at + 2 - storage->ptr)) : slice_of("", 0);
}

static void add_challenge(struct str *out, struct slice text, struct slice nonce)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '%')
			str_add(out, nonce);
		else
			str_add_char(out, text.ptr[i]);
	}
}

/* A secret is said by mechanisms that say it, and by no others; unless the server has guessed it and asks for it. */
static void check(enum auth_mech mech, struct slice said64)
{
	char text[AUTH_OCTETS_MAX];
	struct str said = STR(text);

	if (base64_add_decoded(&said, said64) < 0)
		abort();
	if (auth_mech_rank(mech) > 0 && said.len > 0 && memmem(said.ptr, said.len, "secret-canary", 13) != NULL)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct auth_peer peer = { .host = SLICE("mx.test"), .port = 587 };
	static char said_storage[AUTH_OCTETS_MAX], first_storage[KIB(1)];
	struct str said = STR(said_storage), first = STR(first_storage);

	if (auth_library_mechs() == 0 && auth_library_start(BIT(AUTH_DIGEST_MD5) | BIT(AUTH_NTLM)) < 0)
		abort();
	if (size == 0)
		return 0;
	unsigned n = data[0] % AUTH_MECH_COUNT;

	if (!(auth_library_mechs() & BIT(n)))
		return 0;
	int r = auth_begin(&exchange, (enum auth_mech)n, &credentials, &peer, &said);
	struct slice nonce = r > 0 ? nonce_of(str_slice(&said), &first) : slice_of("", 0);
	unsigned steps = 0;

	for (size_t at = 1; r >= 0 && at < size; steps++) {
		char text[KIB(20)], text64[KIB(28)];
		struct str challenge = STR(text), challenge64 = STR(text64);
		size_t len = MIN((size_t)(data[at] & 0x7f), size - at - 1);
		bool is_plain = data[at] & 0x80;

		add_challenge(&challenge, slice_of(data + at + 1, len), nonce);
		if (!is_plain && base64_add_encoded(&challenge64, str_slice(&challenge)) < 0)
			abort();
		at += 1 + len;
		str_clear(&said);
		r = auth_step(&exchange, is_plain ? str_slice(&challenge) : str_slice(&challenge64), &said);
		if (r >= 0 && memmem(data, size, "secret-canary", 13) == NULL)
			check((enum auth_mech)n, str_slice(&said));
	}
	if (steps > AUTH_STEPS_MAX + 1 || exchange.heap_used > AUTH_HEAP_MAX)
		abort();
	/* Nobody has proved anything to SCRAM here: the password would have to be guessed. */
	if ((n == AUTH_SCRAM_SHA_256 || n == AUTH_SCRAM_SHA_1) && exchange.is_done)
		abort();
	auth_end(&exchange);
	for (size_t i = 0; i < sizeof(exchange); i++)
		if (((const char *)&exchange)[i] != 0)
			abort();
	return 0;
}
