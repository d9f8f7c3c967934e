#include "tests/test.h"

#include "net/mail/message.h"

static void assert_slice(struct slice a, struct slice b)
{
	assert_true(slice_eq(a, b));
}

static void what_a_recipient_is_given_comes_back(void **state)
{
	static const struct slice values[] = { SLICE(""), SLICE("rfc822;a+b=c@x"), SLICE("r@x.test"), SLICE("s") };
	const struct slice addr = SLICE("r@x.test");

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		for (unsigned k = 0; k < ARRAY_LEN(values); k++) {
			const struct rcpt_facts facts = {
				.addr = addr, .orcpt = values[i], .original = values[k], .notify = SMTP_NOTIFY_DELAY,
			};
			const size_t size = rcpt_facts_size(&facts);
			char *text = malloc(size);	/* exactly, so that a sanitizer sees one octet too many */
			struct rcpt rcpt = { .state = RCPT_SENT };

			assert_ptr_equal(rcpt_set(&rcpt, text, &facts), text + size);
			const struct rcpt_facts back = rcpt_facts(&rcpt);

			assert_slice(rcpt.addr, addr);
			assert_slice(back.addr, addr);
			assert_slice(back.orcpt, values[i]);
			assert_slice(back.original, values[k]);
			assert_int_equal(back.notify, SMTP_NOTIFY_DELAY);
			assert_int_equal(rcpt.state, RCPT_SENT);
			free(text);
		}
	}
}

static void what_is_absent_costs_nothing(void **state)
{
	const struct slice addr = SLICE("r@x.test");

	(void)state;
	assert_int_equal(rcpt_facts_size(&(struct rcpt_facts){ .addr = addr }), addr.len);
	assert_int_equal(rcpt_facts_size(&(struct rcpt_facts){ .addr = addr, .original = addr }), addr.len);
	static_assert(sizeof(struct rcpt) <= 48, "100,000 of them are a message");
}

static void a_client_is_what_was_said_of_it(void **state)
{
	char storage[MESSAGE_CLIENT_MAX];
	char name[256];
	struct str client = STR(storage);
	struct message msg = { 0 };

	(void)state;
	memset(name, 'n', sizeof(name));
	message_client_add(&client, CLIENT_HELO, SLICE("a+b c=d"));
	message_client_add(&client, CLIENT_ADDR, SLICE(""));
	message_client_add(&client, CLIENT_NAME, slice_of(name, 255));
	message_client_add(&client, CLIENT_IDENT, slice_of(name, 256));
	msg.client = str_slice(&client);
	assert_true(message_client_is_valid(msg.client));
	assert_slice(message_client(&msg, CLIENT_HELO), SLICE("a+b c=d"));
	assert_slice(message_client(&msg, CLIENT_NAME), slice_of(name, 255));
	assert_int_equal(message_client(&msg, CLIENT_ADDR).len, 0);
	assert_int_equal(message_client(&msg, CLIENT_IDENT).len, 0);
	msg.client = SLICE("");
	assert_true(message_client_is_valid(msg.client));
	assert_int_equal(message_client(&msg, CLIENT_HELO).len, 0);
}

static void an_attribute_without_room_is_left_out_whole(void **state)
{
	char storage[10];
	struct str client = STR(storage);

	(void)state;
	message_client_add(&client, CLIENT_PROTO, SLICE("ESMTP"));
	message_client_add(&client, CLIENT_PORT, SLICE("25"));
	assert_int_equal(client.len, 2 + 5);
	message_client_add(&client, CLIENT_PORT, SLICE("2"));
	assert_int_equal(client.len, 2 + 5 + 2 + 1);
	assert_true(message_client_is_valid(str_slice(&client)));
}

static void hostile_clients_are_refused_and_stay_in_bounds(void **state)
{
	static const struct slice bad[] = {
		SLICE("\x00"), SLICE("\x00\x00"), SLICE("\x00\x01"), SLICE("\x07\x01x"), SLICE("\x00\xffx"),
		SLICE("\x00\x01x\x01"), SLICE("\x00\x01xy"),
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bad); i++) {
		const struct message msg = { .client = bad[i] };

		assert_false(message_client_is_valid(bad[i]));
		for (unsigned k = 0; k < CLIENT_ATTR_COUNT; k++)
			(void)message_client(&msg, (enum client_attr)k);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what a recipient is given comes back", what_a_recipient_is_given_comes_back),
		CLAIM("what a recipient has not got costs no memory", what_is_absent_costs_nothing),
		CLAIM("a client is what was said of it; over-long values are left out", a_client_is_what_was_said_of_it),
		CLAIM("an attribute without room is left out whole", an_attribute_without_room_is_left_out_whole),
		CLAIM("hostile attributes are refused and read in bounds", hostile_clients_are_refused_and_stay_in_bounds),
	};

	return cmocka_run_group_tests_name("net/mail/message", claims, NULL, NULL);
}
