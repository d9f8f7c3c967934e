/* reload.c - HUP: lookup tables whose files have changed are read again, certificates and authorities always, and every
 *            core takes the new content
 *
 *	main thread	reads the files, which may take its time
 *	every core	takes the new content, in one of its turns
 *	main thread	hears of it by SIGUSR2, and frees the old content
 *
 * Anybody of our user may send us that signal, and two of them may become one: it only says where to look.
 */
#include "tools/daemon/daemon.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "core/log.h"
#include "core/runtime.h"

static struct {
	struct daemon *daemon;
	struct note go[CORE_COUNT_MAX];		/* from core 0: take it */
	struct note done[CORE_COUNT_MAX];	/* to core 0 */
	unsigned waiting;			/* core 0's: cores that have not */
	atomic_bool all_have;			/* from core 0 to the main thread */
	bool under_way;				/* the main thread's */
	bool again;				/* HUP came meanwhile */
	bool locked;				/* somebody else writes a table just now */
	bool tls_made;				/* the contexts below are to be taken */
	struct tls_context *tls[CORE_COUNT_MAX];
	bool inject_tls_made;			/* the same for the listener */
	struct tls_context *inject_tls[CORE_COUNT_MAX];
	bool users_read;			/* the same: those below are to be taken */
	struct passwords *users;
} reload;

static void say(const char *line, void *context)
{
	(void)context;
	log_line(LOG_LEVEL_INFO, "ringpostd", "table: %s", line);
}

static void on_done(struct note *note)
{
	(void)note;
	ASSERT(reload.waiting > 0);
	if (--reload.waiting > 0)
		return;
	atomic_store(&reload.all_have, true);
	(void)kill(getpid(), SIGUSR2);	/* to ourselves: cannot fail */
}

static void on_go(struct note *note)
{
	table_set_adopt(reload.daemon->tables);
	if (reload.tls_made)
		engine_take_tls(reload.tls[note - reload.go]);
	if (reload.inject_tls_made)
		engine_take_inject_tls(reload.inject_tls[note - reload.go]);
	if (reload.users_read)
		engine_take_users(reload.users);
	xcall_send(0, &reload.done[note - reload.go]);
}

static void hand_out(void *context)
{
	(void)context;
	reload.waiting = runtime_cores();
	for (unsigned i = 0; i < runtime_cores(); i++) {
		note_init(&reload.go[i], on_go);
		note_init(&reload.done[i], on_done);
		xcall_send(i, &reload.go[i]);
	}
}

static bool make_inject_tls(void)
{
	char text[768];
	struct str why = STR(text);

	if (tls_inject_contexts_make(engine_params(reload.daemon), reload.inject_tls, runtime_cores(), &why) == 0)
		return true;
	log_line(LOG_LEVEL_WARNING, "smtpd", "TLS for injecting clients stays as it was: %s", str_cstr(&why));
	return false;
}

static bool read_users(void)
{
	char text[768];
	struct str why = STR(text);

	if (users_read(engine_params(reload.daemon), &why, &reload.users) == 0)
		return true;
	log_line(LOG_LEVEL_WARNING, "smtpd", "users stay as they were: %s", str_cstr(&why));
	return false;
}

void reload_tables(struct daemon *d)
{
	reload.daemon = d;
	reload.again = reload.under_way;
	if (reload.under_way)
		return;
	bool tables_read = table_set_reload(d->tables, say, NULL, &reload.locked) > 0;

	/* What cannot be read leaves the cores with what they have. */
	reload.tls_made = tls_contexts_make(engine_params(d), reload.tls, runtime_cores()) == 0;
	reload.inject_tls_made = make_inject_tls();
	reload.users_read = read_users();
	if (!tables_read && !reload.tls_made && !reload.inject_tls_made && !reload.users_read)
		return;
	atomic_store(&reload.all_have, false);
	reload.under_way = runtime_call(hand_out, NULL) == 0;	/* not when the engine has ended */
}

void reload_retry(void)
{
	if (reload.locked && !reload.under_way)
		reload_tables(reload.daemon);
}

void reload_taken(void)
{
	if (!reload.under_way || !atomic_load(&reload.all_have))
		return;		/* a signal of somebody else's */
	reload.under_way = false;
	if (reload.users_read) {
		passwords_free(&reload.daemon->users);	/* nobody has them any more */
		reload.daemon->users = reload.users;
	}
	table_set_retire(reload.daemon->tables, runtime_cores());
	if (reload.again)
		reload_tables(reload.daemon);
}
