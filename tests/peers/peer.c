#include "tests/peers/peer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/str.h"

#define ENDLESS_STEP_NS	(NS_PER_MS / 2)
#define ENDLESS_AHEAD	KIB(256)	/* octets under way of something endless */
#define DEAF_NS		(100 * NS_PER_MS)
#define LINE_MAX_MAIL	(512u + 26 + 16 + 10 + 107 + 8 + 10 + 505)	/* SIZE, BODY, SMTPUTF8, ENVID, RET... */

enum mode { MODE_COMMAND, MODE_BODY, MODE_CHUNK };

/* What is to be said, and to be done afterwards. */
struct saying {
	struct slice text;
	size_t at;		/* PEER_TRICKLE: octets said */
	enum peer_deed deed;
	uint64_t ns;
	struct slice later;
};

struct talk {
	struct peer *peer;
	struct sim_conn *conn;
	unsigned number;
	enum mode mode;
	bool hello;			/* they have introduced themselves */
	bool mail;
	bool busy;			/* something is being said: what comes in waits */
	bool mute;
	bool closed;
	bool body_tricked;
	bool liberal;			/* a trick has offered we do not know what */
	bool deaf;			/* what comes is lost */
	unsigned times[PEER_STAGE_COUNT];
	struct smtp_command_line_reader reader;
	struct saying saying;
	char reply[4096];		/* of saying.text */
	/* the transaction */
	char *sender;
	char **rcpts;
	unsigned rcpt_count;
	unsigned rcpts_refused;
	bool chunked;
	bool chunk_refused;		/* the chunk is swallowed, not kept */
	bool chunk_last;
	uint64_t chunk_left;
	uint64_t body_octets;		/* as they came */
	unsigned dots;			/* end of data: how much of CR LF . CR LF has been seen */
	char *content;
	size_t content_len;
	size_t content_cap;
	/* what has come and not been looked at */
	char *input;
	size_t input_len;
	size_t input_cap;
};

static void work(struct talk *t);

/* --- what is kept ----------------------------------------------------------------------------- */

static void *must(void *p)
{
	ASSERT(p != NULL);
	return p;
}

static char *keep(struct slice s)
{
	char *p = must(malloc(s.len + 1));

	memcpy(p, s.ptr, s.len);
	p[s.len] = '\0';
	return p;
}

static void append(char **buffer, size_t *len, size_t *cap, struct slice data)
{
	if (*len + data.len > *cap) {
		*cap = (*len + data.len) * 2 + 256;
		*buffer = must(realloc(*buffer, *cap));
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

static void violation(struct talk *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void violation(struct talk *t, const char *fmt, ...)
{
	struct peer *peer = t->peer;
	va_list args;

	if (peer->violation_count < PEER_VIOLATIONS_MAX) {
		va_start(args, fmt);
		(void)vsnprintf(peer->violations[peer->violation_count], PEER_VIOLATION_MAX, fmt, args); /* cut is good */
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

static void commit_rcpt(struct talk *t, const char *rcpt, bool said)
{
	struct peer *peer = t->peer;
	struct peer_commit *c;

	if (peer->commits == PEER_LEDGER_MAX)
		return;
	if ((peer->commits & (peer->commits - 1)) == 0)
		peer->ledger = must(realloc(peer->ledger, MAX(peer->commits * 2u, 1u) * sizeof(*c)));
	c = &peer->ledger[peer->commits++];
	*c = (struct peer_commit){
		.sender = slice_of_str(keep(slice_of_str(t->sender))),
		.rcpt = slice_of_str(keep(slice_of_str(rcpt))),
		.digest = peer_digest(PEER_DIGEST_START, slice_of(t->content, t->content_len)),
		.size = t->content_len,
		.connection = t->number,
		.chunked = t->chunked,
		.said = said,
	};
	if (peer->on_commit != NULL)
		peer->on_commit(peer, c);
}

static void keep_content(struct talk *t)
{
	if (!t->peer->keep_content)
		return;
	free(t->peer->content);
	t->peer->content = keep(slice_of(t->content, t->content_len));
	t->peer->content_len = t->content_len;
}

static void forget_mail(struct talk *t)
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

/* --- saying ----------------------------------------------------------------------------------- */

static void end_connection(struct talk *t, bool reset)
{
	t->closed = true;
	if (reset)
		sim_reset(t->conn);
	else
		sim_close(t->conn);
}

static void rest_of_trickle(struct talk *t)
{
	struct saying *s = &t->saying;

	sim_send(t->conn, slice_of(s->text.ptr + s->at, 1));
	if (++s->at < s->text.len)
		sim_wake_in(t->conn, s->ns);
	else
		t->busy = false;
}

static void more_of_endless(struct talk *t)
{
	struct saying *s = &t->saying;

	for (unsigned i = 0; i < 64 && sim_octets_unarrived(t->conn) < ENDLESS_AHEAD; i++)
		sim_send(t->conn, s->text);
	sim_wake_in(t->conn, ENDLESS_STEP_NS);
}

/* All of text is under way: what does the deed want now? True: go on as if nothing had been. */
static bool after_saying(struct talk *t)
{
	struct saying *s = &t->saying;

	switch (s->deed) {
	case PEER_SAY_CLOSE:
	case PEER_REPLY_CLOSE:
		end_connection(t, false);
		return false;
	case PEER_SAY_RESET:
	case PEER_REPLY_RESET:
		if (sim_octets_unarrived(t->conn) == 0) {
			end_connection(t, true);
			return false;
		}
		sim_wake_in(t->conn, NS_PER_MS);	/* a reset would overtake what was said */
		return false;
	case PEER_SAY_LATER:
		s->text = s->later;
		s->deed = PEER_LATE;
		sim_wake_in(t->conn, s->ns);
		return false;
	default:
		return true;
	}
}

static void say_now(struct talk *t)
{
	if (t->saying.text.len > 0)
		sim_send(t->conn, t->saying.text);
	t->saying.text = SLICE("");
	if (after_saying(t))
		t->busy = false;
}

static void begin_saying(struct talk *t)
{
	struct saying *s = &t->saying;

	t->busy = true;
	switch (s->deed) {
	case PEER_SILENT:
		t->busy = false;
		return;
	case PEER_MUTE:
		t->mute = true;
		return;
	case PEER_STOP_READING:
		sim_read(t->conn, false);
		return;
	case PEER_LATE:
		sim_wake_in(t->conn, s->ns);
		return;
	case PEER_LOSE_REST:
		t->deaf = true;
		t->input_len = 0;
		sim_wake_in(t->conn, DEAF_NS);
		return;
	case PEER_TRICKLE:
		rest_of_trickle(t);
		return;
	case PEER_ENDLESS:
		more_of_endless(t);
		return;
	default:
		if (t->peer->reply_ns > 0)
			sim_wake_in(t->conn, t->peer->reply_ns);
		else
			say_now(t);
		return;
	}
}

static const struct peer_trick *trick_at(const struct talk *t, enum peer_stage stage)
{
	for (unsigned i = 0; i < t->peer->trick_count; i++) {
		const struct peer_trick *trick = &t->peer->tricks[i];

		if (trick->stage == stage && (trick->nth == 0 || trick->nth == t->times[stage]) &&
		    (trick->connection == 0 || trick->connection == t->number))
			return trick;
	}
	return NULL;
}

/* The class of the last line of what is said: '2', '3', '4', '5'; '?' for what is no reply. */
static char class_of(struct slice text)
{
	size_t from = 0;

	for (size_t i = 0; i + 1 < text.len; i++)
		if (text.ptr[i] == '\n')
			from = i + 1;
	return text.len - from >= 3 && text.ptr[from] >= '2' && text.ptr[from] <= '5' ? text.ptr[from] : '?';
}

/* Says the reply, or what a trick makes of it. Returns the class of what the client hears; '?' when it hears no reply. */
static char answer(struct talk *t, enum peer_stage stage, const char *reply)
{
	struct str text = STR(t->reply);
	const struct peer_trick *trick;

	t->times[stage]++;
	trick = trick_at(t, stage);
	t->saying = (struct saying){ .deed = trick != NULL	     ? trick->deed :
					      stage == PEER_QUIT ? PEER_REPLY_CLOSE :
								    PEER_HONEST };
	str_add_cstr(&text, trick != NULL && trick->deed == PEER_SAY_FIRST ? "" : reply);
	if (trick != NULL && trick->deed == PEER_SAY_FIRST) {
		str_add(&text, trick->text);
		str_add_cstr(&text, reply);
	}
	if (trick != NULL && trick->deed == PEER_SAY_AFTER)
		str_add(&text, trick->text);
	t->saying.text = str_slice(&text);
	char class = class_of(slice_of_str(reply));

	t->liberal |= trick != NULL && stage == PEER_EHLO;
	if (trick != NULL) {
		t->saying.ns = trick->ns;
		t->saying.later = trick->text;
		switch (trick->deed) {
		case PEER_SAY:
		case PEER_SAY_CLOSE:
		case PEER_SAY_RESET:
		case PEER_ENDLESS:
			t->saying.text = trick->text;
			class = class_of(trick->text);
			break;
		case PEER_TRICKLE:
			if (trick->text.len > 0) {
				t->saying.text = trick->text;
				class = class_of(trick->text);
			}
			break;
		default:
			break;
		}
	}
	begin_saying(t);
	return class;
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
		(void)answer(t, PEER_EHLO, "500 5.5.1 what is that\r\n");
		return;
	}
	for (unsigned i = 0; i < ARRAY_LEN(plain); i++)
		if (peer->offers & plain[i])
			str_printf(&out, "250-%s\r\n", smtp_cap_name((enum smtp_cap)plain[i]));
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
	if (answer(t, PEER_EHLO, str_cstr(&reply)) == '2')
		t->hello = true;
}

static void on_mail(struct talk *t, const struct smtp_command *command)
{
	if (!t->hello) {
		violation(t, "MAIL before EHLO was answered");
	} else if (t->mail) {
		violation(t, "MAIL inside of a transaction");
		(void)answer(t, PEER_MAIL, "503 5.5.1 nested MAIL\r\n");
		return;
	}
	t->peer->transactions++;
	if (t->peer->size_limit > 0 && command->params & SMTP_PARAM_SIZE && command->size > t->peer->size_limit) {
		(void)answer(t, PEER_MAIL, "552 5.3.4 too big\r\n");
		return;
	}
	if (answer(t, PEER_MAIL, "250 2.1.0 ok\r\n") != '2')
		return;
	forget_mail(t);
	t->mail = true;
	t->sender = keep(command->path.mailbox);
}

static void on_rcpt(struct talk *t, const struct smtp_command *command)
{
	if (!t->mail) {
		(void)answer(t, PEER_RCPT, "503 5.5.1 MAIL first\r\n");
		return;
	}
	if (t->peer->rcpt_max > 0 && t->rcpt_count >= t->peer->rcpt_max) {
		(void)answer(t, PEER_RCPT, "452 4.5.3 too many recipients\r\n");
		return;
	}
	if (answer(t, PEER_RCPT, "250 2.1.5 ok\r\n") != '2') {
		t->rcpts_refused++;
		return;
	}
	t->rcpts = must(realloc(t->rcpts, (t->rcpt_count + 1) * sizeof(*t->rcpts)));
	t->rcpts[t->rcpt_count++] = keep(command->path.mailbox);
}

static void on_data_command(struct talk *t)
{
	bool refused_by_us = !t->mail || (t->rcpt_count == 0 && t->rcpts_refused == 0);

	if (t->chunked)
		violation(t, "DATA behind BDAT");
	if (refused_by_us || t->rcpt_count == 0) {
		if (answer(t, PEER_DATA, "554 5.5.1 no valid recipients\r\n") == '3')
			t->mode = MODE_BODY;
		return;
	}
	if (answer(t, PEER_DATA, "354 go ahead\r\n") == '3')
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
		violation(t, "%s did not wait, and PIPELINING was not offered", smtp_verb_name(verb));
	else if (!group)
		violation(t, "something rides behind %s", smtp_verb_name(verb));
}

static void on_command(struct talk *t, const struct smtp_command *command)
{
	switch (command->verb) {
	case SMTP_VERB_EHLO:
		answer_ehlo(t);
		break;
	case SMTP_VERB_HELO:
		if (answer(t, PEER_HELO, "250 hello\r\n") == '2')
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
		forget_mail(t);
		(void)answer(t, PEER_RSET, "250 2.0.0 ok\r\n");
		break;
	case SMTP_VERB_QUIT:
		t->peer->quits++;
		(void)answer(t, PEER_QUIT, "221 2.0.0 bye\r\n");
		break;
	default:
		violation(t, "a command nobody needs: %s", smtp_verb_name(command->verb));
		(void)answer(t, PEER_OTHER, "250 2.0.0 ok\r\n");
		break;
	}
}

static bool is_foreign(struct talk *t, struct slice line)
{
	if (slice_has_prefix_nocase(line, SLICE("XFORWARD ")) && t->peer->offers & SMTP_CAP_XFORWARD) {
		(void)answer(t, PEER_XFORWARD, "250 2.0.0 ok\r\n");
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
		violation(t, "a command line has flaws (%x)", line->flaws);
	if (text.len + 2 > LINE_MAX_MAIL)
		violation(t, "a command line of %zu octets", text.len + 2);
	if (is_foreign(t, text))
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
		violation(t, "%s: %.*s", smtp_command_error_reply(error), (int)MIN(text.len, (size_t)80), text.ptr);
		char reply[128];

		(void)snprintf(reply, sizeof(reply), "%s\r\n", smtp_command_error_reply(error)); /* fits */
		(void)answer(t, stage_of(command.verb), reply);
		return;
	}
	check_behind(t, command.verb);
	on_command(t, &command);
}

/* --- content ---------------------------------------------------------------------------------- */

static void answer_content(struct talk *t)
{
	unsigned count = t->peer->lmtp ? MAX(t->rcpt_count, 1u) : 1;
	bool mail = t->mail && t->rcpt_count > 0;

	/* LMTP's replies leave as one: tricks are told apart by nth. */
	for (unsigned i = 0; i < count; i++) {
		char class;
		const struct peer_trick *trick;

		class = answer(t, PEER_DOT, mail ? "250 2.0.0 taken\r\n" : "554 5.5.1 no valid recipients\r\n");
		trick = trick_at(t, PEER_DOT);
		if (mail && (class == '2' || (trick != NULL && trick->commit))) {
			unsigned from = t->peer->lmtp ? i : 0, to = t->peer->lmtp ? i + 1 : t->rcpt_count;

			for (unsigned r = from; r < to; r++)
				commit_rcpt(t, t->rcpts[r], class == '2');
		}
		if (t->closed)
			break;
	}
	keep_content(t);
	forget_mail(t);
}

/* The transaction's end has been read: what may lie behind it is the next MAIL, when they may pipeline at all. */
static void check_behind_dot(struct talk *t)
{
	static const char mail[] = "MAIL FROM:";
	size_t n = MIN(t->input_len, sizeof(mail) - 1);

	if (n == 0)
		return;
	if (!(t->peer->offers & SMTP_CAP_PIPELINING))
		violation(t, "something rides behind the end of data, and PIPELINING was not offered");
	else if (memcmp(t->input, mail, n) != 0)
		violation(t, "%.*s rides behind the end of data", (int)MIN(t->input_len, (size_t)40), t->input);
}

/* The trick that is due after so many octets of the body, or NULL. */
static const struct peer_trick *body_trick(const struct talk *t, uint64_t octets)
{
	for (unsigned i = 0; i < t->peer->trick_count; i++) {
		const struct peer_trick *trick = &t->peer->tricks[i];

		if (trick->stage == PEER_BODY && trick->at == octets &&
		    (trick->connection == 0 || trick->connection == t->number))
			return trick;
	}
	return NULL;
}

static bool play_body_trick(struct talk *t)
{
	const struct peer_trick *trick = body_trick(t, t->body_octets);

	if (trick == NULL || t->body_tricked)
		return false;
	t->body_tricked = true;
	t->saying = (struct saying){ .deed = trick->deed, .text = trick->text, .ns = trick->ns, .later = trick->text };
	begin_saying(t);
	return true;
}

/* Octet by octet: states are how much of "CR LF . CR LF" stands behind us. */
static bool body_octet(struct talk *t, char c)
{
	static const char end[] = "\r\n.\r\n";

	t->body_octets++;
	if (c == '\n' && t->dots != 1 && t->dots != 4)
		violation(t, "a bare LF in the content");
	if ((t->dots == 1 || t->dots == 4) && c != '\n')
		violation(t, "a bare CR in the content");
	if (c == end[t->dots]) {
		if (++t->dots == 5)
			return true;
		if (t->dots == 3)
			return false;	/* a dot at the line's beginning: stuffed, or the end */
		if (t->dots == 4)
			return false;
		append(&t->content, &t->content_len, &t->content_cap, slice_of(&c, 1));
		return false;
	}
	if (t->dots == 4)
		append(&t->content, &t->content_len, &t->content_cap, SLICE("\r"));
	t->dots = c == '\r' ? 1 : 0;
	append(&t->content, &t->content_len, &t->content_cap, slice_of(&c, 1));
	return false;
}

static void drop_input(struct talk *t, size_t n)
{
	t->input_len -= n;
	memmove(t->input, t->input + n, t->input_len);
}

static void read_body(struct talk *t)
{
	size_t i = 0;
	bool ended = false;
	bool tricked = play_body_trick(t);

	while (i < t->input_len && !ended && !tricked) {
		ended = body_octet(t, t->input[i++]);
		tricked = !ended && play_body_trick(t);
	}
	drop_input(t, i);
	if (!ended)
		return;
	t->mode = MODE_COMMAND;
	check_behind_dot(t);
	answer_content(t);
}

static void read_chunk(struct talk *t)
{
	size_t n = MIN((uint64_t)t->input_len, t->chunk_left);

	append(&t->content, &t->content_len, &t->content_cap, slice_of(t->input, n));
	drop_input(t, n);
	t->chunk_left -= n;
	if (t->chunk_left > 0)
		return;
	t->mode = MODE_COMMAND;
	if (!t->chunk_last) {
		(void)answer(t, PEER_BDAT, t->chunk_refused ? "503 5.5.1 MAIL first\r\n" : "250 2.0.0 chunk taken\r\n");
		return;
	}
	check_behind_dot(t);
	answer_content(t);
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
		violation(t, "a line without end");
		end_connection(t, true);
		return false;
	}
	/* The line may lie in the input, which moves. */
	size_t n = MIN(line.text.len, sizeof(text));

	memcpy(text, line.text.ptr, n);
	line.text = slice_of(text, n);
	drop_input(t, t->input_len - in.len);
	on_line(t, &line);
	return true;
}

static void work(struct talk *t)
{
	while (!t->busy && !t->mute && !t->closed) {
		size_t before = t->input_len;
		enum mode mode = t->mode;

		if (mode == MODE_CHUNK)
			read_chunk(t);
		else if (t->input_len == 0)
			return;
		else if (mode == MODE_BODY)
			read_body(t);
		else if (!read_command(t))
			return;
		if (t->input_len == before && t->mode == mode)
			return;
	}
}

static void on_open(struct sim_conn *c)
{
	struct peer *peer = sim_context(c);
	struct talk *t = must(calloc(1, sizeof(*t)));
	char greeting[300];

	t->peer = peer;
	t->conn = c;
	t->number = ++peer->connections;
	peer->open_now++;
	smtp_command_line_reader_init(&t->reader);
	t->dots = 2;
	sim_set_context(c, t);
	(void)snprintf(greeting, sizeof(greeting), "220 %s %sMTP\r\n", peer->name, peer->lmtp ? "L" : "ES"); /* fits */
	(void)answer(t, PEER_GREETING, greeting);
}

static void on_data(struct sim_conn *c, struct slice data)
{
	struct talk *t = sim_context(c);

	if (t->closed || t->deaf)
		return;
	if (t->times[PEER_GREETING] == 1 && t->busy && t->saying.deed == PEER_HONEST && !t->mute)
		violation(t, "the client did not wait for the greeting");
	append(&t->input, &t->input_len, &t->input_cap, data);
	work(t);
}

static void on_finish(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	if (!t->closed)
		end_connection(t, false);
}

static void on_time(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	if (t->closed)
		return;
	t->deaf = false;
	switch (t->saying.deed) {
	case PEER_TRICKLE:
		rest_of_trickle(t);
		break;
	case PEER_ENDLESS:
		more_of_endless(t);
		break;
	default:
		say_now(t);
		break;
	}
	work(t);
}

static void on_gone(struct sim_conn *c)
{
	struct talk *t = sim_context(c);

	t->peer->open_now--;
	forget_mail(t);
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
