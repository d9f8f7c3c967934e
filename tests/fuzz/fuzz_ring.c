/* fuzz_ring.c - FZ-16: octets decide what the kernel does next: which operation, how it ends, when that is seen
 *
 * First octet: sizes of the queues and of the buffer ring; second: how often enter fails and how many completions one
 * wait shows. When the octets are used up, the world is calm, and every connection must come to its end.
 */
#include "tests/unit/core/fake_ring.h"
#include "tests/unit/core/fake_talkers.h"

#include "core/check.h"

#define TALKERS		6u
#define CONNECTIONS	24u
#define TURNS_MAX	100000u

static void run(unsigned bufs)
{
	const struct io_conf conf = { .files_max = 32, .arena_size = 0, .recv_bufs = bufs };
	struct talkers_report report;

	ASSERT(io_open_core(&conf) == 0);
	ASSERT(talkers_run(TALKERS, CONNECTIONS, TURNS_MAX, &report));
	fake.calm = true;
	for (unsigned i = 0; i < 3 || fake_in_flight() > 0; i++) {
		ASSERT(i < 1000);
		ASSERT(io_wait(0) == 0);
		(void)io_run_completions();
		while (fake_work())
			;
	}
	ASSERT(fake.mixed == 0);
	ASSERT(io_bufs_free() == bufs && fake_bufs_free() == bufs);
	io_close_core();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	fake_reset(1);
	fake.sq_entries = 8u << (data[0] & 3);
	fake.cq_entries = fake.sq_entries << (1 + (data[0] >> 2 & 1));
	fake.stream_size = 600;
	fake.enter_err_percent = data[1] & 31;
	fake.batch = data[1] >> 5;
	fake_chance_from(data + 2, size - 2);
	run(2u << (data[0] >> 3 & 3));
	return 0;
}
