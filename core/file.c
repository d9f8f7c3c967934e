#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/clock.h"

#define LOCK_PAUSE_US 10000u

/* size: what is to be expected; a file that has grown since is read whole. */
static int read_fd(int fd, size_t size, size_t max, char **ret_text, size_t *ret_len)
{
	size_t cap = MAX(MIN(size, max) + 1, (size_t)4096), len = 0;
	char *text = malloc(cap + 1);

	/* Files of /proc have no size: read until the end, growing. */
	while (text != NULL) {
		ssize_t n = read(fd, text + len, cap - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || len + (size_t)n > max) {
			int err = n < 0 ? -errno : -EFBIG;

			free(text);
			return err;
		}
		if (n == 0) {
			text[len] = '\0';
			*ret_text = text;
			*ret_len = len;
			return 0;
		}
		len += (size_t)n;
		if (len == cap) {
			char *larger = realloc(text, 2 * cap + 1);

			if (larger == NULL)
				free(text);
			text = larger;
			cap *= 2;
		}
	}
	return -ENOMEM;
}

int file_read(const char *path, size_t max, char **ret_text, size_t *ret_len)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);	/* a FIFO must not hold us up */

	if (fd < 0)
		return -errno;
	int r = fstat(fd, &st) < 0 ? -errno : 0;

	if (r == 0 && S_ISDIR(st.st_mode))
		r = -EISDIR;
	else if (r == 0 && !S_ISREG(st.st_mode))
		r = -EINVAL;
	if (r == 0)
		r = read_fd(fd, (size_t)st.st_size, max, ret_text, ret_len);
	close(fd);
	return r;
}

static int write_all(int fd, struct slice text)
{
	while (text.len > 0) {
		ssize_t n = write(fd, text.ptr, text.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		slice_skip(&text, (size_t)n);
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_parent(const char *path)
{
	char parent[PATH_MAX];
	struct str s = STR(parent);
	ptrdiff_t slash = slice_find_last_char(slice_of_str(path), '/');

	str_add(&s, slash > 0 ? slice_of(path, (size_t)slash) : slash == 0 ? SLICE("/") : SLICE("."));
	int fd = open(str_cstr(&s), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	int r = fsync(fd) < 0 ? -errno : 0;

	close(fd);
	return r;
}

int file_replace(const char *path, struct slice text)
{
	char beside[PATH_MAX];
	int n = snprintf(beside, sizeof(beside), "%s.new", path);

	if (n < 0 || (size_t)n >= sizeof(beside))
		return -ENAMETOOLONG;
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	int r = write_all(fd, text);

	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(beside, path) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlink(beside);	/* a leftover is overwritten next time */
		return r;
	}
	return sync_parent(path);
}

int file_lock(const char *path, unsigned wait_ms)
{
	uint64_t deadline = clock_mono_ns() + wait_ms * NS_PER_MS;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int err = errno;

		if (err != EINTR && (err != EWOULDBLOCK || clock_mono_ns() >= deadline)) {
			close(fd);
			return -err;
		}
		(void)usleep(LOCK_PAUSE_US);	/* only a pause */
	}
	return fd;
}

int file_check_dir(const char *path)
{
	struct stat st;
	struct statvfs vfs;

	if (stat(path, &st) < 0 || statvfs(path, &vfs) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid())
		return -EPERM;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return -EACCES;
	if ((vfs.f_flag & ST_RDONLY) != 0)
		return -EROFS;
	return access(path, R_OK | W_OK | X_OK) < 0 ? -errno : 0;
}
