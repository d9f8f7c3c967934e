/* inject_client.c - who a message comes from: what we see of the client, or what an authorised one says with XFORWARD
 *
 *	"XFORWARD" 1*( SP name "=" ( xtext | "[UNAVAILABLE]" | "[TEMPUNAVAIL]" ) )
 *
 * As in Postfix: '=' stands for itself; what is said holds for the next message; one attribute about the client takes
 * the place of all that we see of him, but his queue id and where he is, which stand for themselves.
 */
#include <errno.h>

#include "net/source/inject_impl.h"
#include "net/wire/smtp_xforward.h"
#include "net/wire/xtext.h"

static_assert((int)XFORWARD_NAME == CLIENT_NAME && (int)XFORWARD_SOURCE == CLIENT_SOURCE &&
	      (int)XFORWARD_COUNT == CLIENT_ATTR_COUNT, "what we are told is what we keep");

#define ABOUT_CLIENT (BIT(CLIENT_NAME) | BIT(CLIENT_ADDR) | BIT(CLIENT_PORT) | BIT(CLIENT_PROTO) | BIT(CLIENT_HELO))
#define VALUE_MAX	255u
#define PROTO_MAX	64u

/* --- reading XFORWARD --------------------------------------------------------------------------------------------- */

/* xtext, but '=' stands for itself. */
static int decode_value(struct str *out, struct slice text)
{
	for (;;) {
		const ptrdiff_t equals = slice_find_char(text, 0, '=');
		const struct slice piece = equals < 0 ? text : slice_head(text, (size_t)equals);

		if (xtext_decode(out, piece) < 0)
			return -EINVAL;
		if (equals < 0)
			return str_is_full(out) ? -EMSGSIZE : 0;
		str_add_char(out, '=');
		slice_skip(&text, (size_t)equals + 1);
	}
}

static bool addr_is_valid(struct slice value)
{
	const struct slice prefix = SLICE("IPv6:");
	const bool six = slice_has_prefix_nocase(value, prefix);
	struct addr ip;

	if (six)
		slice_skip(&value, prefix.len);
	return addr_parse_ip(value, 0, &ip) == 0 && ip.sa.sa_family == (six ? AF_INET6 : AF_INET);
}

static bool is_printable(struct slice value)
{
	for (size_t i = 0; i < value.len; i++)
		if (value.ptr[i] < ' ' || value.ptr[i] > '~')
			return false;
	return true;
}

/* Nothing of it may end a line, a log field or a comment in somebody's Received field. */
static bool value_is_valid(enum client_attr attr, struct slice value)
{
	uint64_t port;

	if (value.len == 0 || !is_printable(value))
		return false;
	switch (attr) {
	case CLIENT_NAME:
		return address_domain_is_valid(value, false);
	case CLIENT_ADDR:
		return addr_is_valid(value);
	case CLIENT_PORT:
		return slice_to_u64(value, UINT16_MAX, &port) == 0;
	case CLIENT_PROTO:
		return value.len <= PROTO_MAX;
	case CLIENT_SOURCE:
		return slice_eq(value, SLICE("LOCAL")) || slice_eq(value, SLICE("REMOTE"));
	case CLIENT_HELO:
	case CLIENT_IDENT:
	case CLIENT_ATTR_COUNT:
		break;
	}
	return true;
}

static bool is_unavailable(struct slice text)
{
	return slice_eq_nocase(text, SLICE("[UNAVAILABLE]")) || slice_eq_nocase(text, SLICE("[TEMPUNAVAIL]"));
}

/* "name=value" into values, decoded in storage. */
static int take_attribute(struct slice word, struct slice values[CLIENT_ATTR_COUNT], uint32_t *said,
			  struct str *storage)
{
	const ptrdiff_t equals = slice_find_char(word, 0, '=');
	const uint32_t bit = equals > 0 ? xforward_bit(slice_head(word, (size_t)equals)) : 0;
	const size_t start = storage->len;

	if (bit == 0)
		return -EINVAL;
	const enum client_attr attr = (enum client_attr)__builtin_ctz(bit);

	slice_skip(&word, (size_t)equals + 1);
	*said |= bit;
	values[attr] = SLICE("");
	if (is_unavailable(word))
		return 0;
	if (decode_value(storage, word) < 0)
		return -EINVAL;
	values[attr] = slice_of(storage->ptr + start, storage->len - start);
	return values[attr].len <= VALUE_MAX && value_is_valid(attr, values[attr]) ? 0 : -EINVAL;
}

/* All of them again, so that what is said twice is kept once. */
static int keep(struct inject_session *s, const struct slice values[CLIENT_ATTR_COUNT])
{
	char storage[sizeof(s->xforward)];
	struct str fresh = STR(storage);
	size_t len = 0;

	for (unsigned i = 0; i < CLIENT_ATTR_COUNT; i++) {
		len += values[i].len > 0 ? 2 + values[i].len : 0;
		message_client_add(&fresh, (enum client_attr)i, values[i]);
	}
	if (fresh.len < len)
		return -EMSGSIZE;
	memcpy(s->xforward, storage, fresh.len);
	s->xforward_len = (uint16_t)fresh.len;
	return 0;
}

int inject_client_forward(struct inject_session *s, struct slice argument)
{
	const struct message said_before = { .client = slice_of(s->xforward, s->xforward_len) };
	char storage[SMTP_LINE_MAX];
	struct str decoded = STR(storage);
	struct slice values[CLIENT_ATTR_COUNT];
	uint32_t said = s->forwarded;

	for (unsigned i = 0; i < CLIENT_ATTR_COUNT; i++)
		values[i] = message_client(&said_before, (enum client_attr)i);
	while (argument.len > 0) {
		const ptrdiff_t blank = slice_find_char(argument, 0, ' ');
		const struct slice word = blank < 0 ? argument : slice_head(argument, (size_t)blank);

		slice_skip(&argument, MIN(argument.len, word.len + 1));
		if (word.len > 0 && take_attribute(word, values, &said, &decoded) < 0)
			return -EINVAL;
	}
	if (keep(s, values) < 0)
		return -EMSGSIZE;
	s->forwarded = said;
	return 0;
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

static void add_seen(struct str *client, const struct inject_session *s)
{
	char storage[INJECT_PEER_MAX];
	char port_storage[8];
	struct str addr = STR(storage);
	struct str port = STR(port_storage);
	const bool is_unix = s->peer.sa.sa_family == AF_UNIX;

	if (s->peer.sa.sa_family == AF_INET6)
		str_add(&addr, SLICE("IPv6:"));
	if (is_unix) {
		message_client_add(client, CLIENT_NAME, SLICE("localhost"));
		str_add(&addr, SLICE("127.0.0.1"));
	} else {
		addr_add_ip(&addr, &s->peer);
		str_add_u64(&port, addr_port(&s->peer));
	}
	message_client_add(client, CLIENT_ADDR, str_slice(&addr));
	message_client_add(client, CLIENT_PORT, str_slice(&port));
	message_client_add(client, CLIENT_PROTO, s->esmtp ? SLICE("ESMTP") : SLICE("SMTP"));
	message_client_add(client, CLIENT_HELO, slice_of(s->helo, s->helo_len));
}

void inject_client_describe(struct str *client, const struct inject_session *s, uint64_t id)
{
	const struct message said = { .client = slice_of(s->xforward, s->xforward_len) };
	char storage[MESSAGE_ID_TEXT_MAX];
	struct str ident = STR(storage);

	message_id_text(&ident, id);
	if (s->forwarded & ABOUT_CLIENT) {
		for (unsigned i = CLIENT_NAME; i <= CLIENT_HELO; i++)
			message_client_add(client, (enum client_attr)i, message_client(&said, (enum client_attr)i));
	} else {
		add_seen(client, s);
	}
	message_client_add(client, CLIENT_IDENT,
			   s->forwarded & BIT(CLIENT_IDENT) ? message_client(&said, CLIENT_IDENT) : str_slice(&ident));
	if (s->forwarded & BIT(CLIENT_SOURCE))
		message_client_add(client, CLIENT_SOURCE, message_client(&said, CLIENT_SOURCE));
	else
		message_client_add(client, CLIENT_SOURCE, addr_is_loopback(&s->peer) ? SLICE("LOCAL") : SLICE("REMOTE"));
}

void inject_client_log(struct str *line, const struct inject_session *s)
{
	const struct message said = { .client = slice_of(s->xforward, s->xforward_len) };
	const struct slice name = message_client(&said, CLIENT_NAME);

	if (!(s->forwarded & ABOUT_CLIENT))
		return;
	str_add(line, SLICE(", orig_client="));
	str_add(line, name.len > 0 ? name : SLICE("unknown"));
	str_add_char(line, '[');
	str_add(line, message_client(&said, CLIENT_ADDR).len > 0 ? message_client(&said, CLIENT_ADDR) : SLICE("unknown"));
	str_add_char(line, ']');
}
