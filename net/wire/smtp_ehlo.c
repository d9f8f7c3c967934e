#include "net/wire/smtp_ehlo.h"

#include <errno.h>

#include "crypto/auth_mech.h"
#include "net/wire/smtp_xforward.h"

static const struct {
	const char *keyword;
	enum smtp_cap cap;
} keywords[] = {
	{ "PIPELINING",			SMTP_CAP_PIPELINING },
	{ "8BITMIME",			SMTP_CAP_8BITMIME },
	{ "SIZE",			SMTP_CAP_SIZE },
	{ "DSN",			SMTP_CAP_DSN },
	{ "SMTPUTF8",			SMTP_CAP_SMTPUTF8 },
	{ "STARTTLS",			SMTP_CAP_STARTTLS },
	{ "CHUNKING",			SMTP_CAP_CHUNKING },
	{ "BINARYMIME",			SMTP_CAP_BINARYMIME },
	{ "ENHANCEDSTATUSCODES",	SMTP_CAP_ENHANCEDSTATUSCODES },
	{ "REQUIRETLS",			SMTP_CAP_REQUIRETLS },
	{ "LIMITS",			SMTP_CAP_LIMITS },
	{ "AUTH",			SMTP_CAP_AUTH },
	{ "XFORWARD",			SMTP_CAP_XFORWARD },
};

static void take_line(struct slice line, uint32_t discard, struct smtp_caps *caps);

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes the next word off the front; empty at the end. */
static struct slice take_word(struct slice *text)
{
	size_t n = 0;

	while (text->len > 0 && is_blank(text->ptr[0]))
		slice_skip(text, 1);
	while (n < text->len && !is_blank(text->ptr[n]))
		n++;
	struct slice word = slice_head(*text, n);

	slice_skip(text, n);
	return word;
}

uint32_t smtp_cap_of(struct slice keyword)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (slice_eq_nocase(keyword, slice_of_str(keywords[i].keyword)))
			return keywords[i].cap;
	return 0;
}

const char *smtp_cap_name(enum smtp_cap cap)
{
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (keywords[i].cap == cap)
			return keywords[i].keyword;
	UNREACHABLE();
}

/* A reply line without its code; false when nothing stands behind it. */
static bool skip_code(struct slice *line)
{
	if (line->len <= 4)
		return false;
	slice_skip(line, 4);
	return true;
}

static void take_name(struct slice line, struct smtp_caps *caps)
{
	if (!skip_code(&line))
		return;
	struct slice name = slice_head(take_word(&line), EHLO_NAME_MAX);

	memcpy(caps->name, name.ptr, name.len);
	caps->name_len = (uint8_t)name.len;
}

void smtp_ehlo_parse(const struct smtp_reply *reply, uint32_t discard, struct smtp_caps *ret_caps)
{
	struct slice text = reply->text;
	struct slice line;

	*ret_caps = (struct smtp_caps){ 0 };
	if (smtp_reply_next_line(&text, &line))
		take_name(line, ret_caps);
	while (smtp_reply_next_line(&text, &line)) {
		/* Half a line is none: of "SIZE 10240000" may be left "SIZE 10". */
		if (text.len == 0 && reply->text_cut)
			break;
		take_line(line, discard, ret_caps);
	}
	if ((ret_caps->bits & SMTP_CAP_SMTPUTF8) &&
	    !((ret_caps->bits | discard) & SMTP_CAP_8BITMIME)) {
		ret_caps->bits |= SMTP_CAP_8BITMIME;
		ret_caps->implied_8bitmime = true;
	}
}

/* A server that contradicts itself has told us nothing: a limit too low would bounce mail that it
 * takes. */
static void take_size(struct slice params, bool again, struct smtp_caps *caps)
{
	uint64_t limit;

	if (slice_to_u64(take_word(&params), UINT64_MAX, &limit) < 0)
		limit = 0;
	if (!again)
		caps->size_limit = limit;
	else if (limit != caps->size_limit)
		caps->size_limit = 0;
}

/* Of several limits the lowest holds; 0 would be a server that takes no mail, and is not believed
 * (row EHL-09). */
static void take_limit(struct slice value, uint32_t *limit)
{
	uint64_t n;
	int r = slice_to_u64(value, EHLO_LIMIT_MAX, &n);

	if (r == -ERANGE)
		n = EHLO_LIMIT_MAX;
	else if (r < 0 || n == 0)
		return;
	if (*limit == 0 || n < *limit)
		*limit = (uint32_t)n;
}

static void take_limits(struct slice params, struct smtp_caps *caps)
{
	for (struct slice word = take_word(&params); word.len > 0; word = take_word(&params)) {
		ptrdiff_t equals = slice_find_char(word, 0, '=');

		if (equals < 0)
			continue;
		struct slice name = slice_head(word, (size_t)equals);

		slice_skip(&word, (size_t)equals + 1);
		if (slice_eq_nocase(name, SLICE("RCPTMAX")))
			take_limit(word, &caps->rcpt_max);
		else if (slice_eq_nocase(name, SLICE("MAILMAX")))
			take_limit(word, &caps->mail_max);
		else if (slice_eq_nocase(name, SLICE("RCPTDOMAINMAX")))
			take_limit(word, &caps->rcpt_domain_max);
	}
}

static void take_xforward(struct slice params, struct smtp_caps *caps)
{
	for (struct slice word = take_word(&params); word.len > 0; word = take_word(&params))
		caps->xforward |= xforward_bit(word);
}

static void take_auth(struct slice params, struct smtp_caps *caps)
{
	for (struct slice word = take_word(&params); word.len > 0; word = take_word(&params)) {
		int mech = auth_mech_find(word);

		if (mech >= 0)
			caps->auth |= BIT(mech);
	}
}

static void take_line(struct slice line, uint32_t discard, struct smtp_caps *caps)
{
	size_t n = 0;

	if (!skip_code(&line))
		return;
	while (n < line.len && !is_blank(line.ptr[n]) && line.ptr[n] != '=')
		n++;
	uint32_t cap = smtp_cap_of(slice_head(line, n));

	if (cap & discard) {
		caps->discarded |= cap;
		return;
	}
	slice_skip(&line, MIN(line.len, n + 1));
	if (cap == SMTP_CAP_SIZE)
		take_size(line, caps->bits & cap, caps);
	else if (cap == SMTP_CAP_LIMITS)
		take_limits(line, caps);
	else if (cap == SMTP_CAP_XFORWARD)
		take_xforward(line, caps);
	else if (cap == SMTP_CAP_AUTH)
		take_auth(line, caps);
	caps->bits |= cap;
}
