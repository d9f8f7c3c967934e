/* B 7.3, row by row, at both levels and with each smtp_tls_dane_insecure_mx_policy. */
#include "net/delivery/dane_policy.h"

#include "tests/unit/net/loaded.h"

#define DNSSEC "smtp_dns_support_level = dnssec\n"

enum mx_list { NO_LIST, SECURE_LIST, INSECURE_LIST };

static const struct dane_case {
	const char *claim, *conf;
	enum mx_list list;
	int tlsa;			/* a verdict; -1: not asked for */
	enum dane_outcome dane, only;
	bool is_told;			/* at the level dane */
} cases[] = {
	{ "case 300: nobody validates", "", SECURE_LIST, TLSA_USABLE, DANE_FALLS_TO_MAY, DANE_WAITS, true },
	{ "case 300: DNS without validation", "smtp_dns_support_level = enabled\n", NO_LIST, -1, DANE_FALLS_TO_MAY,
	  DANE_WAITS, true },
	{ "case 300: the hosts file only", DNSSEC "smtp_host_lookup = native\n", SECURE_LIST, -1, DANE_FALLS_TO_MAY,
	  DANE_WAITS, true },
	{ "both is enough", DNSSEC "smtp_host_lookup = dns, native\n", SECURE_LIST, TLSA_USABLE, DANE_WHOLE, DANE_WHOLE, false },
	{ "case 300: errors are passed over", DNSSEC "ignore_mx_lookup_error = yes\n", SECURE_LIST, -1, DANE_FALLS_TO_MAY,
	  DANE_WAITS, true },
	{ "search lists", DNSSEC "smtp_dns_resolver_options = res_dnsrch\n", SECURE_LIST, -1, DANE_FALLS_TO_MAY, DANE_WAITS,
	  true },
	{ "no list of digests", DNSSEC "tls_dane_digests = md6\n", SECURE_LIST, -1, DANE_FALLS_TO_MAY, DANE_WAITS, true },
	{ "case 289: list not secure, may", DNSSEC "smtp_tls_dane_insecure_mx_policy = may\n", INSECURE_LIST, -1,
	  DANE_FALLS_TO_MAY, DANE_WAITS, false },
	{ "list not secure, encrypt: it depends", DNSSEC "smtp_tls_dane_insecure_mx_policy = encrypt\n", INSECURE_LIST, -1,
	  DANE_ASK, DANE_WAITS, false },
	{ "case 291: list not secure, dane: it depends", DNSSEC, INSECURE_LIST, -1, DANE_ASK, DANE_WAITS, false },
	{ "not asked yet", DNSSEC, SECURE_LIST, -1, DANE_ASK, DANE_ASK, false },
	{ "case 296: no list", DNSSEC, NO_LIST, -1, DANE_ASK, DANE_ASK, false },
	{ "case 287: nobody knows", DNSSEC, SECURE_LIST, TLSA_UNKNOWN, DANE_WAITS, DANE_WAITS, false },
	{ "nor by a list that is not secure", DNSSEC, INSECURE_LIST, TLSA_UNKNOWN, DANE_WAITS, DANE_WAITS, false },
	{ "case 285: none", DNSSEC, SECURE_LIST, TLSA_NONE, DANE_FALLS_TO_MAY, DANE_WAITS, false },
	{ "none, by a list that is not secure", DNSSEC, INSECURE_LIST, TLSA_NONE, DANE_FALLS_TO_MAY, DANE_WAITS, false },
	{ "case 282: none that can be used", DNSSEC, SECURE_LIST, TLSA_UNUSABLE, DANE_FALLS_TO_ENCRYPT, DANE_WAITS, true },
	{ "the same, list not secure", DNSSEC, INSECURE_LIST, TLSA_UNUSABLE, DANE_FALLS_TO_ENCRYPT, DANE_WAITS, true },
	{ "case 289: list not secure, encrypt", DNSSEC "smtp_tls_dane_insecure_mx_policy = encrypt\n", INSECURE_LIST,
	  TLSA_USABLE, DANE_FALLS_TO_ENCRYPT, DANE_WAITS, false },
	{ "case 289: list not secure, dane", DNSSEC, INSECURE_LIST, TLSA_USABLE, DANE_HALF, DANE_WAITS, false },
	{ "a secure list, whatever the policy", DNSSEC "smtp_tls_dane_insecure_mx_policy = may\n", SECURE_LIST, TLSA_USABLE,
	  DANE_WHOLE, DANE_WHOLE, false },
	{ "no list, whatever the policy", DNSSEC "smtp_tls_dane_insecure_mx_policy = may\n", NO_LIST, TLSA_USABLE, DANE_WHOLE,
	  DANE_WHOLE, false },
};

static void each_row_is_as_it_stands(void **state)
{
	static struct tlsa_lookup tlsa = { .why = "as the test says" };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct dane_case *c = &cases[i];
		struct loaded *l = load(c->conf);
		struct dane_facts facts = { .has_list = c->list != NO_LIST, .list_is_secure = c->list == SECURE_LIST };
		bool is_told, is_told_only;
		const char *why = "";

		tlsa.verdict = c->tlsa < 0 ? TLSA_UNKNOWN : (enum tlsa_verdict)c->tlsa;
		facts.tlsa = c->tlsa < 0 ? NULL : &tlsa;
		enum dane_outcome dane = dane_decide(&l->p, TLS_LEVEL_DANE, &facts, &why, &is_told);

		if (dane != c->dane || is_told != c->is_told || (is_told && why == NULL))
			fail_msg("%s: dane comes to %d", c->claim, (int)dane);
		enum dane_outcome only = dane_decide(&l->p, TLS_LEVEL_DANE_ONLY, &facts, &why, &is_told_only);

		if (only != c->only || (only == DANE_WAITS && why == NULL))
			fail_msg("%s: dane-only comes to %d", c->claim, (int)only);
		unload(l);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("each row is as it stands in B 7.3 (cases 282, 285, 287, 289, 291, 296, 300)", each_row_is_as_it_stands),
	};
	return cmocka_run_group_tests_name("net/delivery/dane_policy", claims, NULL, NULL);
}
