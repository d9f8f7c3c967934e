#include "core/table_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "core/conf_expand.h"
#include "core/err.h"

struct table {
	const struct table_type *type;
	void *data;
	char *name;
};

struct table_set {
	struct table *tables[TABLE_SET_MAX];
	unsigned count;
};

static const struct table_type type_static, type_fail;

static const struct table_type *const types[] = {
	&table_type_texthash,
	&table_type_inline,
	&type_static,
	&type_fail,
};

struct table_set *table_set_new(void)
{
	return calloc(1, sizeof(struct table_set));
}

static void table_free(struct table *t)
{
	if (t->data != NULL)
		t->type->unload(t->data);
	free(t->name);
	free(t);
}

void table_set_free(struct table_set **set)
{
	struct table_set *s = *set;

	*set = NULL;
	if (s == NULL)
		return;
	for (unsigned i = 0; i < s->count; i++)
		table_free(s->tables[i]);
	free(s);
}

/* "proxy:type:name" is asked here: there is no process in between. */
static struct slice without_proxy(struct slice name)
{
	if (slice_has_prefix(name, SLICE("proxy:")))
		slice_skip(&name, 6);
	return name;
}

/* The type in front of the first colon, which is skipped, too; NULL: none of ours. */
static const struct table_type *take_type(struct slice *name)
{
	ptrdiff_t colon = slice_find_char(*name, 0, ':');

	if (colon < 0)
		return NULL;
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		if (!slice_eq(slice_head(*name, (size_t)colon), slice_of_str(types[i]->name)))
			continue;
		slice_skip(name, (size_t)colon + 1);
		return types[i];
	}
	return NULL;
}

bool table_is_name(struct slice text)
{
	text = without_proxy(text);
	return take_type(&text) != NULL;
}

static int complain_of_type(struct slice name, struct str *why)
{
	str_add_cstr(why, "'");
	str_add_printable(why, name, 80);
	str_add_cstr(why, "' is not a table; expected type:name, the type one of");
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		str_add_char(why, ' ');
		str_add_cstr(why, types[i]->name);
	}
	return ERR_SYNTAX;
}

static struct table *find_open(struct table_set *set, struct slice name)
{
	for (unsigned i = 0; i < set->count; i++)
		if (slice_eq(slice_of_str(set->tables[i]->name), name))
			return set->tables[i];
	return NULL;
}

int table_open(struct table_set *set, struct slice name, struct str *why, struct table **ret_table)
{
	struct slice arg = without_proxy(name);
	struct table *t = find_open(set, arg);

	name = arg;
	str_clear(why);
	if (t != NULL) {
		*ret_table = t;
		return 0;
	}
	const struct table_type *type = take_type(&arg);

	if (type == NULL)
		return complain_of_type(name, why);
	if (set->count == TABLE_SET_MAX) {
		str_add_cstr(why, "more than 256 tables");
		return -ENOSPC;
	}
	t = calloc(1, sizeof(*t));
	if (t != NULL)
		t->name = strndup(name.ptr, name.len);
	if (t == NULL || t->name == NULL) {
		free(t);
		return -ENOMEM;
	}
	t->type = type;
	int r = type->load(arg, why, &t->data);

	if (r < 0) {
		table_free(t);
		if (why->len == 0)
			str_add_cstr(why, err_text(r));
		return r;
	}
	set->tables[set->count++] = t;
	*ret_table = t;
	return 0;
}

int table_find(const struct table *t, struct slice key, unsigned flags, struct str *ret_value)
{
	char folded[TABLE_KEY_MAX];

	str_clear(ret_value);
	if (t->type->is_pattern && (flags & TABLE_PARTIAL))
		return 0;
	if (t->type->folds) {
		if (key.len > sizeof(folded))
			return 0;	/* no file has a key as long as this */
		for (size_t i = 0; i < key.len; i++)
			folded[i] = ascii_lower(key.ptr[i]);
		key = slice_of(folded, key.len);
	}
	int r = t->type->find(t->data, key, ret_value);

	if (r > 0 && str_is_full(ret_value))
		return -EMSGSIZE;
	return r;
}

bool table_needs_io(const struct table *t)
{
	(void)t;
	return false;
}

const char *table_name(const struct table *t)
{
	return t->name;
}

/* --- what the types share ------------------------------------------------------------------------- */

int table_complain(struct str *why, struct slice path, unsigned line, const char *what)
{
	str_add_printable(why, path, 200);
	if (line > 0)
		str_printf(why, ", line %u", line);
	str_add_cstr(why, ": ");
	str_add_cstr(why, what);
	return ERR_SYNTAX;
}

int table_unbrace(struct slice *text)
{
	struct slice s = slice_trim(*text), inside;

	if (s.len == 0 || s.ptr[0] != '{')
		return 0;
	if (!conf_take_bracketed(&s, &inside) || s.len > 0)
		return -EINVAL;
	*text = slice_trim(inside);
	return 0;
}

/* --- static: and fail: ---------------------------------------------------------------------------- */

static int load_text(struct slice arg, struct str *why, void **ret_data)
{
	if (table_unbrace(&arg) < 0)
		return table_complain(why, arg, 0, "the braces do not enclose it");
	*ret_data = strndup(arg.ptr, arg.len);
	return *ret_data != NULL ? 0 : -ENOMEM;
}

static int find_static(const void *data, struct slice key, struct str *ret_value)
{
	(void)key;
	str_add_cstr(ret_value, data);
	return 1;
}

static int find_fail(const void *data, struct slice key, struct str *ret_value)
{
	(void)data;
	(void)key;
	(void)ret_value;
	return -EIO;
}

static const struct table_type type_static = {
	.name = "static", .load = load_text, .find = find_static, .unload = free,
};

static const struct table_type type_fail = {
	.name = "fail", .load = load_text, .find = find_fail, .unload = free,
};
