#include "net/delivery/session_count.h"

#include <errno.h>
#include <string.h>

#include <wolfssl/options.h>
#include <wolfssl/ssl.h>

#include "core/err.h"
#include "core/metric.h"
#include "net/smtp/session_tls.h"
#include "tests/test.h"

static struct session session;
static struct session_tls tls;

/* The row's value; -1: there is none. */
static long long read_row(const char *name)
{
	static char storage[KIB(64)];
	struct str text = STR(storage);
	size_t len = strlen(name);

	metric_write_all(&text);
	assert_false(str_is_full(&text));
	for (const char *line = str_cstr(&text); *line != '\0'; line = strchr(line, '\n') + 1)
		if (strncmp(line, name, len) == 0 && line[len] == ' ')
			return strtoll(line + len, NULL, 10);
	return -1;
}

static int set_up(void **state)
{
	(void)state;
	session_count_register();
	metric_forget();
	memset(&session, 0, sizeof(session));
	memset(&tls, 0, sizeof(tls));
	session.tls = &tls;
	tls.level = tls.asked = TLS_LEVEL_MAY;
	return 0;
}

static void each_failure_has_its_reason(void **state)
{
	static const struct {
		enum session_tls_trouble trouble;
		int err;
		enum param_tls_level level;
		bool is_trusted;
		const char *reason;
	} cases[] = {
		{ SESSION_TLS_NOT_OFFERED, ERR_PROTO, TLS_LEVEL_ENCRYPT, false, "not_offered" },
		{ SESSION_TLS_NO_STARTTLS, ERR_PROTO, TLS_LEVEL_ENCRYPT, false, "not_offered" },
		{ SESSION_TLS_REFUSED, 0, TLS_LEVEL_ENCRYPT, false, "refused" },
		{ SESSION_TLS_NO_STARTTLS_NOW, 0, TLS_LEVEL_ENCRYPT, false, "refused" },
		{ SESSION_TLS_UNAVAILABLE, ERR_SYNTAX, TLS_LEVEL_ENCRYPT, false, "unavailable" },
		{ SESSION_TLS_INJECTED, ERR_PROTO, TLS_LEVEL_MAY, false, "injected" },
		{ SESSION_TLS_NO_REQUIRETLS, ERR_PROTO, TLS_LEVEL_MAY, false, "requiretls_not_offered" },
		{ SESSION_TLS_HANDSHAKE, ERR_PROTO, TLS_LEVEL_MAY, false, "handshake" },
		{ SESSION_TLS_HANDSHAKE, ERR_TIMEOUT, TLS_LEVEL_MAY, false, "handshake_timeout" },
		{ SESSION_TLS_HANDSHAKE, ERR_EOF, TLS_LEVEL_MAY, false, "handshake_lost" },
		{ SESSION_TLS_HANDSHAKE, -ECONNRESET, TLS_LEVEL_MAY, false, "handshake_lost" },
		{ SESSION_TLS_MISMATCH, ERR_PROTO, TLS_LEVEL_SECURE, false, "certificate_untrusted" },
		{ SESSION_TLS_MISMATCH, ERR_PROTO, TLS_LEVEL_SECURE, true, "certificate_name" },
		{ SESSION_TLS_MISMATCH, ERR_PROTO, TLS_LEVEL_FINGERPRINT, true, "certificate_fingerprint" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char name[128];

		set_up(state);
		session.failure.tls = cases[i].trouble;
		session.failure.err = cases[i].err;
		tls.level = cases[i].level;
		tls.tls.verdict.is_trusted = cases[i].is_trusted;
		session_count_failed(&session);
		snprintf(name, sizeof(name), "ringpost_tls_failed_total{reason=\"%s\"}", cases[i].reason);
		assert_int_equal(read_row(name), 1);
		assert_int_equal(read_row("ringpost_starttls_injected_total"), cases[i].trouble == SESSION_TLS_INJECTED);
		assert_int_equal(read_row("ringpost_auth_failed_total"), 0);
	}
}

static void clear_text_says_why(void **state)
{
	(void)state;
	session_count_ready(&session);
	assert_int_equal(read_row("ringpost_tls_clear_total{reason=\"not_offered\"}"), 1);
	tls.was_refused = true;
	session_count_ready(&session);
	assert_int_equal(read_row("ringpost_tls_clear_total{reason=\"refused\"}"), 1);
	tls.was_refused = false;
	session.caps.bits = SMTP_CAP_STARTTLS;
	session_count_ready(&session);
	assert_int_equal(read_row("ringpost_tls_clear_total{reason=\"unavailable\"}"), 1);
	tls.level = TLS_LEVEL_NONE;
	session_count_ready(&session);
	assert_int_equal(read_row("ringpost_tls_clear_total{reason=\"failed_before\"}"), 1);
	tls.asked = TLS_LEVEL_NONE;		/* nobody wanted any */
	session_count_ready(&session);
	session.tls = NULL;
	session_count_ready(&session);
	assert_int_equal(read_row("ringpost_tls_clear_total{reason=\"not_offered\"}"), 1);
	assert_int_equal(read_row("ringpost_tls_clear_total{reason=\"failed_before\"}"), 1);
	assert_int_equal(read_row("ringpost_tls_sessions_total"), 0);
}

static void each_mechanism_and_each_refusal_counts(void **state)
{
	static const char *const reasons[] = { NULL, "no_mechanism", "weaker_than_before", "server_not_verified", "refused",
					       "refused_before", "broken_exchange" };
	char name[128];

	(void)state;
	session.is_authenticated = true;
	for (int i = 0; i < AUTH_MECH_COUNT; i++) {
		session.auth_mech = (enum auth_mech)i;
		session_count_ready(&session);
		snprintf(name, sizeof(name), "ringpost_auth_mechanism_total{mechanism=\"%s\"}",
			 auth_mech_name((enum auth_mech)i));
		assert_int_equal(read_row(name), 1);
	}
	assert_int_equal(read_row("ringpost_auth_succeeded_total"), AUTH_MECH_COUNT);
	for (int i = SESSION_AUTH_NONE_LEFT; i <= SESSION_AUTH_BROKEN; i++) {
		session.failure.auth = (enum session_auth_trouble)i;
		session_count_failed(&session);
		snprintf(name, sizeof(name), "ringpost_auth_failure_total{reason=\"%s\"}", reasons[i]);
		assert_int_equal(read_row(name), 1);
	}
	assert_int_equal(read_row("ringpost_auth_failed_total"), SESSION_AUTH_BROKEN);
}

static void every_suite_of_the_library_has_a_row(void **state)
{
	char names[KIB(4)], row[160];
	unsigned count = 0;

	(void)state;
	assert_int_equal(wolfSSL_get_ciphers_iana(names, sizeof(names)), WOLFSSL_SUCCESS);
	for (struct slice all = slice_of_str(names), name; all.len > 0; slice_skip(&all, MIN(name.len + 1, all.len))) {
		ptrdiff_t colon = slice_find_char(all, 0, ':');

		name = slice_head(all, colon < 0 ? all.len : (size_t)colon);
		if (memmem(name.ptr, name.len, "_OLD_", 5) != NULL)	/* of drafts, and nobody's */
			continue;
		snprintf(row, sizeof(row), "ringpost_tls_cipher_total{cipher=\"%.*s\"}", SLICE_FMT(name));
		if (read_row(row) != 0)
			fail_msg("%s is not there", row);
		count++;
	}
	assert_true(count > 20);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("each failure of TLS has its reason", each_failure_has_its_reason, set_up, NULL),
		CLAIM_WITH("a session in clear says why, where TLS was wanted", clear_text_says_why, set_up, NULL),
		CLAIM_WITH("each mechanism counts, and each way not to be authenticated",
			   each_mechanism_and_each_refusal_counts, set_up, NULL),
		CLAIM_WITH("every suite of the library has a row (row MET-01)", every_suite_of_the_library_has_a_row, set_up,
			   NULL),
	};

	return cmocka_run_group_tests_name("net/delivery/session_count", claims, NULL, NULL);
}
