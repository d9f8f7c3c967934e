#include "core/xcall.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "core/io.h"
#include "core/reactor.h"

/* One direction between two cores: written by one, read by the other.
 *
 *	sender: slots[tail], then tail (release)        receiver: tail (acquire), slots[head], then head (release)
 */
struct xcall_ring {
	_Alignas(64) atomic_uint tail;
	_Alignas(64) atomic_uint head;
	struct note *slots[XCALL_RING];
};

struct xcall_core {
	_Alignas(64) atomic_bool sleeping;
	/* The sender's side: what did not fit, and whom to wake. */
	_Alignas(64) struct list waiting[CORE_COUNT_MAX];
	bool touched[CORE_COUNT_MAX];
	bool any_touched;
	/* To ourselves. */
	struct list local;
};

static struct xcall_core *cores;
static struct xcall_ring *rings;	/* rings[from * core_count + to] */
static unsigned core_count;

static struct xcall_ring *ring_of(unsigned from, unsigned to)
{
	return &rings[from * core_count + to];
}

int xcall_start(unsigned count)
{
	ASSERT(count > 0 && count <= CORE_COUNT_MAX);
	cores = aligned_alloc(64, count * sizeof(*cores));
	rings = aligned_alloc(64, (size_t)count * count * sizeof(*rings));
	if (cores == NULL || rings == NULL) {
		xcall_stop();
		return -ENOMEM;
	}
	memset(cores, 0, count * sizeof(*cores));
	memset(rings, 0, (size_t)count * count * sizeof(*rings));
	core_count = count;
	for (unsigned i = 0; i < count; i++) {
		list_init(&cores[i].local);
		for (unsigned j = 0; j < count; j++)
			list_init(&cores[i].waiting[j]);
	}
	return 0;
}

void xcall_stop(void)
{
	free(cores);
	free(rings);
	cores = NULL;
	rings = NULL;
	core_count = 0;
}

void note_init(struct note *n, note_fn *fn)
{
	n->magic = NOTE_MAGIC;
	n->fn = fn;
	list_init(&n->node);
}

static bool ring_push(struct xcall_ring *ring, struct note *n)
{
	unsigned tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	unsigned head = atomic_load_explicit(&ring->head, memory_order_acquire);

	if (tail - head == XCALL_RING)
		return false;
	ring->slots[tail & (XCALL_RING - 1)] = n;
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

void xcall_send(unsigned core, struct note *n)
{
	unsigned own = reactor_self()->core;
	struct xcall_core *me = &cores[own];

	CHECK_MAGIC(n, NOTE_MAGIC);
	ASSERT(core < core_count);
	if (core == own) {
		list_push_back(&me->local, &n->node);
		return;
	}
	me->touched[core] = true;
	me->any_touched = true;
	/* What waits already goes first: notes to one core never overtake each other. */
	if (!list_is_empty(&me->waiting[core]) || !ring_push(ring_of(own, core), n))
		list_push_back(&me->waiting[core], &n->node);
}

static void run_note(struct note *n)
{
	CHECK_MAGIC(n, NOTE_MAGIC);
	n->fn(n);
}

static size_t receive_from(unsigned from, unsigned to)
{
	struct xcall_ring *ring = ring_of(from, to);
	unsigned head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	unsigned tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
	size_t n = tail - head;

	while (head != tail) {
		struct note *note = ring->slots[head & (XCALL_RING - 1)];

		atomic_store_explicit(&ring->head, ++head, memory_order_release);
		run_note(note);
	}
	return n;
}

static size_t receive_local(struct xcall_core *me)
{
	struct list batch;
	struct list *node;
	size_t n = 0;

	list_init(&batch);
	list_splice_back(&batch, &me->local);
	while ((node = list_pop_front(&batch)) != NULL) {
		run_note(list_entry(node, struct note, node));
		n++;
	}
	return n;
}

size_t xcall_receive(unsigned core)
{
	size_t n = receive_local(&cores[core]);

	for (unsigned from = 0; from < core_count; from++)
		if (from != core)
			n += receive_from(from, core);
	return n;
}

/* Moves what waits into the ring as far as it has room. Returns true while something still waits. */
static bool push_waiting(struct xcall_core *me, unsigned own, unsigned core)
{
	struct list *waiting = &me->waiting[core];

	while (!list_is_empty(waiting)) {
		struct note *n = list_entry(waiting->next, struct note, node);

		list_remove(&n->node);	/* before the push: afterwards it belongs to the other core */
		if (!ring_push(ring_of(own, core), n)) {
			list_push_front(waiting, &n->node);
			return true;
		}
	}
	return false;
}

bool xcall_flush(unsigned core)
{
	struct xcall_core *me = &cores[core];
	bool waits = !list_is_empty(&me->local);

	if (!me->any_touched)
		return waits;
	/* Pairs with the fence in xcall_may_sleep: either we see it asleep, or it sees our notes. */
	atomic_thread_fence(memory_order_seq_cst);
	me->any_touched = false;
	for (unsigned to = 0; to < core_count; to++) {
		if (!me->touched[to])
			continue;
		bool more = push_waiting(me, core, to);

		me->touched[to] = more;
		me->any_touched |= more;
		waits |= more;
		if (atomic_exchange_explicit(&cores[to].sleeping, false, memory_order_seq_cst))
			io_wake(to);
	}
	return waits;
}

bool xcall_has_arrived(unsigned core)
{
	for (unsigned from = 0; from < core_count; from++) {
		struct xcall_ring *ring = ring_of(from, core);

		if (atomic_load_explicit(&ring->tail, memory_order_acquire) !=
		    atomic_load_explicit(&ring->head, memory_order_relaxed))
			return true;
	}
	return false;
}

bool xcall_may_sleep(unsigned core)
{
	struct xcall_core *me = &cores[core];

	if (!list_is_empty(&me->local))
		return false;
	atomic_store_explicit(&me->sleeping, true, memory_order_seq_cst);
	atomic_thread_fence(memory_order_seq_cst);
	if (!xcall_has_arrived(core))
		return true;
	atomic_store_explicit(&me->sleeping, false, memory_order_relaxed);
	return false;
}

void xcall_awake(unsigned core)
{
	atomic_store_explicit(&cores[core].sleeping, false, memory_order_relaxed);
}
