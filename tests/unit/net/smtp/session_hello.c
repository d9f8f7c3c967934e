/* From the greeting to the first transaction: conformance area G. */
#include <errno.h>

#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

/* --- greeting and EHLO -------------------------------------------------------------------------------------------- */

struct hello_case {
	const char *claim;
	const char *greeting;
	const char *ehlo; /* NULL: the greeting was enough */
	int code;
	int err;
	enum session_state state; /* in which it failed */
	const char *wire;
};

static const struct hello_case hello_cases[] = {
	{ "case 150: 450", "450 4.3.2 later\r\n", NULL, 450, 0, SESSION_GREETING, "QUIT\r\n" },
	{ "case 154: 450", "450 4.3.2 later\r\n", NULL, 450, 0, SESSION_GREETING, "QUIT\r\n" },
	{ "case 151: 554", "554-go\r\n554 5.7.1 away\r\n", NULL, 554, 0, SESSION_GREETING, "QUIT\r\n" },
	{ "case 153: 521", "521 no mail here\r\n", NULL, 521, 0, SESSION_GREETING, "QUIT\r\n" },
	{ "case 155: 354", "354 hm\r\n", NULL, 354, 0, SESSION_GREETING, "QUIT\r\n" },
	{ "row RPL-04: 120 is no reply of SMTP", "120 wait\r\n", NULL, 0, ERR_PROTO, SESSION_GREETING, "" },
	{ "row RPL-04: a web server", "HTTP/1.1 400 Bad Request\r\n\r\n", NULL, 0, ERR_PROTO, SESSION_GREETING, "" },
	{ "case 163: 421 to EHLO", "220 mx.test\r\n", "421 busy\r\n", 421, 0, SESSION_EHLO,
	  "EHLO client.test\r\nQUIT\r\n" },
	{ "row RPL-04: garbage to EHLO", "220 mx.test\r\n", "250x\r\n", 0, ERR_PROTO, SESSION_EHLO,
	  "EHLO client.test\r\n" },
};

static void greetings_that_are_none(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(hello_cases); i++) {
		const struct hello_case *c = &hello_cases[i];
		const struct puppet_step script[] = {
			SAY(NULL, c->greeting),
			SAY(c->ehlo != NULL ? "EHLO client.test\r\n" : NULL, c->ehlo),
			END,
		};

		stage_open(script);
		stage.params.smtp_skip_4xx_greeting = i % 2 == 0;
		struct mail *m = simple("a@example.org");

		stage_play();
		assert_int_equal(stage.ready, 0);
		/* Case 154. */
		assert_int_equal(stage.session.failure.is_last, i % 2 == 1 && c->code / 100 == 4 &&
							       c->state == SESSION_GREETING);
		assert_false(m->started);
		assert_int_equal(stage.session.failure.state, c->state);
		assert_int_equal(stage.session.failure.code, c->code);
		assert_int_equal(stage.session.failure.err, c->err);
		assert_int_equal(stage.offence_len > 0, c->err == ERR_PROTO);
		assert_wire(0, c->wire);
		stage_close();
	}
}

/* Cases 162, 180: not offended, and nothing of what EHLO said counts. */
static void old_servers_get_helo(void **state)
{
	static const char *const refusals[] = {
		"502 what?\r\n", "500 what?\r\n", "550 no\r\n", "451 no\r\n", "550-PIPELINING\r\n550 SIZE 10\r\n",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(refusals); i++) {
		const struct puppet_step script[] = {
			GREET,
			EHLO(refusals[i]),
			SAY("HELO client.test\r\n", "250 client.test\r\n"),
			SAY(MAIL, OK),
			SAY(RCPT("a"), OK),
			SAY(DATA, GO),
			SAY(TEXT ".\r\n", OK),
			BYE,
			END,
		};

		stage_open(script);
		stage.params.smtp_tcp_port = 25;
		struct mail *m = simple("a@example.org");

		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		stage_close();
	}
}

/* Cases 166, 167. */
static void helo_refused(void **state)
{
	static const struct puppet_step script[] = {
		GREET, EHLO("502 what?\r\n"), SAY("HELO client.test\r\n", "550-no\r\n550 5.7.1 never\r\n"), BYE, END,
	};

	(void)state;
	stage_open(script);
	stage_play();
	assert_int_equal(stage.session.failure.state, SESSION_HELO);
	assert_int_equal(stage.session.failure.code, 550);
	assert_int_equal(stage.session.failure.dsn.subject, 7);
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_close();
}

struct ehlo_case {
	bool always, never;
	const char *greeting;
	bool ehlo;
};

/* Cases 158-161. */
static const struct ehlo_case ehlo_cases[] = {
	{ true, false, "220 h\r\n", true },           { false, false, "220 h SMTP\r\n", false },
	{ false, false, "220 h ESMTP x\r\n", true },  { false, false, "220-h x\r\n220 foo esmtp\r\n", true },
	{ false, false, "220 ESMTP\r\n", true },      { false, false, "220 h ESMTPS\r\n", false },
	{ false, false, "220 h x-ESMTP\r\n", false }, { false, false, "220\r\n", false },
	{ true, true, "220 h ESMTP\r\n", false },
};

static void ehlo_or_helo(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(ehlo_cases); i++) {
		const struct ehlo_case *c = &ehlo_cases[i];
		const struct puppet_step script[] = {
			SAY(NULL, c->greeting),
			SAY(c->ehlo ? "EHLO client.test\r\n" : "HELO client.test\r\n", "250 mx.test\r\n"),
			BYE,
			END,
		};

		stage_open(script);
		stage.params.smtp_always_send_ehlo = c->always;
		stage.params.smtp_never_send_ehlo = c->never;
		stage_play();
		assert_true(puppet_is_through(&stage.puppet, 0));
		assert_int_equal(stage.ready, 1);
		stage_close();
	}
}

/* Case 178. The check is for port 25 alone (case 181), which not everybody may listen on. */
static void our_own_name_is_a_loop(void **state)
{
	static const struct puppet_step script[] = { GREET, EHLO("250-CLIENT.test\r\n250 PIPELINING\r\n"), BYE, END };
	static const struct puppet_step elsewhere[] = {
		GREET, EHLO("250 client.test\r\n"), SAY(MAIL, "550 no\r\n"), RSET, BYE, END,
	};

	(void)state;
	stage_open(elsewhere);
	simple("a@example.org");
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_close();

	stage_open(script);
	puppet_close(&stage.puppet);
	stage.puppet.script = script;
	if (!puppet_open(&stage.puppet, "127.0.83.25", 25))
		skip();
	struct mail *m = simple("a@example.org");

	stage_play();
	assert_int_equal(stage.session.failure.state, SESSION_EHLO);
	assert_int_equal(stage.session.failure.err, -ELOOP);
	assert_false(m->started);
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_close();
}

/* Case 182: a greeting may say what it likes. */
static void our_own_name_in_a_greeting_is_a_remark(void **state)
{
	static const struct puppet_step script[] = {
		SAY(NULL, "220 client.test ESMTP\r\n"), PLAIN, SAY(MAIL, "550 no\r\n"), RSET, BYE, END,
	};

	(void)state;
	stage_open(script);
	simple("a@example.org");
	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_close();
}

/* --- work-arounds ------------------------------------------------------------------------------------------------- */

#define PIX_GREETING "220 **************0****2**\r\n"

struct pix_case {
	const char *claim;
	const char *map;       /* of smtp_pix_workaround_maps; NULL: none */
	uint64_t threshold_ns; /* the message is 10 s old */
	bool ehlo, pause;
	const char *greeting;
};

static const struct pix_case pix_cases[] = {
	{ "case 183: old enough", NULL, 10 * NS_PER_SEC, false, true, PIX_GREETING },
	{ "case 183: too young", NULL, 3600 * NS_PER_SEC, false, false, PIX_GREETING },
	{ "case 184: by address", "inline:{ 127.0.0.1=delay_dotcrlf }", 0, true, true, PIX_GREETING },
	{ "case 184: another address", "inline:{ 127.0.0.2=delay_dotcrlf }", 0, false, true, PIX_GREETING },
	{ "no work-around wanted, and one that nobody knows", "static:{ none, disable_stmp }", 0, true, false,
	  PIX_GREETING },
	{ "a table that fails counts for nothing", "fail:broken", 0, false, true, PIX_GREETING },
	{ "case 185: from the first attempt on", NULL, 0, false, true, PIX_GREETING },
	{ "a letter, and it is no PIX", NULL, 0, true, false, "220 ****x****2**\r\n" },
	{ "two lines, and it is none", NULL, 0, true, false, "220-***\r\n220 ***\r\n" },
};

static struct table_set *tables;

static struct maps *maps_of(const char *text)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct maps *maps;

	if (tables == NULL)
		tables = table_set_new();
	assert_int_equal(maps_open(tables, slice_of_str(text), &why, &maps), 0);
	return maps;
}

static bool pauses_before_the_dot(void)
{
	static const char dot[] = TEXT ".\r\n";

	for (unsigned n = 0; n < 2000 && !stage.finished; n++) {
		struct slice got = puppet_got(&stage.puppet, 0);

		stage_turn();
		if (got.len == 0)
			continue;
		if (memmem(got.ptr, got.len, dot, strlen(dot)) != NULL)
			return false;
		if (memmem(got.ptr, got.len, TEXT, strlen(TEXT)) != NULL && stage.session.current != NULL &&
		    stage.session.current->dot_waits && conn_is_drained(&stage.session.conn))
			return true;
	}
	return false;
}

static void firewalls_with_asterisks(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(pix_cases); i++) {
		const struct pix_case *c = &pix_cases[i];
		const struct puppet_step script[] = {
			SAY(NULL, c->greeting),
			SAY(c->ehlo ? "EHLO client.test\r\n" : "HELO client.test\r\n", "250 mx.test\r\n"),
			SAY(MAIL, OK),
			SAY(RCPT("a"), OK),
			SAY(DATA, GO),
			SAY(TEXT ".\r\n", OK),
			BYE,
			END,
		};

		stage_open(script);
		stage.params.smtp_pix_workaround_threshold_time_ns = c->threshold_ns;
		stage.params.smtp_pix_workaround_delay_time_ns = 100 * NS_PER_MS;
		stage.params.smtp_data_xfer_timeout_ns = 20 * NS_PER_MS;	/* the pause is none of its business */
		stage.params.smtp_pix_workaround_maps = c->map != NULL ? maps_of(c->map) : NULL;
		struct mail *m = simple("a@example.org");

		m->msg.arrival_ns = reactor_queue_now() - 10 * NS_PER_SEC;
		stage_start();
		if (pauses_before_the_dot() != c->pause)
			fail_msg("%s: %s", c->claim, c->pause ? "no pause" : "a pause");
		stage_wait(5000);
		if (!puppet_is_through(&stage.puppet, 0))
			fail_msg("%s: not played to its end", c->claim);
		stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
		assert_int_equal(stage.took_ns >= 100 * NS_PER_MS, c->pause);
		stage_close();
		maps_free(&stage.params.smtp_pix_workaround_maps);
	}
}

/* --- keywords that are not to be believed ------------------------------------------------------------------------- */

struct discard_case {
	const char *claim;
	const char *list;
	const char *map;
	uint32_t caps;
	int err;
};

static const struct discard_case discard_cases[] = {
	{ "nothing to discard", "", NULL, SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_DSN, 0 },
	{ "case 174: a list, in any case, with words nobody knows", "Pipelining, SIZE, vrfy silent-discard xyzzy", NULL,
	  SMTP_CAP_DSN, 0 },
	{ "case 175: an empty answer for this address", "pipelining", "inline:{ {127.0.0.1=} }",
	  SMTP_CAP_PIPELINING | SMTP_CAP_SIZE | SMTP_CAP_DSN, 0 },
	{ "case 175: the map replaces the list", "pipelining", "inline:{ {127.0.0.1 = dsn, silent-discard} }",
	  SMTP_CAP_PIPELINING | SMTP_CAP_SIZE, 0 },
	{ "another address: the list", "pipelining silent-discard", "inline:{ 127.0.0.2=dsn }",
	  SMTP_CAP_SIZE | SMTP_CAP_DSN, 0 },
	{ "case 176: no answer", "", "fail:broken", 0, ERR_TABLE },
};

static void keywords_that_are_discarded(void **state)
{
	static const struct puppet_step script[] = {
		GREET, EHLO("250-mx.test\r\n250-PIPELINING\r\n250-SIZE 99\r\n250 DSN\r\n"), BYE, END,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(discard_cases); i++) {
		const struct discard_case *c = &discard_cases[i];

		stage_open(script);
		stage.params.smtp_discard_ehlo_keywords = c->list;
		stage.params.smtp_discard_ehlo_keyword_address_maps = c->map != NULL ? maps_of(c->map) : NULL;
		stage_play();
		if (stage.session.caps.bits != c->caps || stage.session.failure.err != c->err)
			fail_msg("%s: %x, err %d", c->claim, stage.session.caps.bits, stage.session.failure.err);
		assert_int_equal(stage.ready, c->err == 0);
		assert_true(puppet_is_through(&stage.puppet, 0));
		stage_close();
		maps_free(&stage.params.smtp_discard_ehlo_keyword_address_maps);
	}
}

static int end(void **state)
{
	table_set_free(&tables);
	return stage_end(state);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("greetings that are no welcome end the session (cases 150-155, 163)",
			    greetings_that_are_none),
		STAGE_CLAIM("EHLO refused: HELO on the same connection, no extensions (cases 162, 180)",
			    old_servers_get_helo),
		STAGE_CLAIM("HELO refused ends the session (case 166)", helo_refused),
		STAGE_CLAIM("EHLO or HELO as parameters and greeting say (cases 158-161)", ehlo_or_helo),
		STAGE_CLAIM("a server of our own name is a loop, on port 25 (cases 178, 181)", our_own_name_is_a_loop),
		STAGE_CLAIM("our own name in a greeting is worth a remark (case 182)",
			    our_own_name_in_a_greeting_is_a_remark),
		STAGE_CLAIM("a masked greeting gets the work-arounds for PIX (cases 183-185)", firewalls_with_asterisks),
		STAGE_CLAIM("keywords are discarded by list or address (cases 174-176)", keywords_that_are_discarded),
	};

	return cmocka_run_group_tests_name("net/smtp/session_hello", claims, NULL, end);
}
