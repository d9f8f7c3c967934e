#include "core/log_ring.h"

#include <stdlib.h>

struct log_ring log_rings[LOG_RINGS_MAX];

struct log_ring *log_ring_open(void)
{
	for (unsigned i = 0; i < LOG_RINGS_MAX; i++) {
		struct log_ring *ring = &log_rings[i];
		bool expected = false;

		/* Acquire: what the last owner knew of its positions is ours now. */
		if (!atomic_compare_exchange_strong(&ring->taken, &expected, true))
			continue;
		if (atomic_load(&ring->bytes) == NULL)
			atomic_store(&ring->bytes, malloc(LOG_RING));
		if (atomic_load(&ring->bytes) != NULL)
			return ring;
		atomic_store(&ring->taken, false);
		return NULL;
	}
	return NULL;
}

void log_ring_close(struct log_ring *ring)
{
	atomic_store(&ring->taken, false);
}

static void copy_in(char *bytes, uint64_t pos, const void *from, size_t len)
{
	size_t at = pos & (LOG_RING - 1);
	size_t first = MIN(len, LOG_RING - at);

	memcpy(bytes + at, from, first);
	memcpy(bytes, (const char *)from + first, len - first);
}

static void copy_out(void *to, const char *bytes, uint64_t pos, size_t len)
{
	size_t at = pos & (LOG_RING - 1);
	size_t first = MIN(len, LOG_RING - at);

	memcpy(to, bytes + at, first);
	memcpy((char *)to + first, bytes, len - first);
}

static size_t record_size(const struct log_record *record)
{
	return round_up(sizeof(*record) + record->program_len + record->text_len, 8);
}

bool log_ring_put(struct log_ring *ring, const struct log_record *record, const char *program, const char *text,
		  size_t *ret_used)
{
	char *bytes = atomic_load_explicit(&ring->bytes, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	size_t size = record_size(record);

	/* Half full, as far as we know: time to know better, for us and for the caller, who may wake the writer. */
	if (tail + size - ring->head_seen > LOG_RING / 2)
		ring->head_seen = atomic_load_explicit(&ring->head, memory_order_acquire);
	if (LOG_RING - (tail - ring->head_seen) < size) {
		atomic_store_explicit(&ring->dropped, atomic_load_explicit(&ring->dropped, memory_order_relaxed) + 1,
				      memory_order_relaxed);
		return false;
	}
	copy_in(bytes, tail, record, sizeof(*record));
	copy_in(bytes, tail + sizeof(*record), program, record->program_len);
	copy_in(bytes, tail + sizeof(*record) + record->program_len, text, record->text_len);
	/* Sequentially consistent, as is the caller's look at whether the writer sleeps: either we see that it
	 * sleeps, or it sees this line before it does. */
	atomic_store(&ring->tail, tail + size);
	*ret_used = tail + size - ring->head_seen;
	return true;
}

bool log_ring_look(struct log_ring *ring, struct log_record *ret_record)
{
	const char *bytes = atomic_load(&ring->bytes);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	if (bytes == NULL || head == atomic_load(&ring->tail))
		return false;
	copy_out(ret_record, bytes, head, sizeof(*ret_record));
	return true;
}

void log_ring_read_program(struct log_ring *ring, const struct log_record *record, char *ret_program)
{
	const char *bytes = atomic_load_explicit(&ring->bytes, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	copy_out(ret_program, bytes, head + sizeof(*record), record->program_len);
}

void log_ring_take(struct log_ring *ring, const struct log_record *record, char *ret_text)
{
	const char *bytes = atomic_load_explicit(&ring->bytes, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);

	ASSERT(head != atomic_load_explicit(&ring->tail, memory_order_acquire));
	copy_out(ret_text, bytes, head + sizeof(*record) + record->program_len, record->text_len);
	atomic_store_explicit(&ring->head, head + record_size(record), memory_order_release);
}

uint64_t log_rings_dropped(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < LOG_RINGS_MAX; i++)
		sum += atomic_load_explicit(&log_rings[i].dropped, memory_order_relaxed);
	return sum;
}
