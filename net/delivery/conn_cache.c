#include "net/delivery/conn_cache.h"

/* --- keys ------------------------------------------------------------------------------------- */

/* Each field with its length in front: no two lists of fields look alike. */
static void add_field(struct str *out, struct slice field)
{
	str_add_char(out, (char)(field.len >> 8));
	str_add_char(out, (char)field.len);
	str_add(out, field);
}

static void add_addr(struct str *out, const struct addr *a)
{
	char storage[ADDR_TEXT_MAX];
	struct str text = STR(storage);

	if (a != NULL) {
		str_add_u64(&text, a->sa.sa_family);
		str_add_char(&text, '/');
		addr_add_ip(&text, a);
		str_add_char(&text, '/');
		str_add_u64(&text, addr_port(a));
		out->full |= text.full;
	}
	add_field(out, str_slice(&text));
}

void conn_key_init(struct conn_key *key, const struct conn_identity *id)
{
	struct str out = STR(key->octets);

	static_assert(CONN_KEY_MAX <= UINT16_MAX, "a length has two octets");
	add_addr(&out, id->remote);
	add_addr(&out, id->local);
	str_add_char(&out, id->lmtp ? 'L' : 'S');
	str_add_char(&out, (char)id->tls_level);
	str_add_char(&out, (char)id->requiretls);
	add_field(&out, id->service);
	add_field(&out, id->policy);
	add_field(&out, id->credentials);
	key->len = str_is_full(&out) ? 0 : (uint16_t)out.len;
}

static struct slice octets_of(const struct conn_key *key)
{
	return slice_of(key->octets, key->len);
}

/* --- entries ---------------------------------------------------------------------------------- */

int conn_cache_init(struct conn_cache *c, size_t count_max)
{
	return map_init(&c->by_key, count_max);
}

void conn_cache_done(struct conn_cache *c)
{
	map_done(&c->by_key);
}

static bool key_is(const struct map_node *node, struct slice key)
{
	return slice_eq(octets_of(&container_of(node, const struct conn_entry, by_key)->key), key);
}

static struct conn_entry *find_head(const struct conn_cache *c, const struct conn_key *key)
{
	struct map_node *node = map_find(&c->by_key, map_hash(&c->by_key, octets_of(key)), octets_of(key), key_is);

	return node != NULL ? container_of(node, struct conn_entry, by_key) : NULL;
}

static void become_head(struct conn_cache *c, struct conn_entry *entry)
{
	entry->is_head = true;
	map_insert(&c->by_key, &entry->by_key, map_hash(&c->by_key, octets_of(&entry->key)));
}

void conn_cache_add(struct conn_cache *c, struct conn_entry *entry)
{
	ASSERT(!entry->is_in);
	list_init(&entry->same);
	entry->is_head = false;
	if (entry->key.len == 0)
		return;
	struct conn_entry *head = find_head(c, &entry->key);

	entry->is_in = true;
	if (head == NULL)
		become_head(c, entry);
	else
		list_push_back(&head->same, &entry->same);
}

void conn_cache_remove(struct conn_cache *c, struct conn_entry *entry)
{
	if (!entry->is_in)
		return;
	struct conn_entry *heir =
		list_is_empty(&entry->same) ? NULL : list_entry(entry->same.next, struct conn_entry, same);

	entry->is_in = false;
	list_remove(&entry->same);
	if (!entry->is_head)
		return;
	entry->is_head = false;
	map_remove(&c->by_key, &entry->by_key);
	if (heir != NULL)
		become_head(c, heir);
}

struct conn_entry *conn_cache_find(const struct conn_cache *c, const struct conn_key *key,
				   bool (*fits)(const struct conn_entry *entry, const void *context),
				   const void *context)
{
	struct conn_entry *head = key->len > 0 && c->by_key.count > 0 ? find_head(c, key) : NULL;

	if (head == NULL)
		return NULL;
	if (fits == NULL || fits(head, context))
		return head;
	list_for_each(node, &head->same) {
		struct conn_entry *entry = list_entry(node, struct conn_entry, same);

		if (fits(entry, context))
			return entry;
	}
	return NULL;
}
