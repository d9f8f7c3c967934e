/* dnssec_probe: what may be asked, and what is said of the answer. */
#include "net/lookup/dnssec_probe.h"

#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#include "core/err.h"

/* --- a resolver that notes what it is asked -------------------------------------------------------- */

static struct query *asked;
static unsigned questions, lines;
static char said[512];

void resolver_ask(struct resolver *r, struct query *q, enum dns_type type, struct slice name)
{
	(void)r;
	q->type = type;
	q->name = name;
	asked = q;
	questions++;
}

static void hear(void *context, const char *line)
{
	(void)context;
	lines++;
	snprintf(said, sizeof(said), "%s", line);
}

static int setup(void **state)
{
	(void)state;
	asked = NULL;
	questions = lines = 0;
	said[0] = '\0';
	return 0;
}

/* --- claims ---------------------------------------------------------------------------------------- */

static void questions_are_type_and_name(void **state)
{
	static const struct {
		const char *text;
		int result;
		const char *name;
	} cases[] = {
		{ "ns:.", 0, "." },	       { "NS:example.com.", 0, "example.com" }, { "a:example.com", 0, "example.com" },
		{ "soa:se", 0, "se" },	       { "", 0, "" },		       { "ns", ERR_SYNTAX, NULL },
		{ "ns:", ERR_SYNTAX, NULL },   { "mx:.", ERR_SYNTAX, NULL },	       { "ptr:example.com", ERR_SYNTAX, NULL },
		{ ":.", ERR_SYNTAX, NULL },    { "ns:a..b", ERR_SYNTAX, NULL },	       { "ns:..", ERR_SYNTAX, NULL },
	};
	char text[DNSSEC_PROBE_TEXT_MAX + 20] = "a:";
	struct dnssec_probe p;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(dnssec_probe_init(&p, slice_of_str(cases[i].text), hear, NULL), cases[i].result);
		if (cases[i].name != NULL)
			assert_true(slice_eq(p.name, slice_of_str(cases[i].name)));
	}
	for (size_t len = 2; len < sizeof(text); len++) {	/* of any length */
		(void)dnssec_probe_init(&p, slice_of(text, len), hear, NULL);
		text[len] = len % 50 == 49 ? '.' : 'x';
	}
	assert_int_equal(dnssec_probe_init(&p, slice_of(text, sizeof(text)), hear, NULL), ERR_SYNTAX);
}

static void it_is_asked_once_and_told_when_it_fails(void **state)
{
	static struct dns_answer dns;
	static const struct {
		enum answer_class class;
		bool authentic;
		const char *said;
	} cases[] = {
		{ ANSWER_FOUND, true, "" },
		{ ANSWER_FOUND, false,
		  "DNSSEC validation may be unavailable: dnssec_probe ns:.: the answer is not validated" },
		{ ANSWER_RETRY, false, "DNSSEC validation may be unavailable: dnssec_probe ns:.: DNS server failure" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct answer answer = { cases[i].class, "DNS server failure",
					       cases[i].class == ANSWER_FOUND ? &dns : NULL };
		struct dnssec_probe p;

		(void)setup(state);
		dns.authentic = cases[i].authentic;
		assert_int_equal(dnssec_probe_init(&p, SLICE("ns:."), hear, NULL), 0);
		dnssec_probe_begin(&p, NULL);
		dnssec_probe_begin(&p, NULL);
		assert_int_equal(questions, 1);
		assert_int_equal(asked->type, DNS_TYPE_NS);
		asked->fn(asked, &answer);
		dnssec_probe_begin(&p, NULL);
		assert_int_equal(questions, 1);
		assert_string_equal(said, cases[i].said);
		assert_int_equal(lines, cases[i].said[0] != '\0');
	}
}

static void without_a_question_nothing_is_asked(void **state)
{
	struct dnssec_probe p;

	(void)state;
	assert_int_equal(dnssec_probe_init(&p, SLICE(""), hear, NULL), 0);
	dnssec_probe_begin(&p, NULL);
	assert_int_equal(questions, 0);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a question is a type and a name, and nothing else is taken for one", questions_are_type_and_name),
		CLAIM_WITH("it is asked once, and told in one line when it is not validated",
			   it_is_asked_once_and_told_when_it_fails, setup, NULL),
		CLAIM_WITH("an empty value asks nothing", without_a_question_nothing_is_asked, setup, NULL),
	};
	return cmocka_run_group_tests_name("net/lookup/dnssec_probe", claims, NULL, NULL);
}
