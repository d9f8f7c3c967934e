#include "tests/test.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/conf.h"

/* Everything a conf said, one line each. */
struct said {
	char text[16384];
	unsigned lines;
};

static void hear(const char *line, void *context)
{
	struct said *said = context;
	size_t len = strlen(said->text);

	/* a cut one fails its comparison */
	(void)snprintf(said->text + len, sizeof(said->text) - len, "%s\n", line);
	said->lines++;
}

static const char *some_defaults(struct slice name, void *context)
{
	(void)context;
	if (slice_eq(name, SLICE("smtp_fallback_relay")))
		return "$fallback_relay";
	if (slice_eq(name, SLICE("limit")))
		return "$default_limit";
	if (slice_eq(name, SLICE("limit_of_limit")))
		return "$limit";
	if (slice_eq(name, SLICE("default_limit")))
		return "20";
	if (slice_eq(name, SLICE("smtp_connect_timeout")))
		return "30s";
	return NULL;
}

static struct conf *conf_of(const char *text)
{
	struct conf *c = conf_new(some_defaults, NULL);

	assert_non_null(c);
	conf_read_text(c, "main.cf", slice_of_str(text));
	return c;
}

static void assert_errors(struct conf *c, const char *expected)
{
	struct said said = { .lines = 0 };

	conf_errors(c, hear, &said);
	assert_string_equal(said.text, expected);
	assert_int_equal(conf_error_count(c), said.lines);
}

struct value_case {
	const char *claim;
	const char *text;	/* defines v */
	const char *value;	/* of v; NULL: v is unknown */
	const char *error;	/* the one line, or NULL */
};

static void check_values(const struct value_case *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct value_case *vc = &cases[i];
		char expected[1024] = "";
		struct conf *c = conf_of(vc->text);
		const char *value = conf_get(c, "v");

		if (vc->error != NULL)
			(void)snprintf(expected, sizeof(expected), "%s\n", vc->error);	/* fits: our own text */
		struct said said = { .lines = 0 };

		conf_errors(c, hear, &said);
		if (strcmp(said.text, expected) != 0 || (value == NULL) != (vc->value == NULL) ||
		    (value != NULL && strcmp(value, vc->value) != 0))
			fail_msg("%s: value <%s>, said <%s>", vc->claim, value != NULL ? value : "(none)", said.text);
		conf_free(&c);
		assert_null(c);
	}
}

static void logical_lines(void **state)
{
	static const struct value_case cases[] = {
		{ "a definition needs no blanks", "v=x", "x", NULL },
		{ "blanks around name and value go", "v \t =\t  x y \t\n", "x y", NULL },
		{ "a value may be empty", "v =\n", "", NULL },
		{ "a value may hold equals signs", "v = a=b=c\n", "a=b=c", NULL },
		{ "quotes are ordinary", "v = \"x\"\n", "\"x\"", NULL },
		{ "a hash inside a line is ordinary", "v = x # y\n", "x # y", NULL },
		{ "CRLF ends lines, too", "v = x\r\n y\r\n", "x y", NULL },
		{ "a continued value is joined by one space", "v = x  \n\t  y\n", "x y", NULL },
		{ "case 6: a comment between continued lines is ignored", "v = x\n# no\n  y\n", "x y", NULL },
		{ "an indented comment is one, too", "v = x\n   # no\n  y\n", "x y", NULL },
		{ "blank lines between continued lines are ignored", "v = x\n\n \t \n  y\n", "x y", NULL },
		{ "a value may begin on the second line", "v =\n  y\n", "y", NULL },
		{ "even the equals sign may be there", "v\n  = y\n", "y", NULL },
		{ "nothing is no definition", "", NULL, NULL },
		{ "comments alone are no definition", "# a\n\n#b", NULL, NULL },
		{ "the last of two definitions wins", "v = x\nv = y\n", "y", NULL },
		{ "names are case sensitive", "V = x\n", NULL, NULL },
		{ "a line without '=' is an error, and only it", "nonsense\nv = x\n", "x",
		  "main.cf:1: nonsense: no '=' here; expected name = value" },
		{ "an empty name is an error", "= x\n", NULL,
		  "main.cf:1: not a parameter name; expected letters, digits, '_', '-' and '.' before the '='" },
		{ "a name with a blank is an error", "\nv w = x\n", NULL,
		  "main.cf:2: v w: not a parameter name; expected letters, digits, '_', '-' and '.' before the '='" },
		{ "white space with nothing to continue is an error", "\n v = x\n", NULL,
		  "main.cf:2: v = x: white space in front continues nothing; expected name = value at the beginning of "
		  "the line" },
		{ "control characters in a message become question marks", "a\033[2Jb\n", NULL,
		  "main.cf:1: a?[2Jb: no '=' here; expected name = value" },
		{ "an error names the first line of its value", "#\nv = x\n y $\n z\n", "",
		  "main.cf:2: v = x y $ z: a $ without a name; expected $name, ${name}, or $$ for the character itself" },
	};

	(void)state;
	check_values(cases, ARRAY_LEN(cases));
}

#define A_BRACKET ": a bracket after $ is never closed; expected ${name} or $(name)"
#define A_BRACE ": a brace is never closed; expected ${name?{a}:{b}}"
#define A_TEST ": a comparison that cannot be read; expected ${{x} == {y} ? {a} : {b}}, or != < <= > >= for =="

static void dollars(void **state)
{
	static const struct value_case cases[] = {
		{ "case 7: choices by an undefined name", "v = $b\nb = ${c?x}${c:y}\n", "y", NULL },
		{ "case 7: two dollars are one", "v = a$$b$$$$\n", "a$b$$", NULL },
		{ "what $$ gives is not looked at again", "v = $$b\nb = x\n", "$b", NULL },
		{ "what a name gives is not looked at again", "v = $b\nb = $$c\nc = x\n", "$c", NULL },
		{ "the three forms of a name are one", "v = $b-${b}-$(b)\nb = x\n", "x-x-x", NULL },
		{ "blanks inside the brackets of a name go", "v = ${ b }$( b )\nb = x\n", "xx", NULL },
		{ "a bare name ends before a dot or a dash", "v = $b.$b-\nb = x\n", "x.x-", NULL },
		{ "a bracketed name may hold dots and dashes", "v = ${a-b.c}\na-b.c = x\n", "x", NULL },
		{ "an undefined name is empty", "v = <$a${a}$(a)>\n", "<>", NULL },
		{ "a bare name before a brace is a name", "v = $b{x}\nb = y\n", "y{x}", NULL },
		{ "order of definition does not matter", "b = x\nv = $b\nb = y\n", "y", NULL },
		{ "defaults take part", "v = $default_limit,$limit\n", "20,20", NULL },
		{ "? takes the value when the name has one", "v = ${b?x y}\nb = 1\n", "x y", NULL },
		{ "? takes nothing when the name is empty", "v = ${b?x}\nb =\n", "", NULL },
		{ ": takes nothing when the name has a value", "v = ${b:x}\nb = 1\n", "", NULL },
		{ "parentheses choose, too", "v = $(b?x)$(c:y)\nb = 1\n", "xy", NULL },
		{ "a choice without braces keeps its blanks and colons", "v = <${b? x:y }>\nb = 1\n", "< x:y >",
		  NULL },
		{ "a choice in braces", "v = ${b?{x}}${c:{y}}\nb = 1\n", "xy", NULL },
		{ "both arms, first", "v = ${b?{x}:{y}}\nb = 1\n", "x", NULL },
		{ "both arms, second", "v = ${b?{x}:{y}}\n", "y", NULL },
		{ "the second arm may go without braces", "v = ${b?{x}:y}\n", "y", NULL },
		{ "blanks around braces have no meaning", "v = ${b ? {x} : {y} }\n", "y", NULL },
		{ "blanks inside braces have", "v = <${b?{x}:{ y }}>\n", "< y >", NULL },
		{ "an arm may be empty", "v = <${b?{}:{}}>\n", "<>", NULL },
		{ "arms are expanded", "v = ${b?{$b}:{$c}}\nb = x\n", "x", NULL },
		{ "arms may hold choices", "v = ${b?{${c?{1}:{2}}}:{${c?{3}:{4}}}}\nc = x\n", "3", NULL },
		{ "a choice in a chosen name", "v = ${b?${c?${d?deep}}}\nb = 1\nc = 1\nd = 1\n", "deep", NULL },
		{ "the arm not taken is not looked at", "v = ${b?{$v}:{x}}\n", "x", NULL },
		{ "ternaries over lines", "v = ${b\n  ?{x}\n  # why\n  :{y}}\n", "y", NULL },
		{ "a text that is already ASCII is its own A-label", "v = ${domain_to_ascii{$b.org}}\nb = ex\n",
		  "ex.org", NULL },

		{ "a name broken elsewhere is reported there only", "v = $b\nb = $\n", "",
		  "main.cf:2: b = $: a $ without a name; expected $name, ${name}, or $$ for the character itself" },
		{ "a $ at the end", "v = a$\n", "",
		  "main.cf:1: v = a$: a $ without a name; expected $name, ${name}, or $$ for the character itself" },
		{ "a $ before something else", "v = $-\n", "",
		  "main.cf:1: v = $-: a $ without a name; expected $name, ${name}, or $$ for the character itself" },
		{ "an open brace", "v = ${b\n", "", "main.cf:1: v = ${b" A_BRACKET },
		{ "an open parenthesis", "v = $(b\n", "", "main.cf:1: v = $(b" A_BRACKET },
		{ "an inner open brace", "v = ${b?{x}\n", "", "main.cf:1: v = ${b?{x}" A_BRACKET },
		{ "a brace that a parenthesis cuts off", "v = $(b?{x)\n", "", "main.cf:1: v = $(b?{x)" A_BRACE },
		{ "an empty pair of braces", "v = ${}\n", "",
		  "main.cf:1: v = ${}: no parameter name after the opening bracket; expected ${name}, ${name?{a}:{b}} or "
		  "${{x} == {y} ? {a} : {b}}" },
		{ "text behind a name", "v = ${b c}\n", "",
		  "main.cf:1: v = ${b c}: text after a parameter name; expected ${name}, ${name?value} or ${name:value}" },
		{ "text behind an arm", "v = ${b?{x}y}\n", "",
		  "main.cf:1: v = ${b?{x}y}: text after a closing brace; expected ${name?{a}:{b}} or ${name:{b}}" },
		{ "a second arm behind ':'", "v = ${b:{x}:{y}}\n", "",
		  "main.cf:1: v = ${b:{x}:{y}}: text after a closing brace; expected ${name?{a}:{b}} or ${name:{b}}" },
		{ "text behind the second arm", "v = ${b?{x}:{y}z}\n", "",
		  "main.cf:1: v = ${b?{x}:{y}z}: the second arm of a choice does not end at its brace; expected "
		  "${name?{a}:{b}}" },
		{ "an unknown function", "v = ${f{x}}\n", "",
		  "main.cf:1: v = ${f{x}}: a function that does not exist; expected ${domain_to_ascii{text}}" },
		{ "a name beyond ASCII",
		  "v = ${domain_to_ascii{b\xc3\xbc"
		  "cher.example}}\n",
		  "",
		  "main.cf:1: v = ${domain_to_ascii{b\xc3\xbc"
		  "cher.example}}: domain_to_ascii of a name that is not ASCII; "
		  "expected the name in its xn-- form" },
	};

	(void)state;
	check_values(cases, ARRAY_LEN(cases));
}

static void comparisons(void **state)
{
	static const struct value_case cases[] = {
		{ "equal", "v = ${{x} == {x} ? {a} : {b}}\n", "a", NULL },
		{ "not equal", "v = ${{x} == {y} ? {a} : {b}}\n", "b", NULL },
		{ "blanks may be left out", "v = ${{x}!={y}?{a}:{b}}\n", "a", NULL },
		{ "blanks inside count", "v = ${{x } == {x} ? {a} : {b}}\n", "b", NULL },
		{ "both sides are expanded", "v = ${{$b} == {x$c} ? {a} : {b}}\nb = x1\nc = 1\n", "a", NULL },
		{ "only ':'", "v = ${{x} == {y} : {b}}\n", "b", NULL },
		{ "only '?'", "v = <${{x} == {y} ? {a}}>\n", "<>", NULL },
		{ "numbers compare as numbers", "v = ${{9} < {10} ? {a} : {b}}\n", "a", NULL },
		{ "zeros in front do not count", "v = ${{010} == {10} ? {a} : {b}}\n", "a", NULL },
		{ "numbers of any length",
		  "v = ${{99999999999999999999998} < {99999999999999999999999} ? {a} : {b}}\n", "a", NULL },
		{ "all zeros are one zero", "v = ${{0000} >= {0} ? {a} : {b}}\n", "a", NULL },
		{ "other text compares as text", "v = ${{9x} < {10} ? {a} : {b}}\n", "b", NULL },
		{ "an empty side is text", "v = ${{} < {0} ? {a} : {b}}\n", "a", NULL },
		{ "nothing is equal to nothing", "v = ${{$x} == {} ? {a} : {b}}\n", "a", NULL },
		{ "a prefix is less", "v = ${{ab} < {abc} ? {a} : {b}}\n", "a", NULL },
		{ "<= at the border", "v = ${{5} <= {5} ? {a} : {b}}\n", "a", NULL },
		{ "<= beyond", "v = ${{6} <= {5} ? {a} : {b}}\n", "b", NULL },
		{ "> at the border", "v = ${{5} > {5} ? {a} : {b}}\n", "b", NULL },
		{ "> beyond", "v = ${{6} > {5} ? {a} : {b}}\n", "a", NULL },
		{ ">= below", "v = ${{4} >= {5} ? {a} : {b}}\n", "b", NULL },
		{ "a test inside a test", "v = ${{${{1}<{2}?{x}}} == {x} ? {a} : {b}}\n", "a", NULL },
		{ "text around a test stays", "v = <${{1} < {2} ? {a} : {b}}>\n", "<a>", NULL },
		{ "no operator", "v = ${{x} {y} ? {a} : {b}}\n", "", "main.cf:1: v = ${{x} {y} ? {a} : {b}}" A_TEST },
		{ "a single '='", "v = ${{x} = {y} ? {a} : {b}}\n", "",
		  "main.cf:1: v = ${{x} = {y} ? {a} : {b}}" A_TEST },
		{ "no right side", "v = ${{x} == ? {a} : {b}}\n", "", "main.cf:1: v = ${{x} == ? {a} : {b}}" A_TEST },
		{ "no arms", "v = ${{x} == {y}}\n", "", "main.cf:1: v = ${{x} == {y}}" A_TEST },
		{ "a left side that swallows the rest", "v = $({x)\n", "", "main.cf:1: v = $({x)" A_TEST },
	};

	(void)state;
	check_values(cases, ARRAY_LEN(cases));
}

static void cycles(void **state)
{
	static const struct value_case cases[] = {
		{ "a value that names itself", "v = x$v\n", "",
		  "main.cf:1: v = x$v: refers to itself: v -> v; expected a value that does not lead back to its own name" },
		{ "a longer way round", "b = ${c?1}\nc = $v\nv = $(b)\n", "",
		  "main.cf:3: v = $(b): refers to itself: v -> b -> c -> v; expected a value that does not lead back to its "
		  "own name" },
		{ "a cycle that v only leads to", "v = $b\nb = $c\nc = $b\n", "",
		  "main.cf:2: b = $c: refers to itself: b -> c -> b; expected a value that does not lead back to its own name" },
		{ "a cycle in the arm not taken does no harm", "v = ${v_off?$v}x\n", "x", NULL },
	};

	(void)state;
	check_values(cases, ARRAY_LEN(cases));

	struct conf *c = conf_of("a = $b\nb = $a\nv = $a\n");

	assert_string_equal(conf_get(c, "v"), "");
	assert_string_equal(conf_get(c, "a"), "");
	assert_string_equal(conf_get(c, "b"), "");
	assert_int_equal(conf_error_count(c), 1);
	conf_override(c, "b=x");
	assert_string_equal(conf_get(c, "v"), "x");
	conf_free(&c);
}

static void expansion_is_bounded(void **state)
{
	struct conf *c = conf_new(NULL, NULL);
	char text[128];

	(void)state;
	/* v0 = 16 octets, each further one twice the one before: v12 is 64 KiB, v13 is too long, v14 and on need it. */
	conf_read_text(c, "main.cf", SLICE("v0 = 0123456789abcdef\n"));
	for (int i = 1; i < 30; i++) {
		(void)snprintf(text, sizeof(text), "v%d = $v%d$v%d\n", i, i - 1, i - 1);	/* fits */
		conf_read_text(c, "main.cf", slice_of_str(text));
	}
	assert_int_equal(strlen(conf_get(c, "v12")), CONF_VALUE_MAX);
	assert_int_equal(conf_error_count(c), 0);
	assert_string_equal(conf_get(c, "v29"), "");
	assert_errors(c, "main.cf:1: v13 = $v12$v12: the expanded value is too long; expected at most 65536 octets\n");
	conf_free(&c);

	/* A chain of names as deep as the bound allows, and one deeper. */
	for (unsigned links = CONF_DEPTH_MAX; links <= CONF_DEPTH_MAX + 1; links++) {
		c = conf_new(NULL, NULL);
		for (unsigned i = 1; i <= links; i++) {
			/* fits */
			(void)snprintf(text, sizeof(text), i < links ? "v%u = $v%u\n" : "v%u = end\n", i, i + 1);
			conf_read_text(c, "main.cf", slice_of_str(text));
		}
		assert_string_equal(conf_get(c, "v1"), links == CONF_DEPTH_MAX ? "end" : "");
		assert_int_equal(conf_error_count(c), links == CONF_DEPTH_MAX ? 0 : 1);
		conf_free(&c);
	}

	/* Many names that each copy a long value: the budget of work ends it, once for all. */
	static char big[CONF_VALUE_MAX - 1];	/* the longest logical line */

	memset(big, 'x', sizeof(big));
	memcpy(big, "big = ", 6);
	c = conf_new(NULL, NULL);
	conf_read_text(c, "main.cf", slice_of(big, sizeof(big)));
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "copy%d = $big\n", i);	/* fits */
		conf_read_text(c, "main.cf", slice_of_str(text));
	}
	unsigned whole = 0;

	for (int i = 0; i < 1000; i++) {
		(void)snprintf(text, sizeof(text), "copy%d", i);	/* fits */
		whole += conf_get(c, text)[0] == 'x';
	}
	assert_in_range(whole, 1, CONF_WORK_MAX / CONF_VALUE_MAX);
	assert_int_equal(conf_error_count(c), 1000 - whole);
	conf_free(&c);
}

static void braces_are_bounded(void **state)
{
	static char text[8 + 4 * 10000 + 1 + 10000];
	struct conf *c;

	(void)state;
	for (unsigned depth = 30; depth <= 10000; depth += 9970) {
		struct str s = STR(text);

		str_add_cstr(&s, "v = ");
		for (unsigned i = 0; i < depth; i++)
			str_add_cstr(&s, "${a:");
		str_add_cstr(&s, "x");
		for (unsigned i = 0; i < depth; i++)
			str_add_cstr(&s, "}");
		assert_false(str_is_full(&s));
		c = conf_new(NULL, NULL);
		conf_read_text(c, "main.cf", str_slice(&s));
		assert_string_equal(conf_get(c, "v"), depth == 30 ? "x" : "");
		assert_int_equal(conf_error_count(c), depth == 30 ? 0 : 1);
		conf_free(&c);
	}
}

static void overrides(void **state)
{
	(void)state;
	/* Case 8. */
	struct conf *c = conf_of("v = file\nv = file2\nw = $v\nv = last\n");

	assert_string_equal(conf_get(c, "w"), "last");
	assert_string_equal(conf_where(c, "v"), "main.cf:4");
	conf_override(c, "v=option");
	assert_string_equal(conf_get(c, "v"), "option");
	assert_string_equal(conf_get(c, "w"), "option");
	assert_string_equal(conf_where(c, "v"), "-o option");
	conf_read_text(c, "other.cf", SLICE("v = again"));
	assert_string_equal(conf_get(c, "v"), "option");
	conf_override(c, " { v =  with blanks {and} braces } ");
	assert_string_equal(conf_get(c, "v"), "with blanks {and} braces");
	conf_override(c, "v=");
	assert_string_equal(conf_get(c, "v"), "");
	assert_true(conf_is_set(c, "v"));
	assert_false(conf_is_set(c, "default_limit"));
	assert_string_equal(conf_where(c, "default_limit"), "default");
	assert_int_equal(conf_error_count(c), 0);
	conf_override(c, "v");
	conf_override(c, "{v=x");
	conf_override(c, "{v=x} y");
	conf_override(c, "=x");
	conf_override(c, "");
	assert_errors(c,
		"-o option: v: not a definition; expected name=value or { name = value }\n"
		"-o option: {v=x: the braces do not enclose it; expected { name = value }\n"
		"-o option: {v=x} y: the braces do not enclose it; expected { name = value }\n"
		"-o option: =x: not a definition; expected name=value or { name = value }\n"
		"-o option: not a definition; expected name=value or { name = value }\n");
	conf_free(&c);
}

static void unused_names(void **state)
{
	struct said said = { .lines = 0 };

	(void)state;
	/* Case 9: and a name that only another value needs is in use. */
	struct conf *c =
		conf_of("smtp_foo = 1\nv = $helper\nhelper = x\nsmtp_foo = 2\nknown = 1\nlost = $found\nfound = 1\n");

	conf_override(c, "option_foo=1");
	(void)conf_get(c, "v");		/* the asking counts */
	conf_mark_used(c, "known");
	conf_mark_used(c, "never_defined");
	conf_unused(c, hear, &said);
	assert_string_equal(said.text,
		"main.cf:4: unused parameter: smtp_foo\n"
		"main.cf:6: unused parameter: lost\n"
		"main.cf:7: unused parameter: found\n"
		"-o option: unused parameter: option_foo\n");
	assert_int_equal(conf_error_count(c), 0);
	conf_free(&c);
}

static void an_old_name_is_a_default(void **state)
{
	(void)state;
	/* Case 10. */
	struct conf *c = conf_of("fallback_relay = x\n");

	assert_string_equal(conf_get(c, "smtp_fallback_relay"), "x");
	conf_read_text(c, "main.cf", SLICE("smtp_fallback_relay = y\n"));
	assert_string_equal(conf_get(c, "smtp_fallback_relay"), "y");
	conf_free(&c);
}

static void times(void **state)
{
	static const struct {
		const char *text;
		uint64_t seconds;
		bool ok;
	} cases[] = {	/* cases 1 to 3; bounds 1 s and 10 w, bare numbers are seconds */
		{ "2m", 120, true }, { "90", 90, true }, { "1", 1, true }, { "30s", 30, true }, { "1h", 3600, true },
		{ "1d", 86400, true }, { "10w", 6048000, true }, { " 5S ", 5, true }, { "007", 7, true },
		{ "0", 0, false }, { "0s", 0, false }, { "11w", 0, false }, { "5x", 0, false }, { "5mm", 0, false },
		{ "-1", 0, false }, { "+1", 0, false }, { "5 m", 0, false }, { "m", 0, false }, { "", 0, false },
		{ "1.5h", 0, false }, { "1h30m", 0, false }, { "18446744073709551616", 0, false },
		{ "30500568904943w", 0, false },	/* 2^64 seconds and a bit: no wrapping */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct conf *c = conf_of("");
		char option[64];
		uint64_t ns = 1;

		(void)snprintf(option, sizeof(option), "t=%s", cases[i].text);	/* fits */
		conf_override(c, option);
		int r = conf_get_time(c, "t", 's', 1, 10 * 7 * 86400, &ns);

		if ((r == 0) != cases[i].ok || ns != cases[i].seconds * NS_PER_SEC ||
		    conf_error_count(c) != (cases[i].ok ? 0 : 1))
			fail_msg("<%s>: %d, %llu ns", cases[i].text, r, (unsigned long long)ns);
		conf_free(&c);
	}

	struct conf *c = conf_of("d = 5\nm = 5mm\nz = 0\n");
	uint64_t ns;

	assert_int_equal(conf_get_time(c, "d", 'd', 0, 864000, &ns), 0);
	assert_int_equal(ns, 5 * 86400 * NS_PER_SEC);
	assert_int_equal(conf_get_time(c, "smtp_connect_timeout", 's', 0, 60, &ns), 0);
	assert_int_equal(ns, 30 * NS_PER_SEC);
	assert_int_equal(conf_get_time(c, "z", 's', 0, 60, &ns), 0);
	assert_int_equal(ns, 0);
	assert_int_equal(conf_get_time(c, "m", 's', 0, 60, &ns), -EINVAL);
	assert_int_equal(conf_get_time(c, "z", 's', 1, 60, &ns), -EINVAL);
	assert_errors(
		c,
		"main.cf:2: m = 5mm: not a time; expected a whole number with s, m, h, d or w behind it (s when there is none), "
		"from 0s to 60s\n"
		"main.cf:3: z = 0: out of range; expected a whole number with s, m, h, d or w behind it (s when there is none), "
		"from 1s to 60s\n");
	conf_free(&c);
}

static void numbers_and_bools(void **state)
{
	struct conf *c = conf_of("a = YES\nb = nO\nc = true\nd = -1\ne = 7\nf = 4294967296\ng = 0x10\nh =\n");
	uint64_t n = 1;
	bool yes = false;

	(void)state;
	/* Case 4. */
	assert_int_equal(conf_get_bool(c, "a", &yes), 0);
	assert_true(yes);
	assert_int_equal(conf_get_bool(c, "b", &yes), 0);
	assert_false(yes);
	assert_int_equal(conf_get_bool(c, "c", &yes), -EINVAL);
	assert_false(yes);
	assert_int_equal(conf_get_u64(c, "d", 0, 100, &n), -EINVAL);
	assert_int_equal(n, 0);
	assert_int_equal(conf_get_u64(c, "e", 7, 7, &n), 0);
	assert_int_equal(n, 7);
	assert_int_equal(conf_get_u64(c, "e", 7, 7, &n), 0);
	assert_int_equal(conf_get_u64(c, "f", 1, 4294967295, &n), -EINVAL);
	assert_int_equal(conf_get_u64(c, "g", 1, UINT64_MAX, &n), -EINVAL);
	assert_int_equal(conf_get_bool(c, "h", &yes), -EINVAL);
	assert_int_equal(conf_get_u64(c, "nowhere", 0, 1, &n), -EINVAL);
	assert_errors(c,
		"main.cf:3: c = true: neither yes nor no; expected yes or no\n"
		"main.cf:4: d = -1: not a number; expected a number from 0 to 100\n"
		"main.cf:6: f = 4294967296: out of range; expected a number from 1 to 4294967295\n"
		"main.cf:7: g = 0x10: not a number; expected a number not below 1\n"
		"main.cf:8: h = : neither yes nor no; expected yes or no\n"
		"default: nowhere = : not a number; expected a number from 0 to 1\n");
	conf_free(&c);
}

static void blame(void **state)
{
	struct conf *c = conf_of("default_limit = many\nbroken = ${\nuser = $broken\n");
	uint64_t n;

	(void)state;
	assert_int_equal(conf_get_u64(c, "limit_of_limit", 0, 10, &n), -EINVAL);
	assert_int_equal(conf_get_u64(c, "limit", 0, 10, &n), -EINVAL);
	assert_int_equal(conf_get_u64(c, "default_limit", 0, 10, &n), -EINVAL);
	assert_int_equal(conf_get_u64(c, "user", 0, 10, &n), -EINVAL);
	assert_int_equal(conf_get_u64(c, "broken", 0, 10, &n), -EINVAL);
	conf_error(c, "user", "wrong", "right");
	assert_errors(c,
		"main.cf:1: default_limit = many: not a number; expected a number from 0 to 10\n"
		"main.cf:2: broken = ${: a bracket after $ is never closed; expected ${name} or $(name)\n");
	conf_free(&c);
}

static void messages_are_safe(void **state)
{
	static char text[4096];
	struct said said = { .lines = 0 };
	struct str s = STR(text);
	struct conf *c;

	(void)state;
	str_add_cstr(&s, "v = a\x07" "b\xff");
	for (int i = 0; i < 1000; i++)
		str_add_cstr(&s, "\xc3\xa4");
	str_add_cstr(&s, "\nnul = a");
	str_add_char(&s, '\0');
	str_add_cstr(&s, "b\n");
	c = conf_new(NULL, NULL);
	conf_read_text(c, "a\nb.cf", str_slice(&s));
	conf_error(c, "v", "wrong", "right");
	conf_errors(c, hear, &said);
	assert_int_equal(said.lines, 2);
	assert_non_null(strstr(said.text, "a?b.cf:2: nul: a NUL octet in the value; expected text\n"));
	assert_non_null(strstr(said.text, "a?b.cf:1: v = a?b?\xc3\xa4"));
	assert_non_null(strstr(said.text, "\xc3\xa4...: wrong; expected right\n"));
	assert_true(strlen(said.text) < 500);
	conf_free(&c);
}

static void many_errors_are_counted(void **state)
{
	struct said said = { .lines = 0 };
	struct conf *c = conf_new(NULL, NULL);

	(void)state;
	for (int i = 0; i < 150; i++)
		conf_read_text(c, "main.cf", SLICE("nonsense\n"));
	conf_errors(c, hear, &said);
	assert_int_equal(conf_error_count(c), 150);
	assert_int_equal(said.lines, CONF_ERRORS_MAX + 1);
	assert_non_null(strstr(said.text, "and 50 more errors\n"));
	conf_free(&c);
}

static void sizes_are_bounded(void **state)
{
	static char line[CONF_VALUE_MAX + 100];
	char name[32];
	struct conf *c = conf_new(NULL, NULL);

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "v = ", 4);
	conf_read_text(c, "main.cf", slice_of(line, sizeof(line)));
	assert_null(conf_get(c, "v"));
	assert_int_equal(conf_error_count(c), 1);
	for (unsigned i = 0; i < CONF_NAMES_MAX + 5; i++) {
		(void)snprintf(name, sizeof(name), "n%u=1", i);	/* fits */
		conf_override(c, name);
	}
	assert_int_equal(conf_error_count(c), 2);
	assert_string_equal(conf_get(c, "n0"), "1");
	assert_null(conf_get(c, "n4100"));
	conf_free(&c);

	c = conf_new(NULL, NULL);
	static char file[CONF_FILE_MAX + 1];

	memset(file, '#', sizeof(file));
	conf_read_text(c, "main.cf", slice_of(file, sizeof(file)));
	assert_errors(c, "main.cf: the file is too large; expected at most 4194304 octets\n");
	conf_free(&c);
}

static void files(void **state)
{
	char path[] = "/tmp/conf-test-XXXXXX";
	char expected[256];
	int fd = mkstemp(path);
	struct conf *c = conf_new(NULL, NULL);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "v = x\n  y\nbad\n", 14), 14);
	assert_int_equal(close(fd), 0);
	assert_int_equal(conf_read_file(c, path), 0);
	assert_string_equal(conf_get(c, "v"), "x y");
	/* fits */
	(void)snprintf(expected, sizeof(expected), "%s:3: bad: no '=' here; expected name = value\n", path);
	assert_errors(c, expected);
	conf_free(&c);
	assert_int_equal(unlink(path), 0);

	c = conf_new(NULL, NULL);
	assert_int_equal(conf_read_file(c, path), -ENOENT);
	(void)snprintf(expected, sizeof(expected), "%s: No such file or directory; expected a file this user may read\n"
		       "/: Is a directory; expected a file this user may read\n", path);	/* fits */
	assert_int_equal(conf_read_file(c, "/"), -EISDIR);
	assert_errors(c, expected);
	conf_free(&c);
}

static void lists(void **state)
{
	static const char *const items[] = { "a", "b.example:25", "[c]" };
	struct slice rest = SLICE(" a,, b.example:25 \t\r\n,[c],");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		assert_true(slice_eq(conf_list_next(&rest), slice_of_str(items[i])));
	assert_int_equal(conf_list_next(&rest).len, 0);
	assert_int_equal(rest.len, 0);
	assert_int_equal(conf_list_next(&rest).len, 0);
	rest = SLICE("");
	assert_int_equal(conf_list_next(&rest).len, 0);
}

static void reading_twice_changes_nothing(void **state)
{
	static const char text[] = "a = $b\n # c\n  c\nb = ${a_off?{1}:{2}}\nbad\n$ = 1\n";
	struct conf *once = conf_of(text), *twice = conf_of(text);

	(void)state;
	conf_read_text(twice, "main.cf", slice_of_str(text));
	assert_string_equal(conf_get(once, "a"), "2 c");
	assert_string_equal(conf_get(twice, "a"), "2 c");
	assert_string_equal(conf_where(twice, "a"), conf_where(once, "a"));
	assert_int_equal(conf_error_count(twice), 2 * conf_error_count(once));
	conf_free(&once);
	conf_free(&twice);
	conf_free(&twice);
}

/* Every prefix of a text with all the syntax in it: an error or a value, never a crash. Each text is cut at every
 * octet. */
static void every_cut_is_survived(void **state)
{
	static const char text[] =
		"v = $a${b}$(c)$$\n # x\n ${a?{x}:{${{1} <= {$b} ? {y} : {z}}}}\na = ${c:q}\nb = 22\nc=${b?p}\n";

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		char *exact = malloc(cut + 1);	/* so that a sanitizer sees the end */
		struct conf *c = conf_new(NULL, NULL);

		assert_non_null(exact);
		memcpy(exact, text, cut);
		conf_read_text(c, "main.cf", slice_of(exact, cut));
		free(exact);
		const char *value = conf_get(c, "v");

		assert_true(cut >= 3 || value == NULL);
		assert_true(conf_error_count(c) <= 2);
		conf_free(&c);
	}
	struct conf *c = conf_of(text);

	assert_string_equal(conf_get(c, "v"), "22p$ y");
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("lines, comments and continuations make logical lines (case 6)", logical_lines),
		CLAIM("all forms of $ expand as documented, and say what is wrong (case 7)", dollars),
		CLAIM("comparisons are numeric between numbers and of octets otherwise", comparisons),
		CLAIM("a value that leads back to itself is an error that names the way", cycles),
		CLAIM("expansion ends: length, depth and work are bounded", expansion_is_bounded),
		CLAIM("ten thousand nested braces are one error", braces_are_bounded),
		CLAIM("an override beats the file in both its forms (case 8)", overrides),
		CLAIM("a name nobody asks for is listed once as unused (case 9)", unused_names),
		CLAIM("fallback_relay is the default of smtp_fallback_relay (case 10)", an_old_name_is_a_default),
		CLAIM("times have one unit, bounds, and no tail (cases 1, 2, 3)", times),
		CLAIM("numbers are decimal and bools are yes or no (cases 4, 5)", numbers_and_bools),
		CLAIM("a wrong value is reported once, where it was written", blame),
		CLAIM("messages are printable, short and one line", messages_are_safe),
		CLAIM("errors beyond the bound are counted", many_errors_are_counted),
		CLAIM("lines, names and files have bounds", sizes_are_bounded),
		CLAIM("files are read, and say why they are not", files),
		CLAIM("lists are split at commas and white space", lists),
		CLAIM("reading a text twice gives what reading it once gives", reading_twice_changes_nothing),
		CLAIM("a text cut anywhere is survived", every_cut_is_survived),
	};

	return cmocka_run_group_tests_name("core/conf", claims, NULL, NULL);
}
