#include "net/smtp/content.h"

#include "core/metric.h"
#include "core/err.h"
#include "core/log.h"
#include "net/mail/added.h"
#include "net/mail/dot.h"
#include "net/mail/line_ends.h"
#include "net/mail/records.h"
#include "net/mail/rewrite.h"
#include "net/mail/stage.h"
#include "net/mail/unstuff.h"
#include "net/mail/wrap.h"

#define CONTENT_MAGIC	UINT32_C(0x636f6e74)
#define CONTENT_ALIGN	KIB(4)	/* pages: each window pins its own */
#define LINE_MAX_5322	998u	/* what MESSAGE_LONG_LINE is about */
#define LINES_SIZE	KIB(4)	/* memory in which lines of records are put one behind the other */

static struct metric metric_changed =
	METRIC_COUNTER("ringpost_content_changed_total", "transfers whose content had to be changed for the server");
static struct metric metric_waited =
	METRIC_COUNTER("ringpost_content_waits_total", "transfers that stood in line for memory to be changed in");
static struct metric metric_used = METRIC_GAUGE("ringpost_content_transfers", "transfers being changed now");

enum asking { ASKING_NOTHING, ASKING, ANSWERED };

struct content {
	uint32_t magic;
	struct content_pool *pool;
	struct body body;
	struct content_transfer transfer;
	char *idle;			/* memory for a window, not in use now; or NULL */
	char *memory[CONTENT_WINDOWS];	/* of each window that is ready */
	unsigned filling;		/* the window that is filled next */
	unsigned reading;		/* the source's window that is used next */
	unsigned piece;			/* of it: the next */
	struct slice raw;		/* of a queue file: what records has not taken of the one before */
	uint64_t file_at;		/* and where in the file the source's window begins */
	struct slice in;		/* what the chain has not taken of it */
	bool in_is_last;		/* nothing comes behind it */
	struct slice span;		/* what the chain has given, and no window has taken */
	bool is_over;			/* it has given everything */
	bool is_ended;			/* and all of it is in a window */
	struct content_waiter *waiter;	/* hears when a table has answered */
	void *structure;		/* memory for mime, rewrite and line_ends */
	uint32_t needs;
	struct asker asker;
	struct maps_ask ask;
	enum asking asking;
	int answer;
	struct mail_log log;
	struct rewrite rewrite;
	struct unstuff unstuff;
	struct records records;
	struct line_ends line_ends;
	struct mime mime;
	struct added added;
	struct wrap wrap;
	struct dot dot;
	struct chain chain;
};

/* --- what is to be done ------------------------------------------------------------------------------------------- */

static bool is_converted(const struct message *msg, const struct smtp_caps *caps, const struct params *params)
{
	return !(caps->bits & SMTP_CAP_8BITMIME) && !(msg->facts & MESSAGE_BODY_7BIT) &&
	       !params->disable_mime_output_conversion;
}

/* With a limit below what is legal, nobody knows whether the longest line exceeds it; nor what others make of lines. */
static bool may_be_too_long(const struct message *msg, const struct params *params)
{
	const uint32_t limit = params->smtp_line_length_limit;

	return limit > 0 && (limit < LINE_MAX_5322 || (msg->facts & (MESSAGE_LONG_LINE | MESSAGE_RECORDS)) ||
			     rewrite_is_wanted(params) || added_is_wanted(params));
}

uint32_t content_needs(const struct message *msg, const struct smtp_caps *caps, const struct params *params)
{
	return (may_be_too_long(msg, params) ? (uint32_t)CONTENT_WRAP : 0) |
	       (is_converted(msg, caps, params) ? (uint32_t)CONTENT_CONVERT : 0) |
	       (rewrite_is_wanted(params) ? (uint32_t)CONTENT_REWRITE : 0) |
	       (added_is_wanted(params) ? (uint32_t)CONTENT_ADD : 0) |
	       (msg->facts & MESSAGE_RECORDS ? (uint32_t)CONTENT_RECORDS : 0);
}

bool content_size_holds(uint32_t needs)
{
	const uint32_t changes = CONTENT_CONVERT | CONTENT_REWRITE | CONTENT_ADD;

	return !(needs & (needs & CONTENT_RECORDS ? changes : changes | CONTENT_WRAP));
}

/* --- what the stages ask for -------------------------------------------------------------------------------------- */

static void on_answer(struct maps_ask *ask, int result)
{
	struct content *c = container_of(ask, struct content, ask);

	CHECK_MAGIC(c, CONTENT_MAGIC);
	c->asking = ANSWERED;
	c->answer = result;
	c->waiter->fn(c->waiter);
}

static int find(struct asker *a, const struct maps *maps, struct slice key, unsigned flags, struct str *ret_value)
{
	struct content *c = container_of(a, struct content, asker);

	if (c->asking == ANSWERED) {
		c->asking = ASKING_NOTHING;
		return c->answer;
	}
	if (c->asking == ASKING_NOTHING) {
		c->asking = ASKING;
		maps_ask(c->transfer.tables, &c->ask, maps, key, flags, ret_value, on_answer);
	}
	return ASKER_WAIT;
}

static void log_of_message(struct mail_log *log, bool is_warning, struct slice text)
{
	const struct content *c = container_of(log, const struct content, log);
	char storage[LOG_FIELD_MAX + MESSAGE_ID_TEXT_MAX + 8];
	struct str line = STR(storage);

	message_id_text(&line, c->transfer.msg->id);
	str_add_cstr(&line, ": ");
	str_add_cut(&line, text, LOG_FIELD_MAX);
	line.full = false;
	log_put(is_warning ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "smtp", str_slice(&line));
}

static struct mime_conf mime_conf(const struct params *params, bool converts)
{
	return (struct mime_conf){
		.converts = converts,
		.finds_parts = rewrite_wants_structure(params),
		.mime_boundary_length_limit = params->mime_boundary_length_limit,
		.mime_nesting_limit = params->mime_nesting_limit,
		.header_size_limit = params->header_size_limit,
		.line_length_limit = params->line_length_limit,
	};
}

static int no_header(struct mime_hooks *h, enum mime_header_kind kind, struct slice header, struct slice *ret_text)
{
	(void)h, (void)kind, (void)header, (void)ret_text;
	UNREACHABLE();
}

static int no_line(struct mime_hooks *h, struct slice line, struct slice *ret_text)
{
	(void)h, (void)line, (void)ret_text;
	UNREACHABLE();
}

/* Octets that mime_init may want, whatever the message. */
static size_t mime_size(const struct params *params)
{
	static const struct mime_hooks all = { .header = no_header, .line = no_line };
	const struct mime_conf conf = mime_conf(params, true);

	return round_up(mime_memory(&conf, rewrite_is_wanted(params) ? &all : NULL), 16);
}

/* Of both. */
static size_t structure_size(const struct params *params)
{
	return mime_size(params) + (rewrite_is_wanted(params) ? rewrite_memory(params) : 0);
}

/* Whose Delivered-To would be a loop; empty: nobody's. */
static struct slice delivered_to(const struct content *c)
{
	const struct rcpt *rcpt = params_service_flag(c->pool->params, 'D') ? c->transfer.rcpt : NULL;

	return rcpt != NULL ? rcpt->addr : (struct slice){ 0 };
}

static void add_unstuff(struct content *c)
{
	unstuff_init(&c->unstuff);
	chain_add(&c->chain, &c->unstuff.stage);
}

static void add_records(struct content *c)
{
	const struct body_records *conf = &c->transfer.source->records;
	char *memory = (char *)c->structure + structure_size(c->pool->params);

	c->file_at = conf->offset;
	records_init(&c->records, conf->file_size);
	line_ends_init(&c->line_ends, LINE_ENDS_RECORDS, memory, LINES_SIZE);
	chain_add(&c->chain, &c->line_ends.stage);
}

static void add_headers(struct content *c)
{
	const struct added_conf conf = {
		.generic = c->pool->generic,
		.asker = c->transfer.tables != NULL ? &c->asker : NULL,
		.log = &c->log,
		.sender = c->transfer.msg->sender,
		.rcpt = c->transfer.rcpt,
	};

	added_init(&c->added, &conf);
	chain_add(&c->chain, &c->added.stage);
}

static void add_mime(struct content *c)
{
	const struct params *params = c->pool->params;
	const struct mime_conf conf = mime_conf(params, c->needs & CONTENT_CONVERT);
	const size_t rewrite_size = c->needs & CONTENT_REWRITE ? rewrite_memory(params) : 0;
	struct mime_hooks *hooks = NULL;

	if (rewrite_size > 0) {
		const struct rewrite_conf rewrite = {
			.params = params, .generic = c->pool->generic, .log = &c->log,
			.asker = c->transfer.tables != NULL ? &c->asker : NULL,
			.delivered_to = delivered_to(c),
		};

		rewrite_init(&c->rewrite, &rewrite, (char *)c->structure + mime_size(params), rewrite_size);
		hooks = &c->rewrite.hooks;
	}
	mime_init(&c->mime, &conf, hooks, c->structure);
	chain_add(&c->chain, &c->mime.stage);
}

/* --- from the source's windows through the chain ------------------------------------------------------------------ */

static struct body_window *window_read(const struct content *c)
{
	return &c->transfer.source->windows[c->reading];
}

/* The window is used up, or not wanted any more. */
static void leave_window(struct content *c)
{
	struct body_window *w = window_read(c);

	c->file_at += body_window_size(w);
	c->piece = 0;
	c->reading ^= 1;
	c->transfer.source->release(c->transfer.source, w);
}

/* False: the source has none ready. */
static bool next_piece(struct content *c, struct slice *ret_piece, bool *ret_is_last)
{
	for (const struct body_window *w = window_read(c); w->ready; w = window_read(c)) {
		if (c->piece < w->count || w->last) {
			*ret_piece = c->piece < w->count ? w->pieces[c->piece] : (struct slice){ 0 };
			c->piece++;
			*ret_is_last = w->last && c->piece >= w->count;
			return true;
		}
		leave_window(c);
	}
	return false;
}

/* --- out of a queue file ------------------------------------------------------------------------------------------ */

/* For every recipient, and for the source. */
static bool fail_records(struct content *c)
{
	c->transfer.source->records.is_damaged = true;
	c->body.err = ERR_CONTENT;
	return false;
}

static bool next_raw(struct content *c)
{
	bool is_last;

	/* Behind the last octet of the file, and the content has not ended. */
	if (c->piece > 0 && window_read(c)->last && c->piece >= window_read(c)->count)
		return fail_records(c);
	return next_piece(c, &c->raw, &is_last);
}

/* The octet at this place of the window. */
static void go_to(struct content *c, size_t at)
{
	const struct body_window *w = window_read(c);

	for (c->piece = 0; at >= w->pieces[c->piece].len; c->piece++)
		at -= w->pieces[c->piece].len;
	c->raw = w->pieces[c->piece++];
	slice_skip(&c->raw, at);
}

static bool is_here(const struct content *c, uint64_t offset)
{
	return window_read(c)->ready && offset - c->file_at < body_window_size(window_read(c));
}

/* Edits of a message lie near to each other: most pointers lead into a window that is here. */
static void seek(struct content *c, uint64_t offset)
{
	struct body *source = c->transfer.source;

	if (!is_here(c, offset) && source->windows[c->reading ^ 1].ready)
		leave_window(c);
	if (is_here(c, offset)) {
		go_to(c, (size_t)(offset - c->file_at));
		return;
	}
	c->raw = (struct slice){ 0 };
	c->file_at = offset;
	c->piece = 0;
	c->reading = 0;
	source->records.seek(source, offset);
}

/* Text of the next record, or the end; false: there is none now, or the file is damaged. */
static bool next_text(struct content *c)
{
	for (;;) {
		const int e = records_next(&c->records, &c->raw, &c->in);

		if (e < 0)
			return fail_records(c);
		switch ((enum records_event)e) {
		case RECORDS_MORE:
			if (!next_raw(c))
				return false;
			break;
		case RECORDS_TEXT:
			return true;
		case RECORDS_LINE:
			line_ends_end_record(&c->line_ends);
			break;
		case RECORDS_SEEK:
			seek(c, c->records.offset);
			break;
		case RECORDS_END:
			c->in = (struct slice){ 0 };
			c->in_is_last = true;
			return true;
		}
	}
}

/* --- through the chain -------------------------------------------------------------------------------------------- */

static bool next_input(struct content *c)
{
	return c->needs & CONTENT_RECORDS ? next_text(c) : next_piece(c, &c->in, &c->in_is_last);
}

/* False: there is none now, or never again. */
static bool next_span(struct content *c)
{
	int r;

	do
		r = chain_next(&c->chain, &c->in, c->in_is_last, &c->span);
	while (r == STAGE_MORE && next_input(c));
	if (r < 0)
		c->body.err = r;
	c->is_over = r == STAGE_END;
	return r == STAGE_SPAN;
}

/* The memory of a second window is there for all: whoever waits for his first one comes before. */
static bool have_memory(struct content *c)
{
	if (c->idle == NULL && list_is_empty(&c->pool->waiters))
		c->idle = pool_take(&c->pool->windows);
	return c->idle != NULL;
}

static void serve_next(struct content_pool *pool)
{
	if (!list_is_empty(&pool->waiters))
		reactor_post(&pool->serve);
}

/* Of a window that has been used. */
static void give_memory(struct content *c, char *memory)
{
	struct content_pool *pool = c->pool;
	const bool is_second = c->idle != NULL || c->memory[0] != NULL || c->memory[1] != NULL;

	if (c->idle != NULL || (is_second && !list_is_empty(&pool->waiters))) {
		pool_put(&pool->windows, &memory);
		serve_next(pool);
		return;
	}
	c->idle = memory;
}

/* False: there is nothing to put into it, or no memory now. */
static bool fill_window(struct content *c)
{
	struct body_window *w = &c->body.windows[c->filling];
	size_t len = 0;

	if (!have_memory(c))
		return false;
	char *to = c->idle;

	while (len < CONTENT_WINDOW && !c->is_over && (c->span.len > 0 || next_span(c))) {
		const size_t n = MIN(c->span.len, CONTENT_WINDOW - len);

		memcpy(to + len, c->span.ptr, n);
		slice_skip(&c->span, n);
		len += n;
	}
	if (c->body.err < 0 || (len == 0 && !c->is_over))
		return false;
	*w = (struct body_window){ .pieces = { slice_of(to, len) }, .count = len > 0, .ready = true,
				   .last = c->is_over };
	c->memory[c->filling] = c->idle;
	c->idle = NULL;
	c->is_ended = c->is_over;
	c->filling ^= 1;
	return true;
}

void content_fill(struct content *c)
{
	CHECK_MAGIC(c, CONTENT_MAGIC);
	if (c->body.err == 0)
		c->body.err = c->transfer.source->err;
	while (c->body.err == 0 && !c->is_ended && !c->body.windows[c->filling].ready)
		if (!fill_window(c))
			break;
}

static void release(struct body *body, struct body_window *window)
{
	struct content *c = container_of(body, struct content, body);
	const size_t i = (size_t)(window - body->windows);
	char *memory = c->memory[i];

	CHECK_MAGIC(c, CONTENT_MAGIC);
	ASSERT(window->ready);
	window->ready = false;
	window->count = 0;
	c->memory[i] = NULL;
	give_memory(c, memory);
}

struct body *content_body(struct content *c)
{
	return &c->body;
}

bool content_was_wrapped(const struct content *c)
{
	return (c->needs & CONTENT_WRAP) && c->wrap.has_split;
}

struct mime_failure content_failure(const struct content *c)
{
	if ((c->needs & CONTENT_RECORDS) && c->transfer.source->records.is_damaged)
		return (struct mime_failure){ { 5, 3, 0 }, "unreadable mail queue entry" };
	return mime_failure(&c->mime);
}

/* --- a transfer --------------------------------------------------------------------------------------------------- */

void content_begin(struct content *c, uint32_t needs, const struct content_transfer *transfer)
{
	ASSERT(needs != 0);
	c->transfer = *transfer;
	c->needs = needs;
	c->asker.find = find;
	c->log.line = log_of_message;
	chain_init(&c->chain);
	if (needs & CONTENT_RECORDS)
		add_records(c);
	else
		add_unstuff(c);
	if (needs & (CONTENT_CONVERT | CONTENT_REWRITE))
		add_mime(c);
	if (needs & CONTENT_ADD)
		add_headers(c);
	if (needs & CONTENT_WRAP) {
		wrap_init(&c->wrap, c->pool->params->smtp_line_length_limit);
		chain_add(&c->chain, &c->wrap.stage);
	}
	dot_init(&c->dot);
	chain_add(&c->chain, &c->dot.stage);
	metric_add(&metric_changed, 1);
}

/* For one transfer more, with its first window. */
static bool has_room(const struct content_pool *pool)
{
	return pool_free(&pool->transfers) > 0 && pool_free(&pool->windows) > 0;
}

struct content *content_take(struct content_pool *pool, struct content_waiter *waiter)
{
	const bool may_pass = has_room(pool) && (waiter->is_served || list_is_empty(&pool->waiters));
	struct content *c = may_pass ? pool_take(&pool->transfers) : NULL;

	waiter->is_served = false;
	if (c == NULL) {
		if (list_is_empty(&waiter->node)) {
			list_push_back(&pool->waiters, &waiter->node);
			metric_add(&metric_waited, 1);
		}
		return NULL;
	}
	*c = (struct content){ .magic = CONTENT_MAGIC, .pool = pool, .waiter = waiter };
	c->body.release = release;
	c->idle = pool_take(&pool->windows);
	c->structure = pool_take(&pool->structures);
	ASSERT(c->idle != NULL && c->structure != NULL);
	metric_add(&metric_used, 1);
	return c;
}

void content_put(struct content **cp)
{
	struct content *c = *cp;

	if (c == NULL)
		return;
	CHECK_MAGIC(c, CONTENT_MAGIC);
	struct content_pool *pool = c->pool;

	maps_ask_cancel(&c->ask);
	pool_put(&pool->windows, &c->idle);
	for (unsigned i = 0; i < CONTENT_WINDOWS; i++)
		pool_put(&pool->windows, &c->memory[i]);
	pool_put(&pool->structures, &c->structure);
	c->magic = 0;
	pool_put(&pool->transfers, cp);
	metric_add(&metric_used, -1);
	serve_next(pool);
}

/* --- the line ----------------------------------------------------------------------------------------------------- */

static void on_serve(struct task *task)
{
	struct content_pool *pool = container_of(task, struct content_pool, serve);

	while (has_room(pool) && !list_is_empty(&pool->waiters)) {
		struct content_waiter *w = list_entry(list_pop_front(&pool->waiters), struct content_waiter, node);

		w->is_served = true;
		w->fn(w);
		w->is_served = false;
	}
}

void content_wait_cancel(struct content_pool *pool, struct content_waiter *waiter)
{
	if (list_is_empty(&waiter->node))
		return;
	list_remove(&waiter->node);
	/* Whoever is behind may be next. */
	serve_next(pool);
}

/* --- start and end ------------------------------------------------------------------------------------------------ */

static size_t windows_of(size_t size)
{
	return MAX(size / CONTENT_WINDOW, (size_t)1);
}

size_t content_arena_size(size_t size)
{
	return windows_of(size) * CONTENT_WINDOW;
}

static int init_pools(struct content_pool *pool, size_t count)
{
	void *memory = io_arena_take(count * CONTENT_WINDOW, CONTENT_ALIGN);
	int r = pool_init(&pool->transfers, "content transfers", sizeof(struct content), count);

	if (r == 0)
		r = pool_init(&pool->structures, "content structures", structure_size(pool->params) + LINES_SIZE,
			      count);
	if (r < 0)
		return r;
	if (memory != NULL)
		return pool_init_over(&pool->windows, "content windows", CONTENT_WINDOW, count, memory);
	return pool_init(&pool->windows, "content windows", CONTENT_WINDOW, count);
}

int content_pool_init(struct content_pool *pool, size_t size, const struct params *params,
		      const struct generic_conf *generic)
{
	memset(pool, 0, sizeof(*pool));
	pool->params = params;
	pool->generic = generic;
	list_init(&pool->waiters);
	task_init(&pool->serve, on_serve);
	metric_register(&metric_changed);
	metric_register(&metric_waited);
	metric_register(&metric_used);
	return init_pools(pool, windows_of(size));
}

void content_pool_done(struct content_pool *pool)
{
	if (pool->params == NULL)
		return;				/* a start that ended before it came to us */
	reactor_unpost(&pool->serve);
	pool_done(&pool->structures);
	pool_done(&pool->windows);
	pool_done(&pool->transfers);
}
