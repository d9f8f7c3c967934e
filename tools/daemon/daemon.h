/* daemon.h - what the parts of ringpostd share: options, start-up checks, the engine on all cores, the outside world
 *
 *	main.c		command line, order of events, signals
 *	startup.c	everything that can be found wrong before anything is accepted, one line each
 *	engine.c	one core's parts put together; recovery, opening, draining in step on all cores
 *	selfcheck.c	--version, --selftest: libraries, and proofs
 *	reload.c	HUP: lookup tables, and what TLS is made of
 *	tls.c		TLS contexts of the cores, users of the listener
 *	outside.c	service manager, metrics file
 *	surroundings.c	this machine's addresses and hosts file, read again and again
 */
#pragma once

#include <sysexits.h>

#include "core/conf.h"
#include "core/limits.h"
#include "crypto/passwords.h"
#include "crypto/tls_context.h"
#include "net/lookup/hosts.h"
#include "net/lookup/nexthop.h"
#include "net/params.h"
#include "net/source/spool_dir.h"

#define DAEMON_OVERRIDES_MAX 256

struct daemon_options {
	const char *config_directory;	/* NULL: the default */
	const char *overrides[DAEMON_OVERRIDES_MAX];
	unsigned override_count;
	bool check;
};

/* Read-only once made. */
struct surroundings {
	struct hosts hosts;
	struct addr *own;		/* addresses that are this machine: mail must not come back to them */
	unsigned own_count;
};

struct daemon {
	struct daemon_options options;
	struct params_system system;
	struct conf *conf;
	struct params params;
	struct params lmtp_params;	/* the same names, with the values for LMTP */
	struct table_set *tables;
	struct tls_context *inject_tls[CORE_COUNT_MAX];	/* the listener's, to begin with */
	struct passwords *users;	/* that the cores have; those before go when all have taken others */
	struct services services;
	struct surroundings *surroundings;	/* the latest, which the cores have, or are about to have */
	unsigned cores;
	unsigned files_max;		/* direct descriptors per core */
	struct spool_dir spool_dir;
	char config_file[512];
};

/* --- startup.c: each returns 0, or the exit status after having said why ---------------------- */

int startup_config(struct daemon *d);		/* reads and checks main.cf; all errors at once */
int startup_listener(struct daemon *d);		/* certificate and users of the SMTP listener */
int startup_system(struct daemon *d);		/* io_uring, limits */
int startup_spool(struct daemon *d);		/* directory, owner, lock, format */
int startup_ports(struct daemon *d);		/* is anybody listening there? */
int startup_tables(struct daemon *d);		/* hosts, services */
int startup_metrics(struct daemon *d);		/* can it be written? */
int startup_log(struct daemon *d);

/* One line on standard error. */
void startup_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* --- engine.c --------------------------------------------------------------------------------- */

/* Starts all cores; they recover, then accept. 0, or the exit status after having said why. */
int engine_start(struct daemon *d);
/* From the main thread. */
void engine_drain(void);
void engine_exit_now(void);
/* Gives s to all cores; what they have had is freed when the last of them has let go of it. The main thread may go on
 * reading s until it gives them the next. False: not now, there is no room for one more call. */
bool engine_surroundings(struct surroundings *s);
/* What delivery reads: with default_transport = lmtp, the same names with LMTP's values. */
const struct params *engine_params(const struct daemon *d);
/* On a core: its sessions to come use this context. */
void engine_take_tls(struct tls_context *context);
/* The same for its listener: clients to come. */
void engine_take_inject_tls(struct tls_context *context);
/* Who may authenticate to it from now on. */
void engine_take_users(const struct passwords *users);
/* It has ended, or is about to, and nobody takes calls any more. SIGUSR1 says when to ask. */
bool engine_has_ended(void);
/* Waits for the end; the exit status. */
int engine_join(void);

/* --- reload.c: on the main thread ------------------------------------------------------------- */

/* HUP: reads lookup tables again whose files have changed, and hands them to all cores. */
void reload_tables(struct daemon *d);
/* SIGUSR2: they have taken them. */
void reload_taken(void);
/* Now and then: tries again what another program had locked. */
void reload_retry(void);

/* --- tls.c: on the main thread ---------------------------------------------------------------- */

/* The library takes our hooks, and tells clones from certificates: 0, or the exit status after having said why. */
int tls_prove(void);
/* Where sessions are to be authenticated, the mechanisms are there: the same. */
int auth_prove(const struct params *p);
/* The users of inject_smtp_password_file; NULL when nobody may authenticate. Negative: *why says what is wrong. */
int users_read(const struct params *p, struct str *why, struct passwords **ret_users);
/* One for each core; NULLs where TLS is not wanted. Negative, after having said why in the log: none of them. */
int tls_contexts_make(const struct params *p, struct tls_context **ret_contexts, unsigned count);
/* The same for the listener. Negative: *why says which file, and what is wrong with it. */
int tls_inject_contexts_make(const struct params *p, struct tls_context **ret_contexts, unsigned count,
			     struct str *why);

/* --- selfcheck.c: before the first thread, but for the log ------------------------------------ */

/* 0, or the exit status after having said what does not hold. */
int selfcheck_run(void);
int selfcheck_print_libraries(void);
void selfcheck_log_libraries(void);

/* --- outside.c -------------------------------------------------------------------------------- */

/* Tells the service manager ("READY=1"), when there is one. */
void outside_notify(const char *state);

/* Could metrics_file be written now? 0, also when none is configured, or why not. */
int outside_check_metrics(const struct params *params);

/* Rewrites metrics_file, when one is configured. Called about once a second, from the main thread. Says in the log
 * when it cannot, and when it can again. */
void outside_write_metrics(const struct params *params);

/* --- surroundings.c: from the main thread ----------------------------------------------------- */

/* NULL: no memory, or the system does not tell. */
struct surroundings *surroundings_read(const struct params *p);
void surroundings_free(struct surroundings **s);

/* Called about once a second. Reads them anew now and then, and hands them to the cores when they have changed. */
void surroundings_watch(struct daemon *d);
