/* Which questions are asked for a host, and what their answers come to (B 7.3, RFC 7672 2.2.2; rows DNS-10..14). */
#include "net/lookup/tlsa.h"

#include <stdio.h>

#include "tests/test.h"

/* --- a resolver that says what the test wants --------------------------------------------------- */

#define SHA256_RDATA "\3\1\1" "0123456789abcdef0123456789abcdef"

struct said {
	const char *question;		/* "TLSA _25._tcp.a.test" */
	enum answer_class class;
	bool authentic;
	const char *rdata;
};

static const struct said *said;		/* up to one without a question */
static char asked[512];
static struct query *waiting;
static struct slice waiting_for;
static enum dns_type waiting_type;
static struct task *posted;
static struct tlsa_lookup lookup;
static unsigned answers;

void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name)
{
	(void)r;
	assert_null(waiting);
	waiting = q;
	waiting_for = name;
	waiting_type = type;
	size_t len = strlen(asked);

	(void)snprintf(asked + len, sizeof(asked) - len, "%s %.*s;", type == DNS_TYPE_TLSA ? "TLSA" : "CNAME",
		       SLICE_FMT(name));
}

void resolver_cancel(struct query *q)
{
	assert_ptr_equal(q, waiting);
	waiting = NULL;
}

void __wrap_reactor_post(struct task *task);
void __wrap_reactor_unpost(struct task *task);

void __wrap_reactor_post(struct task *task)
{
	assert_null(posted);
	posted = task;
}

void __wrap_reactor_unpost(struct task *task)
{
	assert_ptr_equal(task, posted);
	posted = NULL;
}

static void answer(void)
{
	static struct dns_answer dns;
	struct answer a = { .class = ANSWER_NOT_FOUND, .why = "no such name" };
	struct query *q = waiting;
	char question[320];

	(void)snprintf(question, sizeof(question), "%s %.*s", waiting_type == DNS_TYPE_TLSA ? "TLSA" : "CNAME",
		       SLICE_FMT(waiting_for));
	dns_answer_start(&dns, waiting_for);
	for (const struct said *s = said; s->question != NULL; s++) {
		if (strcmp(s->question, question) != 0)
			continue;
		a = (struct answer){ .class = s->class, .why = "as the test says" };
		dns.authentic = s->authentic;
		if (s->class != ANSWER_FOUND)
			continue;
		a.dns = &dns;
		dns_answer_add(&dns, &(struct dns_record){ 0 }, slice_of_str(s->rdata));
	}
	waiting = NULL;
	q->fn(q, &a);
}

static void on_told(struct tlsa_lookup *l)
{
	assert_ptr_equal(l, &lookup);
	answers++;
}

static struct tlsa_conf conf;

static void start(const char *owner, bool is_secure)
{
	const struct tlsa_host host = {
		.name = SLICE("a.test"), .owner = slice_of_str(owner), .is_secure = is_secure, .port = 25,
	};

	asked[0] = '\0';
	answers = 0;
	tlsa_lookup_init(&lookup);
	tlsa_lookup_start(&lookup, &conf, &host, on_told);
	assert_int_equal(answers, 0);		/* never inside */
}

static void run(void)
{
	while (waiting != NULL)
		answer();
	assert_non_null(posted);
	struct task *task = posted;

	posted = NULL;
	task->fn(task);
	assert_int_equal(answers, 1);
}

/* --- claims ------------------------------------------------------------------------------------- */

#define GOOD(name)	{ "TLSA _25._tcp." name, ANSWER_FOUND, true, SHA256_RDATA }
#define UNSIGNED(name)	{ "TLSA _25._tcp." name, ANSWER_FOUND, false, SHA256_RDATA }
#define USELESS(name)	{ "TLSA _25._tcp." name, ANSWER_FOUND, true, "\1\1\1" "0123456789abcdef0123456789abcdef" }
#define CLASS(name, c)	{ "TLSA _25._tcp." name, c, true, NULL }
#define ALIAS(c, signed) { "CNAME a.test", c, signed, "x" }

static const struct tlsa_case {
	const char *claim;
	const char *owner;
	bool is_secure, is_forced;
	struct said said[3];
	enum tlsa_verdict verdict;
	const char *base, *asked;
} cases[] = {
	{ "a host", "", true, false, { GOOD("a.test") }, TLSA_USABLE, "a.test", "TLSA _25._tcp.a.test;" },
	{ "case 285: it has none", "", true, false, { { 0 } }, TLSA_NONE, "", "TLSA _25._tcp.a.test;" },
	{ "case 286: not secure", "", true, false, { UNSIGNED("a.test") }, TLSA_NONE, "", "TLSA _25._tcp.a.test;" },
	{ "case 282: none that can be used", "", true, false, { USELESS("a.test") }, TLSA_UNUSABLE, "a.test",
	  "TLSA _25._tcp.a.test;" },
	{ "case 287: a failure", "", true, false, { CLASS("a.test", ANSWER_RETRY) }, TLSA_UNKNOWN, "", "TLSA _25._tcp.a.test;" },
	{ "a failure for good", "", true, false, { CLASS("a.test", ANSWER_FAIL) }, TLSA_UNKNOWN, "", "TLSA _25._tcp.a.test;" },
	{ "no name for DNS", "", true, false, { CLASS("a.test", ANSWER_INVALID) }, TLSA_NONE, "", "TLSA _25._tcp.a.test;" },
	{ "case 292: addresses not secure", "", false, false, { GOOD("a.test") }, TLSA_NONE, "", "" },
	{ "case 292: unless forced", "", false, true, { GOOD("a.test") }, TLSA_USABLE, "a.test", "TLSA _25._tcp.a.test;" },
	{ "case 293: an alias, by its end", "b.test", true, false, { GOOD("b.test"), GOOD("a.test") }, TLSA_USABLE, "b.test",
	  "TLSA _25._tcp.b.test;" },
	{ "case 293: or by its own name", "b.test", true, false, { GOOD("a.test") }, TLSA_USABLE, "a.test",
	  "TLSA _25._tcp.b.test;TLSA _25._tcp.a.test;" },
	{ "row DNS-14: not secure at its end", "b.test", true, false, { UNSIGNED("b.test"), GOOD("a.test") }, TLSA_USABLE,
	  "a.test", "TLSA _25._tcp.b.test;TLSA _25._tcp.a.test;" },
	{ "row DNS-10: a failure at its end is no none", "b.test", true, false,
	  { CLASS("b.test", ANSWER_RETRY), GOOD("a.test") }, TLSA_UNKNOWN, "", "TLSA _25._tcp.b.test;" },
	{ "nothing to use at its end is no none", "b.test", true, false, { USELESS("b.test"), GOOD("a.test") }, TLSA_UNUSABLE,
	  "b.test", "TLSA _25._tcp.b.test;" },
	{ "case 294: a secure alias to what is not", "b.test", false, false, { ALIAS(ANSWER_FOUND, true), GOOD("a.test") },
	  TLSA_USABLE, "a.test", "CNAME a.test;TLSA _25._tcp.a.test;" },
	{ "case 294: neither is secure", "b.test", false, false, { ALIAS(ANSWER_FOUND, false), GOOD("a.test") }, TLSA_NONE, "",
	  "CNAME a.test;" },
	{ "it is an alias no more", "b.test", false, false, { GOOD("a.test") }, TLSA_NONE, "", "CNAME a.test;" },
	{ "row DNS-14: whether it is an alias is not known", "b.test", false, false,
	  { ALIAS(ANSWER_RETRY, true), GOOD("a.test") }, TLSA_UNKNOWN, "", "CNAME a.test;" },
	{ "an alias, not secure, forced", "b.test", false, true, { GOOD("b.test"), GOOD("a.test") }, TLSA_USABLE, "a.test",
	  "TLSA _25._tcp.a.test;" },
};

static void questions_and_answers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		const struct tlsa_case *c = &cases[i];
		struct said table[4] = { c->said[0], c->said[1], c->said[2], { 0 } };

		said = table;
		conf.force_insecure_host = c->is_forced;
		start(c->owner, c->is_secure);
		run();
		if (lookup.verdict != c->verdict || strcmp(asked, c->asked) != 0)
			fail_msg("%s: %d, asked %s", c->claim, (int)lookup.verdict, asked);
		if (c->base[0] != '\0' && !slice_eq(lookup.base, slice_of_str(c->base)))
			fail_msg("%s: base %.*s", c->claim, SLICE_FMT(lookup.base));
		if (c->verdict == TLSA_USABLE)
			assert_int_equal(lookup.dane.count, 1);
	}
	conf.force_insecure_host = false;
}

static void whoever_cancels_hears_nothing(void **state)
{
	static const struct said nothing = { 0 };

	(void)state;
	said = &nothing;
	start("", true);
	tlsa_lookup_cancel(&lookup);
	assert_null(waiting);
	start("b.test", false);
	tlsa_lookup_cancel(&lookup);
	assert_null(waiting);
	start("", false);
	assert_non_null(posted);
	tlsa_lookup_cancel(&lookup);
	assert_null(posted);
	start("", true);
	answer();
	tlsa_lookup_cancel(&lookup);
	tlsa_lookup_cancel(&lookup);
	assert_null(posted);
	assert_int_equal(answers, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("each host is asked about as it may be (rows DNS-10, DNS-11, DNS-14, cases 292-294)", questions_and_answers),
		CLAIM("whoever cancels hears nothing", whoever_cancels_hears_nothing),
	};
	assert_int_equal(tls_dane_digests_parse(SLICE("sha512 sha256"), &conf.digests), 0);
	return cmocka_run_group_tests_name("net/lookup/tlsa", claims, NULL, NULL);
}
