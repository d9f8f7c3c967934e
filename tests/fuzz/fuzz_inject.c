/* fuzz_inject.c - an injecting client's octets, against a model of the dialogue (row FZ-07)
 *
 * The first four octets choose the settings, how the rest is cut, and when the spool has no room. Claims: the messages
 * that become durable are those of the model, with its content, envelope and facts; nothing is held or open at the end;
 * every reply is a line of SMTP; no octet of the input is read behind its end. STARTTLS is a handshake that nobody
 * sees, and a password is looked at by no helper: what comes behind is what the model expects of a session in TLS, and
 * of one that has authenticated.
 *
 * The model knows all pieces beforehand and is slow: one loop over lines, content by the reference of net/mail/crlf.
 */
#include <stdlib.h>

/* The stand-in for spool and log belongs to the unit tests; here it is part of the target. */
#include "tests/unit/net/mail/crlf_reference.h"
#include "tests/unit/net/source/fake_spool.c"

#include "crypto/base64.h"
#include "net/source/inject_session.h"
#include "net/wire/utf8.h"
#include "net/wire/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OFFERED	(SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_8BITMIME | SMTP_CAP_ENHANCEDSTATUSCODES | \
		 SMTP_CAP_CHUNKING | SMTP_CAP_DSN | SMTP_CAP_SMTPUTF8)
#define ASKED_MAX	KIB(8)
#define MESSAGES_MAX	(FAKE_MESSAGES - 4)
#define LIMIT		300u
#define HOPS		3u
#define USER		"u"
#define PASSWORD	"p"

static struct addr_net home;
static struct params params;
static struct inject_common common;
static struct inject_session session;
static struct passwords *users;
static struct helper_job *job;

/* --- the model ------------------------------------------------------------------------------------ */

struct model_message {
	size_t body;		/* in bodies */
	size_t body_len;
	uint32_t facts;
	uint32_t rcpts;
	size_t asked_len;
	char asked[ASKED_MAX];	/* as fake_message.asked */
};

static struct model {
	struct slice in;	/* all of it */
	size_t at;
	size_t piece;		/* octets a piece; 0: one piece */
	bool normalise;
	bool trusted;
	bool forwards;
	bool has_users;
	bool offers_tls;
	bool in_tls;
	bool authenticated;
	unsigned auth_failures;
	enum { NO_EXCHANGE, PLAIN, LOGIN, SCRAM } exchange;
	bool second;		/* of its answers */
	bool is_user;		/* of LOGIN, or of PLAIN */
	uint64_t limit;

	bool closed;
	bool greeted;
	bool esmtp;
	bool has_mail;
	uint32_t facts;		/* of MAIL */
	uint32_t rcpts;
	size_t asked_len;
	char asked[ASKED_MAX];
	bool in_bdat;		/* between chunks */
	bool bdat_failed;
	unsigned garbage;
	size_t chunks_len;
	char chunks[KIB(64)];

	unsigned count;
	struct model_message messages[FAKE_MESSAGES];
	size_t bodies_len;
	char bodies[MIB(1)];
} model;

static void model_reset_transaction(void)
{
	model.has_mail = false;
	model.facts = 0;
	model.rcpts = 0;
	model.in_bdat = false;
	model.bdat_failed = false;
	model.chunks_len = 0;
}

/* Does something follow in the same piece as the octet before at? */
static bool model_more_in_piece(void)
{
	size_t last = model.at - 1;
	size_t end = model.piece == 0 ? model.in.len : MIN((last / model.piece + 1) * model.piece, model.in.len);

	return model.at < end;
}

static uint32_t model_label(uint32_t facts)
{
	return facts & (MESSAGE_8BIT | MESSAGE_BODY_8BITMIME) ? 0 : MESSAGE_BODY_7BIT;
}

static void model_message(const struct crlf_reference *r, struct slice body)
{
	struct received_counter header = { 0 };

	received_counter_feed(&header, body);
	if ((model.limit > 0 && body.len - r->stuffing > model.limit) || header.count >= HOPS)
		return;
	if (model.count >= MESSAGES_MAX) {
		model.count++;
		model.closed = true;
		return;
	}
	struct model_message *m = &model.messages[model.count++];
	const uint32_t facts = model.facts | r->facts | header.facts;

	m->body = model.bodies_len;
	m->body_len = body.len;
	m->facts = facts | model_label(facts);
	m->rcpts = model.rcpts;
	m->asked_len = model.asked_len;
	memcpy(m->asked, model.asked, model.asked_len);
	model.bodies_len += body.len;
}

static struct str model_space(size_t len)
{
	ASSERT(model.bodies_len + 2 * len + 4 <= sizeof(model.bodies));
	return str_over(model.bodies + model.bodies_len, 2 * len + 4);
}

static void model_data(void)
{
	struct slice rest = slice_of(model.in.ptr + model.at, model.in.len - model.at);
	struct str out = model_space(rest.len);
	struct crlf_reference r = crlf_reference_run(CRLF_DATA, model.normalise, rest, false, &out);

	if (r.result != CRLF_END) {
		model.closed = true;		/* refused, or the input is over */
		return;
	}
	model.at += r.consumed;
	model_message(&r, str_slice(&out));
	model_reset_transaction();
}

static void model_bdat(const struct smtp_command *cmd)
{
	struct crlf_reference r;
	size_t before;

	if (model.rcpts == 0 || model.bdat_failed) {
		model_reset_transaction();
		model.bdat_failed = !cmd->chunk_last;
		model.at += (size_t)min_u64(cmd->chunk_size, model.in.len - model.at);
		return;
	}
	struct str out = model_space(model.chunks_len + model.in.len - model.at);

	r = crlf_reference_run(CRLF_BDAT, model.normalise, slice_of(model.chunks, model.chunks_len), false, &out);
	before = out.len - (size_t)r.stuffing;
	if (model.limit > 0 && (cmd->chunk_size > model.limit || before > model.limit - cmd->chunk_size)) {
		model_reset_transaction();
		model.bdat_failed = !cmd->chunk_last;
		model.at += (size_t)min_u64(cmd->chunk_size, model.in.len - model.at);
		return;
	}
	size_t len = (size_t)min_u64(cmd->chunk_size, model.in.len - model.at);

	memcpy(model.chunks + model.chunks_len, model.in.ptr + model.at, len);
	model.chunks_len += len;
	model.at += len;
	model.in_bdat = true;
	bool whole = len == cmd->chunk_size;

	str_clear(&out);
	r = crlf_reference_run(CRLF_BDAT, model.normalise, slice_of(model.chunks, model.chunks_len),
			       whole && cmd->chunk_last, &out);
	if (r.result == ERR_PROTO || !whole) {
		model.closed = true;
	} else if (cmd->chunk_last) {
		model_message(&r, str_slice(&out));
		model_reset_transaction();
	}
}

static struct str model_asked(void)
{
	struct str asked = STR(model.asked);

	asked.len = model.asked_len;
	return asked;
}

static void model_mail(const struct smtp_command *cmd)
{
	static const uint32_t rets[] = {
		[SMTP_RET_FULL] = MESSAGE_RET_FULL, [SMTP_RET_HDRS] = MESSAGE_RET_HDRS,
	};
	char envid[SMTP_ENVID_MAX];
	struct str text = STR(envid);

	model.has_mail = true;
	model.facts = rets[cmd->ret];
	if (cmd->body == SMTP_BODY_8BITMIME)
		model.facts |= MESSAGE_BODY_8BITMIME;
	if (cmd->params & SMTP_PARAM_SMTPUTF8)
		model.facts |= MESSAGE_SMTPUTF8;
	if (cmd->params & SMTP_PARAM_REQUIRETLS)
		model.facts |= MESSAGE_REQUIRETLS;
	ASSERT(xtext_decode(&text, cmd->envid) == 0 && !str_is_full(&text));
	model.asked_len = 0;
	struct str asked = model_asked();

	fake_add_asked(&asked, str_slice(&text), NULL);
	model.asked_len = asked.len;
}

static void model_rcpt(const struct smtp_command *cmd)
{
	char orcpt[SMTP_ORCPT_MAX];
	struct str text = STR(orcpt);
	struct str asked = model_asked();

	if ((!utf8_is_ascii(cmd->orcpt) || cmd->path.is_utf8) && !(model.facts & MESSAGE_SMTPUTF8))
		return;
	smtp_orcpt_decode(&text, cmd->orcpt);
	fake_add_asked(&asked, cmd->orcpt.len > 0 ? str_slice(&text) : SLICE(""), &cmd->notify);
	model.asked_len = asked.len;
	model.rcpts++;
}

/* --- the model: TLS and passwords ----------------------------------------------------------------- */

static void model_tls(void)
{
	model_reset_transaction();
	model.in_tls = true;
	model.authenticated = false;
	model.greeted = false;
	model.esmtp = false;
}

static void model_auth_failed(void)
{
	model.exchange = NO_EXCHANGE;
	model.closed = ++model.auth_failures == INJECT_AUTH_TRIES_MAX;
}

static void model_password(struct slice password)
{
	if (!model.is_user || !slice_eq(password, SLICE(PASSWORD))) {
		model_auth_failed();
		return;
	}
	model.exchange = NO_EXCHANGE;
	model.auth_failures = 0;
	model.authenticated = true;
}

static bool model_is_text_of(struct slice text, size_t max)
{
	return text.len > 0 && text.len <= max && slice_find_char(text, 0, '\0') < 0;
}

static void model_plain(struct slice text)
{
	const ptrdiff_t last = slice_find_last_char(text, '\0');
	const ptrdiff_t first = slice_find_char(text, 0, '\0');
	const struct slice authzid = slice_head(text, first < 0 ? 0 : (size_t)first);

	if (first < 0 || first == last) {
		model_auth_failed();
		return;
	}
	const struct slice user = slice_of(text.ptr + first + 1, (size_t)(last - first) - 1);

	slice_skip(&text, (size_t)last + 1);
	model.is_user = slice_eq(user, SLICE(USER)) && (authzid.len == 0 || slice_eq(authzid, user));
	model_password(text);
}

static void model_answer(struct slice text64)
{
	static struct scram_server scram;
	char storage[SMTP_LINE_MAX], name[PASSWORD_USER_MAX];
	struct str text = STR(storage), user = STR(name);

	if (base64_add_decoded(&text, text64) < 0) {
		model_auth_failed();
	} else if (model.exchange == PLAIN) {
		model_plain(str_slice(&text));
	} else if (model.exchange == LOGIN && model.second) {
		model_password(str_slice(&text));
	} else if (model.second ||
		   (model.exchange == SCRAM && scram_server_first(&scram, str_slice(&text), &user) < 0)) {
		model_auth_failed();		/* nobody guesses our nonce */
	} else if (model.exchange == LOGIN && !model_is_text_of(str_slice(&text), PASSWORD_USER_MAX)) {
		model_auth_failed();
	} else {
		model.is_user = slice_eq(str_slice(&text), SLICE(USER));
		model.second = true;
	}
}

static void model_auth(struct slice argument)
{
	const ptrdiff_t blank = slice_find_char(argument, 0, ' ');
	const struct slice name = slice_head(argument, blank < 0 ? argument.len : (size_t)blank);

	if (model.authenticated)
		return;
	model.second = false;
	model.exchange = slice_eq_nocase(name, SLICE("PLAIN")) ? PLAIN :
			 slice_eq_nocase(name, SLICE("LOGIN")) ? LOGIN :
			 slice_eq_nocase(name, SLICE("SCRAM-SHA-256")) ? SCRAM : NO_EXCHANGE;
	slice_skip(&argument, MIN(argument.len, name.len + 1));
	if (model.exchange != NO_EXCHANGE && argument.len > 0)
		model_answer(slice_eq(argument, SLICE("=")) ? SLICE("") : argument);
}

/* --- the model: lines ----------------------------------------------------------------------------- */

static void model_command(const struct smtp_command *cmd)
{
	bool between = model.in_bdat || model.bdat_failed;

	switch (cmd->verb) {
	case SMTP_VERB_HELO:
	case SMTP_VERB_EHLO:
		model_reset_transaction();
		model.greeted = true;
		model.esmtp = cmd->verb == SMTP_VERB_EHLO;
		break;
	case SMTP_VERB_MAIL:
		if (!model.greeted || model.has_mail || between || (model.limit > 0 && cmd->size > model.limit))
			break;
		model_mail(cmd);
		break;
	case SMTP_VERB_RCPT:
		if (model.has_mail && !between && (model.trusted || model.authenticated) &&
		    model.rcpts < params.smtpd_recipient_limit)
			model_rcpt(cmd);
		break;
	case SMTP_VERB_DATA:
		if (model.rcpts > 0 && !between)
			model_data();
		break;
	case SMTP_VERB_BDAT:
		model_bdat(cmd);
		break;
	case SMTP_VERB_RSET:
		model_reset_transaction();
		break;
	case SMTP_VERB_STARTTLS:
		if (model.greeted && !model.has_mail && !between)
			model_tls();
		break;
	case SMTP_VERB_AUTH:
		if (model.greeted && !model.has_mail && !between)
			model_auth(cmd->argument);
		break;
	case SMTP_VERB_QUIT:
		model.closed = true;
		break;
	default:
		break;
	}
}

/* Octets that a command line cannot have. */
static bool model_line_is_bad(struct slice line, bool has_cr)
{
	return (!has_cr && !model.normalise) || line.len > SMTP_LINE_MAX || slice_find_char(line, 0, '\r') >= 0 ||
	       slice_find_char(line, 0, '\0') >= 0;
}

static bool model_is_text(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < ' ' || (unsigned char)line.ptr[i] > '~')
			return false;
	return true;
}

static uint32_t model_offered(void)
{
	if (!model.esmtp)
		return 0;
	return OFFERED | (model.forwards ? SMTP_CAP_XFORWARD : 0) |
	       (model.offers_tls && !model.in_tls ? SMTP_CAP_STARTTLS : 0) |
	       (model.in_tls ? SMTP_CAP_REQUIRETLS : 0) |
	       (model.has_users && (model.in_tls || !params.smtpd_tls_auth_only) ? SMTP_CAP_AUTH : 0);
}

static void model_line(struct slice line, bool has_cr)
{
	struct smtp_command cmd;

	if (model.exchange != NO_EXCHANGE) {
		if (model_line_is_bad(line, has_cr) || slice_eq(line, SLICE("*")))
			model_auth_failed();
		else
			model_answer(line);
		return;
	}

	if (model_line_is_bad(line, has_cr)) {
		model.closed = ++model.garbage == 3;
		return;
	}
	enum smtp_command_error error = smtp_command_parse(line, model_offered(), &cmd);
	bool early = model_more_in_piece() && cmd.verb != SMTP_VERB_QUIT &&
		     (!model.esmtp || cmd.verb == SMTP_VERB_DATA || cmd.verb == SMTP_VERB_STARTTLS ||
		      cmd.verb == SMTP_VERB_AUTH);

	if (error == SMTP_COMMAND_FOREIGN || early)
		model.closed = true;
	else if (error == SMTP_COMMAND_OK)
		model_command(&cmd);
	else if (cmd.verb == SMTP_VERB_BDAT)
		model.closed = true;
	else if (error == SMTP_COMMAND_UNKNOWN && !model_is_text(line))
		model.closed = ++model.garbage == 3;
}

static void model_run(struct slice in)
{
	while (model.at < in.len && !model.closed) {
		ptrdiff_t lf = slice_find_char(in, model.at, '\n');

		if (lf < 0)
			return;
		struct slice line = slice_of(in.ptr + model.at, (size_t)lf - model.at);
		bool has_cr = line.len > 0 && line.ptr[line.len - 1] == '\r';

		line.len -= has_cr;
		model.at = (size_t)lf + 1;
		model_line(line, has_cr);
	}
}

/* --- the session ------------------------------------------------------------------------------------ */

static void on_resume(struct inject_session *s)
{
	ASSERT(s == &session);
}

static void check_replies(void)
{
	struct slice out = str_slice(&session.out);

	while (out.len > 0) {
		ptrdiff_t lf = slice_find_char(out, 0, '\n');

		ASSERT(lf >= 4 && out.ptr[lf - 1] == '\r');
		ASSERT(out.ptr[0] >= '2' && out.ptr[0] <= '5' && (out.ptr[3] == ' ' || out.ptr[3] == '-'));
		ASSERT(slice_find_char(slice_head(out, (size_t)lf), 0, '\r') == lf - 1);
		slice_skip(&out, (size_t)lf + 1);
	}
	str_clear(&session.out);
}

/* Without the hash, which would take most of the time. */
static void verify(void)
{
	struct inject_auth *a = container_of(job, struct inject_auth, job);
	struct helper_job *j = job;

	ASSERT(a->text[0] != '\0' && memchr(a->text, '\0', sizeof(a->text)) != NULL);
	a->matches = a->password.kind == PASSWORD_SCRAM && strcmp(a->text, PASSWORD) == 0;
	job = NULL;
	j->done(j);
}

static void submit(struct helper_job *j, void *context)
{
	ASSERT(job == NULL && context == NULL);
	job = j;
}

static void end_waiting(void)
{
	if (session.state == INJECT_STARTTLS)
		inject_session_on_tls(&session);
	else if (session.wait == INJECT_WAIT_HELPER)
		verify();
	else if (session.wait == INJECT_WAIT_DELAY)
		inject_auth_refuse(&session);
	else if (session.state == INJECT_COMMIT)
		ASSERT(fake_spool_finish() == 1);
	else if (session.wait == INJECT_WAIT_ROOM)
		ASSERT(fake_spool_give_room());
	check_replies();
	inject_session_on_out(&session);
}

/* At the very end of its memory, which stays until the session does not need it any more. */
static void feed_piece(struct slice piece, char *end)
{
	struct slice in = slice_of(end - piece.len, piece.len);

	memcpy(end - piece.len, piece.ptr, piece.len);
	for (;;) {
		while (inject_session_is_waiting(&session))
			end_waiting();
		if (in.len == 0)
			break;
		(void)inject_session_feed(&session, &in, 0);
	}
	check_replies();
}

static void prepare(const uint8_t *settings)
{
	struct addr peer;

	fake_spool_reset();
	params.smtpd_forbid_bare_newline = settings[0] & 1 ? BARE_NEWLINE_NORMALIZE : BARE_NEWLINE_REJECT;
	/* A limit that normalised content may cross in the middle of a chunk is no business of the model. */
	params.message_size_limit = settings[0] & 2 && !(settings[0] & 1) ? LIMIT : 0;
	fake_spool.no_room = settings[2] & 7;
	memset(&model, 0, offsetof(struct model, chunks));
	model.count = 0;
	model.bodies_len = 0;
	model.normalise = settings[0] & 1;
	model.limit = params.message_size_limit;
	model.trusted = !(settings[0] & 4);
	model.forwards = model.trusted;
	model.has_users = settings[0] & 8;
	common.passwords = model.has_users ? users : NULL;
	params.smtpd_tls_auth_only = settings[0] & 16;
	model.offers_tls = settings[0] & 32;
	common.offers_tls = model.offers_tls;
	model.piece = settings[1] & 0x3f;
	if (addr_parse_endpoint(model.trusted ? SLICE("127.0.0.1:25") : SLICE("192.0.2.1:25"), &peer) < 0)
		UNREACHABLE();
	inject_session_init(&session, &common, &peer);
	session.on_resume = on_resume;
	inject_session_greet(&session);
	check_replies();
}

static void start(void)
{
	if (addr_net_parse(SLICE("127.0.0.0/8"), &home) < 0)
		UNREACHABLE();
	params = (struct params){
		.myhostname = "mx.test",
		.mynetworks = { &home, 1 },
		.smtpd_recipient_limit = 5,
		.smtpd_hard_error_limit = UINT32_MAX,
		.hopcount_limit = HOPS,
		.smtputf8_enable = true,
		.smtpd_authorized_xforward_hosts = { &home, 1 },
		.smtp_send_xforward_command = true,
		.smtpd_sasl_auth_enable = true,
		.requiretls_enable = true,
	};
	/* Whoever's key: it is never asked. */
	const struct slice file = SLICE(USER ":{SCRAM-SHA-256}4096,AAAA,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
					"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n");
	char storage[128];
	struct str why = STR(storage);

	if (inject_common_init(&common, &params, NULL, 4) < 0 || inject_auth_init(&common, 1) < 0 ||
	    passwords_new(file, &why, &users) < 0)
		UNREACHABLE();
	common.submit = submit;
}

static void compare(void)
{
	ASSERT(fake_spool.total == model.count);
	ASSERT(fake_spool.count == model.count);
	for (unsigned i = 0; i < model.count; i++) {
		const struct model_message *want = &model.messages[i];
		const struct fake_message *got = &fake_spool.messages[i];

		ASSERT(slice_eq(fake_spool_body(got), slice_of(model.bodies + want->body, want->body_len)));
		ASSERT(got->facts == want->facts);
		ASSERT(got->rcpt_count == want->rcpts);
		ASSERT(slice_eq(slice_of(got->asked, got->asked_len), slice_of(want->asked, want->asked_len)));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 4 || size > KIB(32))
		return 0;
	if (common.params == NULL)
		start();
	struct slice in = slice_of(data + 4, size - 4);

	prepare(data);
	model.in = in;
	model_run(in);
	if (model.count > MESSAGES_MAX)
		return 0;
	size_t piece_max = model.piece == 0 ? in.len : MIN(model.piece, in.len);
	char *memory = malloc(piece_max > 0 ? piece_max : 1);

	ASSERT(memory != NULL);
	for (size_t at = 0; at < in.len;) {
		size_t n = MIN(piece_max, in.len - at);

		feed_piece(slice_of(in.ptr + at, n), memory + piece_max);
		at += n;
	}
	free(memory);
	compare();
	inject_session_done(&session);
	ASSERT(fake_spool.drafts == 0 && fake_spool.committing == 0 && fake_spool.waiting_for_room == 0);
	ASSERT(common.rcpt_blocks.used == 0 && common.auths.used == 0 && job == NULL);
	return 0;
}
