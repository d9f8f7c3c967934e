#include "net/lookup/answer_store.h"

/* An answer is written as three pieces: its head, the records in use, the data in use. */
#define HEAD_SIZE offsetof(struct dns_answer, records)

static size_t records_size(const struct dns_answer *dns)
{
	return dns->count * sizeof(dns->records[0]);
}

int answer_store_init(struct answer_store *store, size_t chunks)
{
	return pool_init(&store->chunks, "dns answers", sizeof(struct answer_chunk), chunks);
}

void answer_store_done(struct answer_store *store)
{
	pool_done(&store->chunks);
}

static size_t chunks_needed(const struct dns_answer *dns)
{
	size_t size = HEAD_SIZE + records_size(dns) + dns->data_len;
	size_t room = sizeof(((struct answer_chunk *)NULL)->octets);

	return (size + room - 1) / room;
}

bool answer_store_has_room(const struct answer_store *store, const struct dns_answer *dns)
{
	return pool_free(&store->chunks) >= chunks_needed(dns);
}

struct writer {
	struct answer_store *store;
	struct answer_chunk *first;
	struct answer_chunk *last;
	size_t used;			/* octets of the last chunk */
};

static void writer_grow(struct writer *w)
{
	struct answer_chunk *chunk = pool_take(&w->store->chunks);

	ASSERT(chunk != NULL);
	chunk->next = NULL;
	if (w->last != NULL)
		w->last->next = chunk;
	else
		w->first = chunk;
	w->last = chunk;
	w->used = 0;
}

static void writer_put(struct writer *w, const void *from, size_t len)
{
	const char *octets = from;

	while (len > 0) {
		if (w->last == NULL || w->used == sizeof(w->last->octets))
			writer_grow(w);
		size_t n = MIN(len, sizeof(w->last->octets) - w->used);

		memcpy(w->last->octets + w->used, octets, n);
		octets += n;
		len -= n;
		w->used += n;
	}
}

struct answer_chunk *answer_store_put(struct answer_store *store, const struct dns_answer *dns)
{
	struct writer w = { .store = store };

	ASSERT(answer_store_has_room(store, dns));
	writer_put(&w, dns, HEAD_SIZE);
	writer_put(&w, dns->records, records_size(dns));
	writer_put(&w, dns->data, dns->data_len);
	return w.first;
}

struct reader {
	const struct answer_chunk *chunk;
	size_t used;
};

static void reader_take(struct reader *r, void *to, size_t len)
{
	char *octets = to;

	while (len > 0) {
		if (r->used == sizeof(r->chunk->octets)) {
			r->chunk = r->chunk->next;
			r->used = 0;
		}
		size_t n = MIN(len, sizeof(r->chunk->octets) - r->used);

		memcpy(octets, r->chunk->octets + r->used, n);
		octets += n;
		len -= n;
		r->used += n;
	}
}

void answer_store_read(const struct answer_chunk *first, struct dns_answer *ret_dns)
{
	struct reader r = { .chunk = first };

	reader_take(&r, ret_dns, HEAD_SIZE);
	ASSERT(ret_dns->count <= DNS_RECORDS_MAX && ret_dns->data_len <= DNS_DATA_MAX);
	reader_take(&r, ret_dns->records, records_size(ret_dns));
	reader_take(&r, ret_dns->data, ret_dns->data_len);
}

void answer_store_free(struct answer_store *store, struct answer_chunk **first)
{
	while (*first != NULL) {
		struct answer_chunk *chunk = *first;

		*first = chunk->next;
		pool_put(&store->chunks, &chunk);
	}
}
