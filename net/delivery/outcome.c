#include "net/delivery/outcome.h"

#include <errno.h>

#include "core/err.h"
#include "core/maps.h"

#define REASON_MAX 1024u	/* row LOG-02: what a peer chose stays small in every record and log line */

struct slice outcome_keep_text(struct attempt *a, struct slice text)
{
	size_t n = MIN(text.len, (size_t)REASON_MAX);
	/* Recipients of one reply share one reason: looking at the latest is enough to find it again. */
	struct slice latest = slice_of(a->text + a->text_last, a->text_len - a->text_last);

	if (slice_eq(latest, slice_head(text, n)))
		return latest;
	n = MIN(n, ATTEMPT_TEXT - a->text_len);
	memcpy(a->text + a->text_len, text.ptr, n);
	a->text_last = a->text_len;
	a->text_len += (uint32_t)n;
	return slice_of(a->text + a->text_last, n);
}

struct outcome outcome_of_reply(enum session_state step, const struct smtp_reply *reply)
{
	switch (reply->code / 100) {
	case 2:
		if (step == SESSION_FINAL_DOT)
			return (struct outcome){ OUTCOME_SENT, reply->enhanced };
		/* "Yes" where only "no" or "go on" makes sense: 250 to DATA (row SMG-09). */
		return (struct outcome){ OUTCOME_HARD, { 5, 5, 0 } };
	case 4:
		return (struct outcome){ OUTCOME_SOFT, reply->enhanced };
	case 5:
		return (struct outcome){ OUTCOME_HARD, reply->enhanced };
	default:
		return (struct outcome){ OUTCOME_HARD, { 5, 5, 0 } };	/* 3xx where it is not due (B 6.2) */
	}
}

bool outcome_is_local(int err)
{
	switch (err) {
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
	case -ENOBUFS:
	case -ENOSPC:
	case -EDQUOT:
	case -EROFS:
	case -EIO:
	case -EUSERS:	/* main.cf: smtp_service_flags */
	case -ETIME:	/* our own disk was waited for too long */
	case ERR_CORRUPT:
		return true;
	default:
		return false;
	}
}

struct outcome outcome_of_error(enum session_state step, int err)
{
	if (outcome_is_local(err))
		return (struct outcome){ OUTCOME_SOFT, { 4, 3, err == -EUSERS ? 5 : 0 } };
	switch (err) {
	case -EMSGSIZE:		/* larger than the server's SIZE: no other of its hosts is asked (B 10.1) */
		return (struct outcome){ OUTCOME_HARD, { 5, 3, 4 } };
	case -EILSEQ:	/* SMTPUTF8 is needed and not offered (B 20) */
		return (struct outcome){ OUTCOME_HARD, { 5, 6, 7 } };
	case -EBADMSG:		/* an address no command line can carry */
		return (struct outcome){ OUTCOME_HARD, { 5, 1, step == SESSION_MAIL ? 7 : 3 } };
	case ERR_PROTO:		/* B 26.2: nothing more can be believed; in mid-body B 15.6 has its own code */
		return (struct outcome){ OUTCOME_SOFT,
					 { 4, step == SESSION_BODY ? 4 : 5, step == SESSION_BODY ? 2 : 0 } };
	case -EALREADY:		/* somebody may have put it there */
		return (struct outcome){ OUTCOME_SOFT, { 4, 7, 0 } };
	case -EOPNOTSUPP:	/* an extension that it announced: BDAT */
		return (struct outcome){ OUTCOME_SOFT, { 4, 5, 1 } };
	case -ELOOP:
		return (struct outcome){ OUTCOME_HARD, { 5, 4, 6 } };
	case ERR_TABLE:		/* about this host: the next one is asked (B 6.5); or is_ours, and none is */
		return (struct outcome){ OUTCOME_SOFT, { 4, 3, 0 } };
	default:
		break;
	}
	if (step == SESSION_CONNECT)
		return (struct outcome){ OUTCOME_SOFT, { 4, 4, 1 } };
	return (struct outcome){ OUTCOME_SOFT, { 4, 4, 2 } };
}

/* --- reasons ---------------------------------------------------------------------------------- */

static void add_reply_text(struct str *out, struct slice text)
{
	size_t from = out->len;

	str_add_cut(out, text, REASON_MAX - 200);
	out->full = false;
	for (size_t i = from; i < out->len; i++)
		if (out->ptr[i] == '\n')
			out->ptr[i] = ' ';
}

static void reason_of_reply(struct str *out, const struct verdict *v, struct slice peer)
{
	const char *command = session_state_command(v->step);

	if (v->reply->code / 100 == 2 && v->step == SESSION_FINAL_DOT) {
		add_reply_text(out, v->reply->text);
		return;
	}
	str_add_cstr(out, "host ");
	str_add(out, peer);
	str_add_cstr(out, " said: ");
	add_reply_text(out, v->reply->text);
	if (command != NULL) {
		str_add_cstr(out, " (in reply to ");
		str_add_cstr(out, command);
		str_add_char(out, ')');
	}
}

static void reason_of_error(struct str *out, enum session_state step, int err, struct slice peer)
{
	const char *words = session_state_words(step);

	if (err == ERR_CORRUPT) {
		str_add_cstr(out, "the stored message is damaged");
		return;
	}
	if (err == -EUSERS) {
		str_add_cstr(out, "mail system configuration error: smtp_service_flags D and O need "
				  "smtp_destination_recipient_limit = 1");
		return;
	}
	if (outcome_is_local(err)) {
		str_printf(out, "local error while %s: %s", words, err_text(err));
		return;
	}
	switch (err) {
	case -EMSGSIZE:
		str_printf(out, "message size exceeds size limit of server %.*s", SLICE_FMT(peer));
		break;
	case -EILSEQ:
		str_printf(out, "SMTPUTF8 is required, but was not offered by host %.*s", SLICE_FMT(peer));
		break;
	case -EBADMSG:
		str_add_cstr(out, step == SESSION_MAIL ? "sender address cannot be sent in an SMTP command" :
							 "recipient address cannot be sent in an SMTP command");
		break;
	case -ELOOP:
		str_add_cstr(out, "mail forwarding loop: it has been delivered to this address before");
		break;
	case -EOPNOTSUPP:
		str_printf(out, "host %.*s offers CHUNKING and knows no BDAT command", SLICE_FMT(peer));
		break;
	case ERR_TIMEOUT:
		str_printf(out, "conversation with %.*s timed out while %s", SLICE_FMT(peer), words);
		break;
	case ERR_TABLE:
		str_printf(out, "local data error while talking to %.*s", SLICE_FMT(peer));
		break;
	case -EALREADY:
		str_printf(out, "protocol error: %.*s sent a reply before MAIL FROM was sent", SLICE_FMT(peer));
		break;
	case ERR_PROTO:
		str_printf(out, "protocol error: %.*s sent something that is no reply while %s", SLICE_FMT(peer),
			   words);
		break;
	default:
		str_printf(out, "lost connection with %.*s while %s", SLICE_FMT(peer), words);
		break;
	}
}

static void reason_of_loop(struct str *out, const struct rcpt *rcpt)
{
	str_add_cstr(out, "mail forwarding loop for ");
	str_add_printable(out, rcpt->addr, MESSAGE_ADDR_MAX / 2);
}

static struct outcome outcome_of_verdict(const struct verdict *v)
{
	if (v->deliverable)
		return (struct outcome){ OUTCOME_SENT, v->reply->code / 100 == 2 ? v->reply->enhanced :
										    (struct enhanced_code){ 2, 0, 0 } };
	if (v->reply == NULL && v->err == ERR_CONTENT)
		return (struct outcome){ OUTCOME_HARD, v->failure.dsn };
	return v->reply != NULL ? outcome_of_reply(v->step, v->reply) : outcome_of_error(v->step, v->err);
}

void outcome_judge(struct attempt *a, struct rcpt *rcpt, const struct verdict *v, struct slice peer, bool soft_bounce)
{
	NOT_ZEROED char storage[REASON_MAX];
	struct str text = STR(storage);
	struct outcome o = outcome_of_verdict(v);

	if (v->deliverable)
		add_reply_text(&text, v->reply->text);
	else if (v->reply != NULL)
		reason_of_reply(&text, v, peer);
	else if (v->err == ERR_CONTENT)
		str_add_cstr(&text, v->failure.words);
	else if (v->err == -ELOOP)
		reason_of_loop(&text, rcpt);
	else
		reason_of_error(&text, v->step, v->err, peer);
	rcpt->is_softened = o.kind == OUTCOME_HARD && (soft_bounce || v->until_final);
	rcpt->outcome = (uint8_t)(rcpt->is_softened ? OUTCOME_SOFT : o.kind);
	rcpt->dsn = o.dsn;
	rcpt->phase = (uint8_t)v->step;
	rcpt->ambiguous = v->maybe_delivered;
	rcpt->text = outcome_keep_text(a, str_slice(&text));
}

bool outcome_is_until_final(const struct session *s)
{
	switch (s->failure.tls) {
	case SESSION_TLS_NO_STARTTLS:
	case SESSION_TLS_NO_STARTTLS_NOW:
	case SESSION_TLS_NO_REQUIRETLS:
		return true;
	case SESSION_TLS_MISMATCH:
		return s->requiretls == REQUIRETLS_ENFORCE;
	default:
		return false;
	}
}

struct outcome outcome_of_requiretls(struct slice host, enum param_requiretls policy, struct str *ret_text)
{
	if (policy == REQUIRETLS_ERROR) {
		str_printf(ret_text, "REQUIRETLS is required, and smtp_requiretls_policy could not be found for host %.*s",
			   SLICE_FMT(host));
		return (struct outcome){ OUTCOME_SOFT, { 4, 7, 10 } };
	}
	str_printf(ret_text, "REQUIRETLS is required, and our TLS policy asks %s of host %.*s",
		   policy == REQUIRETLS_ENFORCE ? "no matching certificate" : "no TLS", SLICE_FMT(host));
	return (struct outcome){ OUTCOME_HARD, { 5, 7, 10 } };
}

/* B 7.4 to 7.7, 7.10 */
static struct outcome outcome_of_tls(const struct session *s, struct str *ret_text)
{
	const struct session_failure *f = &s->failure;
	struct slice peer = session_peer(s);

	switch (f->tls) {
	case SESSION_TLS_NO_STARTTLS:
		str_printf(ret_text, "REQUIRETLS is required, but STARTTLS was not offered by host %.*s", SLICE_FMT(peer));
		return (struct outcome){ OUTCOME_HARD, { 5, 7, 30 } };
	case SESSION_TLS_NO_STARTTLS_NOW:
		str_printf(ret_text, "REQUIRETLS is required, but host %.*s refused to start TLS: ", SLICE_FMT(peer));
		add_reply_text(ret_text, slice_of(f->text, f->text_len));
		return (struct outcome){ OUTCOME_HARD, { 5, 7, 10 } };
	case SESSION_TLS_NO_REQUIRETLS:
		str_printf(ret_text, "REQUIRETLS is required, but was not offered by host %.*s", SLICE_FMT(peer));
		return (struct outcome){ OUTCOME_HARD, { 5, 7, 30 } };
	case SESSION_TLS_NOT_OFFERED:
		str_printf(ret_text, "TLS is required, but was not offered by host %.*s", SLICE_FMT(peer));
		return (struct outcome){ OUTCOME_SOFT, { 4, 7, 4 } };
	case SESSION_TLS_UNAVAILABLE:
		str_add_cstr(ret_text, "TLS is required, but our TLS engine is unavailable");
		return (struct outcome){ OUTCOME_SOFT, { 4, 7, 5 } };
	case SESSION_TLS_REFUSED:
		str_printf(ret_text, "TLS is required, but host %.*s refused to start TLS: ", SLICE_FMT(peer));
		add_reply_text(ret_text, slice_of(f->text, f->text_len));
		return (struct outcome){ f->code / 100 == 5 ? OUTCOME_HARD : OUTCOME_SOFT, f->dsn };
	case SESSION_TLS_INJECTED:
		str_printf(ret_text, "host %.*s sent something behind its reply to STARTTLS", SLICE_FMT(peer));
		return (struct outcome){ OUTCOME_SOFT, { 4, 7, 0 } };
	case SESSION_TLS_HANDSHAKE:
		str_printf(ret_text, "Cannot start TLS with %.*s: handshake failure", SLICE_FMT(peer));
		return (struct outcome){ OUTCOME_SOFT, { 4, 7, 5 } };
	case SESSION_TLS_MISMATCH:
		str_printf(ret_text, "Server certificate of %.*s not verified", SLICE_FMT(peer));
		return outcome_is_until_final(s) ? (struct outcome){ OUTCOME_HARD, { 5, 7, 10 } } :
						   (struct outcome){ OUTCOME_SOFT, { 4, 7, 5 } };
	case SESSION_TLS_FINE:
		break;
	}
	UNREACHABLE();
}

/* What the exchange itself came to. */
static const char *words_of_auth(int err)
{
	switch (err) {
	case -E2BIG:
		return "it never ends";
	case -ERANGE:
		return "the number of iterations is out of bounds";
	case -EBADMSG:
		return "a challenge is not base64";
	case -EMSGSIZE:
		return "a challenge is too long";
	case -EKEYREJECTED:
		return "the server has not proved that it knows the password";
	case ERR_PROTO:
		return "a challenge makes no sense";
	default:
		return "the mechanism has given up";
	}
}

/* B 8.5; a refusal for good is one only where the operator wants it so. */
static struct outcome outcome_of_refused_auth(const struct session *s, struct slice peer, struct str *ret_text)
{
	const struct session_failure *f = &s->failure;
	struct outcome o = { f->code / 100 == 5 ? OUTCOME_HARD : OUTCOME_SOFT, f->dsn };

	str_printf(ret_text, "SASL %sauthentication failed; server %.*s said: ",
		   f->auth == SESSION_AUTH_REMEMBERED ? "[CACHED] " : "", SLICE_FMT(peer));
	add_reply_text(ret_text, slice_of(f->text, f->text_len));
	if (f->code / 100 != 5 || s->params->smtp_sasl_auth_soft_bounce) {
		o.kind = OUTCOME_SOFT;
		o.dsn.class = 4;
	}
	return o;
}

static struct outcome outcome_of_auth(const struct session *s, struct slice peer, struct str *ret_text)
{
	const struct session_failure *f = &s->failure;
	const char *why = words_of_auth(f->err);
	struct outcome o = { OUTCOME_SOFT, { 4, 7, 0 } };

	switch (f->auth) {
	case SESSION_AUTH_REFUSED:
	case SESSION_AUTH_REMEMBERED:
		return outcome_of_refused_auth(s, peer, ret_text);
	case SESSION_AUTH_NONE_LEFT:
		why = "no mechanism available";
		break;
	case SESSION_AUTH_WEAKER:
		why = "all that it offers is weaker than what it has had";
		break;
	case SESSION_AUTH_UNVERIFIED:
		why = "its certificate has not been verified";
		break;
	case SESSION_AUTH_BROKEN:
	case SESSION_AUTH_FINE:
		break;
	}
	str_printf(ret_text, "SASL authentication failed; cannot authenticate to server %.*s: %s", SLICE_FMT(peer), why);
	if (f->auth == SESSION_AUTH_BROKEN && f->err == -ERANGE)
		o.dsn.detail = 8;
	else if (f->auth == SESSION_AUTH_BROKEN && f->err == -E2BIG)
		o.dsn = (struct enhanced_code){ 4, 3, 0 };
	return o;
}

struct outcome outcome_of_failure(const struct session *s, struct str *ret_text)
{
	const struct session_failure *f = &s->failure;
	struct slice peer = session_peer(s);

	if (f->tls != SESSION_TLS_FINE && !outcome_is_local(f->err))
		return outcome_of_tls(s, ret_text);
	if (f->auth != SESSION_AUTH_FINE && !outcome_is_local(f->err))
		return outcome_of_auth(s, peer, ret_text);
	if (f->code != 0) {
		struct outcome o = { f->code / 100 == 4 ? OUTCOME_SOFT : OUTCOME_HARD, f->dsn };

		/* A host that does not want us today may have a colleague who does (smtp_skip_5xx_greeting). Banners
		 * that are neither 4xx nor 5xx are odd, not final (B 6.3). */
		if (f->state == SESSION_GREETING && (s->params->smtp_skip_5xx_greeting || f->code / 100 != 5))
			o = (struct outcome){ OUTCOME_SOFT, { 4, f->dsn.subject, f->dsn.detail } };
		str_printf(ret_text, "host %.*s refused to talk to me: ", SLICE_FMT(peer));
		add_reply_text(ret_text, slice_of(f->text, f->text_len));
		return o;
	}
	if (f->err == -ELOOP)
		str_printf(ret_text, "mail for %.*s loops back to myself", SLICE_FMT(peer));
	else if (f->state == SESSION_CONNECT)
		str_printf(ret_text, "connect to %.*s: %s", SLICE_FMT(session_relay(s)), err_text(f->err));
	else
		reason_of_error(ret_text, f->state, f->err, peer);
	/* A better host was there, and may be again. */
	if (f->err == -ELOOP && s->is_worse_mx)
		return (struct outcome){ OUTCOME_SOFT, { 4, 4, 6 } };
	return outcome_of_error(f->state, f->err);
}

struct outcome outcome_of_bind_failure(const struct session *s, struct str *ret_text)
{
	str_printf(ret_text, "connect to %.*s: cannot bind the source address ", SLICE_FMT(session_relay(s)));
	addr_add_ip(ret_text, &s->conn.local);
	str_printf(ret_text, ": %s", err_text(s->failure.err));
	return (struct outcome){ OUTCOME_SOFT, { 4, 4, 0 } };
}

/* Too old: hard, with 5.4.7 and the last reason. */
static void expire(struct attempt *a, struct rcpt *rcpt)
{
	char storage[REASON_MAX];
	struct str text = STR(storage);

	str_add_cstr(&text, "delivery time expired; the last failure was: ");
	str_add_cut(&text, rcpt->text, REASON_MAX - 100);
	rcpt->outcome = OUTCOME_HARD;
	rcpt->dsn = (struct enhanced_code){ 5, 4, 7 };
	rcpt->text = outcome_keep_text(a, str_slice(&text));
}

void outcome_end_round(struct rcpt *rcpt)
{
	if (rcpt->outcome != OUTCOME_SOFT)
		return;
	rcpt->outcome = rcpt->is_softened ? OUTCOME_HARD : OUTCOME_DEFERRED;
	rcpt->is_softened = false;
}

/* "4.7.1 other words" in place of "5.7.1 words": between 4 and 5 the class may change, and so the outcome; what is sent
 * stays sent. False: that is no answer. */
static bool take_filtered(struct attempt *a, struct rcpt *rcpt, struct slice answer)
{
	struct enhanced_code dsn;

	if (!smtp_reply_parse_enhanced(answer, &dsn) || (dsn.class == 2) != (rcpt->outcome == OUTCOME_SENT))
		return false;
	while (answer.len > 0 && answer.ptr[0] == ' ')
		slice_skip(&answer, 1);
	while (answer.len > 0 && answer.ptr[0] != ' ' && answer.ptr[0] != '\t')
		slice_skip(&answer, 1);
	while (answer.len > 0 && (answer.ptr[0] == ' ' || answer.ptr[0] == '\t'))
		slice_skip(&answer, 1);
	rcpt->dsn = dsn;
	if (answer.len > 0) {
		char storage[REASON_MAX];
		struct str text = STR(storage);

		str_add_printable(&text, answer, REASON_MAX);
		rcpt->text = outcome_keep_text(a, str_slice(&text));
	}
	if (rcpt->outcome != OUTCOME_SENT)
		rcpt->outcome = dsn.class == 4 ? OUTCOME_DEFERRED : OUTCOME_HARD;
	return true;
}

static bool filter(struct attempt *a, struct rcpt *rcpt, const struct maps *maps)
{
	char storage[REASON_MAX + 32], found[REASON_MAX + 32];
	struct str key = STR(storage), value = STR(found);

	str_printf(&key, "%u.%u.%u ", rcpt->dsn.class, rcpt->dsn.subject, rcpt->dsn.detail);
	str_add_cut(&key, rcpt->text, REASON_MAX);
	int r = maps_find(maps, str_slice(&key), 0, &value);

	/* Whoever cannot be asked might have said that this is no bounce. */
	if (r < 0 && rcpt->outcome == OUTCOME_HARD) {
		rcpt->outcome = OUTCOME_DEFERRED;
		rcpt->dsn = (struct enhanced_code){ 4, 3, 0 };
	}
	return r == 0 || (r > 0 && take_filtered(a, rcpt, str_slice(&value)));
}

bool outcome_conclude(struct attempt *a, struct rcpt *rcpt, const struct params *p, bool expired)
{
	bool decided = rcpt->outcome == OUTCOME_SENT || rcpt->outcome == OUTCOME_HARD ||
		       rcpt->outcome == OUTCOME_DEFERRED;
	bool ok = !decided || p->smtp_delivery_status_filter == NULL ||
		  filter(a, rcpt, p->smtp_delivery_status_filter);

	/* A probe is asked once: whoever wants to know later asks again. */
	if (a->job->msg->facts & MESSAGE_PROBE) {
		rcpt->outcome = rcpt->outcome == OUTCOME_DEFERRED ? OUTCOME_HARD : rcpt->outcome;
	} else if (rcpt->outcome == OUTCOME_HARD && p->soft_bounce) {
		rcpt->outcome = OUTCOME_DEFERRED;
		rcpt->dsn.class = 4;
		rcpt->is_softened = true;
	} else if (rcpt->outcome == OUTCOME_DEFERRED && expired && !p->soft_bounce) {
		expire(a, rcpt);
	}
	return ok;
}

void outcome_apply(struct attempt *a, struct outcome outcome, enum session_state step, struct slice text)
{
	struct slice kept = outcome_keep_text(a, text);

	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = &a->job->msg->rcpts[i];

		if (r->state != RCPT_OPEN || r->outcome != OUTCOME_NONE)
			continue;
		r->outcome = (uint8_t)outcome.kind;
		r->dsn = outcome.dsn;
		r->phase = (uint8_t)step;
		r->ambiguous = false;
		r->is_softened = false;
		r->text = kept;
	}
}
