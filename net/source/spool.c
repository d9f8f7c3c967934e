#include "net/source/spool.h"

#include <errno.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/log.h"
#include "net/source/spool_dir.h"
#include "net/source/spool_impl.h"

struct metric spool_metric_accepted = METRIC_COUNTER("ringpost_accepted_total", "messages accepted");
struct metric spool_metric_accepted_rcpts = METRIC_COUNTER("ringpost_accepted_recipients_total", "recipients accepted");
struct metric spool_metric_sent = METRIC_COUNTER("ringpost_sent_total", "recipients delivered");
struct metric spool_metric_bounced = METRIC_COUNTER("ringpost_bounced_total", "recipients failed for good");
struct metric spool_metric_deferred = METRIC_COUNTER("ringpost_deferred_total", "deferrals of recipients");
struct metric spool_metric_ambiguous =
	METRIC_COUNTER("ringpost_ambiguous_redelivery_total", "recipients tried again that may have it already");
struct metric spool_metric_queued = METRIC_GAUGE("ringpost_queued", "messages in the queue");
struct metric spool_metric_queued_rcpts = METRIC_GAUGE("ringpost_queued_recipients", "recipients in the queue");
struct metric spool_metric_damaged =
	METRIC_COUNTER("ringpost_spool_damaged_total", "messages kept aside because their content is damaged");
struct metric spool_metric_recovered =
	METRIC_COUNTER("ringpost_spool_recovered_total", "messages found in the spool at start");
struct metric spool_metric_moved =
	METRIC_COUNTER("ringpost_spool_moved_total", "messages written again so that old segments could go");

static void tend_on_timer(struct wheel_timer *timer);

/* --- sizes -------------------------------------------------------------------------------------------------------- */

/* Each core gets its share; what recovery needs beyond it is in spool_new. Address space is cheap, memory is touched on
 * use: 2 KiB an envelope covers 20 recipients, and 256 MiB some very large ones. Two windows an attempt are 128 KiB,
 * and as many attempts as sessions would be more than a machine wants to read at one time: 64 MiB are 512 of them. */
void spool_conf_from_params(const struct params *params, unsigned core, unsigned cores, struct spool_conf *ret_conf)
{
	const size_t messages = params->queue_message_limit / cores + (core < params->queue_message_limit % cores);
	const size_t segment = MAX(params->journal_segment_size / JOURNAL_BLOCK, 4u) * JOURNAL_BLOCK;

	*ret_conf = (struct spool_conf){
		.client_name = params_client_name(params),
		.core = core,
		.cores = cores,
		.segment_size = segment,
		.journal_memory = MAX(params->journal_memory / JOURNAL_BLOCK, 4u) * JOURNAL_BLOCK,
		.message_limit = MAX(messages, 1u),
		.envelope_memory = messages * SPOOL_RECOVERY_FACTOR * KIB(2) + MIB(256),
		.read_memory = params->content_memory / 2,
		.attempt_limit = 2 * (size_t)params->session_limit,
		.backoff_max_ns = params->maximal_backoff_time_ns,
	};
}

/* The journals whose home is this core: its own, and those of cores that are no more. */
static uint64_t journals_of(const struct spool_conf *conf)
{
	const uint64_t found = spool_dir_journals(conf->dir) | UINT64_C(1) << conf->core;
	uint64_t own = 0;

	for (unsigned k = conf->core; k < SPOOL_JOURNALS_MAX; k += conf->cores)
		own |= found & UINT64_C(1) << k;
	return own;
}

/* Half of the memory for content that is read back. */
static size_t read_size(const struct spool_conf *conf)
{
	return MAX(conf->read_memory / 2 / SPOOL_READ_MAX, (size_t)1) * SPOOL_READ_MAX;
}

/* One block on top: each journal's share begins on a page. */
size_t spool_arena_size(const struct spool_conf *conf)
{
	const unsigned adopted = (unsigned)__builtin_popcountll(journals_of(conf)) - 1;

	return conf->journal_memory + adopted * SPOOL_ADOPTED_MEMORY + 2 * read_size(conf) + JOURNAL_BLOCK;
}

const char *spool_id_cstr(uint64_t id, char text[MESSAGE_ID_TEXT_MAX])
{
	struct str s = str_over(text, MESSAGE_ID_TEXT_MAX);

	message_id_text(&s, id);
	return str_cstr(&s);
}

/* --- ids ---------------------------------------------------------------------------------------------------------- */

static void ids_on_commit(struct journal_waiter *w, int err)
{
	struct spool_journal *sj = container_of(w, struct spool_journal, ids_waiter);
	struct spool *s = sj->spool;

	sj->ids_busy = false;
	if (s->closing)
		return;
	if (err < 0) {
		journal_release(sj->journal, sj->ids_hold_new);
		return;			/* tried again by the timer */
	}
	if (sj->ids_hold != 0)
		journal_release(sj->journal, sj->ids_hold);
	sj->ids_hold = sj->ids_hold_new;
	sj->ids_below = sj->ids_asked;
	if (sj->is_ready)
		return;
	sj->is_ready = true;
	if (--s->opening > 0)
		return;
	s->ready = true;
	timer_arm_in(&s->offer, 0);
	s->conf.ready(s, 0, s->conf.context);
}

/* A bound is durable before any id beyond the last one is given away; and it moves along with the segments, or the
 * oldest of them would stay for its sake. */
void spool_ids_tend(struct spool_journal *sj)
{
	const uint32_t active = journal_usage(sj->journal).active_segment;
	uint8_t record[SPOOL_IDS_SIZE];
	struct journal_ref ref;

	if (!sj->is_open || sj->ids_busy || active == 0)
		return;
	if (sj->is_ready && active == sj->ids_hold && sj->id_next + SPOOL_IDS_AHEAD / 2 < sj->ids_below)
		return;
	sj->ids_asked = MAX(sj->ids_below, sj->id_next + SPOOL_IDS_AHEAD);
	const uint64_t now = reactor_queue_now();
	const struct slice part = slice_of(record, spool_write_ids(record, sj->ids_asked, spool_time(sj, now), now));

	if (journal_append(sj->journal, SPOOL_IDS, JOURNAL_END, &part, 1, &ref) < 0)
		return;
	sj->ids_hold_new = ref.segment;
	journal_hold(sj->journal, ref.segment);
	sj->ids_busy = true;
	sj->ids_waiter.fn = ids_on_commit;
	journal_commit(sj->journal, &sj->ids_waiter);
}

/* The clock only serves to be far from the ids of a spool that was removed; what the records say always wins (row
 * SPL-10). */
static void ids_begin(struct spool_journal *sj)
{
	sj->id_next = max_u64(sj->id_next, reactor_wall_now() >> SPOOL_ID_CLOCK_SHIFT);
	spool_ids_tend(sj);
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

/* A counter that only a hostile hand can have written: what we give away behind it, no start would believe. */
static int check_ids(const struct spool_journal *sj)
{
	if (sj->id_next < SPOOL_ID_COUNTER_MAX - 2 * SPOOL_IDS_AHEAD)
		return 0;
	log_line(LOG_LEVEL_FATAL, "qmgr", "fatal: %s: its records use up all ids: not touched", sj->dir);
	return -EOVERFLOW;
}

static void all_opened(struct spool *s)
{
	for (unsigned i = 0; i < s->journal_count && s->open_err == 0; i++)
		s->open_err = check_ids(s->journals[i]);
	if (s->open_err < 0) {
		s->conf.ready(s, s->open_err, s->conf.context);
		return;
	}
	spool_recover_end(s);
	s->opening = s->journal_count;
	for (unsigned i = 0; i < s->journal_count; i++)
		ids_begin(s->journals[i]);
	timer_arm_in(&s->tend, SPOOL_TEND_NS);
}

static void on_ready(struct journal *j, int err, void *context)
{
	struct spool_journal *sj = context;
	struct spool *s = sj->spool;

	(void)j;
	sj->is_open = err == 0;
	if (err < 0 && s->open_err == 0)
		s->open_err = err;
	if (--s->opening == 0 && !s->closing)
		all_opened(s);
}

static void on_space(struct journal *j, bool is_short, int err, void *context)
{
	struct spool_journal *sj = context;
	struct spool *s = sj->spool;

	(void)j;
	if (sj != s->journals[0])
		return;
	s->space_short = is_short;
	if (is_short)
		log_line(LOG_LEVEL_ERROR, "qmgr", "error: %s: no room for new mail (%s): refusing it with 452", sj->dir,
			 err_text(err));
	else
		log_line(LOG_LEVEL_INFO, "qmgr", "%s: room again: new mail is welcome", sj->dir);
}

void spool_open(struct spool *s)
{
	ASSERT(s->opening == 0 && !s->ready && s->home == reactor_self());
	s->opening = s->journal_count;
	for (unsigned i = 0; i < s->journal_count; i++)
		journal_open(s->journals[i]->journal);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* Two a message, and one message with as many destinations as it may have recipients; what is split is beside that. */
size_t spool_jobs_max(const struct spool_conf *conf)
{
	return 2 * conf->message_limit * SPOOL_RECOVERY_FACTOR + MESSAGE_RCPTS_MAX + SPOOL_SPLITS_MAX;
}

static int take_read_memory(struct spool *s)
{
	struct slab *const halves[] = { &s->read_memory, &s->read_reserve };
	const size_t size = read_size(&s->conf);
	int r = 0;

	for (unsigned i = 0; i < ARRAY_LEN(halves) && r == 0; i++) {
		void *memory = io_arena_take(size, KIB(4));

		r = memory != NULL ? slab_init_over(halves[i], "read windows", memory, size, SPOOL_READ_MAX) :
				     slab_init(halves[i], "read windows", size);
	}
	return r;
}

static int take_memory(struct spool *s)
{
	const struct spool_conf *c = &s->conf;
	const size_t messages = c->message_limit * SPOOL_RECOVERY_FACTOR;

	s->scratch = malloc(JOURNAL_RECORD_MAX);
	if (s->scratch == NULL ||
	    pool_init(&s->messages, "messages", sizeof(struct spool_message), messages) < 0 ||
	    pool_init(&s->jobs, "jobs", sizeof(struct spool_job), spool_jobs_max(c)) < 0 ||
	    pool_init(&s->attempts, "attempts", sizeof(struct spool_attempt), c->attempt_limit) < 0 ||
	    slab_init(&s->memory, "envelopes", c->envelope_memory) < 0 ||
	    map_init(&s->by_id, messages) < 0)
		return -ENOMEM;
	return 0;
}

static struct spool_journal *journal_take(struct spool *s, unsigned index)
{
	struct spool_journal *sj = calloc(1, sizeof(*sj));
	const struct journal_conf conf = {
		.dir = sj != NULL ? sj->dir : NULL,
		.segment_size = s->conf.segment_size,
		.memory = index == s->conf.core ? s->conf.journal_memory : SPOOL_ADOPTED_MEMORY,
	};
	const struct journal_events events = {
		.replay = spool_replay, .damage = spool_replay_damage,
		.ready = on_ready, .space = on_space, .context = sj,
	};

	if (sj == NULL)
		return NULL;
	sj->spool = s;
	sj->index = index;
	sj->pin_percent = MAX(SPOOL_ROOM_PERCENT, (unsigned)(100 * SPOOL_ROOM_BLOCKS * JOURNAL_BLOCK / conf.memory));
	list_init(&sj->live);
	list_init(&sj->drafts);
	list_init(&sj->put_queue);
	list_init(&sj->damaged);
	list_init(&sj->ids_waiter.node);
	list_init(&sj->mover.waiter.node);
	wheel_timer_init(&sj->mover.timer, NULL);
	sj->mover.buf = malloc(SPOOL_READ_MAX);
	spool_dir_journal_path(s->conf.dir, index, sj->dir);
	if (spool_said_open(sj) == 0 && sj->mover.buf != NULL && io_mkdir(sj->dir, 0700) == 0)
		sj->journal = journal_new(&conf, &events);
	return sj;
}

static int take_journals(struct spool *s)
{
	const uint64_t own = journals_of(&s->conf);

	/* Its own first: that is where new mail goes. */
	for (unsigned k = s->conf.core; k < SPOOL_JOURNALS_MAX; k += s->conf.cores) {
		if ((own & UINT64_C(1) << k) == 0)
			continue;
		struct spool_journal *sj = journal_take(s, k);

		if (sj == NULL)
			return -ENOMEM;
		s->journals[s->journal_count++] = sj;
		if (sj->journal == NULL)
			return -ENOMEM;
	}
	return 0;
}

static void register_metrics(void)
{
	struct metric *const all[] = {
		&spool_metric_accepted, &spool_metric_accepted_rcpts, &spool_metric_sent, &spool_metric_bounced,
		&spool_metric_deferred, &spool_metric_ambiguous, &spool_metric_queued, &spool_metric_queued_rcpts,
		&spool_metric_damaged, &spool_metric_recovered, &spool_metric_moved,
	};

	for (unsigned i = 0; i < ARRAY_LEN(all); i++)
		metric_register(all[i]);
}

struct spool *spool_new(const struct spool_conf *conf)
{
	struct spool *s = calloc(1, sizeof(*s));

	ASSERT(conf->core < conf->cores && conf->cores <= CORE_COUNT_MAX && conf->message_limit > 0);
	if (s == NULL)
		return NULL;
	s->magic = SPOOL_MAGIC;
	s->conf = *conf;
	s->home = reactor_self();
	list_init(&s->attempts_all);
	list_init(&s->claims);
	list_init(&s->read_waiters);
	list_init(&s->read_beginners);
	wheel_timer_init(&s->tend, tend_on_timer);
	wheel_timer_init(&s->offer, spool_offer_on_timer);
	register_metrics();
	if (take_memory(s) < 0 || take_journals(s) < 0 || take_read_memory(s) < 0)
		spool_free(&s);
	return s;
}

static void tend_on_timer(struct wheel_timer *timer)
{
	struct spool *s = container_of(timer, struct spool, tend);

	for (unsigned i = 0; i < s->journal_count; i++) {
		spool_ids_tend(s->journals[i]);
		spool_damaged_tend(s->journals[i]);
		spool_said_tend(s->journals[i]);
		spool_compact_tend(s->journals[i]);
	}
	timer_arm_in(&s->tend, SPOOL_TEND_NS);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void on_closed(struct journal *j, void *context)
{
	struct spool *s = context;

	(void)j;
	if (--s->closing_count == 0)
		s->close_fn(s, s->close_context);
}

/* Timers of attempts and of moves would append; whatever else comes back finds s->closing. */
static void stop_timers(struct spool *s)
{
	timer_cancel(&s->tend);
	timer_cancel(&s->offer);
	for (unsigned i = 0; i < s->journal_count; i++)
		timer_cancel(&s->journals[i]->mover.timer);
	list_for_each(node, &s->attempts_all)
		timer_cancel(&list_entry(node, struct spool_attempt, node)->timer);
}

void spool_close(struct spool *s, void (*done)(struct spool *s, void *context), void *context)
{
	CHECK_MAGIC(s, SPOOL_MAGIC);
	ASSERT(!s->closing && s->home == reactor_self());
	s->closing = true;
	s->close_fn = done;
	s->close_context = context;
	s->closing_count = s->journal_count;
	stop_timers(s);
	for (unsigned i = 0; i < s->journal_count; i++)
		journal_close(s->journals[i]->journal, on_closed, s);
}

/* What is left of an attempt: only its memory is still of interest, the journal's blocks are gone. */
static void forget_attempts(struct spool *s)
{
	struct list *node;

	while ((node = list_pop_front(&s->attempts_all)) != NULL) {
		struct spool_attempt *p = list_entry(node, struct spool_attempt, node);

		for (unsigned i = 0; i < 2; i++)
			slab_put(p->windows[i].slab, &p->windows[i].buf, p->windows[i].buf_size);
		p->m->attempts--;
		pool_put(&s->attempts, &p);
	}
}

static void forget_messages(struct list *messages)
{
	while (!list_is_empty(messages)) {
		struct spool_message *m = list_entry(messages->next, struct spool_message, node);

		list_init(&m->claims);
		m->hold = 0;
		spool_message_put(&m);
	}
}

static void forget_journal(struct spool *s, struct spool_journal *sj)
{
	struct spool_mover *v = &sj->mover;

	slab_put(&s->memory, &sj->part_text, sj->part_total);
	if (v->m != NULL && v->fragments != NULL)
		spool_fragments_put(s, &v->fragments, v->m->fragment_count);
	v->m = NULL;
	forget_messages(&sj->live);
	forget_messages(&sj->drafts);
	forget_messages(&sj->damaged);
	journal_free(&sj->journal);
	free(v->buf);
	spool_said_close(sj);
	free(sj);
}

void spool_free(struct spool **sp)
{
	struct spool *s = *sp;

	if (s == NULL)
		return;
	CHECK_MAGIC(s, SPOOL_MAGIC);
	forget_attempts(s);
	for (unsigned i = 0; i < s->journal_count; i++)
		forget_journal(s, s->journals[i]);
	pool_done(&s->messages);
	pool_done(&s->jobs);
	pool_done(&s->attempts);
	slab_done(&s->memory);
	slab_done(&s->read_memory);
	slab_done(&s->read_reserve);
	map_done(&s->by_id);
	free(s->scratch);
	s->magic = 0;
	free(s);
	*sp = NULL;
}

struct spool_usage spool_usage(const struct spool *s)
{
	struct spool_usage usage = {
		.messages = s->message_count, .recipients_open = s->rcpts_open, .damaged = s->damaged_count,
	};

	for (unsigned i = 0; i < s->journal_count; i++)
		usage.journal_octets += journal_usage(s->journals[i]->journal).octets;
	return usage;
}
