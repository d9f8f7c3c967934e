/* headers on top of a message (B 14) */
#include "net/mail/added.h"

#include "tests/test.h"
#include "tests/unit/net/mail/tables.h"

#include <stdio.h>

struct world {
	struct tables tables;
	struct mail_log log;
	struct asker asker;
	bool asked;
	unsigned warnings;
	char out[4096];
};

static void count_line(struct mail_log *log, bool is_warning, struct slice text)
{
	struct world *w = container_of(log, struct world, log);

	assert_true(is_warning && text.len > 0);
	w->warnings++;
}

static struct world *world_new(const char *text)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	tables_open(&w->tables, text);
	w->log.line = count_line;
	return w;
}

static void world_free(struct world *w)
{
	tables_close(&w->tables);
	free(w);
}

/* The content with what is added to it; chunk octets of content at a time. */
static const char *pass(struct world *w, const char *sender, const struct rcpt *rcpt, const char *content, size_t chunk)
{
	struct added a;
	struct str out = STR(w->out);
	struct slice in = { 0 }, rest = slice_of_str(content), span;
	int r;

	added_init(&a, &(struct added_conf){ .generic = &w->tables.generic, .asker = &w->asker, .log = &w->log,
					     .sender = slice_of_str(sender), .rcpt = rcpt });
	while ((r = a.stage.next(&a.stage, &in, rest.len == 0, &span)) != STAGE_END) {
		if (r < 0)
			return "error";
		if (r == STAGE_SPAN)
			str_add(&out, span);
		if (r != STAGE_MORE)
			continue;
		in = slice_head(rest, chunk);
		slice_skip(&rest, in.len);
	}
	return str_cstr(&out);
}

/* case 436 */
static void headers_stand_on_top(void **state)
{
	struct world *w = world_new("smtp_service_flags = DOR\n");
	struct rcpt rcpt = { 0 }, plain = { 0 };
	char text[64], other[64];
	static const char content[] = "Subject: x\r\n\r\nhello\r\n";

	(void)state;
	rcpt_set(&rcpt, text, &(struct rcpt_facts){ .addr = SLICE("r r@x"), .original = SLICE("o@x") });
	rcpt_set(&plain, other, &(struct rcpt_facts){ .addr = SLICE("r@x") });
	for (size_t chunk = 1; chunk < sizeof(content); chunk++) {
		assert_string_equal(pass(w, "s@client.test", &rcpt, content, chunk),
				    "Return-Path: <s@client.test>\r\nX-Original-To: o@x\r\nDelivered-To: \"r r\"@x\r\n"
				    "Subject: x\r\n\r\nhello\r\n");
		assert_string_equal(pass(w, "", &plain, content, chunk),
				    "Return-Path: <>\r\nX-Original-To: r@x\r\nDelivered-To: r@x\r\n"
				    "Subject: x\r\n\r\nhello\r\n");
	}
	assert_string_equal(pass(w, "s", &plain, "", 1), "Return-Path: <s>\r\nX-Original-To: r@x\r\nDelivered-To: r@x\r\n");
	assert_string_equal(pass(w, "s", NULL, "", 1), "Return-Path: <s>\r\n");
	rcpt_set(&rcpt, text, &(struct rcpt_facts){ .addr = SLICE("r@x"), .original = SLICE("o\r\nX: y@x") });
	assert_string_equal(pass(w, "s", &rcpt, "", 1), "Return-Path: <s>\r\nDelivered-To: r@x\r\n");
	world_free(w);
	w = world_new("");
	assert_string_equal(pass(w, "s", &plain, content, 3), content);
	assert_false(added_is_wanted(w->tables.params));
	world_free(w);
}

static void addresses_are_mapped(void **state)
{
	struct world *w = world_new("smtp_service_flags = RD\nsmtp_generic_maps = inline:{ s@old=s@new, r@old=r@new }\n");
	const struct rcpt rcpt = { .addr = SLICE("r@old") };

	(void)state;
	assert_string_equal(pass(w, "s@old", &rcpt, "x\r\n", 9), "Return-Path: <s@new>\r\nDelivered-To: r@new\r\nx\r\n");
	assert_int_equal(w->warnings, 0);
	world_free(w);
	w = world_new("smtp_service_flags = R\nsmtp_generic_maps = fail:never\n");
	assert_string_equal(pass(w, "s@old", &rcpt, "x\r\n", 9), "error");
	assert_int_equal(w->warnings, 1);
	world_free(w);
}

static void flags_are_letters(void **state)
{
	struct loaded *l = load("smtp_service_flags = D,O\n");

	(void)state;
	assert_int_equal(l->errors, 1);
	unload(l);
	l = load("smtp_service_flags = DORX\nlmtp_service_flags = R\n");
	assert_int_equal(l->errors, 0);
	assert_true(params_service_flag(&l->p, 'X') && params_service_flag(&l->p, 'D'));
	assert_true(params_service_flag(&l->lmtp, 'R') && !params_service_flag(&l->lmtp, 'D'));
	unload(l);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("Return-Path, X-Original-To and Delivered-To, in this order, on top (case 436)", headers_stand_on_top),
		CLAIM("their addresses are mapped, or the message fails", addresses_are_mapped),
		CLAIM("flags are letters, as in master.cf", flags_are_letters),
	};

	return cmocka_run_group_tests_name("net/mail/added", claims, NULL, NULL);
}
