#include "tests/sim/net_impl.h"

static uint64_t wake_serial;	/* of all connections and alarms */

/* --- a program's side -------------------------------------------------------------------------- */

static bool may_send(const struct sim_conn *c)
{
	return c->peer_open && !c->to_engine.finish_entered;
}

void sim_send(struct sim_conn *c, struct slice data)
{
	if (!may_send(c) || data.len == 0)
		return;
	net_pipe_enter(c, &c->to_engine, data, false);
	net_move_to_engine(c);
}

void sim_send_text(struct sim_conn *c, const char *text)
{
	sim_send(c, slice_of_str(text));
}

static void on_gone_later(void *context, uint64_t generation)
{
	struct sim_conn *c = context;

	if (c->generation == generation)
		net_peer_gone(c);
}

void sim_finish(struct sim_conn *c)
{
	if (!may_send(c))
		return;
	net_pipe_enter(c, &c->to_engine, (struct slice){ 0 }, true);
	net_move_to_engine(c);
	if (c->to_peer.finish_arrived && c->to_peer.arrived == c->to_peer.taken)
		machine_at(sim_now(), on_gone_later, c, c->generation);
}

void sim_close(struct sim_conn *c)
{
	if (!c->peer_open)
		return;
	c->closed = true;
	if (!c->reading && c->to_peer.arrived > c->to_peer.taken) {
		sim_reset(c);
		return;
	}
	sim_finish(c);
	c->reading = true;
}

void sim_reset(struct sim_conn *c)
{
	if (!c->peer_open)
		return;
	/* Overtakes: what has not arrived yet is lost with it. */
	machine_at(sim_now() + net_latency(c), net_on_reset_at_engine, c, c->generation);
	c->to_engine.finish_entered = true;
	c->closed = true;
	c->reading = false;
	machine_at(sim_now(), on_gone_later, c, c->generation);
}

static void on_read_again(void *context, uint64_t generation)
{
	struct sim_conn *c = context;

	if (c->generation == generation)
		net_read_at_peer(c);
}

void sim_read(struct sim_conn *c, bool on)
{
	const bool again = on && !c->reading;

	c->reading = on;
	if (again)
		machine_at(sim_now(), on_read_again, c, c->generation);
}


static void on_wake(void *context, uint64_t serial)
{
	struct sim_conn *c = context;

	if (c->used && c->peer_open && c->wake_serial == serial && c->program != NULL && c->program->on_time != NULL)
		c->program->on_time(c);
}

void sim_wake_in(struct sim_conn *c, uint64_t delay_ns)
{
	/* Serials are of all connections: one that takes this one's place is not woken by its timer. */
	c->wake_serial = ++wake_serial;
	machine_at(sim_now() + delay_ns, on_wake, c, c->wake_serial);
}

void sim_wake_cancel(struct sim_conn *c)
{
	c->wake_serial = 0;
}

void *sim_context(const struct sim_conn *c)
{
	return c->context;
}

void sim_set_context(struct sim_conn *c, void *context)
{
	c->context = context;
}

void sim_set_program(struct sim_conn *c, const struct sim_program *program)
{
	c->program = program;
}

struct sim_link *sim_link_of(struct sim_conn *c)
{
	return &c->link;
}

struct sim_host *sim_host_of(const struct sim_conn *c)
{
	return c->host;
}

const struct addr *sim_engine_addr(const struct sim_conn *c)
{
	return &c->engine;
}

uint32_t sim_conn_number(const struct sim_conn *c)
{
	return c->number;
}

uint64_t sim_octets_received(const struct sim_conn *c)
{
	return c->to_peer.taken;
}

uint64_t sim_octets_sent(const struct sim_conn *c)
{
	return c->to_engine.entered;
}

uint64_t sim_octets_unarrived(const struct sim_conn *c)
{
	return c->to_engine.entered - c->to_engine.taken;
}

/* --- alarms ------------------------------------------------------------------------------------ */

static void on_alarm(void *context, uint64_t serial)
{
	struct sim_alarm *alarm = context;

	if (!alarm->armed || alarm->serial != serial)
		return;
	alarm->armed = false;
	alarm->fn(alarm);
}

/* The struct stays with its owner until it has rung, cancelled or not. */
void sim_alarm_in(struct sim_alarm *alarm, uint64_t delay_ns)
{
	alarm->serial = ++wake_serial;
	alarm->due_ns = sim_now() + delay_ns;
	alarm->armed = true;
	machine_at(alarm->due_ns, on_alarm, alarm, alarm->serial);
}

void sim_alarm_cancel(struct sim_alarm *alarm)
{
	alarm->armed = false;
}
