#include "net/mail/added.h"

#include "net/wire/address.h"

static const struct added_line {
	char flag;
	const char *begin;
	const char *end;
} lines[] = {
	{ 'R', "Return-Path: <", ">\r\n" },
	{ 'O', "X-Original-To: ", "\r\n" },
	{ 'D', "Delivered-To: ", "\r\n" },
};

static struct slice address_of(const struct added *a)
{
	struct slice original;

	switch (lines[a->line].flag) {
	case 'R':
		return a->conf.sender;
	case 'O':
		original = rcpt_facts(a->conf.rcpt).original;
		return original.len > 0 ? original : a->conf.rcpt->addr;
	case 'D':
		return a->conf.rcpt->addr;
	default:
		UNREACHABLE();
	}
}

/* No session sends an address that could end a line, but nobody has looked at the original one. */
static bool is_one_line(struct slice address)
{
	return slice_find_char(address, 0, '\r') < 0 && slice_find_char(address, 0, '\n') < 0 &&
	       slice_find_char(address, 0, '\0') < 0;
}

static bool is_due(const struct added *a)
{
	const char flag = lines[a->line].flag;

	return params_service_flag(a->conf.generic->params, flag) && (flag == 'R' || a->conf.rcpt != NULL) &&
	       is_one_line(address_of(a));
}

/* 0, ASKER_WAIT or ERR_TABLE. */
static int write_line(struct added *a, struct slice *ret_span)
{
	struct str text = STR(a->text);
	struct slice address = address_of(a);

	if (!a->is_begun)
		generic_begin(&a->generic, a->conf.generic, address);
	const int r = generic_next(&a->generic, a->conf.asker, &address);

	a->is_begun = r == ASKER_WAIT;
	if (r == ASKER_WAIT)
		return r;
	if (r < 0) {
		mail_log_warn(a->conf.log, "lookup error: smtp_generic_maps: ", address);
		return ERR_TABLE;
	}
	str_add_cstr(&text, lines[a->line].begin);
	address_quote(&text, address);
	str_add_cstr(&text, lines[a->line].end);
	ASSERT(!str_is_full(&text));
	*ret_span = str_slice(&text);
	return 0;
}

static int next(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	struct added *a = container_of(s, struct added, stage);

	while (a->line < ARRAY_LEN(lines) && !is_due(a))
		a->line++;
	if (a->line == ARRAY_LEN(lines))
		return stage_pass(in, is_last, ret_span);
	const int r = write_line(a, ret_span);

	if (r != 0)
		return r == ASKER_WAIT ? STAGE_WAIT : r;
	a->line++;
	return STAGE_SPAN;
}

void added_init(struct added *a, const struct added_conf *conf)
{
	a->stage.next = next;
	a->conf = *conf;
	a->line = 0;
	a->is_begun = false;
}
