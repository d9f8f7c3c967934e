#include "core/maps.h"

#include <errno.h>
#include <stdlib.h>

#include "core/conf.h"
#include "core/err.h"
#include "core/table_impl.h"

#define FILE_DEPTH_MAX	8u	/* files that name files */

struct item {
	struct slice text;		/* of a word */
	const struct table *table;	/* or this */
	struct addr_net net;		/* base.len 0: the word is no network */
	bool negated;
};

struct mlist {
	struct item *items;
	size_t count, room;
};

/* --- maps ----------------------------------------------------------------------------------------- */

int maps_open(struct table_set *set, struct slice value, struct str *why, struct maps **ret_maps)
{
	struct slice rest = value, item;
	unsigned count = 0;

	str_clear(why);
	while ((item = conf_list_next_braced(&rest)).len > 0)
		count++;
	if (count > MAPS_MAX) {
		str_add_cstr(why, "more than 64 tables");
		return ERR_SYNTAX;
	}
	*ret_maps = NULL;
	if (count == 0)
		return 0;
	struct maps *m = calloc(1, sizeof(*m) + count * sizeof(m->tables[0]));

	if (m == NULL)
		return -ENOMEM;
	for (rest = value; (item = conf_list_next_braced(&rest)).len > 0;) {
		char text[TABLE_WHY_MAX];
		struct str said = STR(text);
		int r = table_open(set, item, &said, &m->tables[m->count]);

		if (said.len > 0) {
			str_clear(why);
			str_add_cut(why, str_slice(&said), why->cap);
		}
		if (r < 0) {
			maps_free(&m);
			return r;
		}
		m->count++;
	}
	*ret_maps = m;
	return 0;
}

void maps_free(struct maps **maps)
{
	free(*maps);
	*maps = NULL;
}

void maps_hide(const struct maps *m)
{
	for (unsigned i = 0; m != NULL && i < m->count; i++)
		(void)table_hide(m->tables[i]);		/* patterns and the like stay where they are */
}

int maps_find(const struct maps *m, struct slice key, unsigned flags, struct str *ret_value)
{
	int r = 0;

	str_clear(ret_value);
	for (unsigned i = 0; m != NULL && r == 0 && i < m->count; i++)
		r = table_find(m->tables[i], key, flags, ret_value);
	return r;
}

bool maps_need_io(const struct maps *m)
{
	for (unsigned i = 0; m != NULL && i < m->count; i++)
		if (table_needs_io(m->tables[i]))
			return true;
	return false;
}

/* --- match lists: reading ------------------------------------------------------------------------- */

/* One reading: where it goes, and how deep in files it is. */
struct reading {
	struct table_set *set;
	struct mlist *list;
	struct str *why;
	unsigned depth;
};

static int add_items(struct reading *rd, struct slice text, bool negated);

static int add_file(struct reading *rd, struct slice path, bool negated)
{
	struct table_lines lines;
	struct slice line;

	if (rd->depth == FILE_DEPTH_MAX)
		return table_complain(rd->why, path, 0, "files that name files that name files, more than 8 deep");
	int r = table_lines_open(&lines, path, rd->why);

	if (r < 0)
		return r;
	rd->depth++;
	while (r == 0 && table_lines_next(&lines, &line))
		r = add_items(rd, line, negated);
	rd->depth--;
	table_lines_close(&lines);
	return r;
}

static int new_item(struct mlist *l, struct item **ret_item)
{
	if (l->count == MLIST_MAX)
		return -E2BIG;
	if (l->count == l->room) {
		size_t room = l->room > 0 ? 2 * l->room : 16;
		struct item *larger = realloc(l->items, room * sizeof(*larger));

		if (larger == NULL)
			return -ENOMEM;
		l->items = larger;
		l->room = room;
	}
	*ret_item = &l->items[l->count];
	**ret_item = (struct item){ 0 };
	return 0;
}

static int add_item(struct reading *rd, struct slice text, bool negated)
{
	struct item *item;
	struct table *table;
	int r = 0;

	for (; text.len > 0 && text.ptr[0] == '!'; slice_skip(&text, 1))
		negated = !negated;
	if (text.len == 0)
		return table_complain(rd->why, SLICE("!"), 0, "nothing behind it");
	if (text.ptr[0] == '/')
		return add_file(rd, text, negated);
	r = new_item(rd->list, &item);
	if (r < 0)
		return r;
	item->negated = negated;
	if (table_is_name(text)) {
		char said_storage[TABLE_WHY_MAX];
		struct str said = STR(said_storage);

		r = table_open(rd->set, text, &said, &table);
		if (said.len > 0) {
			str_clear(rd->why);
			str_add_cut(rd->why, str_slice(&said), rd->why->cap);
		}
		item->table = table;
	} else {
		char *copy = malloc(text.len);

		if (copy == NULL)
			return -ENOMEM;
		memcpy(copy, text.ptr, text.len);
		item->text = slice_of(copy, text.len);
		if (addr_net_parse(item->text, &item->net) < 0)
			item->net.base.len = 0;
	}
	if (r == 0)
		rd->list->count++;
	return r;
}

static int add_items(struct reading *rd, struct slice text, bool negated)
{
	struct slice item;
	int r = 0;

	while (r == 0 && (item = conf_list_next_braced(&text)).len > 0)
		r = add_item(rd, item, negated);
	return r;
}

int mlist_open(struct table_set *set, struct slice value, struct str *why, struct mlist **ret_list)
{
	struct mlist *l = calloc(1, sizeof(*l));
	struct reading rd = { .set = set, .list = l, .why = why };

	str_clear(why);
	if (l == NULL)
		return -ENOMEM;
	int r = add_items(&rd, value, false);

	if (r < 0 && why->len == 0)
		str_add_cstr(why, r == -E2BIG ? "more than 65536 items" : err_text(r));
	if (r < 0 || l->count == 0)
		mlist_free(&l);
	*ret_list = l;
	return r;
}

void mlist_free(struct mlist **list)
{
	struct mlist *l = *list;

	*list = NULL;
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->count; i++)
		free((char *)l->items[i].text.ptr);
	free(l->items);
	free(l);
}

bool mlist_needs_io(const struct mlist *l)
{
	for (size_t i = 0; l != NULL && i < l->count; i++)
		if (l->items[i].table != NULL && table_needs_io(l->items[i].table))
			return true;
	return false;
}

/* --- match lists: asking -------------------------------------------------------------------------- */

/* Does the table have the key? Its value may be longer than what we have room for. */
static int table_has(const struct table *t, struct slice key, unsigned flags)
{
	char storage[8];
	struct str value = STR(storage);
	int r = table_find(t, key, flags, &value);

	return r == -EMSGSIZE ? 1 : r;
}

int mlist_match(const struct mlist *l, struct slice word)
{
	for (size_t i = 0; l != NULL && i < l->count; i++) {
		const struct item *item = &l->items[i];
		int r = item->table != NULL ? table_has(item->table, word, 0) : slice_eq_nocase(item->text, word);

		if (r != 0)
			return r < 0 ? r : !item->negated;
	}
	return 0;
}

bool mlist_names(const struct mlist *l, struct slice word)
{
	for (size_t i = 0; l != NULL && i < l->count; i++)
		if (l->items[i].table == NULL && slice_eq_nocase(l->items[i].text, word))
			return !l->items[i].negated;
	return false;
}

/* The part behind the first dot; with_dot: that dot and what is behind it. Empty: there is none. */
static struct slice parent_of(struct slice name, bool with_dot)
{
	ptrdiff_t dot = slice_find_char(name, 1, '.');

	if (name.len == 0 || dot < 0 || (size_t)dot + 1 == name.len)
		return SLICE("");
	slice_skip(&name, (size_t)dot + (with_dot ? 0 : 1));
	return name;
}

static int table_has_host(const struct table *t, struct slice name, struct slice address, bool subdomains)
{
	int r = address.len > 0 ? table_has(t, address, 0) : 0;

	if (r == 0 && name.len > 0)
		r = table_has(t, name, 0);
	for (struct slice part = name; r == 0 && (part = parent_of(part, !subdomains)).len > 0;)
		r = table_has(t, part, TABLE_PARTIAL);
	return r;
}

static bool is_below(struct slice name, struct slice domain)
{
	return name.len > domain.len &&
	       slice_eq_nocase(slice_of(name.ptr + name.len - domain.len, domain.len), domain);
}

static bool word_is_host(const struct item *item, struct slice name, const struct addr *address, bool subdomains)
{
	if (item->net.base.len > 0)
		return address != NULL && addr_net_contains(&item->net, address);
	if (slice_eq_nocase(item->text, name))
		return true;
	if (item->text.ptr[0] == '.')
		return is_below(name, item->text);
	return subdomains && is_below(name, item->text) &&
	       name.ptr[name.len - item->text.len - 1] == '.';
}

int mlist_match_host(const struct mlist *l, struct slice name, const struct addr *address, bool subdomains)
{
	char storage[ADDR_TEXT_MAX];
	struct str ip = STR(storage);

	if (address != NULL)
		addr_add_ip(&ip, address);
	for (size_t i = 0; l != NULL && i < l->count; i++) {
		const struct item *item = &l->items[i];
		int r = item->table != NULL ? table_has_host(item->table, name, str_slice(&ip), subdomains)
					    : word_is_host(item, name, address, subdomains);

		if (r != 0)
			return r < 0 ? r : !item->negated;
	}
	return 0;
}
