#include "tests/dialogue/letter.h"

#include <errno.h>

#include "tests/dialogue/text.h"

#define LINE_MAX_5322 998u
#define FILE_WINDOW 48u		/* octets of a queue file at a time: its lines are cut, its pointers lead elsewhere */

/* Lines end in CRLF already; dots are stuffed, a last line is ended, the final dot follows. Facts are what a listener
 * would have noticed. */
static struct slice wire_of(struct slice content, uint32_t *ret_facts)
{
	char *p = text_alloc(content.len * 2 + 8);
	size_t len = 0, line = 0;

	*ret_facts = 0;
	for (size_t i = 0; i < content.len; i++) {
		char c = content.ptr[i];

		if (line == 0 && c == '.') {
			p[len++] = '.';
			*ret_facts |= MESSAGE_STUFFED;
		}
		p[len++] = c;
		if ((unsigned char)c >= 0x80)
			*ret_facts |= MESSAGE_8BIT;
		line = c == '\n' ? 0 : line + 1;
		if (line > LINE_MAX_5322 + 1)	/* one for CR */
			*ret_facts |= MESSAGE_LONG_LINE;
	}
	if (line > 0) {
		memcpy(p + len, "\r\n", 2);
		len += 2;
	}
	memcpy(p + len, ".\r\n", 3);
	return slice_of(p, len + 3);
}

/* "success,failure" */
static uint32_t notify_of(struct slice words)
{
	static const struct {
		const char *word;
		uint32_t bit;
	} bits[] = {
		{ "never", SMTP_NOTIFY_NEVER },	    { "success", SMTP_NOTIFY_SUCCESS },
		{ "failure", SMTP_NOTIFY_FAILURE }, { "delay", SMTP_NOTIFY_DELAY },
	};
	uint32_t notify = 0;

	for (unsigned i = 0; i < ARRAY_LEN(bits); i++)
		if (text_has(words, slice_of_str(bits[i].word)))
			notify |= bits[i].bit;
	return notify;
}

static void write_rcpts(struct letter *letter)
{
	const struct script_message *script = letter->script;

	letter->rcpts = text_alloc(script->rcpt_count * sizeof(struct rcpt));
	letter->answered = text_alloc(script->rcpt_count * sizeof(bool));
	for (unsigned i = 0; i < script->rcpt_count; i++) {
		const struct script_rcpt *r = &script->rcpts[i];
		const struct rcpt_facts facts = { .addr = r->addr, .orcpt = r->orcpt, .original = r->original,
						  .notify = notify_of(r->notify) };

		(void)rcpt_set(&letter->rcpts[i], text_alloc(rcpt_facts_size(&facts)), &facts);
	}
}

static struct slice client_of(const struct script_message *script)
{
	struct str out = str_over(text_alloc(MESSAGE_CLIENT_MAX), MESSAGE_CLIENT_MAX);

	for (unsigned i = 0; i < CLIENT_ATTR_COUNT; i++)
		message_client_add(&out, (enum client_attr)i, script->client[i]);
	return str_slice(&out);
}

void letter_write(struct letter *letter, const struct script_message *script)
{
	uint32_t facts;

	letter->script = script;
	letter->wire_dot = wire_of(script->content, &facts);
	write_rcpts(letter);
	letter->mail.content = slice_head(letter->wire_dot, letter->wire_dot.len - 3);
	letter->mail.content_late_ns = script->content_late_ns;
	if (script->content_breaks > 0) {
		letter->mail.window = (script->content_breaks + 1) / 2;	/* both windows go out before it is noticed */
		letter->mail.body_good = script->content_breaks;
		letter->mail.body_err = -EIO;
	}
	letter->mail.nexthop = script->nexthop.len > 0 ? text_cstr(script->nexthop) : NULL;
	letter->mail.msg.sender = script->sender;
	letter->mail.msg.envid = script->envid;
	letter->mail.msg.client = client_of(script);
	facts |= script->facts;
	/* As the listener labels what came without a label. */
	if (!script->unlabelled && !(facts & (MESSAGE_8BIT | MESSAGE_BODY_8BITMIME)))
		facts |= MESSAGE_BODY_7BIT;
	letter->mail.msg.facts = facts;
	if (script->facts & MESSAGE_RECORDS) {
		letter->mail.content = script->content;
		letter->mail.window = FILE_WINDOW;
		letter->mail.msg.facts = script->facts;
	}
	letter->mail.msg.rcpts = letter->rcpts;
	letter->mail.msg.rcpt_count = script->rcpt_count;
}

void letter_answered(struct letter *letter, const struct rcpt *rcpt)
{
	letter->answered[rcpt - letter->rcpts] = true;
}

bool letter_has_answers(const struct letter *letter)
{
	for (unsigned i = 0; i < letter->script->rcpt_count; i++)
		if (!letter->answered[i])
			return false;
	return true;
}

const struct letter *letter_named(const struct letter *letters, unsigned count, struct slice name)
{
	for (unsigned i = 0; i < count; i++)
		if (name.len == 0 || slice_eq(letters[i].script->name, name))
			return &letters[i];
	return NULL;
}

const struct letter *letter_to(const struct letter *letters, unsigned count, struct slice rcpt)
{
	for (unsigned i = 0; i < count; i++)
		for (unsigned r = 0; r < letters[i].script->rcpt_count; r++)
			if (slice_eq(letters[i].script->rcpts[r].addr, rcpt))
				return &letters[i];
	return NULL;
}
