#include "net/wire/smtp_command.h"

#include <errno.h>

#include "net/wire/utf8.h"
#include "net/wire/xtext.h"

#define CAP_NEVER UINT32_C(0x80000000)	/* we say it and never hear it */

enum arguments { ARGUMENTS_NONE, ARGUMENTS_MAY, ARGUMENTS_MUST };

static const struct {
	const char *name;
	enum arguments arguments;
	uint32_t cap;		/* unknown unless this was announced; 0: always known */
} verbs[SMTP_VERB_COUNT] = {
	[SMTP_VERB_NONE]	= { "", ARGUMENTS_NONE, 0 },
	[SMTP_VERB_HELO]	= { "HELO", ARGUMENTS_MUST, 0 },
	[SMTP_VERB_EHLO]	= { "EHLO", ARGUMENTS_MUST, 0 },
	[SMTP_VERB_MAIL]	= { "MAIL", ARGUMENTS_MUST, 0 },
	[SMTP_VERB_RCPT]	= { "RCPT", ARGUMENTS_MUST, 0 },
	[SMTP_VERB_DATA]	= { "DATA", ARGUMENTS_NONE, 0 },
	[SMTP_VERB_BDAT]	= { "BDAT", ARGUMENTS_MUST, SMTP_CAP_CHUNKING },
	[SMTP_VERB_RSET]	= { "RSET", ARGUMENTS_NONE, 0 },
	[SMTP_VERB_NOOP]	= { "NOOP", ARGUMENTS_MAY, 0 },
	[SMTP_VERB_QUIT]	= { "QUIT", ARGUMENTS_NONE, 0 },
	[SMTP_VERB_VRFY]	= { "VRFY", ARGUMENTS_MUST, 0 },
	[SMTP_VERB_EXPN]	= { "EXPN", ARGUMENTS_MUST, 0 },
	[SMTP_VERB_HELP]	= { "HELP", ARGUMENTS_MAY, 0 },
	[SMTP_VERB_STARTTLS]	= { "STARTTLS", ARGUMENTS_NONE, SMTP_CAP_STARTTLS },
	[SMTP_VERB_AUTH]	= { "AUTH", ARGUMENTS_MUST, SMTP_CAP_AUTH },
	[SMTP_VERB_XFORWARD]	= { "XFORWARD", ARGUMENTS_MUST, SMTP_CAP_XFORWARD },
	[SMTP_VERB_LHLO]	= { "LHLO", ARGUMENTS_MUST, CAP_NEVER },
};

static const char *const foreign_verbs[] = {
	"GET", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "PATCH", "TRACE",
};

static const char *const error_replies[SMTP_COMMAND_ERROR_COUNT] = {
	[SMTP_COMMAND_UNKNOWN]		= "500 5.5.2 Command not recognised",
	[SMTP_COMMAND_FOREIGN]		= "554 5.5.0 This port speaks SMTP",
	[SMTP_COMMAND_NOT_OFFERED]	= "502 5.5.1 Command not offered here",
	[SMTP_COMMAND_SYNTAX]		= "501 5.5.4 Syntax error in arguments",
	[SMTP_COMMAND_SENDER]		= "501 5.1.7 Bad sender address syntax",
	[SMTP_COMMAND_RCPT]		= "501 5.1.3 Bad recipient address syntax",
	[SMTP_COMMAND_NEEDS_UTF8]	= "553 5.6.7 This address needs SMTPUTF8",
	[SMTP_COMMAND_PARAM]		= "501 5.5.4 Bad parameter value",
	[SMTP_COMMAND_PARAM_VALUE]	= "504 5.5.4 Parameter value not offered here",
	[SMTP_COMMAND_PARAM_UNKNOWN]	= "555 5.5.4 Unknown parameter",
};

static enum smtp_command_error parse_arguments(uint32_t offered, struct smtp_command *cmd);

const char *smtp_verb_name(enum smtp_verb verb)
{
	ASSERT(verb < SMTP_VERB_COUNT);
	return verbs[verb].name;
}

const char *smtp_command_error_reply(enum smtp_command_error error)
{
	ASSERT(error > SMTP_COMMAND_OK && error < SMTP_COMMAND_ERROR_COUNT);
	return error_replies[error];
}

/* --- writing ---------------------------------------------------------------------------------- */

/* Where a line began, to look at it again or to take it back. */
struct draft {
	struct str *out;
	size_t start;
	bool was_full;
};

static struct draft begin_line(struct str *out)
{
	return (struct draft){ .out = out, .start = out->len, .was_full = out->full };
}

static int take_back(struct draft d, int err)
{
	d.out->len = d.start;
	d.out->full = d.was_full;
	return err;
}

#define EACH(octet)	(UINT64_C(0x0101010101010101) * (octet))

/* Not 0: some octet of eight is 0. */
static inline uint64_t any_zero(uint64_t v)
{
	return (v - EACH(1)) & ~v & EACH(0x80);
}

static bool ends_line(char c)
{
	return c == '\r' || c == '\n' || c == '\0';
}

/* Is there a CR, LF or NUL? */
static bool any_ends_line(struct slice text)
{
	uint64_t found = 0;

	for (; text.len >= 8; slice_skip(&text, 8)) {
		uint64_t v;

		memcpy(&v, text.ptr, 8);
		found |= any_zero(v ^ EACH('\r')) | any_zero(v ^ EACH('\n')) | any_zero(v);
	}
	for (size_t i = 0; i < text.len; i++)
		found |= ends_line(text.ptr[i]);
	return found != 0;
}

/* The output assertion of row INJ-01: whatever the callers and the grammars above did wrong, two
 * commands never leave as one. An error and not an ASSERT, because the octets came from a user. */
static int end_line(struct draft d)
{
	struct slice line = slice_of(d.out->ptr + d.start, d.out->len - d.start);

	if (any_ends_line(line))
		return take_back(d, -EINVAL);
	str_add(d.out, SLICE("\r\n"));
	if (str_is_full(d.out))
		return take_back(d, -ENOBUFS);
	return line.len + 2 > SMTP_COMMAND_SEND_MAX ? take_back(d, -EMSGSIZE) : 0;
}

/* "<path>", and false when a reader would find another end of the path than ours (row INJ-03: "x>
 * SIZE=1"). */
static bool add_path(struct str *out, struct slice path)
{
	str_add_char(out, '<');
	size_t start = out->len;

	str_add(out, path);
	str_add_char(out, '>');
	if (str_is_full(out))
		return true;		/* nothing to look at; end_line will tell */
	return address_path_len(slice_of(out->ptr + start, out->len - start)) ==
		(ptrdiff_t)path.len;
}

/* Adds " NAME=" and xtext, or nothing at all when that is over max octets. */
static void add_xtext(struct str *out, const char *name, struct slice raw, size_t max)
{
	char storage[SMTP_ORCPT_MAX];
	struct str value = str_over(storage, MIN(max, sizeof(storage)));
	const struct slice prefix = SLICE("utf-8;");

	if (slice_has_prefix_nocase(raw, prefix)) {
		str_add(&value, prefix);
		slice_skip(&raw, prefix.len);
		if (xtext_encode_utf8(&value, raw) < 0)
			return;
	} else {
		xtext_encode(&value, raw);
	}
	if (str_is_full(&value))
		return;
	str_add_cstr(out, name);
	str_add(out, str_slice(&value));
}

int smtp_command_add_mail(struct str *out, const struct smtp_mail *mail)
{
	static const char *const bodies[] = {
		[SMTP_BODY_7BIT] = " BODY=7BIT",
		[SMTP_BODY_8BITMIME] = " BODY=8BITMIME",
		[SMTP_BODY_BINARYMIME] = " BODY=BINARYMIME",
	};
	struct draft d = begin_line(out);

	str_add(out, SLICE("MAIL FROM:"));
	if (!add_path(out, mail->sender))
		return take_back(d, -EINVAL);
	if (mail->has_size) {
		str_add(out, SLICE(" SIZE="));
		str_add_u64(out, mail->size);
	}
	if (mail->body != SMTP_BODY_UNKNOWN)
		str_add_cstr(out, bodies[mail->body]);
	if (mail->envid.len > 0)
		add_xtext(out, " ENVID=", mail->envid, SMTP_ENVID_MAX);
	if (mail->ret != SMTP_RET_NONE)
		str_add_cstr(out, mail->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (mail->smtputf8)
		str_add(out, SLICE(" SMTPUTF8"));
	if (mail->requiretls)
		str_add(out, SLICE(" REQUIRETLS"));
	if (mail->auth_empty)
		str_add(out, SLICE(" AUTH=<>"));
	return end_line(d);
}

static void add_notify(struct str *out, uint32_t notify)
{
	char before = '=';

	if (notify & SMTP_NOTIFY_NEVER) {
		str_add(out, SLICE(" NOTIFY=NEVER"));
		return;
	}
	str_add(out, SLICE(" NOTIFY"));
	if (notify & SMTP_NOTIFY_SUCCESS) {
		str_add_char(out, before);
		str_add(out, SLICE("SUCCESS"));
		before = ',';
	}
	if (notify & SMTP_NOTIFY_FAILURE) {
		str_add_char(out, before);
		str_add(out, SLICE("FAILURE"));
		before = ',';
	}
	if (notify & SMTP_NOTIFY_DELAY) {
		str_add_char(out, before);
		str_add(out, SLICE("DELAY"));
	}
}

int smtp_command_add_rcpt(struct str *out, const struct smtp_rcpt *rcpt)
{
	struct draft d = begin_line(out);

	str_add(out, SLICE("RCPT TO:"));
	if (rcpt->rcpt.len == 0 || !add_path(out, rcpt->rcpt))
		return take_back(d, -EINVAL);
	if (rcpt->orcpt.len > 0)
		add_xtext(out, " ORCPT=", rcpt->orcpt, SMTP_ORCPT_MAX);
	if (rcpt->notify != 0)
		add_notify(out, rcpt->notify);
	return end_line(d);
}

/* A host as it stands in HELO: a name or a literal, of octets that need no care wherever it is
 * written down. */
static bool host_is_plain(struct slice host)
{
	if (host.len == 0 || host.len > ADDRESS_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		unsigned char c = (unsigned char)host.ptr[i];

		if (c <= 0x20 || c >= 0x7f || strchr("<>()\\\"@,;", c) != NULL)
			return false;
	}
	return true;
}

int smtp_command_add_hello(struct str *out, enum smtp_verb verb, struct slice name)
{
	struct draft d = begin_line(out);

	ASSERT(verb == SMTP_VERB_EHLO || verb == SMTP_VERB_HELO || verb == SMTP_VERB_LHLO);
	if (!host_is_plain(name))
		return -EINVAL;
	str_add_cstr(out, verbs[verb].name);
	str_add_char(out, ' ');
	str_add(out, name);
	return end_line(d);
}

int smtp_command_add_bdat(struct str *out, uint64_t size, bool last)
{
	struct draft d = begin_line(out);

	str_add(out, SLICE("BDAT "));
	str_add_u64(out, size);
	if (last)
		str_add(out, SLICE(" LAST"));
	return end_line(d);
}

int smtp_command_add_plain(struct str *out, enum smtp_verb verb)
{
	struct draft d = begin_line(out);

	ASSERT(verb != SMTP_VERB_NONE && verbs[verb].arguments != ARGUMENTS_MUST);
	str_add_cstr(out, verbs[verb].name);
	return end_line(d);
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool has_control(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if ((unsigned char)line.ptr[i] < 0x20 || line.ptr[i] == 0x7f)
			return true;
	return false;
}

static void skip_blanks(struct slice *text)
{
	while (text->len > 0 && text->ptr[0] == ' ')
		slice_skip(text, 1);
}

/* The next word, and the blanks before and behind it, off the front. Empty at the end. */
static struct slice take_word(struct slice *text)
{
	skip_blanks(text);
	ptrdiff_t blank = slice_find_char(*text, 0, ' ');
	struct slice word = blank < 0 ? *text : slice_head(*text, (size_t)blank);

	slice_skip(text, word.len);
	skip_blanks(text);
	return word;
}

static bool verb_is_foreign(struct slice word)
{
	for (size_t i = 0; i < ARRAY_LEN(foreign_verbs); i++)
		if (slice_eq_nocase(word, slice_of_str(foreign_verbs[i])))
			return true;
	return false;
}

static enum smtp_verb find_verb(struct slice word)
{
	for (unsigned i = SMTP_VERB_NONE + 1; i < SMTP_VERB_COUNT; i++)
		if (verbs[i].cap != CAP_NEVER && slice_eq_nocase(word, slice_of_str(verbs[i].name)))
			return (enum smtp_verb)i;
	return SMTP_VERB_NONE;
}

enum smtp_command_error smtp_command_parse(
	struct slice line, uint32_t offered, struct smtp_command *ret_command)
{
	struct smtp_command *cmd = ret_command;

	*cmd = (struct smtp_command){ 0 };
	if (has_control(line) || (line.len > 0 && line.ptr[0] == ' '))
		return SMTP_COMMAND_UNKNOWN;
	struct slice word = take_word(&line);

	cmd->verb = find_verb(word);
	cmd->argument = slice_trim(line);
	if (cmd->verb == SMTP_VERB_NONE)
		return verb_is_foreign(word) ? SMTP_COMMAND_FOREIGN : SMTP_COMMAND_UNKNOWN;
	if (verbs[cmd->verb].cap & ~offered)
		return SMTP_COMMAND_NOT_OFFERED;
	if (verbs[cmd->verb].arguments == ARGUMENTS_NONE && cmd->argument.len > 0)
		return SMTP_COMMAND_SYNTAX;
	if (verbs[cmd->verb].arguments == ARGUMENTS_MUST && cmd->argument.len == 0)
		return SMTP_COMMAND_SYNTAX;
	return parse_arguments(offered, cmd);
}

/* --- parameters of MAIL and RCPT -------------------------------------------------------------- */

typedef enum smtp_command_error param_fn(
	struct slice value, uint32_t offered, struct smtp_command *cmd);

static enum smtp_command_error take_size(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	int r = slice_to_u64(value, UINT64_MAX, &cmd->size);

	(void)offered;
	if (r == -ERANGE)
		cmd->size = UINT64_MAX;
	return r == -EINVAL ? SMTP_COMMAND_PARAM : SMTP_COMMAND_OK;
}

static enum smtp_command_error take_body(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	if (slice_eq_nocase(value, SLICE("7BIT")))
		cmd->body = SMTP_BODY_7BIT;
	else if (slice_eq_nocase(value, SLICE("8BITMIME")))
		cmd->body = SMTP_BODY_8BITMIME;
	else if (slice_eq_nocase(value, SLICE("BINARYMIME")))
		cmd->body = SMTP_BODY_BINARYMIME;
	else
		return SMTP_COMMAND_PARAM;
	if (cmd->body == SMTP_BODY_BINARYMIME && !(offered & SMTP_CAP_BINARYMIME))
		return SMTP_COMMAND_PARAM_VALUE;
	return SMTP_COMMAND_OK;
}

static enum smtp_command_error take_envid(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	(void)offered;
	cmd->envid = value;
	if (value.len == 0 || value.len > SMTP_ENVID_MAX || !xtext_is_safe(value))
		return SMTP_COMMAND_PARAM;
	return SMTP_COMMAND_OK;
}

static enum smtp_command_error take_ret(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	(void)offered;
	if (slice_eq_nocase(value, SLICE("FULL")))
		cmd->ret = SMTP_RET_FULL;
	else if (slice_eq_nocase(value, SLICE("HDRS")))
		cmd->ret = SMTP_RET_HDRS;
	else
		return SMTP_COMMAND_PARAM;
	return SMTP_COMMAND_OK;
}

/* SMTPUTF8, REQUIRETLS: to be there is all. */
static enum smtp_command_error take_flag(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	(void)offered;
	(void)cmd;
	return value.ptr == NULL ? SMTP_COMMAND_OK : SMTP_COMMAND_PARAM;
}

static enum smtp_command_error take_auth(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	(void)offered;
	cmd->auth = value;
	return value.len > 0 && xtext_is_safe(value) ? SMTP_COMMAND_OK : SMTP_COMMAND_PARAM;
}

static const struct slice utf8_type = SLICE("utf-8;");

/* "type;" and xtext, or "utf-8;" and a form of its own; characters beyond ASCII are SMTPUTF8's (RFC 6533 3). */
static enum smtp_command_error take_orcpt(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	ptrdiff_t semicolon = slice_find_char(value, 0, ';');

	if (semicolon <= 0 || (size_t)semicolon + 1 == value.len || value.len > SMTP_ORCPT_MAX)
		return SMTP_COMMAND_PARAM;
	cmd->orcpt = value;
	if (!utf8_is_ascii(value) && !(offered & SMTP_CAP_SMTPUTF8))
		return SMTP_COMMAND_PARAM;
	if (!slice_has_prefix_nocase(value, utf8_type))
		return xtext_is_safe(value) ? SMTP_COMMAND_OK : SMTP_COMMAND_PARAM;
	slice_skip(&value, utf8_type.len);
	return xtext_utf8_is_safe(value) ? SMTP_COMMAND_OK : SMTP_COMMAND_PARAM;
}

void smtp_orcpt_decode(struct str *out, struct slice orcpt)
{
	if (!slice_has_prefix_nocase(orcpt, utf8_type)) {
		(void)xtext_decode(out, orcpt);		/* take_orcpt has looked at it */
		return;
	}
	str_add(out, utf8_type);
	slice_skip(&orcpt, utf8_type.len);
	(void)xtext_decode_utf8(out, orcpt);		/* the same */
}

static uint32_t notify_of(struct slice word)
{
	return slice_eq_nocase(word, SLICE("NEVER")) ? SMTP_NOTIFY_NEVER :
	       slice_eq_nocase(word, SLICE("SUCCESS")) ? SMTP_NOTIFY_SUCCESS :
	       slice_eq_nocase(word, SLICE("FAILURE")) ? SMTP_NOTIFY_FAILURE :
	       slice_eq_nocase(word, SLICE("DELAY")) ? SMTP_NOTIFY_DELAY : 0;
}

static enum smtp_command_error take_notify(
	struct slice value, uint32_t offered, struct smtp_command *cmd)
{
	bool more = true;

	(void)offered;
	while (more) {
		ptrdiff_t comma = slice_find_char(value, 0, ',');
		struct slice word = comma < 0 ? value : slice_head(value, (size_t)comma);
		uint32_t bit = notify_of(word);

		if (bit == 0)
			return SMTP_COMMAND_PARAM;
		cmd->notify |= bit;
		more = comma >= 0;
		slice_skip(&value, word.len + more);
	}
	/* NEVER stands alone. */
	if ((cmd->notify & SMTP_NOTIFY_NEVER) && cmd->notify != SMTP_NOTIFY_NEVER)
		return SMTP_COMMAND_PARAM;
	return SMTP_COMMAND_OK;
}

static const struct param {
	const char *keyword;
	enum smtp_verb verb;
	enum smtp_param bit;
	uint32_t cap;
	param_fn *take;
} params[] = {
	{ "SIZE",       SMTP_VERB_MAIL, SMTP_PARAM_SIZE,       SMTP_CAP_SIZE,       take_size },
	{ "BODY",       SMTP_VERB_MAIL, SMTP_PARAM_BODY,       SMTP_CAP_8BITMIME,   take_body },
	{ "ENVID",      SMTP_VERB_MAIL, SMTP_PARAM_ENVID,      SMTP_CAP_DSN,        take_envid },
	{ "RET",        SMTP_VERB_MAIL, SMTP_PARAM_RET,        SMTP_CAP_DSN,        take_ret },
	{ "SMTPUTF8",   SMTP_VERB_MAIL, SMTP_PARAM_SMTPUTF8,   SMTP_CAP_SMTPUTF8,   take_flag },
	{ "REQUIRETLS", SMTP_VERB_MAIL, SMTP_PARAM_REQUIRETLS, SMTP_CAP_REQUIRETLS, take_flag },
	{ "AUTH",       SMTP_VERB_MAIL, SMTP_PARAM_AUTH,       SMTP_CAP_AUTH,       take_auth },
	{ "ORCPT",      SMTP_VERB_RCPT, SMTP_PARAM_ORCPT,      SMTP_CAP_DSN,        take_orcpt },
	{ "NOTIFY",     SMTP_VERB_RCPT, SMTP_PARAM_NOTIFY,     SMTP_CAP_DSN,        take_notify },
};

static enum smtp_command_error take_param(
	struct slice word, uint32_t offered, struct smtp_command *cmd)
{
	ptrdiff_t equals = slice_find_char(word, 0, '=');
	struct slice keyword = equals < 0 ? word : slice_head(word, (size_t)equals);
	struct slice value = { 0 };

	if (equals >= 0)
		value = slice_of(word.ptr + equals + 1, word.len - (size_t)equals - 1);
	for (size_t i = 0; i < ARRAY_LEN(params); i++) {
		const struct param *p = &params[i];

		if (p->verb != cmd->verb || !(p->cap & offered) ||
		    !slice_eq_nocase(keyword, slice_of_str(p->keyword)))
			continue;
		if (cmd->params & p->bit)
			return SMTP_COMMAND_PARAM;
		cmd->params |= p->bit;
		return p->take(value, offered, cmd);
	}
	return SMTP_COMMAND_PARAM_UNKNOWN;
}

/* --- arguments, command by command ------------------------------------------------------------ */

/* RFC 5321 4.5.1: everyone may write to Postmaster, no domain needed. */
static enum smtp_command_error parse_path(
	struct slice path, uint32_t offered, struct smtp_command *cmd)
{
	bool is_mail = cmd->verb == SMTP_VERB_MAIL;
	enum smtp_command_error bad = is_mail ? SMTP_COMMAND_SENDER : SMTP_COMMAND_RCPT;
	unsigned flags = offered & SMTP_CAP_SMTPUTF8 ? ADDRESS_UTF8 : 0;

	if (path.len == 0 && is_mail)
		return SMTP_COMMAND_OK;
	if (!is_mail && slice_eq_nocase(path, SLICE("Postmaster")))
		flags |= ADDRESS_NO_DOMAIN;
	return address_parse(path, flags, &cmd->path) < 0 ? bad : SMTP_COMMAND_OK;
}

static enum smtp_command_error parse_transaction(
	struct slice prefix, uint32_t offered, struct smtp_command *cmd)
{
	struct slice rest = cmd->argument;

	if (!slice_has_prefix_nocase(rest, prefix))
		return SMTP_COMMAND_SYNTAX;
	slice_skip(&rest, prefix.len);
	skip_blanks(&rest);
	if (rest.len == 0 || rest.ptr[0] != '<')
		return SMTP_COMMAND_SYNTAX;
	slice_skip(&rest, 1);
	ptrdiff_t path_len = address_path_len(rest);

	if (path_len < 0)
		return SMTP_COMMAND_SYNTAX;
	enum smtp_command_error error =
		parse_path(slice_head(rest, (size_t)path_len), offered, cmd);

	slice_skip(&rest, (size_t)path_len + 1);
	if (error == SMTP_COMMAND_OK && rest.len > 0 && rest.ptr[0] != ' ')
		error = SMTP_COMMAND_SYNTAX;
	while (error == SMTP_COMMAND_OK && rest.len > 0)
		error = take_param(take_word(&rest), offered, cmd);
	if (error == SMTP_COMMAND_OK && cmd->verb == SMTP_VERB_MAIL && cmd->path.is_utf8 &&
	    !(cmd->params & SMTP_PARAM_SMTPUTF8))
		error = SMTP_COMMAND_NEEDS_UTF8;
	return error;
}

static enum smtp_command_error parse_bdat(struct smtp_command *cmd)
{
	struct slice rest = cmd->argument;
	struct slice size = take_word(&rest);

	if (slice_to_u64(size, UINT64_MAX, &cmd->chunk_size) < 0)
		return SMTP_COMMAND_SYNTAX;
	cmd->chunk_last = slice_eq_nocase(rest, SLICE("LAST"));
	return rest.len == 0 || cmd->chunk_last ? SMTP_COMMAND_OK : SMTP_COMMAND_SYNTAX;
}

static enum smtp_command_error parse_arguments(uint32_t offered, struct smtp_command *cmd)
{
	switch (cmd->verb) {
	case SMTP_VERB_MAIL:
		return parse_transaction(SLICE("FROM:"), offered, cmd);
	case SMTP_VERB_RCPT:
		return parse_transaction(SLICE("TO:"), offered, cmd);
	case SMTP_VERB_BDAT:
		return parse_bdat(cmd);
	case SMTP_VERB_HELO:
	case SMTP_VERB_EHLO:
		return host_is_plain(cmd->argument) ? SMTP_COMMAND_OK : SMTP_COMMAND_SYNTAX;
	default:
		return SMTP_COMMAND_OK;
	}
}
