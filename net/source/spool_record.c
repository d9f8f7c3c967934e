#include "net/source/spool_record.h"

#include "core/err.h"

/* --- numbers ------------------------------------------------------------------------------------------------------ */

static void put(uint8_t *dst, uint64_t value, size_t octets)
{
	for (size_t i = 0; i < octets; i++)
		dst[i] = (uint8_t)(value >> 8 * i);
}

static uint64_t get(const void *src, size_t octets)
{
	const uint8_t *octet = src;
	uint64_t value = 0;

	for (size_t i = octets; i > 0; i--)
		value = value << 8 | octet[i - 1];
	return value;
}

static uint64_t get64(struct slice s, size_t at)
{
	return get(s.ptr + at, 8);
}

static uint32_t get32(struct slice s, size_t at)
{
	return (uint32_t)get(s.ptr + at, 4);
}

static uint16_t get16(struct slice s, size_t at)
{
	return (uint16_t)get(s.ptr + at, 2);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

void spool_write_content_head(uint8_t dst[SPOOL_CONTENT_HEAD], uint64_t id, uint32_t index)
{
	put(dst, id, 8);
	put(dst + 8, index, 4);
	put(dst + 12, 0, 4);
}

void spool_write_part_head(uint8_t dst[SPOOL_PART_HEAD], uint64_t id, uint32_t total, uint32_t offset)
{
	put(dst, id, 8);
	put(dst + 8, total, 4);
	put(dst + 12, offset, 4);
}

size_t spool_write_begin(uint8_t dst[SPOOL_BEGIN_SIZE], uint64_t id, uint32_t first, uint32_t count, uint64_t now_ns)
{
	put(dst, id, 8);
	put(dst + 8, first, 4);
	put(dst + 12, count, 4);
	put(dst + 16, now_ns, 8);
	return SPOOL_BEGIN_SIZE;
}

size_t spool_write_settle_head(uint8_t dst[SPOOL_SETTLE_HEAD], uint64_t id, uint32_t first, uint32_t count)
{
	ASSERT(count <= SPOOL_SETTLE_MAX);
	put(dst, id, 8);
	put(dst + 8, first, 4);
	put(dst + 12, count, 4);
	return SPOOL_SETTLE_HEAD;
}

static uint8_t state_octet(enum rcpt_state state, bool in_doubt)
{
	return (uint8_t)((unsigned)state | (in_doubt ? SPOOL_STATE_DOUBT : 0u));
}

static bool state_is_known(uint8_t octet)
{
	return (octet & ~SPOOL_STATE_DOUBT) <= RCPT_BOUNCED;
}

static enum rcpt_state state_of(uint8_t octet)
{
	return (enum rcpt_state)(octet & ~SPOOL_STATE_DOUBT);
}

size_t spool_write_settle_entry(uint8_t dst[SPOOL_SETTLE_ENTRY], enum rcpt_state state, bool in_doubt,
				struct enhanced_code dsn)
{
	dst[0] = state_octet(state, in_doubt);
	dst[1] = dsn.class;
	put(dst + 2, dsn.subject, 2);
	put(dst + 4, dsn.detail, 2);
	return SPOOL_SETTLE_ENTRY;
}

size_t spool_write_damaged(uint8_t dst[SPOOL_DAMAGED_SIZE], uint64_t id)
{
	put(dst, id, 8);
	return SPOOL_DAMAGED_SIZE;
}

size_t spool_write_ids(uint8_t dst[SPOOL_IDS_SIZE], uint64_t below, uint64_t now_ns, uint64_t clock_ns)
{
	put(dst, below, 8);
	put(dst + 8, now_ns, 8);
	put(dst + 16, clock_ns, 8);
	return SPOOL_IDS_SIZE;
}

size_t spool_write_said(uint8_t dst[SPOOL_SAID_SIZE], uint64_t unsaid)
{
	put(dst, unsaid, 8);
	return SPOOL_SAID_SIZE;
}

size_t spool_write_defer(uint8_t dst[SPOOL_DEFER_SIZE], uint64_t id, const struct spool_retry *retry)
{
	put(dst, id, 8);
	put(dst + 8, retry->first, 4);
	put(dst + 12, retry->count, 4);
	put(dst + 16, retry->attempts, 4);
	put(dst + 20, 0, 4);
	put(dst + 24, retry->due_ns, 8);
	return SPOOL_DEFER_SIZE;
}

size_t spool_envelope_size(const struct spool_envelope_head *head, size_t rcpt_text)
{
	return SPOOL_ENVELOPE_HEAD + head->sender.len + head->envid.len + head->client.len +
	       (size_t)head->rcpt_count * SPOOL_RCPT_HEAD + rcpt_text +
	       (size_t)head->retry_count * SPOOL_RETRY_SIZE + (size_t)head->fragment_count * SPOOL_FRAGMENT_SIZE;
}

/* The text, without a length. */
static uint8_t *put_text(uint8_t *dst, struct slice text)
{
	if (text.len > 0)
		memcpy(dst, text.ptr, text.len);
	return dst + text.len;
}

size_t spool_write_envelope_head(uint8_t *dst, const struct spool_envelope_head *head)
{
	ASSERT(head->sender.len <= SPOOL_ADDR_MAX && head->envid.len <= SMTP_ENVID_MAX);
	ASSERT(head->client.len <= MESSAGE_CLIENT_MAX);
	put(dst, head->id, 8);
	put(dst + 8, head->arrival_ns, 8);
	put(dst + 16, head->size, 8);
	put(dst + 24, head->wire_size, 8);
	put(dst + 32, head->facts, 4);
	put(dst + 36, head->rcpt_count, 4);
	put(dst + 40, head->retry_count, 4);
	put(dst + 44, head->fragment_count, 4);
	put(dst + 48, head->sender.len, 2);
	put(dst + 50, head->envid.len, 2);
	put(dst + 52, head->client.len, 2);
	put(dst + 54, 0, 2);
	uint8_t *end = put_text(dst + SPOOL_ENVELOPE_HEAD, head->sender);

	end = put_text(end, head->envid);
	return (size_t)(put_text(end, head->client) - dst);
}

static uint8_t asked_octet(const struct rcpt_facts *facts)
{
	unsigned asked = facts->notify & SPOOL_ASKED_NOTIFY;

	if (facts->orcpt.len > 0)
		asked |= SPOOL_ASKED_ORCPT;
	if (facts->original.len > 0)
		asked |= slice_eq(facts->original, facts->addr) ? SPOOL_ASKED_ORIGINAL_SAME : SPOOL_ASKED_ORIGINAL;
	return (uint8_t)asked;
}

static uint8_t *put_counted(uint8_t *dst, struct slice text)
{
	ASSERT(text.len <= SPOOL_ADDR_MAX);
	put(dst, text.len, 2);
	return put_text(dst + 2, text);
}

size_t spool_write_rcpt(uint8_t *dst, const struct rcpt_facts *facts, enum rcpt_state state, bool in_doubt)
{
	const uint8_t asked = asked_octet(facts);

	ASSERT(facts->addr.len > 0 && facts->addr.len <= SPOOL_ADDR_MAX);
	put(dst, facts->addr.len, 2);
	dst[2] = state_octet(state, in_doubt);
	dst[3] = asked;
	uint8_t *end = put_text(dst + SPOOL_RCPT_HEAD, facts->addr);

	if (asked & SPOOL_ASKED_ORCPT)
		end = put_counted(end, facts->orcpt);
	if (asked & SPOOL_ASKED_ORIGINAL)
		end = put_counted(end, facts->original);
	ASSERT((size_t)(end - dst) == SPOOL_RCPT_HEAD + rcpt_facts_size(facts));
	return (size_t)(end - dst);
}

size_t spool_write_retry(uint8_t *dst, const struct spool_retry *retry)
{
	put(dst, retry->first, 4);
	put(dst + 4, retry->count, 4);
	put(dst + 8, retry->attempts, 4);
	put(dst + 12, retry->due_ns, 8);
	return SPOOL_RETRY_SIZE;
}

size_t spool_write_fragment(uint8_t *dst, struct journal_ref ref)
{
	put(dst, ref.segment, 4);
	put(dst + 4, ref.offset, 4);
	put(dst + 8, ref.len, 4);
	return SPOOL_FRAGMENT_SIZE;
}

/* --- reading records ---------------------------------------------------------------------------------------------- */

/* [first, first + count) of some message. Which one, and whether it has so many, is the caller's to know. */
static bool range_is_sane(uint32_t first, uint32_t count)
{
	return count > 0 && count <= MESSAGE_RCPTS_MAX && first < MESSAGE_RCPTS_MAX &&
	       first + count <= MESSAGE_RCPTS_MAX;
}

static int read_content(struct slice p, struct spool_record *r)
{
	if (p.len <= SPOOL_CONTENT_HEAD || p.len > SPOOL_CONTENT_HEAD + SPOOL_FRAGMENT_MAX || get32(p, 12) != 0)
		return ERR_CORRUPT;
	r->index = get32(p, 8);
	r->rest = slice_of(p.ptr + SPOOL_CONTENT_HEAD, p.len - SPOOL_CONTENT_HEAD);
	return 0;
}

static int read_part(struct slice p, struct spool_record *r)
{
	if (p.len <= SPOOL_PART_HEAD)
		return ERR_CORRUPT;
	r->total = get32(p, 8);
	r->offset = get32(p, 12);
	r->rest = slice_of(p.ptr + SPOOL_PART_HEAD, p.len - SPOOL_PART_HEAD);
	if (r->total > SPOOL_ENVELOPE_MAX || r->offset > r->total || r->rest.len > r->total - r->offset)
		return ERR_CORRUPT;
	return 0;
}

static int read_settle(struct slice p, struct spool_record *r)
{
	if (p.len < SPOOL_SETTLE_HEAD || r->retry.count > SPOOL_SETTLE_MAX ||
	    p.len - SPOOL_SETTLE_HEAD != (size_t)r->retry.count * SPOOL_SETTLE_ENTRY)
		return ERR_CORRUPT;
	r->rest = slice_of(p.ptr + SPOOL_SETTLE_HEAD, p.len - SPOOL_SETTLE_HEAD);
	for (size_t at = 0; at < r->rest.len; at += SPOOL_SETTLE_ENTRY)
		if (!state_is_known((uint8_t)r->rest.ptr[at]))
			return ERR_CORRUPT;
	return 0;
}

/* BEGIN, SETTLE and DEFER: about some recipients of one message. */
static int read_range(uint8_t type, struct slice p, struct spool_record *r)
{
	if (p.len < 16)
		return ERR_CORRUPT;
	r->retry.first = get32(p, 8);
	r->retry.count = get32(p, 12);
	if (!range_is_sane(r->retry.first, r->retry.count))
		return ERR_CORRUPT;
	if (type == SPOOL_SETTLE)
		return read_settle(p, r);
	if (p.len != (type == SPOOL_BEGIN ? SPOOL_BEGIN_SIZE : SPOOL_DEFER_SIZE))
		return ERR_CORRUPT;
	if (type == SPOOL_BEGIN) {
		r->now_ns = get64(p, 16);
		return 0;
	}
	r->retry.attempts = get32(p, 16);
	r->retry.due_ns = get64(p, 24);
	return get32(p, 20) == 0 ? 0 : ERR_CORRUPT;
}

static int read_body(uint8_t type, struct slice p, struct spool_record *r)
{
	switch (type) {
	case SPOOL_CONTENT:
		return read_content(p, r);
	case SPOOL_ENVELOPE:
	case SPOOL_ENVELOPE_1:
		return read_part(p, r);
	case SPOOL_BEGIN:
	case SPOOL_SETTLE:
	case SPOOL_DEFER:
		return read_range(type, p, r);
	case SPOOL_DAMAGED:
		return p.len == SPOOL_DAMAGED_SIZE ? 0 : ERR_CORRUPT;
	case SPOOL_IDS:
		if (p.len != SPOOL_IDS_SIZE)
			return ERR_CORRUPT;
		r->now_ns = get64(p, 8);
		r->clock_ns = get64(p, 16);
		return 0;
	case SPOOL_SAID:
		return p.len == SPOOL_SAID_SIZE ? 0 : ERR_CORRUPT;
	default:
		return ERR_CORRUPT;
	}
}

int spool_record_read(uint8_t type, struct slice payload, struct spool_record *ret_record)
{
	struct spool_record r = { .type = (enum spool_record_type)type };

	if (payload.len < 8)
		return ERR_CORRUPT;
	r.id = get64(payload, 0);
	if (read_body(type, payload, &r) < 0)
		return ERR_CORRUPT;
	*ret_record = r;
	return 0;
}

struct spool_settle_entry spool_read_entry(const struct spool_record *record, uint32_t i)
{
	const struct slice s = record->rest;
	const size_t at = (size_t)i * SPOOL_SETTLE_ENTRY;

	ASSERT(record->type == SPOOL_SETTLE && i < record->retry.count);
	const uint8_t octet = (uint8_t)s.ptr[at];

	return (struct spool_settle_entry){
		.state = state_of(octet),
		.in_doubt = (octet & SPOOL_STATE_DOUBT) != 0,
		.dsn = { .class = (uint8_t)s.ptr[at + 1], .subject = get16(s, at + 2), .detail = get16(s, at + 4) },
	};
}

/* --- reading envelopes -------------------------------------------------------------------------------------------- */

/* A length and so many octets off the front of *rest, at least one. */
static int cut_counted(struct slice *rest, struct slice *ret_text)
{
	if (rest->len < 2)
		return ERR_CORRUPT;
	const size_t len = get16(*rest, 0);

	if (len == 0 || len > SPOOL_ADDR_MAX || len > rest->len - 2)
		return ERR_CORRUPT;
	*ret_text = slice_of(rest->ptr + 2, len);
	slice_skip(rest, 2 + len);
	return 0;
}

/* What asked says that it follows the address. */
static int cut_asked(struct slice *rest, uint8_t asked, struct rcpt_facts *facts)
{
	const unsigned both = SPOOL_ASKED_ORIGINAL | SPOOL_ASKED_ORIGINAL_SAME;

	if (asked > (SPOOL_ASKED_NOTIFY | SPOOL_ASKED_ORCPT | both) || (asked & both) == both)
		return ERR_CORRUPT;
	facts->notify = asked & SPOOL_ASKED_NOTIFY;
	if ((asked & SPOOL_ASKED_ORCPT) && cut_counted(rest, &facts->orcpt) < 0)
		return ERR_CORRUPT;
	if ((asked & SPOOL_ASKED_ORIGINAL) &&
	    (cut_counted(rest, &facts->original) < 0 || slice_eq(facts->original, facts->addr)))
		return ERR_CORRUPT;
	if (asked & SPOOL_ASKED_ORIGINAL_SAME)
		facts->original = facts->addr;
	return 0;
}

/* One recipient off the front of *rest. */
static int cut_rcpt(enum spool_record_type type, struct slice *rest, struct spool_rcpt *ret_rcpt)
{
	const size_t head = type == SPOOL_ENVELOPE ? SPOOL_RCPT_HEAD : SPOOL_RCPT_1_HEAD;
	struct spool_rcpt r = { 0 };

	if (rest->len < head)
		return ERR_CORRUPT;
	const size_t len = get16(*rest, 0);
	const uint8_t state = (uint8_t)rest->ptr[2];
	const uint8_t asked = type == SPOOL_ENVELOPE ? (uint8_t)rest->ptr[3] : 0;

	if (len == 0 || len > SPOOL_ADDR_MAX || len > rest->len - head || !state_is_known(state))
		return ERR_CORRUPT;
	r.facts.addr = slice_of(rest->ptr + head, len);
	r.state = state_of(state);
	r.in_doubt = (state & SPOOL_STATE_DOUBT) != 0;
	slice_skip(rest, head + len);
	if (cut_asked(rest, asked, &r.facts) < 0)
		return ERR_CORRUPT;
	*ret_rcpt = r;
	return 0;
}

/* Cuts the recipients off the front of *rest. */
static int cut_rcpts(struct slice *rest, struct spool_envelope_view *v)
{
	const char *begin = rest->ptr;

	v->rcpt_text = 0;
	for (uint32_t i = 0; i < v->head.rcpt_count; i++) {
		struct spool_rcpt r;

		if (cut_rcpt(v->type, rest, &r) < 0)
			return ERR_CORRUPT;
		v->rcpt_text += rcpt_facts_size(&r.facts);
	}
	v->rcpts = slice_of(begin, (size_t)(rest->ptr - begin));
	return v->rcpt_text <= SPOOL_TEXT_MAX ? 0 : ERR_CORRUPT;
}

static int check_retries(const struct spool_envelope_view *v)
{
	struct slice list = v->retries;

	while (list.len > 0) {
		struct spool_retry retry;

		spool_next_retry(&list, &retry);
		if (!range_is_sane(retry.first, retry.count) || retry.first + retry.count > v->head.rcpt_count)
			return ERR_CORRUPT;
	}
	return 0;
}

/* Every fragment is one we could have written, and together they are the whole message. */
static int check_fragments(const struct spool_envelope_view *v)
{
	struct slice list = v->fragments;
	uint64_t octets = 0;

	while (list.len > 0) {
		struct journal_ref ref;

		spool_next_fragment(&list, &ref);
		if (ref.segment == 0 || ref.offset % 8 != 0 || ref.len <= SPOOL_CONTENT_HEAD ||
		    ref.len > SPOOL_CONTENT_HEAD + SPOOL_FRAGMENT_MAX)
			return ERR_CORRUPT;
		octets += ref.len - SPOOL_CONTENT_HEAD;
	}
	return octets == v->head.wire_size ? 0 : ERR_CORRUPT;
}

/* len octets off the front of *rest; fails when there are fewer, or more than max. */
static int cut_text(struct slice *rest, size_t len, size_t max, struct slice *ret_text)
{
	if (len > max || len > rest->len)
		return ERR_CORRUPT;
	*ret_text = slice_of(rest->ptr, len);
	slice_skip(rest, len);
	return 0;
}

/* The texts behind the numbers. */
static int cut_texts(struct slice numbers, bool is_first_format, struct slice *rest, struct spool_envelope_head *h)
{
	if (cut_text(rest, get16(numbers, 48), SPOOL_ADDR_MAX, &h->sender) < 0)
		return ERR_CORRUPT;
	if (is_first_format)
		return 0;
	if (get16(numbers, 54) != 0 || cut_text(rest, get16(numbers, 50), SMTP_ENVID_MAX, &h->envid) < 0 ||
	    cut_text(rest, get16(numbers, 52), MESSAGE_CLIENT_MAX, &h->client) < 0)
		return ERR_CORRUPT;
	return message_client_is_valid(h->client) ? 0 : ERR_CORRUPT;
}

/* The numbers, and what belongs to the message alone. */
static int cut_head(enum spool_record_type type, struct slice *rest, struct spool_envelope_head *h)
{
	const bool is_first_format = type == SPOOL_ENVELOPE_1;
	const size_t size = is_first_format ? SPOOL_ENVELOPE_1_HEAD : SPOOL_ENVELOPE_HEAD;
	const struct slice numbers = slice_head(*rest, size);

	if (numbers.len < size)
		return ERR_CORRUPT;
	*h = (struct spool_envelope_head){
		.id = get64(numbers, 0),
		.arrival_ns = get64(numbers, 8),
		.size = get64(numbers, 16),
		.wire_size = get64(numbers, 24),
		.facts = get32(numbers, 32),
		.rcpt_count = get32(numbers, 36),
		.retry_count = get32(numbers, 40),
		.fragment_count = get32(numbers, 44),
	};
	slice_skip(rest, size);
	if (h->rcpt_count == 0 || h->rcpt_count > MESSAGE_RCPTS_MAX || h->retry_count > h->rcpt_count ||
	    h->fragment_count > SPOOL_FRAGMENTS_MAX || (h->facts & MESSAGE_RECORDS) != 0)
		return ERR_CORRUPT;
	return cut_texts(numbers, is_first_format, rest, h);
}

int spool_envelope_read(enum spool_record_type type, struct slice in, struct spool_envelope_view *ret_view)
{
	struct spool_envelope_view v = { .type = type };
	struct slice rest = in;

	ASSERT(type == SPOOL_ENVELOPE || type == SPOOL_ENVELOPE_1);
	if (cut_head(type, &rest, &v.head) < 0 || cut_rcpts(&rest, &v) < 0)
		return ERR_CORRUPT;
	const size_t retries = (size_t)v.head.retry_count * SPOOL_RETRY_SIZE;
	const size_t fragments = (size_t)v.head.fragment_count * SPOOL_FRAGMENT_SIZE;

	if (rest.len != retries + fragments)
		return ERR_CORRUPT;
	v.retries = slice_of(rest.ptr, retries);
	v.fragments = slice_of(rest.ptr + retries, fragments);
	if (check_retries(&v) < 0 || check_fragments(&v) < 0)
		return ERR_CORRUPT;
	*ret_view = v;
	return 0;
}

void spool_next_rcpt(struct spool_envelope_view *view, struct spool_rcpt *ret_rcpt)
{
	const int r = cut_rcpt(view->type, &view->rcpts, ret_rcpt);

	ASSERT(r == 0);		/* spool_envelope_read has seen it */
}

void spool_next_retry(struct slice *list, struct spool_retry *ret_retry)
{
	*ret_retry = (struct spool_retry){
		.first = get32(*list, 0),
		.count = get32(*list, 4),
		.attempts = get32(*list, 8),
		.due_ns = get64(*list, 12),
	};
	slice_skip(list, SPOOL_RETRY_SIZE);
}

void spool_next_fragment(struct slice *list, struct journal_ref *ret_ref)
{
	*ret_ref = (struct journal_ref){
		.segment = get32(*list, 0), .offset = get32(*list, 4), .len = get32(*list, 8),
	};
	slice_skip(list, SPOOL_FRAGMENT_SIZE);
}
