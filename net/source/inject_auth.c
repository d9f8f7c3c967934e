#include "net/source/inject_auth.h"

#include <errno.h>

#include "core/err.h"
#include "crypto/base64.h"
#include "net/source/inject_impl.h"

static struct metric metric_good =
	METRIC_COUNTER("ringpost_inject_auth_total", "injecting clients that have authenticated");
static struct metric metric_bad =
	METRIC_COUNTER("ringpost_inject_auth_failed_total", "authentications of injecting clients that failed");

static const char malformed[] = "501 5.5.2 That is no answer of this mechanism";

typedef void step_fn(struct inject_session *s, struct slice text);

static step_fn plain_step, login_step, scram_step;

static const struct {
	struct slice name;
	const char *challenge;		/* the first, when the client has not spoken with AUTH */
	step_fn *step;
	bool is_scram;
} mechs[] = {
	{ SLICE("PLAIN"), "334 ", plain_step, false },
	{ SLICE("LOGIN"), "334 VXNlcm5hbWU6", login_step, false },	/* "Username:" */
	{ SLICE("SCRAM-SHA-256"), "334 ", scram_step, true },
};

/* --- the offer ------------------------------------------------------------------------------------ */

int inject_auth_init(struct inject_common *c, size_t connections)
{
	if (!c->params->smtpd_sasl_auth_enable)
		return 0;
	metric_register(&metric_good);
	metric_register(&metric_bad);
	return pool_init(&c->auths, "inject_auths", sizeof(struct inject_auth), MIN(connections, (size_t)INJECT_AUTH_MAX));
}

void inject_auth_free(struct inject_common *c)
{
	if (c->params->smtpd_sasl_auth_enable)
		pool_done(&c->auths);
}

/* A unix socket is as private as TLS. */
bool inject_auth_is_offered(const struct inject_session *s)
{
	const struct inject_common *c = s->common;

	return c->passwords != NULL &&
	       (s->in_tls || s->peer.sa.sa_family == AF_UNIX || !c->params->smtpd_tls_auth_only);
}

static bool is_usable(const struct inject_common *c, unsigned mech)
{
	return !mechs[mech].is_scram || passwords_know_scram(c->passwords);
}

void inject_auth_add_offer(const struct inject_session *s, struct str *out)
{
	str_add(out, SLICE("250-AUTH"));
	for (unsigned i = 0; i < ARRAY_LEN(mechs); i++) {
		if (!is_usable(s->common, i))
			continue;
		str_add_char(out, ' ');
		str_add(out, mechs[i].name);
	}
	str_add(out, SLICE("\r\n"));
}

/* --- how it ends ---------------------------------------------------------------------------------- */

void inject_auth_end(struct inject_session *s)
{
	if (s->auth == NULL)
		return;
	ASSERT(s->wait != INJECT_WAIT_HELPER);
	explicit_bzero(s->auth, sizeof(*s->auth));
	pool_put(&s->common->auths, &s->auth);
}

static void log_failure(const struct inject_session *s, const char *why)
{
	struct slice peer = inject_session_peer(s);

	log_line(LOG_LEVEL_WARNING, "smtpd", "%.*s: SASL %.*s authentication failed: %s", SLICE_FMT(peer),
		 SLICE_FMT(mechs[s->auth->mech].name), why);
}

static void count_failure(struct inject_session *s)
{
	metric_add(&metric_bad, 1);
	if (++s->auth_failures >= INJECT_AUTH_TRIES_MAX)
		inject_session_give_up(s, "421 4.7.0 Too many errors");
}

/* The client has made a mistake, or has changed its mind: no secret of ours is touched, and nobody has to wait. */
static void stop(struct inject_session *s, const char *reply)
{
	log_failure(s, reply);
	inject_auth_end(s);
	inject_enter(s, INJECT_READY);
	inject_reply(s, reply);
	count_failure(s);
}

/* Whoever tries passwords gets his answers late; the session's owner has the clock. */
static void fail(struct inject_session *s)
{
	log_failure(s, "authentication failure");
	s->wait = INJECT_WAIT_DELAY;
}

void inject_auth_refuse(struct inject_session *s)
{
	ASSERT(s->wait == INJECT_WAIT_DELAY);
	s->wait = INJECT_WAIT_NOTHING;
	inject_auth_end(s);
	inject_enter(s, INJECT_READY);
	inject_reply(s, "535 5.7.8 Authentication credentials invalid");
	count_failure(s);
	s->on_resume(s);
}

static void succeed(struct inject_session *s)
{
	const struct inject_auth *a = s->auth;

	metric_add(&metric_good, 1);
	s->authenticated = true;
	s->auth_failures = 0;
	s->auth_mech = mechs[a->mech].name.ptr;
	s->user_len = (uint16_t)a->user_len;
	memcpy(s->user, a->user, a->user_len);
	inject_auth_end(s);
	inject_enter(s, INJECT_READY);
	inject_reply(s, "235 2.7.0 Authentication successful");
}

/* --- passwords ------------------------------------------------------------------------------------ */

/* On the helper's thread. */
static void verify(struct helper_job *job)
{
	struct inject_auth *a = container_of(job, struct inject_auth, job);

	a->matches = password_matches(&a->password, a->text);
	explicit_bzero(a->text, sizeof(a->text));
}

static void on_verified(struct helper_job *job)
{
	struct inject_auth *a = container_of(job, struct inject_auth, job);
	struct inject_session *s = a->session;

	CHECK_MAGIC(s, INJECT_SESSION_MAGIC);
	ASSERT(s->auth == a && s->wait == INJECT_WAIT_HELPER);
	s->wait = INJECT_WAIT_NOTHING;
	if (!a->matches)
		fail(s);
	else
		succeed(s);
	s->on_resume(s);
}

static bool keep(char *storage, size_t max, struct slice text)
{
	if (text.len == 0 || text.len > max || memchr(text.ptr, '\0', text.len) != NULL)
		return false;
	memcpy(storage, text.ptr, text.len);
	storage[text.len] = '\0';
	return true;
}

static bool keep_user(struct inject_auth *a, struct slice user)
{
	a->user_len = user.len;
	return keep(a->user, PASSWORD_USER_MAX, user);
}

static void begin_verify(struct inject_session *s, struct slice text)
{
	struct inject_auth *a = s->auth;

	if (!keep(a->text, PASSWORD_MAX, text)) {
		stop(s, malformed);
		return;
	}
	passwords_find(s->common->passwords, slice_of(a->user, a->user_len), &a->password);
	a->job.work = verify;
	a->job.done = on_verified;
	s->wait = INJECT_WAIT_HELPER;
	s->common->submit(&a->job, s->common->submit_context);
}

/* [ authorisation id ] NUL user NUL password (RFC 4616). */
static void plain_step(struct inject_session *s, struct slice text)
{
	const ptrdiff_t first = slice_find_char(text, 0, '\0');
	const ptrdiff_t second = first < 0 ? -1 : slice_find_char(text, (size_t)first + 1, '\0');

	if (second < 0) {
		stop(s, malformed);
		return;
	}
	const struct slice authzid = slice_head(text, (size_t)first);
	const struct slice user = slice_of(text.ptr + first + 1, (size_t)(second - first) - 1);

	slice_skip(&text, (size_t)second + 1);
	if (!keep_user(s->auth, user) || (authzid.len > 0 && !slice_eq(authzid, user)))
		stop(s, malformed);
	else
		begin_verify(s, text);
}

static void login_step(struct inject_session *s, struct slice text)
{
	if (s->auth->step == INJECT_AUTH_SECOND) {
		begin_verify(s, text);
		return;
	}
	if (!keep_user(s->auth, text)) {
		stop(s, malformed);
		return;
	}
	s->auth->step = INJECT_AUTH_SECOND;
	inject_reply(s, "334 UGFzc3dvcmQ6");	/* "Password:" */
}

/* --- SCRAM ---------------------------------------------------------------------------------------- */

static void challenge(struct inject_session *s, struct slice text)
{
	char storage[INJECT_REPLY_MAX * 2];
	struct str reply = STR(storage);

	str_add(&reply, SLICE("334 "));
	if (base64_add_encoded(&reply, text) < 0 || str_is_full(&reply)) {
		stop(s, malformed);
		return;
	}
	inject_reply(s, str_cstr(&reply));
}

static int scram_first(struct inject_auth *a, const struct passwords *passwords, struct slice text, struct str *out)
{
	struct str user = str_over(a->user, PASSWORD_USER_MAX);
	int r = scram_server_first(&a->scram, text, &user);

	if (r < 0)
		return r;
	a->user_len = user.len;
	a->step = INJECT_AUTH_SECOND;
	passwords_find(passwords, slice_of(a->user, a->user_len), &a->password);
	return scram_server_challenge(&a->scram, &a->password.scram, out);
}

static void scram_step(struct inject_session *s, struct slice text)
{
	struct inject_auth *a = s->auth;
	char storage[2 * SCRAM_TEXT_MAX];
	struct str out = STR(storage);
	int r = 0;

	if (a->step == INJECT_AUTH_OVER) {
		if (text.len == 0)
			succeed(s);
		else
			stop(s, malformed);
		return;
	}
	if (a->step == INJECT_AUTH_FIRST) {
		r = scram_first(a, s->common->passwords, text, &out);
	} else {
		r = scram_server_final(&a->scram, text, &out);
		a->step = INJECT_AUTH_OVER;
	}
	if (r == -EKEYREJECTED)
		fail(s);
	else if (r < 0)
		stop(s, malformed);
	else
		challenge(s, str_slice(&out));
}

/* --- the exchange --------------------------------------------------------------------------------- */

static void step(struct inject_session *s, struct slice text64)
{
	char storage[SMTP_LINE_MAX];
	struct str text = STR(storage);

	if (base64_add_decoded(&text, text64) < 0)
		stop(s, "501 5.5.2 That is no base64");
	else
		mechs[s->auth->mech].step(s, str_slice(&text));
	explicit_bzero(storage, text.len);
}

static int find_mech(const struct inject_common *c, struct slice name)
{
	for (unsigned i = 0; i < ARRAY_LEN(mechs); i++)
		if (slice_eq_nocase(name, mechs[i].name) && is_usable(c, i))
			return (int)i;
	return -1;
}

void inject_auth_begin(struct inject_session *s, struct slice argument)
{
	const ptrdiff_t blank = slice_find_char(argument, 0, ' ');
	const struct slice name = slice_head(argument, blank < 0 ? argument.len : (size_t)blank);
	const int mech = find_mech(s->common, name);

	if (s->authenticated) {
		inject_reply(s, "503 5.5.1 You have authenticated already");
		return;
	}
	if (mech < 0) {
		inject_reply(s, "504 5.5.4 This mechanism is not offered");
		return;
	}
	s->auth = pool_take(&s->common->auths);
	if (s->auth == NULL) {
		inject_reply(s, "454 4.7.0 Too many clients authenticate at present, try again later");
		return;
	}
	memset(s->auth, 0, sizeof(*s->auth));
	s->auth->session = s;
	s->auth->mech = (unsigned)mech;
	inject_enter(s, INJECT_AUTH);
	slice_skip(&argument, MIN(argument.len, name.len + 1));
	s->heard_secret = true;
	if (argument.len == 0)
		inject_reply(s, mechs[mech].challenge);
	else
		step(s, slice_eq(argument, SLICE("=")) ? SLICE("") : argument);
}

void inject_auth_line(struct inject_session *s, struct slice line, bool is_bad)
{
	s->heard_secret = true;
	if (is_bad)
		stop(s, malformed);
	else if (slice_eq(line, SLICE("*")))
		stop(s, "501 5.7.0 Authentication cancelled");
	else
		step(s, line);
}
