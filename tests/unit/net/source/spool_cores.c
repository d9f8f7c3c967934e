/* A spool on each core of a real ring and a real directory: jobs cross cores, and journals outlive their cores. Runs
 * under ThreadSanitizer too. */
#include "tests/test.h"

#include <dirent.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/err.h"
#include "core/log.h"
#include "core/runtime.h"
#include "net/source/spool_dir.h"
#include "net/source/spool_impl.h"

#define CORES		2u
#define MESSAGES	200u		/* accepted on each core, one after the other */
#define RCPTS		4u
#define DESTINATIONS	8u
#define BIG		300000u		/* octets of every tenth message */
#define TIME_MAX	110u		/* seconds, for all of it */

/* Each core writes to its own entry only. */
struct core_state {
	struct spool *spool;
	struct spool_waiter waiter;
	struct spool_draft *draft;
	struct journal_waiter room;
	unsigned accepted;
	uint32_t at;
	uint32_t size;
	unsigned offered;
	unsigned sent;			/* on the destination's core */
	unsigned deferred;
	unsigned told;			/* on the home core */
	struct note done;
	struct task inject;
};

static struct core_state cores[CORES];
static struct pool attempt_pools[CORES];
static char dir[64];
static unsigned core_count;
static bool take_nothing;		/* every recipient is deferred */
static bool inject_any;
static unsigned wanted;			/* recipients to be sent or deferred before it is over */
static atomic_uint finished;		/* of those */
static atomic_uint closed;

/* One long line. */
static uint8_t octet_at(const struct message *msg, uint64_t at)
{
	if (at + 2 >= msg->wire_size)
		return at + 2 == msg->wire_size ? '\r' : '\n';
	return (uint8_t)(msg->id * 31 + at % 251) | 0x40;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void on_closed(struct spool *s, void *context)
{
	(void)s;
	(void)context;
	if (++closed == core_count)
		runtime_exit(0);
}

static void close_here(struct note *n)
{
	(void)n;
	spool_close(cores[reactor_self()->core].spool, on_closed, NULL);
}

/* Counted where it happens; whoever counts the last one closes all spools. */
static void one_finished(void)
{
	if (++finished != wanted)
		return;
	for (unsigned i = 0; i < core_count; i++) {
		note_init(&cores[i].done, close_here);
		xcall_send(i, &cores[i].done);
	}
}

/* --- a delivery --------------------------------------------------------------------------------------------------- */

struct fake {
	struct attempt a;
	uint64_t at;
	unsigned window;
};

unsigned delivery_core_of(struct slice nexthop)
{
	return (unsigned)(unsigned char)nexthop.ptr[0] % core_count;
}

struct slice delivery_nexthop(struct slice domain, struct str *storage)
{
	str_add(storage, domain);
	return str_slice(storage);
}

uint32_t delivery_job_rcpts(uint32_t count)
{
	return MIN(count, 2u);
}

static void on_ready(struct body *body);

static void try_job(struct job *job)
{
	struct fake *f = pool_take(&attempt_pools[reactor_self()->core]);

	ASSERT(f != NULL);
	memset(f, 0, sizeof(*f));
	f->a.magic = ATTEMPT_MAGIC;
	f->a.job = job;
	f->a.first = job->first;
	f->a.count = job->count;
	f->a.body.on_ready = on_ready;
	spool_source.claim(&f->a);
}

static void on_job(struct note *n)
{
	struct job *job = container_of(n, struct job, note);

	CHECK_MAGIC(job, JOB_MAGIC);
	ASSERT(job->core == reactor_self()->core);
	try_job(job);
}

void delivery_offer(struct job *job)
{
	cores[reactor_self()->core].offered++;
	note_init(&job->note, on_job);
	xcall_send(job->core, &job->note);
}

static void settle(struct fake *f)
{
	struct attempt *a = &f->a;

	for (uint32_t i = a->first; i < a->first + a->count; i++) {
		struct rcpt *r = &a->job->msg->rcpts[i];

		r->outcome = r->state != RCPT_OPEN ? OUTCOME_NONE : take_nothing ? OUTCOME_DEFERRED : OUTCOME_SENT;
		r->ambiguous = false;
	}
	a->retry_at_ns = take_nothing ? reactor_queue_now() + NS_PER_SEC : 0;
	a->job_attempts = a->job->attempts + 1;
	spool_source.settle(a);
}

static void consume(struct fake *f)
{
	struct body_window *w;

	while ((w = &f->a.body.windows[f->window])->ready) {
		const bool last = w->last;

		for (unsigned i = 0; i < w->count; i++)
			for (size_t k = 0; k < w->pieces[i].len; k++)
				ASSERT((uint8_t)w->pieces[i].ptr[k] == octet_at(f->a.job->msg, f->at++));
		f->window = 1 - f->window;
		spool_source.release(&f->a.body, w);
		if (last) {
			ASSERT(f->at == f->a.job->msg->wire_size);
			settle(f);
			return;
		}
	}
}

static void on_ready(struct body *body)
{
	consume(container_of(container_of(body, struct attempt, body), struct fake, a));
}

void delivery_on_claimed(struct attempt *a, int err)
{
	ASSERT(err == 0);
	consume(container_of(a, struct fake, a));
}

void delivery_on_settled(struct attempt *a, int err)
{
	struct core_state *c = &cores[reactor_self()->core];
	struct fake *f = container_of(a, struct fake, a);
	struct job *job = a->job;
	const uint32_t count = a->count;

	ASSERT(err == 0);
	pool_put(&attempt_pools[reactor_self()->core], &f);
	if (job->open == 0)
		spool_source.finish(job);
	for (uint32_t i = 0; i < count; i++) {
		c->sent += !take_nothing;
		c->deferred += take_nothing;
		one_finished();
	}
}

static void on_log(const struct attempt *a, const struct rcpt *rcpt, enum maillog_status status)
{
	(void)rcpt;
	ASSERT(a->job->msg->home == reactor_self()->core);
	ASSERT((status == MAILLOG_DEFERRED) == take_nothing);
	cores[reactor_self()->core].told++;
}

/* --- an injector -------------------------------------------------------------------------------------------------- */

static void on_accepted(struct spool_waiter *w, int err, uint64_t id)
{
	struct core_state *c = container_of(w, struct core_state, waiter);

	ASSERT(err == 0 && id != 0);
	if (++c->accepted < MESSAGES)
		reactor_post(&c->inject);
}

static void commit(struct core_state *c)
{
	struct rcpt_facts rcpts[RCPTS] = { 0 };
	char text[RCPTS][64];

	for (unsigned i = 0; i < RCPTS; i++) {
		snprintf(text[i], sizeof(text[i]), "r%u@%c.test", i, 'a' + (int)((c->accepted + i / 2) % DESTINATIONS));
		rcpts[i].addr = slice_of_str(text[i]);
	}
	const struct spool_envelope e = {
		.sender = SLICE("s@s.test"), .rcpts = rcpts, .rcpt_count = RCPTS, .size = c->size,
	};

	c->waiter.fn = on_accepted;
	spool_message_commit(c->draft, &e, &c->waiter);
	c->draft = NULL;
}

static void on_room(struct journal_waiter *w, int err);

static void write_on(struct core_state *c)
{
	static _Thread_local uint8_t buf[16384];
	const struct message msg = { .id = spool_draft_id(c->draft), .wire_size = c->size };

	while (c->at < c->size) {
		const size_t len = MIN(sizeof(buf), c->size - c->at);
		const struct slice part = slice_of(buf, len);

		for (size_t i = 0; i < len; i++)
			buf[i] = octet_at(&msg, c->at + i);
		const int r = spool_message_write(c->draft, &part, 1);

		if (r == -ENOBUFS) {
			c->room.fn = on_room;
			spool_wait_room(c->spool, &c->room);
			return;
		}
		ASSERT(r == 0);
		c->at += (uint32_t)len;
	}
	commit(c);
}

static void on_room(struct journal_waiter *w, int err)
{
	ASSERT(err == 0);
	write_on(container_of(w, struct core_state, room));
}

static void inject(struct task *t)
{
	struct core_state *c = container_of(t, struct core_state, inject);

	ASSERT(spool_message_begin(c->spool, &c->draft) == 0);
	c->at = 0;
	c->size = c->accepted % 10 == 9 ? BIG : 1000 + c->accepted;
	write_on(c);
}

/* --- cores -------------------------------------------------------------------------------------------------------- */

static void on_open(struct spool *s, int err, void *context)
{
	(void)s;
	ASSERT(err == 0);
	if (inject_any)
		reactor_post(&((struct core_state *)context)->inject);
}

static int start_core(unsigned core, void *context)
{
	struct core_state *c = &cores[core];
	const struct spool_conf conf = {
		.client_name = "smtp",
		.dir = dir, .core = core, .cores = core_count, .segment_size = MIB(8), .journal_memory = MIB(8),
		.message_limit = 2 * MESSAGES, .envelope_memory = MIB(32), .read_memory = MIB(2), .attempt_limit = 16,
		.backoff_max_ns = NS_PER_SEC, .log_rcpt = on_log, .ready = on_open, .context = c,
	};

	(void)context;
	if (pool_init(&attempt_pools[core], "attempts", sizeof(struct fake), 8 * MESSAGES * RCPTS) < 0)
		return -ENOMEM;
	task_init(&c->inject, inject);
	c->spool = spool_new(&conf);
	if (c->spool == NULL)
		return -ENOMEM;
	spool_open(c->spool);
	return 0;
}

static void stop_core(unsigned core, void *context)
{
	(void)context;
	spool_free(&cores[core].spool);
	pool_done(&attempt_pools[core]);
}

static void run(unsigned count, bool injects, bool deaf, unsigned recipients)
{
	struct spool_dir d;
	char why[256];
	struct str s = STR(why);
	const struct runtime_conf conf = {
		.cores = count, .io = { .files_max = 256, .arena_size = MIB(32), .recv_bufs = 8 },
		.start = start_core, .stop = stop_core,
	};

	memset(cores, 0, sizeof(cores));
	core_count = count;
	inject_any = injects;
	take_nothing = deaf;
	wanted = recipients;
	finished = closed = 0;
	assert_int_equal(spool_dir_open(dir, &d, &s), 0);
	assert_int_equal(runtime_start(&conf), 0);
	assert_int_equal(runtime_join(), 0);
	spool_dir_close(&d);
}

static unsigned total(size_t offset)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CORES; i++)
		n += *(unsigned *)(void *)((char *)&cores[i] + offset);
	return n;
}

#define TOTAL(field) total(offsetof(struct core_state, field))

static void jobs_cross_cores(void **state)
{
	const unsigned recipients = CORES * MESSAGES * RCPTS;

	(void)state;
	run(CORES, true, false, recipients);
	assert_int_equal(TOTAL(accepted), CORES * MESSAGES);
	assert_int_equal(TOTAL(sent), recipients);
	assert_int_equal(TOTAL(told), recipients);
	assert_int_equal(metric_read(&spool_metric_ambiguous), 0);
	assert_true(cores[0].offered > 0 && cores[1].offered > 0 && cores[0].sent > 0 && cores[1].sent > 0);
}

static void journals_outlive_their_cores(void **state)
{
	const unsigned recipients = CORES * MESSAGES * RCPTS;

	(void)state;
	run(CORES, true, true, recipients);
	assert_int_equal(TOTAL(deferred), recipients);
	run(1, false, false, recipients);	/* core 0 settles in both journals */
	assert_int_equal(TOTAL(sent), recipients);
	assert_int_equal(TOTAL(told), recipients);
	assert_int_equal(metric_read(&spool_metric_ambiguous), 0);
	run(CORES, true, false, recipients);	/* and core 1 takes its own back, empty */
	assert_int_equal(TOTAL(sent), recipients);
}

/* --- the directory ------------------------------------------------------------------------------------------------ */

static void write_file(const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int open_says(const char *words)
{
	struct spool_dir d = { .lock = -1 };
	char why[512];
	struct str s = STR(why);
	const int r = spool_dir_open(dir, &d, &s);

	if (r < 0 && strstr(str_cstr(&s), words) == NULL)
		fail_msg("said %s", str_cstr(&s));
	spool_dir_close(&d);
	return r;
}

static void the_directory_is_checked(void **state)
{
	struct spool_dir d;
	char why[512];
	struct str s = STR(why);

	(void)state;
	assert_int_equal(spool_dir_open(dir, &d, &s), 0);
	assert_int_equal(open_says("another instance"), -EWOULDBLOCK);
	spool_dir_close(&d);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(open_says("chmod go-w"), -EACCES);
	assert_int_equal(chmod(dir, 0700), 0);
	write_file("VERSION", "ringpost-spool 3\n");
	assert_int_equal(open_says("not touched"), ERR_VERSION);
	write_file("VERSION", "something else");
	assert_int_equal(open_says("not touched"), ERR_VERSION);
	write_file("VERSION", "ringpost-spool 1\n");
	assert_int_equal(open_says(""), 0);
}

/* --- around each -------------------------------------------------------------------------------------------------- */

static int make_dir(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/ringpost-spool-XXXXXX");
	return mkdtemp(dir) != NULL ? 0 : -1;
}

static void remove_all(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *entry;
	char name[512];

	while (d != NULL && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%.200s", path, entry->d_name);
		if (unlink(name) < 0)
			remove_all(name);
	}
	if (d != NULL)
		closedir(d);
	(void)rmdir(path);	/* what is left shows in /tmp */
}

static int remove_dir(void **state)
{
	(void)state;
	remove_all(dir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("jobs, content and outcomes cross cores", jobs_cross_cores, make_dir, remove_dir),
		CLAIM_WITH("a journal outlives its core", journals_outlive_their_cores, make_dir, remove_dir),
		CLAIM_WITH("SPL-12, OSR-12, WIN-06: a directory that is not ours is refused", the_directory_is_checked,
			   make_dir, remove_dir),
	};

	const struct log_conf log = {
		.sink = LOG_SINK_FILE, .path = "/dev/null", .tag = "test", .facility = "mail", .hostname = "test",
	};

	alarm(TIME_MAX);
	if (log_start(&log) < 0)
		return 1;
	return cmocka_run_group_tests_name("net/source/spool_cores", claims, NULL, NULL);
}
