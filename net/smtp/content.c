#include "net/smtp/content.h"

#include "core/metric.h"
#include "net/mail/dot.h"
#include "net/mail/stage.h"
#include "net/mail/unstuff.h"
#include "net/mail/wrap.h"

#define CONTENT_MAGIC	UINT32_C(0x636f6e74)
#define WINDOWS_SIZE	((size_t)CONTENT_WINDOWS * CONTENT_WINDOW)
#define CONTENT_ALIGN	KIB(4)	/* pages: each window pins its own */
#define LINE_MAX_5322	998u	/* what MESSAGE_LONG_LINE is about */

static struct metric metric_changed =
	METRIC_COUNTER("ringpost_content_changed_total", "transfers whose content had to be changed for the server");
static struct metric metric_waited =
	METRIC_COUNTER("ringpost_content_waits_total", "transfers that stood in line for memory to be changed in");
static struct metric metric_used = METRIC_GAUGE("ringpost_content_transfers", "transfers being changed now");

struct content {
	uint32_t magic;
	struct content_pool *pool;
	struct body body;
	struct body *source;
	char *memory;			/* for all windows */
	unsigned filling;		/* the window that is filled next */
	unsigned reading;		/* the source's window that is used next */
	unsigned piece;			/* of it: the next */
	struct slice in;		/* what the chain has not taken of the one before */
	bool in_is_last;		/* nothing comes behind it */
	struct slice span;		/* what the chain has given, and no window has taken */
	bool is_over;			/* it has given everything */
	bool is_ended;			/* and all of it is in a window */
	bool wraps;
	struct unstuff unstuff;
	struct wrap wrap;
	struct dot dot;
	struct chain chain;
};

/* --- what is to be done ------------------------------------------------------------------------------------------- */

uint32_t content_needs(const struct message *msg, const struct smtp_caps *caps, const struct params *params)
{
	const uint32_t limit = params->smtp_line_length_limit;
	uint32_t needs = 0;

	(void)caps;
	/* With a limit below what is legal, nobody knows whether the longest line exceeds it. */
	if (limit > 0 && (limit < LINE_MAX_5322 || (msg->facts & MESSAGE_LONG_LINE)))
		needs |= CONTENT_WRAP;
	return needs;
}

/* --- from the source's windows through the chain ------------------------------------------------------------------ */

/* The next piece becomes the chain's input; false: the source has none ready. */
static bool next_piece(struct content *c)
{
	struct body_window *w = &c->source->windows[c->reading];

	for (; w->ready; w = &c->source->windows[c->reading]) {
		if (c->piece < w->count || w->last) {
			c->in = c->piece < w->count ? w->pieces[c->piece] : (struct slice){ 0 };
			c->piece++;
			c->in_is_last = w->last && c->piece >= w->count;
			return true;
		}
		c->piece = 0;
		c->reading ^= 1;
		c->source->release(c->source, w);
	}
	return false;
}

/* False: there is none now, or never again. */
static bool next_span(struct content *c)
{
	int r;

	do
		r = chain_next(&c->chain, &c->in, c->in_is_last, &c->span);
	while (r == STAGE_MORE && next_piece(c));
	if (r < 0)
		c->body.err = r;
	c->is_over = r == STAGE_END;
	return r == STAGE_SPAN;
}

/* False: there is nothing to put into it. */
static bool fill_window(struct content *c)
{
	struct body_window *w = &c->body.windows[c->filling];
	char *to = c->memory + (size_t)c->filling * CONTENT_WINDOW;
	size_t len = 0;

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
	c->is_ended = c->is_over;
	c->filling ^= 1;
	return true;
}

void content_fill(struct content *c)
{
	CHECK_MAGIC(c, CONTENT_MAGIC);
	if (c->body.err == 0)
		c->body.err = c->source->err;
	while (c->body.err == 0 && !c->is_ended && !c->body.windows[c->filling].ready)
		if (!fill_window(c))
			break;
}

static void release(struct body *body, struct body_window *window)
{
	struct content *c = container_of(body, struct content, body);

	CHECK_MAGIC(c, CONTENT_MAGIC);
	ASSERT(window->ready);
	window->ready = false;
	window->count = 0;
}

struct body *content_body(struct content *c)
{
	return &c->body;
}

bool content_was_wrapped(const struct content *c)
{
	return c->wraps && c->wrap.has_split;
}

/* --- a transfer --------------------------------------------------------------------------------------------------- */

void content_begin(struct content *c, uint32_t needs, const struct params *params, struct body *source)
{
	ASSERT(needs != 0);
	c->source = source;
	c->wraps = needs & CONTENT_WRAP;
	chain_init(&c->chain);
	unstuff_init(&c->unstuff);
	chain_add(&c->chain, &c->unstuff.stage);
	if (c->wraps) {
		wrap_init(&c->wrap, params->smtp_line_length_limit);
		chain_add(&c->chain, &c->wrap.stage);
	}
	dot_init(&c->dot);
	chain_add(&c->chain, &c->dot.stage);
	metric_add(&metric_changed, 1);
}

struct content *content_take(struct content_pool *pool, struct content_waiter *waiter)
{
	const bool may_pass = waiter->is_served || list_is_empty(&pool->waiters);
	struct content *c = may_pass ? pool_take(&pool->transfers) : NULL;

	waiter->is_served = false;
	if (c == NULL) {
		if (list_is_empty(&waiter->node)) {
			list_push_back(&pool->waiters, &waiter->node);
			metric_add(&metric_waited, 1);
		}
		return NULL;
	}
	*c = (struct content){ .magic = CONTENT_MAGIC, .pool = pool };
	c->body.release = release;
	c->memory = pool_take(&pool->windows);
	ASSERT(c->memory != NULL);
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

	pool_put(&pool->windows, &c->memory);
	c->magic = 0;
	pool_put(&pool->transfers, cp);
	metric_add(&metric_used, -1);
	if (!list_is_empty(&pool->waiters))
		reactor_post(&pool->serve);
}

/* --- the line ----------------------------------------------------------------------------------------------------- */

static void on_serve(struct task *task)
{
	struct content_pool *pool = container_of(task, struct content_pool, serve);

	while (pool_free(&pool->transfers) > 0 && !list_is_empty(&pool->waiters)) {
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
	if (!list_is_empty(&pool->waiters) && pool_free(&pool->transfers) > 0)
		reactor_post(&pool->serve);
}

/* --- start and end ------------------------------------------------------------------------------------------------ */

static size_t transfers_of(size_t size)
{
	return MAX(size / WINDOWS_SIZE, (size_t)1);
}

size_t content_arena_size(size_t size)
{
	return transfers_of(size) * WINDOWS_SIZE;
}

static int init_pools(struct content_pool *pool, size_t count)
{
	void *memory = io_arena_take(count * WINDOWS_SIZE, CONTENT_ALIGN);
	int r = pool_init(&pool->transfers, "content transfers", sizeof(struct content), count);

	if (r < 0)
		return r;
	if (memory != NULL)
		return pool_init_over(&pool->windows, "content windows", WINDOWS_SIZE, count, memory);
	return pool_init(&pool->windows, "content windows", WINDOWS_SIZE, count);
}

int content_pool_init(struct content_pool *pool, size_t size)
{
	memset(pool, 0, sizeof(*pool));
	list_init(&pool->waiters);
	task_init(&pool->serve, on_serve);
	metric_register(&metric_changed);
	metric_register(&metric_waited);
	metric_register(&metric_used);
	return init_pools(pool, transfers_of(size));
}

void content_pool_done(struct content_pool *pool)
{
	reactor_unpost(&pool->serve);
	pool_done(&pool->windows);
	pool_done(&pool->transfers);
}
