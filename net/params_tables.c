/* params_tables.c - the parameters whose values are tables
 *
 * Apart from params_load, because who only wants to know what a main.cf says opens no tables.
 */
#include "core/err.h"
#include "net/params_impl.h"

struct opening {
	bool is_lmtp;
	struct conf *conf;
	struct table_set *set;
	params_line_fn *warn;
	void *context;
};

static void complain(struct opening *o, const struct param_row *row, const char *what)
{
	char storage[256], name_storage[PARAM_NAME_MAX];
	struct str form = STR(storage), name = STR(name_storage);

	conf_error(o->conf, param_row_name(row, o->is_lmtp, &name), what, param_row_form(row, &form));
}

static void say(struct opening *o, const struct param_row *row, struct str *what)
{
	char storage[TABLE_WHY_MAX + 512], name_storage[PARAM_NAME_MAX];
	struct str line = STR(storage), name_str = STR(name_storage);
	const char *name = param_row_name(row, o->is_lmtp, &name_str);

	if (o->warn == NULL)
		return;
	str_printf(&line, "%s: %s: %s", conf_where(o->conf, name), name, str_cstr(what));
	o->warn(str_cstr(&line), o->context);
}

static bool is_word_of(const struct param_row *row, struct slice item)
{
	struct slice rest = slice_of_str(row->words), word;

	while ((word = conf_list_next(&rest)).len > 0)
		if (slice_eq_nocase(word, item))
			return true;
	return false;
}

/* "type:name, word" as "type:name static:word". False: some item is neither. */
static bool spell_words(struct opening *o, const struct param_row *row, struct slice *text)
{
	struct slice rest = *text, item;
	char *storage = conf_alloc(o->conf, text->len + MAPS_MAX * sizeof("static:"));

	if (storage == NULL)
		return true;		/* the conf has said why */
	struct str out = str_over(storage, text->len + MAPS_MAX * sizeof("static:"));

	while ((item = conf_list_next_braced(&rest)).len > 0) {
		if (!is_word_of(row, item) && !table_is_name(item))
			return false;
		str_add_cstr(&out, out.len > 0 ? " " : "");
		str_add_cstr(&out, table_is_name(item) ? "" : "static:");
		str_add(&out, item);
	}
	*text = str_slice(&out);
	return !str_is_full(&out);
}

static void open_row(struct opening *o, const struct param_row *row, void *field)
{
	char storage[TABLE_WHY_MAX], name[PARAM_NAME_MAX];
	struct str why = STR(storage), name_str = STR(name);
	const char *value = conf_get(o->conf, param_row_name(row, o->is_lmtp, &name_str));
	struct slice text = slice_of_str(value != NULL ? value : "");

	if (row->kind == KIND_MAPS && row->words != NULL && !spell_words(o, row, &text)) {
		complain(o, row, "an item is neither a word that is known here nor a table");
		return;
	}
	int r = row->kind == KIND_MAPS ? maps_open(o->set, text, &why, field) : mlist_open(o->set, text, &why, field);

	if (r < 0)
		complain(o, row, why.len > 0 ? str_cstr(&why) : err_text(r));
	else if (why.len > 0)
		say(o, row, &why);
	if (r == 0 && row->min > 0 && (row->kind == KIND_MAPS ? maps_need_io(*(struct maps **)field)
							      : mlist_needs_io(*(struct mlist **)field)))
		complain(o, row, "a table of another process cannot be asked here");
}

int params_open_tables(struct params *p, struct conf *conf, struct table_set *set, params_line_fn *warn, void *context)
{
	struct opening o = { .is_lmtp = p->is_lmtp, .conf = conf, .set = set, .warn = warn, .context = context };

	for (size_t i = 0; i < param_row_count; i++)
		if (param_rows[i].kind == KIND_MAPS || param_rows[i].kind == KIND_MLIST)
			open_row(&o, &param_rows[i], (char *)p + param_rows[i].offset);
	maps_hide(p->smtp_sasl_password_maps);
	return (int)MIN(conf_error_count(conf), (unsigned)INT_MAX);
}

void params_close_tables(struct params *p)
{
	for (size_t i = 0; i < param_row_count; i++) {
		void *field = (char *)p + param_rows[i].offset;

		if (param_rows[i].kind == KIND_MAPS)
			maps_free(field);
		else if (param_rows[i].kind == KIND_MLIST)
			mlist_free(field);
	}
}
