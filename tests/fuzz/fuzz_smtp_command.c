/* fuzz_smtp_command.c - what a client may send to a listener, and what we write (rows FZ-07,
 * INJ-01, INJ-03)
 *
 * The first two octets choose the pieces, the next two what was announced; the rest is the
 * client's. Claims: pieces make no difference to lines and their flaws; nothing that was not
 * announced is taken; what parses can be written again and then parses to the same; and whatever
 * path we are asked to write, a line is one line with one path in it.
 */
#include <stdlib.h>

#include "net/wire/smtp_command.h"
#include "net/wire/smtp_command_line.h"
#include "net/wire/xtext.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice decoded(struct str *out, struct slice text)
{
	size_t start = out->len;

	ASSERT(xtext_decode(out, text) == 0);
	ASSERT(!str_is_full(out));
	return slice_of(out->ptr + start, out->len - start);
}

static struct slice decoded_orcpt(struct str *out, struct slice orcpt)
{
	smtp_orcpt_decode(out, orcpt);
	ASSERT(!str_is_full(out) && (orcpt.len == 0 || out->len > 0));
	return str_slice(out);
}

static bool same_command(const struct smtp_command *a, const struct smtp_command *b)
{
	return a->verb == b->verb && slice_eq(a->path.mailbox, b->path.mailbox) &&
		a->params == b->params && a->size == b->size && a->body == b->body &&
		a->ret == b->ret && a->notify == b->notify && slice_eq(a->envid, b->envid) &&
		slice_eq(a->orcpt, b->orcpt) && a->chunk_size == b->chunk_size &&
		a->chunk_last == b->chunk_last;
}

static void write_again(const struct smtp_command *cmd, struct str *out)
{
	char storage[1024];
	struct str text = STR(storage);

	if (cmd->verb == SMTP_VERB_MAIL) {
		struct smtp_mail mail = {
			.sender = cmd->path.mailbox,
			.has_size = cmd->params & SMTP_PARAM_SIZE,
			.size = cmd->size,
			.body = cmd->body,
			.ret = cmd->ret,
			.smtputf8 = cmd->params & SMTP_PARAM_SMTPUTF8,
			.requiretls = cmd->params & SMTP_PARAM_REQUIRETLS,
			.auth_empty = cmd->params & SMTP_PARAM_AUTH,
			.envid = decoded(&text, cmd->envid),
		};

		ASSERT(smtp_command_add_mail(out, &mail) == 0);
	} else if (cmd->verb == SMTP_VERB_RCPT) {
		struct smtp_rcpt rcpt = { .rcpt = cmd->path.mailbox, .notify = cmd->notify };

		rcpt.orcpt = decoded_orcpt(&text, cmd->orcpt);
		ASSERT(smtp_command_add_rcpt(out, &rcpt) == 0);
	} else {
		ASSERT(smtp_command_add_bdat(out, cmd->chunk_size, cmd->chunk_last) == 0);
	}
}

static void check_writing(const struct smtp_command *cmd, uint32_t offered)
{
	char storage[SMTP_COMMAND_SEND_MAX];
	struct str out = STR(storage);
	struct smtp_command again;

	if (cmd->verb != SMTP_VERB_MAIL && cmd->verb != SMTP_VERB_RCPT &&
		cmd->verb != SMTP_VERB_BDAT)
		return;
	write_again(cmd, &out);
	ASSERT(out.len >= 2 && out.ptr[out.len - 2] == '\r' && out.ptr[out.len - 1] == '\n');
	ASSERT(smtp_command_parse(slice_of(out.ptr, out.len - 2), offered, &again) ==
		SMTP_COMMAND_OK);
	ASSERT(same_command(cmd, &again) || cmd->envid.len > 0 || cmd->orcpt.len > 0);
	if (cmd->envid.len > 0 || cmd->orcpt.len > 0) {
		/* xtext may write an octet in two ways; ours is one of them. */
		char texts[4][512];
		struct str t[4] = { STR(texts[0]), STR(texts[1]), STR(texts[2]), STR(texts[3]) };
		bool dropped = (cmd->envid.len > 0 && again.envid.len == 0) ||
			(cmd->orcpt.len > 0 && again.orcpt.len == 0);

		ASSERT(dropped ||
			slice_eq(decoded(&t[0], cmd->envid), decoded(&t[1], again.envid)));
		ASSERT(dropped ||
			slice_eq(decoded_orcpt(&t[2], cmd->orcpt), decoded_orcpt(&t[3], again.orcpt)));
	}
}

static void check_offers(const struct smtp_command *cmd, uint32_t offered)
{
	ASSERT(!(cmd->params & SMTP_PARAM_SIZE) || (offered & SMTP_CAP_SIZE));
	ASSERT(!(cmd->params & SMTP_PARAM_BODY) || (offered & SMTP_CAP_8BITMIME));
	ASSERT(cmd->body != SMTP_BODY_BINARYMIME || (offered & SMTP_CAP_BINARYMIME));
	ASSERT(!(cmd->params &
		       (SMTP_PARAM_ENVID | SMTP_PARAM_RET | SMTP_PARAM_ORCPT |
			       SMTP_PARAM_NOTIFY)) ||
		(offered & SMTP_CAP_DSN));
	ASSERT(!cmd->path.is_utf8 || (offered & SMTP_CAP_SMTPUTF8));
	ASSERT(cmd->verb != SMTP_VERB_BDAT || (offered & SMTP_CAP_CHUNKING));
}

/* Any octets as a path: refused, or one line of which a reader finds the same path and nothing
 * behind it. */
static void check_any_path(struct slice path)
{
	char storage[SMTP_COMMAND_SEND_MAX];
	struct str out = STR(storage);
	struct smtp_mail mail = { .sender = path };

	if (smtp_command_add_mail(&out, &mail) < 0) {
		ASSERT(out.len == 0);
		return;
	}
	struct slice line = str_slice(&out);

	ASSERT(slice_find_char(line, 0, '\r') == (ptrdiff_t)line.len - 2);
	ASSERT(slice_find_char(line, 0, '\n') == (ptrdiff_t)line.len - 1);
	ASSERT(slice_find_char(line, 0, '\0') < 0);
	slice_skip(&line, strlen("MAIL FROM:<"));
	ASSERT(address_path_len(line) == (ptrdiff_t)path.len);
	ASSERT(line.len == path.len + strlen(">\r\n"));
}

static void check_line(const struct smtp_command_line *line, uint32_t offered)
{
	struct smtp_command cmd;

	ASSERT(line->text.len <= SMTP_LINE_MAX);
	ASSERT(slice_find_char(line->text, 0, '\n') < 0);
	ASSERT((slice_find_char(line->text, 0, '\0') < 0) || (line->flaws & SMTP_LINE_NUL));
	check_any_path(line->text);

	enum smtp_command_error error = smtp_command_parse(line->text, offered, &cmd);

	if (error != SMTP_COMMAND_OK) {
		ASSERT(smtp_command_error_reply(error) != NULL);
		return;
	}
	ASSERT(!(line->flaws & SMTP_LINE_NUL) || line->text.len == SMTP_LINE_MAX);
	check_offers(&cmd, offered);
	check_writing(&cmd, offered);
}

static int feed_pieces(struct smtp_command_line_reader *reader, struct slice *rest, unsigned *cuts,
	struct smtp_command_line *ret_line)
{
	int r = 0;

	while (rest->len > 0 && r == 0) {
		size_t n = 1 + (*cuts & 15);
		struct slice piece = slice_head(*rest, n);

		*cuts = *cuts >> 1 | (*cuts & 1) << 15;
		r = smtp_command_line_feed(reader, &piece, ret_line);
		ASSERT(r != 0 || piece.len == 0);
		slice_skip(rest, MIN(n, rest->len) - piece.len);
	}
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct smtp_command_line_reader whole;
	static struct smtp_command_line_reader pieces;
	int r;

	if (size < 4)
		return 0;
	unsigned cuts = data[0] | (unsigned)data[1] << 8;
	uint32_t offered = data[2] | (uint32_t)data[3] << 8;
	struct slice a = slice_of(data + 4, size - 4);
	struct slice b = a;

	smtp_command_line_reader_init(&whole);
	smtp_command_line_reader_init(&pieces);
	do {
		struct smtp_command_line one;
		struct smtp_command_line other;

		r = smtp_command_line_feed(&whole, &a, &one);
		ASSERT(feed_pieces(&pieces, &b, &cuts, &other) == r);
		if (r == 1) {
			ASSERT(one.flaws == other.flaws);
			ASSERT(slice_eq(one.text, other.text));
			ASSERT(a.len == b.len);
			check_line(&one, offered);
		}
	} while (r == 1);
	return 0;
}
