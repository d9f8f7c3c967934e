#include "tests/sim/mail.h"

#include <stdio.h>
#include <stdlib.h>

#include "net/delivery/intake.h"
#include "tests/sim/machine.h"

#define CLAIM_NS (200 * NS_PER_US)	/* as if "attempt begins" had to become durable */

struct world_job {
	struct job job;
	struct world_mail *mail;
	char nexthop[JOB_NEXTHOP_MAX];
};

enum errand_kind { ERRAND_CLAIM, ERRAND_FETCH, ERRAND_SETTLE };

/* What the source holds of one attempt. One errand at a time, as in the real one. */
struct errand {
	struct op op;
	struct attempt *attempt;
	enum errand_kind kind;
	bool out;
	bool settle_wanted;
	size_t at;			/* octets of content handed out */
	unsigned next;			/* window to fill */
};

static struct world_mail **mails;
static unsigned mail_count, mail_cap;
static uint64_t next_id;

static void send_errand(struct errand *e, enum errand_kind kind);

static struct world_mail *mail_of(const struct attempt *a)
{
	return container_of(a->job, struct world_job, job)->mail;
}

/* --- content ----------------------------------------------------------------------------------- */

static bool fill_window(struct errand *e)
{
	struct world_mail *mail = mail_of(e->attempt);
	struct body_window *w = &e->attempt->body.windows[e->next];
	const size_t left = mail->content.len - e->at;
	const size_t n = mail->window != 0 ? MIN((size_t)mail->window, left) : left;

	if (w->ready || (e->at > 0 && left == 0))
		return false;
	if (e->at > 0 && e->at >= mail->body_good && mail->body_err != 0) {
		e->attempt->body.err = mail->body_err;
		return true;
	}
	w->pieces[0] = slice_of(mail->content.ptr + e->at, n);
	w->count = n > 0 ? 1 : 0;
	w->last = n == left;
	w->ready = true;
	e->at += n;
	e->next ^= 1;
	return true;
}

static bool wants_more(const struct errand *e)
{
	const struct attempt *a = e->attempt;

	return a->claimed && a->body.err == 0 && e->at < mail_of(a)->content.len && !a->body.windows[e->next].ready;
}

static void release(struct body *body, struct body_window *window)
{
	struct attempt *a = container_of(body, struct attempt, body);
	struct errand *e = a->source_part;

	ASSERT(window->ready);
	window->ready = false;
	window->count = 0;
	if (!e->out && !e->settle_wanted && wants_more(e))
		send_errand(e, ERRAND_FETCH);
}

/* --- claim and settle --------------------------------------------------------------------------- */

/* Of a queue file. An errand that is out brings what is asked for here. */
static void seek(struct body *body, uint64_t offset)
{
	struct attempt *a = container_of(body, struct attempt, body);
	struct errand *e = a->source_part;

	ASSERT(offset < mail_of(a)->content.len);
	memset(body->windows, 0, sizeof(body->windows));
	e->at = (size_t)offset;
	e->next = 0;
	if (!e->out && !e->settle_wanted)
		send_errand(e, ERRAND_FETCH);
}

static struct errand *errand_new(struct attempt *a)
{
	struct errand *e = calloc(1, sizeof(*e));

	ASSERT(e != NULL);
	e->attempt = a;
	a->source_part = e;
	mail_of(a)->under_way += a->count;
	return e;
}

static void claim(struct attempt *a)
{
	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	ASSERT(a->count > 0 && a->core == reactor_self()->core);
	memset(a->body.windows, 0, sizeof(a->body.windows));
	a->body.err = 0;
	a->body.records = (struct body_records){ .file_size = mail_of(a)->content.len, .seek = seek };
	send_errand(errand_new(a), ERRAND_CLAIM);
}

static void on_claim(struct errand *e)
{
	struct attempt *a = e->attempt;
	struct world_mail *mail = mail_of(a);
	const int err = mail->claim_err;

	mail->claim_err = 0;
	a->claimed = err == 0;
	if (a->claimed) {
		(void)fill_window(e);	/* an empty message has an empty window */
		(void)fill_window(e);
	} else {
		mail->under_way -= a->count;
		a->source_part = NULL;
		free(e);
	}
	delivery_on_claimed(a, err);
}

static void on_fetch(struct errand *e)
{
	struct attempt *a = e->attempt;

	if (e->settle_wanted) {
		send_errand(e, ERRAND_SETTLE);
		return;
	}
	while (wants_more(e) && fill_window(e))
		;
	a->body.on_ready(&a->body);
}

static void settle(struct attempt *a)
{
	struct errand *e = a->source_part;

	CHECK_MAGIC(a, ATTEMPT_MAGIC);
	if (!a->claimed)		/* answered without a session */
		e = errand_new(a);
	e->settle_wanted = true;
	if (!e->out)
		send_errand(e, ERRAND_SETTLE);
}

static void tell(struct world_mail *mail, const struct attempt *a, struct rcpt *r, enum maillog_status status)
{
	maillog_rcpt(a, r, status);
	if (!mail->answered[r - mail->msg.rcpts]) {
		mail->answered[r - mail->msg.rcpts] = true;
		mail->unsettled--;
	}
	if (mail->on_rcpt != NULL)
		mail->on_rcpt(mail, a, r, status);
}

static void settle_open(struct world_mail *mail, struct attempt *a, struct rcpt *r)
{
	if (r->outcome == OUTCOME_WAITING)
		return;
	if (r->ambiguous && mail->on_doubt != NULL)
		mail->on_doubt(mail, r);
	if (r->outcome == OUTCOME_DEFERRED)
		tell(mail, a, r, r->is_softened ? MAILLOG_SOFTBOUNCE : MAILLOG_DEFERRED);
}

static void settle_rcpt(struct world_mail *mail, struct attempt *a, struct rcpt *r)
{
	if (r->state != RCPT_OPEN)
		return;
	ASSERT(r->outcome != OUTCOME_NONE);
	if (r->outcome != OUTCOME_SENT && r->outcome != OUTCOME_HARD) {
		settle_open(mail, a, r);
		return;
	}
	r->state = r->outcome == OUTCOME_SENT ? RCPT_SENT : RCPT_BOUNCED;
	a->job->open--;
	tell(mail, a, r, r->outcome == OUTCOME_SENT ? MAILLOG_SENT : MAILLOG_BOUNCED);
}

static void on_settle(struct errand *e)
{
	struct attempt *a = e->attempt;
	struct world_mail *mail = mail_of(a);

	for (uint32_t i = a->first; i < a->first + a->count; i++)
		settle_rcpt(mail, a, &mail->msg.rcpts[i]);
	if (a->retry_at_ns != 0) {
		a->job->attempts = a->job_attempts;
		a->job->due_ns = a->retry_at_ns;
	}
	mail->under_way -= a->count;
	a->source_part = NULL;
	free(e);
	delivery_on_settled(a, 0);
}

static void on_errand(struct op *op, int res)
{
	struct errand *e = container_of(op, struct errand, op);

	(void)res;
	e->out = false;
	if (e->kind == ERRAND_CLAIM)
		on_claim(e);
	else if (e->kind == ERRAND_FETCH)
		on_fetch(e);
	else
		on_settle(e);
}

static void send_errand(struct errand *e, enum errand_kind kind)
{
	ASSERT(!e->out);
	e->kind = kind;
	e->out = true;
	op_init(&e->op, on_errand);
	flight_ready_in(flight_start(&e->op, FLIGHT_QUERY, -1), 0,
			CLAIM_NS + (kind == ERRAND_CLAIM ? mail_of(e->attempt)->content_late_ns : 0));
}

/* --- beginning and end of a mail ---------------------------------------------------------------- */

static void forget(struct world_mail *mail)
{
	for (unsigned i = 0; i < mail_count; i++)
		if (mails[i] == mail)
			mails[i] = mails[--mail_count];
	free(mail->jobs);
	free(mail->answered);
	mail->jobs = NULL;
	mail->answered = NULL;
}

static void on_all_finished(void *context, uint64_t arg)
{
	struct world_mail *mail = context;

	(void)arg;
	if (mail->jobs == NULL || mail->jobs_open > 0)
		return;
	forget(mail);
	if (mail->on_finished != NULL)
		mail->on_finished(mail);	/* the memory may go */
}

/* The job's memory goes later: delivery is still in the middle of something. */
static void finish(struct job *job)
{
	struct world_mail *mail = container_of(job, struct world_job, job)->mail;

	ASSERT(job->open == 0 && mail->jobs_open > 0);
	if (--mail->jobs_open == 0)
		machine_at(sim_now(), on_all_finished, mail, 0);
}

const struct source mail_source = { .claim = claim, .release = release, .settle = settle, .finish = finish };

static struct slice domain_of(struct slice addr)
{
	const ptrdiff_t at = slice_find_last_char(addr, '@');

	if (at >= 0)
		slice_skip(&addr, (size_t)at + 1);
	return addr;
}

static struct slice nexthop_of(const struct world_mail *mail, const struct rcpt *r, struct str *storage)
{
	if (mail->nexthop != NULL)
		return slice_of_str(mail->nexthop);
	return delivery_nexthop(domain_of(r->addr), storage);
}

/* How many recipients, from this one on, have one nexthop. */
static uint32_t row_at(const struct world_mail *mail, uint32_t first)
{
	char text[JOB_NEXTHOP_MAX], other_text[JOB_NEXTHOP_MAX];
	struct str out = STR(text);
	const struct slice nexthop = nexthop_of(mail, &mail->msg.rcpts[first], &out);
	uint32_t count = 1;

	for (; first + count < mail->msg.rcpt_count; count++) {
		struct str other = STR(other_text);

		if (!slice_eq(nexthop_of(mail, &mail->msg.rcpts[first + count], &other), nexthop))
			break;
	}
	return count;
}

static uint32_t make_job(struct world_mail *mail, struct world_job *j, uint32_t first, uint32_t count)
{
	struct str out = STR(j->nexthop);
	const struct slice nexthop = nexthop_of(mail, &mail->msg.rcpts[first], &out);

	if (nexthop.ptr != j->nexthop) {
		ASSERT(nexthop.len < sizeof(j->nexthop));
		memcpy(j->nexthop, nexthop.ptr, nexthop.len);
	}
	j->mail = mail;
	j->job = (struct job){ .magic = JOB_MAGIC, .msg = &mail->msg, .first = first, .count = count, .open = count,
			       .nexthop = slice_of(j->nexthop, nexthop.len) };
	j->job.core = delivery_core_of(j->job.nexthop);
	return first + count;
}

static void offer_all(struct world_mail *mail)
{
	uint32_t row_end = 0, most = 0;
	unsigned jobs = 0;

	for (uint32_t first = 0; first < mail->msg.rcpt_count; jobs++) {
		ASSERT(jobs < WORLD_JOBS_MAX);
		if (first == row_end) {
			row_end += row_at(mail, first);
			most = delivery_job_rcpts(row_end - first);
		}
		first = make_job(mail, &mail->jobs[jobs], first, MIN(most, row_end - first));
	}
	mail->jobs_open = jobs;
	for (unsigned i = 0; i < jobs; i++)
		delivery_offer(&mail->jobs[i].job);
}

static uint64_t unstuffed_size(struct slice content)
{
	uint64_t size = content.len;

	for (size_t i = 0; i < content.len; i++)
		size -= content.ptr[i] == '.' && (i == 0 || content.ptr[i - 1] == '\n');
	return size;
}

static void on_offer(void *context)
{
	struct world_mail *mail = context;
	struct message *msg = &mail->msg;

	ASSERT(msg->rcpt_count > 0);
	msg->magic = MESSAGE_MAGIC;
	msg->home = reactor_self()->core;
	msg->id = msg->id != 0 ? msg->id : ++next_id;
	msg->arrival_ns = msg->arrival_ns != 0 ? msg->arrival_ns : reactor_queue_now();
	msg->wire_size = mail->content.len;
	msg->size = msg->facts & MESSAGE_RECORDS ? mail->content.len : unstuffed_size(mail->content);
	for (uint32_t i = 0; i < msg->rcpt_count; i++)
		msg->rcpts[i].state = RCPT_OPEN;
	mail->under_way = 0;
	mail->unsettled = msg->rcpt_count;
	mail->answered = calloc(msg->rcpt_count, sizeof(*mail->answered));
	mail->jobs = calloc(MIN(msg->rcpt_count, WORLD_JOBS_MAX), sizeof(*mail->jobs));
	ASSERT(mail->answered != NULL && mail->jobs != NULL);
	offer_all(mail);
}

void world_offer(struct world_mail *mail)
{
	if (mail_count == mail_cap) {
		mail_cap = MAX(2 * mail_cap, 64u);
		mails = realloc(mails, mail_cap * sizeof(struct world_mail *));
		ASSERT(mails != NULL);
	}
	mails[mail_count++] = mail;
	machine_on_core((unsigned)(mail_count % machine_core_count), on_offer, mail);
}

bool mail_all_finished(void)
{
	return mail_count == 0;
}

bool mail_all_settled(void)
{
	for (unsigned i = 0; i < mail_count; i++)
		if (mails[i]->under_way > 0 || mails[i]->unsettled > 0)
			return false;
	return true;
}

void mail_start(void)
{
	next_id = 0xA0;
}

void mail_stop(void)
{
	while (mail_count > 0)
		forget(mails[0]);
}

/* --- text to wire form -------------------------------------------------------------------------- */

struct slice world_wire(const char *text, char *storage, size_t size, uint32_t *ret_facts)
{
	struct str out = str_over(storage, size);
	size_t line = 0;

	*ret_facts = 0;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '\r' && at[1] == '\n')
			continue;
		if (*at == '\n') {
			str_add(&out, SLICE("\r\n"));
			line = 0;
			continue;
		}
		if (line == 0 && *at == '.') {
			str_add_char(&out, '.');
			*ret_facts |= MESSAGE_STUFFED;
		}
		if ((unsigned char)*at > 127)
			*ret_facts |= MESSAGE_8BIT;
		str_add_char(&out, *at);
		if (++line > 998)
			*ret_facts |= MESSAGE_LONG_LINE;
	}
	if (line > 0)
		str_add(&out, SLICE("\r\n"));
	ASSERT(!str_is_full(&out));
	return str_slice(&out);
}
