/* fuzz_spool_record.c - the spool's records as hostile bytes (rows FZ-06, SPL-06)
 *
 * The first octet is the record's type, the rest its payload; type 0 is a whole envelope, 255 one of the first format.
 * Claims: no crash, nothing out of bounds, all lists can be walked, what a recipient has fits the memory it is given,
 * and what was read and written again is what it was.
 */
#include <stdlib.h>

#include "net/source/spool_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* From the disk into a queue's memory and back. */
static void check_rcpt(const struct rcpt_facts *facts)
{
	static char text[3 * (MESSAGE_ADDR_MAX + 2)];
	struct rcpt rcpt = { 0 };

	ASSERT(rcpt_set(&rcpt, text, facts) == text + rcpt_facts_size(facts));
	const struct rcpt_facts back = rcpt_facts(&rcpt);

	ASSERT(slice_eq(back.addr, facts->addr) && slice_eq(back.orcpt, facts->orcpt));
	ASSERT(slice_eq(back.original, facts->original) && back.notify == facts->notify);
}

static void check_envelope_1(struct slice in)
{
	struct spool_envelope_view v;
	size_t text = 0;

	if (spool_envelope_read(SPOOL_ENVELOPE_1, in, &v) < 0)
		return;
	for (uint32_t i = 0; i < v.head.rcpt_count; i++) {
		struct spool_rcpt r;

		spool_next_rcpt(&v, &r);
		ASSERT(r.facts.notify == 0 && r.facts.orcpt.len == 0 && r.facts.original.len == 0);
		text += r.facts.addr.len;
	}
	ASSERT(text == v.rcpt_text && v.rcpts.len == 0);
}

static void check_envelope(struct slice in)
{
	struct spool_envelope_view v;
	static uint8_t again[1 << 20];
	size_t len;

	if (spool_envelope_read(SPOOL_ENVELOPE, in, &v) < 0 || in.len > sizeof(again))
		return;
	ASSERT(spool_envelope_size(&v.head, v.rcpt_text) == in.len);
	len = spool_write_envelope_head(again, &v.head);
	for (uint32_t i = 0; i < v.head.rcpt_count; i++) {
		struct spool_rcpt r;

		spool_next_rcpt(&v, &r);
		check_rcpt(&r.facts);
		len += spool_write_rcpt(again + len, &r.facts, r.state, r.in_doubt);
	}
	for (uint32_t i = 0; i < v.head.retry_count; i++) {
		struct spool_retry retry;

		spool_next_retry(&v.retries, &retry);
		ASSERT(retry.first + retry.count <= v.head.rcpt_count);
		len += spool_write_retry(again + len, &retry);
	}
	for (uint32_t i = 0; i < v.head.fragment_count; i++) {
		struct journal_ref ref;

		spool_next_fragment(&v.fragments, &ref);
		len += spool_write_fragment(again + len, ref);
	}
	ASSERT(slice_eq(slice_of(again, len), in));
}

static void check_settle(const struct spool_record *r, struct slice in)
{
	static uint8_t again[SPOOL_SETTLE_SIZE_MAX];
	size_t len = spool_write_settle_head(again, r->id, r->retry.first, r->retry.count);

	for (uint32_t i = 0; i < r->retry.count; i++) {
		const struct spool_settle_entry entry = spool_read_entry(r, i);

		len += spool_write_settle_entry(again + len, entry.state, entry.in_doubt, entry.dsn);
	}
	ASSERT(slice_eq(slice_of(again, len), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct spool_record r;

	if (size == 0)
		return 0;
	const struct slice payload = slice_of(data + 1, size - 1);

	if (data[0] == 0) {
		check_envelope(payload);
		return 0;
	}
	if (data[0] == 255) {
		check_envelope_1(payload);
		return 0;
	}
	if (spool_record_read(data[0], payload, &r) < 0)
		return 0;
	if (r.type == SPOOL_SETTLE)
		check_settle(&r, payload);
	if (r.type == SPOOL_ENVELOPE)
		check_envelope(r.rest);
	if (r.type == SPOOL_ENVELOPE_1)
		check_envelope_1(r.rest);
	if (r.type == SPOOL_BEGIN || r.type == SPOOL_SETTLE || r.type == SPOOL_DEFER)
		ASSERT(r.retry.count > 0 && r.retry.first + r.retry.count <= MESSAGE_RCPTS_MAX);
	return 0;
}
