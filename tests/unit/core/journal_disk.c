#include "tests/unit/core/journal_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "core/clock.h"
#include "core/random.h"
#include "tests/test.h"

#define OPEN_MAX	64
#define FLIGHT_MAX	64
#define CHANGES_MAX	64
#define FILE_SIZE_MAX	MIB(8)
#define ARENA_SIZE	MIB(64)
#define TURNS_MAX	100000u
#define DIR_FILE	(OPEN_MAX - 1)

struct inode {
	bool used;
	uint8_t *cache;			/* what programs see */
	uint8_t *disk;			/* what survives */
	uint8_t *dirty;			/* by sector */
	size_t size;
	size_t disk_size;
	size_t high;			/* nothing but zeros was ever behind it */
};

struct entry {
	char name[64];			/* "": free */
	unsigned inode;
};

struct change {
	char from[64];			/* "": a new file */
	char to[64];			/* "": removed */
	unsigned inode;
};

struct request {
	enum disk_op kind;
	bool then_sync;		/* io_write_sync: the write comes first */
	int written;		/* and this is what it answers when the sync is done */
	struct op *op;
	int file;
	void *buf;
	const void *data;
	size_t len;
	uint64_t offset;
	int flags;
	const char *path;
	const char *path_new;
};

struct disk_rules disk_rules;
unsigned disk_ops;
unsigned disk_ops_of[DISK_OPS];
bool disk_crashed;

static struct inode inodes[DISK_FILES];
static struct entry cache_dir[DISK_FILES];
static struct entry disk_dir[DISK_FILES];
static struct change changes[CHANGES_MAX];
static unsigned change_count;
static int open_files[OPEN_MAX];		/* inode, -1: free */
static struct request flight[FLIGHT_MAX];
static unsigned flight_count;
static struct list tasks;
static struct list turn_ends;
static struct list timers;
static uint64_t now_ns = 1;
static uint64_t chance;
static char *arena;
static size_t arena_used;
static struct reactor reactor;

/* --- files ------------------------------------------------------------------------------------ */

static struct entry *find(struct entry *dir, const char *name)
{
	for (unsigned i = 0; i < DISK_FILES; i++)
		if (strcmp(dir[i].name, name) == 0)
			return &dir[i];
	return NULL;
}

static void copy_name(char to[64], const char *from)
{
	const size_t len = strlen(from);

	assert_in_range(len, 0, 63);
	memmove(to, from, len + 1);
}

static void set_name(struct entry *dir, const char *name, unsigned inode)
{
	struct entry *e = find(dir, name);

	if (e == NULL)
		e = find(dir, "");
	assert_non_null(e);
	copy_name(e->name, name);
	e->inode = inode;
}

static void clear_name(struct entry *dir, const char *name)
{
	struct entry *e = find(dir, name);

	if (e != NULL)
		e->name[0] = '\0';
}

static unsigned inode_new(void)
{
	for (unsigned i = 0; i < DISK_FILES; i++) {
		if (inodes[i].used)
			continue;
		inodes[i].used = true;
		if (inodes[i].cache == NULL) {
			inodes[i].cache = calloc(1, FILE_SIZE_MAX);
			inodes[i].disk = calloc(1, FILE_SIZE_MAX);
			inodes[i].dirty = calloc(1, FILE_SIZE_MAX / DISK_SECTOR);
		}
		return i;
	}
	fail_msg("more than %u files", DISK_FILES);
	return 0;
}

/* The memory stays with it, zeroed: asking the kernel for new pages is what takes most time here. */
static void inode_free(struct inode *n)
{
	if (n->cache == NULL)
		return;
	memset(n->cache, 0, n->high);
	memset(n->disk, 0, n->high);
	memset(n->dirty, 0, n->high / DISK_SECTOR + 1);
	*n = (struct inode){ .cache = n->cache, .disk = n->disk, .dirty = n->dirty };
}

/* Frees what no name and no open file leads to. */
static void collect(void)
{
	bool wanted[DISK_FILES] = { false };

	for (unsigned i = 0; i < DISK_FILES; i++) {
		if (cache_dir[i].name[0] != '\0')
			wanted[cache_dir[i].inode] = true;
		if (disk_dir[i].name[0] != '\0')
			wanted[disk_dir[i].inode] = true;
	}
	for (unsigned i = 0; i < change_count; i++)
		wanted[changes[i].inode] = true;
	for (unsigned i = 0; i < OPEN_MAX; i++)
		if (open_files[i] >= 0)
			wanted[open_files[i]] = true;
	for (unsigned i = 0; i < DISK_FILES; i++)
		if (inodes[i].used && !wanted[i])
			inode_free(&inodes[i]);
}

static void sync_inode(struct inode *n)
{
	for (size_t s = 0; s * DISK_SECTOR < n->high; s++) {
		if (n->dirty[s] == 0)
			continue;
		memcpy(n->disk + s * DISK_SECTOR, n->cache + s * DISK_SECTOR, DISK_SECTOR);
		n->dirty[s] = 0;
	}
	n->disk_size = n->size;
}

static void apply(const struct change *c, struct entry *dir)
{
	if (c->from[0] != '\0')
		clear_name(dir, c->from);
	if (c->to[0] != '\0')
		set_name(dir, c->to, c->inode);
}

static void change_dir(const char *from, const char *to, unsigned inode)
{
	struct change *c = &changes[change_count++];

	assert_true(change_count <= CHANGES_MAX);
	*c = (struct change){ .inode = inode };
	copy_name(c->from, from);
	copy_name(c->to, to);
	apply(c, cache_dir);
}

static void sync_dir(void)
{
	for (unsigned i = 0; i < change_count; i++)
		apply(&changes[i], disk_dir);
	change_count = 0;
	collect();
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

/* --- crash ------------------------------------------------------------------------------------ */

/* 0: lost, 1: kept, 2: torn */
static unsigned decide(struct disk_choice *c, unsigned unit)
{
	uint64_t r;

	switch (c->kind) {
	case DISK_KEEP_NONE:
		return 0;
	case DISK_KEEP_ALL:
		return 1;
	case DISK_KEEP_BITS:
		return c->bits >> unit % 64 & 1;
	case DISK_KEEP_RANDOM:
		return test_random(&c->bits) & 1;
	default:
		r = test_random(&c->bits) % 5;
		return r == 4 ? 2 : r & 1;
	}
}

static unsigned settle_inode(struct inode *n, struct disk_choice *choice, unsigned unit)
{
	for (size_t s = 0; s * DISK_SECTOR < n->high; s++) {
		if (n->dirty[s] == 0)
			continue;
		const unsigned fate = decide(choice, unit++);
		const size_t cut = fate == 2 ? test_random(&choice->bits) % DISK_SECTOR : DISK_SECTOR;

		if (fate > 0)
			memcpy(n->disk + s * DISK_SECTOR, n->cache + s * DISK_SECTOR, cut);
		n->dirty[s] = 0;
	}
	if (n->size != n->disk_size && decide(choice, unit++) > 0)
		n->disk_size = n->size;
	return unit;
}

unsigned disk_unsynced(void)
{
	unsigned units = change_count;

	for (unsigned i = 0; i < DISK_FILES; i++) {
		const struct inode *n = &inodes[i];

		if (!n->used)
			continue;
		units += n->size != n->disk_size;
		for (size_t s = 0; s * DISK_SECTOR < n->high; s++)
			units += n->dirty[s];
	}
	return units;
}

static void machine_reset(void)
{
	for (unsigned i = 0; i < OPEN_MAX; i++)
		open_files[i] = -1;
	flight_count = 0;
	list_init(&tasks);
	list_init(&turn_ends);
	list_init(&timers);
	arena_used = 0;
	disk_ops = 0;
	disk_crashed = false;
	memset(disk_ops_of, 0, sizeof(disk_ops_of));
	if (arena == NULL)
		arena = aligned_alloc(4096, ARENA_SIZE);
	assert_non_null(arena);
}

void disk_restart(struct disk_choice choice)
{
	unsigned unit = 0;

	for (unsigned i = 0; i < change_count; i++)
		if (decide(&choice, unit++) > 0)
			apply(&changes[i], disk_dir);
	change_count = 0;
	for (unsigned i = 0; i < DISK_FILES; i++) {
		struct inode *n = &inodes[i];

		if (!n->used)
			continue;
		unit = settle_inode(n, &choice, unit);
		n->size = n->disk_size;
		if (n->high > n->size)
			memset(n->disk + n->size, 0, n->high - n->size);
		memcpy(n->cache, n->disk, n->high);
	}
	memcpy(cache_dir, disk_dir, sizeof(cache_dir));
	machine_reset();
	collect();
}

void disk_kill(void)
{
	machine_reset();
	collect();
}

void disk_format(void)
{
	for (unsigned i = 0; i < DISK_FILES; i++)
		inode_free(&inodes[i]);
	memset(cache_dir, 0, sizeof(cache_dir));
	memset(disk_dir, 0, sizeof(disk_dir));
	change_count = 0;
	disk_rules = (struct disk_rules){ 0 };
	chance = 0;
	now_ns = 1;
	machine_reset();
}

/* --- operations ------------------------------------------------------------------------------- */

static int do_open(const struct request *r)
{
	const char *name = base_name(r->path);
	struct entry *e = find(cache_dir, name);

	if ((r->flags & O_DIRECTORY) != 0)
		return DIR_FILE;
	if ((r->flags & O_CREAT) != 0) {
		if (e != NULL)
			return -EEXIST;
		if (disk_rules.no_space)
			return -ENOSPC;
		change_dir("", name, inode_new());
		e = find(cache_dir, name);
	}
	if (e == NULL)
		return -ENOENT;
	for (int i = 0; i < DIR_FILE; i++) {
		if (open_files[i] >= 0)
			continue;
		open_files[i] = (int)e->inode;
		return i;
	}
	return -ENFILE;
}

static struct inode *inode_of(const struct request *r)
{
	assert_in_range(r->file, 0, DIR_FILE - 1);
	assert_true(open_files[r->file] >= 0);
	return &inodes[open_files[r->file]];
}

static size_t some_of(size_t len)
{
	return disk_rules.short_io && len > 1 ? 1 + test_random(&chance) % (len - 1) : len;
}

static int do_read(const struct request *r)
{
	const struct inode *n = inode_of(r);
	const size_t rest = r->offset < n->size ? n->size - (size_t)r->offset : 0;
	const size_t len = some_of(MIN(r->len, rest));

	const size_t bad = disk_rules.bad_sector * DISK_SECTOR;

	if (disk_rules.bad_file != NULL && n == &inodes[find(cache_dir, disk_rules.bad_file)->inode] &&
	    r->offset < bad + DISK_SECTOR && r->offset + len > bad)
		return -EIO;
	const size_t written = r->offset < n->high ? MIN(len, n->high - (size_t)r->offset) : 0;

	memcpy(r->buf, n->cache + r->offset, written);
	memset((char *)r->buf + written, 0, len - written);
	return (int)len;
}

static int do_write(const struct request *r)
{
	struct inode *n = inode_of(r);
	const size_t len = some_of(r->len);

	assert_true(r->offset + len <= FILE_SIZE_MAX);
	memcpy(n->cache + r->offset, r->data, len);
	for (size_t s = (size_t)r->offset / DISK_SECTOR; s <= ((size_t)r->offset + len - 1) / DISK_SECTOR; s++)
		n->dirty[s] = 1;
	n->size = MAX(n->size, (size_t)r->offset + len);
	n->high = MAX(n->high, (size_t)r->offset + len);
	return (int)len;
}

/* The kernel tells once, and forgets: pages are clean, half of them were written. */
static void fail_sync(const struct request *r)
{
	struct disk_choice half = { .kind = DISK_KEEP_RANDOM, .bits = chance };

	if (disk_rules.failed_sync_writes)
		half.kind = DISK_KEEP_ALL;

	if (r->file != DIR_FILE)
		(void)settle_inode(inode_of(r), &half, 0);	/* how many units there were does not matter */
}

static int execute(const struct request *r)
{
	struct entry *e;

	switch (r->kind) {
	case DISK_OPEN:
		return do_open(r);
	case DISK_READ:
		return do_read(r);
	case DISK_WRITE:
		return do_write(r);
	case DISK_FDATASYNC:
	case DISK_FSYNC:
		if (r->file == DIR_FILE)
			sync_dir();
		else
			sync_inode(inode_of(r));
		return 0;
	case DISK_FALLOCATE:
		if (disk_rules.no_space)
			return -ENOSPC;
		inode_of(r)->size = MAX(inode_of(r)->size, (size_t)(r->offset + r->len));
		return 0;
	case DISK_RENAME:
	case DISK_UNLINK:
		e = find(cache_dir, base_name(r->path));
		if (e == NULL)
			return -ENOENT;
		change_dir(base_name(r->path), r->kind == DISK_RENAME ? base_name(r->path_new) : "", e->inode);
		return 0;
	default:
		fail_msg("no such operation");
		return 0;
	}
}

/* Takes one of those in flight out and runs it; its callback comes at once, which is a turn of its own. */
static void run_one(void)
{
	const unsigned pick = flight_count > 1 ? (unsigned)(test_random(&chance) % flight_count) : 0;
	const struct request r = flight[pick];
	const unsigned nth = ++disk_ops_of[r.kind];
	int res;

	if (++disk_ops == disk_rules.crash_at) {
		disk_crashed = true;
		return;
	}
	memmove(&flight[pick], &flight[pick + 1], (flight_count - pick - 1) * sizeof(flight[0]));
	flight_count--;
	const unsigned at = disk_rules.fail[r.kind].at;

	if (at != 0 && (nth == at || (nth > at && disk_rules.fail[r.kind].sticky))) {
		res = disk_rules.fail[r.kind].err;
		if (r.kind == DISK_FDATASYNC || r.kind == DISK_FSYNC)
			fail_sync(&r);
	} else {
		res = execute(&r);
	}
	if (r.then_sync && res > 0) {
		flight[flight_count] =
			(struct request){ .kind = DISK_FDATASYNC, .op = r.op, .file = r.file, .written = res };
		flight_count++;
		return;
	}
	if (res == 0 && r.written > 0)
		res = r.written;
	r.op->in_kernel = false;
	r.op->fn(r.op, res);
}

static void run_list(struct list *list)
{
	struct list *node;

	while ((node = list_pop_front(list)) != NULL) {
		struct task *t = list_entry(node, struct task, node);

		t->fn(t);
	}
}

bool disk_turn(void)
{
	const bool busy = flight_count > 0 || !list_is_empty(&tasks) || !list_is_empty(&turn_ends);

	if (disk_crashed)
		return false;
	if (flight_count > 0)
		run_one();
	if (disk_crashed)
		return false;
	list_for_each(node, &timers) {
		struct wheel_timer *t = list_entry(node, struct wheel_timer, node);

		if (t->due_ns > now_ns)
			continue;
		list_remove(&t->node);
		t->fn(t);
		break;			/* the list may have changed */
	}
	run_list(&tasks);
	run_list(&turn_ends);
	return busy;
}

void disk_run(void)
{
	for (unsigned i = 0; disk_turn(); i++)
		assert_true(i < TURNS_MAX);
}

void disk_pass(uint64_t ns)
{
	now_ns += ns;
	reactor.now_ns = now_ns;
	disk_turn();
	disk_run();
}

/* --- the seam --------------------------------------------------------------------------------- */

static struct request *start(struct op *op, enum disk_op kind)
{
	struct request *r = &flight[flight_count++];

	assert_true(flight_count <= FLIGHT_MAX);
	assert_false(op->in_kernel);
	op->in_kernel = true;
	*r = (struct request){ .kind = kind, .op = op };
	return r;
}

void io_open(struct op *op, const char *path, int flags, unsigned mode)
{
	struct request *r = start(op, DISK_OPEN);

	(void)mode;
	r->path = path;
	r->flags = flags;
}

void io_read(struct op *op, int file, void *buf, size_t len, uint64_t offset)
{
	struct request *r = start(op, DISK_READ);

	r->file = file;
	r->buf = buf;
	r->len = len;
	r->offset = offset;
}

void io_write(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	struct request *r = start(op, DISK_WRITE);

	r->file = file;
	r->data = buf;
	r->len = len;
	r->offset = offset;
}

/* A write, and when that has been done, an fdatasync: for crashes and faults they are two operations. */
void io_write_sync(struct op *op, int file, const void *buf, size_t len, uint64_t offset)
{
	io_write(op, file, buf, len, offset);
	flight[flight_count - 1].then_sync = true;
}

void io_fdatasync(struct op *op, int file)
{
	start(op, DISK_FDATASYNC)->file = file;
}

void io_fsync(struct op *op, int file)
{
	start(op, DISK_FSYNC)->file = file;
}

void io_fallocate(struct op *op, int file, int mode, uint64_t offset, uint64_t len)
{
	struct request *r = start(op, DISK_FALLOCATE);

	assert_int_equal(mode, 0);
	r->file = file;
	r->offset = offset;
	r->len = len;
}

void io_rename(struct op *op, const char *old_path, const char *new_path)
{
	struct request *r = start(op, DISK_RENAME);

	r->path = old_path;
	r->path_new = new_path;
}

void io_unlink(struct op *op, const char *path)
{
	start(op, DISK_UNLINK)->path = path;
}

void io_close(int file)
{
	assert_in_range(file, 0, OPEN_MAX - 1);
	for (unsigned i = 0; i < flight_count; i++) {
		const bool names_file = flight[i].kind != DISK_OPEN && flight[i].kind != DISK_RENAME &&
					flight[i].kind != DISK_UNLINK;

		assert_false(names_file && flight[i].file == file);	/* row URG-01 */
	}
	if (file == DIR_FILE)
		return;
	assert_true(open_files[file] >= 0);
	open_files[file] = -1;
	collect();
}

void *io_arena_take(size_t size, size_t align)
{
	char *p = arena + round_up(arena_used, align);

	if (p + size > arena + ARENA_SIZE)
		return NULL;
	arena_used = (size_t)(p + size - arena);
	return p;
}

int io_list_dir(const char *path, void (*fn)(const char *name, void *context), void *context)
{
	(void)path;
	for (unsigned i = DISK_FILES; i-- > 0;)
		if (cache_dir[i].name[0] != '\0')
			fn(cache_dir[i].name, context);
	return 0;
}

struct reactor *reactor_self(void)
{
	return &reactor;
}

void reactor_post(struct task *t)
{
	if (list_is_empty(&t->node))
		list_push_back(&tasks, &t->node);
}

void reactor_unpost(struct task *t)
{
	list_remove(&t->node);
}

void reactor_at_turn_end(struct task *t)
{
	if (list_is_empty(&t->node))
		list_push_back(&turn_ends, &t->node);
}

void timer_arm_in(struct wheel_timer *t, uint64_t delay_ns)
{
	list_remove(&t->node);
	t->due_ns = now_ns + delay_ns;
	list_push_back(&timers, &t->node);
}

void timer_cancel(struct wheel_timer *t)
{
	list_remove(&t->node);
}

uint64_t clock_mono_ns(void)
{
	return now_ns;
}

void random_fill(void *buf, size_t len)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = (uint8_t)test_random(&disk_rules.seed);
}

/* --- for damage ------------------------------------------------------------------------------- */

unsigned disk_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < DISK_FILES; i++)
		count += cache_dir[i].name[0] != '\0';
	return count;
}

const char *disk_name(unsigned i)
{
	return cache_dir[i].name;
}

uint8_t *disk_bytes(unsigned i, size_t *ret_size)
{
	struct inode *n = &inodes[cache_dir[i].inode];

	*ret_size = n->size;
	return n->cache;
}

uint8_t *disk_find(const char *name, size_t *ret_size)
{
	struct entry *e = find(cache_dir, name);

	return e != NULL ? disk_bytes((unsigned)(e - cache_dir), ret_size) : NULL;
}

uint8_t *disk_create(const char *name, size_t size)
{
	const unsigned inode = inode_new();

	set_name(cache_dir, name, inode);
	set_name(disk_dir, name, inode);
	inodes[inode].size = inodes[inode].disk_size = size;
	inodes[inode].high = size;
	return inodes[inode].cache;
}

void disk_truncate(const char *name, size_t size)
{
	struct inode *n = &inodes[find(cache_dir, name)->inode];

	n->size = size;
	n->disk_size = size;
	memset(n->cache + size, 0, FILE_SIZE_MAX - size);
	memset(n->disk + size, 0, FILE_SIZE_MAX - size);
}

void disk_remove(const char *name)
{
	clear_name(cache_dir, name);
	clear_name(disk_dir, name);
}

unsigned disk_open_files(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < OPEN_MAX; i++)
		count += open_files[i] >= 0;
	return count;
}
