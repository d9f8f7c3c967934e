/* ringpost - look at the engine and its configuration */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "core/base.h"
#include "tools/ctl/ctl.h"

static const char usage[] =
	"usage: ringpost config [-c DIR] [-o name=value]... [-d | -n] [-x] [-h | -H] [name...]\n"
	"       ringpost --version | --help\n"
	"\n"
	"manual: ringpost(1), ringpost.cf(5)\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "config", ctl_config },
};

int main(int argc, char **argv)
{
	if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
		printf("ringpost %s\n", RINGPOST_VERSION);
		return 0;
	}
	if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
		fputs(usage, stdout);
		return 0;
	}
	for (size_t i = 0; argc >= 2 && i < ARRAY_LEN(commands); i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argc - 1, argv + 1);
	fputs(usage, stderr);
	return EX_USAGE;
}
