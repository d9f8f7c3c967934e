#include "tests/sim/net_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "tests/sim/fault.h"
#include "tests/sim/seam.h"
#include "tests/sim/tape.h"

#define SEGMENT_MAX	KIB(64)
#define BURSTS_MIN	16u

/* --- pipes ------------------------------------------------------------------------------------- */

uint64_t net_latency(const struct sim_conn *c)
{
	return c->link.latency_ns != 0 ? c->link.latency_ns : SIM_LATENCY_NS;
}

static size_t segment(uint32_t wanted)
{
	return wanted != 0 ? wanted : SEGMENT_MAX;
}

static size_t pipe_room(const struct sim_conn *c)
{
	const uint64_t size = c->link.buffer_to_peer != 0 ? c->link.buffer_to_peer : SIM_BUFFER;
	const uint64_t used = c->to_peer.entered - c->to_peer.taken;

	return used < size ? (size_t)(size - used) : 0;
}

static void pipe_put_data(struct pipe *p, const char *from, size_t len)
{
	const size_t held = (size_t)(p->entered - p->base);
	const size_t dead = (size_t)(p->taken - p->base);

	if (held + len > p->cap && dead > 0) {
		memmove(p->data, p->data + dead, held - dead);
		p->base = p->taken;
	}
	const size_t at = (size_t)(p->entered - p->base);

	if (at + len > p->cap) {
		p->cap = MAX(2 * p->cap, at + len + 1024);
		p->data = realloc(p->data, p->cap);
		ASSERT(p->data != NULL);
	}
	memcpy(p->data + at, from, len);
	p->entered += len;
	ASSERT(p->entered - p->taken <= SIM_PENDING_MAX);
}

static struct burst *burst_at(struct pipe *p, unsigned i)
{
	return &p->bursts[(p->burst_first + i) % p->burst_cap];
}

static void pipe_put_burst(struct pipe *p, uint64_t ready_ns, bool finish)
{
	if (p->burst_count == p->burst_cap) {
		const unsigned cap = MAX(2 * p->burst_cap, BURSTS_MIN);
		struct burst *more = calloc(cap, sizeof(*more));

		ASSERT(more != NULL);
		for (unsigned i = 0; i < p->burst_count; i++)
			more[i] = *burst_at(p, i);
		free(p->bursts);
		p->bursts = more;
		p->burst_cap = cap;
		p->burst_first = 0;
	}
	p->burst_count++;
	*burst_at(p, p->burst_count - 1) = (struct burst){ ready_ns, p->entered, finish };
	p->finish_entered |= finish;
}

/* Into a pipe: octets, or the end. Nothing that is sent later arrives earlier. */
void net_pipe_enter(struct sim_conn *c, struct pipe *p, struct slice data, bool finish)
{
	if (data.len > 0)
		pipe_put_data(p, data.ptr, data.len);
	pipe_put_burst(p, sim_now() + net_latency(c), finish);
}

/* How many octets arrive with the next step; 0 with *ret_burst: a finish, or the cut. */
static size_t next_step(struct pipe *p, size_t piece, const struct sim_cut *cut, struct burst *ret_burst)
{
	const struct burst *b = burst_at(p, 0);
	uint64_t n = min_u64(b->end - p->arrived, piece);

	*ret_burst = *b;
	if (cut->kind != SIM_CUT_NONE)
		n = min_u64(n, cut->at > p->arrived ? cut->at - p->arrived : 0);
	return (size_t)n;
}

static void pop_burst_if_done(struct pipe *p)
{
	if (burst_at(p, 0)->end != p->arrived)
		return;
	if (burst_at(p, 0)->finish)
		p->finish_arrived = true;
	p->burst_first = (p->burst_first + 1) % p->burst_cap;
	p->burst_count--;
}

static uint64_t travel_time(const struct sim_conn *c, size_t octets)
{
	return c->link.octets_per_s != 0 ? octets * NS_PER_SEC / c->link.octets_per_s : 0;
}

/* --- both ends --------------------------------------------------------------------------------- */

void net_peer_gone(struct sim_conn *c)
{
	if (!c->peer_open)
		return;
	c->peer_open = false;
	c->wake_serial++;
	if (c->host != NULL && c->greeted)
		c->host->open_now--;
	if (c->program != NULL && c->program->on_gone != NULL)
		c->program->on_gone(c);
	net_conn_free_if_over(c);
}

/* The program's end hears of a reset. */
void net_peer_reset(struct sim_conn *c)
{
	if (!c->peer_open)
		return;
	if (c->program != NULL && c->program->on_reset != NULL)
		c->program->on_reset(c);
	net_peer_gone(c);
}

static void on_reset_at_peer(void *context, uint64_t generation)
{
	struct sim_conn *c = context;

	if (c->generation == generation)
		net_peer_reset(c);
}

void net_reset_peer_later(struct sim_conn *c)
{
	machine_at(sim_now() + net_latency(c), on_reset_at_peer, c, c->generation);
}

static struct machine_file *file_of(const struct sim_conn *c)
{
	return c->file >= 0 && !c->dead ? seam_file(c->core, c->file) : NULL;
}

/* Who waits to send or to receive at the engine's end should look again. */
static void wake_receive(struct sim_conn *c)
{
	struct machine_file *f = file_of(c);

	if (f != NULL && f->recv != NULL && f->recv->submitted && net_has_something(f))
		flight_ready(f->recv, f->recv->res);
}

static void wake_send(struct sim_conn *c)
{
	struct machine_file *f = file_of(c);

	if (f != NULL && f->send != NULL && f->send->submitted && !f->send->decided)
		net_send(f->send);
}

/* The engine's kernel hears of a reset: what has not arrived never will. */
void net_engine_reset(struct sim_conn *c)
{
	if (!c->engine_open || c->broken)
		return;
	c->broken = true;
	c->error = -ECONNRESET;
	c->to_engine.burst_count = 0;
	tape_trace(c->number ^ UINT64_C(0x7e5e7) << 32);
	/* Who looks first hears of it: chance. */
	if (tape_below(2) == 0) {
		wake_receive(c);
		wake_send(c);
	} else {
		wake_send(c);
		wake_receive(c);
	}
}

void net_on_reset_at_engine(void *context, uint64_t generation)
{
	struct sim_conn *c = context;

	if (c->generation == generation)
		net_engine_reset(c);
}

static void break_both(struct sim_conn *c)
{
	net_engine_reset(c);
	net_peer_reset(c);
}

/* --- arrivals at the engine -------------------------------------------------------------------- */

static void arm(struct sim_conn *c, struct pipe *p, void (*fn)(void *context, uint64_t generation))
{
	if (p->moving || p->silent || p->burst_count == 0)
		return;
	p->moving = true;
	machine_at(max_u64(burst_at(p, 0)->ready_ns, p->busy_ns), fn, c, c->generation);
}

static bool is_cut(struct sim_conn *c, struct pipe *p, const struct sim_cut *cut, const struct burst *b)
{
	if (cut->kind == SIM_CUT_NONE || p->arrived < cut->at || (b->finish && b->end == p->arrived))
		return false;
	p->burst_count = 0;
	switch (cut->kind) {
	case SIM_CUT_FINISH:
		p->finish_entered = p->finish_arrived = true;
		break;
	case SIM_CUT_RESET:
		break_both(c);
		break;
	case SIM_CUT_SILENCE:
		p->silent = true;
		break;
	case SIM_CUT_NONE:
		UNREACHABLE();
	}
	return true;
}

/* The next step of a pipe: octets, the end, or the cut. Returns how many octets have arrived. */
static size_t arrive(struct sim_conn *c, struct pipe *p, size_t piece, const struct sim_cut *cut)
{
	struct burst b;
	const size_t n = next_step(p, piece, cut, &b);

	p->arrived += n;
	p->busy_ns = sim_now() + travel_time(c, n);
	if (!is_cut(c, p, cut, &b))
		pop_burst_if_done(p);
	return n;
}

static void on_arrival_at_engine(void *context, uint64_t generation)
{
	struct sim_conn *c = context;
	struct pipe *p = &c->to_engine;
	/* Without a bound of speed a burst arrives at once; receives still take it piece by piece. */
	const size_t piece = c->link.octets_per_s != 0 ? segment(c->link.segment_to_engine) : SIM_PENDING_MAX;

	if (c->generation != generation)
		return;
	p->moving = false;
	if (p->burst_count == 0)
		return;
	const size_t n = arrive(c, p, piece, &c->link.cut_to_engine);

	if (c->generation != generation)
		return;
	if (!c->engine_open) {		/* nobody there: its kernel says so */
		if (n > 0)
			net_peer_reset(c);
		return;
	}
	wake_receive(c);
	arm(c, p, on_arrival_at_engine);
}

void net_move_to_engine(struct sim_conn *c)
{
	arm(c, &c->to_engine, on_arrival_at_engine);
}

bool net_has_something(const struct machine_file *file)
{
	const struct sim_conn *c = file->conn;

	return c != NULL && (c->to_engine.arrived > c->to_engine.taken || c->broken || c->to_engine.finish_arrived);
}

int net_take(struct machine_file *file, char *buf, size_t size, bool *ret_more)
{
	struct sim_conn *c = file->conn;
	struct pipe *p = &c->to_engine;
	const size_t there = (size_t)(p->arrived - p->taken);
	const size_t n = MIN(MIN(there, size), segment(c->link.segment_to_engine));
	const int err = c->error;

	*ret_more = there > n || c->broken || p->finish_arrived;
	if (n > 0) {
		memcpy(buf, p->data + (p->taken - p->base), n);
		p->taken += n;
		return (int)n;
	}
	ASSERT(c->broken || p->finish_arrived);
	*ret_more = false;
	c->error = 0;
	return c->broken ? err : 0;
}

void net_receive(struct flight *f)
{
	struct machine_file *file = seam_file(f->core, f->file);

	ASSERT(file->conn != NULL);
	if (net_has_something(file))
		flight_ready(f, 0);
}

/* --- arrivals at the program ------------------------------------------------------------------- */

static void finish_at_peer(struct sim_conn *c)
{
	const uint32_t generation = c->generation;

	if (c->program != NULL && c->program->on_finish != NULL && !c->closed)
		c->program->on_finish(c);
	if (c->generation == generation && c->peer_open && c->to_engine.finish_entered)
		net_peer_gone(c);
}

/* What has arrived goes to the program, piece by piece, as long as it reads. */
void net_read_at_peer(struct sim_conn *c)
{
	struct pipe *p = &c->to_peer;
	const uint32_t generation = c->generation;

	while (c->generation == generation && c->peer_open && c->greeted && c->reading && p->arrived > p->taken) {
		const size_t n = MIN((size_t)(p->arrived - p->taken), segment(c->link.segment_to_peer));
		static char piece[SEGMENT_MAX];

		if (c->closed) {	/* RFC 1122 4.2.2.13: data after close is answered with a reset */
			machine_at(sim_now() + net_latency(c), net_on_reset_at_engine, c, c->generation);
			net_peer_gone(c);
			return;
		}
		memcpy(piece, p->data + (p->taken - p->base), n);
		p->taken += n;
		if (c->program != NULL && c->program->on_data != NULL)
			c->program->on_data(c, slice_of(piece, n));
	}
	if (c->generation != generation)
		return;
	wake_send(c);
	if (c->peer_open && c->greeted && c->reading && p->finish_arrived && p->arrived == p->taken &&
	    !p->silent) {
		p->silent = true;	/* once */
		finish_at_peer(c);
	}
}

static void on_arrival_at_peer(void *context, uint64_t generation)
{
	struct sim_conn *c = context;
	struct pipe *p = &c->to_peer;

	if (c->generation != generation)
		return;
	p->moving = false;
	if (p->burst_count == 0)
		return;
	const size_t n = arrive(c, p, segment(c->link.segment_to_peer), &c->link.cut_to_peer);

	if (c->generation != generation)
		return;
	if (!c->peer_open) {
		p->taken = p->arrived;
		if (n > 0 && c->engine_open)
			machine_at(sim_now() + net_latency(c), net_on_reset_at_engine, c, c->generation);
		arm(c, p, on_arrival_at_peer);
		return;
	}
	tape_trace((uint64_t)c->number << 32 ^ p->arrived);
	net_read_at_peer(c);
	if (c->generation == generation)
		arm(c, p, on_arrival_at_peer);
}

void net_move_to_peer(struct sim_conn *c)
{
	arm(c, &c->to_peer, on_arrival_at_peer);
}

/* --- the engine's end -------------------------------------------------------------------------- */

static int send_error(struct sim_conn *c)
{
	const int err = c->error != 0 ? c->error : -EPIPE;

	c->error = 0;
	return err;
}

/* As much as there is room for, in one burst; nothing: it waits until there is. */
void net_send(struct flight *f)
{
	struct sim_conn *c = seam_file(f->core, f->file)->conn;
	size_t room, total = 0, left;

	ASSERT(c != NULL);
	if (c->broken || c->to_peer.finish_entered) {
		flight_ready(f, c->broken ? send_error(c) : -EPIPE);
		return;
	}
	room = pipe_room(c);
	if (room == 0)
		return;
	for (unsigned i = 0; i < f->iov_count; i++)
		total += f->iov[i].iov_len;
	left = MIN(total, room);
	if (left > 1 && fault_strikes(FAULT_SHORT_SEND))
		left = (size_t)tape_range(1, left - 1);
	if (left > 1 && f->fault != FAULT_IS_NONE)
		left = f->fault == FAULT_IS_SHORT ? 1 : left - 1;
	total = left;
	for (unsigned i = 0; i < f->iov_count && left > 0; i++) {
		const size_t n = MIN(f->iov[i].iov_len, left);

		pipe_put_data(&c->to_peer, f->iov[i].iov_base, n);
		left -= n;
	}
	pipe_put_burst(&c->to_peer, sim_now() + net_latency(c), false);
	net_move_to_peer(c);
	flight_ready(f, (int)total);
}

static void finish_to_peer(struct sim_conn *c)
{
	if (c->to_peer.finish_entered || c->broken)
		return;
	net_pipe_enter(c, &c->to_peer, (struct slice){ 0 }, true);
	net_move_to_peer(c);
}

void net_shutdown(struct machine_file *file, int how)
{
	struct sim_conn *c = file->conn;

	if (c == NULL)
		return;
	if (how != SHUT_RD)
		finish_to_peer(c);
	if (how != SHUT_WR) {
		c->to_engine.finish_arrived = true;
		wake_receive(c);
	}
}

/* As Linux: what was received and never read turns the end into a reset. */
void net_engine_close(struct sim_conn *c)
{
	const bool unread = c->to_engine.arrived > c->to_engine.taken;

	c->file = -1;
	c->engine_open = false;
	if (!c->broken && unread)
		net_reset_peer_later(c);
	else
		finish_to_peer(c);
	net_conn_free_if_over(c);
}

void net_close(struct machine_file *file)
{
	struct list *node;

	if (file->conn != NULL)
		net_engine_close(file->conn);
	file->conn = NULL;
	while (file->kind == FILE_LISTENER && (node = list_pop_front(&file->arrived)) != NULL) {
		struct sim_conn *c = list_entry(node, struct sim_conn, node);

		c->engine_open = false;
		net_reset_peer_later(c);
	}
}
