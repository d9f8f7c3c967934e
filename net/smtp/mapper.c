#include "net/smtp/mapper.h"

static void on_answer(struct table_asker *asker)
{
	struct mapper *m = container_of(asker, struct mapper, asker);

	m->wake(m->owner);
}

void mapper_init(struct mapper *m, const struct generic_conf *conf, struct table_net *net,
		 void *owner, void (*wake)(void *owner))
{
	m->conf = conf;
	m->owner = owner;
	m->wake = wake;
	m->is_begun = false;
	m->generic.many = false;
	table_asker_init(&m->asker, net, on_answer);
}

int mapper_map(struct mapper *m, struct slice address, struct slice *ret_address)
{
	if (!m->is_begun)
		generic_begin(&m->generic, m->conf, address);
	ASSERT(slice_eq(m->generic.address, address));
	*ret_address = address;
	const int r = generic_next(&m->generic, &m->asker.asker, ret_address);

	m->is_begun = r == ASKER_WAIT;
	return r;
}

void mapper_cancel(struct mapper *m)
{
	table_asker_cancel(&m->asker);
	m->is_begun = false;
}
