#include "net/delivery/auth_memory.h"

int auth_memory_init(struct auth_memory *m)
{
	int r = pool_init(&m->refusals, "refused accounts", sizeof(struct auth_refusal), AUTH_MEMORY_MAX);

	list_init(&m->oldest_first);
	return r < 0 ? r : map_init(&m->by_account, AUTH_MEMORY_MAX);
}

static void forget(struct auth_memory *m, struct auth_refusal *r)
{
	map_remove(&m->by_account, &r->by_account);
	list_remove(&r->node);
	pool_put(&m->refusals, &r);
}

static struct auth_refusal *oldest(const struct auth_memory *m)
{
	return list_entry(m->oldest_first.next, struct auth_refusal, node);
}

void auth_memory_done(struct auth_memory *m)
{
	while (m->refusals.used > 0)
		forget(m, oldest(m));
	map_done(&m->by_account);
	pool_done(&m->refusals);
}

static struct slice key_of(const struct credentials_id *id)
{
	return slice_of(&id->account, sizeof(id->account));
}

static bool key_is(const struct map_node *node, struct slice key)
{
	return slice_eq(key_of(&container_of(node, const struct auth_refusal, by_account)->id), key);
}

static struct auth_refusal *find(const struct auth_memory *m, const struct credentials_id *id)
{
	struct map_node *node = map_find(&m->by_account, map_hash(&m->by_account, key_of(id)), key_of(id), key_is);

	return node != NULL ? container_of(node, struct auth_refusal, by_account) : NULL;
}

void auth_memory_note(struct auth_memory *m, const struct credentials_id *id, int code, struct enhanced_code dsn,
		      struct slice text, uint64_t now_ns)
{
	struct auth_refusal *r = find(m, id);

	if (r != NULL)
		forget(m, r);
	if (pool_free(&m->refusals) == 0)
		forget(m, oldest(m));
	r = pool_take(&m->refusals);
	ASSERT(r != NULL);
	memset(r, 0, sizeof(*r));
	list_init(&r->node);
	struct str kept = STR(r->text);

	str_add_printable(&kept, text, AUTH_MEMORY_TEXT);
	r->text_len = (uint32_t)kept.len;
	r->code = code;
	r->dsn = dsn;
	r->id = *id;
	r->since_ns = now_ns;
	map_insert(&m->by_account, &r->by_account, map_hash(&m->by_account, key_of(id)));
	list_push_back(&m->oldest_first, &r->node);
}

const struct auth_refusal *auth_memory_find(struct auth_memory *m, const struct credentials_id *id, uint64_t keep_ns,
					    uint64_t now_ns)
{
	struct auth_refusal *r = find(m, id);

	if (r == NULL)
		return NULL;
	if (credentials_are_equal(&r->id, id) && now_ns - r->since_ns < keep_ns)
		return r;
	forget(m, r);
	return NULL;
}
