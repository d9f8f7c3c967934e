#include "tests/peers/peer_impl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/str.h"

#define LINE_MAX_MAIL	(512u + 26 + 16 + 10 + 107 + 8 + 10 + 505)	/* SIZE, BODY, SMTPUTF8, ENVID, RET... */

/* --- what is kept ----------------------------------------------------------------------------- */

void *peer_must(void *p)
{
	ASSERT(p != NULL);
	return p;
}

char *peer_keep(struct slice s)
{
	char *p = peer_must(malloc(s.len + 1));

	memcpy(p, s.ptr, s.len);
	p[s.len] = '\0';
	return p;
}

void talk_append(char **buffer, size_t *len, size_t *cap, struct slice data)
{
	if (*len + data.len > *cap) {
		*cap = (*len + data.len) * 2 + 256;
		*buffer = peer_must(realloc(*buffer, *cap));
	}
	if (data.len > 0)
		memcpy(*buffer + *len, data.ptr, data.len);
	*len += data.len;
}

uint64_t peer_digest(uint64_t digest, struct slice data)
{
	for (size_t i = 0; i < data.len; i++)
		digest = (digest ^ (unsigned char)data.ptr[i]) * UINT64_C(0x100000001b3);
	return digest;
}

void talk_violation(struct talk *t, const char *fmt, ...)
{
	struct peer *peer = t->peer;
	va_list args;

	if (peer->violation_count < PEER_VIOLATIONS_MAX) {
		va_start(args, fmt);
		(void)vsnprintf(peer->violations[peer->violation_count], PEER_VIOLATION_MAX, fmt, args); /* cut */
		va_end(args);
	}
	peer->violation_count++;
}

void peer_init(struct peer *peer, const char *name, uint32_t offers)
{
	*peer = (struct peer){ .name = name, .offers = offers };
}

void peer_done(struct peer *peer)
{
	for (unsigned i = 0; i < peer->commits; i++) {
		free((char *)peer->ledger[i].sender.ptr);
		free((char *)peer->ledger[i].rcpt.ptr);
	}
	free(peer->ledger);
	free(peer->content);
	peer->ledger = NULL;
	peer->content = NULL;
	peer->commits = 0;
}

unsigned peer_commits_to(const struct peer *peer, struct slice rcpt)
{
	unsigned n = 0;

	for (unsigned i = 0; i < peer->commits; i++)
		n += slice_eq(peer->ledger[i].rcpt, rcpt);
	return n;
}

void talk_forget_mail(struct talk *t)
{
	free(t->sender);
	t->sender = NULL;
	for (unsigned i = 0; i < t->rcpt_count; i++)
		free(t->rcpts[i]);
	t->rcpt_count = 0;
	t->rcpts_refused = 0;
	t->mail = false;
	t->chunked = false;
	t->content_len = 0;
	t->body_octets = 0;
	t->dots = 2;	/* the body begins behind a line end */
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void flush_tls(struct talk *t)
{
	if (t->tls->out_len == 0)
		return;
	sim_send(t->conn, slice_of(t->tls->out, t->tls->out_len));
	tls_server_sent(t->tls, t->tls->out_len);
}

void talk_send(struct talk *t, struct slice octets)
{
	if (t->tls == NULL) {
		sim_send(t->conn, octets);
		return;
	}
	tls_server_say(t->tls, octets);
	flush_tls(t);
}

static void hear_tls(struct talk *t, struct slice data)
{
	char plain[KIB(16)];
	size_t n;

	/* More is in there than fits at once: ask again, without anything new. */
	while ((n = tls_server_feed(t->tls, data, plain, sizeof(plain))) > 0) {
		talk_append(&t->input, &t->input_len, &t->input_cap, slice_of(plain, n));
		data = t->tls->in;
	}
	flush_tls(t);
}

static void begin_tls(struct talk *t)
{
	static struct tls_server_home home;	/* its sessions can be resumed: a process plays one row */
	const struct tls_server_conf conf = {
		.chain = TEST_PKI "/server.pem", .key = TEST_PKI "/server.key", .home = &home,
	};

	t->tls = peer_must(calloc(1, sizeof(*t->tls)));
	ASSERT(tls_server_open(t->tls, &conf));
}

/* --- the end ---------------------------------------------------------------------------------- */

void talk_end(struct talk *t, bool reset)
{
	t->closed = true;
	if (reset)
		sim_reset(t->conn);
	else
		sim_close(t->conn);
}

void talk_drop_input(struct talk *t, size_t n)
{
	t->input_len -= n;
	memmove(t->input, t->input + n, t->input_len);
}

/* --- commands --------------------------------------------------------------------------------- */

static void answer_ehlo(struct talk *t)
{
	static const uint32_t plain[] = {
		SMTP_CAP_PIPELINING, SMTP_CAP_8BITMIME, SMTP_CAP_DSN,	  SMTP_CAP_SMTPUTF8,
		SMTP_CAP_CHUNKING,   SMTP_CAP_BINARYMIME, SMTP_CAP_ENHANCEDSTATUSCODES,
	};
	const struct peer *peer = t->peer;
	char storage[2048];
	struct str out = STR(storage);

	if (peer->no_ehlo) {
		(void)talk_answer(t, PEER_EHLO, "500 5.5.1 what is that\r\n");
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(plain); i++)
		if (peer->offers & plain[i])
			str_printf(&out, "250-%s\r\n", smtp_cap_name((enum smtp_cap)plain[i]));
	if (peer->offers & SMTP_CAP_AUTH)
		str_add_cstr(&out, "250-AUTH PLAIN LOGIN CRAM-MD5\r\n");
	if (peer->offers & SMTP_CAP_XFORWARD)
		str_add_cstr(&out, "250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n");
	if (peer->offers & SMTP_CAP_SIZE && peer->size_limit > 0)
		str_printf(&out, "250-SIZE %llu\r\n", (unsigned long long)peer->size_limit);
	else if (peer->offers & SMTP_CAP_SIZE)
		str_add_cstr(&out, "250-SIZE\r\n");
	if (peer->rcpt_max > 0 || peer->mail_max > 0) {
		str_add_cstr(&out, "250-LIMITS");
		if (peer->rcpt_max > 0)
			str_printf(&out, " RCPTMAX=%u", peer->rcpt_max);
		if (peer->mail_max > 0)
			str_printf(&out, " MAILMAX=%u", peer->mail_max);
		str_add_cstr(&out, "\r\n");
	}
	char text[2304];
	struct str reply = STR(text);

	str_printf(&reply, out.len > 0 ? "250-%s\r\n" : "250 %s\r\n", peer->name);
	if (out.len > 0) {
		/* The last line's hyphen becomes a blank. */
		size_t last = out.len - 1;

		while (last > 0 && out.ptr[last - 1] != '\n')
			last--;
		out.ptr[last + 3] = ' ';
		str_add(&reply, str_slice(&out));
	}
	if (talk_answer(t, PEER_EHLO, str_cstr(&reply)) == '2')
		t->hello = true;
}

static void on_mail(struct talk *t, const struct smtp_command *command)
{
	if (!t->hello) {
		talk_violation(t, "MAIL before EHLO was answered");
	} else if (t->mail) {
		talk_violation(t, "MAIL inside of a transaction");
		(void)talk_answer(t, PEER_MAIL, "503 5.5.1 nested MAIL\r\n");
		return;
	}
	t->peer->transactions++;
	if (t->peer->size_limit > 0 && command->params & SMTP_PARAM_SIZE && command->size > t->peer->size_limit) {
		(void)talk_answer(t, PEER_MAIL, "552 5.3.4 too big\r\n");
		return;
	}
	if (talk_answer(t, PEER_MAIL, "250 2.1.0 ok\r\n") != '2')
		return;
	talk_forget_mail(t);
	t->mail = true;
	t->sender = peer_keep(command->path.mailbox);
}

static void on_rcpt(struct talk *t, const struct smtp_command *command)
{
	if (!t->mail) {
		(void)talk_answer(t, PEER_RCPT, "503 5.5.1 MAIL first\r\n");
		return;
	}
	if (t->peer->rcpt_max > 0 && t->rcpt_count >= t->peer->rcpt_max) {
		(void)talk_answer(t, PEER_RCPT, "452 4.5.3 too many recipients\r\n");
		return;
	}
	if (talk_answer(t, PEER_RCPT, "250 2.1.5 ok\r\n") != '2') {
		t->rcpts_refused++;
		return;
	}
	t->rcpts = peer_must(realloc(t->rcpts, (t->rcpt_count + 1) * sizeof(*t->rcpts)));
	t->rcpts[t->rcpt_count++] = peer_keep(command->path.mailbox);
}

static void on_data_command(struct talk *t)
{
	bool refused_by_us = !t->mail || (t->rcpt_count == 0 && t->rcpts_refused == 0);

	if (t->chunked)
		talk_violation(t, "DATA behind BDAT");
	if (refused_by_us || t->rcpt_count == 0) {
		if (talk_answer(t, PEER_DATA, "554 5.5.1 no valid recipients\r\n") == '3')
			t->mode = MODE_BODY;
		return;
	}
	if (talk_answer(t, PEER_DATA, "354 go ahead\r\n") == '3')
		t->mode = MODE_BODY;
	t->dots = 2;
	t->content_len = 0;
	t->body_octets = 0;
}

static void on_bdat(struct talk *t, const struct smtp_command *command)
{
	t->chunked = true;
	t->chunk_left = command->chunk_size;
	t->chunk_last = command->chunk_last;
	t->chunk_refused = !t->mail || t->rcpt_count == 0;
	t->mode = MODE_CHUNK;
}

static enum peer_stage stage_of(enum smtp_verb verb)
{
	switch (verb) {
	case SMTP_VERB_MAIL:
		return PEER_MAIL;
	case SMTP_VERB_RCPT:
		return PEER_RCPT;
	case SMTP_VERB_DATA:
		return PEER_DATA;
	case SMTP_VERB_BDAT:
		return PEER_BDAT;
	default:
		return PEER_OTHER;
	}
}

/* What came along with a command although it had to wait for its reply. */
static void check_behind(struct talk *t, enum smtp_verb verb)
{
	bool group = verb == SMTP_VERB_MAIL || verb == SMTP_VERB_RCPT || verb == SMTP_VERB_RSET ||
		     verb == SMTP_VERB_BDAT;

	if (t->input_len == 0)
		return;
	if (!(t->peer->offers & SMTP_CAP_PIPELINING) && verb != SMTP_VERB_BDAT)
		talk_violation(t, "%s did not wait, and PIPELINING was not offered", smtp_verb_name(verb));
	else if (!group)
		talk_violation(t, "something rides behind %s", smtp_verb_name(verb));
}

static void on_command(struct talk *t, const struct smtp_command *command)
{
	switch (command->verb) {
	case SMTP_VERB_EHLO:
		answer_ehlo(t);
		break;
	case SMTP_VERB_HELO:
		if (talk_answer(t, PEER_HELO, "250 hello\r\n") == '2')
			t->hello = true;
		break;
	case SMTP_VERB_MAIL:
		on_mail(t, command);
		break;
	case SMTP_VERB_RCPT:
		on_rcpt(t, command);
		break;
	case SMTP_VERB_DATA:
		on_data_command(t);
		break;
	case SMTP_VERB_BDAT:
		on_bdat(t, command);
		break;
	case SMTP_VERB_RSET:
		talk_forget_mail(t);
		(void)talk_answer(t, PEER_RSET, "250 2.0.0 ok\r\n");
		break;
	case SMTP_VERB_QUIT:
		t->peer->quits++;
		(void)talk_answer(t, PEER_QUIT, "221 2.0.0 bye\r\n");
		break;
	default:
		talk_violation(t, "a command nobody needs: %s", smtp_verb_name(command->verb));
		(void)talk_answer(t, PEER_OTHER, "250 2.0.0 ok\r\n");
		break;
	}
}

static bool is_foreign(struct talk *t, struct slice line)
{
	if (slice_has_prefix_nocase(line, SLICE("XFORWARD ")) && t->peer->offers & SMTP_CAP_XFORWARD) {
		(void)talk_answer(t, PEER_XFORWARD, "250 2.0.0 ok\r\n");
		return true;
	}
	return false;
}

static void on_line(struct talk *t, const struct smtp_command_line *line)
{
	struct smtp_command command;
	struct slice text = line->text;
	char lhlo[SMTP_LINE_MAX];
	enum smtp_command_error error;

	if (line->flaws != 0)
		talk_violation(t, "a command line has flaws (%x)", line->flaws);
	if (text.len + 2 > LINE_MAX_MAIL)
		talk_violation(t, "a command line of %zu octets", text.len + 2);
	if (is_foreign(t, text) || talk_auth_line(t, text))
		return;
	if (t->peer->lmtp && slice_has_prefix_nocase(text, SLICE("LHLO"))) {
		memcpy(lhlo, text.ptr, text.len);
		lhlo[0] = 'E';
		lhlo[1] = 'H';
		lhlo[2] = 'L';
		lhlo[3] = 'O';
		text = slice_of(lhlo, text.len);
	}
	error = smtp_command_parse(text, t->liberal ? UINT32_MAX : t->peer->offers, &command);
	if (error != SMTP_COMMAND_OK) {
		talk_violation(t, "%s: %.*s", smtp_command_error_reply(error), (int)MIN(text.len, (size_t)80), text.ptr);
		char reply[128];

		(void)snprintf(reply, sizeof(reply), "%s\r\n", smtp_command_error_reply(error)); /* fits */
		(void)talk_answer(t, stage_of(command.verb), reply);
		return;
	}
	check_behind(t, command.verb);
	on_command(t, &command);
}

/* --- the connection --------------------------------------------------------------------------- */

static bool read_command(struct talk *t)
{
	struct slice in = slice_of(t->input, t->input_len);
	struct smtp_command_line line;
	int r = smtp_command_line_feed(&t->reader, &in, &line);
	char text[SMTP_LINE_MAX];

	if (r == 0) {
		t->input_len = 0;
		return false;
	}
	if (r < 0) {
		talk_violation(t, "a line without end");
		talk_end(t, true);
		return false;
	}
	/* The line may lie in the input, which moves. */
	size_t n = MIN(line.text.len, sizeof(text));

	memcpy(text, line.text.ptr, n);
	line.text = slice_of(text, n);
	talk_drop_input(t, t->input_len - in.len);
	on_line(t, &line);
	return true;
}

static void work(struct talk *t)
{
	while (!t->busy && !t->mute && !t->closed) {
		size_t before = t->input_len;
		enum mode mode = t->mode;

		if (mode == MODE_CHUNK)
			talk_read_chunk(t);
		else if (t->input_len == 0)
			return;
		else if (mode == MODE_BODY)
			talk_read_body(t);
		else if (!read_command(t))
			return;
		if (t->input_len == before && t->mode == mode)
			return;
	}
}

static void greet(struct talk *t)
{
	const struct peer *peer = t->peer;
	char greeting[300];

	(void)snprintf(greeting, sizeof(greeting), "220 %s %sMTP\r\n", peer->name, peer->lmtp ? "L" : "ES"); /* fits */
	(void)talk_answer(t, PEER_GREETING, greeting);
}

static void on_open(struct sim_conn *c)
{
	struct peer *peer = sim_context(c);
	struct talk *t = peer_must(calloc(1, sizeof(*t)));

	t->peer = peer;
	t->conn = c;
	t->number = ++peer->connections;
	peer->open_now++;
	smtp_command_line_reader_init(&t->reader);
	t->dots = 2;
	sim_set_context(c, t);
	if (peer->tls)
		begin_tls(t);
	else
		greet(t);
}

/* The greeting follows upon the client's end of the handshake. */
static void on_tls_data(struct talk *t, struct slice data)
{
	bool was_open = t->tls->is_open;

	hear_tls(t, data);
	if (!was_open && t->tls->is_open)
		greet(t);
	if (t->tls->is_open)
		work(t);
}

static void on_data(struct sim_conn *c, struct slice data)
{
	struct talk *t = sim_context(c);

	if (t->closed || (t->deaf && t->tls == NULL))
		return;
	if (t->tls != NULL) {
		on_tls_data(t, data);
		return;
	}
	if (t->times[PEER_GREETING] == 1 && t->busy && t->saying.deed == PEER_HONEST && !t->mute)
		talk_violation(t, "the client did not wait for the greeting");
	talk_append(&t->input, &t->input_len, &t->input_cap, data);
	work(t);
}

static void on_finish(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	if (!t->closed)
		talk_end(t, false);
}

static void on_time(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	if (t->closed)
		return;
	talk_on_time(t);
	work(t);
}

static void on_gone(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	t->peer->open_now--;
	t->peer->octets_taken = MAX(t->peer->octets_taken, sim_octets_sent(c) - sim_octets_unarrived(c));
	talk_forget_mail(t);
	if (t->tls != NULL)
		tls_server_close(t->tls);
	free(t->tls);
	free(t->rcpts);
	free(t->content);
	free(t->input);
	free(t);
}

const struct sim_program peer_program = {
	.on_open = on_open,
	.on_data = on_data,
	.on_finish = on_finish,
	.on_time = on_time,
	.on_gone = on_gone,
};
