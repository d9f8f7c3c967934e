#include "net/source/inject_session.h"

#include "net/source/inject_impl.h"

#define OFFERED                                                                                                      \
	(SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME | SMTP_CAP_ENHANCEDSTATUSCODES |                    \
	 SMTP_CAP_CHUNKING | SMTP_CAP_DSN)

/* Room for the reply to one command, and for last words behind it. */
#define OUT_ROOM_MIN	(2 * INJECT_REPLY_MAX)

struct metric inject_metric_messages =
	METRIC_COUNTER("ringpost_inject_messages_total", "messages accepted over SMTP");
struct metric inject_metric_octets =
	METRIC_COUNTER("ringpost_inject_octets_total", "octets of content received over SMTP");
struct metric inject_metric_refused[INJECT_CAUSE_COUNT] = {
	[INJECT_REFUSED_SYNTAX] = METRIC_COUNTER("ringpost_inject_refused_syntax_total", "commands that are none"),
	[INJECT_REFUSED_ORDER] = METRIC_COUNTER("ringpost_inject_refused_order_total", "commands out of order"),
	[INJECT_REFUSED_RELAY] = METRIC_COUNTER("ringpost_inject_refused_relay_total",
		"recipients refused because the client is not in mynetworks"),
	[INJECT_REFUSED_RECIPIENTS] = METRIC_COUNTER("ringpost_inject_refused_recipients_total",
		"recipients beyond smtpd_recipient_limit"),
	[INJECT_REFUSED_SIZE] = METRIC_COUNTER("ringpost_inject_refused_size_total",
		"messages beyond message_size_limit"),
	[INJECT_REFUSED_ROOM] = METRIC_COUNTER("ringpost_inject_refused_room_total",
		"messages or recipients told to come again: no room on disk, in the queue or in memory"),
	[INJECT_REFUSED_FLAW] = METRIC_COUNTER("ringpost_inject_refused_flaw_total",
		"messages with a bare CR, a bare LF or a NUL"),
	[INJECT_REFUSED_HOPS] = METRIC_COUNTER("ringpost_inject_refused_hops_total",
		"messages with more Received fields than hopcount_limit"),
};

/* --- states -------------------------------------------------------------------------------------- */

static const uint32_t may_follow[INJECT_STATE_COUNT] = {
	[INJECT_GREETING]	= ON_HELLO,
	[INJECT_HELLO]		= ON_HELLO | ON_READY,
	[INJECT_READY]		= ON_READY | ON_MAIL | BIT(INJECT_CHUNK) | BIT(INJECT_STARTTLS) | BIT(INJECT_AUTH),
	[INJECT_MAIL]		= ON_READY | ON_RCPT | BIT(INJECT_CHUNK),
	[INJECT_RCPT]		= ON_READY | ON_RCPT | BIT(INJECT_DATA) | BIT(INJECT_CHUNK),
	[INJECT_DATA]		= ON_READY | BIT(INJECT_COMMIT),
	[INJECT_CHUNK]		= ON_READY | ON_BDAT | BIT(INJECT_BDAT_FAILED) | BIT(INJECT_COMMIT),
	[INJECT_BDAT]		= ON_READY | BIT(INJECT_CHUNK),
	[INJECT_BDAT_FAILED]	= ON_READY | BIT(INJECT_CHUNK),
	[INJECT_AUTH]		= ON_READY,
	[INJECT_COMMIT]		= ON_READY,
	[INJECT_STARTTLS]	= ON_HELLO,
};

void inject_enter(struct inject_session *s, enum inject_state next)
{
	ASSERT(s->state < INJECT_LAST_WORDS);
	ASSERT(next >= INJECT_LAST_WORDS || (may_follow[s->state] & BIT(next)));
	ASSERT(next != INJECT_COMMIT || s->draft == NULL);
	s->state = next;
}

/* --- begin and end ------------------------------------------------------------------------------ */

static void build_ehlo(struct inject_common *c)
{
	struct str out = STR(c->ehlo);
	uint64_t limit = c->params->message_size_limit;

	str_add(&out, SLICE("250-PIPELINING\r\n250-SIZE"));
	if (limit > 0) {
		str_add_char(&out, ' ');
		str_add_u64(&out, limit);
	}
	str_add(&out, SLICE("\r\n250-8BITMIME\r\n250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n"));
	if (c->offered & SMTP_CAP_SMTPUTF8)
		str_add(&out, SLICE("250-SMTPUTF8\r\n"));
	str_add(&out, SLICE("250 CHUNKING\r\n"));
	ASSERT(!str_is_full(&out));
	c->ehlo_len = out.len;
}

int inject_common_init(struct inject_common *c, const struct params *params, struct spool *spool, size_t connections)
{
	/* Two blocks a connection hold some 100 usual recipients each; beyond that, the longest addresses in the
	 * largest envelope still find room while nobody else needs much. */
	const size_t largest = inject_rcpts_blocks(params->smtpd_recipient_limit);

	*c = (struct inject_common){ .params = params, .spool = spool };
	c->hostname = slice_head(slice_of_str(params->myhostname), RECEIVED_NAME_MAX);
	int r = pool_init(&c->rcpt_blocks, "inject_rcpts", INJECT_RCPT_BLOCK, 2 * connections + largest);

	if (r < 0)
		return r;
	r = pool_init(&c->rcpt_lists, "inject_envelope", params->smtpd_recipient_limit * sizeof(*c->rcpt_list), 1);
	if (r < 0) {
		pool_done(&c->rcpt_blocks);
		return r;
	}
	c->rcpt_list = pool_take(&c->rcpt_lists);
	c->offered = OFFERED | (params->smtputf8_enable ? SMTP_CAP_SMTPUTF8 : 0);
	build_ehlo(c);
	metric_register(&inject_metric_messages);
	metric_register(&inject_metric_octets);
	for (unsigned i = 0; i < INJECT_CAUSE_COUNT; i++)
		metric_register(&inject_metric_refused[i]);
	return 0;
}

void inject_common_done(struct inject_common *c)
{
	pool_put(&c->rcpt_lists, &c->rcpt_list);
	pool_done(&c->rcpt_lists);
	pool_done(&c->rcpt_blocks);
}

/* Names from DNS are not asked for: what a client is allowed depends on its address alone. */
static void write_peer(struct inject_session *s)
{
	struct str text = STR(s->peer_text);

	if (s->peer.sa.sa_family == AF_UNIX) {
		str_add(&text, SLICE("localhost[local]"));
	} else {
		str_add(&text, SLICE("unknown["));
		addr_add_ip(&text, &s->peer);
		str_add_char(&text, ']');
	}
	ASSERT(!str_is_full(&text));
	s->peer_text_len = (uint16_t)text.len;
}

/* Who can reach a socket in the file system has been let in by its mode. */
static void judge_peer(struct inject_session *s)
{
	const struct params *p = s->common->params;
	const bool is_unix = s->peer.sa.sa_family == AF_UNIX;

	s->may_forward = !is_unix && params_nets_contain(&p->smtpd_authorized_xforward_hosts, &s->peer);
	s->trusted = is_unix || params_nets_contain(&p->mynetworks, &s->peer);
	write_peer(s);
}

void inject_session_set_peer(struct inject_session *s, const struct addr *peer)
{
	ASSERT(s->state == INJECT_GREETING);
	if (peer != NULL) {
		s->peer = *peer;
		judge_peer(s);
		return;
	}
	s->may_forward = false;
	s->trusted = false;
}

void inject_session_init(struct inject_session *s, struct inject_common *common, const struct addr *peer)
{
	s->magic = INJECT_SESSION_MAGIC;
	s->state = INJECT_GREETING;
	s->wait = INJECT_WAIT_NOTHING;
	s->common = common;
	s->out = STR(s->out_storage);
	s->commands = 0;
	s->octets = 0;
	s->id = 0;
	s->accepted = 0;
	s->polite = false;
	s->peer = *peer;
	s->in_tls = false;
	s->authenticated = false;
	s->heard_secret = false;
	s->auth_failures = 0;
	s->auth_mech = "";
	s->auth = NULL;
	s->user_len = 0;
	s->esmtp = false;
	s->refused = false;
	s->garbage = 0;
	s->errors = 0;
	s->junk = 0;
	memset(s->tally, 0, sizeof(s->tally));
	s->rcpts = (struct inject_rcpts){ 0 };
	s->sender_len = 0;
	s->envid_len = 0;
	s->facts = 0;
	s->xforward_len = 0;
	s->forwarded = 0;
	s->helo_len = 0;
	smtp_command_line_reader_init(&s->reader);
	inject_content_init(s);
	judge_peer(s);
}

void inject_session_done(struct inject_session *s)
{
	CHECK_MAGIC(s, INJECT_SESSION_MAGIC);
	if (inject_session_is_awaited(s))
		return;		/* the spool still knows our waiter, or the helper our job */
	inject_reset(s);
	smtp_command_line_reader_init(&s->reader);
	smtp_command_line_wipe(&s->reader);	/* it may be half of an AUTH */
	s->state = INJECT_CLOSED;
}

void inject_reset(struct inject_session *s)
{
	inject_auth_end(s);
	inject_content_drop(s);
	inject_rcpts_clear(&s->rcpts, &s->common->rcpt_blocks);
	s->sender_len = 0;
	s->envid_len = 0;
	s->facts = 0;
	s->xforward_len = 0;
	s->forwarded = 0;
}

void inject_session_greet(struct inject_session *s)
{
	str_add(&s->out, SLICE("220 "));
	str_add(&s->out, s->common->hostname);
	inject_reply(s, " ESMTP ringpost");
	inject_enter(s, INJECT_HELLO);
}

void inject_session_on_tls(struct inject_session *s)
{
	ASSERT(!s->in_tls && (s->state == INJECT_GREETING || s->state == INJECT_STARTTLS));
	inject_reset(s);
	s->in_tls = true;
	s->authenticated = false;	/* who it was in clear is not who it is in TLS */
	s->esmtp = false;
	s->helo_len = 0;
	smtp_command_line_reader_init(&s->reader);
	if (s->state == INJECT_STARTTLS)
		inject_enter(s, INJECT_HELLO);
}

/* --- replies ------------------------------------------------------------------------------------ */

static size_t out_room(const struct inject_session *s)
{
	return s->out.cap - s->out.len;
}

void inject_reply(struct inject_session *s, const char *text)
{
	s->refused = text[0] == '4' || text[0] == '5';
	str_add_cstr(&s->out, text);
	str_add(&s->out, SLICE("\r\n"));
	/* A command waits until there is room for its reply. */
	ASSERT(!str_is_full(&s->out));
}

void inject_session_on_out(struct inject_session *s)
{
	if (s->wait != INJECT_WAIT_OUT || out_room(s) < OUT_ROOM_MIN)
		return;
	s->wait = INJECT_WAIT_NOTHING;
	s->on_resume(s);
}

void inject_session_say_last(struct inject_session *s, const char *reply)
{
	ASSERT(!inject_session_is_awaited(s));
	if (s->state >= INJECT_LAST_WORDS)
		return;
	inject_reset(s);
	s->wait = INJECT_WAIT_NOTHING;
	/* Nobody waits for room to say this: who does not read what we say, does not get to hear it either. */
	if (out_room(s) >= INJECT_REPLY_MAX)
		inject_reply(s, reply);
	inject_enter(s, INJECT_LAST_WORDS);
}

static void add_field(struct str *line, const char *name, struct slice value)
{
	str_add_cstr(line, name);
	str_add(line, SLICE("=<"));
	str_add_printable(line, value, ADDRESS_MAX);
	str_add_char(line, '>');
}

void inject_refuse(struct inject_session *s, enum inject_cause cause, const char *verb, const char *reply,
	struct slice rcpt)
{
	char storage[KIB(3)];
	struct str line = STR(storage);

	metric_add(&inject_metric_refused[cause], 1);
	if (s->draft != NULL)
		message_id_text(&line, spool_draft_id(s->draft));
	else
		str_add(&line, SLICE("NOQUEUE"));
	str_add(&line, SLICE(": reject: "));
	str_add_cstr(&line, verb);
	str_add(&line, SLICE(" from "));
	str_add(&line, inject_session_peer(s));
	str_add(&line, SLICE(": "));
	str_add_cstr(&line, reply);
	str_add(&line, SLICE("; from=<"));
	message_log_addr(&line, slice_of(s->sender, s->sender_len), ADDRESS_MAX);
	str_add_char(&line, '>');
	if (rcpt.len > 0)
		add_field(&line, " to", rcpt);
	str_add_cstr(&line, s->esmtp ? " proto=ESMTP" : " proto=SMTP");
	add_field(&line, " helo", slice_of(s->helo, s->helo_len));
	log_put(LOG_LEVEL_INFO, "smtpd", str_slice(&line));
}

/* Without a line, who reads the log could not tell a client that left from one that was sent away. */
void inject_session_give_up(struct inject_session *s, const char *reply)
{
	char storage[KIB(2)];
	struct str line = STR(storage);

	if (s->state >= INJECT_LAST_WORDS)
		return;
	str_add(&line, SLICE("giving up on "));
	str_add(&line, inject_session_peer(s));
	str_add(&line, SLICE(": "));
	str_add_cstr(&line, reply);
	add_field(&line, "; helo", slice_of(s->helo, s->helo_len));
	log_put(LOG_LEVEL_INFO, "smtpd", str_slice(&line));
	inject_session_say_last(s, reply);
}

/* --- lines -------------------------------------------------------------------------------------- */

void inject_count_error(struct inject_session *s)
{
	s->errors++;
	if (s->errors < s->common->params->smtpd_hard_error_limit || s->state >= INJECT_LAST_WORDS)
		return;
	inject_session_give_up(s, "421 4.7.0 Too many errors");
}

void inject_refuse_syntax(struct inject_session *s, const char *reply)
{
	metric_add(&inject_metric_refused[INJECT_REFUSED_SYNTAX], 1);
	inject_reply(s, reply);
	inject_count_error(s);
}

/* Octets of no SMTP client: three times, and we are talking to somebody else (row LIS-03). */
static void on_garbage(struct inject_session *s, const char *reply)
{
	if (++s->garbage < INJECT_GARBAGE_MAX) {
		inject_refuse_syntax(s, reply);
		return;
	}
	metric_add(&inject_metric_refused[INJECT_REFUSED_SYNTAX], 1);
	inject_session_give_up(s, reply);
}

static const char *flaw_reply(const struct inject_session *s, uint32_t flaws)
{
	bool normalise = s->common->params->smtpd_forbid_bare_newline == BARE_NEWLINE_NORMALIZE;

	if (flaws & SMTP_LINE_TOO_LONG)
		return "500 5.5.2 Line too long";
	if (flaws & (SMTP_LINE_NUL | SMTP_LINE_BARE_CR))
		return "500 5.5.2 Bad octet in a command";
	if ((flaws & SMTP_LINE_BARE_LF) && !normalise)
		return "500 5.5.2 Lines end in CR LF";
	return NULL;
}

static bool is_plain_text(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < 0x20 || (unsigned char)line.ptr[i] >= 0x7f)
			return false;
	return true;
}

static void on_bad_command(struct inject_session *s, struct slice line, const struct smtp_command *cmd,
	enum smtp_command_error error)
{
	const char *reply = smtp_command_error_reply(error);

	/* Behind a BDAT we did not understand come octets that may look like commands. */
	if (error == SMTP_COMMAND_FOREIGN || cmd->verb == SMTP_VERB_BDAT) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_SYNTAX], 1);
		inject_session_give_up(s, reply);
	} else if (error == SMTP_COMMAND_UNKNOWN && !is_plain_text(line)) {
		on_garbage(s, reply);
	} else {
		inject_refuse_syntax(s, reply);
	}
}

/* Commands ahead of their time are a sign of somebody who does not read our answers: a web page's form, or a smuggler
 * (row SMG-08). PIPELINING allows them, but never behind DATA, where content starts only after 354, and never behind
 * STARTTLS, where a command in clear would be taken for one in TLS (row LIS-04), or AUTH, where it is an answer. */
static bool is_too_early(const struct inject_session *s, const struct smtp_command *cmd, size_t octets_behind)
{
	return octets_behind > 0 && cmd->verb != SMTP_VERB_QUIT &&
	       (!s->esmtp || cmd->verb == SMTP_VERB_DATA || cmd->verb == SMTP_VERB_STARTTLS ||
		cmd->verb == SMTP_VERB_AUTH);
}

static uint32_t offered_to(const struct inject_session *s)
{
	if (!s->esmtp)
		return 0;
	return s->common->offered | (s->may_forward ? SMTP_CAP_XFORWARD : 0) |
	       (s->common->offers_tls && !s->in_tls ? SMTP_CAP_STARTTLS : 0) |
	       (s->in_tls && s->common->params->requiretls_enable ? SMTP_CAP_REQUIRETLS : 0) |
	       (inject_auth_is_offered(s) ? SMTP_CAP_AUTH : 0);
}

static void on_line(struct inject_session *s, const struct smtp_command_line *line, size_t octets_behind,
		    uint64_t wall_ns)
{
	const char *reply = flaw_reply(s, line->flaws);
	struct smtp_command cmd;

	s->commands++;
	if (reply != NULL) {
		on_garbage(s, reply);
		return;
	}
	enum smtp_command_error error = smtp_command_parse(line->text, offered_to(s), &cmd);

	s->heard_secret |= cmd.verb == SMTP_VERB_AUTH;	/* whatever becomes of it */
	if (error != SMTP_COMMAND_FOREIGN && is_too_early(s, &cmd, octets_behind)) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_ORDER], 1);
		inject_session_give_up(s, "503 5.5.0 Wait for the reply before you go on");
	} else if (error != SMTP_COMMAND_OK) {
		s->tally[cmd.verb].all++;
		on_bad_command(s, line->text, &cmd, error);
	} else {
		inject_run_command(s, &cmd, wall_ns);
	}
}

static void on_some_line(struct inject_session *s, const struct smtp_command_line *line, size_t octets_behind,
			 uint64_t wall_ns)
{
	if (s->state == INJECT_AUTH) {
		s->commands++;
		inject_auth_line(s, line->text, flaw_reply(s, line->flaws) != NULL);
	} else {
		on_line(s, line, octets_behind, wall_ns);
	}
	if (s->heard_secret)
		smtp_command_line_wipe(&s->reader);
}

static void feed_commands(struct inject_session *s, struct slice *in, uint64_t wall_ns)
{
	struct smtp_command_line line;

	if (out_room(s) < OUT_ROOM_MIN) {
		s->wait = INJECT_WAIT_OUT;
		return;
	}
	int r = smtp_command_line_feed(&s->reader, in, &line);

	if (r == 1) {
		on_some_line(s, &line, in->len, wall_ns);
	} else if (r < 0) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_SYNTAX], 1);
		inject_session_give_up(s, "500 5.5.2 Line too long");
	}
}

bool inject_session_feed(struct inject_session *s, struct slice *in, uint64_t wall_ns)
{
	CHECK_MAGIC(s, INJECT_SESSION_MAGIC);
	ASSERT(!inject_session_is_waiting(s));
	if (s->state == INJECT_GREETING && in->len > 0) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_ORDER], 1);
		inject_session_give_up(s, "554 5.5.0 Wait for the greeting before you speak");
	}
	while (in->len > 0 && s->state < INJECT_LAST_WORDS && !inject_session_is_waiting(s)) {
		if (inject_session_is_in_content(s))
			inject_content_feed(s, in);
		else
			feed_commands(s, in, wall_ns);
	}
	if (s->state >= INJECT_LAST_WORDS)
		slice_skip(in, in->len);
	return s->part_count > 0;
}

/* --- for the log -------------------------------------------------------------------------------- */

static void add_count(struct str *out, const char *name, struct inject_tally tally)
{
	if (tally.all == 0)
		return;
	for (; *name != '\0'; name++)
		str_add_char(out, ascii_lower(*name));
	str_add_char(out, '=');
	str_add_u64(out, tally.good);
	if (tally.good != tally.all) {
		str_add_char(out, '/');
		str_add_u64(out, tally.all);
	}
	str_add_char(out, ' ');
}

void inject_session_add_tally(struct str *out, const struct inject_session *s)
{
	struct inject_tally sum = { 0 };

	for (unsigned i = 0; i < SMTP_VERB_COUNT; i++) {
		add_count(out, i == SMTP_VERB_NONE ? "unknown" : smtp_verb_name((enum smtp_verb)i), s->tally[i]);
		sum.good += s->tally[i].good;
		sum.all += s->tally[i].all;
	}
	if (sum.all == 0)
		str_add(out, SLICE("commands=0 "));
	else
		add_count(out, "commands", sum);
	if (!str_is_full(out) && out->len > 0)
		out->len--;		/* the blank at the end */
}
