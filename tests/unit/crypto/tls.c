/* A client against a server in memory, whole, in pieces, and octet by octet. */
#include "crypto/tls.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "crypto/library.h"
#include "crypto/tls_cipher.h"
#include "crypto/tls_selftest.h"
#include "tests/peers/tls_server.h"
#include "tests/test.h"

#define PKI	TEST_PKI "/"
#define NOW_NS	(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */

static struct {
	struct tls_room room;
	struct tls_context *context;
	struct tls_server server;
	struct tls client;
	struct tls_check check;
	size_t cut;		/* octets at a time, both ways */
	size_t heard_len;	/* by the client */
	size_t read_len;	/* by the server */
	char heard[MIB(1)];
	char read[MIB(1)];
	int err;		/* of the client */
} it;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	return tls_room_init(&it.room, 4);
}

static void begin(const char *ca, const struct tls_server_conf *server, const struct tls_wish *wish)
{
	char text[256];
	struct str why = STR(text);
	struct tls_wish w = wish != NULL ? *wish : (struct tls_wish){ TLS_1_2, TLS_1_3, NULL, { 0 }, NULL };

	it.cut = it.cut == 0 ? SIZE_MAX : it.cut;
	it.heard_len = 0;
	it.read_len = 0;
	it.err = 0;
	if (w.check == NULL)
		w.check = &it.check;
	struct tls_context_conf conf = { .ca_file = ca, .now_ns = NOW_NS };

	assert_int_equal(tls_context_new(&conf, &why, &it.context), 0);
	assert_true(tls_server_open(&it.server, server));
	assert_int_equal(tls_open(&it.client, &it.room, it.context, &w), 0);
}

static void end(void)
{
	tls_done(&it.client);
	tls_server_close(&it.server);
	tls_context_retire(&it.context);
	assert_int_equal(it.room.wires.used, 0);
	it.cut = 0;
	it.check = (struct tls_check){ 0 };
}

static void to_server(struct slice wire)
{
	while (wire.len > 0) {
		struct slice part = slice_head(wire, it.cut);

		it.read_len += tls_server_feed(&it.server, part, it.read + it.read_len, sizeof(it.read) - it.read_len);
		slice_skip(&wire, part.len);
	}
}

static void to_client(void)
{
	while (it.server.out_len > 0 && it.err == 0) {
		size_t n = MIN(it.server.out_len, it.cut);
		struct slice in = slice_of(it.server.out, n), plain;
		int r;

		while ((r = tls_unwrap(&it.client, NOW_NS, &in, &plain)) > 0) {
			assert_true(it.heard_len + plain.len <= sizeof(it.heard));
			memcpy(it.heard + it.heard_len, plain.ptr, plain.len);
			it.heard_len += plain.len;
		}
		it.err = r;
		tls_server_sent(&it.server, n);
	}
}

/* Both talk until nobody has anything to say. */
static void talk(struct slice text)
{
	bool moved = true;

	while (moved && it.err == 0) {
		bool may_speak = tls_is_open(&it.client);
		struct iovec piece = { (void *)(uintptr_t)text.ptr, text.len };
		struct slice wire;
		size_t taken;
		int r = tls_wrap(&it.client, &piece, may_speak && text.len > 0, &wire, &taken);

		if (r < 0) {
			it.err = r;
			break;
		}
		slice_skip(&text, taken);
		moved = wire.len > 0;
		to_server(wire);
		moved |= it.server.out_len > 0 || (text.len > 0 && tls_is_open(&it.client));
		to_client();
	}
	struct slice wire;
	size_t taken;

	if (it.err < 0 && tls_wrap(&it.client, NULL, 0, &wire, &taken) == 0)
		to_server(wire);	/* an alert */
}

static const struct tls_server_conf plain_server = { .chain = PKI "server.pem", .key = PKI "server.key" };

/* --- the stream ------------------------------------------------------------------------------- */

static void both_hear_each_other(void **state)
{
	static const size_t cuts[] = { SIZE_MAX, 7, 1 };
	static char text[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	for (int version = 0; version <= 3; version += version == 0 ? 2 : 1)
		for (unsigned i = 0; i < ARRAY_LEN(cuts); i++) {
			struct tls_server_conf conf = plain_server;

			conf.version = version;
			it.cut = cuts[i];
			begin(NULL, &conf, NULL);
			talk(slice_of(text, sizeof(text)));
			assert_true(tls_is_open(&it.client));
			assert_int_equal(it.read_len, sizeof(text));
			assert_memory_equal(it.read, text, sizeof(text));
			tls_server_say(&it.server, slice_of(text, 40000));
			talk(SLICE(""));
			assert_int_equal(it.heard_len, 40000);
			assert_memory_equal(it.heard, text, 40000);
			tls_close(&it.client);
			talk(SLICE(""));
			assert_int_equal(it.server.err, 1);
			end();
		}
}

/* Row TLS-13: what the server allocates for us is bounded, and a session's memory is gone when it is. */
static void memory_is_counted(void **state)
{
	(void)state;
	begin(PKI "root.pem", &plain_server, NULL);
	talk(SLICE("hello"));
	assert_in_range(it.client.account.peak, 1000, KIB(100));
	print_message("a session: %zu octets at the most, %zu when it rests\n", it.client.account.peak,
		      it.client.account.used);
	assert_in_range(it.client.account.used, 1000, KIB(40));
	end();
	begin(PKI "root.pem", &plain_server, NULL);
	it.client.account.max = it.client.account.used + KIB(3);
	talk(SLICE("hello"));
	assert_int_equal(it.err, -ENOMEM);
	end();
}

static void short_pieces_share_a_record(void **state)
{
	struct iovec pieces[3] = { { (void *)(uintptr_t)"MAIL", 4 }, { (void *)(uintptr_t)"RCPT", 4 },
				   { (void *)(uintptr_t)"DATA", 4 } };
	struct slice wire;
	size_t taken;

	(void)state;
	begin(NULL, &plain_server, NULL);
	talk(SLICE(""));
	assert_int_equal(tls_wrap(&it.client, pieces, 3, &wire, &taken), 0);
	assert_int_equal(taken, 12);
	assert_in_range(wire.len, 12, 12 + 40);
	to_server(wire);
	assert_int_equal(it.read_len, 12);
	assert_memory_equal(it.read, "MAILRCPTDATA", 12);
	talk(SLICE(""));
	end();
}

/* --- the end (rows TLS-05, TLS-12, TLS-13, TLS-18, TLS-19) ------------------------------------- */

/* Row TLS-12: what was said before counts; row TLS-19: what comes behind is not read, not even in clear. */
static void goodbye_ends_it(void **state)
{
	(void)state;
	for (it.cut = 1; it.cut < 3; it.cut++) {
		begin(NULL, &plain_server, NULL);
		talk(SLICE(""));
		tls_server_say(&it.server, SLICE("250 ok\r\n"));
		tls_server_goodbye(&it.server);
		memcpy(it.server.out + it.server.out_len, "250 more\r\n", 10);
		it.server.out_len += 10;
		size_t cut = it.cut;

		to_client();
		assert_int_equal(it.err, ERR_EOF);
		assert_int_equal(it.heard_len, 8);
		struct slice in = SLICE("250 more\r\n"), plain;

		assert_int_equal(tls_unwrap(&it.client, NOW_NS, &in, &plain), ERR_EOF);
		end();
		it.cut = cut;
	}
	it.cut = 0;
}

static void clear_text_is_no_handshake(void **state)
{
	static const char *const texts[] = {
		"220 mx.test ESMTP\r\n", "250 x\r\n", "HTTP/1.1 400 Bad Request\r\n\r\n", "\x15\x03\x01\x00\x02\x02\x28",
		"\x16\x03\x01\xff\xff\x02\xff\xff\xff", "\x80\x80\x01\x03\x01",
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t cut = 1; cut < 3; cut++) {
			struct slice text = slice_of_str(texts[i]);

			it.cut = cut;
			begin(NULL, &plain_server, NULL);
			it.server.out_len = i == 3 ? 7 : i == 4 ? 9 : text.len;
			memcpy(it.server.out, texts[i], it.server.out_len);
			to_client();
			if (i != 4)	/* the header of a record that never comes to its end */
				assert_int_equal(it.err, ERR_PROTO);
			assert_int_equal(it.heard_len, 0);
			end();
		}
}

/* Row TLS-05: clear text that races the handshake is never the dialogue's. */
static void clear_text_amid_records_ends_it(void **state)
{
	(void)state;
	begin(NULL, &plain_server, NULL);
	talk(SLICE(""));
	memcpy(it.server.out, "250 x\r\n", 7);
	it.server.out_len = 7;
	to_client();
	assert_int_equal(it.err, ERR_PROTO);
	assert_int_equal(it.heard_len, 0);
	assert_true(strlen(tls_error(&it.client)) > 0);
	end();
}

/* What a record's header says of the version means nothing any more (RFC 8446 5.1). */
static bool is_version_of_record(size_t at)
{
	const uint8_t *p = (const uint8_t *)it.server.out;
	size_t record = 0;

	while (record + 5 <= at)
		record += 5 + ((size_t)p[record + 3] << 8 | p[record + 4]);
	if (record > at)
		return false;
	return at - record == 1 || at - record == 2;
}

/* Every octet of the server's first flight turned over, one at a time: none leads to a session. */
static void a_bent_handshake_fails(void **state)
{
	size_t len = 1;

	(void)state;
	for (size_t at = 0; at < len; at++) {
		struct tls_server_conf conf = plain_server;
		struct slice wire;
		size_t taken;

		conf.version = 2 + (int)(at & 1);
		begin(NULL, &conf, NULL);
		assert_int_equal(tls_wrap(&it.client, NULL, 0, &wire, &taken), 0);
		to_server(wire);
		len = it.server.out_len;
		bool free_to_bend = at >= len || is_version_of_record(at);

		it.server.out[MIN(at, len - 1)] ^= 0x55;
		to_client();
		if (it.err == 0)
			talk(SLICE("hello"));
		assert_false(it.read_len > 0 && it.server.is_open && it.err == 0 && !free_to_bend);
		end();
	}
	assert_in_range(len, 500, 5000);
}

/* Row TLS-13: a server that makes us answer, and does not read: bounded. */
static void empty_records_are_only_read(void **state)
{
	(void)state;
	begin(NULL, &plain_server, NULL);
	talk(SLICE(""));
	for (unsigned i = 0; i < 3000; i++) {
		tls_server_say(&it.server, SLICE("x"));
		to_client();
	}
	assert_int_equal(it.heard_len, 3000);
	assert_int_equal(it.err, 0);
	assert_in_range(it.client.account.peak, 1, KIB(100));
	end();
}

/* --- wishes ----------------------------------------------------------------------------------- */

/* Case 251: at the level encrypt no more is asked than the version. */
static void versions_are_wishes(void **state)
{
	struct tls_server_conf conf = plain_server;

	(void)state;
	conf.version = 2;
	begin(NULL, &conf, &(struct tls_wish){ .version_min = TLS_1_3, .version_max = TLS_1_3 });
	talk(SLICE("hello"));
	assert_int_equal(it.err, ERR_PROTO);
	assert_int_equal(it.read_len, 0);
	end();
	conf.version = 0;
	begin(NULL, &conf, &(struct tls_wish){ .version_min = TLS_1_2, .version_max = TLS_1_2 });
	talk(SLICE("hello"));
	assert_int_equal(it.read_len, 5);
	char text[256];
	struct str s = STR(text);

	tls_describe(&it.client, &s);
	assert_non_null(strstr(str_cstr(&s), "TLSv1.2 with cipher "));
	end();
}

/* Row TLS-11 */
static void names_are_asked_for(void **state)
{
	char asked[256];

	(void)state;
	begin(NULL, &plain_server,
	      &(struct tls_wish){ .version_min = TLS_1_2, .version_max = TLS_1_3, .servername = SLICE("mx.example.org") });
	talk(SLICE(""));
	assert_true(slice_eq(tls_server_name(&it.server, asked, sizeof(asked)), SLICE("mx.example.org")));
	end();
	begin(NULL, &plain_server, NULL);
	talk(SLICE(""));
	assert_int_equal(tls_server_name(&it.server, asked, sizeof(asked)).len, 0);
	end();
	char name[256];

	memset(name, 'a', sizeof(name));
	char text[256];
	struct str why = STR(text);

	assert_int_equal(tls_context_new(&(struct tls_context_conf){ .now_ns = NOW_NS }, &why, &it.context), 0);
	assert_int_equal(tls_open(&it.client, &it.room, it.context,
				  &(struct tls_wish){ .version_min = TLS_1_2, .version_max = TLS_1_3,
						      .servername = slice_of(name, sizeof(name)) }),
			 ERR_SYNTAX);
	tls_context_retire(&it.context);
}

static void suites_are_chosen(void **state)
{
	static const struct {
		const char *claim, *list, *excluded, *has, *lacks;
		int err;
	} cases[] = {
		{ "all of them", NULL, "", "ECDHE-RSA-AES128-GCM-SHA256", "NULL", 0 },
		{ "a cipher is left out", NULL, "AES128", "ECDHE-RSA-AES256-GCM-SHA384", "-AES128-GCM-SHA256:ECDHE", 0 },
		{ "both of a pair", NULL, "aRSA+AES128", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256", 0 },
		{ "TLS 1.3 is not left out by words", NULL, "AES", "TLS13-AES128-GCM-SHA256", "ECDHE-RSA-AES", 0 },
		{ "but by name", NULL, "TLS13-AES128-GCM-SHA256", "TLS13-AES256-GCM-SHA384", "TLS13-AES128", 0 },
		{ "words for what there is not", NULL, "aNULL eNULL EXPORT DES RC4 MD5 kRSA", "ECDHE-RSA-AES128", "zzz", 0 },
		{ "only those", "ECDHE-RSA-AES256-GCM-SHA384", "", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128", 0 },
		{ "signs are refused", NULL, "!AES128", NULL, NULL, ERR_SYNTAX },
		{ "an order is refused", NULL, "AES256 @STRENGTH", NULL, NULL, ERR_SYNTAX },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		char storage[TLS_CIPHERS_MAX];
		struct str names = STR(storage);
		struct slice list = cases[i].list != NULL ? slice_of_str(cases[i].list) : (struct slice){ 0 };
		struct slice excluded = slice_of_str(cases[i].excluded);
		int r = tls_ciphers_choose(cases[i].list != NULL ? &list : NULL, excluded, &names);

		if (r != cases[i].err)
			fail_msg("%s: %d", cases[i].claim, r);
		if (r < 0)
			continue;
		if (strstr(str_cstr(&names), cases[i].has) == NULL || strstr(storage, cases[i].lacks) != NULL)
			fail_msg("%s: %s", cases[i].claim, storage);
	}
}

static void groups_are_chosen(void **state)
{
	static const struct {
		const char *names;
		int groups[4];
		unsigned count;
	} lists[] = {
		{ "X25519 X448 prime256v1 secp384r1 secp521r1 ffdhe2048 ffdhe3072", { 29, 23, 24, 25 }, 5 },
		{ "P-256:x25519,P-256", { 23, 29 }, 2 }, { "X448, nonsense", { 0 }, 0 }, { "", { 0 }, 0 },
	};
	char text[256];
	struct str why = STR(text);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(lists); i++) {
		const struct tls_context_conf conf = { .groups = lists[i].names, .now_ns = NOW_NS };
		int groups[TLS_GROUPS_MAX];

		assert_int_equal(tls_groups_choose(slice_of_str(lists[i].names), groups), lists[i].count);
		assert_memory_equal(groups, lists[i].groups, MIN(lists[i].count, 4) * sizeof(int));
		assert_int_equal(tls_context_new(&conf, &why, &it.context), lists[i].count > 0 ? 0 : ERR_SYNTAX);
		tls_context_retire(&it.context);
	}
	/* Each of them alone, in both versions; and what nobody says is X25519. */
	for (unsigned i = 0; i < 10; i++) {
		static const char *const names[] = { "X25519", "P-256", "P-384", "P-521", NULL };
		static const char *const said[] = { "X25519", "SECP256R1", "SECP384R1", "SECP521R1", "X25519" };
		const enum tls_version version = i < 5 ? TLS_1_3 : TLS_1_2;
		const struct tls_wish wish = { version, version, NULL, { 0 }, &it.check };
		const struct tls_context_conf conf = { .groups = names[i % 5], .now_ns = NOW_NS };
		struct str s = STR(text);

		begin(NULL, &plain_server, NULL);
		tls_done(&it.client);
		tls_context_retire(&it.context);
		assert_int_equal(tls_context_new(&conf, &why, &it.context), 0);
		assert_int_equal(tls_open(&it.client, &it.room, it.context, &wish), 0);
		talk(SLICE("hello"));
		assert_int_equal(it.read_len, 5);
		tls_describe(&it.client, &s);
		if (strstr(str_cstr(&s), said[i % 5]) == NULL)
			fail_msg("%s: %s", names[i % 5], text);
		end();
	}
}

/* --- who it was ------------------------------------------------------------------------------- */

struct trust_case {
	const char *claim, *ca, *chain, *key;
	unsigned depth_max;
	const char *names;
	const char *why; /* NULL: trusted */
	bool matches;
};

/* Cases 225, 226, 230, 232, 234, row TLS-17; Appendix B and row TLS-01: root_clone, pinned_clone, below_clone. */
static const struct trust_case trust_cases[] = {
	{ "signed by the root", "root", "server", "server", 9, "mx.example.org", NULL, true },
	{ "depth of one is enough", "root", "server", "server", 1, "mx.example.org", NULL, true },
	{ "depth of none is not", "root", "server", "server", 0, "mx.example.org", "certificate chain too long", true },
	{ "other name", "root", "server", "server", 9, "mx.other.test", NULL, false },
	{ "no name is asked for", "root", "server", "server", 9, "", NULL, false },
	{ "wildcard", "root", "server", "server", 9, "a.wild.example.org", NULL, true },
	{ "wildcard is one label", "root", "server", "server", 9, "a.b.wild.example.org", NULL, false },
	{ "below a domain", "root", "server", "server", 9, "example.org .example.org", NULL, true },
	{ "common name alone", "root", "cn_only", "cn_only", 9, "mx.example.org", NULL, true },
	{ "another root", "other_root", "server", "server", 9, "mx.example.org", "unknown issuer", true },
	{ "nobody is trusted", NULL, "server", "server", 9, "mx.example.org", "nobody is trusted", true },
	{ "one in between", "root", "server2_chain", "server2", 9, "mx.example.org", NULL, true },
	{ "it counts for depth", "root", "server2_chain", "server2", 1, "mx.example.org", "certificate chain too long", true },
	{ "it is missing", "root", "server2", "server2", 9, "mx.example.org", "unknown issuer", true },
	{ "two in between", "root", "server3_chain", "server3", 3, "mx.example.org", NULL, true },
	{ "the one in between is trusted", "inter", "server2", "server2", 9, "mx.example.org", NULL, true },
	{ "path length", "root", "server0_chain", "server0", 9, "mx.example.org", "an issuer that may not be one", true },
	{ "a server is no issuer", "root", "by_server_chain", "by_server", 9, "mx.example.org",
	  "an issuer that may not be one", true },
	{ "name constraints met", "root", "inside_chain", "inside", 9, "mx.inside.test", NULL, true },
	{ "name constraints not met", "root", "outside_chain", "outside", 9, "mx.example.org",
	  "name not permitted by the issuer", true },
	{ "a client's", "root", "client_only", "client_only", 9, "mx.example.org", "certificate is not for servers", true },
	{ "expired", "root", "expired", "expired", 9, "mx.example.org", "certificate has expired", true },
	{ "not yet valid", "root", "future", "future", 9, "mx.example.org", "certificate is not yet valid", true },
	{ "pinned", "pinned", "pinned", "pinned", 0, "relay.pinned.test", NULL, true },
	{ "self-signed", "root", "pinned", "pinned", 9, "relay.pinned.test", "self-signed certificate", true },
	{ "a clone of the pinned", "pinned", "pinned_clone", "pinned_clone", 9, "relay.pinned.test", "wrong signature",
	  true },
	{ "a clone of the root as a server", "root", "root_clone", "root_clone", 9, "Test Root", "wrong signature", false },
	{ "a server of the clone", "root", "below_clone_chain", "below_clone", 9, "mx.example.org", "wrong signature", true },
	{ "a server of the clone alone", "root", "below_clone", "below_clone", 9, "mx.example.org", "wrong signature", true },
};

static const char *pki(char storage[256], const char *name, const char *end)
{
	(void)snprintf(storage, 256, PKI "%s.%s", name, end);
	return storage;
}

static void verdicts_are_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * ARRAY_LEN(trust_cases); i++) {
		const struct trust_case *c = &trust_cases[i / 2];
		char ca[256], chain[256], key[256];

		it.check = (struct tls_check){ .names = slice_of_str(c->names), .depth_max = c->depth_max };
		begin(c->ca != NULL ? pki(ca, c->ca, "pem") : NULL,
		      &(struct tls_server_conf){ .chain = pki(chain, c->chain, "pem"), .key = pki(key, c->key, "key"),
						 .version = 2 + (int)(i % 2) },
		      NULL);
		talk(SLICE("hello"));
		const struct tls_verdict *v = &it.client.verdict;

		if (!tls_is_open(&it.client))
			fail_msg("%s: no session (%s)", c->claim, tls_error(&it.client));
		assert_true(v->has_cert);
		if (v->is_trusted != (c->why == NULL) || (c->why != NULL && strcmp(v->why, c->why) != 0))
			fail_msg("%s: %s", c->claim, v->why == NULL ? "trusted" : v->why);
		if (v->name_matches != c->matches)
			fail_msg("%s: the name %s", c->claim, v->name_matches ? "matches" : "does not match");
		end();
	}
}

static void clones_are_told_apart(void **state)
{
	(void)state;
	assert_int_equal(tls_selftest(), 0);
}

/* An intermediate certificate that came with one session is nobody's friend in the next. */
static void nothing_stays_of_a_chain(void **state)
{
	char text[256];
	struct str why = STR(text);
	static const char *const chains[] = { PKI "server2_chain.pem", PKI "server2.pem" };

	(void)state;
	assert_int_equal(tls_context_new(&(struct tls_context_conf){ .ca_file = PKI "root.pem", .now_ns = NOW_NS }, &why,
					 &it.context),
			 0);
	it.check = (struct tls_check){ .names = SLICE("mx.example.org"), .depth_max = 9 };
	it.cut = SIZE_MAX;
	for (unsigned i = 0; i < 2; i++) {
		it.heard_len = it.read_len = 0;
		it.err = 0;
		assert_true(tls_server_open(&it.server, &(struct tls_server_conf){ .chain = chains[i],
										   .key = PKI "server2.key" }));
		assert_int_equal(tls_open(&it.client, &it.room, it.context,
					  &(struct tls_wish){ TLS_1_2, TLS_1_3, NULL, { 0 }, &it.check }),
				 0);
		talk(SLICE("hello"));
		assert_true(tls_is_open(&it.client));
		assert_int_equal(it.client.verdict.is_trusted, i == 0);
		tls_done(&it.client);
		tls_server_close(&it.server);
	}
	tls_context_retire(&it.context);
	it.cut = 0;
	it.check = (struct tls_check){ 0 };
}

/* Case 235: the certificate's own, and its key's; neither dates nor issuer count. As openssl says it. */
static void fingerprints_match(void **state)
{
	struct tls_print cert, key;

	(void)state;
	it.check = (struct tls_check){ .digest = tls_digest_find(SLICE("sha256")) };
	begin(NULL, &(struct tls_server_conf){ .chain = PKI "expired.pem", .key = PKI "expired.key" }, NULL);
	talk(SLICE(""));
	cert = it.client.verdict.cert_print;
	key = it.client.verdict.key_print;
	assert_int_equal(cert.len, 32);
	assert_int_equal(key.len, 32);
	assert_false(it.client.verdict.print_matches);
	end();
	for (unsigned i = 0; i < 3; i++) {
		struct tls_print other = { .len = 32 };

		it.check = (struct tls_check){ .digest = tls_digest_find(SLICE("SHA256")), .print_count = 2 };
		it.check.prints[1] = i == 0 ? cert : i == 1 ? key : other;
		begin(NULL, &(struct tls_server_conf){ .chain = PKI "expired.pem", .key = PKI "expired.key" }, NULL);
		talk(SLICE(""));
		assert_int_equal(it.client.verdict.print_matches, i < 2);
		end();
	}
}

/* --- contexts --------------------------------------------------------------------------------- */

/* Case 239: leaf first, then issuers, the key in the same file. */
static void our_certificate_is_shown(void **state)
{
	char text[256];
	struct str why = STR(text);

	(void)state;
	it.cut = SIZE_MAX;
	assert_int_equal(tls_context_new(&(struct tls_context_conf){ .cert_file = PKI "client_pair.pem", .now_ns = NOW_NS },
					 &why, &it.context),
			 0);
	assert_true(tls_server_open(&it.server, &(struct tls_server_conf){ .chain = PKI "server.pem",
									   .key = PKI "server.key",
									   .client_ca = PKI "root.pem" }));
	assert_int_equal(tls_open(&it.client, &it.room, it.context,
				  &(struct tls_wish){ TLS_1_2, TLS_1_3, NULL, { 0 }, &it.check }),
			 0);
	talk(SLICE("hello"));
	assert_int_equal(it.server.client_certs, 1);
	end();
}

/* Cases 238, 240: which file, and why. */
static void bad_files_are_named(void **state)
{
	static const struct {
		struct tls_context_conf conf;
		const char *says;
	} cases[] = {
		{ { .ca_file = PKI "nowhere.pem" }, "nowhere.pem: No such file" },
		{ { .ca_file = PKI "make.sh" }, "make.sh: no certificate" },
		{ { .ca_path = PKI "nowhere" }, "nowhere: No such file" },
		{ { .cert_file = PKI "nowhere.pem" }, "nowhere.pem: No such file" },
		{ { .cert_file = PKI "server.key" }, "server.key: no certificate" },
		{ { .cert_file = PKI "server.pem" }, "server.pem: no key" },
		{ { .cert_file = PKI "server.pem", .key_file = PKI "nowhere.key" }, "nowhere.key: No such file" },
		{ { .cert_file = PKI "server.pem", .key_file = PKI "root.key" }, "root.key: this key is not" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		char text[256];
		struct str why = STR(text);
		struct tls_context_conf conf = cases[i].conf;

		conf.now_ns = NOW_NS;
		assert_true(tls_context_new(&conf, &why, &it.context) < 0);
		if (strstr(str_cstr(&why), cases[i].says) == NULL)
			fail_msg("\"%s\" does not say \"%s\"", text, cases[i].says);
	}
}

static void a_retired_context_serves_those_it_has(void **state)
{
	struct tls_context *context;

	(void)state;
	begin(PKI "root.pem", &plain_server, NULL);
	context = it.context;
	tls_context_retire(&it.context);
	assert_null(it.context);
	assert_int_equal(context->users, 1);
	talk(SLICE("hello"));
	assert_int_equal(it.read_len, 5);
	end();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("both hear each other, however the octets are cut, in TLS 1.2 and 1.3", both_hear_each_other),
		CLAIM("a session's memory is counted, bounded and given back (row TLS-13)", memory_is_counted),
		CLAIM("short pieces share a record", short_pieces_share_a_record),
		CLAIM("close_notify ends it, and nothing behind it is read (rows TLS-12, TLS-19)", goodbye_ends_it),
		CLAIM("clear text and rubbish are no handshake (row TLS-18)", clear_text_is_no_handshake),
		CLAIM("clear text amid records is never the dialogue's (row TLS-05)", clear_text_amid_records_ends_it),
		CLAIM("no octet of the handshake can be changed", a_bent_handshake_fails),
		CLAIM("many small records cost no memory (row TLS-13)", empty_records_are_only_read),
		CLAIM("versions are as wished, or there is no session (case 251)", versions_are_wishes),
		CLAIM("a name is asked for, or none, or it is too long (row TLS-11)", names_are_asked_for),
		CLAIM("suites are chosen by name and making", suites_are_chosen),
		CLAIM("groups for the exchange of keys are chosen, in our order", groups_are_chosen),
		CLAIM("chains and names are judged as they should be (row TLS-01, TLS-17)", verdicts_are_right),
		CLAIM("the linked library tells clones apart (row TLS-01)", clones_are_told_apart),
		CLAIM("nothing stays of a chain", nothing_stays_of_a_chain),
		CLAIM("fingerprints of certificate and key (case 235)", fingerprints_match),
		CLAIM("our certificate is shown (case 239)", our_certificate_is_shown),
		CLAIM("files that cannot be used are named (cases 238, 240)", bad_files_are_named),
		CLAIM("a retired context serves the sessions it has", a_retired_context_serves_those_it_has),
	};
	return cmocka_run_group_tests_name("crypto/tls", claims, set_up, NULL);
}
