#include "net/smtp/envelope.h"

#include "net/wire/utf8.h"

#define QUOTED_MAX	(2 * MESSAGE_ADDR_MAX + 2)	/* a backslash before each octet, and the quotes */
#define TYPE_MAX	8u				/* "rfc822;" */

static bool offers(const struct smtp_caps *caps, enum smtp_cap cap)
{
	return (caps->bits & cap) != 0;
}

/* The wire form: the internal one, where nothing has to be quoted, or storage. */
static struct slice wire_form(struct slice internal, const struct params *params, struct str *storage)
{
	if (!params->smtp_quote_rfc821_envelope || !address_needs_quotes(internal))
		return internal;
	address_quote(storage, internal);
	return str_slice(storage);
}

/* --- MAIL ------------------------------------------------------------------------------------------------------- */

static enum smtp_body body_of(const struct message *msg, const struct smtp_caps *caps)
{
	if (!offers(caps, SMTP_CAP_8BITMIME))
		return SMTP_BODY_UNKNOWN;
	if (msg->facts & MESSAGE_BODY_8BITMIME)
		return SMTP_BODY_8BITMIME;
	return msg->facts & MESSAGE_BODY_7BIT ? SMTP_BODY_7BIT : SMTP_BODY_UNKNOWN;
}

static enum smtp_ret ret_of(const struct message *msg, bool is_left_alone)
{
	if ((msg->facts & MESSAGE_RET_HDRS) || is_left_alone)
		return SMTP_RET_HDRS;
	return msg->facts & MESSAGE_RET_FULL ? SMTP_RET_FULL : SMTP_RET_NONE;
}

int envelope_add_mail(struct str *out, const struct message *msg, struct slice sender, const struct smtp_caps *caps,
		      const struct params *params, unsigned flags)
{
	const bool wants_requiretls = flags & ENVELOPE_REQUIRETLS;
	NOT_ZEROED char storage[QUOTED_MAX];
	struct str quoted = STR(storage);
	struct smtp_mail mail = {
		.sender = wire_form(sender, params, &quoted),
		.has_size = offers(caps, SMTP_CAP_SIZE) && !(flags & ENVELOPE_CHANGED),
		.size = msg->size,
		.body = body_of(msg, caps),
		.auth_empty = (flags & ENVELOPE_AUTHENTICATED) && params->smtp_send_dummy_mail_auth,
		.smtputf8 = offers(caps, SMTP_CAP_SMTPUTF8) && (msg->facts & MESSAGE_SMTPUTF8),
		.requiretls = wants_requiretls && offers(caps, SMTP_CAP_REQUIRETLS),
	};

	if (offers(caps, SMTP_CAP_DSN)) {
		mail.envid = msg->envid;
		mail.ret = ret_of(msg, wants_requiretls && !mail.requiretls);
	}
	return smtp_command_add_mail(out, &mail);
}

/* --- RCPT ------------------------------------------------------------------------------------------------------- */

/* "type;address" of what the sender wrote, when he did not say so himself. */
static struct slice orcpt_of(const struct message *msg, struct slice original, struct str *storage)
{
	const bool is_utf8 = (msg->facts & (MESSAGE_SMTPUTF8 | MESSAGE_HEADER_UTF8)) && !utf8_is_ascii(original) &&
			     utf8_is_valid(original);

	str_add_cstr(storage, is_utf8 ? "utf-8;" : "rfc822;");
	address_quote_header(storage, original);
	ASSERT(!str_is_full(storage));
	return str_slice(storage);
}

int envelope_add_rcpt(struct str *out, const struct message *msg, const struct rcpt *r, struct slice addr,
		      const struct smtp_caps *caps, const struct params *params)
{
	NOT_ZEROED char storage[QUOTED_MAX];
	NOT_ZEROED char orcpt_storage[TYPE_MAX + QUOTED_MAX];
	struct str quoted = STR(storage);
	struct str orcpt = STR(orcpt_storage);
	struct smtp_rcpt rcpt = { .rcpt = wire_form(addr, params, &quoted) };

	if (offers(caps, SMTP_CAP_DSN)) {
		struct rcpt_facts facts = rcpt_facts(r);

		if (facts.original.len == 0 && !slice_eq(addr, r->addr))
			facts.original = r->addr;
		rcpt.notify = facts.notify;
		rcpt.orcpt = facts.orcpt;
		if (facts.orcpt.len == 0 && facts.original.len > 0)
			rcpt.orcpt = orcpt_of(msg, facts.original, &orcpt);
	}
	return smtp_command_add_rcpt(out, &rcpt);
}

/* --- SMTPUTF8 --------------------------------------------------------------------------------------------------- */

bool envelope_needs_smtputf8(const struct message *msg, const struct rcpt *rcpts, uint32_t count)
{
	if (!(msg->facts & MESSAGE_SMTPUTF8))
		return false;
	if ((msg->facts & MESSAGE_HEADER_UTF8) || !utf8_is_ascii(msg->sender))
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (rcpts[i].state == RCPT_OPEN && !utf8_is_ascii(rcpts[i].addr))
			return true;
	return false;
}
