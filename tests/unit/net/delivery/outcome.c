/* What replies and errors mean (B 6.2, 17.4, 19; areas F and V), and how it is said. */
#include "net/delivery/outcome.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "core/maps.h"
#include "tests/test.h"

#define PEER SLICE("mx1.test[192.0.2.1]")

static struct attempt attempt;
static struct smtp_reply_parser parser;
static struct message plain;
static struct job plain_job = { .msg = &plain };

static void begin(void)
{
	memset(&attempt, 0, sizeof(attempt));
	attempt.job = &plain_job;
}

static struct smtp_reply reply_of(const char *octets)
{
	struct slice in = slice_of_str(octets);
	struct smtp_reply reply;

	smtp_reply_parser_init(&parser);
	assert_int_equal(smtp_reply_feed(&parser, &in, &reply), 1);
	return reply;
}

static struct rcpt judged(const struct verdict *v, bool soft_bounce)
{
	struct rcpt r = { .state = RCPT_OPEN };

	begin();
	outcome_judge(&attempt, &r, v, PEER, soft_bounce);
	return r;
}

static const struct params plainly, softly = { .soft_bounce = true };

static void assert_says(const struct rcpt *r, const char *text)
{
	if (!slice_eq(r->text, slice_of_str(text)))
		fail_msg("\"%.*s\" and not \"%s\"", SLICE_FMT(r->text), text);
}

struct reply_case {
	const char *claim;
	enum session_state step;
	const char *reply;
	enum rcpt_outcome outcome;
	unsigned class, subject, detail;
};

static const struct reply_case reply_cases[] = {
	{ "case 534", SESSION_FINAL_DOT, "250 2.0.0 queued\r\n", OUTCOME_SENT, 2, 0, 0 },
	{ "sent with a code of its own", SESSION_FINAL_DOT, "250 2.6.0 queued\r\n", OUTCOME_SENT, 2, 6, 0 },
	{ "251 is a yes too", SESSION_FINAL_DOT, "251 ok\r\n", OUTCOME_SENT, 2, 0, 0 },
	{ "case 130", SESSION_RCPT, "550 5.1.1 no\r\n", OUTCOME_HARD, 5, 1, 1 },
	{ "case 131", SESSION_RCPT, "550 no\r\n", OUTCOME_HARD, 5, 0, 0 },
	{ "case 132", SESSION_RCPT, "550 4.7.1 no\r\n", OUTCOME_HARD, 5, 0, 0 },
	{ "case 127", SESSION_RCPT, "451-x\r\n550 y\r\n", OUTCOME_HARD, 5, 0, 0 },
	{ "case 133", SESSION_RCPT, "450 4.7.1x\r\n", OUTCOME_SOFT, 4, 0, 0 },
	{ "case 136", SESSION_RCPT, "354 go\r\n", OUTCOME_HARD, 5, 5, 0 },
	{ "case 137", SESSION_DATA, "250 2.0.0 ok\r\n", OUTCOME_HARD, 5, 5, 0 },
	{ "case 145", SESSION_RCPT, "552 full\r\n", OUTCOME_HARD, 5, 0, 0 },
	{ "case 147", SESSION_RCPT, "556 5.1.10 null MX\r\n", OUTCOME_HARD, 5, 1, 10 },
	{ "case 148", SESSION_RCPT, "421 4.3.2 bye\r\n", OUTCOME_SOFT, 4, 3, 2 },
	{ "case 384", SESSION_MAIL, "452 4.3.1 full\r\n", OUTCOME_SOFT, 4, 3, 1 },
	{ "case 400", SESSION_MAIL, "555 what?\r\n", OUTCOME_HARD, 5, 0, 0 },
	{ "case 450", SESSION_DATA, "451 4.3.0 later\r\n", OUTCOME_SOFT, 4, 3, 0 },
	{ "case 535", SESSION_FINAL_DOT, "354 more\r\n", OUTCOME_HARD, 5, 5, 0 },
	{ "case 536", SESSION_FINAL_DOT, "554 no\r\n", OUTCOME_HARD, 5, 0, 0 },
	{ "case 539", SESSION_BODY, "552 5.3.4 too big\r\n", OUTCOME_HARD, 5, 3, 4 },
	{ "a yes in mid-body is none", SESSION_BODY, "250 ok\r\n", OUTCOME_HARD, 5, 5, 0 },
};

static void replies(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(reply_cases); i++) {
		const struct reply_case *c = &reply_cases[i];
		struct smtp_reply reply = reply_of(c->reply);
		struct outcome o = outcome_of_reply(c->step, &reply);
		const struct verdict v = { .step = c->step, .reply = &reply };
		struct rcpt r = judged(&v, false);

		if (o.kind != c->outcome || o.dsn.class != c->class || o.dsn.subject != c->subject ||
		    o.dsn.detail != c->detail)
			fail_msg("%s: %u, %u.%u.%u", c->claim, o.kind, o.dsn.class, o.dsn.subject, o.dsn.detail);
		assert_int_equal(r.outcome, c->outcome);
		assert_int_equal(r.phase, c->step);
		assert_false(r.ambiguous);
	}
}

struct error_case {
	const char *claim;
	enum session_state step;
	int err;
	bool maybe;
	enum rcpt_outcome outcome;
	unsigned class, subject, detail;
	const char *text;
};

/* B 19.1, 6.5. */
static const struct error_case error_cases[] = {
	{ "case 186", SESSION_MAIL, ERR_EOF, false, OUTCOME_SOFT, 4, 4, 2,
	  "lost connection with mx1.test[192.0.2.1] while sending MAIL FROM" },
	{ "case 188", SESSION_MAIL, ERR_TIMEOUT, false, OUTCOME_SOFT, 4, 4, 2,
	  "conversation with mx1.test[192.0.2.1] timed out while sending MAIL FROM" },
	{ "case 189", SESSION_DATA, ERR_TIMEOUT, false, OUTCOME_SOFT, 4, 4, 2,
	  "conversation with mx1.test[192.0.2.1] timed out while sending DATA command" },
	{ "case 193", SESSION_BODY, ERR_TIMEOUT, false, OUTCOME_SOFT, 4, 4, 2,
	  "conversation with mx1.test[192.0.2.1] timed out while sending message body" },
	{ "case 541", SESSION_BODY, -ECONNRESET, false, OUTCOME_SOFT, 4, 4, 2,
	  "lost connection with mx1.test[192.0.2.1] while sending message body" },
	{ "case 540", SESSION_BODY, ERR_PROTO, false, OUTCOME_SOFT, 4, 4, 2, NULL },
	{ "case 537", SESSION_FINAL_DOT, ERR_EOF, true, OUTCOME_SOFT, 4, 4, 2,
	  "lost connection with mx1.test[192.0.2.1] while sending end of data -- message may be sent more than once" },
	{ "case 463", SESSION_RCPT, ERR_PROTO, false, OUTCOME_SOFT, 4, 5, 0, NULL },
	{ "row RPL-12", SESSION_FINAL_DOT, ERR_PROTO, true, OUTCOME_SOFT, 4, 5, 0, NULL },
	{ "case 381", SESSION_MAIL, -EMSGSIZE, false, OUTCOME_HARD, 5, 3, 4,
	  "message size exceeds size limit of server mx1.test[192.0.2.1]" },
	{ "case 401", SESSION_MAIL, -EBADMSG, false, OUTCOME_HARD, 5, 1, 7, NULL },
	{ "case 401", SESSION_RCPT, -EBADMSG, false, OUTCOME_HARD, 5, 1, 3, NULL },
	{ "unreadable content is our trouble, not the sender's", SESSION_BODY, -EIO, false, OUTCOME_SOFT, 4, 3, 0,
	  NULL },
	{ "damaged content", SESSION_BODY, ERR_CORRUPT, false, OUTCOME_SOFT, 4, 3, 0, "the stored message is damaged" },
	{ "no memory is no reason to bounce", SESSION_MAIL, -ENOBUFS, false, OUTCOME_SOFT, 4, 3, 0, NULL },
	{ "case 176: a table that fails", SESSION_EHLO, ERR_TABLE, false, OUTCOME_SOFT, 4, 3, 0,
	  "local data error while talking to mx1.test[192.0.2.1]" },
	{ "case 178", SESSION_EHLO, -ELOOP, false, OUTCOME_HARD, 5, 4, 6, NULL },
	{ "case 125", SESSION_CONNECT, -ECONNREFUSED, false, OUTCOME_SOFT, 4, 4, 1, NULL },
	{ "case 118", SESSION_CONNECT, -ETIMEDOUT, false, OUTCOME_SOFT, 4, 4, 1, NULL },
	{ "our own shutdown", SESSION_RCPT, -ECANCELED, false, OUTCOME_SOFT, 4, 4, 2, NULL },
};

static void errors(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(error_cases); i++) {
		const struct error_case *c = &error_cases[i];
		const struct verdict v = { .step = c->step, .err = c->err, .maybe_delivered = c->maybe };
		struct rcpt r = judged(&v, false);

		if (r.outcome != c->outcome || r.dsn.class != c->class || r.dsn.subject != c->subject ||
		    r.dsn.detail != c->detail)
			fail_msg("%s: %u, %u.%u.%u", c->claim, r.outcome, r.dsn.class, r.dsn.subject, r.dsn.detail);
		assert_int_equal(r.ambiguous, c->maybe);
		assert_true(r.text.len > 0);
		if (c->text != NULL)
			assert_says(&r, c->text);
	}
}

/* B 19.2, case 592. */
static void reasons_are_one_line(void **state)
{
	struct smtp_reply reply = reply_of("550-5.7.1 a\x1b[0m\r\n550 5.7.1 b\r\n");
	struct verdict v = { .step = SESSION_RCPT, .reply = &reply };
	struct rcpt r = judged(&v, false);

	(void)state;
	assert_says(&r, "host mx1.test[192.0.2.1] said: 550-5.7.1 a?[0m 550 5.7.1 b (in reply to RCPT TO command)");
	v.step = SESSION_MAIL;
	r = judged(&v, false);
	assert_says(&r, "host mx1.test[192.0.2.1] said: 550-5.7.1 a?[0m 550 5.7.1 b (in reply to MAIL FROM command)");
	v.step = SESSION_FINAL_DOT;
	r = judged(&v, false);
	assert_says(&r, "host mx1.test[192.0.2.1] said: 550-5.7.1 a?[0m 550 5.7.1 b (in reply to end of DATA command)");
	reply = reply_of("250-2.0.0 Ok\r\n250 2.0.0 queued as 7\r\n");
	r = judged(&v, false);
	assert_says(&r, "250-2.0.0 Ok 250 2.0.0 queued as 7");
}

/* Case 566. */
static void soft_bounce_makes_bounces_soft(void **state)
{
	struct smtp_reply reply = reply_of("550 5.1.1 no\r\n");
	const struct verdict v = { .step = SESSION_RCPT, .reply = &reply };
	struct rcpt r = judged(&v, true);

	(void)state;
	assert_int_equal(r.outcome, OUTCOME_SOFT); /* the next host is asked, too */
	outcome_end_round(&r);
	assert_int_equal(r.outcome, OUTCOME_HARD);
	outcome_conclude(&attempt, &r, &softly, true); /* however old the message is */
	assert_int_equal(r.outcome, OUTCOME_DEFERRED);
	assert_true(r.is_softened);
	assert_int_equal(r.dsn.class, 4);
	assert_int_equal(r.dsn.subject, 1);
	reply = reply_of("250 2.0.0 ok\r\n");
	const struct verdict yes = { .step = SESSION_FINAL_DOT, .reply = &reply };

	r = judged(&yes, true);
	assert_int_equal(r.outcome, OUTCOME_SENT);
	assert_int_equal(r.dsn.class, 2);
	outcome_conclude(&attempt, &r, &softly, true);
	assert_int_equal(r.outcome, OUTCOME_SENT);
}

/* B 4.1: hard, but another host may have what this one lacks. */
static void some_bounces_wait_for_the_last_host(void **state)
{
	struct smtp_reply reply = reply_of("550 5.6.7 no\r\n");
	const struct verdict v = { .step = SESSION_MAIL, .reply = &reply, .until_final = true };
	struct rcpt r = judged(&v, false);

	(void)state;
	assert_int_equal(r.outcome, OUTCOME_SOFT);
	outcome_end_round(&r);
	outcome_conclude(&attempt, &r, &plainly, false);
	assert_int_equal(r.outcome, OUTCOME_HARD);
	assert_false(r.is_softened);
	assert_true(r.dsn.class == 5 && r.dsn.subject == 6);
}

struct filter_case {
	const char *said;
	enum rcpt_outcome before, after;
	const char *code, *text;
	bool soft_bounce, is_good;
};

/* Cases 567-569. */
static const struct filter_case filters[] = {
	{ "5.7.1 host said: blocked", OUTCOME_HARD, OUTCOME_DEFERRED, "4.7.1", "host said: blocked", false, true },
	{ "5.7.1 host said: blocked", OUTCOME_HARD, OUTCOME_DEFERRED, "4.7.1", "host said: blocked", true, true },
	{ "4.2.2 full", OUTCOME_DEFERRED, OUTCOME_HARD, "5.2.2", "full", false, true },
	{ "4.2.2 full", OUTCOME_DEFERRED, OUTCOME_DEFERRED, "4.2.2", "full", true, true }, /* SOFTBOUNCE */
	{ "5.1.1 nobody", OUTCOME_HARD, OUTCOME_HARD, "5.1.1", "nobody", false, false },   /* case 568 */
	{ "2.0.0 taken", OUTCOME_SENT, OUTCOME_SENT, "2.0.0", "taken", false, false },
	{ "2.0.0 queued", OUTCOME_SENT, OUTCOME_SENT, "2.1.5", "queued", false, true },
	{ "5.6.0 garbage", OUTCOME_HARD, OUTCOME_HARD, "5.6.0", "garbage", false, false },
	{ "5.1.2 code alone", OUTCOME_HARD, OUTCOME_HARD, "5.1.3", "code alone", false, true },
	{ "5.5.5 not in it", OUTCOME_HARD, OUTCOME_HARD, "5.5.5", "not in it", false, true },
};

static struct maps *maps_of(const char *value, struct table_set **ret_set)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct maps *maps;

	*ret_set = table_set_new();
	assert_int_equal(maps_open(*ret_set, slice_of_str(value), &why, &maps), 0);
	return maps;
}

static struct rcpt decided(enum rcpt_outcome outcome, const char *said)
{
	struct rcpt r = { .state = RCPT_OPEN, .outcome = (uint8_t)outcome };

	begin();
	assert_true(smtp_reply_parse_enhanced(slice_of_str(said), &r.dsn));
	r.text = outcome_keep_text(&attempt, slice_of_str(strchr(said, ' ') + 1));
	return r;
}

static void the_filter_has_the_last_word_but_one(void **state)
{
	struct table_set *set;
	struct maps *maps = maps_of("inline:{ {5.7.1 host said: blocked = 4.7.1 host said: blocked}, {4.2.2 full = 5.2.2}, "
				    "{5.1.1 nobody = 2.0.0 fine}, {2.0.0 taken = 4.0.0 no}, {2.0.0 queued = 2.1.5 queued}, "
				    "{5.6.0 garbage = REJECT}, {5.1.2 code alone = 5.1.3} }", &set);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(filters); i++) {
		const struct filter_case *c = &filters[i];
		const struct params p = { .smtp_delivery_status_filter = maps, .soft_bounce = c->soft_bounce };
		struct rcpt r = decided(c->before, c->said);
		struct enhanced_code code;

		assert_true(smtp_reply_parse_enhanced(slice_of_str(c->code), &code));
		if (outcome_conclude(&attempt, &r, &p, false) != c->is_good || r.outcome != c->after ||
		    r.dsn.class != code.class || r.dsn.subject != code.subject || r.dsn.detail != code.detail)
			fail_msg("%s: outcome %u, %u.%u.%u", c->said, r.outcome, r.dsn.class, r.dsn.subject,
				 r.dsn.detail);
		assert_says(&r, c->text);
		/* The word is SOFTBOUNCE only when soft_bounce did it (case 569). */
		assert_int_equal(r.is_softened, c->soft_bounce && c->before == OUTCOME_DEFERRED);
	}
	maps_free(&maps);
	table_set_free(&set);
}

static void a_filter_that_fails_bounces_nothing(void **state)
{
	struct table_set *set;
	struct maps *maps = maps_of("fail:x", &set);
	const struct params p = { .smtp_delivery_status_filter = maps };
	struct rcpt r = decided(OUTCOME_HARD, "5.1.1 nobody");

	(void)state;
	assert_false(outcome_conclude(&attempt, &r, &p, false));
	assert_int_equal(r.outcome, OUTCOME_DEFERRED);
	assert_true(r.dsn.class == 4 && r.dsn.subject == 3);
	r = decided(OUTCOME_SENT, "2.0.0 ok");
	assert_false(outcome_conclude(&attempt, &r, &p, false));
	assert_int_equal(r.outcome, OUTCOME_SENT);
	maps_free(&maps);
	table_set_free(&set);
}

/* Row LOG-02: reasons are bounded, each of them and all of them, and equal ones in a row are one. */
static void reasons_are_bounded(void **state)
{
	static char octets[2100];
	struct rcpt r = { .state = RCPT_OPEN }, same = { .state = RCPT_OPEN };

	(void)state;
	begin();
	(void)snprintf(octets, sizeof(octets), "550 %01990d\r\n", 0); /* fits */
	struct smtp_reply reply = reply_of(octets);
	const struct verdict v = { .step = SESSION_RCPT, .reply = &reply };

	outcome_judge(&attempt, &r, &v, PEER, false);
	outcome_judge(&attempt, &same, &v, PEER, false);
	assert_true(r.text.len > 500 && r.text.len <= 1024);
	assert_ptr_equal(r.text.ptr, same.text.ptr);
	assert_int_equal(attempt.text_len, r.text.len);
	static const char end[] = " (in reply to RCPT TO command)";

	assert_memory_equal(r.text.ptr + r.text.len - strlen(end), end, strlen(end));
	for (unsigned i = 0; i < 1000; i++) {
		char text[200];

		(void)snprintf(text, sizeof(text), "%0150u", i); /* fits */
		struct slice kept = outcome_keep_text(&attempt, slice_of_str(text));

		assert_true(kept.len <= 150);
		assert_memory_equal(kept.ptr, text, kept.len);
	}
	assert_int_equal(attempt.text_len, ATTEMPT_TEXT);
}

/* --- sessions that never were ------------------------------------------------------------------------------------- */

static struct session session;
static struct params params;

static struct outcome failed(enum session_state step, int err, int code, unsigned subject, const char *said,
			     struct str *why)
{
	static const char relay[] = "mx1.test[192.0.2.1]:25";

	memset(&session, 0, sizeof(session));
	session.params = &params;
	memcpy(session.relay, relay, sizeof(relay) - 1);
	session.relay_len = sizeof(relay) - 1;
	session.host_len = sizeof(relay) - 1 - 3;
	session.failure.state = step;
	session.failure.err = err;
	session.failure.code = code;
	session.failure.dsn =
		(struct enhanced_code){ (uint8_t)(code / 100 == 3 ? 5 : code / 100), (uint16_t)subject, 1 };
	memcpy(session.failure.text, said, strlen(said));
	session.failure.text_len = strlen(said);
	str_clear(why);
	return outcome_of_failure(&session, why);
}

static void greetings_and_helos(void **state)
{
	char storage[1024];
	struct str why = STR(storage);
	struct outcome o;

	(void)state;
	params.smtp_skip_5xx_greeting = true;
	o = failed(SESSION_GREETING, 0, 554, 7, "554 5.7.1 away", &why); /* case 151 */
	assert_int_equal(o.kind, OUTCOME_SOFT);
	assert_int_equal(o.dsn.class, 4);
	assert_int_equal(o.dsn.subject, 7);
	assert_string_equal(str_cstr(&why), "host mx1.test[192.0.2.1] refused to talk to me: 554 5.7.1 away");
	params.smtp_skip_5xx_greeting = false;
	o = failed(SESSION_GREETING, 0, 554, 7, "554 5.7.1 away", &why); /* case 152 */
	assert_int_equal(o.kind, OUTCOME_HARD);
	assert_int_equal(o.dsn.class, 5);
	o = failed(SESSION_GREETING, 0, 450, 3, "450 4.3.1 later", &why);
	assert_int_equal(o.kind, OUTCOME_SOFT);
	o = failed(SESSION_GREETING, 0, 354, 5, "354 hm", &why); /* case 155 */
	assert_int_equal(o.kind, OUTCOME_SOFT);
	assert_int_equal(o.dsn.class, 4);
	params.smtp_skip_5xx_greeting = true;
	o = failed(SESSION_HELO, 0, 550, 7, "550 5.7.1 no", &why); /* case 166 */
	assert_int_equal(o.kind, OUTCOME_HARD);
	o = failed(SESSION_EHLO, 0, 421, 3, "421 4.3.1 busy", &why); /* case 163 */
	assert_int_equal(o.kind, OUTCOME_SOFT);
}

static void connections_that_failed(void **state)
{
	char storage[1024];
	struct str why = STR(storage);
	struct outcome o = failed(SESSION_CONNECT, -ECONNREFUSED, 0, 0, "", &why);

	(void)state;
	assert_int_equal(o.kind, OUTCOME_SOFT);
	assert_int_equal(o.dsn.subject, 4);
	assert_int_equal(o.dsn.detail, 1);
	assert_string_equal(str_cstr(&why), "connect to mx1.test[192.0.2.1]:25: Connection refused"); /* case 125 */
	o = failed(SESSION_GREETING, ERR_EOF, 0, 0, "", &why);
	assert_int_equal(o.dsn.detail, 2);
	assert_string_equal(str_cstr(&why),
			    "lost connection with mx1.test[192.0.2.1] while receiving the initial server greeting");
	o = failed(SESSION_EHLO, ERR_TIMEOUT, 0, 0, "", &why);
	assert_string_equal(str_cstr(&why),
			    "conversation with mx1.test[192.0.2.1] timed out while performing the EHLO handshake");
	o = failed(SESSION_EHLO, -ELOOP, 0, 0, "", &why);
	assert_int_equal(o.kind, OUTCOME_HARD);
	assert_string_equal(str_cstr(&why), "mail for mx1.test[192.0.2.1] loops back to myself");
	session.is_worse_mx = true;	/* case 179 */
	str_clear(&why);
	o = outcome_of_failure(&session, &why);
	assert_int_equal(o.kind, OUTCOME_SOFT);
	assert_true(o.dsn.class == 4 && o.dsn.subject == 4 && o.dsn.detail == 6);
}

static void an_outcome_for_those_who_have_none(void **state)
{
	static struct rcpt rcpts[4] = {
		{ .state = RCPT_OPEN },
		{ .state = RCPT_OPEN, .outcome = OUTCOME_SENT },
		{ .state = RCPT_BOUNCED },
		{ .state = RCPT_OPEN },
	};
	static struct message msg = { .rcpts = rcpts, .rcpt_count = 4 };
	static struct job job = { .msg = &msg };

	(void)state;
	begin();
	attempt.job = &job;
	attempt.first = 0;
	attempt.count = 3;
	outcome_apply(&attempt, (struct outcome){ OUTCOME_SOFT, { 4, 4, 3 } }, SESSION_CONNECT, SLICE("nobody home"));
	assert_int_equal(rcpts[0].outcome, OUTCOME_SOFT);
	assert_true(slice_eq(rcpts[0].text, SLICE("nobody home")));
	assert_int_equal(rcpts[1].outcome, OUTCOME_SENT);
	assert_int_equal(rcpts[2].outcome, OUTCOME_NONE);
	assert_int_equal(rcpts[3].outcome, OUTCOME_NONE);
	outcome_end_round(&rcpts[0]);
	assert_int_equal(rcpts[0].outcome, OUTCOME_DEFERRED);
	outcome_conclude(&attempt, &rcpts[0], &plainly, false);
	assert_int_equal(rcpts[0].outcome, OUTCOME_DEFERRED);
	outcome_conclude(&attempt, &rcpts[0], &plainly, true);
	assert_int_equal(rcpts[0].outcome, OUTCOME_HARD);
	assert_int_equal(rcpts[0].dsn.class, 5);
	assert_int_equal(rcpts[0].dsn.detail, 7);
	assert_says(&rcpts[0], "delivery time expired; the last failure was: nobody home");
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what a reply means depends on its step and its last line", replies),
		CLAIM("what a loss means depends on its step", errors),
		CLAIM("a reason is one printable line (case 592)", reasons_are_one_line),
		CLAIM("soft_bounce makes bounces soft, and nothing else (case 566)", soft_bounce_makes_bounces_soft),
		CLAIM("what only this host lacks bounces when no other is left (B 4.1)",
		      some_bounces_wait_for_the_last_host),
		CLAIM("smtp_delivery_status_filter changes 4 and 5, and never what was sent (cases 567-569)",
		      the_filter_has_the_last_word_but_one),
		CLAIM("a status filter that cannot be asked bounces nothing", a_filter_that_fails_bounces_nothing),
		CLAIM("reasons are bounded and shared (row LOG-02)", reasons_are_bounded),
		CLAIM("refused before the first transaction (cases 151-155, 163, 166)", greetings_and_helos),
		CLAIM("lost before the first transaction (case 125)", connections_that_failed),
		CLAIM("an outcome without a session is for open recipients of the attempt alone",
		      an_outcome_for_those_who_have_none),
	};

	return cmocka_run_group_tests_name("net/delivery/outcome", claims, NULL, NULL);
}
