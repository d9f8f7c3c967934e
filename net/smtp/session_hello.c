/* session_hello.c - from the greeting to the first transaction (B 6.3, 6.4)
 *
 *	greeting -> EHLO -(refused)-> HELO -> open			or STARTTLS, and EHLO again: session_tls.c
 *	                                                        and AUTH, before it is open: session_auth.c
 *	         '-> HELO            (no extension wanted, or none gets through)
 *	         '-> LHLO            (LMTP: nothing to fall back to)
 *
 * A masked greeting and a reply with keywords each lead to a question to tables. Another process has smtp_helo_timeout
 * to answer it; meanwhile the state stays, and nothing is said.
 */
#include <errno.h>

#include "core/err.h"
#include "core/log.h"
#include "net/smtp/quirks.h"
#include "net/smtp/session_internal.h"
#include "net/smtp/session_tls.h"
#include "net/wire/smtp_command.h"

/* --- when it comes to nothing ----------------------------------------------------------------- */

void session_hello_fail(struct session *s, int err)
{
	s->failure.state = s->state;
	s->failure.err = err;
	if (err == ERR_TABLE)
		session_raise(s, NOTIFY_DATA);
	session_quit(s);
}

void session_hello_fail_by_reply(struct session *s, const struct smtp_reply *reply)
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
	session_hello_fail(s, 0);
}

/* --- what tables and lists say of this server ------------------------------------------------- */

static void on_table_answer(struct maps_ask *ask, int found);
static void go_on(struct session *s, int found);

/* What tables say of the server's address; go_on follows, at once or later. */
static void ask_tables(struct session *s, const struct maps *maps, const struct smtp_reply *reply)
{
	struct str key = STR(s->ask_ip);

	ASSERT(!s->asks);
	s->ask_reply = *reply;
	s->ask_value = STR(s->work->answer);
	addr_add_ip(&key, &s->conn.remote);
	(void)str_cstr(&key);	/* for the log */
	if (!maps_need_io(maps)) {
		go_on(s, maps_find(maps, str_slice(&key), 0, &s->ask_value));
		return;
	}
	s->asks = true;
	s->deadline_key = UINT64_MAX;	/* the server's time is over, the table's begins */
	maps_ask(s->tables, &s->ask, maps, str_slice(&key), 0, &s->ask_value, on_table_answer);
}

static void enable_quirks(struct session *s, int found)
{
	char text[128];
	struct str words = STR(text);

	s->quirks = quirks_of_answer(s->params, found, str_slice(&s->ask_value));
	quirks_add_names(&words, s->quirks);
	if (s->quirks != 0)
		log_line(LOG_LEVEL_INFO, params_client_name(s->params), "enabling PIX workarounds: %s for %.*s", str_cstr(&words),
			 SLICE_FMT(session_relay(s)));
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
	log_put(LOG_LEVEL_INFO, params_client_name(s->params), str_slice(&line));
}

static void take_caps(struct session *s, int found)
{
	struct quirks_discard discard = quirks_discard_of_answer(s->params, found, str_slice(&s->ask_value));

	smtp_ehlo_parse(&s->ask_reply, discard.caps, &s->caps);
	if (s->tls == NULL || !s->tls->is_on)
		s->caps.bits &= ~(uint32_t)SMTP_CAP_REQUIRETLS;	/* anybody may have said that (RFC 8689 2) */
	if (s->params->smtp_send_xforward_command)
		s->xforward = s->caps.xforward;
	if (s->caps.discarded != 0 && !discard.silent)
		log_discarded(s);
	if (s->caps.implied_8bitmime)
		log_line(LOG_LEVEL_INFO, params_client_name(s->params), "host %.*s offers SMTPUTF8 support, but not 8BITMIME",
			 SLICE_FMT(session_peer(s)));
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
				log_line(LOG_LEVEL_WARNING, params_client_name(s->params), "host %.*s greeted me with my own hostname %s",
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

static void greet_back(struct session *s)
{
	const struct params *p = s->params;

	if (s->lmtp)
		say_hello(s, SMTP_VERB_LHLO);	/* no other hello follows when it fails (RFC 2033 4.1, case 631) */
	else if (p->smtp_never_send_ehlo || (s->quirks & QUIRK_DISABLE_ESMTP))
		say_hello(s, SMTP_VERB_HELO);
	else
		say_hello(s, p->smtp_always_send_ehlo || s->esmtp_seen ? SMTP_VERB_EHLO : SMTP_VERB_HELO);
}

void session_hello_greeting(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2) {
		session_hello_fail_by_reply(s, reply);
		return;
	}
	read_greeting(s, reply->text);
	if (quirks_greeting_is_masked(reply->text))
		ask_tables(s, s->params->smtp_pix_workaround_maps, reply);
	else
		greet_back(s);
}

/* --- EHLO, HELO, LHLO ------------------------------------------------------------------------- */

void session_hello_again(struct session *s)
{
	memset(&s->caps, 0, sizeof(s->caps));
	s->xforward = 0;
	say_hello(s, s->lmtp ? SMTP_VERB_LHLO : SMTP_VERB_EHLO);
}

void session_hello_open(struct session *s)
{
	if (!session_auth_begin(s))
		session_hello_ready(s);
}

void session_hello_ready(struct session *s)
{
	session_enter(s, SESSION_OPEN);
	s->reusable = true;
	s->events->ready(s);
}

void session_hello_ehlo(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code == 421) {
		session_hello_fail_by_reply(s, reply);
		return;
	}
	if (reply->code / 100 != 2) {
		say_hello(s, SMTP_VERB_HELO);	/* an old server, and no offence */
		return;
	}
	ask_tables(s, s->params->smtp_discard_ehlo_keyword_address_maps, reply);
}

static void open_with_caps(struct session *s, int found)
{
	if (found < 0) {
		log_line(LOG_LEVEL_WARNING, params_client_name(s->params),
			 "smtp_discard_ehlo_keyword_address_maps: lookup of %s failed: %s", s->ask_ip, err_text(found));
		session_hello_fail(s, ERR_TABLE);
		return;
	}
	take_caps(s, found);
	if (is_our_name(s, smtp_caps_name(&s->caps)))
		session_hello_fail(s, -ELOOP);
	else
		session_tls_decide(s);
}

void session_hello_helo(struct session *s, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 2) {
		session_hello_fail_by_reply(s, reply);
		return;
	}
	memset(&s->caps, 0, sizeof(s->caps));
	if (s->state == SESSION_LHLO)
		ask_tables(s, s->params->smtp_discard_ehlo_keyword_address_maps, reply);
	else
		session_tls_decide(s);
}

/* --- tables have answered --------------------------------------------------------------------- */

static void go_on(struct session *s, int found)
{
	if (s->state == SESSION_GREETING) {
		enable_quirks(s, found);
		greet_back(s);
	} else {
		open_with_caps(s, found);
	}
}

static void on_table_answer(struct maps_ask *ask, int found)
{
	struct session *s = container_of(ask, struct session, ask);

	CHECK_MAGIC(s, SESSION_MAGIC);
	ASSERT(s->asks && s->conn.state == CONN_OPEN);
	s->asks = false;
	s->in_callback = true;
	go_on(s, found);
	s->in_callback = false;
	session_pump(s);
}

void session_hello_table_late(struct session *s)
{
	maps_ask_cancel(&s->ask);
	on_table_answer(&s->ask, ERR_TIMEOUT);
}
