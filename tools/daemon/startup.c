/* startup.c - find out what is wrong before anything is accepted, and say it in one line each */
#include "tools/daemon/daemon.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "core/file.h"
#include "core/io.h"
#include "core/log.h"
#include "core/runtime.h"
#include "net/delivery/maillog.h"
#include "net/lookup/dnssec_probe.h"
#include "net/lookup/table_net.h"

#define PORT_WAIT_MS	5000u	/* a predecessor that was killed may hold the port for a moment (row URG-25) */
#define FILES_SPARE	128u	/* journal, log, DNS sockets, listeners */
#define FILES_LEAST	256u

void startup_say(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fputs("ringpostd: ", stderr);
	(void)vfprintf(stderr, fmt, args);
	fputc('\n', stderr);
	va_end(args);
}

/* --- configuration ---------------------------------------------------------------------------- */

static void say_line(const char *line, void *context)
{
	(void)context;
	startup_say("%s", line);
}

static void check_dnssec_probe(struct daemon *d)
{
	struct dnssec_probe probe;

	if (dnssec_probe_init(&probe, slice_of_str(d->params.dnssec_probe), NULL, NULL) < 0)
		conf_error(d->conf, "dnssec_probe", "not a question to DNS",
			   "type:name, the type one of a, aaaa, mx, ns, soa, txt");
}

int startup_config(struct daemon *d)
{
	/* $config_directory in a value has to be an absolute path. A missing one keeps its name for the errors. */
	char *absolute = d->options.config_directory != NULL ? realpath(d->options.config_directory, NULL) : NULL;

	if (absolute != NULL)
		d->options.config_directory = absolute;	/* for as long as the process lives */
	const char *dir = d->options.config_directory != NULL ? d->options.config_directory : PARAM_CONFIG_DIRECTORY;
	struct stat found;

	params_system_init(&d->system, "ringpostd", d->options.config_directory);
	d->conf = params_conf_new(&d->system);
	if (d->conf == NULL) {
		startup_say("not enough memory to read the configuration");
		return EX_OSERR;
	}
	if (stat(dir, &found) == 0 && !S_ISDIR(found.st_mode)) {
		startup_say("-c %s: not a directory; expected the directory that main.cf is in", dir);
		return EX_CONFIG;
	}
	(void)snprintf(d->config_file, sizeof(d->config_file), "%s/main.cf", dir);
	(void)conf_read_file(d->conf, d->config_file);	/* its errors are among those listed below */
	for (unsigned i = 0; i < d->options.override_count; i++)
		conf_override(d->conf, d->options.overrides[i]);
	table_net_register();
	d->tables = table_set_new();	/* for as long as the process lives */
	if (d->tables == NULL) {
		startup_say("not enough memory for lookup tables");
		return EX_OSERR;
	}
	(void)params_load(&d->params, d->conf);
	(void)params_load_lmtp(&d->lmtp_params, d->conf);
	(void)params_open_tables(&d->params, d->conf, d->tables, say_line, NULL);
	(void)params_open_tables(&d->lmtp_params, d->conf, d->tables, say_line, NULL);
	check_dnssec_probe(d);
	params_remarks(d->conf, say_line, NULL);
	conf_unused(d->conf, say_line, NULL);
	conf_errors(d->conf, say_line, NULL);
	if (conf_error_count(d->conf) > 0) {
		startup_say("%u error%s in the configuration", conf_error_count(d->conf),
			    conf_error_count(d->conf) == 1 ? "" : "s");
		return EX_CONFIG;
	}
	d->cores = d->params.worker_threads != 0 ? d->params.worker_threads : runtime_usable_cores();
	return 0;
}

/* It promises TLS to its clients, and knows its users: without them, it does not start. */
int startup_listener(struct daemon *d)
{
	char text[768];
	struct str why = STR(text);

	if (tls_inject_contexts_make(engine_params(d), d->inject_tls, d->cores, &why) < 0) {
		startup_say("TLS for injecting clients (smtpd_tls_cert_file, smtpd_tls_key_file): %s", str_cstr(&why));
		return EX_CONFIG;
	}
	if (users_read(engine_params(d), &why, &d->users) < 0) {
		startup_say("%s", str_cstr(&why));
		return EX_CONFIG;
	}
	return 0;
}

/* --- the system ------------------------------------------------------------------------------- */

static int check_files(struct daemon *d)
{
	uint64_t wanted = (uint64_t)d->params.session_limit + d->params.inject_connection_limit + FILES_SPARE;
	/* hashing is uneven; halves for accepting and connecting */
	uint64_t each = wanted / d->cores * 2 + FILES_SPARE;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		limit.rlim_cur = 1024;
	if (limit.rlim_cur < FILES_LEAST) {
		startup_say(
			"only %llu open files are allowed, at least %u are needed: raise the limit (ulimit -n, LimitNOFILE=)",
			(unsigned long long)limit.rlim_cur, FILES_LEAST);
		return EX_OSERR;
	}
	d->files_max = (unsigned)min_u64(min_u64(each * 2, limit.rlim_cur), IO_FILES_MAX);
	if (d->files_max < each)
		startup_say(
			"note: %llu open files allowed, %llu wanted for session_limit and inject_connection_limit: fewer "
			"connections will be open at one time",
			(unsigned long long)limit.rlim_cur, (unsigned long long)each);
	return 0;
}

int startup_system(struct daemon *d)
{
	int r = io_probe();

	if (r < 0) {
		startup_say("%s", io_diagnosis(r));
		return EX_OSERR;
	}
	return check_files(d);
}

int startup_spool(struct daemon *d)
{
	char text[JOURNAL_PATH_MAX + 128];
	struct str why = STR(text);
	int r = spool_dir_open(d->params.spool_directory, &d->spool_dir, &why);

	if (r == 0)
		return 0;
	startup_say("spool_directory %s", str_cstr(&why));
	return r == -EWOULDBLOCK ? EX_TEMPFAIL : EX_CANTCREAT;
}

static int check_ports(const char *param, const struct param_endpoints *endpoints)
{
	for (unsigned i = 0; i < endpoints->count; i++) {
		char text[ADDR_TEXT_MAX + 8];
		struct str name = STR(text);
		const struct addr *a = &endpoints->list[i];
		int r = io_listen_check(a, PORT_WAIT_MS);

		if (r == 0)
			continue;
		addr_add_ip(&name, a);
		if (addr_port(a) != 0)
			str_printf(&name, " port %u", addr_port(a));
		if (r == -EADDRINUSE)
			startup_say("%s: %s is in use by another program", param, str_cstr(&name));
		else
			startup_say("%s: cannot listen on %s: %s", param, str_cstr(&name), err_text(r));
		return EX_UNAVAILABLE;
	}
	return 0;
}

int startup_ports(struct daemon *d)
{
	int status = check_ports("inject_smtp_listen", &d->params.inject_smtp_listen);

	return status != 0 ? status : check_ports("inject_smtps_listen", &d->params.inject_smtps_listen);
}

/* --- tables and log --------------------------------------------------------------------------- */

int startup_tables(struct daemon *d)
{
	char *text;
	size_t len;

	for (unsigned i = 0; i < d->params.known_tcp_ports.count; i++)
		(void)services_add(&d->services, d->params.known_tcp_ports.list[i].name,
				   d->params.known_tcp_ports.list[i].port);	/* params have checked them */
	/* Containers often have no such file: it is only an addition. */
	if (file_read("/etc/services", MIB(1), &text, &len) == 0) {
		(void)services_add_file(&d->services, slice_of(text, len));
		free(text);
	}
	d->surroundings = surroundings_read(&d->params);
	if (d->surroundings != NULL)
		return 0;
	startup_say("the addresses of this machine's interfaces (inet_interfaces) and /etc/hosts cannot be read");
	return EX_OSERR;
}

int startup_log(struct daemon *d)
{
	const char *file = d->params.maillog_file;
	struct log_conf conf = {
		.tag = d->params.syslog_name,
		.facility = d->params.syslog_facility,
		.hostname = d->params.myhostname,
		.path = file,
	};

	if (file[0] == '\0')
		conf.sink = LOG_SINK_SYSLOG;
	else if (strcmp(file, "/dev/stdout") == 0)
		conf.sink = LOG_SINK_STDOUT;
	else if (strcmp(file, "/dev/stderr") == 0)
		conf.sink = LOG_SINK_STDERR;
	else
		conf.sink = LOG_SINK_FILE;
	int r = log_start(&conf);

	if (r < 0 && conf.sink == LOG_SINK_SYSLOG) {
		startup_say("maillog_file is empty, so the log goes to the system's, but /dev/log: %s; set maillog_file to a file, "
			    "or to /dev/stdout", err_text(r));
		return EX_CANTCREAT;
	}
	if (r < 0) {
		startup_say("maillog_file %s: %s", file, err_text(r));
		return EX_CANTCREAT;
	}
	maillog_start(params_client_name(&d->params), d->params.delay_logging_resolution_limit,
		      d->params.info_log_address_format == LOG_ADDRESS_INTERNAL);
	if (log_thread_open() < 0) {
		startup_say("not enough memory for the log");
		return EX_OSERR;
	}
	log_line(LOG_LEVEL_INFO, "ringpostd", "version %s starts: %u engine thread%s, %u open files each",
		 RINGPOST_VERSION, d->cores, d->cores == 1 ? "" : "s", d->files_max);
	return 0;
}

/* Without it the operator would find out when the figures are needed. */
int startup_metrics(struct daemon *d)
{
	int r = outside_check_metrics(&d->params);

	if (r == 0)
		return 0;
	startup_say("metrics_file %s: cannot be written: %s; its directory must be writable, too", d->params.metrics_file,
		    err_text(r));
	return EX_CANTCREAT;
}
