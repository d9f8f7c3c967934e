/* table_store.c - key and value pairs in memory: what all indexed types become
 *
 *	bytes	key value key value ...		one growing piece, so pairs know offsets until it grows no more
 *	pairs	in the order of their coming
 */
#include <errno.h>
#include <stdlib.h>

#include "core/map.h"
#include "core/pool.h"
#include "core/table_impl.h"

struct pair {
	struct map_node node;
	union {
		size_t at;		/* of the key in bytes; the value is behind it */
		const char *key;	/* once bytes grows no more */
	};
	uint32_t key_len, value_len;
	unsigned line;
};

struct table_store {
	char *bytes;
	size_t len, cap;
	struct pair *pairs;
	size_t count, room;
	struct map map;
	bool finished;
	bool is_hidden;
};

struct table_store *table_store_new(void)
{
	return calloc(1, sizeof(struct table_store));
}

void table_store_free(struct table_store **store)
{
	struct table_store *s = *store;

	*store = NULL;
	if (s == NULL)
		return;
	if (s->finished)
		map_done(&s->map);
	free(s->pairs);
	if (s->is_hidden)
		pool_unmap_hidden(s->bytes, s->len);
	else
		free(s->bytes);
	free(s);
}

void table_store_unload(void *store)
{
	struct table_store *s = store;

	table_store_free(&s);
}

/* Room for need more elements behind count. */
static int grow(void **ptr, size_t *room, size_t count, size_t need, size_t size)
{
	size_t wanted = *room > 0 ? *room : 64;

	while (wanted - count < need)
		wanted *= 2;	/* cannot wrap: a table is at most TABLE_FILE_MAX octets of text */
	if (wanted == *room)
		return 0;
	void *larger = malloc(wanted * size);

	if (larger == NULL)
		return -ENOMEM;
	if (*ptr != NULL) {	/* there may be secrets in it */
		memcpy(larger, *ptr, count * size);
		explicit_bzero(*ptr, count * size);
	}
	free(*ptr);
	*ptr = larger;
	*room = wanted;
	return 0;
}

int table_store_add(struct table_store *s, struct slice key, struct slice value, unsigned line)
{
	ASSERT(!s->finished);
	if (key.len > TABLE_KEY_MAX)
		return -EMSGSIZE;
	if (value.len > TABLE_FILE_MAX || s->len > 4 * TABLE_FILE_MAX)
		return -EFBIG;
	if (grow((void **)&s->bytes, &s->cap, s->len, key.len + value.len, 1) < 0 ||
	    grow((void **)&s->pairs, &s->room, s->count, 1, sizeof(*s->pairs)) < 0)
		return -ENOMEM;
	s->pairs[s->count++] = (struct pair){
		.at = s->len, .key_len = (uint32_t)key.len, .value_len = (uint32_t)value.len, .line = line,
	};
	for (size_t i = 0; i < key.len; i++)
		s->bytes[s->len++] = ascii_lower(key.ptr[i]);
	if (value.len > 0)
		memcpy(s->bytes + s->len, value.ptr, value.len);
	s->len += value.len;
	return 0;
}

int table_store_hide(void *store)
{
	struct table_store *s = store;
	char *hidden = s->is_hidden ? NULL : pool_map_hidden(s->len);

	ASSERT(s->finished);
	if (hidden == NULL)
		return s->is_hidden ? 0 : -ENOMEM;
	for (size_t i = 0; i < s->count; i++)
		s->pairs[i].key = hidden + (s->pairs[i].key - s->bytes);
	if (s->len > 0) {
		memcpy(hidden, s->bytes, s->len);
		explicit_bzero(s->bytes, s->len);
	}
	free(s->bytes);
	s->bytes = hidden;
	s->is_hidden = true;
	return 0;
}

static bool has_key(const struct map_node *node, struct slice key)
{
	const struct pair *p = container_of(node, struct pair, node);

	return slice_eq(slice_of(p->key, p->key_len), key);
}

int table_store_finish(struct table_store *s, struct slice *ret_duplicate, unsigned *ret_line)
{
	ASSERT(!s->finished);
	if (map_init(&s->map, s->count) < 0)
		return -ENOMEM;
	s->finished = true;
	*ret_duplicate = SLICE("");
	for (size_t i = 0; i < s->count; i++) {
		struct pair *p = &s->pairs[i];

		p->key = s->bytes + p->at;
		struct slice key = slice_of(p->key, p->key_len);
		uint64_t hash = map_hash(&s->map, key);

		if (map_find(&s->map, hash, key, has_key) == NULL) {
			map_insert(&s->map, &p->node, hash);
		} else if (ret_duplicate->len == 0) {
			*ret_duplicate = key;
			*ret_line = p->line;
		}
	}
	return 0;
}

int table_store_find(const void *store, struct slice key, struct str *ret_value)
{
	const struct table_store *s = store;
	const struct map_node *node = map_find(&s->map, map_hash(&s->map, key), key, has_key);

	if (node == NULL)
		return 0;
	const struct pair *p = container_of(node, struct pair, node);

	str_add(ret_value, slice_of(p->key + p->key_len, p->value_len));
	return 1;
}

/* postmap may or may not count the terminator in; who asks never does. */
static struct slice without_nul(const void *ptr, size_t len)
{
	const char *text = ptr;

	return slice_of(text, len > 0 && text[len - 1] == '\0' ? len - 1 : len);
}

int table_store_add_stored(struct table_store *s, const void *key, size_t key_len, const void *value, size_t value_len)
{
	return table_store_add(s, without_nul(key, key_len), without_nul(value, value_len), 0);
}
