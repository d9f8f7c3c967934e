/* session_hello.c - from the greeting to the first transaction (B 6.3, 6.4)
 *
 *	greeting -> EHLO -(refused)-> HELO -> open
 *	         '-> HELO            (no extension wanted, or none gets through)
 *	         '-> LHLO            (LMTP: nothing to fall back to)
 */
#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/smtp/quirks.h"
#include "net/smtp/session_internal.h"
#include "net/wire/smtp_command.h"

/* --- when it comes to nothing ----------------------------------------------------------------- */

/* It is in good order that we do not go on: say QUIT. */
static void fail(struct session *s, int err)
{
	s->failure.state = s->state;
	s->failure.err = err;
	if (err == ERR_TABLE)
		session_raise(s, NOTIFY_DATA);
	session_quit(s);
}

static void fail_by_reply(struct session *s, const struct smtp_reply *reply)
{
	struct session_failure *f = &s->failure;
	struct str text = STR(f->text);
	struct slice line, rest = reply->text;

	f->code = reply->code;
	f->dsn = reply->enhanced;
	f->is_last = s->state == SESSION_GREETING && reply->code / 100 == 4 && !s->params->smtp_skip_4xx_greeting;
	while (smtp_reply_next_line(&rest, &line)) {
		str_add_cstr(&text, text.len > 0 ? " " : "");
		str_add_printable(&text, line, sizeof(f->text));
	}
	f->text_len = text.len;
	session_raise_by_reply(s, reply);
	fail(s, 0);
}

/* --- what tables and lists say of this server ------------------------------------------------- */

static struct slice server_ip(const struct session *s, struct str *storage)
{
	addr_add_ip(storage, &s->conn.remote);
	return str_slice(storage);
}

static uint32_t quirks_for(const struct session *s, struct slice greeting)
{
	char storage[ADDR_TEXT_MAX], text[128];
	struct str ip = STR(storage), words = STR(text);

	if (!quirks_greeting_is_masked(greeting))
		return 0;
	uint32_t quirks = quirks_of_server(s->params, server_ip(s, &ip));

	quirks_add_names(&words, quirks);
	if (quirks != 0)
		log_line(LOG_LEVEL_INFO, "smtp", "enabling PIX workarounds: %s for %.*s", str_cstr(&words),
			 SLICE_FMT(session_relay(s)));
	return quirks;
}

static void log_discarded(const struct session *s)
{
	char storage[512];
	struct str line = STR(storage);

	str_add_cstr(&line, "discarding EHLO keywords:");
	for (uint32_t bit = 1; bit != 0 && bit <= s->caps.discarded; bit <<= 1)
		if (s->caps.discarded & bit)
			str_printf(&line, " %s", smtp_cap_name(bit));
	str_printf(&line, " (offered by %.*s)", SLICE_FMT(session_peer(s)));
	log_put(LOG_LEVEL_INFO, "smtp", str_slice(&line));
}

/* False: the session has failed. */
static bool take_caps(struct session *s, const struct smtp_reply *reply)
{
	char storage[ADDR_TEXT_MAX];
	struct str ip = STR(storage);
	struct quirks_discard discard;
	int r = quirks_discard_of_server(s->params, server_ip(s, &ip), &discard);

	if (r < 0) {
		log_line(LOG_LEVEL_WARNING, "smtp", "smtp_discard_ehlo_keyword_address_maps: lookup of %.*s failed: %s",
			 (int)ip.len, ip.ptr, err_text(r));
		fail(s, ERR_TABLE);
		return false;
	}
	smtp_ehlo_parse(reply, discard.caps, &s->caps);
	if (s->params->smtp_send_xforward_command)
		s->xforward = s->caps.xforward;
	if (s->caps.discarded != 0 && !discard.silent)
		log_discarded(s);
	if (s->caps.implied_8bitmime)
		log_line(LOG_LEVEL_INFO, "smtp", "host %.*s offers SMTPUTF8 support, but not 8BITMIME",
			 SLICE_FMT(session_peer(s)));
	return true;
}

/* --- the greeting ----------------------------------------------------------------------------- */

static bool is_our_name(const struct session *s, struct slice name)
{
	return s->loop_check && slice_eq_nocase(name, slice_of_str(s->params->myhostname));
}

static struct slice take_word(struct slice *line)
{
	size_t n = 0;

	while (line->len > 0 && line->ptr[0] == ' ')
		slice_skip(line, 1);
	while (n < line->len && line->ptr[n] != ' ')
		n++;
	struct slice word = slice_head(*line, n);

	slice_skip(line, n);
	return word;
}

/* The first word is the server's name; the word ESMTP may stand anywhere, also in its place (case 160). Only the code
 * of the first line has to be left out: those of later lines are no word we look for. */
static void read_greeting(struct session *s, struct slice text)
{
	struct slice line, word;

	for (bool first = true; smtp_reply_next_line(&text, &line); first = false) {
		if (first) {
			slice_skip(&line, MIN(line.len, 4));
			struct slice rest = line;

			if (is_our_name(s, take_word(&rest)))
				log_line(LOG_LEVEL_WARNING, "smtp", "host %.*s greeted me with my own hostname %s",
					 SLICE_FMT(session_peer(s)), s->params->myhostname);
		}
		while ((word = take_word(&line)).len > 0)
			s->esmtp_seen |= slice_eq_nocase(word, SLICE("ESMTP"));
	}
}

static void say_hello(struct session *s, enum smtp_verb verb)
{
	struct str command = conn_command(&s->conn, SMTP_COMMAND_SEND_MAX);

	session_enter(s, verb == SMTP_VERB_EHLO ? SESSION_EHLO : verb == SMTP_VERB_LHLO ? SESSION_LHLO : SESSION_HELO);
	if (smtp_command_add_hello(&command, verb, slice_of_str(s->params->smtp_helo_name)) < 0) {
		session_lose(s, -EBADMSG);
		return;
	}
	session_say(s, &command);
}

void session_hello_greeting(struct session *s, const struct smtp_reply *reply)
{
	const struct params *p = s->params;

	if (reply->code / 100 != 2) {
		fail_by_reply(s, reply);
		return;
	}
	s->quirks = quirks_for(s, reply->text);
	read_greeting(s, reply->text);
	if (s->lmtp)
		say_hello(s, SMTP_VERB_LHLO);	/* no other hello follows when it fails (RFC 2033 4.1, case 631) */
	else if (p->smtp_never_send_ehlo || (s->quirks & QUIRK_DISABLE_ESMTP))
		say_hello(s, SMTP_VERB_HELO);
	else
		say_hello(s, p->smtp_always_send_ehlo || s->esmtp_seen ? SMTP_VERB_EHLO : SMTP_VERB_HELO);
}

/* --- EHLO, HELO, LHLO ------------------------------------------------------------------------- */

static void become_open(struct session *s)
{
	session_enter(s, SESSION_OPEN);
	s->reusable = true;
	s->events->ready(s);
}

void session_hello_ehlo(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code == 421) {
		fail_by_reply(s, reply);
		return;
	}
	if (reply->code / 100 != 2) {
		say_hello(s, SMTP_VERB_HELO);	/* an old server, and no offence */
		return;
	}
	if (!take_caps(s, reply))
		return;
	if (is_our_name(s, smtp_caps_name(&s->caps))) {
		fail(s, -ELOOP);
		return;
	}
	become_open(s);
}

void session_hello_helo(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2) {
		fail_by_reply(s, reply);
		return;
	}
	memset(&s->caps, 0, sizeof(s->caps));
	if (s->state == SESSION_LHLO && !take_caps(s, reply))
		return;
	become_open(s);
}
