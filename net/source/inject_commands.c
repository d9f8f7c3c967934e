/* inject_commands.c - what each command does, and where it may stand */
#include "net/source/inject_impl.h"
#include "net/wire/utf8.h"
#include "net/wire/xtext.h"

/* --- which command when ------------------------------------------------------------------------- */

typedef void command_fn(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns);

static command_fn on_hello, on_mail, on_rcpt, on_data, on_bdat, on_rset, on_noop, on_quit, on_vrfy, on_help,
	on_xforward, on_starttls, on_auth;

/* Where a command may not stand, it is answered with 503, and changes nothing but what BDAT's octets demand. */
static const struct {
	uint32_t states;
	command_fn *fn;
	bool is_junk;		/* brings no mail */
} commands[SMTP_VERB_COUNT] = {
	[SMTP_VERB_HELO] = { ON_ANY, on_hello, true },
	[SMTP_VERB_EHLO] = { ON_ANY, on_hello, true },
	[SMTP_VERB_MAIL] = { ON_READY, on_mail, false },
	[SMTP_VERB_RCPT] = { ON_MAIL | ON_RCPT, on_rcpt, false },
	[SMTP_VERB_DATA] = { ON_RCPT, on_data, false },
	[SMTP_VERB_BDAT] = { ON_RCPT | ON_BDAT, on_bdat, false },
	[SMTP_VERB_RSET] = { ON_ANY, on_rset, true },
	[SMTP_VERB_NOOP] = { ON_ANY, on_noop, true },
	[SMTP_VERB_QUIT] = { ON_ANY, on_quit, false },
	[SMTP_VERB_VRFY] = { ON_ANY, on_vrfy, true },
	[SMTP_VERB_HELP] = { ON_ANY, on_help, true },
	[SMTP_VERB_XFORWARD] = { ON_READY, on_xforward, true },
	[SMTP_VERB_STARTTLS] = { ON_READY, on_starttls, true },
	[SMTP_VERB_AUTH] = { ON_READY, on_auth, true },
};

static void refuse_order(struct inject_session *s, const struct smtp_command *cmd)
{
	static const char *const replies[SMTP_VERB_COUNT] = {
		[SMTP_VERB_MAIL] = "503 5.5.1 MAIL does not belong here",
		[SMTP_VERB_RCPT] = "503 5.5.1 RCPT needs MAIL before it",
		[SMTP_VERB_DATA] = "503 5.5.1 DATA needs MAIL and RCPT before it",
		[SMTP_VERB_BDAT] = "503 5.5.1 BDAT needs MAIL and RCPT before it",
		[SMTP_VERB_XFORWARD] = "503 5.5.1 XFORWARD belongs before MAIL",
		[SMTP_VERB_STARTTLS] = "503 5.5.1 STARTTLS belongs before MAIL",
		[SMTP_VERB_AUTH] = "503 5.5.1 AUTH belongs before MAIL",
	};

	metric_add(&inject_metric_refused[INJECT_REFUSED_ORDER], 1);
	if (cmd->verb == SMTP_VERB_BDAT) {
		/* Its octets come in any case. The transaction is lost: RFC 3030 4.2. */
		inject_reset(s);
		s->failure = replies[cmd->verb];
		inject_content_chunk(s, cmd->chunk_size, cmd->chunk_last);
	} else {
		inject_reply(s, replies[cmd->verb]);
	}
	inject_count_error(s);
}

/* smtpd_tls_security_level = encrypt, as RFC 3207 4 has it. Of a transaction, to refuse MAIL is to refuse all. */
static bool needs_tls(const struct inject_session *s, enum smtp_verb verb)
{
	return s->common->params->smtpd_tls_security_level == INJECT_TLS_ENCRYPT && !s->in_tls &&
	       s->peer.sa.sa_family != AF_UNIX &&
	       (verb == SMTP_VERB_MAIL || verb == SMTP_VERB_VRFY || verb == SMTP_VERB_XFORWARD ||
		verb == SMTP_VERB_AUTH);
}

void inject_run_command(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	s->refused = false;
	s->tally[cmd->verb].all++;
	if (commands[cmd->verb].fn == NULL) {
		inject_reply(s, "502 5.5.1 EXPN is not offered");	/* EXPN; the others are not offered */
		inject_count_error(s);
		return;
	}
	if (needs_tls(s, cmd->verb)) {
		inject_reply(s, "530 5.7.0 Must issue a STARTTLS command first");
		inject_count_error(s);
		return;
	}
	if (!(commands[cmd->verb].states & BIT(s->state))) {
		refuse_order(s, cmd);
		return;
	}
	commands[cmd->verb].fn(s, cmd, wall_ns);
	s->tally[cmd->verb].good += !s->refused;
	if (commands[cmd->verb].is_junk && ++s->junk > INJECT_JUNK_MAX)
		inject_count_error(s);
}

/* --- commands ----------------------------------------------------------------------------------- */

/* A second hello ends the transaction as RSET does (RFC 5321 4.1.4). */
static void on_hello(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	struct slice name = slice_head(cmd->argument, sizeof(s->helo));

	(void)wall_ns;
	inject_reset(s);
	memcpy(s->helo, name.ptr, name.len);
	s->helo_len = (uint16_t)name.len;
	s->esmtp = cmd->verb == SMTP_VERB_EHLO;
	if (s->esmtp) {
		str_add(&s->out, SLICE("250-"));
		str_add(&s->out, s->common->hostname);
		str_add(&s->out, SLICE("\r\n"));
		if (s->may_forward)
			str_add(&s->out, SLICE("250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE\r\n"));
		if (s->common->offers_tls && !s->in_tls)
			str_add(&s->out, SLICE("250-STARTTLS\r\n"));
		if (s->in_tls && s->common->params->requiretls_enable)
			str_add(&s->out, SLICE("250-REQUIRETLS\r\n"));
		if (inject_auth_is_offered(s))
			inject_auth_add_offer(s, &s->out);
		str_add(&s->out, slice_of(s->common->ehlo, s->common->ehlo_len));
		ASSERT(!str_is_full(&s->out));
	} else {
		str_add(&s->out, SLICE("250 "));
		str_add(&s->out, s->common->hostname);
		inject_reply(s, "");
	}
	inject_enter(s, INJECT_READY);
}

/* From here on nobody quotes but whoever writes the address down again. */
static void add_internal(struct str *out, const struct address *path)
{
	if (path->is_quoted)
		address_unquote(out, path->mailbox);
	else
		str_add(out, path->mailbox);
	ASSERT(!str_is_full(out));
}

/* BODY=7BIT is no fact: facts_of looks. */
static uint32_t facts_of_mail(const struct smtp_command *cmd)
{
	uint32_t facts = 0;

	if (cmd->body == SMTP_BODY_8BITMIME)
		facts |= MESSAGE_BODY_8BITMIME;
	if (cmd->ret != SMTP_RET_NONE)
		facts |= cmd->ret == SMTP_RET_FULL ? MESSAGE_RET_FULL : MESSAGE_RET_HDRS;
	if (cmd->params & SMTP_PARAM_SMTPUTF8)
		facts |= MESSAGE_SMTPUTF8;
	if (cmd->params & SMTP_PARAM_REQUIRETLS)
		facts |= MESSAGE_REQUIRETLS;
	return facts;
}

static void on_mail(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	static const char no_room[] = "452 4.3.1 No room for new mail, try again later";
	static const char too_large[] = "552 5.3.4 Message is too large";
	uint64_t limit = s->common->params->message_size_limit;
	struct str sender = STR(s->sender);
	struct str envid = STR(s->envid);

	(void)wall_ns;
	if (limit > 0 && cmd->size > limit) {
		inject_refuse(s, INJECT_REFUSED_SIZE, "MAIL", too_large, SLICE(""));
		inject_reply(s, too_large);
		inject_count_error(s);
		return;
	}
	if (spool_accepts(s->common->spool) < 0) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_ROOM], 1);
		inject_reply(s, no_room);
		return;
	}
	add_internal(&sender, &cmd->path);
	s->sender_len = (uint16_t)sender.len;
	(void)xtext_decode(&envid, cmd->envid);	/* smtp_command_parse has looked at it, and at its length */
	s->envid_len = (uint16_t)envid.len;
	s->facts = facts_of_mail(cmd);
	inject_enter(s, INJECT_MAIL);
	inject_reply(s, "250 2.1.0 Ok");
}

static int add_rcpt(struct inject_session *s, const struct smtp_command *cmd)
{
	NOT_ZEROED char storage[ADDRESS_MAX + 1 + RECEIVED_NAME_MAX];
	NOT_ZEROED char orcpt_storage[SMTP_ORCPT_MAX];
	struct str addr = STR(storage);
	struct str orcpt = STR(orcpt_storage);

	add_internal(&addr, &cmd->path);
	/* Postmaster alone is ours (RFC 5321 4.5.1), and as we have no mailboxes it goes where our own name leads. */
	if (cmd->path.domain.len == 0) {
		str_add_char(&addr, '@');
		str_add(&addr, s->common->hostname);
	}
	if (cmd->orcpt.len > 0)
		smtp_orcpt_decode(&orcpt, cmd->orcpt);
	ASSERT(!str_is_full(&addr) && !str_is_full(&orcpt));
	const struct rcpt_facts rcpt = {
		.addr = str_slice(&addr), .orcpt = str_slice(&orcpt), .notify = cmd->notify,
	};

	return inject_rcpts_add(&s->rcpts, &s->common->rcpt_blocks, &rcpt);
}

static void on_rcpt(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	static const char denied[] = "554 5.7.1 Relay access denied";
	static const char needs_utf8[] = "553 5.6.7 This address needs SMTPUTF8";

	(void)wall_ns;
	if (!s->trusted && !s->authenticated) {
		inject_refuse(s, INJECT_REFUSED_RELAY, "RCPT", denied, cmd->path.mailbox);
		inject_reply(s, denied);
		inject_count_error(s);
		return;
	}
	/* RFC 5321 4.5.3.1.10: the client sends this message to those it has, and comes again with the others. */
	if (s->rcpts.count >= s->common->params->smtpd_recipient_limit) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_RECIPIENTS], 1);
		inject_reply(s, "452 4.5.3 Too many recipients");
		return;
	}
	if ((cmd->path.is_utf8 || !utf8_is_ascii(cmd->orcpt)) && !(s->facts & MESSAGE_SMTPUTF8)) {
		inject_refuse_syntax(s, needs_utf8);
		return;
	}
	if (add_rcpt(s, cmd) < 0) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_ROOM], 1);
		inject_reply(s, "452 4.3.1 No memory for this recipient, try again later");
		return;
	}
	inject_enter(s, INJECT_RCPT);
	inject_reply(s, "250 2.1.5 Ok");
}

static void on_xforward(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)wall_ns;
	if (inject_client_forward(s, cmd->argument) < 0)
		inject_refuse_syntax(s, "501 5.5.4 Bad XFORWARD attribute");
	else
		inject_reply(s, "250 2.0.0 Ok");
}

static void on_starttls(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	(void)wall_ns;
	inject_reply(s, "220 2.0.0 Ready to start TLS");
	inject_enter(s, INJECT_STARTTLS);
}

static void on_auth(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)wall_ns;
	inject_auth_begin(s, cmd->argument);
}

static void on_data(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	if (inject_content_begin(s, CRLF_DATA, wall_ns) < 0) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_ROOM], 1);
		inject_reply(s, "452 4.3.1 No room for new mail, try again later");
		return;
	}
	inject_enter(s, INJECT_DATA);
	inject_reply(s, "354 End with <CR><LF>.<CR><LF>");
}

static void on_bdat(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	if (s->state == INJECT_RCPT && inject_content_begin(s, CRLF_BDAT, wall_ns) < 0)
		inject_content_fail(s, INJECT_REFUSED_ROOM, "452 4.3.1 No room for new mail, try again later");
	inject_content_chunk(s, cmd->chunk_size, cmd->chunk_last);
	if (cmd->chunk_size == 0 && !cmd->chunk_last && ++s->junk > INJECT_JUNK_MAX)
		inject_count_error(s);
}

static void on_rset(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	(void)wall_ns;
	inject_reset(s);
	if (s->state != INJECT_HELLO)
		inject_enter(s, INJECT_READY);
	inject_reply(s, "250 2.0.0 Ok");
}

static void on_noop(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	(void)wall_ns;
	inject_reply(s, "250 2.0.0 Ok");
}

static void on_quit(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	(void)wall_ns;
	s->polite = true;
	inject_session_say_last(s, "221 2.0.0 Bye");
}

/* RFC 5321 3.5.3: neither yes nor no. */
static void on_vrfy(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	(void)wall_ns;
	inject_reply(s, "252 2.0.0 Send mail, and we will try to deliver it");
}

static void on_help(struct inject_session *s, const struct smtp_command *cmd, uint64_t wall_ns)
{
	(void)cmd;
	(void)wall_ns;
	inject_reply(s, "214 2.0.0 RFC 5321, 1870, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531, 8689");
}
