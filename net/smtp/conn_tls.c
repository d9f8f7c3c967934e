/* conn_tls.c - crypto/tls as a transform of a connection */
#include "core/clock.h"
#include "core/err.h"
#include "net/smtp/session_tls.h"

static struct session_tls *owner_of(struct conn_transform *transform)
{
	return container_of(transform, struct session_tls, transform);
}

static int unwrap(struct conn_transform *transform, struct slice *in, struct slice *ret_plain)
{
	struct session_tls *t = owner_of(transform);
	bool was_open = t->is_on;
	int r = tls_unwrap(&t->tls, clock_wall_ns(), in, ret_plain);

	if (!was_open && tls_is_open(&t->tls)) {
		t->is_on = true;
		t->was_on = true;
		transform->is_ready = true;
		t->opened(t);
		/* It has to wait for our EHLO (row TLS-15). */
		if (!t->is_wrapped && r > 0 && ret_plain->len > 0)
			return ERR_PROTO;
	}
	return r;
}

static int wrap(struct conn_transform *transform, const struct iovec *pieces, unsigned count, struct slice *ret_wire,
		size_t *ret_taken)
{
	return tls_wrap(&owner_of(transform)->tls, pieces, count, ret_wire, ret_taken);
}

void session_tls_hold(struct session_tls *t)
{
	t->is_held = t->context != NULL;
	if (t->is_held)
		tls_context_use(t->context);
}

int session_tls_begin(struct session_tls *t, void (*opened)(struct session_tls *t))
{
	const struct tls_wish wish = {
		.version_min = t->version_min,
		.version_max = t->version_max,
		.ciphers = t->ciphers[0] != '\0' ? t->ciphers : NULL,
		.servername = t->servername,
		.check = &t->check,
	};

	t->opened = opened;
	t->transform = (struct conn_transform){ .unwrap = unwrap, .wrap = wrap };
	return t->is_impossible ? ERR_SYNTAX : tls_open(&t->tls, t->room, t->context, &wish);
}

void session_tls_offer(struct session_tls *t, struct slice server_name)
{
	if (t->sessions == NULL)
		return;
	const struct slice parts[] = { slice_of((const char *)t->key.octets, sizeof(t->key.octets)), server_name };

	tls_key_make(&t->key, parts, ARRAY_LEN(parts));
	(void)tls_sessions_offer(t->sessions, &t->key, clock_wall_ns(), &t->tls);	/* t->tls says so, too */
}

void session_tls_keep(struct session_tls *t)
{
	if (t->is_on && t->sessions != NULL)
		tls_sessions_keep(t->sessions, &t->key, &t->tls);
}

static bool is_match_wanted(const struct session_tls *t)
{
	return t->level > TLS_LEVEL_ENCRYPT;
}

static bool is_match(const struct session_tls *t)
{
	const struct tls_verdict *v = &t->tls.verdict;

	if (t->failure != TLSRPT_SUCCESS)
		return false;
	return t->level == TLS_LEVEL_FINGERPRINT ? v->print_matches : v->is_trusted && v->name_matches;
}

const char *session_tls_status(const struct session_tls *t)
{
	const struct tls_verdict *v = &t->tls.verdict;

	if (!v->has_cert)
		return "Anonymous";
	if (session_tls_is_verified(t))
		return "Verified";
	return v->is_trusted ? "Trusted" : "Untrusted";
}

bool session_tls_is_mismatch(const struct session_tls *t)
{
	return is_match_wanted(t) && !is_match(t);
}

bool session_tls_is_verified(const struct session_tls *t)
{
	return is_match_wanted(t) && is_match(t) && !t->is_half_dane;
}

void session_tls_close(struct session_tls *t)
{
	t->transform.is_ready = false;
	tls_close(&t->tls);
}

void session_tls_done(struct session_tls *t)
{
	if (t->tls.is_offered && !t->was_on)
		tls_sessions_forget(t->sessions, &t->key);	/* it may have been the session's fault */
	tls_done(&t->tls);
	t->is_on = false;
	if (t->is_held)
		tls_context_unuse(t->context);
	t->is_held = false;
}
