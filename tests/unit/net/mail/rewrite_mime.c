/* whole messages through the stages that look at them, at every two cuts (B 12, 13, 14, 16) */
#include <errno.h>

#include "net/mail/added.h"
#include "net/mail/rewrite.h"

#include "tests/test.h"
#include "tests/unit/net/mail/stage_run.h"
#include "tests/unit/net/mail/tables.h"

#define MIME_MEMORY KIB(192)

struct world {
	struct tables tables;
	struct mail_log log;
	struct rcpt rcpt;
	struct rewrite rewrite;
	struct mime mime;
	struct added added;
	bool converts;
	char *memory;
	char out[KIB(16)];
};

static void say_nothing(struct mail_log *log, bool is_warning, struct slice text)
{
	(void)log;
	(void)is_warning;
	assert_true(text.len > 0);
}

static struct world *world_new(const char *text)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	tables_open(&w->tables, text);
	w->log.line = say_nothing;
	w->rcpt.addr = SLICE("q@example.org");
	w->memory = malloc(MIME_MEMORY + rewrite_memory(w->tables.params));
	assert_non_null(w->memory);
	return w;
}

static void world_free(struct world *w)
{
	free(w->memory);
	tables_close(&w->tables);
	free(w);
}

static void begin(void *context, struct chain *c)
{
	struct world *w = context;
	const struct params *p = w->tables.params;
	const struct rewrite_conf rewrite = {
		.params = p, .generic = &w->tables.generic, .log = &w->log, .delivered_to = w->rcpt.addr,
	};
	const struct mime_conf mime = {
		.converts = w->converts,
		.finds_parts = rewrite_wants_structure(p),
		.mime_boundary_length_limit = p->mime_boundary_length_limit,
		.mime_nesting_limit = p->mime_nesting_limit,
		.header_size_limit = p->header_size_limit,
		.line_length_limit = p->line_length_limit,
	};

	rewrite_init(&w->rewrite, &rewrite, w->memory + MIME_MEMORY, rewrite_memory(p));
	assert_true(mime_memory(&mime, &w->rewrite.hooks) <= MIME_MEMORY);
	mime_init(&w->mime, &mime, &w->rewrite.hooks, w->memory);
	chain_add(c, &w->mime.stage);
	added_init(&w->added, &(struct added_conf){ .generic = &w->tables.generic, .log = &w->log,
						    .sender = SLICE("s@client.test"), .rcpt = &w->rcpt });
	chain_add(c, &w->added.stage);
}

static void expect(struct world *w, const char *in, const char *want)
{
	struct str out = STR(w->out);
	const struct stage_setup setup = { begin, w };

	if (!stage_every_cut(&setup, slice_of_str(in), STAGE_END, slice_of_str(want), &out))
		fail_msg("'%s' gives '%s'", in, str_cstr(&out));
}

static void expect_error(struct world *w, const char *in, int err)
{
	struct str out = STR(w->out);
	const struct stage_setup setup = { begin, w };

	assert_true(stage_every_cut(&setup, slice_of_str(in), err, SLICE(""), &out));
}

static void headers_are_mapped_and_nothing_else(void **state)
{
	struct world *w = world_new("smtp_generic_maps = inline:{ s@client.test=ext@isp.test, a@old=c@new }\n");

	(void)state;
	expect(w,
	       "Received: by x for <a@old>\r\nFrom: S <s@client.test>\r\nSender: s@client.test\r\n"
	       "Reply-To :s@client.test\r\nTo: \"J. Doe\" <a@old>, b@keep\r\nCc: x@keep,\r\n\ty@keep\r\n"
	       "Content-Type: message/rfc822\r\n\r\nTo: a@old\r\n\r\na@old\r\n",
	       "Received: by x for <a@old>\r\nFrom: S <ext@isp.test>\r\nSender: ext@isp.test\r\n"
	       "Reply-To: ext@isp.test\r\nTo: \"J. Doe\" <c@new>, b@keep\r\nCc: x@keep,\r\n\ty@keep\r\n"
	       "Content-Type: message/rfc822\r\n\r\nTo: a@old\r\n\r\na@old\r\n");
	expect(w, "To: a@old\r\nno header\r\nTo: a@old\r\n", "To: c@new\r\n\r\nno header\r\nTo: a@old\r\n");
	expect(w, "", "");
	world_free(w);
}

static const char mime_mail[] =
	"X: drop\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\nX: drop\r\nP: drop\r\n\r\nline\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\nX: drop\r\nN: drop\r\n\r\nline\r\n\r\n--b--\r\n";

static void each_header_has_its_table(void **state)
{
	struct world *w = world_new("smtp_header_checks = inline:{ { X: drop=IGNORE } }\n"
				    "smtp_mime_header_checks = inline:{ { P: drop=REPLACE P: new } }\n"
				    "smtp_nested_header_checks = inline:{ { N: drop=PREPEND M: new } }\n"
				    "smtp_body_checks = inline:{ { line=REPLACE other }, { --b--=IGNORE } }\n");

	(void)state;
	expect(w, mime_mail,
	       "Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\nX: drop\r\nP: new\r\n\r\nother\r\n"
	       "--b\r\nContent-Type: message/rfc822\r\n\r\nX: drop\r\nM: new\r\nN: drop\r\n\r\nother\r\n\r\n");
	world_free(w);
}

/* case 435 */
static void checks_see_what_was_converted(void **state)
{
	struct world *w = world_new("smtp_header_checks = inline:{ { Content-Transfer-Encoding: quoted-printable=PREPEND X: new }, "
				    "{ Content-Transfer-Encoding: 8bit=IGNORE } }\n");

	(void)state;
	w->converts = true;
	expect(w, "Content-Transfer-Encoding: 8bit\r\nSubject: x\r\n\r\n\xc3\xa9\r\n",
	       "Subject: x\r\nX: new\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=C3=A9\r\n");
	world_free(w);
}

static void what_is_added_stands_on_top(void **state)
{
	struct world *w = world_new("smtp_service_flags = DOR\nsmtp_header_checks = static:IGNORE\n");

	(void)state;
	expect(w, "Subject: x\r\n\r\nhello\r\n",
	       "Return-Path: <s@client.test>\r\nX-Original-To: q@example.org\r\nDelivered-To: q@example.org\r\n"
	       "\r\nhello\r\n");
	expect_error(w, "Delivered-To: Q@Example.ORG\r\n\r\n", -ELOOP);
	world_free(w);
}

static void errors_end_the_message(void **state)
{
	struct world *w = world_new("smtp_body_checks = fail:never\nsmtp_generic_maps = fail:never\n");

	(void)state;
	expect_error(w, "Subject: x\r\n\r\nhello\r\n", ERR_TABLE);
	expect_error(w, "To: x\r\n\r\n", ERR_TABLE);
	world_free(w);
}

/* case 482 */
static void long_headers_pass_whole(void **state)
{
	struct world *w = world_new("smtp_generic_maps = inline:{ a@old=c@new }\nheader_size_limit = 1000\n");
	static char in[2000];
	struct str out = STR(w->out);
	const struct stage_setup setup = { begin, w };

	(void)state;
	memset(in, 'x', sizeof(in) - 1);
	memcpy(in, "To: a@old,", 10);
	memcpy(in + sizeof(in) - 18, "\r\nTo: a@old\r\n\r\nx\r\n", 18);
	for (size_t size = 1; size <= sizeof(in); size += 13) {
		str_clear(&out);
		assert_int_equal(stage_run_pieces(&setup, slice_of(in, sizeof(in) - 1), size, &out), STAGE_END);
		assert_int_equal(out.len, sizeof(in) - 1);
		assert_memory_equal(out.ptr, in, sizeof(in) - 16);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("addresses in the message's own headers are mapped (cases 412, 421, 423, 424)",
		      headers_are_mapped_and_nothing_else),
		CLAIM("each header is looked up in its table, and each line (cases 430, 431, 432)", each_header_has_its_table),
		CLAIM("checks see the label of the converted part (case 435)", checks_see_what_was_converted),
		CLAIM("added headers stand on top, and nobody checks them (cases 436, 438)", what_is_added_stands_on_top),
		CLAIM("a table in error ends the message (cases 420, 434)", errors_end_the_message),
		CLAIM("a header beyond the limit passes whole (case 482)", long_headers_pass_whole),
	};

	return cmocka_run_group_tests_name("net/mail/rewrite_mime", claims, NULL, NULL);
}
