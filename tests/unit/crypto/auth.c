/* One exchange with each mechanism; what servers send that they should not. */
#include "crypto/auth.h"

#include <errno.h>

#include "core/err.h"
#include "crypto/base64.h"
#include "tests/peers/scram_server.h"
#include "tests/test.h"

static struct auth_credentials credentials;
static struct auth exchange;
static struct auth_peer peer = { .host = SLICE("mx.test"), .port = 587 };
static char storage[KIB(16)];
static struct str out;

static int set_up(void **state)
{
	(void)state;
	return auth_library_start(BIT(AUTH_DIGEST_MD5) | BIT(AUTH_NTLM));
}

static void know(const char *user, const char *secret)
{
	memset(&credentials, 0, sizeof(credentials));
	credentials.user_len = strlen(user);
	memcpy(credentials.user, user, strlen(user));
	credentials.secret.len = strlen(secret);
	memcpy(credentials.secret.octets, secret, strlen(secret));
}

static int begin(enum auth_mech mech)
{
	out = STR(storage);
	return auth_begin(&exchange, mech, &credentials, &peer, &out);
}

/* The challenge as text, not in base64. */
static int step(const char *challenge)
{
	char text[KIB(20)];
	struct str encoded = STR(text);

	assert_int_equal(base64_add_encoded(&encoded, slice_of_str(challenge)), 0);
	str_clear(&out);
	return auth_step(&exchange, str_slice(&encoded), &out);
}

static const char *said(void)
{
	static char plain[KIB(16)];
	struct str s = STR(plain);

	assert_int_equal(base64_add_decoded(&s, str_slice(&out)), 0);
	for (size_t i = 0; i < s.len; i++)
		if (plain[i] == '\0' || plain[i] == '\001')
			plain[i] = '|';
	return str_cstr(&s);
}

/* --- base64 ----------------------------------------------------------------------------------- */

static void base64_is_rfc_4648(void **state)
{
	static const char *const pairs[][2] = {
		{ "", "" },	    { "f", "Zg==" },	    { "fo", "Zm8=" },	    { "foo", "Zm9v" },
		{ "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" }, { "\xfb\xff\xbf", "+/+/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		char text[16];
		struct str s = STR(text);

		assert_int_equal(base64_add_encoded(&s, slice_of_str(pairs[i][0])), 0);
		assert_string_equal(str_cstr(&s), pairs[i][1]);
		str_clear(&s);
		assert_int_equal(base64_add_decoded(&s, slice_of_str(pairs[i][1])), 0);
		assert_string_equal(str_cstr(&s), pairs[i][0]);
	}
}

static void base64_of_anything_comes_back(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		char octets[80], text[120], back[80];
		struct str s = STR(text), b = STR(back);
		size_t len = (size_t)(test_random(&seed) % sizeof(octets));

		for (size_t i = 0; i < len; i++)
			octets[i] = (char)test_random(&seed);
		assert_int_equal(base64_add_encoded(&s, slice_of(octets, len)), 0);
		assert_int_equal(s.len, base64_size(len));
		assert_int_equal(base64_add_decoded(&b, str_slice(&s)), 0);
		assert_true(slice_eq(str_slice(&b), slice_of(octets, len)));
	}
}

static void base64_is_strict(void **state)
{
	static const char *const bad[] = { "Z",	  "Zg",	   "Zg=",    "Zg===", "=",    "====", "Z===", "Zh==", "Zm9=",
					   "Zg==Zg==", "Zm=v",  " Zg==", "Zg== ", "Zg-_", "Zg\r\n", "Zm9v\r\n\r\n", "\xc3\xa9Zg" };
	char text[8];
	struct str s = STR(text);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(base64_add_decoded(&s, slice_of_str(bad[i])), -EBADMSG);
		assert_int_equal(s.len, 0);
	}
	assert_int_equal(base64_add_decoded(&s, SLICE("Zm9vYmFyZm9v")), -EMSGSIZE);
	assert_int_equal(base64_add_encoded(&s, SLICE("foobarf")), -EMSGSIZE);
	assert_int_equal(s.len, 0);
}

/* --- which mechanism -------------------------------------------------------------------------- */

#define ALL (BIT(AUTH_MECH_COUNT) - 1)

static void the_strongest_is_chosen(void **state)
{
	static const struct {
		struct auth_wish wish;
		int mech;
	} wishes[] = {
		/* case 348 */
		{ { BIT(AUTH_PLAIN) | BIT(AUTH_CRAM_MD5) | BIT(AUTH_SCRAM_SHA_256), ALL, 0, 0, 0, false, false },
		  AUTH_SCRAM_SHA_256 },
		{ { BIT(AUTH_PLAIN) | BIT(AUTH_CRAM_MD5) | BIT(AUTH_SCRAM_SHA_1), ALL, 0, 0, 0, false, false },
		  AUTH_SCRAM_SHA_1 },
		{ { BIT(AUTH_PLAIN) | BIT(AUTH_CRAM_MD5), ALL, 0, 0, 0, false, false }, AUTH_CRAM_MD5 },
		{ { BIT(AUTH_PLAIN) | BIT(AUTH_LOGIN), ALL, 0, 0, 0, false, false }, AUTH_PLAIN },
		{ { BIT(AUTH_LOGIN), ALL, 0, 0, 0, false, false }, AUTH_LOGIN },
		{ { 0, ALL, 0, 0, 0, false, false }, -1 },
		/* what is not there cannot be used */
		{ { BIT(AUTH_SCRAM_SHA_256) | BIT(AUTH_PLAIN), BIT(AUTH_PLAIN), 0, 0, 0, false, false }, AUTH_PLAIN },
		/* row AUT-06: by name only */
		{ { BIT(AUTH_DIGEST_MD5) | BIT(AUTH_NTLM) | BIT(AUTH_GSSAPI) | BIT(AUTH_ANONYMOUS) | BIT(AUTH_EXTERNAL),
		    ALL, 0, 0, 0, false, true }, -1 },
		{ { BIT(AUTH_DIGEST_MD5) | BIT(AUTH_NTLM), ALL, BIT(AUTH_NTLM), 0, 0, false, false }, AUTH_NTLM },
		{ { BIT(AUTH_DIGEST_MD5) | BIT(AUTH_CRAM_MD5), ALL, BIT(AUTH_DIGEST_MD5), 0, 0, false, false },
		  AUTH_DIGEST_MD5 },
		{ { BIT(AUTH_EXTERNAL) | BIT(AUTH_PLAIN), ALL, BIT(AUTH_EXTERNAL), 0, 0, false, true }, AUTH_EXTERNAL },
		{ { BIT(AUTH_EXTERNAL) | BIT(AUTH_PLAIN), ALL, BIT(AUTH_EXTERNAL), 0, 0, false, false }, AUTH_PLAIN },
		/* a token is no password, and the other way round */
		{ { BIT(AUTH_XOAUTH2) | BIT(AUTH_PLAIN) | BIT(AUTH_SCRAM_SHA_1), ALL, 0, 0, 0, true, false },
		  AUTH_XOAUTH2 },
		{ { BIT(AUTH_XOAUTH2) | BIT(AUTH_OAUTHBEARER), ALL, 0, 0, 0, true, false }, AUTH_OAUTHBEARER },
		{ { BIT(AUTH_XOAUTH2) | BIT(AUTH_OAUTHBEARER), ALL, 0, 0, 0, false, false }, -1 },
		{ { BIT(AUTH_PLAIN), ALL, 0, 0, 0, true, false }, -1 },
		/* properties (B 8.3) */
		{ { BIT(AUTH_PLAIN) | BIT(AUTH_LOGIN), ALL, 0, AUTH_NO_PLAINTEXT, 0, false, false }, -1 },
		{ { BIT(AUTH_PLAIN) | BIT(AUTH_CRAM_MD5), ALL, 0, AUTH_NO_PLAINTEXT | AUTH_NO_ANONYMOUS, 0, false,
		    false }, AUTH_CRAM_MD5 },
		{ { BIT(AUTH_CRAM_MD5), ALL, 0, AUTH_NO_ACTIVE, 0, false, false }, -1 },
		{ { BIT(AUTH_CRAM_MD5) | BIT(AUTH_SCRAM_SHA_1), ALL, 0, AUTH_NO_ACTIVE | AUTH_MUTUAL, 0, false, false },
		  AUTH_SCRAM_SHA_1 },
		{ { BIT(AUTH_SCRAM_SHA_1), ALL, 0, AUTH_NO_DICTIONARY, 0, false, false }, -1 },
		{ { BIT(AUTH_EXTERNAL) | BIT(AUTH_SCRAM_SHA_1), ALL, BIT(AUTH_EXTERNAL), AUTH_NO_DICTIONARY, 0, false,
		    true }, AUTH_EXTERNAL },
		{ { ALL, ALL, ALL, AUTH_FORWARD_SECRECY, 0, false, true }, -1 },
		{ { BIT(AUTH_ANONYMOUS), ALL, ALL, AUTH_NO_ANONYMOUS, 0, false, true }, -1 },
		{ { BIT(AUTH_ANONYMOUS), ALL, ALL, 0, 0, false, true }, AUTH_ANONYMOUS },
		/* row AUT-03: less than before will not do */
		{ { BIT(AUTH_LOGIN) | BIT(AUTH_CRAM_MD5), ALL, 0, 0, 2, false, false }, -1 },
		{ { BIT(AUTH_LOGIN) | BIT(AUTH_CRAM_MD5), ALL, 0, 0, 1, false, false }, AUTH_CRAM_MD5 },
		{ { BIT(AUTH_LOGIN) | BIT(AUTH_SCRAM_SHA_1), ALL, 0, 0, 2, false, false }, AUTH_SCRAM_SHA_1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wishes); i++)
		assert_int_equal(auth_mech_choose(&wishes[i].wish), wishes[i].mech);
	assert_int_equal(auth_mech_find(SLICE("scram-sha-256")), AUTH_SCRAM_SHA_256);
	assert_int_equal(auth_mech_find(SLICE("SCRAM-SHA-256-PLUS")), -1);
	assert_int_equal(auth_mech_find(SLICE("")), -1);
}

static void the_plug_ins_are_there(void **state)
{
	const uint32_t wanted = BIT(AUTH_SCRAM_SHA_256) | BIT(AUTH_SCRAM_SHA_1) | BIT(AUTH_CRAM_MD5) |
				BIT(AUTH_PLAIN) | BIT(AUTH_LOGIN) | BIT(AUTH_DIGEST_MD5) | BIT(AUTH_NTLM) |
				AUTH_WITH_TOKEN | BIT(AUTH_EXTERNAL);

	(void)state;
	assert_int_equal(auth_library_mechs() & wanted, wanted);
	assert_int_equal(auth_library_mechs() & BIT(AUTH_ANONYMOUS), 0);	/* nobody has named it */
	out = STR(storage);
	auth_library_describe(&out);
	assert_true(slice_has_prefix(str_slice(&out), SLICE("EXTERNAL SCRAM-SHA-256 ")));
	assert_non_null(strstr(auth_library().linked, "2.1."));
}

/* --- one exchange ----------------------------------------------------------------------------- */

static void plain_says_it_at_once(void **state)
{
	(void)state;
	know("u", "p");
	assert_int_equal(begin(AUTH_PLAIN), 1);
	assert_string_equal(str_cstr(&out), "AHUAcA==");	/* case 352 */
	assert_true(exchange.is_done);
	assert_int_equal(step("more"), ERR_PROTO);
	auth_end(&exchange);
	peer.authzid = true;
	assert_int_equal(begin(AUTH_PLAIN), 1);
	assert_string_equal(said(), "u|u|p");
	auth_end(&exchange);
	peer.authzid = false;
	know("u", "");
	assert_int_equal(begin(AUTH_PLAIN), 1);
	assert_string_equal(said(), "|u|");
	auth_end(&exchange);
}

static void login_answers_whatever_it_is_asked(void **state)
{
	static const char *const questions[][2] = { { "Username:", "Password:" }, { "", "" }, { "Password:", "Username:" },
						    { "\xff\xfe", "0" } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {	/* case 353 */
		know("user", "secret");
		assert_int_equal(begin(AUTH_LOGIN), 0);
		assert_int_equal(step(questions[i][0]), 0);
		assert_string_equal(said(), "user");
		assert_int_equal(step(questions[i][1]), 0);
		assert_string_equal(said(), "secret");
		assert_true(exchange.is_done);
		assert_int_equal(step("and?"), ERR_PROTO);
		auth_end(&exchange);
	}
}

static void cram_md5_is_rfc_2195(void **state)
{
	(void)state;
	know("tim", "tanstaaftanstaaf");
	assert_int_equal(begin(AUTH_CRAM_MD5), 0);
	assert_int_equal(step("<1896.697170952@postoffice.reston.mci.net>"), 0);
	assert_string_equal(said(), "tim b913a602c7eda7a495b4e6e7334d3890");
	assert_true(exchange.is_done);
	auth_end(&exchange);
}

static void tokens_are_rfc_7628(void **state)
{
	(void)state;
	know("some,user=x@test", "ya29.token");
	assert_int_equal(begin(AUTH_XOAUTH2), 1);
	assert_string_equal(said(), "user=some,user=x@test|auth=Bearer ya29.token||");
	assert_int_equal(step("{\"status\":\"401\"}"), 0);
	assert_int_equal(out.len, 0);	/* an empty line, and then the server says no */
	assert_int_equal(step("again"), ERR_PROTO);
	auth_end(&exchange);
	assert_int_equal(begin(AUTH_OAUTHBEARER), 1);
	assert_string_equal(said(), "n,a=some=2Cuser=3Dx@test,|host=mx.test|port=587|auth=Bearer ya29.token||");
	assert_int_equal(step("{\"status\":\"invalid_token\"}"), 0);
	assert_string_equal(str_cstr(&out), "AQ==");
	auth_end(&exchange);
}

static void external_says_nothing_or_a_name(void **state)
{
	(void)state;
	know("user", "");
	assert_int_equal(begin(AUTH_EXTERNAL), 1);
	assert_int_equal(out.len, 0);	/* case 356: which is written as "=" */
	assert_int_equal(step(""), ERR_PROTO);
	auth_end(&exchange);
	peer.authzid = true;
	assert_int_equal(begin(AUTH_EXTERNAL), 1);
	assert_string_equal(said(), "user");
	auth_end(&exchange);
	peer.authzid = false;
}

static void digest_md5_and_ntlm_answer_when_they_are_named(void **state)
{
	(void)state;
	know("user", "secret");
	assert_true(begin(AUTH_DIGEST_MD5) >= 0);
	assert_int_equal(step("realm=\"test\",nonce=\"abc\",qop=\"auth\",algorithm=md5-sess,charset=utf-8"), 0);
	assert_non_null(strstr(said(), "digest-uri=\"smtp/mx.test\""));
	assert_null(strstr(said(), "secret"));
	auth_end(&exchange);
	assert_true(begin(AUTH_NTLM) >= 0);
	auth_end(&exchange);
}

/* --- SCRAM ------------------------------------------------------------------------------------ */

static struct scram_server server;

/* The server's first message, and what the client makes of it. */
static int meet(enum auth_mech mech, uint32_t iterations)
{
	char text[1024];
	struct str challenge = STR(text);

	server = (struct scram_server){ .is_sha1 = mech == AUTH_SCRAM_SHA_1, .password = "secret", .iterations = iterations };
	assert_int_equal(begin(mech), 1);
	assert_false(exchange.is_done);
	assert_true(scram_first(&server, str_slice(&out), &challenge));
	str_clear(&out);
	return auth_step(&exchange, str_slice(&challenge), &out);
}

static void scram_proves_both(void **state)
{
	static const enum auth_mech both[] = { AUTH_SCRAM_SHA_256, AUTH_SCRAM_SHA_1 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(both); i++) {
		char text[1024];
		struct str challenge = STR(text);

		know("user", "secret");
		assert_int_equal(meet(both[i], 5000), 0);
		assert_true(scram_final(&server, str_slice(&out), false, &challenge));
		assert_false(exchange.is_done);
		str_clear(&out);
		assert_int_equal(auth_step(&exchange, str_slice(&challenge), &out), 0);
		assert_int_equal(out.len, 0);
		assert_true(exchange.is_done);
		auth_end(&exchange);
	}
}

/* The plug-in escapes them in memory of its own, which it gives back to us. */
static void scram_says_any_name(void **state)
{
	static const char *const names[] = { "a,b=c", "=,", "====================", "m\xc3\xbcller", "a b" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char text[1024];
		struct str challenge = STR(text);

		know(names[i], "secret");
		peer.authzid = i % 2 == 1;
		assert_int_equal(begin(AUTH_SCRAM_SHA_256), 1);
		assert_null(peer.authzid ? NULL : strstr(said(), "a,b=c"));
		auth_end(&exchange);
		peer.authzid = false;
		assert_int_equal(meet(AUTH_SCRAM_SHA_256, 4096), 0);
		assert_true(scram_final(&server, str_slice(&out), false, &challenge));
		auth_end(&exchange);
	}
}

static void scram_finds_an_impostor(void **state)
{
	char text[1024];
	struct str challenge = STR(text);

	(void)state;
	know("user", "secret");
	assert_int_equal(meet(AUTH_SCRAM_SHA_256, 4096), 0);
	assert_true(scram_final(&server, str_slice(&out), true, &challenge));
	assert_true(auth_step(&exchange, str_slice(&challenge), &out) < 0);	/* case 358, row AUT-05 */
	assert_false(exchange.is_done);
	auth_end(&exchange);
	know("user", "other");
	assert_int_equal(meet(AUTH_SCRAM_SHA_256, 4096), 0);
	str_clear(&challenge);
	assert_false(scram_final(&server, str_slice(&out), false, &challenge));
	auth_end(&exchange);
}

static void scram_nonces_differ(void **state)
{
	char text[256];
	struct str first = STR(text);

	(void)state;
	know("user", "secret");
	assert_int_equal(begin(AUTH_SCRAM_SHA_256), 1);
	str_add_cstr(&first, said());
	auth_end(&exchange);
	assert_int_equal(begin(AUTH_SCRAM_SHA_256), 1);
	assert_string_not_equal(said(), str_cstr(&first));
	auth_end(&exchange);
}

/* In text, '%' is our nonce, and '&' its beginning. */
static int scram_challenge(const char *text)
{
	char storage_of_text[1024];
	struct str challenge = STR(storage_of_text);

	know("user", "secret");
	assert_int_equal(begin(AUTH_SCRAM_SHA_256), 1);
	struct slice nonce = slice_of_str(strstr(said(), "r=") + 2);

	for (; *text != '\0'; text++) {
		if (*text == '%' || *text == '&')
			str_add(&challenge, slice_head(nonce, *text == '%' ? nonce.len : 5));
		else
			str_add_char(&challenge, *text);
	}
	int r = step(str_cstr(&challenge));

	auth_end(&exchange);
	return r;
}

/* Row AUT-05. */
static void scram_takes_no_bad_challenge(void **state)
{
	static const struct {
		const char *text;
		int err;	/* 1: any */
	} bad[] = {
		{ "r=%x,s=c2FsdA==,i=0", -ERANGE },
		{ "r=%x,s=c2FsdA==,i=1", -ERANGE },
		{ "r=%x,s=c2FsdA==,i=4095", -ERANGE },
		{ "r=%x,s=c2FsdA==,i=200001", -ERANGE },
		{ "r=%x,s=c2FsdA==,i=4294967295", -ERANGE },
		{ "r=%x,s=c2FsdA==,i=4294971392", -ERANGE },	/* 4096, if somebody cuts it to 32 bits */
		{ "r=%x,s=c2FsdA==,i=99999999999999999999999999", -ERANGE },
		{ "r=%x,s=c2FsdA==,i=", ERR_PROTO },
		{ "r=%x,s=c2FsdA==,i=-1", ERR_PROTO },
		{ "r=%x,s=c2FsdA==,i=4096x", ERR_PROTO },
		{ "r=%x,s=c2FsdA==,i=0x2000", ERR_PROTO },
		{ "r=%x,s=c2FsdA==", ERR_PROTO },
		{ "r=%x", ERR_PROTO },
		{ "r=x,s=c2FsdA==,i=4096", 1 },		/* no nonce of ours */
		{ "r=&,s=c2FsdA==,i=4096", 1 },
		{ "r=%,s=c2FsdA==,i=4096", 1 },		/* nothing of theirs */
		{ "r=%x,i=4096,s=c2FsdA==", 1 },
		{ "r=%x,s=,i=4096", 1 },
		{ "r=%x,s=!,i=4096", 1 },
		{ "m=x,r=%x,s=c2FsdA==,i=4096", 1 },
		{ "v=%", 1 },
		{ "e=other-error", 1 },
		{ "", 1 },
		{ ",", 1 },
		{ "=", 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		int r = scram_challenge(bad[i].text);

		if (bad[i].err == 1 ? r >= 0 : r != bad[i].err)
			fail_msg("%s: %d", bad[i].text, r);
	}
	assert_int_equal(scram_challenge("r=%x,s=c2FsdA==,i=4096"), 0);
	assert_int_equal(scram_challenge("r=%x,s=c2FsdA==,i=4096,x=extension"), 0);
}

/* --- bounds, and what stays ------------------------------------------------------------------- */

/* Row AUT-04. */
static void an_exchange_ends(void **state)
{
	static char long_challenge[KIB(13)];

	(void)state;
	know("user", "secret");
	for (unsigned mech = 0; mech < AUTH_MECH_COUNT; mech++) {
		if (!(auth_library_mechs() & BIT(mech)))
			continue;
		int r = begin((enum auth_mech)mech);

		assert_true(r >= 0);
		for (unsigned i = 0; r >= 0 && i < 1000; i++)
			r = step("what else?");
		assert_true(r < 0);
		assert_true(exchange.steps <= AUTH_STEPS_MAX + 1);
		auth_end(&exchange);
		memset(long_challenge, 'A', sizeof(long_challenge));
		for (size_t len = 4; len <= sizeof(long_challenge); len = len * 2 + 4) {
			assert_true(begin((enum auth_mech)mech) >= 0);
			str_clear(&out);
			r = auth_step(&exchange, slice_of(long_challenge, len), &out);
			assert_true(r < 0 || len <= AUTH_OCTETS_MAX);
			auth_end(&exchange);
		}
		assert_true(begin((enum auth_mech)mech) >= 0);
		assert_int_equal(auth_step(&exchange, SLICE("AAA"), &out), -EBADMSG);	/* case 357 */
		auth_end(&exchange);
	}
}

/* Row AUT-08: nothing stays of a secret, nor of what was said. */
static void an_exchange_is_forgotten(void **state)
{
	static const enum auth_mech mechs[] = { AUTH_PLAIN, AUTH_LOGIN, AUTH_CRAM_MD5, AUTH_SCRAM_SHA_256,
						AUTH_XOAUTH2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(mechs); i++) {
		know("user-of-canary", "canary-7e5a11");
		int r = begin(mechs[i]);

		assert_true(r >= 0);
		if (r == 0)
			assert_int_equal(step("<1@x>"), 0);
		else if (mechs[i] == AUTH_SCRAM_SHA_256)
			(void)step("r=x,s=c2FsdA==,i=4096");
		auth_end(&exchange);
		for (size_t at = 0; at < sizeof(exchange); at++)
			assert_int_equal(((const char *)&exchange)[at], 0);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("base64 is that of RFC 4648", base64_is_rfc_4648),
		CLAIM("base64 of anything comes back", base64_of_anything_comes_back),
		CLAIM("base64 that is not canonical is refused", base64_is_strict),
		CLAIM("of what is offered and allowed, the strongest is chosen (case 348, rows AUT-03, AUT-06)",
		      the_strongest_is_chosen),
		CLAIM("the library has the mechanisms we want, and has not loaded others (row AUT-06)", the_plug_ins_are_there),
		CLAIM("PLAIN says it at once (case 352)", plain_says_it_at_once),
		CLAIM("LOGIN says user and password, whatever it is asked (case 353)", login_answers_whatever_it_is_asked),
		CLAIM("CRAM-MD5 is that of RFC 2195", cram_md5_is_rfc_2195),
		CLAIM("XOAUTH2 and OAUTHBEARER are those of RFC 7628", tokens_are_rfc_7628),
		CLAIM("EXTERNAL says nothing, or a name", external_says_nothing_or_a_name),
		CLAIM("DIGEST-MD5 and NTLM answer where they are named", digest_md5_and_ntlm_answer_when_they_are_named),
		CLAIM("SCRAM proves both ends to each other", scram_proves_both),
		CLAIM("SCRAM says any name, escaped where it has to be", scram_says_any_name),
		CLAIM("SCRAM finds an impostor (row AUT-05)", scram_finds_an_impostor),
		CLAIM("no two nonces are the same", scram_nonces_differ),
		CLAIM("SCRAM takes no bad challenge, and no bad number (row AUT-05)", scram_takes_no_bad_challenge),
		CLAIM("an exchange ends, whatever comes (case 357, row AUT-04)", an_exchange_ends),
		CLAIM("nothing stays of an exchange (row AUT-08)", an_exchange_is_forgotten),
	};

	return cmocka_run_group_tests_name("crypto/auth", claims, set_up, NULL);
}
