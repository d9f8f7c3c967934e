#include "tests/sim/log.h"

#include "core/log_writer.h"

_Atomic int log_writer_state = LOG_WRITER_AWAKE;

static log_sink_fn *sink;
static void *sink_context;

void log_set_sink(log_sink_fn *fn, void *context)
{
	sink = fn;
	sink_context = context;
}

static void drain_ring(struct log_ring *ring)
{
	struct log_record record;

	while (log_ring_look(ring, &record)) {
		static char text[LOG_TEXT_MAX];
		char program[LOG_PROGRAM_MAX];

		log_ring_read_program(ring, &record, program);
		log_ring_take(ring, &record, text);
		if (sink != NULL)
			sink(sink_context, (enum log_level)record.level, slice_of(program, record.program_len),
			     slice_of(text, record.text_len));
	}
	atomic_store(&ring->written, atomic_load(&ring->head));
}

void log_drain(void)
{
	for (unsigned i = 0; i < LOG_RINGS_MAX; i++)
		if (atomic_load(&log_rings[i].taken))
			drain_ring(&log_rings[i]);
}

/* --- the seam ---------------------------------------------------------------------------------- */

int log_writer_start(const struct log_conf *conf)
{
	(void)conf;
	return 0;
}

void log_writer_stop(unsigned timeout_ms)
{
	(void)timeout_ms;
	log_drain();
}

void log_writer_wake(int state)
{
	(void)state;
}

void log_writer_reopen(void)
{
}

uint64_t log_writer_dropped(void)
{
	return 0;
}

void log_writer_put_stderr(const char *tag, enum log_level level, struct slice program, struct slice text)
{
	(void)tag;
	if (sink != NULL)
		sink(sink_context, level, program, text);
}

int log_facility_number(const char *name)
{
	return strcmp(name, "mail") == 0 ? 16 : -1;
}
