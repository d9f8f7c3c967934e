#include "tests/peers/tls_server.h"

#include <stdio.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>
#include <wolfssl/error-ssl.h>

#include "crypto/tls_verify.h"

static int on_recv(WOLFSSL *ssl, char *buf, int size, void *context)
{
	struct tls_server *s = context;
	size_t n = MIN((size_t)size, s->in.len);

	(void)ssl;
	if (n == 0)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	memcpy(buf, s->in.ptr, n);
	slice_skip(&s->in, n);
	return (int)n;
}

static int on_send(WOLFSSL *ssl, char *buf, int size, void *context)
{
	struct tls_server *s = context;

	(void)ssl;
	if ((size_t)size > sizeof(s->out) - s->out_len)
		return WOLFSSL_CBIO_ERR_WANT_WRITE;
	memcpy(s->out + s->out_len, buf, (size_t)size);
	s->out_len += (size_t)size;
	return size;
}

static WOLFSSL_METHOD *method(int version)
{
	return version == 2 ? wolfTLSv1_2_server_method() : version == 3 ? wolfTLSv1_3_server_method() :
									   wolfSSLv23_server_method();
}

static int accept_any(int is_good, WOLFSSL_X509_STORE_CTX *store)
{
	struct tls_server *s = store->userCtx;

	(void)is_good;
	s->client_certs = (unsigned)store->totalCerts;
	return 1;
}

static bool open_context(struct tls_server *s, const struct tls_server_conf *conf)
{
	s->is_home = conf->home != NULL;
	s->ctx = conf->home != NULL ? conf->home->ctx : NULL;
	if (s->ctx != NULL)
		return true;
	s->ctx = wolfSSL_CTX_new(method(conf->version));
	if (conf->home != NULL)
		conf->home->ctx = s->ctx;
	if (s->ctx == NULL ||
	    wolfSSL_CTX_use_certificate_chain_file(s->ctx, conf->chain) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_use_PrivateKey_file(s->ctx, conf->key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
		return false;
	if (conf->no_tickets && wolfSSL_CTX_NoTicketTLSv12(s->ctx) != WOLFSSL_SUCCESS)
		return false;
	if (conf->ciphers != NULL && wolfSSL_CTX_set_cipher_list(s->ctx, conf->ciphers) != WOLFSSL_SUCCESS)
		return false;
	if (conf->client_ca != NULL) {
		if (wolfSSL_CTX_load_verify_locations(s->ctx, conf->client_ca, NULL) != WOLFSSL_SUCCESS)
			return false;
		wolfSSL_CTX_set_verify(s->ctx, WOLFSSL_VERIFY_PEER, accept_any);
	}
	return true;
}

bool tls_server_open(struct tls_server *s, const struct tls_server_conf *conf)
{
	memset(s, 0, sizeof(*s));
	if (!open_context(s, conf))
		return false;
	wolfSSL_CTX_SetIORecv(s->ctx, on_recv);
	wolfSSL_CTX_SetIOSend(s->ctx, on_send);
	s->ssl = wolfSSL_new(s->ctx);
	if (s->ssl == NULL)
		return false;
	wolfSSL_SetIOReadCtx(s->ssl, s);
	wolfSSL_SetIOWriteCtx(s->ssl, s);
	wolfSSL_SetCertCbCtx(s->ssl, s);
	return true;
}

void tls_server_close(struct tls_server *s)
{
	if (s->ssl != NULL)
		wolfSSL_free(s->ssl);
	if (s->ctx != NULL && !s->is_home)
		wolfSSL_CTX_free(s->ctx);
	s->ssl = NULL;
	s->ctx = NULL;
}

void tls_server_home_done(struct tls_server_home *home)
{
	if (home->ctx != NULL)
		wolfSSL_CTX_free(home->ctx);
	home->ctx = NULL;
}

static void note(struct tls_server *s, int r)
{
	int err = wolfSSL_get_error(s->ssl, r);

	if (err == WOLFSSL_ERROR_ZERO_RETURN)
		s->err = 1;
	else if (err != WOLFSSL_ERROR_WANT_READ)
		s->err = err < 0 ? err : -err;
}

size_t tls_server_feed(struct tls_server *s, struct slice in, char *plain, size_t size)
{
	size_t len = 0, kept = MIN(in.len, sizeof(s->hello) - s->hello_len);

	memcpy(s->hello + s->hello_len, in.ptr, kept);
	s->hello_len += kept;
	s->in = in;
	if (!s->is_open && s->err == 0) {
		int r = wolfSSL_accept(s->ssl);

		s->is_open = r == WOLFSSL_SUCCESS;
		if (!s->is_open)
			note(s, r);
	}
	while (s->is_open && s->err == 0 && len < size) {
		int r = wolfSSL_read(s->ssl, plain + len, (int)(size - len));

		if (r > 0)
			len += (size_t)r;
		else
			note(s, r);
		if (r <= 0)
			break;
	}
	return len;
}

void tls_server_say(struct tls_server *s, struct slice text)
{
	while (text.len > 0 && s->err == 0) {
		int r = wolfSSL_write(s->ssl, text.ptr, (int)MIN(text.len, KIB(16)));

		if (r <= 0)
			note(s, r);
		else
			slice_skip(&text, (size_t)r);
	}
}

void tls_server_goodbye(struct tls_server *s)
{
	(void)wolfSSL_shutdown(s->ssl);		/* the client's own is not waited for */
}

void tls_server_sent(struct tls_server *s, size_t n)
{
	memmove(s->out, s->out + n, s->out_len - n);
	s->out_len -= n;
}

/* The library's own, and not in its headers: no server of its making gives any but its own tickets. */
int BuildTls13Message(WOLFSSL *ssl, byte *output, int output_size, const byte *input, int input_size, int type,
		      int hash_output, int size_only, int async_okay);

void tls_server_give_ticket(struct tls_server *s, size_t nonce_size, size_t ticket_size)
{
	enum { HANDSHAKE = 22, NEW_SESSION_TICKET = 4 };
	static byte message[KIB(16)], record[sizeof(message) + 256];
	byte *p = message;
	size_t size = 4 + 4 + 1 + nonce_size + 2 + ticket_size + 2;

	memset(message, 'x', sizeof(message));
	memcpy(p, (byte[]){ NEW_SESSION_TICKET, (byte)(size >> 16), (byte)(size >> 8), (byte)size, 0, 0, 14, 16,
			    0, 0, 0, 0, (byte)nonce_size }, 13);
	memcpy(p + 13 + nonce_size, (byte[]){ (byte)(ticket_size >> 8), (byte)ticket_size }, 2);
	memset(p + 4 + size - 2, 0, 2);
	int r = BuildTls13Message(s->ssl, record, sizeof(record), message, (int)(4 + size), HANDSHAKE, 0, 0, 0);

	if (r <= 0 || (size_t)r > sizeof(s->out) - s->out_len) {
		s->err = -1;
		return;
	}
	memcpy(s->out + s->out_len, record, (size_t)r);
	s->out_len += (size_t)r;
}

void tls_server_ask_for_keys(struct tls_server *s)
{
	if (wolfSSL_update_keys(s->ssl) != WOLFSSL_SUCCESS)
		s->err = -1;
}

size_t tls_server_nonce_max(void)
{
#ifdef WOLFSSL_TICKET_NONCE_MALLOC
	return 255;
#else
	return 8;
#endif
}

bool tls_server_is_resumed(const struct tls_server *s)
{
	return wolfSSL_session_reused(s->ssl) == 1;
}

struct slice tls_server_name(const struct tls_server *s, char *storage, size_t size)
{
	word32 len = (word32)size;

	if (wolfSSL_SNI_GetFromBuffer(s->hello, (word32)s->hello_len, WOLFSSL_SNI_HOST_NAME, (byte *)storage, &len) !=
	    WOLFSSL_SUCCESS)
		len = 0;
	return slice_of(storage, len);
}

size_t tls_server_tlsa(const char *path, unsigned selector, unsigned matching, char *data, size_t size)
{
	static const char *const digests[] = { NULL, "sha256", "sha512" };
	char pem[KIB(8)];
	unsigned char der[KIB(4)];
	FILE *f = fopen(path, "re");
	size_t n = f != NULL ? fread(pem, 1, sizeof(pem), f) : 0;
	int len = wolfSSL_CertPemToDer((const byte *)pem, (int)n, der, sizeof(der), CERT_TYPE);
	struct slice what = slice_of(der, len > 0 ? (size_t)len : 0);
	struct tls_print print;

	if (f != NULL)
		(void)fclose(f);
	if (what.len == 0 || (selector == 1 && tls_cert_public_key(what, &what) < 0))
		return 0;
	if (matching == 1 || matching == 2) {
		tls_print_make(tls_digest_find(slice_of_str(digests[matching])), what, &print);
		what = slice_of(print.octets, print.len);
	}
	what = slice_head(what, size);
	memcpy(data, what.ptr, what.len);
	return what.len;
}
