/* table.h - lookup tables "type:name": open them all at start, ask them on any turn
 *
 *	texthash:/file	lines of key and value, as for postmap(1)
 *	inline:{ key=value, { key = text with blanks } }
 *	static:value	every key has this value; static:{ text with blanks }
 *	hash:/file	/file.db, btree: the same, lmdb: /file.lmdb, cdb: /file.cdb: as postmap writes them
 *	cidr:/file	networks, tried in order; see core/table_cidr.c
 *	pcre:/file	patterns, tried in order, regexp: the same; see core/table_pcre.c
 *	cidr:{ {line}, {line} }, and the same of pcre:, regexp: and texthash: their lines, without a file
 *	unionmap:{type:name, ...}, pipemap:{type:name, ...}: see core/table_compound.c
 *	fail:text	every question is an error: for tests
 *	tcp:, socketmap: ask another process; see net/lookup/table_net.h, which makes them known here
 *
 * All but the last two are local: they are read whole into memory when they are opened, and asking one is no more than
 * a function call. A type that needs I/O for an answer says so in table_needs_io, and cannot be asked with table_find.
 *
 * Three outcomes, never confused: found, not found, error. An error is never taken for "not found": who asks defers.
 *
 * keys     all but patterns compare keys without ASCII case. A partial key (TABLE_PARTIAL: a domain's parent, an
 *          address without extension, @domain) is never shown to a table of patterns: that one answers "not found"
 * proxy:   is accepted in front of any type, and changes nothing: there is no other process to ask
 * memory   malloc at start only; a value is copied to the asker's storage
 * bounds   TABLE_FILE_MAX octets a file, TABLE_KEY_MAX octets a key in it, TABLE_SET_MAX tables
 * errors   opening says "file, line N: what"; a line that cannot be read is an error, not a line less
 * cores    every core may ask; nobody writes but a reload, which gives each core the new content by its own hand
 * reload   a file that was changed or replaced is read again when somebody asks for it (HUP), never by itself. If that
 *          fails the old content stays, and so it does for tables without a file and for /file items of match lists
 */
#pragma once

#include "core/slice.h"
#include "core/str.h"
#include "core/version.h"

#define TABLE_FILE_MAX	MIB(256)
#define TABLE_KEY_MAX	KIB(8)
#define TABLE_SET_MAX	256u
#define TABLE_WHY_MAX	512u	/* octets of storage that hold any message about a table */

enum table_flags { TABLE_PARTIAL = 1 };

struct table;

/* All tables of a process, each name once. */
struct table_set;

struct table_set *table_set_new(void);		/* NULL: no memory */
void table_set_free(struct table_set **set);	/* closes them */

/* Opens a table, or finds it open. Returns 0, with a warning in *why or nothing; or ERR_SYNTAX, a negative errno, and
 * *why says what is wrong. The table belongs to the set. */
int table_open(struct table_set *set, struct slice name, struct str *why, struct table **ret_table);

/* Returns 1 and the value in *ret_value (cleared first), 0 (not found), or a negative error: -EMSGSIZE when the value
 * does not fit, -EWOULDBLOCK when the table needs I/O. */
int table_find(const struct table *t, struct slice key, unsigned flags, struct str *ret_value);

/* What is behind pcre:, lmdb: and cdb:. Berkeley's files are read without its library. Start only. */
struct library table_library_pcre(void);
struct library table_library_lmdb(void);
struct library table_library_cdb(void);
/* Its content is a secret: from now on it is in memory that is never dumped, and locked where the kernel allows that.
 * Tables of pairs only (texthash, inline, hash, btree, lmdb, cdb): for others -EOPNOTSUPP; or -ENOMEM. */
int table_hide(struct table *t);

/* --- reload: in this order, and not again between the second and the third -------------------------- */

typedef void table_line_fn(const char *line, void *context);

/* 1. Not on a core: reads changed files again; say hears one line for each. How many there are. A database that another
 *    program has locked is not waited for, and *ret_locked set: a reload somewhat later does it, without that line. */
unsigned table_set_reload(struct table_set *set, table_line_fn *say, void *context, bool *ret_locked);
/* 2. On every core. */
void table_set_adopt(struct table_set *set);
/* 3. When all cores have done that: frees the old content. */
void table_set_retire(struct table_set *set, unsigned cores);

/* Is this name one of a table? What follows "type:" is not looked at. */
bool table_is_name(struct slice text);

bool table_needs_io(const struct table *t);
const char *table_name(const struct table *t);	/* "type:name", for messages */
