/* table_compound.c - tables made of tables: unionmap:{a, b} and pipemap:{a, b}
 *
 *	unionmap	what all of them find, with commas between; an error of one is an error
 *	pipemap		what the first finds is the key for the second, and so on; the last answer counts
 */
#include <errno.h>
#include <stdlib.h>

#include "core/conf.h"
#include "core/err.h"
#include "core/maps.h"
#include "core/table_impl.h"

#define STAGE_VALUE_MAX KIB(4)

static int load_compound(struct table_set *set, struct slice arg, struct str *why, void **ret_data)
{
	struct slice inside = arg;
	struct maps *m = NULL;

	if (arg.len == 0 || arg.ptr[0] != '{' || table_unbrace(&inside) < 0)
		return table_complain(why, arg, 0, "expected {type:name, type:name}");
	int r = maps_open(set, inside, why, &m);

	if (r == 0 && m == NULL)
		return table_complain(why, arg, 0, "no table in it");
	if (r == 0 && maps_need_io(m)) {
		maps_free(&m);
		return table_complain(why, arg, 0, "a table of another process cannot be part of this one");
	}
	*ret_data = m;
	return r;
}

static int find_union(const void *data, struct slice key, unsigned flags, struct str *ret_value)
{
	const struct maps *m = data;
	char storage[STAGE_VALUE_MAX];
	int found = 0;

	for (unsigned i = 0; i < m->count; i++) {
		struct str part = STR(storage);
		int r = table_find(m->tables[i], key, flags, &part);

		if (r < 0)
			return r;
		if (r == 0)
			continue;
		if (found > 0)
			str_add_char(ret_value, ',');
		str_add(ret_value, str_slice(&part));
		found = 1;
	}
	return found;
}

static int find_pipe(const void *data, struct slice key, unsigned flags, struct str *ret_value)
{
	const struct maps *m = data;
	char storage[2][STAGE_VALUE_MAX];

	for (unsigned i = 0; i < m->count; i++) {
		struct str part = STR(storage[i % 2]);
		int r = table_find(m->tables[i], key, i == 0 ? flags : 0, &part);

		if (r <= 0)
			return r;
		key = str_slice(&part);
	}
	str_add(ret_value, key);
	return 1;
}

static void unload_compound(void *data)
{
	struct maps *m = data;

	maps_free(&m);
}

const struct table_type table_type_unionmap = {
	.name = "unionmap",
	.load = load_compound,
	.find_with = find_union,
	.unload = unload_compound,
};

const struct table_type table_type_pipemap = {
	.name = "pipemap",
	.load = load_compound,
	.find_with = find_pipe,
	.unload = unload_compound,
};
