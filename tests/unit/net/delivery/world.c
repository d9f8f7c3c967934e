#include "tests/unit/net/delivery/world.h"

#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/maps.h"
#include "net/delivery/delivery_internal.h"

#define RECV_BUFS 64u
#define CONTENT   "Subject: x\r\n\r\nhello\r\n"

struct world world;
struct params world_params;
unsigned world_sessions_max = 100;

static struct reactor reactor;
static struct params_system sys;
static struct params defaults;
static struct services services;
static struct hosts hosts;

/* --- the source --------------------------------------------------------------------------------------------------- */

/* One errand at a time for each attempt, as in the real one. */
static struct errand {
	struct task task;
	struct attempt *attempt;
	bool settle;
	bool used;
} errands[256];

static void on_errand(struct task *task);

static void send_errand(struct attempt *a, bool settle)
{
	for (unsigned i = 0; i < ARRAY_LEN(errands); i++) {
		if (errands[i].used)
			continue;
		errands[i] = (struct errand){ .attempt = a, .settle = settle, .used = true };
		task_init(&errands[i].task, on_errand);
		if (settle || !world.hold_claims)
			reactor_post(&errands[i].task);
		return;
	}
	fail_msg("too many errands");
}

void world_answer_claims(void)
{
	world.hold_claims = false;
	for (unsigned i = 0; i < ARRAY_LEN(errands); i++)
		if (errands[i].used && !errands[i].settle)
			reactor_post(&errands[i].task);
}

static struct world_job *job_of(const struct attempt *a)
{
	return container_of(a->job, struct world_job, job);
}

static void claim(struct attempt *a)
{
	assert_int_equal(a->magic, ATTEMPT_MAGIC);
	assert_int_equal(a->core, 0);
	assert_true(a->count > 0);
	assert_true(a->first >= a->job->first && a->first + a->count <= a->job->first + a->job->count);
	assert_int_equal(job_of(a)->under_way, 0);
	assert_false(job_of(a)->finished);
	job_of(a)->under_way++;
	send_errand(a, false);
}

static void fill(struct attempt *a)
{
	struct body_window *w = &a->body.windows[0];

	w->pieces[0] = SLICE(CONTENT);
	w->count = 1;
	w->last = true;
	w->ready = true;
}

static void release(struct body *body, struct body_window *window)
{
	assert_ptr_equal(window, &body->windows[0]);
	assert_true(window->ready);
	window->ready = false;
}

static void settle(struct attempt *a)
{
	struct world_job *j = job_of(a);

	if (!a->claimed)
		j->under_way += a->claim_err == 0; /* answered without a session, and without a claim */
	assert_int_equal(j->under_way, 1);
	send_errand(a, true);
}

static void settle_rcpt(struct world_job *j, struct attempt *a, struct rcpt *r)
{
	if (r->state != RCPT_OPEN)
		return;
	if (r->outcome == OUTCOME_SENT)
		r->state = RCPT_SENT;
	else if (r->outcome == OUTCOME_HARD)
		r->state = RCPT_BOUNCED;
	else if (r->outcome != OUTCOME_DEFERRED && r->outcome != OUTCOME_WAITING)
		assert_int_equal(r->outcome, OUTCOME_SOFT);
	if (r->state != RCPT_OPEN)
		a->job->open--;
	else
		j->doubts += r->ambiguous;
	j->dsn = r->dsn;
	(void)snprintf(j->text, sizeof(j->text), "%.*s", SLICE_FMT(r->text)); /* cut is good enough */
}

static void on_settle(struct attempt *a)
{
	struct world_job *j = job_of(a);

	for (uint32_t i = a->first; i < a->first + a->count; i++)
		settle_rcpt(j, a, &j->rcpts[i]);
	j->settles++;
	j->under_way--;
	j->settled_ns = reactor_queue_now();
	j->conn_use = a->conn_use;
	(void)snprintf(j->relay, sizeof(j->relay), "%.*s", (int)a->relay_len, a->relay); /* cut is good enough */
	if (a->retry_at_ns != 0) {
		j->deferrals++;
		j->retry_at_ns = a->retry_at_ns;
		a->job->attempts = a->job_attempts;
		a->job->due_ns = a->retry_at_ns;
	}
	delivery_on_settled(a, world.settle_err);
}

static void on_errand(struct task *task)
{
	struct errand *e = container_of(task, struct errand, task);
	struct attempt *a = e->attempt;

	e->used = false;
	if (e->settle) {
		on_settle(a);
		return;
	}
	a->claimed = world.claim_err == 0;
	if (a->claimed && !world.no_content)
		fill(a);
	delivery_on_claimed(a, world.claim_err);
}

static void finish(struct job *job)
{
	struct world_job *j = container_of(job, struct world_job, job);

	assert_false(j->finished);
	assert_int_equal(j->under_way, 0);
	if (world.settle_err == 0)
		assert_int_equal(job->open, 0);
	j->finished = true;
	world.finished++;
}

static const struct source source = { .claim = claim, .release = release, .settle = settle, .finish = finish };

/* --- beginning and end -------------------------------------------------------------------------------------------- */

static void open_puppets(void)
{
	static char text[256];

	for (unsigned tries = 0; tries < 100; tries++) {
		uint16_t port = 0;
		bool all = true;

		for (unsigned i = 0; i < WORLD_PUPPETS && all; i++) {
			char ip[16];

			(void)snprintf(ip, sizeof(ip), "127.0.0.%u", i + 2); /* fits */
			puppet_close(&world.puppets[i]);
			all = puppet_open(&world.puppets[i], ip, port);
			port = addr_port(&world.puppets[0].addr);
		}
		if (all)
			break;
	}
	(void)snprintf(text, sizeof(text), "127.0.0.2 multi\n127.0.0.3 multi\n127.0.0.4 multi\n"); /* fits */
	assert_int_equal(hosts_init(&hosts, slice_of_str(text)), 0);
}

int world_setup(void **state)
{
	const struct io_conf conf = { .core = 0, .files_max = 512, .arena_size = MIB(1), .recv_bufs = RECV_BUFS };

	(void)state;
	if (sys.conf == NULL) {
		params_system_init(&sys, "ringpostd", NULL);
		(void)snprintf(sys.host, sizeof(sys.host), "client.test"); /* fits */
		assert_non_null(params_conf_new(&sys));
		assert_int_equal(params_load(&defaults, sys.conf), 0);
	}
	memset(&world, 0, sizeof(world));
	memset(errands, 0, sizeof(errands));
	world_params = defaults;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	open_puppets();
	return 0;
}

static void on_report(void *context, struct slice peer, const struct transcript *t)
{
	assert_ptr_equal(context, &world);
	assert_true(peer.len > 0 && t->head_len > 0);
	world.reports++;
}

void world_start(void)
{
	const struct delivery_conf conf = {
		.core = 0,
		.cores = 1,
		.params = &world_params,
		.source = &source,
		.services = &services,
		.sessions_max = world_sessions_max,
		.jobs_max = 4096,
		.report = on_report,
		.report_context = &world,
		.mx = { .host_native = true,
			.ipv4 = true,
			.hosts = &hosts,
			.address_limit = world_params.smtp_mx_address_limit },
	};

	delivery_start(&world_params, 1);
	world.delivery = delivery_new(&conf);
	assert_non_null(world.delivery);
}

static void on_drained(struct delivery *d, void *context)
{
	assert_ptr_equal(d, world.delivery);
	assert_ptr_equal(context, &world);
	world.drained++;
}

void world_drain(void)
{
	uint64_t deadline = clock_mono_ns() + 10 * NS_PER_SEC;

	delivery_drain(world.delivery, on_drained, &world);
	assert_int_equal(world.drained, 0);
	while (world.drained == 0) {
		assert_true(clock_mono_ns() < deadline);
		world_turn();
	}
	assert_int_equal(delivery_usage(world.delivery).lanes, 0);
	assert_int_equal(delivery_usage(world.delivery).trials, 0);
}

int world_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WORLD_PUPPETS; i++)
		world.puppets[i].rules = NULL; /* they lived on the stack of the test */
	if (world.delivery != NULL) {
		if (world.drained == 0)
			world_drain();
		assert_int_equal(world.drained, 1);
		for (unsigned i = 0; i < world.job_count; i++)
			assert_int_equal(world.jobs[i].under_way, 0);
		world_turns_for(5);
		assert_int_equal(world.drained, 1);
		delivery_free(&world.delivery);
		assert_null(world.delivery);
		assert_int_equal(io_bufs_free(), RECV_BUFS);
		assert_int_equal(reactor.wheel.armed, 0);
	}
	for (unsigned i = 0; i < WORLD_PUPPETS; i++)
		puppet_close(&world.puppets[i]);
	hosts_done(&hosts);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

int world_end(void **state)
{
	(void)state;
	conf_free(&sys.conf);
	return 0;
}

/* --- jobs --------------------------------------------------------------------------------------------------------- */

static void write_nexthop(char *to, size_t size, const char *from)
{
	struct str out = str_over(to, size);

	for (; *from != '\0'; from++) {
		if (*from == '%')
			str_add_u64(&out, addr_port(&world.puppets[0].addr));
		else
			str_add_char(&out, *from);
	}
	(void)str_cstr(&out);
}

const char *world_text(const char *text)
{
	static char storage[256];

	write_nexthop(storage, sizeof(storage), text);
	return storage;
}

void world_cache_always(const char *names)
{
	static struct mlist *list;
	static struct table_set *tables;
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);

	mlist_free(&list);
	table_set_free(&tables);
	tables = table_set_new();
	assert_int_equal(mlist_open(tables, slice_of_str(names), &why, &list), 0);
	world_params.smtp_connection_cache_destinations = list;
}

struct world_job *world_job(const char *nexthop, unsigned rcpts)
{
	struct world_job *j = &world.jobs[world.job_count++];

	assert_true(world.job_count <= WORLD_JOBS && rcpts <= WORLD_RCPTS);
	write_nexthop(j->nexthop, sizeof(j->nexthop), nexthop);
	for (unsigned i = 0; i < rcpts; i++)
		j->rcpts[i].addr = i % 3 == 0   ? SLICE("a@example.org")
				   : i % 3 == 1 ? SLICE("b@example.org")
						: SLICE("c@example.org");
	j->msg = (struct message){
		.magic = MESSAGE_MAGIC,
		.facts = MESSAGE_BODY_7BIT,
		.id = world.job_count,
		.arrival_ns = reactor_queue_now(),
		.size = strlen(CONTENT),
		.wire_size = strlen(CONTENT),
		.rcpt_count = rcpts,
		.sender = SLICE("s@client.test"),
		.rcpts = j->rcpts,
	};
	j->job = (struct job){
		.magic = JOB_MAGIC,
		.msg = &j->msg,
		.nexthop = slice_of_str(j->nexthop),
		.count = rcpts,
		.open = rcpts,
	};
	j->job.core = delivery_core_of(j->job.nexthop);
	delivery_offer(&j->job);
	return j;
}

unsigned world_count(const struct world_job *j, enum rcpt_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < j->msg.rcpt_count; i++)
		n += j->rcpts[i].state == state;
	return n;
}

void world_turn(void)
{
	static unsigned quiet;
	bool moved = false;

	for (unsigned i = 0; i < WORLD_PUPPETS; i++)
		moved |= puppet_pull(&world.puppets[i]);
	quiet = moved ? 0 : quiet + 1;
	assert_int_equal(reactor_turn(&reactor, quiet > 20 ? clock_mono_ns() + NS_PER_MS : 0), 0);
}

void world_turns_for(unsigned ms)
{
	uint64_t end = clock_mono_ns() + ms * NS_PER_MS;

	while (clock_mono_ns() < end)
		world_turn();
}

static void wait_for(bool deferred_will_do)
{
	uint64_t deadline = clock_mono_ns() + 5 * NS_PER_SEC;

	for (;;) {
		struct delivery_usage u = delivery_usage(world.delivery);
		unsigned waiting = deferred_will_do ? (unsigned)u.deferred : 0;

		world_turn();
		if (world.finished + waiting == world.job_count && u.trials == 0)
			return;
		if (clock_mono_ns() > deadline)
			fail_msg("%u of %u jobs finished, %zu deferred, %zu lanes, %zu trials", world.finished,
				 world.job_count, u.deferred, u.lanes, u.trials);
	}
}

void world_settle(void)
{
	wait_for(true);
}

void world_finish(void)
{
	wait_for(false);
}
