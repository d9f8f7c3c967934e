#include "tests/unit/net/smtp/stage.h"

#include <errno.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/err.h"
#include "net/delivery/outcome.h"

#define RECV_BUFS 64u

struct theatre stage;

static struct reactor reactor;
static struct content_pool contents;
static struct params_system sys;
static struct params defaults;
static const struct generic_conf generic = { .params = &defaults };
static struct attempt attempt;
static struct pool works;

int stage_setup(void **state)
{
	const struct io_conf conf = { .core = 0, .files_max = 256, .arena_size = MIB(1), .recv_bufs = RECV_BUFS };

	(void)state;
	if (sys.conf == NULL) {
		params_system_init(&sys, "ringpostd", NULL);
		(void)snprintf(sys.host, sizeof(sys.host), "client.test"); /* fits */
		assert_non_null(params_conf_new(&sys));
		assert_int_equal(params_load(&defaults, sys.conf), 0);
	}
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	assert_int_equal(content_pool_init(&contents, KIB(256), &defaults, &generic), 0);
	return pool_init(&works, "session_works", sizeof(struct session_work), 1);
}

int stage_teardown(void **state)
{
	(void)state;
	puppet_close(&stage.puppet); /* of a test that failed half way */
	content_pool_done(&contents);
	if (works.used == 0)
		pool_done(&works);
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

int stage_end(void **state)
{
	(void)state;
	conf_free(&sys.conf);
	return 0;
}

/* --- content ------------------------------------------------------------------------------------------------------ */

static struct fake_body *fake_of(struct body *body)
{
	return container_of(body, struct fake_body, body);
}

static void fill(struct fake_body *f, struct body_window *w)
{
	size_t total = f->content.len * f->repeat;
	size_t room = f->window_size;

	w->count = 0;
	while (w->count < BODY_PIECES && room > 0 && f->at < total) {
		size_t offset = f->at % f->content.len;
		size_t n = MIN(MIN(room, f->content.len - offset), f->window_size / BODY_PIECES + 1);

		w->pieces[w->count++] = slice_of(f->content.ptr + offset, n);
		f->at += n;
		room -= n;
	}
	w->last = f->at == total;
	w->ready = true;
	f->over = w->last;
}

static void on_timer(struct wheel_timer *timer)
{
	struct fake_body *f = container_of(timer, struct fake_body, timer);
	bool any = false;

	if (f->held)
		return;
	while (!f->over && f->empty[f->next] && f->body.err == 0) {
		if (f->at >= f->fail_at) {
			f->body.err = f->fail_err != 0 ? f->fail_err : ERR_CORRUPT;
		} else {
			f->empty[f->next] = false;
			fill(f, &f->body.windows[f->next]);
			f->next ^= 1;
		}
		any = true;
	}
	if (any)
		f->body.on_ready(&f->body);
}

static void release(struct body *body, struct body_window *window)
{
	struct fake_body *f = fake_of(body);
	unsigned i = window == &body->windows[0] ? 0 : 1;

	assert_true(window == &body->windows[i]);
	assert_true(window->ready);
	assert_false(f->empty[i]);
	window->ready = false;
	f->empty[i] = true;
	timer_arm_in(&f->timer, f->wait_ns);
}

static void on_ready(struct body *body)
{
	struct mail *m = container_of(fake_of(body), struct mail, body);

	if (m->started && m->done == 0)
		session_body_ready(&stage.session);
}

static void body_start(struct fake_body *f)
{
	f->empty[0] = true;
	f->empty[1] = true;
	f->next = 0;
	f->at = 0;
	f->over = false;
	wheel_timer_init(&f->timer, on_timer);
	timer_arm_in(&f->timer, f->wait_ns);
}

void stage_let_go(struct mail *m)
{
	m->body.held = false;
	timer_arm_in(&m->body.timer, 0);
}

/* --- the session's owner ------------------------------------------------------------------------------------------ */

static void judge(struct transaction *t, struct rcpt *rcpt, const struct verdict *v)
{
	struct mail *m = container_of(t, struct mail, transaction);
	size_t i = (size_t)(rcpt - m->rcpts);
	struct seen *s = &m->seen[i];

	assert_true(i < STAGE_RCPTS);
	assert_int_equal(rcpt->state, RCPT_OPEN);
	assert_int_equal(rcpt->outcome, OUTCOME_NONE);
	assert_int_equal(m->done, 0);
	s->times++;
	s->step = v->step;
	s->code = v->reply != NULL ? v->reply->code : 0;
	s->err = v->reply != NULL ? 0 : v->err;
	s->maybe_delivered = v->maybe_delivered;
	s->waited_for_us = v->waited_for_us;
	outcome_judge(&attempt, rcpt, v, session_peer(&stage.session), false);
}

static struct mail *next_mail(void)
{
	for (unsigned i = 0; i < stage.mail_count; i++)
		if (!stage.mails[i].started)
			return &stage.mails[i];
	return NULL;
}

static void start(struct mail *m)
{
	m->started = true;
	stage.in_start = true;
	session_start(&stage.session, &m->transaction);
	stage.in_start = false;
	body_start(&m->body);
}

static void go_on(struct session *s)
{
	struct mail *m = next_mail();

	if (m != NULL && session_can_start(s))
		start(m);
	else if (!stage.no_quit || !session_can_start(s))
		session_quit(s);
	else
		stage.finished = true;
}

static void ready(struct session *s)
{
	assert_ptr_equal(s, &stage.session);
	assert_false(stage.in_start);
	assert_int_equal(stage.closed, 0);
	assert_true(session_can_start(s));
	stage.ready++;
	go_on(s);
}

static void next(struct session *s)
{
	struct mail *m = next_mail();

	assert_false(stage.in_start);
	assert_true(session_can_start(s));
	stage.next_calls++;
	if (stage.ride && m != NULL)
		start(m);
}

static void done(struct session *s, struct transaction *t)
{
	struct mail *m = container_of(t, struct mail, transaction);

	assert_false(stage.in_start);
	assert_int_equal(stage.closed, 0);
	m->done++;
	timer_cancel(&m->body.timer);
	for (unsigned i = 0; i < t->rcpt_count; i++)
		if (m->rcpts[i].state == RCPT_OPEN)
			assert_int_not_equal(m->rcpts[i].outcome, OUTCOME_NONE);
	if (s->current == NULL && s->conn.state == CONN_OPEN)
		go_on(s);
}

static void closed(struct session *s)
{
	assert_ptr_equal(s, &stage.session);
	assert_false(stage.in_start);
	stage.closed++;
	stage.finished = true;
	stage.offence_len = session_offence(s).len;
}

static const struct session_events events = { .ready = ready, .next = next, .done = done, .closed = closed };

/* --- the play ----------------------------------------------------------------------------------------------------- */

void stage_open(const struct puppet_step *script)
{
	memset(&stage, 0, sizeof(stage));
	memset(&attempt, 0, sizeof(attempt));
	stage.params = defaults;
	stage.puppet.script = script;
	assert_true(puppet_open(&stage.puppet, "127.0.0.1", 0));
}

struct mail *stage_mail(const char *sender, const char *rcpts, const char *content)
{
	struct mail *m = &stage.mails[stage.mail_count++];
	struct slice rest = slice_of_str(rcpts);
	struct slice addr;

	assert_true(stage.mail_count <= STAGE_MAILS);
	while ((addr = conf_list_next(&rest)).len > 0) {
		assert_true(m->msg.rcpt_count < STAGE_RCPTS);
		m->rcpts[m->msg.rcpt_count++].addr = addr;
	}
	m->msg.magic = MESSAGE_MAGIC;
	m->msg.sender = slice_of_str(sender);
	m->msg.rcpts = m->rcpts;
	m->msg.size = strlen(content);
	m->msg.facts = MESSAGE_BODY_7BIT;
	m->body.content = slice_of_str(content);
	m->body.repeat = 1;
	m->body.window_size = KIB(16);
	m->body.fail_at = SIZE_MAX;
	m->body.body.on_ready = on_ready;
	m->body.body.release = release;
	wheel_timer_init(&m->body.timer, on_timer);
	m->transaction = (struct transaction){
		.msg = &m->msg,
		.rcpts = m->rcpts,
		.rcpt_count = m->msg.rcpt_count,
		.body = &m->body.body,
		.judge = judge,
	};
	return m;
}

void stage_start(void)
{
	session_open(&stage.session, &events, &stage.params,
		     &(struct session_target){
			     .host = SLICE("mx.test"),
			     .remote = &stage.puppet.addr,
			     .local = stage.local.len > 0 ? &stage.local : NULL,
			     .works = &works,
			     .lmtp = stage.lmtp,
			     .chunking = stage.chunking,
			     .transform = stage.transform,
			     .transcript = stage.transcript,
			     .debug_level = stage.debug_level,
			     .contents = &contents,
		     });
	stage.took_ns = clock_mono_ns();
}

/* Without sleeping as long as there is something to do, so that a dialogue costs what it costs and no more. */
void stage_turn(void)
{
	static unsigned quiet;
	bool moved = puppet_pull(&stage.puppet);

	quiet = moved ? 0 : quiet + 1;
	assert_int_equal(reactor_turn(&reactor, quiet > 20 ? clock_mono_ns() + NS_PER_MS : 0), 0);
}

void stage_turns_for(unsigned ms)
{
	uint64_t end = clock_mono_ns() + ms * NS_PER_MS;

	while (clock_mono_ns() < end)
		stage_turn();
}

void stage_wait(unsigned within_ms)
{
	uint64_t deadline = clock_mono_ns() + within_ms * NS_PER_MS;

	while (!stage.finished) {
		if (clock_mono_ns() >= deadline)
			fail_msg("nothing ends: state %s, server got \"%.200s\"",
				 session_state_name(stage.session.state), stage.puppet.conns[0].got);
		stage_turn();
	}
	stage.took_ns = clock_mono_ns() - stage.took_ns;
	/* What the client said last is still on its way to the server. */
	for (unsigned i = 0; i < 5; i++)
		stage_turn();
}

void stage_play(void)
{
	stage_start();
	stage_wait(30000);
}

void stage_close(void)
{
	if (stage.closed == 0) {
		session_abort(&stage.session, -ECANCELED);
		stage.finished = false;
		stage_wait(30000);
	}
	assert_int_equal(stage.closed, 1);
	assert_true(stage.ready <= 1);
	for (unsigned i = 0; i < stage.mail_count; i++) {
		assert_int_equal(stage.mails[i].done, stage.mails[i].started ? 1 : 0);
		timer_cancel(&stage.mails[i].body.timer);
	}
	assert_int_equal(works.used, 0);
	assert_int_equal(io_bufs_free(), RECV_BUFS);
	assert_int_equal(reactor.wheel.armed, 0);
	puppet_close(&stage.puppet);
}

void stage_expect(const struct mail *m, unsigned i, enum rcpt_outcome outcome, enum session_state step, int code,
		  int err)
{
	const struct seen *s = &m->seen[i];

	if (m->rcpts[i].outcome != outcome || s->step != step || s->code != code || s->err != err)
		fail_msg("recipient %u: outcome %u %u.%u.%u in %s, code %d, err %d (%.*s)", i, m->rcpts[i].outcome,
			 m->rcpts[i].dsn.class, m->rcpts[i].dsn.subject, m->rcpts[i].dsn.detail,
			 session_state_name(s->step), s->code, s->err, SLICE_FMT(m->rcpts[i].text));
}
