/* The journal on a real ring and real files: many waiters, kill -9 in a loop, and how fast it is. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "tests/test.h"

#include "core/clock.h"
#include "core/journal_impl.h"

#define WRITERS		50u
#define KILLS		30u
#define RECORD_LEN	KIB(4)
#define RECORDS_MAX	400000u

/* Shared with the child that is killed: what it appended, what was promised to it. */
struct ledger {
	uint32_t appended;
	uint32_t acked;		/* all up to this number */
	uint32_t ended;		/* all up to this number may be gone */
};

struct writer {
	struct journal_waiter waiter;
	uint32_t id;
	struct journal_ref ref;
};

static struct reactor reactor;
static char dir[] = "/var/tmp/ringpost-journal.XXXXXX";
static struct ledger *ledger;
static struct journal *journal;
static struct writer writers[WRITERS];
static char payload[RECORD_LEN];
static bool ready;
static bool closed;
static bool stop;
static unsigned busy;
static uint32_t replayed_last;
static uint32_t replayed_first;
static uint64_t acks;
static struct journal_ref refs[RECORDS_MAX];

/* --- records that know who they are ----------------------------------------------------------- */

static uint32_t len_of(uint32_t id)
{
	return id % 7 == 0 ? 16 + id % 1000 : RECORD_LEN;
}

static void fill(uint32_t id)
{
	uint64_t seed = id;

	for (size_t i = 0; i < RECORD_LEN; i += 512) {
		const uint64_t r = test_random(&seed);

		memcpy(payload + i, &r, sizeof(r));
	}
	memcpy(payload, &id, sizeof(id));
}

static int on_replay(struct journal *j, const struct journal_record *record, void *context)
{
	uint32_t id;

	(void)context;
	assert_true(record->payload.len >= 16);
	memcpy(&id, record->payload.ptr, sizeof(id));
	assert_int_equal(record->payload.len, len_of(id));
	fill(id);
	assert_memory_equal(record->payload.ptr, payload, record->payload.len);
	if (replayed_last == 0)
		replayed_first = id;
	else
		assert_int_equal(id, replayed_last + 1);
	replayed_last = id;
	if (id > ledger->ended)
		journal_hold(j, record->ref.segment);
	assert_true(id < RECORDS_MAX);
	refs[id] = record->ref;
	return 0;
}

static void on_damage(struct journal *j, uint32_t segment, uint32_t offset, uint32_t len, void *context)
{
	(void)j, (void)context;
	fail_msg("damage at %u/%u+%u", segment, offset, len);
}

static void on_ready(struct journal *j, int err, void *context)
{
	(void)j, (void)context;
	assert_int_equal(err, 0);
	ready = true;
}

static void on_closed(struct journal *j, void *context)
{
	(void)j, (void)context;
	closed = true;
}

static void turn(void)
{
	assert_int_equal(reactor_turn(&reactor, clock_mono_ns() + 20 * NS_PER_MS), 0);
}

static void turn_until(const bool *done)
{
	const uint64_t deadline = clock_mono_ns() + 30 * NS_PER_SEC;

	while (!*done) {
		assert_true(clock_mono_ns() < deadline);
		turn();
	}
}

static void open_journal(size_t segment_size)
{
	const struct io_conf io = { .core = 0, .files_max = 256, .arena_size = MIB(17), .recv_bufs = 8 };
	const struct journal_conf conf = { .dir = dir, .segment_size = segment_size, .memory = MIB(16) };
	const struct journal_events events = { .replay = on_replay, .damage = on_damage, .ready = on_ready };

	ready = closed = stop = false;
	replayed_last = 0;
	replayed_first = 0;
	busy = 0;
	acks = 0;
	assert_int_equal(xcall_start(1), 0);
	assert_int_equal(reactor_open(&reactor, &io), 0);
	journal = journal_new(&conf, &events);
	assert_non_null(journal);
	journal_open(journal);
	turn_until(&ready);
}

static void close_journal(void)
{
	stop = true;
	for (unsigned i = 0; busy > 0; i++) {
		assert_true(i < 100000);
		turn();
	}
	journal_close(journal, on_closed, NULL);
	turn_until(&closed);
	journal_free(&journal);
	reactor_close(&reactor);
	xcall_stop();
}

/* --- writers: each appends, waits, and appends again ------------------------------------------ */

static void write_next(struct writer *w);

static void end_up_to(uint32_t id)
{
	while (ledger->ended < id) {
		ledger->ended++;
		journal_release(journal, refs[ledger->ended].segment);
	}
}

static void on_commit(struct journal_waiter *waiter, int err)
{
	struct writer *w = container_of(waiter, struct writer, waiter);

	assert_int_equal(err, 0);
	busy--;
	acks++;
	/* A commit covers all that was appended before its own record too. */
	__atomic_store_n(&ledger->acked, MAX(ledger->acked, w->id), __ATOMIC_RELEASE);
	if (w->id > 3000)
		end_up_to(w->id - 3000);
	write_next(w);
}

static void on_room(struct journal_waiter *waiter, int err)
{
	assert_int_equal(err, 0);
	busy--;
	write_next(container_of(waiter, struct writer, waiter));
}

static void write_next(struct writer *w)
{
	const uint32_t id = ledger->appended + 1;

	if (stop || id >= RECORDS_MAX)
		return;
	fill(id);
	const struct slice part = slice_of(payload, len_of(id));
	int r = journal_append(journal, 1, JOURNAL_NEW, &part, 1, &w->ref);

	list_init(&w->waiter.node);
	busy++;
	if (r == -ENOBUFS) {
		w->waiter.fn = on_room;
		journal_wait_room(journal, &w->waiter);
		return;
	}
	assert_int_equal(r, 0);
	w->id = id;
	refs[id] = w->ref;
	__atomic_store_n(&ledger->appended, id, __ATOMIC_RELEASE);
	journal_hold(journal, w->ref.segment);
	w->waiter.fn = on_commit;
	journal_commit(journal, &w->waiter);
}

static void start_writers(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		write_next(&writers[i]);
}

/* --- claims ----------------------------------------------------------------------------------- */

static void empty_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[512];

	assert_non_null(d);
	while ((e = readdir(d)) != NULL) {
		assert_true(snprintf(path, sizeof(path), "%s/%s", dir, e->d_name) < (int)sizeof(path));
		if (e->d_name[0] != '.')
			assert_int_equal(unlink(path), 0);
	}
	closedir(d);
}

static void start_over(void)
{
	empty_dir();
	memset(ledger, 0, sizeof(*ledger));
}

static void many_writers_share_commits_and_all_comes_back(void **state)
{
	uint64_t until = clock_mono_ns() + 300 * NS_PER_MS;

	(void)state;
	start_over();
	open_journal(MIB(4));
	start_writers(WRITERS);
	while (clock_mono_ns() < until)
		turn();
	const int64_t commits = metric_read(&journal_metric_commits);

	close_journal();
	assert_int_equal(ledger->acked, ledger->appended);
	assert_true(commits > 1 && (uint64_t)commits * 5 < acks);	/* the group is fifty */
	open_journal(MIB(4));
	assert_int_equal(replayed_last, ledger->acked);
	assert_true(replayed_first <= ledger->ended + 1);
	close_journal();
}

/* Promise P1 under SIGKILL: whatever was acknowledged comes back unaltered, in order, from whatever moment. */
static void kill_in_mid_flight_loses_nothing_acknowledged(void **state)
{
	uint64_t seed = 42;

	(void)state;
	start_over();
	for (unsigned round = 0; round < KILLS; round++) {
		const pid_t child = fork();

		if (child == 0) {
			open_journal(MIB(4));
			ledger->appended = MAX(replayed_last, ledger->ended);
			start_writers(WRITERS);
			for (;;)
				turn();
		}
		assert_true(child > 0);
		assert_int_equal(usleep((useconds_t)(test_random(&seed) % 150000)), 0);
		assert_int_equal(kill(child, SIGKILL), 0);
		assert_int_equal(waitpid(child, NULL, 0), child);

		const uint32_t acked = __atomic_load_n(&ledger->acked, __ATOMIC_ACQUIRE);

		open_journal(MIB(4));
		if (acked > ledger->ended)
			assert_true(replayed_last >= acked);
		if (replayed_last != 0)
			assert_true(replayed_first <= ledger->ended + 1);
		close_journal();
		/* What came back without having been promised stays: it is promised from now on. */
		ledger->acked = MAX(acked, replayed_last);
	}
	print_message("%u records acknowledged over %u kills\n", ledger->acked, KILLS);
	assert_true(ledger->acked > KILLS);
}

static void measure(unsigned count)
{
	start_over();
	open_journal(MIB(64));
	const uint64_t from = clock_mono_ns();

	const int64_t commits = metric_read(&journal_metric_commits);

	start_writers(count);
	while (clock_mono_ns() - from < 700 * NS_PER_MS)
		turn();
	const double seconds = (double)(clock_mono_ns() - from) / 1e9;

	print_message("%3u writers: %.0f commits/s, %.0f records/s of about 4 KiB acknowledged\n", count,
		      (double)(metric_read(&journal_metric_commits) - commits) / seconds, (double)acks / seconds);
	assert_true(acks > 0);
	close_journal();
}

static void it_runs_at_the_speed_of_the_disk(void **state)
{
	(void)state;
	measure(1);
	measure(WRITERS);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	ledger = mmap(NULL, sizeof(*ledger), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(ledger, MAP_FAILED);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	empty_dir();
	munmap(ledger, sizeof(*ledger));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest claims[] = {
		CLAIM("many writers share commits, and all comes back",
		      many_writers_share_commits_and_all_comes_back),
		CLAIM("P1: kill -9 in mid-flight loses nothing acknowledged",
		      kill_in_mid_flight_loses_nothing_acknowledged),
		CLAIM("it runs at the speed of the disk", it_runs_at_the_speed_of_the_disk),
	};

	return cmocka_run_group_tests_name("core/journal_ring", claims, setup, teardown);
}
