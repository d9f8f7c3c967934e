/* table_cdb.c - cdb:, files that postmap writes with tinycdb
 *
 * Read whole into memory: the library would map the file, and a page that is not there would stop the turn.
 */
#include <cdb.h>
#include <errno.h>

#include "core/err.h"
#include "core/table_impl.h"

static int read_file(int fd, const char *path, struct table_store *s)
{
	struct cdb cdb;
	unsigned at;
	int more, r = 0;

	(void)path;
	if (cdb_init(&cdb, fd) != 0)
		return errno == EPROTO ? ERR_CORRUPT : -errno;
	cdb_seqinit(&at, &cdb);
	while (r == 0 && (more = cdb_seqnext(&at, &cdb)) > 0) {
		const void *key = cdb_getkey(&cdb), *value = cdb_getdata(&cdb);

		if (key == NULL || value == NULL)
			r = ERR_CORRUPT;
		else
			r = table_store_add_stored(s, key, cdb_keylen(&cdb), value, cdb_datalen(&cdb));
	}
	if (r == 0 && more < 0)
		r = ERR_CORRUPT;
	cdb_free(&cdb);
	return r;
}

static int load_cdb(struct table_set *set, struct slice name, struct str *why, void **ret_data)
{
	return table_file_load(set, name, ".cdb", read_file, why, ret_data);
}

#define WORDS_OF(number)	WORDS(number)
#define WORDS(number)		#number

struct library table_library_cdb(void)
{
	return (struct library){ .name = "tinycdb", .built = WORDS_OF(TINYCDB_VERSION), .linked = "" };
}

const struct table_type table_type_cdb = {
	.name = "cdb",
	.load = load_cdb,
	.find = table_store_find,
	.unload = table_store_unload,
	.suffix = ".cdb",
	.folds = true,
};
