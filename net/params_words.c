/* params_words.c - the parameters in words: the form of a value, and every row for the manual page */
#include "net/params_impl.h"

#define PORTS_FORM "name=number items, separated by commas, each name once"
#define INTERFACES_FORM "all, loopback-only, localhost, or numeric addresses"
#define FEEDBACK_FORM "a number from 0 to 1, alone or with /concurrency or /sqrt_concurrency behind it"

static void add_words(struct str *s, const char *words)
{
	struct slice rest = slice_of_str(words);
	struct slice word = conf_list_next(&rest);

	while (word.len > 0) {
		struct slice next = conf_list_next(&rest);

		str_add(s, word);
		if (next.len > 0)
			str_add_cstr(s, rest.len > 0 ? ", " : " or ");
		word = next;
	}
}

/* A bound that only keeps arithmetic from wrapping is not worth a word. */
static void add_bounds(struct str *s, const char *what, const struct param_row *row, const char *unit)
{
	bool open = row->max == (row->kind == KIND_INT ? PARAM_U32 :
				 row->kind == KIND_SIZE ? PARAM_U64 : PARAM_TIME_MAX);

	str_add_cstr(s, what);
	if (!open)
		str_printf(s, " from %llu%s to %llu%s", (unsigned long long)row->min, unit,
			   (unsigned long long)row->max, unit);
	else if (row->min > 0)
		str_printf(s, ", at least %llu%s", (unsigned long long)row->min, unit);
}

const char *param_row_form(const struct param_row *row, struct str *s)
{
	switch (row->kind) {
	case KIND_HEADING:
		return "";
	case KIND_BOOL:
		return "yes or no";
	case KIND_INT:
		add_bounds(s, "a number", row, "");
		return str_cstr(s);
	case KIND_SIZE:
		add_bounds(s, "octets", row, "");
		return str_cstr(s);
	case KIND_TIME:
		add_bounds(s, row->words[0] == 'd' ? "a time (a bare number is days)" : "a time",
			   row, "s");
		return str_cstr(s);
	case KIND_STR:
		return row->min > 0 ? "text, not empty" : "text, or empty";
	case KIND_PATH:
		return row->min > 0 ? "an absolute path" : "an absolute path, or empty";
	case KIND_READONLY:
		return "no definition";
	case KIND_ENUM:
		add_words(s, row->words);
		str_add_cstr(s, row->max > 0 ? ", or empty" : "");
		return str_cstr(s);
	case KIND_SET:
		str_add_cstr(s, "a list of ");
		add_words(s, row->words);
		return str_cstr(s);
	case KIND_PORT:
		return "a port from 1 to 65535, or a name from known_tcp_ports";
	case KIND_PORTS:
		return PORTS_FORM;
	case KIND_ADDR4:
		return "a numeric IPv4 address, or empty";
	case KIND_ADDR6:
		return "a numeric IPv6 address, or empty";
	case KIND_ENDPOINTS:
		return row->min > 0 ? "a list of address, address:port or [IPv6 address]:port"
				    : "a list of address:port, [IPv6 address]:port or unix:/path";
	case KIND_NETS:
		return "a list of address/bits, [IPv6 address]/bits or single addresses";
	case KIND_INTERFACES:
		return INTERFACES_FORM;
	case KIND_FEEDBACK:
		return FEEDBACK_FORM;
	case KIND_MAPS:
		if (row->words != NULL) {
			str_add_cstr(s, "a list of type:name and words, ");
			add_words(s, row->words);
			return str_cstr(s);
		}
		return row->min > 0 ? "a list of type:name, no type that asks another process" : "a list of type:name";
	case KIND_MLIST:
		return "a list of words, /file or type:name, each with or without ! in front";
	}
	UNREACHABLE();
}

void params_describe(void (*fn)(const struct param_description *d, void *context), void *context)
{
	const char *phase = "";

	for (size_t i = 0; i < param_row_count; i++) {
		const struct param_row *row = &param_rows[i];
		char form_storage[256], twin_storage[PARAM_NAME_MAX];
		struct str form = STR(form_storage), twin = STR(twin_storage);

		if (row->kind == KIND_HEADING)
			phase = row->words;
		struct param_description d = {
			.name = row->name,
			.def = row->def,
			.form = param_row_form(row, &form),
			.help = row->help,
			.phase = phase,
			.remark = param_remark(row->name),
			.twin = param_row_name(row, true, &twin),
			.is_heading = row->kind == KIND_HEADING,
		};

		fn(&d, context);
	}
}
