/* What REQUIRETLS means for whom (B 7.10). */
#include "tests/test.h"

#include "net/delivery/requiretls.h"
#include "tests/unit/net/loaded.h"

static const struct policy_case {
	const char *claim, *conf, *domain;
	enum param_requiretls policy;
} cases[] = {
	{ "the default is to insist", "", "other.test", REQUIRETLS_ENFORCE },
	{ "but not with ourselves", "mydomain = home.test\n", "home.test", REQUIRETLS_OPPORTUNISTIC },
	{ "nor below us", "mydomain = home.test\n", "a.b.Home.test", REQUIRETLS_OPPORTUNISTIC },
	{ "nor here", "", "localhost", REQUIRETLS_OPPORTUNISTIC },
	{ "nor with numbers", "", "192.0.2.1", REQUIRETLS_OPPORTUNISTIC },
	{ "of any kind", "", "2001:db8::1", REQUIRETLS_OPPORTUNISTIC },
	{ "a name that ends like ours is not below us", "mydomain = home.test\n", "nothome.test", REQUIRETLS_ENFORCE },
	{ "a word for all", "smtp_requiretls_policy = opportunistic+starttls\n", "example.org", REQUIRETLS_STARTTLS },
	{ "the first that fits", "smtp_requiretls_policy = inline:{{a.test = disable}} opportunistic enforce\n", "a.test",
	  REQUIRETLS_DISABLE },
	{ "in order: a word hides what is behind it", "smtp_requiretls_policy = enforce, inline:{{a.test = disable}}\n",
	  "a.test", REQUIRETLS_ENFORCE },
	{ "the end of the list", "smtp_requiretls_policy = inline:{{a.test = disable}}\n", "b.test", REQUIRETLS_ENFORCE },
	{ "an empty list", "smtp_requiretls_policy =\n", "b.test", REQUIRETLS_ENFORCE },
	{ "case 333: error", "smtp_requiretls_policy = error\n", "a.test", REQUIRETLS_ERROR },
	{ "case 333: a table fails", "smtp_requiretls_policy = fail:x opportunistic\n", "a.test", REQUIRETLS_ERROR },
	{ "case 333: what a table says is no word", "smtp_requiretls_policy = inline:{{a.test = maybe}}\n", "a.test",
	  REQUIRETLS_ERROR },
	{ "a name beyond ASCII is looked for as an A-label",
	  "smtp_requiretls_policy = inline:{{xn--bcher-kva.test = disable}}\n", "b\xc3\xbc" "cher.test", REQUIRETLS_DISABLE },
	{ "words may be written large", "smtp_requiretls_policy = Opportunistic\n", "a.test", REQUIRETLS_OPPORTUNISTIC },
};

static void policies_are_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct loaded *l = load(cases[i].conf);
		struct table_set *tables = table_set_new();

		assert_int_equal(params_open_tables(&l->p, l->conf, tables, NULL, NULL), 0);
		enum param_requiretls policy = requiretls_policy(&l->p, slice_of_str(cases[i].domain));

		if (policy != cases[i].policy)
			fail_msg("%s: %d", cases[i].claim, (int)policy);
		params_close_tables(&l->p);
		table_set_free(&tables);
		unload(l);
	}
}

static void what_is_no_word_is_an_error_at_start(void **state)
{
	struct loaded *l = load("smtp_requiretls_policy = inline:{{a.test = disable}} sometimes\n");
	struct table_set *tables = table_set_new();

	(void)state;
	assert_int_equal(params_open_tables(&l->p, l->conf, tables, NULL, NULL), 1);
	params_close_tables(&l->p);
	table_set_free(&tables);
	unload(l);
}

/* Cases 324, 334 */
static void messages_ask(void **state)
{
	static const struct {
		bool require, optional;
		uint32_t facts;
		enum tls_demand demand;
	} asks[] = {
		{ true, true, 0, TLS_DEMAND_NONE },
		{ true, true, MESSAGE_TLS_OPTIONAL, TLS_DEMAND_LESS },
		{ true, true, MESSAGE_REQUIRETLS, TLS_DEMAND_MORE },
		{ true, true, MESSAGE_REQUIRETLS | MESSAGE_TLS_OPTIONAL, TLS_DEMAND_MORE },
		{ false, true, MESSAGE_REQUIRETLS | MESSAGE_TLS_OPTIONAL, TLS_DEMAND_LESS },
		{ false, false, MESSAGE_REQUIRETLS | MESSAGE_TLS_OPTIONAL, TLS_DEMAND_NONE },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(asks); i++) {
		const struct params p = {
			.requiretls_enable = asks[i].require, .tls_required_enable = asks[i].optional,
		};
		const struct message msg = { .facts = asks[i].facts };

		assert_int_equal(tls_demand_of(&p, &msg), asks[i].demand);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("what REQUIRETLS means is found by domain and address, and errors are none of its meanings",
		      policies_are_found),
		CLAIM("a list of something else is an error at start", what_is_no_word_is_an_error_at_start),
		CLAIM("REQUIRETLS wins over TLS-Required: no, and each can be switched off", messages_ask),
	};
	return cmocka_run_group_tests_name("net/delivery/requiretls", claims, NULL, NULL);
}
