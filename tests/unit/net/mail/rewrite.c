/* headers and body lines on their way out: what checks and generic maps make of them (B 12, B 13) */
#include "net/mail/rewrite.h"

#include "tests/test.h"
#include "tests/unit/net/mail/tables.h"

#include <stdio.h>

struct world {
	struct tables tables;
	struct mail_log log;
	struct asker asker;
	struct maps *behind;		/* what the asker answers from */
	bool asked;
	struct rewrite rewrite;
	void *memory;
	char logged[2048];
	char out[400000];
};

static void hear_line(struct mail_log *log, bool is_warning, struct slice text)
{
	struct world *w = container_of(log, struct world, log);
	size_t len = strlen(w->logged);

	(void)snprintf(w->logged + len, sizeof(w->logged) - len, "%s%s%.*s", len > 0 ? " | " : "", is_warning ? "! " : "",
		       SLICE_FMT(text));
}

/* Never at once. */
static int find(struct asker *a, const struct maps *maps, struct slice key, unsigned flags, struct str *ret_value)
{
	struct world *w = container_of(a, struct world, asker);

	(void)maps;
	w->asked = !w->asked;
	return w->asked ? ASKER_WAIT : maps_find(w->behind, key, flags, ret_value);
}

static void build(struct world *w, const char *text)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);

	tables_open(&w->tables, text);
	assert_int_equal(maps_open(w->tables.set, SLICE("inline:{ a@old=c@new, { X: y=PREPEND X-Z: z } }"), &why,
				   &w->behind), 0);
	w->log.line = hear_line;
	w->asker.find = find;
	w->memory = malloc(rewrite_memory(w->tables.params));
	assert_non_null(w->memory);
	rewrite_init(&w->rewrite,
		     &(struct rewrite_conf){ .params = w->tables.params, .generic = &w->tables.generic,
					     .asker = &w->asker, .log = &w->log },
		     w->memory, rewrite_memory(w->tables.params));
}

static void tear_down(struct world *w)
{
	free(w->memory);
	maps_free(&w->behind);
	tables_close(&w->tables);
}

static struct world *world_new(const char *text)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	build(w, text);
	return w;
}

static void world_free(struct world *w)
{
	tear_down(w);
	free(w);
}

/* kind below 0: a body line. */
static const char *show(struct world *w, int kind, struct slice text)
{
	struct slice ret;
	struct mime_hooks *h = &w->rewrite.hooks;
	int r;

	w->logged[0] = '\0';
	do
		r = kind < 0 ? h->line(h, text, &ret) : h->header(h, (enum mime_header_kind)kind, text, &ret);
	while (r == MIME_WAIT);
	if (r < 0)
		return "error";
	if (r == MIME_KEEP)
		return "=";
	(void)snprintf(w->out, sizeof(w->out), "%.*s", SLICE_FMT(ret));
	return w->out;
}

static const char *header(struct world *w, const char *text)
{
	return show(w, MIME_HEADER_PRIMARY, slice_of_str(text));
}

static void expect(struct world *w, const char *text, const char *result)
{
	const char *got = header(w, text);

	if (strcmp(got, result) != 0)
		fail_msg("'%s' gives '%s'", text, got);
}

#define GENERIC "smtp_generic_maps = inline:{ a@old=c@new, s@client.test=ext@isp.test, { j v@old=two words@new }, " \
	"{ bad@old=not an address }, { two@old=x@new, y@new }, i@old=c@new }\n"

static const struct map_case {
	const char *header, *result;
} map_cases[] = {
	/* case 421 */
	{ "To: \"J. Doe\" <a@old>, b@keep", "To: \"J. Doe\" <c@new>, b@keep\r\n" },
	/* case 412 */
	{ "From: s@client.test", "From: ext@isp.test\r\n" },
	{ "Sender:s@client.test", "Sender: ext@isp.test\r\n" },
	{ "reply-to:\r\n S <s@client.test> (he)", "reply-to: S <ext@isp.test> (he)\r\n" },
	/* case 423 */
	{ "To:   b@keep  ,\r\n\t\tc@keep ,,", "=" },
	{ "To :   b@keep  ,\r\n\t\tc@keep ,,", "To:   b@keep  ,\r\n\t\tc@keep ,,\r\n" },
	{ "Subject \t: x\r\n y", "Subject: x\r\n y\r\n" },
	/* case 424 */
	{ "Received: from x by y for <a@old>", "=" },
	{ "Message-ID: <a@old>", "=" },
	{ "DKIM-Signature: i=a@old", "=" },
	{ "X-To: a@old", "=" },
	{ "Delivered-To: a@old", "=" },
	/* the parts of a list */
	{ "Cc: f: A <a@old>, b@x;, (c) a@old (d), <@r:a@old>", "Cc: f: A <c@new>, b@x;, (c) c@new (d), <c@new>\r\n" },
	{ "Cc: undisclosed:;, a@old", "Cc: undisclosed:;, c@new\r\n" },
	{ "Bcc: a (one) @ old, \"a\"@old", "Bcc: c@new (one), c@new\r\n" },
	{ "To: , a@old,", "To: , c@new,\r\n" },
	{ "To: two@old", "To: x@new\r\n" },
	{ "To: \"i\"@OLD", "To: c@new\r\n" },
	{ "To: <a@old> b", "To: <c@new> b\r\n" },
	{ "To: not one a@old", "=" },
	{ "To:", "=" },
};

static void addresses_are_mapped(void **state)
{
	struct world *w = world_new(GENERIC);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(map_cases); i++)
		expect(w, map_cases[i].header, map_cases[i].result);
	expect(w, "To: two@old", "To: x@new\r\n");
	assert_string_equal(w->logged, "! smtp_generic_maps: several addresses, the first is taken, for two@old");
	expect(w, "To: bad@old", "error");
	assert_string_equal(w->logged, "! lookup error: smtp_generic_maps: bad@old");
	assert_string_equal(show(w, MIME_HEADER_NESTED, SLICE("To: a@old")), "=");
	assert_string_equal(show(w, MIME_HEADER_MIME, SLICE("To: a@old")), "=");
	assert_null(w->rewrite.hooks.line);
	world_free(w);
}

/* case 422 */
static void lists_are_filled_anew(void **state)
{
	struct world *w = world_new(GENERIC);
	char text[2048] = "To:";
	size_t lines = 0, len = strlen(text);

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s rcpt%u@%s", i > 0 ? ",\r\n  " : "", i,
					i == 7 ? "old, a@old" : "keep.example.test");
	const char *rest = header(w, text);

	assert_string_not_equal(rest, "=");
	for (const char *end; *rest != '\0'; rest = end + 2, lines++) {
		const char *line = lines > 0 ? rest + 1 : rest;
		bool is_last;

		end = strstr(rest, "\r\n");
		assert_non_null(end);
		is_last = end[2] == '\0';
		assert_true(lines == 0 || rest[0] == '\t');
		assert_true(end - line <= 69);
		assert_true(is_last || end[-1] == ',');
		/* The first address of the next line would not have fitted. */
		if (!is_last) {
			const char *next = end + 3, *comma = strpbrk(next, ",\r");

			assert_true(end - line + 1 + (comma - next) + (*comma == ',') > 69);
		}
	}
	assert_true(lines > 5);
	world_free(w);
}

static void a_line_of_69_is_full(void **state)
{
	struct world *w = world_new(GENERIC);

	(void)state;
	/* "To: " 4, "c@new," 6, " " 1: 58 are left with the comma, 58 without one at the end */
	expect(w, "To: a@old, 2345678901234567890123456789012345678901234567890123456789",
	       "To: c@new, 2345678901234567890123456789012345678901234567890123456789\r\n");
	expect(w, "To: a@old, 12345678901234567890123456789012345678901234567890123456789",
	       "To: c@new,\r\n\t12345678901234567890123456789012345678901234567890123456789\r\n");
	expect(w, "To: a@old, 234567890123456789012345678901234567890123456789012345678,b",
	       "To: c@new, 234567890123456789012345678901234567890123456789012345678,\r\n\tb\r\n");
	/* later lines: without the TAB */
	expect(w, "To: a@old, 12345678901234567890123456789012345678901234567890123456789, 1234567, x",
	       "To: c@new,\r\n\t12345678901234567890123456789012345678901234567890123456789, 1234567,\r\n\tx\r\n");
	world_free(w);
}

#define CHECKS "smtp_header_checks = inline:{ { A: 1=IGNORE }, { A: 2=strip because }, { A: 3=REPLACE B: b }, " \
	"{ A: 4=PREPEND P: p }, { A: 5=REPLACE no colon here }, { A: 6=REPLACE }, { A: 7=Dunno }, { A: 8=ok it is }, " \
	"{ A: 9=WARN look }, { A: 10=info }, { A: 11=REJECT no }, { A: 12=DISCARD }, { A: 13=FILTER x }, " \
	"{ A: 14=PREPEND : x }, { To: a@old=REPLACE To: b@old }, { A: 15=REPLACE From: a@old }, { A: 16=PREPEND A: 1 } }\n"

static const struct check_case {
	const char *header, *result, *logged;
} check_cases[] = {
	{ "A: 1", "", "" },
	{ "A: 2", "", "strip: header A: 2: because" },
	{ "A: 3", "B: b\r\n", "replace: header A: 3: B: b" },
	{ "A: 4", "P: p\r\nA: 4\r\n", "prepend: header A: 4: P: p" },	/* case 428 */
	{ "A: 16", "A: 1\r\nA: 16\r\n", "prepend: header A: 16: A: 1" },	/* case 428 */
	{ "A: 5", "=", "! bad header text in smtp_header_checks: \"no colon here\" -- need \"headername: headervalue\"" },
	{ "A: 6", "=", "! action without text in smtp_header_checks: \"REPLACE\"" },
	{ "A: 7", "=", "" },
	{ "A: 8", "=", "" },
	{ "A: 9", "=", "warning: header A: 9: look" },
	{ "A: 10", "=", "info: header A: 10" },
	{ "A: 11", "=", "! unsupported command in smtp_header_checks: \"REJECT\"" },		/* case 429 */
	{ "A: 12", "=", "! unsupported command in smtp_header_checks: \"DISCARD\"" },
	{ "A: 13", "=", "! unsupported command in smtp_header_checks: \"FILTER\"" },
	{ "A: 14", "=", "! bad header text in smtp_header_checks: \": x\" -- need \"headername: headervalue\"" },
	{ "A : 4", "P: p\r\nA: 4\r\n", "prepend: header A: 4: P: p" },
	/* what replaces is mapped */
	{ "To: a@old", "To: x@new\r\n", "replace: header To: a@old: To: b@old" },
	{ "A: 15", "From: c@new\r\n", "replace: header A: 15: From: a@old" },
	{ "Other: a", "=", "" },
};

static void checks_do_what_they_say(void **state)
{
	struct world *w = world_new(CHECKS "smtp_generic_maps = inline:{ b@old=x@new, a@old=c@new }\n");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(check_cases); i++) {
		expect(w, check_cases[i].header, check_cases[i].result);
		assert_string_equal(w->logged, check_cases[i].logged);
	}
	world_free(w);
}

/* Patterns are read from files. */
static struct world *world_with_patterns(void)
{
	static const char *const patterns[][2] = {
		{ "smtp_header_checks", "/^X-Internal:/ IGNORE\n"
					"/^Subject: (.*)/ REPLACE Subject: [x] $1\n"
					"/^Fold:(.*)\\n(.*)/ REPLACE Fold:$2 $1\n"
					"/^Break:(.*)/ REPLACE Break:\\$1 ${1}x\n" },
		{ "smtp_mime_header_checks", "/^Content-Type:/ IGNORE\n" },
		{ "smtp_nested_header_checks", "/^Subject:/ REPLACE Subject: nested\n" },
		{ "smtp_body_checks", "/^--b/ IGNORE\n/^pre/ PREPEND in front\n/^rep/ REPLACE one\n/^$/ IGNORE\n"
				      "/^log/ WARN seen\n" },
	};
	char text[1024] = "", paths[ARRAY_LEN(patterns)][32];

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "/tmp/ringpost-rewrite-XXXXXX");
		int fd = mkstemp(paths[i]);

		assert_true(fd >= 0);
		assert_int_equal(write(fd, patterns[i][1], strlen(patterns[i][1])), strlen(patterns[i][1]));
		close(fd);
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s = pcre:%s\n", patterns[i][0], paths[i]);
	}
	struct world *w = world_new(text);

	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		(void)unlink(paths[i]);
	return w;
}

static void patterns_see_logical_headers(void **state)
{
	struct world *w = world_with_patterns();

	(void)state;
	expect(w, "X-Internal: a\r\n b\r\n\tc", "");					/* case 425 */
	expect(w, "Subject: hello", "Subject: [x] hello\r\n");				/* case 426 */
	expect(w, "Fold: one\r\n two", "Fold: two  one\r\n");
	expect(w, "Content-Type: text/plain", "=");					/* case 430 */
	assert_string_equal(show(w, MIME_HEADER_MIME, SLICE("Content-Type: text/plain")), "");
	assert_string_equal(show(w, MIME_HEADER_NESTED, SLICE("Subject: x")), "Subject: nested\r\n");	/* case 431 */
	assert_string_equal(show(w, MIME_HEADER_MIME, SLICE("Subject: x")), "=");
	world_free(w);
}

static void body_lines_are_checked(void **state)
{
	struct world *w = world_with_patterns();

	(void)state;
	assert_string_equal(show(w, -1, SLICE("--b")), "");				/* case 432 */
	assert_string_equal(show(w, -1, SLICE("pre x")), "in front\r\npre x\r\n");
	assert_string_equal(show(w, -1, SLICE("rep x")), "one\r\n");
	assert_string_equal(show(w, -1, SLICE("other")), "=");
	assert_string_equal(show(w, -1, SLICE("")), "=");				/* case 433 */
	assert_string_equal(show(w, -1, SLICE("log \x01this")), "=");
	assert_string_equal(w->logged, "warning: body log ?this: seen");
	world_free(w);
}

static void errors_end_the_message(void **state)
{
	struct world *w = world_new("smtp_header_checks = fail:never\nsmtp_body_checks = fail:never\n"
				    "smtp_generic_maps = fail:never\n");

	(void)state;
	expect(w, "A: b", "error");
	assert_string_equal(w->logged, "! lookup error: smtp_header_checks");
	assert_string_equal(show(w, -1, SLICE("x")), "error");				/* case 434 */
	assert_string_equal(w->logged, "! lookup error: smtp_body_checks");
	world_free(w);
	w = world_new("smtp_generic_maps = fail:never\n");
	expect(w, "To: nobody", "error");						/* case 420 */
	expect(w, "To: <>", "=");							/* case 419 */
	expect(w, "Subject: x", "=");
	world_free(w);
}

static void others_are_waited_for(void **state)
{
	struct world *w = world_new("smtp_header_checks = tcp:127.0.0.1:9\nsmtp_body_checks = tcp:127.0.0.1:9\n"
				    "smtp_generic_maps = tcp:127.0.0.1:9\n");

	(void)state;
	expect(w, "X: y", "X-Z: z\r\nX: y\r\n");
	expect(w, "To: b@old, a@old", "To: b@old, c@new\r\n");
	assert_string_equal(show(w, -1, SLICE("X: y")), "X-Z: z\r\nX: y\r\n");
	assert_string_equal(show(w, -1, SLICE("none")), "=");
	world_free(w);
}

/* case 482, as far as it is ours: what is as long as may be is looked at, and one octet more is not. */
static void limits_hold(void **state)
{
	struct world *w = world_new(GENERIC "header_size_limit = 3000\nheader_address_token_limit = 11\n");
	static char text[3002];
	const char *got;

	(void)state;
	memset(text, ' ', sizeof(text));
	memcpy(text, "To: a@old", 9);
	memcpy(text + 2993, ",a@old,", 7);
	text[3000] = text[3001] = '\0';
	expect(w, text, "To: c@new, c@new,\r\n");
	text[3000] = 'x';
	expect(w, text, "=");
	expect(w, "To: a@old, a@old, a@old, a@old", "To: c@new, c@new, a@old, a@old\r\n");
	world_free(w);

	/* More addresses than fit once each is longer. */
	w = world_new("header_size_limit = 3000\nsmtp_generic_maps = inline:{ a@b="
		      "0123456789012345678901234567890123456789@0123456789012345678901234567890123456789.test }\n");
	memcpy(text, "To: ", 4);
	for (size_t i = 4; i < 3000; i += 4)
		memcpy(text + i, "a@b,", 4);
	text[3000] = '\0';
	got = header(w, text);
	assert_string_not_equal(got, "=");
	assert_string_equal(got + strlen(got) - 8, ", a@b,\r\n");
	assert_string_equal(w->logged, "! smtp_generic_maps: not all of a header could be mapped, it is too long: "
		"To: a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,a@b,");
	world_free(w);
}

/* case 438 */
static void loops_are_seen(void **state)
{
	struct world *w = world_new("smtp_service_flags = D\nsmtp_generic_maps = inline:{ { \"r r\"@old=\"r r\"@new } }\n");

	(void)state;
	expect(w, "Delivered-To: r@example.org", "=");
	w->rewrite.conf.delivered_to = SLICE("r@example.org");
	expect(w, "Delivered-To: R@Example.ORG", "error");
	expect(w, "Delivered-To: q@example.org", "=");
	expect(w, "X-Delivered-To: r@example.org", "=");
	assert_string_equal(show(w, MIME_HEADER_NESTED, SLICE("Delivered-To: r@example.org")), "=");
	w->rewrite.conf.delivered_to = SLICE("r r@old");
	expect(w, "Delivered-To: \"r r\"@old", "=");
	expect(w, "delivered-to :\"R r\"@New\r\n ", "error");
	world_free(w);
}

static void what_is_wanted_is_known(void **state)
{
	static const struct {
		const char *text;
		bool wanted, structure;
	} cases[] = {
		{ "", false, false },
		{ "smtp_generic_maps = static:x\n", true, false },
		{ "smtp_header_checks = static:x\n", true, false },
		{ "smtp_service_flags = D\n", true, false },
		{ "smtp_service_flags = RO\n", false, false },
		{ "smtp_mime_header_checks = static:x\n", true, true },
		{ "smtp_nested_header_checks = static:x\n", true, true },
		{ "smtp_body_checks = static:x\n", true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct world *w = world_new(cases[i].text);

		assert_int_equal(rewrite_is_wanted(w->tables.params), cases[i].wanted);
		assert_int_equal(rewrite_wants_structure(w->tables.params), cases[i].structure);
		world_free(w);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("addresses in headers are mapped, all else stays (cases 412, 421, 423, 424)", addresses_are_mapped),
		CLAIM("a changed list breaks behind commas and is filled (case 422)", lists_are_filled_anew),
		CLAIM("a line takes another address up to 69 octets, TAB not counted", a_line_of_69_is_full),
		CLAIM("checks do what they say, or warn (cases 427, 428, 429)", checks_do_what_they_say),
		CLAIM("patterns see folded headers whole, each kind its own (cases 425, 426, 430, 431)",
		      patterns_see_logical_headers),
		CLAIM("body lines are checked, boundaries too, empty ones never (cases 432, 433)", body_lines_are_checked),
		CLAIM("an error of a table ends the message (cases 420, 434)", errors_end_the_message),
		CLAIM("tables of other processes are waited for", others_are_waited_for),
		CLAIM("headers beyond the limits are passed on (case 482)", limits_hold),
		CLAIM("what has been delivered where it is going is in a loop (case 438)", loops_are_seen),
		CLAIM("messages that need nothing need not pass", what_is_wanted_is_known),
	};

	return cmocka_run_group_tests_name("net/mail/rewrite", claims, NULL, NULL);
}
