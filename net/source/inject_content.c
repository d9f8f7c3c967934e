/* inject_content.c - what is behind DATA and BDAT, from the receive buffer into the journal's block
 *
 *	input -> crlf -> spans -> parts ----------------> spool_message_write
 *	                             \-> staging (small) --/
 *
 * A span is not copied before the journal does it. Only what is left of an input and is small waits in the staging
 * buffer for more.
 */
#include <errno.h>

#include "core/err.h"
#include "net/source/inject_impl.h"

#define BITE_MAX	KIB(32)		/* octets of input before what they gave is written or staged */
#define SPANS_MAX	(SPOOL_PARTS_MAX - 1)	/* and the staging buffer */

static_assert(BITE_MAX + SPANS_MAX + INJECT_STAGING_SIZE <= SPOOL_FRAGMENT_MAX, "a write takes what a bite gives");

static const char no_room[] = "452 4.3.1 No room for new mail, try again later";
static const char too_large[] = "552 5.3.4 Message is too large";
static const char too_many_hops[] = "554 5.4.6 Too many hops: this mail loops";

static void chunk_end(struct inject_session *s);
static void on_room(struct journal_waiter *waiter, int err);
static void on_commit(struct spool_waiter *waiter, int err, uint64_t id);

void inject_content_init(struct inject_session *s)
{
	s->draft = NULL;
	s->failure = NULL;
	s->content_ended = false;
	s->chunk_last = false;
	s->chunk_left = 0;
	s->trace_size = 0;
	s->part_count = 0;
	s->staged = 0;
	list_init(&s->room_waiter.node);
	s->room_waiter.fn = on_room;
	s->commit_waiter.fn = on_commit;
}

void inject_content_drop(struct inject_session *s)
{
	if (s->wait == INJECT_WAIT_ROOM) {
		spool_wait_cancel(&s->room_waiter);
		s->wait = INJECT_WAIT_NOTHING;
	}
	spool_message_abort(&s->draft);
	s->failure = NULL;
	s->content_ended = false;
	s->part_count = 0;
	s->staged = 0;
}

static void stage_trace_field(struct inject_session *s, uint64_t wall_ns)
{
	struct str field = STR(s->staging);
	struct received r = {
		.helo = slice_of(s->helo, s->helo_len),
		.peer = &s->peer,
		.hostname = s->common->hostname,
		.esmtp = s->esmtp,
		.in_tls = s->in_tls,
		.authenticated = s->authenticated,
		.id = spool_draft_id(s->draft),
		.wall_ns = wall_ns,
	};

	received_add_field(&field, &r);
	ASSERT(!str_is_full(&field) && field.len <= RECEIVED_MAX);
	s->staged = field.len;
	s->trace_size = field.len;
}

static void log_client(const struct inject_session *s)
{
	NOT_ZEROED char storage[MESSAGE_ID_TEXT_MAX + INJECT_PEER_MAX + 2 * UINT8_MAX + PASSWORD_USER_MAX + 128];
	struct str line = STR(storage);

	message_id_text(&line, spool_draft_id(s->draft));
	str_add(&line, SLICE(": client="));
	str_add(&line, inject_session_peer(s));
	if (s->authenticated) {
		str_printf(&line, ", sasl_method=%s, sasl_username=", s->auth_mech);
		str_add_printable(&line, slice_of(s->user, s->user_len), PASSWORD_USER_MAX);
	}
	inject_client_log(&line, s);
	log_put(LOG_LEVEL_INFO, "smtpd", str_slice(&line));
}

int inject_content_begin(struct inject_session *s, enum crlf_source source, uint64_t wall_ns)
{
	ASSERT(s->draft == NULL && s->failure == NULL);
	int r = spool_message_begin(s->common->spool, &s->draft);

	if (r < 0) {
		s->draft = NULL;
		return r;
	}
	crlf_init(&s->crlf, source, s->common->params->smtpd_forbid_bare_newline == BARE_NEWLINE_NORMALIZE);
	stage_trace_field(s, wall_ns);
	log_client(s);
	return 0;
}

void inject_content_fail(struct inject_session *s, enum inject_cause cause, const char *reply)
{
	inject_refuse(s, cause, s->state == INJECT_DATA ? "DATA" : "BDAT", reply, SLICE(""));
	inject_content_drop(s);
	s->failure = reply;
}

/* --- into the spool ----------------------------------------------------------------------------- */

/* Returns false when the session has to wait for room. */
static bool write_parts(struct inject_session *s)
{
	struct slice all[SPOOL_PARTS_MAX];
	unsigned count = 0;

	if (s->staged > 0)
		all[count++] = slice_of(s->staging, s->staged);
	for (unsigned i = 0; i < s->part_count; i++)
		all[count++] = s->parts[i];
	if (count == 0)
		return true;
	int r = spool_message_write(s->draft, all, count);

	if (r == -ENOBUFS) {
		s->wait = INJECT_WAIT_ROOM;
		spool_wait_room(s->common->spool, &s->room_waiter);
		return false;
	}
	if (r == -EMSGSIZE)
		inject_content_fail(s, INJECT_REFUSED_SIZE, too_large);
	else if (r < 0)
		inject_content_fail(s, INJECT_REFUSED_ROOM, no_room);
	s->part_count = 0;
	s->staged = 0;
	return true;
}

/* The input goes: what it gave is written, or is so small that it waits for more. */
static void settle_parts(struct inject_session *s)
{
	size_t total = s->staged;

	for (unsigned i = 0; i < s->part_count; i++)
		total += s->parts[i].len;
	if (total >= INJECT_PIECE_MIN) {
		(void)write_parts(s);		/* who waits, is fed later */
		return;
	}
	for (unsigned i = 0; i < s->part_count; i++) {
		memcpy(s->staging + s->staged, s->parts[i].ptr, s->parts[i].len);
		s->staged += s->parts[i].len;
	}
	s->part_count = 0;
}

/* Returns false when the session has to wait for room. */
static bool take_span(struct inject_session *s, struct slice span)
{
	uint64_t limit = s->common->params->message_size_limit;

	if (s->failure != NULL)
		return true;
	if (limit > 0 && crlf_size(&s->crlf) > limit) {
		inject_content_fail(s, INJECT_REFUSED_SIZE, too_large);
		return true;
	}
	s->parts[s->part_count++] = span;
	return s->part_count < SPANS_MAX || write_parts(s);
}

/* --- the end ------------------------------------------------------------------------------------ */

static void answer_failure(struct inject_session *s)
{
	const char *reply = s->failure;
	bool goes_on = s->state == INJECT_CHUNK && !s->chunk_last;

	inject_reset(s);
	inject_enter(s, goes_on ? INJECT_BDAT_FAILED : INJECT_READY);
	inject_reply(s, reply);
}

/* 8bit is what the client says; 7bit is what we have seen. Of other content nobody has told us what it is. */
static uint32_t facts_of(const struct inject_session *s)
{
	uint32_t facts = s->facts | s->crlf.facts | s->crlf.received.facts;

	if (!(facts & (MESSAGE_8BIT | MESSAGE_BODY_8BITMIME)))
		facts |= MESSAGE_BODY_7BIT;
	return facts;
}

static void commit(struct inject_session *s)
{
	struct inject_common *c = s->common;
	struct spool_draft *draft = s->draft;
	NOT_ZEROED char client_storage[MESSAGE_CLIENT_MAX];
	struct str client = STR(client_storage);
	struct spool_envelope envelope = {
		.sender = slice_of(s->sender, s->sender_len),
		.envid = slice_of(s->envid, s->envid_len),
		.rcpts = c->rcpt_list,
		.rcpt_count = s->rcpts.count,
		.facts = facts_of(s),
		.size = s->trace_size + crlf_size(&s->crlf),
	};

	ASSERT(s->rcpts.count > 0 && s->part_count == 0 && s->staged == 0);
	/* Nobody else reads it, and it would be a third of what most messages need in memory. */
	if (c->params->smtp_send_xforward_command)
		inject_client_describe(&client, s, spool_draft_id(draft));
	envelope.client = str_slice(&client);
	inject_rcpts_list(&s->rcpts, c->rcpt_list);
	s->draft = NULL;
	inject_enter(s, INJECT_COMMIT);
	spool_message_commit(draft, &envelope, &s->commit_waiter);
	inject_reset(s);
}

/* All octets of the message are here. */
static void content_end(struct inject_session *s)
{
	/* Ours is one more. */
	if (s->failure == NULL && s->crlf.received.count >= s->common->params->hopcount_limit)
		inject_content_fail(s, INJECT_REFUSED_HOPS, too_many_hops);
	s->content_ended = s->failure == NULL;
	/* on_room goes on from here. */
	if (s->wait != INJECT_WAIT_NOTHING || (s->failure == NULL && !write_parts(s)))
		return;
	if (s->failure != NULL)
		answer_failure(s);
	else
		commit(s);
}

static void on_room(struct journal_waiter *waiter, int err)
{
	struct inject_session *s = container_of(waiter, struct inject_session, room_waiter);

	CHECK_MAGIC(s, INJECT_SESSION_MAGIC);
	(void)err;		/* the write tells what is wrong */
	ASSERT(s->wait == INJECT_WAIT_ROOM);
	s->wait = INJECT_WAIT_NOTHING;
	if (s->content_ended)
		content_end(s);
	else if (write_parts(s) && s->state == INJECT_CHUNK && s->chunk_left == 0)
		chunk_end(s);
	if (s->wait == INJECT_WAIT_NOTHING)
		s->on_resume(s);
}

static void on_commit(struct spool_waiter *waiter, int err, uint64_t id)
{
	struct inject_session *s = container_of(waiter, struct inject_session, commit_waiter);
	char storage[sizeof("250 2.0.0 Ok: queued as ") + MESSAGE_ID_TEXT_MAX];
	struct str reply = STR(storage);

	CHECK_MAGIC(s, INJECT_SESSION_MAGIC);
	ASSERT(s->state == INJECT_COMMIT);
	inject_enter(s, INJECT_READY);
	if (err < 0) {
		metric_add(&inject_metric_refused[INJECT_REFUSED_ROOM], 1);
		inject_reply(s, no_room);
	} else {
		metric_add(&inject_metric_messages, 1);
		s->id = id;
		s->accepted++;
		s->errors = 0;
		s->junk = 0;
		str_add(&reply, SLICE("250 2.0.0 Ok: queued as "));
		message_id_text(&reply, id);
		inject_reply(s, str_cstr(&reply));
	}
	s->on_resume(s);
}

/* A flaw: nothing this client says is to be believed any more, not even where its commands begin (row SMG-02). */
static void refuse_flaw(struct inject_session *s)
{
	static const char *const replies[] = {
		[CRLF_BARE_CR] = "550 5.6.11 A CR without LF was received",
		[CRLF_BARE_LF] = "550 5.6.11 An LF without CR was received",
		[CRLF_NUL] = "550 5.6.11 A NUL octet was received",
	};
	const char *reply = replies[s->crlf.flaw];

	inject_refuse(s, INJECT_REFUSED_FLAW, s->state == INJECT_DATA ? "DATA" : "BDAT", reply, SLICE(""));
	inject_session_say_last(s, reply);
}

/* --- octets ------------------------------------------------------------------------------------- */

/* Feeds a bite; the rest stays. Returns an enum crlf_result or ERR_PROTO; also CRLF_MORE when the session waits. */
static int feed_scanner(struct inject_session *s, struct slice *in, size_t max)
{
	struct slice bite = slice_head(*in, MIN(max, BITE_MAX));
	size_t before = bite.len;
	struct slice span;
	int r;

	while ((r = crlf_feed(&s->crlf, &bite, &span)) == CRLF_SPAN)
		if (!take_span(s, span))
			break;
	size_t used = before - bite.len;

	slice_skip(in, used);
	s->octets += used;
	metric_add(&inject_metric_octets, (int64_t)used);
	return r == CRLF_SPAN ? CRLF_MORE : r;
}

static void feed_data(struct inject_session *s, struct slice *in)
{
	int r = feed_scanner(s, in, in->len);

	if (r < 0)
		refuse_flaw(s);
	else if (r == CRLF_END)
		content_end(s);
	else if (s->wait == INJECT_WAIT_NOTHING && s->failure == NULL)
		settle_parts(s);
}

static void chunk_end(struct inject_session *s)
{
	char storage[64];
	struct str reply = STR(storage);
	struct slice span;
	int r;

	if (s->failure != NULL) {
		answer_failure(s);
		return;
	}
	if (!s->chunk_last) {
		settle_parts(s);
		/* Accepted so far is not yet promised: what fails from here on is told with the next chunk. */
		inject_enter(s, INJECT_BDAT);
		str_add(&reply, SLICE("250 2.0.0 Ok: "));
		str_add_u64(&reply, s->crlf.pos);
		str_add(&reply, SLICE(" octets so far"));
		inject_reply(s, str_cstr(&reply));
		return;
	}
	/* At most one span comes, and take_span has always left room for one. */
	while ((r = crlf_finish(&s->crlf, &span)) == CRLF_SPAN)
		(void)take_span(s, span);
	if (r < 0)
		refuse_flaw(s);
	else
		content_end(s);
}

static void feed_chunk(struct inject_session *s, struct slice *in)
{
	size_t before = in->len;
	size_t max = (size_t)min_u64(s->chunk_left, in->len);

	if (s->failure != NULL) {
		slice_skip(in, max);
		s->octets += max;
	} else if (feed_scanner(s, in, max) < 0) {
		refuse_flaw(s);
		return;
	}
	s->chunk_left -= before - in->len;
	if (s->wait != INJECT_WAIT_NOTHING)
		return;
	if (s->chunk_left == 0)
		chunk_end(s);
	else if (s->failure == NULL)
		settle_parts(s);
}

void inject_content_feed(struct inject_session *s, struct slice *in)
{
	if (s->state == INJECT_DATA)
		feed_data(s, in);
	else
		feed_chunk(s, in);
}

void inject_content_chunk(struct inject_session *s, uint64_t size, bool last)
{
	uint64_t limit = s->common->params->message_size_limit;

	s->chunk_left = size;
	s->chunk_last = last;
	inject_enter(s, INJECT_CHUNK);
	if (s->failure == NULL && limit > 0 && (size > limit || crlf_size(&s->crlf) > limit - size))
		inject_content_fail(s, INJECT_REFUSED_SIZE, too_large);
	if (size == 0)
		chunk_end(s);
}
