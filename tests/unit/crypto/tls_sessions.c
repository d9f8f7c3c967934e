/* A client that comes back to a server in memory: what is resumed, and what is not (row TLS-09, case 248). */
#include "crypto/tls_sessions.h"

#include <errno.h>

#include "core/err.h"
#include "crypto/library.h"
#include "tests/peers/tls_server.h"
#include "tests/test.h"

#define PKI	TEST_PKI "/"
#define NOW_NS	(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */
#define LIFE_NS	(240 * NS_PER_SEC)	/* less than this server's tickets are good for */
#define COUNT	4u

static struct {
	struct tls_room room;
	struct tls_context *context;
	struct tls_sessions sessions;
	struct tls_server_home home;
	struct tls_server_conf conf;
	struct tls_server server;
	struct tls client;
	struct tls_check check;
	enum tls_version version_max;
	uint64_t now_ns;
	char heard[KIB(4)];
	size_t heard_len;
	int err;
} it;

static void new_context(const char *ca)
{
	char text[256];
	struct str why = STR(text);

	tls_context_retire(&it.context);
	const struct tls_context_conf conf = { .ca_file = ca, .now_ns = NOW_NS };

	assert_int_equal(tls_context_new(&conf, &why, &it.context), 0);
}

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	return tls_room_init(&it.room, 4);
}

static int before_each(void **state)
{
	(void)state;
	it.now_ns = NOW_NS;
	it.version_max = TLS_1_3;
	it.check = (struct tls_check){ .names = SLICE("mx.example.org"), .depth_max = 9 };
	it.conf = (struct tls_server_conf){ .chain = PKI "server.pem", .key = PKI "server.key", .home = &it.home };
	new_context(PKI "root.pem");
	return tls_sessions_init(&it.sessions, COUNT, LIFE_NS);
}

static int after_each(void **state)
{
	(void)state;
	tls_sessions_done(&it.sessions);
	tls_context_retire(&it.context);
	tls_server_home_done(&it.home);
	assert_int_equal(it.room.wires.used, 0);
	return 0;
}

static struct tls_key key_of(const char *text)
{
	const struct slice part = slice_of_str(text);
	struct tls_key key;

	tls_key_make(&key, &part, 1);
	return key;
}

static bool client_speaks(struct slice text)
{
	struct iovec piece = { (void *)(uintptr_t)text.ptr, text.len };
	char plain[256];
	struct slice wire;
	size_t taken;
	int r = tls_wrap(&it.client, &piece, text.len > 0 && tls_is_open(&it.client), &wire, &taken);

	if (r < 0)
		it.err = r;
	if (r == 0)
		(void)tls_server_feed(&it.server, wire, plain, sizeof(plain));
	return r == 0 && wire.len > 0;
}

static bool client_hears(void)
{
	struct slice in = slice_of(it.server.out, it.server.out_len), plain;
	bool moved = in.len > 0;
	int r = 1;

	while (moved && r > 0) {
		r = tls_unwrap(&it.client, it.now_ns, &in, &plain);
		if (r > 0) {
			memcpy(it.heard, plain.ptr, MIN(plain.len, sizeof(it.heard)));
			it.heard_len = plain.len;
		}
	}
	if (r < 0)
		it.err = r;
	tls_server_sent(&it.server, it.server.out_len);
	return moved && r >= 0;
}

/* A handshake under key, as far as it goes; then EHLO, and the reply behind which tickets have come. */
static void come(const char *key)
{
	const struct tls_wish wish = { TLS_1_2, it.version_max, NULL, SLICE("mx.example.org"), &it.check };
	struct tls_key k = key_of(key);

	it.err = 0;
	it.heard_len = 0;
	assert_true(tls_server_open(&it.server, &it.conf));
	assert_int_equal(tls_open(&it.client, &it.room, it.context, &wish), 0);
	(void)tls_sessions_offer(&it.sessions, &k, it.now_ns, &it.client);
	for (bool moved = true; moved && it.err == 0;) {
		moved = client_speaks(slice_of("", 0));
		moved |= client_hears();
	}
	if (!tls_is_open(&it.client)) {
		print_message("no session: %s; the server says %d\n", tls_error(&it.client), it.server.err);
		return;
	}
	(void)client_speaks(SLICE("EHLO a\r\n"));
	tls_server_say(&it.server, SLICE("250 b\r\n"));
	(void)client_hears();
}

static void leave(const char *key)
{
	struct tls_key k = key_of(key);

	tls_sessions_keep(&it.sessions, &k, &it.client);
	tls_done(&it.client);
	tls_server_close(&it.server);
}

static bool comes_back(const char *key)
{
	come(key);
	assert_true(tls_is_open(&it.client));
	assert_int_equal(it.heard_len, 7);
	bool resumed = it.client.is_resumed;

	assert_int_equal(tls_server_is_resumed(&it.server), resumed);
	leave(key);
	return resumed;
}

/* --- what is resumed -------------------------------------------------------------------------- */

/* Case 248. TLS 1.3, and TLS 1.2 with tickets and with session ids; the verdict is that of the first time. */
static void a_second_handshake_is_short(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		it.conf.version = i == 0 ? 3 : 2;
		it.conf.no_tickets = i == 2;
		it.version_max = i == 1 ? TLS_1_2 : TLS_1_3;
		const char *key = i == 0 ? "three" : i == 1 ? "ticket" : "id";

		assert_false(comes_back(key));
		for (unsigned k = 0; k < 3; k++) {
			come(key);
			assert_true(it.client.is_resumed);
			assert_true(it.client.verdict.is_trusted);
			assert_true(it.client.verdict.name_matches);
			assert_string_equal(it.client.verdict.name, "mx.example.org");
			leave(key);
		}
		tls_server_home_done(&it.home);
	}
}

/* What was thought of the certificate, be it good or bad, is what is said of the session. */
static void a_bad_verdict_is_inherited_too(void **state)
{
	(void)state;
	it.conf.chain = PKI "expired.pem";
	it.conf.key = PKI "expired.key";
	assert_false(comes_back("x"));
	come("x");
	assert_true(it.client.is_resumed);
	assert_true(it.client.verdict.has_cert);
	assert_false(it.client.verdict.is_trusted);
	assert_string_equal(it.client.verdict.why, "certificate has expired");
	leave("x");
}

/* --- what is not ------------------------------------------------------------------------------ */

/* Row TLS-09: without the same key there is nothing to resume by. */
static void another_key_is_another_session(void **state)
{
	(void)state;
	assert_false(comes_back("verify to A"));
	assert_false(comes_back("may to B"));
	assert_true(comes_back("verify to A"));
	struct tls_key one, two;
	const struct slice left[] = { SLICE("ab"), SLICE("c") }, right[] = { SLICE("a"), SLICE("bc") };

	tls_key_make(&one, left, 2);
	tls_key_make(&two, right, 2);
	assert_memory_not_equal(&one, &two, sizeof(one));
	tls_key_make(&two, left, 1);
	assert_memory_not_equal(&one, &two, sizeof(one));
}

/* A server that has forgotten, or is another one: it shows its certificate, and that is what counts. (Of TLS 1.2 only
 * what OpenSSL does is looked at, in tests/e2e: this server says yes to a ticket it does not know, RFC 5077 3.4.) */
static void who_declines_is_judged_anew(void **state)
{
	(void)state;
	it.conf.version = 3;
	assert_false(comes_back("x"));
	assert_true(comes_back("x"));
	tls_server_home_done(&it.home);
	it.conf.chain = PKI "pinned.pem";
	it.conf.key = PKI "pinned.key";
	come("x");
	assert_true(tls_is_open(&it.client));
	assert_true(it.client.is_offered);
	assert_false(it.client.is_resumed);
	assert_false(it.client.verdict.is_trusted);
	assert_false(it.client.verdict.name_matches);
	leave("x");
	come("x");
	assert_true(it.client.is_resumed);
	assert_false(it.client.verdict.is_trusted);	/* and this is what is kept now */
	leave("x");
}

/* A ticket is good for no longer than its server says: this one's for five minutes. */
static void the_server_may_want_less(void **state)
{
	(void)state;
	it.sessions.life_ns = 100 * LIFE_NS;
	for (it.conf.version = 2; it.conf.version <= 3; it.conf.version++) {
		const char *key = it.conf.version == 2 ? "two" : "three";

		assert_false(comes_back(key));
		it.now_ns += 299 * NS_PER_SEC;
		assert_true(comes_back(key));
		it.now_ns += 301 * NS_PER_SEC;
		assert_false(comes_back(key));
		tls_server_home_done(&it.home);
	}
}

/* Counted from when the certificate was shown, however many tickets have come since. */
static void life_ends(void **state)
{
	(void)state;
	for (int version = 2; version <= 3; version++) {
		it.conf.version = version;
		it.now_ns = NOW_NS;
		assert_false(comes_back("x"));
		it.now_ns += LIFE_NS / 2;
		assert_true(comes_back("x"));
		it.now_ns += LIFE_NS / 2 - NS_PER_SEC;
		assert_true(comes_back("x"));
		it.now_ns += NS_PER_SEC;
		assert_false(comes_back("x"));
		assert_true(comes_back("x"));
		it.now_ns -= LIFE_NS / 2;		/* a clock that was set back */
		assert_false(comes_back("x"));
		tls_server_home_done(&it.home);
	}
}

/* Who was trusted until the certificate ended is not trusted beyond. */
static void it_ends_with_the_certificate(void **state)
{
	uint64_t end;
	struct tls_key key = key_of("x");

	(void)state;
	assert_false(comes_back("x"));
	come("x");
	assert_true(it.client.is_resumed);
	end = it.client.verdict.good_until;
	assert_in_range(end, NOW_NS / NS_PER_SEC, NOW_NS / NS_PER_SEC + 200ull * 366 * 86400);
	leave("x");
	it.sessions.life_ns = UINT64_MAX;
	it.now_ns = end * NS_PER_SEC;
	come("x");
	assert_false(it.client.is_offered);
	tls_done(&it.client);
	tls_server_close(&it.server);
	tls_sessions_forget(&it.sessions, &key);
	assert_int_equal(it.sessions.entries.used, 0);
}

static void what_is_forgotten_is_gone(void **state)
{
	struct tls_key key = key_of("x");

	(void)state;
	tls_sessions_forget(&it.sessions, &key);
	assert_false(comes_back("x"));
	tls_sessions_forget(&it.sessions, &key);
	assert_int_equal(it.sessions.entries.used, 0);
	assert_false(comes_back("x"));
}

static void nothing_is_kept_where_nothing_is_wanted(void **state)
{
	struct tls_key key = key_of("x");

	(void)state;
	tls_sessions_done(&it.sessions);
	assert_int_equal(tls_sessions_init(&it.sessions, 0, LIFE_NS), 0);
	assert_false(comes_back("x"));
	assert_false(comes_back("x"));
	tls_sessions_forget(&it.sessions, &key);
}

/* --- bounds ----------------------------------------------------------------------------------- */

static void the_longest_unused_makes_room(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		assert_false(comes_back(names[i]));
	assert_true(comes_back("a"));
	assert_false(comes_back("e"));		/* in the place of b */
	assert_int_equal(it.sessions.entries.used, COUNT);
	assert_true(comes_back("a"));
	assert_true(comes_back("c"));
	assert_true(comes_back("d"));
	assert_true(comes_back("e"));
	assert_false(comes_back("b"));
}

/* Row TLS-13: ten thousand tickets are one ticket, and one of 15 KiB is none. */
static void tickets_are_bounded(void **state)
{
	(void)state;
	it.conf.version = 3;
	come("x");
	size_t rests = it.client.account.used;

	for (unsigned i = 0; i < 10000; i++) {
		tls_server_give_ticket(&it.server, 8, 200);
		assert_true(client_hears());
	}
	assert_in_range(it.client.account.used, 1, rests + 512);
	leave("x");
	assert_int_equal(it.sessions.entries.used, 1);
	come("y");
	tls_server_give_ticket(&it.server, 0, 15000);
	assert_true(client_hears());
	leave("y");
	assert_int_equal(it.sessions.entries.used, 1);
}

/* A ticket that cannot be used is no reason to lose a session. Nonces may have up to 255 octets (RFC 8446 4.6.1);
 * rustls makes them of 32. */
static void nonces_are_as_long_as_they_like(void **state)
{
	static const size_t sizes[] = { 0, 1, 8, 9, 32, 255 };

	(void)state;
	it.conf.version = 3;
	for (unsigned i = 0; i < ARRAY_LEN(sizes) && sizes[i] <= tls_server_nonce_max(); i++) {
		come("x");
		tls_server_give_ticket(&it.server, sizes[i], 100);
		(void)client_hears();
		tls_server_say(&it.server, SLICE("250 ok\r\n"));
		(void)client_hears();
		if (it.err != 0)
			fail_msg("a nonce of %zu octets: %s", sizes[i], tls_error(&it.client));
		assert_int_equal(it.heard_len, 8);
		leave("x");
		come("x");		/* it is no ticket of the server's, and so a whole handshake */
		assert_true(tls_is_open(&it.client));
		assert_true(it.client.is_offered);
		assert_false(it.client.is_resumed);
		leave("x");
	}
}

/* Another of our contexts (HUP) trusts by itself: the delivery's key has its number. */
static void contexts_have_numbers(void **state)
{
	(void)state;
	uint64_t id = it.context->id;

	new_context(PKI "root.pem");
	assert_int_not_equal(id, it.context->id);
}

int main(void)
{
#define IT(words, fn) CLAIM_WITH(words, fn, before_each, after_each)
	const struct CMUnitTest claims[] = {
		IT("a second handshake is a short one, in every version", a_second_handshake_is_short),
		IT("a bad verdict is inherited, too", a_bad_verdict_is_inherited_too),
		IT("another key is another session", another_key_is_another_session),
		IT("a server that declines is judged anew", who_declines_is_judged_anew),
		IT("a session is kept for no longer than its server wants", the_server_may_want_less),
		IT("its life is counted from when the certificate was shown", life_ends),
		IT("it ends with the certificate", it_ends_with_the_certificate),
		IT("what is forgotten is gone", what_is_forgotten_is_gone),
		IT("nothing is kept where nothing is wanted", nothing_is_kept_where_nothing_is_wanted),
		IT("the longest unused makes room", the_longest_unused_makes_room),
		IT("tickets are bounded, in number and size", tickets_are_bounded),
		IT("nonces of tickets are as long as they like", nonces_are_as_long_as_they_like),
		IT("each context has a number of its own", contexts_have_numbers),
	};

	return cmocka_run_group_tests_name("crypto/tls_sessions", claims, set_up, NULL);
}
