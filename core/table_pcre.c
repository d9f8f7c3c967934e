/* table_pcre.c - pcre: and regexp:, patterns in the order of the file, as in pcre_table(5) and regexp_table(5)
 *
 *	/pattern/flags	result with $1 ${2} $(3), and $$ for a dollar
 *
 * Any character that is no letter, digit or blank may stand for the slashes. Patterns ignore case, and a dot matches a
 * line end; flags turn that around: i case, m lines (regexp: with the dot); pcre: also s dot, x blanks, A anchored,
 * E strict end, U ungreedy.
 *
 * Both are run by PCRE2, on octets. What POSIX says differently (the longest of several alternatives, basic expressions
 * by the flag x) regexp: does not do: basic expressions are refused. libc's own would call malloc on every question.
 *
 * On a turn nothing may take long or allocate: whatever the table, a question has QUESTION_STEPS steps beyond those
 * that every pattern needs to look through the key once, and ARENA_SIZE octets; it is an error (-EOVERFLOW) when that
 * is not enough.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>

#include "core/err.h"
#include "core/table_rules.h"

#define QUESTION_STEPS	400000u		/* about 8 ms on a core of 2020 */
#define FREE_STEPS	2000u		/* of each pattern, and some for every octet of the key */
#define FREE_PER_OCTET	4u
#define FREE_OCTETS	MIB(1)
#define STEPS_FACTOR	8u		/* more, when those are not enough */
#define ARENA_SIZE	KIB(512)	/* the library begins with 20 and doubles: four times */
#define GROUPS_MAX	100u

/* Memory of one question, forgotten as a whole. */
struct arena {
	size_t used;
	_Alignas(max_align_t) char bytes[ARENA_SIZE];
};

/* A core asks one question at a time. */
static _Thread_local struct arena arena;

/* One question. */
struct question {
	struct slice key;
	pcre2_match_data *match;
	pcre2_match_context *limits;
	uint32_t steps_left;
};

static void *arena_take(size_t size, void *context)
{
	struct arena *a = context;

	size = round_up(size, _Alignof(max_align_t));
	if (size > ARENA_SIZE - a->used)
		return NULL;
	a->used += size;
	return a->bytes + a->used - size;
}

static void arena_put(void *ptr, void *context)
{
	(void)ptr;
	(void)context;
}

/* --- reading -------------------------------------------------------------------------------------- */

static bool is_delimiter(char c)
{
	return c > ' ' && c < 0x7f && !(c >= '0' && c <= '9') && !(ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
}

/* The length of the pattern that begins at from, up to its unescaped delimiter; -1: it does not end. */
static ptrdiff_t pattern_length(struct slice line, char delimiter)
{
	for (size_t i = 0; i < line.len; i++) {
		if (line.ptr[i] == delimiter)
			return (ptrdiff_t)i;
		if (line.ptr[i] == '\\')
			i++;
	}
	return -1;
}

static int toggle(uint32_t *options, char flag, bool is_posix)
{
	static const struct {
		char flag;
		uint32_t option;
		bool posix;
	} flags[] = {
		{ 'i', PCRE2_CASELESS, true },
		{ 'm', PCRE2_MULTILINE, true },
		{ 's', PCRE2_DOTALL, false },
		{ 'x', PCRE2_EXTENDED, false },
		{ 'A', PCRE2_ANCHORED, false },
		{ 'E', PCRE2_DOLLAR_ENDONLY, false },
		{ 'U', PCRE2_UNGREEDY, false },
		{ 'X', 0, false },	/* "extra" of the first PCRE: always on */
	};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (flags[i].flag == flag && (!is_posix || flags[i].posix)) {
			*options ^= flags[i].option | (is_posix && flag == 'm' ? PCRE2_DOTALL : 0);
			return 0;
		}
	return -EINVAL;
}

static int take_pattern(struct slice *line, bool is_posix, void **ret_pattern, const char **ret_what)
{
	static char said[160];	/* start and reload only: one thread */
	uint32_t options = PCRE2_CASELESS | PCRE2_DOTALL | PCRE2_NEVER_BACKSLASH_C;
	struct slice rest = *line;
	ptrdiff_t len = -1;
	int error;
	PCRE2_SIZE at;

	if (rest.len > 1 && is_delimiter(rest.ptr[0])) {
		slice_skip(&rest, 1);
		len = pattern_length(rest, line->ptr[0]);
	}
	if (len < 0) {
		*ret_what = "no pattern; expected /pattern/flags result";
		return ERR_SYNTAX;
	}
	struct slice pattern = slice_head(rest, (size_t)len);

	slice_skip(&rest, (size_t)len + 1);
	for (; rest.len > 0 && rest.ptr[0] != ' ' && rest.ptr[0] != '\t'; slice_skip(&rest, 1)) {
		if (toggle(&options, rest.ptr[0], is_posix) == 0)
			continue;
		*ret_what = is_posix ? "an unknown flag; expected i or m" : "an unknown flag; expected i, m, s, x, A, E or U";
		return ERR_SYNTAX;
	}
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &error, &at, NULL);

	if (code == NULL) {
		struct str s = STR(said);

		str_printf(&s, "the pattern is wrong at octet %zu: ", at + 1);
		/* ends with a NUL, whatever becomes of it */
		(void)pcre2_get_error_message(error, (PCRE2_UCHAR *)said + s.len, sizeof(said) - s.len);
		*ret_what = said;
		return ERR_SYNTAX;
	}
	*ret_pattern = code;
	*line = rest;
	return 0;
}

static int take_pcre(struct slice *line, void **ret_pattern, const char **ret_what)
{
	return take_pattern(line, false, ret_pattern, ret_what);
}

static int take_regexp(struct slice *line, void **ret_pattern, const char **ret_what)
{
	return take_pattern(line, true, ret_pattern, ret_what);
}

static void drop_pattern(void *pattern)
{
	pcre2_code_free(pattern);
}

/* --- results -------------------------------------------------------------------------------------- */

/* Takes "$1", "${1}", "$(1)" or "$$" off the front, which is at a dollar. The number of the group, or -1 for a dollar,
 * or -2 for something else. */
static int take_reference(struct slice *text)
{
	struct slice rest = *text;
	uint64_t group;
	char close = 0;

	slice_skip(&rest, 1);
	if (rest.len > 0 && rest.ptr[0] == '$') {
		slice_skip(text, 2);
		return -1;
	}
	if (rest.len > 0 && (rest.ptr[0] == '{' || rest.ptr[0] == '(')) {
		close = rest.ptr[0] == '{' ? '}' : ')';
		slice_skip(&rest, 1);
	}
	size_t digits = 0;

	while (digits < rest.len && rest.ptr[digits] >= '0' && rest.ptr[digits] <= '9')
		digits++;
	if (slice_to_u64(slice_head(rest, digits), GROUPS_MAX, &group) < 0)
		return -2;
	slice_skip(&rest, digits);
	if (close != 0) {
		if (rest.len == 0 || rest.ptr[0] != close)
			return -2;
		slice_skip(&rest, 1);
	}
	*text = rest;
	return (int)group;
}

static const char *check_result(const void *pattern, bool negated, struct slice result)
{
	uint32_t groups = 0;

	if (pcre2_pattern_info(pattern, PCRE2_INFO_CAPTURECOUNT, &groups) != 0 || groups > GROUPS_MAX)
		return "more than 100 groups in the pattern";
	for (ptrdiff_t dollar; (dollar = slice_find_char(result, 0, '$')) >= 0;) {
		slice_skip(&result, (size_t)dollar);
		int group = take_reference(&result);

		if (group == -2)
			return "a $ that is not $number, ${number}, $(number) or $$";
		if (group >= 0 && negated)
			return "$number in the result of a pattern that has to fail";
		if (group > (int)groups)
			return "$number of a group that the pattern does not have";
	}
	return NULL;
}

static void add_result(struct str *out, const struct question *q, struct slice result)
{
	const PCRE2_SIZE *vector = pcre2_get_ovector_pointer(q->match);
	uint32_t pairs = pcre2_get_ovector_count(q->match);

	for (ptrdiff_t dollar; (dollar = slice_find_char(result, 0, '$')) >= 0;) {
		str_add(out, slice_head(result, (size_t)dollar));
		slice_skip(&result, (size_t)dollar);
		int group = take_reference(&result);

		ASSERT(group >= -1 && group < (int)pairs);	/* check_result has seen it */
		if (group < 0)
			str_add_char(out, '$');
		else if (vector[2 * group] != PCRE2_UNSET)
			str_add(out, slice_of(q->key.ptr + vector[2 * group],
					      vector[2 * group + 1] - vector[2 * group]));
	}
	str_add(out, result);
}

/* --- asking --------------------------------------------------------------------------------------- */

static int match_within(const void *pattern, struct question *q, uint32_t steps)
{
	(void)pcre2_set_match_limit(q->limits, steps);	/* always 0 */
	return pcre2_match(pattern, (PCRE2_SPTR)q->key.ptr, q->key.len, 0, 0, q->match, q->limits);
}

/* The library does not tell how many steps it took, only that so many were too few. So a pattern that needs more than
 * most begins again with more, and what it was given is taken from what all patterns of the question have together. */
static int match_pattern(const void *pattern, void *context)
{
	struct question *q = context;
	uint32_t steps = FREE_STEPS + FREE_PER_OCTET * (uint32_t)MIN(q->key.len, (size_t)FREE_OCTETS);
	int r = match_within(pattern, q, steps);

	while (r == PCRE2_ERROR_MATCHLIMIT && q->steps_left > steps) {
		steps = MIN(STEPS_FACTOR * steps, q->steps_left);
		q->steps_left -= steps;
		r = match_within(pattern, q, steps);
	}
	if (r == PCRE2_ERROR_NOMATCH)
		return 0;
	return r < 0 ? -EOVERFLOW : 1;	/* too many steps, or too much memory */
}

static int find_pattern(const void *data, struct slice key, struct str *ret_value)
{
	struct question q = { .key = key.len > 0 ? key : SLICE(""), .steps_left = QUESTION_STEPS };
	const void *pattern;
	struct slice result;

	arena.used = 0;
	pcre2_general_context *memory = pcre2_general_context_create(arena_take, arena_put, &arena);

	q.match = memory != NULL ? pcre2_match_data_create(GROUPS_MAX + 1, memory) : NULL;
	q.limits = memory != NULL ? pcre2_match_context_create(memory) : NULL;
	if (q.match == NULL || q.limits == NULL)
		return -ENOMEM;
	(void)pcre2_set_depth_limit(q.limits, QUESTION_STEPS);	/* memory is what limits depth */
	int r = rules_find(data, match_pattern, &q, &pattern, &result);

	if (r > 0)
		add_result(ret_value, &q, result);
	return r;
}

static int load_pcre(struct table_set *set, struct slice path, struct str *why, void **ret_data)
{
	static const struct rules_kind kind = { .take = take_pcre, .drop = drop_pattern, .check = check_result };

	(void)set;
	return rules_load(&kind, path, why, (struct rules **)ret_data);
}

static int load_regexp(struct table_set *set, struct slice path, struct str *why, void **ret_data)
{
	static const struct rules_kind kind = { .take = take_regexp, .drop = drop_pattern, .check = check_result };

	(void)set;
	return rules_load(&kind, path, why, (struct rules **)ret_data);
}

static void unload_rules(void *data)
{
	rules_free(data);
}

struct library table_library_pcre(void)
{
	static char linked[64], built[16];

	if (pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof(linked))
		(void)pcre2_config(PCRE2_CONFIG_VERSION, linked);
	(void)snprintf(built, sizeof(built), "%d.%d", PCRE2_MAJOR, PCRE2_MINOR);
	return (struct library){ .name = "PCRE2", .built = built, .linked = linked };
}

const struct table_type table_type_pcre = {
	.name = "pcre",
	.load = load_pcre,
	.find = find_pattern,
	.unload = unload_rules,
	.suffix = "",
	.is_pattern = true,
};

const struct table_type table_type_regexp = {
	.name = "regexp",
	.load = load_regexp,
	.find = find_pattern,
	.unload = unload_rules,
	.suffix = "",
	.is_pattern = true,
};
