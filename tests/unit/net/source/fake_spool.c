#include "tests/unit/net/source/fake_spool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/log.h"

#define DRAFTS_MAX 4096

struct spool_draft {
	bool used;
	bool committing;
	struct spool_waiter *waiter;
	struct fake_message message;
};

struct fake_spool fake_spool;

static struct spool_draft *drafts[DRAFTS_MAX];
static struct list room_waiters;

void fake_spool_reset(void)
{
	for (unsigned i = 0; i < DRAFTS_MAX && drafts[i] != NULL; i++)
		drafts[i]->used = false;
	memset(&fake_spool.count, 0, offsetof(struct fake_spool, log) - offsetof(struct fake_spool, count));
	fake_spool.log[0] = '\0';
	list_init(&room_waiters);
}

static struct spool_draft *take_draft(void)
{
	for (unsigned i = 0; i < DRAFTS_MAX; i++) {
		if (drafts[i] == NULL)
			drafts[i] = calloc(1, sizeof(*drafts[i]));
		ASSERT(drafts[i] != NULL);
		if (!drafts[i]->used) {
			struct fake_message *m = &drafts[i]->message;

			/* The content is written before it is read. */
			drafts[i]->used = true;
			drafts[i]->committing = false;
			m->content_len = 0;
			m->rcpts_len = 0;
			m->writes = 0;
			return drafts[i];
		}
	}
	UNREACHABLE();
}

int spool_accepts(const struct spool *s)
{
	(void)s;
	return fake_spool.accepts_err;
}

int spool_message_begin(struct spool *s, struct spool_draft **ret_draft)
{
	(void)s;
	if (fake_spool.begin_err < 0)
		return fake_spool.begin_err;
	*ret_draft = take_draft();
	(*ret_draft)->message.id = 0xABC000 + fake_spool.begun++;
	fake_spool.drafts++;
	return 0;
}

uint64_t spool_draft_id(const struct spool_draft *draft)
{
	ASSERT(draft->used && !draft->committing);
	return draft->message.id;
}

int spool_message_write(struct spool_draft *draft, const struct slice *parts, unsigned count)
{
	struct fake_message *m = &draft->message;
	size_t len = 0;

	ASSERT(draft->used && !draft->committing);
	ASSERT(count > 0 && count <= SPOOL_PARTS_MAX);
	for (unsigned i = 0; i < count; i++)
		len += parts[i].len;
	ASSERT(len > 0 && len <= SPOOL_FRAGMENT_MAX);
	if (fake_spool.no_room > 0) {
		fake_spool.no_room--;
		return -ENOBUFS;
	}
	if (fake_spool.write_err < 0 && fake_spool.writes_until_err-- == 0)
		return fake_spool.write_err;
	fake_spool.writes++;
	m->writes++;
	for (unsigned i = 0; i < count && !fake_spool.forgets; i++) {
		ASSERT(m->content_len + parts[i].len <= sizeof(m->content));
		memcpy(m->content + m->content_len, parts[i].ptr, parts[i].len);
		m->content_len += parts[i].len;
	}
	return 0;
}

void fake_add_asked(struct str *out, struct slice text, const uint32_t *notify)
{
	str_add(out, text);
	if (notify != NULL) {
		str_add_char(out, ' ');
		str_add_u64(out, *notify);
	}
	str_add_char(out, notify != NULL ? ';' : '|');
}

void spool_message_commit(struct spool_draft *draft, const struct spool_envelope *envelope, struct spool_waiter *waiter)
{
	struct fake_message *m = &draft->message;
	struct str rcpts = STR(m->rcpts);
	struct str asked = STR(m->asked);

	ASSERT(draft->used && !draft->committing && draft->message.writes > 0);
	ASSERT(envelope->rcpt_count > 0 && envelope->sender.len <= SPOOL_ADDR_MAX);
	draft->committing = true;
	draft->waiter = waiter;
	if (envelope->sender.len > 0)
		memcpy(m->sender, envelope->sender.ptr, envelope->sender.len);
	m->sender_len = envelope->sender.len;
	m->rcpt_count = envelope->rcpt_count;
	fake_add_asked(&asked, envelope->envid, NULL);
	for (uint32_t i = 0; i < envelope->rcpt_count; i++) {
		fake_add_asked(&asked, envelope->rcpts[i].orcpt, &envelope->rcpts[i].notify);
		ASSERT(slice_eq(envelope->rcpts[i].original, envelope->rcpts[i].addr));
		ASSERT(envelope->rcpts[i].addr.len > 0 && envelope->rcpts[i].addr.len <= SPOOL_ADDR_MAX);
		str_add_char(&rcpts, '<');
		str_add(&rcpts, envelope->rcpts[i].addr);
		str_add_char(&rcpts, '>');
	}
	m->rcpts_len = rcpts.len;
	m->asked_len = asked.len;
	ASSERT(message_client_is_valid(envelope->client));
	if (envelope->client.len > 0)
		memcpy(m->client, envelope->client.ptr, envelope->client.len);
	m->client_len = envelope->client.len;
	m->facts = envelope->facts;
	m->size = envelope->size;
	fake_spool.drafts--;
	fake_spool.committing++;
}

void spool_message_abort(struct spool_draft **draft)
{
	if (*draft == NULL)
		return;
	ASSERT((*draft)->used && !(*draft)->committing);
	(*draft)->used = false;
	*draft = NULL;
	fake_spool.drafts--;
}

static void finish(struct spool_draft *draft)
{
	struct spool_waiter *waiter = draft->waiter;
	uint64_t id = draft->message.id;
	int err = fake_spool.commit_err;

	if (err == 0) {
		if (!fake_spool.forgets) {
			ASSERT(fake_spool.count < FAKE_MESSAGES);
			memcpy(&fake_spool.messages[fake_spool.count++], &draft->message,
			       offsetof(struct fake_message, content) + draft->message.content_len);
		}
		fake_spool.total++;
	}
	fake_spool.committing--;
	draft->used = false;
	waiter->fn(waiter, err, id);
}

unsigned fake_spool_finish(void)
{
	static struct spool_draft *batch[DRAFTS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < DRAFTS_MAX && drafts[i] != NULL; i++)
		if (drafts[i]->used && drafts[i]->committing)
			batch[n++] = drafts[i];
	for (unsigned i = 0; i < n; i++)
		finish(batch[i]);
	return n;
}

void spool_wait_room(struct spool *s, struct journal_waiter *waiter)
{
	(void)s;
	list_push_back(&room_waiters, &waiter->node);
	fake_spool.waiting_for_room++;
}

void spool_wait_cancel(struct journal_waiter *waiter)
{
	if (list_is_empty(&waiter->node))
		return;
	list_remove(&waiter->node);
	fake_spool.waiting_for_room--;
}

bool fake_spool_give_room(void)
{
	struct list *node = list_pop_front(&room_waiters);

	if (node == NULL)
		return false;
	fake_spool.waiting_for_room--;
	struct journal_waiter *waiter = list_entry(node, struct journal_waiter, node);

	waiter->fn(waiter, 0);
	return true;
}

struct slice fake_spool_body(const struct fake_message *m)
{
	struct slice body = slice_of(m->content, m->content_len);

	ASSERT(slice_has_prefix(body, SLICE("Received: from ")));
	for (unsigned line = 0; line < 3; line++) {
		ptrdiff_t lf = slice_find_char(body, 0, '\n');

		ASSERT(lf > 0 && body.ptr[lf - 1] == '\r');
		ASSERT(line == 0 || body.ptr[0] == '\t');
		slice_skip(&body, (size_t)lf + 1);
	}
	return body;
}

/* --- the log -------------------------------------------------------------------------------------- */

void log_put(enum log_level level, const char *program, struct slice text)
{
	struct str log = str_over(fake_spool.log, sizeof(fake_spool.log) - 1);

	(void)level;
	log.len = fake_spool.log_len;
	str_add_cstr(&log, program);
	str_add(&log, SLICE(": "));
	str_add(&log, text);
	str_add_char(&log, '\n');
	fake_spool.log_len = log.len;
	fake_spool.log[log.len] = '\0';
}

void log_line(enum log_level level, const char *program, const char *fmt, ...)
{
	char text[1024];
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, args);

	va_end(args);
	ASSERT(n >= 0);
	log_put(level, program, slice_of(text, MIN((size_t)n, sizeof(text) - 1)));
}

bool fake_log_contains(const char *text)
{
	return strstr(fake_spool.log, text) != NULL;
}

/* Here only so that the real log, with its thread and its files, stays out of the program. */
bool log_facility_is_known(const char *name)
{
	(void)name;
	return true;
}
