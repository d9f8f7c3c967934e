#include "net/mail/stage.h"

void chain_init(struct chain *c)
{
	*c = (struct chain){ 0 };
}

void chain_add(struct chain *c, struct stage *s)
{
	ASSERT(c->count < STAGES_MAX);
	c->stages[c->count++] = s;
}

/* One stage is asked, and has to keep its contract. */
static int ask(struct stage *s, struct slice *in, bool is_last, struct slice *ret_span)
{
	int r = s->next(s, in, is_last, ret_span);

	if (r == STAGE_SPAN)
		ASSERT(ret_span->len > 0);
	if (r == STAGE_MORE)
		ASSERT(!is_last && in->len == 0);
	if (r == STAGE_END)
		ASSERT(is_last && in->len == 0);
	return r;
}

int chain_next(struct chain *c, struct slice *in, bool is_last, struct slice *ret_span)
{
	if (c->err < 0)
		return c->err;
	if (c->count == 0)
		return stage_pass(in, is_last, ret_span);
	/* Up the chain for more, down the chain with a span. */
	for (unsigned i = c->count - 1;;) {
		struct stage_link *before = i > 0 ? &c->links[i - 1] : NULL;
		struct slice span;
		int r = before != NULL ? ask(c->stages[i], &before->span, before->is_last, &span)
				       : ask(c->stages[i], in, is_last, &span);

		if (r == STAGE_MORE && i > 0) {
			i--;
			continue;
		}
		if (r == STAGE_MORE || r == STAGE_WAIT)
			return r;
		if (r < 0)
			return c->err = r;
		if (i + 1 == c->count) {
			if (r == STAGE_SPAN)
				*ret_span = span;
			return r;
		}
		c->links[i] = (struct stage_link){ r == STAGE_SPAN ? span : (struct slice){ 0 }, r == STAGE_END };
		i++;
	}
}
