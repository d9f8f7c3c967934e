/* fuzz_dns_answer.c - FZ-08: hostile DNS answers
 *
 * First octet: which type is asked for; with its highest bit a correct header and question are put before the rest,
 * so that the fuzzer need not find them.
 */
#include "net/wire/dns_answer.h"

#include <stdlib.h>

#include "net/lookup/answer_store.h"
#include "net/lookup/reply_filter.h"

static const enum dns_type types[] = {
	DNS_TYPE_A, DNS_TYPE_AAAA, DNS_TYPE_MX, DNS_TYPE_SRV, DNS_TYPE_TLSA, DNS_TYPE_TXT,
};

static bool is_name_text(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];

		if (c <= 0x20 || c >= 0x7f)
			return false;
	}
	return text.len <= DNS_NAME_TEXT_MAX;
}

static void check(const struct dns_answer *a, enum dns_type type)
{
	ASSERT(a->count <= DNS_RECORDS_MAX && a->hops <= DNS_HOPS_MAX && a->data_len <= DNS_DATA_MAX);
	ASSERT(is_name_text(dns_answer_owner(a)));
	for (unsigned i = 0; i < a->count; i++) {
		const struct dns_record *record = &a->records[i];

		ASSERT(record->at + record->len <= a->data_len);
		if (type == DNS_TYPE_A)
			ASSERT(record->len == 4);
		if (type == DNS_TYPE_AAAA)
			ASSERT(record->len == 16);
		if (type == DNS_TYPE_MX || type == DNS_TYPE_SRV)
			ASSERT(is_name_text(dns_record_data(a, record)));
	}
}

/* Whatever an answer holds has a text for smtp_dns_reply_filter, and it fits. */
static void check_text(const struct dns_answer *a, enum dns_type type)
{
	if (type == DNS_TYPE_TLSA || type == DNS_TYPE_TXT)
		return;
	for (unsigned i = 0; i < a->count; i++) {
		char storage[REPLY_FILTER_TEXT_MAX];
		struct str text = STR(storage);

		reply_filter_write(&text, type, a, i);
		ASSERT(!str_is_full(&text));
		for (size_t k = 0; k < text.len; k++)
			ASSERT((unsigned char)text.ptr[k] >= ' ' && (unsigned char)text.ptr[k] < 0x7f);
	}
}

/* What the cache gives back is what it was given. */
static void check_store(const struct dns_answer *a)
{
	static struct answer_store store;
	static struct dns_answer copy;

	if (store.chunks.count == 0)
		ASSERT(answer_store_init(&store, 1024) == 0);
	struct answer_chunk *kept = answer_store_put(&store, a);

	answer_store_read(kept, &copy);
	answer_store_free(&store, &kept);
	ASSERT(memcmp(&copy, a, offsetof(struct dns_answer, records)) == 0);
	ASSERT(memcmp(copy.records, a->records, a->count * sizeof(a->records[0])) == 0);
	ASSERT(memcmp(copy.data, a->data, a->data_len) == 0);
	ASSERT(store.chunks.used == 0);
}

/* Turns our own question into the beginning of an answer. Its counts come from the input. */
static size_t write_head(uint8_t *packet, enum dns_type type, const uint8_t *counts)
{
	int len = dns_question_write(SLICE("a.test"), type, 1, 0, false, packet, DNS_QUESTION_MAX);

	ASSERT(len > 0);
	packet[2] = 0x81;
	packet[3] = counts[0];
	packet[7] = counts[1] & 0x3f;
	packet[9] = counts[2] & 7;
	packet[11] = counts[3] & 7;
	return (size_t)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct dns_answer answer;
	size_t head = 0;

	if (size < 5 || size > DNS_PACKET_MAX - DNS_QUESTION_MAX)
		return 0;
	enum dns_type type = types[(data[0] & 0x7f) % ARRAY_LEN(types)];
	uint8_t *packet = malloc(DNS_QUESTION_MAX + size);

	if (data[0] & 0x80)
		head = write_head(packet, type, data + 1);
	memcpy(packet + head, data + 5, size - 5);
	/* Of exactly the right size, so that the sanitizer sees the first octet read too many. */
	packet = realloc(packet, head + size - 5 > 0 ? head + size - 5 : 1);
	if (dns_answer_decode(slice_of(packet, head + size - 5), SLICE("a.test"), type, &answer) == 0) {
		check(&answer, type);
		check_text(&answer, type);
		check_store(&answer);
	}
	free(packet);
	return 0;
}
