#include "tests/unit/net/source/inject_dialogue.h"

static struct addr_net home, relay;
struct params params;
struct inject_common common;
struct inject_session session;
unsigned resumed;

static struct addr endpoint(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse_endpoint(slice_of_str(text), &a), 0);
	return a;
}

static void on_resume(struct inject_session *s)
{
	assert_ptr_equal(s, &session);
	resumed++;
}

int setup(void **state)
{
	(void)state;
	fake_spool_reset();
	assert_int_equal(addr_net_parse(SLICE("127.0.0.0/8"), &home), 0);
	assert_int_equal(addr_net_parse(SLICE("127.0.0.9/32"), &relay), 0);
	params = (struct params){
		.myhostname = "mx.test",
		.mynetworks = { &home, 1 },
		.message_size_limit = LIMIT,
		.smtpd_recipient_limit = 10,
		.smtpd_hard_error_limit = 20,
		.hopcount_limit = 5,
		.smtpd_forbid_bare_newline = BARE_NEWLINE_REJECT,
		.smtputf8_enable = true,
		.smtpd_authorized_xforward_hosts = { &relay, 1 },
		.smtp_send_xforward_command = true,
	};
	return inject_common_init(&common, &params, NULL, 4);
}

void end_session(void)
{
	(void)fake_spool_finish();
	if (session.magic == INJECT_SESSION_MAGIC)
		inject_session_done(&session);
	session.magic = 0;
	assert_int_equal(fake_spool.drafts, 0);
	assert_int_equal(fake_spool.waiting_for_room, 0);
	assert_int_equal(common.rcpt_blocks.used, 0);
}

int teardown(void **state)
{
	(void)state;
	end_session();
	inject_common_done(&common);
	return 0;
}

void open_as(const char *peer)
{
	struct addr a = endpoint(peer);

	end_session();
	inject_session_init(&session, &common, &a);
	session.on_resume = on_resume;
}

struct slice feed(struct slice text)
{
	(void)inject_session_feed(&session, &text, WALL);
	return text;
}

void expect_replies(const char *want)
{
	assert_string_equal(str_cstr(&session.out), want);
	str_clear(&session.out);
}

unsigned expect_code(const char *code)
{
	struct slice out = str_slice(&session.out);
	unsigned replies = 0;

	while (out.len > 0) {
		ptrdiff_t lf = slice_find_char(out, 0, '\n');

		assert_true(lf >= 4 && out.ptr[lf - 1] == '\r');
		if (!slice_has_prefix(out, slice_of_str(code)))
			fail_msg("not %s: %.*s", code, SLICE_FMT(out));
		replies += out.ptr[3] == ' ';
		slice_skip(&out, (size_t)lf + 1);
	}
	str_clear(&session.out);
	return replies;
}

void say(const char *text, const char *code)
{
	assert_int_equal(feed(slice_of_str(text)).len, 0);
	assert_int_equal(expect_code(code), 1);
}

void greet(void)
{
	inject_session_greet(&session);
	assert_int_equal(expect_code("220"), 1);
}

void hello(void)
{
	open_as("127.0.0.1:5000");
	greet();
	say("EHLO client.test\r\n", "250");
}

void begin_mail(void)
{
	hello();
	say("MAIL FROM:<a@test>\r\n", "250");
	say("RCPT TO:<b@test>\r\n", "250");
}

void begin_data(void)
{
	begin_mail();
	say("DATA\r\n", "354");
}

void expect_accepted(const char *body)
{
	assert_int_equal(session.state, INJECT_COMMIT);
	assert_int_equal(session.out.len, 0);		/* nothing before the disk has it */
	assert_int_equal(fake_spool_finish(), 1);
	assert_int_equal(expect_code("250 2.0.0 Ok: queued as "), 1);
	assert_true(slice_eq(fake_spool_body(&fake_spool.messages[fake_spool.count - 1]), slice_of_str(body)));
}

void feed_cut(struct slice text, size_t cut)
{
	struct slice pieces[2] = { slice_head(text, cut), slice_of(text.ptr + cut, text.len - cut) };

	for (unsigned i = 0; i < 2; i++) {
		if (pieces[i].len == 0)
			continue;
		bool in_use = inject_session_feed(&session, &pieces[i], WALL);

		for (unsigned n = 0; (pieces[i].len > 0 || in_use) && session.state != INJECT_COMMIT && n < 1000; n++) {
			assert_int_equal(session.wait, INJECT_WAIT_ROOM);
			assert_true(fake_spool_give_room());
			if (!inject_session_is_waiting(&session))
				in_use = inject_session_feed(&session, &pieces[i], WALL);
		}
		assert_int_equal(pieces[i].len, 0);
		while (session.wait == INJECT_WAIT_ROOM)
			assert_true(fake_spool_give_room());
	}
}
