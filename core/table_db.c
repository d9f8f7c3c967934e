/* table_db.c - hash: and btree:, files that postmap writes with Berkeley DB
 *
 * Read whole into memory: the library has a cache, locks and a mind of its own, and would read the disk on a turn.
 */
#include <db.h>
#include <errno.h>

#include "core/err.h"
#include "core/table_impl.h"

static int read_all(DB *db, struct table_store *s)
{
	DBT key = { 0 }, value = { 0 };
	DBC *cursor;
	int err = db->cursor(db, NULL, &cursor, 0);
	int r = 0;

	if (err != 0)
		return -(err > 0 ? err : EIO);
	while (r == 0 && (err = cursor->get(cursor, &key, &value, DB_NEXT)) == 0)
		r = table_store_add_stored(s, key.data, key.size, value.data, value.size);
	(void)cursor->close(cursor);	/* nothing was written */
	if (r == 0 && err != DB_NOTFOUND)
		r = err > 0 ? -err : ERR_CORRUPT;
	return r;
}

static void say_nothing(const DB_ENV *env, const char *prefix, const char *text)
{
	(void)env;
	(void)prefix;
	(void)text;
}

static int read_file(const char *path, DBTYPE type, struct table_store *s)
{
	DB *db;
	int err = db_create(&db, NULL, 0);

	if (err != 0)
		return -ENOMEM;
	db->set_errcall(db, say_nothing);	/* what is wrong, our caller says */
	err = db->open(db, NULL, path, NULL, type, DB_RDONLY, 0);
	int r = err > 0 ? -err : err < 0 ? ERR_CORRUPT : read_all(db, s);

	(void)db->close(db, DB_NOSYNC);	/* nothing was written */
	return r;
}

static int read_hash(int fd, const char *path, struct table_store *s)
{
	(void)fd;
	return read_file(path, DB_HASH, s);
}

static int read_btree(int fd, const char *path, struct table_store *s)
{
	(void)fd;
	return read_file(path, DB_BTREE, s);
}

static int load_hash(struct table_set *set, struct slice name, struct str *why, void **ret_data)
{
	return table_file_load(set, name, ".db", read_hash, why, ret_data);
}

static int load_btree(struct table_set *set, struct slice name, struct str *why, void **ret_data)
{
	return table_file_load(set, name, ".db", read_btree, why, ret_data);
}

const struct table_type table_type_hash = {
	.name = "hash",
	.load = load_hash,
	.find = table_store_find,
	.unload = table_store_unload,
	.suffix = ".db",
	.folds = true,
};

const struct table_type table_type_btree = {
	.name = "btree",
	.load = load_btree,
	.find = table_store_find,
	.unload = table_store_unload,
	.suffix = ".db",
	.folds = true,
};
