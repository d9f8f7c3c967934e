/* spool_said.c - bounces whose log line went down with the process are said again
 *
 *	SETTLE (bounced)  ->  durable  ->  line put into the log  ->  line in the file  ->  SAID
 *
 * SAID counts from its own place backward, so that it needs no memory of earlier lives: of all bounces recorded before
 * it, the last so many may be missing from the log.
 */
#include "net/source/spool_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "core/log.h"

static void on_commit(struct journal_waiter *w, int err)
{
	struct spool_journal *sj = container_of(w, struct spool_journal, said_waiter);

	sj->said_busy = false;
	if (err == 0)
		sj->bounces_said = sj->bounces_asked;
}

static void write_said(struct spool_journal *sj)
{
	uint8_t record[SPOOL_SAID_SIZE];
	const uint64_t unsaid = sj->bounces_recorded - sj->bounces_asked;
	const struct slice part = slice_of(record, spool_write_said(record, unsaid));
	struct journal_ref ref;

	if (journal_append(sj->journal, SPOOL_SAID, JOURNAL_END, &part, 1, &ref) < 0)
		return;		/* a later look tries again; until then some would be said twice */
	sj->said_position = 0;
	sj->said_busy = true;
	sj->said_waiter.fn = on_commit;
	journal_commit(sj->journal, &sj->said_waiter);
}

void spool_said_tend(struct spool_journal *sj)
{
	if (!sj->is_ready || sj->said_busy)
		return;
	if (sj->said_position != 0 && log_is_written(sj->said_position))
		write_said(sj);
	else if (sj->said_position == 0 && sj->bounces_put != sj->bounces_said) {
		sj->bounces_asked = sj->bounces_put;
		sj->said_position = log_position();
	}
}

/* --- replay ------------------------------------------------------------------------------------------------------- */

int spool_said_open(struct spool_journal *sj)
{
	list_init(&sj->said_waiter.node);
	sj->unsaid = calloc(SPOOL_UNSAID_MAX, sizeof(*sj->unsaid));
	return sj->unsaid != NULL ? 0 : -ENOMEM;
}

void spool_said_close(struct spool_journal *sj)
{
	free(sj->unsaid);
	sj->unsaid = NULL;
}

void spool_said_replay_bounce(struct spool_journal *sj, uint64_t id, const struct rcpt *r, struct enhanced_code dsn)
{
	struct spool_unsaid *u = &sj->unsaid[sj->unsaid_end++ % SPOOL_UNSAID_MAX];
	struct str addr = STR(u->addr);

	u->id = id;
	u->dsn = dsn;
	str_add_cut(&addr, r->addr, sizeof(u->addr));
	u->addr_len = (uint16_t)addr.len;
	if (sj->unsaid_end - sj->unsaid_first > SPOOL_UNSAID_MAX)
		sj->unsaid_first++;
}

void spool_said_replay(struct spool_journal *sj, uint64_t unsaid)
{
	if (sj->unsaid_end - sj->unsaid_first > unsaid)
		sj->unsaid_first = sj->unsaid_end - unsaid;
}

void spool_said_again(struct spool_journal *sj)
{
	for (; sj->unsaid_first != sj->unsaid_end; sj->unsaid_first++) {
		const struct spool_unsaid *u = &sj->unsaid[sj->unsaid_first % SPOOL_UNSAID_MAX];
		char id[MESSAGE_ID_TEXT_MAX];
		char text[512];
		struct str addr = STR(text);

		message_log_addr(&addr, slice_of(u->addr, u->addr_len), sizeof(text));
		log_line(LOG_LEVEL_INFO, sj->spool->conf.client_name, "%s: to=<%.*s>, relay=none, delay=0, delays=0/0/0/0, dsn=%u.%u.%u, "
			 "status=bounced (before the last stop; the line that says why may be missing)",
			 spool_id_cstr(u->id, id), (int)addr.len, addr.ptr, u->dsn.class, u->dsn.subject,
			 u->dsn.detail);
		sj->bounces_recorded++;
		sj->bounces_put++;
	}
}
