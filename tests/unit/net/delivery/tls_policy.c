/* What is asked of TLS: parameters, the policy table, and the old one (P 3, area I). */
#include "net/delivery/tls_policy.h"

#include "core/err.h"
#include "crypto/library.h"
#include "crypto/tls_dane.h"
#include "tests/unit/net/loaded.h"

#define POLICY(key, value) "smtp_tls_security_level = encrypt\nsmtp_tls_policy_maps = inline:{{" key " = " value "}}\n"
#define SITE(level, pairs) "smtp_tls_security_level = " level "\nsmtp_tls_per_site = inline:{" pairs "}\n"
#define PRINT "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF"
#define STS(pattern) "secure match=mx.example.org servername=hostname policy_type=sts policy_domain=example.org " \
	"mx_host_pattern=" #pattern
#define WAITS ERR_SYNTAX	/* with 4.7.5 */
#define DNSSEC "smtp_dns_support_level = dnssec\n"
#define TLS_POLICY_ASKS	1000	/* tls_policy_find says TLS_POLICY_ASK */

struct policy_case {
	const char *claim, *conf, *hop, *host;
	int level;		/* or an error */
	const char *names;	/* of the check; of an error: what is said */
};

static const struct policy_case cases[] = {
	{ "the global level", "smtp_tls_security_level = encrypt\n", "example.org", "mx.a.example", TLS_LEVEL_ENCRYPT, "" },
	{ "the default", "", "example.org", "mx.a.example", TLS_LEVEL_MAY, "" },
	{ "P 3.1: enforce and the name", "smtp_enforce_tls = yes\n", "example.org", "mx.a.example", TLS_LEVEL_VERIFY,
	  "mx.a.example" },
	{ "P 3.1: enforce without the name", "smtp_enforce_tls = yes\nsmtp_tls_enforce_peername = no\n", "example.org",
	  "mx.a.example", TLS_LEVEL_ENCRYPT, "" },
	{ "P 3.1: use", "smtp_use_tls = yes\n", "example.org", "mx.a.example", TLS_LEVEL_MAY, "" },
	{ "P 3.1: not used", "smtp_use_tls = no\n", "example.org", "mx.a.example", TLS_LEVEL_NONE, "" },
	{ "case 228: secure goes by the next hop", "smtp_tls_security_level = secure\n", "example.org", "mx.other.test",
	  TLS_LEVEL_SECURE, "example.org .example.org" },
	{ "case 229: brackets and port are no part of the name", "smtp_tls_security_level = secure\n",
	  "[mx.example.org]:587", "mx.example.org", TLS_LEVEL_SECURE, "mx.example.org .mx.example.org" },
	{ "case 300: dane without DNSSEC", "smtp_tls_security_level = dane\n", "example.org", "mx.a.example", TLS_LEVEL_MAY,
	  "" },
	{ "case 300: dane-only without DNSSEC", "smtp_tls_security_level = dane-only\n", "example.org", "mx.a.example", WAITS,
	  "smtp_dns_support_level is not dnssec: mx.a.example" },
	{ "dane asks for the records", DNSSEC "smtp_tls_security_level = dane\n", "example.org", "mx.a.example",
	  TLS_POLICY_ASKS, "" },
	{ "also by the table", DNSSEC POLICY("example.org", "dane-only ciphers=high"), "example.org", "mx.a.example",
	  TLS_POLICY_ASKS, "" },
	{ "match has no meaning at dane", DNSSEC POLICY("example.org", "dane match=x"), "example.org", "mx.a.example", WAITS,
	  "no meaning at this level: match" },
	{ "anchor files that could not be read", "smtp_tls_security_level = secure\nsmtp_tls_trust_anchor_file = /a\n",
	  "example.org", "mx.a.example", WAITS, "smtp_tls_trust_anchor_file cannot be used" },
	{ "which do not matter where nobody is asked for", "smtp_tls_trust_anchor_file = /a\n", "example.org", "mx.a.example",
	  TLS_LEVEL_MAY, "" },
	{ "case 254: the key has brackets and port", POLICY("[mx.example.org]:587", "may"), "[mx.example.org]:587",
	  "mx.example.org", TLS_LEVEL_MAY, "" },
	{ "case 254: without the port it is another", POLICY("[mx.example.org]:587", "may"), "[mx.example.org]",
	  "mx.example.org", TLS_LEVEL_ENCRYPT, "" },
	{ "case 255: with a port it is another", POLICY("example.org", "may"), "example.org:587", "mx.example.org",
	  TLS_LEVEL_ENCRYPT, "" },
	{ "case 255: and has no parents", POLICY(".org", "may"), "example.org:587", "mx.example.org", TLS_LEVEL_ENCRYPT, "" },
	{ "case 256: a parent", POLICY(".example.org", "may"), "a.example.org", "mx.a.example", TLS_LEVEL_MAY, "" },
	{ "case 256: a parent's parent", POLICY(".example.org", "may"), "x.a.example.org", "mx.a.example", TLS_LEVEL_MAY, "" },
	{ "case 256: not itself", POLICY(".example.org", "may"), "example.org", "mx.a.example", TLS_LEVEL_ENCRYPT, "" },
	{ "case 257: not by the server's name", POLICY("mx.a.example", "may"), "example.org", "mx.a.example",
	  TLS_LEVEL_ENCRYPT, "" },
	{ "case 258: the table replaces", POLICY("example.org", "may"), "example.org", "mx.a.example", TLS_LEVEL_MAY, "" },
	{ "case 259: unknown attribute", POLICY("example.org", "encrypt protocls=TLSv1.2"), "example.org", "mx.a.example",
	  WAITS, "unknown attribute: protocls" },
	{ "case 259: attribute at the wrong level", POLICY("example.org", "encrypt match=x"), "example.org", "mx.a.example",
	  WAITS, "no meaning at this level: match" },
	{ "case 259: unknown level", POLICY("example.org", "strong"), "example.org", "mx.a.example", WAITS,
	  "unknown level: strong" },
	{ "given twice", POLICY("example.org", "encrypt ciphers=high ciphers=high"), "example.org", "mx.a.example", WAITS,
	  "given twice: ciphers" },
	{ "without a value", POLICY("example.org", "encrypt ciphers="), "example.org", "mx.a.example", WAITS,
	  "without a value: ciphers" },
	{ "no attribute", POLICY("example.org", "encrypt high"), "example.org", "mx.a.example", WAITS, "not name=value: high" },
	{ "a server name that is none", POLICY("example.org", "encrypt servername=a..b"), "example.org", "mx.a.example",
	  WAITS, "not a server name" },
	{ "neither yes nor no", POLICY("example.org", "encrypt connection_reuse=maybe"), "example.org", "mx.a.example",
	  WAITS, "neither yes nor no" },
	{ "tafile is not built yet", POLICY("example.org", "secure tafile=/a"), "example.org", "mx.a.example", WAITS,
	  "not built yet: tafile" },
	{ "case 260: an error of the table", "smtp_tls_policy_maps = fail:x\n", "example.org", "mx.a.example", WAITS,
	  "smtp_tls_policy_maps: lookup of example.org failed" },
	{ "case 261: none, and attributes are ignored", POLICY("example.org", "none ciphers=high"), "example.org",
	  "mx.a.example", TLS_LEVEL_NONE, "" },
	{ "case 262: names of the table alone", POLICY("example.org", "secure match=a.example:.b.example match=c.example"),
	  "example.org", "mx.a.example", TLS_LEVEL_SECURE, "a.example .b.example c.example" },
	{ "words in a match", POLICY("example.org", "verify match=nexthop:hostname:dot-nexthop"), "example.org",
	  "mx.a.example", TLS_LEVEL_VERIFY, "example.org mx.a.example .example.org" },
	{ "braces", POLICY("example.org", "verify { match = a.example }"), "example.org", "mx.a.example", TLS_LEVEL_VERIFY,
	  "a.example" },
	{ "names beyond ASCII", "smtp_tls_security_level = secure\nsmtp_tls_secure_cert_match = nexthop\n",
	  "m\xc3\xbcx.example", "mx.a.example", TLS_LEVEL_SECURE, "xn--mx-xka.example" },
	{ "case 263: the old table is not asked", "smtp_tls_policy_maps = inline:{{a.test = none}}\n"
	  SITE("encrypt", "{example.org = NONE}"), "example.org", "mx.a.example", TLS_LEVEL_ENCRYPT, "" },
	{ "case 264: NONE and MUST", SITE("may", "{example.org = NONE}, {mx.a.example = MUST}"), "example.org",
	  "mx.a.example", TLS_LEVEL_VERIFY, "mx.a.example" },
	{ "case 265: MAY and NONE", SITE("may", "{example.org = MAY}, {mx.a.example = NONE}"), "example.org",
	  "mx.a.example", TLS_LEVEL_NONE, "" },
	{ "case 266: MUST_NOPEERMATCH and MAY", SITE("may", "{example.org = MUST_NOPEERMATCH}, {mx.a.example = MAY}"),
	  "example.org", "mx.a.example", TLS_LEVEL_ENCRYPT, "" },
	{ "case 267: MAY weakens nothing", SITE("encrypt", "{example.org = MAY}"), "example.org", "mx.a.example",
	  TLS_LEVEL_ENCRYPT, "" },
	{ "case 268: NONE does", SITE("verify", "{example.org = none}"), "example.org", "mx.a.example", TLS_LEVEL_NONE, "" },
	{ "case 269: an unknown word", SITE("may", "{example.org = MUSTY}"), "example.org", "mx.a.example", WAITS, "MUSTY" },
	{ "case 270: an error of the table", "smtp_tls_per_site = fail:x\n", "example.org", "mx.a.example", ERR_TABLE,
	  "smtp_tls_per_site: lookup of example.org failed" },
	{ "case 236: no fingerprint", "smtp_tls_security_level = fingerprint\n", "example.org", "mx.a.example", WAITS,
	  "without a fingerprint" },
	{ "a fingerprint that is none", "smtp_tls_security_level = fingerprint\nsmtp_tls_fingerprint_cert_match = AB:CD\n",
	  "example.org", "mx.a.example", WAITS, "without a fingerprint" },
	{ "a fingerprint", POLICY("example.org", "fingerprint match=" PRINT "|" PRINT), "example.org", "mx.a.example",
	  TLS_LEVEL_FINGERPRINT, "" },
	{ "case 304: a host that the policy lists is held against its own name", POLICY("example.org", STS(*.example.org)),
	  "example.org", "mx.example.org", TLS_LEVEL_SECURE, "mx.example.org" },
	{ "case 304: another host", POLICY("example.org", STS(*.example.org)), "example.org", "mx.evil.test", WAITS,
	  "not list: mx.evil.test" },
	{ "case 305: two labels", POLICY("example.org", STS(*.example.org)), "example.org", "a.b.example.org", WAITS, "list" },
	{ "case 305: none", POLICY("example.org", STS(*.example.org)), "example.org", "example.org", WAITS, "list" },
	{ "an exact pattern, among others", POLICY("example.org", STS(*.a.test) " mx_host_pattern=MX.b.test"), "example.org",
	  "mx.b.test", TLS_LEVEL_SECURE, "mx.b.test" },
	{ "patterns are not enforced", "smtp_tls_enforce_sts_mx_patterns = no\n" POLICY("example.org", STS(*.example.org)),
	  "example.org", "mx.evil.test", TLS_LEVEL_SECURE, "mx.example.org" },
	{ "policy attributes need policy_type", POLICY("example.org", "secure mx_host_pattern=a.test"), "example.org", "a.test",
	  WAITS, "without policy_type" },
	{ "policy_type is one of two words", POLICY("example.org", "may policy_type=tlsa"), "example.org", "a.test", WAITS,
	  "cannot have: policy_type" },
	{ "policy_type once", POLICY("example.org", "may policy_type=sts policy_type=sts"), "example.org", "a.test", WAITS,
	  "twice: policy_type" },
	{ "policy_domain is a name", POLICY("example.org", "may policy_type=sts policy_domain=[x]"), "example.org", "a.test",
	  WAITS, "policy_domain" },
	{ "policy_ttl is a number", POLICY("example.org", "may policy_type=sts policy_ttl=1h"), "example.org", "a.test",
	  WAITS, "policy_ttl" },
	{ "policy_failure is one of four words", POLICY("example.org", "may policy_type=sts policy_failure=tlsa-invalid"),
	  "example.org", "a.test", WAITS, "policy_failure" },
	{ "strings with blanks", POLICY("example.org", "may policy_type=no-policy-found policy_ttl=5 "
					"{ policy_string = version: STSv1 } policy_string=x"),
	  "example.org", "a.test", TLS_LEVEL_MAY, "" },
	{ "wrapper mode needs TLS", "smtp_tls_security_level = may\nsmtp_tls_wrappermode = yes\n", "example.org",
	  "mx.a.example", WAITS, "wrappermode" },
};

static struct {
	struct loaded *l;
	struct table_set *tables;
	struct tls_policy policy;
	struct session_tls t;
	char text[512];
	int result;
} it;

static struct tls_context no_anchors;

static void find(const char *conf, const char *hop, const char *host)
{
	struct slice rest = slice_of_str(hop);
	struct destination_name name;
	const char *why;
	const struct nexthop_conf nexthop = { .default_port = 25, .utf8 = true };
	struct str said = STR(it.text);

	it.l = load(conf);
	it.tables = table_set_new();
	assert_non_null(it.tables);
	assert_int_equal(params_open_tables(&it.l->p, it.l->conf, it.tables, NULL, NULL), 0);
	assert_int_equal(nexthop_next(&nexthop, &rest, &name, &why), 1);
	memset(&it.t, 0, sizeof(it.t));
	it.t.context = &no_anchors;
	it.result = tls_policy_find(&it.l->p,
				    &(struct tls_policy_peer){ .text = name.text, .domain = name.host,
							       .host = slice_of_str(host) },
				    &it.policy, &it.t, &said);
	(void)str_cstr(&said);
}

static void forget(void)
{
	params_close_tables(&it.l->p);
	table_set_free(&it.tables);
	unload(it.l);
}

static void levels_are_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct policy_case *c = &cases[i];

		find(c->conf, c->hop, c->host);
		if (c->level < 0 && (it.result != c->level || strstr(it.text, c->names) == NULL))
			fail_msg("%s: %d, \"%s\"", c->claim, it.result, it.text);
		if (c->level == TLS_POLICY_ASKS && it.result != TLS_POLICY_ASK)
			fail_msg("%s: %d, \"%s\"", c->claim, it.result, it.text);
		if (c->level >= 0 && c->level != TLS_POLICY_ASKS && (it.result != 0 || (int)it.t.level != c->level))
			fail_msg("%s: %d, level %d, \"%s\"", c->claim, it.result, (int)it.t.level, it.text);
		if (c->level >= 0 && !slice_eq(it.t.check.names, slice_of_str(c->names)))
			fail_msg("%s: names \"%.*s\"", c->claim, SLICE_FMT(it.t.check.names));
		forget();
	}
}

static void fingerprints_are_kept(void **state)
{
	(void)state;
	find("smtp_tls_security_level = fingerprint\nsmtp_tls_fingerprint_cert_match = " PRINT ", nonsense\n", "example.org",
	     "mx.a.example");
	assert_int_equal(it.result, 0);
	assert_int_equal(it.t.check.print_count, 1);
	assert_int_equal(it.t.check.prints[0].len, 32);
	assert_int_equal(it.t.check.prints[0].octets[1], 0x11);
	forget();
	/* Case 237: TLS is not to be had. */
	find("smtp_tls_security_level = may\nsmtp_tls_fingerprint_digest = nosuch\n", "example.org", "mx.a.example");
	assert_int_equal(it.result, 0);
	assert_null(it.t.context);
	forget();
}

/* Case 253, row TLS-11. */
static void server_names_are_chosen(void **state)
{
	static const struct {
		const char *conf, *hop, *host, *name;
	} names[] = {
		{ "smtp_tls_servername = hostname\n", "example.org", "mx.a.example", "mx.a.example" },
		{ "smtp_tls_servername = hostname\n", "example.org", "mx.a.example.", "mx.a.example" },
		{ "smtp_tls_servername = nexthop\n", "[mx.example.org]:587", "mx.a.example", "mx.example.org" },
		{ "smtp_tls_servername = sni.example\n", "example.org", "mx.a.example", "sni.example" },
		{ "", "example.org", "mx.a.example", "" },
		{ "smtp_tls_servername = hostname\n", "[192.0.2.1]", "192.0.2.1", "" },
		{ "smtp_tls_servername = nexthop\n", "[ipv6:2001:db8::1]", "2001:db8::1", "" },
		{ POLICY("example.org", "verify servername=b.example match=hostname"), "example.org", "mx_1.a.example",
		  "b.example" },
		{ "smtp_tls_servername = hostname\n", "example.org", "mx_1.a.example", "mx_1.a.example" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		find(names[i].conf, names[i].hop, names[i].host);
		assert_int_equal(it.result, 0);
		if (!slice_eq(it.t.servername, slice_of_str(names[i].name)))
			fail_msg("%u: \"%.*s\"", i, SLICE_FMT(it.t.servername));
		forget();
	}
}

/* Cases 243, 244, 245, 251, 252. */
static void versions_and_ciphers_are_chosen(void **state)
{
	static const struct {
		const char *claim, *conf;
		int min, max; /* 0: no session can be made */
		const char *has, *lacks;
	} wishes[] = {
		{ "the default", "", 2, 3, "ECDHE-RSA-AES128-GCM-SHA256", "NULL" },
		{ "case 251", "smtp_tls_security_level = encrypt\nsmtp_tls_mandatory_protocols = >=TLSv1.3\n", 3, 3, "TLS13", "zz" },
		{ "only at its level", "smtp_tls_mandatory_protocols = >=TLSv1.3\n", 2, 3, "TLS13", "zz" },
		{ "up to", "smtp_tls_protocols = <=TLSv1.2\n", 2, 2, "ECDHE", "zz" },
		{ "not this one", "smtp_tls_protocols = !SSLv2, !SSLv3, !TLSv1.3\n", 2, 2, "ECDHE", "zz" },
		{ "these", "smtp_tls_protocols = TLSv1.1, TLSv1.2\n", 2, 2, "ECDHE", "zz" },
		{ "by number", "smtp_tls_protocols = >=0304\n", 3, 3, "TLS13", "zz" },
		{ "empty", "smtp_tls_protocols =\n", 2, 3, "TLS13", "zz" },
		{ "none is left", "smtp_tls_protocols = TLSv1\n", 0, 0, "", "zz" },
		{ "case 252: bogus", "smtp_tls_protocols = bogus\n", 0, 0, "", "zz" },
		{ "case 243: the old list",
		  "smtp_tls_security_level = encrypt\nsmtp_tls_cipherlist = ECDHE-RSA-AES256-GCM-SHA384\n",
		  2, 3, "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128" },
		{ "case 243: not at may", "smtp_tls_cipherlist = ECDHE-RSA-AES256-GCM-SHA384\n", 2, 3, "ECDHE-RSA-AES128", "zz" },
		{ "case 244: mandatory", "smtp_tls_security_level = encrypt\nsmtp_tls_mandatory_exclude_ciphers = AES128\n", 2, 3,
		  "ECDHE-RSA-AES256", "ECDHE-RSA-AES128" },
		{ "case 244: not at may", "smtp_tls_mandatory_exclude_ciphers = AES128\n", 2, 3, "ECDHE-RSA-AES128", "zz" },
		{ "case 244: for both", "smtp_tls_security_level = encrypt\nsmtp_tls_exclude_ciphers = AES128\n", 2, 3,
		  "ECDHE-RSA-AES256", "ECDHE-RSA-AES128" },
		{ "case 245: export is medium", "smtp_tls_ciphers = export\n", 2, 3, "ECDHE-RSA-AES128", "zz" },
		{ "null is nothing", "smtp_tls_ciphers = null\n", 0, 0, "", "zz" },
		{ "case 245: an unknown grade", POLICY("example.org", "encrypt ciphers=hihg"), 0, 0, "", "zz" },
		{ "a table's exclusion replaces",
		  "smtp_tls_exclude_ciphers = AES256\n" POLICY("example.org", "encrypt exclude=AES128"),
		  2, 3, "ECDHE-RSA-AES256", "ECDHE-RSA-AES128" },
		{ "a table's protocols", POLICY("example.org", "encrypt protocols=TLSv1.2"), 2, 2, "ECDHE", "zz" },
		{ "an exclusion with a sign", "smtp_tls_exclude_ciphers = !AES\n", 0, 0, "", "zz" },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(wishes); i++) {
		find(wishes[i].conf, "example.org", "mx.a.example");
		assert_int_equal(it.result, 0);
		tls_policy_finish(&it.l->p, &it.policy, &it.t);
		if (it.t.is_impossible != (wishes[i].min == 0))
			fail_msg("%s: %s", wishes[i].claim, it.t.is_impossible ? "impossible" : "possible");
		if (!it.t.is_impossible &&
		    ((int)it.t.version_min != wishes[i].min || (int)it.t.version_max != wishes[i].max))
			fail_msg("%s: versions %d to %d", wishes[i].claim, it.t.version_min, it.t.version_max);
		if (!it.t.is_impossible &&
		    (strstr(it.t.ciphers, wishes[i].has) == NULL || strstr(it.t.ciphers, wishes[i].lacks) != NULL))
			fail_msg("%s: %s", wishes[i].claim, it.t.ciphers);
		forget();
	}
}

static void sessions_may_be_kept(void **state)
{
	(void)state;
	find("", "example.org", "mx.a.example");
	assert_false(it.policy.reuse);
	forget();
	find("smtp_tls_connection_reuse = yes\n", "example.org", "mx.a.example");
	assert_true(it.policy.reuse);
	forget();
	find(POLICY("example.org", "encrypt connection_reuse=yes"), "example.org", "mx.a.example");
	assert_true(it.policy.reuse);
	forget();
}

static struct tls_key key_of(const char *conf, const struct tls_context *context)
{
	struct tls_key key;

	find(conf, "example.org", "mx.a.example");
	assert_int_equal(it.result, 0);
	if (it.t.context != NULL)
		it.t.context = (struct tls_context *)(uintptr_t)context;
	tls_policy_key(&it.policy, &it.t, &key);
	forget();
	return key;
}

/* Row TLS-09, cases 273, 557: what was asked otherwise, or judged by others, is another's. */
static void keys_tell_policies_apart(void **state)
{
	static const struct tls_context ours = { .id = 1 }, others = { .id = 2 };
	static const struct {
		const char *conf;
		const struct tls_context *context;
	} policies[] = {
		{ "", &ours },
		{ "", &others },
		{ "smtp_tls_fingerprint_digest = nosuch\n", NULL },
		{ "smtp_tls_security_level = encrypt\n", &ours },
		{ "smtp_tls_security_level = verify\n", &ours },
		{ "smtp_tls_security_level = verify\n", &others },
		{ "smtp_tls_security_level = verify\nsmtp_tls_scert_verifydepth = 1\n", &ours },
		{ "smtp_tls_security_level = verify\nsmtp_tls_verify_cert_match = nexthop\n", &ours },
		{ "smtp_tls_security_level = verify\nsmtp_tls_servername = hostname\n", &ours },
		{ "smtp_tls_security_level = verify\nsmtp_tls_servername = nexthop\n", &ours },
		{ "smtp_tls_security_level = encrypt\nsmtp_tls_wrappermode = yes\n", &ours },
		{ "smtp_tls_security_level = fingerprint\nsmtp_tls_fingerprint_cert_match = " PRINT "\n", &ours },
		{ "smtp_tls_security_level = fingerprint\nsmtp_tls_fingerprint_cert_match = " PRINT "\n", &others },
		{ "smtp_tls_security_level = fingerprint\nsmtp_tls_fingerprint_digest = sha1\n"
		  "smtp_tls_fingerprint_cert_match = 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33\n", &ours },
		{ POLICY("example.org", "encrypt ciphers=high"), &ours },
		{ POLICY("example.org", "encrypt exclude=high"), &ours },
		{ POLICY("example.org", "encrypt exclude=AES128"), &ours },
		{ POLICY("example.org", "encrypt protocols=TLSv1.2"), &ours },
		{ POLICY("example.org", "verify match=a.example:b.example"), &ours },
		{ POLICY("example.org", "verify match=a.example servername=b.example"), &ours },
	};
	struct tls_key keys[ARRAY_LEN(policies)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		keys[i] = key_of(policies[i].conf, policies[i].context);
		for (size_t k = 0; k < i; k++)
			if (memcmp(&keys[i], &keys[k], sizeof(keys[i])) == 0)
				fail_msg("%zu and %zu are one", k, i);
		struct tls_key again = key_of(policies[i].conf, policies[i].context);

		assert_memory_equal(&again, &keys[i], sizeof(again));
	}
}

/* Case 274: a session that was judged by other TLSA records is not resumed. */
static void keys_tell_records_apart(void **state)
{
	static const struct tls_context ours = { .id = 1 };
	const struct tls_dane_record server = { .usage = TLS_DANE_SERVER, .matching = TLS_DANE_SHA256, .len = 32 };
	const struct tls_dane_record issuer = { .usage = TLS_DANE_ISSUER, .matching = TLS_DANE_SHA256, .len = 32 };
	const struct tls_dane sets[3] = {
		{ .count = 1, .records = { server }, .data = { 1 } },
		{ .count = 1, .records = { server }, .data = { 2 } },
		{ .count = 1, .records = { issuer }, .data = { 1 } },
	};
	struct tls_key keys[ARRAY_LEN(sets) + 1];

	(void)state;
	find("smtp_tls_security_level = encrypt\n", "example.org", "mx.a.example");
	it.t.context = (struct tls_context *)(uintptr_t)&ours;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		it.t.check.dane = i < ARRAY_LEN(sets) ? &sets[i] : NULL;
		tls_policy_key(&it.policy, &it.t, &keys[i]);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(&keys[i], &keys[k], sizeof(keys[i]));
	}
	forget();
}

/* Case 596. */
static void what_became_of_it_is_said(void **state)
{
	static const struct {
		enum param_tls_level asked, level;
		bool was_on;
		enum session_state failed;
		enum session_tls_trouble trouble;
		const char *words;
	} ends[] = {
		{ TLS_LEVEL_NONE, TLS_LEVEL_NONE, false, SESSION_CLOSED, SESSION_TLS_FINE, "none" },
		{ TLS_LEVEL_NONE, TLS_LEVEL_NONE, false, SESSION_EHLO, SESSION_TLS_FINE, "none" },
		{ TLS_LEVEL_MAY, TLS_LEVEL_MAY, true, SESSION_CLOSED, SESSION_TLS_FINE, "may" },
		{ TLS_LEVEL_MAY, TLS_LEVEL_MAY, false, SESSION_CLOSED, SESSION_TLS_FINE, "may:none" },
		{ TLS_LEVEL_MAY, TLS_LEVEL_NONE, false, SESSION_CLOSED, SESSION_TLS_FINE, "may:none" },
		{ TLS_LEVEL_MAY, TLS_LEVEL_MAY, false, SESSION_GREETING, SESSION_TLS_FINE, "may?" },
		{ TLS_LEVEL_MAY, TLS_LEVEL_MAY, false, SESSION_TLS, SESSION_TLS_HANDSHAKE, "may?" },
		{ TLS_LEVEL_ENCRYPT, TLS_LEVEL_ENCRYPT, false, SESSION_TLS, SESSION_TLS_HANDSHAKE, "!encrypt" },
		{ TLS_LEVEL_ENCRYPT, TLS_LEVEL_ENCRYPT, false, SESSION_EHLO, SESSION_TLS_NOT_OFFERED, "!encrypt" },
		{ TLS_LEVEL_ENCRYPT, TLS_LEVEL_ENCRYPT, false, SESSION_EHLO, SESSION_TLS_FINE, "encrypt?" },
		{ TLS_LEVEL_ENCRYPT, TLS_LEVEL_ENCRYPT, true, SESSION_EHLO, SESSION_TLS_FINE, "encrypt" },
		{ TLS_LEVEL_VERIFY, TLS_LEVEL_VERIFY, true, SESSION_TLS, SESSION_TLS_MISMATCH, "!verify" },
		{ TLS_LEVEL_DANE, TLS_LEVEL_ENCRYPT, true, SESSION_CLOSED, SESSION_TLS_FINE, "dane:encrypt" },
		{ TLS_LEVEL_SECURE, TLS_LEVEL_SECURE, true, SESSION_CLOSED, SESSION_TLS_FINE, "secure" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char text[40];
		struct str s = STR(text);

		it.t.asked = ends[i].asked;
		it.t.level = ends[i].level;
		it.t.was_on = ends[i].was_on;
		tls_policy_status(&it.t, ends[i].failed, ends[i].trouble, &s);
		assert_string_equal(str_cstr(&s), ends[i].words);
		s = STR(text);
		tls_policy_status(NULL, ends[i].failed, ends[i].trouble, &s);
		assert_string_equal(str_cstr(&s), "none");
	}
}

/* Case 247 */
static void log_levels_are_understood(void **state)
{
	static const struct {
		const char *value;
		bool summary, certificate, cache;
	} values[] = {
		{ "0", false, false, false }, { "1", true, false, false }, { "2", true, true, true },
		{ "4", true, true, true }, { "none", false, false, false }, { "summary", true, false, false },
		{ "routine,certmatch", true, true, false }, { "cache", false, false, true }, { "verbose", true, true, true },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		char text[64];

		(void)snprintf(text, sizeof(text), "smtp_tls_loglevel = %s\n", values[i].value);
		find(text, "example.org", "mx.a.example");
		assert_int_equal(it.t.log_summary, values[i].summary);
		assert_int_equal(it.t.log_certificate, values[i].certificate);
		assert_int_equal(it.t.log_cache, values[i].cache);
		forget();
	}
}

/* Case 307 */
static void a_policy_may_fail(void **state)
{
	(void)state;
	find(POLICY("example.org", STS(*.example.org) " policy_failure=sts-webpki-invalid"), "example.org", "mx.example.org");
	assert_int_equal(it.result, 0);
	assert_int_equal(it.t.failure, TLSRPT_STS_WEBPKI_INVALID);
	assert_int_equal(it.policy.sts.type, TLSRPT_STS);
	assert_true(slice_eq(it.policy.sts.domain, SLICE("example.org")));
	forget();
}

static int start(void **state)
{
	(void)state;
	return crypto_library_start();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("levels and names are found, and what is not understood never weakens", levels_are_found),
		CLAIM("fingerprints are kept", fingerprints_are_kept),
		CLAIM("the name for SNI is chosen", server_names_are_chosen),
		CLAIM("versions and ciphers are chosen, or no session can be made", versions_and_ciphers_are_chosen),
		CLAIM("sessions may be kept, or not", sessions_may_be_kept),
		CLAIM("a policy may say that it has failed", a_policy_may_fail),
		CLAIM("keys tell policies apart", keys_tell_policies_apart),
		CLAIM("and what DNS says of a server", keys_tell_records_apart),
		CLAIM("what became of it is said in the log", what_became_of_it_is_said),
		CLAIM("log levels are understood", log_levels_are_understood),
	};
	return cmocka_run_group_tests_name("net/delivery/tls_policy", claims, start, NULL);
}
