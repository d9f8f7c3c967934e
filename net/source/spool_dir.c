#include "net/source/spool_dir.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/err.h"
#include "core/file.h"
#include "core/io.h"

#define VERSION_TEXT_MAX 64u
#define VERSION_WORD "ringpost-spool "
#define PATH_ROOM 48u		/* "/journal-63", and below it what a journal calls its files */

static const char *name_in(const char *path, const char *name, char text[JOURNAL_PATH_MAX])
{
	struct str s = str_over(text, JOURNAL_PATH_MAX);

	str_add_cstr(&s, path);
	str_add_char(&s, '/');
	str_add_cstr(&s, name);
	ASSERT(!str_is_full(&s));	/* spool_dir_open has measured it */
	return str_cstr(&s);
}

void spool_dir_journal_path(const char *path, unsigned index, char ret_path[JOURNAL_PATH_MAX])
{
	char name[16];
	struct str s = STR(name);

	str_add_cstr(&s, "journal-");
	str_add_u64(&s, index);
	(void)name_in(path, str_cstr(&s), ret_path);	/* the same memory */
}

static void take_name(const char *name, void *context)
{
	uint64_t *journals = context;
	const struct slice prefix = SLICE("journal-");
	struct slice s = slice_of_str(name);
	uint64_t k;

	if (!slice_has_prefix(s, prefix))
		return;
	slice_skip(&s, prefix.len);
	if (slice_to_u64(s, 63, &k) == 0)
		*journals |= UINT64_C(1) << k;
}

uint64_t spool_dir_journals(const char *path)
{
	uint64_t journals = 0;

	return io_list_dir(path, take_name, &journals) == 0 ? journals : 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static int why(struct str *ret_why, int err, const char *path, const char *words)
{
	str_printf(ret_why, "%s: %s", path, words);
	return err;
}

static int check_dir(const char *path, struct str *ret_why)
{
	const int r = file_check_dir(path);

	switch (r) {
	case 0:
		return 0;
	case -ENOENT:
		return why(ret_why, r, path, "there is no such directory: create it (mode 0700, owned by our user)");
	case -ENOTDIR:
		return why(ret_why, r, path, "this is not a directory");
	case -EPERM:
		return why(ret_why, r, path, "it belongs to somebody else: it must be owned by our user");
	case -EACCES:
		return why(ret_why, r, path, "others may write to it: chmod go-w");
	case -EROFS:
		return why(ret_why, r, path, "it cannot be written to: the file system is read-only");
	default:
		return why(ret_why, r, path, err_text(r));
	}
}

static int write_version(const char *name, struct str *ret_why)
{
	const int r = file_replace(name, SLICE(VERSION_WORD "2\n"));

	return r < 0 ? why(ret_why, r, name, err_text(r)) : 0;
}

/* A directory without VERSION is new only if it has no journals. */
static int check_version(const char *path, struct str *ret_why)
{
	char name[JOURNAL_PATH_MAX];
	char *text = NULL;
	size_t len;
	uint64_t version = 0;
	int r = file_read(name_in(path, "VERSION", name), VERSION_TEXT_MAX, &text, &len);

	if (r == -ENOENT && spool_dir_journals(path) == 0)
		return write_version(name, ret_why);
	if (r == -ENOENT)
		return why(ret_why, ERR_VERSION, name, "the file is missing, but there is a journal: not touched");
	if (r < 0)
		return why(ret_why, r, name, err_text(r));
	struct slice s = slice_trim(slice_of(text, len));

	if (slice_has_prefix(s, SLICE(VERSION_WORD))) {
		slice_skip(&s, sizeof(VERSION_WORD) - 1);
		r = slice_to_u64(s, 1000000, &version);
	}
	free(text);
	if (r < 0 || version == 0 || version > SPOOL_DIR_VERSION)
		return why(ret_why, ERR_VERSION, name,
			   "another release's format: not touched; this release reads \"" VERSION_WORD "1\" and \""
			   VERSION_WORD "2\"");
	return version < SPOOL_DIR_VERSION ? write_version(name, ret_why) : 0;
}

int spool_dir_open(const char *path, struct spool_dir *ret_dir, struct str *ret_why)
{
	char name[JOURNAL_PATH_MAX];

	if (strlen(path) + PATH_ROOM > JOURNAL_PATH_MAX - 32)
		return why(ret_why, -ENAMETOOLONG, path, "the name is too long: 432 octets at most");
	int r = check_dir(path, ret_why);

	if (r < 0)
		return r;
	const int lock = file_lock(name_in(path, "lock", name), SPOOL_DIR_LOCK_WAIT_MS);

	if (lock == -EWOULDBLOCK)
		return why(ret_why, lock, name, "locked: another instance uses this spool");
	if (lock < 0)
		return why(ret_why, lock, name, err_text(lock));
	r = check_version(path, ret_why);
	if (r < 0) {
		(void)close(lock);	/* nothing was written through it */
		return r;
	}
	ret_dir->lock = lock;
	return 0;
}

void spool_dir_close(struct spool_dir *dir)
{
	if (dir->lock >= 0)
		(void)close(dir->lock);	/* nothing was written through it */
	dir->lock = -1;
}
