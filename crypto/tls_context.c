#include "crypto/tls_context.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/err.h"
#include "core/random.h"
#include "crypto/library.h"
#include "crypto/tls_cipher.h"

#define GROUPS_DEFAULT "X25519 prime256v1 secp384r1 secp521r1 ffdhe2048"

/* Of a session id, as far as the library goes: ours is what counts. */
#define SESSION_LIFE_S (100u * 86400u)

static bool is_set(const char *path)
{
	return path != NULL && path[0] != '\0';
}

static int complain(struct str *why, const char *path, const char *what)
{
	str_printf(why, "%s: %s", path, what);
	return ERR_SYNTAX;
}

/* A file or directory of anchors. What in it is broken or expired is left out; nothing left is an error. */
static int load_anchors(WOLFSSL_CTX *trusted, const char *file, const char *dir, struct str *why)
{
	const char *path = file != NULL ? file : dir;

	if (access(path, R_OK) != 0) {
		int r = -errno;

		str_printf(why, "%s: %s", path, err_text(r));
		return r;
	}
	int r = wolfSSL_CTX_load_verify_locations_ex(trusted, file, dir,
						     WOLFSSL_LOAD_FLAG_IGNORE_ERR);

	/* An empty directory is somebody's, who will fill it. */
	if (r != WOLFSSL_SUCCESS && file != NULL)
		return complain(why, path, "no certificate in it can be trusted");
	return 0;
}

static int load_trust(struct tls_context *c, const struct tls_context_conf *conf, struct str *why)
{
	int r = 0;

	if (!is_set(conf->ca_file) && !is_set(conf->ca_path) && !conf->system_cas)
		return 0;
	c->trusted = wolfSSL_CTX_new(wolfTLS_client_method());
	if (c->trusted == NULL)
		return -ENOMEM;
	if (is_set(conf->ca_file))
		r = load_anchors(c->trusted, conf->ca_file, NULL, why);
	if (r == 0 && is_set(conf->ca_path))
		r = load_anchors(c->trusted, NULL, conf->ca_path, why);
	/* A system without any has none to add. */
	if (r == 0 && conf->system_cas)
		(void)wolfSSL_CTX_load_system_CA_certs(c->trusted);
	return r;
}

static int load_own(WOLFSSL_CTX *sessions, const char *cert, const char *key_file, struct str *why)
{
	const char *key = is_set(key_file) ? key_file : cert;

	if (!is_set(cert))
		return 0;
	if (wolfSSL_CTX_use_certificate_chain_file(sessions, cert) != WOLFSSL_SUCCESS)
		return complain(why, cert, access(cert, R_OK) != 0 ? err_text(-errno) :
					   "no certificate that can be used");
	if (wolfSSL_CTX_use_PrivateKey_file(sessions, key, WOLFSSL_FILETYPE_PEM) != WOLFSSL_SUCCESS)
		return complain(why, key, access(key, R_OK) != 0 ? err_text(-errno) : "no key that can be used");
	if (wolfSSL_CTX_check_private_key(sessions) != WOLFSSL_SUCCESS)
		return complain(why, key, "this key is not that of the certificate");
	return 0;
}

/* What a context allocates only for its first session would be charged to that one. */
static int make_ready(WOLFSSL_CTX *sessions)
{
	WOLFSSL *first = wolfSSL_new(sessions);

	if (first == NULL)
		return -ENOMEM;
	wolfSSL_free(first);
	return 0;
}

/* Left to itself, the library wants P-521 most, and sends a share of P-256: servers that go by our wish (GnuTLS) then
 * ask for another hello, and both work three times as long. */
static int set_groups(WOLFSSL_CTX *ctx, bool is_old, const char *names, struct str *why)
{
	int groups[TLS_GROUPS_MAX];
	unsigned count = tls_groups_choose(slice_of_str(names != NULL ? names : GROUPS_DEFAULT), groups);

	if (count == 0)
		return complain(why, names, "no such group for the exchange of keys");
	if (!is_old)
		return wolfSSL_CTX_set_groups(ctx, groups, (int)count) == WOLFSSL_SUCCESS ? 0 : ERR_VERSION;
	for (unsigned i = 0; i < count; i++)
		if (wolfSSL_CTX_UseSupportedCurve(ctx, (word16)groups[i]) != WOLFSSL_SUCCESS)
			return ERR_VERSION;
	return 0;
}

static int make_sessions(bool is_old, const struct tls_context_conf *conf, struct str *why, WOLFSSL_CTX **ret_sessions)
{
	WOLFSSL_CTX *ctx = wolfSSL_CTX_new(is_old ? wolfTLSv1_2_client_method() : wolfTLS_client_method());

	*ret_sessions = ctx;
	if (ctx == NULL)
		return -ENOMEM;
	/* Chains are not judged in there: an accepted intermediate would be trusted from then on, by all sessions. */
	wolfSSL_CTX_set_verify(ctx, WOLFSSL_VERIFY_NONE, NULL);
	/* The library's is one for the whole process, and knows nothing of policies: tls_sessions.h (row TLS-09). */
	wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	/* Tickets are for TLS 1.2 what they always are for 1.3; there, resuming is no reason to do without new keys. */
	if (wolfSSL_CTX_UseSessionTicket(ctx) != WOLFSSL_SUCCESS ||
	    wolfSSL_CTX_set_timeout(ctx, SESSION_LIFE_S) != WOLFSSL_SUCCESS)
		return -ENOMEM;
	(void)wolfSSL_CTX_only_dhe_psk(ctx);		/* the other context has no 1.3 */
	int r = set_groups(ctx, is_old, conf->groups, why);

	if (r == 0)
		r = load_own(ctx, conf->cert_file, conf->key_file, why);
	return r < 0 ? r : make_ready(ctx);
}

static void ctx_free(WOLFSSL_CTX *ctx)
{
	if (ctx != NULL)
		wolfSSL_CTX_free(ctx);
}

static void context_free(struct tls_context *c)
{
	ctx_free(c->sessions);
	ctx_free(c->sessions_old);
	ctx_free(c->trusted);
	free(c);
}

int tls_context_new(const struct tls_context_conf *conf, struct str *why, struct tls_context **ret_context)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	int r = c == NULL ? -ENOMEM : 0;

	str_clear(why);
	crypto_time_set(conf->now_ns);
	if (r == 0)
		random_fill(&c->id, sizeof(c->id));
	if (r == 0)
		r = make_sessions(false, conf, why, &c->sessions);
	if (r == 0)
		r = make_sessions(true, conf, why, &c->sessions_old);
	if (r == 0)
		r = load_trust(c, conf, why);
	if (r == 0 && conf->anchors != NULL)
		c->anchors = *conf->anchors;
	if (r < 0 && why->len == 0)
		str_add_cstr(why, err_text(r));
	if (r == 0)
		*ret_context = c;
	else if (c != NULL)
		context_free(c);
	return r;
}

static int limit_server(WOLFSSL_CTX *ctx, const struct tls_serve_conf *conf)
{
	if (conf->only_new && wolfSSL_CTX_SetMinVersion(ctx, WOLFSSL_TLSV1_3) != WOLFSSL_SUCCESS)
		return ERR_SYNTAX;
	if (conf->ciphers != NULL && wolfSSL_CTX_set_cipher_list(ctx, conf->ciphers) != WOLFSSL_SUCCESS)
		return ERR_SYNTAX;
	/* Keys for tickets would have to be shared by cores and changed often; injectors keep their connections. */
	if (wolfSSL_CTX_NoTicketTLSv12(ctx) != WOLFSSL_SUCCESS)
		return ERR_VERSION;
	return conf->only_old || wolfSSL_CTX_no_ticket_TLSv13(ctx) == 0 ? 0 : ERR_VERSION;
}

int tls_context_new_server(const struct tls_serve_conf *conf, struct str *why, struct tls_context **ret_context)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	str_clear(why);
	crypto_time_set(conf->now_ns);
	if (c != NULL)
		c->sessions = wolfSSL_CTX_new(conf->only_old ? wolfTLSv1_2_server_method() : wolfTLS_server_method());
	if (c != NULL && c->sessions != NULL) {
		wolfSSL_CTX_set_verify(c->sessions, WOLFSSL_VERIFY_NONE, NULL);
		wolfSSL_CTX_set_session_cache_mode(c->sessions, WOLFSSL_SESS_CACHE_OFF);
		r = is_set(conf->cert_file) ? load_own(c->sessions, conf->cert_file, conf->key_file, why) :
					      complain(why, "a server", "needs a certificate");
		if (r == 0)
			r = limit_server(c->sessions, conf);
		if (r == 0)
			r = make_ready(c->sessions);
	}
	if (r < 0 && why->len == 0)
		str_add_cstr(why, err_text(r));
	if (r == 0)
		*ret_context = c;
	else if (c != NULL)
		context_free(c);
	return r;
}

void tls_context_use(struct tls_context *context)
{
	ASSERT(!context->is_retired || context->users > 0);	/* who has it may go on with it */
	context->users++;
}

void tls_context_unuse(struct tls_context *context)
{
	ASSERT(context->users > 0);
	if (--context->users == 0 && context->is_retired)
		context_free(context);
}

void tls_context_retire(struct tls_context **context)
{
	struct tls_context *c = *context;

	*context = NULL;
	if (c == NULL)
		return;
	c->is_retired = true;
	if (c->users == 0)
		context_free(c);
}
