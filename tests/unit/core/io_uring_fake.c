/* io_uring.c against a kernel that may do whatever a kernel may do: section 3 of the hostile-world reference */
#include <errno.h>
#include <string.h>

#include "tests/test.h"
#include "tests/unit/core/fake_ring.h"
#include "tests/unit/core/fake_talkers.h"

#include "core/io.h"

#define FILES 64u
#define BUFS  4u

static void open_core_with(unsigned bufs)
{
	const struct io_conf conf = { .files_max = FILES, .arena_size = KIB(64), .recv_bufs = bufs };

	assert_int_equal(io_open_core(&conf), 0);
}

static void turn(void)
{
	assert_int_equal(io_wait(0), 0);
	(void)io_run_completions();
}

/* --- one operation by hand -------------------------------------------------------------------- */

struct seen {
	struct op op;
	unsigned callbacks;
	int res[4];
	bool more[4];
	bool copied[4];
	size_t octets[4];
};

static void on_seen(struct op *op, int res)
{
	struct seen *s = container_of(op, struct seen, op);

	assert_true(s->callbacks < 4);
	s->res[s->callbacks] = res;
	s->more[s->callbacks] = op->more;
	s->copied[s->callbacks] = op->copied;
	s->octets[s->callbacks++] = op->data.len;
}

static struct seen fresh(void)
{
	struct seen s = { .callbacks = 0 };

	op_init(&s.op, on_seen);
	return s;
}

static int manual_setup(void **state)
{
	(void)state;
	fake_reset(1);
	fake.manual = true;
	fake.calm = true;
	open_core_with(BUFS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	io_close_core();
	return 0;
}

/* A connected file, by hand. */
static int connected(void)
{
	static struct addr remote;
	struct seen connect = fresh();
	int file = -1;

	remote = (struct addr){ .len = sizeof(remote.in) };
	remote.in.sin_family = AF_INET;
	remote.in.sin_port = htons(25);
	io_connect(&connect.op, &remote, NULL, &file);
	for (unsigned i = 0; connect.callbacks == 0; i++) {
		assert_true(i < 10);
		turn();
		(void)fake_work();
	}
	assert_int_equal(connect.res[0], 0);
	return file;
}

/* --- URG-02: every order of a cancellation and its target ------------------------------------- */

static void cancel_in_order(int cancel_res, bool cancel_first, int target_res, bool with_buf)
{
	int file = connected();
	struct seen recv = fresh();

	io_recv(&recv.op, file);
	turn();
	io_cancel(&recv.op);
	io_cancel(&recv.op);	/* asking twice is asking once */
	turn();
	struct fake_op *target = fake_find(IORING_OP_RECV, file);
	struct fake_op *cancel = fake_find(IORING_OP_ASYNC_CANCEL, -1);

	assert_non_null(target);
	assert_non_null(cancel);
	if (cancel_first)
		fake_finish(cancel, cancel_res, 0);
	fake_finish(target, target_res, with_buf ? fake_fill_buf("250 ok\r\n", 8) : 0);
	if (!cancel_first)
		fake_finish(cancel, cancel_res, 0);
	turn();
	assert_int_equal(recv.callbacks, 1);
	assert_int_equal(recv.res[0], target_res);
	assert_false(recv.more[0]);
	assert_int_equal(recv.octets[0], target_res > 0 ? (size_t)target_res : 0);
	assert_false(recv.op.in_kernel);
	assert_int_equal(io_bufs_free(), BUFS);
	io_close(file);
	turn();
	(void)fake_work();
	turn();
}

static void cancellations_in_every_order(void **state)
{
	static const int cancel_results[] = { 0, -ENOENT, -EALREADY, 1 };
	static const int target_results[] = { 8, 0, -ECONNRESET, -ECANCELED };

	(void)state;
	for (unsigned c = 0; c < ARRAY_LEN(cancel_results); c++)
		for (unsigned t = 0; t < ARRAY_LEN(target_results); t++)
			for (unsigned first = 0; first < 2; first++) {
				cancel_in_order(cancel_results[c], first, target_results[t], target_results[t] == 8);
				/* A buffer may be spent on an error or an end, too (row URG-07). */
				cancel_in_order(cancel_results[c], first, target_results[t], true);
			}
}

/* --- URG-01: slots that are used again ---------------------------------------------------------- */

/* The cancellation names what was in the slot when it was asked for, not what is there when it arrives. */
static void a_late_cancellation_hits_nobody_else(void **state)
{
	struct seen first = fresh(), second = fresh();

	(void)state;
	io_unlink(&first.op, "first");
	turn();
	io_cancel(&first.op);
	fake_finish(fake_find(IORING_OP_UNLINKAT, -1), 0, 0);
	turn();
	assert_int_equal(first.callbacks, 1);
	io_unlink(&second.op, "second");
	assert_int_equal(second.op.slot, first.op.slot);
	turn();
	const struct fake_op *cancel = fake_find(IORING_OP_ASYNC_CANCEL, -1);
	const struct fake_op *target = fake_find(IORING_OP_UNLINKAT, -1);

	assert_non_null(cancel);
	assert_non_null(target);
	assert_true(cancel->sqe.addr != target->sqe.user_data);
	while (fake_work())
		;
	turn();
	assert_int_equal(second.callbacks, 1);
	assert_int_equal(second.res[0], 0);
}

static void finish_twice(void *context)
{
	struct fake_op *op = context, again = *op;

	fake_finish(op, 0, 0);
	*op = again;
	fake_finish(op, 0, 0);
	turn();
}

static void a_stale_completion_stops_us(void **state)
{
	struct seen s = fresh();

	(void)state;
	io_unlink(&s.op, "x");
	turn();
	assert_true(test_dies(finish_twice, fake_find(IORING_OP_UNLINKAT, -1)));
}

/* --- URG-15: results and notifications of three sends ------------------------------------------ */

static void interleave(const unsigned *order, const int *results, const bool *mores)
{
	static const char octets[64];
	struct seen sends[3];
	int files[3];
	bool answered[3] = { false };

	for (unsigned i = 0; i < 3; i++)
		files[i] = connected();
	for (unsigned i = 0; i < 3; i++) {
		sends[i] = fresh();
		io_send_zc(&sends[i].op, files[i], octets, sizeof(octets), 0);
	}
	turn();
	for (unsigned step = 0; step < 6; step++) {
		unsigned i = order[step];
		struct fake_op *op = fake_find(IORING_OP_SEND_ZC, files[i]);

		if (op == NULL)
			continue;	/* the result said that nothing would follow */
		if (!answered[i])
			fake_finish(op, results[i], mores[i] ? IORING_CQE_F_MORE : 0);
		else
			fake_finish(op, (int)IORING_NOTIF_USAGE_ZC_COPIED, IORING_CQE_F_NOTIF);
		answered[i] = true;
		turn();
		/* In the kernel until the last word, whatever the first one was. */
		assert_int_equal(sends[i].op.in_kernel, fake_find(IORING_OP_SEND_ZC, files[i]) != NULL);
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sends[i].callbacks, mores[i] ? 2 : 1);
		assert_int_equal(sends[i].res[0], results[i]);
		if (mores[i]) {
			assert_int_equal(sends[i].res[1], 0);
			assert_true(sends[i].copied[1]);
		}
		io_close(files[i]);
	}
	turn();
	while (fake_work())
		;
	turn();
}

static void notifications_in_every_order(void **state)
{
	static const int outcomes[] = { 64, 7, -ENOMEM };
	unsigned order[6];

	(void)state;
	/* Every sequence in which each of three sends speaks twice: 90 of the 729 in base 3. */
	for (unsigned code = 0; code < 729; code++) {
		unsigned counts[3] = { 0 }, rest = code;

		for (unsigned i = 0; i < 6; i++, rest /= 3)
			counts[order[i] = rest % 3]++;
		if (counts[0] != 2 || counts[1] != 2)
			continue;
		for (unsigned mores = 0; mores < 8; mores++) {
			const bool more[3] = { mores & 1, mores & 2, mores & 4 };
			const int results[3] = {
				outcomes[code % 3], outcomes[(code + mores) % 3], outcomes[mores % 3],
			};

			interleave(order, results, more);
		}
	}
}

/* --- URG-03, URG-12: chains and small queues --------------------------------------------------- */

static int small_queue_setup(void **state)
{
	(void)state;
	fake_reset(1);
	fake.manual = true;
	fake.calm = true;
	fake.sq_entries = 8;
	open_core_with(BUFS);
	return 0;
}

/* The fake asserts that no chain is cut by a submit. */
static void chains_hold_at_any_fill(void **state)
{
	struct addr remote = { .len = sizeof(remote.in) }, local = remote;

	(void)state;
	remote.in.sin_family = local.in.sin_family = AF_INET;
	remote.in.sin_port = htons(25);
	for (unsigned queued = 0; queued <= 8; queued++) {
		struct seen connect = fresh();
		int file = -1;

		for (unsigned i = 0; i < queued; i++)
			io_wake(0);
		io_connect(&connect.op, &remote, &local, &file);
		while (connect.callbacks == 0) {
			turn();
			(void)fake_work();
		}
		assert_int_equal(connect.res[0], 0);
		io_close(file);
		turn();
		while (fake_work())
			;
		turn();
	}
}

static void failed_steps_speak_for_the_chain(void **state)
{
	static const unsigned steps[] = { IORING_OP_SOCKET, IORING_OP_BIND, IORING_OP_CONNECT };
	struct addr remote = { .len = sizeof(remote.in) }, local = remote;

	(void)state;
	remote.in.sin_family = local.in.sin_family = AF_INET;
	for (unsigned fail = 0; fail < ARRAY_LEN(steps); fail++) {
		struct seen connect = fresh();
		int file = -1;

		io_connect(&connect.op, &remote, &local, &file);
		turn();
		for (struct fake_op *op; (op = fake_find(steps[fail], -1)) == NULL;)
			assert_true(fake_work());
		fake_finish(fake_find(steps[fail], -1), -EADDRNOTAVAIL, 0);
		turn();
		turn();
		assert_int_equal(connect.callbacks, 1);
		assert_int_equal(connect.res[0], -EADDRNOTAVAIL);
		assert_int_equal(fake_in_flight(), 0);
		io_close(file);
		turn();
		while (fake_work())
			;
		turn();
	}
}

/* --- URG-09, URG-10, URG-11: the queue of completions ------------------------------------------ */

static void a_lost_completion_ends_the_core(void **state)
{
	(void)state;
	fake.enter_err = -EBADR;
	assert_int_equal(io_wait(0), -EBADR);
}

static void disturbed_waits_are_tried_again(void **state)
{
	static const int errs[] = { -EINTR, -EAGAIN, -EBUSY, -ETIME };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(errs); i++) {
		int file = connected();
		struct seen shutdown = fresh();

		io_shutdown(&shutdown.op, file, SHUT_RDWR);
		fake.enter_err = errs[i];
		turn();
		assert_int_equal(shutdown.callbacks, 0);
		turn();		/* what was not submitted is submitted now */
		assert_non_null(fake_find(IORING_OP_SHUTDOWN, file));
		(void)fake_work();
		turn();
		assert_int_equal(shutdown.callbacks, 1);
		io_close(file);
		turn();
		(void)fake_work();
		turn();
	}
}

static void batches_are_fetched_until_empty(void **state)
{
	struct seen ops[100];
	unsigned done = 0;

	(void)state;
	fake.batch = 20;
	for (unsigned i = 0; i < 100; i++) {
		ops[i] = fresh();
		io_unlink(&ops[i].op, "x");
	}
	turn();
	while (fake_work())
		;
	for (unsigned turns = 0; turns < 5; turns++)
		turn();
	for (unsigned i = 0; i < 100; i++)
		done += ops[i].callbacks;
	assert_int_equal(done, 100);
}

static void an_overflowing_queue_loses_nothing(void **state)
{
	struct seen ops[300];

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		ops[i] = fresh();
		io_unlink(&ops[i].op, "x");
	}
	turn();
	while (fake_work())
		;
	for (unsigned turns = 0; turns < 4; turns++)
		turn();
	assert_true(fake.overflows > 0);
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(ops[i].callbacks, 1);
}

static int tiny_cq_setup(void **state)
{
	(void)state;
	fake_reset(1);
	fake.manual = true;
	fake.calm = true;
	fake.sq_entries = 4;
	fake.cq_entries = 8;
	open_core_with(BUFS);
	return 0;
}

/* --- URG-33: one that never stops talking ------------------------------------------------------ */

static void a_hot_socket_starves_nobody(void **state)
{
	struct seen quiet = fresh();
	int hot_file = connected(), quiet_file = connected();
	struct seen hot = fresh();

	(void)state;
	io_recv(&hot.op, hot_file);
	io_shutdown(&quiet.op, quiet_file, SHUT_WR);
	turn();
	fake_finish(fake_find(IORING_OP_RECV, hot_file), 3, fake_fill_buf("abc", 3) | IORING_CQE_F_MORE);
	fake_finish(fake_find(IORING_OP_RECV, hot_file), 3, fake_fill_buf("def", 3) | IORING_CQE_F_MORE);
	(void)fake_find(IORING_OP_SHUTDOWN, quiet_file);
	fake_finish(fake_find(IORING_OP_SHUTDOWN, quiet_file), 0, 0);
	turn();
	assert_int_equal(hot.callbacks, 2);
	assert_int_equal(quiet.callbacks, 1);
}

/* --- URG-23: the end of a stream ---------------------------------------------------------------- */

/* What comes last comes without F_MORE, as after a send and an immediate shutdown on a unix socket: that is no end. The
 * end is a receive of nothing, and whoever asks again gets it. */
static void the_end_is_a_receive_of_nothing(void **state)
{
	int file = connected();
	struct seen recv = fresh();

	(void)state;
	io_recv(&recv.op, file);
	turn();
	fake_finish(fake_find(IORING_OP_RECV, file), 5, fake_fill_buf("QUIT\n", 5));
	turn();
	assert_int_equal(recv.callbacks, 1);
	assert_int_equal(recv.res[0], 5);
	assert_int_equal(recv.octets[0], 5);
	assert_false(recv.more[0]);
	assert_false(recv.op.in_kernel);
	io_recv(&recv.op, file);
	turn();
	fake_finish(fake_find(IORING_OP_RECV, file), 0, 0);
	turn();
	assert_int_equal(recv.callbacks, 2);
	assert_int_equal(recv.res[1], 0);
	assert_int_equal(io_bufs_free(), BUFS);
}

/* --- URG-31: memory in the kernel's hands ------------------------------------------------------- */

static char lent[512];
static const char *receive_buf;

static void turn_and_touch(void *where)
{
	volatile char *at = where;

	turn();
	*at = 'x';
	while (fake_work())
		;
	turn();
}

static void read_and_touch(void *where)
{
	struct seen op = fresh();

	io_read(&op.op, connected(), lent, sizeof(lent), 0);
	turn_and_touch(where);
}

static void send_and_touch(void *where)
{
	struct seen op = fresh();

	io_send(&op.op, connected(), lent, sizeof(lent), 0);
	turn_and_touch(where);
}

static void send_zc_and_touch(void *where)
{
	struct seen op = fresh();
	int file = connected();

	io_send_zc(&op.op, file, lent, sizeof(lent), 0);
	turn();
	(void)fake_work();	/* the result, but not yet the notification: still the kernel's */
	assert_non_null(fake_find(IORING_OP_SEND_ZC, file));
	turn_and_touch(where);
}

static void on_look(struct op *op, int res)
{
	if (res > 0)
		receive_buf = op->data.ptr;
}

/* The buffer has gone back with the callback's end; its last octets serve nobody else in the meantime. */
static void receive_and_touch(void *where)
{
	int file = connected();
	struct op op;

	op_init(&op, on_look);
	io_recv(&op, file);
	turn();
	fake_finish(fake_find(IORING_OP_RECV, file), 3, fake_fill_buf("abc", 3) | IORING_CQE_F_MORE);
	turn();
	for (unsigned i = 1; i < BUFS; i++)
		fake_finish(fake_find(IORING_OP_RECV, file), 3, fake_fill_buf("abc", 3) | IORING_CQE_F_MORE);
	turn();
	if (where != NULL)
		turn_and_touch((char *)(uintptr_t)receive_buf);
	fake_finish(fake_find(IORING_OP_RECV, file), 3, fake_fill_buf("abc", 3) | IORING_CQE_F_MORE);
	for (unsigned i = 0; i < BUFS; i++)
		turn();
	for (unsigned i = 0; i < BUFS; i++)
		fake_finish(fake_find(IORING_OP_RECV, file), 3, fake_fill_buf("abc", 3) | IORING_CQE_F_MORE);
}

static void memory_in_flight_is_guarded(void **state)
{
	char *const elsewhere = lent + sizeof(lent) - 1;
	static char free_octet;

	(void)state;
	assert_false(test_dies(read_and_touch, &free_octet));
	assert_true(test_dies(read_and_touch, elsewhere));
	assert_false(test_dies(send_and_touch, &free_octet));
	assert_true(test_dies(send_and_touch, elsewhere));
	assert_false(test_dies(send_zc_and_touch, &free_octet));
	assert_true(test_dies(send_zc_and_touch, elsewhere));
	assert_false(test_dies(receive_and_touch, NULL));
	assert_true(test_dies(receive_and_touch, elsewhere));
}

/* --- set-up ------------------------------------------------------------------------------------ */

static void every_setup_error_has_its_words(void **state)
{
	static const int errs[] = { -ENOSYS, -EPERM, -EINVAL, -EMFILE, -ENFILE };
	const struct io_conf conf = { .files_max = FILES, .recv_bufs = BUFS };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(errs); i++) {
		fake_reset(1);
		fake.setup_err = errs[i];
		assert_int_equal(io_open_core(&conf), errs[i]);
		assert_int_equal(io_probe(), errs[i]);
		assert_true(strlen(io_diagnosis(errs[i])) > 10);
	}
}

static void a_kernel_without_an_operation_is_refused(void **state)
{
	(void)state;
	fake_reset(1);
	assert_int_equal(io_probe(), 0);
	fake.missing = UINT64_C(1) << IORING_OP_SEND_ZC;
	fake.enabled = false;
	assert_int_equal(io_probe(), -EOPNOTSUPP);
}

static void an_older_library_is_refused(void **state)
{
	(void)state;
	fake_reset(1);
	assert_int_equal(io_probe(), 0);
	fake.enabled = false;
	fake.old_library = true;
	assert_int_equal(io_probe(), -ELIBBAD);
	assert_non_null(strstr(io_diagnosis(-ELIBBAD), "liburing"));
	assert_string_not_equal(io_library().linked, "");
}

static void the_ring_is_restricted_kept_from_children_and_small(void **state)
{
	(void)state;
	assert_true(fake.enabled);
	assert_true(fake.dontfork);
	assert_true(fake.ring_fd_registered);
	assert_true(fake.workers[0] >= 1 && fake.workers[0] <= 4);
	assert_true(fake.workers[1] >= 1 && fake.workers[1] <= 8);
}

/* --- chance ------------------------------------------------------------------------------------ */

struct storm {
	const char *words;
	unsigned sq, cq, bufs, talkers, batch, enter_err_percent;
};

static void a_storm(const struct storm *storm, uint64_t seed, uint64_t connections)
{
	struct talkers_report report;

	fake_reset(seed);
	fake.sq_entries = storm->sq;
	fake.cq_entries = storm->cq;
	fake.batch = storm->batch;
	fake.enter_err_percent = storm->enter_err_percent;
	open_core_with(storm->bufs);
	assert_true(talkers_run(storm->talkers, connections, 1000000, &report));
	assert_true(report.whole > 0);
	assert_int_equal(fake.mixed, 0);
	/* Closing is asked for, not waited for. */
	fake.calm = true;
	for (unsigned i = 0; i < 3 || fake_in_flight() > 0 || io_has_completions(); i++) {
		assert_true(i < 1000);
		turn();
		while (fake_work())
			;
	}
	for (unsigned i = 0; i < FILES; i++)
		assert_false(fake.files[i].open);
	assert_int_equal(io_bufs_free(), storm->bufs);
	assert_int_equal(fake_bufs_free(), storm->bufs);
	io_close_core();
}

static void storms_mix_nothing_up_and_leak_nothing(void **state)
{
	static const struct storm storms[] = {
		{ "roomy", 256, 1024, 64, 24, 0, 5 },
		{ "four buffers for twenty talkers", 256, 1024, 4, 20, 0, 0 },
		{ "a tiny ring", 8, 16, 16, 12, 0, 20 },
		{ "completions by the spoonful", 64, 256, 8, 20, 3, 10 },
	};
	bool nobufs = false, overflows = false, dropped = false, late = false;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(storms); i++)
		for (uint64_t seed = 1; seed <= 100; seed++) {
			a_storm(&storms[i], seed * 7919 + i, 120);
			nobufs |= fake.nobufs > 0;
			overflows |= fake.overflows > 0;
			dropped |= fake.mores_dropped > 0;
			late |= fake.cancels_late > 0;
		}
	/* What the storms are for did happen. */
	assert_true(nobufs && overflows && dropped && late);
}

static void files_are_used_again_ten_thousand_times(void **state)
{
	static const struct storm storm = { "many connections", 256, 1024, 16, 24, 0, 1 };

	(void)state;
	a_storm(&storm, 42, 10000);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM_WITH("URG-02, URG-07: a cancellation and its target in every order, with every result",
			   cancellations_in_every_order, manual_setup, teardown),
		CLAIM_WITH("URG-01: a cancellation that comes late hits nobody else", a_late_cancellation_hits_nobody_else,
			   manual_setup, teardown),
		CLAIM_WITH("URG-01: a completion for what is over stops us", a_stale_completion_stops_us, manual_setup,
			   teardown),
		CLAIM_WITH("URG-15: results and notifications of three zero-copy sends in every order",
			   notifications_in_every_order, manual_setup, teardown),
		CLAIM_WITH("URG-03, URG-12: a chain of five goes out whole, however full the queue is",
			   chains_hold_at_any_fill, small_queue_setup, teardown),
		CLAIM_WITH("URG-03: whichever step of a connect fails, one completion says so",
			   failed_steps_speak_for_the_chain, manual_setup, teardown),
		CLAIM_WITH("URG-09: a completion lost for good ends the core", a_lost_completion_ends_the_core, manual_setup,
			   teardown),
		CLAIM_WITH("URG-11: EINTR, EAGAIN, EBUSY and ETIME of enter lose no submission",
			   disturbed_waits_are_tried_again, manual_setup, teardown),
		CLAIM_WITH("URG-10: 100 completions that become visible 20 at a time are all taken",
			   batches_are_fetched_until_empty, manual_setup, teardown),
		CLAIM_WITH("URG-09: 300 completions through a queue of 8", an_overflowing_queue_loses_nothing,
			   tiny_cq_setup, teardown),
		CLAIM_WITH("URG-33: what else is ready gets its turn beside one that talks without end",
			   a_hot_socket_starves_nobody, manual_setup, teardown),
		CLAIM_WITH("URG-23: what comes last without F_MORE is not the end; a receive of nothing is",
			   the_end_is_a_receive_of_nothing, manual_setup, teardown),
		CLAIM_WITH("URG-31: who touches memory in the kernel's hands is stopped", memory_in_flight_is_guarded,
			   manual_setup, teardown),
		CLAIM("URG-27: every error of the set-up has its words", every_setup_error_has_its_words),
		CLAIM("URG-28: a kernel without an operation we need is refused", a_kernel_without_an_operation_is_refused),
		CLAIM("URG-29: a liburing older than its headers is refused", an_older_library_is_refused),
		CLAIM_WITH("URG-18, URG-26, URG-32: few workers, nothing for children, restricted before it is enabled",
			   the_ring_is_restricted_kept_from_children_and_small, manual_setup, teardown),
		/* The kernel of these also asserts URG-04, URG-08, URG-14 and URG-20 at every step. */
		CLAIM("URG-01, URG-05, URG-06, URG-13, URG-22: storms mix nothing up and leak nothing",
		      storms_mix_nothing_up_and_leak_nothing),
		CLAIM("URG-17: 10,000 connections through 64 files", files_are_used_again_ten_thousand_times),
	};

	return cmocka_run_group_tests_name("core/io_uring_fake", claims, NULL, NULL);
}
