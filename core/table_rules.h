/* table_rules.h - files of rules, tried in order: what tables of patterns and of networks have in common
 *
 *	file	= { rule | "if" [ "!" ] pattern | "endif" }		a logical line each
 *	rule	= [ "!" ] pattern white-space result
 *
 * "!" turns a pattern around. What is between if and endif counts only for keys that match; that nests.
 *
 * bounds   RULES_MAX rules a file
 */
#pragma once

#include "core/table_impl.h"

#define RULES_MAX 1000000u

struct rules_kind {
	/* Takes a pattern off the front of *line. ERR_SYNTAX with *ret_what, or a negative errno. */
	int (*take)(struct slice *line, void **ret_pattern, const char **ret_what);
	void (*drop)(void *pattern);
	/* May this result stand behind the pattern? NULL, or what is wrong with it. May be NULL. */
	const char *(*check)(const void *pattern, bool negated, struct slice result);
};

struct rules;

/* Does a pattern match? 1, 0, or a negative error. */
typedef int rules_match_fn(const void *pattern, void *context);

int rules_load(const struct rules_kind *kind, struct slice path, struct str *why, struct rules **ret_rules);
void rules_free(struct rules *rules);

/* 1 with the first rule that matches, 0, or a negative error of match. */
int rules_find(const struct rules *rules, rules_match_fn *match, void *context, const void **ret_pattern,
	       struct slice *ret_result);
