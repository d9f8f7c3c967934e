#include "tests/unit/net/source/spool_world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/err.h"
#include "core/journal_impl.h"
#include "core/log.h"
#include "tests/test.h"
#include "tests/unit/net/source/spool_world_facts.h"

#define NO_DEFER "deaf"

enum fake_state { FAKE_FREE, FAKE_CLAIMING, FAKE_SENDING, FAKE_ENDING, FAKE_SETTLING };

struct fake_attempt {
	struct attempt a;
	enum fake_state state;
	unsigned n;
	bool is_unfit;
	unsigned window;
	uint64_t at;			/* octets seen */
	bool released[2];
};

struct fake_draft {
	struct spool_draft *draft;
	struct spool_waiter waiter;
	unsigned n;
	uint32_t at;
	bool committing;
	bool wants_commit;
	char domain[32];
};

struct world world;
struct world_message world_messages[WORLD_MESSAGES];

static struct fake_attempt attempts[WORLD_ATTEMPTS];
static struct job *jobs[WORLD_JOBS];
static unsigned job_attempts[WORLD_JOBS];
static unsigned job_count;
static struct fake_draft drafts[WORLD_DRAFTS];
static uint64_t ids[2 * WORLD_MESSAGES];
static unsigned id_count;

static unsigned chance(unsigned below)
{
	return (unsigned)(test_random(&world.seed) % below);
}

/* --- stand-ins ---------------------------------------------------------------------------------------------------- */

void io_wake(unsigned core)
{
	(void)core;
	fail_msg("there is one core only");
}

int io_mkdir(const char *path, unsigned mode)
{
	(void)path;
	(void)mode;
	return 0;			/* the disk has one directory, for all names */
}

static void note_doubt(const char *line)
{
	unsigned k, n;
	const char *to = strstr(line, "to=<");

	assert_non_null(to);
	assert_int_equal(sscanf(to, "to=<r%u.%u@", &k, &n), 2);
	if (k < WORLD_RCPTS)
		world_messages[n].rcpts[k].doubts++;
}

/* This world's log is written at once. */
uint64_t log_position(void)
{
	return 1;
}

bool log_is_written(uint64_t position)
{
	return position <= 1;
}

void log_line(enum log_level level, const char *program, const char *fmt, ...)
{
	char line[4096];
	va_list args;

	(void)program;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (getenv("WORLD_VERBOSE") != NULL)
		fprintf(stderr, "%s\n", line);
	if (strstr(line, "may be delivered twice") != NULL)
		note_doubt(line);
	world.removed += strstr(line, ": removed") != NULL;
	world.error_lines += level <= LOG_LEVEL_ERROR;
}

/* --- messages that follow from their number ----------------------------------------------------------------------- */

static unsigned number_of(const struct message *msg)
{
	char text[40];
	unsigned n;

	assert_int_equal(sscanf(beginning(msg->sender, text), "n%u@", &n), 1);
	assert_in_range(n, 1, world.messages);
	return n;
}

static struct world_rcpt *rcpt_of(unsigned n, const struct rcpt *r)
{
	static struct world_rcpt many;	/* beyond WORLD_RCPTS nobody keeps the books */
	const unsigned k = rcpt_number(r);

	assert_true(k < world_messages[n].rcpt_count);
	if (k >= WORLD_RCPTS) {
		many = (struct world_rcpt){ .doubts = 1 };
		return &many;
	}
	return &world_messages[n].rcpts[k];
}

/* --- injecting ---------------------------------------------------------------------------------------------------- */

static void on_accepted(struct spool_waiter *w, int err, uint64_t id)
{
	struct fake_draft *d = container_of(w, struct fake_draft, waiter);
	struct world_message *m = &world_messages[d->n];

	assert_int_equal(m->state, WORLD_ASKED);
	assert_true(id == m->id);
	m->state = err == 0 ? WORLD_ACCEPTED : WORLD_REFUSED;
	world.accepted += err == 0;
	for (unsigned n = 1; err == 0 && n <= world.messages; n++)
		world_messages[n].gone_for_good |= world_messages[n].state == WORLD_REFUSED;
	if (err < 0) {
		world.refused++;
		world.last_refusal = err;
	}
	d->draft = NULL;
	d->committing = false;
}

static void id_is_new(uint64_t id)
{
	for (unsigned i = 0; i < id_count; i++)
		assert_true(ids[i] != id);
	assert_true(id_count < ARRAY_LEN(ids));
	ids[id_count++] = id;
}

static bool draft_begin(struct fake_draft *d, uint32_t size, uint32_t rcpt_count, const char *domain)
{
	const int r = spool_message_begin(world.spool, &d->draft);

	if (r < 0) {
		world.refused++;
		world.last_refusal = r;
		d->draft = NULL;
		return false;
	}
	assert_true(world.messages + 1 < WORLD_MESSAGES);
	d->n = ++world.messages;
	d->at = 0;
	d->committing = false;
	snprintf(d->domain, sizeof(d->domain), "%s", domain);
	struct world_message *m = &world_messages[d->n];

	*m = (struct world_message){
		.state = WORLD_DRAFT, .id = spool_draft_id(d->draft), .rcpt_count = rcpt_count, .size = size,
	};
	id_is_new(m->id);
	return true;
}

static void draft_drop(struct fake_draft *d)
{
	spool_message_abort(&d->draft);
	assert_null(d->draft);
	world_messages[d->n].state = WORLD_NOTHING;
}

/* 0: all written; 1: more to come; < 0 as spool_message_write. */
static int draft_write(struct fake_draft *d, uint32_t len)
{
	static uint8_t buf[SPOOL_FRAGMENT_MAX];
	const struct world_message *m = &world_messages[d->n];

	len = MIN(len, m->size - d->at);
	if (len == 0)
		return 0;
	content_of(d->n, d->at, buf, len);
	const struct slice parts[2] = { slice_of(buf, len / 3), slice_of(buf + len / 3, len - len / 3) };
	const int r = spool_message_write(d->draft, parts, 2);

	if (r < 0)
		return r;
	d->at += len;
	return d->at < m->size;
}

static void draft_commit(struct fake_draft *d)
{
	struct world_message *m = &world_messages[d->n];
	const bool is_shared = strchr(d->domain, '%') == NULL;
	struct rcpt_facts *rcpts = calloc(m->rcpt_count, sizeof(*rcpts));
	char (*text)[80] = calloc(m->rcpt_count, sizeof(*text));
	char sender[32];
	char client[64];

	assert_true(rcpts != NULL && text != NULL);
	snprintf(sender, sizeof(sender), "n%u@s.test", d->n);
	for (uint32_t k = 0; k < m->rcpt_count; k++) {
		if (is_shared)
			snprintf(text[k], sizeof(text[k]), "r%u.%u@%s", k, d->n, d->domain);
		else
			snprintf(text[k], sizeof(text[k]), "r%u.%u@%c%u.TEST", k, d->n, k % 2 ? 'd' : 'D',
				 (d->n + k / 2) % 3);
		rcpts[k] = facts_of(d->n, k, slice_of_str(text[k]));
	}
	const struct spool_envelope e = {
		.sender = slice_of_str(sender), .envid = envid_of(d->n), .client = client_of(d->n, client),
		.rcpts = rcpts, .rcpt_count = m->rcpt_count,
		.facts = d->n, .size = m->size,
	};

	m->state = WORLD_ASKED;
	d->committing = true;
	d->waiter.fn = on_accepted;
	spool_message_commit(d->draft, &e, &d->waiter);
	free(rcpts);
	free(text);
}

static void draft_step(struct fake_draft *d)
{
	int r;

	if (d->draft == NULL) {
		draft_begin(d, 2 + chance(chance(4) == 0 ? world.size_max : 3000), 1 + chance(WORLD_RCPTS), "%");
		return;
	}
	if (d->committing)
		return;
	if (chance(30) == 0) {
		draft_drop(d);
		return;
	}
	r = draft_write(d, 1 + chance(SPOOL_FRAGMENT_MAX));
	if (r == 0)
		draft_commit(d);
	else if (r < 0 && r != -ENOBUFS)
		draft_drop(d);
}

unsigned world_inject(uint32_t size, uint32_t rcpt_count, const char *domain)
{
	for (unsigned i = 0; i < WORLD_DRAFTS; i++) {
		struct fake_draft *d = &drafts[i];
		int r;

		if (d->draft != NULL)
			continue;
		if (!draft_begin(d, size, rcpt_count, domain))
			return 0;
		while ((r = draft_write(d, SPOOL_FRAGMENT_MAX)) != 0) {
			if (r < 0 && r != -ENOBUFS) {
				world.last_refusal = r;
				draft_drop(d);
				return 0;
			}
			if (!world_turn() && r < 0)
				world_pass(NS_PER_MS);
			if (disk_crashed)
				return 0;
		}
		draft_commit(d);
		return d->n;
	}
	return 0;
}

/* --- what delivery offers to a source ----------------------------------------------------------------------------- */

unsigned delivery_core_of(struct slice nexthop)
{
	(void)nexthop;
	return 0;
}

struct slice delivery_nexthop(struct slice domain, struct str *storage)
{
	for (size_t i = 0; i < domain.len; i++)
		str_add_char(storage, ascii_lower(domain.ptr[i]));
	return str_slice(storage);
}

uint32_t delivery_job_rcpts(uint32_t count)
{
	return world.job_rcpts > 0 ? MIN(count, world.job_rcpts) : count;
}

void delivery_offer(struct job *job)
{
	const unsigned n = number_of(job->msg);
	struct world_message *m = &world_messages[n];
	uint32_t open = 0;

	CHECK_MAGIC(job, JOB_MAGIC);
	assert_true(job->msg->id == m->id && job->msg->rcpt_count == m->rcpt_count && job->msg->size == m->size);
	check_facts(job->msg, n);
	assert_int_equal(job->msg->wire_size, m->size);
	if (m->state == WORLD_REFUSED && !m->gone_for_good)
		m->state = WORLD_ASKED;		/* the machine died before that was settled on the disk */
	assert_in_range(m->state, WORLD_ASKED, WORLD_TORN);
	for (uint32_t i = job->first; i < job->first + job->count; i++) {
		const struct rcpt *r = &job->msg->rcpts[i];
		struct world_rcpt *w = rcpt_of(n, r);

		if (r->state != RCPT_OPEN) {
			assert_true(w->end_asked);
			continue;
		}
		assert_false(w->told);
		w->seen = true;
		open++;
	}
	assert_int_equal(open, job->open);
	assert_true(open > 0 && job_count < WORLD_JOBS);
	job_attempts[job_count] = 0;
	jobs[job_count++] = job;
	/* As best_mx_transport does; longer than any of ours, so that it would be of another size in a slab. */
	if (n % 3 == 0 && !slice_has_prefix(job->nexthop, SLICE(NO_DEFER)))
		job->nexthop = SLICE("[a.gateway.with.a.name.which.is.rather.long.for.one.that.is.typed.by.hand."
				     "and.that.nobody.would.want.to.look.up.twice.a.day.example.net]:2525");
}

static unsigned job_index(const struct job *job)
{
	unsigned i = 0;

	while (jobs[i] != job)
		assert_true(++i < job_count);
	return i;
}

static void job_give_back(unsigned i)
{
	struct job *job = jobs[i];

	job_count--;
	jobs[i] = jobs[job_count];
	job_attempts[i] = job_attempts[job_count];
	spool_source.finish(job);
}

static void attempt_end(struct fake_attempt *f, int err)
{
	const unsigned i = job_index(f->a.job);

	f->state = FAKE_FREE;
	f->a.magic = 0;
	job_attempts[i]--;
	if (job_attempts[i] > 0)
		return;
	if (err == ERR_CORRUPT) {
		struct world_message *m = &world_messages[f->n];

		world.torn += m->state != WORLD_ACCEPTED;
		world.corrupt += m->state == WORLD_ACCEPTED;
		if (m->state != WORLD_ACCEPTED)
			m->state = WORLD_TORN;
		job_give_back(i);
	} else if (jobs[i]->open == 0) {
		job_give_back(i);
	}
}

static void settle(struct fake_attempt *f, bool complete);

void delivery_on_claimed(struct attempt *a, int err)
{
	struct fake_attempt *f = container_of(a, struct fake_attempt, a);

	assert_int_equal(f->state, FAKE_CLAIMING);
	if (err == ERR_CONTENT) {
		f->is_unfit = true;
		settle(f, false);
		return;
	}
	if (err < 0) {
		attempt_end(f, err);
		return;
	}
	assert_true(a->claimed && a->body.windows[0].ready);
	f->state = FAKE_SENDING;
	f->window = 0;
	f->at = 0;
}

void delivery_on_settled(struct attempt *a, int err)
{
	struct fake_attempt *f = container_of(a, struct fake_attempt, a);

	assert_int_equal(f->state, FAKE_SETTLING);
	world.settled++;
	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		const struct rcpt *r = &a->job->msg->rcpts[i];

		if (r->outcome == OUTCOME_SENT)
			assert_int_equal(r->state, RCPT_SENT);
		if (r->outcome == OUTCOME_SOFT || r->outcome == OUTCOME_DEFERRED)
			assert_int_equal(r->state, RCPT_OPEN);
	}
	attempt_end(f, err);
}

static void on_log(const struct attempt *a, const struct rcpt *rcpt, enum maillog_status status)
{
	struct world_rcpt *w = rcpt_of(number_of(a->job->msg), rcpt);

	assert_false(w->told);
	if (status == MAILLOG_DEFERRED) {
		assert_int_equal(rcpt->state, RCPT_OPEN);
		return;
	}
	assert_int_equal(rcpt->state, status == MAILLOG_SENT ? RCPT_SENT : RCPT_BOUNCED);
	assert_true(w->end_asked || rcpt_number(rcpt) >= WORLD_RCPTS);
	w->told = true;
}

/* --- delivering --------------------------------------------------------------------------------------------------- */

static void claim(struct job *job, uint32_t first, uint32_t count)
{
	for (unsigned i = 0; i < WORLD_ATTEMPTS; i++) {
		struct fake_attempt *f = &attempts[i];

		if (f->state != FAKE_FREE)
			continue;
		memset(f, 0, sizeof(*f));
		f->a.magic = ATTEMPT_MAGIC;
		f->a.job = job;
		f->a.first = first;
		f->a.count = count;
		f->n = number_of(job->msg);
		f->state = FAKE_CLAIMING;
		job_attempts[job_index(job)]++;
		if (chance(15) == 0)
			settle(f, false);	/* answered without a session: nothing was begun */
		else
			spool_source.claim(&f->a);
		return;
	}
}

static unsigned attempts_free(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < WORLD_ATTEMPTS; i++)
		n += attempts[i].state == FAKE_FREE;
	return n;
}

static void claim_some(void)
{
	if (job_count == 0 || attempts_free() < 2)
		return;
	const unsigned i = chance(job_count);
	struct job *job = jobs[i];

	if (job_attempts[i] > 0 || job->open == 0)
		return;
	if (job->count >= 2 && chance(3) == 0) {
		const uint32_t half = 1 + chance(job->count - 1);

		claim(job, job->first, half);
		claim(job, job->first + half, job->count - half);
	} else {
		claim(job, job->first, job->count);
	}
}

/* True when the message has been seen to its end. */
static bool take_window(struct fake_attempt *f)
{
	struct body_window *w = &f->a.body.windows[f->window];
	const bool last = w->last;

	for (unsigned i = 0; i < w->count; i++) {
		static uint8_t expected[SPOOL_FRAGMENT_MAX];

		assert_true(w->pieces[i].len <= sizeof(expected));
		content_of(f->n, f->at, expected, w->pieces[i].len);
		assert_memory_equal(w->pieces[i].ptr, expected, w->pieces[i].len);
		f->at += w->pieces[i].len;
	}
	if (last)
		assert_int_equal(f->at, world_messages[f->n].size);
	const struct spool_attempt *p = f->a.source_part;

	world.reads += p->windows[f->window].buf != NULL;
	spool_source.release(&f->a.body, w);
	f->window = 1 - f->window;
	return last;
}

static void deliver_one(struct fake_attempt *f, struct rcpt *r)
{
	struct world_rcpt *w = rcpt_of(f->n, r);

	assert_false(w->told);
	assert_true(world_messages[f->n].state != WORLD_TORN);
	assert_true(w->delivered <= w->doubts);		/* P3: each one after the first was announced */
	world.duplicates += w->delivered > 0;
	w->delivered++;
}

static void decide(struct fake_attempt *f, struct rcpt *r, bool complete)
{
	struct world_rcpt *w = rcpt_of(f->n, r);
	const unsigned what = chance(100);

	r->outcome = OUTCOME_SOFT;
	r->ambiguous = false;
	r->dsn = (struct enhanced_code){ 4, 4, 2 };
	if (f->is_unfit) {
		world.unfit++;
		w->end_asked = true;
		r->outcome = OUTCOME_HARD;
	}
	if (!complete)
		return;
	if (what < world.percent_sent) {
		deliver_one(f, r);
		w->end_asked = true;
		r->outcome = OUTCOME_SENT;
	} else if (what % 4 == 0) {
		w->end_asked = true;
		r->outcome = OUTCOME_HARD;
	} else if (what % 4 == 1) {
		r->ambiguous = true;
		if (chance(2) == 0)
			deliver_one(f, r);
	} else if (what % 4 == 2) {
		r->outcome = OUTCOME_NONE;
	}
}

static bool is_deaf(const struct job *job)
{
	return world.percent_deferred_job == 100 && slice_has_prefix(job->nexthop, SLICE(NO_DEFER));
}

static void settle(struct fake_attempt *f, bool complete)
{
	struct attempt *a = &f->a;
	const bool defer = is_deaf(a->job) || chance(2) == 0;
	bool deferred = false;

	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = &a->job->msg->rcpts[i];

		r->outcome = OUTCOME_NONE;
		if (r->state != RCPT_OPEN)
			continue;
		decide(f, r, complete && !is_deaf(a->job));
		if (defer && r->outcome == OUTCOME_SOFT)
			r->outcome = OUTCOME_DEFERRED;
		deferred |= r->outcome == OUTCOME_DEFERRED;
	}
	a->retry_at_ns = deferred ? reactor_queue_now() + 300 * NS_PER_SEC : 0;
	a->job_attempts = a->job->attempts + 1;
	f->state = FAKE_SETTLING;
	spool_source.settle(a);
}

static void attempt_step(struct fake_attempt *f)
{
	if (f->state != FAKE_SENDING)
		return;
	f->is_unfit = f->a.body.err == ERR_CONTENT;
	if (f->a.body.err < 0 || chance(20) == 0) {
		settle(f, false);
		return;
	}
	if (f->a.body.windows[f->window].ready && take_window(f))
		settle(f, true);
}

/* --- time --------------------------------------------------------------------------------------------------------- */

bool world_turn(void)
{
	const bool notes = !disk_crashed && xcall_receive(0) > 0;
	const bool disk = disk_turn();

	return (notes || disk) && !disk_crashed;
}

void world_settle(void)
{
	unsigned quiet = 0;

	for (unsigned i = 0; quiet < 3 && !disk_crashed; i++) {
		assert_true(i < 1000000);
		quiet = world_turn() ? 0 : quiet + 1;
	}
}

void world_pass(uint64_t ns)
{
	reactor_self()->wall_ns += ns;
	reactor_self()->queue_ns += ns;
	disk_pass(ns);
	world_settle();
}

void world_live(unsigned steps, unsigned inject_percent)
{
	for (unsigned i = 0; i < steps && !disk_crashed; i++) {
		if (chance(100) < inject_percent)
			draft_step(&drafts[chance(WORLD_DRAFTS)]);
		else
			claim_some();
		attempt_step(&attempts[chance(WORLD_ATTEMPTS)]);
		for (unsigned n = chance(4); n > 0; n--)
			world_turn();
		if (chance(50) == 0 && !disk_crashed)
			world_pass(SPOOL_TEND_NS);
	}
}

static void finish_drafts(void)
{
	for (unsigned i = 0; i < WORLD_DRAFTS; i++)
		if (drafts[i].draft != NULL && !drafts[i].committing)
			draft_drop(&drafts[i]);
	world_settle();
}

void world_drain(void)
{
	const unsigned percent = world.percent_sent;
	unsigned i;

	finish_drafts();
	world.percent_sent = 90;
	for (i = 0; i < 2000000 && !disk_crashed; i++) {
		if (spool_usage(world.spool).messages == 0)
			break;
		claim_some();
		for (unsigned k = 0; k < WORLD_ATTEMPTS; k++)
			attempt_step(&attempts[k]);
		if (!world_turn() && i % 64 == 0 && !disk_crashed)
			world_pass(SPOOL_TEND_NS);
	}
	if (!disk_crashed)
		assert_int_equal(spool_usage(world.spool).messages, 0);
	world.percent_sent = percent;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void on_ready(struct spool *s, int err, void *context)
{
	(void)s;
	(void)context;
	assert_false(world.ready);
	world.ready = true;
	world.ready_err = err;
}

static void forget(void)
{
	memset(attempts, 0, sizeof(attempts));
	memset(drafts, 0, sizeof(drafts));
	job_count = 0;
	for (unsigned n = 1; n <= world.messages; n++)
		for (unsigned k = 0; k < WORLD_RCPTS; k++)
			world_messages[n].rcpts[k].seen = false;
	xcall_stop();
	assert_int_equal(xcall_start(1), 0);
}

void world_start(uint64_t seed)
{
	disk_format();
	memset(&world, 0, sizeof(world));
	memset(world_messages, 0, sizeof(world_messages));
	id_count = 0;
	world.seed = seed;
	world.percent_sent = 70;
	world.size_max = 300000;
	world.journal_memory = 4 * JOURNAL_BLOCK;
	world.attempt_limit = 6;
	world.read_memory = MIB(2);
	world.message_limit = 64;
	reactor_self()->wall_ns = UINT64_C(1790000000) * NS_PER_SEC;
	forget();
}

void world_open(void)
{
	const struct spool_conf conf = {
		.client_name = "smtp",
		.dir = "spool", .core = 0, .cores = 1, .segment_size = WORLD_SEGMENT,
		.journal_memory = world.journal_memory, .message_limit = world.message_limit,
		.envelope_memory = MIB(64), .read_memory = world.read_memory, .attempt_limit = world.attempt_limit,
		.backoff_max_ns = 4000 * NS_PER_SEC, .log_rcpt = on_log, .ready = on_ready,
	};

	reactor_self()->queue_ns = reactor_self()->wall_ns;	/* a process begins here */
	world.ready = world.closed = false;
	world.spool = spool_new(&conf);
	assert_non_null(world.spool);
	spool_open(world.spool);
	world_settle();
	if (!disk_crashed && world.ready && world.ready_err == 0)
		for (unsigned i = 0; i < 4; i++)
			world_pass(1);
}

void world_open_ready(void)
{
	world_open();
	assert_true(world.ready);
	assert_int_equal(world.ready_err, 0);
}

static void on_closed(struct spool *s, void *context)
{
	(void)s;
	(void)context;
	world.closed = true;
}

void world_close(void)
{
	spool_close(world.spool, on_closed, NULL);
	world_settle();
	if (disk_crashed)
		return;
	assert_true(world.closed);
	assert_int_equal(disk_open_files(), 0);
	spool_free(&world.spool);
	disk_restart((struct disk_choice){ DISK_KEEP_NONE, 0 });
	forget();
}

void world_crash(struct disk_choice choice)
{
	for (unsigned i = 0; i < world.spool->journal_count; i++)
		world.spool->journals[i]->journal->state = JOURNAL_CLOSED;
	spool_free(&world.spool);
	disk_restart(choice);
	disk_rules = (struct disk_rules){ .seed = disk_rules.seed };
	forget();
}

void world_check(void)
{
	for (unsigned n = 1; n <= world.messages; n++) {
		struct world_message *m = &world_messages[n];

		for (uint32_t k = 0; k < MIN(m->rcpt_count, WORLD_RCPTS); k++) {
			const struct world_rcpt *w = &m->rcpts[k];

			if (m->state == WORLD_ACCEPTED || m->state == WORLD_KEPT)
				assert_true(w->seen || w->end_asked);	/* I1: nothing accepted is lost */
			if (m->state == WORLD_ASKED && w->seen)
				m->state = WORLD_KEPT;
		}
	}
}
