#include "core/table_rules.h"

#include <errno.h>
#include <stdlib.h>

#include "core/err.h"

#define NESTING_MAX 64u

enum rule_kind { RULE_MATCH, RULE_IF, RULE_ENDIF };

struct rule {
	enum rule_kind kind;
	bool negated;
	size_t behind;		/* IF: the rule behind its ENDIF */
	void *pattern;
	char *result;
	size_t result_len;
};

struct rules {
	const struct rules_kind *kind;
	struct rule *list;
	size_t count, room;
};

/* One file on its way in. */
struct reading {
	struct rules *rules;
	size_t open[NESTING_MAX];	/* rules that are an IF without its ENDIF */
	unsigned depth;
	const char *what;
};

static struct rule *new_rule(struct rules *r)
{
	if (r->count == r->room) {
		size_t room = r->room > 0 ? 2 * r->room : 64;
		struct rule *larger = r->count < RULES_MAX ? realloc(r->list, room * sizeof(*larger)) : NULL;

		if (larger == NULL)
			return NULL;
		r->list = larger;
		r->room = room;
	}
	r->list[r->count] = (struct rule){ 0 };
	return &r->list[r->count++];
}

/* Takes word off the front, if nothing or white space or a "!" or a pattern's delimiter is behind it. */
static bool take_word(struct slice *line, struct slice word)
{
	if (!slice_has_prefix_nocase(*line, word))
		return false;
	struct slice rest = *line;

	slice_skip(&rest, word.len);
	if (rest.len > 0 && rest.ptr[0] != ' ' && rest.ptr[0] != '\t')
		return false;
	*line = slice_trim(rest);
	return true;
}

static bool take_not(struct slice *line)
{
	bool negated = false;

	for (; line->len > 0 && line->ptr[0] == '!'; *line = slice_trim(*line)) {
		negated = !negated;
		slice_skip(line, 1);
	}
	return negated;
}

static int read_endif(struct reading *rd, struct slice rest)
{
	if (rest.len > 0)
		rd->what = "text behind endif";
	else if (rd->depth == 0)
		rd->what = "endif without if";
	if (rd->what != NULL)
		return ERR_SYNTAX;
	struct rule *rule = new_rule(rd->rules);

	if (rule == NULL)
		return -ENOMEM;
	rule->kind = RULE_ENDIF;
	rd->rules->list[rd->open[--rd->depth]].behind = rd->rules->count;
	return 0;
}

static int read_result(struct reading *rd, struct rule *rule, struct slice text)
{
	const struct rules_kind *kind = rd->rules->kind;

	if (text.len == 0)
		rd->what = "no result behind the pattern";
	else if (kind->check != NULL)
		rd->what = kind->check(rule->pattern, rule->negated, text);
	if (rd->what != NULL)
		return ERR_SYNTAX;
	rule->result = strndup(text.ptr, text.len);
	rule->result_len = text.len;
	return rule->result != NULL ? 0 : -ENOMEM;
}

static int read_if(struct reading *rd, struct slice text)
{
	if (text.len > 0)
		rd->what = "text behind the pattern of if";
	else if (rd->depth == NESTING_MAX)
		rd->what = "more than 64 ifs inside each other";
	if (rd->what != NULL)
		return ERR_SYNTAX;
	rd->open[rd->depth++] = rd->rules->count - 1;
	return 0;
}

static int read_line(struct reading *rd, struct slice line)
{
	if (line.ptr[0] == ' ' || line.ptr[0] == '\t')
		rd->what = "white space in front continues nothing";
	else if (memchr(line.ptr, '\0', line.len) != NULL)
		rd->what = "a NUL octet";
	if (rd->what != NULL)
		return ERR_SYNTAX;
	if (take_word(&line, SLICE("endif")))
		return read_endif(rd, line);
	bool is_if = take_word(&line, SLICE("if"));
	struct rule *rule = new_rule(rd->rules);

	if (rule == NULL)
		return -ENOMEM;
	rule->kind = is_if ? RULE_IF : RULE_MATCH;
	rule->negated = take_not(&line);
	int r = rd->rules->kind->take(&line, &rule->pattern, &rd->what);

	if (r < 0)
		return r;
	line = slice_trim(line);
	return is_if ? read_if(rd, line) : read_result(rd, rule, line);
}

int rules_load(const struct rules_kind *kind, struct slice path, struct str *why, struct rules **ret_rules)
{
	struct reading rd = { .rules = calloc(1, sizeof(*rd.rules)) };
	struct table_lines lines;
	struct slice line;
	int r = rd.rules != NULL ? table_lines_open(&lines, path, why) : -ENOMEM;

	if (r < 0) {
		free(rd.rules);
		return r;
	}
	rd.rules->kind = kind;
	while (r == 0 && table_lines_next(&lines, &line))
		r = read_line(&rd, line);
	if (r == 0 && rd.depth > 0) {
		rd.what = "an if has no endif before the end";
		r = ERR_SYNTAX;
	}
	if (rd.what != NULL)
		(void)table_complain(why, path, lines.first_line, rd.what);	/* r says the same */
	table_lines_close(&lines);
	if (r < 0)
		rules_free(rd.rules);
	else
		*ret_rules = rd.rules;
	return r;
}

void rules_free(struct rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (rules->list[i].pattern != NULL)
			rules->kind->drop(rules->list[i].pattern);
		free(rules->list[i].result);
	}
	free(rules->list);
	free(rules);
}

int rules_find(const struct rules *rules, rules_match_fn *match, void *context, const void **ret_pattern,
	       struct slice *ret_result)
{
	for (size_t i = 0; i < rules->count;) {
		const struct rule *rule = &rules->list[i];

		i++;
		if (rule->kind == RULE_ENDIF)
			continue;
		int r = match(rule->pattern, context);

		if (r < 0)
			return r;
		bool matches = (r > 0) != rule->negated;

		if (rule->kind == RULE_IF) {
			i = matches ? i : rule->behind;
		} else if (matches) {
			*ret_pattern = rule->pattern;
			*ret_result = slice_of(rule->result, rule->result_len);
			return 1;
		}
	}
	return 0;
}
