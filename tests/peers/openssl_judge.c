#include "tests/peers/openssl_judge.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/str.h"

static SSL_CTX *ctx;

static X509 *cert_of(struct slice der)
{
	const unsigned char *p = (const unsigned char *)der.ptr;
	X509 *cert = d2i_X509(NULL, &p, (long)der.len);

	if (cert != NULL && p != (const unsigned char *)der.ptr + der.len) {
		X509_free(cert);
		return NULL;
	}
	return cert;
}

static unsigned add_records(SSL *ssl, const struct openssl_question *q)
{
	unsigned usable = 0;

	for (unsigned i = 0; i < q->rdata_count; i++) {
		const unsigned char *p = (const unsigned char *)q->rdatas[i].ptr;

		if (q->rdatas[i].len >= 4 && p[0] >= 2 &&	/* RFC 7672 3.1.3 */
		    SSL_dane_tlsa_add(ssl, p[0], p[1], p[2], p + 3, q->rdatas[i].len - 3) > 0)
			usable++;
	}
	return usable;
}

static X509_STORE *store_of(const struct openssl_question *q)
{
	X509_STORE *store = X509_STORE_new();

	for (unsigned i = 0; i < q->anchor_count; i++) {
		X509 *cert = cert_of(q->anchors[i]);

		if (cert != NULL)
			(void)X509_STORE_add_cert(store, cert);		/* twice the same is no harm */
		X509_free(cert);
	}
	return store;
}

static void judge(SSL *ssl, const struct openssl_question *q, X509 *server, STACK_OF(X509) *others,
		  struct openssl_verdict *v)
{
	X509_STORE *store = store_of(q);
	X509_STORE_CTX *c = X509_STORE_CTX_new();

	X509_STORE_CTX_init(c, store, server, others);
	X509_STORE_CTX_set_default(c, "ssl_server");
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(c);

	X509_VERIFY_PARAM_set1(param, SSL_get0_param(ssl));
	X509_VERIFY_PARAM_set_time(param, (time_t)q->now_s);
	X509_VERIFY_PARAM_set_depth(param, 20);
	X509_VERIFY_PARAM_set_auth_level(param, 1);
	if (q->has_dane) {
		X509_STORE_CTX_set0_dane(c, SSL_get0_dane(ssl));
	} else {
		X509_VERIFY_PARAM_set1_host(param, q->name.ptr, q->name.len);
		X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN);
	}
	v->is_good = X509_verify_cert(c) == 1;
	v->err = X509_STORE_CTX_get_error(c);
	v->why = X509_verify_cert_error_string(v->err);
	X509_STORE_CTX_free(c);
	X509_STORE_free(store);
}

void openssl_judge(const struct openssl_question *q, struct openssl_verdict *ret_verdict)
{
	struct openssl_verdict v = { .err = X509_V_ERR_UNSPECIFIED, .why = "no certificate" };
	char name[256];
	struct str base = STR(name);
	STACK_OF(X509) *others = sk_X509_new_null();
	X509 *server = q->count > 0 ? cert_of(q->certs[0]) : NULL;

	if (ctx == NULL) {
		ctx = SSL_CTX_new(TLS_client_method());
		SSL_CTX_dane_enable(ctx);
	}
	SSL *ssl = SSL_new(ctx);

	str_add(&base, q->name);
	if (q->has_dane) {
		SSL_dane_enable(ssl, str_cstr(&base));
		SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
		v.usable = add_records(ssl, q);
	}
	/* A handshake ends with the first certificate that cannot be read. */
	bool is_readable = server != NULL;

	for (unsigned i = 0; i < q->count && is_readable; i++) {
		X509 *cert = cert_of(q->certs[i]);

		is_readable = cert != NULL && sk_X509_push(others, cert) > 0;
	}
	if (is_readable && (!q->has_dane || v.usable > 0))
		judge(ssl, q, server, others, &v);
	SSL_free(ssl);
	X509_free(server);
	sk_X509_pop_free(others, X509_free);
	ERR_clear_error();
	*ret_verdict = v;
}

void openssl_judge_done(void)
{
	SSL_CTX_free(ctx);
	ctx = NULL;
}
