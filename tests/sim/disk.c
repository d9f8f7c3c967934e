#include "tests/sim/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "tests/sim/fault.h"
#include "tests/sim/seam.h"
#include "tests/sim/tape.h"

#define SECTORS_MAX (DISK_FILE_MAX / DISK_SECTOR)

struct inode {
	bool used;
	unsigned opens;
	char *cache;			/* what programs see */
	char *disk;			/* what survives */
	uint32_t *dirty;		/* by sector: when it was written; 0: clean */
	size_t size, disk_size;
	uint32_t size_dirty;
	size_t high;			/* nothing but zeros was ever behind it */
};

struct entry {
	char path[DISK_PATH_MAX];	/* "": free */
	unsigned inode;
};

struct change {
	char from[DISK_PATH_MAX];	/* "": a new file */
	char to[DISK_PATH_MAX];		/* "": removed */
	unsigned inode;
	unsigned dir;
};

uint64_t disk_space;
bool disk_spares_reads;

static struct inode inodes[DISK_INODES];
static struct entry cache_dir[DISK_INODES], disk_dir[DISK_INODES];
static struct change changes[DISK_CHANGES];
static unsigned change_count;
static char dirs[DISK_DIRS][DISK_PATH_MAX];
static unsigned dir_count;
static uint32_t clock;			/* of writes */

/* --- names ------------------------------------------------------------------------------------- */

static void copy_path(char to[DISK_PATH_MAX], const char *from)
{
	const size_t len = strlen(from);

	ASSERT(len < DISK_PATH_MAX);
	memmove(to, from, len + 1);
}

static struct entry *find(struct entry *dir, const char *path)
{
	for (unsigned i = 0; i < DISK_INODES; i++)
		if (strcmp(dir[i].path, path) == 0)
			return &dir[i];
	return NULL;
}

static int dir_find(const char *path, size_t len)
{
	for (unsigned i = 0; i < dir_count; i++)
		if (strlen(dirs[i]) == len && memcmp(dirs[i], path, len) == 0)
			return (int)i;
	return -ENOENT;
}

static int parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? dir_find(path, (size_t)(slash - path)) : -ENOENT;
}

int disk_mkdir(const char *path)
{
	if (dir_find(path, strlen(path)) >= 0)
		return 0;
	ASSERT(dir_count < DISK_DIRS);
	copy_path(dirs[dir_count++], path);
	return 0;
}

static const char *name_in(const char *dir, const char *path)
{
	const size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/' && strchr(path + len + 1, '/') == NULL ?
		path + len + 1 : NULL;
}

int disk_list(const char *path, void (*fn)(const char *name, void *context), void *context)
{
	if (dir_find(path, strlen(path)) < 0)
		return -ENOENT;
	for (unsigned i = 0; i < dir_count; i++)
		if (name_in(path, dirs[i]) != NULL)
			fn(name_in(path, dirs[i]), context);
	for (unsigned i = DISK_INODES; i-- > 0;)
		if (cache_dir[i].path[0] != '\0' && name_in(path, cache_dir[i].path) != NULL)
			fn(name_in(path, cache_dir[i].path), context);
	return 0;
}

static void apply(const struct change *c, struct entry *dir)
{
	struct entry *e = c->from[0] != '\0' ? find(dir, c->from) : NULL;

	if (e != NULL)
		e->path[0] = '\0';
	if (c->to[0] == '\0')
		return;
	e = find(dir, c->to);
	if (e == NULL)
		e = find(dir, "");
	ASSERT(e != NULL);
	copy_path(e->path, c->to);
	e->inode = c->inode;
}

static void change_name(unsigned dir, const char *from, const char *to, unsigned inode)
{
	struct change *c = &changes[change_count++];

	ASSERT(change_count <= DISK_CHANGES);
	*c = (struct change){ .inode = inode, .dir = dir };
	copy_path(c->from, from);
	copy_path(c->to, to);
	apply(c, cache_dir);
}

/* --- files ------------------------------------------------------------------------------------- */

static void *map_zeros(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static unsigned inode_new(void)
{
	for (unsigned i = 0; i < DISK_INODES; i++) {
		struct inode *n = &inodes[i];

		if (n->used)
			continue;
		*n = (struct inode){ .used = true, .cache = map_zeros(DISK_FILE_MAX), .disk = map_zeros(DISK_FILE_MAX),
				     .dirty = map_zeros(SECTORS_MAX * sizeof(*n->dirty)) };
		return i;
	}
	UNREACHABLE();
}

static void inode_free(struct inode *n)
{
	(void)munmap(n->cache, DISK_FILE_MAX);
	(void)munmap(n->disk, DISK_FILE_MAX);
	(void)munmap(n->dirty, SECTORS_MAX * sizeof(*n->dirty));
	*n = (struct inode){ 0 };
}

/* Frees what no name and no open file leads to. */
static void collect(void)
{
	bool wanted[DISK_INODES] = { false };

	for (unsigned i = 0; i < DISK_INODES; i++) {
		wanted[i] |= inodes[i].opens > 0;
		if (cache_dir[i].path[0] != '\0')
			wanted[cache_dir[i].inode] = true;
		if (disk_dir[i].path[0] != '\0')
			wanted[disk_dir[i].inode] = true;
	}
	for (unsigned i = 0; i < change_count; i++)
		wanted[changes[i].inode] = true;
	for (unsigned i = 0; i < DISK_INODES; i++)
		if (inodes[i].used && !wanted[i])
			inode_free(&inodes[i]);
}

static uint64_t space_used(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < DISK_INODES; i++)
		sum += inodes[i].size;
	return sum;
}

static bool fits(const struct inode *n, uint64_t end)
{
	return disk_space == 0 || end <= n->size || space_used() + end - n->size <= disk_space;
}

static size_t sectors_of(const struct inode *n)
{
	return (n->high + DISK_SECTOR - 1) / DISK_SECTOR;
}

static void sync_sector(struct inode *n, size_t s, size_t octets)
{
	memcpy(n->disk + s * DISK_SECTOR, n->cache + s * DISK_SECTOR, octets);
	n->dirty[s] = 0;
}

/* What was complete at a time. */
static void sync_inode(struct inode *n, uint32_t at)
{
	for (size_t s = 0; s < sectors_of(n); s++)
		if (n->dirty[s] != 0 && n->dirty[s] <= at)
			sync_sector(n, s, DISK_SECTOR);
	if (n->size_dirty <= at)
		n->disk_size = n->size;
}

static void sync_dir(unsigned dir)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < change_count; i++) {
		if (changes[i].dir == dir)
			apply(&changes[i], disk_dir);
		else
			changes[kept++] = changes[i];
	}
	change_count = kept;
	collect();
}

/* Each unsynced sector is lost, kept or torn. */
static void settle_inode(struct inode *n)
{
	for (size_t s = 0; s < sectors_of(n); s++) {
		if (n->dirty[s] == 0)
			continue;
		const uint32_t fate = tape_below(10);	/* 0..3 lost, 4..8 kept, 9 torn */

		if (fate >= 4)
			sync_sector(n, s, fate == 9 ? tape_below(DISK_SECTOR) : DISK_SECTOR);
		n->dirty[s] = 0;
	}
	if (n->size != n->disk_size && tape_below(2) > 0)
		n->disk_size = n->size;
}

/* --- operations -------------------------------------------------------------------------------- */

static int do_open(struct flight *f)
{
	const int dir = dir_find(f->path, strlen(f->path));
	struct entry *e = find(cache_dir, f->path);
	unsigned inode;
	int file;

	if (fault_strikes(FAULT_NO_FILES))
		return -ENFILE;
	if ((f->flags & O_DIRECTORY) != 0) {
		file = dir >= 0 ? seam_file_take(f->core, FILE_DIRECTORY) : -ENOENT;
		if (file >= 0)
			seam_file(f->core, file)->inode = (unsigned)dir;
		return file;
	}
	if ((f->flags & O_CREAT) != 0 && e != NULL && (f->flags & O_EXCL) != 0)
		return -EEXIST;
	if (e == NULL && (f->flags & O_CREAT) == 0)
		return -ENOENT;
	if (e == NULL && parent_of(f->path) < 0)
		return -ENOENT;
	if (e == NULL && disk_space != 0 && space_used() >= disk_space)
		return -ENOSPC;
	file = seam_file_take(f->core, FILE_INODE);
	if (file < 0)
		return file;
	inode = e != NULL ? e->inode : inode_new();
	if (e == NULL)
		change_name((unsigned)parent_of(f->path), "", f->path, inode);
	inodes[inode].opens++;
	seam_file(f->core, file)->inode = inode;
	return file;
}

static struct inode *inode_of(const struct flight *f)
{
	struct machine_file *file = seam_file(f->core, f->file);

	ASSERT(file->kind == FILE_INODE && inodes[file->inode].used);
	return &inodes[file->inode];
}

static size_t some_of(const struct flight *f, size_t len)
{
	if (len > 1 && (f->fault == FAULT_IS_SHORT || f->fault == FAULT_IS_ALMOST))
		return f->fault == FAULT_IS_SHORT ? 1 : len - 1;
	return len > 1 && fault_strikes(FAULT_SHORT_IO) ? (size_t)tape_range(1, len - 1) : len;
}

static int do_read(const struct flight *f)
{
	const struct inode *n = inode_of(f);
	const size_t rest = f->offset < n->size ? n->size - (size_t)f->offset : 0;
	const size_t len = some_of(f, MIN(f->len, rest));

	if (!disk_spares_reads && fault_strikes(FAULT_READ_ERROR))
		return -EIO;
	seam_unpoison(f->buf, f->len);
	memcpy(f->buf, n->cache + f->offset, len);
	return (int)len;
}

static int do_write(const struct flight *f, size_t len)
{
	struct inode *n = inode_of(f);
	const uint64_t end = f->offset + len;

	ASSERT(end <= DISK_FILE_MAX);
	if (!fits(n, end))
		return -ENOSPC;
	clock++;
	memcpy(n->cache + f->offset, f->buf, len);
	for (size_t s = (size_t)f->offset / DISK_SECTOR; len > 0 && s <= (size_t)(end - 1) / DISK_SECTOR; s++)
		n->dirty[s] = clock;
	n->high = MAX(n->high, (size_t)end);
	if (end > n->size) {
		n->size = (size_t)end;
		n->size_dirty = clock;
	}
	return (int)len;
}

static bool is_lost(const struct flight *f)
{
	return f->fault == FAULT_IS_LOST || fault_strikes(FAULT_SYNC_ERROR);
}

static int do_sync(const struct flight *f)
{
	struct machine_file *file = seam_file(f->core, f->file);

	if (is_lost(f)) {
		/* The kernel tells once, and forgets: what is lost is as clean as what was written. */
		if (file->kind == FILE_INODE)
			settle_inode(&inodes[file->inode]);
		return -EIO;
	}
	if (file->kind == FILE_DIRECTORY)
		sync_dir(file->inode);
	else
		sync_inode(inode_of(f), (uint32_t)f->offset);
	return 0;
}

static int do_write_sync(const struct flight *f)
{
	struct inode *n = inode_of(f);
	int res = do_write(f, some_of(f, f->len));

	if (res <= 0)
		return res;
	if (is_lost(f)) {
		settle_inode(n);
		return -EIO;
	}
	for (size_t s = (size_t)f->offset / DISK_SECTOR; s <= (size_t)(f->offset + (size_t)res - 1) / DISK_SECTOR; s++)
		sync_sector(n, s, DISK_SECTOR);
	n->disk_size = n->size;
	return res;
}

static int do_fallocate(const struct flight *f)
{
	struct inode *n = inode_of(f);
	const uint64_t end = f->offset + f->len;

	ASSERT(end <= DISK_FILE_MAX);
	if (!fits(n, end))
		return -ENOSPC;
	if (end > n->size) {
		n->size = (size_t)end;
		n->size_dirty = ++clock;
	}
	return 0;
}

static int do_rename(const struct flight *f)
{
	struct entry *e = find(cache_dir, f->path);
	const int dir = parent_of(f->path);

	if (e == NULL || dir < 0)
		return -ENOENT;
	if (f->kind == FLIGHT_RENAME && parent_of(f->path_new) < 0)
		return -ENOENT;
	change_name((unsigned)dir, f->path, f->kind == FLIGHT_RENAME ? f->path_new : "", e->inode);
	return 0;
}

static int execute(struct flight *f)
{
	switch (f->kind) {
	case FLIGHT_OPEN:
		return do_open(f);
	case FLIGHT_READ:
		return do_read(f);
	case FLIGHT_WRITE:
		if (fault_strikes(FAULT_WRITE_ERROR))
			return -EIO;
		return f->sync ? do_write_sync(f) : do_write(f, some_of(f, f->len));
	case FLIGHT_FDATASYNC:
	case FLIGHT_FSYNC:
		return do_sync(f);
	case FLIGHT_FALLOCATE:
		return do_fallocate(f);
	case FLIGHT_RENAME:
	case FLIGHT_UNLINK:
		return do_rename(f);
	default:
		UNREACHABLE();
	}
}

static void on_done(void *context, uint64_t generation)
{
	struct flight *f = context;

	if (f->op != NULL && f->generation == generation)
		flight_ready(f, execute(f));
}

static uint64_t duration(const struct flight *f)
{
	const bool sync = f->sync || f->kind == FLIGHT_FDATASYNC || f->kind == FLIGHT_FSYNC;
	uint64_t ns = sync ? 400 * NS_PER_US : 40 * NS_PER_US;

	if (fault_strikes(FAULT_SLOW_DISK))
		ns += tape_range(0, 2 * NS_PER_SEC);
	return ns;
}

void disk_submit(struct flight *f)
{
	if (f->kind == FLIGHT_FDATASYNC || f->kind == FLIGHT_FSYNC)
		f->offset = clock;	/* what it covers is what is complete now (row URG-19) */
	machine_at(sim_now() + duration(f), on_done, f, f->generation);
}

void disk_close(struct machine_file *file)
{
	if (file->kind != FILE_INODE)
		return;
	ASSERT(inodes[file->inode].opens > 0);
	inodes[file->inode].opens--;
	collect();
}

/* --- the end ----------------------------------------------------------------------------------- */

static void finish_some_writes(void)
{
	for (unsigned i = 0; i < machine_core_count; i++) {
		struct machine_core *c = &machine_cores[i];

		for (uint32_t n = 0; c->is_open && n < c->flight_fresh; n++) {
			struct flight *f = &c->flights[n];

			if (f->op != NULL && f->kind == FLIGHT_WRITE && f->submitted && !f->ready && tape_below(2) > 0)
				(void)do_write(f, (size_t)tape_range(0, f->len));	/* nobody is told any more */
		}
	}
}

void disk_kill(void)
{
	finish_some_writes();
	for (unsigned i = 0; i < DISK_INODES; i++)
		inodes[i].opens = 0;
	collect();
}

void disk_crash(void)
{
	disk_kill();
	for (unsigned i = 0; i < change_count; i++)
		if (tape_below(2) > 0)
			apply(&changes[i], disk_dir);
	change_count = 0;
	for (unsigned i = 0; i < DISK_INODES; i++) {
		struct inode *n = &inodes[i];

		if (!n->used)
			continue;
		settle_inode(n);
		n->size = n->disk_size;
		n->size_dirty = 0;
		memset(n->disk + n->size, 0, n->high > n->size ? n->high - n->size : 0);
		memcpy(n->cache, n->disk, n->high);
	}
	memcpy(cache_dir, disk_dir, sizeof(cache_dir));
	collect();
}

void disk_format(void)
{
	for (unsigned i = 0; i < DISK_INODES; i++)
		if (inodes[i].used)
			inode_free(&inodes[i]);
	memset(cache_dir, 0, sizeof(cache_dir));
	memset(disk_dir, 0, sizeof(disk_dir));
	change_count = 0;
	dir_count = 0;
	clock = 0;
}

unsigned disk_open_files(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DISK_INODES; i++)
		n += inodes[i].opens;
	return n;
}
