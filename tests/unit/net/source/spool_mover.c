/* spool_mover.c - which message compaction takes, looked at in the moment between two notes */
#include "tests/test.h"

#include "tests/unit/net/source/spool_world.h"

/* One message that nobody takes, behind it dead records by the segment. */
static struct spool_message *an_old_message(void)
{
	world_start(1);
	world_open_ready();
	world.percent_deferred_job = 100;
	world_inject(1000, 2, "deaf.test");
	world_settle();
	for (unsigned i = 0; i < 30; i++) {
		world_inject(400000, 1, "a.test");
		world_settle();
		world_live(30, 0);
	}
	return list_entry(world.spool->journals[0]->live.next, struct spool_message, node);
}

/* Between two attempts. */
static bool is_at_rest(const struct spool_message *m)
{
	return m->state == SPOOL_MESSAGE_QUEUED && m->attempts == 0 && m->rcpts_open > 0 && m->journal->mover.m == NULL;
}

/* After the last settlement the job's end is still on its way from the destination's core. When it comes, the message
 * is freed, so nothing may be under way with it. */
static void a_message_about_to_end_stays(void **state)
{
	struct spool_message *m = an_old_message();
	struct spool_journal *sj = m->journal;

	(void)state;
	for (unsigned n = 0; !is_at_rest(m); n++) {
		assert_true(n < 10000);
		world_live(1, 0);
	}
	const uint32_t open = m->rcpts_open;

	m->rcpts_open = 0;
	spool_compact_tend(sj);
	assert_null(sj->mover.m);
	m->rcpts_open = open;
	spool_compact_tend(sj);
	assert_ptr_equal(sj->mover.m, m);
	world.percent_deferred_job = 0;
	world_drain();
	world_close();
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("a message whose last outcome is settled is not moved", a_message_about_to_end_stays),
	};

	return cmocka_run_group_tests_name("net/source/spool_mover", claims, NULL, NULL);
}
