/* table_asker.h - tables of other processes for those who know no reactor (net/mail/asker.h)
 *
 * One question at a time: it is asked when somebody first wants the answer, and he is woken once that is there.
 */
#pragma once

#include "net/lookup/table_net.h"
#include "net/mail/asker.h"

struct table_asker {
	struct asker asker;
	/* private */
	struct table_net *net;
	void (*wake)(struct table_asker *a);
	struct maps_ask ask;
	int result;
	bool is_asked;
	bool is_answered;
};

/* net may be NULL: then every question is an error. wake: ask again. */
void table_asker_init(struct table_asker *a, struct table_net *net, void (*wake)(struct table_asker *a));

/* The answer is not wanted any more; the next question may be another. Harmless when there is none. */
void table_asker_cancel(struct table_asker *a);
