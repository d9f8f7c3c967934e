#include "tests/peers/scram_server.h"

#include <stdlib.h>

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/hmac.h>

#include "crypto/base64.h"

#define SALT "salt of a server"

static size_t hash_size(const struct scram_server *s)
{
	return s->is_sha1 ? WC_SHA_DIGEST_SIZE : WC_SHA256_DIGEST_SIZE;
}

static void hmac(const struct scram_server *s, struct slice key, struct slice text, byte *ret_mac)
{
	Hmac h;

	if (wc_HmacInit(&h, NULL, INVALID_DEVID) != 0 ||
	    wc_HmacSetKey(&h, s->is_sha1 ? WC_SHA : WC_SHA256, (const byte *)key.ptr, (word32)key.len) != 0 ||
	    wc_HmacUpdate(&h, (const byte *)text.ptr, (word32)text.len) != 0 || wc_HmacFinal(&h, ret_mac) != 0)
		abort();
	wc_HmacFree(&h);
}

static void hash(const struct scram_server *s, const byte *octets, byte *ret_hash)
{
	word32 size = (word32)hash_size(s);

	if ((s->is_sha1 ? wc_ShaHash(octets, size, ret_hash) : wc_Sha256Hash(octets, size, ret_hash)) != 0)
		abort();
}

/* Hi() of RFC 5802 2.2 */
static void salted_password(const struct scram_server *s, byte *ret_key)
{
	const struct slice password = slice_of_str(s->password);
	byte u[WC_MAX_DIGEST_SIZE];
	uint32_t n = s->iterations != 0 ? s->iterations : 4096;

	hmac(s, password, SLICE(SALT "\0\0\0\1"), u);
	memcpy(ret_key, u, hash_size(s));
	while (--n > 0) {
		hmac(s, password, slice_of(u, hash_size(s)), u);
		for (size_t i = 0; i < hash_size(s); i++)
			ret_key[i] ^= u[i];
	}
}

static bool encode(struct str *out, struct slice text)
{
	return base64_add_encoded(out, text) == 0;
}

bool scram_first(struct scram_server *s, struct slice text, struct str *ret_challenge)
{
	char storage[512];
	struct str plain = STR(storage), server = STR(s->first_server), bare = STR(s->first_bare);

	if (base64_add_decoded(&plain, text) < 0 || !slice_has_prefix(str_slice(&plain), SLICE("n,,n=")))
		return false;
	str_add(&bare, slice_of(storage + 3, plain.len - 3));
	const char *nonce = strstr(str_cstr(&bare), ",r=");

	if (nonce == NULL)
		return false;
	str_printf(&server, "r=%s-and-ours,s=", nonce + 3);
	if (!encode(&server, SLICE(SALT)))
		return false;
	str_printf(&server, ",i=%u", s->iterations != 0 ? s->iterations : 4096);
	return encode(ret_challenge, slice_of_str(str_cstr(&server)));
}

bool scram_final(struct scram_server *s, struct slice text, bool wrong, struct str *ret_challenge)
{
	char storage[1024], message_storage[2048], proof_storage[128], out_storage[256];
	struct str plain = STR(storage), message = STR(message_storage);
	struct str proof = STR(proof_storage), out = STR(out_storage);
	byte key[WC_MAX_DIGEST_SIZE], stored[WC_MAX_DIGEST_SIZE], mac[WC_MAX_DIGEST_SIZE];

	if (base64_add_decoded(&plain, text) < 0)
		return false;
	char *p = strstr((char *)(uintptr_t)str_cstr(&plain), ",p=");

	if (p == NULL || base64_add_decoded(&proof, slice_of_str(p + 3)) < 0 || proof.len != hash_size(s))
		return false;
	*p = '\0';
	str_printf(&message, "%s,%s,%s", s->first_bare, s->first_server, storage);
	byte salted[WC_MAX_DIGEST_SIZE];

	salted_password(s, salted);
	hmac(s, slice_of(salted, hash_size(s)), SLICE("Client Key"), key);
	hash(s, key, stored);
	hmac(s, slice_of(stored, hash_size(s)), str_slice(&message), mac);
	s->proved = true;
	for (size_t i = 0; i < hash_size(s); i++)
		s->proved &= (byte)proof_storage[i] == (key[i] ^ mac[i]);
	hmac(s, slice_of(salted, hash_size(s)), SLICE("Server Key"), key);
	hmac(s, slice_of(key, hash_size(s)), str_slice(&message), mac);
	mac[0] = (byte)(mac[0] ^ (wrong ? 1 : 0));
	str_add_cstr(&out, "v=");
	return encode(&out, slice_of(mac, hash_size(s))) && encode(ret_challenge, str_slice(&out)) && s->proved;
}
