/* ringpostd - accept mail over SMTP, keep it safe, deliver it */
#include "tools/daemon/daemon.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "core/clock.h"
#include "core/log.h"

static const char usage[] =
	"usage: ringpostd [-c DIR] [-o name=value]... [--check]\n"
	"\n"
	"  -c DIR            read DIR/main.cf (default: " PARAM_CONFIG_DIRECTORY ")\n"
	"  -o name=value     set a parameter; beats the file; may be repeated\n"
	"  --check           read the configuration, say everything that is wrong with it, and end\n"
	"  --selftest        prove that what it is made of does as it should on this machine, and end\n"
	"  --version         print the version, those of the libraries in use, and what is known against them\n"
	"  --help            print this\n"
	"\n"
	"signals: TERM drains and exits with 0, a second TERM or INT ends at once (safely), HUP reopens the log and reads changed tables\n"
	"manual:  ringpostd(8), ringpost.cf(5)\n";

static int print_version(void)
{
	printf("ringpostd %s\n\n", RINGPOST_VERSION);
	return selfcheck_print_libraries();
}

/* Returns -1 to go on, or the exit status. */
static int parse_options(int argc, char **argv, struct daemon_options *ret)
{
	static const struct option longs[] = {
		{ "check", no_argument, NULL, 'C' },
		{ "selftest", no_argument, NULL, 'S' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:o:h", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			ret->config_directory = optarg;
			break;
		case 'o':
			if (ret->override_count == DAEMON_OVERRIDES_MAX) {
				startup_say("more than %d options -o", DAEMON_OVERRIDES_MAX);
				return EX_USAGE;
			}
			ret->overrides[ret->override_count++] = optarg;
			break;
		case 'C':
			ret->check = true;
			break;
		case 'S':
			return selfcheck_run();
		case 'V':
			return print_version();
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs("try: ringpostd --help\n", stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		startup_say("\"%s\" is no option; try: ringpostd --help", argv[optind]);
		return EX_USAGE;
	}
	return -1;
}

/* Everything that can go wrong does so here, before anything has been accepted. */
static int start(struct daemon *d)
{
	int (*const steps[])(struct daemon *) = {
		startup_system, startup_spool, startup_ports, startup_tables, startup_metrics, startup_log,
		engine_start,
	};
	int status = 0;

	for (size_t i = 0; status == 0 && i < ARRAY_LEN(steps); i++)
		status = steps[i](d);
	return status;
}

static sigset_t our_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);	/* sent by engine.c when the engine has ended by itself */
	sigaddset(&set, SIGUSR2);	/* sent by reload.c when all cores have the new tables */
	return set;
}

/* Signals come to this thread alone, and in order. Returns when the engine has ended. */
static void serve(struct daemon *d)
{
	const struct timespec second = { .tv_sec = 1 };
	sigset_t set = our_signals();
	bool draining = false;
	uint64_t patience_ends_ns = UINT64_MAX;

	for (;;) {
		int sig = sigtimedwait(&set, NULL, &second);

		if (engine_has_ended())		/* a USR1 may also be somebody else's */
			return;
		if (sig == SIGHUP) {
			log_reopen();
			reload_tables(d);
		}
		if (sig == SIGUSR2)
			reload_taken();
		if (sig == SIGINT || (sig == SIGTERM && draining)) {
			engine_exit_now();
		} else if (sig == SIGTERM) {
			draining = true;
			patience_ends_ns = clock_mono_ns() + d->params.drain_timeout_ns;
			outside_notify("STOPPING=1");
			log_line(LOG_LEVEL_INFO, "ringpostd", "draining: a second TERM ends at once");
			engine_drain();
		}
		if (clock_mono_ns() >= patience_ends_ns) {
			patience_ends_ns = UINT64_MAX;
			log_line(LOG_LEVEL_WARNING, "ringpostd", "sessions are still open after drain_timeout: ending at once");
			engine_exit_now();
		}
		if (sig < 0) {
			outside_write_metrics(&d->params);
			surroundings_watch(d);
			reload_retry();
		}
	}
}

int main(int argc, char **argv)
{
	static struct daemon d;
	sigset_t set = our_signals();
	int status = parse_options(argc, argv, &d.options);

	if (status >= 0)
		return status;
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN);		/* RLIMIT_FSIZE: EFBIG, which is handled as a full disk is */
	sigprocmask(SIG_BLOCK, &set, NULL);	/* before the first thread: all inherit it */
	(void)prctl(PR_SET_DUMPABLE, 0);	/* no cores: mail is other people's (row AUT-08) */
	status = tls_prove();
	if (status == 0)
		status = startup_config(&d);
	if (status == 0)
		status = auth_prove(engine_params(&d));
	if (status == 0)
		status = startup_listener(&d);
	if (status == 0 && d.options.check)
		printf("%s: no errors; %u engine thread%s\n", d.config_file, d.cores, d.cores == 1 ? "" : "s");
	if (status != 0 || d.options.check)
		return status;
	status = start(&d);
	if (status == 0) {
		selfcheck_log_libraries();
		serve(&d);
		status = engine_join();
		outside_write_metrics(&d.params);
		log_line(LOG_LEVEL_INFO, "ringpostd", "stopped");
	}
	log_stop(2000);
	return status;
}
