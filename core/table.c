#include "core/table_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/conf_expand.h"
#include "core/err.h"
#include "core/limits.h"
#include "core/reactor.h"

/* What a file was when it was read. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec written, changed;
};

/* The content lives until every core has taken the next one. */
struct table {
	const struct table_type *type;
	void *data[CORE_COUNT_MAX];	/* each core's own view; slot 0 also for whoever is no core */
	void *current;			/* what all of them have, but during a reload */
	void *next;			/* from table_set_reload to table_set_retire */
	struct slice arg;		/* in name */
	struct stamp stamp, next_stamp;
	bool is_hidden;
	bool is_locked;			/* by another program, when it was to be read again */
	char *name;
};

#define DEPTH_MAX 8u

struct table_set {
	struct table *tables[TABLE_SET_MAX];
	unsigned count;
	unsigned depth;		/* of tables made of tables, while one is opened */
	bool in_use;		/* it has been loaded again: others wait for whoever does that */
};

static const struct table_type type_static, type_fail;

static const struct table_type *const types[] = {
	&table_type_texthash,
	&table_type_inline,
	&type_static,
	&table_type_cidr,
	&table_type_regexp,
	&table_type_pcre,
	&table_type_hash,
	&table_type_btree,
	&table_type_lmdb,
	&table_type_cdb,
	&table_type_unionmap,
	&table_type_pipemap,
	&type_fail,
};

static const struct table_type *more_types[TABLE_TYPES_MORE];
static unsigned more_count;

static const struct table_type *type_at(size_t i)
{
	return i < ARRAY_LEN(types) ? types[i] : more_types[i - ARRAY_LEN(types)];
}

void table_type_add(const struct table_type *type)
{
	for (unsigned i = 0; i < more_count; i++)
		if (more_types[i] == type)
			return;
	ASSERT(more_count < TABLE_TYPES_MORE);
	more_types[more_count++] = type;
}

struct table_set *table_set_new(void)
{
	return calloc(1, sizeof(struct table_set));
}

static void table_free(struct table *t)
{
	if (t->current != NULL)
		t->type->unload(t->current);
	if (t->next != NULL)
		t->type->unload(t->next);
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
	for (size_t i = 0; i < ARRAY_LEN(types) + more_count; i++) {
		if (!slice_eq(slice_head(*name, (size_t)colon), slice_of_str(type_at(i)->name)))
			continue;
		slice_skip(name, (size_t)colon + 1);
		return type_at(i);
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
	for (size_t i = 0; i < ARRAY_LEN(types) + more_count; i++) {
		str_add_char(why, ' ');
		str_add_cstr(why, type_at(i)->name);
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

static struct stamp stamp_of(const struct table *t)
{
	char storage[4096];
	struct str path = STR(storage);
	struct stat st;

	if (t->type->suffix == NULL)
		return (struct stamp){ 0 };
	str_add(&path, t->arg);
	str_add_cstr(&path, t->type->suffix);
	if (str_is_full(&path) || stat(str_cstr(&path), &st) < 0)
		return (struct stamp){ 0 };
	return (struct stamp){ st.st_dev, st.st_ino, st.st_size, st.st_mtim, st.st_ctim };
}

/* The stamp is taken first: a file that is replaced meanwhile will look changed. */
static int load(struct table_set *set, struct table *t, struct str *why, struct stamp *ret_stamp, void **ret_data)
{
	void *data = NULL;

	*ret_stamp = stamp_of(t);
	int r = t->type->load(set, t->arg, why, &data);

	if (r < 0 && why->len == 0)
		str_add_cstr(why, err_text(r));
	if (r == 0)
		*ret_data = data;
	if (r == 0 && t->is_hidden)
		(void)table_store_hide(data);	/* it stays where it is when there is no memory, and works */
	return r;
}

int table_hide(struct table *t)
{
	if (t->type->unload != table_store_unload)
		return -EOPNOTSUPP;
	t->is_hidden = true;
	return table_store_hide(t->current);
}

static struct table *table_new(const struct table_type *type, struct slice name, size_t arg_len)
{
	struct table *t = calloc(1, sizeof(*t));

	if (t == NULL || (t->name = strndup(name.ptr, name.len)) == NULL) {
		free(t);
		return NULL;
	}
	t->type = type;
	t->arg = slice_of(t->name + name.len - arg_len, arg_len);
	return t;
}

int table_open(struct table_set *set, struct slice name, struct str *why, struct table **ret_table)
{
	struct slice arg = without_proxy(name);
	struct table *t = find_open(set, arg);
	void *data = NULL;

	name = arg;
	str_clear(why);
	if (t != NULL) {
		*ret_table = t;
		return 0;
	}
	const struct table_type *type = take_type(&arg);

	if (type == NULL)
		return complain_of_type(name, why);
	if (memchr(name.ptr, '\0', name.len) != NULL)	/* a file of a match list may have one */
		return table_complain(why, name, 0, "a NUL octet");
	if (set->depth == DEPTH_MAX)
		return table_complain(why, name, 0, "tables inside each other, more than 8 deep");
	t = table_new(type, name, arg.len);
	if (t == NULL)
		return -ENOMEM;
	set->depth++;
	int r = load(set, t, why, &t->stamp, &data);

	set->depth--;
	t->current = data;
	for (unsigned i = 0; i < CORE_COUNT_MAX; i++)
		t->data[i] = data;
	if (r == 0 && set->count == TABLE_SET_MAX) {
		str_add_cstr(why, "more than 256 tables");
		r = -ENOSPC;
	}
	if (r < 0) {
		table_free(t);
		return r;
	}
	set->tables[set->count++] = t;
	*ret_table = t;
	return 0;
}

static const void *view(const struct table *t)
{
	const struct reactor *self = reactor_self();

	return t->data[self != NULL ? self->core : 0];
}

static int ask(const struct table *t, struct slice key, unsigned flags, struct str *ret_value)
{
	if (t->type->find_with != NULL)
		return t->type->find_with(view(t), key, flags, ret_value);
	return t->type->find(view(t), key, ret_value);
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
	int r = ask(t, key, flags, ret_value);

	if (r > 0 && str_is_full(ret_value))
		return -EMSGSIZE;
	return r;
}

void table_set_each(struct table_set *set, void (*fn)(struct table *t, void *context), void *context)
{
	for (unsigned i = 0; i < set->count; i++)
		fn(set->tables[i], context);
}

const void *table_data(const struct table *t)
{
	return t->current;
}

bool table_needs_io(const struct table *t)
{
	return t->type->needs_io != NULL && t->type->needs_io(t->current);
}

const char *table_name(const struct table *t)
{
	return t->name;
}

/* --- reload --------------------------------------------------------------------------------------- */

static bool stamp_eq(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->written.tv_sec == b->written.tv_sec && a->written.tv_nsec == b->written.tv_nsec &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

bool table_set_may_wait(const struct table_set *set)
{
	return !set->in_use;
}

unsigned table_set_reload(struct table_set *set, table_line_fn *say, void *context, bool *ret_locked)
{
	unsigned count = 0;
	bool any_locked = false;

	set->in_use = true;
	for (unsigned i = 0; i < set->count; i++) {
		struct table *t = set->tables[i];
		char storage[TABLE_WHY_MAX], line_storage[TABLE_WHY_MAX + 64];
		struct str why = STR(storage), line = STR(line_storage);
		struct stamp now = stamp_of(t);

		if (t->next != NULL)	/* no core was told */
			t->type->unload(t->next);
		t->next = NULL;
		if (t->type->suffix == NULL || stamp_eq(&now, &t->stamp))
			continue;
		const bool was_locked = t->is_locked;
		int r = load(set, t, &why, &t->next_stamp, &t->next);

		count += r == 0;
		t->is_locked = r == -EBUSY;
		any_locked |= t->is_locked;
		if (t->is_locked && was_locked)
			continue;	/* that was said before */
		str_add_cstr(&line, r < 0 ? "the old content stays: " : why.len > 0 ? "read again: " : "read again ");
		str_add_cstr(&line, why.len > 0 ? str_cstr(&why) : t->name);
		say(str_cstr(&line), context);
	}
	*ret_locked = any_locked;
	return count;
}

void table_set_adopt(struct table_set *set)
{
	unsigned core = reactor_self() != NULL ? reactor_self()->core : 0;

	for (unsigned i = 0; i < set->count; i++)
		if (set->tables[i]->next != NULL)
			set->tables[i]->data[core] = set->tables[i]->next;
}

void table_set_retire(struct table_set *set, unsigned cores)
{
	for (unsigned i = 0; i < set->count; i++) {
		struct table *t = set->tables[i];

		if (t->next == NULL)
			continue;
		for (unsigned core = 0; core < cores; core++)
			ASSERT(t->data[core] == t->next);
		t->type->unload(t->current);
		t->current = t->next;
		t->stamp = t->next_stamp;
		t->next = NULL;
	}
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

static int load_text(struct table_set *set, struct slice arg, struct str *why, void **ret_data)
{
	(void)set;
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
