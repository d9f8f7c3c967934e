/* table_lmdb.c - lmdb:, files that postmap writes with LMDB
 *
 * Read whole into memory: the library would map the file, and a page that is not there would stop the turn.
 */
#include <errno.h>
#include <lmdb.h>
#include <stdio.h>

#include "core/err.h"
#include "core/table_impl.h"

/* The library's own errors are below zero, those of the system above. */
static int to_errno(int err)
{
	return err > 0 ? -err : err < 0 ? ERR_CORRUPT : 0;
}

static int read_all(MDB_txn *txn, struct table_store *s)
{
	MDB_val key, value;
	MDB_cursor *cursor;
	MDB_dbi dbi;
	int err = mdb_dbi_open(txn, NULL, 0, &dbi);
	int r = 0;

	if (err == 0)
		err = mdb_cursor_open(txn, dbi, &cursor);
	if (err != 0)
		return to_errno(err);
	while (r == 0 && (err = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0)
		r = table_store_add_stored(s, key.mv_data, key.mv_size, value.mv_data, value.mv_size);
	mdb_cursor_close(cursor);
	if (r == 0 && err != MDB_NOTFOUND)
		r = to_errno(err);
	return r;
}

static int read_file(int fd, const char *path, struct table_store *s)
{
	MDB_env *env;
	MDB_txn *txn;

	(void)fd;
	if (mdb_env_create(&env) != 0)
		return -ENOMEM;
	int r = to_errno(mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0));

	if (r == 0)
		r = to_errno(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
	if (r == 0) {
		r = read_all(txn, s);
		mdb_txn_abort(txn);
	}
	mdb_env_close(env);
	return r;
}

static int load_lmdb(struct table_set *set, struct slice name, struct str *why, void **ret_data)
{
	return table_file_load(set, name, ".lmdb", read_file, why, ret_data);
}

struct library table_library_lmdb(void)
{
	static char linked[24], built[24];
	int major, minor, patch;

	(void)mdb_version(&major, &minor, &patch);	/* its words have a date in them */
	(void)snprintf(linked, sizeof(linked), "%d.%d.%d", major, minor, patch);
	(void)snprintf(built, sizeof(built), "%d.%d.%d", MDB_VERSION_MAJOR, MDB_VERSION_MINOR, MDB_VERSION_PATCH);
	return (struct library){ .name = "LMDB", .built = built, .linked = linked };
}

const struct table_type table_type_lmdb = {
	.name = "lmdb",
	.load = load_lmdb,
	.find = table_store_find,
	.unload = table_store_unload,
	.suffix = ".lmdb",
	.folds = true,
};
