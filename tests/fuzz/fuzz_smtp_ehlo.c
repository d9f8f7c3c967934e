/* fuzz_smtp_ehlo.c - capabilities from any reply (row FZ-02)
 *
 * The first two octets are the discard set, the rest is fed to the reply parser, and what comes out
 * of that as a reply is taken for one to EHLO. Claims: nothing discarded is offered, limits are
 * within theirs, the name is a word of line 1, lines in another order offer the same, and each
 * capability is there because a line says so.
 */
#include <stdlib.h>

#include "core/str.h"
#include "net/wire/smtp_ehlo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_caps(const struct smtp_caps *caps, uint32_t discard)
{
	ASSERT((caps->bits & discard) == 0);
	ASSERT((caps->discarded & ~discard) == 0);
	ASSERT(caps->rcpt_max <= EHLO_LIMIT_MAX);
	ASSERT(caps->mail_max <= EHLO_LIMIT_MAX);
	ASSERT(caps->rcpt_domain_max <= EHLO_LIMIT_MAX);
	ASSERT((caps->bits & SMTP_CAP_SIZE) || caps->size_limit == 0);
	ASSERT((caps->bits & SMTP_CAP_LIMITS) ||
		caps->rcpt_max + caps->mail_max + caps->rcpt_domain_max == 0);
	ASSERT(!(caps->bits & SMTP_CAP_SMTPUTF8) || ((caps->bits | discard) & SMTP_CAP_8BITMIME));
	for (size_t i = 0; i < caps->name_len; i++)
		ASSERT(caps->name[i] != ' ' && caps->name[i] != '\n');
}

/* A plain reading of the lines, one keyword at a time: the oracle for the bits. */
static bool is_offered(struct slice text, const char *keyword)
{
	struct slice line;

	IGNORE(smtp_reply_next_line(&text, &line));	/* line 1 is the name's */
	while (smtp_reply_next_line(&text, &line)) {
		size_t n = strlen(keyword);

		slice_skip(&line, MIN(line.len, (size_t)4));
		if (slice_has_prefix_nocase(line, slice_of_str(keyword)) &&
			(line.len == n || line.ptr[n] == ' ' || line.ptr[n] == '\t' ||
				line.ptr[n] == '='))
			return true;
	}
	return false;
}

/* The same reply with the lines behind the first one in reverse. */
static struct smtp_reply reversed(const struct smtp_reply *reply, struct str *storage)
{
	struct slice text = reply->text;
	struct slice line;
	struct smtp_reply other = *reply;

	if (smtp_reply_next_line(&text, &line))
		str_add(storage, line);
	while (text.len > 0) {
		ptrdiff_t newline = slice_find_last_char(text, '\n');

		str_add_char(storage, '\n');
		str_add(storage,
			slice_of(text.ptr + newline + 1, text.len - (size_t)(newline + 1)));
		text.len = newline < 0 ? 0 : (size_t)newline;
	}
	other.text = str_slice(storage);
	return other;
}

static void check_order(
	const struct smtp_reply *reply, uint32_t discard, const struct smtp_caps *caps)
{
	char storage[REPLY_TEXT_MAX + 1];
	struct str text = STR(storage);
	struct smtp_reply other = reversed(reply, &text);
	struct smtp_caps again;

	smtp_ehlo_parse(&other, discard, &again);
	ASSERT(again.bits == caps->bits);
	ASSERT(again.discarded == caps->discarded);
	ASSERT(again.rcpt_max == caps->rcpt_max);
	ASSERT(again.mail_max == caps->mail_max);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct smtp_reply_parser parser;
	struct smtp_reply reply;

	if (size < 2)
		return 0;
	uint32_t discard = data[0] | (uint32_t)data[1] << 8;
	struct slice in = slice_of(data + 2, size - 2);

	smtp_reply_parser_init(&parser);
	while (smtp_reply_feed(&parser, &in, &reply) == 1) {
		struct smtp_caps caps;

		smtp_ehlo_parse(&reply, discard, &caps);
		check_caps(&caps, discard);
		if (reply.text_cut)
			continue;
		for (uint32_t bit = 1; bit <= SMTP_CAP_XFORWARD; bit <<= 1) {
			bool offered = is_offered(reply.text, smtp_cap_name((enum smtp_cap)bit));
			bool implied = bit == SMTP_CAP_8BITMIME && caps.implied_8bitmime;

			ASSERT(offered == !!((caps.bits | caps.discarded) & bit) || implied);
		}
		check_order(&reply, discard, &caps);
	}
	return 0;
}
