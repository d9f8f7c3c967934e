#include "tests/dialogue/script_items.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/str.h"
#include "tests/dialogue/text.h"

/* --- sessions --------------------------------------------------------------------------------- */

static struct script_session *add_session(struct parse *p)
{
	struct script *s = p->script;

	s->sessions = text_grow(s->sessions, s->session_count, sizeof(struct script_session));
	s->sessions[s->session_count] = (struct script_session){
		.line = p->line,
		.any_address = true,
		.first = s->item_count,
	};
	return &s->sessions[s->session_count++];
}

/* "192.0.2.1", "[2001:db8::1]:587", "unix:/path"; the port is 25 unless it is written. */
bool parse_address(struct parse *p, struct slice word, struct addr *ret_addr)
{
	char text[ADDR_TEXT_MAX + 8];
	bool v6 = word.len > 0 && word.ptr[0] == '[';
	bool has_port = slice_has_prefix(word, SLICE("unix:")) ||
			(v6 ? word.ptr[word.len - 1] != ']' : slice_find_char(word, 0, ':') >= 0);

	(void)snprintf(text, sizeof(text), "%.*s%s", SLICE_FMT(word), has_port ? "" : ":25"); /* cut is no address */
	return addr_parse_endpoint(slice_of_str(text), ret_addr) == 0 ||
	       parse_error(p, "no address: %.*s (192.0.2.1, [2001:db8::1], with or without :port, unix:/path)",
			   SLICE_FMT(word));
}

static bool parse_way(struct parse *p, struct sim_link *link, struct slice key, struct slice value)
{
	uint64_t n;

	if (slice_eq(key, SLICE("latency")) && text_time(value, &n))
		link->latency_ns = n;
	else if (slice_eq(key, SLICE("rate")) && text_number(value, &n))
		link->octets_per_s = n;
	else if (slice_eq(key, SLICE("buffer")) && text_number(value, &n) && n > 0 && n <= UINT32_MAX)
		link->buffer_to_peer = (uint32_t)n;
	else
		return parse_error(p, "a session has latency=20ms, rate=1000 (octets a second), buffer=2000, from=ADDRESS: %.*s",
				   SLICE_FMT(key));
	return true;
}

static bool parse_from(struct parse *p, struct script_session *session, struct slice value)
{
	session->is_from = true;
	return slice_eq(value, SLICE("anywhere")) || parse_address(p, value, &session->from);
}

bool parse_session(struct parse *p, struct slice rest)
{
	struct script_session *session = add_session(p);
	struct slice key, value;

	while (rest.len > 0) {
		if (text_key_value(&rest, &key, &value)) {
			if (slice_eq(key, SLICE("from")) ? !parse_from(p, session, value) :
							   !parse_way(p, &session->link, key, value))
				return false;
		} else if (text_take_word(&rest, "any-order")) {
			session->any_order = true;
		} else if (parse_address(p, text_word(&rest), &session->addr)) {
			session->any_address = false;
		} else {
			return false;
		}
	}
	return true;
}

/* --- items ------------------------------------------------------------------------------------ */

static struct script_item *add_item(struct parse *p, enum item_kind kind)
{
	struct script *s = p->script;

	if (s->session_count == 0)
		(void)add_session(p);
	s->items = text_grow(s->items, s->item_count, sizeof(struct script_item));
	s->items[s->item_count] = (struct script_item){ .kind = kind, .line = p->line, .times = 1 };
	s->sessions[s->session_count - 1].count++;
	return &s->items[s->item_count++];
}

bool pattern_matches(const struct pattern *p, struct slice line)
{
	struct slice rest = line;

	for (unsigned i = 0; i < p->count; i++) {
		struct slice piece = p->pieces[i];
		bool last = i == p->count - 1;

		if (i == 0) {
			if (!slice_has_prefix(rest, piece) || (last && rest.len != piece.len))
				return false;
			slice_skip(&rest, piece.len);
		} else if (last) {
			return rest.len >= piece.len &&
			       slice_eq(slice_of(rest.ptr + rest.len - piece.len, piece.len), piece);
		} else if (piece.len > 0) {
			const char *at = memmem(rest.ptr, rest.len, piece.ptr, piece.len);

			if (at == NULL)
				return false;
			slice_skip(&rest, (size_t)(at - rest.ptr) + piece.len);
		}
	}
	return true;
}

static bool parse_pattern(struct parse *p, struct slice text, struct pattern *ret_pattern)
{
	ret_pattern->count = 0;
	for (;;) {
		const char *dots = memmem(text.ptr, text.len, "...", 3);
		size_t n = dots != NULL ? (size_t)(dots - text.ptr) : text.len;

		if (ret_pattern->count == SCRIPT_PIECES_MAX)
			return parse_error(p, "too many ... in one line");
		if (!text_decode(slice_head(text, n), &ret_pattern->pieces[ret_pattern->count++]))
			return parse_error(p, "only \\r \\n \\t \\\\ \\\" and \\xNN stand behind a backslash: %.*s",
					   SLICE_FMT(text));
		if (dots == NULL)
			return true;
		slice_skip(&text, n + 3);
	}
}

/* What stands between < and > as an instruction, not as text: "<message>", but not "<a@b>" behind a command. */
static bool is_instruction(struct slice text)
{
	return text.len > 2 && text.ptr[0] == '<' && text.ptr[text.len - 1] == '>';
}

static struct slice repeated(struct slice octets, uint64_t times)
{
	char *p = text_alloc(octets.len * times + 1);

	for (uint64_t i = 0; i < times; i++)
		memcpy(p + i * octets.len, octets.ptr, octets.len);
	return slice_of(p, octets.len * times);
}

/* "octets", so many times. */
static bool parse_repeated(struct slice *rest, uint64_t times, struct slice *ret_octets)
{
	struct slice octets;

	if (!text_quoted(rest, &octets) || octets.len * times > MIB(256))
		return false;
	*ret_octets = repeated(octets, times);
	return true;
}

static bool parse_client(struct parse *p, struct slice text)
{
	uint64_t n;

	if (!is_instruction(text))
		return parse_pattern(p, text, &add_item(p, ITEM_LINE)->pattern);
	struct slice inside = slice_of(text.ptr + 1, text.len - 2);
	struct slice word = text_word(&inside);

	if (slice_eq(word, SLICE("message"))) {
		add_item(p, ITEM_MESSAGE)->text = inside;
	} else if (slice_eq(word, SLICE("chunk"))) {
		add_item(p, ITEM_CHUNK)->text = inside;
	} else if (slice_eq(word, SLICE("close"))) {
		(void)add_item(p, ITEM_CLIENT_CLOSE);
	} else if (slice_eq(word, SLICE("octets")) && text_number(inside, &n)) {
		add_item(p, ITEM_OCTETS)->number = n;
	} else if (slice_eq(word, SLICE("nothing")) && text_time(inside, &n)) {
		add_item(p, ITEM_NOTHING)->number = n;
	} else if (slice_eq(word, SLICE("raw"))) {
		return parse_repeated(&inside, 1, &add_item(p, ITEM_EXACTLY)->text) ||
		       parse_error(p, "write C <raw \"octets\">");
	} else if (slice_eq(word, SLICE("repeat")) && text_number(text_word(&inside), &n)) {
		return parse_repeated(&inside, n, &add_item(p, ITEM_EXACTLY)->text) ||
		       parse_error(p, "write C <repeat 998 \"octets\">");
	} else {
		return parse_error(p, "the client can <message [name]>, <chunk>, <close>, <octets 100>, <nothing 5s>, "
				   "<raw \"x\">, <repeat 9 \"x\">");
	}
	return true;
}

static bool parse_pace(struct parse *p, struct slice inside)
{
	uint64_t n;

	if (!text_take_word(&inside, "octet") || !text_take_word(&inside, "by") || !text_take_word(&inside, "octet") ||
	    !text_time(inside, &n))
		return parse_error(p, "write S <octet by octet 1s>");
	add_item(p, ITEM_PACE)->number = n;
	return true;
}

static bool parse_raw(struct parse *p, struct slice inside, uint64_t times)
{
	struct script_item *item = add_item(p, ITEM_SEND);

	item->times = (unsigned)MIN(times, (uint64_t)UINT32_MAX);
	if (!text_quoted(&inside, &item->text) || inside.len > 0)
		return parse_error(p, "write S <raw \"octets\"> or S <repeat 300 \"octets\">");
	return true;
}

static bool parse_silence(struct parse *p, struct slice inside)
{
	struct script_item *item = add_item(p, ITEM_SILENCE);

	item->number = UINT64_MAX;
	return inside.len == 0 || text_time(inside, &item->number) || parse_error(p, "write S <silence 300s>");
}

static bool parse_read(struct parse *p, struct slice inside)
{
	struct script_item *item = add_item(p, ITEM_READ_RATE);
	ptrdiff_t slash = slice_find_char(inside, 0, '/');

	item->number = UINT64_MAX;
	if (slice_eq(inside, SLICE("on")))
		return true;
	return (slash > 0 && text_number(slice_head(inside, (size_t)slash), &item->number)) ||
	       parse_error(p, "write S <read 500/s> or S <read on>");
}

/* first "password", final or wrong; the password goes into text, which is empty for the others. */
static bool parse_scram(struct parse *p, struct slice inside)
{
	struct script_item *item = add_item(p, ITEM_SCRAM);
	struct slice word = text_word(&inside);

	item->number = slice_eq(word, SLICE("wrong"));
	if (slice_eq(word, SLICE("first")))
		return (text_quoted(&inside, &item->text) && inside.len == 0 && item->text.len > 0) ||
		       parse_error(p, "write S <scram first \"password\">");
	return ((slice_eq(word, SLICE("final")) || item->number == 1) && inside.len == 0) ||
	       parse_error(p, "write S <scram first \"password\">, S <scram final> or S <scram wrong>");
}

static bool parse_server_instruction(struct parse *p, struct slice inside)
{
	struct slice whole = inside;
	struct slice word = text_word(&inside);
	uint64_t n;

	if (slice_eq(word, SLICE("close")))
		(void)add_item(p, ITEM_CLOSE);
	else if (slice_eq(word, SLICE("half-close")))
		(void)add_item(p, ITEM_HALF_CLOSE);
	else if (slice_eq(word, SLICE("reset")))
		(void)add_item(p, ITEM_RESET);
	else if (slice_eq(whole, SLICE("at once")))
		(void)add_item(p, ITEM_PACE);
	else if (slice_eq(whole, SLICE("stop reading")))
		(void)add_item(p, ITEM_READ_RATE);
	else if (slice_eq(word, SLICE("silence")))
		return parse_silence(p, inside);
	else if (slice_eq(word, SLICE("octet")))
		return parse_pace(p, whole);
	else if (slice_eq(word, SLICE("read")))
		return parse_read(p, inside);
	else if (slice_eq(word, SLICE("tls")))
		add_item(p, ITEM_TLS)->text = inside;
	else if (slice_eq(word, SLICE("scram")))
		return parse_scram(p, inside);
	else if (slice_eq(word, SLICE("raw")))
		return parse_raw(p, inside, 1);
	else if (slice_eq(word, SLICE("repeat")) && text_number(text_word(&inside), &n))
		return parse_raw(p, inside, n);
	else
		return parse_error(p, "the server can <close>, <half-close>, <reset>, <silence 5s>, <octet by octet 1s>, "
				   "<at once>, <tls server>, <stop reading>, <read 10/s>, <read on>, <raw \"x\">, <repeat 9 \"x\">");
	return true;
}

static bool parse_server(struct parse *p, struct slice text)
{
	struct slice octets;

	if (is_instruction(text))
		return parse_server_instruction(p, slice_of(text.ptr + 1, text.len - 2));
	if (!text_decode(text, &octets))
		return parse_error(p, "only \\r \\n \\t \\\\ \\\" and \\xNN stand behind a backslash: %.*s",
				   SLICE_FMT(text));
	char *line = text_alloc(octets.len + 3);

	memcpy(line, octets.ptr, octets.len);
	memcpy(line + octets.len, "\r\n", 2);
	add_item(p, ITEM_SEND)->text = slice_of(line, octets.len + 2);
	return true;
}

static bool parse_item(struct parse *p, struct slice item)
{
	struct slice text = item;

	if (item.len > 1 && item.ptr[1] != ' ')
		return parse_error(p, "write C or S, one blank, and what is said: %.*s", SLICE_FMT(item));
	slice_skip(&text, MIN(item.len, (size_t)2));
	if (item.ptr[0] == 'C')
		return parse_client(p, text);
	if (item.ptr[0] == 'S')
		return parse_server(p, text);
	return parse_error(p, "three blanks separate items, each begins with C or S (write \\x20 for a blank that is "
			   "meant): %.*s", SLICE_FMT(item));
}

bool parse_items(struct parse *p, struct slice line)
{
	while (line.len > 0) {
		const char *gap = memmem(line.ptr, line.len, "   ", 3);
		size_t n = gap != NULL ? (size_t)(gap - line.ptr) : line.len;

		if (!parse_item(p, slice_head(line, n)))
			return false;
		slice_skip(&line, n);
		while (line.len > 0 && line.ptr[0] == ' ')
			slice_skip(&line, 1);
	}
	return true;
}

const char *script_show_item(const struct script_item *item)
{
	static char buffers[2][700];
	static unsigned turn;
	struct str out = STR(buffers[turn++ % 2]);

	switch (item->kind) {
	case ITEM_LINE:
		str_add_cstr(&out, "C ");
		for (unsigned i = 0; i < item->pattern.count; i++) {
			str_add_cstr(&out, i > 0 ? "..." : "");
			str_add_cstr(&out, script_show(item->pattern.pieces[i]));
		}
		break;
	case ITEM_MESSAGE:
		str_add_cstr(&out, "C <message>");
		break;
	case ITEM_CHUNK:
		str_add_cstr(&out, "C <chunk>");
		break;
	case ITEM_EXACTLY:
		str_printf(&out, "C %s", script_show(slice_head(item->text, 60)));
		break;
	case ITEM_OCTETS:
		str_printf(&out, "C <octets %llu>", (unsigned long long)item->number);
		break;
	case ITEM_NOTHING:
		str_add_cstr(&out, "C <nothing>");
		break;
	case ITEM_CLIENT_CLOSE:
		str_add_cstr(&out, "C <close>");
		break;
	case ITEM_SEND:
		str_printf(&out, "S %s", script_show(item->text));
		break;
	default:
		str_add_cstr(&out, "S <instruction>");
		break;
	}
	return str_cstr(&out);
}

/* --- messages --------------------------------------------------------------------------------- */

/* Lines of 76 octets, each different, so that nothing can be lost or repeated unseen. */
static struct slice made_content(uint64_t size)
{
	static const char head[] = "Subject: made\r\n\r\n";
	char *p = text_alloc(size + 80);
	size_t len = 0;

	if (size >= sizeof(head)) {
		memcpy(p, head, sizeof(head) - 1);
		len = sizeof(head) - 1;
	}
	while (len < size)
		len += (size_t)snprintf(p + len, 79, "%010zu abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.\r\n",
					len);
	len = size;
	if (size >= 2)
		memcpy(p + size - 2, "\r\n", 2);
	if (size >= 3 && p[size - 3] == '\r')
		p[size - 3] = 'x';
	return slice_of(p, len);
}

static bool parse_content(struct parse *p, struct slice *rest, struct slice *ret_content)
{
	uint64_t n;

	if (rest->len > 0 && rest->ptr[0] == '"')
		return text_quoted(rest, ret_content) || parse_error(p, "not well quoted: %.*s", SLICE_FMT(*rest));
	if (text_take_word(rest, "repeat"))
		return (text_number(text_word(rest), &n) && parse_repeated(rest, n, ret_content)) ||
		       parse_error(p, "write content repeat 999 \"octets\"");
	if (text_take_word(rest, "size") && text_number(text_word(rest), &n) && n <= MIB(256)) {
		*ret_content = made_content(n);
		return true;
	}
	return parse_error(p, "write content \"octets\", content repeat 999 \"octets\", or content size 20000");
}

/* Behind what has been given before. */
static void add_octets(struct script_message *m, struct slice more)
{
	char *all = text_alloc(m->content.len + more.len + 1);

	if (m->content.len > 0)
		memcpy(all, m->content.ptr, m->content.len);
	memcpy(all + m->content.len, more.ptr, more.len);
	m->content = slice_of(all, m->content.len + more.len);
}

static bool add_content(struct parse *p, struct slice *rest, struct script_message *m)
{
	struct slice more;

	if (!parse_content(p, rest, &more))
		return false;
	add_octets(m, more);
	return true;
}

/* N "a line": type, length in one octet or two, text. */
static bool add_record(struct parse *p, struct slice *rest, struct script_message *m)
{
	const struct slice type = text_word(rest);
	struct slice text;

	if (type.len != 1 || !text_quoted(rest, &text) || text.len >= 1u << 14)
		return parse_error(p, "write record N \"octets\"");
	const bool is_long = text.len > 127;
	const char head[] = { type.ptr[0], (char)(is_long ? 128 | (text.len & 127) : text.len), (char)(text.len >> 7) };

	add_octets(m, slice_of(head, is_long ? 3 : 2));
	add_octets(m, text);
	m->facts |= MESSAGE_RECORDS;
	return true;
}

static bool parse_rcpt(struct parse *p, struct script_message *m, struct slice *rest)
{
	struct script_rcpt rcpt = { 0 };
	struct slice key, value;

	if (!text_angled(rest, &rcpt.addr))
		return parse_error(p, "write to <address>");
	for (;;) {
		struct slice before = *rest;

		if (!text_key_value(rest, &key, &value))
			break;
		if (slice_eq(key, SLICE("notify"))) {
			rcpt.notify = value;
		} else if (slice_eq(key, SLICE("orcpt"))) {
			rcpt.orcpt = value;
		} else if (slice_eq(key, SLICE("original"))) {
			rcpt.original = value;
		} else {
			*rest = before;
			break;
		}
	}
	m->rcpts = text_grow(m->rcpts, m->rcpt_count, sizeof(rcpt));
	m->rcpts[m->rcpt_count++] = rcpt;
	return true;
}

static bool parse_client_attributes(struct parse *p, struct script_message *m, struct slice *rest)
{
	static const char *const names[CLIENT_ATTR_COUNT] = {
		[CLIENT_NAME] = "name",	  [CLIENT_ADDR] = "addr",   [CLIENT_PORT] = "port",     [CLIENT_HELO] = "helo",
		[CLIENT_PROTO] = "proto", [CLIENT_IDENT] = "ident", [CLIENT_SOURCE] = "source",
	};
	struct slice key, value;

	while (text_key_value(rest, &key, &value)) {
		bool found = false;

		for (unsigned i = 0; i < CLIENT_ATTR_COUNT; i++) {
			if (!slice_eq(key, slice_of_str(names[i])))
				continue;
			m->client[i] = value;
			found = true;
		}
		if (!found)
			return parse_error(p, "a client has name, addr, port, helo, proto, ident, source: %.*s",
					   SLICE_FMT(key));
	}
	return true;
}

static bool parse_timing(struct parse *p, struct slice *rest, uint64_t *ret_ns)
{
	struct slice word = text_word(rest);

	return text_time(word, ret_ns) || parse_error(p, "no time: %.*s (5s, 10m, 2h, 3d)", SLICE_FMT(word));
}

/* Words that only set a fact. */
static bool parse_fact(struct script_message *m, struct slice word)
{
	static const struct {
		const char *word;
		uint32_t fact;
	} facts[] = {
		{ "smtputf8", MESSAGE_SMTPUTF8 },	    { "requiretls", MESSAGE_REQUIRETLS },
		{ "tls-optional", MESSAGE_TLS_OPTIONAL },   { "header-utf8", MESSAGE_HEADER_UTF8 },
		{ "body=8bitmime", MESSAGE_BODY_8BITMIME }, { "body=7bit", MESSAGE_BODY_7BIT },
		{ "ret=full", MESSAGE_RET_FULL },	    { "ret=hdrs", MESSAGE_RET_HDRS },
		{ "probe=rcpt", MESSAGE_PROBE_RCPT },	    { "probe=data", MESSAGE_PROBE_DATA },
	};

	if (slice_eq_nocase(word, SLICE("body=unknown"))) {
		m->unlabelled = true;
		return true;
	}
	for (unsigned i = 0; i < ARRAY_LEN(facts); i++) {
		if (!slice_eq_nocase(word, slice_of_str(facts[i].word)))
			continue;
		m->facts |= facts[i].fact;
		return true;
	}
	return false;
}

static bool parse_breaks(struct parse *p, struct slice *rest, struct script_message *m)
{
	uint64_t n;

	if (!text_number(text_word(rest), &n) || n == 0 || n > UINT32_MAX)
		return parse_error(p, "write content-breaks 5000");
	m->content_breaks = (uint32_t)n;
	return true;
}

static bool parse_field(struct parse *p, struct script_message *m, struct slice word, struct slice *rest)
{
	if (parse_fact(m, word))
		return true;
	if (slice_eq(word, SLICE("from"))) {
		m->named_sender = true;
		return text_angled(rest, &m->sender) || parse_error(p, "write from <address>");
	}
	if (slice_eq(word, SLICE("to")))
		return parse_rcpt(p, m, rest);
	if (slice_eq(word, SLICE("content")))
		return add_content(p, rest, m);
	if (slice_eq(word, SLICE("record")))
		return add_record(p, rest, m);
	if (slice_eq(word, SLICE("client")))
		return parse_client_attributes(p, m, rest);
	if (slice_eq(word, SLICE("age")))
		return parse_timing(p, rest, &m->age_ns);
	if (slice_eq(word, SLICE("content-late")))
		return parse_timing(p, rest, &m->content_late_ns);
	if (slice_eq(word, SLICE("content-breaks")))
		return parse_breaks(p, rest, m);
	if (slice_eq(word, SLICE("at"))) {
		m->timed = true;
		return parse_timing(p, rest, &m->at_ns);
	}
	return parse_error(p, "a message has from, to, content, ret=, envid=, body=, nexthop=, smtputf8, requiretls, "
			   "tls-optional, header-utf8, probe=rcpt|data, client, age, at, content-late, content-breaks, record; not "
			   "%.*s",
			   SLICE_FMT(word));
}

bool parse_message_field(struct parse *p, struct slice rest)
{
	struct script_message *m = &p->script->messages[p->script->message_count - 1];
	struct slice key, value;

	while (rest.len > 0) {
		struct slice before = rest;

		if (text_key_value(&rest, &key, &value)) {
			if (slice_eq(key, SLICE("envid"))) {
				m->envid = value;
				continue;
			}
			if (slice_eq(key, SLICE("nexthop"))) {
				m->nexthop = value;
				continue;
			}
			rest = before;
		}
		struct slice word = text_word(&rest);

		if (!parse_field(p, m, word, &rest))
			return false;
	}
	return true;
}
