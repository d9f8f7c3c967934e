/* table_file.c - database files: path, lock, age, and the end of reading one */
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/err.h"
#include "core/table_impl.h"

static bool is_older(const struct stat *a, const struct stat *b)
{
	return a->st_mtim.tv_sec < b->st_mtim.tv_sec;
}

/* The source of x.db is x; there need not be one. */
static void check_age(struct slice name, const struct stat *file, struct str *path, struct str *why)
{
	char storage[4096];
	struct str source = STR(storage);
	struct stat found;

	str_add(&source, name);
	if (str_is_full(&source) || stat(str_cstr(&source), &found) < 0 || !is_older(file, &found))
		return;
	(void)table_complain(why, str_slice(path), 0, "older than its source; has postmap been run?");	/* a warning */
}

/* Whoever writes it has it locked, and anybody who may read it can do that, too. At the start he is waited for: there
 * is nothing else to do. Later there is an old content, and somebody who asks again (table_set_reload). */
static int lock_shared(int fd, bool may_wait)
{
	while (flock(fd, may_wait ? LOCK_SH : LOCK_SH | LOCK_NB) < 0)
		if (errno != EINTR)
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
	return 0;
}

static int open_locked(struct slice name, const char *suffix, bool may_wait, struct str *path, struct str *why)
{
	struct stat found;

	str_add(path, name);
	str_add_cstr(path, suffix);
	if (str_is_full(path) || path->len == path->cap || memchr(name.ptr, '\0', name.len) != NULL) {
		(void)table_complain(why, name, 0, "not a path");	/* our answer says it, too */
		return -EINVAL;
	}
	int fd = open(str_cstr(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int err = fd < 0 ? -errno : 0;

	if (err == 0 && fstat(fd, &found) == 0 && !S_ISREG(found.st_mode))
		err = -EINVAL;
	else if (err == 0 && (size_t)found.st_size > TABLE_FILE_MAX)
		err = -EFBIG;
	if (err == 0)
		err = lock_shared(fd, may_wait);
	if (err < 0) {
		/* Our answer says it, too. */
		(void)table_complain(why, str_slice(path), 0, err == -EBUSY ? "locked by another program" : err_text(err));
		if (fd >= 0)
			(void)close(fd);	/* nothing was written */
		return err;
	}
	check_age(name, &found, path, why);
	return fd;
}

int table_file_load(struct table_set *set, struct slice name, const char *suffix, table_read_fn *read, struct str *why,
		    void **ret_data)
{
	char storage[4096];
	struct str path = STR(storage);
	int fd = open_locked(name, suffix, table_set_may_wait(set), &path, why);
	struct slice duplicate;
	unsigned line;

	if (fd < 0)
		return fd;
	struct table_store *s = table_store_new();
	int r = s != NULL ? read(fd, str_cstr(&path), s) : -ENOMEM;

	(void)close(fd);	/* and with it the lock */
	if (r == 0)
		r = table_store_finish(s, &duplicate, &line);	/* a database has no key twice, but for case */
	if (r < 0) {
		str_clear(why);
		(void)table_complain(why, str_slice(&path), 0, err_text(r));	/* our answer says it, too */
		table_store_free(&s);
	}
	*ret_data = s;
	return r;
}
