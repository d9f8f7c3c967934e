/* mapper.h - addresses of the envelope on their way into MAIL and RCPT (smtp_generic_maps, B 12)
 *
 * A session has one, and asks for one address at a time: a table of another process may let it wait, and what has been
 * queued for the server leaves meanwhile.
 */
#pragma once

#include "net/lookup/table_asker.h"
#include "net/mail/generic.h"

struct mapper {
	/* private */
	const struct generic_conf *conf;
	struct table_asker asker;
	struct generic generic;
	void *owner;
	void (*wake)(void *owner);
	bool is_begun;
};

/* conf has to stay; net as in table_asker_init. wake(owner): ask again. */
void mapper_init(struct mapper *m, const struct generic_conf *conf, struct table_net *net,
		 void *owner, void (*wake)(void *owner));

/* 1 and the new address, good until the next question, 0 and address itself, ASKER_WAIT, or a negative error. After
 * ASKER_WAIT only the same address may be asked for, or mapper_cancel called. */
int mapper_map(struct mapper *m, struct slice address, struct slice *ret_address);

/* Did the table know several addresses for the last one? */
static inline bool mapper_found_many(const struct mapper *m)
{
	return m->generic.many;
}

void mapper_cancel(struct mapper *m);
