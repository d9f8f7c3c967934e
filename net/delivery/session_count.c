#include "net/delivery/session_count.h"

#include <errno.h>

#include "core/err.h"
#include "core/metric.h"
#include "net/smtp/session_tls.h"

/* What a library, or another room, has a word for. */
struct named {
	const char *name;
	struct metric metric;
};

#define LABELLED(metric, label, value, help) METRIC_COUNTER(metric "{" label "=\"" value "\"}", help)

/* --- TLS that is on --------------------------------------------------------------------------- */

static struct metric tls_sessions = METRIC_COUNTER("ringpost_tls_sessions_total", "sessions in TLS");
static struct metric tls_resumed =
	METRIC_COUNTER("ringpost_tls_sessions_resumed_total", "those of them that resumed an earlier one");

#define VERSION_ROW(value) LABELLED("ringpost_tls_version_total", "version", value, "sessions in this version of TLS")

static struct metric versions[] = { VERSION_ROW("TLSv1.2"), VERSION_ROW("TLSv1.3") };

#define VERDICT_ROW(value) \
	{ value, LABELLED("ringpost_tls_verdict_total", "verdict", value, "whom the server's certificate says it is") }

static struct named verdicts[] = {
	VERDICT_ROW("Anonymous"), VERDICT_ROW("Untrusted"), VERDICT_ROW("Trusted"), VERDICT_ROW("Verified"),
};

#define LEVEL_ROW(value) LABELLED("ringpost_tls_level_total", "level", value, "sessions in TLS of which this was asked")

static struct metric levels[] = {
	[TLS_LEVEL_NONE] = LEVEL_ROW("none"),
	[TLS_LEVEL_MAY] = LEVEL_ROW("may"),
	[TLS_LEVEL_ENCRYPT] = LEVEL_ROW("encrypt"),
	[TLS_LEVEL_FINGERPRINT] = LEVEL_ROW("fingerprint"),
	[TLS_LEVEL_DANE] = LEVEL_ROW("dane"),
	[TLS_LEVEL_DANE_ONLY] = LEVEL_ROW("dane-only"),
	[TLS_LEVEL_VERIFY] = LEVEL_ROW("verify"),
	[TLS_LEVEL_SECURE] = LEVEL_ROW("secure"),
};

#define SUITE_ROW(value) { value, LABELLED("ringpost_tls_cipher_total", "cipher", value, "sessions with this suite") }

/* All that the library has, as tls_cipher_name says it. */
static struct named suites[] = {
	SUITE_ROW("TLS_AES_128_GCM_SHA256"),
	SUITE_ROW("TLS_AES_256_GCM_SHA384"),
	SUITE_ROW("TLS_CHACHA20_POLY1305_SHA256"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
	SUITE_ROW("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA"),
	SUITE_ROW("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
	SUITE_ROW("TLS_DHE_RSA_WITH_AES_128_GCM_SHA256"),
	SUITE_ROW("TLS_DHE_RSA_WITH_AES_256_GCM_SHA384"),
	SUITE_ROW("TLS_DHE_RSA_WITH_CHACHA20_POLY1305_SHA256"),
	SUITE_ROW("TLS_DHE_RSA_WITH_AES_128_CBC_SHA256"),
	SUITE_ROW("TLS_DHE_RSA_WITH_AES_256_CBC_SHA256"),
	SUITE_ROW("TLS_DHE_RSA_WITH_AES_128_CBC_SHA"),
	SUITE_ROW("TLS_DHE_RSA_WITH_AES_256_CBC_SHA"),
	SUITE_ROW("other"),
};

/* --- TLS that is not -------------------------------------------------------------------------- */

enum clear_reason { CLEAR_NOT_OFFERED, CLEAR_REFUSED, CLEAR_FAILED_BEFORE, CLEAR_UNAVAILABLE, CLEAR_COUNT };

#define CLEAR_ROW(value) LABELLED("ringpost_tls_clear_total", "reason", value, "sessions in clear that TLS was wanted for")

static struct metric clears[CLEAR_COUNT] = {
	[CLEAR_NOT_OFFERED] = CLEAR_ROW("not_offered"),
	[CLEAR_REFUSED] = CLEAR_ROW("refused"),
	[CLEAR_FAILED_BEFORE] = CLEAR_ROW("failed_before"),
	[CLEAR_UNAVAILABLE] = CLEAR_ROW("unavailable"),
};

enum failure {
	FAILURE_NOT_OFFERED, FAILURE_REFUSED, FAILURE_UNAVAILABLE, FAILURE_INJECTED, FAILURE_REQUIRETLS,
	FAILURE_HANDSHAKE, FAILURE_TIMEOUT, FAILURE_LOST,
	FAILURE_UNTRUSTED, FAILURE_NAME, FAILURE_FINGERPRINT, FAILURE_POLICY,
	FAILURE_COUNT
};

#define FAILURE_ROW(value) \
	LABELLED("ringpost_tls_failed_total", "reason", value, "sessions that never were ready because of TLS")

static struct metric failures[FAILURE_COUNT] = {
	[FAILURE_NOT_OFFERED] = FAILURE_ROW("not_offered"),
	[FAILURE_REFUSED] = FAILURE_ROW("refused"),
	[FAILURE_UNAVAILABLE] = FAILURE_ROW("unavailable"),
	[FAILURE_INJECTED] = FAILURE_ROW("injected"),
	[FAILURE_REQUIRETLS] = FAILURE_ROW("requiretls_not_offered"),
	[FAILURE_HANDSHAKE] = FAILURE_ROW("handshake"),
	[FAILURE_TIMEOUT] = FAILURE_ROW("handshake_timeout"),
	[FAILURE_LOST] = FAILURE_ROW("handshake_lost"),
	[FAILURE_UNTRUSTED] = FAILURE_ROW("certificate_untrusted"),
	[FAILURE_NAME] = FAILURE_ROW("certificate_name"),
	[FAILURE_FINGERPRINT] = FAILURE_ROW("certificate_fingerprint"),
	[FAILURE_POLICY] = FAILURE_ROW("policy"),
};

static struct metric starttls_injected =
	METRIC_COUNTER("ringpost_starttls_injected_total", "servers that sent something behind their reply to STARTTLS");

/* --- AUTH ------------------------------------------------------------------------------------- */

static struct metric auth_succeeded =
	METRIC_COUNTER("ringpost_auth_succeeded_total", "sessions that were authenticated");
static struct metric auth_failed =
	METRIC_COUNTER("ringpost_auth_failed_total", "sessions that ended because they could not be authenticated");

#define MECH_ROW(value) LABELLED("ringpost_auth_mechanism_total", "mechanism", value, "sessions authenticated with it")

static struct metric mechs[AUTH_MECH_COUNT] = {
	[AUTH_EXTERNAL] = MECH_ROW("EXTERNAL"),
	[AUTH_SCRAM_SHA_256] = MECH_ROW("SCRAM-SHA-256"),
	[AUTH_SCRAM_SHA_1] = MECH_ROW("SCRAM-SHA-1"),
	[AUTH_GSSAPI] = MECH_ROW("GSSAPI"),
	[AUTH_DIGEST_MD5] = MECH_ROW("DIGEST-MD5"),
	[AUTH_CRAM_MD5] = MECH_ROW("CRAM-MD5"),
	[AUTH_NTLM] = MECH_ROW("NTLM"),
	[AUTH_OAUTHBEARER] = MECH_ROW("OAUTHBEARER"),
	[AUTH_XOAUTH2] = MECH_ROW("XOAUTH2"),
	[AUTH_PLAIN] = MECH_ROW("PLAIN"),
	[AUTH_LOGIN] = MECH_ROW("LOGIN"),
	[AUTH_ANONYMOUS] = MECH_ROW("ANONYMOUS"),
};

#define TROUBLE_ROW(value) \
	LABELLED("ringpost_auth_failure_total", "reason", value, "sessions that could not be authenticated, and why")

static struct metric troubles[] = {
	[SESSION_AUTH_NONE_LEFT] = TROUBLE_ROW("no_mechanism"),
	[SESSION_AUTH_WEAKER] = TROUBLE_ROW("weaker_than_before"),
	[SESSION_AUTH_UNVERIFIED] = TROUBLE_ROW("server_not_verified"),
	[SESSION_AUTH_REFUSED] = TROUBLE_ROW("refused"),
	[SESSION_AUTH_REMEMBERED] = TROUBLE_ROW("refused_before"),
	[SESSION_AUTH_BROKEN] = TROUBLE_ROW("broken_exchange"),
};

/* --- counting --------------------------------------------------------------------------------- */

static void register_all(struct metric *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (rows[i].name != NULL)
			metric_register(&rows[i]);
}

void session_count_register(void)
{
	struct metric *const single[] = {
		&tls_sessions, &tls_resumed, &starttls_injected, &auth_succeeded, &auth_failed,
	};

	for (size_t i = 0; i < ARRAY_LEN(single); i++)
		metric_register(single[i]);
	register_all(versions, ARRAY_LEN(versions));
	register_all(levels, ARRAY_LEN(levels));
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++)
		metric_register(&verdicts[i].metric);
	for (size_t i = 0; i < ARRAY_LEN(suites); i++)
		metric_register(&suites[i].metric);
	register_all(clears, ARRAY_LEN(clears));
	register_all(failures, ARRAY_LEN(failures));
	register_all(mechs, ARRAY_LEN(mechs));
	register_all(troubles, ARRAY_LEN(troubles));
}

/* Without a row of its own: in the last one. */
static void count_named(const struct named *rows, size_t count, const char *name)
{
	size_t i = 0;

	while (i + 1 < count && strcmp(rows[i].name, name) != 0)
		i++;
	metric_add(&rows[i].metric, 1);
}

static void count_tls(const struct session_tls *t)
{
	metric_add(&tls_sessions, 1);
	metric_add(&tls_resumed, t->tls.is_resumed);
	metric_add(&versions[tls_version(&t->tls) == TLS_1_3], 1);
	metric_add(&levels[t->level], 1);
	count_named(verdicts, ARRAY_LEN(verdicts), session_tls_status(t));
	count_named(suites, ARRAY_LEN(suites), tls_cipher_name(&t->tls));
}

/* At the level may, or what was may before TLS failed there. */
static void count_clear(const struct session *s)
{
	const struct session_tls *t = s->tls;

	if (t->asked > TLS_LEVEL_NONE && t->level == TLS_LEVEL_NONE)
		metric_add(&clears[CLEAR_FAILED_BEFORE], 1);
	else if (t->level > TLS_LEVEL_NONE)
		metric_add(&clears[t->was_refused ? CLEAR_REFUSED :
				   s->caps.bits & SMTP_CAP_STARTTLS ? CLEAR_UNAVAILABLE : CLEAR_NOT_OFFERED], 1);
}

void session_count_ready(const struct session *s)
{
	if (s->tls != NULL && s->tls->is_on)
		count_tls(s->tls);
	else if (s->tls != NULL)
		count_clear(s);
	if (!s->is_authenticated)
		return;
	metric_add(&auth_succeeded, 1);
	metric_add(&mechs[s->auth_mech], 1);
}

static enum failure failure_of_handshake(int err)
{
	if (err == ERR_TIMEOUT)
		return FAILURE_TIMEOUT;
	return err == ERR_EOF || err == -ECONNRESET || err == -EPIPE ? FAILURE_LOST : FAILURE_HANDSHAKE;
}

static enum failure failure_of_certificate(const struct session_tls *t)
{
	if (t->failure != TLSRPT_SUCCESS)
		return FAILURE_POLICY;
	if (t->level == TLS_LEVEL_FINGERPRINT)
		return FAILURE_FINGERPRINT;
	return t->tls.verdict.is_trusted ? FAILURE_NAME : FAILURE_UNTRUSTED;
}

static enum failure failure_of(const struct session *s)
{
	switch (s->failure.tls) {
	case SESSION_TLS_NOT_OFFERED:
	case SESSION_TLS_NO_STARTTLS:
		return FAILURE_NOT_OFFERED;
	case SESSION_TLS_REFUSED:
	case SESSION_TLS_NO_STARTTLS_NOW:
		return FAILURE_REFUSED;
	case SESSION_TLS_UNAVAILABLE:
		return FAILURE_UNAVAILABLE;
	case SESSION_TLS_INJECTED:
		return FAILURE_INJECTED;
	case SESSION_TLS_NO_REQUIRETLS:
		return FAILURE_REQUIRETLS;
	case SESSION_TLS_HANDSHAKE:
		return failure_of_handshake(s->failure.err);
	case SESSION_TLS_MISMATCH:
		return failure_of_certificate(s->tls);
	case SESSION_TLS_FINE:
		break;
	}
	return FAILURE_COUNT;
}

void session_count_failed(const struct session *s)
{
	enum failure f = failure_of(s);

	if (f < FAILURE_COUNT)
		metric_add(&failures[f], 1);
	metric_add(&starttls_injected, f == FAILURE_INJECTED);
	if (s->failure.auth == SESSION_AUTH_FINE)
		return;
	metric_add(&auth_failed, 1);
	metric_add(&troubles[s->failure.auth], 1);
}
