#include "net/source/tlsrpt_counts.h"

#include <errno.h>

/* --- coming and going ------------------------------------------------------------------------- */

int tlsrpt_counts_init(struct tlsrpt_counts *c)
{
	list_init(&c->all);
	int r = pool_init(&c->reports, "tls reports", sizeof(struct tlsrpt_report), TLSRPT_REPORTS_MAX);

	if (r == 0)
		r = pool_init(&c->policies, "tls report policies", sizeof(struct tlsrpt_policy), TLSRPT_POLICIES_MAX);
	if (r == 0)
		r = pool_init(&c->rows, "tls report rows", sizeof(struct tlsrpt_row), TLSRPT_ROWS_MAX);
	return r == 0 ? map_init(&c->by_key, TLSRPT_REPORTS_MAX) : r;
}

void tlsrpt_counts_done(struct tlsrpt_counts *c)
{
	while (!list_is_empty(&c->all)) {
		struct tlsrpt_report *r = list_entry(c->all.next, struct tlsrpt_report, node);

		tlsrpt_counts_remove(c, &r);
	}
	map_done(&c->by_key);
	pool_done(&c->reports);
	pool_done(&c->policies);
	pool_done(&c->rows);
}

static bool key_is(const struct map_node *node, struct slice key)
{
	const struct tlsrpt_report *r = container_of(node, const struct tlsrpt_report, by_key);
	uint64_t start_s;

	memcpy(&start_s, key.ptr, sizeof(start_s));
	return r->start_s == start_s &&
	       slice_eq(tlsrpt_report_domain(r), slice_of(key.ptr + sizeof(start_s), key.len - sizeof(start_s)));
}

static struct slice key_of(struct str *storage, struct slice domain, uint64_t start_s)
{
	str_add(storage, slice_of(&start_s, sizeof(start_s)));
	str_add(storage, slice_head(domain, TLS_EVENT_NAME));
	return str_slice(storage);
}

struct tlsrpt_report *tlsrpt_counts_find(const struct tlsrpt_counts *c, struct slice domain, uint64_t start_s)
{
	char text[sizeof(start_s) + TLS_EVENT_NAME];
	struct str storage = STR(text);
	struct slice key = key_of(&storage, domain, start_s);
	struct map_node *node = map_find(&c->by_key, map_hash(&c->by_key, key), key, key_is);

	return node != NULL ? container_of(node, struct tlsrpt_report, by_key) : NULL;
}

struct tlsrpt_report *tlsrpt_counts_add(struct tlsrpt_counts *c, struct slice domain, uint64_t start_s, uint64_t end_s)
{
	char text[sizeof(start_s) + TLS_EVENT_NAME];
	struct str storage = STR(text);
	struct slice key = key_of(&storage, domain, start_s);
	struct tlsrpt_report *r = domain.len < TLS_EVENT_NAME ? pool_take(&c->reports) : NULL;

	if (r == NULL)
		return NULL;
	memset(r, 0, sizeof(*r));
	list_init(&r->node);
	list_init(&r->dirty_node);
	list_init(&r->policies);
	query_init(&r->query, NULL);
	r->start_s = start_s;
	r->end_s = end_s;
	struct str name = STR(r->name);

	str_add_cstr(&name, TLSRPT_PREFIX);
	str_add(&name, domain);
	r->name_len = name.len;
	map_insert(&c->by_key, &r->by_key, map_hash(&c->by_key, key));
	list_push_back(&c->all, &r->node);
	return r;
}

void tlsrpt_counts_clear(struct tlsrpt_counts *c, struct tlsrpt_report *r)
{
	struct list *policy_node, *row_node;

	while ((policy_node = list_pop_front(&r->policies)) != NULL) {
		struct tlsrpt_policy *policy = list_entry(policy_node, struct tlsrpt_policy, node);

		while ((row_node = list_pop_front(&policy->rows)) != NULL) {
			struct tlsrpt_row *row = list_entry(row_node, struct tlsrpt_row, node);

			pool_put(&c->rows, &row);
		}
		pool_put(&c->policies, &policy);
	}
	r->policy_count = 0;
	r->row_count = 0;
}

void tlsrpt_counts_remove(struct tlsrpt_counts *c, struct tlsrpt_report **r)
{
	tlsrpt_counts_clear(c, *r);
	map_remove(&c->by_key, &(*r)->by_key);
	list_remove(&(*r)->node);
	list_remove(&(*r)->dirty_node);
	pool_put(&c->reports, r);
}

/* --- counting --------------------------------------------------------------------------------- */

static void copy(char *to, size_t size, const char *from)
{
	struct str out = str_over(to, size);

	str_add_cut(&out, slice_of_str(from), size - 1);
	(void)str_cstr(&out);
}

#define COPY(to, from) copy(to, sizeof(to), from)

struct tlsrpt_policy *tlsrpt_counts_take_policy(struct tlsrpt_counts *c, struct tlsrpt_report *r,
						const struct tls_event *e)
{
	struct tlsrpt_policy *policy = NULL;

	list_for_each(node, &r->policies) {
		policy = list_entry(node, struct tlsrpt_policy, node);
		if (policy->type == e->policy_type && strcmp(policy->domain, e->policy_domain) == 0 &&
		    strcmp(policy->strings, e->strings) == 0 && strcmp(policy->patterns, e->patterns) == 0)
			return policy;
	}
	if (r->policy_count == TLSRPT_POLICIES_EACH)
		return policy;		/* the last one has to do */
	policy = pool_take(&c->policies);
	if (policy == NULL)
		return NULL;
	memset(policy, 0, sizeof(*policy));
	list_init(&policy->node);
	list_init(&policy->rows);
	policy->type = e->policy_type;
	COPY(policy->domain, e->policy_domain);
	COPY(policy->strings, e->strings);
	COPY(policy->patterns, e->patterns);
	list_push_back(&r->policies, &policy->node);
	r->policy_count++;
	return policy;
}

static bool is_same(const struct tlsrpt_row *a, const struct tlsrpt_row *b)
{
	return a->result == b->result && strcmp(a->mx, b->mx) == 0 && strcmp(a->helo, b->helo) == 0 &&
	       strcmp(a->sending_ip, b->sending_ip) == 0 && strcmp(a->receiving_ip, b->receiving_ip) == 0 &&
	       strcmp(a->reason, b->reason) == 0;
}

static struct tlsrpt_row *find_row(const struct tlsrpt_policy *policy, const struct tlsrpt_row *like)
{
	list_for_each(node, &policy->rows) {
		struct tlsrpt_row *row = list_entry(node, struct tlsrpt_row, node);

		if (is_same(row, like))
			return row;
	}
	return NULL;
}

/* Like it, or where there are too many: of the same result, and about nobody. */
static struct tlsrpt_row *take_row(struct tlsrpt_counts *c, struct tlsrpt_report *r, struct tlsrpt_policy *policy,
				   const struct tlsrpt_row *like)
{
	const struct tlsrpt_row nobody = { .result = like->result };
	struct tlsrpt_row *row = find_row(policy, like);

	if (row == NULL && r->row_count == TLSRPT_ROWS_EACH) {
		like = &nobody;
		row = find_row(policy, like);
	}
	if (row != NULL)
		return row;
	row = pool_take(&c->rows);
	if (row == NULL)
		return NULL;
	*row = *like;
	list_init(&row->node);
	row->count = 0;
	list_push_back(&policy->rows, &row->node);
	r->row_count += !is_same(like, &nobody);	/* of the others there are only as many as results */
	return row;
}

int tlsrpt_counts_add_row(struct tlsrpt_counts *c, struct tlsrpt_report *r, struct tlsrpt_policy *policy,
			  const struct tlsrpt_row *like, uint64_t count)
{
	struct tlsrpt_row *row = take_row(c, r, policy, like);

	if (row == NULL)
		return -ENOBUFS;
	row->count += count;
	policy->bad += count;
	return 0;
}

int tlsrpt_counts_event(struct tlsrpt_counts *c, struct tlsrpt_report *r, const struct tls_event *e)
{
	struct tlsrpt_policy *policy = tlsrpt_counts_take_policy(c, r, e);
	struct tlsrpt_row like = { .result = e->result };

	if (policy == NULL)
		return -ENOBUFS;
	if (e->result == TLSRPT_SUCCESS) {
		policy->good++;
		return 0;
	}
	COPY(like.mx, e->mx);
	COPY(like.helo, e->helo);
	COPY(like.sending_ip, e->sending_ip);
	COPY(like.receiving_ip, e->receiving_ip);
	COPY(like.reason, e->reason);
	return tlsrpt_counts_add_row(c, r, policy, &like, 1);
}
