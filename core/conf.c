#include "core/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf_expand.h"
#include "core/err.h"

#define SLOTS		(2 * CONF_NAMES_MAX)	/* a power of two, at most half full */
#define CHUNK_SIZE	KIB(64)
#define WHERE_OPTION	"-o option"
#define WHERE_DEFAULT	"default"

static_assert((SLOTS & (SLOTS - 1)) == 0, "slots are found by masking");

enum entry_state {
	ENTRY_FRESH,		/* not expanded since the last change */
	ENTRY_RUNNING,		/* being expanded: met again, it is a cycle */
	ENTRY_DONE,
	ENTRY_BROKEN		/* does not expand; the reason has been collected, here or where it lies */
};

/* A name that somebody defined, or asked for. */
struct entry {
	struct slice name;
	const char *file_text, *file_where;
	const char *option_text;
	const char *value;		/* expanded; NULL while no source has the name */
	struct entry *outer;		/* whose expansion needs ours, while RUNNING */
	struct entry *source;		/* the first written value that our default refers to */
	unsigned generation;		/* of the conf when state was true */
	enum entry_state state;
	bool on_stack;			/* between the beginning and the end of its expansion */
	bool used;
	bool complained;
};

struct chunk {
	struct chunk *next;
	size_t used, cap;
	_Alignas(max_align_t) char bytes[];
};

struct conf {
	conf_default_fn *defaults;
	void *context;
	struct chunk *chunks;
	char *logical;				/* where logical lines are joined */
	struct entry *entries[CONF_NAMES_MAX];	/* in the order of their coming */
	uint16_t slots[SLOTS];			/* index + 1, found by hash */
	unsigned entry_count;
	unsigned generation;
	struct entry *running;
	struct conf_expand expand;
	const char *errors[CONF_ERRORS_MAX];
	unsigned errors_kept, error_count;
	bool names_full;			/* said once */
};

/* One text on its way in. */
struct reader {
	struct conf *conf;
	const char *name;
	unsigned line, first_line;		/* now, and where the logical line began */
	char *logical;				/* CONF_VALUE_MAX octets of the conf's */
	size_t len;
	bool open, too_long;
};

static void read_line(struct reader *rd, struct slice line);
static void read_logical(struct reader *rd);
static void define(struct conf *c, struct slice name, struct slice value, const char *where,
		   bool is_option);
static struct entry *find(const struct conf *c, struct slice name, size_t *ret_slot);
static struct entry *find_or_add(struct conf *c, struct slice name);
static int entry_expand(struct conf *c, struct entry *e);
static int lookup(void *context, struct slice name, struct slice *ret_value);
static void complain(struct conf *c, const char *where, struct slice name, const char *value,
		     const char *what, const char *form);
static void complain_of(struct conf *c, struct entry *e, const char *what, const char *form);
static const char *copy(struct conf *c, struct slice text);
static const char *raw_text(const struct entry *e);
static const char *entry_where(const struct entry *e);

struct conf *conf_new(conf_default_fn *defaults, void *context)
{
	struct conf *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->defaults = defaults;
	c->context = context;
	c->expand.lookup = lookup;
	c->expand.context = c;
	return c;
}

void conf_free(struct conf **conf)
{
	struct conf *c = *conf;

	*conf = NULL;
	if (c == NULL)
		return;
	for (struct chunk *chunk = c->chunks; chunk != NULL;) {
		struct chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	conf_expand_done(&c->expand);
	free(c);
}

/* --- reading ------------------------------------------------------------------------------------ */

void conf_read_text(struct conf *c, const char *name, struct slice text)
{
	struct reader rd = { .conf = c, .name = name };

	if (text.len > CONF_FILE_MAX) {
		complain(c, name, SLICE(""), NULL, "the file is too large", "at most 4194304 octets");
		return;
	}
	if (c->logical == NULL && (c->logical = conf_alloc(c, CONF_VALUE_MAX)) == NULL)
		return;
	rd.logical = c->logical;
	while (text.len > 0) {
		ptrdiff_t end = slice_find_char(text, 0, '\n');
		struct slice line = slice_head(text, end < 0 ? text.len : (size_t)end);

		rd.line++;
		read_line(&rd, line);
		slice_skip(&text, MIN(line.len + 1, text.len));
	}
	read_logical(&rd);
}

static const char *reader_where(struct reader *rd, unsigned line)
{
	char storage[256];
	struct str s = STR(storage);

	str_add_printable(&s, slice_of_str(rd->name), 200);
	s.full = false;		/* a name that had to be cut still gets its line */
	str_printf(&s, ":%u", line);
	return copy(rd->conf, str_slice(&s));
}

static void read_line(struct reader *rd, struct slice line)
{
	struct slice text = slice_trim(line);
	bool continues = line.len > 0 && (line.ptr[0] == ' ' || line.ptr[0] == '\t');

	if (text.len == 0 || text.ptr[0] == '#')
		return;
	if (continues && !rd->open) {
		complain(rd->conf, reader_where(rd, rd->line), text, NULL,
			 "white space in front continues nothing", "name = value at the beginning of the line");
		return;
	}
	if (!continues) {
		read_logical(rd);
		rd->open = true;
		rd->first_line = rd->line;
	}
	if (text.len + 1 > CONF_VALUE_MAX - rd->len) {
		rd->too_long = true;
		return;
	}
	if (continues)
		rd->logical[rd->len++] = ' ';
	memcpy(rd->logical + rd->len, text.ptr, text.len);
	rd->len += text.len;
}

static bool is_name(struct slice text)
{
	struct slice rest = text;

	return conf_take_name(&rest, true).len > 0 && rest.len == 0;
}

/* The logical line is complete: a definition, or an error. */
static void read_logical(struct reader *rd)
{
	struct slice text = slice_of(rd->logical, rd->len);
	ptrdiff_t equals = slice_find_char(text, 0, '=');
	bool open = rd->open, too_long = rd->too_long;

	rd->open = rd->too_long = false;
	rd->len = 0;
	if (!open)
		return;
	const char *where = reader_where(rd, rd->first_line);
	struct slice name = slice_trim(slice_head(text, equals < 0 ? text.len : (size_t)equals));

	if (too_long) {
		complain(rd->conf, where, name, NULL, "the value is too long", "at most 65536 octets");
	} else if (equals < 0) {
		complain(rd->conf, where, name, NULL, "no '=' here", "name = value");
	} else if (!is_name(name)) {
		complain(rd->conf, where, name, NULL, "not a parameter name",
			 "letters, digits, '_', '-' and '.' before the '='");
	} else {
		slice_skip(&text, (size_t)equals + 1);
		define(rd->conf, name, slice_trim(text), where, false);
	}
}

int conf_read_file(struct conf *c, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int err = fd < 0 ? -errno : 0;
	char *text = NULL;
	size_t len = 0;
	ssize_t n = 1;

	if (err == 0 && (text = malloc(CONF_FILE_MAX + 1)) == NULL)
		err = -ENOMEM;
	while (err == 0 && n > 0 && len <= CONF_FILE_MAX) {
		n = read(fd, text + len, CONF_FILE_MAX + 1 - len);
		if (n > 0)
			len += (size_t)n;
		else if (n < 0 && errno == EINTR)
			n = 1;
		else if (n < 0)
			err = -errno;
	}
	if (err == 0)
		conf_read_text(c, path, slice_of(text, len));
	else
		complain(c, path, SLICE(""), NULL, err_text(err), "a file this user may read");
	free(text);
	if (fd >= 0)
		(void)close(fd);	/* nothing was written */
	return err;
}

void conf_override(struct conf *c, const char *option)
{
	struct slice text = slice_trim(slice_of_str(option));
	struct slice shown = text;

	if (text.len > 0 && text.ptr[0] == '{') {
		struct slice inside;

		if (!conf_take_bracketed(&text, &inside) || text.len > 0) {
			complain(c, WHERE_OPTION, shown, NULL, "the braces do not enclose it",
				 "{ name = value }");
			return;
		}
		text = slice_trim(inside);
	}
	ptrdiff_t equals = slice_find_char(text, 0, '=');
	struct slice name = slice_trim(slice_head(text, equals < 0 ? 0 : (size_t)equals));

	if (equals < 0 || !is_name(name)) {
		complain(c, WHERE_OPTION, shown, NULL, "not a definition",
			 "name=value or { name = value }");
		return;
	}
	slice_skip(&text, (size_t)equals + 1);
	define(c, name, slice_trim(text), WHERE_OPTION, true);
}

static void define(struct conf *c, struct slice name, struct slice value, const char *where,
		   bool is_option)
{
	struct entry *e = NULL;

	if (memchr(value.ptr, '\0', value.len) != NULL) {
		complain(c, where, name, NULL, "a NUL octet in the value", "text");
		return;
	}
	if (value.len <= CONF_VALUE_MAX)
		e = find_or_add(c, name);
	else
		complain(c, where, name, NULL, "the value is too long", "at most 65536 octets");
	if (e == NULL)
		return;
	c->generation++;	/* whatever has been expanded may have been expanded with the old value */
	e->complained = false;
	if (is_option) {
		e->option_text = copy(c, value);
	} else {
		e->file_text = copy(c, value);
		e->file_where = where;
	}
}

/* --- names -------------------------------------------------------------------------------------- */

static struct entry *find(const struct conf *c, struct slice name, size_t *ret_slot)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < name.len; i++)
		hash = (hash ^ (unsigned char)name.ptr[i]) * 16777619u;
	size_t slot = hash & (SLOTS - 1);

	for (; c->slots[slot] != 0; slot = (slot + 1) & (SLOTS - 1))
		if (slice_eq(c->entries[c->slots[slot] - 1]->name, name))
			return c->entries[c->slots[slot] - 1];
	*ret_slot = slot;
	return NULL;
}

static struct entry *find_or_add(struct conf *c, struct slice name)
{
	size_t slot;
	struct entry *found = find(c, name, &slot);

	if (found != NULL)
		return found;
	if (c->entry_count == CONF_NAMES_MAX) {
		if (!c->names_full)
			complain(c, WHERE_DEFAULT, name, NULL, "too many names", "at most 4096 names");
		c->names_full = true;
		return NULL;
	}
	struct entry *e = conf_alloc(c, sizeof(*e));
	const char *kept = copy(c, name);

	if (e == NULL || kept == NULL)
		return NULL;
	e->name = slice_of(kept, name.len);
	e->generation = c->generation - 1;
	c->entries[c->entry_count++] = e;
	c->slots[slot] = (uint16_t)c->entry_count;
	return e;
}

static bool is_written(const struct entry *e)
{
	return e->option_text != NULL || e->file_text != NULL;
}

static const char *raw_text(const struct entry *e)
{
	return e->option_text != NULL ? e->option_text : e->file_text;
}

static const char *entry_where(const struct entry *e)
{
	if (e->option_text != NULL)
		return WHERE_OPTION;
	return e->file_text != NULL ? e->file_where : WHERE_DEFAULT;
}

/* --- expansion ---------------------------------------------------------------------------------- */

static void complain_of_cycle(struct conf *c, struct entry *e)
{
	char storage[512];
	struct entry *ring[CONF_DEPTH_MAX + 1];
	struct str s = STR(storage);
	size_t n = 0;

	for (struct entry *at = c->running; at != e && n < CONF_DEPTH_MAX; at = at->outer)
		ring[n++] = at;
	str_add_cstr(&s, "refers to itself: ");
	str_add_cut(&s, e->name, 64);
	while (n > 0) {
		str_add_cstr(&s, " -> ");
		str_add_cut(&s, ring[--n]->name, 64);
	}
	str_add_cstr(&s, " -> ");
	str_add_cut(&s, e->name, 64);
	complain_of(c, e, str_cstr(&s), "a value that does not lead back to its own name");
}

/* Whoever needs a broken value is broken, too, and silently: the reason is known. */
static int break_running(struct conf *c, const struct entry *until)
{
	for (struct entry *at = c->running; at != NULL; at = at->outer) {
		at->state = ENTRY_BROKEN;
		if (at == until)
			break;
	}
	return ERR_SYNTAX;
}

static int entry_expand_text(struct conf *c, struct entry *e)
{
	struct conf_expand *x = &c->expand;
	size_t mark = x->len, base = x->base;
	const char *text = raw_text(e);

	/* The defaults may ask us for other values before they answer. */
	if (text == NULL && c->defaults != NULL)
		text = c->defaults(e->name, c->context);
	if (text == NULL)
		return 0;
	x->base = mark;
	x->what = NULL;
	int r = conf_expand(x, slice_of_str(text));

	if (r == 0 && e->state == ENTRY_RUNNING)
		e->value = copy(c, x->len > mark ? slice_of(x->out + mark, x->len - mark) : SLICE(""));
	else if (r == ERR_SYNTAX && x->what != NULL && e->state == ENTRY_RUNNING)
		complain_of(c, e, x->what, x->form);
	else if (r == -ENOMEM)
		complain_of(c, e, err_text(r), "less of it");
	x->what = NULL;		/* said: the names around this one have nothing to add */
	x->len = mark;
	x->base = base;
	return r;
}

static int entry_expand(struct conf *c, struct entry *e)
{
	if (e->generation != c->generation) {
		e->generation = c->generation;
		e->state = ENTRY_FRESH;
		e->value = NULL;
		e->source = NULL;
	}
	if (e->on_stack) {
		complain_of_cycle(c, e);
		return break_running(c, e);
	}
	if (e->state == ENTRY_FRESH) {
		e->state = ENTRY_RUNNING;
		e->on_stack = true;
		e->outer = c->running;
		c->running = e;
		int r = entry_expand_text(c, e);

		c->running = e->outer;
		e->on_stack = false;
		if (r < 0)
			e->state = ENTRY_BROKEN;
		else if (e->state == ENTRY_RUNNING)
			e->state = ENTRY_DONE;
	}
	return e->state == ENTRY_DONE ? 0 : ERR_SYNTAX;
}

static int lookup(void *context, struct slice name, struct slice *ret_value)
{
	struct conf *c = context;
	struct entry *e = find_or_add(c, name);
	struct entry *asking = c->running;

	c->expand.what = NULL;
	*ret_value = SLICE("");
	if (e == NULL)
		return ERR_SYNTAX;	/* no room for the name: said there */
	e->used = true;
	int r = entry_expand(c, e);

	if (r < 0)
		return r;
	if (asking != NULL && asking->source == NULL && !is_written(asking))
		asking->source = is_written(e) ? e : e->source;
	if (e->value != NULL)
		*ret_value = slice_of_str(e->value);
	return 0;
}

/* --- asking ------------------------------------------------------------------------------------- */

static struct entry *get(struct conf *c, const char *name)
{
	struct entry *e = find_or_add(c, slice_of_str(name));

	if (e == NULL)
		return NULL;
	e->used = true;
	struct conf_expand *x = &c->expand;
	unsigned depth = x->depth;
	int r = entry_expand(c, e);

	ASSERT(x->depth == depth);
	/* Asked by a default that is itself being asked for: its answer is worth as much as ours. */
	if (r < 0 && c->running != NULL)
		IGNORE(break_running(c, c->running));
	return e;
}

const char *conf_get(struct conf *c, const char *name)
{
	struct entry *e = get(c, name);

	if (e != NULL && e->state != ENTRY_DONE)
		return "";
	return e != NULL ? e->value : NULL;
}

bool conf_is_set(const struct conf *c, const char *name)
{
	size_t slot;
	const struct entry *e = find(c, slice_of_str(name), &slot);

	return e != NULL && is_written(e);
}

const char *conf_written(const struct conf *c, const char *name)
{
	size_t slot;
	const struct entry *e = find(c, slice_of_str(name), &slot);

	return e != NULL ? raw_text(e) : NULL;
}

void conf_each_written(const struct conf *c, void (*fn)(const char *name, bool used, void *context), void *context)
{
	for (unsigned i = 0; i < c->entry_count; i++)
		if (is_written(c->entries[i]))
			fn(c->entries[i]->name.ptr, c->entries[i]->used, context);	/* a copy with a NUL */
}

const char *conf_where(const struct conf *c, const char *name)
{
	size_t slot;
	const struct entry *e = find(c, slice_of_str(name), &slot);

	return e != NULL ? entry_where(e) : WHERE_DEFAULT;
}

/* --- complaints --------------------------------------------------------------------------------- */

void conf_mark_used(struct conf *c, const char *name)
{
	size_t slot;
	struct entry *e = find(c, slice_of_str(name), &slot);

	if (e != NULL)
		e->used = true;
}

void conf_unused(struct conf *c, void (*fn)(const char *line, void *context), void *context)
{
	for (unsigned i = 0; i < c->entry_count; i++) {
		const struct entry *e = c->entries[i];
		char storage[512];
		struct str line = STR(storage);

		if (e->used || !is_written(e))
			continue;
		str_printf(&line, "%s: unused parameter: ", entry_where(e));
		str_add_cut(&line, e->name, CONF_SHOWN_MAX);
		fn(str_cstr(&line), context);
	}
}

void conf_error(struct conf *c, const char *name, const char *what, const char *form)
{
	struct entry *e = get(c, name);

	if (e != NULL && e->state == ENTRY_DONE)
		complain_of(c, e, what, form);
}

unsigned conf_error_count(const struct conf *c)
{
	return c->error_count;
}

void conf_errors(struct conf *c, void (*fn)(const char *line, void *context), void *context)
{
	char storage[64];
	struct str more = STR(storage);

	for (unsigned i = 0; i < c->errors_kept; i++)
		fn(c->errors[i], context);
	if (c->error_count == c->errors_kept)
		return;
	str_printf(&more, "and %u more errors", c->error_count - c->errors_kept);
	fn(str_cstr(&more), context);
}

/* One complaint for a definition. A default that merely passes on what somebody wrote is not to blame. */
static void complain_of(struct conf *c, struct entry *e, const char *what, const char *form)
{
	while (!is_written(e) && e->source != NULL)
		e = e->source;
	if (e->complained)
		return;
	e->complained = true;
	const char *text = e->value != NULL ? e->value : raw_text(e);

	complain(c, entry_where(e), e->name, text != NULL ? text : "", what, form);
}

static void complain(struct conf *c, const char *where, struct slice name, const char *value,
		     const char *what, const char *form)
{
	char storage[2048], shown[CONF_SHOWN_MAX];
	struct str line = STR(storage), part = STR(shown);

	str_printf(&line, "%s: ", where != NULL ? where : "");
	str_add_printable(&part, name, CONF_SHOWN_MAX);
	str_add(&line, str_slice(&part));
	if (value != NULL) {
		str_clear(&part);
		str_add_printable(&part, slice_of_str(value), CONF_SHOWN_MAX);
		str_add_cstr(&line, " = ");
		str_add(&line, str_slice(&part));
	}
	if (part.full)
		str_add_cstr(&line, "...");
	str_printf(&line, "%s%s; expected %s", name.len > 0 ? ": " : "", what, form);
	c->error_count++;
	if (c->errors_kept == CONF_ERRORS_MAX)
		return;
	const char *kept = copy(c, str_slice(&line));

	if (kept != NULL)
		c->errors[c->errors_kept++] = kept;
}

/* --- memory ------------------------------------------------------------------------------------- */

void *conf_alloc(struct conf *c, size_t size)
{
	size = round_up(size, _Alignof(max_align_t));
	if (c->chunks == NULL || c->chunks->cap - c->chunks->used < size) {
		size_t cap = MAX(size, CHUNK_SIZE);
		struct chunk *chunk = calloc(1, sizeof(*chunk) + cap);

		if (chunk == NULL) {
			if (c->errors_kept < CONF_ERRORS_MAX)
				c->errors[c->errors_kept++] = "out of memory; expected less configuration";
			c->error_count++;
			return NULL;
		}
		chunk->cap = cap;
		chunk->next = c->chunks;
		c->chunks = chunk;
	}
	void *memory = c->chunks->bytes + c->chunks->used;

	c->chunks->used += size;
	return memory;
}

/* With a NUL behind it. */
static const char *copy(struct conf *c, struct slice text)
{
	char *kept = conf_alloc(c, text.len + 1);

	if (kept != NULL && text.len > 0)
		memcpy(kept, text.ptr, text.len);
	return kept;
}
