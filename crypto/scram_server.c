#include "crypto/scram_server.h"

#include <errno.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/pwdbased.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "core/err.h"
#include "core/random.h"
#include "crypto/base64.h"

#define NONCE_SIZE	18u	/* 24 characters */
#define NONCE_MAX	256u	/* of a client */

static_assert(SCRAM_KEY_SIZE == WC_SHA256_DIGEST_SIZE, "SHA-256");

/* --- hashes --------------------------------------------------------------------------------------- */

static void hmac(const uint8_t *key, size_t key_len, const struct slice *parts, unsigned count, uint8_t *ret_mac)
{
	Hmac h;

	/* Nothing in it can fail: the struct is on the stack and the key is no shorter than it likes. */
	ASSERT(wc_HmacInit(&h, NULL, INVALID_DEVID) == 0);
	ASSERT(wc_HmacSetKey(&h, WC_SHA256, key, (word32)key_len) == 0);
	for (unsigned i = 0; i < count; i++)
		ASSERT(wc_HmacUpdate(&h, (const byte *)parts[i].ptr, (word32)parts[i].len) == 0);
	ASSERT(wc_HmacFinal(&h, ret_mac) == 0);
	wc_HmacFree(&h);
	explicit_bzero(&h, sizeof(h));
}

static bool is_equal(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint8_t differs = 0;

	for (size_t i = 0; i < size; i++)
		differs |= (uint8_t)(a[i] ^ b[i]);
	return differs == 0;
}

/* --- verifiers ------------------------------------------------------------------------------------ */

static int derive(struct slice password, struct scram_verifier *v)
{
	const struct slice client = SLICE("Client Key"), server = SLICE("Server Key");
	uint8_t salted[SCRAM_KEY_SIZE], key[SCRAM_KEY_SIZE];
	int r = wc_PBKDF2(salted, (const byte *)password.ptr, (int)password.len, v->salt, v->salt_len,
			  (int)v->iterations, sizeof(salted), WC_SHA256);

	if (r != 0)
		return -ENOMEM;
	hmac(salted, sizeof(salted), &client, 1, key);
	ASSERT(wc_Sha256Hash(key, sizeof(key), v->stored_key) == 0);
	hmac(salted, sizeof(salted), &server, 1, v->server_key);
	explicit_bzero(salted, sizeof(salted));
	explicit_bzero(key, sizeof(key));
	return 0;
}

int scram_verifier_make(struct slice password, struct scram_verifier *ret_verifier)
{
	ret_verifier->iterations = SCRAM_ITERATIONS;
	ret_verifier->salt_len = 16;
	random_fill(ret_verifier->salt, ret_verifier->salt_len);
	return derive(password, ret_verifier);
}

bool scram_verifier_matches(const struct scram_verifier *v, struct slice password)
{
	struct scram_verifier again = *v;
	bool matches = derive(password, &again) == 0 && is_equal(again.stored_key, v->stored_key, SCRAM_KEY_SIZE);

	explicit_bzero(&again, sizeof(again));
	return matches;
}

static struct slice take_field(struct slice *text)
{
	const ptrdiff_t comma = slice_find_char(*text, 0, ',');
	const struct slice field = slice_head(*text, comma < 0 ? text->len : (size_t)comma);

	slice_skip(text, field.len + (comma >= 0));
	return field;
}

static int decode(struct slice text, uint8_t *octets, size_t max, size_t *ret_len)
{
	struct str out = str_over(octets, max);

	if (base64_add_decoded(&out, text) < 0)
		return ERR_SYNTAX;
	*ret_len = out.len;
	return 0;
}

int scram_verifier_parse(struct slice text, struct scram_verifier *ret_verifier)
{
	struct scram_verifier v = { 0 };
	uint64_t iterations;
	size_t salt_len, stored_len, server_len;

	if (slice_to_u64(take_field(&text), SCRAM_ITERATIONS_MAX, &iterations) < 0 ||
	    iterations < SCRAM_ITERATIONS_MIN ||
	    decode(take_field(&text), v.salt, sizeof(v.salt), &salt_len) < 0 || salt_len == 0 ||
	    decode(take_field(&text), v.stored_key, SCRAM_KEY_SIZE, &stored_len) < 0 || stored_len != SCRAM_KEY_SIZE ||
	    decode(take_field(&text), v.server_key, SCRAM_KEY_SIZE, &server_len) < 0 || server_len != SCRAM_KEY_SIZE ||
	    text.len > 0)
		return ERR_SYNTAX;
	v.iterations = (uint32_t)iterations;
	v.salt_len = (uint8_t)salt_len;
	*ret_verifier = v;
	return 0;
}

void scram_verifier_fake(struct scram_verifier *v, struct slice secret, struct slice user)
{
	uint8_t mac[SCRAM_KEY_SIZE];

	static_assert(SCRAM_SALT_MAX == 2 * SCRAM_KEY_SIZE, "two of them are the longest salt");
	hmac((const uint8_t *)secret.ptr, secret.len, &user, 1, mac);
	memcpy(v->salt, mac, sizeof(mac));
	hmac(mac, sizeof(mac), &user, 1, v->salt + sizeof(mac));
	if (v->iterations == 0) {		/* the other is no verifier */
		v->iterations = SCRAM_ITERATIONS;
		v->salt_len = 16;
	}
	random_fill(v->stored_key, sizeof(v->stored_key));
	random_fill(v->server_key, sizeof(v->server_key));
}

/* --- the client's first message ------------------------------------------------------------------- */

static bool has_attribute(struct slice field, char name)
{
	return field.len >= 2 && field.ptr[0] == name && field.ptr[1] == '=';
}

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] < '!' || s.ptr[i] > '~')
			return false;
	return true;
}

/* "=2C" is a comma, "=3D" is '='; neither stands for itself. */
static int decode_name(struct slice name, struct str *out)
{
	slice_skip(&name, 2);
	if (name.len == 0 || memchr(name.ptr, '\0', name.len) != NULL)
		return ERR_PROTO;
	while (name.len > 0) {
		const bool is_escape = name.ptr[0] == '=';
		const bool is_comma = slice_has_prefix(name, SLICE("=2C"));

		if (is_escape && !is_comma && !slice_has_prefix(name, SLICE("=3D")))
			return ERR_PROTO;
		str_add_char(out, !is_escape ? name.ptr[0] : is_comma ? ',' : '=');
		slice_skip(&name, is_escape ? 3 : 1);
	}
	return str_is_full(out) ? -EMSGSIZE : 0;
}

static int keep(char *storage, size_t size, size_t *ret_len, struct slice text)
{
	if (text.len > size)
		return -EMSGSIZE;
	memcpy(storage, text.ptr, text.len);
	*ret_len = text.len;
	return 0;
}

static void add_nonce(struct scram_server *s, struct slice client)
{
	struct str first = STR(s->first);
	uint8_t octets[NONCE_SIZE];

	random_fill(octets, sizeof(octets));
	str_add(&first, SLICE("r="));
	str_add(&first, client);
	(void)base64_add_encoded(&first, slice_of(octets, sizeof(octets)));	/* there is room */
	ASSERT(!str_is_full(&first));
	s->first_len = first.len;
	s->nonce_len = first.len - 2;
}

/* The flag of channel binding and the authorisation id: "n,," or "y,,", and "a=" for the user himself. */
static int check_gs2(struct slice flag, struct slice authzid, struct slice user)
{
	char storage[SCRAM_NAME_MAX];
	struct str name = STR(storage);

	if (flag.len > 0 && flag.ptr[0] == 'p')
		return -EPERM;
	if (!slice_eq(flag, SLICE("n")) && !slice_eq(flag, SLICE("y")))
		return ERR_PROTO;
	if (authzid.len == 0)
		return 0;
	if (!has_attribute(authzid, 'a') || decode_name(authzid, &name) < 0)
		return ERR_PROTO;
	return slice_eq(str_slice(&name), user) ? 0 : -EPERM;
}

int scram_server_first(struct scram_server *s, struct slice text, struct str *ret_user)
{
	const struct slice whole = text;
	const struct slice flag = take_field(&text), authzid = take_field(&text), bare = text;
	const struct slice name = take_field(&text), nonce = take_field(&text);
	int r = ERR_PROTO;

	memset(s, 0, sizeof(*s));
	if (whole.len > SCRAM_TEXT_MAX)
		return -EMSGSIZE;
	/* Extensions may follow; "m=" in front of the name is one that nobody may ignore, and no name. */
	if (!has_attribute(name, 'n') || !has_attribute(nonce, 'r') || nonce.len == 2 || nonce.len > NONCE_MAX ||
	    !is_printable(nonce))
		return ERR_PROTO;
	r = decode_name(name, ret_user);
	if (r == 0)
		r = check_gs2(flag, authzid, str_slice(ret_user));
	if (r < 0)
		return r;
	r = keep(s->gs2, sizeof(s->gs2), &s->gs2_len, slice_head(whole, whole.len - bare.len));
	if (r == 0)
		r = keep(s->bare, sizeof(s->bare), &s->bare_len, bare);
	if (r == 0)
		add_nonce(s, slice_of(nonce.ptr + 2, nonce.len - 2));
	return r;
}

int scram_server_challenge(struct scram_server *s, const struct scram_verifier *verifier, struct str *out)
{
	struct str first = STR(s->first);

	first.len = s->first_len;
	s->verifier = *verifier;
	str_add(&first, SLICE(",s="));
	if (base64_add_encoded(&first, slice_of(verifier->salt, verifier->salt_len)) < 0)
		return -EMSGSIZE;
	str_add(&first, SLICE(",i="));
	str_add_u64(&first, verifier->iterations);
	if (str_is_full(&first))
		return -EMSGSIZE;
	s->first_len = first.len;
	str_add(out, str_slice(&first));
	return str_is_full(out) ? -EMSGSIZE : 0;
}

/* --- the client's final message ------------------------------------------------------------------- */

static bool is_our_binding(const struct scram_server *s, struct slice field)
{
	char storage[SCRAM_TEXT_MAX];
	struct str gs2 = STR(storage);

	if (!has_attribute(field, 'c'))
		return false;
	slice_skip(&field, 2);
	return base64_add_decoded(&gs2, field) == 0 && slice_eq(str_slice(&gs2), slice_of(s->gs2, s->gs2_len));
}

static bool is_our_nonce(const struct scram_server *s, struct slice field)
{
	if (!has_attribute(field, 'r'))
		return false;
	slice_skip(&field, 2);
	return slice_eq(field, slice_of(s->first + 2, s->nonce_len));
}

int scram_server_final(struct scram_server *s, struct slice text, struct str *out)
{
	uint8_t proof[SCRAM_KEY_SIZE], mac[SCRAM_KEY_SIZE], hash[SCRAM_KEY_SIZE];
	const struct slice whole = text;
	const struct slice binding = take_field(&text), nonce = take_field(&text);
	struct slice last = { 0 };
	size_t len;

	while (text.len > 0)
		last = take_field(&text);	/* extensions between say nothing to us */
	if (whole.len > SCRAM_TEXT_MAX || !is_our_binding(s, binding) || !is_our_nonce(s, nonce) ||
	    !has_attribute(last, 'p') ||
	    decode(slice_of(last.ptr + 2, last.len - 2), proof, sizeof(proof), &len) < 0 || len != sizeof(proof))
		return ERR_PROTO;
	const struct slice message[] = {
		slice_of(s->bare, s->bare_len), SLICE(","), slice_of(s->first, s->first_len), SLICE(","),
		slice_head(whole, (size_t)(last.ptr - whole.ptr) - 1),
	};

	hmac(s->verifier.stored_key, SCRAM_KEY_SIZE, message, ARRAY_LEN(message), mac);
	for (size_t i = 0; i < sizeof(proof); i++)
		proof[i] ^= mac[i];		/* now it is the client's key */
	ASSERT(wc_Sha256Hash(proof, sizeof(proof), hash) == 0);
	const bool matches = is_equal(hash, s->verifier.stored_key, sizeof(hash));

	explicit_bzero(proof, sizeof(proof));
	if (!matches)
		return -EKEYREJECTED;
	hmac(s->verifier.server_key, SCRAM_KEY_SIZE, message, ARRAY_LEN(message), mac);
	str_add(out, SLICE("v="));
	if (base64_add_encoded(out, slice_of(mac, sizeof(mac))) < 0)
		return -EMSGSIZE;
	return str_is_full(out) ? -EMSGSIZE : 0;
}

void scram_server_wipe(struct scram_server *s)
{
	explicit_bzero(s, sizeof(*s));
}
