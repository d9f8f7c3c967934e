#include "net/mail/rewrite.h"

#include <errno.h>

#include "net/wire/address.h"

#define FILL_MAX	69u	/* octets of a line that another address is still put on (B 12) */
#define ROOM_SPARE	64u	/* beyond twice the octets that are still to come: a separator may become two */

/* Headers with addresses (B 12). */
static const char *const address_names[] = {
	"Apparently-To", "Bcc", "Cc", "Disposition-Notification-To", "Errors-To", "From", "Mail-Followup-To", "Reply-To",
	"Resent-Bcc", "Resent-Cc", "Resent-From", "Resent-Reply-To", "Resent-Sender", "Resent-To", "Return-Path",
	"Return-Receipt-To", "Sender", "To",
};

static bool has_addresses(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(address_names); i++)
		if (slice_eq_nocase(name, slice_of_str(address_names[i])))
			return true;
	return false;
}

static bool is_white(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* --- text ------------------------------------------------------------------------------------- */

static void add_line(struct str *out, struct slice line)
{
	if (line.len > 0 && line.ptr[line.len - 1] == '\r')
		line.len--;
	for (size_t i = 0; i < line.len; i++)
		str_add_char(out, line.ptr[i] == '\r' ? ' ' : line.ptr[i]);
	str_add_cstr(out, "\r\n");
}

/* Lines with LF, or CRLF, or without an end. In a header, whatever a table put into it, all of them belong to it. */
static void add_lines(struct str *out, struct slice text, enum check_place place)
{
	const struct slice all = text;

	while (text.len > 0) {
		const ptrdiff_t lf = slice_find_char(text, 0, '\n');
		const struct slice line = slice_head(text, lf < 0 ? text.len : (size_t)lf);
		const bool is_empty = line.len == 0 || (line.len == 1 && line.ptr[0] == '\r');

		slice_skip(&text, line.len + (lf < 0 ? 0 : 1));
		if (place == CHECK_HEADER && is_empty)
			continue;
		if (place == CHECK_HEADER && line.ptr != all.ptr && !is_white(line.ptr[0]))
			str_add_char(out, ' ');
		add_line(out, line);
	}
}

/* --- checks ----------------------------------------------------------------------------------- */

/* What is asked about a header is what Postfix asks: LF between its lines. */
static void take_header(struct rewrite *r, struct slice header)
{
	struct slice name, body;

	str_clear(&r->field);
	if (header_split(header, &name, &body)) {
		str_add(&r->field, name);
		str_add_char(&r->field, ':');
		r->is_changed = body.ptr != name.ptr + name.len + 1;
		header = body;
	}
	while (header.len > 0) {
		const ptrdiff_t cr = slice_find_char(header, 0, '\r');
		const struct slice run = slice_head(header, cr < 0 ? header.len : (size_t)cr);

		str_add(&r->field, run);
		slice_skip(&header, run.len + (cr < 0 ? 0 : 1));
	}
}

static void choose_checks(struct rewrite *r, enum mime_header_kind kind)
{
	const struct params *p = r->conf.params;

	switch (kind) {
	case MIME_HEADER_PRIMARY:
		r->checks = p->smtp_header_checks;
		r->checks_name = "smtp_header_checks";
		return;
	case MIME_HEADER_MIME:
		r->checks = p->smtp_mime_header_checks;
		r->checks_name = "smtp_mime_header_checks";
		return;
	case MIME_HEADER_NESTED:
		r->checks = p->smtp_nested_header_checks;
		r->checks_name = "smtp_nested_header_checks";
		return;
	}
	UNREACHABLE();
}

/* 0, ASKER_WAIT or ERR_TABLE. What the checks have to say about subject is done to subject and out. */
static int ask_checks(struct rewrite *r, enum check_place place)
{
	const struct check check = {
		.place = place, .table = r->checks_name, .subject = r->subject, .log = r->conf.log,
	};
	struct slice text;

	if (r->checks == NULL)
		return 0;
	const int found = asker_find(r->conf.asker, r->checks, r->subject, 0, &r->value);

	if (found < 0) {
		mail_log_warn(r->conf.log, "lookup error: ", slice_of_str(r->checks_name));
		return ERR_TABLE;
	}
	if (found != 1)
		return found;
	const enum check_result result = check_apply(&check, str_slice(&r->value), &text);

	r->is_changed |= result != CHECK_KEEP;
	if (result == CHECK_DROP)
		r->subject = (struct slice){ 0 };
	else if (result == CHECK_REPLACE)
		r->subject = text;
	else if (result == CHECK_PREPEND)
		add_lines(&r->out, text, place);
	return 0;
}

/* --- loops ------------------------------------------------------------------------------------ */

static bool looks_for_loops(const struct params *p)
{
	return params_service_flag(p, 'D');
}

static bool is_delivered_to(const struct rewrite *r)
{
	struct slice name, body;

	return r->is_primary && looks_for_loops(r->conf.params) && r->conf.delivered_to.len > 0 &&
	       header_split(r->subject, &name, &body) && slice_eq_nocase(name, SLICE("Delivered-To"));
}

/* Has this header been written where the message is about to go? 0, ASKER_WAIT, ERR_TABLE or -ELOOP. */
static int check_loop(struct rewrite *r)
{
	struct rewrite_list *l = &r->list;
	struct str wire = STR(l->wire_text);
	struct slice address = r->conf.delivered_to, name, body;
	const int found = generic_next(&l->generic, r->conf.asker, &address);

	if (found == ASKER_WAIT)
		return found;
	if (found < 0) {
		mail_log_warn(r->conf.log, "lookup error: smtp_generic_maps: ", address);
		return ERR_TABLE;
	}
	(void)header_split(r->subject, &name, &body);	/* it did before */
	address_quote(&wire, address);
	return slice_eq_nocase(slice_trim(body), str_slice(&wire)) ? -ELOOP : 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

/* Has the header that is there now addresses to be mapped? Then it is begun. */
static bool begin_list(struct rewrite *r)
{
	struct rewrite_list *l = &r->list;
	struct slice name, body;

	if (!r->is_primary || !generic_is_wanted(r->conf.generic) || !header_split(r->subject, &name, &body) ||
	    !has_addresses(name))
		return false;
	l->has_element = l->is_changed = l->is_cut = false;
	l->separator = 0;
	l->begin = l->line = r->out.len;
	l->piece = 0;
	l->end = body.ptr + body.len;
	header_list_init(&l->list, body, r->conf.params->header_address_token_limit);
	str_add(&r->out, name);
	str_add_char(&r->out, ':');
	return true;
}

static bool next_element(struct rewrite *r)
{
	struct rewrite_list *l = &r->list;
	struct str wire = STR(l->wire_text);
	struct str internal = STR(l->internal_text);

	if (!header_list_next(&l->list, &l->element))
		return false;
	l->has_element = true;
	header_add_address(&wire, l->element.address);
	address_unquote(&internal, str_slice(&wire));
	/* One that is longer than any address is none. */
	if (str_is_full(&wire) || str_is_full(&internal))
		str_clear(&internal);
	generic_begin(&l->generic, r->conf.generic, str_slice(&internal));
	return true;
}

/* A part of an element: where white space stood at its ends, a blank does. */
static void add_part(struct str *out, const char *begin, const char *end)
{
	const struct slice part = slice_of(begin, (size_t)(end - begin));

	if (part.len > 0 && is_white(part.ptr[0]))
		str_add_char(out, ' ');
	header_add_unfolded(out, part);
	if (slice_trim(part).len > 0 && is_white(part.ptr[part.len - 1]))
		str_add_char(out, ' ');
}

/* mapped: the new address, internal form. False: there is no room for it. */
static bool add_mapped(struct rewrite *r, const struct header_element *e, struct slice mapped)
{
	struct rewrite_list *l = &r->list;
	struct str wire = STR(l->wire_text);
	const char *behind = e->address.ptr + e->address.len;

	address_quote(&wire, mapped);
	if (r->out.cap - r->out.len < wire.len + 2 * (size_t)(l->end - e->text.ptr) + ROOM_SPARE) {
		l->is_cut = true;
		return false;
	}
	add_part(&r->out, e->text.ptr, e->address.ptr);
	str_add(&r->out, str_slice(&wire));
	header_add_comments(&r->out, e->address);
	add_part(&r->out, behind, e->text.ptr + e->text.len);
	l->is_changed = true;
	return true;
}

/* What stands behind the last comma is all there: on the same line, if that is short. */
static void end_piece(struct rewrite *r)
{
	struct rewrite_list *l = &r->list;
	char *piece = r->out.ptr + l->piece;		/* behind CRLF TAB */

	if (l->piece == 0 || str_is_full(&r->out))
		return;
	const size_t len = r->out.len - l->piece;

	if (l->piece - 3 - l->line + 1 + len <= FILL_MAX) {
		piece[-3] = ' ';
		memmove(piece - 2, piece, len);
		r->out.len -= 2;
	} else {
		l->line = l->piece;
	}
	l->piece = 0;
}

static void add_element(struct rewrite *r, bool is_mapped, struct slice mapped)
{
	struct rewrite_list *l = &r->list;
	const struct header_element *e = &l->element;

	l->has_element = false;
	if (e->text.len == 0 && e->separator == 0)
		return;		/* nothing at all behind the last separator */
	if (l->separator == ',') {
		str_add_cstr(&r->out, "\r\n\t");
		l->piece = r->out.len;
	} else if (e->text.len > 0 || l->separator == 0) {
		str_add_char(&r->out, ' ');
	}
	if (!is_mapped || !add_mapped(r, e, mapped))
		header_add_unfolded(&r->out, e->text);
	if (e->separator != 0)
		str_add_char(&r->out, e->separator);
	if (e->separator == ',' || e->separator == 0)
		end_piece(r);
	l->separator = e->separator;
}

/* 0: all is mapped that is to be; ASKER_WAIT or ERR_TABLE. */
static int map_list(struct rewrite *r)
{
	struct rewrite_list *l = &r->list;
	struct slice mapped;

	while (l->has_element || next_element(r)) {
		const int found = generic_next(&l->generic, r->conf.asker, &mapped);

		if (found == ASKER_WAIT)
			return found;
		if (found < 0) {
			mail_log_warn(r->conf.log, "lookup error: smtp_generic_maps: ", l->generic.address);
			return ERR_TABLE;
		}
		if (l->generic.many)
			mail_log_warn(r->conf.log, "smtp_generic_maps: several addresses, the first is taken, for ", l->generic.address);
		add_element(r, found > 0, mapped);
	}
	end_piece(r);		/* a list may end with a separator */
	if (l->is_cut)
		mail_log_warn(r->conf.log, "smtp_generic_maps: not all of a header could be mapped, it is too long: ", r->subject);
	return 0;
}

/* --- the hooks -------------------------------------------------------------------------------- */

/* After an error, too, what comes next is looked at from its beginning. */
static int wait_or_fail(struct rewrite *r, int result)
{
	if (result == ASKER_WAIT)
		return MIME_WAIT;
	r->phase = REWRITE_BEGIN;
	return result;
}

static int give(struct rewrite *r, struct slice *ret_text)
{
	r->phase = REWRITE_BEGIN;
	if (!r->is_changed)
		return MIME_KEEP;
	if (str_is_full(&r->out)) {
		mail_log_warn(r->conf.log, "too long to be changed: ", r->subject);
		return MIME_KEEP;
	}
	*ret_text = str_slice(&r->out);
	return MIME_CHANGED;
}

static void begin(struct rewrite *r)
{
	r->phase = REWRITE_ASK;
	r->is_changed = false;
	str_clear(&r->out);
	str_clear(&r->value);
}

static void begin_header(struct rewrite *r, enum mime_header_kind kind, struct slice header)
{
	begin(r);
	r->is_primary = kind == MIME_HEADER_PRIMARY;
	choose_checks(r, kind);
	take_header(r, header);
	r->subject = str_slice(&r->field);
	if (is_delivered_to(r)) {
		generic_begin(&r->list.generic, r->conf.generic, r->conf.delivered_to);
		r->phase = REWRITE_LOOP;
	}
}

static void end_header(struct rewrite *r, bool has_list)
{
	if (has_list && r->list.is_changed) {
		r->is_changed = true;
		str_add_cstr(&r->out, "\r\n");
		return;
	}
	if (has_list)
		r->out.len = r->list.begin;
	if (r->is_changed)
		add_lines(&r->out, r->subject, CHECK_HEADER);
}

static int on_header(struct mime_hooks *h, enum mime_header_kind kind, struct slice header, struct slice *ret_text)
{
	struct rewrite *r = container_of(h, struct rewrite, hooks);

	if (header.len > r->field.cap)
		return MIME_KEEP;
	if (r->phase == REWRITE_BEGIN)
		begin_header(r, kind, header);
	if (r->phase == REWRITE_LOOP) {
		const int loop = check_loop(r);

		if (loop != 0)
			return wait_or_fail(r, loop);
		r->phase = REWRITE_ASK;
	}
	if (r->phase == REWRITE_ASK) {
		const int asked = ask_checks(r, CHECK_HEADER);

		if (asked != 0)
			return wait_or_fail(r, asked);
		if (!begin_list(r)) {
			end_header(r, false);
			return give(r, ret_text);
		}
		r->phase = REWRITE_MAP;
	}
	const int mapped = map_list(r);

	if (mapped != 0)
		return wait_or_fail(r, mapped);
	end_header(r, true);
	return give(r, ret_text);
}

static int on_line(struct mime_hooks *h, struct slice line, struct slice *ret_text)
{
	struct rewrite *r = container_of(h, struct rewrite, hooks);

	if (line.len == 0 || line.len > r->field.cap)
		return MIME_KEEP;
	if (r->phase == REWRITE_BEGIN) {
		begin(r);
		r->checks = r->conf.params->smtp_body_checks;
		r->checks_name = "smtp_body_checks";
		r->subject = line;
		/* It may move while we wait. */
		if (maps_need_io(r->checks)) {
			str_clear(&r->field);
			str_add(&r->field, line);
			r->subject = str_slice(&r->field);
		}
	}
	const int asked = ask_checks(r, CHECK_BODY);

	if (asked != 0)
		return wait_or_fail(r, asked);
	if (r->is_changed)
		add_lines(&r->out, r->subject, CHECK_BODY);
	return give(r, ret_text);
}

/* --- start ------------------------------------------------------------------------------------ */

bool rewrite_wants_structure(const struct params *params)
{
	return params->smtp_mime_header_checks != NULL || params->smtp_nested_header_checks != NULL ||
	       params->smtp_body_checks != NULL;
}

bool rewrite_is_wanted(const struct params *params)
{
	return params->smtp_generic_maps != NULL || params->smtp_header_checks != NULL || looks_for_loops(params) ||
	       rewrite_wants_structure(params);
}

/* The longest thing to be looked at. */
static size_t subject_max(const struct params *p)
{
	return MAX((size_t)p->header_size_limit, (size_t)p->line_length_limit);
}

size_t rewrite_memory(const struct params *params)
{
	return 6 * subject_max(params) + 4 * ROOM_SPARE;
}

void rewrite_init(struct rewrite *r, const struct rewrite_conf *conf, void *memory, size_t size)
{
	const size_t max = subject_max(conf->params);
	char *text = memory;

	ASSERT(size >= rewrite_memory(conf->params));
	r->conf = *conf;
	r->hooks = (struct mime_hooks){
		.header = on_header,
		.line = conf->params->smtp_body_checks != NULL ? on_line : NULL,
	};
	r->phase = REWRITE_BEGIN;
	r->field = str_over(text, max);
	r->value = str_over(text + max, max);
	r->out = str_over(text + 2 * max, size - 2 * max);
}
