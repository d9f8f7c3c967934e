#include "tests/test.h"

#include "core/err.h"
#include "net/source/spool_record.h"

enum { RCPTS = 5, RETRIES = 2, FRAGMENTS = 3, ENVELOPE_MAX = 1024 };

static const struct rcpt_facts rcpts[RCPTS] = {
	{ .addr = SLICE("a@a.test"), .notify = SMTP_NOTIFY_NEVER },
	{ .addr = SLICE("B@A.test"), .orcpt = SLICE("rfc822;a+b=c@x"), .original = SLICE("B@A.test") },
	{ .addr = SLICE("x"), .orcpt = SLICE("utf-8;\xc3\xa4@x"), .original = SLICE("y"), .notify = 0x0e },
	{ .addr = SLICE("odd one@b.test") },
	{ .addr = SLICE("\xc3\xa4@c.test"), .original = SLICE("z@c.test"), .notify = SMTP_NOTIFY_DELAY },
};
static const enum rcpt_state states[RCPTS] = { RCPT_OPEN, RCPT_SENT, RCPT_BOUNCED, RCPT_OPEN, RCPT_OPEN };
static const bool doubts[RCPTS] = { true, false, false, false, true };
static const struct spool_retry retries[RETRIES] = {
	{ .first = 0, .count = 2, .attempts = 3, .due_ns = UINT64_C(0x0123456789abcdef) },
	{ .first = 4, .count = 1, .attempts = 1, .due_ns = 7 },
};
static const struct journal_ref fragments[FRAGMENTS] = {
	{ .segment = 1, .offset = 8192, .len = 16 + 100 },
	{ .segment = 1, .offset = 8336, .len = SPOOL_CONTENT_HEAD + SPOOL_FRAGMENT_MAX },
	{ .segment = 0xffffffff, .offset = 0xfffffff8, .len = 17 },
};

static const struct spool_envelope_head head = {
	.id = UINT64_C(0xfedcba9876543210), .arrival_ns = UINT64_C(1790000000000000001), .size = 4711,
	.wire_size = 100 + SPOOL_FRAGMENT_MAX + 1, .facts = MESSAGE_8BIT | MESSAGE_REQUIRETLS, .rcpt_count = RCPTS,
	.retry_count = RETRIES, .fragment_count = FRAGMENTS, .sender = SLICE("sender@here.test"),
	.envid = SLICE("QQ 31+4=1"), .client = SLICE("\x00\x06host.x\x04\x01h"),
};

static size_t tail_write(uint8_t *dst)
{
	size_t len = 0;

	for (unsigned i = 0; i < RETRIES; i++)
		len += spool_write_retry(dst + len, &retries[i]);
	for (unsigned i = 0; i < FRAGMENTS; i++)
		len += spool_write_fragment(dst + len, fragments[i]);
	return len;
}

static size_t envelope_write(uint8_t *dst)
{
	size_t len = spool_write_envelope_head(dst, &head);
	size_t text = 0;

	for (unsigned i = 0; i < RCPTS; i++) {
		len += spool_write_rcpt(dst + len, &rcpts[i], states[i], doubts[i]);
		text += rcpt_facts_size(&rcpts[i]);
	}
	len += tail_write(dst + len);
	assert_int_equal(len, spool_envelope_size(&head, text));
	return len;
}

/* What the first format was: nothing but addresses, and no octet for what was asked. */
static size_t envelope_1_write(uint8_t *dst)
{
	uint8_t now[ENVELOPE_MAX];
	size_t len = SPOOL_ENVELOPE_1_HEAD;

	spool_write_envelope_head(now, &head);
	memcpy(dst, now, SPOOL_ENVELOPE_1_HEAD);
	memcpy(dst + len, head.sender.ptr, head.sender.len);
	len += head.sender.len;
	for (unsigned i = 0; i < RCPTS; i++) {
		spool_write_rcpt(now, &rcpts[i], states[i], doubts[i]);
		memcpy(dst + len, now, SPOOL_RCPT_1_HEAD);
		memcpy(dst + len + SPOOL_RCPT_1_HEAD, rcpts[i].addr.ptr, rcpts[i].addr.len);
		len += SPOOL_RCPT_1_HEAD + rcpts[i].addr.len;
	}
	return len + tail_write(dst + len);
}

static void assert_slice(struct slice a, struct slice b)
{
	assert_true(slice_eq(a, b));
}

static void assert_rcpts(struct spool_envelope_view *v, bool with_facts)
{
	for (unsigned i = 0; i < RCPTS; i++) {
		struct spool_rcpt r;

		spool_next_rcpt(v, &r);
		assert_slice(r.facts.addr, rcpts[i].addr);
		assert_slice(r.facts.orcpt, with_facts ? rcpts[i].orcpt : SLICE(""));
		assert_slice(r.facts.original, with_facts ? rcpts[i].original : SLICE(""));
		assert_int_equal(r.facts.notify, with_facts ? rcpts[i].notify : 0);
		assert_int_equal(r.state, states[i]);
		assert_int_equal(r.in_doubt, doubts[i]);
	}
}

static void envelope_comes_back(void **state)
{
	uint8_t bytes[ENVELOPE_MAX];
	const size_t len = envelope_write(bytes);
	struct spool_envelope_view v;

	(void)state;
	assert_int_equal(spool_envelope_read(SPOOL_ENVELOPE, slice_of(bytes, len), &v), 0);
	assert_true(v.head.id == head.id && v.head.arrival_ns == head.arrival_ns && v.head.size == head.size);
	assert_true(v.head.wire_size == head.wire_size && v.head.facts == head.facts);
	assert_slice(v.head.sender, head.sender);
	assert_slice(v.head.envid, head.envid);
	assert_slice(v.head.client, head.client);
	assert_rcpts(&v, true);
	for (unsigned i = 0; i < RETRIES; i++) {
		struct spool_retry retry;

		spool_next_retry(&v.retries, &retry);
		assert_true(retry.first == retries[i].first && retry.count == retries[i].count);
		assert_true(retry.attempts == retries[i].attempts && retry.due_ns == retries[i].due_ns);
	}
	for (unsigned i = 0; i < FRAGMENTS; i++) {
		struct journal_ref ref;

		spool_next_fragment(&v.fragments, &ref);
		assert_true(ref.segment == fragments[i].segment && ref.offset == fragments[i].offset &&
			    ref.len == fragments[i].len);
	}
	assert_int_equal(v.rcpts.len + v.retries.len + v.fragments.len, 0);
}

static void the_first_format_is_still_read(void **state)
{
	uint8_t bytes[ENVELOPE_MAX];
	const size_t len = envelope_1_write(bytes);
	struct spool_envelope_view v;

	(void)state;
	assert_int_equal(spool_envelope_read(SPOOL_ENVELOPE_1, slice_of(bytes, len), &v), 0);
	assert_true(v.head.id == head.id && v.head.wire_size == head.wire_size && v.head.facts == head.facts);
	assert_slice(v.head.sender, head.sender);
	assert_int_equal(v.head.envid.len + v.head.client.len, 0);
	assert_rcpts(&v, false);
	assert_int_equal(v.retries.len, RETRIES * SPOOL_RETRY_SIZE);
	assert_int_equal(v.fragments.len, FRAGMENTS * SPOOL_FRAGMENT_SIZE);
	for (size_t cut = 0; cut < len; cut++)
		assert_int_equal(spool_envelope_read(SPOOL_ENVELOPE_1, slice_of(bytes, cut), &v), ERR_CORRUPT);
	assert_int_equal(spool_envelope_read(SPOOL_ENVELOPE, slice_of(bytes, len), &v), ERR_CORRUPT);
}

/* From memory of exactly that size, so that a sanitizer sees one octet too many. */
static int read_exactly(const uint8_t *bytes, size_t len, struct spool_envelope_view *ret_view)
{
	uint8_t *exact = malloc(len + 1);
	int r;

	assert_non_null(exact);
	memcpy(exact + 1, bytes, len);
	r = spool_envelope_read(SPOOL_ENVELOPE, slice_of(exact + 1, len), ret_view);
	free(exact);
	return r;
}

static void every_other_length_is_no_envelope(void **state)
{
	uint8_t bytes[ENVELOPE_MAX] = { 0 };
	const size_t len = envelope_write(bytes);
	struct spool_envelope_view v;

	(void)state;
	for (size_t cut = 0; cut < sizeof(bytes); cut++)
		assert_int_equal(read_exactly(bytes, cut, &v), cut == len ? 0 : ERR_CORRUPT);
}

/* Walks all lists, as recovery does. */
static void walk(struct spool_envelope_view *v)
{
	uint32_t count = 0;

	while (v->rcpts.len > 0) {
		struct spool_rcpt r;

		spool_next_rcpt(v, &r);
		assert_in_range(r.facts.addr.len, 1, SPOOL_ADDR_MAX);
		assert_in_range(r.state, RCPT_OPEN, RCPT_BOUNCED);
		count++;
	}
	assert_int_equal(count, v->head.rcpt_count);
	while (v->retries.len > 0) {
		struct spool_retry retry;

		spool_next_retry(&v->retries, &retry);
		assert_true(retry.first + retry.count <= v->head.rcpt_count);
	}
	while (v->fragments.len > 0) {
		struct journal_ref ref;

		spool_next_fragment(&v->fragments, &ref);
		assert_true(ref.segment > 0 && ref.len > SPOOL_CONTENT_HEAD);
	}
}

static void hostile_envelopes_stay_in_bounds(void **state)
{
	uint8_t bytes[ENVELOPE_MAX];
	const size_t len = envelope_write(bytes);
	static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
	unsigned refused = 0;

	(void)state;
	for (size_t at = 0; at < len; at++) {
		for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
			const uint8_t was = bytes[at];
			struct spool_envelope_view v;

			bytes[at] = values[i];
			if (spool_envelope_read(SPOOL_ENVELOPE, slice_of(bytes, len), &v) == 0)
				walk(&v);
			else
				refused++;
			bytes[at] = was;
		}
	}
	assert_in_range(refused, 100, len * ARRAY_LEN(values) - 100);
}

struct bad_envelope {
	const char *what;
	size_t at;
	uint8_t octet;
};

enum { AT_CLIENT = SPOOL_ENVELOPE_HEAD + 16 + 9, AT_RCPTS = AT_CLIENT + 11 };

static void impossible_envelopes_are_refused(void **state)
{
	static const struct bad_envelope bads[] = {
		{ "no recipient", 36, 0 },
		{ "more retries than recipients", 40, RCPTS + 1 },
		{ "more fragments than there are", 44, FRAGMENTS + 1 },
		{ "a wire size that is not the sum", 24, 1 },
		{ "a sender longer than the rest", 49, 4 },
		{ "an ENVID that is too long", 50, SMTP_ENVID_MAX + 1 },
		{ "a client cut in the middle", 52, 10 },
		{ "something where nothing is", 54, 1 },
		{ "an unknown attribute of the client", AT_CLIENT, CLIENT_ATTR_COUNT },
		{ "an empty address", AT_RCPTS, 0 },
		{ "an unknown state", AT_RCPTS + 2, 3 },
		{ "an unknown wish", AT_RCPTS + 3, 0x80 },
		{ "two original addresses", AT_RCPTS + 3, 0x60 },
		{ "an ORCPT that is not there", AT_RCPTS + 3, 0x10 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bads); i++) {
		uint8_t bytes[ENVELOPE_MAX];
		const size_t len = envelope_write(bytes);
		struct spool_envelope_view v;

		bytes[bads[i].at] = bads[i].octet;
		if (spool_envelope_read(SPOOL_ENVELOPE, slice_of(bytes, len), &v) != ERR_CORRUPT)
			fail_msg("%s was taken", bads[i].what);
	}
}

/* --- records ------------------------------------------------------------------------------------------------------ */

static struct spool_record read_back(uint8_t type, const void *bytes, size_t len)
{
	struct spool_record r = { 0 };

	assert_int_equal(spool_record_read(type, slice_of(bytes, len), &r), 0);
	assert_int_equal(r.type, type);
	return r;
}

static void records_come_back(void **state)
{
	uint8_t bytes[64];
	struct spool_record r;

	(void)state;
	spool_write_content_head(bytes, 5, 77);
	bytes[16] = 'x';
	r = read_back(SPOOL_CONTENT, bytes, 17);
	assert_true(r.id == 5 && r.index == 77 && r.rest.len == 1 && r.rest.ptr[0] == 'x');
	spool_write_part_head(bytes, 6, 1000, 999);
	r = read_back(SPOOL_ENVELOPE, bytes, 17);
	assert_true(r.id == 6 && r.total == 1000 && r.offset == 999 && r.rest.len == 1);
	r = read_back(SPOOL_BEGIN, bytes, spool_write_begin(bytes, 7, 3, 4, 99));
	assert_true(r.id == 7 && r.retry.first == 3 && r.retry.count == 4 && r.now_ns == 99);
	r = read_back(SPOOL_DEFER, bytes, spool_write_defer(bytes, 8, &retries[0]));
	assert_true(r.id == 8 && r.retry.attempts == 3 && r.retry.due_ns == retries[0].due_ns);
	r = read_back(SPOOL_DAMAGED, bytes, spool_write_damaged(bytes, 9));
	assert_true(r.id == 9);
	r = read_back(SPOOL_IDS, bytes, spool_write_ids(bytes, UINT64_C(1) << 57, 12, 34));
	assert_true(r.id == UINT64_C(1) << 57 && r.now_ns == 12 && r.clock_ns == 34);
}

static void settle_keeps_each_outcome(void **state)
{
	uint8_t bytes[64];
	const struct enhanced_code dsn = { .class = 4, .subject = 999, .detail = 65535 };
	size_t len = spool_write_settle_head(bytes, 1, 10, 3);

	(void)state;
	len += spool_write_settle_entry(bytes + len, RCPT_OPEN, true, dsn);
	len += spool_write_settle_entry(bytes + len, RCPT_SENT, false, dsn);
	len += spool_write_settle_entry(bytes + len, RCPT_BOUNCED, false, dsn);
	const struct spool_record r = read_back(SPOOL_SETTLE, bytes, len);

	assert_true(r.retry.first == 10 && r.retry.count == 3);
	for (uint32_t i = 0; i < 3; i++) {
		const struct spool_settle_entry entry = spool_read_entry(&r, i);

		assert_int_equal(entry.state, i);
		assert_int_equal(entry.in_doubt, i == 0);
		assert_true(entry.dsn.class == 4 && entry.dsn.subject == 999 && entry.dsn.detail == 65535);
	}
}

static void wrong_lengths_and_ranges_are_refused(void **state)
{
	uint8_t bytes[64] = { 0 };
	struct spool_record r;
	static const size_t lens[] = {
		[SPOOL_BEGIN] = SPOOL_BEGIN_SIZE, [SPOOL_DEFER] = SPOOL_DEFER_SIZE,
		[SPOOL_DAMAGED] = SPOOL_DAMAGED_SIZE, [SPOOL_SAID] = SPOOL_SAID_SIZE,
		[SPOOL_IDS] = SPOOL_IDS_SIZE, [SPOOL_SETTLE] = SPOOL_SETTLE_HEAD + SPOOL_SETTLE_ENTRY,
	};

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		for (size_t len = 0; len <= sizeof(bytes); len++) {
			const bool has_length = type < ARRAY_LEN(lens) && lens[type] != 0;

			spool_write_begin(bytes, 1, 0, 1, 0);
			memset(bytes + 16, 0, 8);
			if (spool_record_read((uint8_t)type, slice_of(bytes, len), &r) == 0)
				assert_true((has_length && lens[type] == len) || (type == SPOOL_ENVELOPE && len > 16) ||
					    (type == SPOOL_ENVELOPE_1 && len > 16) ||
					    (type == SPOOL_CONTENT && len > 16));
		}
	}
	static const uint32_t ranges[][2] = {
		{ 0, 0 }, { MESSAGE_RCPTS_MAX, 1 }, { 0, MESSAGE_RCPTS_MAX + 1 }, { UINT32_MAX, 2 },
		{ 5, UINT32_MAX - 3 },
	};

	for (unsigned i = 0; i < ARRAY_LEN(ranges); i++) {
		spool_write_begin(bytes, 1, ranges[i][0], ranges[i][1], 0);
		assert_int_equal(spool_record_read(SPOOL_BEGIN, slice_of(bytes, SPOOL_BEGIN_SIZE), &r), ERR_CORRUPT);
	}
	spool_write_part_head(bytes, 1, 100, 90);
	assert_int_equal(spool_record_read(SPOOL_ENVELOPE, slice_of(bytes, 16 + 11), &r), ERR_CORRUPT);
	assert_int_equal(spool_record_read(SPOOL_ENVELOPE, slice_of(bytes, 16 + 10), &r), 0);
	spool_write_part_head(bytes, 1, SPOOL_ENVELOPE_MAX + 1, 0);
	assert_int_equal(spool_record_read(SPOOL_ENVELOPE, slice_of(bytes, 17), &r), ERR_CORRUPT);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("an envelope comes back as it was", envelope_comes_back),
		CLAIM("SPL-12: an envelope of the first format is still read", the_first_format_is_still_read),
		CLAIM("cut anywhere or followed by anything, it is none", every_other_length_is_no_envelope),
		CLAIM("SPL-06: any octet replaced, nothing is read out of bounds", hostile_envelopes_stay_in_bounds),
		CLAIM("SPL-06: envelopes nobody could have written are refused", impossible_envelopes_are_refused),
		CLAIM("records come back as they were", records_come_back),
		CLAIM("a settle record keeps each recipient's outcome", settle_keeps_each_outcome),
		CLAIM("SPL-06: wrong lengths, ranges and parts are refused", wrong_lengths_and_ranges_are_refused),
	};

	return cmocka_run_group_tests_name("net/source/spool_record", claims, NULL, NULL);
}
