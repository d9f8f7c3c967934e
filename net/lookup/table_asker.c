#include "net/lookup/table_asker.h"

static void on_answer(struct maps_ask *ask, int result)
{
	struct table_asker *a = container_of(ask, struct table_asker, ask);

	a->result = result;
	a->is_answered = true;
	a->wake(a);
}

static int find(struct asker *asker, const struct maps *maps, struct slice key, unsigned flags, struct str *ret_value)
{
	struct table_asker *a = container_of(asker, struct table_asker, asker);

	if (a->net == NULL)
		return ERR_TABLE;
	if (!a->is_asked) {
		a->is_asked = true;
		maps_ask(a->net, &a->ask, maps, key, flags, ret_value, on_answer);
	}
	ASSERT(a->ask.maps == maps && a->ask.value == ret_value && slice_eq(a->ask.key, key));
	if (!a->is_answered)
		return ASKER_WAIT;
	a->is_asked = a->is_answered = false;
	return a->result;
}

void table_asker_init(struct table_asker *a, struct table_net *net, void (*wake)(struct table_asker *a))
{
	*a = (struct table_asker){ .asker.find = find, .net = net, .wake = wake };
}

void table_asker_cancel(struct table_asker *a)
{
	maps_ask_cancel(&a->ask);
	a->is_asked = a->is_answered = false;
}
