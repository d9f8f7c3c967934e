/* config.c - ringpost config: parameters as postconf(1) prints them
 *
 *	config			everything: what is set, and the defaults of the rest
 *	config -n		what main.cf or -o sets
 *	config -d		the defaults
 *	config name...		these, in this order; a name that nobody knows is a warning
 *
 * Values are printed as written unless -x. What main.cf defines and nobody uses is a warning, and not printed.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "net/params.h"
#include "tools/ctl/ctl.h"

#define FAILED		1	/* as postconf; it knows no other */
#define NAMES_MAX	(2u * CONF_NAMES_MAX)
#define OVERRIDES_MAX	256u

static struct {
	const char *directory;
	const char *overrides[OVERRIDES_MAX];
	unsigned override_count;
	bool defaults, set_only, expand, values_only, names_only;
	struct params_system system;
	struct conf *conf;
	const char *names[NAMES_MAX];
	unsigned count;
} config;

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("ringpost config: ", stderr);
	(void)vfprintf(stderr, fmt, args);	/* where would we complain? */
	fputc('\n', stderr);
	va_end(args);
}

static void say_warning(const char *line, void *context)
{
	(void)context;
	say("warning: %s", line);
}

static void say_error(const char *line, void *context)
{
	(void)context;
	say("fatal: %s", line);
}

/* --- names ---------------------------------------------------------------------------------------- */

static void add_name(const char *name)
{
	if (config.count < NAMES_MAX)	/* the conf holds no more */
		config.names[config.count++] = name;
}

static void add_known(const struct param_description *d, void *context)
{
	(void)context;
	if (d->is_heading)
		return;
	add_name(d->name);
	if (strcmp(d->twin, d->name) == 0)
		return;
	char *twin = strdup(d->twin);	/* for as long as the process lives */

	if (twin != NULL)
		add_name(twin);
}

static bool is_known(const char *name)
{
	return params_default(slice_of_str(name), &config.system) != NULL;
}

/* Names of the administrator's own, when something refers to them. */
static void add_own(const char *name, bool used, void *context)
{
	(void)context;
	if (used && !is_known(name))
		add_name(name);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* --- printing ------------------------------------------------------------------------------------- */

/* postconf -c DIR shows the directory as if main.cf had set it. */
static bool is_set(const char *name)
{
	return conf_is_set(config.conf, name) ||
	       (config.directory != NULL && strcmp(name, "config_directory") == 0);
}

static const char *value_of(const char *name)
{
	const char *value = config.expand ? conf_get(config.conf, name) : conf_written(config.conf, name);

	return value != NULL ? value : params_default(slice_of_str(name), &config.system);
}

static void print_one(const char *name)
{
	const char *value = value_of(name);

	if (config.set_only && !is_set(name))
		return;
	if (config.names_only)
		printf("%s\n", name);
	else if (config.values_only)
		printf("%s\n", value);
	else
		printf("%s =%s%s\n", name, value[0] != '\0' ? " " : "", value);
}

static bool is_own(const char *name)
{
	for (unsigned i = 0; i < config.count; i++)
		if (strcmp(config.names[i], name) == 0)
			return true;
	return false;
}

static void print_named(char **names)
{
	conf_each_written(config.conf, add_own, NULL);
	for (; *names != NULL; names++) {
		if (is_known(*names) || is_own(*names))
			print_one(*names);
		else
			say("warning: %s: unknown parameter", *names);
	}
}

static void print_all(void)
{
	params_describe(add_known, NULL);
	conf_each_written(config.conf, add_own, NULL);
	qsort(config.names, config.count, sizeof(config.names[0]), compare);
	for (unsigned i = 0; i < config.count; i++)
		print_one(config.names[i]);
}

/* --- reading -------------------------------------------------------------------------------------- */

static int read_conf(void)
{
	static struct params params;
	char path[512];

	if (config.directory != NULL && (config.directory = realpath(config.directory, NULL)) == NULL) {
		say("fatal: the directory of -c does not exist");
		return FAILED;
	}
	params_system_init(&config.system, "ringpost", config.directory);
	config.conf = params_conf_new(&config.system);
	if (config.conf == NULL) {
		say("fatal: not enough memory");
		return FAILED;
	}
	if (config.defaults)
		return 0;
	(void)snprintf(path, sizeof(path), "%s/main.cf",	/* one too long is no file */
		       config.directory != NULL ? config.directory : PARAM_CONFIG_DIRECTORY);
	(void)conf_read_file(config.conf, path);	/* its errors are among those listed below */
	for (unsigned i = 0; i < config.override_count; i++)
		conf_override(config.conf, config.overrides[i]);
	if (conf_error_count(config.conf) > 0) {
		conf_errors(config.conf, say_error, NULL);
		return FAILED;
	}
	/* Only to know who uses what: wrong values are for ringpostd --check. */
	(void)params_load(&params, config.conf);
	(void)params_load_lmtp(&params, config.conf);
	return 0;
}

static int bad_usage(const char *what)
{
	say("fatal: %s; usage: ringpost config [-c DIR] [-o name=value]... [-d | -n] [-x] [-h | -H] [name...]", what);
	return FAILED;
}

static int parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "c:o:dnxhH")) != -1) {
		if (c == 'c')
			config.directory = optarg;
		else if (c == 'o' && config.override_count < OVERRIDES_MAX)
			config.overrides[config.override_count++] = optarg;
		else if (c == 'd')
			config.defaults = true;
		else if (c == 'n')
			config.set_only = true;
		else if (c == 'x')
			config.expand = true;
		else if (c == 'h')
			config.values_only = true;
		else if (c == 'H')
			config.names_only = true;
		else
			return bad_usage(c == 'o' ? "more than 256 options -o" : "unknown option");
	}
	if (config.defaults && config.set_only)
		return bad_usage("specify one of -d -n");
	if (config.values_only && config.names_only)
		return bad_usage("specify one of -h -H");
	return 0;
}

int ctl_config(int argc, char **argv)
{
	int status = parse(argc, argv);

	if (status == 0)
		status = read_conf();
	if (status != 0)
		return status;
	if (optind < argc)
		print_named(argv + optind);
	else
		print_all();
	if (!config.defaults)
		conf_unused(config.conf, say_warning, NULL);
	conf_free(&config.conf);
	return fflush(stdout) == 0 && ferror(stdout) == 0 ? 0 : FAILED;
}
