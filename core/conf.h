/* conf.h - the main.cf language: read it, expand it, say what is wrong with it - all of it at once
 *
 * One name = value per logical line; '#' comments and blank lines anywhere, also inside a value; white space
 * continues the line before, and becomes one space there. Last definition wins; an override (-o name=value) beats the
 * file. Values expand $name, ${name}, $(name), ${name?value}, ${name:value}, ${name?{a}:{b}}, ${{x} == {y} ? {a} :
 * {b}} with == != < <= > >=, and $$; recursive, each name once (core/conf_expand.h has the grammar); an undefined
 * name is empty (P section 0.1 of the parameter reference; cases 1-10). Expansion waits until a value is asked for,
 * so a broken value that nobody uses is only unused.
 *
 * memory   one growing arena from malloc, for start and reload only
 * errors   collected, not thrown: each with file, line, parameter and the accepted form; conf_error_count tells. One
 *          for a definition, the first: what follows from it is not said again. A wrong value behind a default that
 * only refers
 *          to it is reported where it was written.
 * bounds   CONF_FILE_MAX octets a file, CONF_NAMES_MAX names, CONF_VALUE_MAX octets an expanded value, CONF_DEPTH_MAX
 *          nesting, CONF_WORK_MAX octets of expansion in the life of a conf
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"

#define CONF_FILE_MAX	MIB(4)
#define CONF_NAMES_MAX	4096u
#define CONF_VALUE_MAX	KIB(64)
#define CONF_DEPTH_MAX	32u
#define CONF_WORK_MAX	MIB(16)
#define CONF_ERRORS_MAX	100u		/* kept; more are counted */
#define CONF_SHOWN_MAX	200u		/* octets of a value that a message shows */

struct conf;

/* Gives the default of a parameter the file does not set, or NULL: defaults take part in $name expansion. */
typedef const char *conf_default_fn(struct slice name, void *context);

struct conf *conf_new(conf_default_fn *defaults, void *context);
void conf_free(struct conf **conf);

/* Reads text as if it were the file called name. Parse errors are collected. */
void conf_read_text(struct conf *c, const char *name, struct slice text);

/* Reads the file. 0, or a negative errno when it cannot be read at all (collected as an error, too). */
int conf_read_file(struct conf *c, const char *path);

/* "-o name=value" or "-o { name = value }". */
void conf_override(struct conf *c, const char *text);

/* The expanded value, or NULL when neither the file, nor an override, nor the defaults have the name. A value that
 * does not expand is empty, and its error collected. Good until conf_free. Asking makes the name known (see
 * conf_mark_used). */
const char *conf_get(struct conf *c, const char *name);
bool conf_is_set(const struct conf *c, const char *name);	/* by file or override, not by default */
/* What the file or an override says, not expanded; NULL: neither has the name. */
const char *conf_written(const struct conf *c, const char *name);
/* Calls fn for every name that the file or an override defines, in the order of their coming; used: somebody asked. */
void conf_each_written(const struct conf *c, void (*fn)(const char *name, bool used, void *context), void *context);
/* "main.cf:12" or "-o option" or "default". */
const char *conf_where(const struct conf *c, const char *name);

/* Typed: the whole value must fit the form, or an error is collected and 0/false returned in *ret. Returns 0 or
 * -EINVAL. */
int conf_get_bool(struct conf *c, const char *name, bool *ret);				/* yes or no, any case */
int conf_get_u64(struct conf *c, const char *name, uint64_t min, uint64_t max, uint64_t *ret);
/* Integer and optional unit s m h d w; unit is what a bare number means. Result in nanoseconds; bounds in seconds. */
int conf_get_time(struct conf *c, const char *name, char unit, uint64_t min_s, uint64_t max_s, uint64_t *ret_ns);

/* Marks names as known; conf_unused then lists the rest, each once: "main.cf:7: unused parameter: smtp_foo". A name
 * that the value of another one refers to is used, too. */
void conf_mark_used(struct conf *c, const char *name);
void conf_unused(struct conf *c, void (*fn)(const char *line, void *context), void *context);

/* For checks the typed getters cannot make: "main.cf:12: smtp_bind_address = x: <what>; expected <form>". The value
 * is made printable and cut; what and form are copied. */
void conf_error(struct conf *c, const char *name, const char *what, const char *form);
unsigned conf_error_count(const struct conf *c);
void conf_errors(struct conf *c, void (*fn)(const char *line, void *context), void *context);

/* Memory that lives as long as the conf, aligned for anything, zeroed; NULL when there is none (an error is
 * collected). */
void *conf_alloc(struct conf *c, size_t size);

/* Splits a list value at commas and white space; returns the next item, or an empty slice at the end. Advances
 * *rest. */
struct slice conf_list_next(struct slice *rest);

/* The same, but text in {braces} is one item, whatever is in it. Braces that do not close: the rest is one item. */
struct slice conf_list_next_braced(struct slice *rest);
