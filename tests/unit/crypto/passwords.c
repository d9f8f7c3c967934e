/* Users and their passwords, and SCRAM from the server's side: with the vectors of RFC 7677, against the client's
 * library, and with clients that are none. */
#include "crypto/passwords.h"

#include <errno.h>
#include <stdio.h>

#include "core/err.h"
#include "crypto/auth.h"
#include "crypto/base64.h"
#include "crypto/library.h"
#include "tests/test.h"

/* "pencil" in all of them. */
#define VERIFIER	"4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=," \
			"wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define SHA512		"$6$rounds=1000$SeSs0Zc1V6v7Wlcr$CPeHq9JA0Ryl1398kdAMz7MsztX9MTCAOiJ3RTnoZrCkewgzDlriYLBUWYfq9SVyfnzK." \
			"L3YzjP0AlN6RvX8C/"
#define SHA256		"$5$rounds=1000$7SbRdxCXsENH8qrw$.i3/yDqTM1Rqzv4lmLY/if0wHmCoecMV6jdrfenELp5"
#define BLOWFISH	"$2b$04$Un1bwJlfWKm0yLO3.H3L5.RiedOb4Sk1SixjP2BEku.wDKrOE681K"

static int set_up(void **state)
{
	(void)state;
	assert_int_equal(crypto_library_start(), 0);
	return auth_library_start(0);
}

static struct passwords *read_file(const char *text)
{
	char storage[256];
	struct str why = STR(storage);
	struct passwords *p = NULL;

	if (passwords_new(slice_of_str(text), &why, &p) < 0)
		fail_msg("%s", str_cstr(&why));
	return p;
}

static bool may(const struct passwords *p, const char *user, const char *password)
{
	struct password found;

	passwords_find(p, slice_of_str(user), &found);
	return password_matches(&found, password);
}

static void all_schemes_are_known(void **state)
{
	static const char *const secrets[] = {
		"{PLAIN}pencil", "{cleartext}pencil", "{SCRAM-SHA-256}" VERIFIER, "{CRYPT}" SHA512, "{SHA512-CRYPT}" SHA512,
		SHA512, "{SHA256-CRYPT}" SHA256, "{BLF-CRYPT}" BLOWFISH, BLOWFISH, "{PLAIN}pencil:1000:1000::/var/mail/x::",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(secrets); i++) {
		char text[512];

		(void)snprintf(text, sizeof(text), "# users\n\n  \nzoe:{PLAIN}other\r\nuser:%s\nann:{PLAIN}other", secrets[i]);
		struct passwords *p = read_file(text);

		assert_true(may(p, "user", "pencil"));
		assert_false(may(p, "user", "Pencil"));
		assert_false(may(p, "user", "pencil "));
		assert_false(may(p, "user", ""));
		assert_true(may(p, "zoe", "other"));
		assert_true(may(p, "ann", "other"));
		assert_false(may(p, "ann", "pencil"));
		assert_false(may(p, "use", "pencil"));
		assert_false(may(p, "User", "pencil"));
		assert_int_equal(passwords_know_scram(p), i < 3 || i == 9);
		passwords_free(&p);
		assert_null(p);
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const char *const cases[][2] = {
		{ "", "no user" },
		{ "# nobody\n", "no user" },
		{ "a:{PLAIN}b\nuser\n", "line 2: not of the form user:secret" },
		{ ":{PLAIN}b\n", "line 1: not of the form user:secret" },
		{ "a:{PLAIN\n", "line 1: a scheme without '}'" },
		{ "a:{SSHA}xyz\n", "line 1: a scheme that is not known: PLAIN, SCRAM-SHA-256 or CRYPT" },
		{ "a:{PLAIN}\n", "line 1: not a secret of its scheme" },
		{ "a:\n", "line 1: not a secret of its scheme" },
		{ "a:!\n", "line 1: not a secret of its scheme" },
		{ "a:*\n", "line 1: not a secret of its scheme" },
		{ "a:$9$x$y\n", "line 1: not a secret of its scheme" },
		{ "a:{SCRAM-SHA-256}1,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d,wfPL\n", "line 1: not a secret of its scheme" },
		{ "a:{SCRAM-SHA-256}4095" , "line 1: not a secret of its scheme" },
		{ "a:{SCRAM-SHA-256}" VERIFIER ",x\n", "line 1: not a secret of its scheme" },
		{ "b:{PLAIN}x\na:{PLAIN}x\n\nb:{PLAIN}y\n", "line 4: a user of line 1" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char storage[256];
		struct str why = STR(storage);
		struct passwords *p = NULL;

		assert_int_equal(passwords_new(slice_of_str(cases[i][0]), &why, &p), ERR_SYNTAX);
		assert_string_equal(str_cstr(&why), cases[i][1]);
		assert_null(p);
	}
	/* Any verifier that is cut short is none. */
	for (size_t len = 0; len < strlen(VERIFIER); len++) {
		struct scram_verifier v;

		assert_int_equal(scram_verifier_parse(slice_of(VERIFIER, len), &v), ERR_SYNTAX);
	}
}

static void nobody_looks_like_somebody(void **state)
{
	struct passwords *p = read_file("user:{SCRAM-SHA-256}" VERIFIER "\n");
	struct password one, again, other;

	(void)state;
	passwords_find(p, SLICE("nobody"), &one);
	passwords_find(p, SLICE("nobody"), &again);
	passwords_find(p, SLICE("other"), &other);
	assert_int_equal(one.kind, PASSWORD_NOBODY);
	assert_int_equal(one.scram.iterations, 4096);
	assert_int_equal(one.scram.salt_len, 16);
	assert_memory_equal(one.scram.salt, again.scram.salt, 16);
	assert_memory_not_equal(one.scram.salt, other.scram.salt, 16);
	assert_false(password_matches(&one, "pencil"));
	passwords_free(&p);
	p = read_file("user:" SHA512 "\n");
	passwords_find(p, SLICE("nobody"), &one);
	assert_false(password_matches(&one, "pencil"));	/* although it is a hash of it */
	passwords_free(&p);
	passwords_free(&p);
}

/* --- SCRAM ---------------------------------------------------------------------------------------- */

static struct scram_server server;
static char said[1024];

static const char *first(const char *text)
{
	char user[SCRAM_NAME_MAX + 1];
	struct str name = str_over(user, SCRAM_NAME_MAX), out = STR(said);
	struct passwords *p = read_file("user:{SCRAM-SHA-256}" VERIFIER "\na,b=c:{PLAIN}pencil\n");
	struct password found;
	int r = scram_server_first(&server, slice_of_str(text), &name);

	if (r == 0) {
		passwords_find(p, str_slice(&name), &found);
		r = scram_server_challenge(&server, &found.scram, &out);
	}
	passwords_free(&p);
	return r == 0 ? str_cstr(&out) : r == -EPERM ? "not for you" : r == ERR_PROTO ? "bad" : "long";
}

/* The library's own client is the other side. */
static int with_client(const char *user, const char *password, bool bend)
{
	static struct auth client;
	static struct auth_credentials credentials;
	struct auth_peer peer = { .host = SLICE("mx.test"), .port = 587 };
	char texts[4][1024], name[SCRAM_NAME_MAX];
	struct str t[4] = { STR(texts[0]), STR(texts[1]), STR(texts[2]), STR(texts[3]) }, u = STR(name);
	struct passwords *p = read_file("user:{SCRAM-SHA-256}" VERIFIER "\na,b=c:{PLAIN}pencil\n");
	struct password found;
	int r;

	memset(&credentials, 0, sizeof(credentials));
	credentials.user_len = strlen(user);
	memcpy(credentials.user, user, strlen(user));
	credentials.secret.len = strlen(password);
	memcpy(credentials.secret.octets, password, strlen(password));
	assert_int_equal(auth_begin(&client, AUTH_SCRAM_SHA_256, &credentials, &peer, &t[0]), 1);
	assert_int_equal(base64_add_decoded(&t[1], str_slice(&t[0])), 0);
	assert_int_equal(scram_server_first(&server, str_slice(&t[1]), &u), 0);
	assert_true(slice_eq(str_slice(&u), slice_of_str(user)));
	passwords_find(p, str_slice(&u), &found);
	assert_int_equal(scram_server_challenge(&server, &found.scram, &t[2]), 0);
	assert_int_equal(base64_add_encoded(&t[3], str_slice(&t[2])), 0);
	str_clear(&t[0]);
	assert_int_equal(auth_step(&client, str_slice(&t[3]), &t[0]), 0);
	str_clear(&t[1]);
	assert_int_equal(base64_add_decoded(&t[1], str_slice(&t[0])), 0);
	str_clear(&t[2]);
	r = scram_server_final(&server, str_slice(&t[1]), &t[2]);
	if (r == 0) {
		texts[2][2] = (char)(texts[2][2] ^ (bend ? 1 : 0));
		str_clear(&t[3]);
		str_clear(&t[0]);
		assert_int_equal(base64_add_encoded(&t[3], str_slice(&t[2])), 0);
		r = auth_step(&client, str_slice(&t[3]), &t[0]);
	}
	auth_end(&client);
	scram_server_wipe(&server);
	passwords_free(&p);
	return r;
}

static void the_library_s_client_agrees(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		assert_int_equal(with_client("user", "pencil", false), 0);
		assert_int_equal(with_client("a,b=c", "pencil", false), 0);
		assert_int_equal(with_client("user", "Pencil", false), -EKEYREJECTED);
		assert_int_equal(with_client("nobody", "pencil", false), -EKEYREJECTED);
	}
	/* It sees through a server that does not know the secret: our proof is one. */
	assert_true(with_client("user", "pencil", true) < 0);
}

static void first_messages_are_judged(void **state)
{
	static const char *const cases[][2] = {
		{ "n,,n=user,r=abc", "r=abc" },
		{ "y,,n=user,r=abc", "r=abc" },
		{ "n,a=user,n=user,r=abc", "r=abc" },
		{ "n,,n=user,r=abc,x=y", "r=abc" },
		{ "n,,n=a=2Cb=3Dc,r=abc", "r=abc" },
		{ "n,a=other,n=user,r=abc", "not for you" },
		{ "p=tls-unique,,n=user,r=abc", "not for you" },
		{ "n,,m=x,n=user,r=abc", "bad" },
		{ "n,,n=us=er,r=abc", "bad" },
		{ "n,,n=,r=abc", "bad" },
		{ "n,,n=user,r=", "bad" },
		{ "n,,n=user,r=a b", "bad" },
		{ "n,,n=user", "bad" },
		{ "n,,r=abc,n=user", "bad" },
		{ "n,n=user,r=abc", "bad" },
		{ "x,,n=user,r=abc", "bad" },
		{ "", "bad" },
		{ ",,,,,,,,", "bad" },
	};
	static char text[1024];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (strncmp(first(cases[i][0]), cases[i][1], strlen(cases[i][1])) != 0)
			fail_msg("%s: %s", cases[i][0], said);
	(void)snprintf(text, sizeof(text), "n,,n=user,r=%0512d", 1);
	assert_string_equal(first(text), "long");
	(void)snprintf(text, sizeof(text), "n,,n=%0300d,r=x", 1);
	assert_string_equal(first(text), "long");
	(void)snprintf(text, sizeof(text), "n,,n=user,r=%0256d", 1);
	assert_string_equal(first(text), "bad");
	/* The nonce goes on with ours, which is another one each time. */
	char before[1024];

	(void)snprintf(before, sizeof(before), "%s", first("n,,n=user,r=abc"));
	assert_int_equal(strcspn(before, ","), strlen("r=abc") + 24);
	assert_non_null(strstr(before, ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
	assert_string_not_equal(before, first("n,,n=user,r=abc"));
}

static void final_messages_are_judged(void **state)
{
	static const char proof[] = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	static const struct {
		const char *form;
		int result;
	} cases[] = {
		{ "c=biws,%s,p=%s", -EKEYREJECTED },	/* all right, but for the proof */
		{ "c=biws,%s,x=y,p=%s", -EKEYREJECTED },
		{ "c=eSws,%s,p=%s", ERR_PROTO },	/* "y,," */
		{ "c=,%s,p=%s", ERR_PROTO },
		{ "%s,c=biws,p=%s", ERR_PROTO },
		{ "c=biws,%sx,p=%s", ERR_PROTO },
		{ "c=biws,%s,p=x%s", ERR_PROTO },
		{ "c=biws,%s,q=%s", ERR_PROTO },
		{ "c=biws,%s,p=%s,x=y", ERR_PROTO },
		{ "c=biws,%s,p=Zm9v%.0s", ERR_PROTO },
		{ "c=biws,%s%.0s", ERR_PROTO },
		{ "%.0s%.0s", ERR_PROTO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char nonce[128], text[512], reply[256];
		struct str out = STR(reply);

		(void)snprintf(nonce, sizeof(nonce), "%s", first("n,,n=user,r=abc"));
		nonce[strcspn(nonce, ",")] = '\0';
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		(void)snprintf(text, sizeof(text), cases[i].form, nonce, proof);
#pragma GCC diagnostic pop
		if (scram_server_final(&server, slice_of_str(text), &out) != cases[i].result)
			fail_msg("%s", text);
		assert_int_equal(out.len, 0);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a user of each scheme has his password, and no other", all_schemes_are_known),
		CLAIM("a file that is no good says which line, and why", what_is_wrong_is_said),
		CLAIM("who is not there looks like the others", nobody_looks_like_somebody),
		CLAIM("SCRAM: Cyrus SASL's client and our server agree", the_library_s_client_agrees),
		CLAIM("SCRAM: first messages are judged", first_messages_are_judged),
		CLAIM("SCRAM: final messages are judged", final_messages_are_judged),
	};

	return cmocka_run_group_tests_name("crypto/passwords", claims, set_up, NULL);
}
