/* bench_journal.c - what durable costs, and how group commit shares it
 *
 * One round appends a group of records as a spool does for mail, asks for one commit, and waits until
 * the disk has it. The argument is the size of the group: per item, fifty must cost little more than a
 * fiftieth of one. The yardstick is fdatasync of the same number of octets without any journal, on the
 * same file system.
 *
 * Writes below $BENCH_DIR, or /var/tmp: not below /tmp, which may live in memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/gbench.h"
#include "core/clock.h"
#include "core/err.h"
#include "core/journal.h"

#define RECORD_SIZE	KIB(4)
#define RECORD_TYPE	1
#define TURNS_MAX	10000

static struct reactor reactor;
static struct journal *journal;
static char dir[256];
static char record[RECORD_SIZE];

/* --- waiting ---------------------------------------------------------------------------------- */

static bool finished;
static int result;

static void finish(int err)
{
	finished = true;
	result = err;
}

/* Turns until somebody calls finish. */
static int await(void)
{
	for (unsigned n = 0; !finished && n < TURNS_MAX; n++)
		(void)reactor_turn(&reactor, clock_mono_ns() + NS_PER_SEC);
	if (!finished)
		return ERR_TIMEOUT;
	finished = false;
	return result;
}

static void on_commit(struct journal_waiter *waiter, int err)
{
	(void)waiter;
	finish(err);
}

static void on_ready(struct journal *j, int err, void *context)
{
	(void)j, (void)context;
	finish(err);
}

static void on_closed(struct journal *j, void *context)
{
	(void)j, (void)context;
	finish(0);
}

static int on_replay(struct journal *j, const struct journal_record *found, void *context)
{
	(void)j, (void)found, (void)context;
	return -EEXIST;		/* our directory is new */
}

static void on_damage(struct journal *j, uint32_t segment, uint32_t offset, uint32_t len,
		      void *context)
{
	(void)j, (void)segment, (void)offset, (void)len, (void)context;
	finish(ERR_CORRUPT);
}

/* --- benchmarks ------------------------------------------------------------------------------- */

static int append_group(int64_t count)
{
	struct slice part = slice_of(record, sizeof(record));

	for (int64_t i = 0; i < count; i++) {
		struct journal_ref ref;
		int r = journal_append(journal, RECORD_TYPE, JOURNAL_NEW, &part, 1, &ref);

		if (r < 0)
			return r;
	}
	return 0;
}

static void bench_commit(struct gbench *b, int64_t count)
{
	struct journal_waiter waiter = { .fn = on_commit };
	int r = 0;

	list_init(&waiter.node);
	while (gbench_next(b)) {
		r = append_group(count);
		if (r < 0)
			break;
		journal_commit(journal, &waiter);
		r = await();
		if (r < 0)
			break;
	}
	if (r < 0) {
		gbench_fail(b, err_text(r));
		return;
	}
	gbench_set_items(b, count);
	gbench_set_bytes(b, count * (int64_t)RECORD_SIZE);
}

/* What the same octets cost without us: one write, one fdatasync, into space that exists already. */
static void bench_raw(struct gbench *b, int64_t count)
{
	size_t size = (size_t)count * RECORD_SIZE;
	char *octets = calloc(1, size);
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	off_t offset = 0;
	bool ok = octets != NULL && fd >= 0 && posix_fallocate(fd, 0, (off_t)MIB(64)) == 0;

	while (ok && gbench_next(b)) {
		ok = pwrite(fd, octets, size, offset) == (ssize_t)size && fdatasync(fd) == 0;
		offset = (offset + (off_t)size) % (off_t)MIB(48);
	}
	if (!ok)
		gbench_fail(b, "write or fdatasync failed");
	gbench_set_items(b, count);
	gbench_set_bytes(b, (int64_t)size);
	free(octets);
	if (fd >= 0)
		close(fd);
}

/* --- a place and a journal -------------------------------------------------------------------- */

static int open_all(void)
{
	const struct io_conf io = { .core = 0, .files_max = 64, .arena_size = MIB(32) };
	const struct journal_conf conf = { .dir = dir, .segment_size = MIB(64), .memory = MIB(16) };
	const struct journal_events events = {
		.replay = on_replay,
		.damage = on_damage,
		.ready = on_ready,
	};
	const char *base = getenv("BENCH_DIR");
	int r;

	(void)snprintf(dir, sizeof(dir), "%s/bench_journal.XXXXXX", base != NULL ? base : "/var/tmp");
	if (mkdtemp(dir) == NULL)
		return -errno;
	r = xcall_start(1);
	if (r == 0)
		r = reactor_open(&reactor, &io);
	if (r < 0)
		return r;
	journal = journal_new(&conf, &events);
	if (journal == NULL)
		return -ENOMEM;
	journal_open(journal);
	return await();
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
	(void)st, (void)type, (void)where;
	return remove(path);
}

static int close_all(void)
{
	journal_close(journal, on_closed, NULL);
	int r = await();

	journal_free(&journal);
	reactor_close(&reactor);
	xcall_stop();
	return r;
}

int main(int argc, char **argv)
{
	static const int64_t groups[] = { 1, 10, 50, 250 };
	int code = 1;
	int err = open_all();

	if (err == 0) {
		for (size_t i = 0; i < ARRAY_LEN(groups); i++) {
			gbench_register_waiting("journal/raw", bench_raw, groups[i]);
			gbench_register_waiting("journal/commit", bench_commit, groups[i]);
		}
		code = gbench_main(argc, argv);
		err = close_all();
	}
	if (err < 0)
		fprintf(stderr, "bench_journal: %s: %s\n", dir, err_text(err));
	(void)nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	return err < 0 ? 1 : code;
}
