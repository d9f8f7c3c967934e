/* XFORWARD before MAIL (area M). */
#include "core/err.h"
#include "tests/unit/net/smtp/script.h"

#define CAPS EHLO("250-mx.test\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR PROTO HELO SOURCE\r\n")
#define FIRST "XFORWARD NAME=host.x ADDR=192.0.2.8\r\n"
#define SECOND "XFORWARD PROTO=ESMTP HELO=helo.x SOURCE=REMOTE\r\n"

static char client[512];

static struct mail *from_client(const char *name)
{
	struct mail *m = simple("a@example.org");
	struct str s = STR(client);

	message_client_add(&s, CLIENT_NAME, slice_of_str(name));
	message_client_add(&s, CLIENT_ADDR, SLICE("192.0.2.8"));
	message_client_add(&s, CLIENT_PORT, SLICE("4711"));
	message_client_add(&s, CLIENT_PROTO, SLICE("ESMTP"));
	message_client_add(&s, CLIENT_HELO, SLICE("helo.x"));
	message_client_add(&s, CLIENT_SOURCE, SLICE("REMOTE"));
	m->msg.client = str_slice(&s);
	return m;
}

static void play(const struct puppet_step *script, bool wanted, const char *name)
{
	stage_open(script);
	stage.params.smtp_send_xforward_command = wanted;
	struct mail *m = from_client(name);

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	stage_expect(m, 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 369. */
static void only_when_wanted(void **state)
{
	static const struct puppet_step script[] = {
		GREET, CAPS, SAY(MAIL RCPT("a") DATA, OK OK GO), SAY(TEXT ".\r\n", OK), BYE, END,
	};

	(void)state;
	play(script, false, "host.x");
}

/* Cases 370, 374: a refusal is a warning. */
static void in_one_group_with_mail(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		CAPS,
		SAY(FIRST SECOND MAIL RCPT("a") DATA, OK "501 5.5.4 what?\r\n" OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	play(script, true, "host.x");
}

/* Case 371. */
static void without_what_is_not_known(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		CAPS,
		SAY("XFORWARD ADDR=192.0.2.8\r\n" SECOND MAIL RCPT("a") DATA, OK OK OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	play(script, true, "unknown");
}

/* Case 372; and without PIPELINING, one at a time. */
static void only_what_was_asked_for(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		EHLO("250-mx.test\r\n250 XFORWARD PROTO\r\n"),
		SAY("XFORWARD PROTO=ESMTP\r\n", "450 later\r\n"),
		SAY(MAIL, OK),
		SAY(RCPT("a"), OK),
		SAY(DATA, GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	play(script, true, "host.x");
}

/* Case 375: for each message, also for one that rides behind the body of another. */
static void for_each_message(void **state)
{
	static const struct puppet_step script[] = {
		GREET,
		CAPS,
		SAY(FIRST SECOND MAIL RCPT("a") DATA, OK OK OK OK GO),
		SAY(TEXT ".\r\n" FIRST SECOND MAIL RCPT("a") DATA, OK OK OK OK OK GO),
		SAY(TEXT ".\r\n" FIRST SECOND MAIL RCPT("a") DATA, OK OK OK OK OK GO),
		SAY(TEXT ".\r\n", OK),
		BYE,
		END,
	};

	(void)state;
	stage_open(script);
	stage.params.smtp_send_xforward_command = true;
	stage.ride = true;
	struct mail *m[] = { from_client("host.x"), from_client("host.x"), from_client("host.x") };

	stage_play();
	assert_true(puppet_is_through(&stage.puppet, 0));
	for (unsigned i = 0; i < ARRAY_LEN(m); i++)
		stage_expect(m[i], 0, OUTCOME_SENT, SESSION_FINAL_DOT, 250, 0);
	stage_close();
}

/* Case 189, the second half. */
static void silence_has_a_limit(void **state)
{
	static const struct puppet_step script[] = { GREET, CAPS, SAY(FIRST SECOND, NULL), END };
	static const struct puppet_step second[] = { GREET, CAPS, SAY(FIRST SECOND, OK), END };
	static const char text[] = "conversation with mx.test[127.0.0.1] timed out while sending XFORWARD name/address";

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		stage_open(i == 0 ? script : second);
		stage.params.smtp_send_xforward_command = true;
		stage.params.smtp_xforward_timeout_ns = 100 * NS_PER_MS;
		struct mail *m = from_client("host.x");

		stage_play();
		stage_expect(m, 0, OUTCOME_SOFT, i == 0 ? SESSION_XFORWARD_CLIENT : SESSION_XFORWARD_DIALOGUE, 0,
			     ERR_TIMEOUT);
		assert_dsn(m, 0, 4, 4, 2);
		if (i == 0)
			assert_true(slice_eq(m->rcpts[0].text, slice_of_str(text)));
		stage_close();
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		STAGE_CLAIM("XFORWARD is not sent unless wanted (case 369)", only_when_wanted),
		STAGE_CLAIM("it is in one group with MAIL, and decides nothing (cases 370, 374)", in_one_group_with_mail),
		STAGE_CLAIM("what is not known is not said (case 371)", without_what_is_not_known),
		STAGE_CLAIM("only what was asked for is said (case 372)", only_what_was_asked_for),
		STAGE_CLAIM("it is said for each message (case 375)", for_each_message),
		STAGE_CLAIM("silence ends it at its own limit (case 189)", silence_has_a_limit),
	};

	return cmocka_run_group_tests_name("net/smtp/session_xforward", claims, NULL, stage_end);
}
