#include "core/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/clock.h"
#include "core/log_writer.h"

static _Atomic bool started;
static _Atomic bool debug_wanted;
static _Atomic uint64_t homeless;	/* lines of threads that have no ring */

/* Not on the stack: memory there is cleared on entry, and 8 KiB per line would be most of a line's cost. */
static _Thread_local struct {
	struct log_ring *ring;
	char formatted[LOG_TEXT_MAX + 1];
	char clean[LOG_TEXT_MAX];
} own;

int log_start(const struct log_conf *conf)
{
	ASSERT(!atomic_load(&started));
	int r = log_writer_start(conf);

	if (r < 0)
		return r;
	atomic_store(&debug_wanted, conf->debug);
	atomic_store(&started, true);
	return 0;
}

void log_stop(unsigned timeout_ms)
{
	if (!atomic_exchange(&started, false))
		return;
	log_writer_stop(timeout_ms);
}

void log_reopen(void)
{
	if (atomic_load(&started))
		log_writer_reopen();
}

int log_thread_open(void)
{
	ASSERT(own.ring == NULL);
	own.ring = log_ring_open();
	return own.ring != NULL ? 0 : -ENOMEM;
}

void log_thread_close(void)
{
	if (own.ring != NULL)
		log_ring_close(own.ring);
	own.ring = NULL;
}

uint64_t log_position(void)
{
	return own.ring != NULL ? atomic_load(&own.ring->tail) : 0;
}

bool log_is_written(uint64_t position)
{
	if (own.ring == NULL || atomic_load(&own.ring->written) >= position)
		return true;
	int writer = atomic_load(&log_writer_state);

	if (writer == LOG_WRITER_NAPS || writer == LOG_WRITER_SLEEPS)
		log_writer_wake(writer);
	return false;
}

uint64_t log_dropped(void)
{
	return log_rings_dropped() + log_writer_dropped() + atomic_load_explicit(&homeless, memory_order_relaxed);
}

/* Eight octets at a time: is every one of them in 0x20..0x7e? For octets below 0x80, adding 0x60 sets the high bit
 * from 0x20 on, and adding 1 sets it for 0x7f; no sum reaches the neighbour. */
static bool is_plain_ascii(struct slice text)
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t high = 0x80 * ones;

	for (; text.len >= 8; slice_skip(&text, 8)) {
		uint64_t word;

		memcpy(&word, text.ptr, 8);
		if (((word | ~(word + 0x60 * ones) | (word + ones)) & high) != 0)
			return false;
	}
	for (size_t i = 0; i < text.len; i++)
		if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)	/* char is signed on x86: above 0x7f is below 0 */
			return false;
	return true;
}

/* Into own.clean: printable, not too long, and if it was cut, then visibly. */
static struct slice make_clean(struct slice text, bool was_cut)
{
	struct str out = STR(own.clean);

	str_add_printable(&out, text, LOG_TEXT_MAX);
	if (!out.full && !was_cut)
		return str_slice(&out);
	str_clear(&out);
	str_add_printable(&out, text, LOG_TEXT_MAX - 3);
	out.full = false;
	str_add(&out, SLICE("..."));
	return str_slice(&out);
}

static void put_in_ring(enum log_level level, struct slice program, struct slice text)
{
	struct log_record record = {
		.wall_ns = clock_wall_ns(),
		.text_len = (uint32_t)text.len,
		.level = (uint8_t)level,
		.program_len = (uint8_t)program.len,
	};
	size_t used;

	if (!log_ring_put(own.ring, &record, program.ptr, text.ptr, &used))
		return;
	int writer = atomic_load(&log_writer_state);

	if (writer == LOG_WRITER_AWAKE || writer == LOG_WRITER_STUCK)
		return;
	if (writer == LOG_WRITER_SLEEPS || used > LOG_RING / 2 || level <= LOG_LEVEL_FATAL)
		log_writer_wake(writer);
}

static void put(enum log_level level, const char *program, struct slice text, bool was_cut)
{
	struct slice name = slice_head(slice_of_str(program), LOG_PROGRAM_MAX);

	ASSERT(level < LOG_LEVEL_COUNT);
	if (was_cut || text.len > LOG_TEXT_MAX || !is_plain_ascii(text))
		text = make_clean(text, was_cut);
	if (!atomic_load_explicit(&started, memory_order_acquire))
		log_writer_put_stderr("ringpost", level, name, text);
	else if (own.ring != NULL)
		put_in_ring(level, name, text);
	else
		atomic_fetch_add_explicit(&homeless, 1, memory_order_relaxed);
}

static bool is_wanted(enum log_level level)
{
	return level != LOG_LEVEL_DEBUG || atomic_load_explicit(&debug_wanted, memory_order_relaxed);
}

void log_put(enum log_level level, const char *program, struct slice text)
{
	if (is_wanted(level))
		put(level, program, text, false);
}

void log_line(enum log_level level, const char *program, const char *fmt, ...)
{
	va_list args;

	if (!is_wanted(level))
		return;
	va_start(args, fmt);
	int n = vsnprintf(own.formatted, sizeof(own.formatted), fmt, args);

	va_end(args);
	/* A text that cannot be formatted (a wide character, in our own arguments) is still worth its format. */
	if (n < 0)
		put(level, program, slice_of_str(fmt), true);
	else
		put(level, program, slice_of(own.formatted, MIN((size_t)n, LOG_TEXT_MAX)), (size_t)n > LOG_TEXT_MAX);
}

bool log_facility_is_known(const char *name)
{
	return log_facility_number(name) >= 0;
}
