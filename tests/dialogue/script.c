#include "tests/dialogue/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/file.h"
#include "core/str.h"
#include "tests/dialogue/script_items.h"
#include "tests/dialogue/text.h"

#define SCRIPT_SIZE_MAX MIB(4)

/* --- telling ---------------------------------------------------------------------------------- */

bool parse_error(struct parse *p, const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "%s:%u: ", p->script->path, p->line);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	p->bad = true;
	return false;
}

const char *script_show(struct slice octets)
{
	static char buffers[8][600];
	static unsigned turn;
	struct str out = STR(buffers[turn++ % 8]);

	for (size_t i = 0; i < octets.len && !str_is_full(&out); i++) {
		unsigned char c = (unsigned char)octets.ptr[i];

		if (out.len > 500) {
			str_printf(&out, "... (%zu octets)", octets.len);
			break;
		}
		if (c == '\r' || c == '\n')
			str_add_cstr(&out, c == '\r' ? "\\r" : "\\n");
		else if (c < 0x20 || c >= 0x7f)
			str_printf(&out, "\\x%02x", c);
		else
			str_add_char(&out, (char)c);
	}
	return str_cstr(&out);
}

/* --- one directive each ----------------------------------------------------------------------- */

static bool finish(struct parse *p, struct slice rest)
{
	rest = slice_trim(rest);
	return rest.len == 0 || parse_error(p, "does not belong here: %.*s", SLICE_FMT(rest));
}

static struct slice add_line(struct slice old, struct slice line)
{
	char *text = text_alloc(old.len + line.len + 2);

	if (old.len > 0)
		memcpy(text, old.ptr, old.len);
	memcpy(text + old.len, line.ptr, line.len);
	text[old.len + line.len] = '\n';
	return slice_of(text, old.len + line.len + 1);
}

static bool parse_conf(struct parse *p, struct slice rest)
{
	if (slice_find_char(rest, 0, '=') <= 0)
		return parse_error(p, "write conf NAME = VALUE");
	p->script->conf = add_line(p->script->conf, rest);
	return true;
}

static bool parse_host(struct parse *p, struct slice rest)
{
	static const char *const manners[] = {
		[HOST_REFUSE] = "refuse", [HOST_BLACKHOLE] = "blackhole", [HOST_UNREACHABLE] = "unreachable",
		[HOST_NEVER] = "never",
	};
	struct script *s = p->script;
	struct script_host host = { .line = p->line };

	if (!parse_address(p, text_word(&rest), &host.addr))
		return false;
	struct slice manner = text_word(&rest);

	for (unsigned i = 0; i < ARRAY_LEN(manners); i++) {
		if (!slice_eq(manner, slice_of_str(manners[i])))
			continue;
		host.manner = (enum host_manner)i;
		s->hosts = text_grow(s->hosts, s->host_count, sizeof(host));
		s->hosts[s->host_count++] = host;
		return finish(p, rest);
	}
	return parse_error(p, "a host can refuse, blackhole, unreachable or never: %.*s", SLICE_FMT(manner));
}

/* Addresses to the end of the line, added to a list. */
static bool parse_addresses(struct parse *p, struct slice rest, struct script_tried **list, unsigned *count)
{
	while (rest.len > 0) {
		struct script_tried one = { .line = p->line };

		if (!parse_address(p, text_word(&rest), &one.addr))
			return false;
		*list = text_grow(*list, *count, sizeof(one));
		(*list)[(*count)++] = one;
	}
	return true;
}

static bool parse_busiest(struct parse *p, struct slice rest)
{
	uint64_t n;

	if (!text_number(text_word(&rest), &n) || n > UINT32_MAX)
		return parse_error(p, "write busiest 3");
	p->script->busiest_line = p->line;
	p->script->busiest = (unsigned)n;
	return finish(p, rest);
}

/* --- dns -------------------------------------------------------------------------------------- */

static bool parse_dns(struct parse *p, struct slice rest)
{
	struct script *s = p->script;
	struct script_record r = { .line = p->line };

	r.name = text_word(&rest);
	r.type = text_word(&rest);
	r.data = slice_trim(rest);
	if (r.data.len == 0 && !slice_eq(r.type, SLICE("signed")) && !slice_eq(r.type, SLICE("unsigned")))
		return parse_error(p, "write dns NAME TYPE DATA, dns NAME TYPE SERVFAIL or the like, dns NAME TYPE never, "
				   "dns NAME delay 5s, dns * signed, or dns NAME unsigned");
	s->records = text_grow(s->records, s->record_count, sizeof(r));
	s->records[s->record_count++] = r;
	return true;
}

/* --- what shall come of it -------------------------------------------------------------------- */

static bool parse_quoted(struct parse *p, struct slice *rest, struct slice *quoted, unsigned *count)
{
	while (rest->len > 0 && rest->ptr[0] == '"') {
		if (*count == SCRIPT_QUOTED_MAX)
			return parse_error(p, "at most %u quoted texts", SCRIPT_QUOTED_MAX);
		if (!text_quoted(rest, &quoted[*count]))
			return parse_error(p, "not well quoted: %.*s", SLICE_FMT(*rest));
		++*count;
	}
	return true;
}

/* "b@test", "one/b@test" */
static bool parse_whose(struct parse *p, struct slice who, struct script_outcome *o)
{
	ptrdiff_t slash = slice_find_char(who, 0, '/');

	if (slash > 0) {
		o->message = slice_head(who, (size_t)slash);
		slice_skip(&who, (size_t)slash + 1);
	}
	return text_decode(who, &o->rcpt) || parse_error(p, "no address: %.*s", SLICE_FMT(who));
}

/* "5s", "270s-330s" */
static bool parse_after(struct parse *p, struct slice word, struct script_outcome *o)
{
	ptrdiff_t dash = slice_find_char(word, 0, '-');
	struct slice first = dash < 0 ? word : slice_head(word, (size_t)dash);
	struct slice last = word;

	slice_skip(&last, dash < 0 ? 0 : (size_t)dash + 1);
	o->timed = true;
	return (text_time(first, &o->after_ns) && text_time(last, &o->after_ns_max)) ||
	       parse_error(p, "write after 5s, or after 270s-330s, not %.*s", SLICE_FMT(word));
}

static bool parse_outcome(struct parse *p, struct slice rest)
{
	static const struct {
		const char *word;
		enum script_status status;
		char class;
	} words[] = {
		{ "sent", STATUS_SENT, 0 },
		{ "deferred", STATUS_DEFERRED, 0 },
		{ "bounced", STATUS_BOUNCED, 0 },
		{ "deliverable", STATUS_SENT, '2' },
		{ "undeliverable", STATUS_BOUNCED, '5' },
		{ "undecided", STATUS_BOUNCED, '4' },
	};
	struct script *s = p->script;
	struct script_outcome o = { .line = p->line };
	bool known = false;
	struct slice status;

	if (!text_quoted(&rest, &o.rcpt) && !parse_whose(p, text_word(&rest), &o))
		return false;
	status = text_word(&rest);
	for (unsigned i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq(status, slice_of_str(words[i].word))) {
			o.status = words[i].status;
			o.class = words[i].class;
			known = true;
		}
	if (!known)
		return parse_error(p, "write = ADDRESS sent|deferred|bounced ... (of a probe: "
				   "deliverable|undeliverable|undecided), not %.*s", SLICE_FMT(status));
	if (rest.len > 0 && rest.ptr[0] >= '2' && rest.ptr[0] <= '5')
		o.dsn = text_word(&rest);
	while (rest.len > 0) {
		if (!parse_quoted(p, &rest, o.quoted, &o.quoted_count))
			return false;
		if (text_take_word(&rest, "may_be_duplicate")) {
			o.may_be_duplicate = true;
		} else if (text_take_word(&rest, "after")) {
			if (!parse_after(p, text_word(&rest), &o))
				return false;
		} else if (rest.len > 0) {
			return finish(p, rest);
		}
	}
	s->outcomes = text_grow(s->outcomes, s->outcome_count, sizeof(o));
	s->outcomes[s->outcome_count++] = o;
	return true;
}

static bool parse_log(struct parse *p, struct slice rest, bool never)
{
	struct script *s = p->script;
	struct script_log l = { .line = p->line, .never = never };

	l.once = text_take_word(&rest, "once");
	if (!parse_quoted(p, &rest, l.quoted, &l.quoted_count))
		return false;
	if (l.quoted_count == 0)
		return parse_error(p, "write log \"text\"");
	s->logs = text_grow(s->logs, s->log_count, sizeof(l));
	s->logs[s->log_count++] = l;
	return finish(p, rest);
}

static bool parse_report(struct parse *p, struct slice rest)
{
	struct script *s = p->script;
	struct script_report r = { .line = p->line };

	if (!parse_quoted(p, &rest, r.quoted, &r.quoted_count))
		return false;
	s->reports = text_grow(s->reports, s->report_count, sizeof(r));
	s->reports[s->report_count++] = r;
	return finish(p, rest);
}

/* --- messages --------------------------------------------------------------------------------- */

/* "message one from <a@b>", but not "message from <a@b>" */
static bool is_name(struct slice rest)
{
	static const char *const fields[] = { "from", "to", "content", "client", "age", "at", "content-late", "content-breaks", "record",
					      "smtputf8", "requiretls", "tls-optional", "header-utf8" };
	struct slice word = text_word(&rest);

	for (unsigned i = 0; i < ARRAY_LEN(fields); i++)
		if (slice_eq(word, slice_of_str(fields[i])))
			return false;
	return slice_find_char(word, 0, '=') < 0;
}

static bool parse_message(struct parse *p, struct slice rest)
{
	struct script *s = p->script;
	struct script_message m = { .line = p->line };

	s->messages = text_grow(s->messages, s->message_count, sizeof(m));
	if (rest.len > 0 && is_name(rest))
		m.name = text_word(&rest);
	s->messages[s->message_count++] = m;
	return parse_message_field(p, rest);
}

/* --- lines ------------------------------------------------------------------------------------ */

static bool parse_line(struct parse *p, struct slice line);

/* "500" is 1-500. */
static bool parse_range(struct parse *p, struct slice range, uint64_t *ret_first, uint64_t *ret_last)
{
	ptrdiff_t dash = slice_find_char(range, 0, '-');
	struct slice last = range;

	slice_skip(&last, dash < 0 ? 0 : (size_t)dash + 1);
	bool ok = (dash < 0 || text_number(slice_head(range, (size_t)dash), ret_first)) && text_number(last, ret_last);

	return (ok && *ret_last >= *ret_first && *ret_last - *ret_first <= 100000) ||
	       parse_error(p, "write repeat 500 ..., or repeat 1-500 ...");
}

/* "1-500 C RCPT TO:<r#@test>   S 250 ok" */
static bool parse_repeat(struct parse *p, struct slice rest, bool parse_one(struct parse *p, struct slice line))
{
	struct slice range = text_word(&rest);
	uint64_t first = 1, last = 0;

	if (!parse_range(p, range, &first, &last))
		return false;
	if (slice_eq(slice_trim(rest), SLICE("{"))) {
		p->block = (struct parse_block){ .line = p->line, .first = first, .last = last };
		return true;
	}
	for (uint64_t i = first; i <= last && !p->bad; i++)
		(void)parse_one(p, text_numbered(rest, i));
	return !p->bad;
}

static struct slice take_line(struct slice *rest)
{
	ptrdiff_t end = slice_find_char(*rest, 0, '\n');
	struct slice line = slice_head(*rest, end < 0 ? rest->len : (size_t)end);

	slice_skip(rest, MIN(line.len + 1, rest->len));
	return line;
}

/* A line between "repeat 1-5 {" and "}": kept, and with the last of them all are played. */
static bool parse_in_block(struct parse *p, struct slice line)
{
	const struct parse_block block = p->block;
	const unsigned end = p->line;

	if (!slice_eq(slice_trim(line), SLICE("}"))) {
		p->block.text = p->block.text.ptr == NULL ? line :
				slice_of(block.text.ptr, (size_t)(line.ptr + line.len - block.text.ptr));
		return true;
	}
	p->block = (struct parse_block){ 0 };
	for (uint64_t i = block.first; i <= block.last && !p->bad; i++) {
		struct slice rest = block.text;

		for (p->line = block.line + 1; p->line < end; p->line++)
			(void)parse_line(p, text_numbered(take_line(&rest), i));
	}
	p->line = end;
	return !p->bad;
}

static bool parse_word(struct parse *p, struct slice word, struct slice rest)
{
	if (slice_eq(word, SLICE("conf")))
		return parse_conf(p, rest);
	if (slice_eq(word, SLICE("hosts"))) {
		p->script->hosts_file = add_line(p->script->hosts_file, rest);
		return true;
	}
	if (slice_eq(word, SLICE("dns")))
		return parse_dns(p, rest);
	if (slice_eq(word, SLICE("host")))
		return parse_host(p, rest);
	if (slice_eq(word, SLICE("message")))
		return parse_message(p, rest);
	if (slice_eq(word, SLICE("session")))
		return parse_session(p, rest);
	if (slice_eq(word, SLICE("=")))
		return parse_outcome(p, rest);
	if (slice_eq(word, SLICE("log")) || slice_eq(word, SLICE("nolog")))
		return parse_log(p, rest, word.len == 5);
	if (slice_eq(word, SLICE("report")))
		return parse_report(p, rest);
	if (slice_eq(word, SLICE("tried")))
		return parse_addresses(p, rest, &p->script->tried, &p->script->tried_count);
	if (slice_eq(word, SLICE("local")))
		return parse_addresses(p, rest, &p->script->locals, &p->script->local_count);
	if (slice_eq(word, SLICE("busiest")))
		return parse_busiest(p, rest);
	if (slice_eq(word, SLICE("repeat")))
		return parse_repeat(p, rest, parse_line);
	if (slice_eq(word, SLICE("relaxed"))) {
		p->script->relaxed = true;
		return finish(p, rest);
	}
	return parse_error(p, "a line cannot begin with %.*s", SLICE_FMT(word));
}

static bool parse_line(struct parse *p, struct slice line)
{
	struct script *s = p->script;
	bool indented = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');
	struct slice rest = line;

	if (p->block.line > 0)
		return parse_in_block(p, line);
	if (slice_trim(line).len == 0 || line.ptr[0] == '#')
		return true;
	if (indented && s->message_count > 0 && p->in_message) {
		rest = slice_trim(line);
		return text_take_word(&rest, "repeat") ? parse_repeat(p, rest, parse_message_field) :
							  parse_message_field(p, rest);
	}
	p->in_message = slice_has_prefix(line, SLICE("message"));
	if (line.ptr[0] == 'C' || line.ptr[0] == 'S')
		return parse_items(p, line);
	struct slice word = text_word(&rest);

	return parse_word(p, word, rest);
}

/* --- what goes without saying ----------------------------------------------------------------- */

static void default_zone(struct script *s)
{
	static const struct script_record zone[] = {
		{ .name = { "example.org", 11 }, .type = { "MX", 2 }, .data = { "10 mx1", 6 } },
		{ .name = { "mx1", 3 }, .type = { "A", 1 }, .data = { "192.0.2.1", 9 } },
		{ .name = { "test", 4 }, .type = { "MX", 2 }, .data = { "10 mx.test", 10 } },
		{ .name = { "mx.test", 7 }, .type = { "A", 1 }, .data = { "192.0.2.1", 9 } },
	};

	for (unsigned i = 0; i < ARRAY_LEN(zone); i++) {
		s->records = text_grow(s->records, s->record_count, sizeof(struct script_record));
		s->records[s->record_count++] = zone[i];
	}
}

static void add_rcpt_once(struct script_message *m, struct slice addr)
{
	for (unsigned i = 0; i < m->rcpt_count; i++)
		if (slice_eq(m->rcpts[i].addr, addr))
			return;
	m->rcpts = text_grow(m->rcpts, m->rcpt_count, sizeof(struct script_rcpt));
	m->rcpts[m->rcpt_count++] = (struct script_rcpt){ .addr = addr };
}

/* The sender of the first MAIL that is written out in full. */
static struct slice sender_in_items(const struct script *s)
{
	for (unsigned i = 0; i < s->item_count; i++) {
		const struct script_item *item = &s->items[i];

		if (item->kind != ITEM_LINE || !slice_has_prefix(item->pattern.pieces[0], SLICE("MAIL FROM:<")))
			continue;
		struct slice text = item->pattern.pieces[0];
		ptrdiff_t end = slice_find_last_char(text, '>');

		if (end > 0)
			return slice_of(text.ptr + 11, (size_t)end - 11);
	}
	return SLICE("s@client.test");
}

static void complete_message(struct script *s, struct script_message *m)
{
	if (m->rcpt_count == 0 && s->message_count == 1)
		for (unsigned i = 0; i < s->outcome_count; i++)
			add_rcpt_once(m, s->outcomes[i].rcpt);
	if (m->rcpt_count == 0)
		add_rcpt_once(m, SLICE("r@example.org"));
	if (!m->named_sender)
		m->sender = sender_in_items(s);
	if (m->content.ptr == NULL)
		m->content = SLICE("Subject: hello\r\n\r\nHello,\r\n.dot\r\nbye\r\n");
}

static bool check_outcomes(struct parse *p)
{
	for (unsigned i = 0; i < p->script->outcome_count; i++) {
		const struct script_outcome *o = &p->script->outcomes[i];
		bool found = false;

		p->line = o->line;
		for (unsigned m = 0; m < p->script->message_count && !found; m++) {
			const struct script_message *msg = &p->script->messages[m];

			if (o->message.len > 0 && !slice_eq(o->message, msg->name))
				continue;
			for (unsigned r = 0; r < msg->rcpt_count && !found; r++)
				found = slice_eq(msg->rcpts[r].addr, o->rcpt);
		}
		if (!found)
			parse_error(p, "no message goes to %.*s", SLICE_FMT(o->rcpt));
	}
	return !p->bad;
}

static void complete(struct parse *p)
{
	struct script *s = p->script;

	if (s->record_count == 0)
		default_zone(s);
	if (s->message_count == 0) {
		s->messages = text_grow(NULL, 0, sizeof(struct script_message));
		s->message_count = 1;
	}
	for (unsigned i = 0; i < s->message_count; i++)
		complete_message(s, &s->messages[i]);
	(void)check_outcomes(p);
	p->line = 1;
	if (s->outcome_count == 0)
		parse_error(p, "a dialogue without an outcome: write = ADDRESS sent|deferred|bounced ...");
}

bool script_read(const char *path, struct script *ret_script)
{
	struct parse p = { .script = ret_script };
	char *text;
	size_t len;
	int r = file_read(path, SCRIPT_SIZE_MAX, &text, &len);

	*ret_script = (struct script){ .path = path };
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(-r));
		return false;
	}
	ret_script->text = slice_of(text, len);
	struct slice rest = ret_script->text;

	while (rest.len > 0) {
		p.line++;
		(void)parse_line(&p, take_line(&rest));
	}
	if (p.block.line > 0)
		parse_error(&p, "the block of line %u has no }", p.block.line);
	complete(&p);
	return !p.bad;
}
