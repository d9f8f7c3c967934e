/* tables.h - a main.cf with its tables, for tests of what asks them */
#pragma once

#include "core/table.h"
#include "net/lookup/table_net.h"
#include "net/mail/generic.h"
#include "tests/unit/net/loaded.h"

struct tables {
	struct loaded *loaded;
	const struct params *params;
	struct table_set *set;
	struct generic_conf generic;
};

static inline void tables_open(struct tables *t, const char *text)
{
	table_net_register();
	t->loaded = load(text);
	if (t->loaded->errors != 0)
		fail_msg("%s", t->loaded->said);
	t->params = &t->loaded->p;
	t->set = table_set_new();
	assert_non_null(t->set);
	if (params_open_tables(&t->loaded->p, t->loaded->conf, t->set, hear, t->loaded) != 0)
		fail_msg("%s", t->loaded->said);
	t->generic = (struct generic_conf){ .params = t->params };
}

static inline void tables_close(struct tables *t)
{
	params_close_tables(&t->loaded->p);
	table_set_free(&t->set);
	unload(t->loaded);
}
