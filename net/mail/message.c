#include "net/mail/message.h"

enum {
	LAID_ORCPT		= BIT(0),
	LAID_ORIGINAL		= BIT(1),
	LAID_ORIGINAL_SAME	= BIT(2),	/* the usual case: nothing has rewritten the address */
};

#define LEN_SIZE sizeof(uint16_t)

static_assert(MESSAGE_ADDR_MAX <= UINT16_MAX, "a length has two octets");

void message_id_text(struct str *out, uint64_t id)
{
	unsigned digits = 1;

	while (digits < 16 && id >> (4 * digits) != 0)
		digits++;
	str_add_hex(out, id, digits);
}

/* --- recipients ------------------------------------------------------------------------------------------------- */

static uint8_t laid_of(const struct rcpt_facts *facts)
{
	uint8_t laid = 0;

	if (facts->orcpt.len > 0)
		laid |= LAID_ORCPT;
	if (facts->original.len > 0)
		laid |= slice_eq(facts->original, facts->addr) ? LAID_ORIGINAL_SAME : LAID_ORIGINAL;
	return laid;
}

size_t rcpt_facts_size(const struct rcpt_facts *facts)
{
	const uint8_t laid = laid_of(facts);

	return facts->addr.len + (laid & LAID_ORCPT ? LEN_SIZE + facts->orcpt.len : 0) +
	       (laid & LAID_ORIGINAL ? LEN_SIZE + facts->original.len : 0);
}

static char *lay(char *text, struct slice value)
{
	const uint16_t len = (uint16_t)value.len;

	ASSERT(value.len <= MESSAGE_ADDR_MAX);
	memcpy(text, &len, LEN_SIZE);
	memcpy(text + LEN_SIZE, value.ptr, value.len);
	return text + LEN_SIZE + value.len;
}

char *rcpt_set(struct rcpt *rcpt, char *text, const struct rcpt_facts *facts)
{
	ASSERT(facts->addr.len > 0 && facts->addr.len <= MESSAGE_ADDR_MAX);
	rcpt->laid = laid_of(facts);
	rcpt->notify = (uint8_t)facts->notify;
	rcpt->addr = slice_of(text, facts->addr.len);
	memcpy(text, facts->addr.ptr, facts->addr.len);
	text += facts->addr.len;
	if (rcpt->laid & LAID_ORCPT)
		text = lay(text, facts->orcpt);
	if (rcpt->laid & LAID_ORIGINAL)
		text = lay(text, facts->original);
	return text;
}

/* What lay has written at *text; moves it on. */
static struct slice take_laid(const char **text)
{
	uint16_t len;

	memcpy(&len, *text, LEN_SIZE);
	const struct slice value = slice_of(*text + LEN_SIZE, len);

	*text += LEN_SIZE + len;
	return value;
}

struct rcpt_facts rcpt_facts(const struct rcpt *rcpt)
{
	struct rcpt_facts facts = { .addr = rcpt->addr, .notify = rcpt->notify };
	const char *text = rcpt->addr.ptr + rcpt->addr.len;

	if (rcpt->laid & LAID_ORCPT)
		facts.orcpt = take_laid(&text);
	if (rcpt->laid & LAID_ORIGINAL)
		facts.original = take_laid(&text);
	else if (rcpt->laid & LAID_ORIGINAL_SAME)
		facts.original = rcpt->addr;
	return facts;
}

/* --- in the log ------------------------------------------------------------------------------------------------- */

void message_log_addr(struct str *out, struct slice internal, size_t max)
{
	char storage[2 * MESSAGE_ADDR_MAX + 2];
	struct str quoted = STR(storage);

	if (address_needs_quotes(internal)) {
		address_quote(&quoted, internal);
		internal = str_slice(&quoted);
	}
	str_add_printable(out, internal, max);
}

/* --- the client ------------------------------------------------------------------------------------------------- */

void message_client_add(struct str *client, enum client_attr attr, struct slice value)
{
	if (value.len == 0 || value.len > UINT8_MAX || client->cap - client->len < 2 + value.len)
		return;
	str_add_char(client, (char)attr);
	str_add_char(client, (char)value.len);
	str_add(client, value);
}

/* The next attribute off the front of *client: false at the end, or when what is there is none. */
static bool take_attr(struct slice *client, uint8_t *ret_attr, struct slice *ret_value)
{
	if (client->len < 2)
		return false;
	const size_t len = (uint8_t)client->ptr[1];

	*ret_attr = (uint8_t)client->ptr[0];
	if (len == 0 || len > client->len - 2 || *ret_attr >= CLIENT_ATTR_COUNT)
		return false;
	*ret_value = slice_of(client->ptr + 2, len);
	slice_skip(client, 2 + len);
	return true;
}

bool message_client_is_valid(struct slice client)
{
	uint8_t attr;
	struct slice value;

	if (client.len > MESSAGE_CLIENT_MAX)
		return false;
	while (take_attr(&client, &attr, &value))
		;
	return client.len == 0;
}

struct slice message_client(const struct message *msg, enum client_attr attr)
{
	struct slice rest = msg->client;
	struct slice value;
	uint8_t found;

	while (take_attr(&rest, &found, &value))
		if (found == attr)
			return value;
	return SLICE("");
}
