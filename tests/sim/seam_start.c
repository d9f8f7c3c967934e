/* seam_start.c - the part of core/io.h that runs before the first turn */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/err.h"
#include "tests/sim/disk.h"
#include "tests/sim/seam.h"

#define FILES_DEFAULT	512u
#define BUFS_DEFAULT	64u

static struct flight flights[MACHINE_CORES_MAX][MACHINE_FLIGHTS_MAX];

static void *map_memory(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	ASSERT(p != MAP_FAILED);
	return p;
}

static void open_files(struct machine_core *c, unsigned count)
{
	c->files_max = count;
	c->files = calloc(count, sizeof(*c->files));
	c->free_files = calloc(count, sizeof(*c->free_files));
	ASSERT(c->files != NULL && c->free_files != NULL);
	for (unsigned i = count; i > 0; i--)
		c->free_files[c->free_file_count++] = (int)i - 1;
	c->flights = flights[c->index];
	c->flight_free = UINT32_MAX;
}

static void open_bufs(struct machine_core *c, unsigned count)
{
	c->buf_count = count;
	c->buf_memory = map_memory(count * IO_RECV_BUF_SIZE);
	c->bufs_free = calloc(count, sizeof(*c->bufs_free));
	ASSERT(c->bufs_free != NULL);
	for (uint32_t i = 0; i < count; i++)
		c->bufs_free[i] = i;
}

int io_open_core(const struct io_conf *conf)
{
	struct machine_core *c = machine_self();

	ASSERT(c->index == conf->core && !c->is_open);
	open_files(c, conf->files_max != 0 ? conf->files_max : FILES_DEFAULT);
	open_bufs(c, conf->recv_bufs != 0 ? conf->recv_bufs : BUFS_DEFAULT);
	c->arena_size = conf->arena_size;
	c->arena = conf->arena_size > 0 ? map_memory(conf->arena_size) : NULL;
	list_init(&c->started);
	list_init(&c->buf_waiters);
	c->is_open = true;
	return 0;
}

/* Whoever gets these addresses next may use them. */
static void give_back(void *memory, size_t size)
{
	seam_unpoison(memory, size);
	(void)munmap(memory, size);
}

/* Everything that was under way is gone, as with the process. */
void io_close_core(void)
{
	struct machine_core *c = machine_self();

	/* What an event still names is over. */
	for (uint32_t i = 0; i < c->flight_fresh; i++)
		c->flights[i].op = NULL;
	give_back(c->buf_memory, c->buf_count * IO_RECV_BUF_SIZE);
	if (c->arena != NULL)
		give_back(c->arena, c->arena_size);
	free(c->files);
	free(c->free_files);
	free(c->bufs_free);
	c->is_open = false;
}

unsigned io_files_max(void)
{
	return machine_self()->files_max;
}

const char *io_diagnosis(int err)
{
	return err_text(err);
}

int io_probe(void)
{
	return 0;
}

int io_listen(const struct addr *addr, int backlog, int *ret_file)
{
	struct machine_core *c = machine_self();
	const int file = seam_file_take(c->index, FILE_LISTENER);

	(void)backlog;
	if (file < 0)
		return file;
	c->files[file].addr = *addr;
	*ret_file = file;
	return 0;
}

int io_listen_check(const struct addr *addr, unsigned wait_ms)
{
	(void)addr;
	(void)wait_ms;
	return 0;
}

void io_listen_end(const struct addr *addr)
{
	(void)addr;
}

int io_adopt(int unix_fd, int *ret_file)
{
	(void)unix_fd;
	(void)ret_file;
	return -EOPNOTSUPP;
}

int io_mkdir(const char *path, unsigned mode)
{
	(void)mode;
	return disk_mkdir(path);
}

int io_list_dir(const char *path, void (*fn)(const char *name, void *context), void *context)
{
	return disk_list(path, fn, context);
}
