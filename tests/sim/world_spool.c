#include <stdlib.h>

#include "tests/sim/disk.h"
#include "tests/sim/world_impl.h"

/* --- a life begins ------------------------------------------------------------------------------ */

static void tell_rcpt(const struct attempt *a, const struct rcpt *rcpt, enum maillog_status status)
{
	maillog_rcpt(a, rcpt, status);
	if (world.conf.on_rcpt != NULL)
		world.conf.on_rcpt(world.conf.context, a->job->msg->id, rcpt, status);
}

static void listen_core(void *context)
{
	struct part *p = context;

	ASSERT(inject_listen(p->inject) == 0);
}

/* Outside of all cores: the last one has recovered. */
static void on_all_recovered(void *context, uint64_t life)
{
	(void)context;
	if (life != world.life || world.state != WORLD_STARTING)
		return;
	for (unsigned i = 0; i < world.cores; i++)
		machine_on_core(i, listen_core, &world.parts[i]);
	world.state = WORLD_UP;
	disk_spares_reads = false;
}

static void on_recovered(struct spool *s, int err, void *context)
{
	(void)s;
	(void)context;
	if (err < 0)
		world.state = WORLD_FAILED;
	else if (++world.recovered == world.cores)
		machine_at(sim_now(), on_all_recovered, NULL, world.life);
}

void world_spool_start(struct part *p)
{
	p->spool_conf.log_rcpt = tell_rcpt;
	p->spool_conf.ready = on_recovered;
	p->spool_conf.context = p;
	p->spool = spool_new(&p->spool_conf);
	ASSERT(p->spool != NULL);
	p->inject = inject_new(&world.params, p->core, world.cores, p->spool);
	ASSERT(p->inject != NULL);
	spool_open(p->spool);
}

enum world_state world_state(void)
{
	return world.state;
}

struct spool_usage world_spool_usage(void)
{
	struct spool_usage sum = { 0 };

	for (unsigned i = 0; i < world.cores; i++) {
		const struct spool_usage u = spool_usage(world.parts[i].spool);

		sum.messages += u.messages;
		sum.recipients_open += u.recipients_open;
		sum.damaged += u.damaged;
		sum.journal_octets += u.journal_octets;
	}
	return sum;
}

/* --- and ends, in order or not ------------------------------------------------------------------ */

static void on_inject_closed(struct inject *inject, void *context)
{
	(void)inject;
	((struct part *)context)->step_done = true;
}

static void on_spool_closed(struct spool *s, void *context)
{
	(void)s;
	((struct part *)context)->step_done = true;
}

static void close_inject(void *context)
{
	struct part *p = context;

	inject_close(p->inject, on_inject_closed, p);
}

static void close_spool(void *context)
{
	struct part *p = context;

	spool_close(p->spool, on_spool_closed, p);
}

static bool step_is_done(void *context)
{
	(void)context;
	for (unsigned i = 0; i < world.cores; i++)
		if (!world.parts[i].step_done)
			return false;
	return true;
}

static bool in_step(void (*fn)(void *context), uint64_t limit_ns)
{
	for (unsigned i = 0; i < world.cores; i++) {
		world.parts[i].step_done = false;
		machine_on_core(i, fn, &world.parts[i]);
	}
	return world_run(limit_ns, step_is_done, NULL);
}

bool world_spool_stop_listening(uint64_t limit_ns)
{
	ASSERT(world.state == WORLD_UP);
	return in_step(close_inject, limit_ns);
}

static bool nothing_in_flight(void *context)
{
	(void)context;
	for (unsigned i = 0; i < world.cores; i++)
		if (machine_cores[i].flight_count > 0)
			return false;
	return true;
}

bool world_spool_close(uint64_t limit_ns)
{
	return in_step(close_spool, limit_ns) && world_run(limit_ns, nothing_in_flight, NULL);
}

void world_spool_free(struct part *p)
{
	inject_free(&p->inject);
	spool_free(&p->spool);
}

/* What the process had is left lying about, as the process would have left it. */
void world_die(bool power)
{
	ASSERT(world.state != WORLD_DEAD);
	net_on_death(power);
	if (power)
		disk_crash();
	else
		disk_kill();
	machine_end();
	world.state = WORLD_DEAD;
}

void world_revive(void)
{
	ASSERT(world.state == WORLD_DEAD);
	world.life++;
	world_boot();
}
