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
		assert_int_equal(session_offence(&stage.session).len > 0, c->err == ERR_PROTO);
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
		GREET, EHLO("250 client.test\r\n"), SAY(MAIL, "550 no\r\n"), BYE, END,
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
	};

	return cmocka_run_group_tests_name("net/smtp/session_hello", claims, NULL, stage_end);
}
