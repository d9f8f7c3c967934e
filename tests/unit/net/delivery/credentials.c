/* Who we are for whom: the order of keys, what a table says, what is remembered of refusals. */
#include "net/delivery/credentials.h"

#include "core/err.h"
#include "net/delivery/auth_memory.h"
#include "tests/unit/net/loaded.h"

#define MAPS(pairs) "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = inline:{" pairs "}\n"
#define BY_SENDER "smtp_sender_dependent_authentication = yes\nrecipient_delimiter = +\nmydestination = client.test\n"

struct key_case {
	const char *claim, *conf, *sender, *host, *destination;
	const char *user;	/* NULL: there are none; "!": an error */
	const char *password;
};

static const struct key_case cases[] = {
	{ "case 337: the host first", MAPS("mx1.example.org=h:p example.org=d:p"), "s@client.test", "mx1.example.org",
	  "example.org", "h", "p" },
	{ "case 337: then the destination", MAPS("example.org=d:p"), "s@client.test", "mx1.example.org", "example.org", "d",
	  "p" },
	{ "case 337: as it is written", MAPS("[mx1.example.org]:587=d:p"), "s@client.test", "mx1.example.org",
	  "[mx1.example.org]:587", "d", "p" },
	{ "case 338: another port is another", MAPS("example.org=d:p"), "s@client.test", "mx1.example.org",
	  "example.org:587", NULL, NULL },
	{ "no parent domains", MAPS("example.org=d:p .example.org=e:p"), "s@client.test", "mx1.example.org",
	  "sub.example.org", NULL, NULL },
	{ "case 339: the sender", MAPS("s@client.test=s:p mx1=h:p") BY_SENDER, "s@client.test", "mx1", "example.org", "s",
	  "p" },
	{ "case 339: not the null sender", MAPS("s@client.test=s:p mx1=h:p") BY_SENDER, "", "mx1", "example.org", "h", "p" },
	{ "case 339: not when nobody asks for it", MAPS("s@client.test=s:p mx1=h:p"), "s@client.test", "mx1", "example.org",
	  "h", "p" },
	{ "the sender without extension", MAPS("s@client.test=s:p") BY_SENDER, "s+x@client.test", "mx1", "example.org", "s",
	  "p" },
	{ "the sender's user, whose domain is ours", MAPS("s=s:p") BY_SENDER, "s@client.test", "mx1", "example.org", "s",
	  "p" },
	{ "and not, whose is not", MAPS("s=s:p") BY_SENDER, "s@other.test", "mx1", "example.org", NULL, NULL },
	{ "the sender's domain", MAPS("@client.test=s:p") BY_SENDER, "any@client.test", "mx1", "example.org", "s", "p" },
	{ "case 340: the first colon divides", MAPS("mx1=user:pa:ss"), "", "mx1", "example.org", "user", "pa:ss" },
	{ "case 340: no colon", MAPS("mx1=user"), "", "mx1", "example.org", "user", "" },
	{ "case 340: nothing behind it", MAPS("mx1=user:"), "", "mx1", "example.org", "user", "" },
	{ "case 341: another delimiter", MAPS("mx1=u:x|p") "smtp_sasl_password_result_delimiter = |\n", "", "mx1",
	  "example.org", "u:x", "p" },
	{ "case 342: nobody", MAPS("other=u:p"), "s@client.test", "mx1", "example.org", NULL, NULL },
	{ "case 343: an error", "smtp_sasl_auth_enable = yes\nsmtp_sasl_password_maps = fail:x\n", "", "mx1", "example.org",
	  "!", NULL },
};

static struct loaded *loaded;
static struct table_set *tables;
static struct generic_conf conf;

static void open_conf(const char *text)
{
	loaded = load(text);
	tables = table_set_new();
	assert_string_equal(loaded->said, "");
	assert_int_equal(params_open_tables(&loaded->p, loaded->conf, tables, NULL, NULL), 0);
	conf = (struct generic_conf){ .params = &loaded->p };
}

static void close_conf(void)
{
	params_close_tables(&loaded->p);
	table_set_free(&tables);
	unload(loaded);
}

static struct credentials_peer peer_of(const struct key_case *c)
{
	return (struct credentials_peer){
		slice_of_str(c->sender), slice_of_str(c->host), slice_of_str(c->destination),
	};
}

static void every_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct key_case *c = &cases[i];
		const struct credentials_peer peer = peer_of(c);
		struct auth_credentials found;
		char text[512];
		struct str why = STR(text);

		open_conf(c->conf);
		int r = credentials_find(&conf, &peer, &found, &why);
		int want = c->user == NULL ? 0 : c->user[0] == '!' ? ERR_TABLE : 1;

		if (r != want)
			fail_msg("%s: %d %s", c->claim, r, str_cstr(&why));
		if (r > 0) {
			assert_string_equal(found.user, c->user);
			assert_string_equal(found.secret.octets, c->password);
			assert_int_equal(found.user_len, strlen(c->user));
			assert_int_equal(found.secret.len, strlen(c->password));
		}
		if (r < 0)
			assert_non_null(strstr(str_cstr(&why), "lookup of mx1 failed"));
		close_conf();
	}
}

static struct credentials_id identify(const char *user, const char *password, const char *host)
{
	static const struct credentials_salt salt = { { { 1, 2 }, { 3, 4 }, { 5, 6 } } };
	struct auth_credentials c = { .user_len = strlen(user), .secret = { .len = strlen(password) } };
	struct credentials_id id;

	memcpy(c.user, user, c.user_len);
	memcpy(c.secret.octets, password, c.secret.len);
	credentials_id_of(&c, slice_of_str(host), &salt, &id);
	return id;
}

static void names_tell_who_is_who(void **state)
{
	struct credentials_id a = identify("u", "p", "mx1"), again = identify("u", "p", "mx1");
	struct credentials_id other_host = identify("u", "p", "mx2"), other_password = identify("u", "q", "mx1");
	struct credentials_id shifted = identify("up", "", "mx1"), nobody = { 0 };

	(void)state;
	assert_true(credentials_are_equal(&a, &again) && a.account == again.account);
	assert_true(credentials_are_equal(&a, &other_host) && a.account != other_host.account);
	assert_true(!credentials_are_equal(&a, &other_password) && a.account == other_password.account);
	assert_true(!credentials_are_equal(&a, &shifted));
	assert_true(credentials_are_some(&a) && !credentials_are_some(&nobody));
}

#define S	NS_PER_SEC
#define NO	"535 5.7.8 no"

static void note(struct auth_memory *m, const struct credentials_id *id, uint64_t now_s)
{
	auth_memory_note(m, id, 535, (struct enhanced_code){ 5, 7, 8 }, SLICE(NO), now_s * S);
}

static void refusals_are_remembered(void **state)
{
	static struct auth_memory m;
	struct credentials_id a = identify("u", "p", "mx1"), changed = identify("u", "q", "mx1");

	(void)state;
	assert_int_equal(auth_memory_init(&m), 0);
	assert_null(auth_memory_find(&m, &a, 300 * S, 1000 * S));
	note(&m, &a, 1000);
	const struct auth_refusal *r = auth_memory_find(&m, &a, 300 * S, 1299 * S);

	assert_non_null(r);
	assert_true(slice_eq(slice_of(r->text, r->text_len), SLICE(NO)));
	assert_null(auth_memory_find(&m, &a, 300 * S, 1300 * S));	/* case 364: too old, and forgotten */
	assert_null(auth_memory_find(&m, &a, 300 * S, 1001 * S));
	note(&m, &a, 1000);
	assert_null(auth_memory_find(&m, &changed, 300 * S, 1001 * S));	/* case 364: another password, and forgotten */
	assert_null(auth_memory_find(&m, &a, 300 * S, 1001 * S));
	note(&m, &a, 1000);
	assert_null(auth_memory_find(&m, &a, 0, 1000 * S));
	auth_memory_done(&m);
}

static void the_oldest_refusal_makes_room(void **state)
{
	static struct auth_memory m;
	char host[16];

	(void)state;
	assert_int_equal(auth_memory_init(&m), 0);
	for (unsigned i = 0; i < 2 * AUTH_MEMORY_MAX; i++) {
		(void)snprintf(host, sizeof(host), "mx%u", i);
		struct credentials_id id = identify("u", "p", host);

		note(&m, &id, i);
		note(&m, &id, i);	/* the same again takes no more room */
	}
	struct credentials_id first = identify("u", "p", "mx0"), last = identify("u", "p", host);

	assert_null(auth_memory_find(&m, &first, UINT64_MAX, 5000 * S));
	assert_non_null(auth_memory_find(&m, &last, UINT64_MAX, 5000 * S));
	auth_memory_done(&m);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("sender, host, destination, and what stands there (cases 337-343)", every_key),
		CLAIM("names of credentials differ as they do, and tell nothing else", names_tell_who_is_who),
		CLAIM("a refusal is remembered, until it is old or the password another (case 364, row AUT-07)",
		      refusals_are_remembered),
		CLAIM("of too many refusals the oldest goes", the_oldest_refusal_makes_room),
	};

	return cmocka_run_group_tests_name("net/delivery/credentials", claims, NULL, NULL);
}
