/* Our server's end of TLS against our client's end, in memory: whole, in pieces, and octet by octet. */
#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "crypto/library.h"
#include "crypto/tls.h"
#include "crypto/tls_cipher.h"
#include "tests/test.h"

#define PKI	TEST_PKI "/"
#define NOW_NS	(UINT64_C(1767225600) * NS_PER_SEC)	/* 2026 */

/* The library's: only a client with bad manners needs it. */
int wolfSSL_update_keys(struct WOLFSSL *ssl);

static struct {
	struct tls_room room;
	struct tls_context *contexts[2];
	struct tls ends[2];		/* the client's, ours */
	struct tls_check check;
	size_t cut;
	size_t heard_len[2];
	char heard[2][KIB(128)];
	char plain[TLS_RECORD_MAX];
	int err[2];
} it;

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	return tls_room_init(&it.room, 4);
}

static const struct tls_serve_conf usual = {
	.cert_file = PKI "server2_chain.pem", .key_file = PKI "server2.key", .now_ns = NOW_NS,
};

static void begin(const struct tls_serve_conf *conf, enum tls_version least, enum tls_version most)
{
	const struct tls_context_conf client = { .ca_file = PKI "root.pem", .now_ns = NOW_NS };
	const struct tls_wish wish = { .version_min = least, .version_max = most, .check = &it.check };
	char text[256];
	struct str why = STR(text);

	memset(it.heard_len, 0, sizeof(it.heard_len));
	memset(it.err, 0, sizeof(it.err));
	it.check = (struct tls_check){ .names = SLICE("mx.example.org"), .depth_max = 9, .digest = -1 };
	assert_int_equal(tls_context_new(&client, &why, &it.contexts[0]), 0);
	if (tls_context_new_server(conf, &why, &it.contexts[1]) < 0)
		fail_msg("%s", str_cstr(&why));
	assert_int_equal(tls_open(&it.ends[0], &it.room, it.contexts[0], &wish), 0);
	assert_int_equal(tls_serve(&it.ends[1], &it.room, it.contexts[1]), 0);
}

static void end(void)
{
	for (unsigned i = 0; i < 2; i++) {
		tls_done(&it.ends[i]);
		tls_context_retire(&it.contexts[i]);
	}
	assert_int_equal(it.room.wires.used, 0);
}

static void hear(unsigned to, struct slice wire)
{
	while (wire.len > 0 && it.err[to] == 0) {
		struct slice part = slice_head(wire, it.cut), plain;

		slice_skip(&wire, part.len);
		do {
			int r = tls_unwrap_into(&it.ends[to], NOW_NS, &part, it.plain, &plain);

			it.err[to] = MIN(r, 0);
			memcpy(it.heard[to] + it.heard_len[to], plain.ptr, plain.len);
			it.heard_len[to] += plain.len;
		} while (part.len > 0 && it.err[to] == 0);
	}
}

/* Says text (perhaps in time), and carries to and fro until nothing moves. */
static void talk(unsigned from, struct slice text)
{
	bool moved = true;

	while (moved) {
		moved = false;
		for (unsigned i = 0; i < 2; i++) {
			const bool speaks = i == from && text.len > 0 && tls_is_open(&it.ends[i]);
			const struct iovec piece = { (void *)(uintptr_t)text.ptr, text.len };
			struct slice wire;
			size_t taken;

			if (tls_wrap(&it.ends[i], &piece, speaks, &wire, &taken) < 0)
				continue;
			slice_skip(&text, taken);
			moved |= wire.len > 0;
			hear(!i, wire);
		}
	}
}

static void both_hear_each_other(void **state)
{
	static const size_t cuts[] = { SIZE_MAX, 7, 1 };
	static char text[100000];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)(i * 7);
	for (unsigned version = TLS_1_2; version <= TLS_1_3; version++)
		for (unsigned i = 0; i < ARRAY_LEN(cuts); i++) {
			it.cut = cuts[i];
			begin(&usual, version, version);
			talk(0, slice_of(text, sizeof(text)));
			talk(1, slice_of(text, 40000));
			assert_true(tls_is_open(&it.ends[0]) && tls_is_open(&it.ends[1]));
			assert_true(it.ends[0].verdict.is_trusted && it.ends[0].verdict.name_matches);
			assert_int_equal(it.heard_len[1], sizeof(text));
			assert_memory_equal(it.heard[1], text, sizeof(text));
			assert_int_equal(it.heard_len[0], 40000);
			tls_close(&it.ends[1]);
			talk(0, SLICE(""));
			assert_int_equal(it.err[0], ERR_EOF);
			end();
		}
}

static void a_client_may_end_it(void **state)
{
	(void)state;
	it.cut = SIZE_MAX;
	begin(&usual, TLS_1_2, TLS_1_3);
	talk(0, SLICE("QUIT\r\n"));
	tls_close(&it.ends[0]);
	talk(0, SLICE(""));
	assert_int_equal(it.heard_len[1], 6);
	assert_int_equal(it.err[1], ERR_EOF);
	end();
}

static void versions_and_ciphers_are_as_configured(void **state)
{
	struct tls_serve_conf conf = usual;
	char storage[TLS_CIPHERS_MAX], said[256];
	struct str names = STR(storage), text = STR(said);

	(void)state;
	it.cut = SIZE_MAX;
	conf.only_new = true;
	begin(&conf, TLS_1_2, TLS_1_2);
	talk(0, SLICE("x"));
	assert_int_equal(it.err[1], ERR_PROTO);
	assert_int_equal(it.err[0], ERR_PROTO);
	end();
	conf.only_new = false;
	conf.only_old = true;
	begin(&conf, TLS_1_2, TLS_1_3);
	talk(0, SLICE("x"));
	assert_int_equal(it.heard_len[1], 1);
	tls_describe(&it.ends[1], &text);
	assert_non_null(strstr(str_cstr(&text), "TLSv1.2 with cipher"));
	end();
	conf.only_old = false;
	assert_int_equal(tls_ciphers_choose(NULL, SLICE("AES128 CHACHA20"), &names), 0);
	conf.ciphers = str_cstr(&names);
	begin(&conf, TLS_1_2, TLS_1_2);
	talk(0, SLICE("x"));
	str_clear(&text);
	tls_describe(&it.ends[1], &text);
	assert_null(strstr(str_cstr(&text), "128"));
	end();
}

/* Row LIS-03: whoever speaks something else to a port of TLS, or in the middle of it. */
static void clear_text_is_no_tls(void **state)
{
	static const char *const texts[] = { "EHLO x\r\n", "GET / HTTP/1.1\r\n\r\n", "\x80\x2e\x01\x03\x01" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(texts); i++)
		for (it.cut = 1; it.cut < 20; it.cut += 9) {
			begin(&usual, TLS_1_2, TLS_1_3);
			hear(1, slice_of_str(texts[i]));
			assert_int_equal(it.err[1], ERR_PROTO);
			end();
		}
	it.cut = SIZE_MAX;
	begin(&usual, TLS_1_2, TLS_1_3);
	talk(0, SLICE("x"));
	hear(1, SLICE("RCPT TO:<x@test>\r\n"));
	assert_int_equal(it.err[1], ERR_PROTO);
	assert_int_equal(it.heard_len[1], 1);
	end();
}

/* Every octet of the client's first flight turned over, one at a time. */
static void a_bent_hello_harms_nobody(void **state)
{
	char flight[KIB(2)];
	size_t len = 1;

	(void)state;
	it.cut = SIZE_MAX;
	for (size_t at = 0; at < len; at++) {
		struct slice wire;
		size_t taken;

		begin(&usual, TLS_1_2, TLS_1_3);
		assert_int_equal(tls_wrap(&it.ends[0], NULL, 0, &wire, &taken), 0);
		assert_true(wire.len <= sizeof(flight));
		memcpy(flight, wire.ptr, len = wire.len);
		flight[at] ^= 0x55;
		hear(1, slice_of(flight, len));
		talk(0, SLICE("x"));
		/* What the record's header says of the version means nothing any more (RFC 8446 5.1). */
		assert_true(it.heard_len[1] == 0 || at == 1 || at == 2);
		end();
	}
}

static void memory_is_counted(void **state)
{
	(void)state;
	it.cut = SIZE_MAX;
	begin(&usual, TLS_1_2, TLS_1_3);
	talk(0, SLICE("x"));
	print_message("a session: %zu octets at the most, %zu when it rests\n", it.ends[1].account.peak,
		      it.ends[1].account.used);
	assert_in_range(it.ends[1].account.peak, 1000, KIB(100));
	assert_in_range(it.ends[1].account.used, 1000, KIB(40));
	end();
	begin(&usual, TLS_1_2, TLS_1_3);
	it.ends[1].account.max = it.ends[1].account.used + KIB(3);
	talk(0, SLICE("x"));
	assert_int_equal(it.err[1], -ENOMEM);
	end();
}

/* A client that makes us answer, and does not read. */
static void key_updates_are_bounded(void **state)
{
	struct slice wire;
	size_t taken;
	unsigned count = 0;

	(void)state;
	it.cut = SIZE_MAX;
	begin(&usual, TLS_1_3, TLS_1_3);
	talk(0, SLICE("x"));
	for (; count < 20000 && it.err[1] == 0; count++) {
		assert_int_equal(wolfSSL_update_keys(it.ends[0].ssl), 1);
		assert_int_equal(tls_wrap(&it.ends[0], NULL, 0, &wire, &taken), 0);
		hear(1, wire);
	}
	print_message("%u updates of the keys, %zu octets of memory\n", count, it.ends[1].account.peak);
	assert_int_equal(it.err[1], ERR_PROTO);
	assert_in_range(it.ends[1].account.peak, 1, KIB(64));
	assert_int_equal(it.heard_len[1], 1);
	end();
}

/* A hello that says it is 16 MiB long, or that never ends; an extension that does; records that are empty. */
static void long_hellos_are_bounded(void **state)
{
	static char record[5 + TLS_RECORD_MAX];
	static const char *const heads[] = {
		"\x01\xff\xff\xff\x03\x03", "\x01\x03\xff\xff\x03\x03", "\x01\x00\xff\xff\x03\x03", "\x02\x00\x00\x01\x03\x03",
	};

	(void)state;
	it.cut = SIZE_MAX;
	for (unsigned i = 0; i < ARRAY_LEN(heads); i++) {
		begin(&usual, TLS_1_2, TLS_1_3);
		memset(record, 0, sizeof(record));
		memcpy(record, "\x16\x03\x01\x40\x00", 5);
		memcpy(record + 5, heads[i], 6);
		for (unsigned n = 0; n < 1024 && it.err[1] == 0; n++) {
			hear(1, slice_of(record, sizeof(record)));
			memset(record + 5, 0, TLS_RECORD_MAX);
		}
		assert_int_not_equal(it.err[1], 0);
		assert_in_range(it.ends[1].account.peak, 1, TLS_ACCOUNT_MAX);
		end();
	}
	begin(&usual, TLS_1_2, TLS_1_3);
	for (unsigned n = 0; n < 100000 && it.err[1] == 0; n++)
		hear(1, slice_of("\x16\x03\x01\x00\x00", 5));
	assert_in_range(it.ends[1].account.peak, 1, KIB(64));
	assert_int_equal(it.heard_len[1], 0);
	end();
}

static void files_say_what_is_wrong(void **state)
{
	static const struct {
		const char *cert, *key, *why;
	} cases[] = {
		{ "", "", "a server: needs a certificate" },
		{ PKI "nothing.pem", "", PKI "nothing.pem: No such file or directory" },
		{ PKI "server.pem", PKI "nothing.key", PKI "nothing.key: No such file or directory" },
		{ PKI "server.pem", PKI "root.key", PKI "root.key: this key is not that of the certificate" },
		{ PKI "server.pem", PKI "make.sh", PKI "make.sh: no key that can be used" },
		{ PKI "make.sh", PKI "server.key", PKI "make.sh: no certificate that can be used" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tls_serve_conf conf = {
			.cert_file = cases[i].cert, .key_file = cases[i].key, .now_ns = NOW_NS,
		};
		struct tls_context *context = NULL;
		char text[512];
		struct str why = STR(text);

		assert_true(tls_context_new_server(&conf, &why, &context) < 0);
		assert_null(context);
		assert_string_equal(str_cstr(&why), cases[i].why);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("client and server hear each other, TLS 1.2 and 1.3, at any cut", both_hear_each_other),
		CLAIM("a client may end it", a_client_may_end_it),
		CLAIM("versions and ciphers are as configured", versions_and_ciphers_are_as_configured),
		CLAIM("LIS-03: clear text is no TLS, before and within", clear_text_is_no_tls),
		CLAIM("a bent hello harms nobody", a_bent_hello_harms_nobody),
		CLAIM("memory is counted and bounded", memory_is_counted),
		CLAIM("row TLS-13, from the other side: key updates that nobody reads are the end", key_updates_are_bounded),
		CLAIM("row TLS-13, from the other side: long and empty hellos take little memory", long_hellos_are_bounded),
		CLAIM("files that are no good are named, with the reason", files_say_what_is_wrong),
	};

	return cmocka_run_group_tests_name("crypto/tls_serve", claims, set_up, NULL);
}
