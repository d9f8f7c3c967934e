#include "net/source/notice.h"

#include <errno.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/err.h"
#include "core/log.h"
#include "net/mail/received.h"
#include "net/wire/utf8.h"

#define LINE_LENGTH	78u		/* RFC 5322 2.1.1; what is longer goes on, indented, on the next one */
#define NOTICE_SIZE	KIB(16)		/* a transcript and its line ends, with room for headers */
#define NOTICE_ADDRESS_MAX	256u

static_assert(TRANSCRIPT_MAX * 3 / 2 + 2048 <= NOTICE_SIZE, "wrapped, dot-stuffed, with headers");

struct notice {
	bool is_busy;
	struct notices *home;
	struct spool_draft *draft;	/* until its commit */
	struct spool_waiter committed;
	struct journal_waiter room;
	size_t len;
	char text[NOTICE_SIZE];
};

struct notices {
	const struct params *params;
	struct spool *spool;
	char sender[NOTICE_ADDRESS_MAX];
	char rcpt[NOTICE_ADDRESS_MAX];
	unsigned busy;
	void (*done)(struct notices *n, void *context);
	void *context;
	struct task over;
	struct notice list[NOTICES_MAX];
};

/* --- what it says ------------------------------------------------------------------------------------------------- */

static void add_line(struct str *out, struct slice text)
{
	if (text.len > 0 && text.ptr[0] == '.')
		str_add_char(out, '.');
	for (size_t i = 0; i < text.len; i++)
		str_add_char(out, (unsigned char)text.ptr[i] > 126 ? '?' : text.ptr[i]);
	str_add_cstr(out, "\r\n");
}

static void add_wrapped(struct str *out, struct slice line)
{
	char storage[LINE_LENGTH];

	for (bool first = true; first || line.len > 0; first = false) {
		struct str part = STR(storage);
		size_t n = MIN(line.len, LINE_LENGTH - (first ? 1 : 5));

		str_add_cstr(&part, first ? " " : "     ");
		str_add(&part, slice_head(line, n));
		add_line(out, str_slice(&part));
		slice_skip(&line, n);
	}
}

static void add_transcript(struct str *out, const struct transcript *t)
{
	char storage[TRANSCRIPT_MAX];
	struct str text = STR(storage);

	transcript_add_to(&text, t);
	ASSERT(!str_is_full(&text));
	struct slice rest = str_slice(&text);

	while (rest.len > 0) {
		ptrdiff_t end = slice_find_char(rest, 0, '\n');
		struct slice line = slice_head(rest, end < 0 ? rest.len : (size_t)end);

		add_wrapped(out, line);
		slice_skip(&rest, MIN(rest.len, line.len + 1));
	}
}

static void compose(struct notice *m, struct slice peer, const struct transcript *t)
{
	const struct params *p = m->home->params;
	struct str out = STR(m->text);

	str_printf(&out, "Date: ");
	received_add_date(&out, clock_wall_ns());
	str_printf(&out, "\r\nFrom: Mail Delivery System <MAILER-DAEMON@%s>\r\nTo: Postmaster <%s>\r\n", p->myhostname,
		   m->home->rcpt);
	str_printf(&out, "Subject: ringpost SMTP client: errors from ");
	str_add_cut(&out, peer, 400);
	str_add_cstr(&out, "\r\nMessage-ID: <");
	message_id_text(&out, spool_draft_id(m->draft));
	str_printf(&out, "@%s>\r\nAuto-Submitted: auto-generated\r\n\r\nUnexpected response from ", p->myhostname);
	str_add_cut(&out, peer, 400);
	str_add_cstr(&out, ".\r\n\r\nTranscript of session follows.\r\n\r\n");
	add_transcript(&out, t);
	str_add_cstr(&out, "\r\nFor other details, see the log.\r\n");
	m->len = out.len;
}

/* --- how it goes -------------------------------------------------------------------------------------------------- */

static void on_over(struct task *task)
{
	struct notices *n = container_of(task, struct notices, over);

	if (n->busy == 0)
		n->done(n, n->context);
}

static void finish(struct notice *m)
{
	struct notices *n = m->home;

	m->is_busy = false;
	if (--n->busy == 0 && n->done != NULL)
		reactor_post(&n->over);
}

static void fail(struct notice *m, int err)
{
	log_line(LOG_LEVEL_WARNING, params_client_name(m->home->params),
		 "a transcript for error_notice_recipient is lost: %s", err_text(err));
	spool_message_abort(&m->draft);
	finish(m);
}

static void on_committed(struct spool_waiter *waiter, int err, uint64_t id)
{
	struct notice *m = container_of(waiter, struct notice, committed);

	(void)id;
	if (err < 0)
		fail(m, err);
	else
		finish(m);
}

/* Octets of the message as sent: without what dot-stuffing adds. */
static uint64_t plain_size(const struct notice *m)
{
	uint64_t size = m->len;

	for (size_t i = 2; i < m->len; i++)
		size -= m->text[i] == '.' && m->text[i - 1] == '\n';
	return size;
}

/* A transcript shows octets beyond ASCII as "?", but who knows the names in main.cf? */
static uint32_t facts_of(const struct notice *m)
{
	const uint32_t label = utf8_is_ascii(slice_of(m->text, m->len)) ? MESSAGE_BODY_7BIT : MESSAGE_8BIT;

	return label | (plain_size(m) < m->len ? MESSAGE_STUFFED : 0);
}

static void put(struct notice *m)
{
	const struct slice content = slice_of(m->text, m->len);
	const struct slice to = slice_of_str(m->home->rcpt);
	const struct rcpt_facts rcpt = { .addr = to, .original = to };
	struct spool_draft *draft = m->draft;
	int r = spool_message_write(draft, &content, 1);

	if (r == -ENOBUFS) {
		spool_wait_room(m->home->spool, &m->room);
		return;
	}
	if (r < 0) {
		fail(m, r);
		return;
	}
	m->draft = NULL;
	spool_message_commit(draft, &(struct spool_envelope){
		.sender = slice_of_str(m->home->sender), .rcpts = &rcpt, .rcpt_count = 1, .size = plain_size(m),
		.facts = facts_of(m),
	}, &m->committed);
}

static void on_room(struct journal_waiter *waiter, int err)
{
	struct notice *m = container_of(waiter, struct notice, room);

	if (err < 0)
		fail(m, err);
	else
		put(m);
}

void notice_post(struct notices *n, struct slice peer, const struct transcript *t)
{
	struct notice *m = n->list;

	while (m < n->list + NOTICES_MAX && m->is_busy)
		m++;
	int r = n->done != NULL || m == n->list + NOTICES_MAX ? -ENOBUFS : spool_message_begin(n->spool, &m->draft);

	if (r < 0) {
		log_line(LOG_LEVEL_WARNING, params_client_name(n->params),
			 "no transcript of the session with %.*s is sent: %s", SLICE_FMT(peer), err_text(r));
		return;
	}
	m->is_busy = true;
	n->busy++;
	compose(m, peer, t);
	put(m);
}

/* --- beginning and end -------------------------------------------------------------------------------------------- */

/* Who is written without a domain is somebody here. */
static void write_address(char out[NOTICE_ADDRESS_MAX], const char *address, const char *domain)
{
	struct str text = str_over(out, NOTICE_ADDRESS_MAX);

	str_add_cut(&text, slice_of_str(address), NOTICE_ADDRESS_MAX - 1);
	if (strchr(address, '@') == NULL)
		str_printf(&text, "@%s", domain);
	(void)str_cstr(&text);
}

struct notices *notices_new(const struct params *params, struct spool *spool)
{
	struct notices *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return NULL;
	n->params = params;
	n->spool = spool;
	write_address(n->rcpt, params->error_notice_recipient, params->myhostname);
	struct str sender = str_over(n->sender, NOTICE_ADDRESS_MAX);

	str_printf(&sender, "%s%s", TRANSCRIPT_REPORTER, params->myhostname);
	(void)str_cstr(&sender);
	task_init(&n->over, on_over);
	for (unsigned i = 0; i < NOTICES_MAX; i++) {
		n->list[i].home = n;
		n->list[i].committed.fn = on_committed;
		n->list[i].room.fn = on_room;
		list_init(&n->list[i].room.node);
	}
	return n;
}

void notices_free(struct notices **n)
{
	free(*n);
	*n = NULL;
}

void notices_close(struct notices *n, void (*done)(struct notices *n, void *context), void *context)
{
	ASSERT(n->done == NULL);
	n->done = done;
	n->context = context;
	reactor_post(&n->over);
}
