/* AUTH, without a socket; the helper is a stand-in that verifies when it is told to. */
#include <errno.h>
#include <stdio.h>

#include "core/metric.h"
#include "crypto/base64.h"
#include "crypto/library.h"
#include "tests/unit/net/source/inject_dialogue.h"

static struct passwords *passwords;
static struct helper_job *job;

static void keep_job(struct helper_job *j, void *context)
{
	(void)context;
	assert_null(job);
	job = j;
}

static void read_users(const char *text)
{
	char storage[256];
	struct str why = STR(storage);

	passwords_free(&passwords);
	assert_int_equal(passwords_new(slice_of_str(text), &why, &passwords), 0);
	common.passwords = passwords;
}

static int set_up(void **state)
{
	static bool started;

	if (!started)
		assert_int_equal(crypto_library_start(), 0);
	started = true;
	assert_int_equal(setup(state), 0);
	params.smtpd_sasl_auth_enable = true;
	params.smtpd_tls_auth_only = true;
	params.smtpd_tls_security_level = INJECT_TLS_MAY;
	common.offers_tls = true;
	common.submit = keep_job;
	job = NULL;
	assert_int_equal(inject_auth_init(&common, 3), 0);
	read_users("user:{PLAIN}pencil\nann:{PLAIN}other\n");
	return 0;
}

static int tear_down(void **state)
{
	end_session();
	assert_int_equal(common.auths.used, 0);
	inject_auth_free(&common);
	passwords_free(&passwords);
	return teardown(state);
}

/* The helper has done its work. */
static void help(void)
{
	struct helper_job *j = job;

	assert_non_null(j);
	job = NULL;
	j->work(j);
	j->done(j);
}

static void refuse(void)
{
	assert_int_equal(session.wait, INJECT_WAIT_DELAY);
	assert_int_equal(session.out.len, 0);
	inject_auth_refuse(&session);
}

/* A stranger who has begun TLS, and has said hello. */
static void begin_tls(void)
{
	open_as("192.0.2.7:5000");
	greet();
	say("EHLO client.test\r\n", "250");
	assert_int_equal(feed(SLICE("STARTTLS\r\n")).len, 0);
	assert_int_equal(expect_code("220"), 1);
	inject_session_on_tls(&session);
	say("EHLO client.test\r\n", "250");
}

/* "AUTH mech text", text in base64; its NULs are bars. */
static void auth(const char *command, const char *text)
{
	char plain[512], line[1024];
	struct str out = STR(line);
	size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		plain[i] = text[i] == '|' ? '\0' : text[i];
	str_add_cstr(&out, command);
	assert_int_equal(base64_add_encoded(&out, slice_of(plain, len)), 0);
	str_add_cstr(&out, "\r\n");
	assert_int_equal(feed(str_slice(&out)).len, 0);
}

static void a_user_may_relay(void **state)
{
	static const char *const ways[] = { "|user|pencil", "user|user|pencil" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		begin_tls();
		say("MAIL FROM:<a@test>\r\n", "250");
		say("RCPT TO:<b@test>\r\n", "554 5.7.1");
		say("RSET\r\n", "250");
		auth("AUTH PLAIN ", ways[i]);
		assert_true(inject_session_is_waiting(&session));
		assert_int_equal(session.out.len, 0);
		help();
		expect_replies("235 2.7.0 Authentication successful\r\n");
		say("AUTH PLAIN AGEAYg==\r\n", "503");
		say("MAIL FROM:<a@test>\r\n", "250");
		say("RCPT TO:<b@test>\r\n", "250");
		(void)feed(SLICE("BDAT 3 LAST\r\nabc"));
		expect_accepted("abc\r\n");
		const struct fake_message *m = &fake_spool.messages[fake_spool.count - 1];

		assert_non_null(memmem(m->content, m->content_len, " with ESMTPSA id ", 17));
		assert_true(fake_log_contains("client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=user\n"));
	}
}

static void it_may_be_said_in_steps(void **state)
{
	(void)state;
	begin_tls();
	assert_int_equal(feed(SLICE("AUTH PLAIN\r\n")).len, 0);
	expect_replies("334 \r\n");
	auth("", "|ann|other");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
	begin_tls();
	assert_int_equal(feed(SLICE("auth login\r\n")).len, 0);
	expect_replies("334 VXNlcm5hbWU6\r\n");
	auth("", "user");
	expect_replies("334 UGFzc3dvcmQ6\r\n");
	auth("", "pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
	begin_tls();
	auth("AUTH LOGIN ", "user");
	expect_replies("334 UGFzc3dvcmQ6\r\n");
	auth("", "pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
}

static void a_wrong_password_waits(void **state)
{
	static const char *const wrong[] = { "|user|Pencil", "|nobody|pencil", "|user|other" };

	(void)state;
	begin_tls();
	for (unsigned i = 0; i < INJECT_AUTH_TRIES_MAX; i++) {
		auth("AUTH PLAIN ", wrong[i]);
		help();
		refuse();
		if (i + 1 < INJECT_AUTH_TRIES_MAX) {
			expect_replies("535 5.7.8 Authentication credentials invalid\r\n");
			say("MAIL FROM:<a@test>\r\n", "250");
			say("RCPT TO:<b@test>\r\n", "554 5.7.1");
			say("RSET\r\n", "250");
		}
	}
	expect_replies("535 5.7.8 Authentication credentials invalid\r\n421 4.7.0 Too many errors\r\n");
	assert_int_equal(session.state, INJECT_LAST_WORDS);
	assert_true(fake_log_contains("unknown[192.0.2.7]: SASL PLAIN authentication failed: authentication failure"));
	assert_false(fake_log_contains("pencil") || fake_log_contains("Pencil") || fake_log_contains("nobody"));
}

/* Row LIS-04: AUTH before TLS. */
static void only_in_tls(void **state)
{
	(void)state;
	open_as("192.0.2.7:5000");
	greet();
	assert_int_equal(feed(SLICE("EHLO client.test\r\n")).len, 0);
	assert_null(strstr(str_cstr(&session.out), "AUTH"));
	str_clear(&session.out);
	say("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "502");
	assert_null(job);
	begin_tls();
	assert_int_equal(feed(SLICE("EHLO client.test\r\n")).len, 0);
	assert_non_null(strstr(str_cstr(&session.out), "\r\n250-AUTH PLAIN LOGIN SCRAM-SHA-256\r\n"));
	str_clear(&session.out);
	/* Unless the operator wants it. */
	params.smtpd_tls_auth_only = false;
	open_as("192.0.2.7:5000");
	greet();
	say("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "502");		/* before EHLO nothing is offered */
	say("EHLO client.test\r\n", "250");
	auth("AUTH PLAIN ", "|user|pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
	params.smtpd_tls_security_level = INJECT_TLS_ENCRYPT;
	open_as("192.0.2.7:5000");
	greet();
	say("EHLO client.test\r\n", "250");
	say("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "530 5.7.0");
}

/* RFC 3207 4.2: nothing that was said in clear counts in TLS. */
static void tls_forgets_who_it_was(void **state)
{
	(void)state;
	params.smtpd_tls_auth_only = false;
	open_as("192.0.2.7:5000");
	greet();
	say("EHLO client.test\r\n", "250");
	auth("AUTH PLAIN ", "|user|pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
	say("STARTTLS\r\n", "220");
	inject_session_on_tls(&session);
	say("EHLO client.test\r\n", "250");
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<b@test>\r\n", "554 5.7.1");
	say("RSET\r\n", "250");
	auth("AUTH PLAIN ", "|user|pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
}

static void without_users_nobody_can(void **state)
{
	(void)state;
	common.passwords = NULL;
	begin_tls();
	say("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "502");
	read_users("user:{PLAIN}pencil\nold:$6$rounds=1000$SeSs0Zc1V6v7Wlcr$CPeHq9JA0Ryl1398kdAMz7MsztX9MTCAOiJ3RTnoZrCkewgzDlriY"
		   "LBUWYfq9SVyfnzK.L3YzjP0AlN6RvX8C/\n");
	assert_int_equal(feed(SLICE("EHLO client.test\r\n")).len, 0);
	assert_non_null(strstr(str_cstr(&session.out), "\r\n250-AUTH PLAIN LOGIN\r\n"));
	str_clear(&session.out);
	say("AUTH SCRAM-SHA-256\r\n", "504");
	auth("AUTH PLAIN ", "|old|pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
}

static void mistakes_are_answered_at_once(void **state)
{
	static const char *const cases[][2] = {
		{ "AUTH PLAIN x\r\n", "501 5.5.2" },
		{ "AUTH PLAIN =\r\n", "501 5.5.2" },
		{ "AUTH PLAIN dXNlcgBwZW5jaWw=\r\n", "501 5.5.2" },		/* one NUL */
		{ "AUTH PLAIN AABwZW5jaWw=\r\n", "501 5.5.2" },			/* no user */
		{ "AUTH PLAIN AHVzZXIA\r\n", "501 5.5.2" },			/* no password */
		{ "AUTH PLAIN AHVzZXIAYQBi\r\n", "501 5.5.2" },			/* a NUL in it */
		{ "AUTH PLAIN YW5uAHVzZXIAcGVuY2ls\r\n", "501 5.5.2" },		/* for somebody else */
		{ "AUTH LOGIN =\r\n", "501 5.5.2" },
		{ "AUTH CRAM-MD5\r\n", "504" },
		{ "AUTH DIGEST-MD5 x\r\n", "504" },
		{ "AUTH XOAUTH2 x\r\n", "504" },
		{ "AUTH \r\n", "501" },
		{ "AUTH SCRAM-SHA-256 biws\r\n", "501 5.5.2" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		begin_tls();
		say(cases[i][0], cases[i][1]);
		assert_int_equal(session.state, INJECT_READY);
		assert_int_equal(common.auths.used, 0);
		assert_null(job);
	}
	/* Each of them is a try. */
	begin_tls();
	say("AUTH PLAIN x\r\n", "501");
	say("AUTH PLAIN x\r\n", "501");
	assert_int_equal(feed(SLICE("AUTH PLAIN x\r\n")).len, 0);
	assert_int_equal(session.state, INJECT_LAST_WORDS);
}

/* In an exchange, nothing is a command. */
static void lines_of_an_exchange_are_no_commands(void **state)
{
	static const char *const lines[][2] = {
		{ "*\r\n", "501 5.7.0" },  { "RSET\r\n", "501" },	    { "QUIT\r\n", "501" },
		{ "\r\n", "501" },	   { "MAIL FROM:<a@test>\r\n", "501" }, { "AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "501" },
		{ "a\rb\r\n", "501" },	   { "AHVzZXIAcGVuY2ls\n", "501" },
	};
	static char big[6000];

	(void)state;
	memset(big, 'A', sizeof(big) - 3);
	memcpy(big + sizeof(big) - 3, "\r\n", 3);
	for (size_t i = 0; i <= ARRAY_LEN(lines); i++) {
		begin_tls();
		say("AUTH PLAIN\r\n", "334");
		say(i < ARRAY_LEN(lines) ? lines[i][0] : big, i < ARRAY_LEN(lines) ? lines[i][1] : "501");
		assert_int_equal(session.state, INJECT_READY);
		assert_int_equal(common.auths.used, 0);
	}
}

static void auth_belongs_between_transactions(void **state)
{
	(void)state;
	begin_tls();
	say("MAIL FROM:<a@test>\r\n", "250");
	say("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "503");
	say("RSET\r\n", "250");
	/* Nothing may ride behind it. */
	assert_true(feed(SLICE("AUTH PLAIN AHVzZXIAcGVuY2ls\r\nMAIL FROM:<a@test>\r\n")).len == 0);
	assert_int_equal(expect_code("503 5.5.0"), 1);
	assert_int_equal(session.state, INJECT_LAST_WORDS);
	assert_null(job);
}

static void exchanges_are_bounded(void **state)
{
	struct inject_auth *others[3];

	(void)state;
	begin_tls();
	for (unsigned i = 0; i < 3; i++)
		others[i] = pool_take(&common.auths);
	say("AUTH PLAIN AHVzZXIAcGVuY2ls\r\n", "454 4.7.0");
	for (unsigned i = 0; i < 3; i++)
		pool_put(&common.auths, &others[i]);
	auth("AUTH PLAIN ", "|user|pencil");
	help();
	expect_replies("235 2.7.0 Authentication successful\r\n");
}

/* What the helper has stays until it gives it back. */
static void who_goes_meanwhile_is_waited_for(void **state)
{
	(void)state;
	begin_tls();
	auth("AUTH PLAIN ", "|user|pencil");
	resumed = 0;
	inject_session_done(&session);
	assert_int_not_equal(session.state, INJECT_CLOSED);
	help();
	assert_int_equal(resumed, 1);
	inject_session_done(&session);
	assert_int_equal(session.state, INJECT_CLOSED);
	assert_int_equal(common.auths.used, 0);
	str_clear(&session.out);
	session.magic = 0;
}

/* Row AUT-08, of this side: when it is over, no memory of ours has a password. */
static void secrets_are_wiped(void **state)
{
	static const char secret[] = "|user|canary-4711", encoded[] = "AHVzZXIAY2FuYXJ5LTQ3MTE=";
	const struct inject_auth *place;

	(void)state;
	for (size_t cut = 1; cut < 30; cut++) {
		char line[64];

		(void)snprintf(line, sizeof(line), "AUTH PLAIN %s\r\n", encoded);
		begin_tls();
		session.heard_secret = false;
		assert_int_equal(feed(slice_of(line, cut)).len, 0);
		assert_int_equal(feed(slice_of(line + cut, strlen(line) - cut)).len, 0);
		assert_true(session.heard_secret);	/* whoever fed it knows */
		place = session.auth;
		assert_non_null(memmem(place, sizeof(*place), "canary-4711", 11));
		help();
		assert_null(memmem(place, sizeof(*place), "canary-4711", 11));
		refuse();
		str_clear(&session.out);
		assert_null(memmem(&session, sizeof(session), "canary-4711", 11));
		assert_null(memmem(&session, sizeof(session), encoded + 8, 12));
	}
	(void)secret;
	auth("AUTH PLAIN ", "|user|pencil");
	place = session.auth;
	help();
	assert_null(session.auth);
	str_clear(&session.out);
	assert_null(memmem(&session, sizeof(session), "pencil", 6));
}

/* --- SCRAM ---------------------------------------------------------------------------------------- */

static void scram_needs_an_agreement(void **state)
{
	(void)state;
	begin_tls();
	auth("AUTH SCRAM-SHA-256 ", "n,,n=user,r=abc");
	assert_int_equal(expect_code("334 cj1hYm"), 1);	/* "r=abc", and whatever follows */
	auth("", "c=biws,r=abc,p=x");
	assert_int_equal(expect_code("501 5.5.2"), 1);
	assert_null(job);
	begin_tls();
	say("AUTH SCRAM-SHA-256\r\n", "334 \r\n");
	auth("", "n,,n=nobody,r=abc");
	assert_int_equal(expect_code("334 cj1hYm"), 1);
	say("*\r\n", "501 5.7.0");
	assert_false(session.authenticated);
}

/* --- in TLS ----------------------------------------------------------------------------------------- */

/* How each state is reached in TLS, and what it says to each command; "in TLS" STARTTLS is none. A cell: the code, and '='
 * when the state stays, or its first letter: R ready, M mail, T rcpt, D data, B bdat, F bdat failed, A auth, X end. */
static const struct {
	enum inject_state state;
	const char *script;
	const char *cells[16];
} rows[] = {
	{ INJECT_HELLO, "",
	  { "250R", "250R", "503=", "503=", "503=", "503X", "503X", "250=", "250=", "221X", "252=", "502=", "214=", "502=",
	    "502=", "500=" } },
	{ INJECT_READY, "EHLO a.test\r\n",
	  { "250R", "250R", "250M", "503=", "503=", "503F", "503R", "250=", "250=", "221X", "252=", "502=", "214=", "502=",
	    "334A", "500=" } },
	{ INJECT_MAIL, "EHLO a.test\r\nMAIL FROM:<>\r\n",
	  { "250R", "250R", "503=", "250T", "503=", "503F", "503R", "250R", "250=", "221X", "252=", "502=", "214=", "502=",
	    "503=", "500=" } },
	{ INJECT_RCPT, "EHLO a.test\r\nMAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\n",
	  { "250R", "250R", "503=", "250=", "354D", "250B", "none", "250R", "250=", "221X", "252=", "502=", "214=", "502=",
	    "503=", "500=" } },
	{ INJECT_BDAT, "EHLO a.test\r\nMAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nBDAT 2\r\nxy",
	  { "250R", "250R", "503=", "503=", "503=", "250=", "none", "250R", "250=", "221X", "252=", "502=", "214=", "502=",
	    "503=", "500=" } },
	{ INJECT_BDAT_FAILED, "EHLO a.test\r\nMAIL FROM:<a@test>\r\nBDAT 2\r\nxy",
	  { "250R", "250R", "503=", "503=", "503=", "503=", "503R", "250R", "250=", "221X", "252=", "502=", "214=", "502=",
	    "503=", "500=" } },
};

static const char *const lines[16] = {
	"HELO b.test\r\n", "EHLO b.test\r\n", "MAIL FROM:<x@test>\r\n", "RCPT TO:<y@test>\r\n", "DATA\r\n", "BDAT 3\r\nabc",
	"BDAT 3 LAST\r\nabc", "RSET\r\n", "NOOP\r\n", "QUIT\r\n", "VRFY z@test\r\n", "EXPN list\r\n", "HELP\r\n", "STARTTLS\r\n",
	"AUTH LOGIN\r\n", "FROB\r\n",
};

static enum inject_state state_of(char c, enum inject_state same)
{
	static const char letters[] = "RMTDBFAX";
	static const enum inject_state states[] = { INJECT_READY, INJECT_MAIL, INJECT_RCPT, INJECT_DATA, INJECT_BDAT,
						    INJECT_BDAT_FAILED, INJECT_AUTH, INJECT_LAST_WORDS };

	return c == '=' ? same : states[strchr(letters, c) - letters];
}

/* A trusted client; the one before is gone, with what it had on its way to the disk. */
static void reach(const char *script)
{
	struct slice rest = slice_of_str(script);

	end_session();
	fake_spool_reset();
	open_as("127.0.0.1:5000");
	greet();
	say("EHLO a.test\r\n", "250");
	say("STARTTLS\r\n", "220");
	inject_session_on_tls(&session);
	while (rest.len > 0) {
		struct slice line = slice_head(rest, (size_t)(slice_find_char(rest, 0, '\n') + 1));

		slice_skip(&rest, line.len);
		(void)feed(slice_has_prefix(line, SLICE("BDAT")) ? slice_of(line.ptr, line.len + rest.len) : line);
		if (slice_has_prefix(line, SLICE("BDAT")))
			break;
	}
	str_clear(&session.out);
}

static void commands_are_answered_by_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++)
		for (unsigned k = 0; k < ARRAY_LEN(lines); k++) {
			const char *cell = rows[i].cells[k];
			const char code[4] = { cell[0], cell[1], cell[2], '\0' };

			reach(rows[i].script);
			assert_int_equal(session.state, rows[i].state);
			assert_int_equal(feed(slice_of_str(lines[k])).len, 0);
			if (cell[0] == 'n') {
				expect_accepted(rows[i].state == INJECT_BDAT ? "xyabc\r\n" : "abc\r\n");
				continue;
			}
			assert_int_equal(expect_code(code), 1);
			assert_int_equal(session.state, state_of(cell[3], rows[i].state));
		}
	end_session();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
#define AUTH_CASE(words, fn) CLAIM_WITH(words, fn, set_up, tear_down)
		AUTH_CASE("who has authenticated may relay, and the message says ESMTPSA", a_user_may_relay),
		AUTH_CASE("PLAIN and LOGIN with and without a first answer", it_may_be_said_in_steps),
		AUTH_CASE("a wrong password waits for its answer, and three are the end", a_wrong_password_waits),
		AUTH_CASE("LIS-04: AUTH is for TLS, unless the operator says otherwise", only_in_tls),
		AUTH_CASE("LIS-04: who has authenticated in clear is a stranger in TLS", tls_forgets_who_it_was),
		AUTH_CASE("without users nobody can, and SCRAM is for files where all can", without_users_nobody_can),
		AUTH_CASE("mistakes are answered at once, and are tries", mistakes_are_answered_at_once),
		AUTH_CASE("LIS-01: lines of an exchange are no commands", lines_of_an_exchange_are_no_commands),
		AUTH_CASE("LIS-01: AUTH belongs between transactions, and nothing behind it", auth_belongs_between_transactions),
		AUTH_CASE("LIS-02: exchanges have a bound", exchanges_are_bounded),
		AUTH_CASE("LIS-06: who goes while his password is looked at is waited for", who_goes_meanwhile_is_waited_for),
		AUTH_CASE("secrets are wiped", secrets_are_wiped),
		AUTH_CASE("SCRAM goes its steps", scram_needs_an_agreement),
		AUTH_CASE("LIS-01: each command in each state, in TLS and with AUTH", commands_are_answered_by_state),
	};

	return cmocka_run_group_tests_name("net/source/inject_auth", claims, NULL, NULL);
}
