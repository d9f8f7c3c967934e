#include "net/source/tlsrpt.h"

#include <errno.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/file.h"
#include "core/file_put.h"
#include "core/log.h"
#include "core/metric.h"
#include "core/random.h"
#include "net/lookup/reply_filter.h"
#include "net/source/tlsrpt_mail.h"

#define TEND_NS		NS_PER_SEC
#define ASK_AGAIN_NS	(600 * NS_PER_SEC)
#define RETRY_NS	(60 * NS_PER_SEC)
#define GIVE_UP_S	(2u * 86400u)	/* behind the end of its period: nobody waits for such a report */
#define LOOK_MAX	64u		/* reports looked at in one go */
#define SUFFIX		".counts"
#define PATH_MAX_LEN	(FILE_PUT_PATH - 8u)

/* One thing at a time. */
enum work {
	WORK_NONE,
	WORK_SAVE,		/* counts to their file */
	WORK_FILE,		/* the report to its file */
	WORK_MAIL,
	WORK_FORGET,		/* the file of counts goes */
};

struct tlsrpt {
	const struct params *params;
	struct resolver *resolver;
	struct tlsrpt_counts counts;
	struct list dirty;		/* the one to be saved first in front */
	struct wheel_timer tend;
	uint64_t delay_s;		/* between the end of a period and its reports */
	unsigned saves;			/* that this second may still have */
	bool has_begun, closing, save_failed;
	enum work work;
	struct tlsrpt_report *report;	/* what the work is about */
	struct file_put file;
	struct op unlink_op;
	struct tlsrpt_mail mail;
	void (*done)(struct tlsrpt *t, void *context);
	void *context;
	struct task next;
	char path[FILE_PUT_PATH];
	char text[TLSRPT_TEXT_MAX];
};

static struct metric metric_reports = METRIC_COUNTER("ringpost_tlsrpt_reports_total", "TLS reports mailed");
static struct metric metric_https =
	METRIC_COUNTER("ringpost_tlsrpt_https_total", "TLS reports with an https: address, which is not served");
static struct metric metric_uncounted =
	METRIC_COUNTER("ringpost_tlsrpt_uncounted_total", "connections that no TLS report counts: too many domains");

static void go_on(struct tlsrpt *t);

/* --- files ------------------------------------------------------------------------------------ */

/* False: the name is longer than any file's. */
static bool name_file(struct tlsrpt *t, const struct tlsrpt_report *r, bool is_counts)
{
	struct str path = str_over(t->path, PATH_MAX_LEN);

	str_printf(&path, "%s/", t->params->tlsrpt_directory);
	if (!is_counts)
		str_printf(&path, "%s!", t->params->myhostname);
	str_add(&path, tlsrpt_report_domain(r));
	str_printf(&path, "!%llu", (unsigned long long)r->start_s);
	if (is_counts)
		str_add_cstr(&path, SUFFIX);
	else
		str_printf(&path, "!%llu.json", (unsigned long long)r->end_s - 1);
	return !str_is_full(&path) && str_cstr(&path) != NULL;
}

static void warn(const struct tlsrpt *t, const char *what, int err)
{
	log_line(LOG_LEVEL_WARNING, params_client_name(t->params), "TLS report: %s: %s: %s", t->path, what, err_text(err));
}

static void rest(struct tlsrpt *t)
{
	t->work = WORK_NONE;
	t->report = NULL;
	reactor_post(&t->next);
}

static void on_saved(struct file_put *p, int err)
{
	struct tlsrpt *t = container_of(p, struct tlsrpt, file);

	if (err < 0 && !t->save_failed)
		warn(t, "counts cannot be saved", err);
	t->save_failed = err < 0;
	t->report->is_saved |= err == 0;
	rest(t);
}

static void save(struct tlsrpt *t, struct tlsrpt_report *r)
{
	struct str text = STR(t->text);

	list_remove(&r->dirty_node);
	if (r->state == TLSRPT_UNWANTED || !name_file(t, r, true)) {
		reactor_post(&t->next);
		return;
	}
	tlsrpt_counts_write(r, &text);
	ASSERT(!str_is_full(&text));
	t->work = WORK_SAVE;
	t->report = r;
	file_put(&t->file, t->path, str_slice(&text), false, on_saved);
}

static void mark_dirty(struct tlsrpt *t, struct tlsrpt_report *r)
{
	if (!list_is_empty(&r->dirty_node))
		return;
	r->save_at_ns = reactor_now() + TLSRPT_SAVE_NS;
	list_push_back(&t->dirty, &r->dirty_node);
}

/* --- forgetting ------------------------------------------------------------------------------- */

static void drop(struct tlsrpt *t, struct tlsrpt_report *r)
{
	resolver_cancel(&r->query);
	tlsrpt_counts_remove(&t->counts, &r);
}

static void on_unlinked(struct op *op, int res)
{
	struct tlsrpt *t = container_of(op, struct tlsrpt, unlink_op);

	if (res < 0 && res != -ENOENT)
		warn(t, "counts cannot be removed", res);
	drop(t, t->report);
	rest(t);
}

static void forget(struct tlsrpt *t, struct tlsrpt_report *r)
{
	if (!r->is_saved || !name_file(t, r, true)) {
		drop(t, r);
		rest(t);
		return;
	}
	t->work = WORK_FORGET;
	t->report = r;
	op_init(&t->unlink_op, on_unlinked);
	io_unlink(&t->unlink_op, t->path);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* Later, unless it has been later for too long. */
static void put_off(struct tlsrpt *t)
{
	struct tlsrpt_report *r = t->report;

	if (clock_wall_ns() / NS_PER_SEC > r->end_s + GIVE_UP_S) {
		forget(t, r);
		return;
	}
	list_remove(&r->node);
	list_push_back(&t->counts.all, &r->node);
	r->retry_at_ns = reactor_now() + RETRY_NS;
	rest(t);
}

static void on_mailed(struct tlsrpt_mail *m, int err)
{
	struct tlsrpt *t = container_of(m, struct tlsrpt, mail);

	if (err < 0) {
		log_line(LOG_LEVEL_WARNING, params_client_name(t->params), "the TLS report for %.*s waits: %s",
			 SLICE_FMT(tlsrpt_report_domain(t->report)), err_text(err));
		put_off(t);
		return;
	}
	metric_add(&metric_reports, 1);
	forget(t, t->report);
}

static void on_filed(struct file_put *p, int err)
{
	struct tlsrpt *t = container_of(p, struct tlsrpt, file);
	struct tlsrpt_report *r = t->report;

	if (err < 0)
		warn(t, "the report cannot be written", err);
	if (r->record.https_count > 0) {
		metric_add(&metric_https, 1);
		log_line(LOG_LEVEL_INFO, params_client_name(t->params),
			 "%.*s wants TLS reports by https:, which is not served", SLICE_FMT(tlsrpt_report_domain(r)));
	}
	if (r->record.mail_count == 0) {
		forget(t, r);
		return;
	}
	t->work = WORK_MAIL;
	tlsrpt_mail_send(&t->mail, r, slice_of_str(t->text), on_mailed);
}

static void send_report(struct tlsrpt *t, struct tlsrpt_report *r)
{
	char storage[TLSRPT_MAIL_ID];
	struct str id = STR(storage), text = str_over(t->text, sizeof(t->text) - 1);

	list_remove(&r->dirty_node);
	tlsrpt_mail_id(&t->mail, r, &id);
	tlsrpt_counts_add_json(r, t->params->tlsrpt_organization, t->mail.contact, str_slice(&id), &text);
	ASSERT(!str_is_full(&text) && str_cstr(&text) != NULL);
	t->work = WORK_FILE;
	t->report = r;
	if (name_file(t, r, false))
		file_put(&t->file, t->path, slice_of_str(t->text), true, on_filed);
	else
		on_filed(&t->file, -ENAMETOOLONG);
}

/* --- does the domain want reports? ------------------------------------------------------------ */

/* 1: the one there is; 0: none, or several; negative: smtp_dns_reply_filter gives no answer. */
static int find_record(const struct tlsrpt *t, const struct dns_answer *dns, struct tlsrpt_record *ret_record)
{
	struct tlsrpt_record record;
	struct reply_filter_bits ignored;
	unsigned found = 0;
	int left = reply_filter_apply(t->params->smtp_dns_reply_filter, DNS_TYPE_TXT, dns, &ignored);

	for (unsigned i = 0; left > 0 && i < dns->count; i++) {
		const struct slice rdata = dns_record_data(dns, &dns->records[i]);

		if (reply_filter_ignores(&ignored, i) || !tlsrpt_record_read(rdata, &record))
			continue;
		*ret_record = record;
		found++;
	}
	return left < 0 ? left : found == 1 && ret_record->mail_count + ret_record->https_count > 0;
}

static void on_answer(struct query *query, const struct answer *answer)
{
	struct tlsrpt_report *r = container_of(query, struct tlsrpt_report, query);
	struct tlsrpt *t = r->owner;
	int found = answer->class == ANSWER_FOUND ? find_record(t, answer->dns, &r->record) : 0;

	r->state = found > 0 ? TLSRPT_WANTED : TLSRPT_UNWANTED;
	if (found > 0)
		return;
	r->again_at_ns = 0;
	if (found == 0 && answer->class != ANSWER_RETRY && answer->class != ANSWER_FAIL) {
		tlsrpt_counts_clear(&t->counts, r);
		return;		/* trouble is no "no": what was counted while reports were wanted stays */
	}
	r->again_at_ns = reactor_now() + ASK_AGAIN_NS;
	log_line(LOG_LEVEL_WARNING, params_client_name(t->params), "no TLS report for %.*s: its TXT record: %s",
		 SLICE_FMT(tlsrpt_report_domain(r)),
		 found < 0 ? "smtp_dns_reply_filter cannot be asked" : answer->why);
}

static void ask(struct tlsrpt *t, struct tlsrpt_report *r)
{
	r->state = TLSRPT_ASKING;
	r->owner = t;
	query_init(&r->query, on_answer);
	resolver_ask(t->resolver, &r->query, DNS_TYPE_TXT, slice_of(r->name, r->name_len));
}

/* --- counting --------------------------------------------------------------------------------- */

/* Whoever wants nothing makes room: if he comes again he is asked again. */
static void evict(struct tlsrpt *t)
{
	unsigned looked = 0;

	/* From the newest on: the oldest are those that stay. */
	for (struct list *node = t->counts.all.prev; node != &t->counts.all; node = node->prev) {
		struct tlsrpt_report *r = list_entry(node, struct tlsrpt_report, node);

		if (r->state == TLSRPT_UNWANTED && !r->is_saved && r != t->report) {
			drop(t, r);
			return;
		}
		if (++looked == LOOK_MAX)
			return;
	}
}

static struct tlsrpt_report *report_for(struct tlsrpt *t, const struct tls_event *e)
{
	const uint64_t interval_s = t->params->tlsrpt_interval_ns / NS_PER_SEC;
	const uint64_t start_s = e->wall_ns / NS_PER_SEC / interval_s * interval_s;
	const struct slice domain = slice_of_str(e->domain);
	struct tlsrpt_report *r = tlsrpt_counts_find(&t->counts, domain, start_s);

	if (r != NULL)
		return r;
	r = tlsrpt_counts_add(&t->counts, domain, start_s, start_s + interval_s);
	if (r == NULL) {
		evict(t);
		r = tlsrpt_counts_add(&t->counts, domain, start_s, start_s + interval_s);
	}
	if (r != NULL)
		ask(t, r);
	return r;
}

void tlsrpt_count(struct tlsrpt *t, const struct tls_event *e)
{
	struct tlsrpt_report *r = report_for(t, e);

	if (r != NULL && r->state == TLSRPT_UNWANTED && r->again_at_ns != 0 && reactor_now() >= r->again_at_ns)
		ask(t, r);
	if (r != NULL && r->state == TLSRPT_UNWANTED)
		return;
	if (r == NULL || tlsrpt_counts_event(&t->counts, r, e) < 0)
		metric_add(&metric_uncounted, 1);
	else
		mark_dirty(t, r);
}

/* --- all of it in turn ------------------------------------------------------------------------ */

static bool is_due(const struct tlsrpt *t, const struct tlsrpt_report *r)
{
	return r->state != TLSRPT_ASKING && clock_wall_ns() / NS_PER_SEC >= r->end_s + t->delay_s &&
	       reactor_now() >= r->retry_at_ns;
}

/* The oldest one whose time has come; behind a few that wait, or that belong to a day that the wall clock has left. */
static struct tlsrpt_report *due_report(const struct tlsrpt *t)
{
	unsigned looked = 0;

	if (!t->has_begun || t->closing)
		return NULL;
	list_for_each(node, &t->counts.all) {
		struct tlsrpt_report *r = list_entry(node, struct tlsrpt_report, node);

		if (is_due(t, r))
			return r;
		if (++looked == LOOK_MAX)
			break;
	}
	return NULL;
}

static struct tlsrpt_report *report_to_save(struct tlsrpt *t)
{
	if (list_is_empty(&t->dirty) || (!t->closing && t->saves == 0))
		return NULL;
	struct tlsrpt_report *r = list_entry(t->dirty.next, struct tlsrpt_report, dirty_node);

	return t->closing || reactor_now() >= r->save_at_ns ? r : NULL;
}

static void go_on(struct tlsrpt *t)
{
	struct tlsrpt_report *r;

	if (t->work != WORK_NONE)
		return;
	if ((r = due_report(t)) != NULL) {
		if (r->state == TLSRPT_WANTED && r->policy_count > 0)
			send_report(t, r);
		else
			forget(t, r);
	} else if ((r = report_to_save(t)) != NULL) {
		t->saves -= t->saves > 0;
		save(t, r);
	} else if (t->done != NULL) {
		void (*done)(struct tlsrpt *, void *) = t->done;

		t->done = NULL;
		timer_cancel(&t->tend);
		done(t, t->context);
	}
}

static void on_next(struct task *task)
{
	go_on(container_of(task, struct tlsrpt, next));
}

static void on_tend(struct wheel_timer *timer)
{
	struct tlsrpt *t = container_of(timer, struct tlsrpt, tend);

	t->saves = TLSRPT_SAVES;
	timer_arm_in(&t->tend, TEND_NS);
	go_on(t);
}

/* --- beginning and end ------------------------------------------------------------------------ */

static void load(const char *name, void *context)
{
	struct tlsrpt *t = context;
	struct slice file = slice_of_str(name);
	const struct slice suffix = SLICE(SUFFIX);
	struct str path = str_over(t->path, PATH_MAX_LEN);
	struct tlsrpt_report *r;
	char *text;
	size_t len;

	if (file.len <= suffix.len || !slice_eq(slice_of(file.ptr + file.len - suffix.len, suffix.len), suffix))
		return;
	str_printf(&path, "%s/%s", t->params->tlsrpt_directory, name);
	if (str_is_full(&path))
		return;
	int err = file_read(str_cstr(&path), TLSRPT_TEXT_MAX, &text, &len);

	if (err == 0) {
		err = tlsrpt_counts_read(&t->counts, slice_of(text, len), &r);
		free(text);
	}
	if (err < 0)
		warn(t, "counts of an earlier process are lost", err);
	else
		r->is_saved = true;
}

int tlsrpt_new(const struct params *params, struct resolver *resolver, struct spool *spool,
	       struct tlsrpt **ret_tlsrpt)
{
	struct tlsrpt *t = calloc(1, sizeof(*t));
	int err = t != NULL ? tlsrpt_counts_init(&t->counts) : -ENOMEM;

	if (err == 0)
		err = io_mkdir(params->tlsrpt_directory, 0700);
	if (err < 0) {
		free(t);
		return err;
	}
	t->params = params;
	t->resolver = resolver;
	t->delay_s = random_below(params->tlsrpt_interval_ns / NS_PER_SEC / 6 + 1);
	list_init(&t->dirty);
	wheel_timer_init(&t->tend, on_tend);
	task_init(&t->next, on_next);
	file_put_init(&t->file);
	tlsrpt_mail_init(&t->mail, params, spool);
	metric_register(&metric_reports);
	metric_register(&metric_https);
	metric_register(&metric_uncounted);
	err = io_list_dir(params->tlsrpt_directory, load, t);
	if (err < 0)
		tlsrpt_free(&t);
	*ret_tlsrpt = t;
	return err;
}

void tlsrpt_begin(struct tlsrpt *t)
{
	t->has_begun = true;
	list_for_each(node, &t->counts.all) {
		struct tlsrpt_report *r = list_entry(node, struct tlsrpt_report, node);

		if (r->state == TLSRPT_ASKING && !query_is_waiting(&r->query))
			ask(t, r);
	}
	timer_arm_in(&t->tend, TEND_NS);
}

void tlsrpt_close(struct tlsrpt *t, void (*done)(struct tlsrpt *t, void *context), void *context)
{
	ASSERT(t->done == NULL);
	t->closing = true;
	t->done = done;
	t->context = context;
	reactor_post(&t->next);
}

void tlsrpt_free(struct tlsrpt **t)
{
	if (*t == NULL)
		return;
	list_for_each(node, &(*t)->counts.all)
		resolver_cancel(&list_entry(node, struct tlsrpt_report, node)->query);
	tlsrpt_counts_done(&(*t)->counts);
	free(*t);
	*t = NULL;
}
