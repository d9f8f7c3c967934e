#include "net/delivery/tls_event.h"

#include "core/clock.h"
#include "net/delivery/delivery_internal.h"
#include "net/lookup/idna.h"

struct metric metric_tls_events_lost =
	METRIC_COUNTER("ringpost_tls_events_lost_total", "connections that no TLS report will count: there was no memory");

/* --- texts ------------------------------------------------------------------------------------ */

static void add_ascii(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.len && out->len + 1 < out->cap; i++)
		str_add_char(out, text.ptr[i] >= 0x20 && text.ptr[i] < 0x7f ? text.ptr[i] : '?');
}

static void set(char *field, size_t size, struct slice text)
{
	struct str out = str_over(field, size);

	add_ascii(&out, text);
	(void)str_cstr(&out);		/* add_ascii leaves room */
}

#define SET(field, text) set(field, sizeof(field), text)

static void set_lines(char *field, size_t size, const struct slice lines[], unsigned count)
{
	struct str out = str_over(field, size);

	for (unsigned i = 0; i < count; i++) {
		if (lines[i].len == 0 || lines[i].len > TLS_EVENT_LINE || out.len + lines[i].len + 2 > size)
			continue;
		if (out.len > 0)
			str_add_char(&out, '\n');
		add_ascii(&out, lines[i]);
	}
	(void)str_cstr(&out);
}

static void set_ip(char *field, size_t size, const struct addr *a)
{
	struct str out = str_over(field, size);

	if (a->len > 0 && a->sa.sa_family != AF_UNIX)
		addr_add_ip(&out, a);
	(void)str_cstr(&out);
}

/* As A-labels, in lower case. False: it is a number, or no name. */
static bool set_domain(char field[TLS_EVENT_NAME], struct slice domain)
{
	struct str out = str_over(field, TLS_EVENT_NAME);
	struct addr number;

	if (addr_parse_ip(domain, 0, &number) == 0 || idna_to_ascii(domain, false, &out) < 0 || out.len == 0 ||
	    out.len + 1 > out.cap)
		return false;
	for (size_t i = 0; i < out.len; i++)
		field[i] = ascii_lower(field[i]);
	return str_cstr(&out) != NULL;
}

/* --- what is asked ---------------------------------------------------------------------------- */

static bool is_wanted(const struct delivery *d, const struct session_tls *t, const struct message *msg)
{
	const struct params *p = d->conf.params;

	return d->conf.tls_event != NULL && p->smtp_tlsrpt_enable && !p->is_lmtp && t != NULL &&
	       t->level > TLS_LEVEL_NONE && p->smtp_tls_security_level > TLS_LEVEL_NONE &&
	       tls_demand_of(p, msg) != TLS_DEMAND_LESS && !(msg->facts & MESSAGE_TLS_REPORT);
}

static void set_policy(struct tls_event *e, const struct tls_policy *policy)
{
	const struct tls_policy_sts *sts = &policy->sts;

	e->policy_type = sts->has_type ? sts->type : TLSRPT_NO_POLICY;
	if (sts->domain.len == 0 || !set_domain(e->policy_domain, sts->domain))
		memcpy(e->policy_domain, e->domain, sizeof(e->domain));
	set_lines(e->strings, sizeof(e->strings), sts->strings, sts->string_count);
	set_lines(e->patterns, sizeof(e->patterns), sts->patterns, sts->pattern_count);
}

/* RFC 8460 1.1, 4.4: the domain is the one that the records stand below. */
static void set_tlsa(struct tls_event *e, const struct session_tls *t)
{
	struct slice lines[TLS_DANE_RECORDS_MAX];
	char storage[TLS_EVENT_STRINGS];
	struct str all = STR(storage);
	unsigned count = 0;

	for (unsigned i = 0; i < t->check.dane->count; i++) {
		size_t from = all.len;

		tls_dane_describe(t->check.dane, i, &all);
		if (str_is_full(&all))
			break;
		lines[count++] = slice_of(all.ptr + from, all.len - from);
	}
	e->policy_type = TLSRPT_TLSA;
	(void)set_domain(e->policy_domain, t->servername);	/* or else it stays the recipients' */
	set_lines(e->strings, sizeof(e->strings), lines, count);
}

struct tls_event *tls_event_take(struct delivery *d, const struct tls_policy_peer *peer,
				 const struct tls_policy *policy, const struct session_tls *t,
				 const struct message *msg)
{
	if (!is_wanted(d, t, msg))
		return NULL;
	struct tls_event *e = pool_take(&d->tls_events);

	if (e == NULL) {
		metric_add(&metric_tls_events_lost, 1);
		return NULL;
	}
	memset(e, 0, sizeof(*e));
	e->magic = TLS_EVENT_MAGIC;
	e->core = d->conf.core;
	if (!set_domain(e->domain, peer->domain)) {
		pool_put(&d->tls_events, &e);
		return NULL;
	}
	set_policy(e, policy);
	if (t->check.dane != NULL && !t->check.dane->is_local)
		set_tlsa(e, t);
	SET(e->mx, peer->host);
	return e;
}

/* --- how it went ------------------------------------------------------------------------------ */

/* Why a certificate was not good enough. */
static enum tlsrpt_result result_of_mismatch(const struct session_tls *t)
{
	const struct tls_verdict *v = &t->tls.verdict;

	if (t->failure != TLSRPT_SUCCESS)
		return t->failure;
	if (t->check.dane != NULL && t->level < TLS_LEVEL_VERIFY)	/* anchors of a file are no records */
		return TLSRPT_TLSA_INVALID;	/* none of the records is of this server (RFC 8460 4.3.2.1) */
	if (t->level == TLS_LEVEL_FINGERPRINT)
		return TLSRPT_VALIDATION_FAILURE;
	if (v->is_trusted)
		return TLSRPT_CERTIFICATE_HOST_MISMATCH;
	if (v->why != NULL && strcmp(v->why, TLS_WHY_EXPIRED) == 0)
		return TLSRPT_CERTIFICATE_EXPIRED;
	if (v->why != NULL && strcmp(v->why, TLS_WHY_SELF_SIGNED) == 0)
		return TLSRPT_VALIDATION_FAILURE;
	return TLSRPT_CERTIFICATE_NOT_TRUSTED;
}

/* False: nothing of it was about TLS. */
static bool set_result(struct tls_event *e, const struct session *s)
{
	const struct session_tls *t = s->tls;

	switch (s->failure.tls) {
	case SESSION_TLS_NOT_OFFERED:
	case SESSION_TLS_NO_STARTTLS:
	case SESSION_TLS_REFUSED:
	case SESSION_TLS_NO_STARTTLS_NOW:
		e->result = TLSRPT_STARTTLS_NOT_SUPPORTED;
		return true;
	case SESSION_TLS_INJECTED:
	case SESSION_TLS_HANDSHAKE:
		e->result = TLSRPT_VALIDATION_FAILURE;
		SET(e->reason, slice_of_str(s->failure.tls == SESSION_TLS_INJECTED ? "data behind the reply to STARTTLS" :
					    "TLS handshake failed"));
		return true;
	case SESSION_TLS_MISMATCH:
		e->result = result_of_mismatch(t);
		SET(e->reason, slice_of_str(!t->tls.verdict.is_trusted && t->tls.verdict.why != NULL ?
					    t->tls.verdict.why : ""));
		return true;
	case SESSION_TLS_UNAVAILABLE:		/* our own */
		return false;
	case SESSION_TLS_NO_REQUIRETLS:
	case SESSION_TLS_FINE:
		break;
	}
	if (t->was_on && t->tls.is_resumed && s->params->smtp_tlsrpt_skip_reused_handshakes)
		return false;
	e->result = t->was_on ? t->failure : TLSRPT_STARTTLS_NOT_SUPPORTED;
	return t->was_on || t->was_refused;
}

void tls_event_tell(struct delivery *d, struct tls_event **event, const struct session *s)
{
	struct tls_event *e = *event;

	if (e == NULL)
		return;
	*event = NULL;
	if (!set_result(e, s)) {
		pool_put(&d->tls_events, &e);
		return;
	}
	e->wall_ns = clock_wall_ns();
	SET(e->helo, smtp_caps_name(&s->caps));
	set_ip(e->sending_ip, sizeof(e->sending_ip), &s->conn.local);
	set_ip(e->receiving_ip, sizeof(e->receiving_ip), &s->conn.remote);
	d->conf.tls_event(d->conf.tls_event_context, e);
}

void tls_event_back(struct note *note)
{
	struct tls_event *e = container_of(note, struct tls_event, note);

	CHECK_MAGIC(e, TLS_EVENT_MAGIC);
	pool_put(&delivery_self()->tls_events, &e);
}
