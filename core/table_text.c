/* table_text.c - texthash: and inline:, and the files of lines that tables of patterns are, too */
#include <errno.h>
#include <stdlib.h>

#include "core/conf.h"
#include "core/err.h"
#include "core/file.h"
#include "core/table_impl.h"

/* --- files of lines ------------------------------------------------------------------------------- */

/* "{ {line}, {line} }" in the place of a path: its items are the lines, as they stand in their braces. */
static int lines_of_braces(struct table_lines *l, struct slice text, struct str *why)
{
	struct slice rest = text, item;

	if (table_unbrace(&rest) < 0)
		return table_complain(why, text, 0, "the braces do not enclose it");
	l->text = malloc(text.len + 1);
	if (l->text == NULL)
		return -ENOMEM;
	while ((item = conf_list_next_braced(&rest)).len > 0) {
		if (table_unbrace(&item) < 0 || memchr(item.ptr, '\n', item.len) != NULL) {
			table_lines_close(l);
			return table_complain(why, text, 0, "expected { {pattern result}, {pattern result} }");
		}
		memcpy(l->text + l->len, item.ptr, item.len);
		l->len += item.len;
		l->text[l->len++] = '\n';
	}
	return 0;
}

int table_lines_open(struct table_lines *l, struct slice path, struct str *why)
{
	char storage[4096];
	struct str name = STR(storage);

	*l = (struct table_lines){ 0 };
	if (path.len > 0 && path.ptr[0] == '{')
		return lines_of_braces(l, path, why);
	str_add(&name, path);
	if (name.len == sizeof(storage) || str_is_full(&name) || memchr(path.ptr, '\0', path.len) != NULL)
		return table_complain(why, path, 0, "not a path");
	int r = file_read(str_cstr(&name), TABLE_FILE_MAX, &l->text, &l->len);

	if (r < 0)
		(void)table_complain(why, path, 0, err_text(r));	/* whose answer is for lines */
	return r;
}

void table_lines_close(struct table_lines *l)
{
	if (l->text != NULL)
		explicit_bzero(l->text, l->len);	/* there may be secrets in it */
	free(l->text);
	*l = (struct table_lines){ 0 };
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* The physical line at *at, without its end. */
static struct slice physical_line(const struct table_lines *l, size_t at)
{
	const char *end = memchr(l->text + at, '\n', l->len - at);

	return slice_of(l->text + at, end != NULL ? (size_t)(end - l->text) - at : l->len - at);
}

static void step_over(struct table_lines *l, struct slice line)
{
	l->at = MIN(l->at + line.len + 1, l->len);
	l->line++;
}

bool table_lines_next(struct table_lines *l, struct slice *ret_line)
{
	char *joined = NULL;
	size_t len = 0;

	while (l->at < l->len) {
		struct slice line = physical_line(l, l->at);
		struct slice text = slice_trim(line);

		if (text.len == 0 || text.ptr[0] == '#') {
			step_over(l, line);
			continue;
		}
		if (joined != NULL && !is_blank(line.ptr[0]))
			break;
		step_over(l, line);
		if (joined == NULL) {
			joined = l->text + (line.ptr - l->text);
			l->first_line = l->line;
			len = line.len;
		} else {	/* what it begins with is white space, and stays that */
			memmove(joined + len, line.ptr, line.len);
			len += line.len;
		}
	}
	if (joined == NULL)
		return false;
	while (len > 0 && is_blank(joined[len - 1]))
		len--;
	*ret_line = slice_of(joined, len);
	return true;
}

/* --- texthash: ------------------------------------------------------------------------------------ */

/* Takes the key off the front: up to white space that is outside "quotes". False: the quotes do not end. */
static bool take_key(struct slice *line, struct slice *ret_key)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < line->len && (quoted || !is_blank(line->ptr[i])); i++) {
		if (line->ptr[i] == '"')
			quoted = !quoted;
		else if (line->ptr[i] == '\\' && i + 1 < line->len)
			i++;
	}
	*ret_key = slice_head(*line, i);
	slice_skip(line, i);
	return !quoted;
}

static int add_line(struct table_store *s, struct slice line, unsigned number, const char **ret_what)
{
	struct slice key;

	if (is_blank(line.ptr[0]))
		*ret_what = "white space in front continues nothing";
	else if (memchr(line.ptr, '\0', line.len) != NULL)
		*ret_what = "a NUL octet";
	else if (!take_key(&line, &key))
		*ret_what = "quotes that do not end";
	else if (slice_trim(line).len == 0)
		*ret_what = "no value; expected key, white space, value";
	else if (key.len > TABLE_KEY_MAX)
		*ret_what = "the key is too long; expected at most 8192 octets";
	else
		return table_store_add(s, key, slice_trim(line), number);
	return ERR_SYNTAX;
}

/* Ready for questions, with a warning when a key is there twice. */
static int finish(struct table_store *s, struct slice path, struct str *why)
{
	char text[96];
	struct str what = STR(text);
	struct slice duplicate;
	unsigned line = 0;
	int r = table_store_finish(s, &duplicate, &line);

	if (r < 0 || duplicate.len == 0)
		return r;
	str_add_cstr(&what, "\"");
	str_add_printable(&what, duplicate, 60);
	what.full = false;	/* a key that had to be cut still gets its end */
	str_add_cstr(&what, "\" is there twice; the first one counts");
	(void)table_complain(why, path, line, str_cstr(&what));	/* a warning, no error */
	return 0;
}

static int load_texthash(struct table_set *set, struct slice path, struct str *why, void **ret_data)
{
	struct table_store *s = table_store_new();
	struct table_lines lines;
	struct slice line;

	(void)set;
	int r = s != NULL ? table_lines_open(&lines, path, why) : -ENOMEM;

	if (r < 0) {
		table_store_free(&s);
		return r;
	}
	while (r == 0 && table_lines_next(&lines, &line)) {
		const char *what = NULL;

		r = add_line(s, line, lines.first_line, &what);
		if (r < 0 && what != NULL)
			(void)table_complain(why, path, lines.first_line, what);	/* r says the same */
	}
	table_lines_close(&lines);
	if (r == 0)
		r = finish(s, path, why);
	if (r < 0)
		table_store_free(&s);
	*ret_data = s;
	return r;
}

const struct table_type table_type_texthash = {
	.name = "texthash",
	.load = load_texthash,
	.find = table_store_find,
	.unload = table_store_unload,
	.suffix = "",
	.folds = true,
};

/* --- inline: -------------------------------------------------------------------------------------- */

static int add_item(struct table_store *s, struct slice item, struct slice all, struct str *why)
{
	ptrdiff_t equals;

	if (table_unbrace(&item) < 0)
		return table_complain(why, all, 0, "the braces do not enclose it");
	equals = slice_find_char(item, 0, '=');
	struct slice key = slice_trim(slice_head(item, equals < 0 ? 0 : (size_t)equals));

	if (key.len == 0)
		return table_complain(why, all, 0, "an item is not key=value or { key = text }");
	slice_skip(&item, (size_t)equals + 1);
	int r = table_store_add(s, key, slice_trim(item), 0);

	return r == -EMSGSIZE ? table_complain(why, all, 0, "a key is longer than 8192 octets") : r;
}

static int load_inline(struct table_set *set, struct slice arg, struct str *why, void **ret_data)
{
	struct table_store *s = table_store_new();
	struct slice rest = arg, item;

	(void)set;
	int r = s != NULL ? 0 : -ENOMEM;

	if (r == 0 && (rest.len == 0 || rest.ptr[0] != '{' || table_unbrace(&rest) < 0))
		r = table_complain(why, arg, 0, "expected inline:{ key=value, { key = text } }");
	while (r == 0 && (item = conf_list_next_braced(&rest)).len > 0)
		r = add_item(s, item, arg, why);
	if (r == 0)
		r = finish(s, arg, why);
	if (r < 0)
		table_store_free(&s);
	*ret_data = s;
	return r;
}

const struct table_type table_type_inline = {
	.name = "inline",
	.load = load_inline,
	.find = table_store_find,
	.unload = table_store_unload,
	.folds = true,
};
