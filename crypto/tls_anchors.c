#include "crypto/tls_anchors.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/settings.h>
#include <wolfssl/wolfcrypt/coding.h>

#include "core/err.h"

/* --- PEM (RFC 7468) --------------------------------------------------------------------------- */

struct block {
	struct slice label;		/* "CERTIFICATE" */
	struct slice text;		/* base64 */
};

static ptrdiff_t find(struct slice text, const char *what)
{
	const char *at = memmem(text.ptr, text.len, what, strlen(what));

	return at == NULL ? -1 : at - text.ptr;
}

/* The next block; false: there is none. What is between blocks is a comment. */
static bool next_block(struct slice *rest, struct block *ret)
{
	ptrdiff_t at = find(*rest, "-----BEGIN ");

	if (at < 0)
		return false;
	slice_skip(rest, (size_t)at + strlen("-----BEGIN "));
	at = find(*rest, "-----");
	if (at < 0)
		return false;
	ret->label = slice_head(*rest, (size_t)at);
	slice_skip(rest, (size_t)at + strlen("-----"));
	at = find(*rest, "-----END ");
	if (at < 0)
		return false;
	ret->text = slice_head(*rest, (size_t)at);
	slice_skip(rest, (size_t)at + strlen("-----END "));
	return true;
}

static int add_block(struct tls_dane *anchors, const struct block *b)
{
	static const struct {
		const char *label;
		enum tls_dane_selector selector;
	} kinds[] = {
		{ "CERTIFICATE", TLS_DANE_CERT }, { "X509 CERTIFICATE", TLS_DANE_CERT }, { "PUBLIC KEY", TLS_DANE_KEY },
	};
	uint8_t der[TLS_DANE_DATA_MAX];
	word32 len = sizeof(der);

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!slice_eq(b->label, slice_of_str(kinds[i].label)))
			continue;
		if (Base64_Decode((const byte *)b->text.ptr, (word32)b->text.len, der, &len) != 0)
			return ERR_PROTO;
		return tls_dane_add_anchor(anchors, slice_of(der, len), kinds[i].selector);
	}
	return 0;	/* a private key beside its certificate, and the like */
}

int tls_anchors_add(struct tls_dane *anchors, struct slice pem)
{
	unsigned before = anchors->count;
	struct block b;
	int r = 0;

	while (r == 0 && next_block(&pem, &b))
		r = add_block(anchors, &b);
	return r == ERR_PROTO || (r == 0 && anchors->count == before) ? ERR_SYNTAX : r;
}
