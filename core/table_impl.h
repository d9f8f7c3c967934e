/* table_impl.h - what a type of table offers to core/table.c, and what the types share */
#pragma once

#include "core/table.h"

struct table_type {
	const char *name;
	/* Reads everything there is to read, from the text behind "type:". On failure nothing is kept. */
	int (*load)(struct table_set *set, struct slice arg, struct str *why, void **ret_data);
	int (*find)(const void *data, struct slice key, struct str *ret_value);
	/* Instead, for tables made of tables, which hand the flags on. */
	int (*find_with)(const void *data, struct slice key, unsigned flags, struct str *ret_value);
	void (*unload)(void *data);
	bool (*needs_io)(const void *data);	/* NULL: it does not */
	const char *suffix;	/* of the file whose change calls for a reload, behind arg; NULL: there is no file */
	bool is_pattern;	/* never sees a partial key */
	bool folds;		/* is asked in lower case */
};

extern const struct table_type table_type_texthash, table_type_inline, table_type_cidr, table_type_pcre,
	table_type_regexp, table_type_hash, table_type_btree, table_type_lmdb, table_type_cdb, table_type_unionmap,
	table_type_pipemap;

/* Types of other folders, at most TABLE_TYPES_MORE; start only, before the first table. The same twice is once. */
#define TABLE_TYPES_MORE 4u
void table_type_add(const struct table_type *type);

void table_set_each(struct table_set *set, void (*fn)(struct table *t, void *context), void *context);
const void *table_data(const struct table *t);	/* what load gave */

/* --- key and value pairs in memory: what all indexed types become --------------------------------- */

struct table_store;

struct table_store *table_store_new(void);
void table_store_free(struct table_store **store);
/* Copies both, the key in lower case. line is for messages about this pair, 0 when there is none. */
int table_store_add(struct table_store *s, struct slice key, struct slice value, unsigned line);
/* Makes it ready for questions. The first of equal keys counts; *ret_duplicate is one of the others, len 0: none. */
int table_store_finish(struct table_store *s, struct slice *ret_duplicate, unsigned *ret_line);
/* The same, for a pair as a database file has it: postmap may write a NUL behind key and value. */
int table_store_add_stored(struct table_store *s, const void *key, size_t key_len, const void *value, size_t value_len);
int table_store_find(const void *store, struct slice key, struct str *ret_value);
void table_store_unload(void *store);
/* Its content moves to memory that is never dumped, and locked where that is allowed; where it was is wiped. 0 or
 * -ENOMEM. */
int table_store_hide(void *store);

/* Reads all pairs of a database file into the store. 0 or a negative error. */
typedef int table_read_fn(int fd, const char *path, struct table_store *s);

/* Loads the database file name.suffix through read: a store ready for questions. Waits for a postmap that writes it,
 * but not when set is loaded again: -EBUSY. Warns when it is older than its source. */
int table_file_load(struct table_set *set, struct slice name, const char *suffix, table_read_fn *read, struct str *why,
		    void **ret_data);
/* Is this the start, when nothing else has to be done? */
bool table_set_may_wait(const struct table_set *set);

/* --- files of lines ------------------------------------------------------------------------------- */

/* Logical lines: '#' comments and blank lines count for nothing, a line that begins with white space continues the one
 * before. They are joined in place. */
struct table_lines {
	char *text;		/* malloc'd, ours */
	size_t len;
	size_t at;
	unsigned line;		/* the last one read */
	unsigned first_line;	/* where the logical line began */
};

int table_lines_open(struct table_lines *l, struct slice path, struct str *why);
void table_lines_close(struct table_lines *l);
bool table_lines_next(struct table_lines *l, struct slice *ret_line);

/* "path, line 3: what"; returns ERR_SYNTAX. */
int table_complain(struct str *why, struct slice path, unsigned line, const char *what);

/* "{ text }" without braces and the blanks inside; anything else as it is. -EINVAL when the braces do not enclose it. */
int table_unbrace(struct slice *text);
