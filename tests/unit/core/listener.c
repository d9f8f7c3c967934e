/* Accept loops against a kernel that has nothing to accept with */
#include <errno.h>

#include "tests/test.h"
#include "tests/unit/core/fake_ring.h"

#include "core/listener.h"

#define FILES 64u
#define BUFS  4u

static struct reactor reactor;
static struct listener listener;
static unsigned troubles, arrivals;

static void on_trouble(struct listener *l, int err)
{
	(void)l;
	(void)err;
	troubles++;
}

static void on_arrival(struct listener *l, int file, const struct addr *peer)
{
	(void)l;
	(void)peer;
	arrivals++;
	io_close(file);
}

static int listener_setup(void **state)
{
	const struct io_conf conf = { .files_max = FILES, .recv_bufs = BUFS };
	struct addr addr;

	(void)state;
	fake_reset(1);
	fake.manual = true;
	fake.calm = true;
	troubles = arrivals = 0;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &conf), 0);
	assert_int_equal(addr_parse_ip(SLICE("127.0.0.1"), 0, &addr), 0);
	listener = (struct listener){ .on_accept = on_arrival, .on_trouble = on_trouble };
	assert_int_equal(listener_open(&listener, &addr, 1), 0);
	return 0;
}

static int listener_teardown(void **state)
{
	(void)state;
	reactor_close(&reactor);
	xcall_stop();
	return 0;
}

static unsigned accepts_in_flight(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_OPS; i++)
		n += fake.ops[i].used && fake.ops[i].sqe.opcode == IORING_OP_ACCEPT;
	return n;
}

/* For so long there is always somebody to be accepted, and every accept ends so. Returns how many did. */
static unsigned accepts_end_with(int res, uint64_t for_ns)
{
	const uint64_t end = fake.clock_ns + for_ns;
	struct fake_op *op;
	unsigned n = 0;

	while (fake.clock_ns < end) {
		assert_int_equal(reactor_turn(&reactor, fake.clock_ns + 5 * NS_PER_MS), 0);
		while ((op = fake_find(IORING_OP_ACCEPT, -1)) != NULL) {
			fake_finish(op, res, 0);
			assert_true(++n < 10000);
		}
		while (fake_work())	/* closes */
			;
	}
	return n;
}

static void accepts_that_fail_are_not_repeated_at_once(void **state)
{
	static const int errs[] = { -EMFILE, -ENFILE, -ENOMEM, -ENOBUFS, -EINVAL };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		troubles = arrivals = 0;
		/* Those that were in flight, and then ten a second. */
		assert_in_range(accepts_end_with(errs[i], 10 * NS_PER_SEC), 90, LISTENER_ACCEPTS + 101);
		assert_in_range(troubles, i == 0, 1);		/* said once a minute */
		(void)accepts_end_with(errs[i], 60 * NS_PER_SEC);
		assert_in_range(troubles, 1, 2);
		/* And on with all of them, as soon as one goes well. */
		assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_MS), 0);
		while (accepts_in_flight() == 0)
			assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_SEC), 0);
		assert_int_equal(accepts_in_flight(), 1);
		fake_finish(fake_find(IORING_OP_ACCEPT, -1), 1, 0);
		assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_MS), 0);
		assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_MS), 0);
		assert_int_equal(arrivals, 1);
		assert_int_equal(accepts_in_flight(), LISTENER_ACCEPTS);
	}
}

/* A client that went away while it waited is no reason to pause; a firewall, say, that refuses every one of them is. */
static void clients_that_are_gone_cost_nothing_until_all_are(void **state)
{
	static const int errs[] = { -ECONNABORTED, -EPROTO, -EPERM };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errs); i++) {
		troubles = 0;
		for (unsigned turns = 0; turns < 3; turns++)
			assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_MS), 0);
		for (unsigned n = 0; n < LISTENER_GONE_MAX; n++) {
			struct fake_op *op = fake_find(IORING_OP_ACCEPT, -1);

			assert_non_null(op);
			fake_finish(op, errs[i], 0);
			for (unsigned turns = 0; turns < 3; turns++)
				assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_MS), 0);
		}
		assert_int_equal(troubles, 0);
		assert_in_range(accepts_end_with(errs[i], 10 * NS_PER_SEC), 90, LISTENER_ACCEPTS + 101);
		assert_int_equal(troubles, 1);
		fake.clock_ns += 60 * NS_PER_SEC;
		while (accepts_in_flight() == 0)
			assert_int_equal(reactor_turn(&reactor, fake.clock_ns + NS_PER_SEC), 0);
		fake_finish(fake_find(IORING_OP_ACCEPT, -1), 1, 0);
	}
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("URG-21, OSR-02: without descriptors or memory ten accepts a second fail, and then all go on",
			   accepts_that_fail_are_not_repeated_at_once, listener_setup, listener_teardown),
		CLAIM_WITH("URG-21: clients that are gone do not stop the others",
			   clients_that_are_gone_cost_nothing_until_all_are, listener_setup, listener_teardown),
	};

	return cmocka_run_group_tests_name("core/listener", claims, NULL, NULL);
}
