#include "net/smtp/session_tls.h"

#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/smtp/session_internal.h"
#include "net/wire/smtp_command.h"

/* --- the log ---------------------------------------------------------------------------------- */

/* happened: established, reused */
static void log_summary(const struct session *s, const char *happened)
{
	char storage[512];
	struct str line = STR(storage);

	if (!s->tls->log_summary)
		return;
	str_printf(&line, "%s TLS connection %s to %.*s: ", session_tls_status(s->tls), happened,
		   SLICE_FMT(session_relay(s)));
	tls_describe(&s->tls->tls, &line);
	log_put(LOG_LEVEL_INFO, "smtp", str_slice(&line));
}

void session_tls_log_reused(const struct session *s)
{
	if (s->tls != NULL && s->tls->is_on)
		log_summary(s, "reused");
}

static void log_established(const struct session *s)
{
	char storage[512];
	struct str line = STR(storage);
	const struct tls_verdict *v = &s->tls->tls.verdict;

	log_summary(s, "established");
	if (s->tls->log_cache && s->tls->tls.is_resumed)
		log_line(LOG_LEVEL_INFO, "smtp", "%.*s: Reusing old session", SLICE_FMT(session_relay(s)));
	if (s->tls->log_certificate && v->has_cert) {
		str_printf(&line, "%.*s: subject_CN=%s, issuer=%s, fingerprint=", SLICE_FMT(session_relay(s)), v->subject,
			   v->issuer);
		tls_print_add(&line, &v->cert_print);
		str_add_cstr(&line, ", pkey_fingerprint=");
		tls_print_add(&line, &v->key_print);
		log_put(LOG_LEVEL_INFO, "smtp", str_slice(&line));
	}
}

static void log_mismatch(const struct session *s)
{
	const struct tls_verdict *v = &s->tls->tls.verdict;

	if (s->tls->failure != TLSRPT_SUCCESS)
		log_line(LOG_LEVEL_INFO, "smtp", "server certificate verification failed for %.*s: its policy says %s",
			 SLICE_FMT(session_relay(s)), tlsrpt_result_word(s->tls->failure));
	else if (s->tls->level == TLS_LEVEL_FINGERPRINT)
		log_line(LOG_LEVEL_INFO, "smtp", "server certificate verification failed for %.*s: fingerprint not listed",
			 SLICE_FMT(session_relay(s)));
	else if (!v->is_trusted)
		log_line(LOG_LEVEL_INFO, "smtp", "server certificate verification failed for %.*s: %s",
			 SLICE_FMT(session_relay(s)), v->why);
	else
		log_line(LOG_LEVEL_INFO, "smtp", "server certificate verification failed for %.*s: its name is %s",
			 SLICE_FMT(session_relay(s)), v->name[0] != '\0' ? v->name : "none");
}

/* --- the handshake ---------------------------------------------------------------------------- */

static void lose(struct session *s, enum session_tls_trouble trouble, int err)
{
	s->failure.tls = trouble;
	session_lose(s, err);
}

static void on_opened(struct session_tls *t)
{
	struct session *s = t->session;

	CHECK_MAGIC(s, SESSION_MAGIC);
	ASSERT(s->state == SESSION_TLS);
	s->in_callback = true;
	log_established(s);
	if (session_tls_is_mismatch(t)) {
		log_mismatch(s);
		s->failure.tls = SESSION_TLS_MISMATCH;
		session_hello_fail(s, ERR_PROTO);
	} else if (t->is_wrapped) {
		session_enter(s, SESSION_GREETING);
	} else {
		session_hello_again(s);
	}
	s->in_callback = false;
	session_pump(s);
}

void session_tls_quiet(struct session *s)
{
	if (s->conn.transform == NULL && conn_is_quiet(&s->conn))
		conn_transform_begin(&s->conn, &s->tls->transform);
}

void session_tls_handshake(struct session *s)
{
	session_enter(s, SESSION_TLS);
	s->tls->session = s;
	int r = s->tls->context != NULL ? session_tls_begin(s->tls, on_opened) : ERR_SYNTAX;

	if (r == 0) {
		session_tls_offer(s->tls, smtp_caps_name(&s->caps));	/* in wrapper mode it has none yet */
		session_tls_quiet(s);
	} else if (s->tls->context == NULL) {
		lose(s, SESSION_TLS_UNAVAILABLE, r);
	} else {
		lose(s, SESSION_TLS_HANDSHAKE, r);
	}
}

/* --- STARTTLS --------------------------------------------------------------------------------- */

static void say_starttls(struct session *s)
{
	struct str command = conn_command(&s->conn, 16);

	session_enter(s, SESSION_STARTTLS);
	if (smtp_command_add_plain(&command, SMTP_VERB_STARTTLS) < 0)
		session_lose(s, -ENOBUFS);
	else
		session_say(s, &command);
}

static void fail(struct session *s, enum session_tls_trouble trouble)
{
	s->failure.tls = trouble;
	session_hello_fail(s, ERR_PROTO);
}

void session_tls_decide(struct session *s)
{
	struct session_tls *t = s->tls;
	bool offered = s->caps.bits & SMTP_CAP_STARTTLS;
	bool must = s->requiretls >= REQUIRETLS_STARTTLS;

	ASSERT(!must || (t != NULL && (t->is_on || t->level > TLS_LEVEL_NONE)));
	if (s->requiretls == REQUIRETLS_ENFORCE && t->is_on && !(s->caps.bits & SMTP_CAP_REQUIRETLS)) {
		fail(s, SESSION_TLS_NO_REQUIRETLS);
	} else if (t == NULL || t->is_on) {
		session_hello_open(s);
	} else if (must && !offered) {
		fail(s, SESSION_TLS_NO_STARTTLS);
	} else if (t->level == TLS_LEVEL_NONE) {
		if (offered && t->note_offer)
			log_line(LOG_LEVEL_INFO, "smtp", "Host offered STARTTLS: [%.*s]", SLICE_FMT(session_host(s)));
		session_hello_open(s);
	} else if (offered && t->context != NULL) {
		say_starttls(s);
	} else if (t->level == TLS_LEVEL_MAY && !must) {
		session_hello_open(s);
	} else {
		fail(s, offered ? SESSION_TLS_UNAVAILABLE : SESSION_TLS_NOT_OFFERED);
	}
}

void session_tls_reply(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code / 100 == 2) {
		session_tls_handshake(s);
	} else if (s->requiretls >= REQUIRETLS_STARTTLS) {
		s->failure.tls = SESSION_TLS_NO_STARTTLS_NOW;
		session_hello_fail_by_reply(s, reply);
	} else if (s->tls->level > TLS_LEVEL_MAY) {
		s->failure.tls = SESSION_TLS_REFUSED;
		session_hello_fail_by_reply(s, reply);
	} else if (reply->code == 421) {
		session_hello_fail_by_reply(s, reply);
	} else {
		s->tls->was_refused = true;
		s->caps.bits &= ~(uint32_t)SMTP_CAP_STARTTLS;
		session_hello_open(s);
	}
}

void session_tls_injected(struct session *s)
{
	log_line(LOG_LEVEL_WARNING, "smtp", "%.*s sent something behind its reply to STARTTLS: somebody between us may "
		 "have put it there", SLICE_FMT(session_relay(s)));
	lose(s, SESSION_TLS_INJECTED, ERR_PROTO);
}
