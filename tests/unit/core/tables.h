/* tables.h - a folder for table files, and questions in one line */
#pragma once

#include "tests/test.h"

#include <stdio.h>
#include <string.h>

#include "core/err.h"
#include "core/file.h"
#include "core/table.h"

static char folder[64];

static inline int make_folder(void **state)
{
	(void)state;
	memcpy(folder, "/tmp/ringpost-table-XXXXXX", sizeof("/tmp/ringpost-table-XXXXXX"));
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static inline int remove_folder(void **state)
{
	char command[96];

	(void)state;
	(void)snprintf(command, sizeof(command), "rm -r %s", folder);
	return system(command);
}

/* Writes folder/name and returns the path, good until the next call. */
static inline const char *write_file(const char *name, struct slice text)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(file_replace(path, text), 0);
	return path;
}

static inline const char *named(const char *type, const char *path)
{
	static char name[192];

	(void)snprintf(name, sizeof(name), "%s:%s", type, path);
	return name;
}

/* What a table of this name says to key, as one word; "?" and the error otherwise. */
static inline const char *ask(struct table_set *set, const char *name, const char *key, unsigned flags)
{
	static char answer[256];
	char why_storage[TABLE_WHY_MAX];
	struct str why = STR(why_storage), value = STR(answer);
	struct table *t;
	int r = table_open(set, slice_of_str(name), &why, &t);

	if (r == 0)
		r = table_find(t, slice_of_str(key), flags, &value);
	if (r < 0)
		return err_text(r);
	return r == 0 ? "(none)" : str_cstr(&value);
}

static inline void assert_refused(const char *name, const char *expected)
{
	char storage[TABLE_WHY_MAX];
	struct str why = STR(storage);
	struct table_set *set = table_set_new();
	struct table *t;

	assert_true(table_open(set, slice_of_str(name), &why, &t) < 0);
	assert_string_equal(str_cstr(&why), expected);
	table_set_free(&set);
}
